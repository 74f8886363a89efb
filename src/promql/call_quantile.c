/*
 * call_quantile.c
 *	  histogram_quantile(), histogram_quantiles() and histogram_fraction(), of classic and
 *	  native histograms.
 *
 * Each series of the child may be two things, and which is known at each step only: its
 * histograms are native ones, with all its labels; its floats are a bucket of a classic
 * histogram, whose labels are those without le. So every series of the result (a *slot*)
 * has buckets, or a native source, or both; with both at one step it has no value then.
 *
 * A slot is complete when the last series it is made of has been read. Until then its
 * buckets are held; a slot without buckets is computed at once from what was read.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "call_quantile.h"

#define BUCKET_LABEL "le"

/* ---- slots ---- */

static Slot *
new_slot(QuantileOperator *quantile, const PqSeries *series, TsString labels)
{
	Slot *slot = &quantile->slots[quantile->nslots++];

	slot->series = *series;
	slot->series.labels = labels;
	return slot;
}

/* The slot of these labels, which have no le. */
static uint32
find_slot(QuantileOperator *quantile, PqLabelsMap *map, uint32 *slot_of,
		  const PqSeries *series, TsString labels)
{
	bool found;
	uint32 number = pq_labels_number(map, labels, true, &found);

	if (!found)
	{
		slot_of[number] = quantile->nslots;
		new_slot(quantile, series, pq_labels_of(map, number));
	}
	return slot_of[number];
}

static void
find_sources(QuantileOperator *quantile)
{
	static TsString le = {BUCKET_LABEL, sizeof(BUCKET_LABEL) - 1};
	static const PqNames names = {&le, 1};
	PqOperator *op = &quantile->op;
	PqOperator *input = quantile->input;
	PqLabelsMap *map = pq_labels_map(op->context);
	uint32 *slot_of = pq_alloc(op, 2 * (Size) input->nseries * sizeof(uint32));

	quantile->slots = pq_alloc0(op, 2 * (Size) input->nseries * sizeof(Slot));
	quantile->sources = pq_alloc(op, input->nseries * sizeof(Source));
	for (uint32 i = 0; i < input->nseries; i++)
	{
		const PqSeries *series = &input->series[i];
		Source *source = &quantile->sources[i];
		TsString bound;

		source->bucket = NO_SLOT;
		if (labels_find(series->labels.data, series->labels.len, le.data, le.len, &bound))
		{
			source->native = quantile->nslots;
			new_slot(quantile, series, series->labels);
			if (classic_read_bound(bound, &source->upper))
				source->bucket = find_slot(
					quantile, map, slot_of, series,
					pq_labels_remove(series->labels, &names, false, op->row));
		}
		else
			source->native = find_slot(quantile, map, slot_of, series, series->labels);
		quantile->slots[source->native].last = i;
		quantile->slots[source->native].has_native = true;
		if (source->bucket != NO_SLOT)
		{
			quantile->slots[source->bucket].last = i;
			quantile->slots[source->bucket].nbuckets++;
		}
		MemoryContextReset(op->row);
	}
}

static int
compare_completion(const void *a, const void *b, void *arg)
{
	const Slot *slots = arg;
	uint32 left = *(const uint32 *) a;
	uint32 right = *(const uint32 *) b;

	if (slots[left].last != slots[right].last)
		return slots[left].last < slots[right].last ? -1 : 1;
	return left < right ? -1 : left > right;
}

static void
order_slots(QuantileOperator *quantile)
{
	uint32 most = 0;

	quantile->order = pq_alloc(&quantile->op, quantile->nslots * sizeof(uint32));
	for (uint32 i = 0; i < quantile->nslots; i++)
	{
		quantile->order[i] = i;
		most = Max(most, quantile->slots[i].nbuckets);
	}
	qsort_arg(quantile->order, quantile->nslots, sizeof(uint32), compare_completion,
			  quantile->slots);
	quantile->work = pq_alloc(&quantile->op, most * sizeof(ClassicBucket));
}

/* ---- the label of histogram_quantiles() ---- */

/* A float as OpenMetrics has it: with a point or an exponent. */
static void
write_quantile(double q, char *out)
{
	int len = promql_write_short_float(q == 0 ? 0 : q, out);

	if (!isnan(q) && !isinf(q) && strpbrk(out, ".e") == NULL)
		strcpy(out + len, ".0");
}

