/*
 * row_fetch.c
 *	  One row by its TID, for those parts of PostgreSQL that come back for it: AFTER
 *	  triggers, row marks, row locks.
 *
 * Rows do not change once they are inserted, so what the row store kept is the row, and
 * there is nothing to lock: share locks succeed and do nothing; the others, which announce
 * an UPDATE or DELETE, are refused.
 */
#include "postgres.h"

#include "nodes/lockoptions.h"
#include "utils/rel.h"

#include "am.h"
#include "ts_am.h"

/* Says what is not supported: the running query tells what a TID is wanted for. */
static void refuse_fetch(Relation rel) pg_attribute_noreturn();

static void
refuse_fetch(Relation rel)
{
	const QueryDesc *query = ts_running_query();

	if (query != NULL && query->operation == CMD_UPDATE)
		refuse_update(rel);
	if (query != NULL && query->operation == CMD_DELETE)
		refuse_delete(rel);
	refuse_tid(rel);
}

bool
am_tuple_fetch_row_version(Relation rel, ItemPointer tid, Snapshot snapshot,
						   TupleTableSlot *slot)
{
	if (!ts_row_store_fetch(rel, tid, slot))
		refuse_fetch(rel);
	return true;
}

/* Asked for TIDs that come from outside only (WHERE ctid = ..., WHERE CURRENT OF). */
bool
am_tuple_tid_valid(TableScanDesc sscan, ItemPointer tid)
{
	refuse_fetch(sscan->rs_rd);
}

void
am_tuple_get_latest_tid(TableScanDesc sscan, ItemPointer tid)
{
	refuse_tid(sscan->rs_rd);
}

/*
 * Asked by foreign key triggers: whether the row that fired them is still there. It is,
 * since triggers of a subtransaction that was rolled back are never fired.
 */
bool
am_tuple_satisfies_snapshot(Relation rel, TupleTableSlot *slot, Snapshot snapshot)
{
	return true;
}

TM_Result
am_tuple_lock(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
			  CommandId cid, LockTupleMode mode, LockWaitPolicy wait_policy, uint8 flags,
			  TM_FailureData *tmfd)
{
	if (mode != LockTupleKeyShare && mode != LockTupleShare)
		refuse_lock(rel);
	if (!ts_row_store_fetch(rel, tid, slot))
		refuse_fetch(rel);
	tmfd->traversed = false;
	return TM_Ok;
}
