/*
 * exec_steps.c
 *	  Operators whose values are the same at all steps.
 */
#include "postgres.h"

#include "exec_internal.h"

/* ---- a number ---- */

typedef struct Constant
{
	PqOperator op;
	double value;
} Constant;

static void
constant_open(PqOperator *op)
{
	op->nseries = 1;
	op->series = pq_alloc0(op, sizeof(PqSeries));
	op->series->labels = pq_no_labels;
}

static void
set_all(PqVector *v, uint32 n)
{
	memset(v->present, 0xff, n / 64 * sizeof(uint64));
	if (n % 64 != 0)
		v->present[n / 64] = (UINT64CONST(1) << (n % 64)) - 1;
}

static void
constant_next(PqOperator *op, PqVector *out)
{
	double value = ((Constant *) op)->value;

	pq_vector_init(op, out, op->steps.n);
	set_all(out, op->steps.n);
	for (uint32 i = 0; i < op->steps.n; i++)
		out->values[i] = value;
}

static void
constant_explain(PqOperator *op, PqExplain *to)
{
	char value[PROMQL_FLOAT_SIZE];

	promql_write_float(((Constant *) op)->value, value);
	pq_explain_text(to, "Value", "%s", value);
}

static const PqMethods constant_methods = {
	.name = "Number",
	.open = constant_open,
	.next = constant_next,
	.explain = constant_explain,
};

PqOperator *
pq_make_constant(PqExec *exec, const PqNode *node, const PqSteps *steps, double value)
{
	Constant *constant = (Constant *) pq_operator(exec, sizeof(Constant),
												  &constant_methods, node, steps, 0);

	Assert(constant->op.type == PQ_TYPE_SCALAR);
	constant->value = value;
	return &constant->op;
}

/* ---- what is evaluated once ---- */

static void
repeat_open(PqOperator *op)
{
	PqOperator *child = op->children[0];

	pq_open(child);
	op->series = child->series;
	op->nseries = child->nseries;
}

static void
repeat_next(PqOperator *op, PqVector *out)
{
	uint32 n = op->steps.n;
	PqVector once;

	pq_next(op->children[0], &once);
	pq_vector_init(op, out, n);
	if (!pq_has(&once, 0))
		return;
	set_all(out, n);
	for (uint32 i = 0; i < n; i++)
		out->values[i] = once.values[0];
	if (pq_histogram(&once, 0) == NULL)
		return;
	pq_vector_want_histograms(op, out, n);
	for (uint32 i = 0; i < n; i++)
		out->histograms[i] = once.histograms[0];
}

static const PqMethods repeat_methods = {
	.name = "Repeat",
	.open = repeat_open,
	.next = repeat_next,
};

PqOperator *
pq_make_repeat(PqExec *exec, const PqNode *node, const PqSteps *steps, PqOperator *child)
{
	PqOperator *op = pq_operator(exec, sizeof(PqOperator), &repeat_methods, node, steps,
								 1);

	Assert(child->steps.n == 1);
	op->children[0] = child;
	return op;
}
