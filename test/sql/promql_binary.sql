-- PromQL's unary and binary operators: special values, matching and its errors, included
-- labels, fill values, sets, histograms, names.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA pqb;
SET search_path = pqb, public;
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
CREATE FUNCTION q(query text, t float8 DEFAULT 0) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT line FROM lines(mytsdb.query(query, at(t), 'm')) line ORDER BY line COLLATE "C";
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
END $$;
CREATE FUNCTION r(query text, start float8 DEFAULT 0, stop float8 DEFAULT 40, step float8 DEFAULT 10) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT line FROM lines(mytsdb.query_range(query, at(start), at(stop), step * interval '1 second', 'm')) line
        ORDER BY line COLLATE "C";
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
END $$;

-- ---- scalars ----

SELECT op, q(format('7 %s -2.5', op)) AS result FROM unnest('{+,-,*,/,%,^,atan2,==bool,!=bool,<bool,>bool,<=bool,>=bool}'::text[]) op;
SELECT e, q(e) AS result
  FROM unnest('{1/0,-1/0,0/0,5%0,-5%3,5%-3,5%Inf,Inf%5,0^0,NaN^0,1^NaN,(-8)^(1/3),-2^2,2^3^2,0 atan2 -1,NaN==bool NaN,NaN!=bool NaN,-(-3),+-+3}'::text[]) e;
SELECT r('time() % 30 - time() / 10');

-- ---- vectors and scalars ----

CALL put('n{v="nan"}', 'NaN');
CALL put('n{v="inf"}', 'Infinity');
CALL put('n{v="-inf"}', '-Infinity');
CALL put('n{v="0"}', '0');
CALL put('n{v="-3"}', '-3');
CALL put('n{v="2"}', '2');
SELECT e, q(e) AS result FROM unnest('{n*2,2-n,n/0,n%2,2^n,-n,n==2,n!=2,n>0,0>n,0>=bool n,n<bool 2,n>NaN,n!=NaN}'::text[]) e;
-- gaps, and a scalar that differs at every step
CALL put('gaps', '1 _ 3 _ 5');
SELECT r('gaps * time()'), r('time() > gaps * 7'), r('gaps > bool time() / 9'), r('-gaps');

-- ---- one to one ----

CALL put('a{i="1",j="x"}', '1 2 _ 4 5');
CALL put('a{i="2",j="x"}', '10 20 30 _ 50');
CALL put('a{i="3",j="y"}', '100 _ _ 400 _');
CALL put('b{i="1",j="x"}', '1 1 1 1 1');
CALL put('b{i="2",j="x"}', '_ 2 2 2 _');
CALL put('b{i="4",j="z"}', '4 4 4 4 4');
SELECT r('a + b'), r('a > b'), r('a > bool b'), r('b atan2 a');
SELECT r('a + on(i) b'), r('a + ignoring(j) b'), r('a == on(i, j) a'), r('a - ignoring(nothing) a');
-- the names of both count only if asked for; a missing label is an empty one
SELECT r('a + on(__name__, i) b'), r('a + on(__name__, i) a'), r('sum by (i) (a) + on(i, nothing) b');
SELECT r('a + nothing'), r('nothing + a'), r('nothing + nothing'), r('a + on() nothing');
-- Several matches are wrong, also where a filter hides them, but only when they are at one step.
SELECT r('a + on(j) b'), q('a + on(j) b'), q('a > on(j) b', 10), q('a > on() b');
SELECT r('b{i="4"} + on() a{j="y"}'), q('sum(b) > on() a'), q('b{i="4"} == on() a', 30);
CALL put('turns{i="1"}', '1 _ 3 _');
CALL put('turns{i="2"}', '_ 2 _ 4');
SELECT r('turns * on() b{i="4"}', 0, 30), r('b{i="4"} * on() turns', 0, 30), r('turns * on() turns', 0, 30);
SELECT r('b * on(nothing) turns', 0, 30);
-- duplicates matter even where nothing matches them, unless the other side is empty
SELECT r('b{i="4"} * on(i) a{i="3"}'), q('turns + on(other) a{i="1"}'), q('a{i="3"} + on(v) n{v="2"}'), q('nothing + on(j) a'), q('gaps + on(j) a');

-- ---- many to one ----

CALL put('one{j="x",extra="e",name="o"}', '2 2 2 2 2');
CALL put('one{j="y"}', '_ _ _ 3 3');
SELECT r('a * on(j) group_left one'), r('one * on(j) group_right a'), r('a - on(j) group_left(extra) one'), r('one - on(j) group_right(extra, i) a');
SELECT r('a > on(j) group_left(name) one'), r('one > on(j) group_right(name) a'), r('a > bool on(j) group_left one');
SELECT r('a * on(j) group_left(__name__) one'), r('a > on(j) group_left(__name__) one');
-- what is included may differ at every step
CALL put('info{j="x",v="1"}', '1 1 _ _ _');
CALL put('info{j="x",v="2"}', '_ _ 1 1 1');
SELECT r('a * on(j) group_left(v) info'), r('info * on(j) group_right(v) a'), r('a * on(j) group_left info');
SELECT q('one * on(j) group_left a'), q('a * on(j) group_right one'), r('a * ignoring(i) group_left b');
-- results must differ, at each step
SELECT q('a * on(j) group_left(i) one'), r('a * on() group_left(i, j) b{i="4"}'), r('{__name__=~"a|b"} * on(j) group_left one'), r('turns * on() group_left(i) b{i="4"}', 0, 30);
SELECT q('{__name__=~"a|b",i="1"} > on(j) group_left one');

-- ---- fill values ----

