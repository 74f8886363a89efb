/*
 * test_promql_parse.c
 *	  PromQL's parser: what it accepts, what it refuses and how, the trees it makes, its
 *	  limits; the printers, as far as what they print must parse to an equal tree.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dry_allocator.h"
#include "promql_ast.h"
#include "promql_lexer.h"
#include "promql_texts.h"
#include "unit.h"

#define COUNT(array) ((int) (sizeof(array) / sizeof((array)[0])))

/* ---- trees ---- */

/* All nodes of a tree have types, and stand in the text within what they are part of. */
static bool
is_sound(const PqNode *node, int start, int end)
{
	if (node->type == PQ_TYPE_NONE || node->start < start || node->end > end ||
		node->end <= node->start)
		return false;
	start = node->start;
	end = node->end;
	switch (node->kind)
	{
		case PQ_SUBQUERY:
			return is_sound(node->u.subquery.expr, start, end);
		case PQ_PAREN:
			return is_sound(node->u.paren, start + 1, end - 1);
		case PQ_UNARY:
			return is_sound(node->u.unary.expr, start + 1, end);
		case PQ_BINARY:
			return is_sound(node->u.binary.left, start, node->u.binary.op_start) &&
				   is_sound(node->u.binary.right, node->u.binary.op_start + 1, end);
		case PQ_AGGREGATE:
			return (node->u.aggregate.param == NULL ||
					is_sound(node->u.aggregate.param, start, end)) &&
				   is_sound(node->u.aggregate.expr, start, end);
		case PQ_CALL:
			for (int i = 0; i < node->u.call.nargs; i++)
			{
				if (!is_sound(node->u.call.args[i], start, end))
					return false;
			}
			return true;
		default:
			return true;
	}
}

static void
check_again(const PqNode *root, const char *text, bool pretty, TsArena *arena)
{
	char *printed = promql_print(root, pretty, arena);
	PqNode *again;
	TsError err = {0};

	/* Indented deeply, a text may be too long to be read again. */
	if (printed != NULL && strlen(printed) > PROMQL_MAX_TEXT)
		return;
	CHECK(printed != NULL &&
			  promql_parse(printed, strlen(printed), NULL, arena, &again, &err) == TS_OK,
		  "%s -> %s: %s", text, printed, err.message);
	if (again == NULL)
		return;
	CHECK(promql_equal(root, again), "%s -> %s", text, printed);
	CHECK(strcmp(promql_print(again, pretty, arena), printed) == 0, "%s", text);
}

static void
test_accepted(void)
{
	for (int i = 0; i < COUNT(accepted); i++)
	{
		const char *text = accepted[i].text;
		const char *expected = accepted[i].printed != NULL ? accepted[i].printed : text;
		TsArena arena;
		PqNode *root;
		TsError err = {0};

		ts_arena_init(&arena, &ts_malloc_allocator, 1024 * 1024);
		CHECK(promql_parse(text, strlen(text), NULL, &arena, &root, &err) == TS_OK,
			  "%s: %s", text, err.message);
		if (root != NULL)
		{
			CHECK(strcmp(promql_print(root, false, &arena), expected) == 0, "%s: %s",
				  text, promql_print(root, false, &arena));
			CHECK(is_sound(root, 0, (int) strlen(text)), "%s", text);
			check_again(root, text, false, &arena);
			check_again(root, text, true, &arena);
			CHECK(promql_print_json(root, &arena) != NULL, "%s", text);
		}
		ts_arena_free(&arena);
	}
}

static void
check_refused(const char *text, size_t len, const PqParseOptions *options, int line,
			  int column, const char *message)
{
	TsArena arena;
	PqNode *root;
	TsError err = {0};

	ts_arena_init(&arena, &ts_malloc_allocator, 64 * 1024 * 1024);
	CHECK(promql_parse(text, len, options, &arena, &root, &err) != TS_OK, "%.60s", text);
	CHECK(root == NULL, "%.60s", text);
	CHECK(strcmp(err.message, message) == 0, "%.60s: %s", text, err.message);
	CHECK(err.line == line && err.column == column, "%.60s: at %d:%d", text, err.line,
		  err.column);
	ts_arena_free(&arena);
}

