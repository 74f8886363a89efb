/*
 * histogram_work.c
 *	  Adding histograms up in place.
 *
 * As Prometheus does: first the zero buckets are brought to one threshold, each histogram at
 * its own resolution, then both to the lower resolution, then buckets are added one by one.
 */
#include <assert.h>
#include <math.h>

#include "histogram_work.h"

static void *
work_alloc(HistogramWork *work, size_t n, size_t width)
{
	return work->allocator.alloc(work->allocator.ctx, (n > 0 ? n : 1) * width);
}

static void
work_free(HistogramWork *work, void *ptr)
{
	if (ptr)
		work->allocator.free(work->allocator.ctx, ptr);
}

static void
side_free(HistogramWork *work, WorkSide *side)
{
	work_free(work, side->indexes);
	work_free(work, side->counts);
	work_free(work, side->rests);
	memset(side, 0, sizeof(*side));
}

/* An empty side with room for so many buckets. On failure it has nothing. */
static bool
side_make(HistogramWork *work, WorkSide *side, uint32_t room)
{
	memset(side, 0, sizeof(*side));
	side->indexes = work_alloc(work, room, sizeof(int32_t));
	side->counts = work_alloc(work, room, sizeof(double));
	if (work->compensated)
		side->rests = work_alloc(work, room, sizeof(double));
	side->room = room;
	if (side->indexes && side->counts && (side->rests || !work->compensated))
		return true;
	side_free(work, side);
	return false;
}

static void
side_append(WorkSide *side, int32_t index, double count, double rest)
{
	assert(side->n < side->room);
	side->indexes[side->n] = index;
	side->counts[side->n] = count;
	if (side->rests)
		side->rests[side->n] = rest;
	side->n++;
}

static HistogramSide
side_view(const WorkSide *side)
{
	HistogramSide view = {.indexes = side->indexes,
						  .counts = side->counts,
						  .rests = side->rests,
						  .n = side->n};

	return view;
}

/* A new side from what a cursor gives, divided. */
static bool
side_fill(HistogramWork *work, WorkSide *side, const HistogramSide *from, double divisor)
{
	HistogramCursor cursor;

	if (!side_make(work, side, from->n))
		return false;
	histogram_cursor_init(&cursor, from, 0);
	while (histogram_cursor_next(&cursor))
		side_append(side, cursor.index, cursor.count / divisor, cursor.rest / divisor);
	return true;
}

static bool
set_bounds(HistogramWork *work, const double *bounds, uint32_t n)
{
	work->bounds = work_alloc(work, n, sizeof(double));
	if (work->bounds == NULL)
		return false;
	if (n > 0)
		memcpy(work->bounds, bounds, n * sizeof(double));
	work->nbounds = n;
	return true;
}

bool
histogram_work_init(HistogramWork *work, const TsHistogram *h, double divisor,
					bool compensated, const TsAllocator *allocator)
{
	memset(work, 0, sizeof(*work));
	work->allocator = *allocator;
	work->compensated = compensated;
	work->schema = h->schema;
	work->hint = h->hint;
	work->zero_threshold = h->zero_threshold;
	work->zero_count = h->zero_count / divisor;
	work->count = h->count / divisor;
	work->sum = h->sum / divisor;
	for (int i = 0; i < 2; i++)
	{
		HistogramSide side = histogram_side(h, i == 1);

		if (!side_fill(work, &work->sides[i], &side, divisor))
		{
			histogram_work_free(work);
			return false;
		}
	}
	if (ts_histogram_is_custom(h) && !set_bounds(work, h->bounds, h->nbounds))
	{
		histogram_work_free(work);
		return false;
	}
	return true;
}

bool
histogram_work_copy(HistogramWork *work, const HistogramWork *from)
{
	bool done = true;

	*work = *from;
	work->bounds = NULL;
	memset(work->sides, 0, sizeof(work->sides));
	for (int i = 0; i < 2 && done; i++)
	{
		HistogramSide side = side_view(&from->sides[i]);

		done = side_fill(work, &work->sides[i], &side, 1);
	}
	if (done && from->bounds)
		done = set_bounds(work, from->bounds, from->nbounds);
	if (!done)
		histogram_work_free(work);
	return done;
}

void
histogram_work_free(HistogramWork *work)
{
	side_free(work, &work->sides[0]);
	side_free(work, &work->sides[1]);
	work_free(work, work->bounds);
	work->bounds = NULL;
}

/* ---- adding buckets ---- */

static double *
rest_at(WorkSide *side, uint32_t i)
{
	return side->rests ? &side->rests[i] : NULL;
}

/* How many buckets the cursor gives that the side does not have. */
static uint32_t
count_missing(const WorkSide *side, HistogramCursor cursor)
{
	uint32_t missing = 0;
	uint32_t i = 0;

	while (histogram_cursor_next(&cursor))
	{
		while (i < side->n && side->indexes[i] < cursor.index)
			i++;
		missing += i == side->n || side->indexes[i] != cursor.index;
	}
	return missing;
}

