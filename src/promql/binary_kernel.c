/*
 * binary_kernel.c
 *	  Binary operators on floats: loops over the steps of a series.
 *
 * The operator is chosen outside of the loops, so that the compiler vectorises them. Arrays
 * are distinct or the very same, never shifted against each other: that is what the ivdep
 * pragmas rely on.
 */
#include "binary_kernel.h"

#include <assert.h>
#include <math.h>

#include "ts_kernel.h"

#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#define EACH(expression)                 \
	do                                   \
	{                                    \
		INDEPENDENT                      \
		for (uint32_t i = 0; i < n; i++) \
		{                                \
			double l = left[i];          \
			double r = right[i];         \
                                         \
			out[i] = (expression);       \
		}                                \
	} while (0)

KERNEL void
pq_kernel_arithmetic(PqBinaryOp op, double *out, const double *left, const double *right,
					 uint32_t n)
{
	switch (op)
	{
		case PQ_ADD:
			EACH(l + r);
			break;
		case PQ_SUB:
			EACH(l - r);
			break;
		case PQ_MUL:
			EACH(l * r);
			break;
		case PQ_DIV:
			EACH(l / r);
			break;
		case PQ_MOD:
			EACH(fmod(l, r));
			break;
		case PQ_POW:
			EACH(pow(l, r));
			break;
		case PQ_ATAN2:
			EACH(atan2(l, r));
			break;
		default:
			assert(false);
	}
}

#define EACH_BIT(comparison)                                \
	do                                                      \
	{                                                       \
		for (uint32_t from = 0; from < n; from += 64)       \
		{                                                   \
			uint32_t count = n - from < 64 ? n - from : 64; \
			uint64_t word = 0;                              \
                                                            \
			for (uint32_t j = 0; j < count; j++)            \
			{                                               \
				double l = left[from + j];                  \
				double r = right[from + j];                 \
                                                            \
				word |= (uint64_t) (comparison) << j;       \
			}                                               \
			holds[from / 64] = word;                        \
		}                                                   \
	} while (0)

KERNEL void
pq_kernel_compare(PqBinaryOp op, uint64_t *holds, const double *left, const double *right,
				  uint32_t n)
{
	switch (op)
	{
		case PQ_EQL:
			EACH_BIT(l == r);
			break;
		case PQ_NEQ:
			EACH_BIT(l != r);
			break;
		case PQ_GTR:
			EACH_BIT(l > r);
			break;
		case PQ_LSS:
			EACH_BIT(l < r);
			break;
		case PQ_GTE:
			EACH_BIT(l >= r);
			break;
		case PQ_LTE:
			EACH_BIT(l <= r);
			break;
		default:
			assert(false);
	}
}

KERNEL void
pq_kernel_bools(double *out, const uint64_t *bits, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = (double) ((bits[i / 64] >> (i % 64)) & 1);
}

KERNEL void
pq_kernel_negate(double *values, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		values[i] = -values[i];
}

void
pq_kernel_fill(double *values, double value, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		values[i] = value;
}
