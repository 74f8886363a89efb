-- How SQL reads tables USING mytsdb: conditions that the scan takes over, the order of
-- time, counting; each against a heap table with the same rows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA scan;
SET search_path = scan, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE TABLE h (time timestamptz NOT NULL, host text, dev int8, value float8, note text);
CREATE TABLE t (LIKE h) USING mytsdb WITH (mytsdb.series_by = 'host, dev');

-- Rows in sealed blocks, in the log, and waiting in the backend; late and infinite times,
-- duplicates, keys that are null or look like numbers.
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO scan.h
    SELECT CASE WHEN i % 1009 = 0 THEN timestamptz 'infinity'
                WHEN i % 997 = 0 THEN timestamptz '-infinity'
                WHEN i % 101 = 0 THEN timestamptz '2024-01-01' + i * interval '1 minute'
                ELSE timestamptz '2024-01-01' + (i / 3) * interval '20 seconds' END,
           CASE i % 7 WHEN 5 THEN NULL WHEN 6 THEN '6' ELSE 'h' || i % 7 END,
           CASE WHEN i % 11 = 3 THEN NULL ELSE i % 3 END,
           CASE WHEN i % 13 <> 0 THEN i / 10.0 END,
           CASE WHEN i % 17 <> 0 THEN 'note ' || i % 5 END
      FROM generate_series(first, last) i;
$$;
SELECT fill(1, 9000);
INSERT INTO t SELECT * FROM h;
SELECT mytsdb.seal('t') >= 0 AS sealed;
SELECT fill(9001, 12000);
INSERT INTO t SELECT * FROM h OFFSET 9000;
SELECT mytsdb.seal('t') >= 0 AS sealed;
SELECT fill(12001, 15000);
INSERT INTO t SELECT * FROM h OFFSET 12000;
ANALYZE h;
ANALYZE t;

-- same('... T ...'): rows that only one of the tables has, and all rows of the heap table.
CREATE FUNCTION same(query text, OUT missing int8, OUT extra int8, OUT rows int8)
LANGUAGE plpgsql AS $$
DECLARE
    of_h text := regexp_replace(query, '\yT\y', 'h', 'g');
    of_t text := regexp_replace(query, '\yT\y', 't', 'g');
BEGIN
    EXECUTE format('SELECT (SELECT count(*) FROM ((%1$s) EXCEPT ALL (%2$s)) x),'
                   '       (SELECT count(*) FROM ((%2$s) EXCEPT ALL (%1$s)) x),'
                   '       (SELECT count(*) FROM (%1$s) x)', of_h, of_t)
       INTO missing, extra, rows;
END $$;

-- Time
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE time >= '2024-01-01 03:00' AND time < '2024-01-01 04:00';
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE '2024-01-01 03:00' < time AND value > 10;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE time BETWEEN now() - interval '1 hour' AND now();
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE time = timestamp '2024-01-01 03:00';
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE time > clock_timestamp();
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE time > (SELECT max(time) FROM h WHERE time < 'infinity') - interval '1 hour';
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE time <> '2024-01-01 03:00';
SELECT c, r.* FROM unnest(ARRAY[
    'true',
    'time >= ''2024-01-01 03:00'' AND time < ''2024-01-01 04:00''',
    'time > ''2024-01-01 03:00'' AND time <= ''2024-01-01 03:00:20''',
    'time = ''2024-01-01 03:00''',
    '''2024-01-01 03:00'' >= time',
    'time BETWEEN ''2024-01-01 03:00'' AND ''2024-01-01 05:00'' AND value > 100',
    'time BETWEEN ''2024-01-02'' AND ''2024-01-01''',
    'time BETWEEN SYMMETRIC ''2024-01-01 05:00'' AND ''2024-01-01 03:00''',
    'time > ''infinity''', 'time >= ''infinity''', 'time = ''infinity''', 'time < ''infinity''',
    'time < ''-infinity''', 'time <= ''-infinity''', 'time = ''-infinity''', 'time > ''-infinity''',
    'time > NULL', 'time = NULL::timestamptz',
    'time >= timestamp ''2024-01-01 03:00''', 'time < timestamp ''infinity''',
    'time < timestamp ''294276-12-31 23:59:59''', 'time > timestamp ''4714-11-24 00:00:00 BC''',
    'time >= date ''2024-01-02''', 'time < date ''2024-01-02''', 'time > date ''infinity''',
    'time < date ''5874897-12-31''', 'time >= date ''5874897-12-31''',
    'time > (SELECT min(time) FROM h WHERE time > ''-infinity'') + interval ''1 hour''',
    'time IN (''2024-01-01 03:00'', ''2024-01-01 04:00'')',
    'time::date = ''2024-01-01''', 'time + interval ''1 hour'' < ''2024-01-01 02:00''']) c,
    same('SELECT * FROM T WHERE ' || c) r;

