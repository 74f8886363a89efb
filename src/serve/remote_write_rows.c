/*
 * remote_write_rows.c
 *	  Rows of a request, collected as columns, and their series.
 *
 * A series that the backend has met before is known by its fingerprint, and costs one
 * probe. The keys of others wait, with the rows that are theirs, until many can be found or
 * made together.
 *
 * What always holds: arrays in use have entries for all n rows; series[] lacks those of
 * rows that are pending. What a request takes here is at most some times the largest size of
 * a message, however little it says a sample or a reference with.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "remote_write.h"
#include "ts_series.h"

#define FIRST_ROOM   WRITE_ROWS_AT_ONCE
#define MOST_PENDING 4096

/* Times the largest message; an ordinary sample takes at most three times its bytes. */
#define MOST_MEMORY 4
/* Bytes of a row, at least, and of an allocation beside its own. */
#define ROW_SIZE       (sizeof(uint32) + sizeof(TimestampTz) + sizeof(Datum))
#define ALLOC_OVERHEAD 16

StaticAssertDecl(sizeof(Datum) == sizeof(double), "a double is a Datum");

#define COLUMN_BIT(column) ((uint32) 1 << (column))

void
write_rows_begin(WriteRows *rows, Oid relid, bool exemplars)
{
	memset(rows, 0, sizeof(*rows));
	rows->context = CurrentMemoryContext;
	rows->rel = write_target_open(relid, exemplars, &rows->target);
}

/* ---- memory ---- */

static void
check_memory(const WriteRows *rows)
{
	if (rows->n * ROW_SIZE + rows->bytes > MOST_MEMORY * write_max_size())
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("write request takes too much memory"),
				 errdetail("It is more than %d times mytsdb.remote_write_max_size.",
						   MOST_MEMORY)));
}

void *
write_rows_alloc(WriteRows *rows, Size size)
{
	rows->bytes += size + ALLOC_OVERHEAD;
	check_memory(rows);
	return MemoryContextAlloc(rows->context, size);
}

/* ---- arrays ---- */

static void *
grow(const WriteRows *rows, void *array, Size element)
{
	Size size = rows->room * element;

	return array == NULL ? MemoryContextAllocHuge(rows->context, size)
						 : repalloc_huge(array, size);
}

/* Room for fewer rows more than FIRST_ROOM. */
static void
make_room(WriteRows *rows)
{
	check_memory(rows);
	Assert(rows->room <= PG_INT32_MAX / 2);
	rows->room = Max(rows->room * 2, FIRST_ROOM);
	rows->times = grow(rows, rows->times, sizeof(TimestampTz));
	if (rows->target.plain != NULL)
		rows->series = grow(rows, rows->series, sizeof(uint32));
	else
		rows->labels = grow(rows, rows->labels, sizeof(Datum));
	for (int c = WRITE_VALUE; c < WRITE_COLUMNS; c++)
	{
		if (rows->values[c] != NULL)
			rows->values[c] = grow(rows, rows->values[c], sizeof(Datum));
		if (rows->nulls[c] != NULL)
			rows->nulls[c] = grow(rows, rows->nulls[c], sizeof(bool));
	}
}

/* Nulls come in from now on; as yet there are none, or nothing else. */
static void
use_nulls(WriteRows *rows, int c, bool all)
{
	rows->nulls[c] = grow(rows, NULL, sizeof(bool));
	memset(rows->nulls[c], all, rows->n);
	rows->any_nulls = true;
}

static void
use_values(WriteRows *rows, int c)
{
	rows->values[c] = grow(rows, NULL, sizeof(Datum));
	memset(rows->values[c], 0, rows->n * sizeof(Datum));
	if (rows->n > 0)
		use_nulls(rows, c, true);
	rows->used |= COLUMN_BIT(c);
}

/* A row that has not the columns that those before it have. */
static void
put_values(WriteRows *rows, const Datum *values, uint32 columns)
{
	uint32 n = rows->n;

	for (int c = WRITE_VALUE; c < WRITE_COLUMNS; c++)
	{
		bool has = (columns & COLUMN_BIT(c)) != 0;

		if (has && rows->values[c] == NULL)
			use_values(rows, c);
		if (rows->values[c] == NULL)
			continue;
		if (!has && rows->nulls[c] == NULL)
			use_nulls(rows, c, false);
		rows->values[c][n] = has ? values[c] : (Datum) 0;
		if (rows->nulls[c] != NULL)
			rows->nulls[c][n] = !has;
	}
}

void
write_rows_put(WriteRows *rows, TimestampTz time, const Datum *values, uint32 columns)
{
	uint32 n = rows->n;

	if (unlikely(n == rows->room))
		make_room(rows);
	rows->times[n] = time;
	if (rows->series != NULL)
		rows->series[n] = rows->series_now;
	else
		rows->labels[n] = rows->labels_now;
	if (likely(columns == COLUMN_BIT(WRITE_VALUE) && rows->used == columns &&
			   !rows->any_nulls))
		rows->values[WRITE_VALUE][n] = values[WRITE_VALUE];
	else
		put_values(rows, values, columns);
	rows->n = n + 1;
}

