/*
 * http2.c
 *	  HTTP/2 on a connection: bytes, time, the end. What is asked for is gRPC (grpc.c).
 *
 * The protocol and its limits are http2_session.h's. Bytes are read as long as those to be
 * sent are few, so a client that does not take its answers is not heard.
 *
 * Clients know beforehand that HTTP/2 is spoken here, or agree upon it by TLS. One that
 * speaks HTTP/1 is told so in HTTP/1: nothing is sent before a client's first bytes are
 * there.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "grpc.h"
#include "serve_settings.h"
#include "serve_stats.h"

#define STREAM_WINDOW     (1024 * 1024)
#define CONNECTION_WINDOW (4 * 1024 * 1024)
/* Of a call: names, values, and 32 bytes for each; nobody needs more than credentials. */
#define HEAD_SIZE 16384
/* Of a session, and for each stream: what they are, and answers that wait for the client. */
#define SESSION_MEMORY (512 * 1024)
#define STREAM_MEMORY  4096
#define PING_MS        60000

#define ALPN_HTTP2 "h2"

static Http2Limits limits;

void
http2_reload(void)
{
	limits = (Http2Limits){
		.streams = (uint32_t) serve_max_streams,
		.head_size = HEAD_SIZE,
		.stream_window = STREAM_WINDOW,
		.connection_window = CONNECTION_WINDOW,
		.memory = SESSION_MEMORY + (Size) serve_max_streams * STREAM_MEMORY,
		.header_timeout = serve_header_timeout,
		.body_timeout = serve_body_timeout,
		.write_timeout = serve_write_timeout,
		.idle_timeout = serve_idle_timeout,
		.ping_interval = PING_MS,
	};
}

static Http2 *
http2_of(const HttpConnection *connection)
{
	Assert(connection->protocol == &http2_protocol);
	return connection->state;
}

/* ---- time ---- */

static int64
earlier(int64 a, int64 b)
{
	if (a < 0 || b < 0)
		return Max(a, b);
	return Min(a, b);
}

static int64
write_due(const Http2 *http2)
{
	if (http2->waits < 0)
		return -1;
	return Max(http2->waits, http2->connection->sent) + serve_write_timeout;
}

static void
set_timer(Http2 *http2)
{
	int64 now = http_now();
	int64 due = earlier(grpc_due(http2), write_due(http2));
	int64 wait = due < 0 ? -1 : Max(due - now, 0);

	if (http2->session != NULL)
		wait = earlier(wait, http2_timer(http2->session, now));
	else
		wait = earlier(wait, serve_header_timeout);
	connection_set_timer(http2->connection, wait);
}

/* ---- sending ---- */

static void
log_end(const Http2 *http2)
{
	const char *reason = http2_reason(http2->session);

	if (reason == NULL)
		return;
	serve_count(http2->timed_out ? STAT_CONNECTIONS_TIMED_OUT : STAT_MALFORMED_REQUESTS,
				1);
	ereport(serve_log_requests == SERVE_LOG_ALL ? LOG : DEBUG1,
			(errmsg("connection of \"%s\" to gRPC's port ends: %s",
					http2->connection->client, reason)));
}

/* False when the session has no more to say. */
static bool
fill_output(Http2 *http2)
{
	struct evbuffer *output = connection_output(http2->connection);

	while (evbuffer_get_length(output) < HTTP_OUTPUT_LIMIT)
	{
		const void *data;
		size_t len = http2_output(http2->session, &data, http_now());

		if (len == 0)
			return http2_state(http2->session) == HTTP2_GOES_ON;
		connection_write(http2->connection, data, len);
	}
	return true;
}

void
http2_flush(Http2 *http2)
{
	HttpConnection *connection = http2->connection;
	bool goes_on = true;

	if (http2->inside > 0 || connection->ended || connection->finishing)
		return;
	if (http2->session != NULL && http2->came >= HTTP2_FIRST_BYTES)
	{
		http2->inside++;
		goes_on = fill_output(http2);
		http2->inside--;
	}
	if (!goes_on)
	{
		log_end(http2);
		connection_finish(connection);
		return;
	}
	if (evbuffer_get_length(connection_output(connection)) == 0)
		http2->waits = -1;
	else if (http2->waits < 0)
		http2->waits = http_now();
	set_timer(http2);
}

