/*
 * grpc.c
 *	  A small gRPC client for benchmarks, over nghttp2: one process, one loop, several streams
 *	  on each connection.
 */
#include "grpc.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../promql/series.h"

#define EXPORT "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

/* Frames go out together, as senders have it who count system calls. */
#define OUT_SIZE   (256 * 1024)
#define FRAME_HEAD 9
#define FRAME_SIZE (FRAME_HEAD + 16384) /* the longest that the session gives */

#define OK                 0
#define RESOURCE_EXHAUSTED 8
#define UNAVAILABLE        14

typedef struct Connection Connection;

/* One request after the other; each is a stream of HTTP/2. */
typedef struct Stream
{
	Connection *connection;
	int number; /* over all connections */
	bool open;
	bool ended; /* no more requests */
	bool again; /* the request is not new */
	ClientRequest request;
	size_t sent;
	int http_status;
	int status; /* -1: none came */
	double due;
	double began;
	double pause;
} Stream;

struct Connection
{
	struct Client *client;
	int fd;
	nghttp2_session *session;
	uint8_t *
		out; /* OUT_SIZE bytes: what the session gave, from `sent` to `nout` not sent yet */
	size_t nout;
	size_t sent;
	Stream *streams;
};

typedef struct Client
{
	const ClientWork *work;
	ClientResult *result;
	Connection *connections;
	double started;
} Client;

/* ---- what nghttp2 calls ---- */

/* How much of a request the next frame has: send_request() then copies it. */
static ssize_t
read_request(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
			 uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	Stream *stream = source->ptr;
	size_t left = stream->request.length - stream->sent;
	size_t n = left < room ? left : room;

	(void) session;
	(void) id;
	(void) out;
	(void) arg;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n == left)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t) n;
}

static int
send_request(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
			 size_t length, nghttp2_data_source *source, void *arg)
{
	Stream *stream = source->ptr;
	Connection *connection = stream->connection;
	uint8_t *out = connection->out + connection->nout;

	(void) session;
	(void) frame;
	(void) arg;
	/* there is always room for what fill_out() is given behind it */
	if (OUT_SIZE - connection->nout < FRAME_HEAD + length + FRAME_SIZE)
		return NGHTTP2_ERR_WOULDBLOCK;
	memcpy(out, head, FRAME_HEAD);
	memcpy(out + FRAME_HEAD, stream->request.bytes + stream->sent, length);
	connection->nout += FRAME_HEAD + length;
	stream->sent += length;
	return 0;
}

static bool
is_name(const uint8_t *name, size_t length, const char *wanted)
{
	return length == strlen(wanted) && memcmp(name, wanted, length) == 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		  size_t name_length, const uint8_t *value, size_t length, uint8_t flags,
		  void *arg)
{
	Stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void) length;
	(void) flags;
	(void) arg;
	if (stream == NULL)
		return 0;
	if (is_name(name, name_length, ":status"))
		stream->http_status = atoi((const char *) value);
	else if (is_name(name, name_length, "grpc-status"))
		stream->status = atoi((const char *) value);
	else if (is_name(name, name_length, "grpc-message"))
		fprintf(stderr, "%s\n", (const char *) value);
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	Stream *stream = nghttp2_session_get_stream_user_data(session, id);
	Client *client = ((Connection *) arg)->client;
	double time = client_now();

	(void) code;
	stream->open = false;
	if (stream->status == UNAVAILABLE || stream->status == RESOURCE_EXHAUSTED)
	{
		client->result->again++;
		stream->again = true;
		stream->due = time + stream->pause;
		stream->pause = CLIENT_NEXT_PAUSE(stream->pause);
		return 0;
	}
	if (stream->status != OK || stream->http_status != 200)
	{
		fprintf(stderr, "HTTP status %d, gRPC status %d\n", stream->http_status,
				stream->status);
		bench_fail("a request was refused");
	}
	client_note(client->result, time - stream->began);
	stream->again = false;
	stream->pause = CLIENT_FIRST_PAUSE;
	stream->due = time;
	return 0;
}

/* ---- connections ---- */

static void
open_connection(Client *client, Connection *connection)
{
	nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
	nghttp2_session_callbacks *callbacks;

	connection->client = client;
	connection->fd = client_connect(client->work->port);
	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		bench_fail("no memory");
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, send_request);
	if (nghttp2_session_client_new(&connection->session, callbacks, connection) != 0 ||
		nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 1) != 0)
		bench_fail("no session");
	nghttp2_session_callbacks_del(callbacks);
}