static void
test_refused(void)
{
	for (int i = 0; i < COUNT(refused); i++)
		check_refused(refused[i].text, strlen(refused[i].text), NULL, refused[i].line,
					  refused[i].column, refused[i].message);
	check_refused("foo \xff", 5, NULL, 1, 5, "invalid UTF-8 rune");
	check_refused("foo \0 bar", 9, NULL, 1, 5, "unexpected character: U+0000");
}

/* What binds how, with all parentheses written. */
static void
write_tree(const PqNode *node, char *out)
{
	char left[256], right[256];

	switch (node->kind)
	{
		case PQ_PAREN:
			write_tree(node->u.paren, out);
			return;
		case PQ_UNARY:
			write_tree(node->u.unary.expr, left);
			snprintf(out, 256, "(%c %.200s)", node->u.unary.minus ? '-' : '+', left);
			return;
		case PQ_BINARY:
			write_tree(node->u.binary.left, left);
			write_tree(node->u.binary.right, right);
			snprintf(out, 256, "(%.100s %s %.100s)", left,
					 promql_binary_symbol(node->u.binary.op), right);
			return;
		case PQ_SUBQUERY:
			write_tree(node->u.subquery.expr, left);
			snprintf(out, 256, "(%.200s [:])", left);
			return;
		case PQ_NUMBER:
			promql_write_float(node->u.number.value, out);
			return;
		default:
			snprintf(out, 256, "%.*s", (int) node->u.selector.name.len,
					 node->u.selector.name.data);
			if (node->u.selector.range.given)
				strcat(out, "[]");
			if (node->u.selector.modifiers.offset.given)
				strcat(out, " offset");
	}
}

static void
check_tree(const char *text, const char *expected)
{
	TsArena arena;
	PqNode *root;
	TsError err = {0};
	char out[256] = "";

	ts_arena_init(&arena, &ts_malloc_allocator, 1024 * 1024);
	CHECK(promql_parse(text, strlen(text), NULL, &arena, &root, &err) == TS_OK, "%s: %s",
		  text, err.message);
	if (root != NULL)
		write_tree(root, out);
	CHECK(strcmp(out, expected) == 0, "%s: %s", text, out);
	ts_arena_free(&arena);
}

static void
test_precedence(void)
{
	check_tree("1 + 2 * 3", "(1 + (2 * 3))");
	check_tree("1 * 2 + 3", "((1 * 2) + 3)");
	check_tree("1 - 2 - 3", "((1 - 2) - 3)");
	check_tree("1 / 2 * 3 % 4", "(((1 / 2) * 3) % 4)");
	check_tree("2 ^ 3 ^ 4", "(2 ^ (3 ^ 4))");
	check_tree("2 * 3 ^ 4 * 5", "((2 * (3 ^ 4)) * 5)");
	check_tree("(1 + 2) * 3", "((1 + 2) * 3)");
	check_tree("-1 ^ 2", "(- (1 ^ 2))");
	check_tree("-1 * 2", "(-1 * 2)");
	check_tree("-a ^ b", "(- (a ^ b))");
	check_tree("-a * b", "((- a) * b)");
	check_tree("-a + b", "((- a) + b)");
	check_tree("1 ^ -a * 2", "((1 ^ (- a)) * 2)");
	check_tree("1 ^ -2 ^ 3", "(1 ^ (- (2 ^ 3)))");
	check_tree("- - a", "(- (- a))");
	check_tree("a + b == c * d", "((a + b) == (c * d))");
	check_tree("a > b > c", "((a > b) > c)");
	check_tree("a > b </ 1 >/ 2", "(((a > b) </ 1) >/ 2)");
	check_tree("a == b and c != d", "((a == b) and (c != d))");
	check_tree("a or b and c unless d or e", "((a or ((b and c) unless d)) or e)");
	check_tree("a and b or c", "((a and b) or c)");
	check_tree("1 + 2 atan2 3 * 4", "(1 + ((2 atan2 3) * 4))");
	check_tree("a offset 5m + b", "(a offset + b)");
	check_tree("a offset -2 ^ 2", "(a offset ^ 2)");
	check_tree("a offset (2 + 2) ^ 2", "(a offset ^ 2)");
	check_tree("a offset step() * 2", "(a offset * 2)");
	check_tree("a + b offset 5m", "(a + b offset)");
	check_tree("a and b offset 1m or c", "((a and b offset) or c)");
}

