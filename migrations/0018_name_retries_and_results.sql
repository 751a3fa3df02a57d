-- Why: a job's story names the jobs that belong to it: the one it repeats, the one it began with; and
-- the audit says what came of an operator's act.
-- Old code still runs: yes; it writes none of these columns.

ALTER TABLE hub.job ADD COLUMN retry_of uuid, ADD COLUMN begun_by uuid;
COMMENT ON COLUMN hub.job.retry_of IS
  'The job that this one repeats. Its id is made from that one''s: a job is repeated once.';
COMMENT ON COLUMN hub.job.begun_by IS 'The job with whose answer this one began.';
-- Few jobs have one, so the index is small; a new month's partition gets its part when it is attached.
CREATE INDEX job_begun_by ON hub.job (begun_by) WHERE begun_by IS NOT NULL;

ALTER TABLE hub.audit ADD COLUMN result text;
COMMENT ON COLUMN hub.audit.result IS 'What came of it; for a retry the id of the new job.';
COMMENT ON COLUMN hub.audit.reason IS 'In the operator''s words; no personal data.';
CREATE INDEX audit_target ON hub.audit (target, id);
