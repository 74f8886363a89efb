/*
 * index_merge.c
 *	  Several neighbouring segments of the label index into one.
 *
 * Names and values are sorted in each, so they are gone through side by side; nothing but
 * the output is kept in memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "index_internal.h"
#include "ts_maintain.h"
#include "ts_stop.h"

/* Values between two looks at who waits. */
#define VALUES_AT_ONCE 256

/* Slots of bitmaps. */
enum
{
	SLOT_UNION,
	SLOT_INPUT
};

/* A place in an input. */
typedef struct Cursor
{
	IndexReader reader;
	uint32 next_name; /* index of the name after the one below */
	bool has_name;
	IndexName name;
	TsString name_string;
	char *name_bytes; /* holds the string */
	bool has_value;
	uint32 value_index;
	IndexValue value;
	TsString value_string;
} Cursor;

typedef struct Merge
{
	Relation rel;
	Cursor *cursors;
	int count;
	IndexBitmaps *bitmaps;
	IndexWriter *writer;
	uint64 values; /* so far */
} Merge;

static void
next_name(Cursor *cursor)
{
	TsString string;

	cursor->has_name = cursor->next_name < cursor->reader.header.names;
	if (!cursor->has_name)
		return;
	index_reader_name(&cursor->reader, cursor->next_name++, &cursor->name);
	string = index_reader_string(&cursor->reader, &cursor->name.name);
	memcpy(cursor->name_bytes, string.data, string.len);
	cursor->name_string = (TsString){cursor->name_bytes, string.len};
}

static void
seek_value(Cursor *cursor, uint32 i)
{
	cursor->value_index = i;
	cursor->has_value = i < cursor->name.first_value + cursor->name.values;
	if (!cursor->has_value)
		return;
	index_reader_value(&cursor->reader, i, &cursor->value);
	cursor->value_string = index_reader_string(&cursor->reader, &cursor->value);
}

/* The cursor with the least value; NULL when all are at the end of theirs. */
static const Cursor *
least_value(const Merge *merge)
{
	const Cursor *least = NULL;

	for (int i = 0; i < merge->count; i++)
	{
		const Cursor *cursor = &merge->cursors[i];

		if (cursor->has_value &&
			(least == NULL ||
			 index_compare_strings(cursor->value_string, least->value_string) < 0))
			least = cursor;
	}
	return least;
}

/* Merges the values of the cursors that have some. */
static void
merge_values(Merge *merge)
{
	const Cursor *least;

	while ((least = least_value(merge)) != NULL)
	{
		roaring_bitmap_t *ids = index_bitmaps_put(merge->bitmaps, SLOT_UNION,
												  roaring_bitmap_create());
		bool equal[INDEX_MAX_INPUTS];

		if (merge->values++ % VALUES_AT_ONCE == 0)
		{
			CHECK_FOR_INTERRUPTS();
			ts_maintain_check_waiters(merge->rel);
		}
		for (int i = 0; i < merge->count; i++)
		{
			Cursor *cursor = &merge->cursors[i];

			equal[i] = cursor->has_value &&
					   index_compare_strings(cursor->value_string, least->value_string) ==
						   0;
			if (equal[i])
				index_reader_add(&cursor->reader, &cursor->value, ids, merge->bitmaps,
								 SLOT_INPUT);
		}
		index_writer_value(merge->writer, least->value_string, ids);
		for (int i = 0; i < merge->count; i++)
		{
			if (equal[i])
				seek_value(&merge->cursors[i], merge->cursors[i].value_index + 1);
		}
	}
}

static const Cursor *
least_name(const Merge *merge)
{
	const Cursor *least = NULL;

	for (int i = 0; i < merge->count; i++)
	{
		const Cursor *cursor = &merge->cursors[i];

		if (cursor->has_name &&
			(least == NULL ||
			 index_compare_strings(cursor->name_string, least->name_string) < 0))
			least = cursor;
	}
	return least;
}

static void
merge_names(Merge *merge)
{
	const Cursor *least;

	while ((least = least_name(merge)) != NULL)
	{
		bool equal[INDEX_MAX_INPUTS];

		index_writer_name(merge->writer, least->name_string);
		for (int i = 0; i < merge->count; i++)
		{
			Cursor *cursor = &merge->cursors[i];

			equal[i] = cursor->has_name && index_compare_strings(cursor->name_string,
																 least->name_string) == 0;
			cursor->has_value = false;
			if (equal[i])
				seek_value(cursor, cursor->name.first_value);
		}
		merge_values(merge);
		for (int i = 0; i < merge->count; i++)
		{
			if (equal[i])
				next_name(&merge->cursors[i]);
		}
	}
}

void
index_merge_segments(Relation rel, const TsTable *table, const TsIndexSegment *segments,
					 int count)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb index merge", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Merge merge = {.rel = rel, .count = count};
	uint32 null_series = INDEX_NO_SERIES;

	Assert(count >= 2 && count <= INDEX_MAX_INPUTS);
	merge.bitmaps = index_bitmaps_create(context);
	merge.cursors = palloc0(sizeof(Cursor) * count);
	for (int i = 0; i < count; i++)
	{
		Cursor *cursor = &merge.cursors[i];

		Assert(i == 0 || segments[i].from == segments[i - 1].to);
		index_reader_open(&cursor->reader, rel, table, &segments[i]);
		if (cursor->reader.header.null_series != INDEX_NO_SERIES)
			null_series = cursor->reader.header.null_series;
		cursor->name_bytes = palloc(PG_UINT16_MAX);
		next_name(cursor);
	}
	merge.writer = index_writer_create(segments[0].from, segments[count - 1].to,
									   null_series);
	merge_names(&merge);
	index_writer_finish(merge.writer, rel, table);
	for (int i = 0; i < count; i++)
		ts_catalog_delete_segment(&segments[i]);
	TS_STOP("index-merged");
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
