/*
 * test_regex.c
 *	  Regular expressions: what is accepted and refused, what matches, and that no
 *	  pattern takes more time or memory than it may.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/promql/regex_internal.h"
#include "unit.h"

#define MEGABYTE ((size_t) 1024 * 1024)

static const TsRegexLimits limits = {.match_limit = 1000000, .memory = 16 * MEGABYTE};

/* ---- helpers ---- */

static TsRegex *
compile(const char *pattern, TsError *err)
{
	TsRegex *regex = NULL;

	memset(err, 0, sizeof(*err));
	if (ts_regex_compile(pattern, strlen(pattern), &ts_malloc_allocator, &limits, &regex,
						 err) != TS_OK)
		return NULL;
	return regex;
}

/* 1, 0, or -1 after an error. */
static int
match(const TsRegex *regex, const char *value, size_t len, TsError *err)
{
	bool matched;

	if (ts_regex_match(regex, value, len, &matched, err) != TS_OK)
		return -1;
	return matched;
}

/* ---- what matches ---- */

/* A pattern, then values: those before the bar match it, those after it do not. */
typedef struct MatchCase
{
	const char *pattern;
	const char *matching[6];
	const char *others[6];
} MatchCase;

static const MatchCase match_cases[] = {
	/* literals and sets */
	{"", {""}, {"a"}},
	{"foo", {"foo"}, {"", "fo", "fooo", "xfoo"}},
	{"foo|bar|", {"foo", "bar", ""}, {"foobar", "ba"}},
	{"foo(bar|baz)?", {"foo", "foobar", "foobaz"}, {"bar", "foobarbaz"}},
	{"[ab]{1,2}", {"a", "b", "ab", "bb"}, {"", "aba", "c"}},
	{"5[0-9][0-9]", {"500", "599"}, {"5", "50a", "400"}},
	{"10.0.0.1:9100|10.0.0.2:9100",
	 {"10.0.0.1:9100", "10x0y0z2:9100"},
	 {"10.0.0.3:9100"}},
	{"[東日][京本]", {"東京", "日本"}, {"東", "京東"}},
	/* anything */
	{".*", {"", "a", "a\nb", "\xE2\x82\xAC"}, {NULL}},
	{".+", {"a", "\n", "ab"}, {""}},
	{".", {"a", "\n", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}, {"", "ab"}},
	{"..", {"ab", "\xC3\xA9\xC3\xA9"}, {"a", "\xC3\xA9", "abc"}},
	{"a.c",
	 {"abc", "a\nc",
	  "a\xC3\xA9"
	  "c"},
	 {"ac", "abbc"}},
	{"foo.*", {"foo", "foobar"}, {"fo", "xfoo"}},
	{"foo.+", {"foobar"}, {"foo"}},
	{".*foo", {"foo", "xfoo", "foofoo"}, {"foox"}},
	{".+foo", {"xfoo", "foofoo"}, {"foo"}},
	{".*foo.*", {"foo", "xfoox"}, {"fo", "f.oo"}},
	{"a.*b.*c", {"abc", "axbxc", "abcbc"}, {"acb", "ab"}},
	{"a.+b.+c", {"axbxc", "abbbc"}, {"abc", "abbc"}},
	{".*aab.*", {"aaab", "xaabx"}, {"aba"}},
	{".*a.b.*", {"aaxb", "axb"}, {"ab", "ba"}},
	{".*.b", {"ab", "bb", "xxb"}, {"b", "ba"}},
	{"(foo|bar).*|baz", {"foo", "barx", "baz"}, {"bazx", "ba"}},
	{"(a.b|a.*c|abd)", {"axb", "ac", "axxc", "abd", "abb"}, {"axd", "ab"}},
	{"[\\s\\S]*", {"", "a\nb"}, {NULL}},
	/* anchors */
	{"^foo$", {"foo"}, {"foo\n", "\nfoo"}},
	{"^foo|bar$", {"foo", "bar"}, {"foobar"}},
	{".*^foo", {"foo"}, {"xfoo"}},
	{"foo$.*", {"foo"}, {"foox"}},
	{"a^b", {NULL}, {"ab", "a^b"}},
	{"$^", {""}, {"a"}},
	{"\\Afoo\\z", {"foo"}, {"foo\n"}},
	{"(?m)^a$\n^b$", {"a\nb"}, {"ab"}},
	{"(?m)a\n^", {"a\n"}, {"a"}},
	{"(?m)a$\n", {"a\n"}, {"a"}},
	{"(?m).*^b.*", {"b", "a\nbx"}, {"ab"}},
	{"(?m)[^x]*^", {"", "a\n"}, {"a"}},
	{"\\bfoo\\b.*", {"foo", "foo bar"}, {"foobar"}},
	{".*\\Bo", {"foo", "oo"}, {"o", "f o"}},
	{"\xC3\xA9\\b.*",
	 {"\xC3\xA9"
	  "a"},
	 {"\xC3\xA9", "\xC3\xA9 "}},
	/* newlines and flags */
	{"(?-s).*", {"", "ab"}, {"a\nb"}},
	{"(?-s:.)b", {"ab"}, {"\nb"}},
	{"[^a]", {"b", "\n", "\xC3\xA9"}, {"a", ""}},
	{"(?i)foo", {"foo", "FOO", "fOo"}, {"fo"}},
	{"(?i)k", {"k", "K", "\xE2\x84\xAA"}, {"j"}},
	{"(?i)s", {"s", "S", "\xC5\xBF"}, {"t"}},
	{"(?i)stra\xC3\x9F"
	 "e",
	 {"STRA\xE1\xBA\x9E"
	  "E"},
	 {"strasse"}},
	{"(?i)\xCF\x83", {"\xCF\x83", "\xCF\x82", "\xCE\xA3"}, {"s"}},
	{"(?i)[j-l]", {"j", "K", "\xE2\x84\xAA"}, {"m"}},
	{"(?i)[^k]", {"j", "\n"}, {"k", "K", "\xE2\x84\xAA"}},
	{"(?i)\\W", {"-", "\xC3\xA9"}, {"k", "\xE2\x84\xAA", "\xC5\xBF"}},
	{"\\W", {"-", "\xE2\x84\xAA"}, {"k", "_"}},
	{"a(?i)b|c", {"ab", "aB", "c", "C"}, {"Ab"}},
	{"a(?i:b)c", {"abc", "aBc"}, {"abC", "Abc"}},
	{"((?i)a)b", {"ab", "Ab"}, {"aB"}},
	{"(?i)(?-i)a", {"a"}, {"A"}},
	{"(?U)a+?b*", {"aab"}, {"b"}},
	/* repetition */
	{"a{2}", {"aa"}, {"a", "aaa"}},
	{"a{2,}", {"aa", "aaaa"}, {"a"}},
	{"a{0}", {""}, {"a"}},
	{"(ab?)*c?", {"", "aab", "abac"}, {"b", "cc"}},
	{"(a|ab)(c|bcd)", {"abcd", "abc", "ac"}, {"abbc"}},
	{"(|a){3}", {"", "a", "aaa"}, {"aaaa"}},
	{"(a?){3}a{3}", {"aaa", "aaaaaa"}, {"aa", "aaaaaaa"}},
	{"(a+){2,3}b", {"aab", "aaaaaab"}, {"ab", "aa"}},
	{"(^|a)+b", {"b", "ab", "aab"}, {"ba"}},
	{"a*?b??", {"", "aab"}, {"bb"}},
	{"a{,2}", {"a{,2}"}, {"a", "aa"}},
	{"a{", {"a{"}, {"a"}},
	{"a{a}", {"a{a}"}, {"aa"}},
	{"{2", {"{2"}, {""}},
	{"a*(?i)*", {"", "aa"}, {"A"}},
	{"ab(?i)*", {"a", "abb"}, {"", "abab", "aB"}},
	/* escapes */
	{"\\x41\\x{42}\\103", {"ABC"}, {"abc"}},
	{"\\a\\f\\t\\n\\r\\v", {"\a\f\t\n\r\v"}, {"aftnrv"}},
	{"\\01", {"\1"}, {"1"}},
	{"\\.\\_\\-\\/", {"._-/"}, {"x_-/"}},
	{"\\Qa.b\\E+", {"a.b", "a.bb"}, {"axb"}},
	{"\\Qa.b", {"a.b"}, {"axb"}},
	{"a\\Q\\E*", {"", "aa"}, {"b"}},
	{"\\x{D800}|a", {"a"}, {"", "b"}},
	{"#(?:x) y", {"#x y"}, {"#xy"}},
	/* classes */
	{"[]a]+", {"]a]"}, {"", "b"}},
	{"[^]a]", {"b"}, {"]", "a"}},
	{"[a-]+", {"a-"}, {"b"}},
	{"[--/]+", {"-./"}, {","}},
	{"[\\d-z]+", {"1-z"}, {"y"}},
	{"[[:alpha:][:digit:]]+", {"a1Z"}, {"_", "\xC3\xA9"}},
	{"[[:^alpha:]]", {"1", "\n"}, {"a"}},
	{"[[:word:]]+", {"a_1"}, {"-"}},
	{"[[:alpha]+", {"[:alph"}, {"b"}},
	{"\\s+", {" \t\n\f\r"}, {"\v", "\xC2\xA0"}},
	{"\\d+", {"059"}, {"\xD9\xA3", "a"}},
	{"[\\x{D7FF}-\\x{E000}]", {"\xEE\x80\x80"}, {"a"}},
	{"[^\\x00-\\x{10FFFF}]", {NULL}, {"", "a"}},
	{"\\pL+", {"a\xC3\xA9", "\xE6\x9D\xB1"}, {"1", ""}},
	{"\\PL", {"1", "\n"}, {"a"}},
	{"\\p{Greek}", {"\xCE\xB1"}, {"a"}},
	{"\\p{^Greek}", {"a"}, {"\xCE\xB1"}},
	{"[\\p{Lu}\\d]+", {"A1"}, {"a"}},
	{"[^\\p{Lu}\\d]+", {"a-"}, {"A", "1"}},
	{"[\\P{L}a]", {"1", "a"}, {"b"}},
	{"\\p{Any}", {"a", "\n"}, {""}},
	{"\\pC", {"\a"}, {"\xCD\xB8"}}, /* U+0378 is unassigned: not in Go's C */
	{"(?i)\\p{Lu}", {"A", "a", "\xC5\xBF"}, {"1", "\xC4\xB1"}},
	{"(?i)\\P{Lu}", {"1", "\xC4\xB1"}, {"A", "a"}},
	{"(?i)[^\\p{Lu}0-9]", {"-"}, {"a", "A", "1"}},
	/* groups */
	{"(?P<n>a)(?<m>b)(?:c)(d)", {"abcd"}, {"abc"}},
	{"(?P<n>a)|(?P<n>b)", {"a", "b"}, {"ab"}},
	{"(|a)b", {"b", "ab"}, {"aab"}},
	{"()", {""}, {"a"}},
	{"a||b", {"a", "", "b"}, {"ab"}},
	/* as in dashboards */
	{"(?:[0-9]{1,3}\\.){3}[0-9]{1,3}(:[0-9]+)?",
	 {"10.0.0.1", "192.168.1.20:9100"},
	 {"10.0.0", "10.0.0.1:"}},
	{"/api/v1/(query|label/[^/]+/values)",
	 {"/api/v1/query", "/api/v1/label/x/values"},
	 {"/api/v1/label//values"}},
	{"[a-z0-9]+([._-][a-z0-9]+)*", {"a", "a-b.c_1"}, {"a-", "-a", "a--b"}},
};

