/*
 * range_kernels.h
 *	  What range functions compute of the floats of one series: all windows at once.
 *
 * Pure C. A kernel gets a series' samples in order of time and its windows as ranges of
 * samples, and gives a value for each window that has one. It allocates nothing: what it
 * needs beside its arguments is in a RangeScratch. Windows move forward only, so kernels
 * slide: a sample is looked at a bounded number of times, however many windows hold it,
 * unless that would cost exactness. Then, and where windows overlap little, a window's
 * samples are gone through one by one, in Prometheus' order of operations.
 *
 * Nothing outside of a window influences its value: what sliding kernels keep are sums
 * of samples of one window alone, so a NaN, an infinity or a huge value leaves nothing
 * behind when it leaves the window.
 */
#ifndef PROMQL_RANGE_KERNELS_H
#define PROMQL_RANGE_KERNELS_H

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "promql_ast.h"

/* Microseconds from 1970 to the epoch that times count from. */
#define RANGE_UNIX_EPOCH INT64_C(946684800000000)
#define RANGE_NO_START   INT64_MIN

/* The floats of one series. */
typedef struct RangeSamples
{
	uint32_t n;
	const int64_t *times;
	const double *values;
	const int64_t *starts; /* start times or RANGE_NO_START; NULL: none matter */
} RangeSamples;

/*
 * Window i ends at first_end + i * step and is `range` long; it holds the samples
 * [first[i], end[i]). Neither decreases with i. Extended windows hold samples outside of
 * the range, too.
 */
typedef struct RangeWindows
{
	uint32_t n;
	int64_t first_end;
	int64_t step;
	int64_t range;
	PqExtend extend;
	const uint32_t *first;
	const uint32_t *end;
	uint64_t covered; /* the sum of all windows' samples */
} RangeWindows;

#define pq_range_end_time(w, i)   ((w)->first_end + (int64_t) (i) * (w)->step)
#define pq_range_start_time(w, i) (pq_range_end_time(w, i) - (w)->range)

/* Room for as many elements each as there are samples. */
typedef struct RangeScratch
{
	double *a;
	double *b;
	double *c;
	double *d;
	uint32_t *u;
} RangeScratch;

/* Bytes of such room for n samples, and how it is divided. */
extern size_t pq_range_scratch_size(uint32_t n);
extern void pq_range_scratch_init(RangeScratch *scratch, void *room, uint32_t n);

/* Where the values go: out[i], and the bit i in present, which was not set. */
typedef struct RangeOut
{
	double *values;
	uint64_t *present;
} RangeOut;

static inline void
pq_range_give(const RangeOut *out, uint32_t i, double value)
{
	out->values[i] = value;
	out->present[i / 64] |= UINT64_C(1) << (i % 64);
}

/*
 * Finds first and end of windows; `before` and `behind` say how far the samples that
 * they hold reach out of the range. Fills in covered.
 */
extern void
pq_range_windows_find(RangeWindows *w, const int64_t *times, uint32_t n, int64_t before,
					  int64_t behind, uint32_t *first, uint32_t *end);

/* Is it worth to slide, or do windows overlap little? */
static inline bool
pq_range_slides(const RangeWindows *w, uint32_t n)
{
	return w->n > 1 && w->covered > 4 * (uint64_t) n;
}

/* ---- compensated sums ---- */

/* Neumaier's: *sum + *rest is the sum; once *sum is infinite *rest is 0. */
static inline void
pq_range_add(double value, double *sum, double *rest)
{
	double t = *sum + value;

	if (isinf(t))
		*rest = 0;
	else if (fabs(*sum) >= fabs(value))
		*rest += (*sum - t) + value;
	else
		*rest += (value - t) + *sum;
	*sum = t;
}

/* The same where nothing is infinite, without branches: if the sum is finite in the end,
 * and the rest is, then nothing was. */
static inline void
pq_range_add_finite(double value, double *sum, double *rest)
{
	double t = *sum + value;
	double part = t - *sum;

	*rest += (*sum - (t - part)) + (value - part);
	*sum = t;
}

/*
 * A sum that slides over values: range_kernels_sum.c. The caller sets values, and room
 * for as many elements in the three arrays; all else is 0 at first.
 */
typedef struct RangeSliding
{
	const double *values;
	double *sums; /* of [i, middle) */
	double *rests;
	double *absolutes; /* plain sums of absolute values */
	uint32_t middle;
	uint32_t end;
	double sum; /* of [middle, end) */
	double rest;
	double absolute;
} RangeSliding;

