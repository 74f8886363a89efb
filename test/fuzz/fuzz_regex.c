/*
 * fuzz_regex.c
 *	  Regular expressions: a pattern, a zero byte, and a value to match.
 *
 * Any pattern compiles or is refused, any value matches or not or is refused, within
 * the limits; and the ways around PCRE2 agree with PCRE2 wherever both answer.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/promql/regex_internal.h"

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* What the regex promises of every value that matches. */
static void
check_facts(const TsRegex *regex, const char *value, size_t len, bool matched)
{
	const TsString *literals;
	size_t n = ts_regex_literals(regex, &literals);
	TsString prefix = ts_regex_prefix(regex);
	bool among = false;

	for (size_t i = 0; i < n; i++)
		among |= literals[i].len == len && memcmp(literals[i].data, value, len) == 0;
	require(n == 0 || among == matched);
	require(len > 0 || matched == ts_regex_matches_empty(regex));
	require(!matched ||
			(len >= prefix.len && memcmp(value, prefix.data, prefix.len) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const TsRegexLimits limits = {.match_limit = 20000, .memory = 4 * 1024 * 1024};
	const char *pattern = (const char *) data;
	const char *zero = size > 0 ? memchr(pattern, '\0', size) : NULL;
	size_t pattern_len = zero != NULL ? (size_t) (zero - pattern) : size;
	const char *value = zero != NULL ? zero + 1 : "";
	size_t len = zero != NULL ? size - pattern_len - 1 : 0;
	bool valid = ts_utf8_valid_prefix(value, len) == len;
	TsErrorCode codes[2];
	TsErrorCode matches[2] = {TS_OK, TS_OK};
	bool matched[2] = {false, false};

	for (int shortcuts = 0; shortcuts <= 1; shortcuts++)
	{
		TsRegex *regex;
		TsError err;

		codes[shortcuts] = regex_compile(pattern, pattern_len, &ts_malloc_allocator,
										 &limits, shortcuts == 1, &regex, &err);
		if (codes[shortcuts] != TS_OK)
		{
			require(codes[shortcuts] != TS_ERR_INVALID);
			require(err.code == codes[shortcuts] && err.message[0] != '\0');
			require(err.offset <= (int) pattern_len);
			continue;
		}
		matches[shortcuts] = ts_regex_match(regex, value, len, &matched[shortcuts], &err);
		require(!valid || matches[shortcuts] != TS_ERR_INVALID);
		if (valid && matches[shortcuts] == TS_OK)
			check_facts(regex, value, len, matched[shortcuts]);
		ts_regex_free(regex);
	}
	require((codes[0] == TS_ERR_SYNTAX) == (codes[1] == TS_ERR_SYNTAX));
	if (valid && codes[0] == TS_OK && codes[1] == TS_OK && matches[0] == TS_OK &&
		matches[1] == TS_OK)
		require(matched[0] == matched[1]);
	return 0;
}
