/*
 * reader.h
 *	  What PromQL's parsers have in common: a text that is read token by token, errors
 *	  that say where, and the matchers within braces.
 *
 * selector.c (selectors alone) and parse*.c (expressions) read matchers here. Messages
 * name what was found and what was expected, in the words of Prometheus where it has
 * words for it.
 */
#ifndef READER_H
#define READER_H

#include "promql_lexer.h"
#include "ts_selector.h"

typedef struct PromqlReader
{
	PromqlLexer lexer;
	PromqlToken token; /* the one that is looked at */
	int end;           /* where the token before it ends */
	TsArena *arena;
	TsError *err;
} PromqlReader;

/* Reports an error with its line and column. */
#define READER_ERROR(reader, code, at, ...)                  \
	(ts_error_set((reader)->err, (code), (at), __VA_ARGS__), \
	 promql_reader_locate((reader), (code)))

/* Starts at the beginning of a copy of the text; no token is read yet. */
extern TsErrorCode promql_reader_init(PromqlReader *reader, const char *text, size_t len,
									  TsArena *arena, TsError *err);
extern TsErrorCode promql_reader_locate(const PromqlReader *reader, TsErrorCode code);
extern TsErrorCode promql_reader_no_memory(const PromqlReader *reader);

/* Reads the next token. */
extern TsErrorCode promql_advance(PromqlReader *reader);

/* Reports the token that is looked at: unexpected TOKEN CONTEXT, expected EXPECTED. */
extern TsErrorCode
promql_unexpected(const PromqlReader *reader, const char *context, const char *expected);

/* ---- matchers ---- */

/* A matcher while their number is not yet known. */
typedef struct PromqlMatcherCell
{
	TsMatcher matcher;
	struct PromqlMatcherCell *next;
} PromqlMatcherCell;

typedef struct PromqlMatcherList
{
	PromqlMatcherCell *first;
	PromqlMatcherCell *last;
	uint32_t count;
} PromqlMatcherList;

/* Adds the matcher of a metric name that stands alone. */
extern TsErrorCode promql_add_metric_name(PromqlReader *reader, PromqlMatcherList *list,
										  const PromqlToken *token, TsString name);

/*
 * Reads what stands within braces, from the left one to past the right one: matchers,
 * and metric names in quotes. No more than max matchers, unless that is 0.
 */
extern TsErrorCode
promql_read_matchers(PromqlReader *reader, PromqlMatcherList *list, uint32_t max);

/* The same matchers as an array, in the arena; NULL when there is none or no memory. */
extern TsMatcher *
promql_collect_matchers(const PromqlReader *reader, const PromqlMatcherList *list);

/* Makes a matcher ready to be tested: the regular expression is the caller's to free. */
extern TsErrorCode
promql_compile_matcher(const PromqlReader *reader, const TsAllocator *allocator,
					   const TsRegexLimits *limits, TsMatcher *matcher);

#endif /* READER_H */
