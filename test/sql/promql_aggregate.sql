-- PromQL's aggregations: groups, special values, parameters that differ at every step or are
-- out of range, histograms among floats, names.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA pqa;
SET search_path = pqa, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET mytsdb.promql_lookback = '5s';
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
    'SELECT timestamptz ''epoch'' + seconds * interval ''1 second''';

CREATE TABLE m (labels labels NOT NULL, time timestamptz NOT NULL, value float8, histogram histogram)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time', mytsdb.duplicates = 'replace');

-- A series with a sample every 10 seconds from 0 on: numbers, histograms in braces, _ for none.
CREATE PROCEDURE put(series text, samples text) LANGUAGE sql AS $$
    INSERT INTO m
    SELECT series::labels, at((i - 1) * 10),
           CASE WHEN sample[1] NOT LIKE '{{%' THEN sample[1]::float8 END,
           CASE WHEN sample[1] LIKE '{{%' THEN sample[1]::histogram END
      FROM regexp_matches(samples, '\{\{[^}]*\}\}|[^ ]+', 'g') WITH ORDINALITY s (sample, i)
     WHERE sample[1] <> '_'
$$;

-- A query's result, a line for each series and annotation, or its error. Of histograms count and sum.
CREATE FUNCTION lines(doc json) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT CASE WHEN r ? 'metric' THEN (r ->> 'metric')::labels::text ELSE 'scalar' END || ' '
           || COALESCE(r -> 'value' ->> 1, (r -> 'histogram' -> 1 ->> 'count') || '/' || (r -> 'histogram' -> 1 ->> 'sum'), r ->> 1,
                       (SELECT string_agg(v ->> 0 || ':' || COALESCE((v -> 1 ->> 'count') || '/' || (v -> 1 ->> 'sum'), v ->> 1), ' ' ORDER BY (v ->> 0)::float8)
                          FROM jsonb_array_elements(COALESCE(r -> 'values', '[]') || COALESCE(r -> 'histograms', '[]')) v))
      FROM jsonb_array_elements(CASE WHEN doc -> 'data' ->> 'resultType' = 'scalar' THEN jsonb_build_array(doc::jsonb -> 'data' -> 'result')
                                     ELSE doc::jsonb -> 'data' -> 'result' END) r
    UNION ALL SELECT json_array_elements_text(doc -> 'warnings')
    UNION ALL SELECT json_array_elements_text(doc -> 'infos')
$$;
-- as it comes
CREATE FUNCTION ordered(query text, t float8 DEFAULT 0) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT lines(mytsdb.query(query, at(t), 'm'));
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
END $$;
CREATE FUNCTION q(query text, t float8 DEFAULT 0) RETURNS SETOF text LANGUAGE sql AS
    'SELECT line FROM ordered(query, t) line ORDER BY line COLLATE "C"';
CREATE FUNCTION r(query text, start float8 DEFAULT 0, stop float8 DEFAULT 40, step float8 DEFAULT 10) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT line FROM lines(mytsdb.query_range(query, at(start), at(stop), step * interval '1 second', 'm')) line
        ORDER BY line COLLATE "C";
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
END $$;
CREATE VIEW plain AS SELECT unnest('{sum,avg,count,min,max,group,stddev,stdvar}'::text[]) AS f;

-- ---- groups ----

CALL put('a{i="1",j="x"}', '1 2 _ 4 5');
CALL put('a{i="2",j="x"}', '10 20 30 _ 50');
CALL put('a{i="3",j="y"}', '100 _ _ 400 _');
CALL put('a{i="4"}', '7 7 7 7 7');
SELECT f, r(format('%s(a)', f)) AS result FROM plain;
SELECT f, r(format('%s by (j) (a)', f)) AS result FROM plain;
SELECT f, r(format('%s without (i) (a)', f)) AS result FROM plain;
SELECT r('sum by (nothing) (a)'), r('sum by () (a)'), r('sum without () (a)'), r('sum by (i, j, i) (a)'), r('sum without (i, j, nothing) (a)');
SELECT f, q(format('%s(nothing)', f)) AS result FROM plain;
SELECT q('sum by (__name__) (a)'), q('sum by (__name__) (a * 2)'), q('sum without (__name__) (a)'), q('sum by (__name__, j) ({__name__=~"a|nothing"})');

-- ---- special values ----

