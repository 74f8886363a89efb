/*
 * exec.h
 *	  How a PromQL expression is evaluated: operators that pull one series at a time.
 *
 * A parsed expression becomes a tree of operators (pq_plan()). Every operator works for a
 * fixed list of *steps* (one for an instant query). It is used like this:
 *
 *	pq_open(op)		once: names all the series that it will give, and their labels
 *	pq_next(op, &v)	once per series, in the order of that list: its values at all steps
 *	pq_close(op)	at any time; also frees what lies outside of memory contexts
 *
 * So labels are known before values are read: whoever groups, joins or sorts by labels
 * does so without holding values. A series that has no value at any step may be in the list
 * (selectors list what the dictionary knows); it does not exist for the language. Operators
 * whose labels depend on values (count_values, info, sort) read their input in open.
 *
 * Range vectors are operators, too: they give a series' samples (pq_next_samples()), and a
 * range function slides its window over them.
 *
 * Ownership: what next gives (arrays, histograms) belongs to the operator that gave it and
 * stays until its next call of next or close; its caller may write into the arrays
 * (in-place kernels), never into histograms. Whoever keeps it copies it
 * (pq_vector_copy()). Labels of the list stay until close and do not change.
 *
 * Memory: op->context for what stays, op->row for what belongs to one series (emptied by
 * pq_next() before methods->next is called). The former is current in open and close, the
 * latter in next. Large arrays come from pq_alloc(), which minds the query's budget.
 * Everything is a child of exec->context, so an error leaves nothing behind but what
 * release callbacks free.
 *
 * Times are int64 microseconds since PG's epoch (as timestamptz), durations microseconds;
 * pq_seconds() makes Prometheus' float seconds since 1970 of a time. For times that are
 * whole milliseconds all results equal those computed from milliseconds, since quotients of
 * equal rationals are rounded equally.
 */
#ifndef PROMQL_EXEC_H
#define PROMQL_EXEC_H

#include "postgres.h"

#include "common/int.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "labels.h"
#include "promql_ast.h"
#include "ts_histogram.h"
#include "ts_report.h"
#include "ts_scan.h"

/* ---- times ---- */

#define PQ_MS INT64CONST(1000)
#define PQ_UNIX_EPOCH \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY) /* to add */
#define PQ_UNIX_MS(time) (((time) + PQ_UNIX_EPOCH) / PQ_MS) /* of whole milliseconds */

/* The last years that there are have more microseconds since 1970 than an int64 holds. */
static inline double
pq_seconds(int64 time)
{
	int64 unix_time;

	if (unlikely(pg_add_s64_overflow(time, PQ_UNIX_EPOCH, &unix_time)))
		return (double) (time / PQ_MS + PQ_UNIX_EPOCH / PQ_MS) / 1e3;
	return (double) unix_time / 1e6;
}

/* Whole seconds since 1970, towards 1970. */
static inline int64
pq_unix_seconds(int64 time)
{
	int64 unix_time;

	if (unlikely(pg_add_s64_overflow(time, PQ_UNIX_EPOCH, &unix_time)))
		return time / USECS_PER_SEC + PQ_UNIX_EPOCH / USECS_PER_SEC;
	return unix_time / USECS_PER_SEC;
}

typedef struct PqSteps
{
	int64 start;
	int64 step; /* > 0, also when n is 1 */
	uint32 n;
} PqSteps;

#define pq_step_time(steps, i) ((steps)->start + (int64) (i) * (steps)->step)

/* ---- values ---- */

/*
 * One series' values at all steps. A step has a value if its bit is set in `present` (bits
 * from n on are 0): a histogram if histograms is not NULL and histograms[i] is not NULL,
 * else values[i]. What is absent has no meaning, but may be computed with.
 */
typedef struct PqVector
{
	uint64 *present;
	double *values;
	const TsHistogram **histograms; /* NULL: none of the steps has one */
} PqVector;

#define PQ_WORDS(n) (((n) + 63) / 64)

static inline bool
pq_has(const PqVector *v, uint32 i)
{
	return (v->present[i / 64] >> (i % 64)) & 1;
}

static inline void
pq_set(PqVector *v, uint32 i)
{
	v->present[i / 64] |= UINT64CONST(1) << (i % 64);
}

static inline void
pq_unset(PqVector *v, uint32 i)
{
	v->present[i / 64] &= ~(UINT64CONST(1) << (i % 64));
}

static inline const TsHistogram *
pq_histogram(const PqVector *v, uint32 i)
{
	return v->histograms ? v->histograms[i] : NULL;
}

