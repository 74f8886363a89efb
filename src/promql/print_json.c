/*
 * print_json.c
 *	  PromQL's trees as the API's parse_query shows them: objects whose keys are sorted, as
 *	  Prometheus' are.
 *
 * Expressions of durations are not part of that form; they show as 0, as they do there.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "print.h"

static void put_node(PqWriter *writer, const PqNode *node);

static void
put_string(PqWriter *writer, TsString string)
{
	size_t plain = 0; /* start of what was not written yet and needs no escape */

	promql_put(writer, "\"");
	for (size_t i = 0; i < string.len; i++)
	{
		char escape[TS_JSON_ESCAPE_SIZE];
		int length = ts_json_escape(string.data[i], escape);

		if (length == 0)
			continue;
		promql_put_bytes(writer, string.data + plain, i - plain);
		promql_put_bytes(writer, escape, (size_t) length);
		plain = i + 1;
	}
	promql_put_bytes(writer, string.data + plain, string.len - plain);
	promql_put(writer, "\"");
}

static void
put_text(PqWriter *writer, const char *text)
{
	put_string(writer, (TsString){text, strlen(text)});
}

static void
put_bool(PqWriter *writer, bool value)
{
	promql_put(writer, value ? "true" : "false");
}

static void
put_integer(PqWriter *writer, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long) value);
	promql_put(writer, text);
}

static void
put_names(PqWriter *writer, const PqNames *names)
{
	promql_put(writer, "[");
	for (int i = 0; i < names->count; i++)
	{
		if (i > 0)
			promql_put(writer, ",");
		put_string(writer, names->names[i]);
	}
	promql_put(writer, "]");
}

/* The short name of a type, as the API has it. */
static const char *
type_name(PqType type)
{
	static const char *const names[] = {"none", "scalar", "vector", "matrix", "string"};

	assert(type <= PQ_TYPE_STRING);
	return names[type];
}

static void
put_matchers(PqWriter *writer, const PqNode *node)
{
	promql_put(writer, "[");
	for (int i = 0; i < node->u.selector.nmatchers; i++)
	{
		const TsMatcher *matcher = &node->u.selector.matchers[i];

		promql_put(writer, i > 0 ? ",{\"name\":" : "{\"name\":");
		put_string(writer, matcher->name);
		promql_put(writer, ",\"type\":");
		put_text(writer, ts_match_type_symbol(matcher->type));
		promql_put(writer, ",\"value\":");
		put_string(writer, matcher->value);
		promql_put(writer, "}");
	}
	promql_put(writer, "]");
}

/* startOrEnd, which comes before other keys, and timestamp, which comes after them. */
static void
put_start_or_end(PqWriter *writer, const PqModifiers *modifiers)
{
	promql_put(writer, ",\"startOrEnd\":");
	promql_put(writer, modifiers->at == PQ_AT_START ? "\"start\""
					   : modifiers->at == PQ_AT_END ? "\"end\""
													: "null");
}

static void
put_timestamp(PqWriter *writer, const PqModifiers *modifiers)
{
	promql_put(writer, ",\"timestamp\":");
	if (modifiers->at == PQ_AT_TIME)
		put_integer(writer, modifiers->at_ms);
	else
		promql_put(writer, "null");
}

static void
put_selector(PqWriter *writer, const PqNode *node)
{
	const PqModifiers *modifiers = &node->u.selector.modifiers;
	bool range = node->u.selector.range.given;

	promql_put(writer, "{\"anchored\":");
	put_bool(writer, node->u.selector.extend == PQ_ANCHORED);
	promql_put(writer, ",\"matchers\":");
	put_matchers(writer, node);
	promql_put(writer, ",\"name\":");
	put_string(writer, node->u.selector.name);
	promql_put(writer, ",\"offset\":");
	put_integer(writer, modifiers->offset.ms);
	if (range)
	{
		promql_put(writer, ",\"range\":");
		put_integer(writer, node->u.selector.range.ms);
	}
	promql_put(writer, ",\"smoothed\":");
	put_bool(writer, node->u.selector.extend == PQ_SMOOTHED);
	put_start_or_end(writer, modifiers);
	put_timestamp(writer, modifiers);
	promql_put(writer,
			   range ? ",\"type\":\"matrixSelector\"}" : ",\"type\":\"vectorSelector\"}");
}

static void
put_subquery(PqWriter *writer, const PqNode *node)
{
	const PqModifiers *modifiers = &node->u.subquery.modifiers;

	promql_put(writer, "{\"expr\":");
	put_node(writer, node->u.subquery.expr);
	promql_put(writer, ",\"offset\":");
	put_integer(writer, modifiers->offset.ms);
	promql_put(writer, ",\"range\":");
	put_integer(writer, node->u.subquery.range.ms);
	put_start_or_end(writer, modifiers);
	promql_put(writer, ",\"step\":");
	put_integer(writer, node->u.subquery.step.ms);
	put_timestamp(writer, modifiers);
	promql_put(writer, ",\"type\":\"subquery\"}");
}

/* A fill value; JSON has no number for what is not finite. */
static void
put_fill(PqWriter *writer, bool fill, double value)
{
	if (!fill)
		promql_put(writer, "null");
	else if (value - value != 0)
	{
		promql_put(writer, "\"");
		promql_put_number(writer, value);
		promql_put(writer, "\"");
	}
	else
		promql_put_number(writer, value);
}

