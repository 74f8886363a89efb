-- Tenants: their tables, their names, whose they are.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE ROLE tenant_alice;
CREATE ROLE tenant_bob;
SELECT format('GRANT CREATE ON DATABASE %I TO tenant_alice', current_database()) \gexec

SET ROLE tenant_alice;
SELECT mytsdb.create_tenant('acme');
SELECT * FROM mytsdb.tenants;
-- the tables are the metrics store's, but those who made them own them
SELECT c.relname, a.amname, c.relowner::regrole, c.relacl IS NULL AS default_acl, c.reloptions = s.reloptions AS same_options,
        NOT EXISTS (SELECT attname, atttypid, atttypmod, attnotnull, attcollation FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
            EXCEPT SELECT attname, atttypid, atttypmod, attnotnull, attcollation FROM pg_attribute WHERE attrelid = s.oid) AS same_columns,
        (SELECT count(*) FROM pg_index WHERE indrelid = c.oid) = (SELECT count(*) FROM pg_index WHERE indrelid = s.oid) AS same_indexes,
        EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e') AS of_extension
    FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_class s ON s.relname = c.relname AND s.relnamespace = 'mytsdb'::regnamespace
    WHERE c.relnamespace = 'tenant_acme'::regnamespace AND c.relkind = 'r' ORDER BY 1;
SELECT * FROM mytsdb.tenant;
INSERT INTO tenant_acme.metrics VALUES ('up{job="acme"}', '2026-01-01', 1);
SELECT labels, value FROM promql('up', '2026-01-01 00:01', 'tenant_acme.metrics');
SELECT count(*) FROM mytsdb.metrics;

-- twice, and what names may be
SELECT mytsdb.create_tenant('acme');
SELECT mytsdb.create_tenant('Acme.2-x_y');
SELECT name, schema FROM mytsdb.tenants ORDER BY name COLLATE "C";
SELECT mytsdb.create_tenant('');
SELECT mytsdb.create_tenant('a/b');
SELECT mytsdb.create_tenant('.');
SELECT mytsdb.create_tenant('Zürich');
SELECT mytsdb.create_tenant(repeat('x', 57));
SELECT mytsdb.create_tenant(repeat('x', 56));
SELECT length(schema::text) FROM mytsdb.tenants WHERE name = repeat('x', 56);
SELECT mytsdb.drop_tenant(repeat('x', 56));
SELECT mytsdb.create_tenant(NULL) IS NULL AS nothing;

-- others
SET ROLE tenant_bob;
SELECT * FROM mytsdb.tenants;
SELECT mytsdb.create_tenant('bob');
SELECT mytsdb.drop_tenant('acme');
SELECT mytsdb.drop_tenant('nobody');
SET ROLE tenant_alice;
GRANT USAGE ON SCHEMA tenant_acme TO tenant_bob;
GRANT SELECT ON ALL TABLES IN SCHEMA tenant_acme TO tenant_bob;
SET ROLE tenant_bob;
SELECT * FROM mytsdb.tenants;
SELECT labels, value FROM promql('up', '2026-01-01 00:01', 'tenant_acme.metrics');
SELECT mytsdb.drop_tenant('acme');

-- what is renamed stays the tenant's; what is added keeps a tenant from being dropped
SET ROLE tenant_alice;
ALTER SCHEMA tenant_acme RENAME TO acme;
SELECT * FROM mytsdb.tenants WHERE name = 'acme';
CREATE VIEW acme.jobs AS SELECT labels->>'job' AS job FROM acme.metrics;
SELECT mytsdb.drop_tenant('acme');
DROP VIEW acme.jobs;
SELECT mytsdb.drop_tenant('acme');
SELECT to_regnamespace('acme') AS schema;
-- rolled back
BEGIN;
SELECT mytsdb.drop_tenant('Acme.2-x_y');
SELECT mytsdb.create_tenant('late');
ROLLBACK;
SELECT name FROM mytsdb.tenants;
-- dropped by hand, and made anew
DROP SCHEMA "tenant_Acme.2-x_y" CASCADE;
SELECT name FROM mytsdb.tenants;
SELECT mytsdb.drop_tenant('Acme.2-x_y');
SELECT mytsdb.create_tenant('Acme.2-x_y');
SELECT name, schema FROM mytsdb.tenants;
RESET ROLE;

-- what pg_dump takes
DROP SCHEMA "tenant_Acme.2-x_y" CASCADE;
SELECT mytsdb.create_tenant('two');
SELECT extcondition[array_position(extconfig, 'mytsdb.tenant'::regclass)] AS condition FROM pg_extension
    WHERE extname = 'mytsdb' \gset
SELECT * FROM mytsdb.tenant :condition;
SELECT mytsdb.drop_tenant('two');
DELETE FROM mytsdb.tenant;
SELECT format('REVOKE CREATE ON DATABASE %I FROM tenant_alice', current_database()) \gexec
DROP ROLE tenant_alice, tenant_bob;