-- Series
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE host = 'h1' AND dev = 2;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE host IN ('h1', 'h2') AND dev IS NULL AND value > 3;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE host LIKE 'h%' AND dev::text = '1';
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE host ~ '^h[12]$' OR dev = 1;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE host || note = 'h1note 1';
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE host = 'h1' AND random() < 2;
SELECT c, r.* FROM unnest(ARRAY[
    'host = ''h1'' AND dev = 2', '''h1'' = host AND 2::int2 = dev', 'host = ''h1''',
    'host = ''h1'' AND host = ''h2'' AND dev = 1', 'host = ''nobody'' AND dev = 1',
    'host = ''h1'' AND dev = NULL', 'host IS NULL AND dev = 1', 'host IS NULL AND dev IS NULL',
    'host IS NOT NULL AND dev = 1', 'dev = 1', 'dev < 2', 'dev = 1.0', 'dev IS DISTINCT FROM 1',
    'host IN (''h1'', ''h2'', ''h1'', NULL) AND dev = ANY (ARRAY[1, 2])',
    'host = ANY (NULL::text[]) AND dev = 1', 'host = ANY (''{}'') AND dev = 1',
    'host <> ALL (ARRAY[''h1'', ''h2''])', 'host NOT IN (''h1'', ''h2'')',
    'host = repeat(''x'', 100000) AND dev = 1', 'host LIKE ''h%''', 'host ILIKE ''H1''',
    'host ~ ''^h[12]$'' OR dev = 1', 'length(host) = 1', 'coalesce(host, ''h1'') = ''h1''',
    'host = ''h1'' AND dev = 2 AND length(host) = 1', 'host = ''h1'' AND dev = 2 AND time > ''2024-01-01 08:00''',
    'host COLLATE "C" < ''h2''', 'dev = 1 AND value > 700', 'host = note', 'dev = value',
    'CASE WHEN host ~ ''^[0-9]+$'' THEN host::int = 6 ELSE false END',
    'T IS NOT NULL', 'host = ''h1'' AND dev = (SELECT 1)',
    'EXISTS (SELECT FROM h o WHERE o.host = T.host AND o.dev > 1)',
    'host IN (SELECT host FROM h o WHERE value > 1499)']) c,
    same('SELECT * FROM T WHERE ' || c) r;
SELECT same('SELECT host, dev, count(*), count(value), sum(value)::numeric(20, 2) FROM T GROUP BY 1, 2');
SELECT same('SELECT note FROM T');
SELECT same('SELECT T::text FROM T WHERE dev = 1');
SELECT count(*) FROM t WHERE tableoid = 't'::regclass;
SELECT count(DISTINCT ctid) FROM t;
SELECT * FROM t WHERE ctid = '(0,1)';

-- A key that no visible row has raises no error, one that has does.
CREATE TABLE judged (time timestamptz NOT NULL, host text) USING mytsdb WITH (mytsdb.series_by = 'host');
INSERT INTO judged VALUES ('2024-01-01', '1'), ('2024-01-02', '2');
BEGIN;
INSERT INTO judged VALUES ('2024-01-01', 'bad');
SELECT * FROM judged WHERE host::int > 1;
ROLLBACK;
SELECT * FROM judged WHERE host::int > 1;
SELECT mytsdb.seal('judged') > 0 AS sealed;
SELECT * FROM judged WHERE host::int > 1;
SELECT count(*) FROM judged WHERE host::int > 1;

-- Labels
CREATE TABLE m (labels labels, time timestamptz, value float8) USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO m
SELECT format('up{job="%s",instance="i%s"}', CASE WHEN i % 2 = 0 THEN 'api' ELSE 'db' END, i % 6)::labels,
       timestamptz '2024-01-01' + i * interval '1 s', i FROM generate_series(0, 599) i;
