/*
 * histogram_agg.c
 *	  The aggregates sum(histogram) and avg(histogram), as PromQL's of these names: the sum is
 *	  compensated, and the mean does not overflow.
 */
#include "postgres.h"

#include "fmgr.h"

#include "histogram_type.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_histogram_accumulate);
PG_FUNCTION_INFO_V1(mytsdb_histogram_accumulated_sum);
PG_FUNCTION_INFO_V1(mytsdb_histogram_accumulated_avg);

Datum
mytsdb_histogram_accumulate(PG_FUNCTION_ARGS)
{
	TsHistogramSum *sum = PG_ARGISNULL(0) ? NULL
										  : (TsHistogramSum *) PG_GETARG_POINTER(0);
	TsHistogramNotes notes = {0};
	MemoryContext context;
	bool done;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (sum == NULL)
	{
		TsAllocator allocator = ts_context_allocator(context);

		sum = ts_histogram_sum_create(&allocator);
	}
	done = sum != NULL &&
		   (PG_ARGISNULL(1) ||
			ts_histogram_sum_add(sum, histogram_read(PG_GETARG_DATUM(1)), &notes));
	if (!done)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (notes.incompatible)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot add histograms of which one has custom buckets and "
						"the other has not")));
	PG_RETURN_POINTER(sum);
}

static Datum
accumulated(FunctionCallInfo fcinfo, bool mean)
{
	TsHistogramSum *sum = PG_ARGISNULL(0) ? NULL
										  : (TsHistogramSum *) PG_GETARG_POINTER(0);
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);

	if (sum == NULL || ts_histogram_sum_n(sum) == 0)
		PG_RETURN_NULL();
	PG_RETURN_HISTOGRAM_P(histogram_make(ts_histogram_sum_result(sum, mean, &allocator)));
}

Datum
mytsdb_histogram_accumulated_sum(PG_FUNCTION_ARGS)
{
	return accumulated(fcinfo, false);
}

Datum
mytsdb_histogram_accumulated_avg(PG_FUNCTION_ARGS)
{
	return accumulated(fcinfo, true);
}
