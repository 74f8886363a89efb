/*
 * call_info_time.c
 *	  The time at which info() looks at info series.
 *
 * It is that of the selectors in its argument, if all that gives series refers to the same
 * time by @ and offset; then info(metric @ 0) is the same at every step. Otherwise, it is
 * the time of each step. Scalars in the argument say nothing.
 */
#include "postgres.h"

#include "common/int.h"
#include "miscadmin.h"

#include "call_info.h"

/* The subqueries around a node, from the innermost on. */
typedef struct Enclosing
{
	const struct Enclosing *outer;
	const PqNode *subquery;
} Enclosing;

typedef struct Walk
{
	PqExec *exec;
	CallReference first;
	bool found;
	bool uniform;
} Walk;

static bool
same_reference(const CallReference *a, const CallReference *b)
{
	if (a->pinned || b->pinned)
		return a->pinned && b->pinned && a->time == b->time;
	return a->offset == b->offset;
}

/* Subqueries add their offsets, up to the first @. */
static void
add_selector(Walk *walk, const PqModifiers *modifiers, const Enclosing *enclosing)
{
	int64 offset = pq_duration(walk->exec, &modifiers->offset, false);
	CallReference reference = {0};

	while (modifiers->at == PQ_AT_NONE && enclosing != NULL)
	{
		modifiers = &enclosing->subquery->u.subquery.modifiers;
		if (pg_add_s64_overflow(
				offset, pq_duration(walk->exec, &modifiers->offset, false), &offset))
			offset = PG_INT64_MAX;
		enclosing = enclosing->outer;
	}
	reference.pinned = modifiers->at != PQ_AT_NONE;
	if (reference.pinned)
		reference.time = pq_modified_time(walk->exec, modifiers, offset, 0);
	else
		reference.offset = offset;

	if (!walk->found)
		walk->first = reference;
	else if (!same_reference(&walk->first, &reference))
		walk->uniform = false;
	walk->found = true;
}

static bool walk_node(Walk *walk, const PqNode *node, const Enclosing *enclosing);

static bool
walk_children(Walk *walk, const PqNode *node, const Enclosing *enclosing)
{
	bool found = false;
	int nargs;

	switch (node->kind)
	{
		case PQ_PAREN:
			return walk_node(walk, node->u.paren, enclosing);
		case PQ_UNARY:
			return walk_node(walk, node->u.unary.expr, enclosing);
		case PQ_BINARY:
			found = walk_node(walk, node->u.binary.left, enclosing);
			return walk_node(walk, node->u.binary.right, enclosing) || found;
		case PQ_AGGREGATE:
			return walk_node(walk, node->u.aggregate.expr, enclosing);
		case PQ_CALL:
			/* What info() has behind its first argument is no vector. */
			nargs = call_id(node) == PQ_FN_INFO ? 1 : node->u.call.nargs;
			for (int i = 0; i < nargs; i++)
				found |= walk_node(walk, node->u.call.args[i], enclosing);
			return found;
		default:
			return false;
	}
}

/* Is there a selector in what gives series? A vector without one is of each step. */
static bool
walk_node(Walk *walk, const PqNode *node, const Enclosing *enclosing)
{
	Enclosing inner = {enclosing, node};

	check_stack_depth();
	if (node->type != PQ_TYPE_VECTOR && node->type != PQ_TYPE_MATRIX)
		return false;
	if (node->kind == PQ_SELECTOR)
	{
		add_selector(walk, &node->u.selector.modifiers, enclosing);
		return true;
	}
	if (node->kind == PQ_SUBQUERY ? walk_node(walk, node->u.subquery.expr, &inner)
								  : walk_children(walk, node, enclosing))
		return true;
	walk->uniform = false;
	return false;
}

CallReference
call_info_reference(PqExec *exec, const PqNode *arg)
{
	Walk walk = {.exec = exec, .uniform = true};

	walk_node(&walk, arg, NULL);
	if (walk.found && walk.uniform)
		return walk.first;
	return (CallReference){0};
}
