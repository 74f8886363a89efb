/*
 * column_stats.c
 *	  Minimum, maximum and sum of the values of a piece.
 *
 * Sums of floats carry the rounding error of every addition along and add it in the end
 * (compensated summation). Where that does not end in a finite number - a NaN, an
 * infinity, an overflow on the way - the values are looked at one by one.
 */
#include "postgres.h"

#include <math.h>

#include "column_stats.h"

/* Sums that do not wait for one another. */
#define LANES 4

/* *sum + value, with what rounding took from it added to *lost. */
static inline void
add_exactly(double *sum, double *lost, double value)
{
	double total = *sum + value;
	double part = total - *sum;

	*lost += (*sum - (total - part)) + (value - part);
	*sum = total;
}

/* Minimum, maximum and compensated sum: right if the sum is finite. */
static void
summarize(const double *values, uint32 n, double *least, double *most, double *result)
{
	double min[LANES];
	double max[LANES];
	double sum[LANES] = {0};
	double lost[LANES] = {0};
	uint32 i = 0;

	for (int l = 0; l < LANES; l++)
		min[l] = max[l] = values[0];
	for (; i + LANES <= n; i += LANES)
	{
		for (int l = 0; l < LANES; l++)
		{
			double value = values[i + l];

			min[l] = value < min[l] ? value : min[l];
			max[l] = value > max[l] ? value : max[l];
			add_exactly(&sum[l], &lost[l], value);
		}
	}
	for (; i < n; i++)
	{
		min[0] = Min(min[0], values[i]);
		max[0] = Max(max[0], values[i]);
		add_exactly(&sum[0], &lost[0], values[i]);
	}
	for (int l = 1; l < LANES; l++)
	{
		min[0] = Min(min[0], min[l]);
		max[0] = Max(max[0], max[l]);
		add_exactly(&sum[0], &lost[0], sum[l]);
		lost[0] += lost[l];
	}
	*least = min[0];
	*most = max[0];
	*result = sum[0] + lost[0];
}

/*
 * For values whose compensated sum is not finite: whether there is no NaN among them and
 * their sum is an infinity because one of them is. Minimum and maximum are then right.
 */
static bool
has_infinite_sum(const double *values, uint32 n, double *sum)
{
	bool up = false;
	bool down = false;

	for (uint32 i = 0; i < n; i++)
	{
		if (isnan(values[i]))
			return false;
		if (isinf(values[i]))
		{
			if (values[i] > 0)
				up = true;
			else
				down = true;
		}
	}
	*sum = up ? INFINITY : -INFINITY;
	return up != down;
}

void
column_stats_floats(const double *values, uint32 n, bool narrow, TsColumnStats *stats)
{
	double min;
	double max;

	Assert(n > 0);
	stats->int_sum = 0;
	stats->int_exact = false;
	summarize(values, n, &min, &max, &stats->sum);
	stats->known = isfinite(stats->sum) || has_infinite_sum(values, n, &stats->sum);
	if (!stats->known)
	{
		stats->min = stats->max = (Datum) 0;
		stats->sum = 0;
	}
	else if (narrow)
	{
		stats->min = Float4GetDatum((float4) min);
		stats->max = Float4GetDatum((float4) max);
	}
	else
	{
		stats->min = Float8GetDatum(min);
		stats->max = Float8GetDatum(max);
	}
}

void
column_stats_ints(const int64 *values, uint32 n, TsColumnStats *stats)
{
	int64 min;
	int64 max;
	int128 sum = 0;

	Assert(n > 0);
	min = max = values[0];
	for (uint32 i = 0; i < n; i++)
	{
		min = Min(min, values[i]);
		max = Max(max, values[i]);
		sum += values[i];
	}
	stats->known = true;
	stats->min = Int64GetDatum(min);
	stats->max = Int64GetDatum(max);
	stats->sum = (double) sum;
	stats->int_exact = sum >= PG_INT64_MIN && sum <= PG_INT64_MAX;
	stats->int_sum = stats->int_exact ? (int64) sum : 0;
}
