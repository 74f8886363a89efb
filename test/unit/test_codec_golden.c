/*
 * test_codec_golden.c
 *	  What was written once is read for ever: encoded columns, one at least for each form,
 *	  predictor and feature of the format, decode to the values they were made from.
 *
 * The bytes in codec_golden.h stay as they are; only new ones are added: an encoder may
 * come to choose otherwise, a reader must read all that was ever written. With an
 * argument the program prints what today's encoder makes of every column, which is how
 * the bytes of a new one are had.
 */
#include "codec_any.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST 300

typedef struct Golden
{
	const char *name;
	TsCodecType type;
	uint32_t width; /* of fixed values */
	uint32_t n;
	unsigned use;     /* how it was encoded */
	const char *form; /* as described */
	const char *hex;
} Golden;

#define F (TS_CODEC_USE_FRAMES)
#define D (TS_CODEC_USE_DELTAS)
#define P (TS_CODEC_USE_PATCHES)
#define E (TS_CODEC_USE_DECIMALS)
#define A (TS_CODEC_USE_ALL)

static const Golden golden[] = {
#include "codec_golden.h"
};
#define GOLDENS (sizeof(golden) / sizeof(golden[0]))

/* ---- values: whatever is changed here, these must stay the same ---- */

static uint64_t
scramble(uint64_t i)
{
	uint64_t z = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	return z ^ (z >> 27);
}

static int64_t
integer_of(const char *name, int64_t i)
{
	uint64_t r = scramble((uint64_t) i);
	static int64_t sum;
	static int64_t step;

	if (i == 0)
		sum = step = 0;
	if (strcmp(name, "int const") == 0)
		return -42;
	if (strcmp(name, "int line") == 0)
		return 1000 - 7 * i;
	if (strcmp(name, "int runs") == 0)
		return i < 100 ? 5 : i < 257 ? -70000 : INT64_C(1) << 60;
	if (strcmp(name, "int zstd") == 0)
		return (int64_t) scramble((uint64_t) i % 7);
	if (strcmp(name, "int frames") == 0)
		return 1000000 + (int64_t) (r % 13);
	if (strcmp(name, "int few patches") == 0)
		return i % 40 == 7 ? (int64_t) (r >> 30) - (INT64_C(1) << 33) : (int64_t) (r % 8);
	if (strcmp(name, "int many patches") == 0)
		return i % 6 == 1 ? -(int64_t) (r % 5000000) : (int64_t) (r % 2);
	if (strcmp(name, "int delta") == 0)
		return sum += 90 + (int64_t) (r % 16);
	if (strcmp(name, "int patched delta") == 0)
		return sum = i % 70 == 69 ? 0 : sum + 1000 + (int64_t) (r % 4);
	if (strcmp(name, "int bitmap") == 0)
		return sum += r % 5 == 0 ? 100 + (int64_t) (r >> 8) % 50 : 0;
	if (strcmp(name, "int patched bitmap") == 0)
		return sum += r % 5 != 0 ? 0 : i % 90 == 0 ? -100000 : 3 + (int64_t) (r >> 8) % 2;
	if (strcmp(name, "int dod") == 0)
		return sum += step += 100 + (int64_t) (r % 2);
	if (strcmp(name, "int shift") == 0)
		return 7 + 4096 * (int64_t) (r % 9);
	if (strcmp(name, "int divisor") == 0)
		return -3 + 1500 * (int64_t) (r % 9);
	if (strcmp(name, "int extremes") == 0)
		return r % 2 ? INT64_MIN + (int64_t) (r >> 8) % 3 : INT64_MAX;
	if (strcmp(name, "int wide") == 0)
		return (int64_t) (r >> 7);
	if (strcmp(name, "time line") == 0)
		return INT64_C(700000000000000) + 15000000 * i;
	if (strcmp(name, "time gaps") == 0)
		return INT64_C(700000000000000) + 15000000 * i + (i > 200 ? 3600000000 : 0);
	if (strcmp(name, "time jitter") == 0)
		return INT64_C(700000000000000) + 100000000 * i / 7 + 1000 * (int64_t) (r % 5);
	return (int64_t) r;
}