static void
check_match(const TsRegex *regex, const char *pattern, const char *value, int expected)
{
	TsError err = {0};
	int result = match(regex, value, strlen(value), &err);

	CHECK(result == expected, "`%s` on \"%s\": %d, not %d %s", pattern, value, result,
		  expected, err.message);
}

/* Every case, with and without the ways around PCRE2. */
static void
test_matching(void)
{
	for (size_t i = 0; i < sizeof(match_cases) / sizeof(match_cases[0]); i++)
	{
		const MatchCase *c = &match_cases[i];

		for (int shortcuts = 0; shortcuts <= 1; shortcuts++)
		{
			TsRegex *regex;
			TsError err = {0};
			TsErrorCode code = regex_compile(c->pattern, strlen(c->pattern),
											 &ts_malloc_allocator, &limits,
											 shortcuts == 1, &regex, &err);

			CHECK(code == TS_OK, "`%s`: %s", c->pattern, err.message);
			if (code != TS_OK)
				continue;
			for (int j = 0; j < 6 && c->matching[j] != NULL; j++)
				check_match(regex, c->pattern, c->matching[j], 1);
			for (int j = 0; j < 6 && c->others[j] != NULL; j++)
				check_match(regex, c->pattern, c->others[j], 0);
			ts_regex_free(regex);
		}
	}
}

