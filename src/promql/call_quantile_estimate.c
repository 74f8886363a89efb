/*
 * call_quantile_estimate.c
 *	  Quantiles and fractions of histograms, step by step, and the annotations about them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "call_quantile.h"

/* ---- annotations ---- */

static int
position_of(const QuantileOperator *quantile, int arg)
{
	return quantile->op.node->u.call.args[arg]->start;
}

/* Names are known to annotations only as long as they are not removed at once. */
static const char *
for_metric(const QuantileOperator *quantile, TsString labels)
{
	return quantile->op.exec->delayed_name_removal ? pq_for_metric(labels) : "";
}

void
call_check_quantiles(QuantileOperator *quantile, int first_arg)
{
	char text[PROMQL_FLOAT_SIZE];

	for (int k = 0; k < quantile->nscalars; k++)
	{
		const double *q = quantile->scalars[k];

		for (uint32 i = 0; i < quantile->op.steps.n; i++)
		{
			if (q[i] >= 0 && q[i] <= 1)
				continue;
			if (i > 0 && (q[i] == q[i - 1] || (isnan(q[i]) && isnan(q[i - 1]))))
				continue;
			promql_write_short_float(q[i], text);
			pq_warn(quantile->op.exec, position_of(quantile, first_arg + k),
					"quantile value should be between 0 and 1, got %s", text);
		}
	}
}

static void
note_repair(QuantileOperator *quantile, const Slot *slot, uint32 step,
			const ClassicRepair *repair)
{
	const char *name = for_metric(quantile, slot->series.labels);
	int64 time = pq_step_time(&quantile->op.steps, step);
	Repairs *repairs = NULL;

	for (int i = 0; i < quantile->nrepairs && repairs == NULL; i++)
	{
		if (strcmp(quantile->repairs[i].name, name) == 0)
			repairs = &quantile->repairs[i];
	}
	if (repairs == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(quantile->op.context);
		Size size = (quantile->nrepairs + 1) * sizeof(Repairs);

		quantile->repairs = quantile->repairs ? repalloc(quantile->repairs, size)
											  : palloc(size);
		repairs = &quantile->repairs[quantile->nrepairs++];
		*repairs = (Repairs){pstrdup(name), 0, time, time, *repair};
		MemoryContextSwitchTo(caller);
	}
	repairs->samples++;
	repairs->from = Min(repairs->from, time);
	repairs->to = Max(repairs->to, time);
	repairs->extremes.min_upper = Min(repairs->extremes.min_upper, repair->min_upper);
	repairs->extremes.max_upper = Max(repairs->extremes.max_upper, repair->max_upper);
	repairs->extremes.max_diff = Max(repairs->extremes.max_diff, repair->max_diff);
}

/* "2006-01-02T15:04:05Z" of a time. */
static void
write_time(int64 time, char *out, Size size)
{
	struct pg_tm tm = {0};
	fsec_t fraction;

	if (timestamp2tm(time, NULL, &tm, &fraction, NULL, NULL) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("timestamp out of range")));
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year, tm.tm_mon,
			 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* All repairs of a name are told of together. */
void
call_tell_repairs(QuantileOperator *quantile)
{
	for (int i = 0; i < quantile->nrepairs; i++)
	{
		const Repairs *repairs = &quantile->repairs[i];
		char min_upper[PROMQL_FLOAT_SIZE];
		char max_upper[PROMQL_FLOAT_SIZE];
		char from[MAXDATELEN];
		char to[MAXDATELEN];

		promql_write_short_float(repairs->extremes.min_upper, min_upper);
		promql_write_short_float(repairs->extremes.max_upper, max_upper);
		write_time(repairs->from, from, sizeof(from));
		write_time(repairs->to, to, sizeof(to));
		pq_info(quantile->op.exec, position_of(quantile, quantile->input_arg),
				"input to histogram_quantile needed to be fixed for monotonicity (see "
				"https://prometheus.io/docs/prometheus/latest/querying/functions/"
				"#histogram_quantile)%s, from buckets %s to %s, with a max diff of %.2g, "
				"over " UINT64_FORMAT " samples from %s to %s",
				repairs->name, min_upper, max_upper, repairs->extremes.max_diff,
				repairs->samples, from, to);
	}
	quantile->nrepairs = 0;
}

