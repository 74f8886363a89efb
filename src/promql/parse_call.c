/*
 * parse_call.c
 *	  Parses calls of functions, aggregations and lists of labels.
 */
#include <assert.h>
#include <string.h>

#include "parse.h"

/* An argument while their number is not yet known. */
typedef struct ArgumentCell
{
	PqNode *arg;
	struct ArgumentCell *next;
} ArgumentCell;

/* The arguments of a call, within parentheses. */
typedef struct Arguments
{
	PqNode **args;
	int count;
	int start; /* where the left parenthesis stands */
} Arguments;

static bool
collect_arguments(PqParser *parser, const ArgumentCell *cell, Arguments *arguments)
{
	int n = 0;

	if (arguments->count == 0)
		return true;
	arguments->args = ts_arena_alloc(parser->reader.arena,
									 (size_t) arguments->count * sizeof(PqNode *));
	if (arguments->args == NULL)
		return promql_parse_no_memory(parser);
	for (; cell != NULL; cell = cell->next)
		arguments->args[n++] = cell->arg;
	assert(n == arguments->count);
	return true;
}

static bool
parse_arguments(PqParser *parser, Arguments *arguments)
{
	ArgumentCell *first = NULL;
	ArgumentCell **last = &first;

	memset(arguments, 0, sizeof(*arguments));
	arguments->start = parser->reader.token.offset;
	if (!promql_parse_advance(parser))
		return false;
	while (parser->reader.token.type != PROMQL_RIGHT_PAREN)
	{
		ArgumentCell *cell = ts_arena_alloc(parser->reader.arena, sizeof(*cell));
		int comma;

		if (cell == NULL)
			return promql_parse_no_memory(parser);
		cell->next = NULL;
		cell->arg = promql_parse_expression(parser, 0);
		if (cell->arg == NULL)
			return false;
		*last = cell;
		last = &cell->next;
		arguments->count++;
		if (parser->reader.token.type == PROMQL_RIGHT_PAREN)
			break;
		comma = parser->reader.token.offset;
		if (!promql_parse_expect(parser, PROMQL_COMMA, NULL, "operator, \",\" or \")\""))
			return false;
		if (parser->reader.token.type == PROMQL_RIGHT_PAREN)
			return parse_fail(parser, TS_ERR_SYNTAX, comma,
							  "trailing commas not allowed in function call args");
	}
	return promql_parse_advance(parser) && collect_arguments(parser, first, arguments);
}

PqNode *
promql_parse_call(PqParser *parser, const PromqlToken *name)
{
	PqNode *node = promql_parse_node(parser, PQ_CALL, name->offset);
	const PqFunction *function = promql_function_find(name->text.data, name->text.len);
	Arguments arguments;

	if (node == NULL || !parse_arguments(parser, &arguments))
		return NULL;
	if (function == NULL)
	{
		parse_fail(parser, TS_ERR_INVALID, name->offset,
				   "unknown function with name \"%.*s\"", (int) name->text.len,
				   name->text.data);
		return NULL;
	}
	if (function->experimental && !parser->options->experimental_functions)
	{
		parse_fail(parser, TS_ERR_INVALID, name->offset, "function \"%s\" is not enabled",
				   function->name);
		return NULL;
	}
	node->u.call.function = function;
	node->u.call.args = arguments.args;
	node->u.call.nargs = arguments.count;
	for (int i = 0; i < arguments.count; i++)
		promql_parse_raise(node, arguments.args[i]);
	return promql_parse_finish(parser, node);
}

/* ---- lists of labels ---- */

/* A label while their number is not yet known. */
typedef struct NameCell
{
	TsString name;
	struct NameCell *next;
} NameCell;

static bool
parse_name(PqParser *parser, TsString *name)
{
	const PromqlToken *token = &parser->reader.token;

	if (token->type == PROMQL_STRING)
		*name = token->value;
	else if (token->type == PROMQL_IDENTIFIER)
		*name = token->text;
	else
		return promql_parse_unexpected(parser, "grouping opts", "label");
	if (name->len == 0)
		return parse_fail(parser, TS_ERR_INVALID, token->offset,
						  "invalid label name for grouping: \"\"");
	return promql_parse_advance(parser);
}

