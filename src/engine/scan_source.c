/*
 * scan_source.c
 *	  Where a scan's rows come from: blocks, log rows, private runs.
 *
 * A source is *placed* on a series that has rows of the group's time (for a block: a
 * chunk that may have some). Its rows then come in the order (time, number, position), in
 * buffers; a buffer holds rows of one chunk at most.
 *
 * While `more` is set, more_time is a lower bound of the time of the row that the next
 * buffer begins with.
 */
#include "postgres.h"

#include "scan_internal.h"

/* ---- blocks ---- */

/* The first of n ascending times that is at least `time`. */
static uint32
lower_bound(const int64 *times, uint32 n, int64 time)
{
	uint32 low = 0;

	while (low < n)
	{
		uint32 mid = low + (n - low) / 2;

		if (times[mid] < time)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

/*
 * Stops at the chunk the reader stands on (`found` says whether there is one), or at the
 * next one that overlaps the group's time.
 */
static bool
settle_block(TsScan *scan, ScanSource *source, bool found)
{
	const ScanGroup *group = scan->group;

	while (found && (source->chunk.time_max < group->time_min ||
					 source->chunk.time_min > group->time_max))
	{
		scan->stats.chunks_skipped++;
		found = ts_block_next(source->reader, &source->chunk);
	}
	source->clipped = false;
	if (!found)
		ts_source_close(source);
	return found;
}

static bool
place_block(TsScan *scan, ScanSource *source, uint64 series)
{
	bool found;

	if (series > source->block->series_max)
	{
		ts_source_close(source);
		return false;
	}
	if (!source->opened)
	{
		source->reader = ts_block_open(scan->rel, scan->table, source->block,
									   scan->wanted);
		source->opened = true;
		scan->stats.blocks_read++;
	}
	else if (source->reader == NULL)
		return false;
	else if (source->chunk.series >= series)
		return true;
	found = ts_block_seek(source->reader, (uint32) series, &source->chunk);
	return settle_block(scan, source, found);
}

/* Sets what says whether there is more of the series, from where the reader stands. */
static void
look_at_chunk(const TsScan *scan, ScanSource *source)
{
	source->more = source->reader != NULL && source->chunk.series == source->series;
	if (source->more)
		source->more_time = Max(source->chunk.time_min, scan->group->time_min);
}

static void
next_chunk(TsScan *scan, ScanSource *source)
{
	settle_block(scan, source, ts_block_next(source->reader, &source->chunk));
	look_at_chunk(scan, source);
}

/* Finds out which rows of the chunk are of the group's time. */
static void
clip_chunk(TsScan *scan, ScanSource *source)
{
	const TsChunk *chunk = &source->chunk;
	const ScanGroup *group = scan->group;

	source->clipped = true;
	source->row = 0;
	source->row_end = chunk->rows;
	if (chunk->time_min >= group->time_min && chunk->time_max <= group->time_max)
		return;

	Assert(chunk->rows <= TS_CODEC_MAX_VALUES);
	if (scan->chunk_times == NULL)
		scan->chunk_times = MemoryContextAlloc(scan->run,
											   sizeof(int64) * TS_CODEC_MAX_VALUES);
	ts_block_times(source->reader, chunk, scan->chunk_times);
	source->row = lower_bound(scan->chunk_times, chunk->rows, group->time_min);
	if (group->time_max < PG_INT64_MAX)
		source->row_end = lower_bound(scan->chunk_times, chunk->rows,
									  group->time_max + 1);
}

static bool
fill_from_block(TsScan *scan, ScanSource *source, ScanBuffer *buffer, bool numbers)
{
	for (;;)
	{
		if (!source->clipped)
		{
			clip_chunk(scan, source);
			if (source->row < source->row_end)
				scan->stats.chunks_read++;
			else
				scan->stats.chunks_skipped++;
		}
		if (source->row < source->row_end)
			break;
		next_chunk(scan, source);
		if (!source->more)
			return false;
		/* A later chunk may hold what the caller looks at numbers for. */
		numbers |= scan->table->replace;
	}

	{
		uint32 first = source->row / TS_CODEC_VECTOR;
		uint32 start = first * TS_CODEC_VECTOR;
		uint32 count = Min(ts_codec_vectors(source->row_end - start),
						   TS_SCAN_BATCH / TS_CODEC_VECTOR);

		ts_block_decode(source->reader, &source->chunk, first, count, numbers,
						buffer->vectors, buffer->data);
		Assert(buffer->vectors->n <= TS_SCAN_BATCH);
		buffer->pos = source->row - start;
		buffer->end = Min(buffer->vectors->n, source->row_end - start);
		Assert(buffer->pos < buffer->end);
		scan->stats.rows_sealed += buffer->vectors->n;
		source->row = start + buffer->end;
	}
	if (source->row < source->row_end)
		source->more_time = buffer->vectors->times[buffer->end - 1];
	else
		next_chunk(scan, source);
	return true;
}

static uint64
count_block(TsScan *scan, ScanSource *source)
{
	uint64 n = 0;

	while (source->more)
	{
		if (!source->clipped)
			clip_chunk(scan, source);
		n += source->row_end - source->row;
		next_chunk(scan, source);
	}
	return n;
}

/* A chunk that begins or ends within the group's time has a row there for sure. */
static bool
block_has_rows(TsScan *scan, ScanSource *source)
{
	const ScanGroup *group = scan->group;

	while (source->more)
	{
		if (source->chunk.time_min >= group->time_min ||
			source->chunk.time_max <= group->time_max)
			return true;
		clip_chunk(scan, source);
		if (source->row < source->row_end)
			return true;
		next_chunk(scan, source);
	}
	return false;
}

/* ---- rows in memory ---- */

/*
 * The first row of the order, from `from` on, whose series is at least `series`. Looks
 * near `from` first, since series have few rows each here.
 */
static uint32
find_series(const ScanSource *source, uint32 from, uint64 series)
{
	const uint32 *row_series = source->rows->series;
	uint32 low = from;
	uint32 high = from;
	uint32 step = 1;

	while (high < source->norder && row_series[source->order[high]] < series)
	{
		low = high + 1;
		high = step < source->norder - high ? high + step : source->norder;
		step *= 2;
	}
	while (low < high)
	{
		uint32 mid = low + (high - low) / 2;

		if (row_series[source->order[mid]] < series)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The first of rows [from, to) of the order, of one series, that is not before `time`. */
static uint32
find_time(const ScanSource *source, uint32 from, uint32 to, int64 time)
{
	while (from < to)
	{
		uint32 mid = from + (to - from) / 2;

		if (source->rows->times[source->order[mid]] < time)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static bool
place_rows(const TsScan *scan, ScanSource *source, uint64 series)
{
	const ScanGroup *group = scan->group;
	uint32 from = find_series(source, source->behind, series);

	while (from < source->norder)
	{
		uint64 found = source->rows->series[source->order[from]];

		source->behind = find_series(source, from, found + 1);
		source->at = find_time(source, from, source->behind, group->time_min);
		source->to = group->time_max < PG_INT64_MAX
						 ? find_time(source, source->at, source->behind,
									 group->time_max + 1)
						 : source->behind;
		if (source->at < source->to)
		{
			source->series = found;
			return true;
		}
		from = source->behind;
	}
	return false;
}

/* Columns that are newer than the run have their missing value. */
static void
fill_missing(const TsScan *scan, TsVectors *vectors, int from)
{
	for (int i = from; i < scan->table->natts; i++)
	{
		if (vectors->values[i] == NULL)
			continue;
		for (uint32 row = 0; row < vectors->n; row++)
			vectors->values[i][row] = scan->missing[i];
		memset(vectors->nulls[i], scan->missing_null[i], vectors->n);
	}
}

static void
look_at_rows(ScanSource *source)
{
	source->more = source->at < source->to;
	if (source->more)
		source->more_time = source->rows->times[source->order[source->at]];
}

static void
fill_from_rows(TsScan *scan, ScanSource *source, ScanBuffer *buffer)
{
	uint32 n = Min(source->to - source->at, TS_SCAN_BATCH);

	ts_rows_gather(source->rows, source->order, source->at, n, buffer->vectors);
	buffer->vectors->n = n;
	fill_missing(scan, buffer->vectors, source->rows->natts);
	buffer->pos = 0;
	buffer->end = n;
	source->at += n;
	if (source->own)
	{
		/* They take their numbers when they leave: larger ones than all others. */
		for (uint32 row = 0; row < n; row++)
			buffer->vectors->numbers[row] = PG_UINT64_MAX;
		scan->stats.rows_own += n;
	}
	else
		scan->stats.rows_log += n;
	look_at_rows(source);
}

/* ---- rows on disk ---- */

static bool
place_spill(const TsScan *scan, ScanSource *source, uint64 series)
{
	ScanSpillHead head;

	ts_spill_skip(scan->log.spill, scan->next_group - 1, series);
	if (!ts_spill_head(scan->log.spill, &head) || head.rank != scan->next_group - 1)
		return false;
	Assert(head.series >= series);
	source->series = head.series;
	return true;
}

static void
look_at_spill(const TsScan *scan, ScanSource *source)
{
	ScanSpillHead head;

	source->more = ts_spill_head(scan->log.spill, &head) &&
				   head.rank == scan->next_group - 1 && head.series == source->series;
	if (source->more)
		source->more_time = head.time;
}

static void
fill_from_spill(TsScan *scan, ScanSource *source, ScanBuffer *buffer)
{
	ts_spill_take(scan->log.spill, buffer, TS_SCAN_BATCH);
	scan->stats.rows_log += buffer->end;
	look_at_spill(scan, source);
}

/* ---- any of them ---- */

bool
ts_source_place(TsScan *scan, ScanSource *source, uint64 series)
{
	Assert(source->cur == NULL && source->ahead == NULL);

	switch (source->kind)
	{
		case SCAN_SOURCE_BLOCK:
			source->placed = place_block(scan, source, series);
			if (source->placed)
			{
				source->series = source->chunk.series;
				look_at_chunk(scan, source);
			}
			break;
		case SCAN_SOURCE_ROWS:
			source->placed = place_rows(scan, source, series);
			if (source->placed)
				look_at_rows(source);
			break;
		case SCAN_SOURCE_SPILL:
			source->placed = place_spill(scan, source, series);
			if (source->placed)
				look_at_spill(scan, source);
			break;
	}
	Assert(!source->placed || (source->more && source->series >= series));
	return source->placed;
}

bool
ts_source_fill(TsScan *scan, ScanSource *source, ScanBuffer *buffer, bool numbers)
{
	Assert(source->placed && source->more);

	switch (source->kind)
	{
		case SCAN_SOURCE_BLOCK:
			return fill_from_block(scan, source, buffer, numbers);
		case SCAN_SOURCE_ROWS:
			fill_from_rows(scan, source, buffer);
			break;
		case SCAN_SOURCE_SPILL:
			fill_from_spill(scan, source, buffer);
			break;
	}
	return true;
}

int64
ts_source_reach(const TsScan *scan, const ScanSource *source)
{
	if (source->kind == SCAN_SOURCE_BLOCK)
		return Min(source->chunk.time_max, scan->group->time_max);
	return scan->group->time_max;
}

bool
ts_source_has_rows(TsScan *scan, ScanSource *source)
{
	return source->kind == SCAN_SOURCE_BLOCK ? block_has_rows(scan, source)
											 : source->more;
}

uint64
ts_source_count(TsScan *scan, ScanSource *source)
{
	uint64 n = 0;

	switch (source->kind)
	{
		case SCAN_SOURCE_BLOCK:
			return count_block(scan, source);
		case SCAN_SOURCE_ROWS:
			n = source->to - source->at;
			source->at = source->to;
			source->more = false;
			if (source->own)
				scan->stats.rows_own += n;
			else
				scan->stats.rows_log += n;
			break;
		case SCAN_SOURCE_SPILL:
		{
			ScanBuffer *buffer = ts_scan_get_buffer(scan);

			while (source->more)
			{
				fill_from_spill(scan, source, buffer);
				n += buffer->end;
			}
			ts_scan_retire_buffer(scan, buffer);
			break;
		}
	}
	return n;
}

void
ts_source_close(ScanSource *source)
{
	if (source->reader != NULL)
		ts_block_close(source->reader);
	source->reader = NULL;
}