/* The parts of one of each kind. */
static void
test_parts(void)
{
	const char *text = "sum by (a, \"b c\") (x{y=~\"z.*\"}[5m:1m] @ end() offset -1h) == "
					   "bool on (q) group_left (r) y";
	const char *selector_text = "up{job=\"a\"}[10m] @ 12.5 offset 5m anchored";
	TsArena arena;
	PqNode *root, *node;
	TsError err = {0};

	ts_arena_init(&arena, &ts_malloc_allocator, 1024 * 1024);
	CHECK(promql_parse(text, strlen(text), NULL, &arena, &root, &err) != TS_OK);
	CHECK(strcmp(err.message, "expected type instant vector in aggregation expression, "
							  "got range vector") == 0);
	text =
		"sum by (a, \"b c\") (last_over_time(x{y=~\"z.*\"}[5m:1m] @ end() offset -1h)) "
		"== bool on (q) group_left (r) y";
	CHECK(promql_parse(text, strlen(text), NULL, &arena, &root, &err) == TS_OK);
	CHECK(root->kind == PQ_BINARY && root->type == PQ_TYPE_VECTOR && root->start == 0 &&
		  root->end == (int) strlen(text) && root->u.binary.return_bool &&
		  root->u.binary.op == PQ_EQL &&
		  strncmp(text + root->u.binary.op_start, "==", 2) == 0);
	CHECK(root->u.binary.matching->on && root->u.binary.matching->labels.count == 1 &&
		  root->u.binary.matching->cardinality == PQ_MANY_TO_ONE &&
		  root->u.binary.matching->include.count == 1);
	node = root->u.binary.left;
	CHECK(node->kind == PQ_AGGREGATE && node->u.aggregate.op == PQ_AGG_SUM &&
		  node->u.aggregate.grouped && !node->u.aggregate.without &&
		  node->u.aggregate.labels.count == 2 &&
		  node->u.aggregate.labels.names[1].len == 3);
	node = node->u.aggregate.expr;
	CHECK(node->kind == PQ_CALL && node->u.call.function->id == PQ_FN_LAST_OVER_TIME &&
		  node->u.call.nargs == 1 && node->type == PQ_TYPE_VECTOR);
	node = node->u.call.args[0];
	CHECK(node->kind == PQ_SUBQUERY && node->type == PQ_TYPE_MATRIX &&
		  node->u.subquery.range.ms == 300000 && node->u.subquery.step.ms == 60000 &&
		  node->u.subquery.modifiers.at == PQ_AT_END &&
		  node->u.subquery.modifiers.offset.ms == -3600000);
	node = node->u.subquery.expr;
	CHECK(node->kind == PQ_SELECTOR && node->u.selector.nmatchers == 2 &&
		  node->u.selector.matchers[0].regex == NULL &&
		  node->u.selector.matchers[0].matches_empty == false &&
		  node->u.selector.matchers[1].name.len == 8);

	CHECK(promql_parse(selector_text, strlen(selector_text), NULL, &arena, &root, &err) ==
		  TS_OK);
	CHECK(root->type == PQ_TYPE_MATRIX && root->u.selector.range.ms == 600000 &&
		  root->u.selector.extend == PQ_ANCHORED &&
		  root->u.selector.modifiers.at == PQ_AT_TIME &&
		  root->u.selector.modifiers.at_ms == 12500 &&
		  root->u.selector.modifiers.offset.ms == 300000 &&
		  root->end == (int) strlen(selector_text));
	ts_arena_free(&arena);
}

/* ---- options, limits, memory ---- */

