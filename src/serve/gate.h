/*
 * gate.h
 *	  What the files of the gate share: the process that owns the clients' connections.
 *
 * A request's way: http1.c or grpc.c reads its head, http_request.c finds its route; gate_auth.c says
 * which role and tenant it is for (before its body is read); the body is read within its
 * limits; what is the gate's own is answered at once, everything else goes to
 * gate_dispatch(), which queues it, gives it to a worker and calls gate_reply() with the
 * answer. Answers of a connection of HTTP/1.1 go out in the order of its requests.
 *
 * Memory is bounded: of heads by mytsdb.max_http_connections times the limit of a head (and
 * mytsdb.max_http2_streams, where gRPC is spoken), of bodies by mytsdb.max_body_size each and
 * mytsdb.ingest_queue_size in all (gate_body_bytes()), and once more of those that workers
 * have (up to 4 MB stay with each worker, link.h), of answers by what a reply may have inline
 * (longer ones are files).
 *
 * Nothing here waits but for the event loop, and for the short transactions of gate_auth.c.
 * Errors inside a callback are caught there (gate_guard()): a connection may be lost, the
 * gate is not.
 */
#ifndef SERVE_GATE_H
#define SERVE_GATE_H

#include "postgres.h"

#include <event2/buffer.h>
#include <event2/event.h>

#include "lib/ilist.h"
#include "portability/instr_time.h"

#include "serve.h"

typedef struct HttpConnection HttpConnection;
typedef struct GateReply GateReply;

typedef struct GateRequest
{
	uint64 id;
	MemoryContext context;      /* of all its texts; gone with it */
	HttpConnection *connection; /* NULL when the client is gone */
	struct GrpcCall *call;      /* that it is of, by gRPC; NULL when that is gone */
	bool grpc;
	ServeRoute route;
	ServeMethod method;
	bool http_1_0;
	TsString target;        /* as it came */
	TsString path;          /* of it */
	TsString query;         /* of it; behind ? */
	TsString tenant;        /* percent-decoded; "" : the store itself */
	TsString argument;      /* percent-decoded */
	TsString authorization; /* the header */
	TsString host;          /* the header */
	TsString content_type;
	TsString content_encoding;
	TsString accept;
	TsString accept_encoding;
	TsString origin;
	TsString write_version;
	TsString user_agent;
	const char *client; /* address, for logs and for the delay after failures */
	bool loopback;      /* the client's address is */
	bool tls;
	struct evbuffer *body;
	TimestampTz received; /* when it was complete; from then on it waits and runs */
	instr_time began;     /* when its head was complete ... */
	instr_time completed; /* ... and its body */
	/* set by gate_authorize() */
	Oid role;
	const char *role_name;
	Oid source;
	const char *reason; /* what the log says beyond the status, or NULL */
	/* of http_request.c */
	Size body_counted;        /* bytes that count as waiting: all that came */
	bool bytes_allowed;       /* gate_allow_bytes() was asked already */
	bool dispatched;          /* gate_dispatch() has it */
	struct GateRefusal *held; /* it will be answered with, after a delay */
	/*
	 * Of a request of the gate's own, which has no connection: told of the answer. Such a
	 * request is neither logged nor counted as one of HTTP.
	 */
	void (*answered)(const struct GateRequest *request, const GateReply *reply);
	/* of gate_dispatch.c */
	dlist_node node;
	int worker; /* that has it, or -1 */
} GateRequest;

/* An answer. Texts and data are copied; of a file the descriptor becomes the gate's. */
struct GateReply
{
	int status;
	const char *content_type;     /* NULL: none, and no body */
	const char *content_encoding; /* NULL: none */
	TsString headers;             /* complete lines, each with its CR LF */
	TsString body;
	int fd;      /* -1: none; else all of the body, from its start */
	uint64 size; /* of the body, whichever it is */
	bool close;  /* the connection, afterwards */
};

/* ---- the loop (gate.c) ---- */

