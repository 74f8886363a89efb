/*
 * rows_order.c
 *	  Rows in memory: their order by series and time, and gathering them into vectors.
 *
 * Everything here moves indexes of rows, by passes that compare no more than they must:
 * rows that came in order cost one look, rows of many series in time order a counting
 * sort by series, and only a series whose rows came out of order is sorted by time.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "ts_rows.h"

/* What rows of one series are sorted by; equal ones keep their order. */
typedef struct SortItem
{
	int64 time;
	uint64 number;
	uint32 row;
} SortItem;

static inline void *
alloc_array(Size n, Size width)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * width);
}

/* ---- by series ---- */

static bool
in_order(const TsRows *rows, bool by_time)
{
	const uint32 *series = rows->series;
	const int64 *times = rows->times;
	const uint64 *numbers = rows->numbers;

	for (uint32 i = 1; i < rows->n; i++)
	{
		if (likely(series[i - 1] < series[i]))
			continue;
		if (series[i - 1] > series[i])
			return false;
		if (!by_time || times[i - 1] < times[i])
			continue;
		if (times[i - 1] > times[i] || (numbers != NULL && numbers[i - 1] > numbers[i]))
			return false;
	}
	return true;
}

/* Stable, in one pass for every id between least and most. */
static void
sort_by_counting(const TsRows *rows, uint32 least, uint32 most, uint32 *order)
{
	Size ids = (Size) most - least + 1;
	uint32 *start = alloc_array(ids, sizeof(uint32));
	uint32 at = 0;

	memset(start, 0, ids * sizeof(uint32));
	for (uint32 i = 0; i < rows->n; i++)
		start[rows->series[i] - least]++;
	for (Size id = 0; id < ids; id++)
	{
		uint32 count = start[id];

		start[id] = at;
		at += count;
	}
	for (uint32 i = 0; i < rows->n; i++)
		order[start[rows->series[i] - least]++] = i;
	pfree(start);
}

/* Stable; for ids that are far between: byte by byte, the lowest first. */
static void
sort_by_digits(const TsRows *rows, uint32 least, uint32 most, uint32 *order)
{
	uint64 *keys = alloc_array(rows->n, sizeof(uint64));
	uint64 *sorted = alloc_array(rows->n, sizeof(uint64));

	/* the id above, the row below */
	for (uint32 i = 0; i < rows->n; i++)
		keys[i] = (uint64) (rows->series[i] - least) << 32 | i;
	for (int shift = 32; shift < 64 && (((uint64) (most - least) << 32) >> shift) != 0;
		 shift += 8)
	{
		uint32 start[256] = {0};
		uint32 at = 0;
		uint64 *swap = keys;

		for (uint32 i = 0; i < rows->n; i++)
			start[(keys[i] >> shift) & 0xFF]++;
		for (int digit = 0; digit < 256; digit++)
		{
			uint32 count = start[digit];

			start[digit] = at;
			at += count;
		}
		for (uint32 i = 0; i < rows->n; i++)
			sorted[start[(keys[i] >> shift) & 0xFF]++] = keys[i];
		keys = sorted;
		sorted = swap;
	}
	for (uint32 i = 0; i < rows->n; i++)
		order[i] = (uint32) keys[i];
	pfree(keys);
	pfree(sorted);
}

static void
sort_by_series(const TsRows *rows, uint32 *order)
{
	uint32 least = rows->series[0];
	uint32 most = rows->series[0];

	for (uint32 i = 1; i < rows->n; i++)
	{
		least = Min(least, rows->series[i]);
		most = Max(most, rows->series[i]);
	}
	if (most - least <= (uint64) rows->n * 2 + 256)
		sort_by_counting(rows, least, most, order);
	else
		sort_by_digits(rows, least, most, order);
}

/* ---- by time ---- */

static inline bool
item_after(const SortItem *a, const SortItem *b)
{
	return a->time > b->time || (a->time == b->time && a->number > b->number);
}

/* End of the ascending run that begins at `from`. */
static Size
run_end(const SortItem *items, Size from, Size n)
{
	Size end = from + 1;

	while (end < n && !item_after(&items[end - 1], &items[end]))
		end++;
	return end;
}

/* Merges a[0..na) and b[0..nb); among equal ones a's come first. */
static void
merge_runs(const SortItem *a, Size na, const SortItem *b, Size nb, SortItem *to)
{
	const SortItem *a_end = a + na;
	const SortItem *b_end = b + nb;

	while (a < a_end && b < b_end)
	{
		bool second = item_after(a, b);

		*to++ = second ? *b : *a;
		b += second;
		a += !second;
	}
	memcpy(to, a, (char *) a_end - (char *) a);
	memcpy(to + (a_end - a), b, (char *) b_end - (char *) b);
}

/* Makes runs of `least` items out of shorter ones, by insertion. */
static void
lengthen_runs(SortItem *items, Size n, Size least)
{
	for (Size from = 0; from < n;)
	{
		Size end = run_end(items, from, n);
		Size wanted = Min(from + least, n);

		for (; end < wanted; end++)
		{
			SortItem item = items[end];
			Size to = end;

			for (; to > from && item_after(&items[to - 1], &item); to--)
				items[to] = items[to - 1];
			items[to] = item;
		}
		from = end;
	}
}

/*
 * Sorts by merging the ascending runs that are there, two and two, until one is left.
 * Returns the array that it is in.
 */
