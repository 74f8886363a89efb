/*
 * promql_lexer.h
 *	  PromQL's lexer: text in, tokens out.
 *
 * Pure C. The language means different things inside and outside of braces, as
 * Prometheus has it, and within brackets a colon is no part of a name, so the lexer
 * knows where it is; it also sees that brackets of all kinds are closed. Keywords are ordinary
 * identifiers here: most of them are also good metric and label names, and only a
 * parser knows where it stands. NaN and Inf, in any letter case, are numbers.
 *
 * Every token says where it stands as a byte offset. A string comes decoded, and
 * decoded it is valid UTF-8, whatever its escapes say.
 */
#ifndef PROMQL_LEXER_H
#define PROMQL_LEXER_H

#include "ts_base.h"

/* No text in the language is longer; keeps offsets in an int and memory in bounds. */
#define PROMQL_MAX_TEXT (1024 * 1024)

typedef enum PromqlTokenType
{
	PROMQL_EOF,
	PROMQL_ERROR,             /* not of the language; the error report says why */
	PROMQL_IDENTIFIER,        /* [a-zA-Z_][a-zA-Z0-9_]* */
	PROMQL_METRIC_IDENTIFIER, /* the same with a ':' in it; outside of braces only */
	PROMQL_NUMBER,            /* its syntax was checked; promql_number_value() reads it */
	PROMQL_DURATION,          /* digits and letters of units; may have them in disorder */
	PROMQL_STRING,
	PROMQL_LEFT_BRACE,
	PROMQL_RIGHT_BRACE,
	PROMQL_LEFT_PAREN,
	PROMQL_RIGHT_PAREN,
	PROMQL_LEFT_BRACKET,
	PROMQL_RIGHT_BRACKET,
	PROMQL_COMMA,
	PROMQL_COLON, /* within brackets only */
	PROMQL_EQL,
	/* operators, as messages call them */
	PROMQL_NEQ,
	PROMQL_EQL_REGEX,
	PROMQL_NEQ_REGEX,
	PROMQL_EQLC, /* == */
	PROMQL_LSS,
	PROMQL_GTR,
	PROMQL_LTE,
	PROMQL_GTE,
	PROMQL_TRIM_UPPER, /* </ */
	PROMQL_TRIM_LOWER, /* >/ */
	PROMQL_ADD,
	PROMQL_SUB,
	PROMQL_MUL,
	PROMQL_DIV,
	PROMQL_MOD,
	PROMQL_POW,
	PROMQL_AT
} PromqlTokenType;

#define promql_is_operator_token(type) ((type) >= PROMQL_NEQ)

typedef struct PromqlToken
{
	PromqlTokenType type;
	int offset;     /* of its first byte in the text */
	TsString text;  /* as written */
	TsString value; /* of a string: what it stands for */
} PromqlToken;

typedef struct PromqlLexer
{
	const char *text;
	size_t len;
	size_t pos;
	bool in_braces;
	bool in_brackets;
	int paren_depth;
	TsArena *arena; /* where decoded strings go */
} PromqlLexer;

/*
 * Starts at the beginning of the text, which must live as long as the tokens do.
 * Fails when it is too long or not UTF-8.
 */
extern TsErrorCode promql_lexer_init(PromqlLexer *lexer, const char *text, size_t len,
									 TsArena *arena, TsError *err);

/*
 * Reads the next token. On failure the token's type is PROMQL_ERROR and *err says
 * why and where; line and column are set.
 */
extern TsErrorCode
promql_lexer_next(PromqlLexer *lexer, PromqlToken *token, TsError *err);

/* Does a left parenthesis come next? */
extern bool promql_lexer_before_paren(const PromqlLexer *lexer);

/*
 * The value of a PROMQL_NUMBER. Fails when it is too large for a double, or memory is
 * short.
 */
extern TsErrorCode promql_number_value(const PromqlLexer *lexer, const PromqlToken *token,
									   double *value, TsError *err);

/*
 * The length of the number or duration that a text begins with, and which of both it is.
 * 0 when there is none, or other letters follow it.
 */
extern size_t promql_number_length(const char *text, size_t len, PromqlTokenType *type);

/* Writes what a message calls the token, such as: identifier "up". */
extern void promql_token_describe(const PromqlToken *token, char *out, size_t size);

/* Can this be written without quotes, as a label's or a metric's name? */
extern bool promql_is_label_name(const char *name, size_t len);
extern bool promql_is_metric_name(const char *name, size_t len);
/* Is it a number that looks like a name? */
extern bool promql_is_number_word(const char *name, size_t len);

#endif /* PROMQL_LEXER_H */
