-- Rows into tables USING mytsdb, by every way there is, and who sees them when.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA am_write;
SET search_path = am_write, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE TABLE t (time timestamptz, host text, v int) USING mytsdb
    WITH (mytsdb.series_by = 'host', mytsdb.shards = 2);

-- ---- INSERT ----

INSERT INTO t VALUES ('2024-01-01 00:00', 'a', 1);
INSERT INTO t VALUES ('2024-01-01 00:01', 'a', 2), ('2024-01-01 00:01', 'b', 3), ('2023-01-01', NULL, NULL);
INSERT INTO t (v, time) SELECT i, timestamptz '2024-01-02' + i * interval '1 s' FROM generate_series(4, 6) i;
INSERT INTO t SELECT * FROM t WHERE false;
SELECT * FROM t ORDER BY time, host;
INSERT INTO t VALUES ('2024-01-03', 'c', 7), ('2024-01-03', 'd', 8) RETURNING *;
INSERT INTO t VALUES ('2024-01-03', 'c', 9) RETURNING v + 1 AS next, tableoid::regclass;
WITH i AS (INSERT INTO t VALUES ('2024-01-04', 'e', 10) RETURNING *) SELECT i.*, (SELECT count(*) FROM t) FROM i;
SELECT count(*), sum(v) FROM t;

-- ---- who sees what ----

-- a statement does not see what it inserts itself
INSERT INTO t SELECT * FROM t;
SELECT count(*), sum(v) FROM t;
BEGIN;
INSERT INTO t SELECT * FROM t;
INSERT INTO t SELECT * FROM t;
INSERT INTO t SELECT time, host, v + (SELECT count(*) FROM t) FROM t LIMIT 1;
SELECT count(*) FROM t;
ROLLBACK;
SELECT count(*), sum(v) FROM t;
-- a loop over the table that fills it
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT * FROM t LOOP
        INSERT INTO t VALUES (r.time, r.host, 0);
    END LOOP;
END
$$;
SELECT count(*), sum(v) FROM t;
-- a cursor does not see what comes after it was opened
BEGIN;
INSERT INTO t VALUES ('2025-01-01', 'z', 100);
DECLARE c CURSOR FOR SELECT v FROM t WHERE time >= '2025-01-01' ORDER BY v;
INSERT INTO t VALUES ('2025-01-01', 'z', 101);
FETCH ALL FROM c;
MOVE ABSOLUTE 0 IN c;
SELECT v FROM t WHERE time >= '2025-01-01' ORDER BY v;
ROLLBACK;
-- functions: volatile ones see what the statement that calls them has inserted, as far as
-- it has come; stable ones do not
TRUNCATE t;
CREATE FUNCTION rows_volatile() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM am_write.t';
CREATE FUNCTION rows_stable() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM am_write.t';
INSERT INTO t SELECT timestamptz '2024-01-01', 'volatile', rows_volatile() FROM generate_series(1, 3);
INSERT INTO t SELECT timestamptz '2024-01-01', 'stable', rows_stable() FROM generate_series(1, 3);
SELECT host, v FROM t ORDER BY host DESC, v;

-- ---- savepoints ----

TRUNCATE t;
BEGIN;
INSERT INTO t VALUES ('2024-01-01', 's', 1);
SAVEPOINT one;
INSERT INTO t VALUES ('2024-01-01', 's', 2);
SAVEPOINT two;
INSERT INTO t VALUES ('2024-01-01', 's', 3);
ROLLBACK TO two;
SELECT array_agg(v ORDER BY v) FROM t;
INSERT INTO t VALUES ('2024-01-01', 's', 4);
RELEASE one;
SELECT array_agg(v ORDER BY v) FROM t;
SAVEPOINT three;
INSERT INTO t SELECT timestamptz '2024-01-02' + i * interval '1 s', 's' || i % 5, i FROM generate_series(1, 50000) i;
SELECT count(*) FROM t;
ROLLBACK TO three;
SELECT array_agg(v ORDER BY v) FROM t;
INSERT INTO t VALUES ('2024-01-01', 's', 5);
COMMIT;
SELECT array_agg(v ORDER BY v) FROM t;
-- a subtransaction for each row; every third fails
DO $$
BEGIN
    FOR i IN 10 .. 18 LOOP
        BEGIN
            INSERT INTO am_write.t VALUES ('2024-01-03', 'u', i);
            IF i % 3 = 0 THEN
                RAISE division_by_zero;
            END IF;
        EXCEPTION WHEN division_by_zero THEN
            NULL;
        END;
    END LOOP;
