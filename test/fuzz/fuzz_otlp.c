/*
 * fuzz_otlp.c
 *	  Requests of OTLP from anywhere, through the bridge: refused, or made into samples
 *	  whose labels can be had.
 *
 * The first two bytes choose the options. What must hold of all samples: equal fingerprints
 * have equal labels; buckets of a histogram do not become fewer; native histograms can be
 * kept.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ts_otlp.h"

#define MOST_SERIES 64

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t touched;
static const uint8_t secret[TS_WRITE_SECRET] = {1, 2, 3, 4, 5};

/* Series of a message, as far as they are kept. */
static struct
{
	TsFingerprint print;
	uint8_t *labels;
	size_t size;
} series[MOST_SERIES];
static uint32_t nseries;

static void
touch(TsString string)
{
	for (size_t i = 0; i < string.len; i++)
		touched += (unsigned char) string.data[i];
}

/* Takes the payload. */
static void
keep_series(TsFingerprint print, uint8_t *payload, size_t size)
{
	for (uint32_t i = 0; i < nseries; i++)
	{
		if (!ts_fingerprint_equal(series[i].print, print))
			continue;
		if (series[i].size != size || memcmp(series[i].labels, payload, size) != 0)
			abort();
		free(payload);
		return;
	}
	if (nseries == MOST_SERIES)
	{
		free(payload);
		return;
	}
	series[nseries].print = print;
	series[nseries].labels = payload;
	series[nseries++].size = size;
}

/* NULL: they cannot be a series. */
static uint8_t *
encode(TsOtlpLabels labels, size_t *size)
{
	uint32_t count = labels.n;
	uint8_t *payload;

	if (labels_normalize(labels.pairs, &count, size, NULL) != TS_OK)
		return NULL;
	payload = malloc(*size);
	labels_encode(labels.pairs, count, payload);
	if (labels_check(payload, *size, NULL) != TS_OK)
		abort();
	return payload;
}

static void
keep_histogram(const TsHistogram *h)
{
	size_t size = ts_histogram_encoded_size(h);
	uint8_t *payload = malloc(size);

	if (ts_histogram_validate(h, NULL) != TS_OK)
		abort();
	ts_histogram_encode(h, payload);
	if (ts_histogram_check(payload, size, NULL) != TS_OK)
		abort();
	free(payload);
}

static TsErrorCode
touch_sample(TsOtlpBridge *bridge, TsOtlpKind kind, const TsOtlpItem *item, TsError *err)
{
	static double bucket;
	TsOtlpLabels labels;
	uint8_t *payload;
	size_t size;
	TsErrorCode code;

	if (item->part == TS_OTLP_PART_BUCKET && item->value < bucket)
		abort();
	bucket = item->part == TS_OTLP_PART_BUCKET ? item->value : 0;
	if (kind == TS_OTLP_NATIVE)
		keep_histogram(&item->histogram);
	/* There may be tens of thousands of target_info, one after the other. */
	if (nseries > 0 && item->part == TS_OTLP_PART_INFO &&
		ts_fingerprint_equal(series[nseries - 1].print, item->print))
		return TS_OK;
	code = ts_otlp_series_labels(bridge, item, &labels, err);
	if (code != TS_OK)
		return code;
	payload = encode(labels, &size);
	if (payload != NULL)
		keep_series(item->print, payload, size);
	return TS_OK;
}

static TsErrorCode
touch_exemplars(TsOtlpBridge *bridge, TsError *err)
{
	TsErrorCode code = TS_OK;
	bool found = true;

	while (code == TS_OK && found)
	{
		TsOtlpExemplarItem item;
		TsOtlpLabels labels;
		uint8_t *payload;
		size_t size;

		code = ts_otlp_bridge_exemplar(bridge, &item, &found, err);
		if (code != TS_OK || !found)
			break;
		free(encode(item.labels, &size));
		code = ts_otlp_exemplar_series_labels(bridge, &item, &labels, err);
		payload = code == TS_OK ? encode(labels, &size) : NULL;
		if (payload != NULL)
			keep_series(item.print, payload, size);
	}
	return code;
}

static TsErrorCode
touch_item(TsOtlpBridge *bridge, TsOtlpKind kind, const TsOtlpItem *item, TsError *err)
{
	TsWriteMetadata metadata;
	TsErrorCode code;

	switch (kind)
	{
		case TS_OTLP_SAMPLE:
		case TS_OTLP_NATIVE:
			return touch_sample(bridge, kind, item, err);
		case TS_OTLP_POINT_END:
			return touch_exemplars(bridge, err);
		case TS_OTLP_METADATA:
			code = ts_otlp_metadata(bridge, item, &metadata, err);
			if (code == TS_OK)
			{
				touch(metadata.metric);
				touch(metadata.unit);
				touch(metadata.help);
			}
			return code;
		default:
			touch((TsString){item->reason.message, strlen(item->reason.message)});
			return TS_OK;
	}
}

/* As if every series had had the same before; some have none. */
static TsErrorCode
twice(void *ctx, TsFingerprint print, TsOtlpPoint *point, TsError *err)
{
	(void) ctx;
	if (print.low % 16 == 0)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "too many series");
	point->number *= 2;
	point->count *= 2;
	point->sum *= 2;
	point->zero_count *= 2;
	for (uint32_t i = 0; i < point->ncounts; i++)
		point->counts[i] *= 2;
	for (uint32_t i = 0; i < point->positive.ncounts; i++)
		point->positive.counts[i] *= 2;
	for (uint32_t i = 0; i < point->negative.ncounts; i++)
		point->negative.counts[i] *= 2;
	return TS_OK;
}

static void
read_message(const TsOtlpOptions *options, const void *data, size_t size)
{
	TsOtlpBridge *bridge;
	TsOtlpItem item;
	TsOtlpKind kind = TS_OTLP_END;
	TsError err = {0};
	TsErrorCode code = ts_otlp_bridge(&bridge, options, secret, data, size,
									  &ts_malloc_allocator, &err);

	while (code == TS_OK)
	{
		code = ts_otlp_next(bridge, &kind, &item, &err);
		if (code == TS_ERR_INVALID || code == TS_ERR_LIMIT)
			abort();
		if (code != TS_OK || kind == TS_OTLP_END)
			break;
		code = touch_item(bridge, kind, &item, &err);
		if (code == TS_ERR_INVALID || code == TS_ERR_LIMIT)
			code = TS_OK;
	}
	if (code != TS_OK && err.message[0] == '\0')
		abort();
	ts_otlp_bridge_free(bridge);
	for (uint32_t i = 0; i < nseries; i++)
		free(series[i].labels);
	nseries = 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const TsString promoted[] = {{"a", 1}, {"host.name", 9}};
	TsOtlpOptions options = {.info_interval = 1000, .accumulate = twice};
	uint8_t *copy;

	if (size < 2)
		return 0;
	options.translation = (TsOtlpTranslation) (data[0] % 4);
	options.delta = (TsOtlpDelta) (data[0] / 4 % 3);
	options.custom_histograms = (data[1] & 1) != 0;
	options.min_max = (data[1] & 2) != 0;
	options.scope_labels = (data[1] & 4) != 0;
	options.keep_identifying = (data[1] & 8) != 0;
	options.promote_all = (data[1] & 16) != 0;
	options.promoted = promoted;
	options.npromoted = (data[1] & 32) != 0 ? 2 : 0;
	copy = malloc(size - 2); /* its end is the sanitizer's */
	memcpy(copy, data + 2, size - 2);
	read_message(&options, copy, size - 2);
	free(copy);
	return touched == SIZE_MAX;
}
