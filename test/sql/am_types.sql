-- Columns of every kind of type in tables USING mytsdb: whatever goes in comes back, bit
-- for bit as from a heap table, wherever the rows are just then.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA am_types;
SET search_path = am_types, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text, c numeric);
CREATE DOMAIN price AS numeric CHECK (value > -1000000);
CREATE DOMAIN label AS text;

-- One table of each kind. id is what rows are compared by.
CREATE TABLE kept (
    s int,
    t timestamptz,
    id int,
    c_bool bool, c_char "char", c_int2 int2, c_int4 int4, c_int8 int8, c_oid oid, c_xid xid,
    c_float4 float4, c_float8 float8, c_steps float8, c_numeric numeric, c_price price,
    c_text text, c_label label, c_bpchar char(10), c_varchar varchar(300), c_name name,
    c_bytea bytea, c_uuid uuid, c_money money, c_mood mood,
    c_date date, c_time time, c_timetz timetz, c_stamp timestamp, c_stamptz timestamptz,
    c_interval interval,
    c_inet inet, c_cidr cidr, c_mac macaddr, c_mac8 macaddr8,
    c_ints int[], c_texts text[], c_moods mood[], c_pairs pair[],
    c_json json, c_jsonb jsonb, c_path jsonpath,
    c_range int8range, c_ranges datemultirange, c_pair pair,
    c_bit bit(13), c_varbit varbit, c_vector tsvector, c_query tsquery,
    c_point point, c_box box, c_circle circle, c_polygon polygon, c_tid tid,
    c_int2s int2vector, c_oids oidvector, c_lsn pg_lsn, c_snapshot pg_snapshot,
    c_class regclass, c_labels labels,
    c_same text, c_never text);

INSERT INTO kept
SELECT i % 7,
       -- mostly in time order, with stragglers, duplicates, and far times
       CASE WHEN i % 97 = 0 THEN timestamptz 'infinity'
            WHEN i % 89 = 0 THEN timestamptz '-infinity'
            WHEN i % 53 = 0 THEN timestamptz '1901-02-03 04:05:06.789012'
            WHEN i % 10 = 0 THEN timestamptz '2024-01-01' + (i - 70) * interval '1 second'
            ELSE timestamptz '2024-01-01' + i * interval '1 second' END,
       i,
       i % 3 = 0, (ARRAY['', 'a', 'Z', '~'])[1 + i % 4]::"char",
       (i * 31 % 65536 - 32768)::int2, (i * 1000003::int8 % 4294967296 - 2147483648)::int4,
       CASE i % 5 WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808
                  ELSE i * 1000000007::int8 END,
       (4294967295 - i)::oid, ((4294967295 - i)::text)::xid,
       (ARRAY['0', '-0', 'NaN', '-nan', 'nan(0x1234)', 'Infinity', '-Infinity', '1e-45',
              '3.4028235e38', '0.1', (i / 10.0)::text])[1 + i % 11]::float4,
       (ARRAY['0', '-0', 'NaN', '-nan', 'nan(0x7ff0000000002)', 'Infinity', '-Infinity',
              '5e-324', '1.7976931348623157e308', '0.1', (i / 7.0)::text])[1 + i % 11]::float8,
       i / 10.0, (ARRAY[1.0, 1.00, 'NaN', 'Infinity', -0.000, i / 7.0, 10::numeric ^ 200])[1 + i % 7],
       i::price,
       -- short and long headers, and what a heap compresses or moves out
       repeat(chr(97 + i % 26), CASE WHEN i % 100 = 0 THEN 30000 ELSE i % 200 END),
       'label ' || i % 4, 'b' || i, repeat('é', i % 150), 'name' || i,
       decode(repeat(md5(i::text), i % 6), 'hex'), md5(i::text)::uuid, i::money,
       (enum_range(NULL::mood))[1 + i % 3],
       CASE i % 9 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' ELSE date '2000-01-01' + i END,
       time '00:00' + i * interval '1.000001 second',
       (time '00:00' + i * interval '1 second') AT TIME ZONE interval '01:30',
       timestamp '4713-01-01 BC' + i * interval '1 year', timestamptz '2000-01-01' - i * interval '1 day',
       make_interval(months => i, days => -i, secs => i / 3.0),
       ('10.1.' || i % 256 || '.1/' || i % 33)::inet, ('2001:db8:' || to_hex(i) || '::/48')::cidr,
       ('08:00:2b:01:02:' || to_hex(16 + i % 200))::macaddr,
       ('08:00:2b:01:02:03:04:' || to_hex(16 + i % 200))::macaddr8,
       ARRAY[i, NULL, -i], ARRAY['a', repeat('b', i % 140), NULL], ARRAY['sad', 'ok']::mood[],
       ARRAY[(i, 'x', 1.50), NULL]::pair[],
       json_build_object('a', i), jsonb_build_object('a', i, 'b', repeat('c', i % 130)),
       '$.a[*] ? (@ > 1)'::jsonpath,
       CASE i % 4 WHEN 0 THEN 'empty' WHEN 1 THEN '(,)' ELSE int8range(i, i + 5) END,
       datemultirange(daterange(date '2000-01-01', date '2000-01-01' + i)),
       ROW(i, repeat('p', i % 140), 1.0)::pair,
       i::bit(13), substring(B'101100111000' FOR i % 13), ('w' || i || ':1A x:2')::tsvector,
       ('w' || i || ' & !x')::tsquery,
       point(i, -i), box(point(i, i), point(0, 0)), circle(point(1, 2), i),
       polygon(box(point(i, i), point(0, 0))), ('(' || i || ',1)')::tid,
       (i || ' 2 -3')::int2vector, ('4294967295 ' || i)::oidvector, ('0/' || to_hex(i))::pg_lsn,
       ('10:' || 20 + i || ':10,14')::pg_snapshot,
       'pg_class'::regclass, ('up{job="j' || i % 5 || '"}')::labels,
       'the same'::text, NULL::text
  FROM generate_series(1, 2000) i;

