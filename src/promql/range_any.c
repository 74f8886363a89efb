/*
 * range_any.c
 *	  Functions that take floats and histograms alike: counts, the first and the last
 *	  sample, changes and resets.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "range.h"

/* ---- which sample, and how many ---- */

void
pq_range_compute_count(RangeCall *call, PqVector *out)
{
	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		uint32 n = pq_range_count(&call->windows, i);

		out->values[i] = n;
		if (n > 0)
			pq_set(out, i);
	}
}

void
pq_range_compute_present(RangeCall *call, PqVector *out)
{
	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		out->values[i] = 1;
		if (pq_range_count(&call->windows, i) > 0)
			pq_set(out, i);
	}
}

/* A window's value is this sample. */
static void
give_sample(RangeCall *call, PqVector *out, uint32 i, uint32 sample)
{
	const PqSamples *s = &call->samples;

	if (s->histograms != NULL && s->histograms[sample] != NULL)
		pq_range_give_histogram(call, out, i, s->histograms[sample]);
	else
	{
		out->values[i] = s->values[sample];
		pq_set(out, i);
	}
}

void
pq_range_compute_first(RangeCall *call, PqVector *out)
{
	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		if (pq_range_count(&call->windows, i) > 0)
			give_sample(call, out, i, call->windows.first[i]);
	}
}

void
pq_range_compute_last(RangeCall *call, PqVector *out)
{
	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		if (pq_range_count(&call->windows, i) > 0)
			give_sample(call, out, i, call->windows.end[i] - 1);
	}
}

static void
give_times(RangeCall *call, PqVector *out, bool last)
{
	const RangeWindows *w = &call->windows;

	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		if (pq_range_count(w, i) == 0)
			continue;
		out->values[i] = pq_seconds(
			call->samples.times[last ? w->end[i] - 1 : w->first[i]]);
		pq_set(out, i);
	}
}

void
pq_range_compute_ts_of_first(RangeCall *call, PqVector *out)
{
	give_times(call, out, false);
}

void
pq_range_compute_ts_of_last(RangeCall *call, PqVector *out)
{
	give_times(call, out, true);
}

/* ---- changes and resets ---- */

static const TsHistogram *
histogram_at(const PqSamples *s, uint32 i)
{
	return s->histograms != NULL ? s->histograms[i] : NULL;
}

static bool
is_change(const PqSamples *s, uint32 i)
{
	const TsHistogram *before = histogram_at(s, i - 1);
	const TsHistogram *now = histogram_at(s, i);

	if (before != NULL && now != NULL)
		return now != before && !ts_histogram_equal(now, before);
	if (before != NULL || now != NULL)
		return true;
	return s->values[i] != s->values[i - 1] &&
		   !(isnan(s->values[i]) && isnan(s->values[i - 1]));
}

static bool
is_reset(const PqSamples *s, uint32 i)
{
	const TsHistogram *before = histogram_at(s, i - 1);
	const TsHistogram *now = histogram_at(s, i);

	if ((before != NULL) != (now != NULL))
		return true;
	if (s->start_times != NULL &&
		pq_range_starts_anew(s->start_times[i - 1], s->times[i - 1], s->start_times[i],
							 s->times[i]))
		return true;
	if (now != NULL)
		return ts_histogram_is_reset(now, before);
	return s->values[i] < s->values[i - 1];
}

/*
 * Where a window's comparisons begin: anchored ones begin with the last sample that is not
 * behind the range's start. False: nothing lies behind it.
 */
static bool
first_compared(const RangeCall *call, uint32 i, uint32 *first)
{
	const RangeWindows *w = &call->windows;
	int64 start = pq_range_start_time(w, i);
	uint32 low = w->first[i];
	uint32 high = w->end[i];

	*first = low;
	if (w->extend == PQ_PLAIN)
		return low < high;
	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (call->samples.times[middle] <= start)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > *first)
		*first = low - 1;
	return low < w->end[i];
}

/* How many neighbours in each window are a pair of this kind: counted once for all. */
static void
count_pairs(RangeCall *call, PqVector *out, bool (*is_pair)(const PqSamples *, uint32))
{
	const PqSamples *s = &call->samples;
	uint32 *until = pq_range_room(call, &call->room[3], sizeof(uint32) * s->n);

	until[0] = 0;
	for (uint32 i = 1; i < s->n; i++)
	{
		if (s->histograms != NULL)
			CHECK_FOR_INTERRUPTS();
		until[i] = until[i - 1] + is_pair(s, i);
	}
	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		uint32 first;

		if (!first_compared(call, i, &first))
			continue;
		out->values[i] = until[call->windows.end[i] - 1] - until[first];
		pq_set(out, i);
	}
}

void
pq_range_compute_changes(RangeCall *call, PqVector *out)
{
	count_pairs(call, out, is_change);
}

void
pq_range_compute_resets(RangeCall *call, PqVector *out)
{
	count_pairs(call, out, is_reset);
}