/* ---- what is refused ---- */

static const struct
{
	const char *pattern;
	const char *message;
	int offset;
} refusals[] = {
	{"(a", "missing closing ): `(a`", 0},
	{"a(b(c)", "missing closing ): `a(b(c)`", 1},
	{"a)", "unexpected ): `a)`", 1},
	{")", "unexpected ): `)`", 0},
	{"a)(b", "unexpected ): `a)(b`", 1},
	{"[a", "missing closing ]: `[a`", 0},
	{"x[]", "missing closing ]: `[]`", 1},
	{"[[:alpha:]", "missing closing ]: `[[:alpha:]`", 0},
	{"[[:foo:]]", "invalid character class range: `[:foo:]`", 1},
	{"[b-a]", "invalid character class range: `b-a`", 1},
	{"[a-\\d]", "invalid escape sequence: `\\d`", 3},
	{"\\p{Foo}", "invalid character class range: `\\p{Foo}`", 0},
	{"\\p{greek}", "invalid character class range: `\\p{greek}`", 0},
	{"\\p{L&}", "invalid character class range: `\\p{L&}`", 0},
	{"\\p{Xan}", "invalid character class range: `\\p{Xan}`", 0},
	{"\\p{L", "invalid character class range: `\\p{L`", 0},
	{"\\pX", "invalid character class range: `\\pX`", 0},
	{"\\p", "invalid character class range: `\\p`", 0},
	{"*", "missing argument to repetition operator: `*`", 0},
	{"a|*", "missing argument to repetition operator: `*`", 2},
	{"(+?)", "missing argument to repetition operator: `+?`", 1},
	{"{2}", "missing argument to repetition operator: `{2}`", 0},
	{"(?i)*", "missing argument to repetition operator: `*`", 4},
	{"a**", "invalid nested repetition operator: `**`", 1},
	{"a*+", "invalid nested repetition operator: `*+`", 1},
	{"a++", "invalid nested repetition operator: `++`", 1},
	{"a??+",
	 "invalid nested repetition operator: `?"
	 "?+`",
	 1},
	{"a{2}{3}", "invalid nested repetition operator: `{2}{3}`", 1},
	{"a{1001}", "invalid repeat count: `{1001}`", 1},
	{"a{2,1}", "invalid repeat count: `{2,1}`", 1},
	{"a{99999999999}", "invalid repeat count: `{99999999999}`", 1},
	{"(a{100}){11}", "invalid repeat count: `{11}`", 8},
	{"((a{10}){10}){11}", "invalid repeat count: `{11}`", 13},
	{"\\1", "invalid escape sequence: `\\1`", 0},
	{"\\8", "invalid escape sequence: `\\8`", 0},
	{"\\C", "invalid escape sequence: `\\C`", 0},
	{"\\G", "invalid escape sequence: `\\G`", 0},
	{"\\h", "invalid escape sequence: `\\h`", 0},
	{"\\K", "invalid escape sequence: `\\K`", 0},
	{"\\R", "invalid escape sequence: `\\R`", 0},
	{"\\X", "invalid escape sequence: `\\X`", 0},
	{"\\Z", "invalid escape sequence: `\\Z`", 0},
	{"\\q", "invalid escape sequence: `\\q`", 0},
	{"\\u0041", "invalid escape sequence: `\\u`", 0},
	{"\\\xC3\xA9", "invalid escape sequence: `\\\xC3\xA9`", 0},
	{"\\x", "invalid escape sequence: `\\x`", 0},
	{"\\xg1", "invalid escape sequence: `\\xg1`", 0},
	{"\\x{}", "invalid escape sequence: `\\x{}`", 0},
	{"\\x{110000}", "invalid escape sequence: `\\x{110000`", 0},
	{"\\x{4g}", "invalid escape sequence: `\\x{4g`", 0},
	{"[\\b]", "invalid escape sequence: `\\b`", 1},
	{"a\\", "trailing backslash at end of expression: ``", 2},
	{"(?=a)", "invalid or unsupported Perl syntax: `(?=`", 0},
	{"(?!a)", "invalid or unsupported Perl syntax: `(?!`", 0},
	{"(?>a)", "invalid or unsupported Perl syntax: `(?>`", 0},
	{"(?|a|b)", "invalid or unsupported Perl syntax: `(?|`", 0},
	{"(?#c)a", "invalid or unsupported Perl syntax: `(?#`", 0},
	{"(?R)", "invalid or unsupported Perl syntax: `(?R`", 0},
	{"(?1)", "invalid or unsupported Perl syntax: `(?1`", 0},
	{"(?C1)", "invalid or unsupported Perl syntax: `(?C`", 0},
	{"(?(1)a|b)", "invalid or unsupported Perl syntax: `(?(`", 0},
	{"(?P=n)", "invalid or unsupported Perl syntax: `(?P`", 0},
	{"(?P>n)", "invalid or unsupported Perl syntax: `(?P`", 0},
	{"(?x)a", "invalid or unsupported Perl syntax: `(?x`", 0},
	{"(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`", 0},
	{"(?--i)a", "invalid or unsupported Perl syntax: `(?--`", 0},
	{"(?i", "invalid or unsupported Perl syntax: `(?i`", 0},
	{"(?", "invalid or unsupported Perl syntax: `(?`", 0},
	{"(?P<n", "invalid named capture: `(?P<n`", 0},
	{"(?P<>a)", "invalid named capture: `(?P<>`", 0},
	{"(?P<a-b>a)", "invalid named capture: `(?P<a-b>`", 0},
	{"(?<=a)b", "invalid named capture: `(?<=a)b`", 0},
	{"(*ACCEPT)", "missing argument to repetition operator: `*`", 1},
	{"a\xFF", "invalid UTF-8", 1},
	{"\xED\xA0\x80", "invalid UTF-8", 0},
};

