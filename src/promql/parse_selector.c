/*
 * parse_selector.c
 *	  Parses selectors, and what may follow one: a range or a subquery, offset, @,
 *	  anchored, smoothed.
 *
 * All of these bind more strongly than any operator. They may follow any operand as far
 * as the grammar goes; what is no selector is refused here, by name.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "parse.h"

/* A pattern is compiled only to see that it can be, and what it makes of nothing. */
static bool
check_pattern(PqParser *parser, TsMatcher *matcher)
{
	const PqParseOptions *options = parser->options->regex.memory > 0
										? parser->options
										: &promql_default_options;

	parser->code = promql_compile_matcher(
		&parser->reader, &parser->reader.arena->allocator, &options->regex, matcher);
	if (matcher->regex != NULL)
	{
		ts_regex_free(matcher->regex);
		matcher->regex = NULL;
	}
	return parser->code == TS_OK;
}

/* A name before the braces must be the only one. */
static bool
check_one_name(PqParser *parser, const PromqlMatcherList *list, const PromqlToken *name)
{
	for (const PromqlMatcherCell *cell = list->first; cell != NULL; cell = cell->next)
	{
		const TsMatcher *matcher = &cell->matcher;

		if (ts_string_is(matcher->name, TS_METRIC_NAME_LABEL))
			return parse_fail(parser, TS_ERR_INVALID, matcher->name_offset,
							  "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
							  (int) name->text.len, name->text.data,
							  (int) matcher->value.len, matcher->value.data);
	}
	return true;
}

PqNode *
promql_parse_selector(PqParser *parser, const PromqlToken *name)
{
	PromqlReader *reader = &parser->reader;
	PromqlMatcherList list = {NULL, NULL, 0};
	PqNode *node = promql_parse_node(parser, PQ_SELECTOR,
									 name != NULL ? name->offset : reader->token.offset);

	if (node == NULL)
		return NULL;
	node->u.selector.name.data = "";
	if (reader->token.type == PROMQL_LEFT_BRACE &&
		!promql_parse_advanced(
			parser, promql_read_matchers(reader, &list, TS_SELECTOR_MAX_MATCHERS)))
		return NULL;
	if (name != NULL)
	{
		if (!check_one_name(parser, &list, name))
			return NULL;
		node->u.selector.name = name->text;
		parser->code = promql_add_metric_name(reader, &list, name, name->text);
		if (parser->code != TS_OK)
			return NULL;
	}
	node->u.selector.nmatchers = (int) list.count;
	node->u.selector.matchers = promql_collect_matchers(reader, &list);
	if (node->u.selector.matchers == NULL && list.count > 0)
	{
		promql_parse_no_memory(parser);
		return NULL;
	}
	for (uint32_t i = 0; i < list.count; i++)
	{
		if (!check_pattern(parser, &node->u.selector.matchers[i]))
			return NULL;
	}
	return promql_parse_finish(parser, node);
}

/* ---- what may follow ---- */

/* The place for offset and @; NULL, reported, when the node has none. */
static PqModifiers *
modifiers_of(PqParser *parser, PqNode *node, const char *modifier)
{
	if (node->kind == PQ_SELECTOR)
		return &node->u.selector.modifiers;
	if (node->kind == PQ_SUBQUERY)
		return &node->u.subquery.modifiers;
	parse_fail(
		parser, TS_ERR_INVALID, node->start,
		"%s modifier must be preceded by an instant vector selector or range vector "
		"selector or a subquery",
		modifier);
	return NULL;
}

static bool
parse_offset(PqParser *parser, PqNode *node)
{
	PqModifiers *modifiers;
	PqDuration offset;

	if (!promql_parse_advance(parser) || !promql_parse_offset(parser, &offset))
		return false;
	modifiers = modifiers_of(parser, node, "offset");
	if (modifiers == NULL)
		return false;
	if (modifiers->offset.given)
		return parse_fail(parser, TS_ERR_INVALID, node->start,
						  "offset may not be set multiple times");
	/* An offset of nothing is none, for Prometheus, too. */
	if (offset.expr == NULL && offset.ms == 0)
		return true;
	modifiers->offset = offset;
	promql_parse_raise(node, offset.expr);
	return true;
}

/* A time in seconds behind @. */
static bool
parse_at_time(PqParser *parser, PqModifiers *at)
{
	const PromqlToken *token = &parser->reader.token;
	bool minus = token->type == PROMQL_SUB;
	int start = token->offset;
	TsString text;
	PqNode *number;
	double ms;

	if ((minus || token->type == PROMQL_ADD) && !promql_parse_advance(parser))
		return false;
	if (token->type != PROMQL_NUMBER && token->type != PROMQL_DURATION)
		return promql_parse_unexpected(parser, "@", "timestamp");
	text = token->text;
	number = promql_parse_number(parser);
	if (number == NULL)
		return false;
	ms = round((minus ? -number->u.number.value : number->u.number.value) * 1000);
	/* Up to there every millisecond has a number of its own. */
	if (!(fabs(ms) <= 9007199254740992.0))
		return parse_fail(parser, TS_ERR_INVALID, start,
						  "timestamp out of bounds for @ modifier: %s%.*s",
						  minus ? "-" : "", (int) (text.len < 60 ? text.len : 60),
						  text.data);
	at->at = PQ_AT_TIME;
	at->at_ms = (int64_t) ms;
	return true;
}

