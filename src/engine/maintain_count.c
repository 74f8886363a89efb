/*
 * maintain_count.c
 *	  How often maintenance has worked on a storage, for people to see.
 *
 * The counts are in the slots of shared memory: a shard's in that of its first log, those of
 * merging in that of the storage. They begin anew when the slot does; no more is promised
 * of them.
 *
 * What a (sub)transaction does counts when it has committed, there and among what the
 * server counts of all storages. Until then the backend keeps it. A prepared transaction's
 * work is not counted.
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
	bool in_slot;
	/* then: */
	TsSlotKey key;
	uint64 times;
	/* else: */
	ServeStat stat;
	/* always: */
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
publish_in_slot(const PendingCount *count)
{
	uint64 ticket;
	TsSlot *slot = ts_shared_lock(&count->key, LW_EXCLUSIVE, &ticket);

	slot->counts.times += count->times;
	slot->counts.amount += count->amount;
	slot->counts.last = GetCurrentTransactionStopTimestamp();
	ts_shared_unlock(slot);
}

static void
publish(void)
{
	ListCell *lc;

	foreach (lc, pending)
	{
		const PendingCount *count = lfirst(lc);

		if (count->in_slot)
			publish_in_slot(count);
		else
			serve_count(count->stat, (int64) count->amount);
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

static bool
is_same(const PendingCount *a, const PendingCount *b)
{
	return a->subid == b->subid && a->in_slot == b->in_slot && a->stat == b->stat &&
		   memcmp(&a->key, &b->key, sizeof(TsSlotKey)) == 0;
}

/* One of the last that are kept, if it is for the same as this; else this one. */
static PendingCount *
keep(const PendingCount *wanted)
{
	PendingCount *count;
	MemoryContext old;

	for (int i = list_length(pending) - 1; i >= 0 && i >= list_length(pending) - 8; i--)
	{
		count = list_nth(pending, i);
		if (is_same(count, wanted))
			return count;
	}
	register_callbacks();
	old = MemoryContextSwitchTo(TopTransactionContext);
	count = palloc(sizeof(PendingCount));
	*count = *wanted;
	pending = lappend(pending, count);
	MemoryContextSwitchTo(old);
	return count;
}

void
ts_maintain_count(const TsTable *table, int shard, uint64 amount)
{
	PendingCount wanted = {.subid = GetCurrentSubTransactionId(), .in_slot = true};
	PendingCount *count;

	count_key(&wanted.key, table, shard);
	count = keep(&wanted);
	count->times++;
	count->amount += amount;
}

void
ts_maintain_count_stat(ServeStat stat, int64 n)
{
	PendingCount wanted = {.subid = GetCurrentSubTransactionId(), .stat = stat};

	keep(&wanted)->amount += (uint64) n;
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
