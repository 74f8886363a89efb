/*
 * otlp_json_text.h
 *	  A text of JSON, read token by token from its start to its end (RFC 8259, strictly).
 *
 * Nothing is kept and nothing allocated: strings and numbers are where they lie in the text.
 * Functions that return bool return false after they have said in text->err what is wrong
 * where; nothing more may be read then. Objects and arrays within each other are bounded,
 * known or passed over.
 */
#ifndef OTLP_JSON_TEXT_H
#define OTLP_JSON_TEXT_H

#include "ts_base.h"

typedef struct JsonText
{
	const char *start;
	const char *at;
	const char *end;
	int depth;     /* objects and arrays that are open */
	int max_depth; /* that may be */
	TsError *err;
} JsonText;

/* What stands between its quotes: right, and with its escapes. */
typedef struct JsonString
{
	TsString raw;
	bool escaped;
} JsonString;

/* Says what is wrong, and is false. */
#define json_text_fail(text, place, code, ...)                                        \
	(ts_error_set((text)->err, code, (int) ((place) - (text)->start), __VA_ARGS__) == \
	 TS_OK)

/* Something else was expected here; `what` is a noun with its article. */
extern bool json_text_unexpected(JsonText *text, const char *what);

extern void json_text_blanks(JsonText *text);

/* Whether this is the next character; never at the end of the text. */
static inline bool
json_text_is(const JsonText *text, char c)
{
	return text->at < text->end && *text->at == c;
}

extern bool json_text_string(JsonText *text, JsonString *string);
/* Writes a string without its escapes, at most raw.len bytes; returns how many. */
extern size_t json_text_unescape(JsonString string, char *out);
/* What stands behind a number is no part of one, and in the text. */
extern bool json_text_number(JsonText *text, TsString *number);
/* How much of it is a number of JSON. */
extern size_t json_text_number_length(TsString string);
/* true, false or null. */
extern bool json_text_word(JsonText *text, const char *word);

/* Begins an object or array, with the mark that opens it. */
extern bool json_text_open(JsonText *text, char mark);
/* Goes to its next member; at its end, which `mark` closes, *more is false. */
extern bool json_text_next(JsonText *text, char mark, bool first, bool *more);
/* A member's name, and on to its value. */
extern bool json_text_name(JsonText *text, JsonString *name);
/* Passes over a value of whatever kind. */
extern bool json_text_skip(JsonText *text);

#endif /* OTLP_JSON_TEXT_H */
