/*
 * rows.c
 *	  Rows in memory, as columns: making a set and putting rows into it.
 *
 * All arrays have the same room, which doubles. Column i's array of values is in use
 * (values[i]) from its first value that is not null on, its array of flags (nulls[i])
 * from its first null on; when it comes into use, the rows that are there already get
 * their entries. Arrays of a set that was cleared wait in value_arrays and null_arrays.
 *
 * Values by reference are copied one behind the other into chunks in `data`. A row
 * counts when it is complete: an error while a value is detoasted leaves the set as it
 * was, but for memory that goes with it.
 *
 * Integers are kept as a heap would give them back, so that nobody can tell a row in
 * memory from one that was stored.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/tupmacs.h"
#include "utils/memutils.h"

#include "ts_column.h"
#include "ts_rows.h"

#define FIRST_ROOM     32
#define SMALLEST_CHUNK 4096
#define LARGEST_CHUNK  (1024 * 1024)

static void
start_empty(TsRows *rows)
{
	memset(rows->values, 0, rows->natts * sizeof(Datum *));
	memset(rows->nulls, 0, rows->natts * sizeof(bool *));
	rows->n = 0;
	rows->width = sizeof(uint32) + sizeof(int64);
	if (rows->numbers != NULL)
		rows->width += sizeof(uint64);
	rows->bytes = 0;
	rows->data_next = rows->data_end = NULL;
	rows->data_chunk = SMALLEST_CHUNK;
}

TsRows *
ts_rows_create(MemoryContext parent, const TsTable *table, int natts, bool numbers)
{
	MemoryContext context = AllocSetContextCreate(parent, "mytsdb rows",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TsRows *rows = palloc0(sizeof(TsRows));

	Assert(natts >= 0 && natts <= table->natts);
	rows->context = context;
	rows->data = AllocSetContextCreate(context, "mytsdb row values",
									   ALLOCSET_SMALL_SIZES);
	rows->room = FIRST_ROOM;
	rows->series = palloc(FIRST_ROOM * sizeof(uint32));
	rows->times = palloc(FIRST_ROOM * sizeof(int64));
	rows->numbers = numbers ? palloc(FIRST_ROOM * sizeof(uint64)) : NULL;
	rows->natts = natts;
	rows->columns = palloc(natts * sizeof(TsColumn));
	memcpy(rows->columns, table->columns, natts * sizeof(TsColumn));
	rows->values = palloc(natts * sizeof(Datum *));
	rows->nulls = palloc(natts * sizeof(bool *));
	rows->value_arrays = palloc0(natts * sizeof(Datum *));
	rows->null_arrays = palloc0(natts * sizeof(bool *));
	rows->value_columns = palloc(natts * sizeof(int));
	for (int i = 0; i < natts; i++)
	{
		if (rows->columns[i].role == TS_ROLE_VALUE &&
			rows->columns[i].kind != TS_COLUMN_NONE)
			rows->value_columns[rows->nvalues++] = i;
	}
	start_empty(rows);
	MemoryContextSwitchTo(old);
	return rows;
}

void
ts_rows_free(TsRows *rows)
{
	MemoryContextDelete(rows->context);
}

void
ts_rows_clear(TsRows *rows)
{
	MemoryContextReset(rows->data);
	start_empty(rows);
}

/* ---- arrays ---- */

/* Makes room for count more rows. An error leaves arrays that are larger than room. */
static void
make_room(TsRows *rows, uint32 count)
{
	uint64 wanted = (uint64) rows->n + count;
	uint64 room = rows->room;

	if (wanted <= rows->room)
		return;
	while (room < wanted)
		room *= 2;
	if (room > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("too many rows to be held in memory"),
						errhint("Decrease mytsdb.bulk_memory.")));
	rows->series = repalloc_huge(rows->series, room * sizeof(uint32));
	rows->times = repalloc_huge(rows->times, room * sizeof(int64));
	if (rows->numbers != NULL)
		rows->numbers = repalloc_huge(rows->numbers, room * sizeof(uint64));
	for (int k = 0; k < rows->nvalues; k++)
	{
		int i = rows->value_columns[k];

		/* at once into both places: an error at the next must not leave an old address */
		if (rows->value_arrays[i] != NULL)
		{
			rows->value_arrays[i] = repalloc_huge(rows->value_arrays[i],
												  room * sizeof(Datum));
			if (rows->values[i] != NULL)
				rows->values[i] = rows->value_arrays[i];
		}
		if (rows->null_arrays[i] != NULL)
		{
			rows->null_arrays[i] = repalloc_huge(rows->null_arrays[i],
												 room * sizeof(bool));
			if (rows->nulls[i] != NULL)
				rows->nulls[i] = rows->null_arrays[i];
		}
	}
	rows->room = (uint32) room;
}

