/*
 * reader.c
 *	  What PromQL's parsers have in common.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "reader.h"

TsErrorCode
promql_reader_locate(const PromqlReader *reader, TsErrorCode code)
{
	if (reader->err != NULL)
		ts_error_locate(reader->err, reader->lexer.text, reader->lexer.len);
	return code;
}

TsErrorCode
promql_reader_no_memory(const PromqlReader *reader)
{
	return ts_error_set(reader->err, TS_ERR_MEMORY, -1, "out of memory");
}

TsErrorCode
promql_reader_init(PromqlReader *reader, const char *text, size_t len, TsArena *arena,
				   TsError *err)
{
	TsErrorCode code;

	memset(reader, 0, sizeof(*reader));
	reader->arena = arena;
	reader->err = err;
	code = promql_lexer_init(&reader->lexer, text, len, arena, err);
	if (code != TS_OK)
		return code;
	reader->lexer.text = ts_arena_strdup(arena, text, len);
	return reader->lexer.text == NULL ? promql_reader_no_memory(reader) : TS_OK;
}

TsErrorCode
promql_advance(PromqlReader *reader)
{
	reader->end = reader->token.offset + (int) reader->token.text.len;
	return promql_lexer_next(&reader->lexer, &reader->token, reader->err);
}

TsErrorCode
promql_unexpected(const PromqlReader *reader, const char *context, const char *expected)
{
	char found[128];

	promql_token_describe(&reader->token, found, sizeof(found));
	return READER_ERROR(reader, TS_ERR_SYNTAX, reader->token.offset,
						"unexpected %s%s, expected %s", found, context, expected);
}

/* Appends a matcher, which the caller fills in. */
static TsMatcher *
add_matcher(PromqlReader *reader, PromqlMatcherList *list, const PromqlToken *name)
{
	PromqlMatcherCell *cell = ts_arena_alloc(reader->arena, sizeof(*cell));

	if (cell == NULL)
		return NULL;
	memset(cell, 0, sizeof(*cell));
	cell->matcher.name_offset = name->offset;
	cell->matcher.operator_offset = -1;
	if (list->last == NULL)
		list->first = cell;
	else
		list->last->next = cell;
	list->last = cell;
	list->count++;
	return &cell->matcher;
}

TsErrorCode
promql_add_metric_name(PromqlReader *reader, PromqlMatcherList *list,
					   const PromqlToken *token, TsString name)
{
	TsMatcher *matcher = add_matcher(reader, list, token);

	if (matcher == NULL)
		return promql_reader_no_memory(reader);
	matcher->type = TS_MATCH_EQUAL;
	matcher->name.data = TS_METRIC_NAME_LABEL;
	matcher->name.len = strlen(TS_METRIC_NAME_LABEL);
	matcher->value = name;
	matcher->value_offset = token->offset;
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
read_matcher(PromqlReader *reader, PromqlMatcherList *list)
{
	PromqlToken name = reader->token;
	bool quoted = name.type == PROMQL_STRING;
	TsMatcher *matcher;
	TsMatchType type;
	TsErrorCode code;

	if (!quoted && name.type != PROMQL_IDENTIFIER)
		return promql_unexpected(reader, " in label matching", "label name or \"}\"");
	code = promql_advance(reader);
	if (code != TS_OK)
		return code;

	if (!match_type_of_token(reader->token.type, &type))
	{
		if (!quoted)
			return promql_unexpected(reader, " in label matching",
									 "label matching operator");
		return promql_add_metric_name(reader, list, &name, name.value);
	}
	matcher = add_matcher(reader, list, &name);
	if (matcher == NULL)
		return promql_reader_no_memory(reader);
	matcher->name = quoted ? name.value : name.text;
	if (matcher->name.len == 0)
		return READER_ERROR(reader, TS_ERR_INVALID, name.offset,
							"label name must not be empty");
	matcher->type = type;
	matcher->operator_offset = reader->token.offset;
	code = promql_advance(reader);
	if (code != TS_OK)
		return code;
	if (reader->token.type != PROMQL_STRING)
		return promql_unexpected(reader, " in label matching", "string");
	matcher->value = reader->token.value;
	matcher->value_offset = reader->token.offset;
	return promql_advance(reader);
}

TsErrorCode
promql_read_matchers(PromqlReader *reader, PromqlMatcherList *list, uint32_t max)
{
	TsErrorCode code;

	assert(reader->token.type == PROMQL_LEFT_BRACE);
	code = promql_advance(reader);
	while (code == TS_OK && reader->token.type != PROMQL_RIGHT_BRACE)
	{
		code = read_matcher(reader, list);
		if (code != TS_OK)
			return code;
		if (max > 0 && list->count > max)
			return ts_error_set(
				reader->err, TS_ERR_LIMIT, -1,
				"the selector has more than %u matchers, the most allowed",
				(unsigned) max);
		if (reader->token.type == PROMQL_COMMA)
			code = promql_advance(reader);
		else if (reader->token.type != PROMQL_RIGHT_BRACE)
			return promql_unexpected(reader, " in label matching", "\",\" or \"}\"");
	}
	return code == TS_OK ? promql_advance(reader) : code;
}

TsMatcher *
promql_collect_matchers(const PromqlReader *reader, const PromqlMatcherList *list)
{
	TsMatcher *matchers = NULL;
	uint32_t n = 0;

	if (list->count > 0)
		matchers = ts_arena_alloc(reader->arena, list->count * sizeof(TsMatcher));
	if (matchers == NULL)
		return NULL;
	for (const PromqlMatcherCell *cell = list->first; cell != NULL; cell = cell->next)
		matchers[n++] = cell->matcher;
	assert(n == list->count);
	return matchers;
}

TsErrorCode
promql_compile_matcher(const PromqlReader *reader, const TsAllocator *allocator,
					   const TsRegexLimits *limits, TsMatcher *matcher)
{
	TsErrorCode code;
	TsError why;

	if (matcher->type == TS_MATCH_EQUAL || matcher->type == TS_MATCH_NOT_EQUAL)
	{
		matcher->matches_empty = (matcher->value.len == 0) ==
								 (matcher->type == TS_MATCH_EQUAL);
		return TS_OK;
	}
	code = ts_regex_compile(matcher->value.data, matcher->value.len, allocator, limits,
							&matcher->regex, &why);
	if (code == TS_OK)
	{
		matcher->matches_empty = ts_regex_matches_empty(matcher->regex) ==
								 (matcher->type == TS_MATCH_REGEX);
		return TS_OK;
	}
	/* The place within the pattern is not one in the text, as escapes differ. */
	matcher->regex = NULL;
	return READER_ERROR(
		reader, code, matcher->value_offset, "%s%s",
		code == TS_ERR_SYNTAX || code == TS_ERR_INVALID ? "error parsing regexp: " : "",
		why.message);
}
