/*
 * binary_match.c
 *	  Arithmetic and comparisons of two vectors: which series meet, and what comes of it.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "binary_match.h"

/* ---- groups ---- */

static uint32 *
number_side(PqMatch *self, PqLabelsMap *map, const PqOperator *side)
{
	PqOperator *op = &self->base;
	uint32 *groups = pq_alloc(op, side->nseries * sizeof(uint32));
	MemoryContext scratch = AllocSetContextCreate(op->context, "matching labels",
												  ALLOCSET_DEFAULT_SIZES);

	for (uint32 i = 0; i < side->nseries; i++)
	{
		TsString labels = pq_match_group(self->matching, side->series[i].labels, scratch);
		bool found;

		groups[i] = pq_labels_number(map, labels, true, &found);
		MemoryContextReset(scratch);
	}
	MemoryContextDelete(scratch);
	return groups;
}

static void
make_groups(PqMatch *self, PqLabelsMap *map)
{
	PqOperator *op = &self->base;
	uint32 place = 0;

	self->one_group = number_side(self, map, self->one);
	self->many_group = number_side(self, map, self->many);
	self->ngroups = pq_labels_count(map);
	self->groups = pq_alloc0(op, self->ngroups * sizeof(PqMatchGroup));
	for (uint32 i = 0; i < self->one->nseries; i++)
		self->groups[self->one_group[i]].ones++;
	for (uint32 i = 0; i < self->many->nseries; i++)
		self->groups[self->many_group[i]].manys++;
	for (uint32 g = 0; g < self->ngroups; g++)
	{
		self->groups[g].first_one = place;
		place += self->groups[g].ones;
		self->ambiguous |= self->groups[g].ones > 1;
		self->groups[g].ones = 0;
	}
	self->ones = pq_alloc(op, self->one->nseries * sizeof(uint32));
	for (uint32 i = 0; i < self->one->nseries; i++)
	{
		PqMatchGroup *group = &self->groups[self->one_group[i]];

		self->ones[group->first_one + group->ones++] = i;
	}
}

/* ---- results ---- */

typedef struct Builder
{
	PqMatch *self;
	PqLabelsMap *groups;
	PqLabelsMap *results;
	MemoryContext scratch;
	uint32 result_room;
	uint32 variant_room;
	uint32 fill_room;
} Builder;

static void *
grown(PqMatch *self, void *array, uint32 used, uint32 *room, Size size)
{
	Size more;

	if (used < *room)
		return array;
	more = Max((Size) *room * 2, 64);
	*room = (uint32) Min(more, PG_UINT32_MAX);
	if (array == NULL)
		return pq_alloc(&self->base, *room * size);
	return repalloc_huge(array, *room * size);
}

/* The result with the labels that these two sides lead to. */
static uint32
find_result(Builder *builder, TsString many, TsString one)
{
	PqMatch *self = builder->self;
	TsString labels = pq_match_result(self->matching, self->binary.kind, many, one,
									  builder->scratch);
	bool found;
	uint32 number = pq_labels_number(builder->results, labels, true, &found);

	if (!found)
	{
		Assert(number == self->nresults);
		self->results = grown(self, self->results, self->nresults, &builder->result_room,
							  sizeof(PqMatchResult));
		memset(&self->results[number], 0, sizeof(PqMatchResult));
		self->results[number].labels = pq_labels_of(builder->results, number);
		self->results[number].many = PQ_NOBODY;
		self->nresults++;
	}
	MemoryContextReset(builder->scratch);
	return number;
}

static void
add_variant(Builder *builder, uint32 many, uint32 partner, TsString one)
{
	PqMatch *self = builder->self;
	uint32 group = self->many_group[many];
	uint32 number = find_result(builder, self->many->series[many].labels, one);
	PqMatchResult *result = &self->results[number];

	if (result->many != many)
	{
		if (result->contributors++ == 0)
		{
			result->many = many;
			result->group = group;
		}
		else if (result->group != group)
			result->mixed = true;
	}
	self->variants = grown(self, self->variants, self->nvariants, &builder->variant_room,
						   sizeof(PqMatchVariant));
	self->variants[self->nvariants].partner = partner;
	self->variants[self->nvariants++].result = number;
}

/* What a series of the many side may contribute to. */
static void
add_variants(Builder *builder, uint32 many)
{
	PqMatch *self = builder->self;
	const PqMatching *matching = self->matching;
	const PqMatchGroup *group = &self->groups[self->many_group[many]];
	TsString common = pq_labels_of(builder->groups, self->many_group[many]);

	if (matching->include.count == 0)
	{
		if (group->ones > 0 || matching->fill_right)
			add_variant(builder, many, PQ_NOBODY, common);
		return;
	}
	for (uint32 i = 0; i < group->ones; i++)
	{
		uint32 one = self->ones[group->first_one + i];

		add_variant(builder, many, one, self->one->series[one].labels);
	}
	if (matching->fill_right)
		add_variant(builder, many, PQ_NOBODY, common);
}

