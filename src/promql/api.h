/*
 * api.h
 *	  What the files behind the API's documents (promql_api.h) share: arguments of SQL, and
 *	  the pieces of JSON that documents are made of.
 *
 * A document is begun, its data is written piece by piece, and it is finished with the
 * annotations. What is kept for SQL begins with room for a varlena header, so that nothing
 * is copied in the end; beyond 1 GB, which is what a value of SQL may have, it is an error
 * (54000) that says what to do.
 *
 * Values look as Prometheus writes them: samples as strings, times as seconds with up to
 * three decimals, labels in order of their names. Strings are valid UTF-8 (payloads and
 * expressions are checked where they come in).
 */
#ifndef API_H
#define API_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"

#include "exec.h"
#include "promql_api.h"
#include "ts_histogram.h"

/* ---- api_args.c ---- */

/* Raises an error when an argument is null. */
extern void api_require(FunctionCallInfo fcinfo, int arg, const char *name);
extern void api_check_limit(int limit);
extern void api_check_times(TimestampTz start, TimestampTz end);
/* Parses an expression into an arena that is made for it, in the current context. */
extern PqNode *api_parse(TsString query, TsArena *arena);
/* An argument of type text. */
extern TsString api_text_arg(FunctionCallInfo fcinfo, int arg);
/* The union of two ascending sets of series. */
extern uint32 *
api_join_ids(const uint32 *a, uint32 na, const uint32 *b, uint32 nb, uint32 *count);
/*
 * The name that a request means: U__ begins the escaped form of a name that has other
 * characters than letters, digits and underscores.
 */
extern TsString api_label_name(TsString name);

/* ---- api_series.c ---- */

/* Labels of a series, which last as long as the call. */
typedef void (*ApiTellKey)(void *arg, TsString labels);

/* Tells the keys of so many series: of these ids or, if they are NULL, from `first` on. */
extern void api_tell_keys(const PqExec *exec, const uint32 *ids, uint32 first,
						  uint32 count, ApiTellKey tell, void *arg);

/* ---- api_json.c ---- */

/* Writes what comes before the data. */
extern void api_begin(ApiOut *out);
/* Writes what comes behind it. Texts may be NULL when there are none. */
extern void api_finish(ApiOut *out, const char *const *warnings, int nwarnings,
					   const char *const *infos, int ninfos);
/* The one warning that there may be of lists. */
extern void api_finish_list(ApiOut *out, bool truncated);
#define API_TRUNCATED "results truncated due to limit"

/* Hands on what has gathered. */
extern void api_flush(ApiOut *out);
extern void api_make_room(ApiOut *out, Size n);

/* n more bytes, which the caller writes and counts in out->len. */
static inline char *
api_room(ApiOut *out, Size n)
{
	if (unlikely(n > out->room - out->len))
		api_make_room(out, n);
	return out->data + out->len;
}

extern void api_bytes(ApiOut *out, const char *bytes, Size len);

/* A text as it is. */
static inline void
api_text(ApiOut *out, const char *text)
{
	Size len = strlen(text);

	memcpy(api_room(out, len), text, len);
	out->len += len;
}

extern void api_string(ApiOut *out, const char *text, Size len);
/* A sample: in exponent form when it is very large or small. */
extern void api_float(ApiOut *out, double value);
/* A timestamptz in seconds. */
extern void api_time(ApiOut *out, int64 time);
/* [TIME,"VALUE"] */
extern void api_point(ApiOut *out, int64 time, double value);
extern void api_labels(ApiOut *out, TsString labels);
extern void api_histogram(ApiOut *out, const TsHistogram *histogram);

#endif /* API_H */
