/*
 * histogram_columns_write.c
 *	  Histograms to columns of numbers; histogram_columns_format.h specifies the bytes.
 */
#include <assert.h>

#include "histogram_layouts.h"
#include "ts_histogram_columns.h"

/* Fewer histograms than these are not worth the columns. */
#define MIN_HISTOGRAMS 3

/* Numbers of buckets that are held at a time. */
#define MAX_NUMBERS (16 * 1024 * 1024)

typedef struct ColumnsWriter
{
	TsArena arena;
	TsCodecEncoder *encoder;
	uint32_t n;
	HistogramLayouts layouts;
	HistogramSplit *splits; /* of each row; a null's is that of a row beside it */
	int64_t *layout_of;
	double *counts;
	double *zeroes;
	size_t *numbers_at; /* where in numbers the buckets of a row are */
	double *numbers;
	double *column;
	uint8_t *scratch; /* a column's bytes */
	uint8_t *out;
	size_t room;
	size_t length;
} ColumnsWriter;

/* ---- what there is ---- */

static bool
same_layout(const HistogramSplit *a, const HistogramSplit *b)
{
	return a->schema == b->schema &&
		   ((a->flags ^ b->flags) & HISTOGRAM_LAYOUT_FLAGS) == 0 &&
		   a->layout_size == b->layout_size &&
		   memcmp(a->layout, b->layout, a->layout_size) == 0;
}

/* Finds or adds the layout of a row. `like` is another row of each layout. */
static TsErrorCode
find_layout(ColumnsWriter *w, uint32_t row, const HistogramSplit **like)
{
	HistogramLayouts *layouts = &w->layouts;
	HistogramSplit split = w->splits[row];
	uint32_t i = row > 0 ? (uint32_t) w->layout_of[row - 1] : 0;

	if (layouts->n == 0 || !same_layout(like[i], &split))
	{
		for (i = 0; i < layouts->n && !same_layout(like[i], &split); i++)
			;
	}
	if (i == layouts->n)
	{
		TsErrorCode code;

		split.flags &= HISTOGRAM_LAYOUT_FLAGS;
		code = histogram_layouts_add(layouts, &w->arena, &split);
		if (code != TS_OK)
			return code;
		like[i] = &w->splits[row];
	}
	w->layout_of[row] = i;
	return TS_OK;
}

/* Cuts all payloads and finds their layouts. TS_ERR_INVALID, _LIMIT: not for this form. */
static TsErrorCode
split_rows(ColumnsWriter *w, const TsCodecBytes *payloads, const bool *nulls)
{
	const HistogramSplit *like[HISTOGRAM_COLUMNS_LAYOUTS];
	TsErrorCode code = TS_OK;
	uint32_t first = 0;
	uint32_t present = 0;

	while (nulls && first < w->n && nulls[first])
		first++;
	if (first == w->n)
		return TS_ERR_LIMIT;
	for (uint32_t k = 0; k < w->n && code == TS_OK; k++)
	{
		/* Nulls before the first row are as that one, others as the row before. */
		uint32_t from = k < first ? first : k;

		if (nulls && nulls[from])
		{
			w->splits[k] = w->splits[k - 1];
			w->layout_of[k] = w->layout_of[k - 1];
			continue;
		}
		present += from == k;
		if (!histogram_split(payloads[from].data, payloads[from].size,
							 k > 0 ? &w->splits[k - 1] : NULL, &w->splits[k]))
			return TS_ERR_INVALID;
		code = find_layout(w, k, like);
	}
	return code == TS_OK && present < MIN_HISTOGRAMS ? TS_ERR_LIMIT : code;
}

/* A histogram with the numbers of a row, to look at: in the space of its layout. */
static const TsHistogram *
row_histogram(ColumnsWriter *w, uint32_t row)
{
	HistogramRoom *room = &w->layouts.rooms[w->layout_of[row]];
	const double *numbers = w->numbers + w->numbers_at[row];

	room->h->count = w->counts[row];
	room->h->zero_count = w->zeroes[row];
	if (room->h->npositive > 0)
		memcpy(room->counts[0], numbers, room->h->npositive * sizeof(double));
	if (room->h->nnegative > 0)
		memcpy(room->counts[1], numbers + room->h->npositive,
			   room->h->nnegative * sizeof(double));
	return room->h;
}

