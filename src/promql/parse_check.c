/*
 * parse_check.c
 *	  What is said of an expression's tree when all of its text is read: types, the number
 *	  of arguments, which operators may match vectors how.
 *
 * Children are checked before what they are used for, as Prometheus does, so that the
 * innermost error is the one that is reported.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

/* A child that was checked must have a type. */
static bool
check_type(PqParser *parser, const PqNode *node, PqType type, const char *context)
{
	if (node->type != type)
		return parse_fail(parser, TS_ERR_INVALID, node->start,
						  "expected type %s in %s, got %s", promql_type_name(type),
						  context, promql_type_name(node->type));
	return true;
}

static bool
expect_type(PqParser *parser, PqNode *node, PqType type, const char *context)
{
	return promql_parse_check(parser, node) && check_type(parser, node, type, context);
}

bool
promql_parse_matches_nothing(const PqNode *selector)
{
	for (int i = 0; i < selector->u.selector.nmatchers; i++)
	{
		if (!selector->u.selector.matchers[i].matches_empty)
			return false;
	}
	return true;
}

static bool
check_selector(PqParser *parser, PqNode *node, bool may_be_empty)
{
	node->type = node->u.selector.range.given ? PQ_TYPE_MATRIX : PQ_TYPE_VECTOR;
	if (!may_be_empty && promql_parse_matches_nothing(node))
		return parse_fail(parser, TS_ERR_INVALID, node->start,
						  "vector selector must contain at least one non-empty matcher");
	return true;
}

static bool
check_aggregate(PqParser *parser, PqNode *node)
{
	node->type = PQ_TYPE_VECTOR;
	if (!expect_type(parser, node->u.aggregate.expr, PQ_TYPE_VECTOR,
					 "aggregation expression"))
		return false;
	if (node->u.aggregate.param == NULL)
		return true;
	return expect_type(parser, node->u.aggregate.param,
					   node->u.aggregate.op == PQ_AGG_COUNT_VALUES ? PQ_TYPE_STRING
																   : PQ_TYPE_SCALAR,
					   "aggregation parameter");
}

/* ---- operators ---- */

static bool
check_operands(PqParser *parser, PqNode *node)
{
	PqNode *sides[] = {node->u.binary.left, node->u.binary.right};

	for (int i = 0; i < 2; i++)
	{
		if (sides[i]->type != PQ_TYPE_SCALAR && sides[i]->type != PQ_TYPE_VECTOR)
			return parse_fail(
				parser, TS_ERR_INVALID, sides[i]->start,
				"binary expression must contain only scalar and instant vector types");
	}
	return true;
}

/* No label may stand in on() and in group_left() or group_right() both. */
static bool
check_include(PqParser *parser, PqNode *node, const PqMatching *matching)
{
	for (int i = 0; i < matching->labels.count && matching->on; i++)
	{
		for (int j = 0; j < matching->include.count; j++)
		{
			if (ts_string_equal(matching->labels.names[i], matching->include.names[j]))
				return parse_fail(
					parser, TS_ERR_INVALID, node->u.binary.op_start,
					"label \"%.*s\" must not occur in ON and GROUP clause at once",
					(int) matching->labels.names[i].len, matching->labels.names[i].data);
		}
	}
	return true;
}

static bool
check_set_matching(PqParser *parser, PqNode *node, PqMatching *matching)
{
	if (matching->cardinality != PQ_ONE_TO_ONE)
		return parse_fail(parser, TS_ERR_INVALID, node->u.binary.op_start,
						  "no grouping allowed for \"%s\" operation",
						  promql_binary_symbol(node->u.binary.op));
	if (matching->fill_left || matching->fill_right)
		return parse_fail(parser, TS_ERR_INVALID, node->u.binary.op_start,
						  "filling in missing series not allowed for set operators");
	matching->cardinality = PQ_MANY_TO_MANY;
	return true;
}

/* How the sides are matched, which only vectors are. */
static bool
check_matching(PqParser *parser, PqNode *node)
{
	PqMatching *matching = node->u.binary.matching;
	bool set = pq_is_set_op(node->u.binary.op);

	if (!check_include(parser, node, matching))
		return false;
	if (node->u.binary.left->type == PQ_TYPE_VECTOR &&
		node->u.binary.right->type == PQ_TYPE_VECTOR)
		return !set || check_set_matching(parser, node, matching);

	if (matching->labels.count > 0)
		return parse_fail(parser, TS_ERR_INVALID, node->u.binary.op_start,
						  "vector matching only allowed between instant vectors");
	if (matching->fill_left || matching->fill_right)
		return parse_fail(
			parser, TS_ERR_INVALID, node->u.binary.op_start,
			"filling in missing series only allowed between instant vectors");
	if (set)
		return parse_fail(parser, TS_ERR_INVALID, node->u.binary.op_start,
						  "set operator \"%s\" not allowed in binary scalar expression",
						  promql_binary_symbol(node->u.binary.op));
	node->u.binary.matching = NULL;
	return true;
}

