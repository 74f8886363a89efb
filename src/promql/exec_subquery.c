/*
 * exec_subquery.c
 *	  Subqueries: a range vector whose samples are the values of an expression at steps of
 *	  its own.
 *
 * Steps are multiples of the subquery's step since 1970, whatever the windows are: those
 * behind the first window's start, up to the last window's end.
 */
#include "postgres.h"

#include "exec_internal.h"

typedef struct Subquery
{
	PqOperator op;
	bool empty; /* there is no step in any window */
	int64 *all_times;
	int64 *times; /* of the series; likewise below */
	double *values;
	const TsHistogram **histograms; /* NULL before there is one */
	int64 held;
} Subquery;

static void
subquery_open(PqOperator *op)
{
	Subquery *subquery = (Subquery *) op;
	PqOperator *child = op->children[0];
	uint32 n = child->steps.n;

	if (subquery->empty)
		return;
	pq_open(child);
	op->series = child->series;
	op->nseries = child->nseries;
	subquery->all_times = pq_alloc(op, sizeof(int64) * n);
	for (uint32 i = 0; i < n; i++)
		subquery->all_times[i] = pq_step_time(&child->steps, i);
	subquery->times = pq_alloc(op, sizeof(int64) * n);
	subquery->values = pq_alloc(op, sizeof(double) * n);
}

/*
 * A step's histogram as a sample. What it says of a counter reset was true of the samples
 * it was made from, not of those that subqueries make of them.
 */
static const TsHistogram *
without_hint(PqOperator *op, const TsHistogram *h)
{
	TsAllocator allocator = pq_allocator(&op->row_place);

	if (h == NULL || h->hint == TS_RESET_UNKNOWN || h->hint == TS_RESET_GAUGE)
		return h;
	h = ts_histogram_with_hint(h, TS_RESET_UNKNOWN, &allocator);
	if (h == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return h;
}

/* Puts the values that are there next to each other. */
static void
gather(Subquery *subquery, const PqVector *v, PqSamples *out)
{
	PqOperator *op = &subquery->op;
	uint32 n = op->children[0]->steps.n;
	uint32 at = 0;

	if (v->histograms != NULL && subquery->histograms == NULL)
		subquery->histograms = pq_alloc(op, sizeof(TsHistogram *) * n);
	for (uint32 i = 0; i < n; i++)
	{
		if (!pq_has(v, i))
			continue;
		subquery->times[at] = subquery->all_times[i];
		subquery->values[at] = v->values[i];
		if (v->histograms != NULL)
			subquery->histograms[at] = without_hint(op, v->histograms[i]);
		at++;
	}
	out->n = at;
	out->times = subquery->times;
	out->values = subquery->values;
	out->histograms = v->histograms != NULL ? subquery->histograms : NULL;
}

static void
subquery_next_samples(PqOperator *op, PqSamples *out)
{
	Subquery *subquery = (Subquery *) op;
	uint32 n = op->children[0]->steps.n;
	PqVector v;

	pq_next(op->children[0], &v);
	memset(out, 0, sizeof(PqSamples));
	if (v.histograms == NULL && pq_vector_count(&v, n) == n)
	{
		out->n = n;
		out->times = subquery->all_times;
		out->values = v.values;
	}
	else
		gather(subquery, &v, out);
	pq_hold_samples(op->exec, (int64) out->n - subquery->held);
	subquery->held = out->n;
}

static void
subquery_close(PqOperator *op)
{
	Subquery *subquery = (Subquery *) op;

	pq_hold_samples(op->exec, -subquery->held);
	subquery->held = 0;
}

static void
subquery_explain(PqOperator *op, PqExplain *to)
{
	pq_explain_number(to, "Range (s)", (double) op->windows.range / 1e6, 3);
	pq_explain_number(to, "Step (s)", (double) op->children[0]->steps.step / 1e6, 3);
}

static const PqMethods subquery_methods = {
	.name = "Subquery",
	.open = subquery_open,
	.next_samples = subquery_next_samples,
	.close = subquery_close,
	.explain = subquery_explain,
};

/* The first multiple of `step` since 1970 that is behind a time. In the last years, times
 * since 1970 are more than can be represented. */
static int64
aligned_behind(int64 time, int64 step)
{
	int64 passed = (time % step + PQ_UNIX_EPOCH % step) % step;

	if (passed < 0)
		passed += step;
	return pq_time_add(pq_time_sub(time, passed), step);
}

/* The steps of the expression within the windows; false when there are none. */
static bool
find_steps(PqExec *exec, const PqNode *node, const PqOperator *op, PqSteps *steps)
{
	const PqWindows *windows = &op->windows;
	int64 last = pq_time_add(windows->first_end, windows->step * (op->steps.n - 1));
	int64 step = node->u.subquery.step.given
					 ? pq_duration(exec, &node->u.subquery.step, true)
					 : 0;
	uint64 n;

	if (step == 0)
		step = pq_settings.subquery_step_ms * PQ_MS;
	steps->step = step;
	steps->start = aligned_behind(pq_time_sub(windows->first_end, windows->range), step);
	steps->n = 1;
	if (steps->start > last)
		return false;
	n = ((uint64) last - (uint64) steps->start) / (uint64) step + 1;
	if (n > PG_INT32_MAX)
		pq_fail(exec, node->start, ERRCODE_DATA_EXCEPTION,
				"a subquery must not have more than %d steps", PG_INT32_MAX);
	steps->n = (uint32) n;
	return true;
}

PqOperator *
pq_plan_subquery(PqExec *exec, const PqNode *node, const PqSteps *steps,
				 const PqNeeds *needs)
{
	Subquery *subquery = (Subquery *) pq_operator(exec, sizeof(Subquery),
												  &subquery_methods, node, steps, 1);
	PqWindows *windows = &subquery->op.windows;
	const PqModifiers *modifiers = &node->u.subquery.modifiers;
	PqSteps own;

	windows->range = pq_duration(exec, &node->u.subquery.range, true);
	windows->first_end = pq_modified_time(
		exec, modifiers, pq_duration(exec, &modifiers->offset, false), steps->start);
	windows->step = modifiers->at != PQ_AT_NONE ? 0 : steps->step;
	windows->lookback = exec->lookback;
	windows->extend = PQ_PLAIN;
	subquery->empty = !find_steps(exec, node, &subquery->op, &own);
	subquery->op.children[0] = pq_plan(exec, node->u.subquery.expr, &own, needs);
	return &subquery->op;
}