static void
test_refusals(void)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
	{
		TsError err;
		TsRegex *regex = compile(refusals[i].pattern, &err);

		CHECK(regex == NULL, "`%s` is accepted", refusals[i].pattern);
		CHECK(err.code == TS_ERR_SYNTAX, "`%s`: code %d", refusals[i].pattern, err.code);
		CHECK(strcmp(err.message, refusals[i].message) == 0, "`%s`: %s",
			  refusals[i].pattern, err.message);
		CHECK(err.offset == refusals[i].offset, "`%s`: offset %d", refusals[i].pattern,
			  err.offset);
		ts_regex_free(regex);
	}
}

/* ---- what an index may use ---- */

static const struct
{
	const char *pattern;
	const char *prefix;
	const char *literals; /* joined by commas; NULL if it is no such set */
	bool empty;
	bool pcre2;
} facts[] = {
	{"", "", "", true, false},
	{"foo", "foo", "foo", false, false},
	{"b|a|b", "", "a,b", false, false},
	{"foo|", "", ",foo", true, false},
	{"foo(bar|baz)?", "foo", "foo,foobar,foobaz", false, false},
	{"fo[ob]", "fo", "fob,foo", false, false},
	{"foobar|foobaz", "fooba", "foobar,foobaz", false, false},
	{"\xC3\xA9|\xC3\xA8", "", "\xC3\xA8,\xC3\xA9", false, false},
	{"foo.*", "foo", NULL, false, false},
	{"^foo.+", "foo", NULL, false, false},
	{".*", "", NULL, true, false},
	{"(foo|foobar)x.*", "foo", NULL, false, false},
	{"(foo){2,3}.*", "foofoo", NULL, false, false},
	{"(foo){2}x.*", "foofoox", NULL, false, false},
	{"foo[0-9]+", "foo", NULL, false, true},
	{"foo\\d+bar", "foo", NULL, false, true},
	{"(foo|fob)[0-9]*", "fo", NULL, false, true},
	{"(?i)foo", "", NULL, false, true},
	{"foo(?i)bar", "foo", NULL, false, true},
	{"(?i)123", "123", "123", false, false},
	{"foo(?i)1.*", "foo1", NULL, false, false},
	{"a^b", "ab", NULL, false, false},
	{"\\bfoo", "foo", NULL, false, true},
	{"(?-s).*", "", NULL, true, true},
	{"[a-z]*", "", NULL, true, true},
	{"\\B", "", NULL, true, true},
	{"\\b", "", NULL, false, true},
	{"(a|b?)(c*)", "", NULL, true, true},
};

