-- The type histogram: text and binary forms, casts, functions, operators, errors; columns of tables.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA histogram_test;
SET search_path = histogram_test, public;
\pset null (null)

-- Text
SELECT t AS written, t::histogram AS shown
  FROM unnest(ARRAY[
    '{{}}',
    '{{schema:0 count:5 sum:3.1 buckets:[1 4]}}',
    ' {{ buckets:[1 2 1] sum:+5.00 count:0x4 }} ',
    '{{schema:-4 count:3 sum:-Inf z_bucket:1.5 z_bucket_w:0.001 offset:-7 buckets:[1 0 _ 2 _x1000000 3e-300] n_offset:1 n_buckets:[0.1 NaN] counter_reset_hint:gauge}}',
    '{{schema:-53 count:4 sum:5 custom_values:[5 10] buckets:[1 2 1]}}',
    '{{sum:stale counts:integer counter_reset_hint:Not_Reset}}',
    '{{sum:-0 count:1e23 z_bucket:0.30000000000000004}}'
  ]) t;

-- Casts to and from jsonb
CREATE TABLE h (id int PRIMARY KEY, h histogram);
INSERT INTO h VALUES
    (1, '{{}}'),
    (2, '{{schema:0 count:24 sum:100 z_bucket:4 z_bucket_w:0.001 buckets:[2 3 _ 1 4] n_offset:-1 n_buckets:[2 3 0 1 4]}}'),
    (3, '{{schema:-53 count:4 sum:5 custom_values:[5 10] buckets:[1 2 1] counter_reset_hint:reset counts:integer}}'),
    (4, '{{schema:3 count:NaN sum:stale z_bucket:-0 offset:-1000000000 buckets:[1e-300 _x1999999999 +Inf -Inf]}}'),
    (5, '{{schema:8 count:1.7976931348623157e308 sum:5e-324 buckets:[0.1] counter_reset_hint:not_reset}}'),
    (6, NULL);
SELECT id, h::jsonb FROM h WHERE id <> 5 ORDER BY id;
SELECT count(*) FROM h WHERE h::jsonb::histogram IS DISTINCT FROM h;
SELECT count(*) FROM h WHERE h::text::histogram IS DISTINCT FROM h;
SELECT count(*) FROM h WHERE h::jsonb::text::jsonb::histogram IS DISTINCT FROM h;
SELECT '{"count": 3, "positive": [{"index": 2, "counts": [1, "2"]}, {"index": 4, "counts": []}, {"index": 4, "counts": [0]}]}'::jsonb::histogram;
CREATE TABLE j (j jsonb);
INSERT INTO j SELECT h FROM h WHERE id = 2 RETURNING j ->> 'count' AS count, j #> '{positive,1,counts}' AS counts;

-- Equality is of all there is
SELECT a = b AS eq, a <> b AS ne, histogram_hash(a) = histogram_hash(b) AS hash,
       histogram_hash_extended(a, 0) & 4294967295 = histogram_hash(a)::bigint & 4294967295 AS extended
  FROM (VALUES ('{{sum:1 buckets:[1 _ 2]}}'::histogram, '{{buckets:[1 _x1 2] sum:1e0}}'::histogram),
               ('{{sum:NaN}}', '{{sum:nan}}'), ('{{sum:NaN}}', '{{sum:stale}}'), ('{{buckets:[1 0 2]}}', '{{buckets:[1 _ 2]}}'),
               ('{{}}', '{{counter_reset_hint:gauge}}'), ('{{}}', '{{counts:integer}}')) v(a, b);
SELECT h, count(*) FROM (SELECT h FROM h UNION ALL SELECT h FROM h) x WHERE h IS NOT NULL GROUP BY h HAVING count(*) <> 2;

