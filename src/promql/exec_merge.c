/*
 * exec_merge.c
 *	  What becomes of names that are to go: they go, and series that have the same labels
 *	  then become one, if they never have a value at the same step.
 *
 * A merged series comes when the last of those it is made of has been read; until then its
 * parts are kept. So series that are alone pass through as they are, in order.
 */
#include "postgres.h"

#include "exec_internal.h"

typedef struct Group
{
	uint32 parts; /* that were not read yet */
	bool kept;
	PqVector vector; /* of the parts read, if any were kept */
} Group;

typedef struct Merge
{
	PqOperator op;
	bool merges;      /* some series have equal labels */
	Group *groups;    /* by number in the map of labels */
	uint32 *group_of; /* by the child's series */
} Merge;

static TsString
final_labels(PqOperator *op, const PqSeries *series)
{
	return series->drop_name ? pq_labels_drop_name(series->labels, op->context)
							 : series->labels;
}

/* The list of merged series: each is where its last part is. */
static void
list_groups(PqOperator *op, const PqLabelsMap *map)
{
	Merge *merge = (Merge *) op;
	PqOperator *child = op->children[0];

	merge->groups = pq_alloc0(op, sizeof(Group) * pq_labels_count(map));
	for (uint32 i = 0; i < child->nseries; i++)
		merge->groups[merge->group_of[i]].parts++;
	op->nseries = 0;
	for (uint32 i = 0; i < child->nseries; i++)
	{
		uint32 group = merge->group_of[i];

		if (--merge->groups[group].parts == 0)
			op->series[op->nseries++].labels = pq_labels_of(map, group);
	}
	for (uint32 i = 0; i < child->nseries; i++)
		merge->groups[merge->group_of[i]].parts++;
}

static void
merge_open(PqOperator *op)
{
	Merge *merge = (Merge *) op;
	PqOperator *child = op->children[0];
	PqLabelsMap *map = pq_labels_map(op->context);

	pq_open(child);
	op->series = pq_alloc0(op, sizeof(PqSeries) * child->nseries);
	merge->group_of = pq_alloc(op, sizeof(uint32) * child->nseries);
	for (uint32 i = 0; i < child->nseries; i++)
	{
		TsString labels = final_labels(op, &child->series[i]);
		bool found;

		op->series[i].labels = labels;
		merge->group_of[i] = pq_labels_number(map, labels, false, &found);
		merge->merges |= found;
	}
	op->nseries = child->nseries;
	if (merge->merges)
		list_groups(op, map);
}

/* Adds the values of one more part. */
static void
add_part(PqOperator *op, Group *group, const PqVector *part)
{
	PqVector *sum = &group->vector;
	uint32 n = op->steps.n;
	PqVector copy;

	if (pq_vector_count(part, n) == 0)
		return;
	pq_vector_copy(op, part, n, op->context, &copy);
	if (!group->kept)
	{
		group->kept = true;
		*sum = copy;
		pq_hold_samples(op->exec, pq_vector_count(&copy, n));
		return;
	}
	for (uint32 word = 0; word < PQ_WORDS(n); word++)
	{
		if (sum->present[word] & copy.present[word])
			pq_fail(op->exec, -1, ERRCODE_DATA_EXCEPTION,
					"vector cannot contain metrics with the same labelset");
	}
	pq_hold_samples(op->exec, pq_vector_count(&copy, n));
	if (sum->histograms == NULL && copy.histograms != NULL)
		sum->histograms = pq_alloc0(op, sizeof(TsHistogram *) * n);
	for (uint32 i = 0; i < n; i++)
	{
		if (!pq_has(&copy, i))
			continue;
		pq_set(sum, i);
		sum->values[i] = copy.values[i];
		if (sum->histograms != NULL)
			sum->histograms[i] = pq_histogram(&copy, i);
	}
	pfree(copy.present);
	pfree(copy.values);
	if (copy.histograms != NULL)
		pfree(copy.histograms);
}

static void
free_group(PqOperator *op, Group *group)
{
	pq_hold_samples(op->exec, -(int64) pq_vector_count(&group->vector, op->steps.n));
	pfree(group->vector.present);
	pfree(group->vector.values);
	if (group->vector.histograms != NULL)
		pfree(group->vector.histograms);
	group->kept = false;
}

/* Gives a whole group; the copy in the row is the caller's. */
static void
give_group(PqOperator *op, Group *group, PqVector *out)
{
	if (!group->kept)
	{
		pq_vector_init(op, out, op->steps.n);
		return;
	}
	pq_vector_copy(op, &group->vector, op->steps.n, op->row, out);
	free_group(op, group);
}

static void
merge_next(PqOperator *op, PqVector *out)
{
	Merge *merge = (Merge *) op;
	PqOperator *child = op->children[0];

	if (!merge->merges)
	{
		pq_next(child, out);
		return;
	}
	for (;;)
	{
		Group *group = &merge->groups[merge->group_of[child->given]];

		pq_next(child, out);
		group->parts--;
		if (group->parts == 0 && !group->kept)
			return; /* alone, or the others have no values */
		add_part(op, group, out);
		if (group->parts == 0)
		{
			give_group(op, group, out);
			return;
		}
	}
}

static const PqMethods merge_methods = {
	.name = "Drop Names",
	.open = merge_open,
	.next = merge_next,
};

PqOperator *
pq_make_merge(PqExec *exec, PqOperator *child)
{
	Merge *merge = (Merge *) pq_operator(exec, sizeof(Merge), &merge_methods, child->node,
										 &child->steps, 1);

	Assert(child->type == PQ_TYPE_VECTOR);
	merge->op.children[0] = child;
	return &merge->op;
}
