\echo Use "CREATE EXTENSION mytsdb" to load this file. \quit

-- Types with their operators and functions go to the extension's schema, all else to
-- the schema mytsdb. While this script runs search_path is the extension's schema.

DO $$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'mytsdb needs a database whose encoding is UTF8, not %',
                current_setting('server_encoding')
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Create one with CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
END
$$;

CREATE SCHEMA mytsdb;
GRANT USAGE ON SCHEMA mytsdb TO PUBLIC;

CREATE FUNCTION mytsdb.version() RETURNS text
    AS 'MODULE_PATHNAME', 'mytsdb_version' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION mytsdb.version() IS 'the version of the library that is loaded';

---------------------------------------------------------------------------------------
-- labels
---------------------------------------------------------------------------------------

CREATE TYPE labels;

CREATE FUNCTION labels_in(cstring) RETURNS labels
    AS 'MODULE_PATHNAME', 'mytsdb_labels_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION labels_out(labels) RETURNS cstring
    AS 'MODULE_PATHNAME', 'mytsdb_labels_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION labels_recv(internal) RETURNS labels
    AS 'MODULE_PATHNAME', 'mytsdb_labels_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION labels_send(labels) RETURNS bytea
    AS 'MODULE_PATHNAME', 'mytsdb_labels_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE labels (
    INPUT = labels_in,
    OUTPUT = labels_out,
    RECEIVE = labels_recv,
    SEND = labels_send,
    INTERNALLENGTH = VARIABLE,
    STORAGE = extended
);
COMMENT ON TYPE labels IS 'a set of labels, as name a time series: name{a="b",c="d"}';

-- Order, equality, hashes

