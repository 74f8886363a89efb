/*
 * grid.c
 *	  What the integers of a column have in common: an origin, a divisor, and for
 *	  times a line they stay close to.
 *
 * A divisor g is taken out without a division: its power of two by a shift, the odd
 * rest by multiplying with its inverse modulo 2^64, which is exact for multiples of
 * it. The same inverse tells multiples from others.
 */
#include "codec_internal.h"

#include <assert.h>

/* ---- divisor ---- */

/* Subtracts the origin; returns all bits that are set in any difference. */
KERNEL static uint64_t
subtract_origin(int64_t *x, uint32_t n, int64_t origin)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		x[i] = wrap_sub(x[i], origin);
		any |= (uint64_t) x[i];
	}
	return any;
}

KERNEL static void
shift_all(int64_t *x, uint32_t n, unsigned shift)
{
	for (uint32_t i = 0; i < n; i++)
		x[i] >>= shift;
}

KERNEL_MULTIPLYING static void
divide_exactly(int64_t *x, uint32_t n, unsigned shift, uint64_t inverse)
{
	for (uint32_t i = 0; i < n; i++)
		x[i] = (int64_t) ((uint64_t) (x[i] >> shift) * inverse);
}

static inline uint64_t
magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t) v : (uint64_t) v;
}

static uint64_t
odd_part(uint64_t v)
{
	return v == 0 ? 0 : v >> __builtin_ctzll(v);
}

static uint64_t
gcd_odd(uint64_t a, uint64_t b)
{
	while (b != 0)
	{
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return odd_part(a);
}

/* The inverse of an odd number modulo 2^64: each step doubles the bits that are right. */
static uint64_t
inverse_of(uint64_t odd)
{
	uint64_t inverse = odd * 3 ^ 2;

	for (int i = 0; i < 4; i++)
		inverse *= 2 - odd * inverse;
	assert(odd * inverse == 1);
	return inverse;
}

/* The odd part of the greatest common divisor of all x, not all of them 0. */
static uint64_t
common_odd(const int64_t *x, uint32_t n)
{
	uint64_t g = 0;
	uint64_t inverse = 0;
	uint64_t limit = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		uint64_t v = magnitude(x[i]);

		if (g != 0 && v * inverse <= limit)
			continue;
		g = gcd_odd(odd_part(v), g);
		if (g == 1)
			return 1;
		if (g == 0)
			continue;
		inverse = inverse_of(g);
		limit = UINT64_MAX / g;
	}
	return g;
}

uint64_t
codec_reduce(int64_t *x, uint32_t n)
{
	uint64_t any = subtract_origin(x, n, x[0]);
	uint64_t odd;
	unsigned shift;

	if (any == 0)
		return 1;
	shift = (unsigned) __builtin_ctzll(any);
	odd = common_odd(x, n);
	if (odd == 1 && shift > 0)
		shift_all(x, n, shift);
	else if (odd > 1)
		divide_exactly(x, n, shift, inverse_of(odd));
	return odd << shift;
}

/* ---- line ---- */

/* Steeper lines than this are not looked for: the slope must fit its field. Where
 * i * slope wraps around, the cost of the line tells that it is none. */
#define MAX_SLOPE 1e13

/*
 * The slope of least squares through x[0..n-1], n > 1. Four sums, so that an addition
 * need not wait for the one before.
 */
static double
least_squares(const int64_t *x, uint32_t n)
{
	double middle = (n - 1) / 2.0;
	double sums[4] = {0};
	uint32_t i = 0;

	for (; i + 4 <= n; i += 4)
	{
		for (uint32_t k = 0; k < 4; k++)
			sums[k] += (i + k - middle) * (double) x[i + k];
	}
	for (; i < n; i++)
		sums[0] += (i - middle) * (double) x[i];
	return (sums[0] + sums[1] + sums[2] + sums[3]) /
		   ((double) n * ((double) n * n - 1) / 12.0);
}

/* In units of the format; whole units where this is as good over a vector. */
static int64_t
fixed_point(double slope)
{
	double whole = __builtin_rint(slope);

	if (!(slope > -MAX_SLOPE && slope < MAX_SLOPE))
		return 0;
	if ((slope - whole) * VECTOR < 0.5 && (whole - slope) * VECTOR < 0.5)
		return (int64_t) whole * (1 << SLOPE_SHIFT);
	return (int64_t) __builtin_rint(slope * (1 << SLOPE_SHIFT));
}