static void
test_facts(void)
{
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
	{
		TsError err;
		TsRegex *regex = compile(facts[i].pattern, &err);
		const TsString *literals = NULL;
		TsString prefix;
		size_t n;
		char joined[256] = "";

		CHECK(regex != NULL, "`%s`: %s", facts[i].pattern, err.message);
		if (regex == NULL)
			continue;
		prefix = ts_regex_prefix(regex);
		CHECK(prefix.len == strlen(facts[i].prefix) &&
				  memcmp(prefix.data, facts[i].prefix, prefix.len) == 0,
			  "`%s`: prefix \"%.*s\"", facts[i].pattern, (int) prefix.len, prefix.data);
		n = ts_regex_literals(regex, &literals);
		for (size_t j = 0; j < n; j++)
		{
			strcat(joined, j > 0 ? "," : "");
			strncat(joined, literals[j].data, literals[j].len);
		}
		CHECK((n > 0) == (facts[i].literals != NULL) &&
				  (n == 0 || strcmp(joined, facts[i].literals) == 0),
			  "`%s`: %zu literals: %s", facts[i].pattern, n, joined);
		CHECK(ts_regex_matches_empty(regex) == facts[i].empty, "`%s`", facts[i].pattern);
		CHECK(regex_uses_pcre2(regex) == facts[i].pcre2, "`%s`", facts[i].pattern);
		ts_regex_free(regex);
	}
}

/* ---- random patterns: every way must agree ---- */

static uint64_t random_state;

static unsigned
random_below(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned) ((random_state >> 11) % n);
}

/* Appends a random pattern of the kinds that the shortcuts know, and a few others. */
static void
random_pattern(char *out, size_t size, int depth)
{
	static const char *const atoms[] = {
		"a",    "b",       "ab",  "c",          "\xC3\xA9", ".",      ".*",     ".+",
		"[ab]", "[^a]",    "^",   "$",          "\n",       ".{2}",   "(?i:a)", "a?",
		"b*",   "(?-s:.)", "\\b", "[a-c]{0,2}", ".?",       "\\x{E9}"};
	unsigned pieces = 1 + random_below(4);

	for (unsigned i = 0; i < pieces; i++)
	{
		size_t len = strlen(out);

		if (len + 64 > size)
			return;
		if (depth == 0 || random_below(3) > 0)
			strcat(out, atoms[random_below(sizeof(atoms) / sizeof(atoms[0]))]);
		else
		{
			strcat(out, random_below(2) == 0 ? "(" : "(?:");
			random_pattern(out, size - 32, depth - 1);
			strcat(out, "|");
			random_pattern(out, size - 32, depth - 1);
			strcat(out, ")");
			if (random_below(4) == 0)
				strcat(out, "?");
		}
	}
}

static void
random_value(char *out)
{
	static const char *const pieces[] = {"a", "b", "c", "\xC3\xA9", "\n", "A", "ab"};
	unsigned n = random_below(7);

	*out = '\0';
	for (unsigned i = 0; i < n; i++)
		strcat(out, pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))]);
}

/* What a regex promises about itself must hold of every value that matches. */
static bool
facts_hold(const TsRegex *regex, const char *value, bool matched)
{
	const TsString *literals;
	size_t n = ts_regex_literals(regex, &literals);
	TsString prefix = ts_regex_prefix(regex);
	bool among = false;

	for (size_t i = 0; i < n; i++)
		among |= literals[i].len == strlen(value) &&
				 memcmp(literals[i].data, value, literals[i].len) == 0;
	if (n > 0 && among != matched)
		return false;
	if (*value == '\0' && matched != ts_regex_matches_empty(regex))
		return false;
	return !matched || strncmp(value, prefix.data, prefix.len) == 0;
}

