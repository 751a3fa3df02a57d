-- Why: what is under way outside of the database is marked in it. A message of the quarantine is marked
-- before it is published again, so that nobody drops it meanwhile and a crash leaves a trace; a delivery
-- by HTTP says that somebody is making it, so that one host that hangs cannot take all places.
-- Old code still runs: yes. It publishes again without the mark, and counts no deliveries of a host.
-- Nothing is scanned under its locks: what is in the table fits the check of before, which was narrower.

ALTER TABLE hub.quarantine DROP CONSTRAINT quarantine_state_check;
ALTER TABLE hub.quarantine ADD CONSTRAINT quarantine_state_check
  CHECK (state IN ('kept', 'requeueing', 'requeued', 'dropped')) NOT VALID;
COMMENT ON COLUMN hub.quarantine.state IS
  'requeueing: somebody began to publish it again, so it may have been published.';

ALTER TABLE hub.callback ADD COLUMN leased_until timestamptz;
COMMENT ON COLUMN hub.callback.leased_until IS
  'Real time until which somebody is making this delivery; NULL where nobody is.';