/* ---- what is no HTTP/2 ---- */

/* SETTINGS, which must come first, and GOAWAY with this error and reason. */
#define GOAWAY(length, error) \
	"\0\0\0\4\0\0\0\0\0"      \
	"\0\0" length "\7\0\0\0\0\0\0\0\0\0\0\0\0" error

static const char too_many[] = GOAWAY("\x1c", "\x0b") "too many connections";
static const char needs_alpn[] = GOAWAY("\x25", "\x0c") "HTTP/2 with TLS needs ALPN h2";

static bool
begins_with(const Http2 *http2, const char *text)
{
	Size len = strlen(text);

	return http2->came >= len && memcmp(http2->first, text, len) == 0;
}

/* Where such a client should go. */
static const char *
right_port(void)
{
	int port = serve_otlp_http_port > 0 ? serve_otlp_http_port : serve_http_port;

	if (port == 0)
		return "this port speaks gRPC, which is HTTP/2, and HTTP/1 is not served";
	return psprintf("this port speaks gRPC, which is HTTP/2: for HTTP/1 use port %d",
					port);
}

static void
turn_away(Http2 *http2)
{
	HttpConnection *connection = http2->connection;
	bool text = http2->first[0] >= 'A' && http2->first[0] <= 'Z';

	if (begins_with(http2, "PRI ") && http2->session != NULL)
		connection_close(connection);
	else if (begins_with(http2, "PRI "))
	{
		connection_write(connection, needs_alpn, sizeof(needs_alpn) - 1);
		connection_finish(connection);
	}
	else if (text)
		http1_reply_to_bytes(connection, 400, right_port());
	else
		connection_close(connection);
	serve_count(STAT_MALFORMED_REQUESTS, 1);
	ereport(serve_log_requests == SERVE_LOG_ALL ? LOG : DEBUG1,
			(errmsg("\"%s\" does not speak HTTP/2 on gRPC's port", connection->client),
			 text ? errdetail("It speaks HTTP/1, or does not ask for HTTP/2 by ALPN.")
				  : errdetail("It may speak TLS, which is not served.")));
}

/* ---- reading ---- */

static void
keep_first(Http2 *http2, TsString piece)
{
	if (http2->came < HTTP2_FIRST_BYTES)
		memcpy(http2->first + http2->came, piece.data,
			   Min(piece.len, HTTP2_FIRST_BYTES - http2->came));
	http2->came += piece.len;
}

static Http2State
receive(Http2 *http2, TsString piece)
{
	Http2State state;

	/* The first bytes of HTTP/2 are those of HTTP/1 as well. */
	if (http2->session == NULL)
		return http2->first[0] == 'P' && http2->came < 4 ? HTTP2_GOES_ON : HTTP2_NO_HTTP2;
	http2->inside++;
	state = http2_receive(http2->session, piece.data, piece.len, http_now());
	http2->inside--;
	return state;
}

static bool
wants_bytes(const HttpConnection *connection)
{
	return !connection->ended && !connection->finishing &&
		   evbuffer_get_length(bufferevent_get_output(connection->events)) <
			   HTTP_OUTPUT_LIMIT;
}

static void
http2_read(HttpConnection *connection)
{
	Http2 *http2 = http2_of(connection);
	TsString piece;

	while (wants_bytes(connection) && (piece = connection_next_piece(connection)).len > 0)
	{
		Http2State state;

		keep_first(http2, piece);
		state = receive(http2, piece);
		evbuffer_drain(connection_input(connection), piece.len);
		serve_count(STAT_BYTES_IN, (int64) piece.len);
		if (state == HTTP2_NO_HTTP2)
			turn_away(http2);
		else
			http2_flush(http2);
	}
}

