/*
 * http_reply.c
 *	  Answers: what refusals look like, and what is counted and logged.
 *
 * gate_reply() is the end of a request whatever happens: when the answer cannot be made,
 * the connection is closed.
 */
#include "postgres.h"

#include <unistd.h>

#include "lib/stringinfo.h"

#include "http.h"
#include "otlp.h"
#include "promql_api.h"
#include "serve_settings.h"
#include "serve_stats.h"
#include "ts_report.h"

/* ---- answers ---- */

typedef struct Answer
{
	GateRequest *request;
	const GateReply *reply;
	bool file_taken; /* the connection has it */
} Answer;

/*
 * What a sender was told, who mostly shows no more than the status: a line of text, or a
 * google.rpc.Status.
 */
static const char *
told(const Answer *answer)
{
	const GateReply *reply = answer->reply;
	TsString message = reply->body;
	int code;

	if (reply->fd >= 0 || message.len == 0)
		return NULL;
	if (reply->content_type != NULL &&
		strcmp(reply->content_type, ts_otlp_media_type(TS_OTLP_PROTOBUF)) == 0)
		(void) ts_otlp_read_status(reply->body.data, reply->body.len, &code, &message);
	if (message.len > 0 && message.data[message.len - 1] == '\n')
		message.len--;
	return memcpy(MemoryContextAllocZero(answer->request->context, message.len + 1),
				  message.data, message.len);
}

static void
note(const Answer *answer)
{
	const GateRequest *request = answer->request;
	int64 microseconds = serve_elapsed(request->began);
	int status = answer->reply->status;
	const char *reason = request->reason;

	/* what was canceled since nobody waits for it any more is no fault */
	if (request->connection == NULL && status >= 500)
		status = STATUS_CLIENT_GONE;
	serve_count_reply(request->route, status, microseconds);
	if (reason == NULL && status >= 400 &&
		serve_routes[request->route].who == SERVE_BY_INGEST)
		reason = told(answer);
	gate_log_request(request, status, microseconds, reason);
}

static void
note_work(void *arg)
{
	note(arg);
}

static void
tell_work(void *arg)
{
	Answer *answer = arg;

	answer->request->answered(answer->request, answer->reply);
}

static void
send_work(void *arg)
{
	Answer *answer = arg;
	GateRequest *request = answer->request;

	request->connection->protocol->reply(request, answer->reply, &answer->file_taken);
}

void
gate_reply(GateRequest *request, const GateReply *reply)
{
	Answer answer = {request, reply, false};
	HttpConnection *connection = request->connection;

	Assert(reply->fd >= 0 || reply->size == reply->body.len);
	gate_guard(request->answered != NULL ? tell_work : note_work, &answer);
	if (connection != NULL)
	{
		bool was_active = connection_enter(connection);

		if (!gate_guard(send_work, &answer))
			connection_close(connection);
		connection_leave(connection, was_active);
	}
	if (reply->fd >= 0 && !answer.file_taken)
		close(reply->fd);
	request_free(request);
}

/* ---- refusals ---- */

/* Whether clients expect the API's document: those of its routes that give JSON. */
static bool
speaks_api(ServeRoute route)
{
	return route >= ROUTE_QUERY && route < SERVE_ROUTES;
}

static const char *
error_type(int status)
{
	switch (status)
	{
		case 401:
			return "unauthorized";
		case 403:
			return "forbidden";
		case 404:
			return "not_found";
		case 406:
			return "not_acceptable";
		case 408:
		case 504:
			return "timeout";
		case 422:
			return "execution";
		case 429:
		case 502:
		case 503:
			return "unavailable";
		default:
			return status >= 500 ? "internal" : "bad_data";
	}
}

