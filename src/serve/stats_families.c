/*
 * stats_families.c
 *	  All our figures, told family by family: the one list that /metrics, the views and the
 *	  metrics that we store of ourselves are made from.
 *
 * Everything is read from shared memory, from settings, and, of a process, from /proc: no
 * database is asked, and nothing waits.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "labels_type.h"
#include "metrics_text.h"
#include "serve_settings.h"
#include "stats.h"
#include "ts_hot.h"
#include "ts_shared.h"

/* One figure: a family of its own, or, after one of the same name, a sample more. */
typedef struct Figure
{
	MetricsFamily family;
	bool microseconds; /* as which it is kept; shown in seconds */
	MetricsLabel label;
} Figure;

#define COUNT(name, help)                               \
	{                                                   \
		.family = { name, METRICS_COUNTER, NULL, help } \
	}
#define COUNT_OF(name, label_name, label_value, help)             \
	{                                                             \
		.family = {name, METRICS_COUNTER, NULL, help}, .label = { \
			label_name,                                           \
			label_value                                           \
		}                                                         \
	}
#define BYTES(name, help)                                           \
	{                                                               \
		.family = { name "_bytes", METRICS_COUNTER, "bytes", help } \
	}
#define SECONDS(name, help)                                            \
	{                                                                  \
		.family = {name "_seconds", METRICS_COUNTER, "seconds", help}, \
		.microseconds = true                                           \
	}
#define GAUGE(name, help)                             \
	{                                                 \
		.family = { name, METRICS_GAUGE, NULL, help } \
	}
#define GAUGE_OF(name, label_name, label_value, help)           \
	{                                                           \
		.family = {name, METRICS_GAUGE, NULL, help}, .label = { \
			label_name,                                         \
			label_value                                         \
		}                                                       \
	}
#define GAUGE_BYTES(name, help)                                   \
	{                                                             \
		.family = { name "_bytes", METRICS_GAUGE, "bytes", help } \
	}

