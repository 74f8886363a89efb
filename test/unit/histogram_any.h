/*
 * histogram_any.h
 *	  What the tests of histograms share: from text and back, and random ones.
 */
#ifndef HISTOGRAM_ANY_H
#define HISTOGRAM_ANY_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ts_histogram.h"
#include "unit.h"

/* An allocator whose memory is all given back by any_free(). */
static TsArena any_arena;

static const TsAllocator any = TS_ARENA_ALLOCATOR(&any_arena);

static inline void
any_begin(void)
{
	ts_arena_init(&any_arena, &ts_malloc_allocator, SIZE_MAX);
}

static inline void
any_end(void)
{
	ts_arena_free(&any_arena);
}

/* The histogram of a text that is right. */
static inline TsHistogram *
hist(const char *text)
{
	TsHistogram *h;
	TsError err;

	if (ts_histogram_parse(text, strlen(text), &any, &h, &err) == TS_OK)
		return h;
	printf("cannot read %s: %s at %d\n", text, err.message, err.offset);
	abort();
}

static inline const char *
text_of(const TsHistogram *h)
{
	return h ? ts_histogram_print(h, &any) : "none";
}

/* Whether it prints so. */
#define CHECK_TEXT(h, expected)                                         \
	do                                                                  \
	{                                                                   \
		const char *got = text_of(h);                                   \
                                                                        \
		CHECK(strcmp(got, expected) == 0, "%s, not %s", got, expected); \
	} while (0)

/* Nearly the same number, or both NaN. */
static inline bool
near(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return a == b || fabs(a - b) <= 1e-12 * (fabs(a) + fabs(b));
}

#define CHECK_NEAR(got, expected)                                \
	do                                                           \
	{                                                            \
		double g = (got), e = (expected);                        \
                                                                 \
		CHECK(near(g, e), "%s is %.17g, not %.17g", #got, g, e); \
	} while (0)

static inline uint64_t
any_random(void)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static inline double
any_count(bool integer)
{
	if (any_random() % 4 == 0)
		return 0;
	if (integer || any_random() % 2)
		return (double) (any_random() % 1000);
	return (double) (any_random() % 100000) / 997;
}

/* A random side: bucket counts with gaps, as text. */
static inline char *
any_side(char *out, const char *prefix, int64_t offset, uint32_t n, bool integer)
{
	if (n == 0)
		return out;
	out += sprintf(out, " %soffset:%lld %sbuckets:[", prefix, (long long) offset, prefix);
	for (uint32_t i = 0; i < n; i++)
	{
		if (i > 0 && any_random() % 8 == 0)
			out += sprintf(out, "_x%u ", (unsigned) (any_random() % 50 + 1));
		out += sprintf(out, "%.17g ", any_count(integer));
	}
	out += sprintf(out, "]");
	return out;
}

/* Its buckets begin where its zero bucket ends, or behind it. */
static inline TsHistogram *
any_histogram(void)
{
	static const char *const hints[] = {"unknown", "reset", "not_reset", "gauge"};
	static const double thresholds[] = {0, 0.001, 0.5, 0.7, 1, 3};
	double threshold = thresholds[any_random() % 6];
	int schema = (int) (any_random() % 13) - 4;
	int64_t first = threshold > 0 ? (int64_t) ceil(ldexp(log2(threshold), schema)) + 1
								  : -10;
	char text[8192];
	char *out = text;
	bool integer = any_random() % 2;

	out += sprintf(out, "{{schema:%d count:%.17g sum:%.17g", schema, any_count(integer),
				   any_count(false));
	out += sprintf(out, " z_bucket:%.17g z_bucket_w:%g", any_count(integer), threshold);
	out = any_side(out, "", first + (int64_t) (any_random() % 20), any_random() % 20,
				   integer);
	out = any_side(out, "n_", first + (int64_t) (any_random() % 20), any_random() % 10,
				   integer);
	sprintf(out, " counter_reset_hint:%s%s}}", hints[any_random() % 4],
			integer ? " counts:integer" : "");
	return hist(text);
}

static inline TsHistogram *
any_custom(void)
{
	char text[8192];
	char *out = text;
	uint32_t nbounds = 0;

	out += sprintf(out, "{{schema:-53 count:%.17g sum:1 custom_values:[",
				   any_count(false));
	for (int bound = -5; bound < 15; bound++)
	{
		if (any_random() % 2)
		{
			out += sprintf(out, "%d ", bound);
			nbounds++;
		}
	}
	out += sprintf(out, "] buckets:[");
	for (uint32_t i = 0; i <= nbounds; i++)
		out += any_random() % 4 == 0 ? sprintf(out, "_ ")
									 : sprintf(out, "%.17g ", any_count(false));
	sprintf(out, "]}}");
	return hist(text);
}

#endif /* HISTOGRAM_ANY_H */
