/*
 * merge.c
 *	  Many small or overlapping blocks of a window of time into one.
 *
 * A block belongs to the shortest aligned window that holds it: windows are
 * ts_merge_window_length() long, or that doubled any number of times. Blocks of the same
 * window, of whatever shard, are merged. The rows keep their numbers, so that any set of
 * committed blocks may be merged in any order; where the table keeps one row per series
 * and time, losers go when winner and loser are both inputs.
 *
 * The inputs' catalog rows are deleted and the outputs' inserted in one transaction. Who
 * does not see it reads the old blocks, whose pages stay as long.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "ts_block.h"
#include "ts_catalog.h"
#include "ts_maintain.h"
#include "ts_scan.h"
#include "ts_stop.h"

/*
 * A worker merges a window when it has so many blocks; fewer may wait for company. All
 * blocks of a table: at most these many per window.
 */
#define WORTH_MERGING 4
/* Blocks read at once: bounds memory, since each takes a reader. */
#define MAX_INPUTS 256
/* A chunk is cut when its rows take so much memory: wide values make shorter chunks. */
#define MAX_BYTES (16 * 1024 * 1024)

typedef struct Window
{
	int level; /* length: the base length doubled `level` times */
	int64 index;
	TsBlockInfo *block;
} Window;

static int64
floor_div(int64 a, int64 b)
{
	int64 q = a / b;

	return q - (a % b < 0);
}

/* The shortest window that holds a block. */
static void
find_window(const TsBlockInfo *block, int64 base, Window *window)
{
	int64 length = base;

	window->block = unconstify(TsBlockInfo *, block);
	for (window->level = 0;; window->level++)
	{
		window->index = floor_div(block->time_min, length);
		if (window->index == floor_div(block->time_max, length))
			return;
		if (length > PG_INT64_MAX / 2)
		{
			window->level++;
			window->index = 0;
			return;
		}
		length *= 2;
	}
}

static int
compare_windows(const void *a, const void *b)
{
	const Window *x = a;
	const Window *y = b;

	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	if (x->block->rows != y->block->rows)
		return x->block->rows < y->block->rows ? -1 : 1;
	return 0;
}

/*
 * Whether two blocks, neighbours by series, are as good as merged: they do not meet, but
 * for the series between them, of which one has the beginning and the other the rest,
 * and together they would be too large for one block, or nearly. Whether they share that
 * series' times can be told only of blocks that have no other series; with others it
 * hardly matters.
 */
static bool
settled(const TsBlockInfo *a, const TsBlockInfo *b)
{
	bool one_series = a->series_min == a->series_max && b->series_min == b->series_max;
	bool apart = a->series_max < b->series_min ||
				 (a->series_max == b->series_min &&
				  (!one_series || a->time_max <= b->time_min));

	return apart && (a->chunks + b->chunks > TS_BLOCK_MAX_CHUNKS / 4 * 3 ||
					 a->length + b->length > TS_BLOCK_MAX_SIZE / 4 * 3);
}

static int
compare_series(const void *a, const void *b)
{
	const TsBlockInfo *x = ((const Window *) a)->block;
	const TsBlockInfo *y = ((const Window *) b)->block;

	if (x->series_min != y->series_min)
		return x->series_min < y->series_min ? -1 : 1;
	if (x->series_max != y->series_max)
		return x->series_max < y->series_max ? -1 : 1;
	if (x->time_min != y->time_min)
		return x->time_min < y->time_min ? -1 : 1;
	return x->time_max < y->time_max ? -1 : x->time_max > y->time_max;
}

/* Whether merging these would give as many blocks again. Sorts them by series. */
static bool
all_settled(Window *windows, int count)
{
	qsort(windows, count, sizeof(Window), compare_series);
	for (int i = 0; i + 1 < count; i++)
	{
		if (!settled(windows[i].block, windows[i + 1].block))
			return false;
	}
	return true;
}

/*
 * Whether it pays to merge these blocks, smallest first, of one window: returns how many
 * of the smallest to take. Merging into a block that is much larger than all the rest
 * together would write it again and again; it waits until they have grown.
 */
static int
worth_merging(Window *windows, int count, bool all)
{
	int64 rows = 0;
	int take = Min(count, MAX_INPUTS);

	if (take < 2 || (!all && take < WORTH_MERGING))
		return 0;
	for (int i = 0; !all && i < take; i++)
	{
		if (i >= WORTH_MERGING && windows[i].block->rows > rows * 2)
			take = i;
		rows += windows[i].block->rows;
	}
	return all_settled(windows, take) ? 0 : take;
}

/* A merge on its way. */
typedef struct Merge
{
	Relation rel;
	TsBlockWriter *writer;
	TsRows *rows;    /* of one series, not written yet */
	TsVectors chunk; /* those of them that are being written */
} Merge;

static void
finish_block(Merge *merge)
{
	TsBlockInfo info;

	if (ts_block_writer_chunks(merge->writer) == 0)
		return;
	ts_block_writer_finish(merge->writer, merge->rel, TS_TIER_WARM, &info);
	ts_catalog_insert_block(&info);
}

