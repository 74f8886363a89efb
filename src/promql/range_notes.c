/*
 * range_notes.c
 *	  Annotations of functions of range vectors, in Prometheus' words.
 */
#include "postgres.h"

#include "range.h"

void
pq_range_note(RangeCall *call, RangeNote note)
{
	PqExec *exec = call->op.exec;
	int at = call->position;
	const char *name;

	if (call->said & (UINT32_C(1) << note))
		return;
	call->said |= UINT32_C(1) << note;
	name = pq_quoted(pq_labels_value(call->op.children[0]->series[call->series].labels,
									 TS_METRIC_NAME_LABEL));
	switch (note)
	{
		case RANGE_MIXED:
			pq_warn(exec, at,
					"encountered a mix of histograms and floats for metric name %s",
					name);
			break;
		case RANGE_IGNORED:
			pq_info(exec, at,
					"ignored histograms in a range containing both floats and histograms "
					"for metric name %s",
					name);
			break;
		case RANGE_INCOMPATIBLE:
			pq_warn(exec, at,
					"vector contains a mix of histograms with exponential and custom "
					"buckets schemas for metric name %s",
					name);
			break;
		case RANGE_NOT_COUNTER:
			pq_warn(exec, at, "this native histogram metric is not a counter: %s", name);
			break;
		case RANGE_NOT_GAUGE:
			pq_warn(exec, at, "this native histogram metric is not a gauge: %s", name);
			break;
		case RANGE_RECONCILED_ADD:
			pq_info(exec, at,
					"mismatched custom buckets were reconciled during addition");
			break;
		case RANGE_RECONCILED_SUB:
			pq_info(exec, at,
					"mismatched custom buckets were reconciled during subtraction");
			break;
		case RANGE_RECONCILED_SUM:
			pq_info(exec, at,
					"mismatched custom buckets were reconciled during aggregation");
			break;
		case RANGE_COLLISION:
			pq_warn(exec, at, "conflicting counter resets during histogram aggregation");
			break;
		case RANGE_OVERLAP:
			pq_warn(exec, at,
					"samples with overlapping start timestamps for metric name %s", name);
			break;
		case RANGE_MAYBE_NO_COUNTER:
			pq_info(exec, at,
					"metric might not be a counter, name does not end in "
					"_total/_sum/_count/_bucket: %s",
					name);
			break;
	}
}

/* A number as Go's %g writes it: the shortest that reads back, with an exponent if that
 * is below -4 or from 21 on. */
static void
write_general(double value, char *out, size_t size)
{
	double absolute = fabs(value);

	if (!isfinite(value) || value == 0 || (absolute >= 1e-4 && absolute < 1e21))
	{
		Assert(size >= PROMQL_FLOAT_SIZE);
		promql_write_float(value, out);
		return;
	}
	for (int digits = 0; digits <= 16; digits++)
	{
		snprintf(out, size, "%.*e", digits, value);
		if (strtod(out, NULL) == value)
			return;
	}
}

void
pq_range_note_quantile(RangeCall *call, double q)
{
	char text[PROMQL_FLOAT_SIZE];

	write_general(q, text, sizeof(text));
	pq_warn(call->op.exec, call->position,
			"quantile value should be between 0 and 1, got %s", text);
}
