-- Remote read: what was asked for is read, in samples and in chunks; checked by readers
-- of the formats, written here.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SET timezone = 'UTC';
TRUNCATE mytsdb.metrics;

CREATE SCHEMA rr;

-- ---- requests ----

CREATE FUNCTION rr.varint(n numeric) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
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
CREATE FUNCTION rr.num(field int, n numeric) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT rr.varint(field * 8) || rr.varint(n)';
CREATE FUNCTION rr.bytes(field int, b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT rr.varint(field * 8 + 2) || rr.varint(length(b)) || b';
CREATE FUNCTION rr.str(field int, t text) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT rr.bytes(field, convert_to(t, 'UTF8'))$$;
CREATE FUNCTION rr.snappy(b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT rr.varint(length(b)) || CASE WHEN b <> '' THEN
        '\xf4' || substr(int2send((length(b) - 1)::int2), 2) || substr(int2send((length(b) - 1)::int2), 1, 1) || b ELSE '' END$$;
-- a matcher: '=', '!=', '=~' or '!~'
CREATE FUNCTION rr.matcher(name text, op text, value text) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT rr.bytes(3, rr.num(1, array_position(ARRAY['=', '!=', '=~', '!~'], op) - 1) || rr.str(2, name) || rr.str(3, value))$$;
CREATE FUNCTION rr.query(first timestamptz, last timestamptz, VARIADIC matchers bytea[]) RETURNS bytea LANGUAGE sql STABLE AS
    $$SELECT rr.bytes(1, rr.num(1, extract(epoch FROM first) * 1000) || rr.num(2, extract(epoch FROM last) * 1000)
        || coalesce(string_agg(m, '' ORDER BY i), '')) FROM unnest(matchers) WITH ORDINALITY u (m, i)$$;

-- ---- reading messages ----

CREATE FUNCTION rr.unsnap(b bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    at int := 0;
    tag int;
    len int;
    back int;
    out bytea := '';
BEGIN
    WHILE get_byte(b, at) >= 128 LOOP at := at + 1; END LOOP;
    at := at + 1;
    WHILE at < length(b) LOOP
        tag := get_byte(b, at);
        at := at + 1;
        len := (tag >> 2) + 1;
        IF tag & 3 = 0 THEN
            IF len > 60 THEN
                back := len - 60;
                len := 1;
                FOR i IN 0 .. back - 1 LOOP len := len + (get_byte(b, at + i) << (8 * i)); END LOOP;
                at := at + back;
            END IF;
            out := out || substr(b, at + 1, len);
            at := at + len;
            CONTINUE;
        ELSIF tag & 3 = 1 THEN
            len := ((tag >> 2) & 7) + 4;
            back := ((tag >> 5) << 8) + get_byte(b, at);
            at := at + 1;
        ELSE
            back := get_byte(b, at) + (get_byte(b, at + 1) << 8);
            at := at + 2;
        END IF;
        FOR i IN 1 .. len LOOP out := out || substr(out, length(out) - back + 1, 1); END LOOP;
    END LOOP;
    RETURN out;
END $$;

-- the fields of a message: numbers as such, all else as bytes
CREATE FUNCTION rr.fields(b bytea, OUT field int, OUT n numeric, OUT data bytea) RETURNS SETOF record LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    at int := 0;
    tag numeric;
    shift numeric;
    value numeric;
BEGIN
    WHILE at < length(b) LOOP
        tag := NULL;
        LOOP
            value := 0;
            shift := 1;
            LOOP
                value := value + (get_byte(b, at) & 127) * shift;
                shift := shift * 128;
                at := at + 1;
                EXIT WHEN get_byte(b, at - 1) < 128;
            END LOOP;
            EXIT WHEN tag IS NOT NULL;
            tag := value;
            EXIT WHEN tag % 8 = 1;
        END LOOP;
        field := div(tag, 8);
        n := NULL;
        data := NULL;
        IF tag % 8 = 0 THEN
            n := CASE WHEN value >= 9223372036854775808 THEN value - 18446744073709551616 ELSE value END;
        ELSE
            value := CASE WHEN tag % 8 = 1 THEN 8 ELSE value END;
            data := substr(b, at + 1, value::int);
            at := at + value::int;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
-- the only field of this number, or null
CREATE FUNCTION rr.number(b bytea, wanted int) RETURNS numeric LANGUAGE sql IMMUTABLE AS
    'SELECT n FROM rr.fields(b) WHERE field = wanted';
CREATE FUNCTION rr.data(b bytea, wanted int) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT data FROM rr.fields(b) WHERE field = wanted';
-- bits of a double, highest first, as hexadecimal text; and as a number, if it is one
CREATE FUNCTION rr.bits_of(b bytea) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT string_agg(encode(substr(b, i, 1), 'hex'), '' ORDER BY i DESC) FROM generate_series(1, 8) i$$;
CREATE FUNCTION rr.float(bits text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    x bigint := ('x' || bits)::bit(64)::bigint;
    e int := (x >> 52) & 2047;
    m bigint := x & 4503599627370495;
BEGIN
    RETURN CASE WHEN x = 0 THEN '0' WHEN e = 2047 OR e = 0 THEN bits
        ELSE ((1 + m / 4503599627370496.0::float8) * 2.0::float8 ^ (e - 1023) * CASE WHEN x < 0 THEN -1 ELSE 1 END)::text END;
END $$;
CREATE FUNCTION rr.labels(series bytea) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT string_agg(convert_from(rr.data(data, 1), 'UTF8') || '=' || convert_from(rr.data(data, 2), 'UTF8'), ',' ORDER BY i)
      FROM rr.fields(series) WITH ORDINALITY f (field, n, data, i) WHERE field = 1$$;

-- all samples of an answer
CREATE FUNCTION rr.samples(answer bytea, OUT query bigint, OUT labels text, OUT ms numeric, OUT value text)
    RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT q.i - 1, rr.labels(s.data), coalesce(rr.number(v.data, CASE v.field WHEN 2 THEN 2 ELSE 15 END), 0),
        CASE WHEN v.field = 2 THEN rr.float(coalesce(rr.bits_of(rr.data(v.data, 1)), repeat('0', 16)))
        WHEN v.field = 4 THEN (SELECT string_agg(f.field || ':' || coalesce(f.n::text, encode(f.data, 'hex')), ' ' ORDER BY f.i)
            FROM rr.fields(v.data) WITH ORDINALITY f (field, n, data, i)) END
    FROM rr.fields(rr.unsnap(answer)) WITH ORDINALITY q (field, n, data, i)
        LEFT JOIN LATERAL rr.fields(q.data) WITH ORDINALITY s (field, n, data, i) ON true
        LEFT JOIN LATERAL rr.fields(s.data) WITH ORDINALITY v (field, n, data, i) ON v.field <> 1
    ORDER BY q.i, s.i, v.i $$;

-- the messages of frames
CREATE FUNCTION rr.frames(answer bytea) RETURNS SETOF bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    at int := 0;
    len int;
    shift int;
BEGIN
    WHILE at < length(answer) LOOP
        len := 0;
        shift := 0;
        LOOP
            len := len + ((get_byte(answer, at) & 127) << shift);
            shift := shift + 7;
            at := at + 1;
            EXIT WHEN get_byte(answer, at - 1) < 128;
        END LOOP;
        RETURN NEXT substr(answer, at + 5, len);
        at := at + 4 + len;
    END LOOP;
END $$;
-- the floats of a chunk of these
CREATE FUNCTION rr.floats(chunk bytea, OUT ms bigint, OUT value bytea) RETURNS SETOF record LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    bits text := '';
    at int := 17;
    n int := get_byte(chunk, 0) * 256 + get_byte(chunk, 1);
    sizes int[] := '{0, 14, 17, 20, 64}';
    ones int;
    size int := 0;
    zeros int := 0;
    shift int;
    delta bigint := 0;
    number bigint;
    x bit(64);
BEGIN
    FOR i IN 0 .. length(chunk) - 1 LOOP bits := bits || get_byte(chunk, i)::bit(8)::text; END LOOP;
    FOR i IN 0 .. n - 1 LOOP
        number := 0;
        IF i < 2 THEN
            shift := 0;
            LOOP
                number := number + (substr(bits, at + 1, 7)::bit(7)::int::bigint << shift);
                shift := shift + 7;
                at := at + 8;
                EXIT WHEN substr(bits, at - 8, 1) = '0';
            END LOOP;
            IF i = 0 THEN ms := (number >> 1) # -(number & 1); ELSE delta := number; END IF;
        ELSE
            ones := 0;
            WHILE ones < 4 AND substr(bits, at + ones, 1) = '1' LOOP ones := ones + 1; END LOOP;
            at := at + least(ones + 1, 4);
            size := sizes[ones + 1];
            IF size > 0 THEN
                number := lpad(substr(bits, at, size), 64, '0')::bit(64)::bigint;
                IF size < 64 AND number > 1::bigint << (size - 1) THEN number := number - (1::bigint << size); END IF;
            END IF;
            at := at + size;
            delta := delta + number;
        END IF;
        ms := ms + delta;
        IF i = 0 THEN
            x := substr(bits, at, 64)::bit(64);
            at := at + 64;
        ELSIF substr(bits, at, 1) = '0' THEN
            at := at + 1;
        ELSE
            at := at + 2;
            IF substr(bits, at - 1, 1) = '1' THEN
                zeros := substr(bits, at, 5)::bit(5)::int;
                shift := substr(bits, at + 5, 6)::bit(6)::int;
                shift := 64 - zeros - CASE shift WHEN 0 THEN 64 ELSE shift END;
                at := at + 11;
            END IF;
            x := x # (lpad(substr(bits, at, 64 - zeros - shift), 64, '0')::bit(64) << shift);
            at := at + 64 - zeros - shift;
        END IF;
        value := int8send(x::bigint);
        RETURN NEXT;
    END LOOP;
END $$;
-- all chunks of an answer
CREATE FUNCTION rr.chunks(answer bytea, OUT query numeric, OUT labels text, OUT kind numeric, OUT min numeric, OUT max numeric, OUT data bytea)
    RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT coalesce(rr.number(f, 2), 0), rr.labels(rr.data(f, 1)), rr.number(c.data, 3),
        coalesce(rr.number(c.data, 1), 0), coalesce(rr.number(c.data, 2), 0), rr.data(c.data, 4)
    FROM rr.frames(answer) WITH ORDINALITY u (f, i)
        LEFT JOIN LATERAL rr.fields(rr.data(f, 1)) WITH ORDINALITY c (field, n, data, i) ON c.field = 2
    ORDER BY u.i, c.i $$;
-- what a request gives: the answer, or the error
CREATE FUNCTION rr.read(request bytea, source regclass DEFAULT 'mytsdb.metrics') RETURNS bytea LANGUAGE sql STABLE AS
    'SELECT mytsdb.remote_read(rr.snappy(request), source)';
CREATE FUNCTION rr.error(body bytea, source regclass DEFAULT 'mytsdb.metrics') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM mytsdb.remote_read(body, source);
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' | ' || sqlerrm;
END $$;

-- ---- samples ----

INSERT INTO mytsdb.metrics (labels, time, value)
    SELECT format('up{job="%s",instance="%s"}', j, i)::labels, '2026-01-01'::timestamptz + t * interval '15 s', t * 0.25 - j
    FROM generate_series(1, 3) j, generate_series(1, 2) i, generate_series(0, 4) t;
INSERT INTO mytsdb.metrics (labels, time, value) VALUES
    ('{Z="1",__name__="down",a="ä"}', '2026-01-01 00:00:00.001', 'NaN'),
    ('{Z="1",__name__="down",a="ä"}', '2026-01-01 00:00:00.002', 'Infinity'),
    ('{Z="1",__name__="down",a="ä"}', '2026-01-01 00:00:00.003', 0),
    ('{Z="1",__name__="down",a="ä"}', '1969-12-31 23:59:59.999', -1),
    ('{__name__="down"}', '1970-01-01', 1);

SELECT * FROM rr.samples(rr.read(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'up'), rr.matcher('job', '!=', '2'), rr.matcher('instance', '=', '2'))));
-- both ends belong to it
SELECT * FROM rr.samples(rr.read(rr.query('2026-01-01 00:00:15', '2026-01-01 00:00:30', rr.matcher('job', '=~', '1|3.*'), rr.matcher('instance', '!~', '1'))));
SELECT * FROM rr.samples(rr.read(rr.query('2026-01-01 00:00:15.001', '2026-01-01 00:00:29.999', rr.matcher('job', '=', '1'))));
-- labels in their order, times before 1970, numbers that are none
SELECT * FROM rr.samples(rr.read(rr.query('1960-01-01', '2026-01-02', rr.matcher('__name__', '=', 'down'))));
-- all of time, no matchers, as counts
SELECT count(*), count(DISTINCT labels), min(ms), max(ms) FROM rr.samples(rr.read(rr.bytes(1, rr.num(1, -9223372036854775808) || rr.num(2, 9223372036854775807))));
-- several queries, of which one finds nothing; none at all
SELECT query, count(labels), count(ms) FROM rr.samples(rr.read(
    rr.query('2026-01-01', '2026-01-02', rr.matcher('job', '=', '1')) || rr.query('2026-01-01', '2026-01-02', rr.matcher('job', '=', 'x'))
    || rr.query('2026-01-01', '2026-01-01', rr.matcher('job', '=', '2')))) GROUP BY query ORDER BY query;
SELECT rr.read(''), rr.unsnap(rr.read(''));
-- who looks for series alone gets no samples
SELECT * FROM rr.samples(rr.read(rr.bytes(1, rr.num(2, 1893456000000) || rr.matcher('job', '=', '2') || rr.bytes(4, rr.str(2, 'series')))));

-- the marker of a series' end is kept bit for bit
SELECT samples FROM mytsdb.remote_write(rr.bytes(1, rr.bytes(1, rr.str(1, '__name__') || rr.str(2, 'gone'))
    || rr.bytes(2, '\x09020000000000f07f' || rr.num(2, 1767225600000)) || rr.bytes(2, '\x09000000000000f03f' || rr.num(2, 1767225615000))));
SELECT * FROM rr.samples(rr.read(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'gone'))));