/* How many rows, from `from` on, a chunk takes. */
static uint32
chunk_rows(const TsRows *rows, uint32 from)
{
	uint32 most = rows->n - from;
	Size bytes = 0;

	if (rows->bytes <= MAX_BYTES)
		return most;
	for (uint32 k = 0; k < most; k++)
	{
		bytes += ts_rows_row_size(rows, from + k);
		if (bytes > MAX_BYTES)
			return Max(k, 1);
	}
	return most;
}

/* Hands the rows of a series over to the writer. */
static void
write_rows(Merge *merge)
{
	TsRows *rows = merge->rows;
	TsVectors *chunk = &merge->chunk;

	for (uint32 from = 0; from < rows->n; from += chunk->n)
	{
		ts_maintain_check_waiters(merge->rel);
		if (ts_block_writer_full(merge->writer))
		{
			finish_block(merge);
			TS_STOP("merge-in-part");
		}
		chunk->series = rows->series[from];
		chunk->n = chunk_rows(rows, from);
		chunk->times = rows->times + from;
		chunk->numbers = rows->numbers + from;
		for (int i = 0; i < rows->natts; i++)
		{
			chunk->values[i] = rows->values[i] == NULL ? NULL : rows->values[i] + from;
			chunk->nulls[i] = rows->nulls[i] == NULL ? NULL : rows->nulls[i] + from;
		}
		ts_block_writer_add(merge->writer, chunk);
	}
	ts_rows_clear(rows);
}

static void
merge_blocks(Relation rel, const TsTable *table, const TsBlockInfo *blocks, int count,
			 Snapshot snapshot)
{
	TsScanSpec spec = {.time_min = PG_INT64_MIN,
					   .time_max = PG_INT64_MAX,
					   .by_series = true,
					   .numbers = true,
					   .only_blocks = blocks,
					   .nonly_blocks = count};
	Merge merge = {.rel = rel};
	TsRows *rows = ts_rows_create(CurrentMemoryContext, table, table->natts, true);
	TsScan *scan = ts_scan_begin(rel, snapshot, &spec);
	TsBatch batch;

	merge.writer = ts_block_writer_create(CurrentMemoryContext, table, table->natts);
	merge.rows = rows;
	merge.chunk.values = palloc(sizeof(Datum *) * table->natts);
	merge.chunk.nulls = palloc(sizeof(bool *) * table->natts);
	while (ts_scan_next(scan, &batch))
	{
		if (rows->n > 0 && (rows->series[0] != batch.series || rows->bytes >= MAX_BYTES ||
							rows->n + batch.n > TS_CODEC_MAX_VALUES))
			write_rows(&merge);
		ts_rows_put_vectors(rows, NULL, batch.series, batch.times, batch.numbers, 0,
							batch.values, batch.nulls, table->natts, batch.n);
	}
	ts_scan_end(scan);
	write_rows(&merge);
	finish_block(&merge);
	pfree(merge.chunk.values);
	pfree(merge.chunk.nulls);
	ts_rows_free(rows);
	ts_block_writer_free(merge.writer);
}

int
ts_merge_window(Relation rel, const TsTable *table, bool all)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	int64 base = ts_merge_window_length(table);
	int nblocks;
	TsBlockInfo *blocks = ts_catalog_blocks(table->storage, PG_INT64_MIN, PG_INT64_MAX,
											snapshot, &nblocks);
	Window *windows = palloc(sizeof(Window) * (nblocks + 1));
	instr_time start;
	int64 rows = 0;
	int merged = 0;

	for (int i = 0; i < nblocks; i++)
		find_window(&blocks[i], base, &windows[i]);
	qsort(windows, nblocks, sizeof(Window), compare_windows);

	for (int first = 0, end; first < nblocks && merged == 0; first = end)
	{
		TsBlockInfo *inputs;

		for (end = first + 1;
			 end < nblocks && windows[end].level == windows[first].level &&
			 windows[end].index == windows[first].index;
			 end++)
			;
		merged = worth_merging(windows + first, end - first, all);
		if (merged == 0)
			continue;
		INSTR_TIME_SET_CURRENT(start);
		inputs = palloc(sizeof(TsBlockInfo) * merged);
		for (int i = 0; i < merged; i++)
		{
			inputs[i] = *windows[first + i].block;
			rows += inputs[i].rows;
		}
		merge_blocks(rel, table, inputs, merged, snapshot);
		TS_STOP("merge-written");
		for (int i = 0; i < merged; i++)
			ts_catalog_delete_block(&inputs[i]);
		TS_STOP("merge-deleted");
		ts_maintain_count(table, -1, merged);
		ts_maintain_count_stat(STAT_MERGES, 1);
		ts_maintain_count_stat(STAT_MERGED_ROWS, rows);
		ts_maintain_count_stat(STAT_MERGE_US, serve_elapsed(start));
		pfree(inputs);
	}
	UnregisterSnapshot(snapshot);
	pfree(windows);
	pfree(blocks);
	return merged;
}
