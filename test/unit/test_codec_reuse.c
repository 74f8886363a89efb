/*
 * test_codec_reuse.c
 *	  Encoders and readers survive what goes wrong: memory that runs out at any
 *	  allocation, columns that are damaged or of another type. Nothing is lost, and what
 *	  comes next works as if nothing had been.
 */
#include "codec_any.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define MOST 2000
#define ROOM (MOST * 64)

/* ---- memory that runs out ---- */

typedef struct CountingMemory
{
	long allocations;
	long fail_at; /* which one fails; -1: none */
	long live;
} CountingMemory;

static void *
counting_alloc(void *ctx, size_t size)
{
	CountingMemory *memory = ctx;
	void *p;

	if (memory->allocations++ == memory->fail_at)
		return NULL;
	p = malloc(size);
	memory->live += p != NULL;
	return p;
}

static void
counting_free(void *ctx, void *ptr)
{
	CountingMemory *memory = ctx;

	memory->live -= ptr != NULL;
	free(ptr);
}

/* ---- columns, one for each set of buffers ---- */

typedef struct Column
{
	const char *name;
	TsCodecType type;
	const char *form; /* as ts_codec_describe() begins */
	uint32_t n;
	union
	{
		int64_t integers[MOST];
		double doubles[MOST];
		uint64_t words[MOST];
		uint8_t fixed[MOST * 8];
		TsCodecBytes bytes[MOST];
	} values;
	char text[MOST][48];
} Column;

static const char *const column_names[] = {"decimals",      "times",     "zstd numbers",
										   "bits",          "fixed",     "fixed zstd",
										   "fixed entries", "text",      "text zstd",
										   "text entries",  "one value", "zstd entries"};
#define COLUMNS (sizeof(column_names) / sizeof(column_names[0]))

/* Always the same for the same, so that sizes and choices are. */
static uint32_t
scramble(uint32_t i)
{
	uint64_t z = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (uint32_t) (z >> 33);
}

static void
make_text(Column *column, const char *format, uint32_t distinct)
{
	for (uint32_t i = 0; i < column->n; i++)
	{
		sprintf(column->text[i], format, scramble(i % distinct));
		column->values.bytes[i].data = (const uint8_t *) column->text[i];
		column->values.bytes[i].size = (uint32_t) strlen(column->text[i]);
	}
}

static void
make_column(unsigned kind, Column *column)
{
	memset(column, 0, sizeof(*column));
	column->name = column_names[kind];
	column->n = MOST;
	for (uint32_t i = 0; i < MOST; i++)
	{
		switch (kind)
		{
			case 0:
				column->type = TS_CODEC_FLOAT8;
				column->form = "decimal, vectors";
				column->values.doubles[i] = scramble(i) % 1000 / 10.0;
				break;
			case 1:
				column->type = TS_CODEC_TIME;
				column->form = "integer, line, vectors";
				column->values.integers[i] = i * 15000000LL + scramble(i) % 7 * 1000;
				break;
			case 2:
				column->type = TS_CODEC_INT;
				column->form = "zstd";
				column->values.integers[i] = (int64_t) ((uint64_t) scramble(i % 97)
															<< 33 |
														scramble(i % 97 + MOST));
				break;
			case 3:
				column->type = TS_CODEC_BITS;
				column->form = "plain";
				column->values.words[i] = scramble(i) * UINT64_C(0x9E3779B97F4A7C15);
				break;
			default:
				column->type = TS_CODEC_FIXED;
				column->form = kind == 4 ? "plain" : kind == 5 ? "zstd" : "dictionary";
				column->values.integers[i] = (int64_t) ((scramble(i) % (kind == 4
																			? MOST * 1000
																		: kind == 5 ? MOST
																					: 5) +
														 1) *
														UINT64_C(0x9E3779B97F4A7C15));
				if (kind == 5 && i >= 100)
					column->values.integers[i] = column->values.integers[i % 100] +
												 i / 100;
		}
	}
	if (kind < 7)
		return;
	column->type = TS_CODEC_BYTES;
	column->form = kind == 7 ? "plain" : kind == 8 ? "zstd" : "dictionary";
	switch (kind)
	{
		case 7:
			column->n = 3;
			make_text(column, "%x", MOST);
			break;
		case 8:
			make_text(column, "a line of a log that knows its number: %u", MOST);
			break;
		case 9:
			make_text(column, "host-%u", 3);
			break;
		case 10:
			column->form = "const";
			make_text(column, "the only one", 1);
			break;
		default:
			make_text(column, "a path that many have in common /%u", 300);
	}
}

static TsErrorCode
encode(TsCodecEncoder *enc, const Column *column, uint8_t *out, size_t *len)
{
	return encode_any(enc, column->type, 8, column->values.words, column->n, out, len);
}

/* Decodes count vectors; *good tells whether they are the column's. */
static TsErrorCode
decode(TsCodecReader *reader, const Column *column, uint32_t first, uint32_t count,
	   bool *good)
{
	static TsCodecBytes decoded[MOST];
	uint32_t from = first * TS_CODEC_VECTOR;
	uint32_t to = from + count * TS_CODEC_VECTOR;
	size_t size = 8;
	TsErrorCode code;

	to = to < column->n ? to : column->n;
	code = decode_any(reader, column->type, first, count, decoded);
	if (column->type == TS_CODEC_BITS)
	{
		/* whole words are compared but for the last */
		from /= 64;
		to /= 64;
	}
	if (column->type == TS_CODEC_BYTES)
		size = 0;
	*good = size == 0 ||
			memcmp(decoded, column->values.words + from, (to - from) * size) == 0;
	for (uint32_t i = from; i < to && size == 0 && code == TS_OK && *good; i++)
	{
		const TsCodecBytes *value = &column->values.bytes[i];

		*good = decoded[i - from].size == value->size &&
				memcmp(decoded[i - from].data, value->data, value->size) == 0;
	}
	return code;
}

