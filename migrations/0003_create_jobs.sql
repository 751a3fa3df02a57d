-- Why: a job lives in the small partition hub.job_live and moves to a month's partition in the
-- commit that ends it, so that hot indexes stay small and history is dropped, never deleted.
-- Old code still runs: yes.

CREATE SEQUENCE hub.job_seq;

CREATE TABLE hub.job_key (
  id           uuid   PRIMARY KEY,
  seq          bigint NOT NULL,
  content_hash bytea  NOT NULL CHECK (octet_length(content_hash) = 32)
);
COMMENT ON TABLE hub.job_key IS
  'Idempotency: which content an id stands for. Unpartitioned, outlives the job.';
COMMENT ON COLUMN hub.job_key.seq IS
  'Admission number: the newest job of a subject has the highest.';

CREATE TABLE hub.job (
  seq            bigint      NOT NULL,
  id             uuid        NOT NULL,
  system         text        NOT NULL,
  operation      text        NOT NULL,
  subject        text,
  requested_by   text,
  priority       smallint    NOT NULL,
  input          jsonb,
  consent        jsonb,
  callback_url   text,
  reply_to       text,
  correlation_id text,
  requested_at   timestamptz NOT NULL,
  admitted_at    timestamptz NOT NULL,
  at_risk_at     timestamptz NOT NULL,
  deadline_at    timestamptz NOT NULL,
  give_up_at     timestamptz NOT NULL,
  state          text        NOT NULL CHECK (state IN
    ('accepted', 'calling', 'waiting', 'pending', 'in_doubt',
     'succeeded', 'refused', 'failed', 'expired', 'cancelled', 'rejected')),
  sla            text        NOT NULL CHECK (sla IN ('on_time', 'at_risk', 'breached')),
  owner          uuid,
  run            integer     NOT NULL DEFAULT 0 CHECK (run >= 0),
  attempts       integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  strikes        smallint    NOT NULL DEFAULT 0 CHECK (strikes >= 0),
  events         integer     NOT NULL DEFAULT 0 CHECK (events >= 0),
  event          text,
  code           text,
  summary        jsonb       NOT NULL DEFAULT '{}',
  errors         jsonb,
  ended_at       timestamptz,
  ended_on       date        NOT NULL DEFAULT 'infinity',
  CHECK ((state = 'calling') = (owner IS NOT NULL)),
  CHECK ((state IN ('succeeded', 'refused', 'failed', 'expired', 'cancelled', 'rejected'))
         = (ended_at IS NOT NULL)),
  CHECK ((ended_at IS NULL) = (ended_on = 'infinity'))
) PARTITION BY RANGE (ended_on);
COMMENT ON COLUMN hub.job.run IS
  'Fencing token: raised by every start and every rescue; a result of an older run is not recorded.';
COMMENT ON COLUMN hub.job.strikes IS 'Answers that broke the contract, and own defects.';
COMMENT ON COLUMN hub.job.events IS 'Sequence of the last event.';
COMMENT ON COLUMN hub.job.event IS 'Name of the last event; a duplicate is answered with it.';
COMMENT ON COLUMN hub.job.requested_at IS
  'Business time of the request, never later than admission. The SLA counts from here.';

CREATE TABLE hub.job_live PARTITION OF hub.job
  FOR VALUES FROM ('infinity') TO (MAXVALUE)
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01,
        autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX job_live_seq ON hub.job_live (seq);
CREATE INDEX job_live_claim ON hub.job_live (system, priority, seq) WHERE state = 'accepted';
CREATE INDEX job_live_owner ON hub.job_live (owner) WHERE state = 'calling';
CREATE INDEX job_live_open ON hub.job_live (system) WHERE state IN ('pending', 'in_doubt');

CREATE TABLE hub.job_ended_other PARTITION OF hub.job DEFAULT;
CREATE UNIQUE INDEX job_ended_other_seq ON hub.job_ended_other (seq);
COMMENT ON TABLE hub.job_ended_other IS
  'Jobs that ended in a month whose partition was missing. Empty unless maintenance stopped.';

CREATE TABLE hub.attempt (
  job_seq     bigint      NOT NULL,
  run         integer     NOT NULL,
  class       text,
  code        text,
  remote_code text,
  http_status smallint,
  started_at  timestamptz NOT NULL,
  answered_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL
) PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE hub.attempt IS 'One row an attempt. class is NULL where they answered.';

CREATE TABLE hub.exchange (
  job_seq     bigint      NOT NULL,
  run         integer     NOT NULL,
  recorded_at timestamptz NOT NULL,
  key_id      text        NOT NULL,
  sealed      bytea       NOT NULL
) PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE hub.exchange IS
  'Raw request and answer, sealed with the key that key_id names. '
  'A month is dropped when its last day is 30 days old.';

CREATE TABLE hub.timer (
  job_seq bigint      NOT NULL,
  kind    text        NOT NULL CHECK (kind IN ('wake', 'sla', 'give_up')),
  due_at  timestamptz NOT NULL,
  PRIMARY KEY (job_seq, kind)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.01,
        autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX timer_due ON hub.timer (due_at);
COMMENT ON TABLE hub.timer IS
  'Everything that waits. A job that a worker is calling has none: whoever takes it out of '
  '"calling" without ending it writes them.';

CREATE TABLE hub.outbox (
  id             bigint   GENERATED ALWAYS AS IDENTITY,
  partition      smallint NOT NULL,
  job_seq        bigint   NOT NULL,
  sequence       integer  NOT NULL,
  routing_key    text     NOT NULL,
  body           bytea    NOT NULL,
  reply_to       text,
  correlation_id text,
  created_at     timestamptz NOT NULL,
  PRIMARY KEY (partition, id)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE hub.outbox IS
  'Events that no broker has confirmed yet. A row leaves after the confirm, never before.';
COMMENT ON COLUMN hub.outbox.reply_to IS
  'Set: the row is a reply, sent once to this queue and forgotten whatever happens.';

CREATE TABLE hub.unheard (
  job_seq     bigint      NOT NULL,
  sequence    integer     NOT NULL,
  routing_key text        NOT NULL,
  body        bytea       NOT NULL,
  returned_at timestamptz NOT NULL
) PARTITION BY RANGE (returned_at);
COMMENT ON TABLE hub.unheard IS
  'Events that the broker returned because no queue was bound. Counted, replayable, not retried.';
