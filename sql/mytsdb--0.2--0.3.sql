\echo Use "ALTER EXTENSION mytsdb UPDATE" to load this file. \quit

---------------------------------------------------------------------------------------
-- histogram
---------------------------------------------------------------------------------------

CREATE TYPE histogram;

CREATE FUNCTION histogram_in(cstring) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_out(histogram) RETURNS cstring
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_recv(internal) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_send(histogram) RETURNS bytea
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE histogram (
    INPUT = histogram_in,
    OUTPUT = histogram_out,
    RECEIVE = histogram_recv,
    SEND = histogram_send,
    INTERNALLENGTH = VARIABLE,
    STORAGE = extended
);
COMMENT ON TYPE histogram IS 'a native histogram of Prometheus: {{schema:0 count:5 sum:3.1 buckets:[1 4]}}';

-- Equality of all there is, hint included; hashes

CREATE FUNCTION histogram_eq(histogram, histogram) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION histogram_ne(histogram, histogram) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION histogram_hash(histogram) RETURNS integer
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_hash' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION histogram_hash_extended(histogram, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_hash_extended' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;

CREATE OPERATOR = (
    LEFTARG = histogram, RIGHTARG = histogram, FUNCTION = histogram_eq,
    COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
CREATE OPERATOR <> (
    LEFTARG = histogram, RIGHTARG = histogram, FUNCTION = histogram_ne,
    COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR CLASS histogram_ops DEFAULT FOR TYPE histogram USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 histogram_hash(histogram),
    FUNCTION 2 histogram_hash_extended(histogram, bigint);

-- What a histogram tells, as PromQL's functions of these names compute it

CREATE FUNCTION histogram_count(histogram) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION histogram_count(histogram) IS 'number of observations';
CREATE FUNCTION histogram_sum(histogram) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_sum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION histogram_sum(histogram) IS 'sum of the observed values';
CREATE FUNCTION histogram_avg(histogram) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_avg' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION histogram_avg(histogram) IS 'mean of the observed values';
CREATE FUNCTION histogram_quantile(double precision, histogram) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_quantile' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION histogram_quantile(double precision, histogram) IS 'estimate of a quantile, from 0 to 1, of the observed values';
CREATE FUNCTION histogram_fraction(lower double precision, upper double precision, histogram) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_fraction' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION histogram_fraction(double precision, double precision, histogram) IS 'estimate of the share of observations between two values';
CREATE FUNCTION histogram_stddev(histogram) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_stddev' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION histogram_stddev(histogram) IS 'estimate of the standard deviation of the observed values';
CREATE FUNCTION histogram_stdvar(histogram) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_stdvar' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION histogram_stdvar(histogram) IS 'estimate of the variance of the observed values';
CREATE FUNCTION histogram_buckets(histogram, OUT lower double precision, OUT upper double precision,
        OUT lower_inclusive boolean, OUT upper_inclusive boolean, OUT count double precision)
        RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_buckets' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 50;
COMMENT ON FUNCTION histogram_buckets(histogram) IS 'buckets with observations, in ascending order';

-- PromQL's operators

CREATE FUNCTION histogram_add(histogram, histogram) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_subtract(histogram, histogram) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_subtract' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_negate(histogram) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_negate' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_multiply(histogram, double precision) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_multiply' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_multiply(double precision, histogram) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_multiply_reverse' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_divide(histogram, double precision) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_divide' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_up_to(histogram, double precision) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_up_to' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram_from(histogram, double precision) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_from' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE OPERATOR + (LEFTARG = histogram, RIGHTARG = histogram, FUNCTION = histogram_add);
CREATE OPERATOR - (LEFTARG = histogram, RIGHTARG = histogram, FUNCTION = histogram_subtract);
CREATE OPERATOR - (RIGHTARG = histogram, FUNCTION = histogram_negate);
CREATE OPERATOR * (
    LEFTARG = histogram, RIGHTARG = double precision, FUNCTION = histogram_multiply, COMMUTATOR = *
);
CREATE OPERATOR * (
    LEFTARG = double precision, RIGHTARG = histogram, FUNCTION = histogram_multiply, COMMUTATOR = *
);
CREATE OPERATOR / (LEFTARG = histogram, RIGHTARG = double precision, FUNCTION = histogram_divide);
CREATE OPERATOR </ (LEFTARG = histogram, RIGHTARG = double precision, FUNCTION = histogram_up_to);
CREATE OPERATOR >/ (LEFTARG = histogram, RIGHTARG = double precision, FUNCTION = histogram_from);
COMMENT ON OPERATOR </ (histogram, double precision) IS 'the observations up to a value';
COMMENT ON OPERATOR >/ (histogram, double precision) IS 'the observations from a value on';

-- PromQL's aggregations

CREATE FUNCTION histogram_accumulate(internal, histogram) RETURNS internal
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_accumulate' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION histogram_accumulated_sum(internal) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_accumulated_sum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION histogram_accumulated_avg(internal) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_accumulated_avg' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE sum(histogram) (
    SFUNC = histogram_accumulate, STYPE = internal, SSPACE = 4000,
    FINALFUNC = histogram_accumulated_sum, PARALLEL = SAFE
);
CREATE AGGREGATE avg(histogram) (
    SFUNC = histogram_accumulate, STYPE = internal, SSPACE = 4000,
    FINALFUNC = histogram_accumulated_avg, PARALLEL = SAFE
);

-- Nothing is lost either way.

CREATE FUNCTION histogram_to_jsonb(histogram) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_to_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION histogram(jsonb) RETURNS histogram
    AS 'MODULE_PATHNAME', 'mytsdb_histogram_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE CAST (histogram AS jsonb) WITH FUNCTION histogram_to_jsonb(histogram) AS ASSIGNMENT;
CREATE CAST (jsonb AS histogram) WITH FUNCTION histogram(jsonb);

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
    histogram histogram,
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

CREATE FUNCTION mytsdb.promql_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'mytsdb_promql_support' LANGUAGE C IMMUTABLE STRICT;
REVOKE ALL ON FUNCTION mytsdb.promql_support(internal) FROM PUBLIC;

CREATE FUNCTION promql(query text, at timestamptz DEFAULT pg_catalog.now(),
        source regclass DEFAULT 'mytsdb.metrics',
        OUT labels labels, OUT "time" timestamptz, OUT value double precision, OUT histogram histogram)
        RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_promql' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 10000
    SUPPORT mytsdb.promql_support;
COMMENT ON FUNCTION promql(text, timestamptz, regclass) IS 'evaluates a PromQL expression at one time';

CREATE FUNCTION promql(query text, start timestamptz, "end" timestamptz, step interval,
        source regclass DEFAULT 'mytsdb.metrics',
        OUT labels labels, OUT "time" timestamptz, OUT value double precision, OUT histogram histogram)
        RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_promql_range' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 10000
    SUPPORT mytsdb.promql_support;
COMMENT ON FUNCTION promql(text, timestamptz, timestamptz, interval, regclass) IS 'evaluates a PromQL expression at the steps of a range of time';

CREATE FUNCTION promql_string(query text, at timestamptz DEFAULT pg_catalog.now(),
        source regclass DEFAULT 'mytsdb.metrics') RETURNS text
    AS 'MODULE_PATHNAME', 'mytsdb_promql_string' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION promql_string(text, timestamptz, regclass) IS 'evaluates a PromQL expression that is a string';

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
