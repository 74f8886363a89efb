/*
 * range_growth.c
 *	  rate, increase and delta of histograms, plain, anchored and smoothed.
 *
 * Whether a histogram's counters began anew is found out once for each pair of
 * neighbours. What is computed on the way to a window's value is freed after it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "range.h"

typedef struct Growth
{
	RangeCall *call;
	bool counter;
	bool *anew;   /* from index 1 on: since the one before */
	uint32 notes; /* bits, of the window */
} Growth;

#define note_bit(note) (UINT32_C(1) << (note))

/* All that was to be said of the window is dropped for this. */
static TsHistogram *
incompatible(Growth *growth)
{
	growth->notes = note_bit(RANGE_INCOMPATIBLE);
	return NULL;
}

/* a + b or a - b; NULL: they do not go together, which is noted. */
static TsHistogram *
combine(Growth *growth, const TsHistogram *a, const TsHistogram *b, bool add)
{
	RangeCall *call = growth->call;
	TsHistogramNotes notes = {0};
	TsHistogram *h = (add ? ts_histogram_add : ts_histogram_sub)(a, b, &call->between,
																 &notes);

	if (notes.incompatible)
	{
		growth->notes |= note_bit(RANGE_INCOMPATIBLE);
		return NULL;
	}
	if (notes.bounds_reconciled)
		growth->notes |= note_bit(add ? RANGE_RECONCILED_ADD : RANGE_RECONCILED_SUB);
	return pq_range_made(call, h);
}

/* By its start time? */
static bool
starts_anew(const Growth *growth, uint32 k)
{
	const RangeHistograms *hs = &growth->call->histograms;

	return hs->starts != NULL && growth->call->windows.extend == PQ_PLAIN &&
		   pq_range_starts_anew(hs->starts[k - 1], hs->times[k - 1], hs->starts[k],
								hs->times[k]);
}

static void
find_resets(Growth *growth)
{
	RangeCall *call = growth->call;
	const RangeHistograms *hs = &call->histograms;

	growth->anew = pq_range_room(call, &call->room[3], sizeof(bool) * hs->n);
	for (uint32 k = 1; k < hs->n; k++)
		growth->anew[k] = starts_anew(growth, k) ||
						  ts_histogram_is_reset(hs->histograms[k], hs->histograms[k - 1]);
}

/* ---- plain ---- */

/*
 * What a counter's samples between the first and the last of a window (before end) say
 * of them all: the least resolution, and whether one is no counter. False: buckets are
 * of different kinds.
 */
static bool
look_between(Growth *growth, uint32 first, uint32 end, bool custom, int32 *schema)
{
	const TsHistogram *const *hs = growth->call->histograms.histograms;

	for (uint32 k = first + 1; k + 1 < end; k++)
	{
		if (hs[k]->hint == TS_RESET_GAUGE)
			growth->notes |= note_bit(RANGE_NOT_COUNTER);
		*schema = Min(*schema, hs[k]->schema);
		if (ts_histogram_is_custom(hs[k]) != custom)
			return false;
	}
	return true;
}

/* Adds what had been counted before each reset; `before` stands for the first sample. */
static TsHistogram *
add_resets(Growth *growth, TsHistogram *h, uint32 first, uint32 end,
		   const TsHistogram *before)
{
	const RangeHistograms *hs = &growth->call->histograms;

	for (uint32 k = first + 1; k < end && h != NULL; k++)
	{
		bool anew = growth->anew[k];

		/* in the place of the first sample there may be an empty one */
		if (k == first + 1 && before != hs->histograms[first])
			anew = starts_anew(growth, k) ||
				   ts_histogram_is_reset(hs->histograms[k], before);
		if (hs->starts != NULL &&
			pq_range_starts_overlap(hs->starts[k - 1], hs->times[k - 1], hs->starts[k]))
			growth->notes |= note_bit(RANGE_OVERLAP);
		if (anew)
		{
			h = combine(growth, h, before, true);
			if (h == NULL)
				incompatible(growth);
		}
		before = hs->histograms[k];
	}
	return h;
}

