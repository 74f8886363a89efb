/*
 * scan_series.c
 *	  Merging the rows of one series: batches in time order, duplicates resolved.
 *
 * The sources that have rows of the series wait in a heap by the time of their next row.
 * As long as the first one's rows come before the next one's first, they are handed out
 * as they are, without a copy; where sources interleave, or what a source yields is
 * short, rows are copied together.
 *
 * With duplicates = replace, of rows with equal times the one with the highest number
 * stays, and of those with equal numbers the one that came last. A source's rows are in
 * that order already, so within a source the last one of equal times stays, which takes a
 * look ahead where a buffer ends. Numbers are read only where sources overlap: two rows
 * of equal times in two sources are both unread when the first of their buffers is
 * filled, so each of them finds that the other source may reach it.
 */
#include "postgres.h"

#include "scan_internal.h"

/* Rows that are worth a batch of their own rather than a copy. */
#define DIRECT_ROWS 128
/* Buffers whose values by reference one batch may point to. */
#define MAX_RETIRED 16

/* ---- sources and their buffers ---- */

/* The earliest time that a source other than the first may have; false: no other. */
static bool
others_next(const TsScan *scan, int64 *time)
{
	const binaryheap *heap = scan->by_time;
	bool found = false;

	for (int i = 1; i < heap->bh_size && i <= 2; i++)
	{
		const ScanSource *source = (ScanSource *) DatumGetPointer(heap->bh_nodes[i]);

		if (!found || source->next_time < *time)
			*time = source->next_time;
		found = true;
	}
	return found;
}

/*
 * The next buffer of a source; NULL when there is none. `alone`: the source is the heap's
 * first, so numbers are needed only when another one may reach its rows.
 */
static ScanBuffer *
fetch(TsScan *scan, ScanSource *source, bool alone)
{
	ScanBuffer *buffer;
	bool numbers = scan->spec.numbers || scan->table->replace;
	int64 other;

	if (!source->more)
		return NULL;
	if (numbers && alone && !scan->spec.numbers)
		numbers = others_next(scan, &other) && other <= ts_source_reach(scan, source);
	buffer = ts_scan_get_buffer(scan);
	if (ts_source_fill(scan, source, buffer, numbers))
		return buffer;
	ts_scan_retire_buffer(scan, buffer);
	source->more = false;
	return NULL;
}

static int64
head_time(const ScanBuffer *buffer)
{
	Assert(buffer->pos < buffer->end);
	return buffer->vectors->times[buffer->pos];
}

/* Sees that a source has a buffer with a row; false at its end. */
static bool
ready(TsScan *scan, ScanSource *source, bool alone)
{
	if (source->cur == NULL)
		source->cur = fetch(scan, source, alone);
	if (source->cur == NULL)
		return false;
	source->next_time = head_time(source->cur);
	return true;
}

/* Looks for the row after the last one of cur; false when there is none. */
static bool
look_ahead(TsScan *scan, ScanSource *source, bool alone, int64 *time)
{
	if (source->ahead == NULL)
		source->ahead = fetch(scan, source, alone);
	if (source->ahead == NULL)
		return false;
	*time = head_time(source->ahead);
	return true;
}

/* The next n rows of cur are taken. False when the source has no more. */
static bool
take(TsScan *scan, ScanSource *source, uint32 n)
{
	ScanBuffer *cur = source->cur;

	Assert(n <= cur->end - cur->pos);
	cur->pos += n;
	if (cur->pos == cur->end)
	{
		ts_scan_retire_buffer(scan, cur);
		source->cur = source->ahead;
		source->ahead = NULL;
	}
	source->next_time = source->cur != NULL ? head_time(source->cur) : source->more_time;
	return source->cur != NULL || source->more;
}

/* The same for the heap's first. */
static void
take_first(TsScan *scan, ScanSource *source, uint32 n)
{
	if (take(scan, source, n))
		binaryheap_replace_first(scan->by_time, PointerGetDatum(source));
	else
		binaryheap_remove_first(scan->by_time);
}

/* ---- batches ---- */

