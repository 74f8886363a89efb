-- promql() in SQL: its rows, its plans, who may read, where the planner does not reach.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA pq;
SET search_path = pq, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE FUNCTION at(seconds float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
    'SELECT timestamptz ''epoch'' + seconds * interval ''1 second''';

CREATE TABLE m (labels labels NOT NULL, time timestamptz NOT NULL, value float8, histogram histogram)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.duplicates = 'replace');
INSERT INTO m (labels, time, value)
SELECT format('requests_total{job="%s",instance="%s"}', job, i)::labels, at(t), t * i
  FROM unnest(ARRAY['api', 'web']) job, generate_series(1, 3) i, generate_series(0, 600, 15) t;
INSERT INTO m (labels, time, value) VALUES ('up{job="api"}', at(600), 1), ('up{job="web"}', at(600), 0);
INSERT INTO m (labels, time, histogram)
SELECT 'latency', at(t), format('{{schema:0 count:%s sum:%s buckets:[%s %s]}}', 2 * t, t, t, t)::histogram
  FROM generate_series(60, 600, 60) t;
CREATE TABLE owners (job text, team text);
INSERT INTO owners VALUES ('api', 'backend'), ('web', 'frontend');

-- Rows
SELECT * FROM promql('requests_total{instance="2"}', at(600), 'm');
SELECT * FROM promql('requests_total{job="api",instance="2"}', at(570), at(600), '15 s', 'm');
SELECT * FROM promql('requests_total{job="api",instance="2"}[31s]', at(600), 'm');
SELECT * FROM promql('latency', at(600), 'm');
SELECT * FROM promql('1 + 1', at(600), 'm');
SELECT * FROM promql('time()', at(0), at(30), '15 s', 'm');
SELECT * FROM promql('nothing', at(600), 'm');
SELECT * FROM promql(NULL, at(600), 'm');
SELECT * FROM promql('up', at(600), NULL);
SELECT * FROM promql('"text"', at(600), 'm');
SELECT promql_string('"text"', at(600), 'm'), promql_string(NULL);
SELECT promql_string('up', at(600), 'm');
SELECT promql_string('1', at(600), 'm');
SELECT promql_string('"a\x00b"', at(600), 'm');
SELECT labels ->> 'job' AS job, sum(value) FROM promql('requests_total', at(600), 'm') GROUP BY 1 ORDER BY 1;
SELECT * FROM promql(at => at(600), source => 'm', query => 'up');
SELECT count(*) FROM promql('1') a, promql('1', now() - interval '1 hour', now(), '15 s') b;

-- Plans
SELECT mytsdb.seal('m') >= 0 AS sealed, mytsdb.merge('m') >= 0 AS merged;
EXPLAIN (COSTS OFF) SELECT * FROM promql('up', at(600), 'm');
EXPLAIN (COSTS OFF) SELECT labels FROM promql('requests_total{job="api"}', at(0), at(600), '15 s', 'm') WHERE value > 100;
EXPLAIN (COSTS OFF, VERBOSE) SELECT p FROM promql('up', at(600), 'm') p;
EXPLAIN (COSTS OFF) SELECT o.team, p.value FROM promql('up', at(600), 'm') p JOIN owners o ON o.job = p.labels ->> 'job';
EXPLAIN (COSTS OFF) SELECT * FROM promql('up', at(600), 'm') WITH ORDINALITY;
EXPLAIN (COSTS OFF) SELECT * FROM ROWS FROM (promql('up', at(600), 'm'), generate_series(1, 2));
EXPLAIN (COSTS OFF) SELECT * FROM owners, promql(format('up{job="%s"}', job), at(600), 'm');
EXPLAIN (COSTS OFF) SELECT promql('up', at(600), 'm');
EXPLAIN (COSTS OFF) SELECT * FROM promql((SELECT 'up' || ''), at(600), 'm');
EXPLAIN (COSTS OFF) SELECT * FROM promql('up', clock_timestamp(), 'm');
EXPLAIN (COSTS OFF) UPDATE owners SET team = team FROM promql('up', at(600), 'm') p WHERE p.labels ->> 'job' = job;
-- what it did; memory is another one in every build
CREATE FUNCTION analyzed(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        RETURN NEXT regexp_replace(line, 'Memory: \d+', 'Memory: n');
    END LOOP;
END $$;
SELECT analyzed($$SELECT * FROM promql('up', at(600), 'm') LIMIT 1$$);
SELECT analyzed($$SELECT * FROM promql('sum by (job) (rate(requests_total[1m]))', at(60), at(600), '1 min', 'm')$$);
SELECT analyzed($$SELECT * FROM promql('up', at(600), 'm') WHERE false$$);
DO $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON, ANALYZE, VERBOSE) SELECT * FROM promql(''sum(requests_total) + 1'', pq.at(600), ''m'')' INTO plan;
    RAISE INFO '% %', plan #> '{0,Plan,"Custom Plan Provider"}', plan #> '{0,Plan,"Actual Rows"}';
    EXECUTE 'EXPLAIN (FORMAT JSON) SELECT * FROM promql(''requests_total'', pq.at(600), ''m'')' INTO plan;
    RAISE INFO '% rows expected', plan #> '{0,Plan,"Plan Rows"}';
