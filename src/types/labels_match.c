/*
 * labels_match.c
 *	  The operators ~ and !~: labels against a PromQL selector.
 *
 * A selector is parsed and compiled once per call site and then kept, together with
 * some others in case the right side changes from row to row (a join with a table of
 * selectors); they are dropped when they take more memory than mytsdb.regex_memory.
 * What is kept lives below the call site's memory context, that is, as long as the
 * query's plan runs.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "labels_type.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_labels_matches);
PG_FUNCTION_INFO_V1(mytsdb_labels_not_matches);

/* Places for selectors at one call site; which one is a matter of the text's hash. */
#define CACHE_SLOTS 64

/* A selector with the memory context that is all its own. */
typedef struct CachedSelector
{
	MemoryContext context;
	const TsSelector *selector;
	TsRegexLimits limits; /* with which it was compiled */
	size_t len;
	char text[FLEXIBLE_ARRAY_MEMBER];
} CachedSelector;

typedef struct SelectorCache
{
	MemoryContext context; /* the parent of all the selectors' */
	CachedSelector *last;  /* the one used last, mostly the only one */
	CachedSelector *slots[CACHE_SLOTS];
} SelectorCache;

/* Raises that a regular expression exceeded a limit, and says what sets the limit. */
static void
report_limit(const TsError *err, const char *text, size_t len)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s", err->message),
		 errdetail("The selector is \"%s\".", ts_shown_text(text, len)),
		 errhint("The limits are mytsdb.regex_match_limit and, for large patterns and "
				 "long values, mytsdb.regex_memory.")));
}

const TsSelector *
labels_require_selector(const char *text, size_t len, MemoryContext context)
{
	TsError err;
	const TsSelector *selector = labels_compile_selector(text, len, context, &err);

	if (selector == NULL)
	{
		labels_count_refused_selector();
		MemoryContextDelete(context);
		/* One with a place in the text is a pattern's. */
		if ((err.code == TS_ERR_LIMIT || err.code == TS_ERR_MEMORY) && err.line > 0)
			report_limit(&err, text, len);
		ts_report(&err, ERRCODE_SYNTAX_ERROR, "invalid PromQL selector", text, len);
	}
	labels_count_selector(selector);
	return selector;
}

/* Compiles a selector in a context of its own below the parent. */
static CachedSelector *
compile_cached(const char *text, size_t len, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "PromQL selector",
												  ALLOCSET_SMALL_SIZES);
	CachedSelector *cached = MemoryContextAlloc(context,
												offsetof(CachedSelector, text) + len);

	cached->context = context;
	cached->limits = labels_regex_limits();
	cached->len = len;
	memcpy(cached->text, text, len);
	cached->selector = labels_require_selector(text, len, context);
	return cached;
}

/* Settings may change between two calls, in a function that runs on. */
static bool
is_cached(const CachedSelector *cached, const char *text, size_t len)
{
	TsRegexLimits limits = labels_regex_limits();

	return cached != NULL && cached->len == len && memcmp(cached->text, text, len) == 0 &&
		   cached->limits.match_limit == limits.match_limit &&
		   cached->limits.memory == limits.memory;
}

static SelectorCache *
create_cache(MemoryContext parent)
{
	SelectorCache *cache = MemoryContextAllocZero(parent, sizeof(SelectorCache));

	cache->context = AllocSetContextCreate(parent, "PromQL selectors",
										   ALLOCSET_SMALL_SIZES);
	return cache;
}

/* Forgets a selector; or all of them, if together they take too much memory. */
static void
make_room(SelectorCache *cache, CachedSelector **slot)
{
	cache->last = NULL;
	if (MemoryContextMemAllocated(cache->context, true) > labels_regex_limits().memory)
	{
		MemoryContextReset(cache->context);
		memset(cache->slots, 0, sizeof(cache->slots));
	}
	else if (*slot != NULL)
	{
		MemoryContextDelete((*slot)->context);
		*slot = NULL;
	}
}

/* The compiled form of a selector, from the call site's cache. */
static const TsSelector *
find_selector(FmgrInfo *flinfo, const char *text, size_t len)
{
	SelectorCache *cache = flinfo->fn_extra;
	CachedSelector **slot;

	if (cache == NULL)
	{
		cache = create_cache(flinfo->fn_mcxt);
		flinfo->fn_extra = cache;
	}
	if (is_cached(cache->last, text, len))
		return cache->last->selector;

	slot =
		&cache->slots[hash_bytes((const unsigned char *) text, (int) len) % CACHE_SLOTS];
	if (!is_cached(*slot, text, len))
	{
		make_room(cache, slot);
		*slot = compile_cached(text, len, cache->context);
	}
	cache->last = *slot;
	return (*slot)->selector;
}

static bool
match_args(FunctionCallInfo fcinfo)
{
	Labels *labels = PG_GETARG_LABELS_PP(0);
	text *right = PG_GETARG_TEXT_PP(1);
	const TsSelector *selector = find_selector(fcinfo->flinfo, VARDATA_ANY(right),
											   VARSIZE_ANY_EXHDR(right));
	bool matched;
	TsError err;

	/* The executor does not ask between the elements of ANY (array). */
	CHECK_FOR_INTERRUPTS();
	if (labels_match(LABELS_DATA(labels), LABELS_SIZE(labels), selector, &matched,
					 &err) != TS_OK)
	{
		labels_count_limit_error();
		report_limit(&err, VARDATA_ANY(right), VARSIZE_ANY_EXHDR(right));
	}
	PG_FREE_IF_COPY(labels, 0);
	PG_FREE_IF_COPY(right, 1);
	return matched;
}

Datum
mytsdb_labels_matches(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(match_args(fcinfo));
}

Datum
mytsdb_labels_not_matches(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!match_args(fcinfo));
}
