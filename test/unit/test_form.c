/*
 * test_form.c
 *	  Tests of parameters: forms taken apart, and what values mean.
 */
#include "../../src/serve/form.h"
#include "unit.h"

#include <stdlib.h>

#define LIMIT ((size_t) 16 * 1024 * 1024)

static TsString
string(const char *text)
{
	return (TsString){text, strlen(text)};
}

/* Writes what is in a form as [name=value]..., or the error. */
static void
show(const char *text, char *out, size_t size)
{
	TsArena arena;
	Form form = {0};
	TsError err;
	size_t len = 0;

	ts_arena_init(&arena, &ts_malloc_allocator, LIMIT);
	out[0] = '\0';
	if (form_read(&form, string(text), &arena, &err) != TS_OK)
		snprintf(out, size, "%s", err.message);
	else
	{
		for (size_t i = 0; i < form.count; i++)
			len += (size_t) snprintf(
				out + len, size - len, "[%.*s=%.*s]", (int) form.pairs[i].name.len,
				form.pairs[i].name.data, (int) form.pairs[i].value.len,
				form.pairs[i].value.data);
	}
	ts_arena_free(&arena);
}

static void
check_form(const char *text, const char *expected)
{
	char shown[1000];

	show(text, shown, sizeof(shown));
	CHECK(strcmp(shown, expected) == 0, "\"%s\" is %s", text, shown);
}

static void
test_forms(void)
{
	check_form("", "");
	check_form("&", "");
	check_form("a=b", "[a=b]");
	check_form("a=b&", "[a=b]");
	check_form("&&a=b&&c=d", "[a=b][c=d]");
	check_form("a", "[a=]");
	check_form("a=", "[a=]");
	check_form("=b", "[=b]");
	check_form("a=b=c", "[a=b=c]");
	check_form("match%5B%5D=x&match[]=y", "[match[]=x][match[]=y]");
	check_form("q=a+b%20c%2Bd", "[q=a b c+d]");
	check_form("q=%c3%BC", "[q=\303\274]");
	check_form("q=100%", "invalid URL escape \"%\"");
	check_form("q=%4", "invalid URL escape \"%4\"");
	check_form("q=%zz&r=1", "invalid URL escape \"%zz\"");
	check_form("q=%a%20", "invalid URL escape \"%a%\"");
	check_form("a;b", "invalid semicolon separator in query");
	check_form("a%3Bb=%3b", "[a;b=;]");
	check_form("q=%00", "a parameter is not valid UTF-8 text");
	check_form("%ff=1", "a parameter is not valid UTF-8 text");
	check_form("q=\377", "a parameter is not valid UTF-8 text");
}

static void
test_lookup(void)
{
	TsArena arena;
	Form form = {0};
	TsError err;
	TsString value;
	size_t at = 0;

	ts_arena_init(&arena, &ts_malloc_allocator, LIMIT);
	/* the body first, then the query string */
	CHECK(form_read(&form, string("a=1&b=2"), &arena, &err) == TS_OK);
	CHECK(form_read(&form, string("a=3&c=4"), &arena, &err) == TS_OK);
	CHECK(form_value(&form, "a", &value) && ts_string_is(value, "1"));
	CHECK(form_value(&form, "c", &value) && ts_string_is(value, "4"));
	CHECK(!form_value(&form, "d", &value) && value.len == 0);
	CHECK(form_next(&form, "a", &at, &value) && ts_string_is(value, "1"));
	CHECK(form_next(&form, "a", &at, &value) && ts_string_is(value, "3"));
	CHECK(!form_next(&form, "a", &at, &value));
	ts_arena_free(&arena);
}

/* Too many pairs, and too little memory. */
static void
test_limits(void)
{
	size_t len = 2 * (FORM_MAX_PAIRS + 1);
	char *text = malloc(len);
	TsArena arena;
	Form form = {0};
	TsError err;

	for (size_t i = 0; i < len; i += 2)
		memcpy(text + i, "a&", 2);
	ts_arena_init(&arena, &ts_malloc_allocator, LIMIT);
	CHECK(form_read(&form, (TsString){text, len}, &arena, &err) == TS_ERR_LIMIT);
	CHECK(form.count == FORM_MAX_PAIRS);
	ts_arena_free(&arena);
	form = (Form){0};
	ts_arena_init(&arena, &ts_malloc_allocator, 10000);
	CHECK(form_read(&form, (TsString){text, len}, &arena, &err) == TS_ERR_MEMORY);
	ts_arena_free(&arena);
	free(text);
}

static void
test_types(void)
{
	CHECK(form_is_type(string("application/x-www-form-urlencoded")));
	CHECK(form_is_type(string("Application/X-WWW-Form-URLEncoded")));
	CHECK(form_is_type(string("application/x-www-form-urlencoded; charset=UTF-8")));
	CHECK(!form_is_type(string("application/x-www-form-urlencodedx")));
	CHECK(!form_is_type(string("application/json")));
	CHECK(!form_is_type(string("")));
}

/* ---- values ---- */

static void
check_time(const char *text, int64_t expected)
{
	TsError err;
	int64_t ms;

	CHECK(param_time(string(text), &ms, &err) == TS_OK, "%s", text);
	CHECK(ms == expected, "%s is %lld", text, (long long) ms);
}

static void
check_no_time(const char *text)
{
	TsError err;
	int64_t ms;
	char expected[200];

	CHECK(param_time(string(text), &ms, &err) == TS_ERR_INVALID, "%s", text);
	snprintf(expected, sizeof(expected), "cannot parse \"%s\" to a valid timestamp",
			 text);
	CHECK(strcmp(err.message, expected) == 0, "%s", err.message);
}

