/*
 * test_codec_numbers.c
 *	  Columns of numbers come back bit for bit: every kind, every length around the
 *	  size of a vector, every vector by itself; and are written in the form meant
 *	  for them, within the bound.
 */
#include "codec_any.h"
#include "codec_columns.h"
#include "unit.h"

#include <stdlib.h>
#include <time.h>

#define CANARY 0xA5

static TsCodecEncoder *enc;
static TsCodecReader *reader;
static int64_t *integers;
static double *doubles;
static float *floats;
static uint8_t *bytes;
static uint8_t *decoded;

/* Whether the column and each of its vectors, last first, come back. */
static bool
comes_back(TsCodecType type, const void *values, uint32_t n, size_t *len)
{
	size_t width = type == TS_CODEC_FLOAT4 ? 4 : 8;
	size_t bound = ts_codec_number_bound(n);
	uint32_t vectors = ts_codec_vectors(n);
	uint8_t *copy;
	bool good = true;

	bytes[bound] = CANARY;
	if (encode_any(enc, type, 0, values, n, bytes, len) != TS_OK || *len > bound ||
		bytes[bound] != CANARY)
		return false;
	/* a copy of the exact size, so that tools see reads beyond it */
	copy = malloc(*len + 1);
	memcpy(copy, bytes, *len);
	if (ts_codec_open(reader, type, 0, copy, *len, n) != TS_OK)
		good = false;
	if (good)
	{
		decoded[n * width] = CANARY;
		good = decode_any(reader, type, 0, vectors, decoded) == TS_OK &&
			   memcmp(decoded, values, n * width) == 0 && decoded[n * width] == CANARY;
	}
	for (uint32_t v = vectors; v-- > 0 && good;)
	{
		uint32_t m = n - v * TS_CODEC_VECTOR;

		m = m < TS_CODEC_VECTOR ? m : TS_CODEC_VECTOR;
		decoded[m * width] = CANARY;
		good = decode_any(reader, type, v, 1, decoded) == TS_OK &&
			   memcmp(decoded, (const uint8_t *) values + v * TS_CODEC_VECTOR * width,
					  m * width) == 0 &&
			   decoded[m * width] == CANARY;
	}
	free(copy);
	return good;
}

static void
test_all_kinds(uint32_t n)
{
	size_t len;

	for (unsigned kind = 0; kind < COLUMN_KINDS; kind++)
	{
		unit_group_begin();
		fill_integers(kind, n, integers);
		CHECK(comes_back(TS_CODEC_INT, integers, n, &len), "int, %s, %u values",
			  column_kinds[kind], n);
		CHECK(comes_back(TS_CODEC_TIME, integers, n, &len), "time, %s, %u values",
			  column_kinds[kind], n);
		for (unsigned flavour = 0; flavour < FLOAT_FLAVOURS; flavour++)
		{
			fill_doubles(kind, flavour, n, integers, doubles);
			CHECK(comes_back(TS_CODEC_FLOAT8, doubles, n, &len),
				  "float8, %s, flavour %u, %u values", column_kinds[kind], flavour, n);
			for (uint32_t i = 0; i < n; i++)
				floats[i] = (float) doubles[i];
			if (flavour == 4)
				memcpy(floats, integers, n * sizeof(float));
			CHECK(comes_back(TS_CODEC_FLOAT4, floats, n, &len),
				  "float4, %s, flavour %u, %u values", column_kinds[kind], flavour, n);
		}
		unit_group_end();
	}
}

static void
test_specials(void)
{
	size_t len;

	for (unsigned s = 0; s < SPECIAL_PATTERNS; s++)
	{
		unit_group_begin();
		/* alone, all over, and one among others */
		for (uint32_t n = 1; n < 600; n += 299)
		{
			for (uint32_t i = 0; i < n; i++)
				memcpy(&doubles[i], &special_patterns[s], 8);
			CHECK(comes_back(TS_CODEC_FLOAT8, doubles, n, &len), "pattern %u", s);
			for (uint32_t i = 0; i < n; i++)
			{
				if (i != n / 2)
					doubles[i] = i * 0.5;
			}
			CHECK(comes_back(TS_CODEC_FLOAT8, doubles, n, &len), "one pattern %u", s);
		}
		unit_group_end();
	}
	unit_group_begin();
	for (int round = 0; round < 200; round++)
	{
		uint32_t n = 1 + (uint32_t) random_below(600);

		for (uint32_t i = 0; i < n; i++)
			doubles[i] = special_double();
		CHECK(comes_back(TS_CODEC_FLOAT8, doubles, n, &len), "patterns, %u", n);
	}
	unit_group_end();
}

