/*
 * test_promql_print.c
 *	  PromQL's texts: the layout of long expressions, trees as JSON, durations and what
 *	  their expressions come to, floats.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "promql_ast.h"
#include "unit.h"

#define COUNT(array) ((int) (sizeof(array) / sizeof((array)[0])))

static PqNode *
parse(const char *text, TsArena *arena)
{
	PqNode *root;
	TsError err = {0};

	ts_arena_init(arena, &ts_malloc_allocator, 16 * 1024 * 1024);
	CHECK(promql_parse(text, strlen(text), NULL, arena, &root, &err) == TS_OK, "%s: %s",
		  text, err.message);
	return root;
}

static void
check_pretty(const char *text, const char *expected)
{
	TsArena arena;
	PqNode *root = parse(text, &arena);
	char *printed = root == NULL ? NULL : promql_print(root, true, &arena);

	CHECK(printed != NULL && strcmp(printed, expected) == 0, "%s:\n%s", text, printed);
	ts_arena_free(&arena);
}

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X99 X50 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"

static void
test_pretty(void)
{
	check_pretty("sum(foo)by(a)", "sum by (a) (foo)");
	/* 100 characters fit, 101 do not. */
	check_pretty("-" X99, "-" X99);
	check_pretty("(" X99 ")", "(\n  " X99 "\n)");
	check_pretty("sum(" X99 ")", "sum(\n  " X99 "\n)");
	check_pretty("sum without(a)(" X99 ")", "sum without (a) (\n  " X99 "\n)");
	check_pretty("topk by (a) (5, " X99 ")", "topk by (a) (\n  5,\n  " X99 "\n)");
	check_pretty("clamp(" X99 ", 1, 2)", "clamp(\n  " X99 ",\n  1,\n  2\n)");
	check_pretty(X99 " + 1", "  " X99 "\n+\n  1");
	check_pretty(X99 " == bool on(a) group_left(b) fill(0) foo",
				 "  " X99 "\n== bool on (a) group_left (b) fill (0)\n  foo");
	check_pretty(X50 " + " X50 " * " X50, "  " X50 "\n+\n    " X50 "\n  *\n    " X50);
	check_pretty(X50 " * " X50 " + " X50, "    " X50 "\n  *\n    " X50 "\n+\n  " X50);
	check_pretty("-" X50 " ^ " X50, "-" X50 "\n^\n  " X50);
	check_pretty("-(" X99 ")", "-(\n  " X99 "\n)");
	check_pretty("(" X50 " + " X50 ")[5m:1m] offset 1h",
				 "(\n    " X50 "\n  +\n    " X50 "\n)[5m:1m] offset 1h");
	check_pretty("1 + max_over_time((" X99 ")[5m:])",
				 "  1\n+\n  max_over_time(\n    (\n      " X99 "\n    )[5m:]\n  )");
	check_pretty(X99 "{a=\"b\",c=\"d\"}", X99 "{a=\"b\",c=\"d\"}");
	check_pretty("Inf ^ " X99, "  Inf\n^\n  " X99);
}

static void
check_json(const char *text, const char *expected)
{
	TsArena arena;
	PqNode *root = parse(text, &arena);
	char *printed = root == NULL ? NULL : promql_print_json(root, &arena);

	CHECK(printed != NULL && strcmp(printed, expected) == 0, "%s:\n%s", text, printed);
	ts_arena_free(&arena);
}

