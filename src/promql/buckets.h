/*
 * buckets.h
 *	  Classic histograms: quantiles and fractions of cumulative buckets. Pure C.
 */
#ifndef PROMQL_BUCKETS_H
#define PROMQL_BUCKETS_H

#include "ts_base.h"

typedef struct ClassicBucket
{
	double upper; /* inclusive */
	double count; /* of all observations up to it */
} ClassicBucket;

/* Where counts fell although they cannot, so that they had to be raised. */
typedef struct ClassicRepair
{
	bool forced;
	double min_upper; /* of the buckets concerned */
	double max_upper;
	double max_diff;
} ClassicRepair;

/* A text as Go reads a float: no blanks around it, in range. */
extern bool classic_read_bound(TsString text, double *bound);

/*
 * Both work on n > 0 buckets in order of their bounds, which they change: equal bounds are
 * joined, and for the quantile counts become monotonic.
 */
extern double
classic_quantile(ClassicBucket *buckets, uint32_t n, double q, ClassicRepair *repair);
extern double
classic_fraction(ClassicBucket *buckets, uint32_t n, double lower, double upper);

#endif /* PROMQL_BUCKETS_H */
