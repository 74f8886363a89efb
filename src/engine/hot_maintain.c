/*
 * hot_maintain.c
 *	  What seals, VACUUM, and the ends of transactions do to hot memory.
 *
 * What a seal covers is dropped when its transaction has committed. Readers whose
 * snapshot does not see the seal read the pages then.
 *
 * A file that goes takes its generations with it: at the end of a transaction that drops
 * it, or that made it and is rolled back, or in place. This comes before the transaction
 * has committed, when it may still fail: then a table is read from pages that might have
 * been read from memory.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/storage.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "hot_internal.h"

/* Keys that one look at all generations finds at most. */
#define FOUND_KEYS 64

typedef struct PendingSeal
{
	TsSlotKey key;
	TsLogPos upto;
} PendingSeal;

/* Files to look for, sorted. */
typedef struct Gone
{
	const RelFileNode *nodes;
	int count;
} Gone;

/* Of this transaction, in TopTransactionContext. */
static List *pending_seals = NIL;
/* Files that the transaction made which is being prepared; likewise. */
static Gone made_files;
/* This backend counts in hot_shared->seals. */
static bool sealing = false;

/* ---- seals ---- */

void
ts_hot_seal_begins(const TsTable *table, int log)
{
	TsSlot *slot;
	bool frees;

	if (hot_chunks == 0)
		return;
	slot = ts_log_lock_slot(table, log, LW_EXCLUSIVE);
	if (slot == NULL)
		return;
	frees = slot->hot_count > 0;
	if (frees)
		hot_generations[slot->hot_last].closed = true;
	ts_shared_unlock(slot);
	if (frees && !sealing)
	{
		sealing = true;
		pg_atomic_fetch_add_u32(&hot_shared->seals, 1);
	}
}

void
ts_hot_seal_ends(const TsTable *table, int log, TsLogPos upto)
{
	MemoryContext old;
	PendingSeal *seal;

	if (hot_chunks == 0)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	seal = palloc(sizeof(PendingSeal));
	ts_slot_key(&seal->key, table, ts_log_stream(table, log));
	seal->upto = upto;
	pending_seals = lappend(pending_seals, seal);
	MemoryContextSwitchTo(old);
}

/* Drops what the transaction's seals have covered, if it committed. */
static void
end_seals(bool committed)
{
	ListCell *lc;

	foreach (lc, pending_seals)
	{
		const PendingSeal *seal = lfirst(lc);
		TsSlot *slot;

		if (!committed)
			break;
		slot = ts_shared_lock_existing(&seal->key, LW_EXCLUSIVE);
		if (slot == NULL)
			continue;
		while (slot->hot_count > 0 && hot_generations[slot->hot_first].to <= seal->upto)
			hot_unlink_first(slot);
		ts_shared_unlock(slot);
	}
	pending_seals = NIL;
	if (sealing)
	{
		sealing = false;
		pg_atomic_fetch_sub_u32(&hot_shared->seals, 1);
	}
}

/* ---- files that go ---- */

static int
compare_nodes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(RelFileNode));
}

static bool
is_gone(const Gone *gone, const TsSlotKey *key)
{
	return bsearch(&key->node, gone->nodes, gone->count, sizeof(RelFileNode),
				   compare_nodes) != NULL;
}

/* Keys of some generations that are to go. */
static int
find_gone(const Gone *gone, TsSlotKey *keys)
{
	int found = 0;
	uint32 id;

	ts_lock_timed(&hot_shared->lock, LW_SHARED);
	id = hot_shared->live;
	while (id != HOT_NONE && found < FOUND_KEYS)
	{
		const HotGeneration *generation = &hot_generations[id];

		/* one that is unlinked just now is found once too often */
		if (generation->linked && is_gone(gone, &generation->key))
			keys[found++] = generation->key;
		id = generation->live_next;
	}
	LWLockRelease(&hot_shared->lock);
	return found;
}