static TsString
refusal_body(ServeRoute route, int status, const char *message)
{
	ApiOut out;
	struct varlena *document;

	if (!speaks_api(route))
		return (TsString){psprintf("%s\n", message), strlen(message) + 1};
	api_keep(&out);
	api_error(&out, error_type(status), message);
	document = (struct varlena *) DatumGetPointer(api_kept(&out));
	return (TsString){VARDATA(document), VARSIZE(document) - VARHDRSZ};
}

/* A google.rpc.Status, as senders of OTLP want it; without memory the status alone. */
static TsString
otlp_body(TsOtlpFormat format, int status, const char *message, int retry_after)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	size_t size = 0;
	void *body = ts_otlp_status(format, ts_grpc_code(status),
								(TsString){message, strlen(message)}, retry_after,
								&allocator, &size);

	return (TsString){body, body != NULL ? size : 0};
}

typedef struct Refusal
{
	GateRequest *request;
	int status;
	const char *message;
	const char *headers;
	int retry_after;
} Refusal;

static void
refuse_work(void *arg)
{
	Refusal *refusal = arg;
	const GateRequest *request = refusal->request;
	ServeRoute route = request->route;
	GateReply reply = {.status = refusal->status, .fd = -1};

	reply.headers = (TsString){refusal->headers, strlen(refusal->headers)};
	if (route == ROUTE_OTLP_METRICS || route == ROUTE_OTLP_GRPC)
	{
		TsOtlpFormat format = otlp_answer_format(route, request->content_type);

		reply.content_type = ts_otlp_media_type(format);
		reply.body = otlp_body(format, refusal->status, refusal->message,
							   refusal->retry_after);
	}
	else
	{
		reply.content_type = speaks_api(route) ? SERVE_JSON_TYPE : SERVE_TEXT_TYPE;
		reply.body = refusal_body(route, refusal->status, refusal->message);
	}
	reply.size = reply.body.len;
	gate_reply(refusal->request, &reply);
}

/* Makes the answer in a callback's memory, which is gone afterwards. */
static void
refuse(GateRequest *request, int status, const char *message, const char *headers,
	   int retry_after)
{
	Refusal refusal = {request, status, message, headers, retry_after};
	GateReply bare = {.status = status, .fd = -1, .close = true};

	/* gate_reply() raises nothing: if this fails, it was not reached */
	if (!gate_guard(refuse_work, &refusal))
		gate_reply(request, &bare);
}

void
gate_refuse(GateRequest *request, int status, const char *message, int retry_after)
{
	char headers[200] = "";

	if (status == 401)
		snprintf(headers, sizeof(headers), "WWW-Authenticate: " GATE_CHALLENGE "\r\n");
	if (retry_after > 0)
		snprintf(headers + strlen(headers), sizeof(headers) - strlen(headers),
				 "Retry-After: %d\r\n", retry_after);
	refuse(request, status, message, headers, retry_after);
}

/* The header that says what a route takes. */
static const char *
allow_header(ServeRoute route)
{
	int methods = serve_routes[route].methods;

	return psprintf(
		"Allow: %s%s%s%sOPTIONS\r\n", methods & SERVE_GET ? "GET, HEAD, " : "",
		methods & SERVE_POST ? "POST, " : "", methods & SERVE_PUT ? "PUT, " : "",
		methods & SERVE_DELETE ? "DELETE, " : "");
}

/* Most clients show the message and not the header. */
void
reply_wrong_method(GateRequest *request)
{
	int methods = serve_routes[request->route].methods;
	const char *message;

	if ((methods & SERVE_GET) && (methods & SERVE_POST))
		message = "the method is not allowed here: use GET or POST";
	else if (methods & SERVE_GET)
		message = "the method is not allowed here: use GET";
	else
		message = "the method is not allowed here: use POST";
	refuse(request, 405, message, allow_header(request->route), 0);
}

void
reply_options(GateRequest *request)
{
	const char *allow = allow_header(request->route);
	GateReply reply = {.status = 204, .headers = {allow, strlen(allow)}, .fd = -1};

	gate_reply(request, &reply);
}