static void
test_json(void)
{
#define UP                                                                               \
	"{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":" \
	"\"up\"}],\"name\":\"up\",\"offset\":0,\"smoothed\":false,\"startOrEnd\":null,"      \
	"\"timestamp\":null,\"type\":\"vectorSelector\"}"

	check_json("1.50", "{\"type\":\"numberLiteral\",\"val\":\"1.5\"}");
	check_json("-Inf", "{\"type\":\"numberLiteral\",\"val\":\"-Inf\"}");
	check_json("'a\"\\\\\\n\\x01'",
			   "{\"type\":\"stringLiteral\",\"val\":\"a\\\"\\\\\\n\\u0001\"}");
	check_json("up", UP);
	check_json("-(up)", "{\"expr\":{\"expr\":" UP
						",\"type\":\"parenExpr\"},\"op\":\"-\",\"type\":\"unaryExpr\"}");
	check_json("{a=~\"b\"}[5m] anchored @ 1.5 offset -1m",
			   "{\"anchored\":true,\"matchers\":[{\"name\":\"a\",\"type\":\"=~\","
			   "\"value\":\"b\"}],\"name\":\"\",\"offset\":-60000,\"range\":300000,"
			   "\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":1500,\"type\":"
			   "\"matrixSelector\"}");
	check_json("up[5m:] @ end()",
			   "{\"expr\":" UP ",\"offset\":0,\"range\":300000,\"startOrEnd\":\"end\","
			   "\"step\":0,\"timestamp\":null,\"type\":\"subquery\"}");
	check_json("topk by (a) (2, up)",
			   "{\"expr\":" UP
			   ",\"grouping\":[\"a\"],\"op\":\"topk\",\"param\":{\"type\":"
			   "\"numberLiteral\",\"val\":\"2\"},\"type\":\"aggregation\",\"without\":"
			   "false}");
	check_json("sum(up)",
			   "{\"expr\":" UP ",\"grouping\":[],\"op\":\"sum\",\"param\":null,"
			   "\"type\":\"aggregation\",\"without\":false}");
	check_json("round(up)",
			   "{\"args\":[" UP "],\"func\":{\"argTypes\":[\"vector\",\"scalar\"],"
			   "\"name\":\"round\",\"returnType\":\"vector\",\"variadic\":1},\"type\":"
			   "\"call\"}");
	check_json("time()", "{\"args\":[],\"func\":{\"argTypes\":[],\"name\":\"time\","
						 "\"returnType\":\"scalar\",\"variadic\":0},\"type\":\"call\"}");
	check_json("sort_by_label(up)",
			   "{\"args\":[" UP "],\"func\":{\"argTypes\":[\"vector\",\"string\"],"
			   "\"name\":\"sort_by_label\",\"returnType\":\"vector\",\"variadic\":-1},"
			   "\"type\":\"call\"}");
	check_json("histogram_quantiles(up, 'q', 1)",
			   "{\"args\":[" UP ",{\"type\":\"stringLiteral\",\"val\":\"q\"},{\"type\":"
			   "\"numberLiteral\",\"val\":\"1\"}],\"func\":{\"argTypes\":[\"vector\","
			   "\"string\",\"scalar\",\"scalar\"],\"name\":\"histogram_quantiles\","
			   "\"returnType\":\"vector\",\"variadic\":9},\"type\":\"call\"}");
	check_json("up == bool 1",
			   "{\"bool\":true,\"lhs\":" UP ",\"matching\":null,\"op\":\"==\",\"rhs\":{"
			   "\"type\":\"numberLiteral\",\"val\":\"1\"},\"type\":\"binaryExpr\"}");
	check_json(
		"up / on(a) group_left(b) fill_left(0.5) up",
		"{\"bool\":false,\"lhs\":" UP ",\"matching\":{\"card\":\"many-to-one\","
		"\"fillValues\":{\"lhs\":0.5,\"rhs\":null},\"include\":[\"b\"],\"labels\":["
		"\"a\"],\"on\":true},\"op\":\"/\",\"rhs\":" UP ",\"type\":\"binaryExpr\"}");
	check_json("up and up",
			   "{\"bool\":false,\"lhs\":" UP ",\"matching\":{\"card\":\"many-to-many\","
			   "\"fillValues\":{\"lhs\":null,\"rhs\":null},\"include\":[],\"labels\":[],"
			   "\"on\":false},\"op\":\"and\",\"rhs\":" UP ",\"type\":\"binaryExpr\"}");
#undef UP
}

static void
test_no_room(void)
{
	static const char text[] = "sum by (a) (b{c=\"d\",a=\"b\"}) + 1";
	TsArena arena;
	PqNode *root;

	for (size_t room = 1; room < 8000; room += 500)
	{
		ts_arena_init(&arena, &ts_malloc_allocator, 4096 + room);
		if (promql_parse(text, sizeof(text) - 1, NULL, &arena, &root, NULL) == TS_OK)
		{
			char *printed;

			while ((printed = promql_print(root, true, &arena)) != NULL)
				CHECK(strlen(printed) == sizeof(text) - 1);
			CHECK(arena.taken <= 4096 + room);
		}
		ts_arena_free(&arena);
	}
}

