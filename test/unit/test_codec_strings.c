/*
 * test_codec_strings.c
 *	  Columns of bits, of values of fixed width and of bytes come back, as a whole and
 *	  vector by vector.
 */
#include "ts_codec.h"
#include "codec_columns.h"
#include "unit.h"

#include <stdlib.h>
#include <time.h>

#define CANARY   0xA5
#define MAX_TEXT 200

static TsCodecEncoder *enc;
static TsCodecReader *reader;

/* Encoded bytes at exactly their size, so that tools see reads beyond it. */
static uint8_t *
exact(uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	memcpy(copy, bytes, len);
	free(bytes);
	return copy;
}

/* ---- bits ---- */

static void
fill_bits(unsigned kind, uint32_t n, uint64_t *words)
{
	uint32_t ones[] = {0, 1, 2, 10, 100, 999, 1000};
	bool value = random_below(2);

	memset(words, 0, (n + 63) / 64 * 8);
	for (uint32_t i = 0; i < n; i++)
	{
		if (kind < 7)
			value = random_below(1000) < ones[kind];
		else if (random_below(100) == 0)
			value = !value;
		words[i / 64] |= (uint64_t) value << (i & 63);
	}
}

static void
check_bits(unsigned kind, uint32_t n)
{
	uint32_t count = (n + 63) / 64;
	uint64_t *words = calloc(count + 1, 8);
	uint64_t *decoded = calloc(count + 1, 8);
	uint8_t *bytes = malloc(ts_codec_bits_bound(n) + 1);
	size_t len;
	bool good = true;

	unit_group_begin();
	fill_bits(kind, n, words);
	/* what is beyond n must not matter */
	if (n % 64 != 0)
		words[count - 1] |= ~UINT64_C(0) << n % 64;
	bytes[ts_codec_bits_bound(n)] = CANARY;
	CHECK(ts_codec_encode_bits(enc, words, n, bytes, &len) == TS_OK);
	CHECK(len <= ts_codec_bits_bound(n) && bytes[ts_codec_bits_bound(n)] == CANARY);
	if (n % 64 != 0)
		words[count - 1] &= (UINT64_C(1) << n % 64) - 1;
	bytes = exact(bytes, len);
	CHECK(ts_codec_open(reader, TS_CODEC_BITS, 0, bytes, len, n) == TS_OK, "%u", n);
	CHECK(ts_codec_decode_bits(reader, 0, ts_codec_vectors(n), decoded) == TS_OK);
	CHECK(memcmp(words, decoded, count * 8) == 0, "bits %u, %u values", kind, n);
	for (uint32_t v = ts_codec_vectors(n); v-- > 0;)
	{
		uint32_t left = count - v * 4;

		ts_codec_decode_bits(reader, v, 1, decoded);
		good &= memcmp(words + v * 4, decoded, (left < 4 ? left : 4) * 8) == 0;
	}
	CHECK(good, "vectors of bits %u, %u values", kind, n);
	unit_group_end();
	free(words);
	free(decoded);
	free(bytes);
}

/* ---- fixed width ---- */

