-- PromQL's functions that take no range vector: special values, histograms among floats,
-- labels, dates, equal labels, annotations.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA pqf;
SET search_path = pqf, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET mytsdb.promql_lookback = '5min';
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
    'SELECT timestamptz ''epoch'' + seconds * interval ''1 second''';

CREATE TABLE m (labels labels NOT NULL, time timestamptz NOT NULL, value float8, histogram histogram, start_time timestamptz)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'time', mytsdb.duplicates = 'replace');

-- A query's result, a line for each series and annotation, or its error.
CREATE FUNCTION lines(doc json) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT CASE WHEN r ? 'metric' THEN (r ->> 'metric')::labels::text ELSE 'scalar' END || ' '
           || COALESCE(r -> 'value' ->> 1, r -> 'histogram' ->> 1, r ->> 1,
                       (SELECT string_agg(v ->> 0 || ':' || (v ->> 1), ' ' ORDER BY (v ->> 0)::float8)
                          FROM jsonb_array_elements(COALESCE(r -> 'values', '[]') || COALESCE(r -> 'histograms', '[]')) v))
      FROM jsonb_array_elements(CASE WHEN doc -> 'data' ->> 'resultType' = 'scalar' THEN jsonb_build_array(doc::jsonb -> 'data' -> 'result')
                                     ELSE doc::jsonb -> 'data' -> 'result' END) r
    UNION ALL SELECT json_array_elements_text(doc -> 'warnings')
    UNION ALL SELECT json_array_elements_text(doc -> 'infos')
$$;
-- As it comes
CREATE FUNCTION ordered(query text, t float8 DEFAULT 60) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT lines(mytsdb.query(query, at(t), 'm'));
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
END $$;
CREATE FUNCTION q(query text, t float8 DEFAULT 60) RETURNS SETOF text LANGUAGE sql AS
    'SELECT line FROM ordered(query, t) line ORDER BY line COLLATE "C"';
CREATE FUNCTION r(query text, start float8, stop float8, step float8) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT lines(mytsdb.query_range(query, at(start), at(stop), step * interval '1 second', 'm'));
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
END $$;

-- On one line
CREATE FUNCTION one(query text, t float8 DEFAULT 60) RETURNS text LANGUAGE sql AS
    'SELECT string_agg(line, '' | '') FROM q(query, t) line';

-- ---- numbers ----

INSERT INTO m (labels, time, value)
SELECT format('n{v="%s"}', v)::labels, at(60), v::float8
  FROM unnest('{NaN,Infinity,-Infinity,0,-0,0.5,-0.5,1.5,2.5,-2.5,1e308,-1e308,5e-324}'::text[]) v;
INSERT INTO m (labels, time, histogram) VALUES ('n{v="h"}', at(60), '{{schema:0 count:4 sum:5 buckets:[1 2 1]}}');
SELECT f, one(format('%s(n)', f)) AS result
  FROM unnest('{abs,ceil,floor,round,sgn,sqrt}'::text[]) f;
SELECT f, one(format('round(%s(n{v=~"NaN|.?Infinity|.?0|.?0[.]5|1.5"}), 0.0001)', f)) AS result
  FROM unnest('{exp,ln,log2,log10,sin,cos,tan,asin,acos,atan,sinh,cosh,tanh,asinh,acosh,atanh,deg,rad}'::text[]) f;
SELECT args, one(format('clamp(n, %s)', args)) AS result FROM unnest('{"-1, 2","2, -1","0, NaN","NaN, 0","-Inf, +Inf"}'::text[]) args;
SELECT q('clamp_min(n{v=~"NaN|Infinity|1.5"}, NaN)');
SELECT q('clamp_max(n{v=~"NaN|-Infinity|1.5"}, NaN)');
SELECT q('clamp_min(n{v=~"NaN|-Infinity|-0.5|1.5"}, 0)');
SELECT q('clamp_max(n{v=~"NaN|Infinity|-0.5|1.5"}, 1)');
SELECT args, one(format('round(n{v=~"NaN|Infinity|[-0-9.]{3,4}"}, %s)', args)) AS result
  FROM unnest('{1,0.1,2,0,-1,NaN,Inf}'::text[]) args;
