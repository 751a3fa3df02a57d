-- Why: past its give-up time a job in doubt ends after one question that reached its system. Attempts did not
-- say whether they were a question or the sending itself, and a late sending counted as one.
-- Old code still runs: yes; its attempts say nothing and count as no question, so that one more is asked.

ALTER TABLE hub.attempt ADD COLUMN phase text;
COMMENT ON COLUMN hub.attempt.phase IS
  'What the call did: consent, send, continue (the next part of an answer), ask (what became of a command). '
  'NULL: a build before 0034 made it.';
