/*
 * selector.c
 *	  Parses PromQL's series selectors and tests values against their matchers.
 *
 * Messages name what was found and what was expected, in the words of Prometheus
 * where it has words for it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "promql_lexer.h"
#include "ts_selector.h"

/* A matcher while their number is not yet known. */
typedef struct MatcherCell
{
	TsMatcher matcher;
	struct MatcherCell *next;
} MatcherCell;

typedef struct SelectorParser
{
	PromqlLexer lexer;
	PromqlToken token; /* the one that is looked at */
	TsArena *arena;
	MatcherCell *first;
	MatcherCell **last;
	uint32_t nmatchers;
	const TsMatcher *bare_name; /* the metric name that stands without an operator */
	bool label_set;             /* the text is one, which messages say */
	TsError *err;
} SelectorParser;

/* Reports an error of meaning or syntax with its line and column. */
#define PARSE_ERROR(parser, code, at, ...)                   \
	(ts_error_set((parser)->err, (code), (at), __VA_ARGS__), \
	 parse_locate((parser), (code)))

static TsErrorCode
parse_locate(const SelectorParser *parser, TsErrorCode code)
{
	if (parser->err != NULL)
		ts_error_locate(parser->err, parser->lexer.text, parser->lexer.len);
	return code;
}

static TsErrorCode
out_of_memory(const SelectorParser *parser)
{
	return ts_error_set(parser->err, TS_ERR_MEMORY, -1, "out of memory");
}

static TsErrorCode
advance(SelectorParser *parser)
{
	return promql_lexer_next(&parser->lexer, &parser->token, parser->err);
}

static TsErrorCode
unexpected(const SelectorParser *parser, const char *context, const char *expected)
{
	char found[128];

	promql_token_describe(&parser->token, found, sizeof(found));
	return PARSE_ERROR(parser, TS_ERR_SYNTAX, parser->token.offset,
					   "unexpected %s%s, expected %s", found, context, expected);
}

/* Appends a matcher, which the caller fills in. */
static TsMatcher *
add_matcher(SelectorParser *parser, const PromqlToken *name)
{
	MatcherCell *cell = ts_arena_alloc(parser->arena, sizeof(*cell));

	if (cell == NULL)
		return NULL;
	memset(cell, 0, sizeof(*cell));
	cell->matcher.name_offset = name->offset;
	cell->matcher.operator_offset = -1;
	*parser->last = cell;
	parser->last = &cell->next;
	parser->nmatchers++;
	return &cell->matcher;
}

/* Adds the matcher of a metric name that stands alone. */
static TsErrorCode
add_metric_name(SelectorParser *parser, const PromqlToken *token, TsString name)
{
	TsMatcher *matcher;

	if (parser->bare_name != NULL)
		return PARSE_ERROR(parser, TS_ERR_INVALID, token->offset,
						   "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
						   (int) parser->bare_name->value.len,
						   parser->bare_name->value.data, (int) name.len, name.data);
	matcher = add_matcher(parser, token);
	if (matcher == NULL)
		return out_of_memory(parser);
	matcher->type = TS_MATCH_EQUAL;
	matcher->name.data = TS_METRIC_NAME_LABEL;
	matcher->name.len = strlen(TS_METRIC_NAME_LABEL);
	matcher->value = name;
	matcher->value_offset = token->offset;
	parser->bare_name = matcher;
	return TS_OK;
}

static bool
match_type_of_token(PromqlTokenType token, TsMatchType *type)
{
	switch (token)
	{
		case PROMQL_EQL:
			*type = TS_MATCH_EQUAL;
			return true;
		case PROMQL_NEQ:
			*type = TS_MATCH_NOT_EQUAL;
			return true;
		case PROMQL_EQL_REGEX:
			*type = TS_MATCH_REGEX;
			return true;
		case PROMQL_NEQ_REGEX:
			*type = TS_MATCH_NOT_REGEX;
			return true;
		default:
			return false;
	}
}

/* One item within braces: a matcher, or a metric name in quotes. */
static TsErrorCode
parse_matcher(SelectorParser *parser)
{
	PromqlToken name = parser->token;
	bool quoted = name.type == PROMQL_STRING;
	TsMatcher *matcher;
	TsMatchType type;
	TsErrorCode code;

	if (!quoted && name.type != PROMQL_IDENTIFIER)
		return unexpected(parser, " in label matching", "label name or \"}\"");
	code = advance(parser);
	if (code != TS_OK)
		return code;

	if (!match_type_of_token(parser->token.type, &type))
	{
		if (!quoted)
			return unexpected(parser, " in label matching", "label matching operator");
		return add_metric_name(parser, &name, name.value);
	}
	matcher = add_matcher(parser, &name);
	if (matcher == NULL)
		return out_of_memory(parser);
	matcher->name = quoted ? name.value : name.text;
	if (matcher->name.len == 0)
		return PARSE_ERROR(parser, TS_ERR_INVALID, name.offset,
						   "label name must not be empty");
	matcher->type = type;
	matcher->operator_offset = parser->token.offset;
	code = advance(parser);
	if (code != TS_OK)
		return code;
	if (parser->token.type != PROMQL_STRING)
		return unexpected(parser, " in label matching", "string");
	matcher->value = parser->token.value;
	matcher->value_offset = parser->token.offset;
	return advance(parser);
}