/* Column i has null flags from now on; as yet no value was null, or all were. */
static void
use_nulls(TsRows *rows, int i, bool all)
{
	Assert(rows->nulls[i] == NULL);
	if (rows->null_arrays[i] == NULL)
		rows->null_arrays[i] = MemoryContextAllocHuge(rows->context,
													  rows->room * sizeof(bool));
	rows->nulls[i] = rows->null_arrays[i];
	memset(rows->nulls[i], all, rows->n);
	rows->width += sizeof(bool);
	rows->bytes += rows->n * sizeof(bool);
}

/* Column i has values from now on; as yet all were null. */
static void
use_values(TsRows *rows, int i)
{
	Assert(rows->values[i] == NULL && rows->nulls[i] == NULL);
	if (rows->value_arrays[i] == NULL)
		rows->value_arrays[i] = MemoryContextAllocHuge(rows->context,
													   rows->room * sizeof(Datum));
	if (rows->n > 0)
		use_nulls(rows, i, true);
	rows->values[i] = rows->value_arrays[i];
	memset(rows->values[i], 0, rows->n * sizeof(Datum));
	rows->width += sizeof(Datum);
	rows->bytes += rows->n * sizeof(Datum);
}

/* ---- values by reference ---- */

static char *
new_chunk(TsRows *rows, Size size)
{
	char *chunk = MemoryContextAllocHuge(rows->data, size);

	rows->bytes += size;
	return chunk;
}

/* Memory for a value of size bytes, aligned as `align` says. */
static inline char *
data_alloc(TsRows *rows, Size size, char align)
{
	char *place = (char *) att_align_nominal((uintptr_t) rows->data_next, align);

	if (likely(place != NULL && place <= rows->data_end &&
			   size <= (Size) (rows->data_end - place)))
	{
		rows->data_next = place + size;
		return place;
	}
	/* the rest of the chunk is still good for what is smaller */
	if (size > rows->data_chunk / 4)
		return new_chunk(rows, size);
	place = new_chunk(rows, rows->data_chunk);
	rows->data_next = place + size;
	rows->data_end = place + rows->data_chunk;
	rows->data_chunk = Min(rows->data_chunk * 2, LARGEST_CHUNK);
	return place;
}

static inline Datum
copy_bytes(TsRows *rows, const void *value, Size size, char align)
{
	char *copy = data_alloc(rows, size, align);

	memcpy(copy, value, size);
	return PointerGetDatum(copy);
}

/* A varlena that is compressed, external or expanded becomes a plain one. */
static Datum
copy_toasted(TsRows *rows, struct varlena *value)
{
	struct varlena *plain = detoast_attr(value);
	Datum copy = copy_bytes(rows, plain, VARSIZE(plain), TYPALIGN_DOUBLE);

	if (plain != value)
		pfree(plain);
	return copy;
}

/* A value of a column as the set keeps it. */
static inline Datum
keep_value(TsRows *rows, const TsColumn *column, Datum value)
{
	const void *pointer = DatumGetPointer(value);

	switch ((TsColumnKind) column->kind)
	{
		case TS_COLUMN_INT:
			switch (column->length)
			{
				case sizeof(int8):
					return CharGetDatum(DatumGetChar(value));
				case sizeof(int16):
					return Int16GetDatum(DatumGetInt16(value));
				case sizeof(int32):
					return Int32GetDatum(DatumGetInt32(value));
				default:
					return value;
			}
		case TS_COLUMN_FIXED:
			return copy_bytes(rows, pointer, (Size) column->length, column->align);
		case TS_COLUMN_VARLENA:
		case TS_COLUMN_HISTOGRAM:
			if (VARATT_IS_4B_U(pointer))
				return copy_bytes(rows, pointer, VARSIZE_4B(pointer), TYPALIGN_DOUBLE);
			/* an external one has a short header, too */
			if (VARATT_IS_SHORT(pointer) && !VARATT_IS_EXTERNAL(pointer))
				return copy_bytes(rows, pointer, VARSIZE_SHORT(pointer), TYPALIGN_CHAR);
			return copy_toasted(rows, (struct varlena *) DatumGetPointer(value));
		case TS_COLUMN_CSTRING:
			return copy_bytes(rows, pointer, strlen(pointer) + 1, TYPALIGN_CHAR);
		case TS_COLUMN_FLOAT8:
		case TS_COLUMN_FLOAT4:
			return value;
		case TS_COLUMN_NONE:
			break;
	}
	elog(ERROR, "unexpected kind %d of a column", column->kind);
}

/* ---- rows ---- */

