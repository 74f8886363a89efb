/*
 * client.c
 *	  A small HTTP/1.1 client for benchmarks: one process, one loop, nothing copied on the
 *	  way out.
 *
 * A connection is idle until its next request is due, then sends, then reads the answer.
 */
#define _GNU_SOURCE /* strcasestr, memmem */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../promql/series.h"

typedef enum State
{
	IDLE, /* until due */
	SENDING,
	READING,
	ENDED /* no more requests */
} State;

typedef struct Connection
{
	int fd;
	State state;
	bool again; /* the request is not new */
	ClientRequest request;
	size_t sent;
	double due;   /* when to send */
	double began; /* the request's time counts from here */
	double pause; /* before it is sent again, the next time */
	char *answer;
	size_t got;
	size_t room;
} Connection;

typedef struct Client
{
	const ClientWork *work;
	ClientResult *result;
	Connection *connections;
	int epoll;
	double started;
} Client;

/* ---- connections ---- */

static void
watch(Client *client, Connection *connection, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = connection};

	if (epoll_ctl(client->epoll, operation, connection->fd, &event) != 0)
		bench_fail("epoll_ctl");
}

static void
open_connection(Client *client, Connection *connection)
{
	connection->fd = client_connect(client->work->port);
	watch(client, connection, EPOLL_CTL_ADD, EPOLLIN);
}

/* The request is to be sent once more, after a pause. */
static void
send_again(Client *client, Connection *connection, double pause)
{
	client->result->again++;
	connection->again = true;
	connection->state = IDLE;
	if (pause <= 0)
	{
		pause = connection->pause;
		connection->pause = CLIENT_NEXT_PAUSE(pause);
	}
	connection->due = client_now() + pause;
}

static void
lost(Client *client, Connection *connection)
{
	close(connection->fd);
	open_connection(client, connection);
	if (connection->state == SENDING || connection->state == READING)
		send_again(client, connection, 0);
}

/* ---- answers ---- */

/* The value of a header, or NULL. The answer ends with a zero byte. */
static const char *
header(const char *answer, const char *name)
{
	const char *found = strcasestr(answer, name);

	return found == NULL ? NULL : found + strlen(name);
}

/* Whether chunks are complete. */
static bool
chunks_complete(const char *at, const char *end)
{
	while (at < end)
	{
		char *rest;
		unsigned long size = strtoul(at, &rest, 16);
		const char *line = memmem(at, (size_t) (end - at), "\r\n", 2);

		if (line == NULL)
			return false;
		if (size == 0)
			return end - line >= 4;
		if (size + 4 > (size_t) (end - line))
			return false;
		at = line + 2 + size + 2;
	}
	return false;
}

/* Whether all of the answer is there. */
static bool
is_complete(Connection *connection)
{
	char *body = strstr(connection->answer, "\r\n\r\n");
	bool complete;
	const char *value;
	size_t head;

	if (body == NULL)
		return false;
	head = (size_t) (body - connection->answer) + 4;
	body[2] = 0;
	if ((value = header(connection->answer, "\r\ncontent-length:")) != NULL)
		complete = connection->got >= head + strtoul(value, NULL, 10);
	else if (header(connection->answer, "\r\ntransfer-encoding: chunked") != NULL)
		complete = chunks_complete(connection->answer + head,
								   connection->answer + connection->got);
	else
		complete = true;
	body[2] = '\r';
	return complete;
}

static void
answered(Client *client, Connection *connection)
{
	int status = 0;
	const char *pause;
	double time = client_now();

	if (sscanf(connection->answer, "HTTP/1.%*d %d", &status) != 1)
		bench_fail("no HTTP");
	if (status == 429 || status == 503)
	{
		pause = header(connection->answer, "\r\nretry-after:");
		send_again(client, connection, pause != NULL ? strtod(pause, NULL) : 0);
		return;
	}
	if (status / 100 != 2)
	{
		fprintf(stderr, "%s\n", connection->answer);
		bench_fail("a request was refused");
	}
	client_note(client->result, time - connection->began);
	connection->state = IDLE;
	connection->again = false;
	connection->pause = CLIENT_FIRST_PAUSE;
	if (client->work->rate > 0)
		connection->due += client->work->connections / client->work->rate;
	else
		connection->due = time;
}

/* ---- what a connection does next ---- */