-- Nulls: one of five in every column, and all of some in a series
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT attname, attnum FROM pg_attribute
              WHERE attrelid = 'kept'::regclass AND attnum > 3 LOOP
        EXECUTE format('UPDATE kept SET %I = NULL WHERE (id * 7 + %s) %% 5 = 0 OR s = %s',
                       c.attname, c.attnum, c.attnum % 13);
    END LOOP;
END
$$;

CREATE TABLE stored (LIKE kept) USING mytsdb
    WITH (mytsdb.series_by = 's', mytsdb.time_column = 't');

-- What differs, seen as text and as bytes: nothing
CREATE FUNCTION differences(OUT rows bigint, OUT lost bigint, OUT added bigint, OUT images bigint)
LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM stored),
           (SELECT count(*) FROM (SELECT kept::text FROM kept
                                  EXCEPT ALL SELECT stored::text FROM stored) x),
           (SELECT count(*) FROM (SELECT stored::text FROM stored
                                  EXCEPT ALL SELECT kept::text FROM kept) x),
           (SELECT count(*) FROM kept JOIN stored USING (id)
             WHERE NOT (kept::record *= stored::record))
$$;

-- Rows that no log has yet
BEGIN;
INSERT INTO stored SELECT * FROM kept WHERE id <= 50;
DELETE FROM kept WHERE id > 50;
SELECT * FROM differences();
ROLLBACK;

-- Rows of a log, from small transactions
DO $$
BEGIN
    FOR i IN 0 .. 19 LOOP
        INSERT INTO stored SELECT * FROM kept WHERE id % 20 = i;
        COMMIT;
    END LOOP;
END
$$;
SELECT * FROM differences();
SELECT mytsdb.seal('stored') IS NOT NULL AS sealed;
SELECT * FROM differences();
SELECT mytsdb.merge('stored') IS NOT NULL AS merged;
SELECT * FROM differences();

