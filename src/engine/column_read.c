/*
 * column_read.c
 *	  Pieces to vectors of Datums; column_format.h specifies the bytes.
 *
 * Nothing in the bytes is trusted: what is wrong with them is TS_ERR_INVALID and a
 * sentence; only a lack of memory raises an error.
 *
 * Values by reference of one call share one piece of memory, and neighbours that the
 * codec hands out as the same bytes (constants, dictionary entries) are one value.
 * Varlenas always get a four-byte header, which every function of every type copes with.
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "utils/memutils.h"

#include "column_format.h"
#include "column_scratch.h"
#include "ts_column.h"
#include "ts_histogram_columns.h"
#include "ts_report.h"

struct TsColumnReader
{
	MemoryContext context;
	MemoryContextCallback callback;
	TsAllocator allocator;
	TsCodecReader *values;
	TsCodecReader *nulls;           /* NULL until a piece has nulls */
	TsHistogramColumns *histograms; /* NULL until a piece is columns of their numbers */
	TsColumn column;
	uint32 n;
	bool open;
	bool all_null;
	bool some_null;
	bool numbers_open; /* values are columns of histograms' numbers */
	const char *problem;
	ColumnScratch bits;
	ColumnScratch numbers; /* values as the codec gives them */
};

static void
free_readers(void *arg)
{
	TsColumnReader *reader = arg;

	ts_codec_reader_free(reader->values);
	ts_codec_reader_free(reader->nulls);
}

static TsCodecReader *
create_codec_reader(TsColumnReader *reader)
{
	TsCodecReader *codec = ts_codec_reader_create(&reader->allocator);

	if (codec == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return codec;
}

TsColumnReader *
ts_column_reader_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "mytsdb column reader",
												  ALLOCSET_SMALL_SIZES);
	TsColumnReader *reader = MemoryContextAllocZero(context, sizeof(TsColumnReader));

	reader->context = context;
	reader->allocator = ts_context_allocator(context);
	reader->callback.func = free_readers;
	reader->callback.arg = reader;
	MemoryContextRegisterResetCallback(context, &reader->callback);
	reader->values = create_codec_reader(reader);
	return reader;
}

const char *
ts_column_problem(const TsColumnReader *reader)
{
	return reader->problem == NULL ? "" : reader->problem;
}

static TsErrorCode
damaged(TsColumnReader *reader, const char *problem)
{
	reader->problem = problem;
	return TS_ERR_INVALID;
}

/* What a codec's reader said, as TS_OK or TS_ERR_INVALID. */
static TsErrorCode
checked(TsColumnReader *reader, const TsCodecReader *codec, TsErrorCode code)
{
	if (code == TS_OK)
		return TS_OK;
	if (code == TS_ERR_MEMORY)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (code == TS_ERR_LIMIT)
		return damaged(reader, "a column exceeds the limits of its type");
	return damaged(reader, ts_codec_problem(codec));
}

/* The same for the reader of histograms. */
static TsErrorCode
checked_histograms(TsColumnReader *reader, TsErrorCode code)
{
	if (code == TS_ERR_INVALID)
		return damaged(reader, ts_histogram_columns_problem(reader->histograms));
	return checked(reader, reader->values, code);
}

/* ---- opening ---- */

static TsErrorCode
open_codec(TsColumnReader *reader, TsCodecType type, uint32 width, const char *data,
		   Size length, uint32 n)
{
	return checked(
		reader, reader->values,
		ts_codec_open(reader->values, type, width, (const uint8 *) data, length, n));
}

/* Opens the column of nulls at *data and moves *data behind it. */
static TsErrorCode
open_nulls(TsColumnReader *reader, const char **data, const char *end, uint32 n)
{
	uint64 length = 0;
	uint8 byte = 0x80;
	TsErrorCode code;

	for (int shift = 0; byte >= 0x80; shift += 7)
	{
		if (*data == end || shift == 7 * PIECE_VARINT_MAX)
			return damaged(reader, "damaged length of a column of nulls");
		byte = (uint8) * (*data)++;
		length |= (uint64) (byte & 0x7F) << shift;
	}
	if (length > (uint64) (end - *data))
		return damaged(reader, "a column of nulls is longer than its piece");
	if (reader->nulls == NULL)
		reader->nulls = create_codec_reader(reader);
	code = checked(
		reader, reader->nulls,
		ts_codec_open(reader->nulls, TS_CODEC_BITS, 0, (const uint8 *) *data, length, n));
	*data += length;
	return code;
}

