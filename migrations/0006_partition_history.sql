-- Why: history is partitioned by month of business time and dropped by the month.
-- Old code still runs: yes.

CREATE FUNCTION hub.ensure_month(month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  first date := date_trunc('month', month)::date;
  next  date := (date_trunc('month', month) + interval '1 month')::date;
  tag   text := to_char(first, 'YYYYMM');
  base  text;
BEGIN
  -- Two processes that start together must not both create it.
  PERFORM pg_advisory_xact_lock(hashtext('hub.ensure_month'));
  IF to_regclass(format('hub.job_%s', tag)) IS NULL THEN
    EXECUTE format('CREATE TABLE hub.job_%s PARTITION OF hub.job FOR VALUES FROM (%L) TO (%L)',
                   tag, first, next);
    EXECUTE format('CREATE UNIQUE INDEX ON hub.job_%s (seq)', tag);
  END IF;
  FOREACH base IN ARRAY ARRAY['attempt', 'exchange', 'unheard'] LOOP
    IF to_regclass(format('hub.%s_%s', base, tag)) IS NULL THEN
      EXECUTE format('CREATE TABLE hub.%1$s_%2$s PARTITION OF hub.%1$s '
                     'FOR VALUES FROM (%3$L) TO (%4$L)', base, tag,
                     first::timestamp AT TIME ZONE 'UTC', next::timestamp AT TIME ZONE 'UTC');
      EXECUTE format('CREATE INDEX ON hub.%s_%s (job_seq)', base, tag);
    END IF;
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
