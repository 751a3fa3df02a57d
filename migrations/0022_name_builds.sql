-- Why: while an upgrade is under way two builds work on one database; `hub doctor` shows which.
-- Old code still runs: yes; it leaves the column empty.

ALTER TABLE hub.worker ADD COLUMN build text;
COMMENT ON COLUMN hub.worker.build IS
  'Version of the program, for people only: no decision reads it. NULL: older than this column.';
