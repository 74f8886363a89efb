-- Tables USING mytsdb: their options, and the ways in which they come to be.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mytsdb;
RESET client_min_messages;
CREATE SCHEMA am_tables;
SET search_path = am_tables, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- reloptions as they are kept
CREATE FUNCTION kept(relation regclass) RETURNS text LANGUAGE sql AS $$
    SELECT amname || ' ' || coalesce(array_to_string(reloptions, ' | '), '')
      FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE c.oid = relation
$$;

-- ---- options ----

-- None: one series, and the one column that can be the time
CREATE TABLE plain (time timestamptz, value float8) USING mytsdb;
SELECT kept('plain');
-- All of them, in both ways of writing
CREATE TABLE every (host text, "Dev, ""1""" int, time timestamp, also timestamptz, value float8)
    USING mytsdb
    WITH (mytsdb.series_by = 'host, "Dev, ""1"""', mytsdb.time_column = 'time',
          mytsdb.duplicates = 'replace', mytsdb.shards = 3, mytsdb.retention = '30 days');
SELECT kept('every');
CREATE TABLE dumped (host text, time timestamptz) USING mytsdb
    WITH ("mytsdb.series_by"='host', fillfactor='90', "mytsdb.shards"='2',
          "mytsdb.time_column"='time', autovacuum_enabled='false');
SELECT kept('dumped');
\d+ dumped
-- Time columns: date, domains of types of time, and names that are quoted
CREATE DOMAIN instant AS timestamptz;
CREATE TABLE by_domain (x instant) USING mytsdb;
SELECT kept('by_domain');
CREATE TABLE by_date (d date, "The Time" timestamptz) USING mytsdb WITH (mytsdb.time_column = d);
SELECT kept('by_date');
CREATE TABLE by_name (t timestamptz, "The Time" timestamptz) USING mytsdb
    WITH (mytsdb.time_column = '"The Time"');
SELECT kept('by_name');
CREATE TABLE by_none (t timestamptz, v int) USING mytsdb WITH (mytsdb.series_by = '');
SELECT kept('by_none');

-- Wrong ones
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.colour = 'blue');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.shards);
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.series_by);
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.shards = 0);
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.shards = 257);
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.shards = '4x');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.shards = 99999999999999999999);
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.shards = 1, mytsdb.shards = 2);
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.shards = 1, "mytsdb.shards" = 1);
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.duplicates = 'perhaps');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.retention = 'long');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.retention = '-1 day');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.retention = '0');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.retention = '');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.series_by = 'host');
CREATE TABLE wrong (t timestamptz, host text) USING mytsdb WITH (mytsdb.series_by = 'Host,"Host"');
CREATE TABLE wrong (t timestamptz, host text) USING mytsdb WITH (mytsdb.series_by = 'host host');
CREATE TABLE wrong (t timestamptz, host text) USING mytsdb WITH (mytsdb.series_by = 'host,');
CREATE TABLE wrong (t timestamptz, host text) USING mytsdb WITH (mytsdb.series_by = 'host,host');
CREATE TABLE wrong (t timestamptz, host text) USING mytsdb WITH (mytsdb.series_by = 'host,t');
CREATE TABLE wrong (t timestamptz, host text) USING mytsdb WITH (mytsdb.series_by = 'tableoid');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.time_column = 'time');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (mytsdb.time_column = '');
CREATE TABLE wrong (t timestamptz, u date) USING mytsdb WITH (mytsdb.time_column = 't, u');
CREATE TABLE wrong (t timestamptz, v int) USING mytsdb WITH (mytsdb.time_column = 'v');
CREATE TABLE wrong (t time, v int) USING mytsdb WITH (mytsdb.time_column = 't');
CREATE TABLE wrong (v int) USING mytsdb;
CREATE TABLE wrong () USING mytsdb;
CREATE TABLE wrong (d date, t timestamp) USING mytsdb;
CREATE TABLE wrong (t timestamptz, u timestamptz) USING mytsdb;
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (fillfactor = 1);
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (colour = 'blue');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (series_by = 't');
CREATE TABLE wrong (t timestamptz) USING mytsdb WITH (paint.colour = 'blue');
CREATE TABLE wrong (t timestamptz) USING heap WITH (mytsdb.shards = 1);
CREATE TABLE wrong (t timestamptz) PARTITION BY RANGE (t) WITH (mytsdb.shards = 1);
SELECT count(*) FROM pg_class WHERE relname = 'wrong';
DO $$
DECLARE
    columns text;
    names text;
BEGIN
    SELECT string_agg('k' || i || ' int', ', '), string_agg('k' || i, ',')
      INTO columns, names FROM generate_series(1, 33) i;
    EXECUTE 'CREATE TABLE wrong (t timestamptz, ' || columns || ') USING mytsdb '
            'WITH (mytsdb.series_by = ' || quote_literal(names) || ')';
