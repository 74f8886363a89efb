/*
 * http_request.c
 *	  A request's way: from its head to whoever answers it.
 *
 * All that can be said from the head is said before the body is read: that there is no such
 * path, that the role may not, that the body is too long or that there is no room for it.
 *
 * The bytes of all bodies that are read or wait count against mytsdb.ingest_queue_size,
 * until their requests are answered. One body may be longer than that when it is alone.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "http.h"
#include "serve_settings.h"
#include "serve_stats.h"

/* When to come again after there was no room. */
#define RETRY_S 1

static Size body_bytes;
/* Requests that are not freed: of gRPC there may be many on a connection. */
static int request_count;

Size
gate_body_bytes(void)
{
	return body_bytes;
}

static uint64
next_id(void)
{
	static uint64 last;

	/* of a gate that was started anew, too, they are others than before */
	if (last == 0)
		last = (uint64) GetCurrentTimestamp();
	return ++last;
}

/* ---- from the head ---- */

TsString
request_copy_text(GateRequest *request, TsString text)
{
	char *copy;

	if (text.len == 0)
		return (TsString){"", 0};
	copy = MemoryContextAlloc(request->context, text.len + 1);
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return (TsString){copy, text.len};
}

/* False if it is not well encoded. */
static bool
decode(GateRequest *request, TsString text, TsString *out)
{
	char *decoded = MemoryContextAlloc(request->context, text.len + 1);

	out->data = decoded;
	if (!http_percent_decode(text, decoded, &out->len))
		return false;
	decoded[out->len] = '\0';
	return true;
}

/* One without any text. */
static GateRequest *
new_request(void)
{
	static const TsString empty = {"", 0};
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "mytsdb HTTP request",
												  ALLOCSET_SMALL_SIZES);
	GateRequest *request = MemoryContextAllocZero(context, sizeof(*request));

	request->context = context;
	request->id = next_id();
	request->target = request->path = request->query = empty;
	request->tenant = request->argument = empty;
	request->authorization = request->host = request->origin = empty;
	request->content_type = request->content_encoding = empty;
	request->accept = request->accept_encoding = empty;
	request->write_version = request->user_agent = empty;
	request->client = "";
	request->received = GetCurrentTimestamp();
	INSTR_TIME_SET_CURRENT(request->began);
	request->completed = request->began;
	request->worker = -1;
	request->body = evbuffer_new();
	if (request->body == NULL)
	{
		MemoryContextDelete(context);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	request_count++;
	return request;
}

GateRequest *
gate_own_request(ServeRoute route, ServeMethod method,
				 void (*answered)(const GateRequest *request, const GateReply *reply))
{
	GateRequest *request = new_request();

	Assert(answered != NULL);
	request->route = route;
	request->method = method;
	request->answered = answered;
	return request;
}

GateRequest *
request_make(HttpConnection *connection)
{
	GateRequest *request = new_request();

	request->client = MemoryContextStrdup(request->context, connection->client);
	request->loopback = connection->loopback;
	request->tls = connection->tls != NULL;
	request->connection = connection;
	return request;
}

static void
copy_head(GateRequest *request, const HttpHead *head)
{
	const TsString *fields = head->fields;

	request->method = head->method;
	request->http_1_0 = head->http_1_0;
	request->target = request_copy_text(request, head->target);
	request->path = request_copy_text(request, head->path);
	request->query = request_copy_text(request, head->query);
	request->authorization = request_copy_text(request, fields[FIELD_AUTHORIZATION]);
	request->content_type = request_copy_text(request, fields[FIELD_CONTENT_TYPE]);
	request->content_encoding = request_copy_text(request,
												  fields[FIELD_CONTENT_ENCODING]);
	request->accept = request_copy_text(request, fields[FIELD_ACCEPT]);
	request->accept_encoding = request_copy_text(request, fields[FIELD_ACCEPT_ENCODING]);
	request->host = request_copy_text(request, fields[FIELD_HOST]);
	request->origin = request_copy_text(request, fields[FIELD_ORIGIN]);
	request->write_version = request_copy_text(request, fields[FIELD_WRITE_VERSION]);
	request->user_agent = request_copy_text(request, fields[FIELD_USER_AGENT]);
}