static bool
check_binary(PqParser *parser, PqNode *node)
{
	bool comparison = pq_is_comparison(node->u.binary.op);
	bool scalar;

	if (!promql_parse_check(parser, node->u.binary.left) ||
		!promql_parse_check(parser, node->u.binary.right))
		return false;
	scalar = node->u.binary.left->type == PQ_TYPE_SCALAR &&
			 node->u.binary.right->type == PQ_TYPE_SCALAR;
	node->type = scalar ? PQ_TYPE_SCALAR : PQ_TYPE_VECTOR;
	if (node->u.binary.return_bool && !comparison)
		return parse_fail(parser, TS_ERR_INVALID, node->u.binary.op_start,
						  "bool modifier can only be used on comparison operators");
	if (comparison && !node->u.binary.return_bool && scalar)
		return parse_fail(parser, TS_ERR_INVALID, node->u.binary.op_start,
						  "comparisons between scalars must use BOOL modifier");
	return check_operands(parser, node) && check_matching(parser, node);
}

static bool
check_unary(PqParser *parser, PqNode *node)
{
	if (!promql_parse_check(parser, node->u.unary.expr))
		return false;
	node->type = node->u.unary.expr->type;
	if (node->type != PQ_TYPE_SCALAR && node->type != PQ_TYPE_VECTOR)
		return parse_fail(
			parser, TS_ERR_INVALID, node->start,
			"unary expression only allowed on expressions of type scalar or "
			"instant vector, got \"%s\"",
			promql_type_name(node->type));
	return true;
}

/* ---- calls ---- */

static bool
check_argument_count(PqParser *parser, const PqNode *node)
{
	const PqFunction *function = node->u.call.function;
	int n = node->u.call.nargs;
	const char *which = "";
	int wanted = function->min_args;

	if (n >= function->min_args && (function->max_args < 0 || n <= function->max_args))
		return true;
	if (function->min_args != function->max_args)
		which = n < function->min_args ? "at least " : "at most ";
	if (n > function->min_args)
		wanted = function->max_args;
	return parse_fail(parser, TS_ERR_INVALID, node->start,
					  "expected %s%d argument(s) in call to \"%s\", got %d", which,
					  wanted, function->name, n);
}

/* The second argument of info() is no selector of series: it says which labels. */
static bool
check_info_labels(PqParser *parser, PqNode *arg)
{
	if (arg->u.selector.name.len > 0)
		return parse_fail(parser, TS_ERR_INVALID, arg->start,
						  "expected label selectors only, got vector selector instead");
	return check_selector(parser, arg, true);
}

static bool
check_call(PqParser *parser, PqNode *node)
{
	const PqFunction *function = node->u.call.function;
	char context[80];

	node->type = function->result;
	if (!check_argument_count(parser, node))
		return false;
	snprintf(context, sizeof(context), "call to function \"%s\"", function->name);
	for (int i = 0; i < node->u.call.nargs; i++)
	{
		PqNode *arg = node->u.call.args[i];
		PqType type = promql_function_argument(function, i);
		bool labels = function->id == PQ_FN_INFO && i == 1;
		bool selector = labels && arg->kind == PQ_SELECTOR;

		if (!(selector ? check_info_labels(parser, arg)
					   : promql_parse_check(parser, arg)) ||
			!check_type(parser, arg, type, context))
			return false;
		if (labels && !selector)
			return parse_fail(parser, TS_ERR_INVALID, arg->start,
							  "expected label selectors only");
	}
	return true;
}

static bool
check_subquery(PqParser *parser, PqNode *node)
{
	node->type = PQ_TYPE_MATRIX;
	if (!promql_parse_check(parser, node->u.subquery.expr))
		return false;
	if (node->u.subquery.expr->type != PQ_TYPE_VECTOR)
		return parse_fail(parser, TS_ERR_INVALID, node->start,
						  "subquery is only allowed on instant vector, got %s instead",
						  promql_type_name(node->u.subquery.expr->type));
	return true;
}

bool
promql_parse_check(PqParser *parser, PqNode *node)
{
	switch (node->kind)
	{
		case PQ_NUMBER:
			node->type = PQ_TYPE_SCALAR;
			return true;
		case PQ_STRING:
			node->type = PQ_TYPE_STRING;
			return true;
		case PQ_SELECTOR:
			return check_selector(parser, node, false);
		case PQ_SUBQUERY:
			return check_subquery(parser, node);
		case PQ_PAREN:
			if (!promql_parse_check(parser, node->u.paren))
				return false;
			node->type = node->u.paren->type;
			return true;
		case PQ_UNARY:
			return check_unary(parser, node);
		case PQ_BINARY:
			return check_binary(parser, node);
		case PQ_AGGREGATE:
			return check_aggregate(parser, node);
		case PQ_CALL:
			return check_call(parser, node);
	}
	assert(false);
	return false;
}
