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

COMMENT ON VIEW mytsdb.stat_ingest IS 'remote write and OTLP';

CREATE VIEW mytsdb.stat_otlp AS SELECT
    labels->>'protocol' AS protocol,
    sum(value) FILTER (WHERE name = 'mytsdb_otlp_requests_total')::bigint AS requests,
    sum(value) FILTER (WHERE name = 'mytsdb_otlp_failed_requests_total')::bigint AS failed_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_otlp_points_total')::bigint AS points,
    sum(value) FILTER (WHERE name = 'mytsdb_otlp_refused_points_total')::bigint AS refused_points
    FROM mytsdb.server_stats() WHERE name LIKE 'mytsdb\_otlp\_%' AND labels->>'protocol' IS NOT NULL
    GROUP BY labels->>'protocol';
COMMENT ON VIEW mytsdb.stat_otlp IS 'OTLP over HTTP and over gRPC; also in stat_ingest';
GRANT SELECT ON mytsdb.stat_otlp TO PUBLIC;
