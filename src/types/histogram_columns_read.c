/*
 * histogram_columns_read.c
 *	  Columns of numbers to histograms; histogram_columns_format.h specifies the bytes.
 *
 * Nothing in the bytes is trusted, and memory is bounded by them, by the limits of the format,
 * and, for what is decoded, by TS_CODEC_MAX_BYTES.
 */
#include <assert.h>

#include "histogram_layouts.h"
#include "ts_histogram_columns.h"

/* Numbers of so many bytes are decoded at a time, of one vector at least. */
#define NUMBERS_SIZE (2 * 1024 * 1024)

/* What a payload has beside layout and buckets, at most. */
#define PAYLOAD_START 40

typedef struct ColumnPlace
{
	const uint8_t *data;
	size_t length;
} ColumnPlace;

struct TsHistogramColumns
{
	TsAllocator allocator;
	TsArena arena; /* of what is open */
	const char *problem;
	uint32_t n;
	uint8_t flags;
	HistogramLayouts layouts;
	size_t largest_layout;
	ColumnPlace *places; /* COLUMN_BUCKETS + layouts.ncolumns */
	uint32_t vectors;    /* that are decoded at a time */
	double *numbers;     /* per column, of these vectors */
	/* payloads that were decoded */
	uint8_t *bytes;
	size_t used;
	size_t size;
};

TsHistogramColumns *
ts_histogram_columns_create(const TsAllocator *allocator)
{
	TsHistogramColumns *columns = allocator->alloc(allocator->ctx, sizeof(*columns));

	if (columns == NULL)
		return NULL;
	memset(columns, 0, sizeof(*columns));
	columns->allocator = *allocator;
	ts_arena_init(&columns->arena, allocator, SIZE_MAX);
	return columns;
}

void
ts_histogram_columns_free(TsHistogramColumns *columns)
{
	TsAllocator allocator;

	if (columns == NULL)
		return;
	allocator = columns->allocator;
	ts_arena_free(&columns->arena);
	if (columns->bytes)
		allocator.free(allocator.ctx, columns->bytes);
	allocator.free(allocator.ctx, columns);
}

const char *
ts_histogram_columns_problem(const TsHistogramColumns *columns)
{
	return columns->problem ? columns->problem : "";
}

static TsErrorCode
damaged(TsHistogramColumns *columns, const char *problem)
{
	columns->problem = problem;
	return TS_ERR_INVALID;
}

/* ---- opening ---- */

typedef struct ByteReader
{
	const uint8_t *next;
	const uint8_t *end;
} ByteReader;

/* A number of bytes that follow, and moves behind it. False: they are not there. */
static bool
take_varint(ByteReader *r, uint64_t limit, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 35; shift += 7)
	{
		uint8_t byte;

		if (r->next == r->end)
			return false;
		byte = *r->next++;
		*value |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return *value <= limit && (byte != 0 || shift == 0);
	}
	return false;
}

static bool
take_part(ByteReader *r, ColumnPlace *place)
{
	uint64_t length;

	if (!take_varint(r, (uint64_t) (r->end - r->next), &length) ||
		length > (uint64_t) (r->end - r->next))
		return false;
	place->data = r->next;
	place->length = (size_t) length;
	r->next += length;
	return true;
}

static TsErrorCode
open_layouts(TsHistogramColumns *columns, ByteReader *r)
{
	uint64_t n;
	TsErrorCode code;

	if (!take_varint(r, HISTOGRAM_COLUMNS_LAYOUTS, &n) || n == 0)
		return damaged(columns, "a wrong number of layouts of histograms");
	for (uint64_t i = 0; i < n; i++)
	{
		HistogramSplit split = {0};
		ColumnPlace place;

		if (!take_part(r, &place) || place.length < 2)
			return damaged(columns, "the layouts of histograms are cut short");
		split.flags = place.data[0];
		split.schema = (int8_t) place.data[1];
		split.layout = place.data + 2;
		split.layout_size = place.length - 2;
		if (split.layout_size > columns->largest_layout)
			columns->largest_layout = split.layout_size;
		code = histogram_layouts_add(&columns->layouts, &columns->arena, &split);
		if (code == TS_ERR_MEMORY)
			return code;
		if (code != TS_OK)
			return damaged(columns, "a damaged layout of histograms");
	}
	code = histogram_layouts_join(&columns->layouts, &columns->arena);
	if (code == TS_ERR_LIMIT)
		return damaged(columns, "the histograms of a column have too many buckets");
	return code;
}

