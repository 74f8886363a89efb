/*
 * scan_exec.c
 *	  The custom scan's executor node.
 *
 * What is read (range of time, series) is found out at the first fetch after the start
 * and after each rescan, so that EXPLAIN costs nothing, and parameters have their values.
 * The engine's scan is begun once and started over for rescans: what it sees is fixed at
 * the very first fetch.
 *
 * Rows come from batches straight into the scan's slot, only with the columns that are
 * needed. Where none is, the engine only counts, and rows without anything are handed out.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "sql_scan.h"

static Node *create_state(CustomScan *plan);

const CustomScanMethods sqlscan_plan_methods = {
	.CustomName = "MytsdbScan",
	.CreateCustomScanState = create_state,
};

static Node *
create_state(CustomScan *plan)
{
	SqlScan *scan = (SqlScan *) newNode(sizeof(SqlScan), T_CustomScanState);

	scan->css.methods = &sqlscan_exec_methods;
	return (Node *) scan;
}

SqlScan *
sqlscan_of(PlanState *state)
{
	if (IsA(state, CustomScanState) &&
		((CustomScanState *) state)->methods == &sqlscan_exec_methods)
		return (SqlScan *) state;
	return NULL;
}

/* ---- beginning ---- */

/* Marks the columns that expressions need. True if any is, or the ctid. */
static bool
mark_columns(SqlScan *scan, const void *exprs, Index relid)
{
	Bitmapset *attrs = NULL;
	bool found = false;
	int attr = -1;

	pull_varattnos((Node *) exprs, relid, &attrs);
	while ((attr = bms_next_member(attrs, attr)) >= 0)
	{
		int attnum = attr + FirstLowInvalidHeapAttributeNumber;

		if (attnum == 0)
			memset(scan->wanted, true, scan->table->natts);
		else if (attnum > 0)
			scan->wanted[attnum - 1] = true;
		found |= attnum != TableOidAttributeNumber;
	}
	bms_free(attrs);
	return found;
}

static void
find_columns(SqlScan *scan, const CustomScan *plan)
{
	Index relid = plan->scan.scanrelid;
	bool needed;

	scan->wanted = palloc0(sizeof(bool) * Max(scan->table->natts, 1));
	needed = mark_columns(scan, plan->scan.plan.targetlist, relid);
	needed |= mark_columns(scan, plan->scan.plan.qual, relid);
	/* A row that is fetched again is checked anew. */
	if (scan->refetched)
		mark_columns(scan, plan->custom_exprs, relid);
	scan->counting = !needed && !scan->refetched;
}

static ExprState *
init_recheck(const CustomScan *plan, PlanState *parent)
{
	List *conditions = NIL;

	for (int list = 0; list < SQLSCAN_EXPRS; list++)
	{
		if (list != SQLSCAN_VALUES)
			conditions = list_concat(conditions, list_nth(plan->custom_exprs, list));
	}
	return ExecInitQual(conditions, parent);
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	SqlScan *scan = (SqlScan *) node;
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);
	Relation rel = node->ss.ss_currentRelation;
	List *output = list_nth(plan->custom_private, SQLSCAN_OUTPUT);
	SqlScanOrder order = linitial_int(output);

	scan->table = ts_table_get(rel);
	scan->refetched = ts_row_store_wanted(estate->es_plannedstmt, RelationGetRelid(rel));
	find_columns(scan, plan);
	scan->range = sqlscan_range_create(
		scan->table, list_nth(plan->custom_exprs, SQLSCAN_TIMES), &node->ss.ps);
	scan->series = sqlscan_series_create(rel, scan->table, plan, &node->ss.ps);
	if (estate->es_epq_active != NULL)
		scan->recheck = init_recheck(plan, &node->ss.ps);
	if (order != SQLSCAN_UNORDERED)
		scan->sorter = sqlscan_sorter_create(scan, order, lsecond_int(output));

	scan->spec.wanted = scan->wanted;
	scan->spec.count_only = scan->counting;
	scan->spec.newest_first = order == SQLSCAN_DESCENDING;
	scan->spec.numbers = scan->sorter != NULL;
}

/* ---- reading ---- */

void
sqlscan_restart(SqlScan *scan)
{
	EState *estate = scan->css.ss.ps.state;
	Relation rel = scan->css.ss.ss_currentRelation;

	scan->batch.n = 0;
	scan->next = 0;
	if (scan->scan == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(estate->es_query_cxt);

		scan->scan = ts_scan_begin(rel, estate->es_snapshot, &scan->spec);
		scan->filler = ts_filler_create(rel, scan->table, scan->wanted);
		MemoryContextSwitchTo(caller);
	}
	else
		ts_scan_rescan(scan->scan, &scan->spec);
	pgstat_count_heap_scan(rel);
}

