/*
 * stat_sql.c
 *	  What an operator may look at: series, shards, blocks and sizes of tables, one table
 *	  at a time. The views mytsdb.series and mytsdb.stat_* ask for all.
 *
 * Each function answers for tables that the caller may SELECT from, and, where it shows
 * keys, whose rows no policy hides from him; it returns nothing for others, and for what
 * has been dropped meanwhile.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "ts_catalog.h"
#include "ts_hot.h"
#include "ts_index.h"
#include "ts_log.h"
#include "ts_maintain.h"
#include "ts_pages.h"
#include "ts_scan.h"
#include "ts_series.h"
#include "ts_shared.h"
#include "ts_table.h"

PG_FUNCTION_INFO_V1(mytsdb_series_of);
PG_FUNCTION_INFO_V1(mytsdb_shards_of);
PG_FUNCTION_INFO_V1(mytsdb_blocks_of);
PG_FUNCTION_INFO_V1(mytsdb_sizes_of);
PG_FUNCTION_INFO_V1(mytsdb_lock_waits);

extern Datum mytsdb_labels_to_jsonb(PG_FUNCTION_ARGS);

/* Opens a table that the caller may look at; NULL otherwise. */
static Relation
open_readable(Oid relid)
{
	Relation rel = try_relation_open(relid, AccessShareLock);

	if (rel == NULL)
		return NULL;
	if ((rel->rd_rel->relkind == RELKIND_RELATION ||
		 rel->rd_rel->relkind == RELKIND_MATVIEW) &&
		ts_table_is_ours(rel) &&
		pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return rel;
	relation_close(rel, AccessShareLock);
	return NULL;
}

/* Answers for the table that is the function's argument, by rows that `put` adds. */
static Datum
answer(FunctionCallInfo fcinfo, void (*put)(Relation rel, ReturnSetInfo *result))
{
	Relation rel;

	InitMaterializedSRF(fcinfo, 0);
	rel = open_readable(PG_GETARG_OID(0));
	if (rel == NULL)
		return (Datum) 0;
	put(rel, (ReturnSetInfo *) fcinfo->resultinfo);
	relation_close(rel, AccessShareLock);
	return (Datum) 0;
}

static Datum
count_datum(uint64 count)
{
	return Int64GetDatum((int64) count);
}

/*
 * A time of the table as timestamptz, for people to read. Some dates and timestamps have
 * no counterpart there: they are shown as infinite.
 */
static Datum
shown_time(const TsTable *table, int64 time)
{
	Datum value = ts_table_time_datum(table, time);
	int overflow = 0;

	switch (table->time_type)
	{
		case DATEOID:
			return TimestampTzGetDatum(
				date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow));
		case TIMESTAMPOID:
			return TimestampTzGetDatum(
				timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow));
		default:
			return value;
	}
}

/* ---- series ---- */

/* The key columns as a row type, so that to_jsonb() gives them their names and types. */
static TupleDesc
key_desc(Relation rel, const TsTable *table)
{
	TupleDesc desc = CreateTemplateTupleDesc(table->nkeys);

	for (int i = 0; i < table->nkeys; i++)
		TupleDescCopyEntry(desc, i + 1, RelationGetDescr(rel), table->keys[i]);
	return BlessTupleDesc(desc);
}

/* to_jsonb() for values of the type record. */
static void
prepare_to_jsonb(FmgrInfo *info)
{
	Node *arg = (Node *) makeNullConst(RECORDOID, -1, InvalidOid);

	fmgr_info(F_TO_JSONB, info);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(arg),
											 InvalidOid, InvalidOid,
											 COERCE_EXPLICIT_CALL),
					   info);
}

static Datum
key_json(const TsTable *table, TupleDesc desc, FmgrInfo *to_jsonb, const Datum *values,
		 const bool *isnull)
{
	Datum key_values[INDEX_MAX_KEYS];
	bool key_nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < table->nkeys; i++)
	{
		key_values[i] = values[table->keys[i] - 1];
		key_nulls[i] = isnull[table->keys[i] - 1];
	}
	if (table->labels_key && !key_nulls[0])
		return DirectFunctionCall1(mytsdb_labels_to_jsonb, key_values[0]);
	return FunctionCall1(to_jsonb,
						 HeapTupleGetDatum(heap_form_tuple(desc, key_values, key_nulls)));
}

