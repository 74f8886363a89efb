/*
 * aggregate.h
 *	  What the files of the aggregations (aggregate_*.c) share.
 */
#ifndef PROMQL_AGGREGATE_H
#define PROMQL_AGGREGATE_H

#include "exec.h"

#include "aggregate_kernel.h"

/* ---- aggregate_plan.c ---- */

/* Which group each series of the input belongs to. */
typedef struct PqGrouping
{
	PqLabelsMap *map; /* the groups' labels */
	uint32 ngroups;
	uint32 *group; /* of each series */
	uint32 *size;  /* series of each group */
	bool *drop_name;
} PqGrouping;

/* Groups the series of op's input, which is open, as the node of op says. */
extern void pq_group_series(PqOperator *op, PqGrouping *grouping);
/* The labels that an aggregation's input is asked for, if nobody wants others. */
extern const PqNeeds *pq_group_needs(PqExec *exec, const PqNode *node);
/* The labels of the group that a series belongs to. */
extern TsString
pq_group_labels(const PqNode *node, TsString labels, MemoryContext context);

/* The parameter at every step. */
typedef struct PqParameter
{
	const double *values;
	double least; /* as Go's math.Min and Max: a NaN among them is both */
	double most;
	bool nan; /* some of them is a NaN */
} PqParameter;

/* Opens the operator that gives it (the last child). */
extern void pq_open_parameter(PqOperator *op, PqParameter *parameter);
/* The same for a number k: it at every step; NULL: it is nowhere 1 or more. Raises an error
 * where it is no number. aggregate_limit.c */
extern uint32 *pq_open_counts(PqOperator *op);
/* Where it stands in the query. */
extern int pq_parameter_position(const PqNode *node);
/* Where the expression that is aggregated stands in the query. */
extern int pq_aggregated_position(const PqNode *node);
/* Annotates that a histogram was met that the aggregation does not take. */
extern void pq_ignored_histogram(PqOperator *op, int position);
/* Which steps of a row hold floats; the same bits where all do, else in op->row. */
extern const uint64 *
pq_float_steps(PqOperator *op, const PqVector *v, bool *some_histogram);

/* Makes the operator of an aggregation and plans its children. */
extern PqOperator *
pq_aggregate_operator(PqExec *exec, Size size, const PqMethods *methods,
					  const PqNode *node, const PqSteps *steps, const PqNeeds *needs);
extern void pq_explain_grouping(PqOperator *op, PqExplain *to);

/* ---- aggregate_histogram.c ---- */

/* Sums and means of the histograms of a group. */
typedef struct PqHistogramGroup PqHistogramGroup;

/*
 * Adds the histograms among a series' values, and says which of its floats may be added to
 * those seen before: *group is made when it is needed.
 */
extern const uint64 *
pq_add_histograms(PqOperator *op, PqHistogramGroup **group, const uint64 *floats_seen,
				  const PqVector *v, TsString labels);
/* Puts the group's histograms into the result, whose values are those of floats. */
extern void
pq_finish_histograms(PqOperator *op, PqHistogramGroup *group, bool mean, PqVector *out);

/* ---- kinds of aggregations ---- */

extern PqOperator *
pq_plan_reduction(PqExec *exec, const PqNode *node, const PqSteps *steps);
extern PqOperator *pq_plan_topk(PqExec *exec, const PqNode *node, const PqSteps *steps,
								const PqNeeds *needs);
extern PqOperator *pq_plan_limit(PqExec *exec, const PqNode *node, const PqSteps *steps,
								 const PqNeeds *needs);
extern PqOperator *
pq_plan_quantile(PqExec *exec, const PqNode *node, const PqSteps *steps);
extern PqOperator *
pq_plan_count_values(PqExec *exec, const PqNode *node, const PqSteps *steps);

#endif /* PROMQL_AGGREGATE_H */
