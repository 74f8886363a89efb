/*
 * range_sums.c
 *	  sum_over_time and avg_over_time: of floats by their kernels, of histograms here.
 *	  Floats and histograms in one window have no sum.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "range.h"

/* Adds up a window's histograms. NULL: they do not go together. */
static TsHistogram *
sum_of_window(RangeCall *call, uint32 first, uint32 end, bool mean)
{
	const TsHistogram *const *histograms = call->histograms.histograms;
	TsHistogramSum *sum = ts_histogram_sum_create(&call->between);
	TsHistogramNotes seen = {0};
	bool reset = false;
	bool no_reset = false;

	for (uint32 k = first; k < end; k++)
	{
		TsHistogramNotes notes = {0};

		if (sum == NULL || !ts_histogram_sum_add(sum, histograms[k], &notes))
			pq_range_made(call, NULL);
		if (notes.incompatible)
		{
			pq_range_note(call, RANGE_INCOMPATIBLE);
			return NULL;
		}
		seen.bounds_reconciled |= notes.bounds_reconciled;
		reset |= histograms[k]->hint == TS_RESET_YES;
		no_reset |= histograms[k]->hint == TS_RESET_NO;
	}
	if (reset && no_reset)
		pq_range_note(call, RANGE_COLLISION);
	if (seen.bounds_reconciled)
		pq_range_note(call, RANGE_RECONCILED_SUM);
	return pq_range_made(call, ts_histogram_sum_result(sum, mean, &call->results));
}

static void
compute_sums(RangeCall *call, PqVector *out, RangeKernel *kernel, bool mean)
{
	const RangeWindows *w = &call->histogram_windows;

	pq_range_floats_alone(call, kernel, out);
	for (uint32 i = 0; call->histograms.n > 0 && i < w->n; i++)
	{
		TsHistogram *sum;

		if (pq_range_count(w, i) == 0 || pq_range_count(&call->float_windows, i) > 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		sum = sum_of_window(call, w->first[i], w->end[i], mean);
		if (sum != NULL)
			pq_range_give_histogram(call, out, i, sum);
		MemoryContextReset(call->between_context);
	}
}

void
pq_range_compute_sum(RangeCall *call, PqVector *out)
{
	compute_sums(call, out, pq_range_sum, false);
}

void
pq_range_compute_avg(RangeCall *call, PqVector *out)
{
	compute_sums(call, out, pq_range_avg, true);
}
