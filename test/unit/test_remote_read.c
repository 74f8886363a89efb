/*
 * test_remote_read.c
 *	  Remote read's requests, and its answers: bytes worked out by hand, and all kinds of
 *	  samples read back by a reader of our own.
 */
#include <math.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include "dry_allocator.h"
#include "histogram_any.h"
#include "labels.h"
#include "ts_remote_read.h"
#include "unit.h"

#define STALE 0x7ff0000000000002u

/* ---- bytes ---- */

typedef struct Bytes
{
	uint8_t *data;
	size_t n;
	size_t room;
} Bytes;

static void
put(void *arg, const void *data, size_t size)
{
	Bytes *bytes = arg;

	if (bytes->n + size > bytes->room)
	{
		bytes->room = (bytes->n + size) * 2;
		bytes->data = realloc(bytes->data, bytes->room);
	}
	memcpy(bytes->data + bytes->n, data, size);
	bytes->n += size;
}

static void
put_varint(Bytes *out, uint64_t value)
{
	uint8_t byte;

	for (; value > 0x7f; value >>= 7)
	{
		byte = (uint8_t) (value | 0x80);
		put(out, &byte, 1);
	}
	byte = (uint8_t) value;
	put(out, &byte, 1);
}

static void
put_number(Bytes *out, int field, uint64_t value)
{
	put_varint(out, (uint64_t) field << 3);
	put_varint(out, value);
}

static void
put_text(Bytes *out, int field, const char *text)
{
	put_varint(out, (uint64_t) field << 3 | 2);
	put_varint(out, strlen(text));
	put(out, text, strlen(text));
}

/* A message as a field of another; it is empty afterwards. */
static void
put_message(Bytes *out, int field, Bytes *message)
{
	put_varint(out, (uint64_t) field << 3 | 2);
	put_varint(out, message->n);
	put(out, message->data, message->n);
	message->n = 0;
}

static double
double_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, 8);
	return value;
}

static uint64_t
bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, 8);
	return bits;
}

/* ---- requests ---- */

static void
put_matcher(Bytes *query, uint64_t type, const char *name, const char *value)
{
	Bytes matcher = {0};

	if (type > 0)
		put_number(&matcher, 1, type);
	put_text(&matcher, 2, name);
	put_text(&matcher, 3, value);
	put_message(query, 3, &matcher);
	free(matcher.data);
}

static void
put_query(Bytes *request, int64_t start, int64_t end)
{
	Bytes query = {0};
	Bytes hints = {0};

	put_number(&query, 1, (uint64_t) start);
	put_number(&query, 2, (uint64_t) end);
	put_matcher(&query, 0, "__name__", "up");
	put_matcher(&query, 3, "job", "a|b");
	put_number(&hints, 1, 15000);
	put_text(&hints, 2, "rate");
	put_number(&hints, 9, 1);
	put_message(&query, 4, &hints);
	put_number(&query, 77, 5);
	put_message(request, 1, &query);
	free(query.data);
	free(hints.data);
}

static void
test_request(void)
{
	Bytes message = {0};
	TsReadRequest request;
	TsReadQuery *query = &request.query;
	TsError err;
	bool more;

	put_query(&message, -5, 1767225600000);
	put_number(&message, 2, 7);
	put_text(&message, 2, "\1\0");
	put_query(&message, 1, 2);
	CHECK(ts_read_open(&request, message.data, message.n, &ts_malloc_allocator, &err) ==
		  TS_OK);
	CHECK(request.nqueries == 2 && request.type == TS_READ_CHUNKS);
	CHECK(ts_read_next(&request, &more, &err) == TS_OK && more);
	CHECK(query->start == -5 && query->end == 1767225600000 && query->nmatchers == 2);
	CHECK(query->matchers[0].type == TS_MATCH_EQUAL &&
		  ts_string_is(query->matchers[0].name, "__name__") &&
		  ts_string_is(query->matchers[0].value, "up"));
	CHECK(query->matchers[1].type == TS_MATCH_NOT_REGEX &&
		  ts_string_is(query->matchers[1].value, "a|b"));
	CHECK(ts_string_is(query->function, "rate"));
	CHECK(ts_read_next(&request, &more, &err) == TS_OK && more);
	CHECK(query->start == 1 && query->end == 2 && query->nmatchers == 2);
	CHECK(ts_read_next(&request, &more, &err) == TS_OK && !more);
	ts_read_close(&request);

	/* no message cut short is read as a whole one */
	unit_group_begin();
	for (size_t n = 1; n < message.n; n++)
	{
		TsErrorCode code = ts_read_open(&request, message.data, n, &ts_malloc_allocator,
										&err);
		uint32_t queries = 0;

		while (code == TS_OK)
		{
			code = ts_read_next(&request, &more, &err);
			if (code != TS_OK || !more)
				break;
			queries++;
		}
		CHECK(code == TS_ERR_SYNTAX || queries < 2 || n > message.n - 3);
		ts_read_close(&request);
	}
	unit_group_end();
	free(message.data);
}

static TsErrorCode
open_accepting(const uint64_t *types, int n, TsReadType *type, TsError *err)
{
	Bytes message = {0};
	TsReadRequest request;
	TsErrorCode code;

	for (int i = 0; i < n; i++)
		put_number(&message, 2, types[i]);
	code = ts_read_open(&request, message.data, message.n, &ts_malloc_allocator, err);
	*type = request.type;
	ts_read_close(&request);
	free(message.data);
	return code;
}

