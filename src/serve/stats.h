/*
 * stats.h
 *	  What the files that show our figures share.
 */
#ifndef SERVE_STATS_INTERNAL_H
#define SERVE_STATS_INTERNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "metrics_text.h"
#include "serve_stats.h"

/* ---- what was counted (serve_stats.c) ---- */

#define STATS_FIRST_STATUS 100
#define STATS_STATUSES     500

/* Upper bounds of the buckets of times, in microseconds; there is one more, without. */
#define STATS_BOUNDS 19
extern const int64 stats_bounds[STATS_BOUNDS];

typedef struct StatsTimes
{
	uint64 upto[STATS_BOUNDS]; /* how many took no longer than each bound */
	uint64 count;
	uint64 microseconds;
} StatsTimes;

extern uint64 stats_replies(ServeRoute route, int status);
extern void stats_timing(ServeTiming timing, StatsTimes *found);
extern void stats_route_times(ServeRoute route, StatsTimes *found);

/* ---- all figures (stats_families.c) ---- */

extern void stats_tell(MetricsSink *sink);
extern double stats_unix_time(TimestampTz time);

/* ---- processes (stats_process.c) ---- */

/* One of the server inside; false when it is not there. */
typedef struct StatsProcess
{
	const char *kind; /* gate, ingest, query */
	int number;       /* of its kind, from 1 */
	pid_t pid;
	uint64 request; /* that it runs, or 0 */
} StatsProcess;

/* index: below serve_process_count(). */
extern bool stats_process(int index, StatsProcess *found);
/* Figures of the process that calls, and of all that serve. */
extern void stats_tell_processes(MetricsSink *sink);

/* ---- our figures as a write request (stats_message.c) ---- */

/* Compressed with snappy, in palloced memory; ms is the samples' time. */
extern char *stats_message(const char *instance, int64 ms, size_t *size);

#endif /* SERVE_STATS_INTERNAL_H */
