/*
 * ts_index.h
 *	  The label index: which series have a label, for tables whose key is one column of
 *	  type labels.
 *
 * It is a list of immutable *segments*. Each covers a range of series ids and says, for
 * every name and value of a label that occurs there, which ids have it. The ranges are
 * contiguous from 0 on; ids beyond the last one are the *tail*, whose keys have to be
 * looked at. src/engine/index_format.h specifies the bytes.
 *
 * Segments lie in pages as sealed blocks do, and are published by rows of the heap catalog
 * mytsdb.label_index, by MVCC. As series are never undone nor changed, whatever segments a
 * snapshot sees are right; newer snapshots see longer ranges.
 */
#ifndef TS_INDEX_H
#define TS_INDEX_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "ts_base.h"
#include "ts_pages.h"
#include "ts_selector.h"
#include "ts_table.h"

/* ---- the catalog ---- */

/* A row of mytsdb.label_index: a segment for ids in [from, to). */
typedef struct TsIndexSegment
{
	uint64 storage;
	TsBlockPages pages; /* with the segment's id */
	Size length;        /* bytes used of its pages */
	uint32 from;
	uint32 to;
	ItemPointerData tid; /* of the catalog's row, when it was read */
} TsIndexSegment;

extern void ts_catalog_insert_segment(const TsIndexSegment *segment);
/* Deletes the row at segment->tid (read before by the same transaction). */
extern void ts_catalog_delete_segment(const TsIndexSegment *segment);
/*
 * The segments of a storage as the snapshot sees them, by range. palloc'd. Raises an error
 * when the ranges are not contiguous from 0 on.
 */
extern TsIndexSegment *ts_catalog_segments(uint64 storage, Snapshot snapshot, int *count);

/* ---- looking series up ---- */

/*
 * A set of series, which begins as all ids below ts_index_covered() whose key is not null,
 * and becomes smaller by each condition. Lives in a child of the current context; what it
 * holds outside of PostgreSQL's memory is freed with it. rel and table must stay, and
 * `snapshot` must be registered, until it is closed.
 */
typedef struct TsIndex TsIndex;

/* NULL when the index covers nothing. */
extern TsIndex *ts_index_open(Relation rel, const TsTable *table, Snapshot snapshot);
extern uint32 ts_index_covered(const TsIndex *index);
extern int ts_index_segments(const TsIndex *index);
/*
 * Keeps the series that the selector selects, or, `negated`, those it does not. False when
 * a regular expression exceeded its match limit for a value: the set is as it was then, and
 * the caller must judge the keys.
 */
extern bool
ts_index_keep_selected(TsIndex *index, const TsSelector *selector, bool negated);
/* Keeps the series that have a label with one of these values. */
extern void
ts_index_keep_values(TsIndex *index, TsString name, const TsString *values, int nvalues);
/* Keeps the series that have a label of this name. */
extern void ts_index_keep_named(TsIndex *index, TsString name);
/* Keeps these series; ids ascend. */
extern void ts_index_keep_ids(TsIndex *index, const uint32 *ids, uint32 count);
extern uint64 ts_index_count(const TsIndex *index);
/* Writes the ids, ascending; there is room for as many as there are. */
extern void ts_index_ids(const TsIndex *index, uint32 *ids);

/*
 * Tells the names of the labels that series of the set have, or the values of one of them;
 * one may be told again (for another segment). A string stays until `tell` returns.
 */
typedef void (*TsIndexTell)(void *arg, TsString string);
extern void ts_index_names(TsIndex *index, TsIndexTell tell, void *arg);
extern void ts_index_values(TsIndex *index, TsString name, TsIndexTell tell, void *arg);
/*
 * Tells the values of a label with the number of series that have each, of all that the
 * index covers, whatever the set is. One may be told again, for other series.
 */
typedef void (*TsIndexCount)(void *arg, TsString value, uint32 series);
extern void
ts_index_count_values(TsIndex *index, TsString name, TsIndexCount tell, void *arg);
extern void ts_index_close(TsIndex *index);

/* ---- keeping it in shape ---- */

/*
 * Does one thing that there is to do: makes a segment of the tail (when it is long enough
 * for it, or if `all`), or one of several. Memory is bounded by maintenance_work_mem.
 * Returns whether there was anything; the next call must be in another command. The caller
 * holds the table's maintenance lock for merging. Other tables have nothing to do.
 */
extern bool ts_index_maintain(Relation rel, const TsTable *table, bool all);

#endif /* TS_INDEX_H */