/* Makes rows [pos, pos + n) of a buffer the batch. */
static void
hand_out(TsScan *scan, const ScanBuffer *buffer, uint32 n, TsBatch *batch)
{
	const TsVectors *vectors = buffer->vectors;
	uint32 pos = buffer->pos;

	for (int i = 0; i < scan->table->natts; i++)
	{
		bool *nulls = NULL;

		scan->batch_values[i] = NULL;
		scan->batch_nulls[i] = NULL;
		if (!scan->wanted[i])
			continue;
		Assert(vectors->values[i] != NULL);
		nulls = vectors->nulls[i];
		if (nulls != NULL && memchr(nulls + pos, true, n) != NULL)
			scan->batch_nulls[i] = nulls + pos;
		scan->batch_values[i] = vectors->values[i] + pos;
	}
	batch->series = scan->series;
	batch->group = (uint32) scan->next_group - 1;
	batch->n = n;
	batch->times = vectors->times + pos;
	batch->numbers = scan->spec.numbers ? vectors->numbers + pos : NULL;
	batch->values = scan->batch_values;
	batch->nulls = scan->batch_nulls;
}

/* Appends rows [pos, pos + n) of a buffer to those that are copied together. */
static void
copy_out(TsScan *scan, const ScanBuffer *buffer, uint32 n)
{
	const TsVectors *from = buffer->vectors;
	TsVectors *to = scan->out->vectors;
	uint32 pos = buffer->pos;
	uint32 end = scan->out->end;

	Assert(end + n <= TS_SCAN_BATCH);
	memcpy(to->times + end, from->times + pos, sizeof(int64) * n);
	if (scan->spec.numbers)
		memcpy(to->numbers + end, from->numbers + pos, sizeof(uint64) * n);
	for (int i = 0; i < scan->table->natts; i++)
	{
		if (!scan->wanted[i])
			continue;
		memcpy(to->values[i] + end, from->values[i] + pos, sizeof(Datum) * n);
		if (from->nulls[i] != NULL)
			memcpy(to->nulls[i] + end, from->nulls[i] + pos, n);
		else
			memset(to->nulls[i] + end, false, n);
	}
	scan->out->end += n;
}

/* ---- equal times ---- */

/*
 * How many of a buffer's next n rows come before the first one that is replaced by the
 * row after it. All n belong to the heap's first source and to no other.
 */
static uint32
until_replaced(TsScan *scan, ScanSource *source, uint32 n)
{
	const ScanBuffer *cur = source->cur;
	const int64 *times = cur->vectors->times + cur->pos;
	uint32 left = cur->end - cur->pos;
	int64 next;

	for (uint32 i = 0; i < n; i++)
	{
		if (i + 1 < left)
			next = times[i + 1];
		else if (!look_ahead(scan, source, true, &next))
			return n;
		if (times[i] == next)
			return i;
	}
	return n;
}

/* Goes on to the last of a source's rows that have the time of its next one. */
static void
last_of_time(TsScan *scan, ScanSource *source, int64 time)
{
	for (;;)
	{
		const ScanBuffer *cur = source->cur;
		int64 next;

		Assert(head_time(cur) == time);
		if (cur->pos + 1 < cur->end)
			next = cur->vectors->times[cur->pos + 1];
		else if (!look_ahead(scan, source, false, &next))
			return;
		if (next != time)
			return;
		take(scan, source, 1);
	}
}

static uint64
head_number(const ScanSource *source)
{
	return source->cur->vectors->numbers[source->cur->pos];
}

/* Whether of two rows with equal times x's comes after y's. */
static bool
is_later(const ScanSource *x, const ScanSource *y)
{
	uint64 x_number = head_number(x);
	uint64 y_number = head_number(y);

	return x_number > y_number || (x_number == y_number && x->rank > y->rank);
}

