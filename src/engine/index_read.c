/*
 * index_read.c
 *	  Reads a segment of the label index, page by page as it is needed.
 *
 * Entries, strings and posting lists each have a reader of pages of their own, so that
 * going through one section does not lose the place in another. Whatever the bytes say,
 * nothing outside the segment is read, and bisection ends; what makes no sense raises an
 * error.
 */
#include "postgres.h"

#include "port/pg_crc32c.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "index_internal.h"

static void
damaged(IndexReader *reader, Size offset, const char *what) pg_attribute_noreturn();

static void
damaged(IndexReader *reader, Size offset, const char *what)
{
	ts_block_damaged(reader->entries, offset, what);
}

/* ---- opening ---- */

static bool
is_header_valid(const IndexHeader *header)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, header, offsetof(IndexHeader, crc));
	FIN_CRC32C(crc);
	return header->magic == INDEX_MAGIC && crc == header->crc;
}

static bool
are_sections_valid(const IndexHeader *header)
{
	uint64 names_end = header->names_at + (uint64) header->names * sizeof(IndexName);
	uint64 values_end = header->values_at + (uint64) header->values * sizeof(IndexValue);

	return header->names_at >= sizeof(IndexHeader) && names_end <= header->values_at &&
		   values_end <= header->strings_at &&
		   header->strings_at <= header->postings_at &&
		   header->postings_at <= header->length;
}

void
index_reader_open(IndexReader *reader, Relation rel, const TsTable *table,
				  const TsIndexSegment *segment)
{
	IndexHeader *header = &reader->header;

	memset(reader, 0, sizeof(*reader));
	reader->segment = *segment;
	reader->context = CurrentMemoryContext;
	reader->entries = ts_block_bytes_open(rel, table, &segment->pages);
	reader->strings = ts_block_bytes_open(rel, table, &segment->pages);
	reader->postings = ts_block_bytes_open(rel, table, &segment->pages);
	reader->string = palloc(PG_UINT16_MAX);

	ts_block_bytes_read(reader->entries, 0, sizeof(*header), (char *) header);
	if (!is_header_valid(header))
		damaged(reader, 0, "it does not begin as a label index does");
	if (header->version != INDEX_VERSION)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("label index of relation \"%s\" has version %u",
					RelationGetRelationName(rel), header->version),
			 errdetail("This version of mytsdb reads version %d.", INDEX_VERSION),
			 errhint("Install the version of mytsdb that wrote it, or a newer one.")));
	if (header->length != segment->length || header->from != segment->from ||
		header->to != segment->to || !are_sections_valid(header))
		damaged(reader, 0, "its header is wrong");
}

/* ---- names and values ---- */

void
index_reader_name(IndexReader *reader, uint32 i, IndexName *name)
{
	const IndexHeader *header = &reader->header;
	Size offset = header->names_at + (Size) i * sizeof(IndexName);

	Assert(i < header->names);
	ts_block_bytes_read(reader->entries, offset, sizeof(IndexName), (char *) name);
	if (name->values == 0 || name->first_value >= header->values ||
		name->values > header->values - name->first_value)
		damaged(reader, offset, "a label's values are outside of it");
}

void
index_reader_value(IndexReader *reader, uint32 i, IndexValue *value)
{
	Size offset = reader->header.values_at + (Size) i * sizeof(IndexValue);

	Assert(i < reader->header.values);
	ts_block_bytes_read(reader->entries, offset, sizeof(IndexValue), (char *) value);
}

TsString
index_reader_string(IndexReader *reader, const IndexValue *value)
{
	const IndexHeader *header = &reader->header;
	uint64 offset = (uint64) header->strings_at + value->string;

	if (value->string_length == 0 || offset + value->string_length > header->postings_at)
		damaged(reader, header->strings_at, "a string is outside of it");
	ts_block_bytes_read(reader->strings, offset, value->string_length, reader->string);
	return (TsString){reader->string, value->string_length};
}

