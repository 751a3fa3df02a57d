-- no-transaction
-- Why: a check is found by the verification that it waits for. Its index of before holds the state too,
-- and so does that of all open jobs: a plan of when the table was empty may take the wrong one of them,
-- and read every waiting job. This one fits no other question.
-- Old code still runs: yes, with its own index.
CREATE INDEX CONCURRENTLY IF NOT EXISTS job_live_verification ON hub.job_live (verify_job)
  WHERE verify_job IS NOT NULL;
