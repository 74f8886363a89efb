/*
 * row_scan.c
 *	  The access method's own scan: all rows, one after another.
 *
 * It serves what is not planned as a custom scan: COPY TO, rewrites, checks of
 * constraints, TABLESAMPLE. Nothing is read before the first row is asked for, since
 * EXPLAIN begins scans that never fetch.
 *
 * The engine's scan goes forward only, but always in the same order. So a row has a
 * position, and when a step back is asked for, all rows are put into a tuplestore, from
 * which the scan goes on in both directions.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "am.h"
#include "ts_am.h"
#include "ts_scan.h"

struct RowScanState
{
	TsScanSpec spec;
	TsScan *scan;
	const TsTable *table;
	TsRowFiller *filler;
	bool refetched;     /* rows may be fetched again by TID: they go to the row store */
	TsBatch batch;      /* n = 0: none */
	uint64 batch_start; /* position of the batch's first row */
	uint64 next;        /* position of the next row forward */
	bool at_end;        /* the last step forward found no row */

	/* After a step back: */
	Tuplestorestate *store;
	TupleTableSlot *store_slot;
};

/* ---- rows by position, forward ---- */

/*
 * Whether rows have to be read with the columns of the slot: when ALTER TABLE rewrites,
 * the relation has its new columns already, while the slot has those that rows have.
 */
static bool
columns_differ(TupleDesc desc, TupleDesc of_slot)
{
	if (desc == of_slot)
		return false;
	if (desc->natts != of_slot->natts)
		return true;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Form_pg_attribute other = TupleDescAttr(of_slot, i);

		if (att->atttypid != other->atttypid || att->attisdropped != other->attisdropped)
			return true;
	}
	return false;
}

static RowScanState *
begin_rows(RowScan *scan, TupleDesc desc)
{
	Relation rel = scan->base.rs_rd;
	MemoryContext caller = MemoryContextSwitchTo(scan->context);
	RowScanState *rows = palloc0(sizeof(RowScanState));
	const QueryDesc *query = ts_running_query();

	rows->spec.time_min = PG_INT64_MIN;
	rows->spec.time_max = PG_INT64_MAX;
	if (columns_differ(RelationGetDescr(rel), desc))
		rows->spec.desc = desc;
	rows->scan = ts_scan_begin(rel, scan->base.rs_snapshot, &rows->spec);
	rows->table = ts_scan_table(rows->scan);
	rows->filler = ts_filler_create(rel, rows->table, NULL);
	rows->refetched = ts_row_store_wanted(query ? query->plannedstmt : NULL,
										  RelationGetRelid(rel));
	scan->rows = rows;
	MemoryContextSwitchTo(caller);
	pgstat_count_heap_scan(rel);
	return rows;
}

static void
restart_rows(RowScan *scan)
{
	RowScanState *rows = scan->rows;
	MemoryContext caller = MemoryContextSwitchTo(scan->context);

	ts_scan_rescan(rows->scan, &rows->spec);
	rows->batch.n = 0;
	rows->batch_start = 0;
	rows->next = 0;
	rows->at_end = false;
	MemoryContextSwitchTo(caller);
	pgstat_count_heap_scan(scan->base.rs_rd);
}

/* Sees that the batch holds the next row; false at the end. */
static bool
load_batch(RowScan *scan)
{
	RowScanState *rows = scan->rows;
	MemoryContext caller;

	if (likely(rows->next - rows->batch_start < rows->batch.n))
		return true;

	caller = MemoryContextSwitchTo(scan->context);
	do
	{
		CHECK_FOR_INTERRUPTS();
		rows->batch_start += rows->batch.n;
		rows->batch.n = 0;
		if (!ts_scan_next(rows->scan, &rows->batch))
		{
			rows->batch.n = 0;
			break;
		}
	} while (rows->next - rows->batch_start >= rows->batch.n);
	MemoryContextSwitchTo(caller);
	return rows->batch.n > 0;
}

static bool
next_row(RowScan *scan, TupleTableSlot *slot)
{
	RowScanState *rows = scan->rows;

	if (rows->at_end || !load_batch(scan))
	{
		rows->at_end = true;
		ExecClearTuple(slot);
		return false;
	}
	ts_filler_fill(rows->filler, &rows->batch, (uint32) (rows->next - rows->batch_start),
				   slot);
	if (unlikely(rows->refetched))
		ts_row_store_put(scan->base.rs_rd, slot);
	else
		ts_tid_of_position(&slot->tts_tid, rows->next);
	rows->next++;
	return true;
}

bool
row_scan_fetch(RowScan *scan, uint64 position, TupleTableSlot *slot)
{
	RowScanState *rows = scan->rows ? scan->rows
									: begin_rows(scan, slot->tts_tupleDescriptor);

	Assert(rows->store == NULL);
	if (position < rows->batch_start)
		restart_rows(scan);
	rows->next = position;
	rows->at_end = false;
	return next_row(scan, slot);
}

/* ---- both directions ---- */