/* Sorts a sample and returns its median. */
#define MEDIAN_SAMPLE 15
static int64_t
median_of(int64_t *sample)
{
	for (uint32_t i = 1; i < MEDIAN_SAMPLE; i++)
	{
		int64_t value = sample[i];
		uint32_t j = i;

		for (; j > 0 && sample[j - 1] > value; j--)
			sample[j] = sample[j - 1];
		sample[j] = value;
	}
	return sample[MEDIAN_SAMPLE / 2];
}

/* The median of a sample of the steps between values. */
static int64_t
usual_step(const int64_t *x, uint32_t n)
{
	int64_t sample[MEDIAN_SAMPLE];

	for (uint32_t i = 0; i < MEDIAN_SAMPLE; i++)
	{
		uint32_t at = (uint32_t) ((uint64_t) i * (n - 1) / MEDIAN_SAMPLE);

		sample[i] = wrap_sub(x[at + 1], x[at]);
	}
	return median_of(sample);
}

/*
 * Copies x with its gaps closed: steps of more than one and a half of the usual (or
 * less than half) become usual. Returns whether there were any.
 */
static bool
close_gaps(const int64_t *x, uint32_t n, int64_t *closed)
{
	int64_t usual = usual_step(x, n);
	uint64_t half = magnitude(usual) / 2;
	int64_t at = 0;
	bool any = false;

	closed[0] = 0;
	for (uint32_t i = 1; i < n; i++)
	{
		int64_t step = wrap_sub(x[i], x[i - 1]);

		if (magnitude(wrap_sub(step, usual)) > half)
		{
			step = usual;
			any = true;
		}
		at = wrap_add(at, step);
		closed[i] = at;
	}
	return any;
}

/* Bits of all numbers, on either side of a middle. */
KERNEL static uint64_t
widths_around(const int64_t *v, uint32_t count, int64_t middle)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t u = zigzag(wrap_sub(v[i], middle));

		bits += u == 0 ? 0 : 64 - (uint64_t) __builtin_clzll(u);
	}
	return bits;
}

KERNEL static uint64_t
widths_of_deltas(const int64_t *v, uint32_t count, int64_t middle)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t u = zigzag(wrap_sub(wrap_sub(v[i + 1], v[i]), middle));

		bits += u == 0 ? 0 : 64 - (uint64_t) __builtin_clzll(u);
	}
	return bits;
}

void
codec_subtract_line(const int64_t *x, uint32_t n, int64_t slope, int64_t *y)
{
	uint64_t line = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		y[i] = wrap_sub(x[i], (int64_t) line >> SLOPE_SHIFT);
		line += (uint64_t) slope;
	}
}

/*
 * Bits that packing takes, roughly, with a line taken out: of each vector the
 * distances from the line or, where it is broken, their deltas.
 */
static uint64_t
cost_of_line(const int64_t *x, uint32_t n, int64_t slope, int64_t *y)
{
	uint64_t bits = 0;

	codec_subtract_line(x, n, slope, y);
	for (uint32_t first = 0; first < n; first += VECTOR)
	{
		uint32_t m = vector_length(n, first / VECTOR);
		int64_t sample[MEDIAN_SAMPLE];
		uint64_t plain;
		uint64_t delta;

		for (uint32_t i = 0; i < MEDIAN_SAMPLE; i++)
			sample[i] = y[first + i * m / MEDIAN_SAMPLE];
		plain = widths_around(y + first, m, median_of(sample));
		delta = widths_of_deltas(y + first, m - 1, 0);
		bits += plain < delta ? plain : delta;
	}
	return bits;
}

int64_t
codec_find_slope(const int64_t *x, uint32_t n, int64_t *work)
{
	uint64_t best = widths_of_deltas(x, n - 1, usual_step(x, n));
	int64_t slope = 0;

	for (int attempt = 0; attempt < 2; attempt++)
	{
		int64_t candidate;
		uint64_t bits;

		if (attempt == 1 && !close_gaps(x, n, work))
			break;
		candidate = fixed_point(least_squares(attempt == 0 ? x : work, n));
		bits = cost_of_line(x, n, candidate, work);
		if (candidate != 0 && bits <= best)
		{
			best = bits;
			slope = candidate;
		}
	}
	return slope;
}
