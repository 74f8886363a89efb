/*
 * scan.c
 *	  The one scan interface: begins, fixes what is read, ends; buffers.
 *
 * What a scan reads is fixed once, at the first fetch, by its snapshot: the blocks and
 * the positions from which on logs are read come from the catalogs as the snapshot sees
 * them; so a seal that commits in the meantime changes nothing, since the snapshot, which
 * is registered before, keeps both the log pages and the blocks. Rows of others that are
 * appended after a log's end was fixed are not visible to the snapshot anyway. Own rows
 * move from private runs to the logs and to blocks at any time: the catalogs are read, the
 * ends fixed and the runs pinned with nothing in between that may flush.
 *
 * For the same reason processes that divide a scan need not agree on any of this: with the
 * same snapshot they all see the same blocks and the same rows of the logs, wherever
 * these end for them.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/predicate.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "scan_internal.h"
#include "serve_stats.h"

static void set_spec(TsScan *scan, const TsScanSpec *spec);
static void reuse_retired(TsScan *scan);
static void drop_buffers(TsScan *scan);

TsScan *
ts_scan_begin(Relation rel, Snapshot snapshot, const TsScanSpec *spec)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb scan",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TsScan *scan = palloc0(sizeof(TsScan));

	scan->context = context;
	scan->rel = rel;
	scan->given = snapshot;
	scan->table = spec->desc ? ts_table_get_as(rel, spec->desc) : ts_table_get(rel);
	scan->wanted = palloc0(sizeof(bool) * Max(scan->table->natts, 1));
	scan->last_series = -1;
	set_spec(scan, spec);
	MemoryContextSwitchTo(old);
	return scan;
}

/*
 * Takes a spec over. Buffers have the columns of the spec they were made for.
 */
static void
set_spec(TsScan *scan, const TsScanSpec *spec)
{
	bool changed = false;

	Assert(spec->series != NULL || spec->nseries == 0);
	Assert(!scan->fixed ||
		   (spec->only_blocks != NULL) == (scan->spec.only_blocks != NULL));
	Assert(spec->share == NULL || (!spec->newest_first && spec->only_blocks == NULL));
	Assert(!spec->series_only || !spec->count_only);

	scan->spec = *spec;
	scan->by_reference = false;
	for (int i = 0; i < scan->table->natts; i++)
	{
		const TsColumn *column = &scan->table->columns[i];
		bool wanted = column->kind != TS_COLUMN_NONE && column->role == TS_ROLE_VALUE &&
					  !spec->count_only && !spec->series_only &&
					  (spec->wanted == NULL || spec->wanted[i]);

		changed |= wanted != scan->wanted[i];
		scan->wanted[i] = wanted;
		if (wanted && !column->byval)
			scan->by_reference = true;
	}
	if (changed)
		drop_buffers(scan);
	scan->running = false;
	scan->done = false;
	scan->narrow_min = PG_INT64_MIN;
	scan->narrow_max = PG_INT64_MAX;
}

void
ts_scan_rescan(TsScan *scan, const TsScanSpec *spec)
{
	if (scan->in_group)
		ts_scan_end_group(scan);
	reuse_retired(scan);
	scan->last_series = -1;
	if (scan->spec.share != NULL || spec->share != NULL)
		ts_scan_free_log(scan); /* it is one unit's, or would be taken for one's */
	set_spec(scan, spec);
}

void
ts_scan_narrow(TsScan *scan, int64 time_min, int64 time_max)
{
	Assert(time_min >= scan->narrow_min && time_max <= scan->narrow_max);
	Assert(scan->spec.share == NULL);

	scan->narrow_min = time_min;
	scan->narrow_max = time_max;
	if (scan->in_group)
	{
		scan->group->time_min = Max(scan->group->time_min, time_min);
		scan->group->time_max = Min(scan->group->time_max, time_max);
	}
}

/* What merges read is not what somebody asked for. */
static void
count_stats(const TsScan *scan)
{
	const TsScanStats *stats = &scan->stats;

	if (scan->spec.only_blocks != NULL)
		return;
	serve_count(STAT_BLOCKS_READ, stats->blocks_read);
	serve_count(STAT_CHUNKS_READ, stats->chunks_read);
	serve_count(STAT_ROWS_READ, stats->rows_sealed + stats->rows_log + stats->rows_own);
}

