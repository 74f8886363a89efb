/*
 * range_kernels_counter.c
 *	  rate, increase and delta of floats, plain, anchored and smoothed.
 *
 * Where a counter is less than before it began anew, and what it had counted is added.
 * Resets are found once for all windows; a window then looks at its own ones only.
 */
#include <string.h>

#include "range_kernels.h"
#include "ts_kernel.h"

/* Plain sums that are below this part of the sum of absolute values are inexact. */
#define CANCELLED 1e-6

double
pq_range_factor(const RangeGrowth *g, int64_t pq_range_start, int64_t pq_range_end,
				bool per_second)
{
	double to_start = (double) (g->first_time - pq_range_start) / 1e6;
	double to_end = (double) (pq_range_end - g->last_time) / 1e6;
	double sampled = (double) (g->last_time - g->first_time) / 1e6;
	double average = g->n > 1 ? sampled / ((double) g->n - 1) : 0;
	double threshold = average * 1.1;
	double factor = 1;

	if (g->begins != RANGE_NO_START)
	{
		/* it was 0 then: nothing is to be guessed before */
		to_start = 0;
		sampled = (double) (g->last_time - g->begins) / 1e6;
	}
	else
	{
		if (to_start >= threshold)
			to_start = average / 2;
		/* no counter was ever negative */
		if (g->counter && g->growth > 0 && g->first >= 0)
		{
			double to_zero = sampled * (g->first / g->growth);

			if (to_zero < to_start)
				to_start = to_zero;
		}
	}
	if (to_end >= threshold)
		to_end = average / 2;
	if (sampled != 0)
		factor = (sampled + to_start + to_end) / sampled;
	return per_second ? factor / ((double) (pq_range_end - pq_range_start) / 1e6)
					  : factor;
}

bool
pq_range_overlaps(const int64_t *times, const int64_t *starts, const RangeWindows *w,
				  uint32_t n)
{
	uint32_t i = 0;

	for (uint32_t k = 1; k < n; k++)
	{
		if (!pq_range_starts_overlap(starts[k - 1], times[k - 1], starts[k]))
			continue;
		/* the windows that end behind k; the first of them begins first */
		while (i < w->n && w->end[i] <= k)
			i++;
		if (i < w->n && w->first[i] < k)
			return true;
	}
	return false;
}

/*
 * The resets of a series: resets[0..count) are the samples that began anew, in order.
 * Those of a window, which moves forward, are [from, to).
 */
typedef struct Resets
{
	const double *values;
	uint32_t *resets;
	uint32_t count;
	uint32_t from;
	uint32_t to;
} Resets;

static void
resets_find(Resets *r, const RangeSamples *s, uint32_t *room)
{
	uint32_t count = 0;

	r->values = s->values;
	r->resets = room;
	r->from = r->to = 0;
	if (s->starts == NULL)
	{
		for (uint32_t k = 1; k < s->n; k++)
		{
			room[count] = k;
			count += s->values[k] < s->values[k - 1];
		}
	}
	else
	{
		for (uint32_t k = 1; k < s->n; k++)
		{
			room[count] = k;
			count += s->values[k] < s->values[k - 1] ||
					 pq_range_starts_anew(s->starts[k - 1], s->times[k - 1], s->starts[k],
										  s->times[k]);
		}
	}
	r->count = count;
}

/* Moves on to those of the samples (first, end): a reset at first is none of the window. */
static void
resets_slide(Resets *r, uint32_t first, uint32_t end)
{
	while (r->from < r->count && r->resets[r->from] <= first)
		r->from++;
	if (r->to < r->from)
		r->to = r->from;
	while (r->to < r->count && r->resets[r->to] < end)
		r->to++;
}

/* What had been counted before the window's resets is added to its growth, in order. */
static inline double
resets_added(const Resets *r, double growth)
{
	for (uint32_t i = r->from; i < r->to; i++)
		growth += r->values[r->resets[i] - 1];
	return growth;
}

/*
 * Where windows overlap and have many resets (delta counters are reset at every sample),
 * what they add is itself a sliding sum: of the values before resets, and zeros. Fills
 * in those if it is so.
 */
static bool
resets_are_many(Resets *r, const RangeWindows *w, uint32_t n, double *added)
{
	uint64_t looks = 0;

	if (!pq_range_slides(w, n) || r->count <= n / 16)
		return false;
	for (uint32_t i = 0; i < w->n; i++)
	{
		resets_slide(r, w->first[i], w->end[i]);
		looks += r->to - r->from;
	}
	r->from = r->to = 0;
	if (looks <= 4 * (uint64_t) n)
		return false;
	memset(added, 0, n * sizeof(double));
	for (uint32_t i = 0; i < r->count; i++)
		added[r->resets[i]] = r->values[r->resets[i] - 1];
	return true;
}

