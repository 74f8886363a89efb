/*
 * table.c
 *	  What the engine knows of a table, put together from the relation's descriptor, its
 *	  options and its metapage, and kept in rd_amcache.
 *
 * rd_amcache goes whenever the relation's cache entry is rebuilt, which a change of the
 * columns, the options or the file brings about. A change of the storage within the same
 * file (ts_pages_recreate) must drop it by hand.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "histogram_type.h"
#include "labels_type.h"
#include "ts_pages.h"
#include "ts_table.h"

#define AM_NAME "mytsdb"

static void
describe_column(TsColumn *column, Form_pg_attribute att)
{
	if (att->attisdropped)
	{
		column->kind = TS_COLUMN_NONE;
		return;
	}
	column->type = getBaseType(att->atttypid);
	column->length = att->attlen;
	column->byval = att->attbyval;
	column->align = att->attalign;
	column->role = TS_ROLE_VALUE;

	if (att->attbyval && column->type == FLOAT8OID)
		column->kind = TS_COLUMN_FLOAT8;
	else if (att->attbyval && column->type == FLOAT4OID)
		column->kind = TS_COLUMN_FLOAT4;
	else if (att->attbyval)
		column->kind = TS_COLUMN_INT;
	else if (att->attlen > 0)
		column->kind = TS_COLUMN_FIXED;
	else if (att->attlen == -2)
		column->kind = TS_COLUMN_CSTRING;
	else if (histogram_is_type(column->type))
		column->kind = TS_COLUMN_HISTOGRAM;
	else
		column->kind = TS_COLUMN_VARLENA;

	column->summed = column->type == INT2OID || column->type == INT4OID ||
					 column->type == INT8OID || column->type == FLOAT4OID ||
					 column->type == FLOAT8OID;
}

static Size
table_size(int natts)
{
	return offsetof(TsTable, columns) + sizeof(TsColumn) * natts;
}

static TsTable *
build_table(Relation rel, TupleDesc desc)
{
	TsTable *table = palloc0(table_size(desc->natts));
	TsOptions options;
	TsKeyColumns columns;
	TsMeta meta;

	ts_options_read(RelationGetRelid(rel), &options);
	ts_options_resolve(&options, desc, &columns);
	ts_pages_read_meta(rel, &meta);

	table->relid = RelationGetRelid(rel);
	table->node = rel->rd_node;
	table->storage = meta.storage;
	table->writer = meta.writer;
	table->shards = meta.shards;
	table->replace = options.replace;
	table->time_column = columns.time_column;
	table->nkeys = columns.nkeys;
	memcpy(table->keys, columns.keys, sizeof(AttrNumber) * columns.nkeys);
	table->natts = desc->natts;
	for (int i = 0; i < desc->natts; i++)
		describe_column(&table->columns[i], TupleDescAttr(desc, i));
	for (int i = 0; i < table->nkeys; i++)
		table->columns[table->keys[i] - 1].role = TS_ROLE_KEY;
	table->columns[table->time_column - 1].role = TS_ROLE_TIME;
	table->time_type = table->columns[table->time_column - 1].type;
	if (table->nkeys == 1)
		table->labels_key = labels_is_type(table->columns[table->keys[0] - 1].type);
	return table;
}

static void
cache_table(Relation rel)
{
	TsTable *table = build_table(rel, RelationGetDescr(rel));
	Size size = table_size(table->natts);

	/* only now: reading catalogs and pages may have dropped what was there */
	if (rel->rd_amcache != NULL)
		pfree(rel->rd_amcache);
	rel->rd_amcache = MemoryContextAlloc(CacheMemoryContext, size);
	memcpy(rel->rd_amcache, table, size);
	pfree(table);
}

TsTable *
ts_table_get(Relation rel)
{
	const TsTable *cached;
	TsTable *table;

	if (rel->rd_amcache == NULL)
		cache_table(rel);
	cached = rel->rd_amcache;
	table = palloc(table_size(cached->natts));
	memcpy(table, cached, table_size(cached->natts));
	return table;
}

TsTable *
ts_table_get_as(Relation rel, TupleDesc desc)
{
	TsTable *table = build_table(rel, desc);

	table->desc = desc;
	return table;
}

Datum
ts_missing_value(Relation rel, const TsTable *table, AttrNumber attnum, bool *isnull)
{
	Assert(attnum >= 1 && attnum <= table->natts);
	return getmissingattr(table->desc ? table->desc : RelationGetDescr(rel), attnum,
						  isnull);
}

int64
ts_table_time(const TsTable *table, Datum value)
{
	if (table->time_type == DATEOID)
		return DatumGetDateADT(value);
	return DatumGetTimestamp(value);
}

Datum
ts_table_time_datum(const TsTable *table, int64 time)
{
	if (table->time_type == DATEOID)
		return DateADTGetDatum((DateADT) time);
	return TimestampGetDatum(time);
}

int64
ts_table_time_from_timestamptz(const TsTable *table, TimestampTz time)
{
	Datum value = TimestampTzGetDatum(time);

	switch (table->time_type)
	{
		case TIMESTAMPOID:
			return DatumGetTimestamp(DirectFunctionCall1(timestamptz_timestamp, value));
		case DATEOID:
			return DatumGetDateADT(DirectFunctionCall1(timestamptz_date, value));
		default:
			return time;
	}
}

Oid
ts_table_am_oid(void)
{
	return get_table_am_oid(AM_NAME, true);
}

bool
ts_table_is_ours(Relation rel)
{
	Oid am = rel->rd_rel->relam;

	return OidIsValid(am) && am == ts_table_am_oid();
}

bool
ts_table_oid_is_ours(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid am = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		am = ((Form_pg_class) GETSTRUCT(tuple))->relam;
		ReleaseSysCache(tuple);
	}
	return OidIsValid(am) && am == ts_table_am_oid();
}
