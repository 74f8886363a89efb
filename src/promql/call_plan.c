/*
 * call_plan.c
 *	  From a call to the operator of its function, and what these have in common.
 */
#include "postgres.h"

#include "call.h"

static CallPlanner *const planners[PQ_FN_COUNT] = {
	[PQ_FN_ABS] = call_plan_math,
	[PQ_FN_ACOS] = call_plan_math,
	[PQ_FN_ACOSH] = call_plan_math,
	[PQ_FN_ASIN] = call_plan_math,
	[PQ_FN_ASINH] = call_plan_math,
	[PQ_FN_ATAN] = call_plan_math,
	[PQ_FN_ATANH] = call_plan_math,
	[PQ_FN_CEIL] = call_plan_math,
	[PQ_FN_COS] = call_plan_math,
	[PQ_FN_COSH] = call_plan_math,
	[PQ_FN_DEG] = call_plan_math,
	[PQ_FN_EXP] = call_plan_math,
	[PQ_FN_FLOOR] = call_plan_math,
	[PQ_FN_LN] = call_plan_math,
	[PQ_FN_LOG10] = call_plan_math,
	[PQ_FN_LOG2] = call_plan_math,
	[PQ_FN_RAD] = call_plan_math,
	[PQ_FN_SGN] = call_plan_math,
	[PQ_FN_SIN] = call_plan_math,
	[PQ_FN_SINH] = call_plan_math,
	[PQ_FN_SQRT] = call_plan_math,
	[PQ_FN_TAN] = call_plan_math,
	[PQ_FN_TANH] = call_plan_math,
	[PQ_FN_CLAMP] = call_plan_math,
	[PQ_FN_CLAMP_MAX] = call_plan_math,
	[PQ_FN_CLAMP_MIN] = call_plan_math,
	[PQ_FN_ROUND] = call_plan_math,
	[PQ_FN_DAY_OF_MONTH] = call_plan_calendar,
	[PQ_FN_DAY_OF_WEEK] = call_plan_calendar,
	[PQ_FN_DAY_OF_YEAR] = call_plan_calendar,
	[PQ_FN_DAYS_IN_MONTH] = call_plan_calendar,
	[PQ_FN_HOUR] = call_plan_calendar,
	[PQ_FN_MINUTE] = call_plan_calendar,
	[PQ_FN_MONTH] = call_plan_calendar,
	[PQ_FN_YEAR] = call_plan_calendar,
	[PQ_FN_ABSENT] = call_plan_absent,
	[PQ_FN_SORT] = call_plan_sort,
	[PQ_FN_SORT_DESC] = call_plan_sort,
	[PQ_FN_SORT_BY_LABEL] = call_plan_sort,
	[PQ_FN_SORT_BY_LABEL_DESC] = call_plan_sort,
	[PQ_FN_TIMESTAMP] = call_plan_time,
	[PQ_FN_START_TIMESTAMP] = call_plan_time,
	[PQ_FN_SCALAR] = call_plan_scalar,
	[PQ_FN_TIME] = call_plan_scalar,
	[PQ_FN_PI] = call_plan_scalar,
	[PQ_FN_START] = call_plan_scalar,
	[PQ_FN_END] = call_plan_scalar,
	[PQ_FN_STEP] = call_plan_scalar,
	[PQ_FN_RANGE] = call_plan_scalar,
	[PQ_FN_MIN_OF] = call_plan_scalar,
	[PQ_FN_MAX_OF] = call_plan_scalar,
	[PQ_FN_VECTOR] = call_plan_vector,
	[PQ_FN_HISTOGRAM_AVG] = call_plan_histogram,
	[PQ_FN_HISTOGRAM_COUNT] = call_plan_histogram,
	[PQ_FN_HISTOGRAM_SUM] = call_plan_histogram,
	[PQ_FN_HISTOGRAM_STDDEV] = call_plan_histogram,
	[PQ_FN_HISTOGRAM_STDVAR] = call_plan_histogram,
	[PQ_FN_HISTOGRAM_FRACTION] = call_plan_quantile,
	[PQ_FN_HISTOGRAM_QUANTILE] = call_plan_quantile,
	[PQ_FN_HISTOGRAM_QUANTILES] = call_plan_quantile,
	[PQ_FN_INFO] = call_plan_info,
	[PQ_FN_LABEL_REPLACE] = call_plan_label,
	[PQ_FN_LABEL_JOIN] = call_plan_label,
};

PqOperator *
pq_plan_call(PqExec *exec, const PqNode *node, const PqSteps *steps, const PqNeeds *needs)
{
	Assert(node->kind == PQ_CALL);
	if (planners[call_id(node)] == NULL)
		elog(ERROR, "PromQL function %s() has no operator", node->u.call.function->name);
	return planners[call_id(node)](exec, node, steps, needs);
}

PqOperator *
call_dropping_names(PqExec *exec, PqOperator *op)
{
	return exec->delayed_name_removal ? op : pq_plan_merge(exec, op);
}

void
call_drop_names(PqOperator *op, const PqOperator *child)
{
	Assert(child->opened);
	op->nseries = child->nseries;
	op->series = pq_alloc(op, child->nseries * sizeof(PqSeries));
	for (uint32 i = 0; i < op->nseries; i++)
	{
		op->series[i] = child->series[i];
		pq_drop_name(op, &op->series[i]);
	}
}

void
call_one_series(PqOperator *op)
{
	op->nseries = 1;
	op->series = pq_alloc0(op, sizeof(PqSeries));
	op->series[0].labels = pq_no_labels;
}

void
call_explain(PqOperator *op, PqExplain *to)
{
	pq_explain_text(to, "Function", "%s()", op->node->u.call.function->name);
}

void
call_set_all(uint64 *present, uint32 n)
{
	memset(present, 0xFF, n / 64 * sizeof(uint64));
	if (n % 64 != 0)
		present[n / 64] = (UINT64CONST(1) << (n % 64)) - 1;
}

void
call_drop_histograms(PqVector *v, uint32 n)
{
	if (v->histograms == NULL)
		return;
	for (uint32 i = 0; i < n; i++)
	{
		if (v->histograms[i] != NULL)
			pq_unset(v, i);
	}
	v->histograms = NULL;
}

const TsHistogram *
call_copy_histogram(PqOperator *op, const TsHistogram *h, MemoryContext context)
{
	PqPlace place = {op->exec, context};
	TsAllocator allocator = pq_allocator(&place);
	const TsHistogram *copy;

	copy = ts_histogram_copy(h, &allocator);
	if (copy == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return copy;
}
