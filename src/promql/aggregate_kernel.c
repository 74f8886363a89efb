/*
 * aggregate_kernel.c
 *	  Aggregations of floats: loops over the steps of a series.
 *
 * Steps are taken by words of the bitmaps. Where all of a word's steps have a value, which
 * is the common case, a loop without branches does them; else they are done one by one.
 */
#include "aggregate_kernel.h"

#include <math.h>
#include <string.h>

#include "ts_kernel.h"

#define WORD 64

static inline uint32_t
word_length(uint32_t n, uint32_t w)
{
	uint32_t left = n - w * WORD;

	return left < WORD ? left : WORD;
}

static inline uint64_t
word_mask(uint32_t length)
{
	return length == WORD ? ~UINT64_C(0) : (UINT64_C(1) << length) - 1;
}

#define EACH_BIT(i, w, bits)                                                        \
	for (uint64_t left_ = (bits); left_ != 0; left_ &= left_ - 1)                   \
		for (uint32_t once_ = 1, i = (w) *WORD + (uint32_t) __builtin_ctzll(left_); \
			 once_; once_ = 0)

/* ---- sums ---- */

/*
 * Adds to a sum and its compensation: what is lost of the smaller of the two. An
 * infinite sum has lost nothing that matters. Written so that it vectorises.
 */
static inline void
add_compensated(double *sum, double *comp, double x)
{
	double s = *sum;
	double t = s + x;
	double lost = fabs(s) >= fabs(x) ? (s - t) + x : (x - t) + s;

	*comp = fabs(t) == (double) INFINITY ? 0 : *comp + lost;
	*sum = t;
}

KERNEL void
pq_kernel_sum(PqAccumulator *to, const double *values, const uint64_t *present,
			  uint32_t n)
{
	for (uint32_t w = 0; w * WORD < n; w++)
	{
		uint32_t length = word_length(n, w);
		uint64_t bits = present[w];
		uint64_t fresh = bits & ~to->seen[w];
		double *restrict sum = to->value + w * WORD;
		double *restrict comp = to->comp + w * WORD;
		const double *restrict x = values + w * WORD;

		if (bits == 0)
			continue;
		to->seen[w] |= bits;
		if (bits == word_mask(length) && fresh == bits)
		{
			memcpy(sum, x, length * sizeof(double));
			memset(comp, 0, length * sizeof(double));
		}
		else if (bits == word_mask(length) && fresh == 0)
		{
			for (uint32_t j = 0; j < length; j++)
				add_compensated(&sum[j], &comp[j], x[j]);
		}
		else
		{
			EACH_BIT(j, 0, fresh)
			{
				sum[j] = x[j];
				comp[j] = 0;
			}
			EACH_BIT(j, 0, bits & ~fresh)
			add_compensated(&sum[j], &comp[j], x[j]);
		}
	}
}

void
pq_kernel_finish_sum(PqAccumulator *a, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		a->value[i] += a->comp[i];
}

/* ---- means ---- */

static inline bool
bit(const uint64_t *bits, uint32_t i)
{
	return bits[i / WORD] >> (i % WORD) & 1;
}

static inline void
set_bit(uint64_t *bits, uint32_t i)
{
	bits[i / WORD] |= UINT64_C(1) << (i % WORD);
}

static inline void
clear_bit(uint64_t *bits, uint32_t i)
{
	bits[i / WORD] &= ~(UINT64_C(1) << (i % WORD));
}

/* Values are added up as long as their sum is finite; then the mean itself is kept. */
static void
add_to_mean(PqAccumulator *a, uint32_t i, double x)
{
	double n = ++a->count[i];
	double rest;

	if (!bit(a->incremental, i))
	{
		double sum = a->value[i];
		double comp = a->comp[i];

		add_compensated(&sum, &comp, x);
		if (!isinf(sum))
		{
			a->value[i] = sum;
			a->comp[i] = comp;
			return;
		}
		set_bit(a->incremental, i);
		a->value[i] /= n - 1;
		a->comp[i] /= n - 1;
	}
	rest = (n - 1) / n;
	a->value[i] *= rest;
	a->comp[i] *= rest;
	add_compensated(&a->value[i], &a->comp[i], x / n);
}

static void
start_mean(PqAccumulator *a, uint32_t i, double x)
{
	a->value[i] = x;
	a->comp[i] = 0;
	a->count[i] = 1;
	clear_bit(a->incremental, i);
}

/* A word whose values have all been seen before; false if some sum would overflow. */
static bool
add_word_to_sums(PqAccumulator *a, uint32_t w, const double *restrict x, uint32_t length)
{
	double *restrict value = a->value + w * WORD;
	double *restrict comp = a->comp + w * WORD;
	double *restrict count = a->count + w * WORD;
	double sums[WORD];
	double comps[WORD];
	int overflows = 0;

	memcpy(sums, value, length * sizeof(double));
	memcpy(comps, comp, length * sizeof(double));
	for (uint32_t j = 0; j < length; j++)
		add_compensated(&sums[j], &comps[j], x[j]);
	for (uint32_t j = 0; j < length; j++)
		overflows |= fabs(sums[j]) == (double) INFINITY;
	if (overflows)
		return false;
	memcpy(value, sums, length * sizeof(double));
	memcpy(comp, comps, length * sizeof(double));
	for (uint32_t j = 0; j < length; j++)
		count[j] += 1;
	return true;
}

