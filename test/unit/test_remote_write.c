/*
 * test_remote_write.c
 *	  Remote write's headers, compression and messages.
 */
#include <math.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "ts_remote_write.h"
#include "unit.h"

/* ---- writing messages ---- */

typedef struct Bytes
{
	uint8_t data[80000];
	size_t n;
} Bytes;

static void
put_varint(Bytes *out, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		out->data[out->n++] = (uint8_t) (value | 0x80);
	out->data[out->n++] = (uint8_t) value;
}

static void
put_number(Bytes *out, int field, uint64_t value)
{
	put_varint(out, (uint64_t) field << 3);
	put_varint(out, value);
}

static uint64_t
zigzag(int64_t value)
{
	return (uint64_t) value << 1 ^ (uint64_t) (value >> 63);
}

static void
put_bits(Bytes *out, int field, uint64_t bits)
{
	put_varint(out, (uint64_t) field << 3 | 1);
	memcpy(out->data + out->n, &bits, 8);
	out->n += 8;
}

static void
put_double(Bytes *out, int field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, 8);
	put_bits(out, field, bits);
}

static void
put_bytes(Bytes *out, int field, const void *data, size_t size)
{
	put_varint(out, (uint64_t) field << 3 | 2);
	put_varint(out, size);
	memcpy(out->data + out->n, data, size);
	out->n += size;
}

static void
put_text(Bytes *out, int field, const char *text)
{
	put_bytes(out, field, text, strlen(text));
}

static void
put_message(Bytes *out, int field, const Bytes *message)
{
	put_bytes(out, field, message->data, message->n);
}

static void
put_label(Bytes *series, const char *name, const char *value)
{
	Bytes label = {.n = 0};

	put_text(&label, 1, name);
	put_text(&label, 2, value);
	put_message(series, 1, &label);
}

static void
put_sample(Bytes *series, int64_t time, double value)
{
	Bytes sample = {.n = 0};

	put_double(&sample, 1, value);
	put_number(&sample, 2, (uint64_t) time);
	put_message(series, 2, &sample);
}

static void
put_span(Bytes *histogram, int field, int32_t offset, uint32_t length)
{
	Bytes span = {.n = 0};

	put_number(&span, 1, zigzag(offset));
	put_number(&span, 2, length);
	put_message(histogram, field, &span);
}

/* ---- reading them ---- */

static bool
is_text(TsString string, const char *text)
{
	return string.len == strlen(text) && memcmp(string.data, text, string.len) == 0;
}

static uint8_t secret[TS_WRITE_SECRET];

/* Of the first series of a message. */
static TsFingerprint
fingerprint(TsWriteVersion version, const Bytes *message)
{
	TsWriteReader reader;
	TsWriteKind kind;
	TsFingerprint print = {0, 0};
	TsError err;

	CHECK(ts_write_open(&reader, version, message->data, message->n, &ts_malloc_allocator,
						&err) == TS_OK);
	CHECK(ts_write_next(&reader, &kind, &err) == TS_OK && kind == TS_WRITE_SERIES);
	CHECK(ts_write_fingerprint(&reader, secret, &print, &err) == TS_OK);
	ts_write_close(&reader);
	return print;
}

/* Reads all of a message; the first error ends it. */
static TsErrorCode
read_all(TsWriteVersion version, const void *data, size_t size, TsError *err)
{
	TsWriteReader reader;
	TsWriteKind kind = TS_WRITE_SERIES;
	TsWriteItem item;
	TsFingerprint print;
	TsErrorCode code;

	err->message[0] = '\0';
	code = ts_write_open(&reader, version, data, size, &ts_malloc_allocator, err);
	while (code == TS_OK && kind != TS_WRITE_END)
	{
		TsWriteKind inner = kind;

		code = ts_write_next(&reader, &kind, err);
		if (code == TS_OK && kind == TS_WRITE_SERIES)
			code = ts_write_fingerprint(&reader, secret, &print, err);
		if (code == TS_OK && kind == TS_WRITE_SERIES)
			code = ts_write_read_labels(&reader, err);
		if (code == TS_OK && (kind == TS_WRITE_METADATA || reader.at.series.has_metadata))
			code = ts_write_read_metadata(&reader, err);
		for (inner = kind;
			 code == TS_OK && kind == TS_WRITE_SERIES && inner != TS_WRITE_END;)
			code = ts_write_next_item(&reader, &inner, &item, err);
	}
	ts_write_close(&reader);
	return code;
}

static void
check_refused(TsWriteVersion version, const Bytes *message, TsErrorCode code,
			  const char *says)
{
	TsError err;

	CHECK(read_all(version, message->data, message->n, &err) == code, "%s: %s", says,
		  err.message);
	CHECK(strstr(err.message, says) != NULL, "%s: %s", says, err.message);
}

