-- Why: a job whose system cannot be asked is kept past its give-up time. Its timer is looked at again
-- later and later: many of them must not keep the database from the timers of the others.
-- Old code still runs: yes; it postpones by the same few seconds as ever, and counts nothing.

ALTER TABLE hub.timer ADD COLUMN postponed smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN hub.timer.postponed IS
  'How often it was due and had to be looked at again later; each time the pause doubles.';
