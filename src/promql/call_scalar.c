/*
 * call_scalar.c
 *	  Scalars: time(), pi(), the terms of the query, min_of() and max_of(), scalar(); and
 *	  vector(), which makes a series of one.
 *
 * A scalar has a value at every step, and no labels.
 */
#include "postgres.h"

#include "call.h"

/*
 * scalar(): the one float of a step; NaN where there is none, or several.
 */
static void
single_floats(PqOperator *op, PqVector *out)
{
	PqOperator *child = op->children[0];
	uint32 n = op->steps.n;
	bool *several = pq_alloc0(op, n * sizeof(bool));

	for (uint32 series = 0; series < child->nseries; series++)
	{
		PqVector v;

		pq_next(child, &v);
		for (uint32 i = 0; i < n; i++)
		{
			if (!pq_has(&v, i) || pq_histogram(&v, i) != NULL)
				continue;
			several[i] |= pq_has(out, i);
			pq_set(out, i);
			out->values[i] = v.values[i];
		}
	}
	for (uint32 i = 0; i < n; i++)
	{
		if (several[i] || !pq_has(out, i))
			out->values[i] = NAN;
	}
}

static void
extreme_of(PqOperator *op, double *values)
{
	const double *a = pq_scalar(op->children[0]);
	const double *b = pq_scalar(op->children[1]);
	bool max = call_id(op->node) == PQ_FN_MAX_OF;

	for (uint32 i = 0; i < op->steps.n; i++)
		values[i] = max ? call_max(a[i], b[i]) : call_min(a[i], b[i]);
}

/* What is the same at all steps. */
static double
constant_of(const PqExec *exec, PqFunctionId id)
{
	switch (id)
	{
		case PQ_FN_PI:
			return M_PI;
		case PQ_FN_START:
			return pq_seconds(exec->steps.start);
		case PQ_FN_END:
			return pq_seconds(exec->end);
		case PQ_FN_STEP:
			return exec->instant ? 0 : (double) exec->steps.step / USECS_PER_SEC;
		default:
			Assert(id == PQ_FN_RANGE);
			return (double) (exec->end - exec->steps.start) / USECS_PER_SEC;
	}
}

static void
scalar_open(PqOperator *op)
{
	if (call_id(op->node) == PQ_FN_SCALAR)
		pq_open(op->children[0]);
	call_one_series(op);
}

static void
scalar_next(PqOperator *op, PqVector *out)
{
	PqFunctionId id = call_id(op->node);
	uint32 n = op->steps.n;
	double constant;

	pq_vector_init(op, out, n);
	switch (id)
	{
		case PQ_FN_SCALAR:
			single_floats(op, out);
			break;
		case PQ_FN_MIN_OF:
		case PQ_FN_MAX_OF:
			extreme_of(op, out->values);
			break;
		case PQ_FN_TIME:
			for (uint32 i = 0; i < n; i++)
				out->values[i] = pq_seconds(pq_step_time(&op->steps, i));
			break;
		default:
			constant = constant_of(op->exec, id);
			for (uint32 i = 0; i < n; i++)
				out->values[i] = constant;
			break;
	}
	call_set_all(out->present, n);
}

static const PqMethods scalar_methods = {
	.name = "Scalar",
	.open = scalar_open,
	.next = scalar_next,
	.explain = call_explain,
};

/* No label of its arguments matters. */
PqOperator *
call_plan_scalar(PqExec *exec, const PqNode *node, const PqSteps *steps,
				 const PqNeeds *needs)
{
	static const PqNeeds none = {NULL, 0};
	PqOperator *op = pq_operator(exec, sizeof(PqOperator), &scalar_methods, node, steps,
								 node->u.call.nargs);

	for (int i = 0; i < op->nchildren; i++)
		op->children[i] = pq_plan(exec, node->u.call.args[i], steps, &none);
	return op;
}

/* ---- vector() ---- */

static void
vector_open(PqOperator *op)
{
	pq_open(op->children[0]);
	call_one_series(op);
}

static void
vector_next(PqOperator *op, PqVector *out)
{
	pq_next(op->children[0], out);
}

static const PqMethods vector_methods = {
	.name = "Vector",
	.open = vector_open,
	.next = vector_next,
	.explain = call_explain,
};

PqOperator *
call_plan_vector(PqExec *exec, const PqNode *node, const PqSteps *steps,
				 const PqNeeds *needs)
{
	PqOperator *op = pq_operator(exec, sizeof(PqOperator), &vector_methods, node, steps,
								 1);

	op->children[0] = pq_plan(exec, node->u.call.args[0], steps, NULL);
	return op;
}