/* The growth between the first and the last of at least two samples; or NULL. */
static TsHistogram *
window_growth(Growth *growth, uint32 first, uint32 end)
{
	RangeCall *call = growth->call;
	const TsHistogram *const *hs = call->histograms.histograms;
	const TsHistogram *before = hs[first];
	const TsHistogram *last = hs[end - 1];
	bool gauges = before->hint == TS_RESET_GAUGE && last->hint == TS_RESET_GAUGE;
	TsHistogram nothing;
	TsHistogram *h;
	int32 schema;

	if (growth->counter &&
		(before->hint == TS_RESET_GAUGE || last->hint == TS_RESET_GAUGE))
		growth->notes |= note_bit(RANGE_NOT_COUNTER);
	if (growth->counter && growth->anew[first + 1])
	{
		/* nobody needs to look into the first one: it may have other buckets */
		nothing = (TsHistogram){.schema = hs[first + 1]->schema,
								.nbounds = hs[first + 1]->nbounds,
								.bounds = hs[first + 1]->bounds};
		before = &nothing;
	}
	if (ts_histogram_is_custom(last) != ts_histogram_is_custom(before))
	{
		growth->notes |= note_bit(RANGE_INCOMPATIBLE);
		return NULL;
	}
	schema = Min(before->schema, last->schema);
	if (growth->counter &&
		!look_between(growth, first, end, ts_histogram_is_custom(before), &schema))
		return incompatible(growth);
	if (!ts_histogram_is_custom(last) && last->schema > schema)
		last = pq_range_made(call, ts_histogram_reduce(last, schema, &call->between));
	h = combine(growth, last, before, false);
	if (h == NULL)
		return incompatible(growth);
	if (growth->counter)
		h = add_resets(growth, h, first, end, before);
	else if (!gauges)
		growth->notes |= note_bit(RANGE_NOT_GAUGE);
	if (h == NULL)
		return NULL;
	h = pq_range_made(call, ts_histogram_with_hint(h, TS_RESET_GAUGE, &call->between));
	return pq_range_made(call, ts_histogram_compact(h, 0, &call->between));
}

static const TsHistogram *
plain_rate(Growth *growth, uint32 i, bool per_second)
{
	RangeCall *call = growth->call;
	const RangeHistograms *hs = &call->histograms;
	const RangeWindows *w = &call->histogram_windows;
	uint32 first = w->first[i];
	uint32 end = w->end[i];
	const TsHistogram *h = hs->histograms[first];
	RangeGrowth g = {.first_time = hs->times[first],
					 .last_time = hs->times[end - 1],
					 .n = end - first,
					 .counter = growth->counter,
					 .first = h->count};
	double factor;

	g.begins = growth->counter && hs->starts != NULL
				   ? pq_range_begin(hs->starts[first], g.first_time,
									pq_range_start_time(w, i))
				   : RANGE_NO_START;
	if (g.n == 1 && g.begins == RANGE_NO_START)
		return NULL;
	if (g.n > 1)
	{
		h = window_growth(growth, first, end);
		if (h != NULL && g.begins != RANGE_NO_START)
			h = combine(growth, h, hs->histograms[first], true);
	}
	if (h == NULL)
		return NULL;
	g.growth = h->count;
	factor = pq_range_factor(&g, pq_range_start_time(w, i), pq_range_end_time(w, i),
							 per_second);
	return pq_range_made(call, ts_histogram_mul(h, factor, &call->results));
}

/* ---- anchored and smoothed ---- */

/* The histogram at a time between samples i and i + 1. */
static const TsHistogram *
interpolate(Growth *growth, uint32 i, int64 time)
{
	RangeCall *call = growth->call;
	const RangeHistograms *hs = &call->histograms;
	double part = (double) (time - hs->times[i]) /
				  (double) (hs->times[i + 1] - hs->times[i]);
	TsHistogram *h;

	/* it began anew at 0 */
	if (growth->counter && growth->anew[i + 1])
		return pq_range_made(
			call, ts_histogram_mul(hs->histograms[i + 1], part, &call->between));
	h = combine(growth, hs->histograms[i + 1], hs->histograms[i], false);
	if (h != NULL)
		h = pq_range_made(call, ts_histogram_mul(h, part, &call->between));
	if (h != NULL)
		h = combine(growth, h, hs->histograms[i], true);
	return h;
}

/* Adds the corrections for resets; samples `left` and `right` are at or about the edges,
 * where at_left and at_right are taken instead of them. */
