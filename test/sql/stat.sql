-- The views to look inside, and merging with more series than a block holds.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE TABLE st (time timestamptz, dev text, slot int, v float8)
    USING mytsdb WITH (mytsdb.series_by = 'dev,slot', mytsdb.shards = 2);
CREATE TABLE st_labels (time timestamptz, labels labels, v float8)
    USING mytsdb WITH (mytsdb.series_by = 'labels', mytsdb.shards = 1);
CREATE TABLE st_one (time date, v float8) USING mytsdb WITH (mytsdb.time_column = 'time', mytsdb.shards = 1);
INSERT INTO st VALUES ('2026-01-01 00:00', 'a', 1, 1), ('2026-01-01 00:01', 'b', NULL, 2), ('2026-01-01 00:02', 'a', 1, 3);
INSERT INTO st_labels VALUES ('2026-01-01 00:00', 'up{job="api"}', 1);
INSERT INTO st_one VALUES ('2026-01-01', 1), ('2026-01-02', 2);

SELECT rel, id, key FROM mytsdb.series WHERE rel::text LIKE 'st%' ORDER BY rel::text, id;
SELECT rel, shard, logs, pending_bytes > 0 AS pending, log_bytes
    FROM mytsdb.stat_shard WHERE rel::text LIKE 'st%' ORDER BY rel::text, shard;
SELECT rel, hot_bytes > 0 AS hot, seals, rows_sealed, last_seal, merges, blocks_merged, last_merge,
        counted_since <= now() AS since
    FROM mytsdb.stat_table WHERE rel::text LIKE 'st%' ORDER BY rel::text;
SELECT mytsdb.seal('st'), mytsdb.seal('st_labels'), mytsdb.seal('st_one');
SELECT rel, tier, time_min, time_max, series_min, series_max, rows, chunks, bytes > 0 AS bytes, pages
    FROM mytsdb.stat_block WHERE rel::text LIKE 'st%' ORDER BY rel::text, time_min, series_min;
SELECT size > 0 AS size, used <= size AS within, appends > 0 AS appends FROM mytsdb.stat_hot;
SELECT mytsdb.merge('st');
SELECT rel, shards, series, rows, blocks, chunks, fresh_bytes, warm_bytes, dictionary_bytes, index_bytes,
        pending_bytes, hot_bytes, bytes_per_row > 0 AS per_row
    FROM mytsdb.stat_table WHERE rel::text LIKE 'st%' ORDER BY rel::text;
SELECT rel, shard, hot_bytes, seals, rows_sealed, last_seal >= counted_since AS sealed
    FROM mytsdb.stat_shard WHERE rel::text LIKE 'st%' ORDER BY rel::text, shard;
SELECT rel, hot_bytes, seals, rows_sealed, last_seal >= counted_since AS sealed,
        merges, blocks_merged, last_merge >= last_seal AS merged
    FROM mytsdb.stat_table WHERE rel::text LIKE 'st%' ORDER BY rel::text;

-- seals and merges count when they are committed
INSERT INTO st_labels VALUES ('2026-01-01 00:01', 'up{job="api"}', 2);
BEGIN;
SELECT mytsdb.seal('st_labels'), mytsdb.merge('st_labels');
SELECT seals, merges FROM mytsdb.stat_table WHERE rel = 'st_labels'::regclass;
ROLLBACK;
SELECT seals, merges FROM mytsdb.stat_table WHERE rel = 'st_labels'::regclass;
BEGIN;
SAVEPOINT a;
SELECT mytsdb.seal('st_labels');
ROLLBACK TO a;
SAVEPOINT b;
SELECT mytsdb.seal('st_labels'), mytsdb.merge('st_labels');
RELEASE b;
COMMIT;
SELECT seals, rows_sealed, merges, blocks_merged FROM mytsdb.stat_table WHERE rel = 'st_labels'::regclass;
TRUNCATE st_labels;
SELECT hot_bytes, seals, rows_sealed, last_seal, merges, last_merge FROM mytsdb.stat_table WHERE rel = 'st_labels'::regclass;
INSERT INTO st_labels VALUES ('2026-01-01 00:00', 'up{job="api"}', 1);
SELECT mytsdb.seal('st_labels');

