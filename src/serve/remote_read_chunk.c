/*
 * remote_read_chunk.c
 *	  Chunks: some samples of a series in the encodings of Prometheus' store.
 *
 * A chunk is a header (how many samples there are, in two bytes, highest first; of
 * histograms a third byte with a flag) and a stream of bits, highest first:
 *
 *	floats		the first time as a varint (zigzag) and the first value's bits; of the
 *				second sample the time's difference as a varint; then second differences.
 *				Values are XORed with the one before.
 *	histograms	the layout (threshold of the zero bucket, schema, spans, bounds), and then
 *				fields of each sample: time, count, count of the zero bucket, sum,
 *				buckets. Times and integers are second differences, of which the first
 *				sample's is the number itself, sums and float counts are XORed. Integer
 *				buckets are differences to the bucket before.
 *
 * All histograms of a chunk have one layout, and none of them but the first has a reset
 * before it: so a reader may take them as growing. What does not fit begins a new chunk.
 * A stale marker has no buckets, and fits everywhere; behind it nothing else does.
 */
#include <math.h>

#include "remote_read_wire.h"

#define CHUNK_SIZE (256 * 1024) /* nothing is added to a chunk that is larger */

#define NO_LEADING  0xff
#define MAX_LEADING 31 /* five bits */

/* The flag of histograms, in the third byte. */
#define FLAG_RESET    0x80
#define FLAG_NO_RESET 0x40
#define FLAG_GAUGE    0xc0
#define FLAG_UNKNOWN  0x00

void
ts_chunk_init(TsChunk *chunk, const TsAllocator *allocator)
{
	memset(chunk, 0, sizeof(*chunk));
	ts_read_bytes_init(&chunk->bytes, allocator);
	ts_read_bytes_init(&chunk->buckets, allocator);
}

void
ts_chunk_free(TsChunk *chunk)
{
	ts_read_bytes_free(&chunk->bytes);
	ts_read_bytes_free(&chunk->buckets);
}

void
ts_chunk_empty(TsChunk *chunk)
{
	chunk->bytes.size = 0;
	chunk->kind = TS_CHUNK_NONE;
	chunk->n = 0;
	chunk->free_bits = 0;
}

void
ts_chunk_begin_series(TsChunk *chunk)
{
	ts_chunk_empty(chunk);
	chunk->last = NULL;
}

/* ---- bits ---- */

/* The lowest n bits, up to 64. */
static void
put_bits(TsChunk *chunk, uint64_t value, unsigned n)
{
	TsReadBytes *bytes = &chunk->bytes;

	if (read_bytes_reserve(bytes, 9) == NULL)
		return;
	while (n > 0)
	{
		unsigned part;

		if (chunk->free_bits == 0)
		{
			bytes->data[bytes->size++] = 0;
			chunk->free_bits = 8;
		}
		part = n < chunk->free_bits ? n : chunk->free_bits;
		n -= part;
		chunk->free_bits -= part;
		bytes->data[bytes->size - 1] |= (uint8_t) ((value >> n & ((1u << part) - 1))
												   << chunk->free_bits);
	}
}

static uint64_t
bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void
put_varint_bits(TsChunk *chunk, uint64_t value)
{
	uint8_t bytes[WIRE_VARINT_MAX];
	size_t n = wire_write_varint(value, bytes);

	for (size_t i = 0; i < n; i++)
		put_bits(chunk, bytes[i], 8);
}

/* A reader takes numbers of n bits above 2^(n - 1) as negative ones. */
static bool
fits(int64_t value, unsigned n)
{
	const int64_t half = (int64_t) 1 << (n - 1);

	return value > -half && value <= half;
}

/* Sizes of "varbits": the more ones stand before, the more bits follow. */
static const uint8_t varbit_sizes[] = {3, 6, 9, 12, 18, 25, 56};

#define VARBIT_SIZES (sizeof(varbit_sizes) / sizeof(varbit_sizes[0]))

/* `which` is the place in the list of sizes: as many ones and one more, and a zero. */
static void
put_varbits(TsChunk *chunk, uint64_t value, unsigned which)
{
	if (value == 0)
		put_bits(chunk, 0, 1);
	else if (which < VARBIT_SIZES)
	{
		put_bits(chunk, ((uint64_t) 1 << (which + 2)) - 2, which + 2);
		put_bits(chunk, value, varbit_sizes[which]);
	}
	else
	{
		put_bits(chunk, 0xff, 8);
		put_bits(chunk, value, 64);
	}
}

static void
put_varbit_int(TsChunk *chunk, int64_t value)
{
	unsigned which = 0;

	while (which < VARBIT_SIZES && !fits(value, varbit_sizes[which]))
		which++;
	put_varbits(chunk, (uint64_t) value, which);
}

