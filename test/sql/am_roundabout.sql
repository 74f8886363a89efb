-- Statements that come to a table by a roundabout way: types, event triggers, EXPLAIN.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA am_roundabout;
SET search_path = am_roundabout, public;

CREATE FUNCTION kept(rel regclass) RETURNS text LANGUAGE sql
    AS $$ SELECT array_to_string(ARRAY(SELECT o FROM unnest(reloptions) o ORDER BY o), ' ') FROM pg_class WHERE oid = rel $$;

-- a table of a type follows the type's attributes
CREATE TYPE reading AS (time timestamptz, host text, value float8);
CREATE TABLE readings OF reading USING mytsdb WITH (mytsdb.series_by = 'host');
INSERT INTO readings VALUES ('2026-01-01', 'a', 1);
ALTER TYPE reading RENAME ATTRIBUTE host TO node CASCADE;
ALTER TYPE reading RENAME ATTRIBUTE time TO "at" CASCADE;
SELECT kept('readings');
ALTER TYPE reading ADD ATTRIBUTE note text CASCADE;
ALTER TYPE reading ALTER ATTRIBUTE value TYPE numeric CASCADE;
INSERT INTO readings VALUES ('2026-01-02', 'b', 2, 'new');
SELECT * FROM readings ORDER BY 1;
ALTER TYPE reading DROP ATTRIBUTE node CASCADE;
ALTER TYPE reading ALTER ATTRIBUTE "at" TYPE timestamp CASCADE;
ALTER TYPE reading DROP ATTRIBUTE value CASCADE;
SELECT * FROM readings ORDER BY 1;
DROP TYPE reading CASCADE;

-- an event trigger changes what was just created
CREATE FUNCTION changes() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made text;
BEGIN
    FOR made IN SELECT object_identity FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' LOOP
        IF made LIKE '%.gone' THEN
            EXECUTE format('DROP TABLE %s', made);
        ELSE
            EXECUTE format('ALTER TABLE %s SET (mytsdb.retention = ''30 days'')', made);
            EXECUTE format('ALTER TABLE %s RENAME host TO node', made);
        END IF;
    END LOOP;
END $$;
CREATE EVENT TRIGGER changes ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS') EXECUTE FUNCTION changes();
CREATE TABLE changed (time timestamptz, host text, v int)
    USING mytsdb WITH (mytsdb.series_by = 'host', mytsdb.shards = 3, mytsdb.retention = '5 days');
CREATE TABLE changed_as USING mytsdb WITH (mytsdb.series_by = 'host')
    AS SELECT now() AS time, 'a' AS host, 1 AS v;
CREATE TABLE gone (time timestamptz, host text) USING mytsdb WITH (mytsdb.series_by = 'host');
DROP EVENT TRIGGER changes;
SELECT kept('changed'), kept('changed_as'), to_regclass('gone');
INSERT INTO changed VALUES (now(), 'a', 1);
SELECT node, v FROM changed;
SELECT node, v FROM changed_as;

-- EXPLAIN ANALYZE makes the table, EXPLAIN does not
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
    CREATE TABLE explained USING mytsdb WITH (mytsdb.series_by = 'host')
    AS SELECT timestamptz '2026-01-01' AS time, 'a' AS host;
EXPLAIN (COSTS OFF) CREATE TABLE not_made USING mytsdb WITH (mytsdb.series_by = 'host')
    AS SELECT timestamptz '2026-01-01' AS time, 'a' AS host;
SELECT kept('explained'), to_regclass('not_made');
ALTER TABLE explained ADD COLUMN other timestamptz;
SELECT * FROM explained;

-- a retention that reaches back further than times do
CREATE TABLE kept_long (time timestamptz) USING mytsdb WITH (mytsdb.retention = '290000 years');
ALTER TABLE changed SET (mytsdb.retention = '2000000 days');
ALTER TABLE changed SET (mytsdb.retention = '5000 years');

SET client_min_messages = warning;
DROP SCHEMA am_roundabout CASCADE;
