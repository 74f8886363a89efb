/*
 * block_write.c
 *	  Chunks into the bytes of a sealed block.
 *
 * Pieces go to their regions as chunks come; the directory's entries of the current group
 * wait as plain numbers and are encoded when the group is complete. So a writer holds
 * about what the block takes, and one group.
 *
 * A piece that its region has already is referred to. Short pieces are looked for in the
 * last place only: a reference to any other would not be shorter.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define XXH_INLINE_ALL
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "block_directory.h"

/* Pieces from here on are looked for in the whole region. */
#define SHARED_PIECE 12
/* A buffer for one piece that got larger than this is not kept. */
#define KEPT_SCRATCH (16 * 1024 * 1024)

/* A piece of a region; length 0: a free slot of the table. */
typedef struct Piece
{
	uint64 hash;
	uint64 offset;
	Size length;
} Piece;

typedef struct Region
{
	char *data;
	Size length;
	Size room;
	uint64 base; /* length when the current group began */
	Piece last;  /* of the chunk before, if it had any */
	Piece *pieces;
	uint32 npieces;
	uint32 room_pieces; /* a power of two, or 0 */
} Region;

struct TsBlockWriter
{
	MemoryContext context;
	MemoryContext data; /* what is of the current block */
	TsTable *table;
	int natts;
	TsColumnWriter *columns;
	StringInfoData scratch; /* the piece being made */
	Region *regions;        /* [stored_columns(natts)] */

	BlockHeader header; /* bounds and counts so far */
	int64 last_time;    /* of the chunk before */
	BlockGroup *groups; /* complete ones; offsets from the first group on */
	uint32 room_groups;
	Region directory; /* bytes of complete groups */
	uint64 bytes;     /* of all regions and the directory */

	int64 *entries;       /* [entry_columns(natts)][BLOCK_GROUP_CHUNKS] */
	uint32 group_chunks;  /* entries there are */
	StringInfoData group; /* columns of the group being encoded */
};

static void
start_block(TsBlockWriter *writer)
{
	memset(writer->regions, 0, sizeof(Region) * stored_columns(writer->natts));
	memset(&writer->directory, 0, sizeof(Region));
	memset(&writer->header, 0, sizeof(BlockHeader));
	writer->header.magic = BLOCK_MAGIC;
	writer->header.version = BLOCK_VERSION;
	writer->header.natts = writer->natts;
	writer->groups = NULL;
	writer->room_groups = 0;
	writer->bytes = 0;
	writer->group_chunks = 0;
}