static uint32
text_number(QuantileOperator *quantile, const char *text)
{
	uint32 i = 0;

	while (i < quantile->ntexts && strcmp(quantile->texts[i], text) != 0)
		i++;
	if (i == quantile->ntexts)
	{
		MemoryContext caller = MemoryContextSwitchTo(quantile->op.context);
		Size size = ++quantile->ntexts * sizeof(char *);

		quantile->texts = quantile->texts ? repalloc(quantile->texts, size)
										  : palloc(size);
		quantile->texts[i] = pstrdup(text);
		MemoryContextSwitchTo(caller);
	}
	return i;
}

static void
find_texts(QuantileOperator *quantile)
{
	uint32 n = quantile->op.steps.n;
	char text[PROMQL_FLOAT_SIZE + 2];

	quantile->text_of = pq_alloc(&quantile->op,
								 (Size) quantile->nscalars * n * sizeof(uint32));
	for (int k = 0; k < quantile->nscalars; k++)
	{
		const double *q = quantile->scalars[k];
		uint32 *text_of = quantile->text_of + (Size) k * n;

		for (uint32 i = 0; i < n; i++)
		{
			if (i > 0 && q[i] == q[i - 1])
			{
				text_of[i] = text_of[i - 1];
				continue;
			}
			CHECK_FOR_INTERRUPTS();
			write_quantile(q[i], text);
			text_of[i] = text_number(quantile, text);
		}
	}
}

static void
list_series(QuantileOperator *quantile)
{
	PqOperator *op = &quantile->op;
	TsString name = {0};

	if (quantile->text_of != NULL)
		name = pq_string(op->node->u.call.args[1]);
	if ((uint64) quantile->nslots * quantile->ntexts > PG_UINT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("PromQL query has too many series")));
	op->nseries = quantile->nslots * quantile->ntexts;
	op->series = pq_alloc(op, op->nseries * sizeof(PqSeries));
	for (uint32 i = 0; i < op->nseries; i++)
	{
		PqSeries *series = &op->series[i];

		*series = quantile->slots[quantile->order[i / quantile->ntexts]].series;
		if (quantile->text_of != NULL)
		{
			const char *text = quantile->texts[i % quantile->ntexts];

			series->labels = pq_labels_set(series->labels, name,
										   (TsString){text, strlen(text)}, op->context);
		}
		pq_drop_name(op, series);
	}
}

/* ---- reading ---- */

static void
hold(QuantileOperator *quantile, Slot *slot, int64 samples)
{
	pq_hold_samples(quantile->op.exec, samples);
	slot->held += samples;
	if (slot->context == NULL)
		slot->context = AllocSetContextCreate(
			quantile->op.context, "PromQL classic histogram", ALLOCSET_SMALL_SIZES);
}

static void
release(QuantileOperator *quantile, Slot *slot)
{
	if (slot->context == NULL)
		return;
	pq_hold_samples(quantile->op.exec, -slot->held);
	slot->held = 0;
	MemoryContextDelete(slot->context);
	slot->context = NULL;
}

/* Keeps the floats of a series that is a bucket. */
static void
keep_bucket(QuantileOperator *quantile, Slot *slot, double upper, const PqVector *v)
{
	uint32 n = quantile->op.steps.n;
	Size words = PQ_WORDS(n) * sizeof(uint64);
	Member *member;

	hold(quantile, slot, pq_vector_count(v, n));
	if (slot->members == NULL)
	{
		pq_charge(quantile->op.exec, slot->nbuckets * sizeof(Member));
		slot->members = MemoryContextAllocHuge(slot->context,
											   slot->nbuckets * sizeof(Member));
	}
	Assert(slot->nmembers < slot->nbuckets);
	pq_charge(quantile->op.exec, n * sizeof(double) + words);
	member = &slot->members[slot->nmembers++];
	member->upper = upper;
	member->values = MemoryContextAllocHuge(slot->context, n * sizeof(double));
	memcpy(member->values, v->values, n * sizeof(double));
	member->present = MemoryContextAlloc(slot->context, words);
	memcpy(member->present, v->present, words);
	for (uint32 i = 0; v->histograms != NULL && i < n; i++)
	{
		if (v->histograms[i] != NULL)
			member->present[i / 64] &= ~(UINT64CONST(1) << (i % 64));
	}
}

static bool
has_float(const PqVector *v, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		if (pq_has(v, i) && pq_histogram(v, i) == NULL)
			return true;
	}
	return false;
}