/*
 * One series' samples in order of time, as a range vector gives them: enough for the
 * windows of all steps. No stale markers among them.
 */
typedef struct PqSamples
{
	uint32 n;
	const int64 *times;
	const double *values;
	const TsHistogram *const *histograms; /* NULL: none; else NULL where it is a float */
	const int64 *start_times; /* NULL: none known; else PQ_NO_START where unknown */
} PqSamples;

#define PQ_NO_START PG_INT64_MIN

/*
 * The windows of a range operator: at step i it is (end - range, end] with
 * end = first_end + i * step. With `extend`, samples reach as far out of the first and the
 * last window as the language wants: `lookback` before its start for anchored and smoothed,
 * and behind its end for smoothed.
 */
typedef struct PqWindows
{
	int64 range;
	int64 first_end;
	int64 step; /* 0: pinned by @, the same window at all steps */
	int64 lookback;
	PqExtend extend;
} PqWindows;

/* ---- series ---- */

typedef struct PqSeries
{
	TsString labels; /* a payload (labels.h) */
	bool drop_name;  /* without __name__ in the end (delayed removal of names) */
} PqSeries;

/* Which labels somebody above looks at. NULL: all. __name__ is always given. */
typedef struct PqNeeds
{
	const TsString *names;
	int count;
} PqNeeds;

/* ---- operators ---- */

typedef struct PqExec PqExec;
typedef struct PqOperator PqOperator;

/* A memory context of a query, for modules that know only allocators. */
typedef struct PqPlace
{
	PqExec *exec;
	MemoryContext context;
} PqPlace;

typedef struct PqExplain PqExplain; /* where EXPLAIN's properties go: exec_explain.c */

typedef struct PqMethods
{
	const char *name;                            /* as EXPLAIN shows it */
	void (*open)(PqOperator *op);                /* fills in op->series and op->nseries */
	void (*next)(PqOperator *op, PqVector *out); /* of vectors and scalars */
	void (*next_samples)(PqOperator *op, PqSamples *out); /* of range vectors */
	void (*close)(PqOperator *op);                        /* may be NULL */
	void (*explain)(PqOperator *op, PqExplain *to);       /* may be NULL */
} PqMethods;

struct PqOperator
{
	const PqMethods *methods;
	PqExec *exec;
	const PqNode *node; /* what it was made from */
	PqType type;
	PqSteps steps;
	MemoryContext context;
	MemoryContext row;
	PqPlace context_place; /* for pq_allocator() */
	PqPlace row_place;
	PqOperator **children;
	int nchildren;
	bool opened;
	PqSeries *series; /* from open on */
	uint32 nseries;
	uint32 given; /* how many next has given */
	/* of range vectors, known from planning on */
	PqWindows windows;
	/* for EXPLAIN ANALYZE; own time is without that of children */
	uint64 samples; /* that it gave, or, if it `reads`, that it read */
	bool reads;     /* a selector: it counts its samples itself */
	double seconds; /* with children */
	Size memory;    /* of context and row, at most */
};

/* The engine's state of one query. */
struct PqExec
{
	MemoryContext context;
	TsAllocator allocator; /* on context */
	const char *text;
	size_t len;
	const PqNode *root;
	PqSteps steps; /* of the whole query */
	int64 end; /* as asked for: @ end(), end(), range(); may lie behind the last step */
	bool instant;
	int64 lookback;
	bool delayed_name_removal;
	bool analyze; /* measure time and memory */
	/* the source */
	Relation rel;
	const TsTable *table;
	Snapshot snapshot;
	AttrNumber labels_column;
	AttrNumber value_column;
	AttrNumber histogram_column;  /* 0: none */
	AttrNumber start_time_column; /* 0: none */
	bool knows_series;
	uint32 series; /* ids below are of interest: later ones have no rows for us */
	/* limits */
	Size max_memory;
	int64 max_samples;
	int64 samples; /* held now, by pq_hold_samples() */
	int64 peak_samples;
	struct PqAnnotations *annotations;
	/* exec_internal.h */
	struct PqPlanner *planner;
	PqOperator *running; /* whose open or next it is; NULL: nobody's */
	struct PqBudget *budget;
	struct HTAB *counts_only; /* nodes; NULL: none */
	struct PqParallel *parallel;
};

/*
 * Makes an operator of `size` bytes whose first member is a PqOperator, with nchildren
 * places for children; context and row are made. exec_plan.c.
 */