/* Empty buckets at the indexes that the cursor gives and the side does not have. */
static bool
side_extend(HistogramWork *work, WorkSide *side, HistogramCursor cursor, uint32_t missing)
{
	uint32_t room = side->n + missing;
	uint32_t i = 0;
	WorkSide larger;

	if (!side_make(work, &larger, room < 2 * side->room ? 2 * side->room : room))
		return false;
	while (histogram_cursor_next(&cursor))
	{
		for (; i < side->n && side->indexes[i] <= cursor.index; i++)
			side_append(&larger, side->indexes[i], side->counts[i],
						side->rests ? side->rests[i] : 0);
		if (larger.n == 0 || larger.indexes[larger.n - 1] != cursor.index)
			side_append(&larger, cursor.index, 0, 0);
	}
	for (; i < side->n; i++)
		side_append(&larger, side->indexes[i], side->counts[i],
					side->rests ? side->rests[i] : 0);
	assert(larger.n == room);
	side_free(work, side);
	*side = larger;
	return true;
}

/*
 * Finds the place of a span's first bucket, from *at on, if the side has all of the span's
 * buckets; moves *at behind them.
 */
static bool
find_span(const WorkSide *side, int32_t first, uint32_t length, uint32_t *at)
{
	uint32_t i = *at;

	while (i < side->n && side->indexes[i] < first)
		i++;
	if (side->n - i < length || side->indexes[i] != first ||
		side->indexes[i + length - 1] != first + (int32_t) (length - 1))
		return false;
	*at = i + length;
	return true;
}

/* Adds all buckets of whole spans, if they are all there: else nothing, and false. */
static bool
add_spans(WorkSide *side, const HistogramCursor *cursor, double divisor)
{
	const HistogramSide *from = &cursor->side;

	if (from->spans == NULL || cursor->shift != 0 || cursor->bucket != 0)
		return false;
	for (int pass = 0; pass < 2; pass++)
	{
		const TsSpan *span = from->spans;
		int32_t index = 0;
		uint32_t at = 0;

		for (uint32_t bucket = 0; bucket < from->n; span++)
		{
			index += span->offset;
			if (span->length > 0 && !find_span(side, index, span->length, &at))
				return false;
			for (uint32_t k = 0; k < span->length && pass == 1; k++)
			{
				uint32_t to = at - span->length + k;

				histogram_sum_step(&side->counts[to], rest_at(side, to),
								   from->counts[bucket + k] / divisor);
			}
			bucket += span->length;
			index += (int32_t) span->length;
		}
	}
	return true;
}

/* Adds all buckets that the cursor gives. */
static bool
side_add(HistogramWork *work, WorkSide *side, HistogramCursor cursor, double divisor)
{
	uint32_t missing;
	uint32_t i = 0;

	if (add_spans(side, &cursor, divisor))
		return true;
	missing = count_missing(side, cursor);
	if (missing > 0 && !side_extend(work, side, cursor, missing))
		return false;
	while (histogram_cursor_next(&cursor))
	{
		while (side->indexes[i] < cursor.index)
			i++;
		histogram_sum_step(&side->counts[i], rest_at(side, i), cursor.count / divisor);
	}
	return true;
}

/* Moves a cursor over the buckets that lie within the zero bucket. */
static void
skip_zero(HistogramCursor *cursor, int32_t schema, double threshold)
{
	HistogramCursor ahead = *cursor;

	while (threshold > 0 && histogram_cursor_next(&ahead) &&
		   histogram_bound(ahead.index, schema) <= threshold)
		*cursor = ahead;
}

/* ---- one zero bucket, one resolution ---- */

static void
side_drop_first(WorkSide *side, uint32_t n)
{
	side->n -= n;
	memmove(side->indexes, side->indexes + n, side->n * sizeof(int32_t));
	memmove(side->counts, side->counts + n, side->n * sizeof(double));
	if (side->rests)
		memmove(side->rests, side->rests + n, side->n * sizeof(double));
}

/* Raises the zero threshold to at least this one. */
static void
work_widen(HistogramWork *work, double threshold)
{
	HistogramSide sides[2] = {side_view(&work->sides[0]), side_view(&work->sides[1])};

	work->zero_threshold = histogram_widened_zero(
		sides, work->schema, threshold, &work->zero_count,
		work->compensated ? &work->zero_rest : NULL);
	for (int i = 0; i < 2; i++)
	{
		WorkSide *side = &work->sides[i];
		uint32_t n = 0;

		while (n < side->n &&
			   histogram_bound(side->indexes[n] - 1, work->schema) < work->zero_threshold)
			n++;
		side_drop_first(side, n);
	}
}