static void
add_fill(Builder *builder, uint32 group, uint32 partner, TsString one)
{
	PqMatch *self = builder->self;
	TsString common = pq_labels_of(builder->groups, group);
	uint32 result = find_result(builder, common, one);

	self->results[result].filled = true;
	self->fills = grown(self, self->fills, self->nfills, &builder->fill_room,
						sizeof(PqMatchFill));
	self->fills[self->nfills].group = group;
	self->fills[self->nfills].partner = partner;
	self->fills[self->nfills++].result = result;
}

/* What values of a group's one side alone contribute to. */
static void
add_fills(Builder *builder, uint32 g)
{
	PqMatch *self = builder->self;
	const PqMatchGroup *group = &self->groups[g];
	bool include = self->matching->include.count > 0;

	for (uint32 i = 0; i < group->ones; i++)
	{
		uint32 one = self->ones[group->first_one + i];

		add_fill(builder, g, include ? one : PQ_NOBODY, self->one->series[one].labels);
		if (!include)
			break;
	}
}

/*
 * Can it be given when its only contributor is read? Fill values for that contributor
 * are known then, too, if nobody else is in its group.
 */
static bool
is_streamed(const PqMatch *self, uint32 many)
{
	uint32 first = self->first_variant[many];
	const PqMatchResult *result;

	if (self->first_variant[many + 1] != first + 1)
		return false;
	result = &self->results[self->variants[first].result];
	return result->contributors == 1 &&
		   (!result->filled || (self->groups[self->many_group[many]].manys == 1 &&
								self->matching->include.count == 0));
}

static void
order_results(PqMatch *self)
{
	PqOperator *op = &self->base;

	op->series = pq_alloc0(op, self->nresults * sizeof(PqSeries));
	self->held_at = pq_alloc(op, self->nresults * sizeof(uint32));
	for (uint32 r = 0; r < self->nresults; r++)
		self->results[r].held = true;
	for (uint32 m = 0; m < self->many->nseries; m++)
	{
		PqMatchResult *result;

		if (!is_streamed(self, m))
			continue;
		result = &self->results[self->variants[self->first_variant[m]].result];
		result->held = false;
		result->position = self->nstreamed++;
	}
	op->nseries = self->nstreamed;
	for (uint32 r = 0; r < self->nresults; r++)
	{
		PqMatchResult *result = &self->results[r];

		if (result->held)
		{
			result->position = op->nseries++;
			self->held_at[result->position] = r;
		}
		op->series[result->position].labels = result->labels;
		if (self->binary.return_bool)
			pq_drop_name(op, &op->series[result->position]);
	}
}

static void
open_match(PqOperator *op)
{
	PqMatch *self = (PqMatch *) op;
	Builder builder = {.self = self};

	pq_open(self->one);
	pq_open(self->many);
	builder.groups = pq_labels_map(op->context);
	builder.results = pq_labels_map(op->context);
	builder.scratch = AllocSetContextCreate(op->context, "result labels",
											ALLOCSET_DEFAULT_SIZES);
	make_groups(self, builder.groups);
	self->first_variant = pq_alloc(op, ((Size) self->many->nseries + 1) * sizeof(uint32));
	for (uint32 m = 0; m < self->many->nseries; m++)
	{
		self->first_variant[m] = self->nvariants;
		add_variants(&builder, m);
	}
	self->first_variant[self->many->nseries] = self->nvariants;
	if (self->matching->fill_left)
		for (uint32 g = 0; g < self->ngroups; g++)
			add_fills(&builder, g);
	order_results(self);
	MemoryContextDelete(builder.scratch);
	/* Nobody will ask for values then, but there may be an error in them. */
	if (op->nseries == 0 && self->many->nseries > 0 && self->ambiguous)
		pq_match_check(self);
}

/* ---- planning ---- */

static void
explain_match(PqOperator *op, PqExplain *to)
{
	PqMatch *self = (PqMatch *) op;

	pq_explain_text(to, "Operator", "%s%s", promql_binary_symbol(self->binary.kind),
					self->binary.return_bool ? " bool" : "");
	pq_explain_matching(self->matching, to);
	if (op->opened)
		pq_explain_number(to, "Groups", self->ngroups, 0);
}

static const PqMethods match_methods = {
	.name = "Vector Matching",
	.open = open_match,
	.next = pq_match_next,
	.close = pq_match_close,
	.explain = explain_match,
};

PqOperator *
pq_plan_match(PqExec *exec, const PqNode *node, const PqSteps *steps)
{
	const PqMatching *matching = node->u.binary.matching;
	PqMatch *self = (PqMatch *) pq_operator(exec, sizeof(PqMatch), &match_methods, node,
											steps, 2);
	PqOperator *op = &self->base;
	const PqNeeds *left = NULL;

	pq_binary_init(&self->binary, op);
	self->matching = matching;
	self->swapped = matching->cardinality == PQ_ONE_TO_MANY;
	self->words = self->binary.words;
	/* Of one-to-one matching nothing else of the left side is ever seen; of the right side,
	 * duplicates are shown. */
	if (matching->on && matching->cardinality == PQ_ONE_TO_ONE)
		left = pq_needs_names(exec, &matching->labels);
	op->children[0] = pq_plan(exec, node->u.binary.left, steps, left);
	op->children[1] = pq_plan(exec, node->u.binary.right, steps, NULL);
	self->many = op->children[self->swapped ? 1 : 0];
	self->one = op->children[self->swapped ? 0 : 1];
	return op;
}