SELECT r('a + fill(0) b'), r('a + fill_left(-1) b'), r('a + fill_right(7) b'), r('a - fill_left(1) fill_right(2) b');
SELECT r('a > fill(3) b'), r('a > bool fill(3) b'), r('a == fill(NaN) b');
SELECT r('a * on(j) group_left fill(1) one'), r('a * on(j) group_left(extra) fill(1) one'), r('one * on(j) group_right(extra) fill(1) a');
SELECT r('a * on(j) group_left(v) fill(9) info'), r('a + fill(1) nothing'), r('nothing + fill_right(1) a'), r('nothing + fill_left(1) a');
SELECT r('turns * on() fill(5) b{i="4"}', 0, 50), q('turns * on(other) fill(5) a'), q('a + on(j) fill(1) b');

-- ---- sets ----

SELECT r('a and b'), r('a unless b'), r('a or b'), r('b or a');
SELECT r('a and on(j) b{i="2"}'), r('a unless on(j) b{i="2"}'), r('a or on(j) b'), r('a and ignoring(i, j) b'), r('a unless on() nothing');
SELECT r('a or a'), r('a and nothing'), r('nothing or a'), r('nothing unless a'), r('a or nothing');
-- a series that is now on one side, now on the other
SELECT r('(a > 20) or a'), r('a{i="1"} or a offset 10s'), r('sum_over_time((gaps or gaps offset 10s)[25s:10s])', 40, 40);
-- names that are to go do not make other series of the same ones
SELECT r('(a > 20) * 1 or a'), r('label_replace((a * 1) or b, "was", "$1", "__name__", "(.*)")');

-- ---- histograms ----

CALL put('h{k="1"}', '{{schema:0 count:4 sum:5 buckets:[1 2 1]}} {{schema:0 count:8 sum:10 buckets:[2 4 2]}} 3');
CALL put('h{k="2"}', '{{schema:1 count:4 sum:5 buckets:[1 2 1]}} 1 {{schema:0 count:2 sum:2 buckets:[2]}}');
CALL put('custom', '{{schema:-53 count:3 sum:4 custom_values:[1 2] buckets:[1 1 1]}} {{schema:-53 count:3 sum:4 custom_values:[1 2 4] buckets:[0 1 1 1]}}');
CALL put('custom2', '{{schema:-53 count:3 sum:4 custom_values:[2] buckets:[1 2]}} {{schema:-53 count:3 sum:4 custom_values:[1 2 4] buckets:[0 1 1 1]}}');
SELECT op, r(format('h %s on(k) h', op), 0, 20) AS result FROM unnest('{+,-,*,/,%,^,atan2,==,!=,>,<bool,==bool,</,>/}'::text[]) op;
SELECT e, r(e, 0, 20) AS result FROM unnest('{h*2,2*h,h/2,2/h,h+1,h==4,h>bool 4,4!=h,-h,h</2,h>/1,1</h,gaps</2}'::text[]) e;
SELECT op, r(format('h{k="1"} %s ignoring(k) h{k="2"}', op), 0, 20) AS result FROM unnest('{+,-,==,!=,*}'::text[]) op;
SELECT r('custom + custom2', 0, 10), r('custom - custom2', 0, 10), r('custom + on() h{k="1"}', 0, 10), r('custom == custom2', 0, 10);
SELECT r('h * on(k) group_left fill(2) gaps', 0, 20), r('h + ignoring(k) group_left custom', 0, 20), r('h and h > 0', 0, 20), r('h{k="1"} or ignoring(k) gaps', 0, 20);
-- more than the first of them
-- (what is sent as a hint of a reset says nothing: promql_resets)
CALL put('resets{k="yes"}', '{{schema:0 count:4 sum:5 buckets:[1 2 1] counter_reset_hint:reset}}');
CALL put('resets{k="no"}', '{{schema:0 count:4 sum:5 buckets:[1 2 1] counter_reset_hint:not_reset}}');
SELECT q('resets{k="yes"} + ignoring(k) resets{k="no"}'), q('resets{k="yes"} + ignoring(k) resets{k="yes"}');

-- ---- names, also removed at once ----

SET mytsdb.promql_delayed_name_removal = off;
SELECT q('a * 2'), q('-a'), q('a > 1'), q('a > bool 1'), q('a > bool b'), q('label_replace(-a, "was", "$1", "__name__", "(.*)")');
SELECT q('-{__name__=~"a|b"}'), r('{__name__=~"turns|gaps"} * 2'), q('{__name__=~"a|b"} or b');
RESET mytsdb.promql_delayed_name_removal;
SELECT q('-{__name__=~"a|b"}'), q('{__name__=~"a|b"} or b');

-- ---- many steps and series; limits ----

INSERT INTO m SELECT format('wide{i="%s"}', i)::labels, at(s), i * s FROM generate_series(1, 300) i, generate_series(0, 1000, 5) s;
SELECT count(*), sum((v ->> 1)::float8) FROM json_array_elements(mytsdb.query_range('wide / on(i) group_left wide * wide - wide', at(5), at(1000), '5 s', 'm') -> 'data' -> 'result') s,
       json_array_elements(s -> 'values') v;
SELECT r('count(wide == on(i) wide) + count(wide and wide) + count(wide unless wide) + count(wide or wide)', 5, 15, 10);
SELECT r('count(wide == on(i) wide) + count(wide and wide) + count(wide or wide)', 5, 15, 10);
SET mytsdb.query_max_samples = 1000;
SELECT r('sum(wide * on(i) wide)', 0, 1000, 5);
RESET mytsdb.query_max_samples;

SET client_min_messages = warning;
DROP SCHEMA pqb CASCADE;
