/*
 * fuzz_codec_decode.c
 *	  Any bytes, opened as any type of column and decoded: whole, then one vector.
 *
 * The first four bytes of the input are type, width and number of values; the rest is
 * the column.
 */
#include "../unit/codec_any.h"

#include <stdlib.h>
#include <string.h>

/* More values cost time and reach no other code. */
#define MOST      2000
#define MAX_WIDTH 40

static TsCodecReader *reader;
static uint64_t out[MOST * MAX_WIDTH / 8];
static TsCodecBytes values[MOST];

static TsErrorCode
decode(TsCodecType type, uint32_t first, uint32_t count)
{
	return decode_any(reader, type, first, count,
					  type == TS_CODEC_BYTES ? (void *) values : out);
}

/* Values of a bytes column must be readable from end to end. */
static void
touch_values(uint32_t n)
{
	volatile uint8_t sink = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		if (values[i].size > 0)
			sink ^= values[i].data[0] ^ values[i].data[values[i].size - 1];
	}
	(void) sink;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsCodecType type;
	uint32_t width;
	uint32_t n;
	uint32_t vectors;

	if (reader == NULL)
		reader = ts_codec_reader_create(&ts_malloc_allocator);
	if (size < 4)
		return 0;
	type = (TsCodecType) (data[0] % 7);
	width = 1 + data[1] % MAX_WIDTH;
	n = (data[2] | (uint32_t) data[3] << 8) % (MOST + 1);
	if (ts_codec_open(reader, type, width, data + 4, size - 4, n) != TS_OK)
		return 0;
	vectors = ts_codec_vectors(n);
	if (decode(type, 0, vectors) == TS_OK && type == TS_CODEC_BYTES)
		touch_values(n);
	if (vectors > 1)
		decode(type, vectors - 1, 1);
	return 0;
}
