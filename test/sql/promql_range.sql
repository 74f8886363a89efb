-- PromQL's functions of range vectors: every one of them over edge cases, floats and
-- histograms, counter resets, start times, anchored and smoothed ranges, annotations.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA pqr;
SET search_path = pqr, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET mytsdb.promql_lookback = '5min';
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
    'SELECT timestamptz ''epoch'' + seconds * interval ''1 second''';

CREATE TABLE m (labels labels NOT NULL, time timestamptz NOT NULL, value float8, histogram histogram, start_time timestamptz)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time', mytsdb.duplicates = 'replace');

-- A series with a sample every 10 seconds from 0 on: numbers, histograms in braces, _ for none,
-- and, if given, how long before each sample it began (seconds, or _).
CREATE FUNCTION put(series text, samples text, starts text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    INSERT INTO m
    SELECT series::labels, at((i - 1) * 10),
           CASE WHEN sample[1] NOT LIKE '{{%' THEN sample[1]::float8 END,
           CASE WHEN sample[1] LIKE '{{%' THEN sample[1]::histogram END,
           at((i - 1) * 10 + NULLIF((string_to_array(starts, ' '))[i], '_')::float8)
      FROM regexp_matches(samples, '\{\{[^}]*\}\}|\S+', 'g') WITH ORDINALITY s (sample, i)
     WHERE sample[1] <> '_'
$$;
-- A query's result, a line for each series and annotation, or its error.
CREATE FUNCTION lines(doc json) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT CASE WHEN r ? 'metric' THEN (r ->> 'metric')::labels::text ELSE 'scalar' END || ' '
           || COALESCE(r -> 'value' ->> 1, r -> 'histogram' ->> 1, r ->> 1,
                       (SELECT string_agg(v ->> 0 || ':' || COALESCE(v -> 1 ->> 'count', v ->> 1), ' ' ORDER BY (v ->> 0)::float8)
                          FROM jsonb_array_elements(COALESCE(r -> 'values', '[]') || COALESCE(r -> 'histograms', '[]')) v))
      FROM jsonb_array_elements(CASE WHEN doc -> 'data' ->> 'resultType' = 'scalar' THEN jsonb_build_array(doc::jsonb -> 'data' -> 'result')
                                     ELSE doc::jsonb -> 'data' -> 'result' END) r
    UNION ALL SELECT json_array_elements_text(doc -> 'warnings')
    UNION ALL SELECT json_array_elements_text(doc -> 'infos')
$$;
CREATE FUNCTION q(query text, t float8 DEFAULT 90) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT line FROM lines(mytsdb.query(query, at(t), 'm')) line ORDER BY line COLLATE "C";
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
END $$;
-- Over time; of histograms their counts.
CREATE FUNCTION r(query text, start float8, stop float8, step float8) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT line FROM lines(mytsdb.query_range(query, at(start), at(stop), step * interval '1 second', 'm')) line
        ORDER BY line COLLATE "C";
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
END $$;

-- ---- floats: empty, one sample, gaps, NaN, infinities, resets ----

SELECT put('c_total{s="up"}', '0 5 10 15 20 25 30 35 40 45');
SELECT put('c_total{s="reset"}', '0 5 10 2 4 6 1 3 5 7');
SELECT put('g{s="gaps"}', '_ 3 1 _ _ 2 8 _ _ 4');
SELECT put('g{s="one"}', '_ _ _ _ _ 7');
SELECT put('g{s="none"}', '_');
SELECT put('g{s="nan"}', '1 NaN 3 NaN NaN 2 2 NaN 5 NaN');
SELECT put('g{s="inf"}', '1 2 Infinity 3 -Infinity 4 4 -Infinity -Infinity 5');
SELECT put('g{s="nans"}', 'NaN NaN NaN NaN NaN NaN NaN NaN NaN NaN');
SELECT put('g{s="same"}', '3 3 3 3 3 3 3 3 3 3');
SELECT put('g{s="stale"}', '1 2 3 4 _ 6 7 8 9 10');
-- its marker at 40 s, as only remote write can give it
SELECT mytsdb.remote_write('\x0a2a0a0d0a085f5f6e616d655f5f1201670a0a0a017312057374616c65120d09020000000000f07f10c0b802', NULL, 'identity', 'm');
SELECT time, float8send(value) FROM m WHERE labels ~ 'g{s="stale"}' AND time IN (at(40), at(50)) ORDER BY time;

-- 100 s hold all of it
SELECT f, q(format('%s({__name__=~"c_total|g"}[100s])', f)) AS result
  FROM unnest('{rate,increase,delta,irate,idelta,deriv,changes,resets}'::text[]) f;
SELECT f, q(format('%s_over_time(g[100s])', f)) AS result
  FROM unnest('{avg,sum,count,min,max,last,first,present,stddev,stdvar,mad,ts_of_first,ts_of_last,ts_of_min,ts_of_max}'::text[]) f;
SELECT n, q(format('quantile_over_time(%s, g{s=~"gaps|nan|inf"}[100s])', n)) AS result
  FROM unnest('{0,0.25,0.5,1,-1,2,NaN,1e-5,Inf,1e25}'::text[]) n;
SELECT n, q(format('predict_linear({__name__=~"c_total|g",s=~"up|gaps|one|inf|same"}[100s], %s)', n)) AS result
  FROM unnest('{0,60,-3600,NaN}'::text[]) n;
SELECT n, q(format('double_exponential_smoothing({__name__=~"c_total|g",s=~"up|gaps|one|nan|same"}[100s], %s)', n)) AS result
  FROM unnest('{"0.5, 0.5","0.1, 0.9","0, 0.5","0.5, 1","1.5, 0.5","0.5, -1","NaN, 0.5"}'::text[]) n;
-- nobody asks for a factor where there is nothing
SELECT q('double_exponential_smoothing(nothing[1m], 2, 2)');
-- no samples at all, and ranges without any
SELECT f, q(format('%s(c_total{s="up"}[5s])', f), 94) AS small, q(format('%s(c_total{s="up"}[100s])', f), 5000) AS late
  FROM unnest('{rate,sum_over_time,max_over_time,changes,last_over_time,stddev_over_time}'::text[]) f;

-- ---- windows: steps, offsets, @, before the first sample, between samples ----

SELECT f, r(format('%s(c_total{s="up"}[30s])', f), -20, 130, 25) AS result
  FROM unnest('{rate,increase,delta,irate,avg_over_time,sum_over_time,max_over_time,min_over_time,count_over_time,changes,last_over_time,first_over_time,deriv}'::text[]) f;
SELECT r('sum_over_time(c_total{s="up"}[20s])', 0, 90, 7);
SELECT r('sum_over_time(c_total{s="up"}[5s])', 0, 90, 10);
SELECT r('sum_over_time(c_total{s="up"}[5s])', 1, 91, 10);
SELECT r('sum_over_time(c_total{s="up"}[20s] offset -20s)', 0, 90, 15);
SELECT r('sum_over_time(c_total{s="up"}[20s] offset 20s)', 0, 90, 15);
SELECT r('increase(c_total{s="up"}[30s] @ 60)', 0, 90, 30);
SELECT r('predict_linear(c_total{s="up"}[30s] @ 60, 10)', 0, 90, 30);
SELECT r('quantile_over_time(scalar(c_total{s="up"}) / 45, c_total{s="up"}[100s])', 0, 90, 30);
SELECT r('quantile_over_time(scalar(c_total{s="up"}) / 20, c_total{s="up"}[100s])', 0, 90, 30);
SELECT r('predict_linear(c_total{s="up"}[50s], scalar(c_total{s="up"}))', 0, 90, 30);
SELECT r('double_exponential_smoothing(c_total{s="up"}[50s], 0.5, scalar(c_total{s="up"}) / 100 + 0.1)', 0, 90, 30);
SELECT r('double_exponential_smoothing(c_total{s="up"}[50s], 0.5, scalar(c_total{s="up"}) / 40)', 10, 90, 30);
SELECT r('max_over_time(rate(c_total{s="up"}[20s])[40s:10s])', 0, 90, 15);
-- many windows that overlap: sums, extremes and ranks slide
INSERT INTO m (labels, time, value) SELECT 'wave', at(i), (i * 37) % 101 - 50 FROM generate_series(0, 999) i;
INSERT INTO m (labels, time, value) SELECT 'wild', at(i), CASE i % 97 WHEN 0 THEN 'NaN' WHEN 40 THEN 'Infinity' WHEN 41 THEN 1e300
    WHEN 42 THEN -1e300 WHEN 60 THEN '-Infinity' ELSE i % 7 END FROM generate_series(0, 999) i;
SELECT f, sum(abs(sliding - single)) AS difference, count(*)
  FROM unnest('{avg,sum,min,max,stddev,mad,ts_of_min,ts_of_max,count}'::text[]) f,
       LATERAL (SELECT (v ->> 0)::float8 AS t, (v ->> 1)::float8 AS sliding
                  FROM jsonb_array_elements(mytsdb.query_range(format('%s_over_time(wave[5m])', f), at(0), at(1200), '13 s', 'm')::jsonb
                                            -> 'data' -> 'result' -> 0 -> 'values') v) s,
       LATERAL (SELECT (mytsdb.query(format('%s_over_time(wave[5m])', f), at(t), 'm') -> 'data' -> 'result' -> 0 -> 'value' ->> 1)::float8 AS single) i
 GROUP BY f ORDER BY f;
SELECT f, count(*) FILTER (WHERE sliding IS DISTINCT FROM single AND NOT abs(sliding - single) <= 1e-9 * abs(single)) AS differ,
       count(*) FILTER (WHERE single = 'NaN') AS nan, count(*) FILTER (WHERE single IN ('Infinity', '-Infinity')) AS inf, count(*)
  FROM unnest('{avg,sum,min,max,mad,ts_of_min,ts_of_max}'::text[]) f,
       LATERAL (SELECT (v ->> 0)::float8 AS t, (v ->> 1)::float8 AS sliding
                  FROM jsonb_array_elements(mytsdb.query_range(format('%s_over_time(wild[35s])', f), at(0), at(1000), '3 s', 'm')::jsonb
                                            -> 'data' -> 'result' -> 0 -> 'values') v) s,
       LATERAL (SELECT (mytsdb.query(format('%s_over_time(wild[35s])', f), at(t), 'm') -> 'data' -> 'result' -> 0 -> 'value' ->> 1)::float8 AS single) i
 GROUP BY f ORDER BY f;

-- ---- sums that cancel out or overflow ----

SELECT put('b{s="cancel"}', '1 1e100 1 -1e100');
SELECT put('b{s="overflow"}', '1e308 1e308 1e308 -1e308');
SELECT f, q(format('%s_over_time(b[100s])', f)) FROM unnest('{sum,avg}'::text[]) f;

-- ---- counters: extrapolation, names ----

SELECT put('d_total{s="late"}', '_ _ _ _ 5 10 15 20 25 30');
SELECT put('d_total{s="zero"}', '_ _ _ _ 1 11 21 31 41 51');
SELECT put('d_total{s="down"}', '-5 -3 -1 1');
SELECT f, q(format('%s(d_total[100s])', f)) FROM unnest('{rate,increase,delta}'::text[]) f;
SELECT q('rate(g{s="gaps"}[100s])');
SELECT put(name, '1 2 3') FROM unnest('{x,x_sum,x_count,x_bucket,x_total}'::text[]) name;
SELECT q('increase({__name__=~"x_.*"}[100s])');
SELECT q('increase(x[100s])');
SELECT q('increase(x_sum[100s])');
SELECT q('resets(x[100s]) + irate(x[100s]) + delta(x[100s])');
SELECT q('rate(sum_over_time(g{s="gaps"}[20s])[60s:10s])');
SELECT q('rate({__name__=~"x_.*"}[100s])');
SET mytsdb.promql_delayed_name_removal = off;
SELECT q('rate({__name__=~"x_.*"}[100s])');
SELECT q('rate(x_sum[100s])');
SELECT q('last_over_time({__name__=~"x_.*"}[100s])');
RESET mytsdb.promql_delayed_name_removal;

-- ---- absent_over_time ----

SELECT q('absent_over_time(c_total[1m])');
SELECT q('absent_over_time(nothing[1m])');
SELECT q('absent_over_time(nothing{a="1",b=~"2",c!="3",d="4",d="5"}[1m])');
SELECT q('absent_over_time((nothing{a="1"}[1m]))');
SELECT q('absent_over_time(rate(nothing{a="1"}[1m])[1m:10s])');
SELECT r('absent_over_time(g{s=~"gaps|one"}[10s])', 0, 120, 10);
SELECT r('absent_over_time(g{s="gaps"}[10s] offset 10s)', 0, 120, 10);

-- ---- start times ----

SELECT put('s_total{s="st"}', '_ _ 0 60 120 180 240 300 360 420', '_ _ -5 -15 -25 -10 -20 -9.999 -19.999 -29.999');
SELECT put('s_total{s="delta"}', '6 6 6 6 6 6 6 6 6 6', '-10 -10 -10 -10 -10 -10 -10 -10 -10 -10');
SELECT put('s_total{s="alone"}', '_ _ _ _ _ _ 12', '_ _ _ _ _ _ -10');
SELECT put('s_total{s="odd"}', '1 2 3 4 5 6 7 8 9 10', '_ 0 5 -25 _ -10 0 -10 _ -95');
SELECT f, r(format('%s(s_total[50s])', f), 50, 90, 20) AS result
  FROM unnest('{rate,increase,irate,resets,delta,idelta,changes}'::text[]) f;
SET mytsdb.promql_start_timestamps = off;
SELECT f, r(format('%s(s_total[50s])', f), 50, 90, 20) AS result
  FROM unnest('{increase,resets}'::text[]) f;
RESET mytsdb.promql_start_timestamps;
-- many resets in windows that overlap
INSERT INTO m SELECT 'deltas_total', at(i), i % 5 + 1, NULL, at(i - 1) FROM generate_series(1, 999) i;
SELECT count(*), sum(abs(increase - expected))
  FROM (SELECT (v ->> 0)::float8 AS t, (v ->> 1)::float8 AS increase
          FROM jsonb_array_elements(mytsdb.query_range('increase(deltas_total[100s])', at(200), at(900), '3 s', 'm')::jsonb
                                    -> 'data' -> 'result' -> 0 -> 'values') v) s,
       LATERAL (SELECT sum(value) AS expected FROM m WHERE labels = 'deltas_total' AND time > at(t - 100) AND time <= at(t)) e;

-- ---- anchored and smoothed ----

SELECT f, m, r(format('%s({__name__=~"c_total|g",s=~"up|reset|gaps|one"}[25s] %s)', f, m), -5, 125, 26) AS result
  FROM unnest('{rate,increase,delta}'::text[]) f, unnest('{anchored,smoothed}'::text[]) m;
SELECT f, r(format('%s({__name__=~"c_total|g",s=~"reset|gaps|one"}[25s] anchored)', f), -5, 125, 26) AS result
  FROM unnest('{changes,resets}'::text[]) f;
SELECT f, q(format('%s(c_total{s="up"}[25s] smoothed)', f)) FROM unnest('{changes,max_over_time,absent_over_time}'::text[]) f;
SELECT f, q(format('%s(c_total{s="up"}[25s] anchored)', f)) FROM unnest('{irate,absent_over_time}'::text[]) f;
SELECT r('increase(c_total{s="up"}[25s] smoothed offset 10s)', 0, 90, 30);

-- ---- histograms ----

SELECT put('h{s="h"}', '{{schema:0 count:2 sum:3 buckets:[1 1]}} {{schema:0 count:4 sum:7 buckets:[1 3]}} {{schema:0 count:8 sum:12 buckets:[4 4]}}
    {{schema:0 count:1 sum:1 buckets:[1]}} {{schema:0 count:5 sum:6 buckets:[2 3]}}');
SELECT put('h{s="hg"}', '{{schema:0 count:2 sum:3 buckets:[1 1] counter_reset_hint:gauge}} {{schema:0 count:1 sum:1 buckets:[1] counter_reset_hint:gauge}}
    {{schema:0 count:8 sum:12 buckets:[4 4] counter_reset_hint:gauge}}');
SELECT put('h{s="hmix"}', '1 2 {{schema:0 count:2 sum:3 buckets:[1 1]}} {{schema:0 count:4 sum:7 buckets:[1 3]}} 5 6');
SELECT put('h{s="hc"}', '{{schema:-53 count:2 sum:3 custom_values:[1 5] buckets:[1 1]}} {{schema:-53 count:4 sum:7 custom_values:[1 5] buckets:[2 2]}}
    {{schema:-53 count:9 sum:17 custom_values:[1 10] buckets:[3 6]}}');
SELECT put('h{s="hx"}', '{{schema:0 count:2 sum:3 buckets:[1 1]}} {{schema:-53 count:4 sum:7 custom_values:[1 5] buckets:[2 2]}} {{schema:0 count:9 sum:9 buckets:[4 5]}}');
SELECT put('h{s="hs"}', '{{schema:2 count:2 sum:3 buckets:[1 1]}} {{schema:0 count:4 sum:7 buckets:[2 2]}} {{schema:1 count:9 sum:9 buckets:[4 5]}}');
SELECT put('h{s="h1"}', '_ _ {{schema:0 count:2 sum:3 buckets:[1 1]}}');
SELECT f, q(format('%s(h[100s])', f), 50) AS result
  FROM unnest('{rate,increase,delta,irate,idelta,changes,resets,deriv}'::text[]) f;
SELECT f, q(format('%s_over_time(h[100s])', f), 50) AS result
  FROM unnest('{sum,avg,count,last,first,present,min,max,stddev,mad,ts_of_first,ts_of_last,ts_of_max}'::text[]) f;
SELECT q('quantile_over_time(0.5, h[100s])', 50);
SELECT q('predict_linear(h{s=~"hmix|h"}[100s], 1)', 50);
SELECT q('double_exponential_smoothing(h{s=~"hmix|h"}[100s], 0.5, 0.5)', 50);
SELECT f, r(format('%s(h[25s])', f), 0, 80, 15) AS result
  FROM unnest('{rate,increase,delta,sum_over_time,avg_over_time,last_over_time,first_over_time,resets,changes,irate}'::text[]) f;
SELECT f, m, r(format('%s(h[15s] %s)', f, m), 5, 65, 12) AS result
  FROM unnest('{increase,delta}'::text[]) f, unnest('{anchored,smoothed}'::text[]) m;
SELECT put('hst', '_ _ {{schema:0 count:60 sum:60}} {{schema:0 count:70 sum:70}} {{schema:0 count:80 sum:80}}', '_ _ -9 -10 -20');
SELECT f, r(format('%s(hst[50s])', f), 20, 90, 15) FROM unnest('{increase,irate,resets}'::text[]) f;
-- positions: of the argument, of the scalar, none of subqueries
SELECT q('quantile_over_time(2, (c_total[100s]))');
SELECT q('1 + sum_over_time((h{s="hmix"}[100s]))', 50);
SELECT q('sum_over_time(h{s="hmix"}[100s:10s])', 50);

SET client_min_messages = warning;
DROP SCHEMA pqr CASCADE;