static const Figure stat_figures[SERVE_STATS] = {
	[STAT_WRITE_REQUESTS] = COUNT("mytsdb_write_requests",
								  "Write requests that were committed."),
	[STAT_WRITE_SAMPLES] = COUNT_OF("mytsdb_write_samples", "type", "float",
									"Samples that were written and committed."),
	[STAT_WRITE_HISTOGRAMS] = COUNT_OF("mytsdb_write_samples", "type", "histogram",
									   "Samples that were written and committed."),
	[STAT_WRITE_EXEMPLARS] = COUNT("mytsdb_write_exemplars",
								   "Exemplars that were written and committed."),
	[STAT_WRITE_METADATA] = COUNT("mytsdb_write_metadata",
								  "Metadata of metrics that was written and committed."),
	[STAT_WRITE_REFUSED_SAMPLES] = COUNT(
		"mytsdb_write_refused_samples",
		"Samples (of OTLP: points) that were refused in requests of which others were written."),
	[STAT_WRITE_FAILED_REQUESTS] = COUNT("mytsdb_write_failed_requests",
										 "Write requests of which nothing was written."),
	[STAT_WRITE_BYTES] = BYTES("mytsdb_write_received",
							   "Bodies of write requests, as they came."),
	[STAT_WRITE_DECODED_BYTES] = BYTES("mytsdb_write_decoded",
									   "Bodies of write requests, decompressed."),
	[STAT_WRITE_COMMITS] = COUNT("mytsdb_write_commits",
								 "Transactions that committed write requests; "
								 "requests that wait together share one."),
	[STAT_WRITE_RETRIED_REQUESTS] = COUNT(
		"mytsdb_write_retried_requests",
		"Requests that were tried alone after an error among several."),
	[STAT_WRITE_DECODE_US] = SECONDS("mytsdb_write_decode",
									 "Time in which write requests were decompressed."),
	[STAT_WRITE_APPEND_US] = SECONDS(
		"mytsdb_write_sample_append",
		"Time in which samples of write requests were appended."),
	[STAT_WRITE_COMMIT_US] = SECONDS("mytsdb_write_commit",
									 "Time in which write requests were committed."),
	[STAT_WRITE_QUEUE_REQUESTS] = GAUGE("mytsdb_write_queue_requests",
										"Write requests that wait for a worker."),
	[STAT_WRITE_QUEUE_BYTES] = GAUGE_BYTES(
		"mytsdb_write_queue", "Bodies of write requests that wait for a worker."),
	[STAT_WRITE_PUSHED_BACK] = COUNT(
		"mytsdb_write_pushed_back_requests",
		"Write requests whose senders were asked to come again."),

	[STAT_OTLP_HTTP_REQUESTS] = COUNT_OF("mytsdb_otlp_requests", "protocol", "http",
										 "OTLP requests that were committed."),
	[STAT_OTLP_GRPC_REQUESTS] = COUNT_OF("mytsdb_otlp_requests", "protocol", "grpc",
										 "OTLP requests that were committed."),
	[STAT_OTLP_HTTP_FAILED_REQUESTS] = COUNT_OF(
		"mytsdb_otlp_failed_requests", "protocol", "http",
		"OTLP requests of which nothing was written."),
	[STAT_OTLP_GRPC_FAILED_REQUESTS] = COUNT_OF(
		"mytsdb_otlp_failed_requests", "protocol", "grpc",
		"OTLP requests of which nothing was written."),
	[STAT_OTLP_HTTP_POINTS] = COUNT_OF("mytsdb_otlp_points", "protocol", "http",
									   "Points of OTLP that were written and committed."),
	[STAT_OTLP_GRPC_POINTS] = COUNT_OF("mytsdb_otlp_points", "protocol", "grpc",
									   "Points of OTLP that were written and committed."),
	[STAT_OTLP_HTTP_REFUSED_POINTS] = COUNT_OF(
		"mytsdb_otlp_refused_points", "protocol", "http",
		"Points of OTLP that were refused in requests of which others were written."),
	[STAT_OTLP_GRPC_REFUSED_POINTS] = COUNT_OF(
		"mytsdb_otlp_refused_points", "protocol", "grpc",
		"Points of OTLP that were refused in requests of which others were written."),
	[STAT_OTLP_DELTA_POINTS] = COUNT(
		"mytsdb_otlp_delta_points",
		"OTLP points with delta temporality that were added up and committed."),
	[STAT_OTLP_DELTA_REFUSED] = COUNT(
		"mytsdb_otlp_delta_refused_points",
		"OTLP points with delta temporality that could not be added up."),
	[STAT_OTLP_DELTA_SERIES] = GAUGE("mytsdb_otlp_delta_series",
									 "Series whose sums of such points are kept."),
	[STAT_OTLP_DELTA_BYTES] = GAUGE_BYTES("mytsdb_otlp_delta_memory_used",
										  "Shared memory that these sums take."),
	[STAT_OTLP_DELTA_EXPIRED] = COUNT(
		"mytsdb_otlp_delta_expired_series",
		"Series whose sums were forgotten since no point had come for long."),

	[STAT_NEW_SERIES] = COUNT("mytsdb_new_series",
							  "Series that were new to their table."),
	[STAT_LOG_RECORDS] = COUNT("mytsdb_log_records",
							   "Records that were appended to logs."),
	[STAT_LOG_BYTES] = BYTES("mytsdb_log", "Bytes that were appended to logs."),
	[STAT_LOG_APPEND_US] = SECONDS("mytsdb_log_append",
								   "Time in which rows were appended to logs."),
	[STAT_SEALS] = COUNT("mytsdb_seals", "Blocks' worth of logs that were sealed."),
	[STAT_SEALED_ROWS] = COUNT("mytsdb_seal_rows", "Rows that seals wrote to blocks."),
	[STAT_SEAL_US] = SECONDS("mytsdb_seal", "Time that seals took."),
	[STAT_MERGES] = COUNT("mytsdb_merges", "Merges of blocks."),
	[STAT_MERGED_ROWS] = COUNT("mytsdb_merge_rows", "Rows that merges wrote to blocks."),
	[STAT_MERGE_US] = SECONDS("mytsdb_merge", "Time that merges took."),
	[STAT_RETAINED_BLOCKS] = COUNT("mytsdb_retention_dropped_blocks",
								   "Blocks that were dropped for their age."),
	[STAT_INDEX_SEARCHES] = COUNT("mytsdb_read_index_searches",
								  "Searches for the series of a selector."),
	[STAT_INDEX_SEARCH_US] = SECONDS("mytsdb_read_index_search",
									 "Time of searches for the series of a selector."),
	[STAT_BLOCKS_READ] = COUNT("mytsdb_read_blocks", "Blocks that scans read from."),
	[STAT_CHUNKS_READ] = COUNT("mytsdb_read_chunks", "Chunks of blocks that scans read."),
	[STAT_ROWS_READ] = COUNT("mytsdb_read_rows", "Rows that scans returned."),
	[STAT_SERIES_CACHE_HITS] = COUNT("mytsdb_series_cache_hits",
									 "Series that were found in a session's cache."),
	[STAT_SERIES_CACHE_MISSES] = COUNT(
		"mytsdb_series_cache_misses",
		"Series that had to be looked up in the dictionary, or made."),

	[STAT_QUERIES] = COUNT("mytsdb_queries", "Queries over HTTP that were begun."),
	[STAT_QUERIES_FAILED] = COUNT("mytsdb_queries_failed",
								  "Queries over HTTP that ended with an error."),
	[STAT_QUERIES_CANCELED] = COUNT("mytsdb_queries_canceled",
									"Queries over HTTP whose clients went away."),
	[STAT_QUERIES_TIMED_OUT] = COUNT("mytsdb_queries_timed_out",
									 "Queries over HTTP that ran for too long."),
	[STAT_QUERIES_RUNNING] = GAUGE("mytsdb_queries_running",
								   "Queries over HTTP that run."),
	[STAT_QUERIES_WAITING] = GAUGE("mytsdb_queries_waiting",
								   "Queries over HTTP that wait for a worker."),
	[STAT_QUERY_SAMPLES] = COUNT("mytsdb_query_samples",
								 "Samples that queries over HTTP read."),
	[STAT_QUERY_SPILLED_BYTES] = BYTES("mytsdb_query_spilled",
									   "Answers that went through temporary files."),
	[STAT_READ_REQUESTS] = COUNT("mytsdb_read_requests", "Remote read requests."),
	[STAT_READ_SAMPLES] = COUNT("mytsdb_read_samples",
								"Samples that remote read answered with."),

	[STAT_CONNECTIONS] = GAUGE("mytsdb_http_connections", "Open connections."),
	[STAT_HTTP2_CONNECTIONS] = GAUGE("mytsdb_http2_connections",
									 "Open connections that speak HTTP/2 (gRPC)."),
	[STAT_HTTP2_STREAMS] = GAUGE("mytsdb_http2_streams",
								 "Calls of gRPC that are open, on all connections."),
	[STAT_CONNECTIONS_ACCEPTED] = COUNT("mytsdb_http_connections_accepted",
										"Connections that were accepted."),
	[STAT_CONNECTIONS_REFUSED] = COUNT("mytsdb_http_connections_refused",
									   "Connections that were closed at once, since "
									   "there were too many."),
	[STAT_CONNECTIONS_TIMED_OUT] = COUNT(
		"mytsdb_http_connections_timed_out",
		"Connections that were closed in the middle of something, since nothing came."),
	[STAT_TLS_FAILURES] = COUNT("mytsdb_http_tls_failures",
								"TLS handshakes that failed."),
	[STAT_MALFORMED_REQUESTS] = COUNT("mytsdb_http_malformed_requests",
									  "Requests that were not HTTP."),
	[STAT_BYTES_IN] = BYTES("mytsdb_http_received", "Bytes that came from clients."),
	[STAT_BYTES_OUT] = BYTES("mytsdb_http_sent", "Bytes that went to clients."),
	[STAT_AUTH_FAILURES] = COUNT("mytsdb_http_auth_failures",
								 "Requests with wrong credentials."),
	[STAT_AUTH_THROTTLED] = COUNT(
		"mytsdb_http_auth_throttled",
		"Requests that were refused since their address had failed too often."),
	[STAT_RATE_LIMITED] = COUNT(
		"mytsdb_http_rate_limited",
		"Requests that were refused since their role had sent too much."),
	[STAT_WORKERS_INGEST] = GAUGE_OF("mytsdb_workers", "kind", "ingest",
									 "Workers that are ready."),
	[STAT_WORKERS_QUERY] = GAUGE_OF("mytsdb_workers", "kind", "query",
									"Workers that are ready."),
	[STAT_WORKERS_BUSY] = GAUGE("mytsdb_workers_busy", "Workers that have a request."),
	[STAT_WORKERS_LOST] = COUNT("mytsdb_workers_lost",
								"Workers that died with a request."),
};

