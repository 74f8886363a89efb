/*
 * histogram_trim.c
 *	  PromQL's operators </ and >/: the observations up to a bound, or from it on.
 *
 * A bucket that contains the bound keeps the part of its count that interpolation puts on the
 * right side of it. If nothing is cut off, nothing changes; else count and sum are made anew
 * from what is left, each bucket's observations being taken for its middle.
 */
#include <math.h>

#include "histogram_internal.h"

typedef struct Trim
{
	const TsHistogram *h;
	double bound;
	bool upper; /* what is above the bound goes */
	bool changed;
	double count;
	double sum;
	bool seen[2]; /* observations on the positive, the negative side */
} Trim;

/* The value that stands for all observations of a piece of a bucket. */
static double
middle(double lower, double upper, HistogramKind kind, bool linear)
{
	double mean;

	if (isinf(lower))
		return isinf(upper) ? 0 : upper > 0 ? upper / 2 : upper;
	if (isinf(upper))
		return lower;
	if (linear)
		return (lower + upper) / 2;
	mean = sqrt(fabs(lower * upper));
	return kind == HISTOGRAM_KIND_POSITIVE ? mean : -mean;
}

/* Keeps this part of a bucket. */
static double
keep(Trim *trim, const TsBucket *bucket, double count, double value)
{
	trim->changed |= !same_double(count, bucket->count);
	trim->count += count;
	trim->sum += count * value;
	return count;
}

/*
 * A custom bucket without a lower or an upper end that contains the bound. Nobody knows where
 * in it the observations are, so what may be on the wrong side goes; but with a positive upper
 * end they are taken to begin at 0.
 */
static double
trim_infinite(Trim *trim, const TsBucket *bucket)
{
	double bound = trim->bound;
	double upper = bucket->upper;

	if (isinf(bucket->lower) && upper > 0 && upper < INFINITY)
	{
		if (trim->upper && bound > 0)
			return keep(trim, bucket, bucket->count * bound / upper, bound / 2);
		if (!trim->upper && bound >= 0)
			return keep(trim, bucket, bucket->count * (1 - bound / upper),
						(bound + upper) / 2);
		return keep(trim, bucket, 0, 0);
	}
	if (trim->upper && isinf(bucket->lower) && upper <= 0)
		return keep(trim, bucket, bucket->count, bound);
	if (!trim->upper && !isinf(bucket->lower) && bound >= bucket->lower)
		return keep(trim, bucket, bucket->count, bound);
	return keep(trim, bucket, 0, 0);
}

/* A bucket that contains the bound: what it keeps. */
static double
trim_inside(Trim *trim, const TsBucket *bucket, HistogramKind kind)
{
	bool linear = ts_histogram_is_custom(trim->h);
	double lower = bucket->lower;
	double upper = bucket->upper;
	double below;

	if (isinf(lower) || isinf(upper))
		return trim_infinite(trim, bucket);
	below = bucket->count * histogram_share(lower, upper, trim->bound, linear);
	if (trim->upper)
		return keep(trim, bucket, below, middle(lower, trim->bound, kind, linear));
	return keep(trim, bucket, bucket->count - below,
				middle(trim->bound, upper, kind, linear));
}

static double
trim_bucket(Trim *trim, const TsBucket *bucket, HistogramKind kind)
{
	bool linear = ts_histogram_is_custom(trim->h);
	bool whole = trim->upper ? bucket->upper <= trim->bound
							 : bucket->lower >= trim->bound;
	bool part = trim->upper ? bucket->lower < trim->bound : bucket->upper > trim->bound;

	if (whole)
		return keep(trim, bucket, bucket->count,
					middle(bucket->lower, bucket->upper, kind, linear));
	if (part)
		return trim_inside(trim, bucket, kind);
	trim->changed = true;
	return 0;
}

static void
trim_side(Trim *trim, int number, double *counts)
{
	HistogramKind kind = number == 0 ? HISTOGRAM_KIND_POSITIVE : HISTOGRAM_KIND_NEGATIVE;
	HistogramSide side = histogram_side(trim->h, number == 1);
	HistogramCursor cursor;

	histogram_cursor_init(&cursor, &side, 0);
	for (uint32_t i = 0; histogram_cursor_next(&cursor); i++)
	{
		TsBucket bucket = {.index = cursor.index, .count = cursor.count};

		if (cursor.count == 0)
			continue;
		trim->seen[number] = true;
		histogram_bucket_bounds(trim->h, kind, false, &bucket);
		counts[i] = trim_bucket(trim, &bucket, kind);
	}
}

/* With observations on one side only, those of the zero bucket are on that side too. */
static double
trim_zero(Trim *trim)
{
	TsBucket bucket = {.count = trim->h->zero_count};
	double lower, upper, width;

	if (!(bucket.count > 0))
		return bucket.count;
	histogram_bucket_bounds(trim->h, HISTOGRAM_KIND_ZERO, false, &bucket);
	lower = trim->seen[0] && !trim->seen[1] ? 0 : bucket.lower;
	upper = trim->seen[1] && !trim->seen[0] ? 0 : bucket.upper;
	width = upper - lower;
	if (trim->upper ? trim->bound <= lower : trim->bound >= upper)
		return keep(trim, &bucket, 0, 0);
	if (trim->upper && trim->bound < upper)
		upper = trim->bound;
	if (!trim->upper && trim->bound > lower)
		lower = trim->bound;
	return keep(trim, &bucket,
				upper - lower == width ? bucket.count
									   : bucket.count * ((upper - lower) / width),
				(lower + upper) / 2);
}

TsHistogram *
ts_histogram_trim(const TsHistogram *h, double bound, bool upper,
				  const TsAllocator *allocator)
{
	Trim trim = {.h = h, .bound = bound, .upper = upper};
	HistogramRoom room;
	TsHistogram *result;

	if (!histogram_copy(&room, h, allocator))
		return NULL;
	trim_side(&trim, 0, room.counts[0]);
	trim_side(&trim, 1, room.counts[1]);
	room.h->zero_count = trim_zero(&trim);
	room.h->integer = false;
	if (!trim.changed)
		return room.h;
	room.h->count = trim.count;
	room.h->sum = trim.sum;
	result = ts_histogram_compact(room.h, 0, allocator);
	allocator->free(allocator->ctx, room.h);
	return result;
}
