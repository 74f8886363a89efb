/*
 * range_kernels_extreme.c
 *	  min_over_time, max_over_time, and when these were.
 *
 * NaN counts only where there is nothing else. A sliding window keeps a queue of the
 * samples that may still become its extreme: each is more extreme than all behind it,
 * so the first one is the window's.
 *
 * Minima are maxima of the negated order: `sign` is -1 for them, and values are compared
 * multiplied by it.
 */
#include "range_kernels.h"
#include "ts_kernel.h"

/* So many maxima are kept side by side, that the loop runs in registers. */
#define LANES 16

/* The largest of sign * values; -Infinity also if all are NaN. */
KERNEL static double
largest(const double *values, uint32_t n, double sign)
{
	double most[LANES];
	uint32_t i = 0;

	for (int lane = 0; lane < LANES; lane++)
		most[lane] = -INFINITY;
	for (; i + LANES <= n; i += LANES)
	{
		for (int lane = 0; lane < LANES; lane++)
		{
			double value = sign * values[i + lane];

			most[lane] = value > most[lane] ? value : most[lane];
		}
	}
	for (; i < n; i++)
	{
		double value = sign * values[i];

		most[0] = value > most[0] ? value : most[0];
	}
	for (int lane = 1; lane < LANES; lane++)
		most[0] = most[lane] > most[0] ? most[lane] : most[0];
	return most[0];
}

static double
extreme_value(const double *values, uint32_t n, double sign)
{
	double most = -INFINITY;

	if (n >= 2 * LANES)
		most = largest(values, n, sign);
	else
	{
		for (uint32_t i = 0; i < n; i++)
			most = sign * values[i] > most ? sign * values[i] : most;
	}
	if (most == -INFINITY)
	{
		uint32_t i = 0;

		while (i < n && isnan(values[i]))
			i++;
		if (i == n)
			return values[0];
	}
	return sign * most;
}

/* Does the later of two samples leave no chance to the earlier one? */
static inline bool
outdoes(double later, double earlier, double sign)
{
	return sign * later >= sign * earlier || isnan(earlier);
}

/* The last sample of a window that is as extreme as any. */
static uint32_t
last_extreme(const double *values, uint32_t n, double sign)
{
	uint32_t at = 0;

	for (uint32_t i = 1; i < n; i++)
	{
		if (outdoes(values[i], values[at], sign))
			at = i;
	}
	return at;
}

static inline double
seconds(int64_t time)
{
	int64_t unix_time;

	/* the last years that there are have more than an int64 holds */
	if (__builtin_expect(
			__builtin_add_overflow(time, (int64_t) RANGE_UNIX_EPOCH, &unix_time), false))
		return (double) (time / 1000 + RANGE_UNIX_EPOCH / 1000) / 1e3;
	return (double) unix_time / 1e6;
}

static void
extremes_sliding(const RangeSamples *s, const RangeWindows *w,
				 const RangeScratch *scratch, const RangeOut *out, double sign, bool when)
{
	uint32_t *queue = scratch->u; /* samples [head, tail) of it */
	uint32_t head = 0;
	uint32_t tail = 0;
	uint32_t next = 0; /* the first sample that has not been queued */

	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t first = w->first[i];
		uint32_t end = w->end[i];

		if (first == end)
			continue;
		while (head < tail && queue[head] < first)
			head++;
		if (head == tail)
			head = tail = 0;
		for (next = next > first ? next : first; next < end; next++)
		{
			double value = s->values[next];

			while (tail > head && outdoes(value, s->values[queue[tail - 1]], sign))
				tail--;
			queue[tail++] = next;
		}
		assert(head < tail && queue[head] >= first);
		pq_range_give(out, i,
					  when ? seconds(s->times[queue[head]]) : s->values[queue[head]]);
	}
}

static void
extremes(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
		 const RangeOut *out, double sign, bool when)
{
	if (pq_range_slides(w, s->n))
	{
		extremes_sliding(s, w, scratch, out, sign, when);
		return;
	}
	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t first = w->first[i];
		uint32_t n = w->end[i] - first;

		if (n == 0)
			continue;
		if (when)
		{
			uint32_t at = last_extreme(s->values + first, n, sign);

			pq_range_give(out, i, seconds(s->times[first + at]));
		}
		else
			pq_range_give(out, i, extreme_value(s->values + first, n, sign));
	}
}

void
pq_range_min(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			 const RangeOut *out)
{
	extremes(s, w, scratch, out, -1, false);
}

void
pq_range_max(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			 const RangeOut *out)
{
	extremes(s, w, scratch, out, 1, false);
}

void
pq_range_ts_of_min(const RangeSamples *s, const RangeWindows *w,
				   const RangeScratch *scratch, const RangeOut *out)
{
	extremes(s, w, scratch, out, -1, true);
}

void
pq_range_ts_of_max(const RangeSamples *s, const RangeWindows *w,
				   const RangeScratch *scratch, const RangeOut *out)
{
	extremes(s, w, scratch, out, 1, true);
}