/* Cut short anywhere it is refused, or read as far as it goes: never beyond its end. */
static void
check_cuts(TsWriteVersion version, const Bytes *message)
{
	unit_group_begin();
	for (size_t n = 0; n < message->n; n++)
	{
		uint8_t *copy = malloc(n > 0 ? n : 1);
		TsError err;
		TsErrorCode code;

		memcpy(copy, message->data, n);
		code = read_all(version, copy, n, &err);
		CHECK(code == TS_OK || code == TS_ERR_SYNTAX || code == TS_ERR_INVALID,
			  "%zu bytes: %s", n, err.message);
		free(copy);
	}
	unit_group_end();
}

/* ---- 1.0 ---- */

static void
test_one(void)
{
	Bytes request = {.n = 0};
	Bytes series = {.n = 0};
	Bytes exemplar = {.n = 0};
	Bytes metadata = {.n = 0};
	TsWriteReader reader;
	TsWriteKind kind;
	TsWriteItem item;
	TsError err;

	put_sample(&series, 1000, 1.5); /* before the labels: any order is right */
	put_label(&series, "job", "a");
	put_label(&series, "__name__", "up");
	put_number(&series, 77, 5); /* unknown */
	put_sample(&series, -2, -0.0);
	put_label(&exemplar, "trace_id", "x");
	put_double(&exemplar, 2, 7);
	put_number(&exemplar, 3, 1001);
	put_message(&series, 3, &exemplar);
	put_message(&request, 1, &series);
	put_number(&metadata, 1, 1);
	put_text(&metadata, 2, "up");
	put_text(&metadata, 4, "whether it is");
	put_text(&metadata, 5, "bool");
	put_message(&request, 3, &metadata);

	CHECK(ts_write_open(&reader, TS_WRITE_1, request.data, request.n,
						&ts_malloc_allocator, &err) == TS_OK);
	CHECK(ts_write_next(&reader, &kind, &err) == TS_OK && kind == TS_WRITE_SERIES);
	CHECK(ts_write_read_labels(&reader, &err) == TS_OK);
	CHECK(reader.at.series.nlabels == 2 &&
		  is_text(reader.at.series.labels[0].name, "job") &&
		  is_text(reader.at.series.labels[0].value, "a") &&
		  is_text(reader.at.series.labels[1].value, "up"));
	CHECK(reader.at.series.nsamples == 2 && reader.at.series.nexemplars == 1 &&
		  reader.at.series.nhistograms == 0 && !reader.at.series.has_metadata);
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK &&
		  kind == TS_WRITE_SAMPLE);
	CHECK(item.time == 1000 && item.value == 1.5 && item.start == 0);
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK &&
		  kind == TS_WRITE_SAMPLE);
	CHECK(item.time == -2 && item.value == 0 && signbit(item.value));
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK &&
		  kind == TS_WRITE_EXEMPLAR);
	CHECK(item.exemplar.time == 1001 && item.exemplar.value == 7 &&
		  item.exemplar.nlabels == 1 &&
		  is_text(item.exemplar.labels[0].name, "trace_id"));
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK &&
		  kind == TS_WRITE_END);
	CHECK(ts_write_next(&reader, &kind, &err) == TS_OK && kind == TS_WRITE_METADATA);
	CHECK(ts_write_read_metadata(&reader, &err) == TS_OK);
	CHECK(is_text(reader.metadata.metric, "up") &&
		  strcmp(reader.metadata.type, "counter") == 0 &&
		  is_text(reader.metadata.unit, "bool") &&
		  is_text(reader.metadata.help, "whether it is"));
	CHECK(ts_write_next(&reader, &kind, &err) == TS_OK && kind == TS_WRITE_END);
	ts_write_close(&reader);
	check_cuts(TS_WRITE_1, &request);
}

/* Labels that something stands between are read, and have a fingerprint, as well. */
static void
test_scattered(void)
{
	Bytes request = {.n = 0};
	Bytes series = {.n = 0};
	TsWriteReader reader;
	TsWriteKind kind;
	TsError err;

	put_label(&series, "a", "1");
	put_sample(&series, 1, 1);
	put_label(&series, "b", "2");
	put_message(&request, 1, &series);
	CHECK(ts_write_open(&reader, TS_WRITE_1, request.data, request.n,
						&ts_malloc_allocator, &err) == TS_OK);
	CHECK(ts_write_next(&reader, &kind, &err) == TS_OK);
	CHECK(ts_write_read_labels(&reader, &err) == TS_OK && reader.at.series.nlabels == 2);
	ts_write_close(&reader);
}

