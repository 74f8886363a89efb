/*
 * test_promql_range.c
 *	  The kernels of range functions against plain loops over each window: random series
 *	  with NaN, infinities, huge values that cancel out, resets, gaps, and windows that
 *	  overlap much, little and not at all, are empty or begin before the first sample.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/promql/range_kernels.h"
#include "unit.h"

#define MAX_SAMPLES 3000
#define MAX_WINDOWS 3000
#define SECOND      INT64_C(1000000)

static uint64_t random_state;

static uint64_t
random_next(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return random_state >> 33;
}

static uint64_t
random_below(uint64_t n)
{
	return random_next() % n;
}

static double
random_unit(void)
{
	return (double) random_next() / 2147483648.0;
}

/* ---- a case: samples and windows ---- */

typedef enum ValueKind
{
	COUNTER,
	DELTA_COUNTER,
	GAUGE,
	FEW_VALUES,
	ZEROS,
	CANCELLING,
	WITH_NAN,
	WITH_INF,
	ALL_NAN,
	KINDS
} ValueKind;

typedef struct Case
{
	uint64_t seed;
	ValueKind kind;
	RangeSamples samples;
	RangeWindows windows;
	int64_t before;
	int64_t behind;
	int64_t times[MAX_SAMPLES];
	double values[MAX_SAMPLES];
	int64_t starts[MAX_SAMPLES];
	uint32_t first[MAX_WINDOWS];
	uint32_t end[MAX_WINDOWS];
	double quantiles[MAX_WINDOWS];
} Case;

static double
random_value(ValueKind kind, double before)
{
	static const double huge[] = {1e100, -1e100, 1, 2, 1e100, -1e100, 0.5};

	switch (kind)
	{
		case COUNTER:
			return random_below(40) == 0 ? (double) random_below(3)
										 : before + (double) random_below(10);
		case DELTA_COUNTER:
			return (double) random_below(5);
		case GAUGE:
			return (random_unit() - 0.5) * 1000;
		case FEW_VALUES:
			return (double) random_below(3) - 1;
		case ZEROS:
			return random_below(2) ? 0.0 : -0.0;
		case CANCELLING:
			return huge[random_below(7)];
		case WITH_NAN:
			return random_below(9) == 0 ? NAN : random_unit();
		case WITH_INF:
			return random_below(30) == 0   ? INFINITY
				   : random_below(30) == 0 ? -INFINITY
										   : random_unit() * 1e308;
		case ALL_NAN:
		case KINDS:
			break;
	}
	return NAN;
}

static void
make_case(Case *c, uint64_t seed)
{
	int64_t time = (int64_t) random_below(1000) * SECOND;
	int64_t spread;
	uint32_t n;

	random_state = c->seed = seed;
	c->kind = (ValueKind) random_below(KINDS);
	n = (uint32_t) (random_below(4) == 0 ? random_below(5) : random_below(400));
	if (random_below(20) == 0)
		n = MAX_SAMPLES - (uint32_t) random_below(100);
	for (uint32_t i = 0; i < n; i++)
	{
		time += 14 * SECOND + (int64_t) random_below(2000) * 1000;
		if (random_below(50) == 0)
			time += (int64_t) random_below(600) * SECOND;
		c->times[i] = time;
		c->values[i] = random_value(c->kind, i > 0 ? c->values[i - 1] : 0);
		switch (random_below(c->kind == DELTA_COUNTER ? 20 : 5))
		{
			case 0:
				c->starts[i] = RANGE_NO_START;
				break;
			case 1:
				c->starts[i] = time + (int64_t) random_below(3) - 1;
				break;
			case 2:
				c->starts[i] = i > 0 ? c->starts[i - 1] : time - SECOND;
				break;
			default:
				c->starts[i] = i > 0 ? c->times[i - 1] + (int64_t) random_below(2)
									 : time - SECOND;
		}
	}
	spread = n > 0 ? time - c->times[0] + 100 * SECOND : 100 * SECOND;
	c->samples = (RangeSamples){n, c->times, c->values, NULL};
	c->windows.n = 1 + (uint32_t) random_below(random_below(3) == 0 ? 3 : 500);
	c->windows.step = random_below(15) == 0
						  ? 0
						  : 1 + (int64_t) random_below(
									(uint64_t) (2 * spread / c->windows.n));
	c->windows.range = 1 + (int64_t) random_below((uint64_t) spread);
	if (random_below(2))
		c->windows.range = 1 + (int64_t) random_below(120 * SECOND);
	c->windows.first_end = (n > 0 ? c->times[0] : 0) - 50 * SECOND +
						   (int64_t) random_below((uint64_t) spread);
	c->windows.extend = (PqExtend) random_below(3);
	c->before = c->windows.extend == PQ_PLAIN ? 0 : 300 * SECOND;
	c->behind = c->windows.extend == PQ_SMOOTHED ? 300 * SECOND : 0;
	for (uint32_t i = 0; i < c->windows.n; i++)
		c->quantiles[i] = random_below(20) == 0 ? NAN : random_unit() * 1.1 - 0.05;
}

