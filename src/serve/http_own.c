/*
 * http_own.c
 *	  What the gate answers itself: health, metrics, a page that says what this is.
 */
#include "postgres.h"

#include "access/xlog.h"

#include "encoding.h"
#include "grpc.h"
#include "http.h"
#include "serve_stats.h"

#define METRICS_TYPE     "text/plain; version=0.0.4; charset=utf-8"
#define VARY             "Vary: Accept, Accept-Encoding\r\n"
#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

static const char front_page[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\"><head><title>mytsdb</title></head><body>\n"
	"<h1>mytsdb " MYTSDB_VERSION "</h1>\n"
	"<p>Time series in PostgreSQL. Prometheus' query API is at <code>/api/v1/</code>, "
	"remote write at <code>/api/v1/write</code>, remote read at "
	"<code>/api/v1/read</code>.</p>\n"
	"<ul>\n"
	"<li><a href=\"metrics\">/metrics</a></li>\n"
	"<li><a href=\"-/healthy\">/-/healthy</a></li>\n"
	"<li><a href=\"-/ready\">/-/ready</a></li>\n"
	"</ul>\n"
	"</body></html>\n";

static void
answer(GateRequest *request, int status, const char *type, const char *data, Size size)
{
	GateReply reply = {.status = status,
					   .content_type = type,
					   .body = {data, size},
					   .fd = -1,
					   .size = size};

	gate_reply(request, &reply);
}

static void
answer_text(GateRequest *request, int status, const char *text)
{
	answer(request, status, SERVE_TEXT_TYPE, text, strlen(text));
}

const char *
gate_not_ready(void)
{
	const char *why;

	if (gate_stopping)
		return "the server is being shut down";
	if (!gate_extension_ready(&why))
		return why;
	if (serve_stat(STAT_WORKERS_QUERY) == 0)
		return "no query worker is there yet";
	if (!RecoveryInProgress() && serve_stat(STAT_WORKERS_INGEST) == 0)
		return "no ingest worker is there yet";
	return NULL;
}

static void
answer_ready(GateRequest *request)
{
	const char *why = gate_not_ready();

	if (why == NULL)
		answer_text(request, 200, "mytsdb is Ready.\n");
	else
		answer_text(request, 503, psprintf("mytsdb is not ready: %s.\n", why));
}

/* ---- metrics ---- */

/* OpenMetrics, if it is asked for no less than text. */
static bool
wants_openmetrics(TsString accept)
{
	int open = http_quality(accept, "application/openmetrics-text");

	return open > 0 && open >= http_quality(accept, "text/plain");
}

static void
append_encoded(void *arg, const void *data, size_t size)
{
	appendBinaryStringInfo(arg, data, (int) size);
}

/* False if there is no memory for that. */
static bool
encode(StringInfo text, Encoding encoding, StringInfo out)
{
	Encoder *encoder = encoder_create(encoding);
	bool good;

	if (encoder == NULL)
		return false;
	initStringInfo(out);
	good = encoder_write(encoder, text->data, (size_t) text->len, true, append_encoded,
						 out);
	encoder_free(encoder);
	return good;
}

static void
answer_metrics(GateRequest *request)
{
	bool openmetrics = wants_openmetrics(request->accept);
	const char *type = openmetrics ? OPENMETRICS_TYPE : METRICS_TYPE;
	GateReply reply = {
		.status = 200, .content_type = type, .headers = {VARY, strlen(VARY)}, .fd = -1};
	Encoding encoding = encoding_choose(request->accept_encoding);
	StringInfoData text;
	StringInfoData encoded;

	initStringInfo(&text);
	serve_write_metrics(&text, openmetrics);
	reply.body = (TsString){text.data, (size_t) text.len};
	if (encoding != ENCODING_IDENTITY && encode(&text, encoding, &encoded))
	{
		reply.content_encoding = encoding_name(encoding);
		reply.body = (TsString){encoded.data, (size_t) encoded.len};
	}
	reply.size = reply.body.len;
	gate_reply(request, &reply);
}

void
reply_own(GateRequest *request)
{
	switch (request->route)
	{
		case ROUTE_HEALTHY:
			answer_text(request, 200, "mytsdb is Healthy.\n");
			break;
		case ROUTE_READY:
			answer_ready(request);
			break;
		case ROUTE_METRICS:
			answer_metrics(request);
			break;
		case ROUTE_GRPC_HEALTH:
		case ROUTE_GRPC_WATCH:
			grpc_health(request);
			break;
		default:
			Assert(request->route == ROUTE_ROOT);
			answer(request, 200, "text/html; charset=utf-8", front_page,
				   sizeof(front_page) - 1);
	}
}
