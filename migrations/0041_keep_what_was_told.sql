-- Why: `hub jobs show` could name the first and the last event of a job only: when it fell in doubt, or when
-- its promise was at risk, could not be seen afterwards.
-- Old code still runs: yes; what it tells stays nameless as before, because each entry has its number.

ALTER TABLE hub.job ADD COLUMN told text[];
COMMENT ON COLUMN hub.job.told IS
  'Events between the first and the last, "number name milliseconds" (business time): of many, the first 8 and '
  'the last 32. NULL: none.';
