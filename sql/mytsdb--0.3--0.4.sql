\echo Use "ALTER EXTENSION mytsdb UPDATE" to load this file. \quit

---------------------------------------------------------------------------------------
-- Remote read
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.remote_read(body bytea, source regclass DEFAULT 'mytsdb.metrics') RETURNS bytea
    AS 'MODULE_PATHNAME', 'mytsdb_remote_read' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.remote_read(bytea, regclass) IS 'answers a request of Prometheus remote read: with samples, compressed by snappy, or with frames of chunks, as the request accepts';

---------------------------------------------------------------------------------------
-- What the server has done since it started: the figures of /metrics
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.server_stats(OUT name text, OUT labels labels, OUT value double precision,
        OUT kind text, OUT help text) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_server_stats' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 300;
COMMENT ON FUNCTION mytsdb.server_stats() IS 'all figures, as the samples that /metrics has';

CREATE VIEW mytsdb.stat_server AS SELECT * FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_server IS 'all figures, as the samples that /metrics has';

CREATE VIEW mytsdb.stat_ingest AS SELECT
    sum(value) FILTER (WHERE name = 'mytsdb_write_requests_total')::bigint AS requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_failed_requests_total')::bigint AS failed_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_pushed_back_requests_total')::bigint AS pushed_back_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_retried_requests_total')::bigint AS retried_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_commits_total')::bigint AS commits,
    sum(value) FILTER (WHERE name = 'mytsdb_write_samples_total' AND labels->>'type' = 'float')::bigint AS samples,
    sum(value) FILTER (WHERE name = 'mytsdb_write_samples_total' AND labels->>'type' = 'histogram')::bigint AS histograms,
    sum(value) FILTER (WHERE name = 'mytsdb_write_exemplars_total')::bigint AS exemplars,
    sum(value) FILTER (WHERE name = 'mytsdb_write_metadata_total')::bigint AS metadata,
    sum(value) FILTER (WHERE name = 'mytsdb_write_refused_samples_total')::bigint AS refused_samples,
    sum(value) FILTER (WHERE name = 'mytsdb_write_received_bytes_total')::bigint AS received_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_write_decoded_bytes_total')::bigint AS decoded_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_write_decode_seconds_total') AS decode_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_sample_append_seconds_total') AS append_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_commit_seconds_total') AS commit_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_request_duration_seconds_sum') AS request_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_queue_requests')::bigint AS queued_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_write_queue_bytes')::bigint AS queued_bytes
    FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_ingest IS 'remote write over HTTP';

CREATE VIEW mytsdb.stat_queries AS SELECT
    sum(value) FILTER (WHERE name = 'mytsdb_queries_total')::bigint AS queries,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_failed_total')::bigint AS failed,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_canceled_total')::bigint AS canceled,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_timed_out_total')::bigint AS timed_out,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_running')::bigint AS running,
    sum(value) FILTER (WHERE name = 'mytsdb_queries_waiting')::bigint AS waiting,
    sum(value) FILTER (WHERE name = 'mytsdb_query_duration_seconds_sum') AS seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_queue_duration_seconds_sum') AS queue_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_query_samples_total')::bigint AS samples,
    sum(value) FILTER (WHERE name = 'mytsdb_query_spilled_bytes_total')::bigint AS spilled_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_read_requests_total')::bigint AS read_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_read_samples_total')::bigint AS read_samples
    FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_queries IS 'queries and remote read over HTTP';

CREATE VIEW mytsdb.stat_engine AS SELECT
    sum(value) FILTER (WHERE name = 'mytsdb_new_series_total')::bigint AS new_series,
    sum(value) FILTER (WHERE name = 'mytsdb_log_records_total')::bigint AS log_records,
    sum(value) FILTER (WHERE name = 'mytsdb_log_bytes_total')::bigint AS log_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_log_append_seconds_total') AS log_append_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_write_mutex_lock_waits_total')::bigint AS lock_waits,
    sum(value) FILTER (WHERE name = 'mytsdb_write_mutex_lock_seconds_total') AS lock_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_seals_total')::bigint AS seals,
    sum(value) FILTER (WHERE name = 'mytsdb_seal_rows_total')::bigint AS sealed_rows,
    sum(value) FILTER (WHERE name = 'mytsdb_seal_seconds_total') AS seal_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_merges_total')::bigint AS merges,
    sum(value) FILTER (WHERE name = 'mytsdb_merge_rows_total')::bigint AS merged_rows,
    sum(value) FILTER (WHERE name = 'mytsdb_merge_seconds_total') AS merge_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_retention_dropped_blocks_total')::bigint AS retained_blocks,
    sum(value) FILTER (WHERE name = 'mytsdb_read_index_searches_total')::bigint AS index_searches,
    sum(value) FILTER (WHERE name = 'mytsdb_read_index_search_seconds_total') AS index_search_seconds,
    sum(value) FILTER (WHERE name = 'mytsdb_read_blocks_total')::bigint AS blocks_read,
    sum(value) FILTER (WHERE name = 'mytsdb_read_chunks_total')::bigint AS chunks_read,
    sum(value) FILTER (WHERE name = 'mytsdb_read_rows_total')::bigint AS rows_read,
    sum(value) FILTER (WHERE name = 'mytsdb_series_cache_hits_total')::bigint AS series_cache_hits,
    sum(value) FILTER (WHERE name = 'mytsdb_series_cache_misses_total')::bigint AS series_cache_misses
    FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_engine IS 'the engine, in all processes and all databases';