static void
test_options(void)
{
	PqParseOptions off = {.experimental_functions = false};

#define REFUSED(text, column, message) \
	check_refused(text, strlen(text), &off, 1, column, message)
	REFUSED("foo + info(bar)", 7, "function \"info\" is not enabled");
	REFUSED("limitk(1, foo)", 1,
			"aggregation \"limitk\" is experimental and not enabled");
	REFUSED("foo[5m + 1m]", 5, "experimental duration expression is not enabled");
	REFUSED("foo[(5m)]", 5, "experimental duration expression is not enabled");
	REFUSED("foo offset -step()", 12, "experimental duration expression is not enabled");
	REFUSED("foo[5m] anchored", 9, "anchored modifier is experimental and not enabled");
	REFUSED("foo smoothed", 5, "smoothed modifier is experimental and not enabled");
	REFUSED("foo + fill(1) bar", 7,
			"binop fill modifiers are experimental and not enabled");
#undef REFUSED
	for (int i = 0; i < 3; i++)
	{
		static const char *const texts[] = {"rate(foo[300] offset -5m)", "fill + fill",
											"anchored{step=\"a\"}"};
		TsArena arena;
		PqNode *root;

		ts_arena_init(&arena, &ts_malloc_allocator, 1024 * 1024);
		CHECK(promql_parse(texts[i], strlen(texts[i]), &off, &arena, &root, NULL) ==
				  TS_OK,
			  "%s", texts[i]);
		ts_arena_free(&arena);
	}
}

/* A text of so many parts, within others: before, what is in the middle, after. */
static char *
repeat_text(const char *before, const char *middle, const char *after, int n)
{
	size_t size = (strlen(before) + strlen(after)) * (size_t) n + strlen(middle) + 1;
	char *text = malloc(size);
	char *end = text;

	for (int i = 0; i < n; i++)
		end = stpcpy(end, before);
	end = stpcpy(end, middle);
	for (int i = 0; i < n; i++)
		end = stpcpy(end, after);
	return text;
}

static void
check_depth(const char *before, const char *middle, const char *after, int n,
			bool allowed)
{
	char *text = repeat_text(before, middle, after, n);
	TsArena arena;
	PqNode *root;
	TsError err = {0};
	TsErrorCode code;

	ts_arena_init(&arena, &ts_malloc_allocator, 256 * 1024 * 1024);
	code = promql_parse(text, strlen(text), NULL, &arena, &root, &err);
	CHECK(code == (allowed ? TS_OK : TS_ERR_LIMIT), "%d times %s%s: %s", n, before, after,
		  err.message);
	if (root != NULL)
	{
		check_again(root, before, false, &arena);
		check_again(root, before, true, &arena);
		CHECK(promql_print_json(root, &arena) != NULL);
	}
	ts_arena_free(&arena);
	free(text);
}

static void
test_depth(void)
{
	int most = PROMQL_MAX_DEPTH - 1;

	check_depth("(", "a", ")", most, true);
	check_depth("(", "a", ")", most + 1, false);
	check_depth("(", "a", ")", 100000, false);
	check_depth("-", "a", "", most, true);
	check_depth("-", "a", "", most + 1, false);
	check_depth("", "a", "+a", most, true);
	check_depth("", "a", "+a", most + 1, false);
	check_depth("", "a", "^a", most, true);
	check_depth("", "a", "^a", 200000, false);
	check_depth("sum(", "a", ")", most, true);
	check_depth("sum(", "a", ")", most + 1, false);
	check_depth("abs(rate(", "a", "[5m:]))", most / 3, true);
	check_depth("abs(rate(", "a", "[5m:]))", 20000, false);
}

/* Depth within durations counts, too. */
static void
test_duration_depth(void)
{
	for (int over = 0; over < 2; over++)
	{
		char *inner = repeat_text("(", "5m", ")", PROMQL_MAX_DEPTH - 2 + over);
		size_t size = strlen(inner) + 4;
		char *text = malloc(size);
		TsArena arena;
		PqNode *root;

		snprintf(text, size, "a[%s]", inner);
		ts_arena_init(&arena, &ts_malloc_allocator, 16 * 1024 * 1024);
		CHECK(promql_parse(text, strlen(text), NULL, &arena, &root, NULL) ==
			  (over ? TS_ERR_LIMIT : TS_OK));
		if (root != NULL)
			check_again(root, "deep duration", false, &arena);
		ts_arena_free(&arena);
		free(text);
		free(inner);
	}
}

