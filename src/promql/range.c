/*
 * range.c
 *	  Functions of range vectors: planning, and one series after the other.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "range.h"

static const RangeKind functions[PQ_FN_COUNT] = {
	[PQ_FN_AVG_OVER_TIME] = {.compute = pq_range_compute_avg},
	[PQ_FN_CHANGES] = {.compute = pq_range_compute_changes, .anchored = true},
	[PQ_FN_COUNT_OVER_TIME] = {.compute = pq_range_compute_count},
	[PQ_FN_DELTA] = {.compute = pq_range_compute_delta,
					 .anchored = true,
					 .smoothed = true},
	[PQ_FN_DERIV] = {.compute = pq_range_compute_floats, .kernel = pq_range_deriv},
	[PQ_FN_IDELTA] = {.compute = pq_range_compute_idelta},
	[PQ_FN_INCREASE] = {.compute = pq_range_compute_increase,
						.start_times = true,
						.anchored = true,
						.smoothed = true},
	[PQ_FN_IRATE] = {.compute = pq_range_compute_irate, .start_times = true},
	[PQ_FN_LAST_OVER_TIME] = {.compute = pq_range_compute_last, .keeps_name = true},
	[PQ_FN_MAX_OVER_TIME] = {.compute = pq_range_compute_floats, .kernel = pq_range_max},
	[PQ_FN_MIN_OVER_TIME] = {.compute = pq_range_compute_floats, .kernel = pq_range_min},
	[PQ_FN_PRESENT_OVER_TIME] = {.compute = pq_range_compute_present},
	[PQ_FN_RATE] = {.compute = pq_range_compute_rate,
					.start_times = true,
					.anchored = true,
					.smoothed = true},
	[PQ_FN_RESETS] = {.compute = pq_range_compute_resets,
					  .start_times = true,
					  .anchored = true},
	[PQ_FN_STDDEV_OVER_TIME] = {.compute = pq_range_compute_floats,
								.kernel = pq_range_stddev},
	[PQ_FN_STDVAR_OVER_TIME] = {.compute = pq_range_compute_floats,
								.kernel = pq_range_stdvar},
	[PQ_FN_SUM_OVER_TIME] = {.compute = pq_range_compute_sum},
	[PQ_FN_FIRST_OVER_TIME] = {.compute = pq_range_compute_first, .keeps_name = true},
	[PQ_FN_MAD_OVER_TIME] = {.compute = pq_range_compute_floats, .kernel = pq_range_mad},
	[PQ_FN_TS_OF_FIRST_OVER_TIME] = {.compute = pq_range_compute_ts_of_first},
	[PQ_FN_TS_OF_LAST_OVER_TIME] = {.compute = pq_range_compute_ts_of_last},
	[PQ_FN_TS_OF_MAX_OVER_TIME] = {.compute = pq_range_compute_floats,
								   .kernel = pq_range_ts_of_max},
	[PQ_FN_TS_OF_MIN_OVER_TIME] = {.compute = pq_range_compute_floats,
								   .kernel = pq_range_ts_of_min},
	[PQ_FN_DOUBLE_EXPONENTIAL_SMOOTHING] = {.compute = pq_range_compute_smooth},
	[PQ_FN_PREDICT_LINEAR] = {.compute = pq_range_compute_predict},
	[PQ_FN_QUANTILE_OVER_TIME] = {.compute = pq_range_compute_quantile},
};

/* ---- what functions need ---- */

void *
pq_range_room(RangeCall *call, RangeRoom *room, Size size)
{
	if (room->size < size)
	{
		if (room->data != NULL)
			pfree(room->data);
		room->data = NULL;
		room->size = 0;
		room->data = pq_alloc(&call->op, size + size / 2);
		room->size = size + size / 2;
	}
	return room->data;
}

TsHistogram *
pq_range_made(RangeCall *call, TsHistogram *h)
{
	if (h == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				 errdetail("A histogram of a PromQL query could not be computed.")));
	return h;
}