void
ts_rows_put(TsRows *rows, uint32 series, int64 time, uint64 number, const Datum *values,
			const bool *isnull)
{
	uint32 n = rows->n;

	if (unlikely(n == rows->room))
		make_room(rows, 1);
	rows->series[n] = series;
	rows->times[n] = time;
	if (rows->numbers != NULL)
		rows->numbers[n] = number;
	for (int k = 0; k < rows->nvalues; k++)
	{
		int i = rows->value_columns[k];

		if (isnull[i])
		{
			if (rows->values[i] == NULL)
				continue;
			if (rows->nulls[i] == NULL)
				use_nulls(rows, i, false);
			rows->values[i][n] = (Datum) 0;
			rows->nulls[i][n] = true;
			continue;
		}
		if (unlikely(rows->values[i] == NULL))
			use_values(rows, i);
		rows->values[i][n] = keep_value(rows, &rows->columns[i], values[i]);
		if (rows->nulls[i] != NULL)
			rows->nulls[i][n] = false;
	}
	rows->bytes += rows->width;
	rows->n = n + 1;
}

Size
ts_rows_row_size(const TsRows *rows, uint32 i)
{
	Size size = 0;

	Assert(i < rows->n);
	for (int k = 0; k < rows->nvalues; k++)
	{
		int c = rows->value_columns[k];

		if (!rows->columns[c].byval && rows->values[c] != NULL &&
			(rows->nulls[c] == NULL || !rows->nulls[c][i]))
			size += ts_column_data_size(&rows->columns[c], rows->values[c][i]);
	}
	return size;
}

/* ---- vectors ---- */

/* Puts count nulls behind column i's values. */
static void
put_nulls(TsRows *rows, int i, uint32 count)
{
	if (rows->values[i] == NULL)
		return;
	if (rows->nulls[i] == NULL)
		use_nulls(rows, i, false);
	memset(rows->values[i] + rows->n, 0, count * sizeof(Datum));
	memset(rows->nulls[i] + rows->n, true, count);
}

/* Puts count values behind column i's, not all of them null. nulls: NULL if none is. */
static void
put_values(TsRows *rows, int i, const Datum *values, const bool *nulls, uint32 count)
{
	const TsColumn *column = &rows->columns[i];
	Datum *to;
	Datum last = (Datum) 0;
	Datum kept = (Datum) 0;

	if (rows->values[i] == NULL)
		use_values(rows, i);
	if (nulls != NULL && rows->nulls[i] == NULL)
		use_nulls(rows, i, false);
	if (nulls != NULL)
		memcpy(rows->nulls[i] + rows->n, nulls, count * sizeof(bool));
	else if (rows->nulls[i] != NULL)
		memset(rows->nulls[i] + rows->n, false, count);

	to = rows->values[i] + rows->n;
	if (column->kind == TS_COLUMN_FLOAT8 && nulls == NULL)
	{
		memcpy(to, values, count * sizeof(Datum));
		return;
	}
	for (uint32 k = 0; k < count; k++)
	{
		if (nulls != NULL && nulls[k])
			to[k] = (Datum) 0;
		else if (!column->byval && values[k] == last)
			to[k] = kept; /* neighbours may share one value; so may their copies */
		else
		{
			last = values[k];
			to[k] = kept = keep_value(rows, column, last);
		}
	}
}

void
ts_rows_put_vectors(TsRows *rows, const uint32 *series, uint32 one_series,
					const int64 *times, const uint64 *numbers, uint64 one_number,
					Datum *const *values, bool *const *nulls, int natts, uint32 count)
{
	uint32 n = rows->n;

	if (count == 0)
		return;
	make_room(rows, count);
	memcpy(rows->times + n, times, count * sizeof(int64));
	if (series != NULL)
		memcpy(rows->series + n, series, count * sizeof(uint32));
	else
	{
		for (uint32 k = 0; k < count; k++)
			rows->series[n + k] = one_series;
	}
	if (rows->numbers != NULL && numbers != NULL)
		memcpy(rows->numbers + n, numbers, count * sizeof(uint64));
	else if (rows->numbers != NULL)
	{
		for (uint32 k = 0; k < count; k++)
			rows->numbers[n + k] = one_number;
	}
	for (int k = 0; k < rows->nvalues; k++)
	{
		int i = rows->value_columns[k];
		const bool *null_flags = NULL;

		if (i < natts && nulls != NULL && nulls[i] != NULL &&
			memchr(nulls[i], true, count) != NULL)
			null_flags = nulls[i];
		if (i >= natts || values[i] == NULL ||
			(null_flags != NULL && memchr(null_flags, false, count) == NULL))
			put_nulls(rows, i, count);
		else
			put_values(rows, i, values[i], null_flags, count);
	}
	rows->bytes += rows->width * count;
	rows->n = n + count;
}
