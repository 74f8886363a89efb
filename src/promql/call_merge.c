/*
 * call_merge.c
 *	  Series that lose their name, and series that got equal labels.
 *
 * Functions and operators may give two series the same labels. As long as only one of
 * them has a value at a time they are one series; two values at one time are an error.
 * While all labels differ, series pass through. A series that is made of several is given
 * when the last of them has been read; only such series are held.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "call.h"

/* A series made of several ones of the child. */
typedef struct MergedSeries
{
	uint32 left;           /* of the child's, how many are not read yet */
	bool single;           /* there is but one */
	MemoryContext context; /* holds the values; NULL: none read yet */
	PqVector values;
} MergedSeries;

typedef struct MergeOperator
{
	PqOperator op;
	bool keep_names;
	uint32 *which; /* for each series of the child; NULL: all labels differ */
	MergedSeries *merged;
	uint32 read;         /* series of the child */
	MergedSeries *given; /* the last one, whose values can go */
	int64 held;          /* samples */
} MergeOperator;

void
pq_drop_name(PqOperator *op, PqSeries *series)
{
	if (op->exec->delayed_name_removal)
		series->drop_name = true;
	else
		series->labels = pq_labels_drop_name(series->labels, op->context);
}

/* The child's series; names that are still to go go now, unless they are to stay. */
static PqSeries *
named_series(PqOperator *op, const PqOperator *child, bool keep_names)
{
	PqSeries *series = pq_alloc0(op, child->nseries * sizeof(PqSeries));

	for (uint32 i = 0; i < child->nseries; i++)
	{
		series[i] = child->series[i];
		if (!series[i].drop_name || keep_names)
			continue;
		series[i].labels = pq_labels_drop_name(series[i].labels, op->context);
		series[i].drop_name = false;
	}
	return series;
}

/* Lists the merged series in the order in which they will be complete. */
static void
list_series(MergeOperator *merge, PqOperator *child, uint32 count)
{
	PqOperator *op = &merge->op;
	uint32 place = 0;

	op->nseries = count;
	for (uint32 i = 0; i < child->nseries; i++)
	{
		MergedSeries *merged = &merge->merged[merge->which[i]];

		if (--merged->left == 0)
			op->series[place++] = op->series[i];
	}
	Assert(place == count);
	for (uint32 i = 0; i < child->nseries; i++)
		merge->merged[merge->which[i]].left++;
}

/*
 * Numbers the series by their labels, from 0 on; returns how many numbers there are. One
 * whose name is still to go is not equal to one whose name stays.
 */
static uint32
number_series(MergeOperator *merge)
{
	PqOperator *op = &merge->op;
	PqLabelsMap *staying = pq_labels_map(op->context);
	PqLabelsMap *going = merge->keep_names ? pq_labels_map(op->context) : staying;
	bool found;

	for (uint32 i = 0; i < op->nseries; i++)
	{
		const PqSeries *series = &op->series[i];

		merge->which[i] = pq_labels_number(series->drop_name ? going : staying,
										   series->labels, false, &found);
	}
	if (going == staying)
		return pq_labels_count(staying);
	for (uint32 i = 0; i < op->nseries; i++)
		if (op->series[i].drop_name)
			merge->which[i] += pq_labels_count(staying);
	return pq_labels_count(staying) + pq_labels_count(going);
}

static void
merge_open(PqOperator *op)
{
	MergeOperator *merge = (MergeOperator *) op;
	PqOperator *child = op->children[0];
	uint32 count;

	pq_open(child);
	op->series = named_series(op, child, merge->keep_names);
	op->nseries = child->nseries;
	merge->which = pq_alloc(op, child->nseries * sizeof(uint32));
	count = number_series(merge);
	if (count == child->nseries)
	{
		merge->which = NULL;
		return;
	}
	merge->merged = pq_alloc0(op, count * sizeof(MergedSeries));
	for (uint32 i = 0; i < child->nseries; i++)
		merge->merged[merge->which[i]].left++;
	for (uint32 i = 0; i < count; i++)
		merge->merged[i].single = merge->merged[i].left == 1;
	list_series(merge, child, count);
}

/* Adds values that are at other steps than those held. */
static void
merge_values(MergeOperator *merge, MergedSeries *merged, const PqVector *v)
{
	PqOperator *op = &merge->op;
	uint32 n = op->steps.n;

	for (uint32 i = 0; i < PQ_WORDS(n); i++)
	{
		if ((merged->values.present[i] & v->present[i]) != 0)
			pq_fail(op->exec, op->node->start, ERRCODE_DATA_EXCEPTION,
					"vector cannot contain metrics with the same labelset");
	}
	if (v->histograms != NULL && merged->values.histograms == NULL)
	{
		pq_charge(op->exec, n * sizeof(TsHistogram *));
		merged->values.histograms = MemoryContextAllocExtended(
			merged->context, n * sizeof(TsHistogram *),
			MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	}
	for (uint32 i = 0; i < n; i++)
	{
		const TsHistogram *h = pq_histogram(v, i);

		if (!pq_has(v, i))
			continue;
		pq_set(&merged->values, i);
		merged->values.values[i] = v->values[i];
		if (h == NULL)
			continue;
		merged->values.histograms[i] = call_copy_histogram(op, h, merged->context);
	}
}

static void
free_given(MergeOperator *merge)
{
	if (merge->given == NULL)
		return;
	MemoryContextDelete(merge->given->context);
	merge->given->context = NULL;
	merge->given = NULL;
}

static void
merge_next(PqOperator *op, PqVector *out)
{
	MergeOperator *merge = (MergeOperator *) op;
	PqOperator *child = op->children[0];
	uint32 n = op->steps.n;

	free_given(merge);
	for (;;)
	{
		MergedSeries *merged;
		uint32 count;
		PqVector v;

		pq_next(child, &v);
		if (merge->which == NULL)
		{
			*out = v;
			return;
		}
		merged = &merge->merged[merge->which[merge->read++]];
		merged->left--;
		if (merged->single)
		{
			*out = v;
			return;
		}
		count = pq_vector_count(&v, n);
		pq_hold_samples(op->exec, count);
		merge->held += count;
		if (merged->context == NULL)
		{
			merged->context = AllocSetContextCreate(op->context, "merged PromQL series",
													ALLOCSET_SMALL_SIZES);
			pq_vector_copy(op, &v, n, merged->context, &merged->values);
		}
		else
			merge_values(merge, merged, &v);
		if (merged->left == 0)
		{
			*out = merged->values;
			merge->given = merged;
			return;
		}
	}
}

static void
merge_close(PqOperator *op)
{
	MergeOperator *merge = (MergeOperator *) op;

	pq_hold_samples(op->exec, -merge->held);
	merge->held = 0;
}

static const PqMethods merge_methods = {
	.name = "Merge",
	.open = merge_open,
	.next = merge_next,
	.close = merge_close,
};

PqOperator *
pq_plan_merge(PqExec *exec, PqOperator *child)
{
	PqOperator *op = pq_operator(exec, sizeof(MergeOperator), &merge_methods, child->node,
								 &child->steps, 1);

	op->children[0] = child;
	return op;
}

PqOperator *
call_merge_equal(PqExec *exec, PqOperator *child)
{
	PqOperator *op = pq_plan_merge(exec, child);

	((MergeOperator *) op)->keep_names = true;
	return op;
}
