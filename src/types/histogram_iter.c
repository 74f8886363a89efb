/*
 * histogram_iter.c
 *	  The buckets of a histogram: their bounds, and walks over them.
 */
#include <assert.h>
#include <float.h>
#include <math.h>

#include "histogram_internal.h"

/* ---- bounds ---- */

double
histogram_bound(int32_t index, int32_t schema)
{
	int64_t exponent;
	double fraction = 1;

	if (schema <= 0)
		exponent = (int64_t) index * (1 << -schema);
	else
	{
		uint32_t steps = 1u << schema; /* of a power of two */

		exponent = index >> schema;
		fraction = exp2((double) ((uint32_t) index & (steps - 1)) / steps);
	}
	/*
	 * The last bucket of finite numbers ends at the largest of them, so that the one behind
	 * it, which ends at +Inf, has infinite observations only.
	 */
	if (exponent == DBL_MAX_EXP && fraction == 1)
		return DBL_MAX;
	if (exponent > 2 * DBL_MAX_EXP)
		exponent = 2 * DBL_MAX_EXP;
	if (exponent < -2 * DBL_MAX_EXP)
		exponent = -2 * DBL_MAX_EXP;
	return ldexp(fraction, (int) exponent);
}

double
histogram_upper(const TsHistogram *h, int32_t index)
{
	if (!ts_histogram_is_custom(h))
		return histogram_bound(index, h->schema);
	if (index < 0)
		return -INFINITY;
	return (uint32_t) index < h->nbounds ? h->bounds[index] : INFINITY;
}

/* ---- sides ---- */

HistogramSide
histogram_side(const TsHistogram *h, bool negative)
{
	HistogramSide side = {.spans = negative ? h->negative_spans : h->positive_spans,
						  .counts = negative ? h->negative : h->positive,
						  .n = negative ? h->nnegative : h->npositive};

	return side;
}

void
histogram_cursor_init(HistogramCursor *cursor, const HistogramSide *side, int shift)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->side = *side;
	cursor->shift = shift;
	cursor->span = side->spans;
}

/* Places the cursor on the next bucket of the side; false if there is none. */
static bool
cursor_seek(HistogramCursor *cursor)
{
	const HistogramSide *side = &cursor->side;

	if (cursor->bucket == side->n)
		return false;
	if (side->indexes)
		cursor->next = side->indexes[cursor->bucket];
	else if (cursor->bucket == 0 || cursor->in_span == cursor->span->length)
	{
		if (cursor->bucket > 0)
			cursor->span++;
		cursor->next += cursor->span->offset;
		while (cursor->span->length == 0)
		{
			cursor->span++;
			cursor->next += cursor->span->offset;
		}
		cursor->in_span = 0;
	}
	return true;
}

static int32_t
shifted_index(int32_t index, int shift)
{
	return ((index - 1) >> shift) + 1;
}

bool
histogram_cursor_next(HistogramCursor *cursor)
{
	const HistogramSide *side = &cursor->side;
	bool found = false;

	while (cursor_seek(cursor))
	{
		int32_t index = shifted_index(cursor->next, cursor->shift);
		double count = side->counts[cursor->bucket];
		double rest = side->rests ? side->rests[cursor->bucket] : 0;

		if (found && index != cursor->index)
			break;
		if (found)
		{
			histogram_sum_step(&cursor->count, side->rests ? &cursor->rest : NULL, count);
			cursor->rest += rest;
		}
		else
		{
			cursor->index = index;
			cursor->count = count;
			cursor->rest = rest;
		}
		found = true;
		cursor->bucket++;
		if (side->spans)
		{
			cursor->in_span++;
			cursor->next++;
		}
		if (cursor->shift == 0)
			break;
	}
	return found;
}

/*
 * Adds the buckets of a side below *threshold to the sum. True if the last of them reaches
 * beyond it and is not empty: then *threshold is its end.
 */
static bool
sum_below(const HistogramSide *side, int32_t schema, double *threshold, double *count,
		  double *rest)
{
	HistogramCursor cursor;

	histogram_cursor_init(&cursor, side, 0);
	while (histogram_cursor_next(&cursor))
	{
		double upper;

		if (histogram_bound(cursor.index - 1, schema) >= *threshold)
			break;
		histogram_sum_step(count, rest, cursor.count);
		if (rest)
			*rest += cursor.rest;
		upper = histogram_bound(cursor.index, schema);
		if (upper > *threshold)
		{
			if (cursor.count == 0)
				break;
			*threshold = upper;
			return true;
		}
	}
	return false;
}

double
histogram_widened_zero(const HistogramSide sides[2], int32_t schema, double threshold,
					   double *count, double *rest)
{
	double zero_count = *count;
	double zero_rest = rest ? *rest : 0;

	/* A threshold that negative buckets raise may have reached more positive ones. */
	do
	{
		*count = zero_count;
		if (rest)
			*rest = zero_rest;
		sum_below(&sides[0], schema, &threshold, count, rest);
	} while (sum_below(&sides[1], schema, &threshold, count, rest));
	return threshold;
}

