-- How PromQL is executed: what selectors see, what is shared, limits, parallel workers.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA pe;
SET search_path = pe, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
    'SELECT timestamptz ''epoch'' + seconds * interval ''1 second''';
-- a query's values by time, one line a series
CREATE FUNCTION run(query text, first float8, last float8, step interval, source regclass)
    RETURNS SETOF text LANGUAGE sql AS $$
    SELECT labels::text || ': ' || string_agg(extract(epoch FROM time)::int || '=' || coalesce(value::text, histogram::text), ' ' ORDER BY time)
      FROM promql(query, at(first), at(last), step, source) GROUP BY labels ORDER BY labels $$;

-- Selectors
CREATE TABLE s (labels labels NOT NULL, time timestamptz NOT NULL, value float8, histogram histogram)
    USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO s (labels, time, value) VALUES
    ('gap', at(0), 1), ('gap', at(15), 2), ('gap', at(600), 3),
    ('nulls', at(0), 1), ('nulls', at(15), NULL), ('nulls', at(30), 'NaN'), ('nulls', at(45), '-Infinity'),
    ('twice', at(0), 1), ('twice', at(0), 2), ('twice', at(30), 3);
INSERT INTO s (labels, time, histogram) VALUES ('mixed', at(30), '{{schema:0 count:1 sum:1 buckets:[1]}}');
INSERT INTO s (labels, time, value) VALUES ('mixed', at(0), 1), ('mixed', at(60), 2);
SET mytsdb.promql_lookback = '1 min';
SELECT run('gap', 0, 660, '15 s', 's');
SELECT run('nulls', 0, 60, '15 s', 's');
SELECT run('twice', 0, 30, '10 s', 's');
SELECT run('mixed', 0, 90, '15 s', 's');
SELECT run('gap offset 20s', 0, 60, '10 s', 's');
SELECT run('gap offset -600s', 0, 15, '5 s', 's');
SELECT run('gap @ 10', 0, 30, '15 s', 's');
SELECT run('gap @ start() + gap @ end()', 10, 20, '4 s', 's');
SELECT run('timestamp(gap)', 0, 30, '10 s', 's');
SELECT run('gap smoothed', 0, 30, '5 s', 's');
SELECT run('mixed smoothed', 10, 20, '5 s', 's');
SELECT run('last_over_time({__name__=~"gap|twice|mixed"}[40s])', 0, 640, '80 s', 's');
SELECT run('sum_over_time(gap[1ms])', 0, 30, '15 s', 's');
SELECT run('last_over_time(gap[30s:5s])', 0, 30, '15 s', 's');
SELECT run('count_over_time(gap[20s:7s] offset 3s)', 0, 60, '15 s', 's');
SELECT run('count_over_time(gap[1m:10s] @ 20)', 0, 30, '15 s', 's');
SELECT run('max_over_time(sum_over_time(gap[20s])[30s:10s])', 0, 30, '15 s', 's');
SELECT labels, time, value FROM promql('gap[15s] anchored', at(20), 's');
SELECT labels, time, value FROM promql('gap[15s] smoothed', at(605), 's');
RESET mytsdb.promql_lookback;

-- Own rows, and those of a snapshot
BEGIN;
INSERT INTO s (labels, time, value) VALUES ('own', at(5), 1);
SELECT run('own', 0, 10, '5 s', 's');
SAVEPOINT a;
INSERT INTO s (labels, time, value) VALUES ('own', at(10), 2);
SELECT run('own', 0, 10, '5 s', 's');
ROLLBACK TO a;
SELECT run('own', 0, 10, '5 s', 's');
ROLLBACK;
SELECT run('own', 0, 10, '5 s', 's');