static void
test_types(void)
{
	TsReadType type;
	TsError err;

	CHECK(open_accepting(NULL, 0, &type, &err) == TS_OK && type == TS_READ_SAMPLES);
	CHECK(open_accepting((uint64_t[]){0, 1}, 2, &type, &err) == TS_OK &&
		  type == TS_READ_SAMPLES);
	CHECK(open_accepting((uint64_t[]){1, 0}, 2, &type, &err) == TS_OK &&
		  type == TS_READ_CHUNKS);
	CHECK(open_accepting((uint64_t[]){9, 1, 0}, 3, &type, &err) == TS_OK &&
		  type == TS_READ_CHUNKS);
	CHECK(open_accepting((uint64_t[]){9}, 1, &type, &err) == TS_ERR_INVALID);
}

/* The error of the only query of a request with this matcher. */
static TsErrorCode
read_with_matcher(uint64_t type, const char *name, const char *value, int times,
				  TsError *err)
{
	Bytes query = {0};
	Bytes message = {0};
	TsReadRequest request;
	TsErrorCode code;
	bool more;

	for (int i = 0; i < times; i++)
		put_matcher(&query, type, name, value);
	put_message(&message, 1, &query);
	code = ts_read_open(&request, message.data, message.n, &ts_malloc_allocator, err);
	if (code == TS_OK)
		code = ts_read_next(&request, &more, err);
	ts_read_close(&request);
	free(query.data);
	free(message.data);
	return code;
}

static void
test_refused(void)
{
	static const uint8_t wrong_types[][2] = {
		{0x08, 1}, /* a query that is a number */
		{0x15, 0}, /* types of four bytes */
		{0x0b, 0}, /* a group */
		{0x00, 0}, /* field 0 */
	};
	uint8_t huge[16] = {0xff, 0xff, 0xff, 0xff, 0x0f};
	uint8_t random[16] = {4, 0x90, 1, 2, 3};
	TsReadRequest request;
	Bytes message = {0};
	const void *data;
	size_t size;
	TsError err;

	for (size_t i = 0; i < 4; i++)
	{
		CHECK(ts_read_open(&request, wrong_types[i], 2, &ts_malloc_allocator, &err) ==
			  TS_ERR_SYNTAX);
		ts_read_close(&request);
	}
	CHECK(read_with_matcher(3, "a", "b", 1024, &err) == TS_OK);
	CHECK(read_with_matcher(3, "a", "b", 1025, &err) == TS_ERR_LIMIT);
	CHECK(read_with_matcher(4, "a", "b", 1, &err) == TS_ERR_INVALID);
	CHECK(read_with_matcher(0, "a\xff", "b", 1, &err) == TS_ERR_INVALID);
	CHECK(read_with_matcher(0, "a", "\xc0\x80", 1, &err) == TS_ERR_INVALID);
	for (int i = 0; i < 1001; i++)
		put_query(&message, 0, 1);
	CHECK(ts_read_open(&request, message.data, message.n, &ts_malloc_allocator, &err) ==
		  TS_ERR_LIMIT);
	ts_read_close(&request);
	free(message.data);

	CHECK(ts_read_decompress(huge, 16, 1000, &ts_malloc_allocator, &data, &size, &err) ==
			  TS_ERR_LIMIT &&
		  strcmp(err.message,
				 "remote read request is larger than 1000 bytes when decompressed") == 0);
	CHECK(ts_read_decompress(random, 16, 1000, &ts_malloc_allocator, &data, &size,
							 &err) == TS_ERR_SYNTAX);
}

/* ---- reading messages back ---- */

typedef struct In
{
	const uint8_t *next;
	const uint8_t *end;
} In;

static uint64_t
get_varint(In *in)
{
	uint64_t value = 0;

	for (int shift = 0; in->next < in->end; shift += 7)
	{
		value |= (uint64_t) (*in->next & 0x7f) << shift;
		if (*in->next++ < 0x80)
			break;
	}
	return value;
}

static int64_t
unzigzag(uint64_t value)
{
	return (int64_t) (value >> 1) ^ -(int64_t) (value & 1);
}

static In
get_inner(In *in)
{
	size_t size = get_varint(in);
	In inner = {in->next, in->next + size};

	CHECK(size <= (size_t) (in->end - in->next));
	in->next += size;
	return inner;
}

static double
get_double(In *in)
{
	double value;

	memcpy(&value, in->next, 8);
	in->next += 8;
	return value;
}

/* ---- samples ---- */

#define MOST_BUCKETS 64

/* A histogram with room for its parts. */
typedef struct Histogram
{
	TsHistogram h;
	TsSpan spans[2][MOST_BUCKETS];
	double counts[2][MOST_BUCKETS];
	double bounds[MOST_BUCKETS];
} Histogram;

typedef struct Sample
{
	int64_t time;
	bool is_histogram;
	double value;
	Histogram histogram;
} Sample;

typedef struct Series
{
	uint64_t query;
	char labels[256];
	Sample *samples;
	size_t n;
	size_t room;
	int chunks;
	int frames;
} Series;

/* Points a histogram at its own parts. */
static void
settle(Histogram *histogram)
{
	TsHistogram *h = &histogram->h;

	h->positive_spans = histogram->spans[0];
	h->negative_spans = histogram->spans[1];
	h->positive = histogram->counts[0];
	h->negative = histogram->counts[1];
	h->bounds = histogram->bounds;
}

static Sample *
add_sample(Series *series, int64_t time)
{
	if (series->n == series->room)
	{
		series->room = series->room * 2 + 16;
		series->samples = realloc(series->samples, sizeof(Sample) * series->room);
	}
	memset(&series->samples[series->n], 0, sizeof(Sample));
	series->samples[series->n].time = time;
	return &series->samples[series->n++];
}

static bool
same_number(double a, double b)
{
	return bits_of(a) == bits_of(b);
}