/* The growth of a counter from the window's first sample to its last one. */
static double
counter_growth(Resets *r, RangeSliding *many, uint32_t first, uint32_t end)
{
	double growth = r->values[end - 1] - r->values[first];

	if (many->values != NULL && end - first > 1)
	{
		double absolute;
		double sum;
		double rest;

		pq_range_slide(many, first + 1, end);
		absolute = pq_range_slide_sum(many, first + 1, &sum, &rest);
		sum += growth + rest;
		/* else it depends on the order of additions */
		if (isfinite(absolute) && fabs(sum) >= CANCELLED * absolute)
			return sum;
	}
	resets_slide(r, first, end);
	return resets_added(r, growth);
}

/* How a function sees its windows. */
typedef struct Rate
{
	bool counter;
	bool per_second;
} Rate;

/*
 * Windows side by side, so that what is computed of each is computed of several at once.
 * Times are in microseconds.
 */
#define BLOCK 64
typedef struct Block
{
	double to_start[BLOCK];
	double to_end[BLOCK];
	double sampled[BLOCK];
	double gaps[BLOCK];
	double first[BLOCK];
	double growth[BLOCK];
} Block;

/* As pq_range_factor() of windows of two samples at least, without start times. */
KERNEL static void
extrapolate(const Block *b, uint32_t n, bool counter, double seconds, double *values)
{
	for (uint32_t i = 0; i < n; i++)
	{
		double sampled = b->sampled[i] / 1e6;
		double to_start = b->to_start[i] / 1e6;
		double to_end = b->to_end[i] / 1e6;
		double average = sampled / b->gaps[i];
		double threshold = average * 1.1;
		double growth = b->growth[i];
		double to_zero = sampled * (b->first[i] / growth);

		to_start = to_start >= threshold ? average / 2 : to_start;
		to_end = to_end >= threshold ? average / 2 : to_end;
		if ((int) counter & (growth > 0) & (b->first[i] >= 0) & (to_zero < to_start))
			to_start = to_zero;
		values[i] = growth * ((sampled + to_start + to_end) / sampled / seconds);
	}
}

/* The windows [from, from + n). Those without a value are given numbers, too. */
static void
fill_block(Block *b, const RangeSamples *s, const RangeWindows *w, uint32_t from,
		   uint32_t n, Resets *resets, RangeSliding *many, const RangeOut *out)
{
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t first = w->first[from + i];
		uint32_t end = w->end[from + i];

		if (end - first < 2)
		{
			b->sampled[i] = b->gaps[i] = b->growth[i] = 1;
			b->to_start[i] = b->to_end[i] = b->first[i] = 0;
			continue;
		}
		b->sampled[i] = (double) (s->times[end - 1] - s->times[first]);
		b->to_start[i] = (double) (s->times[first] - pq_range_start_time(w, from + i));
		b->to_end[i] = (double) (pq_range_end_time(w, from + i) - s->times[end - 1]);
		b->gaps[i] = (double) (end - first - 1);
		b->first[i] = s->values[first];
		b->growth[i] = resets != NULL ? counter_growth(resets, many, first, end)
									  : s->values[end - 1] - b->first[i];
		out->present[(from + i) / 64] |= UINT64_C(1) << ((from + i) % 64);
	}
}

static void
plain_rates(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			const RangeOut *out, Rate rate)
{
	Resets resets = {.values = s->values};
	RangeSliding many = {
		.sums = scratch->a, .rests = scratch->b, .absolutes = scratch->c};
	double seconds = rate.per_second ? (double) w->range / 1e6 : 1;
	Block block;

	if (rate.counter)
	{
		resets_find(&resets, s, scratch->u);
		if (resets_are_many(&resets, w, s->n, scratch->d))
			many.values = scratch->d;
	}
	for (uint32_t from = 0; from < w->n; from += BLOCK)
	{
		uint32_t n = w->n - from < BLOCK ? w->n - from : BLOCK;

		fill_block(&block, s, w, from, n, rate.counter ? &resets : NULL, &many, out);
		extrapolate(&block, n, rate.counter, seconds, out->values + from);
	}
}

