/*
 * hot_read.c
 *	  Entries of hot memory, and rows out of them.
 *
 * A reader looks at what a pin has found: nothing of it changes but xids that are frozen.
 * Arrays that lie within a chunk are used where they are; others are copied together
 * first. Rows put into a set are copies in any case.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "hot_internal.h"
#include "log_internal.h"

/* Memory for the arrays of one entry that is kept from entry to entry. */
#define SCRATCH_SIZE (64 * 1024)

struct TsHotReader
{
	MemoryContext context;
	MemoryContext scratch; /* of one entry */
	Relation rel;
	const TsTable *table;
	TsLogPos from;
	TsLogPos to;
	HotCursor cursor; /* behind the header of `entry`, or the start of the stream */
	HotEntry *entry;  /* that ts_hot_next() returned last */
	Datum **values;   /* [table->natts] */
	bool **nulls;
};

TsHotReader *
ts_hot_open(Relation rel, const TsTable *table)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb hot reader", ALLOCSET_SMALL_SIZES);
	TsHotReader *reader = MemoryContextAllocZero(context, sizeof(TsHotReader));

	reader->context = context;
	reader->scratch = AllocSetContextCreate(context, "mytsdb hot entry", SCRATCH_SIZE,
											SCRATCH_SIZE, ALLOCSET_DEFAULT_MAXSIZE);
	reader->rel = rel;
	reader->table = table;
	reader->values = MemoryContextAlloc(context, table->natts * sizeof(Datum *));
	reader->nulls = MemoryContextAlloc(context, table->natts * sizeof(bool *));
	return reader;
}

void
ts_hot_close(TsHotReader *reader)
{
	MemoryContextDelete(reader->context);
}

void
ts_hot_start(TsHotReader *reader, const TsHotRange *range)
{
	reader->from = range->from;
	reader->to = range->to;
	reader->entry = NULL;
	reader->cursor = (HotCursor){.chunk = range->generation, .left = range->length};
}

bool
ts_hot_next(TsHotReader *reader, TsLogRecord *record)
{
	do
	{
		if (reader->entry != NULL)
			hot_cursor_skip(&reader->cursor, reader->entry->length - sizeof(HotEntry));
		reader->entry = hot_cursor_entry(&reader->cursor);
		if (reader->entry == NULL || reader->entry->pos >= reader->to)
			return false;
	} while (reader->entry->pos < reader->from);

	MemSet(record, 0, sizeof(TsLogRecord));
	record->pos = reader->entry->pos;
	record->xid = *(volatile uint32 *) &reader->entry->xid;
	record->cid = reader->entry->cid;
	record->number = reader->entry->number;
	record->nrows = reader->entry->nrows;
	record->natts = reader->entry->natts;
	return true;
}

/* ---- rows ---- */

/* The next bytes of the entry, up to a multiple of 8: where they are, or copied. */
static void *
take(HotCursor *cursor, Size length)
{
	char *copy;
	char *to;

	length = HotAlign(length);
	Assert(length > 0 && length <= cursor->left);
	if (cursor->offset == HOT_CHUNK)
	{
		cursor->chunk = hot_next[cursor->chunk];
		cursor->offset = 0;
	}
	if (length <= HOT_CHUNK - cursor->offset)
	{
		char *place = hot_chunk_data(cursor->chunk) + cursor->offset;

		hot_cursor_skip(cursor, length);
		return place;
	}
	to = copy = palloc(length);
	while (length > 0)
	{
		Size part;

		if (cursor->offset == HOT_CHUNK)
		{
			cursor->chunk = hot_next[cursor->chunk];
			cursor->offset = 0;
		}
		part = Min(length, HOT_CHUNK - cursor->offset);
		memcpy(to, hot_chunk_data(cursor->chunk) + cursor->offset, part);
		hot_cursor_skip(cursor, part);
		to += part;
		length -= part;
	}
	return copy;
}

