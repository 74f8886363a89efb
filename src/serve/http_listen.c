/*
 * http_listen.c
 *	  The sockets on which clients come, one for each port and each of
 *	  mytsdb.listen_addresses.
 *
 * A port of an address that cannot be had is logged and tried again every few seconds; the
 * others are served meanwhile. When files run out nobody is accepted for a moment.
 */
#include "postgres.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/listener.h>

#include "common/ip.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "http.h"
#include "serve_settings.h"
#include "serve_stats.h"

#define RETRY_S 5
/* To look for a name takes the loop's time; whatever takes longer waits for a reload. */
#define SLOW_NAME_MS 1000
#define PAUSE_MS     200
#define BACKLOG      1024
#define MAX_SOCKETS  64
/* Files that a process needs beside its connections. */
#define OTHER_FILES 200

typedef struct Port
{
	const char *setting;
	const char *plain; /* what is spoken there, without TLS and with it */
	const char *secure;
	const int *number; /* 0: none */
	const HttpProtocol *protocol;
} Port;

static const Port ports[] = {
	{"mytsdb.http_port", "HTTP", "HTTPS", &serve_http_port, &http1_protocol},
	{"mytsdb.otlp_http_port", "HTTP", "HTTPS", &serve_otlp_http_port, &http1_protocol},
	{"mytsdb.otlp_grpc_port", "gRPC", "gRPC with TLS", &serve_otlp_grpc_port,
	 &http2_protocol},
};

/* A port of an address. */
typedef struct Address
{
	const Port *port;
	const char *name; /* NULL: all there are */
	bool bound;
	bool slow;       /* to be found: the loop is not to wait for that again and again */
	bool complained; /* about what is wrong; not again until it was right */
} Address;

static Address *addresses;
static int address_count;
static struct evconnlistener *listeners[MAX_SOCKETS];
static int listener_count;
static struct event *retry_timer;
static struct event *resume_timer;
static bool stopped;

/* ---- accepting ---- */

static void
set_accepting(bool on)
{
	for (int i = 0; i < listener_count; i++)
	{
		if (on)
			evconnlistener_enable(listeners[i]);
		else
			evconnlistener_disable(listeners[i]);
	}
}

static void
resume_accepting(evutil_socket_t fd, short what, void *arg)
{
	set_accepting(true);
}

static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct timeval pause = gate_timeval(PAUSE_MS);
	int error = EVUTIL_SOCKET_ERROR();

	if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
		return;
	ereport(
		LOG,
		(errmsg("could not accept an HTTP connection: %s", strerror(error)),
		 errhint("Lower mytsdb.max_http_connections or raise the limit of open files.")));
	set_accepting(false);
	event_add(resume_timer, &pause);
}

/* Says no, if that goes without waiting, unless TLS is spoken. */
static void
turn_away(int fd, const HttpProtocol *protocol)
{
	serve_count(STAT_CONNECTIONS_REFUSED, 1);
	if (!tls_wanted() &&
		send(fd, protocol->too_many, protocol->too_many_size, MSG_NOSIGNAL) > 0)
		shutdown(fd, SHUT_WR);
	close(fd);
}

typedef struct Accepted
{
	int fd;
	const struct sockaddr *address;
	int len;
	const Port *port;
} Accepted;

