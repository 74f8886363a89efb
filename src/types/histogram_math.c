/*
 * histogram_math.c
 *	  Histograms added, subtracted, scaled and compared, as PromQL's operators do it.
 */
#include <assert.h>
#include <math.h>

#include "histogram_work.h"

bool
histogram_same_bounds(const double *a, uint32_t na, const double *b, uint32_t nb)
{
	if (na != nb)
		return false;
	for (uint32_t i = 0; i < na; i++)
	{
		if (a[i] != b[i])
			return false;
	}
	return true;
}

/* ---- operators ---- */

static bool
same_spans(const TsSpan *a, uint32_t na, const TsSpan *b, uint32_t nb)
{
	return na == nb && (na == 0 || memcmp(a, b, na * sizeof(TsSpan)) == 0);
}

/* Does a side begin behind the zero bucket? What lies in it would not be added. */
static bool
is_outside_zero(const TsHistogram *h, const TsSpan *spans, uint32_t n)
{
	return h->zero_threshold == 0 || n == 0 ||
		   histogram_bound(spans[0].offset, h->schema) > h->zero_threshold;
}

/* The same buckets in the same spans, as two histograms of one series mostly have them? */
static bool
is_same_layout(const TsHistogram *a, const TsHistogram *b)
{
	return a->schema == b->schema && a->zero_threshold == b->zero_threshold &&
		   same_spans(a->positive_spans, a->npositive_spans, b->positive_spans,
					  b->npositive_spans) &&
		   same_spans(a->negative_spans, a->nnegative_spans, b->negative_spans,
					  b->nnegative_spans) &&
		   histogram_same_bounds(a->bounds, a->nbounds, b->bounds, b->nbounds) &&
		   is_outside_zero(b, b->positive_spans, b->npositive_spans) &&
		   is_outside_zero(b, b->negative_spans, b->nnegative_spans);
}

/* What histogram_work_add() would give, for histograms of one layout. */
static TsHistogram *
add_same_layout(const TsHistogram *a, const TsHistogram *b, double divisor,
				const TsAllocator *allocator)
{
	HistogramRoom room;

	if (!histogram_copy(&room, a, allocator))
		return NULL;
	room.h->integer = false;
	room.h->hint = histogram_merged_hint(a->hint, b->hint);
	room.h->zero_count += b->zero_count / divisor;
	room.h->count += b->count / divisor;
	room.h->sum += b->sum / divisor;
	for (uint32_t i = 0; i < a->npositive; i++)
		room.counts[0][i] += b->positive[i] / divisor;
	for (uint32_t i = 0; i < a->nnegative; i++)
		room.counts[1][i] += b->negative[i] / divisor;
	return room.h;
}

static TsHistogram *
add_divided(const TsHistogram *a, const TsHistogram *b, double divisor,
			const TsAllocator *allocator, TsHistogramNotes *notes)
{
	HistogramWork work;
	TsHistogram *result = NULL;

	if (ts_histogram_is_custom(a) != ts_histogram_is_custom(b))
	{
		notes->incompatible = true;
		return NULL;
	}
	if ((a->hint == TS_RESET_YES && b->hint == TS_RESET_NO) ||
		(a->hint == TS_RESET_NO && b->hint == TS_RESET_YES))
		notes->reset_hint_collision = true;
	if (is_same_layout(a, b))
		return add_same_layout(a, b, divisor, allocator);
	if (!histogram_work_init(&work, a, 1, false, allocator))
		return NULL;
	if (histogram_work_add(&work, b, divisor, &notes->bounds_reconciled))
		result = histogram_work_result(&work, 1, false, allocator);
	histogram_work_free(&work);
	return result;
}

TsHistogram *
ts_histogram_add(const TsHistogram *a, const TsHistogram *b, const TsAllocator *allocator,
				 TsHistogramNotes *notes)
{
	return add_divided(a, b, 1, allocator, notes);
}

TsHistogram *
ts_histogram_sub(const TsHistogram *a, const TsHistogram *b, const TsAllocator *allocator,
				 TsHistogramNotes *notes)
{
	TsHistogram *result = add_divided(a, b, -1, allocator, notes);

	if (result)
		result->hint = TS_RESET_GAUGE;
	return result;
}

TsHistogram *
ts_histogram_mul(const TsHistogram *h, double factor, const TsAllocator *allocator)
{
	HistogramRoom room;

	if (!histogram_copy(&room, h, allocator))
		return NULL;
	room.h->integer = false;
	room.h->zero_count *= factor;
	room.h->count *= factor;
	room.h->sum *= factor;
	for (uint32_t i = 0; i < h->npositive; i++)
		room.counts[0][i] *= factor;
	for (uint32_t i = 0; i < h->nnegative; i++)
		room.counts[1][i] *= factor;
	if (factor < 0)
		room.h->hint = TS_RESET_GAUGE;
	return room.h;
}