/* A random pattern on random values; returns whether it took a shortcut. */
static bool
check_random_pattern(void)
{
	char pattern[512] = "";
	TsRegex *regex;
	TsRegex *plain;
	TsError err;
	bool agree = true;
	bool shortcut;

	random_pattern(pattern, sizeof(pattern), 2);
	regex = compile(pattern, &err);
	CHECK(regex != NULL, "`%s`: %s", pattern, err.message);
	if (regex == NULL)
		return false;
	shortcut = !regex_uses_pcre2(regex);
	if (regex_compile(pattern, strlen(pattern), &ts_malloc_allocator, &limits, false,
					  &plain, &err) != TS_OK)
	{
		CHECK(false, "`%s`: %s", pattern, err.message);
		ts_regex_free(regex);
		return false;
	}
	for (int j = 0; j < 30 && agree; j++)
	{
		char value[64];
		int a;
		int b;

		random_value(value);
		a = match(regex, value, strlen(value), &err);
		b = match(plain, value, strlen(value), &err);
		agree = a == b && a >= 0 && facts_hold(regex, value, a == 1) &&
				facts_hold(plain, value, a == 1);
		CHECK(agree, "`%s` on \"%s\": %d and %d", pattern, value, a, b);
	}
	ts_regex_free(regex);
	ts_regex_free(plain);
	return shortcut;
}

static void
test_random(void)
{
	uint64_t seed = 20240229;
	int sets = 0;

	random_state = seed;
	printf("seed %llu\n", (unsigned long long) seed);
	for (int i = 0; i < 40; i++)
	{
		unit_group_begin();
		for (int j = 0; j < 100; j++)
			sets += check_random_pattern();
		unit_group_end();
	}
	CHECK(sets > 1000, "only %d patterns took a shortcut", sets);
}

/* ---- limits ---- */

/* Exponential or steep for a backtracking matcher: an answer or a clear error. */
static void
test_expensive(void)
{
	static const char *const patterns[] = {"(a|a)*[bc]",
										   "(a|aa)+[bc]",
										   "(a*)*[bc]",
										   "(a+)+[bc]",
										   "(a+b?)*[cd]",
										   "(a+a+)+[bc]",
										   "(a?){500}a{500}b",
										   "((a|b)*,?)*[xyz]",
										   "[a-z]*[a-z]*[a-z]*[a-z]*[0-9]",
										   "(?:a?b?)*[0-9]",
										   "(a*b*c*d*)*[0-9]",
										   "(?i)(a|A)*[bc]",
										   "(.+)+\\d",
										   "(\\w+\\s?)*[!?]",
										   ".*.*.*.*.*[0-9]",
										   ".*a.*a.*a.*a.*[0-9]",
										   "(?-s)(.*)*(.*)*[0-9]"};
	size_t len = 5000;
	char *value = malloc(len);

	memset(value, 'a', len);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
	{
		TsError err;
		TsRegex *regex = compile(patterns[i], &err);
		int result;

		CHECK(regex != NULL, "`%s`: %s", patterns[i], err.message);
		if (regex == NULL)
			continue;
		result = match(regex, value, len, &err);
		CHECK(result == 0 || (result == -1 && err.code == TS_ERR_LIMIT &&
							  strstr(err.message, "5000 bytes") != NULL),
			  "`%s`: %d %s", patterns[i], result, err.message);
		/* The limit is for one value: the next is matched as if nothing had been. */
		result = match(regex, "-", 1, &err);
		CHECK(result == 0, "`%s`: %d", patterns[i], result);
		ts_regex_free(regex);
	}
	free(value);
}

/* Nothing that grows with the square of a value's size escapes the match limit. */
static void
test_every_step_counts(void)
{
	static const char *const patterns[] = {"[a-z]*[a-z]*[01]",
										   "[a-z]*(?:[a-z]*0|[a-z]*1)"};
	const TsRegexLimits few = {.match_limit = 1000000, .memory = MEGABYTE};
	size_t len = 60000;
	char *value = malloc(len);

	memset(value, 'a', len);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
	{
		TsRegex *regex;
		TsError err = {0};

		CHECK(ts_regex_compile(patterns[i], strlen(patterns[i]), &ts_malloc_allocator,
							   &few, &regex, &err) == TS_OK,
			  "%s", err.message);
		CHECK(match(regex, value, len, &err) == -1 && err.code == TS_ERR_LIMIT, "`%s`",
			  patterns[i]);
		CHECK(match(regex, value, 100, &err) == 0, "`%s`: %s", patterns[i], err.message);
		ts_regex_free(regex);
	}
	free(value);
}

/* The limit counts on the ways around PCRE2, too. */
static void
test_expensive_set(void)
{
	const TsRegexLimits few = {.match_limit = 100, .memory = MEGABYTE};
	const char *pattern = ".*a.a.a.a.a.a.a.a.a.a.b.*";
	size_t len = 5000;
	char *value = malloc(len);
	TsRegex *regex;
	TsError err = {0};

	memset(value, 'a', len);
	CHECK(ts_regex_compile(pattern, strlen(pattern), &ts_malloc_allocator, &few, &regex,
						   &err) == TS_OK,
		  "%s", err.message);
	CHECK(!regex_uses_pcre2(regex), "no set");
	CHECK(match(regex, value, len, &err) == -1 && err.code == TS_ERR_LIMIT, "%s",
		  err.message);
	ts_regex_free(regex);
	free(value);
}