KERNEL void
pq_kernel_avg(PqAccumulator *to, const double *values, const uint64_t *present,
			  uint32_t n)
{
	for (uint32_t w = 0; w * WORD < n; w++)
	{
		uint32_t length = word_length(n, w);
		uint64_t bits = present[w];
		uint64_t fresh = bits & ~to->seen[w];

		to->seen[w] |= bits;
		if (bits == word_mask(length) && fresh == 0 && to->incremental[w] == 0 &&
			add_word_to_sums(to, w, values + w * WORD, length))
			continue;
		EACH_BIT(i, w, fresh)
		start_mean(to, i, values[i]);
		EACH_BIT(i, w, bits & ~fresh)
		add_to_mean(to, i, values[i]);
	}
}

KERNEL void
pq_kernel_finish_avg(PqAccumulator *a, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (bit(a->incremental, i))
			a->value[i] += a->comp[i];
		else
			a->value[i] = a->value[i] / a->count[i] + a->comp[i] / a->count[i];
}

/* ---- counts ---- */

KERNEL void
pq_kernel_count(PqAccumulator *to, const double *values, const uint64_t *present,
				uint32_t n)
{
	(void) values;
	for (uint32_t w = 0; w * WORD < n; w++)
	{
		uint32_t length = word_length(n, w);
		uint64_t bits = present[w];
		uint64_t fresh = bits & ~to->seen[w];
		double *count = to->count + w * WORD;

		to->seen[w] |= bits;
		if (bits == word_mask(length) && fresh == 0)
		{
			for (uint32_t j = 0; j < length; j++)
				count[j] += 1;
			continue;
		}
		EACH_BIT(j, 0, fresh)
		count[j] = 1;
		EACH_BIT(j, 0, bits & ~fresh)
		count[j] += 1;
	}
}

void
pq_kernel_group(PqAccumulator *to, const double *values, const uint64_t *present,
				uint32_t n)
{
	(void) values;
	for (uint32_t w = 0; w * WORD < n; w++)
		to->seen[w] |= present[w];
}

/* ---- extremes: a NaN gives way to any value ---- */

#define EXTREME(name, better)                                                           \
	KERNEL void name(PqAccumulator *to, const double *values, const uint64_t *present,  \
					 uint32_t n)                                                        \
	{                                                                                   \
		for (uint32_t w = 0; w * WORD < n; w++)                                         \
		{                                                                               \
			uint32_t length = word_length(n, w);                                        \
			uint64_t bits = present[w];                                                 \
			uint64_t fresh = bits & ~to->seen[w];                                       \
			double *restrict best = to->value + w * WORD;                               \
			const double *restrict x = values + w * WORD;                               \
                                                                                        \
			to->seen[w] |= bits;                                                        \
			if (bits == word_mask(length) && fresh == 0)                                \
			{                                                                           \
				for (uint32_t j = 0; j < length; j++)                                   \
					best[j] = ((x[j] better best[j]) | (best[j] != best[j])) ? x[j]     \
																			 : best[j]; \
				continue;                                                               \
			}                                                                           \
			EACH_BIT(j, 0, fresh)                                                       \
			best[j] = x[j];                                                             \
			EACH_BIT(j, 0, bits & ~fresh)                                               \
			if (x[j] better best[j] || isnan(best[j]))                                  \
				best[j] = x[j];                                                         \
		}                                                                               \
	}

EXTREME(pq_kernel_min, <)
EXTREME(pq_kernel_max, >)

/* ---- variance, by Welford's recurrence ---- */

KERNEL void
pq_kernel_stddev(PqAccumulator *to, const double *values, const uint64_t *present,
				 uint32_t n)
{
	for (uint32_t w = 0; w * WORD < n; w++)
	{
		uint32_t length = word_length(n, w);
		uint64_t bits = present[w];
		uint64_t fresh = bits & ~to->seen[w];
		double *restrict square = to->value + w * WORD;
		double *restrict mean = to->mean + w * WORD;
		double *restrict count = to->count + w * WORD;
		const double *restrict x = values + w * WORD;

		to->seen[w] |= bits;
		EACH_BIT(j, 0, fresh)
		{
			square[j] = isfinite(x[j]) ? 0 : (double) NAN;
			mean[j] = x[j];
			count[j] = 1;
		}
		bits &= ~fresh;
		if (bits == word_mask(length))
		{
			for (uint32_t j = 0; j < length; j++)
			{
				double delta = x[j] - mean[j];

				count[j] += 1;
				mean[j] += delta / count[j];
				square[j] += delta * (x[j] - mean[j]);
			}
			continue;
		}
		EACH_BIT(j, 0, bits)
		{
			double delta = x[j] - mean[j];

			count[j] += 1;
			mean[j] += delta / count[j];
			square[j] += delta * (x[j] - mean[j]);
		}
	}
}

KERNEL void
pq_kernel_finish_variance(PqAccumulator *a, bool root, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		a->value[i] /= a->count[i];
	if (root)
		for (uint32_t i = 0; i < n; i++)
			a->value[i] = sqrt(a->value[i]);
}
