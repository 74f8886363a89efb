/*
 * call.h
 *	  What the files of the functions that take no range vector share.
 *
 *	call_plan.c		from a call to the operator of its function
 *	call_math.c		functions of one number each
 *	call_calendar.c	year(), hour() and the like
 *	call_scalar.c	scalars, and what turns them into vectors and back
 *	call_time.c		timestamp(), start_timestamp()
 *	call_absent.c	absent()
 *	call_sort.c		sort(), sort_by_label()
 *	call_label.c	label_replace(), label_join()
 *	call_histogram.c	histogram_count() and the like: a number of each histogram
 *	call_quantile*.c	histogram_quantile(), histogram_quantiles(), histogram_fraction()
 *						(call_quantile.h)
 *	call_info*.c	info() (call_info.h)
 *	call_merge.c	series that got equal labels
 *
 * Every planner makes an operator whose children are the call's arguments.
 */
#ifndef PROMQL_CALL_H
#define PROMQL_CALL_H

#include "postgres.h"

#include <math.h>

#include "exec.h"

typedef PqOperator *
CallPlanner(PqExec *exec, const PqNode *node, const PqSteps *steps, const PqNeeds *needs);

extern CallPlanner call_plan_math;
extern CallPlanner call_plan_calendar;
extern CallPlanner call_plan_scalar;
extern CallPlanner call_plan_vector;
extern CallPlanner call_plan_time;
extern CallPlanner call_plan_absent;
extern CallPlanner call_plan_sort;
extern CallPlanner call_plan_label;
extern CallPlanner call_plan_histogram;
extern CallPlanner call_plan_quantile;
extern CallPlanner call_plan_info;

#define call_id(node) ((node)->u.call.function->id)

/* The operator of a function that drops names, with what finds equal labels if need be. */
extern PqOperator *call_dropping_names(PqExec *exec, PqOperator *op);
/* Like pq_plan_merge(), but names that are to go in the end stay until then. */
extern PqOperator *call_merge_equal(PqExec *exec, PqOperator *child);
/* op->series: those of the child, which lose their names. */
extern void call_drop_names(PqOperator *op, const PqOperator *child);
/* op->series: one without labels. */
extern void call_one_series(PqOperator *op);

/* Fails unless the string of an argument can be a label's name. call_label.c */
extern void
call_check_label(PqExec *exec, const PqNode *call, const PqNode *arg, const char *what);

/* For EXPLAIN: which function it is. */
extern void call_explain(PqOperator *op, PqExplain *to);

/* All steps have a value. */
extern void call_set_all(uint64 *present, uint32 n);
/* A copy in the context, within the query's budget. */
extern const TsHistogram *
call_copy_histogram(PqOperator *op, const TsHistogram *h, MemoryContext context);
/* Histograms are not there for the function. */
extern void call_drop_histograms(PqVector *v, uint32 n);

/* Go's math.Max and math.Min: infinities win over NaN, NaN over the rest. */
static inline double
call_max(double a, double b)
{
	if (a == INFINITY || b == INFINITY)
		return INFINITY;
	if (isnan(a) || isnan(b))
		return NAN;
	if (a == 0 && b == 0)
		return signbit(a) ? b : a;
	return a > b ? a : b;
}

static inline double
call_min(double a, double b)
{
	if (a == -INFINITY || b == -INFINITY)
		return -INFINITY;
	if (isnan(a) || isnan(b))
		return NAN;
	if (a == 0 && b == 0)
		return signbit(a) ? a : b;
	return a < b ? a : b;
}

#endif /* PROMQL_CALL_H */
