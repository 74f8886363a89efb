/*
 * test_selector.c
 *	  PromQL's lexer as selectors use it, the parser of selectors, and matching.
 */
#include <stdlib.h>
#include <string.h>

#include "dry_allocator.h"
#include "promql_lexer.h"
#include "ts_selector.h"
#include "unit.h"

static const TsSelectorOptions default_options = {
	.allocator = &ts_malloc_allocator,
	.regex = {.match_limit = 100000, .memory = 1024 * 1024},
};

/* Writes a parsed selector in one way: name op 'value', in the order of the text. */
static void
write_selector(const TsSelector *selector, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < selector->nmatchers; i++)
	{
		const TsMatcher *m = &selector->matchers[i];

		len += (size_t) snprintf(out + len, size - len, "%s%.*s%s[%.*s]",
								 i > 0 ? " " : "", (int) m->name.len, m->name.data,
								 ts_match_type_symbol(m->type), (int) m->value.len,
								 m->value.data);
	}
}

static void
check_parsed(const char *text, const char *expected)
{
	TsSelector selector;
	TsError err = {0};
	char out[1024];

	CHECK(ts_selector_parse(text, strlen(text), &default_options, &selector, &err) ==
			  TS_OK,
		  "%s: %s", text, err.message);
	write_selector(&selector, out, sizeof(out));
	CHECK(strcmp(out, expected) == 0, "%s: %s", text, out);
	ts_selector_free(&selector);
}

static void
check_error(const char *text, int line, int column, const char *message)
{
	TsSelector selector;
	TsError err = {0};

	CHECK(ts_selector_parse(text, strlen(text), &default_options, &selector, &err) !=
			  TS_OK,
		  "%s", text);
	CHECK(strcmp(err.message, message) == 0, "%s: %s", text, err.message);
	CHECK(err.line == line && err.column == column, "%s: at %d:%d", text, err.line,
		  err.column);
	CHECK(selector.nmatchers == 0 && selector.matchers == NULL);
}

static void
test_forms(void)
{
	check_parsed("up", "__name__=[up]");
	check_parsed(" up # comment", "__name__=[up]");
	check_parsed("up{}", "__name__=[up]");
	check_parsed("{}", "");
	check_parsed("{a=\"\"}", "a=[]");
	check_parsed("job:rate:5m{a=\"b\",c!=\"d\",e=~\"f\",g!~\"h\"}",
				 "__name__=[job:rate:5m] a=[b] c!=[d] e=~[f] g!~[h]");
	check_parsed(":a", "__name__=[:a]");
	check_parsed("{__name__=~\"x.*\",__name__!=\"xy\"}",
				 "__name__=~[x.*] __name__!=[xy]");
	check_parsed("{\"my.metric\",\"a.b\"=~\"c\",}", "__name__=[my.metric] a.b=~[c]");
	check_parsed("{\"a b\"!='c', \"d\"}", "a b!=[c] __name__=[d]");
	check_parsed("up {\n\ta = 'b' , # one\n\tc != `d` ,\n}",
				 "__name__=[up] a=[b] c!=[d]");
	check_parsed("{a=\"1\",a!=\"2\"}", "a=[1] a!=[2]");
	for (int i = 0; i < 7; i++)
	{
		static const char *const keywords[] = {"sum",    "by",   "on",   "and",
											   "offset", "bool", "start"};
		char text[64], expected[64];

		snprintf(text, sizeof(text), "%s{%s='a'}", keywords[i], keywords[i]);
		snprintf(expected, sizeof(expected), "__name__=[%s] %s=[a]", keywords[i],
				 keywords[i]);
		check_parsed(text, expected);
	}
	check_parsed("{nan='a',Inf='b'}", "nan=[a] Inf=[b]");
	check_parsed("nano", "__name__=[nano]");
}

