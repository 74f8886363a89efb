/*
 * grpc.c
 *	  Calls of gRPC: from a stream's head to its trailers.
 *
 * A call becomes a request like those of HTTP (http_request.c): who may not, or comes when
 * nothing is taken, is told so before the message comes; its length is looked at when its
 * prefix is there. What is answered is the request's status as gRPC says it, in trailers;
 * counters and the log have HTTP's.
 *
 * Callbacks of the session are guarded, since nothing may jump through it. Within them
 * nothing is sent: http2.c does when they have returned.
 */
#include "postgres.h"

#include <unistd.h>

#include "common/base64.h"
#include "utils/memutils.h"

#include "grpc.h"
#include "serve_settings.h"
#include "serve_stats.h"
#include "ts_report.h"

#define METRICS_SERVICE "/opentelemetry.proto.collector.metrics.v1.MetricsService/"
#define LOGS_SERVICE    "/opentelemetry.proto.collector.logs.v1.LogsService/"
#define TRACE_SERVICE   "/opentelemetry.proto.collector.trace.v1.TraceService/"
#define HEALTH_SERVICE  "/grpc.health.v1.Health/"

#define ENCODINGS "identity,gzip"
/* Of what trailers say, encoded: clients take some kB of metadata. */
#define MESSAGE_SIZE 2048
#define DETAILS_SIZE 2048
/* A message that comes slower on average is given up. */
#define MIN_BODY_RATE 256 /* bytes per second */
/* An answer that a worker put into a file is no longer than this. */
#define FILE_LIMIT (256 * 1024)
/* Questions about health are shorter. */
#define HEALTH_LIMIT 4096

static Http2Field
field(const char *name, TsString value)
{
	return (Http2Field){{name, strlen(name)}, value};
}

static Http2Field
text_field(const char *name, const char *value)
{
	return field(name, (TsString){value, strlen(value)});
}

/* ---- answers ---- */

/* The head of all answers: :status, content type and what helps. Returns how many fields. */
static uint32
head_fields(Http2Field *fields, const GateRequest *request)
{
	uint32 n = 0;

	fields[n++] = text_field(":status", "200");
	fields[n++] = text_field("content-type", "application/grpc");
	fields[n++] = text_field("grpc-accept-encoding", ENCODINGS);
	if (request != NULL)
		fields[n++] = text_field("x-request-id", psprintf(UINT64_FORMAT, request->id));
	return n;
}

bool
grpc_send(GrpcCall *call, const void *message, Size size)
{
	Http2Session *session = call->http2->session;
	uint8 prefix[GRPC_PREFIX];

	grpc_write_prefix(prefix, (uint32) size);
	return http2_answer_bytes(session, call->stream, prefix, sizeof(prefix)) &&
		   http2_answer_bytes(session, call->stream, message, size);
}

static uint32
status_fields(Http2Field *fields, TsGrpcCode code, TsString message)
{
	uint32 n = 0;
	char *encoded = palloc(MESSAGE_SIZE);
	size_t len = grpc_write_message(message, encoded, MESSAGE_SIZE);

	fields[n++] = text_field("grpc-status", psprintf("%d", (int) code));
	if (len > 0)
		fields[n++] = field("grpc-message", (TsString){encoded, len});
	return n;
}

/* A head alone, unless one was sent; `details`: a google.rpc.Status, or empty. */
static void
end_call(GrpcCall *call, const GateRequest *request, TsGrpcCode code, TsString message,
		 TsString details)
{
	Http2Field fields[10];
	uint32 n = call->watching ? 0 : head_fields(fields, request);
	int size = pg_b64_enc_len((int) details.len);

	n += status_fields(fields + n, code, message);
	if (details.len > 0 && size <= DETAILS_SIZE)
	{
		char *encoded = palloc((Size) size);

		size = pg_b64_encode(details.data, (int) details.len, encoded, size);
		/* without padding, as gRPC would have it */
		while (size > 0 && encoded[size - 1] == '=')
			size--;
		fields[n++] = field("grpc-status-details-bin",
							(TsString){encoded, (size_t) size});
	}
	(void) http2_answer_end(call->http2->session, call->stream, fields, n);
}

void
grpc_end(GrpcCall *call, TsGrpcCode code, const char *message)
{
	end_call(call, NULL, code, (TsString){message, strlen(message)}, (TsString){"", 0});
	grpc_unwatch(call);
}