TsBlockWriter *
ts_block_writer_create(MemoryContext parent, const TsTable *table, int natts)
{
	MemoryContext context = AllocSetContextCreate(parent, "mytsdb block writer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TsBlockWriter *writer = palloc0(sizeof(TsBlockWriter));
	Size table_size = offsetof(TsTable, columns) + sizeof(TsColumn) * table->natts;

	Assert(natts >= 0 && natts <= table->natts);
	writer->context = context;
	writer->data = AllocSetContextCreate(context, "mytsdb block", ALLOCSET_DEFAULT_SIZES);
	writer->table = palloc(table_size);
	memcpy(writer->table, table, table_size);
	writer->natts = natts;
	writer->columns = ts_column_writer_create(context);
	initStringInfo(&writer->scratch);
	initStringInfo(&writer->group);
	writer->regions = palloc(sizeof(Region) * stored_columns(natts));
	writer->entries = palloc(sizeof(int64) * entry_columns(natts) * BLOCK_GROUP_CHUNKS);
	start_block(writer);
	MemoryContextSwitchTo(old);
	return writer;
}

void
ts_block_writer_free(TsBlockWriter *writer)
{
	ts_column_writer_free(writer->columns);
	MemoryContextDelete(writer->context);
}

uint32
ts_block_writer_chunks(const TsBlockWriter *writer)
{
	return writer->header.chunks;
}

bool
ts_block_writer_full(const TsBlockWriter *writer)
{
	return writer->header.chunks >= TS_BLOCK_MAX_CHUNKS ||
		   writer->bytes >= TS_BLOCK_MAX_SIZE;
}

/* ---- regions ---- */

static void
append_region(TsBlockWriter *writer, Region *region, const char *data, Size length)
{
	if (length == 0)
		return;
	if (region->room - region->length < length)
	{
		Size room = Max(region->room, 1024);

		while (room - region->length < length)
			room *= 2;
		region->data = region->data == NULL ? MemoryContextAllocHuge(writer->data, room)
											: repalloc_huge(region->data, room);
		region->room = room;
	}
	memcpy(region->data + region->length, data, length);
	region->length += length;
	writer->bytes += length;
}

static bool
is_piece(const Region *region, const Piece *piece, const char *data, Size length)
{
	return piece->length == length &&
		   memcmp(region->data + piece->offset, data, length) == 0;
}

/* The slot of a piece in a region's table, or the free one where it belongs. */
static Piece *
find_slot(const Region *region, uint64 hash, const char *data, Size length)
{
	uint32 mask = region->room_pieces - 1;
	uint32 at = (uint32) hash & mask;

	for (;; at = (at + 1) & mask)
	{
		Piece *slot = &region->pieces[at];

		if (slot->length == 0)
			return slot;
		if (slot->hash == hash && data != NULL && is_piece(region, slot, data, length))
			return slot;
	}
}

/* Sees that the table has room for one more, and that a third of it stays free. */
static void
grow_pieces(TsBlockWriter *writer, Region *region)
{
	Piece *old = region->pieces;
	uint32 old_room = region->room_pieces;

	if (region->npieces < old_room / 3 * 2)
		return;
	region->room_pieces = old_room == 0 ? 64 : old_room * 2;
	region->pieces = MemoryContextAllocZero(writer->data,
											sizeof(Piece) * region->room_pieces);
	for (uint32 i = 0; i < old_room; i++)
	{
		if (old[i].length != 0)
			*find_slot(region, old[i].hash, NULL, 0) = old[i];
	}
	if (old != NULL)
		pfree(old);
}

/* Puts a piece into a region unless it is there; returns where it is. */
static uint64
store_piece(TsBlockWriter *writer, Region *region, const char *data, Size length)
{
	Piece piece = {.offset = region->length, .length = length};

	Assert(length > 0);
	if (is_piece(region, &region->last, data, length))
		return region->last.offset;
	if (length >= SHARED_PIECE)
	{
		Piece *slot;

		grow_pieces(writer, region);
		piece.hash = XXH3_64bits(data, length);
		slot = find_slot(region, piece.hash, data, length);
		if (slot->length != 0)
		{
			region->last = *slot;
			return slot->offset;
		}
		*slot = piece;
		region->npieces++;
	}
	append_region(writer, region, data, length);
	region->last = piece;
	return piece.offset;
}

static inline int64 *
entry(TsBlockWriter *writer, int column)
{
	return &writer->entries[(Size) column * BLOCK_GROUP_CHUNKS + writer->group_chunks];
}

/* Stores what is in scratch as the chunk's piece of stored column s. */
static void
put_piece(TsBlockWriter *writer, int s)
{
	Region *region = &writer->regions[s];
	Size length = writer->scratch.len;
	int64 back = 0;

	if (length > 0)
	{
		uint64 end = region->length;
		uint64 offset = store_piece(writer, region, writer->scratch.data, length);

		back = (int64) (end - offset);
	}
	*entry(writer, ENTRY_LENGTH(s)) = (int64) length;
	*entry(writer, ENTRY_BACK(s)) = back;

	if (writer->scratch.maxlen > KEPT_SCRATCH)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->context);

		pfree(writer->scratch.data);
		initStringInfo(&writer->scratch);
		MemoryContextSwitchTo(old);
	}
}

