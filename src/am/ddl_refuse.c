/*
 * ddl_refuse.c
 *	  Statements that cannot be done on tables USING mytsdb, each with what to do instead.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "ddl.h"
#include "ts_table.h"

/* Whether there is a table of this name, and it is one of ours. */
static bool
is_our_table(RangeVar *name)
{
	Oid relid = RangeVarGetRelid(name, NoLock, true);

	return OidIsValid(relid) && ts_table_oid_is_ours(relid);
}

/* Tables (of whatever access method) that were made OF a type. */
static List *
tables_of_type(Oid type)
{
	Relation pg_class = table_open(RelationRelationId, AccessShareLock);
	List *tables = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_class_reloftype, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(type));
	scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		tables = lappend_oid(tables, ((Form_pg_class) GETSTRUCT(tuple))->oid);
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return tables;
}

List *
ddl_our_descendants(Oid relid)
{
	List *ours = NIL;
	ListCell *lc;

	if (!OidIsValid(ts_table_am_oid()))
		return NIL;
	if (get_rel_relkind(relid) == RELKIND_COMPOSITE_TYPE)
	{
		foreach (lc, tables_of_type(get_rel_type_id(relid)))
			ours = list_concat(ours, ddl_our_descendants(lfirst_oid(lc)));
		return ours;
	}
	if (!has_subclass(relid))
		return ts_table_oid_is_ours(relid) ? list_make1_oid(relid) : NIL;
	foreach (lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (ts_table_oid_is_ours(lfirst_oid(lc)))
			ours = lappend_oid(ours, lfirst_oid(lc));
	}
	return ours;
}

/* what: "indexes", "primary keys", ... */
static void refuse_indexes(const char *relname, const char *what) pg_attribute_noreturn();

static void
refuse_indexes(const char *relname, const char *what)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("%s are not supported on tables USING mytsdb", what),
		 errdetail("Table \"%s\" is stored by series and time already.", relname),
		 errhint("Name the columns that identify a series in mytsdb.series_by; for one "
				 "row per series and time use WITH (mytsdb.duplicates = 'replace').")));
}

static bool
action_changes_rows(char action)
{
	return action == FKCONSTR_ACTION_CASCADE || action == FKCONSTR_ACTION_SETNULL ||
		   action == FKCONSTR_ACTION_SETDEFAULT;
}

/* Checks a row of pg_constraint whose table is one of ours, or becomes one. */
static void
refuse_foreign_key(Form_pg_constraint constraint)
{
	if (constraint->contype != CONSTRAINT_FOREIGN ||
		(!action_changes_rows(constraint->confdeltype) &&
		 !action_changes_rows(constraint->confupdtype)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("foreign keys of tables USING mytsdb cannot change or delete rows"),
			 errdetail("Rows of table \"%s\" cannot be updated or deleted yet.",
					   get_rel_name(constraint->conrelid)),
			 errhint("Use ON DELETE and ON UPDATE NO ACTION or RESTRICT.")));
}

/* Looks at what an index of pg_constraint finds, which may be the current command's. */
static void
check_constraints(Oid index, AttrNumber column, Oid value, bool ours)
{
	Relation pg_constraint = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value));
	scan = systable_beginscan(pg_constraint, index, true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

		if (ours || ts_table_oid_is_ours(form->conrelid))
			refuse_foreign_key(form);
	}
	systable_endscan(scan);
	table_close(pg_constraint, AccessShareLock);
}

void
ddl_constraint_made(Oid constraint)
{
	check_constraints(ConstraintOidIndexId, Anum_pg_constraint_oid, constraint, false);
}

void
ddl_refuse_to_become_ours(Relation rel)
{
	if (RelationGetIndexList(rel) != NIL)
		refuse_indexes(RelationGetRelationName(rel), "indexes");
	check_constraints(ConstraintRelidTypidNameIndexId, Anum_pg_constraint_conrelid,
					  RelationGetRelid(rel), true);
}

void
ddl_refuse_constraint(const Constraint *constraint, const char *relname)
{
	switch (constraint->contype)
	{
		case CONSTR_PRIMARY:
			refuse_indexes(relname, "primary keys");
			break;
		case CONSTR_UNIQUE:
			refuse_indexes(relname, "unique constraints");
			break;
		case CONSTR_EXCLUSION:
			refuse_indexes(relname, "exclusion constraints");
			break;
		default:
			break;
	}
}

void
ddl_refuse_column_constraints(const ColumnDef *column, const char *relname)
{
	ListCell *lc;

	foreach (lc, column->constraints)
		ddl_refuse_constraint(lfirst_node(Constraint, lc), relname);
}

