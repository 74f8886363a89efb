/*
 * binary_kernel.h
 *	  Binary operators on floats: loops over the steps of a series.
 *
 * Pure C. Values are as Go computes them: IEEE arithmetic, nothing fused; pow, fmod and
 * atan2 are the same functions with the same special cases in C.
 */
#ifndef PROMQL_BINARY_KERNEL_H
#define PROMQL_BINARY_KERNEL_H

#include "promql_ast.h"

/* An operator whose result is a new value; set operators and trimming are neither. */
#define pq_is_arithmetic(op) ((op) <= PQ_ATAN2)

/* out[i] = left[i] op right[i], of arithmetic. out may be left or right itself. */
extern void pq_kernel_arithmetic(PqBinaryOp op, double *out, const double *left,
								 const double *right, uint32_t n);

/* Bits of the steps where a comparison holds; those from n on become 0. */
extern void pq_kernel_compare(PqBinaryOp op, uint64_t *holds, const double *left,
							  const double *right, uint32_t n);

/* 1 where the bit is set, else 0. */
extern void pq_kernel_bools(double *out, const uint64_t *bits, uint32_t n);

extern void pq_kernel_negate(double *values, uint32_t n);
extern void pq_kernel_fill(double *values, double value, uint32_t n);

#endif /* PROMQL_BINARY_KERNEL_H */
