/*
 * exec_selector.c
 *	  Instant selectors: at each step, a series' newest sample that is not older than the
 *	  lookback and not a stale marker.
 *
 * One pass over the samples serves all steps: a sample waits until the next one comes, and
 * is then the value of the steps in between.
 */
#include "postgres.h"

#include "exec_internal.h"

typedef enum Gives
{
	GIVES_VALUE,
	GIVES_TIME,
	GIVES_START_TIME
} Gives;

typedef struct Selector
{
	PqOperator op; /* these two first: PqSelecting */
	PqSelection selection;
	Gives gives;
	int64 first;  /* the time looked at in the first step */
	int64 stride; /* from step to step; 0: pinned */
	uint32 n;     /* steps to find samples for; 1 if pinned */
	bool smoothed;
	PqGather gather; /* if smoothed */
	int64 held;
} Selector;

/* The sample that waits, and the first step that is still without one. */
typedef struct Cursor
{
	Selector *selector;
	PqVector *out;
	uint32 step;
	int64 look; /* the time that this step looks at */
	bool waiting;
	int64 time;
	double value;
	bool is_histogram;
	Datum datum; /* the histogram, as long as it is not decoded */
	const TsHistogram *histogram;
	int64 start_time;
	PqResets resets;
} Cursor;

/* ---- the plain kind ---- */

static void
decode_waiting(Cursor *cursor)
{
	if (cursor->waiting && cursor->is_histogram && cursor->histogram == NULL)
		cursor->histogram = pq_resets_next(&cursor->resets, &cursor->selector->op,
										   cursor->datum);
}

static double
given_value(const Cursor *cursor)
{
	switch (cursor->selector->gives)
	{
		case GIVES_TIME:
			return pq_seconds(cursor->time);
		case GIVES_START_TIME:
			return cursor->start_time == PQ_NO_START ? 0 : pq_seconds(cursor->start_time);
		default:
			return cursor->value;
	}
}

/* The waiting sample becomes the value of all steps that look at times before this one. */
static void
fill(Cursor *cursor, int64 before)
{
	const Selector *selector = cursor->selector;
	PqVector *out = cursor->out;
	int64 valid = before;
	double value;

	if (cursor->waiting)
		valid = Min(before, pq_time_add(cursor->time, selector->op.exec->lookback));
	if (cursor->waiting && cursor->look < valid && cursor->step < selector->n)
	{
		bool stale = !cursor->is_histogram && pq_is_stale(cursor->value);

		decode_waiting(cursor);
		if (cursor->is_histogram)
		{
			stale = ts_histogram_is_stale(cursor->histogram);
			pq_vector_want_histograms(&cursor->selector->op, out, selector->op.steps.n);
		}
		value = given_value(cursor);
		while (cursor->look < valid && cursor->step < selector->n)
		{
			if (!stale)
			{
				pq_set(out, cursor->step);
				out->values[cursor->step] = value;
				if (out->histograms != NULL)
					out->histograms[cursor->step] = cursor->histogram;
			}
			cursor->step++;
			cursor->look += selector->stride;
		}
	}
	while (cursor->look < before && cursor->step < selector->n)
	{
		cursor->step++;
		cursor->look += selector->stride;
	}
}

/* Floats without nulls: only samples that are the last before some step matter. */
static void
take_floats(Cursor *cursor, const PqRead *read)
{
	const Selector *selector = cursor->selector;
	uint32 i = 0;

	while (i < read->n && cursor->step < selector->n)
	{
		if (cursor->look < read->times[i])
			fill(cursor, read->times[i]);
		if (cursor->step == selector->n)
			break;
		while (i + 1 < read->n && read->times[i + 1] <= cursor->look)
			i++;
		cursor->waiting = true;
		cursor->is_histogram = false;
		cursor->histogram = NULL;
		cursor->time = read->times[i];
		cursor->value = read->values[i];
		i++;
	}
}

