/*
 * http_connection.c
 *	  A client's connection: bytes in and out, plain or by TLS, and its end.
 *
 * Every callback runs guarded: an error in it costs the connection and nothing else. While
 * one is active the connection is not freed, only marked.
 *
 * The end is gentle where an answer has been given: what is to be written is written, the
 * client is told that no more comes, and what it still sends is passed over for a moment.
 * Else the answer could be lost with the reset that unread bytes cause.
 */
#include "postgres.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>

#include "storage/fd.h"
#include "utils/memutils.h"

#include "http.h"
#include "serve_settings.h"
#include "serve_stats.h"

/* How long what a client still sends is passed over. */
#define LINGER_MS 2000
/* So much of the input is made contiguous where its first piece is empty. */
#define PULLED_TOGETHER 4096
/* What libevent reads at once from a socket, at most. */
#define LIBEVENT_PIECE 4096
/* What we do: it fills a piece of libevent's memory, which has a head and a power of two. */
#define INPUT_PIECE (HTTP_INPUT_LIMIT - 64)
/* How many of these follow each other before others have their turn. */
#define PIECES_AT_ONCE 4

dlist_head http_connections = DLIST_STATIC_INIT(http_connections);
int http_connection_count;

int64
http_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct evbuffer *
connection_input(HttpConnection *connection)
{
	return bufferevent_get_input(connection->events);
}

struct evbuffer *
connection_output(HttpConnection *connection)
{
	return bufferevent_get_output(connection->events);
}

