/*
 * ts_regex.h
 *	  Regular expressions as Prometheus users write them: RE2 syntax, anchored at
 *	  both ends as a whole, `.` matches newlines.
 *
 * A pattern is parsed here by RE2's grammar (what Go's regexp/syntax accepts with
 * the flags Prometheus gives it), never handed to PCRE2 as it came: what PCRE2
 * sees is written anew from our own tree, so that no construct of PCRE2's own
 * (back-references, look-around, possessive, recursion, callouts, verbs) can be
 * reached. Literals, alternations of literals, prefixes, suffixes and "anything"
 * never reach PCRE2 at all.
 *
 * Pure C: calls no server function, allocates from the allocator it is given.
 * A compiled TsRegex means the same and may be used until ts_regex_free().
 */
#ifndef TS_REGEX_H
#define TS_REGEX_H

#include "ts_base.h"

typedef struct TsRegex TsRegex;

typedef struct TsRegexLimits
{
	uint32_t match_limit; /* PCRE2's match limit for one value; an error beyond */
	size_t memory;        /* bytes one compiled pattern may take (JIT code apart) */
} TsRegexLimits;

/*
 * Compiles a pattern. On failure *err says why, with err->offset in the pattern (-1:
 * no single place); the messages are those a Prometheus user knows ("missing closing )"
 * and so on), without a prefix. TS_ERR_SYNTAX: not a pattern. TS_ERR_LIMIT: compiled, it
 * would exceed what PCRE2 can hold (64 kB, 400 groups in each other). TS_ERR_MEMORY:
 * limits->memory exceeded, or no memory. Once compiled, a regex may take up to
 * limits->memory bytes more for matching, and keeps them until it is freed.
 */
extern TsErrorCode
ts_regex_compile(const char *pattern, size_t len, const TsAllocator *allocator,
				 const TsRegexLimits *limits, TsRegex **regex, TsError *err);
extern void ts_regex_free(TsRegex *regex);

/*
 * Does the whole value match? The value must be valid UTF-8; of any other, the answer
 * means nothing or is TS_ERR_INVALID. Fails with TS_ERR_LIMIT when the match limit is
 * exceeded. One match at a time: the working memory belongs to the regex.
 */
extern TsErrorCode ts_regex_match(const TsRegex *regex, const char *value, size_t len,
								  bool *matched, TsError *err);

/* Does the empty string match? Known after compilation. */
extern bool ts_regex_matches_empty(const TsRegex *regex);

/*
 * What an index can use. When the pattern matches exactly a finite set of strings,
 * returns that set, sorted and without repeats, owned by the regex, and its size
 * (0: not such a pattern, or one that nothing matches). The empty string may be the
 * first of them: then series without the label match, too.
 */
extern size_t ts_regex_literals(const TsRegex *regex, const TsString **literals);

/*
 * The literal bytes every match begins with: whole characters, at most 256 bytes,
 * perhaps none. Owned by the regex.
 */
extern TsString ts_regex_prefix(const TsRegex *regex);

/* ---- groups ---- */

/*
 * Compiles a pattern whose groups one can ask for after a match. What they take is what
 * they take in Go: the first alternative that matches, repetitions greedy or lazy as they
 * are written. (A group repeated within a repetition that matches nothing in the end has
 * taken nothing here, and in Go what it took before.) ts_regex_literals() knows nothing of
 * such a pattern.
 */
extern TsErrorCode
ts_regex_compile_groups(const char *pattern, size_t len, const TsAllocator *allocator,
						const TsRegexLimits *limits, TsRegex **regex, TsError *err);

/* The highest number of a group; number 0 is the whole match. */
extern uint32_t ts_regex_group_count(const TsRegex *regex);
/* Its name, or the empty string. Names may repeat. Owned by the regex. */
extern TsString ts_regex_group_name(const TsRegex *regex, uint32_t group);
/* Which bytes of the value a group took in the last match; false: it took no part. */
extern bool
ts_regex_group(const TsRegex *regex, uint32_t group, size_t *start, size_t *end);

/*
 * A template for what groups took: $1, ${1}, $name or ${name}, and $$ for a dollar sign, as
 * Go's Regexp.Expand() reads it. A name ends with the last letter, digit or underscore;
 * groups that do not exist or took no part are nothing.
 */
typedef struct TsRegexPiece
{
	TsString text;          /* literally, if groups is NULL */
	const uint32_t *groups; /* the first of them that took part */
	uint32_t ngroups;
} TsRegexPiece;

typedef struct TsRegexTemplate
{
	TsRegexPiece *pieces;
	uint32_t count;
} TsRegexTemplate;

/* The template lives in the arena, and points into the text. */
extern TsErrorCode
ts_regex_read_template(const TsRegex *regex, const char *text, size_t len,
					   const TsRegexLimits *limits, TsArena *arena,
					   TsRegexTemplate *result, TsError *err);
/* The size of the text that it makes of the last match, and the text itself. */
extern size_t
ts_regex_expanded_size(const TsRegex *regex, const TsRegexTemplate *template);
extern void ts_regex_expand(const TsRegex *regex, const TsRegexTemplate *template,
							const char *value, char *out);

#endif /* TS_REGEX_H */
