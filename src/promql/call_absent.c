/*
 * call_absent.c
 *	  absent(): one where the argument has nothing, with the labels that its selector
 *	  asks for.
 */
#include "postgres.h"

#include "call.h"

/*
 * The labels of a selector that are given by = alone, and once; of other expressions
 * none. A selector in parentheses is another expression, as for Prometheus.
 */
TsString
pq_absent_labels(const PqNode *arg, MemoryContext context)
{
	TsString labels = pq_no_labels;

	if (arg->kind != PQ_SELECTOR)
		return labels;
	for (int i = 0; i < arg->u.selector.nmatchers; i++)
	{
		const TsMatcher *matcher = &arg->u.selector.matchers[i];
		bool before = false;

		if (ts_string_is(matcher->name, TS_METRIC_NAME_LABEL))
			continue;
		for (int j = 0; j < i; j++)
		{
			const TsMatcher *other = &arg->u.selector.matchers[j];

			before |= other->type == TS_MATCH_EQUAL &&
					  ts_string_equal(other->name, matcher->name);
		}
		labels = pq_labels_set(labels, matcher->name,
							   matcher->type == TS_MATCH_EQUAL && !before
								   ? matcher->value
								   : (TsString){"", 0},
							   context);
	}
	return labels;
}

static void
absent_open(PqOperator *op)
{
	pq_open(op->children[0]);
	call_one_series(op);
	op->series[0].labels = pq_absent_labels(op->node->u.call.args[0], op->context);
}

static void
absent_next(PqOperator *op, PqVector *out)
{
	PqOperator *child = op->children[0];
	uint32 n = op->steps.n;
	uint32 words = PQ_WORDS(n);

	pq_vector_init(op, out, n);
	call_set_all(out->present, n);
	for (uint32 series = 0; series < child->nseries; series++)
	{
		PqVector v;

		pq_next(child, &v);
		for (uint32 i = 0; i < words; i++)
			out->present[i] &= ~v.present[i];
	}
	for (uint32 i = 0; i < n; i++)
		out->values[i] = 1;
}

static const PqMethods absent_methods = {
	.name = "Absent",
	.open = absent_open,
	.next = absent_next,
};

PqOperator *
call_plan_absent(PqExec *exec, const PqNode *node, const PqSteps *steps,
				 const PqNeeds *needs)
{
	static const PqNeeds none = {NULL, 0};
	PqOperator *op = pq_operator(exec, sizeof(PqOperator), &absent_methods, node, steps,
								 1);

	op->children[0] = pq_plan(exec, node->u.call.args[0], steps, &none);
	return op;
}
