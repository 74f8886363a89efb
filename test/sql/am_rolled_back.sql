-- A definition that was rolled back leaves nothing behind: neither in what rows are written
-- by, nor in the way of reading the log, where its rows still are.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA am_rolled_back;
SET search_path = am_rolled_back, public;
SET timezone = 'UTC';

CREATE TABLE t (time timestamptz, v int, w int) USING mytsdb;

-- Rows with more columns than the table has.
BEGIN;
ALTER TABLE t ADD COLUMN x text;
INSERT INTO t VALUES ('2024-01-01', 1, 1, 'gone');
SAVEPOINT s;
ROLLBACK;
INSERT INTO t VALUES ('2024-01-01', 2, 2);
SELECT * FROM t;
SELECT mytsdb.seal('t');
SELECT * FROM t;

-- A table that becomes a heap gets a place for its wide values.
CREATE TABLE wide (time timestamptz, s text) USING mytsdb;
INSERT INTO wide SELECT '2024-01-01', string_agg(md5(i::text), '') FROM generate_series(1, 3000) i;
ALTER TABLE wide SET ACCESS METHOD heap;
SELECT length(s), md5(s) FROM wide;
SELECT reltoastrelid <> 0 AS has FROM pg_class WHERE oid = 'wide'::regclass;
ALTER TABLE wide SET ACCESS METHOD mytsdb;
SELECT length(s), md5(s) FROM wide;
SELECT reltoastrelid <> 0 AS has FROM pg_class WHERE oid = 'wide'::regclass;

DROP TABLE t, wide;
DROP SCHEMA am_rolled_back;

-- What a savepoint did to the columns does not stay in the private buffer.
CREATE TABLE t (time timestamptz, v int, w int) USING mytsdb;
BEGIN;
SAVEPOINT s;
ALTER TABLE t DROP COLUMN w;
INSERT INTO t VALUES ('2024-01-02', 3);
ROLLBACK TO s;
INSERT INTO t VALUES ('2024-01-03', 4, 4);
SELECT * FROM t;
COMMIT;
SELECT * FROM t;
DROP TABLE t;
