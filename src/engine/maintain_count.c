/*
 * maintain_count.c
 *	  How often maintenance has worked on a storage, for people to see.
 *
 * The counts are in the slots of shared memory: a shard's in that of its first log, those of
 * merging in that of the storage. They begin anew when the slot does; no more is promised
 * of them.
 *
 * What a (sub)transaction does counts when it has committed. Until then the backend keeps
 * it. A prepared transaction's work is not counted.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ts_maintain.h"
#include "ts_shared.h"

typedef struct PendingCount
{
	SubTransactionId subid;
	TsSlotKey key;
	uint64 times;
	uint64 amount;
} PendingCount;

/* Of this transaction, in TopTransactionContext. */
static List *pending = NIL;

static void
count_key(TsSlotKey *key, const TsTable *table, int shard)
{
	Assert(shard >= -1 && shard < table->shards);
	ts_slot_key(key, table, shard < 0 ? TS_STREAM_STORAGE : ts_log_stream(table, shard));
}

/* ---- the ends of transactions ---- */

static void
publish(void)
{
	TimestampTz now = GetCurrentTransactionStopTimestamp();
	ListCell *lc;

	foreach (lc, pending)
	{
		const PendingCount *count = lfirst(lc);
		uint64 ticket;
		TsSlot *slot = ts_shared_lock(&count->key, LW_EXCLUSIVE, &ticket);

		slot->counts.times += count->times;
		slot->counts.amount += count->amount;
		slot->counts.last = now;
		ts_shared_unlock(slot);
	}
}

static void
on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			publish();
			pending = NIL;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pending = NIL;
			break;
		default:
			break;
	}
}

static void
on_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
				  void *arg)
{
	ListCell *lc;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach (lc, pending)
	{
		PendingCount *count = lfirst(lc);

		if (count->subid != subid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			count->subid = parent;
		else
			pending = foreach_delete_current(pending, lc);
	}
}

static void
register_callbacks(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(on_transaction, NULL);
	RegisterSubXactCallback(on_subtransaction, NULL);
	registered = true;
}

/* ---- counting ---- */

void
ts_maintain_count(const TsTable *table, int shard, uint64 amount)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	PendingCount *count = pending == NIL ? NULL : llast(pending);
	TsSlotKey key;

	count_key(&key, table, shard);
	if (count == NULL || count->subid != subid ||
		memcmp(&count->key, &key, sizeof(key)) != 0)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		register_callbacks();
		count = palloc0(sizeof(PendingCount));
		count->subid = subid;
		count->key = key;
		pending = lappend(pending, count);
		MemoryContextSwitchTo(old);
	}
	count->times++;
	count->amount += amount;
}

void
ts_maintain_counts(const TsTable *table, int shard, TsSlotCounts *counts)
{
	TsSlotKey key;
	TsSlot *slot;

	count_key(&key, table, shard);
	slot = ts_shared_lock_existing(&key, LW_SHARED);
	if (slot == NULL)
	{
		*counts = (TsSlotCounts){.since = GetCurrentTimestamp()};
		return;
	}
	*counts = slot->counts;
	ts_shared_unlock(slot);
}
