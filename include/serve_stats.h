/*
 * serve_stats.h
 *	  What is counted: by the gate, by its workers, and by the engine in any process; in
 *	  shared memory, as relaxed atomic additions. /metrics and the views mytsdb.stat_* show
 *	  the same figures.
 *
 * Times are counted in microseconds and shown in seconds. Counters begin at 0 when the
 * server starts, as those of Prometheus do. Waits for locks, hot memory and regular
 * expressions are counted by their own modules (ts_shared.h, ts_hot.h, labels_type.h), and
 * shown with the others.
 */
#ifndef SERVE_STATS_H
#define SERVE_STATS_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/atomics.h"
#include "portability/instr_time.h"

#include "serve_route.h"

/* Plain counters and gauges; stats_families.c has their names, kinds and helps. */
typedef enum ServeStat
{
	/* ingest */
	STAT_WRITE_REQUESTS, /* that were committed */
	STAT_WRITE_SAMPLES,
	STAT_WRITE_HISTOGRAMS,
	STAT_WRITE_EXEMPLARS,
	STAT_WRITE_METADATA,
	STAT_WRITE_REFUSED_SAMPLES, /* of requests of which others were written */
	STAT_WRITE_FAILED_REQUESTS,
	STAT_WRITE_BYTES, /* of bodies as they came */
	STAT_WRITE_DECODED_BYTES,
	STAT_WRITE_COMMITS,          /* transactions; fewer than requests when these share */
	STAT_WRITE_RETRIED_REQUESTS, /* alone, after an error in a group */
	STAT_WRITE_DECODE_US,
	STAT_WRITE_APPEND_US, /* mytsdb_write_sample_append_seconds_total */
	STAT_WRITE_COMMIT_US,
	STAT_WRITE_QUEUE_REQUESTS, /* gauge */
	STAT_WRITE_QUEUE_BYTES,    /* gauge */
	STAT_WRITE_PUSHED_BACK,    /* refused with 429 or 503 */
	/* OTLP, by the way that it came; ingest's figures have it, too */
	STAT_OTLP_HTTP_REQUESTS, /* that were committed */
	STAT_OTLP_GRPC_REQUESTS,
	STAT_OTLP_HTTP_FAILED_REQUESTS,
	STAT_OTLP_GRPC_FAILED_REQUESTS,
	STAT_OTLP_HTTP_POINTS, /* that were written */
	STAT_OTLP_GRPC_POINTS,
	STAT_OTLP_HTTP_REFUSED_POINTS,
	STAT_OTLP_GRPC_REFUSED_POINTS,
	/* points of OTLP with delta temporality */
	STAT_OTLP_DELTA_POINTS, /* that were added and committed */
	STAT_OTLP_DELTA_REFUSED,
	STAT_OTLP_DELTA_SERIES, /* gauge: whose sums are kept */
	STAT_OTLP_DELTA_BYTES,  /* gauge: that these take */
	STAT_OTLP_DELTA_EXPIRED,
	/* the engine, in all processes */
	STAT_NEW_SERIES,
	STAT_LOG_RECORDS,
	STAT_LOG_BYTES,
	STAT_LOG_APPEND_US,
	STAT_SEALS,
	STAT_SEALED_ROWS,
	STAT_SEAL_US,
	STAT_MERGES,
	STAT_MERGED_ROWS,
	STAT_MERGE_US,
	STAT_RETAINED_BLOCKS, /* that were dropped for their age */
	STAT_INDEX_SEARCHES,
	STAT_INDEX_SEARCH_US, /* mytsdb_read_index_search_seconds_total */
	STAT_BLOCKS_READ,
	STAT_CHUNKS_READ,
	STAT_ROWS_READ,
	STAT_SERIES_CACHE_HITS,
	STAT_SERIES_CACHE_MISSES,
	/* queries, over HTTP */
	STAT_QUERIES,
	STAT_QUERIES_FAILED,
	STAT_QUERIES_CANCELED,
	STAT_QUERIES_TIMED_OUT,
	STAT_QUERIES_RUNNING,     /* gauge */
	STAT_QUERIES_WAITING,     /* gauge */
	STAT_QUERY_SAMPLES,       /* that selectors read */
	STAT_QUERY_SPILLED_BYTES, /* replies that went to files */
	STAT_READ_REQUESTS,
	STAT_READ_SAMPLES,
	/* connections */
	STAT_CONNECTIONS,       /* gauge */
	STAT_HTTP2_CONNECTIONS, /* gauge: those of them that speak HTTP/2 */
	STAT_HTTP2_STREAMS,     /* gauge */
	STAT_CONNECTIONS_ACCEPTED,
	STAT_CONNECTIONS_REFUSED,
	STAT_CONNECTIONS_TIMED_OUT,
	STAT_TLS_FAILURES,
	STAT_MALFORMED_REQUESTS,
	STAT_BYTES_IN,
	STAT_BYTES_OUT,
	STAT_AUTH_FAILURES,
	STAT_AUTH_THROTTLED,
	STAT_RATE_LIMITED,
	STAT_WORKERS_INGEST, /* gauge: connected */
	STAT_WORKERS_QUERY,  /* gauge */
	STAT_WORKERS_BUSY,   /* gauge */
	STAT_WORKERS_LOST,   /* died with a request */
	SERVE_STATS
} ServeStat;

/* Durations with buckets. */
typedef enum ServeTiming
{
	TIMING_QUERY, /* mytsdb_query_duration_seconds */
	TIMING_WRITE, /* mytsdb_write_request_duration_seconds: from head to answer */
	TIMING_QUEUE, /* mytsdb_queue_duration_seconds: of queries, before a worker */
	SERVE_TIMINGS
} ServeTiming;

extern void serve_count(ServeStat stat, int64 n);
/* For a gauge, by the one process that knows it: what others have counted is forgotten. */
extern void serve_set(ServeStat stat, int64 value);
/* The microseconds since a time taken by INSTR_TIME_SET_CURRENT(); and they, counted. */
extern int64 serve_elapsed(instr_time start);
extern void serve_count_since(ServeStat stat, instr_time start);
extern void serve_time(ServeTiming timing, int64 microseconds);
/* An answer: by route and status, from the request's head to the answer's end. */
extern void serve_count_reply(ServeRoute route, int status, int64 microseconds);
extern uint64 serve_stat(ServeStat stat);

/* The whole of /metrics: Prometheus' text format 0.0.4, or OpenMetrics 1.0. */
extern void serve_write_metrics(StringInfo out, bool openmetrics);

#endif /* SERVE_STATS_H */