static void
work_reduce(HistogramWork *work, int32_t schema)
{
	for (int i = 0; i < 2; i++)
	{
		WorkSide *side = &work->sides[i];
		HistogramSide view = side_view(side);
		HistogramCursor cursor;

		/* What is written never overtakes what is read. */
		histogram_cursor_init(&cursor, &view, work->schema - schema);
		side->n = 0;
		while (histogram_cursor_next(&cursor))
			side_append(side, cursor.index, cursor.count, cursor.rest);
	}
	work->schema = schema;
}

/* ---- custom bounds ---- */

static bool
same_bounds(const HistogramWork *work, const TsHistogram *h)
{
	return histogram_same_bounds(work->bounds, work->nbounds, h->bounds, h->nbounds);
}

/*
 * Adds the buckets of a side, whose bounds are these, to those of `to`, which has all buckets
 * of its bounds: each goes to the one that contains it.
 */
static void
map_buckets(WorkSide *to, const double *to_bounds, uint32_t nto,
			const HistogramSide *side, const double *bounds, uint32_t n, double divisor)
{
	HistogramCursor cursor;
	uint32_t target = 0;

	histogram_cursor_init(&cursor, side, 0);
	while (histogram_cursor_next(&cursor))
	{
		/* The last one, up to +Inf. */
		if ((uint32_t) cursor.index >= n)
			target = nto;
		while (target < nto && to_bounds[target] < bounds[cursor.index])
			target++;
		histogram_sum_step(&to->counts[target], rest_at(to, target),
						   cursor.count / divisor);
		if (to->rests)
			histogram_sum_step(&to->counts[target], rest_at(to, target), cursor.rest);
	}
}

/* Adds a histogram with other bounds: both are brought to the bounds that both have. */
static bool
add_other_bounds(HistogramWork *work, const TsHistogram *h, double divisor)
{
	HistogramSide own = side_view(&work->sides[0]);
	HistogramSide other = histogram_side(h, false);
	uint32_t nbounds = 0;
	uint32_t kept = 0;
	double *bounds = work_alloc(work, work->nbounds, sizeof(double));
	WorkSide all;

	if (bounds == NULL || !side_make(work, &all, work->nbounds + 1))
	{
		work_free(work, bounds);
		return false;
	}
	for (uint32_t i = 0, j = 0; i < work->nbounds && j < h->nbounds;)
	{
		if (work->bounds[i] == h->bounds[j])
			bounds[nbounds++] = work->bounds[i];
		if (work->bounds[i] < h->bounds[j])
			i++;
		else if (work->bounds[i] > h->bounds[j])
			j++;
		else
			i++, j++;
	}
	for (uint32_t i = 0; i <= nbounds; i++)
		side_append(&all, (int32_t) i, 0, 0);
	map_buckets(&all, bounds, nbounds, &own, work->bounds, work->nbounds, 1);
	map_buckets(&all, bounds, nbounds, &other, h->bounds, h->nbounds, divisor);
	for (uint32_t i = 0; i < all.n; i++)
	{
		if (all.counts[i] == 0 && (all.rests == NULL || all.rests[i] == 0))
			continue;
		all.indexes[kept] = all.indexes[i];
		all.counts[kept] = all.counts[i];
		if (all.rests)
			all.rests[kept] = all.rests[i];
		kept++;
	}
	all.n = kept;
	side_free(work, &work->sides[0]);
	work_free(work, work->bounds);
	work->sides[0] = all;
	work->bounds = bounds;
	work->nbounds = nbounds;
	return true;
}

/* ---- adding histograms ---- */

TsResetHint
histogram_merged_hint(TsResetHint a, TsResetHint b)
{
	if (a == b)
		return a;
	return a == TS_RESET_GAUGE || b == TS_RESET_GAUGE ? TS_RESET_GAUGE : TS_RESET_UNKNOWN;
}

static bool
add_custom(HistogramWork *work, const TsHistogram *h, double divisor, bool *reconciled)
{
	HistogramSide side = histogram_side(h, false);
	HistogramCursor cursor;

	if (!same_bounds(work, h))
	{
		*reconciled = true;
		return add_other_bounds(work, h, divisor);
	}
	histogram_cursor_init(&cursor, &side, 0);
	return side_add(work, &work->sides[0], cursor, divisor);
}

/* The sides' resolution is `schema`, their zero bucket the work's. */
static bool
add_sides(HistogramWork *work, const HistogramSide sides[2], int32_t schema,
		  double divisor)
{
	if (work->schema > schema)
		work_reduce(work, schema);
	for (int i = 0; i < 2; i++)
	{
		HistogramCursor cursor;

		histogram_cursor_init(&cursor, &sides[i], schema - work->schema);
		skip_zero(&cursor, work->schema, work->zero_threshold);
		if (!side_add(work, &work->sides[i], cursor, divisor))
			return false;
	}
	return true;
}

