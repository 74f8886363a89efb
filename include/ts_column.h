/*
 * ts_column.h
 *	  Vectors of Datums to bytes and back: where the codecs meet the table's types.
 *
 * The encoded form of a column of n rows is a *piece*: no bytes at all when all values
 * are null; else a byte that says whether there are nulls, then, if so, a varint with the
 * length of a bits column and that column (1: null), then the values as ts_codec.h
 * encodes them by the column's kind, where a null repeats the value before it (or is
 * empty, among values of varying size). src/engine/column_format.h specifies the bytes.
 * Log records and blocks consist of the same pieces. n is not in the bytes.
 *
 * Vectors: values of a column are Datums. For columns by reference they point to memory
 * of whoever owns the vector; varlenas have a four-byte or short header, are neither
 * compressed nor external, and are aligned as their type wants when headers are long.
 */
#ifndef TS_COLUMN_H
#define TS_COLUMN_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "ts_base.h"
#include "ts_codec.h"
#include "ts_table.h"

/* What is kept of a piece, so that scans skip it and aggregates need not read it. */
typedef struct TsColumnStats
{
	uint32 nulls;
	bool known; /* min, max and sum are: a summed column, not all null, no NaN in it */
	/* For integers int64 min and max, sum as float8 and, if it fits, exactly. */
	Datum min;
	Datum max;
	double sum;     /* compensated */
	int64 int_sum;  /* integers: the exact sum ... */
	bool int_exact; /* ... if it does not overflow */
} TsColumnStats;

/* ---- encoding ---- */

typedef struct TsColumnWriter TsColumnWriter;

/* Lives in a child context of `parent`; zstd's contexts are freed with it. */
extern TsColumnWriter *ts_column_writer_create(MemoryContext parent);
extern void ts_column_writer_free(TsColumnWriter *writer);

/*
 * Appends the piece of n values to *out. nulls may be NULL. stats may be NULL.
 */
extern void
ts_column_encode(TsColumnWriter *writer, const TsColumn *column, const Datum *values,
				 const bool *nulls, uint32 n, StringInfo out, TsColumnStats *stats);
/* Plain integers as a codec column (no null byte): times on a grid, anything else. */
extern void ts_column_encode_times(TsColumnWriter *writer, const int64 *values, uint32 n,
								   StringInfo out);
extern void ts_column_encode_ints(TsColumnWriter *writer, const int64 *values, uint32 n,
								  StringInfo out);
/* Bytes that surely hold a piece of n values whose by-reference data is `bytes` long. */
extern Size ts_column_bound(const TsColumn *column, uint32 n, Size bytes);
/* Bytes of a value's data that count for the bound above (0 for those by value). The
 * value is not null and as vectors have it. */
extern Size ts_column_data_size(const TsColumn *column, Datum value);

/* ---- decoding ---- */

/*
 * A reader decodes one piece after another; `data` must stay until the next is opened.
 * Functions return TS_OK or TS_ERR_INVALID, with ts_column_problem() to say what; the
 * caller knows page and relation. What is not the bytes' fault raises an error.
 */
typedef struct TsColumnReader TsColumnReader;

/* Lives in a child context of `parent`, which frees it. */
extern TsColumnReader *ts_column_reader_create(MemoryContext parent);

extern TsErrorCode ts_column_open(TsColumnReader *reader, const TsColumn *column,
								  const char *data, Size length, uint32 n);
/*
 * Decodes count vectors of TS_CODEC_VECTOR rows from vector `first` on. nulls is filled
 * in, all of it, and *has_nulls says whether any is set; null values are (Datum) 0.
 * By-reference values are palloc'd, in bulk, in `context`: rows may share one value, and
 * none may be freed alone.
 */
extern TsErrorCode
ts_column_decode(TsColumnReader *reader, uint32 first, uint32 count, Datum *values,
				 bool *nulls, bool *has_nulls, MemoryContext context);
extern TsErrorCode
ts_column_open_times(TsColumnReader *reader, const char *data, Size length, uint32 n);
extern TsErrorCode
ts_column_open_ints(TsColumnReader *reader, const char *data, Size length, uint32 n);
/* For those opened as times or ints. */
extern TsErrorCode
ts_column_decode_ints(TsColumnReader *reader, uint32 first, uint32 count, int64 *values);
extern const char *ts_column_problem(const TsColumnReader *reader);

#endif /* TS_COLUMN_H */
