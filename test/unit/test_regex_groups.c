/*
 * test_regex_groups.c
 *	  Regular expressions with groups: what the groups take, and templates filled in with
 *	  it. Patterns that no group is asked of must accept the same values.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/promql/regex_internal.h"
#include "unit.h"

static const TsRegexLimits limits = {.match_limit = 1000000, .memory = 16 * 1024 * 1024};

/* What a template becomes; "-": the pattern does not match. */
typedef struct ExpandCase
{
	const char *pattern;
	const char *value;
	const char *template;
	const char *expected;
} ExpandCase;

static const ExpandCase cases[] = {
	/* groups by number and by name */
	{"(.*)", "source-value-10", "$1", "source-value-10"},
	{"source-(.*)-(.*)", "source-value-10", "$2/$1", "10/value"},
	{"(?P<a>.*):(?<b>.*)", "x:y", "$b-${a}", "y-x"},
	{"(.*):(.*)", "a:b:c", "$1|$2", "a:b|c"},
	{"(.*?):(.*)", "a:b:c", "$1|$2", "a|b:c"},
	{"(?U)(.*):(.*)", "a:b:c", "$1|$2", "a|b:c"},
	{"(?U)(.*?):(.*)", "a:b:c", "$1|$2", "a:b|c"},
	{"(?U:(.*)):(.*)", "a:b:c", "$1|$2", "a|b:c"},
	{"x", "y", "$0", "-"},
	{"x|", "", "[$0]", "[]"},
	{"(a)|(b)", "b", "[$1][$2]", "[][b]"},
	{"(?P<n>a)|(?P<n>b)", "b", "$n", "b"},
	{"(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)", "abcdefghij", "$10 ${1}0", "j a0"},
	/* order of alternatives, and what repetition leaves */
	{"(a|ab)(c|bcd)?(d*)", "abcd", "$1,$2,$3", "a,bcd,"},
	{"(ab|a)(bcd|c)?(d*)", "abcd", "$1,$2,$3", "ab,c,d"},
	{"(?:(a)|(b))+", "ab", "$1$2", "ab"},
	{"(a|b)*c", "abc", "$1", "b"},
	{"(a){0}(b)", "b", "[$1][$2]", "[][b]"},
	{"(?:(a){2}){0}(b)", "b", "$2|$3", "b|"},
	{"((a)(b)?){2}", "aba", "$1,$2,$3", "a,a,b"},
	{"(x*)*y", "xxy", "[$0]", "[xxy]"},
	{"(?:x+)?(y)", "xxy", "$1", "y"},
	{"(?:x*)*?(y)", "xxy", "$1", "y"},
	{"((((deep))))", "deep", "$4", "deep"},
	{"(?i)(Server)-([0-9a-f]+)", "SERVER-BEEF", "$1 $2", "SERVER BEEF"},
	{"(\\p{Greek}+)(\\pL+)", "αβγabc", "$2$1", "abcαβγ"},
	{"(?s)(.)(.*)", "\nrest", "$2", "rest"},
	{"\\((.*)\\)", "(in)", "$1", "in"},
	/* templates */
	{"(.*)", "v", "", ""},
	{"(.*)", "v", "$", "$"},
	{"(.*)", "v", "$$1", "$1"},
	{"(.*)", "v", "$$$1", "$v"},
	{"(.*)", "v", "a$1b", "a"},
	{"(.*)", "v", "a${1}b", "avb"},
	{"(.*)", "v", "$1-x", "v-x"},
	{"(.*)", "v", "${1", "${1"},
	{"(.*)", "v", "${}", "${}"},
	{"(.*)", "v", "${ 1}", "${ 1}"},
	{"(.*)", "v", "$01", ""},
	{"(.*)", "v", "$2", ""},
	{"(.*)", "v", "$999999999999", ""},
	{"(.*)", "v", "$-", "$-"},
	{"(.*)", "v", "$1é", ""},
	{"(.*)", "v", "$1→", "v→"},
	{"(.*)", "v", "é$é.", "é."},
	{"(?P<a_1>.*)", "v", "$a_1 $a_", "v "},
	{"\\Q(x)\\E(y)", "(x)y", "$1", "y"},
};

static void
test_expand(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const ExpandCase *c = &cases[i];
		TsRegex *regex = NULL;
		TsRegexTemplate template;
		TsArena arena;
		TsError err = {0};
		bool matched = false;
		char out[256] = "-";

		ts_arena_init(&arena, &ts_malloc_allocator, 1024 * 1024);
		CHECK(ts_regex_compile_groups(c->pattern, strlen(c->pattern),
									  &ts_malloc_allocator, &limits, &regex,
									  &err) == TS_OK,
			  "%s: %s", c->pattern, err.message);
		if (regex == NULL)
			continue;
		CHECK(ts_regex_read_template(regex, c->template, strlen(c->template), &limits,
									 &arena, &template, &err) == TS_OK,
			  "%s", c->template);
		CHECK(ts_regex_match(regex, c->value, strlen(c->value), &matched, &err) == TS_OK,
			  "%s", c->pattern);
		if (matched)
		{
			size_t size = ts_regex_expanded_size(regex, &template);

			CHECK(size < sizeof(out), "%s", c->template);
			ts_regex_expand(regex, &template, c->value, out);
			out[size] = '\0';
		}
		CHECK(strcmp(out, c->expected) == 0, "%s ~ %s, %s: %s", c->value, c->pattern,
			  c->template, out);
		ts_arena_free(&arena);
		ts_regex_free(regex);
	}
}

/* Groups change nothing about which values match. */
static void
test_same_values(void)
{
	static const char *const patterns[] = {
		"(a|ab)(c|bcd)?(d*)", "(?:a*)*b", "(a?){3}", "((a|b)*|c)+", "(a?\?)+b", "(|a)*c",
	};
	static const char *const values[] = {"",    "a",   "b",  "ab",  "abcd",
										 "aab", "aaa", "cc", "abc", "aaaa"};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
	{
		TsRegex *plain = NULL;
		TsRegex *groups = NULL;
		TsError err;

		CHECK(ts_regex_compile(patterns[i], strlen(patterns[i]), &ts_malloc_allocator,
							   &limits, &plain, &err) == TS_OK &&
				  ts_regex_compile_groups(patterns[i], strlen(patterns[i]),
										  &ts_malloc_allocator, &limits, &groups,
										  &err) == TS_OK,
			  "%s", patterns[i]);
		for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++)
		{
			bool a = false;
			bool b = false;

			ts_regex_match(plain, values[j], strlen(values[j]), &a, &err);
			ts_regex_match(groups, values[j], strlen(values[j]), &b, &err);
			CHECK(a == b, "%s ~ %s", values[j], patterns[i]);
		}
		ts_regex_free(plain);
		ts_regex_free(groups);
	}
}

int
main(void)
{
	test_expand();
	test_same_values();
	return unit_finish();
}