static double
double_of(const char *name, int64_t i)
{
	uint64_t r = scramble((uint64_t) i);
	uint64_t bits = 0x7FF0000000000002;
	double value;

	if (strcmp(name, "float line") == 0)
		return (double) (i - 5) / 10;
	if (strcmp(name, "float decimals") == 0)
		return (double) ((int64_t) (r % 20) - 10) / 100;
	if (strcmp(name, "float 15 decimals") == 0)
		return (double) (999999999999990 + (int64_t) (r % 20)) / 1e15;
	if (strcmp(name, "float limits") == 0)
		return (double) ((INT64_C(1) << 50) - 1 - (int64_t) (r % 4)) * (i == 3 ? -1 : 1);
	if (strcmp(name, "float roots") == 0)
		return sqrt((double) (i + 1));
	if (strcmp(name, "float const") == 0)
		return sqrt(2);
	if (strcmp(name, "float zero") == 0)
		return -0.0;
	if (strcmp(name, "float stale") == 0 || strcmp(name, "float stale roots") == 0)
		value = name[11] != '\0' ? sqrt((double) (i % 5 + 2)) : (double) (r % 8) / 10;
	else
		value = (double) (r % 8) / 10;
	if (strcmp(name, "float exceptions") == 0)
	{
		static const uint64_t specials[] = {0x8000000000000000, 0x7FF0000000000000,
											0xFFF8000000000001};

		if (i % 50 != 49)
			return value;
		bits = specials[i / 50 % 3];
	}
	else if (r % 3 != 0)
		return value;
	memcpy(&value, &bits, 8);
	return value;
}

static float
float_of(const char *name, int64_t i)
{
	uint64_t r = scramble((uint64_t) i);
	uint32_t bits = (uint32_t) r;
	float value;

	if (strcmp(name, "float4 decimals") == 0)
		return (float) ((double) ((int64_t) (r % 20) - 10) / 100);
	if (strcmp(name, "float4 const") == 0)
		return sqrtf(3);
	if (strcmp(name, "float4 roots") == 0)
		return sqrtf((float) (i + 1));
	if (strcmp(name, "float4 zstd") == 0)
		return sqrtf((float) (scramble((uint64_t) i % 7) % 1000 + 1));
	if (strcmp(name, "float4 stale") == 0)
	{
		if (r % 3 != 0)
			return (float) (r % 8);
		bits = 0x7F800002;
	}
	else if (strcmp(name, "float4 exceptions") == 0)
	{
		if (i % 50 != 49)
			return (float) (r % 8);
		bits = i < 100 ? 0xFF800000 : 0x80000000;
	}
	memcpy(&value, &bits, 4);
	return value;
}

static bool
bit_of(const char *name, int64_t i)
{
	if (strcmp(name, "bits const") == 0)
		return true;
	if (strcmp(name, "bits runs") == 0)
		return i >= 100 && i < 270;
	return scramble((uint64_t) i) & 1;
}

static void
fixed_of(const char *name, int64_t i, uint32_t width, uint8_t *out)
{
	uint64_t r = scramble((uint64_t) i);
	uint64_t value = r;

	if (strcmp(name, "fixed const") == 0)
		value = 0x1234567890;
	else if (strcmp(name, "fixed zstd") == 0)
		value = i % 2 == 0 ? (uint64_t) i * 257 : 9;
	else if (strcmp(name, "fixed dictionary") == 0)
		value = scramble(r % 3);
	memcpy(out, &value, width);
}

/* Returns the size. */
static uint32_t
bytes_of(const char *name, int64_t i, char *out)
{
	unsigned r = (unsigned) (scramble((uint64_t) i) % 1000);

	if (strcmp(name, "bytes const") == 0)
		return (uint32_t) sprintf(out, "eu-west-1");
	if (strcmp(name, "bytes plain") == 0)
		return i == 2 ? 0 : (uint32_t) sprintf(out, "%u", r);
	if (strcmp(name, "bytes zstd") == 0)
		return (uint32_t) sprintf(out, "request %d took %u ms", (int) i, r % 10);
	if (strcmp(name, "bytes dictionary") == 0)
		return r % 4 == 0 ? 0 : (uint32_t) sprintf(out, "host-%u", r % 4);
	return (uint32_t) sprintf(out, "a path that many have in common/%u", r % 16);
}

/* ---- the columns ---- */

typedef struct Values
{
	union
	{
		int64_t integers[MOST];
		double doubles[MOST];
		float floats[MOST];
		uint64_t words[MOST];
		uint8_t fixed[MOST * 8];
		TsCodecBytes bytes[MOST];
	} of;
	char text[MOST][48];
} Values;

