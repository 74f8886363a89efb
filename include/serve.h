/*
 * serve.h
 *	  The server inside: who does what, and what a request and a reply are to those that
 *	  answer.
 *
 * Three kinds of background workers, connected to mytsdb.database for life:
 *
 *	gate	one. Owns the clients' sockets, TLS, HTTP (libevent's loop), authentication,
 *			limits and queues. It runs no request: its own transactions are the short ones
 *			in which it looks up roles, tokens and tenants, and health and /metrics are
 *			answered from shared memory. So nothing that a request does delays another's
 *			bytes.
 *	ingest	mytsdb.ingest_workers. Takes the writes that wait, all that wait together in
 *			one transaction.
 *	query	mytsdb.query_workers. Takes one request at a time.
 *
 * Workers connect to the gate by a Unix-domain socket in the data directory (link.h). A
 * request goes to a worker whole, and a reply comes back whole: as bytes, or, when it is
 * long, as the descriptor of an unlinked temporary file. So a reply is only begun when the
 * transaction has ended, and a client that reads slowly holds nothing of the database. A
 * worker that dies costs the requests it had (502 or a retryable 503); its successor
 * connects again.
 *
 * A handler runs in a worker: inside a transaction with an active snapshot, as the
 * request's role (identity.h), in a memory context that is reset after the request, under
 * mytsdb.query_timeout. It may raise any error: what it has written to the reply is dropped,
 * the transaction is aborted, and serve_error_reply() says what to answer.
 */
#ifndef SERVE_H
#define SERVE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#include "serve_route.h"
#include "ts_base.h"

/* ---- requests ---- */

/* All texts are valid as long as the request; absent ones are empty, never NULL. */
typedef struct ServeRequest
{
	uint64 id; /* of this server's life; shown as X-Request-Id and in logs */
	ServeRoute route;
	ServeMethod method;
	Oid role;             /* runs as; may log in, and is no superuser if anonymous */
	Oid source;           /* the tenant's table of metrics */
	TimestampTz received; /* when it was complete */
	TsString target;      /* path and query string as they came, for logs */
	TsString query;       /* the query string, still percent-encoded */
	TsString argument;    /* the label's name in the path, percent-decoded */
	TsString content_type;
	TsString content_encoding;
	TsString accept;
	TsString accept_encoding;
	TsString write_version; /* X-Prometheus-Remote-Write-Version */
	TsString body;          /* as it came: still compressed */
} ServeRequest;

/* ---- replies (reply.c) ---- */

#define SERVE_TEXT_TYPE "text/plain; charset=utf-8"
#define SERVE_JSON_TYPE "application/json"

/*
 * A reply being made. The body may be compressed (when the client takes it and it is long
 * enough) and goes to a temporary file when it grows: the writer need not care.
 */
typedef struct ServeReply ServeReply;

/* 200 and application/json unless said otherwise; may be said anew at any time. */
extern void reply_status(ServeReply *reply, int status, const char *content_type);
/* One more header; neither name nor value may have a line break (then it is left out). */
extern void reply_header(ServeReply *reply, const char *name, const char *value);
/* The body is compressed already, or must not be. */
extern void reply_never_compress(ServeReply *reply);
extern void reply_write(ServeReply *reply, const void *data, Size size);
extern void reply_text(ServeReply *reply, const char *text);
/* Drops status, headers and body. */
extern void reply_reset(ServeReply *reply);

/* ---- time (worker_run.c) ---- */

/*
 * The request that runs has at most so many milliseconds from now on, when that is less
 * than what mytsdb.query_timeout leaves it.
 */
extern void serve_set_timeout(int ms);
/* Whether its time is up: then that is why it was canceled (57014). */
extern bool serve_timed_out(void);

/* ---- handlers ---- */

/* All routes of query workers (query_routes.c). */
extern void serve_query(const ServeRequest *request, ServeReply *reply);
/* Remote read (remote_read.c). */
extern void serve_read(const ServeRequest *request, ServeReply *reply);
/*
 * Writes that waited together (ingest.c): it is called outside of a transaction and makes
 * its own, so that one that fails fails alone. Sets all replies; raises errors only for
 * what is wrong with the worker itself.
 */
extern void
serve_ingest(const ServeRequest *const *requests, ServeReply *const *replies, int count);
/* What the sender of a write is told when the worker itself is at fault. */
extern void serve_ingest_unavailable(const ServeRequest *request, ServeReply *reply);
/* What a client is told of an error (query_errors.c): the API's document, or a line of text. */
extern void
serve_error_reply(const ServeRequest *request, const ErrorData *error, ServeReply *reply);

#endif /* SERVE_H */
