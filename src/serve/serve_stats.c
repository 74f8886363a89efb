/*
 * serve_stats.c
 *	  Counting: by the gate, by its workers, and by the engine in any process.
 *
 * Plain counters have a stripe for some of the processes each, so that those that append
 * at the same time do not fight for a cache line; a figure is the sum of its stripes, by
 * unsigned arithmetic that wraps around, since a gauge may be raised in one process and
 * lowered in another. What is counted once per answer has no stripes.
 *
 * All is zero when shared memory is made, and is never written but by relaxed additions
 * (and by serve_set()): a reader sees figures that are each right, though not all of the
 * same instant. Processes without shared memory count nothing.
 */
#include "postgres.h"

#include "storage/proc.h"

#include "mytsdb.h"
#include "stats.h"

#define STRIPES 16

/* What the times of answers are put into, in microseconds; the last takes the rest. */
const int64 stats_bounds[STATS_BOUNDS] = {100,      250,      500,      1000,     2500,
										  5000,     10000,    25000,    50000,    100000,
										  250000,   500000,   1000000,  2500000,  5000000,
										  10000000, 30000000, 60000000, 120000000};

typedef struct Stripe
{
	pg_atomic_uint64 stats[SERVE_STATS];
	char pad[PG_CACHE_LINE_SIZE];
} Stripe;

typedef struct Times
{
	pg_atomic_uint64 buckets[STATS_BOUNDS + 1];
	pg_atomic_uint64 microseconds;
} Times;

typedef struct Counters
{
	Stripe stripes[STRIPES];
	Times timings[SERVE_TIMINGS];
	Times routes[SERVE_ROUTES];
	pg_atomic_uint64 replies[SERVE_ROUTES][STATS_STATUSES];
} Counters;

static Counters *counters = NULL;

static Size
shmem_size(void)
{
	return sizeof(Counters);
}

/* A pg_atomic_uint64 is a plain word where this compiles, so zeroed memory is a zero. */
static void
shmem_attach(void *memory, bool found)
{
#ifdef PG_HAVE_ATOMIC_U64_SIMULATION
#error "mytsdb needs a machine with 64-bit atomics"
#endif
	counters = memory;
}

const MytsdbModule serve_stats_module = {
	.name = "mytsdb counters",
	.shmem_size = shmem_size,
	.shmem_attach = shmem_attach,
};

/* ---- counting ---- */

static Stripe *
my_stripe(void)
{
	return &counters->stripes[MyProc == NULL ? 0 : MyProc->pgprocno % STRIPES];
}

void
serve_count(ServeStat stat, int64 n)
{
	Assert(stat < SERVE_STATS);
	if (counters != NULL)
		pg_atomic_fetch_add_u64(&my_stripe()->stats[stat], n);
}

void
serve_set(ServeStat stat, int64 value)
{
	Assert(stat < SERVE_STATS);
	if (counters == NULL)
		return;
	for (int i = 0; i < STRIPES; i++)
		pg_atomic_write_u64(&counters->stripes[i].stats[stat],
							i == 0 ? (uint64) value : 0);
}

int64
serve_elapsed(instr_time start)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

void
serve_count_since(ServeStat stat, instr_time start)
{
	serve_count(stat, serve_elapsed(start));
}

static int
bucket_of(int64 microseconds)
{
	int bucket = 0;

	while (bucket < STATS_BOUNDS && microseconds > stats_bounds[bucket])
		bucket++;
	return bucket;
}

static void
add_time(Times *times, int64 microseconds)
{
	/* A clock that was put back must not make a counter go down. */
	microseconds = Max(microseconds, 0);
	pg_atomic_fetch_add_u64(&times->buckets[bucket_of(microseconds)], 1);
	pg_atomic_fetch_add_u64(&times->microseconds, microseconds);
}

void
serve_time(ServeTiming timing, int64 microseconds)
{
	Assert(timing < SERVE_TIMINGS);
	if (counters != NULL)
		add_time(&counters->timings[timing], microseconds);
}

void
serve_count_reply(ServeRoute route, int status, int64 microseconds)
{
	Assert(route < SERVE_ROUTES);
	Assert(status >= STATS_FIRST_STATUS && status < STATS_FIRST_STATUS + STATS_STATUSES);
	if (counters == NULL)
		return;
	pg_atomic_fetch_add_u64(&counters->replies[route][status - STATS_FIRST_STATUS], 1);
	add_time(&counters->routes[route], microseconds);
}

/* ---- reading ---- */

uint64
serve_stat(ServeStat stat)
{
	uint64 sum = 0;

	Assert(stat < SERVE_STATS);
	if (counters == NULL)
		return 0;
	for (int i = 0; i < STRIPES; i++)
		sum += pg_atomic_read_u64(&counters->stripes[i].stats[stat]);
	return sum;
}

uint64
stats_replies(ServeRoute route, int status)
{
	Assert(route < SERVE_ROUTES);
	if (counters == NULL)
		return 0;
	return pg_atomic_read_u64(&counters->replies[route][status - STATS_FIRST_STATUS]);
}

static void
read_times(Times *times, StatsTimes *found)
{
	found->count = 0;
	for (int i = 0; i <= STATS_BOUNDS; i++)
	{
		found->count += pg_atomic_read_u64(&times->buckets[i]);
		if (i < STATS_BOUNDS)
			found->upto[i] = found->count;
	}
	found->microseconds = pg_atomic_read_u64(&times->microseconds);
}

void
stats_timing(ServeTiming timing, StatsTimes *found)
{
	Assert(timing < SERVE_TIMINGS);
	memset(found, 0, sizeof(StatsTimes));
	if (counters != NULL)
		read_times(&counters->timings[timing], found);
}

void
stats_route_times(ServeRoute route, StatsTimes *found)
{
	Assert(route < SERVE_ROUTES);
	memset(found, 0, sizeof(StatsTimes));
	if (counters != NULL)
		read_times(&counters->routes[route], found);
}