void
pq_range_give_histogram(RangeCall *call, PqVector *out, uint32 i, const TsHistogram *h)
{
	pq_vector_want_histograms(&call->op, out, call->op.steps.n);
	out->histograms[i] = h;
	pq_set(out, i);
}

/* ---- a series' samples ---- */

/* Windows over these times; first and end have room for all of them. */
static void
find_windows(RangeCall *call, RangeWindows *w, const int64 *times, uint32 n,
			 uint32 *bounds)
{
	const PqWindows *windows = &call->op.children[0]->windows;

	*w = (RangeWindows){.n = call->op.steps.n,
						.first_end = windows->first_end,
						.step = windows->step,
						.range = windows->range,
						.extend = windows->extend};
	pq_range_windows_find(
		w, times, n, windows->extend == PQ_PLAIN ? 0 : windows->lookback,
		windows->extend == PQ_SMOOTHED ? windows->lookback : 0, bounds, bounds + w->n);
}

/* Floats and histograms apart. */
static void
divide_samples(RangeCall *call, uint32 nhistograms)
{
	const PqSamples *s = &call->samples;
	uint32 n = s->n;
	Size of_times = sizeof(int64) * n;
	char *room = pq_range_room(call, &call->room[1], 4 * of_times);
	int64 *times = (int64 *) room;
	int64 *starts = (int64 *) (room + of_times);
	double *values = (double *) (room + 2 * of_times);
	const TsHistogram **histograms = (const TsHistogram **) (room + 3 * of_times);
	uint32 floats = 0;
	uint32 others = n - nhistograms; /* histograms stand behind the floats */
	int64 first_histogram = others;

	for (uint32 i = 0; i < n; i++)
	{
		uint32 to = s->histograms[i] != NULL ? others++ : floats++;

		times[to] = s->times[i];
		values[to] = s->values[i];
		histograms[to] = s->histograms[i];
		starts[to] = s->start_times != NULL ? s->start_times[i] : PQ_NO_START;
	}
	Assert(others == n && floats == n - nhistograms);
	call->floats = (RangeSamples){.n = floats,
								  .times = times,
								  .values = values,
								  .starts = s->start_times != NULL ? starts : NULL};
	call->histograms = (RangeHistograms){
		.n = nhistograms,
		.times = times + first_histogram,
		.histograms = histograms + first_histogram,
		.starts = s->start_times != NULL ? starts + first_histogram : NULL,
	};
}

/* Looks at the samples in all the ways that functions want. */
static void
take_samples(RangeCall *call)
{
	const PqSamples *s = &call->samples;
	uint32 steps = call->op.steps.n;
	uint32 *bounds = pq_range_room(call, &call->room[0], 6 * sizeof(uint32) * steps);
	uint32 nhistograms = 0;

	for (uint32 i = 0; s->histograms != NULL && i < s->n; i++)
		nhistograms += s->histograms[i] != NULL;
	if (nhistograms > 0 && nhistograms < s->n)
		divide_samples(call, nhistograms);
	else
	{
		call->floats = (RangeSamples){.n = s->n - nhistograms,
									  .times = s->times,
									  .values = s->values,
									  .starts = s->start_times};
		call->histograms = (RangeHistograms){.n = nhistograms,
											 .times = s->times,
											 .histograms = s->histograms,
											 .starts = s->start_times};
	}
	find_windows(call, &call->windows, s->times, s->n, bounds);
	if (nhistograms == 0)
		call->float_windows = call->windows;
	else
		find_windows(call, &call->float_windows, call->floats.times, call->floats.n,
					 bounds + 2 * steps);
	if (nhistograms == s->n)
		call->histogram_windows = call->windows;
	else
		find_windows(call, &call->histogram_windows, call->histograms.times,
					 call->histograms.n, bounds + 4 * steps);
	pq_range_scratch_init(
		&call->scratch,
		pq_range_room(call, &call->room[2], pq_range_scratch_size(call->floats.n)),
		call->floats.n);
}

/* ---- the operator ---- */

