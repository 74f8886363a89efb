/*
 * exec_range.c
 *	  Range selectors: the samples of a series, from the first window's start to the last
 *	  window's end.
 */
#include "postgres.h"

#include "exec_internal.h"

typedef struct RangeSelector
{
	PqOperator op; /* these two first: PqSelecting */
	PqSelection selection;
	bool start_times;
	int64 before; /* how far samples reach out of windows: before their start ... */
	int64 behind; /* ... and behind their end */
	PqGather gather;
	int64 held; /* samples, as counted by the query */
} RangeSelector;

static int64
last_end(const PqOperator *op)
{
	return pq_time_add(op->windows.first_end, op->windows.step * (op->steps.n - 1));
}

static void
range_open(PqOperator *op)
{
	RangeSelector *selector = (RangeSelector *) op;
	int64 reach = pq_time_add(op->windows.range, selector->before);

	pq_selection_open(op, &selector->selection);
	pq_gather_init(&selector->gather, op, selector->start_times);
	selector->gather.from = pq_time_add(pq_time_sub(op->windows.first_end, reach), 1);
	pq_selection_read(&selector->selection, pq_first_neighbour(op, selector->gather.from),
					  pq_time_add(last_end(op), selector->behind), selector->start_times);
}

/* Is there something between windows that belongs to none of them? */
static bool
has_gaps(const RangeSelector *selector)
{
	const PqWindows *windows = &selector->op.windows;

	return selector->op.steps.n > 1 &&
		   windows->step > pq_time_add(windows->range,
									   pq_time_add(selector->before, selector->behind));
}

/* Keeps the samples that are in some window. */
static void
drop_gaps(RangeSelector *selector)
{
	const PqWindows *windows = &selector->op.windows;
	PqGather *gather = &selector->gather;
	int64 end = pq_time_add(windows->first_end, selector->behind);
	int64 size = windows->range + selector->before + selector->behind;
	uint32 kept = 0;

	for (uint32 i = 0; i < gather->n; i++)
	{
		int64 time = gather->times[i];

		if (time > end)
			end += (time - end + windows->step - 1) / windows->step * windows->step;
		if (time <= end - size)
			continue;
		gather->times[kept] = time;
		gather->values[kept] = gather->values[i];
		if (gather->any_histogram)
			gather->histograms[kept] = gather->histograms[i];
		if (gather->with_start_times)
			gather->start_times[kept] = gather->start_times[i];
		kept++;
	}
	gather->n = kept;
}

static void
range_next_samples(PqOperator *op, PqSamples *out)
{
	RangeSelector *selector = (RangeSelector *) op;
	PqGather *gather = &selector->gather;
	PqRead read;

	pq_gather_empty(gather);
	while (pq_selection_next(op, &selector->selection, &read))
	{
		op->samples += read.n;
		pq_gather_read(gather, &read);
	}
	if (op->given + 1 == op->nseries)
		pq_selection_close(&selector->selection);
	if (has_gaps(selector))
		drop_gaps(selector);
	pq_hold_samples(op->exec, (int64) gather->n - selector->held);
	selector->held = gather->n;
	pq_gather_samples(gather, out);
}

static void
range_close(PqOperator *op)
{
	RangeSelector *selector = (RangeSelector *) op;

	pq_selection_close(&selector->selection);
	pq_hold_samples(op->exec, -selector->held);
	selector->held = 0;
}

static void
range_explain(PqOperator *op, PqExplain *to)
{
	pq_selection_explain(op, &((RangeSelector *) op)->selection, to);
}

static const PqMethods range_methods = {
	.name = "Range Selector",
	.open = range_open,
	.next_samples = range_next_samples,
	.close = range_close,
	.explain = range_explain,
};

PqOperator *
pq_plan_range_selector(PqExec *exec, const PqNode *node, const PqSteps *steps,
					   const PqNeeds *needs)
{
	RangeSelector *selector = (RangeSelector *) pq_operator(
		exec, sizeof(RangeSelector), &range_methods, node, steps, 0);
	PqSelection *selection = &selector->selection;
	PqWindows *windows = &selector->op.windows;

	pq_selection_plan(exec, selection, node, needs);
	windows->range = pq_duration(exec, &node->u.selector.range, true);
	windows->first_end = pq_modified_time(exec, &node->u.selector.modifiers,
										  selection->offset, steps->start);
	windows->step = selection->pinned ? 0 : steps->step;
	windows->lookback = exec->lookback;
	windows->extend = node->u.selector.extend;
	if (windows->extend != PQ_PLAIN)
		selector->before = exec->lookback;
	if (windows->extend == PQ_SMOOTHED)
		selector->behind = exec->lookback;
	selector->op.reads = true;
	return &selector->op;
}

void
pq_want_start_times(PqOperator *range)
{
	Assert(!range->opened);
	if (range->methods == &range_methods)
		((RangeSelector *) range)->start_times = pq_settings.start_timestamps &&
												 range->exec->start_time_column != 0;
	else
		pq_share_want_start_times(range);
}