/* The body of a reply, wherever it is. */
static TsString
reply_body(const GateReply *reply)
{
	TsString body = reply->body;
	char *read;

	if (reply->fd < 0)
		return body;
	if (reply->size > FILE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an answer of " UINT64_FORMAT " bytes is too long for gRPC",
						reply->size)));
	read = palloc(reply->size);
	if (pread(reply->fd, read, reply->size, 0) != (ssize_t) reply->size)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read an answer from a temporary file: %m")));
	return (TsString){read, reply->size};
}

static void
send_success(GrpcCall *call, const GateRequest *request, const GateReply *reply)
{
	Http2Session *session = call->http2->session;
	TsString body = reply_body(reply);
	Http2Field fields[10];

	if (!http2_answer(session, call->stream, fields, head_fields(fields, request)) ||
		!grpc_send(call, body.data, body.len))
		return;
	if (request->route == ROUTE_GRPC_WATCH)
		grpc_watch(call);
	else
		(void) http2_answer_end(session, call->stream, fields,
								status_fields(fields, GRPC_OK, (TsString){"", 0}));
}

/* What was refused has a google.rpc.Status, or a line of text. */
static void
send_failure(GrpcCall *call, const GateRequest *request, const GateReply *reply)
{
	const char *type = reply->content_type;
	TsString body = reply_body(reply);
	TsString details = {"", 0};
	TsString message = body;
	int code = ts_grpc_code(reply->status);

	if (type != NULL && strcmp(type, ts_otlp_media_type(TS_OTLP_PROTOBUF)) == 0 &&
		ts_otlp_read_status(body.data, body.len, &code, &message))
	{
		/* only these say more: when to come again */
		if (reply->status == 429 || reply->status == 503)
			details = body;
	}
	else if (message.len > 0 && message.data[message.len - 1] == '\n')
		message.len--;
	end_call(call, request, code, message, details);
}

/* To who does not speak gRPC, but HTTP/2. */
static void
send_plain(GrpcCall *call, const GateRequest *request, const GateReply *reply)
{
	Http2Session *session = call->http2->session;
	TsString body = reply_body(reply);
	Http2Field fields[] = {text_field(":status", psprintf("%d", reply->status)),
						   text_field("content-type", SERVE_TEXT_TYPE)};

	if (request->method == SERVE_HEAD)
		(void) http2_answer_end(session, call->stream, fields, lengthof(fields));
	else if (http2_answer(session, call->stream, fields, lengthof(fields)) &&
			 http2_answer_bytes(session, call->stream, body.data, body.len))
		(void) http2_answer_end(session, call->stream, NULL, 0);
}

/* Files are read at once, so none is ever the connection's. */
void
grpc_reply(GateRequest *request, const GateReply *reply)
{
	GrpcCall *call = request->call;

	Assert(call->request == request);
	call->request = NULL;
	call->held = -1;
	if (request->route != ROUTE_GRPC_WATCH || reply->status != 200)
		call->deadline = -1;
	if (call->plain)
		send_plain(call, request, reply);
	else if (reply->status == 200)
		send_success(call, request, reply);
	else
		send_failure(call, request, reply);
}

void
grpc_refuse(GateRequest *request, int status, TsGrpcCode code, const char *message)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	GateReply reply = {
		.status = status, .content_type = ts_otlp_media_type(TS_OTLP_PROTOBUF), .fd = -1};
	size_t size = 0;

	reply.body.data = ts_otlp_status(TS_OTLP_PROTOBUF, code,
									 (TsString){message, strlen(message)}, 0, &allocator,
									 &size);
	reply.size = reply.body.len = reply.body.data != NULL ? size : 0;
	gate_reply(request, &reply);
}

/* ---- heads ---- */