CREATE VIEW mytsdb.stat_connections AS SELECT
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections')::bigint AS connections,
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections_limit')::bigint AS connections_limit,
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections_accepted_total')::bigint AS accepted,
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections_refused_total')::bigint AS refused,
    sum(value) FILTER (WHERE name = 'mytsdb_http_connections_timed_out_total')::bigint AS timed_out,
    sum(value) FILTER (WHERE name = 'mytsdb_http_tls_failures_total')::bigint AS tls_failures,
    sum(value) FILTER (WHERE name = 'mytsdb_http_malformed_requests_total')::bigint AS malformed_requests,
    sum(value) FILTER (WHERE name = 'mytsdb_http_auth_failures_total')::bigint AS auth_failures,
    sum(value) FILTER (WHERE name = 'mytsdb_http_auth_throttled_total')::bigint AS auth_throttled,
    sum(value) FILTER (WHERE name = 'mytsdb_http_rate_limited_total')::bigint AS rate_limited,
    sum(value) FILTER (WHERE name = 'mytsdb_http_received_bytes_total')::bigint AS received_bytes,
    sum(value) FILTER (WHERE name = 'mytsdb_http_sent_bytes_total')::bigint AS sent_bytes
    FROM mytsdb.server_stats();
COMMENT ON VIEW mytsdb.stat_connections IS 'connections of HTTP';

CREATE VIEW mytsdb.stat_http AS
    SELECT labels->>'route' AS route,
        sum(value) FILTER (WHERE name = 'mytsdb_http_requests_total')::bigint AS requests,
        coalesce(sum(value) FILTER (WHERE name = 'mytsdb_http_requests_total' AND labels->>'status' LIKE '4%'), 0)::bigint
            AS client_errors,
        coalesce(sum(value) FILTER (WHERE name = 'mytsdb_http_requests_total' AND labels->>'status' LIKE '5%'), 0)::bigint
            AS server_errors,
        sum(value) FILTER (WHERE name = 'mytsdb_http_request_duration_seconds_sum') AS seconds
    FROM mytsdb.server_stats()
    WHERE name IN ('mytsdb_http_requests_total', 'mytsdb_http_request_duration_seconds_sum')
    GROUP BY labels->>'route';
COMMENT ON VIEW mytsdb.stat_http IS 'HTTP requests by route';

CREATE VIEW mytsdb.stat_http_status AS
    SELECT labels->>'route' AS route, (labels->>'status')::integer AS status, value::bigint AS requests
    FROM mytsdb.server_stats()
    WHERE name = 'mytsdb_http_requests_total';
COMMENT ON VIEW mytsdb.stat_http_status IS 'HTTP requests by route and status';

GRANT SELECT ON mytsdb.stat_server, mytsdb.stat_ingest, mytsdb.stat_queries, mytsdb.stat_engine,
    mytsdb.stat_connections, mytsdb.stat_http, mytsdb.stat_http_status TO PUBLIC;

