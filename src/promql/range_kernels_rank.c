/*
 * range_kernels_rank.c
 *	  quantile_over_time, mad_over_time, and the quantile of any values.
 *
 * NaN is less than all others. Where windows overlap much, the window's values are kept
 * sorted, and those that come and go are inserted and removed; else they are copied and
 * brought into order only as far as is needed.
 */
#include <stdlib.h>
#include <string.h>

#include "range_kernels.h"

static inline bool
is_less(double a, double b)
{
	return isnan(a) ? !isnan(b) : a < b;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return is_less(x, y) ? -1 : is_less(y, x);
}

static inline void
swap(double *a, double *b)
{
	double t = *a;

	*a = *b;
	*b = t;
}

/* Divides the values, none of them NaN: before the place that is returned none is greater
 * than it, behind none is less. */
static uint32_t
divide(double *values, uint32_t n)
{
	uint32_t middle = n / 2;
	uint32_t low = 0;
	uint32_t high = n - 1;
	double pivot;

	/* the median of three, at the end */
	if (values[middle] < values[0])
		swap(&values[middle], &values[0]);
	if (values[high] < values[0])
		swap(&values[high], &values[0]);
	if (values[high] > values[middle])
		swap(&values[high], &values[middle]);
	pivot = values[high];
	for (;;)
	{
		/* equal ones are swapped, too, so that both parts have their share of them */
		while (values[low] < pivot)
			low++;
		while (high > low && values[--high] > pivot)
			;
		if (low >= high)
			break;
		swap(&values[low++], &values[high]);
	}
	swap(&values[low], &values[n - 1]);
	return low;
}

/* Brings the value of this rank to its place: none before it is greater, none behind it
 * is less. */
static void
select_rank(double *values, uint32_t n, uint32_t rank)
{
	uint32_t nans = 0;
	int turns = 64; /* then the values are of a kind that makes this slow */

	for (uint32_t i = 0; i < n; i++)
	{
		if (isnan(values[i]))
			swap(&values[i], &values[nans++]);
	}
	if (rank < nans)
		return;
	values += nans;
	n -= nans;
	rank -= nans;
	while (n > 1)
	{
		uint32_t at;

		if (turns-- == 0)
		{
			qsort(values, n, sizeof(double), compare);
			return;
		}
		at = divide(values, n);
		if (at == rank)
			return;
		if (rank < at)
			n = at;
		else
		{
			values += at + 1;
			n -= at + 1;
			rank -= at + 1;
		}
	}
}

/* Between which ranks of n values a quantile lies, and how near to the upper one. */
static uint32_t
quantile_rank(uint32_t n, double q, uint32_t *upper, double *weight)
{
	double rank = q * ((double) n - 1);
	double lower = fmax(0, floor(rank));

	*upper = (uint32_t) fmin((double) n - 1, lower + 1);
	*weight = rank - floor(rank);
	return (uint32_t) lower;
}

/* What needs no values: true, and the result. */
static bool
quantile_is_plain(double q, double *result)
{
	if (isnan(q))
		*result = NAN;
	else if (q < 0)
		*result = -INFINITY;
	else if (q > 1)
		*result = INFINITY;
	else
		return false;
	return true;
}

double
pq_range_quantile_of(double *values, uint32_t n, double q)
{
	uint32_t lower;
	uint32_t upper;
	double weight;
	double result;
	double next;

	assert(n > 0);
	if (quantile_is_plain(q, &result))
		return result;
	lower = quantile_rank(n, q, &upper, &weight);
	select_rank(values, n, lower);
	next = values[upper];
	for (uint32_t i = upper; i < n; i++)
	{
		if (is_less(values[i], next))
			next = values[i];
	}
	return values[lower] * (1 - weight) + next * weight;
}

static double
quantile_of_sorted(const double *values, uint32_t n, double q)
{
	uint32_t lower;
	uint32_t upper;
	double weight;
	double result;

	if (quantile_is_plain(q, &result))
		return result;
	lower = quantile_rank(n, q, &upper, &weight);
	return values[lower] * (1 - weight) + values[upper] * weight;
}

/* From so many values on that come and go at a step, bringing the window's values into
 * order anew is faster, however many they are. */
#define MOST_CHANGES 32

/* The values [first, end), sorted, if it is valid. */
typedef struct Sorted
{
	const double *values;
	double *sorted;
	uint32_t first;
	uint32_t end;
	bool valid;
} Sorted;

