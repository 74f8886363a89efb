/*
 * parse.c
 *	  Parses PromQL's expressions.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

const PqParseOptions promql_default_options = {
	.experimental_functions = true,
	.duration_expressions = true,
	.extended_ranges = true,
	.fill_modifiers = true,
	.regex = {.match_limit = 1000000, .memory = 8 * 1024 * 1024},
};

/* ---- tokens and errors ---- */

bool
promql_parse_failed(PqParser *parser, TsErrorCode code)
{
	assert(code != TS_OK);
	parser->code = code;
	return false;
}

bool
promql_parse_no_memory(PqParser *parser)
{
	return promql_parse_failed(parser, promql_reader_no_memory(&parser->reader));
}

bool
promql_parse_advanced(PqParser *parser, TsErrorCode code)
{
	const PromqlToken *token = &parser->reader.token;

	parser->code = code;
	parser->word = code == TS_OK && token->type == PROMQL_IDENTIFIER
					   ? promql_word(token->text.data, token->text.len)
					   : PQ_WORD_NONE;
	return code == TS_OK;
}

bool
promql_parse_advance(PqParser *parser)
{
	return promql_parse_advanced(parser, promql_advance(&parser->reader));
}

/* What a message calls the token that is looked at. */
static void
describe_token(const PqParser *parser, char *out, size_t size)
{
	const TsString *text = &parser->reader.token.text;
	PqWord word = parser->word;
	const char *kind = "";

	if (word == PQ_WORD_NONE || (word >= PQ_WORD_START && word <= PQ_WORD_MAX_OF))
	{
		promql_token_describe(&parser->reader.token, out, size);
		return;
	}
	if (word <= PQ_WORD_ATAN2)
		kind = "op:";
	else if (pq_is_aggregate_word(word))
		kind = "aggr:";
	snprintf(out, size, "<%s%.*s>", kind, (int) text->len, text->data);
}

bool
promql_parse_unexpected(PqParser *parser, const char *context, const char *expected)
{
	char found[128];

	describe_token(parser, found, sizeof(found));
	return parse_fail(
		parser, TS_ERR_SYNTAX, parser->reader.token.offset, "unexpected %s%s%s%s%s",
		found, context == NULL ? "" : " in ", context == NULL ? "" : context,
		expected == NULL ? "" : ", expected ", expected == NULL ? "" : expected);
}

bool
promql_parse_expect(PqParser *parser, PromqlTokenType type, const char *context,
					const char *expected)
{
	if (parser->reader.token.type != type)
		return promql_parse_unexpected(parser, context, expected);
	return promql_parse_advance(parser);
}

/* ---- nodes ---- */

static bool
too_deep(PqParser *parser, int start)
{
	return parse_fail(parser, TS_ERR_LIMIT, start,
					  "the expression has more than %d levels, the most allowed",
					  PROMQL_MAX_DEPTH);
}

PqNode *
promql_parse_node(PqParser *parser, PqNodeKind kind, int start)
{
	PqNode *node = ts_arena_alloc(parser->reader.arena, sizeof(*node));

	if (node == NULL)
	{
		promql_parse_no_memory(parser);
		return NULL;
	}
	memset(node, 0, sizeof(*node));
	node->kind = kind;
	node->start = start;
	node->height = 1;
	return node;
}

void
promql_parse_raise(PqNode *node, const PqNode *child)
{
	if (child != NULL && node->height <= child->height)
		node->height = child->height + 1;
}

PqNode *
promql_parse_finish(PqParser *parser, PqNode *node)
{
	node->end = parser->reader.end;
	if (node->height > PROMQL_MAX_DEPTH)
	{
		too_deep(parser, node->start);
		return NULL;
	}
	return node;
}

bool
promql_parse_enter(PqParser *parser)
{
	if (parser->depth >= PROMQL_MAX_DEPTH)
		return too_deep(parser, parser->reader.token.offset);
	parser->depth++;
	return true;
}

/* ---- operands ---- */

PqNode *
promql_parse_number(PqParser *parser)
{
	const PromqlToken *token = &parser->reader.token;
	PqNode *node = promql_parse_node(parser, PQ_NUMBER, token->offset);

	if (node == NULL)
		return NULL;
	if (token->type == PROMQL_NUMBER)
	{
		parser->code = promql_number_value(&parser->reader.lexer, token,
										   &node->u.number.value, parser->reader.err);
		if (parser->code != TS_OK)
			return NULL;
	}
	else
	{
		int64_t ms;

		assert(token->type == PROMQL_DURATION);
		if (!promql_read_duration(token->text.data, token->text.len, &ms))
		{
			parse_fail(
				parser, TS_ERR_INVALID, token->offset,
				"not a valid duration string: \"%.*s\" (units go from y down to ms, "
				"each once, up to 292 years)",
				(int) (token->text.len < 60 ? token->text.len : 60), token->text.data);
			return NULL;
		}
		node->u.number.value = (double) ms / 1000;
		node->u.number.duration = true;
	}
	return promql_parse_advance(parser) ? promql_parse_finish(parser, node) : NULL;
}

