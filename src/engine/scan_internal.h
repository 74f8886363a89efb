/*
 * scan_internal.h
 *	  What the files of the scan share.
 *
 * A scan goes through three nested loops: groups of blocks that overlap in time
 * (scan_group.c), the series of a group, the rows of a series (scan_series.c). Rows come
 * from *sources*: a sealed block, the log rows in memory or on disk, a private run. A
 * source stands on a series, and yields that series' rows of the group's range of time
 * in the order (time, number, position), a buffer at a time.
 *
 * What always holds:
 * - Every row belongs to exactly one group: groups cut time without gaps.
 * - Of the sources that stand on the same series, the one with the lower `rank` has the
 *   older rows where times and numbers are equal.
 * - A buffer that a batch may point into is reused only when the next batch is asked for.
 */
#ifndef SCAN_INTERNAL_H
#define SCAN_INTERNAL_H

#include "postgres.h"

#include "lib/binaryheap.h"
#include "storage/buffile.h"
#include "utils/resowner.h"

#include "ts_block.h"
#include "ts_buffer.h"
#include "ts_catalog.h"
#include "ts_log.h"
#include "ts_rows.h"
#include "ts_scan.h"

/* ---- what the scan is made of ---- */

/* Rows of one series on their way from a source into a batch. */
typedef struct ScanBuffer
{
	struct ScanBuffer *next; /* in the list of free or of retired ones */
	MemoryContext context;   /* the buffer's own */
	MemoryContext data;      /* values by reference; a child of it */
	TsVectors *vectors;      /* room for TS_SCAN_BATCH rows */
	uint32 pos;              /* rows [pos, end) are still to be taken */
	uint32 end;
} ScanBuffer;

typedef enum ScanSourceKind
{
	SCAN_SOURCE_BLOCK,
	SCAN_SOURCE_SPILL, /* log rows on disk */
	SCAN_SOURCE_ROWS   /* log rows in memory, or a private run */
} ScanSourceKind;

typedef struct ScanSource
{
	ScanSourceKind kind;
	uint64 rank;

	/*
	 * While `placed`, the source stands on the first row of `series`. Otherwise it has
	 * no row of a smaller one that is wanted.
	 */
	bool placed;
	uint64 series;

	/* The series being read: what is in buffers, and whether there is more. */
	ScanBuffer *cur;
	ScanBuffer *ahead; /* the one after cur, when somebody had to look */
	bool more;         /* rows that are in no buffer yet (or it was not found out) */
	int64 more_time;   /* of the first of these; a lower bound */
	int64 next_time;   /* of the next row of all; a lower bound while there is no cur */

	/* SCAN_SOURCE_BLOCK */
	const TsBlockInfo *block;
	bool opened;
	TsBlockReader *reader; /* NULL before it is opened, and after the last chunk */
	TsChunk chunk;         /* where the reader stands */
	bool clipped;          /* the next two are known */
	uint32 row;            /* rows [row, row_end) of it are still to be decoded */
	uint32 row_end;

	/* SCAN_SOURCE_ROWS */
	const TsRows *rows;
	const uint32 *order; /* by (series, time, number, position) */
	uint32 norder;
	uint32 at; /* rows [at, to) of the order are still to be gathered */
	uint32 to;
	uint32 behind; /* where larger series begin */
	bool own;      /* without numbers: newer than all others */
} ScanSource;

typedef struct ScanGroup
{
	int64 time_min; /* inclusive */
	int64 time_max;
	int first; /* blocks [first, first + count) of the scan's */
	int count;
} ScanGroup;

/* What is read at a time of a scan that is divided; else all there is. */
typedef struct ScanUnit
{
	uint32 series_min; /* inclusive */
	uint32 series_max;
	int shard;   /* of the series; -1: any */
	bool blocks; /* it has rows of blocks, ... */
	bool log;    /* ... of logs and private runs */
} ScanUnit;

typedef struct ScanDivision ScanDivision;

/* A private run, as it was pinned. */
typedef struct ScanOwnRun
{
	const TsRows *rows;
	uint32 n;
	uint32 *order; /* NULL before it is needed */
	int64 time_min;
	int64 time_max;
} ScanOwnRun;

typedef struct ScanSpill ScanSpill;

/* The log's rows, loaded for a range, a set of series, and columns. */
typedef struct ScanLog
{
	MemoryContext context; /* NULL when nothing is loaded */
	int loads;             /* so often already */
	bool too_large;        /* all there is does not fit work_mem */
	int64 time_min;
	int64 time_max;
	bool all; /* all series */
	uint32 *series;
	uint32 nseries;
	bool *wanted;

	uint64 n;      /* rows loaded, in memory and on disk */
	int64 row_min; /* their times */
	int64 row_max;
	TsRows *rows; /* those in memory; all or none of them */
	uint32 *order;
	ScanSpill *spill;  /* NULL: all in memory */
	bool newest_first; /* how the spilled ones are ordered */
	bool by_series;
} ScanLog;

struct TsScan
{
	Relation rel;
	TsTable *table;
	Snapshot given;
	TsScanSpec spec;
	bool *wanted;          /* [natts]: value columns that batches have */
	bool by_reference;     /* one of them is by reference */
	MemoryContext context; /* all of the scan */
	MemoryContext run;     /* from one rescan to the next */
	MemoryContext group_context;
	TsScanStats stats;
	int64 last_series; /* the last batch's; -1: none */

	/* fixed at the first fetch */
	bool fixed;
	Snapshot snapshot; /* registered with owner */
	ResourceOwner owner;
	bool visible; /* the snapshot sees the storage: it has covered positions */
	TsLogPos *covered;
	TsLogPos *ends;
	TsBufferPin *pin;
	ScanOwnRun *own;
	int nown;
	TsBlockInfo *blocks; /* those that overlap the range below */
	int nblocks;
	int64 blocks_min;
	int64 blocks_max;
	MemoryContext blocks_context;
	Datum *missing; /* [natts], of those wanted: what rows lack that are too old */
	bool *missing_null;