static void
test_strings(void)
{
	check_parsed("{a=\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\"}", "a=[\a\b\f\n\r\t\v\\\"]");
	check_parsed("{a='\\'\"'}", "a=['\"]");
	check_parsed("{a=`\\n'\"\n`}", "a=[\\n'\"\n]");
	check_parsed("{a=\"\\101\\x42\\u0043\\U00000044\"}", "a=[ABCD]");
	check_parsed("{a=\"\\303\\251 \\xc3\\xa9 \\u00e9 \\U0001f600\"}",
				 "a=[\xc3\xa9 \xc3\xa9 \xc3\xa9 \xf0\x9f\x98\x80]");

	check_error("{a=\"b}", 1, 4, "unterminated quoted string");
	check_error("{a=\"b\n\"}", 1, 4, "unterminated quoted string");
	check_error("{a='b\n'}", 1, 4, "unterminated quoted string");
	check_error("{a=`b", 1, 4, "unterminated raw string");
	check_error("{a=\"\\", 1, 5, "escape sequence not terminated");
	check_error("{a=\"\\x4", 1, 5, "escape sequence not terminated");
	check_error("{a=\"\\q\"}", 1, 5, "unknown escape sequence: \\ and 'q'");
	check_error("{a=\"\\'\"}", 1, 5, "unknown escape sequence: \\ and '''");
	check_error("{a=\"\\xg0\"}", 1, 7, "illegal character 'g' in escape sequence");
	check_error("{a=\"\\08\"}", 1, 7, "illegal character '8' in escape sequence");
	check_error("{a=\"\\400\"}", 1, 5, "escape sequence is larger than a byte");
	check_error("{a=\"\\ud800\"}", 1, 5,
				"escape sequence is an invalid Unicode code point");
	check_error("{a=\"\\U00110000\"}", 1, 5,
				"escape sequence is an invalid Unicode code point");
	check_error("{a=\"\\xff\"}", 1, 4,
				"the escapes of this string do not make valid UTF-8");
	check_error("{a=\"\xc3\"}", 1, 5, "invalid UTF-8 rune");
}

static void
test_errors(void)
{
	check_error("", 1, 1, "unexpected end of input, expected metric name or \"{\"");
	check_error("  # all comment", 1, 16,
				"unexpected end of input, expected metric name or \"{\"");
	check_error("\"up\"", 1, 1,
				"unexpected string \"up\", expected metric name or \"{\"");
	check_error("NaN", 1, 1, "unexpected number \"NaN\", expected metric name or \"{\"");
	check_error("inf{a='b'}", 1, 1,
				"unexpected number \"inf\", expected metric name or \"{\"");
	check_error("5", 1, 1, "unexpected number \"5\", expected metric name or \"{\"");
	check_error("$", 1, 1, "unexpected character: '$'");
	check_error("\xc3\xa9", 1, 1, "unexpected character: '\xc3\xa9'");
	check_error("}", 1, 1, "unexpected right brace '}'");
	check_error("{", 1, 2, "unexpected end of input inside braces");
	check_error("up{a", 1, 5, "unexpected end of input inside braces");
	check_error("up{a=", 1, 6, "unexpected end of input inside braces");
	check_error("up{a=\"b\"", 1, 9, "unexpected end of input inside braces");
	check_error("up{a}", 1, 5,
				"unexpected \"}\" in label matching, expected label matching operator");
	check_error("up{a=b}", 1, 6,
				"unexpected identifier \"b\" in label matching, expected string");
	check_error("up{a=\"b\" c=\"d\"}", 1, 10,
				"unexpected identifier \"c\" in label matching, expected \",\" or \"}\"");
	check_error("up{a=\"b\",,}", 1, 10,
				"unexpected \",\" in label matching, expected label name or \"}\"");
	check_error("up{,}", 1, 4,
				"unexpected \",\" in label matching, expected label name or \"}\"");
	check_error("up{=\"b\"}", 1, 4,
				"unexpected \"=\" in label matching, expected label name or \"}\"");
	check_error("up{a==\"b\"}", 1, 6,
				"unexpected \"=\" in label matching, expected string");
	check_error("up{a!\"b\"}", 1, 6,
				"unexpected character after '!' inside braces: '\"'");
	check_error("up{a!", 1, 6, "unexpected end of input after '!'");
	check_error("up{a:b=\"c\"}", 1, 5, "unexpected character inside braces: ':'");
	check_error("up{{", 1, 4, "unexpected left brace '{'");
	check_error("up{a>\"b\"}", 1, 5, "unexpected character inside braces: '>'");
	check_error("up{\"\"=\"b\"}", 1, 4, "label name must not be empty");
	check_error("up{\n\ta=1}", 2, 4, "unexpected character inside braces: '1'");
	check_error("a{\"b\"}", 1, 3, "metric name must not be set twice: \"a\" or \"b\"");
	check_error("{\"a\",\"b\"}", 1, 6,
				"metric name must not be set twice: \"a\" or \"b\"");
	check_error("a{__name__=~\"b\"}", 1, 3,
				"metric name must not be set twice: \"a\" or \"b\"");
	check_error("{__name__=\"b\",\"a\"}", 1, 2,
				"metric name must not be set twice: \"a\" or \"b\"");
}

