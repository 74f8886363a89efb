/*
 * exec_smooth.c
 *	  Values between samples: smoothed instant selectors, and the edges of extended range
 *	  vectors that are results themselves.
 */
#include "postgres.h"

#include "exec_internal.h"

static TsString
metric_name(const PqOperator *op)
{
	return pq_labels_value(op->series[op->given].labels, TS_METRIC_NAME_LABEL);
}

void
pq_warn_of_mix(const PqOperator *op)
{
	TsString name = metric_name(op);

	pq_warn(op->exec, op->node->start,
			"encountered a mix of histograms and floats for metric name \"%.*s\"",
			(int) name.len, name.data);
}

static void
check(const TsHistogram *h)
{
	if (h == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

/* A counter that was reset in between began anew at 0. */
static const TsHistogram *
between_histograms(PqOperator *op, const TsHistogram *before, const TsHistogram *behind,
				   double part, const TsAllocator *allocator)
{
	TsHistogramNotes notes = {false};
	TsHistogram *h;

	if (ts_histogram_is_custom(before) != ts_histogram_is_custom(behind))
	{
		TsString name = metric_name(op);

		pq_warn(op->exec, op->node->start,
				"vector contains a mix of histograms with exponential and custom buckets "
				"schemas for metric name \"%.*s\"",
				(int) name.len, name.data);
		return NULL;
	}
	if (before->hint != TS_RESET_GAUGE && ts_histogram_is_reset(behind, before))
	{
		h = ts_histogram_mul(behind, part, allocator);
		check(h);
		return h;
	}
	h = ts_histogram_sub(behind, before, allocator, &notes);
	check(h);
	h = ts_histogram_mul(h, part, allocator);
	check(h);
	h = ts_histogram_add(h, before, allocator, &notes);
	check(h);
	return h;
}

bool
pq_between(PqOperator *op, const PqSamples *samples, uint32 i, int64 time,
		   const TsAllocator *allocator, double *value, const TsHistogram **histogram)
{
	double distance = (double) (samples->times[i + 1] - samples->times[i]);
	double passed = (double) (time - samples->times[i]);

	*histogram = NULL;
	if (samples->histograms == NULL || samples->histograms[i] == NULL)
	{
		double before = samples->values[i];

		*value = before + (samples->values[i + 1] - before) * passed / distance;
		return true;
	}
	*value = 0;
	*histogram = between_histograms(op, samples->histograms[i],
									samples->histograms[i + 1], passed / distance,
									allocator);
	return *histogram != NULL;
}