static bool
same_histogram(const TsHistogram *a, const TsHistogram *b)
{
	const TsSpan *a_spans[2] = {a->positive_spans, a->negative_spans};
	const TsSpan *b_spans[2] = {b->positive_spans, b->negative_spans};
	uint32_t nspans[2] = {a->npositive_spans, a->nnegative_spans};

	if (a->schema != b->schema || a->integer != b->integer ||
		!same_number(a->zero_threshold, b->zero_threshold) || a->count != b->count ||
		a->zero_count != b->zero_count || !same_number(a->sum, b->sum) ||
		a->npositive_spans != b->npositive_spans ||
		a->nnegative_spans != b->nnegative_spans || a->npositive != b->npositive ||
		a->nnegative != b->nnegative || a->nbounds != b->nbounds)
		return false;
	for (int side = 0; side < 2; side++)
	{
		for (uint32_t i = 0; i < nspans[side]; i++)
		{
			if (a_spans[side][i].offset != b_spans[side][i].offset ||
				a_spans[side][i].length != b_spans[side][i].length)
				return false;
		}
	}
	return memcmp(a->positive, b->positive, sizeof(double) * a->npositive) == 0 &&
		   memcmp(a->negative, b->negative, sizeof(double) * a->nnegative) == 0 &&
		   memcmp(a->bounds, b->bounds, sizeof(double) * a->nbounds) == 0;
}

/* A stale marker's sum is all that is told of it in chunks. */
static void
compare(const Series *wanted, const Series *got, bool hints, const char *what)
{
	CHECK(wanted->n == got->n, "%s: %zu samples, not %zu", what, got->n, wanted->n);
	CHECK(strcmp(wanted->labels, got->labels) == 0, "%s: %s", what, got->labels);
	unit_group_begin();
	for (size_t i = 0; i < wanted->n && i < got->n; i++)
	{
		Sample *a = &wanted->samples[i];
		Sample *b = &got->samples[i];

		settle(&a->histogram);
		settle(&b->histogram);
		CHECK(a->time == b->time && a->is_histogram == b->is_histogram, "%s: %zu", what,
			  i);
		if (!a->is_histogram)
			CHECK(same_number(a->value, b->value), "%s: %zu: %g", what, i, b->value);
		else if (ts_histogram_is_stale(&a->histogram.h))
			CHECK(ts_histogram_is_stale(&b->histogram.h), "%s: %zu", what, i);
		else
			CHECK(same_histogram(&a->histogram.h, &b->histogram.h) &&
					  (!hints || a->histogram.h.hint == b->histogram.h.hint),
				  "%s: %zu", what, i);
	}
	unit_group_end();
}

/* ---- reading series of samples back ---- */

static void
get_label(In in, Series *series)
{
	size_t len = strlen(series->labels);

	while (in.next < in.end)
	{
		uint64_t tag = get_varint(&in);
		In text = get_inner(&in);

		CHECK(tag == 0x0a || tag == 0x12);
		len += (size_t) snprintf(series->labels + len, sizeof(series->labels) - len,
								 "%.*s%c", (int) (text.end - text.next),
								 (const char *) text.next, tag == 0x0a ? '=' : ';');
	}
}

static void
get_span(In in, TsSpan *span)
{
	while (in.next < in.end)
	{
		if (get_varint(&in) == 0x08)
			span->offset = (int32_t) unzigzag(get_varint(&in));
		else
			span->length = (uint32_t) get_varint(&in);
	}
}

static void
get_histogram(In in, Sample *sample)
{
	Histogram *histogram = &sample->histogram;
	TsHistogram *h = &histogram->h;
	int64_t count[2] = {0, 0};

	while (in.next < in.end)
	{
		const int field = (int) (get_varint(&in) >> 3);
		const int side = field < 11;
		uint32_t *n = side ? &h->nnegative : &h->npositive;
		uint32_t *nspans = side ? &h->nnegative_spans : &h->npositive_spans;
		In inner;

		switch (field)
		{
			case 1:
				h->integer = true;
				h->count = (double) get_varint(&in);
				break;
			case 2:
				h->count = get_double(&in);
				break;
			case 3:
				h->sum = get_double(&in);
				break;
			case 4:
				h->schema = (int32_t) unzigzag(get_varint(&in));
				break;
			case 5:
				h->zero_threshold = get_double(&in);
				break;
			case 6:
				h->zero_count = (double) get_varint(&in);
				break;
			case 7:
				h->zero_count = get_double(&in);
				break;
			case 8:
			case 11:
				get_span(get_inner(&in), &histogram->spans[side][(*nspans)++]);
				break;
			case 9:
			case 12:
				for (inner = get_inner(&in); inner.next < inner.end;)
				{
					count[side] += unzigzag(get_varint(&inner));
					histogram->counts[side][(*n)++] = (double) count[side];
				}
				break;
			case 10:
			case 13:
				for (inner = get_inner(&in); inner.next < inner.end;)
					histogram->counts[side][(*n)++] = get_double(&inner);
				break;
			case 14:
				h->hint = (TsResetHint) get_varint(&in);
				break;
			case 15:
				sample->time = (int64_t) get_varint(&in);
				break;
			case 16:
				for (inner = get_inner(&in); inner.next < inner.end;)
					histogram->bounds[h->nbounds++] = get_double(&inner);
				break;
			default:
				CHECK(false, "field %d", field);
		}
	}
}

static void
get_float(In in, Sample *sample)
{
	while (in.next < in.end)
	{
		if (get_varint(&in) == 0x09)
			sample->value = get_double(&in);
		else
			sample->time = (int64_t) get_varint(&in);
	}
}

static void
get_series(In in, Series *series)
{
	while (in.next < in.end)
	{
		uint64_t tag = get_varint(&in);
		In inner = get_inner(&in);

		if (tag == 0x0a)
			get_label(inner, series);
		else if (tag == 0x12)
			get_float(inner, add_sample(series, 0));
		else
		{
			Sample *sample = add_sample(series, 0);

			CHECK(tag == 0x22);
			sample->is_histogram = true;
			get_histogram(inner, sample);
		}
	}
}

/* ---- reading chunks back ---- */