void
call_warn_bad_bucket(QuantileOperator *quantile, TsString labels, TsString bound)
{
	pq_warn(quantile->op.exec, position_of(quantile, quantile->input_arg),
			"bucket label \"le\" is missing or has a malformed value of %s%s",
			pq_quoted(bound), for_metric(quantile, labels));
}

/* ---- estimates ---- */

/* The buckets that are present at a step. */
static uint32
gather_buckets(QuantileOperator *quantile, const Slot *slot, uint32 step)
{
	uint32 count = 0;

	for (uint32 i = 0; i < slot->nmembers; i++)
	{
		const Member *member = &slot->members[i];

		if ((member->present[step / 64] >> (step % 64)) & 1)
			quantile->work[count++] = (ClassicBucket){member->upper,
													  member->values[step]};
	}
	return count;
}

static double
estimate_native(QuantileOperator *quantile, const Slot *slot, const TsHistogram *h,
				int scalar, uint32 step)
{
	PqExec *exec = quantile->op.exec;
	double first = quantile->scalars[scalar][step];
	bool has_nan = h->count != 0 && isnan(h->sum) && ts_histogram_has_nan(h);
	const char *name = has_nan ? for_metric(quantile, slot->series.labels) : "";
	double second;
	double result;

	if (call_id(quantile->op.node) == PQ_FN_HISTOGRAM_FRACTION)
	{
		second = quantile->scalars[1][step];
		if (has_nan && first < second)
			pq_info(
				exec, position_of(quantile, quantile->input_arg),
				"input to histogram_fraction has NaN observations, which are excluded "
				"from all fractions%s",
				name);
		return ts_histogram_fraction(h, first, second);
	}
	result = ts_histogram_quantile(h, first);
	if (has_nan && first >= 0 && first <= 1)
		pq_info(exec, position_of(quantile, quantile->input_arg),
				"input to histogram_quantile has NaN observations, result is %s%s",
				isnan(result) ? "NaN" : "skewed higher", name);
	return result;
}

static double
estimate_classic(QuantileOperator *quantile, const Slot *slot, uint32 count, int scalar,
				 uint32 step)
{
	double first = quantile->scalars[scalar][step];
	ClassicRepair repair;
	double result;

	if (call_id(quantile->op.node) == PQ_FN_HISTOGRAM_FRACTION)
		return classic_fraction(quantile->work, count, first, quantile->scalars[1][step]);
	result = classic_quantile(quantile->work, count, first, &repair);
	if (repair.forced)
		note_repair(quantile, slot, step, &repair);
	return result;
}

/*
 * The scalar whose text this is at a step; -1: none. Two of them would be two samples with
 * the same labels.
 */
static int
scalar_of(QuantileOperator *quantile, uint32 text, uint32 step)
{
	int scalar = -1;

	if (quantile->text_of == NULL)
		return 0;
	for (int k = 0; k < quantile->nscalars; k++)
	{
		if (quantile->text_of[(Size) k * quantile->op.steps.n + step] != text)
			continue;
		if (scalar >= 0)
			pq_fail(quantile->op.exec, quantile->op.node->start, ERRCODE_DATA_EXCEPTION,
					"vector cannot contain metrics with the same labelset");
		scalar = k;
	}
	return scalar;
}

void
call_estimate(QuantileOperator *quantile, const Slot *slot, uint32 text, PqVector *out)
{
	const PqVector *native = slot->nbuckets > 0 ? &slot->native : &quantile->current;

	if (slot->nbuckets == 0 && native->histograms == NULL)
		return;
	for (uint32 i = 0; i < quantile->op.steps.n; i++)
	{
		uint32 count = gather_buckets(quantile, slot, i);
		const TsHistogram *h = NULL;
		int scalar;

		CHECK_FOR_INTERRUPTS();
		if (slot->has_native && pq_has(native, i))
			h = pq_histogram(native, i);
		if (count == 0 && h == NULL)
			continue;
		if (count > 0 && h != NULL)
		{
			pq_warn(quantile->op.exec, position_of(quantile, quantile->input_arg),
					"vector contains a mix of classic and native histograms%s",
					for_metric(quantile, slot->series.labels));
			continue;
		}
		scalar = scalar_of(quantile, text, i);
		if (scalar < 0)
			continue;
		pq_set(out, i);
		out->values[i] = h != NULL ? estimate_native(quantile, slot, h, scalar, i)
								   : estimate_classic(quantile, slot, count, scalar, i);
	}
}