/* ---- chunks ---- */

/* Whether times are equally far apart. */
static bool
is_progression(const int64 *times, uint32 n)
{
	uint64 step;

	if (n <= 2)
		return true;
	step = (uint64) times[1] - (uint64) times[0];
	for (uint32 i = 2; i < n; i++)
	{
		if ((uint64) times[i] - (uint64) times[i - 1] != step)
			return false;
	}
	return true;
}

static void
put_times(TsBlockWriter *writer, const TsVectors *chunk)
{
	int64 first = chunk->times[0];
	int64 last = chunk->times[chunk->n - 1];

	Assert(first <= last);
	*entry(writer, ENTRY_TIME) = first;
	*entry(writer, ENTRY_TIME_SPAN) = (int64) ((uint64) last - (uint64) first);
	resetStringInfo(&writer->scratch);
	if (!is_progression(chunk->times, chunk->n))
		ts_column_encode_times(writer->columns, chunk->times, chunk->n, &writer->scratch);
	put_piece(writer, STORED_TIMES);
}

static void
put_numbers(TsBlockWriter *writer, const TsVectors *chunk, uint64 *min, uint64 *max)
{
	*min = *max = chunk->numbers[0];
	for (uint32 i = 1; i < chunk->n; i++)
	{
		*min = Min(*min, chunk->numbers[i]);
		*max = Max(*max, chunk->numbers[i]);
	}
	*entry(writer, ENTRY_NUMBER) = (int64) *min;
	*entry(writer, ENTRY_NUMBER_SPAN) = (int64) (*max - *min);
	resetStringInfo(&writer->scratch);
	if (*min != *max)
		ts_column_encode_ints(writer->columns, (const int64 *) chunk->numbers, chunk->n,
							  &writer->scratch);
	put_piece(writer, STORED_NUMBERS);
}

/* What is not known repeats the entry before, which costs the least. */
static void
put_stats(TsBlockWriter *writer, int i, const TsColumnStats *stats)
{
	int column = ENTRY_STATS(writer->natts, i);
	int64 *flags = entry(writer, column + STATS_FLAGS);
	int64 *min = entry(writer, column + STATS_MIN);
	int64 *max = entry(writer, column + STATS_MAX);
	int64 *sum = entry(writer, column + STATS_SUM);

	*entry(writer, column + STATS_NULLS) = stats->nulls;
	*flags = 0;
	if (!stats->known)
	{
		bool first = writer->group_chunks == 0;

		*min = first ? 0 : min[-1];
		*max = first ? 0 : max[-1];
		*sum = first ? 0 : sum[-1];
		return;
	}
	*flags = BLOCK_KNOWN;
	*min = (int64) stats->min;
	*max = (int64) stats->max;
	*sum = (int64) Float8GetDatum(stats->sum);
	if (writer->table->columns[i].kind == TS_COLUMN_INT)
	{
		*max = (int64) ((uint64) stats->max - (uint64) stats->min);
		if (stats->int_exact)
		{
			*flags |= BLOCK_EXACT;
			*sum = stats->int_sum;
		}
	}
}

static void
put_values(TsBlockWriter *writer, const TsVectors *chunk, int i)
{
	const TsColumn *column = &writer->table->columns[i];
	TsColumnStats stats = {0};

	resetStringInfo(&writer->scratch);
	if (column->role == TS_ROLE_VALUE && column->kind != TS_COLUMN_NONE)
	{
		if (chunk->values[i] != NULL)
			ts_column_encode(writer->columns, column, chunk->values[i], chunk->nulls[i],
							 chunk->n, &writer->scratch, &stats);
		else
			stats.nulls = chunk->n;
	}
	put_piece(writer, STORED_VALUE(i));
	put_stats(writer, i, &stats);
}

