/*
 * catalog.c
 *	  Reads and writes mytsdb.block and mytsdb.shard as the engine, for the current
 *	  transaction: no privileges are asked for, no triggers fire.
 *
 * Rows are written in the current (sub)transaction and command, as any heap row is, and
 * that is what decides who sees a block. Reads use the caller's snapshot, so what the
 * current command wrote is not among them. A row is changed at most once per command,
 * and never by two transactions at a time: callers hold the maintenance lock of the
 * shard, or the table's for themselves.
 *
 * While a cluster is being upgraded nothing is inserted: the rows come with the
 * catalogs' own files.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog_internal.h"
#include "ts_catalog.h"

/* ---- where the catalogs are ---- */

static TsCatalogOids known;
static bool known_valid = false;

static void
forget(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == known.block || relid == known.block_pkey ||
		relid == known.block_time || relid == known.shard || relid == known.shard_pkey ||
		relid == known.segment || relid == known.segment_pkey)
		known_valid = false;
}

bool
ts_catalog_find(TsCatalogOids *oids, bool missing_ok)
{
	static bool registered = false;
	Oid schema;

	if (known_valid)
	{
		*oids = known;
		return true;
	}
	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
		registered = true;
	}
	memset(oids, 0, sizeof(*oids));
	schema = get_namespace_oid("mytsdb", true);
	if (OidIsValid(schema))
	{
		oids->block = get_relname_relid("block", schema);
		oids->block_pkey = get_relname_relid("block_pkey", schema);
		oids->block_time = get_relname_relid("block_time", schema);
		oids->shard = get_relname_relid("shard", schema);
		oids->shard_pkey = get_relname_relid("shard_pkey", schema);
		oids->segment = get_relname_relid("label_index", schema);
		oids->segment_pkey = get_relname_relid("label_index_pkey", schema);
	}
	if (OidIsValid(oids->block) && OidIsValid(oids->block_pkey) &&
		OidIsValid(oids->block_time) && OidIsValid(oids->shard) &&
		OidIsValid(oids->shard_pkey) && OidIsValid(oids->segment) &&
		OidIsValid(oids->segment_pkey))
	{
		known = *oids;
		known_valid = true;
		return true;
	}
	if (!missing_ok)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the catalogs of extension \"mytsdb\" are missing"),
						errhint("Run ALTER EXTENSION mytsdb UPDATE if the extension was "
								"created by an older version.")));
	return false;
}

/* ---- rows ---- */

static HeapTuple
form_row(Relation rel, const Datum *values)
{
	bool nulls[BLOCK_NATTS] = {false}; /* no catalog has more columns */

	Assert(RelationGetNumberOfAttributes(rel) <= BLOCK_NATTS);
	return heap_form_tuple(RelationGetDescr(rel), unconstify(Datum *, values), nulls);
}

void
ts_catalog_insert(Oid heap, const Datum *values)
{
	Relation rel = table_open(heap, RowExclusiveLock);
	HeapTuple tuple = form_row(rel, values);

	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	table_close(rel, NoLock);
}

void
ts_catalog_delete(Oid heap, const ItemPointerData *tid)
{
	Relation rel = table_open(heap, RowExclusiveLock);
	ItemPointerData position = *tid;

	Assert(ItemPointerIsValid(&position));
	CatalogTupleDelete(rel, &position);
	table_close(rel, NoLock);
}

/* ---- shards ---- */

