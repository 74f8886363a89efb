/*
 * column_write.c
 *	  Vectors of Datums to pieces; column_format.h specifies the bytes.
 *
 * A piece is written straight to the end of the caller's buffer, which is enlarged by
 * the bounds of its parts; it counts as there only when it is complete, so an error
 * leaves the buffer as it was.
 *
 * The encoder lives in the writer's own context and not in a child of it, because a
 * context's reset callbacks run after its children are gone.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "column_format.h"
#include "column_scratch.h"
#include "column_stats.h"
#include "ts_column.h"
#include "ts_histogram_columns.h"
#include "ts_report.h"

/* Repeats of one value in the place of nulls may take so much of the encoder's input. */
#define REPEATS_MAX (1024 * 1024)

struct TsColumnWriter
{
	MemoryContext context;
	MemoryContextCallback callback;
	TsAllocator allocator;
	TsCodecEncoder *encoder;
	ColumnScratch filled;  /* Datums, where nulls repeat others */
	ColumnScratch present; /* Datums, without nulls */
	ColumnScratch numbers; /* values as the codec wants them, of whatever kind */
	ColumnScratch bits;
	ColumnScratch histograms; /* as columns of their numbers */
};

static void
free_encoder(void *arg)
{
	ts_codec_encoder_free(((TsColumnWriter *) arg)->encoder);
}

TsColumnWriter *
ts_column_writer_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "mytsdb column writer",
												  ALLOCSET_SMALL_SIZES);
	TsColumnWriter *writer = MemoryContextAllocZero(context, sizeof(TsColumnWriter));

	writer->context = context;
	writer->allocator = ts_context_allocator(context);
	writer->callback.func = free_encoder;
	writer->callback.arg = writer;
	MemoryContextRegisterResetCallback(context, &writer->callback);
	writer->encoder = ts_codec_encoder_create(&writer->allocator);
	if (writer->encoder == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return writer;
}

void
ts_column_writer_free(TsColumnWriter *writer)
{
	MemoryContextDelete(writer->context);
}

/* ---- what surely suffices ---- */

Size
ts_column_data_size(const TsColumn *column, Datum value)
{
	switch ((TsColumnKind) column->kind)
	{
		case TS_COLUMN_FIXED:
			return (Size) column->length;
		case TS_COLUMN_VARLENA:
		case TS_COLUMN_HISTOGRAM:
			return VARSIZE_ANY_EXHDR(DatumGetPointer(value));
		case TS_COLUMN_CSTRING:
			return strlen(DatumGetCString(value));
		case TS_COLUMN_NONE:
		case TS_COLUMN_FLOAT8:
		case TS_COLUMN_FLOAT4:
		case TS_COLUMN_INT:
			break;
	}
	return 0;
}

static Size
values_bound(const TsColumn *column, uint32 n, Size bytes)
{
	if (column_is_bytes(column))
		return ts_codec_bytes_bound(n, bytes);
	if (column->kind == TS_COLUMN_FIXED)
		return ts_codec_fixed_bound(n, (uint32) column->length);
	return ts_codec_number_bound(n);
}

Size
ts_column_bound(const TsColumn *column, uint32 n, Size bytes)
{
	return 1 + PIECE_VARINT_MAX + ts_codec_bits_bound(n) + values_bound(column, n, bytes);
}

/* Room for a column of up to `bound` bytes at out's offset `at`. */
static uint8 *
reserve_out(StringInfo out, Size at, Size bound)
{
	Assert(at >= (Size) out->len);
	if (bound >= MaxAllocSize || at + bound >= MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("values of a column are too large to be stored together"),
						errdetail("They may take %zu bytes.", bound),
						errhint("Store smaller values, or several rows or columns.")));
	enlargeStringInfo(out, (int) (at + bound - (Size) out->len));
	return (uint8 *) out->data + at;
}

/* Raises what an encoder reported. */
static void
check_encoded(TsErrorCode code)
{
	if (code == TS_OK)
		return;
	if (code == TS_ERR_MEMORY)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("a column is too large to be stored"),
					errdetail("At most %d values and %d bytes can be stored together.",
							  TS_CODEC_MAX_VALUES, TS_CODEC_MAX_BYTES)));
}

static void
finish_out(StringInfo out, Size length)
{
	Assert(length < (Size) out->maxlen);
	out->len = (int) length;
	out->data[length] = '\0';
}