END
$$;
-- 32 of them are well
DO $$
DECLARE
    columns text;
    names text;
BEGIN
    SELECT string_agg('k' || i || ' int', ', '), string_agg('k' || i, ',' ORDER BY -i)
      INTO columns, names FROM generate_series(1, 32) i;
    EXECUTE 'CREATE TABLE many_keys (t timestamptz, ' || columns || ') USING mytsdb '
            'WITH (mytsdb.series_by = ' || quote_literal(names) || ')';
END
$$;
INSERT INTO many_keys (t, k1, k32) VALUES ('2024-01-01', 1, 32), ('2024-01-01', NULL, 32);
SELECT k1, k2, k32 FROM many_keys WHERE k1 = 1;

-- Times that are null
INSERT INTO plain VALUES ('2024-01-01', 1), (NULL, 2);
INSERT INTO plain (value) VALUES (3);
INSERT INTO by_date VALUES (NULL, '2024-01-01');
SELECT count(*) FROM plain;
DO $$
DECLARE
    state text;
    col text;
BEGIN
    INSERT INTO plain (value) VALUES (3);
EXCEPTION WHEN not_null_violation THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, col = COLUMN_NAME;
    RAISE NOTICE '%: %', state, col;
END
$$;

-- ---- ALTER TABLE SET and RESET ----

ALTER TABLE dumped SET (mytsdb.retention = '7 days', mytsdb.duplicates = 'replace', fillfactor = 80);
SELECT kept('dumped');
ALTER TABLE dumped RESET (mytsdb.duplicates, fillfactor, autovacuum_enabled);
SELECT kept('dumped');
ALTER TABLE dumped SET ("mytsdb.retention" = '8 days'), RESET (mytsdb.retention);
SELECT kept('dumped');
-- while there are no rows, all of them change
ALTER TABLE dumped SET (mytsdb.shards = 5, mytsdb.series_by = '');
SELECT kept('dumped');
ALTER TABLE dumped RESET (mytsdb.shards, mytsdb.series_by, mytsdb.time_column);
SELECT kept('dumped');
ALTER TABLE dumped SET (mytsdb.series_by = 'host', mytsdb.shards = 2);
INSERT INTO dumped VALUES ('a', '2024-01-01'), ('b', '2024-01-01'), ('a', '2024-01-01');
-- with rows, those that say how they are stored are fixed
ALTER TABLE dumped SET (mytsdb.shards = 3);
ALTER TABLE dumped RESET (mytsdb.shards, mytsdb.series_by);
ALTER TABLE dumped SET (mytsdb.series_by = '');
ALTER TABLE dumped SET (mytsdb.shards = 2, mytsdb.series_by = '"host"');
SELECT kept('dumped');
SELECT * FROM dumped ORDER BY 1;
ALTER TABLE dumped SET (mytsdb.duplicates = 'replace');
SELECT * FROM dumped ORDER BY 1;
ALTER TABLE dumped SET (mytsdb.duplicates = 'keep');
SELECT * FROM dumped ORDER BY 1;
-- again without, also in the transaction that emptied the table
BEGIN;
TRUNCATE dumped;
ALTER TABLE dumped SET (mytsdb.shards = 4, mytsdb.series_by = '');
INSERT INTO dumped VALUES ('c', '2024-01-01');
SELECT * FROM dumped;
ROLLBACK;
SELECT kept('dumped');
SELECT * FROM dumped ORDER BY 1;
-- rows that no log has yet are rows
BEGIN;
TRUNCATE dumped;
INSERT INTO dumped VALUES ('c', '2024-01-01');
ALTER TABLE dumped SET (mytsdb.shards = 4);
ROLLBACK;
SELECT count(*) FROM dumped;
-- wrong ones
ALTER TABLE dumped SET (mytsdb.colour = 'blue');
ALTER TABLE dumped RESET (mytsdb.colour);
ALTER TABLE dumped RESET (mytsdb.retention = '1 day');
ALTER TABLE dumped SET (mytsdb.retention = '1 day', mytsdb.retention = '2 days');
ALTER TABLE dumped SET (mytsdb.retention = 'soon');
ALTER TABLE dumped SET (fillfactor = 1000);
ALTER TABLE dumped SET (paint.colour = 'blue');
ALTER TABLE dumped SET (retention = '1 day');
ALTER TABLE dumped RESET (retention);
ALTER TABLE dumped SET (mytsdb.time_column = 'host');
ALTER TABLE dumped SET (mytsdb.series_by = 'nowhere');
SELECT kept('dumped');
CREATE TABLE heap_table (t timestamptz);
ALTER TABLE heap_table SET (mytsdb.retention = '1 day');
ALTER TABLE IF EXISTS nowhere SET (mytsdb.retention = '1 day');
-- only the owner
CREATE ROLE regress_am_tables;
GRANT USAGE ON SCHEMA am_tables TO regress_am_tables;
SET ROLE regress_am_tables;
ALTER TABLE dumped SET (mytsdb.retention = '1 day');
ALTER TABLE dumped RENAME host TO guest;
RESET ROLE;

