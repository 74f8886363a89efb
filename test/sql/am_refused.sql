-- What tables USING mytsdb do not do, and what is said about it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA am_refused;
SET search_path = am_refused, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE TABLE parent (id int PRIMARY KEY, name text);
INSERT INTO parent VALUES (1, 'one'), (2, 'two');
CREATE TABLE t (time timestamptz, k int, v int) USING mytsdb WITH (mytsdb.series_by = 'k');
INSERT INTO t VALUES ('2024-01-01', 1, 10), ('2024-01-02', 2, 20);

-- ---- changing rows ----

UPDATE t SET v = 0;
UPDATE t SET v = 0 WHERE k = 1 RETURNING *;
UPDATE t SET v = 0 FROM parent WHERE id = k;
DELETE FROM t;
DELETE FROM t USING parent WHERE id = k AND name = 'one';
MERGE INTO t USING parent ON k = id WHEN MATCHED THEN UPDATE SET v = 0;
MERGE INTO t USING parent ON k = id WHEN MATCHED THEN DELETE;
WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d;
-- none met: nothing to refuse
UPDATE t SET v = 0 WHERE k = 99;
DELETE FROM t WHERE k = 99;
DELETE FROM t WHERE false;
-- what only inserts is well
MERGE INTO t USING parent ON k = id + 1 WHEN NOT MATCHED THEN INSERT VALUES ('2024-01-03', id + 1, 30);
MERGE INTO parent USING t ON k = id WHEN MATCHED THEN UPDATE SET name = name || v;
SELECT * FROM t ORDER BY time;
SELECT * FROM parent ORDER BY id;
-- ON CONFLICT
INSERT INTO t VALUES ('2024-01-01', 1, 11) ON CONFLICT DO NOTHING;
INSERT INTO t VALUES ('2024-01-01', 1, 11) ON CONFLICT (time, k) DO NOTHING;
INSERT INTO t VALUES ('2024-01-01', 1, 11) ON CONFLICT (time, k) DO UPDATE SET v = 0;
WITH i AS (INSERT INTO t VALUES ('2024-01-01', 1, 11) ON CONFLICT DO NOTHING) SELECT 1;
EXPLAIN INSERT INTO t VALUES ('2024-01-01', 1, 11) ON CONFLICT DO NOTHING;
CREATE TABLE parts (time timestamptz, v int) PARTITION BY RANGE (time);
CREATE TABLE parts_1 PARTITION OF parts DEFAULT USING mytsdb;
INSERT INTO parts VALUES ('2024-01-01', 1) ON CONFLICT DO NOTHING;
INSERT INTO parent VALUES (1) ON CONFLICT DO NOTHING;
-- row locks
SELECT * FROM t FOR UPDATE;
SELECT * FROM t FOR NO KEY UPDATE;
SELECT * FROM t, parent WHERE id = k FOR UPDATE;
SELECT * FROM t WHERE k = 99 FOR UPDATE;
SELECT count(*) FROM (SELECT * FROM t FOR SHARE) x;
SELECT v FROM t WHERE k = 1 FOR KEY SHARE;
SELECT v, name FROM t, parent WHERE id = k ORDER BY v FOR UPDATE OF parent;
SELECT v FROM t WHERE k = 1 FOR SHARE SKIP LOCKED;
-- a ctid is not an address
SELECT * FROM t WHERE ctid = '(0,1)';
SELECT currtid2('am_refused.t', '(0,1)');
-- DECLARE ... FOR UPDATE and WHERE CURRENT OF
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM t;
FETCH c;
DELETE FROM t WHERE CURRENT OF c;
ROLLBACK;
SELECT count(*) FROM t;

-- ---- indexes, unique and primary keys ----

CREATE INDEX ON t (v);
CREATE UNIQUE INDEX ON t (time, k);
CREATE INDEX CONCURRENTLY ON t (v);
CREATE INDEX IF NOT EXISTS some_index ON t USING brin (time);
CREATE INDEX ON parts (v);
CREATE INDEX ON ONLY parts (v);
CREATE TABLE wrong (time timestamptz PRIMARY KEY) USING mytsdb;
CREATE TABLE wrong (time timestamptz, k int UNIQUE) USING mytsdb;
CREATE TABLE wrong (time timestamptz, k int, PRIMARY KEY (time, k)) USING mytsdb;
CREATE TABLE wrong (time timestamptz, k int, UNIQUE (k)) USING mytsdb;
CREATE TABLE wrong (time timestamptz, k int, EXCLUDE USING btree (k WITH =)) USING mytsdb;
CREATE TABLE wrong (LIKE parent INCLUDING INDEXES, time timestamptz) USING mytsdb;
CREATE TABLE wrong (LIKE parent, time timestamptz) USING mytsdb WITH (mytsdb.series_by = 'id');
ALTER TABLE t ADD PRIMARY KEY (time, k);
ALTER TABLE t ADD UNIQUE (time, k);
ALTER TABLE t ADD COLUMN w int UNIQUE;
ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING btree (k WITH =);
ALTER TABLE parts ADD PRIMARY KEY (time);
CREATE TABLE keyed (time timestamptz PRIMARY KEY, v int) PARTITION BY RANGE (time);
CREATE TABLE keyed_1 PARTITION OF keyed DEFAULT USING mytsdb;
CREATE TABLE keyed_2 (time timestamptz NOT NULL, v int) USING mytsdb;
ALTER TABLE keyed ATTACH PARTITION keyed_2 DEFAULT;
ALTER TABLE parent ADD COLUMN time timestamptz;
ALTER TABLE parent SET ACCESS METHOD mytsdb;
CREATE TABLE without_time AS SELECT NULL::timestamptz AS time;
ALTER TABLE without_time SET ACCESS METHOD mytsdb;
CLUSTER t USING some_index;
CLUSTER t;
REINDEX TABLE t;

