/*
 * exec_settings.c
 *	  The settings of PromQL queries.
 */
#include "postgres.h"

#include <limits.h>

#include "postmaster/bgworker_internals.h"
#include "utils/guc.h"

#include "exec_internal.h"
#include "labels_type.h"
#include "mytsdb.h"

#define MINUTE (60 * 1000)

PqSettings pq_settings;

int64
pq_default_lookback(void)
{
	return pq_settings.lookback_ms;
}

static void
define_language_settings(void)
{
	DefineCustomIntVariable(
		"mytsdb.promql_lookback",
		"Sets how old a sample may be to be a series' value at a time.", NULL,
		&pq_settings.lookback_ms, 5 * MINUTE, 1, INT_MAX, PGC_USERSET, GUC_UNIT_MS, NULL,
		NULL, NULL);
	DefineCustomIntVariable("mytsdb.promql_subquery_step",
							"Sets the step of subqueries that do not name one.", NULL,
							&pq_settings.subquery_step_ms, MINUTE, 1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomBoolVariable(
		"mytsdb.promql_delayed_name_removal",
		"Removes metric names at the end of a query instead of at once.",
		"Then label_replace() and the like still see the name.",
		&pq_settings.delayed_name_removal, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("mytsdb.promql_experimental_functions",
							 "Allows experimental functions and aggregations of PromQL.",
							 NULL, &pq_settings.experimental_functions, true, PGC_USERSET,
							 0, NULL, NULL, NULL);
	DefineCustomBoolVariable(
		"mytsdb.promql_duration_expressions", "Allows arithmetic in durations of PromQL.",
		NULL, &pq_settings.duration_expressions, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("mytsdb.promql_extended_ranges",
							 "Allows the modifiers anchored and smoothed of PromQL.",
							 NULL, &pq_settings.extended_ranges, true, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("mytsdb.promql_fill_modifiers",
							 "Allows fill modifiers of PromQL's binary operators.", NULL,
							 &pq_settings.fill_modifiers, true, PGC_USERSET, 0, NULL,
							 NULL, NULL);
	DefineCustomBoolVariable(
		"mytsdb.promql_start_timestamps",
		"Lets rate() and its like find counter resets by samples' start times.", NULL,
		&pq_settings.start_timestamps, true, PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_settings(void)
{
	define_language_settings();
	DefineCustomIntVariable("mytsdb.query_max_samples",
							"Sets how many samples a PromQL query may hold at a time.",
							NULL, &pq_settings.max_samples, 50000000, 1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"mytsdb.query_memory", "Sets the memory that a PromQL query may take.",
		"A query that needs more raises an error.", &pq_settings.memory_kb, 256 * 1024,
		1024, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"mytsdb.query_parallel_workers",
		"Sets how many parallel workers a part of a PromQL query may have.",
		"-1: as many as max_parallel_workers_per_gather says.", &pq_settings.workers, -1,
		-1, MAX_PARALLEL_WORKER_LIMIT, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"mytsdb.query_parallel_samples",
		"Sets how many samples a part of a PromQL query must read to have workers.", NULL,
		&pq_settings.parallel_samples, 2000000, 0, INT_MAX, PGC_USERSET, 0, NULL, NULL,
		NULL);
}

PqParseOptions
pq_parse_options(void)
{
	PqParseOptions options = {
		.experimental_functions = pq_settings.experimental_functions,
		.duration_expressions = pq_settings.duration_expressions,
		.extended_ranges = pq_settings.extended_ranges,
		.fill_modifiers = pq_settings.fill_modifiers,
		.regex = labels_regex_limits(),
	};

	return options;
}

Size
pq_memory_limit(void)
{
	return (Size) pq_settings.memory_kb * 1024;
}

const MytsdbModule promql_module = {
	.name = "mytsdb PromQL",
	.define_settings = define_settings,
};
