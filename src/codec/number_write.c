/*
 * number_write.c
 *	  Columns of numbers to bytes: the form, the source, the origin, and the body.
 *
 * Whatever the values are, they become integers; these lose their origin, common
 * divisor and line; and what is left is nothing at all, a few changes, or vectors.
 * The plain form is taken when nothing is smaller, and zstd is asked only when the
 * values repeat and are not small yet: packing loses to it in no other case.
 */
#include "codec_internal.h"

#include <assert.h>

/* A column being written. */
typedef struct NumberWriter
{
	TsCodecEncoder *enc;
	const void *values;
	uint32_t n;
	unsigned value_width;
	uint8_t source;
	int exponent;
	bool time;
	bool nested; /* part of another column, which has the frames */
	uint8_t *out;
	size_t len;  /* of what is in out */
	size_t room; /* what len must stay below to be of use */
} NumberWriter;

size_t
ts_codec_number_bound(uint32_t n)
{
	/* packing may write a word more than it keeps */
	return (size_t) n * 8 + 32;
}

/* ---- parts of the column's header ---- */

static uint8_t *
write_header(const NumberWriter *w, uint8_t *out, unsigned form, int64_t origin,
			 uint64_t divisor, int64_t slope)
{
	*out++ = FORMAT_BYTE(form);
	*out++ = (uint8_t) (w->source | (divisor > 1 ? SOURCE_HAS_DIVISOR : 0) |
						(slope != 0 ? SOURCE_HAS_SLOPE : 0) | w->exponent << 4);
	if (w->source != SOURCE_PATTERN)
		out = put_varint(out, zigzag(origin));
	else if (w->value_width == 8)
	{
		store64(out, (uint64_t) origin);
		out += 8;
	}
	else
	{
		store32(out, (uint32_t) origin);
		out += 4;
	}
	if (divisor > 1)
		out = put_varint(out, divisor);
	if (slope != 0)
		out = put_varint(out, zigzag(slope));
	return out;
}

/* ---- bodies ---- */

/* Changes of y and the bits set in any value and in any change of the change. */
KERNEL static uint32_t
count_changes(const int64_t *y, uint32_t n, uint64_t *bent)
{
	uint64_t first = (uint64_t) y[1] - (uint64_t) y[0];
	uint64_t any = 0;
	uint64_t changes = 0;

	for (uint32_t i = 1; i < n; i++)
	{
		uint64_t d = (uint64_t) y[i] - (uint64_t) y[i - 1];

		any |= d ^ first;
		changes += d != 0;
	}
	*bent = any;
	return (uint32_t) changes;
}

static size_t
runs_size(const int64_t *y, uint32_t n, uint32_t changes)
{
	size_t size = varint_size(changes);
	uint32_t last = 0;

	for (uint32_t i = 1; i < n; i++)
	{
		if (y[i] != y[i - 1])
		{
			size += varint_size(i - last) + varint_size(zigzag(wrap_sub(y[i], y[i - 1])));
			last = i;
		}
	}
	return size;
}

static uint8_t *
write_runs(const int64_t *y, uint32_t n, uint32_t changes, uint8_t *out)
{
	uint32_t last = 0;

	out = put_varint(out, changes);
	for (uint32_t i = 1; i < n; i++)
	{
		if (y[i] != y[i - 1])
		{
			out = put_varint(out, i - last);
			out = put_varint(out, zigzag(wrap_sub(y[i], y[i - 1])));
			last = i;
		}
	}
	return out;
}

/*
 * Plans all vectors and leaves headers and payloads in the encoder. False when they
 * come to room bytes or more.
 */
static bool
pack_vectors(TsCodecEncoder *enc, const int64_t *y, uint32_t n, size_t room,
			 size_t *heads_size, size_t *payload_size)
{
	VectorState state = {0, 0};
	uint8_t *head = enc->heads;
	uint8_t *payload = enc->payload.data;

	for (uint32_t first = 0; first < n; first += VECTOR)
	{
		uint32_t m = vector_length(n, first / VECTOR);
		VectorPlan *plan = &enc->plan;

		codec_plan_vector(y + first, m, &state, enc->use, plan);
		codec_count_foreign(&plan->head, &enc->foreign, first);
		head = codec_write_head(head, &plan->head, &state);
		payload = codec_write_payload(payload, plan, m, &enc->foreign, first);
		if ((size_t) (head - enc->heads) + (size_t) (payload - enc->payload.data) >= room)
			return false;
	}
	*heads_size = (size_t) (head - enc->heads);
	*payload_size = (size_t) (payload - enc->payload.data);
	return true;
}

