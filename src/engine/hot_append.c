/*
 * hot_append.c
 *	  Records to entries, and entries into generations.
 *
 * Entries are made in private memory while the records are encoded. Under the slot's lock
 * they are only copied.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "hot_internal.h"

/* All entries of one batch and shard together take no more than this part of memory. */
#define LIMIT_PART 4

/* ---- entries ---- */

static void
put(StringInfo out, const void *data, Size length)
{
	appendBinaryStringInfoNT(out, data, (int) length);
}

/* Zeros up to the next multiple of 8. */
static void
fill_up(StringInfo out)
{
	static const char zeros[8] = {0};

	put(out, zeros, HotAlign(out->len) - out->len);
}

static void
put_series(StringInfo out, const int64 *series, uint32 n)
{
	uint32 *to;

	enlargeStringInfo(out, (int) HotAlign(n * sizeof(uint32)));
	to = (uint32 *) (out->data + out->len);
	for (uint32 k = 0; k < n; k++)
		to[k] = (uint32) series[k];
	out->len += (int) (n * sizeof(uint32));
	fill_up(out);
}

static bool
all_same(const Datum *values, uint32 n)
{
	for (uint32 k = 1; k < n; k++)
	{
		if (values[k] != values[0])
			return false;
	}
	return true;
}

static Size
value_size(const TsColumn *column, Datum value)
{
	switch ((TsColumnKind) column->kind)
	{
		case TS_COLUMN_FIXED:
			return (Size) column->length;
		case TS_COLUMN_VARLENA:
		case TS_COLUMN_HISTOGRAM:
			return VARSIZE_ANY(DatumGetPointer(value));
		case TS_COLUMN_CSTRING:
			return strlen(DatumGetCString(value)) + 1;
		case TS_COLUMN_NONE:
		case TS_COLUMN_FLOAT8:
		case TS_COLUMN_FLOAT4:
		case TS_COLUMN_INT:
			break;
	}
	elog(ERROR, "unexpected kind %d of a column by reference", column->kind);
}

/*
 * Puts places and values of a column by reference; a value that equals the one before it
 * is there once. *same says that there is but one, and no places then.
 */
static void
put_references(StringInfo out, const TsColumn *column, const Datum *values,
			   const bool *nulls, uint32 n, bool *same)
{
	int start = out->len;
	int body = start + (int) HotAlign(n * sizeof(uint32));
	const char *last = NULL;
	Size last_size = 0;
	int place = body;
	uint32 stored = 0;

	enlargeStringInfo(out, body - start);
	memset(out->data + start, 0, body - start);
	out->len = body;
	for (uint32 k = 0; k < n; k++)
	{
		const char *value = DatumGetPointer(values[k]);
		uint32 from_body;

		if (nulls != NULL && nulls[k])
			continue;
		if (last == NULL || value != last)
		{
			Size size = value_size(column, values[k]);

			if (last == NULL || size != last_size || memcmp(value, last, size) != 0)
			{
				place = out->len;
				put(out, value, size);
				fill_up(out);
				stored++;
			}
			last = value;
			last_size = size;
		}
		from_body = (uint32) (place - body);
		memcpy(out->data + start + k * sizeof(uint32), &from_body, sizeof(uint32));
	}
	*same = stored == 1;
	if (*same)
	{
		memmove(out->data + start, out->data + body, out->len - body);
		out->len -= body - start;
	}
}

/* Puts column i; false when it is all null. */
static bool
put_column(StringInfo out, const TsHotRecord *record, int i)
{
	const TsColumn *column = &record->columns[i];
	const Datum *values = record->vectors->values[i];
	const bool *nulls = record->vectors->nulls[i];
	uint32 n = record->vectors->n;
	HotPart part = {.column = (uint16) i};
	int start = out->len;
	bool same;

	if (values == NULL)
		return false;
	if (nulls != NULL && memchr(nulls, true, n) == NULL)
		nulls = NULL;
	if (nulls != NULL && memchr(nulls, false, n) == NULL)
		return false;

	put(out, &part, sizeof(part));
	if (nulls != NULL)
	{
		part.flags |= HOT_PART_NULLS;
		put(out, nulls, n * sizeof(bool));
		fill_up(out);
	}
	if (column->byval)
	{
		same = all_same(values, n);
		put(out, values, (same ? 1 : n) * sizeof(Datum));
	}
	else
		put_references(out, column, values, nulls, n, &same);
	if (same)
		part.flags |= HOT_PART_SAME;
	part.length = (uint32) (out->len - start - (int) sizeof(part));
	memcpy(out->data + start, &part, sizeof(part));
	return true;
}

