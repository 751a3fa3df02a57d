-- Why: a promise may count business days of Kazakhstan (D7). The statement that admits a job computes
-- its instants from the request, moved by the shift of business time, so the days stand here.
-- Old code still runs: yes; it does not look here.

CREATE TABLE hub.calendar_year (
  year      smallint    PRIMARY KEY,
  revision  integer     NOT NULL CHECK (revision > 0),
  loaded_at timestamptz NOT NULL
);
COMMENT ON TABLE hub.calendar_year IS
  'Which revision of a year''s file the days below are from. The highest one wins.';

CREATE TABLE hub.calendar_day (
  day       date        PRIMARY KEY,
  year      smallint    NOT NULL REFERENCES hub.calendar_year,
  starts_at timestamptz NOT NULL,
  ends_at   timestamptz NOT NULL CHECK (ends_at > starts_at),
  working   boolean     NOT NULL,
  number    integer     NOT NULL CHECK (number >= 0),
  reason    text        NOT NULL,
  CHECK (extract(year FROM day) = year)
);
CREATE UNIQUE INDEX calendar_day_starts ON hub.calendar_day (starts_at);
CREATE INDEX calendar_day_number ON hub.calendar_day (number) WHERE working;
COMMENT ON TABLE hub.calendar_day IS
  'Written by the hub at its start, from the files of its calendar. Days without a gap.';
COMMENT ON COLUMN hub.calendar_day.starts_at IS
  'Midnight in Almaty by the program''s own time zone data, not by this server''s.';
COMMENT ON COLUMN hub.calendar_day.number IS
  'Working days from the first day of the calendar up to this one, itself included.';

CREATE FUNCTION hub.business_deadlines(request timestamptz, a integer, b integer, c integer)
  RETURNS timestamptz[] LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  today integer;
  ends  timestamptz[];
BEGIN
  -- After the last day its number stands for the request, and no day has a higher one.
  SELECT n.number, ARRAY[x.ends_at, y.ends_at, z.ends_at] INTO today, ends
    FROM (SELECT d.number FROM hub.calendar_day d
           WHERE d.starts_at <= request ORDER BY d.starts_at DESC LIMIT 1) n
    LEFT JOIN hub.calendar_day x ON x.working AND x.number = n.number + a
    LEFT JOIN hub.calendar_day y ON y.working AND y.number = n.number + b
    LEFT JOIN hub.calendar_day z ON z.working AND z.number = n.number + c;
  IF today IS NULL THEN
    IF EXISTS (SELECT FROM hub.calendar_day) THEN
      RAISE EXCEPTION 'the calendar begins after the request' USING ERRCODE = 'HB001';
    END IF;
    RAISE EXCEPTION 'the calendar is not loaded';
  END IF;
  IF (ends[1] IS NULL) <> (a IS NULL) OR (ends[2] IS NULL) <> (b IS NULL)
     OR (ends[3] IS NULL) <> (c IS NULL) THEN
    RAISE EXCEPTION 'the calendar ends before the deadline' USING ERRCODE = 'HB002';
  END IF;
  RETURN ends;
END $$;
COMMENT ON FUNCTION hub.business_deadlines(timestamptz, integer, integer, integer) IS
  'The ends of the last of so many business days after the day of the request, exclusive; NULL for '
  'NULL. HB001: requested before the calendar; HB002: the calendar has no such day yet. Never a guess.';

CREATE FUNCTION hub.business_deadline(request timestamptz, days integer) RETURNS timestamptz
  LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT (hub.business_deadlines(request, days, NULL, NULL))[1] $$;
COMMENT ON FUNCTION hub.business_deadline(timestamptz, integer) IS 'One of them, for people.';