static void
take_any(Cursor *cursor, const PqRead *read)
{
	for (uint32 i = 0; i < read->n && cursor->step < cursor->selector->n; i++)
	{
		bool histogram = read->histograms != NULL &&
						 (read->histogram_nulls == NULL || !read->histogram_nulls[i]);

		if (!histogram &&
			(read->values == NULL || (read->value_nulls != NULL && read->value_nulls[i])))
			continue;
		if (cursor->look < read->times[i])
			fill(cursor, read->times[i]);
		cursor->waiting = true;
		cursor->is_histogram = histogram;
		cursor->histogram = NULL;
		cursor->time = read->times[i];
		cursor->value = histogram ? 0 : read->values[i];
		if (histogram)
			cursor->datum = read->histograms[i];
		if (cursor->resets.counts_only)
			decode_waiting(cursor);
		cursor->start_time = read->start_times != NULL ? read->start_times[i]
													   : PQ_NO_START;
	}
	decode_waiting(cursor); /* before what was read goes away */
}

static void
next_plain(Selector *selector, PqVector *out)
{
	PqOperator *op = &selector->op;
	Cursor cursor = {.selector = selector,
					 .out = out,
					 .look = selector->first,
					 .start_time = PQ_NO_START,
					 .resets.counts_only = pq_counts_only(op->exec, op->node)};
	PqRead read;

	while (cursor.step < selector->n &&
		   pq_selection_next(op, &selector->selection, &read))
	{
		op->samples += read.n;
		if (read.values != NULL && read.value_nulls == NULL && read.histograms == NULL &&
			selector->gives != GIVES_START_TIME)
			take_floats(&cursor, &read);
		else
			take_any(&cursor, &read);
	}
	fill(&cursor, PG_INT64_MAX);
}

/* ---- smoothed ---- */

/* The samples that count for a step: not farther away than the lookback. */
typedef struct Around
{
	uint32 from;
	uint32 to;
	uint32 behind;     /* the first that is not before the time */
	uint32 histograms; /* among them */
} Around;

static void
move_around(const PqSamples *samples, int64 time, int64 lookback, Around *around)
{
	while (around->to < samples->n &&
		   samples->times[around->to] <= pq_time_add(time, lookback))
	{
		around->histograms += samples->histograms != NULL &&
							  samples->histograms[around->to] != NULL;
		around->to++;
	}
	while (around->from < around->to &&
		   samples->times[around->from] <= pq_time_sub(time, lookback))
	{
		around->histograms -= samples->histograms != NULL &&
							  samples->histograms[around->from] != NULL;
		around->from++;
	}
	around->behind = Max(around->behind, around->from);
	while (around->behind < around->to && samples->times[around->behind] < time)
		around->behind++;
}

/*
 * The value between the samples before and behind a time; the one before if there is none
 * behind.
 */
static bool
smoothed_value(PqOperator *op, const PqSamples *samples, const Around *around, int64 time,
			   double *value, const TsHistogram **histogram)
{
	TsAllocator allocator = pq_allocator(&op->row_place);
	uint32 at = around->behind;

	if (around->histograms > 0 && around->histograms < around->to - around->from)
	{
		pq_warn_of_mix(op);
		return false;
	}
	if (at == around->to || samples->times[at] > time)
	{
		if (at == around->from)
			return false;
		at--;
		if (at + 1 < around->to)
			return pq_between(op, samples, at, time, &allocator, value, histogram);
	}
	*value = samples->values[at];
	*histogram = samples->histograms != NULL ? samples->histograms[at] : NULL;
	return true;
}

static void
next_smoothed(Selector *selector, PqVector *out)
{
	PqOperator *op = &selector->op;
	PqGather *gather = &selector->gather;
	int64 look = selector->first;
	Around around = {0};
	PqSamples samples;
	PqRead read;

	pq_gather_empty(gather);
	while (pq_selection_next(op, &selector->selection, &read))
	{
		op->samples += read.n;
		pq_gather_read(gather, &read);
	}
	pq_gather_samples(gather, &samples);
	if (samples.histograms != NULL)
		pq_vector_want_histograms(op, out, op->steps.n);
	for (uint32 i = 0; i < selector->n; i++, look += selector->stride)
	{
		const TsHistogram *histogram = NULL;

		move_around(&samples, look, op->exec->lookback, &around);
		if (!smoothed_value(op, &samples, &around, look, &out->values[i], &histogram))
			continue;
		pq_set(out, i);
		if (out->histograms != NULL)
			out->histograms[i] = histogram;
	}
}

