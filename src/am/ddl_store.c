/*
 * ddl_store.c
 *	  DDL on the tables of the metrics store, which belong to the extension.
 *
 * pg_dump leaves out the definition of an extension's tables, as CREATE EXTENSION makes
 * them anew. So what may be changed of them has to be kept in another way, and what cannot
 * be is refused:
 * - Rows are dumped as those of configuration tables, privileges by pg_dump itself.
 * - Options are kept in mytsdb.dumped_options, a configuration table too: ALTER TABLE ...
 *	 SET and RESET write there what a table's options are now (without those that the
 *	 extension gave it for good). When a dump is restored a trigger on that table sets them.
 * - Columns, defaults, constraints, names and the like stay as the extension made them.
 *
 * The name of that table sorts before the others, so that one process restores options
 * first. When several do, rows may come before them: the number of shards is then not what
 * it was (a warning), or rows that were all to be kept have replaced each other (an error).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "ddl.h"
#include "ts_table.h"

PG_FUNCTION_INFO_V1(mytsdb_restore_options);

#define EXTENSION_NAME "mytsdb"
#define OPTIONS_TABLE  "dumped_options"

/* Columns of that table. */
#define ANUM_RELATION 1
#define ANUM_OPTIONS  2
#define NATTS_OPTIONS 2

static const char *const store_tables[] = {"exemplars", "metadata", "metrics"};

/* What the extension says of its tables once and for all. */
static const char *const fixed_options[] = {"series_by", "time_column"};

/* ---- which tables ---- */

static bool
is_member(Oid relid)
{
	Oid extension = get_extension_oid(EXTENSION_NAME, true);

	return OidIsValid(extension) &&
		   getExtensionOfObject(RelationRelationId, relid) == extension;
}

static bool
is_store_table(Oid relid)
{
	const char *name = get_rel_name(relid);

	for (int i = 0; name != NULL && i < (int) lengthof(store_tables); i++)
	{
		if (strcmp(name, store_tables[i]) == 0)
			return is_member(relid);
	}
	return false;
}

/*
 * The extension's table that a statement is about, or InvalidOid; also where the extension
 * itself is at work, or pg_upgrade, which makes its tables piece by piece.
 */
static Oid
member_named(RangeVar *name)
{
	Oid relid;

	if (creating_extension || IsBinaryUpgrade || name == NULL)
		return InvalidOid;
	relid = RangeVarGetRelid(name, NoLock, true);
	return OidIsValid(relid) && is_member(relid) ? relid : InvalidOid;
}

/* ---- what may be changed ---- */

static void refuse(Oid relid, const char *detail) pg_attribute_noreturn();

static void
refuse(Oid relid, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot change table \"%s\" of extension \"%s\" in this way",
					get_rel_name(relid), EXTENSION_NAME),
			 errdetail("%s", detail),
			 errhint("Use a table of your own: remote write and PromQL take one by "
					 "name.")));
}

static List *
fixed_elements(void)
{
	List *elements = NIL;

	for (int i = 0; i < (int) lengthof(fixed_options); i++)
		elements = lappend(elements, ddl_option(fixed_options[i], ""));
	return elements;
}

static void
check_options(Oid relid, List *options)
{
	ListCell *lc;

	options = copyObject(options);
	foreach (lc, ddl_take_options(&options))
	{
		const char *name = lfirst_node(DefElem, lc)->defname;

		for (int i = 0; i < (int) lengthof(fixed_options); i++)
		{
			if (strcmp(name, fixed_options[i]) == 0)
				refuse(relid, psprintf("Its option mytsdb.%s is the extension's.", name));
		}
	}
}

void
ddl_store_before_alter(AlterTableStmt *stmt)
{
	Oid relid = member_named(stmt->relation);
	ListCell *lc;

	if (!OidIsValid(relid))
		return;
	foreach (lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		switch (cmd->subtype)
		{
			case AT_SetRelOptions:
			case AT_ResetRelOptions:
				check_options(relid, castNode(List, cmd->def));
				break;
			case AT_DisableTrigAll:
			case AT_DisableTrigUser:
			case AT_EnableTrigAll:
			case AT_EnableTrigUser:
				/* pg_restore --disable-triggers: ours are how the tables work */
				stmt->cmds = foreach_delete_current(stmt->cmds, lc);
				break;
			case AT_ChangeOwner:
			case AT_SetTableSpace:
			case AT_SetStatistics:
			case AT_SetOptions:
			case AT_ResetOptions:
			case AT_ClusterOn:
			case AT_DropCluster:
			case AT_EnableRowSecurity:
			case AT_DisableRowSecurity:
			case AT_ForceRowSecurity:
			case AT_NoForceRowSecurity:
			case AT_ReplicaIdentity:
				break;
			default:
				refuse(relid,
					   "What the extension made is not in a dump: it would be lost "
					   "when one is restored.");
		}
	}
}

void
ddl_store_refuse_rename(Node *stmt)
{
	RangeVar *name = IsA(stmt, RenameStmt) ? ((RenameStmt *) stmt)->relation
										   : ((AlterObjectSchemaStmt *) stmt)->relation;
	Oid relid = member_named(name);

	if (OidIsValid(relid))
		refuse(relid,
			   "Its name and those of its columns are what the extension goes by.");
}

