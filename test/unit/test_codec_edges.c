/*
 * test_codec_edges.c
 *	  Nothing is read or written outside the buffers, by the loops for wide registers
 *	  either, which sanitizers do not see: whatever an encoder or a reader is given ends
 *	  where a page ends that is followed by one that must not be touched. The values come
 *	  back; and columns with bytes changed do no harm.
 */
#define _GNU_SOURCE 1
#include "codec_any.h"
#include "codec_columns.h"
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MOST      700
#define MAX_WIDTH 24
#define ROOM      (MOST * MAX_WIDTH + 4096) /* bytes of the largest thing guarded */

/* Memory between two pages that must not be touched. */
typedef struct Guarded
{
	uint8_t *start;
	uint8_t *end;
} Guarded;

static Guarded in;      /* what is encoded */
static Guarded encoded; /* its bytes */
static Guarded out;     /* what is decoded */
static TsCodecEncoder *enc;
static TsCodecReader *reader;

/* What is at work, for the signal's handler. */
static char at_work[120];

static void
report_touch(int signo)
{
	static const char text[] = "memory outside of a buffer was touched: ";

	/* a failure to write leaves nothing to be done */
	if (write(1, text, sizeof(text) - 1) < 0 || write(1, at_work, strlen(at_work)) < 0 ||
		write(1, "\n", 1) < 0)
		_exit(2);
	_exit(1);
}

static Guarded
guard(size_t size)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	size_t inner = (size + page - 1) / page * page;
	uint8_t *memory = mmap(NULL, inner + 2 * page, PROT_READ | PROT_WRITE,
						   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0 ||
		mprotect(memory + page + inner, page, PROT_NONE) != 0)
	{
		perror("guard pages");
		exit(2);
	}
	return (Guarded){memory + page, memory + page + inner};
}

/* ---- all types by one name ---- */

static size_t
value_size(TsCodecType type, uint32_t width)
{
	switch (type)
	{
		case TS_CODEC_FLOAT4:
			return 4;
		case TS_CODEC_FIXED:
			return width;
		case TS_CODEC_BYTES:
			return sizeof(TsCodecBytes);
		default:
			return 8;
	}
}

/* Bytes of n values in memory. */
static size_t
memory_size(TsCodecType type, uint32_t width, uint32_t n)
{
	return type == TS_CODEC_BITS ? (size_t) (n + 63) / 64 * 8
								 : n * value_size(type, width);
}

static size_t
bound(TsCodecType type, uint32_t width, const void *values, uint32_t n)
{
	size_t bytes = 0;

	switch (type)
	{
		case TS_CODEC_BITS:
			return ts_codec_bits_bound(n);
		case TS_CODEC_FIXED:
			return ts_codec_fixed_bound(n, width);
		case TS_CODEC_BYTES:
			for (uint32_t i = 0; i < n; i++)
				bytes += ((const TsCodecBytes *) values)[i].size;
			return ts_codec_bytes_bound(n, bytes);
		default:
			return ts_codec_number_bound(n);
	}
}

static bool
same(TsCodecType type, uint32_t width, const void *a, const void *b, uint32_t n)
{
	const TsCodecBytes *x = a;
	const TsCodecBytes *y = b;

	if (type != TS_CODEC_BYTES)
		return memcmp(a, b, memory_size(type, width, n)) == 0;
	for (uint32_t i = 0; i < n; i++)
	{
		if (x[i].size != y[i].size || memcmp(x[i].data, y[i].data, x[i].size) != 0)
			return false;
	}
	return true;
}

/* ---- at the edges ---- */

/* Values first..first+n-1 where they lie in memory. */
static const void *
values_from(TsCodecType type, uint32_t width, const void *values, uint32_t first)
{
	return (const uint8_t *) values + memory_size(type, width, first);
}

/* Decodes vectors to memory that ends with them. */
static TsErrorCode
decode_to_edge(TsCodecType type, uint32_t width, uint32_t n, uint32_t first,
			   uint32_t count, void **values)
{
	uint32_t from = first * TS_CODEC_VECTOR;
	uint32_t to = (first + count) * TS_CODEC_VECTOR;

	*values = out.end - memory_size(type, width, (to < n ? to : n) - from);
	return decode_any(reader, type, first, count, *values);
}

static bool
comes_back(TsCodecType type, uint32_t width, const void *values, uint32_t n,
		   const uint8_t *bytes, size_t len)
{
	uint32_t vectors = ts_codec_vectors(n);
	void *decoded;

	if (ts_codec_open(reader, type, width, bytes, len, n) != TS_OK ||
		decode_to_edge(type, width, n, 0, vectors, &decoded) != TS_OK ||
		!same(type, width, values, decoded, n))
		return false;
	for (uint32_t v = vectors; v-- > 0;)
	{
		uint32_t first = v * TS_CODEC_VECTOR;
		uint32_t m = n - first < TS_CODEC_VECTOR ? n - first : TS_CODEC_VECTOR;

		if (decode_to_edge(type, width, n, v, 1, &decoded) != TS_OK ||
			!same(type, width, values_from(type, width, values, first), decoded, m))
			return false;
	}
	return true;
}

/* Changes bytes of a column and reads it as it may be. */
static void
read_damaged(TsCodecType type, uint32_t width, uint32_t n, uint8_t *bytes, size_t len)
{
	uint32_t vectors = ts_codec_vectors(n);

	for (int round = 0; round < 12; round++)
	{
		size_t at = random_below(random_below(2) || len < 24 ? len : 24);
		uint8_t before = bytes[at];
		void *decoded;

		bytes[at] = (uint8_t) random_bits();
		if (ts_codec_open(reader, type, width, bytes, len, n) == TS_OK)
		{
			decode_to_edge(type, width, n, vectors - 1, 1, &decoded);
			decode_to_edge(type, width, n, 0, vectors, &decoded);
		}
		bytes[at] = before;
	}
}