static bool
add_standard(HistogramWork *work, const TsHistogram *h, double divisor)
{
	HistogramSide sides[2] = {histogram_side(h, false), histogram_side(h, true)};
	double zero_count = h->zero_count;
	HistogramWork other = {0};
	bool done;

	if (h->zero_threshold != work->zero_threshold)
	{
		if (!histogram_work_init(&other, h, 1, false, &work->allocator))
			return false;
		while (other.zero_threshold != work->zero_threshold)
		{
			if (other.zero_threshold < work->zero_threshold)
				work_widen(&other, work->zero_threshold);
			else
				work_widen(work, other.zero_threshold);
		}
		zero_count = other.zero_count;
		sides[0] = side_view(&other.sides[0]);
		sides[1] = side_view(&other.sides[1]);
	}
	histogram_sum_step(&work->zero_count, work->compensated ? &work->zero_rest : NULL,
					   zero_count / divisor);
	done = add_sides(work, sides, h->schema, divisor);
	if (other.sides[0].indexes)
		histogram_work_free(&other);
	return done;
}

bool
histogram_work_add(HistogramWork *work, const TsHistogram *h, double divisor,
				   bool *reconciled)
{
	bool custom = work->schema == TS_HISTOGRAM_CUSTOM_SCHEMA;

	assert(custom == ts_histogram_is_custom(h));
	work->hint = histogram_merged_hint(work->hint, h->hint);
	histogram_sum_step(&work->count, work->compensated ? &work->count_rest : NULL,
					   h->count / divisor);
	histogram_sum_step(&work->sum, work->compensated ? &work->sum_rest : NULL,
					   h->sum / divisor);
	return custom ? add_custom(work, h, divisor, reconciled)
				  : add_standard(work, h, divisor);
}

/* ---- the whole ---- */

void
histogram_work_scale(HistogramWork *work, double factor, double divisor)
{
	double *numbers[] = {&work->zero_count, &work->zero_rest, &work->count,
						 &work->count_rest, &work->sum,       &work->sum_rest};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		*numbers[i] = *numbers[i] * factor / divisor;
	for (int side = 0; side < 2; side++)
	{
		WorkSide *s = &work->sides[side];

		for (uint32_t i = 0; i < s->n; i++)
		{
			s->counts[i] = s->counts[i] * factor / divisor;
			if (s->rests)
				s->rests[i] = s->rests[i] * factor / divisor;
		}
	}
}

bool
histogram_work_overflowed(const HistogramWork *work)
{
	if (isinf(work->zero_count) || isinf(work->count) || isinf(work->sum))
		return true;
	for (int side = 0; side < 2; side++)
	{
		for (uint32_t i = 0; i < work->sides[side].n; i++)
		{
			if (isinf(work->sides[side].counts[i]))
				return true;
		}
	}
	return false;
}

/* A bucket of the result; false: it is left out. */
static bool
result_bucket(const WorkSide *side, uint32_t i, double divisor, bool compact,
			  double *count)
{
	*count = side->counts[i] / divisor;
	if (side->rests)
		*count += side->rests[i] / divisor;
	return !compact || *count != 0;
}

TsHistogram *
histogram_work_result(const HistogramWork *work, double divisor, bool compact,
					  const TsAllocator *allocator)
{
	uint32_t nspans[2] = {0, 0}, nbuckets[2] = {0, 0};
	HistogramRoom room;
	TsHistogram *h;
	double count;

	for (int side = 0; side < 2; side++)
	{
		const WorkSide *s = &work->sides[side];
		int64_t next = INT64_MIN;

		for (uint32_t i = 0; i < s->n; i++)
		{
			if (!result_bucket(s, i, divisor, compact, &count))
				continue;
			nspans[side] += s->indexes[i] != next;
			nbuckets[side]++;
			next = (int64_t) s->indexes[i] + 1;
		}
	}
	if (!histogram_make_room(&room, allocator, nspans, nbuckets, work->nbounds))
		return NULL;
	h = room.h;
	h->schema = work->schema;
	h->hint = work->hint;
	h->zero_threshold = work->zero_threshold;
	h->zero_count = work->zero_count / divisor + work->zero_rest / divisor;
	h->count = work->count / divisor + work->count_rest / divisor;
	h->sum = work->sum / divisor + work->sum_rest / divisor;
	if (work->nbounds > 0)
		memcpy(room.bounds, work->bounds, work->nbounds * sizeof(double));
	for (int side = 0; side < 2; side++)
	{
		for (uint32_t i = 0; i < work->sides[side].n; i++)
		{
			if (result_bucket(&work->sides[side], i, divisor, compact, &count))
				histogram_append(&room, side, work->sides[side].indexes[i], count);
		}
	}
	return h;
}
