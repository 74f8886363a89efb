-- What the server has counted: views of the figures that /metrics shows. Counters are of
-- the whole server, in which others may be at work: they are compared with what they were.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SET timezone = 'UTC';

-- ---- what there is ----

SELECT count(*) > 60 AS many, count(*) FILTER (WHERE help = '') AS without_help,
    count(*) FILTER (WHERE kind = 'counter' AND name !~ '_total$') AS counters_without_total,
    count(*) FILTER (WHERE value < 0) AS negative
    FROM mytsdb.stat_server;
-- no sample twice
SELECT name, labels FROM mytsdb.stat_server GROUP BY name, labels HAVING count(*) > 1;
-- those that have been promised
SELECT DISTINCT name, kind FROM mytsdb.stat_server
    WHERE name IN ('mytsdb_write_mutex_lock_seconds_total', 'mytsdb_write_sample_append_seconds_total',
        'mytsdb_query_duration_seconds_count', 'mytsdb_read_index_search_seconds_total')
    ORDER BY name;
SELECT labels->>'version' = mytsdb.version() AS version, value FROM mytsdb.stat_server
    WHERE name = 'mytsdb_build_info';
-- buckets never descend, and the last one is the count
SELECT b.labels->>'le' AS le FROM mytsdb.stat_server b
    WHERE b.name = 'mytsdb_query_duration_seconds_bucket' ORDER BY (b.labels->>'le')::float8;

-- ---- the engine counts in any process ----

CREATE TABLE counted (labels labels, "time" timestamptz, value float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.shards = 1);
SELECT * FROM mytsdb.stat_engine \gset old_

INSERT INTO counted SELECT labels(jsonb_build_object('n', i % 5)), timestamptz '2026-01-01' + i * interval '1 min', i
    FROM generate_series(1, 500) i;
INSERT INTO counted SELECT labels(jsonb_build_object('n', i % 5)), timestamptz '2026-01-02' + i * interval '1 min', i
    FROM generate_series(1, 500) i;
SELECT new_series - :old_new_series >= 5 AS new_series, log_records - :old_log_records >= 2 AS log_records,
    log_bytes - :old_log_bytes > 100 AS log_bytes, log_append_seconds > :old_log_append_seconds AS log_append_seconds,
    series_cache_misses - :old_series_cache_misses >= 5 AS misses,
    series_cache_hits - :old_series_cache_hits >= 495 AS hits
    FROM mytsdb.stat_engine;

SELECT mytsdb.seal('counted');
INSERT INTO counted SELECT labels(jsonb_build_object('n', i % 5)), timestamptz '2026-01-01' + i * interval '61 s', i
    FROM generate_series(1, 500) i;
SELECT mytsdb.seal('counted');
SELECT mytsdb.merge('counted') > 0 AS merged;
SELECT seals - :old_seals >= 2 AS seals, sealed_rows - :old_sealed_rows >= 1500 AS sealed_rows,
    seal_seconds > :old_seal_seconds AS seal_seconds, merges > :old_merges AS merges,
    merged_rows - :old_merged_rows >= 500 AS merged_rows, merge_seconds > :old_merge_seconds AS merge_seconds
    FROM mytsdb.stat_engine;

-- what is rolled back was not sealed
SELECT seals, sealed_rows FROM mytsdb.stat_engine \gset before_
INSERT INTO counted SELECT '{n="0"}', timestamptz '2026-02-01' + i * interval '1 s', i FROM generate_series(1, 3000) i;
BEGIN;
SELECT mytsdb.seal('counted');
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT mytsdb.seal('counted');
ROLLBACK TO a;
COMMIT;
SELECT sealed_rows - :before_sealed_rows < 3000 AS nothing FROM mytsdb.stat_engine;
SELECT mytsdb.seal('counted');
SELECT sealed_rows - :before_sealed_rows BETWEEN 3000 AND 5999 AS once FROM mytsdb.stat_engine;

SELECT count(*) FROM counted WHERE labels ~ '{n="3"}';
SELECT count(*) FROM promql('count({n=~"[12]"})', '2026-01-01 01:00', 'counted');
SELECT index_searches - :old_index_searches >= 1 AS index_searches,
    index_search_seconds > :old_index_search_seconds AS index_search_seconds,
    blocks_read > :old_blocks_read AS blocks, chunks_read > :old_chunks_read AS chunks,
    rows_read - :old_rows_read >= 300 AS rows
    FROM mytsdb.stat_engine;

SELECT mytsdb.drop_before('counted', '2026-01-03') > 0 AS dropped;
SELECT retained_blocks > :old_retained_blocks AS retained_blocks FROM mytsdb.stat_engine;

-- ---- one row each, without nulls; for everybody ----

CREATE ROLE stats_reader;
SET ROLE stats_reader;
SELECT view, (SELECT count(*) FROM jsonb_each(row) WHERE value = 'null') AS nulls FROM (
    SELECT 'ingest' AS view, to_jsonb(s) AS row FROM mytsdb.stat_ingest s
    UNION ALL SELECT 'queries', to_jsonb(s) FROM mytsdb.stat_queries s
    UNION ALL SELECT 'engine', to_jsonb(s) FROM mytsdb.stat_engine s
    UNION ALL SELECT 'connections', to_jsonb(s) FROM mytsdb.stat_connections s) v;
SELECT count(*) FROM mytsdb.stat_http h JOIN mytsdb.stat_http_status s USING (route) WHERE h.requests < s.requests;
RESET ROLE;
DROP ROLE stats_reader;
DROP TABLE counted;