static void
widen_bounds(TsBlockWriter *writer, const TsVectors *chunk, uint64 number_min,
			 uint64 number_max)
{
	BlockHeader *header = &writer->header;
	int64 time_min = chunk->times[0];
	int64 time_max = chunk->times[chunk->n - 1];

	if (header->chunks == 0)
	{
		header->series_min = chunk->series;
		header->time_min = time_min;
		header->time_max = time_max;
		header->number_min = number_min;
		header->number_max = number_max;
	}
	header->series_max = chunk->series;
	header->time_min = Min(header->time_min, time_min);
	header->time_max = Max(header->time_max, time_max);
	header->number_min = Min(header->number_min, number_min);
	header->number_max = Max(header->number_max, number_max);
	header->rows += chunk->n;
	header->chunks++;
	writer->last_time = time_max;
}

static void finish_group(TsBlockWriter *writer);

void
ts_block_writer_add(TsBlockWriter *writer, const TsVectors *chunk)
{
	uint64 number_min;
	uint64 number_max;

	Assert(chunk->n >= 1 && chunk->n <= TS_CODEC_MAX_VALUES);
	Assert(writer->header.chunks == 0 || writer->header.series_max < chunk->series ||
		   (writer->header.series_max == chunk->series &&
			writer->last_time <= chunk->times[0]));
	if (writer->header.chunks >= TS_BLOCK_MAX_CHUNKS)
		elog(ERROR, "a sealed block cannot have more than %d chunks",
			 TS_BLOCK_MAX_CHUNKS);
	CHECK_FOR_INTERRUPTS();

	*entry(writer, ENTRY_SERIES) = chunk->series;
	*entry(writer, ENTRY_ROWS) = chunk->n;
	put_times(writer, chunk);
	put_numbers(writer, chunk, &number_min, &number_max);
	for (int i = 0; i < writer->natts; i++)
		put_values(writer, chunk, i);
	widen_bounds(writer, chunk, number_min, number_max);
	if (++writer->group_chunks == BLOCK_GROUP_CHUNKS)
		finish_group(writer);
}

/* ---- the directory ---- */

static void
append_varint(StringInfo out, uint64 value)
{
	enlargeStringInfo(out, BLOCK_VARINT_MAX);
	for (; value >= 0x80; value >>= 7)
		out->data[out->len++] = (char) (value | 0x80);
	out->data[out->len++] = (char) value;
	out->data[out->len] = '\0';
}

/* Appends a directory column to the group; as_column NULL: ints. */
static void
encode_entries(TsBlockWriter *writer, int column, const TsColumn *as_column,
			   StringInfo head)
{
	const int64 *entries = &writer->entries[(Size) column * BLOCK_GROUP_CHUNKS];
	uint32 n = writer->group_chunks;
	int before = writer->group.len;
	int64 any = 0;

	for (uint32 i = 0; i < n; i++)
		any |= entries[i];
	if (any != 0 && as_column == NULL)
		ts_column_encode_ints(writer->columns, entries, n, &writer->group);
	else if (any != 0)
		ts_column_encode(writer->columns, as_column, (const Datum *) entries, NULL, n,
						 &writer->group, NULL);
	append_varint(head, writer->group.len - before);
}

static void
encode_stats(TsBlockWriter *writer, int i, StringInfo head)
{
	const TsColumn *column = &writer->table->columns[i];
	const TsColumn *value = column->summed && column->kind != TS_COLUMN_INT ? column
																			: NULL;
	int first = ENTRY_STATS(writer->natts, i);

	encode_entries(writer, first + STATS_NULLS, NULL, head);
	encode_entries(writer, first + STATS_FLAGS, NULL, head);
	encode_entries(writer, first + STATS_MIN, value, head);
	encode_entries(writer, first + STATS_MAX, value, head);
	encode_entries(writer, first + STATS_SUM, value ? &block_sum_column : NULL, head);
}