EXPLAIN (COSTS OFF) SELECT * FROM m WHERE labels = 'up{instance="i1",job="db"}';
EXPLAIN (COSTS OFF) SELECT * FROM m WHERE labels ~ '{job="api"}' AND labels !~ '{instance="i2"}' AND time > '2024-01-01 00:05';
EXPLAIN (COSTS OFF) SELECT * FROM m WHERE labels @> '{job="api"}' AND labels->>'instance' = 'i4';
SELECT count(*) FROM m WHERE labels = 'up{instance="i1",job="db"}';
SELECT count(*) FROM m WHERE labels IN ('up{instance="i1",job="db"}', 'up{instance="i2",job="api"}', 'x');
SELECT count(*), min(value), max(value) FROM m WHERE labels ~ '{job="api"}' AND labels !~ '{instance="i2"}' AND time > '2024-01-01 00:05';
SELECT count(*) FROM m WHERE labels @> '{job="api"}' AND labels->>'instance' = 'i4';
SELECT count(*) FROM m WHERE labels ~ '{job=~"a|d"}';
SELECT count(*) FROM m WHERE labels ~ '{job=';

-- Counting
EXPLAIN (COSTS OFF) SELECT count(*) FROM t;
EXPLAIN (COSTS OFF) SELECT count(*) + 1, count(time) FROM t WHERE time > '2024-01-01 03:00' AND host = 'h1';
EXPLAIN (COSTS OFF) SELECT count(*) FROM t WHERE value > 3;
EXPLAIN (COSTS OFF) SELECT count(value) FROM t;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t HAVING count(*) > 1;
EXPLAIN (COSTS OFF, VERBOSE) SELECT count(*), count(*) * 2 AS twice FROM t;
SELECT q, r.* FROM unnest(ARRAY[
    'SELECT count(*) FROM T', 'SELECT count(*) + 1, count(time) FROM T', 'SELECT count(*) FROM T WHERE value > 3',
    'SELECT count(*) FROM T WHERE time > ''2024-01-01 03:00'' AND host = ''h1''',
    'SELECT count(*) FROM T WHERE host = ''nobody''', 'SELECT count(*) FROM T WHERE time > NULL',
    'SELECT count(value), count(*) FROM T', 'SELECT count(DISTINCT host) FROM T',
    'SELECT count(*) FILTER (WHERE value > 3) FROM T', 'SELECT count(*) FROM T HAVING count(*) > 100000',
    'SELECT 1 FROM T', 'SELECT count(*) FROM T WHERE false',
    'SELECT x, (SELECT count(*) FROM T WHERE host = x) FROM unnest(ARRAY[''h1'', ''h2'', ''x'']) x',
    'SELECT x, c FROM unnest(ARRAY[1, 5]) x, LATERAL (SELECT count(*) c FROM T WHERE time < timestamptz ''2024-01-01'' + x * interval ''1 hour'') y',
    'SELECT count(*) OVER () FROM T LIMIT 1', 'SELECT count(*) FROM T x, T y WHERE x.time = y.time AND x.dev = 1 AND y.dev = 2']) q,
    same(q) r;

-- Newest and oldest rows
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY time DESC LIMIT 5;
EXPLAIN (COSTS OFF) SELECT time FROM t WHERE value > 3 ORDER BY time LIMIT 5;
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY time DESC, value LIMIT 5;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE random() < 2 ORDER BY time DESC LIMIT 5;
SELECT q, r.* FROM unnest(ARRAY[
    'SELECT time FROM T ORDER BY time DESC LIMIT 5', 'SELECT time FROM T ORDER BY time LIMIT 5',
    'SELECT time FROM T ORDER BY time DESC LIMIT 5000', 'SELECT time FROM T ORDER BY time LIMIT 20000',
    'SELECT time FROM T ORDER BY time DESC OFFSET 100 LIMIT 7', 'SELECT time FROM T ORDER BY time LIMIT 0',
    'SELECT time FROM T WHERE value % 7 = 0 ORDER BY time DESC LIMIT 9',
    'SELECT * FROM T WHERE host = ''h1'' AND dev = 1 AND time < ''2024-01-01 12:00'' ORDER BY time DESC LIMIT 1',
    'SELECT * FROM T ORDER BY time DESC, host, dev, value, note LIMIT 50',
    'SELECT * FROM T WHERE time < ''infinity'' ORDER BY time DESC, host, dev, value, note LIMIT 5',
    'SELECT time FROM T WHERE time > ''infinity'' ORDER BY time DESC LIMIT 5',
    'SELECT time, max(value) FROM T GROUP BY time ORDER BY time DESC LIMIT 5',
    'SELECT DISTINCT time FROM T ORDER BY time LIMIT 5',
    'SELECT max(time), min(time) FROM T']) q, same('SELECT * FROM (' || replace(q, '% 7', '::int % 7') || ') q') r;
