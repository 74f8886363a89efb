-- Scans that are divided among parallel workers, and scans in workers: each query against
-- a heap table with the same rows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA parallel;
SET search_path = parallel, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- h: what is inserted; r: what is left of it where the last row of a key and time wins.
CREATE TABLE h (time timestamptz NOT NULL, host text, dev int, value float8, note text, n serial);
CREATE VIEW r AS SELECT DISTINCT ON (host, dev, time) * FROM h ORDER BY host, dev, time, n DESC;
CREATE TABLE t (LIKE h) USING mytsdb WITH (mytsdb.series_by = 'host, dev', mytsdb.shards = 4);
CREATE TABLE tr (LIKE h) USING mytsdb
  WITH (mytsdb.series_by = 'host, dev', mytsdb.shards = 4, mytsdb.duplicates = 'replace');

-- Rows of a hundred minutes, each of which has all keys, and comes again.
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO parallel.h
    SELECT timestamptz '2024-01-01' + (i / 60 % 100) * interval '1 minute',
           CASE i % 7 WHEN 5 THEN NULL ELSE 'h' || i % 7 END,
           i % 6,
           CASE WHEN i % 13 <> 0 THEN i END,
           CASE WHEN i % 17 <> 0 THEN 'note ' || i % 5 END,
           i
      FROM generate_series(first, last) i;
    INSERT INTO parallel.t SELECT * FROM parallel.h WHERE n BETWEEN first AND last;
    INSERT INTO parallel.tr SELECT * FROM parallel.h WHERE n BETWEEN first AND last;
END $$;
SELECT fill(1, 7000);
SELECT mytsdb.seal('t') >= 0 AS sealed, mytsdb.seal('tr') >= 0 AS sealed;
SELECT fill(7001, 14000);
SELECT mytsdb.seal('t') >= 0 AS sealed, mytsdb.seal('tr') >= 0 AS sealed;
SELECT fill(14001, 21000);
SELECT mytsdb.seal('t') >= 0 AS sealed, mytsdb.seal('tr') >= 0 AS sealed;
SELECT fill(21001, 25000);
ANALYZE h; ANALYZE t; ANALYZE tr;

-- Small tables are read alone.
EXPLAIN (COSTS OFF) SELECT host, count(*), sum(value) FROM t WHERE time < '2024-01-01 00:30' GROUP BY host;

SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;

-- Plans
SET enable_gathermerge = off; -- costs as much; autovacuum would decide
EXPLAIN (COSTS OFF) SELECT host, dev, sum(value), avg(value), count(note) FROM t GROUP BY host, dev;
RESET enable_gathermerge;
EXPLAIN (COSTS OFF) SELECT sum(value) FROM tr WHERE time >= '2024-01-01 00:20' AND host = 'h1' AND value > 10;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t; -- counted, not read
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY time DESC LIMIT 3; -- in order: not divided
EXPLAIN (COSTS OFF) SELECT max(ctid) FROM t; -- positions
EXPLAIN (COSTS OFF) SELECT value FROM t WHERE dev = 3 FOR SHARE;
ALTER TABLE t SET (parallel_workers = 1);
EXPLAIN (COSTS OFF) SELECT sum(value) FROM t;
ALTER TABLE t SET (parallel_workers = 0);
EXPLAIN (COSTS OFF) SELECT sum(value) FROM t;
ALTER TABLE t RESET (parallel_workers);

-- same('... T ...'): rows that only one of the tables has, and all rows of the heap's.
CREATE FUNCTION same(query text, ours text, OUT missing int8, OUT extra int8, OUT rows int8)
LANGUAGE plpgsql AS $$
DECLARE
    theirs text := CASE ours WHEN 'tr' THEN 'r' ELSE 'h' END;
    of_h text := regexp_replace(query, '\yT\y', theirs, 'g');
    of_t text := regexp_replace(query, '\yT\y', ours, 'g');
BEGIN
    EXECUTE 'CREATE TEMP TABLE of_h AS ' || of_h;
    EXECUTE 'CREATE TEMP TABLE of_t AS ' || of_t;
    SELECT (SELECT count(*) FROM (TABLE of_h EXCEPT ALL TABLE of_t) x),
           (SELECT count(*) FROM (TABLE of_t EXCEPT ALL TABLE of_h) x),
           (SELECT count(*) FROM of_h)
      INTO missing, extra, rows;
    DROP TABLE of_h, of_t;
