/*
 * insert.c
 *	  Rows in: INSERT, COPY and whatever else fills a table, into the private buffer.
 *
 * A row is given a TID by which it can be fetched again only when the relation has AFTER
 * ROW INSERT triggers (foreign keys are such): nobody else asks for inserted rows.
 */
#include "postgres.h"

#include "access/xact.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/rel.h"

#include "am.h"
#include "ts_am.h"
#include "ts_buffer.h"
#include "ts_pages.h"

/* The storage that mark_frozen() saw last, and who made it. */
static RelFileNode marked;
static LocalTransactionId marked_lxid = InvalidLocalTransactionId;
static SubTransactionId marked_subid = InvalidSubTransactionId;

void
insert_storage_replaced(void)
{
	marked_lxid = InvalidLocalTransactionId;
}

/*
 * Rows inserted as frozen (COPY FREEZE, REFRESH MATERIALIZED VIEW) go into a storage that
 * this subtransaction made, in place of an older one. Snapshots that do not see it must
 * not find an empty table there: the storage says who wrote it, and such snapshots get a
 * serialization error. Once per storage and subtransaction is enough.
 */
static void
mark_frozen(Relation rel)
{
	if (RelFileNodeEquals(marked, rel->rd_node) && marked_lxid == MyProc->lxid &&
		marked_subid == GetCurrentSubTransactionId())
		return;

	ts_pages_set_writer(rel, GetCurrentTransactionId());
	marked = rel->rd_node;
	marked_lxid = MyProc->lxid;
	marked_subid = GetCurrentSubTransactionId();
}

static inline void
insert_row(Relation rel, TupleTableSlot *slot, CommandId cid)
{
	slot_getallattrs(slot);
	ts_buffer_insert(rel, cid, slot->tts_values, slot->tts_isnull);

	slot->tts_tableOid = RelationGetRelid(rel);
	if (unlikely(rel->trigdesc != NULL && rel->trigdesc->trig_insert_after_row))
		ts_row_store_put(rel, slot);
	else
		ts_tid_of_position(&slot->tts_tid, 0);
}

void
am_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid, int options,
				struct BulkInsertStateData *bistate)
{
	if (unlikely(options & TABLE_INSERT_FROZEN))
		mark_frozen(rel);
	insert_row(rel, slot, cid);
	pgstat_count_heap_insert(rel, 1);
}

void
am_multi_insert(Relation rel, TupleTableSlot **slots, int nslots, CommandId cid,
				int options, struct BulkInsertStateData *bistate)
{
	if (unlikely(options & TABLE_INSERT_FROZEN))
		mark_frozen(rel);
	for (int i = 0; i < nslots; i++)
		insert_row(rel, slots[i], cid);
	pgstat_count_heap_insert(rel, nslots);
}

void
am_finish_bulk_insert(Relation rel, int options)
{
	ts_buffer_end_command(GetCurrentCommandId(true));
}