/* A fingerprint is that of the labels alone, and of all of them. */
static void
test_fingerprints(void)
{
	static const char *const values[] = {"1", "1", "2"};
	Bytes requests[3];
	TsFingerprint prints[3];
	Bytes request = {.n = 0};
	Bytes series = {.n = 0};

	for (int i = 0; i < 3; i++)
	{
		requests[i].n = series.n = 0;
		put_label(&series, "a", "x");
		put_label(&series, "b", values[i]);
		put_sample(&series, i, i);
		put_message(&requests[i], 1, &series);
		prints[i] = fingerprint(TS_WRITE_1, &requests[i]);
	}
	CHECK(ts_fingerprint_equal(prints[0], prints[1]) &&
		  !ts_fingerprint_equal(prints[0], prints[2]));
	series.n = 0;
	put_label(&series, "a", "x");
	put_sample(&series, 1, 1);
	put_label(&series, "b", "1");
	put_message(&request, 1, &series);
	CHECK(ts_fingerprint_equal(fingerprint(TS_WRITE_1, &request), prints[0]),
		  "scattered labels");
}

static void
test_bits(void)
{
	static const uint64_t bits[] = {0x7ff0000000000002, 0x7ff8000000000001,
									0xfff123456789abcd, 0x0000000000000001,
									0x8000000000000000, 0x7ff0000000000000};

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
	{
		Bytes request = {.n = 0};
		Bytes series = {.n = 0};
		Bytes sample = {.n = 0};
		TsWriteReader reader;
		TsWriteKind kind;
		TsWriteItem item;
		TsError err;

		put_bits(&sample, 1, bits[i]);
		put_message(&series, 2, &sample);
		put_message(&request, 1, &series);
		CHECK(ts_write_open(&reader, TS_WRITE_1, request.data, request.n,
							&ts_malloc_allocator, &err) == TS_OK);
		CHECK(ts_write_next(&reader, &kind, &err) == TS_OK);
		CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK &&
			  memcmp(&item.value, &bits[i], 8) == 0);
		ts_write_close(&reader);
	}
}

/* ---- 2.0 ---- */

static void
put_refs(Bytes *out, int field, const uint8_t *refs, size_t n)
{
	put_bytes(out, field, refs, n); /* one byte each is one varint each */
}

static void
put_symbols(Bytes *request, const char *const *symbols, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_text(request, 4, symbols[i]);
}

/* What is usual comes together, and what is not stops it. */
static void
test_usual_samples(void)
{
	Bytes request = {.n = 0};
	Bytes series = {.n = 0};
	Bytes sample = {.n = 0};
	TsWriteReader reader;
	TsWriteKind kind;
	TsWriteItem item;
	TsError err;
	int64_t times[4];
	double values[4];

	put_label(&series, "a", "1");
	for (int i = 0; i < 5; i++)
		put_sample(&series, i - 2, i);
	put_number(&sample, 2, 7); /* in another order */
	put_double(&sample, 1, 8);
	put_message(&series, 2, &sample);
	put_sample(&series, 9, 9);
	put_message(&request, 1, &series);
	CHECK(ts_write_open(&reader, TS_WRITE_1, request.data, request.n,
						&ts_malloc_allocator, &err) == TS_OK);
	CHECK(ts_write_next(&reader, &kind, &err) == TS_OK);
	CHECK(ts_write_next_samples(&reader, times, values, 4) == 4);
	CHECK(times[0] == -2 && times[3] == 1 && values[3] == 3);
	CHECK(ts_write_next_samples(&reader, times, values, 4) == 1 && values[0] == 4);
	CHECK(ts_write_next_samples(&reader, times, values, 4) == 0);
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK && item.value == 8 &&
		  item.time == 7);
	CHECK(ts_write_next_samples(&reader, times, values, 4) == 1 && times[0] == 9);
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK &&
		  kind == TS_WRITE_END);
	ts_write_close(&reader);
}

/* References have the fingerprint of what they name. */
static void
test_reference_fingerprints(void)
{
	static const char *const symbols[2][4] = {{"", "a", "b", "c"}, {"", "b", "a", "c"}};
	static const uint8_t refs[2][2] = {{1, 2}, {2, 1}};
	TsFingerprint prints[2][2];
	Bytes series = {.n = 0};

	for (int i = 0; i < 2; i++)
	{
		for (int j = 0; j < 2; j++)
		{
			Bytes request = {.n = 0};

			series.n = 0;
			put_refs(&series, 1, refs[j], 2);
			put_symbols(&request, symbols[i], 4);
			put_message(&request, 5, &series);
			prints[i][j] = fingerprint(TS_WRITE_2, &request);
		}
	}
	CHECK(ts_fingerprint_equal(prints[0][0], prints[1][1]) &&
		  ts_fingerprint_equal(prints[0][1], prints[1][0]));
	CHECK(!ts_fingerprint_equal(prints[0][0], prints[0][1]));
}

