/*
 * maintain_sql.c
 *	  mytsdb.seal(), mytsdb.merge() and mytsdb.drop_before(): maintenance when somebody
 *	  asks for it.
 *
 * On a partitioned table they do all its partitions.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "ddl.h"
#include "ts_buffer.h"
#include "ts_index.h"
#include "ts_maintain.h"
#include "ts_table.h"

PG_FUNCTION_INFO_V1(mytsdb_seal);
PG_FUNCTION_INFO_V1(mytsdb_merge);
PG_FUNCTION_INFO_V1(mytsdb_drop_before);

/* The tables of ours that a name stands for; the caller must own what he names. */
static List *
tables_to_maintain(Oid relid)
{
	List *tables;
	char kind = get_rel_relkind(relid);

	if (kind == '\0')
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", relid)));
	if (!pg_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(kind),
					   get_rel_name(relid));
	tables = ddl_our_descendants(relid);
	if (tables == NIL && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table USING mytsdb", get_rel_name(relid))));
	return tables;
}

typedef int64 (*Work)(Relation rel, const TsTable *table, Datum arg);

static int64
for_each_table(const char *name, Oid relid, Work work, Datum arg)
{
	int64 sum = 0;
	ListCell *lc;

	ts_maintain_check(name);
	ts_buffer_flush();
	foreach (lc, tables_to_maintain(relid))
	{
		Relation rel = table_open(lfirst_oid(lc), RowExclusiveLock);
		TsTable *table;

		/* it may have become another kind of table before we had the lock */
		if (ts_table_is_ours(rel))
		{
			table = ts_table_get(rel);
			sum += work(rel, table, arg);
			pfree(table);
		}
		table_close(rel, NoLock);
	}
	return sum;
}

static void
maintain_index(Relation rel, const TsTable *table, bool all)
{
	while (ts_index_maintain(rel, table, all))
	{
		CommandCounterIncrement();
		CHECK_FOR_INTERRUPTS();
	}
}

static int64
seal_table(Relation rel, const TsTable *table, Datum arg)
{
	int64 rows = 0;

	for (int shard = 0; shard < table->shards; shard++)
	{
		bool more = true;

		ts_maintain_lock(table, shard, true);
		while (more)
		{
			rows += ts_seal_shard(rel, table, shard, &more);
			CommandCounterIncrement();
		}
	}
	/* whoever merges now sees to it himself */
	if (table->labels_key && ts_maintain_lock(table, -1, false))
		maintain_index(rel, table, false);
	return rows;
}

static int64
merge_table(Relation rel, const TsTable *table, Datum arg)
{
	int64 blocks = 0;
	int merged;

	ts_maintain_lock(table, -1, true);
	while ((merged = ts_merge_window(rel, table, true)) > 0)
	{
		blocks += merged;
		CommandCounterIncrement();
		CHECK_FOR_INTERRUPTS();
	}
	maintain_index(rel, table, true);
	return blocks;
}

static int64
drop_from_table(Relation rel, const TsTable *table, Datum arg)
{
	int64 rows;

	seal_table(rel, table, (Datum) 0);
	ts_maintain_lock(table, -1, true);
	rows = ts_drop_before(
		rel, table, ts_table_time_from_timestamptz(table, DatumGetTimestampTz(arg)));
	CommandCounterIncrement();
	return rows;
}

/* mytsdb.seal(regclass): seals all it can; returns the number of rows. */
Datum
mytsdb_seal(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(
		for_each_table("mytsdb.seal()", PG_GETARG_OID(0), seal_table, (Datum) 0));
}

/* mytsdb.merge(regclass): merges all there is to merge; returns the number of blocks that
 * became fewer ones. */
Datum
mytsdb_merge(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(
		for_each_table("mytsdb.merge()", PG_GETARG_OID(0), merge_table, (Datum) 0));
}

/* mytsdb.drop_before(regclass, timestamptz): drops whole blocks that end before a time;
 * returns the number of rows. */
Datum
mytsdb_drop_before(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(for_each_table("mytsdb.drop_before()", PG_GETARG_OID(0),
								   drop_from_table, PG_GETARG_DATUM(1)));
}