CREATE FUNCTION labels_eq(labels, labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION labels_ne(labels, labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION labels_lt(labels, labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_lt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION labels_le(labels, labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_le' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION labels_gt(labels, labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_gt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION labels_ge(labels, labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_ge' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION labels_cmp(labels, labels) RETURNS integer
    AS 'MODULE_PATHNAME', 'mytsdb_labels_cmp' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION labels_hash(labels) RETURNS integer
    AS 'MODULE_PATHNAME', 'mytsdb_labels_hash' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION labels_hash_extended(labels, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'mytsdb_labels_hash_extended' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;

CREATE OPERATOR = (
    LEFTARG = labels, RIGHTARG = labels, FUNCTION = labels_eq,
    COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR <> (
    LEFTARG = labels, RIGHTARG = labels, FUNCTION = labels_ne,
    COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR < (
    LEFTARG = labels, RIGHTARG = labels, FUNCTION = labels_lt,
    COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR <= (
    LEFTARG = labels, RIGHTARG = labels, FUNCTION = labels_le,
    COMMUTATOR = >=, NEGATOR = >, RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR > (
    LEFTARG = labels, RIGHTARG = labels, FUNCTION = labels_gt,
    COMMUTATOR = <, NEGATOR = <=, RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
CREATE OPERATOR >= (
    LEFTARG = labels, RIGHTARG = labels, FUNCTION = labels_ge,
    COMMUTATOR = <=, NEGATOR = <, RESTRICT = scalargesel, JOIN = scalargejoinsel
);

CREATE OPERATOR CLASS labels_ops DEFAULT FOR TYPE labels USING btree AS
    OPERATOR 1 <,
    OPERATOR 2 <=,
    OPERATOR 3 =,
    OPERATOR 4 >=,
    OPERATOR 5 >,
    FUNCTION 1 labels_cmp(labels, labels),
    FUNCTION 4 btequalimage(oid);
CREATE OPERATOR CLASS labels_ops DEFAULT FOR TYPE labels USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 labels_hash(labels),
    FUNCTION 2 labels_hash_extended(labels, bigint);

-- Estimates

CREATE FUNCTION labels_matchsel(internal, oid, internal, integer) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_labels_matchsel' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION labels_nmatchsel(internal, oid, internal, integer) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_labels_nmatchsel' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION labels_nmatchjoinsel(internal, oid, internal, smallint, internal) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_labels_nmatchjoinsel' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION labels_containsel(internal, oid, internal, integer) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_labels_containsel' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION labels_containedsel(internal, oid, internal, integer) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_labels_containedsel' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION labels_existsel(internal, oid, internal, integer) RETURNS double precision
    AS 'MODULE_PATHNAME', 'mytsdb_labels_existsel' LANGUAGE C STABLE STRICT PARALLEL SAFE;

-- Looking into labels

CREATE FUNCTION labels_get(labels, text) RETURNS text
    AS 'MODULE_PATHNAME', 'mytsdb_labels_get' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR ->> (LEFTARG = labels, RIGHTARG = text, FUNCTION = labels_get);

CREATE FUNCTION labels_exists(labels, text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_exists' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR ? (
    LEFTARG = labels, RIGHTARG = text, FUNCTION = labels_exists,
    RESTRICT = labels_existsel, JOIN = matchingjoinsel
);
CREATE FUNCTION labels_exists_all(labels, text[]) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_exists_all' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR ?& (
    LEFTARG = labels, RIGHTARG = text[], FUNCTION = labels_exists_all,
    RESTRICT = labels_existsel, JOIN = matchingjoinsel
);
CREATE FUNCTION labels_exists_any(labels, text[]) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_exists_any' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR ?| (
    LEFTARG = labels, RIGHTARG = text[], FUNCTION = labels_exists_any,
    RESTRICT = labels_existsel, JOIN = matchingjoinsel
);

CREATE FUNCTION labels_contains(labels, labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_contains' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION labels_contained(labels, labels) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_contained' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR @> (
    LEFTARG = labels, RIGHTARG = labels, FUNCTION = labels_contains,
    COMMUTATOR = <@, RESTRICT = labels_containsel, JOIN = matchingjoinsel
);
CREATE OPERATOR <@ (
    LEFTARG = labels, RIGHTARG = labels, FUNCTION = labels_contained,
    COMMUTATOR = @>, RESTRICT = labels_containedsel, JOIN = matchingjoinsel
);

CREATE FUNCTION label_names(labels) RETURNS text[]
    AS 'MODULE_PATHNAME', 'mytsdb_label_names' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION label_names(labels) IS 'names of all labels, sorted';
CREATE FUNCTION metric_name(labels) RETURNS text
    AS 'MODULE_PATHNAME', 'mytsdb_metric_name' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION metric_name(labels) IS 'value of the label __name__';

-- Selectors

CREATE FUNCTION labels_matches(labels, text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_matches' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    COST 10;
CREATE FUNCTION labels_not_matches(labels, text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'mytsdb_labels_not_matches' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    COST 10;
CREATE OPERATOR ~ (
    LEFTARG = labels, RIGHTARG = text, FUNCTION = labels_matches,
    NEGATOR = !~, RESTRICT = labels_matchsel, JOIN = matchingjoinsel
);
CREATE OPERATOR !~ (
    LEFTARG = labels, RIGHTARG = text, FUNCTION = labels_not_matches,
    NEGATOR = ~, RESTRICT = labels_nmatchsel, JOIN = labels_nmatchjoinsel
);
COMMENT ON OPERATOR ~ (labels, text) IS 'is selected by the PromQL selector';
COMMENT ON OPERATOR !~ (labels, text) IS 'is not selected by the PromQL selector';

-- Making labels

CREATE FUNCTION labels_concat(labels, labels) RETURNS labels
    AS 'MODULE_PATHNAME', 'mytsdb_labels_concat' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR || (LEFTARG = labels, RIGHTARG = labels, FUNCTION = labels_concat);
CREATE FUNCTION labels_delete(labels, text) RETURNS labels
    AS 'MODULE_PATHNAME', 'mytsdb_labels_delete' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR - (LEFTARG = labels, RIGHTARG = text, FUNCTION = labels_delete);
CREATE FUNCTION labels_delete(labels, text[]) RETURNS labels
    AS 'MODULE_PATHNAME', 'mytsdb_labels_delete_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE OPERATOR - (LEFTARG = labels, RIGHTARG = text[], FUNCTION = labels_delete);

CREATE FUNCTION labels(jsonb) RETURNS labels
    AS 'MODULE_PATHNAME', 'mytsdb_labels_from_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION labels(jsonb) IS 'labels of a flat JSON object';
CREATE FUNCTION labels(names text[], label_values text[]) RETURNS labels
    AS 'MODULE_PATHNAME', 'mytsdb_labels_from_arrays' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION labels(text[], text[]) IS 'labels of an array of names and one of values';
CREATE FUNCTION labels_to_jsonb(labels) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'mytsdb_labels_to_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- Nothing is lost towards jsonb; the other way numbers become text and nulls vanish.
CREATE CAST (labels AS jsonb) WITH FUNCTION labels_to_jsonb(labels) AS ASSIGNMENT;
CREATE CAST (jsonb AS labels) WITH FUNCTION labels(jsonb);

-- What regular expressions cost

CREATE FUNCTION mytsdb.regex_stats(
        OUT selectors_compiled bigint, OUT selectors_refused bigint,
        OUT patterns_compiled bigint, OUT limit_errors bigint)
    AS 'MODULE_PATHNAME', 'mytsdb_regex_stats' LANGUAGE C VOLATILE PARALLEL SAFE;
CREATE VIEW mytsdb.stat_regex AS SELECT * FROM mytsdb.regex_stats();
GRANT SELECT ON mytsdb.stat_regex TO PUBLIC;
COMMENT ON VIEW mytsdb.stat_regex IS
    'selectors and regular expressions since the server started: compiled, refused, stopped by mytsdb.regex_match_limit';

---------------------------------------------------------------------------------------
-- schema mytsdb
---------------------------------------------------------------------------------------

---------------------------------------------------------------------------------------
-- Tables USING mytsdb
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.am_handler(internal) RETURNS table_am_handler
    AS 'MODULE_PATHNAME', 'mytsdb_am_handler' LANGUAGE C STRICT;
REVOKE ALL ON FUNCTION mytsdb.am_handler(internal) FROM PUBLIC;
CREATE ACCESS METHOD mytsdb TYPE TABLE HANDLER mytsdb.am_handler;
COMMENT ON ACCESS METHOD mytsdb IS 'compressed time series';

-- What is sealed: see include/ts_catalog.h. span is the number of bits of
-- time_max - time_min, so that blocks which overlap a range of time are found by ranges
-- of time_min, one for each span there is. Times are microseconds or days.

CREATE TABLE mytsdb.block (
    storage bigint NOT NULL,
    id bigint NOT NULL,
    tier smallint NOT NULL,
    first_page bigint NOT NULL,
    pages bigint NOT NULL,
    length bigint NOT NULL,
    span smallint NOT NULL,
    time_min bigint NOT NULL,
    time_max bigint NOT NULL,
    series_min bigint NOT NULL,
    series_max bigint NOT NULL,
    number_min bigint NOT NULL,
    number_max bigint NOT NULL,
    rows bigint NOT NULL,
    chunks integer NOT NULL,
    PRIMARY KEY (storage, id)
) USING heap WITH (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX block_time ON mytsdb.block (storage, span, time_min);
COMMENT ON TABLE mytsdb.block IS 'the sealed blocks of tables USING mytsdb; kept by the engine alone';

CREATE TABLE mytsdb.shard (
    storage bigint NOT NULL,
    shard smallint NOT NULL,
    covered bigint[] NOT NULL,
    PRIMARY KEY (storage, shard)
) USING heap WITH (fillfactor = 40, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE mytsdb.shard IS 'how far the logs of tables USING mytsdb are sealed; kept by the engine alone';

-- The segments of the label index: see include/ts_index.h.

CREATE TABLE mytsdb.label_index (
    storage bigint NOT NULL,
    id bigint NOT NULL,
    series_from bigint NOT NULL,
    series_to bigint NOT NULL,
    first_page bigint NOT NULL,
    pages bigint NOT NULL,
    length bigint NOT NULL,
    PRIMARY KEY (storage, id)
) USING heap WITH (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE mytsdb.label_index IS 'the label indexes of tables USING mytsdb; kept by the engine alone';

REVOKE ALL ON mytsdb.block, mytsdb.shard, mytsdb.label_index FROM PUBLIC;

-- What others write, replication included, is not for here. The primary keys are what
-- replication needs to apply, and thus discard, an update.

CREATE FUNCTION mytsdb.discard_row() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mytsdb_discard_row' LANGUAGE C;
CREATE FUNCTION mytsdb.refuse_truncate() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mytsdb_refuse_truncate' LANGUAGE C;
REVOKE ALL ON FUNCTION mytsdb.discard_row(), mytsdb.refuse_truncate() FROM PUBLIC;

CREATE TRIGGER discard_row BEFORE INSERT OR UPDATE OR DELETE ON mytsdb.block
    FOR EACH ROW EXECUTE FUNCTION mytsdb.discard_row();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON mytsdb.block
    FOR EACH STATEMENT EXECUTE FUNCTION mytsdb.refuse_truncate();
ALTER TABLE mytsdb.block ENABLE ALWAYS TRIGGER discard_row;
ALTER TABLE mytsdb.block ENABLE ALWAYS TRIGGER refuse_truncate;

CREATE TRIGGER discard_row BEFORE INSERT OR UPDATE OR DELETE ON mytsdb.shard
    FOR EACH ROW EXECUTE FUNCTION mytsdb.discard_row();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON mytsdb.shard
    FOR EACH STATEMENT EXECUTE FUNCTION mytsdb.refuse_truncate();
ALTER TABLE mytsdb.shard ENABLE ALWAYS TRIGGER discard_row;
ALTER TABLE mytsdb.shard ENABLE ALWAYS TRIGGER refuse_truncate;

CREATE TRIGGER discard_row BEFORE INSERT OR UPDATE OR DELETE ON mytsdb.label_index
    FOR EACH ROW EXECUTE FUNCTION mytsdb.discard_row();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON mytsdb.label_index
    FOR EACH STATEMENT EXECUTE FUNCTION mytsdb.refuse_truncate();
ALTER TABLE mytsdb.label_index ENABLE ALWAYS TRIGGER discard_row;
ALTER TABLE mytsdb.label_index ENABLE ALWAYS TRIGGER refuse_truncate;

---------------------------------------------------------------------------------------
-- Maintenance on request
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.seal("table" regclass) RETURNS bigint
    AS 'MODULE_PATHNAME', 'mytsdb_seal' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.seal(regclass) IS 'seals what is in the logs of a table; returns the number of rows';
CREATE FUNCTION mytsdb.merge("table" regclass) RETURNS bigint
    AS 'MODULE_PATHNAME', 'mytsdb_merge' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.merge(regclass) IS 'merges the sealed blocks of a table; returns how many became fewer';
CREATE FUNCTION mytsdb.drop_before("table" regclass, "time" timestamptz) RETURNS bigint
    AS 'MODULE_PATHNAME', 'mytsdb_drop_before' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.drop_before(regclass, timestamptz) IS 'drops the blocks of a table that end before a time; returns the number of rows';

---------------------------------------------------------------------------------------
-- Time in queries
---------------------------------------------------------------------------------------

CREATE FUNCTION time_bucket(width interval, "time" timestamptz) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'mytsdb_time_bucket' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION time_bucket(width interval, "time" timestamptz, origin timestamptz) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'mytsdb_time_bucket' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION time_bucket(width interval, "time" timestamptz, zone text) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'mytsdb_time_bucket_zone' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION time_bucket(width interval, "time" timestamptz, zone text, origin timestamptz) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'mytsdb_time_bucket_zone' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION time_bucket(width interval, "time" timestamptz, origin timestamptz, zone text) RETURNS timestamptz
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE RETURN time_bucket(width, "time", zone, origin);
CREATE FUNCTION time_bucket(width interval, "time" timestamp) RETURNS timestamp
    AS 'MODULE_PATHNAME', 'mytsdb_time_bucket' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION time_bucket(width interval, "time" timestamp, origin timestamp) RETURNS timestamp
    AS 'MODULE_PATHNAME', 'mytsdb_time_bucket' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION time_bucket(width interval, "time" date) RETURNS date
    AS 'MODULE_PATHNAME', 'mytsdb_time_bucket_date' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION time_bucket(width interval, "time" date, origin date) RETURNS date
    AS 'MODULE_PATHNAME', 'mytsdb_time_bucket_date' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION first_transition(internal, anyelement, "any") RETURNS internal
    AS 'MODULE_PATHNAME', 'mytsdb_first_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION last_transition(internal, anyelement, "any") RETURNS internal
    AS 'MODULE_PATHNAME', 'mytsdb_last_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION first_last_final(internal, anyelement, "any") RETURNS anyelement
    AS 'MODULE_PATHNAME', 'mytsdb_first_last_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE first(value anyelement, "time" "any") (
    SFUNC = first_transition, STYPE = internal, FINALFUNC = first_last_final, FINALFUNC_EXTRA, PARALLEL = SAFE
);
CREATE AGGREGATE last(value anyelement, "time" "any") (
    SFUNC = last_transition, STYPE = internal, FINALFUNC = first_last_final, FINALFUNC_EXTRA, PARALLEL = SAFE
);
COMMENT ON AGGREGATE first(anyelement, "any") IS 'the value of the row with the least time';
COMMENT ON AGGREGATE last(anyelement, "any") IS 'the value of the row with the greatest time';

---------------------------------------------------------------------------------------
-- To look inside
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.series_of("table" regclass, OUT id bigint, OUT key jsonb) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_series_of' LANGUAGE C STABLE STRICT;
CREATE FUNCTION mytsdb.shards_of("table" regclass, OUT shard integer, OUT logs integer,
        OUT pending_bytes bigint, OUT log_bytes bigint, OUT hot_bytes bigint, OUT seals bigint, OUT rows_sealed bigint,
        OUT last_seal timestamptz, OUT lock_waits bigint, OUT lock_seconds double precision,
        OUT counted_since timestamptz) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_shards_of' LANGUAGE C STABLE STRICT;
CREATE FUNCTION mytsdb.blocks_of("table" regclass, OUT id bigint, OUT tier text, OUT time_min timestamptz,
        OUT time_max timestamptz, OUT series_min bigint, OUT series_max bigint, OUT rows bigint, OUT chunks integer,
        OUT bytes bigint, OUT first_page bigint, OUT pages bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_blocks_of' LANGUAGE C STABLE STRICT;
CREATE FUNCTION mytsdb.sizes_of("table" regclass, OUT storage bigint, OUT shards integer, OUT series bigint,
        OUT rows bigint, OUT blocks bigint, OUT chunks bigint, OUT fresh_bytes bigint, OUT warm_bytes bigint,
        OUT dictionary_bytes bigint, OUT index_bytes bigint, OUT log_bytes bigint, OUT pending_bytes bigint,
        OUT free_bytes bigint, OUT total_bytes bigint,
        OUT hot_bytes bigint, OUT seals bigint, OUT rows_sealed bigint, OUT last_seal timestamptz, OUT merges bigint,
        OUT blocks_merged bigint, OUT last_merge timestamptz, OUT lock_waits bigint, OUT lock_seconds double precision,
        OUT counted_since timestamptz) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_sizes_of' LANGUAGE C STABLE STRICT;

CREATE FUNCTION mytsdb.lock_waits(OUT waits bigint, OUT seconds double precision,
        OUT wal_waits bigint, OUT wal_seconds double precision,
        OUT worker_waits bigint, OUT worker_seconds double precision)
    AS 'MODULE_PATHNAME', 'mytsdb_lock_waits' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.lock_waits() IS 'how often and how long sessions waited for the engine''s own locks since the server started; apart, waits in which the holder had to write out WAL, and those of maintenance workers';

CREATE VIEW mytsdb.series AS
    SELECT c.oid::regclass AS rel, s.id, s.key
    FROM pg_class c JOIN pg_am a ON a.oid = c.relam, mytsdb.series_of(c.oid) s
    WHERE a.amname = 'mytsdb' AND c.relkind IN ('r', 'm');
COMMENT ON VIEW mytsdb.series IS 'the series of tables USING mytsdb';

CREATE VIEW mytsdb.stat_shard AS
    SELECT c.oid::regclass AS rel, s.*
    FROM pg_class c JOIN pg_am a ON a.oid = c.relam, mytsdb.shards_of(c.oid) s
    WHERE a.amname = 'mytsdb' AND c.relkind IN ('r', 'm');
COMMENT ON VIEW mytsdb.stat_shard IS 'the logs of tables USING mytsdb, and what was sealed of them';

CREATE VIEW mytsdb.stat_block AS
    SELECT c.oid::regclass AS rel, b.*
    FROM pg_class c JOIN pg_am a ON a.oid = c.relam, mytsdb.blocks_of(c.oid) b
    WHERE a.amname = 'mytsdb' AND c.relkind IN ('r', 'm');
COMMENT ON VIEW mytsdb.stat_block IS 'the sealed blocks of tables USING mytsdb';

CREATE VIEW mytsdb.stat_table AS
    SELECT c.oid::regclass AS rel, s.*,
        CASE WHEN s.rows > 0 THEN round(s.total_bytes::numeric / s.rows, 2) END AS bytes_per_row
    FROM pg_class c JOIN pg_am a ON a.oid = c.relam, mytsdb.sizes_of(c.oid) s
    WHERE a.amname = 'mytsdb' AND c.relkind IN ('r', 'm');
COMMENT ON VIEW mytsdb.stat_table IS 'the sizes of tables USING mytsdb, and what maintenance has done';

GRANT SELECT ON mytsdb.series, mytsdb.stat_shard, mytsdb.stat_block, mytsdb.stat_table TO PUBLIC;

CREATE FUNCTION mytsdb.hot_stats(OUT size bigint, OUT used bigint, OUT generations bigint, OUT drops bigint,
        OUT appends bigint, OUT log_only bigint, OUT delays bigint, OUT delay_ms double precision, OUT rows_read bigint)
    AS 'MODULE_PATHNAME', 'mytsdb_hot_stats' LANGUAGE C VOLATILE;
CREATE VIEW mytsdb.stat_hot AS SELECT * FROM mytsdb.hot_stats();
COMMENT ON VIEW mytsdb.stat_hot IS 'hot memory: how much of it is used, and how often it was short';
GRANT SELECT ON mytsdb.stat_hot TO PUBLIC;

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
-- OTLP
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.otlp_metrics(body bytea, content_type text DEFAULT NULL, content_encoding text DEFAULT NULL,
        target regclass DEFAULT 'mytsdb.metrics', OUT samples bigint, OUT histograms bigint, OUT exemplars bigint,
        OUT rejected bigint, OUT message text)
        RETURNS record
    AS 'MODULE_PATHNAME', 'mytsdb_otlp_metrics' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION mytsdb.otlp_metrics(bytea, text, text, regclass) IS 'writes a request of OTLP metrics, in protobuf or JSON; returns how many samples, histograms and exemplars it had, and how many points were rejected and why';

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

---------------------------------------------------------------------------------------
-- Remote read
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.remote_read(body bytea, source regclass DEFAULT 'mytsdb.metrics') RETURNS bytea
    AS 'MODULE_PATHNAME', 'mytsdb_remote_read' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.remote_read(bytea, regclass) IS 'answers a request of Prometheus remote read: with samples, compressed by snappy, or with frames of chunks, as the request accepts';

---------------------------------------------------------------------------------------
-- What the server has done since it started: the figures of /metrics
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.server_stats(OUT name text, OUT labels labels, OUT value double precision,
        OUT kind text, OUT help text) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_server_stats' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 300;
COMMENT ON FUNCTION mytsdb.server_stats() IS 'all figures, as the samples that /metrics has';

CREATE VIEW mytsdb.stat_server AS SELECT * FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_server IS 'all figures, as the samples that /metrics has';

CREATE VIEW mytsdb.stat_ingest AS SELECT
    sum(value) FILTER (WHERE name = 'mytsdb_write_requests_total')::bigint AS requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_failed_requests_total')::bigint AS failed_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_pushed_back_requests_total')::bigint AS pushed_back_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_retried_requests_total')::bigint AS retried_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_commits_total')::bigint AS commits,
    sum(value) FILTER (WHERE name = 'mytsdb_write_samples_total' AND labels->>'type' = 'float')::bigint AS samples,
    sum(value) FILTER (WHERE name = 'mytsdb_write_samples_total' AND labels->>'type' = 'histogram')::bigint AS histograms,
    sum(value) FILTER (WHERE name = 'mytsdb_write_exemplars_total')::bigint AS exemplars,
    sum(value) FILTER (WHERE name = 'mytsdb_write_metadata_total')::bigint AS metadata,
    sum(value) FILTER (WHERE name = 'mytsdb_write_refused_samples_total')::bigint AS refused_samples,
    sum(value) FILTER (WHERE name = 'mytsdb_write_received_bytes_total')::bigint AS received_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_write_decoded_bytes_total')::bigint AS decoded_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_write_decode_seconds_total') AS decode_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_sample_append_seconds_total') AS append_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_commit_seconds_total') AS commit_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_request_duration_seconds_sum') AS request_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_queue_requests')::bigint AS queued_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_queue_bytes')::bigint AS queued_bytes
    FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_ingest IS 'remote write and OTLP';

CREATE VIEW mytsdb.stat_otlp AS SELECT
    labels->>'protocol' AS protocol,
    sum(value) FILTER (WHERE name = 'mytsdb_otlp_requests_total')::bigint AS requests,
    sum(value) FILTER (WHERE name = 'mytsdb_otlp_failed_requests_total')::bigint AS failed_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_otlp_points_total')::bigint AS points,
    sum(value) FILTER (WHERE name = 'mytsdb_otlp_refused_points_total')::bigint AS refused_points
    FROM mytsdb.server_stats() WHERE name LIKE 'mytsdb\_otlp\_%' AND labels->>'protocol' IS NOT NULL
    GROUP BY labels->>'protocol';
COMMENT ON VIEW mytsdb.stat_otlp IS 'OTLP over HTTP and over gRPC; also in stat_ingest';

CREATE VIEW mytsdb.stat_queries AS SELECT
    sum(value) FILTER (WHERE name = 'mytsdb_queries_total')::bigint AS queries,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_failed_total')::bigint AS failed,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_canceled_total')::bigint AS canceled,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_timed_out_total')::bigint AS timed_out,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_running')::bigint AS running,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_waiting')::bigint AS waiting,
    sum(value) FILTER (WHERE name = 'mytsdb_query_duration_seconds_sum') AS seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_queue_duration_seconds_sum') AS queue_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_query_samples_total')::bigint AS samples,
    sum(value) FILTER (WHERE name = 'mytsdb_query_spilled_bytes_total')::bigint AS spilled_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_read_requests_total')::bigint AS read_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_read_samples_total')::bigint AS read_samples
    FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_queries IS 'queries and remote read over HTTP';

CREATE VIEW mytsdb.stat_engine AS SELECT
    sum(value) FILTER (WHERE name = 'mytsdb_new_series_total')::bigint AS new_series,
    sum(value) FILTER (WHERE name = 'mytsdb_log_records_total')::bigint AS log_records,
    sum(value) FILTER (WHERE name = 'mytsdb_log_bytes_total')::bigint AS log_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_log_append_seconds_total') AS log_append_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_mutex_lock_waits_total')::bigint AS lock_waits,
    sum(value) FILTER (WHERE name = 'mytsdb_write_mutex_lock_seconds_total') AS lock_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_seals_total')::bigint AS seals,
    sum(value) FILTER (WHERE name = 'mytsdb_seal_rows_total')::bigint AS sealed_rows,
    sum(value) FILTER (WHERE name = 'mytsdb_seal_seconds_total') AS seal_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_merges_total')::bigint AS merges,
    sum(value) FILTER (WHERE name = 'mytsdb_merge_rows_total')::bigint AS merged_rows,
    sum(value) FILTER (WHERE name = 'mytsdb_merge_seconds_total') AS merge_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_retention_dropped_blocks_total')::bigint AS retained_blocks,
    sum(value) FILTER (WHERE name = 'mytsdb_read_index_searches_total')::bigint AS index_searches,
    sum(value) FILTER (WHERE name = 'mytsdb_read_index_search_seconds_total') AS index_search_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_read_blocks_total')::bigint AS blocks_read,
    sum(value) FILTER (WHERE name = 'mytsdb_read_chunks_total')::bigint AS chunks_read,
    sum(value) FILTER (WHERE name = 'mytsdb_read_rows_total')::bigint AS rows_read,
    sum(value) FILTER (WHERE name = 'mytsdb_series_cache_hits_total')::bigint AS series_cache_hits,
    sum(value) FILTER (WHERE name = 'mytsdb_series_cache_misses_total')::bigint AS series_cache_misses
    FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_engine IS 'the engine, in all processes and all databases';

CREATE VIEW mytsdb.stat_connections AS SELECT
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections')::bigint AS connections,
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections_limit')::bigint AS connections_limit,
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections_accepted_total')::bigint AS accepted,
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections_refused_total')::bigint AS refused,
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections_timed_out_total')::bigint AS timed_out,
    sum(value) FILTER (WHERE name = 'mytsdb_http_tls_failures_total')::bigint AS tls_failures,
    sum(value) FILTER (WHERE name = 'mytsdb_http_malformed_requests_total')::bigint AS malformed_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_http_auth_failures_total')::bigint AS auth_failures,
    sum(value) FILTER (WHERE name = 'mytsdb_http_auth_throttled_total')::bigint AS auth_throttled,
    sum(value) FILTER (WHERE name = 'mytsdb_http_rate_limited_total')::bigint AS rate_limited,
    sum(value) FILTER (WHERE name = 'mytsdb_http_received_bytes_total')::bigint AS received_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_http_sent_bytes_total')::bigint AS sent_bytes
    FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_connections IS 'connections of HTTP';

CREATE VIEW mytsdb.stat_http AS
    SELECT labels->>'route' AS route,
        sum(value) FILTER (WHERE name = 'mytsdb_http_requests_total')::bigint AS requests,
        coalesce(sum(value) FILTER (WHERE name = 'mytsdb_http_requests_total' AND labels->>'status' LIKE '4%'), 0)::bigint
            AS client_errors,
        coalesce(sum(value) FILTER (WHERE name = 'mytsdb_http_requests_total' AND labels->>'status' LIKE '5%'), 0)::bigint
            AS server_errors,
        sum(value) FILTER (WHERE name = 'mytsdb_http_request_duration_seconds_sum') AS seconds
    FROM mytsdb.server_stats()
    WHERE name IN ('mytsdb_http_requests_total', 'mytsdb_http_request_duration_seconds_sum')
    GROUP BY labels->>'route';
COMMENT ON VIEW mytsdb.stat_http IS 'HTTP requests by route';

CREATE VIEW mytsdb.stat_http_status AS
    SELECT labels->>'route' AS route, (labels->>'status')::integer AS status, value::bigint AS requests
    FROM mytsdb.server_stats()
    WHERE name = 'mytsdb_http_requests_total';
COMMENT ON VIEW mytsdb.stat_http_status IS 'HTTP requests by route and status';

GRANT SELECT ON mytsdb.stat_server, mytsdb.stat_ingest, mytsdb.stat_otlp, mytsdb.stat_queries, mytsdb.stat_engine,
    mytsdb.stat_connections, mytsdb.stat_http, mytsdb.stat_http_status TO PUBLIC;

CREATE FUNCTION mytsdb.server_processes(OUT kind text, OUT number integer, OUT pid integer,
        OUT request_id bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_server_processes' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 7;
COMMENT ON FUNCTION mytsdb.server_processes() IS 'the processes that serve HTTP';

-- What one of them runs is shown to whom pg_stat_activity shows it.
CREATE VIEW mytsdb.stat_workers AS
    SELECT p.kind, p.number, p.pid, p.request_id,
        CASE WHEN a.state = 'active' THEN a.query END AS request,
        CASE WHEN a.state = 'active' THEN a.query_start END AS since
    FROM mytsdb.server_processes() p LEFT JOIN pg_catalog.pg_stat_activity a USING (pid);
COMMENT ON VIEW mytsdb.stat_workers IS 'the processes that serve HTTP, and what they are doing';
GRANT SELECT ON mytsdb.stat_workers TO PUBLIC;

---------------------------------------------------------------------------------------
-- Who may ask over HTTP
---------------------------------------------------------------------------------------

-- A token is of the role that has this number and this name; the number is set anew when
-- a dump is restored, and dead ones are not dumped.

CREATE TABLE mytsdb.token (
    id text COLLATE "C" PRIMARY KEY,
    role name NOT NULL,
    role_oid oid NOT NULL,
    description text,
    hash bytea NOT NULL,
    created timestamptz NOT NULL,
    expires timestamptz
) USING heap;
COMMENT ON TABLE mytsdb.token IS 'tokens of roles, as hashes; kept by mytsdb.create_token() and mytsdb.revoke_token()';
REVOKE ALL ON mytsdb.token FROM PUBLIC;

CREATE FUNCTION mytsdb.restore_token() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mytsdb_restore_token' LANGUAGE C;
REVOKE ALL ON FUNCTION mytsdb.restore_token() FROM PUBLIC;
CREATE TRIGGER restore_token BEFORE INSERT ON mytsdb.token
    FOR EACH ROW EXECUTE FUNCTION mytsdb.restore_token();
ALTER TABLE mytsdb.token ENABLE ALWAYS TRIGGER restore_token;
SELECT pg_catalog.pg_extension_config_dump('mytsdb.token',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role_oid AND r.rolname = role)');

CREATE FUNCTION mytsdb.create_token(role name, description text DEFAULT NULL, expires timestamptz DEFAULT NULL)
        RETURNS text
    AS 'MODULE_PATHNAME', 'mytsdb_create_token' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION mytsdb.create_token(name, text, timestamptz) IS 'makes a token with which to log in over HTTP as a role; it is shown this once';
CREATE FUNCTION mytsdb.revoke_token(id text) RETURNS void
    AS 'MODULE_PATHNAME', 'mytsdb_revoke_token' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.revoke_token(text) IS 'makes a token worthless';

CREATE FUNCTION mytsdb.token_last_used(id text) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'mytsdb_token_last_used' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.token_last_used(text) IS 'when a token was last used, since the server started';

CREATE VIEW mytsdb.tokens WITH (security_barrier) AS
    SELECT id, role, description, created, expires,
        EXISTS (SELECT FROM pg_catalog.pg_roles r
            WHERE r.oid = t.role_oid AND r.rolname = t.role AND r.rolcanlogin) AND
            (expires IS NULL OR expires > pg_catalog.now()) AS valid,
        mytsdb.token_last_used(id) AS last_used
    FROM mytsdb.token t
    WHERE pg_catalog.pg_has_role(role_oid, 'MEMBER');
GRANT SELECT ON mytsdb.tokens TO PUBLIC;
COMMENT ON VIEW mytsdb.tokens IS 'the tokens of the roles that one is a member of; last_used is known since the server started';

-- Tenants, by the table of their metrics.

CREATE TABLE mytsdb.tenant (
    name text COLLATE "C" PRIMARY KEY,
    metrics regclass NOT NULL
) USING heap;
COMMENT ON TABLE mytsdb.tenant IS 'tenants; kept by mytsdb.create_tenant() and mytsdb.drop_tenant()';
REVOKE ALL ON mytsdb.tenant FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mytsdb.tenant',
    'WHERE metrics IN (SELECT oid FROM pg_catalog.pg_class)');

CREATE FUNCTION mytsdb.create_tenant(name text) RETURNS void
    AS 'MODULE_PATHNAME', 'mytsdb_create_tenant' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.create_tenant(text) IS 'makes a schema tenant_NAME with tables metrics, exemplars and metadata';
CREATE FUNCTION mytsdb.drop_tenant(name text) RETURNS void
    AS 'MODULE_PATHNAME', 'mytsdb_drop_tenant' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.drop_tenant(text) IS 'drops a tenant with its tables and its schema';

CREATE VIEW mytsdb.tenants WITH (security_barrier) AS
    SELECT t.name, n.nspname AS schema, pg_catalog.pg_get_userbyid(c.relowner) AS owner
    FROM mytsdb.tenant t
        JOIN pg_catalog.pg_class c ON c.oid = t.metrics
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE');
GRANT SELECT ON mytsdb.tenants TO PUBLIC;
COMMENT ON VIEW mytsdb.tenants IS 'the tenants whose schemas one may use';

---------------------------------------------------------------------------------------
-- The API's documents about the server
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.tsdb_status("limit" integer DEFAULT 10, source regclass DEFAULT 'mytsdb.metrics') RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_tsdb_status' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.tsdb_status(integer, regclass) IS 'the API''s /api/v1/status/tsdb';

CREATE FUNCTION mytsdb.build_info() RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_build_info' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION mytsdb.build_info() IS 'the API''s /api/v1/status/buildinfo';

CREATE FUNCTION mytsdb.runtime_info(source regclass DEFAULT 'mytsdb.metrics') RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_runtime_info' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION mytsdb.runtime_info(regclass) IS 'the API''s /api/v1/status/runtimeinfo';

CREATE FUNCTION mytsdb.flags() RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_flags' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION mytsdb.flags() IS 'the API''s /api/v1/status/flags';
