/*
 * scan_plan.c
 *	  Paths and plans of the custom scan, and what they cost.
 *
 * A table of ours is read by our custom scan alone: PostgreSQL's own paths are taken away.
 * (A path by TID stays alone: it ends in the error that says what to do.) There are
 *
 * - the path that reads the table in any order,
 * - one in the order of time, if the query asks for that first,
 * - paths that take bounds of time or keys from other relations of a nested loop,
 * - a partial path: the one in any order, divided among parallel workers.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "mytsdb.h"
#include "promql_rows.h"
#include "sql_scan.h"
#include "ts_codec.h"
#include "ts_series.h"

/* What things cost, where a row through PostgreSQL's own scan costs cpu_tuple_cost. */
#define ROW_COST      (0.26 * cpu_tuple_cost) /* a row handed out to filters */
#define DECODE_COST   (0.04 * cpu_tuple_cost) /* a row decoded */
#define CHUNK_COST    (2 * cpu_operator_cost) /* a chunk passed over */
#define SERIES_COST   (0.5 * cpu_tuple_cost)  /* a key looked at in the dictionary */
#define LOOKUP_COST   (2 * cpu_tuple_cost)    /* a key looked up */
#define ROWS_OF_CHUNK 500.0
#define ROWS_OF_GROUP 1000000.0

/* Sets of other relations that parameters may come from. */
#define MAX_OUTERS 10

static set_rel_pathlist_hook_type prev_set_rel_pathlist = NULL;

/* ---- plans ---- */

static List *
time_clauses(PlannerInfo *root, Index relid, const TsTable *table, List *rinfos)
{
	List *clauses = NIL;
	ListCell *lc;

	foreach (lc, rinfos)
	{
		OpExpr *op = sqlscan_time_clause(root, relid, table,
										 lfirst_node(RestrictInfo, lc)->clause);

		Assert(op != NULL);
		clauses = lappend(clauses, op);
	}
	return clauses;
}

static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *rinfos,
		  List *custom_plans)
{
	Relation relation = table_open(planner_rt_fetch(rel->relid, root)->relid, NoLock);
	const TsTable *table = ts_table_get(relation);
	CustomScan *plan = makeNode(CustomScan);
	SqlScanClauses clauses;
	List *keys;
	List *values;
	List *kinds;
	List *walked;
	List *judged;

	sqlscan_sort_clauses(root, rel, table, rinfos, &clauses);
	sqlscan_divide_series(root, rel->relid, table, get_actual_clauses(clauses.series),
						  &keys, &values, &kinds, &walked, &judged);
	plan->scan.scanrelid = rel->relid;
	plan->scan.plan.targetlist = tlist;
	plan->scan.plan.qual = extract_actual_clauses(clauses.filters, false);
	plan->flags = path->flags;
	plan->methods = &sqlscan_plan_methods;
	plan->custom_exprs = list_make5(time_clauses(root, rel->relid, table, clauses.times),
									keys, values, walked, judged);
	plan->custom_private = list_make2(linitial(path->custom_private), kinds);
	table_close(relation, NoLock);
	return &plan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "MytsdbScan",
	.PlanCustomPath = plan_scan,
};

/* ---- costs ---- */

typedef struct Estimate
{
	double rows_read; /* before filters */
	double chunks;    /* whose directory entries are looked at */
	Cost startup;     /* finding the series */
	Cost run;         /* reading everything */
} Estimate;

