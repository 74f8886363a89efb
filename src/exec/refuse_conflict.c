/*
 * refuse_conflict.c
 *	  ON CONFLICT on tables USING mytsdb is refused when the statement is planned.
 *
 * There are no unique indexes, so PostgreSQL would take ON CONFLICT DO NOTHING without a
 * target for a plain INSERT, and let rows in that the statement's author meant to keep
 * out; with a target it would complain of a missing index, which nobody can make.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "sql_scan.h"

static planner_hook_type prev_planner = NULL;

static void refuse(Oid relid) pg_attribute_noreturn();

static void
refuse(Oid relid)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("ON CONFLICT is not supported on tables USING mytsdb"),
					errdetail("\"%s\" is such a table.", get_rel_name(relid)),
					errhint("Use WITH (mytsdb.duplicates = 'replace'): of rows of the "
							"same series and time, the last one stays.")));
}

static void
check_target(Oid relid)
{
	ListCell *lc;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
	{
		if (ts_table_oid_is_ours(relid))
			refuse(relid);
		return;
	}
	foreach (lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		if (ts_table_oid_is_ours(lfirst_oid(lc)))
			refuse(lfirst_oid(lc));
	}
}

/* Statements with ON CONFLICT are at the top, or in WITH at the top. */
static void
check_query(const Query *query)
{
	ListCell *lc;

	if (query->onConflict != NULL)
		check_target(rt_fetch(query->resultRelation, query->rtable)->relid);
	if (!query->hasModifyingCTE)
		return;
	foreach (lc, query->cteList)
	{
		const Node *cte = lfirst_node(CommonTableExpr, lc)->ctequery;

		if (IsA(cte, Query))
			check_query((const Query *) cte);
	}
}

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo params)
{
	check_query(query);
	if (prev_planner)
		return prev_planner(query, text, options, params);
	return standard_planner(query, text, options, params);
}

void
sqlscan_refuse_init(void)
{
	prev_planner = planner_hook;
	planner_hook = plan;
}
