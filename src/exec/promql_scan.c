/*
 * promql_scan.c
 *	  The custom scan that promql() becomes: its executor node.
 *
 * Arguments are evaluated, and the query is prepared, at the first fetch after the start
 * and after each rescan, or when EXPLAIN wants to show it. A query that was run stays until
 * then, since EXPLAIN ANALYZE tells of it.
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

#include "promql_rows.h"

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

/* The access method of ExecScan(). */
static TupleTableSlot *
next_row(ScanState *node)
{
	PromqlScan *scan = (PromqlScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	Datum *values = slot->tts_values;
	bool *nulls = slot->tts_isnull;

	ExecClearTuple(slot);
	if (!scan->prepared)
		prepare(scan);
	if (scan->rows == NULL || !promql_rows_next(scan->rows, values, nulls))
		return slot;
	if (scan->whole != NULL)
	{
		values[PROMQL_COLUMNS] = whole_row(scan, values, nulls);
		nulls[PROMQL_COLUMNS] = false;
	}
	return ExecStoreVirtualTuple(slot);
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
rescan(CustomScanState *node)
{
	end_query((PromqlScan *) node);
	ExecScanReScan(&node->ss);
}

static void
end_scan(CustomScanState *node)
{
	ExecClearTuple(node->ss.ss_ScanTupleSlot);
	end_query((PromqlScan *) node);
}

/* ---- EXPLAIN ---- */

/* Whether the arguments have values before the plan runs: not those that it computes. */
static bool
is_computed(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		return true;
	return expression_tree_walker(node, is_computed, context);
}

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
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);

	if (!scan->prepared && !is_computed((Node *) plan->custom_exprs, NULL))
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