-- More rows than were looked for first, and times that many rows have.
CREATE FUNCTION in_order(n int, descending bool, OUT rows int8, OUT ordered bool, OUT distinct_ids int8)
LANGUAGE plpgsql AS $$
DECLARE
    r record;
    last timestamptz;
    ids float8[] := '{}';
BEGIN
    ordered := true;
    rows := 0;
    FOR r IN EXECUTE format('SELECT a.time, a.id FROM ties a JOIN one b ON a.id %% b.every = 0 ORDER BY a.time %s LIMIT %s',
                            CASE WHEN descending THEN 'DESC' ELSE 'ASC' END, n) LOOP
        ordered := ordered AND (last IS NULL OR CASE WHEN descending THEN last >= r.time ELSE last <= r.time END);
        last := r.time;
        ids := ids || r.id::float8;
        rows := rows + 1;
    END LOOP;
    distinct_ids := (SELECT count(DISTINCT i) FROM unnest(ids) i);
END $$;
CREATE TABLE ties (time timestamptz, s int, id int) USING mytsdb WITH (mytsdb.series_by = 's');
INSERT INTO ties SELECT timestamptz '2024-01-01' + i / 700 * interval '1 s', i % 5, i FROM generate_series(1, 3000) i;
SELECT mytsdb.seal('ties') > 0 AS sealed;
INSERT INTO ties SELECT timestamptz '2024-01-01' + i / 700 * interval '1 s', i % 5, i FROM generate_series(3001, 5000) i;
CREATE TABLE one (every int);
INSERT INTO one VALUES (10);
ANALYZE one;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT a.time, a.id FROM ties a JOIN one b ON a.id % b.every = 0 ORDER BY a.time DESC LIMIT 30;
SELECT n, d, r.* FROM unnest(ARRAY[1, 30, 490, 1000]) n, unnest(ARRAY[true, false]) d, in_order(n, d) r;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_sort;
BEGIN;
DECLARE c CURSOR FOR SELECT time FROM t ORDER BY time DESC;
FETCH 2 FROM c;
MOVE 14000 FROM c;
FETCH 1 FROM c;
ROLLBACK;

-- Nested loops: bounds and keys from other relations
CREATE TABLE probe (host text, dev int, at timestamptz);
INSERT INTO probe SELECT 'h' || i, i % 3, timestamptz '2024-01-01 02:00' + i * interval '1 hour' FROM generate_series(0, 5) i;
INSERT INTO probe VALUES (NULL, 1, NULL), ('h1', NULL, 'infinity');
ANALYZE probe;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SET enable_memoize = off;
EXPLAIN (COSTS OFF) SELECT * FROM probe p JOIN t ON t.host = p.host AND t.dev = p.dev;
EXPLAIN (COSTS OFF) SELECT * FROM probe p JOIN t ON t.time >= p.at AND t.time < p.at + interval '1 minute' AND t.host = p.host AND t.dev = p.dev;
SELECT q, r.* FROM unnest(ARRAY[
    'SELECT p.*, T.value FROM probe p JOIN T ON T.host = p.host AND T.dev = p.dev',
    'SELECT p.*, T.value FROM probe p LEFT JOIN T ON T.time >= p.at AND T.time < p.at + interval ''1 minute''',
    'SELECT p.*, T.value FROM probe p LEFT JOIN T ON T.time = p.at AND T.host = p.host',
    'SELECT p.*, x.time, x.value FROM probe p, LATERAL (SELECT * FROM T WHERE T.host = p.host AND T.time < p.at ORDER BY time DESC, value LIMIT 1) x',
    'SELECT p.*, (SELECT sum(value)::numeric(20, 2) FROM T WHERE T.dev = p.dev AND T.host LIKE p.host || ''%'') FROM probe p',
    'SELECT p.* FROM probe p WHERE NOT EXISTS (SELECT FROM T WHERE T.host = p.host AND T.dev = p.dev AND T.time > p.at)']) q, same(q) r;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