void
request_free(GateRequest *request)
{
	Assert(body_bytes >= request->body_counted);
	body_bytes -= request->body_counted;
	evbuffer_free(request->body);
	MemoryContextDelete(request->context);
	request_count--;
}

/*
 * Route, tenant and argument; false when it has been answered. A tenant in the path and
 * another one in the header are too many.
 */
static bool
find_route(GateRequest *request, const HttpHead *head)
{
	TsString header = head->fields[FIELD_TENANT];
	ServeTarget target;

	serve_find_route(request->path, &target);
	request->route = target.route;
	if (!decode(request, target.tenant, &request->tenant) ||
		!decode(request, target.argument, &request->argument) ||
		ts_utf8_valid_prefix(header.data, header.len) != header.len)
	{
		gate_refuse(request, 400, "the path or the tenant is not well encoded", 0);
		return false;
	}
	if (header.len > 0 && request->tenant.len > 0 &&
		!ts_string_equal(header, request->tenant))
	{
		gate_refuse(request, 400, "path and X-Scope-OrgID name different tenants", 0);
		return false;
	}
	if (header.len > 0)
		request->tenant = request_copy_text(request, header);
	return true;
}

static bool
takes_method(const GateRequest *request)
{
	int methods = serve_routes[request->route].methods;

	if (methods & SERVE_GET)
		methods |= SERVE_HEAD;
	return (request->method & methods) != 0;
}

/* At once or, if that is to take a while, then. */
static void
refuse(GateRequest *request, const GateRefusal *refusal)
{
	request->reason = refusal->detail;
	if (refusal->delay_ms <= 0)
	{
		gate_refuse(request, refusal->status, refusal->message, refusal->retry_after);
		return;
	}
	request->held = MemoryContextAlloc(request->context, sizeof(*refusal));
	*request->held = *refusal;
	request->connection->protocol->hold(request, refusal->delay_ms);
}

void
request_refuse_held(GateRequest *request)
{
	const GateRefusal *refusal = request->held;

	gate_refuse(request, refusal->status, refusal->message, refusal->retry_after);
}

/* OpenTelemetry's SDKs send their other signals to the same server by default. */
static const char *
not_found(TsString path)
{
	if (ts_string_is(path, "/v1/traces") || ts_string_is(path, "/api/v1/otlp/v1/traces"))
		return "traces are not stored here: only metrics are";
	if (ts_string_is(path, "/v1/logs") || ts_string_is(path, "/api/v1/otlp/v1/logs"))
		return "logs are not stored here: only metrics are";
	return "404 page not found";
}

/* Without any right asked for; false when it has been answered. */
static bool
is_served(GateRequest *request)
{
	if (request->route == ROUTE_UNKNOWN)
		gate_refuse(request, 404, not_found(request->path), 0);
	else if (request->method == SERVE_OPTIONS)
		reply_options(request);
	else if (!takes_method(request))
		reply_wrong_method(request);
	else if (gate_stopping)
		gate_refuse(request, 503, "the server is being shut down", RETRY_S);
	else if (request->grpc && request_count > serve_max_connections)
		gate_refuse(request, 429,
					"too many calls are under way (mytsdb.max_http_connections)",
					RETRY_S);
	else
		return true;
	return false;
}

static bool
is_allowed(GateRequest *request)
{
	GateRefusal refusal = {0};

	bool allowed = serve_routes[request->route].open || gate_authorize(request, &refusal);

	if (request->route == ROUTE_ADMIN_TSDB)
		gate_audit_request(request, "admin request");
	if (!allowed)
		refuse(request, &refusal);
	return allowed;
}