static void
check_fixed(unsigned kind, uint32_t width, uint32_t n)
{
	size_t size = (size_t) n * width;
	size_t bound = ts_codec_fixed_bound(n, width);
	uint8_t *values = malloc(size + 1);
	uint8_t *decoded = malloc(size + 1);
	uint8_t *bytes = malloc(bound + 1);
	size_t len;
	bool good = true;

	unit_group_begin();
	for (size_t i = 0; i < size; i++)
	{
		/* random, constant, few values, text-like, periodic */
		static const unsigned ranges[] = {256, 1, 2, 4, 256};

		values[i] = (uint8_t) random_below(ranges[kind]);
		if (kind == 4 && i >= 97)
			values[i] = values[i - 97];
	}
	bytes[bound] = CANARY;
	CHECK(ts_codec_encode_fixed(enc, values, width, n, bytes, &len) == TS_OK);
	CHECK(len <= bound && bytes[bound] == CANARY);
	bytes = exact(bytes, len);
	CHECK(ts_codec_open(reader, TS_CODEC_FIXED, width, bytes, len, n) == TS_OK);
	CHECK(ts_codec_decode_fixed(reader, 0, ts_codec_vectors(n), decoded) == TS_OK);
	CHECK(memcmp(values, decoded, size) == 0, "fixed %u, width %u, %u values", kind,
		  width, n);
	for (uint32_t v = ts_codec_vectors(n); v-- > 0;)
	{
		size_t start = (size_t) v * TS_CODEC_VECTOR * width;
		size_t most = (size_t) TS_CODEC_VECTOR * width;
		size_t left = size - start < most ? size - start : most;

		good &= ts_codec_decode_fixed(reader, v, 1, decoded) == TS_OK;
		good &= memcmp(values + start, decoded, left) == 0;
	}
	CHECK(good, "vectors of fixed %u, width %u, %u values", kind, width, n);
	unit_group_end();
	free(values);
	free(decoded);
	free(bytes);
}

/* ---- bytes ---- */

static const char *const words_of_logs[] = {
	"connection ",        "closed ", "by ", "peer ", "timeout ", "after ", "retry ",
	"GET /api/v1/query ", "200 ",    "404 "};

static uint32_t
make_text(unsigned kind, uint32_t i, uint8_t *out)
{
	uint32_t size = 0;

	switch (kind)
	{
		case 0: /* one value */
			memcpy(out, "eu-west-1", 9);
			return 9;
		case 1: /* a few */
			return (uint32_t) sprintf((char *) out, "host-%u",
									  (unsigned) random_below(10));
		case 2: /* log lines */
			for (int w = 0; w < 8; w++)
				size += (uint32_t) sprintf((char *) out + size, "%s",
										   words_of_logs[random_below(10)]);
			return size;
		case 3: /* noise of any size */
			size = (uint32_t) random_below(MAX_TEXT);
			for (uint32_t k = 0; k < size; k++)
				out[k] = (uint8_t) random_bits();
			return size;
		case 4: /* nothing */
			return 0;
		case 5: /* nothing, or something */
			out[0] = 'x';
			return (uint32_t) random_below(2);
		case 6: /* a third are new */
			return (uint32_t) sprintf(
				(char *) out, "request %u",
				(unsigned) (random_below(3) ? random_below(300) : i));
		default: /* each its own */
			return (uint32_t) sprintf((char *) out, "session-%08x", i * 2654435761U);
	}
}
#define TEXT_KINDS 8

static bool
same_values(const TsCodecBytes *a, const TsCodecBytes *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		if (a[i].size != b[i].size ||
			(a[i].size > 0 && memcmp(a[i].data, b[i].data, a[i].size) != 0))
			return false;
	}
	return true;
}

static void
check_bytes(unsigned kind, uint32_t n)
{
	TsCodecBytes *values = malloc((n + 1) * sizeof(*values));
	TsCodecBytes *decoded = malloc((n + 1) * sizeof(*values));
	uint8_t *text = malloc((size_t) (n + 1) * MAX_TEXT);
	size_t total = 0;
	size_t bound;
	size_t len;
	uint8_t *bytes;
	bool good = true;

	unit_group_begin();
	for (uint32_t i = 0; i < n; i++)
	{
		values[i].data = text + total;
		values[i].size = make_text(kind, i, text + total);
		total += values[i].size;
	}
	bound = ts_codec_bytes_bound(n, total);
	bytes = malloc(bound + 1);
	bytes[bound] = CANARY;
	CHECK(ts_codec_encode_bytes(enc, values, n, bytes, &len) == TS_OK);
	CHECK(len <= bound && bytes[bound] == CANARY);
	bytes = exact(bytes, len);
	CHECK(ts_codec_open(reader, TS_CODEC_BYTES, 0, bytes, len, n) == TS_OK, "%s",
		  ts_codec_problem(reader));
	CHECK(ts_codec_decode_bytes(reader, 0, ts_codec_vectors(n), decoded) == TS_OK);
	CHECK(same_values(values, decoded, n), "bytes %u, %u values", kind, n);
	for (uint32_t v = ts_codec_vectors(n); v-- > 0;)
	{
		uint32_t left = n - v * TS_CODEC_VECTOR;

		good &= ts_codec_decode_bytes(reader, v, 1, decoded) == TS_OK;
		good &= same_values(values + v * TS_CODEC_VECTOR, decoded,
							left < TS_CODEC_VECTOR ? left : TS_CODEC_VECTOR);
	}
	CHECK(good, "vectors of bytes %u, %u values", kind, n);
	unit_group_end();
	free(values);
	free(decoded);
	free(text);
	free(bytes);
}