typedef struct BitsIn
{
	const uint8_t *data;
	size_t at; /* bits */
	size_t n;
} BitsIn;

static uint64_t
get_bits(BitsIn *in, unsigned n)
{
	uint64_t value = 0;

	while (n-- > 0)
	{
		if (in->at >= in->n)
		{
			CHECK(false, "no bits are left");
			return 0;
		}
		value = value << 1 | (in->data[in->at / 8] >> (7 - in->at % 8) & 1);
		in->at++;
	}
	return value;
}

static int64_t
get_signed(BitsIn *in, unsigned n)
{
	uint64_t value = get_bits(in, n);

	if (n < 64 && value > (uint64_t) 1 << (n - 1))
		value -= (uint64_t) 1 << n;
	return (int64_t) value;
}

static unsigned
get_ones(BitsIn *in, unsigned most)
{
	unsigned ones = 0;

	while (ones < most && get_bits(in, 1) == 1)
		ones++;
	return ones;
}

static const unsigned varbit_sizes[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};

static int64_t
get_varbit(BitsIn *in)
{
	unsigned size = varbit_sizes[get_ones(in, 8)];

	return size == 0 ? 0 : get_signed(in, size);
}

static uint64_t
get_uvarbit(BitsIn *in)
{
	unsigned size = varbit_sizes[get_ones(in, 8)];

	return size == 0 ? 0 : get_bits(in, size);
}

static uint64_t
get_byte_varint(BitsIn *in)
{
	uint64_t value = 0;

	for (int shift = 0;; shift += 7)
	{
		uint64_t byte = get_bits(in, 8);

		value |= (byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
}

typedef struct Xor
{
	uint64_t bits;
	unsigned leading;
	unsigned size;
} Xor;

static double
get_xor(BitsIn *in, Xor *chain)
{
	if (get_bits(in, 1) == 1)
	{
		if (get_bits(in, 1) == 1)
		{
			chain->leading = (unsigned) get_bits(in, 5);
			chain->size = (unsigned) get_bits(in, 6);
			if (chain->size == 0)
				chain->size = 64;
		}
		chain->bits ^= get_bits(in, chain->size) << (64 - chain->leading - chain->size);
	}
	return double_of(chain->bits);
}

static double
get_xor_first(BitsIn *in, Xor *chain)
{
	chain->bits = get_bits(in, 64);
	return double_of(chain->bits);
}

static void
get_floats(BitsIn *in, unsigned n, Series *series)
{
	static const unsigned sizes[] = {0, 14, 17, 20, 64};
	Xor chain = {0};
	uint64_t time = 0; /* it wraps around */
	uint64_t delta = 0;

	for (unsigned i = 0; i < n; i++)
	{
		double value;

		if (i == 0)
			time = (uint64_t) unzigzag(get_byte_varint(in));
		else if (i == 1)
			delta = get_byte_varint(in);
		else
		{
			unsigned size = sizes[get_ones(in, 4)];

			delta += size == 0 ? 0 : (uint64_t) get_signed(in, size);
		}
		time += delta;
		value = i == 0 ? get_xor_first(in, &chain) : get_xor(in, &chain);
		add_sample(series, (int64_t) time)->value = value;
	}
}

typedef struct Chain
{
	int64_t value;
	int64_t delta;
} Chain;

static int64_t
get_delta(BitsIn *in, Chain *chain)
{
	chain->delta += get_varbit(in);
	return chain->value += chain->delta;
}

static void
get_spans(BitsIn *in, TsSpan *spans, uint32_t *n, uint32_t *buckets)
{
	*n = (uint32_t) get_uvarbit(in);
	for (uint32_t i = 0; i < *n; i++)
	{
		spans[i].length = (uint32_t) get_uvarbit(in);
		spans[i].offset = (int32_t) get_varbit(in);
		*buckets += spans[i].length;
	}
}

static void
get_layout(BitsIn *in, Histogram *layout)
{
	TsHistogram *h = &layout->h;
	uint64_t threshold = get_bits(in, 8);

	h->zero_threshold = threshold == 0     ? 0
						: threshold == 255 ? double_of(get_bits(in, 64))
										   : ldexp(0.5, (int) threshold - 243);
	h->schema = (int32_t) get_varbit(in);
	get_spans(in, layout->spans[0], &h->npositive_spans, &h->npositive);
	get_spans(in, layout->spans[1], &h->nnegative_spans, &h->nnegative);
	if (h->schema != TS_HISTOGRAM_CUSTOM_SCHEMA)
		return;
	h->nbounds = (uint32_t) get_uvarbit(in);
	for (uint32_t i = 0; i < h->nbounds; i++)
	{
		uint64_t bound = get_uvarbit(in);

		layout->bounds[i] = bound == 0 ? double_of(get_bits(in, 64))
									   : (double) (bound - 1) / 1000;
	}
}

/* One chain for each number of a histogram. */
typedef struct Chains
{
	Chain time;
	Chain integers[2];
	Chain buckets[2][MOST_BUCKETS];
	Xor floats[2];
	Xor float_buckets[2][MOST_BUCKETS];
	Xor sum;
} Chains;

static int64_t
get_integer(BitsIn *in, Chain *chain, bool first, bool is_signed)
{
	if (!first)
		return get_delta(in, chain);
	return chain->value = is_signed ? get_varbit(in) : (int64_t) get_uvarbit(in);
}

static double
get_number(BitsIn *in, Xor *chain, bool first)
{
	return first ? get_xor_first(in, chain) : get_xor(in, chain);
}

static void
get_buckets(BitsIn *in, Histogram *histogram, Chains *chains, bool integer, bool first)
{
	const uint32_t n[2] = {histogram->h.npositive, histogram->h.nnegative};

	for (int side = 0; side < 2; side++)
	{
		int64_t count = 0;

		for (uint32_t i = 0; i < n[side]; i++)
		{
			double *to = &histogram->counts[side][i];

			if (integer)
			{
				count += get_integer(in, &chains->buckets[side][i], first, true);
				*to = (double) count;
			}
			else
				*to = get_number(in, &chains->float_buckets[side][i], first);
		}
	}
}

static TsResetHint
hint_of(unsigned flag, bool first)
{
	if (flag == 3)
		return TS_RESET_GAUGE;
	if (!first)
		return TS_RESET_NO;
	return flag == 2 ? TS_RESET_YES : TS_RESET_UNKNOWN;
}

static void
get_histograms(BitsIn *in, unsigned n, bool integer, Series *series)
{
	static Chains chains;
	static Histogram layout;
	unsigned flag = (unsigned) get_bits(in, 8) >> 6;

	memset(&chains, 0, sizeof(chains));
	memset(&layout, 0, sizeof(layout));
	get_layout(in, &layout);
	layout.h.integer = integer;
	for (unsigned i = 0; i < n; i++)
	{
		const bool first = i == 0;
		Sample *sample = add_sample(series, get_integer(in, &chains.time, first, true));
		TsHistogram *h = &sample->histogram.h;

		sample->is_histogram = true;
		sample->histogram = layout;
		h->hint = hint_of(flag, first);
		if (integer)
		{
			h->count = (double) get_integer(in, &chains.integers[0], first, false);
			h->zero_count = (double) get_integer(in, &chains.integers[1], first, false);
		}
		else
		{
			h->count = get_number(in, &chains.floats[0], first);
			h->zero_count = get_number(in, &chains.floats[1], first);
		}
		h->sum = get_number(in, &chains.sum, first);
		if (!ts_histogram_is_stale(h))
			get_buckets(in, &sample->histogram, &chains, integer, first);
	}
}

static void
get_chunk(In in, Series *series)
{
	int64_t times[2] = {0, 0};
	const size_t before = series->n;
	uint64_t kind = 0;
	In data = {NULL, NULL};
	BitsIn bits;
	unsigned n;

	while (in.next < in.end)
	{
		uint64_t tag = get_varint(&in);

		if (tag == 0x22)
			data = get_inner(&in);
		else if (tag == 0x18)
			kind = get_varint(&in);
		else
			times[tag / 8 - 1] = (int64_t) get_varint(&in);
	}
	bits = (BitsIn){data.next, 0, (size_t) (data.end - data.next) * 8};
	n = (unsigned) get_bits(&bits, 16);
	CHECK(n > 0 && n <= TS_CHUNK_SAMPLES);
	if (kind == 1)
		get_floats(&bits, n, series);
	else
		get_histograms(&bits, n, kind == 2, series);
	CHECK(bits.n - bits.at < 8, "all is read");
	CHECK(series->samples[before].time == times[0] &&
		  series->samples[series->n - 1].time == times[1]);
	series->chunks++;
}

static uint32_t
crc_of(const uint8_t *data, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++)
	{
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82f63b78 & -(crc & 1));
	}
	return ~crc;
}