/* Reads the numbers of all rows. */
static TsErrorCode
read_numbers(ColumnsWriter *w)
{
	size_t total = 0;

	for (uint32_t i = 0; i < w->n; i++)
	{
		w->numbers_at[i] = total;
		total += w->splits[i].nbuckets;
	}
	/* Else most of what the columns hold would be there for nothing. */
	if (total > MAX_NUMBERS || (uint64_t) w->layouts.ncolumns * w->n > 2 * total + w->n)
		return TS_ERR_LIMIT;
	w->numbers = ts_arena_alloc(&w->arena, (total > 0 ? total : 1) * sizeof(double));
	if (w->numbers == NULL)
		return TS_ERR_MEMORY;
	for (uint32_t i = 0; i < w->n; i++)
	{
		if (!histogram_split_counts(&w->splits[i], &w->counts[i], &w->zeroes[i],
									w->numbers + w->numbers_at[i]) ||
			!histogram_counts_fit(row_histogram(w, i)))
			return TS_ERR_INVALID;
	}
	return TS_OK;
}

/* ---- writing ---- */

/* False: there is no room left. */
static bool
put_bytes(ColumnsWriter *w, const void *bytes, size_t size)
{
	if (size > w->room - w->length)
		return false;
	memcpy(w->out + w->length, bytes, size);
	w->length += size;
	return true;
}

static bool
put_varint(ColumnsWriter *w, size_t value)
{
	uint8_t bytes[10];
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (uint8_t) (value | 0x80);
	bytes[n++] = (uint8_t) value;
	return put_bytes(w, bytes, n);
}

/* An encoded column in scratch, or why it is not there. */
static TsErrorCode
put_column(ColumnsWriter *w, TsErrorCode code, size_t length)
{
	if (code == TS_OK && !(put_varint(w, length) && put_bytes(w, w->scratch, length)))
		code = TS_ERR_LIMIT;
	return code;
}

static TsErrorCode
put_doubles(ColumnsWriter *w, const double *values)
{
	size_t length = 0;
	TsErrorCode code = ts_codec_encode_float8(w->encoder, values, w->n, w->scratch,
											  &length);

	return put_column(w, code, length);
}

static TsErrorCode
put_ints(ColumnsWriter *w, const int64_t *values)
{
	size_t length = 0;
	TsErrorCode code = ts_codec_encode_int(w->encoder, values, w->n, w->scratch, &length);

	return put_column(w, code, length);
}

static bool
put_layouts(ColumnsWriter *w)
{
	HistogramLayouts *layouts = &w->layouts;
	uint32_t written = 0;
	bool done = put_varint(w, layouts->n);

	for (uint32_t i = 0; i < w->n && written < layouts->n && done; i++)
	{
		const HistogramSplit *split = &w->splits[i];
		uint8_t start[2] = {split->flags & HISTOGRAM_LAYOUT_FLAGS,
							(uint8_t) (int8_t) split->schema};

		if (w->layout_of[i] < written)
			continue;
		assert(w->layout_of[i] == written);
		done = put_varint(w, sizeof(start) + split->layout_size) &&
			   put_bytes(w, start, sizeof(start)) &&
			   put_bytes(w, split->layout, split->layout_size);
		written++;
	}
	return done;
}

/* Count less all buckets; false if some number is not whole, or too large to be exact. */
static bool
residuals(ColumnsWriter *w)
{
	for (uint32_t i = 0; i < w->n; i++)
	{
		double total = w->zeroes[i];

		if (!(w->splits[i].flags & HISTOGRAM_WHOLE))
			return false;
		for (uint32_t k = 0; k < w->splits[i].nbuckets; k++)
			total += w->numbers[w->numbers_at[i] + k];
		if (total >= 0x1p53)
			return false;
		w->column[i] = w->counts[i] - total;
	}
	return true;
}

static TsErrorCode
put_numbers(ColumnsWriter *w)
{
	int64_t *hints = (int64_t *) w->column;
	TsErrorCode code = put_ints(w, w->layout_of);

	for (uint32_t i = 0; i < w->n; i++)
		hints[i] = (w->splits[i].flags & HISTOGRAM_HINT) >> HISTOGRAM_HINT_SHIFT;
	if (code == TS_OK)
		code = put_ints(w, hints);
	for (uint32_t i = 0; i < w->n; i++)
		w->column[i] = w->splits[i].sum;
	if (code == TS_OK)
		code = put_doubles(w, w->column);
	if (code == TS_OK && residuals(w))
	{
		w->out[0] |= HISTOGRAM_COLUMNS_RESIDUAL;
		code = put_doubles(w, w->column);
	}
	else if (code == TS_OK)
		code = put_doubles(w, w->counts);
	return code == TS_OK ? put_doubles(w, w->zeroes) : code;
}

