/*
 * http.h
 *	  What the files of HTTP share.
 *
 *	http.c				HTTP as a whole: begins, takes new settings, ends
 *	http_listen.c		listening sockets, accepting
 *	http_tls.c			certificates
 *	http_connection.c	a client's connection: bytes in and out, time, its end. It knows
 *						nothing of HTTP; what does is its HttpProtocol
 *	http1.c				HTTP/1.1 on a connection: one request at a time, as RFC 9112 allows;
 *						what a client sends ahead waits, at most HTTP_INPUT_LIMIT of it
 *	http1_reply.c		its answers as bytes
 *	http2.c				HTTP/2 on a connection, by http2_session.h
 *	grpc.c, grpc_health.c	gRPC, which is what HTTP/2 is for here (grpc.h)
 *	http_request.c		a request's way from its head to who answers it; its end
 *	http_reply.c		answers: error documents, counting
 *	http_own.c			what the gate answers itself
 *	http_parse.c, http_text.c	HTTP as bytes: pure C (serve_http.h)
 *
 * A connection is freed only when no callback of it is active (connection_close()), so
 * whatever a request's answer leads to, the caller's pointer stays good.
 */
#ifndef SERVE_HTTP_INTERNAL_H
#define SERVE_HTTP_INTERNAL_H

#include "postgres.h"

#include <event2/bufferevent.h>
#include <openssl/ssl.h>

#include "gate.h"
#include "http_text.h"
#include "serve_http.h"

/* Of one connection: bytes that were read ahead, and that wait to be written. */
#define HTTP_INPUT_LIMIT  65536
#define HTTP_OUTPUT_LIMIT 65536

/* ---- connections (http_connection.c) ---- */

/*
 * What speaks on a connection: HTTP/1.1, or another protocol whose requests end in
 * gate_reply(). All is called with the connection entered, `reply`, too, and may close it.
 * Errors are caught outside: after one in `reply` the connection is closed, after one
 * elsewhere `failed` is called.
 */
typedef struct HttpProtocol
{
	const char *name; /* in the log */
	const char *alpn; /* what TLS may agree upon, each behind its length; best first */
	/* What a client is told that is one too many; `too_many_size` bytes. */
	const char *too_many;
	Size too_many_size;
	/* The connection is established: sets its state. */
	void (*begin)(HttpConnection *connection);
	void (*read)(HttpConnection *connection);    /* bytes came */
	void (*drained)(HttpConnection *connection); /* there is room to write */
	void (*timeout)(HttpConnection *connection); /* the timer has gone off */
	/* The client sends nothing more. */
	void (*half_closed)(HttpConnection *connection);
	/* An error was caught: whoever waits for an answer is told, and that is the end. */
	void (*failed)(HttpConnection *connection);
	/*
	 * The server stops: takes no new request, and closes or finishes the connection when all
	 * are answered; called again and again.
	 */
	void (*stop)(HttpConnection *connection);
	/* Gives its requests up, and its state back. Only after begin. */
	void (*end)(HttpConnection *connection);
	/*
	 * An answer to a request of its own, which it forgets about before anything that may
	 * fail. Sets *file_taken as soon as the answer's file is the connection's, whatever
	 * comes after.
	 */
	void (*reply)(GateRequest *request, const GateReply *reply, bool *file_taken);
	/* Reads no more of the request for so long; then calls request_refuse_held(). */
	void (*hold)(GateRequest *request, int ms);
} HttpProtocol;

struct HttpConnection
{
	dlist_node node;
	struct bufferevent *events;
	struct event *timer;
	const HttpProtocol *protocol;
	void *state; /* the protocol's; NULL before it has begun */
	SSL *tls;    /* or NULL; the buffer event's */
	bool loopback;
	bool active;      /* a callback of it is running */
	bool ended;       /* to be freed when none is */
	bool handshaking; /* TLS is not established */
	bool finishing;   /* what is to be written is written, then it is closed */
	bool shut;        /* finishing, and all is written */
	bool half_closed; /* the client will send nothing more */
	bool paused;      /* nothing is read: enough has been read ahead */
	bool looked;      /* since the timer was due, for what has come */
	int64 progress;   /* when bytes last came or went */
	int64 sent;       /* when bytes last went */
	const char *client;
};