void
ts_scan_end(TsScan *scan)
{
	count_stats(scan);
	if (scan->in_group)
		ts_scan_end_group(scan);
	ts_scan_free_log(scan);
	if (scan->pin != NULL)
		ts_buffer_unpin(scan->pin);
	if (scan->snapshot != NULL)
		UnregisterSnapshotFromOwner(scan->snapshot, scan->owner);
	MemoryContextDelete(scan->context);
}

const TsScanStats *
ts_scan_stats(const TsScan *scan)
{
	return &scan->stats;
}

const TsTable *
ts_scan_table(const TsScan *scan)
{
	return scan->table;
}

/* ---- fixing what is read ---- */

/*
 * Registers the snapshot that the scan reads with. One that is not of MVCC (or none at
 * all) is taken as a new one that sees all that this transaction has done, the current
 * command included; that one is nobody else's, so its command may be changed.
 */
static void
register_snapshot(TsScan *scan)
{
	scan->owner = CurrentResourceOwner;
	if (scan->given != NULL && IsMVCCSnapshot(scan->given))
	{
		scan->snapshot = RegisterSnapshot(scan->given);
		return;
	}
	PushCopiedSnapshot(GetLatestSnapshot());
	scan->snapshot = RegisterSnapshot(GetActiveSnapshot());
	PopActiveSnapshot();
	scan->snapshot->curcid = GetCurrentCommandId(false) + 1;
}

/*
 * A storage written by VACUUM FULL and the like holds rows that are older than itself,
 * without saying by how much. Who does not see the rewrite cannot judge them. (A storage
 * belongs to a relation only once its writer has committed, or to the writer himself; so
 * there is no third case.)
 */
static void
check_writer(Relation rel, const TsTable *table, Snapshot snapshot)
{
	TransactionId writer = table->writer;

	if (!TransactionIdIsNormal(writer) || TransactionIdIsCurrentTransactionId(writer))
		return;
	if (XidInMVCCSnapshot(writer, snapshot))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("table \"%s\" was rewritten by a transaction that this "
							   "snapshot does not see",
							   RelationGetRelationName(rel)),
						errhint("Retry the transaction.")));
}

/* With it, pages that an old snapshot wants are freed under it. */
static void
check_threshold(void)
{
	if (old_snapshot_threshold >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tables USING mytsdb cannot be read with old_snapshot_threshold"),
				 errhint("Set old_snapshot_threshold to -1 and restart the server.")));
}

void
ts_scan_admit(Relation rel, const TsTable *table, Snapshot snapshot)
{
	Assert(IsMVCCSnapshot(snapshot));

	check_threshold();
	PredicateLockRelation(rel, snapshot);
	check_writer(rel, table, snapshot);
}

static int
compare_blocks(const void *a, const void *b)
{
	const TsBlockInfo *x = a;
	const TsBlockInfo *y = b;

	return x->time_min < y->time_min ? -1 : x->time_min > y->time_min;
}

/* Takes the blocks that the spec gives: those who merge know what they see. */
static void
take_blocks(TsScan *scan)
{
	const TsScanSpec *spec = &scan->spec;
	Size size = sizeof(TsBlockInfo) * spec->nonly_blocks;

	scan->nblocks = spec->nonly_blocks;
	scan->blocks = MemoryContextAllocHuge(scan->blocks_context, Max(size, 1));
	memcpy(scan->blocks, spec->only_blocks, size);
	qsort(scan->blocks, scan->nblocks, sizeof(TsBlockInfo), compare_blocks);
}

/* Reads the blocks that overlap a range of time. */
static void
read_blocks(TsScan *scan, int64 time_min, int64 time_max)
{
	MemoryContext old;

	MemoryContextReset(scan->blocks_context);
	old = MemoryContextSwitchTo(scan->blocks_context);
	scan->blocks = ts_catalog_blocks(scan->table->storage, time_min, time_max,
									 scan->snapshot, &scan->nblocks);
	scan->blocks_min = time_min;
	scan->blocks_max = time_max;
	MemoryContextSwitchTo(old);
}

static void
pin_own_runs(TsScan *scan)
{
	TsBufferRun *runs = NULL;
	int nruns = 0;

	scan->pin = ts_buffer_pin(scan->table, scan->snapshot, &runs, &nruns);
	scan->own = palloc0(sizeof(ScanOwnRun) * Max(nruns, 1));
	for (int i = 0; i < nruns; i++)
	{
		if (runs[i].n == 0)
			continue;
		Assert(runs[i].rows->natts <= scan->table->natts);
		scan->own[scan->nown].rows = runs[i].rows;
		scan->own[scan->nown++].n = runs[i].n;
	}
}