/* ---- durations ---- */

static void
test_duration_text(void)
{
	static const struct
	{
		int64_t ms;
		const char *text;
	} texts[] = {
		{0, "0s"},
		{1, "1ms"},
		{999, "999ms"},
		{1000, "1s"},
		{1500, "1s500ms"},
		{60000, "1m"},
		{5400000, "1h30m"},
		{86400000, "1d"},
		{86400000 + 1, "1d1ms"},
		{604800000, "1w"},
		{691200000, "8d"},
		{INT64_C(31536000000), "1y"},
		{INT64_C(31536000000) + 604800000, "372d"},
		{INT64_C(31536000000) + 86400000, "366d"},
		{INT64_C(90) * 86400000, "90d"},
		{-300000, "-5m"},
		{-1, "-1ms"},
	};

	for (int i = 0; i < COUNT(texts); i++)
	{
		char out[64];
		int64_t ms = -1;
		int len = promql_write_duration(texts[i].ms, out, sizeof(out));

		CHECK(len == (int) strlen(texts[i].text) && strcmp(out, texts[i].text) == 0,
			  "%s: %s", texts[i].text, out);
		CHECK(promql_read_duration(out, (size_t) len, &ms) == (texts[i].ms >= 0), "%s",
			  out);
		CHECK(texts[i].ms < 0 || ms == texts[i].ms, "%s", out);
	}
}

static void
test_duration_reading(void)
{
	static const char *const wrong[] = {
		"",      "5",    "m",    "5m5",
		"5m 1s", "1s1m", "1m1m", "1x",
		"1mm",   "-1m",  "+1m",  "1.5m",
		"293y",  "1hs",  "ms",   "99999999999999999999s",
		"1ms1s", "5M",   "0x5m", "9223372037s",
		"00",    "5m\n",
	};
	int64_t ms;

	for (int i = 0; i < COUNT(wrong); i++)
		CHECK(!promql_read_duration(wrong[i], strlen(wrong[i]), &ms), "%s", wrong[i]);
	CHECK(promql_read_duration("0", 1, &ms) && ms == 0);
	CHECK(promql_read_duration("0s", 2, &ms) && ms == 0);
	CHECK(promql_read_duration("007m", 4, &ms) && ms == 420000);
	CHECK(promql_read_duration("1y2w3d4h5m6s7ms", 15, &ms) && ms == INT64_C(33019506007));
	CHECK(promql_read_duration("292y", 4, &ms) && ms == INT64_C(292) * 31536000000);
	CHECK(promql_read_duration("9223372036s854ms", 16, &ms) &&
		  ms == INT64_C(9223372036854));

	CHECK(promql_duration_of_seconds(1.5, &ms) && ms == 1500);
	CHECK(promql_duration_of_seconds(0.3 - 0.1, &ms) && ms == 200);
	CHECK(promql_duration_of_seconds(0.0015, &ms) && ms == 1);
	CHECK(promql_duration_of_seconds(-0.0015, &ms) && ms == -1);
	CHECK(promql_duration_of_seconds(9223372036.0, &ms) && ms == 9223372036000);
	CHECK(!promql_duration_of_seconds(1e10, &ms));
	CHECK(!promql_duration_of_seconds(NAN, &ms));
	CHECK(!promql_duration_of_seconds(-INFINITY, &ms));
}

static void
check_duration(const char *text, int64_t expected, const char *message)
{
	const PqDurationTerms terms = {.step_ms = 15000, .range_ms = 3600000};
	TsArena arena;
	char expression[256];
	PqNode *root;
	TsError err = {0};
	TsErrorCode code;
	int64_t ms = 0;

	snprintf(expression, sizeof(expression), "x[%s]", text);
	root = parse(expression, &arena);
	if (root == NULL)
		return;
	code = promql_duration(&root->u.selector.range, &terms, true, &ms, &err);
	if (message == NULL)
		CHECK(code == TS_OK && ms == expected, "%s: %lld", text, (long long) ms);
	else
		CHECK(code == TS_ERR_INVALID && strcmp(err.message, message) == 0 &&
				  err.offset == (int) expected,
			  "%s: %s at %d", text, err.message, err.offset);
	ts_arena_free(&arena);
}

