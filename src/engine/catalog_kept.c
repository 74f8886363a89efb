/*
 * catalog_kept.c
 *	  What the catalogs still say to anybody: the one rule by which pages become free.
 *
 * Every version of a row counts that is not dead to all snapshots, own and aborted ones
 * judged as VACUUM judges them. Versions are found by index: a scan that is not MVCC
 * hands out all members of each chain of versions, and an index entry goes only after
 * the versions it leads to are dead to all. The one version that no index entry leads to
 * yet is that of an insert in progress; the pages it names are still reserved.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "catalog_internal.h"
#include "ts_catalog.h"

static bool
is_dead(TupleTableSlot *slot, TransactionId horizon)
{
	BufferHeapTupleTableSlot *row = (BufferHeapTupleTableSlot *) slot;
	HTSV_Result result;

	Assert(TTS_IS_BUFFERTUPLE(slot) && BufferIsValid(row->buffer));
	LockBuffer(row->buffer, BUFFER_LOCK_SHARE);
	result = HeapTupleSatisfiesVacuum(row->base.tuple, horizon, row->buffer);
	LockBuffer(row->buffer, BUFFER_LOCK_UNLOCK);
	return result == HEAPTUPLE_DEAD;
}

typedef struct Kept
{
	uint64 storage;
	TransactionId horizon;
	TsExtent *extents;
	int n;
	int room;
} Kept;

/* Adds the pages that the rows of a catalog name. */
static void
add_extents(Kept *kept, Oid heap, Oid index, int first_page, int pages)
{
	TsCatalogScan scan;

	ts_catalog_scan(&scan, heap, index, AccessShareLock, SnapshotAny, kept->storage);
	while (ts_catalog_next(&scan))
	{
		TsExtent *extent;

		if (is_dead(scan.slot, kept->horizon))
			continue;
		if (kept->n == kept->room)
		{
			kept->room *= 2;
			kept->extents = repalloc_huge(kept->extents, kept->room * sizeof(TsExtent));
		}
		extent = &kept->extents[kept->n++];
		extent->first = (BlockNumber) ts_catalog_value(&scan, first_page);
		extent->count = (uint32) ts_catalog_value(&scan, pages);
	}
	ts_catalog_end(&scan);
}

TsExtent *
ts_catalog_kept(Relation rel, const TsTable *table, TsLogPos *covered, int *count)
{
	TransactionId horizon = GetOldestNonRemovableTransactionId(rel);
	TsCatalogOids oids;
	TsCatalogScan scan;
	Kept kept = {.storage = table->storage, .horizon = horizon, .room = 64};

	kept.extents = palloc(kept.room * sizeof(TsExtent));
	for (int log = 0; log < ts_log_count(table); log++)
		covered[log] = PG_UINT64_MAX;
	ts_catalog_find(&oids, false);

	ts_catalog_scan(&scan, oids.shard, oids.shard_pkey, AccessShareLock, SnapshotAny,
					table->storage);
	while (ts_catalog_next(&scan))
	{
		int shard = DatumGetInt16(scan.slot->tts_values[SHARD_SHARD - 1]);
		TsLogPos positions[TS_SHARD_LOGS];

		if (shard < 0 || shard >= table->shards || is_dead(scan.slot, horizon))
			continue;
		ts_catalog_shard_covered(&scan, positions);
		for (int i = 0; i < TS_SHARD_LOGS; i++)
		{
			TsLogPos *smallest = &covered[ts_log_of(table, shard, i)];

			*smallest = Min(*smallest, positions[i]);
		}
	}
	ts_catalog_end(&scan);

	add_extents(&kept, oids.block, oids.block_pkey, BLOCK_FIRST_PAGE, BLOCK_PAGES);
	add_extents(&kept, oids.segment, oids.segment_pkey, SEGMENT_FIRST_PAGE,
				SEGMENT_PAGES);
	*count = kept.n;
	return kept.extents;
}
