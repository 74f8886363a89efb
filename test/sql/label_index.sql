-- The label index finds exactly the series that the operators select, whatever its
-- segments are. The same condition on (labels || '{}') is never answered by the index.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
CREATE SCHEMA label_index_test;
SET search_path = label_index_test, public;
SET timezone = 'UTC';
SELECT setseed(0.20251104);

CREATE TABLE m (labels labels, time timestamptz, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.shards = 2);

CREATE FUNCTION segments(rel regclass) RETURNS TABLE (series_from bigint, series_to bigint) LANGUAGE sql AS $$
    SELECT i.series_from, i.series_to FROM mytsdb.label_index i
      JOIN mytsdb.sizes_of(rel) s USING (storage) ORDER BY 1
$$;
-- The lines of EXPLAIN ANALYZE that tell what was looked at
CREATE FUNCTION looked_at(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        IF line ~ 'Series( Index)?:' THEN
            RETURN NEXT trim(line);
        END IF;
    END LOOP;
END
$$;
CREATE FUNCTION add_series(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO m
    SELECT labels(ARRAY['__name__', 'job', 'instance', 'code', 'shared', 'é "name"'],
                  ARRAY['metric' || i % 7, 'job' || i % 23, 'host' || i,
                        CASE WHEN i % 3 > 0 THEN (200 + i % 5)::text END,
                        CASE WHEN i % 2 = 0 THEN 'yes' END,
                        CASE WHEN i % 100 = 0 THEN E'x\n"ü' || i % 300 END]),
           '2026-01-01'::timestamptz + i * interval '1 s', i
      FROM generate_series(first, last) i
$$;
CREATE FUNCTION pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
    $$ SELECT choices[1 + floor(random() * array_length(choices, 1))::int] $$;
CREATE FUNCTION random_matcher() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    name text := pick('__name__', 'job', 'instance', 'code', 'shared', '"é \"name\""', 'none', 'job', 'instance');
    op text := pick('=', '!=', '=~', '!~');
BEGIN
    RETURN name || op || CASE WHEN op IN ('=', '!=') THEN
        pick('"metric3"', '"job7"', '"job22"', '"host42"', '"203"', '"yes"', '""', '"nowhere"', '"x\n\"ü0"')
    ELSE
        pick('"metric[1-3]"', '"job1.*"', '".*"', '".+"', '""', '"host1[0-9]+"', '"200|201"', '"200|201|"', '"|job1|job2"',
             '"(yes)?"', '".*5"', '"x.*"', '"[^h].*"', '"host(1|2|3).?"', '"job(1|2).*|"', '"(?i)JOB3"')
    END;
END
$$;
-- Compares random selectors, alone and with other conditions; says what differs
CREATE FUNCTION compare(rounds int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    selector text;
    condition text;
    found bigint[];
    naive bigint[];
    matched int := 0;
BEGIN
    FOR i IN 1 .. rounds LOOP
        selector := '{' || random_matcher();
        FOR k IN 1 .. floor(random() * 3) LOOP
            selector := selector || ',' || random_matcher();
        END LOOP;
        condition := format('%s %s %L', '%1$s', pick('~', '~', '~', '!~'), selector || '}');
        IF random() < 0.3 THEN
            condition := condition || ' AND ' || pick(
                '%1$s @> ''{shared="yes"}''', '%1$s @> ''{}''', '%1$s ? ''code''', '%1$s ->> ''code'' = ''202''',
                '''job3'' = %1$s ->> ''job''', '%1$s ->> ''job'' IN (''job5'', ''job6'', ''none'', '''')', '%1$s ->> ''job'' = ''''',
                '%1$s ->> ''instance'' > ''host5''', '%1$s ->> NULL = ''a''', 'NOT %1$s ? ''shared''', '(%1$s ->> ''shared'') IS NULL');
        END IF;
        EXECUTE 'SELECT array_agg(value::bigint ORDER BY value) FROM m WHERE ' || format(condition, 'labels') INTO found;
        EXECUTE 'SELECT array_agg(value::bigint ORDER BY value) FROM m WHERE ' || format(condition, '(labels || ''{}'')') INTO naive;
        IF found IS DISTINCT FROM naive THEN
            RETURN NEXT format('%s: %s, not %s', condition, cardinality(found), cardinality(naive));
        END IF;
        matched := matched + (naive IS NOT NULL)::int;
    END LOOP;
    RETURN NEXT format('%s found something', CASE WHEN matched > rounds / 4 THEN 'enough' ELSE 'not enough' END);
END
$$;

-- Without a segment all keys are looked at
SELECT add_series(0, 899);
INSERT INTO m VALUES (NULL, '2026-01-01', -1), ('{}', '2026-01-01', -2);
SELECT looked_at($$SELECT * FROM m WHERE labels ~ '{job="job3"}'$$);
SELECT compare(40);

-- One segment; a segment and a tail
SELECT mytsdb.merge('m');
SELECT * FROM segments('m');
SELECT looked_at($$SELECT * FROM m WHERE labels ~ '{job="job3"}'$$);
SELECT looked_at($$SELECT * FROM m WHERE labels ~ '{job="job3",none=""}' AND labels @> '{shared="yes"}' AND labels ? 'code'$$);
SELECT looked_at($$SELECT * FROM m WHERE labels ->> 'job' = 'job3'$$);
SELECT looked_at($$SELECT * FROM m WHERE labels ->> 'job' IN ('job3', 'job4') AND labels ->> 'code' > '203'$$);
SELECT looked_at($$SELECT * FROM m WHERE labels !~ '{instance=~"host.*"}'$$);
SELECT looked_at($$SELECT * FROM m WHERE labels ~ '{job="job3"}' AND labels ? 'no'$$);
SELECT compare(120);
SELECT add_series(900, 1199);
SELECT looked_at($$SELECT * FROM m WHERE labels ~ '{job="job3"}'$$);
SELECT compare(120);

-- What is rolled back leaves nothing
BEGIN;
SELECT mytsdb.merge('m');
SELECT * FROM segments('m');
SELECT looked_at($$SELECT * FROM m WHERE labels ~ '{job="job3"}'$$);
ROLLBACK;
SELECT * FROM segments('m');
SELECT looked_at($$SELECT * FROM m WHERE labels ~ '{job="job3"}'$$);

-- Merged from segments
SELECT mytsdb.seal('m');
SELECT mytsdb.merge('m');
SELECT * FROM segments('m');
SELECT compare(120);

-- A few more
SELECT add_series(1200, 1209);
SELECT mytsdb.merge('m');
SELECT * FROM segments('m');
SELECT compare(60);

-- Little memory: several segments
SET maintenance_work_mem = '1MB';
SELECT add_series(1210, 4000);
INSERT INTO m SELECT labels(ARRAY['job', 'path'], ARRAY['job' || i % 23, repeat(md5(i::text), 20)]), '2026-01-01', i
  FROM generate_series(4001, 5000) i;
-- (no worker, who has more memory, merges them before this is over)
BEGIN;
SELECT mytsdb.merge('m');
SELECT count(*) > 1 AS several, min(series_from), max(series_to) FROM segments('m');
SELECT compare(120);
COMMIT;
RESET maintenance_work_mem;
SELECT mytsdb.merge('m');
SELECT * FROM segments('m');
SELECT compare(120);

-- seal() indexes a long tail, unless a worker is about to: drop_before() waits for that one
SELECT add_series(5001, 9200);
SELECT mytsdb.drop_before('m', '-infinity') AS dropped, mytsdb.seal('m') >= 0 AS sealed;
SELECT max(series_to) FROM segments('m');
SELECT compare(60);

-- As series come, a few segments of similar size become one
CREATE TABLE grown (labels labels, time timestamptz) USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.shards = 1);
DO $$
BEGIN
    PERFORM mytsdb.merge('grown'); -- nor does a worker come between
    FOR i IN 1 .. 6 LOOP
        INSERT INTO grown SELECT labels(ARRAY['a', 'b' || i], ARRAY[k::text, i::text]), '2026-01-01' FROM generate_series(1, 4096) k;
        PERFORM mytsdb.seal('grown');
    END LOOP;
END
$$;
SELECT * FROM segments('grown');
SELECT count(*) FROM grown WHERE labels ~ '{a="77"}';
SELECT count(*) FROM grown WHERE labels ~ '{a=~"7.",b6!="6",b2=""}';
SELECT mytsdb.merge('grown') >= 0 AS merged;
SELECT * FROM segments('grown');
SELECT count(*) FROM grown WHERE labels ~ '{a="77"}';
SELECT count(*) FROM grown WHERE labels ~ '{a=~"7.",b6!="6",b2=""}';

-- Conditions that come from parameters and from other tables
SELECT mytsdb.merge('m');
PREPARE by_selector(text) AS SELECT count(*) FROM m WHERE labels ~ $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_selector('{job="job3"}');
EXECUTE by_selector('{job="job4",code=~"20.",code!="203"}');
EXECUTE by_selector(NULL);
EXECUTE by_selector('{job="job4');
DEALLOCATE by_selector;
RESET plan_cache_mode;
CREATE TABLE wanted (selector text, name text, wanted_value text);
INSERT INTO wanted VALUES ('{job="job5"}', 'job', 'job5'), ('{code="204"}', 'code', '204'), ('{job=~"job1."}', 'none', '');
SELECT selector, (SELECT count(*) FROM m WHERE labels ~ selector), (SELECT count(*) FROM m WHERE labels ->> name = wanted_value)
  FROM wanted ORDER BY 1;
SELECT count(*) FROM wanted JOIN m ON m.labels ~ wanted.selector WHERE wanted.name = 'job';

-- A pattern that exceeds its limit for a value which the other matchers rule out
INSERT INTO m VALUES (labels(ARRAY['job', 'evil'], ARRAY['other', repeat('a', 2000)]), '2026-01-01', 10000),
                     ('{job="job3",evil="aaa"}', '2026-01-01', 10001);
SELECT mytsdb.merge('m');
SET mytsdb.regex_match_limit = 1000;
SELECT value FROM m WHERE labels ~ '{job="job3",evil=~"(a*)*b|a+a"}';
SELECT value FROM m WHERE labels ~ '{evil=~"(a*)*b|a+a"}';
RESET mytsdb.regex_match_limit;

-- A function of the same name is another one
CREATE FUNCTION labels_matches(labels, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR ~ (LEFTARG = labels, RIGHTARG = int, FUNCTION = labels_matches);
SELECT count(*) FROM m WHERE labels ~ 1;
CREATE COLLATION blind (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
SELECT count(*) FROM m WHERE labels ->> 'job' = 'JOB3' COLLATE blind;

-- A table's segments go with its storage, and merged ones' pages become free
CREATE TABLE d (labels labels, time timestamptz) USING mytsdb WITH (mytsdb.series_by = 'labels');
INSERT INTO d SELECT labels(ARRAY['a'], ARRAY[i::text]), now() FROM generate_series(1, 3000) i;
SELECT mytsdb.merge('d');
SELECT * FROM segments('d');
INSERT INTO d SELECT labels(ARRAY['a'], ARRAY[i::text]), now() FROM generate_series(3001, 3010) i;
SELECT mytsdb.merge('d');
SELECT * FROM segments('d');
-- (they are still those of a snapshot that is older than the merge: whoever has one, a worker, autovacuum, lets go of it)
DO $$
BEGIN
    PERFORM pg_current_xact_id();
    WHILE EXISTS (SELECT FROM pg_stat_activity
                   WHERE pid <> pg_backend_pid() AND (age(backend_xmin) > 0 OR age(backend_xid) > 0)) LOOP
        PERFORM pg_sleep(0.1), pg_stat_clear_snapshot();
    END LOOP;
END
$$;
VACUUM d;
SELECT free_bytes > 0 AS freed FROM mytsdb.sizes_of('d');
CREATE TEMP TABLE storages AS SELECT storage FROM mytsdb.sizes_of('d');
SELECT count(*) FROM mytsdb.label_index JOIN storages USING (storage);
BEGIN;
TRUNCATE d;
SELECT count(*) FROM d WHERE labels ~ '{a="1"}';
ROLLBACK;
SELECT count(*) FROM d WHERE labels ~ '{a="1"}';
SELECT count(*) FROM mytsdb.label_index JOIN storages USING (storage);
TRUNCATE d;
SELECT count(*) FROM mytsdb.label_index JOIN storages USING (storage);
INSERT INTO d VALUES ('{a="1"}', now());
SELECT mytsdb.merge('d');
SELECT count(*) FROM d WHERE labels ~ '{a="1"}';
INSERT INTO storages SELECT storage FROM mytsdb.sizes_of('d');
VACUUM FULL d;
INSERT INTO storages SELECT storage FROM mytsdb.sizes_of('d');
SELECT mytsdb.merge('d');
SELECT * FROM segments('d');
SELECT count(*) FROM d WHERE labels ~ '{a="1"}';
DROP TABLE d;
SELECT count(*) FROM mytsdb.label_index JOIN storages USING (storage);

-- Other keys have no such index
CREATE TABLE two (labels labels, host text, time timestamptz) USING mytsdb WITH (mytsdb.series_by = 'labels, host');
INSERT INTO two VALUES ('{a="1"}', 'h', now());
SELECT mytsdb.merge('two');
SELECT * FROM segments('two');
SELECT count(*) FROM two WHERE labels ~ '{a="1"}';

DROP SCHEMA label_index_test CASCADE;