static void
forget(const Gone *gone)
{
	TsSlotKey keys[FOUND_KEYS];
	int found;

	if (hot_chunks == 0 || pg_atomic_read_u32(&hot_shared->generations) == 0)
		return;
	do
	{
		found = find_gone(gone, keys);
		for (int i = 0; i < found; i++)
		{
			TsSlot *slot = ts_shared_lock_existing(&keys[i], LW_EXCLUSIVE);

			if (slot == NULL)
				continue;
			ts_hot_drop(slot);
			ts_shared_unlock(slot);
		}
	} while (found == FOUND_KEYS);
}

void
ts_hot_forget_file(const RelFileNode *node)
{
	Gone gone = {.nodes = node, .count = 1};

	forget(&gone);
}

/* The files that this (sub)transaction's commit, or abort, removes. palloc'd. */
static Gone
find_files(bool commit)
{
	RelFileNode *nodes;
	Gone gone = {0};

	gone.count = smgrGetPendingDeletes(commit, &nodes);
	if (gone.count > 0)
		qsort(nodes, gone.count, sizeof(RelFileNode), compare_nodes);
	gone.nodes = nodes;
	return gone;
}

/* Forgets these files. */
static void
forget_files(bool commit)
{
	Gone gone;

	if (hot_chunks == 0 || pg_atomic_read_u32(&hot_shared->generations) == 0)
		return;
	gone = find_files(commit);
	if (gone.count == 0)
		return;
	forget(&gone);
	pfree(unconstify(RelFileNode *, gone.nodes));
}

/*
 * Whoever ends a prepared transaction may be anybody, who does not come by here. So those
 * files that it would remove if it rolled back are forgotten when it is prepared, after
 * its last rows were appended. Which they are is found out while that may still fail.
 */
static void
find_made_files(void)
{
	MemoryContext old;

	if (hot_chunks == 0)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	made_files = find_files(false);
	MemoryContextSwitchTo(old);
}

/* ---- the ends of transactions ---- */

static void
on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			forget_files(true);
			break;
		case XACT_EVENT_PRE_PREPARE:
			forget_files(true);
			find_made_files();
			break;
		case XACT_EVENT_COMMIT:
			end_seals(true);
			break;
		case XACT_EVENT_PREPARE:
			end_seals(false);
			if (made_files.count > 0)
				forget(&made_files);
			made_files.count = 0;
			break;
		case XACT_EVENT_ABORT:
			made_files.count = 0;
			hot_let_go();
			end_seals(false);
			forget_files(false);
			break;
		case XACT_EVENT_PARALLEL_ABORT:
			hot_let_go();
			break;
		default:
			break;
	}
}

static void
on_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
				  void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	hot_let_go();
	forget_files(false);
}

void
hot_register_callbacks(void)
{
	RegisterXactCallback(on_transaction, NULL);
	RegisterSubXactCallback(on_subtransaction, NULL);
}

/* ---- transaction ids ---- */

static void
freeze_range(const TsHotRange *range, TransactionId cutoff)
{
	HotCursor cursor = {.chunk = range->generation, .left = range->length};
	HotEntry *entry;

	while ((entry = hot_cursor_entry(&cursor)) != NULL)
	{
		TransactionId xid = entry->xid;

		if (TransactionIdIsNormal(xid) && TransactionIdPrecedes(xid, cutoff))
			*(volatile uint32 *) &entry->xid = TransactionIdDidCommit(xid)
												   ? FrozenTransactionId
												   : InvalidTransactionId;
		hot_cursor_skip(&cursor, entry->length - sizeof(HotEntry));
	}
}

/*
 * Records that are appended meanwhile are of transactions that are running, and so are
 * not older than the cutoff. Those that the slot has let go of may still be read: what it
 * lets go of after it was asked, it has shown.
 */
void
ts_hot_freeze(const TsTable *table, int log, TransactionId cutoff)
{
	TsHotRange ranges[TS_HOT_RANGES];
	int count = ts_hot_pin(table, log, 0, PG_UINT64_MAX, ranges);
	TsSlotKey key;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		freeze_range(&ranges[i], cutoff);
	}
	ts_hot_unpin();

	if (hot_chunks == 0)
		return;
	ts_slot_key(&key, table, ts_log_stream(table, log));
	while (hot_next_unlinked(&key, &ranges[0]))
		freeze_range(&ranges[0], cutoff);
}
