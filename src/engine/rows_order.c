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

/* Whether row a must not stand before row b of the same series. */
static inline bool
row_after(const TsRows *rows, uint32 a, uint32 b)
{
	return rows->times[a] > rows->times[b] ||
		   (rows->times[a] == rows->times[b] && rows->numbers != NULL &&
			rows->numbers[a] > rows->numbers[b]);
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

/* ---- by series ---- */

static bool
in_order(const TsRows *rows, bool by_time)
{
	for (uint32 i = 1; i < rows->n; i++)
	{
		if (rows->series[i - 1] > rows->series[i] ||
			(by_time && rows->series[i - 1] == rows->series[i] &&
			 row_after(rows, i - 1, i)))
			return false;
	}
	return true;
}

/* Where a series' rows go. */
typedef struct Slot
{
	uint32 end;  /* of what is placed; before that, how many there are */
	uint32 last; /* the row placed last, or one of these: */
} Slot;

#define NO_ROW     PG_UINT32_MAX
#define DISORDERED (PG_UINT32_MAX - 1) /* some row's time is before that of the last */

/*
 * Stable. Whether a series' rows are in time order is seen while they are placed, as
 * their times are then near; afterwards they would have to be fetched from everywhere.
 */
static void
order_by_counting(const TsRows *rows, uint32 least, uint32 most, bool by_time,
				  uint32 *order, SortSpace *space)
{
	Size ids = (Size) most - least + 1;
	Slot *slots = alloc_array(ids, sizeof(Slot));
	uint32 at = 0;

	memset(slots, 0, ids * sizeof(Slot));
	for (uint32 i = 0; i < rows->n; i++)
		slots[rows->series[i] - least].end++;
	for (Size id = 0; id < ids; id++)
	{
		uint32 count = slots[id].end;

		slots[id].end = at;
		slots[id].last = NO_ROW;
		at += count;
	}
	for (uint32 i = 0; i < rows->n; i++)
	{
		Slot *slot = &slots[rows->series[i] - least];

		order[slot->end++] = i;
		if (slot->last == DISORDERED)
			continue;
		if (by_time && slot->last != NO_ROW && row_after(rows, slot->last, i))
			slot->last = DISORDERED;
		else
			slot->last = i;
	}
	for (Size id = 0; id < ids; id++)
	{
		uint32 from = id == 0 ? 0 : slots[id - 1].end;

		if (slots[id].last == DISORDERED)
			sort_slice(rows, order + from, slots[id].end - from, space);
	}
	pfree(slots);
}

/* By series alone, stable: byte by byte, the lowest first. */
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

static bool
slice_in_order(const TsRows *rows, const uint32 *order, uint32 count)
{
	for (uint32 k = 1; k < count; k++)
	{
		if (row_after(rows, order[k - 1], order[k]))
			return false;
	}
	return true;
}

/* For ids that are far between. */
static void
order_by_digits(const TsRows *rows, uint32 least, uint32 most, bool by_time,
				uint32 *order, SortSpace *space)
{
	sort_by_digits(rows, least, most, order);
	for (uint32 from = 0, end; by_time && from < rows->n; from = end)
	{
		uint32 series = rows->series[order[from]];

		for (end = from + 1; end < rows->n && rows->series[order[end]] == series;)
			end++;
		if (!slice_in_order(rows, order + from, end - from))
			sort_slice(rows, order + from, end - from, space);
	}
}

uint32 *
ts_rows_order(const TsRows *rows, bool by_time)
{
	uint32 *order = alloc_array(rows->n, sizeof(uint32));
	SortSpace space = {NULL, NULL, 0};
	uint32 least = PG_UINT32_MAX;
	uint32 most = 0;

	Assert(rows->n < DISORDERED);
	if (in_order(rows, by_time))
	{
		for (uint32 i = 0; i < rows->n; i++)
			order[i] = i;
		return order;
	}
	for (uint32 i = 0; i < rows->n; i++)
	{
		least = Min(least, rows->series[i]);
		most = Max(most, rows->series[i]);
	}
	if (most - least <= (uint64) rows->n * 2 + 256)
		order_by_counting(rows, least, most, by_time, order, &space);
	else
		order_by_digits(rows, least, most, by_time, order, &space);
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