TsHistogram *
ts_histogram_div(const TsHistogram *h, double divisor, const TsAllocator *allocator)
{
	HistogramRoom room;

	if (!histogram_copy(&room, h, allocator))
		return NULL;
	room.h->integer = false;
	room.h->zero_count /= divisor;
	room.h->count /= divisor;
	room.h->sum /= divisor;
	if (divisor == 0)
	{
		/* Not even the signs of what would be left mean anything. */
		room.h->npositive_spans = room.h->nnegative_spans = 0;
		room.h->npositive = room.h->nnegative = 0;
		return room.h;
	}
	for (uint32_t i = 0; i < h->npositive; i++)
		room.counts[0][i] /= divisor;
	for (uint32_t i = 0; i < h->nnegative; i++)
		room.counts[1][i] /= divisor;
	if (divisor < 0)
		room.h->hint = TS_RESET_GAUGE;
	return room.h;
}

/* ---- comparisons ---- */

static bool
same_side(const TsHistogram *a, const TsHistogram *b, bool negative)
{
	HistogramSide sides[2] = {histogram_side(a, negative), histogram_side(b, negative)};
	HistogramCursor left, right;

	if (sides[0].n != sides[1].n)
		return false;
	histogram_cursor_init(&left, &sides[0], 0);
	histogram_cursor_init(&right, &sides[1], 0);
	while (histogram_cursor_next(&left) && histogram_cursor_next(&right))
	{
		if (left.index != right.index || !same_double(left.count, right.count))
			return false;
	}
	return true;
}

bool
ts_histogram_equal(const TsHistogram *a, const TsHistogram *b)
{
	return a->schema == b->schema && a->zero_threshold == b->zero_threshold &&
		   same_double(a->zero_count, b->zero_count) && same_double(a->count, b->count) &&
		   same_double(a->sum, b->sum) &&
		   histogram_same_bounds(a->bounds, a->nbounds, b->bounds, b->nbounds) &&
		   same_side(a, b, false) && same_side(a, b, true);
}

/* Did a bucket become smaller, or vanish while it had observations? */
static bool
side_was_reset(const TsHistogram *now, const TsHistogram *before, bool negative)
{
	HistogramSide sides[2] = {histogram_side(now, negative),
							  histogram_side(before, negative)};
	HistogramCursor left, right;
	bool inside = now->zero_threshold > 0;
	bool more;

	histogram_cursor_init(&left, &sides[0], 0);
	histogram_cursor_init(&right, &sides[1], before->schema - now->schema);
	more = histogram_cursor_next(&left);
	while (histogram_cursor_next(&right))
	{
		/* What lies in the zero bucket was compared with it. */
		inside = inside &&
				 histogram_bound(right.index, now->schema) <= now->zero_threshold;
		if (inside)
			continue;
		while (more && left.index < right.index)
			more = histogram_cursor_next(&left);
		if (!more || left.index > right.index ? right.count != 0
											  : left.count < right.count)
			return true;
	}
	return false;
}

/* The sum of the buckets not yet read that end at or before the bound. */
static double
sum_up_to(const TsHistogram *h, HistogramCursor *cursor, double bound)
{
	HistogramCursor ahead = *cursor;
	double sum = 0;

	while (histogram_cursor_next(&ahead) && histogram_upper(h, ahead.index) <= bound)
	{
		sum += ahead.count;
		*cursor = ahead;
	}
	return sum;
}

/* The same for custom bounds that differ: where they agree, counts are compared. */
static bool
custom_was_reset(const TsHistogram *now, const TsHistogram *before)
{
	HistogramSide sides[2] = {histogram_side(now, false), histogram_side(before, false)};
	HistogramCursor left, right;

	histogram_cursor_init(&left, &sides[0], 0);
	histogram_cursor_init(&right, &sides[1], 0);
	for (uint32_t i = 0, j = 0; i <= now->nbounds && j <= before->nbounds;)
	{
		double a = histogram_upper(now, (int32_t) i);
		double b = histogram_upper(before, (int32_t) j);

		if (a == b && sum_up_to(now, &left, a) < sum_up_to(before, &right, b))
			return true;
		i += a <= b;
		j += b <= a;
	}
	return false;
}

bool
ts_histogram_is_reset(const TsHistogram *now, const TsHistogram *before)
{
	HistogramSide sides[2] = {histogram_side(before, false),
							  histogram_side(before, true)};
	double zero_count = before->zero_count;

	if (now->hint == TS_RESET_YES || now->hint == TS_RESET_NO)
		return now->hint == TS_RESET_YES;
	if (now->count < before->count || now->schema > before->schema)
		return true;
	if (ts_histogram_is_custom(now))
	{
		if (!ts_histogram_is_custom(before))
			return true;
		if (!histogram_same_bounds(now->bounds, now->nbounds, before->bounds,
								   before->nbounds))
			return custom_was_reset(now, before);
		return side_was_reset(now, before, false);
	}
	if (now->zero_threshold < before->zero_threshold)
		return true;
	/* A zero bucket that now ends within a bucket with observations is a new one. */
	if (now->zero_threshold > before->zero_threshold &&
		histogram_widened_zero(sides, before->schema, now->zero_threshold, &zero_count,
							   NULL) != now->zero_threshold)
		return true;
	return now->zero_count < zero_count || side_was_reset(now, before, false) ||
		   side_was_reset(now, before, true);
}