/* What is covered of the logs of a shard, without those at the end that are at 0. */
static Datum
covered_array(const TsTable *table, int shard, const TsLogPos *covered)
{
	Datum elements[TS_SHARD_LOGS];
	int count = 0;

	for (int i = 0; covered != NULL && i < TS_SHARD_LOGS; i++)
	{
		TsLogPos position = covered[ts_log_of(table, shard, i)];

		elements[i] = Int64GetDatum((int64) position);
		if (position > 0)
			count = i + 1;
	}
	return PointerGetDatum(construct_array(elements, count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

void
ts_catalog_shard_covered(const TsCatalogScan *scan, TsLogPos *covered)
{
	ArrayType *array = DatumGetArrayTypeP(scan->slot->tts_values[SHARD_COVERED - 1]);
	int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (ARR_HASNULL(array) || ARR_ELEMTYPE(array) != INT8OID || count > TS_SHARD_LOGS)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("\"mytsdb.shard\" has an impossible row")));
	memset(covered, 0, TS_SHARD_LOGS * sizeof(TsLogPos));
	memcpy(covered, (const char *) array + ARR_OVERHEAD_NONULLS(ARR_NDIM(array)),
		   count * sizeof(TsLogPos));
}

void
ts_catalog_insert_shards(uint64 storage, int shards)
{
	TsCatalogOids oids;
	Relation rel;
	CatalogIndexState indexes;

	Assert(storage <= PG_INT64_MAX && shards > 0 && shards <= TS_MAX_SHARDS);
	if (IsBinaryUpgrade)
		return;
	ts_catalog_find(&oids, false);
	rel = table_open(oids.shard, RowExclusiveLock);
	indexes = CatalogOpenIndexes(rel);
	for (int i = 0; i < shards; i++)
	{
		Datum values[SHARD_NATTS];
		HeapTuple tuple;

		values[SHARD_STORAGE - 1] = Int64GetDatum((int64) storage);
		values[SHARD_SHARD - 1] = Int16GetDatum((int16) i);
		values[SHARD_COVERED - 1] = covered_array(NULL, 0, 0);
		tuple = form_row(rel, values);
		CatalogTupleInsertWithInfo(rel, tuple, indexes);
		heap_freetuple(tuple);
	}
	CatalogCloseIndexes(indexes);
	table_close(rel, NoLock);
}

bool
ts_catalog_covered(const TsTable *table, Snapshot snapshot, TsLogPos *covered)
{
	int shards = table->shards;
	TsCatalogOids oids;
	TsCatalogScan scan;
	int found = 0;

	Assert(IsMVCCSnapshot(snapshot));
	ts_catalog_find(&oids, false);
	ts_catalog_scan(&scan, oids.shard, oids.shard_pkey, AccessShareLock, snapshot,
					table->storage);
	while (ts_catalog_next(&scan))
	{
		TsLogPos positions[TS_SHARD_LOGS];

		/* The index hands them out in order and there is one row of each. */
		if (found >= shards ||
			DatumGetInt16(scan.slot->tts_values[SHARD_SHARD - 1]) != found)
			break;
		ts_catalog_shard_covered(&scan, positions);
		for (int i = 0; i < TS_SHARD_LOGS; i++)
			covered[ts_log_of(table, found, i)] = positions[i];
		found++;
	}
	ts_catalog_end(&scan);
	if (found > 0 && found < shards)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"mytsdb.shard\" lacks shard %d of storage " UINT64_FORMAT,
						found, table->storage)));
	return found > 0;
}

bool
ts_catalog_covered_now(const TsTable *table, TsLogPos *covered)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool known;

	memset(covered, 0, sizeof(TsLogPos) * ts_log_count(table));
	known = ts_catalog_covered(table, snapshot, covered);
	UnregisterSnapshot(snapshot);
	return known;
}

void
ts_catalog_set_covered(const TsTable *table, int shard, const TsLogPos *covered)
{
	TsCatalogOids oids;
	TsCatalogScan scan;
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool found = false;

	ts_catalog_find(&oids, false);
	ts_catalog_scan(&scan, oids.shard, oids.shard_pkey, RowExclusiveLock, snapshot,
					table->storage);
	while (!found && ts_catalog_next(&scan))
	{
		Datum *values = scan.slot->tts_values;
		HeapTuple tuple;

		if (DatumGetInt16(values[SHARD_SHARD - 1]) != shard)
			continue;
		values[SHARD_COVERED - 1] = covered_array(table, shard, covered);
		tuple = form_row(scan.heap, values);
		CatalogTupleUpdate(scan.heap, &scan.slot->tts_tid, tuple);
		heap_freetuple(tuple);
		found = true;
	}
	ts_catalog_end(&scan);
	UnregisterSnapshot(snapshot);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"mytsdb.shard\" lacks shard %d of storage " UINT64_FORMAT,
						shard, table->storage)));
}

/* ---- blocks ---- */

