/*
 * binary_join.c
 *	  Arithmetic and comparisons of two vectors: reads the sides and computes the results.
 *
 * What the language forbids, two values where one is wanted, is an error only at steps
 * where it happens. Errors are raised when the second value is met.
 */
#include "postgres.h"

#include "binary_match.h"

/* ---- bits ---- */

static bool
any_bit(const uint64 *bits, uint32 words)
{
	uint64 any = 0;

	for (uint32 w = 0; w < words; w++)
		any |= bits[w];
	return any != 0;
}

static bool
overlap(const uint64 *a, const uint64 *b, uint32 words)
{
	uint64 both = 0;

	for (uint32 w = 0; w < words; w++)
		both |= a[w] & b[w];
	return both != 0;
}

static void
add_bits(uint64 *to, const uint64 *bits, uint32 words)
{
	for (uint32 w = 0; w < words; w++)
		to[w] |= bits[w];
}

static uint64 *
new_bits(PqMatch *self)
{
	return pq_alloc0(&self->base, self->words * sizeof(uint64));
}

static void
new_row(PqMatch *self, PqVector *row)
{
	row->present = new_bits(self);
	row->values = pq_alloc0(&self->base, self->binary.n * sizeof(double));
	row->histograms = NULL;
}

/* Puts the values of these steps into a row that is kept. */
static void
keep_values(PqMatch *self, PqVector *row, const PqVector *from, const uint64 *steps)
{
	PqOperator *op = &self->base;
	TsAllocator kept = pq_allocator(&op->context_place);

	if (row->present == NULL)
		new_row(self, row);
	if (from->histograms && row->histograms == NULL)
		row->histograms = pq_alloc0(op, self->binary.n * sizeof(TsHistogram *));
	for (uint32 w = 0; w < self->words; w++)
	{
		for (uint64 bits = steps[w]; bits; bits &= bits - 1)
		{
			uint32 i = w * 64 + (uint32) __builtin_ctzll(bits);
			const TsHistogram *h = pq_histogram(from, i);

			row->values[i] = from->values[i];
			if (row->histograms == NULL)
				continue;
			row->histograms[i] = h ? ts_histogram_copy(h, &kept) : NULL;
			if (h && row->histograms[i] == NULL)
				ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
		}
		row->present[w] |= steps[w];
	}
}

/* ---- the one side ---- */

static void
raise_duplicate(const PqMatch *self)
{
	TsString labels = self->one->series[self->duplicate_second].labels;

	pq_fail(
		self->base.exec, self->base.node->start, ERRCODE_DATA_EXCEPTION,
		"found duplicate series for the match group %s on the %s hand-side of the "
		"operation: [%s, %s];many-to-many matching not allowed: matching labels must be "
		"unique on one side",
		pq_labels_text(pq_match_group(self->matching, labels, CurrentMemoryContext)),
		self->swapped ? "left" : "right", pq_labels_text(labels),
		pq_labels_text(self->one->series[self->duplicate_first].labels));
}

/* Duplicates are wrong where the many side has any value at all, or is filled. */
static void
check_duplicates(const PqMatch *self, const uint64 *present)
{
	if (self->duplicate && overlap(self->duplicate, present, self->words))
		raise_duplicate(self);
}

static void
note_duplicates(PqMatch *self, const PqMatchGroup *group, uint32 series,
				const PqVector *v)
{
	if (!overlap(group->one.present, v->present, self->words))
		return;
	if (self->duplicate == NULL)
	{
		uint32 i = 0;

		while (!(pq_has(&group->one, i) && pq_has(v, i)))
			i++;
		self->duplicate = new_bits(self);
		self->duplicate_first = group->which[i];
		self->duplicate_second = series;
	}
	for (uint32 w = 0; w < self->words; w++)
		self->duplicate[w] |= group->one.present[w] & v->present[w];
	if (self->matching->fill_left || self->matching->fill_right)
		raise_duplicate(self);
}

static void
load_series(PqMatch *self, PqMatchGroup *group, uint32 series, const PqVector *v)
{
	if (!any_bit(v->present, self->words))
		return;
	if (group->ones > 1)
	{
		if (group->which == NULL)
			group->which = pq_alloc(&self->base, self->binary.n * sizeof(uint32));
		if (group->one.present)
			note_duplicates(self, group, series, v);
		for (uint32 i = 0; i < self->binary.n; i++)
			if (pq_has(v, i))
				group->which[i] = series;
	}
	keep_values(self, &group->one, v, v->present);
	self->samples += pq_vector_count(v, self->binary.n);
	pq_hold_samples(self->base.exec, pq_vector_count(v, self->binary.n));
}