-- another argument at every step
SELECT r('round(vector(time() * 1.37), time() / 10)', 10, 50, 10);
SELECT r('clamp(vector(5), time(), 40 - time())', 0, 40, 10);
SELECT q('abs(nothing)');
SELECT q('abs(n{v="h"})');

-- ---- scalars ----

SELECT q('pi()'), q('time()'), q('min_of(1, NaN)'), q('max_of(NaN, 1)'), q('max_of(+Inf, NaN)'), q('min_of(-Inf, NaN)');
SELECT q('min_of(2, -3)'), q('max_of(2, -3)'), q('1 / max_of(0, -0)'), q('1 / min_of(0, -0)');
SELECT q('vector(1)'), q('vector(scalar(n))'), q('scalar(n{v="1.5"})'), q('scalar(n{v="h"})'), q('scalar(n{v=~"h|1.5"})'), q('scalar(nothing)');
SELECT r('start()', 10, 35, 10), r('end()', 10, 35, 10), r('step()', 10, 35, 10), r('range()', 10, 35, 10);
SELECT q('start()'), q('end()'), q('step()'), q('range()');
SELECT r('time()', -10, 10, 10);

-- ---- times ----

INSERT INTO m (labels, time, value, start_time) VALUES
    ('ts{a="1"}', at(10), 1, at(3)), ('ts{a="1"}', at(20.5), 2, NULL), ('ts{a="1"}', at(40), 3, at(39.999));
INSERT INTO m (labels, time, histogram, start_time) VALUES ('ts{a="h"}', at(30), '{{count:1 sum:1}}', at(-5));
SELECT r('timestamp(ts)', 0, 60, 10);
SELECT r('timestamp((ts))', 60, 60, 10);
SELECT r('timestamp(abs(ts))', 30, 60, 10);
SELECT r('timestamp(timestamp(ts))', 30, 60, 10);
SELECT r('timestamp(ts @ 20)', 30, 60, 10);
SELECT r('timestamp(abs(ts @ 20))', 30, 60, 10);
SELECT r('timestamp(ts offset 10s)', 30, 60, 10);
SELECT r('start_timestamp(ts)', 0, 60, 10);
SELECT r('start_timestamp(abs(ts))', 0, 60, 10);

-- ---- the calendar ----