static void
test_length(void)
{
	size_t len = PROMQL_MAX_TEXT + 1;
	char *text = malloc(len);
	TsArena arena;
	PqNode *root;
	TsError err = {0};

	memset(text, ' ', len);
	text[0] = 'a';
	ts_arena_init(&arena, &ts_malloc_allocator, 64 * 1024 * 1024);
	CHECK(promql_parse(text, len, NULL, &arena, &root, &err) == TS_ERR_LIMIT);
	CHECK(promql_parse(text, len - 1, NULL, &arena, &root, &err) == TS_OK);
	memset(text, '1', len);
	CHECK(promql_parse(text, len - 1, NULL, &arena, &root, &err) == TS_ERR_INVALID);
	memcpy(text, "0.", 2);
	CHECK(promql_parse(text, len - 1, NULL, &arena, &root, &err) == TS_OK);
	ts_arena_free(&arena);
	free(text);
}

/* Every failure of an allocator must be clean. */
static void
test_memory(void)
{
	const char *text =
		"sum by (a, b) (rate(x{a=~\"b.*c|d[e-f]+\",g=\"\\n\"}[5m + step()] offset 5m)) / on "
		"(a) group_left (c) fill (5) topk(3, label_replace(y, \"a\", \"b\", \"c\", \"d\"))";
	TsErrorCode code = TS_ERR_MEMORY;

	for (int budget = 0; code != TS_OK && budget < 1000; budget++)
	{
		DryAllocator dry = {budget, 0};
		TsAllocator allocator = {dry_alloc, dry_free, &dry};
		TsArena arena;
		PqNode *root;
		TsError err = {0};

		ts_arena_init(&arena, &allocator, SIZE_MAX / 2);
		code = promql_parse(text, strlen(text), NULL, &arena, &root, &err);
		CHECK(code == TS_OK || code == TS_ERR_MEMORY, "budget %d: %s", budget,
			  err.message);
		CHECK((root != NULL) == (code == TS_OK), "budget %d", budget);
		ts_arena_free(&arena);
		CHECK(dry.held == 0, "budget %d: %d left", budget, dry.held);
	}
	CHECK(code == TS_OK);

	for (size_t limit = 4096; limit < 40960; limit += 4096)
	{
		TsArena arena;
		PqNode *root;

		ts_arena_init(&arena, &ts_malloc_allocator, limit);
		code = promql_parse(text, strlen(text), NULL, &arena, &root, NULL);
		CHECK(code == TS_OK || code == TS_ERR_MEMORY);
		CHECK(arena.taken <= limit);
		ts_arena_free(&arena);
	}
	CHECK(code == TS_OK);
}

/* ---- selectors of the API, functions ---- */

static void
check_matchers(const char *text, const char *printed)
{
	TsArena arena;
	PqNode *selector;
	TsError err = {0};

	ts_arena_init(&arena, &ts_malloc_allocator, 1024 * 1024);
	CHECK(promql_parse_matchers(text, strlen(text), &arena, &selector, &err) == TS_OK,
		  "%s: %s", text, err.message);
	if (selector != NULL)
		CHECK(strcmp(promql_print(selector, false, &arena), printed) == 0, "%s", text);
	ts_arena_free(&arena);
}

static void
check_no_matchers(const char *text, int column, const char *message)
{
	TsArena arena;
	PqNode *selector;
	TsError err = {0};

	ts_arena_init(&arena, &ts_malloc_allocator, 1024 * 1024);
	CHECK(promql_parse_matchers(text, strlen(text), &arena, &selector, &err) != TS_OK,
		  "%s", text);
	CHECK(strcmp(err.message, message) == 0 && err.column == column, "%s: %d: %s", text,
		  err.column, err.message);
	CHECK(selector == NULL, "%s", text);
	ts_arena_free(&arena);
}

static void
test_matchers(void)
{
	check_matchers("up", "up");
	check_matchers(" sum {by=\"a\"} ", "sum{by=\"a\"}");
	check_matchers("{__name__=~\"a.*\"}", "{__name__=~\"a.*\"}");
	check_no_matchers("", 1, "unexpected end of input, expected metric name or \"{\"");
	check_no_matchers("on{a=\"b\"}", 1, "unexpected <on>, expected metric name or \"{\"");
	check_no_matchers("5", 1, "unexpected number \"5\", expected metric name or \"{\"");
	check_no_matchers("up offset 5m", 4, "unexpected <offset>, expected end of input");
	check_no_matchers("up[5m]", 3, "unexpected \"[\", expected end of input");
	check_no_matchers("{}", 1, "match[] must contain at least one non-empty matcher");
	check_no_matchers("{a=~\".*\"}", 1,
					  "match[] must contain at least one non-empty matcher");
	check_no_matchers("up{__name__=\"a\"}", 4,
					  "metric name must not be set twice: \"up\" or \"a\"");
}