static void
check_text_form(unsigned kind, uint32_t n, const char *form)
{
	TsCodecBytes *values = malloc(n * sizeof(*values));
	uint8_t *text = malloc((size_t) n * MAX_TEXT);
	uint8_t *bytes = malloc(ts_codec_bytes_bound(n, (size_t) n * MAX_TEXT));
	char got[40];
	size_t len;

	for (uint32_t i = 0; i < n; i++)
	{
		values[i].data = text + (size_t) i * MAX_TEXT;
		values[i].size = make_text(kind, i, text + (size_t) i * MAX_TEXT);
	}
	CHECK(ts_codec_encode_bytes(enc, values, n, bytes, &len) == TS_OK);
	CHECK(ts_codec_open(reader, TS_CODEC_BYTES, 0, bytes, len, n) == TS_OK);
	ts_codec_describe(reader, got, sizeof(got));
	CHECK(strcmp(got, form) == 0, "bytes %u: %s, not %s", kind, got, form);
	free(values);
	free(text);
	free(bytes);
}

/* Columns of bytes that a dictionary suits: encoded within the bound, and back. */
static void
check_dictionary(const TsCodecBytes *values, uint32_t n, size_t total, unsigned use)
{
	TsCodecBytes *decoded = malloc(n * sizeof(*values));
	size_t bound = ts_codec_bytes_bound(n, total);
	/* as large as any such column, so that one beyond its bound fails and does no harm */
	uint8_t *bytes = malloc(bound + 100000);
	size_t len;

	ts_codec_encoder_use(enc, use);
	CHECK(ts_codec_encode_bytes(enc, values, n, bytes, &len) == TS_OK);
	ts_codec_encoder_use(enc, TS_CODEC_USE_ALL);
	CHECK(len <= bound, "%zu bytes of %zu, use %x", len, bound, use);
	CHECK(ts_codec_open(reader, TS_CODEC_BYTES, 0, bytes, len, n) == TS_OK);
	CHECK(ts_codec_decode_bytes(reader, 0, ts_codec_vectors(n), decoded) == TS_OK &&
			  same_values(values, decoded, n),
		  "use %x", use);
	free(bytes);
	free(decoded);
}

static void
test_dictionaries(void)
{
	const uint32_t n = TS_CODEC_MAX_VALUES;
	TsCodecBytes *values = malloc(n * sizeof(*values));
	uint8_t *text = malloc(n / 16);
	size_t total = 0;

	/* nearly all empty, which needs no data, and few others, each of a size of its own:
	 * codes and sizes make up the column */
	memset(text, 'x', n / 16);
	for (uint32_t i = 0; i < n; i++)
	{
		values[i].data = i % 17 == 3 ? text : NULL;
		values[i].size = i % 17 == 3 ? i / 17 * 7919 % (n / 17) : 0;
		total += values[i].size;
	}
	check_dictionary(values, n, total, TS_CODEC_USE_ALL);
	check_dictionary(values, n, total, TS_CODEC_USE_DICTIONARY);
	check_dictionary(values, n, total, TS_CODEC_USE_DICTIONARY | TS_CODEC_USE_ZSTD);
	check_dictionary(values, n, total, TS_CODEC_USE_DICTIONARY | TS_CODEC_USE_FRAMES);
	free(text);
	free(values);
}

