/*
 * otlp_bridge_histogram.c
 *	  Histograms of OpenTelemetry into native ones.
 *
 * There, a side of an exponential histogram is a run of counts from an offset on, bucket i
 * of which is (base^i, base^(i+1)]; here it is (base^(i-1), base^i], and runs may have gaps.
 * Empty buckets are left out where at least three of them lie between others, and at the
 * ends. Scales finer than 8 become 8: a bucket is then 2^(scale-8) of those that came.
 */
#include <assert.h>
#include <math.h>

#include "otlp_bridge.h"

#define MAX_GAP 2 /* empty buckets that are cheaper than a span */

/* The zero threshold of a histogram that does not say one; Prometheus' receiver has it, too. */
#define DEFAULT_ZERO_THRESHOLD 1e-128

/* A side being written. */
typedef struct Side
{
	TsSpan *spans;
	double *counts;
	uint32_t nspans;
	uint32_t ncounts;
	int64_t last; /* index of the last bucket */
} Side;

static bool
reserve(OtlpNative *native, int side, uint32_t n)
{
	TsAllocator *allocator = &native->allocator;

	if (n <= native->room[side])
		return true;
	if (native->spans[side] != NULL)
		allocator->free(allocator->ctx, native->spans[side]);
	if (native->counts[side] != NULL)
		allocator->free(allocator->ctx, native->counts[side]);
	native->room[side] = 0;
	native->spans[side] = allocator->alloc(allocator->ctx, n * sizeof(TsSpan));
	native->counts[side] = allocator->alloc(allocator->ctx, n * sizeof(double));
	if (native->spans[side] == NULL || native->counts[side] == NULL)
		return false;
	native->room[side] = n;
	return true;
}

void
otlp_native_free(OtlpNative *native)
{
	TsAllocator *allocator = &native->allocator;

	for (int side = 0; side < 2; side++)
	{
		if (native->spans[side] != NULL)
			allocator->free(allocator->ctx, native->spans[side]);
		if (native->counts[side] != NULL)
			allocator->free(allocator->ctx, native->counts[side]);
	}
}

/* Indexes come in order, and may come again. */
static void
add_bucket(Side *side, int64_t index, double count)
{
	int64_t gap = index - side->last - 1;

	if (count == 0)
		return;
	if (side->ncounts > 0 && index == side->last)
	{
		side->counts[side->ncounts - 1] += count;
		return;
	}
	assert(side->ncounts == 0 || gap >= 0);
	if (side->ncounts == 0)
		side->spans[side->nspans++] = (TsSpan){(int32_t) index, 1};
	else if (gap > MAX_GAP)
		side->spans[side->nspans++] = (TsSpan){(int32_t) gap, 1};
	else
	{
		side->spans[side->nspans - 1].length += (uint32_t) gap + 1;
		for (; gap > 0; gap--)
			side->counts[side->ncounts++] = 0;
	}
	side->counts[side->ncounts++] = count;
	side->last = index;
}

/* Counts as a run: the first one has index `first` before it is made coarser. */
static TsErrorCode
write_side(OtlpNative *native, int number, const double *counts, uint32_t n,
		   int64_t first, int shift, int plus, Side *side, TsError *err)
{
	if (!reserve(native, number, n))
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory for a histogram");
	*side = (Side){.spans = native->spans[number], .counts = native->counts[number]};
	for (uint32_t i = 0; i < n; i++)
		add_bucket(side, ((first + i) >> shift) + plus, counts[i]);
	return TS_OK;
}

static void
set_positive(TsHistogram *h, const Side *side)
{
	h->positive_spans = side->spans;
	h->npositive_spans = side->nspans;
	h->positive = side->counts;
	h->npositive = side->ncounts;
}

static TsErrorCode
exponential(OtlpNative *native, const TsOtlpPoint *point, TsHistogram *h, TsError *err)
{
	/* Indexes have 32 bits, so shifting by more does not change what comes out. */
	const int finer = point->scale - TS_HISTOGRAM_MAX_SCHEMA;
	const int shift = finer < 0 ? 0 : finer > 32 ? 32 : finer;
	TsErrorCode code;
	Side side;

	if (point->scale < TS_HISTOGRAM_MIN_SCHEMA)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"histogram has scale %d, and what is coarser than %d cannot "
							"be kept",
							point->scale, TS_HISTOGRAM_MIN_SCHEMA);
	h->schema = finer < 0 ? point->scale : TS_HISTOGRAM_MAX_SCHEMA;
	h->zero_count = point->zero_count;
	h->zero_threshold = point->zero_threshold > 0 ? point->zero_threshold
												  : DEFAULT_ZERO_THRESHOLD;
	code = write_side(native, 0, point->positive.counts, point->positive.ncounts,
					  point->positive.offset, shift, 1, &side, err);
	if (code != TS_OK)
		return code;
	set_positive(h, &side);
	code = write_side(native, 1, point->negative.counts, point->negative.ncounts,
					  point->negative.offset, shift, 1, &side, err);
	if (code != TS_OK)
		return code;
	h->negative_spans = side.spans;
	h->nnegative_spans = side.nspans;
	h->negative = side.counts;
	h->nnegative = side.ncounts;
	return TS_OK;
}

/* A histogram without buckets is one with all of its observations in a single one. */
static TsErrorCode
custom(OtlpNative *native, const TsOtlpPoint *point, TsHistogram *h, TsError *err)
{
	const bool none = point->ncounts == 0;
	TsErrorCode code;
	Side side;

	h->schema = TS_HISTOGRAM_CUSTOM_SCHEMA;
	code = write_side(native, 0, none ? &point->count : point->counts,
					  none ? 1 : point->ncounts, 0, 0, 0, &side, err);
	if (code != TS_OK)
		return code;
	set_positive(h, &side);
	h->bounds = point->bounds;
	h->nbounds = none ? 0 : point->nbounds;
	return TS_OK;
}

TsErrorCode
otlp_native(OtlpNative *native, const TsOtlpPoint *point, TsHistogram *h, TsError *err)
{
	const uint64_t stale = OTLP_STALE;
	TsErrorCode code;
	TsError why;

	*h = (TsHistogram){.hint = TS_RESET_UNKNOWN, .integer = true};
	if (point->no_recorded_value)
	{
		memcpy(&h->sum, &stale, sizeof(stale));
		return TS_OK;
	}
	code = point->metric->type == TS_OTLP_EXPONENTIAL ? exponential(native, point, h, err)
													  : custom(native, point, h, err);
	if (code != TS_OK)
		return code;
	h->count = point->count;
	h->sum = point->has_sum ? point->sum : 0;
	code = ts_histogram_validate(h, &why);
	return code == TS_OK ? TS_OK
						 : ts_error_set(err, TS_ERR_INVALID, -1, "invalid histogram: %s",
										why.message);
}
