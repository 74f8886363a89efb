\echo Use "ALTER EXTENSION mytsdb UPDATE" to load this file. \quit

---------------------------------------------------------------------------------------
-- Tables USING mytsdb
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.am_handler(internal) RETURNS table_am_handler
    AS 'MODULE_PATHNAME', 'mytsdb_am_handler' LANGUAGE C STRICT;
REVOKE ALL ON FUNCTION mytsdb.am_handler(internal) FROM PUBLIC;
CREATE ACCESS METHOD mytsdb TYPE TABLE HANDLER mytsdb.am_handler;
COMMENT ON ACCESS METHOD mytsdb IS 'compressed time series';

-- What is sealed: see include/ts_catalog.h. span is the number of bits of
-- time_max - time_min, so that blocks which overlap a range of time are found by ranges
-- of time_min, one for each span there is. Times are microseconds or days.

CREATE TABLE mytsdb.block (
    storage bigint NOT NULL,
    id bigint NOT NULL,
    tier smallint NOT NULL,
    first_page bigint NOT NULL,
    pages bigint NOT NULL,
    length bigint NOT NULL,
    span smallint NOT NULL,
    time_min bigint NOT NULL,
    time_max bigint NOT NULL,
    series_min bigint NOT NULL,
    series_max bigint NOT NULL,
    number_min bigint NOT NULL,
    number_max bigint NOT NULL,
    rows bigint NOT NULL,
    chunks integer NOT NULL,
    PRIMARY KEY (storage, id)
) USING heap WITH (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX block_time ON mytsdb.block (storage, span, time_min);
COMMENT ON TABLE mytsdb.block IS 'the sealed blocks of tables USING mytsdb; kept by the engine alone';

CREATE TABLE mytsdb.shard (
    storage bigint NOT NULL,
    shard smallint NOT NULL,
    covered bigint NOT NULL,
    PRIMARY KEY (storage, shard)
) USING heap WITH (fillfactor = 40, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE mytsdb.shard IS 'how far the logs of tables USING mytsdb are sealed; kept by the engine alone';

REVOKE ALL ON mytsdb.block, mytsdb.shard FROM PUBLIC;

-- What others write, replication included, is not for here. The primary keys are what
-- replication needs to apply, and thus discard, an update.

CREATE FUNCTION mytsdb.discard_row() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mytsdb_discard_row' LANGUAGE C;
CREATE FUNCTION mytsdb.refuse_truncate() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mytsdb_refuse_truncate' LANGUAGE C;
REVOKE ALL ON FUNCTION mytsdb.discard_row(), mytsdb.refuse_truncate() FROM PUBLIC;

CREATE TRIGGER discard_row BEFORE INSERT OR UPDATE OR DELETE ON mytsdb.block
    FOR EACH ROW EXECUTE FUNCTION mytsdb.discard_row();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON mytsdb.block
    FOR EACH STATEMENT EXECUTE FUNCTION mytsdb.refuse_truncate();
ALTER TABLE mytsdb.block ENABLE ALWAYS TRIGGER discard_row;
ALTER TABLE mytsdb.block ENABLE ALWAYS TRIGGER refuse_truncate;

CREATE TRIGGER discard_row BEFORE INSERT OR UPDATE OR DELETE ON mytsdb.shard
    FOR EACH ROW EXECUTE FUNCTION mytsdb.discard_row();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON mytsdb.shard
    FOR EACH STATEMENT EXECUTE FUNCTION mytsdb.refuse_truncate();
ALTER TABLE mytsdb.shard ENABLE ALWAYS TRIGGER discard_row;
ALTER TABLE mytsdb.shard ENABLE ALWAYS TRIGGER refuse_truncate;
