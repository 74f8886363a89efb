/*
 * aggregate_quantile.c
 *	  quantile: of the floats of each group at each step.
 *
 * A quantile needs all values at once: those of a group are kept as rows, one per series,
 * until the input is read; then a few steps at a time are gathered into columns.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/float.h"

#include "aggregate.h"
#include "binary.h"
#include "range_kernels.h"

#define COLUMNS 16 /* steps that are gathered at a time */

typedef struct Row
{
	uint64 *present;
	double *values;
} Row;

typedef struct Quantile
{
	PqOperator base;
	PqGrouping grouping;
	PqParameter q;
	bool loaded;
	Row **rows; /* of each group */
	uint32 *nrows;
	double *columns;
	int64 samples; /* held */
} Quantile;

static void
warn_quantile(PqOperator *op, double q)
{
	char text[PROMQL_FLOAT_SIZE];

	promql_write_short_float(q, text);
	pq_warn(op->exec, pq_parameter_position(op->node),
			"quantile value should be between 0 and 1, got %s", text);
}

static void
open_quantile(PqOperator *op)
{
	Quantile *self = (Quantile *) op;
	PqGrouping *grouping = &self->grouping;

	pq_open_parameter(op, &self->q);
	if (self->q.nan)
		warn_quantile(op, get_float8_nan());
	if (self->q.most > 1)
		warn_quantile(op, self->q.most);
	if (self->q.least < 0)
		warn_quantile(op, self->q.least);
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

static void
keep_row(Quantile *self, uint32 g, const PqVector *v, const uint64 *floats)
{
	PqOperator *op = &self->base;
	Size words = PQ_WORDS(op->steps.n) * sizeof(uint64);
	PqVector kept = {.present = unconstify(uint64 *, floats)};
	uint32 count = pq_vector_count(&kept, op->steps.n);
	Row *row;

	if (count == 0)
		return;
	pq_hold_samples(op->exec, count);
	self->samples += count;
	if (self->rows[g] == NULL)
		self->rows[g] = pq_alloc(op, self->grouping.size[g] * sizeof(Row));
	row = &self->rows[g][self->nrows[g]++];
	row->present = pq_alloc(op, words);
	row->values = pq_alloc(op, op->steps.n * sizeof(double));
	memcpy(row->present, floats, words);
	memcpy(row->values, v->values, op->steps.n * sizeof(double));
}

static void
load(Quantile *self)
{
	PqOperator *op = &self->base;
	PqOperator *child = op->children[0];
	uint32 largest = 0;
	bool ignored = false;

	self->rows = pq_alloc0(op, self->grouping.ngroups * sizeof(Row *));
	self->nrows = pq_alloc0(op, self->grouping.ngroups * sizeof(uint32));
	for (uint32 i = 0; i < child->nseries; i++)
	{
		PqVector v;
		bool some;
		const uint64 *floats;

		pq_next(child, &v);
		floats = pq_float_steps(op, &v, &some);
		ignored |= some;
		keep_row(self, self->grouping.group[i], &v, floats);
		largest = Max(largest, self->nrows[self->grouping.group[i]]);
	}
	self->columns = pq_alloc(op, (Size) largest * COLUMNS * sizeof(double));
	if (ignored)
		pq_ignored_histogram(op, pq_aggregated_position(op->node));
	self->loaded = true;
}

/* The quantiles of some steps, which begin at `from`. */
static void
compute_columns(Quantile *self, uint32 g, uint32 from, PqVector *out)
{
	uint32 n = Min(self->base.steps.n - from, COLUMNS);
	uint32 nrows = self->nrows[g];
	uint32 counts[COLUMNS] = {0};

	for (uint32 r = 0; r < nrows; r++)
	{
		const Row *row = &self->rows[g][r];

		for (uint32 j = 0; j < n; j++)
		{
			uint32 i = from + j;

			if (row->present[i / 64] >> (i % 64) & 1)
				self->columns[(Size) j * nrows + counts[j]++] = row->values[i];
		}
	}
	for (uint32 j = 0; j < n; j++)
	{
		if (counts[j] == 0)
			continue;
		pq_set(out, from + j);
		out->values[from + j] = pq_range_quantile_of(self->columns + (Size) j * nrows,
													 counts[j], self->q.values[from + j]);
	}
}

static void
next_quantile(PqOperator *op, PqVector *out)
{
	Quantile *self = (Quantile *) op;

	if (!self->loaded)
		load(self);
	pq_vector_init(op, out, op->steps.n);
	for (uint32 from = 0; from < op->steps.n; from += COLUMNS)
	{
		CHECK_FOR_INTERRUPTS();
		compute_columns(self, op->given, from, out);
	}
}

static void
close_quantile(PqOperator *op)
{
	Quantile *self = (Quantile *) op;

	pq_hold_samples(op->exec, -self->samples);
	self->samples = 0;
}

static const PqMethods quantile_methods = {
	.name = "Quantile",
	.open = open_quantile,
	.next = next_quantile,
	.close = close_quantile,
	.explain = pq_explain_grouping,
};

PqOperator *
pq_plan_quantile(PqExec *exec, const PqNode *node, const PqSteps *steps)
{
	return pq_aggregate_operator(exec, sizeof(Quantile), &quantile_methods, node, steps,
								 pq_group_needs(exec, node));
}
