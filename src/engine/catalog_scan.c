/*
 * catalog_scan.c
 *	  Scans of the catalogs by index.
 *
 * A serializable transaction leaves no marks (SIREAD locks) in the catalogs: those on
 * pages of an index, or of a heap, would stand for rows of all tables, and transactions on
 * different tables would fail each other. The marks are not needed: who reads a table has
 * marked the table itself before he asks the catalogs, and who publishes rows in a block
 * asks for the table's readers when the row of the catalog is there (buffer_flush.c). All
 * others who write here take part in no conflict: they are not serializable
 * (ts_maintain.h), or have the table for themselves. What is left to be told here is
 * that the snapshot does not see what somebody wrote of the storage.
 *
 * So such a transaction scans with a snapshot that is not MVCC, for which PostgreSQL leaves
 * no marks: the versions that are not dead to everybody, all members of each chain of
 * versions among them. Each is then judged by the snapshot that was asked for; what that
 * one sees is dead to nobody, as it is registered.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog_internal.h"

void
ts_catalog_open(TsCatalogScan *scan, Oid heap, Oid index, LOCKMODE lock,
				Snapshot snapshot, int nkeys)
{
	scan->lock = lock;
	scan->heap = table_open(heap, lock);
	scan->index = index_open(index, lock);
	scan->slot = table_slot_create(scan->heap, NULL);
	scan->snapshot = snapshot;
	scan->judged = IsMVCCSnapshot(snapshot) && IsolationIsSerializable();
	if (scan->judged)
		InitNonVacuumableSnapshot(scan->not_dead, GlobalVisTestFor(scan->heap));
	scan->scan = index_beginscan(scan->heap, scan->index,
								 scan->judged ? &scan->not_dead : snapshot, nkeys, 0);
}

void
ts_catalog_seek(TsCatalogScan *scan, ScanKey keys, int nkeys)
{
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
}

void
ts_catalog_scan(TsCatalogScan *scan, Oid heap, Oid index, LOCKMODE lock,
				Snapshot snapshot, uint64 storage)
{
	ScanKeyData key;

	ts_catalog_open(scan, heap, index, lock, snapshot, 1);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) storage));
	ts_catalog_seek(scan, &key, 1);
}

static bool
is_seen(const TsCatalogScan *scan)
{
	const BufferHeapTupleTableSlot *row = (BufferHeapTupleTableSlot *) scan->slot;
	bool seen;

	Assert(TTS_IS_BUFFERTUPLE(scan->slot) && BufferIsValid(row->buffer));
	LockBuffer(row->buffer, BUFFER_LOCK_SHARE);
	seen = HeapTupleSatisfiesVisibility(row->base.tuple, scan->snapshot, row->buffer);
	HeapCheckForSerializableConflictOut(seen, scan->heap, row->base.tuple, row->buffer,
										scan->snapshot);
	LockBuffer(row->buffer, BUFFER_LOCK_UNLOCK);
	return seen;
}

bool
ts_catalog_next(TsCatalogScan *scan)
{
	do
	{
		if (!index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot))
			return false;
	} while (scan->judged && !is_seen(scan));
	slot_getallattrs(scan->slot);
	return true;
}

void
ts_catalog_end(TsCatalogScan *scan)
{
	LOCKMODE release = scan->lock == AccessShareLock ? AccessShareLock : NoLock;

	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, release);
	table_close(scan->heap, release);
}