/* ---- bodies ---- */

static bool
is_too_long(uint64 bytes)
{
	return bytes > (uint64) serve_max_body_size * 1024;
}

/* Whether so many bytes more of a request's body are too many for all that wait. */
static bool
is_too_much(const GateRequest *request, uint64 more)
{
	Size others = body_bytes - request->body_counted;

	return others > 0 &&
		   body_bytes + more > (uint64) serve_ingest_queue_size * (uint64) 1024;
}

static void
refuse_too_long(GateRequest *request)
{
	gate_refuse(request, 413, "the body is longer than mytsdb.max_body_size", 0);
}

static void
refuse_too_much(GateRequest *request)
{
	serve_count(STAT_WRITE_PUSHED_BACK, 1);
	gate_refuse(request, 503,
				"too many bytes wait to be written (mytsdb.ingest_queue_size)", RETRY_S);
}

/* Whether its route takes anything now; false when it has been answered. */
static bool
may_write(GateRequest *request)
{
	int status;
	int retry_after = 0;
	const char *why;

	if (serve_routes[request->route].who != SERVE_BY_INGEST)
		return true;
	why = dispatch_refuses_writes(&status, &retry_after);
	if (why == NULL)
		return true;
	serve_count(STAT_WRITE_PUSHED_BACK, 1);
	gate_refuse(request, status, why, retry_after);
	return false;
}

bool
request_expect_body(GateRequest *request, uint64 length)
{
	GateRefusal refusal = {0};

	if (length == 0)
		return true;
	if (is_too_long(length))
		refuse_too_long(request);
	else if (is_too_much(request, length))
		refuse_too_much(request);
	else if (!gate_allow_bytes(request, length, &refusal))
		refuse(request, &refusal);
	else
	{
		request->bytes_allowed = true;
		return true;
	}
	return false;
}

bool
request_admit(GateRequest *request)
{
	return is_served(request) && is_allowed(request) && may_write(request);
}

void
request_begin(GateRequest *request, const HttpHead *head)
{
	copy_head(request, head);
	if (find_route(request, head) && request_admit(request))
		request_expect_body(request, head->length);
}

/* Whether the body may have so many bytes more; false when it has been answered. */
static bool
may_grow(GateRequest *request, Size more)
{
	if (is_too_long(request->body_counted + more))
		refuse_too_long(request);
	else if (is_too_much(request, more))
		refuse_too_much(request);
	else
		return true;
	return false;
}

static void
has_grown(GateRequest *request, bool grown, Size more)
{
	if (!grown)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	request->body_counted += more;
	body_bytes += more;
}

void
request_add_body(GateRequest *request, TsString bytes)
{
	if (may_grow(request, bytes.len))
		has_grown(request, evbuffer_add(request->body, bytes.data, bytes.len) == 0,
				  bytes.len);
}

void
request_move_body(GateRequest *request, struct evbuffer *input, Size size)
{
	if (may_grow(request, size))
		has_grown(request,
				  evbuffer_remove_buffer(input, request->body, size) == (int) size, size);
}

/* ---- whole ---- */

void
request_complete(GateRequest *request)
{
	GateRefusal refusal = {0};

	/* its time does not begin before: a slow line is no long query */
	request->received = GetCurrentTimestamp();
	INSTR_TIME_SET_CURRENT(request->completed);
	if (!request->bytes_allowed && request->body_counted > 0 &&
		!gate_allow_bytes(request, request->body_counted, &refusal))
		refuse(request, &refusal);
	else if (serve_routes[request->route].who == SERVE_BY_GATE)
		reply_own(request);
	else
	{
		request->dispatched = true;
		gate_dispatch(request);
	}
}

void
request_abandon(GateRequest *request)
{
	request->connection = NULL;
	if (request->dispatched)
		dispatch_abandon(request);
	else
		request_free(request);
}
