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