static void
finish_group(TsBlockWriter *writer)
{
	StringInfoData head;
	BlockGroup *group;
	uint32 index = block_groups(writer->header.chunks) - 1;

	if (index >= writer->room_groups)
	{
		writer->room_groups = Max(16, writer->room_groups * 2);
		writer->groups = writer->groups == NULL
							 ? MemoryContextAlloc(writer->data, sizeof(BlockGroup) *
																	writer->room_groups)
							 : repalloc(writer->groups,
										sizeof(BlockGroup) * writer->room_groups);
	}
	initStringInfo(&head);
	resetStringInfo(&writer->group);
	for (int column = 0; column < ENTRY_STATS(writer->natts, 0); column++)
		encode_entries(writer, column, NULL, &head);
	for (int i = 0; i < writer->natts; i++)
		encode_stats(writer, i, &head);
	for (int s = 0; s < stored_columns(writer->natts); s++)
	{
		append_varint(&head, writer->regions[s].base);
		writer->regions[s].base = writer->regions[s].length;
	}

	group = &writer->groups[index];
	group->series = (uint32) writer->entries[ENTRY_SERIES * BLOCK_GROUP_CHUNKS];
	group->head = head.len;
	group->offset = writer->directory.length;
	append_region(writer, &writer->directory, head.data, head.len);
	append_region(writer, &writer->directory, writer->group.data, writer->group.len);
	pfree(head.data);
	writer->group_chunks = 0;
}

/* ---- the block ---- */

static char *
append_bytes(char *to, const void *data, Size length)
{
	if (length > 0)
		memcpy(to, data, length);
	return to + length;
}

/* All of the block in one run of bytes, of the length that is now in the header. */
static char *
assemble(TsBlockWriter *writer)
{
	BlockHeader *header = &writer->header;
	int nstored = stored_columns(writer->natts);
	uint32 ngroups = block_groups(header->chunks);
	uint64 directory = sizeof(BlockHeader) + sizeof(uint64) * nstored +
					   sizeof(BlockGroup) * ngroups;
	char *data;
	char *to;

	header->regions = directory + writer->directory.length;
	header->length = header->regions;
	for (int s = 0; s < nstored; s++)
		header->length += writer->regions[s].length;

	to = data = MemoryContextAllocHuge(writer->data, header->length);
	to = append_bytes(to, header, sizeof(BlockHeader));
	for (int s = 0; s < nstored; s++)
	{
		uint64 length = writer->regions[s].length;

		to = append_bytes(to, &length, sizeof(length));
	}
	for (uint32 g = 0; g < ngroups; g++)
		writer->groups[g].offset += directory;
	to = append_bytes(to, writer->groups, sizeof(BlockGroup) * ngroups);
	to = append_bytes(to, writer->directory.data, writer->directory.length);
	for (int s = 0; s < nstored; s++)
	{
		Region *region = &writer->regions[s];

		to = append_bytes(to, region->data, region->length);
		if (region->data != NULL)
			pfree(region->data);
		region->data = NULL;
	}
	Assert(to == data + header->length);
	return data;
}

void
ts_block_writer_finish(TsBlockWriter *writer, Relation rel, int tier, TsBlockInfo *info)
{
	const BlockHeader *header = &writer->header;
	char *data;

	Assert(header->chunks > 0);
	if (writer->group_chunks > 0)
		finish_group(writer);
	data = assemble(writer);
	memset(info, 0, sizeof(TsBlockInfo));
	info->pages = ts_pages_write_block(rel, writer->table, data, header->length);
	info->storage = writer->table->storage;
	info->length = header->length;
	info->tier = tier;
	info->time_min = header->time_min;
	info->time_max = header->time_max;
	info->series_min = header->series_min;
	info->series_max = header->series_max;
	info->number_min = header->number_min;
	info->number_max = header->number_max;
	info->rows = header->rows;
	info->chunks = header->chunks;
	ItemPointerSetInvalid(&info->tid);
	MemoryContextReset(writer->data);
	start_block(writer);
}