END $$;
-- a wrong expression is found when the statement is planned
EXPLAIN SELECT * FROM promql('up{', at(600), 'm');
EXPLAIN SELECT * FROM promql('"s"', at(600), 'm');
EXPLAIN SELECT * FROM promql('up', at(600), 'pg_class');

-- Around it
SELECT o.team, p.value FROM promql('up', at(600), 'm') p JOIN owners o ON o.job = p.labels ->> 'job' ORDER BY 1;
SELECT o.team, p.value FROM owners o LEFT JOIN promql('up == 1', at(600), 'm') p ON o.job = p.labels ->> 'job' ORDER BY 1;
SELECT value FROM promql('requests_total', at(600), 'm') ORDER BY value DESC, labels LIMIT 2;
SELECT to_jsonb(p) - 'labels' AS row, p.labels FROM promql('up', at(600), 'm') p (labels, t, v, h) ORDER BY 2;
SELECT p FROM promql('up', at(600), 'm') p WHERE p.value = 1;
SELECT p IS NULL AS is_null, count(p) FROM promql('up', at(600), 'm') p GROUP BY 1;
SELECT * FROM promql('up', at(600), 'm') WITH ORDINALITY;
SELECT * FROM ROWS FROM (promql('up', at(600), 'm'), generate_series(1, 3)) AS r (l, t, v, h, i);
SELECT job, p.labels, p.value FROM owners, promql(format('up{job="%s"}', job), at(600), 'm') p ORDER BY 1;
SELECT job, (promql(format('up{job="%s"}', job), at(600), 'm')).value FROM owners ORDER BY 1;
SELECT promql('up', at(600), 'm') LIMIT 1;
SELECT * FROM promql((SELECT 'up' || ''), at(600), 'm') ORDER BY labels;
SELECT count(*) FROM generate_series(1, 1000) i, LATERAL (SELECT promql('requests_total', at(i), 'm') LIMIT 1) x;
WITH p AS MATERIALIZED (SELECT * FROM promql('up', at(600), 'm')) SELECT count(*) FROM p a, p b;
SELECT (SELECT sum(value) FROM promql(format('requests_total{job="%s"}', job), at(600), 'm')) FROM owners ORDER BY job;
SELECT t, (SELECT sum(value) FROM promql('requests_total', at(t), 'm')) FROM generate_series(0, 30, 15) t;
UPDATE owners SET team = team || '!' FROM promql('up == 1', at(600), 'm') p WHERE p.labels ->> 'job' = job RETURNING owners.*;
CREATE TABLE copied AS SELECT * FROM promql('requests_total', at(0), at(600), '60 s', 'm');
SELECT count(*), count(DISTINCT labels), min(time), max(time), sum(value) FROM copied;

-- the inner side of a nested loop, read again for each outer row
SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT * FROM owners o LEFT JOIN promql('up', at(600), 'm') p ON o.job < p.labels ->> 'job';
SELECT o.job, p.labels FROM owners o LEFT JOIN promql('up', at(600), 'm') p ON o.job < p.labels ->> 'job' ORDER BY 1;
RESET enable_material; RESET enable_hashjoin; RESET enable_mergejoin;
SELECT o.job, x.value FROM owners o, generate_series(1, 3) g,
       LATERAL (SELECT value FROM promql('up', at(600), 'm') p WHERE p.labels ->> 'job' = o.job OFFSET 0) x ORDER BY 1, 2;
SELECT i, (SELECT count(p) FROM promql('requests_total', at(600), 'm') p WHERE value > i * 300) AS more,
       (SELECT p FROM promql('requests_total', at(600), 'm') p WHERE value > i * 300 LIMIT 1) AS first,
       (SELECT max(value) FROM promql('vector(' || i || ')', at(i), 'm') WHERE value > i - 1) AS own
  FROM generate_series(1, 6) i;
SELECT analyzed($$SELECT (SELECT sum(value) FROM promql('requests_total', at(600), 'm') WHERE value > i) FROM generate_series(1, 100) i$$);

