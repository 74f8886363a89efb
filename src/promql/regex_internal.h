/*
 * regex_internal.h
 *	  What the files of the regular expression module share: the tree, its
 *	  character classes, and the steps between a pattern and a TsRegex.
 *
 *	regex_parse.c	RE2's grammar: pattern -> tree, or the error Go would give
 *	regex_source.c	the pattern's characters, escapes and errors
 *	regex_class.c	[...], \d, [[:alpha:]], \p{Greek}: text -> RegexClass
 *	regex_property.c	the names in \p{...} and what they mean to PCRE2
 *	regex_emit.c	tree -> the text of a PCRE2 pattern
 *	regex_prefix.c	tree -> the bytes every match begins with
 *	regex_glob.c	tree -> a sorted set of strings with "anything" gaps, where the
 *					tree is that simple, and matching against it
 *	regex.c			the API: memory, limits, PCRE2
 *	regex_expand.c	templates with $1 and ${name} for what groups took
 *
 * Invariants of a tree: captures and laziness are gone (neither changes what an
 * anchored pattern accepts) unless groups were asked for; a concatenation never holds a concatenation and an
 * alternation never an alternation unless a capture stood between them, so the
 * depth, and with it every recursion over a tree, is bounded by
 * REGEX_MAX_HEIGHT; no surrogate code point is in it, since no value can hold one.
 */
#ifndef REGEX_INTERNAL_H
#define REGEX_INTERNAL_H

#include "ts_regex.h"

/* The bounds Go's regexp/syntax sets; patterns beyond them are refused there too. */
#define REGEX_MAX_HEIGHT 1000
#define REGEX_MAX_REPEAT 1000

#define REGEX_MAX_CODE_POINT 0x10FFFF

/* Flags that a pattern can switch. */
#define REGEX_FOLD      0x01 /* (?i) */
#define REGEX_DOT_NL    0x02 /* (?s): set at the start of every pattern */
#define REGEX_MULTILINE 0x04 /* (?m) */
#define REGEX_UNGREEDY  0x08 /* (?U) */

/* ---- classes ---- */

typedef struct RegexRange
{
	uint32_t lo;
	uint32_t hi; /* inclusive */
} RegexRange;

/* A Unicode category or script, as Go means it. */
typedef struct RegexProperty
{
	struct RegexProperty *next;
	const char *contents;   /* members, as the inside of a bracket class of PCRE2 */
	const char *fold_extra; /* what (?i) adds, as an expression of PCRE2; or NULL */
	bool negated;
} RegexProperty;

/*
 * A set of code points: the union of ranges and properties, negated as a whole or
 * not. With fold, the ranges stand for everything that equals a member under simple
 * case folding; the properties' fold_extra says what folding adds to them.
 */
typedef struct RegexClass
{
	RegexRange *ranges; /* sorted, apart, without surrogates, once finished */
	size_t nranges;
	size_t capacity;
	RegexProperty *properties;
	bool fold;
	bool negated;
} RegexClass;

/* ---- trees ---- */

typedef enum RegexKind
{
	REGEX_EMPTY, /* matches the empty string */
	REGEX_NEVER, /* matches nothing at all */
	REGEX_LITERAL,
	REGEX_CLASS,
	REGEX_ANY,        /* one character of any kind */
	REGEX_ANY_NOT_NL, /* one character that is not a newline */
	REGEX_BEGIN_TEXT,
	REGEX_END_TEXT,
	REGEX_BEGIN_LINE,
	REGEX_END_LINE,
	REGEX_WORD_EDGE,
	REGEX_NOT_WORD_EDGE,
	REGEX_CAPTURE, /* only with groups */
	REGEX_REPEAT,
	REGEX_CONCAT,
	REGEX_ALTERNATE
} RegexKind;

typedef struct RegexNode
{
	struct RegexNode *next;  /* sibling */
	struct RegexNode *child; /* first; REPEAT and CAPTURE have one, CONCAT and ALTERNATE
								two up */
	struct RegexNode *last;  /* last child */
	union
	{
		TsString text;     /* LITERAL: UTF-8, not empty */
		RegexClass *class; /* CLASS */
		struct
		{
			int min;
			int max; /* -1: no bound */
		} repeat;
	} u;
	int height; /* as Go counts it, captures included */
	int copies; /* largest product of nested {n,m} counts */
	uint8_t kind;
	bool fold;     /* LITERAL: (?i) applies */
	bool lazy;     /* REPEAT: as few as possible; only with groups */
	bool opaque;   /* was a capture: must not be merged into its parent */
	bool nullable; /* the empty string matches */
} RegexNode;