static bool
begins_with(TsString text, const char *prefix)
{
	size_t len = strlen(prefix);

	return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static ServeRoute
route_of(TsString path)
{
	if (ts_string_is(path, METRICS_SERVICE "Export"))
		return ROUTE_OTLP_GRPC;
	if (ts_string_is(path, HEALTH_SERVICE "Check"))
		return ROUTE_GRPC_HEALTH;
	if (ts_string_is(path, HEALTH_SERVICE "Watch"))
		return ROUTE_GRPC_WATCH;
	return ROUTE_UNKNOWN;
}

static void
refuse_method(GateRequest *request)
{
	TsString path = request->path;

	if (begins_with(path, TRACE_SERVICE))
		grpc_refuse(request, 404, GRPC_UNIMPLEMENTED,
					"traces are not stored here: only metrics are");
	else if (begins_with(path, LOGS_SERVICE))
		grpc_refuse(request, 404, GRPC_UNIMPLEMENTED,
					"logs are not stored here: only metrics are");
	else
		grpc_refuse(request, 404, GRPC_UNIMPLEMENTED,
					psprintf("unknown method %.*s", (int) Min(path.len, 200), path.data));
}

static ServeMethod
method_of(TsString method)
{
	if (ts_string_is(method, "POST"))
		return SERVE_POST;
	return ts_string_is(method, "HEAD") ? SERVE_HEAD : SERVE_OTHER;
}

static void
copy_head(GateRequest *request, const Http2Head *head)
{
	request->method = method_of(head->method);
	request->target = request_copy_text(request, head->path);
	request->path = request->target;
	request->host = request_copy_text(request, head->authority);
	request->authorization = request_copy_text(request,
											   http2_field(head, "authorization"));
	request->origin = request_copy_text(request, http2_field(head, "origin"));
	request->user_agent = request_copy_text(request, http2_field(head, "user-agent"));
	request->tenant = request_copy_text(request, http2_field(head, "x-scope-orgid"));
}

/* Whether it is a call of gRPC at all; false when it has been answered. */
static bool
is_call(GrpcCall *call, const Http2Head *head)
{
	GateRequest *request = call->request;

	call->plain = true;
	if (request->method != SERVE_POST)
		gate_refuse(request, 405, "this port speaks gRPC: use POST", 0);
	else if (!grpc_is_content_type(http2_field(head, "content-type")))
		gate_refuse(request, 415, "this port speaks gRPC: use application/grpc", 0);
	else
		call->plain = false;
	return !call->plain;
}

/*
 * As over HTTP/1, what says for whom a call is made comes only once: of two, somebody
 * before us may have looked at the other one.
 */
static bool
comes_once(GrpcCall *call, const Http2Head *head)
{
	static const char *const names[] = {"authorization", "grpc-encoding", "grpc-timeout",
										"origin", "x-scope-orgid"};

	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (http2_count_fields(head, names[i]) <= 1)
			continue;
		grpc_refuse(call->request, 400, GRPC_INVALID_ARGUMENT,
					psprintf("metadata \"%s\" may come only once", names[i]));
		return false;
	}
	return true;
}

static bool
take_timeout(GrpcCall *call, const Http2Head *head)
{
	TsString timeout = http2_field(head, "grpc-timeout");
	int64 ms;

	if (timeout.len == 0)
		return true;
	if (!grpc_read_timeout(timeout, &ms))
	{
		grpc_refuse(call->request, 400, GRPC_INTERNAL, "grpc-timeout is malformed");
		return false;
	}
	call->deadline = call->began + ms;
	return true;
}

static bool
take_encoding(GrpcCall *call, const Http2Head *head)
{
	TsString encoding = http2_field(head, "grpc-encoding");

	call->gzip = ts_string_is(encoding, "gzip");
	if (call->gzip || encoding.len == 0 || ts_string_is(encoding, "identity"))
		return true;
	grpc_refuse(call->request, 415, GRPC_UNIMPLEMENTED,
				psprintf("grpc-encoding %.*s is not supported: use " ENCODINGS,
						 (int) Min(encoding.len, 100), encoding.data));
	return false;
}

static bool
take_tenant(GateRequest *request)
{
	TsString tenant = request->tenant;

	if (ts_utf8_valid_prefix(tenant.data, tenant.len) == tenant.len)
		return true;
	request->tenant.len = 0;
	grpc_refuse(request, 400, GRPC_INVALID_ARGUMENT, "the tenant is not well encoded");
	return false;
}

static void
take_head(GrpcCall *call, const Http2Head *head)
{
	GateRequest *request = call->request;

	copy_head(request, head);
	if (!is_call(call, head) || !comes_once(call, head) || !take_tenant(request))
		return;
	request->route = route_of(request->path);
	request->content_type = (TsString){"application/x-protobuf", 22};
	if (request->route == ROUTE_UNKNOWN)
		refuse_method(request);
	else if (take_timeout(call, head) && take_encoding(call, head))
		(void) request_admit(request);
}

/* ---- the end of a request ---- */

