/*
 * buckets.c
 *	  Quantiles and fractions of classic histograms, as Prometheus estimates them.
 */
#include <assert.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "buckets.h"

/* Relative differences of counts below it are errors of floating point. */
#define SMALL_DIFFERENCE 1e-12

#define MAX_BOUND_TEXT 512

bool
classic_read_bound(TsString text, double *bound)
{
	char copy[MAX_BOUND_TEXT];
	char *end;
	size_t digits = 0;

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	/* What strtod() takes beyond Go: blanks, nan(...), hexadecimals without exponent. */
	if (strlen(copy) != text.len || strpbrk(copy, " \t\n\v\f\r(") != NULL)
		return false;
	digits = strspn(copy, "+-");
	if (copy[digits] == '0' && (copy[digits + 1] | 0x20) == 'x' &&
		strpbrk(copy, "pP") == NULL)
		return false;
	/* Go's NaN has no sign. */
	if (digits > 0 && (copy[digits] | 0x20) == 'n')
		return false;
	errno = 0;
	*bound = strtod(copy, &end);
	if (*end != '\0')
		return false;
	return !(errno == ERANGE && isinf(*bound));
}

/* ---- making them regular ---- */

static uint32_t
join_equal_bounds(ClassicBucket *buckets, uint32_t n)
{
	uint32_t last = 0;

	for (uint32_t i = 1; i < n; i++)
	{
		if (buckets[i].upper == buckets[last].upper)
			buckets[last].count += buckets[i].count;
		else
			buckets[++last] = buckets[i];
	}
	return last + 1;
}

static bool
almost_equal(double a, double b)
{
	double sum = fabs(a) + fabs(b);
	double difference = fabs(a - b);

	if (a == b || (isnan(a) && isnan(b)))
		return true;
	if (a == 0 || b == 0 || sum < DBL_MIN)
		return difference < SMALL_DIFFERENCE * DBL_MIN;
	return difference / fmin(sum, DBL_MAX) < SMALL_DIFFERENCE;
}

/* A count that is not above the last one that was right becomes equal to it. */
static void
make_monotonic(ClassicBucket *buckets, uint32_t n, ClassicRepair *repair)
{
	double before = buckets[0].count;

	for (uint32_t i = 1; i < n; i++)
	{
		double count = buckets[i].count;

		if (almost_equal(before, count))
			buckets[i].count = before;
		else if (count < before)
		{
			buckets[i].count = before;
			if (!repair->forced || buckets[i].upper < repair->min_upper)
				repair->min_upper = buckets[i].upper;
			if (!repair->forced || buckets[i].upper > repair->max_upper)
				repair->max_upper = buckets[i].upper;
			if (before - count > repair->max_diff)
				repair->max_diff = before - count;
			repair->forced = true;
		}
		else
			before = count;
	}
}

/* ---- estimates ---- */

double
classic_quantile(ClassicBucket *buckets, uint32_t n, double q, ClassicRepair *repair)
{
	double observations;
	double rank;
	double start = 0;
	double count;
	uint32_t b = 0;

	assert(n > 0);
	*repair = (ClassicRepair){0};
	if (isnan(q))
		return NAN;
	if (q < 0)
		return -INFINITY;
	if (q > 1)
		return INFINITY;
	if (buckets[n - 1].upper != INFINITY)
		return NAN;

	n = join_equal_bounds(buckets, n);
	make_monotonic(buckets, n, repair);
	observations = buckets[n - 1].count;
	if (n < 2 || observations == 0)
		return NAN;
	rank = q * observations;
	/* The first that reaches the rank; counts may be NaN, so that it is searched as
	 * sorted ones are. */
	for (uint32_t high = n - 1; b < high;)
	{
		uint32_t middle = b + (high - b) / 2;

		if (buckets[middle].count >= rank)
			high = middle;
		else
			b = middle + 1;
	}

	if (b == n - 1)
		return buckets[n - 2].upper;
	if (b == 0 && buckets[0].upper <= 0)
		return buckets[0].upper;
	count = buckets[b].count;
	if (b > 0)
	{
		start = buckets[b - 1].upper;
		count -= buckets[b - 1].count;
		rank -= buckets[b - 1].count;
	}
	return start + (buckets[b].upper - start) * (rank / count);
}

/* Observations up to a value within a bucket. */
static double
rank_within(const ClassicBucket *bucket, double before, double start, double value)
{
	if (start == -INFINITY)
		return bucket->count;
	return before + (bucket->count - before) * (value - start) / (bucket->upper - start);
}

/* Observations up to a value; all of them where it is behind the last bucket. */
static double
rank_of(const ClassicBucket *buckets, uint32_t n, double value)
{
	double all = buckets[n - 1].count;
	double rank = 0;
	/* Without negative bounds there are no negative observations. */
	double start = buckets[0].upper <= 0 ? -INFINITY : 0;

	for (uint32_t i = 0; i < n; i++)
	{
		if (start >= value)
			return rank > all ? all : rank;
		if (buckets[i].upper > value)
		{
			rank = rank_within(&buckets[i], rank, start, value);
			return rank > all ? all : rank;
		}
		rank = buckets[i].count;
		start = buckets[i].upper;
	}
	return all;
}

double
classic_fraction(ClassicBucket *buckets, uint32_t n, double lower, double upper)
{
	double count;

	assert(n > 0);
	if (buckets[n - 1].upper != INFINITY)
		return NAN;
	n = join_equal_bounds(buckets, n);
	count = buckets[n - 1].count;
	if (count == 0 || isnan(lower) || isnan(upper))
		return NAN;
	if (lower >= upper)
		return 0;
	return (rank_of(buckets, n, upper) - rank_of(buckets, n, lower)) / count;
}