/* ---- the operator ---- */

static void
selector_open(PqOperator *op)
{
	Selector *selector = (Selector *) op;
	int64 lookback = op->exec->lookback;
	int64 last = pq_time_add(selector->first, selector->stride * (selector->n - 1));

	pq_selection_open(op, &selector->selection);
	if (selector->smoothed)
	{
		pq_gather_init(&selector->gather, op, false);
		selector->gather.from = pq_time_add(pq_time_sub(selector->first, lookback), 1);
		last = pq_time_add(last, lookback);
	}
	pq_selection_read(
		&selector->selection,
		pq_first_neighbour(op, pq_time_add(pq_time_sub(selector->first, lookback), 1)),
		last, selector->gives == GIVES_START_TIME);
}

/* What was found for the one time that all steps look at is for all of them. */
static void
spread(PqVector *out, uint32 n)
{
	if (!pq_has(out, 0))
		return;
	for (uint32 i = 1; i < n; i++)
	{
		pq_set(out, i);
		out->values[i] = out->values[0];
		if (out->histograms != NULL)
			out->histograms[i] = out->histograms[0];
	}
}

static void
selector_next(PqOperator *op, PqVector *out)
{
	Selector *selector = (Selector *) op;
	int64 count;

	pq_vector_init(op, out, op->steps.n);
	if (selector->smoothed)
		next_smoothed(selector, out);
	else
		next_plain(selector, out);
	if (op->given + 1 == op->nseries)
		pq_selection_close(&selector->selection);
	if (selector->n < op->steps.n)
		spread(out, op->steps.n);
	count = pq_vector_count(out, op->steps.n);
	pq_hold_samples(op->exec, count - selector->held);
	selector->held = count;
}

static void
selector_close(PqOperator *op)
{
	Selector *selector = (Selector *) op;

	pq_selection_close(&selector->selection);
	pq_hold_samples(op->exec, -selector->held);
	selector->held = 0;
}

static void
selector_explain(PqOperator *op, PqExplain *to)
{
	pq_selection_explain(op, &((Selector *) op)->selection, to);
}

static const PqMethods selector_methods = {
	.name = "Instant Selector",
	.open = selector_open,
	.next = selector_next,
	.close = selector_close,
	.explain = selector_explain,
};

static PqOperator *
plan_selector(PqExec *exec, const PqNode *node, const PqSteps *steps,
			  const PqNeeds *needs, Gives gives)
{
	Selector *selector = (Selector *) pq_operator(exec, sizeof(Selector),
												  &selector_methods, node, steps, 0);

	pq_selection_plan(exec, &selector->selection, node, needs);
	selector->gives = gives;
	selector->first = pq_modified_time(exec, &node->u.selector.modifiers,
									   selector->selection.offset, steps->start);
	selector->stride = selector->selection.pinned ? 0 : steps->step;
	selector->n = selector->selection.pinned ? Min(steps->n, 1) : steps->n;
	selector->smoothed = node->u.selector.extend == PQ_SMOOTHED;
	selector->op.reads = true;
	return &selector->op;
}

PqOperator *
pq_plan_selector(PqExec *exec, const PqNode *node, const PqSteps *steps,
				 const PqNeeds *needs)
{
	return plan_selector(exec, node, steps, needs, GIVES_VALUE);
}

PqOperator *
pq_plan_selector_times(PqExec *exec, const PqNode *node, const PqSteps *steps,
					   const PqNeeds *needs, PqSampleTime which)
{
	return plan_selector(exec, node, steps, needs,
						 which == PQ_SAMPLE_TIME ? GIVES_TIME : GIVES_START_TIME);
}
