-- Why: a job whose content kills its process came back at once, first in its queue, and killed the next one.
-- Old code still runs: yes; what an old build takes over is not counted, and comes back at once as before.

ALTER TABLE hub.job ADD COLUMN deaths smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN hub.job.deaths IS
  'Workers that died while they called for it, one after the other: from the second on it waits before it is '
  'started again, with the tenth it ends. An attempt that was recorded begins the count anew.';
