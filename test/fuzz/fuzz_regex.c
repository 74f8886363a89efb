/*
 * fuzz_regex.c
 *	  Regular expressions: a pattern, a zero byte, and a value to match.
 *
 * Any pattern compiles or is refused, any value matches or not or is refused, within
 * the limits; and the ways around PCRE2 agree with PCRE2 wherever both answer. With groups
 * the same values match, groups are within the value, and any text is a template.
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

/* The regex has matched; the pattern serves as a template, too. */
static void
check_groups(const TsRegex *regex, const char *pattern, size_t pattern_len,
			 const char *value, size_t len, const TsRegexLimits *limits)
{
	TsRegexTemplate template;
	TsArena arena;
	TsError err;
	size_t start;
	size_t end;
	size_t size;
	char *out;

	for (uint32_t i = 0; i <= ts_regex_group_count(regex); i++)
	{
		if (ts_regex_group(regex, i, &start, &end))
			require(start <= end && end <= len && (i > 0 || (start == 0 && end == len)));
		else
			require(i > 0);
		require(ts_regex_group_name(regex, i).len <= pattern_len);
	}
	ts_arena_init(&arena, &ts_malloc_allocator, 4 * 1024 * 1024);
	if (ts_regex_read_template(regex, pattern, pattern_len, limits, &arena, &template,
							   &err) == TS_OK)
	{
		size = ts_regex_expanded_size(regex, &template);
		out = malloc(size + 1);
		require(out != NULL);
		ts_regex_expand(regex, &template, value, out);
		free(out);
	}
	ts_arena_free(&arena);
}

/* A pattern with groups that is right without them matches the same values. */
static void
check_with_groups(const char *pattern, size_t pattern_len, const char *value, size_t len,
				  bool valid, TsErrorCode plain, bool plain_matched,
				  const TsRegexLimits *limits)
{
	TsRegex *regex;
	bool matched;
	TsError err;

	if (ts_regex_compile_groups(pattern, pattern_len, &ts_malloc_allocator, limits,
								&regex, &err) != TS_OK)
	{
		require(err.code != TS_ERR_INVALID);
		return;
	}
	if (valid && ts_regex_match(regex, value, len, &matched, &err) == TS_OK)
	{
		require(plain != TS_OK || matched == plain_matched);
		if (matched)
			check_groups(regex, pattern, pattern_len, value, len, limits);
	}
	ts_regex_free(regex);
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
	check_with_groups(pattern, pattern_len, value, len, valid,
					  codes[1] == TS_OK ? matches[1] : codes[1], matched[1], &limits);
	return 0;
}