PqNode *
promql_parse_sign(PqParser *parser, bool minus, int start, PqNode *expr)
{
	PqNode *node;

	if (expr == NULL)
		return NULL;
	if (expr->kind == PQ_NUMBER)
	{
		if (minus)
			expr->u.number.value = -expr->u.number.value;
		expr->start = start;
		return expr;
	}
	node = promql_parse_node(parser, PQ_UNARY, start);
	if (node == NULL)
		return NULL;
	node->u.unary.minus = minus;
	node->u.unary.expr = expr;
	promql_parse_raise(node, expr);
	return promql_parse_finish(parser, node);
}

static PqNode *
parse_string(PqParser *parser)
{
	PqNode *node = promql_parse_node(parser, PQ_STRING, parser->reader.token.offset);

	if (node == NULL)
		return NULL;
	node->u.string = parser->reader.token.value;
	return promql_parse_advance(parser) ? promql_parse_finish(parser, node) : NULL;
}

static PqNode *
parse_paren(PqParser *parser)
{
	PqNode *node = promql_parse_node(parser, PQ_PAREN, parser->reader.token.offset);

	if (node == NULL || !promql_parse_advance(parser))
		return NULL;
	node->u.paren = promql_parse_expression(parser, 0);
	if (node->u.paren == NULL ||
		!promql_parse_expect(parser, PROMQL_RIGHT_PAREN, NULL, "operator or \")\""))
		return NULL;
	promql_parse_raise(node, node->u.paren);
	return promql_parse_finish(parser, node);
}

/* What begins with a word: a call, an aggregation, or a selector. */
static PqNode *
parse_named(PqParser *parser)
{
	PromqlToken name = parser->reader.token;
	PqWord word = parser->word;
	bool call;

	if (!promql_word_is_metric(word))
	{
		promql_parse_unexpected(parser, NULL, "expression");
		return NULL;
	}
	if (!promql_parse_advance(parser))
		return NULL;
	call = parser->reader.token.type == PROMQL_LEFT_PAREN &&
		   name.type == PROMQL_IDENTIFIER;
	if (pq_is_aggregate_word(word) &&
		(call || parser->word == PQ_WORD_BY || parser->word == PQ_WORD_WITHOUT))
		return promql_parse_aggregate(parser, (PqAggregateOp) (word - PQ_WORD_AGGREGATE),
									  &name);
	if (call && promql_word_is_function(word))
		return promql_parse_call(parser, &name);
	return promql_parse_selector(parser, &name);
}

/* An operand, without a sign and without what may follow it. */
static PqNode *
parse_operand(PqParser *parser)
{
	switch (parser->reader.token.type)
	{
		case PROMQL_LEFT_PAREN:
			return parse_paren(parser);
		case PROMQL_STRING:
			return parse_string(parser);
		case PROMQL_NUMBER:
		case PROMQL_DURATION:
			return promql_parse_number(parser);
		case PROMQL_LEFT_BRACE:
			return promql_parse_selector(parser, NULL);
		case PROMQL_IDENTIFIER:
		case PROMQL_METRIC_IDENTIFIER:
			return parse_named(parser);
		default:
			promql_parse_unexpected(parser, NULL, "expression");
			return NULL;
	}
}

/* An operand with all its signs and modifiers. */
static PqNode *
parse_signed(PqParser *parser)
{
	const PromqlToken *token = &parser->reader.token;
	bool minus = token->type == PROMQL_SUB;
	int start = token->offset;
	PqNode *node;

	if (!minus && token->type != PROMQL_ADD)
	{
		node = parse_operand(parser);
		return node == NULL ? NULL : promql_parse_modifiers(parser, node);
	}
	if (!promql_parse_advance(parser))
		return NULL;
	return promql_parse_sign(parser, minus, start,
							 promql_parse_expression(parser, PQ_PRECEDENCE_SIGN + 1));
}

/* ---- operators ---- */