static bool
parse_at(PqParser *parser, PqNode *node)
{
	PqModifiers at = {.at = PQ_AT_NONE};
	PqModifiers *modifiers;

	if (!promql_parse_advance(parser))
		return false;
	if (parser->word == PQ_WORD_START || parser->word == PQ_WORD_END)
	{
		at.at = parser->word == PQ_WORD_START ? PQ_AT_START : PQ_AT_END;
		if (!promql_parse_advance(parser) ||
			!promql_parse_expect(parser, PROMQL_LEFT_PAREN, "@", "\"(\"") ||
			!promql_parse_expect(parser, PROMQL_RIGHT_PAREN, "@", "\")\""))
			return false;
	}
	else if (!parse_at_time(parser, &at))
		return false;
	modifiers = modifiers_of(parser, node, "@");
	if (modifiers == NULL)
		return false;
	if (modifiers->at != PQ_AT_NONE)
		return parse_fail(parser, TS_ERR_INVALID, node->start,
						  "@ <timestamp> may not be set multiple times");
	modifiers->at = at.at;
	modifiers->at_ms = at.at_ms;
	return true;
}

/* anchored or smoothed. */
static bool
parse_extend(PqParser *parser, PqNode *node)
{
	PqExtend extend = parser->word == PQ_WORD_ANCHORED ? PQ_ANCHORED : PQ_SMOOTHED;
	const char *name = extend == PQ_ANCHORED ? "anchored" : "smoothed";
	int at = parser->reader.token.offset;

	if (!parser->options->extended_ranges)
		return parse_fail(parser, TS_ERR_INVALID, at,
						  "%s modifier is experimental and not enabled", name);
	if (node->kind == PQ_SUBQUERY)
		return parse_fail(parser, TS_ERR_INVALID, at,
						  "%s modifier is not supported for subqueries", name);
	if (node->kind != PQ_SELECTOR)
		return parse_fail(parser, TS_ERR_INVALID, at,
						  "%s modifier must be preceded by an instant vector selector or "
						  "range vector selector",
						  name);
	if (node->u.selector.extend != PQ_PLAIN && node->u.selector.extend != extend)
		return parse_fail(parser, TS_ERR_INVALID, at,
						  "anchored and smoothed modifiers cannot be used together");
	node->u.selector.extend = extend;
	return promql_parse_advance(parser);
}

/* Makes a selector of a range vector of one of an instant vector. */
static PqNode *
make_range(PqParser *parser, PqNode *node, int bracket, const PqDuration *range)
{
	const char *why = NULL;

	if (node->kind != PQ_SELECTOR || node->u.selector.range.given)
		why = "ranges only allowed for vector selectors";
	else if (node->u.selector.modifiers.offset.given)
		why = "no offset modifiers allowed before range";
	else if (node->u.selector.modifiers.at != PQ_AT_NONE)
		why = "no @ modifiers allowed before range";
	if (why != NULL)
	{
		parse_fail(parser, TS_ERR_INVALID, bracket, "%s", why);
		return NULL;
	}
	node->u.selector.range = *range;
	promql_parse_raise(node, range->expr);
	return node;
}

/* What stands in brackets behind an operand: a range, or a subquery. */
static PqNode *
parse_brackets(PqParser *parser, PqNode *node)
{
	int bracket = parser->reader.token.offset;
	PqDuration range;
	PqNode *subquery;

	if (!promql_parse_advance(parser) ||
		!promql_parse_duration(parser, "subquery or range selector",
							   "number, duration, step(), or range()", &range))
		return NULL;
	if (parser->reader.token.type != PROMQL_COLON)
	{
		if (!promql_parse_expect(parser, PROMQL_RIGHT_BRACKET, "subquery or range",
								 "\":\" or \"]\""))
			return NULL;
		return make_range(parser, node, bracket, &range);
	}

	subquery = promql_parse_node(parser, PQ_SUBQUERY, node->start);
	if (subquery == NULL || !promql_parse_advance(parser))
		return NULL;
	subquery->u.subquery.expr = node;
	subquery->u.subquery.range = range;
	if (parser->reader.token.type != PROMQL_RIGHT_BRACKET &&
		!promql_parse_duration(parser, "subquery selector",
							   "number, duration, step(), range(), or \"]\"",
							   &subquery->u.subquery.step))
		return NULL;
	if (!promql_parse_expect(parser, PROMQL_RIGHT_BRACKET, "subquery selector", "\"]\""))
		return NULL;
	promql_parse_raise(subquery, node);
	promql_parse_raise(subquery, range.expr);
	promql_parse_raise(subquery, subquery->u.subquery.step.expr);
	return subquery;
}

PqNode *
promql_parse_modifiers(PqParser *parser, PqNode *node)
{
	while (node != NULL)
	{
		bool ok = true;

		if (parser->reader.token.type == PROMQL_LEFT_BRACKET)
			node = parse_brackets(parser, node);
		else if (parser->reader.token.type == PROMQL_AT)
			ok = parse_at(parser, node);
		else if (parser->word == PQ_WORD_OFFSET)
			ok = parse_offset(parser, node);
		else if (parser->word == PQ_WORD_ANCHORED || parser->word == PQ_WORD_SMOOTHED)
			ok = parse_extend(parser, node);
		else
			return node;
		node = ok && node != NULL ? promql_parse_finish(parser, node) : NULL;
	}
	return NULL;
}