static void
make_values(const Golden *g, Values *values)
{
	memset(values, 0, sizeof(*values));
	for (uint32_t i = 0; i < g->n; i++)
	{
		switch (g->type)
		{
			case TS_CODEC_FLOAT8:
				values->of.doubles[i] = double_of(g->name, i);
				break;
			case TS_CODEC_FLOAT4:
				values->of.floats[i] = float_of(g->name, i);
				break;
			case TS_CODEC_INT:
			case TS_CODEC_TIME:
				values->of.integers[i] = integer_of(g->name, i);
				break;
			case TS_CODEC_BITS:
				values->of.words[i / 64] |= (uint64_t) bit_of(g->name, i) << i % 64;
				break;
			case TS_CODEC_FIXED:
				fixed_of(g->name, i, g->width, values->of.fixed + i * g->width);
				break;
			default:
				values->of.bytes[i].data = (const uint8_t *) values->text[i];
				values->of.bytes[i].size = bytes_of(g->name, i, values->text[i]);
		}
	}
}

static TsErrorCode
encode(TsCodecEncoder *enc, const Golden *g, const Values *values, uint8_t *out,
	   size_t *len)
{
	ts_codec_encoder_use(enc, g->use);
	return encode_any(enc, g->type, g->width, &values->of, g->n, out, len);
}

static TsErrorCode
decode(TsCodecReader *reader, const Golden *g, Values *values)
{
	memset(values, 0, sizeof(*values));
	return decode_any(reader, g->type, 0, ts_codec_vectors(g->n), &values->of);
}

static bool
same(const Golden *g, const Values *a, const Values *b)
{
	if (g->type != TS_CODEC_BYTES)
		return memcmp(&a->of, &b->of, sizeof(a->of)) == 0;
	for (uint32_t i = 0; i < g->n; i++)
	{
		const TsCodecBytes *x = &a->of.bytes[i];
		const TsCodecBytes *y = &b->of.bytes[i];

		if (x->size != y->size || memcmp(x->data, y->data, x->size) != 0)
			return false;
	}
	return true;
}

static size_t
from_hex(const char *hex, uint8_t *out)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++)
	{
		char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		out[i] = (uint8_t) strtoul(digits, NULL, 16);
	}
	return len;
}

static void
print_encoded(TsCodecEncoder *enc, TsCodecReader *reader, const Golden *g)
{
	static Values values;
	static uint8_t bytes[MOST * 64];
	char text[100];
	size_t len;

	make_values(g, &values);
	if (encode(enc, g, &values, bytes, &len) != TS_OK ||
		ts_codec_open(reader, g->type, g->width, bytes, len, g->n) != TS_OK)
		return;
	ts_codec_describe(reader, text, sizeof(text));
	printf("%s: %s\n", g->name, text);
	for (size_t i = 0; i < len; i++)
		printf("%02x%s", bytes[i], i % 40 == 39 ? "\n" : "");
	printf("\n");
}

static void
check_golden(TsCodecReader *reader, const Golden *g)
{
	static Values values;
	static Values decoded;
	uint8_t *bytes = malloc(strlen(g->hex) / 2 + 1);
	size_t len = from_hex(g->hex, bytes);
	char text[100];

	make_values(g, &values);
	CHECK(ts_codec_open(reader, g->type, g->width, bytes, len, g->n) == TS_OK, "%s: %s",
		  g->name, ts_codec_problem(reader));
	ts_codec_describe(reader, text, sizeof(text));
	CHECK(strcmp(text, g->form) == 0, "%s: %s", g->name, text);
	CHECK(decode(reader, g, &decoded) == TS_OK && same(g, &values, &decoded), "%s",
		  g->name);
	free(bytes);
}

int
main(int argc, char **argv)
{
	TsCodecEncoder *enc = ts_codec_encoder_create(&ts_malloc_allocator);
	TsCodecReader *reader = ts_codec_reader_create(&ts_malloc_allocator);

	for (size_t i = 0; i < GOLDENS; i++)
	{
		if (argc > 1)
			print_encoded(enc, reader, &golden[i]);
		else
			check_golden(reader, &golden[i]);
	}
	ts_codec_encoder_free(enc);
	ts_codec_reader_free(reader);
	return argc > 1 ? 0 : unit_finish();
}
