/*
 * sql_scan.h
 *	  What the files of the custom scan share: how SQL reads tables USING mytsdb.
 *
 * The planner's side (scan_plan.c, scan_clause.c, scan_count.c) decides which conditions
 * the scan takes over; the executor's side (scan_exec.c) reads what these leave. A
 * condition is taken over in one of four ways:
 *
 * - *time*: a bound of the time column. It is exact, so it is no filter any more.
 * - *key*: an equality that, together with others, names whole keys, which are looked up.
 * - *walked*: a condition on key columns that cannot fail whatever the key is. It is
 *	 evaluated for all series of the dictionary before the scan begins, or answered by the
 *	 label index.
 * - *judged*: any other condition on key columns. Some functions raise errors for some
 *	 values, and the dictionary has keys that no visible row has. So it is evaluated once a
 *	 series, when the scan meets rows of it.
 *
 * What is not taken over stays a filter on rows. Only what security allows to be evaluated
 * first, and nothing volatile, is taken over. Where a row is checked anew
 * (EvalPlanQual), all of it is evaluated on the row.
 *
 * A plan's custom_exprs are lists of expressions, its custom_private is a list of lists of
 * integers; the enums below say which are which.
 */
#ifndef SQL_SCAN_H
#define SQL_SCAN_H

#include "postgres.h"

#include "nodes/execnodes.h"
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"

#include "ts_am.h"
#include "ts_scan.h"
#include "ts_table.h"

/* ---- plans ---- */

enum
{
	SQLSCAN_TIMES,  /* OpExprs: the time column on the left */
	SQLSCAN_KEYS,   /* the equalities that name keys; empty: none do */
	SQLSCAN_VALUES, /* what the key columns are equal to, by position in the key */
	SQLSCAN_WALKED,
	SQLSCAN_JUDGED,
	SQLSCAN_EXPRS /* how many lists of expressions */
};

enum
{
	SQLSCAN_OUTPUT, /* SqlScanOrder, and rows to look for first (0: not known) */
	SQLSCAN_KINDS   /* SqlScanKeyKind of each of the values */
};

typedef enum SqlScanOrder
{
	SQLSCAN_UNORDERED,
	SQLSCAN_ASCENDING,
	SQLSCAN_DESCENDING
} SqlScanOrder;

typedef enum SqlScanKeyKind
{
	SQLSCAN_KEY_EQUAL, /* to the value */
	SQLSCAN_KEY_ANY,   /* to an element of the array */
	SQLSCAN_KEY_NULL   /* is null */
} SqlScanKeyKind;

/* ---- scan_clause.c ---- */

/* Conditions, as RestrictInfos, by what the scan does with them. */
typedef struct SqlScanClauses
{
	List *times;
	List *series;
	List *filters; /* pseudoconstants, too */
} SqlScanClauses;

extern void sqlscan_sort_clauses(PlannerInfo *root, RelOptInfo *rel, const TsTable *table,
								 List *rinfos, SqlScanClauses *clauses);
/* Whether an expression is a column of a relation. */
extern bool sqlscan_is_column(const Node *node, Index relid, AttrNumber attnum);
/*
 * A condition as a bound of time, the column on the left; NULL if it is none. Its other
 * side has no columns of the relation.
 */
extern OpExpr *
sqlscan_time_clause(PlannerInfo *root, Index relid, const TsTable *table, Expr *clause);
/*
 * Divides conditions on key columns (a list of expressions) into the plan's lists.
 */
extern void sqlscan_divide_series(PlannerInfo *root, Index relid, const TsTable *table,
								  List *clauses, List **keys, List **values, List **kinds,
								  List **walked, List **judged);

/* Whether a function is one of ours, by the C function it calls. */
extern bool sqlscan_is_c_function(Oid function, const char *symbol);

/* ---- scan_plan.c ---- */

/* A path without parameters that reads a base relation in any order. */
extern CustomPath *
sqlscan_make_path(PlannerInfo *root, RelOptInfo *rel, const TsTable *table);

/* ---- scan_count.c ---- */

extern void sqlscan_count_init(void);

/* ---- refuse_conflict.c ---- */

extern void sqlscan_refuse_init(void);

/* ---- scan_range.c ---- */

typedef struct SqlScanRange SqlScanRange;

extern SqlScanRange *
sqlscan_range_create(const TsTable *table, List *times, PlanState *parent);
/* Evaluates the bounds; false when no time is within them. */
extern bool
sqlscan_range_find(SqlScanRange *range, ExprContext *econtext, int64 *min, int64 *max);

/* ---- scan_index.c ---- */

typedef struct SqlScanIndex SqlScanIndex;

/* Series below `covered` that meet all conditions but those that are unanswered. */
typedef struct SqlScanFound
{
	uint32 covered;
	uint32 *ids; /* ascending; there is room for 64 at least */
	uint32 nids;
	ExprState *unanswered; /* NULL: none are */
} SqlScanFound;

/*
 * For conditions of the walked kind. NULL when the table can have no label index, or an
 * index would answer none of them.
 */
extern SqlScanIndex *sqlscan_index_create(Relation rel, const TsTable *table, Index relid,
										  List *walked, PlanState *parent);