static void
go_on_sending(Client *client, Connection *connection)
{
	while (connection->sent < connection->request.length)
	{
		ssize_t n = send(connection->fd, connection->request.bytes + connection->sent,
						 connection->request.length - connection->sent,
						 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		{
			watch(client, connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0)
		{
			lost(client, connection);
			return;
		}
		connection->sent += (size_t) n;
		client->result->sent += (uint64_t) n;
	}
	watch(client, connection, EPOLL_CTL_MOD, EPOLLIN);
	connection->state = READING;
}

static void
begin(Client *client, Connection *connection)
{
	const ClientWork *work = client->work;

	if (!connection->again)
	{
		if ((work->seconds > 0 && client_now() - client->started >= work->seconds) ||
			!work->next(work->arg, (int) (connection - client->connections),
						&connection->request))
		{
			connection->state = ENDED;
			return;
		}
		connection->began = work->rate > 0 ? connection->due : client_now();
	}
	connection->state = SENDING;
	connection->sent = 0;
	connection->got = 0;
	go_on_sending(client, connection);
}

static void
go_on_reading(Client *client, Connection *connection)
{
	while (true)
	{
		ssize_t n;

		if (connection->room - connection->got < 4096)
		{
			connection->room = connection->room * 2 + 16384;
			connection->answer = realloc(connection->answer, connection->room);
			if (connection->answer == NULL)
				bench_fail("no memory");
		}
		n = recv(connection->fd, connection->answer + connection->got,
				 connection->room - connection->got - 1, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0)
		{
			lost(client, connection);
			return;
		}
		connection->got += (size_t) n;
		connection->answer[connection->got] = 0;
		if (connection->state != IDLE && is_complete(connection))
		{
			answered(client, connection);
			return;
		}
	}
}

/* Begins what is due; returns how many milliseconds nothing more is, -1 if all has ended. */
static int
begin_due(Client *client)
{
	double time = client_now();
	double first = time + 1;
	bool any = false;

	for (int i = 0; i < client->work->connections; i++)
	{
		Connection *connection = &client->connections[i];

		if (connection->state == IDLE && connection->due <= time)
			begin(client, connection);
		if (connection->state == IDLE && connection->due < first)
			first = connection->due;
		any |= connection->state != ENDED;
	}
	if (!any)
		return -1;
	time = client_now();
	return first <= time ? 0 : (int) ((first - time) * 1000) + 1;
}

void
client_run(const ClientWork *work, ClientResult *result)
{
	Client client = {.work = work, .result = result, .epoll = epoll_create1(0)};
	int wait;

	*result = (ClientResult){0};
	client.connections = calloc((size_t) work->connections, sizeof(Connection));
	if (client.connections == NULL || client.epoll < 0)
		bench_fail("no memory");
	client.started = client_now();
	for (int i = 0; i < work->connections; i++)
	{
		Connection *connection = &client.connections[i];

		connection->pause = CLIENT_FIRST_PAUSE;
		connection->due = client.started + (work->rate > 0 ? i / work->rate : 0);
		open_connection(&client, connection);
	}
	while ((wait = begin_due(&client)) >= 0)
	{
		struct epoll_event events[64];
		int n = epoll_wait(client.epoll, events, 64, wait);

		for (int i = 0; i < n; i++)
		{
			Connection *connection = events[i].data.ptr;

			if (connection->state == SENDING && (events[i].events & EPOLLOUT))
				go_on_sending(&client, connection);
			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				go_on_reading(&client, connection);
		}
	}
	client_finish(result, client.started);
	for (int i = 0; i < work->connections; i++)
	{
		close(client.connections[i].fd);
		free(client.connections[i].answer);
	}
	close(client.epoll);
	free(client.connections);
}

/* ---- what all that run have ---- */

int
client_connect(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((uint16_t) port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		bench_fail("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

double
client_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

void
client_note(ClientResult *result, double seconds)
{
	if (result->requests == result->room)
	{
		result->room = result->room * 2 + 1024;
		result->microseconds = realloc(result->microseconds,
									   result->room * sizeof(uint32_t));
		if (result->microseconds == NULL)
			bench_fail("no memory");
	}
	result->microseconds[result->requests++] = (uint32_t) (seconds * 1e6);
}

static int
compare_times(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a;
	uint32_t y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

void
client_finish(ClientResult *result, double started)
{
	result->seconds = client_now() - started;
	qsort(result->microseconds, result->requests, sizeof(uint32_t), compare_times);
}

double
client_quantile(const ClientResult *result, double part)
{
	size_t at = (size_t) (part * (double) result->requests);

	if (result->requests == 0)
		return 0;
	return result->microseconds[at < result->requests ? at : result->requests - 1] /
		   1000.0;
}
