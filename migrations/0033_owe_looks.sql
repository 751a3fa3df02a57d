-- Why: news of a parcel may come while it is being looked at, by a call that has read before the news.
-- Then one more look is owed, and nobody waits an hour for it.
-- Old code still runs: yes; it pays nothing, so that the look comes when it was due.

CREATE TABLE hub.look_owed (
  job_seq bigint PRIMARY KEY
);
COMMENT ON TABLE hub.look_owed IS
  'Jobs that are to be looked at once more as soon as the call that is under way is recorded. A row leaves '
  'with the next record of its job.';
COMMENT ON INDEX hub.job_live_parcel IS 'The job that follows a parcel, by its track number.';