extern PqOperator *pq_operator(PqExec *exec, Size size, const PqMethods *methods,
							   const PqNode *node, const PqSteps *steps, int nchildren);

/* What callers call; they measure, check for interrupts and mind the budget. */
extern void pq_open(PqOperator *op);
extern void pq_next(PqOperator *op, PqVector *out);
extern void pq_next_samples(PqOperator *op, PqSamples *out);
extern void pq_close(PqOperator *op); /* and its children */

/* ---- planning: one function per kind of node ---- */

/* Any node but strings. A node that does not depend on the steps is evaluated once, and
 * equal nodes once for all. exec_plan.c */
extern PqOperator *
pq_plan(PqExec *exec, const PqNode *node, const PqSteps *steps, const PqNeeds *needs);
/* A node of type matrix. exec_plan.c */
extern PqOperator *pq_plan_range(PqExec *exec, const PqNode *node, const PqSteps *steps,
								 const PqNeeds *needs);
extern PqOperator *pq_plan_selector(PqExec *exec, const PqNode *node,
									const PqSteps *steps, const PqNeeds *needs);
/*
 * The same selector, giving at each step not the sample's value but its own time or its
 * start time, in seconds since 1970, as the float. Where the sample is a histogram it is
 * given, too, and the float beside it. An unknown start time is 0.
 */
typedef enum PqSampleTime
{
	PQ_SAMPLE_TIME,
	PQ_SAMPLE_START_TIME
} PqSampleTime;
extern PqOperator *
pq_plan_selector_times(PqExec *exec, const PqNode *node, const PqSteps *steps,
					   const PqNeeds *needs, PqSampleTime which);
extern PqOperator *pq_plan_range_selector(PqExec *exec, const PqNode *node,
										  const PqSteps *steps, const PqNeeds *needs);
/*
 * Says, before it is opened, that somebody wants the start times of a range operator's
 * samples. They are read only then (and if mytsdb.promql_start_timestamps is on).
 */
extern void pq_want_start_times(PqOperator *range);
extern PqOperator *pq_plan_subquery(PqExec *exec, const PqNode *node,
									const PqSteps *steps, const PqNeeds *needs);
/* Calls with a range vector among their arguments; range_*.c */
extern PqOperator *pq_plan_range_call(PqExec *exec, const PqNode *node,
									  const PqSteps *steps, const PqNeeds *needs);
/* All other calls; call_*.c */
extern PqOperator *pq_plan_call(PqExec *exec, const PqNode *node, const PqSteps *steps,
								const PqNeeds *needs);
extern PqOperator *pq_plan_unary(PqExec *exec, const PqNode *node, const PqSteps *steps,
								 const PqNeeds *needs);
extern PqOperator *pq_plan_binary(PqExec *exec, const PqNode *node, const PqSteps *steps,
								  const PqNeeds *needs);
extern PqOperator *pq_plan_aggregate(PqExec *exec, const PqNode *node,
									 const PqSteps *steps, const PqNeeds *needs);

/* ---- modifiers: exec_selection.c ---- */

/* What a selector or subquery with these modifiers looks at instead of a time. */
extern int64 pq_modified_time(const PqExec *exec, const PqModifiers *modifiers,
							  int64 offset, int64 time);
/* A duration of the query in microseconds; raises an error where it has no value. */
extern int64 pq_duration(PqExec *exec, const PqDuration *duration, bool must_be_positive);

/* ---- names and equal labels ---- */

/* A series that loses its name (and type and unit): in the end, or, without delayed
 * removal, now. The labels are in op->context then. call_merge.c */
extern void pq_drop_name(PqOperator *op, PqSeries *series);
/*
 * An operator that takes away the names that are still to go, and gives the child's series
 * with equal labels as one: who makes labels ends with it. Without delayed removal, it is
 * put on top of calls of range functions, unary and binary operators by pq_plan(). Fails
 * when two of them have a value at the same step. The child has been given all labels (no
 * PqNeeds).
 */
extern PqOperator *pq_plan_merge(PqExec *exec, PqOperator *child);

/* The labels of absent() and absent_over_time() of this argument. call_absent.c */
extern TsString pq_absent_labels(const PqNode *arg, MemoryContext context);

/* ---- for operators ---- */

/* A vector of n steps, nothing present, without histograms. */
extern void pq_vector_init(PqOperator *op, PqVector *v, uint32 n);
/* Gives it an array for histograms (all NULL), if it has none. */
extern void pq_vector_want_histograms(PqOperator *op, PqVector *v, uint32 n);
/* A copy in the context, histograms included. */
extern void pq_vector_copy(PqOperator *op, const PqVector *v, uint32 n,
						   MemoryContext context, PqVector *copy);
