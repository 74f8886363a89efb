/*
 * equal.c
 *	  Do two expressions of PromQL say the same? Where they stand in their texts does not
 *	  count, nor does the order of matchers, nor by () where nothing is grouped by.
 */
#include <assert.h>
#include <string.h>

#include "promql_ast.h"

static bool
equal_names(const PqNames *a, const PqNames *b)
{
	if (a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
	{
		if (!ts_string_equal(a->names[i], b->names[i]))
			return false;
	}
	return true;
}

static bool
equal_maybe(const PqNode *a, const PqNode *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || promql_equal(a, b));
}

static bool
equal_durations(const PqDuration *a, const PqDuration *b)
{
	return a->given == b->given && a->ms == b->ms && equal_maybe(a->expr, b->expr);
}

static bool
equal_modifiers(const PqModifiers *a, const PqModifiers *b)
{
	return equal_durations(&a->offset, &b->offset) && a->at == b->at &&
		   a->at_ms == b->at_ms;
}

static bool
equal_matchers(const TsMatcher *a, const TsMatcher *b)
{
	return a->type == b->type && ts_string_equal(a->name, b->name) &&
		   ts_string_equal(a->value, b->value);
}

static int
count_matcher(const PqNode *node, const TsMatcher *matcher)
{
	int count = 0;

	for (int i = 0; i < node->u.selector.nmatchers; i++)
		count += equal_matchers(&node->u.selector.matchers[i], matcher);
	return count;
}

static bool
equal_matcher_sets(const PqNode *a, const PqNode *b)
{
	bool same_order = true;

	if (a->u.selector.nmatchers != b->u.selector.nmatchers)
		return false;
	for (int i = 0; i < a->u.selector.nmatchers && same_order; i++)
		same_order = equal_matchers(&a->u.selector.matchers[i],
									&b->u.selector.matchers[i]);
	for (int i = 0; i < a->u.selector.nmatchers && !same_order; i++)
	{
		const TsMatcher *matcher = &a->u.selector.matchers[i];

		if (count_matcher(a, matcher) != count_matcher(b, matcher))
			return false;
	}
	return true;
}

static bool
equal_selectors(const PqNode *a, const PqNode *b)
{
	return ts_string_equal(a->u.selector.name, b->u.selector.name) &&
		   equal_matcher_sets(a, b) &&
		   equal_modifiers(&a->u.selector.modifiers, &b->u.selector.modifiers) &&
		   equal_durations(&a->u.selector.range, &b->u.selector.range) &&
		   a->u.selector.extend == b->u.selector.extend;
}

static bool
equal_matchings(const PqMatching *a, const PqMatching *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->cardinality == b->cardinality && a->on == b->on &&
		   equal_names(&a->labels, &b->labels) && equal_names(&a->include, &b->include) &&
		   a->fill_left == b->fill_left && a->fill_right == b->fill_right &&
		   pq_same_number(a->fill_left_value, b->fill_left_value) &&
		   pq_same_number(a->fill_right_value, b->fill_right_value);
}

static bool
equal_binaries(const PqNode *a, const PqNode *b)
{
	return a->u.binary.op == b->u.binary.op &&
		   a->u.binary.return_bool == b->u.binary.return_bool &&
		   equal_matchings(a->u.binary.matching, b->u.binary.matching) &&
		   promql_equal(a->u.binary.left, b->u.binary.left) &&
		   promql_equal(a->u.binary.right, b->u.binary.right);
}

static bool
equal_aggregates(const PqNode *a, const PqNode *b)
{
	return a->u.aggregate.op == b->u.aggregate.op &&
		   a->u.aggregate.without == b->u.aggregate.without &&
		   equal_names(&a->u.aggregate.labels, &b->u.aggregate.labels) &&
		   equal_maybe(a->u.aggregate.param, b->u.aggregate.param) &&
		   promql_equal(a->u.aggregate.expr, b->u.aggregate.expr);
}

static bool
equal_calls(const PqNode *a, const PqNode *b)
{
	if (a->u.call.function != b->u.call.function || a->u.call.nargs != b->u.call.nargs)
		return false;
	for (int i = 0; i < a->u.call.nargs; i++)
	{
		if (!promql_equal(a->u.call.args[i], b->u.call.args[i]))
			return false;
	}
	return true;
}

bool
promql_equal(const PqNode *a, const PqNode *b)
{
	if (a->kind != b->kind || a->type != b->type)
		return false;
	switch (a->kind)
	{
		case PQ_NUMBER:
			return a->u.number.duration == b->u.number.duration &&
				   pq_same_number(a->u.number.value, b->u.number.value);
		case PQ_STRING:
			return ts_string_equal(a->u.string, b->u.string);
		case PQ_SELECTOR:
			return equal_selectors(a, b);
		case PQ_SUBQUERY:
			return equal_durations(&a->u.subquery.range, &b->u.subquery.range) &&
				   equal_durations(&a->u.subquery.step, &b->u.subquery.step) &&
				   equal_modifiers(&a->u.subquery.modifiers, &b->u.subquery.modifiers) &&
				   promql_equal(a->u.subquery.expr, b->u.subquery.expr);
		case PQ_PAREN:
			return promql_equal(a->u.paren, b->u.paren);
		case PQ_UNARY:
			return a->u.unary.minus == b->u.unary.minus &&
				   promql_equal(a->u.unary.expr, b->u.unary.expr);
		case PQ_BINARY:
			return equal_binaries(a, b);
		case PQ_AGGREGATE:
			return equal_aggregates(a, b);
		case PQ_CALL:
			return equal_calls(a, b);
	}
	assert(false);
	return false;
}