RESET enable_memoize;

-- Parameters
SET plan_cache_mode = force_generic_plan;
PREPARE p (timestamptz, text, int[]) AS SELECT count(*), sum(value)::numeric(20, 2) FROM t WHERE time >= $1 AND host = $2 AND dev = ANY ($3);
EXPLAIN (COSTS OFF) EXECUTE p ('2024-01-01 03:00', 'h1', '{1,2}');
EXECUTE p ('2024-01-01 03:00', 'h1', '{1,2}');
EXECUTE p ('2024-01-01 04:00', 'h2', '{0}');
EXECUTE p (NULL, 'h2', '{0}');
SELECT count(*), sum(value)::numeric(20, 2) FROM h WHERE time >= '2024-01-01 03:00' AND host = 'h1' AND dev IN (1, 2);
SELECT count(*), sum(value)::numeric(20, 2) FROM h WHERE time >= '2024-01-01 04:00' AND host = 'h2' AND dev IN (0);
RESET plan_cache_mode;

-- Cursors
BEGIN;
DECLARE s SCROLL CURSOR FOR SELECT value FROM t WHERE host = 'h1' AND dev = 1 AND time < '2024-01-01 01:00';
FETCH 3 FROM s;
INSERT INTO t VALUES ('2024-01-01', 'h1', 1, -1, 'later');
FETCH BACKWARD 2 FROM s;
FETCH LAST FROM s;
FETCH FIRST FROM s;
DECLARE w CURSOR WITH HOLD FOR SELECT count(*) FROM t;
ROLLBACK;
BEGIN;
DECLARE w CURSOR WITH HOLD FOR SELECT host, count(*) FROM t GROUP BY host ORDER BY host;
COMMIT;
TRUNCATE t;
FETCH ALL FROM w;
CLOSE w;
INSERT INTO t SELECT * FROM h;

-- Own rows
BEGIN;
INSERT INTO t VALUES ('2025-01-01', 'new', 7, 1, 'own');
INSERT INTO h VALUES ('2025-01-01', 'new', 7, 1, 'own');
SELECT same('SELECT * FROM T');
SELECT * FROM t WHERE host = 'new' AND dev = 7;
SELECT * FROM t WHERE time < 'infinity' ORDER BY time DESC LIMIT 1;
SELECT count(*) FROM t WHERE host = 'new';
INSERT INTO t SELECT time + interval '1 second', host, dev, value, note FROM t WHERE host = 'new';
SELECT count(*) FROM t WHERE host = 'new';
ROLLBACK;

-- Other types of time
CREATE TABLE hs (time timestamp NOT NULL, k int, v int);
CREATE TABLE ts (LIKE hs) USING mytsdb WITH (mytsdb.series_by = 'k', mytsdb.time_column = 'time');
CREATE TABLE hd (time date NOT NULL, k int, v int);
CREATE TABLE td (LIKE hd) USING mytsdb WITH (mytsdb.series_by = 'k', mytsdb.time_column = 'time');
INSERT INTO hs SELECT timestamp '2024-03-30' + i * interval '37 minutes', i % 3, i FROM generate_series(1, 200) i;
INSERT INTO hs VALUES ('infinity', 1, 1), ('-infinity', 1, 1);
INSERT INTO hd SELECT date '2024-03-30' + i, i % 3, i FROM generate_series(-100, 100) i;
INSERT INTO hd VALUES ('infinity', 1, 1), ('-infinity', 1, 1), ('5874897-12-31', 1, 1);
INSERT INTO ts SELECT * FROM hs;
INSERT INTO td SELECT * FROM hd;
SET timezone = 'Europe/Berlin';
EXPLAIN (COSTS OFF) SELECT * FROM ts WHERE time >= timestamptz '2024-03-31 02:30+01';
EXPLAIN (COSTS OFF) SELECT * FROM td WHERE time >= timestamp '2024-03-31 02:30';
CREATE FUNCTION same_times(letter text, OUT differing int8, OUT compared int8) LANGUAGE plpgsql AS $$
DECLARE
    c text;
    r record;
