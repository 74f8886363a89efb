/*
 * ddl_hook.c
 *	  The hook through which utility statements come by.
 *
 * Every utility statement but those that cannot matter first appends the private buffers:
 * what follows may look at the table's file, change its columns, or replace its storage.
 * Statements that we change are copied first, as they may belong to a cached plan.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "nodes/nodes.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "ddl.h"
#include "mytsdb.h"
#include "ts_buffer.h"
#include "ts_pages.h"
#include "ts_shared.h"
#include "ts_table.h"
#include "ts_workers.h"

static ProcessUtility_hook_type prev_process_utility = NULL;

/* Whether a statement leaves tables and their files alone. */
static bool
cannot_matter(Node *stmt)
{
	if (ddl_create_as(stmt) != NULL)
		return false;
	switch (nodeTag(stmt))
	{
		case T_TransactionStmt:
		case T_VariableSetStmt:
		case T_VariableShowStmt:
		case T_FetchStmt:
		case T_ClosePortalStmt:
		case T_DeclareCursorStmt:
		case T_PrepareStmt:
		case T_ExecuteStmt:
		case T_DeallocateStmt:
		case T_ExplainStmt:
		case T_DoStmt: /* what is in them comes by here, too */
		case T_CallStmt:
			return true;
		default:
			return false;
	}
}

static const DefElem *
find_option(List *options, const char *name)
{
	ListCell *lc;

	foreach (lc, options)
	{
		const DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return option;
	}
	return NULL;
}

/* The database that a statement wants nobody to be connected to, or NULL. */
static const char *
database_to_leave(Node *stmt)
{
	if (IsA(stmt, DropdbStmt))
		return ((DropdbStmt *) stmt)->dbname;
	if (IsA(stmt, RenameStmt) && ((RenameStmt *) stmt)->renameType == OBJECT_DATABASE)
		return ((RenameStmt *) stmt)->subname;
	if (IsA(stmt, AlterDatabaseStmt) &&
		find_option(((AlterDatabaseStmt *) stmt)->options, "tablespace") != NULL)
		return ((AlterDatabaseStmt *) stmt)->dbname;
	if (IsA(stmt, CreatedbStmt))
	{
		const DefElem *template = find_option(((CreatedbStmt *) stmt)->options,
											  "template");

		return template ? defGetString((DefElem *) template) : "template1";
	}
	return NULL;
}

static bool
may_create_databases(void)
{
	HeapTuple tuple;
	bool may = superuser();

	if (may)
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return may;
}

/* As CREATE DATABASE has it. */
static bool
may_copy_database(Oid database)
{
	HeapTuple tuple;
	bool template = false;

	if (!may_create_databases())
		return false;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}
	return template || pg_database_ownercheck(database, GetUserId());
}

/*
 * Dropping, copying, moving or renaming a database wants nobody connected to it: our
 * worker leaves, and comes back later. Not for those whom the server will refuse.
 */
static void
send_workers_away(Node *stmt)
{
	const char *name = database_to_leave(stmt);
	Oid database;

	if (name == NULL)
		return;
	database = get_database_oid(name, true);
	if (OidIsValid(database) &&
		(IsA(stmt, CreatedbStmt) ? may_copy_database(database)
								 : pg_database_ownercheck(database, GetUserId())))
	{
		ts_workers_leave(database);
		if (IsA(stmt, DropdbStmt) || IsA(stmt, AlterDatabaseStmt))
		{
			ts_shared_forget_database(database);
			ts_free_lists_forget(database);
		}
	}
}

static bool
changes_statement(Node *stmt)
{
	return IsA(stmt, CreateStmt) || IsA(stmt, AlterTableStmt) ||
		   ddl_create_as(stmt) != NULL;
}

static void
run(PlannedStmt *pstmt, const char *query, bool read_only_tree,
	ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *env,
	DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_process_utility)
		prev_process_utility(pstmt, query, read_only_tree, context, params, env, dest,
							 qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, env, dest,
								qc);
}

/* Runs the statement while what it creates, if anything, is known. */
static void
run_creating(DdlCreation *creation, PlannedStmt *pstmt, const char *query,
			 bool read_only_tree, ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	DdlCreation *const outer = ddl_creation;

	PG_TRY();
	{
		ddl_creation = creation;
		run(pstmt, query, read_only_tree, context, params, env, dest, qc);
		if (creation != NULL)
			ddl_settle_creation(creation);
	}
	PG_CATCH();
	{
		ddl_leave_creation(outer);
		PG_RE_THROW();
	}
	PG_END_TRY();
	ddl_leave_creation(outer);
}

static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	DdlCreation *creation;
	List *renamed = NIL;
	Node *stmt;

	if (cannot_matter(pstmt->utilityStmt) || IsAbortedTransactionBlockState())
	{
		run(pstmt, query, read_only_tree, context, params, env, dest, qc);
		return;
	}
	ts_buffer_flush();
	if (ddl_creation != NULL)
		ddl_settle_creation(ddl_creation);
	send_workers_away(pstmt->utilityStmt);

	if (read_only_tree && changes_statement(pstmt->utilityStmt))
	{
		pstmt = copyObject(pstmt);
		read_only_tree = false;
	}
	stmt = pstmt->utilityStmt;
	ddl_refuse(stmt);
	if (IsA(stmt, RenameStmt) || IsA(stmt, AlterObjectSchemaStmt))
		ddl_store_refuse_rename(stmt);
	if (IsA(stmt, AlterTableStmt))
	{
		ddl_store_before_alter((AlterTableStmt *) stmt);
		ddl_before_alter((AlterTableStmt *) stmt);
	}
	else if (IsA(stmt, RenameStmt))
		renamed = ddl_before_rename((RenameStmt *) stmt);
	creation = ddl_begin_create(stmt);

	run_creating(creation, pstmt, query, read_only_tree, context, params, env, dest, qc);

	if (IsA(stmt, AlterTableStmt))
		ddl_after_alter((AlterTableStmt *) stmt);
	ddl_after_rename(renamed);
}

static void
install_hooks(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	ddl_object_hook_install();
	ddl_create_install();
}

const MytsdbModule ddl_module = {
	.name = "mytsdb ddl",
	.install_hooks = install_hooks,
};