/* An entry's rows, and which of them are wanted. */
typedef struct HotRows
{
	uint32 n;
	const uint32 *series;
	const int64 *times;
	const uint64 *numbers; /* NULL: all have the entry's */
	const uint32 *wanted;  /* NULL: all rows */
	uint32 nwanted;
} HotRows;

static const uint32 *
take_series(const HotEntry *entry, HotCursor *cursor)
{
	uint32 *series;

	if (entry->series_min != entry->series_max)
		return take(cursor, entry->nrows * sizeof(uint32));
	series = palloc(entry->nrows * sizeof(uint32));
	for (uint32 k = 0; k < entry->nrows; k++)
		series[k] = entry->series_min;
	return series;
}

static const int64 *
take_times(const HotEntry *entry, HotCursor *cursor)
{
	int64 *times;

	if (entry->time_min != entry->time_max)
		return take(cursor, entry->nrows * sizeof(int64));
	times = palloc(entry->nrows * sizeof(int64));
	for (uint32 k = 0; k < entry->nrows; k++)
		times[k] = entry->time_min;
	return times;
}

/* The wanted ones of an array of words. */
static void *
compact_words(const HotRows *rows, const void *words)
{
	const uint64 *from = words;
	uint64 *to;

	if (rows->wanted == NULL)
		return unconstify(void *, words);
	to = palloc(rows->nwanted * sizeof(uint64));
	for (uint32 k = 0; k < rows->nwanted; k++)
		to[k] = from[rows->wanted[k]];
	return to;
}

static const uint32 *
compact_series(const HotRows *rows)
{
	uint32 *to;

	if (rows->wanted == NULL)
		return rows->series;
	to = palloc(rows->nwanted * sizeof(uint32));
	for (uint32 k = 0; k < rows->nwanted; k++)
		to[k] = rows->series[rows->wanted[k]];
	return to;
}

static bool *
compact_flags(const HotRows *rows, const bool *flags)
{
	bool *to;

	if (rows->wanted == NULL)
		return unconstify(bool *, flags);
	to = palloc(rows->nwanted * sizeof(bool));
	for (uint32 k = 0; k < rows->nwanted; k++)
		to[k] = flags[rows->wanted[k]];
	return to;
}

static Datum *
repeat(Datum value, uint32 n)
{
	Datum *values = palloc(n * sizeof(Datum));

	for (uint32 k = 0; k < n; k++)
		values[k] = value;
	return values;
}

/* The values of a column by reference, of which `length` bytes are left. */
static Datum *
take_references(const HotRows *rows, const HotPart *part, HotCursor *cursor, Size length)
{
	const uint32 *places = NULL;
	const char *data;
	Datum *values;

	if ((part->flags & HOT_PART_SAME) == 0)
	{
		places = take(cursor, rows->n * sizeof(uint32));
		length -= HotAlign(rows->n * sizeof(uint32));
	}
	data = take(cursor, length);
	if (places == NULL)
		return repeat(PointerGetDatum(data), rows->nwanted);
	values = palloc(rows->nwanted * sizeof(Datum));
	for (uint32 k = 0; k < rows->nwanted; k++)
		values[k] = PointerGetDatum(data +
									places[rows->wanted == NULL ? k : rows->wanted[k]]);
	return values;
}

/* Takes a wanted part of the wanted rows into the reader's arrays. */
static void
take_column(TsHotReader *reader, HotCursor *cursor, const HotPart *part,
			const HotRows *rows)
{
	Size length = part->length;
	Datum *values;

	if ((part->flags & HOT_PART_NULLS) != 0)
	{
		reader->nulls[part->column] = compact_flags(rows,
													take(cursor, rows->n * sizeof(bool)));
		length -= HotAlign(rows->n * sizeof(bool));
	}
	if (!reader->table->columns[part->column].byval)
		values = take_references(rows, part, cursor, length);
	else if ((part->flags & HOT_PART_SAME) != 0)
		values = repeat(*(Datum *) take(cursor, sizeof(Datum)), rows->nwanted);
	else
		values = compact_words(rows, take(cursor, rows->n * sizeof(Datum)));
	reader->values[part->column] = values;
}

