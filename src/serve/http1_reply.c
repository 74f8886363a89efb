/*
 * http1_reply.c
 *	  Answers as HTTP/1.1 writes them.
 */
#include "postgres.h"

#include <time.h>

#include "lib/stringinfo.h"

#include "http.h"
#include "serve_settings.h"
#include "serve_stats.h"

static const char *
date_text(void)
{
	static time_t shown;
	static char text[40];
	time_t now = time(NULL);
	struct tm parts;

	if (now != shown)
	{
		gmtime_r(&now, &parts);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
		shown = now;
	}
	return text;
}

/* What browsers must be told before pages of other origins may read the answer. */
static void
add_cors(StringInfo head, TsString origin)
{
	if (serve_cors_origin[0] == '\0')
		return;
	appendStringInfoString(head, "Vary: Origin\r\n");
	if (origin.len == 0 || !http_list_has(serve_cors_origin, origin))
		return;
	if (http_list_has(serve_cors_origin, (TsString){"*", 1}))
		appendStringInfoString(head, "Access-Control-Allow-Origin: *\r\n");
	else
		appendStringInfo(head, "Access-Control-Allow-Origin: %.*s\r\n", (int) origin.len,
						 origin.data);
	appendStringInfoString(
		head, "Access-Control-Allow-Headers: Accept, Authorization, Content-Type, "
			  "Origin, X-Scope-OrgID\r\n"
			  "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
			  "Access-Control-Expose-Headers: Date, Retry-After, X-Request-Id\r\n");
}

static void
begin_head(StringInfo head, int status)
{
	initStringInfo(head);
	appendStringInfo(head, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: mytsdb/%s\r\n", status,
					 http_status_text(status), date_text(), MYTSDB_VERSION);
}

static void
make_head(StringInfo head, const GateRequest *request, const GateReply *reply, bool close)
{
	begin_head(head, reply->status);
	appendStringInfo(head, "X-Request-Id: " UINT64_FORMAT "\r\n", request->id);
	if (reply->content_type != NULL && http_status_has_body(reply->status))
		appendStringInfo(head, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n",
						 reply->content_type);
	if (reply->content_encoding != NULL)
		appendStringInfo(head, "Content-Encoding: %s\r\n", reply->content_encoding);
	if (http_status_has_body(reply->status))
		appendStringInfo(head, "Content-Length: " UINT64_FORMAT "\r\n", reply->size);
	if (close)
		appendStringInfoString(head, "Connection: close\r\n");
	else if (request->http_1_0)
		appendStringInfoString(head, "Connection: keep-alive\r\n");
	add_cors(head, request->origin);
	if (reply->headers.len > 0)
		appendBinaryStringInfo(head, reply->headers.data, (int) reply->headers.len);
	appendStringInfoString(head, "\r\n");
}

void
http1_write_reply(const GateRequest *request, const GateReply *reply, bool close,
				  bool body)
{
	StringInfoData head;

	make_head(&head, request, reply, close);
	connection_write(request->connection, head.data, (Size) head.len);
	if (body && reply->fd < 0)
		connection_write(request->connection, reply->body.data, reply->body.len);
}

void
http1_reply_to_bytes(HttpConnection *connection, int status, const char *message)
{
	StringInfoData head;

	serve_count_reply(ROUTE_UNKNOWN, status, 0);
	begin_head(&head, status);
	appendStringInfo(&head,
					 "Content-Type: " SERVE_TEXT_TYPE "\r\nContent-Length: %zu\r\n"
					 "Connection: close\r\n\r\n%s\n",
					 strlen(message) + 1, message);
	connection_write(connection, head.data, (Size) head.len);
	connection_finish(connection);
}