/* ---- options ---- */

static HeapTuple
find_row(Relation options_table, const char *relation)
{
	Oid index = RelationGetPrimaryKeyIndex(options_table);
	NameData name;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	namestrcpy(&name, relation);
	ScanKeyInit(&key, ANUM_RELATION, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(&name));
	scan = systable_beginscan(options_table, index, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

static void
write_row(Relation options_table, const char *relation, Datum options)
{
	TupleDesc desc = RelationGetDescr(options_table);
	HeapTuple old = find_row(options_table, relation);
	NameData name;
	Datum values[NATTS_OPTIONS];
	bool isnull[NATTS_OPTIONS] = {false, false};
	HeapTuple tuple;

	namestrcpy(&name, relation);
	values[ANUM_RELATION - 1] = NameGetDatum(&name);
	values[ANUM_OPTIONS - 1] = DatumGetPointer(options) != NULL
								   ? options
								   : PointerGetDatum(construct_empty_array(TEXTOID));
	tuple = heap_form_tuple(desc, values, isnull);
	if (HeapTupleIsValid(old))
		CatalogTupleUpdate(options_table, &old->t_self, tuple);
	else
		CatalogTupleInsert(options_table, tuple);
	CommandCounterIncrement();
}

void
ddl_store_keep_options(Oid relid)
{
	Relation options_table;
	Oid table;

	if (creating_extension || !is_store_table(relid))
		return;
	table = get_relname_relid(OPTIONS_TABLE, get_rel_namespace(relid));
	if (!OidIsValid(table))
		return;
	options_table = table_open(table, RowExclusiveLock);
	write_row(options_table, get_rel_name(relid),
			  ddl_merge_options(ddl_get_reloptions(relid), fixed_elements(), true));
	table_close(options_table, NoLock);
}

/* ---- a dump is restored ---- */

/*
 * Rows that replaced each other are lost, so it is an error when they were all to be kept.
 * Shards cannot be changed once there are rows, and then stay as they are; programs that
 * restore dumps do not show the warning, but the log does.
 */
static Datum
without_what_is_late(Oid relid, Datum options)
{
	if (ddl_options_come_late(relid, options))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("option mytsdb.duplicates of table \"%s\" is restored too late",
					get_rel_name(relid)),
			 errdetail("Sealed rows of the table may have replaced others of the same "
					   "series and time."),
			 errhint("Empty the table and restore table mytsdb.%s before it, as a "
					 "restore with one process does; or set the option by ALTER TABLE.",
					 OPTIONS_TABLE)));
	if (ddl_options_can_be_set(relid, options))
		return options;
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("option mytsdb.shards of table \"%s\" is not restored",
					get_rel_name(relid)),
			 errdetail("The table has rows already."),
			 errhint("Restore table mytsdb.%s before it, as a restore with one process "
					 "does.",
					 OPTIONS_TABLE)));
	return ddl_merge_options(options, list_make1(ddl_option("shards", "")), true);
}

static void
restore_options(Oid relid, Datum kept)
{
	List *elements = fixed_elements();
	Datum fixed = ddl_pick_options(ddl_get_reloptions(relid), elements);

	(void) heap_reloptions(RELKIND_RELATION, ddl_strip_options(kept), true);
	if (DatumGetPointer(ddl_pick_options(kept, elements)) != NULL)
		refuse(relid, "Some of the options that were kept are the extension's.");
	if (ts_table_oid_is_ours(relid))
	{
		Datum options = ddl_concat_options(kept, fixed);

		ddl_set_our_options(relid, without_what_is_late(relid, options));
		return;
	}
	if (DatumGetPointer(ddl_only_options(kept)) != NULL)
		refuse(relid, "It is not a table USING mytsdb.");
	ddl_set_reloptions(relid, kept);
}

/* The table that a row of the options' table is about, locked. */
static Oid
lock_store_table(Oid schema, const char *name)
{
	Oid relid = get_relname_relid(name, schema);

	if (!OidIsValid(relid) || !is_store_table(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the metrics store has no table \"%s\"", name)));
	if (!pg_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, name);
	LockRelationOid(relid, AccessExclusiveLock);
	return relid;
}

Datum
mytsdb_restore_options(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple row;
	TupleDesc desc;
	bool isnull;
	Datum name;
	Datum options;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ||
		strcmp(RelationGetRelationName(trigger->tg_relation), OPTIONS_TABLE) != 0 ||
		!is_member(RelationGetRelid(trigger->tg_relation)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("restore_options() is a trigger of mytsdb.%s", OPTIONS_TABLE)));
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple
													 : trigger->tg_trigtuple;
	desc = RelationGetDescr(trigger->tg_relation);
	name = heap_getattr(row, ANUM_RELATION, desc, &isnull);
	if (!isnull)
		options = heap_getattr(row, ANUM_OPTIONS, desc, &isnull);
	if (!isnull)
		restore_options(lock_store_table(RelationGetNamespace(trigger->tg_relation),
										 NameStr(*DatumGetName(name))),
						PointerGetDatum(DatumGetArrayTypeP(options)));
	return PointerGetDatum(row);
}