/* Evaluates the conditions; false when nothing is covered. ids are in `context`. */
extern bool sqlscan_index_find(SqlScanIndex *index, ExprContext *econtext,
							   MemoryContext context, SqlScanFound *found);
/* Segments that were used last, and how many series they cover. */
extern int sqlscan_index_segments(const SqlScanIndex *index, uint32 *covered);

/* ---- scan_series.c ---- */

typedef struct SqlScanSeries SqlScanSeries;

/* NULL when there are no conditions on series. */
extern SqlScanSeries *sqlscan_series_create(Relation rel, const TsTable *table,
											const CustomScan *plan, PlanState *parent);
/* Sets which series a scan reads. */
extern void sqlscan_series_choose(SqlScanSeries *series, TsScanSpec *spec);
/* Adds the parameters (ids of PARAM_EXEC) that an expression, or a list of them, has. */
extern bool sqlscan_collect_params(Node *node, Bitmapset **params);
/* Parameters (ids of PARAM_EXEC) have new values. */
extern void sqlscan_series_changed(SqlScanSeries *series, const Bitmapset *params);
/* Series looked at in the dictionary, for EXPLAIN. */
extern uint64 sqlscan_series_looked_at(const SqlScanSeries *series);
/* Segments of the label index that were used, and their series, for EXPLAIN. */
extern int sqlscan_series_segments(const SqlScanSeries *series, uint32 *covered);
extern void sqlscan_series_free(SqlScanSeries *series);

/* ---- scan_order.c ---- */

typedef struct SqlScanSorter SqlScanSorter;

/* ---- scan_parallel.c ---- */

/* What a scan did, for EXPLAIN. */
typedef struct SqlScanCounts
{
	TsScanStats stats;
	uint64 looked_at; /* keys in the dictionary */
	int segments;     /* of the label index, that were used last */
	uint32 covered;   /* series of these */
} SqlScanCounts;

typedef struct SqlScanShare SqlScanShare;

/* ---- scan_exec.c ---- */

typedef struct SqlScan
{
	CustomScanState css; /* must be first */

	const TsTable *table;
	bool *wanted;   /* [natts]: columns that rows need */
	bool counting;  /* none, and not ctid: only the number of rows matters */
	bool refetched; /* rows may be fetched again by TID: they go to the row store */
	SqlScanRange *range;
	SqlScanSeries *series; /* NULL: all of them */
	ExprState *recheck;    /* all that was taken over; NULL unless in EvalPlanQual */
	SqlScanSorter *sorter; /* NULL: rows come in any order */

	TsScan *scan; /* NULL before the first start */
	TsScanSpec spec;
	TsRowFiller *filler;
	bool started;
	bool empty; /* while started: nothing can be found */
	TsBatch batch;
	uint32 next; /* rows of the batch below are taken */
	uint64 position;

	SqlScanShare *share;     /* in a parallel worker: what it reports to */
	SqlScanCounts by_others; /* in the leader: what the workers did that are done */
} SqlScan;

extern const CustomScanMethods sqlscan_plan_methods;
extern const CustomExecMethods sqlscan_exec_methods;

/* The state as the custom scan's, or NULL when it is another one's. */
extern SqlScan *sqlscan_of(PlanState *state);
/* Begins to read, unless it was begun; false when nothing can be found. */
extern bool sqlscan_start(SqlScan *scan);
/* Reads on with another spec. */
extern void sqlscan_restart(SqlScan *scan);
/* The next batch, made ready to fill the scan's slot; false at the end. */
extern bool sqlscan_next_batch(SqlScan *scan);
/* The number of rows, where no filter is left; reads them all. */
extern uint64 sqlscan_count_rows(SqlScan *scan);

/* ---- scan_parallel.c, again ---- */

struct ParallelContext;
struct shm_toc;

extern Size sqlscan_dsm_size(CustomScanState *node, struct ParallelContext *pcxt);
extern void
sqlscan_dsm_init(CustomScanState *node, struct ParallelContext *pcxt, void *place);
extern void
sqlscan_dsm_reset(CustomScanState *node, struct ParallelContext *pcxt, void *place);
extern void sqlscan_worker_init(CustomScanState *node, struct shm_toc *toc, void *place);
extern void sqlscan_shutdown(CustomScanState *node);
/* What the scan did, in all processes that divided it. */
extern void sqlscan_count_all(const SqlScan *scan, SqlScanCounts *counts);

/* ---- scan_order.c, again ---- */

extern SqlScanSorter *sqlscan_sorter_create(SqlScan *scan, SqlScanOrder order, int rows);
/* Puts the next row into the scan's slot; false at the end. */
extern bool sqlscan_sorter_next(SqlScanSorter *sorter);
extern void sqlscan_sorter_restart(SqlScanSorter *sorter);
/* Kilobytes on disk, at most, at one time. */
extern int64 sqlscan_sorter_disk(const SqlScanSorter *sorter);
extern void sqlscan_sorter_free(SqlScanSorter *sorter);

/* ---- scan_explain.c ---- */

extern void
sqlscan_explain(CustomScanState *node, List *ancestors, struct ExplainState *es);

#endif /* SQL_SCAN_H */
