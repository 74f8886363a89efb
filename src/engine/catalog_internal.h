/*
 * catalog_internal.h
 *	  What the catalogs' own files share: where the catalogs are, and their columns.
 */
#ifndef CATALOG_INTERNAL_H
#define CATALOG_INTERNAL_H

#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "ts_log.h"

/* Columns of mytsdb.block. */
enum
{
	BLOCK_STORAGE = 1,
	BLOCK_ID,
	BLOCK_TIER,
	BLOCK_FIRST_PAGE,
	BLOCK_PAGES,
	BLOCK_LENGTH,
	BLOCK_SPAN,
	BLOCK_TIME_MIN,
	BLOCK_TIME_MAX,
	BLOCK_SERIES_MIN,
	BLOCK_SERIES_MAX,
	BLOCK_NUMBER_MIN,
	BLOCK_NUMBER_MAX,
	BLOCK_ROWS,
	BLOCK_CHUNKS
};
#define BLOCK_NATTS BLOCK_CHUNKS

/* Columns of mytsdb.shard. */
enum
{
	SHARD_STORAGE = 1,
	SHARD_SHARD,
	SHARD_COVERED
};
#define SHARD_NATTS SHARD_COVERED

/* Columns of mytsdb.label_index. */
enum
{
	SEGMENT_STORAGE = 1,
	SEGMENT_ID,
	SEGMENT_SERIES_FROM,
	SEGMENT_SERIES_TO,
	SEGMENT_FIRST_PAGE,
	SEGMENT_PAGES,
	SEGMENT_LENGTH
};
#define SEGMENT_NATTS SEGMENT_LENGTH

typedef struct TsCatalogOids
{
	Oid block;
	Oid block_pkey; /* (storage, id) */
	Oid block_time; /* (storage, span, time_min) */
	Oid shard;
	Oid shard_pkey; /* (storage, shard) */
	Oid segment;
	Oid segment_pkey; /* (storage, id) */
} TsCatalogOids;

/* Finds the catalogs; false, or an error unless missing_ok, when one is not there. */
extern bool ts_catalog_find(TsCatalogOids *oids, bool missing_ok);

/* Rows of a catalog by one of its indexes. Does not move while it is open. */
typedef struct TsCatalogScan
{
	Relation heap;
	Relation index;
	LOCKMODE lock;
	IndexScanDesc scan;
	TupleTableSlot *slot;  /* the row; its values are deformed */
	Snapshot snapshot;     /* whose rows are handed out */
	bool judged;           /* the scan hands out more than what it sees */
	SnapshotData not_dead; /* the scan's own then */
} TsCatalogScan;

/* Opens a scan that has nothing yet; each seek with so many keys begins it anew. */
extern void ts_catalog_open(TsCatalogScan *scan, Oid heap, Oid index, LOCKMODE lock,
							Snapshot snapshot, int nkeys);
extern void ts_catalog_seek(TsCatalogScan *scan, ScanKey keys, int nkeys);
/* Both, for the rows of a storage. */
extern void ts_catalog_scan(TsCatalogScan *scan, Oid heap, Oid index, LOCKMODE lock,
							Snapshot snapshot, uint64 storage);
extern bool ts_catalog_next(TsCatalogScan *scan);
/* Ends it; locks for writing stay until the transaction ends. */
extern void ts_catalog_end(TsCatalogScan *scan);

/* Inserts a row without nulls; deletes the one at a position that was read before. */
extern void ts_catalog_insert(Oid heap, const Datum *values);
extern void ts_catalog_delete(Oid heap, const ItemPointerData *tid);
/* What a row of mytsdb.shard says of the shard's logs: covered[TS_SHARD_LOGS]. */
extern void ts_catalog_shard_covered(const TsCatalogScan *scan, TsLogPos *covered);

static inline int64
ts_catalog_value(const TsCatalogScan *scan, int column)
{
	return DatumGetInt64(scan->slot->tts_values[column - 1]);
}

#endif /* CATALOG_INTERNAL_H */
