/*
 * aggregate_topk.c
 *	  topk and bottomk: the k largest or smallest floats of each group at each step.
 *
 * The whole input is read in open: a heap of at most k values for each group and step is
 * all that is kept. So only series that were chosen are listed: of one step in order of
 * their values, of several in the order of the input.
 *
 * Which of equal values stay is as in Prometheus: heaps are the ones of Go's package. A NaN
 * gives way to any value.
 */
#include "postgres.h"

#include <math.h>

#include "aggregate.h"
#include "binary.h"

typedef struct Entry
{
	double value;
	uint32 series; /* of the input */
} Entry;

/* What was chosen of a series: its entries are at [first, first + count). */
typedef struct Chosen
{
	uint32 series;
	uint32 count;
	Size first;
} Chosen;

typedef struct TopK
{
	PqOperator base;
	bool bottom;
	PqGrouping grouping;
	uint32 *k;      /* at each step */
	uint32 *room;   /* of each group's heaps */
	Size *first;    /* of each group: in entries */
	Entry *entries; /* group x step x room */
	uint32 *counts; /* group x step */
	uint32 nchosen;
	Chosen *chosen; /* as listed */
	uint32 *steps;  /* of what was chosen, by series */
	double *values;
	int64 samples; /* held */
} TopK;

/* ---- heaps ---- */

/* Is a worse than b, so that it comes first? */
static inline bool
comes_first(const TopK *self, const Entry *a, const Entry *b)
{
	return isnan(a->value) || (self->bottom ? a->value > b->value : a->value < b->value);
}

static inline void
swap_entries(Entry *a, Entry *b)
{
	Entry t = *a;

	*a = *b;
	*b = t;
}