/* What PromQL allows after a selector is refused by its name. */
static void
test_rest(void)
{
#define ALONE ": a selector alone has no "
#define ONLY  ", only a metric name and label matchers"
	check_error("up[5m]", 1, 3,
				"unexpected \"[\" after the selector" ALONE "range or subquery" ONLY);
	check_error("up{} @ 5", 1, 6,
				"unexpected \"@\" after the selector" ALONE "@ modifier" ONLY);
	check_error("up{} offset 5m", 1, 6,
				"unexpected \"offset\" after the selector" ALONE "offset" ONLY);
	check_error("rate(up[5m])", 1, 5,
				"unexpected \"(\" after the selector" ALONE "function call" ONLY);
	check_error("up == 1", 1, 4,
				"unexpected \"==\" after the selector" ALONE "operator" ONLY);
	check_error("up and down", 1, 4,
				"unexpected \"and\" after the selector" ALONE "operator" ONLY);
	check_error("up - 1", 1, 4,
				"unexpected \"-\" after the selector" ALONE "operator" ONLY);
	check_error(
		"up down", 1, 4,
		"unexpected identifier \"down\" after the selector, expected end of input");
	check_error("up{}{}", 1, 5,
				"unexpected \"{\" after the selector, expected end of input");
	check_error("up $", 1, 4, "unexpected character: '$'");
	check_error("up \"a", 1, 4, "unterminated quoted string");
}

static void
check_match(const char *text, const char *value, bool expected)
{
	TsSelector selector;
	TsError err = {0};
	bool matched = !expected;

	CHECK(ts_selector_parse(text, strlen(text), &default_options, &selector, &err) ==
			  TS_OK,
		  "%s: %s", text, err.message);
	CHECK(selector.nmatchers == 1);
	CHECK(ts_matcher_test(&selector.matchers[0], value, strlen(value), &matched, &err) ==
			  TS_OK,
		  "%s: %s", text, err.message);
	CHECK(matched == expected, "%s on \"%s\"", text, value);
	if (value[0] == '\0')
		CHECK(selector.matchers[0].matches_empty == expected, "%s", text);
	ts_selector_free(&selector);
}

static void
test_matching(void)
{
	check_match("{a=\"b\"}", "b", true);
	check_match("{a=\"b\"}", "bb", false);
	check_match("{a=\"b\"}", "", false);
	check_match("{a=\"\"}", "", true);
	check_match("{a=\"\"}", "b", false);
	check_match("{a!=\"b\"}", "b", false);
	check_match("{a!=\"b\"}", "c", true);
	check_match("{a!=\"b\"}", "", true);
	check_match("{a!=\"\"}", "", false);
	check_match("{a!=\"\"}", "b", true);
	check_match("{a=~\"b|c.*\"}", "b", true);
	check_match("{a=~\"b|c.*\"}", "bc", false);
	check_match("{a=~\"b|c.*\"}", "cb\n", true);
	check_match("{a=~\"b|c.*\"}", "", false);
	check_match("{a=~\".*\"}", "", true);
	check_match("{a=~\".+\"}", "", false);
	check_match("{a!~\"b|c.*\"}", "bc", true);
	check_match("{a!~\"b|c.*\"}", "c", false);
	check_match("{a!~\"b|c.*\"}", "", true);
	check_match("{a!~\".*\"}", "", false);
	check_match("{a!~\".+\"}", "", true);
	check_match("{a!~\".*\"}", "x", false);
}

static void
check_non_empty(const char *text, bool expected)
{
	TsSelectorOptions options = default_options;
	TsSelector selector;
	TsError err = {0};
	TsErrorCode code;

	options.non_empty = true;
	code = ts_selector_parse(text, strlen(text), &options, &selector, &err);
	CHECK((code == TS_OK) == expected, "%s", text);
	if (!expected)
		CHECK(strcmp(err.message,
					 "vector selector must contain at least one non-empty matcher") == 0,
			  "%s: %s", text, err.message);
	ts_selector_free(&selector);
}