/* ---- the public walk ---- */

/* What the walk is at: the phases in the order of a walk upwards. */
enum
{
	WALK_NEGATIVE,
	WALK_ZERO,
	WALK_POSITIVE,
	WALK_DONE
};

static int
walk_kind(const TsBucketIter *iter)
{
	if (iter->phase == WALK_DONE || !iter->reverse)
		return iter->phase;
	return WALK_POSITIVE - iter->phase;
}

/* The first phase goes down in indexes, the last one up. */
static void
walk_begin_phase(TsBucketIter *iter, int phase)
{
	const TsHistogram *h = iter->h;

	iter->phase = phase;
	iter->span = iter->in_span = iter->bucket = 0;
	iter->index = 0;
	if (phase != WALK_NEGATIVE)
		return;
	iter->span = iter->reverse ? h->npositive_spans : h->nnegative_spans;
	iter->bucket = iter->reverse ? h->npositive : h->nnegative;
	for (uint32_t i = 0; i < iter->span; i++)
	{
		const TsSpan *span = &(iter->reverse ? h->positive_spans : h->negative_spans)[i];

		iter->index += span->offset + (int32_t) span->length;
	}
}

static bool
walk_down(TsBucketIter *iter, const TsSpan *spans, uint32_t nspans, const double *counts,
		  TsBucket *bucket)
{
	while (iter->in_span == 0)
	{
		if (iter->span == 0)
			return false;
		if (iter->span < nspans)
			iter->index -= spans[iter->span].offset;
		iter->span--;
		iter->in_span = spans[iter->span].length;
	}
	iter->in_span--;
	bucket->index = --iter->index;
	bucket->count = counts[--iter->bucket];
	return true;
}

static bool
walk_up(TsBucketIter *iter, const TsSpan *spans, uint32_t nspans, const double *counts,
		TsBucket *bucket)
{
	while (iter->in_span == 0)
	{
		if (iter->span == nspans)
			return false;
		iter->index += spans[iter->span].offset;
		iter->in_span = spans[iter->span].length;
		iter->span++;
	}
	iter->in_span--;
	bucket->index = iter->index++;
	bucket->count = counts[iter->bucket++];
	return true;
}

void
ts_bucket_iter_init(TsBucketIter *iter, const TsHistogram *h, bool reverse)
{
	iter->h = h;
	iter->reverse = reverse;
	walk_begin_phase(iter, WALK_NEGATIVE);
}

bool
histogram_iter_step(TsBucketIter *iter, TsBucket *bucket, HistogramKind *kind)
{
	const TsHistogram *h = iter->h;

	for (; iter->phase != WALK_DONE; walk_begin_phase(iter, iter->phase + 1))
	{
		bool found = false;

		if (walk_kind(iter) == WALK_ZERO)
		{
			/* in_span says that it was given already. */
			found = h->zero_count > 0 && iter->in_span++ == 0;
			bucket->count = h->zero_count;
			bucket->index = 0;
			*kind = HISTOGRAM_KIND_ZERO;
		}
		else
		{
			bool positive = walk_kind(iter) == WALK_POSITIVE;

			found = (iter->phase == WALK_NEGATIVE ? walk_down : walk_up)(
				iter, positive ? h->positive_spans : h->negative_spans,
				positive ? h->npositive_spans : h->nnegative_spans,
				positive ? h->positive : h->negative, bucket);
			*kind = positive ? HISTOGRAM_KIND_POSITIVE : HISTOGRAM_KIND_NEGATIVE;
		}
		if (found)
			return true;
	}
	return false;
}

void
histogram_bucket_bounds(const TsHistogram *h, HistogramKind kind, bool clamp,
						TsBucket *bucket)
{
	double threshold = h->zero_threshold;

	if (kind == HISTOGRAM_KIND_ZERO)
	{
		bucket->lower = -threshold;
		bucket->upper = threshold;
		bucket->lower_inclusive = bucket->upper_inclusive = true;
		return;
	}
	bucket->upper = histogram_upper(h, bucket->index);
	bucket->lower = histogram_upper(h, bucket->index - 1);
	bucket->lower_inclusive = ts_histogram_is_custom(h) && bucket->index == 0;
	bucket->upper_inclusive = true;
	if (clamp && bucket->lower > 0 && bucket->lower < threshold)
		bucket->lower = threshold;
	if (kind == HISTOGRAM_KIND_NEGATIVE)
	{
		double upper = -bucket->lower;

		bucket->lower = -bucket->upper;
		bucket->upper = upper;
		bucket->lower_inclusive = true;
		bucket->upper_inclusive = false;
	}
}

bool
ts_bucket_iter_next(TsBucketIter *iter, TsBucket *bucket)
{
	HistogramKind kind;

	if (!histogram_iter_step(iter, bucket, &kind))
		return false;
	histogram_bucket_bounds(iter->h, kind, true, bucket);
	return true;
}
