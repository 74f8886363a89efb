/*
 * fuzz_remote_write.c
 *	  Remote write requests from anywhere: refused, or read within their bytes.
 *
 * The first byte chooses version and compression, so that messages are reached without
 * a right compression, and compression without a right message.
 */
#include <stdlib.h>
#include <string.h>

#include "ts_remote_write.h"

#define LIMIT (1 << 20)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t touched;
static const uint8_t secret[TS_WRITE_SECRET];

static void
touch(TsString string)
{
	for (size_t i = 0; i < string.len; i++)
		touched += (unsigned char) string.data[i];
}

static void
touch_labels(LabelsPair *pairs, uint32_t count)
{
	size_t size;
	uint8_t *payload;

	for (uint32_t i = 0; i < count; i++)
	{
		touch(pairs[i].name);
		touch(pairs[i].value);
	}
	if (labels_normalize(pairs, &count, &size, NULL) != TS_OK)
		return;
	payload = malloc(size);
	labels_encode(pairs, count, payload);
	if (labels_check(payload, size, NULL) != TS_OK)
		abort();
	free(payload);
}

/* What was read is valid, so it can be kept. */
static void
keep_histogram(const TsHistogram *h)
{
	size_t size = ts_histogram_encoded_size(h);
	uint8_t *payload = malloc(size);

	ts_histogram_encode(h, payload);
	if (ts_histogram_check(payload, size, NULL) != TS_OK)
		abort();
	free(payload);
}

static void
touch_series(TsWriteReader *reader, TsError *err)
{
	TsWriteKind kind;
	TsWriteItem item;
	TsFingerprint print;
	uint64_t counts[3] = {0, 0, 0};
	int64_t times[3];
	double values[3];

	if (ts_write_fingerprint(reader, secret, &print, err) != TS_OK)
		return;
	touched += print.low;
	if (reader->at.series.has_metadata &&
		ts_write_metadata_fingerprint(reader, secret, &print, err) == TS_OK)
		touched += print.low;
	if (reader->at.series.has_metadata && ts_write_read_metadata(reader, err) == TS_OK)
		touch(reader->metadata.help);
	if (ts_write_read_labels(reader, err) != TS_OK)
		return;
	touch_labels(reader->at.series.labels, reader->at.series.nlabels);
	for (;;)
	{
		counts[0] += ts_write_next_samples(reader, times, values, 3);
		if (ts_write_next_item(reader, &kind, &item, err) != TS_OK)
			return;
		if (kind == TS_WRITE_END)
			break;
		counts[kind - TS_WRITE_SAMPLE]++;
		if (kind == TS_WRITE_HISTOGRAM)
			keep_histogram(&item.histogram);
		else if (kind == TS_WRITE_EXEMPLAR)
			touch_labels(item.exemplar.labels, item.exemplar.nlabels);
	}
	if (counts[0] != reader->at.series.nsamples ||
		counts[1] != reader->at.series.nhistograms ||
		counts[2] != reader->at.series.nexemplars)
		abort();
}

static void
read_message(TsWriteVersion version, const void *data, size_t size)
{
	TsWriteReader reader;
	TsWriteKind kind = TS_WRITE_END;
	TsError err = {0};
	TsErrorCode code = ts_write_open(&reader, version, data, size, &ts_malloc_allocator,
									 &err);

	while (code == TS_OK)
	{
		code = ts_write_next(&reader, &kind, &err);
		if (code != TS_OK || kind == TS_WRITE_END)
			break;
		if (kind == TS_WRITE_SERIES)
			touch_series(&reader, &err);
		else if (ts_write_read_metadata(&reader, &err) == TS_OK)
			touch(reader.metadata.help);
	}
	if (code != TS_OK && err.message[0] == '\0')
		abort();
	ts_write_close(&reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	const void *message;
	size_t message_size;
	TsError err;

	if (size == 0)
		return 0;
	copy = malloc(size); /* its end is the sanitizer's */
	memcpy(copy, data + 1, size - 1);
	if (ts_write_decompress((TsWriteEncoding) (data[0] / 2 % 4), copy, size - 1, LIMIT,
							&ts_malloc_allocator, &message, &message_size, &err) == TS_OK)
	{
		if (message_size > LIMIT)
			abort();
		read_message((TsWriteVersion) (data[0] % 2), message, message_size);
		if (message != copy)
			free((void *) message);
	}
	free(copy);
	return touched == SIZE_MAX;
}
