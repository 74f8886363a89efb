/*
 * test_histogram_columns.c
 *	  Columns of histograms: what goes in comes out, bit for bit; what does not suit the form
 *	  is left alone; damage is found or harmless; the bytes stay what they are.
 */
#include "histogram_any.h"

#include "ts_histogram_columns.h"

#define MAX_ROWS 3000

static TsCodecBytes payloads[MAX_ROWS];
static TsCodecBytes decoded[MAX_ROWS + TS_CODEC_VECTOR];
static bool nulls[MAX_ROWS];
static uint8_t bytes[4 * 1024 * 1024];
static TsCodecEncoder *encoder;
static TsCodecReader *codec;
static TsHistogramColumns *reader;

static void
put(uint32_t i, const TsHistogram *h)
{
	uint8_t *data;

	payloads[i].size = (uint32_t) ts_histogram_encoded_size(h);
	data = ts_arena_alloc(&any_arena, payloads[i].size);
	ts_histogram_encode(h, data);
	payloads[i].data = data;
}

static size_t
payload_bytes(uint32_t n)
{
	size_t total = 0;

	for (uint32_t i = 0; i < n; i++)
		total += payloads[i].size;
	return total;
}

static size_t
encode(uint32_t n, bool with_nulls)
{
	size_t length;
	TsErrorCode code = ts_histogram_columns_encode(encoder, &ts_malloc_allocator,
												   payloads, with_nulls ? nulls : NULL, n,
												   bytes, sizeof(bytes), &length);

	CHECK(code == TS_OK, "code %d", code);
	return length;
}

static bool
same_row(uint32_t i, const TsCodecBytes *got)
{
	return got->size == payloads[i].size &&
		   memcmp(got->data, payloads[i].data, got->size) == 0;
}

/* All of it, and pieces of it. */
static void
check_decode(size_t length, uint32_t n, bool with_nulls)
{
	uint32_t vectors = ts_codec_vectors(n);

	CHECK(ts_histogram_columns_open(reader, bytes, length, n) == TS_OK, "%s",
		  ts_histogram_columns_problem(reader));
	CHECK(ts_histogram_columns_decode(reader, codec, 0, vectors, decoded) == TS_OK, "%s",
		  ts_histogram_columns_problem(reader));
	for (uint32_t i = 0; i < n; i++)
		CHECK((with_nulls && nulls[i]) || same_row(i, &decoded[i]), "row %u", i);
	for (uint32_t v = 0; v < vectors; v++)
	{
		CHECK(ts_histogram_columns_decode(reader, codec, v, 1, decoded) == TS_OK, "%s",
			  ts_histogram_columns_problem(reader));
		for (uint32_t i = v * TS_CODEC_VECTOR; i < n && i < (v + 1) * TS_CODEC_VECTOR;
			 i++)
			CHECK((with_nulls && nulls[i]) ||
					  same_row(i, &decoded[i - v * TS_CODEC_VECTOR]),
				  "row %u", i);
	}
}

/*
 * A series of request durations: `buckets` buckets of schema 3 around their middle, counters
 * that grow; now and then a new bucket appears at an end.
 */
static void
make_series(uint32_t n, uint32_t buckets)
{
	double counts[256] = {0};
	TsSpan span = {-20, buckets};
	TsHistogram h = {.schema = 3,
					 .integer = true,
					 .zero_threshold = 0x1p-128,
					 .npositive_spans = 1,
					 .positive_spans = &span,
					 .positive = counts};

	for (uint32_t i = 0; i < n; i++)
	{
		h.hint = i == 0 ? TS_RESET_UNKNOWN : TS_RESET_NO;
		for (int k = 0; k < 300; k++)
		{
			/* the sum of a few is about normally spread */
			uint32_t bucket = 0;

			for (int d = 0; d < 4; d++)
				bucket += (uint32_t) (any_random() % (buckets / 4));
			counts[bucket]++;
			h.count++;
			h.sum += pow(2, (bucket - 20.0) / 8) *
					 (0.95 + (double) (any_random() % 1000) / 10000);
		}
		span.length = i < n / 2 ? buckets - 1 : buckets;
		h.npositive = span.length;
		h.count = 0;
		for (uint32_t k = 0; k < span.length; k++)
			h.count += counts[k];
		put(i, &h);
	}
}