CALL put('n{v="nan"}', 'NaN');
CALL put('n{v="inf"}', 'Infinity');
CALL put('n{v="-inf"}', '-Infinity');
CALL put('n{v="0"}', '-0');
CALL put('n{v="big1"}', '1.7e308');
CALL put('n{v="big2"}', '1.6e308');
CALL put('n{v="tiny"}', '1');
CALL put('n{v="-big1"}', '-1.7e308');
SELECT s, f, q(format('%s(n{v=~"%s"})', f, s)) AS result
  FROM unnest('{nan,nan|0,nan|inf,inf,inf|-inf,big1|big2,big1|tiny|-big1,0}'::text[]) s, plain ORDER BY s, f;

-- ---- topk, bottomk ----

SELECT ordered('topk(2, a)'), ordered('bottomk(2, a)'), ordered('topk(9, a)'), ordered('topk by (j) (1, a)'), ordered('bottomk without (i) (1, a)');
SELECT r('topk(1, a)'), r('bottomk(2, a)'), r('topk by (j) (1, a)'), r('topk(scalar(a{i="4"}) - 6, a)'), r('bottomk(time() / 10, a)');
SELECT ordered('topk(5, n)'), ordered('bottomk(5, n)'), ordered('topk(1, n{v="nan"})');
SELECT k, q(format('topk(%s, a)', k)) AS result FROM unnest('{0,-1,0.9,1.9,NaN,Inf,-Inf,1e18,1e19,-1e19}'::text[]) k;
SELECT r('topk(NaN * time(), a)'), r('topk(1e19 * time(), a)'), r('topk(1 - time() * 1e19, a)'), r('topk(time() - 20, a)'), q('topk(NaN, nothing)');
-- of equal values those that came first
INSERT INTO m SELECT format('same{i="%s"}', i)::labels, at(0), 5 FROM generate_series(1, 9) i;
SELECT q('topk(3, same)'), q('bottomk(3, same)'), q('limitk(3, same)'), q('count(topk(3, same or a))');
SELECT ordered('topk(2, a) * 2'), q('topk(1, -a)'), q('sum(topk(2, a))');

-- ---- limitk, limit_ratio ----

SELECT r('limitk(2, a)'), r('limitk by (j) (1, a)'), r('limitk(time() / 10, a)'), q('limitk(0, a)'), q('limitk(NaN, a)'), q('limitk(-1, a)'), q('limitk(1e300, a)');
-- by the very hash of Prometheus
INSERT INTO m SELECT format('ratio{i="%s"}', i)::labels, at(0), i FROM generate_series(1, 20) i;
SELECT q('limit_ratio(0.25, ratio)'), q('limit_ratio(-0.75, ratio) and on(i) ratio < 6');
SELECT p, q(format('count(limit_ratio(%s, ratio))', p)) AS result FROM unnest('{0,0.5,-0.5,1,-1,1.5,-1.5,NaN,Inf}'::text[]) p;
SELECT q('count(limit_ratio(0.3, ratio) or limit_ratio(-0.7, ratio))'), q('count(limit_ratio(0.3, ratio) and limit_ratio(-0.7, ratio))');
SELECT r('count(limit_ratio(time() / 20 - 1, ratio @ 0))'), r('limit_ratio(time() - 20, a)');
INSERT INTO m SELECT format('long{v="%s"}', repeat('x', n))::labels, at(0), n FROM unnest('{10,253,254,255,256,300,7000}'::int[]) n;
SELECT q('sum(limit_ratio(0.5, long))');

-- ---- quantile ----

SELECT f, q(format('quantile(%s, a)', f)) AS result FROM unnest('{0,0.25,0.5,0.9,1,-0.1,1.1,NaN,Inf,-Inf}'::text[]) f;
SELECT r('quantile by (j) (0.5, a)'), r('quantile(time() / 20 - 0.5, a)'), q('quantile(0.5, nothing)'), q('quantile(2, nothing)'), q('quantile(0.5, n{v=~"nan|0|tiny"})'), q('quantile(0.9, n{v=~"nan|inf|tiny"})');

-- ---- count_values ----

