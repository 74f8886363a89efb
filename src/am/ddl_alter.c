/*
 * ddl_alter.c
 *	  ALTER TABLE and ALTER TABLE RENAME COLUMN where they touch options of ours.
 *
 * The server checks all of a table's options whenever it changes one, and knows none of
 * ours. So SET (...) and RESET (...) on a table of ours are done here, wholly, and taken
 * out of the statement; the server does the rest of it.
 *
 * What decides how rows are stored (series_by, time_column, shards) is fixed once there
 * are rows: a change gives the table a new, empty storage, under its exclusive lock.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "am.h"
#include "ddl.h"
#include "ts_scan.h"
#include "ts_table.h"

static const char *const storage_options[] = {"series_by", "time_column", "shards"};

static bool
touches_storage(List *options)
{
	ListCell *lc;

	foreach (lc, options)
	{
		for (int i = 0; i < (int) lengthof(storage_options); i++)
		{
			if (strcmp(lfirst_node(DefElem, lc)->defname, storage_options[i]) == 0)
				return true;
		}
	}
	return false;
}

static bool
has_rows(Relation rel)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TsScanSpec spec = {
		.time_min = PG_INT64_MIN, .time_max = PG_INT64_MAX, .count_only = true};
	TsScan *scan = ts_scan_begin(rel, snapshot, &spec);
	TsBatch batch;
	bool found = ts_scan_next(scan, &batch);

	ts_scan_end(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Whether the two differ in what decides how rows are stored. */
static bool
storage_differs(Relation rel, const TsOptions *old, const TsOptions *new)
{
	TupleDesc desc = RelationGetDescr(rel);
	TsKeyColumns before;
	TsKeyColumns after;

	ts_options_resolve(old, desc, &before);
	ts_options_resolve(new, desc, &after);
	return before.time_column != after.time_column || before.nkeys != after.nkeys ||
		   memcmp(before.keys, after.keys, sizeof(AttrNumber) * before.nkeys) != 0 ||
		   ts_options_shards(old) != ts_options_shards(new);
}

/* Writes the time column down if it was inferred; a wrong set of options is an error. */
static Datum
settle_options(Relation rel, Datum reloptions)
{
	TsOptions options;
	TsKeyColumns columns;
	char *name;

	ts_options_parse(reloptions, &options);
	ts_options_resolve(&options, RelationGetDescr(rel), &columns);
	if (options.time_column != NULL)
		return reloptions;
	name = ddl_column_names(RelationGetRelid(rel), &columns.time_column, 1);
	return ddl_merge_options(reloptions, list_make1(ddl_option("time_column", name)),
							 false);
}

/* Whether a table that has these options instead of its own stores rows in another way. */
static bool
changes_storage(Relation rel, Datum reloptions)
{
	TsOptions old;
	TsOptions new;

	ts_options_read(RelationGetRelid(rel), &old);
	ts_options_parse(reloptions, &new);
	return storage_differs(rel, &old, &new);
}

bool
ddl_options_can_be_set(Oid relid, Datum reloptions)
{
	Relation rel = relation_open(relid, NoLock);
	bool can = !changes_storage(rel, reloptions) || !has_rows(rel);

	relation_close(rel, NoLock);
	return can;
}

bool
ddl_options_come_late(Oid relid, Datum reloptions)
{
	Relation rel = relation_open(relid, NoLock);
	TsTableSize size;
	TsOptions old;
	TsOptions new;

	ts_options_read(relid, &old);
	ts_options_parse(reloptions, &new);
	ts_table_size(rel, &size);
	relation_close(rel, NoLock);
	return size.time_min <= size.time_max && old.replace && !new.replace;
}

void
ddl_set_our_options(Oid relid, Datum reloptions)
{
	Relation rel = relation_open(relid, NoLock);
	bool differs;

	reloptions = settle_options(rel, reloptions);
	differs = changes_storage(rel, reloptions);
	if (differs && has_rows(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("options mytsdb.series_by, mytsdb.time_column and mytsdb.shards "
						"are fixed once a table has rows"),
				 errdetail("Table \"%s\" has rows.", RelationGetRelationName(rel)),
				 errhint("Copy the rows into a new table with other options.")));

	ddl_set_reloptions(relid, reloptions);
	if (differs)
	{
		CheckTableNotInUse(rel, "ALTER TABLE");
		RelationSetNewRelfilenode(rel, rel->rd_rel->relpersistence);
		CommandCounterIncrement();
	}
	relation_close(rel, NoLock);
}

