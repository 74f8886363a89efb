/*
 * scan_count.c
 *	  count(*) of a whole table or of what conditions on time and series leave of it.
 *
 * The engine knows how many rows chunks have without decoding them, so nothing should pass
 * through the executor row by row. The plan is a node that yields the one row of the
 * aggregates above the scan, which it asks for the number directly.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "sql_scan.h"

typedef struct CountState
{
	CustomScanState css; /* must be first */
	bool done;
} CountState;

/* ---- executing ---- */

static void
begin_count(CustomScanState *node, EState *estate, int eflags)
{
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);
	PlanState *child = ExecInitNode(linitial(plan->custom_plans), estate, eflags);

	if (sqlscan_of(child) == NULL)
		elog(ERROR, "unexpected plan below a count of rows");
	node->custom_ps = list_make1(child);
}

static uint64
count_child(PlanState *child)
{
	uint64 rows;

	if (child->chgParam != NULL)
		ExecReScan(child);
	if (child->instrument)
		InstrStartNode(child->instrument);
	rows = sqlscan_count_rows(sqlscan_of(child));
	if (child->instrument)
		InstrStopNode(child->instrument, (double) rows);
	return rows;
}

/* All columns of the node's row are the same number. */
static TupleTableSlot *
next_count(ScanState *node)
{
	CountState *state = (CountState *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (state->done)
		return slot;
	state->done = true;

	{
		uint64 rows = count_child(linitial(state->css.custom_ps));

		for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		{
			slot->tts_values[i] = Int64GetDatum((int64) rows);
			slot->tts_isnull[i] = false;
		}
	}
	return ExecStoreVirtualTuple(slot);
}

static bool
recheck_count(ScanState *node, TupleTableSlot *slot)
{
	return true;
}

static TupleTableSlot *
exec_count(CustomScanState *node)
{
	return ExecScan(&node->ss, next_count, recheck_count);
}

static void
rescan_count(CustomScanState *node)
{
	PlanState *child = linitial(node->custom_ps);

	((CountState *) node)->done = false;
	ExecScanReScan(&node->ss);
	if (node->ss.ps.chgParam != NULL)
		UpdateChangedParamSet(child, node->ss.ps.chgParam);
	if (child->chgParam == NULL)
		ExecReScan(child);
}

static void
end_count(CustomScanState *node)
{
	ExecEndNode(linitial(node->custom_ps));
}

static const CustomExecMethods exec_methods = {
	.CustomName = "MytsdbCount",
	.BeginCustomScan = begin_count,
	.ExecCustomScan = exec_count,
	.EndCustomScan = end_count,
	.ReScanCustomScan = rescan_count,
};

static Node *
create_state(CustomScan *plan)
{
	CountState *state = (CountState *) newNode(sizeof(CountState), T_CustomScanState);

	state->css.methods = &exec_methods;
	return (Node *) state;
}

static const CustomScanMethods plan_methods = {
	.CustomName = "MytsdbCount",
	.CreateCustomScanState = create_state,
};

/* ---- planning ---- */

static List *
aggregates_of(Node *node)
{
	return pull_var_clause(node, PVC_INCLUDE_AGGREGATES | PVC_INCLUDE_PLACEHOLDERS);
}

static Plan *
plan_count(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist,
		   List *clauses, List *custom_plans)
{
	CustomScan *plan = makeNode(CustomScan);
	List *aggregates = aggregates_of((Node *) tlist);
	ListCell *lc;

	Assert(clauses == NIL);
	foreach (lc, aggregates)
	{
		if (tlist_member(lfirst(lc), plan->custom_scan_tlist) == NULL)
			plan->custom_scan_tlist = add_to_flat_tlist(plan->custom_scan_tlist,
														list_make1(lfirst(lc)));
	}
	plan->scan.plan.targetlist = tlist;
	plan->custom_plans = custom_plans;
	plan->flags = path->flags;
	plan->methods = &plan_methods;
	return &plan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "MytsdbCount",
	.PlanCustomPath = plan_count,
};

/* Whether an expression is a column that is never null. */
static bool
is_never_null(const Node *node, Index relid, Relation rel, const TsTable *table)
{
	for (int i = 0; i < table->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (!att->attisdropped && sqlscan_is_column(node, relid, att->attnum))
			return att->attnotnull || att->attnum == table->time_column;
	}
	return false;
}

/* Whether an aggregate is the number of all rows. */
static bool
is_count(const Node *node, Index relid, Relation rel, const TsTable *table)
{
	const Aggref *aggregate = (const Aggref *) node;

	if (!IsA(node, Aggref) || aggregate->aggfilter != NULL ||
		aggregate->aggdistinct != NIL || aggregate->agglevelsup != 0 ||
		aggregate->aggsplit != AGGSPLIT_SIMPLE)
		return false;
	if (aggregate->aggfnoid == F_COUNT_)
		return true;
	return aggregate->aggfnoid == F_COUNT_ANY &&
		   is_never_null((Node *) linitial_node(TargetEntry, aggregate->args)->expr,
						 relid, rel, table);
}

static bool
are_counts(List *aggregates, Index relid, Relation rel, const TsTable *table)
{
	ListCell *lc;

	foreach (lc, aggregates)
	{
		if (!is_count(lfirst(lc), relid, rel, table))
			return false;
	}
	return aggregates != NIL;
}

/* Whether what is aggregated is simply the rows of one table of ours. */
static bool
is_plain_count(PlannerInfo *root, RelOptInfo *input, GroupPathExtraData *extra)
{
	const Query *parse = root->parse;
	RangeTblEntry *rte;

	if (!parse->hasAggs || parse->groupClause != NIL || parse->groupingSets != NIL ||
		parse->hasTargetSRFs || root->hasHavingQual || extra->havingQual != NULL ||
		root->hasPseudoConstantQuals || input->reloptkind != RELOPT_BASEREL ||
		IS_DUMMY_REL(input) || !bms_is_empty(input->lateral_relids))
		return false;
	rte = planner_rt_fetch(input->relid, root);
	return rte->rtekind == RTE_RELATION && !rte->inh && rte->tablesample == NULL &&
		   ts_table_oid_is_ours(rte->relid);
}

static void
add_count_path(PlannerInfo *root, RelOptInfo *input, RelOptInfo *grouped)
{
	Relation rel = table_open(planner_rt_fetch(input->relid, root)->relid, NoLock);
	const TsTable *table = ts_table_get(rel);
	SqlScanClauses clauses;

	sqlscan_sort_clauses(root, input, table, input->baserestrictinfo, &clauses);
	if (clauses.filters == NIL &&
		are_counts(aggregates_of((Node *) grouped->reltarget->exprs), input->relid, rel,
				   table))
	{
		CustomPath *child = sqlscan_make_path(root, input, table);
		CustomPath *path = makeNode(CustomPath);

		/* Of the scan's cost, only that of finding chunks and counting their rows. */
		child->path.pathtarget = create_empty_pathtarget();
		child->path.total_cost = child->path.startup_cost +
								 (child->path.total_cost - child->path.startup_cost) / 50;
		path->path.pathtype = T_CustomScan;
		path->path.parent = grouped;
		path->path.pathtarget = grouped->reltarget;
		path->path.parallel_safe = grouped->consider_parallel &&
								   child->path.parallel_safe;
		path->path.rows = 1;
		path->path.startup_cost = child->path.total_cost +
								  grouped->reltarget->cost.startup;
		path->path.total_cost = path->path.startup_cost + cpu_tuple_cost +
								grouped->reltarget->cost.per_tuple;
		path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
		path->custom_paths = list_make1(child);
		path->methods = &path_methods;
		add_path(grouped, &path->path);
	}
	table_close(rel, NoLock);
}

static create_upper_paths_hook_type prev_create_upper_paths = NULL;

static void
create_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
				   RelOptInfo *output, void *extra)
{
	if (prev_create_upper_paths)
		prev_create_upper_paths(root, stage, input, output, extra);
	if (stage == UPPERREL_GROUP_AGG && is_plain_count(root, input, extra))
		add_count_path(root, input, output);
}

void
sqlscan_count_init(void)
{
	RegisterCustomScanMethods(&plan_methods);
	prev_create_upper_paths = create_upper_paths_hook;
	create_upper_paths_hook = create_upper_paths;
}