static void
put_varbit_uint(TsChunk *chunk, uint64_t value)
{
	unsigned which = 0;

	while (which < VARBIT_SIZES && value >> varbit_sizes[which] != 0)
		which++;
	put_varbits(chunk, value, which);
}

/* ---- floats ---- */

static void
put_xor_first(TsChunk *chunk, TsChunkXor *chain, double value)
{
	chain->bits = bits_of(value);
	chain->leading = NO_LEADING;
	chain->trailing = 0;
	put_bits(chunk, chain->bits, 64);
}

/*
 * The bits that differ: within the same window of them as the last time, if they all lie
 * there, else with a window of their own.
 */
static void
put_xor(TsChunk *chunk, TsChunkXor *chain, double value)
{
	const uint64_t bits = bits_of(value);
	const uint64_t different = bits ^ chain->bits;
	unsigned leading;
	unsigned trailing;

	chain->bits = bits;
	if (different == 0)
	{
		put_bits(chunk, 0, 1);
		return;
	}
	leading = (unsigned) __builtin_clzll(different);
	trailing = (unsigned) __builtin_ctzll(different);
	if (leading > MAX_LEADING)
		leading = MAX_LEADING;
	if (chain->leading != NO_LEADING && leading >= chain->leading &&
		trailing >= chain->trailing)
	{
		put_bits(chunk, 2, 2);
		put_bits(chunk, different >> chain->trailing,
				 64u - chain->leading - chain->trailing);
		return;
	}
	chain->leading = (uint8_t) leading;
	chain->trailing = (uint8_t) trailing;
	put_bits(chunk, 3, 2);
	put_bits(chunk, leading, 5);
	put_bits(chunk, 64 - leading - trailing, 6); /* 64 is written as 0 */
	put_bits(chunk, different >> trailing, 64 - leading - trailing);
}

/* The second difference of a float's time. */
static void
put_time_change(TsChunk *chunk, int64_t change)
{
	if (change == 0)
		put_bits(chunk, 0, 1);
	else if (fits(change, 14))
	{
		put_bits(chunk, 2, 2);
		put_bits(chunk, (uint64_t) change, 14);
	}
	else if (fits(change, 17))
	{
		put_bits(chunk, 6, 3);
		put_bits(chunk, (uint64_t) change, 17);
	}
	else if (fits(change, 20))
	{
		put_bits(chunk, 14, 4);
		put_bits(chunk, (uint64_t) change, 20);
	}
	else
	{
		put_bits(chunk, 15, 4);
		put_bits(chunk, (uint64_t) change, 64);
	}
}

/* ---- chunks ---- */

/* Differences wrap around, as their readers' sums do. */
static int64_t
difference(int64_t a, int64_t b)
{
	return (int64_t) ((uint64_t) a - (uint64_t) b);
}

static void
begin_chunk(TsChunk *chunk, TsChunkKind kind, uint8_t flag)
{
	const uint8_t header[3] = {0, 0, flag};

	chunk->kind = kind;
	read_bytes_put(&chunk->bytes, header, kind == TS_CHUNK_FLOATS ? 2 : 3);
}

static bool
is_full(const TsChunk *chunk)
{
	return chunk->n >= TS_CHUNK_SAMPLES || chunk->bytes.size >= CHUNK_SIZE;
}

static void
count_sample(TsChunk *chunk, int64_t time)
{
	if (chunk->n++ == 0)
		chunk->min_time = time;
	chunk->max_time = time;
	if (chunk->bytes.failed)
		return;
	chunk->bytes.data[0] = (uint8_t) (chunk->n >> 8);
	chunk->bytes.data[1] = (uint8_t) chunk->n;
}

bool
ts_chunk_add_float(TsChunk *chunk, int64_t time, double value)
{
	TsChunkDelta *chain = &chunk->time;
	int64_t delta = 0;

	if (chunk->bytes.failed)
		return true;
	if (chunk->n > 0 && (chunk->kind != TS_CHUNK_FLOATS || is_full(chunk)))
		return false;
	if (chunk->n == 0)
	{
		begin_chunk(chunk, TS_CHUNK_FLOATS, 0);
		put_varint_bits(chunk, wire_to_zigzag(time));
		put_xor_first(chunk, &chunk->sum, value);
	}
	else
	{
		delta = difference(time, chain->value);
		if (chunk->n == 1)
			put_varint_bits(chunk, (uint64_t) delta);
		else
			put_time_change(chunk, difference(delta, chain->delta));
		put_xor(chunk, &chunk->sum, value);
	}
	chain->value = time;
	chain->delta = delta;
	chunk->last = NULL;
	count_sample(chunk, time);
	return true;
}

