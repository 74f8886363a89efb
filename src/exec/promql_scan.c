/*
 * promql_scan.c
 *	  The custom scan that promql() becomes: its executor node.
 *
 * Arguments are evaluated, and the query is prepared, at the first fetch after the start
 * or a rescan, or when EXPLAIN wants to show it. A query that was run stays until then, since
 * EXPLAIN ANALYZE tells of it.
 *
 * Most scans run once, and then rows are handed out as they come. A scan that is started over
 * with the same arguments is likely to be started over again, as in a subquery of each row:
 * it keeps the rows of its second run, and later runs read these.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/objectaccess.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/tuplestore.h"

#include "promql_rows.h"
#include "sql_scan.h"

typedef struct PromqlScan
{
	CustomScanState css; /* must be first */

	List *args;            /* of ExprState * */
	TupleDesc whole;       /* of whole rows, as the last column; NULL: there are none */
	MemoryContext context; /* emptied when the query is ended */
	MemoryContext row;     /* of whole rows */
	PromqlNotes notes;
	bool prepared;
	PromqlRows *rows; /* NULL while prepared: an argument is null, so there are none */

	Bitmapset *params;       /* of PARAM_EXEC, that arguments depend on */
	Tuplestorestate *stored; /* NULL in the first run */
	bool complete;           /* all rows are stored */
	TupleTableSlot *from;    /* a row that is stored */
} PromqlScan;

static Node *create_state(CustomScan *plan);

const CustomScanMethods promql_scan_methods = {
	.CustomName = "PromQL",
	.CreateCustomScanState = create_state,
};

/* ---- beginning ---- */

static void
check_execute(Oid function)
{
	AclResult result = pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, get_func_name(function));
	InvokeFunctionExecuteHook(function);
}

/* Whole rows have the names that the query gives to the columns. */
static TupleDesc
whole_row_desc(List *scan_tlist, List *names)
{
	TupleDesc desc = CreateTemplateTupleDesc(PROMQL_COLUMNS);

	for (int i = 0; i < PROMQL_COLUMNS; i++)
	{
		Node *column = (Node *) list_nth_node(TargetEntry, scan_tlist, i)->expr;

		TupleDescInitEntry(desc, i + 1, strVal(list_nth(names, i)), exprType(column),
						   exprTypmod(column), 0);
	}
	return BlessTupleDesc(desc);
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	PromqlScan *scan = (PromqlScan *) node;
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);
	List *names = list_nth(plan->custom_private, PROMQL_SCAN_NAMES);

	check_execute(linitial_oid(list_nth(plan->custom_private, PROMQL_SCAN_FUNCTION)));
	scan->args = ExecInitExprList(plan->custom_exprs, &node->ss.ps);
	sqlscan_collect_params((Node *) plan->custom_exprs, &scan->params);
	if (names != NIL)
		scan->whole = whole_row_desc(plan->custom_scan_tlist, names);
	scan->context = AllocSetContextCreate(estate->es_query_cxt, "promql scan",
										  ALLOCSET_SMALL_SIZES);
	scan->row = AllocSetContextCreate(estate->es_query_cxt, "promql whole row",
									  ALLOCSET_SMALL_SIZES);
	scan->notes.context = estate->es_query_cxt;
}

/* ---- the query ---- */

/*
 * Evaluates the arguments and prepares the query. The function is strict: where an argument
 * is null, there are no rows.
 */
static void
prepare(PromqlScan *scan)
{
	PlanState *state = &scan->css.ss.ps;
	ExprContext *econtext = state->ps_ExprContext;
	Datum args[PROMQL_RANGE_ARGS];
	MemoryContext caller;
	ListCell *lc;
	int nargs = 0;

	Assert(!scan->prepared && scan->rows == NULL);
	Assert(list_length(scan->args) <= PROMQL_RANGE_ARGS);
	scan->prepared = true;
	foreach (lc, scan->args)
	{
		bool isnull;

		args[nargs++] = ExecEvalExprSwitchContext(lfirst(lc), econtext, &isnull);
		if (isnull)
			return;
	}
	caller = MemoryContextSwitchTo(scan->context);
	scan->rows = promql_rows_begin(args, nargs, state->state->es_snapshot,
								   state->state->es_instrument != 0, &scan->notes);
	MemoryContextSwitchTo(caller);
	ResetExprContext(econtext);
}

static void
end_query(PromqlScan *scan)
{
	if (scan->rows != NULL)
		promql_rows_end(scan->rows);
	scan->rows = NULL;
	scan->prepared = false;
	MemoryContextReset(scan->context);
}

/* ---- rows ---- */