END
$$;
SELECT array_agg(v ORDER BY v) FROM t;
-- an error ends the transaction
BEGIN;
INSERT INTO t VALUES ('2024-01-03', 'u', 20);
SELECT 1 / 0;
INSERT INTO t VALUES ('2024-01-03', 'u', 21);
COMMIT;
SELECT count(*) FROM t WHERE v >= 20;
-- truncating in a savepoint that is rolled back
BEGIN;
INSERT INTO t VALUES ('2024-01-03', 'u', 20);
SAVEPOINT s;
TRUNCATE t;
INSERT INTO t VALUES ('2024-01-03', 'u', 21);
SELECT array_agg(v ORDER BY v) FROM t;
ROLLBACK TO s;
COMMIT;
SELECT array_agg(v ORDER BY v) FROM t;

-- ---- prepared transactions ----

TRUNCATE t;
BEGIN;
INSERT INTO t VALUES ('2024-01-01', 'p', 1);
SAVEPOINT s;
INSERT INTO t VALUES ('2024-01-01', 'p', 2);
PREPARE TRANSACTION 'am_write_1';
SELECT count(*) FROM t;
BEGIN;
INSERT INTO t SELECT timestamptz '2024-01-01' + i * interval '1 s', 'p' || i % 3, i FROM generate_series(1, 40000) i;
PREPARE TRANSACTION 'am_write_2';
BEGIN;
INSERT INTO t SELECT timestamptz '2024-01-01' + i * interval '1 s', 'p' || i % 3, i FROM generate_series(1, 40000) i;
PREPARE TRANSACTION 'am_write_3';
SELECT mytsdb.seal('t') >= 0 AS sealed;
SELECT count(*) FROM t;
COMMIT PREPARED 'am_write_1';
COMMIT PREPARED 'am_write_2';
ROLLBACK PREPARED 'am_write_3';
SELECT count(*), sum(v) FROM t;
SELECT mytsdb.seal('t') >= 0 AS sealed;
SELECT count(*), sum(v) FROM t;

-- ---- COPY ----

TRUNCATE t;
COPY t FROM STDIN;
2024-01-01 00:00:00+00	a	1
2024-01-01 00:00:01+00	\N	2
2024-01-01 00:00:02+00	b\tb	\N
\.
COPY t (v, time, host) FROM STDIN WITH (FORMAT csv, HEADER);
v,time,host
4,2024-01-01 00:00:03,"a"
,2024-01-01 00:00:04,
\.
COPY t FROM STDIN WITH (FORMAT csv) WHERE v > 6;
2024-01-01 00:00:05,a,6
2024-01-01 00:00:06,a,7
\.
COPY (SELECT * FROM t ORDER BY time) TO STDOUT;
COPY (SELECT v, host FROM t ORDER BY time) TO STDOUT (FORMAT csv, FORCE_QUOTE (host));
-- a wrong row: none of them stays
COPY t FROM STDIN;
2024-01-01 00:00:10+00	a	1
\N	a	2
\.
COPY t FROM STDIN;
2024-01-01 00:00:10+00	a	1
yesterdayish	a	2
\.
SELECT count(*) FROM t;
-- binary, out and in
CREATE TABLE u (LIKE t) USING mytsdb WITH (mytsdb.series_by = 'host');
SELECT current_setting('data_directory') || '/am_write.copy' AS file \gset
INSERT INTO t SELECT timestamptz '2024-01-05' + i * interval '1 s', 'h' || i % 7, i FROM generate_series(1, 30000) i;
COPY t TO :'file' (FORMAT binary);
COPY u FROM :'file' (FORMAT binary);
SELECT count(*), sum(v) FROM u;
SELECT count(*) FROM (SELECT * FROM t EXCEPT ALL SELECT * FROM u) x;
SELECT count(*) FROM (SELECT * FROM u EXCEPT ALL SELECT * FROM t) x;
-- in a savepoint that is rolled back, and again
BEGIN;
TRUNCATE u;
SAVEPOINT s;
COPY u FROM :'file' (FORMAT binary);
SELECT count(*) FROM u;
ROLLBACK TO s;
SELECT count(*) FROM u;
COPY u FROM :'file' (FORMAT binary);
COPY u FROM :'file' (FORMAT binary);
COMMIT;
SELECT count(*), sum(v) FROM u;
-- FREEZE
COPY u FROM :'file' (FORMAT binary, FREEZE);
BEGIN;
TRUNCATE u;
COPY u FROM :'file' (FORMAT binary, FREEZE);
SELECT count(*), sum(v) FROM u;
COMMIT;
SELECT count(*), sum(v) FROM u;
BEGIN;
CREATE TABLE frozen (LIKE t) USING mytsdb WITH (mytsdb.series_by = 'host');
COPY frozen FROM :'file' (FORMAT binary, FREEZE);
COMMIT;
SELECT count(*), sum(v) FROM frozen;