BEGIN
    differing := 0;
    compared := 0;
    FOR c IN SELECT format('time %s %s', op, val) FROM
            unnest(ARRAY['<', '<=', '=', '>=', '>']) op,
            unnest(ARRAY['timestamptz ''2024-03-31 02:30+01''', 'timestamptz ''2024-03-31 02:30+02''', 'timestamp ''2024-03-31 00:00''',
                         'timestamp ''2024-03-31 02:30''', 'timestamp ''1999-12-31 12:00''', 'date ''2024-03-31''', 'date ''infinity''',
                         'timestamp ''infinity''', 'timestamp ''-infinity''', 'timestamptz ''-infinity''', 'date ''-infinity''',
                         'date ''5874897-12-31''', 'timestamp ''294276-12-31 23:59''']) val LOOP
        EXECUTE format('SELECT count(*) FROM ((SELECT * FROM h%1$s WHERE %2$s EXCEPT ALL SELECT * FROM t%1$s WHERE %2$s) '
                       'UNION ALL (SELECT * FROM t%1$s WHERE %2$s EXCEPT ALL SELECT * FROM h%1$s WHERE %2$s)) x', letter, c) INTO r;
        differing := differing + r.count;
        compared := compared + 1;
    END LOOP;
END $$;
SELECT same_times('s'), same_times('d');
SET timezone = 'UTC';
EXPLAIN (COSTS OFF) SELECT * FROM td ORDER BY time DESC LIMIT 2;
SELECT * FROM td ORDER BY time DESC LIMIT 3;
SELECT * FROM ts ORDER BY time LIMIT 2;

-- Security: conditions of others see nothing that the view hides.
CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
    RAISE NOTICE 'leaked %', $1;
    RETURN true;
END $$;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM t WHERE dev = 1 AND host = 'h1' AND time < '2024-01-01 00:10';
EXPLAIN (COSTS OFF) SELECT count(*) FROM barrier WHERE leak(host) AND time > '2024-01-01 00:00:20' AND host <= 'h2';
SELECT count(*) FROM barrier WHERE leak(host) AND time > '2024-01-01 00:00:20' AND host <= 'h2';
CREATE TABLE rls (time timestamptz NOT NULL, owner text, v int) USING mytsdb WITH (mytsdb.series_by = 'owner');
INSERT INTO rls VALUES ('2024-01-01', 'scan_alice', 1), ('2024-01-02', 'scan_bob', 2), ('2024-01-03', 'scan_alice', 3);
ALTER TABLE rls ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON rls USING (owner = current_user);
CREATE ROLE scan_alice;
GRANT USAGE ON SCHEMA scan TO scan_alice;
GRANT SELECT ON rls TO scan_alice;
SET ROLE scan_alice;
EXPLAIN (COSTS OFF) SELECT * FROM rls WHERE leak(owner);
SELECT * FROM rls WHERE leak(owner);
SELECT count(*) FROM rls;
SELECT count(*) FROM rls WHERE leak(owner) AND time > '2024-01-02';
SELECT * FROM rls ORDER BY time DESC LIMIT 1;
SELECT * FROM t;
RESET ROLE;

-- Partitions and inheritance
CREATE TABLE parted (time timestamptz NOT NULL, host text, v int) PARTITION BY RANGE (time);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2024-01-02') USING mytsdb WITH (mytsdb.series_by = 'host');
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2024-01-02') TO ('2024-01-03');
CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM ('2024-01-03') TO ('2024-01-04') USING mytsdb WITH (mytsdb.series_by = 'host');
INSERT INTO parted SELECT timestamptz '2024-01-01' + i * interval '10 minutes', 'h' || i % 3, i FROM generate_series(0, 431) i;
EXPLAIN (COSTS OFF) SELECT * FROM parted WHERE host = 'h1' AND time >= '2024-01-02 12:00';
SELECT count(*), sum(v) FROM parted WHERE host = 'h1' AND time >= '2024-01-02 12:00';
EXPLAIN (COSTS OFF) SELECT * FROM parted ORDER BY time DESC LIMIT 2;
SELECT * FROM parted ORDER BY time DESC LIMIT 2;
SELECT count(*) FROM parted;
CREATE TABLE child () INHERITS (judged) USING mytsdb WITH (mytsdb.series_by = 'host');
INSERT INTO child VALUES ('2024-01-05', '5');
EXPLAIN (COSTS OFF) SELECT * FROM judged WHERE host IN ('2', '5');
SELECT tableoid::regclass, * FROM judged WHERE host IN ('2', '5') ORDER BY time;
SELECT count(*) FROM judged;
SELECT count(*) FROM ONLY judged;

