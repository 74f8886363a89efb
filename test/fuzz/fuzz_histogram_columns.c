/*
 * fuzz_histogram_columns.c
 *	  Columns of histograms from anywhere: refused, or decoded to payloads that are right and
 *	  that can be encoded again.
 */
#include <stdlib.h>
#include <string.h>

#include "ts_histogram.h"
#include "ts_histogram_columns.h"

#define MAX_ROWS 1000

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static TsCodecBytes decoded[MAX_ROWS + TS_CODEC_VECTOR];

/* What was decoded is encoded and decoded once more, if it suits the form. */
static void
again(TsCodecReader *codec, uint32_t n)
{
	TsCodecEncoder *encoder = ts_codec_encoder_create(&ts_malloc_allocator);
	TsHistogramColumns *other = ts_histogram_columns_create(&ts_malloc_allocator);
	TsCodecBytes *rows = malloc(n * sizeof(TsCodecBytes) +
								TS_CODEC_VECTOR * sizeof(TsCodecBytes));
	size_t total = 0;
	size_t length;
	uint8_t *bytes;

	for (uint32_t i = 0; i < n; i++)
		total += decoded[i].size;
	bytes = malloc(total);
	if (ts_histogram_columns_encode(encoder, &ts_malloc_allocator, decoded, NULL, n,
									bytes, total, &length) != TS_OK)
		abort();
	if (length > 0)
	{
		if (ts_histogram_columns_open(other, bytes, length, n) != TS_OK ||
			ts_histogram_columns_decode(other, codec, 0, ts_codec_vectors(n), rows) !=
				TS_OK)
			abort();
		for (uint32_t i = 0; i < n; i++)
		{
			if (rows[i].size != decoded[i].size ||
				memcmp(rows[i].data, decoded[i].data, rows[i].size) != 0)
				abort();
		}
	}
	free(bytes);
	free(rows);
	ts_histogram_columns_free(other);
	ts_codec_encoder_free(encoder);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsHistogramColumns *columns;
	TsCodecReader *codec;
	uint32_t n;

	if (size < 2)
		return 0;
	n = (uint32_t) (data[0] | data[1] << 8) % MAX_ROWS + 1;
	codec = ts_codec_reader_create(&ts_malloc_allocator);
	columns = ts_histogram_columns_create(&ts_malloc_allocator);
	if (ts_histogram_columns_open(columns, data + 2, size - 2, n) == TS_OK &&
		ts_histogram_columns_decode(columns, codec, 0, ts_codec_vectors(n), decoded) ==
			TS_OK)
	{
		for (uint32_t i = 0; i < n; i++)
		{
			if (ts_histogram_check(decoded[i].data, decoded[i].size, NULL) != TS_OK)
				abort();
		}
		again(codec, n);
	}
	else if (ts_histogram_columns_problem(columns)[0] == '\0')
		abort();
	ts_histogram_columns_free(columns);
	ts_codec_reader_free(codec);
	return 0;
}