-- into partitions, in turn
CREATE TABLE parts (time timestamptz, host text, v int) PARTITION BY HASH (host);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0) USING mytsdb
    WITH (mytsdb.series_by = 'host');
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1) USING mytsdb;
COPY parts FROM :'file' (FORMAT binary);
SELECT count(*), sum(v), count(DISTINCT tableoid) FROM parts;
-- into two tables in one statement
TRUNCATE u, frozen;
WITH a AS (INSERT INTO u SELECT * FROM t RETURNING *), b AS (INSERT INTO frozen SELECT * FROM a RETURNING v)
SELECT count(*), sum(v) FROM b;
SELECT (SELECT sum(v) FROM u), (SELECT sum(v) FROM frozen);

-- ---- DDL in the same transaction ----

BEGIN;
CREATE TABLE fresh (time timestamptz, k int, v float8) USING mytsdb WITH (mytsdb.series_by = 'k');
INSERT INTO fresh VALUES ('2024-01-01', 1, 1);
ALTER TABLE fresh ADD COLUMN w int DEFAULT 7;
INSERT INTO fresh VALUES ('2024-01-01', 1, 2, 8);
ALTER TABLE fresh DROP COLUMN v;
INSERT INTO fresh VALUES ('2024-01-01', 2, 9);
ALTER TABLE fresh RENAME k TO kk;
ALTER TABLE fresh ALTER w TYPE text USING 'w' || w;
INSERT INTO fresh VALUES ('2024-01-02', 2, 'ten');
SELECT * FROM fresh ORDER BY w;
TRUNCATE fresh;
INSERT INTO fresh VALUES ('2024-01-03', 3, 'eleven');
COMMIT;
SELECT * FROM fresh;
BEGIN;
INSERT INTO fresh VALUES ('2024-01-04', 4, 'twelve');
DROP TABLE fresh;
ROLLBACK;
SELECT * FROM fresh;
BEGIN;
INSERT INTO fresh VALUES ('2024-01-04', 4, 'twelve');
DROP TABLE fresh;
COMMIT;
SELECT * FROM fresh;

-- ---- triggers ----

