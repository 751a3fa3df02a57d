-- Why: a government system is protected for all workers together: an operator's pause, maintenance
-- that was announced, a circuit breaker, a rate, and a limit of calls under way that is exact across
-- workers; and an operator can stop the retries of an operation.
-- Old code still runs: yes, beside the new one, but it looks at none of this: it calls a system that is
-- paused or whose breaker is open, and counts its calls for itself alone. Stop it soon.

ALTER TABLE hub.destination
  ADD COLUMN paused_at          timestamptz,
  ADD COLUMN paused_until       timestamptz,
  ADD COLUMN paused_by          text,
  ADD COLUMN paused_reason      text,
  ADD COLUMN maintenance_until  timestamptz,
  ADD COLUMN maintenance_ru     text,
  ADD COLUMN maintenance_kk     text,
  ADD COLUMN told_until         timestamptz,
  ADD COLUMN told_reason        text,
  ADD COLUMN breaker            text    NOT NULL DEFAULT 'closed'
    CHECK (breaker IN ('closed', 'open', 'half_open')),
  ADD COLUMN breaker_epoch      bigint  NOT NULL DEFAULT 0,
  ADD COLUMN breaker_trips      integer NOT NULL DEFAULT 0,
  ADD COLUMN breaker_changed_at timestamptz,
  ADD COLUMN breaker_next_at    timestamptz,
  ADD COLUMN breaker_cause      text,
  ADD COLUMN breaker_recent     jsonb   NOT NULL DEFAULT '[]',
  ADD COLUMN in_flight_max      integer NOT NULL DEFAULT 1,
  ADD COLUMN rate_per_s         integer NOT NULL DEFAULT 0,
  ADD COLUMN rate_burst         integer NOT NULL DEFAULT 2,
  ADD COLUMN next_token_at      timestamptz,
  ADD CHECK (paused_at IS NOT NULL OR (paused_until IS NULL AND paused_reason IS NULL)),
  ADD CHECK ((breaker = 'closed') = (breaker_next_at IS NULL));
ALTER TABLE hub.destination SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

COMMENT ON COLUMN hub.destination.paused_until IS
  'Business time; NULL beside paused_at: until somebody resumes it.';
COMMENT ON COLUMN hub.destination.maintenance_until IS
  'Business time: written by the worker whose settings have the window that is on now.';
COMMENT ON COLUMN hub.destination.told_until IS
  'Real time until which they told us not to come (Retry-After).';
COMMENT ON COLUMN hub.destination.breaker_epoch IS
  'Fencing: raised by every transition; the result of an older probe changes nothing.';
COMMENT ON COLUMN hub.destination.breaker_trips IS 'Openings in a row: the pause grows with them.';
COMMENT ON COLUMN hub.destination.breaker_next_at IS
  'Real time. open: when one call may try · half_open: when that call counts as lost.';
COMMENT ON COLUMN hub.destination.breaker_recent IS
  'Calls of the last moments, of all workers: slices with calls and failed calls.';
COMMENT ON COLUMN hub.destination.in_flight_max IS
  'The limit of all workers together, from the settings of the process that started last.';
COMMENT ON COLUMN hub.destination.next_token_at IS
  'Real time of the next start that nobody has reserved.';

CREATE TABLE hub.destination_share (
  system text    NOT NULL REFERENCES hub.destination (system) ON DELETE CASCADE,
  worker uuid    NOT NULL REFERENCES hub.worker (id) ON DELETE CASCADE,
  share  integer NOT NULL CHECK (share >= 0),
  in_use integer NOT NULL,
  hungry boolean NOT NULL,
  PRIMARY KEY (system, worker)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX destination_share_worker ON hub.destination_share (worker);
COMMENT ON TABLE hub.destination_share IS
  'How many calls each worker may have under way. Written under the lock of the destination''s row, '
  'so that the sum never exceeds in_flight_max. Goes with its worker''s row: when the worker stops, '
  'or when the others rescue it.';

-- Everybody looks again at once: a system was paused, its breaker moved, or somebody needs a share.
CREATE FUNCTION hub.tell_destination_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('hub_destination', '');
  RETURN NULL;
END $$;
CREATE TRIGGER destination_changed AFTER UPDATE ON hub.destination
  FOR EACH ROW WHEN (
    OLD.breaker IS DISTINCT FROM NEW.breaker OR OLD.paused_at IS DISTINCT FROM NEW.paused_at
    OR OLD.paused_until IS DISTINCT FROM NEW.paused_until
    OR OLD.maintenance_until IS DISTINCT FROM NEW.maintenance_until
    OR OLD.held_until IS DISTINCT FROM NEW.held_until
    OR OLD.told_until IS DISTINCT FROM NEW.told_until)
  EXECUTE FUNCTION hub.tell_destination_changed();
CREATE TRIGGER share_changed AFTER UPDATE ON hub.destination_share
  FOR EACH ROW WHEN (NEW.share < OLD.share OR (NEW.hungry AND NOT OLD.hungry))
  EXECUTE FUNCTION hub.tell_destination_changed();
CREATE TRIGGER share_came AFTER INSERT ON hub.destination_share
  FOR EACH ROW EXECUTE FUNCTION hub.tell_destination_changed();
CREATE TRIGGER share_went AFTER DELETE ON hub.destination_share
  FOR EACH STATEMENT EXECUTE FUNCTION hub.tell_destination_changed();

CREATE TABLE hub.retries_disabled (
  operation text        PRIMARY KEY,
  at        timestamptz NOT NULL,
  by        text        NOT NULL,
  reason    text        NOT NULL
);
COMMENT ON TABLE hub.retries_disabled IS
  'Operations whose failed attempts are not repeated, by an operator''s word.';
CREATE TRIGGER retries_changed AFTER INSERT OR DELETE ON hub.retries_disabled
  FOR EACH STATEMENT EXECUTE FUNCTION hub.tell_destination_changed();

-- Jobs that wait after a failure: few, and found at once when their retries are stopped.
CREATE INDEX job_live_retry ON hub.job_live (operation, seq)
  WHERE state IN ('waiting', 'accepted') AND phase = 'send' AND code IS NOT NULL;