/* ---- telling ---- */

static void
tell_family(MetricsSink *sink, const MetricsFamily *family)
{
	sink->family(sink, family);
}

static const char *
suffix_of(const MetricsFamily *family)
{
	return family->kind == METRICS_COUNTER ? "_total" : "";
}

static void
tell_figure(MetricsSink *sink, const Figure *figure, uint64 value)
{
	MetricsSample sample = {.suffix = suffix_of(&figure->family)};

	if (figure->label.name != NULL)
		sample.labels[sample.nlabels++] = figure->label;
	if (figure->microseconds)
		sample.value = (double) value / USECS_PER_SEC;
	else if (figure->family.kind == METRICS_GAUGE)
		/* Its stripes are not read at one instant: it may seem to be below zero. */
		sample.value = (double) Max((int64) value, 0);
	else
		sample.value = (double) value;
	sink->sample(sink, &figure->family, &sample);
}

/* Figures that follow each other and have one name are one family. */
static void
tell_stats(MetricsSink *sink)
{
	const char *name = "";

	for (int i = 0; i < SERVE_STATS; i++)
	{
		const Figure *figure = &stat_figures[i];

		Assert(figure->family.name != NULL);
		if (strcmp(figure->family.name, name) != 0)
			tell_family(sink, &figure->family);
		name = figure->family.name;
		tell_figure(sink, figure, serve_stat(i));
	}
}

