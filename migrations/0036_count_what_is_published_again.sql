-- Why: messages that somebody began to publish again are counted with those that are kept: nobody has
-- decided about them yet. A scrape finds them in an index, which has an entry only while one is marked.
-- Not concurrently: a partitioned table has no such index, and so that every month to come has it too it
-- must be the table's own. It reads the quarantine once, without its bytes, which are stored apart.
-- Old code still runs: yes; it counts those that are kept.

CREATE INDEX quarantine_requeueing ON hub.quarantine (id) WHERE state = 'requeueing';