/* How the values of a column are encoded. */
static TsCodecType
codec_type(const TsColumn *column)
{
	switch ((TsColumnKind) column->kind)
	{
		case TS_COLUMN_FLOAT8:
			return TS_CODEC_FLOAT8;
		case TS_COLUMN_FLOAT4:
			return TS_CODEC_FLOAT4;
		case TS_COLUMN_INT:
			return TS_CODEC_INT;
		case TS_COLUMN_FIXED:
		case TS_COLUMN_VARLENA:
		case TS_COLUMN_CSTRING:
		case TS_COLUMN_HISTOGRAM:
			return column_is_bytes(column) ? TS_CODEC_BYTES : TS_CODEC_FIXED;
		case TS_COLUMN_NONE:
			break;
	}
	elog(ERROR, "unexpected kind %d of a column", column->kind);
}

static TsErrorCode
open_values(TsColumnReader *reader, const char *data, Size length, uint32 n)
{
	const TsColumn *column = &reader->column;
	TsCodecType type = codec_type(column);

	if (reader->numbers_open)
	{
		if (reader->histograms == NULL)
			reader->histograms = ts_histogram_columns_create(&reader->allocator);
		if (reader->histograms == NULL)
			return checked(reader, reader->values, TS_ERR_MEMORY);
		return checked_histograms(
			reader, ts_histogram_columns_open(reader->histograms, (const uint8_t *) data,
											  length, n));
	}
	return open_codec(reader, type, type == TS_CODEC_FIXED ? (uint32) column->length : 0,
					  data, length, n);
}

/* What every way of opening begins with: what was open is closed. */
static TsErrorCode
start_open(TsColumnReader *reader, uint32 n)
{
	reader->open = false;
	reader->all_null = false;
	reader->some_null = false;
	reader->numbers_open = false;
	reader->problem = NULL;
	reader->n = n;
	if (n > TS_CODEC_MAX_VALUES)
		return damaged(reader, "too many rows for a column");
	return TS_OK;
}

TsErrorCode
ts_column_open(TsColumnReader *reader, const TsColumn *column, const char *data,
			   Size length, uint32 n)
{
	const char *end = data + length;
	TsErrorCode code = start_open(reader, n);

	if (code != TS_OK)
		return code;
	reader->column = *column;
	reader->all_null = length == 0;
	if (length > 0)
	{
		uint8 flag = (uint8) *data++;

		if (flag > (column->kind == TS_COLUMN_HISTOGRAM ? PIECE_NULLS | PIECE_NUMBERS
														: PIECE_NULLS))
			return damaged(reader, "unknown form of a piece");
		reader->some_null = (flag & PIECE_NULLS) != 0;
		reader->numbers_open = (flag & PIECE_NUMBERS) != 0;
		if (reader->some_null)
			code = open_nulls(reader, &data, end, n);
		if (code == TS_OK)
			code = open_values(reader, data, (Size) (end - data), n);
	}
	reader->open = code == TS_OK;
	return code;
}

/* A column that is none of a table's. */
static TsErrorCode
open_plain(TsColumnReader *reader, TsCodecType type, const char *data, Size length,
		   uint32 n)
{
	TsErrorCode code = start_open(reader, n);

	if (code == TS_OK)
		code = open_codec(reader, type, 0, data, length, n);
	reader->column.kind = TS_COLUMN_NONE;
	reader->open = code == TS_OK;
	return code;
}

TsErrorCode
ts_column_open_times(TsColumnReader *reader, const char *data, Size length, uint32 n)
{
	return open_plain(reader, TS_CODEC_TIME, data, length, n);
}

TsErrorCode
ts_column_open_ints(TsColumnReader *reader, const char *data, Size length, uint32 n)
{
	return open_plain(reader, TS_CODEC_INT, data, length, n);
}

TsErrorCode
ts_column_decode_ints(TsColumnReader *reader, uint32 first, uint32 count, int64 *values)
{
	Assert(reader->open && reader->column.kind == TS_COLUMN_NONE);
	return checked(reader, reader->values,
				   ts_codec_decode_int(reader->values, first, count, values));
}

/* ---- values passed by value ---- */