/* Every function is found by its name, and takes the arguments that it says it does. */
static void
test_functions(void)
{
	static const char *const arguments[] = {"", "1", "x", "x[5m]", "\"s\""};

	for (int i = 0; i < PQ_FN_COUNT; i++)
	{
		const PqFunction *function = &promql_functions[i];
		int most = function->max_args < 0 ? function->min_args + 5 : function->max_args;

		CHECK(function->id == (PqFunctionId) i);
		CHECK(promql_function_find(function->name, strlen(function->name)) == function);
		CHECK(promql_function_find(function->name, strlen(function->name) - 1) !=
			  function);
		for (int n = function->min_args - 1; n <= most + 1; n++)
		{
			bool right = n >= function->min_args &&
						 (function->max_args < 0 || n <= function->max_args);
			char text[512];
			size_t len = 0;
			TsArena arena;
			PqNode *root;
			TsError err = {0};

			if (n < 0)
				continue;
			len = (size_t) snprintf(text, sizeof(text), "%s(", function->name);
			for (int arg = 0; arg < n; arg++)
			{
				PqType type = promql_function_argument(function, arg);
				const char *what = arguments[type];

				if (type == PQ_TYPE_NONE)
					what = "1";
				if (function->id == PQ_FN_INFO && arg == 1)
					what = "{a=\"b\"}";
				len += (size_t) snprintf(text + len, sizeof(text) - len, "%s%s",
										 arg > 0 ? ", " : "", what);
			}
			snprintf(text + len, sizeof(text) - len, ")");
			ts_arena_init(&arena, &ts_malloc_allocator, 1024 * 1024);
			CHECK((promql_parse(text, strlen(text), NULL, &arena, &root, &err) ==
				   TS_OK) == right,
				  "%s: %s", text, err.message);
			CHECK(!right || root->type == function->result, "%s", text);
			ts_arena_free(&arena);
		}
	}
}

static void
test_equal(void)
{
	static const char *const texts[] = {
		"a",
		"b",
		"a{b=\"c\"}",
		"a{b!=\"c\"}",
		"a[5m]",
		"a[6m]",
		"a offset 5m",
		"a @ 5",
		"a @ start()",
		"a anchored",
		"a[5m:]",
		"a[5m:1m]",
		"(a)",
		"-a",
		"+a",
		"a + b",
		"a - b",
		"a + on() b",
		"a + on(c) b",
		"a == b",
		"a == bool b",
		"a + fill(1) b",
		"a + fill(2) b",
		"a + fill_left(1) b",
		"sum(a)",
		"avg(a)",
		"sum by (b) (a)",
		"sum without () (a)",
		"topk(1, a)",
		"topk(2, a)",
		"abs(a)",
		"ceil(a)",
		"1",
		"-0",
		"0",
		"NaN",
		"\"a\"",
		"\"b\"",
		"60",
		"1m",
		"a[5m + 1s]",
		"a[5m + 2s]",
		"round(a)",
		"round(a, 1)",
		"a + on(c) group_left() b",
		"a + on(c) group_right() b",
	};
	TsArena arena;
	PqNode *a, *b;

	ts_arena_init(&arena, &ts_malloc_allocator, 16 * 1024 * 1024);
	for (int i = 0; i < COUNT(texts); i++)
	{
		for (int j = 0; j < COUNT(texts); j++)
		{
			promql_parse(texts[i], strlen(texts[i]), NULL, &arena, &a, NULL);
			promql_parse(texts[j], strlen(texts[j]), NULL, &arena, &b, NULL);
			CHECK(a != NULL && b != NULL && promql_equal(a, b) == (i == j), "%s and %s",
				  texts[i], texts[j]);
		}
	}
	ts_arena_free(&arena);
}

int
main(void)
{
	test_accepted();
	test_refused();
	test_precedence();
	test_parts();
	test_options();
	test_depth();
	test_duration_depth();
	test_length();
	test_memory();
	test_matchers();
	test_functions();
	test_equal();
	return unit_finish();
}