static void
estimate(PlannerInfo *root, RelOptInfo *rel, const TsTable *table, double series_count,
		 const SqlScanClauses *clauses, Estimate *out)
{
	List *keys;
	List *values;
	List *kinds;
	List *walked;
	List *judged;
	double chunks;
	double decoded;
	QualCost cost;
	Selectivity of_time = clauselist_selectivity(root, clauses->times, (int) rel->relid,
												 JOIN_INNER, NULL);
	Selectivity of_series = clauselist_selectivity(root, clauses->series,
												   (int) rel->relid, JOIN_INNER, NULL);

	out->rows_read = clamp_row_est(rel->tuples * of_time * of_series);
	out->chunks = ceil(rel->tuples * of_time / ROWS_OF_CHUNK);

	/* Of each series that has rows there, a vector of some chunk is decoded at least. */
	chunks = Max(out->rows_read / ROWS_OF_CHUNK,
				 Min(series_count * of_series, rel->tuples / ROWS_OF_CHUNK));
	decoded = Min(rel->tuples, Max(out->rows_read, chunks * TS_CODEC_VECTOR));

	sqlscan_divide_series(root, rel->relid, table, get_actual_clauses(clauses->series),
						  &keys, &values, &kinds, &walked, &judged);
	out->startup = 0;
	if (keys != NIL)
		out->startup += LOOKUP_COST * Max(1, of_series * series_count);
	else if (walked != NIL)
	{
		cost_qual_eval(&cost, walked, root);
		out->startup += cost.startup + series_count * (SERIES_COST + cost.per_tuple);
	}
	if (judged != NIL)
	{
		cost_qual_eval(&cost, judged, root);
		out->startup += cost.startup + series_count * (SERIES_COST + cost.per_tuple);
	}

	cost_qual_eval(&cost, clauses->filters, root);
	out->startup += cost.startup;
	out->run = ceil(rel->pages * of_time * of_series) * seq_page_cost +
			   out->chunks * Min(1, of_series * 10) * CHUNK_COST + decoded * DECODE_COST +
			   out->rows_read * (ROW_COST + cost.per_tuple);
}

/*
 * Adds what sorting by time costs. With few rows to look for, all groups but the first
 * are skipped, and so are most chunks of that.
 */
static void
cost_order(Path *path, const Estimate *estimate, int first_rows)
{
	double groups = Max(1, estimate->rows_read / ROWS_OF_GROUP);
	double group_rows = Max(2, estimate->rows_read / groups);
	Cost compare = 2 * cpu_operator_cost;
	Cost sort = estimate->rows_read * (compare * log2(group_rows) + 2 * ROW_COST);

	if (first_rows > 0)
	{
		path->startup_cost += estimate->chunks / groups * CHUNK_COST +
							  sort / groups / group_rows * first_rows;
	}
	else
		path->startup_cost += (estimate->run + sort) / groups;
	path->total_cost = Max(path->total_cost + sort, path->startup_cost);
}

/* ---- paths ---- */

static CustomPath *
make_path(PlannerInfo *root, RelOptInfo *rel, const TsTable *table, double series_count,
		  Relids outer, PathKey *order, int direction)
{
	CustomPath *path = makeNode(CustomPath);
	ParamPathInfo *param = get_baserel_parampathinfo(root, rel, outer);
	List *rinfos = param ? list_concat_copy(rel->baserestrictinfo, param->ppi_clauses)
						 : rel->baserestrictinfo;
	int first_rows = 0;
	SqlScanClauses clauses;
	Estimate cost;

	sqlscan_sort_clauses(root, rel, table, rinfos, &clauses);
	estimate(root, rel, table, series_count, &clauses, &cost);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.param_info = param;
	path->path.parallel_safe = rel->consider_parallel;
	path->path.rows = param ? param->ppi_rows : rel->rows;
	path->path.startup_cost = cost.startup + rel->reltarget->cost.startup;
	path->path.total_cost = path->path.startup_cost + cost.run +
							path->path.rows * rel->reltarget->cost.per_tuple;
	if (order != NULL)
	{
		if (root->limit_tuples > 0 && root->limit_tuples < PG_INT32_MAX)
			first_rows = (int) root->limit_tuples;
		path->path.pathkeys = list_make1(order);
		cost_order(&path->path, &cost, first_rows);
	}
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_private = list_make1(list_make2_int(direction, first_rows));
	path->methods = &path_methods;
	return path;
}

CustomPath *
sqlscan_make_path(PlannerInfo *root, RelOptInfo *rel, const TsTable *table)
{
	return make_path(root, rel, table, 0, NULL, NULL, SQLSCAN_UNORDERED);
}