CREATE TABLE seen (id serial, what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO am_write.seen (what)
    VALUES (concat_ws(' ', TG_NAME, TG_WHEN, TG_LEVEL, TG_OP, CASE WHEN TG_LEVEL = 'ROW' THEN NEW::text END,
                      (SELECT count(*) FROM am_write.t)));
    RETURN NEW;
END
$$;
CREATE FUNCTION note_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO am_write.seen (what)
    SELECT concat_ws(' ', TG_NAME, count(*), sum(v), string_agg(host, ',' ORDER BY host)) FROM fresh_rows;
    RETURN NULL;
END
$$;
CREATE FUNCTION change_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.v < 0 THEN
        RETURN NULL;
    END IF;
    NEW.host := upper(NEW.host);
    RETURN NEW;
END
$$;
TRUNCATE t;
CREATE TRIGGER a_change BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION change_row();
CREATE TRIGGER before_row BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER after_row AFTER INSERT ON t FOR EACH ROW WHEN (NEW.v <> 3) EXECUTE FUNCTION note();
CREATE TRIGGER before_statement BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER after_statement AFTER INSERT ON t REFERENCING NEW TABLE AS fresh_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_rows();
CREATE TRIGGER truncated AFTER TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION note();
INSERT INTO t VALUES ('2024-01-01', 'a', 1), ('2024-01-01', 'b', -2), ('2024-01-01', 'c', 3) RETURNING host, v;
SELECT what FROM seen ORDER BY id;
TRUNCATE seen;
COPY t FROM STDIN;
2024-01-02	d	4
2024-01-02	e	-5
2024-01-02	f	6
\.
SELECT what FROM seen ORDER BY id;
TRUNCATE seen;
TRUNCATE t;
SELECT what FROM seen ORDER BY id;
TRUNCATE seen;
-- many rows; the AFTER ROW trigger gets each of them again
INSERT INTO t SELECT timestamptz '2024-01-01' + i * interval '1 s', 'h' || i % 3, i FROM generate_series(0, 999) i;
SELECT count(*), count(*) FILTER (WHERE what LIKE 'after_row%') AS after,
       count(DISTINCT split_part(what, '"', 3)) AS rows FROM seen;
TRUNCATE seen;
DROP TRIGGER a_change ON t;
DROP TRIGGER before_row ON t;
DROP TRIGGER after_row ON t;
DROP TRIGGER before_statement ON t;
-- AFTER triggers that wait for the end, and see savepoints come and go
TRUNCATE t;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION note();
BEGIN;
INSERT INTO t VALUES ('2024-01-01', 'x', 1);
SAVEPOINT s;
INSERT INTO t VALUES ('2024-01-01', 'x', 2);
ROLLBACK TO s;
INSERT INTO t VALUES ('2024-01-01', 'x', 3);
SELECT count(*) FROM seen WHERE what LIKE 'late%';
COMMIT;
SELECT what FROM seen WHERE what LIKE 'late%' ORDER BY id;
DROP TRIGGER late ON t;
DROP TRIGGER after_statement ON t;
-- rules
CREATE RULE twice AS ON INSERT TO t WHERE NEW.v = 42 DO ALSO INSERT INTO seen (what) VALUES ('rule ' || NEW.v);
INSERT INTO t VALUES ('2024-01-01', 'r', 42);
SELECT what FROM seen WHERE what LIKE 'rule%';
DROP RULE twice ON t;
-- a view one can insert into
CREATE VIEW insertable AS SELECT host, time, v FROM t WHERE v > 0 WITH CHECK OPTION;
INSERT INTO insertable VALUES ('view', '2024-02-02', 5);
INSERT INTO insertable VALUES ('view', '2024-02-02', -5);
SELECT * FROM t WHERE host = 'view';

-- ---- what columns may say ----

CREATE DOMAIN percent AS float8 CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE rich (
    id bigint GENERATED ALWAYS AS IDENTITY,
    number serial,
    time timestamptz DEFAULT '2024-01-01',
    host text NOT NULL DEFAULT 'nobody' CHECK (host <> ''),
    used percent,
    free float8 GENERATED ALWAYS AS (100 - used) STORED,
    CONSTRAINT sane CHECK (used + 1 > 0 AND host <> 'x' || used),
    CHECK (host <> 'inherit') NO INHERIT
) USING mytsdb WITH (mytsdb.series_by = 'host');
INSERT INTO rich DEFAULT VALUES;
INSERT INTO rich (host, used) VALUES ('a', 25), (DEFAULT, 50) RETURNING *;
COPY rich (host, used) FROM STDIN;
c	12.5
\.
SELECT * FROM rich ORDER BY id;
INSERT INTO rich (host) VALUES (NULL);
INSERT INTO rich (host) VALUES ('');
INSERT INTO rich (used) VALUES (101);
INSERT INTO rich (host, used) VALUES ('x5', 5);
INSERT INTO rich (id) VALUES (7);
INSERT INTO rich (id) OVERRIDING SYSTEM VALUE VALUES (77);
INSERT INTO rich (free) VALUES (7);
SELECT count(*), max(id) FROM rich;
-- series by a generated column
CREATE TABLE by_generated (time timestamptz, path text, top text GENERATED ALWAYS AS (split_part(path, '/', 1)) STORED)
    USING mytsdb WITH (mytsdb.series_by = 'top');
INSERT INTO by_generated VALUES ('2024-01-01', 'a/b'), ('2024-01-01', 'a/c'), ('2024-01-01', 'b/c');
SELECT top, count(*) FROM by_generated WHERE top = 'a' GROUP BY 1;
-- row security
CREATE ROLE regress_am_write;
GRANT USAGE ON SCHEMA am_write TO regress_am_write;
GRANT SELECT, INSERT ON rich TO regress_am_write;
ALTER TABLE rich ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON rich USING (host = 'a') WITH CHECK (host IN ('a', 'c'));
GRANT USAGE ON SEQUENCE rich_number_seq TO regress_am_write;
SET ROLE regress_am_write;
SELECT host, used FROM rich;
INSERT INTO rich (host) VALUES ('c');
INSERT INTO rich (host) VALUES ('b');
RESET ROLE;
SELECT count(*) FROM rich WHERE host = 'c';

-- ---- a command's rows that go to the log in slices ----

CREATE TABLE slices (time timestamptz, k int, doc text, n int) USING mytsdb
    WITH (mytsdb.series_by = 'k', mytsdb.duplicates = 'replace', mytsdb.shards = 1);
SET mytsdb.buffer_memory = '64MB';
INSERT INTO slices SELECT timestamptz '2024-01-01' + i % 7000 * interval '1 s', i % 10, md5(i::text), i
  FROM generate_series(1, 35000) i;
RESET mytsdb.buffer_memory;
SELECT rows > 0 AS some, pending_bytes > 300000 AS in_log FROM mytsdb.stat_table WHERE rel = 'slices'::regclass;
SELECT count(*), min(n), max(n), count(*) FILTER (WHERE doc <> md5(n::text)) AS wrong FROM slices;
SELECT mytsdb.seal('slices') AS sealed;
SELECT count(*), min(n), max(n), count(*) FILTER (WHERE doc <> md5(n::text)) AS wrong FROM slices;

-- ---- wide rows ----

-- Rows of numbers alone: as many as a log record surely has room for, and more.
DO $$
DECLARE
  found float8;
  n int;
BEGIN
  FOREACH n IN ARRAY '{10,150,151,152,153,154,155,156,157,158,400}'::int[] LOOP
    EXECUTE (SELECT 'CREATE TABLE numbers (time timestamptz, ' || string_agg('v' || i || ' float8', ', ') || ') USING mytsdb'
      FROM generate_series(1, n) i);
    EXECUTE (SELECT 'INSERT INTO numbers SELECT now() + j * interval ''1 s'', ' || string_agg('sin(' || i || ' * j)', ', ')
      || ' FROM generate_series(1, 20) j' FROM generate_series(1, n) i);
    COMMIT;
    EXECUTE 'SELECT sum(v1 + v' || n || ') FROM numbers' INTO found;
    IF found IS DISTINCT FROM (SELECT sum(sin(j) + sin(n * j)) FROM generate_series(1, 20) j) THEN
      RAISE 'with % columns: %', n, found;
    END IF;
    DROP TABLE numbers;
  END LOOP;
END $$;

CREATE TABLE wide (time timestamptz, k int, doc text) USING mytsdb WITH (mytsdb.series_by = 'k');
INSERT INTO wide VALUES ('2024-01-01', 1, repeat('x', 1 << 20));
INSERT INTO wide SELECT timestamptz '2024-01-02' + i * interval '1 s', i % 2, repeat(md5(i::text), 4000 * (i % 20))
  FROM generate_series(1, 200) i;
SELECT count(*), sum(length(doc)), count(DISTINCT md5(doc)) FROM wide;
BEGIN;
INSERT INTO wide VALUES ('2024-01-03', 1, repeat('y', 3 << 20));
SAVEPOINT s;
INSERT INTO wide VALUES ('2024-01-03', 1, repeat('z', 3 << 20));
SELECT left(doc, 1), length(doc) FROM wide WHERE time = '2024-01-03' ORDER BY 1;
ROLLBACK TO s;
SELECT left(doc, 1), length(doc) FROM wide WHERE time = '2024-01-03' ORDER BY 1;
COMMIT;
SELECT left(doc, 1), length(doc) FROM wide WHERE time = '2024-01-03' ORDER BY 1;
SELECT mytsdb.seal('wide') >= 0 AS sealed, mytsdb.merge('wide') >= 0 AS merged;
-- a chunk has 16 MB of values, or a single row
SELECT sum(chunks) >= 200 * 9.5 * 4000 * 32 / (16 << 20) AS chunks FROM mytsdb.stat_block WHERE rel = 'wide'::regclass;
SELECT mytsdb.merge('wide');
SELECT count(*), sum(length(doc)), count(DISTINCT md5(doc)) FROM wide;
-- many columns
DO $$
BEGIN
    EXECUTE (SELECT 'CREATE TABLE am_write.broad (time timestamptz, ' || string_agg('c' || i || ' float8', ', ') ||
                    ') USING mytsdb' FROM generate_series(1, 1599) i);
    EXECUTE (SELECT 'INSERT INTO am_write.broad SELECT timestamptz ''2024-01-01'' + i * interval ''1 s'', ' ||
                    string_agg('i * ' || i, ', ') || ' FROM generate_series(1, 5) i' FROM generate_series(1, 1599) i);
END
$$;
SELECT count(*), sum(c1), sum(c800), sum(c1599) FROM broad;
SELECT mytsdb.seal('broad') >= 0 AS sealed;
SELECT count(*), sum(c1), sum(c800), sum(c1599) FROM broad;
ALTER TABLE broad ADD COLUMN c1600 int;

-- ---- one row for each series and time ----

CREATE TABLE last (time timestamptz, k text, v int, note text) USING mytsdb
    WITH (mytsdb.series_by = 'k', mytsdb.duplicates = 'replace', mytsdb.shards = 2);
-- within one statement
INSERT INTO last VALUES ('2024-01-01', 'a', 1, 'first'), ('2024-01-01', 'b', 1, NULL), ('2024-01-01', 'a', 2, 'second');
SELECT * FROM last ORDER BY k;
-- within a transaction, also with what savepoints take back
BEGIN;
INSERT INTO last VALUES ('2024-01-01', 'a', 3, 'third');
SAVEPOINT s;
INSERT INTO last VALUES ('2024-01-01', 'a', 4, 'fourth');
SELECT v, note FROM last WHERE k = 'a';
ROLLBACK TO s;
SELECT v, note FROM last WHERE k = 'a';
COMMIT;
SELECT * FROM last ORDER BY k;
-- over blocks; a row with nulls replaces a full one
SELECT mytsdb.seal('last') >= 0 AS sealed;
SELECT * FROM last ORDER BY k;
INSERT INTO last VALUES ('2024-01-01', 'a', 5, NULL);
SELECT * FROM last ORDER BY k;
SELECT count(*) FROM last;
SELECT mytsdb.seal('last') >= 0 AS sealed;
SELECT * FROM last ORDER BY k;
-- bulk load over the log, the log over bulk load, and all merged
INSERT INTO last SELECT timestamptz '2024-01-01' + i % 20000 * interval '1 s', 'k' || i % 4, i, NULL
  FROM generate_series(0, 59999) i;
SELECT count(*), min(v), max(v), sum(v) FROM last WHERE k LIKE 'k%';
INSERT INTO last SELECT timestamptz '2024-01-01' + i * interval '1 s', 'k' || i % 4, -i, NULL
  FROM generate_series(0, 99) i;
SELECT count(*), min(v), max(v), sum(v) FROM last WHERE k LIKE 'k%';
SELECT mytsdb.seal('last') >= 0 AS sealed, mytsdb.merge('last') >= 0 AS merged;
SELECT count(*), min(v), max(v), sum(v) FROM last WHERE k LIKE 'k%';
SELECT * FROM last WHERE k IN ('a', 'b') ORDER BY k;
-- in blocks of one transaction, the later one wins
BEGIN;
INSERT INTO last SELECT timestamptz '2024-01-01' + i * interval '1 s', 'k' || i % 4, 1, NULL FROM generate_series(0, 19999) i;
INSERT INTO last SELECT timestamptz '2024-01-01' + i * interval '1 s', 'k' || i % 4, 2, NULL FROM generate_series(0, 19999) i;
INSERT INTO last VALUES ('2024-01-01', 'k0', 3, NULL);
SELECT v, count(*) FROM last WHERE k LIKE 'k%' GROUP BY 1 ORDER BY 1;
COMMIT;
SELECT v, count(*) FROM last WHERE k LIKE 'k%' GROUP BY 1 ORDER BY 1;
VACUUM FULL last;
SELECT v, count(*) FROM last WHERE k LIKE 'k%' GROUP BY 1 ORDER BY 1;
-- wide rows replace narrow ones, and the other way round
BEGIN;
INSERT INTO last VALUES ('2024-01-01', 'w', 1, repeat('w', 2 << 20)), ('2024-01-01', 'w', 2, 'narrow'),
                        ('2024-01-02', 'w', 3, 'narrow'), ('2024-01-02', 'w', 4, repeat('w', 2 << 20));
SELECT v, length(note) FROM last WHERE k = 'w' ORDER BY v;
COMMIT;
SELECT v, length(note) FROM last WHERE k = 'w' ORDER BY v;

SET client_min_messages = warning;
DROP SCHEMA am_write CASCADE;
DROP ROLE regress_am_write;
