/*
 * exec_estimate.c
 *	  How many rows a query will give, for PostgreSQL's planner.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "exec_internal.h"

/* Of what is not known. */
#define FILTERED_PART  0.3 /* of series that pass a comparison */
#define GROUPS_A_LABEL 10.0
#define BUCKETS        10.0 /* of a classic histogram */
#define SAMPLE_SECONDS 15.0 /* between samples */

static double estimate(PqExec *exec, const PqNode *node);

static double
estimate_binary(PqExec *exec, const PqNode *node)
{
	double left = estimate(exec, node->u.binary.left);
	double right = estimate(exec, node->u.binary.right);
	bool filters = pq_is_comparison(node->u.binary.op) && !node->u.binary.return_bool;

	if (node->u.binary.left->type == PQ_TYPE_SCALAR)
		left = right;
	else if (node->u.binary.right->type == PQ_TYPE_SCALAR)
		right = left;
	switch (node->u.binary.op)
	{
		case PQ_AND:
		case PQ_UNLESS:
			return Max(1, left / 2);
		case PQ_OR:
			return left + right;
		default:
			return Max(1, Max(left, right) * (filters ? FILTERED_PART : 1));
	}
}

static double
estimate_aggregate(PqExec *exec, const PqNode *node)
{
	double series = estimate(exec, node->u.aggregate.expr);
	double groups = 1;
	double k;

	if (node->u.aggregate.without)
		groups = Max(1, series / 2);
	for (int i = 0; !node->u.aggregate.without && i < node->u.aggregate.labels.count; i++)
		groups *= GROUPS_A_LABEL;
	groups = Min(groups, series);
	switch (node->u.aggregate.op)
	{
		case PQ_AGG_TOPK:
		case PQ_AGG_BOTTOMK:
		case PQ_AGG_LIMITK:
			if (!pq_constant(node->u.aggregate.param, &k) || !(k >= 0))
				k = GROUPS_A_LABEL;
			return Min(series, groups * k);
		case PQ_AGG_LIMIT_RATIO:
			return series;
		case PQ_AGG_COUNT_VALUES:
			return Min(series, groups * GROUPS_A_LABEL);
		default:
			return groups;
	}
}

static double
estimate_call(PqExec *exec, const PqNode *node)
{
	double series = 1;

	for (int i = 0; i < node->u.call.nargs; i++)
	{
		const PqNode *arg = node->u.call.args[i];

		if (arg->type == PQ_TYPE_VECTOR || arg->type == PQ_TYPE_MATRIX)
		{
			series = estimate(exec, arg);
			break;
		}
	}
	switch (node->u.call.function->id)
	{
		case PQ_FN_ABSENT:
		case PQ_FN_ABSENT_OVER_TIME:
		case PQ_FN_SCALAR:
			return 1;
		case PQ_FN_HISTOGRAM_QUANTILE:
			return Max(1, series / BUCKETS);
		default:
			return series;
	}
}

/* Series. */
static double
estimate(PqExec *exec, const PqNode *node)
{
	check_stack_depth();
	node = pq_strip(node);
	switch (node->kind)
	{
		case PQ_SELECTOR:
			return pq_estimate_series(exec->rel, exec->table, exec->snapshot,
									  node->u.selector.matchers,
									  node->u.selector.nmatchers);
		case PQ_SUBQUERY:
			return estimate(exec, node->u.subquery.expr);
		case PQ_UNARY:
			return estimate(exec, node->u.unary.expr);
		case PQ_BINARY:
			return estimate_binary(exec, node);
		case PQ_AGGREGATE:
			return estimate_aggregate(exec, node);
		case PQ_CALL:
			return estimate_call(exec, node);
		default:
			return 1;
	}
}

double
pq_estimate_rows(PqQuery *query)
{
	PqExec *exec = &query->exec;
	MemoryContext caller = MemoryContextSwitchTo(exec->context);
	double rows = estimate(exec, exec->root);

	MemoryContextSwitchTo(caller);
	if (query->root == NULL)
		return 1;
	if (exec->root->type == PQ_TYPE_MATRIX)
		return rows * Max(1, (double) query->root->windows.range / 1e6 / SAMPLE_SECONDS);
	return rows * exec->steps.n;
}