static void
load_one_side(PqMatch *self)
{
	bool one_to_one = self->matching->cardinality == PQ_ONE_TO_ONE;

	for (uint32 i = 0; i < self->one->nseries; i++)
	{
		PqMatchGroup *group = &self->groups[self->one_group[i]];
		PqVector v;

		pq_next(self->one, &v);
		if (group->manys > 0 || group->ones > 1 || self->matching->fill_left)
			load_series(self, group, i, &v);
	}
	for (uint32 g = 0; g < self->ngroups; g++)
		if (self->matching->fill_left || (one_to_one && self->groups[g].manys > 1))
			self->groups[g].matched = new_bits(self);
	self->mask = new_bits(self);
	self->matched = new_bits(self);
	self->loaded = true;
}

/* ---- computing ---- */

/*
 * The one side's values for these steps, with the fill value where it has none. Sets mask
 * to the steps where there is a partner.
 */
static const PqVector *
find_partner(PqMatch *self, const PqMatchGroup *group, const uint64 *present)
{
	const PqVector *one = &group->one;
	bool lacks = false;

	for (uint32 w = 0; w < self->words; w++)
	{
		uint64 has = one->present ? one->present[w] : 0;

		self->mask[w] = self->matching->fill_right ? present[w] : present[w] & has;
		lacks |= (self->mask[w] & ~has) != 0;
	}
	if (!lacks)
		return one;
	if (self->partner.present == NULL)
		new_row(self, &self->partner);
	pq_kernel_fill(self->partner.values, self->matching->fill_right_value,
				   self->binary.n);
	self->partner.histograms = NULL;
	if (one->present == NULL)
		return &self->partner;
	if (one->histograms)
		self->partner.histograms = pq_row_alloc0(&self->base,
												 self->binary.n * sizeof(TsHistogram *));
	for (uint32 i = 0; i < self->binary.n; i++)
	{
		if (!pq_has(one, i))
			continue;
		self->partner.values[i] = one->values[i];
		if (one->histograms)
			self->partner.histograms[i] = one->histograms[i];
	}
	return &self->partner;
}

static void
compute(PqMatch *self, const PqVector *many, const PqVector *one, PqVector *out)
{
	pq_binary_compute(&self->binary, self->swapped ? one : many,
					  self->swapped ? many : one, self->mask, out, self->matched);
}

/* Computes the group's values without a partner, of the steps of mask, into work. */
static void
compute_fill(PqMatch *self, const PqMatchGroup *group)
{
	if (self->filler.values == NULL)
	{
		self->filler.values = pq_alloc(&self->base, self->binary.n * sizeof(double));
		pq_kernel_fill(self->filler.values, self->matching->fill_left_value,
					   self->binary.n);
		new_row(self, &self->work);
	}
	compute(self, &self->filler, &group->one, &self->work);
}

/* Adds, to a result that is streamed, what its group has without a partner. */
static void
add_fill(PqMatch *self, const PqMatchGroup *group, PqVector *out)
{
	if (group->one.present == NULL)
		return;
	for (uint32 w = 0; w < self->words; w++)
		self->mask[w] = group->one.present[w] & ~self->matched[w];
	if (!any_bit(self->mask, self->words))
		return;
	compute_fill(self, group);
	if (self->work.histograms && out->histograms == NULL)
		out->histograms = pq_row_alloc0(&self->base,
										self->binary.n * sizeof(TsHistogram *));
	for (uint32 i = 0; i < self->binary.n; i++)
	{
		if (!pq_has(&self->work, i))
			continue;
		pq_set(out, i);
		out->values[i] = self->work.values[i];
		if (out->histograms)
			out->histograms[i] = pq_histogram(&self->work, i);
	}
}

/* ---- held results ---- */

/* Adds what was computed for these steps; self->matched says where partners met. */
static void
hold(PqMatch *self, PqMatchResult *result, const PqVector *computed, const uint64 *steps)
{
	uint64 *kept = palloc(self->words * sizeof(uint64));
	uint64 *met = palloc(self->words * sizeof(uint64));

	for (uint32 w = 0; w < self->words; w++)
	{
		met[w] = self->matched[w] & steps[w];
		kept[w] = computed->present[w] & steps[w];
	}
	if (!result->mixed && result->contributors > 1)
	{
		if (result->seen == NULL)
			result->seen = new_bits(self);
		if (overlap(result->seen, met, self->words))
			pq_fail(self->base.exec, self->base.node->start, ERRCODE_DATA_EXCEPTION,
					"multiple matches for labels: grouping labels must ensure unique "
					"matches");
		add_bits(result->seen, met, self->words);
	}
	if (result->value.present && overlap(result->value.present, kept, self->words))
		pq_fail(self->base.exec, self->base.node->start, ERRCODE_DATA_EXCEPTION,
				"vector cannot contain metrics with the same labelset");
	if (any_bit(kept, self->words))
		keep_values(self, &result->value, computed, kept);
	pfree(met);
	pfree(kept);
}

