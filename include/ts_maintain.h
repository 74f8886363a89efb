/*
 * ts_maintain.h
 *	  What keeps a table in shape: sealing, merging, retention, freezing, free space.
 *
 * Each function is one ordinary transaction's work, or a part of it; workers and the SQL
 * functions mytsdb.seal(), merge() and drop_before() call the same. All but vacuum want
 * RowExclusiveLock on the table, take the heavyweight maintenance lock of each shard they
 * work on (conditionally for workers), and give way: they return early when somebody
 * waits for a lock they hold.
 */
#ifndef TS_MAINTAIN_H
#define TS_MAINTAIN_H

#include "postgres.h"

#include "utils/relcache.h"

#include "serve_stats.h"
#include "ts_log.h"
#include "ts_shared.h"
#include "ts_table.h"

/* Raises 25001 unless the transaction is READ COMMITTED and not READ ONLY. */
extern void ts_maintain_check(const char *what);

/* Of heavyweight locks: sub-ids that are neither a shard's nor for merging. */
#define TS_SERIES_LOCK_SUB_ID 1024 /* making many series (series_batch.c) */
#define TS_DELTA_LOCK_SUB_ID  1025 /* points of OTLP that add up (otlp_delta.c) */

/*
 * Locks a shard for maintenance until the transaction ends (shard -1: merging). With
 * `wait` false returns false when somebody else has it.
 */
extern bool ts_maintain_lock(const TsTable *table, int shard, bool wait);
/*
 * To be called between parts of a long step: when this process gives way (workers do) and
 * somebody waits for a lock on the table that our RowExclusiveLock keeps from him, raises
 * 55P03.
 */
extern bool ts_maintain_give_way;
extern void ts_maintain_check_waiters(Relation rel);
/*
 * Locks the catalogs as who writes them does, without waiting; false when they are not to
 * be had. A worker does so before it changes anything: DROP EXTENSION locks catalogs and
 * tables in an order of its own, and neither is to wait for the other half way.
 */
extern bool ts_maintain_lock_catalogs(void);

/*
 * Seals one shard: committed records of the log from `covered` up to the first record
 * whose transaction is in progress become blocks, as far as maintenance_work_mem allows
 * at once. Returns the rows sealed; *more says whether there is more to seal now.
 */
extern int64 ts_seal_shard(Relation rel, const TsTable *table, int shard, bool *more);
/* Bytes of log of a shard that are not sealed yet. */
extern uint64 ts_seal_backlog(Relation rel, const TsTable *table, int shard);

/*
 * Merges the blocks of one window that are worth it; returns how many blocks went.
 * `all`: also those a worker would leave for later.
 */
extern int ts_merge_window(Relation rel, const TsTable *table, bool all);
/* The length of a merged window in the table's units of time. */
extern int64 ts_merge_window_length(const TsTable *table);

/* Drops the blocks that end before a time; returns the rows that went. */
extern int64 ts_drop_before(Relation rel, const TsTable *table, int64 time);

/* Frees pages: cuts logs, rebuilds the free list. */
extern void ts_free_pages(Relation rel, const TsTable *table);

/* ---- counts ---- */

/*
 * One seal of a shard, of so many rows (shard -1: one merge, of so many blocks): counts
 * when the transaction commits.
 */
extern void ts_maintain_count(const TsTable *table, int shard, uint64 amount);
/* The same, among what the server counts of all tables. */
extern void ts_maintain_count_stat(ServeStat stat, int64 n);
/*
 * What has been counted. It is kept in shared memory only: since the server started at the
 * most, and less when the slot had to make room; a new storage begins with nothing.
 */
extern void ts_maintain_counts(const TsTable *table, int shard, TsSlotCounts *counts);

#endif /* TS_MAINTAIN_H */