static void
range_open(PqOperator *op)
{
	RangeCall *call = (RangeCall *) op;
	PqOperator *child = op->children[0];

	pq_open(child);
	for (int i = 1; i < op->nchildren; i++)
		call->scalars[i - 1] = pq_scalar(op->children[i]);
	op->nseries = child->nseries;
	op->series = pq_alloc(op, sizeof(PqSeries) * op->nseries);
	for (uint32 i = 0; i < op->nseries; i++)
	{
		op->series[i] = child->series[i];
		op->series[i].drop_name |= !call->function->keeps_name;
	}
	call->series = 0;
	call->results = pq_allocator(&op->row_place);
	call->between_context = AllocSetContextCreate(op->context, "PromQL histograms",
												  ALLOCSET_DEFAULT_SIZES);
	call->between_place = (PqPlace){op->exec, call->between_context};
	call->between = pq_allocator(&call->between_place);
}

static void
range_next(PqOperator *op, PqVector *out)
{
	RangeCall *call = (RangeCall *) op;

	call->said = 0;
	pq_next_samples(op->children[0], &call->samples);
	pq_vector_init(op, out, op->steps.n);
	if (call->samples.n > 0)
	{
		take_samples(call);
		call->function->compute(call, out);
	}
	call->series++;
}

static void
range_close(PqOperator *op)
{
	RangeCall *call = (RangeCall *) op;

	/* these are gone with the context */
	memset(call->room, 0, sizeof(call->room));
}

static void
range_explain(PqOperator *op, PqExplain *to)
{
	pq_explain_text(to, "Function", "%s", op->node->u.call.function->name);
}

static const PqMethods range_methods = {
	.name = "Range Function",
	.open = range_open,
	.next = range_next,
	.close = range_close,
	.explain = range_explain,
};

/* ---- planning ---- */

void
pq_range_check_extend(PqExec *exec, const PqFunction *function, PqExtend extend)
{
	const RangeKind *range = &functions[function->id];

	if (extend == PQ_ANCHORED && !range->anchored)
		pq_fail(
			exec, -1, ERRCODE_DATA_EXCEPTION,
			"anchored modifier can only be used with: changes, delta, increase, rate, "
			"resets - not with %s",
			function->name);
	if (extend == PQ_SMOOTHED && !range->smoothed)
		pq_fail(
			exec, -1, ERRCODE_DATA_EXCEPTION,
			"smoothed modifier can only be used with: delta, increase, rate - not with "
			"%s",
			function->name);
}

PqOperator *
pq_plan_range_call(PqExec *exec, const PqNode *node, const PqSteps *steps,
				   const PqNeeds *needs)
{
	static const PqNeeds no_needs = {NULL, 0};
	const PqFunction *function = node->u.call.function;
	const RangeKind *range = &functions[function->id];
	int nargs = node->u.call.nargs;
	int children = 1;
	RangeCall *call;

	if (function->id == PQ_FN_ABSENT_OVER_TIME)
		return pq_range_plan_absent(exec, node, steps);
	Assert(range->compute != NULL);
	call = (RangeCall *) pq_operator(exec, sizeof(RangeCall), &range_methods, node, steps,
									 nargs);
	call->function = range;
	for (int i = 0; i < nargs; i++)
	{
		const PqNode *arg = node->u.call.args[i];

		if (arg->type == PQ_TYPE_MATRIX)
			call->op.children[0] = pq_plan_range(exec, arg, steps, needs);
		else
			call->op.children[children++] = pq_plan(exec, arg, steps, &no_needs);
	}
	Assert(children == nargs && nargs <= 1 + (int) lengthof(call->scalars));
	pq_range_check_extend(exec, function, call->op.children[0]->windows.extend);
	if (range->start_times)
		pq_want_start_times(call->op.children[0]);
	/* a subquery's result has no place in the text, as Prometheus has it */
	call->position = pq_strip(node->u.call.args[0])->kind == PQ_SUBQUERY
						 ? 0
						 : pq_strip(node->u.call.args[0])->start;
	return &call->op;
}
