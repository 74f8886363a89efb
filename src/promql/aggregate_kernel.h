/*
 * aggregate_kernel.h
 *	  Aggregations of floats: loops over the steps of a series.
 *
 * Pure C. An accumulator is a few arrays over the steps and a bitmap of those that have
 * had a value. A series is added by its values and its own bitmap; what its array holds
 * where its bit is not set is not looked at.
 *
 * Sums are compensated (Kahan's method, with Neumaier's improvement) and equal those
 * of Prometheus bit by bit.
 */
#ifndef PROMQL_AGGREGATE_KERNEL_H
#define PROMQL_AGGREGATE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Which arrays are used depends on the aggregation; the others may be NULL.
 *
 *	sum			value, comp: their sum is the result
 *	avg			the same with count; where `incremental` is set value is the mean already
 *	min, max	value
 *	count		count
 *	stddev		value is the sum of squared distances from `mean`, of count values
 *
 * All arrays but value, mean and seen need no initial values.
 */
typedef struct PqAccumulator
{
	uint64_t *seen;
	double *value;
	double *comp;
	double *count;
	double *mean;
	uint64_t *incremental;
} PqAccumulator;

typedef void (*PqAddKernel)(PqAccumulator *to, const double *values,
							const uint64_t *present, uint32_t n);

extern void pq_kernel_sum(PqAccumulator *to, const double *values,
						  const uint64_t *present, uint32_t n);
extern void pq_kernel_avg(PqAccumulator *to, const double *values,
						  const uint64_t *present, uint32_t n);
extern void pq_kernel_count(PqAccumulator *to, const double *values,
							const uint64_t *present, uint32_t n);
extern void pq_kernel_group(PqAccumulator *to, const double *values,
							const uint64_t *present, uint32_t n);
extern void pq_kernel_min(PqAccumulator *to, const double *values,
						  const uint64_t *present, uint32_t n);
extern void pq_kernel_max(PqAccumulator *to, const double *values,
						  const uint64_t *present, uint32_t n);
extern void pq_kernel_stddev(PqAccumulator *to, const double *values,
							 const uint64_t *present, uint32_t n);

/* The results, into value; where nothing was seen they have no meaning. */
extern void pq_kernel_finish_sum(PqAccumulator *a, uint32_t n);
extern void pq_kernel_finish_avg(PqAccumulator *a, uint32_t n);
extern void pq_kernel_finish_variance(PqAccumulator *a, bool root, uint32_t n);

#endif /* PROMQL_AGGREGATE_KERNEL_H */
