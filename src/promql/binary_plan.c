/*
 * binary_plan.c
 *	  Unary and binary operators: which kind of operator does the work, and the plain kinds.
 *
 * Signs, two scalars, and a vector with a scalar work series by series, in the arrays that
 * the child gives. Two vectors are matched (binary_match.c) or are sets (binary_set.c).
 */
#include "postgres.h"

#include "binary.h"

/* ---- unary minus ---- */

typedef struct Minus
{
	PqOperator base;
	TsAllocator row;
} Minus;

/* The child's series; they lose their names if `drop`. */
static void
take_series(PqOperator *op, const PqOperator *child, bool drop)
{
	op->nseries = child->nseries;
	op->series = pq_alloc(op, child->nseries * sizeof(PqSeries));
	for (uint32 i = 0; i < child->nseries; i++)
	{
		op->series[i] = child->series[i];
		if (drop)
			pq_drop_name(op, &op->series[i]);
	}
}

static void
open_minus(PqOperator *op)
{
	pq_open(op->children[0]);
	take_series(op, op->children[0], true);
}

static void
next_minus(PqOperator *op, PqVector *out)
{
	Minus *minus = (Minus *) op;
	uint32 n = op->steps.n;

	pq_next(op->children[0], out);
	pq_kernel_negate(out->values, n);
	if (out->histograms == NULL)
		return;
	for (uint32 i = 0; i < n; i++)
	{
		if (!pq_has(out, i) || out->histograms[i] == NULL)
			continue;
		out->histograms[i] = ts_histogram_mul(out->histograms[i], -1, &minus->row);
		if (out->histograms[i] == NULL)
			ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	}
}

static const PqMethods minus_methods = {
	.name = "Minus",
	.open = open_minus,
	.next = next_minus,
};

PqOperator *
pq_plan_unary(PqExec *exec, const PqNode *node, const PqSteps *steps,
			  const PqNeeds *needs)
{
	PqOperator *op;

	if (!node->u.unary.minus)
		return pq_plan(exec, node->u.unary.expr, steps, needs);
	op = pq_operator(exec, sizeof(Minus), &minus_methods, node, steps, 1);
	op->children[0] = pq_plan(exec, node->u.unary.expr, steps, needs);
	((Minus *) op)->row = pq_allocator(&op->row_place);
	return op;
}

/* ---- two scalars ---- */

static void
explain_operator(PqOperator *op, PqExplain *to)
{
	pq_explain_text(to, "Operator", "%s%s", promql_binary_symbol(op->node->u.binary.op),
					op->node->u.binary.return_bool ? " bool" : "");
}

static void
open_scalars(PqOperator *op)
{
	op->nseries = 1;
	op->series = pq_alloc0(op, sizeof(PqSeries));
	op->series[0].labels = pq_no_labels;
}

static void
next_scalars(PqOperator *op, PqVector *out)
{
	PqBinaryOp kind = op->node->u.binary.op;
	const double *left = pq_scalar(op->children[0]);
	const double *right = pq_scalar(op->children[1]);
	uint32 n = op->steps.n;

	pq_vector_init(op, out, n);
	if (pq_is_comparison(kind))
	{
		pq_kernel_compare(kind, out->present, left, right, n);
		pq_kernel_bools(out->values, out->present, n);
	}
	else
		pq_kernel_arithmetic(kind, out->values, left, right, n);
	for (uint32 i = 0; i < n; i++)
		pq_set(out, i);
}

static const PqMethods scalars_methods = {
	.name = "Scalar Operator",
	.open = open_scalars,
	.next = next_scalars,
	.explain = explain_operator,
};

static PqOperator *
plan_scalars(PqExec *exec, const PqNode *node, const PqSteps *steps)
{
	PqOperator *op = pq_operator(exec, sizeof(PqOperator), &scalars_methods, node, steps,
								 2);

	op->children[0] = pq_plan(exec, node->u.binary.left, steps, NULL);
	op->children[1] = pq_plan(exec, node->u.binary.right, steps, NULL);
	return op;
}

/* ---- a vector and a scalar ---- */

typedef struct VectorScalar
{
	PqOperator base;
	PqBinary binary;
	bool swapped; /* the scalar is on the left */
	PqOperator *vector;
	PqOperator *scalar;
	PqVector constant; /* the scalar at all steps */
	uint64 *mask;
} VectorScalar;

static void
open_vector_scalar(PqOperator *op)
{
	VectorScalar *self = (VectorScalar *) op;
	PqBinary *binary = &self->binary;

	self->constant.values = unconstify(double *, pq_scalar(self->scalar));
	self->mask = pq_alloc(op, binary->words * sizeof(uint64));
	pq_open(self->vector);
	take_series(op, self->vector, binary->return_bool || pq_is_arithmetic(binary->kind));
}

static void
next_vector_scalar(PqOperator *op, PqVector *out)
{
	VectorScalar *self = (VectorScalar *) op;
	PqBinary *binary = &self->binary;
	const PqVector *constant = &self->constant;
	PqVector v;

	pq_next(self->vector, &v);
	memcpy(self->mask, v.present, binary->words * sizeof(uint64));
	*out = v;
	pq_binary_compute(binary, self->swapped ? constant : &v,
					  self->swapped ? &v : constant, self->mask, out, self->mask);
	if (op->given + 1 >= op->nseries)
		pq_binary_annotate(binary);
}

static const PqMethods vector_scalar_methods = {
	.name = "Vector and Scalar",
	.open = open_vector_scalar,
	.next = next_vector_scalar,
	.explain = explain_operator,
};

static PqOperator *
plan_vector_scalar(PqExec *exec, const PqNode *node, const PqSteps *steps,
				   const PqNeeds *needs)
{
	VectorScalar *self = (VectorScalar *) pq_operator(
		exec, sizeof(VectorScalar), &vector_scalar_methods, node, steps, 2);
	PqOperator *op = &self->base;

	self->swapped = node->u.binary.left->type == PQ_TYPE_SCALAR;
	op->children[0] = pq_plan(exec, node->u.binary.left, steps,
							  self->swapped ? NULL : needs);
	op->children[1] = pq_plan(exec, node->u.binary.right, steps,
							  self->swapped ? needs : NULL);
	self->vector = op->children[self->swapped ? 1 : 0];
	self->scalar = op->children[self->swapped ? 0 : 1];
	pq_binary_init(&self->binary, op);
	self->binary.keep_right = self->swapped;
	return op;
}

/* ---- which kind ---- */

PqOperator *
pq_plan_binary(PqExec *exec, const PqNode *node, const PqSteps *steps,
			   const PqNeeds *needs)
{
	bool left_scalar = node->u.binary.left->type == PQ_TYPE_SCALAR;
	bool right_scalar = node->u.binary.right->type == PQ_TYPE_SCALAR;

	if (left_scalar && right_scalar)
		return plan_scalars(exec, node, steps);
	if (left_scalar || right_scalar)
		return plan_vector_scalar(exec, node, steps, needs);
	if (pq_is_set_op(node->u.binary.op))
		return pq_plan_set(exec, node, steps, needs);
	return pq_plan_match(exec, node, steps);
}
