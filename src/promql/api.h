/*
 * api.h
 *	  What the files behind the API's SQL functions share: documents of the Prometheus HTTP
 *	  API, written as text of the type json.
 *
 * A document is begun, its data is written piece by piece, and it is finished with the
 * annotations. It lies in a StringInfo that begins with room for a varlena header, so that
 * nothing is copied in the end; beyond 1 GB, which is what a value of SQL may have, it is
 * an error (54000) that says what to do.
 *
 * Values look as Prometheus writes them: samples as strings, times as seconds with up to
 * three decimals, labels in order of their names. Strings are valid UTF-8 (payloads and
 * expressions are checked where they come in).
 */
#ifndef PROMQL_API_H
#define PROMQL_API_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "lib/stringinfo.h"

#include "promql_exec.h"
#include "ts_base.h"
#include "ts_histogram.h"

/* ---- api_args.c ---- */

/* Raises an error when an argument is null. */
extern void api_require(FunctionCallInfo fcinfo, int arg, const char *name);
extern void api_check_limit(int limit);
extern void api_check_times(TimestampTz start, TimestampTz end);
/* Parses an expression into an arena that is made for it, in the current context. */
extern PqNode *api_parse(const text *query, TsArena *arena);
/* The union of two ascending sets of series. */
extern uint32 *
api_join_ids(const uint32 *a, uint32 na, const uint32 *b, uint32 nb, uint32 *count);
/*
 * The name that a request means: U__ begins the escaped form of a name that has other
 * characters than letters, digits and underscores.
 */
extern TsString api_label_name(const char *text, Size len);

/* ---- api_json.c ---- */

/* Writes what comes before the data. */
extern void api_begin(StringInfo out);
/* Writes what comes behind it, and makes the value. Texts may be NULL when there are none. */
extern Datum api_finish(StringInfo out, const char *const *warnings, int nwarnings,
						const char *const *infos, int ninfos);
/* The one warning that there may be of lists. */
extern Datum api_finish_list(StringInfo out, bool truncated);
#define API_TRUNCATED "results truncated due to limit"

/* n more bytes, which the caller writes and counts in out->len. */
extern char *api_room(StringInfo out, Size n);

/* A text as it is. */
static inline void
api_text(StringInfo out, const char *text)
{
	Size len = strlen(text);

	memcpy(api_room(out, len), text, len);
	out->len += (int) len;
}

extern void api_string(StringInfo out, const char *text, Size len);
/* A sample: in exponent form when it is very large or small. */
extern void api_float(StringInfo out, double value);
/* A timestamptz in seconds. */
extern void api_time(StringInfo out, int64 time);
/* [TIME,"VALUE"] */
extern void api_point(StringInfo out, int64 time, double value);
extern void api_labels(StringInfo out, TsString labels);
extern void api_histogram(StringInfo out, const TsHistogram *histogram);

#endif /* PROMQL_API_H */
