/*
 * form.h
 *	  Parameters of a request: the query string or a form (application/x-www-form-urlencoded)
 *	  taken apart, and what their values mean.
 *
 * Pure C. Errors have the words that Prometheus has for them.
 */
#ifndef SERVE_FORM_H
#define SERVE_FORM_H

#include <stdint.h>

#include "ts_base.h"

#define FORM_MAX_PAIRS 10000

typedef struct FormPair
{
	TsString name;
	TsString value;
} FormPair;

/* Names and values are valid UTF-8 without U+0000. */
typedef struct Form
{
	FormPair *pairs;
	size_t count;
	size_t room;
} Form;

/*
 * Adds the pairs of a text, in their order, to a form (all zero at first). Memory is the
 * arena's.
 */
extern TsErrorCode form_read(Form *form, TsString text, TsArena *arena, TsError *err);
/* The first value of that name; false, and empty, when there is none. */
extern bool form_value(const Form *form, const char *name, TsString *value);
/* The next value of that name from pair *at on. */
extern bool form_next(const Form *form, const char *name, size_t *at, TsString *value);
/* Whether the media type of a header, without its parameters, is that of a form. */
extern bool form_is_type(TsString content_type);

/* ---- values ---- */

/* Beyond all times. */
#define PARAM_TIME_MIN INT64_MIN
#define PARAM_TIME_MAX INT64_MAX

/* Unix seconds with decimals, or RFC 3339; in milliseconds since 1970, rounded as such. */
extern TsErrorCode param_time(TsString text, int64_t *ms, TsError *err);
/* Seconds, or a duration as PromQL has it; in microseconds. */
extern TsErrorCode param_duration(TsString text, int64_t *us, TsError *err);
extern TsErrorCode param_integer(TsString text, int *number, TsError *err);
extern TsErrorCode param_boolean(TsString text, bool *value, TsError *err);

#endif /* SERVE_FORM_H */