/* The client is not told any more. */
static void
abandon(GrpcCall *call)
{
	GateRequest *request = call->request;

	call->request = NULL;
	if (request == NULL)
		return;
	request->call = NULL;
	request_abandon(request);
}

/*
 * What a worker has runs on, as it does when a client goes away: what is committed stays,
 * and nobody is told.
 */
static void
pass_deadline(GrpcCall *call)
{
	static const char text[] = "the call's deadline has passed";
	GateRequest *request = call->request;

	call->deadline = -1;
	if (request != NULL && !request->dispatched)
	{
		gate_refuse(request, 504, text, 0);
		return;
	}
	if (request != NULL)
		request->reason = text;
	grpc_end(call, GRPC_DEADLINE_EXCEEDED, text);
	abandon(call);
}

/* ---- messages ---- */

/* Whether what comes still matters. */
static bool
is_reading(const GrpcCall *call)
{
	return call->request != NULL && call->held < 0;
}

static void
take_prefix(GrpcCall *call)
{
	GateRequest *request = call->request;
	const GrpcFrame *frame = &call->frame;

	if (frame->compressed && !call->gzip)
		grpc_refuse(request, 400, GRPC_INTERNAL,
					"the message is compressed, but grpc-encoding does not say how");
	else if (request->route != ROUTE_OTLP_GRPC && frame->length > HEALTH_LIMIT)
		grpc_refuse(request, 413, GRPC_RESOURCE_EXHAUSTED, "the message is too long");
	else
		(void) request_expect_body(request, frame->length);
}

static void
look_at_rate(GrpcCall *call)
{
	int64 elapsed = http_now() - call->began;

	if (elapsed >= serve_body_timeout &&
		(int64) call->frame.came < elapsed * MIN_BODY_RATE / 1000)
		gate_refuse(call->request, 408, "the message came too slowly", 0);
}

static void
take_bytes(GrpcCall *call, TsString bytes)
{
	GrpcEvent event = GRPC_MORE;
	TsString piece;

	do
	{
		event = grpc_read_frame(&call->frame, &bytes, &piece);
		if (event == GRPC_PREFIXED)
			take_prefix(call);
		else if (event == GRPC_BYTES)
			request_add_body(call->request, piece);
	} while (is_reading(call) && (event == GRPC_PREFIXED || event == GRPC_BYTES));
	if (!is_reading(call))
		return;
	if (event == GRPC_BAD)
		grpc_refuse(call->request, 400, GRPC_INTERNAL,
					"the message's prefix is malformed");
	else if (event == GRPC_WHOLE && bytes.len > 0)
		grpc_refuse(call->request, 400, GRPC_INTERNAL, "there is more than one message");
	else if (event == GRPC_MORE)
		look_at_rate(call);
}

static void
take_end(GrpcCall *call)
{
	GateRequest *request = call->request;
	const GrpcFrame *frame = &call->frame;

	if (!is_reading(call))
		return;
	if (frame->have == 0)
		grpc_refuse(request, 400, GRPC_INTERNAL, "there is no message");
	else if (frame->have < GRPC_PREFIX || frame->came < frame->length)
		grpc_refuse(request, 400, GRPC_INTERNAL, "the message is truncated");
	else if (call->deadline >= 0 && call->deadline <= http_now())
		pass_deadline(call);
	else
	{
		if (frame->compressed)
			request->content_encoding = (TsString){"gzip", 4};
		request_complete(request);
	}
}

/* ---- what the session calls ---- */

/* An error was caught. */
static void
fail(Http2 *http2, int32 stream)
{
	GrpcCall *call = http2_stream(http2->session, stream);

	if (call != NULL && call->request != NULL && !call->request->dispatched)
		gate_refuse(call->request, 500, "internal error; see the server's log", 0);
	else
		http2_reset(http2->session, stream, 2 /* INTERNAL_ERROR */);
}

typedef struct Call
{
	Http2 *http2;
	int32 stream;
	const Http2Head *head;
	TsString bytes;
	void (*work)(GrpcCall *call);
} Call;

static void
begin_work(void *arg)
{
	const Call *given = arg;
	Http2 *http2 = given->http2;
	GrpcCall *call = MemoryContextAllocZero(TopMemoryContext, sizeof(*call));

	call->http2 = http2;
	call->stream = given->stream;
	call->began = http_now();
	call->deadline = call->held = -1;
	dlist_push_tail(&http2->calls, &call->node);
	serve_count(STAT_HTTP2_STREAMS, 1);
	http2_set_stream(http2->session, given->stream, call);
	call->request = request_make(http2->connection);
	call->request->call = call;
	call->request->grpc = true;
	take_head(call, given->head);
}