-- Prepared statements: arguments are evaluated when they are executed
PREPARE q (text, timestamptz) AS SELECT * FROM promql($1, $2, 'm') ORDER BY labels;
SET plan_cache_mode = force_generic_plan;
EXECUTE q ('up', at(600));
EXECUTE q ('up == 1', at(600));
EXECUTE q (NULL, at(600));
EXECUTE q ('up{', at(600));
EXPLAIN (COSTS OFF) EXECUTE q ('up', at(600));
RESET plan_cache_mode;
PREPARE n AS SELECT value = extract(epoch FROM now()) AS same FROM promql('time()', source => 'm');
EXECUTE n;
EXECUTE n;

-- Cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT labels, value FROM promql('requests_total', at(600), 'm');
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
MOVE FORWARD ALL FROM c;
FETCH BACKWARD 1 FROM c;
DECLARE d CURSOR FOR SELECT value FROM promql('requests_total{job="api"}', at(0), at(600), '15 s', 'm');
FETCH 2 FROM d;
CLOSE d;
-- a savepoint that is rolled back takes nothing from a query that goes on
DECLARE e CURSOR FOR SELECT value FROM promql('requests_total', at(600), 'm');
DECLARE f CURSOR FOR SELECT promql('requests_total', at(600), 'm');
DECLARE h CURSOR WITH HOLD FOR SELECT value FROM promql('requests_total', at(600), 'm');
SAVEPOINT s;
FETCH 1 FROM e;
FETCH 1 FROM f;
DECLARE g CURSOR FOR SELECT value FROM promql('requests_total', at(600), 'm');
FETCH 1 FROM g;
ROLLBACK TO s;
FETCH 1 FROM e;
FETCH 1 FROM f;
COMMIT;
FETCH 1 FROM h;
CLOSE h;

-- PL/pgSQL
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT * FROM promql('up', pq.at(600), 'm') ORDER BY labels LOOP
        RAISE INFO '%', r;
    END LOOP;
    FOR r IN SELECT * FROM promql('requests_total', pq.at(600), 'm') ORDER BY labels LOOP
        RAISE INFO '%', r;
        EXIT;
    END LOOP;
    BEGIN
        PERFORM * FROM promql('up{', pq.at(600), 'm');
    EXCEPTION WHEN syntax_error THEN
        RAISE INFO 'caught: %', SQLERRM;
    END;
    PERFORM promql('requests_total', pq.at(600), 'm') LIMIT 1;
END $$;

-- Annotations: once a statement
SELECT * FROM promql('rate(requests_total{instance="1"}[1m])', at(600), 'm') ORDER BY labels;
SELECT * FROM promql('rate(up[1m])', at(600), 'm');
SELECT o.job, count(p) FROM owners o, LATERAL promql('quantile(2, up)', at(600), 'm') p GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM promql('quantile(2, up)', at(600), 'm');

-- Errors
SELECT * FROM promql('up', at(10), at(0), '1 s', 'm');
SELECT * FROM promql('up', at(0), at(10), '0 s', 'm');
SELECT * FROM promql('up', at(0), at(10), '1 month', 'm');
SELECT * FROM promql('up', at(0), at(10), '1 microsecond', 'm');
SELECT * FROM promql('up', 'infinity', 'm');
SELECT * FROM promql('up[5m]', at(0), at(10), '1 s', 'm');
SELECT * FROM promql('up', at(600), 'owners');
SELECT * FROM promql('up', at(600), 'nothing');

-- Tables of one's own: other names and types of columns
CREATE TABLE ints (value int, t timestamp NOT NULL, l labels NOT NULL) USING mytsdb
    WITH (mytsdb.series_by = 'l', mytsdb.time_column = 't');
INSERT INTO ints VALUES (7, '1970-01-01 00:00:10', 'x{a="b"}'), (NULL, '1970-01-01 00:00:20', 'x{a="b"}');
SELECT * FROM promql('x', at(15), 'ints');
SELECT * FROM promql('x', at(25), 'ints');
CREATE TABLE days (labels labels NOT NULL, day date NOT NULL, amount numeric) USING mytsdb
    WITH (mytsdb.series_by = 'labels', mytsdb.time_column = 'day');
INSERT INTO days VALUES ('sales', '2024-01-01', 1.5), ('sales', '2024-01-02', 2.25);
SELECT * FROM promql('sales', '2024-01-02 00:01+00', 'days');
SELECT * FROM promql('sum_over_time(sales[7d])', '2024-01-03', 'days');
SELECT mytsdb.label_values('__name__', NULL, '2024-01-01 12:00+00', '2024-01-01 18:00+00', 'days') AS none,
       mytsdb.label_values('__name__', NULL, '2024-01-01 12:00+00', '2024-01-02 00:00+00', 'days') AS some;