static void
take(void *arg)
{
	Accepted *accepted = arg;
	int on = 1;

	if (http_connection_count >= serve_max_connections)
	{
		turn_away(accepted->fd, accepted->port->protocol);
		return;
	}
	setsockopt(accepted->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(accepted->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	serve_count(STAT_CONNECTIONS_ACCEPTED, 1);
	connection_begin(accepted->fd, accepted->address, accepted->len,
					 accepted->port->protocol);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		  int len, void *arg)
{
	Accepted accepted = {fd, address, len, arg};

	gate_guard(take, &accepted);
}

/* ---- listening ---- */

static void
complain(Address *address, const char *what, const char *why)
{
	if (!address->complained)
		ereport(LOG, (errmsg("could not %s for %s on \"%s\", port %d: %s", what,
							 address->port->plain, address->name ? address->name : "*",
							 *address->port->number, why),
					  address->slow
						  ? errhint("It is tried again when the configuration is "
									"reloaded.")
						  : errhint("It is tried again every %d seconds.", RETRY_S)));
	address->complained = true;
}

static bool
listen_on(Address *address, const struct addrinfo *info)
{
	int on = 1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct evconnlistener *listener;

	if (fd < 0)
	{
		/* a family that this system does not have is no fault */
		if (errno != EAFNOSUPPORT)
			complain(address, "make a socket", strerror(errno));
		return false;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
	{
		complain(address, "listen", strerror(errno));
		close(fd);
		return false;
	}
	listener = evconnlistener_new(gate_base, on_accept, unconstify(Port *, address->port),
								  LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, fd);
	if (listener == NULL)
	{
		complain(address, "listen", "out of memory");
		close(fd);
		return false;
	}
	evconnlistener_set_error_cb(listener, on_accept_error);
	ReserveExternalFD();
	listeners[listener_count++] = listener;
	return true;
}

/* What a name stands for; a socket of any of it is enough. */
static void
try_address(Address *address)
{
	struct addrinfo hint = {.ai_family = AF_UNSPEC,
							.ai_socktype = SOCK_STREAM,
							.ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char port[16];
	int64 begun;
	int result;

	snprintf(port, sizeof(port), "%d", *address->port->number);
	begun = http_now();
	result = getaddrinfo(address->name, port, &hint, &found);
	address->slow = result != 0 && http_now() - begun > SLOW_NAME_MS;
	if (result != 0)
	{
		complain(address, "find the address", gai_strerror(result));
		return;
	}
	for (struct addrinfo *info = found; info != NULL; info = info->ai_next)
	{
		if (listener_count < MAX_SOCKETS && listen_on(address, info))
			address->bound = true;
	}
	freeaddrinfo(found);
	if (address->bound)
	{
		address->complained = false;
		ereport(LOG,
				(errmsg("mytsdb serves %s on \"%s\", port %d",
						tls_wanted() ? address->port->secure : address->port->plain,
						address->name ? address->name : "*", *address->port->number)));
	}
}

static void
try_all(void *arg)
{
	struct timeval later = gate_timeval(RETRY_S * 1000);
	bool missing = tls_wanted() && tls_context() == NULL;

	for (int i = 0; i < address_count && !missing; i++)
	{
		if (!addresses[i].bound && !addresses[i].slow)
			try_address(&addresses[i]);
	}
	for (int i = 0; i < address_count; i++)
		missing = missing || (!addresses[i].bound && !addresses[i].slow);
	if (missing)
		event_add(retry_timer, &later);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	if (!stopped)
		gate_guard(try_all, NULL);
}

/* One that is another's, too, is served by that one. */
static bool
is_served_by_another(const Port *port)
{
	for (const Port *other = ports; other < port; other++)
	{
		if (*other->number != *port->number)
			continue;
		if (other->protocol != port->protocol)
			ereport(LOG, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						  errmsg("%s is not served: %s and %s are the same port",
								 port->plain, port->setting, other->setting),
						  errhint("Set %s to another port, or to 0.", port->setting)));
		return true;
	}
	return false;
}

static void
read_addresses(void)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	List *list = NIL;
	ListCell *cell;

	/* the setting's check has seen that it is a list */
	if (!SplitGUCList(pstrdup(serve_listen_addresses), ',', &list))
		elog(ERROR, "mytsdb.listen_addresses is no list");
	addresses = palloc0(sizeof(Address) * lengthof(ports) * Max(list_length(list), 1));
	for (const Port *port = ports; port < ports + lengthof(ports); port++)
	{
		if (*port->number == 0 || is_served_by_another(port))
			continue;
		foreach (cell, list)
		{
			const char *name = lfirst(cell);
			Address *address = &addresses[address_count++];

			address->port = port;
			address->name = strcmp(name, "*") == 0 ? NULL : name;
		}
	}
	MemoryContextSwitchTo(before);
}

/* A connection may need a second file, for its answer. */
static void
raise_file_limit(void)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t) serve_max_connections * 2 + OTHER_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
		limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = Min(wanted, limit.rlim_max);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
		ereport(LOG, (errmsg("%d HTTP connections may need more open files than the "
							 "system allows (%ld)",
							 serve_max_connections, (long) limit.rlim_cur),
					  errhint("Raise the hard limit of open files, or lower "
							  "mytsdb.max_http_connections.")));
}

void
listen_start(void)
{
	raise_file_limit();
	read_addresses();
	retry_timer = evtimer_new(gate_base, on_retry, NULL);
	resume_timer = evtimer_new(gate_base, resume_accepting, NULL);
	if (retry_timer == NULL || resume_timer == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (address_count == 0)
		ereport(LOG, (errmsg("mytsdb serves no HTTP: mytsdb.listen_addresses is empty")));
	try_all(NULL);
}

void
listen_retry(void)
{
	raise_file_limit();
	for (int i = 0; i < address_count; i++)
		addresses[i].slow = false;
	if (!stopped)
		try_all(NULL);
}

void
listen_stop(void)
{
	stopped = true;
	while (listener_count > 0)
	{
		evconnlistener_free(listeners[--listener_count]);
		ReleaseExternalFD();
	}
	event_del(retry_timer);
	event_del(resume_timer);
}
