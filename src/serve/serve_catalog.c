/*
 * serve_catalog.c
 *	  The tables of the extension that the server looks into: tokens and tenants.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "serve_catalog.h"

Relation
serve_catalog_open(const char *name, LOCKMODE lock)
{
	Oid relid = get_relname_relid(name, get_namespace_oid("mytsdb", false));

	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation \"mytsdb.%s\" does not exist", name),
						errhint("Run ALTER EXTENSION mytsdb UPDATE in this database.")));
	return table_open(relid, lock);
}

HeapTuple
serve_catalog_find(Relation catalog, const char *key)
{
	ScanKeyData scan_key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(key));
	scan = systable_beginscan(catalog, RelationGetPrimaryKeyIndex(catalog), true, NULL, 1,
							  &scan_key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

bool
serve_catalog_delete(Relation catalog, HeapTuple row)
{
	TM_FailureData failure;

	return heap_delete(catalog, &row->t_self, GetCurrentCommandId(true), InvalidSnapshot,
					   true, &failure, false) == TM_Ok;
}
