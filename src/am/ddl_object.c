/*
 * ddl_object.c
 *	  What the object access hook sees: tables of ours that are made and dropped, columns
 *	  that are dropped, constraints that are made, by whatever statement.
 *
 * A drop takes the catalog rows of the table's storage with it, in the same transaction,
 * so that both stay or go. The file a rewrite leaves behind is dropped as the rewrite's
 * transient table: that, too, comes by here.
 *
 * Rows that wait in the private buffer are appended when a statement begins, but an event
 * trigger may insert some after that, into the very table that is to be changed. So they
 * are appended once more before anything of a relation is changed, and before a rewrite,
 * which begins by making its transient table.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "ddl.h"
#include "ts_buffer.h"
#include "ts_catalog.h"
#include "ts_pages.h"
#include "ts_table.h"

static object_access_hook_type prev_object_access_hook = NULL;

/* A relation whose pg_class row may be the current command's. */
static bool
is_relation_in_creation(Oid relid, const char *name)
{
	Relation pg_class = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool is = false;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(pg_class, ClassOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		is = (form->relkind == RELKIND_RELATION || form->relkind == RELKIND_MATVIEW) &&
			 form->relam == ts_table_am_oid() &&
			 strcmp(NameStr(form->relname), name) == 0;
	}
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return is;
}

static void
drop_storage(Form_pg_class form)
{
	RelFileNode node = {.spcNode = OidIsValid(form->reltablespace) ? form->reltablespace
																   : MyDatabaseTableSpace,
						.dbNode = MyDatabaseId,
						.relNode = form->relfilenode};
	TsMeta meta;

	if (OidIsValid(node.relNode) && ts_pages_probe(&node, &meta))
		ts_catalog_drop(meta.storage);
}

static void
relation_dropped(Oid relid, int column)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	FormData_pg_class form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = *(Form_pg_class) GETSTRUCT(tuple);
	ReleaseSysCache(tuple);
	if (!OidIsValid(form.relam) || form.relam != ts_table_am_oid())
		return;
	if (column > 0)
		ddl_refuse_key_column(relid, (AttrNumber) column, "drop");
	else
		drop_storage(&form);
}

static void
on_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, class, object, sub, arg);
	if (class == ConstraintRelationId && access == OAT_POST_CREATE)
		ddl_constraint_made(object);
	if (class != RelationRelationId)
		return;
	if (access == OAT_POST_CREATE || access == OAT_POST_ALTER || access == OAT_DROP)
		ts_buffer_flush();

	if (access == OAT_POST_CREATE && sub == 0 && ddl_creation != NULL &&
		!OidIsValid(ddl_creation->relid) &&
		is_relation_in_creation(object, ddl_creation->name))
		ddl_relation_made(object);
	else if (access == OAT_DROP)
		relation_dropped(object, sub);
}

void
ddl_object_hook_install(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = on_object_access;
}
