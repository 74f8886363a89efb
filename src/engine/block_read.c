/*
 * block_read.c
 *	  Reading sealed blocks: from chunk to chunk, and the vectors of a chunk.
 *
 * Each column that is read has a slot with a reader, which keeps its piece open: vector
 * after vector of a chunk, and chunks that share a piece, open it once. Pieces that follow
 * one another in their region are asked for ahead.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/rel.h"

#include "block_directory.h"
#ifdef USE_ASSERT_CHECKING
#include "column_stats.h"
#endif

/* How far ahead of a reader that goes through a region pages are asked for. */
#define READ_AHEAD (16 * TS_PAGE_ROOM)
/* A piece's buffer larger than this is given back when a much smaller piece comes. */
#define KEPT_BUFFER (1024 * 1024)

/* Of a stored column: its piece that is open, if length is not 0. */
typedef struct Slot
{
	TsColumnReader *reader; /* NULL: not used so far */
	char *buffer;
	Size buffer_size;
	uint64 offset; /* in the block */
	Size length;
	uint32 n;
	uint64 ahead; /* place in the block up to which pages were asked for */
} Slot;

/* No chunk. */
#define NOWHERE PG_UINT32_MAX

struct TsBlockReader
{
	MemoryContext context;
	Relation rel;
	const TsTable *table;
	TsBlockBytes *bytes;
	BlockDirectory *dir;
	bool *wanted; /* [table->natts]: value columns to decode */
	Slot *slots;  /* [stored columns] */

	uint32 current; /* chunk; NOWHERE: before the first; chunks: at the end */
	uint32 series;  /* of it; at the end: of the last chunk, or what was looked for */
};

/* ---- opening ---- */

TsBlockReader *
ts_block_open(Relation rel, const TsTable *table, const TsBlockInfo *info,
			  const bool *wanted)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb block reader", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TsBlockReader *reader = palloc0(sizeof(TsBlockReader));

	reader->context = context;
	reader->rel = rel;
	reader->table = table;
	reader->bytes = ts_block_bytes_open(rel, table, &info->pages);
	reader->dir = block_directory_open(reader->bytes, table, info);
	reader->wanted = palloc(sizeof(bool) * Max(table->natts, 1));
	for (int i = 0; i < table->natts; i++)
		reader->wanted[i] = (wanted == NULL || wanted[i]) &&
							table->columns[i].role == TS_ROLE_VALUE &&
							table->columns[i].kind != TS_COLUMN_NONE;
	reader->slots = palloc0(sizeof(Slot) * stored_columns(reader->dir->header.natts));
	reader->current = NOWHERE;
	MemoryContextSwitchTo(old);
	return reader;
}

void
ts_block_close(TsBlockReader *reader)
{
	ts_block_bytes_close(reader->bytes);
	MemoryContextDelete(reader->context);
}

/* ---- from chunk to chunk ---- */

/* Stands on a chunk from now on, or at the end. */
static bool
stand_on(TsBlockReader *reader, uint32 index, TsChunk *chunk)
{
	reader->current = index;
	if (index >= reader->dir->header.chunks)
		return false;
	block_directory_chunk(reader->dir, index, chunk);
	reader->series = chunk->series;
	return true;
}

bool
ts_block_seek(TsBlockReader *reader, uint32 series, TsChunk *chunk)
{
	uint32 from = 0;

	if (reader->current != NOWHERE && series >= reader->series)
		from = Min(reader->current + 1, reader->dir->header.chunks);
	reader->series = series;
	return stand_on(reader, block_directory_find(reader->dir, from, series), chunk);
}

bool
ts_block_next(TsBlockReader *reader, TsChunk *chunk)
{
	uint32 index = reader->current == NOWHERE
					   ? 0
					   : Min(reader->current + 1, reader->dir->header.chunks);

	return stand_on(reader, index, chunk);
}

bool
ts_block_stats(TsBlockReader *reader, AttrNumber attnum, TsColumnStats *stats)
{
	const TsColumn *column = &reader->table->columns[attnum - 1];

	Assert(reader->current < reader->dir->header.chunks);
	Assert(attnum >= 1 && attnum <= reader->table->natts);
	if (attnum > reader->dir->header.natts || column->role != TS_ROLE_VALUE ||
		column->kind == TS_COLUMN_NONE)
		return false;
	return block_directory_stats(reader->dir, reader->current, attnum - 1, stats);
}

/* ---- pieces ---- */

static void
fit_buffer(TsBlockReader *reader, Slot *slot, Size length)
{
	bool too_large = slot->buffer_size > KEPT_BUFFER && length < slot->buffer_size / 4;

	if (length <= slot->buffer_size && !too_large)
		return;
	if (slot->buffer != NULL)
		pfree(slot->buffer);
	slot->buffer = NULL;
	slot->buffer_size = 0;
	slot->buffer = MemoryContextAllocHuge(reader->context, Max(length, 512));
	slot->buffer_size = Max(length, 512);
}