void
connection_write(HttpConnection *connection, const void *data, Size size)
{
	if (size > 0 && evbuffer_add(connection_output(connection), data, size) != 0)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

TsString
connection_next_piece(HttpConnection *connection)
{
	struct evbuffer *input = connection_input(connection);
	size_t len = evbuffer_get_contiguous_space(input);
	TsString piece = {"", 0};

	if (len == 0)
		len = Min(evbuffer_get_length(input), PULLED_TOGETHER);
	if (len == 0)
		return piece;
	piece.data = (const char *) evbuffer_pullup(input, (ev_ssize_t) len);
	if (piece.data == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	piece.len = len;
	return piece;
}

void
connection_set_timer(HttpConnection *connection, int64 ms)
{
	struct timeval time = gate_timeval(ms);

	if (ms != 0)
		connection->looked = false;
	if (ms < 0)
		evtimer_del(connection->timer);
	else if (evtimer_add(connection->timer, &time) != 0)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

/* ---- the end ---- */

/* Sees the bytes that have gone. */
static void
on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	HttpConnection *connection = arg;

	if (info->n_deleted == 0)
		return;
	connection->sent = connection->progress = http_now();
	serve_count(STAT_BYTES_OUT, (int64) info->n_deleted);
}

static void
free_connection(HttpConnection *connection)
{
	Assert(!connection->active);
	if (connection->state != NULL)
		connection->protocol->end(connection);
	if (connection->tls != NULL)
	{
		/* without waiting for the client's word */
		SSL_set_shutdown(connection->tls, SSL_RECEIVED_SHUTDOWN);
		if (!connection->handshaking)
			SSL_shutdown(connection->tls);
		ERR_clear_error();
	}
	event_free(connection->timer);
	/* It may live on for a moment, but shall not call us. */
	evbuffer_remove_cb(connection_output(connection), on_output, connection);
	bufferevent_disable(connection->events, EV_READ | EV_WRITE);
	bufferevent_free(connection->events);
	ReleaseExternalFD();
	dlist_delete(&connection->node);
	http_connection_count--;
	serve_count(STAT_CONNECTIONS, -1);
	pfree(connection);
}

bool
connection_enter(HttpConnection *connection)
{
	bool was_active = connection->active;

	connection->active = true;
	return was_active;
}

void
connection_leave(HttpConnection *connection, bool was_active)
{
	connection->active = was_active;
	if (connection->ended && !was_active)
		free_connection(connection);
}

void
connection_close(HttpConnection *connection)
{
	connection->ended = true;
	if (!connection->active)
		free_connection(connection);
}

/* Nothing is left to be written: says so to the client. */
static void
shut_down(HttpConnection *connection)
{
	if (connection->half_closed)
	{
		connection_close(connection);
		return;
	}
	if (connection->tls != NULL)
	{
		SSL_shutdown(connection->tls);
		ERR_clear_error();
	}
	shutdown(bufferevent_getfd(connection->events), SHUT_WR);
	connection->shut = true;
	connection_set_timer(connection, LINGER_MS);
}

void
connection_finish(HttpConnection *connection)
{
	connection->finishing = true;
	connection->progress = http_now();
	connection_set_timer(connection, serve_write_timeout);
	/* what was read ahead is passed over as well; else no more would be read */
	if (evbuffer_get_length(connection_input(connection)) > 0)
		bufferevent_trigger(connection->events, EV_READ,
							BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
	if (evbuffer_get_length(connection_output(connection)) == 0)
		shut_down(connection);
}

/* ---- callbacks ---- */

/*
 * Reads on as long as little has been read ahead. A watermark would not do: when it stops
 * libevent in the middle of a TLS record, what OpenSSL holds of that is not read before more
 * comes from the client, who may wait for the answer to it. Here a record has been read whole.
 */
static void
limit_input(HttpConnection *connection)
{
	bool pause = evbuffer_get_length(connection_input(connection)) >= HTTP_INPUT_LIMIT;

	if (pause == connection->paused)
		return;
	connection->paused = pause;
	if (pause)
		bufferevent_disable(connection->events, EV_READ);
	else
		bufferevent_enable(connection->events, EV_READ);
}

typedef struct Call
{
	HttpConnection *connection;
	void (*work)(HttpConnection *connection);
} Call;

static void
call_work(void *arg)
{
	Call *call = arg;

	call->work(call->connection);
}

/* A client of whom nothing is known yet has no answer to wait for. */
static void
failed(HttpConnection *connection)
{
	if (connection->state != NULL)
		connection->protocol->failed(connection);
	else
		connection_close(connection);
}

static void
guarded(HttpConnection *connection, void (*work)(HttpConnection *))
{
	Call call = {connection, work};
	bool was_active = connection_enter(connection);

	if (!connection->ended && !gate_guard(call_work, &call))
		failed(connection);
	if (!connection->ended)
		limit_input(connection);
	connection_leave(connection, was_active);
}

static void
pass_over_input(HttpConnection *connection)
{
	struct evbuffer *input = connection_input(connection);

	evbuffer_drain(input, evbuffer_get_length(input));
}

/*
 * Reads what else has come, up to the limit: by libevent alone a body would take a turn of
 * the loop for each 4 kB. Libevent finds ends and errors. Returns whether there may be more.
 */
static bool
read_more(HttpConnection *connection)
{
	struct evbuffer *input = connection_input(connection);
	size_t have = evbuffer_get_length(input);
	struct evbuffer_iovec space;
	bool more = false;

	if (connection->tls != NULL || connection->paused || have >= INPUT_PIECE)
		return false;
	/* libevent lets nobody else add to what it reads into */
	evbuffer_unfreeze(input, 0);
	if (evbuffer_reserve_space(input, (ev_ssize_t) (INPUT_PIECE - have), &space, 1) == 1)
	{
		ssize_t n = recv(bufferevent_getfd(connection->events), space.iov_base,
						 Min(space.iov_len, INPUT_PIECE - have), MSG_DONTWAIT);

		more = n == (ssize_t) (INPUT_PIECE - have);
		space.iov_len = Max(n, 0);
		(void) evbuffer_commit_space(input, &space, 1);
	}
	evbuffer_freeze(input, 0);
	return more;
}

static void
read_work(HttpConnection *connection)
{
	/* libevent has read as much as it does at once */
	bool more = evbuffer_get_length(connection_input(connection)) >= LIBEVENT_PIECE;

	connection->progress = http_now();
	for (int i = 0; i == 0 || (more && i < PIECES_AT_ONCE && !connection->ended); i++)
	{
		if (more)
			more = read_more(connection);
		if (connection->finishing)
			pass_over_input(connection);
		else
			connection->protocol->read(connection);
	}
}

static void
on_read(struct bufferevent *events, void *arg)
{
	guarded(arg, read_work);
}

static void
write_work(HttpConnection *connection)
{
	if (connection->shut)
		return;
	if (!connection->finishing)
		connection->protocol->drained(connection);
	else if (evbuffer_get_length(connection_output(connection)) == 0)
		shut_down(connection);
}

static void
on_write(struct bufferevent *events, void *arg)
{
	guarded(arg, write_work);
}

/*
 * When the gate was held up, what has come and the time for it may both be there, in any
 * order, and what has come is first. So a timer that is due waits for one more look at the
 * socket, by which libevent reads, and then for what on_read() is still to be called for;
 * but for no more of it: what is due still, is, however much a client sends meanwhile.
 * Returns whether it is not due.
 */
static bool
read_before_time(HttpConnection *connection)
{
	struct evbuffer *input = connection_input(connection);
	size_t before = evbuffer_get_length(input);

	if (!connection->looked)
	{
		connection->looked = true;
		connection_set_timer(connection, 0);
		return true;
	}
	if (before > 0 && !connection->finishing && !connection->handshaking)
	{
		connection->protocol->read(connection);
		if (evbuffer_get_length(input) < before)
			connection->progress = http_now();
		if (connection->ended || !connection->looked)
			return true; /* the timer is another one */
	}
	connection->looked = false;
	return false;
}

static void
timer_work(HttpConnection *connection)
{
	int64 left = connection->progress + serve_write_timeout - http_now();

	if (read_before_time(connection))
		return;
	if (connection->finishing && !connection->shut && left > 0)
	{
		connection_set_timer(connection, left);
		return;
	}
	if (connection->finishing || connection->handshaking)
	{
		if (!connection->shut)
			serve_count(STAT_CONNECTIONS_TIMED_OUT, 1);
		connection_close(connection);
		return;
	}
	connection->protocol->timeout(connection);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	guarded(arg, timer_work);
}

/* Whoever speaks HTTP to HTTPS is told so, in HTTP. */
static void
tls_failed(HttpConnection *connection)
{
	static const char text[] = "HTTP/1.0 400 Bad Request\r\n"
							   "Content-Type: " SERVE_TEXT_TYPE "\r\n"
							   "Content-Length: 25\r\n"
							   "Connection: close\r\n"
							   "\r\n"
							   "this server speaks HTTPS\n";
	unsigned long error = bufferevent_get_openssl_error(connection->events);

	if (connection->handshaking)
	{
		serve_count(STAT_TLS_FAILURES, 1);
		if (ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST)
			(void) send(bufferevent_getfd(connection->events), text, sizeof(text) - 1,
						MSG_NOSIGNAL);
		ereport(serve_log_requests == SERVE_LOG_ALL ? LOG : DEBUG1,
				(errmsg("TLS handshake with \"%s\" failed: %s", connection->client,
						error != 0 ? ERR_reason_error_string(error) : "end of input")));
	}
	ERR_clear_error();
}

static void
end_of_input_work(HttpConnection *connection)
{
	connection->half_closed = true;
	if (connection->handshaking || connection->shut)
		connection_close(connection);
	else if (!connection->finishing)
		connection->protocol->half_closed(connection);
}

static void
error_work(HttpConnection *connection)
{
	if (connection->tls != NULL)
		tls_failed(connection);
	connection_close(connection);
}

static void
begin_work(HttpConnection *connection)
{
	connection->handshaking = false;
	connection->protocol->begin(connection);
}

static void
on_event(struct bufferevent *events, short what, void *arg)
{
	/* they may come together: then nothing more can be written */
	if (what & BEV_EVENT_CONNECTED)
		guarded(arg, begin_work);
	else if (what & BEV_EVENT_ERROR)
		guarded(arg, error_work);
	else
		guarded(arg, end_of_input_work);
}

static void
stop_work(HttpConnection *connection)
{
	if (connection->shut || connection->handshaking)
		connection_close(connection);
	else if (!connection->finishing)
		connection->protocol->stop(connection);
}

void
connection_stop(HttpConnection *connection)
{
	guarded(connection, stop_work);
}

/* ---- the beginning ---- */

/* The address without port, and whether it is this machine's own. */
static bool
describe_client(const struct sockaddr *address, int len, char *text, Size size)
{
	if (getnameinfo(address, len, text, size, NULL, 0, NI_NUMERICHOST) != 0)
		strlcpy(text, "unknown", size);
	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;

		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6)
	{
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	}
	return false;
}

/* NULL if there is no memory, or the certificate is gone; then the file is still open. */
static struct bufferevent *
make_events(int fd, const HttpProtocol *protocol, SSL **tls)
{
	*tls = NULL;
	if (!tls_wanted())
		return bufferevent_socket_new(gate_base, fd,
									  BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (tls_context() == NULL || (*tls = SSL_new(tls_context())) == NULL)
		return NULL;
	SSL_set_app_data(*tls, unconstify(HttpProtocol *, protocol));
	return bufferevent_openssl_socket_new(gate_base, fd, *tls, BUFFEREVENT_SSL_ACCEPTING,
										  BEV_OPT_CLOSE_ON_FREE |
											  BEV_OPT_DEFER_CALLBACKS);
}

void
connection_begin(int fd, const struct sockaddr *address, int address_len,
				 const HttpProtocol *protocol)
{
	SSL *tls;
	struct bufferevent *events = make_events(fd, protocol, &tls);
	char client[NI_MAXHOST];
	HttpConnection *connection;
	bool loopback = describe_client(address, address_len, client, sizeof(client));
	Size client_size = strlen(client) + 1;

	if (events == NULL)
	{
		SSL_free(tls);
		close(fd);
		return;
	}
	connection = MemoryContextAllocExtended(
		TopMemoryContext, sizeof(*connection) + client_size, MCXT_ALLOC_NO_OOM);
	if (connection == NULL)
	{
		bufferevent_free(events);
		return;
	}
	memset(connection, 0, sizeof(*connection));
	connection->client = memcpy(connection + 1, client, client_size);
	connection->loopback = loopback;
	connection->events = events;
	connection->protocol = protocol;
	connection->tls = tls;
	connection->handshaking = tls != NULL;
	connection->progress = http_now();
	connection->timer = evtimer_new(gate_base, on_timer, connection);
	if (connection->timer == NULL)
	{
		bufferevent_free(events);
		pfree(connection);
		return;
	}
	dlist_push_tail(&http_connections, &connection->node);
	http_connection_count++;
	ReserveExternalFD();
	serve_count(STAT_CONNECTIONS, 1);

	bufferevent_setcb(events, on_read, on_write, on_event, connection);
	bufferevent_setwatermark(events, EV_WRITE, HTTP_OUTPUT_LIMIT / 4, 0);
	evbuffer_add_cb(bufferevent_get_output(events), on_output, connection);
	bufferevent_enable(events, EV_READ | EV_WRITE);
	if (tls != NULL)
	{
		bufferevent_openssl_set_allow_dirty_shutdown(events, 1);
		connection_set_timer(connection, serve_header_timeout);
	}
	else
		guarded(connection, begin_work);
}