static void
begin(Client *client, Stream *stream)
{
#define HEADER(name, value)                                                           \
	{                                                                                 \
		(uint8_t *) (name), (uint8_t *) (value), sizeof(name) - 1, sizeof(value) - 1, \
			NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE              \
	}
	const nghttp2_nv headers[] = {HEADER(":method", "POST"),
								  HEADER(":scheme", "http"),
								  HEADER(":authority", "127.0.0.1"),
								  HEADER(":path", EXPORT),
								  HEADER("content-type", "application/grpc"),
								  HEADER("user-agent", "mytsdb-bench"),
								  HEADER("te", "trailers")};
#undef HEADER
	nghttp2_data_provider provider = {{.ptr = stream}, read_request};
	const ClientWork *work = client->work;

	if (!stream->again)
	{
		if ((work->seconds > 0 && client_now() - client->started >= work->seconds) ||
			!work->next(work->arg, stream->number, &stream->request))
		{
			stream->ended = true;
			return;
		}
		stream->began = client_now();
	}
	stream->open = true;
	stream->sent = 0;
	stream->http_status = 0;
	stream->status = -1;
	if (nghttp2_submit_request(stream->connection->session, NULL, headers,
							   sizeof(headers) / sizeof(headers[0]), &provider,
							   stream) < 0)
		bench_fail("cannot begin a stream");
}

/* Takes frames from the session as far as there is room. */
static void
fill_out(Connection *connection)
{
	while (OUT_SIZE - connection->nout >= 2 * FRAME_SIZE)
	{
		const uint8_t *frame;
		ssize_t n = nghttp2_session_mem_send(connection->session, &frame);

		if (n < 0)
			bench_fail("nghttp2 cannot send");
		if (n == 0)
			return;
		memcpy(connection->out + connection->nout, frame, (size_t) n);
		connection->nout += (size_t) n;
	}
}

/* Whether all is sent that can be. */
static bool
send_some(Connection *connection)
{
	while (true)
	{
		ssize_t n;

		if (connection->sent == connection->nout)
		{
			connection->sent = connection->nout = 0;
			fill_out(connection);
			if (connection->nout == 0)
				return true;
		}
		n = send(connection->fd, connection->out + connection->sent,
				 connection->nout - connection->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		if (n < 0)
			bench_fail("a connection has ended");
		connection->sent += (size_t) n;
		connection->client->result->sent += (uint64_t) n;
	}
}

static void
receive_some(Connection *connection)
{
	static uint8_t bytes[65536];
	ssize_t n = recv(connection->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0)
		bench_fail("a connection has ended");
	if (nghttp2_session_mem_recv(connection->session, bytes, (size_t) n) < 0)
		bench_fail("no HTTP/2");
}

/* Begins what is due. Returns how many milliseconds nothing more is, -1 if all has ended. */
static int
begin_due(Client *client)
{
	double time = client_now();
	double first = time + 1;
	bool any = false;

	for (int i = 0; i < client->work->connections * client->work->streams; i++)
	{
		Stream *stream = &client->connections[0].streams[i];

		if (!stream->open && !stream->ended && stream->due <= time)
			begin(client, stream);
		if (!stream->open && !stream->ended && stream->due < first)
			first = stream->due;
		any |= !stream->ended;
	}
	return !any ? -1 : first <= time ? 0 : (int) ((first - time) * 1000) + 1;
}

static void
go_on(Client *client, struct pollfd *polled, int wait)
{
	const int n = client->work->connections;

	for (int i = 0; i < n; i++)
	{
		Connection *connection = &client->connections[i];

		polled[i] = (struct pollfd){.fd = connection->fd, .events = POLLIN};
		if (!send_some(connection))
			polled[i].events |= POLLOUT;
	}
	if (poll(polled, (nfds_t) n, wait) < 0 && errno != EINTR)
		bench_fail("poll");
	for (int i = 0; i < n; i++)
	{
		if (polled[i].revents & (POLLIN | POLLHUP | POLLERR))
			receive_some(&client->connections[i]);
	}
}

void
grpc_run(const ClientWork *work, ClientResult *result)
{
	Client client = {.work = work, .result = result};
	Stream *streams = calloc((size_t) work->connections * work->streams, sizeof(Stream));
	struct pollfd *polled = calloc((size_t) work->connections, sizeof(struct pollfd));
	int wait;

	*result = (ClientResult){0};
	client.connections = calloc((size_t) work->connections, sizeof(Connection));
	if (client.connections == NULL || streams == NULL || polled == NULL)
		bench_fail("no memory");
	for (int i = 0; i < work->connections; i++)
	{
		client.connections[i].streams = &streams[i * work->streams];
		client.connections[i].out = malloc(OUT_SIZE);
		if (client.connections[i].out == NULL)
			bench_fail("no memory");
		open_connection(&client, &client.connections[i]);
		for (int k = 0; k < work->streams; k++)
			client.connections[i].streams[k] = (Stream){
				.connection = &client.connections[i],
				.number = i * work->streams + k,
				.pause = CLIENT_FIRST_PAUSE};
	}
	client.started = client_now();
	while ((wait = begin_due(&client)) >= 0)
		go_on(&client, polled, wait);
	client_finish(result, client.started);
	for (int i = 0; i < work->connections; i++)
	{
		nghttp2_session_del(client.connections[i].session);
		close(client.connections[i].fd);
		free(client.connections[i].out);
	}
	free(client.connections);
	free(streams);
	free(polled);
}