CREATE TABLE two (labels labels NOT NULL, time timestamptz NOT NULL, a int2, b float4) USING mytsdb WITH (mytsdb.series_by = 'labels');
SELECT * FROM promql('x', at(15), 'two');
CREATE TABLE by_host (host text, time timestamptz NOT NULL, value float8) USING mytsdb WITH (mytsdb.series_by = 'host');
SELECT * FROM promql('x', at(15), 'by_host');
CREATE VIEW v AS SELECT * FROM m;
SELECT * FROM promql('x', at(15), 'v');

-- Own rows, and rows that are not there any more
BEGIN;
INSERT INTO m (labels, time, value) VALUES ('own', at(600), 5);
SELECT * FROM promql('own', at(600), 'm');
SAVEPOINT s;
INSERT INTO m (labels, time, value) VALUES ('own', at(600), 6);
SELECT value FROM promql('own', at(600), 'm');
ROLLBACK TO s;
SELECT value FROM promql('own', at(600), 'm');
ROLLBACK;
SELECT * FROM promql('own', at(600), 'm');

-- Privileges: of whoever runs the query
CREATE ROLE regress_pq;
GRANT USAGE ON SCHEMA pq TO regress_pq;
CREATE VIEW shown AS SELECT labels, value FROM promql('up', pq.at(600), 'pq.m');
CREATE FUNCTION definer() RETURNS SETOF float8 SECURITY DEFINER LANGUAGE sql
    AS $$SELECT value FROM public.promql('pq_up', pq.at(600), 'pq.m')
         UNION ALL SELECT value FROM public.promql('up', pq.at(600), 'pq.m') ORDER BY 1$$;
GRANT SELECT ON shown TO regress_pq;
SET ROLE regress_pq;
SELECT * FROM promql('up', at(600), 'm');
SELECT promql('up', at(600), 'm');
SELECT * FROM shown;
SELECT definer();
RESET ROLE;
GRANT SELECT ON m TO regress_pq;
SET ROLE regress_pq;
SELECT * FROM shown ORDER BY labels;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION promql(text, timestamptz, regclass) FROM PUBLIC;
SET ROLE regress_pq;
SELECT * FROM promql('up', at(600), 'm');
SELECT promql('up', at(600), 'm');
RESET ROLE;
GRANT EXECUTE ON FUNCTION promql(text, timestamptz, regclass) TO PUBLIC;
-- a function with settings or rights of its own is called
REVOKE SELECT ON m FROM regress_pq;
ALTER FUNCTION promql(text, timestamptz, regclass) SECURITY DEFINER SET work_mem = '1MB';
SET ROLE regress_pq;
SELECT * FROM promql('up', at(600), 'm') ORDER BY labels;
EXPLAIN (COSTS OFF) SELECT * FROM promql('up', at(600), 'm');
RESET ROLE;
ALTER FUNCTION promql(text, timestamptz, regclass) SECURITY INVOKER RESET ALL;
GRANT SELECT ON m TO regress_pq;
CREATE POLICY mine ON m USING (true);
ALTER TABLE m ENABLE ROW LEVEL SECURITY;
SET ROLE regress_pq;
SELECT * FROM promql('up', at(600), 'm');
RESET ROLE;
SELECT count(*) FROM promql('up', at(600), 'm');
ALTER TABLE m DISABLE ROW LEVEL SECURITY;

-- A source that is dropped or changed under a prepared statement
CREATE TABLE gone (labels labels NOT NULL, time timestamptz NOT NULL, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO gone VALUES ('x', at(600), 1);
PREPARE g AS SELECT value FROM promql('x', pq.at(600), 'gone');
EXECUTE g;
TRUNCATE gone;
EXECUTE g;
DROP TABLE gone;
\set VERBOSITY sqlstate
EXECUTE g;
\set VERBOSITY default

-- A query that takes long is cancelled in the middle
INSERT INTO m (labels, time, value)
SELECT format('big{i="%s"}', i)::labels, at(t), t FROM generate_series(1, 200) i, generate_series(0, 3600, 15) t;
-- (the limit goes with the error: it is none to what comes after)
BEGIN;
SET LOCAL statement_timeout = '200 ms';
SELECT count(*) FROM promql('sum(quantile_over_time(0.5, big[1h]))', at(0), at(3600), '2 ms', 'm');
ROLLBACK;
BEGIN;
SET LOCAL statement_timeout = '200 ms';
SELECT count(*) FROM promql('big', at(0), at(3600), '1 ms', 'm');
ROLLBACK;
BEGIN;
SET LOCAL statement_timeout = '200 ms';
SELECT length(mytsdb.query_range('sum(quantile_over_time(0.5, big[1h:10ms]))', at(0), at(3600), '1 s', 'm')::text);
ROLLBACK;
SELECT count(*) FROM promql('big', at(0), at(3600), '15 s', 'm');

SET client_min_messages = warning;
DROP SCHEMA pq CASCADE;
DROP ROLE regress_pq;