static void
test_series(void)
{
	size_t length;
	size_t plain;

	unit_group_begin();
	make_series(MAX_ROWS, 60);
	length = encode(MAX_ROWS, false);
	check_decode(length, MAX_ROWS, false);
	CHECK(length > 0 && length * 2 < payload_bytes(MAX_ROWS), "%zu of %zu bytes", length,
		  payload_bytes(MAX_ROWS));
	CHECK(ts_codec_encode_bytes(encoder, payloads, MAX_ROWS, bytes, &plain) == TS_OK,
		  "plain");
	CHECK(length * 2 < plain, "%zu of %zu bytes", length, plain);
	printf(
		"# %u histograms of 60 buckets: %.1f bytes each, as a bytes column %.1f, as payloads "
		"%.1f\n",
		MAX_ROWS, (double) length / MAX_ROWS, (double) plain / MAX_ROWS,
		(double) payload_bytes(MAX_ROWS) / MAX_ROWS);
	for (uint32_t i = 0; i < MAX_ROWS; i++)
		nulls[i] = i < 5 || i % 7 == 3 || (i > 300 && i < 900);
	for (uint32_t i = 0; i < MAX_ROWS; i++)
	{
		if (nulls[i])
			payloads[i] = (TsCodecBytes){(const uint8_t *) "", 0};
	}
	length = encode(MAX_ROWS, true);
	CHECK(length > 0, "with nulls");
	check_decode(length, MAX_ROWS, true);
	unit_group_end();
	ts_arena_free(&any_arena);
}

/* Random histograms of a few layouts, all sorts of numbers. */
static void
test_random(void)
{
	unit_group_begin();
	for (int round = 0; round < 200; round++)
	{
		uint32_t n = (uint32_t) (any_random() % 600) + 3;
		uint32_t layouts = (uint32_t) (any_random() % 3) + 1;
		TsHistogram *of[3];
		size_t length;

		for (uint32_t i = 0; i < layouts; i++)
			of[i] = i > 0 && any_random() % 2
						? of[0]
						: (round % 4 == 0 ? any_custom() : any_histogram());
		for (uint32_t i = 0; i < n; i++)
		{
			TsHistogram *h = ts_histogram_mul(
				of[any_random() % layouts],
				any_random() % 5 == 0 ? 0.3 : (double) (i + 1), &any);

			if (any_random() % 50 == 0)
				h->sum = NAN;
			if (any_random() % 20 == 0)
				h->count += 1;
			h->integer = false;
			put(i, h);
		}
		length = encode(n, false);
		if (length > 0)
			check_decode(length, n, false);
		ts_arena_free(&any_arena);
	}
	unit_group_end();
}

static void
test_unsuitable(void)
{
	size_t length;

	make_series(2, 20);
	CHECK(encode(2, false) == 0, "too few");
	make_series(10, 20);
	CHECK(ts_histogram_columns_encode(encoder, &ts_malloc_allocator, payloads, NULL, 10,
									  bytes, 20, &length) == TS_OK &&
			  length == 0,
		  "no room");
	memset(nulls, true, sizeof(nulls));
	CHECK(encode(10, true) == 0, "all null");
	payloads[7] = (TsCodecBytes){(const uint8_t *) "no payload", 10};
	CHECK(encode(10, false) == 0, "no payload");
	for (uint32_t i = 0; i < 400; i++)
	{
		char text[100];

		sprintf(text, "{{offset:%u buckets:[1]}}", i * 10);
		put(i, hist(text));
	}
	CHECK(encode(400, false) == 0, "too many layouts");
	CHECK(encode(100, false) == 0, "too different");
	ts_arena_free(&any_arena);
}

