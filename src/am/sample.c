/*
 * sample.c
 *	  TABLESAMPLE.
 *
 * Sampling methods think of a table as numbered blocks of numbered rows. Here a block is
 * SAMPLE_ROWS consecutive rows in the scan's order, and the number of rows is counted
 * before the first one is chosen, which the engine can do mostly without reading them. So
 * a repeatable sample is the same one as long as rows stay where they are: until there
 * are others, or they are sealed or merged.
 */
#include "postgres.h"

#include "access/tsmapi.h"
#include "miscadmin.h"
#include "pgstat.h"

#include "am.h"
#include "ts_scan.h"

#define SAMPLE_ROWS 128

struct SampleState
{
	uint64 rows; /* that the snapshot sees */
	BlockNumber blocks;
	BlockNumber block; /* the current one; invalid before the first */
};

static uint64
count_rows(RowScan *scan)
{
	static const bool nothing[MaxAttrNumber] = {false};
	TsScanSpec spec = {.time_min = PG_INT64_MIN,
					   .time_max = PG_INT64_MAX,
					   .wanted = nothing,
					   .count_only = true};
	TsScan *counted = ts_scan_begin(scan->base.rs_rd, scan->base.rs_snapshot, &spec);
	uint64 rows = 0;
	TsBatch batch;

	while (ts_scan_next(counted, &batch))
	{
		CHECK_FOR_INTERRUPTS();
		rows += batch.n;
	}
	ts_scan_end(counted);
	return rows;
}

static SampleState *
begin_sample(RowScan *scan)
{
	MemoryContext caller = MemoryContextSwitchTo(scan->context);
	SampleState *sample = palloc(sizeof(SampleState));

	sample->rows = count_rows(scan);
	sample->blocks = (BlockNumber) Min((sample->rows + SAMPLE_ROWS - 1) / SAMPLE_ROWS,
									   (uint64) MaxBlockNumber);
	sample->block = InvalidBlockNumber;
	scan->sample = sample;
	MemoryContextSwitchTo(caller);
	return sample;
}

void
sample_restart(SampleState *sample)
{
	sample->block = InvalidBlockNumber;
}

bool
am_scan_sample_next_block(TableScanDesc sscan, SampleScanState *state)
{
	RowScan *scan = (RowScan *) sscan;
	SampleState *sample = scan->sample ? scan->sample : begin_sample(scan);
	TsmRoutine *tsm = state->tsmroutine;

	if (sample->blocks == 0)
		return false;
	if (tsm->NextSampleBlock)
		sample->block = tsm->NextSampleBlock(state, sample->blocks);
	else if (!BlockNumberIsValid(sample->block))
		sample->block = 0;
	else if (++sample->block >= sample->blocks)
		sample->block = InvalidBlockNumber;
	return BlockNumberIsValid(sample->block);
}

bool
am_scan_sample_next_tuple(TableScanDesc sscan, SampleScanState *state,
						  TupleTableSlot *slot)
{
	RowScan *scan = (RowScan *) sscan;
	SampleState *sample = scan->sample;
	uint64 start = (uint64) sample->block * SAMPLE_ROWS;
	OffsetNumber count = (OffsetNumber) Min(sample->rows - start, SAMPLE_ROWS);

	Assert(sample->block < sample->blocks);
	for (;;)
	{
		OffsetNumber offset;

		CHECK_FOR_INTERRUPTS();
		offset = state->tsmroutine->NextSampleTuple(state, sample->block, count);
		if (!OffsetNumberIsValid(offset))
		{
			ExecClearTuple(slot);
			return false;
		}
		if (offset <= count && row_scan_fetch(scan, start + offset - 1, slot))
		{
			pgstat_count_heap_getnext(sscan->rs_rd);
			return true;
		}
	}
}