/* Adopts a form if it is smaller than what there is. */
static void
write_vectors(NumberWriter *w, const uint8_t *header, size_t header_size,
			  const int64_t *y)
{
	TsCodecEncoder *enc = w->enc;
	size_t heads_size;
	size_t payload_size;

	if (header_size >= w->room ||
		!pack_vectors(enc, y, w->n, w->room - header_size, &heads_size, &payload_size))
		return;
	memcpy(w->out, header, header_size);
	memcpy(w->out + header_size, enc->heads, heads_size);
	memcpy(w->out + header_size + heads_size, enc->payload.data, payload_size);
	w->len = header_size + heads_size + payload_size;
	w->room = w->len;
}

/* Writes the integers in enc->x in their best form, if that is less than room. */
static void
write_body(NumberWriter *w)
{
	TsCodecEncoder *enc = w->enc;
	int64_t *x = (int64_t *) enc->x.data;
	int64_t *y = x;
	int64_t origin = x[0];
	uint64_t divisor = codec_reduce(x, w->n);
	int64_t slope = 0;
	uint32_t changes = 0;
	uint64_t bent = 0;
	uint8_t header[32];
	size_t header_size;

	if (w->n > 1)
		changes = count_changes(x, w->n, &bent);
	/* on a line, the divisor has left steps of 1 or -1 */
	if ((enc->use & TS_CODEC_USE_LINES) && changes > 0 && bent == 0)
		slope = wrap_mul(x[1], 1 << SLOPE_SHIFT);
	else if ((enc->use & TS_CODEC_USE_LINES) && changes > 1 && w->time)
		slope = codec_find_slope(x, w->n, (int64_t *) enc->y.data);
	if (slope != 0)
	{
		y = (int64_t *) enc->y.data;
		codec_subtract_line(x, w->n, slope, y);
		changes = count_changes(y, w->n, &bent);
	}

	if (enc->foreign.count == 0 && changes == 0)
	{
		header_size = (size_t) (write_header(w, header, FORM_CONST, origin, divisor,
											 slope) -
								header);
		assert(y[0] == 0);
		if (header_size < w->room)
		{
			memcpy(w->out, header, header_size);
			w->len = header_size;
			w->room = header_size;
		}
		return;
	}
	header_size = (size_t) (write_header(w, header, FORM_RUNS, origin, divisor, slope) -
							header);
	if ((enc->use & TS_CODEC_USE_RUNS) && enc->foreign.count == 0 &&
		changes <= w->n / 8 && header_size + runs_size(y, w->n, changes) < w->room)
	{
		memcpy(w->out, header, header_size);
		w->len = (size_t) (write_runs(y, w->n, changes, w->out + header_size) - w->out);
		w->room = w->len;
	}
	header[0] = FORMAT_BYTE(FORM_VECTORS);
	if (enc->use & (TS_CODEC_USE_FRAMES | TS_CODEC_USE_DELTAS | TS_CODEC_USE_DODS))
		write_vectors(w, header, header_size, y);
}

/* ---- plain and zstd ---- */

static uint64_t
value_bits(const NumberWriter *w, uint32_t i)
{
	const uint8_t *value = (const uint8_t *) w->values + (size_t) i * w->value_width;

	return w->value_width == 8 ? load64(value) : load32(value);
}

/* Of the first so many values zstd's success is guessed. */
#define ZSTD_PROBE      8192
#define ZSTD_PROBE_BITS 13
/* Columns as small as this it cannot better. */
#define ZSTD_LEAST 48

/* What zstd needs for a value it has not seen: its bytes without those at either end
 * that are mere filling. */
static size_t
literal_bytes(uint64_t value, unsigned width)
{
	uint64_t low = value & (0 - value);
	uint64_t high = width == 8 ? (uint64_t) ((int64_t) value >> 63) ^ value
							   : (uint64_t) ((int32_t) value >> 31) ^ value;
	unsigned from = value == 0 ? 0 : (bit_width(low) - 1) / 8;
	unsigned to = (bit_width(high) + 7) / 8;

	return to > from + 2 ? to - from - (to - from == width) : 2;
}

/*
 * Whether zstd might need less than there is, by a low guess: nearly nothing for values
 * that go on as they did once before, a match for a value that was seen, its bytes for
 * a new one. Patterns that are large even so are worth the trial without a guess.
 */