extern uint32 pq_vector_count(const PqVector *v, uint32 n); /* values present */

/* Memory of op->context, minding the budget (53200 beyond it); may be huge. */
extern void *pq_alloc(PqOperator *op, Size size);
extern void *pq_alloc0(PqOperator *op, Size size);
/* The same of op->row, which is emptied for the next series. */
extern void *pq_row_alloc(PqOperator *op, Size size);
extern void *pq_row_alloc0(PqOperator *op, Size size);
/*
 * An allocator that asks the budget for all it gives, and serves interrupts: what it is
 * used for may go on for long. The place must stay as long as the allocator is used.
 */
extern TsAllocator pq_allocator(PqPlace *place);
/* Asks the budget for what is about to be allocated in another context of the query. */
extern void pq_charge(PqExec *exec, Size size);
/* Samples that are held from now on (or, negative, no longer): 54000 beyond
 * mytsdb.query_max_samples. */
extern void pq_hold_samples(PqExec *exec, int64 n);

/* The value of a scalar operator at every step; opens it. Stays until it is closed. */
extern const double *pq_scalar(PqOperator *op);
/* Is this a number literal (also in parentheses or with a sign)? */
extern bool pq_constant(const PqNode *node, double *value);
extern const PqNode *pq_strip(const PqNode *node); /* without parentheses */
/* The string of an argument (also in parentheses). */
extern TsString pq_string(const PqNode *node);

/* ---- labels ---- */

/* All of these give payloads in the context. */
extern TsString
pq_labels_keep(TsString labels, const PqNames *names, MemoryContext context);
/* Without these names (NULL: none), and, `name`, without __name__. */
extern TsString
pq_labels_remove(TsString labels, const PqNames *names, bool name, MemoryContext context);
/* With this label set, or, value being empty, removed. */
extern TsString
pq_labels_set(TsString labels, TsString name, TsString value, MemoryContext context);
extern TsString pq_labels_make(LabelsPair *pairs, uint32 count, MemoryContext context);
extern TsString pq_labels_value(TsString labels, const char *name); /* or empty */
/* Without what says which metric it is: __name__, __type__ and __unit__. This is what
 * dropping a series' name means. */
extern TsString pq_labels_drop_name(TsString labels, MemoryContext context);
extern bool pq_labels_equal(TsString a, TsString b);
extern const TsString pq_no_labels; /* the payload of the empty set */

/* In double quotes, with the escapes of Go's %q, which the language reads as well. */
extern void pq_append_quoted(StringInfo out, TsString text);
extern char *pq_quoted(TsString text);

/* Numbers for distinct payloads, from 0 on. */
typedef struct PqLabelsMap PqLabelsMap;
extern PqLabelsMap *pq_labels_map(MemoryContext context);
/* The number of these labels, new ones (copied, if `copy`) get the next one. */
extern uint32 pq_labels_number(PqLabelsMap *map, TsString labels, bool copy, bool *found);
extern int64 pq_labels_find(const PqLabelsMap *map, TsString labels); /* -1: none */
extern TsString pq_labels_of(const PqLabelsMap *map, uint32 number);
extern uint32 pq_labels_count(const PqLabelsMap *map);

/* ---- errors and annotations ---- */

/*
 * Collects a warning or an info, once per text: "PromQL warning: " or "PromQL info: ",
 * the message, and the position " (line:column)" unless it is negative.
 */
extern void
pq_warn(PqExec *exec, int position, const char *fmt, ...) pg_attribute_printf(3, 4);
extern void
pq_info(PqExec *exec, int position, const char *fmt, ...) pg_attribute_printf(3, 4);
/* ' for metric name "x"', as Prometheus adds it to some; "" when there is no name. */
extern const char *pq_for_metric(TsString labels);
/* Evaluation fails. The SQLSTATE is of class 22. */
extern void pq_fail(PqExec *exec, int position, int sqlstate, const char *fmt, ...)
	pg_attribute_printf(4, 5) pg_attribute_noreturn();

/* ---- EXPLAIN ---- */

extern void pq_explain_text(PqExplain *to, const char *label, const char *fmt, ...)
	pg_attribute_printf(3, 4);
extern void pq_explain_number(PqExplain *to, const char *label, double value, int digits);

#endif /* PROMQL_EXEC_H */