/*
 * Fixes what the snapshot sees. Nothing in here flushes own rows. A storage whose shards
 * the snapshot does not see is newer than the snapshot, as after a TRUNCATE by somebody
 * later: to it, the table is empty, as heap tables are then.
 */
static void
fix_by_snapshot(TsScan *scan)
{
	const TsTable *table = scan->table;

	check_threshold();
	register_snapshot(scan);
	if (scan->given != NULL)
		PredicateLockRelation(scan->rel, scan->given);
	check_writer(scan->rel, table, scan->snapshot);

	scan->covered = palloc0(sizeof(TsLogPos) * ts_log_count(table));
	scan->ends = palloc0(sizeof(TsLogPos) * ts_log_count(table));
	scan->visible = ts_catalog_covered(table, scan->snapshot, scan->covered);
	if (scan->visible)
	{
		read_blocks(scan, scan->spec.time_min, scan->spec.time_max);
		ts_log_ends(scan->rel, table, scan->ends);
		/* a log that was overlooked would end at 0 */
		for (int log = 0; log < ts_log_count(table); log++)
			Assert(scan->covered[log] <= scan->ends[log] || RecoveryInProgress());
	}
	pin_own_runs(scan);
}

static void
fix(TsScan *scan)
{
	int natts = Max(scan->table->natts, 1);

	Assert(!scan->fixed && CurrentMemoryContext == scan->context);
	scan->blocks_context = AllocSetContextCreate(scan->context, "mytsdb scan: blocks",
												 ALLOCSET_SMALL_SIZES);
	scan->run = AllocSetContextCreate(scan->context, "mytsdb scan: run",
									  ALLOCSET_SMALL_SIZES);
	scan->group_context = AllocSetContextCreate(scan->context, "mytsdb scan: group",
												ALLOCSET_SMALL_SIZES);
	scan->missing = palloc0(sizeof(Datum) * natts);
	scan->missing_null = palloc0(sizeof(bool) * natts);
	scan->batch_values = palloc0(sizeof(Datum *) * natts);
	scan->batch_nulls = palloc0(sizeof(bool *) * natts);

	if (scan->spec.only_blocks != NULL)
		take_blocks(scan);
	else
		fix_by_snapshot(scan);
	scan->fixed = true;
}

/*
 * What wanted columns have in rows that are older than the column. The relation's cache
 * may forget its copy at any time.
 */
static void
find_missing(TsScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->run);

	for (int i = 0; i < scan->table->natts; i++)
	{
		const TsColumn *column = &scan->table->columns[i];

		if (!scan->wanted[i])
			continue;
		scan->missing[i] = ts_missing_value(scan->rel, scan->table, i + 1,
											&scan->missing_null[i]);
		if (!scan->missing_null[i])
			scan->missing[i] = datumCopy(scan->missing[i], column->byval, column->length);
	}
	MemoryContextSwitchTo(old);
}

/* Begins to read what the spec asks for. */
static void
start(TsScan *scan)
{
	const TsScanSpec *spec = &scan->spec;
	static const ScanUnit everything = {
		.series_max = PG_UINT32_MAX, .shard = -1, .blocks = true, .log = true};

	MemoryContextReset(scan->group_context);
	MemoryContextReset(scan->run);
	scan->chunk_times = NULL;
	scan->counted = 0;
	scan->next_group = 0;
	scan->ngroups = 0;
	scan->unit = everything;
	scan->division = NULL;
	scan->one_rank = false;
	scan->running = true;
	if (spec->time_min > spec->time_max || (spec->series != NULL && spec->nseries == 0))
		return;

	if (spec->share != NULL)
		ts_scan_join(scan);
	if (scan->visible &&
		(spec->time_min < scan->blocks_min || spec->time_max > scan->blocks_max))
		read_blocks(scan, Min(spec->time_min, scan->blocks_min),
					Max(spec->time_max, scan->blocks_max));
	find_missing(scan);
	ts_scan_make_groups(scan);
	if (spec->share != NULL)
		ts_scan_divide(scan);
	else
		ts_scan_load_log(scan);
	if (scan->out == NULL)
		scan->out = ts_scan_get_buffer(scan);
	scan->out->pos = scan->out->end = 0;
}

/* ---- fetching ---- */

