/*
 * fuzz_promql_parse.c
 *	  PromQL's parser and printers: any text is parsed or refused with a place, and what was
 *	  parsed prints to a text that parses to an equal tree, however it is printed.
 *
 * The first byte chooses what is turned off, and how much memory there is.
 */
#include <stdlib.h>
#include <string.h>

#include "promql_ast.h"
#include "promql_lexer.h"

static void
check_node(const PqNode *node, size_t len)
{
	if (node->start < 0 || node->end < node->start || (size_t) node->end > len ||
		node->height < 1 || node->height > PROMQL_MAX_DEPTH || node->type == PQ_TYPE_NONE)
		abort();
	switch (node->kind)
	{
		case PQ_SUBQUERY:
			check_node(node->u.subquery.expr, len);
			break;
		case PQ_PAREN:
			check_node(node->u.paren, len);
			break;
		case PQ_UNARY:
			check_node(node->u.unary.expr, len);
			break;
		case PQ_BINARY:
			check_node(node->u.binary.left, len);
			check_node(node->u.binary.right, len);
			break;
		case PQ_AGGREGATE:
			check_node(node->u.aggregate.expr, len);
			if (node->u.aggregate.param != NULL)
				check_node(node->u.aggregate.param, len);
			break;
		case PQ_CALL:
			for (int i = 0; i < node->u.call.nargs; i++)
				check_node(node->u.call.args[i], len);
			break;
		default:
			break;
	}
}

/* The value of a selector's durations: right, or an error. */
static void
check_durations(const PqNode *node)
{
	const PqDurationTerms terms = {15000, 3600000};
	const PqDuration *range = node->kind == PQ_SELECTOR   ? &node->u.selector.range
							  : node->kind == PQ_SUBQUERY ? &node->u.subquery.range
														  : NULL;
	TsError err;
	int64_t ms;

	if (range == NULL || !range->given)
		return;
	if (promql_duration(range, &terms, true, &ms, &err) == TS_OK && range->expr == NULL &&
		ms <= 0)
		abort();
}

static void
check_printed(const PqNode *root, bool pretty, const PqParseOptions *options,
			  TsArena *arena)
{
	char *text = promql_print(root, pretty, arena);
	char *again;
	PqNode *reparsed;
	TsError err;
	TsErrorCode code;

	if (text == NULL)
		return;
	code = promql_parse(text, strlen(text), options, arena, &reparsed, &err);
	/* Numbers and signs written out may make a text or a tree too large. */
	if (code == TS_ERR_MEMORY || code == TS_ERR_LIMIT)
		return;
	if (code != TS_OK || !promql_equal(root, reparsed) || !promql_equal(reparsed, root))
		abort();
	again = promql_print(reparsed, pretty, arena);
	if (again != NULL && strcmp(text, again) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	PqParseOptions options = promql_default_options;
	const char *text = (const char *) data + 1;
	TsArena arena;
	PqNode *root;
	TsError err;

	if (size < 1)
		return 0;
	if (data[0] & 0x80)
	{
		options.experimental_functions = data[0] & 1;
		options.duration_expressions = data[0] & 2;
		options.extended_ranges = data[0] & 4;
		options.fill_modifiers = data[0] & 8;
	}
	ts_arena_init(&arena, &ts_malloc_allocator,
				  data[0] & 0x40 ? (size_t) 4096 << (data[0] & 7) : 64 * 1024 * 1024);
	size--;
	if (promql_parse_matchers(text, size, &arena, &root, &err) == TS_OK &&
		(root->kind != PQ_SELECTOR || root->u.selector.nmatchers == 0))
		abort();
	if (promql_parse(text, size, &options, &arena, &root, &err) == TS_OK)
	{
		check_node(root, size);
		check_durations(root);
		check_printed(root, false, &options, &arena);
		check_printed(root, true, &options, &arena);
		promql_print_json(root, &arena);
	}
	else if (root != NULL || err.code == TS_OK || err.message[0] == '\0' ||
			 ((err.code == TS_ERR_SYNTAX || err.code == TS_ERR_INVALID) &&
			  (err.offset < 0 || (size_t) err.offset > size || err.line < 1 ||
			   err.column < 1)))
		abort();
	ts_arena_free(&arena);
	return 0;
}