static void
tell_one(MetricsSink *sink, const Figure *figure, uint64 value)
{
	tell_family(sink, &figure->family);
	tell_figure(sink, figure, value);
}

/* ---- what other modules count ---- */

static void
tell_lock_waits(MetricsSink *sink)
{
	static const Figure waits = COUNT(
		"mytsdb_write_mutex_lock_waits",
		"Waits for the locks of logs and dictionaries by those that write and read.");
	static const Figure seconds = SECONDS(
		"mytsdb_write_mutex_lock",
		"Time of waiting for the locks of logs and dictionaries.");
	static const Figure wal_seconds = SECONDS(
		"mytsdb_write_mutex_lock_wal",
		"The part of that time in which a lock's holder had to write out WAL.");
	static const Figure maintenance_waits = COUNT(
		"mytsdb_maintenance_mutex_lock_waits", "Waits for these locks by maintenance.");
	static const Figure maintenance_seconds = SECONDS(
		"mytsdb_maintenance_mutex_lock",
		"Time in which maintenance waited for these locks.");
	TsLockWaits found[TS_WAITERS];
	const TsLockWaits *session = &found[TS_WAITER_SESSION];
	const TsLockWaits *wal = &found[TS_WAITER_WAL];

	ts_lock_waits(found);
	tell_one(sink, &waits, session->waits + wal->waits);
	tell_one(sink, &seconds, session->microseconds + wal->microseconds);
	tell_one(sink, &wal_seconds, wal->microseconds);
	tell_one(sink, &maintenance_waits, found[TS_WAITER_MAINTENANCE].waits);
	tell_one(sink, &maintenance_seconds, found[TS_WAITER_MAINTENANCE].microseconds);
}

