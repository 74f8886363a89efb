/*
 * exec_internal.h
 *	  What the core of the executor (exec_*.c) shares and operators need not know.
 */
#ifndef PROMQL_EXEC_INTERNAL_H
#define PROMQL_EXEC_INTERNAL_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "portability/instr_time.h"

#include "exec.h"
#include "promql_exec.h"

/* ---- exec_settings.c ---- */

typedef struct PqSettings
{
	int lookback_ms;
	int subquery_step_ms;
	bool delayed_name_removal;
	bool experimental_functions;
	bool duration_expressions;
	bool extended_ranges;
	bool fill_modifiers;
	bool start_timestamps;
	int max_samples;
	int memory_kb;
	int workers; /* -1: as max_parallel_workers_per_gather says */
	int parallel_samples;
} PqSettings;

extern PqSettings pq_settings;

/* ---- the budget: exec_values.c ---- */

/*
 * What the query has taken is measured now and then, since that walks through all its
 * contexts; what pq_alloc() gives out in between is added up.
 */
typedef struct PqBudget
{
	Size measured; /* the last time */
	Size charged;  /* since then */
	Size peak;
	Size by_workers; /* the sum of their peaks */
	uint32 calls;    /* of pq_next since then */
} PqBudget;

/* Measures, and raises 53200 beyond the budget. */
extern void pq_measure(PqExec *exec);

/* ---- times: exec_values.c ---- */

/* Sums that stay at the ends of what can be represented. */
extern int64 pq_time_add(int64 time, int64 duration);
extern int64 pq_time_sub(int64 time, int64 duration);

/* ---- the source: exec_source.c ---- */

/*
 * Opens the table, as the current user may read it, and fills in what PqExec says of it.
 * Raises an error where it is none, and where he may not.
 */
extern void pq_open_source(PqExec *exec, Oid source);
/* Raises an error if the caller may not read a column that is none of a sample's. */
extern void pq_check_column(Relation rel, AttrNumber column);

/* ---- reading: exec_reader.c ---- */

/* What a reader is asked for beside times and values. */
typedef struct PqReadSpec
{
	const uint32 *ids; /* ascending; must stay */
	uint32 nids;
	int64 time_min; /* inclusive, as timestamptz */
	int64 time_max;
	bool start_times;
} PqReadSpec;

/* Rows of one series as they come; all of it stays until the next call. */
typedef struct PqRead
{
	uint32 n;
	const int64 *times; /* ascending, as timestamptz; equal ones may follow each other */
	const double *values;    /* NULL: all of them are null */
	const bool *value_nulls; /* NULL: none is */
	const Datum *histograms; /* NULL: all of them are null */
	const bool *histogram_nulls;
	const int64 *start_times; /* NULL: none; PQ_NO_START where null */
} PqRead;

typedef struct PqReader PqReader;

/* In a child of `parent`. Of the query only its source is looked at. */
extern PqReader *
pq_reader_begin(const PqExec *exec, MemoryContext parent, const PqReadSpec *spec);
/* The next rows of this series; false when there are no more. Series must ascend; rows of
 * those left out are passed over. */
extern bool pq_reader_next(PqReader *reader, uint32 series, PqRead *read);
extern void pq_reader_end(PqReader *reader);
extern const TsScanStats *pq_reader_stats(const PqReader *reader);

/* ---- selectors: exec_selector.c, exec_range.c ---- */

/* What both kinds of selectors are: a list of series and their reader. */
typedef struct PqSelection
{
	const PqNode *node; /* the selector */
	int64 offset;
	bool pinned;    /* by @ */
	PqNeeds *needs; /* NULL: all */
	uint32 *ids;
	int64 time_min; /* of what is read */
	int64 time_max;
	bool start_times;
	PqReader *reader;  /* from the first series on, until the last one is read */
	TsScanStats stats; /* of readers that have ended, and of workers */
} PqSelection;

/* How every selector begins: with `reads` set. */
typedef struct PqSelecting
{
	PqOperator op;
	PqSelection selection;
} PqSelecting;

extern void pq_add_scan_stats(TsScanStats *to, const TsScanStats *stats);

/* exec_selection.c */
extern void pq_selection_plan(PqExec *exec, PqSelection *selection, const PqNode *node,
							  const PqNeeds *needs);
/* Fills in op->series and selection->ids. */
extern void pq_selection_open(PqOperator *op, PqSelection *selection);
/* Samples in [time_min, time_max] will be read. */
extern void pq_selection_read(PqSelection *selection, int64 time_min, int64 time_max,
							  bool start_times);
/* The next rows of the operator's next series; false when there are no more. */
extern bool pq_selection_next(PqOperator *op, PqSelection *selection, PqRead *read);
extern void pq_selection_close(PqSelection *selection);
extern void
pq_selection_explain(PqOperator *op, const PqSelection *selection, PqExplain *to);

/* What a selector says of counter resets in native histograms. exec_resets.c */
typedef struct PqResets
{
	bool counts_only;        /* compares neighbours, and gives counts and sums alone */
	const TsHistogram *last; /* of this series */
} PqResets;

/* Finds out whose buckets nobody looks at. */
extern void pq_resets_plan(PqExec *exec);
extern bool pq_counts_only(const PqExec *exec, const PqNode *node);
/* From where on a selector reads which gives samples from this time on: the first of them is
 * compared, too. */
extern int64 pq_first_neighbour(const PqOperator *op, int64 time_min);
/* The next histogram of a series, from its column's value; in op->row. */
extern const TsHistogram *pq_resets_next(PqResets *resets, PqOperator *op, Datum value);