static void
test_two(void)
{
	static const char *const symbols[] = {"",  "__name__", "m", "job",
										  "b", "help me",  "s"};
	static const uint8_t refs[] = {1, 2, 3, 4};
	Bytes request = {.n = 0};
	Bytes series = {.n = 0};
	Bytes sample = {.n = 0};
	Bytes exemplar = {.n = 0};
	Bytes metadata = {.n = 0};
	TsWriteReader reader;
	TsWriteKind kind;
	TsWriteItem item;
	TsError err;

	put_refs(&series, 1, refs, 2);
	put_number(&series, 1, 3); /* not packed: also right */
	put_number(&series, 1, 4);
	put_sample(&series, 5, 1);
	put_double(&sample, 1, 2);
	put_number(&sample, 2, 6);
	put_number(&sample, 3, 4);
	put_message(&series, 2, &sample);
	put_refs(&exemplar, 1, refs, 4);
	put_message(&series, 4, &exemplar);
	put_number(&metadata, 1, 3);
	put_number(&metadata, 3, 5);
	put_number(&metadata, 4, 6);
	put_message(&series, 5, &metadata);
	put_number(&series, 6, 3);
	put_message(&request, 5, &series);
	put_symbols(&request, symbols, 7); /* behind what refers to them */

	CHECK(ts_write_open(&reader, TS_WRITE_2, request.data, request.n,
						&ts_malloc_allocator, &err) == TS_OK);
	CHECK(ts_write_next(&reader, &kind, &err) == TS_OK && kind == TS_WRITE_SERIES);
	CHECK(ts_write_read_labels(&reader, &err) == TS_OK);
	CHECK(reader.at.series.nlabels == 2 &&
		  is_text(reader.at.series.labels[0].value, "m") &&
		  is_text(reader.at.series.labels[1].name, "job") &&
		  is_text(reader.at.series.labels[1].value, "b"));
	CHECK(reader.at.series.has_metadata &&
		  ts_write_read_metadata(&reader, &err) == TS_OK &&
		  strcmp(reader.metadata.type, "histogram") == 0 &&
		  is_text(reader.metadata.help, "help me") && is_text(reader.metadata.unit, "s"));
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK && item.time == 5 &&
			  item.start == 3,
		  "the series' own created timestamp");
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK && item.time == 6 &&
			  item.start == 4,
		  "the sample's start timestamp");
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK &&
		  kind == TS_WRITE_EXEMPLAR && item.exemplar.nlabels == 2);
	CHECK(ts_write_next_item(&reader, &kind, &item, &err) == TS_OK &&
		  kind == TS_WRITE_END);
	CHECK(ts_write_next(&reader, &kind, &err) == TS_OK && kind == TS_WRITE_END);
	ts_write_close(&reader);
	check_cuts(TS_WRITE_2, &request);
}

/* ---- histograms ---- */

/* An integer histogram: 1 2 | 4 on the positive side, 3 on the negative, 2 in zero. */
static void
put_integers(Bytes *histogram, int32_t schema)
{
	Bytes deltas = {.n = 0};

	put_number(histogram, 1, 12);
	put_double(histogram, 3, 5.5);
	put_number(histogram, 4, zigzag(schema));
	put_double(histogram, 5, 0.001);
	put_number(histogram, 6, 2);
	put_span(histogram, 8, -3, 1);
	put_number(histogram, 9, zigzag(3)); /* not packed */
	put_span(histogram, 11, 0, 2);
	put_span(histogram, 11, 1, 1);
	put_varint(&deltas, zigzag(1));
	put_varint(&deltas, zigzag(1));
	put_varint(&deltas, zigzag(2));
	put_message(histogram, 12, &deltas);
	put_number(histogram, 14, 2);
	put_number(histogram, 15, 99);
	put_number(histogram, 17, 98);
}

/* Reads the one histogram of a request of one series; the reader stays open. */
static TsErrorCode
read_histogram(TsWriteReader *reader, TsWriteVersion version, const Bytes *histogram,
			   TsWriteItem *item, TsError *err)
{
	static Bytes request;
	Bytes series = {.n = 0};
	TsWriteKind kind;
	TsErrorCode code;

	request.n = 0;
	put_message(&series, version == TS_WRITE_1 ? 4 : 3, histogram);
	put_message(&request, version == TS_WRITE_1 ? 1 : 5, &series);
	code = ts_write_open(reader, version, request.data, request.n, &ts_malloc_allocator,
						 err);
	if (code == TS_OK)
		code = ts_write_next(reader, &kind, err);
	if (code == TS_OK)
		code = ts_write_next_item(reader, &kind, item, err);
	return code;
}

