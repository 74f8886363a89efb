-- Event triggers that insert into the very table that a statement is about to change.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE SCHEMA am_event;
SET search_path = am_event, public;

CREATE SEQUENCE clock;
CREATE TABLE notes (time timestamptz NOT NULL, what text) USING mytsdb;
CREATE TABLE notes_heap (LIKE notes) USING heap;
CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE at timestamptz = timestamptz '2026-01-01' + nextval('am_event.clock') * interval '1 s';
BEGIN
    INSERT INTO am_event.notes (time, what) VALUES (at, tg_event || ' ' || tg_tag);
    INSERT INTO am_event.notes_heap (time, what) VALUES (at, tg_event || ' ' || tg_tag);
END $$;
CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS
    'SELECT count(*) FROM ((TABLE notes EXCEPT ALL TABLE notes_heap) UNION ALL (TABLE notes_heap EXCEPT ALL TABLE notes)) d';
CREATE EVENT TRIGGER note_start ON ddl_command_start EXECUTE FUNCTION note();
CREATE EVENT TRIGGER note_rewrite ON table_rewrite EXECUTE FUNCTION note();
CREATE EVENT TRIGGER note_end ON ddl_command_end EXECUTE FUNCTION note();

BEGIN;
ALTER TABLE notes ADD COLUMN c int, ADD COLUMN d int DEFAULT 7;
ALTER TABLE notes_heap ADD COLUMN c int, ADD COLUMN d int DEFAULT 7;
INSERT INTO notes VALUES ('2026-01-02', 'mine', 1, 2);
INSERT INTO notes_heap VALUES ('2026-01-02', 'mine', 1, 2);
COMMIT;
SELECT count(*), count(c), sum(d) FROM notes;
SELECT differences();
BEGIN;
ALTER TABLE notes DROP COLUMN c;
ALTER TABLE notes_heap DROP COLUMN c;
SAVEPOINT s;
ALTER TABLE notes ADD COLUMN e int;
ALTER TABLE notes_heap ADD COLUMN e int;
ROLLBACK TO s;
INSERT INTO notes VALUES ('2026-01-03', 'mine', 3);
INSERT INTO notes_heap VALUES ('2026-01-03', 'mine', 3);
COMMIT;
SELECT count(*), sum(d) FROM notes;
SELECT differences();

-- rewrites
ALTER TABLE notes ALTER what TYPE varchar(100) USING what || '!';
ALTER TABLE notes_heap ALTER what TYPE varchar(100) USING what || '!';
ALTER TABLE notes SET ACCESS METHOD heap;
SELECT count(*) FROM notes;
ALTER TABLE notes SET ACCESS METHOD mytsdb;
SELECT count(*) FROM notes;
TRUNCATE notes_heap;
INSERT INTO notes_heap SELECT * FROM notes;
ALTER TABLE notes SET (mytsdb.duplicates = 'replace');
ALTER TABLE notes RENAME COLUMN d TO f;
SELECT differences();

-- its last row comes when it is about to be dropped
DROP EVENT TRIGGER note_end;
BEGIN;
DROP TABLE notes;
ROLLBACK;
SELECT differences();
DROP TABLE notes;
SELECT what FROM notes_heap ORDER BY time DESC LIMIT 1;
DROP EVENT TRIGGER note_start;
DROP EVENT TRIGGER note_rewrite;

-- a statement while a table is made that is rolled back, but the table is not
CREATE FUNCTION in_vain(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    CREATE TABLE gone ();
    PERFORM 1 / (i - 2);
    DROP TABLE gone;
    RETURN i;
EXCEPTION WHEN division_by_zero THEN
    RETURN i;
END $$;
CREATE TABLE made USING mytsdb WITH (mytsdb.series_by = 'dev', mytsdb.duplicates = 'replace') AS
    SELECT timestamptz '2026-01-01' AS time, in_vain(i) AS dev, i AS v FROM generate_series(2, 4) i;
INSERT INTO made VALUES ('2026-01-01', 2, 10);
SELECT reloptions FROM pg_class WHERE oid = 'made'::regclass;
SELECT dev, v FROM made ORDER BY dev;
CREATE TABLE made_all USING mytsdb WITH (mytsdb.series_by = 'dev') AS
    SELECT timestamptz '2026-01-01' AS time, in_vain(2) AS dev, i AS v FROM generate_series(1, 2) i;
SELECT reloptions FROM pg_class WHERE oid = 'made_all'::regclass;
SELECT key FROM mytsdb.series WHERE rel = 'made_all'::regclass;
SET client_min_messages = warning;
DROP SCHEMA am_event CASCADE;