-- What a histogram tells
SELECT id, histogram_count(h), histogram_sum(h), histogram_avg(h) FROM h WHERE id IN (2, 3, 6) ORDER BY id;
SELECT q, histogram_quantile(q, h) FROM h, unnest(ARRAY[-1, 0, 0.01, 0.5, 0.7, 0.99, 1, 2, 'NaN']::float8[]) q WHERE id = 2;
SELECT l, u, histogram_fraction(l, u, h) FROM h,
       (VALUES (0::float8, '+Inf'::float8), ('-Inf', '+Inf'), (-2, -1.5), (42, 3), ('NaN', 1)) v(l, u) WHERE id = 2;
SELECT histogram_stddev(x), histogram_stdvar(x), histogram_stdvar('{{}}')
  FROM (VALUES ('{{schema:2 count:4 sum:10 buckets:[1 0 0 0 1 0 0 1 1]}}'::histogram)) v(x);
SELECT id, b.* FROM h, histogram_buckets(h) b WHERE id IN (1, 2, 3, 6) ORDER BY id, lower;

-- Operators
SELECT a + b AS sum, a - b AS difference, -b AS minus, a * 2 AS twice, 0.5 * a AS half, a / 4 AS quarter, a / 0 AS infinite
  FROM (VALUES ('{{count:4 sum:5 z_bucket:1 buckets:[1 2 _ 1]}}'::histogram, '{{schema:1 count:2 sum:1 buckets:[1 1] counter_reset_hint:reset}}'::histogram)) v(a, b);
SELECT '{{schema:-53 custom_values:[1 2 3] buckets:[1 2 3 4]}}'::histogram + '{{schema:-53 custom_values:[2 4] buckets:[10 20 30]}}';
SELECT x </ 2 AS up_to, x >/ 2 AS "from", x </ 'Infinity' AS all
  FROM (VALUES ('{{schema:-53 sum:33 count:101 custom_values:[5] buckets:[1 100]}}'::histogram)) v(x);
SELECT NULL::histogram + '{{}}', '{{}}'::histogram * NULL, histogram_quantile(NULL, '{{}}'), histogram_buckets(NULL);

-- Aggregates
SELECT sum(h), avg(h) FROM (VALUES ('{{count:1 sum:1 buckets:[1]}}'::histogram), ('{{count:2 sum:1e100 z_bucket:2}}'), (NULL), ('{{schema:1 count:3 sum:-1e100 buckets:[_ 1 2]}}')) v(h);
SELECT sum(h), avg(h) FROM (VALUES ('{{count:1e308 sum:1}}'::histogram), ('{{count:1.5e308 sum:2}}')) v(h);
SELECT sum(h), avg(h) FROM (VALUES (NULL::histogram)) v(h);
SELECT i % 3 AS g, sum(h), count(*) FROM h, generate_series(1, 12) i WHERE id = 2 GROUP BY 1 ORDER BY 1;
SELECT i, sum(h) OVER (ORDER BY i ROWS 1 PRECEDING) FROM (SELECT i, format('{{count:%s}}', i)::histogram FROM generate_series(1, 3) i) x(i, h);

-- Binary form
SELECT histogram_send('{{schema:0 count:5 sum:3.1 offset:-2 buckets:[1 _ 4]}}'), histogram_send('{{}}');

-- Errors
CREATE FUNCTION fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', SQLSTATE || ' ' || message, nullif(detail, ''), nullif(hint, ''));
END
$$;
\pset format unaligned
\pset tuples_only on
SELECT fails(format('SELECT %L::histogram', t))
  FROM unnest(ARRAY[
    '',
    '{{',
    '{{sum:1 sum:2}}',
    E'{{sum:1\n  who:2}}',
    '{{buckets:[1 2 x]}}',
    '{{schema:9}}',
    '{{schema:-53 custom_values:[2 1]}}',
    '{{counts:integer count:1.5}}',
    '{{offset:1000000000 buckets:[1 _x999999999 1]}}'
  ]) t;
