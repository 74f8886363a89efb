-- labels as PostgreSQL uses a type: indexes, joins, groups, partitions, parallel plans,
-- large values, arrays, domains; and the planner's estimates.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
CREATE SCHEMA labels_plan_test;
SET search_path = labels_plan_test, public;

CREATE FUNCTION node_types(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        line := substring(line FROM '^\s*(?:->\s*)?((?:Parallel |Merge|Hash|Index|Bitmap|Seq|Nested|Group|Sort|Unique|Append|Gather|Incremental)[A-Za-z ]*)');
        IF line IS NOT NULL THEN
            RETURN NEXT trim(line);
        END IF;
    END LOOP;
END
$$;

-- 10 jobs x 50 instances x 4 codes, one of ten has no code
CREATE TABLE s (id serial, l labels);
INSERT INTO s (l)
SELECT labels(ARRAY['__name__', 'job', 'instance', 'code'],
              ARRAY['requests', 'job' || j, 'host' || i, CASE WHEN j = 0 THEN NULL ELSE c || '00' END])
  FROM generate_series(0, 9) j, generate_series(1, 50) i, generate_series(2, 5) c;
ANALYZE s;

-- Indexes
CREATE INDEX s_btree ON s (l);
CREATE INDEX s_hash ON s USING hash (l);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT node_types($$SELECT * FROM s WHERE l = 'requests{job="job3",instance="host7",code="200"}'$$);
SELECT id FROM s WHERE l = 'requests{job="job3",instance="host7",code="200"}';
DROP INDEX s_hash;
SELECT node_types($$SELECT * FROM s WHERE l = 'requests{job="job3",instance="host7",code="200"}'$$);
SELECT id FROM s WHERE l = 'requests{job="job3",instance="host7",code="200"}';
SELECT count(*) FROM s WHERE l > 'requests{code="400"}' AND l <= 'requests{code="500"}';
SELECT count(*) FROM (SELECT l, lag(l) OVER () AS before FROM (SELECT l FROM s ORDER BY l) x) y WHERE before > l;
RESET enable_seqscan;
SELECT count(*) FROM s WHERE l > 'requests{code="400"}' AND l <= 'requests{code="500"}';
RESET enable_bitmapscan;
DROP INDEX s_btree;
CREATE UNIQUE INDEX ON s (l) WHERE l ? 'code';
INSERT INTO s (l) VALUES ('requests{code="200",instance="host1",job="job1"}');
INSERT INTO s (l) VALUES ('{job="job0"}'), ('{job="job0"}');
DELETE FROM s WHERE l = '{job="job0"}';
INSERT INTO s (l) VALUES ('{code="200",instance="host1",job="job1",__name__="requests"}') ON CONFLICT DO NOTHING;

-- Joins, groups, distinct
CREATE TABLE s2 AS SELECT l, id FROM s;
ANALYZE s2;
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT node_types('SELECT * FROM s JOIN s2 USING (l)');
SELECT count(*) FROM s JOIN s2 USING (l);
SET enable_mergejoin = on; SET enable_hashjoin = off;
SELECT node_types('SELECT * FROM s JOIN s2 USING (l)');
SELECT count(*) FROM s JOIN s2 USING (l);
RESET enable_mergejoin; RESET enable_nestloop; RESET enable_hashjoin;
SELECT l - '{instance,code,__name__}'::text[] AS job, count(*) FROM s GROUP BY 1 ORDER BY 1 LIMIT 3;
SET enable_hashagg = off;
SELECT count(*) FROM (SELECT DISTINCT l - 'instance' FROM s) x;
SET enable_hashagg = on; SET enable_sort = off;
SELECT count(*) FROM (SELECT DISTINCT l - 'instance' FROM s) x;
RESET enable_hashagg; RESET enable_sort;
SELECT count(*) FROM (SELECT l FROM s EXCEPT SELECT l FROM s2) x;

-- Hash partitions
CREATE TABLE p (l labels, v int) PARTITION BY HASH (l);
CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE p2 PARTITION OF p FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE p3 PARTITION OF p FOR VALUES WITH (MODULUS 4, REMAINDER 3);
INSERT INTO p SELECT l, id FROM s;
-- (the share of each is stored data: it may never change)
SELECT tableoid::regclass, count(*) FROM p GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM p WHERE l = 'requests{job="job3",instance="host7",code="200"}';
SELECT count(*) AS partitions_scanned
  FROM node_types($$SELECT * FROM p WHERE l = 'requests{job="job3",instance="host7",code="200"}'$$);
CREATE TABLE r (l labels) PARTITION BY RANGE (l);
CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (MINVALUE) TO ('{a="b"}');
CREATE TABLE r2 PARTITION OF r FOR VALUES FROM ('{a="b"}') TO (MAXVALUE);
INSERT INTO r VALUES ('{}'), ('{a="b"}'), ('{a="a"}') RETURNING tableoid::regclass, l;

-- Parallel plans
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE s SET (parallel_workers = 2);
SELECT node_types($$SELECT count(*) FROM s WHERE l ~ '{job=~"job[1-3]"}'$$);
SELECT count(*) FROM s WHERE l ~ '{job=~"job[1-3]",code!="200"}';
SELECT count(*) FROM s WHERE l - 'x' || '{y="z"}' @> labels('{y}', '{z}') AND l ? 'code' AND l::jsonb ? 'job'
   AND l ->> 'job' = 'job1' AND l::text ~ 'requests' AND metric_name(l) = 'requests' AND 'job' = ANY (label_names(l));
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- Large values: compressed, out of line, and compared as such
CREATE TABLE big (id int, l labels);
ALTER TABLE big ALTER l SET STORAGE external;
INSERT INTO big SELECT i, labels(ARRAY['id', 'x'], ARRAY[i::text, repeat(md5(i::text), 1500)]) FROM generate_series(1, 5) i;
ALTER TABLE big ALTER l SET STORAGE extended;
INSERT INTO big SELECT i, labels(ARRAY['id', 'x'], ARRAY[i::text, repeat('x', 60000)]) FROM generate_series(6, 9) i;
SELECT id, pg_column_size(l) > 40000 AS plain, l ->> 'id' AS label, l ? 'x' AS x, l ~ '{x=~".{900}.*[0-9a-f]",id!="3"}' AS m,
       l - 'x' AS rest, length(l::text) AS text
  FROM big WHERE id > 2 ORDER BY l DESC;
SELECT count(*) FROM big a JOIN big b USING (l);
SELECT a.id FROM big a WHERE l = (SELECT l FROM big WHERE id = 7);

-- In arrays, domains, row types, functions
SELECT array_agg(l ORDER BY l) AS a, array_agg(l ORDER BY l) @> ARRAY['{a="1"}'::labels] AS contains
  FROM (VALUES ('up{a="x\"y, z"}'::labels), ('{a="1"}'), (NULL)) v(l);
SELECT ('{"up{a=\"1\"}","{}",NULL}'::labels[])[1];
SELECT array_position('{up,down}'::labels[], 'down');
CREATE DOMAIN metric AS labels CHECK (VALUE ? '__name__');
SELECT 'up{a="b"}'::metric ->> 'a';
SELECT '{a="b"}'::metric;
CREATE TYPE sample AS (l labels, v float8);
SELECT s, (s).l FROM (SELECT ROW('up{a="b c"}', 1)::sample AS s) x;
SELECT ROW('up', 1)::sample = ROW('{"up"}', 1)::sample AS same, ROW('up', 1)::sample < ROW('upper', 1)::sample AS less;
SELECT min(l::text::labels::text) FROM s;
CREATE VIEW v AS SELECT l FROM s WHERE l ~ 'requests{job=~"job[12]"}' AND NOT l @> '{code="200"}' AND l ->> 'instance' = 'host1';
SELECT pg_get_viewdef('v'::regclass);
SELECT count(*) FROM v;

-- Estimates: within a factor of three of the truth
CREATE FUNCTION estimate(condition text, relation regclass = 's') RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE format('EXPLAIN (FORMAT json) SELECT * FROM %s WHERE %s', relation, condition) INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END
$$;
CREATE FUNCTION truth(condition text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM s WHERE %s', condition) INTO n;
    RETURN n;
END
$$;
ALTER TABLE s RESET (parallel_workers);
ALTER TABLE s ALTER l SET STATISTICS 1000;
ANALYZE s;
SELECT condition, estimate(condition) BETWEEN (truth(condition) - 30) / 3 AND (truth(condition) + 30) * 3 AS sane
  FROM unnest(ARRAY[
    $$l = 'requests{job="job3",instance="host7",code="200"}'$$,
    $$l ~ 'requests'$$, $$l ~ 'none'$$, $$l ~ '{job="job1"}'$$, $$l ~ '{job=~"job[1-5]"}'$$,
    $$l ~ '{job!="job1"}'$$, $$l ~ '{job!~"job[1-5]"}'$$, $$l ~ '{code=""}'$$, $$l ~ '{code!=""}'$$,
    $$l !~ 'requests'$$, $$l !~ '{job=~"job[1-5]"}'$$, $$l ~ '{}'$$,
    $$l @> '{code="200"}'$$, $$l @> '{}'$$, $$'{code="200"}' <@ l$$, $$l <@ '{}'$$,
    $$l ? 'code'$$, $$l ? 'none'$$, $$l ?& '{job,code}'$$, $$l ?| '{none,code}'$$
  ]) condition;
-- !~ is the complement of ~
SELECT s, abs(estimate(format('l ~ %L', s)) + estimate(format('l !~ %L', s)) - 2000) <= 5 AS complement
  FROM unnest(ARRAY['requests', '{job="job1"}', '{job=~"job[1-5]"}', '{}', 'none']) s;
-- Without statistics by shape: more conditions, fewer rows
CREATE TABLE unknown (l labels) WITH (autovacuum_enabled = off);
INSERT INTO unknown SELECT l FROM s;
WITH e AS (
    SELECT ord, estimate(format('l ~ %L', s), 'unknown') AS rows
      FROM unnest(ARRAY['{a="b",c="d"}', '{a="b"}', '{a=~"b|c"}', '{a=~"b.*"}', '{a=~".*b"}',
                        '{a!=""}', '{a!="b"}', '{}']) WITH ORDINALITY v(s, ord))
SELECT bool_and(rows >= before) AS ordered, max(rows) > 50 * min(rows) AS spread
  FROM (SELECT rows, lag(rows) OVER (ORDER BY ord) AS before FROM e) x;
SELECT s, abs(estimate(format('l ~ %L', s), 'unknown') + estimate(format('l !~ %L', s), 'unknown') - estimate('true', 'unknown')) <= 2 AS complement
  FROM unnest(ARRAY['requests', '{job="job1"}', '{job=~"job[1-5]"}', '{}']) s;
-- A pattern that also matches the empty string selects rows without the label
SELECT estimate($$l ~ '{a=~"|b"}'$$, 'unknown') >= estimate($$l ~ '{a=""}'$$, 'unknown') AS empty,
       estimate($$l ~ '{a!~"|b"}'$$, 'unknown') <= estimate($$l ~ '{a!=""}'$$, 'unknown') AS not_empty;
SELECT estimate($$l @> '{a="b",c="d"}'$$, 'unknown') < estimate($$l @> '{a="b"}'$$, 'unknown') AS containment;
-- A faulty selector is the executor's to report
EXPLAIN (COSTS OFF) SELECT * FROM s WHERE l ~ 'up{';
EXPLAIN (COSTS OFF) SELECT * FROM s WHERE l !~ 'up{';
-- and so is one of a column of selectors, even if statistics hold it
CREATE TABLE selectors AS
SELECT CASE i % 3 WHEN 0 THEN 'up{' ELSE '{a="' || i % 3 || '"}' END AS selector, i % 3 > 0 AS valid
  FROM generate_series(1, 60) i;
ANALYZE selectors;
EXPLAIN (COSTS OFF) SELECT * FROM selectors WHERE '{a="1"}'::labels ~ selector AND valid;
EXPLAIN (COSTS OFF) SELECT * FROM selectors WHERE '{a="1"}'::labels !~ selector AND valid;
-- An unknown selector, and one from another table
PREPARE q(text) AS SELECT count(*) FROM s WHERE l ~ $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE q('{job="job1"}');
EXECUTE q(NULL);
EXECUTE q('{job="job2",code="200"}');
RESET plan_cache_mode;
SELECT estimate('l ~ (SELECT max(selector) FROM (VALUES (''up'')) v(selector))') > 0 AS some,
       estimate('EXISTS (SELECT FROM (SELECT l::text AS t FROM unknown OFFSET 0) x WHERE s.l !~ x.t)') > 0 AS some_join;
DROP SCHEMA labels_plan_test CASCADE;