static void
read_one(QuantileOperator *quantile)
{
	uint32 n = quantile->op.steps.n;
	uint32 place = quantile->read++;
	const Source *source = &quantile->sources[place];
	Slot *native = &quantile->slots[source->native];
	PqVector *v = &quantile->current;

	pq_next(quantile->input, v);
	if (source->bucket != NO_SLOT)
		keep_bucket(quantile, &quantile->slots[source->bucket], source->upper, v);
	else if (has_float(v, n))
	{
		TsString labels = quantile->input->series[place].labels;

		call_warn_bad_bucket(quantile, labels, pq_labels_value(labels, BUCKET_LABEL));
	}
	if (native->nbuckets > 0)
	{
		hold(quantile, native, pq_vector_count(v, n));
		pq_vector_copy(&quantile->op, v, n, native->context, &native->native);
	}
}

static int
compare_bounds(const void *a, const void *b)
{
	double left = ((const Member *) a)->upper;
	double right = ((const Member *) b)->upper;

	/* A bound that is NaN has no place; first, it leaves +Inf the last one. */
	if (isnan(left) || isnan(right))
		return isnan(right) - isnan(left);
	return left < right ? -1 : left > right;
}

/* ---- the operator ---- */

static void
quantile_open(PqOperator *op)
{
	QuantileOperator *quantile = (QuantileOperator *) op;
	PqFunctionId id = call_id(op->node);
	int first = id == PQ_FN_HISTOGRAM_QUANTILES ? 2 : 0;

	pq_open(quantile->input);
	quantile->scalars = pq_alloc(op, quantile->nscalars * sizeof(double *));
	for (int k = 0; k < quantile->nscalars; k++)
		quantile->scalars[k] = pq_scalar(op->children[k + 1]);
	if (id != PQ_FN_HISTOGRAM_FRACTION)
		call_check_quantiles(quantile, first);
	if (id == PQ_FN_HISTOGRAM_QUANTILES)
		find_texts(quantile);
	else
		quantile->ntexts = 1;
	find_sources(quantile);
	order_slots(quantile);
	list_series(quantile);
}

static void
quantile_next(PqOperator *op, PqVector *out)
{
	QuantileOperator *quantile = (QuantileOperator *) op;
	uint32 text = quantile->next % quantile->ntexts;
	Slot *slot = &quantile->slots[quantile->order[quantile->next / quantile->ntexts]];

	if (quantile->given != NULL)
		release(quantile, quantile->given);
	quantile->given = NULL;
	while (quantile->read <= slot->last)
		read_one(quantile);
	if (text == 0 && slot->nmembers > 1)
		qsort(slot->members, slot->nmembers, sizeof(Member), compare_bounds);

	pq_vector_init(op, out, op->steps.n);
	call_estimate(quantile, slot, text, out);
	quantile->next++;
	if (text == quantile->ntexts - 1)
		quantile->given = slot;
	if (quantile->next == op->nseries)
		call_tell_repairs(quantile);
}

static void
quantile_close(PqOperator *op)
{
	QuantileOperator *quantile = (QuantileOperator *) op;

	for (uint32 i = 0; i < quantile->nslots; i++)
		release(quantile, &quantile->slots[i]);
	quantile->nslots = 0;
}

static const PqMethods quantile_methods = {
	.name = "Histogram Quantile",
	.open = quantile_open,
	.next = quantile_next,
	.close = quantile_close,
	.explain = call_explain,
};

/* The child 0 is the vector, the others are the scalars. */
PqOperator *
call_plan_quantile(PqExec *exec, const PqNode *node, const PqSteps *steps,
				   const PqNeeds *needs)
{
	bool several = call_id(node) == PQ_FN_HISTOGRAM_QUANTILES;
	int nargs = node->u.call.nargs;
	int input_arg = several ? 0 : nargs - 1;
	int nscalars = several ? nargs - 2 : nargs - 1;
	PqOperator *op = pq_operator(exec, sizeof(QuantileOperator), &quantile_methods, node,
								 steps, nscalars + 1);
	QuantileOperator *quantile = (QuantileOperator *) op;

	if (several)
		call_check_label(exec, node, node->u.call.args[1], "quantile");
	quantile->input_arg = input_arg;
	quantile->nscalars = nscalars;
	for (int k = 0; k < nscalars; k++)
		op->children[k + 1] = pq_plan(exec, node->u.call.args[several ? k + 2 : k], steps,
									  NULL);
	quantile->input = op->children[0] = pq_plan(exec, node->u.call.args[input_arg], steps,
												NULL);
	return call_dropping_names(exec, op);
}
