/*
 * http2_session.h
 *	  HTTP/2 as bytes: the server's end of one connection, within limits.
 *
 * Pure C, over nghttp2: knows no socket, no clock and no PostgreSQL. Whoever owns the
 * connection gives bytes that came (http2_receive()) and takes those that are to be sent
 * (http2_output()), says what time it is, and is called back with requests. A request is
 * begun (its head), gets its body, is complete, and is closed: closed is always the last
 * word, whether it was answered, reset by the client, or lost with the connection.
 *
 * What a client can make us do is bounded, whatever it sends:
 *
 *	memory	all that a session allocates counts (Http2Limits.memory); a client that wants
 *			more loses the connection. Bodies are handed over and not kept, and their bytes
 *			go back to the flow control's windows only when the owner has used them
 *			(http2_consume()).
 *	work	what costs us and gains the client nothing is paid from an allowance that is
 *			refilled with time and with useful bytes: PING, SETTINGS, PRIORITY, streams that are reset,
 *			empty DATA, WINDOW_UPDATE, unknown frames. When it is used up, the connection
 *			ends with GOAWAY (ENHANCE_YOUR_CALM).
 *	time	a frame or a head that has begun, a body, an answer that is not taken, and an
 *			idle connection have their times (Http2Limits); http2_timer() says when to look.
 *
 * Callbacks run within http2_receive(), http2_output() and http2_tick(). They must not jump
 * out, nor call these three or http2_session_free(); all else is allowed.
 */
#ifndef SERVE_HTTP2_SESSION_H
#define SERVE_HTTP2_SESSION_H

#include "ts_base.h"

#define HTTP2_MAX_FIELDS 100 /* of one head */

typedef struct Http2Session Http2Session;

/*
 * Looked at whenever they matter, so they may change; announced when a session begins. Until
 * the client has acknowledged them its windows are those of the protocol, 65,535 bytes; and the
 * frame that goes beyond a window is still handed over before its stream is reset.
 */
typedef struct Http2Limits
{
	uint32_t streams;           /* open at once */
	uint32_t head_size;         /* of a head: names, values and 32 bytes for each */
	uint32_t stream_window;     /* bytes of a body that come before they are used */
	uint32_t connection_window; /* of all bodies */
	size_t memory;              /* of a session, in all */
	/* Milliseconds. */
	int64_t header_timeout; /* the preface, a frame, a head: from its first byte on */
	int64_t body_timeout;   /* without a byte of a body */
	int64_t write_timeout; /* without a byte taken of an answer that waits for a window */
	int64_t idle_timeout;  /* without a stream */
	/*
	 * Without a byte while streams are open, until the client is asked whether it is there
	 * (PING); one that then says nothing for header_timeout is gone. 0: it is never asked.
	 */
	int64_t ping_interval;
} Http2Limits;

typedef struct Http2Field
{
	TsString name; /* in lower case */
	TsString value;
} Http2Field;

/* A request's head; valid during the callback. */
typedef struct Http2Head
{
	TsString method;
	TsString scheme;
	TsString authority; /* :authority, or else host */
	TsString path;
	const Http2Field *fields; /* all others, as they came */
	uint32_t count;
	bool ended; /* no body comes; complete() follows */
} Http2Head;

/* The value of a field, its first one; empty: there is none. */
extern TsString http2_field(const Http2Head *head, const char *name);
extern uint32_t http2_count_fields(const Http2Head *head, const char *name);

typedef struct Http2Calls
{
	void (*begin)(void *owner, int32_t stream, const Http2Head *head);
	void (*body)(void *owner, int32_t stream, TsString bytes);
	void (*complete)(void *owner, int32_t stream);
	/* No byte of its body has come for too long: to be answered or reset. */
	void (*late)(void *owner, int32_t stream);
	/* The stream is not known any more; its answer was sent in whole, or was not. */
	void (*closed)(void *owner, int32_t stream, bool answered);
} Http2Calls;

typedef enum Http2State
{
	HTTP2_GOES_ON,
	HTTP2_NO_HTTP2, /* the first bytes are no preface of HTTP/2: nothing will be sent */
	HTTP2_ENDS      /* send what http2_output() still gives, then close */
} Http2State;

/* NULL: no memory. `limits` and `calls` must stay as long as the session. */
extern Http2Session *http2_session_new(const Http2Limits *limits, const Http2Calls *calls,
									   void *owner, int64_t now);
/* closed() is called for all streams that are left. */
extern void http2_session_free(Http2Session *session);

/* Takes all bytes. They may be any number, from anywhere. */
extern Http2State
http2_receive(Http2Session *session, const void *data, size_t len, int64_t now);
/* Bytes to be sent, valid until the next call with this session; 0: none for now. */
extern size_t http2_output(Http2Session *session, const void **data, int64_t now);
/* To be asked when http2_output() has given nothing. */
extern Http2State http2_state(const Http2Session *session);
/* Why it ends, for the log: constant; NULL while it does not, or when all is well. */
extern const char *http2_reason(const Http2Session *session);

/* Milliseconds until http2_tick() should be called; < 0: no need. */
extern int64_t http2_timer(const Http2Session *session, int64_t now);
extern Http2State http2_tick(Http2Session *session, int64_t now);

/* GOAWAY: streams that are open go on, new ones are refused; ends with the last of them. */
extern void http2_shutdown(Http2Session *session);
/* How many streams are open. */
extern uint32_t http2_streams(const Http2Session *session);

/* ---- streams: by their numbers; one that is not known any more is passed over ---- */

extern void http2_set_stream(Http2Session *session, int32_t stream, void *data);
extern void *http2_stream(const Http2Session *session, int32_t stream); /* or NULL */

/*
 * Bytes of the body have been used: as many more may come. Those of a stream that is closed
 * count as used.
 */
extern void http2_consume(Http2Session *session, int32_t stream, size_t bytes);

/*
 * An answer: a head (`fields` begin with :status), any number of bytes, and the end, with
 * trailers if there are fields. An end without a head before it is the whole answer, a head
 * alone. All is copied. False: no memory, or the stream is not known; the stream is reset
 * then. What a client has not yet sent of its request when the answer has ended is not waited
 * for, and not given to the owner.
 */
extern bool http2_answer(Http2Session *session, int32_t stream, const Http2Field *fields,
						 uint32_t count);
extern bool
http2_answer_bytes(Http2Session *session, int32_t stream, const void *data, size_t len);
extern bool http2_answer_end(Http2Session *session, int32_t stream,
							 const Http2Field *fields, uint32_t count);
/* RST_STREAM, with an error code of RFC 9113; what waits to be sent of it is dropped, and
   only closed() comes of it. */
extern void http2_reset(Http2Session *session, int32_t stream, uint32_t code);

#endif /* SERVE_HTTP2_SESSION_H */
