/*
 * range_rate.c
 *	  rate, increase and delta: of floats by their kernels, of histograms by
 *	  range_growth.c; irate and idelta. Floats and histograms in one window have none.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "range.h"

static bool
has_suffix(TsString name, const char *suffix)
{
	size_t len = strlen(suffix);

	return name.len >= len && memcmp(name.data + name.len - len, suffix, len) == 0;
}

/* Says that a metric with this name is not likely a counter, if it had float rates. */
static void
note_name(RangeCall *call, const PqVector *out)
{
	TsString name = pq_labels_value(call->op.children[0]->series[call->series].labels,
									TS_METRIC_NAME_LABEL);

	if (name.len == 0 || has_suffix(name, "_total") || has_suffix(name, "_sum") ||
		has_suffix(name, "_count") || has_suffix(name, "_bucket"))
		return;
	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		if (pq_has(out, i) && pq_histogram(out, i) == NULL)
		{
			pq_range_note(call, RANGE_MAYBE_NO_COUNTER);
			return;
		}
	}
}

static void
compute_rate(RangeCall *call, PqVector *out, RangeKernel *kernel, bool counter,
			 bool per_second)
{
	pq_range_floats_alone(call, kernel, out);
	if (counter && call->floats.n > 0)
	{
		const RangeSamples *floats = &call->floats;

		note_name(call, out);
		if (floats->starts != NULL && call->windows.extend == PQ_PLAIN &&
			pq_range_overlaps(floats->times, floats->starts, &call->float_windows,
							  floats->n))
			pq_range_note(call, RANGE_OVERLAP);
	}
	if (call->histograms.n > 0)
		pq_range_histogram_rates(call, out, counter, per_second);
}

void
pq_range_compute_rate(RangeCall *call, PqVector *out)
{
	compute_rate(call, out, pq_range_rate, true, true);
}

void
pq_range_compute_increase(RangeCall *call, PqVector *out)
{
	compute_rate(call, out, pq_range_increase, true, false);
}

void
pq_range_compute_delta(RangeCall *call, PqVector *out)
{
	compute_rate(call, out, pq_range_delta, false, false);
}

/* ---- the last two samples ---- */

/* What the last sample adds to the one before. NULL: they do not go together. */
static TsHistogram *
histogram_step(RangeCall *call, const TsHistogram *before, const TsHistogram *last,
			   bool anew, bool rate)
{
	TsHistogramNotes notes = {0};
	TsHistogram *h;

	if (rate && (before->hint == TS_RESET_GAUGE || last->hint == TS_RESET_GAUGE))
		pq_range_note(call, RANGE_NOT_COUNTER);
	if (!rate && (before->hint != TS_RESET_GAUGE || last->hint != TS_RESET_GAUGE))
		pq_range_note(call, RANGE_NOT_GAUGE);
	if (rate && (anew || ts_histogram_is_reset(last, before)))
		h = ts_histogram_copy(last, &call->between);
	else
	{
		h = ts_histogram_sub(last, before, &call->between, &notes);
		if (notes.incompatible)
		{
			pq_range_note(call, RANGE_INCOMPATIBLE);
			return NULL;
		}
		if (notes.bounds_reconciled)
			pq_range_note(call, RANGE_RECONCILED_SUB);
	}
	h = pq_range_made(call, h);
	h = pq_range_made(call, ts_histogram_with_hint(h, TS_RESET_GAUGE, &call->between));
	return pq_range_made(call, ts_histogram_compact(h, 0, &call->results));
}

static void
compute_step(RangeCall *call, PqVector *out, bool rate)
{
	const PqSamples *s = &call->samples;
	const RangeWindows *w = &call->windows;

	for (uint32 i = 0; i < w->n; i++)
	{
		uint32 last = w->end[i] - 1;
		uint32 before = last - 1;
		const TsHistogram *h_last;
		const TsHistogram *h_before;
		double seconds;
		bool anew;

		if (pq_range_count(w, i) < 2)
			continue;
		h_last = s->histograms != NULL ? s->histograms[last] : NULL;
		h_before = s->histograms != NULL ? s->histograms[before] : NULL;
		seconds = (double) (s->times[last] - s->times[before]) / 1e6;
		anew = rate && s->start_times != NULL &&
			   pq_range_starts_anew(s->start_times[before], s->times[before],
									s->start_times[last], s->times[last]);
		if (h_last == NULL && h_before == NULL)
		{
			double value = s->values[last];

			if (!rate || !(anew || s->values[last] < s->values[before]))
				value -= s->values[before];
			out->values[i] = rate ? value / seconds : value;
			pq_set(out, i);
		}
		else if (h_last != NULL && h_before != NULL)
		{
			TsHistogram *h = histogram_step(call, h_before, h_last, anew, rate);

			if (h != NULL && rate)
				h = pq_range_made(call, ts_histogram_div(h, seconds, &call->results));
			if (h != NULL)
				pq_range_give_histogram(call, out, i, h);
			MemoryContextReset(call->between_context);
		}
		else
			pq_range_note(call, RANGE_MIXED);
	}
}

void
pq_range_compute_irate(RangeCall *call, PqVector *out)
{
	compute_step(call, out, true);
}

void
pq_range_compute_idelta(RangeCall *call, PqVector *out)
{
	compute_step(call, out, false);
}
