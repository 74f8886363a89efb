/*
 * grpc.h
 *	  gRPC on a connection of HTTP/2: what http2.c, grpc.c and grpc_health.c share.
 *
 *	http2.c			the session on its connection: bytes, time, the end
 *	grpc.c			calls: from a stream's head to its trailers
 *	grpc_health.c	the health service
 *	grpc_text.c		gRPC as bytes: pure C
 *
 * A call is a stream that has begun. It has a GateRequest until that is answered, and is
 * known until the stream is closed.
 */
#ifndef SERVE_GRPC_H
#define SERVE_GRPC_H

#include "postgres.h"

#include "grpc_text.h"
#include "http.h"
#include "http2_session.h"
#include "ts_otlp.h"

/* Of a client: its first bytes, from which it is known what it speaks. */
#define HTTP2_FIRST_BYTES 24

typedef struct Http2
{
	HttpConnection *connection;
	Http2Session *session; /* NULL: HTTP/2 is not to be spoken */
	dlist_head calls;
	int inside;     /* calls of the session that run, within which nothing is sent */
	bool timed_out; /* that is why it ends */
	bool stopping;  /* the client was told to begin nothing more */
	uint64 came;    /* bytes */
	int64 waits;    /* since when bytes wait to be sent, or -1 */
	char first[HTTP2_FIRST_BYTES];
} Http2;

typedef struct GrpcCall
{
	dlist_node node;
	Http2 *http2;
	int32 stream;
	GateRequest *request; /* not answered yet, or NULL */
	GrpcFrame frame;      /* the message that comes */
	bool gzip;            /* messages may be compressed */
	bool plain;           /* no call of gRPC: the answer is one of HTTP */
	int64 began;
	int64 deadline; /* of the client's, or -1 */
	int64 held;     /* until when its refusal is, or -1 */
	dlist_node watch;
	bool watching; /* of Health/Watch, whose answer goes on */
	int told;      /* of health, last */
} GrpcCall;

/* ---- http2.c ---- */

/* Sends what there is to be sent, and sees to the timer. */
extern void http2_flush(Http2 *http2);

/* ---- grpc.c ---- */

extern const Http2Calls grpc_calls;

/* When grpc_tick() should be called, or -1. */
extern int64 grpc_due(Http2 *http2);
extern void grpc_tick(Http2 *http2, int64 now);
/* Ends calls that would not end by themselves. */
extern void grpc_stop(Http2 *http2);
extern void grpc_reply(GateRequest *request, const GateReply *reply);
/* Answers with a status of gRPC, when that of HTTP does not say it. */
extern void
grpc_refuse(GateRequest *request, int status, TsGrpcCode code, const char *message);
/* A message of an answer that has been begun; false: the stream is gone. */
extern bool grpc_send(GrpcCall *call, const void *message, Size size);
/* The end of an answer, begun or not. */
extern void grpc_end(GrpcCall *call, TsGrpcCode code, const char *message);

/* ---- grpc_health.c ---- */

/* Answers a request of the health service. */
extern void grpc_health(GateRequest *request);
/* The call is told of what changes from now on. */
extern void grpc_watch(GrpcCall *call);
extern void grpc_unwatch(GrpcCall *call);

#endif /* SERVE_GRPC_H */
