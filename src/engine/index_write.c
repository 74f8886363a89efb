/*
 * index_write.c
 *	  Writes a segment of the label index: its bytes in memory, then its pages and its row
 *	  in the catalog.
 *
 * The sections grow side by side and are put together at the end; so a writer takes about
 * twice the segment's size.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "index_internal.h"
#include "ts_stop.h"

/* Slots of bitmaps. */
enum
{
	SLOT_NAME, /* the ids of the name's values so far */
	SLOT_VALUE /* made of an array */
};

struct IndexWriter
{
	MemoryContext context;
	IndexBitmaps *bitmaps;
	uint32 from;
	uint32 to;
	uint32 null_series;
	uint32 nnames;
	uint32 nvalues;
	IndexName name; /* the one in work, if nnames > 0 */
	StringInfoData names;
	StringInfoData values;
	StringInfoData strings;
	StringInfoData postings;
};

IndexWriter *
index_writer_create(uint32 from, uint32 to, uint32 null_series)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb index writer", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	IndexWriter *writer = palloc0(sizeof(IndexWriter));

	Assert(from < to);
	writer->context = context;
	writer->bitmaps = index_bitmaps_create(context);
	writer->from = from;
	writer->to = to;
	writer->null_series = null_series;
	initStringInfo(&writer->names);
	initStringInfo(&writer->values);
	initStringInfo(&writer->strings);
	initStringInfo(&writer->postings);
	MemoryContextSwitchTo(caller);
	return writer;
}

static void
put_string(IndexWriter *writer, TsString string, IndexValue *entry)
{
	Assert(string.len > 0 && string.len <= PG_UINT16_MAX);
	entry->string = (uint32) writer->strings.len;
	entry->string_length = (uint16) string.len;
	appendBinaryStringInfo(&writer->strings, string.data, (int) string.len);
}

/* Writes a bitmap in its shortest form. */
static void
put_posting(IndexWriter *writer, roaring_bitmap_t *ids, IndexValue *entry)
{
	StringInfo out = &writer->postings;
	uint32 min = roaring_bitmap_minimum(ids);
	uint32 max = roaring_bitmap_maximum(ids);
	uint64 count = roaring_bitmap_get_cardinality(ids);
	IndexPosting posting;
	pg_crc32c crc;
	Size length;

	Assert(count > 0 && min >= writer->from && max < writer->to);
	entry->count = (uint32) count;
	entry->at = min;
	entry->length = 0;
	entry->form = count == 1 ? INDEX_ONE : INDEX_RANGE;
	if (max - min == count - 1)
		return;

	roaring_bitmap_run_optimize(ids);
	length = roaring_bitmap_portable_size_in_bytes(ids);
	enlargeStringInfo(out, (int) (sizeof(posting) + length + sizeof(uint32)));
	entry->form = INDEX_ROARING;
	entry->at = (uint32) out->len;
	entry->length = (uint32) length;
	roaring_bitmap_portable_serialize(ids, out->data + out->len + sizeof(posting));
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, out->data + out->len + sizeof(posting), length);
	FIN_CRC32C(crc);
	posting.crc = crc;
	memcpy(out->data + out->len, &posting, sizeof(posting));
	out->len += (int) (sizeof(posting) + length);
	while (out->len % sizeof(uint32) != 0)
		out->data[out->len++] = '\0';
}

/* Ends the name in work, if there is one. */
static void
end_name(IndexWriter *writer)
{
	IndexName *name = &writer->name;

	if (writer->nnames == 0)
		return;
	name->values = writer->nvalues - name->first_value;
	Assert(name->values > 0);
	put_posting(writer, writer->bitmaps->slots[SLOT_NAME], &name->name);
	appendBinaryStringInfo(&writer->names, (char *) name, sizeof(IndexName));
}

void
index_writer_name(IndexWriter *writer, TsString name)
{
	end_name(writer);
	memset(&writer->name, 0, sizeof(IndexName));
	put_string(writer, name, &writer->name.name);
	writer->name.first_value = writer->nvalues;
	writer->nnames++;
	index_bitmaps_put(writer->bitmaps, SLOT_NAME, roaring_bitmap_create());
}

void
index_writer_value(IndexWriter *writer, TsString value, roaring_bitmap_t *ids)
{
	roaring_bitmap_t *all = writer->bitmaps->slots[SLOT_NAME];
	IndexValue entry = {0};

	Assert(writer->nnames > 0);
	put_string(writer, value, &entry);
	put_posting(writer, ids, &entry);
	appendBinaryStringInfo(&writer->values, (char *) &entry, sizeof(entry));
	writer->nvalues++;
	if (entry.form == INDEX_ONE)
		roaring_bitmap_add(all, entry.at);
	else
		roaring_bitmap_or_inplace(all, ids);
}

void
index_writer_value_ids(IndexWriter *writer, TsString value, const uint32 *ids,
					   uint32 count)
{
	index_writer_value(writer, value,
					   index_bitmaps_put(writer->bitmaps, SLOT_VALUE,
										 roaring_bitmap_of_ptr(count, ids)));
}

/* Puts a section at the end. */
static uint32
add_section(char *bytes, Size *length, const StringInfoData *section)
{
	Size at = *length;

	memcpy(bytes + at, section->data, section->len);
	*length = at + section->len;
	return (uint32) at;
}

static char *
put_together(IndexWriter *writer, Size *length)
{
	IndexHeader header = {.magic = INDEX_MAGIC,
						  .version = INDEX_VERSION,
						  .from = writer->from,
						  .to = writer->to,
						  .null_series = writer->null_series,
						  .names = writer->nnames,
						  .values = writer->nvalues};
	Size size = sizeof(header) + writer->names.len + writer->values.len +
				writer->strings.len + writer->postings.len;
	char *bytes;
	pg_crc32c crc;

	if (size > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("segment of the label index is too large"),
						errhint("Set maintenance_work_mem to less.")));
	bytes = MemoryContextAllocHuge(writer->context, size);
	*length = sizeof(header);
	header.names_at = add_section(bytes, length, &writer->names);
	header.values_at = add_section(bytes, length, &writer->values);
	header.strings_at = add_section(bytes, length, &writer->strings);
	header.postings_at = add_section(bytes, length, &writer->postings);
	Assert(*length == size);
	header.length = (uint32) size;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &header, offsetof(IndexHeader, crc));
	FIN_CRC32C(crc);
	header.crc = crc;
	memcpy(bytes, &header, sizeof(header));
	return bytes;
}

void
index_writer_finish(IndexWriter *writer, Relation rel, const TsTable *table)
{
	TsIndexSegment segment = {
		.storage = table->storage, .from = writer->from, .to = writer->to};
	char *bytes;

	end_name(writer);
	bytes = put_together(writer, &segment.length);
	segment.pages = ts_pages_write_block(rel, table, bytes, segment.length);
	TS_STOP("index-written");
	ts_catalog_insert_segment(&segment);
	MemoryContextDelete(writer->context);
}