/* The values end where in ends. */
static bool
works_at_edges(TsCodecType type, uint32_t width, const void *values, uint32_t n)
{
	size_t room = bound(type, width, values, n);
	uint8_t *bytes = encoded.end - room;
	size_t len = 0;

	if (encode_any(enc, type, width, values, n, bytes, &len) != TS_OK || len > room)
		return false;
	/* right behind a page that is not to be touched, then right before one */
	memmove(encoded.start, bytes, len);
	if (!comes_back(type, width, values, n, encoded.start, len))
		return false;
	memmove(encoded.end - len, encoded.start, len);
	if (!comes_back(type, width, values, n, encoded.end - len, len))
		return false;
	read_damaged(type, width, n, encoded.end - len, len);
	return true;
}

/* ---- columns ---- */

static void
check_numbers(unsigned kind, uint32_t n, unsigned use)
{
	static int64_t work[MOST];
	int64_t *integers = (int64_t *) in.end - n;
	double *doubles = (double *) in.end - n;
	bool good = true;

	snprintf(at_work, sizeof(at_work), "numbers, %s, %u values, use %x",
			 column_kinds[kind], n, use);
	ts_codec_encoder_use(enc, use);
	fill_integers(kind, n, integers);
	good &= works_at_edges(TS_CODEC_INT, 0, integers, n);
	good &= works_at_edges(TS_CODEC_TIME, 0, integers, n);
	for (unsigned flavour = 0; flavour < FLOAT_FLAVOURS; flavour++)
	{
		float *floats = (float *) in.end - n;

		fill_doubles(kind, flavour, n, work, doubles);
		good &= works_at_edges(TS_CODEC_FLOAT8, 0, doubles, n);
		/* both end at the same place: from the last on none is overwritten unread */
		for (uint32_t i = n; i-- > 0;)
			floats[i] = (float) doubles[i];
		good &= works_at_edges(TS_CODEC_FLOAT4, 0, floats, n);
	}
	ts_codec_encoder_use(enc, TS_CODEC_USE_ALL);
	CHECK(good, "%s", at_work);
}

static void
check_others(unsigned distinct, uint32_t n)
{
	static const uint32_t widths[] = {1, 3, 8, MAX_WIDTH};
	uint64_t *words = (uint64_t *) in.end - (n + 63) / 64;
	uint8_t *text = in.end;
	TsCodecBytes values[MOST];
	bool good = true;

	snprintf(at_work, sizeof(at_work), "others, %u distinct, %u values", distinct, n);
	for (uint32_t i = 0; i < (n + 63) / 64; i++)
		words[i] = distinct == 1 ? 0 : distinct == 2 ? ~UINT64_C(0) << i : random_bits();
	if (n % 64 != 0)
		words[n / 64] &= (UINT64_C(1) << n % 64) - 1;
	good &= works_at_edges(TS_CODEC_BITS, 0, words, n);
	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++)
	{
		uint8_t *fixed = in.end - (size_t) n * widths[w];

		for (uint32_t i = 0; i < n * widths[w]; i++)
			fixed[i] = (uint8_t) random_below(distinct < 256 ? distinct : 256);
		good &= works_at_edges(TS_CODEC_FIXED, widths[w], fixed, n);
	}
	for (uint32_t i = 0; i < n; i++)
	{
		values[i].size = (uint32_t) random_below(distinct < 20 ? distinct : 20);
		text -= values[i].size;
		values[i].data = text;
		memset(text, 'a' + (int) random_below(2), values[i].size);
	}
	good &= works_at_edges(TS_CODEC_BYTES, 0, values, n);
	CHECK(good, "%s", at_work);
}

int
main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1, 2, 3, 7, 8, 9, 60, 255, 256, 257, 515};
	static const unsigned ways[] = {
		TS_CODEC_USE_ALL, TS_CODEC_USE_DECIMALS | TS_CODEC_USE_FRAMES,
		TS_CODEC_USE_DECIMALS | TS_CODEC_USE_FRAMES | TS_CODEC_USE_PATCHES,
		TS_CODEC_USE_DELTAS | TS_CODEC_USE_BITMAPS | TS_CODEC_USE_PATCHES,
		TS_CODEC_USE_DECIMALS | TS_CODEC_USE_DODS | TS_CODEC_USE_PATCHES};
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t) time(NULL);

	printf("seed %llu\n", (unsigned long long) seed);
	fflush(stdout);
	random_state = seed;
	signal(SIGSEGV, report_touch);
	signal(SIGBUS, report_touch);
	in = guard(ROOM);
	encoded = guard(ROOM);
	out = guard(ROOM);
	enc = ts_codec_encoder_create(&ts_malloc_allocator);
	reader = ts_codec_reader_create(&ts_malloc_allocator);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		for (unsigned kind = 0; kind < COLUMN_KINDS; kind++)
		{
			unit_group_begin();
			for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
				check_numbers(kind, sizes[s], ways[way]);
			unit_group_end();
		}
		for (unsigned distinct = 1; distinct <= 1024; distinct *= 2)
			check_others(distinct, sizes[s]);
	}
	ts_codec_encoder_free(enc);
	ts_codec_reader_free(reader);
	return unit_finish();
}