static TsErrorCode
decode_nulls(TsColumnReader *reader, uint32 first, uint32 count, uint32 rows, bool *nulls,
			 bool *has_nulls)
{
	uint64 *bits = column_scratch(reader->context, &reader->bits,
								  (Size) count * TS_CODEC_VECTOR / 64 * sizeof(uint64));
	uint64 any = 0;
	TsErrorCode code;

	code = checked(reader, reader->nulls,
				   ts_codec_decode_bits(reader->nulls, first, count, bits));
	if (code != TS_OK)
		return code;
	for (uint32 i = 0; i < rows; i += 64)
	{
		uint64 word = bits[i / 64];
		uint32 end = Min(rows - i, 64);

		any |= word;
		for (uint32 k = 0; k < end; k++)
			nulls[i + k] = (word >> k) & 1;
	}
	*has_nulls = any != 0;
	return TS_OK;
}

static TsErrorCode
decode_floats(TsColumnReader *reader, uint32 first, uint32 count, uint32 rows,
			  Datum *values)
{
	float4 *floats = column_scratch(reader->context, &reader->numbers,
									rows * sizeof(float4));
	TsErrorCode code;

	code = checked(reader, reader->values,
				   ts_codec_decode_float4(reader->values, first, count, floats));
	if (code != TS_OK)
		return code;
	for (uint32 i = 0; i < rows; i++)
	{
		int32 bits;

		memcpy(&bits, &floats[i], sizeof(bits));
		values[i] = Int32GetDatum(bits);
	}
	return TS_OK;
}

/* Integers become Datums as when they are fetched from a heap's tuple. */
static TsErrorCode
decode_integers(TsColumnReader *reader, uint32 first, uint32 count, uint32 rows,
				Datum *values)
{
	int64 *ints = (int64 *) values;
	int64 wrong = 0;
	TsErrorCode code;

	code = checked(reader, reader->values,
				   ts_codec_decode_int(reader->values, first, count, ints));
	if (code != TS_OK)
		return code;
	switch (reader->column.length)
	{
		case sizeof(int8):
			for (uint32 i = 0; i < rows; i++)
			{
				wrong |= ints[i] ^ (int8) ints[i];
				values[i] = CharGetDatum((char) ints[i]);
			}
			break;
		case sizeof(int16):
			for (uint32 i = 0; i < rows; i++)
			{
				wrong |= ints[i] ^ (int16) ints[i];
				values[i] = Int16GetDatum((int16) ints[i]);
			}
			break;
		case sizeof(int32):
			for (uint32 i = 0; i < rows; i++)
			{
				wrong |= ints[i] ^ (int32) ints[i];
				values[i] = Int32GetDatum((int32) ints[i]);
			}
			break;
		case sizeof(int64):
			break;
		default:
			elog(ERROR, "unexpected width %d of a type passed by value",
				 reader->column.length);
	}
	return wrong == 0 ? TS_OK : damaged(reader, "an integer exceeds its type");
}

/* ---- values by reference ---- */

static TsErrorCode
decode_fixed(TsColumnReader *reader, uint32 first, uint32 count, uint32 rows,
			 Datum *values, MemoryContext context)
{
	Size width = (Size) reader->column.length;
	Size stride = att_align_nominal(width, reader->column.align);
	char *data = MemoryContextAllocHuge(context, rows * stride);
	TsErrorCode code;

	code = checked(reader, reader->values,
				   ts_codec_decode_fixed(reader->values, first, count, data));
	if (code != TS_OK)
		return code;
	/* backwards, as values move up to where their type wants them */
	for (uint32 i = rows; i-- > 0;)
	{
		char *value = data + i * stride;

		if (stride != width)
			memmove(value, data + i * width, width);
		values[i] = PointerGetDatum(value);
	}
	return TS_OK;
}

/*
 * Bytes that a value takes in memory, with header and padding; 0: it is damaged.
 */
static Size
value_room(const TsColumn *column, Size size)
{
	switch ((TsColumnKind) column->kind)
	{
		case TS_COLUMN_VARLENA:
		case TS_COLUMN_HISTOGRAM:
			return size <= MaxAllocSize - VARHDRSZ ? MAXALIGN(size + VARHDRSZ) : 0;
		case TS_COLUMN_CSTRING:
			return size < MaxAllocSize ? size + 1 : 0;
		case TS_COLUMN_FIXED:
			return size == (Size) column->length ? MAXALIGN(size) : 0;
		case TS_COLUMN_NONE:
		case TS_COLUMN_FLOAT8:
		case TS_COLUMN_FLOAT4:
		case TS_COLUMN_INT:
			break;
	}
	elog(ERROR, "unexpected kind %d of a column by reference", column->kind);
}

/* Writes a value's form in memory. */
static void
put_value(const TsColumn *column, const TsCodecBytes *bytes, char *to)
{
	if (column_is_varlena(column))
	{
		SET_VARSIZE(to, bytes->size + VARHDRSZ);
		to = VARDATA(to);
	}
	if (bytes->size > 0)
		memcpy(to, bytes->data, bytes->size);
	if (column->kind == TS_COLUMN_CSTRING)
		to[bytes->size] = '\0';
}