-- Joined with what is changed; locks
CREATE TABLE target (host text PRIMARY KEY, n int);
INSERT INTO target VALUES ('h1', 0), ('h2', 0), ('zz', 0);
UPDATE target SET n = x.n FROM (SELECT host, count(*) n FROM t GROUP BY host) x WHERE x.host = target.host;
UPDATE target SET n = n + 1 FROM t WHERE t.host = target.host AND t.dev = 1 AND t.time BETWEEN '2024-01-01 03:00' AND '2024-01-01 03:10';
DELETE FROM target USING t WHERE t.host = target.host AND t.host = 'h2' RETURNING target.*;
SELECT * FROM target ORDER BY host;
SELECT host, value FROM t WHERE host = 'h1' AND dev = 1 ORDER BY time LIMIT 1 FOR SHARE;
SELECT t.value FROM target JOIN t USING (host) WHERE t.dev = 1 ORDER BY t.time LIMIT 1 FOR UPDATE OF target;
SELECT * FROM t WHERE host = 'h1' LIMIT 1 FOR UPDATE;

-- What EXPLAIN shows
EXPLAIN (COSTS OFF, VERBOSE) SELECT host, value * 2 FROM t WHERE time > '2024-01-01' AND dev = 1 AND value > 3;
CREATE FUNCTION explained(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        RETURN NEXT line;
    END LOOP;
END $$;
CREATE TABLE x (time timestamptz NOT NULL, k int, v int) USING mytsdb WITH (mytsdb.series_by = 'k', mytsdb.shards = 1);
INSERT INTO x SELECT timestamptz '2024-01-01' + i * interval '1 s', i % 10, i FROM generate_series(0, 999) i;
SELECT mytsdb.seal('x');
INSERT INTO x SELECT timestamptz '2024-01-02' + i * interval '1 s', i % 10, i FROM generate_series(0, 99) i;
SELECT explained('SELECT * FROM x WHERE k = 3 AND v > 500');
SELECT explained('SELECT * FROM x WHERE k % 2 = 0 AND time > ''2024-01-02''');
SELECT explained('SELECT count(*) FROM x');
SELECT explained('SELECT * FROM x ORDER BY time DESC LIMIT 3');
SELECT explained('SELECT * FROM x WHERE time > (SELECT NULL::timestamptz)');
CREATE TABLE keys (k int);
INSERT INTO keys VALUES (1), (3), (3), (NULL), (12);
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_memoize = off;
SET enable_material = off;
SELECT explained('SELECT * FROM keys JOIN x USING (k) WHERE time < ''2024-01-01 00:00:20''');
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_memoize;
RESET enable_material;
CREATE FUNCTION explained_json(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, FORMAT json, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query INTO plan;
    RETURN plan->0->'Plan';
END $$;
SELECT key, value FROM jsonb_each(explained_json('SELECT v FROM x WHERE k % 2 = 0 AND time > ''2024-01-02'''));

-- ON CONFLICT
INSERT INTO t VALUES ('2024-01-01', 'a', 1, 1, '') ON CONFLICT DO NOTHING;
INSERT INTO t VALUES ('2024-01-01', 'a', 1, 1, '') ON CONFLICT (time) DO UPDATE SET value = 2;
INSERT INTO parted VALUES ('2024-01-01', 'a', 1) ON CONFLICT DO NOTHING;
WITH i AS (INSERT INTO t VALUES ('2024-01-01', 'a', 1, 1, '') ON CONFLICT DO NOTHING RETURNING 1) SELECT * FROM i;
INSERT INTO target VALUES ('h1', 5) ON CONFLICT (host) DO NOTHING;

RESET client_min_messages;
SET client_min_messages = warning;
DROP SCHEMA scan CASCADE;
DROP ROLE scan_alice;