/* The groups of a pattern; number 0 is the whole, the others count opening parentheses. */
typedef struct RegexGroups
{
	TsString *names; /* of numbers 0 to count; empty: none; they point into the pattern */
	uint32_t count;
	uint32_t capacity;
} RegexGroups;

/*
 * Parses a pattern, which need not be valid UTF-8. The tree lives in the arena, as do the
 * groups, if they are asked for.
 */
extern TsErrorCode regex_parse(const char *pattern, size_t len, TsArena *arena,
							   RegexGroups *groups, RegexNode **tree, TsError *err);

/* ---- classes: building blocks for the parser ---- */

/* What a class parser reads from and reports to. */
typedef struct RegexSource
{
	const char *pattern; /* valid UTF-8 */
	size_t len;
	size_t pos;
	TsArena *arena;
	unsigned flags;
	TsError *err;
} RegexSource;

/*
 * The parsers below read from src->pos and move it on. They return false after an
 * error was reported.
 */

/* Reports: what is wrong, with the text from start to end, as Go words it. */
extern bool regex_fail(RegexSource *src, const char *what, size_t start, size_t end);
extern bool regex_no_memory(RegexSource *src);

/* Reads the code point at src->pos. There must be one. */
extern uint32_t regex_next(RegexSource *src);

/* Is it an ASCII character other than a letter? Folding never matters to it. */
extern bool regex_is_caseless(uint32_t c);

/* Reads an escape that stands for one code point; src->pos is at the backslash. */
extern bool regex_escape(RegexSource *src, uint32_t *code_point);

/* Reads [...]; src->pos is at the opening bracket. */
extern bool regex_bracket_class(RegexSource *src, RegexClass **class);

/*
 * Reads \d, \pL, \p{Greek} and the like if one stands at src->pos; otherwise sets
 * *class to NULL.
 */
extern bool regex_escape_class(RegexSource *src, RegexClass **class);

/* Looks up the name of a category or script, except Any; case and all matter. */
extern bool regex_find_property(const char *name, size_t len, RegexProperty *property);

/* ---- from a tree onwards ---- */

/* A growing text in an arena; failed once memory ran out. */
typedef struct RegexText
{
	TsArena *arena;
	char *data;
	size_t len;
	size_t capacity;
	bool failed;
	bool groups; /* regex_emit() keeps what decides about what groups take */
} RegexText;

extern void regex_text_append(RegexText *text, const char *data, size_t len);
extern void regex_text_puts(RegexText *text, const char *string);

/* Orders TsStrings bytewise, for qsort and bsearch. */
extern int regex_compare_strings(const void *a, const void *b);

/* Writes the tree as a PCRE2 pattern, not anchored. */
extern void regex_emit(const RegexNode *tree, RegexText *out);

/* Fills prefix with the bytes that every match begins with. */
extern void regex_collect_prefix(const RegexNode *tree, RegexText *prefix);

/*
 * A finite set of strings in which two bytes that UTF-8 never uses are wildcards.
 * Sorted bytewise, without repeats; a wildcard run is any number of GLOB_ONE and
 * then at most one GLOB_GAP.
 */
#define GLOB_ONE 0xFE /* exactly one character */
#define GLOB_GAP 0xFF /* any characters, or none */

typedef struct GlobSet
{
	TsString *strings;
	size_t count;
	bool literal; /* no wildcards in it */
} GlobSet;

/*
 * Expands the tree to a set, in result's memory, if it is simple and small enough;
 * false if it is not or memory ran out. Temporary memory comes from scratch.
 */
extern bool
glob_expand(const RegexNode *tree, TsArena *scratch, TsArena *result, GlobSet *set);

/*
 * Is the value in the set? Stops when *steps, which it counts down, reaches zero;
 * the answer then is false and means nothing.
 */
extern bool
glob_match(const GlobSet *set, const char *value, size_t len, uint64_t *steps);

/* ts_regex_compile, and whether the ways around PCRE2 may be taken. */
extern TsErrorCode
regex_compile(const char *pattern, size_t len, const TsAllocator *allocator,
			  const TsRegexLimits *limits, bool shortcuts, TsRegex **regex, TsError *err);

/* Is PCRE2 asked for this pattern? */
extern bool regex_uses_pcre2(const TsRegex *regex);

#endif /* REGEX_INTERNAL_H */
