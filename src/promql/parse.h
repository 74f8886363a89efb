/*
 * parse.h
 *	  What the files of the parser of PromQL's expressions share.
 *
 *	parse.c				texts and whole expressions: operators, literals, parentheses
 *	parse_word.c		keywords: which word is one, and where it may be a name
 *	parse_selector.c	selectors and what may follow one: ranges, offset, @, subqueries
 *	parse_call.c		calls of functions, aggregations, lists of labels
 *	parse_duration.c	durations and their expressions
 *	parse_check.c		types, and all else that is said of trees and not of their text
 *
 * It reads the text by recursive descent, operators by their precedence, one token ahead. A
 * function that fails returns NULL (or false) and has reported why; the first report
 * is the one that counts, as nothing is read after it. What does not depend on types is
 * refused on the way, types are checked when all of the text is read: an error of
 * syntax comes before one of types, wherever the two stand.
 *
 * No tree is higher than PROMQL_MAX_DEPTH, and no recursion deeper.
 */
#ifndef PARSE_H
#define PARSE_H

#include "promql_ast.h"
#include "reader.h"

/* Words that mean something outside of braces, in any letter case. */
typedef enum PqWord
{
	PQ_WORD_NONE,
	PQ_WORD_AND,
	PQ_WORD_OR,
	PQ_WORD_UNLESS,
	PQ_WORD_ATAN2,
	PQ_WORD_OFFSET,
	PQ_WORD_SMOOTHED,
	PQ_WORD_ANCHORED,
	PQ_WORD_BY,
	PQ_WORD_WITHOUT,
	PQ_WORD_ON,
	PQ_WORD_IGNORING,
	PQ_WORD_GROUP_LEFT,
	PQ_WORD_GROUP_RIGHT,
	PQ_WORD_FILL,
	PQ_WORD_FILL_LEFT,
	PQ_WORD_FILL_RIGHT,
	PQ_WORD_BOOL,
	PQ_WORD_START,
	PQ_WORD_END,
	PQ_WORD_STEP,
	PQ_WORD_RANGE,
	PQ_WORD_MIN_OF,
	PQ_WORD_MAX_OF,
	PQ_WORD_AGGREGATE /* plus a PqAggregateOp */
} PqWord;

#define pq_is_aggregate_word(word) ((word) >= PQ_WORD_AGGREGATE)

/* Which word is this? */
extern PqWord promql_word(const char *text, size_t len);
/* May a metric have it for a name, without quotes? */
extern bool promql_word_is_metric(PqWord word);
/* May a call begin with it? */
extern bool promql_word_is_function(PqWord word);

typedef struct PqParser
{
	PromqlReader reader;
	const PqParseOptions *options;
	PqWord word; /* what the token that is looked at is, when it is an identifier */
	int depth;   /* of the recursion */
	TsErrorCode code;
} PqParser;

/* Reports an error; false, so that one can return it. */
#define parse_fail(parser, error, at, ...) \
	promql_parse_failed((parser),          \
						READER_ERROR(&(parser)->reader, (error), (at), __VA_ARGS__))

/* ---- parse.c ---- */

extern bool promql_parse_failed(PqParser *parser, TsErrorCode code);
extern bool promql_parse_advance(PqParser *parser);
/* The reader alone has read on, or failed to. */
extern bool promql_parse_advanced(PqParser *parser, TsErrorCode code);
extern bool promql_parse_no_memory(PqParser *parser);

/*
 * Reports that the token that is looked at stands in the wrong place: within `context`,
 * where `expected` was expected; either may be NULL.
 */
extern bool
promql_parse_unexpected(PqParser *parser, const char *context, const char *expected);

/* Reads a token of the type; reports another. */
extern bool promql_parse_expect(PqParser *parser, PromqlTokenType type,
								const char *context, const char *expected);

/* A new node, all zero, that begins at an offset. */
extern PqNode *promql_parse_node(PqParser *parser, PqNodeKind kind, int start);

/*
 * A node is complete, its text ends with the token before the one that is looked at:
 * NULL when it is too high a tree.
 */
extern PqNode *promql_parse_finish(PqParser *parser, PqNode *node);
/* Makes room above a child of a node. */
extern void promql_parse_raise(PqNode *node, const PqNode *child);

/* Enters a level of recursion; left by parser->depth--. */
extern bool promql_parse_enter(PqParser *parser);

/* An expression whose operators all have at least that precedence; all of it: 0. */
extern PqNode *promql_parse_expression(PqParser *parser, int precedence);

/* A number or a duration, which the token that is looked at is. */
extern PqNode *promql_parse_number(PqParser *parser);
/* Gives an expression a sign that stands at an offset; NULL stays NULL. */
extern PqNode *promql_parse_sign(PqParser *parser, bool minus, int start, PqNode *expr);

/* Does an operator come next, and how strongly does it bind? 0: none does. */
extern int promql_parse_operator(const PqParser *parser, PqBinaryOp *op);
#define PQ_PRECEDENCE_SIGN  5 /* as strong as multiplication */
#define PQ_PRECEDENCE_POWER 6 /* which is right-associative */

/* ---- parse_selector.c ---- */

/* A selector whose name, if any, has been read, and matchers may follow. */
extern PqNode *promql_parse_selector(PqParser *parser, const PromqlToken *name);
/* What follows an operand. */
extern PqNode *promql_parse_modifiers(PqParser *parser, PqNode *node);

/* ---- parse_call.c ---- */

/* From the left parenthesis on: what stands before it has been read. */
extern PqNode *promql_parse_call(PqParser *parser, const PromqlToken *name);
/* From behind the operator on. */
extern PqNode *
promql_parse_aggregate(PqParser *parser, PqAggregateOp op, const PromqlToken *name);
/* A list of label names in parentheses. */
extern bool promql_parse_names(PqParser *parser, PqNames *names);

/* ---- parse_duration.c ---- */

/* The duration within brackets, of a range or of a subquery's step. */
extern bool promql_parse_duration(PqParser *parser, const char *context,
								  const char *expected, PqDuration *duration);
/* The duration behind offset, where operators are not its own. */
extern bool promql_parse_offset(PqParser *parser, PqDuration *duration);

/* ---- parse_check.c ---- */

/* Gives all nodes their types, and refuses what has none. */
extern bool promql_parse_check(PqParser *parser, PqNode *node);
/* Does a selector match a series without labels? */
extern bool promql_parse_matches_nothing(const PqNode *selector);

#endif /* PARSE_H */