/* ---- tests ---- */

/* Encodes and decodes with an allocation that fails; is it done without one failing? */
static bool
survive(const Column *column, long fail_at, uint8_t *bytes, bool *good)
{
	CountingMemory memory = {.fail_at = fail_at};
	TsAllocator allocator = {counting_alloc, counting_free, &memory};
	TsCodecEncoder *enc = ts_codec_encoder_create(&allocator);
	TsCodecReader *reader = NULL;
	uint32_t vectors = ts_codec_vectors(column->n);
	size_t len = 0;
	int failures = 0;
	bool same = false;

	while (enc == NULL || encode(enc, column, bytes, &len) != TS_OK)
	{
		/* once: after it the encoder works */
		*good = *good && ++failures == 1 && memory.allocations > fail_at;
		if (failures > 1)
			break;
		if (enc == NULL)
			enc = ts_codec_encoder_create(&allocator);
	}
	while (failures <= 1)
	{
		TsErrorCode code = TS_ERR_MEMORY;

		if (reader == NULL)
			reader = ts_codec_reader_create(&allocator);
		if (reader != NULL)
			code = ts_codec_open(reader, column->type, 8, bytes, len, column->n);
		if (code == TS_OK)
			code = decode(reader, column, 0, vectors, &same);
		if (code == TS_OK)
			break;
		failures++;
		*good = *good && code == TS_ERR_MEMORY;
	}
	*good = *good && same && failures <= 1;
	ts_codec_encoder_free(enc);
	ts_codec_reader_free(reader);
	*good = *good && memory.live == 0;
	return failures == 0;
}

static void
test_allocation_failures(const Column *column, uint8_t *bytes)
{
	bool good = true;
	long fail_at = 0;

	while (!survive(column, fail_at, bytes, &good) && fail_at < 100)
		fail_at++;
	CHECK(good && fail_at >= 2 && fail_at < 100, "%s, allocation %ld", column->name,
		  fail_at);
}

/* Vectors in any order and number, from frames that are loaded or not. */
static void
test_order(const Column *column, TsCodecReader *reader, const uint8_t *bytes, size_t len)
{
	uint32_t vectors = ts_codec_vectors(column->n);
	bool good = ts_codec_open(reader, column->type, 8, bytes, len, column->n) == TS_OK;

	for (uint32_t i = 0; i < 200 && good; i++)
	{
		uint32_t first = scramble(i) % vectors;
		uint32_t count = scramble(i + 1000) % (vectors - first + 1);
		bool same;

		good = decode(reader, column, first, count, &same) == TS_OK && same;
	}
	CHECK(good, "%s", column->name);
}

/*
 * Between two readings of a column: another is opened, or this one as another type,
 * or with a byte changed.
 */
static void
test_between(const Column *column, TsCodecReader *reader, uint8_t *bytes, size_t len,
			 const uint8_t *other, size_t other_len, const Column *other_column)
{
	bool good = true;

	for (uint32_t i = 0; i < 60; i++)
	{
		size_t at = scramble(i) % len;
		bool same = false;

		if (i % 3 == 0)
			good &= ts_codec_open(reader, other_column->type, 8, other, other_len,
								  other_column->n) == TS_OK &&
					decode(reader, other_column, 0, 1, &same) == TS_OK && same;
		else if (i % 3 == 1)
			ts_codec_open(reader, (TsCodecType) (i / 3 % 7), 8, bytes, len, column->n);
		else
		{
			bytes[at] ^= 0x55;
			if (ts_codec_open(reader, column->type, 8, bytes, len, column->n) == TS_OK)
				decode(reader, column, 0, ts_codec_vectors(column->n), &same);
			bytes[at] ^= 0x55;
		}
		good &= ts_codec_open(reader, column->type, 8, bytes, len, column->n) == TS_OK &&
				decode(reader, column, 0, ts_codec_vectors(column->n), &same) == TS_OK &&
				same;
	}
	CHECK(good, "%s after %s", column->name, other_column->name);
}

int
main(void)
{
	TsCodecEncoder *enc = ts_codec_encoder_create(&ts_malloc_allocator);
	TsCodecReader *reader = ts_codec_reader_create(&ts_malloc_allocator);
	Column *columns = malloc(COLUMNS * sizeof(Column));
	uint8_t *bytes[COLUMNS];
	size_t len[COLUMNS];

	for (unsigned k = 0; k < COLUMNS; k++)
	{
		char text[100];

		make_column(k, &columns[k]);
		bytes[k] = malloc(ROOM);
		CHECK(encode(enc, &columns[k], bytes[k], &len[k]) == TS_OK);
		CHECK(ts_codec_open(reader, columns[k].type, 8, bytes[k], len[k], columns[k].n) ==
			  TS_OK);
		ts_codec_describe(reader, text, sizeof(text));
		CHECK(strncmp(text, columns[k].form, strlen(columns[k].form)) == 0, "%s: %s",
			  columns[k].name, text);
		test_order(&columns[k], reader, bytes[k], len[k]);
		test_allocation_failures(&columns[k], bytes[k]);
	}
	for (unsigned a = 0; a < COLUMNS; a++)
	{
		for (unsigned b = 0; b < COLUMNS; b++)
			test_between(&columns[a], reader, bytes[a], len[a], bytes[b], len[b],
						 &columns[b]);
	}
	for (unsigned k = 0; k < COLUMNS; k++)
		free(bytes[k]);
	free(columns);
	ts_codec_encoder_free(enc);
	ts_codec_reader_free(reader);
	return unit_finish();
}