/* Counters whose samples tell when they began. */
static void
started_rates(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			  const RangeOut *out, Rate rate)
{
	Resets resets = {.values = s->values};
	RangeSliding many = {
		.sums = scratch->a, .rests = scratch->b, .absolutes = scratch->c};

	resets_find(&resets, s, scratch->u);
	if (resets_are_many(&resets, w, s->n, scratch->d))
		many.values = scratch->d;
	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t first = w->first[i];
		uint32_t end = w->end[i];
		RangeGrowth g = {.n = end - first, .counter = true};

		if (g.n == 0)
			continue;
		g.first_time = s->times[first];
		g.last_time = s->times[end - 1];
		g.begins = pq_range_begin(s->starts[first], g.first_time,
								  pq_range_start_time(w, i));
		if (g.n == 1 && g.begins == RANGE_NO_START)
			continue;
		g.first = s->values[first];
		g.growth = counter_growth(&resets, &many, first, end);
		if (g.begins != RANGE_NO_START)
			g.growth += g.first;
		pq_range_give(out, i,
					  g.growth * pq_range_factor(&g, pq_range_start_time(w, i),
												 pq_range_end_time(w, i),
												 rate.per_second));
	}
}

/* ---- anchored and smoothed ---- */

bool
pq_range_extended_edges(const int64_t *times, const RangeWindows *w, uint32_t i,
						uint32_t *left, uint32_t *right)
{
	int64_t start = pq_range_start_time(w, i);
	int64_t end = pq_range_end_time(w, i);
	uint32_t first = w->first[i];
	uint32_t last = w->end[i] - 1;
	uint32_t low = first;
	uint32_t high = last;

	assert(w->first[i] < w->end[i]);
	/* the last sample that is not behind the start, if there is one */
	while (low < high)
	{
		uint32_t middle = low + (high - low) / 2;

		if (times[middle] <= start)
			low = middle + 1;
		else
			high = middle;
	}
	*left = low > first ? low - 1 : first;
	*right = last;
	if (w->extend == PQ_SMOOTHED)
	{
		/* the first sample that is not before the end, or the last one */
		low = first;
		high = last;
		while (low < high)
		{
			uint32_t middle = low + (high - low) / 2;

			if (times[middle] < end)
				low = middle + 1;
			else
				high = middle;
		}
		*right = low;
	}
	return times[*right] > start && !(w->extend == PQ_SMOOTHED && times[*left] > end);
}

/* The value at a time between two samples; a counter that began anew began at 0. */
static double
interpolate(const RangeSamples *s, uint32_t i, int64_t time, bool counter)
{
	double before = s->values[i];
	double after = s->values[i + 1];

	if (counter && after < before)
		before = 0;
	return before + (after - before) * (double) (time - s->times[i]) /
						(double) (s->times[i + 1] - s->times[i]);
}

static void
extended_rates(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			   const RangeOut *out, Rate rate)
{
	Resets resets = {.values = s->values};

	if (rate.counter)
		resets_find(&resets, s, scratch->u);
	for (uint32_t i = 0; i < w->n; i++)
	{
		int64_t start = pq_range_start_time(w, i);
		int64_t end = pq_range_end_time(w, i);
		bool smoothed = w->extend == PQ_SMOOTHED;
		uint32_t first;
		uint32_t last;
		double left;
		double right;
		double growth;

		if (w->first[i] == w->end[i] ||
			!pq_range_extended_edges(s->times, w, i, &first, &last))
			continue;
		left = smoothed && s->times[first] < start
				   ? interpolate(s, first, start, rate.counter)
				   : s->values[first];
		right = smoothed && last > w->first[i] && s->times[last] > end
					? interpolate(s, last - 1, end, rate.counter)
					: s->values[last];
		growth = right - left;
		if (rate.counter)
		{
			/* of the samples within the range; what is at its edges is left and right */
			double before = left;
			double added = 0;

			first += s->times[first] <= start;
			last += s->times[last] < end;
			if (first < last)
			{
				resets_slide(&resets, first, last);
				if (s->values[first] < left)
					added += left;
				added = resets_added(&resets, added);
				before = s->values[last - 1];
			}
			if (right < before)
				added += before;
			growth += added;
		}
		pq_range_give(out, i,
					  rate.per_second ? growth / ((double) w->range / 1e6) : growth);
	}
}

static inline void
rates(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
	  const RangeOut *out, Rate rate)
{
	if (w->extend != PQ_PLAIN)
		extended_rates(s, w, scratch, out, rate);
	else if (rate.counter && s->starts != NULL)
		started_rates(s, w, scratch, out, rate);
	else
		plain_rates(s, w, scratch, out, rate);
}

void
pq_range_increase(const RangeSamples *s, const RangeWindows *w,
				  const RangeScratch *scratch, const RangeOut *out)
{
	rates(s, w, scratch, out, (Rate){.counter = true});
}

void
pq_range_rate(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			  const RangeOut *out)
{
	rates(s, w, scratch, out, (Rate){.counter = true, .per_second = true});
}

void
pq_range_delta(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			   const RangeOut *out)
{
	rates(s, w, scratch, out, (Rate){.counter = false});
}
