/*
 * grpc_health.c
 *	  grpc.health.v1.Health: whether calls are served. It wants no credentials, as health
 *	  over HTTP does not.
 *
 * Who watches is told when that changes: it is looked at every second while anybody does.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "grpc.h"
#include "ts_remote_write.h"
#include "ts_report.h"
#include "ts_wire.h"

#define LOOK_MS       1000
#define MAX_WATCHERS  200
#define MESSAGE_LIMIT 65536 /* decompressed */

/* HealthCheckResponse.ServingStatus */
#define SERVING         1
#define NOT_SERVING     2
#define SERVICE_UNKNOWN 3

static dlist_head watchers = DLIST_STATIC_INIT(watchers);
static int nwatchers;
static struct event *look;

/* ---- questions ---- */

/* HealthCheckRequest: service = 1. */
static bool
read_service(GateRequest *request, TsString *service)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsWriteEncoding encoding = request->content_encoding.len > 0 ? TS_WRITE_GZIP
																 : TS_WRITE_PLAIN;
	Size size = evbuffer_get_length(request->body);
	void *body = palloc(size);
	const void *data;
	size_t len;
	TsError err;
	TsWire wire;

	(void) evbuffer_copyout(request->body, body, size);
	if (ts_write_decompress(encoding, body, size, MESSAGE_LIMIT, &allocator, &data, &len,
							&err) != TS_OK)
		return false;
	wire = (TsWire){data, (const uint8 *) data + len};
	*service = (TsString){"", 0};
	while (wire_more(&wire))
	{
		uint32 tag;

		if (!wire_tag(&wire, &tag) ||
			!(tag == WIRE_TAG(1, WIRE_BYTES) ? wire_string(&wire, service)
											 : wire_skip(&wire, tag)))
			return false;
	}
	return true;
}

static bool
is_known(TsString service)
{
	return service.len == 0 ||
		   ts_string_is(service,
						"opentelemetry.proto.collector.metrics.v1.MetricsService");
}

/* ---- answers ---- */

/* HealthCheckResponse: status = 1. */
static void
make_answer(uint8 message[2], int status)
{
	message[0] = WIRE_TAG(1, WIRE_VARINT);
	message[1] = (uint8) status;
}

static void
answer(GateRequest *request, int status)
{
	uint8 message[2];
	GateReply reply = {.status = 200, .fd = -1, .size = sizeof(message)};

	make_answer(message, status);
	reply.body = (TsString){(const char *) message, sizeof(message)};
	request->call->told = status;
	gate_reply(request, &reply);
}

void
grpc_health(GateRequest *request)
{
	bool watch = request->route == ROUTE_GRPC_WATCH;
	TsString service;

	if (!read_service(request, &service))
		grpc_refuse(request, 400, GRPC_INTERNAL, "the message is no HealthCheckRequest");
	else if (!is_known(service) && !watch)
		grpc_refuse(request, 404, GRPC_NOT_FOUND, "unknown service");
	else if (watch && nwatchers >= MAX_WATCHERS)
		grpc_refuse(request, 429, GRPC_RESOURCE_EXHAUSTED, "too many watch already");
	else if (!is_known(service))
		answer(request, SERVICE_UNKNOWN);
	else
		answer(request, gate_not_ready() == NULL ? SERVING : NOT_SERVING);
}

/* ---- who watches ---- */

/* The next one to be told this; those of an unknown service never are. */
static GrpcCall *
next_to_tell(int status)
{
	dlist_iter iter;

	dlist_foreach(iter, &watchers)
	{
		GrpcCall *call = dlist_container(GrpcCall, watch, iter.cur);

		if (call->told != status && call->told != SERVICE_UNKNOWN)
			return call;
	}
	return NULL;
}

static void
tell_work(void *arg)
{
	GrpcCall *call = arg;
	uint8 message[2];

	make_answer(message, call->told);
	(void) grpc_send(call, message, sizeof(message));
	http2_flush(call->http2);
}

/* To tell one may be the end of any: so each time the next one is sought anew. */
static void
tell_all(void *arg)
{
	int status = gate_not_ready() == NULL ? SERVING : NOT_SERVING;
	GrpcCall *call;

	while ((call = next_to_tell(status)) != NULL)
	{
		HttpConnection *connection = call->http2->connection;
		bool was_active = connection_enter(connection);

		call->told = status;
		if (!gate_guard(tell_work, call))
			connection_close(connection);
		connection_leave(connection, was_active);
	}
}

static void
start_look(void)
{
	struct timeval later = gate_timeval(LOOK_MS);

	if (nwatchers > 0)
		(void) event_add(look, &later);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	(void) gate_guard(tell_all, NULL);
	start_look();
}

void
grpc_watch(GrpcCall *call)
{
	if (look == NULL)
		look = evtimer_new(gate_base, on_look, NULL);
	if (look == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	call->watching = true;
	dlist_push_tail(&watchers, &call->watch);
	if (nwatchers++ == 0)
		start_look();
}

void
grpc_unwatch(GrpcCall *call)
{
	if (!call->watching)
		return;
	call->watching = false;
	dlist_delete(&call->watch);
	nwatchers--;
}
