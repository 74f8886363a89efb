/*
 * promql_plan.c
 *	  Makes a custom scan of promql() in FROM.
 *
 * A call whose arguments have no columns and are not volatile is read by our scan instead
 * of the server's function scan: rows stream, a LIMIT stops the query, and EXPLAIN shows
 * its operators. All else (ROWS FROM, WITH ORDINALITY, and statements that may have to
 * check a row anew) stays a function scan.
 */
#include "postgres.h"

#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"

#include "promql_rows.h"

static set_rel_pathlist_hook_type prev_set_rel_pathlist = NULL;

/* The one call that a range table entry is; NULL if it is anything else. */
static FuncExpr *
call_of(const RangeTblEntry *rte)
{
	Node *call;

	if (rte->rtekind != RTE_FUNCTION || rte->funcordinality ||
		list_length(rte->functions) != 1)
		return NULL;
	call = linitial_node(RangeTblFunction, rte->functions)->funcexpr;
	return IsA(call, FuncExpr) ? (FuncExpr *) call : NULL;
}

/* ---- the plan ---- */

static bool
has_whole_rows(RelOptInfo *rel)
{
	Bitmapset *attrs = NULL;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &attrs);
	pull_varattnos((Node *) get_actual_clauses(rel->baserestrictinfo), rel->relid,
				   &attrs);
	return bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, attrs);
}

/* What the scan's tuples hold: the columns and, if somebody wants it, the row itself. */
static List *
scan_tlist(RangeTblEntry *rte, FuncExpr *call, Index relid, bool whole_rows)
{
	TupleDesc desc = get_expr_result_tupdesc((Node *) call, false);
	List *tlist = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		Var *var = makeVar(relid, i + 1, column->atttypid, column->atttypmod,
						   column->attcollation, 0);

		tlist = lappend(tlist, makeTargetEntry((Expr *) var, i + 1, NULL, false));
	}
	if (whole_rows)
		tlist = lappend(tlist,
						makeTargetEntry((Expr *) makeWholeRowVar(rte, relid, 0, false),
										desc->natts + 1, NULL, false));
	return tlist;
}

static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *rinfos,
		  List *custom_plans)
{
	RangeTblEntry *rte = planner_rt_fetch(rel->relid, root);
	FuncExpr *call = call_of(rte);
	CustomScan *plan = makeNode(CustomScan);
	bool whole_rows = has_whole_rows(rel);

	Assert(call != NULL);
	plan->scan.plan.targetlist = tlist;
	plan->scan.plan.qual = extract_actual_clauses(rinfos, false);
	plan->flags = path->flags;
	plan->methods = &promql_scan_methods;
	plan->custom_exprs = copyObject(call->args);
	plan->custom_scan_tlist = scan_tlist(rte, call, rel->relid, whole_rows);
	plan->custom_private = list_make2(list_make1_oid(call->funcid),
									  whole_rows ? copyObject(rte->eref->colnames) : NIL);
	return &plan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "PromQL",
	.PlanCustomPath = plan_scan,
};

/* ---- the path ---- */

/* Most of a query's work may be done before it gives its first row. */
static void
cost_scan(PlannerInfo *root, RelOptInfo *rel, FuncExpr *call, Path *path)
{
	QualCost of_call;
	QualCost of_filters;

	cost_qual_eval_node(&of_call, (Node *) call, root);
	cost_qual_eval(&of_filters, get_actual_clauses(rel->baserestrictinfo), root);
	path->rows = rel->rows;
	path->startup_cost = of_call.startup + of_call.per_tuple + of_filters.startup +
						 rel->reltarget->cost.startup;
	path->total_cost = path->startup_cost +
					   rel->tuples * (cpu_tuple_cost + of_filters.per_tuple) +
					   rel->rows * rel->reltarget->cost.per_tuple;
}

static void
replace_path(PlannerInfo *root, RelOptInfo *rel, FuncExpr *call)
{
	CustomPath *path = makeNode(CustomPath);

	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->methods = &path_methods;
	cost_scan(root, rel, call, &path->path);
	rel->pathlist = NIL;
	rel->partial_pathlist = NIL;
	add_path(rel, &path->path);
}

/*
 * Whether the arguments may be evaluated whenever the scan starts. A function scan keeps
 * what volatile ones gave the first time.
 */
static bool
is_plannable(PlannerInfo *root, RelOptInfo *rel, FuncExpr *call)
{
	Node *args = (Node *) call->args;

	return root->rowMarks == NIL && bms_is_empty(rel->lateral_relids) &&
		   !contain_var_clause(args) && !contain_volatile_functions(args) &&
		   !contain_subplans(args) && !expression_returns_set(args);
}

static void
set_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	FuncExpr *call;

	if (prev_set_rel_pathlist)
		prev_set_rel_pathlist(root, rel, rti, rte);
	call = call_of(rte);
	if (call != NULL && promql_is_function(call->funcid) && !IS_DUMMY_REL(rel) &&
		is_plannable(root, rel, call))
		replace_path(root, rel, call);
}

void
promql_plan_init(void)
{
	RegisterCustomScanMethods(&promql_scan_methods);
	prev_set_rel_pathlist = set_rel_pathlist_hook;
	set_rel_pathlist_hook = set_rel_pathlist;
}
