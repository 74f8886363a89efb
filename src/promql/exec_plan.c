/*
 * exec_plan.c
 *	  From nodes to operators.
 *
 * What does not depend on the step is planned for one step and repeated; scalars that read
 * nothing are worked out at once; equal subtrees that read are shared. The rest is up to
 * the functions for each kind of node.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec_internal.h"

PqOperator *
pq_operator(PqExec *exec, Size size, const PqMethods *methods, const PqNode *node,
			const PqSteps *steps, int nchildren)
{
	MemoryContext context = AllocSetContextCreate(exec->context, "PromQL operator",
												  ALLOCSET_START_SMALL_SIZES);
	PqOperator *op = MemoryContextAllocZero(context, size);

	Assert(size >= sizeof(PqOperator) && steps->step > 0);
	MemoryContextSetIdentifier(context, methods->name);
	op->methods = methods;
	op->exec = exec;
	op->node = node;
	op->type = node->type;
	op->steps = *steps;
	op->context = context;
	op->row = AllocSetContextCreate(context, "PromQL row", ALLOCSET_START_SMALL_SIZES);
	op->context_place = (PqPlace){exec, op->context};
	op->row_place = (PqPlace){exec, op->row};
	op->nchildren = nchildren;
	if (nchildren > 0)
		op->children = MemoryContextAllocZero(context, sizeof(PqOperator *) * nchildren);
	return op;
}

/* ---- what nodes are ---- */

void
pq_for_children(const PqNode *node, void (*call)(const PqNode *child, void *arg),
				void *arg)
{
	switch (node->kind)
	{
		case PQ_NUMBER:
		case PQ_STRING:
		case PQ_SELECTOR:
			break;
		case PQ_SUBQUERY:
			call(node->u.subquery.expr, arg);
			break;
		case PQ_PAREN:
			call(node->u.paren, arg);
			break;
		case PQ_UNARY:
			call(node->u.unary.expr, arg);
			break;
		case PQ_BINARY:
			call(node->u.binary.left, arg);
			call(node->u.binary.right, arg);
			break;
		case PQ_AGGREGATE:
			if (node->u.aggregate.param != NULL)
				call(node->u.aggregate.param, arg);
			call(node->u.aggregate.expr, arg);
			break;
		case PQ_CALL:
			for (int i = 0; i < node->u.call.nargs; i++)
				call(node->u.call.args[i], arg);
			break;
	}
}

/* Does a call depend on the time at which it is evaluated, whatever its arguments are? */
static bool
depends_on_time(const PqNode *call)
{
	switch (call->u.call.function->id)
	{
		case PQ_FN_TIME:
		case PQ_FN_TIMESTAMP:
		case PQ_FN_PREDICT_LINEAR:
			return true;
		case PQ_FN_DAY_OF_MONTH:
		case PQ_FN_DAY_OF_WEEK:
		case PQ_FN_DAY_OF_YEAR:
		case PQ_FN_DAYS_IN_MONTH:
		case PQ_FN_HOUR:
		case PQ_FN_MINUTE:
		case PQ_FN_MONTH:
		case PQ_FN_YEAR:
			return call->u.call.nargs == 0;
		default:
			return false;
	}
}

static bool is_invariant(const PqNode *node);

static void
clear_unless_invariant(const PqNode *child, void *arg)
{
	bool *invariant = arg;

	*invariant = *invariant && is_invariant(child);
}

/* Does its value not depend on the step? */
static bool
is_invariant(const PqNode *node)
{
	bool invariant = true;

	check_stack_depth();
	switch (node->kind)
	{
		case PQ_SELECTOR:
			return node->u.selector.modifiers.at != PQ_AT_NONE;
		case PQ_SUBQUERY:
			return node->u.subquery.modifiers.at != PQ_AT_NONE;
		case PQ_CALL:
			invariant = !depends_on_time(node);
			break;
		default:
			break;
	}
	pq_for_children(node, clear_unless_invariant, &invariant);
	return invariant;
}

static void
set_if_reads(const PqNode *child, void *arg)
{
	bool *reads = arg;

	*reads = *reads || pq_reads_data(child);
}

bool
pq_reads_data(const PqNode *node)
{
	bool reads = node->kind == PQ_SELECTOR;

	check_stack_depth();
	pq_for_children(node, set_if_reads, &reads);
	return reads;
}

static bool
has_range_argument(const PqNode *call)
{
	for (int i = 0; i < call->u.call.nargs; i++)
	{
		if (call->u.call.args[i]->type == PQ_TYPE_MATRIX)
			return true;
	}
	return false;
}

