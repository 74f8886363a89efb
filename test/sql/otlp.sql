-- OTLP by mytsdb.otlp_metrics(): what points become in the tables, settings, what is refused,
-- who may write, and transactions.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SET timezone = 'UTC';
TRUNCATE mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata;

-- ---- messages, in JSON ----

CREATE SCHEMA ot;
-- attributes of an object: texts, numbers, booleans and lists
CREATE FUNCTION ot.value(v jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE jsonb_typeof(v)
        WHEN 'string' THEN jsonb_build_object('stringValue', v)
        WHEN 'number' THEN jsonb_build_object('doubleValue', v)
        WHEN 'boolean' THEN jsonb_build_object('boolValue', v)
        WHEN 'array' THEN jsonb_build_object('arrayValue', jsonb_build_object('values',
            (SELECT jsonb_agg(ot.value(e) ORDER BY i) FROM jsonb_array_elements(v) WITH ORDINALITY u (e, i))))
        ELSE '{}' END;
END $$;
CREATE FUNCTION ot.attributes(o jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $$SELECT coalesce(jsonb_agg(jsonb_build_object('key', key, 'value', ot.value(value)) ORDER BY key), '[]') FROM jsonb_each(o)$$;
-- a point; what it has in `attributes` is an object, times are milliseconds
CREATE FUNCTION ot.point(ms numeric, data jsonb, attributes jsonb DEFAULT '{}', start numeric DEFAULT 0) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $$SELECT jsonb_build_object('timeUnixNano', (ms * 1000000)::bigint::text, 'startTimeUnixNano', (start * 1000000)::bigint::text,
        'attributes', ot.attributes(attributes)) || data$$;
CREATE FUNCTION ot.metric(name text, kind text, data jsonb, VARIADIC points jsonb[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $$SELECT jsonb_build_object('name', name, kind, data || jsonb_build_object('dataPoints', to_jsonb(points)))$$;
CREATE FUNCTION ot.gauge(name text, VARIADIC points jsonb[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $$SELECT ot.metric(name, 'gauge', '{}', VARIADIC points)$$;
CREATE FUNCTION ot.sum(name text, VARIADIC points jsonb[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $$SELECT ot.metric(name, 'sum', '{"aggregationTemporality": 2, "isMonotonic": true}', VARIADIC points)$$;
CREATE FUNCTION ot.delta(name text, VARIADIC points jsonb[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $$SELECT ot.metric(name, 'sum', '{"aggregationTemporality": 1, "isMonotonic": true}', VARIADIC points)$$;
CREATE FUNCTION ot.of(resource jsonb, scope jsonb, VARIADIC metrics jsonb[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT convert_to(jsonb_build_object('resourceMetrics', jsonb_build_array(jsonb_build_object(
        'resource', jsonb_build_object('attributes', ot.attributes(resource)),
        'scopeMetrics', jsonb_build_array(jsonb_build_object('scope', scope, 'metrics', to_jsonb(metrics))))))::text, 'UTF8')$$;
CREATE FUNCTION ot.request(VARIADIC metrics jsonb[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT ot.of('{"service.name": "shop"}', '{}', VARIADIC metrics)$$;
-- what a request gives, or the error
CREATE FUNCTION ot.write(body bytea, target regclass DEFAULT 'mytsdb.metrics', type text DEFAULT 'application/json', encoding text DEFAULT NULL)
    RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    d text;
    h text;
BEGIN
    SELECT * INTO r FROM mytsdb.otlp_metrics(body, type, encoding, target);
    RETURN format('%s samples, %s histograms, %s exemplars', r.samples, r.histograms, r.exemplars)
        || CASE WHEN r.rejected > 0 OR r.message IS NOT NULL THEN format('; %s points rejected: %s', r.rejected, r.message) ELSE '' END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', format('%s: %s', SQLSTATE, SQLERRM), nullif(d, ''), nullif(h, ''));
END $$;
CREATE VIEW ot.rows AS
    SELECT labels, date_part('epoch', time) * 1000 AS ms, value, histogram, date_part('epoch', start_time) * 1000 AS start FROM mytsdb.metrics;

-- ---- all kinds of metrics ----

SELECT ot.write(ot.request(
    '{"unit": "Cel", "description": "how warm"}' || ot.gauge('temperature',
        ot.point(1000, '{"asDouble": 20.5}', '{"room.name": "a"}'), ot.point(1000, '{"asInt": "-3"}', '{"room.name": "b"}')),
    '{"unit": "1"}' || ot.sum('requests', ot.point(1000, '{"asInt": "7"}', start => 500), ot.point(2000, '{"asInt": "9"}', start => 500)),
    '{"unit": "By"}' || ot.metric('depth', 'sum', '{"aggregationTemporality": 2}', ot.point(1000, '{"asDouble": -1}'))));
SELECT ot.write(ot.request('{"unit": "s", "description": "how long"}' || ot.metric('duration', 'histogram', '{"aggregationTemporality": 2}',
    ot.point(1000, '{"count": "6", "sum": 12.5, "min": 0.5, "max": 6, "bucketCounts": ["1", "2", "3"], "explicitBounds": [1, 2.5],
        "exemplars": [{"timeUnixNano": "900000000", "asDouble": 2, "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708"},
            {"timeUnixNano": "950000000", "asInt": "6"}]}', start => 500))));
SELECT ot.write(ot.request(ot.metric('size', 'exponentialHistogram', '{"aggregationTemporality": 2}',
    ot.point(1000, '{"count": "6", "sum": 12, "scale": 1, "zeroCount": "1", "positive": {"offset": 0, "bucketCounts": ["1", "2"]}, "negative": {"offset": 3, "bucketCounts": ["2"]}}'))));
SELECT ot.write(ot.request(ot.metric('latency', 'summary', '{}',
    ot.point(1000, '{"count": "3", "sum": 6, "quantileValues": [{"quantile": 0.5, "value": 2}, {"quantile": 1, "value": 3}]}'))));
SELECT * FROM ot.rows ORDER BY labels::text, ms;
SELECT labels, value, exemplar FROM mytsdb.exemplars ORDER BY value;
SELECT metric, type, unit, help FROM mytsdb.metadata ORDER BY metric;

-- a series has ended
SELECT ot.write(ot.request('{"unit": "1"}' || ot.sum('requests', ot.point(3000, '{"flags": 1}', start => 500))));
SELECT encode(float8send(value), 'hex') FROM ot.rows WHERE labels ~ 'requests_total' AND ms = 3000;

-- in protobuf: a gauge `up` with a point of 1, at 1 s
SELECT ot.write('\x0a1e121c121a0a0275702a140a121900ca9a3b00000000310100000000000000', type => NULL);
SELECT * FROM mytsdb.otlp_metrics('\x0a1e121c121a0a0275702a140a121900ca9a3b00000000310200000000000000');
SELECT ot.write('', type => 'application/x-protobuf');
SELECT labels, value FROM mytsdb.metrics WHERE labels ~ '{__name__="up"}';
TRUNCATE mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata;

-- ---- settings ----

-- names
DO $$
DECLARE
    translation text;
BEGIN
    FOREACH translation IN ARRAY '{UnderscoreEscapingWithSuffixes,UnderscoreEscapingWithoutSuffixes,NoUTF8EscapingWithSuffixes,NoTranslation}'::text[] LOOP
        PERFORM set_config('mytsdb.otlp_translation', translation, false);
        PERFORM mytsdb.otlp_metrics(ot.request('{"unit": "ms"}' || ot.sum('http.served', ot.point(1000, '{"asInt": "1"}', '{"the.path": "/"}'))), 'application/json');
    END LOOP;
END $$;
RESET mytsdb.otlp_translation;
SELECT labels FROM mytsdb.metrics ORDER BY labels::text;
SELECT metric, type, unit FROM mytsdb.metadata ORDER BY metric;
TRUNCATE mytsdb.metrics, mytsdb.metadata;

-- the resource and the scope
CREATE FUNCTION ot.of_all() RETURNS text LANGUAGE sql AS $$
    SELECT ot.write(ot.of('{"service.name": "shop", "service.namespace": "eu", "service.instance.id": "i1", "host.name": "h1", "zones": ["a", "b"]}',
        '{"name": "lib", "version": "1.2", "attributes": [{"key": "kind", "value": {"stringValue": "manual"}}]}',
        ot.gauge('up', ot.point(1000, '{"asInt": "1"}'))))$$;
SELECT ot.of_all();
SET mytsdb.otlp_promote_resource_attributes = '"host.name", os.type';
SET mytsdb.otlp_promote_scope = on;
SELECT ot.of_all();
SET mytsdb.otlp_promote_resource_attributes = '*';
SET mytsdb.otlp_promote_scope = off;
SET mytsdb.otlp_keep_identifying_attributes = on;
SELECT ot.of_all();
SHOW mytsdb.otlp_promote_resource_attributes;
RESET mytsdb.otlp_promote_resource_attributes;
RESET mytsdb.otlp_promote_scope;
RESET mytsdb.otlp_keep_identifying_attributes;
SELECT labels FROM mytsdb.metrics ORDER BY labels::text;
TRUNCATE mytsdb.metrics;
SET mytsdb.otlp_promote_resource_attributes = 'a,,b';
SET mytsdb.otlp_promote_resource_attributes = '"a';
SET mytsdb.otlp_translation = 'Latin';
SET mytsdb.otlp_delta = 'add';
SELECT name, context FROM pg_settings WHERE name LIKE 'mytsdb.otlp\_%' AND name !~ '_(port|memory|expiry)$' ORDER BY name;

-- target_info is told as often as queries look back
SET mytsdb.promql_lookback = '10s';
SELECT ot.write(ot.of('{"service.name": "shop", "host.name": "h1"}', '{}', ot.gauge('up', ot.point(1000, '{"asInt": "1"}'), ot.point(13000, '{"asInt": "1"}'))));
RESET mytsdb.promql_lookback;
SELECT labels, ms FROM ot.rows ORDER BY labels::text, ms;
TRUNCATE mytsdb.metrics;

-- histograms
CREATE FUNCTION ot.histogram(temporality int) RETURNS text LANGUAGE sql AS $$
    SELECT ot.write(ot.request(ot.metric('duration', 'histogram', jsonb_build_object('aggregationTemporality', temporality),
        ot.point(1000, '{"count": "6", "sum": 12.5, "min": 0.5, "max": 6, "bucketCounts": ["1", "2", "3"], "explicitBounds": [1, 2.5]}', start => 500))))$$;
SET mytsdb.otlp_histograms = custom;
SET mytsdb.otlp_min_max = on;
SELECT ot.histogram(2);
RESET mytsdb.otlp_histograms;
RESET mytsdb.otlp_min_max;
SELECT * FROM ot.rows ORDER BY labels::text;
TRUNCATE mytsdb.metrics;

-- ---- delta temporality ----

CREATE FUNCTION ot.add(n int, start numeric, ms numeric) RETURNS text LANGUAGE sql AS $$
    SELECT ot.write(ot.request(ot.delta('adds', ot.point(ms, jsonb_build_object('asInt', n::text), start => start))))$$;
SELECT ot.add(1, 0, 1000), ot.add(2, 1000, 2000);
SELECT ot.histogram(1), ot.histogram(1);
BEGIN;
SELECT ot.add(4, 2000, 3000);
SAVEPOINT s;
SELECT ot.add(8, 3000, 4000);
ROLLBACK TO s;
SELECT ot.add(16, 3000, 4000);
COMMIT;
BEGIN;
SELECT ot.add(100, 4000, 5000);
ROLLBACK;
-- two points of a request
SELECT ot.write(ot.request(ot.delta('adds', ot.point(5000, '{"asInt": "32"}', start => 4000), ot.point(6000, '{"asInt": "64"}', start => 5000))));
BEGIN;
SELECT ot.add(1000, 6000, 7000);
PREPARE TRANSACTION 'otlp';
SELECT * FROM ot.rows ORDER BY labels::text, ms;
SET mytsdb.otlp_delta = refuse;
SELECT ot.add(1, 6000, 7000);
SET mytsdb.otlp_delta = store;
SELECT ot.add(7, 6000, 8000);
RESET mytsdb.otlp_delta;
SELECT ot.add(128, 6000, 9000);
SELECT * FROM ot.rows WHERE ms > 6000 ORDER BY labels::text, ms;
TRUNCATE mytsdb.metrics, mytsdb.metadata;

-- without deltas there is nothing that cannot be prepared
BEGIN;
SELECT ot.write(ot.request(ot.sum('adds', ot.point(1000, '{"asInt": "1"}'))));
PREPARE TRANSACTION 'otlp';
SELECT count(*) FROM mytsdb.metrics;
COMMIT PREPARED 'otlp';
SELECT count(*) FROM mytsdb.metrics;

-- ---- what is refused ----

-- points; the others of a request are written
SELECT ot.write(ot.request(ot.gauge('good', ot.point(1000, '{"asInt": "1"}')), ot.gauge('', ot.point(1000, '{"asInt": "1"}')),
    ot.metric('nonsense', 'histogram', '{"aggregationTemporality": 2}',
        ot.point(1000, '{"count": "6", "bucketCounts": ["1", "2"], "explicitBounds": [1, 2, 3]}'),
        ot.point(1000, '{"count": "1", "bucketCounts": ["1"]}')),
    ot.metric('whatever', 'sum', '{}', ot.point(1000, '{"asInt": "1"}'))));
-- labels that cannot be
SELECT ot.write(ot.request(ot.gauge('long', ot.point(1000, '{"asInt": "1"}', jsonb_build_object('a', repeat('x', 70000))), ot.point(1000, '{"asInt": "2"}'))));
-- a histogram is written with all of its series, or not at all, where only some could be keys
SELECT n, ot.write(ot.request(ot.metric('edge', 'histogram', '{"aggregationTemporality": 2}',
        ot.point(1000, '{"count": "3", "sum": 1, "bucketCounts": ["1", "2"], "explicitBounds": [1]}', jsonb_build_object('a', repeat('x', n))))))
    FROM generate_series(7846, 7870, 3) n;
SELECT count(*) FROM mytsdb.metrics WHERE labels ~ '{__name__=~"edge.*"}';
-- more reasons than are told
SELECT ot.write(ot.request(VARIADIC (SELECT array_agg(ot.gauge('', ot.point(n, '{"asInt": "1"}'))) FROM generate_series(1, 8) n)));
TRUNCATE mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata;

-- requests
SELECT ot.write('{"resourceMetrics": [{]}');
SELECT ot.write('\x0a05');
SELECT ot.write('\x0a05', type => NULL);
SELECT ot.write('{}', type => 'text/plain');
SELECT ot.write('{}', encoding => 'br');
SELECT ot.write('\x1f8b', encoding => 'gzip');
SELECT ot.write(convert_to(repeat('[', 100000), 'UTF8'));
SELECT ot.write(convert_to('{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"up","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"1","attributes":[{"key":"a","value":'
    || repeat('{"arrayValue":{"values":[', 100000) || repeat(']}}', 100000) || '}]}]}}]}]}]}', 'UTF8'));
SELECT * FROM mytsdb.otlp_metrics(NULL);
SELECT * FROM mytsdb.otlp_metrics('', target => NULL);
SET mytsdb.remote_write_max_size = '64kB';
SELECT ot.write(convert_to(repeat(' ', 65537), 'UTF8'));
SELECT ot.write(convert_to('{"resourceMetrics": [' || repeat('{},', 30000) || '{}]}', 'UTF8'));
RESET mytsdb.remote_write_max_size;
SELECT count(*) FROM mytsdb.metrics;

-- ---- other tables, roles ----

CREATE TABLE ot.plain (labels labels, time timestamptz, value float8) USING mytsdb;
SELECT ot.write(ot.request(ot.gauge('up', ot.point(1000, '{"asInt": "1"}')), ot.sum('adds', ot.point(1000, '{"asInt": "1"}', start => 500)),
    ot.metric('size', 'exponentialHistogram', '{"aggregationTemporality": 2}', ot.point(1000, '{"count": "1", "scale": 1, "positive": {"offset": 0, "bucketCounts": ["1"]}}'))), 'ot.plain');
SELECT labels, date_part('epoch', time), value FROM ot.plain ORDER BY labels::text;
CREATE TABLE ot.heap (labels labels, time timestamptz, value float8);
SELECT ot.write(ot.request(ot.gauge('up', ot.point(1000, '{"asInt": "1"}'))), 'ot.heap');

CREATE ROLE regress_otlp;
GRANT USAGE ON SCHEMA mytsdb, ot TO regress_otlp;
SET ROLE regress_otlp;
SELECT ot.write(ot.request(ot.gauge('up', ot.point(1000, '{"asInt": "1"}'))));
RESET ROLE;
GRANT INSERT ON mytsdb.metrics TO regress_otlp;
SET ROLE regress_otlp;
-- without the right to write exemplars or metadata, what needs them is an error
SELECT ot.write(ot.request(ot.gauge('up', ot.point(1000, '{"asInt": "1"}'))));
RESET ROLE;
GRANT INSERT ON mytsdb.exemplars, mytsdb.metadata TO regress_otlp;
SET ROLE regress_otlp;
SET mytsdb.otlp_translation = 'NoTranslation';
SELECT ot.write(ot.request(ot.gauge('up', ot.point(1000, '{"asInt": "1"}'))));
SELECT ot.add(1, 0, 1000);
RESET mytsdb.otlp_translation;
RESET ROLE;
REVOKE ALL ON mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata FROM regress_otlp;
GRANT INSERT ON ot.plain TO regress_otlp;
ALTER TABLE ot.plain ENABLE ROW LEVEL SECURITY;
SET ROLE regress_otlp;
SELECT ot.write(ot.request(ot.gauge('up', ot.point(1000, '{"asInt": "1"}'))), 'ot.plain');
RESET ROLE;
ALTER TABLE ot.plain DISABLE ROW LEVEL SECURITY;
CREATE FUNCTION ot.trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER t BEFORE INSERT ON ot.plain FOR EACH ROW EXECUTE FUNCTION ot.trigger();
SELECT ot.write(ot.request(ot.gauge('up', ot.point(1000, '{"asInt": "1"}'))), 'ot.plain');
SET default_transaction_read_only = on;
SELECT * FROM mytsdb.otlp_metrics('');
RESET default_transaction_read_only;

DROP TABLE ot.heap;
SET client_min_messages = warning;
DROP OWNED BY regress_otlp;
DROP ROLE regress_otlp;
DROP SCHEMA ot CASCADE;
TRUNCATE mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata;
