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
	{
		column->divisor = get_varint(c);
		if (column->divisor < 2)
			return false;
	}
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
	uint64_t line = first * (uint64_t) slope;

	for (uint32_t i = 0; i < m; i++)
	{
		y[i] = wrap_add(y[i], (int64_t) line >> SLOPE_SHIFT);
		line += (uint64_t) slope;
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
shift_and_add(const int64_t *y, uint32_t m, unsigned shift, uint64_t origin, int64_t *out)
{
	for (uint32_t i = 0; i < m; i++)
		out[i] = (int64_t) (((uint64_t) y[i] << shift) + origin);
}

KERNEL_MULTIPLYING static void
multiply_and_add(const int64_t *y, uint32_t m, uint64_t divisor, uint64_t origin,
				 int64_t *out)
{
	for (uint32_t i = 0; i < m; i++)
		out[i] = (int64_t) ((uint64_t) y[i] * divisor + origin);
}

/* x = y * divisor + origin; x and y may be the same. */
static void
integers(const NumberColumn *column, const int64_t *y, uint32_t m, int64_t *x)
{
	uint64_t divisor = column->divisor;
	uint64_t origin = (uint64_t) column->origin;

	if ((divisor & (divisor - 1)) == 0)
		shift_and_add(y, m, (unsigned) __builtin_ctzll(divisor), origin, x);
	else
		multiply_and_add(y, m, divisor, origin, x);
}

/*
 * Decimals are scaled as doubles, which is exact: a writer keeps them below 2^50, so
 * that y, y * divisor and x are integers below 2^51. The division by 10^e, slow as it
 * is, must come out correctly rounded; with fused multiplication it can be had from
 * the reciprocal r: q = x * r is off by less than two units in the last place, the
 * remainder x - q * 10^e is exact, and q + remainder * r differs from the quotient
 * by less than 2^-52 units before it is rounded, while a quotient of such an x is
 * never nearer than 1 / (2 * 10^15) units to the middle of two doubles. So rounding
 * it gives what rounding the quotient gives.
 */
typedef struct Scale
{
	double divisor;
	double origin;
	double power;
	double reciprocal;
} Scale;

static inline double
to_double(int64_t y)
{
	uint64_t bits = (uint64_t) y + ROUNDER_BITS;
	double value;

	memcpy(&value, &bits, 8);
	return value - ROUNDER;
}

static inline __attribute__((always_inline)) void
decimals_inline(const int64_t *y, uint32_t m, Scale scale, bool fused, double *out)
{
	if (scale.power == 1)
	{
		for (uint32_t i = 0; i < m; i++)
			out[i] = to_double(y[i]) * scale.divisor + scale.origin;
	}
	else if (fused)
	{
		for (uint32_t i = 0; i < m; i++)
		{
			double x = to_double(y[i]) * scale.divisor + scale.origin;
			double q = x * scale.reciprocal;
			double remainder = __builtin_fma(-q, scale.power, x);

			out[i] = __builtin_fma(remainder, scale.reciprocal, q);
		}
	}
	else
	{
		for (uint32_t i = 0; i < m; i++)
			out[i] = (to_double(y[i]) * scale.divisor + scale.origin) / scale.power;
	}
}

/* For the processor that all is compiled for. */
static void
decimals_plain(const int64_t *y, uint32_t m, Scale scale, double *out)
{
#ifdef __FMA__
	decimals_inline(y, m, scale, true, out);
#else
	decimals_inline(y, m, scale, false, out);
#endif
}

#ifdef KERNEL_LEVELS
__attribute__((target("arch=x86-64-v3"))) static void
decimals_v3(const int64_t *y, uint32_t m, Scale scale, double *out)
{
	decimals_inline(y, m, scale, true, out);
}

#ifndef TS_CODEC_NO_AVX512
__attribute__((target("arch=x86-64-v4"))) static void
decimals_v4(const int64_t *y, uint32_t m, Scale scale, double *out)
{
	decimals_inline(y, m, scale, true, out);
}
#endif
#endif

static void
decimals(const NumberColumn *column, const int64_t *y, uint32_t m, double *out)
{
	double power = codec_powers_of_ten[column->exponent];
	Scale scale = {(double) column->divisor, (double) column->origin, power, 1 / power};

#ifdef KERNEL_LEVELS
#ifndef TS_CODEC_NO_AVX512
	if (__builtin_cpu_supports("x86-64-v4"))
		decimals_v4(y, m, scale, out);
	else
#endif
		if (__builtin_cpu_supports("x86-64-v3"))
		decimals_v3(y, m, scale, out);
	else
#endif
		decimals_plain(y, m, scale, out);
}

KERNEL static void
round_to_float4(const double *values, uint32_t m, float *out)
{
	for (uint32_t i = 0; i < m; i++)
		out[i] = (float) values[i];
}

KERNEL static void
rotate8(const int64_t *x, uint32_t m, uint64_t *out)
{
	for (uint32_t i = 0; i < m; i++)
		out[i] = (uint64_t) x[i] >> 1 | (uint64_t) x[i] << 63;
}

KERNEL static void
rotate4(const int64_t *x, uint32_t m, uint32_t *out)
{
	for (uint32_t i = 0; i < m; i++)
	{
		uint32_t bits = (uint32_t) x[i];

		out[i] = bits >> 1 | bits << 31;
	}
}

/* From y to values. */
static void
finish(const NumberColumn *column, int64_t *y, uint32_t m, void *out)
{
	double doubles[VECTOR];

	switch (column->source)
	{
		case SOURCE_INTEGER:
			integers(column, y, m, out);
			break;
		case SOURCE_DECIMAL:
			if (column->value_width == 8)
			{
				decimals(column, y, m, out);
				break;
			}
			decimals(column, y, m, doubles);
			round_to_float4(doubles, m, out);
			break;
		default:
			integers(column, y, m, y);
			if (column->value_width == 8)
				rotate8(y, m, out);
			else
				rotate4(y, m, out);
	}
}

/* Decodes vector v of a column that is not plain and not zstd. */
static bool
decode_vector(const NumberColumn *column, uint32_t v, void *out)
{
	_Alignas(64) int64_t y[VECTOR + UNPACK_SLACK];
	uint32_t m = vector_length(column->n, v);

	if (!decode_body(column, v, m, y))
		return false;
	finish(column, y, m, out);
	if (column->form == FORM_VECTORS && column->heads[v].foreign > 0)
		return codec_decode_foreign(&column->heads[v], m, column->value_width, out);
	return true;
}

/* A line less steep than this does not wrap around before it is shifted. */
#define MAX_UNIFORM_SLOPE (INT64_MAX / TS_CODEC_MAX_VALUES)

/*
 * Columns that are one value, or integers on a line, need no vectors. Decodes the
 * values from..to-1; false if the column is none of these.
 */
static bool
decode_uniform(const NumberColumn *column, uint32_t from, uint32_t to, void *out)
{
	int64_t zero = 0;
	uint8_t place[8] = {0}; /* of bytes, since the value may be of any type */
	uint64_t value;

	if (column->form != FORM_CONST)
		return false;
	if (column->slope != 0)
	{
		uint64_t step = (uint64_t) (column->slope >> SLOPE_SHIFT) * column->divisor;

		if (column->source != SOURCE_INTEGER || column->slope % (1 << SLOPE_SHIFT) != 0 ||
			column->slope > MAX_UNIFORM_SLOPE || column->slope < -MAX_UNIFORM_SLOPE)
			return false;
		codec_fill_ramp((uint64_t) column->origin + from * step, step, to - from, out);
		return true;
	}
	finish(column, &zero, 1, place);
	value = load64(place);
	if (column->value_width == 8)
		codec_fill_ramp(value, 0, to - from, out);
	else
	{
		for (uint32_t i = 0; i < to - from; i++)
			memcpy((uint32_t *) out + i, &value, 4);
	}
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
	uint32_t end = (first + count) * VECTOR;

	assert(first + count <= reader->vectors);
	if (count == 0)
		return TS_OK;
	if (decode_uniform(column, first * VECTOR, end < reader->n ? end : reader->n, out))
		return TS_OK;
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