static void
tell_hot_memory(MetricsSink *sink)
{
	static const Figure size = GAUGE_BYTES("mytsdb_hot_memory_size",
										   "Shared memory for the newest rows.");
	static const Figure used = GAUGE_BYTES("mytsdb_hot_memory_used",
										   "What is in use of it.");
	static const Figure generations = GAUGE("mytsdb_hot_memory_generations",
											"Generations of rows in hot memory.");
	static const Figure drops = COUNT(
		"mytsdb_hot_memory_dropped_generations",
		"Generations that were dropped, since their rows are in blocks.");
	static const Figure appends = COUNT("mytsdb_hot_memory_appends",
										"Appends to logs and hot memory.");
	static const Figure misses = COUNT(
		"mytsdb_hot_memory_misses",
		"Appends that went to a log alone, since hot memory was full.");
	static const Figure delays = COUNT("mytsdb_hot_memory_delays",
									   "Appends that waited for hot memory.");
	static const Figure delay_seconds = SECONDS("mytsdb_hot_memory_delay",
												"Time of waiting for hot memory.");
	static const Figure rows = COUNT("mytsdb_hot_memory_read_rows",
									 "Rows that scans took from hot memory.");
	TsHotStats stats;

	ts_hot_stats(&stats);
	tell_one(sink, &size, stats.size);
	tell_one(sink, &used, stats.used);
	tell_one(sink, &generations, stats.generations);
	tell_one(sink, &drops, stats.drops);
	tell_one(sink, &appends, stats.appends);
	tell_one(sink, &misses, stats.log_only);
	tell_one(sink, &delays, stats.delays);
	tell_one(sink, &delay_seconds, stats.delay_micros);
	tell_one(sink, &rows, stats.rows_read);
}

static void
tell_regex(MetricsSink *sink)
{
	static const Figure selectors = COUNT("mytsdb_selectors_compiled",
										  "Selectors that were compiled.");
	static const Figure refused = COUNT("mytsdb_selectors_refused",
										"Selectors that had an error.");
	static const Figure patterns = COUNT("mytsdb_regex_compiled",
										 "Regular expressions that were compiled.");
	static const Figure limit_errors = COUNT(
		"mytsdb_regex_limit_errors",
		"Matches that mytsdb.regex_match_limit has stopped.");
	LabelsCounts counts;

	labels_counts(&counts);
	tell_one(sink, &selectors, counts.selectors);
	tell_one(sink, &refused, counts.selectors_refused);
	tell_one(sink, &patterns, counts.patterns);
	tell_one(sink, &limit_errors, counts.limit_errors);
}

/* ---- times and answers ---- */

static void
tell_times(MetricsSink *sink, const MetricsFamily *family, const StatsTimes *times,
		   const MetricsLabel *label)
{
	MetricsSample sample = {.suffix = "_bucket", .bucket = true};

	if (label != NULL)
		sample.labels[sample.nlabels++] = *label;
	for (int i = 0; i <= STATS_BOUNDS; i++)
	{
		bool last = i == STATS_BOUNDS;

		sample.bound = last ? get_float8_infinity()
							: (double) stats_bounds[i] / USECS_PER_SEC;
		sample.value = (double) (last ? times->count : times->upto[i]);
		sink->sample(sink, family, &sample);
	}
	sample.bucket = false;
	sample.suffix = "_sum";
	sample.value = (double) times->microseconds / USECS_PER_SEC;
	sink->sample(sink, family, &sample);
	sample.suffix = "_count";
	sample.value = (double) times->count;
	sink->sample(sink, family, &sample);
}

static void
tell_timings(MetricsSink *sink)
{
	static const MetricsFamily families[SERVE_TIMINGS] = {
		[TIMING_QUERY] = {"mytsdb_query_duration_seconds", METRICS_HISTOGRAM, "seconds",
						  "Time that queries over HTTP took, without waiting for a "
						  "worker."},
		[TIMING_WRITE] = {"mytsdb_write_request_duration_seconds", METRICS_HISTOGRAM,
						  "seconds",
						  "Time of write requests from their head to the answer."},
		[TIMING_QUEUE] = {"mytsdb_queue_duration_seconds", METRICS_HISTOGRAM, "seconds",
						  "Time that queries over HTTP waited for a worker."},
	};

	for (int i = 0; i < SERVE_TIMINGS; i++)
	{
		StatsTimes times;

		stats_timing(i, &times);
		tell_family(sink, &families[i]);
		tell_times(sink, &families[i], &times, NULL);
	}
}

