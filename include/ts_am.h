/*
 * ts_am.h
 *	  What the access method offers to whoever else hands rows to PostgreSQL's executor:
 *	  batches into slots, and TIDs.
 *
 * Rows have no address. A TID is either a position in a scan, good for nothing but being
 * different from others, or one of the *row store*: rows that may have to be fetched
 * again by TID in the same transaction are kept there, in memory and then on disk, until
 * the transaction ends.
 */
#ifndef TS_AM_H
#define TS_AM_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "executor/tuptable.h"
#include "nodes/plannodes.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "ts_scan.h"
#include "ts_table.h"

/* ---- rows into slots ---- */

/*
 * A filler puts rows of batches into virtual slots; a series' key is decoded once. It
 * lives in a child of the current context.
 */
typedef struct TsRowFiller TsRowFiller;

/* wanted: all columns that slots need, by attnum - 1 (NULL: all); others are null. */
extern TsRowFiller *
ts_filler_create(Relation rel, const TsTable *table, const bool *wanted);
/*
 * Makes ready to fill a slot with rows of a batch; ts_filler_row() then fills in row i of
 * it, as often as one likes, while nobody else puts anything into the slot. Values by
 * reference point into the batch and into the filler: they stay until the batch goes or
 * the next call of ts_filler_begin(). The TID is left to the caller.
 */
extern void
ts_filler_begin(TsRowFiller *filler, const TsBatch *batch, TupleTableSlot *slot);
extern void ts_filler_row(TsRowFiller *filler, uint32 i);
/* Both at once, for those that change slots or batches all the time. */
extern void
ts_filler_fill(TsRowFiller *filler, const TsBatch *batch, uint32 i, TupleTableSlot *slot);
extern void ts_filler_free(TsRowFiller *filler);

/* ---- TIDs ---- */

#define TS_TID_OFFSET_BITS 15
#define TS_TID_STORED      ((BlockNumber) 1 << 31) /* block numbers of the row store */

/* The TID of a row that nobody can fetch again. */
static inline void
ts_tid_of_position(ItemPointer tid, uint64 position)
{
	ItemPointerSet(tid, (BlockNumber) (position >> TS_TID_OFFSET_BITS) & ~TS_TID_STORED,
				   (OffsetNumber) (position & ((1 << TS_TID_OFFSET_BITS) - 1)) + 1);
}

/*
 * Whether rows of a relation that a statement reads may be fetched again by TID: it has
 * row marks on the relation (locks, or a join with the target of UPDATE and DELETE), or
 * merges into it. A NULL statement wants none.
 */
extern bool ts_row_store_wanted(const PlannedStmt *stmt, Oid relid);
/* Keeps the row in a slot, and sets the slot's TID. */
extern void ts_row_store_put(Relation rel, TupleTableSlot *slot);
/* Fetches a row; false when the TID is none of the row store's. */
extern bool ts_row_store_fetch(Relation rel, ItemPointer tid, TupleTableSlot *slot);

/* The query whose plan is being executed by this backend just now; NULL: none. */
extern const QueryDesc *ts_running_query(void);

#endif /* TS_AM_H */