static void
test_times(void)
{
	check_time("0", 0);
	check_time("1700000000", INT64_C(1700000000000));
	check_time("1700000000.123", INT64_C(1700000000123));
	check_time("1700000000.1239", INT64_C(1700000000124));
	check_time("-1.5", -1500);
	check_time("1.7e9", INT64_C(1700000000000));
	check_time("+5.", 5000);
	check_time("1e18", PARAM_TIME_MAX);
	check_time("-1e18", PARAM_TIME_MIN);
	check_time("1970-01-01T00:00:00Z", 0);
	check_time("2024-02-29T23:59:59.999Z", INT64_C(1709251199999));
	check_time("2024-02-29T23:59:59.9999999Z", INT64_C(1709251199999));
	check_time("2015-07-01T20:10:51.781Z", INT64_C(1435781451781));
	check_time("2015-07-01T20:10:51.781+02:00", INT64_C(1435774251781));
	check_time("2015-07-01T20:10:51-05:30", INT64_C(1435801251000));
	check_time("0001-01-01T00:00:00Z", INT64_C(-62135596800000));
	check_time("1969-12-31T23:59:59.5Z", -500);
	check_time("-292273086-05-16T16:47:06Z", PARAM_TIME_MIN);
	check_time("292277025-08-18T07:12:54.999999999Z", PARAM_TIME_MAX);
	check_no_time("");
	check_no_time("now");
	check_no_time(" 1");
	check_no_time("1 ");
	check_no_time("1e999");
	check_no_time("NaN");
	check_no_time("0x10");
	check_no_time("1-1");
	check_no_time("2023-02-29T00:00:00Z");
	check_no_time("2100-02-29T00:00:00Z");
	check_no_time("2023-13-01T00:00:00Z");
	check_no_time("2023-00-01T00:00:00Z");
	check_no_time("2023-01-00T00:00:00Z");
	check_no_time("2023-01-01T24:00:00Z");
	check_no_time("2023-01-01T00:60:00Z");
	check_no_time("2023-01-01T00:00:60Z");
	check_no_time("2023-01-01T00:00:00");
	check_no_time("2023-01-01T00:00:00.Z");
	check_no_time("2023-01-01T00:00:00+0200");
	check_no_time("2023-01-01 00:00:00Z");
	check_no_time("2023-01-01T00:00:00Zx");
	check_no_time("2023-01-01");
}

static void
check_duration(const char *text, int64_t expected)
{
	TsError err;
	int64_t us;

	CHECK(param_duration(string(text), &us, &err) == TS_OK, "%s", text);
	CHECK(us == expected, "%s is %lld", text, (long long) us);
}

static void
check_no_duration(const char *text, const char *message)
{
	TsError err;
	int64_t us;

	CHECK(param_duration(string(text), &us, &err) == TS_ERR_INVALID, "%s", text);
	CHECK(strcmp(err.message, message) == 0, "%s", err.message);
}

static void
test_durations(void)
{
	check_duration("15", 15000000);
	check_duration("0.25", 250000);
	check_duration("-1", -1000000);
	check_duration("1e3", INT64_C(1000000000));
	check_duration("15s", 15000000);
	check_duration("1h30m", INT64_C(5400000000));
	check_duration("100ms", 100000);
	check_duration("1y", INT64_C(31536000000000));
	check_no_duration("", "cannot parse \"\" to a valid duration");
	check_no_duration("x", "cannot parse \"x\" to a valid duration");
	check_no_duration("1s1m", "cannot parse \"1s1m\" to a valid duration");
	check_no_duration("1.5s", "cannot parse \"1.5s\" to a valid duration");
	check_no_duration("1e10",
					  "cannot parse \"1e10\" to a valid duration. It overflows int64");
}

static void
check_integer(const char *text, int expected)
{
	TsError err;
	int number;

	CHECK(param_integer(string(text), &number, &err) == TS_OK, "%s", text);
	CHECK(number == expected, "%s is %d", text, number);
}

static void
check_no_integer(const char *text, const char *message)
{
	TsError err;
	int number;

	CHECK(param_integer(string(text), &number, &err) == TS_ERR_INVALID, "%s", text);
	CHECK(strcmp(err.message, message) == 0, "%s", err.message);
}

static void
test_integers(void)
{
	check_integer("0", 0);
	check_integer("+7", 7);
	check_integer("-7", -7);
	check_integer("2147483647", 2147483647);
	check_no_integer("", "strconv.Atoi: parsing \"\": invalid syntax");
	check_no_integer("-", "strconv.Atoi: parsing \"-\": invalid syntax");
	check_no_integer("1.5", "strconv.Atoi: parsing \"1.5\": invalid syntax");
	check_no_integer("2147483648",
					 "strconv.Atoi: parsing \"2147483648\": value out of range");
	check_no_integer(
		"99999999999999999999999",
		"strconv.Atoi: parsing \"99999999999999999999999\": value out of range");
}

static void
test_booleans(void)
{
	TsError err;
	bool value;

	CHECK(param_boolean(string("true"), &value, &err) == TS_OK && value);
	CHECK(param_boolean(string("1"), &value, &err) == TS_OK && value);
	CHECK(param_boolean(string("F"), &value, &err) == TS_OK && !value);
	CHECK(param_boolean(string("yes"), &value, &err) == TS_ERR_INVALID);
	CHECK(param_boolean(string(""), &value, &err) == TS_ERR_INVALID);
}

int
main(void)
{
	test_forms();
	test_lookup();
	test_limits();
	test_types();
	test_times();
	test_durations();
	test_integers();
	test_booleans();
	return unit_finish();
}
