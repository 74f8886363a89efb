/*
 * range_floats.c
 *	  Functions of floats. Histograms in the same window are ignored, which is said.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "range.h"

/* Samples, counted in every window that holds them, between looks at interrupts. */
#define SLICE_SAMPLES (8 * 1024 * 1024)

/*
 * Windows that a kernel is given at a time: all of them, unless that could take so long
 * that somebody would want to interrupt it. Starts with zeros.
 */
typedef struct Slice
{
	RangeWindows windows;
	uint32 from; /* the first of them */
	RangeOut out;
} Slice;

static bool
next_slice(RangeCall *call, PqVector *out, Slice *slice)
{
	const RangeWindows *all = &call->float_windows;
	uint32 from = slice->from + slice->windows.n;
	uint32 to = from;
	uint64 covered = 0;

	if (from == all->n)
		return false;
	CHECK_FOR_INTERRUPTS();
	/* whole words of the bitmap */
	while (to < all->n && (covered < SLICE_SAMPLES || to % 64 != 0))
	{
		covered += pq_range_count(all, to);
		to++;
	}
	*slice = (Slice){.windows = *all,
					 .from = from,
					 .out = {out->values + from, out->present + from / 64}};
	slice->windows.n = to - from;
	slice->windows.first_end = pq_range_end_time(all, from);
	slice->windows.first = all->first + from;
	slice->windows.end = all->end + from;
	slice->windows.covered = covered;
	return true;
}

static void
run_kernel(RangeCall *call, RangeKernel *kernel, PqVector *out)
{
	for (Slice slice = {0}; next_slice(call, out, &slice);)
		kernel(&call->floats, &slice.windows, &call->scratch, &slice.out);
}

void
pq_range_floats_alone(RangeCall *call, RangeKernel *kernel, PqVector *out)
{
	if (call->floats.n == 0)
		return;
	run_kernel(call, kernel, out);
	if (call->histograms.n == 0)
		return;
	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		if (pq_range_is_mixed(call, i))
		{
			pq_unset(out, i);
			pq_range_note(call, RANGE_MIXED);
		}
	}
}

static void
note_ignored(RangeCall *call)
{
	for (uint32 i = 0; call->histograms.n > 0 && i < call->op.steps.n; i++)
	{
		if (pq_range_is_mixed(call, i))
			pq_range_note(call, RANGE_IGNORED);
	}
}

void
pq_range_compute_floats(RangeCall *call, PqVector *out)
{
	note_ignored(call);
	run_kernel(call, call->function->kernel, out);
}

void
pq_range_compute_quantile(RangeCall *call, PqVector *out)
{
	note_ignored(call);
	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		double q = call->scalars[0][i];

		if (pq_range_count(&call->float_windows, i) > 0 && !(q >= 0 && q <= 1))
			pq_range_note_quantile(call, q);
	}
	for (Slice slice = {0}; next_slice(call, out, &slice);)
		pq_range_quantile(&call->floats, &slice.windows, &call->scratch, &slice.out,
						  call->scalars[0] + slice.from);
}

void
pq_range_compute_predict(RangeCall *call, PqVector *out)
{
	const PqSteps *steps = &call->op.steps;

	note_ignored(call);
	for (Slice slice = {0}; next_slice(call, out, &slice);)
		pq_range_predict(&call->floats, &slice.windows, &slice.out,
						 pq_step_time(steps, slice.from), steps->step,
						 call->scalars[0] + slice.from);
}

void
pq_range_compute_smooth(RangeCall *call, PqVector *out)
{
	for (uint32 i = 0; i < call->op.steps.n; i++)
	{
		double smoothing = call->scalars[0][i];
		double trend = call->scalars[1][i];

		if (pq_range_count(&call->windows, i) == 0)
			continue;
		if (smoothing <= 0 || smoothing >= 1)
			pq_fail(call->op.exec, -1, ERRCODE_DATA_EXCEPTION,
					"invalid smoothing factor. Expected: 0 < sf < 1, got: %f", smoothing);
		if (trend <= 0 || trend >= 1)
			pq_fail(call->op.exec, -1, ERRCODE_DATA_EXCEPTION,
					"invalid trend factor. Expected: 0 < tf < 1, got: %f", trend);
	}
	note_ignored(call);
	for (Slice slice = {0}; next_slice(call, out, &slice);)
		pq_range_smooth(&call->floats, &slice.windows, &slice.out,
						call->scalars[0] + slice.from, call->scalars[1] + slice.from);
}