-- what one may not read, one does not see
CREATE ROLE st_reader;
GRANT SELECT ON st_one, st_labels TO st_reader;
ALTER TABLE st_labels ENABLE ROW LEVEL SECURITY;
SET ROLE st_reader;
SELECT rel, id, key FROM mytsdb.series WHERE rel::text LIKE 'st%' ORDER BY rel::text, id;
SELECT rel FROM mytsdb.stat_block WHERE rel::text LIKE 'st%' ORDER BY rel::text;
SELECT rel, seals FROM mytsdb.stat_table WHERE rel::text LIKE 'st%' ORDER BY rel::text;
SELECT rel, shard, seals FROM mytsdb.stat_shard WHERE rel::text LIKE 'st%' ORDER BY rel::text, shard;
SELECT mytsdb.seal('st_one');
SELECT mytsdb.drop_before('st_one', '2026-01-02');
SELECT * FROM mytsdb.block;
RESET ROLE;
SELECT mytsdb.seal('pg_class');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT mytsdb.seal('st');
ROLLBACK;
BEGIN READ ONLY;
SELECT mytsdb.merge('st');
ROLLBACK;

-- nor a series without rows: rolled back, or of blocks that were dropped
CREATE TABLE st_seen (time timestamptz, dev text) USING mytsdb WITH (mytsdb.series_by = 'dev');
BEGIN;
INSERT INTO st_seen VALUES ('2026-01-01', 'secret'), ('2026-01-01', 'own');
SELECT key FROM mytsdb.series WHERE rel = 'st_seen'::regclass ORDER BY id;
ROLLBACK;
INSERT INTO st_seen VALUES ('2026-01-01', 'old'), ('2026-03-01', 'new');
SELECT key FROM mytsdb.series WHERE rel = 'st_seen'::regclass ORDER BY id;
SELECT mytsdb.seal('st_seen');
SELECT mytsdb.drop_before('st_seen', '2026-02-01');
SELECT key FROM mytsdb.series WHERE rel = 'st_seen'::regclass ORDER BY id;
DROP TABLE st_seen;

-- a function of a type's owner runs as the owner of the table, whoever looks
CREATE ROLE st_owner;
CREATE SCHEMA st_own AUTHORIZATION st_owner;
SET ROLE st_owner;
CREATE TYPE st_own.colour AS ENUM ('red', 'green');
CREATE FUNCTION st_own.shown(st_own.colour) RETURNS json LANGUAGE sql AS 'SELECT to_json(current_user)';
CREATE CAST (st_own.colour AS json) WITH FUNCTION st_own.shown(st_own.colour);
CREATE TABLE st_own.painted (time timestamptz, colour st_own.colour) USING mytsdb WITH (mytsdb.series_by = 'colour');
INSERT INTO st_own.painted VALUES ('2026-01-01', 'red');
RESET ROLE;
SELECT key, current_user = 'st_owner' AS stayed FROM mytsdb.series WHERE rel = 'st_own.painted'::regclass;
SET client_min_messages = warning;
DROP SCHEMA st_own CASCADE;
RESET client_min_messages;
DROP ROLE st_owner;

-- whole blocks that end before a time go
SELECT mytsdb.drop_before('st_one', '2026-01-02');
SELECT * FROM st_one;
SELECT mytsdb.drop_before('st_one', 'infinity');
SELECT count(*) FROM st_one;

-- a time that timestamptz has no counterpart of
INSERT INTO st_one VALUES ('5874897-12-31', 1);
SELECT mytsdb.seal('st_one');
SELECT time_min, time_max FROM mytsdb.stat_block WHERE rel = 'st_one'::regclass;

-- more series than a block holds: merging comes to an end
CREATE TABLE st_many (time timestamptz, dev int, v int) USING mytsdb WITH (mytsdb.series_by = 'dev', mytsdb.shards = 2);
INSERT INTO st_many SELECT '2026-01-01 00:00', i, i FROM generate_series(1, 70000) i;
INSERT INTO st_many SELECT '2026-01-01 00:01', i, i FROM generate_series(1, 70000) i;
SELECT mytsdb.merge('st_many') > 2 AS merged;
SELECT mytsdb.merge('st_many');
SELECT tier, count(*), sum(rows) AS rows, sum(chunks) AS chunks FROM mytsdb.stat_block WHERE rel = 'st_many'::regclass GROUP BY 1;
SELECT count(*), count(DISTINCT dev), sum(v) FROM st_many;

DROP TABLE st, st_labels, st_one, st_many;
DROP ROLE st_reader;
SELECT count(*) FROM mytsdb.stat_table WHERE rel::text LIKE 'st%';
SELECT waits >= 0 AS waits, seconds >= 0 AS seconds FROM mytsdb.lock_waits();
