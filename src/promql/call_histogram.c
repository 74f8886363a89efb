/*
 * call_histogram.c
 *	  histogram_count(), histogram_sum(), histogram_avg(), histogram_stddev() and
 *	  histogram_stdvar(): one number of each native histogram. Floats are ignored.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "call.h"

static double
number_of(PqFunctionId id, const TsHistogram *h)
{
	switch (id)
	{
		case PQ_FN_HISTOGRAM_COUNT:
			return h->count;
		case PQ_FN_HISTOGRAM_SUM:
			return h->sum;
		case PQ_FN_HISTOGRAM_AVG:
			return h->sum / h->count;
		case PQ_FN_HISTOGRAM_STDDEV:
			return sqrt(ts_histogram_variance(h));
		default:
			Assert(id == PQ_FN_HISTOGRAM_STDVAR);
			return ts_histogram_variance(h);
	}
}

static void
histogram_open(PqOperator *op)
{
	pq_open(op->children[0]);
	call_drop_names(op, op->children[0]);
}

static void
histogram_next(PqOperator *op, PqVector *out)
{
	uint32 n = op->steps.n;
	const TsHistogram *last = NULL; /* steps in a row often have the same one */
	double number = 0;

	pq_next(op->children[0], out);
	if (out->histograms == NULL)
	{
		memset(out->present, 0, PQ_WORDS(n) * sizeof(uint64));
		return;
	}
	for (uint32 i = 0; i < n; i++)
	{
		if (!pq_has(out, i))
			continue;
		if (out->histograms[i] == NULL)
		{
			pq_unset(out, i);
			continue;
		}
		if (out->histograms[i] != last)
		{
			CHECK_FOR_INTERRUPTS();
			last = out->histograms[i];
			number = number_of(call_id(op->node), last);
		}
		out->values[i] = number;
	}
	out->histograms = NULL;
}

static const PqMethods histogram_methods = {
	.name = "Function",
	.open = histogram_open,
	.next = histogram_next,
	.explain = call_explain,
};

PqOperator *
call_plan_histogram(PqExec *exec, const PqNode *node, const PqSteps *steps,
					const PqNeeds *needs)
{
	PqOperator *op = pq_operator(exec, sizeof(PqOperator), &histogram_methods, node,
								 steps, 1);

	op->children[0] = pq_plan(exec, node->u.call.args[0], steps, needs);
	return call_dropping_names(exec, op);
}
