/*
 * range_kernels_spread.c
 *	  stddev_over_time, stdvar_over_time, and functions that fit a curve: deriv,
 *	  predict_linear, double_exponential_smoothing.
 *
 * These go through each window's samples, in Prometheus' order of operations.
 */
#include "range_kernels.h"

static double
variance(const double *values, uint32_t n)
{
	double mean = 0;
	double mean_rest = 0;
	double squares = 0;
	double squares_rest = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		double distance = values[i] - (mean + mean_rest);

		/* branches are foreseen here, and shorten the way from one mean to the next */
		pq_range_add(distance / ((double) i + 1), &mean, &mean_rest);
		pq_range_add(distance * (values[i] - (mean + mean_rest)), &squares,
					 &squares_rest);
	}
	return (squares + squares_rest) / n;
}

static inline void
spreads(const RangeSamples *s, const RangeWindows *w, const RangeOut *out, bool root)
{
	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t n = w->end[i] - w->first[i];
		double value;

		if (n == 0)
			continue;
		value = variance(s->values + w->first[i], n);
		pq_range_give(out, i, root ? sqrt(value) : value);
	}
}

void
pq_range_stddev(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
				const RangeOut *out)
{
	spreads(s, w, out, true);
}

void
pq_range_stdvar(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
				const RangeOut *out)
{
	spreads(s, w, out, false);
}

/* How values are added up: with or without looking for infinities. */
typedef void Add(double value, double *sum, double *rest);

/* Sums of a window's samples as points: x are seconds from a time. */
typedef struct Points
{
	double x;
	double y;
	double xy;
	double xx;
	bool constant; /* all y are the same */
} Points;

static inline void
points_sum(const int64_t *times, const double *values, uint32_t n, int64_t at, Add *add,
		   Points *p)
{
	double x_sum = 0, x_rest = 0;
	double y_sum = 0, y_rest = 0;
	double xy_sum = 0, xy_rest = 0;
	double xx_sum = 0, xx_rest = 0;
	bool constant = true;

	for (uint32_t i = 0; i < n; i++)
	{
		double x = (double) (times[i] - at) / 1e6;
		double y = values[i];

		constant &= i == 0 || y == values[0];
		add(x, &x_sum, &x_rest);
		add(y, &y_sum, &y_rest);
		add(x * y, &xy_sum, &xy_rest);
		add(x * x, &xx_sum, &xx_rest);
	}
	*p = (Points){x_sum + x_rest, y_sum + y_rest, xy_sum + xy_rest, xx_sum + xx_rest,
				  constant};
}

/* The line of least squares: its slope per second, and its value at the time. */
static void
fit_line(const int64_t *times, const double *values, uint32_t n, int64_t at,
		 double *slope, double *value)
{
	Points p;

	points_sum(times, values, n, at, pq_range_add_finite, &p);
	if (!isfinite(p.y) || !isfinite(p.xy))
		points_sum(times, values, n, at, pq_range_add, &p);
	if (p.constant)
	{
		*slope = isinf(values[0]) ? NAN : 0;
		*value = isinf(values[0]) ? NAN : values[0];
		return;
	}
	*slope = (p.xy - p.x * p.y / n) / (p.xx - p.x * p.x / n);
	*value = p.y / n - *slope * p.x / n;
}

void
pq_range_deriv(const RangeSamples *s, const RangeWindows *w, const RangeScratch *scratch,
			   const RangeOut *out)
{
	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t first = w->first[i];
		uint32_t n = w->end[i] - first;
		double slope;
		double value;

		if (n < 2)
			continue;
		/* at a time near the samples, or exactness would suffer */
		fit_line(s->times + first, s->values + first, n, s->times[first], &slope, &value);
		pq_range_give(out, i, slope);
	}
}

void
pq_range_predict(const RangeSamples *s, const RangeWindows *w, const RangeOut *out,
				 int64_t at, int64_t step, const double *ahead)
{
	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t first = w->first[i];
		uint32_t n = w->end[i] - first;
		double slope;
		double value;

		if (n < 2)
			continue;
		fit_line(s->times + first, s->values + first, n, at + (int64_t) i * step, &slope,
				 &value);
		pq_range_give(out, i, slope * ahead[i] + value);
	}
}

static double
smooth(const double *values, uint32_t n, double smoothing, double trend_factor)
{
	double before = 0;
	double smoothed = values[0];
	double trend = values[1] - values[0];

	for (uint32_t i = 1; i < n; i++)
	{
		double now;

		if (i > 1)
			trend = trend_factor * (smoothed - before) + (1 - trend_factor) * trend;
		now = smoothing * values[i] + (1 - smoothing) * (smoothed + trend);
		before = smoothed;
		smoothed = now;
	}
	return smoothed;
}

void
pq_range_smooth(const RangeSamples *s, const RangeWindows *w, const RangeOut *out,
				const double *smoothing, const double *trend)
{
	for (uint32_t i = 0; i < w->n; i++)
	{
		uint32_t n = w->end[i] - w->first[i];

		if (n >= 2)
			pq_range_give(out, i,
						  smooth(s->values + w->first[i], n, smoothing[i], trend[i]));
	}
}