/* The first of n sorted values that is not less. */
static uint32_t
place_of(const double *sorted, uint32_t n, double value)
{
	uint32_t low = 0;

	while (n > 0)
	{
		uint32_t half = n / 2;

		if (is_less(sorted[low + half], value))
		{
			low += half + 1;
			n -= half + 1;
		}
		else
			n = half;
	}
	return low;
}

/* False, and nothing is sorted, when too much of the window is new. */
static bool
sorted_slide(Sorted *s, uint32_t first, uint32_t end)
{
	uint32_t n = s->end - s->first;
	uint32_t changes = (first - s->first) + (end - s->end);

	if (first >= s->end || changes > (end - first) / 8 || changes > MOST_CHANGES)
		s->valid = false;
	else if (!s->valid)
	{
		s->valid = true;
		memcpy(s->sorted, s->values + first, (end - first) * sizeof(double));
		qsort(s->sorted, end - first, sizeof(double), compare);
	}
	else
	{
		for (uint32_t i = s->first; i < first; i++)
		{
			uint32_t at = place_of(s->sorted, n, s->values[i]);

			n--;
			memmove(s->sorted + at, s->sorted + at + 1, (n - at) * sizeof(double));
		}
		for (uint32_t i = s->end; i < end; i++)
		{
			uint32_t at = place_of(s->sorted, n, s->values[i]);

			memmove(s->sorted + at + 1, s->sorted + at, (n - at) * sizeof(double));
			s->sorted[at] = s->values[i];
			n++;
		}
		assert(n == end - first);
	}
	s->first = first;
	s->end = end;
	return s->valid;
}

void
pq_range_quantile(const RangeSamples *s, const RangeWindows *w,
				  const RangeScratch *scratch, const RangeOut *out,
				  const double *quantiles)
{
	bool slides = pq_range_slides(w, s->n);
	Sorted sorted = {.values = s->values, .sorted = scratch->a};

	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t first = w->first[i];
		uint32_t n = w->end[i] - first;

		if (n == 0)
			continue;
		if (slides && sorted_slide(&sorted, first, w->end[i]))
			pq_range_give(out, i, quantile_of_sorted(sorted.sorted, n, quantiles[i]));
		else
		{
			memcpy(scratch->a, s->values + first, n * sizeof(double));
			pq_range_give(out, i, pq_range_quantile_of(scratch->a, n, quantiles[i]));
		}
	}
}

/* The median of distances from a finite median: they grow from it to both sides. */
static double
mad_of_sorted(const double *sorted, uint32_t n, double median)
{
	uint32_t right = place_of(sorted, n, median);
	uint32_t left = right; /* one behind the next one */
	uint32_t upper;
	double weight;
	uint32_t lower = quantile_rank(n, 0.5, &upper, &weight);
	double before = 0;
	double distance = 0;

	for (uint32_t rank = 0; rank <= upper; rank++)
	{
		if (right == n ||
			(left > 0 && median - sorted[left - 1] < sorted[right] - median))
			distance = median - sorted[--left];
		else
			distance = sorted[right++] - median;
		before = rank <= lower ? distance : before;
	}
	return before * (1 - weight) + distance * weight;
}

/* Of values that stand in any order, and are lost. */
static double
mad_of(double *values, uint32_t n, double median)
{
	for (uint32_t i = 0; i < n; i++)
		values[i] = fabs(values[i] - median);
	return pq_range_quantile_of(values, n, 0.5);
}

/* The median of the distances from the median; there is none where any sample is NaN. */
void
pq_range_mad(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			 const RangeOut *out)
{
	bool may_slide = pq_range_slides(w, s->n);
	Sorted sorted = {.values = s->values, .sorted = scratch->a};

	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t first = w->first[i];
		uint32_t n = w->end[i] - first;
		double *values = scratch->b;
		double median;
		bool slides;

		if (n == 0)
			continue;
		memcpy(values, s->values + first, n * sizeof(double));
		slides = may_slide && sorted_slide(&sorted, first, w->end[i]);
		median = slides ? quantile_of_sorted(sorted.sorted, n, 0.5)
						: pq_range_quantile_of(values, n, 0.5);
		/* NaN comes first */
		if (isnan(slides ? sorted.sorted[0] : values[0]))
			pq_range_give(out, i, NAN);
		else if (slides && isfinite(median))
			pq_range_give(out, i, mad_of_sorted(sorted.sorted, n, median));
		else
			pq_range_give(out, i, mad_of(values, n, median));
	}
}
