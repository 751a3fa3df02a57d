-- Why: business time is one clock that all processes and the simulators share (invariant 9); who
-- works is known by heartbeats, so that a dead worker's jobs can be rescued.
-- Old code still runs: yes.

CREATE TABLE hub.clock (
  id    boolean  PRIMARY KEY DEFAULT true CHECK (id),
  shift interval NOT NULL DEFAULT interval '0'
);
INSERT INTO hub.clock DEFAULT VALUES;
COMMENT ON TABLE hub.clock IS
  'One row: how far business time is ahead of real time. Zero in production.';

CREATE FUNCTION hub.now() RETURNS timestamptz
  LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT statement_timestamp() + shift FROM hub.clock $$;
COMMENT ON FUNCTION hub.now() IS
  'Business time. Used inside the writing statement, so that no cached value overtakes a jump.';

CREATE FUNCTION hub.tell_clock_jump() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('hub_clock', '');
  RETURN NULL;
END $$;
CREATE TRIGGER clock_jumped AFTER UPDATE ON hub.clock
  FOR EACH ROW EXECUTE FUNCTION hub.tell_clock_jump();

CREATE TABLE hub.worker (
  id         uuid        PRIMARY KEY,
  name       text        NOT NULL,
  beat       bigint      NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL,
  seen_at    timestamptz NOT NULL
);
COMMENT ON COLUMN hub.worker.beat IS
  'Raised with every heartbeat. Who sees the same beat for one whole lease may rescue.';
COMMENT ON COLUMN hub.worker.seen_at IS 'Real time, for people only: no decision reads it.';

CREATE TABLE hub.relay_partition (
  partition smallint PRIMARY KEY,
  owner     uuid
);
INSERT INTO hub.relay_partition (partition) SELECT generate_series(0, 15);
COMMENT ON TABLE hub.relay_partition IS
  'Events of one job are published by one worker: the owner of the job''s partition.';
