/*
 * labels_module.c
 *	  What selectors share: the settings that bound regular expressions, and counters
 *	  that show an operator how much they are used and how often they hit a bound.
 *
 * The counters are in shared memory, are only ever added to, and start anew with the
 * server. They are counted per selector compiled and per error, never per row.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "port/atomics.h"
#include "utils/guc.h"

#include "labels_type.h"
#include "mytsdb.h"

PG_FUNCTION_INFO_V1(mytsdb_regex_stats);

typedef struct RegexCounters
{
	pg_atomic_uint64 selectors;         /* compiled */
	pg_atomic_uint64 selectors_refused; /* had an error */
	pg_atomic_uint64 patterns;          /* regular expressions compiled in them */
	pg_atomic_uint64 limit_errors;      /* matches that exceeded the limit */
} RegexCounters;

/* A match cannot be cancelled; with this limit it may take as much as half a minute. */
#define MAX_MATCH_LIMIT 100000000

static RegexCounters *counters = NULL;

static int regex_match_limit;
static int regex_memory_kb;

static void
define_settings(void)
{
	DefineCustomIntVariable(
		"mytsdb.regex_match_limit",
		"Sets how hard a regular expression may try to match one value.",
		"The unit is a step of the matcher that may have to be taken back. A pattern that "
		"needs more raises an error.",
		&regex_match_limit, 1000000, 1000, MAX_MATCH_LIMIT, PGC_USERSET, 0, NULL, NULL,
		NULL);
	DefineCustomIntVariable(
		"mytsdb.regex_memory",
		"Sets the memory that one compiled regular expression may take.", NULL,
		&regex_memory_kb, 8 * 1024, 64, 1024 * 1024, PGC_USERSET, GUC_UNIT_KB, NULL, NULL,
		NULL);
}

static Size
shmem_size(void)
{
	return sizeof(RegexCounters);
}

static void
shmem_attach(void *memory, bool found)
{
	counters = memory;
	if (found)
		return;
	pg_atomic_init_u64(&counters->selectors, 0);
	pg_atomic_init_u64(&counters->selectors_refused, 0);
	pg_atomic_init_u64(&counters->patterns, 0);
	pg_atomic_init_u64(&counters->limit_errors, 0);
}

const MytsdbModule labels_module = {
	.name = "mytsdb labels",
	.define_settings = define_settings,
	.shmem_size = shmem_size,
	.shmem_attach = shmem_attach,
};

TsRegexLimits
labels_regex_limits(void)
{
	TsRegexLimits limits = {
		.match_limit = (uint32) regex_match_limit,
		.memory = (size_t) regex_memory_kb * 1024,
	};

	return limits;
}

void
labels_count_selector(const TsSelector *selector)
{
	uint64 patterns = 0;

	for (uint32 i = 0; i < selector->nmatchers; i++)
		patterns += selector->matchers[i].regex != NULL;
	pg_atomic_fetch_add_u64(&counters->selectors, 1);
	pg_atomic_fetch_add_u64(&counters->patterns, (int64) patterns);
}

void
labels_count_refused_selector(void)
{
	pg_atomic_fetch_add_u64(&counters->selectors_refused, 1);
}

void
labels_count_limit_error(void)
{
	pg_atomic_fetch_add_u64(&counters->limit_errors, 1);
}

void
labels_counts(LabelsCounts *found)
{
	found->selectors = pg_atomic_read_u64(&counters->selectors);
	found->selectors_refused = pg_atomic_read_u64(&counters->selectors_refused);
	found->patterns = pg_atomic_read_u64(&counters->patterns);
	found->limit_errors = pg_atomic_read_u64(&counters->limit_errors);
}

/* One row: the counters, in the order of the struct. */
Datum
mytsdb_regex_stats(PG_FUNCTION_ARGS)
{
	TupleDesc tupdesc;
	Datum values[4];
	bool nulls[4] = {false};
	LabelsCounts counts;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	labels_counts(&counts);
	values[0] = Int64GetDatum((int64) counts.selectors);
	values[1] = Int64GetDatum((int64) counts.selectors_refused);
	values[2] = Int64GetDatum((int64) counts.patterns);
	values[3] = Int64GetDatum((int64) counts.limit_errors);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}
