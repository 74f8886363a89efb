/*
 * ts_histogram.h
 *	  Native histograms: their bytes, their text, their arithmetic.
 *
 * Pure C. A TsHistogram is a histogram in memory, as PromQL computes with it: absolute
 * (not delta) bucket counts as floats, spans as Prometheus has them. `integer` says that
 * it came as an integer histogram (all counts are whole then, below 2^53 or kept as they
 * came as floats); results of arithmetic are float histograms.
 *
 * Spans: bucket indexes run from the first span's offset on; a later span's offset is the
 * distance from the end of the one before. With standard schemas (-4 to 8) bucket i of the
 * positive side is (base^(i-1), base^i] with base = 2^(2^-schema). With custom bounds
 * (schema -53) bucket i is (bounds[i-1], bounds[i]], the last one up to +Inf; there are
 * neither negative nor zero buckets then.
 *
 * Functions that make a histogram take memory from the allocator, in one piece or a few,
 * and never free: pass an arena's or a memory context's. They return NULL when there is
 * none. Inputs are never changed.
 */
#ifndef TS_HISTOGRAM_H
#define TS_HISTOGRAM_H

#include "ts_base.h"

#define TS_HISTOGRAM_MIN_SCHEMA    (-4)
#define TS_HISTOGRAM_MAX_SCHEMA    8
#define TS_HISTOGRAM_CUSTOM_SCHEMA (-53)
#define TS_HISTOGRAM_MAX_BUCKETS   65536 /* of a side */

typedef enum TsResetHint
{
	TS_RESET_UNKNOWN,
	TS_RESET_YES, /* a counter reset happened before this sample */
	TS_RESET_NO,
	TS_RESET_GAUGE /* no counter at all */
} TsResetHint;

typedef struct TsSpan
{
	int32_t offset;
	uint32_t length;
} TsSpan;

typedef struct TsHistogram
{
	int32_t schema;
	TsResetHint hint;
	bool integer;
	double zero_threshold;
	double zero_count;
	double count;
	double sum; /* the stale marker's bits in it make the histogram one */
	uint32_t npositive_spans;
	uint32_t nnegative_spans;
	uint32_t npositive; /* the sum of the spans' lengths */
	uint32_t nnegative;
	uint32_t nbounds;
	const TsSpan *positive_spans;
	const TsSpan *negative_spans;
	const double *positive;
	const double *negative;
	const double *bounds; /* custom bounds, ascending, without +Inf */
} TsHistogram;

#define ts_histogram_is_custom(h) ((h)->schema == TS_HISTOGRAM_CUSTOM_SCHEMA)

/* ---- bytes: the payload of SQL's type (src/types/histogram_format.h specifies it) ---- */

extern size_t ts_histogram_encoded_size(const TsHistogram *h);
extern void ts_histogram_encode(const TsHistogram *h, void *out);
/* Are these bytes from elsewhere a payload of a valid histogram? */
extern TsErrorCode ts_histogram_check(const void *data, size_t size, TsError *err);
/* Of a payload that was checked once. NULL: no memory, or it is damaged since. */
extern TsHistogram *
ts_histogram_decode(const void *data, size_t size, const TsAllocator *allocator);
/* Can it have been observed (Prometheus' Validate())? Results of PromQL need not be so: they
 * have negative and other counts, and payloads all the same. */
extern TsErrorCode ts_histogram_validate(const TsHistogram *h, TsError *err);
extern bool ts_histogram_is_stale(const TsHistogram *h);

/* ---- text: {{schema:0 count:5 sum:3.1 buckets:[1 4]}} ---- */

extern TsErrorCode
ts_histogram_parse(const char *text, size_t len, const TsAllocator *allocator,
				   TsHistogram **h, TsError *err);
extern char *ts_histogram_print(const TsHistogram *h, const TsAllocator *allocator);

/* ---- buckets ---- */

typedef struct TsBucket
{
	double lower;
	double upper;
	bool lower_inclusive;
	bool upper_inclusive;
	double count;
	int32_t index;
} TsBucket;

/* Walks all buckets from the smallest values to the largest: negative ones descending in
 * index, the zero bucket (if its count is above 0, as Prometheus has it), positive ones. Empty
 * ones are given too. Buckets that reach into the zero bucket are cut at its threshold. */