static void
put_matching(PqWriter *writer, const PqMatching *matching)
{
	static const char *const cards[] = {"one-to-one", "many-to-one", "one-to-many",
										"many-to-many"};

	if (matching == NULL)
	{
		promql_put(writer, "null");
		return;
	}
	promql_put(writer, "{\"card\":");
	put_text(writer, cards[matching->cardinality]);
	promql_put(writer, ",\"fillValues\":{\"lhs\":");
	put_fill(writer, matching->fill_left, matching->fill_left_value);
	promql_put(writer, ",\"rhs\":");
	put_fill(writer, matching->fill_right, matching->fill_right_value);
	promql_put(writer, "},\"include\":");
	put_names(writer, &matching->include);
	promql_put(writer, ",\"labels\":");
	put_names(writer, &matching->labels);
	promql_put(writer, ",\"on\":");
	put_bool(writer, matching->on);
	promql_put(writer, "}");
}

static void
put_binary(PqWriter *writer, const PqNode *node)
{
	promql_put(writer, "{\"bool\":");
	put_bool(writer, node->u.binary.return_bool);
	promql_put(writer, ",\"lhs\":");
	put_node(writer, node->u.binary.left);
	promql_put(writer, ",\"matching\":");
	put_matching(writer, node->u.binary.matching);
	promql_put(writer, ",\"op\":");
	put_text(writer, promql_binary_symbol(node->u.binary.op));
	promql_put(writer, ",\"rhs\":");
	put_node(writer, node->u.binary.right);
	promql_put(writer, ",\"type\":\"binaryExpr\"}");
}

static void
put_aggregate(PqWriter *writer, const PqNode *node)
{
	promql_put(writer, "{\"expr\":");
	put_node(writer, node->u.aggregate.expr);
	promql_put(writer, ",\"grouping\":");
	put_names(writer, &node->u.aggregate.labels);
	promql_put(writer, ",\"op\":");
	put_text(writer, promql_aggregate_name(node->u.aggregate.op));
	promql_put(writer, ",\"param\":");
	if (node->u.aggregate.param != NULL)
		put_node(writer, node->u.aggregate.param);
	else
		promql_put(writer, "null");
	promql_put(writer, ",\"type\":\"aggregation\",\"without\":");
	put_bool(writer, node->u.aggregate.without);
	promql_put(writer, "}");
}

/* A function as Prometheus describes it: types of arguments, how many may be more. */
static void
put_function(PqWriter *writer, const PqFunction *function)
{
	bool variadic = function->min_args != function->max_args;
	int ntypes = function->min_args + (variadic ? 1 : 0);

	promql_put(writer, "{\"argTypes\":[");
	for (int i = 0; i < ntypes; i++)
	{
		if (i > 0)
			promql_put(writer, ",");
		put_text(writer, type_name(promql_function_argument(function, i)));
	}
	promql_put(writer, "],\"name\":");
	put_text(writer, function->name);
	promql_put(writer, ",\"returnType\":");
	put_text(writer, type_name(function->result));
	promql_put(writer, ",\"variadic\":");
	put_integer(writer, !variadic ? 0
						: function->max_args < 0
							? -1
							: function->max_args - function->min_args);
	promql_put(writer, "}");
}

static void
put_call(PqWriter *writer, const PqNode *node)
{
	promql_put(writer, "{\"args\":[");
	for (int i = 0; i < node->u.call.nargs; i++)
	{
		if (i > 0)
			promql_put(writer, ",");
		put_node(writer, node->u.call.args[i]);
	}
	promql_put(writer, "],\"func\":");
	put_function(writer, node->u.call.function);
	promql_put(writer, ",\"type\":\"call\"}");
}

static void
put_node(PqWriter *writer, const PqNode *node)
{
	switch (node->kind)
	{
		case PQ_NUMBER:
			promql_put(writer, "{\"type\":\"numberLiteral\",\"val\":\"");
			promql_put_number(writer, node->u.number.value);
			promql_put(writer, "\"}");
			return;
		case PQ_STRING:
			promql_put(writer, "{\"type\":\"stringLiteral\",\"val\":");
			put_string(writer, node->u.string);
			promql_put(writer, "}");
			return;
		case PQ_SELECTOR:
			put_selector(writer, node);
			return;
		case PQ_SUBQUERY:
			put_subquery(writer, node);
			return;
		case PQ_PAREN:
			promql_put(writer, "{\"expr\":");
			put_node(writer, node->u.paren);
			promql_put(writer, ",\"type\":\"parenExpr\"}");
			return;
		case PQ_UNARY:
			promql_put(writer, "{\"expr\":");
			put_node(writer, node->u.unary.expr);
			promql_put(writer, ",\"op\":");
			put_text(writer, node->u.unary.minus ? "-" : "+");
			promql_put(writer, ",\"type\":\"unaryExpr\"}");
			return;
		case PQ_BINARY:
			put_binary(writer, node);
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

char *
promql_print_json(const PqNode *node, TsArena *arena)
{
	return promql_write_text(node, put_node, arena);
}