int
promql_parse_operator(const PqParser *parser, PqBinaryOp *op)
{
	static const struct
	{
		PromqlTokenType token;
		PqWord word;
		PqBinaryOp op;
		int precedence;
	} operators[] = {
		{PROMQL_IDENTIFIER, PQ_WORD_OR, PQ_OR, 1},
		{PROMQL_IDENTIFIER, PQ_WORD_AND, PQ_AND, 2},
		{PROMQL_IDENTIFIER, PQ_WORD_UNLESS, PQ_UNLESS, 2},
		{PROMQL_EQLC, PQ_WORD_NONE, PQ_EQL, 3},
		{PROMQL_NEQ, PQ_WORD_NONE, PQ_NEQ, 3},
		{PROMQL_GTR, PQ_WORD_NONE, PQ_GTR, 3},
		{PROMQL_LSS, PQ_WORD_NONE, PQ_LSS, 3},
		{PROMQL_GTE, PQ_WORD_NONE, PQ_GTE, 3},
		{PROMQL_LTE, PQ_WORD_NONE, PQ_LTE, 3},
		{PROMQL_TRIM_UPPER, PQ_WORD_NONE, PQ_TRIM_UPPER, 3},
		{PROMQL_TRIM_LOWER, PQ_WORD_NONE, PQ_TRIM_LOWER, 3},
		{PROMQL_ADD, PQ_WORD_NONE, PQ_ADD, 4},
		{PROMQL_SUB, PQ_WORD_NONE, PQ_SUB, 4},
		{PROMQL_MUL, PQ_WORD_NONE, PQ_MUL, PQ_PRECEDENCE_SIGN},
		{PROMQL_DIV, PQ_WORD_NONE, PQ_DIV, PQ_PRECEDENCE_SIGN},
		{PROMQL_MOD, PQ_WORD_NONE, PQ_MOD, PQ_PRECEDENCE_SIGN},
		{PROMQL_IDENTIFIER, PQ_WORD_ATAN2, PQ_ATAN2, PQ_PRECEDENCE_SIGN},
		{PROMQL_POW, PQ_WORD_NONE, PQ_POW, PQ_PRECEDENCE_POWER},
	};

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
	{
		if (parser->reader.token.type == operators[i].token &&
			parser->word == operators[i].word)
		{
			*op = operators[i].op;
			return operators[i].precedence;
		}
	}
	return 0;
}

/* The value in parentheses behind a fill modifier, which is looked at. */
static bool
parse_fill_value(PqParser *parser, double *value)
{
	bool minus, sign;
	PqNode *number;

	if (!promql_parse_advance(parser) ||
		!promql_parse_expect(parser, PROMQL_LEFT_PAREN, "fill modifier", "\"(\""))
		return false;
	minus = parser->reader.token.type == PROMQL_SUB;
	sign = minus || parser->reader.token.type == PROMQL_ADD;
	if (sign && !promql_parse_advance(parser))
		return false;
	if (parser->reader.token.type != PROMQL_NUMBER &&
		parser->reader.token.type != PROMQL_DURATION)
		return promql_parse_unexpected(parser, "fill modifier", "number");
	number = promql_parse_number(parser);
	if (number == NULL)
		return false;
	*value = minus ? -number->u.number.value : number->u.number.value;
	return promql_parse_expect(parser, PROMQL_RIGHT_PAREN, "fill modifier", "\")\"");
}

/*
 * fill(), or fill_left() and fill_right() in either order. These words are modifiers only
 * before a parenthesis: else the right operand is a metric of that name.
 */
static bool
parse_fill(PqParser *parser, PqMatching *matching)
{
	while (promql_lexer_before_paren(&parser->reader.lexer))
	{
		PqWord word = parser->word;
		double value = 0;

		if (word != PQ_WORD_FILL && word != PQ_WORD_FILL_LEFT &&
			word != PQ_WORD_FILL_RIGHT)
			break;
		if (!parser->options->fill_modifiers)
			return parse_fail(parser, TS_ERR_INVALID, parser->reader.token.offset,
							  "binop fill modifiers are experimental and not enabled");
		if ((word != PQ_WORD_FILL_RIGHT && matching->fill_left) ||
			(word != PQ_WORD_FILL_LEFT && matching->fill_right))
			return promql_parse_unexpected(parser, NULL, "expression");
		if (!parse_fill_value(parser, &value))
			return false;
		if (word != PQ_WORD_FILL_RIGHT)
		{
			matching->fill_left = true;
			matching->fill_left_value = value;
		}
		if (word != PQ_WORD_FILL_LEFT)
		{
			matching->fill_right = true;
			matching->fill_right_value = value;
		}
	}
	return true;
}