END $$;
CREATE TABLE queries (query text);
INSERT INTO queries VALUES
    ('SELECT * FROM T'),
    ('SELECT host, dev, sum(value), count(*) c, count(note) FROM T GROUP BY host, dev'),
    ('SELECT sum(value), min(time), max(time), count(DISTINCT dev) FROM T'),
    ('SELECT count(value) FROM T WHERE time >= ''2024-01-01 00:31'' AND time < ''2024-01-01 01:10'''),
    ('SELECT time, value FROM T WHERE host = ''h3'' AND dev IN (1, 2, 5, 11)'),
    ('SELECT time, n FROM T WHERE host ~ ''[24]'' AND 12 / (dev + 1) > 2 AND value > 700'),
    ('SELECT a.n, b.n AS m FROM T a JOIN T b USING (time, host, dev) WHERE a.value < b.value AND a.dev < 3'),
    ('SELECT count(*) FROM T, generate_series(1, 3) g'),
    ('SELECT time_bucket(''10 minutes'', time) b, max(value) FROM T WHERE host IS NULL GROUP BY b'),
    ('SELECT n FROM T WHERE false'),
    ('SELECT n FROM T WHERE host = ''nobody''');
CREATE VIEW differences AS
    SELECT query, ours, d.* FROM queries, unnest(ARRAY['t', 'tr']) ours, same(query, ours) d
     WHERE missing <> 0 OR extra <> 0;
SELECT query, rows FROM queries, same(query, 't');
SELECT * FROM differences;

-- With other ways to run it: more rows of the log than work_mem, the leader not reading,
-- no worker to be had, one worker that does it all.
SET work_mem = '64kB';
SELECT * FROM differences;
RESET work_mem;
SET parallel_leader_participation = off;
SELECT * FROM differences;
RESET parallel_leader_participation;
SET max_parallel_workers = 0;
SELECT * FROM differences;
RESET max_parallel_workers;
SET force_parallel_mode = regress;
SELECT * FROM differences;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t;
RESET force_parallel_mode;
SET enable_partitionwise_aggregate = on;
SET enable_hashjoin = off;
SELECT * FROM differences;
RESET enable_hashjoin;

-- With rows that wait in the backend, of a subtransaction, too, and of one rolled back.
BEGIN;
SELECT fill(25001, 25500);
SELECT * FROM differences;
SELECT fill(25501, 26000);
SAVEPOINT a;
SELECT fill(26001, 27000);
SAVEPOINT b;
SELECT fill(27001, 27300);
ROLLBACK TO b;
SELECT * FROM differences;
SELECT fill(27301, 27400);
SELECT count(*), sum(n) FROM t WHERE n > 25000;
SELECT sum(n), count(value) FROM t WHERE n > 25000;
COMMIT;
SELECT * FROM differences;

-- A worker's function sees what the leader has written.
CREATE FUNCTION rows_of(text) RETURNS int8 LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT count(*) FROM parallel.t WHERE host = $1 $$;
CREATE TABLE hosts (host text);
INSERT INTO hosts SELECT 'h' || i FROM generate_series(0, 9) i;
ANALYZE hosts;
BEGIN;
INSERT INTO t SELECT '2025-01-01', 'h9', 1, 1, NULL, 100000 FROM generate_series(1, 9);
EXPLAIN (COSTS OFF) SELECT host, rows_of(host) FROM hosts WHERE rows_of(host) < 10;
SELECT host, rows_of(host) FROM hosts WHERE rows_of(host) < 10 ORDER BY host;
ROLLBACK;

-- Everything in one shard's series, one series, no series; blocks merged; nothing at all.
CREATE TABLE one (LIKE h) USING mytsdb WITH (mytsdb.series_by = '');
INSERT INTO one SELECT * FROM h;
SELECT count(*), sum(value), count(note) FROM one;
SELECT mytsdb.seal('one') >= 0 AS sealed;
SELECT sum(value), count(note) FROM one;
SELECT mytsdb.seal('t') >= 0 AS sealed, mytsdb.merge('t') >= 0 AS merged;
SELECT mytsdb.seal('tr') >= 0 AS sealed, mytsdb.merge('tr') >= 0 AS merged;
SELECT * FROM differences;
CREATE TABLE empty (LIKE h) USING mytsdb WITH (mytsdb.series_by = 'host');
SELECT sum(value), count(note) FROM empty;

-- A rescan, with other parameters; LIMIT that stops early.
SET enable_material = off;
EXPLAIN (COSTS OFF)
SELECT d, (SELECT sum(value) FROM t WHERE dev = d) FROM generate_series(1, 3) d;
SELECT d, (SELECT sum(value) FROM t WHERE n % 6 < x.sum AND note IS NOT NULL)
  FROM (SELECT d, sum(d) OVER (ORDER BY d) FROM generate_series(1, 4) d) x;
