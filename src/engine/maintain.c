/*
 * maintain.c
 *	  What sealing, merging and retention share: their lock, what they refuse, windows,
 *	  retention itself, and the rule that frees pages.
 *
 * The maintenance lock is a heavyweight lock per table and shard (and one more for
 * merging), held to the end of the transaction. It is taken after the lock on the
 * relation and before any LWLock. Its tag is that of an object of class pg_am whose id is
 * the table's; sub-ids above zero are used for no access method.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "ts_catalog.h"
#include "ts_maintain.h"
#include "ts_pages.h"

/* Bits of PGPROC.fpLockBits for each lock: one for each mode from AccessShareLock on. */
#define FAST_PATH_BITS 3
/* All locks of the server are not looked at more often. */
#define LOOK_MS 100

#define MERGE_SUB_ID       1
#define FIRST_SHARD_SUB_ID 2

StaticAssertDecl(FIRST_SHARD_SUB_ID + TS_MAX_SHARDS <= TS_SERIES_LOCK_SUB_ID,
				 "a shard's lock must be of its own");

bool ts_maintain_give_way = false;

void
ts_maintain_check(const char *what)
{
	PreventCommandIfReadOnly(what);
	PreventCommandDuringRecovery(what);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s must be called in a READ COMMITTED transaction", what),
				 errdetail("What it does must be decided by the newest snapshot.")));
}

bool
ts_maintain_lock(const TsTable *table, int shard, bool wait)
{
	LOCKTAG tag;

	Assert(shard >= -1 && shard < table->shards);
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, AccessMethodRelationId, table->relid,
					   shard < 0 ? MERGE_SUB_ID : FIRST_SHARD_SUB_ID + shard);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

bool
ts_maintain_lock_catalogs(void)
{
	Oid relids[TS_CATALOGS];

	if (!ts_catalog_relations(relids))
		return false;
	for (int i = 0; i < TS_CATALOGS; i++)
	{
		if (!ConditionalLockRelationOid(relids[i], RowExclusiveLock))
			return false;
	}
	return true;
}

/*
 * Whether our RowExclusiveLocks on these relations are all in our own PGPROC, where weak
 * locks are kept. Whoever wants a lock that conflicts with one moves it from there to the
 * shared table; so nobody waits then. LockHasWaiters() cannot cope with such locks.
 */
static bool
all_in_proc(const Oid *relids, int count)
{
	int found = 0;

	LWLockAcquire(&MyProc->fpInfoLock, LW_SHARED);
	for (int i = 0; i < FP_LOCK_SLOTS_PER_BACKEND; i++)
	{
		uint64 modes = MyProc->fpLockBits >> (FAST_PATH_BITS * i);

		if ((modes & (UINT64CONST(1) << (RowExclusiveLock - 1))) == 0)
			continue;
		for (int k = 0; k < count; k++)
			found += MyProc->fpRelId[i] == relids[k];
	}
	LWLockRelease(&MyProc->fpInfoLock);
	return found == count;
}

/* Whether somebody waits for a lock on one of these that ours keeps from him. */
static bool
somebody_waits(const Oid *relids, int count)
{
	LockData *data = GetLockStatusData();
	bool waits = false;

	for (int i = 0; i < data->nelements; i++)
	{
		const LockInstanceData *lock = &data->locks[i];

		if (lock->waitLockMode == NoLock ||
			lock->locktag.locktag_type != LOCKTAG_RELATION ||
			lock->locktag.locktag_field1 != MyDatabaseId ||
			!DoLockModesConflict(lock->waitLockMode, RowExclusiveLock))
			continue;
		for (int k = 0; k < count; k++)
			waits |= lock->locktag.locktag_field2 == relids[k];
	}
	pfree(data->locks);
	pfree(data);
	return waits;
}

/*
 * A lock that is not in our PGPROC says little: it was never there if somebody had a
 * strong lock on any table with the same hash, perhaps for hours, or was moved by
 * somebody who did not wait. Then all locks are looked at, which costs something.
 */
void
ts_maintain_check_waiters(Relation rel)
{
	static TimestampTz looked = 0;
	Oid relids[TS_CATALOGS + 1] = {RelationGetRelid(rel)};
	TimestampTz now;

	if (!ts_maintain_give_way || !ts_catalog_relations(&relids[1]) ||
		all_in_proc(relids, lengthof(relids)))
		return;
	now = GetCurrentTimestamp();
	if (!TimestampDifferenceExceeds(looked, now, LOOK_MS))
		return;
	looked = now;
	if (somebody_waits(relids, lengthof(relids)))
		ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
						errmsg("maintenance of table \"%s\" gives way",
							   RelationGetRelationName(rel))));
}

int64
ts_merge_window_length(const TsTable *table)
{
	return table->time_type == DATEOID ? 1 : 2 * USECS_PER_HOUR;
}

/* ---- retention ---- */

int64
ts_drop_before(Relation rel, const TsTable *table, int64 time)
{
	Snapshot snapshot;
	TsBlockInfo *blocks;
	int nblocks;
	int64 rows = 0;
	int dropped = 0;

	if (time == PG_INT64_MIN)
		return 0;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	blocks = ts_catalog_blocks(table->storage, PG_INT64_MIN, time - 1, snapshot,
							   &nblocks);
	for (int i = 0; i < nblocks; i++)
	{
		if (blocks[i].time_max >= time)
			continue;
		ts_catalog_delete_block(&blocks[i]);
		rows += blocks[i].rows;
		dropped++;
	}
	if (dropped > 0)
		ts_maintain_count_stat(STAT_RETAINED_BLOCKS, dropped);
	UnregisterSnapshot(snapshot);
	pfree(blocks);
	return rows;
}

/* ---- free pages ---- */

typedef struct KeptBy
{
	Relation rel;
	const TsTable *table;
} KeptBy;

static TsExtent *
kept_extents(void *arg, int *count)
{
	KeptBy *by = arg;
	TsLogPos covered[TS_MAX_LOGS];

	return ts_catalog_kept(by->rel, by->table, covered, count);
}

void
ts_free_pages(Relation rel, const TsTable *table)
{
	TsLogPos covered[TS_MAX_LOGS];
	KeptBy by = {.rel = rel, .table = table};
	int count;

	pfree(ts_catalog_kept(rel, table, covered, &count));
	for (int log = 0; log < ts_log_count(table); log++)
	{
		/* a shard without rows in the catalog is of a storage that is not ours to judge */
		if (covered[log] == PG_UINT64_MAX || ts_log_ordinal(covered[log]) == 0)
			continue;
		if (ts_maintain_lock(table, ts_log_shard(table, log), false))
			ts_pages_cut_stream(rel, table, ts_log_stream(table, log),
								ts_log_ordinal(covered[log]));
	}
	ts_pages_rebuild_free(rel, table, kept_extents, &by);
}
