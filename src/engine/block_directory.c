/*
 * block_directory.c
 *	  Reading the directory of a sealed block.
 *
 * Nothing is believed before it is checked: what the header and the groups' entries say
 * when the block is opened, a group's head when the group is loaded, entries when they are
 * decoded. After that places and lengths lie inside their sections, rows are within their
 * limits, series ascend.
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "block_directory.h"

const TsColumn block_sum_column = {.type = FLOAT8OID,
								   .length = sizeof(float8),
								   .byval = true,
								   .align = TYPALIGN_DOUBLE,
								   .kind = TS_COLUMN_FLOAT8,
								   .role = TS_ROLE_VALUE};

/* ---- opening ---- */

static void
read_header(BlockDirectory *dir, const TsBlockInfo *info)
{
	BlockHeader *header = &dir->header;

	ts_block_bytes_read(dir->bytes, 0, sizeof(BlockHeader), (char *) header);
	if (header->magic != BLOCK_MAGIC)
		ts_block_damaged(dir->bytes, 0, "it does not begin with a block's header");
	if (header->version != BLOCK_VERSION)
		ts_block_damaged(dir->bytes, 0, "its version is not known");
	if (header->length != info->length || header->chunks != (uint32) info->chunks ||
		header->rows != info->rows || header->chunks < 1 ||
		header->chunks > TS_BLOCK_MAX_CHUNKS)
		ts_block_damaged(dir->bytes, 0, "its header and mytsdb.block disagree");
	if (header->natts > dir->table->natts)
		ts_block_damaged(dir->bytes, 0, "it has more columns than the table");
	if (header->series_min > header->series_max || header->time_min > header->time_max ||
		header->number_min > header->number_max || header->regions > header->length)
		ts_block_damaged(dir->bytes, 0, "bounds in its header make no sense");
}

/* Lengths of regions become places. Returns where the groups' entries are. */
static Size
read_regions(BlockDirectory *dir)
{
	Size at = sizeof(BlockHeader);
	int nstored = stored_columns(dir->header.natts);
	uint64 place = dir->header.regions;

	ts_block_bytes_read(dir->bytes, at, sizeof(uint64) * nstored, (char *) dir->regions);
	for (int s = 0; s < nstored; s++)
	{
		uint64 length = dir->regions[s];

		if (length > dir->header.length - place)
			ts_block_damaged(dir->bytes, at, "its regions are longer than it is");
		dir->regions[s] = place;
		place += length;
	}
	dir->regions[nstored] = place;
	if (place != dir->header.length)
		ts_block_damaged(dir->bytes, at, "its regions are not all of it");
	return at + sizeof(uint64) * nstored;
}

static void
read_groups(BlockDirectory *dir, Size at)
{
	BlockGroup *groups = dir->groups;
	uint64 place = at + sizeof(BlockGroup) * dir->ngroups;

	ts_block_bytes_read(dir->bytes, at, sizeof(BlockGroup) * dir->ngroups,
						(char *) groups);
	groups[dir->ngroups].offset = dir->header.regions;
	if (groups[0].offset != place || groups[0].series != dir->header.series_min)
		ts_block_damaged(dir->bytes, at, "its directory does not begin where it should");
	for (uint32 g = 0; g < dir->ngroups; g++)
	{
		if (groups[g].offset > groups[g + 1].offset ||
			groups[g].head > groups[g + 1].offset - groups[g].offset)
			ts_block_damaged(dir->bytes, at, "parts of its directory overlap");
		if (groups[g].series > dir->header.series_max ||
			(g > 0 && groups[g].series < groups[g - 1].series))
			ts_block_damaged(dir->bytes, at, "series of its directory are in disorder");
	}
}

