/*
 * http2_internal.h
 *	  What the files of an HTTP/2 session share.
 *
 *	http2_session.c	a session's life: memory, bytes in and out
 *	http2_watch.c	frames as they come: what they cost, and what has begun and not ended
 *	http2_stream.c	requests: heads, bodies, their end
 *	http2_answer.c	answers
 *	http2_time.c	what waits too long
 */
#ifndef SERVE_HTTP2_INTERNAL_H
#define SERVE_HTTP2_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "http2_session.h"

/* ---- frames as they come (http2_watch.c) ---- */

/*
 * What a client may do without gaining anything by it, at once and per second; and what
 * is given back for bodies and answers, so that much traffic may come with many frames.
 */
#define HTTP2_ALLOWANCE    4000
#define HTTP2_REFILL       400
#define HTTP2_BYTES_EARN   64 /* so many bytes of bodies give one */
#define HTTP2_ANSWER_EARNS 4
#define HTTP2_FAULT_COSTS  10 /* a stream that is refused, broken or reset */

#define HTTP2_FRAME_HEAD 9

typedef struct Http2Watch
{
	uint32_t preface; /* bytes of it that came */
	uint8_t head[HTTP2_FRAME_HEAD];
	uint32_t head_used;
	uint32_t left; /* of the frame's payload */
	uint8_t type;
	bool in_fields; /* HEADERS has come without END_HEADERS */
	int64_t begun;  /* when what has not ended began; -1: nothing has */
	int64_t allowance;
	int64_t refilled;
	uint32_t bytes; /* of bodies, that have given nothing yet */
} Http2Watch;

extern void http2_watch_init(Http2Watch *watch, int64_t now);
/* Whether the preface is as it must be, as far as it has come. */
extern bool http2_watch_preface(Http2Watch *watch, const uint8_t *data, size_t len);
/*
 * Looks at bytes, and returns how many of them may be read: all, or those before the frame
 * for which the allowance is not enough.
 */
extern size_t
http2_watch_frames(Http2Watch *watch, const uint8_t *data, size_t len, int64_t now);
extern void http2_watch_refill(Http2Watch *watch, int64_t now);
extern void http2_watch_earn(Http2Watch *watch, int64_t earned);
extern void http2_watch_earn_bytes(Http2Watch *watch, size_t bytes);

/* ---- sessions and streams ---- */

typedef struct Http2Stream
{
	struct Http2Stream *next;
	struct Http2Stream *previous;
	int32_t id;
	void *data;      /* the owner's */
	bool begun;      /* the owner knows it */
	bool ended;      /* the client has sent all */
	bool late;       /* the owner was told */
	bool head_given; /* the answer's head was given to nghttp2 */
	bool finished;   /* nothing is to be added to the answer */
	bool answered;   /* it was sent in whole */
	bool reset;      /* RST_STREAM was given to nghttp2 */
	size_t unused;   /* bytes of the body that the owner has */
	int64_t body_at; /* when bytes of it last came */
	int64_t sent_at; /* when bytes of the answer last went; -1: to be set */
	char *out;       /* what waits to be sent is between out_done and out_used */
	size_t out_done;
	size_t out_used;
	size_t out_size;
	char *trailers; /* fields one after the other, each with two lengths before it */
	uint32_t trailer_count;
} Http2Stream;

/* The head that comes. Only one can at a time. */
typedef struct Http2Fields
{
	int32_t stream; /* 0: none */
	bool too_large;
	size_t counted; /* as head_size counts */
	uint32_t count;
	char *text; /* names and values */
	size_t used;
	size_t size;
	struct
	{
		uint32_t name; /* where its text begins */
		uint32_t name_len;
		uint32_t value_len;
	} at[HTTP2_MAX_FIELDS];
} Http2Fields;

struct Http2Session
{
	const Http2Limits *limits;
	const Http2Calls *calls;
	void *owner;
	nghttp2_mem memory;
	nghttp2_session *nghttp2;
	size_t used; /* bytes of memory */
	Http2State state;
	const char *reason;
	bool terminating; /* GOAWAY is all that will be sent */
	bool freeing;
	int64_t now;
	int64_t byte_at;   /* when a byte last came */
	int64_t pinged_at; /* -1: the client is not asked whether it is there */
	int64_t idle_at;   /* since when there is no stream */
	Http2Stream *streams;
	uint32_t stream_count;
	size_t unused; /* of all streams */
	Http2Watch watch;
	Http2Fields fields;
};

/* Memory of the session; NULL beyond its limit. */
extern void *http2_alloc(Http2Session *session, size_t size);
extern void *http2_realloc(Http2Session *session, void *memory, size_t size);
extern void http2_free(Http2Session *session, void *memory);

/* The end, at once: nothing can be sent any more. */
extern void http2_fail(Http2Session *session, const char *reason);
/* The end, with GOAWAY. */
extern void http2_terminate(Http2Session *session, uint32_t code, const char *reason);
/* The client has done something for which we work in vain. */
extern void http2_fault(Http2Session *session, int64_t cost);

extern Http2Stream *http2_find_stream(const Http2Session *session, int32_t id);
/* Tells the owner that it is closed, and frees it. */
extern void http2_close_stream(Http2Session *session, Http2Stream *stream);
/* What nghttp2 calls. */
extern void http2_set_callbacks(nghttp2_session_callbacks *callbacks);

#endif /* SERVE_HTTP2_INTERNAL_H */