/* ---- nulls ---- */

static uint32
count_nulls(const bool *nulls, uint32 n)
{
	uint32 count = 0;

	if (nulls == NULL || n == 0 || memchr(nulls, true, n) == NULL)
		return 0;
	for (uint32 i = 0; i < n; i++)
		count += nulls[i];
	return count;
}

/* The values that are not null. */
static const Datum *
drop_nulls(TsColumnWriter *writer, const Datum *values, const bool *nulls, uint32 n)
{
	Datum *present = column_scratch(writer->context, &writer->present, n * sizeof(Datum));
	uint32 count = 0;

	for (uint32 i = 0; i < n; i++)
	{
		present[count] = values[i];
		count += !nulls[i];
	}
	return present;
}

/* The values with the one before in the place of each null; one at least is not null. */
static const Datum *
fill_nulls(TsColumnWriter *writer, const Datum *values, const bool *nulls, uint32 n)
{
	Datum *filled = column_scratch(writer->context, &writer->filled, n * sizeof(Datum));
	const bool *first = memchr(nulls, false, n);
	Datum last;

	Assert(first != NULL);
	last = values[first - nulls];
	for (uint32 i = 0; i < n; i++)
	{
		if (!nulls[i])
			last = values[i];
		filled[i] = last;
	}
	return filled;
}

/* Writes the bits column of nulls and its length at out's offset `at`; returns its end. */
static Size
write_nulls(TsColumnWriter *writer, const bool *nulls, uint32 n, StringInfo out, Size at)
{
	Size words = (n + 63) / 64;
	uint64 *bits = column_scratch(writer->context, &writer->bits,
								  words * sizeof(uint64) + ts_codec_bits_bound(n));
	uint8 *column = (uint8 *) (bits + words);
	size_t length;
	uint8 *p;

	memset(bits, 0, words * sizeof(uint64));
	for (uint32 i = 0; i < n; i++)
		bits[i / 64] |= (uint64) nulls[i] << (i % 64);
	check_encoded(ts_codec_encode_bits(writer->encoder, bits, n, column, &length));
	p = reserve_out(out, at, PIECE_VARINT_MAX + length);
	for (size_t left = length;; left >>= 7)
	{
		*p++ = (uint8) ((left & 0x7F) | (left > 0x7F ? 0x80 : 0));
		if (left <= 0x7F)
			break;
	}
	memcpy(p, column, length);
	return (Size) (p - (uint8 *) out->data) + length;
}

/* ---- numbers ---- */

/* Integers of a column's width out of Datums, whatever their other bits are. */
static const int64 *
widen_ints(TsColumnWriter *writer, const TsColumn *column, const Datum *values, uint32 n)
{
	int64 *ints;

	if (column->length == sizeof(int64))
		return (const int64 *) values;
	ints = column_scratch(writer->context, &writer->numbers, n * sizeof(int64));
	switch (column->length)
	{
		case sizeof(int8):
			for (uint32 i = 0; i < n; i++)
				ints[i] = (int8) values[i];
			break;
		case sizeof(int16):
			for (uint32 i = 0; i < n; i++)
				ints[i] = (int16) values[i];
			break;
		case sizeof(int32):
			for (uint32 i = 0; i < n; i++)
				ints[i] = (int32) values[i];
			break;
		default:
			elog(ERROR, "unexpected width %d of a type passed by value", column->length);
	}
	return ints;
}

static const float4 *
narrow_floats(TsColumnWriter *writer, const Datum *values, uint32 n)
{
	float4 *floats = column_scratch(writer->context, &writer->numbers,
									n * sizeof(float4));

	/* as bits: a conversion would quiet signalling NaNs on some machines */
	for (uint32 i = 0; i < n; i++)
	{
		int32 bits = DatumGetInt32(values[i]);

		memcpy(&floats[i], &bits, sizeof(bits));
	}
	return floats;
}