/* Whatever the bytes are: an error, or histograms. */
static void
test_damage(void)
{
	TsCodecBytes few[50];
	size_t length;
	uint8_t *copy;

	make_series(50, 20);
	length = encode(50, false);
	memcpy(few, payloads, sizeof(few));
	unit_group_begin();
	for (size_t at = 0; at < length; at++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			copy = malloc(length);
			memcpy(copy, bytes, length);
			copy[at] ^= (uint8_t) (1 << bit);
			if (ts_histogram_columns_open(reader, copy, length, 50) == TS_OK &&
				ts_histogram_columns_decode(reader, codec, 0, 1, decoded) == TS_OK)
			{
				for (int i = 0; i < 50; i++)
					CHECK(ts_histogram_check(decoded[i].data, decoded[i].size, NULL) ==
							  TS_OK,
						  "byte %zu, row %d", at, i);
			}
			else
				CHECK(ts_histogram_columns_problem(reader)[0] != '\0', "it says why");
			free(copy);
		}
		copy = malloc(at + 1);
		memcpy(copy, bytes, at);
		CHECK(ts_histogram_columns_open(reader, copy, at, 50) == TS_ERR_INVALID ||
				  ts_histogram_columns_decode(reader, codec, 0, 1, decoded) ==
					  TS_ERR_INVALID,
			  "cut at %zu", at);
		free(copy);
	}
	unit_group_end();
	ts_arena_free(&any_arena);
}

/* Bytes that are stored somewhere: they must be read for ever. */
static void
test_golden(void)
{
	static const char *const texts[] = {
		"{{schema:3 count:10 sum:3.5 z_bucket_w:0.001 offset:-2 buckets:[1 2 _x3 4] n_buckets:[3] "
		"counts:integer}}",
		"{{schema:3 count:15 sum:NaN z_bucket:1 z_bucket_w:0.001 offset:-2 buckets:[2 2 _x3 5] "
		"n_buckets:[3] counts:integer counter_reset_hint:not_reset}}",
		"{{schema:3 count:20 sum:8.25 z_bucket:1 z_bucket_w:0.001 offset:-2 buckets:[3 2 _x3 6 1] "
		"n_buckets:[7] counts:integer counter_reset_hint:not_reset}}",
		"{{schema:3 count:20 sum:stale z_bucket:1 z_bucket_w:0.001 offset:-2 buckets:[3 2 _x3 6 1] "
		"n_buckets:[7] counts:integer counter_reset_hint:not_reset}}"};
	static const uint8_t golden[] = {
		0x01, 0x02, 0x12, 0x51, 0x03, 0xFC, 0xA9, 0xF1, 0xD2, 0x4D, 0x62, 0x50, 0x3F,
		0x02, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x00, 0x12, 0x51, 0x03, 0xFC, 0xA9,
		0xF1, 0xD2, 0x4D, 0x62, 0x50, 0x3F, 0x02, 0x03, 0x01, 0x02, 0x01, 0x01, 0x00,
		0x00, 0x06, 0x03, 0x00, 0x00, 0x61, 0x01, 0x02, 0x07, 0x03, 0x04, 0x00, 0x02,
		0x61, 0x01, 0x01, 0x1B, 0x03, 0x25, 0xBC, 0x05, 0xDB, 0x03, 0x71, 0x01, 0x02,
		0x02, 0x0A, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF8, 0x7F, 0x02, 0x00, 0x00,
		0x00, 0x00, 0x00, 0xF0, 0x7F, 0x08, 0x03, 0x05, 0x00, 0x02, 0x41, 0x02, 0x01,
		0x12, 0x06, 0x03, 0x01, 0x00, 0x61, 0x01, 0x01, 0x06, 0x03, 0x01, 0x02, 0x61,
		0x01, 0x03, 0x03, 0x01, 0x01, 0x04, 0x06, 0x03, 0x01, 0x08, 0x61, 0x01, 0x03,
		0x03, 0x01, 0x01, 0x02, 0x07, 0x03, 0x05, 0x06, 0x04, 0x61, 0x01, 0x02,
	};
	size_t length;

	for (uint32_t i = 0; i < 4; i++)
		put(i, hist(texts[i]));
	length = encode(4, false);
	CHECK(length == sizeof(golden) && memcmp(bytes, golden, length) == 0, "%zu bytes",
		  length);
	memcpy(bytes, golden, sizeof(golden));
	check_decode(sizeof(golden), 4, false);
}

int
main(void)
{
	any_begin();
	encoder = ts_codec_encoder_create(&ts_malloc_allocator);
	codec = ts_codec_reader_create(&ts_malloc_allocator);
	reader = ts_histogram_columns_create(&ts_malloc_allocator);
	test_series();
	test_random();
	test_unsuitable();
	test_damage();
	test_golden();
	ts_histogram_columns_free(reader);
	ts_codec_reader_free(codec);
	ts_codec_encoder_free(encoder);
	any_end();
	return unit_finish();
}
