-- Why: history is partitioned by month of business time and dropped by the month.
-- Old code still runs: yes.

CREATE FUNCTION hub.ensure_month(month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  first date := date_trunc('month', month)::date;
  next  date := (date_trunc('month', month) + interval '1 month')::date;
  one   record;
  made  text;
BEGIN
  -- Two processes that start together must not both create it.
  PERFORM pg_advisory_xact_lock(hashtext('hub.ensure_month'));
  FOR one IN SELECT * FROM (VALUES
      ('job', 'job_ended_other', 'ended_on', true, first::text, next::text),
      ('attempt', 'attempt_other', 'recorded_at', false,
       first || ' 00:00:00+00', next || ' 00:00:00+00'),
      ('exchange', 'exchange_other', 'recorded_at', false,
       first || ' 00:00:00+00', next || ' 00:00:00+00'),
      ('unheard', 'unheard_other', 'returned_at', false,
       first || ' 00:00:00+00', next || ' 00:00:00+00'))
    AS t (base, other, key, is_job, low, high)
  LOOP
    made := format('hub.%s_%s', one.base, to_char(first, 'YYYYMM'));
    CONTINUE WHEN to_regclass(made) IS NOT NULL;
    EXECUTE format('CREATE TABLE %s (LIKE hub.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                   made, one.base);
    -- What ended in this month before its partition existed lies in the default partition.
    EXECUTE format('WITH gone AS (DELETE FROM hub.%I WHERE %I >= %L AND %I < %L RETURNING *) '
                   'INSERT INTO %s SELECT * FROM gone',
                   one.other, one.key, one.low, one.key, one.high, made);
    EXECUTE format('ALTER TABLE hub.%I ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
                   one.base, made, one.low, one.high);
    EXECUTE format('CREATE %s INDEX ON %s (%s)', CASE WHEN one.is_job THEN 'UNIQUE' ELSE '' END,
                   made, CASE WHEN one.is_job THEN 'seq' ELSE 'job_seq' END);
  END LOOP;
END $$;
COMMENT ON FUNCTION hub.ensure_month(date) IS
  'Makes the partitions of one month. Runs with its owner''s rights: hub_app may not create tables.';

CREATE FUNCTION hub.drop_old_exchanges(keep interval) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  old     record;
  dropped integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('hub.ensure_month'));
  FOR old IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'hub.exchange'::regclass AND c.relname ~ '^exchange_[0-9]{6}$'
       AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' < hub.now() - keep
  LOOP
    EXECUTE format('DROP TABLE hub.%I', old.relname);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;
COMMENT ON FUNCTION hub.drop_old_exchanges(interval) IS
  'Drops the months of raw exchanges that are older than this as a whole.';

CREATE TABLE hub.attempt_other  PARTITION OF hub.attempt  DEFAULT;
CREATE TABLE hub.exchange_other PARTITION OF hub.exchange DEFAULT;
CREATE TABLE hub.unheard_other  PARTITION OF hub.unheard  DEFAULT;
CREATE INDEX ON hub.attempt_other (job_seq);
CREATE INDEX ON hub.exchange_other (job_seq);
CREATE INDEX ON hub.unheard_other (job_seq);

SELECT hub.ensure_month((hub.now() AT TIME ZONE 'UTC')::date);
SELECT hub.ensure_month(((hub.now() + interval '1 month') AT TIME ZONE 'UTC')::date);