void
write_rows_put_values(WriteRows *rows, const TimestampTz *times, const double *values,
					  uint32 count)
{
	uint32 n = rows->n;

	Assert(count <= FIRST_ROOM);
	if (rows->series == NULL || rows->used != COLUMN_BIT(WRITE_VALUE) || rows->any_nulls)
	{
		for (uint32 i = 0; i < count; i++)
		{
			Datum row[WRITE_COLUMNS];

			row[WRITE_VALUE] = Float8GetDatum(values[i]);
			write_rows_put(rows, times[i], row, COLUMN_BIT(WRITE_VALUE));
		}
		return;
	}
	if (rows->room - n < count)
		make_room(rows);
	memcpy(rows->times + n, times, count * sizeof(TimestampTz));
	memcpy(rows->values[WRITE_VALUE] + n, values, count * sizeof(Datum));
	for (uint32 i = 0; i < count; i++)
		rows->series[n + i] = rows->series_now;
	rows->n = n + count;
}

/* ---- series ---- */

/* The rows of the series that came last are all there. */
static void
end_pending(WriteRows *rows)
{
	if (rows->is_pending)
		rows->pending[rows->npending - 1].end = rows->n;
	rows->is_pending = false;
}

/* Finds or makes the series that wait. */
static void
resolve_pending(WriteRows *rows)
{
	const TsTable *table = rows->target.plain;
	uint32 count = rows->npending;
	TsString *keys;
	uint32 *ids;

	end_pending(rows);
	if (count == 0)
		return;
	keys = palloc(count * sizeof(TsString));
	ids = palloc(count * sizeof(uint32));
	for (uint32 i = 0; i < count; i++)
		keys[i] = rows->pending[i].key;
	ts_series_make(rows->rel, table, keys, count, ids);
	for (uint32 i = 0; i < count; i++)
	{
		const WritePending *series = &rows->pending[i];

		for (uint32 n = series->first; n < series->end; n++)
			rows->series[n] = ids[i];
		ts_series_remember(table, series->print, ids[i]);
		pfree((char *) series->key.data);
	}
	rows->npending = 0;
	pfree(keys);
	pfree(ids);
}

void
write_rows_will_find(const WriteRows *rows, TsFingerprint print)
{
	if (rows->target.plain != NULL)
		ts_series_prefetch(rows->target.plain, print);
}

bool
write_rows_find_series(WriteRows *rows, TsFingerprint print)
{
	end_pending(rows);
	return rows->target.plain != NULL &&
		   ts_series_known(rows->target.plain, print, &rows->series_now);
}

static void
add_pending(WriteRows *rows, const StringInfoData *key, TsFingerprint print)
{
	if (rows->npending == rows->pending_room)
	{
		rows->pending_room = Min(Max(rows->pending_room * 2, FIRST_ROOM), MOST_PENDING);
		if (rows->pending == NULL)
			rows->pending = palloc(rows->pending_room * sizeof(WritePending));
		else
			rows->pending = repalloc(rows->pending,
									 rows->pending_room * sizeof(WritePending));
	}
	rows->pending[rows->npending++] = (WritePending){
		.key = {key->data, (size_t) key->len}, .print = print, .first = rows->n};
	rows->is_pending = true;
	rows->series_now = 0;
}

bool
write_rows_set_series(WriteRows *rows, struct varlena *labels, TsFingerprint print)
{
	const TsTable *table = rows->target.plain;
	Datum values[MaxHeapAttributeNumber];
	bool isnull[MaxHeapAttributeNumber];
	StringInfoData key;
	AttrNumber attnum = rows->target.attnums[WRITE_LABELS];

	end_pending(rows);
	if (table == NULL)
	{
		rows->labels_now = PointerGetDatum(write_rows_alloc(rows, VARSIZE(labels)));
		memcpy(DatumGetPointer(rows->labels_now), labels, VARSIZE(labels));
		return true;
	}
	if (rows->npending == MOST_PENDING)
		resolve_pending(rows);
	values[attnum - 1] = PointerGetDatum(labels);
	isnull[attnum - 1] = false;
	initStringInfo(&key);
	if (!ts_series_try_key(table, values, isnull, &key))
	{
		pfree(key.data);
		return false;
	}
	add_pending(rows, &key, print);
	return true;
}

void
write_rows_forget(WriteRows *rows, uint32 n)
{
	Assert(n <= rows->n);
	end_pending(rows);
	for (uint32 i = rows->npending; i > 0 && rows->pending[i - 1].end > n; i--)
	{
		rows->pending[i - 1].end = n;
		rows->pending[i - 1].first = Min(rows->pending[i - 1].first, n);
	}
	rows->n = n;
}

void
write_rows_end(WriteRows *rows)
{
	if (rows->target.plain != NULL)
		resolve_pending(rows);
	relation_close(rows->rel, NoLock);
	rows->rel = NULL;
}
