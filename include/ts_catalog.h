/*
 * ts_catalog.h
 *	  The two heap catalogs that say what is sealed: mytsdb.block and mytsdb.shard. (A third
 *	  one, mytsdb.label_index, is ts_index.h's; what is said here of all rows is true of
 *	  its rows, too.)
 *
 * Both are keyed by storage id and live by PostgreSQL's MVCC: a block is visible to whom
 * its publisher is visible to, and that is all the visibility blocks have.
 *
 * mytsdb.shard has a row per shard, inserted with the storage: `covered` has for each of
 * the shard's logs the position up to which it is sealed; 0 where it has no element.
 * Whoever sees a value of it reads the log from there on; so log pages are kept while any
 * version of the row that is not dead to everybody says so (ts_catalog_kept()).
 *
 * Arrays `covered` in the program are by log (ts_log.h).
 */
#ifndef TS_CATALOG_H
#define TS_CATALOG_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/snapshot.h"

#include "ts_log.h"
#include "ts_pages.h"

/* Tiers; there is room for colder ones. */
#define TS_TIER_FRESH 0 /* small, just sealed */
#define TS_TIER_WARM  1 /* merged into its window, or loaded in bulk */

/* A row of mytsdb.block. Times, series and numbers are inclusive bounds. */
typedef struct TsBlockInfo
{
	uint64 storage;
	TsBlockPages pages; /* with the block's id */
	Size length;        /* bytes used of its pages */
	int tier;
	int64 time_min;
	int64 time_max;
	uint32 series_min;
	uint32 series_max;
	uint64 number_min;
	uint64 number_max;
	int64 rows;
	int32 chunks;
	ItemPointerData tid; /* of the catalog's row, when it was read */
} TsBlockInfo;

/* For a new storage: a row per shard with covered = 0. */
extern void ts_catalog_insert_shards(uint64 storage, int shards);
/* covered of every log, as the snapshot sees it; false when there are no rows. */
extern bool
ts_catalog_covered(const TsTable *table, Snapshot snapshot, TsLogPos *covered);
/* The same by the latest snapshot; all are 0 when there are no rows. */
extern bool ts_catalog_covered_now(const TsTable *table, TsLogPos *covered);
/*
 * Changes what is covered of a shard's logs; the other shards' elements are not looked
 * at. At most once per command and shard: a command does not see what it wrote itself.
 */
extern void
ts_catalog_set_covered(const TsTable *table, int shard, const TsLogPos *covered);

extern void ts_catalog_insert_block(const TsBlockInfo *block);
/* Deletes the row at info->tid (read before by the same transaction). */
extern void ts_catalog_delete_block(const TsBlockInfo *block);
/*
 * The blocks that overlap a time range, as the snapshot sees them, by time_min. palloc'd.
 * Costs what the blocks it returns cost, not what the table has.
 */
extern TsBlockInfo *ts_catalog_blocks(uint64 storage, int64 time_min, int64 time_max,
									  Snapshot snapshot, int *count);

/* The catalogs' own OIDs; false when they are gone. */
#define TS_CATALOGS 3
extern bool ts_catalog_relations(Oid *relids);

/* Deletes all rows of a storage. Does nothing when the catalogs are gone. */
extern void ts_catalog_drop(uint64 storage);

/*
 * What must be kept: the extents of all blocks and segments of the label index and, per
 * log, the smallest `covered` (PG_UINT64_MAX without a row) over all versions of rows
 * that are not dead to everybody (HeapTupleSatisfiesVacuum).
 */
extern TsExtent *
ts_catalog_kept(Relation rel, const TsTable *table, TsLogPos *covered, int *count);

#endif /* TS_CATALOG_H */