CREATE FUNCTION parts(v text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(mytsdb.query(format('%s(vector(%s))', f, v), at(60), 'm') #>> '{data,result,0,value,1}', ' ' ORDER BY n)
      FROM unnest('{year,month,day_of_month,day_of_week,day_of_year,days_in_month,hour,minute}'::text[]) WITH ORDINALITY u (f, n)
$$;
SELECT v, parts(v) FROM unnest('{0,-1,-0.5,59.999,951782400,951868799,951868800,1078099200,1709251199,4107542400,1136239445,1511376119,-62135596800,-62167219201,253402300800,1e15,-1e15,9223372036854774784,9.3e18,-9.3e18,NaN,Inf,-Inf}'::text[]) v;
-- clocks go forward and back elsewhere; here they do not
SET timezone = 'Europe/Berlin';
SELECT v, parts(v) FROM unnest('{1711846799,1711846800,1729990799,1729990800}'::text[]) v;
SET timezone = 'UTC';
-- every day of four centuries as PostgreSQL has it
CREATE TABLE days AS SELECT d, extract(epoch FROM d)::int8 AS s FROM generate_series(timestamp '1599-12-31', timestamp '2001-01-02', interval '37 days 5 hours 7 minutes') d;
SELECT count(*) AS wrong FROM days
 WHERE parts(s::text) <> concat_ws(' ', extract(year FROM d), extract(month FROM d), extract(day FROM d), extract(dow FROM d), extract(doy FROM d),
           extract(day FROM date_trunc('month', d) + interval '1 month' - interval '1 day'), extract(hour FROM d), extract(minute FROM d));
SELECT r('minute()', -90, 90, 30), r('day_of_week()', -86400, 86400, 86400), r('year()', -1, 1, 1);
SELECT q('hour(n{v=~"h|1.5"})');
SELECT q('year(nothing)');

-- ---- absent ----

SELECT q('absent(n)'), q('absent(nothing)'), q('absent(n{v="h"})'), q('absent(sum(nothing))');
SELECT q('absent(nothing{a="1",b!="2",c=~"x",d="4"})');
SELECT q('absent(nothing{a="1",a="2",b="3",b="3",c="4",c!="5"})');
SELECT q('absent((nothing{a="1"}))');
SELECT q('absent({__name__="nothing",a="1"})');
SELECT r('absent(ts{a="1"})', 0, 30, 10);

-- ---- order ----

INSERT INTO m (labels, time, value)
SELECT format('s{l="%s",k="%s"}', l, n % 2)::labels, at(60), CASE WHEN n = 3 THEN 'NaN' ELSE (n % 4)::float8 END
  FROM unnest('{a1,a10,a2,b,a,10,9,007,7,1.10,1.9,99999999999999999999,é,a2b10,a2b9}'::text[]) WITH ORDINALITY u (l, n);
INSERT INTO m (labels, time, value) VALUES ('s{k="none"}', at(60), -1);
INSERT INTO m (labels, time, histogram) VALUES ('s{l="a3"}', at(60), '{{count:1 sum:1}}');
SELECT ordered('sort(s{l!~"a.*"})');
SELECT ordered('sort_desc(s{l!~"a.*"})');
SELECT ordered('sort_by_label(s, "l")');
SELECT ordered('sort_by_label_desc(s, "l")');
SELECT ordered('sort_by_label(s{l=~"a|b|10|9"}, "k", "l")');
SELECT ordered('sort_by_label(s{l=~"a|b|10|9"})');
SELECT ordered('label_replace(sort_desc(s{l=~"a|b|10|9"}), "x", "y", "", "")');
SELECT r('sort(s{l=~"a|a3"})', 60, 120, 60);
SELECT r('sort_by_label(s{l=~"a|a3"}, "l")', 60, 120, 60);
SELECT r('sort(s{l=~"a|b"})', 60, 60, 60);
SELECT ordered('sort(nothing)');

-- ---- label_replace, label_join ----

INSERT INTO m (labels, time, value) VALUES
    ('l{src="source-10",other="x"}', at(60), 1), ('l{src="source-20"}', at(60), 2), ('l{other="y"}', at(60), 3);
SELECT q('label_replace(l, "dst", "[$1]", "src", "source-(.*)")');
SELECT q('label_replace(l, "dst", "$1-$2-$name", "src", "(?P<name>[a-z]+)-(.*)")');
SELECT q('label_replace(l, "dst", "$0/$3/${1}0/$$", "src", "(.*?)-(.*)")');
SELECT q('label_replace(l, "src", "", "src", ".*-10")');
SELECT q('label_replace(l, "dst", "empty", "nothing", "")');
SELECT q('label_replace(l, "dst", "no", "src", "ource")');
SELECT q('label_replace(l, "ünïcode.name", "$1", "src", "(.*)")');
SELECT q('label_replace(l, "__name__", "new_$1", "src", "source-(.*)")');
SELECT q('label_replace(abs(l), "__name__", "back", "src", "source-10")');
SELECT q('label_replace(abs(l), "name", "$1", "__name__", "(.*)")');
SELECT q('label_replace(label_replace(abs(l), "a", "b", "", ""), "name", "$1", "__name__", "(.*)")');
SELECT q('label_replace(l, "", "x", "src", "(.*)")');
SELECT q('label_replace(l, "dst", "x", "src", "(.*")');
SELECT q('label_replace(l, "dst", "x", "src", "(?=a)")');
SELECT q('label_replace(nothing, "dst", "x", "src", "(.*")');
SELECT q(format('label_replace(l, "dst", "%s", "src", "(.*)")', repeat('${1}', 10000)));
SELECT q('label_replace(n{v="h"}, "dst", "$1", "v", "(.*)")');
-- equal labels: two values at a time are an error, else they are one series
SELECT q('label_replace(l, "src", "same", "other|src", ".*")');
SELECT q('label_replace(l{src!=""}, "src", "same", "src", "source-.*")');
SELECT q('label_replace(label_replace(l{src!=""}, "src", "same", "src", "source-.*"), "other", "", "", "")');
INSERT INTO m (labels, time, value) VALUES
    ('c{i="1"}', at(10), 1), ('c{i="1"}', at(20), 'NaN'), ('c{i="2"}', at(400), 2), ('c{i="3"}', at(400), 3), ('d{i="2"}', at(800), 4);
INSERT INTO m (labels, time, histogram) VALUES ('c{i="2"}', at(800), '{{count:2 sum:3}}');
SELECT r('label_replace(c{i!="3"}, "i", "", "", "")', 0, 800, 200);
SELECT r('label_replace(c, "i", "", "", "")', 0, 800, 200);
SELECT r('label_replace({__name__=~"c|d",i="2"}, "__name__", "e", "", "")', 0, 800, 200);
SELECT r('abs(label_replace(c{i!="3"}, "i", "", "", ""))', 0, 800, 200);
SELECT q('abs({__name__=~"l|s",src="",l=""})');
SELECT q('label_join(l, "dst", "-", "src", "nothing", "other")');
SELECT q('label_join(l, "dst", ", ", "src")');
SELECT q('label_join(l, "src", "-")');
SELECT q('label_join(abs(l), "__name__", "_", "__name__", "other")');
SELECT q('label_join(l, "", "-", "src")');
SELECT q('label_join(l, "dst", "-", "")');
SELECT q('label_join(l, "other", "", "nothing")');

-- names that go at once
SET mytsdb.promql_delayed_name_removal = off;
SELECT q('abs(l)');
SELECT q('abs({__name__=~"c|d"})', 800);
SELECT q('abs({__name__=~"l|s",src="",l=""})');
SELECT q('label_replace(abs(l), "name", "$1", "__name__", "(.*)")');
SELECT r('abs({__name__=~"c|d",i!="3"})', 0, 800, 200);
RESET mytsdb.promql_delayed_name_removal;

-- ---- histograms ----

INSERT INTO m (labels, time, histogram) VALUES
    ('h{k="exponential"}', at(60), '{{schema:0 count:12 sum:100 z_bucket:2 z_bucket_w:0.5 buckets:[2 3 5]}}'),
    ('h{k="negative"}', at(60), '{{schema:0 count:6 sum:-10 n_buckets:[2 3 1]}}'),
    ('h{k="custom"}', at(60), '{{schema:-53 count:10 sum:20 custom_values:[1 2 5] buckets:[1 4 3 2]}}'),
    ('h{k="empty"}', at(60), '{{schema:0 count:0 sum:0}}'),
    ('h{k="nan"}', at(60), '{{schema:0 count:10 sum:NaN buckets:[4 4]}}');
INSERT INTO m (labels, time, value) VALUES ('h{k="float"}', at(60), 1);
SELECT f, q(format('%s(h)', f)) AS result
  FROM unnest('{histogram_count,histogram_sum,histogram_avg,histogram_stddev,histogram_stdvar}'::text[]) f;
SELECT phi, one(format('histogram_quantile(%s, h)', phi)) AS result FROM unnest('{0,0.1,0.5,0.95,1,-1,2,NaN}'::text[]) phi;
SELECT bounds, one(format('histogram_fraction(%s, h)', bounds)) AS result FROM unnest('{"-Inf, +Inf","0, 2","2, 2","3, 1","NaN, 1","-4, 0"}'::text[]) bounds;

INSERT INTO m (labels, time, value)
SELECT format('b_bucket{le="%s",i="%s"}', le, i)::labels, at(t), n * i * (t / 60)
  FROM (VALUES ('0.1', 1), ('1', 4), ('10', 8), ('+Inf', 10)) v (le, n), generate_series(1, 2) i, unnest('{60,120}'::int[]) t;
SELECT phi, one(format('histogram_quantile(%s, b_bucket)', phi)) AS result FROM unnest('{0,0.05,0.5,0.95,1,-1,2,NaN}'::text[]) phi;
SELECT bounds, one(format('histogram_fraction(%s, b_bucket)', bounds)) AS result FROM unnest('{"-Inf, +Inf","0, 1","0.05, 5","10, +Inf","3, 1","NaN, 1"}'::text[]) bounds;
SELECT q('histogram_quantile(0.5, sum by (le) (b_bucket))');
SELECT q('histogram_quantile(0.5, b_bucket{le!="+Inf"})');
SELECT q('histogram_quantile(0.5, b_bucket{le="+Inf"})');
SELECT q('histogram_quantile(0.5, nothing)');
SELECT q('histogram_quantile(7, nothing)');
SELECT r('histogram_quantile(time() / 120, b_bucket{i="1"})', 0, 180, 60);
SELECT q('histogram_quantiles(b_bucket, "q", 0.5, 0.95, 1, 0)');
SELECT q('histogram_quantiles(b_bucket{i="1"}, "q", 0.00001, 1e-7, NaN, -1, 2)');
SELECT q('histogram_quantiles(b_bucket, "q", 0.5, 0.5)');
SELECT q('histogram_quantiles(b_bucket, "", 0.5)');
SELECT q('histogram_quantiles(b_bucket, "i", 0.5)');
SELECT q('histogram_quantiles(h{k=~"custom|nan"}, "q", 0.5, 0.99)');
SELECT r('histogram_quantiles(b_bucket{i="1"}, "q", 0.5, time() / 120)', 60, 120, 30);
SELECT r('histogram_quantiles(b_bucket{i="1"}, "q", 0.25, time() / 120)', 60, 120, 30);
-- bounds that are none, equal bounds, both kinds of histograms of one name
INSERT INTO m (labels, time, value) VALUES
    ('bad_bucket{le="x\"y"}', at(60), 1), ('bad_bucket{le=" 1"}', at(60), 1), ('bad_bucket', at(60), 1), ('bad_bucket{le="1e999"}', at(60), 1),
    ('bad_bucket{le="1"}', at(60), 2), ('bad_bucket{le="1.0"}', at(60), 2), ('bad_bucket{le="Inf"}', at(60), 8);
SELECT q('histogram_quantile(0.5, bad_bucket)');
INSERT INTO m (labels, time, value) VALUES ('mixed{le="1"}', at(60), 5), ('mixed{le="+Inf"}', at(60), 10), ('mixed{le="1"}', at(120), 5), ('mixed{le="+Inf"}', at(120), 10);
INSERT INTO m (labels, time, histogram) VALUES
    ('mixed', at(60), '{{schema:0 count:2 sum:3 buckets:[1 1]}}'), ('mixed{le="+Inf"}', at(600), '{{schema:0 count:2 sum:3 buckets:[1 1]}}');
INSERT INTO m (labels, time, value) VALUES ('mixed', at(120), 'NaN'), ('mixed', at(500), 1);
SELECT q('histogram_quantile(0.5, mixed)');
SELECT r('histogram_quantile(0.5, mixed)', 60, 660, 60);
SELECT r('histogram_fraction(0, 1, mixed)', 60, 660, 60);
-- counts that fall
INSERT INTO m (labels, time, value)
SELECT format('falling_bucket{le="%s"}', le)::labels, at(t), n * t
  FROM (VALUES ('0.1', 2), ('1', 1), ('10', 5), ('100', 4), ('+Inf', 9)) v (le, n), unnest('{60,120}'::int[]) t;
INSERT INTO m (labels, time, value) VALUES ('close_bucket{le="1"}', at(60), 10), ('close_bucket{le="2"}', at(60), 9.99999999999999), ('close_bucket{le="+Inf"}', at(60), 20);
SELECT q('histogram_quantile(0.5, falling_bucket)');
SELECT r('histogram_quantile(0.5, falling_bucket)', 0, 120, 60);
SELECT q('histogram_quantiles(falling_bucket, "q", 0.5, 0.99)');
SELECT q('histogram_fraction(0, 1, falling_bucket)');
SELECT q('histogram_quantile(0.25, close_bucket)');

-- ---- info ----

INSERT INTO m (labels, time, value) VALUES
    ('i{instance="a",job="1"}', at(0), 1), ('i{instance="a",job="1"}', at(60), 2), ('i{instance="b",job="1"}', at(60), 3), ('i{other="c"}', at(60), 4),
    ('i{instance="a.b|c",job="1"}', at(60), 5),
    ('target_info{instance="a",job="1",version="1",zone="z"}', at(0), 1), ('target_info{instance="a",job="1",version="2",zone="z"}', at(50), 1),
    ('target_info{instance="a.b|c",job="1",version="3"}', at(0), 1),
    ('build_info{instance="a",job="1",build="7",zone="z"}', at(0), 1), ('clash_info{instance="a",job="1",zone="y"}', at(0), 1),
    ('tied_info{instance="b",job="1",v="1"}', at(60), 1), ('tied_info{instance="b",job="1",v="2"}', at(60), 1);
INSERT INTO m (labels, time, histogram) VALUES ('i{instance="a",job="1",kind="h"}', at(60), '{{count:1 sum:1}}'), ('odd_info{instance="a",job="1"}', at(60), '{{count:1 sum:1}}');
SELECT q('info(i)');
SELECT r('info(i{instance="a",kind=""})', 0, 60, 20);
SELECT q('info(i, {version=~".+"})');
SELECT q('info(i, {zone=~".*"})');
SELECT q('info(i{instance="a"}, {__name__=~"(target|build)_info"})');
SELECT q('info(i{instance="a"}, {__name__!~"(clash|odd)_info"})');
SELECT q('info(i{instance="a"}, {__name__=~"(target|clash)_info"})');
SELECT q('info(i{instance="a"}, {__name__="odd_info"})');
SELECT q('info(i{instance="b"}, {__name__="tied_info"})');
SELECT q('info(i{instance="a"}, {__name__="tied_info"})');
SELECT q('info(target_info)');
SELECT q('info(abs(i))');
SELECT q('info(i @ 0)');
SELECT r('info(i{instance="a"} offset 1m)', 60, 120, 60);
SELECT q('info(scalar(ts @ 0) * i{instance="a"})');
SELECT q('info(i{instance="a"} @ 0 or i{instance="b"} @ 60)');
SELECT q('info(sum by (instance, job) (last_over_time(i[5m] @ 0)))');
SELECT q('info(vector(1))');
SELECT q('info(nothing)');
SELECT q('sum by (version) (info(i))');

-- ---- the first and the last times that there are ----

CREATE TABLE ends (labels labels NOT NULL, time timestamptz NOT NULL, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO ends VALUES ('e', '4714-11-24 BC', 1), ('e', '294276-12-31 23:59:59.999', 2);
SELECT e.query, p.value FROM (VALUES ('time()'), ('timestamp(e)'), ('timestamp(vector(1))'), ('ts_of_max_over_time(e[1s])'),
        ('ts_of_last_over_time(e[1s])'), ('year()')) e (query),
    unnest('{4714-11-24 BC, 294276-12-31 23:59:59.999}'::timestamptz[]) at, promql(e.query, at, 'ends') p ORDER BY 1, 2;

-- ---- what calls have to do with others ----

SELECT q('sum(abs(n{v=~"-?0.5"}))');
SELECT r('abs(ts{a="1"} @ 20) + timestamp(ts{a="1"})', 30, 60, 10);
SELECT r('max_over_time(round(ts{a="1"} * 1.4)[40s:10s])', 40, 80, 20);
SET client_min_messages = warning;
DROP SCHEMA pqf CASCADE;
