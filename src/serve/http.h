/*
 * http.h
 *	  What the files of HTTP share.
 *
 *	http.c				HTTP as a whole: begins, takes new settings, ends
 *	http_listen.c		listening sockets, accepting
 *	http_tls.c			certificates
 *	http_connection.c	a client's connection: bytes in and out, time, its end. It knows
 *						nothing of HTTP; the protocol above it is http1.c
 *	http1.c				HTTP/1.1 on a connection: one request at a time, as RFC 9112 allows;
 *						what a client sends ahead waits, at most HTTP_INPUT_LIMIT of it
 *	http_request.c		a request's way from its head to who answers it; its end
 *	http_reply.c		answers: heads, error documents, counting
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

typedef enum Http1Phase
{
	PHASE_IDLE,    /* between requests */
	PHASE_HEAD,    /* a head has begun */
	PHASE_BODY,    /* of request */
	PHASE_HELD,    /* request will be refused, in a while */
	PHASE_DISCARD, /* the request is answered, its body is passed over */
	PHASE_WAIT,    /* request is complete and runs */
	PHASE_SEND     /* the answer goes out, before the next request */
} Http1Phase;

typedef struct Http1
{
	HttpParser parser;
	Http1Phase phase;
	int64 since;          /* when the phase began */
	uint64 body_came;     /* bytes of the body */
	bool keep_alive;      /* after this request */
	GateRequest *request; /* not answered yet, or NULL */
	int file;             /* what is being sent, or -1 */
	uint64 file_at;
	uint64 file_left;
} Http1;

struct HttpConnection
{
	dlist_node node;
	struct bufferevent *events;
	struct event *timer;
	SSL *tls; /* or NULL; the buffer event's */
	bool loopback;
	bool active;      /* a callback of it is running */
	bool ended;       /* to be freed when none is */
	bool handshaking; /* TLS is not established */
	bool finishing;   /* what is to be written is written, then it is closed */
	bool shut;        /* finishing, and all is written */
	bool half_closed; /* the client will send nothing more */
	bool paused;      /* nothing is read: enough has been read ahead */
	int64 progress;   /* when bytes last came or went */
	const char *client;
	Http1 one;
};

/* Milliseconds of a clock that never jumps. */
extern int64 http_now(void);

extern void connection_begin(int fd, const struct sockaddr *address, int address_len);
/* At once: what was not written is lost. Its request is given up. */
extern void connection_close(HttpConnection *connection);
/* No more is read; what is to be written is, and then it is closed. */
extern void connection_finish(HttpConnection *connection);
/* What waits too long is looked at (http1_timeout()) in so many milliseconds; < 0: never. */
extern void connection_set_timer(HttpConnection *connection, int64 ms);
extern struct evbuffer *connection_input(HttpConnection *connection);
extern struct evbuffer *connection_output(HttpConnection *connection);
/*
 * For what comes from elsewhere than the connection's own callbacks: between these two it
 * is not freed.
 */
extern bool connection_enter(HttpConnection *connection);
extern void connection_leave(HttpConnection *connection, bool was_active);

/* All connections; connection_close() takes them off. */
extern dlist_head http_connections;
extern int http_connection_count;

/* ---- HTTP/1.1 (http1.c) ---- */

extern void http1_begin(HttpConnection *connection);
extern void http1_read(HttpConnection *connection);    /* bytes came */
extern void http1_drained(HttpConnection *connection); /* there is room to write */
extern void http1_timeout(HttpConnection *connection); /* the timer has gone off */
/* The client sends nothing more. */
extern void http1_half_closed(HttpConnection *connection);
/* An error was caught: whoever waits for an answer is told, and that is the end. */
extern void http1_failed(HttpConnection *connection);
extern void http1_end(HttpConnection *connection);
/* Nothing has been asked, in whole, that is not answered. */
extern bool http1_idle(const HttpConnection *connection);
/* The rest of the answer has been put into the output, but for what is in a file. */
extern void http1_answered(HttpConnection *connection, bool close, int file, uint64 size);
/* Reads nothing for so long; then request_refuse_held() is called. */
extern void http1_hold(HttpConnection *connection, int ms);
/* Whether the connection can be used again after an answer that is given now. */
extern bool http1_keeps_alive(const HttpConnection *connection);

/* ---- requests (http_request.c) ---- */

/* Its head is complete. It may be answered when this returns. */
extern void request_begin(HttpConnection *connection, const HttpHead *head);
/* Bytes of its body; it may be answered when this returns. */
extern void request_add_body(GateRequest *request, TsString bytes);
extern void request_complete(GateRequest *request);
extern void request_refuse_held(GateRequest *request);
/* Its client is gone. */
extern void request_abandon(GateRequest *request);
extern void request_free(GateRequest *request);

/* ---- answers (http_reply.c, http_own.c) ---- */

/* Answers what is no request yet, and closes. */
extern void reply_to_bytes(HttpConnection *connection, int status, const char *message);
/* OPTIONS, and what a route does not take. */
extern void reply_options(GateRequest *request);
extern void reply_wrong_method(GateRequest *request);
extern void reply_own(GateRequest *request);

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