/* From the left brace to past the right one. */
static TsErrorCode
parse_braces(SelectorParser *parser)
{
	TsErrorCode code = advance(parser);

	while (code == TS_OK && parser->token.type != PROMQL_RIGHT_BRACE)
	{
		code = parse_matcher(parser);
		if (code != TS_OK)
			return code;
		if (parser->nmatchers > TS_SELECTOR_MAX_MATCHERS && !parser->label_set)
			return ts_error_set(
				parser->err, TS_ERR_LIMIT, -1,
				"the selector has more than %d matchers, the most allowed",
				TS_SELECTOR_MAX_MATCHERS);
		if (parser->token.type == PROMQL_COMMA)
			code = advance(parser);
		else if (parser->token.type != PROMQL_RIGHT_BRACE)
			return unexpected(parser, " in label matching", "\",\" or \"}\"");
	}
	return code == TS_OK ? advance(parser) : code;
}

/*
 * A selector is over, but the text is not. What PromQL allows to follow is told apart
 * from mere nonsense, as whoever wrote it will wonder why it is refused.
 */
static TsErrorCode
refuse_rest(SelectorParser *parser)
{
	static const struct
	{
		const char *begin;
		const char *what;
	} parts[] = {
		{"[", "range or subquery"}, {"@", "@ modifier"},   {"offset", "offset"},
		{"(", "function call"},     {"and", "operator"},   {"or", "operator"},
		{"unless", "operator"},     {"atan2", "operator"}, {"==", "operator"},
		{"!=", "operator"},         {"<", "operator"},     {">", "operator"},
		{"+", "operator"},          {"-", "operator"},     {"*", "operator"},
		{"/", "operator"},          {"%", "operator"},     {"^", "operator"},
	};
	const char *rest = parser->token.text.data;
	size_t left = parser->lexer.len - (size_t) parser->token.offset;

	for (size_t i = 0; !parser->label_set && i < sizeof(parts) / sizeof(parts[0]); i++)
	{
		size_t len = strlen(parts[i].begin);
		bool word = parser->token.type == PROMQL_IDENTIFIER;

		if (left >= len && memcmp(rest, parts[i].begin, len) == 0 &&
			(!word || parser->token.text.len == len))
			return PARSE_ERROR(parser, TS_ERR_SYNTAX, parser->token.offset,
							   "unexpected \"%s\" after the selector: a selector alone "
							   "has no %s, only a metric name and label matchers",
							   parts[i].begin, parts[i].what);
	}
	if (parser->token.type == PROMQL_ERROR)
		return TS_ERR_SYNTAX;
	return unexpected(parser,
					  parser->label_set ? " after the labels" : " after the selector",
					  "end of input");
}

static TsErrorCode
parse_selector(SelectorParser *parser)
{
	TsErrorCode code = advance(parser);
	bool named = false;

	if (code != TS_OK)
		return code;
	if (parser->token.type == PROMQL_IDENTIFIER ||
		parser->token.type == PROMQL_METRIC_IDENTIFIER)
	{
		named = true;
		code = add_metric_name(parser, &parser->token, parser->token.text);
		if (code != TS_OK)
			return code;
		code = advance(parser);
	}
	if (code == TS_OK && parser->token.type == PROMQL_LEFT_BRACE)
		code = parse_braces(parser);
	else if (code == TS_OK && !named)
		return unexpected(parser, "", "metric name or \"{\"");

	/* An error inside the braces is one; a lexical one behind may be PromQL. */
	if (code == TS_ERR_SYNTAX && parser->token.type == PROMQL_ERROR &&
		!parser->lexer.in_braces)
		return refuse_rest(parser);
	if (code == TS_OK && parser->token.type != PROMQL_EOF)
		return refuse_rest(parser);
	return code;
}

/* A metric name that stands alone must be the only one. */
static TsErrorCode
check_metric_name(const SelectorParser *parser)
{
	const TsMatcher *name = parser->bare_name;

	if (name == NULL)
		return TS_OK;
	for (const MatcherCell *cell = parser->first; cell != NULL; cell = cell->next)
	{
		const TsMatcher *other = &cell->matcher;

		if (other != name && other->name.len == name->name.len &&
			memcmp(other->name.data, name->name.data, name->name.len) == 0)
			return PARSE_ERROR(parser, TS_ERR_INVALID, other->name_offset,
							   "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
							   (int) name->value.len, name->value.data,
							   (int) other->value.len, other->value.data);
	}
	return TS_OK;
}