/* Bits of the length of a range of time: 0 for a single time, 64 at most. */
static int
time_span(int64 time_min, int64 time_max)
{
	uint64 difference = (uint64) time_max - (uint64) time_min;

	Assert(time_min <= time_max);
	return difference == 0 ? 0 : pg_leftmost_one_pos64(difference) + 1;
}

void
ts_catalog_insert_block(const TsBlockInfo *block)
{
	TsCatalogOids oids;
	Datum values[BLOCK_NATTS];
	int span = time_span(block->time_min, block->time_max);

	Assert(block->storage <= PG_INT64_MAX && block->pages.count > 0 && block->rows > 0);
	Assert(block->series_min <= block->series_max);
	Assert(block->number_min <= block->number_max);
	if (IsBinaryUpgrade)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("cannot write blocks while pg_upgrade is at work")));
	values[BLOCK_STORAGE - 1] = Int64GetDatum((int64) block->storage);
	values[BLOCK_ID - 1] = Int64GetDatum((int64) block->pages.id);
	values[BLOCK_TIER - 1] = Int16GetDatum((int16) block->tier);
	values[BLOCK_FIRST_PAGE - 1] = Int64GetDatum(block->pages.first);
	values[BLOCK_PAGES - 1] = Int64GetDatum(block->pages.count);
	values[BLOCK_LENGTH - 1] = Int64GetDatum((int64) block->length);
	values[BLOCK_SPAN - 1] = Int16GetDatum((int16) span);
	values[BLOCK_TIME_MIN - 1] = Int64GetDatum(block->time_min);
	values[BLOCK_TIME_MAX - 1] = Int64GetDatum(block->time_max);
	values[BLOCK_SERIES_MIN - 1] = Int64GetDatum(block->series_min);
	values[BLOCK_SERIES_MAX - 1] = Int64GetDatum(block->series_max);
	values[BLOCK_NUMBER_MIN - 1] = Int64GetDatum((int64) block->number_min);
	values[BLOCK_NUMBER_MAX - 1] = Int64GetDatum((int64) block->number_max);
	values[BLOCK_ROWS - 1] = Int64GetDatum(block->rows);
	values[BLOCK_CHUNKS - 1] = Int32GetDatum(block->chunks);

	ts_catalog_find(&oids, false);
	ts_catalog_insert(oids.block, values);
}

void
ts_catalog_delete_block(const TsBlockInfo *block)
{
	TsCatalogOids oids;

	ts_catalog_find(&oids, false);
	ts_catalog_delete(oids.block, &block->tid);
}

static void
read_block(const TupleTableSlot *slot, TsBlockInfo *block)
{
	const Datum *values = slot->tts_values;

	block->storage = (uint64) DatumGetInt64(values[BLOCK_STORAGE - 1]);
	block->pages.id = (uint64) DatumGetInt64(values[BLOCK_ID - 1]);
	block->pages.first = (BlockNumber) DatumGetInt64(values[BLOCK_FIRST_PAGE - 1]);
	block->pages.count = (uint32) DatumGetInt64(values[BLOCK_PAGES - 1]);
	block->length = (Size) DatumGetInt64(values[BLOCK_LENGTH - 1]);
	block->tier = DatumGetInt16(values[BLOCK_TIER - 1]);
	block->time_min = DatumGetInt64(values[BLOCK_TIME_MIN - 1]);
	block->time_max = DatumGetInt64(values[BLOCK_TIME_MAX - 1]);
	block->series_min = (uint32) DatumGetInt64(values[BLOCK_SERIES_MIN - 1]);
	block->series_max = (uint32) DatumGetInt64(values[BLOCK_SERIES_MAX - 1]);
	block->number_min = (uint64) DatumGetInt64(values[BLOCK_NUMBER_MIN - 1]);
	block->number_max = (uint64) DatumGetInt64(values[BLOCK_NUMBER_MAX - 1]);
	block->rows = DatumGetInt64(values[BLOCK_ROWS - 1]);
	block->chunks = DatumGetInt32(values[BLOCK_CHUNKS - 1]);
	block->tid = slot->tts_tid;
}