/* Appends n host names as alternatives. */
static size_t
append_hosts(char *out, int n, const char *dot)
{
	size_t len = 0;

	for (int i = 0; i < n; i++)
		len += (size_t) sprintf(out + len, "%shost%d%sexample%scom:9100",
								i > 0 ? "|" : "", i * 7919 % 100003, dot, dot);
	return len;
}

static void
test_large(void)
{
	char *pattern = malloc(MEGABYTE);
	TsError err;
	TsRegex *regex;
	const TsString *literals;

	append_hosts(pattern, 5000, "\\.");
	regex = compile(pattern, &err);
	CHECK(regex != NULL && !regex_uses_pcre2(regex), "%s", err.message);
	CHECK(regex != NULL && ts_regex_literals(regex, &literals) == 5000, "literals");
	check_match(regex, "5000 hosts", "host7919.example.com:9100", 1);
	check_match(regex, "5000 hosts", "host7919.example.com:910", 0);
	check_match(regex, "5000 hosts", "host7919xexample.com:9100", 0);
	ts_regex_free(regex);

	append_hosts(pattern, 5000, ".");
	regex = compile(pattern, &err);
	CHECK(regex != NULL && !regex_uses_pcre2(regex), "%s", err.message);
	check_match(regex, "5000 hosts", "host7919.example.com:9100", 1);
	check_match(regex, "5000 hosts",
				"host7919xexample\xC3\xA9"
				"com:9100",
				1);
	check_match(regex, "5000 hosts", "host7919example.com:9100", 0);
	ts_regex_free(regex);

	strcpy(pattern + append_hosts(pattern, 5000, "\\."), "|(foo[0-9]+)");
	regex = compile(pattern, &err);
	CHECK(regex == NULL && err.code == TS_ERR_LIMIT &&
			  strstr(err.message, "too large") != NULL,
		  "%s", err.message);
	ts_regex_free(regex);

	/* Shared prefixes are written once, which makes this one fit. */
	strcpy(pattern + append_hosts(pattern, 500, "\\."), "|(foo[0-9]+)");
	regex = compile(pattern, &err);
	CHECK(regex != NULL && regex_uses_pcre2(regex), "%s", err.message);
	check_match(regex, "500 hosts", "host7919.example.com:9100", 1);
	check_match(regex, "500 hosts", "foo12", 1);
	check_match(regex, "500 hosts", "foo", 0);
	ts_regex_free(regex);
	free(pattern);
}

/* Writes text n times. */
static char *
repeat_text(char *out, const char *text, int n)
{
	for (int i = 0; i < n; i++)
		out += sprintf(out, "%s", text);
	return out;
}

/* A pattern of nested groups compiles, or is refused with this message. */
static void
check_deep(const char *open, const char *middle, const char *close, int depth,
		   const char *refusal)
{
	char *pattern = malloc(MEGABYTE);
	char *end = repeat_text(pattern, open, depth);
	TsError err;
	TsRegex *regex;

	end += sprintf(end, "%s", middle);
	repeat_text(end, close, depth);
	regex = compile(pattern, &err);
	CHECK((regex != NULL) == (refusal == NULL), "%d times %s: %s", depth, open,
		  err.message);
	CHECK(refusal == NULL || strncmp(err.message, refusal, strlen(refusal)) == 0, "%s",
		  err.message);
	if (regex != NULL)
		CHECK(match(regex, "a", 1, &err) == 1, "%d times %s: %s", depth, open,
			  err.message);
	ts_regex_free(regex);
	free(pattern);
}

/* The bounds are Prometheus 2.42's, but for the last: PCRE2 holds fewer groups. */
static void
test_deep(void)
{
	const char *too_deep = "expression nests too deeply";

	check_deep("(", "a", ")", 998, NULL);
	check_deep("(", "a", ")", 999, too_deep);
	check_deep("(", "[ax]", "\\d?)", 498, NULL);
	check_deep("(", "[ax]", "\\d?)", 499, too_deep);
	check_deep("(b|c*", "a", "|[d-f])", 332, NULL);
	check_deep("(b|c*", "a", "|[d-f])", 333, too_deep);
	check_deep("(", "a", ")*", 499, NULL);
	check_deep("(", "a", ")*", 500, too_deep);
	check_deep("(?:", "a", ")", 50000, NULL);
	check_deep("(?:", "a", ")*", 998, NULL);
	check_deep("(?:", "a", ")*", 999, too_deep);
	check_deep("(?i)(?:", "a", ")", 50000, NULL);
	check_deep("(?:x|", "a", "y*z?)+", 199, NULL);
	check_deep("(?:x|", "a", "y*z?)+", 300, "regular expression is too large");
}

/* ---- memory ---- */

typedef struct CountingMemory
{
	long allocations;
	long fail_at; /* which one fails; -1: none */
	long live;
	size_t live_bytes;
	size_t peak_bytes;
} CountingMemory;

static void *
counting_alloc(void *ctx, size_t size)
{
	CountingMemory *memory = ctx;
	size_t *p;

	if (memory->allocations++ == memory->fail_at)
		return NULL;
	p = malloc(size + 16);
	if (p == NULL)
		return NULL;
	*p = size;
	memory->live++;
	memory->live_bytes += size;
	if (memory->live_bytes > memory->peak_bytes)
		memory->peak_bytes = memory->live_bytes;
	return (char *) p + 16;
}

