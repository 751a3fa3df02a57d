-- Why: what stands in hub.history is executed with the owner's rights, by functions that hub_app may
-- call; so hub_app must not write it. The marks say which keys may be forgotten: only hub.mark_month()
-- writes them.
-- Old code still runs: yes; it reads both, and writes neither but through the functions.

REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON hub.history, hub.month_mark FROM hub_app;
