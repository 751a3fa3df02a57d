-- Why: a scrape of the metrics must cost the same with ten million waiting jobs as with none. The
-- nearest deadline is the first row of an index; jobs are counted from an index, where there are many
-- of them by one process from time to time, and the scrape reads what it counted.
-- Old code still runs: yes; it scans up to 100 000 rows for each scrape.

CREATE INDEX job_live_deadline ON hub.job_live (operation, deadline_at);

-- The same index serves the questions of before, and counts by state; its entries are few bytes each,
-- because equal ones are stored once.
DROP INDEX hub.job_live_open;
CREATE INDEX job_live_open ON hub.job_live (system, state)
  WHERE state IN ('waiting', 'pending', 'in_doubt');

CREATE INDEX quarantine_kept ON hub.quarantine (id) WHERE state = 'kept';

CREATE TABLE hub.job_count (
  system text   NOT NULL,
  state  text   NOT NULL,
  jobs   bigint NOT NULL CHECK (jobs >= 0),
  PRIMARY KEY (system, state)
);
COMMENT ON TABLE hub.job_count IS
  'Live jobs as they were counted last; read by scrapes while hub.job_live is large.';

CREATE TABLE hub.job_counting (
  id         boolean     PRIMARY KEY DEFAULT true CHECK (id),
  began_at   timestamptz NOT NULL DEFAULT '-infinity',
  took_ms    bigint      NOT NULL DEFAULT 0,
  counted_at timestamptz
);
INSERT INTO hub.job_counting DEFAULT VALUES;
COMMENT ON TABLE hub.job_counting IS
  'One row, real time: who writes began_at counts, all others use what is there.';
