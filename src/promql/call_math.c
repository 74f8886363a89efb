/*
 * call_math.c
 *	  Functions that make one number of one number: kernels over the array of values.
 *
 * Cheap ones compute with all elements, present or not, in loops that the compiler can
 * vectorise. Special cases (NaN, infinities, signs of zero) are those of Go's math, which
 * are C's, but for min and max (call.h).
 */
#include "postgres.h"

#include "call.h"

typedef struct MathFunction
{
	void (*all)(double *values, uint32 n);
	double (*one)(double value);
} MathFunction;

typedef struct MathOperator
{
	PqOperator op;
	const MathFunction *function; /* of those with one argument */
	const double *low;            /* clamp's bounds at every step; NULL: none */
	const double *high;
	const double *nearest; /* of round(); NULL: 1 */
} MathOperator;

/* ---- kernels ---- */

#define MATH_KERNEL(name, result)                       \
	static void name(double *restrict values, uint32 n) \
	{                                                   \
		for (uint32 i = 0; i < n; i++)                  \
		{                                               \
			double v = values[i];                       \
                                                        \
			values[i] = (result);                       \
		}                                               \
	}

MATH_KERNEL(kernel_abs, fabs(v))
MATH_KERNEL(kernel_ceil, ceil(v))
MATH_KERNEL(kernel_floor, floor(v))
MATH_KERNEL(kernel_sqrt, sqrt(v))
MATH_KERNEL(kernel_deg, v * 180 / M_PI)
MATH_KERNEL(kernel_rad, v *M_PI / 180)
MATH_KERNEL(kernel_sgn, v<0 ? -1 : v> 0 ? 1 : v)
MATH_KERNEL(kernel_round, floor(v + 0.5))

static const MathFunction functions[PQ_FN_COUNT] = {
	[PQ_FN_ABS] = {.all = kernel_abs},
	[PQ_FN_CEIL] = {.all = kernel_ceil},
	[PQ_FN_FLOOR] = {.all = kernel_floor},
	[PQ_FN_SQRT] = {.all = kernel_sqrt},
	[PQ_FN_DEG] = {.all = kernel_deg},
	[PQ_FN_RAD] = {.all = kernel_rad},
	[PQ_FN_SGN] = {.all = kernel_sgn},
	[PQ_FN_ACOS] = {.one = acos},
	[PQ_FN_ACOSH] = {.one = acosh},
	[PQ_FN_ASIN] = {.one = asin},
	[PQ_FN_ASINH] = {.one = asinh},
	[PQ_FN_ATAN] = {.one = atan},
	[PQ_FN_ATANH] = {.one = atanh},
	[PQ_FN_COS] = {.one = cos},
	[PQ_FN_COSH] = {.one = cosh},
	[PQ_FN_EXP] = {.one = exp},
	[PQ_FN_LN] = {.one = log},
	[PQ_FN_LOG10] = {.one = log10},
	[PQ_FN_LOG2] = {.one = log2},
	[PQ_FN_SIN] = {.one = sin},
	[PQ_FN_SINH] = {.one = sinh},
	[PQ_FN_TAN] = {.one = tan},
	[PQ_FN_TANH] = {.one = tanh},
};

static void
apply_function(const MathFunction *function, PqVector *v, uint32 n)
{
	if (function->all != NULL)
	{
		function->all(v->values, n);
		return;
	}
	for (uint32 i = 0; i < n; i++)
	{
		if (pq_has(v, i))
			v->values[i] = function->one(v->values[i]);
	}
}

/* Where the bounds are in the wrong order there is no value. */
static void
clamp(PqVector *v, uint32 n, const double *low, const double *high)
{
	for (uint32 i = 0; i < n; i++)
	{
		double min = low ? low[i] : -INFINITY;
		double max = high ? high[i] : INFINITY;

		if (max < min)
			pq_unset(v, i);
		v->values[i] = call_max(min, call_min(max, v->values[i]));
	}
}

/* The inverse of what is rounded to makes fewer errors, as Prometheus found. */
static void
round_to(PqVector *v, uint32 n, const double *nearest)
{
	for (uint32 i = 0; i < n; i++)
	{
		double inverse = 1.0 / nearest[i];

		v->values[i] = floor(v->values[i] * inverse + 0.5) / inverse;
	}
}

/* ---- the operator ---- */

static void
math_open(PqOperator *op)
{
	MathOperator *math = (MathOperator *) op;

	pq_open(op->children[0]);
	switch (call_id(op->node))
	{
		case PQ_FN_CLAMP:
			math->low = pq_scalar(op->children[1]);
			math->high = pq_scalar(op->children[2]);
			break;
		case PQ_FN_CLAMP_MIN:
			math->low = pq_scalar(op->children[1]);
			break;
		case PQ_FN_CLAMP_MAX:
			math->high = pq_scalar(op->children[1]);
			break;
		case PQ_FN_ROUND:
			if (op->nchildren > 1)
				math->nearest = pq_scalar(op->children[1]);
			break;
		default:
			break;
	}
	call_drop_names(op, op->children[0]);
}

static void
math_next(PqOperator *op, PqVector *out)
{
	MathOperator *math = (MathOperator *) op;
	uint32 n = op->steps.n;

	pq_next(op->children[0], out);
	call_drop_histograms(out, n);
	if (call_id(op->node) == PQ_FN_ROUND && math->nearest == NULL)
		kernel_round(out->values, n);
	else if (call_id(op->node) == PQ_FN_ROUND)
		round_to(out, n, math->nearest);
	else if (math->function != NULL)
		apply_function(math->function, out, n);
	else
		clamp(out, n, math->low, math->high);
}

static const PqMethods math_methods = {
	.name = "Function",
	.open = math_open,
	.next = math_next,
	.explain = call_explain,
};

PqOperator *
call_plan_math(PqExec *exec, const PqNode *node, const PqSteps *steps,
			   const PqNeeds *needs)
{
	const MathFunction *function = &functions[call_id(node)];
	PqOperator *op = pq_operator(exec, sizeof(MathOperator), &math_methods, node, steps,
								 node->u.call.nargs);

	if (function->all != NULL || function->one != NULL)
		((MathOperator *) op)->function = function;
	op->children[0] = pq_plan(exec, node->u.call.args[0], steps, needs);
	for (int i = 1; i < op->nchildren; i++)
		op->children[i] = pq_plan(exec, node->u.call.args[i], steps, NULL);
	return call_dropping_names(exec, op);
}
