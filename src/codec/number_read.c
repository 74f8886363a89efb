/*
 * number_read.c
 *	  Opens columns of numbers and decodes their vectors.
 *
 * Opening walks the headers (of runs: the changes) and leaves for every vector all
 * that decoding it needs. Decoding has two steps: the integers y of the body, then
 * the values, in one loop for each source that writes where the caller wants them.
 */
#include "codec_internal.h"

#include <assert.h>
#include <stdio.h>

#define ROUNDER      6755399441055744.0 /* see decimal.c */
#define ROUNDER_BITS UINT64_C(0x4338000000000000)

/* ---- opening ---- */

static bool
open_header(NumberColumn *column, TsCodecType type, Cursor *c)
{
	uint8_t flags = get_byte(c);
	bool is_float = type == TS_CODEC_FLOAT8 || type == TS_CODEC_FLOAT4;

	column->source = flags & SOURCE_MASK;
	column->exponent = SOURCE_EXPONENT(flags);
	column->divisor = 1;
	column->slope = 0;
	if (is_float ? column->source != SOURCE_DECIMAL && column->source != SOURCE_PATTERN
				 : column->source != SOURCE_INTEGER)
		return false;
	if (column->source != SOURCE_DECIMAL && column->exponent != 0)
		return false;
	if (column->source == SOURCE_PATTERN)
	{
		const uint8_t *origin = get_bytes(c, column->value_width);

		if (origin == NULL)
			return false;
		column->origin = column->value_width == 8 ? (int64_t) load64(origin)
												  : load32(origin);
	}
	else
		column->origin = get_signed(c);
	if (flags & SOURCE_HAS_DIVISOR)
		column->divisor = get_varint(c);
	if (flags & SOURCE_HAS_SLOPE)
		column->slope = get_signed(c);
	return c->ok;
}

/* Notes where each vector begins among the changes, and what y is there. */
static bool
open_runs(NumberColumn *column, Cursor *c)
{
	uint64_t left = get_varint(c);
	uint64_t at = 0; /* position of the change that is next */
	int64_t y = 0;
	uint32_t v = 0;
	uint32_t vectors = ts_codec_vectors(column->n);

	while (c->ok)
	{
		const uint8_t *here = c->next;
		uint64_t distance = left > 0 ? get_varint(c) : column->n;

		if (left > 0 && (distance == 0 || distance >= column->n - at))
			return false;
		at += distance;
		/* vectors that begin up to the change begin with it, and with the y before */
		for (; v < vectors && (uint64_t) v * VECTOR <= at; v++)
		{
			column->heads[v].payload = here;
			column->heads[v].anchor = y;
			column->heads[v].step = (int64_t) (at - distance);
		}
		if (left == 0)
			return true;
		y = wrap_add(y, get_signed(c));
		left--;
	}
	return false;
}

static bool
open_vectors(NumberColumn *column, Cursor *c)
{
	VectorState state = {0, 0};
	uint32_t vectors = ts_codec_vectors(column->n);

	for (uint32_t v = 0; v < vectors; v++)
	{
		if (!codec_read_head(c, &state, &column->heads[v]))
			return false;
	}
	for (uint32_t v = 0; v < vectors; v++)
	{
		VectorHead *head = &column->heads[v];
		size_t size = codec_payload_size(head, vector_length(column->n, v),
										 column->value_width);

		head->payload = get_bytes(c, size);
		if (!c->ok || (head->foreign > 0 && column->source == SOURCE_INTEGER))
			return false;
	}
	return true;
}

bool
codec_open_number(NumberColumn *column, TsCodecType type, Cursor *c, uint32_t n,
				  Frames *frames, const char **problem)
{
	uint8_t first = get_byte(c);

	*problem = "unknown form or version of a column of numbers";
	column->n = n;
	column->value_width = type == TS_CODEC_FLOAT4 ? 4 : 8;
	column->form = FORMAT_FORM(first);
	column->limit = c->end;
	if (!c->ok || FORMAT_VERSION_OF(first) != FORMAT_VERSION)
		return false;
	switch (column->form)
	{
		case FORM_CONST:
		case FORM_RUNS:
		case FORM_VECTORS:
			*problem = "damaged header of a column of numbers";
			if (!open_header(column, type, c))
				return false;
			*problem = "damaged vectors of a column of numbers";
			if (column->form == FORM_RUNS && !open_runs(column, c))
				return false;
			if (column->form == FORM_VECTORS && !open_vectors(column, c))
				return false;
			break;
		case FORM_PLAIN:
			column->data = get_bytes(c, (uint64_t) n * column->value_width);
			break;
		case FORM_ZSTD:
			if (frames == NULL)
				return false;
			*problem = "damaged zstd frames of a column of numbers";
			for (uint32_t v = 0; v <= ts_codec_vectors(n); v++)
			{
				uint64_t values = (uint64_t) v * VECTOR;

				frames->start[v] = (values < n ? values : n) * column->value_width;
			}
			if (!codec_open_frames(frames, ts_codec_vectors(n), c))
				return false;
			break;
		default:
			return false;
	}
	*problem = "a column of numbers is not as long as its parts";
	return c->ok && c->next == c->end;
}