/* Reads the frames of one series. */
static void
get_frames(In in, Series *series)
{
	while (in.next < in.end)
	{
		size_t size = get_varint(&in);
		uint32_t crc = (uint32_t) in.next[0] << 24 | (uint32_t) in.next[1] << 16 |
					   (uint32_t) in.next[2] << 8 | in.next[3];
		In message = {in.next + 4, in.next + 4 + size};
		In inner;

		in.next = message.end;
		CHECK(crc == crc_of(message.next, size));
		CHECK(size <= 1024 * 1024, "%zu", size);
		series->frames++;
		series->labels[0] = '\0';
		CHECK(get_varint(&message) == 0x0a);
		inner = get_inner(&message);
		if (message.next < message.end)
		{
			CHECK(get_varint(&message) == 0x10);
			series->query = get_varint(&message);
		}
		CHECK(message.next == message.end);
		while (inner.next < inner.end)
		{
			uint64_t tag = get_varint(&inner);

			if (tag == 0x0a)
				get_label(get_inner(&inner), series);
			else
				get_chunk(get_inner(&inner), series);
		}
	}
}

/* ---- there and back ---- */

static const char *const names[][2] = {{"__name__", "up"}, {"job", "\xc3\xa4"}};

static size_t
make_labels(uint8_t *payload)
{
	LabelsPair pairs[2];
	uint32_t n = 2;
	size_t size;

	for (int i = 0; i < 2; i++)
		pairs[i] = (LabelsPair){
			{names[i][0], strlen(names[i][0])}, {names[i][1], strlen(names[i][1])}, -1};
	CHECK(labels_normalize(pairs, &n, &size, NULL) == TS_OK);
	labels_encode(pairs, n, payload);
	return size;
}

static void
write_series(const Series *series, TsReadType type, Bytes *out,
			 const TsAllocator *allocator, bool *failed)
{
	TsReadWriter writer;
	uint8_t labels[100];
	size_t size = make_labels(labels);

	ts_read_writer_init(&writer, type, put, out, allocator);
	writer.query = series->query;
	ts_read_begin_series(&writer, labels, size);
	for (size_t i = 0; i < series->n; i++)
	{
		Sample *sample = &series->samples[i];

		settle(&sample->histogram);
		if (sample->is_histogram)
			ts_read_put_histogram(&writer, sample->time, &sample->histogram.h);
		else
			ts_read_put_float(&writer, sample->time, sample->value);
	}
	ts_read_end_series(&writer);
	*failed = ts_read_writer_failed(&writer);
	ts_read_writer_free(&writer);
}

