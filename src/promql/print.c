/*
 * print.c
 *	  Prints PromQL's expressions, in one way for all ways to write one: matchers are
 *	  sorted, what says nothing is left out. What is printed parses to an equal tree.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "promql_lexer.h"

/* ---- text ---- */

void
promql_put_bytes(PqWriter *writer, const char *text, size_t len)
{
	if (writer->out != NULL)
	{
		assert(writer->len + len <= writer->limit);
		memcpy(writer->out + writer->len, text, len);
	}
	writer->len += len;
}

void
promql_put(PqWriter *writer, const char *text)
{
	promql_put_bytes(writer, text, strlen(text));
}

void
promql_put_number(PqWriter *writer, double value)
{
	char text[PROMQL_FLOAT_SIZE];

	promql_put_bytes(writer, text, (size_t) promql_write_float(value, text));
}

/* Characters that would not show, or not show as themselves. */
static bool
is_invisible(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad ||
		   (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
		   (c >= 0x205f && c <= 0x206f) || (c >= 0xe000 && c <= 0xf8ff) || c == 0x3000 ||
		   c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000;
}

static void
put_escape(PqWriter *writer, uint32_t c)
{
	static const char letters[] = "abfnrtv\"\\";
	static const char meanings[] = "\a\b\f\n\r\t\v\"\\";
	const char *meaning = c < 0x80 ? memchr(meanings, (int) c, sizeof(meanings) - 1)
								   : NULL;
	char text[12];

	if (meaning != NULL)
		snprintf(text, sizeof(text), "\\%c", letters[meaning - meanings]);
	else if (c < 0x80)
		snprintf(text, sizeof(text), "\\x%02x", (unsigned) c);
	else if (c < 0x10000)
		snprintf(text, sizeof(text), "\\u%04x", (unsigned) c);
	else
		snprintf(text, sizeof(text), "\\U%08x", (unsigned) c);
	promql_put(writer, text);
}

/* A string with double quotes and escapes, as Go and PromQL know them. */
static void
put_quoted(PqWriter *writer, TsString string)
{
	size_t plain = 0; /* start of what was not written yet and needs no escape */
	size_t n;

	promql_put(writer, "\"");
	for (size_t i = 0; i < string.len && !pq_writer_is_full(writer); i += n)
	{
		uint32_t c = 0;

		n = (size_t) ts_utf8_decode(string.data + i, string.len - i, &c);
		assert(n > 0);
		if (c != '"' && c != '\\' && !is_invisible(c))
			continue;
		promql_put_bytes(writer, string.data + plain, i - plain);
		put_escape(writer, c);
		plain = i + n;
	}
	promql_put_bytes(writer, string.data + plain, string.len - plain);
	promql_put(writer, "\"");
}

static void
put_label_name(PqWriter *writer, TsString name)
{
	if (promql_is_label_name(name.data, name.len))
		promql_put_bytes(writer, name.data, name.len);
	else
		put_quoted(writer, name);
}

/* Label names in parentheses, where Inf and NaN would be numbers. */
static void
put_names(PqWriter *writer, const PqNames *names)
{
	promql_put(writer, "(");
	for (int i = 0; i < names->count && !pq_writer_is_full(writer); i++)
	{
		TsString name = names->names[i];

		if (i > 0)
			promql_put(writer, ", ");
		if (promql_is_number_word(name.data, name.len))
			put_quoted(writer, name);
		else
			put_label_name(writer, name);
	}
	promql_put(writer, ")");
}

/* ---- durations ---- */

static void
put_ms(PqWriter *writer, int64_t ms)
{
	char text[64];

	promql_put_bytes(writer, text,
					 (size_t) promql_write_duration(ms, text, sizeof(text)));
}

static void
put_number(PqWriter *writer, const PqNode *node)
{
	double value = node->u.number.value;

	if (!node->u.number.duration)
	{
		promql_put_number(writer, value);
		return;
	}
	/* Nothing has a sign, too, as a float. */
	if (signbit(value))
		promql_put(writer, "-");
	put_ms(writer, llround(fabs(value) * 1000));
}

static void
put_duration(PqWriter *writer, const PqDuration *duration)
{
	if (duration->expr != NULL)
		promql_put_expression(writer, duration->expr);
	else
		put_ms(writer, duration->ms);
}

static void
put_at(PqWriter *writer, const PqModifiers *modifiers)
{
	uint64_t ms = modifiers->at_ms < 0 ? 0 - (uint64_t) modifiers->at_ms
									   : (uint64_t) modifiers->at_ms;
	char text[48];

	switch (modifiers->at)
	{
		case PQ_AT_NONE:
			return;
		case PQ_AT_START:
			promql_put(writer, " @ start()");
			return;
		case PQ_AT_END:
			promql_put(writer, " @ end()");
			return;
		case PQ_AT_TIME:
			snprintf(text, sizeof(text), " @ %s%llu.%03u",
					 modifiers->at_ms < 0 ? "-" : "", (unsigned long long) (ms / 1000),
					 (unsigned) (ms % 1000));
			promql_put(writer, text);
			return;
	}
}

static void
put_offset(PqWriter *writer, const PqModifiers *modifiers)
{
	if (!modifiers->offset.given)
		return;
	promql_put(writer, " offset ");
	put_duration(writer, &modifiers->offset);
}

/* ---- selectors ---- */

/* Is it the matcher that the name before the braces stands for? */
static bool
is_name_matcher(const PqNode *node, const TsMatcher *matcher)
{
	return node->u.selector.name.len > 0 && matcher->type == TS_MATCH_EQUAL &&
		   ts_string_is(matcher->name, TS_METRIC_NAME_LABEL) &&
		   ts_string_equal(matcher->value, node->u.selector.name);
}

static void
put_matcher(PqWriter *writer, const TsMatcher *matcher)
{
	put_label_name(writer, matcher->name);
	promql_put(writer, ts_match_type_symbol(matcher->type));
	put_quoted(writer, matcher->value);
}

static int
compare_strings(const void *a, const void *b)
{
	return ts_string_compare(*(const TsString *) a, *(const TsString *) b);
}

/* The texts of matchers, sorted; how many, -1 when memory is short. */
static int
sort_matchers(TsArena *arena, const PqNode *node, TsString **texts)
{
	int n = 0;

	*texts = ts_arena_alloc(arena,
							(size_t) node->u.selector.nmatchers * sizeof(TsString));
	if (*texts == NULL)
		return -1;
	for (int i = 0; i < node->u.selector.nmatchers; i++)
	{
		const TsMatcher *matcher = &node->u.selector.matchers[i];
		PqWriter writer = {.limit = SIZE_MAX, .arena = arena};

		if (is_name_matcher(node, matcher))
			continue;
		put_matcher(&writer, matcher);
		writer.out = ts_arena_alloc(arena, writer.len);
		if (writer.out == NULL)
			return -1;
		writer.limit = writer.len;
		writer.len = 0;
		put_matcher(&writer, matcher);
		(*texts)[n].data = writer.out;
		(*texts)[n++].len = writer.len;
	}
	qsort(*texts, (size_t) n, sizeof(TsString), compare_strings);
	return n;
}

static void
put_matchers(PqWriter *writer, const PqNode *node)
{
	TsString *texts = NULL;
	int n = node->u.selector.nmatchers;
	int written = 0;

	/* How long they are does not depend on their order. */
	if (writer->out != NULL && n > 0)
		n = sort_matchers(writer->arena, node, &texts);
	if (n < 0)
	{
		writer->failed = true;
		return;
	}
	for (int i = 0; i < n && !pq_writer_is_full(writer); i++)
	{
		const TsMatcher *matcher = &node->u.selector.matchers[i];

		if (texts == NULL && is_name_matcher(node, matcher))
			continue;
		promql_put(writer, written++ == 0 ? "{" : ",");
		if (texts != NULL)
			promql_put_bytes(writer, texts[i].data, texts[i].len);
		else
			put_matcher(writer, matcher);
	}
	if (written > 0)
		promql_put(writer, "}");
	else if (node->u.selector.name.len == 0)
		promql_put(writer, "{}");
}

static void
put_selector(PqWriter *writer, const PqNode *node)
{
	const PqModifiers *modifiers = &node->u.selector.modifiers;
	bool range = node->u.selector.range.given;

	promql_put_bytes(writer, node->u.selector.name.data, node->u.selector.name.len);
	put_matchers(writer, node);
	if (range)
	{
		promql_put(writer, "[");
		put_duration(writer, &node->u.selector.range);
		promql_put(writer, "]");
	}
	else
		put_at(writer, modifiers);
	if (node->u.selector.extend != PQ_PLAIN)
		promql_put(writer,
				   node->u.selector.extend == PQ_ANCHORED ? " anchored" : " smoothed");
	if (range)
		put_at(writer, modifiers);
	put_offset(writer, modifiers);
}

void
promql_put_subquery_range(PqWriter *writer, const PqNode *subquery)
{
	promql_put(writer, "[");
	put_duration(writer, &subquery->u.subquery.range);
	promql_put(writer, ":");
	if (subquery->u.subquery.step.given)
		put_duration(writer, &subquery->u.subquery.step);
	promql_put(writer, "]");
	put_at(writer, &subquery->u.subquery.modifiers);
	put_offset(writer, &subquery->u.subquery.modifiers);
}

/* ---- operators, aggregations, calls ---- */

static void
put_fill(PqWriter *writer, const char *modifier, double value)
{
	promql_put(writer, modifier);
	promql_put(writer, " (");
	promql_put_number(writer, value);
	promql_put(writer, ")");
}

void
promql_put_left(PqWriter *writer, const PqNode *binary)
{
	const PqNode *left = binary->u.binary.left;

	/* The sign of +Inf would be that of the power. */
	if (binary->u.binary.op == PQ_POW && left->kind == PQ_NUMBER &&
		isinf(left->u.number.value))
		promql_put(writer, "Inf");
	else
		promql_put_expression(writer, left);
}

void
promql_put_matching(PqWriter *writer, const PqNode *binary)
{
	const PqMatching *matching = binary->u.binary.matching;
	bool grouped;

	promql_put(writer, promql_binary_symbol(binary->u.binary.op));
	if (binary->u.binary.return_bool)
		promql_put(writer, " bool");
	if (matching == NULL)
		return;
	grouped = matching->cardinality == PQ_MANY_TO_ONE ||
			  matching->cardinality == PQ_ONE_TO_MANY;
	if (matching->on || matching->labels.count > 0 || grouped)
	{
		promql_put(writer, matching->on ? " on " : " ignoring ");
		put_names(writer, &matching->labels);
	}
	if (grouped)
	{
		promql_put(writer, matching->cardinality == PQ_MANY_TO_ONE ? " group_left "
																   : " group_right ");
		put_names(writer, &matching->include);
	}
	if (matching->fill_left && matching->fill_right &&
		pq_same_number(matching->fill_left_value, matching->fill_right_value))
	{
		put_fill(writer, " fill", matching->fill_left_value);
		return;
	}
	if (matching->fill_left)
		put_fill(writer, " fill_left", matching->fill_left_value);
	if (matching->fill_right)
		put_fill(writer, " fill_right", matching->fill_right_value);
}

void
promql_put_grouping(PqWriter *writer, const PqNode *aggregate)
{
	const PqNames *labels = &aggregate->u.aggregate.labels;

	promql_put(writer, promql_aggregate_name(aggregate->u.aggregate.op));
	if (!aggregate->u.aggregate.without && labels->count == 0)
		return;
	promql_put(writer, aggregate->u.aggregate.without ? " without " : " by ");
	put_names(writer, labels);
	promql_put(writer, " ");
}

static void
put_call(PqWriter *writer, const PqNode *node)
{
	promql_put(writer, node->u.call.function->name);
	promql_put(writer, "(");
	for (int i = 0; i < node->u.call.nargs && !pq_writer_is_full(writer); i++)
	{
		if (i > 0)
			promql_put(writer, ", ");
		promql_put_expression(writer, node->u.call.args[i]);
	}
	promql_put(writer, ")");
}

static void
put_aggregate(PqWriter *writer, const PqNode *node)
{
	promql_put_grouping(writer, node);
	promql_put(writer, "(");
	if (node->u.aggregate.param != NULL)
	{
		promql_put_expression(writer, node->u.aggregate.param);
		promql_put(writer, ", ");
	}
	promql_put_expression(writer, node->u.aggregate.expr);
	promql_put(writer, ")");
}

void
promql_put_expression(PqWriter *writer, const PqNode *node)
{
	if (pq_writer_is_full(writer))
		return;
	switch (node->kind)
	{
		case PQ_NUMBER:
			put_number(writer, node);
			return;
		case PQ_STRING:
			put_quoted(writer, node->u.string);
			return;
		case PQ_SELECTOR:
			put_selector(writer, node);
			return;
		case PQ_SUBQUERY:
			promql_put_expression(writer, node->u.subquery.expr);
			promql_put_subquery_range(writer, node);
			return;
		case PQ_PAREN:
			promql_put(writer, "(");
			promql_put_expression(writer, node->u.paren);
			promql_put(writer, ")");
			return;
		case PQ_UNARY:
			promql_put(writer, node->u.unary.minus ? "-" : "+");
			promql_put_expression(writer, node->u.unary.expr);
			return;
		case PQ_BINARY:
			promql_put_left(writer, node);
			promql_put(writer, " ");
			promql_put_matching(writer, node);
			promql_put(writer, " ");
			promql_put_expression(writer, node->u.binary.right);
			return;
		case PQ_AGGREGATE:
			put_aggregate(writer, node);
			return;
		case PQ_CALL:
			put_call(writer, node);
			return;
	}
	assert(false);
}

/* ---- whole texts ---- */

static void
put_pretty(PqWriter *writer, const PqNode *node)
{
	promql_put_pretty(writer, node, 0);
}

char *
promql_write_text(const PqNode *node, PqPut put, TsArena *arena)
{
	PqWriter writer = {.limit = SIZE_MAX, .arena = arena};
	size_t size;

	put(&writer, node);
	size = writer.len;
	writer.out = ts_arena_alloc(arena, size + 1);
	if (writer.out == NULL)
		return NULL;
	writer.limit = size;
	writer.len = 0;
	put(&writer, node);
	if (writer.failed)
		return NULL;
	assert(writer.len == size);
	writer.out[size] = '\0';
	return writer.out;
}

char *
promql_print(const PqNode *node, bool pretty, TsArena *arena)
{
	return promql_write_text(node, pretty ? put_pretty : promql_put_expression, arena);
}
