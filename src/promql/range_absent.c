/*
 * range_absent.c
 *	  absent_over_time: one where no series has any sample in the window.
 */
#include "postgres.h"

#include "range.h"

typedef struct RangeAbsent
{
	PqOperator op;
	const PqNode *arg; /* without parentheses */
} RangeAbsent;

static void
absent_open(PqOperator *op)
{
	RangeAbsent *absent = (RangeAbsent *) op;

	pq_open(op->children[0]);
	op->nseries = 1;
	op->series = pq_alloc0(op, sizeof(PqSeries));
	op->series[0].labels = pq_absent_labels(absent->arg, op->context);
	op->series[0].drop_name = true;
}

/* Unsets the steps whose windows hold any of the samples. Are there steps left? */
static bool
take_away(PqOperator *op, const PqSamples *s, uint32 *bounds, PqVector *out)
{
	const PqWindows *windows = &op->children[0]->windows;
	RangeWindows w = {.n = op->steps.n,
					  .first_end = windows->first_end,
					  .step = windows->step,
					  .range = windows->range};
	bool any = false;

	pq_range_windows_find(&w, s->times, s->n, 0, 0, bounds, bounds + w.n);
	for (uint32 i = 0; i < w.n; i++)
	{
		if (pq_range_count(&w, i) > 0)
			pq_unset(out, i);
		any |= pq_has(out, i);
	}
	return any;
}

static void
absent_next(PqOperator *op, PqVector *out)
{
	PqOperator *child = op->children[0];
	uint32 *bounds = pq_alloc(op, 2 * sizeof(uint32) * op->steps.n);

	pq_vector_init(op, out, op->steps.n);
	for (uint32 i = 0; i < op->steps.n; i++)
	{
		out->values[i] = 1;
		pq_set(out, i);
	}
	for (uint32 series = 0; series < child->nseries; series++)
	{
		PqSamples samples;

		pq_next_samples(child, &samples);
		if (samples.n > 0 && !take_away(op, &samples, bounds, out))
			break;
	}
	pfree(bounds);
}

static const PqMethods absent_methods = {
	.name = "Absent Over Time",
	.open = absent_open,
	.next = absent_next,
};

PqOperator *
pq_range_plan_absent(PqExec *exec, const PqNode *node, const PqSteps *steps)
{
	static const PqNeeds no_needs = {NULL, 0};
	RangeAbsent *absent = (RangeAbsent *) pq_operator(exec, sizeof(RangeAbsent),
													  &absent_methods, node, steps, 1);

	absent->arg = pq_strip(node->u.call.args[0]);
	absent->op.children[0] = pq_plan_range(exec, node->u.call.args[0], steps, &no_needs);
	pq_range_check_extend(exec, node->u.call.function,
						  absent->op.children[0]->windows.extend);
	return &absent->op;
}
