/*
 * generators.c
 *	  The kinds of columns the codec benchmark runs on.
 *
 * They model what a scrape of a host every 15 s gives: counters that mostly stand
 * still, counters that run, processor seconds with two or three decimals, memory in
 * pages, percentages, health flags, the buckets of a latency histogram. A kind has
 * series of different pace, as a fleet has, and not one pace for all. Only integers
 * are drawn; the one floating point step is an exact division at the end, so that no
 * maths library has a say in the bytes.
 */
#include "generators.h"

#include <assert.h>

#define SECOND        INT64_C(1000000)
#define MILLISECOND   INT64_C(1000)
#define SCRAPE        (15 * SECOND)
#define DAY           (86400 * SECOND)
#define SCRAPES_A_DAY 5760

/* Draws and rates of change are in parts of this. */
#define PARTS 1000000

/* ---- random numbers ---- */

void
bench_random_seed(BenchRandom *r, uint64_t seed)
{
	r->state = seed * UINT64_C(0xD1342543DE82EF95) + UINT64_C(0x9E3779B97F4A7C15);
	bench_random_next(r);
}

uint64_t
bench_random_next(BenchRandom *r)
{
	uint64_t z = (r->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

uint64_t
bench_random_below(BenchRandom *r, uint64_t limit)
{
	assert(limit > 0);
	return (uint64_t) (((unsigned __int128) bench_random_next(r) * limit) >> 64);
}

static bool
chance(BenchRandom *r, uint64_t parts)
{
	return bench_random_below(r, PARTS) < parts;
}

/* Close to a normal distribution of mean 0: the sum of eight uniform draws. */
static int64_t
normal(BenchRandom *r, int64_t sigma)
{
	int64_t sum = 0;

	for (int i = 0; i < 2; i++)
	{
		uint64_t bits = bench_random_next(r);

		for (int j = 0; j < 4; j++)
			sum += (int64_t) ((bits >> (16 * j)) & 0xFFFF) - 0x8000;
	}
	/* a uniform draw of width 2^16 has the variance 2^32 / 12; here are eight */
	return sum * sigma / 53510;
}

/* 2^low .. 2^high, every doubling equally likely. */
static int64_t
log_uniform(BenchRandom *r, int low, int high)
{
	int exponent = low + (int) bench_random_below(r, (uint64_t) (high - low));

	return (INT64_C(1) << exponent) +
		   (int64_t) bench_random_below(r, UINT64_C(1) << exponent);
}

static int64_t
clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/*
 * Every series of every kind has its own sequence. The kind's seed is part of the
 * data's definition: changing one changes that kind and no other.
 */
static void
start(BenchRandom *r, uint64_t kind_seed, uint32_t series)
{
	bench_random_seed(r, kind_seed * 1000003 + series);
}

/* ---- time ---- */

/* A scrape target's first scrape: some day, at an offset of its own in the interval. */
static int64_t
first_scrape(BenchRandom *r)
{
	return 9800 * DAY + (int64_t) bench_random_below(r, 365) * DAY +
		   (int64_t) bench_random_below(r, SCRAPE / MILLISECOND) * MILLISECOND;
}

static void
fill_time_regular(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	int64_t first;

	start(&r, 101, series);
	first = first_scrape(&r);
	for (size_t i = 0; i < n; i++)
		out[i].i = first + (int64_t) i * SCRAPE;
}

static void
fill_time_jitter(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	int64_t first;

	start(&r, 102, series);
	first = first_scrape(&r);
	for (size_t i = 0; i < n; i++)
		out[i].i = first + (int64_t) i * SCRAPE +
				   ((int64_t) bench_random_below(&r, 7) - 3) * MILLISECOND;
}

static void
fill_time_jitter_1s(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	int64_t first;

	start(&r, 103, series);
	first = first_scrape(&r);
	for (size_t i = 0; i < n; i++)
		out[i].i = first + (int64_t) i * SCRAPE +
				   (int64_t) bench_random_below(&r, 1000) * MILLISECOND;
}

/* ---- counters ---- */

/* Errors, drops, restarts: between 97 % and 99.9 % of the scrapes see no change. */
static void
fill_counter_idle(uint32_t series, size_t n, BenchValue *out)
{
	static const uint64_t change[] = {PARTS / 1000, PARTS * 3 / 1000, PARTS / 100,
									  PARTS * 3 / 100};
	BenchRandom r;
	int64_t count;

	start(&r, 201, series);
	count = log_uniform(&r, 0, 16) - 1;
	for (size_t i = 0; i < n; i++)
	{
		if (chance(&r, change[series % 4]))
			count += chance(&r, PARTS / 5) ? 2 + (int64_t) bench_random_below(&r, 7) : 1;
		out[i].f = (double) count;
	}
}

/*
 * Bytes, packets, context switches: never still. The load wanders slowly around the
 * series' own pace, and each scrape adds noise of a fifth of it.
 */
static void
fill_counter_busy(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	int64_t pace;
	int64_t load;
	int64_t count;

	start(&r, 202, series);
	pace = log_uniform(&r, 12, 25);
	load = pace;
	count = pace * (int64_t) bench_random_below(&r, 60 * SCRAPES_A_DAY);
	for (size_t i = 0; i < n; i++)
	{
		load = clamp(load + (pace - load) / 64 + normal(&r, pace / 64), pace / 4,
					 3 * pace);
		count += clamp(load + normal(&r, load / 5), 0, INT64_MAX);
		out[i].f = (double) count;
	}
}

/*
 * Processor seconds of one core and mode (hundredths), or seconds a program has
 * measured itself (thousandths). A core cannot spend more than the interval.
 */
static void
fill_counter_decimal(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	int64_t unit = series % 4 == 3 ? 1000 : 100; /* ticks in a second */
	int64_t pace;
	int64_t load;
	int64_t ticks;

	start(&r, 203, series);
	pace = log_uniform(&r, 3, 10) * (unit / 100);
	load = pace;
	ticks = pace * (int64_t) bench_random_below(&r, 60 * SCRAPES_A_DAY);
	for (size_t i = 0; i < n; i++)
	{
		load = clamp(load + (pace - load) / 64 + normal(&r, pace / 64 + 1), 0, 15 * unit);
		ticks += clamp(load + normal(&r, load / 3), 0, 15 * unit);
		out[i].f = (double) ticks / (double) unit;
	}
}

/* ---- gauges ---- */

/* A percentage with two decimals that walks at random between 0 and 100. */
static void
fill_gauge_decimal(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	int64_t hundredths;

	start(&r, 301, series);
	hundredths = (int64_t) bench_random_below(&r, 10001);
	for (size_t i = 0; i < n; i++)
	{
		hundredths = clamp(hundredths + normal(&r, 100), 0, 10000);
		out[i].f = (double) hundredths / 100.0;
	}
}

/*
 * Memory in use, in pages of 4,096 bytes: a host that is half asleep leaves it as it is
 * between many scrapes, and moves it by some tens or hundreds of pages else.
 */
static void
fill_gauge_bytes(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	uint64_t still;
	int64_t step;
	int64_t most;
	int64_t pages;

	start(&r, 302, series);
	still = PARTS / 10 * bench_random_below(&r, 7);
	step = log_uniform(&r, 4, 10);
	most = log_uniform(&r, 16, 23);
	pages = most / 4 + (int64_t) bench_random_below(&r, (uint64_t) most / 2);
	for (size_t i = 0; i < n; i++)
	{
		if (!chance(&r, still))
			pages = clamp(pages + normal(&r, step), 0, most);
		out[i].f = (double) (pages * 4096);
	}
}

/* Configured sizes, versions, boot times, flags: nothing ever happens. */
static void
fill_constant(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	double value;

	start(&r, 303, series);
	switch (series % 4)
	{
		case 0:
			value = (double) bench_random_below(&r, 2);
			break;
		case 1:
			value = (double) (log_uniform(&r, 10, 26) * 4096);
			break;
		case 2:
			value = (double) (1700000000 + bench_random_below(&r, 50000000));
			break;
		default:
			value = (double) bench_random_below(&r, 100000) / 100.0;
			break;
	}
	for (size_t i = 0; i < n; i++)
		out[i].f = value;
}

/* up: 1, with an outage of some minutes about every two days. */
static void
fill_flag(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	bool down = false;

	start(&r, 304, series);
	for (size_t i = 0; i < n; i++)
	{
		down = down ? !chance(&r, PARTS / 20) : chance(&r, PARTS / 2000);
		out[i].f = down ? 0.0 : 1.0;
	}
}

static void
fill_flag_coin(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;

	start(&r, 305, series);
	for (size_t i = 0; i < n; i++)
		out[i].f = (double) bench_random_below(&r, 2);
}

/* Open files, running processes, queue lengths: small, and still half of the time. */
static void
fill_gauge_small(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;
	uint64_t still;
	int64_t most;
	int64_t count;

	start(&r, 306, series);
	still = PARTS / 10 * (2 + bench_random_below(&r, 7));
	most = log_uniform(&r, 3, 9);
	count = (int64_t) bench_random_below(&r, (uint64_t) most);
	for (size_t i = 0; i < n; i++)
	{
		if (!chance(&r, still))
			count = clamp(count + normal(&r, 2), 0, most);
		out[i].f = (double) count;
	}
}

/* ---- histograms ---- */

#define BUCKETS 16

/*
 * Series 16 h .. 16 h + 15 are the cumulative buckets of histogram h, le rising: each
 * holds what its lower neighbour holds and the requests of its own range. Latencies
 * gather around bucket 5 of 15; the pace is from one request a minute to 50 a second.
 */
static void
fill_histogram(uint32_t series, size_t n, BenchValue *out)
{
	/* of 1,000 requests so many are in this bucket or below */
	static const uint64_t below[BUCKETS] = {2,   15,  70,  210, 430, 640, 780, 870,
											925, 958, 977, 988, 994, 997, 999, 1000};
	static const int64_t paces[] = {25, 200, 1500, 75000}; /* per 100 scrapes */
	BenchRandom r;
	uint32_t bucket = series % BUCKETS;
	int64_t pace = paces[series / BUCKETS % 4];
	int64_t count;

	/* one sequence for all buckets of a histogram: they must agree on the requests */
	start(&r, 401, series / BUCKETS);
	count = pace * (int64_t) below[bucket] * (int64_t) bench_random_below(&r, 5760) /
			100000;
	for (size_t i = 0; i < n; i++)
	{
		int64_t load = clamp(pace + normal(&r, pace / 6), 0, 2 * pace);
		int64_t requests = load / 100 + (chance(&r, load % 100 * (PARTS / 100)) ? 1 : 0);

		for (int64_t q = 0; q < requests; q++)
		{
			if (bench_random_below(&r, 1000) < below[bucket])
				count++;
		}
		out[i].f = (double) count;
	}
}

/* ---- noise ---- */

/* Uniform in [0, 1) with all 53 bits of the mantissa drawn: nothing to be found. */
static void
fill_random(uint32_t series, size_t n, BenchValue *out)
{
	BenchRandom r;

	start(&r, 501, series);
	for (size_t i = 0; i < n; i++)
		out[i].f = (double) (bench_random_next(&r) >> 11) / 9007199254740992.0;
}

const BenchKind bench_kinds[] = {
	{"time-regular", "every 15 s", true, BENCH_MIX_YES, fill_time_regular},
	{"time-jitter", "15 s, +-3 ms", true, BENCH_MIX_YES, fill_time_jitter},
	{"counter-idle", "97..99.9 % unchanged", false, BENCH_MIX_YES, fill_counter_idle},
	{"counter-busy", "large noisy steps", false, BENCH_MIX_YES, fill_counter_busy},
	{"counter-decimal", "seconds, 2-3 decimals", false, BENCH_MIX_YES,
	 fill_counter_decimal},
	{"gauge-decimal", "2-decimal random walk", false, BENCH_MIX_YES, fill_gauge_decimal},
	{"gauge-bytes", "pages of 4,096 bytes", false, BENCH_MIX_YES, fill_gauge_bytes},
	{"constant", "never changes", false, BENCH_MIX_YES, fill_constant},
	{"flag", "0/1, rare outages", false, BENCH_MIX_YES, fill_flag},
	{"histogram", "cumulative buckets", false, BENCH_MIX_YES, fill_histogram},
	{"random", "full mantissas", false, BENCH_MIX_NOISE, fill_random},
	{"time-jitter-1s", "15 s, 0..999 ms", true, BENCH_MIX_NO, fill_time_jitter_1s},
	{"flag-coin", "0/1 at random", false, BENCH_MIX_NO, fill_flag_coin},
	{"gauge-small", "small integers", false, BENCH_MIX_NO, fill_gauge_small},
};

const int bench_kind_count = sizeof(bench_kinds) / sizeof(bench_kinds[0]);
