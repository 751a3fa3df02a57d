-- Why: what the government pushes is stored before it is believed; what cannot be decoded is kept.
-- Old code still runs: yes.

CREATE TABLE hub.inbound (
  id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_at    timestamptz NOT NULL,
  system         text        NOT NULL,
  source         text        NOT NULL CHECK (source IN ('push', 'pull')),
  peer           text,
  verified       boolean     NOT NULL,
  message_id     text        NOT NULL,
  correlation_id text        NOT NULL,
  kind           text        NOT NULL,
  key_id         text        NOT NULL,
  sealed         bytea       NOT NULL,
  state          text        NOT NULL CHECK (state IN
    ('stored', 'parked', 'applied', 'late', 'refused', 'unmatched')),
  why            text,
  job_seq        bigint,
  looks          integer     NOT NULL DEFAULT 0,
  look_at        timestamptz
);
CREATE INDEX inbound_open ON hub.inbound (look_at) WHERE state IN ('stored', 'parked');
CREATE INDEX inbound_parked ON hub.inbound (system, correlation_id)
  WHERE state IN ('stored', 'parked');
CREATE INDEX inbound_job ON hub.inbound (job_seq) WHERE job_seq IS NOT NULL;
COMMENT ON COLUMN hub.inbound.state IS
  'stored: not looked at yet · parked: its job is not known yet · applied · late: its job had '
  'ended · refused: not believed (why says) · unmatched: nobody claimed it';
COMMENT ON COLUMN hub.inbound.look_at IS 'Real time of the sweeper''s next look.';

CREATE TABLE hub.inbound_key (
  system     text   NOT NULL,
  message_id text   NOT NULL,
  inbound_id bigint NOT NULL,
  PRIMARY KEY (system, message_id)
);
COMMENT ON TABLE hub.inbound_key IS
  'Deduplication of verified messages; a forged one, whose id can be guessed, occupies nothing.';

CREATE TABLE hub.correlation (
  system         text        NOT NULL,
  correlation_id text        NOT NULL,
  job_seq        bigint      NOT NULL,
  message_id     text        NOT NULL,
  created_at     timestamptz NOT NULL,
  PRIMARY KEY (system, correlation_id)
);
CREATE INDEX correlation_job ON hub.correlation (job_seq);
CREATE INDEX correlation_message ON hub.correlation (system, message_id);

CREATE TABLE hub.quarantine (
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_at  timestamptz NOT NULL,
  queue        text        NOT NULL,
  routing_key  text        NOT NULL,
  content_type text,
  code         text        NOT NULL,
  text         text        NOT NULL,
  job_id       uuid,
  bytes        integer     NOT NULL,
  key_id       text        NOT NULL,
  sealed       bytea       NOT NULL,
  state        text        NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'requeued', 'dropped'))
);
COMMENT ON TABLE hub.quarantine IS
  'Messages that are no job: bytes sealed, with the reason. Nothing is lost on bad input.';

CREATE TABLE hub.destination (
  system         text        PRIMARY KEY,
  held_until     timestamptz,
  held_reason    text,
  next_pull_at   timestamptz NOT NULL,
  pulled_at      timestamptz
);
COMMENT ON COLUMN hub.destination.held_until IS
  'Real time until which nothing is started, because our credential was rejected.';
COMMENT ON COLUMN hub.destination.pulled_at IS
  'Business time at which the last successful look for waiting answers began.';

CREATE TABLE hub.audit (
  id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL,
  actor  text        NOT NULL,
  action text        NOT NULL,
  target text        NOT NULL,
  reason text
);
COMMENT ON TABLE hub.audit IS 'What people did to jobs, systems and the quarantine, and why.';