void
ddl_refuse_in_create(const CreateStmt *stmt)
{
	const char *relname = stmt->relation->relname;
	ListCell *lc;

	foreach (lc, stmt->tableElts)
	{
		if (IsA(lfirst(lc), ColumnDef))
			ddl_refuse_column_constraints(lfirst(lc), relname);
		else if (IsA(lfirst(lc), Constraint))
			ddl_refuse_constraint(lfirst(lc), relname);
	}
	foreach (lc, stmt->constraints)
		ddl_refuse_constraint(lfirst_node(Constraint, lc), relname);
}

/* ---- publications ---- */

static void
refuse_published_table(RangeVar *name)
{
	Oid relid = RangeVarGetRelid(name, NoLock, true);

	if (OidIsValid(relid) && ddl_our_descendants(relid) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot publish table \"%s\"", name->relname),
				 errdetail("Changes of tables USING mytsdb cannot be decoded from WAL."),
				 errhint("Use physical replication.")));
}

/* Whether there is a table of ours, in one schema or (InvalidOid) in any. */
static bool
any_of_ours(Oid schema)
{
	Oid am = ts_table_am_oid();
	Relation pg_class;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	if (!OidIsValid(am))
		return false;
	pg_class = table_open(RelationRelationId, AccessShareLock);
	scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 0, NULL);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		found = form->relam == am &&
				(!OidIsValid(schema) || form->relnamespace == schema);
	}
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return found;
}

static void
warn_publication(void)
{
	ereport(WARNING, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					  errmsg("tables USING mytsdb are not published"),
					  errdetail("Their changes cannot be decoded from WAL."),
					  errhint("Use physical replication for them.")));
}

static void
check_published_objects(List *objects)
{
	ListCell *lc;

	foreach (lc, objects)
	{
		PublicationObjSpec *object = lfirst_node(PublicationObjSpec, lc);

		if (object->pubtable != NULL)
			refuse_published_table(object->pubtable->relation);
		else if (object->pubobjtype == PUBLICATIONOBJ_TABLES_IN_SCHEMA)
		{
			Oid schema = get_namespace_oid(object->name, true);

			if (OidIsValid(schema) && any_of_ours(schema))
				warn_publication();
		}
		else if (object->pubobjtype == PUBLICATIONOBJ_TABLES_IN_CUR_SCHEMA)
		{
			List *path = fetch_search_path(false);

			if (path != NIL && any_of_ours(linitial_oid(path)))
				warn_publication();
		}
	}
}

/* It would look for a unique index, and ask for one. */
static void
refuse_concurrent_refresh(const RangeVar *name)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("cannot refresh materialized view \"%s\" concurrently", name->relname),
		 errdetail("That needs a unique index, which materialized views USING mytsdb "
				   "cannot have."),
		 errhint("Refresh it without CONCURRENTLY, or create it USING heap.")));
}

void
ddl_refuse_key_column(Oid relid, AttrNumber attnum, const char *what)
{
	Relation rel = relation_open(relid, AccessShareLock);
	TsOptions options;
	TsKeyColumns columns;
	bool refused;

	ts_options_read(relid, &options);
	ts_options_resolve(&options, RelationGetDescr(rel), &columns);
	refused = attnum == columns.time_column;
	for (int i = 0; i < columns.nkeys; i++)
		refused |= attnum == columns.keys[i];
	if (refused)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot %s column \"%s\" of table \"%s\"", what,
						get_attname(relid, attnum, false), RelationGetRelationName(rel)),
				 errdetail("It is the time column or one that identifies a series."),
				 errhint("Copy the rows into a new table.")));
	relation_close(rel, NoLock);
}

void
ddl_refuse(Node *node)
{
	switch (nodeTag(node))
	{
		case T_IndexStmt:
		{
			IndexStmt *stmt = (IndexStmt *) node;

			if (stmt->relation && is_our_table(stmt->relation))
				refuse_indexes(stmt->relation->relname, stmt->primary  ? "primary keys"
														: stmt->unique ? "unique indexes"
																	   : "indexes");
			break;
		}
		case T_RefreshMatViewStmt:
		{
			RefreshMatViewStmt *stmt = (RefreshMatViewStmt *) node;

			if (stmt->concurrent && is_our_table(stmt->relation))
				refuse_concurrent_refresh(stmt->relation);
			break;
		}
		case T_CreatePublicationStmt:
		{
			CreatePublicationStmt *stmt = (CreatePublicationStmt *) node;

			if (stmt->for_all_tables && any_of_ours(InvalidOid))
				warn_publication();
			check_published_objects(stmt->pubobjects);
			break;
		}
		case T_AlterPublicationStmt:
		{
			AlterPublicationStmt *stmt = (AlterPublicationStmt *) node;

			if (stmt->action != AP_DropObjects)
				check_published_objects(stmt->pubobjects);
			break;
		}
		default:
			break;
	}
}