static TsErrorCode
open_columns(TsHistogramColumns *columns, ByteReader *r)
{
	uint32_t n = COLUMN_BUCKETS + columns->layouts.ncolumns;

	columns->places = ts_arena_alloc(&columns->arena, n * sizeof(ColumnPlace));
	if (columns->places == NULL)
		return TS_ERR_MEMORY;
	for (uint32_t i = 0; i < n; i++)
	{
		if (!take_part(r, &columns->places[i]))
			return damaged(columns, "the columns of histograms are cut short");
	}
	if (r->next != r->end)
		return damaged(columns, "there are bytes behind the columns of histograms");
	columns->vectors = (uint32_t) (NUMBERS_SIZE / (n * TS_CODEC_VECTOR * sizeof(double)));
	if (columns->vectors == 0)
		columns->vectors = 1;
	if (columns->vectors > ts_codec_vectors(columns->n))
		columns->vectors = ts_codec_vectors(columns->n);
	columns->numbers = ts_arena_alloc(&columns->arena, (size_t) n * columns->vectors *
														   TS_CODEC_VECTOR *
														   sizeof(double));
	return columns->numbers ? TS_OK : TS_ERR_MEMORY;
}

TsErrorCode
ts_histogram_columns_open(TsHistogramColumns *columns, const uint8_t *data, size_t length,
						  uint32_t n)
{
	ByteReader r = {data, data + length};
	TsErrorCode code;

	ts_arena_free(&columns->arena);
	columns->layouts.n = 0;
	columns->largest_layout = 0;
	columns->problem = NULL;
	columns->n = n;
	if (length == 0 || n == 0 || (*r.next & ~HISTOGRAM_COLUMNS_RESIDUAL) != 0)
		return damaged(columns, "unknown form of a column of histograms");
	columns->flags = *r.next++;
	code = open_layouts(columns, &r);
	return code == TS_OK ? open_columns(columns, &r) : code;
}

/* ---- decoding ---- */

/* The numbers of a column, of the vectors that are being decoded. */
static double *
numbers_of(const TsHistogramColumns *columns, uint32_t column)
{
	return columns->numbers + (size_t) column * columns->vectors * TS_CODEC_VECTOR;
}

/* Decodes all columns of some vectors, at most columns->vectors of them. */
static TsErrorCode
decode_numbers(TsHistogramColumns *columns, TsCodecReader *codec, uint32_t first,
			   uint32_t count)
{
	for (uint32_t i = 0; i < COLUMN_BUCKETS + columns->layouts.ncolumns; i++)
	{
		const ColumnPlace *place = &columns->places[i];
		bool ints = i == COLUMN_LAYOUT || i == COLUMN_HINT;
		TsErrorCode code = ts_codec_open(codec, ints ? TS_CODEC_INT : TS_CODEC_FLOAT8, 0,
										 place->data, place->length, columns->n);

		if (code == TS_OK && ints)
			code = ts_codec_decode_int(codec, first, count,
									   (int64_t *) numbers_of(columns, i));
		else if (code == TS_OK)
			code = ts_codec_decode_float8(codec, first, count, numbers_of(columns, i));
		if (code == TS_ERR_MEMORY)
			return code;
		if (code != TS_OK)
			return damaged(columns, ts_codec_problem(codec));
	}
	return TS_OK;
}

