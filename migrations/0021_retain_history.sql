-- Why: everything that only grows has a stated end. Months leave as whole partitions; keys, which must
-- be unique over all months, leave by ranges of admission numbers.
-- Old code still runs: yes; it drops months of raw exchanges only.
--
-- Messages of the gateway, the quarantine and the audit become partitioned. Their rows of before stay
-- in the default partition; each month takes its own out of it when it is made.

CREATE TABLE hub.history (
  base       name PRIMARY KEY,
  other      name NOT NULL,
  key        name NOT NULL,
  is_date    boolean NOT NULL DEFAULT false,
  job_column name,
  made_index text
);
COMMENT ON TABLE hub.history IS
  'Tables that are partitioned by the month of business time, and how a month of them is made.';
COMMENT ON COLUMN hub.history.other IS
  'Default partition: rows of a month whose partition is missing.';
COMMENT ON COLUMN hub.history.job_column IS
  'Set: a month stays while a job lives that was admitted before the month ended.';
COMMENT ON COLUMN hub.history.made_index IS
  'Index of one month, where the table itself has none.';
INSERT INTO hub.history (base, other, key, is_date, job_column, made_index) VALUES
  ('job',        'job_ended_other',  'ended_on',    true,  NULL,      'UNIQUE INDEX ON %s (seq)'),
  ('attempt',    'attempt_other',    'recorded_at', false, 'job_seq', 'INDEX ON %s (job_seq)'),
  ('exchange',   'exchange_other',   'recorded_at', false, NULL,      'INDEX ON %s (job_seq)'),
  ('unheard',    'unheard_other',    'returned_at', false, 'job_seq', 'INDEX ON %s (job_seq)'),
  ('inbound',    'inbound_other',    'received_at', false, 'job_seq', NULL),
  ('quarantine', 'quarantine_other', 'received_at', false, NULL,      NULL),
  ('audit',      'audit_other',      'at',          false, NULL,      NULL);

DO $$
DECLARE
  one   record;
  made  record;
BEGIN
  FOR one IN SELECT * FROM hub.history WHERE base IN ('inbound', 'quarantine', 'audit') LOOP
    EXECUTE format('CREATE SEQUENCE hub.%I', one.base || '_id');
    EXECUTE format('SELECT setval(%L, greatest((SELECT max(id) FROM hub.%I), 1),
                     EXISTS (SELECT 1 FROM hub.%I))', 'hub.' || one.base || '_id', one.base, one.base);
    EXECUTE format('ALTER TABLE hub.%I RENAME TO %I', one.base, one.other);
    EXECUTE format('ALTER TABLE hub.%I ALTER COLUMN id DROP IDENTITY', one.other);
    EXECUTE format('ALTER TABLE hub.%I ALTER COLUMN id SET DEFAULT nextval(%L)', one.other,
                   'hub.' || one.base || '_id');
    EXECUTE format('CREATE TABLE hub.%I (LIKE hub.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS
                     INCLUDING COMMENTS) PARTITION BY RANGE (%I)', one.base, one.other, one.key);
    EXECUTE format('COMMENT ON TABLE hub.%I IS %L', one.base,
                   obj_description(('hub.' || one.other)::regclass));
    EXECUTE format('ALTER TABLE hub.%I ATTACH PARTITION hub.%I DEFAULT', one.base, one.other);
    EXECUTE format('ALTER TABLE hub.%I DROP CONSTRAINT %I', one.other, one.base || '_pkey');
    EXECUTE format('CREATE INDEX %I ON hub.%I (id)', one.base || '_number', one.base);
    -- Each index of the old table becomes one of the new, under its old name; so every month has it.
    FOR made IN SELECT indexname, indexdef FROM pg_indexes
                  WHERE schemaname = 'hub' AND tablename = one.other
                    AND indexdef NOT LIKE '%(id)' LOOP
      EXECUTE format('ALTER INDEX hub.%I RENAME TO %I', made.indexname, made.indexname || '_other');
      EXECUTE replace(made.indexdef, 'ON hub.' || one.other, 'ON hub.' || one.base);
    END LOOP;
  END LOOP;
END $$;

CREATE TABLE hub.month_mark (
  month      date   PRIMARY KEY CHECK (month = date_trunc('month', month)),
  job_seq    bigint NOT NULL,
  inbound_id bigint NOT NULL
);
COMMENT ON TABLE hub.month_mark IS
  'The highest numbers that were given before this month was first seen: what has one of them is older.';
CREATE TABLE hub.forgotten (
  what    text   PRIMARY KEY CHECK (what IN ('job_key', 'inbound_key')),
  through bigint NOT NULL
);
COMMENT ON TABLE hub.forgotten IS 'Keys up to this number have been deleted.';
INSERT INTO hub.forgotten VALUES ('job_key', 0), ('inbound_key', 0);
-- Keys lie in the order of their numbers: a few bytes tell where a range of them is.
CREATE INDEX job_key_seq ON hub.job_key USING brin (seq) WITH (pages_per_range = 16);
CREATE INDEX inbound_key_id ON hub.inbound_key USING brin (inbound_id) WITH (pages_per_range = 16);