SELECT fails(format('SELECT %L::jsonb::histogram', t))
  FROM unnest(ARRAY[
    '1',
    '[]',
    '{"kount": 1}',
    '{"count": "1 2"}',
    '{"count": true}',
    '{"schema": 0.5}',
    '{"schema": 1e20}',
    '{"schema": 10}',
    '{"positive": {}}',
    '{"positive": [1]}',
    '{"positive": [{"index": 1}]}',
    '{"positive": [{"index": 1, "counts": [1], "more": 1}]}',
    '{"positive": [{"index": 1, "counts": 1}]}',
    '{"positive": [{"index": 1, "counts": [[1]]}]}',
    '{"positive": [{"index": 1, "counts": [1, 2]}, {"index": 2, "counts": [1]}]}',
    '{"negative": [{"index": -1, "counts": [1]}, {"index": -1, "counts": [1]}]}',
    '{"integer": 1}',
    '{"counter_reset_hint": "no"}',
    '{"zero_threshold": "NaN"}'
  ]) t;
SELECT fails('SELECT ''{{}}''::histogram + ''{{schema:-53}}''');
SELECT fails('SELECT ''{{schema:-53}}''::histogram - ''{{}}''');
SELECT fails('SELECT sum(h) FROM (VALUES (''{{schema:-53}}''::histogram), (''{{}}'')) v(h)');
\pset format aligned
\pset tuples_only off

-- Binary input is checked
SELECT current_setting('data_directory') || '/histogram.copy' AS file \gset
COPY h TO :'file' (FORMAT binary);
CREATE TABLE again (LIKE h);
COPY again FROM :'file' (FORMAT binary);
SELECT count(*) FROM h FULL JOIN again USING (id) WHERE h.h IS DISTINCT FROM again.h;
COPY (SELECT 1, histogram_send('{{}}') || '\x00') TO :'file' (FORMAT binary);
COPY again FROM :'file' (FORMAT binary);
COPY (SELECT 1, '\x0102'::bytea) TO :'file' (FORMAT binary);
COPY again FROM :'file' (FORMAT binary);

-- Hash partitions and indexes
CREATE TABLE parts (h histogram) PARTITION BY HASH (h);
CREATE TABLE part0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT format('{{count:%s}}', i)::histogram FROM generate_series(1, 20) i;
SELECT tableoid::regclass, count(*) FROM parts GROUP BY 1 ORDER BY 1;
CREATE INDEX ON h USING hash (h);

-- Columns of tables of ours: what goes in comes out, from logs, from blocks, from merged ones
CREATE TABLE plain (id text, time timestamptz, h histogram, other histogram) USING heap;
CREATE TABLE ours (LIKE plain) USING mytsdb WITH (mytsdb.series_by = 'id', mytsdb.shards = 1);
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM plain p FULL JOIN ours o USING (id, time)
     WHERE num_nonnulls(p.tableoid, o.tableoid) <> 2 OR histogram_send(p.h) IS DISTINCT FROM histogram_send(o.h) OR histogram_send(p.other) IS DISTINCT FROM histogram_send(o.other)
$$;
-- Counters that grow, with a layout that does so too; nulls; stale markers
CREATE FUNCTION grown(series int, i int) RETURNS histogram LANGUAGE sql AS $$
    SELECT CASE WHEN i % 97 = 13 THEN '{{sum:stale counts:integer}}'
                WHEN i % 41 <> 7 THEN format('{{schema:3 count:%s sum:%s z_bucket:%s z_bucket_w:1e-128 offset:%s buckets:[%s] counts:integer counter_reset_hint:%s}}',
                     i + sum(b), i * 1.37, i, series - 10, string_agg(b::text, ' ' ORDER BY k), CASE WHEN i = 1 THEN 'unknown' ELSE 'not_reset' END)
            END::histogram
      FROM generate_series(1, CASE WHEN i < 700 THEN 40 ELSE 41 END) k, LATERAL (SELECT (i * k * (43 - k)) / 20 + hashint4(k) % 3 + 3 AS b) x