static void
test_integers(TsWriteVersion version)
{
	Bytes histogram = {.n = 0};
	TsWriteReader reader;
	TsWriteItem item;
	TsHistogram *h = &item.histogram;
	TsError err = {0};

	put_integers(&histogram, 3);
	CHECK(read_histogram(&reader, version, &histogram, &item, &err) == TS_OK, "%s",
		  err.message);
	CHECK(item.time == 99 && item.start == (version == TS_WRITE_2 ? 98 : 0));
	CHECK(h->integer && h->schema == 3 && h->hint == TS_RESET_NO && h->count == 12 &&
		  h->sum == 5.5 && h->zero_threshold == 0.001 && h->zero_count == 2);
	CHECK(h->npositive_spans == 2 && h->npositive == 3 && h->positive[0] == 1 &&
		  h->positive[1] == 2 && h->positive[2] == 4);
	CHECK(h->positive_spans[1].offset == 1 && h->positive_spans[1].length == 1);
	CHECK(h->nnegative_spans == 1 && h->nnegative == 1 && h->negative[0] == 3 &&
		  h->negative_spans[0].offset == -3);
	ts_write_close(&reader);
}

/* Schema 10 to 8: buckets 0 1 3 become 0 1 1. */
static void
test_finer_schema(void)
{
	Bytes histogram = {.n = 0};
	TsWriteReader reader;
	TsWriteItem item;
	TsHistogram *h = &item.histogram;
	TsError err = {0};

	put_integers(&histogram, 10);
	CHECK(read_histogram(&reader, TS_WRITE_1, &histogram, &item, &err) == TS_OK, "%s",
		  err.message);
	CHECK(h->schema == 8 && h->npositive == 2 && h->positive[0] == 1 &&
		  h->positive[1] == 6);
	CHECK(h->npositive_spans == 1 && h->positive_spans[0].offset == 0 &&
		  h->positive_spans[0].length == 2);
	CHECK(h->nnegative == 1 && h->negative_spans[0].offset == 0, "(-3 - 1) >> 2 + 1");
	ts_write_close(&reader);
}

static void
test_custom(void)
{
	Bytes histogram = {.n = 0};
	Bytes counts = {.n = 0};
	Bytes bounds = {.n = 0};
	double numbers[] = {1.5, 2.5, 0.5, 10};
	TsWriteReader reader;
	TsWriteItem item;
	TsHistogram *h = &item.histogram;
	TsError err = {0};

	memcpy(counts.data, numbers, 16);
	counts.n = 16;
	memcpy(bounds.data, numbers + 2, 16);
	bounds.n = 16;
	put_double(&histogram, 2, 4);
	put_double(&histogram, 3, 9);
	put_number(&histogram, 4, zigzag(TS_HISTOGRAM_CUSTOM_SCHEMA));
	put_span(&histogram, 11, 1, 2);
	put_message(&histogram, 13, &counts);
	put_message(&histogram, 16, &bounds);
	CHECK(read_histogram(&reader, TS_WRITE_1, &histogram, &item, &err) == TS_OK, "%s",
		  err.message);
	CHECK(!h->integer && ts_histogram_is_custom(h) && h->nbounds == 2 &&
		  h->bounds[1] == 10 && h->npositive == 2 && h->positive[1] == 2.5);
	ts_write_close(&reader);
}

static void
check_histogram_refused(const Bytes *histogram, const char *says)
{
	TsWriteReader reader;
	TsWriteItem item;
	TsError err = {0};

	CHECK(read_histogram(&reader, TS_WRITE_1, histogram, &item, &err) == TS_ERR_INVALID,
		  "%s: %s", says, err.message);
	CHECK(strstr(err.message, says) != NULL, "%s: %s", says, err.message);
	ts_write_close(&reader);
}

static void
test_wrong_histograms(void)
{
	Bytes histogram = {.n = 0};

	put_integers(&histogram, 3);
	put_span(&histogram, 11, 0, 1);
	check_histogram_refused(&histogram,
							"positive spans are of 4 buckets, but there are 3");

	histogram.n = 0;
	put_integers(&histogram, 3);
	put_double(&histogram, 13, 1);
	check_histogram_refused(&histogram, "buckets of integers and of floats");

	histogram.n = 0;
	put_integers(&histogram, 3);
	put_double(&histogram, 2, 12); /* the last of count's two forms counts */
	check_histogram_refused(&histogram, "not of the same kind as its count");

	histogram.n = 0;
	put_number(&histogram, 1, 1);
	put_double(&histogram, 7, 1);
	check_histogram_refused(&histogram, "zero bucket is not of the same kind");

	histogram.n = 0;
	put_number(&histogram, 12, zigzag(-1));
	check_histogram_refused(&histogram, "negative number of observations");

	histogram.n = 0;
	put_integers(&histogram, 77);
	check_histogram_refused(&histogram, "schema");
}

/* ---- what is refused ---- */