-- histograms: their fields by number
INSERT INTO mytsdb.metrics (labels, time, histogram) VALUES
    ('h', '2026-01-01', '{{schema:0 count:5 sum:3.5 z_bucket:1 z_bucket_w:0.001 buckets:[1 3] counts:integer}}'),
    ('h', '2026-01-01 00:00:15', '{{schema:0 count:7 sum:4.5 z_bucket:2 z_bucket_w:0.001 buckets:[1 4] counts:integer}}'),
    ('h', '2026-01-01 00:00:30', '{{schema:0 count:7.5 sum:4.5 z_bucket:2.5 z_bucket_w:0.001 buckets:[1 4] n_buckets:[0]}}'),
    ('h', '2026-01-01 00:00:45', '{{schema:-53 count:3 sum:1 custom_values:[0.5 2] buckets:[1 0 2] counter_reset_hint:gauge counts:integer}}');
INSERT INTO mytsdb.metrics (labels, time, value) VALUES ('h', '2026-01-01 00:01:00', 1);
SELECT ms, value FROM rr.samples(rr.read(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'h'))));

-- ---- chunks ----

-- a new chunk for another kind, another layout
SELECT kind, min, max, data FROM rr.chunks(rr.read(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'h')) || rr.num(2, 1)));
INSERT INTO mytsdb.metrics (labels, time, value)
    SELECT format('many{n="%s"}', n)::labels, '2026-01-01'::timestamptz + t * interval '15 s' + (t % 7 % 3) * interval '1 ms' * n * n * n,
        CASE WHEN t % 50 = 3 THEN sqrt(t) WHEN n = 2 THEN 0.1 * t ELSE t / 3 END
    FROM generate_series(1, 40, 13) n, generate_series(1, 500) t;