static void
http2_drained(HttpConnection *connection)
{
	http2_flush(http2_of(connection));
	http2_read(connection);
}

/* ---- time, and the end ---- */

static void
http2_timeout(HttpConnection *connection)
{
	Http2 *http2 = http2_of(connection);
	int64 now = http_now();
	int64 due = write_due(http2);

	/* before the first bytes are whole there is nobody to say more to */
	if (http2->session == NULL || http2->came < HTTP2_FIRST_BYTES ||
		(due >= 0 && due <= now))
	{
		serve_count(STAT_CONNECTIONS_TIMED_OUT, 1);
		connection_close(connection);
		return;
	}
	http2->inside++;
	http2->timed_out = http2_reason(http2->session) == NULL;
	(void) http2_tick(http2->session, now);
	http2->timed_out = http2->timed_out && http2_reason(http2->session) != NULL;
	grpc_tick(http2, now);
	http2->inside--;
	http2_flush(http2);
}

/* Whoever cannot open a window any more gets no answer. */
static void
http2_half_closed(HttpConnection *connection)
{
	connection_close(connection);
}

static void
http2_failed(HttpConnection *connection)
{
	connection_close(connection);
}

static void
http2_stop(HttpConnection *connection)
{
	Http2 *http2 = http2_of(connection);

	if (http2->session == NULL || http2->came < HTTP2_FIRST_BYTES)
	{
		connection_close(connection);
		return;
	}
	if (!http2->stopping)
	{
		http2->stopping = true;
		http2->inside++;
		http2_shutdown(http2->session);
		grpc_stop(http2);
		http2->inside--;
	}
	http2_flush(http2);
}

/* With TLS it must have been agreed upon. */
static bool
is_agreed(SSL *tls)
{
	const unsigned char *chosen;
	unsigned int len;

	if (tls == NULL)
		return true;
	SSL_get0_alpn_selected(tls, &chosen, &len);
	return len == strlen(ALPN_HTTP2) && memcmp(chosen, ALPN_HTTP2, len) == 0;
}

static void
http2_begin(HttpConnection *connection)
{
	Http2 *http2 = MemoryContextAllocZero(TopMemoryContext, sizeof(*http2));

	http2->connection = connection;
	http2->waits = -1;
	dlist_init(&http2->calls);
	connection->state = http2;
	serve_count(STAT_HTTP2_CONNECTIONS, 1);
	if (is_agreed(connection->tls))
	{
		http2->session = http2_session_new(&limits, &grpc_calls, http2, http_now());
		if (http2->session == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	set_timer(http2);
}

static void
http2_end(HttpConnection *connection)
{
	Http2 *http2 = http2_of(connection);

	http2->inside++;
	if (http2->session != NULL)
		http2_session_free(http2->session);
	Assert(dlist_is_empty(&http2->calls));
	connection->state = NULL;
	serve_count(STAT_HTTP2_CONNECTIONS, -1);
	pfree(http2);
}

/* ---- answers ---- */

static void
http2_reply(GateRequest *request, const GateReply *reply, bool *file_taken)
{
	Http2 *http2 = http2_of(request->connection);

	grpc_reply(request, reply);
	http2_flush(http2);
}

static void
http2_hold(GateRequest *request, int ms)
{
	request->call->held = http_now() + ms;
	http2_flush(request->call->http2);
}

const HttpProtocol http2_protocol = {
	.name = "h2",
	/* HTTP/1.1 is agreed upon in order to say that it is not spoken here */
	.alpn = "\x02" ALPN_HTTP2 "\x08http/1.1",
	.too_many = too_many,
	.too_many_size = sizeof(too_many) - 1,
	.begin = http2_begin,
	.read = http2_read,
	.drained = http2_drained,
	.timeout = http2_timeout,
	.half_closed = http2_half_closed,
	.failed = http2_failed,
	.stop = http2_stop,
	.end = http2_end,
	.reply = http2_reply,
	.hold = http2_hold,
};