static void
test_duration_values(void)
{
	check_duration("5m", 300000, NULL);
	check_duration("300", 300000, NULL);
	check_duration("26m+4m", 1800000, NULL);
	check_duration("60*30", 1800000, NULL);
	check_duration("1h/2", 1800000, NULL);
	check_duration("1h30m % 1h", 1800000, NULL);
	check_duration("30m1s-30m1s % 1m", 1800000, NULL);
	check_duration("(9m30s+30s)*3", 1800000, NULL);
	check_duration("((((8 - 2) / 3) * 7s) % 4) + 8000ms", 10000, NULL);
	check_duration("2 ^ 3 ^ 2", 512000, NULL);
	check_duration("-2 ^ 2 + 5", 1000, NULL);
	check_duration("- - 5", 5000, NULL);
	check_duration("-(-5m)", 300000, NULL);
	check_duration("+(5m)", 300000, NULL);
	check_duration("step()", 15000, NULL);
	check_duration("range() / 2", 1800000, NULL);
	check_duration("min_of(step(), 1s)", 1000, NULL);
	check_duration("max_of(step(), 1s)", 15000, NULL);
	check_duration("max_of(min_of(step()+1,1h),1ms)", 16000, NULL);
	check_duration("0.3 - 0.1", 200, NULL);
	check_duration("1s / 3", 333, NULL);
	check_duration("1 / (step() - 15)", 4, "division by zero");
	check_duration("1 % (step() - 15)", 4, "modulo by zero");
	check_duration("step() - 15", 2, "duration must be greater than 0");
	check_duration("-(5m)", 2, "duration must be greater than 0");
	check_duration("10 ^ 300", 2, "duration is out of range");
	check_duration("(0 - 8) ^ 0.5", 2, "duration is out of range");
}

/* An offset may be negative, or nothing. */
static void
test_offset_values(void)
{
	static const struct
	{
		const char *text;
		int64_t ms;
	} offsets[] = {
		{"5m", 300000},      {"-5m", -300000},     {"-step()", -15000},
		{"(-2 ^ 2)", -4000}, {"(step() - 15)", 0}, {"-(range() - 1h)", 0},
	};
	const PqDurationTerms terms = {.step_ms = 15000, .range_ms = 3600000};

	for (int i = 0; i < COUNT(offsets); i++)
	{
		TsArena arena;
		char expression[256];
		PqNode *root;
		int64_t ms = 1;

		snprintf(expression, sizeof(expression), "x offset %s", offsets[i].text);
		root = parse(expression, &arena);
		CHECK(root != NULL &&
				  promql_duration(&root->u.selector.modifiers.offset, &terms, false, &ms,
								  NULL) == TS_OK &&
				  ms == offsets[i].ms,
			  "%s: %lld", expression, (long long) ms);
		ts_arena_free(&arena);
	}
}

/* ---- floats, places ---- */

typedef struct FloatText
{
	double value;
	const char *text; /* NULL: any that reads back */
} FloatText;

static void
check_floats(int (*write)(double value, char *out), const FloatText *floats, int n)
{
	char out[PROMQL_FLOAT_SIZE];

	for (int i = 0; i < n; i++)
	{
		int len = write(floats[i].value, out);

		CHECK(len == (int) strlen(out));
		if (floats[i].text != NULL)
			CHECK(strcmp(out, floats[i].text) == 0, "%s: %s", floats[i].text, out);
		else
			CHECK(strtod(out, NULL) == floats[i].value, "%s", out);
	}
}

static void
test_floats(void)
{
	static const FloatText floats[] = {
		{0, "0"},
		{-0.0, "-0"},
		{1, "1"},
		{-1.5, "-1.5"},
		{0.1, "0.1"},
		{0.1 + 0.2, "0.30000000000000004"},
		{1.0 / 3, "0.3333333333333333"},
		{100, "100"},
		{1e15, "1000000000000000"},
		{1e21, "1000000000000000000000"},
		{123456789.125, "123456789.125"},
		{999999999999999.9, "999999999999999.9"},
		{9007199254740993.0, "9007199254740992"},
		{1e-6, "0.000001"},
		{1.5e-7, "0.00000015"},
		{INFINITY, "+Inf"},
		{-INFINITY, "-Inf"},
		{NAN, "NaN"},
		{-NAN, "NaN"},
		/* next above, not nearest: the shortest of a power of two */
		{0x1p-791, NULL},
		{5e-324, NULL},
		{2.2250738585072014e-308, NULL},
		{1.7976931348623157e308, NULL},
	};
	char out[PROMQL_FLOAT_SIZE];

	check_floats(promql_write_float, floats, COUNT(floats));
	promql_write_float(5e-324, out);
	CHECK(strlen(out) == 326 && out[325] == '5');
	promql_write_float(0x1p-791, out);
	CHECK(strcmp(out + strlen(out) - 16, "7678447687145631") == 0, "%s", out);
}

