/*
 * aggregate_reduce.c
 *	  sum, avg, count, min, max, group, stddev, stdvar: a value per group and step.
 *
 * The input is streamed: a series' row is added to its group's accumulator, whose arrays
 * are parts of arrays of all groups. Groups are finished one by one as they are given.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "aggregate.h"
#include "binary_kernel.h"

/* What an aggregation does and needs. */
typedef struct Reduction
{
	PqAddKernel add;
	bool value;
	bool comp;
	bool count;
	bool mean;
	bool incremental;
	bool takes_histograms; /* as samples like others; sum and avg are special */
} Reduction;

static const Reduction reductions[] = {
	[PQ_AGG_SUM] = {pq_kernel_sum, .value = true, .comp = true},
	[PQ_AGG_AVG] = {pq_kernel_avg, .value = true, .comp = true, .count = true,
					.incremental = true},
	[PQ_AGG_COUNT] = {pq_kernel_count, .count = true, .takes_histograms = true},
	[PQ_AGG_MIN] = {pq_kernel_min, .value = true},
	[PQ_AGG_MAX] = {pq_kernel_max, .value = true},
	[PQ_AGG_GROUP] = {pq_kernel_group, .value = true, .takes_histograms = true},
	[PQ_AGG_STDDEV] = {pq_kernel_stddev, .value = true, .count = true, .mean = true},
	[PQ_AGG_STDVAR] = {pq_kernel_stddev, .value = true, .count = true, .mean = true},
};

typedef struct Reduce
{
	PqOperator base;
	PqAggregateOp kind;
	const Reduction *reduction;
	PqGrouping grouping;
	bool loaded;
	PqAccumulator all;             /* arrays of all groups, one behind the other */
	PqHistogramGroup **histograms; /* of sum and avg */
	int64 samples;                 /* held */
} Reduce;

static void
open_reduce(PqOperator *op)
{
	Reduce *self = (Reduce *) op;
	PqGrouping *grouping = &self->grouping;

	pq_open(op->children[0]);
	pq_group_series(op, grouping);
	op->nseries = grouping->ngroups;
	op->series = pq_alloc(op, op->nseries * sizeof(PqSeries));
	for (uint32 g = 0; g < op->nseries; g++)
	{
		op->series[g].labels = pq_labels_of(grouping->map, g);
		op->series[g].drop_name = grouping->drop_name[g];
	}
}

static double *
doubles(PqOperator *op, bool wanted, Size count)
{
	return wanted ? pq_alloc(op, count * sizeof(double)) : NULL;
}

static void
make_accumulators(Reduce *self)
{
	PqOperator *op = &self->base;
	const Reduction *reduction = self->reduction;
	Size groups = self->grouping.ngroups;
	Size cells = groups * op->steps.n;
	Size bits = groups * PQ_WORDS(op->steps.n) * sizeof(uint64);

	self->samples = (int64) cells;
	pq_hold_samples(op->exec, self->samples);
	self->all.seen = pq_alloc0(op, bits);
	self->all.value = doubles(op, reduction->value, cells);
	self->all.comp = doubles(op, reduction->comp, cells);
	self->all.count = doubles(op, reduction->count, cells);
	self->all.mean = doubles(op, reduction->mean, cells);
	if (reduction->incremental)
		self->all.incremental = pq_alloc0(op, bits);
	if (self->kind == PQ_AGG_SUM || self->kind == PQ_AGG_AVG)
		self->histograms = pq_alloc0(op, groups * sizeof(PqHistogramGroup *));
}

static PqAccumulator
accumulator(const Reduce *self, uint32 g)
{
	const PqAccumulator *all = &self->all;
	Size cell = (Size) g * self->base.steps.n;
	Size word = (Size) g * PQ_WORDS(self->base.steps.n);
	PqAccumulator a = {
		.seen = all->seen + word,
		.value = all->value ? all->value + cell : NULL,
		.comp = all->comp ? all->comp + cell : NULL,
		.count = all->count ? all->count + cell : NULL,
		.mean = all->mean ? all->mean + cell : NULL,
		.incremental = all->incremental ? all->incremental + word : NULL,
	};

	return a;
}

static void
load(Reduce *self)
{
	PqOperator *op = &self->base;
	PqOperator *child = op->children[0];
	bool ignored = false;

	make_accumulators(self);
	for (uint32 i = 0; i < child->nseries; i++)
	{
		uint32 g = self->grouping.group[i];
		PqAccumulator a = accumulator(self, g);
		const uint64 *steps;
		PqVector v;

		pq_next(child, &v);
		if (self->histograms)
			steps = pq_add_histograms(op, &self->histograms[g], a.seen, &v,
									  child->series[i].labels);
		else if (self->reduction->takes_histograms)
			steps = v.present;
		else
		{
			bool some;

			steps = pq_float_steps(op, &v, &some);
			ignored |= some;
		}
		self->reduction->add(&a, v.values, steps, op->steps.n);
		if (steps != v.present)
			MemoryContextReset(op->row);
	}
	if (ignored)
		pq_ignored_histogram(op, pq_aggregated_position(op->node));
	self->loaded = true;
}

static void
next_reduce(PqOperator *op, PqVector *out)
{
	Reduce *self = (Reduce *) op;
	uint32 n = op->steps.n;
	uint32 g = op->given;
	PqAccumulator a;

	if (!self->loaded)
		load(self);
	a = accumulator(self, g);
	switch (self->kind)
	{
		case PQ_AGG_SUM:
			pq_kernel_finish_sum(&a, n);
			break;
		case PQ_AGG_AVG:
			pq_kernel_finish_avg(&a, n);
			break;
		case PQ_AGG_COUNT:
			a.value = a.count;
			break;
		case PQ_AGG_GROUP:
			pq_kernel_fill(a.value, 1, n);
			break;
		case PQ_AGG_STDDEV:
		case PQ_AGG_STDVAR:
			pq_kernel_finish_variance(&a, self->kind == PQ_AGG_STDDEV, n);
			break;
		default:
			break;
	}
	out->present = a.seen;
	out->values = a.value;
	out->histograms = NULL;
	if (self->histograms && self->histograms[g])
		pq_finish_histograms(op, self->histograms[g], self->kind == PQ_AGG_AVG, out);
}

static void
close_reduce(PqOperator *op)
{
	Reduce *self = (Reduce *) op;

	pq_hold_samples(op->exec, -self->samples);
	self->samples = 0;
}

static void
explain_reduce(PqOperator *op, PqExplain *to)
{
	pq_explain_grouping(op, to);
	if (op->opened)
		pq_explain_number(to, "Groups", ((Reduce *) op)->grouping.ngroups, 0);
}

static const PqMethods reduce_methods = {
	.name = "Aggregate",
	.open = open_reduce,
	.next = next_reduce,
	.close = close_reduce,
	.explain = explain_reduce,
};

PqOperator *
pq_plan_reduction(PqExec *exec, const PqNode *node, const PqSteps *steps)
{
	Reduce *self = (Reduce *) pq_aggregate_operator(
		exec, sizeof(Reduce), &reduce_methods, node, steps, pq_group_needs(exec, node));

	self->kind = node->u.aggregate.op;
	Assert((Size) self->kind < lengthof(reductions));
	self->reduction = &reductions[self->kind];
	return &self->base;
}
