-- Why: a worker that has lost only its broker goes on beating, and kept its part of the outbox: the
-- events in it waited until somebody killed it. Each says now whether it can publish.
-- Old code still runs: yes; it says nothing, counts as one that can, and shares with all as before.

ALTER TABLE hub.worker ADD COLUMN publishes boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN hub.worker.publishes IS
  'Whether it has a broker to publish to: who has none leaves its part of the outbox to those who have.';