/* ---- histograms: what goes into one chunk ---- */

static bool
same_spans(const TsSpan *a, uint32_t na, const TsSpan *b, uint32_t nb)
{
	if (na != nb)
		return false;
	for (uint32_t i = 0; i < na; i++)
	{
		if (a[i].offset != b[i].offset || a[i].length != b[i].length)
			return false;
	}
	return true;
}

static bool
same_layout(const TsHistogram *a, const TsHistogram *b)
{
	return a->schema == b->schema &&
		   bits_of(a->zero_threshold) == bits_of(b->zero_threshold) &&
		   same_spans(a->positive_spans, a->npositive_spans, b->positive_spans,
					  b->npositive_spans) &&
		   same_spans(a->negative_spans, a->nnegative_spans, b->negative_spans,
					  b->nnegative_spans) &&
		   a->nbounds == b->nbounds &&
		   (a->nbounds == 0 ||
			memcmp(a->bounds, b->bounds, sizeof(double) * a->nbounds) == 0);
}

static TsChunkKind
kind_of(const TsHistogram *h)
{
	return read_has_integers(h) ? TS_CHUNK_HISTOGRAMS : TS_CHUNK_FLOAT_HISTOGRAMS;
}

static bool
goes_into(const TsChunk *chunk, const TsHistogram *h)
{
	const TsHistogram *last = chunk->last;

	if (chunk->kind != kind_of(h) || is_full(chunk))
		return false;
	if (ts_histogram_is_stale(h))
		return true;
	if (ts_histogram_is_stale(last) || !same_layout(h, last))
		return false;
	if (h->hint == TS_RESET_GAUGE || last->hint == TS_RESET_GAUGE)
		return h->hint == last->hint;
	return h->hint != TS_RESET_YES && !ts_histogram_is_reset(h, last);
}

/* What a chunk that begins with this histogram says of the one before. */
static uint8_t
reset_flag(const TsChunk *chunk, const TsHistogram *h)
{
	const TsHistogram *last = chunk->last;

	if (h->hint == TS_RESET_GAUGE)
		return FLAG_GAUGE;
	if (h->hint == TS_RESET_YES)
		return FLAG_RESET;
	if (h->hint == TS_RESET_NO)
		return FLAG_NO_RESET;
	if (last == NULL || last->hint == TS_RESET_GAUGE || ts_histogram_is_stale(last) ||
		ts_histogram_is_stale(h))
		return FLAG_UNKNOWN;
	return ts_histogram_is_reset(h, last) ? FLAG_RESET : FLAG_NO_RESET;
}

/* ---- histograms: the layout ---- */

/* Powers of two from 2^-243 to 2^10 take a byte. */
static void
put_zero_threshold(TsChunk *chunk, double threshold)
{
	int exponent;

	if (threshold == 0)
		put_bits(chunk, 0, 8);
	else if (frexp(threshold, &exponent) == 0.5 && exponent >= -242 && exponent <= 11)
		put_bits(chunk, (uint64_t) (exponent + 243), 8);
	else
	{
		put_bits(chunk, 255, 8);
		put_bits(chunk, bits_of(threshold), 64);
	}
}

static void
put_spans(TsChunk *chunk, const TsSpan *spans, uint32_t n)
{
	put_varbit_uint(chunk, n);
	for (uint32_t i = 0; i < n; i++)
	{
		put_varbit_uint(chunk, spans[i].length);
		put_varbit_int(chunk, spans[i].offset);
	}
}

/* Whole thousandths up to 33554.430 are numbers above 0; others are a 0 and their bits. */
static void
put_bound(TsChunk *chunk, double bound)
{
	const double thousandths = bound * 1000;

	if (thousandths >= 0 && thousandths <= 33554430 &&
		round(thousandths) / 1000 == bound && !signbit(bound))
	{
		put_varbit_uint(chunk, (uint64_t) round(thousandths) + 1);
		return;
	}
	put_bits(chunk, 0, 1);
	put_bits(chunk, bits_of(bound), 64);
}

static void
put_layout(TsChunk *chunk, const TsHistogram *h)
{
	put_zero_threshold(chunk, h->zero_threshold);
	put_varbit_int(chunk, h->schema);
	put_spans(chunk, h->positive_spans, h->npositive_spans);
	put_spans(chunk, h->negative_spans, h->nnegative_spans);
	if (!ts_histogram_is_custom(h))
		return;
	put_varbit_uint(chunk, h->nbounds);
	for (uint32_t i = 0; i < h->nbounds; i++)
		put_bound(chunk, h->bounds[i]);
}

/* ---- histograms: the numbers ---- */

