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

#include "gate.h"
#include "serve_log.h"
#include "serve_settings.h"

/* Longer forms are not searched for an expression beyond this. */
#define FORM_SIZE 8192

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

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes a value of a form; what is wrong with it is left as it is. */
static TsString
decode_value(TsString value)
{
	char *out = palloc(value.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < value.len; i++)
	{
		char c = value.data[i];

		if (c == '+')
			c = ' ';
		else if (c == '%' && i + 2 < value.len && hex_digit(value.data[i + 1]) >= 0 &&
				 hex_digit(value.data[i + 2]) >= 0)
		{
			c = (char) (hex_digit(value.data[i + 1]) << 4 | hex_digit(value.data[i + 2]));
			i += 2;
		}
		out[len++] = c;
	}
	return (TsString){out, len};
}

/* The first value that is called query, or, where series are asked for, match[]. */
static bool
find_expression(TsString form, TsString *expression)
{
	static const char *const names[] = {"query=", "match[]=", "match%5B%5D="};

	while (form.len > 0)
	{
		const char *amp = memchr(form.data, '&', form.len);
		size_t len = amp != NULL ? (size_t) (amp - form.data) : form.len;

		for (int i = 0; i < (int) lengthof(names); i++)
		{
			size_t name_len = strlen(names[i]);

			if (len >= name_len && pg_strncasecmp(form.data, names[i], name_len) == 0)
			{
				*expression = decode_value(
					(TsString){form.data + name_len, len - name_len});
				return true;
			}
		}
		len = Min(len + 1, form.len);
		form.data += len;
		form.len -= len;
	}
	return false;
}

static void
add_expression(StringInfo line, const GateRequest *request)
{
	TsString expression;
	char *form;
	ev_ssize_t len;

	if (serve_routes[request->route].who != SERVE_BY_QUERY)
		return;
	if (find_expression(request->query, &expression))
	{
		log_value(line, "query", expression);
		return;
	}
	if (request->body == NULL || request->route == ROUTE_READ)
		return;
	form = palloc(FORM_SIZE);
	len = evbuffer_copyout(request->body, form, FORM_SIZE);
	if (len > 0 && find_expression((TsString){form, (size_t) len}, &expression))
		log_value(line, "query", expression);
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
