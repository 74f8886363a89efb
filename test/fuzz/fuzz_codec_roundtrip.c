/*
 * fuzz_codec_roundtrip.c
 *	  Any values, as any type of column: encoded within the bound, decoded, the same.
 *
 * The first byte of the input is the type, the second how values are made from the
 * rest: as they are, or as steps of small integers or of decimals, which is where the
 * encoder has its choices.
 */
#include "ts_codec.h"

#include <stdlib.h>
#include <string.h>

#define MOST 4096

static TsCodecEncoder *enc;
static TsCodecReader *reader;
static int64_t integers[MOST];
static double doubles[MOST];
static float floats[MOST];
static TsCodecBytes values[MOST];
static TsCodecBytes values_out[MOST];
static uint64_t out[MOST + 4];

static void
require(bool good)
{
	if (!good)
		abort();
}

/* Integers from bytes; how many. */
static uint32_t
make_integers(unsigned how, const uint8_t *data, size_t size)
{
	uint32_t n = 0;
	int64_t at = 0;

	if (how % 2 == 0)
	{
		n = (uint32_t) (size / 8 < MOST ? size / 8 : MOST);
		memcpy(integers, data, (size_t) n * 8);
		return n;
	}
	for (; n < size && n < MOST; n++)
	{
		/* now and then a large step */
		int64_t step = (int8_t) data[n];

		at = (int64_t) ((uint64_t) at + ((uint64_t) step << (step == 77 ? how / 4 : 0)));
		integers[n] = at;
	}
	return n;
}

static void
check_numbers(unsigned type, unsigned how, const uint8_t *data, size_t size)
{
	static uint8_t bytes[MOST * 8 + 64];
	uint32_t n = make_integers(how, data, size);
	size_t len = 0;
	uint32_t vectors = ts_codec_vectors(n);

	require(ts_codec_number_bound(n) <= sizeof(bytes));
	for (uint32_t i = 0; i < n; i++)
	{
		if (how % 2 == 0)
			memcpy(&doubles[i], &integers[i], 8);
		else
			doubles[i] = (double) integers[i] / (how % 4 == 1 ? 100 : 1);
		floats[i] = (float) doubles[i];
	}
	switch (type)
	{
		case TS_CODEC_FLOAT8:
			require(ts_codec_encode_float8(enc, doubles, n, bytes, &len) == TS_OK);
			require(ts_codec_open(reader, type, 0, bytes, len, n) == TS_OK);
			require(ts_codec_decode_float8(reader, 0, vectors, (double *) out) == TS_OK);
			require(memcmp(out, doubles, (size_t) n * 8) == 0);
			break;
		case TS_CODEC_FLOAT4:
			require(ts_codec_encode_float4(enc, floats, n, bytes, &len) == TS_OK);
			require(ts_codec_open(reader, type, 0, bytes, len, n) == TS_OK);
			require(ts_codec_decode_float4(reader, 0, vectors, (float *) out) == TS_OK);
			require(memcmp(out, floats, (size_t) n * 4) == 0);
			break;
		default:
			require((type == TS_CODEC_INT
						 ? ts_codec_encode_int(enc, integers, n, bytes, &len)
						 : ts_codec_encode_time(enc, integers, n, bytes, &len)) == TS_OK);
			require(ts_codec_open(reader, type, 0, bytes, len, n) == TS_OK);
			require(ts_codec_decode_int(reader, 0, vectors, (int64_t *) out) == TS_OK);
			require(memcmp(out, integers, (size_t) n * 8) == 0);
	}
	require(len <= ts_codec_number_bound(n));
}

static void
check_bits(const uint8_t *data, size_t size)
{
	static uint64_t words[MOST / 64];
	static uint8_t bytes[MOST / 8 + 16];
	uint32_t n = (uint32_t) (size * 8 < MOST ? size * 8 : MOST);
	size_t len;

	memset(words, 0, sizeof(words));
	memcpy(words, data, n / 8);
	require(ts_codec_encode_bits(enc, words, n, bytes, &len) == TS_OK);
	require(len <= ts_codec_bits_bound(n));
	require(ts_codec_open(reader, TS_CODEC_BITS, 0, bytes, len, n) == TS_OK);
	require(ts_codec_decode_bits(reader, 0, ts_codec_vectors(n), out) == TS_OK);
	require(memcmp(out, words, (n + 63) / 64 * 8) == 0);
}

static void
check_fixed(unsigned how, const uint8_t *data, size_t size)
{
	static uint8_t bytes[MOST + 16];
	uint32_t width = 1 + how % 24;
	uint32_t n = (uint32_t) ((size < MOST ? size : MOST) / width);
	size_t len;

	require(ts_codec_encode_fixed(enc, data, width, n, bytes, &len) == TS_OK);
	require(len <= ts_codec_fixed_bound(n, width));
	require(ts_codec_open(reader, TS_CODEC_FIXED, width, bytes, len, n) == TS_OK);
	require(ts_codec_decode_fixed(reader, 0, ts_codec_vectors(n), out) == TS_OK);
	require(memcmp(out, data, (size_t) n * width) == 0);
}

/* Values of sizes that their first byte gives. */
static void
check_bytes(unsigned how, const uint8_t *data, size_t size)
{
	static uint8_t bytes[MOST * 24];
	uint32_t n = 0;
	size_t total = 0;
	size_t len;

	while (size > 0 && n < MOST && total < MOST)
	{
		size_t take = data[0] % (1 + how % 64);

		take = take < size ? take : size;
		values[n].data = data;
		values[n].size = (uint32_t) take;
		total += take;
		n++;
		data += take > 0 ? take : 1;
		size -= take > 0 ? take : 1;
	}
	require(ts_codec_bytes_bound(n, total) <= sizeof(bytes));
	require(ts_codec_encode_bytes(enc, values, n, bytes, &len) == TS_OK);
	require(len <= ts_codec_bytes_bound(n, total));
	require(ts_codec_open(reader, TS_CODEC_BYTES, 0, bytes, len, n) == TS_OK);
	require(ts_codec_decode_bytes(reader, 0, ts_codec_vectors(n), values_out) == TS_OK);
	for (uint32_t i = 0; i < n; i++)
		require(values[i].size == values_out[i].size &&
				memcmp(values[i].data, values_out[i].data, values[i].size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned type;
	unsigned how;

	if (enc == NULL)
	{
		enc = ts_codec_encoder_create(&ts_malloc_allocator);
		reader = ts_codec_reader_create(&ts_malloc_allocator);
	}
	if (size < 2)
		return 0;
	type = data[0] % 7;
	how = data[1];
	data += 2;
	size -= 2;
	if (type == TS_CODEC_BITS)
		check_bits(data, size);
	else if (type == TS_CODEC_FIXED)
		check_fixed(how, data, size);
	else if (type == TS_CODEC_BYTES)
		check_bytes(how, data, size);
	else
		check_numbers(type, how, data, size);
	return 0;
}