static SortItem *
sort_items(SortItem *items, SortItem *other, Size n)
{
	lengthen_runs(items, n, 16);
	while (run_end(items, 0, n) < n)
	{
		SortItem *swap = items;

		for (Size from = 0; from < n;)
		{
			Size middle = run_end(items, from, n);
			Size end = middle < n ? run_end(items, middle, n) : n;

			merge_runs(items + from, middle - from, items + middle, end - middle,
					   other + from);
			from = end;
		}
		items = other;
		other = swap;
	}
	return items;
}

static bool
slice_in_order(const TsRows *rows, const uint32 *order, uint32 count)
{
	for (uint32 k = 1; k < count; k++)
	{
		uint32 a = order[k - 1];
		uint32 b = order[k];

		if (rows->times[a] < rows->times[b])
			continue;
		if (rows->times[a] > rows->times[b] ||
			(rows->numbers != NULL && rows->numbers[a] > rows->numbers[b]))
			return false;
	}
	return true;
}

/* Work space for sorting slices, as large as the largest so far. */
typedef struct SortSpace
{
	SortItem *items;
	SortItem *other;
	Size room;
} SortSpace;

static void
free_space(SortSpace *space)
{
	if (space->room == 0)
		return;
	pfree(space->items);
	pfree(space->other);
	space->room = 0;
}

static void
sort_slice(const TsRows *rows, uint32 *order, uint32 count, SortSpace *space)
{
	SortItem *sorted;

	if (space->room < count)
	{
		free_space(space);
		space->items = alloc_array(count, sizeof(SortItem));
		space->other = alloc_array(count, sizeof(SortItem));
		space->room = count;
	}
	for (uint32 k = 0; k < count; k++)
	{
		uint32 row = order[k];

		space->items[k].time = rows->times[row];
		space->items[k].number = rows->numbers != NULL ? rows->numbers[row] : 0;
		space->items[k].row = row;
	}
	sorted = sort_items(space->items, space->other, count);
	for (uint32 k = 0; k < count; k++)
		order[k] = sorted[k].row;
}

uint32 *
ts_rows_order(const TsRows *rows, bool by_time)
{
	uint32 *order = alloc_array(rows->n, sizeof(uint32));
	SortSpace space = {NULL, NULL, 0};

	if (in_order(rows, by_time))
	{
		for (uint32 i = 0; i < rows->n; i++)
			order[i] = i;
		return order;
	}
	sort_by_series(rows, order);
	for (uint32 from = 0, end; by_time && from < rows->n; from = end)
	{
		uint32 series = rows->series[order[from]];

		for (end = from + 1; end < rows->n && rows->series[order[end]] == series;)
			end++;
		if (!slice_in_order(rows, order + from, end - from))
			sort_slice(rows, order + from, end - from, &space);
	}
	free_space(&space);
	return order;
}

/* ---- vectors ---- */

TsVectors *
ts_vectors_create(MemoryContext context, const TsTable *table, int natts,
				  const bool *wanted, uint32 room)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	TsVectors *vectors = palloc0(sizeof(TsVectors));

	Assert(natts <= table->natts);
	vectors->times = alloc_array(room, sizeof(int64));
	vectors->numbers = alloc_array(room, sizeof(uint64));
	vectors->values = palloc0(natts * sizeof(Datum *));
	vectors->nulls = palloc0(natts * sizeof(bool *));
	for (int i = 0; i < natts; i++)
	{
		const TsColumn *column = &table->columns[i];

		if (column->role != TS_ROLE_VALUE || column->kind == TS_COLUMN_NONE ||
			(wanted != NULL && !wanted[i]))
			continue;
		vectors->values[i] = alloc_array(room, sizeof(Datum));
		vectors->nulls[i] = alloc_array(room, sizeof(bool));
	}
	MemoryContextSwitchTo(old);
	return vectors;
}

/* Whether rows to gather are neighbours already. */
static bool
is_run(const uint32 *order, uint32 count)
{
	for (uint32 k = 1; k < count; k++)
	{
		if (order[k] != order[k - 1] + 1)
			return false;
	}
	return true;
}

static inline void
gather_words(const uint64 *from, const uint32 *order, uint32 count, bool run, uint64 *to)
{
	if (run)
		memcpy(to, from + order[0], count * sizeof(uint64));
	else
	{
		for (uint32 k = 0; k < count; k++)
			to[k] = from[order[k]];
	}
}

void
ts_rows_gather(const TsRows *rows, const uint32 *order, uint32 from, uint32 count,
			   TsVectors *to)
{
	bool run;

	to->n = count;
	if (count == 0)
		return;
	Assert(from <= rows->n && count <= rows->n - from);
	order += from;
	run = is_run(order, count);
	to->series = rows->series[order[0]];
	gather_words((const uint64 *) rows->times, order, count, run, (uint64 *) to->times);
	if (rows->numbers != NULL)
		gather_words(rows->numbers, order, count, run, to->numbers);
	for (int v = 0; v < rows->nvalues; v++)
	{
		int i = rows->value_columns[v];
		bool *nulls = to->nulls[i];

		if (to->values[i] == NULL)
			continue;
		if (rows->values[i] == NULL)
		{
			memset(to->values[i], 0, count * sizeof(Datum));
			memset(nulls, true, count);
			continue;
		}
		gather_words(rows->values[i], order, count, run, to->values[i]);
		if (rows->nulls[i] == NULL)
			memset(nulls, false, count);
		else
		{
			for (uint32 k = 0; k < count; k++)
				nulls[k] = rows->nulls[i][order[k]];
		}
	}
}