CREATE TABLE rr.answer AS SELECT
    rr.read(rr.query('2025-01-01', '2027-01-01', rr.matcher('__name__', '=', 'down')) || rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'many')) || rr.num(2, 1)) AS a;
SELECT query, labels, count(*) AS chunks, sum(get_byte(data, 0) * 256 + get_byte(data, 1)) AS samples, min(min), max(max) FROM rr.answer, rr.chunks(a)
    WHERE kind = 1 GROUP BY query, labels ORDER BY query, labels COLLATE "C";
-- the same as in the table
SELECT query, count(*), count(*) FILTER (WHERE f.ms = extract(epoch FROM m.time) * 1000) AS times,
    count(*) FILTER (WHERE f.value = float8send(m.value)) AS values
    FROM (SELECT query, labels, f.ms, f.value, row_number() OVER (PARTITION BY query, labels ORDER BY f.ms) AS i
            FROM rr.answer, rr.chunks(a) c, rr.floats(c.data) f) f
        JOIN (SELECT *, row_number() OVER (PARTITION BY labels ORDER BY time) AS i FROM mytsdb.metrics WHERE labels->>'__name__' IN ('down', 'many') AND time > '2025-01-01') m
            ON f.i = m.i AND (f.query = 0 AND m.labels->>'__name__' = 'down' OR f.labels = '__name__=many,n=' || (m.labels->>'n'))
    GROUP BY query ORDER BY query;
