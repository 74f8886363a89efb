/*
 * ts_scan.h
 *	  The one way to read a table: batches of rows of one series.
 *
 * A scan is a relation, a snapshot, a set of series, a range of time and the columns
 * wanted. It merges sealed blocks, the logs from `covered` on, and the backend's own
 * unappended rows, and resolves duplicates as the table says.
 *
 * At its first fetch it fixes what it reads: it reads both catalogs with its snapshot,
 * fixes the end of every log, and pins the private runs. It keeps the snapshot
 * registered until its last page. Until then it costs nothing (EXPLAIN begins scans that
 * never fetch).
 *
 * Order: times ascend within a series. With `by_series`, series ascend and a series' rows
 * come all together; without, the scan goes from time to time (blocks that overlap in
 * time form a group, groups ascend or, with `newest_first`, descend; within a group series
 * ascend), which needs less memory.
 *
 * Log rows beyond work_mem spill to disk.
 *
 * Processes that run one parallel query may divide a scan: each begins a scan of its own,
 * with the same snapshot, and all have one TsScanShare. Who asks for rows claims a *unit* of
 * the work and reads it; together they read every row once. All that a unit has of a series
 * and a group comes from it, so that duplicates are resolved as ever; with `by_series` all
 * rows of a series belong to one unit (and series ascend within a unit only). Only what is
 * in relations is divided: a transaction's own rows must be in the logs before parallel
 * mode begins, and the executor's hook sees to that (am/running.c).
 */
#ifndef TS_SCAN_H
#define TS_SCAN_H

#include "postgres.h"

#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "ts_catalog.h"
#include "ts_rows.h"
#include "ts_table.h"

#define TS_SCAN_BATCH 1024 /* rows of a batch at most */

typedef struct TsScanShare TsScanShare;

typedef struct TsScanSpec
{
	int64 time_min;       /* inclusive */
	int64 time_max;       /* inclusive */
	const uint32 *series; /* those wanted, ascending; NULL: all */
	uint32 nseries;
	/*
	 * Not NULL: asked, once for each group, whether a series that has rows there is
	 * wanted. Says the same of a series as long as the scan is not started over.
	 */
	bool (*accept)(void *accept_arg, uint32 series);
	void *accept_arg;
	const bool *wanted; /* columns by attnum - 1; NULL: all. Key and time columns are
						 * not looked at: series and times are always there */
	bool by_series;
	bool newest_first; /* groups descend; within a group all is as ever */
	bool count_only;   /* only n of batches is wanted: times need not be right; batches
						* may be larger, and of no series in particular */
	bool series_only;  /* only which series have rows is wanted, which mostly needs no
						* decoding: a batch for each group and series that has rows,
						* of n = 1, without times. Not together with count_only */
	bool numbers;      /* batches have the rows' numbers */
	TupleDesc desc;    /* NULL, or see ts_table_get_as(). A rescan keeps to it */
	/*
	 * For merging: not NULL: reads these blocks, and neither logs nor own rows, without
	 * asking a snapshot. A rescan keeps to them.
	 */
	const TsBlockInfo *only_blocks;
	int nonly_blocks;
	/*
	 * Not NULL: the scan is divided with all who have the same share. Not with
	 * newest_first or only_blocks, and such a scan cannot be narrowed.
	 */
	TsScanShare *share;
} TsScanSpec;

/* What a scan did, for EXPLAIN and for statistics. */
typedef struct TsScanStats
{
	uint64 blocks_read;
	uint64 blocks_skipped;
	uint64 chunks_read;
	uint64 chunks_skipped;
	uint64 rows_sealed; /* rows decoded from blocks */
	uint64 rows_log;    /* from logs */
	uint64 rows_own;    /* from private runs */
	uint64 series;      /* batches' series, counted when they change */
	uint64 spilled;     /* bytes of log rows that went to disk */
} TsScanStats;

/*
 * To be called before the series that a scan wants are looked up in the dictionary, which
 * knows no snapshots; a scan's first fetch does the same. Raises 40001 when the snapshot
 * cannot judge the table's storage, and leaves the mark of a serializable reader: who asks
 * for a series that there is not has read, too.
 */
extern void ts_scan_admit(Relation rel, const TsTable *table, Snapshot snapshot);

typedef struct TsScan TsScan;

/* A batch; all of it stays until the next call. */
typedef struct TsBatch
{
	uint32 series;
	uint32 n;
	uint32 group; /* counted in the order in which groups are read */
	const int64 *times;
	const uint64 *numbers; /* NULL unless asked for; of own rows: the largest there is */
	Datum *const *values; /* [natts]: NULL for what is not wanted, key and time columns */
	bool *const *nulls;   /* [natts]: NULL where none is null */
} TsBatch;

/*
 * Begins a scan in a child of the current context. The spec's arrays must stay. A
 * snapshot that is not of MVCC is taken as "now, with all own rows".
 */
extern TsScan *ts_scan_begin(Relation rel, Snapshot snapshot, const TsScanSpec *spec);
extern bool ts_scan_next(TsScan *scan, TsBatch *batch);
/* Starts over, with the same or another range and set of series; what was fixed at the
 * first fetch stays fixed. */
extern void ts_scan_rescan(TsScan *scan, const TsScanSpec *spec);
/*
 * Rows outside this range of time are not wanted any more; a range follows another one
 * within it. Such rows may still come, but what holds nothing else is passed over.
 */
extern void ts_scan_narrow(TsScan *scan, int64 time_min, int64 time_max);
extern const TsScanStats *ts_scan_stats(const TsScan *scan);
extern const TsTable *ts_scan_table(const TsScan *scan);
extern void ts_scan_end(TsScan *scan);

/*
 * What the processes that divide a scan share; in shared memory. Everybody's specs must be
 * the same but for memory addresses, and for series that have no visible rows. A reset
 * makes it new, when nobody reads: then all start over.
 */
extern Size ts_scan_share_size(const TsTable *table);
extern void ts_scan_share_init(TsScanShare *share, const TsTable *table);
extern void ts_scan_share_reset(TsScanShare *share);

/* Estimates for the planner, from catalogs and log sizes, without reading data. */
typedef struct TsTableSize
{
	double rows;
	double series;
	int64 time_min; /* of sealed blocks; an empty range when there are none */
	int64 time_max;
	BlockNumber pages;
} TsTableSize;
extern void ts_table_size(Relation rel, TsTableSize *size);

#endif /* TS_SCAN_H */