/* Only of routes and statuses that there were answers of. */
static void
tell_replies(MetricsSink *sink)
{
	static const MetricsFamily family = {"mytsdb_http_requests", METRICS_COUNTER, NULL,
										 "Answers, by route and status."};

	tell_family(sink, &family);
	for (int route = 0; route < SERVE_ROUTES; route++)
	{
		for (int i = 0; i < STATS_STATUSES; i++)
		{
			uint64 count = stats_replies(route, STATS_FIRST_STATUS + i);
			char status[12];
			MetricsSample sample = {
				.suffix = "_total",
				.nlabels = 2,
				.labels = {{"route", serve_routes[route].label}, {"status", status}},
				.value = (double) count};

			if (count == 0)
				continue;
			snprintf(status, sizeof(status), "%d", STATS_FIRST_STATUS + i);
			sink->sample(sink, &family, &sample);
		}
	}
}

static void
tell_route_times(MetricsSink *sink)
{
	static const MetricsFamily family = {
		"mytsdb_http_request_duration_seconds", METRICS_HISTOGRAM, "seconds",
		"Time of requests from their head to the answer."};

	tell_family(sink, &family);
	for (int route = 0; route < SERVE_ROUTES; route++)
	{
		MetricsLabel label = {"route", serve_routes[route].label};
		StatsTimes times;

		stats_route_times(route, &times);
		if (times.count > 0)
			tell_times(sink, &family, &times, &label);
	}
}

/* ---- what this server is ---- */

static void
tell_build(MetricsSink *sink)
{
	static const MetricsFamily family = {"mytsdb_build_info", METRICS_GAUGE, NULL,
										 "1; its labels say which versions these are."};
	MetricsSample sample = {
		.suffix = "",
		.nlabels = 2,
		.labels = {{"version", MYTSDB_VERSION},
				   {"postgres_version", GetConfigOption("server_version", false, false)}},
		.value = 1};

	tell_family(sink, &family);
	sink->sample(sink, &family, &sample);
}

static void
tell_server(MetricsSink *sink)
{
	static const Figure ingest = GAUGE_OF(
		"mytsdb_workers_configured", "kind", "ingest",
		"Workers that the settings want; none while HTTP is not served.");
	static const Figure query = GAUGE_OF(
		"mytsdb_workers_configured", "kind", "query",
		"Workers that the settings want; none while HTTP is not served.");
	static const Figure queue_size = GAUGE_BYTES("mytsdb_write_queue_size",
												 "How much of write requests may wait.");
	static const Figure connections = GAUGE("mytsdb_http_connections_limit",
											"How many connections may be open.");
	static const Figure standby = GAUGE(
		"mytsdb_standby", "1 on a standby, which takes no writes; otherwise 0.");
	static const MetricsFamily start = {"mytsdb_start_time_seconds", METRICS_GAUGE,
										"seconds",
										"When the server started, in Unix time."};
	bool serving = serve_wanted();
	MetricsSample sample = {.suffix = ""};

	tell_one(sink, &ingest, serving ? serve_ingest_workers : 0);
	tell_figure(sink, &query, serving ? serve_query_workers : 0);
	tell_one(sink, &queue_size, (uint64) serve_ingest_queue_size * 1024);
	tell_one(sink, &connections, serve_max_connections);
	tell_one(sink, &standby, RecoveryInProgress());
	tell_family(sink, &start);
	sample.value = stats_unix_time(PgStartTime);
	sink->sample(sink, &start, &sample);
}

double
stats_unix_time(TimestampTz time)
{
	return (double) time / USECS_PER_SEC +
		   (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (double) SECS_PER_DAY;
}

void
stats_tell(MetricsSink *sink)
{
	tell_build(sink);
	tell_server(sink);
	tell_stats(sink);
	tell_lock_waits(sink);
	tell_hot_memory(sink);
	tell_regex(sink);
	tell_timings(sink);
	tell_replies(sink);
	tell_route_times(sink);
}