static inline bool
same_place(const TsCodecBytes *a, const TsCodecBytes *b)
{
	return a->data == b->data && a->size == b->size;
}

/* nulls: NULL if none is. Only what is not null is looked at. */
static TsErrorCode
decode_bytes(TsColumnReader *reader, uint32 first, uint32 count, uint32 rows,
			 const bool *nulls, Datum *values, MemoryContext context)
{
	const TsColumn *column = &reader->column;
	TsCodecBytes *bytes = column_scratch(reader->context, &reader->numbers,
										 rows * sizeof(TsCodecBytes));
	const TsCodecBytes *last = NULL;
	Size total = 0;
	Size room = 0;
	char *next;
	TsErrorCode code;

	if (reader->numbers_open)
		code = checked_histograms(
			reader, ts_histogram_columns_decode(reader->histograms, reader->values, first,
												count, bytes));
	else
		code = checked(reader, reader->values,
					   ts_codec_decode_bytes(reader->values, first, count, bytes));
	if (code != TS_OK)
		return code;
	for (uint32 i = 0; i < rows; i++)
	{
		if ((nulls != NULL && nulls[i]) || (last != NULL && same_place(last, &bytes[i])))
			continue;
		last = &bytes[i];
		room = value_room(column, last->size);
		total += room;
		if (room == 0 || last->size > TS_CODEC_MAX_BYTES)
			return damaged(reader, "the size of a value does not fit its type");
	}
	if (last == NULL)
		return TS_OK;
	if (total > (Size) TS_CODEC_MAX_BYTES + rows * (Size) (MAXIMUM_ALIGNOF + VARHDRSZ))
		return damaged(reader, "the values of a column are too large");

	next = MemoryContextAllocHuge(context, total);
	last = NULL;
	for (uint32 i = 0; i < rows; i++)
	{
		if (nulls != NULL && nulls[i])
			continue;
		if (last == NULL || !same_place(last, &bytes[i]))
		{
			last = &bytes[i];
			room = value_room(column, last->size);
			put_value(column, last, next);
			next += room;
		}
		values[i] = PointerGetDatum(next - room);
	}
	return TS_OK;
}

/* ---- vectors ---- */

TsErrorCode
ts_column_decode(TsColumnReader *reader, uint32 first, uint32 count, Datum *values,
				 bool *nulls, bool *has_nulls, MemoryContext context)
{
	uint32 begin = first * TS_CODEC_VECTOR;
	uint32 rows;
	TsErrorCode code = TS_OK;

	Assert(reader->open && reader->column.kind != TS_COLUMN_NONE);
	Assert(first + count <= ts_codec_vectors(reader->n));
	*has_nulls = false;
	if (count == 0)
		return TS_OK;
	rows = Min(count * TS_CODEC_VECTOR, reader->n - begin);
	if (reader->all_null)
	{
		memset(values, 0, rows * sizeof(Datum));
		memset(nulls, true, rows);
		*has_nulls = true;
		return TS_OK;
	}
	if (reader->some_null)
		code = decode_nulls(reader, first, count, rows, nulls, has_nulls);
	else
		memset(nulls, false, rows);
	if (code != TS_OK)
		return code;

	switch ((TsColumnKind) reader->column.kind)
	{
		case TS_COLUMN_FLOAT8:
			code = checked(
				reader, reader->values,
				ts_codec_decode_float8(reader->values, first, count, (double *) values));
			break;
		case TS_COLUMN_FLOAT4:
			code = decode_floats(reader, first, count, rows, values);
			break;
		case TS_COLUMN_INT:
			code = decode_integers(reader, first, count, rows, values);
			break;
		case TS_COLUMN_FIXED:
		case TS_COLUMN_VARLENA:
		case TS_COLUMN_CSTRING:
		case TS_COLUMN_HISTOGRAM:
			if (column_is_bytes(&reader->column))
				code = decode_bytes(reader, first, count, rows, *has_nulls ? nulls : NULL,
									values, context);
			else
				code = decode_fixed(reader, first, count, rows, values, context);
			break;
		case TS_COLUMN_NONE:
			elog(ERROR, "unexpected kind %d of a column", reader->column.kind);
	}
	for (uint32 i = 0; i < rows && *has_nulls; i++)
	{
		if (nulls[i])
			values[i] = (Datum) 0;
	}
	return code;
}