/* Samples that are gathered in arrays that grow. exec_gather.c */
typedef struct PqGather
{
	PqOperator *op;
	int64 from; /* samples before that are neighbours, no more */
	PqResets resets;
	bool with_start_times;
	bool any_histogram;
	bool any_start_time;
	uint32 n;
	uint32 room;
	int64 *times;
	double *values;
	const TsHistogram **histograms; /* NULL before there is one */
	int64 *start_times;             /* NULL unless they are wanted */
} PqGather;

extern void pq_gather_init(PqGather *gather, PqOperator *op, bool start_times);
/* Nothing is in it; what comes now is another series'. */
extern void pq_gather_empty(PqGather *gather);
/* Adds what was read, but for stale markers and what is no sample. */
extern void pq_gather_read(PqGather *gather, const PqRead *read);
extern void pq_gather_samples(const PqGather *gather, PqSamples *samples);
/* Decodes a histogram of a table into the row. */
extern TsHistogram *pq_read_histogram(PqOperator *op, Datum value);
extern bool pq_is_stale(double value);

/*
 * The value at a time between samples i and i + 1, which are of one kind. False, with a
 * warning, when there is none between them. exec_smooth.c
 */
extern bool
pq_between(PqOperator *op, const PqSamples *samples, uint32 i, int64 time,
		   const TsAllocator *allocator, double *value, const TsHistogram **histogram);
/* The series that is read just now has floats and histograms where only one can be. */
extern void pq_warn_of_mix(const PqOperator *op);

/* ---- planning: exec_plan.c, exec_share.c ---- */

/* Does it read the source? */
extern bool pq_reads_data(const PqNode *node);
/* Calls a function for the nodes below this one, in order; strings, too. */
extern void pq_for_children(const PqNode *node,
							void (*call)(const PqNode *child, void *arg), void *arg);
/* Plans a node, shared or not; a range vector, if `range`. */
extern PqOperator *pq_plan_itself(PqExec *exec, const PqNode *node, const PqSteps *steps,
								  const PqNeeds *needs, bool range);

/* One value at all steps; an operator of one step, spread over all. exec_steps.c */
extern PqOperator *
pq_make_constant(PqExec *exec, const PqNode *node, const PqSteps *steps, double value);
extern PqOperator *
pq_make_repeat(PqExec *exec, const PqNode *node, const PqSteps *steps, PqOperator *child);

/* Finds the subtrees that occur more than once. exec_share.c */
extern struct PqPlanner *pq_planner_create(PqExec *exec);
/* An operator that shares the work for this node with others; NULL: the node occurs once. */
extern PqOperator *pq_share(PqExec *exec, const PqNode *node, const PqSteps *steps,
							const PqNeeds *needs, bool range);
extern void pq_share_want_start_times(PqOperator *op);
/* Does the node occur more than once? */
extern bool pq_is_shared(const PqExec *exec, const PqNode *node);
/* Nothing is shared any more. */
extern void pq_planner_share_nothing(PqExec *exec);
/* Closes what takers have in common. */
extern void pq_planner_close(PqExec *exec);
/* If it is such an operator: true, and the one that works for it, or NULL if EXPLAIN has
 * shown that already. */
extern bool pq_share_child(const PqOperator *op, PqOperator **child);

/* ---- in parallel: exec_parallel.c, exec_worker.c ---- */

typedef struct PqParallel
{
	/* while planning */
	bool within;    /* a subtree that is divided, or will not be */
	int drained;    /* aggregations around, which read all their input at once */
	bool undrained; /* there are gather operators without one */
	/* while running */
	bool at_once; /* the whole result is read in one call */
	int active;   /* gather operators that have workers */
	/* of a worker: the series that are its part; NULL: no worker */
	const uint32 *ids;
	uint32 nids;
} PqParallel;

/*
 * Is the subtree series-local (exec_parallel.h), and nothing below its top shared with
 * others?
 */
extern bool pq_is_local(const PqExec *exec, const PqNode *node);
/* The selector of such a subtree. */
extern PqSelecting *pq_find_selector(PqOperator *op);
/* An operator that divides the work of a node among workers, if that may be worth while;
 * else NULL. */
extern PqOperator *pq_plan_gather(PqExec *exec, const PqNode *node, const PqSteps *steps,
								  const PqNeeds *needs);

/* ---- the query: exec_query.c, exec_result.c ---- */

struct PqQuery
{
	PqExec exec;
	PqBudget budget;
	PqParallel parallel;
	TsArena arena; /* of the tree */
	ResourceOwner owner;
	PqOperator *root;    /* NULL: a string */
	struct PqHeld *held; /* the whole result, if it was read at once */
	MemoryContext row;   /* of the result that was given last */
};

/* All of a query but its operators. */
extern PqQuery *
pq_begin(const PqRequest *request, Snapshot snapshot, MemoryContext parent);

/* ---- estimates: exec_series.c ---- */

/*
 * How many series the matchers may select, by what the label index says of those that name
 * a value.
 */
extern double pq_estimate_series(Relation rel, const TsTable *table, Snapshot snapshot,
								 const TsMatcher *matchers, int nmatchers);

/* ---- annotations: exec_notes.c ---- */

extern struct PqAnnotations *pq_annotations_create(PqExec *exec);
extern int pq_annotations_count(const PqExec *exec);
/* Those from `from` on as bytes, and back, into those there are. Returns where the bytes
 * end. */
extern void pq_annotations_write(const PqExec *exec, int from, StringInfo out);
extern const char *pq_annotations_read(PqExec *exec, const char *from, const char *end);

#endif /* PROMQL_EXEC_INTERNAL_H */
