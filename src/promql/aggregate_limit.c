/*
 * aggregate_limit.c
 *	  limitk and limit_ratio: some of the series of each group, as they come.
 *
 * limitk takes a step's values from the first series that have one. limit_ratio decides by
 * a hash of a series' labels alone, the very one by which Prometheus decides, so that both
 * choose the same series; what it never chooses is not listed.
 */
#include "postgres.h"

#include <math.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "aggregate.h"
#include "binary.h"

/* ---- limitk ---- */

/* Raises an error for a k that has no meaning; false: there is no result at any step. */
static bool
check_count(PqOperator *op, const PqParameter *parameter)
{
	char text[PROMQL_FLOAT_SIZE];

	if (parameter->most < 1)
		return false;
	if (parameter->nan)
		pq_fail(op->exec, pq_parameter_position(op->node), ERRCODE_DATA_EXCEPTION,
				"Parameter value is NaN");
	if (parameter->least <= (double) PG_INT64_MIN)
	{
		promql_write_short_float(parameter->least, text);
		pq_fail(op->exec, pq_parameter_position(op->node), ERRCODE_DATA_EXCEPTION,
				"Scalar value %s underflows int64", text);
	}
	if (parameter->most >= 9223372036854774784.0) /* the largest double below 2^63 */
	{
		promql_write_short_float(parameter->most, text);
		pq_fail(op->exec, pq_parameter_position(op->node), ERRCODE_DATA_EXCEPTION,
				"Scalar value %s overflows int64", text);
	}
	return true;
}

uint32 *
pq_open_counts(PqOperator *op)
{
	PqParameter parameter;
	uint32 *counts;

	pq_open_parameter(op, &parameter);
	if (!check_count(op, &parameter))
		return NULL;
	counts = pq_alloc(op, op->steps.n * sizeof(uint32));
	for (uint32 i = 0; i < op->steps.n; i++)
		counts[i] = parameter.values[i] < 1
						? 0
						: (uint32) Min(parameter.values[i], (double) PG_UINT32_MAX);
	return counts;
}

typedef struct LimitK
{
	PqOperator base;
	PqGrouping grouping;
	uint32 *k;     /* at each step */
	uint32 *taken; /* group x step */
} LimitK;

static void
open_limitk(PqOperator *op)
{
	LimitK *self = (LimitK *) op;
	PqOperator *child = op->children[0];

	self->k = pq_open_counts(op);
	pq_open(child);
	if (self->k == NULL)
		return;
	pq_group_series(op, &self->grouping);
	op->series = child->series;
	op->nseries = child->nseries;
	self->taken = pq_alloc0(op,
							(Size) self->grouping.ngroups * op->steps.n * sizeof(uint32));
}

static void
next_limitk(PqOperator *op, PqVector *out)
{
	LimitK *self = (LimitK *) op;
	uint32 n = op->steps.n;
	uint32 *taken = self->taken + (Size) self->grouping.group[op->given] * n;

	pq_next(op->children[0], out);
	for (uint32 w = 0; w < PQ_WORDS(n); w++)
	{
		for (uint64 bits = out->present[w]; bits; bits &= bits - 1)
		{
			uint32 i = w * 64 + (uint32) __builtin_ctzll(bits);

			if (taken[i] < self->k[i])
				taken[i]++;
			else
				pq_unset(out, i);
		}
	}
}

static const PqMethods limitk_methods = {
	.name = "Limit",
	.open = open_limitk,
	.next = next_limitk,
	.explain = pq_explain_grouping,
};

/* ---- limit_ratio ---- */

typedef struct LimitRatio
{
	PqOperator base;
	PqParameter ratio;
	double *offsets; /* of each series of the input, from 0 to 1 */
	bool *listed;
	uint32 next; /* series of the input */
} LimitRatio;

static void
append_string(char **to, TsString string)
{
	if (string.len < 255)
		*(*to)++ = (char) string.len;
	else
	{
		*(*to)++ = (char) 255;
		for (int shift = 0; shift < 24; shift += 8)
			*(*to)++ = (char) (string.len >> shift);
	}
	memcpy(*to, string.data, string.len);
	*to += string.len;
}