static void
counting_free(void *ctx, void *ptr)
{
	CountingMemory *memory = ctx;

	if (ptr == NULL)
		return;
	memory->live--;
	memory->live_bytes -= *(size_t *) ((char *) ptr - 16);
	free((char *) ptr - 16);
}

static const char *const memory_patterns[] = {"foo|bar",
											  "a.*b|c",
											  "(foo[0-9]+|bar\\d*)(?i:x)+",
											  "[[:alpha:]\\p{Greek}]*",
											  "(?P<n>a)|",
											  "(a|aa)+[bc]",
											  "((((a{0,3}|b)?c)*d)+e)",
											  "(?i)[^\\p{Lu}k]",
											  "a(b|c)(d|e)(f|g)(h|i)(j|k)[0-9]*"};

/* Each allocation fails once: an error or the right result, and nothing lost. */
static void
test_allocation_failures(void)
{
	size_t len = 3000;
	char *value = malloc(len);

	memset(value, 'a', len);
	for (size_t i = 0; i < sizeof(memory_patterns) / sizeof(memory_patterns[0]); i++)
	{
		const char *pattern = memory_patterns[i];
		bool done = false;

		unit_group_begin();
		for (long fail_at = 0; !done && fail_at < 10000; fail_at++)
		{
			CountingMemory memory = {.fail_at = fail_at};
			TsAllocator allocator = {counting_alloc, counting_free, &memory};
			TsRegex *regex;
			TsError err = {0};
			bool matched;

			if (ts_regex_compile(pattern, strlen(pattern), &allocator, &limits, &regex,
								 &err) != TS_OK)
				CHECK(err.code == TS_ERR_MEMORY && err.message[0] != '\0', "`%s`: %s",
					  pattern, err.message);
			else
			{
				TsErrorCode code = ts_regex_match(regex, value, len, &matched, &err);

				CHECK(code == TS_OK || code == TS_ERR_LIMIT || code == TS_ERR_MEMORY,
					  "`%s`: %s", pattern, err.message);
				done = memory.allocations <= fail_at;
				ts_regex_free(regex);
			}
			CHECK(memory.live == 0, "`%s`: %ld pieces lost", pattern, memory.live);
		}
		CHECK(done, "`%s` never compiles", pattern);
		unit_group_end();
	}
	free(value);
}

static void
test_memory_budget(void)
{
	char *pattern = malloc(MEGABYTE);

	for (int n = 10; n <= 20000; n *= 10)
	{
		for (int kind = 0; kind < 3; kind++)
		{
			static const char *const pieces[] = {"(foo|x)", "[a-f]+", "\\pL|"};
			const TsRegexLimits small = {.match_limit = 1000, .memory = 64 * 1024};
			CountingMemory memory = {.fail_at = -1};
			TsAllocator allocator = {counting_alloc, counting_free, &memory};
			TsRegex *regex;
			TsError err = {0};

			repeat_text(pattern, pieces[kind], n);
			if (ts_regex_compile(pattern, strlen(pattern), &allocator, &small, &regex,
								 &err) != TS_OK)
				CHECK(err.code == TS_ERR_MEMORY &&
						  strstr(err.message, "65536 bytes") != NULL,
					  "%d: %s", n, err.message);
			else
				ts_regex_free(regex);
			CHECK(memory.peak_bytes <= 64 * 1024 + 1024, "%zu", memory.peak_bytes);
			CHECK(memory.live == 0, "%ld pieces lost", memory.live);
		}
	}
	free(pattern);
}

static void
test_odd_values(void)
{
	TsError err;
	TsRegex *regex = compile("a[bc]*", &err);

	CHECK(match(regex, "a\xFF", 2, &err) == -1 && err.code == TS_ERR_INVALID, "%s",
		  err.message);
	CHECK(match(regex, "a\0c", 3, &err) == 0, "a zero byte ends a value");
	CHECK(match(regex, NULL, 0, &err) == 0, "no value");
	ts_regex_free(regex);

	regex = compile("a.c|b.*", &err);
	CHECK(match(regex, "a\0c", 3, &err) == 1, "a zero byte is no character");
	CHECK(match(regex, "a\xFF", 2, &err) == 0, "invalid");
	CHECK(match(regex, "a\xF0", 2, &err) == 0, "cut short");
	ts_regex_free(regex);

	CHECK(ts_regex_compile("a", 1, &ts_malloc_allocator, &limits, &regex, NULL) == TS_OK,
		  "no error wanted");
	ts_regex_free(regex);
	CHECK(ts_regex_compile("(", 1, &ts_malloc_allocator, &limits, &regex, NULL) ==
			  TS_ERR_SYNTAX,
		  "no error wanted");
	ts_regex_free(NULL);
}

int
main(void)
{
	test_matching();
	test_refusals();
	test_facts();
	test_random();
	test_expensive();
	test_every_step_counts();
	test_expensive_set();
	test_large();
	test_deep();
	test_allocation_failures();
	test_memory_budget();
	test_odd_values();
	return unit_finish();
}