/* ---- integers of the body ---- */

static void
fill(int64_t *y, uint32_t from, uint32_t to, int64_t value)
{
	for (uint32_t i = from; i < to; i++)
		y[i] = value;
}

static void
decode_runs(const NumberColumn *column, uint32_t v, uint32_t m, int64_t *y)
{
	const VectorHead *head = &column->heads[v];
	/* checked in open_runs: reading stops at the end by itself */
	Cursor c = {head->payload, column->limit, true};
	int64_t value = head->anchor;
	uint64_t start = (uint64_t) v * VECTOR;
	uint64_t at = (uint64_t) head->step;
	uint32_t done = 0;

	while (done < m && c.next < c.end)
	{
		uint32_t to;

		at += get_varint(&c);
		to = at - start < m ? (uint32_t) (at - start) : m;
		fill(y, done, to, value);
		done = to;
		value = wrap_add(value, get_signed(&c));
	}
	fill(y, done, m, value);
}

KERNEL static void
add_line(int64_t *y, uint32_t m, uint32_t first, int64_t slope)
{
	for (uint32_t i = 0; i < m; i++)
	{
		int64_t line = (int64_t) ((uint64_t) (first + i) * (uint64_t) slope);

		y[i] = wrap_add(y[i], line >> SLOPE_SHIFT);
	}
}

/* y of vector v, with its line; y has room for VECTOR + UNPACK_SLACK. */
static bool
decode_body(const NumberColumn *column, uint32_t v, uint32_t m, int64_t *y)
{
	switch (column->form)
	{
		case FORM_CONST:
			fill(y, 0, m, 0);
			break;
		case FORM_RUNS:
			decode_runs(column, v, m, y);
			break;
		default:
			if (!codec_decode_vector(&column->heads[v], m, column->limit, y))
				return false;
	}
	if (column->slope != 0)
		add_line(y, m, v * VECTOR, column->slope);
	return true;
}

/* ---- values ---- */

KERNEL static void
finish_integers(const int64_t *y, uint32_t m, uint64_t divisor, uint64_t origin,
				int64_t *out)
{
	if (divisor == 1)
	{
		for (uint32_t i = 0; i < m; i++)
			out[i] = (int64_t) ((uint64_t) y[i] + origin);
	}
	else
	{
		for (uint32_t i = 0; i < m; i++)
			out[i] = (int64_t) ((uint64_t) y[i] * divisor + origin);
	}
}

static inline double
to_double(uint64_t d)
{
	double value;

	d += ROUNDER_BITS;
	memcpy(&value, &d, 8);
	return value - ROUNDER;
}

KERNEL static void
finish_decimals8(const int64_t *y, uint32_t m, uint64_t divisor, uint64_t origin,
				 double power, double *out)
{
	if (power == 1)
	{
		for (uint32_t i = 0; i < m; i++)
			out[i] = to_double((uint64_t) y[i] * divisor + origin);
	}
	else
	{
		for (uint32_t i = 0; i < m; i++)
			out[i] = to_double((uint64_t) y[i] * divisor + origin) / power;
	}
}

/* Most columns have no divisor, and multiplying 64 bits is dear before AVX-512. */
KERNEL static void
finish_undivided8(const int64_t *y, uint32_t m, uint64_t origin, double power,
				  double *out)
{
	if (power == 1)
	{
		for (uint32_t i = 0; i < m; i++)
			out[i] = to_double((uint64_t) y[i] + origin);
	}
	else
	{
		for (uint32_t i = 0; i < m; i++)
			out[i] = to_double((uint64_t) y[i] + origin) / power;
	}
}

KERNEL static void
finish_decimals4(const int64_t *y, uint32_t m, uint64_t divisor, uint64_t origin,
				 double power, float *out)
{
	for (uint32_t i = 0; i < m; i++)
		out[i] = (float) (to_double((uint64_t) y[i] * divisor + origin) / power);
}

KERNEL static void
finish_patterns8(const int64_t *y, uint32_t m, uint64_t divisor, uint64_t origin,
				 uint64_t *out)
{
	for (uint32_t i = 0; i < m; i++)
	{
		uint64_t x = (uint64_t) y[i] * divisor + origin;

		out[i] = x >> 1 | x << 63;
	}
}

