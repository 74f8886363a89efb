/*
 * range_kernels_sum.c
 *	  sum_over_time and avg_over_time: compensated sums of windows.
 *
 * A sliding sum is two sums that are put together: one of the samples before a fixed
 * middle, kept for every sample that the window may begin with, and one of those from
 * the middle on, which grows. When the window's begin has come to the middle, its end
 * becomes the middle, and the first kind is computed anew, backwards. Nothing is ever
 * subtracted.
 *
 * The order of additions is then another one than Prometheus'. With compensation that
 * matters only where nearly all cancels out; that is seen from the sum of absolute
 * values, and such a window's samples are added in order.
 */
#include "range_kernels.h"

/* Below this part of the sum of absolute values a sum may depend on the order. */
#define CANCELLED 1e-15

static void
sum_in_order(const double *values, uint32_t n, double *sum, double *rest)
{
	*sum = *rest = 0;
	for (uint32_t i = 0; i < n; i++)
		pq_range_add_finite(values[i], sum, rest);
	if (isfinite(*sum) && isfinite(*rest))
		return;
	*sum = *rest = 0;
	for (uint32_t i = 0; i < n; i++)
		pq_range_add(values[i], sum, rest);
}

static double
sum_of(double sum, double rest)
{
	return isinf(sum) ? sum : sum + rest;
}

/*
 * A mean whose sum would overflow: from there on the mean itself is kept and moved.
 */
static double
mean_in_order(const double *values, uint32_t n)
{
	double sum = values[0];
	double rest = 0;
	double mean = 0;
	bool moving = false;

	for (uint32_t i = 1; i < n; i++)
	{
		double count = (double) i + 1;
		double part = i / count;

		if (!moving)
		{
			double new_sum = sum;
			double new_rest = rest;

			pq_range_add(values[i], &new_sum, &new_rest);
			if (!isinf(new_sum))
			{
				sum = new_sum;
				rest = new_rest;
				continue;
			}
			moving = true;
			mean = sum / i;
			rest /= i;
		}
		mean *= part;
		rest *= part;
		pq_range_add(values[i] / count, &mean, &rest);
	}
	return moving ? mean + rest : sum / n + rest / n;
}

static double
mean_of(const double *values, uint32_t n, double sum, double rest)
{
	if (isfinite(sum) && isfinite(rest))
		return sum / n + rest / n;
	return mean_in_order(values, n);
}

void
pq_range_slide(RangeSliding *slide, uint32_t first, uint32_t end)
{
	if (first >= slide->middle)
	{
		double sum = 0;
		double rest = 0;
		double absolute = 0;

		for (uint32_t i = end; i-- > first;)
		{
			pq_range_add_finite(slide->values[i], &sum, &rest);
			absolute += fabs(slide->values[i]);
			slide->sums[i] = sum;
			slide->rests[i] = rest;
			slide->absolutes[i] = absolute;
		}
		slide->middle = slide->end = end;
		slide->sum = slide->rest = slide->absolute = 0;
	}
	for (; slide->end < end; slide->end++)
	{
		pq_range_add_finite(slide->values[slide->end], &slide->sum, &slide->rest);
		slide->absolute += fabs(slide->values[slide->end]);
	}
}

double
pq_range_slide_sum(const RangeSliding *slide, uint32_t first, double *sum, double *rest)
{
	*sum = slide->sum;
	*rest = slide->rest;
	if (first >= slide->middle)
		return slide->absolute;
	*rest += slide->rests[first];
	pq_range_add_finite(slide->sums[first], sum, rest);
	return slide->absolute + slide->absolutes[first];
}

static inline void
sums(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
	 const RangeOut *out, bool mean)
{
	bool slides = pq_range_slides(w, s->n);
	RangeSliding slide = {.values = s->values,
						  .sums = scratch->a,
						  .rests = scratch->b,
						  .absolutes = scratch->c};

	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t first = w->first[i];
		uint32_t n = w->end[i] - first;
		const double *values = s->values + first;
		bool in_order = !slides;
		double sum;
		double rest;

		if (n == 0)
			continue;
		if (slides)
		{
			double absolute;

			pq_range_slide(&slide, first, w->end[i]);
			absolute = pq_range_slide_sum(&slide, first, &sum, &rest);
			if (isnan(absolute))
			{
				pq_range_give(out, i, NAN);
				continue;
			}
			in_order = isinf(absolute) ||
					   (absolute > 0 && !(fabs(sum + rest) > CANCELLED * absolute));
		}
		if (in_order)
			sum_in_order(values, n, &sum, &rest);
		pq_range_give(out, i, mean ? mean_of(values, n, sum, rest) : sum_of(sum, rest));
	}
}

void
pq_range_sum(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			 const RangeOut *out)
{
	sums(s, w, scratch, out, false);
}

void
pq_range_avg(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			 const RangeOut *out)
{
	sums(s, w, scratch, out, true);
}