BlockDirectory *
block_directory_open(TsBlockBytes *bytes, const TsTable *table, const TsBlockInfo *info)
{
	BlockDirectory *dir = palloc0(sizeof(BlockDirectory));
	int nstored;
	int ncolumns;

	dir->context = CurrentMemoryContext;
	dir->bytes = bytes;
	dir->table = table;
	read_header(dir, info);
	nstored = stored_columns(dir->header.natts);
	ncolumns = entry_columns(dir->header.natts);
	dir->ngroups = block_groups(dir->header.chunks);
	dir->regions = palloc(sizeof(uint64) * (nstored + 1));
	dir->groups = palloc0(sizeof(BlockGroup) * (dir->ngroups + 1));
	read_groups(dir, read_regions(dir));

	dir->group = dir->ngroups;
	dir->starts = palloc(sizeof(uint64) * (ncolumns + 1));
	dir->bases = palloc(sizeof(uint64) * nstored);
	dir->entries = palloc0(sizeof(int64 *) * ncolumns);
	dir->decoded = palloc0(sizeof(bool) * ncolumns);
	dir->offsets = palloc0(sizeof(uint64 *) * nstored);
	dir->located = palloc0(sizeof(bool) * nstored);
	dir->reader = ts_column_reader_create(dir->context);
	return dir;
}

/* ---- groups ---- */

/* Reads part of the block into the buffer. */
static void
read_bytes(BlockDirectory *dir, uint64 offset, Size length)
{
	if (length > dir->buffer_size)
	{
		if (dir->buffer != NULL)
			pfree(dir->buffer);
		dir->buffer = NULL;
		dir->buffer_size = 0;
		dir->buffer = MemoryContextAllocHuge(dir->context, Max(length, 1024));
		dir->buffer_size = Max(length, 1024);
	}
	ts_block_bytes_read(dir->bytes, offset, length, dir->buffer);
}