/* Frames of no bytes that claim to be of many are refused before memory is taken. */
static void
test_claims(void)
{
	const uint32_t vectors = ts_codec_vectors(TS_CODEC_MAX_VALUES);
	uint8_t bytes[1 + 257 + 1000];

	/* 2 MB in each frame, all that is there in the last */
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = 5;
	bytes[vectors] = 0xE8;
	bytes[vectors + 1] = 0x07;
	CHECK(ts_codec_open(reader, TS_CODEC_FIXED, TS_CODEC_MAX_WIDTH, bytes, sizeof(bytes),
						TS_CODEC_MAX_VALUES) == TS_ERR_INVALID);
	CHECK(strcmp(ts_codec_problem(reader), "damaged frames of a column of fixed width") ==
			  0,
		  "%s", ts_codec_problem(reader));
}

static void
test_limits(void)
{
	TsCodecBytes value = {(const uint8_t *) "x", 1};
	uint8_t bytes[64];
	size_t len;

	CHECK(ts_codec_encode_fixed(enc, bytes, 0, 1, bytes, &len) == TS_ERR_LIMIT);
	CHECK(ts_codec_encode_fixed(enc, bytes, TS_CODEC_MAX_WIDTH + 1, 1, bytes, &len) ==
		  TS_ERR_LIMIT);
	CHECK(ts_codec_encode_bytes(enc, &value, TS_CODEC_MAX_VALUES + 1, bytes, &len) ==
		  TS_ERR_LIMIT);
	CHECK(ts_codec_encode_bits(enc, NULL, TS_CODEC_MAX_VALUES + 1, bytes, &len) ==
		  TS_ERR_LIMIT);
	CHECK(ts_codec_open(reader, TS_CODEC_FIXED, 0, bytes, 1, 1) == TS_ERR_LIMIT);
}

int
main(int argc, char **argv)
{
	static const uint32_t sizes[] = {0,  1,   2,   7,   8,   9,   63,  64,
									 65, 255, 256, 257, 480, 511, 512, 5760};
	static const uint32_t widths[] = {1, 2, 3, 12, 16, 300};
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t) time(NULL);

	printf("seed %llu\n", (unsigned long long) seed);
	random_state = seed;
	enc = ts_codec_encoder_create(&ts_malloc_allocator);
	reader = ts_codec_reader_create(&ts_malloc_allocator);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		for (unsigned kind = 0; kind < 8; kind++)
			check_bits(kind, sizes[s]);
		for (unsigned kind = 0; kind < 5; kind++)
		{
			for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++)
				check_fixed(kind, widths[w], sizes[s]);
		}
		for (unsigned kind = 0; kind < TEXT_KINDS; kind++)
			check_bytes(kind, sizes[s]);
	}
	for (unsigned kind = 0; kind < 8; kind++)
		check_bits(kind, TS_CODEC_MAX_VALUES);
	for (unsigned kind = 0; kind < TEXT_KINDS; kind++)
		check_bytes(kind, TS_CODEC_MAX_VALUES);
	check_fixed(0, 16, TS_CODEC_MAX_VALUES);
	check_fixed(4, 16, TS_CODEC_MAX_VALUES);
	check_text_form(0, 480, "const");
	check_text_form(1, 480, "dictionary");
	check_text_form(2, 480, "zstd");
	check_text_form(3, 480, "plain");
	test_dictionaries();
	test_claims();
	test_limits();
	ts_codec_encoder_free(enc);
	ts_codec_reader_free(reader);
	return unit_finish();
}
