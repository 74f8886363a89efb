/*
 * http_text.h
 *	  The texts in the heads of requests and answers: words, lists with weights,
 *	  percent-encoding, the names of statuses.
 *
 * Pure C. Words of HTTP are the same in upper and lower case.
 */
#ifndef HTTP_TEXT_H
#define HTTP_TEXT_H

#include "ts_base.h"

/* Says that a header is none of those that are expected: TS_ERR_INVALID. */
extern TsErrorCode
http_unknown_header(const char *what, const char *expected, TsString text, TsError *err);
/* Whether a word is this one. */
extern bool http_is_word(TsString word, const char *text);
/* Without the blanks around it. */
extern TsString http_trim(TsString text);
/* Cuts what stands before the mark off *rest, and the mark; trimmed. */
extern TsString http_cut(TsString *rest, char mark);
/* Whether a list with commas has the text, or *. */
extern bool http_list_has(const char *list, TsString text);
/*
 * How much a header like Accept or Accept-Encoding wants a name, in thousandths; -1: it is
 * not mentioned. Elements with a weight that is none are passed over, as are parameters
 * other than q.
 */
extern int http_quality(TsString header, const char *name);

/* The byte that %XX stands for; -1: there is no such escape at this place. */
extern int http_escaped_byte(const char *at, const char *end);
/*
 * Decodes %XX into out, which has room for as many bytes; false if an escape is wrong, or
 * what comes out has a NUL or is not UTF-8.
 */
extern bool http_percent_decode(TsString text, char *out, size_t *len);

/* The text of a status; "Unknown" if there is none. */
extern const char *http_status_text(int status);
/* Whether an answer with it has a body. */
extern bool http_status_has_body(int status);

#endif /* HTTP_TEXT_H */