-- Names
CREATE TABLE n (labels labels NOT NULL, time timestamptz NOT NULL, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO n VALUES ('a{x="1"}', at(0), 1), ('b{x="1"}', at(60), 2), ('c{x="1"}', at(60), 3);
SET mytsdb.promql_lookback = '30 s';
SELECT run('-{__name__=~"a|b"}', 0, 60, '30 s', 'n');
SELECT run('-{__name__=~"b|c"}', 0, 60, '30 s', 'n');
SELECT run('label_replace(-{__name__=~"b|c"}, "m", "$1", "__name__", "(.*)")', 60, 60, '30 s', 'n');
SET mytsdb.promql_delayed_name_removal = off;
SELECT run('-{__name__=~"a|b"}', 0, 60, '30 s', 'n');
SELECT run('-{__name__=~"b|c"}', 0, 60, '30 s', 'n');
SELECT run('abs({__name__=~"b|c"})', 60, 60, '30 s', 'n');
SELECT run('sum by (x) (sum_over_time(a[1m]))', 0, 30, '30 s', 'n');
RESET mytsdb.promql_delayed_name_removal;
RESET mytsdb.promql_lookback;

-- Equal subtrees are evaluated once
CREATE TABLE m (labels labels NOT NULL, time timestamptz NOT NULL, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO m SELECT format('m_total{i="%s",job="%s"}', i, i % 3)::labels, at(t * 15), t * i + sin(t)
  FROM generate_series(1, 200) i, generate_series(0, 200) t;
INSERT INTO m SELECT format('g{i="%s",job="g"}', i)::labels, at(t * 15), t FROM generate_series(1, 40) i, generate_series(0, 2) t;
EXPLAIN (COSTS OFF) SELECT * FROM promql('sum(rate(m_total[5m])) / count(rate(m_total[5m]))', at(600), 'm');
EXPLAIN (COSTS OFF) SELECT * FROM promql('rate(m_total[5m]) + delta(m_total[5m]) + m_total', at(600), 'm');
EXPLAIN (COSTS OFF) SELECT * FROM promql('(1 + 2) * 3 - m_total @ 60', at(600), at(660), '1 min', 'm');
SELECT run('sum(rate(m_total[5m]) - rate(m_total[5m]))', 600, 720, '1 min', 'm');
SELECT run('abs(round(sum(rate(m_total[5m]) * 300 - increase(m_total[5m]))))', 600, 720, '1 min', 'm');
-- one reader far behind the other, with and without room to wait for it
CREATE FUNCTION digest(query text) RETURNS text LANGUAGE sql AS $$
    SELECT md5(mytsdb.query_range(query, at(300), at(3000), '15 s', 'm')::text) $$;
CREATE TABLE shared (query text);
INSERT INTO shared VALUES ('max(m_total) - on () group_right () m_total'),
    ('sum(rate(m_total[5m])) / on () group_right () rate(m_total[5m])'),
    ('scalar(count(increase(m_total[10m]))) + max_over_time(m_total[10m]) - min_over_time(m_total[10m])');
CREATE TABLE shared_results AS SELECT query, digest(query) FROM shared;
SET mytsdb.query_max_samples = 40000;
SELECT query, digest(query) = (SELECT digest FROM shared_results r WHERE r.query = s.query) AS same FROM shared s LIMIT 2;
RESET mytsdb.query_max_samples;
-- new series while one reader falls behind
CREATE TABLE growing (labels labels, time timestamptz NOT NULL, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO growing SELECT format('a{i="%s"}', i)::labels, at(0), i FROM generate_series(1, 100) i;
INSERT INTO growing SELECT format('b{j="%s"}', i)::labels, at(0), i FROM generate_series(1, 100) i;
SET mytsdb.query_max_samples = 400;
BEGIN;
DECLARE c CURSOR FOR SELECT labels, value
    FROM promql('max(a or b) - on () group_right () (a or b)', at(0), 'growing');
FETCH 1 FROM c;
INSERT INTO growing VALUES ('a{i="101"}', at(0), 1);
MOVE ALL FROM c;
COMMIT;
RESET mytsdb.query_max_samples;

-- The ends of time
SET TIME ZONE 'UTC';
CREATE TABLE ends (labels labels, time timestamptz NOT NULL, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO ends VALUES ('x', 'infinity', 1), ('x', '-infinity', 2), ('x', '4713-01-01 BC', 3), ('x', '294276-12-31 00:00', 4);
CREATE TABLE days (labels labels, time date NOT NULL, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time');
INSERT INTO days SELECT labels, time, value FROM ends;
INSERT INTO days VALUES ('x', '5874897-12-31', 5);
SELECT * FROM promql('x[30d]', '4713-01-02 BC', 'ends');
SELECT * FROM promql('x[30d]', '4713-01-02 BC', 'days');
SET mytsdb.promql_lookback = '20 d';
SELECT * FROM promql('x[30d] smoothed', '294276-12-31 23:59', 'ends');
SELECT * FROM promql('x[30d] smoothed', '294276-12-31 23:59', 'days');
RESET mytsdb.promql_lookback;
SELECT time, value FROM promql('x offset -10y', '294276-12-31', '294276-12-31 20:00', '10 h', 'ends');
SELECT time, value FROM promql('x[2m:50s]', '294276-12-31 00:01', 'ends');
SELECT time, value FROM promql('x[2m:50s] ', '4713-01-01 00:01 BC', 'ends');
SELECT value FROM promql('count_over_time((x offset -292y)[1h:])', '294276-12-31 00:01', 'ends');
SELECT count(*) FROM promql('x', '4713-01-01 BC', '294276-12-31', '365 days', 'ends');
SELECT count(*) FROM promql('x', '4713-01-01 BC', '287563-01-01', '365 days', 'ends');
RESET TIME ZONE;

-- Limits
SET mytsdb.query_max_samples = 100;
SELECT mytsdb.query('sum(m_total)', at(600), 'm') IS NULL AS fits;
SELECT mytsdb.query('m_total[1h]', at(3000), 'm');
RESET mytsdb.query_max_samples;
SET mytsdb.query_memory = '8 MB';
SELECT length(mytsdb.query_range('m_total', at(0), at(3000), '1 s', 'm')::text);
SELECT count(*) FROM promql('m_total', at(0), at(3000), '1 s', 'm');
RESET mytsdb.query_memory;
-- many selectors, of which one is read at a time
SET mytsdb.query_memory = '32 MB';
SELECT count(*) FROM promql((SELECT string_agg(format('m_total{i="%s"}', i), ' or ') FROM generate_series(1, 200) i), at(600), 'm');
-- also what one operator makes of one series
CREATE TABLE big (labels labels, time timestamptz NOT NULL, histogram histogram)
    USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO big VALUES ('h', at(0), ('{{schema:3 count:400 sum:1 buckets:[' || repeat('2 ', 200) || ']}}')::histogram);
INSERT INTO big VALUES ('h', at(15), ('{{schema:3 count:600 sum:1 buckets:[' || repeat('3 ', 200) || ']}}')::histogram);
SET mytsdb.query_memory = '64 MB';
SELECT sum(histogram_count(histogram)) FROM promql('h * 2', at(0), at(60), '1 s', 'big');
CREATE FUNCTION failure(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count(*) FROM promql(query, at(0), at(60), '1 ms', 'pe.big');
    RETURN 'none';
EXCEPTION WHEN out_of_memory THEN
    RETURN sqlerrm;
END $$;
SELECT query, failure(query) FROM
    unnest(ARRAY['h * 2', '-h', 'h + h', 'rate(h[1m])', 'sum(h)', 'sum_over_time(h[1m])',
        'last_over_time((h * 2)[1m:1ms])', 'histogram_quantile(1, h * 2)']) query;
-- a histogram that many steps have is looked at once
SELECT count(*), max(value) FROM promql('count_values("v", h)', at(0), at(60), '1 ms', 'big');
SELECT count(*) FROM promql('histogram_stddev(h)', at(0), at(60), '1 ms', 'big');
RESET mytsdb.query_memory;
-- (the limit goes with the error: it is none to what comes after)
BEGIN;
SET LOCAL statement_timeout = '100 ms';
SELECT mytsdb.query('sum_over_time(sum_over_time(m_total[30d:1s])[1d:10s])', at(100000), 'm');
ROLLBACK;

-- as many warnings as steps
SET client_min_messages = error;
SELECT count(*) FROM promql('quantile_over_time(scalar(vector(time())), m_total{i="1"}[5m])', at(600), at(660), '1 ms', 'm');
RESET client_min_messages;

-- Parallel workers give what one process gives
SET max_parallel_workers_per_gather = 2;
SET mytsdb.query_parallel_samples = 0;
EXPLAIN (COSTS OFF) SELECT * FROM promql('sum by (job) (rate(m_total[5m])) + 1', at(600), 'm');
CREATE TABLE queries (query text);
INSERT INTO queries VALUES ('m_total'), ('sum by (job) (rate(m_total[5m]))'), ('avg(m_total * 2)'), ('topk(3, m_total)'),
    ('max_over_time(rate(m_total[2m])[5m:1m])'), ('abs(-m_total) / on (i) m_total'), ('stddev(m_total > 100)'),
    ('quantile(0.9, irate({i=~"1.*"}[1m]))'), ('clamp(m_total offset 1m, 1, 100)'), ('count_values("v", floor(m_total / 1000))'),
    ('sum(rate(m_total[1m])) / sum(rate(m_total[2m]))'), ('sum(timestamp(m_total)) or limitk(2, deriv(m_total[3m]))');
SET mytsdb.query_parallel_workers = 0;
CREATE TABLE serial AS SELECT query, digest(query) FROM queries;
SET mytsdb.query_parallel_workers = 2;
SELECT query, digest(query) = digest AS same FROM serial;
SELECT mytsdb.query('avg(rate({job="g"}[1m]))', at(30), 'm') -> 'infos' AS infos;
-- streamed rows, and statements and loops that write meanwhile
CREATE TABLE written AS SELECT * FROM promql('sum by (job) (rate(m_total[5m]))', at(600), at(660), '15 s', 'm');
INSERT INTO written SELECT * FROM promql('rate(m_total[5m])', at(600), at(660), '15 s', 'm');
SELECT count(*) FROM written;
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT labels, time, value FROM promql('m_total', at(600), at(615), '15 s', 'pe.m') LOOP
        INSERT INTO written VALUES (r.labels, r.time, r.value);
        EXIT WHEN r.value > 8000;
    END LOOP;
END $$;
SELECT count(*) FROM promql('sum by (i) (m_total) or m_total', at(600), 'm') LIMIT 1;
SELECT value FROM promql('topk(1, m_total) + 1', at(600), 'm') LIMIT 1;
-- own rows are seen by workers, too
BEGIN;
INSERT INTO m VALUES ('m_total{i="201",job="0"}', at(600), 7);
SELECT value FROM promql('count(m_total)', at(601), 'm');
ROLLBACK;
SELECT value FROM promql('count(m_total)', at(601), 'm');
-- workers' parts of the memory are not less than what the query needs
SET mytsdb.query_parallel_workers = 8;
SET mytsdb.query_memory = '14 MB';
SELECT value FROM promql('count(last_over_time(m_total[50m:4ms]))', at(3000), 'm');
SET mytsdb.query_memory = '128 MB';
SELECT value FROM promql('count(last_over_time(m_total[50m:4ms]))', at(3000), 'm');
RESET mytsdb.query_memory;
SET mytsdb.query_parallel_workers = 2;
-- a worker's error, and a canceled query
SET mytsdb.query_max_samples = 150;
SELECT mytsdb.query('sum(count_over_time(m_total[1h]))', at(3000), 'm');
RESET mytsdb.query_max_samples;
BEGIN;
SET LOCAL statement_timeout = '200 ms';
SELECT mytsdb.query('sum(sum_over_time(sum_over_time(m_total[30d:1s])[1h:1s]))', at(3000), 'm');
ROLLBACK;
SELECT value FROM promql('count(m_total)', at(601), 'm');
RESET mytsdb.query_parallel_workers;
RESET mytsdb.query_parallel_samples;
RESET max_parallel_workers_per_gather;

SET client_min_messages = warning;
DROP SCHEMA pe CASCADE;
