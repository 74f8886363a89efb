/*
 * fuzz_selector.c
 *	  Selectors from anywhere: parsed or refused, tested on a value, never more.
 *
 * The input is a byte of options, a selector, and after a zero byte a value to match.
 */
#include <stdlib.h>
#include <string.h>

#include "promql_lexer.h"
#include "ts_selector.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What holds for every matcher that came out of the parser. */
static void
check_matcher(const TsMatcher *matcher, const TsSelectorOptions *options)
{
	bool regex = matcher->type == TS_MATCH_REGEX || matcher->type == TS_MATCH_NOT_REGEX;
	bool matched;
	TsError err;

	if (matcher->name.len == 0 ||
		ts_utf8_valid_prefix(matcher->name.data, matcher->name.len) < matcher->name.len ||
		ts_utf8_valid_prefix(matcher->value.data, matcher->value.len) <
			matcher->value.len)
		abort();
	if ((matcher->regex != NULL) != (regex && !options->label_set))
		abort();
	if (options->label_set)
		return;
	if (ts_matcher_test(matcher, "", 0, &matched, &err) != TS_OK ||
		matched != matcher->matches_empty)
		abort();
	if (!regex)
	{
		if (ts_matcher_test(matcher, matcher->value.data, matcher->value.len, &matched,
							&err) != TS_OK ||
			matched != (matcher->type == TS_MATCH_EQUAL))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsSelectorOptions options = {
		.allocator = &ts_malloc_allocator,
		.regex = {.match_limit = 1000, .memory = 256 * 1024},
	};
	TsSelector selector;
	TsError err;
	const char *text = (const char *) data + 1;
	const char *value;
	size_t len, value_len;

	if (size < 1)
		return 0;
	options.label_set = data[0] & 1;
	options.non_empty = (data[0] & 3) == 2;
	size--;
	value = memchr(text, '\0', size);
	len = value == NULL ? size : (size_t) (value - text);
	value = value == NULL ? text : value + 1;
	value_len = size - (size_t) (value - text);

	if (ts_selector_parse(text, len, &options, &selector, &err) != TS_OK)
	{
		if (err.code == TS_OK || err.message[0] == '\0' || selector.matchers != NULL)
			abort();
		/* An error of syntax has a place, and the place is in the text. */
		if (err.code == TS_ERR_SYNTAX && (err.offset < 0 || (size_t) err.offset > len ||
										  err.line < 1 || err.column < 1))
			abort();
		return 0;
	}
	for (uint32_t i = 0; i < selector.nmatchers; i++)
	{
		bool matched;

		check_matcher(&selector.matchers[i], &options);
		if (!options.label_set && ts_utf8_valid_prefix(value, value_len) == value_len)
			ts_matcher_test(&selector.matchers[i], value, value_len, &matched, &err);
	}
	ts_selector_free(&selector);
	return 0;
}
