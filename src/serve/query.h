/*
 * query.h
 *	  What the files of the query API over HTTP share.
 */
#ifndef SERVE_QUERY_H
#define SERVE_QUERY_H

#include "postgres.h"

#include "form.h"
#include "promql_api.h"
#include "serve.h"

/* A request that is being answered. */
typedef struct ApiRequest
{
	const ServeRequest *request;
	ServeReply *reply;
	Form form;  /* parameters of the body, then those of the query string */
	ApiOut out; /* goes to the reply */
	/* what the parameters say */
	PqRequest what;
	ApiSelect select;
	int limit;
} ApiRequest;

/* ---- parameters (query_params.c): what is wrong raises 22023, in Prometheus' words ---- */

extern void query_read_form(ApiRequest *query);
/* The first value; empty when there is none. */
extern TsString query_text(const ApiRequest *query, const char *name);
/* All values of a name; palloc'd. */
extern TsString *query_texts(const ApiRequest *query, const char *name, int *count);
/* A time that must be there, and one that need not; whole milliseconds. */
extern TimestampTz query_time(const ApiRequest *query, const char *name);
extern TimestampTz
query_time_or(const ApiRequest *query, const char *name, TimestampTz absent);
/* The same for a bound of a range, which may lie beyond all times. */
extern TimestampTz
query_bound_or(const ApiRequest *query, const char *name, TimestampTz absent);
/* Microseconds. */
extern int64 query_duration(const ApiRequest *query, const char *name);
/* 0: there is none. */
extern int query_limit(const ApiRequest *query);
/* A number whose name is all that an error says; `absent` when it is not there. */
extern int query_number_or(const ApiRequest *query, const char *name, int absent);
extern void
query_bad_parameter(const char *name, const char *why) pg_attribute_noreturn();

/* ---- documents (query_errors.c) ---- */

/* What is written to `out` becomes the body of the reply. */
extern void query_begin_document(ApiOut *out, ServeReply *reply, int status);

/* ---- documents about the server (query_status.c) ---- */

extern void query_build_info(ApiOut *out);
extern void query_runtime_info(ApiOut *out, Oid source);
extern void query_flags(ApiOut *out);

#endif /* SERVE_QUERY_H */