static bool
zstd_may_win(const NumberWriter *w)
{
	uint16_t seen[1 << ZSTD_PROBE_BITS];      /* last position, plus 1, of a value */
	uint16_t followers[1 << ZSTD_PROBE_BITS]; /* what came after four values */
	uint32_t looked = w->n < ZSTD_PROBE ? w->n : ZSTD_PROBE;
	unsigned bits = bit_width(looked - 1);
	uint32_t source = 0; /* where the values went on like this, plus 1 */
	uint64_t context = 0;
	size_t bytes = 24;
	size_t enough = w->room + w->room / 4;

	if (w->source == SOURCE_PATTERN && w->room > (size_t) w->n * w->value_width / 4)
		return true;
	bits = bits < 6 ? 6 : bits;
	memset(seen, 0, sizeof(uint16_t) << bits);
	memset(followers, 0, sizeof(uint16_t) << bits);
	for (uint32_t i = 0; i < looked && bytes < enough; i++)
	{
		uint64_t value = value_bits(w, i);
		uint64_t hash = value * UINT64_C(0x9E3779B97F4A7C15);
		uint16_t *same = &seen[hash >> (64 - bits)];
		uint16_t *follower =
			&followers[context * UINT64_C(0xD6E8FEB86659FD93) >> (64 - bits)];

		if (source == 0 || value_bits(w, source - 1) != value)
			source = *follower;
		if (source > 0 && value_bits(w, source - 1) == value)
			source++;
		else
		{
			bool is_new = *same == 0 || value_bits(w, *same - 1U) != value;

			bytes += is_new ? literal_bytes(value, w->value_width) : 2;
			source = 0;
		}
		*same = *follower = (uint16_t) (i + 1);
		context = context << 16 | hash >> 48;
	}
	return bytes * w->n / looked < enough;
}

static TsErrorCode
write_zstd(NumberWriter *w)
{
	uint64_t start[MAX_VECTORS + 1];
	uint32_t vectors = ts_codec_vectors(w->n);
	size_t size;
	TsErrorCode code;

	for (uint32_t v = 0; v < vectors; v++)
		start[v] = (uint64_t) v * VECTOR * w->value_width;
	start[vectors] = (uint64_t) w->n * w->value_width;
	code = codec_write_frames(w->enc, w->values, start, vectors, w->room - 1, &size);
	if (code == TS_OK && size > 0)
	{
		w->out[0] = FORMAT_BYTE(FORM_ZSTD);
		memcpy(w->out + 1, w->enc->trial.data, size);
		w->len = size + 1;
		w->room = w->len;
	}
	return code;
}

static void
write_plain(NumberWriter *w)
{
	w->out[0] = FORMAT_BYTE(FORM_PLAIN);
	w->len = 1 + (size_t) w->n * w->value_width;
	memcpy(w->out + 1, w->values, (size_t) w->n * w->value_width);
}

/* ---- sources ---- */

/*
 * Bit patterns, rotated so that the sign comes last: then numbers of either sign and
 * similar size are close to each other.
 */
KERNEL static void
rotate_patterns8(const uint64_t *patterns, uint32_t n, int64_t *x)
{
	for (uint32_t i = 0; i < n; i++)
		x[i] = (int64_t) (patterns[i] << 1 | patterns[i] >> 63);
}

KERNEL static void
rotate_patterns4(const uint32_t *patterns, uint32_t n, int64_t *x)
{
	for (uint32_t i = 0; i < n; i++)
		x[i] = (int64_t) (uint32_t) (patterns[i] << 1 | patterns[i] >> 31);
}

/* Infinite or no number, as a rotated pattern. */
static bool
is_special(int64_t x, unsigned width)
{
	return (uint64_t) x >=
		   (width == 8 ? UINT64_C(0xFFE0000000000000) : UINT64_C(0xFF000000));
}

/*
 * The mark of a scrape that failed is a NaN, far away from all numbers: while such a
 * pattern is in the minority it becomes foreign.
 */
static void
set_special_apart(NumberWriter *w)
{
	Foreign *foreign = &w->enc->foreign;
	int64_t *x = (int64_t *) w->enc->x.data;
	int64_t special;
	int64_t number;
	uint32_t first = 0;
	uint32_t count = 0;

	while (first < w->n && !is_special(x[first], w->value_width))
		first++;
	if (first == w->n)
		return;
	special = x[first];
	for (uint32_t i = first; i < w->n; i++)
		count += x[i] == special;
	if (count > w->n / 2)
		return;
	foreign->count = count;
	memset(foreign->bitmap, 0, (size_t) ts_codec_vectors(w->n) * (VECTOR / 8));
	/* its place takes the value before or, at the front, the first that is another */
	number = first > 0 ? x[first - 1] : special;
	for (uint32_t i = 0; number == special; i++)
		number = x[i];
	for (uint32_t i = first; i < w->n; i++)
	{
		if (x[i] == special)
		{
			foreign->bitmap[i / 64] |= UINT64_C(1) << (i & 63);
			x[i] = number;
		}
		number = x[i];
	}
}

static void
patterns_source(NumberWriter *w)
{
	w->source = SOURCE_PATTERN;
	w->exponent = 0;
	w->enc->foreign.count = 0;
	if (w->value_width == 8)
		rotate_patterns8(w->values, w->n, (int64_t *) w->enc->x.data);
	else
		rotate_patterns4(w->values, w->n, (int64_t *) w->enc->x.data);
	set_special_apart(w);
}