$$;
-- All sorts of others
CREATE FUNCTION other(series int, i int) RETURNS histogram LANGUAGE sql AS $$
    SELECT CASE series
        WHEN 1 THEN format('{{schema:-53 count:%s sum:%s custom_values:[0.1 0.5 1 5] buckets:[%s 2.5 _ %s]}}', i, i / 3.0, i % 7, i % 5)
        WHEN 2 THEN format('{{schema:%s count:%s offset:%s buckets:[%s] n_buckets:[0.1 -3] counter_reset_hint:gauge}}', i % 9, i, i * 31 % 1000, hashint4(i))
        ELSE CASE WHEN i % 3 = 0 THEN '{{schema:0 count:NaN sum:-0 buckets:[+Inf 1e-300 0.1]}}' END END::histogram
$$;
INSERT INTO plain SELECT 's' || s, timestamptz '2024-01-01' + i * interval '15 s', grown(s, i), other(s, i)
  FROM generate_series(1, 3) s, generate_series(1, 1000) i;
INSERT INTO ours SELECT * FROM plain WHERE time < '2024-01-01 01:00';
SELECT count(*) FROM ours;
INSERT INTO ours SELECT * FROM plain WHERE time >= '2024-01-01 01:00' AND time < '2024-01-01 02:00' ORDER BY time;
SELECT differences() - (SELECT count(*) FROM plain WHERE time >= '2024-01-01 02:00') AS in_the_log;
SELECT mytsdb.seal('ours') >= 0 AS sealed;
DO $$
BEGIN
    FOR i IN 480..999 LOOP
        INSERT INTO ours SELECT * FROM plain WHERE time = timestamptz '2024-01-01' + i * interval '15 s';
        IF i % 20 = 0 THEN
            PERFORM mytsdb.seal('ours');
        END IF;
    END LOOP;
END
$$;
INSERT INTO ours SELECT * FROM plain WHERE time = timestamptz '2024-01-01' + 1000 * interval '15 s';
SELECT differences();
SELECT mytsdb.seal('ours') >= 0 AS sealed;
SELECT differences();
SELECT mytsdb.merge('ours') >= 0 AS merged, (SELECT count(*) < 10 FROM mytsdb.stat_block WHERE rel = 'ours'::regclass) AS few;
SELECT differences();
VACUUM FULL ours;
SELECT differences();
SELECT count(*) FROM ours WHERE id = 's2' AND histogram_count(h) > 5000 AND time > '2024-01-01 03:00';
SELECT pg_relation_size('ours') * 2 < sum(length(histogram_send(h)) + length(histogram_send(other))) AS compressed FROM ours;
BEGIN;
INSERT INTO ours SELECT 's4', time, h, other FROM plain WHERE id = 's1';
SELECT count(*), count(h), count(other) FROM ours WHERE id = 's4';
ROLLBACK;
SELECT differences();
-- A series whose key is a histogram, and a domain
CREATE DOMAIN observed AS histogram CHECK (histogram_count(VALUE) >= 0);
CREATE TABLE keyed (k histogram, time timestamptz, h observed) USING mytsdb WITH (mytsdb.series_by = 'k');
INSERT INTO keyed SELECT format('{{count:%s}}', i % 3)::histogram, timestamptz '2024-01-01' + i * interval '1 s', grown(1, 100 + i) FROM generate_series(1, 300) i WHERE i % 10 <> 0;
SELECT mytsdb.seal('keyed') >= 0 AS sealed;
SELECT k, count(*), bool_and(h IS NOT DISTINCT FROM grown(1, 100 + extract(epoch FROM time - '2024-01-01')::int)) FROM keyed GROUP BY k ORDER BY k::text;
INSERT INTO keyed VALUES ('{{}}', '2024-01-01', '{{count:-1}}');

SET client_min_messages = warning;
DROP SCHEMA histogram_test CASCADE;