static void
read_piece(TsBlockReader *reader, Slot *slot, const BlockPiece *piece)
{
	uint64 end = piece->offset + piece->length;

	/* A region's piece behind the one read last: more will follow. */
	if (piece->offset == slot->offset + slot->length)
	{
		uint64 from = Max(slot->ahead, piece->offset);
		uint64 to = Min(end + READ_AHEAD, piece->region_end);

		if (end + READ_AHEAD / 2 > slot->ahead && from < to)
		{
			ts_block_bytes_prefetch(reader->bytes, from, to - from);
			slot->ahead = to;
		}
	}
	else if (piece->length > TS_PAGE_ROOM)
		ts_block_bytes_prefetch(reader->bytes, piece->offset, piece->length);
	ts_block_bytes_read(reader->bytes, piece->offset, piece->length, slot->buffer);
}

/*
 * Opens a chunk's piece of a stored column. Returns false when it has no bytes; what
 * that means depends on the column.
 */
static bool
open_piece(TsBlockReader *reader, const TsChunk *chunk, int stored)
{
	Slot *slot = &reader->slots[stored];
	BlockPiece piece = block_directory_piece(reader->dir, chunk->index, stored);
	TsErrorCode code;

	if (piece.length == 0)
		return false;
	if (slot->length == piece.length && slot->offset == piece.offset &&
		slot->n == chunk->rows)
		return true;

	if (slot->reader == NULL)
		slot->reader = ts_column_reader_create(reader->context);
	fit_buffer(reader, slot, piece.length);
	read_piece(reader, slot, &piece);
	slot->length = 0;
	slot->offset = piece.offset;
	if (stored == STORED_TIMES)
		code = ts_column_open_times(slot->reader, slot->buffer, piece.length,
									chunk->rows);
	else if (stored == STORED_NUMBERS)
		code = ts_column_open_ints(slot->reader, slot->buffer, piece.length, chunk->rows);
	else
		code = ts_column_open(slot->reader,
							  &reader->table->columns[stored - STORED_VALUE(0)],
							  slot->buffer, piece.length, chunk->rows);
	if (code != TS_OK)
		ts_block_damaged(reader->bytes, piece.offset, ts_column_problem(slot->reader));
	slot->length = piece.length;
	slot->n = chunk->rows;
	return true;
}

static void
check_decoded(TsBlockReader *reader, const Slot *slot, TsErrorCode code)
{
	if (code != TS_OK)
		ts_block_damaged(reader->bytes, slot->offset, ts_column_problem(slot->reader));
}

/* ---- vectors ---- */

/* Rows of vectors [first, first + count) of a chunk. */
static uint32
vector_rows(const TsChunk *chunk, uint32 first, uint32 count)
{
	Assert(count > 0 && first + count <= ts_codec_vectors(chunk->rows));
	return Min(count * TS_CODEC_VECTOR, chunk->rows - first * TS_CODEC_VECTOR);
}

static void
decode_times(TsBlockReader *reader, const TsChunk *chunk, uint32 first, uint32 count,
			 int64 *times)
{
	const Slot *slot = &reader->slots[STORED_TIMES];
	uint64 span = (uint64) chunk->time_max - (uint64) chunk->time_min;
	uint32 intervals = chunk->rows - 1;
	uint32 n = vector_rows(chunk, first, count);
	uint64 time;
	uint64 step;

	if (open_piece(reader, chunk, STORED_TIMES))
	{
		check_decoded(reader, slot,
					  ts_column_decode_ints(slot->reader, first, count, times));
		return;
	}
	if (intervals == 0 ? span != 0 : span % intervals != 0)
		ts_block_damaged(reader->bytes, reader->dir->regions[STORED_TIMES],
						 "times of a chunk are no progression");
	step = intervals == 0 ? 0 : span / intervals;
	time = (uint64) chunk->time_min + step * first * TS_CODEC_VECTOR;
	for (uint32 i = 0; i < n; i++)
		times[i] = (int64) (time + step * i);
}

static void
decode_numbers(TsBlockReader *reader, const TsChunk *chunk, uint32 first, uint32 count,
			   uint64 *numbers)
{
	const Slot *slot = &reader->slots[STORED_NUMBERS];
	uint32 n = vector_rows(chunk, first, count);

	if (open_piece(reader, chunk, STORED_NUMBERS))
	{
		check_decoded(
			reader, slot,
			ts_column_decode_ints(slot->reader, first, count, (int64 *) numbers));
		return;
	}
	if (chunk->number_min != chunk->number_max)
		ts_block_damaged(reader->bytes, reader->dir->regions[STORED_NUMBERS],
						 "numbers of a chunk are not there");
	for (uint32 i = 0; i < n; i++)
		numbers[i] = chunk->number_min;
}