/* Decimals of every exponent and size: their division must be exact to the last bit. */
static void
test_decimals(void)
{
	double power = 1;
	size_t len;

	for (int e = 0; e <= 15; e++)
	{
		unit_group_begin();
		for (unsigned bits = 5; bits <= 50; bits += 5)
		{
			for (uint32_t i = 0; i < 5000; i++)
			{
				int64_t d = (int64_t) (random_bits() >> (64 - bits));

				doubles[i] = (double) (random_below(2) ? d : -d) / power;
				floats[i] = (float) doubles[i];
			}
			CHECK(comes_back(TS_CODEC_FLOAT8, doubles, 5000, &len), "%d, %u", e, bits);
			CHECK(comes_back(TS_CODEC_FLOAT4, floats, 5000, &len), "%d, %u", e, bits);
		}
		unit_group_end();
		power *= 10;
	}
}

static uint8_t *
put_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t) (v | 0x80);
	*p++ = (uint8_t) v;
	return p;
}

/*
 * A line is what the format says, also where it wraps around, which no encoder of ours
 * writes: constants of integers with a slope, read as a whole and from the middle.
 */
static void
test_lines(void)
{
	static const int64_t slopes[] = {1,
									 -1,
									 1024,
									 -1024,
									 12345,
									 -12345,
									 1024 * INT64_C(15000000),
									 INT64_C(1) << 46,
									 INT64_C(1) << 47,
									 -(INT64_C(1) << 47),
									 INT64_C(1) << 48,
									 INT64_C(1) << 60,
									 -(INT64_C(1) << 60),
									 INT64_MAX,
									 INT64_MIN,
									 INT64_MIN + 1024};
	const uint32_t n = TS_CODEC_MAX_VALUES;

	for (size_t s = 0; s < sizeof(slopes) / sizeof(slopes[0]); s++)
	{
		uint64_t slope = (uint64_t) slopes[s];
		uint64_t divisor = s % 2 ? 1 : 3;
		uint8_t *end = bytes;

		for (uint32_t i = 0; i < n; i++)
			integers[i] = (int64_t) ((uint64_t) ((int64_t) (i * slope) >> 10) * divisor +
									 77);
		*end++ = 1;
		*end++ = divisor > 1 ? 0x0C : 0x08;
		end = put_varint(end, 77 << 1);
		if (divisor > 1)
			end = put_varint(end, divisor);
		end = put_varint(end, slope << 1 ^ (uint64_t) (slopes[s] >> 63));
		CHECK(ts_codec_open(reader, TS_CODEC_INT, 0, bytes, (size_t) (end - bytes), n) ==
			  TS_OK);
		CHECK(decode_any(reader, TS_CODEC_INT, 0, ts_codec_vectors(n), decoded) ==
					  TS_OK &&
				  memcmp(decoded, integers, n * 8) == 0,
			  "slope %lld", (long long) slopes[s]);
		CHECK(decode_any(reader, TS_CODEC_INT, 200, 3, decoded) == TS_OK &&
				  memcmp(decoded, integers + 200 * TS_CODEC_VECTOR,
						 3 * TS_CODEC_VECTOR * 8) == 0,
			  "slope %lld", (long long) slopes[s]);
	}
}

/* A kind of columns is written in a form and at most so many bytes. */
static void
test_form(TsCodecType type, const char *kind_name, unsigned flavour, uint32_t n,
		  size_t most, const char *form)
{
	char text[100];
	size_t len;
	unsigned kind = 0;
	const void *values = integers;

	while (strcmp(column_kinds[kind], kind_name) != 0)
		kind++;
	fill_integers(kind, n, integers);
	if (type == TS_CODEC_FLOAT8)
	{
		fill_doubles(kind, flavour, n, integers, doubles);
		values = doubles;
	}
	CHECK(comes_back(type, values, n, &len), "%s", kind_name);
	CHECK(len <= most, "%s: %zu bytes, not %zu", kind_name, len, most);
	CHECK(ts_codec_open(reader, type, 0, bytes, len, n) == TS_OK, "%s", kind_name);
	ts_codec_describe(reader, text, sizeof(text));
	CHECK(strstr(text, form) != NULL, "%s: %s, not %s", kind_name, text, form);
}

