-- Why: a job can go on after a part of an answer, ask what became of a lost command, or wait for a
-- person's consent; an answer can bring files.
-- Old code still runs: no. It knows no phase: it would try to start a check that waits for its consent
-- (the CHECK below refuses that) and would drop the timers of polls and questions. Stop it first.

ALTER TABLE hub.job
  ADD COLUMN phase text NOT NULL DEFAULT 'send'
    CHECK (phase IN ('consent', 'send', 'continue', 'ask')),
  ADD COLUMN carry jsonb,
  ADD COLUMN verify_job uuid,
  ADD CHECK (NOT (phase = 'consent' AND state IN ('accepted', 'calling')));
COMMENT ON COLUMN hub.job.phase IS
  'What the next call does: consent: none before the person''s code is verified · send: the request '
  '· continue: the next part of an answer · ask: what became of a command whose answer was lost.';
COMMENT ON COLUMN hub.job.carry IS 'What an attempt left for the next one; personal.';
COMMENT ON COLUMN hub.job.verify_job IS 'The job whose success is this one''s consent.';
CREATE INDEX job_live_consent ON hub.job_live (verify_job)
  WHERE state = 'waiting' AND phase = 'consent';

CREATE TABLE hub.file (
  token_hash bytea       PRIMARY KEY,
  job_seq    bigint      NOT NULL,
  role       text        NOT NULL,
  subject    text        NOT NULL,
  media_type text        NOT NULL,
  key_id     text        NOT NULL,
  sealed     bytea       NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  UNIQUE (job_seq, role)
);
CREATE INDEX file_expires ON hub.file (expires_at);
COMMENT ON TABLE hub.file IS
  'Files that came with answers, sealed. Served by an unguessable link; only its SHA-256 is here.';