-- the first type that there is
SELECT encode(substr(rr.read(rr.num(2, 7) || rr.num(2, 1)), 1, 4), 'hex'), encode(rr.read(rr.num(2, 7) || rr.num(2, 0)), 'hex');
SELECT length(rr.read(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'down')) || rr.bytes(2, '\x0100')))
    = length(rr.read(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'down')) || rr.num(2, 1)));
-- series alone: frames of labels
SELECT * FROM rr.chunks(rr.read(rr.bytes(1, rr.num(2, 1893456000000) || rr.matcher('job', '=', '2') || rr.bytes(4, rr.str(2, 'series'))) || rr.num(2, 1)));

-- ---- more than memory has room for ----

INSERT INTO mytsdb.metrics (labels, time, value)
    SELECT format('wide{n="%s"}', n)::labels, '2026-01-01'::timestamptz + t * interval '15 s', n + sqrt(t)
    FROM generate_series(1, 200) n, generate_series(1, 100) t;
CREATE FUNCTION rr.wide(types bytea) RETURNS bytea LANGUAGE sql STABLE AS
    $$SELECT rr.read(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'wide')) || types)$$;
CREATE TABLE rr.wides AS SELECT rr.wide('') AS samples, rr.wide(rr.num(2, 1)) AS chunks;
SET work_mem = '64kB';
SELECT rr.wide('') = samples AS samples, rr.wide(rr.num(2, 1)) = chunks AS chunks, length(chunks) > 65536 AS large FROM rr.wides;
RESET work_mem;
SELECT mytsdb.seal('mytsdb.metrics') IS NOT NULL AS sealed;
SELECT rr.wide('') = samples AS samples, rr.wide(rr.num(2, 1)) = chunks AS chunks FROM rr.wides;
SELECT count(*) AS series, bool_and(previous < labels) AS ascending, sum(get_byte(data, 0) * 256 + get_byte(data, 1)) AS samples
    FROM (SELECT labels COLLATE "C" AS labels, lag(labels COLLATE "C") OVER () AS previous, data FROM rr.wides, rr.chunks(chunks)) c;