bool
promql_parse_names(PqParser *parser, PqNames *names)
{
	NameCell *first = NULL;
	NameCell **last = &first;
	int n = 0;

	if (!promql_parse_expect(parser, PROMQL_LEFT_PAREN, "grouping opts", "\"(\""))
		return false;
	while (parser->reader.token.type != PROMQL_RIGHT_PAREN)
	{
		NameCell *cell = ts_arena_alloc(parser->reader.arena, sizeof(*cell));

		if (cell == NULL)
			return promql_parse_no_memory(parser);
		cell->next = NULL;
		if (!parse_name(parser, &cell->name))
			return false;
		*last = cell;
		last = &cell->next;
		n++;
		if (parser->reader.token.type != PROMQL_RIGHT_PAREN &&
			!promql_parse_expect(parser, PROMQL_COMMA, "grouping opts", "\",\" or \")\""))
			return false;
	}
	names->count = n;
	names->names = n == 0 ? NULL
						  : ts_arena_alloc(parser->reader.arena,
										   (size_t) n * sizeof(TsString));
	if (n > 0 && names->names == NULL)
		return promql_parse_no_memory(parser);
	n = 0;
	for (const NameCell *cell = first; cell != NULL; cell = cell->next)
		names->names[n++] = cell->name;
	return promql_parse_advance(parser);
}

/* ---- aggregations ---- */

static bool
has_param(PqAggregateOp op)
{
	return op >= PQ_AGG_TOPK;
}

/* by or without and their labels, if they are looked at. */
static bool
parse_grouping(PqParser *parser, PqNode *node)
{
	if (parser->word != PQ_WORD_BY && parser->word != PQ_WORD_WITHOUT)
		return true;
	node->u.aggregate.grouped = true;
	node->u.aggregate.without = parser->word == PQ_WORD_WITHOUT;
	return promql_parse_advance(parser) &&
		   promql_parse_names(parser, &node->u.aggregate.labels);
}

static bool
set_arguments(PqParser *parser, PqNode *node, const Arguments *arguments)
{
	PqAggregateOp op = node->u.aggregate.op;
	int wanted = has_param(op) ? 2 : 1;

	if (arguments->count == 0)
		return parse_fail(parser, TS_ERR_INVALID, node->start,
						  "no arguments for aggregate expression provided");
	if ((op == PQ_AGG_LIMITK || op == PQ_AGG_LIMIT_RATIO) &&
		!parser->options->experimental_functions)
		return parse_fail(parser, TS_ERR_INVALID, node->start,
						  "aggregation \"%s\" is experimental and not enabled",
						  promql_aggregate_name(op));
	if (arguments->count != wanted)
		return parse_fail(parser, TS_ERR_INVALID, node->start,
						  "wrong number of arguments for aggregate expression provided, "
						  "expected %d, got %d",
						  wanted, arguments->count);
	if (wanted == 2)
		node->u.aggregate.param = arguments->args[0];
	node->u.aggregate.expr = arguments->args[wanted - 1];
	promql_parse_raise(node, node->u.aggregate.param);
	promql_parse_raise(node, node->u.aggregate.expr);
	return true;
}

PqNode *
promql_parse_aggregate(PqParser *parser, PqAggregateOp op, const PromqlToken *name)
{
	PqNode *node = promql_parse_node(parser, PQ_AGGREGATE, name->offset);
	Arguments arguments;

	if (node == NULL)
		return NULL;
	node->u.aggregate.op = op;
	if (!parse_grouping(parser, node))
		return NULL;
	if (parser->reader.token.type != PROMQL_LEFT_PAREN)
	{
		promql_parse_unexpected(parser, "aggregation", "\"(\"");
		return NULL;
	}
	if (!parse_arguments(parser, &arguments))
		return NULL;
	if (!node->u.aggregate.grouped && !parse_grouping(parser, node))
		return NULL;
	if (!set_arguments(parser, node, &arguments))
		return NULL;
	return promql_parse_finish(parser, node);
}
