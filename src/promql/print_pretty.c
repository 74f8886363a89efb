/*
 * print_pretty.c
 *	  Prints PromQL's expressions over several lines, as Prometheus' formatter does: what
 *	  fits into a line stays in one, all else is broken at its operators, parentheses and
 *	  commas, its parts one step further in.
 */
#include <assert.h>
#include <string.h>

#include "print.h"

#define LINE_LENGTH 100

static bool
fits_a_line(const PqNode *node)
{
	PqWriter measure = {.limit = LINE_LENGTH};

	promql_put_expression(&measure, node);
	return !pq_writer_is_full(&measure);
}

static void
indent(PqWriter *writer, int level)
{
	size_t spaces = 2 * (size_t) level;

	if (writer->out != NULL)
	{
		assert(writer->len + spaces <= writer->limit);
		memset(writer->out + writer->len, ' ', spaces);
	}
	writer->len += spaces;
}

static void
put_newline(PqWriter *writer, int level)
{
	promql_put(writer, "\n");
	indent(writer, level);
}

static void put_broken(PqWriter *writer, const PqNode *node, int level, bool begins);

/*
 * The node without its indentation, which is the caller's. `begins`: it begins a line, and
 * what is its first part may stand further in.
 */
static void
put_inner(PqWriter *writer, const PqNode *node, int level, bool begins)
{
	if (fits_a_line(node))
		promql_put_expression(writer, node);
	else
		put_broken(writer, node, level, begins);
}

/* In parentheses, on lines of their own. */
static void
put_within(PqWriter *writer, const PqNode *const *parts, int n, int level)
{
	promql_put(writer, "(\n");
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			promql_put(writer, ",\n");
		promql_put_pretty(writer, parts[i], level + 1);
	}
	put_newline(writer, level);
	promql_put(writer, ")");
}

static void
put_broken_aggregate(PqWriter *writer, const PqNode *node, int level)
{
	const PqNode *parts[] = {node->u.aggregate.param, node->u.aggregate.expr};
	int missing = node->u.aggregate.param == NULL ? 1 : 0;

	promql_put_grouping(writer, node);
	put_within(writer, parts + missing, 2 - missing, level);
}

static void
put_broken(PqWriter *writer, const PqNode *node, int level, bool begins)
{
	const PqNode *part;

	switch (node->kind)
	{
		case PQ_NUMBER:
		case PQ_STRING:
		case PQ_SELECTOR:
			promql_put_expression(writer, node);
			return;
		case PQ_SUBQUERY:
			put_inner(writer, node->u.subquery.expr, level, begins);
			promql_put_subquery_range(writer, node);
			return;
		case PQ_PAREN:
			part = node->u.paren;
			put_within(writer, &part, 1, level);
			return;
		case PQ_UNARY:
			promql_put(writer, node->u.unary.minus ? "-" : "+");
			put_inner(writer, node->u.unary.expr, level, false);
			return;
		case PQ_BINARY:
			if (begins)
				indent(writer, 1);
			if (fits_a_line(node->u.binary.left))
				promql_put_left(writer, node);
			else
				put_broken(writer, node->u.binary.left, level + 1, begins);
			put_newline(writer, level);
			promql_put_matching(writer, node);
			promql_put(writer, "\n");
			promql_put_pretty(writer, node->u.binary.right, level + 1);
			return;
		case PQ_AGGREGATE:
			put_broken_aggregate(writer, node, level);
			return;
		case PQ_CALL:
			promql_put(writer, node->u.call.function->name);
			put_within(writer, (const PqNode *const *) node->u.call.args,
					   node->u.call.nargs, level);
			return;
	}
	assert(false);
}

void
promql_put_pretty(PqWriter *writer, const PqNode *node, int level)
{
	indent(writer, level);
	put_inner(writer, node, level, true);
}
