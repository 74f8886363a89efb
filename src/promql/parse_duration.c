/*
 * parse_duration.c
 *	  Parses durations: numbers and durations, and expressions of them.
 *
 * Within brackets all operators between durations are the duration's own. Behind offset
 * none is, unless parentheses stand around it: offset 5m + 1 adds 1 to the vector.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "parse.h"

static PqNode *parse_expression(PqParser *parser, int precedence, const char *context,
								const char *expected);

/* What a call in a duration stands for. */
static PqFunctionId
duration_function(const PqParser *parser)
{
	PqWord word = parser->word;

	assert(parser->reader.token.type == PROMQL_IDENTIFIER || word == PQ_WORD_NONE);
	if (word == PQ_WORD_STEP)
		return PQ_FN_STEP;
	if (word == PQ_WORD_RANGE)
		return PQ_FN_RANGE;
	if (word == PQ_WORD_MIN_OF || word == PQ_WORD_AGGREGATE + PQ_AGG_MIN)
		return PQ_FN_MIN_OF;
	if (word == PQ_WORD_MAX_OF || word == PQ_WORD_AGGREGATE + PQ_AGG_MAX)
		return PQ_FN_MAX_OF;
	return PQ_FN_COUNT;
}

/* step(), range(), min_of(a, b), max_of(a, b). */
static PqNode *
parse_call(PqParser *parser, const char *context, const char *expected)
{
	PqFunctionId id = duration_function(parser);
	PqNode *node;

	if (id == PQ_FN_COUNT)
	{
		promql_parse_unexpected(parser, context, expected);
		return NULL;
	}
	node = promql_parse_node(parser, PQ_CALL, parser->reader.token.offset);
	if (node == NULL || !promql_parse_advance(parser) ||
		!promql_parse_expect(parser, PROMQL_LEFT_PAREN, context, "\"(\""))
		return NULL;
	node->u.call.function = &promql_functions[id];
	if (promql_functions[id].max_args > 0)
	{
		node->u.call.args = ts_arena_alloc(parser->reader.arena, 2 * sizeof(PqNode *));
		if (node->u.call.args == NULL)
		{
			promql_parse_no_memory(parser);
			return NULL;
		}
		for (; node->u.call.nargs < 2; node->u.call.nargs++)
		{
			PqNode *arg;

			if (node->u.call.nargs == 1 &&
				!promql_parse_expect(parser, PROMQL_COMMA, context, "\",\""))
				return NULL;
			arg = parse_expression(parser, 0, context, expected);
			if (arg == NULL)
				return NULL;
			node->u.call.args[node->u.call.nargs] = arg;
			promql_parse_raise(node, arg);
		}
	}
	if (!promql_parse_expect(parser, PROMQL_RIGHT_PAREN, context, "\")\""))
		return NULL;
	return promql_parse_finish(parser, node);
}

static PqNode *
parse_operand(PqParser *parser, const char *context, const char *expected)
{
	PqNode *node;

	switch (parser->reader.token.type)
	{
		case PROMQL_NUMBER:
		case PROMQL_DURATION:
			return promql_parse_number(parser);
		case PROMQL_LEFT_PAREN:
			node = promql_parse_node(parser, PQ_PAREN, parser->reader.token.offset);
			if (node == NULL || !promql_parse_advance(parser))
				return NULL;
			node->u.paren = parse_expression(parser, 0, context, expected);
			if (node->u.paren == NULL ||
				!promql_parse_expect(parser, PROMQL_RIGHT_PAREN, context,
									 "operator or \")\""))
				return NULL;
			promql_parse_raise(node, node->u.paren);
			return promql_parse_finish(parser, node);
		default:
			return parse_call(parser, context, expected);
	}
}

/* An operand with all its signs; behind a sign operators of that precedence are its. */
static PqNode *
parse_signed(PqParser *parser, int precedence, const char *context, const char *expected)
{
	bool minus = parser->reader.token.type == PROMQL_SUB;
	int start = parser->reader.token.offset;

	if (!minus && parser->reader.token.type != PROMQL_ADD)
		return parse_operand(parser, context, expected);
	if (!promql_parse_advance(parser))
		return NULL;
	return promql_parse_sign(parser, minus, start,
							 parse_expression(parser, precedence, context, expected));
}

