/*
 * call_quantile.h
 *	  What the files of histogram_quantile() and its kin share.
 *
 *	call_quantile.c				the operator: what belongs to which histogram
 *	call_quantile_estimate.c	numbers of histograms, and what is told of them
 */
#ifndef PROMQL_CALL_QUANTILE_H
#define PROMQL_CALL_QUANTILE_H

#include "buckets.h"
#include "call.h"

#define NO_SLOT PG_UINT32_MAX

/* One series of buckets, of all steps. */
typedef struct Member
{
	double upper;
	double *values;
	uint64 *present;
} Member;

typedef struct Slot
{
	PqSeries series;
	uint32 last;     /* of the child's series it is made of */
	uint32 nbuckets; /* series that are buckets of it */
	uint32 nmembers; /* of these, read */
	Member *members; /* in order of their bounds once complete */
	bool has_native;
	PqVector native;       /* if there are buckets, too */
	MemoryContext context; /* of members and native */
	int64 held;
} Slot;

/* What a series of the child is. */
typedef struct Source
{
	uint32 native; /* slot */
	uint32 bucket; /* slot, or NO_SLOT */
	double upper;  /* of the bucket */
} Source;

/* Repairs of the histograms of one name. */
typedef struct Repairs
{
	const char *name;
	uint64 samples;
	int64 from;
	int64 to;
	ClassicRepair extremes;
} Repairs;

typedef struct QuantileOperator
{
	PqOperator op;
	PqOperator *input;
	int input_arg; /* its place among the arguments */
	int nscalars;  /* quantiles; or lower and upper bound of fractions */
	const double **scalars;
	Slot *slots;
	uint32 nslots;
	Source *sources;
	uint32 *order; /* slots as they will be complete */
	uint32 read;   /* series of the input */
	PqVector current;
	/* Texts that the label of quantiles has, at one step or another; one without label */
	uint32 ntexts;
	char **texts;
	uint32 *text_of; /* of scalar and step; NULL: there is but one */
	uint32 next;     /* output: slot in order, times ntexts, plus text */
	Slot *given;
	ClassicBucket *work; /* room for the buckets of a step */
	Repairs *repairs;
	int nrepairs;
} QuantileOperator;

/* Warns of quantiles that are none; their arguments begin with this one. */
extern void call_check_quantiles(QuantileOperator *quantile, int first_arg);
/* Warns of a series that is no bucket although it has floats. */
extern void
call_warn_bad_bucket(QuantileOperator *quantile, TsString labels, TsString bound);
/* All steps of a slot that is complete, for one text. */
extern void
call_estimate(QuantileOperator *quantile, const Slot *slot, uint32 text, PqVector *out);
/* Tells what was repaired, when all has been estimated. */
extern void call_tell_repairs(QuantileOperator *quantile);

#endif /* PROMQL_CALL_QUANTILE_H */
