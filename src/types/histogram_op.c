/*
 * histogram_op.c
 *	  What SQL computes with histograms: as PromQL's operators and functions do.
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "histogram_type.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_histogram_count);
PG_FUNCTION_INFO_V1(mytsdb_histogram_sum);
PG_FUNCTION_INFO_V1(mytsdb_histogram_avg);
PG_FUNCTION_INFO_V1(mytsdb_histogram_quantile);
PG_FUNCTION_INFO_V1(mytsdb_histogram_fraction);
PG_FUNCTION_INFO_V1(mytsdb_histogram_stdvar);
PG_FUNCTION_INFO_V1(mytsdb_histogram_stddev);
PG_FUNCTION_INFO_V1(mytsdb_histogram_buckets);
PG_FUNCTION_INFO_V1(mytsdb_histogram_add);
PG_FUNCTION_INFO_V1(mytsdb_histogram_subtract);
PG_FUNCTION_INFO_V1(mytsdb_histogram_negate);
PG_FUNCTION_INFO_V1(mytsdb_histogram_multiply);
PG_FUNCTION_INFO_V1(mytsdb_histogram_multiply_reverse);
PG_FUNCTION_INFO_V1(mytsdb_histogram_divide);
PG_FUNCTION_INFO_V1(mytsdb_histogram_up_to);
PG_FUNCTION_INFO_V1(mytsdb_histogram_from);

#define PG_GETARG_HISTOGRAM(n) histogram_read(PG_GETARG_DATUM(n))

/* ---- numbers of a histogram ---- */

Datum
mytsdb_histogram_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(PG_GETARG_HISTOGRAM(0)->count);
}

Datum
mytsdb_histogram_sum(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(PG_GETARG_HISTOGRAM(0)->sum);
}

Datum
mytsdb_histogram_avg(PG_FUNCTION_ARGS)
{
	TsHistogram *h = PG_GETARG_HISTOGRAM(0);

	PG_RETURN_FLOAT8(h->sum / h->count);
}

Datum
mytsdb_histogram_quantile(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(ts_histogram_quantile(PG_GETARG_HISTOGRAM(1), PG_GETARG_FLOAT8(0)));
}

Datum
mytsdb_histogram_fraction(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(ts_histogram_fraction(PG_GETARG_HISTOGRAM(2), PG_GETARG_FLOAT8(0),
										   PG_GETARG_FLOAT8(1)));
}

Datum
mytsdb_histogram_stdvar(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(ts_histogram_variance(PG_GETARG_HISTOGRAM(0)));
}

Datum
mytsdb_histogram_stddev(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sqrt(ts_histogram_variance(PG_GETARG_HISTOGRAM(0))));
}

/* ---- buckets ---- */

/* The buckets with observations, upwards: lower, upper, whether each is included, count. */
Datum
mytsdb_histogram_buckets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	TsHistogram *h = PG_GETARG_HISTOGRAM(0);
	TsBucketIter iter;
	TsBucket bucket;

	InitMaterializedSRF(fcinfo, 0);
	ts_bucket_iter_init(&iter, h, false);
	while (ts_bucket_iter_next(&iter, &bucket))
	{
		Datum values[5] = {Float8GetDatum(bucket.lower), Float8GetDatum(bucket.upper),
						   BoolGetDatum(bucket.lower_inclusive),
						   BoolGetDatum(bucket.upper_inclusive),
						   Float8GetDatum(bucket.count)};
		bool nulls[5] = {false};

		CHECK_FOR_INTERRUPTS();
		if (bucket.count != 0)
			tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- operators ---- */

typedef TsHistogram *(*Combine)(const TsHistogram *, const TsHistogram *,
								const TsAllocator *, TsHistogramNotes *);

static Datum
combine(FunctionCallInfo fcinfo, Combine function, const char *verb)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsHistogramNotes notes = {0};
	TsHistogram *result = function(PG_GETARG_HISTOGRAM(0), PG_GETARG_HISTOGRAM(1),
								   &allocator, &notes);

	if (notes.incompatible)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot %s histograms of which one has custom buckets and the "
						"other has not",
						verb)));
	if (result != NULL)
		result = ts_histogram_compact(result, 0, &allocator);
	PG_RETURN_HISTOGRAM_P(histogram_make(result));
}

Datum
mytsdb_histogram_add(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, ts_histogram_add, "add");
}

Datum
mytsdb_histogram_subtract(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, ts_histogram_sub, "subtract");
}

static Datum
multiply(Datum value, double factor)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);

	return PointerGetDatum(
		histogram_make(ts_histogram_mul(histogram_read(value), factor, &allocator)));
}

Datum
mytsdb_histogram_negate(PG_FUNCTION_ARGS)
{
	return multiply(PG_GETARG_DATUM(0), -1);
}

Datum
mytsdb_histogram_multiply(PG_FUNCTION_ARGS)
{
	return multiply(PG_GETARG_DATUM(0), PG_GETARG_FLOAT8(1));
}

Datum
mytsdb_histogram_multiply_reverse(PG_FUNCTION_ARGS)
{
	return multiply(PG_GETARG_DATUM(1), PG_GETARG_FLOAT8(0));
}

Datum
mytsdb_histogram_divide(PG_FUNCTION_ARGS)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);

	PG_RETURN_HISTOGRAM_P(histogram_make(
		ts_histogram_div(PG_GETARG_HISTOGRAM(0), PG_GETARG_FLOAT8(1), &allocator)));
}

static Datum
trim(FunctionCallInfo fcinfo, bool upper)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);

	PG_RETURN_HISTOGRAM_P(histogram_make(ts_histogram_trim(
		PG_GETARG_HISTOGRAM(0), PG_GETARG_FLOAT8(1), upper, &allocator)));
}

Datum
mytsdb_histogram_up_to(PG_FUNCTION_ARGS)
{
	return trim(fcinfo, true);
}

Datum
mytsdb_histogram_from(PG_FUNCTION_ARGS)
{
	return trim(fcinfo, false);
}