-- ---- other ways to make one ----

CREATE TABLE source AS
    SELECT timestamptz '2024-01-01' + i * interval '1 minute' AS time, 'h' || i % 3 AS host, i AS value
      FROM generate_series(1, 3000) i;
CREATE TABLE made USING mytsdb WITH (mytsdb.series_by = 'host', mytsdb.shards = 2)
    AS SELECT * FROM source;
SELECT kept('made'), count(*), sum(value) FROM made;
CREATE TABLE made_empty USING mytsdb WITH (mytsdb.series_by = 'host')
    AS SELECT * FROM source WITH NO DATA;
SELECT kept('made_empty'), count(*) FROM made_empty;
CREATE TABLE IF NOT EXISTS made USING mytsdb WITH (mytsdb.series_by = 'value') AS SELECT * FROM source;
SELECT kept('made');
CREATE TABLE wrong USING mytsdb WITH (mytsdb.series_by = 'nowhere') AS SELECT * FROM source;
CREATE TABLE wrong USING mytsdb AS SELECT value FROM source;
CREATE TABLE wrong USING mytsdb AS SELECT NULL::timestamptz AS time;
-- by EXECUTE, in a function, and with a table made meanwhile
PREPARE rows AS SELECT * FROM source WHERE value <= $1;
CREATE TABLE made_execute USING mytsdb WITH (mytsdb.series_by = 'host') AS EXECUTE rows(5);
SELECT kept('made_execute'), count(*) FROM made_execute;
CREATE FUNCTION make_another() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    CREATE TABLE IF NOT EXISTS another (host text, time timestamptz, value int) USING mytsdb
        WITH (mytsdb.series_by = 'value', mytsdb.shards = 7);
    INSERT INTO another VALUES ('x', '2024-01-01', 1);
    RETURN 1;
END
$$;
SET client_min_messages = warning;
CREATE TABLE made_beside USING mytsdb WITH (mytsdb.series_by = 'host', mytsdb.shards = 2)
    AS SELECT *, make_another() AS one FROM source WHERE value <= 2;
RESET client_min_messages;
SELECT kept('made_beside'), count(*) FROM made_beside;
SELECT kept('another'), count(*) FROM another;
-- LIKE takes columns, and options when asked for with them
CREATE TABLE made_like (LIKE made INCLUDING ALL) USING mytsdb WITH (mytsdb.series_by = 'value');
SELECT kept('made_like');
CREATE TABLE inherits (more int) INHERITS (made_like) USING mytsdb WITH (mytsdb.series_by = 'more');
INSERT INTO inherits VALUES ('2024-01-01', 'a', 1, 2);
SELECT tableoid::regclass, * FROM made_like;
CREATE TYPE sample AS (time timestamptz, value float8);
CREATE TABLE typed OF sample USING mytsdb;
INSERT INTO typed VALUES ('2024-01-01', 1);
SELECT kept('typed'), value FROM typed;
-- a statement that is cached and run twice
CREATE FUNCTION make_and_drop() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    options text;
BEGIN
    CREATE TABLE again (t timestamptz, k int) USING mytsdb WITH (mytsdb.series_by = 'k');
    ALTER TABLE again SET (mytsdb.retention = '1 day');
    options := am_tables.kept('again');
    DROP TABLE again;
    RETURN options;
END
$$;
SELECT make_and_drop(), make_and_drop();
SELECT make_and_drop();

-- Materialized views
CREATE MATERIALIZED VIEW view USING mytsdb WITH (mytsdb.series_by = 'host')
    AS SELECT * FROM source WHERE value <= 10;
SELECT kept('view'), count(*), sum(value) FROM view;
DELETE FROM source WHERE value % 2 = 1;
REFRESH MATERIALIZED VIEW view;
SELECT kept('view'), count(*), sum(value) FROM view;
REFRESH MATERIALIZED VIEW CONCURRENTLY view;
CREATE UNIQUE INDEX ON view (host, time);
REFRESH MATERIALIZED VIEW view WITH NO DATA;
SELECT * FROM view;
REFRESH MATERIALIZED VIEW view;
SELECT count(*), sum(value) FROM view;
BEGIN;
DELETE FROM source;
REFRESH MATERIALIZED VIEW view;
SELECT count(*) FROM view;
ROLLBACK;
SELECT count(*), sum(value) FROM view;
ALTER MATERIALIZED VIEW view SET (mytsdb.retention = '1 year');
SELECT kept('view');
CREATE MATERIALIZED VIEW view_empty USING mytsdb AS SELECT time, value FROM source WITH NO DATA;
SELECT kept('view_empty');
REFRESH MATERIALIZED VIEW view_empty;
SELECT count(*), sum(value) FROM view_empty;