typedef struct SeenSeries
{
	uint32 count; /* in the dictionary */
	bool *seen;
} SeenSeries;

/* Asked by a scan when it meets rows of a series; none is to be read for it. */
static bool
note_series(void *arg, uint32 series)
{
	SeenSeries *all = arg;

	/* beyond the dictionary in damaged pages only */
	if (series < all->count)
		all->seen[series] = true;
	return false;
}

/*
 * Which of the `count` series of the dictionary have rows that the query's snapshot sees.
 * It has others: rolled back, not committed yet, or with all blocks dropped.
 */
static bool *
series_with_rows(Relation rel, uint32 count)
{
	static const bool nothing[MaxAttrNumber] = {false};
	SeenSeries all = {
		.count = count,
		.seen = palloc_extended(Max(count, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO)};
	TsScanSpec spec = {.time_min = PG_INT64_MIN,
					   .time_max = PG_INT64_MAX,
					   .accept = note_series,
					   .accept_arg = &all,
					   .wanted = nothing,
					   .count_only = true};
	TsScan *scan = ts_scan_begin(rel, GetActiveSnapshot(), &spec);
	TsBatch batch;

	while (ts_scan_next(scan, &batch))
		CHECK_FOR_INTERRUPTS();
	ts_scan_end(scan);
	return all.seen;
}

static void
put_keys(Relation rel, ReturnSetInfo *result)
{
	TsTable *table = ts_table_get(rel);
	uint32 count = ts_series_count(rel, table);
	bool *have = series_with_rows(rel, count);
	TsSeriesReader *reader = ts_series_open(rel, table);
	TupleDesc desc = key_desc(rel, table);
	Datum *values = palloc(sizeof(Datum) * table->natts);
	bool *isnull = palloc(sizeof(bool) * table->natts);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb series",
												  ALLOCSET_SMALL_SIZES);
	FmgrInfo to_jsonb;

	prepare_to_jsonb(&to_jsonb);
	for (uint32 id = 0; id < count; id++)
	{
		MemoryContext old;
		Datum row[2];
		bool nulls[2] = {false, false};

		CHECK_FOR_INTERRUPTS();
		if (!have[id])
			continue;
		old = MemoryContextSwitchTo(context);
		ts_series_read(reader, id, values, isnull);
		row[0] = Int64GetDatum(id);
		row[1] = key_json(table, desc, &to_jsonb, values, isnull);
		tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	ts_series_close(reader);
	pfree(have);
}

/*
 * A type's owner says by a cast what to_jsonb() makes of its values. Such a function runs
 * as the table's owner, not as whoever looks at the series.
 */
static void
put_series(Relation rel, ReturnSetInfo *result)
{
	int nest;
	Oid user;
	int context;

	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		return;
	nest = NewGUCNestLevel();
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   context | SECURITY_RESTRICTED_OPERATION);
	put_keys(rel, result);
	AtEOXact_GUC(false, nest);
	SetUserIdAndSecContext(user, context);
}

/* mytsdb.series_of(regclass): id, key */
Datum
mytsdb_series_of(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, put_series);
}

/* ---- shards ---- */

/* What is known of a table's logs. */
typedef struct Logs
{
	TsLogPos covered[TS_MAX_LOGS];
	TsLogPos ends[TS_MAX_LOGS];
	uint64 pages[TS_MAX_LOGS]; /* by stream */
	uint64 dictionary_pages;
} Logs;

static void
find_logs(Relation rel, const TsTable *table, Logs *logs)
{
	(void) ts_catalog_covered_now(table, logs->covered);
	ts_log_ends(rel, table, logs->ends);
	logs->dictionary_pages = ts_pages_count_streams(rel, table, TS_MAX_LOGS, logs->pages);
}

static Datum
time_datum(TimestampTz time, bool *isnull)
{
	*isnull = time == 0;
	return TimestampTzGetDatum(time);
}

/* What there is of one shard, or of all. */
typedef struct ShardSums
{
	int logs; /* that have been made */
	uint64 pages;
	uint64 pending; /* bytes */
	uint64 hot;
	TsSlotCounts seals; /* since: when the last of them began to be counted */
	TsLockWaits waits;
} ShardSums;