SET enable_hashjoin = off; SET enable_mergejoin = off;
EXPLAIN (COSTS OFF)
SELECT d, s.dev, s.m FROM generate_series(1, 3) d LEFT JOIN (SELECT dev, max(value) AS m FROM tr GROUP BY dev OFFSET 0) s ON s.dev > d;
SELECT d, s.dev, s.m FROM generate_series(1, 3) d LEFT JOIN (SELECT dev, max(value) AS m FROM tr GROUP BY dev OFFSET 0) s ON s.dev > d ORDER BY d, dev;
EXPLAIN (COSTS OFF)
SELECT d, count(*) FROM generate_series(1, 3) d, (SELECT n FROM t WHERE value > 0 LIMIT 1000) x GROUP BY d;
SELECT d, count(*) FROM generate_series(1, 3) d, (SELECT n FROM t WHERE value > 0 LIMIT 1000) x GROUP BY d ORDER BY d;
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_material;
SELECT count(*) FROM (SELECT value FROM t WHERE value > 0 LIMIT 10) x;
SELECT count(*) FROM (SELECT n, note FROM tr LIMIT 3000) x;

-- Errors, here or in a worker; what comes after is not harmed.
DO $$
DECLARE
    sum numeric;
BEGIN
    FOR i IN 1 .. 5 LOOP
        BEGIN
            PERFORM sum(1 / (n - 22040 - i * 600)) FROM parallel.tr;
            RAISE NOTICE 'no error';
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
        BEGIN
            PERFORM sum(1 / (n - i * 5000)) FROM parallel.t;
            RAISE NOTICE 'no error';
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
        SELECT sum(value) INTO sum FROM parallel.t WHERE n % 5 = i - 1;
        RAISE NOTICE '%', sum;
    END LOOP;
END $$;
SELECT sum(1 / (n - 12345)) IS NULL FROM t WHERE n <> 12345;

-- Parameters that are known late.
SELECT count(value) FROM t WHERE time > (SELECT max(time) - interval '10 minutes' FROM h);
PREPARE p AS SELECT sum(value) FROM tr WHERE host = $1 AND time < $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE p('h1', '2024-01-01 00:50');
EXECUTE p('h2', '2024-01-01 01:00');
RESET plan_cache_mode;

-- Partitions
CREATE TABLE parts (LIKE h) PARTITION BY RANGE (time);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('2024-01-01 00:50')
  USING mytsdb WITH (mytsdb.series_by = 'dev');
CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM ('2024-01-01 00:50') TO (MAXVALUE)
  USING mytsdb WITH (mytsdb.series_by = 'dev');
INSERT INTO parts SELECT * FROM h;
EXPLAIN (COSTS OFF) SELECT sum(value) FROM parts;
SELECT sum(p.value) - sum(h.value) AS difference
  FROM (SELECT sum(value) AS value FROM parts) p, (SELECT sum(value) AS value FROM h) h;

-- What fills a table of ours while it reads in parallel.
SET mytsdb.buffer_memory = '64kB'; SET mytsdb.bulk_memory = '1MB';
CREATE TABLE copy USING mytsdb WITH (mytsdb.series_by = 'host') AS SELECT * FROM t WHERE value > 100;
CREATE MATERIALIZED VIEW summed USING mytsdb WITH (mytsdb.series_by = 'host') AS
  SELECT time, host, sum(value) FROM tr GROUP BY time, host;
REFRESH MATERIALIZED VIEW summed;
RESET mytsdb.buffer_memory; RESET mytsdb.bulk_memory;
SELECT (SELECT sum(value) FROM copy) - (SELECT sum(value) FROM h WHERE value > 100) AS difference;
SELECT (SELECT sum(sum) FROM summed) - (SELECT sum(value) FROM r) AS difference;

-- EXPLAIN ANALYZE has the sums of all processes.
CREATE FUNCTION read(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query
    LOOP
        IF line ~ 'Rows:|Keys|Condition' THEN
            RETURN NEXT trim(line);
        END IF;
    END LOOP;
END $$;
INSERT INTO t SELECT * FROM h WHERE n <= 1000;
SELECT count(*) + 1000 AS rows FROM h;
SELECT read('SELECT sum(value) FROM t');
SET parallel_leader_participation = off;
SELECT read('SELECT sum(value) FROM t');
RESET parallel_leader_participation;
SET max_parallel_workers_per_gather = 0;
SELECT read('SELECT sum(value) FROM t');
SET max_parallel_workers_per_gather = 2;

-- Isolation levels
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(value) FROM t;
SELECT mytsdb.seal('t'); -- not in here
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(value), sum(n) FROM tr;
INSERT INTO tr VALUES ('2025-01-01', 'x', 1, 1, 'x', 1);
SELECT count(value), sum(n) FROM tr;
COMMIT;

SET client_min_messages = warning;
DROP SCHEMA parallel CASCADE;