static Datum
whole_row(PromqlScan *scan, Datum *values, bool *nulls)
{
	MemoryContext caller;
	Datum row;

	MemoryContextReset(scan->row);
	caller = MemoryContextSwitchTo(scan->row);
	row = HeapTupleGetDatum(heap_form_tuple(scan->whole, values, nulls));
	MemoryContextSwitchTo(caller);
	return row;
}

/* Fills the slot with the query's next row; false at the end. */
static bool
next_of_query(PromqlScan *scan, TupleTableSlot *slot)
{
	Datum *values = slot->tts_values;
	bool *nulls = slot->tts_isnull;

	if (!scan->prepared)
		prepare(scan);
	if (scan->rows == NULL || !promql_rows_next(scan->rows, values, nulls))
		return false;
	if (scan->whole != NULL)
	{
		values[PROMQL_COLUMNS] = whole_row(scan, values, nulls);
		nulls[PROMQL_COLUMNS] = false;
	}
	ExecStoreVirtualTuple(slot);
	return true;
}

/* The same with a row that was stored. */
static bool
next_stored(PromqlScan *scan, TupleTableSlot *slot)
{
	int natts = slot->tts_tupleDescriptor->natts;

	if (!tuplestore_gettupleslot(scan->stored, true, false, scan->from))
		return false;
	slot_getallattrs(scan->from);
	memcpy(slot->tts_values, scan->from->tts_values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, scan->from->tts_isnull, sizeof(bool) * natts);
	ExecStoreVirtualTuple(slot);
	return true;
}

/* The access method of ExecScan(). */
static TupleTableSlot *
next_row(ScanState *node)
{
	PromqlScan *scan = (PromqlScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (scan->complete)
		next_stored(scan, slot);
	else if (!next_of_query(scan, slot))
		scan->complete = scan->stored != NULL;
	else if (scan->stored != NULL)
		tuplestore_puttupleslot(scan->stored, slot);
	return slot;
}

/* Statements that check rows anew have a function scan instead. */
static bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	elog(ERROR, "rows of promql() cannot be checked anew");
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, recheck_row);
}

static void
drop_stored(PromqlScan *scan)
{
	if (scan->stored == NULL)
		return;
	ExecClearTuple(scan->from);
	tuplestore_end(scan->stored);
	scan->stored = NULL;
	scan->complete = false;
}

/* Rows are stored from now on. */
static void
begin_storing(PromqlScan *scan)
{
	PlanState *state = &scan->css.ss.ps;
	TupleDesc desc = scan->css.ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	MemoryContext caller = MemoryContextSwitchTo(state->state->es_query_cxt);

	if (scan->from == NULL)
		scan->from = ExecInitExtraTupleSlot(state->state, desc, &TTSOpsMinimalTuple);
	scan->stored = tuplestore_begin_heap(false, false, work_mem);
	MemoryContextSwitchTo(caller);
}

static void
rescan(CustomScanState *node)
{
	PromqlScan *scan = (PromqlScan *) node;
	bool same = !bms_overlap(node->ss.ps.chgParam, scan->params);

	ExecClearTuple(node->ss.ss_ScanTupleSlot);
	if (same && scan->complete)
		tuplestore_rescan(scan->stored);
	else
	{
		bool again = same && scan->prepared;

		end_query(scan);
		drop_stored(scan);
		if (again)
			begin_storing(scan);
	}
	ExecScanReScan(&node->ss);
}

static void
end_scan(CustomScanState *node)
{
	PromqlScan *scan = (PromqlScan *) node;

	ExecClearTuple(node->ss.ss_ScanTupleSlot);
	end_query(scan);
	drop_stored(scan);
}

/* ---- EXPLAIN ---- */

/* What the query is made from, where it is not known yet. */
static void
show_argument(CustomScanState *node, List *ancestors, ExplainState *es)
{
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);
	List *context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan,
											 ancestors);

	ExplainPropertyText(
		"Query",
		deparse_expression(linitial(plan->custom_exprs), context, es->verbose, false),
		es);
}

/* A plan that is only shown, or was never run, is prepared for it. */
static void
explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	PromqlScan *scan = (PromqlScan *) node;

	/* not while arguments wait for what the plan computes */
	if (!scan->prepared && bms_is_empty(scan->params))
		prepare(scan);
	if (scan->rows != NULL)
		pq_explain(promql_rows_query(scan->rows), es);
	else
		show_argument(node, ancestors, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "PromQL",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain,
};

static Node *
create_state(CustomScan *plan)
{
	PromqlScan *scan = (PromqlScan *) newNode(sizeof(PromqlScan), T_CustomScanState);

	scan->css.methods = &exec_methods;
	return (Node *) scan;
}