/* n values, none of them null. */
static void
measure(TsColumnWriter *writer, const TsColumn *column, const Datum *values, uint32 n,
		TsColumnStats *stats)
{
	double *doubles;

	switch ((TsColumnKind) column->kind)
	{
		case TS_COLUMN_FLOAT8:
			column_stats_floats((const double *) values, n, false, stats);
			break;
		case TS_COLUMN_FLOAT4:
			doubles = column_scratch(writer->context, &writer->numbers,
									 n * sizeof(double));
			for (uint32 i = 0; i < n; i++)
				doubles[i] = DatumGetFloat4(values[i]);
			column_stats_floats(doubles, n, true, stats);
			break;
		case TS_COLUMN_INT:
			column_stats_ints(widen_ints(writer, column, values, n), n, stats);
			break;
		case TS_COLUMN_NONE:
		case TS_COLUMN_FIXED:
		case TS_COLUMN_VARLENA:
		case TS_COLUMN_CSTRING:
		case TS_COLUMN_HISTOGRAM:
			elog(ERROR, "unexpected kind %d of a summed column", column->kind);
	}
}

/* ---- values by reference ---- */

/* The values one after the other. */
static const void *
join_fixed(TsColumnWriter *writer, Size width, const Datum *values, uint32 n)
{
	char *joined = column_scratch(writer->context, &writer->numbers, n * width);
	char *p = joined;

	for (uint32 i = 0; i < n; i++, p += width)
		memcpy(p, DatumGetPointer(values[i]), width);
	return joined;
}

static TsCodecBytes
value_bytes(const TsColumn *column, Datum value)
{
	TsCodecBytes bytes;

	bytes.size = (uint32) ts_column_data_size(column, value);
	bytes.data = (const uint8 *) DatumGetPointer(value);
	if (column_is_varlena(column))
	{
		Assert(!VARATT_IS_EXTERNAL(bytes.data) && !VARATT_IS_COMPRESSED(bytes.data));
		bytes.data = (const uint8 *) VARDATA_ANY(bytes.data);
	}
	return bytes;
}

/*
 * The values' bytes, and the sum of their sizes in *total. Nulls get the one value there
 * is, if there is just one, and else none.
 */
static const TsCodecBytes *
view_bytes(TsColumnWriter *writer, const TsColumn *column, const Datum *values,
		   const bool *nulls, uint32 n, Size *total)
{
	TsCodecBytes *views = column_scratch(writer->context, &writer->numbers,
										 n * sizeof(TsCodecBytes));
	TsCodecBytes filler = {(const uint8 *) "", 0};
	const TsCodecBytes *first = NULL;
	bool same = true;

	*total = 0;
	for (uint32 i = 0; i < n; i++)
	{
		if (nulls != NULL && nulls[i])
		{
			views[i] = filler;
			continue;
		}
		views[i] = value_bytes(column, values[i]);
		*total += views[i].size;
		if (first == NULL)
			first = &views[i];
		else if (same && nulls != NULL)
			same = views[i].size == first->size &&
				   memcmp(views[i].data, first->data, first->size) == 0;
	}
	if (nulls == NULL || !same || (Size) first->size * n > REPEATS_MAX)
		return views;
	filler = *first;
	for (uint32 i = 0; i < n; i++)
		views[i] = filler;
	*total = (Size) filler.size * n;
	return views;
}

/* ---- pieces ---- */

/* Encodes values that are not of varying size, none of them null. */
static TsErrorCode
encode_plain(TsColumnWriter *writer, const TsColumn *column, const Datum *values,
			 uint32 n, uint8 *to, size_t *length)
{
	TsCodecEncoder *encoder = writer->encoder;

	switch ((TsColumnKind) column->kind)
	{
		case TS_COLUMN_FLOAT8:
			return ts_codec_encode_float8(encoder, (const double *) values, n, to,
										  length);
		case TS_COLUMN_FLOAT4:
			return ts_codec_encode_float4(encoder, narrow_floats(writer, values, n), n,
										  to, length);
		case TS_COLUMN_INT:
			return ts_codec_encode_int(encoder, widen_ints(writer, column, values, n), n,
									   to, length);
		case TS_COLUMN_FIXED:
			return ts_codec_encode_fixed(
				encoder, join_fixed(writer, (Size) column->length, values, n),
				(uint32) column->length, n, to, length);
		case TS_COLUMN_NONE:
		case TS_COLUMN_VARLENA:
		case TS_COLUMN_CSTRING:
		case TS_COLUMN_HISTOGRAM:
			break;
	}
	elog(ERROR, "unexpected kind %d of a column", column->kind);
}

/*
 * Writes values of varying size at out's offset `at`, and their length to *length. A column of
 * histograms is tried as columns of numbers first; if these take most of the bytes that there
 * are, the shorter form of the two is taken. *numbers: it is these columns.
 */