void
ts_hot_encode(const TsHotRecord *record, StringInfo out)
{
	const TsVectors *vectors = record->vectors;
	uint32 n = vectors->n;
	int start = out->len;
	HotEntry entry = {.xid = record->xid,
					  .cid = record->cid,
					  .natts = (uint16) record->natts,
					  .nrows = (uint16) n,
					  .number = record->number,
					  .time_min = vectors->times[0],
					  .time_max = vectors->times[0],
					  .series_min = (uint32) record->series[0],
					  .series_max = (uint32) record->series[n - 1],
					  .flags = record->has_numbers ? HOT_HAS_NUMBERS : 0};

	Assert(n > 0 && n <= PG_UINT16_MAX && start % 8 == 0);
	for (uint32 k = 1; k < n; k++)
	{
		Assert(record->series[k] >= record->series[k - 1]);
		entry.time_min = Min(entry.time_min, vectors->times[k]);
		entry.time_max = Max(entry.time_max, vectors->times[k]);
	}
	put(out, &entry, sizeof(entry));
	if (entry.series_min != entry.series_max)
		put_series(out, record->series, n);
	if (entry.time_min != entry.time_max)
		put(out, vectors->times, n * sizeof(int64));
	if (record->has_numbers)
		put(out, vectors->numbers, n * sizeof(uint64));
	for (int i = 0; i < record->natts; i++)
	{
		if (put_column(out, record, i))
			entry.nparts++;
	}
	entry.length = (uint32) (out->len - start);
	Assert(entry.length % 8 == 0);
	memcpy(out->data + start, &entry, sizeof(entry));
}

Size
ts_hot_limit(void)
{
	return Min((Size) hot_chunks * HOT_CHUNK / LIMIT_PART, MaxAllocSize / 2);
}

char *
ts_hot_place(char *entry, TsLogPos pos)
{
	((HotEntry *) entry)->pos = pos;
	return entry + ((HotEntry *) entry)->length;
}

Size
ts_hot_length(const char *entry)
{
	return ((const HotEntry *) entry)->length;
}

/* ---- into generations ---- */

/* Copies an entry behind the others. */
static void
copy_entry(TsSlot *slot, HotGeneration *generation, const char *data, uint32 length)
{
	uint32 rest = HOT_CHUNK - generation->tail;

	if (rest < sizeof(HotEntry))
	{
		generation->length += rest;
		hot_extend(slot, generation);
	}
	generation->length += length;
	while (length > 0)
	{
		uint32 part;

		if (generation->tail == HOT_CHUNK)
			hot_extend(slot, generation);
		part = Min(length, HOT_CHUNK - generation->tail);
		memcpy(hot_chunk_data(generation->last) + generation->tail, data, part);
		generation->tail += part;
		data += part;
		length -= part;
	}
}

/*
 * The generation that goes on where the slot ends now; NULL: there may be no more. When
 * there may be no more, one that a seal has closed goes on, too: a transaction that holds
 * seals up for long must not keep new rows out.
 */
static HotGeneration *
generation_for(TsSlot *slot)
{
	if (slot->hot_count > 0)
	{
		HotGeneration *last = &hot_generations[slot->hot_last];
		bool open = !last->closed && last->chunks <= hot_chunks / TS_HOT_RANGES;
		bool no_more = slot->hot_count == TS_HOT_RANGES;

		if (last->to == slot->end && (open || no_more))
			return last;
		if (no_more)
			return NULL;
	}
	return hot_begin(slot, slot->end);
}

void
ts_hot_append(TsSlot *slot, TsLogPos to, const char *entries, const char *entries_end)
{
	HotGeneration *generation;
	uint32 before = slot->hot_chunks;

	Assert(LWLockHeldByMeInMode(&slot->lock, LW_EXCLUSIVE) && slot->ready);
	if (entries == entries_end)
		return;
	generation = generation_for(slot);
	if (generation == NULL)
	{
		pg_atomic_fetch_add_u64(&hot_shared->log_only, 1);
		return;
	}
	while (entries < entries_end)
	{
		uint32 length = (uint32) ts_hot_length(entries);

		copy_entry(slot, generation, entries, length);
		entries += length;
	}
	generation->to = to;
	hot_note_growth(slot, before);
	pg_atomic_fetch_add_u64(&hot_shared->appends, 1);
}
