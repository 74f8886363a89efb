/*
 * http1.c
 *	  HTTP/1.1 on a connection.
 *
 * One request at a time: the next one is read when the answer to the one before has gone
 * out but for a little. So answers come in the order of requests, a write is done before
 * what was sent behind it begins, and a client that asks faster than it reads waits.
 *
 * A request that is answered before its body has come (refused, by its head alone) has its
 * body passed over if that is short, so that the client need not connect again; else the
 * connection ends with the answer.
 */
#include "postgres.h"

#include <errno.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"

#include "http.h"
#include "serve_settings.h"
#include "serve_stats.h"

/* A body that is not wanted is passed over up to this. */
#define DISCARD_LIMIT (256 * 1024)
/* A body that comes slower on average is given up. */
#define MIN_BODY_RATE 256 /* bytes per second */
/* Pieces of bodies that are at least so long are not copied: they fill half their memory. */
#define MOVED_PIECE (HTTP_INPUT_LIMIT / 2)
/* A file is read in pieces of this. */
#define FILE_PIECE 65536

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

static Http1 *
http1_of(const HttpConnection *connection)
{
	Assert(connection->protocol == &http1_protocol);
	return connection->state;
}

static int64
phase_time(Http1Phase phase)
{
	switch (phase)
	{
		case PHASE_IDLE:
			return serve_idle_timeout;
		case PHASE_HEAD:
			return serve_header_timeout;
		case PHASE_BODY:
		case PHASE_DISCARD:
			return serve_body_timeout;
		case PHASE_SEND:
			return serve_write_timeout;
		case PHASE_HELD:
		case PHASE_WAIT:
			break;
	}
	return -1;
}

static void
set_phase(HttpConnection *connection, Http1Phase phase)
{
	Http1 *one = http1_of(connection);

	one->phase = phase;
	one->since = http_now();
	connection->progress = one->since;
	connection_set_timer(connection, phase_time(phase));
}

/* ---- sending ---- */

/* Fills the output from the file; false when the file does not have what it should. */
static bool
send_file(HttpConnection *connection)
{
	Http1 *one = http1_of(connection);
	struct evbuffer *output = connection_output(connection);

	while (one->file_left > 0 && evbuffer_get_length(output) < HTTP_OUTPUT_LIMIT)
	{
		struct evbuffer_iovec space;
		ssize_t got;

		if (evbuffer_reserve_space(output, FILE_PIECE, &space, 1) != 1)
			return false;
		got = pread(one->file, space.iov_base, Min(FILE_PIECE, one->file_left),
					(off_t) one->file_at);
		if (got <= 0)
		{
			if (got == 0)
				errno = ENODATA;
			ereport(LOG, (errcode_for_file_access(),
						  errmsg("could not read an answer from a temporary file: %m")));
			return false;
		}
		space.iov_len = (size_t) got;
		if (evbuffer_commit_space(output, &space, 1) != 0)
			return false;
		one->file_at += (uint64) got;
		one->file_left -= (uint64) got;
	}
	return true;
}

static void
close_file(Http1 *one)
{
	if (one->file < 0)
		return;
	close(one->file);
	ReleaseExternalFD();
	one->file = -1;
	one->file_left = 0;
}

/*
 * The answer has been begun, and the request's bytes are all there: sends on, and when
 * little is left, goes on to the next request.
 */