static TsErrorCode
encode_bytes(TsColumnWriter *writer, const TsColumn *column, const Datum *values,
			 const bool *nulls, uint32 n, StringInfo out, Size at, size_t *length,
			 bool *numbers)
{
	Size total;
	const TsCodecBytes *views = view_bytes(writer, column, values, nulls, n, &total);
	uint8 *p = reserve_out(out, at, ts_codec_bytes_bound(n, total));
	uint8 *columns = NULL;
	size_t columns_length = 0;
	TsErrorCode code = TS_OK;

	if (column->kind == TS_COLUMN_HISTOGRAM)
	{
		columns = column_scratch(writer->context, &writer->histograms, total);
		code = ts_histogram_columns_encode(writer->encoder, &writer->allocator, views,
										   nulls, n, columns, total, &columns_length);
	}
	*numbers = columns_length > 0;
	if (code == TS_OK && (!*numbers || columns_length > total / 2))
	{
		code = ts_codec_encode_bytes(writer->encoder, views, n, p, length);
		*numbers = *numbers && columns_length < *length;
	}
	if (code == TS_OK && *numbers)
	{
		memcpy(p, columns, columns_length);
		*length = columns_length;
	}
	return code;
}

/*
 * Writes the values at out's offset `at`; returns their end. nulls: NULL if none is. *numbers:
 * they are columns of histograms' numbers.
 */
static Size
write_values(TsColumnWriter *writer, const TsColumn *column, const Datum *values,
			 const bool *nulls, uint32 n, StringInfo out, Size at, bool *numbers)
{
	TsErrorCode code;
	size_t length;

	*numbers = false;
	if (column_is_bytes(column))
		code = encode_bytes(writer, column, values, nulls, n, out, at, &length, numbers);
	else
	{
		uint8 *p = reserve_out(out, at, values_bound(column, n, 0));

		if (nulls != NULL)
			values = fill_nulls(writer, values, nulls, n);
		code = encode_plain(writer, column, values, n, p, &length);
	}
	check_encoded(code);
	return at + length;
}

void
ts_column_encode(TsColumnWriter *writer, const TsColumn *column, const Datum *values,
				 const bool *nulls, uint32 n, StringInfo out, TsColumnStats *stats)
{
	uint32 null_count = count_nulls(nulls, n);
	Size start = (Size) out->len;
	Size end;
	bool numbers;

	if (n > TS_CODEC_MAX_VALUES)
		check_encoded(TS_ERR_LIMIT);
	if (stats != NULL)
	{
		memset(stats, 0, sizeof(*stats));
		stats->nulls = null_count;
		if (column->summed && null_count < n)
			measure(writer, column,
					null_count == 0 ? values : drop_nulls(writer, values, nulls, n),
					n - null_count, stats);
	}
	if (null_count == n)
		return;
	*reserve_out(out, start, 1) = null_count > 0 ? PIECE_NULLS : PIECE_NO_NULLS;
	end = start + 1;
	if (null_count > 0)
		end = write_nulls(writer, nulls, n, out, end);
	end = write_values(writer, column, values, null_count > 0 ? nulls : NULL, n, out, end,
					   &numbers);
	if (numbers)
		out->data[start] |= PIECE_NUMBERS;
	finish_out(out, end);
}

/* ---- columns that are none of a table's ---- */

typedef TsErrorCode (*EncodeIntegers)(TsCodecEncoder *encoder, const int64 *values,
									  uint32 n, uint8 *out, size_t *length);

static void
encode_integers(TsColumnWriter *writer, EncodeIntegers encode, const int64 *values,
				uint32 n, StringInfo out)
{
	Size start = (Size) out->len;
	uint8 *p = reserve_out(out, start, ts_codec_number_bound(n));
	size_t length;

	check_encoded(encode(writer->encoder, values, n, p, &length));
	finish_out(out, start + length);
}

void
ts_column_encode_times(TsColumnWriter *writer, const int64 *values, uint32 n,
					   StringInfo out)
{
	encode_integers(writer, ts_codec_encode_time, values, n, out);
}

void
ts_column_encode_ints(TsColumnWriter *writer, const int64 *values, uint32 n,
					  StringInfo out)
{
	encode_integers(writer, ts_codec_encode_int, values, n, out);
}