/* Moves the matchers from the list into the selector's array. */
static TsErrorCode
collect_matchers(const SelectorParser *parser, TsSelector *selector)
{
	if (parser->nmatchers == 0)
		return TS_OK;
	selector->matchers = ts_arena_alloc(&selector->arena,
										parser->nmatchers * sizeof(TsMatcher));
	if (selector->matchers == NULL)
		return out_of_memory(parser);
	for (const MatcherCell *cell = parser->first; cell != NULL; cell = cell->next)
		selector->matchers[selector->nmatchers++] = cell->matcher;
	return TS_OK;
}

/* Compiles a matcher's pattern. */
static TsErrorCode
compile_pattern(const SelectorParser *parser, const TsSelectorOptions *options,
				TsMatcher *matcher)
{
	TsError why;
	TsErrorCode code = ts_regex_compile(matcher->value.data, matcher->value.len,
										options->allocator, &options->regex,
										&matcher->regex, &why);

	if (code == TS_OK)
	{
		matcher->matches_empty = ts_regex_matches_empty(matcher->regex) ==
								 (matcher->type == TS_MATCH_REGEX);
		return TS_OK;
	}
	/* The place within the pattern is not one in the text, as escapes differ. */
	matcher->regex = NULL;
	return PARSE_ERROR(
		parser, code, matcher->value_offset, "%s%s",
		code == TS_ERR_SYNTAX || code == TS_ERR_INVALID ? "error parsing regexp: " : "",
		why.message);
}

/* Makes the matchers ready to be tested. */
static TsErrorCode
compile_matchers(const SelectorParser *parser, const TsSelectorOptions *options,
				 TsSelector *selector)
{
	bool non_empty = false;

	for (uint32_t i = 0; i < selector->nmatchers; i++)
	{
		TsMatcher *matcher = &selector->matchers[i];
		TsErrorCode code = TS_OK;

		if (matcher->type == TS_MATCH_EQUAL || matcher->type == TS_MATCH_NOT_EQUAL)
			matcher->matches_empty = (matcher->value.len == 0) ==
									 (matcher->type == TS_MATCH_EQUAL);
		else if (!options->label_set)
			code = compile_pattern(parser, options, matcher);
		if (code != TS_OK)
			return code;
		non_empty |= !matcher->matches_empty;
	}
	if (options->non_empty && !non_empty)
		return PARSE_ERROR(parser, TS_ERR_INVALID, 0,
						   "vector selector must contain at least one non-empty matcher");
	return TS_OK;
}

TsErrorCode
ts_selector_parse(const char *text, size_t len, const TsSelectorOptions *options,
				  TsSelector *selector, TsError *err)
{
	SelectorParser parser;
	TsErrorCode code;
	const char *copy;

	memset(selector, 0, sizeof(*selector));
	ts_arena_init(&selector->arena, options->allocator, SIZE_MAX / 2);
	selector->check_interrupts = options->check_interrupts;
	memset(&parser, 0, sizeof(parser));
	parser.arena = &selector->arena;
	parser.last = &parser.first;
	parser.label_set = options->label_set;
	parser.err = err;

	code = promql_lexer_init(&parser.lexer, text, len, &selector->arena, err);
	if (code != TS_OK)
		return code;
	copy = ts_arena_strdup(&selector->arena, text, len);
	if (copy == NULL)
		return out_of_memory(&parser);
	parser.lexer.text = copy;

	code = parse_selector(&parser);
	if (code == TS_OK)
		code = check_metric_name(&parser);
	if (code == TS_OK)
		code = collect_matchers(&parser, selector);
	if (code == TS_OK)
		code = compile_matchers(&parser, options, selector);
	if (code != TS_OK)
		ts_selector_free(selector);
	return code;
}

void
ts_selector_free(TsSelector *selector)
{
	for (uint32_t i = 0; i < selector->nmatchers; i++)
	{
		if (selector->matchers[i].regex != NULL)
			ts_regex_free(selector->matchers[i].regex);
	}
	ts_arena_free(&selector->arena);
	selector->matchers = NULL;
	selector->nmatchers = 0;
}

TsErrorCode
ts_matcher_test(const TsMatcher *matcher, const char *value, size_t len, bool *matched,
				TsError *err)
{
	bool negative = matcher->type == TS_MATCH_NOT_EQUAL ||
					matcher->type == TS_MATCH_NOT_REGEX;
	TsErrorCode code = TS_OK;
	bool equal;

	if (len == 0)
	{
		*matched = matcher->matches_empty;
		return TS_OK;
	}
	if (matcher->type == TS_MATCH_EQUAL || matcher->type == TS_MATCH_NOT_EQUAL)
		equal = len == matcher->value.len && memcmp(value, matcher->value.data, len) == 0;
	else
	{
		assert(matcher->regex != NULL);
		code = ts_regex_match(matcher->regex, value, len, &equal, err);
	}
	*matched = code == TS_OK && equal != negative;
	return code;
}

const char *
ts_match_type_symbol(TsMatchType type)
{
	static const char *const symbols[] = {"=", "!=", "=~", "!~"};

	return symbols[type];
}