static void
test_non_empty(void)
{
	check_non_empty("up", true);
	check_non_empty("{a!=\"\"}", true);
	check_non_empty("{a=\"\",b=~\".+\"}", true);
	check_non_empty("{}", false);
	check_non_empty("{a=\"\"}", false);
	check_non_empty("{a!=\"b\"}", false);
	check_non_empty("{a=~\".*\"}", false);
	check_non_empty("{a!~\".+\"}", false);
	check_non_empty("{\"\"}", false);
}

/* Patterns are checked when the selector is parsed, and only then needed. */
static void
test_patterns(void)
{
	TsSelectorOptions options = default_options;
	TsSelector selector;
	TsError err = {0};

	CHECK(ts_selector_parse("{a=\"b\", c=~\"(\"}", 15, &options, &selector, &err) !=
		  TS_OK);
	CHECK(err.line == 1 && err.column == 12, "%d:%d", err.line, err.column);
	CHECK(strncmp(err.message, "error parsing regexp: ", 22) == 0, "%s", err.message);
	CHECK(selector.nmatchers == 0);

	options.label_set = true;
	CHECK(ts_selector_parse("{a=\"b\", c=~\"(\"}", 15, &options, &selector, &err) ==
		  TS_OK);
	CHECK(selector.nmatchers == 2 && selector.matchers[1].regex == NULL);
	ts_selector_free(&selector);
}

/* Every failure of an allocator must be clean. */
static void
test_memory(void)
{
	const char *text = "up{a=\"\\n\",b=~\"x.*y|z[a-c]+\",c!~\"(d|e)+f\",g=\"h\"}";
	TsErrorCode code = TS_ERR_MEMORY;

	for (int budget = 0; code != TS_OK && budget < 1000; budget++)
	{
		DryAllocator dry = {budget, 0};
		TsAllocator allocator = {dry_alloc, dry_free, &dry};
		TsSelectorOptions options = default_options;
		TsSelector selector;
		TsError err = {0};

		options.allocator = &allocator;
		code = ts_selector_parse(text, strlen(text), &options, &selector, &err);
		CHECK(code == TS_OK || code == TS_ERR_MEMORY, "budget %d: %s", budget,
			  err.message);
		ts_selector_free(&selector);
		CHECK(dry.held == 0, "budget %d: %d left", budget, dry.held);
	}
	CHECK(code == TS_OK);
}

static void
test_limits(void)
{
	size_t len = PROMQL_MAX_TEXT + 1;
	char *text = malloc(len);
	TsSelector selector;
	TsError err = {0};

	memset(text, 'a', len);
	CHECK(ts_selector_parse(text, len - 1, &default_options, &selector, &err) == TS_OK);
	ts_selector_free(&selector);
	CHECK(ts_selector_parse(text, len, &default_options, &selector, &err) ==
		  TS_ERR_LIMIT);
	CHECK(strcmp(err.message,
				 "the text has 1048577 bytes, the most allowed is 1048576") == 0);
	free(text);
}

/* Selectors have so many matchers and no more; sets of labels have other limits. */
static void
test_matcher_limit(void)
{
	static const char matcher[] = "a='b',";
	size_t one = sizeof(matcher) - 1;
	size_t len = 2 + one * (TS_SELECTOR_MAX_MATCHERS + 1);
	char *text = malloc(len);
	TsSelectorOptions options = default_options;
	TsSelector selector;
	TsError err = {0};

	text[0] = '{';
	for (size_t i = 0; i <= TS_SELECTOR_MAX_MATCHERS; i++)
		memcpy(text + 1 + one * i, matcher, one);
	text[len - 1] = '}';
	CHECK(ts_selector_parse(text, len, &options, &selector, &err) == TS_ERR_LIMIT);
	CHECK(strcmp(err.message,
				 "the selector has more than 1024 matchers, the most allowed") == 0);
	options.label_set = true;
	CHECK(ts_selector_parse(text, len, &options, &selector, &err) == TS_OK);
	ts_selector_free(&selector);
	options.label_set = false;
	text[len - 1 - one] = '}';
	CHECK(ts_selector_parse(text, len - one, &options, &selector, &err) == TS_OK);
	CHECK(selector.nmatchers == TS_SELECTOR_MAX_MATCHERS);
	ts_selector_free(&selector);
	free(text);
}

int
main(void)
{
	test_forms();
	test_strings();
	test_errors();
	test_rest();
	test_matching();
	test_non_empty();
	test_patterns();
	test_memory();
	test_limits();
	test_matcher_limit();
	return unit_finish();
}
