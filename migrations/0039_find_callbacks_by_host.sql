-- no-transaction
-- Why: deliveries are taken one host after the other, and of each what is due.
-- Old code still runs: yes, by its own index.
CREATE INDEX CONCURRENTLY IF NOT EXISTS callback_host_due ON hub.callback (host, due_at)
  WHERE state = 'open';
