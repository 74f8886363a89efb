/*
 * functions.c
 *	  The names of PromQL's functions, operators and types.
 */
#include <assert.h>
#include <string.h>

#include "promql_ast.h"

const PqFunction promql_functions[PQ_FN_COUNT] = {
#define PQ_FUNCTION(id, name, result, experimental, min, max, ...) \
	[PQ_FN_##id] = {PQ_FN_##id, name, result, experimental, min, max, {__VA_ARGS__}},
#include "promql_functions.h"
#undef PQ_FUNCTION
};

const PqFunction *
promql_function_find(const char *name, size_t len)
{
	for (int i = 0; i < PQ_FN_COUNT; i++)
	{
		if (strlen(promql_functions[i].name) == len &&
			memcmp(promql_functions[i].name, name, len) == 0)
			return &promql_functions[i];
	}
	return NULL;
}

PqType
promql_function_argument(const PqFunction *function, int i)
{
	int last = PQ_MAX_ARGS - 1;

	while (last > 0 && function->args[last] == PQ_TYPE_NONE)
		last--;
	return function->args[i < last ? i : last];
}

const char *
promql_aggregate_name(PqAggregateOp op)
{
	static const char *const names[] = {
		"sum",    "avg",  "count",   "min",      "max",          "group",  "stddev",
		"stdvar", "topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio",
	};

	assert(op <= PQ_AGG_LIMIT_RATIO);
	return names[op];
}

const char *
promql_binary_symbol(PqBinaryOp op)
{
	static const char *const symbols[] = {
		"+", "-", "*",  "/",  "%",  "^",  "atan2", "==", "!=",
		">", "<", ">=", "<=", "</", ">/", "and",   "or", "unless",
	};

	assert(op <= PQ_UNLESS);
	return symbols[op];
}

const char *
promql_type_name(PqType type)
{
	static const char *const names[] = {"none", "scalar", "instant vector",
										"range vector", "string"};

	assert(type <= PQ_TYPE_STRING);
	return names[type];
}
