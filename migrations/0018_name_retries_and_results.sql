-- Why: operators act on jobs: a retry names the job that it repeats, the audit says what came of it.
-- Old code still runs: yes; it writes neither column.

ALTER TABLE hub.job ADD COLUMN retry_of uuid;
COMMENT ON COLUMN hub.job.retry_of IS
  'The job that this one repeats. Its id is made from that one''s: a job is repeated once.';

ALTER TABLE hub.audit ADD COLUMN result text;
COMMENT ON COLUMN hub.audit.result IS 'What came of it; for a retry the id of the new job.';
COMMENT ON COLUMN hub.audit.reason IS 'In the operator''s words; no personal data.';
CREATE INDEX audit_target ON hub.audit (target, id);