bool
index_reader_find_name(IndexReader *reader, TsString string, IndexName *name)
{
	uint32 low = 0;
	uint32 high = reader->header.names;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;
		int order;

		index_reader_name(reader, middle, name);
		order = index_compare_strings(index_reader_string(reader, &name->name), string);
		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

uint32
index_reader_seek_value(IndexReader *reader, const IndexName *name, TsString string)
{
	uint32 low = name->first_value;
	uint32 high = name->first_value + name->values;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;
		IndexValue value;

		index_reader_value(reader, middle, &value);
		if (index_compare_strings(index_reader_string(reader, &value), string) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
index_reader_find_value(IndexReader *reader, const IndexName *name, TsString string,
						IndexValue *value)
{
	uint32 i = index_reader_seek_value(reader, name, string);

	if (i == name->first_value + name->values)
		return false;
	index_reader_value(reader, i, value);
	return index_compare_strings(index_reader_string(reader, value), string) == 0;
}

/* ---- posting lists ---- */

/* Reads the bytes of a bitmap, and verifies their checksum. */
static const char *
read_posting(IndexReader *reader, const IndexValue *value)
{
	const IndexHeader *header = &reader->header;
	uint64 offset = (uint64) header->postings_at + value->at;
	IndexPosting posting;
	pg_crc32c crc;

	if (offset + sizeof(posting) + value->length > header->length || value->length == 0)
		damaged(reader, header->postings_at, "a set of series is outside");
	if (value->length > reader->bytes_room)
	{
		if (reader->bytes != NULL)
			pfree(reader->bytes);
		reader->bytes = NULL;
		reader->bytes_room = 0;
		reader->bytes = MemoryContextAllocHuge(reader->context, value->length);
		reader->bytes_room = value->length;
	}
	ts_block_bytes_read(reader->postings, offset, sizeof(posting), (char *) &posting);
	ts_block_bytes_read(reader->postings, offset + sizeof(posting), value->length,
						reader->bytes);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, reader->bytes, value->length);
	FIN_CRC32C(crc);
	if (crc != posting.crc)
		damaged(reader, offset, "the checksum of a set of series is wrong");
	return reader->bytes;
}

static void
add_bitmap(IndexReader *reader, const IndexValue *value, roaring_bitmap_t *to,
		   IndexBitmaps *bitmaps, int slot)
{
	const char *bytes = read_posting(reader, value);
	roaring_bitmap_t *ids = roaring_bitmap_portable_deserialize_safe(bytes,
																	 value->length);

	if (ids != NULL)
		index_bitmaps_put(bitmaps, slot, ids);
	if (ids == NULL || roaring_bitmap_get_cardinality(ids) != value->count ||
		roaring_bitmap_minimum(ids) < reader->segment.from ||
		roaring_bitmap_maximum(ids) >= reader->segment.to)
		damaged(reader, reader->header.postings_at + value->at,
				"a set of series is wrong");
	roaring_bitmap_or_inplace(to, ids);
	index_bitmaps_clear(bitmaps, slot);
}

void
index_reader_add(IndexReader *reader, const IndexValue *value, roaring_bitmap_t *to,
				 IndexBitmaps *bitmaps, int slot)
{
	const TsIndexSegment *segment = &reader->segment;

	if (value->form == INDEX_ROARING)
	{
		add_bitmap(reader, value, to, bitmaps, slot);
		return;
	}
	if ((value->form != INDEX_ONE && value->form != INDEX_RANGE) || value->count == 0 ||
		value->at < segment->from || value->at >= segment->to ||
		value->count > segment->to - value->at)
		damaged(reader, reader->header.values_at, "a set of series is wrong");
	if (value->count == 1)
		roaring_bitmap_add(to, value->at);
	else
		roaring_bitmap_add_range_closed(to, value->at, value->at + value->count - 1);
}