static void
on_begin(void *owner, int32_t stream, const Http2Head *head)
{
	Call call = {.http2 = owner, .stream = stream, .head = head};

	if (!gate_guard(begin_work, &call))
		fail(owner, stream);
}

static void
body_work(void *arg)
{
	const Call *given = arg;
	GrpcCall *call = http2_stream(given->http2->session, given->stream);

	if (call != NULL && is_reading(call))
		take_bytes(call, given->bytes);
}

/* What was taken is bounded by limits of its own; what was not is dropped. */
static void
on_body(void *owner, int32_t stream, TsString bytes)
{
	Call call = {.http2 = owner, .stream = stream, .bytes = bytes};

	if (!gate_guard(body_work, &call))
		fail(owner, stream);
	http2_consume(call.http2->session, stream, bytes.len);
}

static void
call_work(void *arg)
{
	const Call *given = arg;
	GrpcCall *call = http2_stream(given->http2->session, given->stream);

	if (call != NULL)
		given->work(call);
}

static void
guarded(Http2 *http2, int32 stream, void (*work)(GrpcCall *))
{
	Call call = {.http2 = http2, .stream = stream, .work = work};

	if (!gate_guard(call_work, &call))
		fail(http2, stream);
}

static void
on_complete(void *owner, int32_t stream)
{
	guarded(owner, stream, take_end);
}

static void
late_work(GrpcCall *call)
{
	if (is_reading(call))
		gate_refuse(call->request, 408, "the message came too slowly", 0);
}

static void
on_late(void *owner, int32_t stream)
{
	guarded(owner, stream, late_work);
}

static void
abandon_work(void *arg)
{
	abandon(arg);
}

static void
on_closed(void *owner, int32_t stream, bool answered)
{
	Http2 *http2 = owner;
	GrpcCall *call = http2_stream(http2->session, stream);

	if (call == NULL)
		return;
	grpc_unwatch(call);
	(void) gate_guard(abandon_work, call);
	dlist_delete(&call->node);
	serve_count(STAT_HTTP2_STREAMS, -1);
	http2_set_stream(http2->session, stream, NULL);
	pfree(call);
}

const Http2Calls grpc_calls = {
	.begin = on_begin,
	.body = on_body,
	.complete = on_complete,
	.late = on_late,
	.closed = on_closed,
};

/* ---- time ---- */

/* A deadline does not shorten the wait of who has guessed a password. */
static int64
call_due(const GrpcCall *call)
{
	return call->held >= 0 ? call->held : call->deadline;
}

int64
grpc_due(Http2 *http2)
{
	dlist_iter iter;
	int64 due = -1;

	dlist_foreach(iter, &http2->calls)
	{
		int64 one = call_due(dlist_container(GrpcCall, node, iter.cur));

		if (one >= 0 && (due < 0 || one < due))
			due = one;
	}
	return due;
}

/* It is due. */
static void
look_at_time(GrpcCall *call)
{
	if (call->held >= 0)
	{
		call->held = -1;
		request_refuse_held(call->request);
	}
	else
		pass_deadline(call);
}

/* Within the session, so no call goes away meanwhile. */
void
grpc_tick(Http2 *http2, int64 now)
{
	dlist_mutable_iter iter;

	Assert(http2->inside > 0);
	dlist_foreach_modify(iter, &http2->calls)
	{
		GrpcCall *call = dlist_container(GrpcCall, node, iter.cur);
		int64 due = call_due(call);

		if (due >= 0 && due <= now)
			guarded(http2, call->stream, look_at_time);
	}
}

/* What has not come in whole would be refused when it has. */
static void
stop_work(GrpcCall *call)
{
	static const char text[] = "the server is shutting down";

	if (call->watching)
		grpc_end(call, GRPC_UNAVAILABLE, text);
	else if (is_reading(call) && !call->request->dispatched)
		gate_refuse(call->request, 503, text, 0);
}

void
grpc_stop(Http2 *http2)
{
	dlist_mutable_iter iter;

	Assert(http2->inside > 0);
	dlist_foreach_modify(iter, &http2->calls)
		guarded(http2, dlist_container(GrpcCall, node, iter.cur)->stream, stop_work);
}
