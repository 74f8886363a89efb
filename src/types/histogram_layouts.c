/*
 * histogram_layouts.c
 *	  The layouts of a column of histograms: made, and brought to common columns.
 */
#include <stdlib.h>

#include "histogram_layouts.h"

TsErrorCode
histogram_layouts_add(HistogramLayouts *layouts, TsArena *arena,
					  const HistogramSplit *split)
{
	TsAllocator allocator = TS_ARENA_ALLOCATOR(arena);
	HistogramRoom *room;
	TsErrorCode code;

	if (layouts->n == HISTOGRAM_COLUMNS_LAYOUTS)
		return TS_ERR_LIMIT;
	room = &layouts->rooms[layouts->n];
	code = histogram_make_layout(split, &allocator, room);
	if (code == TS_OK)
		code = histogram_check_shape(room->h, NULL);
	if (code == TS_OK && histogram_buckets_of(room->h) > HISTOGRAM_COLUMNS_BUCKETS)
		code = TS_ERR_LIMIT;
	if (code == TS_OK)
		layouts->n++;
	return code;
}

static int
compare_indexes(const void *a, const void *b)
{
	int32_t x = *(const int32_t *) a;
	int32_t y = *(const int32_t *) b;

	return (x > y) - (x < y);
}

/* Sorts indexes and drops repeated ones; returns how many are left. */
static uint32_t
distinct(int32_t *indexes, uint32_t n)
{
	uint32_t kept = 0;

	qsort(indexes, n, sizeof(int32_t), compare_indexes);
	for (uint32_t i = 0; i < n; i++)
	{
		if (i == 0 || indexes[i] != indexes[kept - 1])
			indexes[kept++] = indexes[i];
	}
	return kept;
}

/* The indexes of one side of all layouts, in indexes, which has the room. */
static uint32_t
gather_indexes(const HistogramLayouts *layouts, bool negative, int32_t *indexes)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < layouts->n; i++)
	{
		HistogramSide side = histogram_side(layouts->rooms[i].h, negative);
		HistogramCursor cursor;

		histogram_cursor_init(&cursor, &side, 0);
		while (histogram_cursor_next(&cursor))
			indexes[n++] = cursor.index;
	}
	return distinct(indexes, n);
}

/* Notes which columns, from `first` on, a side's buckets are. */
static void
place_side(HistogramLayouts *layouts, bool negative, const int32_t *indexes,
		   uint32_t first)
{
	for (uint32_t i = 0; i < layouts->n; i++)
	{
		const TsHistogram *h = layouts->rooms[i].h;
		HistogramSide side = histogram_side(h, negative);
		uint32_t *to = layouts->columns[i] + (negative ? h->npositive : 0);
		HistogramCursor cursor;
		uint32_t column = 0;

		histogram_cursor_init(&cursor, &side, 0);
		while (histogram_cursor_next(&cursor))
		{
			while (indexes[column] != cursor.index)
				column++;
			*to++ = first + column;
		}
	}
}

TsErrorCode
histogram_layouts_join(HistogramLayouts *layouts, TsArena *arena)
{
	size_t total = 0;
	int32_t *indexes;

	for (uint32_t i = 0; i < layouts->n; i++)
	{
		uint32_t n = histogram_buckets_of(layouts->rooms[i].h);

		layouts->columns[i] = ts_arena_alloc(arena, n * sizeof(uint32_t));
		if (layouts->columns[i] == NULL)
			return TS_ERR_MEMORY;
		total += n;
	}
	indexes = ts_arena_alloc(arena, total * sizeof(int32_t));
	if (indexes == NULL)
		return TS_ERR_MEMORY;
	layouts->ncolumns = 0;
	for (int side = 0; side < 2; side++)
	{
		uint32_t n = gather_indexes(layouts, side == 1, indexes);

		if (layouts->ncolumns + n > HISTOGRAM_COLUMNS_BUCKETS)
			return TS_ERR_LIMIT;
		place_side(layouts, side == 1, indexes, layouts->ncolumns);
		layouts->ncolumns += n;
	}
	return TS_OK;
}
