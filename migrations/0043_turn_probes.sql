-- Why: each probe of an open breaker was made with the oldest stored job. One that always fails, by what it
-- asks, kept the breaker open for ever, and all the others waited behind it.
-- Old code still runs: yes; an old build probes with the oldest job as before, and names none.

ALTER TABLE hub.destination ADD COLUMN breaker_probed bigint;
COMMENT ON COLUMN hub.destination.breaker_probed IS
  'The job of the last probe: the next one is made with the next stored job, in turns. It is lost when the worker '
  'of that job dies.';