static void
test_forms(void)
{
	random_state = 1; /* the choice may depend on the values */
	test_form(TS_CODEC_FLOAT8, "constant", 2, 480, 12, "decimal, const");
	test_form(TS_CODEC_FLOAT8, "constant", 4, 480, 12, "pattern, const");
	test_form(TS_CODEC_TIME, "regular time", 0, 5760, 20, "integer, line, const");
	test_form(TS_CODEC_TIME, "gapped time", 0, 5760, 400, "integer, line, runs");
	test_form(TS_CODEC_TIME, "jittered time", 0, 5760, 2300, "integer, line, vectors");
	test_form(TS_CODEC_TIME, "jitter, gaps", 0, 5760, 2700, "integer, line, vectors");
	test_form(TS_CODEC_FLOAT8, "rare changes", 0, 5760, 100, "decimal, runs");
	test_form(TS_CODEC_FLOAT8, "coin", 0, 480, 70, "plain");
	test_form(TS_CODEC_FLOAT8, "decimals", 2, 480, 590,
			  "decimal, vectors: 0 plain, 2 delta");
	test_form(TS_CODEC_FLOAT8, "half still", 1, 5760, 5100, "(23 bitmap)");
	test_form(TS_CODEC_INT, "accelerating", 0, 5760, 3100, "23 dod");
	test_form(TS_CODEC_INT, "random", 0, 480, 480 * 8 + 1, "plain");
	test_form(TS_CODEC_FLOAT8, "periodic", 4, 5760, 600, "zstd");
	test_form(TS_CODEC_FLOAT8, "random", 4, 480, 480 * 8 + 1, "plain");
	test_form(TS_CODEC_FLOAT8, "decimals", 7, 5760, 8500, "decimal, vectors");
}

/* Each way of encoding by itself, on every kind. */
static void
test_uses(void)
{
	static const unsigned ways[] = {
		0,
		TS_CODEC_USE_LINES,
		TS_CODEC_USE_RUNS,
		TS_CODEC_USE_FRAMES,
		TS_CODEC_USE_DELTAS,
		TS_CODEC_USE_DELTAS | TS_CODEC_USE_BITMAPS,
		TS_CODEC_USE_DODS,
		TS_CODEC_USE_LINES | TS_CODEC_USE_FRAMES,
		TS_CODEC_USE_ZSTD,
	};

	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
	{
		for (unsigned with = 0; with < 4; with++)
		{
			ts_codec_encoder_use(enc, ways[way] | (with & 1 ? TS_CODEC_USE_DECIMALS : 0) |
										  (with & 2 ? TS_CODEC_USE_PATCHES : 0));
			for (uint32_t n = 1; n < 700; n += 257)
				test_all_kinds(n);
		}
	}
	ts_codec_encoder_use(enc, TS_CODEC_USE_ALL);
}

static void
test_limits(void)
{
	size_t len = 1;

	CHECK(ts_codec_encode_int(enc, integers, TS_CODEC_MAX_VALUES + 1, bytes, &len) ==
		  TS_ERR_LIMIT);
	CHECK(ts_codec_open(reader, TS_CODEC_INT, 0, bytes, 0, TS_CODEC_MAX_VALUES + 1) ==
		  TS_ERR_LIMIT);
	CHECK(ts_codec_encode_int(enc, integers, 0, bytes, &len) == TS_OK && len == 0);
	CHECK(ts_codec_open(reader, TS_CODEC_INT, 0, bytes, 1, 0) == TS_ERR_INVALID);
	CHECK(ts_codec_problem(reader)[0] != '\0');
	CHECK(ts_codec_open(reader, TS_CODEC_FLOAT8, 0, bytes, 0, 0) == TS_OK);
	CHECK(ts_codec_decode_float8(reader, 0, 0, doubles) == TS_OK);
	/* nothing is left of a column that could not be opened */
	bytes[0] = 1;
	bytes[1] = 4;
	bytes[2] = bytes[3] = 0;
	CHECK(ts_codec_open(reader, TS_CODEC_INT, 0, bytes, 4, 1) == TS_ERR_INVALID);
	CHECK(ts_codec_open(reader, TS_CODEC_INT, 0, bytes, 0, 0) == TS_OK);
	CHECK(ts_codec_decode_int(reader, 0, 0, integers) == TS_OK);
}

int
main(int argc, char **argv)
{
	static const uint32_t sizes[] = {0, 1, 2, 3, 255, 256, 257, 480, 511, 512, 513, 5760};
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t) time(NULL);
	size_t most = TS_CODEC_MAX_VALUES + 1;

	printf("seed %llu\n", (unsigned long long) seed);
	random_state = seed;
	enc = ts_codec_encoder_create(&ts_malloc_allocator);
	reader = ts_codec_reader_create(&ts_malloc_allocator);
	integers = malloc(most * 8);
	doubles = malloc(most * 8);
	floats = malloc(most * 4);
	decoded = malloc(most * 8);
	bytes = malloc(ts_codec_number_bound(TS_CODEC_MAX_VALUES) + 1);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		test_all_kinds(sizes[s]);
	for (int round = 0; round < 20; round++)
		test_all_kinds(1 + (uint32_t) random_below(1500));
	test_all_kinds(TS_CODEC_MAX_VALUES);
	test_uses();
	test_specials();
	test_decimals();
	test_lines();
	test_forms();
	test_limits();
	ts_codec_encoder_free(enc);
	ts_codec_reader_free(reader);
	free(integers);
	free(doubles);
	free(floats);
	free(decoded);
	free(bytes);
	return unit_finish();
}