/* What stands between a binary operator and its right operand. */
static bool
parse_matching(PqParser *parser, PqNode *node)
{
	PqMatching *matching = ts_arena_alloc(parser->reader.arena, sizeof(*matching));
	PqWord word;

	if (matching == NULL)
		return promql_parse_no_memory(parser);
	memset(matching, 0, sizeof(*matching));
	node->u.binary.matching = matching;
	if (parser->word == PQ_WORD_BOOL)
	{
		node->u.binary.return_bool = true;
		if (!promql_parse_advance(parser))
			return false;
	}
	if (parser->word == PQ_WORD_ON || parser->word == PQ_WORD_IGNORING)
	{
		matching->on = parser->word == PQ_WORD_ON;
		if (!promql_parse_advance(parser) ||
			!promql_parse_names(parser, &matching->labels))
			return false;
		word = parser->word;
		if (word == PQ_WORD_GROUP_LEFT || word == PQ_WORD_GROUP_RIGHT)
		{
			matching->cardinality = word == PQ_WORD_GROUP_LEFT ? PQ_MANY_TO_ONE
															   : PQ_ONE_TO_MANY;
			if (!promql_parse_advance(parser))
				return false;
			if (parser->reader.token.type == PROMQL_LEFT_PAREN &&
				!promql_parse_names(parser, &matching->include))
				return false;
		}
	}
	return parse_fill(parser, matching);
}

PqNode *
promql_parse_expression(PqParser *parser, int precedence)
{
	PqNode *left;
	PqBinaryOp op;
	int binds;

	if (!promql_parse_enter(parser))
		return NULL;
	left = parse_signed(parser);
	while (left != NULL && (binds = promql_parse_operator(parser, &op)) > 0 &&
		   binds >= precedence)
	{
		PqNode *node = promql_parse_node(parser, PQ_BINARY, left->start);

		if (node == NULL)
			return NULL;
		node->u.binary.op = op;
		node->u.binary.op_start = parser->reader.token.offset;
		node->u.binary.left = left;
		if (!promql_parse_advance(parser) || !parse_matching(parser, node))
			return NULL;
		node->u.binary.right = promql_parse_expression(
			parser, binds == PQ_PRECEDENCE_POWER ? binds : binds + 1);
		if (node->u.binary.right == NULL)
			return NULL;
		promql_parse_raise(node, left);
		promql_parse_raise(node, node->u.binary.right);
		left = promql_parse_finish(parser, node);
	}
	parser->depth--;
	return left;
}

/* ---- whole texts ---- */

static bool
start_parser(PqParser *parser, const char *text, size_t len,
			 const PqParseOptions *options, TsArena *arena, TsError *err)
{
	memset(parser, 0, sizeof(*parser));
	parser->options = options == NULL ? &promql_default_options : options;
	parser->code = promql_reader_init(&parser->reader, text, len, arena, err);
	return parser->code == TS_OK && promql_parse_advance(parser);
}

TsErrorCode
promql_parse(const char *text, size_t len, const PqParseOptions *options, TsArena *arena,
			 PqNode **root, TsError *err)
{
	PqParser parser;
	PqNode *node;

	*root = NULL;
	if (!start_parser(&parser, text, len, options, arena, err))
		return parser.code;
	if (parser.reader.token.type == PROMQL_EOF)
	{
		parse_fail(&parser, TS_ERR_SYNTAX, 0, "no expression found in input");
		return parser.code;
	}
	node = promql_parse_expression(&parser, 0);
	if (node != NULL && parser.reader.token.type != PROMQL_EOF)
		promql_parse_unexpected(&parser, NULL, "operator or end of input");
	if (parser.code == TS_OK)
		promql_parse_check(&parser, node);
	if (parser.code == TS_OK)
		*root = node;
	return parser.code;
}

TsErrorCode
promql_parse_matchers(const char *text, size_t len, TsArena *arena, PqNode **selector,
					  TsError *err)
{
	PqParser parser;
	PqNode *node = NULL;

	*selector = NULL;
	if (!start_parser(&parser, text, len, NULL, arena, err))
		return parser.code;
	if (parser.reader.token.type == PROMQL_LEFT_BRACE)
		node = promql_parse_selector(&parser, NULL);
	else if ((parser.reader.token.type == PROMQL_IDENTIFIER ||
			  parser.reader.token.type == PROMQL_METRIC_IDENTIFIER) &&
			 promql_word_is_metric(parser.word))
	{
		PromqlToken name = parser.reader.token;

		if (promql_parse_advance(&parser))
			node = promql_parse_selector(&parser, &name);
	}
	else
		promql_parse_unexpected(&parser, NULL, "metric name or \"{\"");
	if (node != NULL && parser.reader.token.type != PROMQL_EOF)
		promql_parse_unexpected(&parser, NULL, "end of input");
	if (parser.code == TS_OK && promql_parse_matches_nothing(node))
		parse_fail(&parser, TS_ERR_INVALID, 0,
				   "match[] must contain at least one non-empty matcher");
	if (parser.code == TS_OK)
	{
		node->type = PQ_TYPE_VECTOR;
		*selector = node;
	}
	return parser.code;
}

void
promql_locate(const char *text, size_t len, int offset, int *line, int *column)
{
	TsError err = {.offset = offset};

	ts_error_locate(&err, text, len);
	*line = err.line;
	*column = err.column;
}
