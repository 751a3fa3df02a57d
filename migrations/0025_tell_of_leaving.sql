-- Why: a hub that stops leaves its last events to the others. Where all of them stop at once nobody is
-- left to publish them, so each tells the others that it goes before it looks for company.
-- Old code still runs: yes; it never says that it goes, and counts as company until its beats end.

ALTER TABLE hub.worker ADD COLUMN leaving boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN hub.worker.leaving IS 'It takes nothing any more and ends soon: leave nothing to it.';