-- ---- tables of one's own ----

CREATE TABLE rr.plain (labels labels NOT NULL, time timestamptz NOT NULL, value int) USING mytsdb WITH (mytsdb.series_by = 'labels');
-- of one millisecond the last sample counts; nulls are none
INSERT INTO rr.plain VALUES ('x', '2026-01-01 00:00:00.0001', 1), ('x', '2026-01-01 00:00:00.0009', 2), ('x', '2026-01-01 00:00:00.001', 3),
    ('x', '2026-01-01 00:00:00.002', NULL), ('x', '-infinity', 4), ('x', 'infinity', 5), ('y', '2026-01-01', NULL);
SELECT * FROM rr.samples(rr.read(rr.query('2026-01-01', '2026-01-01', rr.matcher('__name__', '!=', '')), 'rr.plain'));
SELECT * FROM rr.samples(rr.read(rr.bytes(1, rr.num(1, -9223372036854775808) || rr.num(2, 9223372036854775807)), 'rr.plain'));

CREATE TABLE rr.histograms (labels labels NOT NULL, time timestamptz NOT NULL, histogram histogram) USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO rr.histograms SELECT 'x', '2026-01-01'::timestamptz + n / 7 * interval '1 ms' + n % 7 * interval '1 us',
    format('{{schema:0 count:%s sum:%s buckets:[%s] counts:integer}}', n, n, n)::histogram FROM generate_series(0, 48) n;