static void
send_on(HttpConnection *connection)
{
	Http1 *one = http1_of(connection);

	Assert(one->phase == PHASE_SEND);
	if (!send_file(connection))
	{
		connection_close(connection);
		return;
	}
	if (one->file_left > 0)
		return;
	close_file(one);
	if (!one->keep_alive)
	{
		connection_finish(connection);
		return;
	}
	if (evbuffer_get_length(connection_output(connection)) > HTTP_OUTPUT_LIMIT / 4)
		return;
	set_phase(connection, PHASE_IDLE);
	if (evbuffer_get_length(connection_input(connection)) > 0)
		bufferevent_trigger(connection->events, EV_READ,
							BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static void
http1_drained(HttpConnection *connection)
{
	if (http1_of(connection)->phase == PHASE_SEND)
		send_on(connection);
}

static void
http1_hold(GateRequest *request, int ms)
{
	HttpConnection *connection = request->connection;

	Assert(http1_of(connection)->request == request);
	Assert(http1_of(connection)->phase == PHASE_BODY);
	set_phase(connection, PHASE_HELD);
	connection_set_timer(connection, ms);
}

/* Whether the connection can be used again after an answer that is given now. */
static bool
keeps_alive(const HttpConnection *connection)
{
	const Http1 *one = http1_of(connection);
	const HttpHead *head = &one->parser.head;

	if (!one->keep_alive || gate_stopping || connection->half_closed)
		return false;
	if (one->phase != PHASE_BODY)
		return true;
	/* the body is not all there, and will not be asked for */
	return !head->expects_continue && !head->chunked && head->length <= DISCARD_LIMIT;
}

/* The answer has been put into the output, but for what is in a file. */
static void
answered(HttpConnection *connection, bool close, int file, uint64 size)
{
	Http1 *one = http1_of(connection);

	Assert(one->file < 0);
	one->keep_alive = !close;
	if (file >= 0)
	{
		ReserveExternalFD();
		one->file = file;
		one->file_at = 0;
		one->file_left = size;
	}
	if (one->phase == PHASE_BODY && !close)
		set_phase(connection, PHASE_DISCARD);
	else
	{
		set_phase(connection, PHASE_SEND);
		send_on(connection);
	}
}

static void
http1_reply(GateRequest *request, const GateReply *reply, bool *file_taken)
{
	HttpConnection *connection = request->connection;
	bool close = reply->close || !keeps_alive(connection);
	bool body = http_status_has_body(reply->status) && request->method != SERVE_HEAD;
	int file = body ? reply->fd : -1;
	Http1 *one = http1_of(connection);

	Assert(one->request == request);
	one->request = NULL;
	http1_write_reply(request, reply, close, body);
	*file_taken = file >= 0;
	answered(connection, close, file, reply->size);
}

/* ---- reading ---- */

static void
bad_bytes(HttpConnection *connection)
{
	Http1 *one = http1_of(connection);
	GateRequest *request = one->request;

	serve_count(STAT_MALFORMED_REQUESTS, 1);
	one->keep_alive = false;
	if (request != NULL)
		gate_refuse(request, one->parser.status, one->parser.reason, 0);
	else if (one->phase == PHASE_DISCARD)
		connection_finish(connection); /* it has its answer */
	else
		http1_reply_to_bytes(connection, one->parser.status, one->parser.reason);
}

static void
send_continue(HttpConnection *connection)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	connection_write(connection, text, sizeof(text) - 1);
}

static void
take_head(HttpConnection *connection)
{
	Http1 *one = http1_of(connection);

	one->keep_alive = one->parser.head.keep_alive;
	one->body_came = 0;
	set_phase(connection, PHASE_BODY);
	one->request = request_make(connection);
	request_begin(one->request, &one->parser.head);
	if (one->phase == PHASE_BODY && one->parser.head.expects_continue)
		send_continue(connection);
}

static void
take_end(HttpConnection *connection)
{
	Http1 *one = http1_of(connection);

	if (one->phase == PHASE_DISCARD)
	{
		set_phase(connection, PHASE_SEND);
		send_on(connection);
		return;
	}
	Assert(one->phase == PHASE_BODY && one->request != NULL);
	set_phase(connection, PHASE_WAIT);
	request_complete(one->request);
}

/* What fills a piece of the input is moved and not copied. */
static void
take_body(HttpConnection *connection, TsString piece)
{
	Http1 *one = http1_of(connection);
	TsString body = one->parser.body;

	one->body_came += body.len;
	if (one->phase != PHASE_BODY)
		return;
	if (body.data == piece.data && body.len == piece.len && body.len >= MOVED_PIECE)
		request_move_body(one->request, connection_input(connection), body.len);
	else
		request_add_body(one->request, body);
}

static void
take_event(HttpConnection *connection, HttpEvent event, TsString piece)
{
	Http1 *one = http1_of(connection);

	switch (event)
	{
		case PARSED_MORE:
			if (one->phase == PHASE_IDLE && http_parser_busy(&one->parser))
				set_phase(connection, PHASE_HEAD);
			break;
		case PARSED_HEAD:
			take_head(connection);
			break;
		case PARSED_BODY:
			take_body(connection, piece);
			break;
		case PARSED_END:
			take_end(connection);
			break;
		case PARSED_BAD:
			bad_bytes(connection);
			break;
	}
}

static bool
wants_bytes(const HttpConnection *connection)
{
	Http1Phase phase = http1_of(connection)->phase;

	return !connection->ended && !connection->finishing && phase != PHASE_HELD &&
		   phase != PHASE_WAIT && phase != PHASE_SEND;
}

static void
http1_read(HttpConnection *connection)
{
	struct evbuffer *input = connection_input(connection);
	Http1 *one = http1_of(connection);

	while (wants_bytes(connection))
	{
		TsString piece = connection_next_piece(connection);
		size_t before = evbuffer_get_length(input);
		size_t taken;
		HttpEvent event = http_parse(&one->parser, piece.data, piece.len, &taken);

		take_event(connection, event, piece);
		/* but for what was moved */
		evbuffer_drain(input, taken - (before - evbuffer_get_length(input)));
		serve_count(STAT_BYTES_IN, (int64) taken);
		if (event == PARSED_MORE && evbuffer_get_length(input) == 0)
			break;
	}
}

/* ---- time, and the end ---- */

static void
timed_out(HttpConnection *connection)
{
	Http1 *one = http1_of(connection);

	serve_count(STAT_CONNECTIONS_TIMED_OUT, 1);
	one->keep_alive = false;
	if (one->phase == PHASE_HEAD)
		http1_reply_to_bytes(connection, 408, "the request's head took too long");
	else if (one->phase == PHASE_BODY)
		gate_refuse(one->request, 408, "the request's body came too slowly", 0);
	else
		connection_close(connection);
}

static void
http1_timeout(HttpConnection *connection)
{
	Http1 *one = http1_of(connection);
	int64 now = http_now();
	int64 limit = phase_time(one->phase);
	int64 left = connection->progress + limit - now;

	if (one->phase == PHASE_HELD)
	{
		set_phase(connection, PHASE_BODY);
		request_refuse_held(one->request);
		http1_read(connection);
		return;
	}
	if (limit < 0)
		return;
	if (one->phase == PHASE_BODY || one->phase == PHASE_DISCARD)
	{
		int64 elapsed = now - one->since;

		if (elapsed >= limit && (int64) one->body_came < elapsed * MIN_BODY_RATE / 1000)
			left = 0;
	}
	else if (one->phase == PHASE_HEAD)
		left = one->since + limit - now;
	if (left > 0)
		connection_set_timer(connection, left);
	else
		timed_out(connection);
}

/*
 * What the client would be told goes out; whoever has said that it sends no more while its
 * request still runs is taken to have gone.
 */
static void
http1_half_closed(HttpConnection *connection)
{
	Http1 *one = http1_of(connection);

	if (one->request != NULL || one->phase == PHASE_HEAD)
	{
		connection_close(connection);
		return;
	}
	one->keep_alive = false;
	if (one->phase != PHASE_SEND)
		connection_finish(connection);
}

static void
http1_failed(HttpConnection *connection)
{
	GateRequest *request = http1_of(connection)->request;

	http1_of(connection)->keep_alive = false;
	if (request != NULL && !request->dispatched)
		gate_refuse(request, 500, "internal error; see the server's log", 0);
	else
		connection_close(connection);
}

/* Closed when nothing has been asked, in whole, that is not answered. */
static void
http1_stop(HttpConnection *connection)
{
	Http1Phase phase = http1_of(connection)->phase;

	if ((phase == PHASE_IDLE || phase == PHASE_HEAD) &&
		evbuffer_get_length(connection_output(connection)) == 0)
		connection_close(connection);
}

static void
http1_begin(HttpConnection *connection)
{
	Http1 *one = MemoryContextAllocZero(TopMemoryContext, sizeof(*one));

	one->file = -1;
	http_parser_init(&one->parser);
	connection->state = one;
	set_phase(connection, PHASE_IDLE);
}

static void
http1_end(HttpConnection *connection)
{
	Http1 *one = http1_of(connection);
	GateRequest *request = one->request;

	one->request = NULL;
	if (request != NULL)
		request_abandon(request);
	close_file(one);
	http_parser_free(&one->parser);
	connection->state = NULL;
	pfree(one);
}

static const char too_many[] = "HTTP/1.1 503 Service Unavailable\r\n"
							   "Content-Type: " SERVE_TEXT_TYPE "\r\n"
							   "Content-Length: 26\r\n"
							   "Retry-After: 1\r\n"
							   "Connection: close\r\n"
							   "\r\n"
							   "too many HTTP connections\n";

const HttpProtocol http1_protocol = {
	.name = "http/1.1",
	.alpn = "\x08http/1.1",
	.too_many = too_many,
	.too_many_size = sizeof(too_many) - 1,
	.begin = http1_begin,
	.read = http1_read,
	.drained = http1_drained,
	.timeout = http1_timeout,
	.half_closed = http1_half_closed,
	.failed = http1_failed,
	.stop = http1_stop,
	.end = http1_end,
	.reply = http1_reply,
	.hold = http1_hold,
};