-- The default access method
SET default_table_access_method = mytsdb;
CREATE TABLE by_default (t timestamptz, v int) WITH (mytsdb.shards = 2);
SELECT kept('by_default');
CREATE TABLE by_default_as WITH (mytsdb.series_by = 'host') AS SELECT * FROM source;
SELECT kept('by_default_as'), count(*) FROM by_default_as;
SELECT * INTO by_default_into FROM source;
SELECT kept('by_default_into'), count(*) FROM by_default_into;
CREATE MATERIALIZED VIEW by_default_view AS SELECT * FROM source;
SELECT kept('by_default_view'), count(*) FROM by_default_view;
CREATE TABLE wrong (v int);
SELECT 1 AS v INTO wrong;
CREATE TABLE on_heap (v int PRIMARY KEY) USING heap;
SELECT kept('on_heap');
-- has no tables of these kinds: heap it is
CREATE TEMPORARY TABLE temporary_table (v int PRIMARY KEY);
SELECT kept('temporary_table');
CREATE TABLE pg_temp.temporary_too (v int);
SELECT kept('pg_temp.temporary_too');
SET search_path = pg_temp, am_tables, public;
CREATE TABLE temporary_by_path (v int);
SET search_path = am_tables, public;
SELECT kept('temporary_by_path');
CREATE TEMPORARY TABLE temporary_as AS SELECT 1 AS v;
SELECT kept('temporary_as');
SELECT 1 AS v INTO TEMP temporary_into;
SELECT kept('temporary_into');
CREATE UNLOGGED TABLE unlogged_table (v int);
SELECT kept('unlogged_table');
CREATE TEMPORARY TABLE wrong (t timestamptz) WITH (mytsdb.shards = 1);
CREATE TABLE parted (t timestamptz, v int) PARTITION BY RANGE (t);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
SELECT kept('parted_1');
RESET default_table_access_method;
CREATE TABLE by_heap (v int);
SELECT kept('by_heap');

-- ---- partitions ----

CREATE TABLE parts (time timestamptz NOT NULL, host text, value float8) PARTITION BY RANGE (time);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2024-01-02')
    USING mytsdb WITH (mytsdb.series_by = 'host');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2024-01-02') TO ('2024-01-03') USING heap;
CREATE TABLE parts_3 (host text, value float8, time timestamptz NOT NULL) USING mytsdb
    WITH (mytsdb.series_by = 'host');
ALTER TABLE parts ATTACH PARTITION parts_3 FOR VALUES FROM ('2024-01-03') TO ('2024-01-04');
INSERT INTO parts
SELECT timestamptz '2024-01-01' + i * interval '1 hour', 'h' || i % 2, i FROM generate_series(0, 71) i;
INSERT INTO parts VALUES ('2025-01-01', 'h', 1);
SELECT tableoid::regclass, count(*), sum(value), min(time), max(time) FROM parts GROUP BY 1 ORDER BY 1;
SELECT count(*), sum(value) FROM parts WHERE time >= '2024-01-03' AND host = 'h1';
INSERT INTO parts_1 VALUES ('2024-05-05', 'h', 1);
UPDATE parts SET value = 0 WHERE time = '2024-01-02 01:00';
UPDATE parts SET value = 0 WHERE time = '2024-01-01 01:00';
ALTER TABLE parts DETACH PARTITION parts_3;
SELECT count(*) FROM parts;
ALTER TABLE parts ATTACH PARTITION parts_3 FOR VALUES FROM ('2024-01-03') TO ('2024-01-04');
-- attaching looks at the rows that are there
ALTER TABLE parts DETACH PARTITION parts_1;
ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01 02:00');
ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM ('2023-01-01') TO ('2024-01-02');
ALTER TABLE parts RENAME host TO node;
SELECT kept('parts_1'), kept('parts_3');
ALTER TABLE parts ADD COLUMN note text DEFAULT 'none';
SELECT note, count(*) FROM parts GROUP BY 1;
ALTER TABLE parts DROP COLUMN node;
ALTER TABLE parts ALTER value TYPE numeric;
SELECT pg_typeof(value), sum(value) FROM parts GROUP BY 1;
TRUNCATE parts;
SELECT count(*) FROM parts;
DROP TABLE parts_1;
DROP TABLE parts;

SET client_min_messages = warning;
DROP SCHEMA am_tables CASCADE;
DROP ROLE regress_am_tables;