/* Takes the sources whose next row has this time out of the heap; there is one at least. */
static int
collect_tied(TsScan *scan, int64 time)
{
	int ntied = 0;

	while (!binaryheap_empty(scan->by_time))
	{
		ScanSource *source = (ScanSource *) DatumGetPointer(
			binaryheap_first(scan->by_time));

		if (source->next_time > time)
			break;
		if (!ready(scan, source, false))
			binaryheap_remove_first(scan->by_time);
		else if (source->next_time > time)
			binaryheap_replace_first(scan->by_time, PointerGetDatum(source));
		else
		{
			Assert(source->next_time == time);
			binaryheap_remove_first(scan->by_time);
			scan->tied[ntied++] = source;
		}
	}
	Assert(ntied > 0);
	return ntied;
}

/*
 * Several sources may have rows of one time. Copies the one that stays and takes them
 * all; or, where duplicates are kept, copies and takes the first one.
 */
static void
resolve(TsScan *scan, int64 time)
{
	ScanSource **tied = scan->tied;
	bool replace = scan->table->replace;
	int ntied = collect_tied(scan, time);
	ScanSource *chosen = NULL;

	for (int i = 0; i < ntied; i++)
	{
		if (replace)
			last_of_time(scan, tied[i], time);
		if (chosen == NULL || is_later(tied[i], chosen) == replace)
			chosen = tied[i];
	}
	copy_out(scan, chosen->cur, 1);
	for (int i = 0; i < ntied; i++)
	{
		if ((!replace && tied[i] != chosen) || take(scan, tied[i], 1))
			binaryheap_add(scan->by_time, PointerGetDatum(tied[i]));
	}
}

/* ---- the merge ---- */

/*
 * How many of the next rows of the heap's first source come before all others'. (Where
 * duplicates are kept and nobody asks for numbers, rows of equal times come in any
 * order.)
 */
static uint32
rows_before(const TsScan *scan, const ScanSource *source)
{
	const ScanBuffer *cur = source->cur;
	const int64 *times = cur->vectors->times;
	uint32 low = cur->pos;
	uint32 high = cur->end;
	bool ties = !scan->table->replace && !scan->spec.numbers;
	int64 other;

	if (!others_next(scan, &other))
		return high - low;
	while (low < high)
	{
		uint32 mid = low + (high - low) / 2;

		if (times[mid] < other || (ties && times[mid] == other))
			low = mid + 1;
		else
			high = mid;
	}
	return low - cur->pos;
}

bool
ts_scan_series_batch(TsScan *scan, TsBatch *batch)
{
	ScanBuffer *out = scan->out;

	out->pos = out->end = 0;
	while (!binaryheap_empty(scan->by_time) && out->end < TS_SCAN_BATCH &&
		   (out->end == 0 || scan->nretired < MAX_RETIRED))
	{
		ScanSource *source = (ScanSource *) DatumGetPointer(
			binaryheap_first(scan->by_time));
		uint32 n;

		if (source->cur == NULL)
		{
			/* Now that its time is known it may be another one's turn. */
			if (ready(scan, source, true))
				binaryheap_replace_first(scan->by_time, PointerGetDatum(source));
			else
				binaryheap_remove_first(scan->by_time);
			continue;
		}
		n = rows_before(scan, source);
		if (n == 0)
		{
			resolve(scan, source->next_time);
			continue;
		}
		if (scan->table->replace)
		{
			n = until_replaced(scan, source, n);
			if (n == 0)
			{
				take_first(scan, source, 1);
				continue;
			}
		}

		if (n >= DIRECT_ROWS ||
			(out->end == 0 && scan->by_time->bh_size == 1 && !source->more &&
			 n == source->cur->end - source->cur->pos))
		{
			if (out->end > 0)
				break;
			hand_out(scan, source->cur, n, batch);
			take_first(scan, source, n);
			return true;
		}
		n = Min(n, TS_SCAN_BATCH - out->end);
		copy_out(scan, source->cur, n);
		take_first(scan, source, n);
	}
	if (out->end == 0)
		return false;
	hand_out(scan, out, out->end, batch);
	return true;
}

uint64
ts_scan_series_count(TsScan *scan)
{
	uint64 n = 0;

	Assert(!scan->table->replace);
	for (int i = 0; i < scan->nactive; i++)
		n += ts_source_count(scan, scan->active[i]);
	return n;
}
