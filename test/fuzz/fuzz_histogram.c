/*
 * fuzz_histogram.c
 *	  Histograms from anywhere, as bytes and as text: read or refused, and what was read is
 *	  written and read back as the same, and can be computed with.
 */
#include <stdlib.h>
#include <string.h>

#include "ts_histogram.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static TsArena arena;

static const TsAllocator allocator = TS_ARENA_ALLOCATOR(&arena);

/* Bytes of a histogram, and back through text: always the same. */
static void
check_forms(const TsHistogram *h)
{
	size_t size = ts_histogram_encoded_size(h);
	uint8_t *bytes = malloc(size);
	uint8_t *again = malloc(size);
	char *text = ts_histogram_print(h, &allocator);
	TsHistogram *read;

	ts_histogram_encode(h, bytes);
	if (ts_histogram_check(bytes, size, NULL) != TS_OK)
		abort();
	if (ts_histogram_parse(text, strlen(text), &allocator, &read, NULL) != TS_OK ||
		ts_histogram_encoded_size(read) != size)
		abort();
	ts_histogram_encode(read, again);
	if (memcmp(bytes, again, size) != 0)
		abort();
	read = ts_histogram_decode(bytes, size, &allocator);
	if (read == NULL || !ts_histogram_equal(read, h))
		abort();
	free(again);
	free(bytes);
}

static void
compute(const TsHistogram *h)
{
	TsHistogramSum *sum = ts_histogram_sum_create(&allocator);
	TsHistogramNotes notes = {0};
	TsHistogram *half = ts_histogram_mul(h, 0.5, &allocator);
	TsHistogram *lower = ts_histogram_is_custom(h)
							 ? half
							 : ts_histogram_reduce(half, TS_HISTOGRAM_MIN_SCHEMA,
												   &allocator);
	TsHistogram *results[] = {ts_histogram_add(h, lower, &allocator, &notes),
							  ts_histogram_sub(lower, h, &allocator, &notes),
							  ts_histogram_compact(h, 5, &allocator),
							  ts_histogram_trim(h, 1.5, true, &allocator),
							  ts_histogram_trim(h, -1.5, false, &allocator)};

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
	{
		check_forms(results[i]);
		if (!ts_histogram_sum_add(sum, results[i], &notes))
			abort();
		ts_histogram_is_reset(results[i], h);
		ts_histogram_is_reset(h, results[i]);
	}
	check_forms(ts_histogram_sum_result(sum, false, &allocator));
	check_forms(ts_histogram_sum_result(sum, true, &allocator));
	ts_histogram_quantile(h, 0.3);
	ts_histogram_quantile(h, 0.9);
	ts_histogram_fraction(h, -1, 2.5);
	ts_histogram_variance(h);
	ts_histogram_validate(h, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsHistogram *h;
	TsError err;

	ts_arena_init(&arena, &ts_malloc_allocator, SIZE_MAX);
	if (ts_histogram_check(data, size, &err) == TS_OK)
	{
		uint8_t *again = malloc(size);

		h = ts_histogram_decode(data, size, &allocator);
		if (h == NULL || ts_histogram_encoded_size(h) != size)
			abort();
		ts_histogram_encode(h, again);
		if (memcmp(again, data, size) != 0)
			abort();
		free(again);
		check_forms(h);
		compute(h);
	}
	else
	{
		if (err.message[0] == '\0')
			abort();
		ts_histogram_decode(data, size, &allocator);
	}
	if (ts_histogram_parse((const char *) data, size, &allocator, &h, &err) == TS_OK)
	{
		check_forms(h);
		compute(h);
	}
	else if (err.message[0] == '\0')
		abort();
	ts_arena_free(&arena);
	return 0;
}