/* The first of the pathkeys that the query asks for, if it is the time's. */
static PathKey *
time_pathkey(PlannerInfo *root, RelOptInfo *rel, const TsTable *table)
{
	TypeCacheEntry *type = lookup_type_cache(table->time_type, TYPECACHE_BTREE_OPFAMILY);
	PathKey *key;
	ListCell *lc;

	if (root->query_pathkeys == NIL)
		return NULL;
	key = linitial_node(PathKey, root->query_pathkeys);
	if (key->pk_opfamily != type->btree_opf || key->pk_eclass->ec_has_volatile)
		return NULL;
	foreach (lc, key->pk_eclass->ec_members)
	{
		EquivalenceMember *member = lfirst_node(EquivalenceMember, lc);

		if (bms_equal(member->em_relids, rel->relids) &&
			sqlscan_is_column((Node *) member->em_expr, rel->relid, table->time_column))
			return key;
	}
	return NULL;
}

/* The path in the order of time, where filters give the same answer when asked twice. */
static void
add_ordered_path(PlannerInfo *root, RelOptInfo *rel, const TsTable *table,
				 double series_count)
{
	PathKey *key = time_pathkey(root, rel, table);
	ListCell *lc;

	if (key == NULL)
		return;
	foreach (lc, rel->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (contain_volatile_functions((Node *) rinfo) ||
			contain_subplans((Node *) rinfo->clause))
			return;
	}
	add_path(rel, (Path *) make_path(
					  root, rel, table, series_count, rel->lateral_relids, key,
					  key->pk_strategy == BTLessStrategyNumber ? SQLSCAN_ASCENDING
															   : SQLSCAN_DESCENDING));
}

/* ---- parallel workers ---- */

/*
 * How many workers the scan is worth. The server decides this by the pages of a table; a
 * table of ours has a tenth or less of the pages that a heap has, and as much work in
 * them. So it is asked with the pages that a heap of the rows would have, of which none but
 * those that are read count.
 */
static int
workers_for(RelOptInfo *rel, const Estimate *estimate)
{
	double row = MAXALIGN(SizeofHeapTupleHeader) + sizeof(ItemIdData) +
				 MAXALIGN(rel->reltarget->width);

	return compute_parallel_worker(rel, ceil(estimate->rows_read * row / BLCKSZ), -1,
								   max_parallel_workers_per_gather);
}

/* Processes that divide the work: the leader has less time the more workers it serves. */
static double
count_processes(int workers)
{
	double leader = 1 - 0.3 * workers;

	return parallel_leader_participation && leader > 0 ? workers + leader : workers;
}

/* A row's ctid is its position in the scan: of several scans it would say nothing. */
static bool
uses_ctid(RelOptInfo *rel)
{
	Bitmapset *attrs = NULL;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &attrs);
	pull_varattnos((Node *) get_actual_clauses(rel->baserestrictinfo), rel->relid,
				   &attrs);
	return bms_is_member(
		SelfItemPointerAttributeNumber - FirstLowInvalidHeapAttributeNumber, attrs);
}

/*
 * All processes find the series of the conditions, so what comes before the first row is
 * not divided.
 */
static void
add_partial(PlannerInfo *root, RelOptInfo *rel, const TsTable *table, double series_count)
{
	CustomPath *path;
	SqlScanClauses clauses;
	Estimate cost;
	double processes;
	int workers;

	if (!rel->consider_parallel || !bms_is_empty(rel->lateral_relids) || uses_ctid(rel))
		return;
	sqlscan_sort_clauses(root, rel, table, rel->baserestrictinfo, &clauses);
	estimate(root, rel, table, series_count, &clauses, &cost);
	workers = workers_for(rel, &cost);
	if (workers <= 0)
		return;
	processes = count_processes(workers);
	path = make_path(root, rel, table, series_count, NULL, NULL, SQLSCAN_UNORDERED);
	path->path.parallel_aware = true;
	path->path.parallel_workers = workers;
	path->path.rows = clamp_row_est(path->path.rows / processes);
	path->path.total_cost = path->path.startup_cost +
							(path->path.total_cost - path->path.startup_cost) / processes;
	add_partial_path(rel, &path->path);
}

/* ---- parameters from other relations ---- */

