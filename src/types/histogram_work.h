/*
 * histogram_work.h
 *	  A histogram that others are added to, in place.
 *
 * Buckets are kept as arrays of indexes and counts, which grow by doubling. With `compensated`
 * every number has beside it what rounding took from it (Neumaier), and their sum is the
 * result.
 */
#ifndef HISTOGRAM_WORK_H
#define HISTOGRAM_WORK_H

#include "histogram_internal.h"

typedef struct WorkSide
{
	int32_t *indexes; /* ascending */
	double *counts;
	double *rests; /* NULL if not compensated */
	uint32_t n;
	uint32_t room;
} WorkSide;

typedef struct HistogramWork
{
	TsAllocator allocator;
	bool compensated;
	int32_t schema;
	TsResetHint hint;
	double zero_threshold;
	double zero_count, zero_rest;
	double count, count_rest;
	double sum, sum_rest;
	WorkSide sides[2];
	double *bounds;
	uint32_t nbounds;
} HistogramWork;

/* The hint of a sum. */
extern TsResetHint histogram_merged_hint(TsResetHint a, TsResetHint b);

/* Begins with a copy of h, divided by divisor. False: no memory, and nothing to free. */
extern bool histogram_work_init(HistogramWork *work, const TsHistogram *h, double divisor,
								bool compensated, const TsAllocator *allocator);
/* Another work of its own with the same numbers. */
extern bool histogram_work_copy(HistogramWork *work, const HistogramWork *from);
extern void histogram_work_free(HistogramWork *work);
/*
 * Adds h / divisor. False: no memory, and what was there is of no use any more. Neither may
 * be custom if the other is not. *reconciled: custom bounds differed.
 */
extern bool histogram_work_add(HistogramWork *work, const TsHistogram *h, double divisor,
							   bool *reconciled);
extern void histogram_work_scale(HistogramWork *work, double factor, double divisor);
/* Is any of its numbers infinite? */
extern bool histogram_work_overflowed(const HistogramWork *work);
/* Divided by divisor; compact: without empty buckets. NULL: no memory. */
extern TsHistogram *histogram_work_result(const HistogramWork *work, double divisor,
										  bool compact, const TsAllocator *allocator);

#endif /* HISTOGRAM_WORK_H */