/*
 * The columns of the buckets. A row without the bucket repeats the last one that had it,
 * those before the first one that first.
 */
static TsErrorCode
put_buckets(ColumnsWriter *w)
{
	HistogramLayouts *layouts = &w->layouts;
	/* The next bucket of each layout: its columns ascend. */
	uint32_t next[HISTOGRAM_COLUMNS_LAYOUTS] = {0};
	TsErrorCode code = TS_OK;

	for (uint32_t column = 0; column < layouts->ncolumns && code == TS_OK; column++)
	{
		bool has[HISTOGRAM_COLUMNS_LAYOUTS];
		uint32_t begin = 0;
		double last = 0;

		for (uint32_t i = 0; i < layouts->n; i++)
			has[i] = next[i] < histogram_buckets_of(layouts->rooms[i].h) &&
					 layouts->columns[i][next[i]] == column;
		while (begin < w->n && !has[w->layout_of[begin]])
			begin++;
		for (uint32_t i = begin; i < w->n; i++)
		{
			if (has[w->layout_of[i]])
				last = w->numbers[w->numbers_at[i] + next[w->layout_of[i]]];
			w->column[i] = last;
		}
		for (uint32_t i = 0; i < begin && begin < w->n; i++)
			w->column[i] = w->column[begin];
		for (uint32_t i = 0; i < layouts->n; i++)
			next[i] += has[i];
		code = put_doubles(w, w->column);
	}
	return code;
}

static TsErrorCode
write_columns(ColumnsWriter *w, const TsCodecBytes *payloads, const bool *nulls)
{
	TsErrorCode code = split_rows(w, payloads, nulls);
	const uint8_t flags = 0; /* put_numbers() knows them */

	if (code == TS_OK)
		code = histogram_layouts_join(&w->layouts, &w->arena);
	if (code == TS_OK)
		code = read_numbers(w);
	if (code != TS_OK)
		return code;
	if (!put_bytes(w, &flags, 1) || !put_layouts(w))
		return TS_ERR_LIMIT;
	code = put_numbers(w);
	return code == TS_OK ? put_buckets(w) : code;
}

static bool
make_space(ColumnsWriter *w)
{
	size_t n = w->n;

	w->splits = ts_arena_alloc(&w->arena, n * sizeof(HistogramSplit));
	w->layout_of = ts_arena_alloc(&w->arena, n * sizeof(int64_t));
	w->counts = ts_arena_alloc(&w->arena, n * sizeof(double));
	w->zeroes = ts_arena_alloc(&w->arena, n * sizeof(double));
	w->numbers_at = ts_arena_alloc(&w->arena, n * sizeof(size_t));
	w->column = ts_arena_alloc(&w->arena, n * sizeof(double));
	w->scratch = ts_arena_alloc(&w->arena, ts_codec_number_bound(w->n));
	return w->splits && w->layout_of && w->counts && w->zeroes && w->numbers_at &&
		   w->column && w->scratch;
}

TsErrorCode
ts_histogram_columns_encode(TsCodecEncoder *encoder, const TsAllocator *allocator,
							const TsCodecBytes *payloads, const bool *nulls, uint32_t n,
							uint8_t *out, size_t room, size_t *length)
{
	ColumnsWriter *w;
	TsErrorCode code;

	*length = 0;
	if (n < MIN_HISTOGRAMS)
		return TS_OK;
	w = allocator->alloc(allocator->ctx, sizeof(*w));
	if (w == NULL)
		return TS_ERR_MEMORY;
	memset(w, 0, sizeof(*w));
	ts_arena_init(&w->arena, allocator, SIZE_MAX);
	w->encoder = encoder;
	w->n = n;
	w->out = out;
	w->room = room;
	code = make_space(w) ? write_columns(w, payloads, nulls) : TS_ERR_MEMORY;
	if (code == TS_OK)
		*length = w->length;
	ts_arena_free(&w->arena);
	allocator->free(allocator->ctx, w);
	return code == TS_ERR_MEMORY ? code : TS_OK;
}