/* No operator binds so strongly: an operand alone. */
#define OPERAND_ALONE (PQ_PRECEDENCE_POWER + 1)

static bool
is_zero(const PqNode *node)
{
	return node->kind == PQ_NUMBER && node->u.number.value == 0;
}

static PqNode *
parse_expression(PqParser *parser, int precedence, const char *context,
				 const char *expected)
{
	PqNode *left;
	PqBinaryOp op;
	int binds;

	if (!promql_parse_enter(parser))
		return NULL;
	left = parse_signed(parser,
						precedence == OPERAND_ALONE ? precedence : PQ_PRECEDENCE_SIGN + 1,
						context, expected);
	while (left != NULL && (binds = promql_parse_operator(parser, &op)) > 0 &&
		   binds >= precedence && op <= PQ_POW)
	{
		PqNode *node = promql_parse_node(parser, PQ_BINARY, left->start);
		PqNode *right;

		if (node == NULL)
			return NULL;
		node->u.binary.op = op;
		node->u.binary.op_start = parser->reader.token.offset;
		node->u.binary.left = left;
		if (!promql_parse_advance(parser))
			return NULL;
		right = parse_expression(parser, binds == PQ_PRECEDENCE_POWER ? binds : binds + 1,
								 context, expected);
		if (right == NULL)
			return NULL;
		if ((op == PQ_DIV || op == PQ_MOD) && is_zero(right))
		{
			parse_fail(parser, TS_ERR_INVALID, node->u.binary.op_start, "%s by zero",
					   op == PQ_DIV ? "division" : "modulo");
			return NULL;
		}
		node->u.binary.right = right;
		promql_parse_raise(node, left);
		promql_parse_raise(node, right);
		left = promql_parse_finish(parser, node);
	}
	parser->depth--;
	return left;
}

/* All of an expression's nodes are numbers to whoever looks at their types. */
static void
set_types(PqNode *node)
{
	node->type = PQ_TYPE_SCALAR;
	switch (node->kind)
	{
		case PQ_PAREN:
			set_types(node->u.paren);
			break;
		case PQ_UNARY:
			set_types(node->u.unary.expr);
			break;
		case PQ_BINARY:
			set_types(node->u.binary.left);
			set_types(node->u.binary.right);
			break;
		case PQ_CALL:
			for (int i = 0; i < node->u.call.nargs; i++)
				set_types(node->u.call.args[i]);
			break;
		default:
			assert(node->kind == PQ_NUMBER);
	}
}

static bool
make_duration(PqParser *parser, PqNode *node, PqDuration *duration)
{
	memset(duration, 0, sizeof(*duration));
	if (node == NULL)
		return false;
	set_types(node);
	duration->given = true;
	if (node->kind != PQ_NUMBER)
	{
		if (!parser->options->duration_expressions)
			return parse_fail(parser, TS_ERR_INVALID, node->start,
							  "experimental duration expression is not enabled");
		duration->expr = node;
		return true;
	}
	if (!promql_duration_of_seconds(node->u.number.value, &duration->ms))
		return parse_fail(parser, TS_ERR_INVALID, node->start, "duration out of range");
	return true;
}

bool
promql_parse_duration(PqParser *parser, const char *context, const char *expected,
					  PqDuration *duration)
{
	PqNode *node = parse_expression(parser, 0, context, expected);

	if (!make_duration(parser, node, duration))
		return false;
	if (duration->expr == NULL && duration->ms <= 0)
		return parse_fail(parser, TS_ERR_INVALID, node->start,
						  "duration must be greater than 0");
	return true;
}

bool
promql_parse_offset(PqParser *parser, PqDuration *duration)
{
	return make_duration(parser,
						 parse_expression(parser, OPERAND_ALONE, "offset",
										  "number, duration, step(), or range()"),
						 duration);
}