static bool
is_wanted(const TsHotReader *reader, int i, const TsRowFilter *filter)
{
	const TsColumn *column = &reader->table->columns[i];

	/* a dropped column's values may still be there */
	return column->role == TS_ROLE_VALUE && column->kind != TS_COLUMN_NONE &&
		   (filter == NULL || filter->wanted == NULL || filter->wanted[i]);
}

/* Columns that came later than the entry have the value for missing attributes. */
static void
fill_missing(TsHotReader *reader, const TsRowFilter *filter, uint32 count)
{
	for (int i = reader->entry->natts; i < reader->table->natts; i++)
	{
		bool isnull;
		Datum value;

		if (!is_wanted(reader, i, filter))
			continue;
		value = ts_missing_value(reader->rel, reader->table, i + 1, &isnull);
		if (!isnull)
			reader->values[i] = repeat(value, count);
	}
}

/* Whether there may be wanted rows at all. */
static bool
may_want(const HotEntry *entry, const TsRowFilter *filter)
{
	if (entry->time_max < filter->time_min || entry->time_min > filter->time_max)
		return false;
	if (filter->series == NULL)
		return true;
	if (entry->series_max < filter->series_min || entry->series_min > filter->series_max)
		return false;
	return entry->series_min != entry->series_max ||
		   filter->series(filter->arg, entry->series_min);
}

static void
choose_rows(const TsRowFilter *filter, HotRows *rows)
{
	uint32 *wanted = palloc(rows->n * sizeof(uint32));

	rows->nwanted = ts_log_choose_rows(filter, rows->series, rows->times, rows->n,
									   wanted);
	if (rows->nwanted < rows->n)
		rows->wanted = wanted;
}

static uint32
decode_rows(TsHotReader *reader, const TsRowFilter *filter, TsRows *to)
{
	const HotEntry *entry = reader->entry;
	HotCursor cursor = reader->cursor;
	HotRows rows = {.n = entry->nrows, .nwanted = entry->nrows};

	rows.series = take_series(entry, &cursor);
	rows.times = take_times(entry, &cursor);
	if ((entry->flags & HOT_HAS_NUMBERS) != 0)
		rows.numbers = take(&cursor, rows.n * sizeof(uint64));
	if (filter != NULL)
		choose_rows(filter, &rows);
	if (rows.nwanted == 0)
		return 0;

	memset(reader->values, 0, reader->table->natts * sizeof(Datum *));
	memset(reader->nulls, 0, reader->table->natts * sizeof(bool *));
	for (uint32 p = 0; p < entry->nparts; p++)
	{
		const HotPart *part = take(&cursor, sizeof(HotPart));

		if (is_wanted(reader, part->column, filter))
			take_column(reader, &cursor, part, &rows);
		else
			hot_cursor_skip(&cursor, part->length);
	}
	fill_missing(reader, filter, rows.nwanted);
	ts_rows_put_vectors(to, compact_series(&rows), 0, compact_words(&rows, rows.times),
						rows.numbers == NULL ? NULL : compact_words(&rows, rows.numbers),
						entry->number, reader->values, reader->nulls,
						reader->table->natts, rows.nwanted);
	pg_atomic_fetch_add_u64(&hot_shared->rows_read, rows.nwanted);
	return rows.nwanted;
}

uint32
ts_hot_decode(TsHotReader *reader, const TsRowFilter *filter, TsRows *rows)
{
	MemoryContext old;
	uint32 count;

	Assert(reader->entry != NULL);
	if (reader->entry->natts > reader->table->natts)
		elog(ERROR, "rows in hot memory have more columns than table %u",
			 reader->table->relid);
	Assert(rows->numbers != NULL);
	if (filter != NULL && !may_want(reader->entry, filter))
		return 0;
	old = MemoryContextSwitchTo(reader->scratch);
	count = decode_rows(reader, filter, rows);
	MemoryContextSwitchTo(old);
	MemoryContextReset(reader->scratch);
	return count;
}
