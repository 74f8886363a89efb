/*
 * rewrite.c
 *	  VACUUM FULL: all rows of a table into a new storage.
 *
 * Rows are read as any scan reads them, so losers of duplicates are gone, and leave as
 * sealed blocks, a memory's worth at a time. The scan goes from time to time, hence so do
 * the blocks. Series get new ids in the order in which they are met; those without rows
 * are forgotten.
 *
 * The new rows are this transaction's: a snapshot from before it could not tell which of
 * them it may see. So the storage says who wrote it, and such snapshots get a
 * serialization error.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "am.h"
#include "ts_block.h"
#include "ts_maintain.h"
#include "ts_pages.h"
#include "ts_rows.h"
#include "ts_scan.h"
#include "ts_series.h"

typedef struct Rewrite
{
	Relation old_rel;
	Relation new_rel;
	TsTable *new_table;
	TsSeriesReader *keys; /* of the old table */
	uint32 *ids;          /* new id + 1 by old id, 0: not known yet */
	uint32 nids;
	TsRows *rows;
	double count;
} Rewrite;

static uint32
new_series(Rewrite *rewrite, uint32 series)
{
	if (series >= rewrite->nids)
		elog(ERROR, "series %u of table \"%s\" is not in its dictionary", series,
			 RelationGetRelationName(rewrite->old_rel));
	if (rewrite->ids[series] == 0)
	{
		Size length;
		const char *key = ts_series_key(rewrite->keys, series, &length);

		rewrite->ids[series] =
			ts_series_id(rewrite->new_rel, rewrite->new_table, key, length) + 1;
	}
	return rewrite->ids[series] - 1;
}

static void
write_rows(Rewrite *rewrite)
{
	const TsTable *table = rewrite->new_table;

	if (rewrite->rows->n == 0)
		return;
	ts_block_write_rows(rewrite->new_rel, table, rewrite->rows,
						ts_pages_take_numbers(rewrite->new_rel, table, 1), TS_TIER_WARM,
						ts_merge_window_length(table));
	ts_rows_clear(rewrite->rows);
}

static void
copy_rows(Rewrite *rewrite, TsScan *scan)
{
	Size limit = (Size) maintenance_work_mem * 1024;
	int natts = rewrite->new_table->natts;
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "mytsdb rewrite",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	TsBatch batch;

	while (ts_scan_next(scan, &batch))
	{
		CHECK_FOR_INTERRUPTS();
		ts_rows_put_vectors(rewrite->rows, NULL, new_series(rewrite, batch.series),
							batch.times, NULL, 0, batch.values, batch.nulls, natts,
							batch.n);
		rewrite->count += batch.n;
		if (rewrite->rows->bytes >= limit)
			write_rows(rewrite);
		MemoryContextReset(scratch);
	}
	write_rows(rewrite);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
}

void
am_relation_copy_for_cluster(Relation old_rel, Relation new_rel, Relation old_index,
							 bool use_sort, TransactionId oldest_xmin,
							 TransactionId *xid_cutoff, MultiXactId *multi_cutoff,
							 double *num_tuples, double *tups_vacuumed,
							 double *tups_recently_dead)
{
	TsScanSpec spec = {.time_min = PG_INT64_MIN, .time_max = PG_INT64_MAX};
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	Rewrite rewrite = {.old_rel = old_rel, .new_rel = new_rel};
	TsScan *scan = ts_scan_begin(old_rel, snapshot, &spec);
	const TsTable *old_table = ts_scan_table(scan);

	Assert(old_index == NULL);
	ts_pages_set_writer(new_rel, GetCurrentTransactionId());

	rewrite.new_table = ts_table_get(new_rel);
	rewrite.keys = ts_series_open(old_rel, old_table);
	rewrite.nids = ts_series_count(old_rel, old_table);
	rewrite.ids = palloc_extended(Max(rewrite.nids, 1) * sizeof(uint32),
								  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	rewrite.rows = ts_rows_create(CurrentMemoryContext, rewrite.new_table,
								  rewrite.new_table->natts, false);
	copy_rows(&rewrite, scan);

	ts_rows_free(rewrite.rows);
	pfree(rewrite.ids);
	ts_series_close(rewrite.keys);
	ts_scan_end(scan);
	pfree(rewrite.new_table);
	UnregisterSnapshot(snapshot);

	*num_tuples = rewrite.count;
	*tups_vacuumed = 0;
	*tups_recently_dead = 0;
}
