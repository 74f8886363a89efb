/*
 * ts_rows.h
 *	  Rows in memory, as columns: what waits in private buffers, what is read from a
 *	  log, what becomes records and blocks.
 *
 * A row is a series id, a time, a number and the table's value columns. Key and time
 * columns are not among the values: they follow from series and time. A value column has
 * no array before its first value that is not null, and no null flags before its first
 * null.
 *
 * A set owns all its memory, in a context of its own. Rows keep the order in which they
 * were put.
 */
#ifndef TS_ROWS_H
#define TS_ROWS_H

#include "postgres.h"

#include "ts_table.h"

typedef struct TsRows
{
	MemoryContext context;
	MemoryContext data; /* values by reference */
	int natts;          /* columns that rows have; a table may have got more since */
	TsColumn *columns;  /* natts */
	uint32 n;
	uint32 room;
	uint32 *series;
	int64 *times;
	uint64 *numbers; /* NULL unless made with numbers */
	Datum **values;  /* [natts]; [i] is NULL for keys, time, dropped, all-null columns */
	bool **nulls;    /* [natts]; [i] is NULL when no value is null */
	Size bytes;      /* memory in use, about: arrays up to n, all of the data */

	/* The rest is for rows.c alone. */
	int nvalues;          /* value columns */
	int *value_columns;   /* [nvalues]: their places in columns */
	Datum **value_arrays; /* [natts]: values[i], or what it is to be */
	bool **null_arrays;   /* [natts]: likewise */
	Size width;           /* bytes of a row in all arrays in use */
	char *data_next;      /* free part of the newest chunk of data */
	char *data_end;
	Size data_chunk; /* size of the next chunk */
} TsRows;

extern TsRows *
ts_rows_create(MemoryContext parent, const TsTable *table, int natts, bool numbers);
extern void ts_rows_free(TsRows *rows);
extern void ts_rows_clear(TsRows *rows); /* as new, but keeps room */

/*
 * Puts a row, given as the table's columns (values[attnum - 1], isnull[attnum - 1]; those
 * of key and time columns are not looked at). Values by reference are detoasted,
 * flattened, decompressed, copied. Memory of the values' arrays grows by doubling.
 */
extern void ts_rows_put(TsRows *rows, uint32 series, int64 time, uint64 number,
						const Datum *values, const bool *isnull);
/* Bytes of all by-reference data of row i, as ts_column_data_size() counts them. */
extern Size ts_rows_row_size(const TsRows *rows, uint32 i);

/*
 * Puts count rows of one or many series at once from vectors: values[i] NULL: column i
 * is not wanted or all null; by-reference values are copied.
 */
extern void
ts_rows_put_vectors(TsRows *rows, const uint32 *series, uint32 one_series,
					const int64 *times, const uint64 *numbers, uint64 one_number,
					Datum *const *values, bool *const *nulls, int natts, uint32 count);

/*
 * The rows' order by (series, time, number, position): palloc'd indexes. Linear when
 * rows came in time order. `by_time` false: by (series, position) only.
 */
extern uint32 *ts_rows_order(const TsRows *rows, bool by_time);

/*
 * One series' rows, or any consecutive ones, as vectors.
 */
typedef struct TsVectors
{
	uint32 series;
	uint32 n;
	int64 *times;
	uint64 *numbers;
	Datum **values; /* [natts]; NULL: not wanted, or key, or time */
	bool **nulls;   /* [natts]; NULL: none is null */
} TsVectors;

/*
 * Room for vectors of up to `room` rows of a table with natts columns; `wanted` (by
 * attnum - 1; NULL: all) says which value columns get arrays; always with null flags.
 */
extern TsVectors *ts_vectors_create(MemoryContext context, const TsTable *table,
									int natts, const bool *wanted, uint32 room);

/*
 * Gathers rows order[from .. from + count) into vectors (which must have the room);
 * values by reference still point into the set. A column that has no array there comes
 * out all null; columns beyond rows->natts are left alone, and so are numbers when the
 * set has none. The vectors' series is that of the first row.
 */
extern void ts_rows_gather(const TsRows *rows, const uint32 *order, uint32 from,
						   uint32 count, TsVectors *to);

#endif /* TS_ROWS_H */
