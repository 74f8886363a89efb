/*
 * ts_selector.h
 *	  PromQL's series selectors: name{a="b",c!="d",e=~"f",g!~"h"}
 *
 * Pure C. This is the one parser of selectors: the SQL operator ~, the text form of
 * labels and, later, whole PromQL expressions read them here.
 *
 * A selector is a list of matchers; a series is selected when all of them match. The
 * metric's name is the label __name__. A label that a series does not have counts as
 * the empty string. A selector owns all it points to and does not change after it is
 * parsed; but testing uses working memory of its regular expressions, one test at a
 * time. To hand one to another process, hand over its text.
 */
#ifndef TS_SELECTOR_H
#define TS_SELECTOR_H

#include "ts_base.h"
#include "ts_regex.h"

#define TS_METRIC_NAME_LABEL "__name__"

/* No selector has more; keeps in bounds what compiling and testing one takes. */
#define TS_SELECTOR_MAX_MATCHERS 1024

typedef enum TsMatchType
{
	TS_MATCH_EQUAL,
	TS_MATCH_NOT_EQUAL,
	TS_MATCH_REGEX,
	TS_MATCH_NOT_REGEX
} TsMatchType;

typedef struct TsMatcher
{
	TsMatchType type;
	TsString name;
	TsString value;      /* the string to compare with, or the pattern */
	TsRegex *regex;      /* NULL unless a regular expression was compiled */
	bool matches_empty;  /* does it match a series without the label? */
	int name_offset;     /* where these stand in the text; a metric name */
	int operator_offset; /* that stands alone has no operator: -1 */
	int value_offset;
} TsMatcher;

typedef struct TsSelector
{
	TsArena arena; /* holds the copy of the text that names and values point into */
	TsMatcher *matchers;
	uint32_t nmatchers;
	void (*check_interrupts)(void); /* as in the options */
} TsSelector;

typedef struct TsSelectorOptions
{
	const TsAllocator *allocator; /* used until the selector is freed */
	TsRegexLimits regex;
	bool label_set; /* read a set of labels: patterns are not compiled, and messages
					   speak of labels */
	bool non_empty; /* refuse a selector that also matches a series without labels */
	void (*check_interrupts)(void); /* may be NULL; called between regular expressions
									   while labels are matched, and may jump out */
} TsSelectorOptions;

/*
 * Parses a text that is a selector and nothing else. On failure *selector holds
 * nothing, and *err says what was found where (line and column are set), and what was
 * expected.
 */
extern TsErrorCode
ts_selector_parse(const char *text, size_t len, const TsSelectorOptions *options,
				  TsSelector *selector, TsError *err);
extern void ts_selector_free(TsSelector *selector);

/*
 * Does the value match? Pass the empty string for a label that is absent. Fails only
 * when a regular expression exceeds its match limit.
 */
extern TsErrorCode ts_matcher_test(const TsMatcher *matcher, const char *value,
								   size_t len, bool *matched, TsError *err);

/* The operator as it is written. */
extern const char *ts_match_type_symbol(TsMatchType type);

#endif /* TS_SELECTOR_H */