/* The smallest span of a storage's blocks that is larger than `last`; -1: none is. */
static int
next_span(TsCatalogScan *scan, uint64 storage, int last)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum((int64) storage));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT2GT,
				Int16GetDatum((int16) last));
	ts_catalog_seek(scan, keys, lengthof(keys));
	if (!ts_catalog_next(scan))
		return -1;
	return DatumGetInt16(scan->slot->tts_values[BLOCK_SPAN - 1]);
}

/* Begins with the blocks of one span that may overlap a range of time. */
static void
seek_span(TsCatalogScan *scan, uint64 storage, int span, int64 time_min, int64 time_max)
{
	ScanKeyData keys[4];
	/* No block of this span is longer. */
	uint64 longest = span == 64 ? PG_UINT64_MAX : (UINT64CONST(1) << span) - 1;
	uint64 above = (uint64) time_min - (uint64) PG_INT64_MIN;
	int64 from = above < longest ? PG_INT64_MIN : (int64) ((uint64) time_min - longest);

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum((int64) storage));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum((int16) span));
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(from));
	ScanKeyInit(&keys[3], 3, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(time_max));
	ts_catalog_seek(scan, keys, lengthof(keys));
}

static int
compare_blocks(const void *left, const void *right)
{
	const TsBlockInfo *a = left;
	const TsBlockInfo *b = right;

	if (a->time_min != b->time_min)
		return a->time_min < b->time_min ? -1 : 1;
	if (a->pages.id != b->pages.id)
		return a->pages.id < b->pages.id ? -1 : 1;
	return 0;
}

TsBlockInfo *
ts_catalog_blocks(uint64 storage, int64 time_min, int64 time_max, Snapshot snapshot,
				  int *count)
{
	TsCatalogOids oids;
	TsCatalogScan spans;
	TsCatalogScan rows;
	int span = -1;
	int n = 0;
	int room = 16;
	TsBlockInfo *blocks = palloc(room * sizeof(TsBlockInfo));

	Assert(IsMVCCSnapshot(snapshot));
	ts_catalog_find(&oids, false);
	ts_catalog_open(&spans, oids.block, oids.block_time, AccessShareLock, snapshot, 2);
	ts_catalog_open(&rows, oids.block, oids.block_time, AccessShareLock, snapshot, 4);
	while ((span = next_span(&spans, storage, span)) >= 0)
	{
		seek_span(&rows, storage, span, time_min, time_max);
		while (ts_catalog_next(&rows))
		{
			if (ts_catalog_value(&rows, BLOCK_TIME_MAX) < time_min)
				continue;
			if (n == room)
			{
				room *= 2;
				blocks = repalloc_huge(blocks, room * sizeof(TsBlockInfo));
			}
			read_block(rows.slot, &blocks[n++]);
		}
	}
	ts_catalog_end(&rows);
	ts_catalog_end(&spans);

	if (n > 1)
		qsort(blocks, n, sizeof(TsBlockInfo), compare_blocks);
	*count = n;
	return blocks;
}

/* ---- the catalogs themselves ---- */

bool
ts_catalog_relations(Oid *relids)
{
	TsCatalogOids oids;

	if (!ts_catalog_find(&oids, true))
		return false;
	relids[0] = oids.block;
	relids[1] = oids.shard;
	relids[2] = oids.segment;
	return true;
}

/* ---- the end of a storage ---- */

static void
delete_rows(Oid heap, Oid index, uint64 storage, Snapshot snapshot)
{
	TsCatalogScan scan;

	ts_catalog_scan(&scan, heap, index, RowExclusiveLock, snapshot, storage);
	while (ts_catalog_next(&scan))
		CatalogTupleDelete(scan.heap, &scan.slot->tts_tid);
	ts_catalog_end(&scan);
}

void
ts_catalog_drop(uint64 storage)
{
	TsCatalogOids oids;
	Snapshot snapshot;

	if (!ts_catalog_find(&oids, true))
		return;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	delete_rows(oids.block, oids.block_pkey, storage, snapshot);
	delete_rows(oids.shard, oids.shard_pkey, storage, snapshot);
	delete_rows(oids.segment, oids.segment_pkey, storage, snapshot);
	UnregisterSnapshot(snapshot);
}
