-- Why: a one-time code belongs to one person and one check, lives five minutes, may be typed three
-- times, is sent again after a minute at the earliest, and opens one check (domain.md D4-D6).
-- Old code still runs: yes, it does not know these tables.
--
-- The portal reads what became of a code; what the hub decides by is its own. No table holds a code
-- that can be read, and none a person's number.

CREATE TABLE portal.sms_code (
  code_ref      text        PRIMARY KEY,
  job_id        uuid        NOT NULL,
  job_seq       bigint      NOT NULL,
  status        text        NOT NULL CHECK (status IN ('accepted', 'waiting', 'pending', 'in_doubt',
    'succeeded', 'refused', 'failed', 'expired', 'cancelled')),
  requested_at  timestamptz NOT NULL,
  deadline_at   timestamptz NOT NULL,
  sla           text        NOT NULL CHECK (sla IN ('on_time', 'at_risk', 'breached')),
  completed_at  timestamptz,
  late          boolean     NOT NULL DEFAULT false,
  purpose       text        CHECK (purpose IN ('kpsisu.check', 'mzrk.check')),
  sent_at       timestamptz,
  expires_at    timestamptz,
  resend_at     timestamptz,
  attempts_left smallint    CHECK (attempts_left >= 0),
  result        text        CHECK (result IN
    ('verified', 'used', 'expired', 'attempts_used_up', 'unknown')),
  code_status   text        NOT NULL GENERATED ALWAYS AS
    (coalesce(result, CASE WHEN sent_at IS NULL THEN 'sending' ELSE 'sent' END)) STORED
);
COMMENT ON TABLE portal.sms_code IS
  'One-time codes, one row a job mgov.send_code (D4-D6). Never the code.';
COMMENT ON COLUMN portal.sms_code.code_ref IS 'The id of the job that sent the code, as text.';
COMMENT ON COLUMN portal.sms_code.status IS
  'Of the job that sends. in_doubt: the SMS may have gone; a code that verifies proves it (D6).';
COMMENT ON COLUMN portal.sms_code.purpose IS 'The one check that the code may open.';
COMMENT ON COLUMN portal.sms_code.resend_at IS
  'Business time from which the next code may be sent for the same person and check.';
COMMENT ON COLUMN portal.sms_code.result IS
  'What M-Gov said of digits that were typed: by the jobs mgov.verify_code of this code.';
COMMENT ON COLUMN portal.sms_code.code_status IS
  'Derived, so that the answer to a sending, which may be recorded after a verification, never turns '
  'a verified code back into one that was sent. verified may come while status is in_doubt.';

CREATE TABLE hub.sms_code (
  code_ref        text        PRIMARY KEY,
  iin_hash        bytea       NOT NULL CHECK (octet_length(iin_hash) = 32),
  check_operation text        NOT NULL CHECK (check_operation IN ('kpsisu.check', 'mzrk.check')),
  check_subject   text        NOT NULL CHECK (length(check_subject) BETWEEN 1 AND 200),
  status          text        NOT NULL CHECK (status IN
    ('sending', 'sent', 'verified', 'used', 'failed')),
  otp_id          text,
  requested_at    timestamptz NOT NULL,
  sent_at         timestamptz,
  expires_at      timestamptz,
  attempts_left   smallint    NOT NULL DEFAULT 3 CHECK (attempts_left >= 0),
  verified_by     uuid,
  used_by         uuid,
  CHECK (status <> 'verified' OR verified_by IS NOT NULL),
  CHECK ((status = 'used') = (used_by IS NOT NULL))
);
CREATE INDEX sms_code_bound ON hub.sms_code (iin_hash, check_operation, check_subject, requested_at);
CREATE INDEX sms_code_expires ON hub.sms_code (expires_at);
CREATE UNIQUE INDEX sms_code_verified_by ON hub.sms_code (verified_by)
  WHERE verified_by IS NOT NULL;
CREATE UNIQUE INDEX sms_code_used_by ON hub.sms_code (used_by) WHERE used_by IS NOT NULL;
COMMENT ON TABLE hub.sms_code IS
  'To whom and for which check a code was sent, and whether it may still open it (D4, D5). '
  'Inserted with the intent to send, before anything is sent.';
COMMENT ON COLUMN hub.sms_code.iin_hash IS
  'SHA-256 of the IIN. Keeps the number out of sight, not from whoever tries all numbers.';
COMMENT ON COLUMN hub.sms_code.check_subject IS 'The subject of the check that the code may open.';
COMMENT ON COLUMN hub.sms_code.status IS
  'sending: the intent is committed; sent_at tells whether M-Gov has answered · sent: the same, said '
  'aloud · verified: by the job verified_by · used: it opened the check used_by, and opens no other '
  '· failed: no code was sent';
COMMENT ON COLUMN hub.sms_code.otp_id IS
  'M-Gov''s id of the code. NULL where their answer was lost: the code is then verified by code_ref.';
COMMENT ON COLUMN hub.sms_code.expires_at IS
  'Business time. NULL until M-Gov answered: the code then lives from requested_at at most.';
COMMENT ON COLUMN hub.sms_code.attempts_left IS
  'How often digits may still be sent to M-Gov; taken in a commit before they are sent.';

CREATE TABLE hub.sealed_code (
  job_id     uuid        PRIMARY KEY,
  code_ref   text        NOT NULL,
  key_id     text        NOT NULL,
  sealed     bytea       NOT NULL,
  counted    boolean     NOT NULL DEFAULT false,
  expires_at timestamptz NOT NULL
);
CREATE INDEX sealed_code_expires ON hub.sealed_code (expires_at);
COMMENT ON TABLE hub.sealed_code IS
  'Digits that a job brought, split off from it and sealed with the key that key_id names. A row '
  'leaves with the outcome of its job, or some minutes after expires_at.';
COMMENT ON COLUMN hub.sealed_code.counted IS
  'Whether this job has taken its attempt: once, however often it is started.';
COMMENT ON COLUMN hub.sealed_code.code_ref IS
  'What the job says; there need be no such code.';
