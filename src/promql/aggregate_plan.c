/*
 * aggregate_plan.c
 *	  Aggregations: which operator does the work, and what they have in common.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "aggregate.h"
#include "binary.h"

/* ---- groups ---- */

TsString
pq_group_labels(const PqNode *node, TsString labels, MemoryContext context)
{
	const PqNames *names = &node->u.aggregate.labels;

	if (node->u.aggregate.without)
		return pq_labels_remove(labels, names, true, context);
	if (names->count == 0)
		return pq_no_labels;
	return pq_labels_keep(labels, names, context);
}

void
pq_group_series(PqOperator *op, PqGrouping *grouping)
{
	const PqOperator *child = op->children[0];
	MemoryContext scratch = AllocSetContextCreate(op->context, "group labels",
												  ALLOCSET_DEFAULT_SIZES);

	grouping->map = pq_labels_map(op->context);
	grouping->group = pq_alloc(op, child->nseries * sizeof(uint32));
	grouping->size = pq_alloc0(op, child->nseries * sizeof(uint32));
	grouping->drop_name = pq_alloc0(op, child->nseries * sizeof(bool));
	for (uint32 i = 0; i < child->nseries; i++)
	{
		TsString labels = pq_group_labels(op->node, child->series[i].labels, scratch);
		bool found;
		uint32 number = pq_labels_number(grouping->map, labels, true, &found);

		grouping->group[i] = number;
		grouping->size[number]++;
		grouping->drop_name[number] |= child->series[i].drop_name;
		MemoryContextReset(scratch);
	}
	grouping->ngroups = pq_labels_count(grouping->map);
	MemoryContextDelete(scratch);
}

const PqNeeds *
pq_group_needs(PqExec *exec, const PqNode *node)
{
	return node->u.aggregate.without ? NULL
									 : pq_needs_names(exec, &node->u.aggregate.labels);
}

/* ---- parameters ---- */

static double
least_of(double a, double b)
{
	if (isinf(a) && a < 0)
		return a;
	if (isinf(b) && b < 0)
		return b;
	return isnan(a) || isnan(b) ? (double) NAN : Min(a, b);
}

void
pq_open_parameter(PqOperator *op, PqParameter *parameter)
{
	uint32 n = op->steps.n;

	parameter->values = pq_scalar(op->children[op->nchildren - 1]);
	parameter->least = parameter->most = parameter->values[0];
	parameter->nan = false;
	for (uint32 i = 0; i < n; i++)
	{
		double value = parameter->values[i];

		parameter->least = least_of(parameter->least, value);
		parameter->most = -least_of(-parameter->most, -value);
		parameter->nan |= isnan(value);
	}
}

int
pq_parameter_position(const PqNode *node)
{
	return pq_strip(node->u.aggregate.param)->start;
}

int
pq_aggregated_position(const PqNode *node)
{
	return pq_strip(node->u.aggregate.expr)->start;
}

/* ---- histograms ---- */

void
pq_ignored_histogram(PqOperator *op, int position)
{
	pq_info(op->exec, position, "ignored histogram in %s aggregation",
			promql_aggregate_name(op->node->u.aggregate.op));
}

const uint64 *
pq_float_steps(PqOperator *op, const PqVector *v, bool *some_histogram)
{
	uint32 words = PQ_WORDS(op->steps.n);
	uint64 *floats;

	*some_histogram = false;
	if (v->histograms == NULL)
		return v->present;
	floats = pq_row_alloc(op, words * sizeof(uint64));
	memcpy(floats, v->present, words * sizeof(uint64));
	for (uint32 i = 0; i < op->steps.n; i++)
	{
		if (!pq_has(v, i) || v->histograms[i] == NULL)
			continue;
		floats[i / 64] &= ~(UINT64CONST(1) << (i % 64));
		*some_histogram = true;
	}
	return floats;
}

/* ---- planning ---- */

PqOperator *
pq_aggregate_operator(PqExec *exec, Size size, const PqMethods *methods,
					  const PqNode *node, const PqSteps *steps, const PqNeeds *needs)
{
	const PqNode *param = node->u.aggregate.param;
	bool scalar = param != NULL && param->type == PQ_TYPE_SCALAR;
	PqOperator *op = pq_operator(exec, size, methods, node, steps, scalar ? 2 : 1);

	op->children[0] = pq_plan(exec, node->u.aggregate.expr, steps, needs);
	if (scalar)
		op->children[1] = pq_plan(exec, param, steps, NULL);
	return op;
}

void
pq_explain_grouping(PqOperator *op, PqExplain *to)
{
	const PqNames *names = &op->node->u.aggregate.labels;
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, promql_aggregate_name(op->node->u.aggregate.op));
	if (op->node->u.aggregate.grouped)
	{
		appendStringInfo(&out, " %s (", op->node->u.aggregate.without ? "without" : "by");
		for (int i = 0; i < names->count; i++)
			appendStringInfo(&out, "%s%.*s", i > 0 ? ", " : "", (int) names->names[i].len,
							 names->names[i].data);
		appendStringInfoChar(&out, ')');
	}
	pq_explain_text(to, "Aggregation", "%s", out.data);
}

PqOperator *
pq_plan_aggregate(PqExec *exec, const PqNode *node, const PqSteps *steps,
				  const PqNeeds *needs)
{
	switch (node->u.aggregate.op)
	{
		case PQ_AGG_SUM:
		case PQ_AGG_AVG:
		case PQ_AGG_COUNT:
		case PQ_AGG_MIN:
		case PQ_AGG_MAX:
		case PQ_AGG_GROUP:
		case PQ_AGG_STDDEV:
		case PQ_AGG_STDVAR:
			return pq_plan_reduction(exec, node, steps);
		case PQ_AGG_TOPK:
		case PQ_AGG_BOTTOMK:
			return pq_plan_topk(exec, node, steps, needs);
		case PQ_AGG_LIMITK:
		case PQ_AGG_LIMIT_RATIO:
			return pq_plan_limit(exec, node, steps, needs);
		case PQ_AGG_QUANTILE:
			return pq_plan_quantile(exec, node, steps);
		case PQ_AGG_COUNT_VALUES:
			return pq_plan_count_values(exec, node, steps);
	}
	elog(ERROR, "unknown aggregation %d", (int) node->u.aggregate.op);
}