/* A batch that has nothing but a number of rows. */
static void
bare_batch(TsScan *scan, TsBatch *batch, uint32 series, uint32 n)
{
	memset(scan->batch_values, 0, sizeof(Datum *) * scan->table->natts);
	memset(scan->batch_nulls, 0, sizeof(bool *) * scan->table->natts);
	batch->series = series;
	batch->group = 0;
	batch->n = n;
	batch->times = NULL;
	batch->numbers = NULL;
	batch->values = scan->batch_values;
	batch->nulls = scan->batch_nulls;
}

/* Tells of rows that were counted; some at a time, since n is not that wide. */
static void
counted_batch(TsScan *scan, TsBatch *batch)
{
	bare_batch(scan, batch, 0, (uint32) Min(scan->counted, (uint64) PG_UINT32_MAX));
	scan->counted -= batch->n;
}

/* Ends the series; tells of it if it has rows. */
static bool
series_batch(TsScan *scan, TsBatch *batch)
{
	bool found = false;

	for (int i = 0; i < scan->nactive && !found; i++)
		found = ts_source_has_rows(scan, scan->active[i]);
	if (found)
	{
		bare_batch(scan, batch, scan->series, 1);
		scan->stats.series++;
	}
	ts_scan_end_series(scan);
	return found;
}

static bool
next_batch(TsScan *scan, TsBatch *batch)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (scan->in_series)
		{
			if (ts_scan_series_batch(scan, batch))
				return true;
			ts_scan_end_series(scan);
		}
		else if (scan->in_group)
		{
			if (!ts_scan_next_series(scan))
				ts_scan_end_group(scan);
			else if (scan->spec.series_only)
			{
				if (series_batch(scan, batch))
					return true;
			}
			else if (scan->spec.count_only && !scan->table->replace)
			{
				scan->counted += ts_scan_series_count(scan);
				scan->stats.series++;
				ts_scan_end_series(scan);
			}
		}
		else if (scan->counted > 0)
		{
			counted_batch(scan, batch);
			return true;
		}
		else if (!ts_scan_next_group(scan))
			return false;
	}
}

bool
ts_scan_next(TsScan *scan, TsBatch *batch)
{
	MemoryContext old;
	bool found;

	if (scan->done)
		return false;
	old = MemoryContextSwitchTo(scan->context);
	if (!scan->fixed)
		fix(scan);
	if (!scan->running)
		start(scan);

	reuse_retired(scan);
	MemoryContextSwitchTo(scan->group_context);
	found = next_batch(scan, batch);
	MemoryContextSwitchTo(old);

	scan->done = !found;
	if (found && batch->times != NULL && batch->series != scan->last_series)
	{
		scan->last_series = batch->series;
		scan->stats.series++;
	}
	return found;
}

/* ---- buffers ---- */

ScanBuffer *
ts_scan_get_buffer(TsScan *scan)
{
	ScanBuffer *buffer = scan->free;
	MemoryContext context;

	if (buffer != NULL)
	{
		scan->free = buffer->next;
		MemoryContextReset(buffer->data);
		buffer->pos = buffer->end = 0;
		return buffer;
	}
	context = AllocSetContextCreate(scan->context, "mytsdb scan: buffer",
									ALLOCSET_SMALL_SIZES);
	buffer = MemoryContextAllocZero(context, sizeof(ScanBuffer));
	buffer->context = context;
	buffer->data = AllocSetContextCreate(context, "mytsdb scan: values",
										 ALLOCSET_DEFAULT_SIZES);
	buffer->vectors = ts_vectors_create(context, scan->table, scan->table->natts,
										scan->wanted, TS_SCAN_BATCH);
	return buffer;
}

void
ts_scan_retire_buffer(TsScan *scan, ScanBuffer *buffer)
{
	if (scan->by_reference)
	{
		buffer->next = scan->retired;
		scan->retired = buffer;
		scan->nretired++;
	}
	else
	{
		buffer->next = scan->free;
		scan->free = buffer;
	}
}

/* The batch handed out before is not looked at any more. */
static void
reuse_retired(TsScan *scan)
{
	while (scan->retired != NULL)
	{
		ScanBuffer *buffer = scan->retired;

		scan->retired = buffer->next;
		buffer->next = scan->free;
		scan->free = buffer;
	}
	scan->nretired = 0;
}

/* For batches of other columns, other buffers are needed. */
static void
drop_buffers(TsScan *scan)
{
	if (scan->out != NULL)
		ts_scan_retire_buffer(scan, scan->out);
	scan->out = NULL;
	reuse_retired(scan);
	while (scan->free != NULL)
	{
		ScanBuffer *buffer = scan->free;

		scan->free = buffer->next;
		MemoryContextDelete(buffer->context);
	}
}
