/*
 * histogram_estimate.c
 *	  What a histogram tells of its observations: quantiles, shares, variance.
 *
 * Within a bucket of a standard schema observations are taken to be spread evenly over the
 * logarithm, within the zero bucket and custom ones evenly over the values. If there are
 * observations on one side only, those in the zero bucket are on that side too.
 */
#include <math.h>

#include "histogram_internal.h"

double
histogram_share(double lower, double upper, double value, bool linear)
{
	double from, to, at;

	if (linear)
		return (value - lower) / (upper - lower);
	from = log2(fabs(lower));
	to = log2(fabs(upper));
	at = log2(fabs(value));
	if (value > 0)
		return (at - from) / (to - from);
	return 1 - (at - to) / (from - to);
}

/* Cuts the zero bucket at 0 if all else is on one side of it. */
static void
bias_zero(const TsHistogram *h, TsBucket *bucket)
{
	if (h->nnegative == 0 && h->npositive > 0)
		bucket->lower = 0;
	else if (h->npositive == 0 && h->nnegative > 0)
		bucket->upper = 0;
}

/* ---- quantiles ---- */

/* The value at this share of a bucket. */
static double
value_at(const TsBucket *bucket, double share, bool linear)
{
	double from, to;

	if (linear)
		return bucket->lower + (bucket->upper - bucket->lower) * share;
	from = log2(fabs(bucket->lower));
	to = log2(fabs(bucket->upper));
	if (bucket->lower > 0)
		return exp2(from + (to - from) * share);
	return -exp2(to + (from - to) * (1 - share));
}

double
ts_histogram_quantile(const TsHistogram *h, double q)
{
	bool custom = ts_histogram_is_custom(h);
	/* NaN observations count as the largest ones: they are reached from below only. */
	bool forward = isnan(h->sum) || q < 0.5;
	double rank = (forward ? q : 1 - q) * h->count;
	double count = 0;
	HistogramKind kind;
	TsBucket bucket = {0};
	TsBucketIter iter;
	bool found = false;
	bool linear;

	if (q < 0 || q > 1)
		return q < 0 ? -INFINITY : INFINITY;
	if (h->count == 0 || isnan(q))
		return NAN;
	ts_bucket_iter_init(&iter, h, !forward);
	while (histogram_iter_step(&iter, &bucket, &kind))
	{
		found = true;
		count += bucket.count;
		if (bucket.count != 0 && count >= rank)
			break;
	}
	if (found)
		histogram_bucket_bounds(h, kind, true, &bucket);
	if (custom && bucket.lower == -INFINITY)
	{
		if (bucket.upper <= 0)
			return bucket.upper;
		bucket.lower = 0;
	}
	else if (custom && bucket.upper == INFINITY)
		return bucket.lower;
	else if (found && kind == HISTOGRAM_KIND_ZERO)
		bias_zero(h, &bucket);
	/* Sums of fractions may come out larger than the whole. */
	if (count > h->count)
		count = h->count;
	if (count < rank)
		return isnan(h->sum) ? NAN : bucket.upper;
	rank = forward ? rank - (count - bucket.count) : count - rank;
	linear = custom || (bucket.lower <= 0 && bucket.upper >= 0);
	return value_at(&bucket, rank / bucket.count, linear);
}

/* ---- shares ---- */

/* The observations below a value that lies in the bucket, `rank` being below the bucket. */
static double
rank_inside(const TsBucket *bucket, double rank, double value, bool linear)
{
	/* Nobody knows where in an infinite bucket they are: none is above the value. */
	if (linear && bucket->lower == -INFINITY)
		return rank + bucket->count;
	return rank +
		   bucket->count * histogram_share(bucket->lower, bucket->upper, value, linear);
}

/* The observations below a value, as far as this bucket tells; false: it is above all of it. */
static bool
rank_in_bucket(const TsBucket *bucket, double rank, double value, bool linear,
			   double *found)
{
	if (bucket->lower >= value)
		*found = rank;
	else if (bucket->upper > value)
		*found = rank_inside(bucket, rank, value, linear);
	else
		return false;
	return true;
}

/* Sum of the counts of all buckets. */
static double
sum_of_buckets(const TsHistogram *h)
{
	HistogramKind kind;
	TsBucketIter iter;
	TsBucket bucket;
	double sum = 0;

	ts_bucket_iter_init(&iter, h, false);
	while (histogram_iter_step(&iter, &bucket, &kind))
		sum += bucket.count;
	return sum;
}

double
ts_histogram_fraction(const TsHistogram *h, double lower, double upper)
{
	bool custom = ts_histogram_is_custom(h);
	bool lower_found = false, upper_found = false;
	double rank = 0, lower_rank, upper_rank, all;
	HistogramKind kind;
	TsBucketIter iter;
	TsBucket bucket;

	if (h->count == 0 || isnan(lower) || isnan(upper))
		return NAN;
	if (lower >= upper)
		return 0;
	/* Observations of NaN are neither below nor above anything. */
	all = isnan(h->sum) ? sum_of_buckets(h) : h->count;
	lower_rank = upper_rank = all;
	ts_bucket_iter_init(&iter, h, false);
	while (!upper_found && histogram_iter_step(&iter, &bucket, &kind))
	{
		bool linear = custom || kind == HISTOGRAM_KIND_ZERO;

		histogram_bucket_bounds(h, kind, true, &bucket);
		if (kind == HISTOGRAM_KIND_ZERO)
			bias_zero(h, &bucket);
		else if (custom && bucket.lower == -INFINITY && bucket.upper > 0)
			bucket.lower = 0;
		if (!lower_found)
			lower_found = rank_in_bucket(&bucket, rank, lower, linear, &lower_rank);
		upper_found = rank_in_bucket(&bucket, rank, upper, linear, &upper_rank);
		rank += bucket.count;
	}
	return ((upper_rank < all ? upper_rank : all) -
			(lower_rank < all ? lower_rank : all)) /
		   h->count;
}

/* ---- variance ---- */

double
ts_histogram_variance(const TsHistogram *h)
{
	double mean = h->sum / h->count;
	double sum = 0, rest = 0;
	TsBucketIter iter;
	TsBucket bucket;

	ts_bucket_iter_init(&iter, h, false);
	while (ts_bucket_iter_next(&iter, &bucket))
	{
		double value;

		if (bucket.count == 0)
			continue;
		if (ts_histogram_is_custom(h))
			value = (bucket.lower + bucket.upper) / 2;
		else if (bucket.lower <= 0 && bucket.upper >= 0)
			value = 0;
		else
			value = copysign(sqrt(bucket.lower * bucket.upper), bucket.upper);
		histogram_sum_step(&sum, &rest, bucket.count * (value - mean) * (value - mean));
	}
	return (sum + rest) / h->count;
}

bool
ts_histogram_has_nan(const TsHistogram *h)
{
	return isnan(h->sum) && sum_of_buckets(h) < h->count;
}