/* Writes a series both ways, and reads it back; got is how it comes from chunks. */
static void
there_and_back(Series *series, Series *got, const char *what)
{
	Bytes out = {0};
	Series samples = {0};
	bool failed;

	strcpy(series->labels, "__name__=up;job=\xc3\xa4;");
	write_series(series, TS_READ_SAMPLES, &out, &ts_malloc_allocator, &failed);
	unit_group_begin();
	get_series((In){out.data, out.data + out.n}, &samples);
	unit_group_end();
	compare(series, &samples, true, what);
	CHECK(!failed);
	out.n = 0;
	memset(got, 0, sizeof(*got));
	write_series(series, TS_READ_CHUNKS, &out, &ts_malloc_allocator, &failed);
	unit_group_begin();
	get_frames((In){out.data, out.data + out.n}, got);
	unit_group_end();
	compare(series, got, false, what);
	CHECK(!failed && got->query == series->query);
	free(out.data);
	free(samples.samples);
}

static void
free_series(Series *series, Series *got)
{
	free(series->samples);
	free(got->samples);
	memset(series, 0, sizeof(*series));
	memset(got, 0, sizeof(*got));
}

/* A histogram of a text as a sample. */
static Sample *
add_text(Series *series, int64_t time, const char *text, bool integer)
{
	Sample *sample = add_sample(series, time);
	TsHistogram *h = hist(text);
	Histogram *to = &sample->histogram;

	sample->is_histogram = true;
	to->h = *h;
	to->h.integer = integer;
	memcpy(to->spans[0], h->positive_spans, sizeof(TsSpan) * h->npositive_spans);
	memcpy(to->spans[1], h->negative_spans, sizeof(TsSpan) * h->nnegative_spans);
	memcpy(to->counts[0], h->positive, sizeof(double) * h->npositive);
	memcpy(to->counts[1], h->negative, sizeof(double) * h->nnegative);
	memcpy(to->bounds, h->bounds, sizeof(double) * h->nbounds);
	return sample;
}

static void
test_no_samples(void)
{
	Series series = {0};
	Series got;

	there_and_back(&series, &got, "nothing");
	CHECK(got.frames == 1 && got.chunks == 0);
	free_series(&series, &got);
}

static void
test_floats(void)
{
	static const uint64_t odd[] = {0,
								   STALE,
								   0x7ff8000000000001,
								   0x8000000000000000,
								   0x7ff0000000000000,
								   0xfff0000000000000,
								   1,
								   0xffffffffffffffff,
								   0x3ff0000000000000};
	static const int64_t steps[] = {1,      8192,   8193,       65536,         65537,
									524288, 524289, 1000000000, 4000000000000, 15000};
	Series series = {.query = 300};
	Series got;
	int64_t time = -7000;

	for (size_t i = 0; i < 5000; i++)
	{
		time += steps[i / 7 % 10] + (int64_t) (i % 3);
		add_sample(&series, time)->value = i % 5 == 0   ? double_of(odd[i / 5 % 9])
										   : i % 7 == 0 ? sqrt((double) i)
														: (double) (i / 3);
	}
	there_and_back(&series, &got, "floats");
	CHECK(got.chunks == (5000 + TS_CHUNK_SAMPLES - 1) / TS_CHUNK_SAMPLES);
	CHECK(got.frames == 1);
	free_series(&series, &got);

	/* the ends of all times */
	add_sample(&series, INT64_MIN)->value = 1;
	add_sample(&series, -1)->value = 2;
	add_sample(&series, INT64_MAX)->value = 3;
	there_and_back(&series, &got, "extreme times");
	free_series(&series, &got);
}

/* Random bits take all the room there is: more than a frame. */
static void
test_many_frames(void)
{
	Series series = {0};
	Series got;

	srand(1);
	for (int64_t i = 0; i < 400000; i++)
		add_sample(&series, i * 1000)->value = double_of(
			(uint64_t) rand() << 40 ^ (uint64_t) rand() << 20 ^ (uint64_t) rand());
	there_and_back(&series, &got, "many floats");
	CHECK(got.frames > 2, "%d", got.frames);
	free_series(&series, &got);
}

static TsResetHint
hint_at(const Series *series, size_t i)
{
	return series->samples[i].histogram.h.hint;
}

static void
test_resets(bool integer)
{
	Series series = {0};
	Series got;

	add_text(&series, 1000, "{{schema:0 count:5 sum:3.1 buckets:[1 4]}}", integer);
	add_text(&series, 2000, "{{schema:0 count:7 sum:4 buckets:[2 5]}}", integer);
	/* fewer: a reset */
	add_text(&series, 3000, "{{schema:0 count:2 sum:4 buckets:[1 1]}}", integer);
	/* one more bucket: another layout, and no reset */
	add_text(&series, 4000, "{{schema:0 count:3 sum:4 buckets:[1 1 1]}}", integer);
	/* said to be a reset */
	add_text(&series, 5000, "{{schema:0 count:4 sum:4 buckets:[1 1 2]}}", integer)
		->histogram.h.hint = TS_RESET_YES;
	add_text(&series, 6000, "{{schema:0 count:4 sum:4 buckets:[1 1 2]}}", integer);
	/* a marker, and a new beginning */
	add_text(&series, 7000, "{{schema:0 count:4 sum:4 buckets:[1 1 2]}}", integer)
		->histogram.h.sum = double_of(STALE);
	add_text(&series, 8000, "{{schema:0 count:4 sum:4 buckets:[1 1 2]}}", integer)
		->histogram.h.sum = double_of(STALE);
	add_text(&series, 9000, "{{schema:0 count:5 sum:4 buckets:[1 1 3]}}", integer);
	/* floats among histograms */
	add_sample(&series, 10000)->value = double_of(STALE);
	add_text(&series, 11000, "{{schema:0 count:5 sum:4 buckets:[1 1 3]}}", integer);
	there_and_back(&series, &got, integer ? "integer resets" : "resets");
	CHECK(got.chunks == 7, "%d", got.chunks);
	CHECK(hint_at(&got, 0) == TS_RESET_UNKNOWN);
	CHECK(hint_at(&got, 1) == TS_RESET_NO);
	CHECK(hint_at(&got, 2) == TS_RESET_YES);
	CHECK(hint_at(&got, 3) == TS_RESET_UNKNOWN);
	CHECK(hint_at(&got, 4) == TS_RESET_YES);
	CHECK(hint_at(&got, 5) == TS_RESET_NO);
	CHECK(hint_at(&got, 8) == TS_RESET_UNKNOWN);
	CHECK(hint_at(&got, 10) == TS_RESET_UNKNOWN);
	free_series(&series, &got);

	/* gauges go up and down within a chunk */
	for (int i = 0; i < 4; i++)
		add_text(&series, i * 1000,
				 i % 2 == 0 ? "{{schema:0 count:5 sum:3.1 buckets:[1 4]}}"
							: "{{schema:0 count:2 sum:3.1 buckets:[1 1]}}",
				 integer)
			->histogram.h.hint = TS_RESET_GAUGE;
	there_and_back(&series, &got, "gauges");
	CHECK(got.chunks == 1 && hint_at(&got, 0) == TS_RESET_GAUGE &&
		  hint_at(&got, 3) == TS_RESET_GAUGE);
	free_series(&series, &got);
}