-- The same in one statement, which may write blocks at once
TRUNCATE stored;
INSERT INTO stored SELECT * FROM kept ORDER BY md5(id::text);
SELECT * FROM differences();

-- A few columns alone
SELECT count(c_numeric), sum(c_int4), min(c_uuid::text), count(c_never), count(DISTINCT c_same)
  FROM stored
UNION ALL
SELECT count(c_numeric), sum(c_int4), min(c_uuid::text), count(c_never), count(DISTINCT c_same)
  FROM kept;
SELECT (SELECT md5(string_agg(float8send(c_float8)::text || id, ',' ORDER BY id)) FROM stored) =
       (SELECT md5(string_agg(float8send(c_float8)::text || id, ',' ORDER BY id)) FROM kept) AS float8_bits,
       (SELECT md5(string_agg(float4send(c_float4)::text || id, ',' ORDER BY id)) FROM stored) =
       (SELECT md5(string_agg(float4send(c_float4)::text || id, ',' ORDER BY id)) FROM kept) AS float4_bits;

-- Values as plpgsql holds them, in forms of memory that no table has
DO $$
DECLARE
    a int[] := '{}';
    p pair;
BEGIN
    FOR i IN 1 .. 300 LOOP
        a[i] := i;
    END LOOP;
    p := (1, repeat('q', 5000), 2.50);
    INSERT INTO stored (s, t, id, c_ints, c_pair) VALUES (1, '2024-02-01', -1, a, p);
    INSERT INTO kept (s, t, id, c_ints, c_pair) VALUES (1, '2024-02-01', -1, a, p);
END
$$;
SELECT * FROM differences();

-- Large values: compressible, random, and of a row that fits no log record
INSERT INTO kept (s, t, id, c_text) VALUES (2, '2024-02-02', -2, repeat('0123456789', 100000));
INSERT INTO kept (s, t, id, c_text)
SELECT 2, '2024-02-03', -3, string_agg(md5(i::text), '') FROM generate_series(1, 32768) i;
INSERT INTO kept (s, t, id, c_bytea, c_texts)
SELECT 3, '2024-02-04', -4, decode(string_agg(md5(i::text), ''), 'hex'), array_agg(md5(i::text))
  FROM generate_series(1, 10000) i;
INSERT INTO stored SELECT * FROM kept WHERE id <= -2;
SELECT * FROM differences();
SELECT mytsdb.seal('stored') IS NOT NULL AS sealed;
SELECT * FROM differences();
SELECT id, length(c_text), length(c_bytea), cardinality(c_texts) FROM stored WHERE id <= -2 ORDER BY id;

-- Series of every kind of key: images tell them apart, and the last row of a series and
-- time is the one that stays.
CREATE TABLE keyed (t date, a numeric, b text, c float8, d int[], v int) USING mytsdb
    WITH (mytsdb.series_by = 'a, b, c, d', mytsdb.time_column = 't',
          mytsdb.duplicates = 'replace');
INSERT INTO keyed VALUES
    ('2024-01-01', 1.0, '', 0, '{}', 0),
    ('2024-01-01', 1.0, '', 0, '{}', 1),
    ('2024-01-01', 1.00, '', 0, '{}', 2),
    ('2024-01-01', 1.0, NULL, 0, '{}', 3),
    ('2024-01-01', 1.0, '', '-0', '{}', 4),
    ('2024-01-01', 1.0, '', 'NaN', NULL, 5),
    ('2024-01-01', NULL, repeat('k', 2000), NULL, '{1,NULL}', 6),
    ('infinity', 1.0, '', 0, '{}', 7);
SELECT t, a, left(b, 3) AS b, length(b), c, d, v FROM keyed ORDER BY v;
SELECT mytsdb.seal('keyed') >= 0 AS sealed;
SELECT t, a, left(b, 3) AS b, length(b), c, d, v FROM keyed ORDER BY v;

SET client_min_messages = warning;
DROP SCHEMA am_types CASCADE;
