/*
 * tenant.c
 *	  Tenants: sets of tables like the metrics store's, which a request names.
 *
 * A tenant NAME has a schema tenant_NAME with tables metrics, exemplars and metadata. They
 * belong to whoever created them, are ordinary tables to pg_dump, and privileges on them
 * are granted as on any others. mytsdb.tenant says which table of metrics a name stands
 * for, by number: whatever is renamed, it is that table, and no other that takes its name
 * later. The other two are looked for beside it (as remote write does).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "serve_catalog.h"
#include "serve_log.h"
#include "tenant.h"

PG_FUNCTION_INFO_V1(mytsdb_create_tenant);
PG_FUNCTION_INFO_V1(mytsdb_drop_tenant);

#define SCHEMA_PREFIX "tenant_"
#define MAX_NAME      (NAMEDATALEN - sizeof(SCHEMA_PREFIX))

/* Columns of mytsdb.tenant. */
enum
{
	TENANT_NAME = 1,
	TENANT_METRICS,
	TENANT_COLUMNS = TENANT_METRICS
};

/* ---- names ---- */

static bool
is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_name(TsString name)
{
	if (name.len == 0 || name.len > MAX_NAME || !is_alphanumeric(name.data[0]))
		return false;
	for (size_t i = 0; i < name.len; i++)
	{
		if (!is_alphanumeric(name.data[i]) && strchr("_-.", name.data[i]) == NULL)
			return false;
	}
	return true;
}

static const char *
check_name(const text *argument)
{
	TsString name = {VARDATA_ANY(argument), VARSIZE_ANY_EXHDR(argument)};

	if (!is_name(name))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_NAME),
			 errmsg("invalid name of a tenant: \"%s\"", text_to_cstring(argument)),
			 errdetail("It has at most %d characters, letters and digits of ASCII and "
					   "_ - ., and begins with a letter or a digit.",
					   (int) MAX_NAME)));
	return text_to_cstring(argument);
}

/* ---- the catalog ---- */

/* The table that a tenant's row names; InvalidOid if there is none (any more). */
static Oid
row_metrics(Relation catalog, HeapTuple row)
{
	bool isnull;
	Oid metrics;

	if (!HeapTupleIsValid(row))
		return InvalidOid;
	metrics = DatumGetObjectId(
		heap_getattr(row, TENANT_METRICS, RelationGetDescr(catalog), &isnull));
	return get_rel_name(metrics) != NULL ? metrics : InvalidOid;
}

Oid
tenant_find_metrics(TsString name)
{
	Relation catalog;
	Oid metrics;

	if (name.len == 0)
		return get_relname_relid("metrics", get_namespace_oid("mytsdb", true));
	if (!is_name(name))
		return InvalidOid;
	catalog = serve_catalog_open("tenant", AccessShareLock);
	metrics = row_metrics(catalog,
						  serve_catalog_find(catalog, pnstrdup(name.data, name.len)));
	table_close(catalog, AccessShareLock);
	return metrics;
}

/* ---- creating and dropping ---- */

static void
audit(const char *action, const char *tenant)
{
	StringInfoData line;

	log_audit_begin(&line, action);
	log_text(&line, "tenant", tenant);
	log_text(&line, "by", GetUserNameFromId(GetUserId(), false));
	log_audit_end(&line);
}

static void
run(const char *sql)
{
	int result = SPI_execute(sql, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "SPI_execute returned %s", SPI_result_code_string(result));
}