/* Counters that grow in all of their parts, with layouts that change now and then. */
static void
test_histograms(bool integer)
{
	static const double thresholds[] = {0,    0x1p-128, 1e-3,    1024,
										2048, 0x1p-243, 0x1p-244};
	Series series = {.query = 1};
	Series got;
	Histogram grown = {0};

	srand(2);
	for (int i = 0; i < 3000; i++)
	{
		Sample *sample = add_sample(&series, 1767225600000 + i * 15000 + rand() % 3);
		TsHistogram *h = &grown.h;

		if (i % 300 == 0)
		{
			memset(&grown, 0, sizeof(grown));
			h->schema = i / 300 % 13 - 4;
			h->integer = integer;
			h->zero_threshold = thresholds[i / 300 % 7];
			h->npositive_spans = 2;
			h->npositive = 30;
			grown.spans[0][0] = (TsSpan){-i, 10};
			grown.spans[0][1] = (TsSpan){i + 1, 20};
			h->nnegative_spans = i % 600 == 0;
			h->nnegative = i % 600 == 0 ? 5 : 0;
			grown.spans[1][0] = (TsSpan){3, 5};
		}
		for (int bucket = 0; bucket < 30; bucket++)
		{
			double more = integer ? rand() % 100 * (bucket % 3) : rand() / 1e5;

			grown.counts[0][bucket] += more;
			h->count += more;
		}
		grown.counts[1][2] += h->nnegative > 0;
		h->count += h->nnegative > 0;
		h->zero_count += 3;
		h->count += 3;
		h->sum += i * 0.1;
		sample->is_histogram = true;
		sample->histogram = grown;
	}
	there_and_back(&series, &got, integer ? "integer histograms" : "histograms");
	CHECK(got.chunks == 30, "%d", got.chunks);
	free_series(&series, &got);
}

static void
test_bounds(void)
{
	static const double bounds[] = {-5.5, 0,       0.001,    0.005,     0.1,
									0.25, 1.0 / 3, 33554.43, 33554.431, 1e300};
	Series series = {0};
	Series got;

	for (int i = 0; i < 3; i++)
	{
		Sample *sample = add_sample(&series, i);
		TsHistogram *h = &sample->histogram.h;

		sample->is_histogram = true;
		h->schema = TS_HISTOGRAM_CUSTOM_SCHEMA;
		h->integer = i < 2;
		h->nbounds = 10;
		memcpy(sample->histogram.bounds, bounds, sizeof(bounds));
		h->npositive_spans = 1;
		h->npositive = 11;
		sample->histogram.spans[0][0] = (TsSpan){0, 11};
		sample->histogram.counts[0][4] = i + 1;
		h->count = i + 1;
	}
	there_and_back(&series, &got, "bounds");
	CHECK(got.chunks == 2);
	free_series(&series, &got);
}

/* What an integer has no room for is sent as floats. */
static void
test_large_counts(void)
{
	Series series = {0};
	Series got;
	Bytes out = {0};
	bool failed;

	add_text(&series, 1, "{{schema:0 count:1e300 sum:3.1 buckets:[1e300]}}", true);
	write_series(&series, TS_READ_CHUNKS, &out, &ts_malloc_allocator, &failed);
	memset(&got, 0, sizeof(got));
	get_frames((In){out.data, out.data + out.n}, &got);
	CHECK(got.n == 1 && !got.samples[0].histogram.h.integer &&
		  got.samples[0].histogram.h.count == 1e300);
	free(out.data);
	free_series(&series, &got);
}

static void
test_no_memory(void)
{
	for (int type = 0; type < 2; type++)
	{
		bool failed = true;

		unit_group_begin();
		for (int pieces = 0; failed && pieces < 1000; pieces++)
		{
			DryAllocator dry = {pieces, 0};
			TsAllocator allocator = {dry_alloc, dry_free, &dry};
			Series series = {0};
			Series none = {0};
			Bytes out = {0};

			for (int i = 0; i < 300; i++)
				add_sample(&series, i)->value = sqrt(i);
			for (int i = 0; i < 300; i++)
				add_text(&series, 1000 + i, "{{schema:0 count:5 sum:3.1 buckets:[1 4]}}",
						 i < 150);
			write_series(&series, (TsReadType) type, &out, &allocator, &failed);
			CHECK(dry.held == 0);
			free(out.data);
			free_series(&series, &none);
		}
		CHECK(!failed);
		unit_group_end();
	}
}

/* ---- by hand ---- */