static void
test_damage(void)
{
	static const char *const symbols[] = {"x", "y"};
	static const uint8_t refs[] = {0, 1, 0};
	static const Bytes group = {{1 << 3 | 3, 1 << 3 | 4}, 2};
	static const Bytes long_varint = {
		{7 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 11};
	static const Bytes zero_field = {{0, 0}, 2};
	static const Bytes huge = {{1 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0x0f}, 6};
	Bytes request = {.n = 0};
	Bytes series = {.n = 0};

	check_refused(TS_WRITE_1, &group, TS_ERR_SYNTAX, "damaged at byte 1");
	check_refused(TS_WRITE_1, &long_varint, TS_ERR_SYNTAX, "damaged");
	check_refused(TS_WRITE_1, &zero_field, TS_ERR_SYNTAX, "damaged");
	check_refused(TS_WRITE_1, &huge, TS_ERR_SYNTAX, "damaged");

	put_number(&series, 2, 5); /* samples of the wrong wire type */
	put_message(&request, 1, &series);
	check_refused(TS_WRITE_1, &request, TS_ERR_SYNTAX, "series is cut short or damaged");

	request.n = 0;
	put_symbols(&request, symbols, 2);
	check_refused(TS_WRITE_2, &request, TS_ERR_INVALID, "not the empty string");
	check_refused(TS_WRITE_1, &request, TS_ERR_INVALID,
				  "field 4, which remote write 1.0");

	request.n = series.n = 0;
	put_text(&request, 4, "");
	put_refs(&series, 1, refs, 2);
	put_message(&request, 5, &series);
	check_refused(TS_WRITE_2, &request, TS_ERR_INVALID, "symbol 1, but there are only 1");

	request.n = series.n = 0;
	put_text(&request, 4, "");
	put_text(&request, 4, "y");
	put_refs(&series, 1, refs, 3);
	put_message(&request, 5, &series);
	check_refused(TS_WRITE_2, &request, TS_ERR_INVALID, "odd number");

	request.n = series.n = 0;
	put_label(&series, "a", "b");
	put_message(&request, 1, &series);
	check_refused(TS_WRITE_2, &request, TS_ERR_INVALID,
				  "field 1, which remote write 2.0");

	request.n = series.n = 0;
	put_text(&series, 2, "a");
	put_text(&series, 4, "\xff");
	put_message(&request, 3, &series);
	check_refused(TS_WRITE_1, &request, TS_ERR_INVALID, "help in metadata");
}

/* A long symbol that is named again and again says no more than a limit. */
static void
test_limits(void)
{
	static char text[70000];
	static const uint8_t refs[] = {1, 1, 1, 1, 1, 1};
	Bytes request = {.n = 0};
	Bytes series = {.n = 0};
	Bytes metadata = {.n = 0};

	memset(text, 'x', sizeof(text) - 1);
	put_text(&request, 4, "");
	put_text(&request, 4, text);
	put_refs(&series, 1, refs, 6);
	put_message(&request, 5, &series);
	check_refused(TS_WRITE_2, &request, TS_ERR_LIMIT,
				  "labels of a series take more than");

	request.n = series.n = 0;
	put_text(&request, 4, "");
	put_text(&request, 4, text);
	put_number(&metadata, 3, 1);
	put_message(&series, 5, &metadata);
	put_message(&request, 5, &series);
	check_refused(TS_WRITE_2, &request, TS_ERR_LIMIT, "help in metadata is longer than");

	request.n = metadata.n = 0;
	put_text(&metadata, 4, "help");
	put_message(&request, 3, &metadata);
	check_refused(TS_WRITE_1, &request, TS_ERR_INVALID, "metadata without a metric name");

	request.n = series.n = 0;
	for (int i = 0; i < LABELS_MAX_COUNT + 1; i++)
		put_label(&series, "a", "b");
	put_message(&request, 1, &series);
	check_refused(TS_WRITE_1, &request, TS_ERR_LIMIT,
				  "more than 1024 labels of a series");
}

/* Memory that runs out at any moment is an error like others, and nothing is lost. */
static int left;

static void *
failing_alloc(void *ctx, size_t size)
{
	return left-- > 0 ? malloc(size) : NULL;
}

static void
failing_free(void *ctx, void *ptr)
{
	free(ptr);
}

static void
test_no_memory(void)
{
	static const TsAllocator failing = {failing_alloc, failing_free, NULL};
	Bytes request = {.n = 0};
	Bytes series = {.n = 0};
	Bytes histogram = {.n = 0};

	put_label(&series, "a", "b");
	put_integers(&histogram, 3);
	put_message(&series, 4, &histogram);
	put_message(&request, 1, &series);
	for (int n = 0; n < 20; n++)
	{
		TsWriteReader reader;
		TsWriteKind kind;
		TsWriteItem item;
		TsError err;
		TsErrorCode code;

		left = n;
		code = ts_write_open(&reader, TS_WRITE_1, request.data, request.n, &failing,
							 &err);
		if (code == TS_OK)
			code = ts_write_next(&reader, &kind, &err);
		if (code == TS_OK)
			code = ts_write_read_labels(&reader, &err);
		if (code == TS_OK)
			code = ts_write_next_item(&reader, &kind, &item, &err);
		CHECK(code == (n < 5 ? TS_ERR_MEMORY : TS_OK), "%d: %d", n, code);
		ts_write_close(&reader);
	}
}

/* ---- headers and bodies ---- */

static void
check_type(const char *text, int expected)
{
	TsWriteVersion version;
	TsError err;
	TsErrorCode code = ts_write_content_type(text, strlen(text), &version, &err);

	CHECK((code == TS_OK ? (int) version : -1) == expected, "%s", text);
}

static void
check_encoding(const char *text, int expected)
{
	TsWriteEncoding encoding;
	TsError err;
	TsErrorCode code = ts_write_content_encoding(text, strlen(text), &encoding, &err);

	CHECK((code == TS_OK ? (int) encoding : -1) == expected, "%s", text);
}

static void
test_headers(void)
{
	check_type("", TS_WRITE_1);
	check_type("application/x-protobuf", TS_WRITE_1);
	check_type(" Application/X-Protobuf ; charset=utf-8", TS_WRITE_1);
	check_type("application/x-protobuf;proto=prometheus.WriteRequest", TS_WRITE_1);
	check_type("application/x-protobuf;proto=io.prometheus.write.v2.Request", TS_WRITE_2);
	check_type("application/x-protobuf; a=b; proto = \"io.prometheus.write.v2.Request\"",
			   TS_WRITE_2);
	check_type("application/x-protobuf;proto=io.prometheus.write.v3.Request", -1);
	check_type("application/x-protobuf;proto=", -1);
	check_type("application/json", -1);
	check_type(";", -1);
	check_encoding("", TS_WRITE_PLAIN);
	check_encoding("identity", TS_WRITE_PLAIN);
	check_encoding("NONE", TS_WRITE_PLAIN);
	check_encoding(" snappy ", TS_WRITE_SNAPPY);
	check_encoding("zstd", TS_WRITE_ZSTD);
	check_encoding("gzip", -1);
}

static TsErrorCode
decompress(TsWriteEncoding encoding, const void *body, size_t size, size_t limit,
		   const char *expected, size_t expected_size)
{
	const void *data;
	size_t data_size;
	TsError err;
	TsErrorCode code = ts_write_decompress(encoding, body, size, limit,
										   &ts_malloc_allocator, &data, &data_size, &err);

	if (code == TS_OK)
	{
		CHECK(data_size == expected_size && memcmp(data, expected, data_size) == 0);
		if (data != body)
			free((void *) data);
	}
	else
		CHECK(err.code == code && err.message[0] != '\0');
	return code;
}

/* A frame of a stream, whose size its beginning does not tell, but its window. */
static size_t
stream(char *packed, size_t room, const char *plain, size_t size)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	ZSTD_inBuffer in = {plain, size, 0};
	ZSTD_outBuffer out = {packed, room, 0};

	ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 23);
	CHECK(ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush) == 0);
	CHECK(ZSTD_compressStream2(context, &out, &in, ZSTD_e_end) == 0);
	ZSTD_freeCCtx(context);
	return out.pos;
}