/* To a window whose first and end are not before those of the last one. */
extern void pq_range_slide(RangeSliding *slide, uint32_t first, uint32_t end);
/*
 * The sum of the window that it slid to, which is not empty. Gives the sum of absolute
 * values: NaN if there is a NaN. If it is infinite or much larger than the sum, then the
 * sum may depend on the order of additions, and the caller adds in order.
 */
extern double
pq_range_slide_sum(const RangeSliding *slide, uint32_t first, double *sum, double *rest);

/* ---- kernels: range_kernels_*.c ---- */

typedef void RangeKernel(const RangeSamples *s, const RangeWindows *w,
						 const RangeScratch *scratch, const RangeOut *out);

extern RangeKernel pq_range_sum;
extern RangeKernel pq_range_avg;
extern RangeKernel pq_range_min;
extern RangeKernel pq_range_max;
extern RangeKernel pq_range_ts_of_min;
extern RangeKernel pq_range_ts_of_max;
extern RangeKernel pq_range_stddev;
extern RangeKernel pq_range_stdvar;
extern RangeKernel pq_range_deriv;
extern RangeKernel pq_range_mad;
extern RangeKernel pq_range_increase;
extern RangeKernel pq_range_rate;
extern RangeKernel pq_range_delta;

/* A quantile for each window. */
extern void pq_range_quantile(const RangeSamples *s, const RangeWindows *w,
							  const RangeScratch *scratch, const RangeOut *out,
							  const double *quantiles);
/* The value that the line through the window's samples has ahead[i] seconds after
 * at + i * step. */
extern void
pq_range_predict(const RangeSamples *s, const RangeWindows *w, const RangeOut *out,
				 int64_t at, int64_t step, const double *ahead);
/* Double exponential smoothing; both factors are between 0 and 1. */
extern void
pq_range_smooth(const RangeSamples *s, const RangeWindows *w, const RangeOut *out,
				const double *smoothing, const double *trend);

/*
 * Quantile of n > 0 values, which are brought into another order; NaN is less than all
 * others.
 */
extern double pq_range_quantile_of(double *values, uint32_t n, double q);

/* ---- counters ---- */

/* Does a sample's start time say that the counter began anew after the one before? */
static inline bool
pq_range_starts_anew(int64_t before_start, int64_t before, int64_t start, int64_t time)
{
	if (start == RANGE_NO_START || start >= time || start < before)
		return false;
	if (start > before)
		return true;
	/* It began at the time of the sample before: a delta, unless nobody knows when that
	 * one had begun. */
	return before_start != RANGE_NO_START && before_start < before;
}

/* Does a sample claim time that the one before had counted, too? */
static inline bool
pq_range_starts_overlap(int64_t before_start, int64_t before, int64_t start)
{
	return start != RANGE_NO_START && start < before && start != before_start;
}

/* Does any window hold two neighbours that do? */
extern bool pq_range_overlaps(const int64_t *times, const int64_t *starts,
							  const RangeWindows *w, uint32_t n);

/*
 * By how much the growth of a counter between a window's first and last sample is
 * multiplied, so that it is that of the range (per second: of a second). `begins`: the
 * first sample's start time if it lies in the window and counts from zero; then the
 * growth includes the first value. count_first and growth are those of the counter, or
 * negative ones.
 */
typedef struct RangeGrowth
{
	int64_t first_time;
	int64_t last_time;
	int64_t begins; /* or RANGE_NO_START */
	uint32_t n;
	bool counter;
	double first; /* the first value */
	double growth;
} RangeGrowth;
extern double pq_range_factor(const RangeGrowth *g, int64_t pq_range_start,
							  int64_t pq_range_end, bool per_second);

/*
 * The start time of a window's first sample, if it lies within the window before the
 * sample; else RANGE_NO_START.
 */
static inline int64_t
pq_range_begin(int64_t start, int64_t time, int64_t pq_range_start)
{
	return start != RANGE_NO_START && start > pq_range_start && start < time
			   ? start
			   : RANGE_NO_START;
}

/*
 * Of an extended window's samples [first, end): which are its left and its right one.
 * False if none lies behind the range's start (or, smoothed, none before its end).
 */
extern bool pq_range_extended_edges(const int64_t *times, const RangeWindows *w,
									uint32_t i, uint32_t *left, uint32_t *right);

#endif /* PROMQL_RANGE_KERNELS_H */