static void
add_shard(ShardSums *sums, const TsTable *table, const Logs *logs, int shard)
{
	TsSlotCounts seals;

	for (int i = 0; i < TS_SHARD_LOGS; i++)
	{
		int log = ts_log_of(table, shard, i);
		TsStream stream = ts_log_stream(table, log);
		TsSlotKey key;

		sums->logs += logs->pages[stream] > 0;
		sums->pages += logs->pages[stream];
		sums->pending += ts_log_distance(logs->covered[log], logs->ends[log]);
		ts_slot_key(&key, table, stream);
		ts_shared_add_waits(&key, &sums->waits);
	}
	sums->hot += ts_hot_shard_bytes(table, shard);
	ts_maintain_counts(table, shard, &seals);
	sums->seals.times += seals.times;
	sums->seals.amount += seals.amount;
	sums->seals.last = Max(sums->seals.last, seals.last);
	sums->seals.since = Max(sums->seals.since, seals.since);
}

static Datum
seconds_datum(uint64 microseconds)
{
	return Float8GetDatum((double) microseconds / 1e6);
}

/*
 * mytsdb.shards_of(regclass): shard, logs, pending_bytes, log_bytes, hot_bytes, seals,
 * rows_sealed, last_seal, lock_waits, lock_seconds, counted_since
 */
static void
put_shards(Relation rel, ReturnSetInfo *result)
{
	TsTable *table = ts_table_get(rel);
	Logs logs;

	find_logs(rel, table, &logs);
	for (int shard = 0; shard < table->shards; shard++)
	{
		ShardSums sums = {0};
		Datum row[11];
		bool nulls[11] = {false};
		int i = 0;

		add_shard(&sums, table, &logs, shard);
		row[i++] = Int32GetDatum(shard);
		row[i++] = Int32GetDatum(sums.logs);
		row[i++] = count_datum(sums.pending);
		row[i++] = count_datum(sums.pages * BLCKSZ);
		row[i++] = count_datum(sums.hot);
		row[i++] = count_datum(sums.seals.times);
		row[i++] = count_datum(sums.seals.amount);
		row[i] = time_datum(sums.seals.last, &nulls[i]);
		i++;
		row[i++] = count_datum(sums.waits.waits);
		row[i++] = seconds_datum(sums.waits.microseconds);
		row[i++] = TimestampTzGetDatum(sums.seals.since);
		Assert(i == lengthof(row));
		tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
	}
}

Datum
mytsdb_shards_of(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, put_shards);
}

/* ---- blocks ---- */

static const char *
tier_name(int tier)
{
	return tier == TS_TIER_FRESH ? "fresh" : "warm";
}

static void
put_block(const TsTable *table, const TsBlockInfo *block, ReturnSetInfo *result)
{
	Datum row[11];
	bool nulls[11] = {false};
	int i = 0;

	row[i++] = count_datum(block->pages.id);
	row[i++] = CStringGetTextDatum(tier_name(block->tier));
	row[i++] = shown_time(table, block->time_min);
	row[i++] = shown_time(table, block->time_max);
	row[i++] = count_datum(block->series_min);
	row[i++] = count_datum(block->series_max);
	row[i++] = Int64GetDatum(block->rows);
	row[i++] = Int32GetDatum(block->chunks);
	row[i++] = count_datum(block->length);
	row[i++] = count_datum(block->pages.first);
	row[i++] = count_datum(block->pages.count);
	Assert(i == lengthof(row));
	tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
}

static TsBlockInfo *
latest_blocks(const TsTable *table, int *count)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TsBlockInfo *blocks = ts_catalog_blocks(table->storage, PG_INT64_MIN, PG_INT64_MAX,
											snapshot, count);

	UnregisterSnapshot(snapshot);
	return blocks;
}

/*
 * mytsdb.blocks_of(regclass): id, tier, time_min, time_max, series_min, series_max, rows,
 * chunks, bytes, first_page, pages
 */