/* Bytes of a text of zeros and ones, with spaces; the last byte is filled with zeros. */
static size_t
pack(const char *text, uint8_t *out)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
	{
		if (*text == ' ')
			continue;
		if (n % 8 == 0)
			out[n / 8] = 0;
		out[n / 8] |= (uint8_t) ((*text - '0') << (7 - n % 8));
		n++;
	}
	return (n + 7) / 8;
}

static void
test_float_chunk(void)
{
	static const uint8_t expected[] = {0x00, 0x03,                   /* samples */
									   0xd0, 0x0f,                   /* 1000, zigzag */
									   0x3f, 0xf0, 0, 0, 0, 0, 0, 0, /* 1.0 */
									   0xe8, 0x07,                   /* 1000 later */
									   /* the same value; 0: as much later; another window
										* of bits: 12 zeros before 1 bit, which is 1 */
									   0x36, 0x03};
	TsChunk chunk;

	ts_chunk_init(&chunk, &ts_malloc_allocator);
	ts_chunk_begin_series(&chunk);
	CHECK(ts_chunk_add_float(&chunk, 1000, 1));
	CHECK(ts_chunk_add_float(&chunk, 2000, 1));
	CHECK(ts_chunk_add_float(&chunk, 3000, 1.5));
	CHECK(chunk.bytes.size == sizeof(expected) &&
		  memcmp(chunk.bytes.data, expected, sizeof(expected)) == 0);
	CHECK(chunk.kind == TS_CHUNK_FLOATS && chunk.n == 3 && chunk.min_time == 1000 &&
		  chunk.max_time == 3000);
	ts_chunk_free(&chunk);
}

static void
test_histogram_chunk(void)
{
	static const char bits[] =
		"00000000 00000010 00000000" /* two samples, nothing is known of resets */
		"01110100"                   /* zero threshold 2^-128 */
		"0"                          /* schema 0 */
		"10001 10010 0"              /* positive: one span of 2 buckets from 0 on */
		"0"                          /* negative: none */
		"11110 001111101000"         /* at 1000 */
		"10011 10001"                /* count 3, zero count 1 */
		"01000000 00001000 00000000 00000000 00000000 00000000 00000000 00000000" /* 3.0 */
		"10001 0"            /* buckets 1 and, by a difference of 0, 1 */
		"11110 001111101000" /* 1000 later */
		"10010 0"            /* count: 2 more; zero count: the same */
		"0"                  /* the same sum */
		"10010 10110";       /* 3, and 0 in the second: differences grow by 2 and by -2 */
	uint8_t expected[100];
	size_t size = pack(bits, expected);
	TsHistogram *first;
	TsHistogram *second;
	TsChunk chunk;

	first = hist("{{schema:0 count:3 sum:3 z_bucket:1 z_bucket_w:2.938735877055719e-39 "
				 "buckets:[1 1]}}");
	second = hist("{{schema:0 count:5 sum:3 z_bucket:1 z_bucket_w:2.938735877055719e-39 "
				  "buckets:[3 1]}}");
	first->integer = second->integer = true;
	ts_chunk_init(&chunk, &ts_malloc_allocator);
	ts_chunk_begin_series(&chunk);
	CHECK(ts_chunk_add_histogram(&chunk, 1000, first));
	CHECK(ts_chunk_add_histogram(&chunk, 2000, second));
	CHECK(chunk.bytes.size == size && memcmp(chunk.bytes.data, expected, size) == 0);
	CHECK(chunk.kind == TS_CHUNK_HISTOGRAMS);
	ts_chunk_free(&chunk);
}

static void
test_sample_message(void)
{
	static const uint8_t expected[] =
		"\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x09\x0a\x03job\x12\x02\xc3\xa4"
		"\x12\x0c\x09\0\0\0\0\0\0\xf8\x3f\x10\xe8\x07" /* 1.5 at 1000 */
		"\x12\x00" /* 0 at 0 */;
	Series series = {0};
	Bytes out = {0};
	bool failed;

	add_sample(&series, 1000)->value = 1.5;
	add_sample(&series, 0);
	write_series(&series, TS_READ_SAMPLES, &out, &ts_malloc_allocator, &failed);
	CHECK(out.n == sizeof(expected) - 1 && memcmp(out.data, expected, out.n) == 0);
	free(out.data);
	free(series.samples);
}

static void
test_crc(void)
{
	CHECK(crc_of((const uint8_t *) "123456789", 9) == 0xe3069283);
}

/* ---- snappy ---- */

static void
test_snappy(void)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 1000000};
	TsSnappy *snappy = malloc(sizeof(TsSnappy));
	char *data = malloc(1000000);
	char *back = malloc(1000000);

	for (int i = 0; i < 1000000; i++)
		data[i] = (char) (i / 3000 % 2 == 0 ? rand() : i % 7);
	for (size_t i = 0; i < 6; i++)
	{
		Bytes out = {0};
		size_t size = 1000000;

		CHECK(ts_snappy_begin(snappy, sizes[i], put, &out, &ts_malloc_allocator));
		for (size_t at = 0; at < sizes[i]; at += 777)
			ts_snappy_put(snappy, data + at, sizes[i] - at < 777 ? sizes[i] - at : 777);
		ts_snappy_end(snappy);
		free(snappy->compressed);
		CHECK(snappy_uncompress((char *) out.data, out.n, back, &size) == SNAPPY_OK &&
			  size == sizes[i] && memcmp(back, data, size) == 0);
		free(out.data);
	}
	free(snappy);
	free(data);
	free(back);
}

int
main(void)
{
	any_begin();
	test_request();
	test_types();
	test_refused();
	test_crc();
	test_float_chunk();
	test_histogram_chunk();
	test_sample_message();
	test_no_samples();
	test_floats();
	test_many_frames();
	test_resets(true);
	test_resets(false);
	test_histograms(true);
	test_histograms(false);
	test_bounds();
	test_large_counts();
	test_no_memory();
	test_snappy();
	any_end();
	return unit_finish();
}
