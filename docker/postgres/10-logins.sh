#!/bin/sh
# Runs once, when the database is made: the roles of migration 0001 and the logins that use them.
# Passwords are read by psql itself, so that no command line shows them.
set -eu
secrets=${HUB_SECRETS_FOLDER:-/run/secrets}
export secrets
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 \
  --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set migrator `cat "$secrets/migrator_password"`
\set worker `cat "$secrets/worker_password"`
\set portal `cat "$secrets/portal_database_password"`
CREATE ROLE hub_owner NOLOGIN;
CREATE ROLE hub_app NOLOGIN;
CREATE ROLE portal_reader NOLOGIN;
CREATE ROLE portal_app NOLOGIN;
-- Migrates, and owns what it makes: always the same login.
CREATE ROLE hub_migrator LOGIN CREATEROLE PASSWORD :'migrator';
CREATE ROLE hub_worker LOGIN PASSWORD :'worker' IN ROLE hub_app;
CREATE ROLE portal_backend LOGIN PASSWORD :'portal' IN ROLE portal_app;
SELECT format('GRANT CREATE, CONNECT, TEMPORARY ON DATABASE %I TO hub_migrator', current_database()) \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO hub_app, portal_reader, portal_app', current_database()) \gexec
-- The table of migrations lies here.
GRANT CREATE ON SCHEMA public TO hub_migrator;
SQL