SELECT ms, substring(value FROM '1:(\d+)') AS count FROM rr.samples(rr.read(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'x')), 'rr.histograms'));
SELECT kind, max - min AS length, get_byte(data, 1) AS samples FROM rr.chunks(rr.read(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'x')) || rr.num(2, 1), 'rr.histograms'));

-- ---- errors ----

SELECT rr.error('\x'), rr.error('\x01'), rr.error('\xffffffff0f'), rr.error('\x8080800c00');
SELECT rr.error(rr.snappy('\x0a05')), rr.error(rr.snappy('\x0801')), rr.error(rr.snappy(rr.bytes(1, rr.matcher('a', '=~', '(')))),
    rr.error(rr.snappy(rr.bytes(1, rr.bytes(3, rr.num(1, 9))))), rr.error(rr.snappy(rr.num(2, 5)));
SELECT rr.error(rr.snappy(rr.bytes(1, rr.bytes(3, rr.str(2, '') || rr.str(3, 'x')))));
SELECT rr.error(rr.snappy(''), 'pg_class');
SELECT mytsdb.remote_read(NULL);
SET mytsdb.remote_read_sample_limit = 1999;
SELECT rr.error(rr.snappy(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'many'))));
SELECT rr.error(rr.snappy(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'many')) || rr.num(2, 1)));
SET mytsdb.remote_read_sample_limit = 2000;
SELECT rr.error(rr.snappy(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'many'))));
RESET mytsdb.remote_read_sample_limit;

-- ---- rights ----

CREATE ROLE regress_mytsdb_reader;
GRANT USAGE ON SCHEMA rr, mytsdb TO regress_mytsdb_reader;
SET ROLE regress_mytsdb_reader;
SELECT rr.error(rr.snappy(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'up'))), 'rr.plain');
RESET ROLE;
GRANT SELECT ON rr.plain TO regress_mytsdb_reader;
SET ROLE regress_mytsdb_reader;
SELECT rr.error(rr.snappy(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'up'))), 'rr.plain');
SET mytsdb.remote_read_sample_limit = 1;
RESET ROLE;
ALTER TABLE rr.plain ENABLE ROW LEVEL SECURITY;
SET ROLE regress_mytsdb_reader;
SELECT rr.error(rr.snappy(rr.query('2026-01-01', '2026-01-02', rr.matcher('__name__', '=', 'up'))), 'rr.plain');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA rr CASCADE;
REVOKE USAGE ON SCHEMA mytsdb FROM regress_mytsdb_reader;
DROP ROLE regress_mytsdb_reader;
TRUNCATE mytsdb.metrics;