KERNEL static void
finish_patterns4(const int64_t *y, uint32_t m, uint64_t divisor, uint64_t origin,
				 uint32_t *out)
{
	for (uint32_t i = 0; i < m; i++)
	{
		uint32_t x = (uint32_t) ((uint64_t) y[i] * divisor + origin);

		out[i] = x >> 1 | x << 31;
	}
}

static void
finish(const NumberColumn *column, const int64_t *y, uint32_t m, void *out)
{
	uint64_t origin = (uint64_t) column->origin;
	double power = codec_powers_of_ten[column->exponent];

	if (column->source == SOURCE_INTEGER)
		finish_integers(y, m, column->divisor, origin, out);
	else if (column->source == SOURCE_DECIMAL && column->value_width == 4)
		finish_decimals4(y, m, column->divisor, origin, power, out);
	else if (column->source == SOURCE_DECIMAL && column->divisor == 1)
		finish_undivided8(y, m, origin, power, out);
	else if (column->source == SOURCE_DECIMAL)
		finish_decimals8(y, m, column->divisor, origin, power, out);
	else if (column->value_width == 8)
		finish_patterns8(y, m, column->divisor, origin, out);
	else
		finish_patterns4(y, m, column->divisor, origin, out);
}

/* Decodes vector v of a column that is not plain and not zstd. */
static bool
decode_vector(const NumberColumn *column, uint32_t v, void *out)
{
	uint32_t m = vector_length(column->n, v);
	int64_t y[VECTOR + UNPACK_SLACK];

	if (!decode_body(column, v, m, y))
		return false;
	finish(column, y, m, out);
	if (column->form == FORM_VECTORS && column->heads[v].foreign > 0)
		return codec_decode_foreign(&column->heads[v], m, column->value_width, out);
	return true;
}

bool
codec_decode_ints(const NumberColumn *column, uint32_t v, int64_t *out)
{
	if (column->form == FORM_PLAIN)
	{
		memcpy(out, column->data + (size_t) v * VECTOR * 8,
			   (size_t) vector_length(column->n, v) * 8);
		return true;
	}
	return decode_vector(column, v, out);
}

static TsErrorCode
decode_numbers(TsCodecReader *reader, uint32_t first, uint32_t count, void *out)
{
	const NumberColumn *column = &reader->number;
	uint8_t *to = out;

	assert(first + count <= reader->vectors);
	for (uint32_t v = first; v < first + count; v++)
	{
		size_t size = (size_t) vector_length(column->n, v) * column->value_width;
		const uint8_t *plain;
		TsErrorCode code;

		switch (column->form)
		{
			case FORM_PLAIN:
				memcpy(to, column->data + (size_t) v * VECTOR * column->value_width,
					   size);
				break;
			case FORM_ZSTD:
				code = codec_load_vectors(reader, v, 1, &plain);
				if (code != TS_OK)
					return code;
				memcpy(to, plain, size);
				break;
			default:
				if (!decode_vector(column, v, to))
					return codec_damaged(reader, "damaged vector of numbers");
		}
		to += size;
	}
	return TS_OK;
}

TsErrorCode
ts_codec_decode_float8(TsCodecReader *reader, uint32_t first, uint32_t count, double *out)
{
	assert(reader->type == TS_CODEC_FLOAT8);
	return decode_numbers(reader, first, count, out);
}

TsErrorCode
ts_codec_decode_float4(TsCodecReader *reader, uint32_t first, uint32_t count, float *out)
{
	assert(reader->type == TS_CODEC_FLOAT4);
	return decode_numbers(reader, first, count, out);
}

TsErrorCode
ts_codec_decode_int(TsCodecReader *reader, uint32_t first, uint32_t count, int64_t *out)
{
	assert(reader->type == TS_CODEC_INT || reader->type == TS_CODEC_TIME);
	return decode_numbers(reader, first, count, out);
}

/* ---- description ---- */

void
codec_describe_number(const NumberColumn *column, char *text, size_t size)
{
	static const char *const sources[] = {"integer", "decimal", "pattern"};
	const char *source = sources[column->source];
	const char *line = column->slope != 0 ? ", line" : "";
	uint32_t counts[3] = {0};
	uint32_t bitmaps = 0;

	if (column->form != FORM_VECTORS)
	{
		snprintf(text, size, "%s%s, %s", source, line,
				 column->form == FORM_CONST ? "const" : "runs");
		return;
	}
	for (uint32_t v = 0; v < ts_codec_vectors(column->n); v++)
	{
		counts[column->heads[v].predictor]++;
		bitmaps += column->heads[v].bitmap;
	}
	snprintf(text, size, "%s%s, vectors: %u plain, %u delta (%u bitmap), %u dod", source,
			 line, counts[0], counts[1], bitmaps, counts[2]);
}