/* The server's own options in a SET or RESET, checked as the server does. */
static Datum
change_server_options(Oid relid, Datum reloptions, List *options, bool reset)
{
	static char *namespaces[] = HEAP_RELOPT_NAMESPACES;
	Datum theirs;

	ddl_refuse_bare_options(options);
	theirs = transformRelOptions(ddl_strip_options(reloptions), options, NULL, namespaces,
								 false, reset);
	(void) heap_reloptions(get_rel_relkind(relid), theirs, true);
	return theirs;
}

/* RESET names options that there are, and has no values for them. */
static void
check_reset(List *options)
{
	ListCell *lc;

	foreach (lc, options)
	{
		if (lfirst_node(DefElem, lc)->arg != NULL)
			ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
							errmsg("RESET must not include values for parameters")));
	}
	foreach (lc, ddl_take_options(&options))
		ts_options_check_name(lfirst_node(DefElem, lc)->defname);
}

static void
change_options(Oid relid, AlterTableCmd *cmd)
{
	bool reset = cmd->subtype == AT_ResetRelOptions;
	Datum reloptions = ddl_get_reloptions(relid);
	List *others = castNode(List, cmd->def);
	List *ours;
	Datum theirs;

	if (reset)
		check_reset(others);
	ours = ddl_take_options(&others);
	theirs = change_server_options(relid, reloptions, others, reset);
	reloptions = ddl_merge_options(ddl_only_options(reloptions), ours, reset);
	ddl_set_our_options(relid, ddl_concat_options(theirs, reloptions));
	ddl_store_keep_options(relid);
}

/* ---- the statement ---- */

/* Which access method the statement sets; InvalidOid: none, or one that is not there. */
static Oid
access_method_set_by(AlterTableStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_SetAccessMethod)
			return get_table_am_oid(cmd->name, true);
	}
	return InvalidOid;
}

/*
 * A table that becomes one of ours takes the options named in the same statement. They
 * are in place before the rewrite, which needs them.
 */
static void
become_ours(Oid relid, AlterTableStmt *stmt)
{
	Relation rel;
	List *options = NIL;
	ListCell *lc;
	Datum reloptions = ddl_strip_options(ddl_get_reloptions(relid));

	foreach (lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_SetRelOptions)
		{
			List *others = castNode(List, cmd->def);

			options = list_concat(options, ddl_take_options(&others));
			reloptions = change_server_options(relid, reloptions, others, false);
			stmt->cmds = foreach_delete_current(stmt->cmds, lc);
		}
	}
	reloptions = ddl_concat_options(reloptions,
									ddl_merge_options((Datum) 0, options, false));
	rel = relation_open(relid, NoLock);
	ddl_refuse_to_become_ours(rel);
	reloptions = settle_options(rel, reloptions);
	relation_close(rel, NoLock);
	ddl_set_reloptions(relid, reloptions);
}

/* Refuses to change a column, here and in descendants, where it has a role. */
static void
refuse_named_column(Oid relid, const char *column, const char *what)
{
	ListCell *lc;

	foreach (lc, ddl_our_descendants(relid))
	{
		AttrNumber attnum = get_attnum(lfirst_oid(lc), column);

		if (attnum != InvalidAttrNumber)
			ddl_refuse_key_column(lfirst_oid(lc), attnum, what);
	}
}

static void
check_command(Oid relid, AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_DropColumn:
			refuse_named_column(relid, cmd->name, "drop");
			break;
		case AT_AlterColumnType:
			refuse_named_column(relid, cmd->name, "change the type of");
			break;
		case AT_AddConstraint:
			if (ts_table_oid_is_ours(relid))
				ddl_refuse_constraint(castNode(Constraint, cmd->def),
									  get_rel_name(relid));
			break;
		case AT_AddColumn:
			if (ts_table_oid_is_ours(relid))
				ddl_refuse_column_constraints(castNode(ColumnDef, cmd->def),
											  get_rel_name(relid));
			break;
		default:
			break;
	}
}

static LOCKMODE
lock_level(AlterTableStmt *stmt)
{
	LOCKMODE level = ShareUpdateExclusiveLock;
	ListCell *lc;

	foreach (lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		List *options;

		if (cmd->subtype != AT_SetRelOptions && cmd->subtype != AT_ResetRelOptions)
		{
			level = Max(level, AlterTableGetLockLevel(list_make1(cmd)));
			continue;
		}
		options = copyObject(castNode(List, cmd->def));
		if (touches_storage(ddl_take_options(&options)))
			level = AccessExclusiveLock;
	}
	return level;
}