static void
put_blocks(Relation rel, ReturnSetInfo *result)
{
	TsTable *table = ts_table_get(rel);
	int count;
	TsBlockInfo *blocks = latest_blocks(table, &count);

	for (int i = 0; i < count; i++)
		put_block(table, &blocks[i], result);
}

Datum
mytsdb_blocks_of(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, put_blocks);
}

/* ---- sizes ---- */

/* Pages of the label index. */
static uint64
index_pages(const TsTable *table)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	int count;
	TsIndexSegment *segments = ts_catalog_segments(table->storage, snapshot, &count);
	uint64 pages = 0;

	UnregisterSnapshot(snapshot);
	for (int i = 0; i < count; i++)
		pages += segments[i].pages.count;
	pfree(segments);
	return pages;
}

/*
 * mytsdb.sizes_of(regclass): storage, shards, series, rows, blocks, chunks, fresh_bytes,
 * warm_bytes, dictionary_bytes, index_bytes, log_bytes, pending_bytes, free_bytes,
 * total_bytes, hot_bytes, seals, rows_sealed, last_seal, merges, blocks_merged,
 * last_merge, lock_waits, lock_seconds, counted_since
 */
static void
put_sizes(Relation rel, ReturnSetInfo *result)
{
	TsTable *table = ts_table_get(rel);
	TsTableSize size;
	Logs logs;
	ShardSums sums = {0};
	TsSlotCounts merges;
	int count;
	TsBlockInfo *blocks = latest_blocks(table, &count);
	uint64 chunks = 0;
	uint64 tier_pages[2] = {0};
	Datum row[24];
	bool nulls[24] = {false};
	int i = 0;

	for (int b = 0; b < count; b++)
	{
		chunks += blocks[b].chunks;
		tier_pages[blocks[b].tier == TS_TIER_FRESH ? 0 : 1] += blocks[b].pages.count;
	}
	ts_table_size(rel, &size);
	find_logs(rel, table, &logs);
	for (int shard = 0; shard < table->shards; shard++)
		add_shard(&sums, table, &logs, shard);
	ts_maintain_counts(table, -1, &merges);

	row[i++] = count_datum(table->storage);
	row[i++] = Int32GetDatum(table->shards);
	row[i++] = Int64GetDatum((int64) size.series);
	row[i++] = Int64GetDatum((int64) size.rows);
	row[i++] = Int64GetDatum(count);
	row[i++] = count_datum(chunks);
	row[i++] = count_datum(tier_pages[0] * BLCKSZ);
	row[i++] = count_datum(tier_pages[1] * BLCKSZ);
	row[i++] = count_datum(logs.dictionary_pages * BLCKSZ);
	row[i++] = count_datum(index_pages(table) * BLCKSZ);
	row[i++] = count_datum(sums.pages * BLCKSZ);
	row[i++] = count_datum(sums.pending);
	row[i++] = count_datum(ts_pages_free_count(table) * BLCKSZ);
	row[i++] = count_datum((uint64) RelationGetNumberOfBlocks(rel) * BLCKSZ);
	row[i++] = count_datum(sums.hot);
	row[i++] = count_datum(sums.seals.times);
	row[i++] = count_datum(sums.seals.amount);
	row[i] = time_datum(sums.seals.last, &nulls[i]);
	i++;
	row[i++] = count_datum(merges.times);
	row[i++] = count_datum(merges.amount);
	row[i] = time_datum(merges.last, &nulls[i]);
	i++;
	row[i++] = count_datum(sums.waits.waits);
	row[i++] = seconds_datum(sums.waits.microseconds);
	row[i++] = TimestampTzGetDatum(Max(sums.seals.since, merges.since));
	Assert(i == lengthof(row));
	tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
}

Datum
mytsdb_sizes_of(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, put_sizes);
}

/* mytsdb.lock_waits(): waits and seconds of sessions, of those behind WAL, of workers */
Datum
mytsdb_lock_waits(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	TsLockWaits found[TS_WAITERS];
	Datum row[2 * TS_WAITERS];
	bool nulls[2 * TS_WAITERS] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	ts_lock_waits(found);
	for (int i = 0; i < TS_WAITERS; i++)
	{
		row[2 * i] = count_datum(found[i].waits);
		row[2 * i + 1] = seconds_datum(found[i].microseconds);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), row, nulls)));
}
