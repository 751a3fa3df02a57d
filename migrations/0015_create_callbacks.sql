-- Why: events of a job that names a callback_url are delivered by HTTP too, in order, over hours.
-- Old code still runs: yes; it writes no callbacks.

CREATE TABLE hub.callback (
  job_seq      bigint      NOT NULL,
  sequence     integer     NOT NULL,
  url          text        NOT NULL,
  host         text        NOT NULL,
  body         bytea       NOT NULL,
  state        text        NOT NULL DEFAULT 'open'
    CHECK (state IN ('open', 'delivered', 'stopped')),
  why          text,
  tries        integer     NOT NULL DEFAULT 0,
  http_status  smallint,
  created_at   timestamptz NOT NULL,
  due_at       timestamptz NOT NULL,
  ended_at     timestamptz,
  PRIMARY KEY (job_seq, sequence)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000);
CREATE INDEX callback_due ON hub.callback (due_at) WHERE state = 'open';
CREATE INDEX callback_ended ON hub.callback (ended_at) WHERE state <> 'open';
COMMENT ON TABLE hub.callback IS
  'Events to be delivered by HTTP. Of one job only the lowest open sequence is sent.';
COMMENT ON COLUMN hub.callback.due_at IS
  'Real time of the next try; while one is under way, the moment after which another may try.';
COMMENT ON COLUMN hub.callback.why IS
  'Why it stopped: gone (410), tries_used_up, host_not_allowed, address_not_allowed, not_a_url, '
  'not_https, no_secret, host_disabled; a later event of the job stops for the same reason.';

CREATE TABLE hub.callback_host (
  host          text        PRIMARY KEY,
  failing_since timestamptz,
  failed_at     timestamptz,
  disabled_at   timestamptz
);
COMMENT ON TABLE hub.callback_host IS
  'Hosts whose deliveries fail: after days without one success a host is disabled until replayed.';
