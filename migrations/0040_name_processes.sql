-- Why: who is killed and started again waits a lease for what it held itself, and so does its neighbour. A
-- process that the kernel does not know any more is dead without waiting.
-- Old code still runs: yes; it names no process, and its lease decides as before.

ALTER TABLE hub.worker ADD COLUMN process text;
COMMENT ON COLUMN hub.worker.process IS
  'Host, boot, pid namespace, pid and start of its process, for workers of the same machine. NULL: only its '
  'heartbeat counts.';