CREATE FUNCTION mytsdb.server_processes(OUT kind text, OUT number integer, OUT pid integer,
        OUT request_id bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'mytsdb_server_processes' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 7;
COMMENT ON FUNCTION mytsdb.server_processes() IS 'the processes that serve HTTP';

-- What one of them runs is shown to whom pg_stat_activity shows it.
CREATE VIEW mytsdb.stat_workers AS
    SELECT p.kind, p.number, p.pid, p.request_id,
        CASE WHEN a.state = 'active' THEN a.query END AS request,
        CASE WHEN a.state = 'active' THEN a.query_start END AS since
    FROM mytsdb.server_processes() p LEFT JOIN pg_catalog.pg_stat_activity a USING (pid);
COMMENT ON VIEW mytsdb.stat_workers IS 'the processes that serve HTTP, and what they are doing';
GRANT SELECT ON mytsdb.stat_workers TO PUBLIC;

---------------------------------------------------------------------------------------
-- Who may ask over HTTP
---------------------------------------------------------------------------------------

-- A token is of the role that has this number and this name; the number is set anew when
-- a dump is restored, and dead ones are not dumped.

CREATE TABLE mytsdb.token (
    id text COLLATE "C" PRIMARY KEY,
    role name NOT NULL,
    role_oid oid NOT NULL,
    description text,
    hash bytea NOT NULL,
    created timestamptz NOT NULL,
    expires timestamptz
) USING heap;
COMMENT ON TABLE mytsdb.token IS 'tokens of roles, as hashes; kept by mytsdb.create_token() and mytsdb.revoke_token()';
REVOKE ALL ON mytsdb.token FROM PUBLIC;

CREATE FUNCTION mytsdb.restore_token() RETURNS trigger
    AS 'MODULE_PATHNAME', 'mytsdb_restore_token' LANGUAGE C;
REVOKE ALL ON FUNCTION mytsdb.restore_token() FROM PUBLIC;
CREATE TRIGGER restore_token BEFORE INSERT ON mytsdb.token
    FOR EACH ROW EXECUTE FUNCTION mytsdb.restore_token();
ALTER TABLE mytsdb.token ENABLE ALWAYS TRIGGER restore_token;
SELECT pg_catalog.pg_extension_config_dump('mytsdb.token',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role_oid AND r.rolname = role)');

CREATE FUNCTION mytsdb.create_token(role name, description text DEFAULT NULL, expires timestamptz DEFAULT NULL)
        RETURNS text
    AS 'MODULE_PATHNAME', 'mytsdb_create_token' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION mytsdb.create_token(name, text, timestamptz) IS 'makes a token with which to log in over HTTP as a role; it is shown this once';
CREATE FUNCTION mytsdb.revoke_token(id text) RETURNS void
    AS 'MODULE_PATHNAME', 'mytsdb_revoke_token' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.revoke_token(text) IS 'makes a token worthless';

CREATE FUNCTION mytsdb.token_last_used(id text) RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'mytsdb_token_last_used' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.token_last_used(text) IS 'when a token was last used, since the server started';

CREATE VIEW mytsdb.tokens WITH (security_barrier) AS
    SELECT id, role, description, created, expires,
        EXISTS (SELECT FROM pg_catalog.pg_roles r
            WHERE r.oid = t.role_oid AND r.rolname = t.role AND r.rolcanlogin) AND
            (expires IS NULL OR expires > pg_catalog.now()) AS valid,
        mytsdb.token_last_used(id) AS last_used
    FROM mytsdb.token t
    WHERE pg_catalog.pg_has_role(role_oid, 'MEMBER');
GRANT SELECT ON mytsdb.tokens TO PUBLIC;
COMMENT ON VIEW mytsdb.tokens IS 'the tokens of the roles that one is a member of; last_used is known since the server started';

-- Tenants, by the table of their metrics.

CREATE TABLE mytsdb.tenant (
    name text COLLATE "C" PRIMARY KEY,
    metrics regclass NOT NULL
) USING heap;
COMMENT ON TABLE mytsdb.tenant IS 'tenants; kept by mytsdb.create_tenant() and mytsdb.drop_tenant()';
REVOKE ALL ON mytsdb.tenant FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mytsdb.tenant',
    'WHERE metrics IN (SELECT oid FROM pg_catalog.pg_class)');

CREATE FUNCTION mytsdb.create_tenant(name text) RETURNS void
    AS 'MODULE_PATHNAME', 'mytsdb_create_tenant' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.create_tenant(text) IS 'makes a schema tenant_NAME with tables metrics, exemplars and metadata';
CREATE FUNCTION mytsdb.drop_tenant(name text) RETURNS void
    AS 'MODULE_PATHNAME', 'mytsdb_drop_tenant' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION mytsdb.drop_tenant(text) IS 'drops a tenant with its tables and its schema';

CREATE VIEW mytsdb.tenants WITH (security_barrier) AS
    SELECT t.name, n.nspname AS schema, pg_catalog.pg_get_userbyid(c.relowner) AS owner
    FROM mytsdb.tenant t
        JOIN pg_catalog.pg_class c ON c.oid = t.metrics
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE');
GRANT SELECT ON mytsdb.tenants TO PUBLIC;
COMMENT ON VIEW mytsdb.tenants IS 'the tenants whose schemas one may use';

---------------------------------------------------------------------------------------
-- The API's documents about the server
---------------------------------------------------------------------------------------

CREATE FUNCTION mytsdb.tsdb_status("limit" integer DEFAULT 10, source regclass DEFAULT 'mytsdb.metrics') RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_tsdb_status' LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION mytsdb.tsdb_status(integer, regclass) IS 'the API''s /api/v1/status/tsdb';

CREATE FUNCTION mytsdb.build_info() RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_build_info' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION mytsdb.build_info() IS 'the API''s /api/v1/status/buildinfo';

CREATE FUNCTION mytsdb.runtime_info(source regclass DEFAULT 'mytsdb.metrics') RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_runtime_info' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION mytsdb.runtime_info(regclass) IS 'the API''s /api/v1/status/runtimeinfo';

CREATE FUNCTION mytsdb.flags() RETURNS json
    AS 'MODULE_PATHNAME', 'mytsdb_api_flags' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION mytsdb.flags() IS 'the API''s /api/v1/status/flags';