void
ddl_before_alter(AlterTableStmt *stmt)
{
	Oid relid;
	bool ours;
	bool becomes_ours;
	Oid am;
	ListCell *lc;

	if (stmt->objtype != OBJECT_TABLE && stmt->objtype != OBJECT_MATVIEW &&
		stmt->objtype != OBJECT_TYPE)
		return;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (!OidIsValid(relid))
		return; /* the server says so */

	am = access_method_set_by(stmt);
	ours = ts_table_oid_is_ours(relid);
	becomes_ours = !ours && OidIsValid(am) && am == ts_table_am_oid();
	if (!ours && !becomes_ours && ddl_our_descendants(relid) == NIL)
		return;

	/* permissions, and the lock that the server would take */
	relid = AlterTableLookupRelation(stmt, lock_level(stmt));
	if (!OidIsValid(relid))
		return;
	if (becomes_ours && get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		become_ours(relid, stmt);

	foreach (lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		check_command(relid, cmd);
		if (ours &&
			(cmd->subtype == AT_SetRelOptions || cmd->subtype == AT_ResetRelOptions))
		{
			change_options(relid, cmd);
			stmt->cmds = foreach_delete_current(stmt->cmds, lc);
		}
	}
	if (ours && OidIsValid(am) && am != ts_table_am_oid())
		am_relation_make_toast_table(relid);
}

/* A table that is no longer ours has no use for our options. */
static void
drop_our_options(Oid relid)
{
	Datum reloptions;

	if (ts_table_oid_is_ours(relid))
		return;
	reloptions = ddl_get_reloptions(relid);
	if (DatumGetPointer(ddl_only_options(reloptions)) != NULL)
	{
		CommandCounterIncrement();
		ddl_set_reloptions(relid, ddl_strip_options(reloptions));
	}
}

void
ddl_after_alter(AlterTableStmt *stmt)
{
	bool access_method = false;
	bool options = false;
	ListCell *lc;
	Oid relid;

	foreach (lc, stmt->cmds)
	{
		AlterTableType subtype = lfirst_node(AlterTableCmd, lc)->subtype;

		access_method |= subtype == AT_SetAccessMethod;
		options |= subtype == AT_SetRelOptions || subtype == AT_ResetRelOptions;
	}
	if (!access_method && !options)
		return;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (!OidIsValid(relid))
		return;
	if (access_method)
		drop_our_options(relid);
	if (options)
	{
		CommandCounterIncrement();
		ddl_store_keep_options(relid);
	}
}

/* ---- renaming columns ---- */

typedef struct Renamed
{
	Oid relid;
	TsKeyColumns columns;
} Renamed;

List *
ddl_before_rename(RenameStmt *stmt)
{
	List *list = NIL;
	Oid relid;
	ListCell *lc;

	if ((stmt->renameType != OBJECT_COLUMN && stmt->renameType != OBJECT_ATTRIBUTE) ||
		stmt->relation == NULL)
		return NIL;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (!OidIsValid(relid) || !pg_class_ownercheck(relid, GetUserId()))
		return NIL; /* the server says so, and takes no lock for it */
	relid = RangeVarGetRelid(stmt->relation, AccessExclusiveLock, true);
	if (!OidIsValid(relid))
		return NIL;
	foreach (lc, ddl_our_descendants(relid))
	{
		Renamed *renamed = palloc(sizeof(*renamed));
		Relation rel = relation_open(lfirst_oid(lc), AccessShareLock);
		TsOptions options;

		renamed->relid = lfirst_oid(lc);
		ts_options_read(renamed->relid, &options);
		ts_options_resolve(&options, RelationGetDescr(rel), &renamed->columns);
		relation_close(rel, NoLock);
		list = lappend(list, renamed);
	}
	return list;
}

void
ddl_after_rename(List *renamed)
{
	ListCell *lc;

	if (renamed != NIL)
		CommandCounterIncrement();
	foreach (lc, renamed)
	{
		Renamed *r = lfirst(lc);
		const TsKeyColumns *columns = &r->columns;
		List *options = list_make1(ddl_option(
			"time_column", ddl_column_names(r->relid, &columns->time_column, 1)));

		if (columns->nkeys > 0)
			options = lappend(
				options, ddl_option("series_by", ddl_column_names(r->relid, columns->keys,
																  columns->nkeys)));
		ddl_set_reloptions(
			r->relid, ddl_merge_options(ddl_get_reloptions(r->relid), options, false));
	}
}
