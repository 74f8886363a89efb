/*
 * analyze.c
 *	  The sample that ANALYZE takes.
 *
 * ANALYZE asks for blocks of the file, chosen at random, in ascending order, takes all
 * rows that it is given of them, and extrapolates the number of rows from blocks to the
 * file. File blocks mean nothing here, so all rows are put into one order - sealed blocks
 * as the catalog lists them, then the logs - and divided evenly: of B file blocks and R
 * rows, block b has the rows from b*R/B to before (b+1)*R/B. Then any choice of blocks
 * extrapolates to R.
 *
 * Nothing but what is chosen is read: row counts of blocks and chunks skip them, and a
 * chosen row costs the vector it is in. And since compressed rows are many to a file
 * block, a block gives only as many of its rows as a good sample needs, one at random of
 * each of so many equal parts, and each is counted for its part.
 *
 * Where duplicates are replaced, rows that wait for being merged away are counted, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/vacuum.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "am.h"
#include "ts_am.h"
#include "ts_block.h"
#include "ts_buffer.h"
#include "ts_catalog.h"
#include "ts_codec.h"
#include "ts_log.h"

/* Rows that std_typanalyze() wants for a statistics target of 1. */
#define ROWS_PER_TARGET 300

struct AnalyzeState
{
	MemoryContext context;
	Relation rel;
	TsTable *table;
	Snapshot snapshot;
	TsRowFiller *filler;
	TsVisibleCache visible;

	/* What there is, in order. */
	TsBlockInfo *blocks;
	int nblocks;
	TsLogPos *from; /* by log */
	TsLogPos *to;
	uint64 rows;        /* all */
	uint64 sealed_rows; /* of these in blocks */

	/* The piece that a row was last read from: rows [start, start + n), n = 0: none. */
	TsBatch batch;
	uint64 batch_start;
	const uint32 *batch_series; /* of each row; NULL: batch.series */

	/* Reading blocks: the chunk that was reached. */
	int block;          /* index of the open one, or of the next to open */
	uint64 block_start; /* position of its first row */
	TsBlockReader *reader;
	TsChunk chunk;
	uint64 chunk_start;
	TsVectors *vectors;
	MemoryContext data;

	/* Reading logs: the record after the one that was reached. */
	int next_log; /* to open, or the open one */
	TsLogReader *log;
	uint64 log_position;
	TsRows *log_rows;

	/* The file block at hand: rows [next, end), in parts. */
	uint64 per_block; /* rows to give of a block */
	uint64 block_first;
	uint64 block_rows;
	uint64 parts;
	uint64 part;
};

/* ---- what there is ---- */

/* Visible rows of a log. */
static uint64
count_log(AnalyzeState *state, int log)
{
	TsLogReader *reader = ts_log_open(state->rel, state->table, log, state->from[log],
									  state->to[log]);
	TsLogRecord record;
	uint64 rows = 0;

	while (ts_log_next(reader, &record))
	{
		vacuum_delay_point();
		if (ts_visible(state->rel, record.xid, record.cid, state->snapshot,
					   &state->visible))
			rows += record.nrows;
	}
	ts_log_close(reader);
	return rows;
}

/* Blocks and ends of logs. A storage that the snapshot does not see is empty. */
static void
find_rows(AnalyzeState *state)
{
	const TsTable *table = state->table;

	state->from = palloc0(ts_log_count(table) * sizeof(TsLogPos));
	state->to = palloc0(ts_log_count(table) * sizeof(TsLogPos));
	if (!ts_catalog_covered(table, state->snapshot, state->from))
		return;

	state->blocks = ts_catalog_blocks(table->storage, PG_INT64_MIN, PG_INT64_MAX,
									  state->snapshot, &state->nblocks);
	for (int i = 0; i < state->nblocks; i++)
		state->sealed_rows += state->blocks[i].rows;
	state->rows = state->sealed_rows;
	state->log_position = state->sealed_rows;
	ts_log_ends(state->rel, table, state->to);
	for (int log = 0; log < ts_log_count(table); log++)
		state->rows += count_log(state, log);
}

