/*
 * selector.c
 *	  Parses PromQL's series selectors that stand alone, and tests values against their
 *	  matchers.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "reader.h"

/* What PromQL would make of a token behind a selector; NULL: nothing. */
static const char *
part_of_expression(const PromqlToken *token)
{
	static const struct
	{
		const char *word;
		const char *what;
	} words[] = {
		{"offset", "offset"},   {"and", "operator"},   {"or", "operator"},
		{"unless", "operator"}, {"atan2", "operator"},
	};

	if (token->type == PROMQL_LEFT_BRACKET)
		return "range or subquery";
	if (token->type == PROMQL_LEFT_PAREN)
		return "function call";
	if (token->type == PROMQL_AT)
		return "@ modifier";
	if (promql_is_operator_token(token->type))
		return "operator";
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (token->type == PROMQL_IDENTIFIER && ts_string_is(token->text, words[i].word))
			return words[i].what;
	}
	return NULL;
}

/*
 * A selector is over, but the text is not. What PromQL allows to follow is told apart
 * from mere nonsense, as whoever wrote it will wonder why it is refused.
 */
static TsErrorCode
refuse_rest(const PromqlReader *reader, bool label_set)
{
	const PromqlToken *token = &reader->token;
	const char *what = label_set ? NULL : part_of_expression(token);

	if (what != NULL)
		return READER_ERROR(reader, TS_ERR_SYNTAX, token->offset,
							"unexpected \"%.*s\" after the selector: a selector alone "
							"has no %s, only a metric name and label matchers",
							(int) token->text.len, token->text.data, what);
	return promql_unexpected(
		reader, label_set ? " after the labels" : " after the selector", "end of input");
}

static TsErrorCode
read_selector(PromqlReader *reader, PromqlMatcherList *list, bool label_set)
{
	TsErrorCode code = promql_advance(reader);
	bool named;

	if (code != TS_OK)
		return code;
	named = reader->token.type == PROMQL_IDENTIFIER ||
			reader->token.type == PROMQL_METRIC_IDENTIFIER;
	if (named)
	{
		code = promql_add_metric_name(reader, list, &reader->token, reader->token.text);
		if (code == TS_OK)
			code = promql_advance(reader);
	}
	if (code == TS_OK && reader->token.type == PROMQL_LEFT_BRACE)
		code = promql_read_matchers(reader, list,
									label_set ? 0 : TS_SELECTOR_MAX_MATCHERS);
	else if (code == TS_OK && !named)
		return promql_unexpected(reader, "", "metric name or \"{\"");
	if (code == TS_OK && reader->token.type != PROMQL_EOF)
		return refuse_rest(reader, label_set);
	return code;
}

/* A metric name that stands alone must be the only one. */
static TsErrorCode
check_metric_name(const PromqlReader *reader, const PromqlMatcherList *list)
{
	const TsMatcher *name = NULL;

	for (const PromqlMatcherCell *cell = list->first; cell != NULL && name == NULL;
		 cell = cell->next)
	{
		if (cell->matcher.operator_offset < 0)
			name = &cell->matcher;
	}
	if (name == NULL)
		return TS_OK;
	for (const PromqlMatcherCell *cell = list->first; cell != NULL; cell = cell->next)
	{
		const TsMatcher *other = &cell->matcher;

		if (other != name && ts_string_equal(other->name, name->name))
			return READER_ERROR(reader, TS_ERR_INVALID, other->name_offset,
								"metric name must not be set twice: \"%.*s\" or \"%.*s\"",
								(int) name->value.len, name->value.data,
								(int) other->value.len, other->value.data);
	}
	return TS_OK;
}

/* Moves the matchers into the selector's array and makes them ready to be tested. */
static TsErrorCode
compile_matchers(const PromqlReader *reader, const PromqlMatcherList *list,
				 const TsSelectorOptions *options, TsSelector *selector)
{
	bool non_empty = false;

	selector->matchers = promql_collect_matchers(reader, list);
	if (selector->matchers == NULL && list->count > 0)
		return promql_reader_no_memory(reader);
	selector->nmatchers = list->count;
	for (uint32_t i = 0; i < selector->nmatchers; i++)
	{
		TsMatcher *matcher = &selector->matchers[i];
		bool regex = matcher->type == TS_MATCH_REGEX ||
					 matcher->type == TS_MATCH_NOT_REGEX;

		if (!regex || !options->label_set)
		{
			TsErrorCode code = promql_compile_matcher(reader, options->allocator,
													  &options->regex, matcher);

			if (code != TS_OK)
				return code;
		}
		non_empty |= !matcher->matches_empty;
	}
	if (options->non_empty && !non_empty)
		return READER_ERROR(
			reader, TS_ERR_INVALID, 0,
			"vector selector must contain at least one non-empty matcher");
	return TS_OK;
}

TsErrorCode
ts_selector_parse(const char *text, size_t len, const TsSelectorOptions *options,
				  TsSelector *selector, TsError *err)
{
	PromqlReader reader;
	PromqlMatcherList list = {NULL, NULL, 0};
	TsErrorCode code;

	memset(selector, 0, sizeof(*selector));
	ts_arena_init(&selector->arena, options->allocator, SIZE_MAX / 2);
	selector->check_interrupts = options->check_interrupts;

	code = promql_reader_init(&reader, text, len, &selector->arena, err);
	if (code == TS_OK)
		code = read_selector(&reader, &list, options->label_set);
	if (code == TS_OK)
		code = check_metric_name(&reader, &list);
	if (code == TS_OK)
		code = compile_matchers(&reader, &list, options, selector);
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
