/*
 * call_time.c
 *	  timestamp() and start_timestamp().
 *
 * Of a selector they give the samples' own times, which the selector gives instead of
 * values. What was computed has the time of its step, and no start.
 */
#include "postgres.h"

#include "call.h"

typedef struct TimeOperator
{
	PqOperator op;
	bool of_selector;
} TimeOperator;

static void
time_open(PqOperator *op)
{
	pq_open(op->children[0]);
	call_drop_names(op, op->children[0]);
}

static void
time_next(PqOperator *op, PqVector *out)
{
	uint32 n = op->steps.n;

	pq_next(op->children[0], out);
	out->histograms = NULL;
	if (((TimeOperator *) op)->of_selector)
		return;
	if (call_id(op->node) == PQ_FN_START_TIMESTAMP)
	{
		memset(out->present, 0, PQ_WORDS(n) * sizeof(uint64));
		return;
	}
	for (uint32 i = 0; i < n; i++)
		out->values[i] = pq_seconds(pq_step_time(&op->steps, i));
}

static const PqMethods time_methods = {
	.name = "Function",
	.open = time_open,
	.next = time_next,
	.explain = call_explain,
};

PqOperator *
call_plan_time(PqExec *exec, const PqNode *node, const PqSteps *steps,
			   const PqNeeds *needs)
{
	const PqNode *arg = pq_strip(node->u.call.args[0]);
	PqOperator *op = pq_operator(exec, sizeof(TimeOperator), &time_methods, node, steps,
								 1);

	((TimeOperator *) op)->of_selector = arg->kind == PQ_SELECTOR;
	if (arg->kind != PQ_SELECTOR)
		op->children[0] = pq_plan(exec, arg, steps, needs);
	else
		op->children[0] = pq_plan_selector_times(
			exec, arg, steps, needs,
			call_id(node) == PQ_FN_TIMESTAMP ? PQ_SAMPLE_TIME : PQ_SAMPLE_START_TIME);
	return call_dropping_names(exec, op);
}