/* Takes a varint from a head, of which the bytes *at .. end are left. */
static uint64
take_varint(BlockDirectory *dir, uint64 place, const char **at, const char *end)
{
	uint64 value = 0;

	for (int shift = 0; shift < 7 * BLOCK_VARINT_MAX; shift += 7)
	{
		uint8 byte;

		if (*at == end)
			break;
		byte = (uint8) * (*at)++;
		value |= (uint64) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	ts_block_damaged(dir->bytes, place, "a group's head is cut short");
}

static void
load_group(BlockDirectory *dir, uint32 g)
{
	const BlockGroup *group = &dir->groups[g];
	uint64 group_end = group[1].offset;
	uint64 place = group->offset + group->head;
	int ncolumns = entry_columns(dir->header.natts);
	int nstored = stored_columns(dir->header.natts);
	const char *at;
	const char *end;

	Assert(g < dir->ngroups);
	dir->group = dir->ngroups;
	read_bytes(dir, group->offset, group->head);
	at = dir->buffer;
	end = at + group->head;
	for (int column = 0; column < ncolumns; column++)
	{
		uint64 length = take_varint(dir, group->offset, &at, end);

		if (length > group_end - place)
			ts_block_damaged(dir->bytes, group->offset,
							 "columns of a group are longer than it is");
		dir->starts[column] = place;
		place += length;
	}
	dir->starts[ncolumns] = place;
	for (int s = 0; s < nstored; s++)
	{
		dir->bases[s] = take_varint(dir, group->offset, &at, end);
		if (dir->bases[s] > dir->regions[s + 1] - dir->regions[s])
			ts_block_damaged(dir->bytes, group->offset, "a region is shorter than used");
	}
	if (place != group_end || at != end)
		ts_block_damaged(dir->bytes, group->offset, "a group has bytes left over");
	dir->chunks = Min(dir->header.chunks - g * BLOCK_GROUP_CHUNKS, BLOCK_GROUP_CHUNKS);
	memset(dir->decoded, 0, ncolumns);
	memset(dir->located, 0, nstored);
	dir->group = g;
}

/* As what a directory column is encoded; NULL: ints. */
static const TsColumn *
entry_type(const BlockDirectory *dir, int column)
{
	int first = ENTRY_STATS(dir->header.natts, 0);
	const TsColumn *of;

	if (column < first)
		return NULL;
	of = &dir->table->columns[(column - first) / STATS_ENTRIES];
	if (!of->summed || of->kind == TS_COLUMN_INT)
		return NULL;
	switch ((column - first) % STATS_ENTRIES)
	{
		case STATS_MIN:
		case STATS_MAX:
			return of;
		case STATS_SUM:
			return &block_sum_column;
		default:
			return NULL;
	}
}

/* Raises an error unless the entries of one of the first columns are what they must be. */
static void
check_entries(BlockDirectory *dir, int column, const int64 *entries)
{
	const char *problem = NULL;

	switch (column)
	{
		case ENTRY_SERIES:
			if (entries[0] != dir->groups[dir->group].series ||
				entries[dir->chunks - 1] > dir->header.series_max)
				problem = "series of a group are not those it should have";
			for (uint32 i = 1; i < dir->chunks; i++)
			{
				if (entries[i] < entries[i - 1])
					problem = "series of a group are in disorder";
			}
			break;
		case ENTRY_ROWS:
			for (uint32 i = 0; i < dir->chunks; i++)
			{
				if (entries[i] < 1 || entries[i] > TS_CODEC_MAX_VALUES)
					problem = "a chunk has a wrong number of rows";
			}
			break;
		default:
			break;
	}
	if (problem != NULL)
		ts_block_damaged(dir->bytes, dir->starts[column], problem);
}

static void
decode_entries(BlockDirectory *dir, int column, int64 *entries)
{
	uint64 start = dir->starts[column];
	Size length = dir->starts[column + 1] - start;
	const TsColumn *type = entry_type(dir, column);
	TsErrorCode code;

	if (length == 0)
	{
		memset(entries, 0, sizeof(int64) * dir->chunks);
		return;
	}
	read_bytes(dir, start, length);
	if (type == NULL)
	{
		code = ts_column_open_ints(dir->reader, dir->buffer, length, dir->chunks);
		if (code == TS_OK)
			code = ts_column_decode_ints(dir->reader, 0, 1, entries);
	}
	else
	{
		bool nulls[BLOCK_GROUP_CHUNKS];
		bool has_nulls;

		code = ts_column_open(dir->reader, type, dir->buffer, length, dir->chunks);
		if (code == TS_OK)
			code = ts_column_decode(dir->reader, 0, 1, (Datum *) entries, nulls,
									&has_nulls, dir->context);
	}
	if (code != TS_OK)
		ts_block_damaged(dir->bytes, start, ts_column_problem(dir->reader));
}

/* The entries of a column in a group of chunks; they stay until the next group. */
static const int64 *
group_entries(BlockDirectory *dir, uint32 group, int column)
{
	Assert(column < entry_columns(dir->header.natts));
	if (dir->group != group)
		load_group(dir, group);
	if (!dir->decoded[column])
	{
		if (dir->entries[column] == NULL)
			dir->entries[column] = MemoryContextAlloc(dir->context,
													  sizeof(int64) * BLOCK_GROUP_CHUNKS);
		decode_entries(dir, column, dir->entries[column]);
		check_entries(dir, column, dir->entries[column]);
		dir->decoded[column] = true;
	}
	return dir->entries[column];
}

static inline int64
chunk_entry(BlockDirectory *dir, uint32 index, int column)
{
	return group_entries(dir, index / BLOCK_GROUP_CHUNKS,
						 column)[index % BLOCK_GROUP_CHUNKS];
}

/* ---- chunks ---- */

void
block_directory_chunk(BlockDirectory *dir, uint32 index, TsChunk *chunk)
{
	const BlockHeader *header = &dir->header;

	Assert(index < header->chunks);
	chunk->index = index;
	chunk->series = (uint32) chunk_entry(dir, index, ENTRY_SERIES);
	chunk->rows = (uint32) chunk_entry(dir, index, ENTRY_ROWS);
	chunk->time_min = chunk_entry(dir, index, ENTRY_TIME);
	chunk->time_max = (int64) ((uint64) chunk->time_min +
							   (uint64) chunk_entry(dir, index, ENTRY_TIME_SPAN));
	chunk->number_min = (uint64) chunk_entry(dir, index, ENTRY_NUMBER);
	chunk->number_max = chunk->number_min +
						(uint64) chunk_entry(dir, index, ENTRY_NUMBER_SPAN);
	if (chunk->time_min < header->time_min || chunk->time_max > header->time_max ||
		chunk->time_min > chunk->time_max || chunk->number_min < header->number_min ||
		chunk->number_max > header->number_max || chunk->number_min > chunk->number_max)
		ts_block_damaged(dir->bytes, dir->groups[dir->group].offset,
						 "a chunk is not within the block's bounds");
}

uint32
block_directory_find(BlockDirectory *dir, uint32 from, uint32 series)
{
	uint32 low = from / BLOCK_GROUP_CHUNKS;
	uint32 high = dir->ngroups;
	const int64 *entries;
	uint32 start;
	uint32 i;
	uint32 end;

	if (from >= dir->header.chunks || series > dir->header.series_max)
		return dir->header.chunks;
	/* The last group, from that of `from` on, that begins with a lower series. */
	while (high - low > 1)
	{
		uint32 mid = low + (high - low) / 2;

		if (dir->groups[mid].series < series)
			low = mid;
		else
			high = mid;
	}
	entries = group_entries(dir, low, ENTRY_SERIES);
	start = low * BLOCK_GROUP_CHUNKS;
	end = dir->chunks;
	i = from > start ? from - start : 0;
	while (i < end)
	{
		uint32 mid = i + (end - i) / 2;

		if (entries[mid] < series)
			i = mid + 1;
		else
			end = mid;
	}
	return start + i;
}

/* Finds the places of a group's pieces of a stored column. */
static void
locate_pieces(BlockDirectory *dir, uint32 group, int s)
{
	const int64 *lengths = group_entries(dir, group, ENTRY_LENGTH(s));
	const int64 *backs = group_entries(dir, group, ENTRY_BACK(s));
	uint64 room = dir->regions[s + 1] - dir->regions[s];
	uint64 used = dir->bases[s];

	if (dir->offsets[s] == NULL)
		dir->offsets[s] = MemoryContextAlloc(dir->context,
											 sizeof(uint64) * BLOCK_GROUP_CHUNKS);
	for (uint32 i = 0; i < dir->chunks; i++)
	{
		uint64 length = (uint64) lengths[i];
		uint64 back = (uint64) backs[i];

		if (back > used || length > room - (used - back))
			ts_block_damaged(dir->bytes, dir->starts[ENTRY_LENGTH(s)],
							 "a chunk's piece is not within its region");
		dir->offsets[s][i] = dir->regions[s] + used - back;
		if (back == 0)
			used += length;
	}
	dir->located[s] = true;
}

BlockPiece
block_directory_piece(BlockDirectory *dir, uint32 index, int stored)
{
	uint32 group = index / BLOCK_GROUP_CHUNKS;
	BlockPiece piece;

	Assert(index < dir->header.chunks && stored < stored_columns(dir->header.natts));
	piece.length = (Size) chunk_entry(dir, index, ENTRY_LENGTH(stored));
	if (!dir->located[stored])
		locate_pieces(dir, group, stored);
	piece.offset = dir->offsets[stored][index % BLOCK_GROUP_CHUNKS];
	piece.region_end = dir->regions[stored + 1];
	return piece;
}

bool
block_directory_stats(BlockDirectory *dir, uint32 index, int i, TsColumnStats *stats)
{
	int first = ENTRY_STATS(dir->header.natts, i);
	const TsColumn *column = &dir->table->columns[i];
	int64 nulls = chunk_entry(dir, index, first + STATS_NULLS);
	int64 flags = chunk_entry(dir, index, first + STATS_FLAGS);
	int64 sum;

	Assert(i < dir->header.natts);
	if (nulls < 0 || nulls > chunk_entry(dir, index, ENTRY_ROWS))
		ts_block_damaged(dir->bytes, dir->starts[first], "a count of nulls is wrong");
	memset(stats, 0, sizeof(TsColumnStats));
	stats->nulls = (uint32) nulls;
	if ((flags & BLOCK_KNOWN) == 0 || !column->summed)
		return true;
	stats->known = true;
	stats->min = (Datum) chunk_entry(dir, index, first + STATS_MIN);
	stats->max = (Datum) chunk_entry(dir, index, first + STATS_MAX);
	sum = chunk_entry(dir, index, first + STATS_SUM);
	if (column->kind == TS_COLUMN_INT)
		stats->max = (Datum) ((uint64) stats->min + (uint64) stats->max);
	if (column->kind == TS_COLUMN_INT && (flags & BLOCK_EXACT) != 0)
	{
		stats->int_exact = true;
		stats->int_sum = sum;
		stats->sum = (double) sum;
	}
	else
		stats->sum = DatumGetFloat8((Datum) sum);
	return true;
}