/* ---- the plain loops ---- */

/* How a window's value is computed; false: it has none. */
typedef bool Plain(const Case *c, uint32_t i, const double *v, uint32_t n, double *value);

static bool
plain_sum(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	double sum = 0;
	double rest = 0;

	for (uint32_t k = 0; k < n; k++)
		pq_range_add(v[k], &sum, &rest);
	*value = isinf(sum) ? sum : sum + rest;
	return n > 0;
}

static bool
plain_avg(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	double sum = n > 0 ? v[0] : 0;
	double rest = 0;
	double mean = 0;
	bool moving = false;

	for (uint32_t k = 1; k < n; k++)
	{
		double count = k + 1;
		double s = sum;
		double r = rest;

		if (!moving)
		{
			pq_range_add(v[k], &s, &r);
			if (!isinf(s))
			{
				sum = s;
				rest = r;
				continue;
			}
			moving = true;
			mean = sum / (count - 1);
			rest /= count - 1;
		}
		mean *= (count - 1) / count;
		rest *= (count - 1) / count;
		pq_range_add(v[k] / count, &mean, &rest);
	}
	*value = moving ? mean + rest : sum / n + rest / n;
	return n > 0;
}

static bool
plain_max(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	if (n == 0)
		return false;
	*value = v[0];
	for (uint32_t k = 0; k < n; k++)
	{
		if (v[k] > *value || isnan(*value))
			*value = v[k];
	}
	return true;
}

static bool
plain_min(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	if (n == 0)
		return false;
	*value = v[0];
	for (uint32_t k = 0; k < n; k++)
	{
		if (v[k] < *value || isnan(*value))
			*value = v[k];
	}
	return true;
}

static bool
plain_ts(const Case *c, uint32_t i, const double *v, uint32_t n, double *value, int sign)
{
	uint32_t at = 0;

	for (uint32_t k = 0; k < n; k++)
	{
		if (sign * v[k] >= sign * v[at] || isnan(v[at]))
			at = k;
	}
	if (n > 0)
		*value = (double) (c->times[c->first[i] + at] + RANGE_UNIX_EPOCH) / 1e6;
	return n > 0;
}

static bool
plain_ts_of_max(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	return plain_ts(c, i, v, n, value, 1);
}

static bool
plain_ts_of_min(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	return plain_ts(c, i, v, n, value, -1);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	if (isnan(x) || isnan(y))
		return isnan(y) - isnan(x);
	return x < y ? -1 : x > y;
}

static double
plain_quantile_of(const double *v, uint32_t n, double q)
{
	double sorted[MAX_SAMPLES];
	double rank = q * (n - 1.0);
	uint32_t lower;

	if (isnan(q))
		return NAN;
	if (q < 0 || q > 1)
		return q < 0 ? -INFINITY : INFINITY;
	memcpy(sorted, v, n * sizeof(double));
	qsort(sorted, n, sizeof(double), compare);
	lower = (uint32_t) floor(rank);
	return sorted[lower] * (1 - (rank - floor(rank))) +
		   sorted[lower + 1 < n ? lower + 1 : n - 1] * (rank - floor(rank));
}