static TsHistogram *
correct(Growth *growth, TsHistogram *h, const TsHistogram *at_left,
		const TsHistogram *at_right, uint32 left, uint32 right, bool left_spans)
{
	const RangeHistograms *hs = &growth->call->histograms;
	const TsHistogram *before = at_left;
	const TsHistogram *correction = NULL;
	uint32 k = left + 1;

	/* a reset that the left edge was interpolated over is accounted for */
	if (left_spans && growth->anew[left + 1])
		before = hs->histograms[k++];
	if (k > right)
		return h;
	for (; k <= right; k++)
	{
		const TsHistogram *now = k < right ? hs->histograms[k] : at_right;

		bool known = k < right && before == hs->histograms[k - 1];

		if (known ? growth->anew[k] : ts_histogram_is_reset(now, before))
		{
			correction = correction == NULL ? before
											: combine(growth, correction, before, true);
			if (correction == NULL)
				return NULL;
		}
		before = now;
	}
	return correction == NULL ? h : combine(growth, h, correction, true);
}

static const TsHistogram *
extended_rate(Growth *growth, uint32 i, bool per_second)
{
	RangeCall *call = growth->call;
	const RangeHistograms *hs = &call->histograms;
	const RangeWindows *w = &call->histogram_windows;
	bool smoothed = w->extend == PQ_SMOOTHED;
	int64 start = pq_range_start_time(w, i);
	int64 end = pq_range_end_time(w, i);
	const TsHistogram *at_left;
	const TsHistogram *at_right;
	TsHistogram *h;
	uint32 left;
	uint32 right;
	bool left_spans;

	if (!pq_range_extended_edges(hs->times, w, i, &left, &right))
		return NULL;
	for (uint32 k = left; k <= right; k++)
	{
		if (ts_histogram_is_custom(hs->histograms[k]) !=
			ts_histogram_is_custom(hs->histograms[left]))
		{
			growth->notes |= note_bit(RANGE_INCOMPATIBLE);
			return NULL;
		}
		if (growth->counter && hs->histograms[k]->hint == TS_RESET_GAUGE)
			growth->notes |= note_bit(RANGE_NOT_COUNTER);
	}
	left_spans = smoothed && hs->times[left] < start;
	at_left = left_spans ? interpolate(growth, left, start) : hs->histograms[left];
	at_right = smoothed && right > w->first[i] && hs->times[right] > end
				   ? interpolate(growth, right - 1, end)
				   : hs->histograms[right];
	if (at_left == NULL || at_right == NULL)
		return NULL;
	if (!growth->counter &&
		(at_left->hint != TS_RESET_GAUGE || at_right->hint != TS_RESET_GAUGE))
		growth->notes |= note_bit(RANGE_NOT_GAUGE);
	h = combine(growth, at_right, at_left, false);
	if (h != NULL && growth->counter)
		h = correct(growth, h, at_left, at_right, left, right, left_spans);
	if (h == NULL)
		return NULL;
	if (per_second)
		h = pq_range_made(call,
						  ts_histogram_div(h, (double) w->range / 1e6, &call->between));
	h = pq_range_made(call, ts_histogram_with_hint(h, TS_RESET_GAUGE, &call->between));
	return pq_range_made(call, ts_histogram_compact(h, 0, &call->results));
}

/* ---- all windows ---- */

void
pq_range_histogram_rates(RangeCall *call, PqVector *out, bool counter, bool per_second)
{
	const RangeWindows *w = &call->histogram_windows;
	Growth growth = {.call = call, .counter = counter};

	if (counter)
		find_resets(&growth);
	for (uint32 i = 0; i < w->n; i++)
	{
		const TsHistogram *h;

		if (pq_range_count(w, i) == 0 || pq_range_count(&call->float_windows, i) > 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		growth.notes = 0;
		h = w->extend == PQ_PLAIN ? plain_rate(&growth, i, per_second)
								  : extended_rate(&growth, i, per_second);
		for (int note = 0; growth.notes >> note != 0; note++)
		{
			if (growth.notes & note_bit(note))
				pq_range_note(call, (RangeNote) note);
		}
		if (h != NULL)
			pq_range_give_histogram(call, out, i, h);
		MemoryContextReset(call->between_context);
	}
}
