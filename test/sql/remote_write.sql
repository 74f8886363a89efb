-- Remote write, 1.0 and 2.0, into the metrics store and into tables of one's own.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SET timezone = 'UTC';
TRUNCATE mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata;

-- ---- messages, written by hand ----

CREATE SCHEMA pb;
CREATE FUNCTION pb.varint(n numeric) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    left_over numeric := CASE WHEN n < 0 THEN n + 18446744073709551616 ELSE n END;
    result bytea := '';
BEGIN
    WHILE left_over > 127 LOOP
        result := result || set_byte('\x00', 0, (left_over % 128)::int | 128);
        left_over := div(left_over, 128);
    END LOOP;
    RETURN result || set_byte('\x00', 0, left_over::int);
END $$;
CREATE FUNCTION pb.zigzag(n numeric) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.varint(CASE WHEN n < 0 THEN -2 * n - 1 ELSE 2 * n END)';
CREATE FUNCTION pb.num(field int, n numeric) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.varint(field * 8) || pb.varint(n)';
CREATE FUNCTION pb.sint(field int, n numeric) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.varint(field * 8) || pb.zigzag(n)';
CREATE FUNCTION pb.bytes(field int, b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.varint(field * 8 + 2) || pb.varint(length(b)) || b';
CREATE FUNCTION pb.str(field int, t text) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT pb.bytes(field, convert_to(t, 'UTF8'))$$;
CREATE FUNCTION pb.swap(b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT string_agg(substr(b, i, 1), '' ORDER BY i DESC) FROM generate_series(1, length(b)) i$$;
CREATE FUNCTION pb.bits(field int, b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.varint(field * 8 + 1) || pb.swap(b)';
CREATE FUNCTION pb.dbl(field int, v float8) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.bits(field, float8send(v))';
CREATE FUNCTION pb.dbls(field int, VARIADIC v float8[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT pb.bytes(field, string_agg(pb.swap(float8send(x)), '' ORDER BY i)) FROM unnest(v) WITH ORDINALITY u (x, i)$$;
CREATE FUNCTION pb.many(VARIADIC b bytea[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT string_agg(x, '' ORDER BY i) FROM unnest(b) WITH ORDINALITY u (x, i)$$;
-- 1.0; labels are names and values in turn
CREATE FUNCTION pb.label_fields(labels text[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT coalesce(string_agg(pb.bytes(1, pb.str(1, labels[i]) || pb.str(2, labels[i + 1])), '' ORDER BY i), '')
      FROM generate_series(1, cardinality(labels), 2) i$$;
CREATE FUNCTION pb.sample(ms numeric, v float8) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.bytes(2, pb.dbl(1, v) || pb.num(2, ms))';
CREATE FUNCTION pb.series(labels text[], VARIADIC items bytea[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.bytes(1, pb.label_fields(labels) || pb.many(VARIADIC items))';
CREATE FUNCTION pb.exemplar(labels text[], ms numeric, v float8) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.bytes(3, pb.label_fields(labels) || pb.dbl(2, v) || pb.num(3, ms))';
CREATE FUNCTION pb.metadata(metric text, type int, unit text, help text) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.bytes(3, pb.num(1, type) || pb.str(2, metric) || pb.str(4, help) || pb.str(5, unit))';
-- snappy's block format with a literal, and a zstd frame with a raw block
CREATE FUNCTION pb.snappy(b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT pb.varint(length(b)) || '\xf4' || pb.swap(int2send((length(b) - 1)::int2)) || b$$;
CREATE FUNCTION pb.zstd(b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT '\x28b52ffd20'::bytea || set_byte('\x00', 0, length(b)) || substr(pb.swap(int4send(length(b) * 8 + 1)), 1, 3) || b$$;
-- what a request gives, or the error
CREATE FUNCTION pb.write(body bytea, type text DEFAULT NULL, encoding text DEFAULT NULL, target regclass DEFAULT 'mytsdb.metrics')
    RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    RETURN mytsdb.remote_write(body, type, encoding, target)::text;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', sqlstate, sqlerrm, nullif(detail, ''));
END $$;
CREATE FUNCTION pb.symbols(VARIADIC texts text[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT string_agg(pb.str(4, x), '' ORDER BY i) FROM unnest(texts) WITH ORDINALITY u (x, i)$$;
CREATE FUNCTION pb.write2(body bytea) RETURNS text LANGUAGE sql AS
    $$SELECT pb.write(body, 'application/x-protobuf;proto=io.prometheus.write.v2.Request')$$;

-- ---- 1.0 ----

SELECT pb.write(pb.series('{__name__,up,job,a}', pb.sample(1700000000000, 1), pb.sample(1700000015000, 0.5)) ||
    pb.series('{zone,z,__name__,up,empty,"",job,b}', pb.sample(1700000000001, -2.5)));
SELECT * FROM mytsdb.metrics ORDER BY labels, time;
-- the last sample of a time counts
SELECT pb.write(pb.series('{__name__,up,job,a}', pb.sample(1700000015000, 7), pb.sample(1700000015000, 8)));
SELECT time, value FROM mytsdb.metrics WHERE labels ~ 'up{job="a"}' ORDER BY time;
-- bits are kept: the stale marker, other NaNs, zeros, subnormals, infinities
SELECT pb.write(pb.series('{__name__,bits}', VARIADIC array_agg(
    pb.bytes(2, pb.bits(1, b) || pb.num(2, i)) ORDER BY i)))
    FROM unnest('{"\\x7ff0000000000002","\\x7ff8000000000001","\\xfff123456789abcd","\\x8000000000000000","\\x0000000000000001","\\xfff0000000000000"}'::bytea[])
    WITH ORDINALITY u (b, i);
SELECT time, float8send(value) FROM mytsdb.metrics WHERE labels ~ 'bits' ORDER BY time;
-- times before 1970, and the largest there are
SELECT pb.write(pb.series('{__name__,old}', pb.sample(-1, 1), pb.sample(0, 2), pb.sample(-62135596800000, 3), pb.sample(9224318015999999, 4)));
SELECT time, value FROM mytsdb.metrics WHERE labels ~ 'old' ORDER BY time;
SELECT pb.write(pb.series('{__name__,old}', pb.sample(9224318016000000, 1)));
SELECT pb.write(pb.series('{__name__,old}', pb.sample(9223372036854775807, 1)));
SELECT pb.write(pb.series('{__name__,old}', pb.sample(-9223372036854775808, 1)));
-- UTF-8 names
SELECT pb.write(pb.series('{__name__,größe,"a.b",ä}', pb.sample(1700000000000, 1)));
SELECT labels FROM mytsdb.metrics WHERE labels ~ '{"größe"}';
-- an empty request, and series without samples
SELECT pb.write(''), pb.write(pb.series('{__name__,none}', ''));
SELECT count(*) FROM mytsdb.metrics WHERE labels ~ 'none';

-- ---- what is refused leaves nothing ----

CREATE FUNCTION pb.refused(labels text[]) RETURNS text LANGUAGE sql AS
    $$SELECT pb.write(pb.series('{__name__,first}', pb.sample(1700000000000, 1)) || pb.series(labels, pb.sample(1700000000000, 1)))$$;
SELECT pb.refused('{job,a}');
SELECT pb.refused('{__name__,""}');
SELECT pb.refused('{__name__,up,"",x}');
SELECT pb.refused('{__name__,up,job,a,job,b}');
SELECT pb.write(pb.series('{__name__,first}', pb.sample(1700000000000, 1)) ||
    pb.bytes(1, pb.bytes(1, pb.str(1, '__name__') || pb.bytes(2, '\xff'))));
SELECT left(pb.refused(ARRAY['__name__', 'up', 'long', repeat('x', 70000)]), 60);
SELECT left(pb.refused(ARRAY['__name__', 'up', 'long', repeat('x', 8000)]), 70);
SELECT pb.write(pb.series('{__name__,first}', pb.sample(1700000000000, 1)) || '\x0aff');
SELECT pb.write(pb.series('{__name__,first}', pb.sample(1700000000000, 1)) || '\x0b0c');
SELECT pb.write(pb.series('{__name__,first}', pb.sample(1700000000000, 1), pb.bytes(2, '\x09ffff')));
SELECT pb.write(pb.series('{__name__,first}', pb.sample(1700000000000, 1), pb.num(2, 5)));
SELECT pb.write(pb.str(4, '') || pb.bytes(5, ''));
SELECT pb.write('\xffffffffffffffffff7f');
SELECT count(*) FROM mytsdb.metrics WHERE labels ~ 'first';

-- ---- headers and compression ----

SELECT encoding, pb.write(body, NULL, encoding) FROM
    (SELECT pb.series('{__name__,first}', pb.sample(1700000000000, 1)) AS plain) p,
    LATERAL (VALUES ('', plain), (' identity ', plain), ('none', plain), ('snappy', pb.snappy(plain)), ('Snappy', pb.snappy(plain)),
        ('zstd', pb.zstd(plain)), ('zstd', plain), ('snappy', plain), ('gzip', plain), ('snappy', ''), ('zstd', '')) e (encoding, body);
SELECT type, pb.write('', type) FROM unnest('{"",application/x-protobuf,application/x-protobuf; proto=prometheus.WriteRequest,
    application/x-protobuf;proto=io.prometheus.write.v3.Request,application/json}'::text[]) type;
SELECT pb.write(pb.snappy(pb.series('{__name__,first}', pb.sample(1700000000000, 1))), NULL, 'zstd');
SELECT pb.write(substr(pb.snappy(pb.series('{__name__,first}', pb.sample(1700000000000, 1))), 1, 20), NULL, 'snappy');
-- 4 GB, it says; and more than a setting allows
SELECT pb.write('\xffffffff0f006100', NULL, 'snappy');
SET mytsdb.remote_write_max_size = '64kB';
SELECT pb.write(pb.varint(65537) || '\x00', NULL, 'snappy'), pb.write(pb.varint(65536) || '\x00', NULL, 'snappy');
SELECT pb.write(('\x' || repeat('00', 65537))::bytea);
-- what a request says of metrics by references is no longer than that, either
SELECT pb.write(pb.symbols('', '__name__', repeat('h', 10000)) || (SELECT string_agg(pb.str(4, 'm' || i) ||
    pb.bytes(5, pb.bytes(1, '\x01' || set_byte('\x00', 0, i + 2)) || pb.bytes(5, pb.num(3, 2))), '') FROM generate_series(1, 20) i),
    'application/x-protobuf;proto=io.prometheus.write.v2.Request');
-- nor do samples, labels and histograms that are said with few bytes take much more
SELECT pb.write(pb.bytes(1, pb.label_fields('{__name__,first}') || ('\x' || repeat('1200', 30000))::bytea));
SELECT pb.write(pb.bytes(1, pb.label_fields('{__name__,first}') || ('\x' || repeat('2200', 30000))::bytea));
SELECT pb.write(pb.bytes(1, pb.label_fields('{__name__,first}') || ('\x' || repeat('1a00', 30000))::bytea));
RESET mytsdb.remote_write_max_size;
SELECT mytsdb.remote_write(NULL);
SELECT mytsdb.remote_write('', target => NULL);

-- ---- 2.0 ----

SELECT pb.write2(pb.symbols('', '__name__', 'two_total', 'job', 'a', 'How many.', 'trace_id', 'x1') ||
    pb.bytes(5, pb.many(pb.bytes(1, '\x01020304'),
        pb.sample(1700000000000, 1),
        pb.bytes(2, pb.dbl(1, 2) || pb.num(2, 1700000015000) || pb.num(3, 1600000000000)),
        pb.bytes(4, pb.bytes(1, '\x0607') || pb.dbl(2, 5) || pb.num(3, 1700000000500)),
        pb.bytes(5, pb.num(1, 1) || pb.num(3, 5) || pb.num(4, 0)), pb.num(6, 1500000000000))));
SELECT * FROM mytsdb.metrics WHERE labels ~ 'two_total' ORDER BY time;
SELECT labels, time, value, exemplar, received < now() AS before FROM mytsdb.exemplars;
SELECT metric, type, unit, help FROM mytsdb.metadata;
SELECT pb.write2(pb.symbols('x') || pb.bytes(5, ''));
SELECT pb.write2(pb.symbols('', '__name__') || pb.bytes(5, pb.bytes(1, '\x0102')));
SELECT pb.write2(pb.symbols('', '__name__', 'm') || pb.bytes(5, pb.bytes(1, '\x010202')));
SELECT pb.write2(pb.series('{__name__,up}', pb.sample(1, 1)));
SELECT pb.write2('');

-- ---- native histograms ----

-- 1 2 | 4 on the positive side, 3 on the negative, 2 in zero
CREATE FUNCTION pb.span(field int, first int, n int) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT pb.bytes(field, pb.sint(1, first) || pb.num(2, n))';
CREATE FUNCTION pb.integers(ms numeric, schema int, VARIADIC more bytea[] DEFAULT '{}') RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT pb.many(pb.num(1, 12), pb.dbl(3, 5.5), pb.sint(4, schema), pb.dbl(5, 0.001), pb.num(6, 2),
        pb.span(8, -3, 1), pb.bytes(9, pb.zigzag(3)), pb.span(11, 0, 2), pb.span(11, 1, 1),
        pb.bytes(12, pb.zigzag(1) || pb.zigzag(1) || pb.zigzag(2)), pb.num(15, ms), coalesce(pb.many(VARIADIC more), ''))$$;
CREATE FUNCTION pb.custom(ms numeric) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT pb.many(pb.dbl(2, 4), pb.dbl(3, 9), pb.sint(4, -53), pb.span(11, 1, 2), pb.dbls(13, 1.5, 2.5), pb.num(15, ms), pb.dbls(16, 0.5, 10))$$;
CREATE FUNCTION pb.stale(ms numeric) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT pb.many(pb.bits(3, '\x7ff0000000000002'), pb.num(15, ms))$$;
SELECT pb.write(pb.series('{__name__,h}', pb.bytes(4, pb.integers(1, 3)), pb.bytes(4, pb.integers(2, 3, pb.num(14, 1))), pb.bytes(4, pb.integers(3, 10)),
    pb.bytes(4, pb.custom(4)), pb.bytes(4, pb.stale(5)), pb.sample(6, 1)));
SELECT time, value, histogram FROM mytsdb.metrics WHERE labels ~ 'h' ORDER BY time;
SELECT pb.write2(pb.symbols('', '__name__', 'h2') || pb.bytes(5, pb.bytes(1, '\x0102') || pb.bytes(3, pb.integers(1, 3, pb.num(17, 1600000000000))) ||
    pb.bytes(3, pb.custom(2)) || pb.num(6, 1500000000000)));
SELECT time, value, histogram, start_time FROM mytsdb.metrics WHERE labels ~ 'h2' ORDER BY time;
-- a sample of either kind replaces one of the other
SELECT pb.write(pb.series('{__name__,h}', pb.sample(1, 7))), pb.write(pb.series('{__name__,h}', pb.bytes(4, pb.custom(6))));
SELECT time, value, histogram FROM mytsdb.metrics WHERE labels ~ 'h' AND time IN ('1970-01-01 00:00:00.001', '1970-01-01 00:00:00.006') ORDER BY time;
-- invalid ones
CREATE FUNCTION pb.wrong(histogram bytea) RETURNS text LANGUAGE sql AS $$SELECT pb.write(pb.series('{__name__,wrong}', pb.sample(1, 1), pb.bytes(4, histogram)))$$;
SELECT pb.wrong(pb.integers(1, 3, pb.span(11, 0, 1)));
SELECT pb.wrong(pb.integers(1, 3, pb.dbls(13, 1)));
SELECT pb.wrong(pb.integers(1, 53)), pb.wrong(pb.integers(1, -5)), pb.wrong(pb.integers(1, -53));
SELECT pb.wrong(pb.integers(1, 3, pb.num(1, 11)));
SELECT pb.wrong(pb.many(pb.dbl(2, 1), pb.span(11, 0, 1), pb.dbls(13, -1)));
SELECT pb.wrong(pb.many(pb.dbl(2, 4), pb.sint(4, -53), pb.span(11, 1, 2), pb.dbls(13, 2, 2), pb.dbls(16, 2, 1)));
SELECT count(*) FROM mytsdb.metrics WHERE labels ~ 'wrong';
-- a table without such a column, one of another type, and one with it
CREATE TABLE pb.floats (labels labels, time timestamptz, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
CREATE TABLE pb.ints (labels labels, time timestamptz, value float8, histogram int) USING mytsdb WITH (mytsdb.series_by = 'labels');
CREATE TABLE pb.both (labels labels, time timestamptz, value float8, histogram histogram) USING mytsdb WITH (mytsdb.series_by = 'labels');
SELECT t, pb.write(pb.series('{__name__,h}', pb.bytes(4, pb.custom(1))), target => t) FROM unnest('{pb.floats,pb.ints,pb.both}'::regclass[]) t;
SELECT * FROM pb.both;

-- ---- exemplars and metadata ----

TRUNCATE mytsdb.exemplars, mytsdb.metadata;
-- sent again, an exemplar is the same one; without a time it has the time of the request
SELECT pb.write(pb.series('{__name__,up}', pb.exemplar('{trace_id,t1}', 1700000000000, 1), pb.exemplar('{trace_id,t2}', 1700000000001, 2)))
    FROM generate_series(1, 2);
SELECT labels, time, value, exemplar FROM mytsdb.exemplars ORDER BY time;
SELECT pb.write(pb.series('{__name__,up}', pb.exemplar('{}', 0, 3)));
SELECT exemplar, time = received AS same FROM mytsdb.exemplars WHERE value = 3;
SELECT pb.write(pb.series('{__name__,up}', pb.exemplar('{a,b,a,c}', 0, 3)));
-- metadata is written when it has changed
SELECT pb.write(pb.metadata('up', 2, '', 'Is it?') || pb.metadata('b', 1, 's', 'first') || pb.metadata('b', 1, 's', 'last') || pb.metadata('q', 99, '', ''));
SELECT metric, type, unit, help FROM mytsdb.metadata ORDER BY metric;
CREATE TABLE pb.before AS SELECT metric, ctid AS place FROM mytsdb.metadata;
SELECT pb.write(pb.metadata('up', 2, '', 'Is it?') || pb.metadata('b', 1, 's', 'later'));
SELECT metric, help, m.ctid = place AS untouched FROM mytsdb.metadata m JOIN pb.before USING (metric) ORDER BY metric;
SELECT pb.write(pb.bytes(3, pb.str(2, 'up') || pb.bytes(4, '\xff')));
-- 2.0 says of the parts of a classic histogram what is true of it
SELECT pb.write2(pb.symbols('', '__name__', 'h_bucket', 'h_sum', 'h_count', 's_sum', 's_bucket', 'c_sum', 'seconds') ||
    (SELECT string_agg(pb.bytes(5, pb.bytes(1, '\x01' || set_byte('\x00', 0, n)) || pb.bytes(5, pb.num(1, type) || pb.num(4, 8))), '')
        FROM (VALUES (2, 3), (3, 3), (4, 3), (5, 5), (6, 5), (7, 1)) v (n, type)));
SELECT metric, type, unit FROM mytsdb.metadata WHERE unit = 'seconds' ORDER BY metric;

-- ---- series that the session has met before ----

-- whatever the order of labels, and where they stand
SELECT pb.write(pb.series('{__name__,known,job,a,zone,z}', pb.sample(i, i))) FROM generate_series(1, 3) i;
SELECT pb.write(pb.series('{zone,z,job,a,empty,"",__name__,known}', pb.sample(i, i))) FROM generate_series(4, 5) i;
SELECT pb.write(pb.bytes(1, pb.label_fields('{job,a}') || pb.sample(i, i) || pb.label_fields('{__name__,known,zone,z}'))) FROM generate_series(6, 7) i;
SELECT pb.write2(pb.symbols('', 'a', '__name__', 'job', 'known', 'zone', 'z') || pb.bytes(5, pb.bytes(1, '\x020403010506') || pb.sample(i, i) ||
    pb.bytes(5, pb.num(1, 2)))) FROM generate_series(8, 9) i;
SELECT labels, array_agg(value ORDER BY time), count(DISTINCT labels) FROM mytsdb.metrics WHERE labels ~ 'known' GROUP BY labels;
SELECT metric, type FROM mytsdb.metadata WHERE metric = 'known';
-- a label more, or one that is cut elsewhere, is another series
SELECT pb.write(pb.series('{__name__,known,job,a,zone,z,x,y}', pb.sample(1, 1))), pb.write(pb.series('{__name__,known,job,az,one,z}', pb.sample(1, 1)));
SELECT labels FROM mytsdb.metrics WHERE labels ~ 'known' GROUP BY labels ORDER BY labels;
-- errors and exemplars have their labels
SELECT pb.write(pb.series('{__name__,known,job,a,zone,z}', pb.sample(9223372036854775807, 1)));
SELECT pb.write(pb.series('{__name__,known,job,a,zone,z}', pb.exemplar('{t,1}', 1, 1)));
SELECT labels, exemplar FROM mytsdb.exemplars WHERE labels ~ 'known';
-- a storage that comes and goes has its own series
BEGIN;
TRUNCATE mytsdb.metrics;
SELECT pb.write(pb.series('{__name__,other}', pb.sample(1, 1))), pb.write(pb.series('{__name__,known,job,a,zone,z}', pb.sample(100, 100)));
SELECT labels, value FROM mytsdb.metrics ORDER BY labels;
ROLLBACK;
SELECT pb.write(pb.series('{__name__,known,job,a,zone,z}', pb.sample(10, 10)));
SELECT labels, max(value) FROM mytsdb.metrics WHERE labels ~ 'known' GROUP BY labels ORDER BY labels;
-- more series than the session may remember
SET mytsdb.series_cache = '64kB';
SELECT pb.write((SELECT string_agg(pb.series(ARRAY['__name__', 'many', 'n', repeat('x', 100) || i], pb.sample(t, i)), '') FROM generate_series(1, 1000) i))
    FROM generate_series(1, 3) t;
SELECT count(*), count(DISTINCT labels), sum(value), bool_and(labels ->> 'n' = repeat('x', 100) || value) FROM mytsdb.metrics WHERE labels ~ 'many';
RESET mytsdb.series_cache;

-- ---- transactions ----

BEGIN;
SELECT pb.write(pb.series('{__name__,rolled}', pb.sample(1, 1)));
SAVEPOINT s;
SELECT pb.write(pb.series('{__name__,rolled}', pb.sample(2, 1)));
SELECT count(*) FROM mytsdb.metrics WHERE labels ~ 'rolled';
ROLLBACK TO s;
SELECT count(*) FROM mytsdb.metrics WHERE labels ~ 'rolled';
ROLLBACK;
SELECT count(*) FROM mytsdb.metrics WHERE labels ~ 'rolled';
BEGIN READ ONLY;
SELECT mytsdb.remote_write('');
ROLLBACK;

-- ---- tables of one's own ----

CREATE TABLE pb.own (labels labels, time timestamptz, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
CREATE FUNCTION pb.write_to(target regclass, v float8 DEFAULT 1) RETURNS text LANGUAGE sql AS
    $$SELECT pb.write(pb.series('{__name__,up}', pb.sample(1700000000000, v), pb.exemplar('{a,b}', 1700000000000, 1)) ||
        pb.metadata('own', 1, '', ''), target => target)$$;
-- exemplars and metadata go beside the target, if there is a place for them
SELECT pb.write_to('pb.own');
SELECT * FROM pb.own;
SELECT count(*) FROM mytsdb.metadata WHERE metric = 'own';
CREATE TABLE pb.exemplars (time timestamptz, labels labels, exemplar labels, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
CREATE TABLE pb.metadata (metric text PRIMARY KEY, type text, unit text, help text, updated timestamptz);
SELECT pb.write_to('pb.own');
SELECT * FROM pb.exemplars;
SELECT metric, type FROM pb.metadata;
CREATE FUNCTION pb.trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER t BEFORE INSERT ON pb.metadata FOR EACH ROW EXECUTE FUNCTION pb.trigger();
SELECT pb.write_to('pb.own');
DROP TABLE pb.exemplars, pb.metadata;
CREATE TABLE pb.exemplars (what text);
CREATE TABLE pb.metadata (what text);
SELECT pb.write_to('pb.own');
DROP TABLE pb.exemplars, pb.metadata;
-- defaults, generated columns and constraints are honoured
CREATE DOMAIN pb.small AS int CHECK (VALUE < 10) DEFAULT 3;
CREATE TABLE pb.rich (note text DEFAULT 'none', labels labels, value float8 CHECK (value < 100), gone int, double float8 GENERATED ALWAYS AS (value * 2) STORED,
    time timestamptz, start_time timestamptz, n pb.small, chance bool DEFAULT random() < 2) USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time');
ALTER TABLE pb.rich DROP COLUMN gone;
SELECT pb.write_to('pb.rich'), pb.write_to('pb.rich', 100);
SELECT note, labels, value, double, time, start_time, n, chance FROM pb.rich;
ALTER TABLE pb.rich ADD COLUMN must int NOT NULL DEFAULT 1;
SELECT pb.write_to('pb.rich', 2);
ALTER TABLE pb.rich ALTER COLUMN must DROP DEFAULT;
SELECT pb.write_to('pb.rich', 3);
CREATE TABLE pb.parted (labels labels, time timestamptz, value float8) PARTITION BY RANGE (time);
CREATE TABLE pb.part PARTITION OF pb.parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') USING mytsdb WITH (mytsdb.series_by = 'labels');
SELECT pb.write_to('pb.part'), pb.write_to('pb.parted');
-- what would be passed by is refused
CREATE TRIGGER t BEFORE INSERT ON pb.own FOR EACH ROW EXECUTE FUNCTION pb.trigger();
SELECT pb.write_to('pb.own', 2);
ALTER TABLE pb.own DISABLE TRIGGER t;
SELECT pb.write_to('pb.own', 2);
DROP TRIGGER t ON pb.own;
CREATE RULE r AS ON INSERT TO pb.own DO INSTEAD NOTHING;
SELECT pb.write_to('pb.own', 3);
DROP RULE r ON pb.own;
-- so are tables that cannot hold samples
CREATE TABLE pb.heap (labels labels, time timestamptz, value float8) USING heap;
CREATE VIEW pb.view AS SELECT * FROM pb.own;
CREATE TABLE pb.no_value (labels labels, time timestamptz) USING mytsdb;
CREATE TABLE pb.wrong (labels labels, time timestamptz, value numeric) USING mytsdb;
CREATE TABLE pb.made (labels labels, time timestamptz, x int, value float8 GENERATED ALWAYS AS (1) STORED) USING mytsdb;
SELECT t, pb.write_to(t) FROM unnest('{pb.heap,pb.view,pb.no_value,pb.wrong,pb.made}'::regclass[]) t;
SELECT pb.write('', target => 1);

-- ---- privileges ----

CREATE ROLE regress_writer;
GRANT USAGE ON SCHEMA pb TO regress_writer;
CREATE TABLE pb.guarded (labels labels, time timestamptz, value float8, histogram int) USING mytsdb WITH (mytsdb.series_by = 'labels');
ALTER TABLE pb.guarded DROP COLUMN histogram;
SET ROLE regress_writer;
SELECT pb.write(''), pb.write('', target => 'pb.guarded');
RESET ROLE;
GRANT INSERT (labels, time) ON pb.guarded TO regress_writer;
SET ROLE regress_writer;
SELECT pb.write('', target => 'pb.guarded');
RESET ROLE;
GRANT INSERT (value) ON pb.guarded TO regress_writer;
GRANT INSERT ON mytsdb.metrics TO regress_writer;
SET ROLE regress_writer;
SELECT pb.write_to('pb.guarded');
SELECT pb.write(pb.series('{__name__,up}', pb.sample(1, 1))), pb.write(pb.metadata('x', 1, '', '')),
    pb.write(pb.series('{__name__,up}', pb.exemplar('{a,b}', 1, 1)));
RESET ROLE;
GRANT INSERT ON mytsdb.metadata, mytsdb.exemplars TO regress_writer;
-- INSERT is enough to replace metadata, and nobody else's functions run as the owner
CREATE FUNCTION pb.equal(text, text) RETURNS bool LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'run by %', current_user; END $$;
CREATE OPERATOR pb.= (FUNCTION = pb.equal, LEFTARG = text, RIGHTARG = text);
SET ROLE regress_writer;
SET search_path = pb, pg_catalog, public;
SELECT pb.write(pb.metadata('x', 1, '', '')), pb.write(pb.metadata('x', 2, '', '')), pb.write(pb.series('{__name__,up}', pb.exemplar('{a,b}', 1, 1)));
SHOW search_path;
SELECT current_user;
RESET search_path;
RESET ROLE;
SELECT metric, type FROM mytsdb.metadata WHERE metric = 'x';
ALTER TABLE pb.guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE mytsdb.metadata ENABLE ROW LEVEL SECURITY;
SET ROLE regress_writer;
SELECT pb.write('', target => 'pb.guarded'), pb.write(pb.metadata('x', 1, '', ''));
RESET ROLE;
ALTER TABLE mytsdb.metadata DISABLE ROW LEVEL SECURITY;
SELECT pb.write('', target => 'pb.guarded');
REVOKE ALL ON mytsdb.metrics, mytsdb.metadata, mytsdb.exemplars FROM regress_writer;

-- nothing goes to tables beside the target that somebody else has put there
CREATE ROLE regress_lurker;
CREATE SCHEMA pb2;
GRANT ALL ON SCHEMA pb2 TO regress_writer, regress_lurker;
CREATE FUNCTION pb2.who() RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'run by %', current_user; END $$;
SET ROLE regress_lurker;
CREATE TABLE pb2.exemplars (labels labels, time timestamptz, value float8, exemplar labels, received timestamptz,
    lurking text DEFAULT pb2.who()) USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time');
CREATE TABLE pb2.metadata (metric text PRIMARY KEY, type text, unit text, help text, updated timestamptz, lurking text DEFAULT pb2.who());
GRANT ALL ON pb2.exemplars, pb2.metadata TO PUBLIC;
SET ROLE regress_writer;
CREATE TABLE pb2.own (labels labels, time timestamptz, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
SELECT pb.write(pb.series('{__name__,up}', pb.sample(1, 1), pb.exemplar('{a,b}', 1, 1)) || pb.metadata('up', 2, '', ''), target => 'pb2.own');
RESET ROLE;
SELECT count(*) FROM pb2.exemplars;
SELECT count(*) FROM pb2.metadata;
-- but the schema's owner may
ALTER SCHEMA pb2 OWNER TO regress_lurker;
SET ROLE regress_writer;
SELECT pb.write(pb.series('{__name__,up}', pb.exemplar('{a,b}', 1, 1)), target => 'pb2.own'), pb.write(pb.metadata('up', 2, '', ''), target => 'pb2.own');
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA pb2 CASCADE;
DROP ROLE regress_lurker;
RESET client_min_messages;

-- ---- the store's tables ----

\d+ mytsdb.metrics
\d+ mytsdb.exemplars
\d+ mytsdb.metadata
\dp mytsdb.metrics
ALTER TABLE mytsdb.metrics ADD COLUMN x int;
ALTER TABLE mytsdb.metrics DROP COLUMN start_time;
ALTER TABLE mytsdb.metrics ALTER COLUMN value TYPE float4;
ALTER TABLE mytsdb.metrics ALTER COLUMN value SET DEFAULT 1;
ALTER TABLE mytsdb.metrics ADD CHECK (value > 0);
ALTER TABLE mytsdb.metrics SET ACCESS METHOD heap;
ALTER TABLE mytsdb.metrics RENAME COLUMN value TO v;
ALTER TABLE mytsdb.metrics RENAME TO samples;
ALTER TABLE mytsdb.metrics SET SCHEMA pb;
ALTER TABLE mytsdb.metrics SET (mytsdb.series_by = '');
ALTER TABLE mytsdb.metadata ADD COLUMN x int;
DROP TABLE mytsdb.metrics;
-- options are kept where pg_dump finds them
BEGIN;
ALTER TABLE mytsdb.metrics SET (mytsdb.retention = '10 years', autovacuum_enabled = off);
ALTER TABLE mytsdb.metrics SET (mytsdb.duplicates = 'keep');
ALTER TABLE mytsdb.metrics RESET (autovacuum_enabled);
ALTER TABLE mytsdb.metadata SET (fillfactor = 50);
SELECT * FROM mytsdb.dumped_options ORDER BY 1;
-- and set again when they are restored
DELETE FROM mytsdb.dumped_options;
INSERT INTO mytsdb.dumped_options VALUES ('metrics', '{mytsdb.retention=5 years,fillfactor=60}'), ('exemplars', '{}'), ('metadata', '{fillfactor=70}');
SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'mytsdb'::regnamespace AND relname IN ('metrics', 'exemplars', 'metadata') ORDER BY 1;
ALTER TABLE mytsdb.dumped_options DISABLE TRIGGER ALL;
UPDATE mytsdb.dumped_options SET options = '{mytsdb.duplicates=replace,mytsdb.shards=77}' WHERE relation = 'metrics';
SELECT reloptions FROM pg_class WHERE oid = 'mytsdb.metrics'::regclass;
TRUNCATE mytsdb.metrics;
UPDATE mytsdb.dumped_options SET options = '{mytsdb.duplicates=replace,mytsdb.shards=7}' WHERE relation = 'metrics';
SELECT reloptions FROM pg_class WHERE oid = 'mytsdb.metrics'::regclass;
SELECT shards FROM mytsdb.stat_table WHERE rel = 'mytsdb.metrics'::regclass;
SAVEPOINT s;
UPDATE mytsdb.dumped_options SET options = '{mytsdb.series_by=time}' WHERE relation = 'metrics';
ROLLBACK TO s;
UPDATE mytsdb.dumped_options SET options = '{mytsdb.what=1}' WHERE relation = 'metrics';
ROLLBACK TO s;
UPDATE mytsdb.dumped_options SET options = '{mytsdb.shards=1}' WHERE relation = 'metadata';
ROLLBACK TO s;
INSERT INTO mytsdb.dumped_options VALUES ('block', '{}');
ROLLBACK TO s;
GRANT INSERT ON mytsdb.dumped_options TO regress_writer;
GRANT USAGE ON SCHEMA mytsdb TO regress_writer;
DELETE FROM mytsdb.dumped_options;
SET ROLE regress_writer;
INSERT INTO mytsdb.dumped_options VALUES ('metrics', '{}');
ROLLBACK;
SELECT * FROM mytsdb.dumped_options;

CREATE TABLE pb.dumped_options (a int, b int);
CREATE TRIGGER t BEFORE INSERT ON pb.dumped_options FOR EACH ROW EXECUTE FUNCTION mytsdb.restore_options();
INSERT INTO pb.dumped_options VALUES (1, 2);

-- ---- gone ----

SET client_min_messages = warning;
DROP SCHEMA pb CASCADE;
DROP ROLE regress_writer;
TRUNCATE mytsdb.metrics, mytsdb.exemplars, mytsdb.metadata;