/* Puts all rows into a tuplestore that stands where the scan stands. */
static void
fill_store(RowScan *scan, TupleDesc desc)
{
	RowScanState *rows = scan->rows;
	uint64 position = rows->next;
	bool at_end = rows->at_end;
	MemoryContext caller = MemoryContextSwitchTo(scan->context);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	Tuplestorestate *store = tuplestore_begin_heap(true, false, work_mem);

	restart_rows(scan);
	while (next_row(scan, slot))
		tuplestore_puttupleslot(store, slot);
	ExecDropSingleTupleTableSlot(slot);

	rows->store_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	tuplestore_rescan(store);
	(void) tuplestore_skiptuples(store, (int64) position, true);
	if (at_end)
		(void) tuplestore_gettupleslot(store, true, false, rows->store_slot);
	rows->store = store;
	rows->next = position;
	rows->at_end = at_end;
	MemoryContextSwitchTo(caller);
}

/*
 * One step in the tuplestore. After a step forward the row is the one before `next`; a
 * step back goes to the one before that, or, from the end, to the last one.
 */
static bool
step_in_store(RowScan *scan, bool forward, TupleTableSlot *slot)
{
	RowScanState *rows = scan->rows;
	bool was_at_end = rows->at_end;

	if (!tuplestore_gettupleslot(rows->store, forward, false, rows->store_slot))
	{
		rows->at_end = forward;
		if (!forward)
			rows->next = 0;
		ExecClearTuple(slot);
		return false;
	}
	rows->at_end = false;
	if (forward)
		rows->next++;
	else if (!was_at_end)
		rows->next--;

	ExecCopySlot(slot, rows->store_slot);
	slot->tts_tableOid = RelationGetRelid(scan->base.rs_rd);
	if (rows->refetched)
		ts_row_store_put(scan->base.rs_rd, slot);
	else
		ts_tid_of_position(&slot->tts_tid, rows->next - 1);
	return true;
}

/* ---- the callbacks ---- */

TableScanDesc
am_scan_begin(Relation rel, Snapshot snapshot, int nkeys, struct ScanKeyData *key,
			  ParallelTableScanDesc pscan, uint32 flags)
{
	RowScan *scan;

	if (pscan != NULL)
		refuse_parallel(rel);
	if (nkeys > 0)
		elog(ERROR, "scan keys are not supported by access method mytsdb");

	RelationIncrementReferenceCount(rel);
	scan = palloc0(sizeof(RowScan));
	scan->base.rs_rd = rel;
	scan->base.rs_snapshot = snapshot;
	scan->base.rs_flags = flags;
	scan->context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb row scan",
										  ALLOCSET_SMALL_SIZES);
	if (flags & SO_TYPE_ANALYZE)
	{
		scan->file_blocks = RelationGetNumberOfBlocks(rel);
		slot_analyze(RelationGetRelid(rel));
	}
	return &scan->base;
}

void
am_scan_end(TableScanDesc sscan)
{
	RowScan *scan = (RowScan *) sscan;

	if (scan->rows)
	{
		if (scan->rows->store)
		{
			ExecDropSingleTupleTableSlot(scan->rows->store_slot);
			tuplestore_end(scan->rows->store);
		}
		ts_filler_free(scan->rows->filler);
		ts_scan_end(scan->rows->scan);
	}
	if (scan->analyze)
		analyze_end(scan->analyze);
	if (sscan->rs_flags & SO_TYPE_ANALYZE)
		slot_analyze(InvalidOid);
	if (sscan->rs_flags & SO_TEMP_SNAPSHOT)
		UnregisterSnapshot(sscan->rs_snapshot);
	RelationDecrementReferenceCount(sscan->rs_rd);
	MemoryContextDelete(scan->context);
	pfree(scan);
}

void
am_scan_rescan(TableScanDesc sscan, struct ScanKeyData *key, bool set_params,
			   bool allow_strat, bool allow_sync, bool allow_pagemode)
{
	RowScan *scan = (RowScan *) sscan;
	RowScanState *rows = scan->rows;

	if (scan->sample)
		sample_restart(scan->sample);
	if (rows == NULL)
		return;
	if (rows->store)
	{
		ExecDropSingleTupleTableSlot(rows->store_slot);
		tuplestore_end(rows->store);
		rows->store = NULL;
	}
	restart_rows(scan);
}

bool
am_scan_getnextslot(TableScanDesc sscan, ScanDirection direction, TupleTableSlot *slot)
{
	RowScan *scan = (RowScan *) sscan;
	bool found;

	if (scan->rows == NULL)
		begin_rows(scan, slot->tts_tupleDescriptor);
	if (unlikely(ScanDirectionIsBackward(direction) && scan->rows->store == NULL))
		fill_store(scan, slot->tts_tupleDescriptor);

	if (unlikely(scan->rows->store != NULL))
		found = step_in_store(scan, !ScanDirectionIsBackward(direction), slot);
	else
		found = next_row(scan, slot);
	if (found)
		pgstat_count_heap_getnext(sscan->rs_rd);
	return found;
}