extern struct event_base *gate_base;
/* Stops accepting has begun: what comes now is refused with 503. */
extern bool gate_stopping;
/* A time as libevent has it. */
static inline struct timeval
gate_timeval(int64 ms)
{
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

/*
 * Calls back with errors caught: they are logged, an open transaction is aborted, and false
 * is returned.
 */
extern bool gate_guard(void (*callback)(void *arg), void *arg);

/* ---- HTTP (http.c; http.h says what its parts are) ---- */

extern void http_start(void);
/* The settings were read anew: certificates, limits. */
extern void http_reload(void);
/* No new connections; idle ones are closed. Returns how many are left. */
extern int http_stop(void);

/* The client went away before: only counters and the log see this status. */
#define STATUS_CLIENT_GONE 499

/*
 * Answers a request, and is the end of it: logs and counts it, sends the answer in its
 * turn, frees the request.
 */
extern void gate_reply(GateRequest *request, const GateReply *reply);
/* The same, with a text, or with the API's error document where the route has such. */
extern void
gate_refuse(GateRequest *request, int status, const char *message, int retry_after);

/*
 * Makes a request that no client has sent; role, source and body are up to the caller, who
 * then hands it to gate_dispatch().
 */
extern GateRequest *
gate_own_request(ServeRoute route, ServeMethod method,
				 void (*answered)(const GateRequest *request, const GateReply *reply));

/* Bytes of bodies that are being read or wait. */
extern Size gate_body_bytes(void);

/* ---- authentication (gate_auth.c) ---- */

/*
 * Texts are constant or in the request's context. Every answer with 401 has the header
 * WWW-Authenticate (GATE_CHALLENGE). A login that failed is answered only after delay_ms,
 * by an event of the loop's, and nothing else of that connection, or of that call of gRPC,
 * is read meanwhile; it has been logged.
 */
typedef struct GateRefusal
{
	int status;          /* 400, 401, 403, 404, 429, 503 */
	const char *message; /* what the client is told */
	const char *detail;  /* what the log says beyond that, or NULL */
	int retry_after;     /* seconds; 0: not said */
	int delay_ms;
} GateRefusal;

#define GATE_CHALLENGE \
	"Basic realm=\"mytsdb\", charset=\"UTF-8\", Bearer realm=\"mytsdb\""

/*
 * Whether the request may go on, from its head: sets role, role_name and source. Uses a
 * short transaction if it must ask the catalogs. Also takes the request from its role's
 * allowance (rates).
 */
extern bool gate_authorize(GateRequest *request, GateRefusal *refusal);
/* The same for the size of the body, when it is known, before it goes to a worker. */
extern bool gate_allow_bytes(GateRequest *request, uint64 bytes, GateRefusal *refusal);
extern void gate_auth_start(void);
extern void gate_auth_reload(void);
/* Whether the extension is there, in a version that this library can serve. */
extern bool gate_extension_ready(const char **why);

/* ---- the log of requests (gate_log.c) ---- */

/*
 * An answered request, if the settings want it logged. A reason is what is known of an
 * error beyond its status, or NULL. A slow one is logged with its expression, if the body
 * in which that came is still there.
 */
extern void gate_log_request(const GateRequest *request, int status, int64 microseconds,
							 const char *reason);
/* A request that is to be known of, always: "mytsdb audit: ACTION id=... path=...". */
extern void gate_audit_request(const GateRequest *request, const char *action);

/* ---- our own metrics in the store (gate_self.c) ---- */

extern void gate_self_start(void);
extern void gate_self_reload(void);

/* ---- queues and workers (gate_dispatch.c) ---- */

extern void dispatch_start(void);
/*
 * Hands a request over: it is answered by gate_reply(), at once with 503 or 429 when too
 * many wait.
 */
extern void gate_dispatch(GateRequest *request);
/* The client is gone: a query that runs is canceled; the request is freed in its time. */
extern void dispatch_abandon(GateRequest *request);
/* NULL, or why no write would be taken now: standby, hot memory, queue. */
extern const char *dispatch_refuses_writes(int *status, int *retry_after);

#endif /* SERVE_GATE_H */