/* All n values are the same one. */
static void
fill_values(Datum *values, bool *nulls, uint32 n, Datum value, bool null)
{
	for (uint32 i = 0; i < n; i++)
		values[i] = value;
	memset(nulls, null, n);
}

#ifdef USE_ASSERT_CHECKING

/* What the statistics of values should be; nulls is left alone. */
static void
measure_again(const TsColumn *column, const Datum *values, const bool *nulls, uint32 n,
			  TsColumnStats *stats)
{
	double *doubles = palloc(n * sizeof(double));
	int64 *ints = palloc(n * sizeof(int64));
	uint32 present = 0;

	for (uint32 i = 0; i < n; i++)
	{
		if (nulls[i])
			continue;
		if (column->kind == TS_COLUMN_FLOAT8)
			doubles[present++] = DatumGetFloat8(values[i]);
		else if (column->kind == TS_COLUMN_FLOAT4)
			doubles[present++] = DatumGetFloat4(values[i]);
		else
			ints[present++] = column->length == 2   ? DatumGetInt16(values[i])
							  : column->length == 4 ? DatumGetInt32(values[i])
													: DatumGetInt64(values[i]);
	}
	if (present == 0)
		stats->known = false;
	else if (column->kind == TS_COLUMN_INT)
		column_stats_ints(ints, present, stats);
	else
		column_stats_floats(doubles, present, column->kind == TS_COLUMN_FLOAT4, stats);
	pfree(doubles);
	pfree(ints);
}

/*
 * Whether what the directory says of a column of a chunk is true of its values. A column
 * may be a number now, by a change of its type, that was none when the block was written:
 * then nothing is known.
 */
static bool
stats_are_right(TsBlockReader *reader, const TsChunk *chunk, int i, const Datum *values,
				const bool *nulls)
{
	const TsColumn *column = &reader->table->columns[i];
	TsColumnStats kept;
	TsColumnStats found = {0};

	if (!block_directory_stats(reader->dir, chunk->index, i, &kept))
		return true;
	for (uint32 r = 0; r < chunk->rows; r++)
		found.nulls += nulls[r];
	if (kept.nulls != found.nulls || !kept.known)
		return kept.nulls == found.nulls;
	measure_again(column, values, nulls, chunk->rows, &found);
	if (!found.known || kept.sum != found.sum || kept.int_exact != found.int_exact ||
		kept.int_sum != found.int_sum)
		return false;
	if (column->kind == TS_COLUMN_FLOAT8)
		return DatumGetFloat8(kept.min) == DatumGetFloat8(found.min) &&
			   DatumGetFloat8(kept.max) == DatumGetFloat8(found.max);
	return kept.min == found.min && kept.max == found.max;
}

#endif

static void
decode_values(TsBlockReader *reader, const TsChunk *chunk, uint32 first, uint32 count,
			  int i, TsVectors *to, MemoryContext context)
{
	uint32 n = vector_rows(chunk, first, count);
	const Slot *slot;
	bool has_nulls;

	Assert(to->nulls[i] != NULL);
	if (i >= reader->dir->header.natts)
	{
		bool null;
		Datum value = ts_missing_value(reader->rel, reader->table, i + 1, &null);

		fill_values(to->values[i], to->nulls[i], n, null ? (Datum) 0 : value, null);
		return;
	}
	if (!open_piece(reader, chunk, STORED_VALUE(i)))
	{
		fill_values(to->values[i], to->nulls[i], n, (Datum) 0, true);
		return;
	}
	slot = &reader->slots[STORED_VALUE(i)];
	check_decoded(reader, slot,
				  ts_column_decode(slot->reader, first, count, to->values[i],
								   to->nulls[i], &has_nulls, context));
	Assert(n < chunk->rows ||
		   stats_are_right(reader, chunk, i, to->values[i], to->nulls[i]));
}

void
ts_block_decode(TsBlockReader *reader, const TsChunk *chunk, uint32 first, uint32 count,
				bool numbers, TsVectors *to, MemoryContext context)
{
	to->series = chunk->series;
	to->n = vector_rows(chunk, first, count);
	decode_times(reader, chunk, first, count, to->times);
	if (numbers)
		decode_numbers(reader, chunk, first, count, to->numbers);
	for (int i = 0; i < reader->table->natts; i++)
	{
		if (reader->wanted[i] && to->values[i] != NULL)
			decode_values(reader, chunk, first, count, i, to, context);
	}
}

void
ts_block_times(TsBlockReader *reader, const TsChunk *chunk, int64 *times)
{
	decode_times(reader, chunk, 0, ts_codec_vectors(chunk->rows), times);
}