/* How many rows of each file block are enough. */
static uint64
rows_per_block(Relation rel, BlockNumber file_blocks)
{
	TupleDesc desc = RelationGetDescr(rel);
	int target = default_statistics_target;
	uint64 wanted;
	uint64 sampled; /* blocks that ANALYZE will choose */

	for (int i = 0; i < desc->natts; i++)
		target = Max(target, TupleDescAttr(desc, i)->attstattarget);
	wanted = Max((uint64) target * ROWS_PER_TARGET, 100);
	sampled = Min(Max((uint64) file_blocks, 1), wanted);
	return (wanted + sampled - 1) / sampled;
}

static AnalyzeState *
begin_analyze(RowScan *scan)
{
	Relation rel = scan->base.rs_rd;
	MemoryContext caller = MemoryContextSwitchTo(scan->context);
	AnalyzeState *state = palloc0(sizeof(AnalyzeState));
	TsTable *table = ts_table_get(rel);

	state->context = scan->context;
	state->rel = rel;
	state->table = table;
	if (ts_buffer_has_rows(table))
		ts_buffer_flush();
	state->snapshot = RegisterSnapshot(GetLatestSnapshot());
	state->filler = ts_filler_create(rel, table, NULL);
	state->data = AllocSetContextCreate(scan->context, "mytsdb analyze",
										ALLOCSET_DEFAULT_SIZES);
	state->vectors = ts_vectors_create(scan->context, table, table->natts, NULL,
									   TS_CODEC_VECTOR);
	state->log_rows = ts_rows_create(scan->context, table, table->natts, true);
	state->per_block = rows_per_block(rel, scan->file_blocks);

	find_rows(state);
	MemoryContextSwitchTo(caller);
	return state;
}

void
analyze_end(AnalyzeState *state)
{
	if (state->reader)
		ts_block_close(state->reader);
	if (state->log)
		ts_log_close(state->log);
	ts_rows_free(state->log_rows);
	ts_filler_free(state->filler);
	UnregisterSnapshot(state->snapshot);
}

/* ---- rows by ascending position ---- */

/* Opens the block, and moves on to the chunk, that a position is in. */
static void
reach_chunk(AnalyzeState *state, uint64 position)
{
	while (position - state->block_start >= (uint64) state->blocks[state->block].rows)
	{
		if (state->reader)
			ts_block_close(state->reader);
		state->reader = NULL;
		state->block_start += state->blocks[state->block].rows;
		state->block++;
	}
	if (state->reader == NULL)
	{
		state->reader = ts_block_open(state->rel, state->table,
									  &state->blocks[state->block], NULL);
		state->chunk_start = state->block_start;
		state->chunk.rows = 0;
	}
	while (position - state->chunk_start >= state->chunk.rows)
	{
		state->chunk_start += state->chunk.rows;
		if (!ts_block_next(state->reader, &state->chunk))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("block " UINT64_FORMAT " of table \"%s\" has fewer rows than "
							"its catalog says",
							state->blocks[state->block].pages.id,
							RelationGetRelationName(state->rel))));
	}
}

static void
read_sealed(AnalyzeState *state, uint64 position)
{
	TsVectors *vectors = state->vectors;
	uint32 vector;

	reach_chunk(state, position);
	vector = (uint32) ((position - state->chunk_start) / TS_CODEC_VECTOR);
	MemoryContextReset(state->data);
	ts_block_decode(state->reader, &state->chunk, vector, 1, false, vectors, state->data);

	state->batch.series = state->chunk.series;
	state->batch.n = vectors->n;
	state->batch.times = vectors->times;
	state->batch.values = vectors->values;
	state->batch.nulls = vectors->nulls;
	state->batch_start = state->chunk_start + (uint64) vector * TS_CODEC_VECTOR;
	state->batch_series = NULL;
}