typedef struct TsBucketIter
{
	const TsHistogram *h;
	int phase;
	uint32_t span;
	uint32_t in_span;
	uint32_t bucket;
	int32_t index;
	bool reverse; /* from the largest to the smallest */
} TsBucketIter;
extern void ts_bucket_iter_init(TsBucketIter *iter, const TsHistogram *h, bool reverse);
extern bool ts_bucket_iter_next(TsBucketIter *iter, TsBucket *bucket);

/* ---- arithmetic ---- */

/* What an operation ran into, for the caller's annotations. */
typedef struct TsHistogramNotes
{
	bool incompatible;         /* exponential with custom: no result (NULL) */
	bool bounds_reconciled;    /* custom bounds differed; their intersection was used */
	bool reset_hint_collision; /* one says reset, the other no reset */
} TsHistogramNotes;

extern TsHistogram *ts_histogram_copy(const TsHistogram *h, const TsAllocator *allocator);
/* Bytes that a copy takes. */
extern size_t ts_histogram_memory(const TsHistogram *h);
/* a + b, a - b. notes must be given. NULL with notes->incompatible, or without memory.
 * Hints as Prometheus sets them (subtraction gives a gauge). */
extern TsHistogram *
ts_histogram_add(const TsHistogram *a, const TsHistogram *b, const TsAllocator *allocator,
				 TsHistogramNotes *notes);
extern TsHistogram *
ts_histogram_sub(const TsHistogram *a, const TsHistogram *b, const TsAllocator *allocator,
				 TsHistogramNotes *notes);
extern TsHistogram *
ts_histogram_mul(const TsHistogram *h, double factor, const TsAllocator *allocator);
extern TsHistogram *
ts_histogram_div(const TsHistogram *h, double divisor, const TsAllocator *allocator);
/* A copy with another hint. */
extern TsHistogram *ts_histogram_with_hint(const TsHistogram *h, TsResetHint hint,
										   const TsAllocator *allocator);
/* Without empty buckets at the spans' ends, and with spans joined over gaps of up to
 * max_empty. */
extern TsHistogram *
ts_histogram_compact(const TsHistogram *h, int max_empty, const TsAllocator *allocator);
/* Standard schemas only: to a lower resolution. */
extern TsHistogram *
ts_histogram_reduce(const TsHistogram *h, int32_t schema, const TsAllocator *allocator);
/* Keeps observations up to (upper) or from (!upper) the bound: operators </ and >/. */
extern TsHistogram *ts_histogram_trim(const TsHistogram *h, double bound, bool upper,
									  const TsAllocator *allocator);
/* Equal in all but how spans are cut and the hint, as Prometheus' Equals has it. */
extern bool ts_histogram_equal(const TsHistogram *a, const TsHistogram *b);
/* Did a counter reset happen between the two? (Prometheus' DetectReset: hints included.) */
extern bool ts_histogram_is_reset(const TsHistogram *now, const TsHistogram *before);

/*
 * Compensated sums: as many histograms as one likes are added to one that grows in place.
 * Used by sum, avg, sum_over_time, avg_over_time.
 */
typedef struct TsHistogramSum TsHistogramSum;
extern TsHistogramSum *ts_histogram_sum_create(const TsAllocator *allocator);
/* False: no memory. When notes->incompatible becomes true nothing was added. */
extern bool
ts_histogram_sum_add(TsHistogramSum *sum, const TsHistogram *h, TsHistogramNotes *notes);
extern uint64_t ts_histogram_sum_n(const TsHistogramSum *sum);
/* The sum, or the mean (as Prometheus computes it, without overflow). A new histogram. */
extern TsHistogram *ts_histogram_sum_result(const TsHistogramSum *sum, bool mean,
											const TsAllocator *allocator);

/* ---- estimates ---- */

extern double ts_histogram_quantile(const TsHistogram *h, double q);
extern double ts_histogram_fraction(const TsHistogram *h, double lower, double upper);
extern double ts_histogram_variance(const TsHistogram *h);
/* NaN observations make count larger than the sum of all buckets: for annotations. */
extern bool ts_histogram_has_nan(const TsHistogram *h);

#endif /* TS_HISTOGRAM_H */