/* The steps at which a variant of this group's contributions applies. */
static uint64 *
steps_of(PqMatch *self, const PqMatchGroup *group, uint32 partner)
{
	uint64 *steps = palloc(self->words * sizeof(uint64));
	const uint64 *has = group->one.present;

	for (uint32 w = 0; w < self->words; w++)
	{
		if (self->matching->include.count == 0)
			steps[w] = ~UINT64CONST(0);
		else if (partner == PQ_NOBODY)
			steps[w] = has ? ~has[w] : ~UINT64CONST(0);
		else
			steps[w] = has ? has[w] : 0;
	}
	if (partner == PQ_NOBODY || group->which == NULL)
		return steps;
	for (uint32 i = 0; i < self->binary.n; i++)
		if (group->which[i] != partner)
			steps[i / 64] &= ~(UINT64CONST(1) << (i % 64));
	return steps;
}

/* ---- the many side ---- */

/*
 * Reads the next series of the many side. True if its result is streamed: then it is in
 * *out, in arrays of the many side.
 */
static bool
read_many(PqMatch *self, PqVector *out)
{
	uint32 m = self->next_many++;
	uint32 from = self->first_variant[m];
	uint32 to = self->first_variant[m + 1];
	PqMatchGroup *group = &self->groups[self->many_group[m]];
	PqMatchResult *result;
	const PqVector *partner;
	PqVector v;

	pq_next(self->many, &v);
	check_duplicates(self, v.present);
	if (from == to)
		return false;
	partner = find_partner(self, group, v.present);
	*out = v;
	if (partner->present)
		compute(self, &v, partner, out);
	else
	{
		memset(out->present, 0, self->words * sizeof(uint64));
		memset(self->matched, 0, self->words * sizeof(uint64));
	}
	if (group->matched)
	{
		if (self->matching->cardinality == PQ_ONE_TO_ONE &&
			overlap(group->matched, self->matched, self->words))
			pq_fail(self->base.exec, self->base.node->start, ERRCODE_DATA_EXCEPTION,
					"multiple matches for labels: many-to-one matching must be explicit "
					"(group_left/group_right)");
		add_bits(group->matched, self->matched, self->words);
	}
	result = &self->results[self->variants[from].result];
	if (!result->held)
	{
		Assert(to == from + 1);
		if (result->filled)
			add_fill(self, group, out);
		return true;
	}
	for (uint32 i = from; i < to; i++)
	{
		uint64 *steps = steps_of(self, group, self->variants[i].partner);

		hold(self, &self->results[self->variants[i].result], out, steps);
		pfree(steps);
	}
	return false;
}

static void
hold_fills(PqMatch *self)
{
	for (uint32 i = 0; i < self->nfills; i++)
	{
		const PqMatchFill *fill = &self->fills[i];
		PqMatchGroup *group = &self->groups[fill->group];
		PqMatchResult *result = &self->results[fill->result];
		uint64 *steps;

		if (!result->held || group->one.present == NULL)
			continue;
		steps = steps_of(self, group, fill->partner);
		for (uint32 w = 0; w < self->words; w++)
			self->mask[w] = steps[w] & group->one.present[w] & ~group->matched[w];
		pfree(steps);
		if (!any_bit(self->mask, self->words))
			continue;
		compute_fill(self, group);
		hold(self, result, &self->work, self->matched);
	}
}

/* Reads what is left of the many side; no streamed result is among it. */
static void
drain(PqMatch *self)
{
	PqVector v;

	while (self->next_many < self->many->nseries)
	{
		bool streamed = read_many(self, &v);

		Assert(!streamed);
		(void) streamed;
	}
	hold_fills(self);
	self->drained = true;
}

/* ---- the operator ---- */

static void
next_streamed(PqMatch *self, PqVector *out)
{
	PqOperator *op = &self->base;

	while (!read_many(self, out))
		;
	/* What is left can still be wrong. */
	if (op->given + 1 == op->nseries && self->duplicate)
	{
		PqVector copy;

		pq_vector_copy(op, out, self->binary.n, op->row, &copy);
		*out = copy;
		drain(self);
	}
}

static void
next_held(PqMatch *self, PqVector *out)
{
	PqOperator *op = &self->base;
	PqMatchResult *result;

	if (!self->drained)
		drain(self);
	result = &self->results[self->held_at[op->given]];
	if (result->value.present)
		*out = result->value;
	else
		pq_vector_init(op, out, self->binary.n);
}

void
pq_match_next(PqOperator *op, PqVector *out)
{
	PqMatch *self = (PqMatch *) op;

	if (!self->loaded)
		load_one_side(self);
	if (op->given < self->nstreamed)
		next_streamed(self, out);
	else
		next_held(self, out);
	if (op->given + 1 == op->nseries)
		pq_binary_annotate(&self->binary);
}

void
pq_match_check(PqMatch *self)
{
	load_one_side(self);
	if (self->duplicate)
		drain(self);
}

void
pq_match_close(PqOperator *op)
{
	PqMatch *self = (PqMatch *) op;

	pq_hold_samples(op->exec, -self->samples);
	self->samples = 0;
}