/* The next visible record of the logs; false at the end. */
static bool
next_record(AnalyzeState *state, TsLogRecord *record)
{
	for (;;)
	{
		if (state->log == NULL)
		{
			if (state->next_log == ts_log_count(state->table))
				return false;
			state->log = ts_log_open(state->rel, state->table, state->next_log,
									 state->from[state->next_log],
									 state->to[state->next_log]);
		}
		while (ts_log_next(state->log, record))
		{
			if (ts_visible(state->rel, record->xid, record->cid, state->snapshot,
						   &state->visible))
				return true;
		}
		ts_log_close(state->log);
		state->log = NULL;
		state->next_log++;
	}
}

static bool
read_log(AnalyzeState *state, uint64 position)
{
	TsRows *rows = state->log_rows;
	TsLogRecord record;

	do
	{
		if (!next_record(state, &record))
			return false;
		state->log_position += record.nrows;
	} while (position >= state->log_position);

	ts_rows_clear(rows);
	ts_log_decode(state->log, &record, NULL, rows);
	Assert(rows->n == record.nrows);
	state->batch.n = rows->n;
	state->batch.times = rows->times;
	state->batch.values = rows->values;
	state->batch.nulls = rows->nulls;
	state->batch_start = state->log_position - record.nrows;
	state->batch_series = rows->series;
	return true;
}

/* Positions must ascend. */
static bool
read_row(AnalyzeState *state, uint64 position, TupleTableSlot *slot)
{
	uint32 i;

	Assert(position >= state->batch_start);
	if (position - state->batch_start >= state->batch.n)
	{
		MemoryContext caller = MemoryContextSwitchTo(state->context);
		bool found = true;

		state->batch.n = 0;
		if (position < state->sealed_rows)
			read_sealed(state, position);
		else
			found = read_log(state, position);
		MemoryContextSwitchTo(caller);
		if (!found)
			return false;
	}
	Assert(position - state->batch_start < state->batch.n);
	i = (uint32) (position - state->batch_start);
	if (state->batch_series)
		state->batch.series = state->batch_series[i];
	ts_filler_fill(state->filler, &state->batch, i, slot);
	return true;
}

/* ---- the callbacks ---- */

/* b * rows / blocks, which does not overflow. */
static uint64
share(uint64 rows, uint64 block, uint64 blocks)
{
	return rows / blocks * block + rows % blocks * block / blocks;
}

bool
am_scan_analyze_next_block(TableScanDesc sscan, BlockNumber block,
						   BufferAccessStrategy strategy)
{
	RowScan *scan = (RowScan *) sscan;
	AnalyzeState *state;

	if (scan->analyze == NULL)
		scan->analyze = begin_analyze(scan);
	state = scan->analyze;

	/* ANALYZE looked at the file's size before the scan began. */
	if (block >= scan->file_blocks)
		return false;
	state->block_first = share(state->rows, block, scan->file_blocks);
	state->block_rows = share(state->rows, (uint64) block + 1, scan->file_blocks) -
						state->block_first;
	state->parts = Min(state->per_block, state->block_rows);
	state->part = 0;
	return true;
}

bool
am_scan_analyze_next_tuple(TableScanDesc sscan, TransactionId oldest_xmin,
						   double *liverows, double *deadrows, TupleTableSlot *slot)
{
	AnalyzeState *state = ((RowScan *) sscan)->analyze;
	uint64 first;
	uint64 count;
	uint64 position;

	if (state->part == state->parts)
	{
		ExecClearTuple(slot);
		return false;
	}
	first = share(state->block_rows, state->part, state->parts);
	count = share(state->block_rows, state->part + 1, state->parts) - first;
	state->part++;
	Assert(count > 0);
	position = state->block_first + first +
			   pg_prng_uint64_range(&pg_global_prng_state, 0, count - 1);

	if (!read_row(state, position, slot))
	{
		ExecClearTuple(slot);
		return false;
	}
	/* The sample is put in order by TID, so those ascend. */
	ts_tid_of_position(&slot->tts_tid, position);
	*liverows += count;
	return true;
}