/* The histogram of a row, in the space of its layout. NULL: there is none such. */
static const TsHistogram *
row_histogram(TsHistogramColumns *columns, uint32_t row)
{
	HistogramLayouts *layouts = &columns->layouts;
	int64_t layout = ((const int64_t *) numbers_of(columns, COLUMN_LAYOUT))[row];
	int64_t hint = ((const int64_t *) numbers_of(columns, COLUMN_HINT))[row];
	const uint32_t *column;
	TsHistogram *h;
	double total;

	if (layout < 0 || layout >= layouts->n || hint < 0 || hint > TS_RESET_GAUGE)
		return NULL;
	h = layouts->rooms[layout].h;
	h->hint = (TsResetHint) hint;
	h->sum = numbers_of(columns, COLUMN_SUM)[row];
	h->zero_count = numbers_of(columns, COLUMN_ZERO)[row];
	total = h->zero_count;
	column = layouts->columns[layout];
	for (int side = 0; side < 2; side++)
	{
		uint32_t n = side == 0 ? h->npositive : h->nnegative;

		for (uint32_t i = 0; i < n; i++)
		{
			double count = numbers_of(columns, COLUMN_BUCKETS + *column++)[row];

			layouts->rooms[layout].counts[side][i] = count;
			total += count;
		}
	}
	h->count = numbers_of(columns, COLUMN_COUNT)[row];
	if (columns->flags & HISTOGRAM_COLUMNS_RESIDUAL)
		h->count += total;
	return histogram_counts_fit(h) ? h : NULL;
}

static bool
make_room(TsHistogramColumns *columns, size_t size)
{
	size_t wanted = columns->used + size;
	uint8_t *larger;

	if (wanted <= columns->size)
		return true;
	wanted += wanted / 2 + 8192;
	larger = columns->allocator.alloc(columns->allocator.ctx, wanted);
	if (larger == NULL)
		return false;
	if (columns->used > 0)
		memcpy(larger, columns->bytes, columns->used);
	if (columns->bytes)
		columns->allocator.free(columns->allocator.ctx, columns->bytes);
	columns->bytes = larger;
	columns->size = wanted;
	return true;
}

/* Appends the payloads of some rows; in out are their sizes. */
static TsErrorCode
write_payloads(TsHistogramColumns *columns, uint32_t rows, TsCodecBytes *out)
{
	for (uint32_t i = 0; i < rows; i++)
	{
		const TsHistogram *h = row_histogram(columns, i);

		if (h == NULL)
			return damaged(columns, "the numbers are none of a histogram");
		if (!make_room(columns, PAYLOAD_START + columns->largest_layout +
									histogram_buckets_of(h) * sizeof(double)))
			return TS_ERR_MEMORY;
		out[i].size = (uint32_t) histogram_write(h, columns->bytes + columns->used);
		columns->used += out[i].size;
		if (columns->used > TS_CODEC_MAX_BYTES)
			return damaged(columns, "the histograms of a column are too large");
		assert(columns->used <= columns->size);
	}
	return TS_OK;
}

TsErrorCode
ts_histogram_columns_decode(TsHistogramColumns *columns, TsCodecReader *codec,
							uint32_t first, uint32_t count, TsCodecBytes *out)
{
	uint32_t done = 0;
	const uint8_t *next;

	columns->used = 0;
	while (count > 0)
	{
		uint32_t vectors = count < columns->vectors ? count : columns->vectors;
		uint32_t rows = vectors * TS_CODEC_VECTOR;
		TsErrorCode code = decode_numbers(columns, codec, first, vectors);

		if (rows > columns->n - first * TS_CODEC_VECTOR)
			rows = columns->n - first * TS_CODEC_VECTOR;
		if (code == TS_OK)
			code = write_payloads(columns, rows, out + done);
		if (code != TS_OK)
			return code;
		done += rows;
		first += vectors;
		count -= vectors;
	}
	next = columns->bytes;
	for (uint32_t i = 0; i < done; i++)
	{
		out[i].data = next;
		next += out[i].size;
	}
	return TS_OK;
}