static void
test_bodies(void)
{
	static char plain[300000];
	static char packed[400000];
	static const uint8_t four_gigabytes[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'a'};
	size_t size = sizeof(packed);

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (char) (i % 251 * (i / 1000));
	snappy_compress(plain, sizeof(plain), packed, &size);
	CHECK(decompress(TS_WRITE_SNAPPY, packed, size, sizeof(plain), plain,
					 sizeof(plain)) == TS_OK);
	CHECK(decompress(TS_WRITE_SNAPPY, packed, size, sizeof(plain) - 1, NULL, 0) ==
		  TS_ERR_LIMIT);
	CHECK(decompress(TS_WRITE_SNAPPY, packed, size - 1, sizeof(plain), NULL, 0) ==
		  TS_ERR_SYNTAX);
	CHECK(decompress(TS_WRITE_SNAPPY, "", 0, 100, NULL, 0) == TS_ERR_SYNTAX);
	CHECK(decompress(TS_WRITE_SNAPPY, four_gigabytes, sizeof(four_gigabytes), 1 << 26,
					 NULL, 0) == TS_ERR_LIMIT);
	CHECK(decompress(TS_WRITE_SNAPPY, "\0", 1, 100, "", 0) == TS_OK);

	size = ZSTD_compress(packed, sizeof(packed), plain, sizeof(plain), 1);
	CHECK(decompress(TS_WRITE_ZSTD, packed, size, sizeof(plain), plain, sizeof(plain)) ==
		  TS_OK);
	CHECK(decompress(TS_WRITE_ZSTD, packed, size, 1 << 26, plain, sizeof(plain)) ==
		  TS_OK);
	CHECK(decompress(TS_WRITE_ZSTD, packed, size, sizeof(plain) - 1, NULL, 0) ==
		  TS_ERR_LIMIT);
	CHECK(decompress(TS_WRITE_ZSTD, packed, size - 1, sizeof(plain), NULL, 0) ==
		  TS_ERR_SYNTAX);
	size = stream(packed, sizeof(packed), plain, 1000);
	CHECK(decompress(TS_WRITE_ZSTD, packed, size, 1000, plain, 1000) == TS_OK);
	CHECK(decompress(TS_WRITE_ZSTD, packed, size, 999, NULL, 0) == TS_ERR_LIMIT);
	CHECK(decompress(TS_WRITE_ZSTD, "", 0, 100, NULL, 0) == TS_ERR_SYNTAX);
	CHECK(decompress(TS_WRITE_ZSTD, plain, 100, 100, NULL, 0) == TS_ERR_SYNTAX);
	CHECK(decompress(TS_WRITE_PLAIN, plain, 100, 100, plain, 100) == TS_OK);
	CHECK(decompress(TS_WRITE_PLAIN, plain, 101, 100, NULL, 0) == TS_ERR_LIMIT);
}