static void
sift_up(const TopK *self, Entry *entries, uint32 i)
{
	while (i > 0 && comes_first(self, &entries[i], &entries[(i - 1) / 2]))
	{
		swap_entries(&entries[i], &entries[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

static void
sift_down(const TopK *self, Entry *entries, uint32 count)
{
	uint32 i = 0;

	for (;;)
	{
		uint64 child = 2 * (uint64) i + 1;

		if (child >= count)
			break;
		if (child + 1 < count && comes_first(self, &entries[child + 1], &entries[child]))
			child++;
		if (!comes_first(self, &entries[child], &entries[i]))
			break;
		swap_entries(&entries[i], &entries[child]);
		i = (uint32) child;
	}
}

static void
offer(const TopK *self, Entry *entries, uint32 *count, uint32 k, Entry entry)
{
	if (*count < k)
	{
		entries[*count] = entry;
		sift_up(self, entries, (*count)++);
		return;
	}
	if (self->bottom ? entries[0].value > entry.value : entries[0].value < entry.value)
		;
	else if (!(isnan(entries[0].value) && !isnan(entry.value)))
		return;
	entries[0] = entry;
	sift_down(self, entries, *count);
}

/* ---- reading ---- */

static void
make_heaps(TopK *self)
{
	PqOperator *op = &self->base;
	PqGrouping *grouping = &self->grouping;
	uint32 n = op->steps.n;
	uint32 most = 0;
	Size place = 0;

	for (uint32 i = 0; i < n; i++)
		most = Max(most, self->k[i]);
	self->room = pq_alloc(op, grouping->ngroups * sizeof(uint32));
	self->first = pq_alloc(op, grouping->ngroups * sizeof(Size));
	for (uint32 g = 0; g < grouping->ngroups; g++)
	{
		self->room[g] = Min(most, grouping->size[g]);
		self->first[g] = place;
		place += (Size) self->room[g] * n;
	}
	self->entries = pq_alloc(op, place * sizeof(Entry));
	self->counts = pq_alloc0(op, (Size) grouping->ngroups * n * sizeof(uint32));
}

static inline Entry *
heap_at(const TopK *self, uint32 g, uint32 step)
{
	return self->entries + self->first[g] + (Size) step * self->room[g];
}

static inline uint32 *
count_at(const TopK *self, uint32 g, uint32 step)
{
	return &self->counts[(Size) g * self->base.steps.n + step];
}

/* Offers a series' values; true if there was a histogram where k is at least 1. */
static bool
offer_series(TopK *self, uint32 series, const PqVector *v)
{
	uint32 g = self->grouping.group[series];
	uint32 n = self->base.steps.n;
	bool histograms = false;

	for (uint32 w = 0; w < PQ_WORDS(n); w++)
	{
		for (uint64 bits = v->present[w]; bits; bits &= bits - 1)
		{
			uint32 i = w * 64 + (uint32) __builtin_ctzll(bits);
			Entry entry = {.value = v->values[i], .series = series};
			uint32 *count = count_at(self, g, i);
			uint32 before = *count;

			if (self->k[i] == 0)
				continue;
			if (pq_histogram(v, i))
			{
				histograms = true;
				continue;
			}
			offer(self, heap_at(self, g, i), count, self->k[i], entry);
			self->samples += *count - before;
		}
	}
	return histograms;
}

static void
read_input(TopK *self)
{
	PqOperator *op = &self->base;
	PqOperator *child = op->children[0];
	bool histograms = false;

	for (uint32 i = 0; i < child->nseries; i++)
	{
		int64 before = self->samples;
		PqVector v;

		pq_next(child, &v);
		histograms |= offer_series(self, i, &v);
		pq_hold_samples(op->exec, self->samples - before);
	}
	if (histograms)
		pq_ignored_histogram(op, op->node->start);
}

/* ---- what was chosen ---- */

static int
compare_entries(const void *a, const void *b, void *arg)
{
	const TopK *self = arg;
	const Entry *x = a;
	const Entry *y = b;

	if (isnan(x->value) || isnan(y->value))
		return isnan(x->value) - isnan(y->value);
	if (x->value == y->value)
		return 0;
	return (x->value > y->value) == self->bottom ? 1 : -1;
}

static void
list_chosen(TopK *self, uint32 series, uint32 count, Size first)
{
	PqOperator *op = &self->base;
	Chosen *chosen = &self->chosen[self->nchosen++];

	chosen->series = series;
	chosen->count = count;
	chosen->first = first;
	op->series[op->nseries++] = op->children[0]->series[series];
}

/* One step: in order of values. */
static void
list_sorted(TopK *self)
{
	Size place = 0;

	for (uint32 g = 0; g < self->grouping.ngroups; g++)
	{
		Entry *entries = heap_at(self, g, 0);
		uint32 count = *count_at(self, g, 0);

		qsort_arg(entries, count, sizeof(Entry), compare_entries, self);
		for (uint32 i = 0; i < count; i++)
		{
			self->steps[place] = 0;
			self->values[place] = entries[i].value;
			list_chosen(self, entries[i].series, 1, place++);
		}
	}
}

/* Several steps: by series, in the order of the input, and by step. */
static void
list_by_series(TopK *self, uint32 *counts)
{
	PqOperator *op = &self->base;
	uint32 ninput = op->children[0]->nseries;
	Size *next = pq_alloc(op, ninput * sizeof(Size));
	Size place = 0;

	for (uint32 i = 0; i < ninput; i++)
	{
		next[i] = place;
		if (counts[i] > 0)
			list_chosen(self, i, counts[i], place);
		place += counts[i];
	}
	for (uint32 g = 0; g < self->grouping.ngroups; g++)
	{
		for (uint32 i = 0; i < op->steps.n; i++)
		{
			const Entry *entries = heap_at(self, g, i);
			uint32 count = *count_at(self, g, i);

			for (uint32 j = 0; j < count; j++)
			{
				Size at = next[entries[j].series]++;

				self->steps[at] = i;
				self->values[at] = entries[j].value;
			}
		}
	}
	pfree(next);
}

static void
choose(TopK *self)
{
	PqOperator *op = &self->base;
	uint32 ninput = op->children[0]->nseries;
	uint32 *counts = pq_alloc0(op, ninput * sizeof(uint32));
	uint32 nchosen = 0;

	for (uint32 g = 0; g < self->grouping.ngroups; g++)
		for (uint32 i = 0; i < op->steps.n; i++)
			for (uint32 j = 0; j < *count_at(self, g, i); j++)
				nchosen += counts[heap_at(self, g, i)[j].series]++ == 0;
	self->chosen = pq_alloc(op, nchosen * sizeof(Chosen));
	op->series = pq_alloc(op, nchosen * sizeof(PqSeries));
	self->steps = pq_alloc(op, (Size) self->samples * sizeof(uint32));
	self->values = pq_alloc(op, (Size) self->samples * sizeof(double));
	if (op->steps.n == 1)
		list_sorted(self);
	else
		list_by_series(self, counts);
	Assert(self->nchosen == nchosen);
	pfree(counts);
	pfree(self->entries);
	pfree(self->counts);
}

/* ---- the operator ---- */

static void
open_topk(PqOperator *op)
{
	TopK *self = (TopK *) op;

	self->k = pq_open_counts(op);
	pq_open(op->children[0]);
	if (self->k == NULL)
		return;
	pq_group_series(op, &self->grouping);
	make_heaps(self);
	read_input(self);
	choose(self);
}

static void
next_topk(PqOperator *op, PqVector *out)
{
	TopK *self = (TopK *) op;
	const Chosen *chosen = &self->chosen[op->given];

	pq_vector_init(op, out, op->steps.n);
	for (Size i = chosen->first; i < chosen->first + chosen->count; i++)
	{
		pq_set(out, self->steps[i]);
		out->values[self->steps[i]] = self->values[i];
	}
}

static void
close_topk(PqOperator *op)
{
	TopK *self = (TopK *) op;

	pq_hold_samples(op->exec, -self->samples);
	self->samples = 0;
}

static const PqMethods topk_methods = {
	.name = "Top Values",
	.open = open_topk,
	.next = next_topk,
	.close = close_topk,
	.explain = pq_explain_grouping,
};

PqOperator *
pq_plan_topk(PqExec *exec, const PqNode *node, const PqSteps *steps, const PqNeeds *needs)
{
	TopK *self;

	needs = node->u.aggregate.without
				? NULL
				: pq_needs_more(exec, needs, &node->u.aggregate.labels);
	self = (TopK *) pq_aggregate_operator(exec, sizeof(TopK), &topk_methods, node, steps,
										  needs);
	self->bottom = node->u.aggregate.op == PQ_AGG_BOTTOMK;
	return &self->base;
}