static bool
plain_quantile(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	if (n > 0)
		*value = plain_quantile_of(v, n, c->quantiles[i]);
	return n > 0;
}

static bool
plain_mad(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	double distances[MAX_SAMPLES];
	double median;

	if (n == 0)
		return false;
	median = plain_quantile_of(v, n, 0.5);
	for (uint32_t k = 0; k < n; k++)
		distances[k] = fabs(v[k] - median);
	*value = plain_quantile_of(distances, n, 0.5);
	for (uint32_t k = 0; k < n; k++)
	{
		if (isnan(v[k]))
			*value = NAN;
	}
	return true;
}

/* As Prometheus' documentation tells it, for plain windows. */
static bool
plain_growth(const Case *c, uint32_t i, const double *v, uint32_t n, double *value,
			 bool counter, bool per_second)
{
	int64_t start = pq_range_start_time(&c->windows, i);
	int64_t end = pq_range_end_time(&c->windows, i);
	const int64_t *times = c->times + c->first[i];
	const int64_t *starts = c->samples.starts ? c->starts + c->first[i] : NULL;
	double growth;
	double to_start;
	double to_end;
	double sampled;
	double average = 0;

	if (n == 0)
		return false;
	growth = v[n - 1] - v[0];
	for (uint32_t k = 1; counter && k < n; k++)
	{
		if (v[k] < v[k - 1] ||
			(starts &&
			 pq_range_starts_anew(starts[k - 1], times[k - 1], starts[k], times[k])))
			growth += v[k - 1];
	}
	to_start = (double) (times[0] - start) / 1e6;
	to_end = (double) (end - times[n - 1]) / 1e6;
	sampled = (double) (times[n - 1] - times[0]) / 1e6;
	if (n > 1)
		average = sampled / (n - 1.0);
	if (counter && starts && starts[0] != RANGE_NO_START && starts[0] > start &&
		starts[0] < times[0])
	{
		to_start = 0;
		sampled = (double) (times[n - 1] - starts[0]) / 1e6;
		growth += v[0];
	}
	else if (n == 1)
		return false;
	else
	{
		if (to_start >= average * 1.1)
			to_start = average / 2;
		if (counter && growth > 0 && v[0] >= 0 && sampled * (v[0] / growth) < to_start)
			to_start = sampled * (v[0] / growth);
	}
	if (to_end >= average * 1.1)
		to_end = average / 2;
	*value = growth * ((sampled + to_start + to_end) / sampled /
					   (per_second ? (double) c->windows.range / 1e6 : 1));
	return true;
}

/* The same for anchored and smoothed ones. */
static bool
plain_extended(const Case *c, uint32_t i, const double *v, uint32_t n, double *value,
			   bool counter, bool per_second)
{
	int64_t start = pq_range_start_time(&c->windows, i);
	int64_t end = pq_range_end_time(&c->windows, i);
	const int64_t *times = c->times + c->first[i];
	bool smoothed = c->windows.extend == PQ_SMOOTHED;
	double points[MAX_SAMPLES + 2];
	double added = 0;
	uint32_t count = 0;
	uint32_t at = 0; /* the first sample behind the start */
	uint32_t last;

	while (at < n && times[at] <= start)
		at++;
	if (at == n || (smoothed && at == 0 && times[0] > end))
		return false;
	/* left */
	if (at == 0)
		points[count++] = v[at++];
	else if (smoothed && times[at - 1] < start)
	{
		double from = counter && v[at] < v[at - 1] ? 0 : v[at - 1];

		points[count++] = from + (v[at] - from) * (double) (start - times[at - 1]) /
									 (double) (times[at] - times[at - 1]);
	}
	else
		points[count++] = v[at - 1];
	/* within, and right: a left sample that is the only one is both */
	for (last = at; last < n && times[last] < end; last++)
		points[count++] = v[last];
	if (last < n && (times[last] == end || !smoothed))
		points[count++] = v[last];
	else if (last < n && last > 0)
	{
		double from = counter && v[last] < v[last - 1] ? 0 : v[last - 1];

		points[count++] = from + (v[last] - from) * (double) (end - times[last - 1]) /
									 (double) (times[last] - times[last - 1]);
	}
	for (uint32_t k = 1; counter && k < count; k++)
	{
		if (points[k] < points[k - 1])
			added += points[k - 1];
	}
	*value = points[count - 1] - points[0] + added;
	if (per_second)
		*value /= (double) c->windows.range / 1e6;
	return true;
}

