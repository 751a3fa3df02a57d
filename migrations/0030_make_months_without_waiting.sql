-- Why: a month was made by waiting for the default partitions without end, and everybody who reads a
-- table of history by anything but its month waited behind that: an export was enough.
-- Old code still runs: yes; it makes what can be made at once, and the rest at its next maintenance.

CREATE FUNCTION hub.make_month(base_name text, month date) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '250ms' AS $$
DECLARE
  first date := date_trunc('month', month)::date;
  next  date := (date_trunc('month', month) + interval '1 month')::date;
  one   record;
  made  text;
  low   text;
  high  text;
BEGIN
  SELECT * INTO one FROM hub.history h WHERE h.base = base_name;
  IF one IS NULL THEN
    RETURN 'none';
  END IF;
  made := format('hub.%s_%s', one.base, to_char(first, 'YYYYMM'));
  IF to_regclass(made) IS NOT NULL THEN
    RETURN 'there';
  END IF;
  -- Two processes that start together must not both create it.
  PERFORM pg_advisory_xact_lock(hashtext('hub.ensure_month'));
  IF to_regclass(made) IS NOT NULL THEN
    RETURN 'there';
  END IF;
  low := first || CASE WHEN one.is_date THEN '' ELSE ' 00:00:00+00' END;
  high := next || CASE WHEN one.is_date THEN '' ELSE ' 00:00:00+00' END;
  EXECUTE format('CREATE TABLE %s (LIKE hub.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                 made, one.base);
  -- What came in this month before its partition existed lies in the default partition.
  EXECUTE format('WITH gone AS (DELETE FROM hub.%I WHERE %I >= %L AND %I < %L RETURNING *) '
                 'INSERT INTO %s SELECT * FROM gone',
                 one.other, one.key, low, one.key, high, made);
  IF one.made_index IS NOT NULL THEN
    EXECUTE 'CREATE ' || format(one.made_index, made);
  END IF;
  -- Last: from here on nobody reads the default partition until the commit.
  EXECUTE format('ALTER TABLE hub.%I ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
                 one.base, made, low, high);
  RETURN 'made';
EXCEPTION
  -- Somebody reads or writes the default partition, or has just written a row of this month to it; or
  -- another process has just made the month, and this session's cache does not know it yet.
  WHEN lock_not_available OR check_violation OR duplicate_table THEN
    RETURN 'busy';
END $$;
COMMENT ON FUNCTION hub.make_month(text, date) IS
  'Makes the partition of this month of a table of history. busy: nothing is done, later.';
REVOKE ALL ON FUNCTION hub.make_month(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hub.make_month(text, date) TO hub_app;

CREATE OR REPLACE FUNCTION hub.ensure_month(month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  PERFORM hub.make_month(h.base::text, month) FROM hub.history h;
END $$;
