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

---------------------------------------------------------------------------------------
-- PromQL
---------------------------------------------------------------------------------------

-- The Prometheus HTTP API: each function returns the document that the API answers with.

CREATE FUNCTION mytsdb.query(query text, "time" timestamptz DEFAULT pg_catalog.now(),
        source regclass DEFAULT 'mytsdb.metrics', lookback_delta interval DEFAULT NULL,
        "limit" integer DEFAULT 0, stats text DEFAULT NULL) RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_query' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.query(text, timestamptz, regclass, interval, integer, text) IS 'the API''s /api/v1/query';

CREATE FUNCTION mytsdb.query_range(query text, start timestamptz, "end" timestamptz, step interval,
        source regclass DEFAULT 'mytsdb.metrics', lookback_delta interval DEFAULT NULL,
        "limit" integer DEFAULT 0, stats text DEFAULT NULL) RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_query_range' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.query_range(text, timestamptz, timestamptz, interval, regclass, interval, integer, text) IS 'the API''s /api/v1/query_range';

CREATE FUNCTION mytsdb.find_series(match text[], start timestamptz DEFAULT NULL, "end" timestamptz DEFAULT NULL,
        source regclass DEFAULT 'mytsdb.metrics', "limit" integer DEFAULT 0) RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_series' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.find_series(text[], timestamptz, timestamptz, regclass, integer) IS 'the API''s /api/v1/series';

CREATE FUNCTION mytsdb.label_names(match text[] DEFAULT NULL, start timestamptz DEFAULT NULL,
        "end" timestamptz DEFAULT NULL, source regclass DEFAULT 'mytsdb.metrics', "limit" integer DEFAULT 0)
        RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_label_names' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.label_names(text[], timestamptz, timestamptz, regclass, integer) IS 'the API''s /api/v1/labels';

CREATE FUNCTION mytsdb.label_values(label text, match text[] DEFAULT NULL, start timestamptz DEFAULT NULL,
        "end" timestamptz DEFAULT NULL, source regclass DEFAULT 'mytsdb.metrics', "limit" integer DEFAULT 0)
        RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_label_values' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.label_values(text, text[], timestamptz, timestamptz, regclass, integer) IS 'the API''s /api/v1/label/NAME/values';

CREATE FUNCTION mytsdb.query_exemplars(query text, start timestamptz DEFAULT NULL, "end" timestamptz DEFAULT NULL,
        source regclass DEFAULT 'mytsdb.exemplars') RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_exemplars' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.query_exemplars(text, timestamptz, timestamptz, regclass) IS 'the API''s /api/v1/query_exemplars';

CREATE FUNCTION mytsdb.metric_metadata(metric text DEFAULT NULL, "limit" integer DEFAULT -1,
        source regclass DEFAULT 'mytsdb.metadata') RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_metadata' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION mytsdb.metric_metadata(text, integer, regclass) IS 'the API''s /api/v1/metadata';

CREATE FUNCTION mytsdb.format_query(query text) RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_format_query' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION mytsdb.format_query(text) IS 'the API''s /api/v1/format_query';

CREATE FUNCTION mytsdb.parse_query(query text) RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_parse_query' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION mytsdb.parse_query(text) IS 'the API''s /api/v1/parse_query';
