/*
 * binary_set.c
 *	  Set operators of vectors: and, or, unless.
 *
 * All that is kept of one side is, per group of matching labels, a bitmap of the steps
 * where some of its series has a value. "and" and "unless" read the right side for that and
 * then stream the left one; "or" does so while it streams the left side, and then
 * streams the right one.
 *
 * A series that is on both sides of "or" is one series of the result, which is left to
 * call_merge_equal().
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "binary.h"
#include "call.h"

#define NO_GROUP PG_UINT32_MAX

typedef struct SetOp
{
	PqOperator base;
	PqBinaryOp kind;
	const PqMatching *matching;
	uint32 words;
	uint32 ngroups;
	uint64 *present;    /* group x words: steps with a value on the side read first */
	uint32 *left_group; /* of each series; NO_GROUP: the other side has none of it */
	uint32 *right_group;
	uint32 left_next;
	uint32 right_next;
} SetOp;

/* The groups of a side's series; those not in the map are added or have NO_GROUP. */
static uint32 *
number_groups(SetOp *self, PqLabelsMap *map, const PqOperator *side, bool add)
{
	PqOperator *op = &self->base;
	uint32 *groups = pq_alloc(op, side->nseries * sizeof(uint32));
	MemoryContext scratch = AllocSetContextCreate(op->context, "matching labels",
												  ALLOCSET_DEFAULT_SIZES);

	for (uint32 i = 0; i < side->nseries; i++)
	{
		TsString labels = pq_match_group(self->matching, side->series[i].labels, scratch);
		bool found;

		if (add)
			groups[i] = pq_labels_number(map, labels, true, &found);
		else
		{
			int64 number = pq_labels_find(map, labels);

			groups[i] = number < 0 ? NO_GROUP : (uint32) number;
		}
		MemoryContextReset(scratch);
	}
	MemoryContextDelete(scratch);
	return groups;
}

static uint64 *
group_bits(SetOp *self, uint32 group)
{
	Assert(group < self->ngroups);
	return self->present + (Size) group * self->words;
}

static void
note_present(SetOp *self, uint32 group, const PqVector *v)
{
	uint64 *bits;

	if (group == NO_GROUP)
		return;
	bits = group_bits(self, group);
	for (uint32 w = 0; w < self->words; w++)
		bits[w] |= v->present[w];
}

/* Takes away the steps where the group has a value, or those where it has none. */
static void
restrict_to(SetOp *self, uint32 group, bool having, PqVector *v)
{
	const uint64 *bits = group == NO_GROUP ? NULL : group_bits(self, group);

	for (uint32 w = 0; w < self->words; w++)
	{
		uint64 has = bits ? bits[w] : 0;

		v->present[w] &= having ? has : ~has;
	}
}

/* ---- and, unless ---- */

static void
open_filter(PqOperator *op)
{
	SetOp *self = (SetOp *) op;
	PqOperator *left = op->children[0];
	PqOperator *right = op->children[1];
	PqLabelsMap *map = pq_labels_map(op->context);

	pq_open(right);
	pq_open(left);
	self->right_group = number_groups(self, map, right, true);
	self->left_group = number_groups(self, map, left, false);
	self->ngroups = pq_labels_count(map);
	op->series = pq_alloc(op, left->nseries * sizeof(PqSeries));
	for (uint32 i = 0; i < left->nseries; i++)
		if (self->kind == PQ_UNLESS || self->left_group[i] != NO_GROUP)
			op->series[op->nseries++] = left->series[i];
}

static void
next_filter(PqOperator *op, PqVector *out)
{
	SetOp *self = (SetOp *) op;
	bool and = self->kind == PQ_AND;
	PqOperator *left = op->children[0];
	PqOperator *right = op->children[1];
	uint32 group;

	if (self->present == NULL)
	{
		self->present = pq_alloc0(op, (Size) Max(self->ngroups, 1) * self->words *
										  sizeof(uint64));
		for (uint32 i = 0; i < right->nseries; i++)
		{
			pq_next(right, out);
			note_present(self, self->right_group[i], out);
		}
	}
	do
	{
		Assert(self->left_next < left->nseries);
		group = self->left_group[self->left_next++];
		pq_next(left, out);
	} while (and&&group == NO_GROUP);
	restrict_to(self, group, and, out);
}

static void
explain_set(PqOperator *op, PqExplain *to)
{
	SetOp *self = (SetOp *) op;

	pq_explain_text(to, "Operator", "%s", promql_binary_symbol(self->kind));
	pq_explain_matching(self->matching, to);
}

static const PqMethods filter_methods = {
	.name = "Set Filter",
	.open = open_filter,
	.next = next_filter,
	.explain = explain_set,
};

/* ---- or ---- */

static void
open_or(PqOperator *op)
{
	SetOp *self = (SetOp *) op;
	PqOperator *left = op->children[0];
	PqOperator *right = op->children[1];
	PqLabelsMap *map = pq_labels_map(op->context);

	pq_open(left);
	pq_open(right);
	self->left_group = number_groups(self, map, left, true);
	self->right_group = number_groups(self, map, right, false);
	self->ngroups = pq_labels_count(map);
	op->series = pq_alloc(op, ((Size) left->nseries + right->nseries) * sizeof(PqSeries));
	for (uint32 i = 0; i < left->nseries; i++)
		op->series[op->nseries++] = left->series[i];
	for (uint32 i = 0; i < right->nseries; i++)
		op->series[op->nseries++] = right->series[i];
}

static void
next_or(PqOperator *op, PqVector *out)
{
	SetOp *self = (SetOp *) op;
	PqOperator *left = op->children[0];
	PqOperator *right = op->children[1];

	if (self->present == NULL)
		self->present = pq_alloc0(op, (Size) Max(self->ngroups, 1) * self->words *
										  sizeof(uint64));
	if (self->left_next < left->nseries)
	{
		pq_next(left, out);
		note_present(self, self->left_group[self->left_next++], out);
	}
	else
	{
		pq_next(right, out);
		restrict_to(self, self->right_group[self->right_next++], false, out);
	}
}

static const PqMethods or_methods = {
	.name = "Union",
	.open = open_or,
	.next = next_or,
	.explain = explain_set,
};

/* ---- planning ---- */

PqOperator *
pq_plan_set(PqExec *exec, const PqNode *node, const PqSteps *steps, const PqNeeds *needs)
{
	PqBinaryOp kind = node->u.binary.op;
	const PqMatching *matching = node->u.binary.matching;
	SetOp *self = (SetOp *) pq_operator(exec, sizeof(SetOp),
										kind == PQ_OR ? &or_methods : &filter_methods,
										node, steps, 2);
	const PqNeeds *left = NULL;
	const PqNeeds *right = NULL;

	self->kind = kind;
	self->matching = matching;
	self->words = PQ_WORDS(steps->n);
	/* "or" compares whole series. */
	if (matching->on && kind != PQ_OR)
	{
		left = pq_needs_more(exec, needs, &matching->labels);
		right = pq_needs_names(exec, &matching->labels);
	}
	self->base.children[0] = pq_plan(exec, node->u.binary.left, steps, left);
	self->base.children[1] = pq_plan(exec, node->u.binary.right, steps, right);
	return kind == PQ_OR ? call_merge_equal(exec, &self->base) : &self->base;
}
