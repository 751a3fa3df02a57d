-- Why: each probe of an open breaker was made with the oldest stored job. One that always fails, by what it
-- asks, kept the breaker open for ever, and all the others waited behind it.
-- Old code still runs: yes; an old build probes with the oldest job as before, and names none.

ALTER TABLE hub.destination
  ADD COLUMN breaker_probe bigint,
  ADD COLUMN breaker_turns jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN hub.destination.breaker_probe IS
  'The job of the last probe: it is lost when the worker of that job dies.';
COMMENT ON COLUMN hub.destination.breaker_turns IS
  'Whose turn it was last, of those that ask and of commands: [priority, number]. The next one makes the next probe.';
