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
/* A chunk's rows in memory: wide values make shorter chunks. */
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
 * Whether two blocks, neighbours by series, are as good as merged: they do not meet, and
 * together they would be too large for one block, or nearly.
 */
static bool
settled(const TsBlockInfo *a, const TsBlockInfo *b)
{
	bool apart = a->series_max < b->series_min ||
				 (a->series_max == b->series_min &&
				  (a->time_max < b->time_min || b->time_max < a->time_min));

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
	return x->time_min < y->time_min ? -1 : x->time_min > y->time_min;
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

/* Hands the rows of a series over to the writer. */
static void
write_chunk(TsBlockWriter *writer, TsRows *rows)
{
	TsVectors chunk;

	if (rows->n == 0)
		return;
	chunk.series = rows->series[0];
	chunk.n = rows->n;
	chunk.times = rows->times;
	chunk.numbers = rows->numbers;
	chunk.values = rows->values;
	chunk.nulls = rows->nulls;
	ts_block_writer_add(writer, &chunk);
	ts_rows_clear(rows);
}

static void
finish_block(TsBlockWriter *writer, Relation rel)
{
	TsBlockInfo info;

	if (ts_block_writer_chunks(writer) == 0)
		return;
	ts_block_writer_finish(writer, rel, TS_TIER_WARM, &info);
	ts_catalog_insert_block(&info);
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
	TsBlockWriter *writer = ts_block_writer_create(CurrentMemoryContext, table,
												   table->natts);
	TsRows *rows = ts_rows_create(CurrentMemoryContext, table, table->natts, true);
	TsScan *scan = ts_scan_begin(rel, snapshot, &spec);
	TsBatch batch;

	while (ts_scan_next(scan, &batch))
	{
		if (rows->n > 0 &&
			(rows->series[0] != batch.series || rows->n + batch.n > TS_CODEC_MAX_VALUES))
		{
			bool same = rows->series[0] == batch.series;

			write_chunk(writer, rows);
			ts_maintain_check_waiters(rel);
			/* a block ends between two series, so that chunks of one stay together */
			if (!same && ts_block_writer_full(writer))
			{
				finish_block(writer, rel);
				TS_STOP("merge-in-part");
			}
		}
		ts_rows_put_vectors(rows, NULL, batch.series, batch.times, batch.numbers, 0,
							batch.values, batch.nulls, table->natts, batch.n);
	}
	ts_scan_end(scan);
	write_chunk(writer, rows);
	finish_block(writer, rel);
	ts_rows_free(rows);
	ts_block_writer_free(writer);
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
		inputs = palloc(sizeof(TsBlockInfo) * merged);
		for (int i = 0; i < merged; i++)
			inputs[i] = *windows[first + i].block;
		merge_blocks(rel, table, inputs, merged, snapshot);
		TS_STOP("merge-written");
		for (int i = 0; i < merged; i++)
			ts_catalog_delete_block(&inputs[i]);
		TS_STOP("merge-deleted");
		pfree(inputs);
	}
	UnregisterSnapshot(snapshot);
	pfree(windows);
	pfree(blocks);
	return merged;
}