	ScanLog log;

	/* from one rescan to the next */
	bool running;
	bool done;
	int64 narrow_min; /* see ts_scan_narrow() */
	int64 narrow_max;
	const TsBlockInfo **chosen; /* blocks to be read, by time_min */
	ScanGroup *groups;          /* ascending */
	int ngroups;
	int next_group; /* how many were begun */
	uint64 counted; /* rows counted without being read, to be told */
	ScanUnit unit;
	ScanDivision *division; /* NULL: not divided */
	bool one_rank;          /* log rows are of no group */

	/* the group being read */
	bool in_group;
	ScanGroup *group;
	ScanSource *sources;
	int nsources;
	binaryheap *by_series; /* sources, the smallest series first */
	uint32 wanted_at;      /* spec.series below are behind the group */

	/* the series being read */
	bool in_series;
	uint32 series;
	ScanSource **active; /* sources that had rows of it when it began */
	int nactive;
	binaryheap *by_time; /* those that still have, the earliest first */
	ScanSource **tied;   /* those that have rows of one time */
	ScanBuffer *out;     /* what is copied together */

	/* buffers */
	ScanBuffer *free;
	ScanBuffer *retired;
	int nretired;
	int64 *chunk_times;   /* of a chunk that is to be clipped */
	Datum **batch_values; /* [natts] */
	bool **batch_nulls;
};

#define SCAN_RANK_LOG PG_INT64_MAX /* above ids of blocks, below private runs */

/* ---- scan.c ---- */

extern ScanBuffer *ts_scan_get_buffer(TsScan *scan); /* empty */
/* Its rows were taken; the next batch may still point to its values by reference. */
extern void ts_scan_retire_buffer(TsScan *scan, ScanBuffer *buffer);

/* ---- scan_group.c ---- */

/* Where the first of the wanted series is, from place `from` on, that is not below `series`. */
extern uint32 ts_scan_find_wanted(const TsScanSpec *spec, uint32 from, uint64 series);
/* Chooses blocks and makes groups for the spec. A scan that is divided chooses by time
 * alone: who divides it may not have the same series. */
extern void ts_scan_make_groups(TsScan *scan);
/* The group that a time belongs to, as a rank in the order in which groups are read. */
extern int ts_scan_group_rank(const TsScan *scan, int64 time);
/* Begins the next group; false when there is none. */
extern bool ts_scan_next_group(TsScan *scan);
/* Begins the next series of the group: fills in active; false when there is none. */
extern bool ts_scan_next_series(TsScan *scan);
extern void ts_scan_end_series(TsScan *scan);
extern void ts_scan_end_group(TsScan *scan);

/* ---- scan_share.c ---- */

/* The range of time that those who divide the scan agree on becomes the spec's. */
extern void ts_scan_join(TsScan *scan);
/* Divides the groups. */
extern void ts_scan_divide(TsScan *scan);
/* Claims the next unit, and sets it and its group; false when none is left. */
extern bool ts_scan_claim(TsScan *scan);

/* ---- scan_source.c ---- */

/* Places a source on its first series >= `series`; false when there is none. */
extern bool ts_source_place(TsScan *scan, ScanSource *source, uint64 series);
/*
 * Fills a buffer with the next rows of the series, with their numbers if wanted; only
 * while there are more. False when there turn out to be none.
 */
extern bool
ts_source_fill(TsScan *scan, ScanSource *source, ScanBuffer *buffer, bool numbers);
/* The latest time that the next buffer may hold. */
extern int64 ts_source_reach(const TsScan *scan, const ScanSource *source);
/* Whether there is a row of the series; the source is then to leave it. */
extern bool ts_source_has_rows(TsScan *scan, ScanSource *source);
/* How many rows of the series are left, read without their values. */
extern uint64 ts_source_count(TsScan *scan, ScanSource *source);
extern void ts_source_close(ScanSource *source);

/* ---- scan_series.c ---- */

/* Makes the next batch of the series; false at its end. */
extern bool ts_scan_series_batch(TsScan *scan, TsBatch *batch);
/* Rows of the series, for tables that keep duplicates. */
extern uint64 ts_scan_series_count(TsScan *scan);

/* ---- scan_log.c ---- */

/* Sees that the log's rows that the spec (and the unit, by its shard) asks for are loaded. */
extern void ts_scan_load_log(TsScan *scan);
extern void ts_scan_free_log(TsScan *scan);

/* ---- scan_spill.c ---- */

/* Where the first row stands that is still to be read. */
typedef struct ScanSpillHead
{
	int32 rank; /* of its group */
	uint32 series;
	int64 time;
} ScanSpillHead;

extern ScanSpill *ts_spill_create(MemoryContext parent, TsScan *scan);
/* Writes all rows of a set as one run. */
extern void ts_spill_write(ScanSpill *spill, const TsScan *scan, const TsRows *rows);
/* From the first row on; may be called again. */
extern void ts_spill_start(ScanSpill *spill);
extern bool ts_spill_head(const ScanSpill *spill, ScanSpillHead *head);
/* Passes over what comes before a series of a group. */
extern void ts_spill_skip(ScanSpill *spill, int32 rank, uint64 series);
/* Takes rows of the first row's group and series, as many as there is room for. */
extern void ts_spill_take(ScanSpill *spill, ScanBuffer *buffer, uint32 room);
extern uint64 ts_spill_bytes(const ScanSpill *spill);
extern void ts_spill_free(ScanSpill *spill);

#endif /* SCAN_INTERNAL_H */