static bool
is_member_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
				 EquivalenceMember *member, void *attnum)
{
	return sqlscan_is_column((Node *) member->em_expr, rel->relid,
							 *(AttrNumber *) attnum);
}

/* Join conditions by which other relations may tell what is to be read. */
static List *
join_clauses(PlannerInfo *root, RelOptInfo *rel, const TsTable *table)
{
	List *rinfos = NIL;
	SqlScanClauses clauses;
	ListCell *lc;

	foreach (lc, rel->joininfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (join_clause_is_movable_to(rinfo, rel))
			rinfos = lappend(rinfos, rinfo);
	}
	if (rel->has_eclass_joins)
	{
		for (int i = -1; i < table->nkeys; i++)
		{
			AttrNumber attnum = i < 0 ? table->time_column : table->keys[i];

			rinfos = list_concat(rinfos, generate_implied_equalities_for_column(
											 root, rel, is_member_column, &attnum,
											 rel->lateral_referencers));
		}
	}
	sqlscan_sort_clauses(root, rel, table, rinfos, &clauses);
	return list_concat(clauses.times, clauses.series);
}

static List *
add_outer(List *outers, Relids outer)
{
	ListCell *lc;

	foreach (lc, outers)
	{
		if (bms_equal(lfirst(lc), outer))
			return outers;
	}
	return list_length(outers) < MAX_OUTERS ? lappend(outers, outer) : outers;
}

static void
add_parameterized_paths(PlannerInfo *root, RelOptInfo *rel, const TsTable *table,
						double series_count)
{
	List *rinfos = join_clauses(root, rel, table);
	List *outers = NIL;
	Relids all = rel->lateral_relids;
	ListCell *lc;

	foreach (lc, rinfos)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		Relids outer = bms_union(bms_difference(rinfo->clause_relids, rel->relids),
								 rel->lateral_relids);

		outers = add_outer(outers, outer);
		all = bms_union(all, outer);
	}
	if (outers != NIL)
		outers = add_outer(outers, all);
	foreach (lc, outers)
		add_path(rel, (Path *) make_path(root, rel, table, series_count, lfirst(lc), NULL,
										 SQLSCAN_UNORDERED));
}

/* ---- hooks ---- */

/* A path that looks rows up by constant TIDs. */
static Path *
find_tid_path(RelOptInfo *rel)
{
	ListCell *lc;

	foreach (lc, rel->pathlist)
	{
		Path *path = lfirst(lc);

		if ((IsA(path, TidPath) || IsA(path, TidRangePath)) && path->param_info == NULL)
			return path;
	}
	return NULL;
}

static void
replace_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	Path *tid_path = find_tid_path(rel);
	Relation relation;
	const TsTable *table;
	double series_count;

	rel->partial_pathlist = NIL;
	if (tid_path != NULL)
	{
		rel->pathlist = list_make1(tid_path);
		return;
	}

	relation = table_open(relid, NoLock);
	table = ts_table_get(relation);
	series_count = ts_series_count(relation, table);
	rel->pathlist = NIL;
	add_path(rel, (Path *) make_path(root, rel, table, series_count, rel->lateral_relids,
									 NULL, SQLSCAN_UNORDERED));
	add_ordered_path(root, rel, table, series_count);
	add_parameterized_paths(root, rel, table, series_count);
	add_partial(root, rel, table, series_count);
	table_close(relation, NoLock);
}

static void
set_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	if (prev_set_rel_pathlist)
		prev_set_rel_pathlist(root, rel, rti, rte);
	if (rte->rtekind == RTE_RELATION && !rte->inh && rte->tablesample == NULL &&
		!IS_DUMMY_REL(rel) && ts_table_oid_is_ours(rte->relid))
		replace_paths(root, rel, rte->relid);
}

static void
install_hooks(void)
{
	RegisterCustomScanMethods(&sqlscan_plan_methods);
	prev_set_rel_pathlist = set_rel_pathlist_hook;
	set_rel_pathlist_hook = set_rel_pathlist;
	sqlscan_count_init();
	sqlscan_refuse_init();
	promql_plan_init();
}

const MytsdbModule scan_module = {
	.name = "mytsdb scan",
	.install_hooks = install_hooks,
};