/*
 * Labels as Prometheus holds them, hashed as it hashes them: names and values in
 * turn, each after its length, which is a byte or, from 255 on, that byte and three.
 */
static double
sample_offset(TsString labels)
{
	char *bytes = palloc(labels.len + 8 * labels_count(labels.data, labels.len));
	char *to = bytes;
	LabelsIter iter;
	LabelsPair pair;
	uint64 hash;

	labels_iter_init(&iter, labels.data, labels.len);
	while (labels_iter_next(&iter, &pair))
	{
		append_string(&to, pair.name);
		append_string(&to, pair.value);
	}
	hash = XXH64(bytes, (size_t) (to - bytes), 0);
	pfree(bytes);
	return (double) hash / (double) PG_UINT64_MAX;
}

static inline bool
is_sampled(double ratio, double offset)
{
	ratio = Max(-1.0, Min(1.0, ratio));
	return ratio >= 0 ? offset < ratio : offset >= 1.0 + ratio;
}

static void
warn_ratio(PqOperator *op, double ratio, const char *cap)
{
	char text[PROMQL_FLOAT_SIZE];

	promql_write_short_float(ratio, text);
	pq_warn(op->exec, pq_parameter_position(op->node),
			"ratio value should be between -1 and 1, got %s, capping to %s", text, cap);
}

static void
open_limit_ratio(PqOperator *op)
{
	LimitRatio *self = (LimitRatio *) op;
	PqParameter *ratio = &self->ratio;
	PqOperator *child = op->children[0];

	pq_open_parameter(op, ratio);
	pq_open(child);
	if (ratio->least == 0 && ratio->most == 0)
		return;
	if (ratio->nan)
		pq_fail(op->exec, pq_parameter_position(op->node), ERRCODE_DATA_EXCEPTION,
				"Ratio value is NaN");
	if (ratio->most > 1)
		warn_ratio(op, ratio->most, "1");
	if (ratio->least < -1)
		warn_ratio(op, ratio->least, "-1");
	self->offsets = pq_alloc(op, child->nseries * sizeof(double));
	self->listed = pq_alloc(op, child->nseries * sizeof(bool));
	op->series = pq_alloc(op, child->nseries * sizeof(PqSeries));
	for (uint32 i = 0; i < child->nseries; i++)
	{
		double offset = self->offsets[i] = sample_offset(child->series[i].labels);

		self->listed[i] = (ratio->most > 0 && is_sampled(ratio->most, offset)) ||
						  (ratio->least < 0 && is_sampled(ratio->least, offset));
		if (self->listed[i])
			op->series[op->nseries++] = child->series[i];
	}
}

static void
next_limit_ratio(PqOperator *op, PqVector *out)
{
	LimitRatio *self = (LimitRatio *) op;
	bool constant = self->ratio.least == self->ratio.most;
	uint32 series;

	do
	{
		series = self->next++;
		pq_next(op->children[0], out);
	} while (!self->listed[series]);
	for (uint32 i = 0; !constant && i < op->steps.n; i++)
		if (!is_sampled(self->ratio.values[i], self->offsets[series]))
			pq_unset(out, i);
}

static const PqMethods limit_ratio_methods = {
	.name = "Limit",
	.open = open_limit_ratio,
	.next = next_limit_ratio,
	.explain = pq_explain_grouping,
};

/* ---- planning ---- */

PqOperator *
pq_plan_limit(PqExec *exec, const PqNode *node, const PqSteps *steps,
			  const PqNeeds *needs)
{
	/* A hash is of all labels. */
	if (node->u.aggregate.op == PQ_AGG_LIMIT_RATIO)
		return pq_aggregate_operator(exec, sizeof(LimitRatio), &limit_ratio_methods, node,
									 steps, NULL);
	needs = node->u.aggregate.without
				? NULL
				: pq_needs_more(exec, needs, &node->u.aggregate.labels);
	return pq_aggregate_operator(exec, sizeof(LimitK), &limitk_methods, node, steps,
								 needs);
}