CREATE OR REPLACE FUNCTION hub.ensure_month(month date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  first date := date_trunc('month', month)::date;
  next  date := (date_trunc('month', month) + interval '1 month')::date;
  one   record;
  made  text;
  low   text;
  high  text;
BEGIN
  -- Two processes that start together must not both create it.
  PERFORM pg_advisory_xact_lock(hashtext('hub.ensure_month'));
  FOR one IN SELECT * FROM hub.history ORDER BY base LOOP
    made := format('hub.%s_%s', one.base, to_char(first, 'YYYYMM'));
    CONTINUE WHEN to_regclass(made) IS NOT NULL;
    low := first || CASE WHEN one.is_date THEN '' ELSE ' 00:00:00+00' END;
    high := next || CASE WHEN one.is_date THEN '' ELSE ' 00:00:00+00' END;
    EXECUTE format('CREATE TABLE %s (LIKE hub.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                   made, one.base);
    -- What came in this month before its partition existed lies in the default partition.
    EXECUTE format('WITH gone AS (DELETE FROM hub.%I WHERE %I >= %L AND %I < %L RETURNING *) '
                   'INSERT INTO %s SELECT * FROM gone',
                   one.other, one.key, low, one.key, high, made);
    EXECUTE format('ALTER TABLE hub.%I ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
                   one.base, made, low, high);
    IF one.made_index IS NOT NULL THEN
      EXECUTE 'CREATE ' || format(one.made_index, made);
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION hub.mark_month() RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  INSERT INTO hub.month_mark (month, job_seq, inbound_id)
  SELECT date_trunc('month', hub.now() AT TIME ZONE 'UTC')::date,
         coalesce(pg_sequence_last_value('hub.job_seq'), 0),
         coalesce(pg_sequence_last_value('hub.inbound_id'), 0)
  ON CONFLICT (month) DO NOTHING
$$;
COMMENT ON FUNCTION hub.mark_month() IS 'Notes, once a month, which numbers were given before it.';

CREATE VIEW hub.month AS
  WITH part AS MATERIALIZED (
    SELECT h.base::text AS base, h.job_column, c.oid, c.relname::text AS name,
           -- A condition on the name may be looked at after this: the CASE is not.
           CASE WHEN c.relname ~ '_[0-9]{6}$' THEN to_date(right(c.relname, 6), 'YYYYMM') END AS month,
           NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS detached
      FROM hub.history h
      JOIN pg_class c ON c.relnamespace = 'hub'::regnamespace AND c.relkind = 'r'
       AND c.relname ~ ('^(gone_)?' || h.base || '_[0-9]{6}$')),
  oldest AS MATERIALIZED (
    SELECT (SELECT j.admitted_at FROM hub.job_live j ORDER BY j.seq LIMIT 1) AS job)
  SELECT p.base, p.oid::regclass AS part, p.name, p.month, p.detached,
         CASE
           WHEN p.detached THEN NULL
           WHEN p.job_column IS NOT NULL
            AND o.job < (p.month + interval '1 month') AT TIME ZONE 'UTC'
             THEN 'a job of that time lives'
           WHEN p.base = 'inbound' AND EXISTS (SELECT FROM hub.inbound n
             WHERE n.state IN ('stored', 'parked') AND n.tableoid = p.oid)
             THEN 'a message waits for its job'
         END AS held
    FROM part p CROSS JOIN oldest o;
COMMENT ON VIEW hub.month IS
  'The months of history. A detached one is no part of its table any more and only waits to be dropped.';
COMMENT ON COLUMN hub.month.held IS 'Why a month may not be dropped, however old it is.';

CREATE FUNCTION hub.drop_month(base_name text, old date) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '250ms' AS $$
DECLARE
  one record;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('hub.retention')) THEN
    RETURN 'busy';
  END IF;
  SELECT * INTO one FROM hub.month m WHERE m.base = base_name AND m.month = old
   ORDER BY m.detached DESC LIMIT 1;
  IF one IS NULL THEN
    RETURN 'none';
  ELSIF one.held IS NOT NULL THEN
    RETURN 'held';
  ELSIF one.detached THEN
    EXECUTE format('DROP TABLE hub.%I', one.name);
    RETURN 'dropped';
  END IF;
  -- Short: the table is locked for the change of the catalogue, not while files are removed.
  EXECUTE format('ALTER TABLE hub.%I DETACH PARTITION hub.%I', base_name, one.name);
  EXECUTE format('ALTER TABLE hub.%I RENAME TO %I', one.name, 'gone_' || one.name);
  RETURN 'detached';
EXCEPTION WHEN lock_not_available THEN
  RETURN 'busy';
END $$;
COMMENT ON FUNCTION hub.drop_month(text, date) IS
  'One step on the way of a month out: detached, then dropped, each its own commit. busy: later.';
CREATE FUNCTION hub.misplaced(base_name text) RETURNS bigint
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
  found bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM (SELECT 1 FROM hub.%I LIMIT 100000) o',
                 (SELECT h.other FROM hub.history h WHERE h.base = base_name)) INTO found;
  RETURN found;
END $$;
COMMENT ON FUNCTION hub.misplaced(text) IS
  'Rows in the default partition of a table of history, counted up to 100 000.';

REVOKE ALL ON FUNCTION hub.drop_month(text, date), hub.mark_month() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hub.drop_month(text, date), hub.mark_month() TO hub_app;

SELECT hub.ensure_month(m.month) FROM (
  SELECT DISTINCT date_trunc('month', t.at AT TIME ZONE 'UTC')::date AS month FROM (
    SELECT received_at FROM hub.inbound UNION ALL SELECT received_at FROM hub.quarantine
    UNION ALL SELECT at FROM hub.audit
    UNION ALL SELECT hub.now() + n * interval '1 month' FROM generate_series(0, 2) n) t (at)
   ORDER BY 1) m;
SELECT hub.mark_month();