/* Milliseconds of a clock that never jumps. */
extern int64 http_now(void);

extern void connection_begin(int fd, const struct sockaddr *address, int address_len,
							 const HttpProtocol *protocol);
/* At once: what was not written is lost. Its requests are given up. */
extern void connection_close(HttpConnection *connection);
/* The server stops: closed when no request of it is left; called again and again. */
extern void connection_stop(HttpConnection *connection);
/* No more is read; what is to be written is, and then it is closed. */
extern void connection_finish(HttpConnection *connection);
/* What waits too long is looked at (the protocol's timeout) in so many milliseconds; < 0: never. */
extern void connection_set_timer(HttpConnection *connection, int64 ms);
/* What lies together at the beginning of the input: something, if there is anything. */
extern TsString connection_next_piece(HttpConnection *connection);
extern struct evbuffer *connection_input(HttpConnection *connection);
extern struct evbuffer *connection_output(HttpConnection *connection);
/* To be written behind what is to be already; copied. */
extern void connection_write(HttpConnection *connection, const void *data, Size size);
/*
 * For what comes from elsewhere than the connection's own callbacks: between these two it
 * is not freed.
 */
extern bool connection_enter(HttpConnection *connection);
extern void connection_leave(HttpConnection *connection, bool was_active);

/* All connections; connection_close() takes them off. */
extern dlist_head http_connections;
extern int http_connection_count;

/* ---- HTTP/1.1 (http1.c, http1_reply.c) ---- */

extern const HttpProtocol http1_protocol;

/* An answer's head and, when it is not in a file, its body. */
extern void http1_write_reply(const GateRequest *request, const GateReply *reply,
							  bool close, bool body);
/* Answers what is no request yet, and closes. */
extern void
http1_reply_to_bytes(HttpConnection *connection, int status, const char *message);

/* ---- HTTP/2 (http2.c) ---- */

extern const HttpProtocol http2_protocol;

extern void http2_reload(void);

/* ---- requests (http_request.c) ---- */

/* One of this connection, with nothing in it yet; protocols may add what is theirs. */
extern GateRequest *request_make(HttpConnection *connection);
extern TsString request_copy_text(GateRequest *request, TsString text);
/* Its head is complete. It may be answered when this returns. */
extern void request_begin(GateRequest *request, const HttpHead *head);
/*
 * The same for what has its route already, and does not yet say how long its body is; when
 * it does, request_expect_body(). They return false when it has been answered, or is held.
 */
extern bool request_admit(GateRequest *request);
extern bool request_expect_body(GateRequest *request, uint64 length);
/* Bytes of its body; it may be answered when this returns. */
extern void request_add_body(GateRequest *request, TsString bytes);
/*
 * The same for the first bytes of the input, which are taken out of it with the memory that
 * they lie in: worth it where they fill that.
 */
extern void request_move_body(GateRequest *request, struct evbuffer *input, Size size);
extern void request_complete(GateRequest *request);
extern void request_refuse_held(GateRequest *request);
/* Its client is gone. */
extern void request_abandon(GateRequest *request);
extern void request_free(GateRequest *request);

/* ---- answers (http_reply.c, http_own.c) ---- */

/* OPTIONS, and what a route does not take. */
extern void reply_options(GateRequest *request);
extern void reply_wrong_method(GateRequest *request);
extern void reply_own(GateRequest *request);
/* NULL, or why requests cannot be served as they should be. */
extern const char *gate_not_ready(void);

/* ---- TLS (http_tls.c) ---- */

/* Reads the certificates anew; what there was stays when they are bad. */
extern void tls_load(void);
/* Whether clients are to use TLS; then tls_context() may still be NULL. */
extern bool tls_wanted(void);
extern SSL_CTX *tls_context(void);

/* ---- listening (http_listen.c) ---- */

extern void listen_start(void);
/* Tries at once to have the addresses that could not be had. */
extern void listen_retry(void);
extern void listen_stop(void);

#endif /* SERVE_HTTP_INTERNAL_H */
