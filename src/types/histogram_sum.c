/*
 * histogram_sum.c
 *	  Sums and means of many histograms.
 *
 * The sum is compensated and may overflow; a mean must not. It is the sum divided as long as
 * that is finite. From the first overflow on there is a second accumulator, which holds the
 * mean of all so far and takes each histogram divided by their number.
 */
#include <assert.h>
#include <math.h>

#include "histogram_work.h"

struct TsHistogramSum
{
	TsAllocator allocator;
	uint64_t n;
	bool seen_reset;
	bool seen_no_reset;
	bool incremental;  /* mean is there */
	double magnitude;  /* no number in sum can exceed it */
	HistogramWork sum; /* once n > 0 */
	HistogramWork mean;
};

TsHistogramSum *
ts_histogram_sum_create(const TsAllocator *allocator)
{
	TsHistogramSum *sum = allocator->alloc(allocator->ctx, sizeof(*sum));

	if (sum)
	{
		memset(sum, 0, sizeof(*sum));
		sum->allocator = *allocator;
	}
	return sum;
}

/* The sum of all its numbers' sizes. */
static double
magnitude_of(const TsHistogram *h)
{
	double sum = fabs(h->count) + fabs(h->sum) + fabs(h->zero_count);

	for (uint32_t i = 0; i < h->npositive; i++)
		sum += fabs(h->positive[i]);
	for (uint32_t i = 0; i < h->nnegative; i++)
		sum += fabs(h->negative[i]);
	return sum;
}

static bool
add_to_sum(TsHistogramSum *sum, const TsHistogram *h, bool *reconciled)
{
	HistogramWork before;

	/* Rounding cannot bring it from here to an overflow. */
	sum->magnitude += magnitude_of(h);
	if (sum->incremental || sum->magnitude < 0x1p1000)
		return histogram_work_add(&sum->sum, h, 1, reconciled);

	if (!histogram_work_copy(&before, &sum->sum))
		return false;
	if (!histogram_work_add(&sum->sum, h, 1, reconciled))
	{
		histogram_work_free(&before);
		return false;
	}
	if (!histogram_work_overflowed(&sum->sum))
	{
		histogram_work_free(&before);
		return true;
	}
	sum->incremental = true;
	sum->mean = before;
	histogram_work_scale(&sum->mean, 1, (double) sum->n);
	return true;
}

bool
ts_histogram_sum_add(TsHistogramSum *sum, const TsHistogram *h, TsHistogramNotes *notes)
{
	if (sum->n > 0 &&
		ts_histogram_is_custom(h) != (sum->sum.schema == TS_HISTOGRAM_CUSTOM_SCHEMA))
	{
		notes->incompatible = true;
		return true;
	}
	sum->seen_reset |= h->hint == TS_RESET_YES;
	sum->seen_no_reset |= h->hint == TS_RESET_NO;
	notes->reset_hint_collision |= sum->seen_reset && sum->seen_no_reset;
	if (sum->n == 0)
	{
		if (!histogram_work_init(&sum->sum, h, 1, true, &sum->allocator))
			return false;
		sum->magnitude = magnitude_of(h);
	}
	else
	{
		if (!add_to_sum(sum, h, &notes->bounds_reconciled))
			return false;
		if (sum->incremental)
		{
			double n = (double) (sum->n + 1);

			histogram_work_scale(&sum->mean, (n - 1) / n, 1);
			if (!histogram_work_add(&sum->mean, h, n, &notes->bounds_reconciled))
				return false;
		}
	}
	sum->n++;
	return true;
}

uint64_t
ts_histogram_sum_n(const TsHistogramSum *sum)
{
	return sum->n;
}

TsHistogram *
ts_histogram_sum_result(const TsHistogramSum *sum, bool mean,
						const TsAllocator *allocator)
{
	assert(sum->n > 0);
	if (!mean)
		return histogram_work_result(&sum->sum, 1, true, allocator);
	if (sum->incremental)
		return histogram_work_result(&sum->mean, 1, true, allocator);
	return histogram_work_result(&sum->sum, (double) sum->n, true, allocator);
}