/* As Go's %g has them. */
static void
test_short_floats(void)
{
	static const FloatText floats[] = {
		{0, "0"},
		{-0.0, "-0"},
		{1, "1"},
		{-1.5, "-1.5"},
		{100, "100"},
		{123456, "123456"},
		{999999.5, "999999.5"},
		{1e6, "1e+06"},
		{1234567, "1.234567e+06"},
		{1e20, "1e+20"},
		{-1e100, "-1e+100"},
		{0.0001, "0.0001"},
		{0.00012, "0.00012"},
		{0.00001, "1e-05"},
		{0.000012, "1.2e-05"},
		{5e-324, "5e-324"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{INFINITY, "+Inf"},
		{-INFINITY, "-Inf"},
		{NAN, "NaN"},
	};

	check_floats(promql_write_short_float, floats, COUNT(floats));
}

/* As the API's documents have them. */
static void
test_json_floats(void)
{
	static const FloatText floats[] = {
		{0, "0"},
		{-0.0, "-0"},
		{-1.5, "-1.5"},
		{1e-6, "0.000001"},
		{9.5e-7, "9.5e-07"},
		{999999999999999900000.0, "999999999999999900000"},
		{1e21, "1e+21"},
		{-1.5e21, "-1.5e+21"},
		{0x1p89, "6.189700196426902e+26"},
		{INFINITY, "+Inf"},
		{NAN, "NaN"},
	};

	check_floats(promql_write_json_float, floats, COUNT(floats));
}

/* All kinds of numbers read back, and none is longer than it must be. */
static void
test_random_floats(void)
{
	uint64_t seed = 88172645463325252u;

	unit_group_begin();
	for (int i = 0; i < 200000; i++)
	{
		char out[PROMQL_FLOAT_SIZE];
		char shorter[64];
		double value;
		int digits = 0;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		if (i % 2 == 0)
			memcpy(&value, &seed, sizeof(value));
		else
			value = (double) (int64_t) (seed >> 20) / pow(10, (double) (seed % 12));
		if (!isfinite(value) || value == 0)
			continue;
		promql_write_float(value, out);
		CHECK(strtod(out, NULL) == value, "%a: %s", value, out);
		for (const char *c = out; *c != '\0'; c++)
			digits += *c >= '0' && *c <= '9' && (digits > 0 || *c != '0');
		for (const char *c = out + strlen(out) - 1; strchr(out, '.') == NULL && *c == '0';
			 c--)
			digits--;
		CHECK(digits <= 17, "%a: %s", value, out);
		if (digits > 1)
		{
			snprintf(shorter, sizeof(shorter), "%.*e", digits - 2, value);
			CHECK(strtod(shorter, NULL) != value, "%a: %s is not the shortest", value,
				  out);
		}
	}
	unit_group_end();
}

static void
test_locate(void)
{
	int line, column;

	promql_locate("abc\nde\n", 7, 0, &line, &column);
	CHECK(line == 1 && column == 1);
	promql_locate("abc\nde\n", 7, 3, &line, &column);
	CHECK(line == 1 && column == 4);
	promql_locate("abc\nde\n", 7, 5, &line, &column);
	CHECK(line == 2 && column == 2);
	promql_locate("abc\nde\n", 7, 7, &line, &column);
	CHECK(line == 3 && column == 1);
}

int
main(void)
{
	test_pretty();
	test_json();
	test_no_room();
	test_duration_text();
	test_duration_reading();
	test_duration_values();
	test_offset_values();
	test_floats();
	test_short_floats();
	test_json_floats();
	test_random_floats();
	test_locate();
	return unit_finish();
}
