-- Why: one database, two schemas. `hub` is the hub's own; `portal` is the contract with the portal.
-- Old code still runs: there is none.

DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['hub_owner', 'hub_app', 'portal_reader', 'portal_app'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- roles belong to the whole cluster: another database made it first
    END;
  END LOOP;
END $$;

CREATE SCHEMA hub;
CREATE SCHEMA portal;
COMMENT ON SCHEMA hub IS 'The hub''s own memory. Others neither read nor write it.';
COMMENT ON SCHEMA portal IS 'The contract with the portal: the hub writes, the portal reads.';

GRANT ALL ON SCHEMA hub, portal TO hub_owner;
GRANT USAGE ON SCHEMA hub, portal TO hub_app;
GRANT USAGE ON SCHEMA portal TO portal_reader, portal_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA hub
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO hub_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA hub GRANT USAGE ON SEQUENCES TO hub_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA portal
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO hub_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA portal GRANT SELECT ON TABLES TO portal_reader, portal_app;
