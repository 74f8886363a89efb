/*
 * ddl_create.c
 *	  CREATE TABLE, CREATE TABLE AS and CREATE MATERIALIZED VIEW with options of ours.
 *
 * The server refuses options in namespaces it does not know. So they are taken out of the
 * statement before it runs, are pending (ts_options_set_pending) while it runs, since
 * CREATE TABLE AS already writes rows, and are written to pg_class when it has run, or
 * before another utility statement runs within it: one of an event trigger, for example,
 * may change the options. Then the time column, if it was inferred, is written down, too:
 * a later ALTER TABLE must not change which one it is.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "ddl.h"
#include "ts_table.h"
#include "ts_workers.h"

#define AM_NAME "mytsdb"

DdlCreation *ddl_creation = NULL;

/* Also without a word of it: in the schema pg_temp, by name or by search_path. */
static bool
is_temporary(RangeVar *name)
{
	return name->relpersistence == RELPERSISTENCE_TEMP ||
		   isTempNamespace(RangeVarGetCreationNamespace(name));
}

/*
 * Whether the statement makes a table of ours. Where only the default says so, temporary
 * and unlogged tables become heap tables, as we have none of these.
 */
static bool
creates_ours(RangeVar *name, char **access_method)
{
	if (*access_method != NULL)
		return strcmp(*access_method, AM_NAME) == 0;
	if (strcmp(default_table_access_method, AM_NAME) != 0)
		return false;
	if (is_temporary(name) || name->relpersistence == RELPERSISTENCE_UNLOGGED)
	{
		*access_method = pstrdup(DEFAULT_TABLE_ACCESS_METHOD);
		return false;
	}
	return true;
}

static void
refuse_options(List *options, const RangeVar *name)
{
	if (options == NIL)
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("option \"mytsdb.%s\" is for tables USING mytsdb",
						   linitial_node(DefElem, options)->defname),
					errdetail("Relation \"%s\" is not one.", name->relname)));
}

static DdlCreation *
begin(RangeVar *name, char **access_method, List **options)
{
	List *ours = ddl_take_options(options);
	DdlCreation *creation;
	TsOptions parsed;

	if (!creates_ours(name, access_method))
	{
		refuse_options(ours, name);
		return NULL;
	}
	ddl_refuse_bare_options(*options);
	creation = palloc0(sizeof(*creation));
	creation->name = name->relname;
	creation->reloptions = ddl_merge_options((Datum) 0, ours, false);
	ts_options_parse(creation->reloptions, &parsed); /* errors come early */
	creation->outer = ddl_creation;
	return creation;
}

CreateTableAsStmt *
ddl_create_as(Node *stmt)
{
	if (IsA(stmt, ExplainStmt))
	{
		Query *query = castNode(Query, ((ExplainStmt *) stmt)->query);

		if (query->commandType != CMD_UTILITY)
			return NULL;
		stmt = query->utilityStmt;
	}
	return IsA(stmt, CreateTableAsStmt) ? (CreateTableAsStmt *) stmt : NULL;
}

DdlCreation *
ddl_begin_create(Node *node)
{
	DdlCreation *creation;
	CreateTableAsStmt *create_as = ddl_create_as(node);

	if (IsA(node, CreateStmt))
	{
		CreateStmt *stmt = (CreateStmt *) node;

		if (stmt->partspec != NULL)
		{
			/* it has no storage; its partitions choose for themselves */
			refuse_options(ddl_take_options(&stmt->options), stmt->relation);
			return NULL;
		}
		creation = begin(stmt->relation, &stmt->accessMethod, &stmt->options);
		if (creation != NULL)
			ddl_refuse_in_create(stmt);
		return creation;
	}
	if (create_as != NULL)
	{
		IntoClause *into = create_as->into;

		return begin(into->rel, &into->accessMethod, &into->options);
	}
	return NULL;
}

void
ddl_relation_made(Oid relid)
{
	DdlCreation *creation = ddl_creation;

	if (creation == NULL || OidIsValid(creation->relid))
		return;
	creation->relid = relid;
	ts_options_set_pending(relid, creation->reloptions);
}

void
ddl_leave_creation(DdlCreation *outer)
{
	ddl_creation = outer;
	if (outer != NULL && OidIsValid(outer->relid) &&
		outer->settled == InvalidSubTransactionId)
		ts_options_set_pending(outer->relid, outer->reloptions);
	else
		ts_options_set_pending(InvalidOid, (Datum) 0);
}

/*
 * What was settled within a subtransaction that is rolled back is to be settled again. The
 * statements that ran in it have ended, so the innermost creation is again the one that
 * was when it began.
 */
static void
on_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
				  void *arg)
{
	if (ddl_creation == NULL ||
		(event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB))
		return;
	for (DdlCreation *creation = ddl_creation; creation != NULL;
		 creation = creation->outer)
	{
		if (creation->settled == subid)
			creation->settled = event == SUBXACT_EVENT_COMMIT_SUB
									? parent
									: InvalidSubTransactionId;
	}
	if (event == SUBXACT_EVENT_ABORT_SUB)
		ddl_leave_creation(ddl_creation);
}

void
ddl_create_install(void)
{
	RegisterSubXactCallback(on_subtransaction, NULL);
}

void
ddl_settle_creation(DdlCreation *creation)
{
	Relation rel;
	TsOptions options;
	TsKeyColumns columns;
	Datum reloptions = creation->reloptions;

	if (creation->settled != InvalidSubTransactionId || !OidIsValid(creation->relid))
		return; /* IF NOT EXISTS, and it does; or a mere EXPLAIN */
	ts_workers_wake_at_commit();

	rel = relation_open(creation->relid, NoLock);
	ts_options_parse(reloptions, &options);
	ts_options_resolve(&options, RelationGetDescr(rel), &columns);
	relation_close(rel, NoLock);

	if (options.time_column == NULL)
	{
		char *name = ddl_column_names(creation->relid, &columns.time_column, 1);

		reloptions = ddl_merge_options(
			reloptions, list_make1(ddl_option("time_column", name)), false);
	}
	ddl_set_reloptions(
		creation->relid,
		ddl_concat_options(ddl_get_reloptions(creation->relid), reloptions));
	creation->settled = GetCurrentSubTransactionId();
	ts_options_set_pending(InvalidOid, (Datum) 0);
}
