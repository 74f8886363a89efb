\echo Use "ALTER EXTENSION mytsdb UPDATE" to load this file. \quit

---------------------------------------------------------------------------------------
-- The metrics store
---------------------------------------------------------------------------------------

-- Samples, exemplars and metadata, as remote write and OTLP bring them. Tables of an
-- extension are dumped without their definition: their rows are, their privileges are,
-- and what ALTER TABLE ... SET changed of their options is kept in dumped_options.

CREATE TABLE mytsdb.metrics (
    labels labels NOT NULL,
    "time" timestamptz NOT NULL,
    value double precision,
    start_time timestamptz
) USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time', mytsdb.duplicates = 'replace');
COMMENT ON TABLE mytsdb.metrics IS 'the samples of the metrics store: a number or a native histogram each';

-- A series has one exemplar at a time, in milliseconds: sent again, it replaces itself.

CREATE TABLE mytsdb.exemplars (
    labels labels NOT NULL,
    "time" timestamptz NOT NULL,
    value double precision,
    exemplar labels NOT NULL,
    received timestamptz
) USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time', mytsdb.duplicates = 'replace');
COMMENT ON TABLE mytsdb.exemplars IS 'the exemplars of the metrics store';

CREATE TABLE mytsdb.metadata (
    metric text COLLATE "C" PRIMARY KEY,
    type text NOT NULL,
    unit text NOT NULL,
    help text NOT NULL,
    updated timestamptz NOT NULL
) USING heap;
COMMENT ON TABLE mytsdb.metadata IS 'types, units and descriptions of metrics';

CREATE TABLE mytsdb.dumped_options (
    relation name PRIMARY KEY,
    options text[] NOT NULL
) USING heap;
COMMENT ON TABLE mytsdb.dumped_options IS 'options of the metrics store''s tables, where they were changed: kept by ALTER TABLE, applied when a dump is restored';

CREATE FUNCTION mytsdb.restore_options() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mytsdb_restore_options' LANGUAGE C;
REVOKE ALL ON FUNCTION mytsdb.restore_options() FROM PUBLIC;
CREATE TRIGGER restore_options BEFORE INSERT OR UPDATE ON mytsdb.dumped_options
    FOR EACH ROW EXECUTE FUNCTION mytsdb.restore_options();
ALTER TABLE mytsdb.dumped_options ENABLE ALWAYS TRIGGER restore_options;

REVOKE ALL ON mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata, mytsdb.dumped_options FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mytsdb.metrics', '');
SELECT pg_catalog.pg_extension_config_dump('mytsdb.exemplars', '');
SELECT pg_catalog.pg_extension_config_dump('mytsdb.metadata', '');
SELECT pg_catalog.pg_extension_config_dump('mytsdb.dumped_options', '');

CREATE FUNCTION mytsdb.remote_write(body bytea, content_type text DEFAULT NULL, content_encoding text DEFAULT NULL,
        target regclass DEFAULT 'mytsdb.metrics', OUT samples bigint, OUT histograms bigint, OUT exemplars bigint)
        RETURNS record
    AS 'MODULE_PATHNAME', 'mytsdb_remote_write' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION mytsdb.remote_write(bytea, text, text, regclass) IS 'writes a request of Prometheus remote write, 1.0 or 2.0; returns how many samples, histograms and exemplars it had';
