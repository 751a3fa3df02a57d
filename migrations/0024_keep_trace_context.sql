-- Why: a job belongs to a trace of its publisher, also when it waits for days, is retried by another
-- process, or is told of after a restart; so its place in the trace is kept with it.
-- Old code still runs: yes; it leaves the columns empty and passes nothing on.
--
-- Without a CHECK: that would read the whole history under a lock. The lengths bound what is stored,
-- and what is read is checked again.

ALTER TABLE hub.job
  ADD COLUMN traceparent varchar(55),
  ADD COLUMN tracestate  varchar(512);
COMMENT ON COLUMN hub.job.traceparent IS
  'W3C Trace Context, version 00: where what the hub does for the job hangs in its trace. NULL: none.';
COMMENT ON COLUMN hub.job.tracestate IS 'What came beside it, from the publisher; never logged.';