static bool
plain_rate(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	return (c->windows.extend == PQ_PLAIN ? plain_growth : plain_extended)(
		c, i, v, n, value, true, true);
}

static bool
plain_increase(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	return (c->windows.extend == PQ_PLAIN ? plain_growth : plain_extended)(
		c, i, v, n, value, true, false);
}

static bool
plain_delta(const Case *c, uint32_t i, const double *v, uint32_t n, double *value)
{
	return (c->windows.extend == PQ_PLAIN ? plain_growth : plain_extended)(
		c, i, v, n, value, false, false);
}

/* ---- comparing ---- */

static bool
same(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return a == b || fabs(a - b) <= 1e-12 * (fabs(a) + fabs(b));
}

static void
check_bounds(const Case *c)
{
	uint64_t covered = 0;

	for (uint32_t i = 0; i < c->windows.n; i++)
	{
		int64_t from = pq_range_start_time(&c->windows, i) - c->before;
		int64_t to = pq_range_end_time(&c->windows, i) + c->behind;
		uint32_t first = 0;
		uint32_t end = 0;

		while (first < c->samples.n && c->times[first] <= from)
			first++;
		while (end < c->samples.n && c->times[end] <= to)
			end++;
		CHECK(c->first[i] == first && c->end[i] == end, "seed %llu window %u",
			  (unsigned long long) c->seed, i);
		covered += end - first;
	}
	CHECK(c->windows.covered == covered, "seed %llu", (unsigned long long) c->seed);
}

static void
check_kernel(const Case *c, const char *name, RangeKernel *kernel, Plain *plain,
			 bool has_starts)
{
	static double room[5 * MAX_SAMPLES];
	static double values[MAX_WINDOWS];
	uint64_t present[MAX_WINDOWS / 64 + 1] = {0};
	RangeScratch scratch;
	RangeOut out = {values, present};

	pq_range_scratch_init(&scratch, room, c->samples.n);
	if (kernel != NULL)
		kernel(&c->samples, &c->windows, &scratch, &out);
	else
		pq_range_quantile(&c->samples, &c->windows, &scratch, &out, c->quantiles);
	for (uint32_t i = 0; i < c->windows.n; i++)
	{
		bool has = (present[i / 64] >> (i % 64)) & 1;
		double value = 0;
		bool expected = plain(c, i, c->values + c->first[i], c->end[i] - c->first[i],
							  &value);

		CHECK(
			has == expected && (!has || same(values[i], value)),
			"%s seed %llu kind %d starts %d extend %d window %u of %u: %d %.17g, not %d "
			"%.17g",
			name, (unsigned long long) c->seed, c->kind, has_starts, c->windows.extend, i,
			c->windows.n, has, values[i], expected, value);
	}
}

static void
check_overlaps(const Case *c)
{
	bool expected = false;

	for (uint32_t i = 0; i < c->windows.n; i++)
	{
		for (uint32_t k = c->first[i] + 1; k < c->end[i]; k++)
			expected |= pq_range_starts_overlap(c->starts[k - 1], c->times[k - 1],
												c->starts[k]);
	}
	CHECK(pq_range_overlaps(c->times, c->starts, &c->windows, c->samples.n) == expected,
		  "seed %llu", (unsigned long long) c->seed);
}