-- ---- foreign keys that would change rows ----

CREATE TABLE child (time timestamptz, id int REFERENCES parent ON DELETE CASCADE) USING mytsdb;
CREATE TABLE child (time timestamptz, id int REFERENCES parent ON DELETE SET NULL) USING mytsdb;
CREATE TABLE child (time timestamptz, id int, FOREIGN KEY (id) REFERENCES parent ON DELETE SET DEFAULT) USING mytsdb;
CREATE TABLE child (time timestamptz, id int REFERENCES parent ON UPDATE CASCADE) USING mytsdb;
CREATE TABLE child (time timestamptz, id int) USING mytsdb;
ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent ON DELETE CASCADE;
ALTER TABLE child ADD COLUMN other int REFERENCES parent ON DELETE SET NULL;
ALTER TABLE parts ADD FOREIGN KEY (v) REFERENCES parent ON DELETE CASCADE;
CREATE TABLE cascading (time timestamptz, v int REFERENCES parent ON DELETE CASCADE) PARTITION BY RANGE (time);
CREATE TABLE cascading_1 PARTITION OF cascading DEFAULT USING mytsdb;
CREATE TABLE cascading_2 (time timestamptz, v int) USING mytsdb;
ALTER TABLE cascading ATTACH PARTITION cascading_2 DEFAULT;
CREATE TABLE restricting (time timestamptz, v int REFERENCES parent ON DELETE RESTRICT) PARTITION BY RANGE (time);
CREATE TABLE restricting_1 PARTITION OF restricting DEFAULT USING mytsdb;
CREATE TABLE cascading_3 (time timestamptz, v int REFERENCES parent ON DELETE CASCADE);
ALTER TABLE cascading_3 SET ACCESS METHOD mytsdb;
-- and those towards one
CREATE TABLE pointing (time timestamptz REFERENCES t (time));

-- ---- columns that may not go ----

ALTER TABLE t DROP COLUMN time;
ALTER TABLE t DROP COLUMN k;
ALTER TABLE t DROP COLUMN IF EXISTS nowhere, DROP COLUMN k;
ALTER TABLE t ALTER time TYPE timestamp;
ALTER TABLE t ALTER k TYPE bigint;
CREATE TYPE colour AS ENUM ('red');
CREATE TABLE typed (time timestamptz, c colour) USING mytsdb WITH (mytsdb.series_by = 'c');
DROP TYPE colour;
DROP TYPE colour CASCADE;

-- ---- UNLOGGED and TEMPORARY ----

DROP TABLE wrong;
CREATE UNLOGGED TABLE wrong (time timestamptz) USING mytsdb;
CREATE TEMPORARY TABLE wrong (time timestamptz) USING mytsdb;
CREATE TABLE pg_temp.wrong (time timestamptz) USING mytsdb;
CREATE TEMPORARY TABLE wrong USING mytsdb AS SELECT now() AS time;
ALTER TABLE t SET UNLOGGED;
CREATE UNLOGGED TABLE was_unlogged (time timestamptz);
ALTER TABLE was_unlogged SET ACCESS METHOD mytsdb;
CREATE TEMPORARY TABLE was_temporary (time timestamptz);
ALTER TABLE was_temporary SET ACCESS METHOD mytsdb;

-- ---- publications ----

SET client_min_messages = error;
CREATE PUBLICATION heaps FOR TABLE parent;
RESET client_min_messages;
CREATE PUBLICATION wrong FOR TABLE t;
CREATE PUBLICATION wrong FOR TABLE parent, t (time);
CREATE PUBLICATION wrong FOR TABLE parts;
ALTER PUBLICATION heaps ADD TABLE t;
ALTER PUBLICATION heaps SET TABLE parent, t;
CREATE PUBLICATION by_schema FOR TABLES IN SCHEMA am_refused;
ALTER PUBLICATION heaps SET TABLES IN SCHEMA CURRENT_SCHEMA;
CREATE PUBLICATION of_all FOR ALL TABLES;
DROP PUBLICATION heaps, by_schema, of_all;

-- ---- none of it has left anything ----

SELECT relname, relkind FROM pg_class
 WHERE relnamespace = 'am_refused'::regnamespace AND relname ~ 'wrong|_[123]$' ORDER BY 1;
SELECT * FROM t ORDER BY time;

SET client_min_messages = warning;
DROP SCHEMA am_refused CASCADE;
