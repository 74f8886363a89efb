/*
 * index_internal.h
 *	  What the files of the label index share: sets of ids that are freed for sure, writing
 *	  and reading a segment.
 */
#ifndef INDEX_INTERNAL_H
#define INDEX_INTERNAL_H

#include "postgres.h"

#include <roaring/roaring.h>

#include "index_format.h"
#include "ts_index.h"
#include "ts_pages.h"
#include "ts_table.h"

/* No segment takes more memory, however much maintenance_work_mem allows. */
#define INDEX_MAX_MEMORY ((Size) 512 * 1024 * 1024)

/* By bytes, the shorter first where one is the beginning of the other. */
extern int index_compare_strings(TsString a, TsString b);

/* ---- index_bitmap.c ---- */

/*
 * Bitmaps are malloc'd. Each is held by a slot of a set of slots, and they are freed with
 * the memory context that the slots are in.
 */
#define INDEX_SLOTS 4

typedef struct IndexBitmaps
{
	roaring_bitmap_t *slots[INDEX_SLOTS];
} IndexBitmaps;

extern IndexBitmaps *index_bitmaps_create(MemoryContext context);
/* Puts a bitmap into a slot, and frees the one that was there. Raises an error for NULL:
 * there was no memory. */
extern roaring_bitmap_t *
index_bitmaps_put(IndexBitmaps *bitmaps, int slot, roaring_bitmap_t *bitmap);
extern void index_bitmaps_clear(IndexBitmaps *bitmaps, int slot);

/* ---- index_write.c ---- */

/*
 * Writes a segment: for each name, in order, its values, in order, with the ids of each.
 */
typedef struct IndexWriter IndexWriter;

/* Lives in a child of the current context. */
extern IndexWriter *index_writer_create(uint32 from, uint32 to, uint32 null_series);
/* Begins with a name. */
extern void index_writer_name(IndexWriter *writer, TsString name);
/* Adds a value of the name. The bitmap's form, not its content, may change. */
extern void
index_writer_value(IndexWriter *writer, TsString value, roaring_bitmap_t *ids);
/* The same for ascending ids. */
extern void index_writer_value_ids(IndexWriter *writer, TsString value, const uint32 *ids,
								   uint32 count);
/* Writes pages and publishes the segment; frees the writer. */
extern void index_writer_finish(IndexWriter *writer, Relation rel, const TsTable *table);

/* ---- index_read.c ---- */

typedef struct IndexReader
{
	TsIndexSegment segment;
	IndexHeader header;
	TsBlockBytes *entries; /* each remembers the page it read last */
	TsBlockBytes *strings;
	TsBlockBytes *postings;
	char *string; /* of the entry asked for last */
	char *bytes;  /* of the posting list read last */
	Size bytes_room;
	MemoryContext context;
} IndexReader;

/* Opens a segment in the current context, with which it goes; the header is verified. */
extern void index_reader_open(IndexReader *reader, Relation rel, const TsTable *table,
							  const TsIndexSegment *segment);
extern void index_reader_name(IndexReader *reader, uint32 i, IndexName *name);
extern void index_reader_value(IndexReader *reader, uint32 i, IndexValue *value);
/* The entry's string. Stays until the next one is asked for. */
extern TsString index_reader_string(IndexReader *reader, const IndexValue *value);
extern bool index_reader_find_name(IndexReader *reader, TsString string, IndexName *name);
/* The index of the first of a name's values that is not less. */
extern uint32
index_reader_seek_value(IndexReader *reader, const IndexName *name, TsString string);
extern bool index_reader_find_value(IndexReader *reader, const IndexName *name,
									TsString string, IndexValue *value);
/* Adds the ids of a posting list to a bitmap; `slot` is for working with. */
extern void index_reader_add(IndexReader *reader, const IndexValue *value,
							 roaring_bitmap_t *to, IndexBitmaps *bitmaps, int slot);

/* ---- index_build.c ---- */

/*
 * Makes a segment of the series from `from` on, up to `to` or as far as memory allows, and
 * publishes it.
 */
extern void index_build_segment(Relation rel, const TsTable *table, uint32 from,
								uint32 to, Size memory);

/* ---- index_merge.c ---- */

/* Each takes some memory for reading. */
#define INDEX_MAX_INPUTS 32

/* Makes one segment of several, neighbours in order, and publishes it instead of them. */
extern void index_merge_segments(Relation rel, const TsTable *table,
								 const TsIndexSegment *segments, int count);

#endif /* INDEX_INTERNAL_H */
