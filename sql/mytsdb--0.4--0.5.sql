\echo Use "ALTER EXTENSION mytsdb UPDATE" to load this file. \quit

---------------------------------------------------------------------------------------
-- OTLP
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.otlp_metrics(body bytea, content_type text DEFAULT NULL, content_encoding text DEFAULT NULL,
        target regclass DEFAULT 'mytsdb.metrics', OUT samples bigint, OUT histograms bigint, OUT exemplars bigint,
        OUT rejected bigint, OUT message text)
        RETURNS record
    AS 'MODULE_PATHNAME', 'mytsdb_otlp_metrics' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION mytsdb.otlp_metrics(bytea, text, text, regclass) IS 'writes a request of OTLP metrics, in protobuf or JSON; returns how many samples, histograms and exemplars it had, and how many points were rejected and why';
