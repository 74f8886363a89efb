/*
 * gate_log.c
 *	  The log of requests: one line for each that mytsdb.log_requests or
 *	  mytsdb.log_min_request_duration wants.
 *
 * A request that was slow is logged with its expression, from wherever a client may put
 * it: the query string or the form in its body.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "form.h"
#include "gate.h"
#include "serve_log.h"
#include "serve_settings.h"
#include "ts_report.h"

/* Of longer forms, what is behind this is not looked at. */
#define FORM_SIZE   (64 * 1024)
#define FORM_MEMORY (1024 * 1024)

static const char *
method_name(ServeMethod method)
{
	switch (method)
	{
		case SERVE_GET:
			return "GET";
		case SERVE_HEAD:
			return "HEAD";
		case SERVE_POST:
			return "POST";
		case SERVE_PUT:
			return "PUT";
		case SERVE_DELETE:
			return "DELETE";
		case SERVE_OPTIONS:
			return "OPTIONS";
		case SERVE_OTHER:
			break;
	}
	return "other";
}

/* ---- the expression ---- */

/* The first value that is called query, or, where series are asked for, match[]. */
static bool
add_value(StringInfo line, TsString text)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsArena arena;
	Form form = {0};
	TsString value;

	ts_arena_init(&arena, &allocator, FORM_MEMORY);
	/* What has an error is read up to there. */
	(void) form_read(&form, text, &arena, NULL);
	if (!form_value(&form, "query", &value) && !form_value(&form, "match[]", &value))
		return false;
	log_value(line, "query", value);
	return true;
}

static void
add_expression(StringInfo line, const GateRequest *request)
{
	Size size;
	char *text;

	if (serve_routes[request->route].who != SERVE_BY_QUERY ||
		request->route == ROUTE_READ || add_value(line, request->query) ||
		request->body == NULL)
		return;
	size = Min(evbuffer_get_length(request->body), FORM_SIZE);
	text = palloc(size + 1);
	(void) evbuffer_copyout(request->body, text, size);
	(void) add_value(line, (TsString){text, size});
}

/* ---- the line ---- */

static bool
is_slow(int64 microseconds)
{
	return serve_log_min_duration >= 0 &&
		   microseconds >= (int64) serve_log_min_duration * 1000;
}

static bool
is_wanted(int status)
{
	return serve_log_requests == SERVE_LOG_ALL ||
		   (serve_log_requests == SERVE_LOG_ERRORS && status >= 500);
}

static void
make_line(StringInfo line, const GateRequest *request, int status, int64 microseconds,
		  const char *reason)
{
	bool slow = is_slow(microseconds);

	appendStringInfoString(line, "http request");
	appendStringInfo(line, " id=" UINT64_FORMAT, request->id);
	log_text(line, "method", method_name(request->method));
	log_text(line, "route", serve_routes[request->route].label);
	log_number(line, "status", status);
	appendStringInfo(line, " duration_ms=%.3f", (double) microseconds / 1000);
	log_text(line, "role", request->role_name != NULL ? request->role_name : "");
	log_text(line, "client", request->client != NULL ? request->client : "");
	if (request->grpc)
		log_text(line, "protocol", "grpc");
	if (request->tenant.len > 0)
		log_value(line, "tenant", request->tenant);
	/* What varies in a path, and what is no route of ours. */
	if (request->route == ROUTE_UNKNOWN || request->argument.len > 0)
		log_value(line, "path", request->path);
	if (reason != NULL)
		log_text(line, "reason", reason);
	if (slow)
	{
		log_text(line, "slow", "true");
		add_expression(line, request);
	}
}

void
gate_log_request(const GateRequest *request, int status, int64 microseconds,
				 const char *reason)
{
	MemoryContext context;
	MemoryContext old;
	StringInfoData line;

	if (!is_wanted(status) && !is_slow(microseconds))
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb request log",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	initStringInfo(&line);
	make_line(&line, request, status, microseconds, reason);
	log_line(line.data);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
gate_audit_request(const GateRequest *request, const char *action)
{
	StringInfoData line;

	log_audit_begin(&line, action);
	appendStringInfo(&line, " id=" UINT64_FORMAT, request->id);
	log_text(&line, "method", method_name(request->method));
	log_value(&line, "path", request->path);
	log_text(&line, "role", request->role_name != NULL ? request->role_name : "");
	log_text(&line, "client", request->client != NULL ? request->client : "");
	log_audit_end(&line);
}
