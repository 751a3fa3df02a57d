-- Why: what a call brought that lost its job meanwhile (a worker that was frozen and thawed) was thrown
-- away. It changes nothing, but it may be the only evidence of what became of a command.
-- Old code still runs: yes; it records only what counts, which is the default.

ALTER TABLE hub.attempt ADD COLUMN fenced boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN hub.attempt.fenced IS
  'Its run had lost the job when it came back: kept as evidence, and the job did not change by it.';