/* The second difference of a number to those before. */
static void
put_delta(TsChunk *chunk, TsChunkDelta *chain, int64_t value)
{
	const int64_t delta = difference(value, chain->value);

	put_varbit_int(chunk, difference(delta, chain->delta));
	chain->value = value;
	chain->delta = delta;
}

/* Chains of buckets, as new ones; false: no memory. */
static bool
begin_buckets(TsChunk *chunk, const TsHistogram *h)
{
	const size_t n = (size_t) h->npositive + h->nnegative;
	const size_t size = n * (sizeof(TsChunkXor) > sizeof(TsChunkDelta)
								 ? sizeof(TsChunkXor)
								 : sizeof(TsChunkDelta));
	uint8_t *chains;

	chunk->buckets.size = 0;
	chains = read_bytes_reserve(&chunk->buckets,
								size + 1); /* it is there also for none */
	if (chains == NULL)
	{
		chunk->bytes.failed = true;
		return false;
	}
	memset(chains, 0, size);
	return true;
}

static void
put_integer_buckets(TsChunk *chunk, TsChunkDelta *chains, const double *counts,
					uint32_t n, bool first)
{
	int64_t before = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		const int64_t count = (int64_t) counts[i];
		const int64_t value = count - before;

		before = count;
		if (first)
		{
			chains[i].value = value;
			put_varbit_int(chunk, value);
		}
		else
			put_delta(chunk, &chains[i], value);
	}
}

static void
put_float_buckets(TsChunk *chunk, TsChunkXor *chains, const double *counts, uint32_t n,
				  bool first)
{
	for (uint32_t i = 0; i < n; i++)
	{
		if (first)
			put_xor_first(chunk, &chains[i], counts[i]);
		else
			put_xor(chunk, &chains[i], counts[i]);
	}
}

static void
put_sum(TsChunk *chunk, double sum, bool first)
{
	if (first)
		put_xor_first(chunk, &chunk->sum, sum);
	else
		put_xor(chunk, &chunk->sum, sum);
}

static void
put_integers(TsChunk *chunk, const TsHistogram *h, bool first, bool stale)
{
	TsChunkDelta *chains = (TsChunkDelta *) chunk->buckets.data;
	const int64_t counts[2] = {(int64_t) h->count, (int64_t) h->zero_count};

	for (int i = 0; i < 2; i++)
	{
		TsChunkDelta *chain = &chunk->counts[i];

		if (first)
		{
			*chain = (TsChunkDelta){counts[i], 0};
			put_varbit_uint(chunk, (uint64_t) counts[i]);
		}
		else if (stale)
			put_varbit_int(chunk, 0);
		else
			put_delta(chunk, chain, counts[i]);
	}
	put_sum(chunk, h->sum, first);
	put_integer_buckets(chunk, chains, h->positive, h->npositive, first);
	put_integer_buckets(chunk, chains + h->npositive, h->negative, h->nnegative, first);
}

static void
put_floats(TsChunk *chunk, const TsHistogram *h, bool first)
{
	TsChunkXor *chains = (TsChunkXor *) chunk->buckets.data;

	if (first)
	{
		put_xor_first(chunk, &chunk->float_counts[0], h->count);
		put_xor_first(chunk, &chunk->float_counts[1], h->zero_count);
	}
	else
	{
		put_xor(chunk, &chunk->float_counts[0], h->count);
		put_xor(chunk, &chunk->float_counts[1], h->zero_count);
	}
	put_sum(chunk, h->sum, first);
	put_float_buckets(chunk, chains, h->positive, h->npositive, first);
	put_float_buckets(chunk, chains + h->npositive, h->negative, h->nnegative, first);
}

bool
ts_chunk_add_histogram(TsChunk *chunk, int64_t time, const TsHistogram *h)
{
	const bool first = chunk->n == 0;
	const bool stale = ts_histogram_is_stale(h);
	const TsChunkKind kind = kind_of(h);
	TsHistogram marker = {.sum = h->sum, .integer = h->integer};
	const TsHistogram *written = stale ? &marker : h;

	if (chunk->bytes.failed)
		return true;
	if (!first && !goes_into(chunk, h))
		return false;
	if (first)
	{
		begin_chunk(chunk, kind, reset_flag(chunk, h));
		put_layout(chunk, written);
		chunk->time = (TsChunkDelta){time, 0};
		put_varbit_int(chunk, time);
	}
	else
		put_delta(chunk, &chunk->time, time);
	if (!first || begin_buckets(chunk, written))
	{
		if (kind == TS_CHUNK_HISTOGRAMS)
			put_integers(chunk, written, first, stale);
		else
			put_floats(chunk, written, first);
	}
	chunk->last = h;
	count_sample(chunk, time);
	return true;
}