bool
sqlscan_start(SqlScan *scan)
{
	ExprContext *econtext = scan->css.ss.ps.ps_ExprContext;

	if (scan->started)
		return !scan->empty;

	scan->started = true;
	scan->empty = !sqlscan_range_find(scan->range, econtext, &scan->spec.time_min,
									  &scan->spec.time_max);
	ResetExprContext(econtext);
	if (!scan->empty && scan->series != NULL)
	{
		ts_scan_admit(scan->css.ss.ss_currentRelation, scan->table,
					  scan->css.ss.ps.state->es_snapshot);
		sqlscan_series_choose(scan->series, &scan->spec);
		scan->empty = scan->spec.series != NULL && scan->spec.nseries == 0;
	}
	if (!scan->empty)
		sqlscan_restart(scan);
	return !scan->empty;
}

bool
sqlscan_next_batch(SqlScan *scan)
{
	TupleTableSlot *slot = scan->css.ss.ss_ScanTupleSlot;
	Relation rel = scan->css.ss.ss_currentRelation;

	scan->next = 0;
	scan->batch.n = 0;
	if (!sqlscan_start(scan) || !ts_scan_next(scan->scan, &scan->batch))
	{
		scan->batch.n = 0;
		ExecClearTuple(slot);
		return false;
	}
	if (scan->counting)
	{
		ExecStoreAllNullTuple(slot);
		slot->tts_tableOid = RelationGetRelid(rel);
	}
	else
		ts_filler_begin(scan->filler, &scan->batch, slot);
	if (pgstat_should_count_relation(rel))
		rel->pgstat_info->t_counts.t_tuples_returned += scan->batch.n;
	return true;
}

uint64
sqlscan_count_rows(SqlScan *scan)
{
	uint64 rows = 0;

	Assert(scan->css.ss.ps.qual == NULL);
	while (sqlscan_next_batch(scan))
		rows += scan->batch.n;
	return rows;
}

/* Gives the row in the scan's slot a TID. */
static inline void
set_tid(SqlScan *scan, TupleTableSlot *slot)
{
	if (unlikely(scan->refetched))
		ts_row_store_put(scan->css.ss.ss_currentRelation, slot);
	else
		ts_tid_of_position(&slot->tts_tid, scan->position++);
}

/* The access method of ExecScan(). */
static TupleTableSlot *
next_row(ScanState *node)
{
	SqlScan *scan = (SqlScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;

	if (unlikely(scan->next >= scan->batch.n))
	{
		do
		{
			CHECK_FOR_INTERRUPTS();
			if (!sqlscan_next_batch(scan))
				return slot;
		} while (scan->batch.n == 0);
	}
	if (scan->counting)
		scan->next++;
	else
	{
		ts_filler_row(scan->filler, scan->next++);
		set_tid(scan, slot);
	}
	return slot;
}

/* The same where rows are sorted by time. */
static TupleTableSlot *
next_sorted_row(ScanState *node)
{
	SqlScan *scan = (SqlScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;

	if (sqlscan_sorter_next(scan->sorter))
		set_tid(scan, slot);
	else
		ExecClearTuple(slot);
	return slot;
}

static bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	SqlScan *scan = (SqlScan *) node;
	ExprContext *econtext = node->ps.ps_ExprContext;

	econtext->ecxt_scantuple = slot;
	return ExecQualAndReset(scan->recheck, econtext);
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	SqlScan *scan = (SqlScan *) node;

	return ExecScan(&node->ss, scan->sorter != NULL ? next_sorted_row : next_row,
					recheck_row);
}

/* ---- starting over, ending ---- */

static void
rescan(CustomScanState *node)
{
	SqlScan *scan = (SqlScan *) node;

	if (scan->series != NULL)
		sqlscan_series_changed(scan->series, node->ss.ps.chgParam);
	if (scan->sorter != NULL)
		sqlscan_sorter_restart(scan->sorter);
	scan->started = false;
	scan->batch.n = 0;
	scan->next = 0;
	ExecScanReScan(&node->ss);
}

static void
end_scan(CustomScanState *node)
{
	SqlScan *scan = (SqlScan *) node;

	ExecClearTuple(node->ss.ss_ScanTupleSlot);
	if (scan->sorter != NULL)
		sqlscan_sorter_free(scan->sorter);
	if (scan->scan != NULL)
	{
		ts_filler_free(scan->filler);
		ts_scan_end(scan->scan);
	}
	if (scan->series != NULL)
		sqlscan_series_free(scan->series);
}

const CustomExecMethods sqlscan_exec_methods = {
	.CustomName = "MytsdbScan",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = sqlscan_dsm_size,
	.InitializeDSMCustomScan = sqlscan_dsm_init,
	.ReInitializeDSMCustomScan = sqlscan_dsm_reset,
	.InitializeWorkerCustomScan = sqlscan_worker_init,
	.ShutdownCustomScan = sqlscan_shutdown,
	.ExplainCustomScan = sqlscan_explain,
};