/* ---- planning ---- */

/* Most aggregations read all of their input before they give anything. */
static PqOperator *
plan_aggregate(PqExec *exec, const PqNode *node, const PqSteps *steps,
			   const PqNeeds *needs)
{
	bool drains = node->u.aggregate.op != PQ_AGG_LIMITK &&
				  node->u.aggregate.op != PQ_AGG_LIMIT_RATIO;
	PqOperator *op;

	exec->parallel->drained += drains;
	op = pq_plan_aggregate(exec, node, steps, needs);
	exec->parallel->drained -= drains;
	return op;
}

static PqOperator *
plan_kind(PqExec *exec, const PqNode *node, const PqSteps *steps, const PqNeeds *needs)
{
	switch (node->kind)
	{
		case PQ_NUMBER:
			return pq_make_constant(exec, node, steps, node->u.number.value);
		case PQ_SELECTOR:
			return pq_plan_selector(exec, node, steps, needs);
		case PQ_UNARY:
			return pq_plan_unary(exec, node, steps, needs);
		case PQ_BINARY:
			return pq_plan_binary(exec, node, steps, needs);
		case PQ_AGGREGATE:
			return plan_aggregate(exec, node, steps, needs);
		case PQ_CALL:
			return has_range_argument(node) ? pq_plan_range_call(exec, node, steps, needs)
											: pq_plan_call(exec, node, steps, needs);
		default:
			break;
	}
	elog(ERROR, "PromQL node of kind %d has no operator", (int) node->kind);
}

/*
 * Do series come out of this kind of node with names that are to go? (Calls without range
 * vectors see to that themselves.)
 */
static bool
drops_names(const PqNode *node)
{
	return node->type == PQ_TYPE_VECTOR &&
		   (node->kind == PQ_UNARY || node->kind == PQ_BINARY ||
			(node->kind == PQ_CALL && has_range_argument(node)));
}

PqOperator *
pq_plan_itself(PqExec *exec, const PqNode *node, const PqSteps *steps,
			   const PqNeeds *needs, bool range)
{
	PqOperator *op;

	if (!exec->delayed_name_removal)
		needs = NULL; /* equal labels must be found where names go */
	if (range)
		return node->kind == PQ_SUBQUERY
				   ? pq_plan_subquery(exec, node, steps, needs)
				   : pq_plan_range_selector(exec, node, steps, needs);
	op = pq_plan_gather(exec, node, steps, needs);
	if (op != NULL)
		return op;
	op = plan_kind(exec, node, steps, needs);
	if (!exec->delayed_name_removal && drops_names(node))
		op = pq_plan_merge(exec, op);
	return op;
}

/* A scalar that is the same for every query. */
static double
fold(PqExec *exec, const PqNode *node)
{
	PqSteps once = {exec->steps.start, exec->steps.step, 1};
	PqOperator *op = pq_plan_itself(exec, node, &once, NULL, false);
	double value = *pq_scalar(op);

	pq_close(op);
	MemoryContextDelete(op->context);
	return value;
}

PqOperator *
pq_plan(PqExec *exec, const PqNode *node, const PqSteps *steps, const PqNeeds *needs)
{
	PqOperator *op;
	bool reads;

	check_stack_depth();
	node = pq_strip(node);
	Assert(node->type == PQ_TYPE_SCALAR || node->type == PQ_TYPE_VECTOR);
	reads = pq_reads_data(node);
	if (node->kind != PQ_NUMBER && is_invariant(node))
	{
		PqSteps once = {steps->start, steps->step, 1};

		if (node->type == PQ_TYPE_SCALAR && !reads)
			return pq_make_constant(exec, node, steps, fold(exec, node));
		if (steps->n > 1)
			return pq_make_repeat(exec, node, steps, pq_plan(exec, node, &once, needs));
	}
	op = reads ? pq_share(exec, node, steps, needs, false) : NULL;
	return op != NULL ? op : pq_plan_itself(exec, node, steps, needs, false);
}

PqOperator *
pq_plan_range(PqExec *exec, const PqNode *node, const PqSteps *steps,
			  const PqNeeds *needs)
{
	PqOperator *op;

	node = pq_strip(node);
	Assert(node->type == PQ_TYPE_MATRIX);
	op = pq_reads_data(node) ? pq_share(exec, node, steps, needs, true) : NULL;
	return op != NULL ? op : pq_plan_itself(exec, node, steps, needs, true);
}