static bool
all_equal(const NumberWriter *w)
{
	return memcmp(w->values, (const uint8_t *) w->values + w->value_width,
				  (size_t) (w->n - 1) * w->value_width) == 0;
}

static void
floats_source(NumberWriter *w)
{
	TsCodecEncoder *enc = w->enc;
	int64_t *x = (int64_t *) enc->x.data;
	uint32_t n = all_equal(w) ? 1 : w->n;

	if (!(enc->use & TS_CODEC_USE_DECIMALS))
	{
		patterns_source(w);
		return;
	}
	w->exponent = w->value_width == 8 ? codec_decimals8(w->values, n, x, &enc->foreign)
									  : codec_decimals4(w->values, n, x, &enc->foreign);
	w->source = SOURCE_DECIMAL;
	if (w->exponent < 0 || (n == 1 && enc->foreign.count > 0))
		patterns_source(w);
	else if (n < w->n)
	{
		for (uint32_t i = 1; i < w->n; i++)
			x[i] = x[0];
	}
}

static bool
prepare(NumberWriter *w)
{
	TsCodecEncoder *enc = w->enc;
	size_t padded = (size_t) ts_codec_vectors(w->n) * VECTOR;

	/* a vector's payload is checked against the room after it is written */
	return codec_buffer_reserve(&enc->allocator, &enc->x, padded * 8) &&
		   codec_buffer_reserve(&enc->allocator, &enc->y, padded * 8) &&
		   codec_buffer_reserve(&enc->allocator, &enc->payload,
								padded * 8 + 3 * VECTOR * 8 + 64);
}

static TsErrorCode
write_numbers(NumberWriter *w, size_t *len)
{
	*len = 0;
	if (w->n > TS_CODEC_MAX_VALUES)
		return TS_ERR_LIMIT;
	if (w->n == 0)
		return TS_OK;
	if (!prepare(w))
		return TS_ERR_MEMORY;
	w->len = 0;
	w->room = 1 + (size_t) w->n * w->value_width;
	w->enc->foreign.count = 0;
	w->enc->foreign.values = w->values;
	w->enc->foreign.width = w->value_width;
	if (w->source == SOURCE_INTEGER)
		memcpy(w->enc->x.data, w->values, (size_t) w->n * 8);
	else
		floats_source(w);
	write_body(w);
	if ((w->enc->use & TS_CODEC_USE_ZSTD) && !w->nested && w->room > ZSTD_LEAST &&
		zstd_may_win(w))
	{
		TsErrorCode code = write_zstd(w);

		if (code != TS_OK)
			return code;
	}
	if (w->len == 0)
		write_plain(w);
	*len = w->len;
	return TS_OK;
}

TsErrorCode
ts_codec_encode_float8(TsCodecEncoder *enc, const double *values, uint32_t n,
					   uint8_t *out, size_t *len)
{
	NumberWriter w = {.enc = enc,
					  .values = values,
					  .n = n,
					  .value_width = 8,
					  .source = SOURCE_DECIMAL,
					  .out = out};

	return write_numbers(&w, len);
}

TsErrorCode
ts_codec_encode_float4(TsCodecEncoder *enc, const float *values, uint32_t n, uint8_t *out,
					   size_t *len)
{
	NumberWriter w = {.enc = enc,
					  .values = values,
					  .n = n,
					  .value_width = 4,
					  .source = SOURCE_DECIMAL,
					  .out = out};

	return write_numbers(&w, len);
}

TsErrorCode
codec_write_ints(TsCodecEncoder *enc, const int64_t *values, uint32_t n, uint8_t *out,
				 size_t *len)
{
	NumberWriter w = {.enc = enc,
					  .values = values,
					  .n = n,
					  .value_width = 8,
					  .source = SOURCE_INTEGER,
					  .nested = true,
					  .out = out};

	return write_numbers(&w, len);
}

TsErrorCode
ts_codec_encode_int(TsCodecEncoder *enc, const int64_t *values, uint32_t n, uint8_t *out,
					size_t *len)
{
	NumberWriter w = {.enc = enc,
					  .values = values,
					  .n = n,
					  .value_width = 8,
					  .source = SOURCE_INTEGER,
					  .out = out};

	return write_numbers(&w, len);
}

TsErrorCode
ts_codec_encode_time(TsCodecEncoder *enc, const int64_t *values, uint32_t n, uint8_t *out,
					 size_t *len)
{
	NumberWriter w = {.enc = enc,
					  .values = values,
					  .n = n,
					  .value_width = 8,
					  .source = SOURCE_INTEGER,
					  .time = true,
					  .out = out};

	return write_numbers(&w, len);
}