CALL put('v{i="1"}', '1 1 2 NaN 0.1');
CALL put('v{i="2"}', '1 _ 2 NaN 1e100');
CALL put('v{i="3"}', '-0 0 Infinity -Infinity 0.1');
SELECT r('count_values("x", v)'), r('count_values by (i) ("x", v)'), r('count_values without (i) ("x", v)'), q('count_values by (i) ("i", v)'), q('count_values without (x) ("x", v)');
SELECT q('count_values("__name__", v)'), q('count_values without (i) ("__name__", v)'), q('count_values("", v)'), q('count_values("a b", v)'), q('count_values("x", nothing)');

-- ---- histograms ----

CALL put('h{k="1"}', '{{schema:0 count:4 sum:5 buckets:[1 2 1]}} {{schema:0 count:8 sum:10 buckets:[2 4 2]}} 3');
CALL put('h{k="2"}', '{{schema:1 count:6 sum:7 buckets:[1 2 3]}} 1 {{schema:0 count:2 sum:2 buckets:[2]}}');
CALL put('h{k="3"}', '_ 2 4');
CALL put('custom{k="1"}', '{{schema:-53 count:3 sum:4 custom_values:[1 2] buckets:[1 1 1]}} {{schema:-53 count:3 sum:4 custom_values:[1 2 4] buckets:[0 1 1 1]}}');
CALL put('custom{k="2"}', '{{schema:-53 count:3 sum:4 custom_values:[2] buckets:[1 2]}} {{schema:-53 count:3 sum:4 custom_values:[1 2 4] buckets:[0 1 1 1]}}');
SELECT f, r(format('%s(h)', f), 0, 20) AS result FROM plain;
SELECT f, r(format('%s by (k) (h)', f), 0, 20) AS result FROM plain;
SELECT r('sum(custom)', 0, 10), r('avg(custom)', 0, 10), r('sum({__name__=~"h|custom",k="1"})', 0, 10), r('avg(sum by (k) ({__name__=~"h|custom",k="1"}))', 0, 10), q('sum by (nothing) ((h * 1) or (custom * 1))');
SELECT r('topk(5, h)', 0, 20), q('bottomk(5, h)'), q('topk(0, h)'), r('limitk(2, h)', 0, 20), r('limit_ratio(1, h)', 0, 20), r('quantile(0.5, h)', 0, 20), q('count_values("x", h)'), r('count_values("x", h)', 10, 20), q('count_values("x", custom)');
-- (what is sent as a hint of a reset says nothing: promql_resets)
CALL put('resets{k="yes"}', '{{schema:0 count:4 sum:5 buckets:[1 2 1] counter_reset_hint:reset}}');
CALL put('resets{k="no"}', '{{schema:0 count:4 sum:5 buckets:[1 2 1] counter_reset_hint:not_reset}}');
SELECT q('sum(resets)'), q('avg(resets)'), q('sum by (k) (resets)'), q('sum({__name__=~"resets|n"})');

-- ---- names that are to go ----

SELECT q('sum by (__name__) (-a or v)'), q('sum by (__name__, i) (v or -v)'), q('label_replace(sum by (__name__) (-a), "was", "$1", "__name__", "(.*)")');

-- ---- many series and steps; limits ----

INSERT INTO m SELECT format('wide{i="%s",g="%s"}', i, i % 7)::labels, at(s), i * s FROM generate_series(1, 300) i, generate_series(0, 1000, 5) s;
SELECT f, count(*), sum((v ->> 1)::float8)
  FROM unnest('{sum,avg,count,min,max,group,stddev,stdvar,"quantile(0.9,","topk(3,","bottomk(2,","limitk(2,"}'::text[]) f,
       json_array_elements(mytsdb.query_range(CASE WHEN f LIKE '%,' THEN split_part(f, '(', 1) || ' by (g) (' || split_part(f, '(', 2) || ' wide)'
                                                   ELSE f || ' by (g) (wide)' END, at(0), at(1000), '5 s', 'm') -> 'data' -> 'result') s,
       json_array_elements(s -> 'values') v
 GROUP BY f ORDER BY f COLLATE "C";
SET mytsdb.query_max_samples = 1000;
SELECT r('sum by (i) (wide)', 0, 1000, 5);
SELECT r('quantile(0.5, wide)', 0, 1000, 5);
SELECT r('topk(5, wide)', 0, 1000, 5);
SELECT r('count_values("x", wide)', 0, 1000, 5);
SELECT r('sum(sum(wide))', 0, 10, 5);
RESET mytsdb.query_max_samples;

SET client_min_messages = warning;
DROP SCHEMA pqa CASCADE;