static void
check_case(uint64_t seed)
{
	static Case c;

	make_case(&c, seed);
	pq_range_windows_find(&c.windows, c.times, c.samples.n, c.before, c.behind, c.first,
						  c.end);
	check_bounds(&c);
	check_overlaps(&c);
	check_kernel(&c, "sum", pq_range_sum, plain_sum, false);
	check_kernel(&c, "avg", pq_range_avg, plain_avg, false);
	check_kernel(&c, "min", pq_range_min, plain_min, false);
	check_kernel(&c, "max", pq_range_max, plain_max, false);
	check_kernel(&c, "ts_of_min", pq_range_ts_of_min, plain_ts_of_min, false);
	check_kernel(&c, "ts_of_max", pq_range_ts_of_max, plain_ts_of_max, false);
	check_kernel(&c, "quantile", NULL, plain_quantile, false);
	check_kernel(&c, "mad", pq_range_mad, plain_mad, false);
	for (int has_starts = 0; has_starts < (c.windows.extend == PQ_PLAIN ? 2 : 1);
		 has_starts++)
	{
		c.samples.starts = has_starts ? c.starts : NULL;
		check_kernel(&c, "rate", pq_range_rate, plain_rate, has_starts);
		check_kernel(&c, "increase", pq_range_increase, plain_increase, has_starts);
		check_kernel(&c, "delta", pq_range_delta, plain_delta, has_starts);
	}
}

/* ---- known values ---- */

static void
check_known(const char *name, RangeKernel *kernel, const double *v, uint32_t n,
			double expected)
{
	int64_t times[16];
	double room[5 * 16];
	uint32_t first;
	uint32_t end;
	double value = 0;
	uint64_t present = 0;
	RangeScratch scratch;
	RangeSamples s = {n, times, v, NULL};
	RangeWindows w = {.n = 1, .first_end = 1000 * SECOND, .range = 1001 * SECOND};
	RangeOut out = {&value, &present};

	for (uint32_t i = 0; i < n; i++)
		times[i] = 10 * SECOND * i;
	pq_range_windows_find(&w, times, n, 0, 0, &first, &end);
	pq_range_scratch_init(&scratch, room, n);
	kernel(&s, &w, &scratch, &out);
	CHECK(present == 1 && same(value, expected), "%s: %.17g", name, value);
}

static void
test_known_values(void)
{
	static const double spread[] = {0, 8, 8, 2, 3};
	static const double huge[] = {1, 1e100, 1, -1e100};
	static const double overflow[] = {9.988465674311579e+307, 9.988465674311579e+307};
	static const double line[] = {0, 10, 20, 30, 40, 0, 10, 20, 30, 40, 50};
	static const double constant[] = {1e10 + 0.1, 1e10 + 0.1, 1e10 + 0.1};
	static const double infinite[] = {INFINITY, INFINITY};
	static const double nan_first[] = {NAN, 1, NAN};

	check_known("stdvar", pq_range_stdvar, spread, 5, 10.56);
	check_known("stddev", pq_range_stddev, spread, 5, sqrt(10.56));
	check_known("stdvar", pq_range_stdvar, constant, 3, 0);
	check_known("sum", pq_range_sum, huge, 4, 2);
	check_known("avg", pq_range_avg, huge, 4, 0.5);
	check_known("sum", pq_range_sum, overflow, 2, INFINITY);
	check_known("avg", pq_range_avg, overflow, 2, 9.988465674311579e+307);
	check_known("deriv", pq_range_deriv, line, 11, 0.010606060606060607 * 30);
	check_known("deriv", pq_range_deriv, constant, 3, 0);
	check_known("deriv", pq_range_deriv, infinite, 2, NAN);
	check_known("max", pq_range_max, nan_first, 3, 1);
	check_known("mad", pq_range_mad, nan_first, 3, NAN);
}

int
main(void)
{
	for (uint64_t block = 0; block < 20; block++)
	{
		unit_group_begin();
		for (uint64_t seed = block * 100; seed < block * 100 + 100; seed++)
			check_case(seed);
		unit_group_end();
	}
	test_known_values();
	return unit_finish();
}
