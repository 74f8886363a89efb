/*
 * promql_api.h
 *	  The documents of the Prometheus HTTP API: what the SQL functions mytsdb.query() and
 *	  its like return, and what the server answers.
 *
 * A document goes to an ApiOut piece by piece. It is either kept whole, to be a value of
 * SQL (at most 1 GB), or handed on whenever API_PIECE bytes have gathered: then a document
 * of any size takes little memory. What goes wrong raises an error, possibly after pieces
 * were handed on: who takes them must be able to drop them.
 *
 * Rights are those of the current user; reading is by the active snapshot.
 */
#ifndef PROMQL_API_H
#define PROMQL_API_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "promql_exec.h"
#include "ts_base.h"

#define API_PIECE ((Size) 64 * 1024)

typedef void (*ApiTake)(void *arg, const void *data, Size size);

typedef struct ApiOut
{
	char *data; /* in the context in which the document was begun */
	Size len;
	Size room;
	ApiTake take; /* NULL: all is kept */
	void *arg;
} ApiOut;

/* A document that is handed on in pieces; the last one comes with its end. */
extern void api_hand_on(ApiOut *out, ApiTake take, void *arg);
/* One that is kept, and its value of type json. */
extern void api_keep(ApiOut *out);
extern Datum api_kept(ApiOut *out);

/* ---- queries: api_query.c ---- */

#define API_MAX_POINTS 11000 /* of a series of a range query */

/*
 * `limit` 0: none. `stats`: how long it took and what it read; needs request->analyze.
 * Returns how many samples selectors read.
 */
extern uint64 api_query(ApiOut *out, const PqRequest *request, int limit, bool stats);
extern void api_format_query(ApiOut *out, TsString query);
extern void api_parse_query(ApiOut *out, TsString query);

/* ---- series: api_series.c ---- */

/* Series that any of the selectors selects, or all, with a sample in the range of time. */
typedef struct ApiSelect
{
	const TsString *matches;
	int nmatches;
	TimestampTz start; /* DT_NOBEGIN, DT_NOEND: any */
	TimestampTz end;
	Oid source;
	int limit; /* of what is listed; 0: none */
} ApiSelect;

extern void api_series(ApiOut *out, const ApiSelect *select);
extern void api_label_names(ApiOut *out, const ApiSelect *select);
/* A name that begins with U__ is taken as an escaped one. */
extern void api_label_values(ApiOut *out, TsString name, const ApiSelect *select);

/* ---- what is kept beside samples: api_metadata.c, api_exemplars.c ---- */

/* Of all metrics, or of one; limits: negative: none. */
typedef struct ApiMetadata
{
	Oid source;         /* a table like mytsdb.metadata */
	const char *metric; /* NULL: all */
	int limit;
	int limit_per_metric;
} ApiMetadata;

extern void api_metadata(ApiOut *out, const ApiMetadata *request);
/* `source`: a table like mytsdb.exemplars */
extern void api_exemplars(ApiOut *out, TsString query, TimestampTz start, TimestampTz end,
						  Oid source);

/* How many series there are by their labels, the `limit` largest of each: api_tsdb.c */
extern void api_tsdb_status(ApiOut *out, Oid source, int limit);

/* ---- documents of others: api_json.c ---- */

/* An error's document. */
extern void api_error(ApiOut *out, const char *type, const char *text);
/* A document whose data is one object: members with a text, or with what is JSON already. */
extern void api_object_begin(ApiOut *out);
extern void api_object_text(ApiOut *out, const char *name, const char *text);
extern void api_object_literal(ApiOut *out, const char *name, const char *json);
extern void api_object_end(ApiOut *out);

#endif /* PROMQL_API_H */