/* A member of gzip. */
static size_t
gzip_member(char *packed, size_t room, const char *plain, size_t size)
{
	z_stream stream = {.next_in = (Bytef *) plain,
					   .avail_in = (uInt) size,
					   .next_out = (Bytef *) packed,
					   .avail_out = (uInt) room};

	CHECK(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	deflateEnd(&stream);
	return room - stream.avail_out;
}

static void
test_gzip(void)
{
	static char plain[300000];
	static char packed[400000];
	size_t size;
	size_t first;

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (char) (i % 251 * (i / 1000));
	size = gzip_member(packed, sizeof(packed), plain, sizeof(plain));
	CHECK(decompress(TS_WRITE_GZIP, packed, size, sizeof(plain), plain, sizeof(plain)) ==
		  TS_OK);
	CHECK(decompress(TS_WRITE_GZIP, packed, size, 1 << 26, plain, sizeof(plain)) ==
		  TS_OK);
	CHECK(decompress(TS_WRITE_GZIP, packed, size, sizeof(plain) - 1, NULL, 0) ==
		  TS_ERR_LIMIT);
	unit_group_begin();
	for (size_t cut = 1; cut < size; cut += cut < 50 || size - cut < 50 ? 1 : 997)
		CHECK(decompress(TS_WRITE_GZIP, packed, size - cut, 1 << 26, NULL, 0) ==
			  TS_ERR_SYNTAX);
	for (size_t last = 1; last <= 8; last++)
	{
		packed[size - last] ^= 1;
		CHECK(decompress(TS_WRITE_GZIP, packed, size, 1 << 26, NULL, 0) == TS_ERR_SYNTAX);
		packed[size - last] ^= 1;
	}
	unit_group_end();
	CHECK(decompress(TS_WRITE_GZIP, packed, size + 1, 1 << 26, NULL, 0) == TS_ERR_SYNTAX);

	/* several members, of which one may be empty */
	first = gzip_member(packed, sizeof(packed), plain, 100000);
	first += gzip_member(packed + first, sizeof(packed) - first, "", 0);
	size = first + gzip_member(packed + first, sizeof(packed) - first, plain + 100000,
							   sizeof(plain) - 100000);
	CHECK(decompress(TS_WRITE_GZIP, packed, size, sizeof(plain), plain, sizeof(plain)) ==
		  TS_OK);
	CHECK(decompress(TS_WRITE_GZIP, packed, size, 100001, NULL, 0) == TS_ERR_LIMIT);
	CHECK(decompress(TS_WRITE_GZIP, packed, size - 1, 1 << 26, NULL, 0) == TS_ERR_SYNTAX);
	CHECK(decompress(TS_WRITE_GZIP, packed, first + 5, 1 << 26, NULL, 0) ==
		  TS_ERR_SYNTAX);
	CHECK(decompress(TS_WRITE_GZIP, packed, first, 100000, plain, 100000) == TS_OK);

	size = gzip_member(packed, sizeof(packed), "", 0);
	CHECK(decompress(TS_WRITE_GZIP, packed, size, 100, "", 0) == TS_OK);
	CHECK(decompress(TS_WRITE_GZIP, "", 0, 100, NULL, 0) == TS_ERR_SYNTAX);
	CHECK(decompress(TS_WRITE_GZIP, "\x78\x9c\x03\x00\x00\x00\x00\x01", 8, 100, NULL,
					 0) == TS_ERR_SYNTAX);
}

int
main(void)
{
	test_one();
	test_scattered();
	test_fingerprints();
	test_reference_fingerprints();
	test_usual_samples();
	test_bits();
	test_two();
	test_integers(TS_WRITE_1);
	test_integers(TS_WRITE_2);
	test_finer_schema();
	test_custom();
	test_wrong_histograms();
	test_damage();
	test_limits();
	test_no_memory();
	test_headers();
	test_bodies();
	test_gzip();
	return unit_finish();
}
