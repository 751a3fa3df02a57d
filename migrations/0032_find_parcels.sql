-- no-transaction
-- Why: a callback of Kazpost names a track number, and every open row of Kazpost was read to find its job.
-- Old code still runs: yes; its question is answered from the index too. Other operations pay nothing: their
-- rows are not in it, and no statement changes a job's input or operation.

CREATE INDEX CONCURRENTLY IF NOT EXISTS job_live_parcel ON hub.job_live ((input ->> 'track_number'))
  WHERE operation = 'kazpost.track';