/* Runs as the caller, with all names qualified. */
static Oid
make_tables(const char *schema)
{
	const char *quoted = quote_identifier(schema);
	Oid store = tenant_find_metrics((TsString){"", 0});
	const char *labels = format_type_extended(
		get_atttype(store, get_attnum(store, "labels")), -1, FORMAT_TYPE_FORCE_QUALIFY);
	const char *histogram = format_type_extended(
		get_atttype(store, get_attnum(store, "histogram")), -1,
		FORMAT_TYPE_FORCE_QUALIFY);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run(psprintf("CREATE SCHEMA %s", quoted));
	run(psprintf("CREATE TABLE %s.metrics (labels %s NOT NULL, "
				 "\"time\" pg_catalog.timestamptz NOT NULL, value pg_catalog.float8, "
				 "histogram %s, start_time pg_catalog.timestamptz) "
				 "USING mytsdb WITH (mytsdb.series_by = 'labels', "
				 "mytsdb.time_column = 'time', mytsdb.duplicates = 'replace')",
				 quoted, labels, histogram));
	run(psprintf("CREATE TABLE %s.exemplars (labels %s NOT NULL, "
				 "\"time\" pg_catalog.timestamptz NOT NULL, value pg_catalog.float8, "
				 "exemplar %s NOT NULL, received pg_catalog.timestamptz) "
				 "USING mytsdb WITH (mytsdb.series_by = 'labels', "
				 "mytsdb.time_column = 'time', mytsdb.duplicates = 'replace')",
				 quoted, labels, labels));
	run(psprintf("CREATE TABLE %s.metadata ("
				 "metric pg_catalog.text COLLATE pg_catalog.\"C\" PRIMARY KEY, "
				 "type pg_catalog.text NOT NULL, unit pg_catalog.text NOT NULL, "
				 "help pg_catalog.text NOT NULL, "
				 "updated pg_catalog.timestamptz NOT NULL) USING heap",
				 quoted));
	SPI_finish();
	return get_relname_relid("metrics", get_namespace_oid(schema, false));
}

/* mytsdb.create_tenant(name) */
Datum
mytsdb_create_tenant(PG_FUNCTION_ARGS)
{
	const char *name = check_name(PG_GETARG_TEXT_PP(0));
	const char *schema = psprintf(SCHEMA_PREFIX "%s", name);
	Relation catalog = serve_catalog_open("tenant", RowExclusiveLock);
	HeapTuple row = serve_catalog_find(catalog, name);
	Datum values[TENANT_COLUMNS];
	bool isnull[TENANT_COLUMNS] = {false};
	Oid metrics;

	if (OidIsValid(row_metrics(catalog, row)))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
						errmsg("tenant \"%s\" already exists", name)));
	/* whose tables are gone is gone */
	if (HeapTupleIsValid(row))
	{
		(void) serve_catalog_delete(catalog, row);
		CommandCounterIncrement();
	}
	metrics = make_tables(schema);
	values[TENANT_NAME - 1] = CStringGetTextDatum(name);
	values[TENANT_METRICS - 1] = ObjectIdGetDatum(metrics);
	CatalogTupleInsert(catalog,
					   heap_form_tuple(RelationGetDescr(catalog), values, isnull));
	table_close(catalog, NoLock);
	audit("tenant created", name);
	PG_RETURN_VOID();
}

static void
drop_tables(Oid metrics)
{
	Oid namespace = get_rel_namespace(metrics);
	const char *schema = quote_identifier(get_namespace_name(namespace));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run(psprintf("DROP TABLE %s.%s", schema, quote_identifier(get_rel_name(metrics))));
	run(psprintf("DROP TABLE IF EXISTS %s.exemplars, %s.metadata", schema, schema));
	run(psprintf("DROP SCHEMA %s", schema));
	SPI_finish();
}

/* mytsdb.drop_tenant(name): whoever owns its tables may, as with DROP TABLE */
Datum
mytsdb_drop_tenant(PG_FUNCTION_ARGS)
{
	const char *name = check_name(PG_GETARG_TEXT_PP(0));
	Relation catalog = serve_catalog_open("tenant", RowExclusiveLock);
	HeapTuple row = serve_catalog_find(catalog, name);
	Oid metrics = row_metrics(catalog, row);

	if (!OidIsValid(metrics))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("tenant \"%s\" does not exist", name)));
	drop_tables(metrics);
	(void) serve_catalog_delete(catalog, row);
	table_close(catalog, NoLock);
	audit("tenant dropped", name);
	PG_RETURN_VOID();
}
