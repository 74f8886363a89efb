/*
 * ingest_otlp.c
 *	  OTLP over HTTP and gRPC: headers, and what senders are told.
 *
 * Answers are messages in the format of the request. 200 says that what can be written is;
 * its partial_success has the number of points that were refused, and why. Anything else is
 * a google.rpc.Status; gRPC's own status is made of it where its frames are.
 */
#include "postgres.h"

#include "ingest.h"
#include "otlp.h"
#include "serve_stats.h"
#include "ts_report.h"

/* Figures of a way that requests come by. */
typedef struct Figures
{
	ServeStat requests;
	ServeStat failed;
	ServeStat points;
	ServeStat refused;
} Figures;

static const Figures http_figures = {
	.requests = STAT_OTLP_HTTP_REQUESTS,
	.failed = STAT_OTLP_HTTP_FAILED_REQUESTS,
	.points = STAT_OTLP_HTTP_POINTS,
	.refused = STAT_OTLP_HTTP_REFUSED_POINTS,
};
static const Figures grpc_figures = {
	.requests = STAT_OTLP_GRPC_REQUESTS,
	.failed = STAT_OTLP_GRPC_FAILED_REQUESTS,
	.points = STAT_OTLP_GRPC_POINTS,
	.refused = STAT_OTLP_GRPC_REFUSED_POINTS,
};

static const Figures *
figures_of(const IngestItem *item)
{
	return item->request->route == ROUTE_OTLP_GRPC ? &grpc_figures : &http_figures;
}

/* ---- messages ---- */

static TsErrorCode
read_headers(IngestItem *item, TsError *err)
{
	const TsString type = item->request->content_type;
	const TsString coding = item->request->content_encoding;
	TsErrorCode code = TS_OK;

	item->format = otlp_answer_format(item->request->route, type);
	if (item->request->route != ROUTE_OTLP_GRPC)
		code = ts_otlp_content_type(type.data, type.len, &item->format, err);
	if (code == TS_OK)
		code = ts_otlp_content_encoding(coding.data, coding.len, &item->encoding, err);
	return code;
}

static TsErrorCode
decode(IngestItem *item, const void **data, size_t *size, TsError *err)
{
	return otlp_decode(item->format, item->encoding, item->request->body, data, size,
					   err);
}

static void
parse(IngestItem *item, WriteRequest *write, const void *data, size_t size)
{
	otlp_parse(write, data, size);
}

/* ---- replies ---- */

/*
 * NULL: there is no memory for it. What was written is written all the same, and a message
 * without anything is right in both formats.
 */
static void
reply_message(const IngestItem *item, int status, const void *message, size_t size)
{
	reply_status(item->reply, status, ts_otlp_media_type(item->format));
	if (item->request->route == ROUTE_OTLP_GRPC)
		reply_never_compress(item->reply);
	if (message != NULL)
		reply_write(item->reply, message, size);
	else if (item->format == TS_OTLP_JSON)
		reply_text(item->reply, "{}");
}

static void
reply_written(IngestItem *item)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	const Figures *figures = figures_of(item);
	StringInfoData text;
	void *message;
	size_t size;

	initStringInfo(&text);
	otlp_refusals_text(&item->refused, &text);
	message = ts_otlp_response(item->format, item->refused.samples,
							   (TsString){text.data, (size_t) text.len}, &allocator,
							   &size);
	reply_message(item, 200, message, size);
	serve_count(figures->requests, 1);
	serve_count(figures->points, item->npoints);
	serve_count(figures->refused, item->refused.samples);
}

static void
reply_failed(IngestItem *item, int status, const char *text, int retry_after)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	size_t size;
	void *message = ts_otlp_status(item->format, ts_grpc_code(status),
								   (TsString){text, strlen(text)}, retry_after,
								   &allocator, &size);

	reply_message(item, status, message, size);
	if (retry_after > 0)
		reply_header(item->reply, "Retry-After", psprintf("%d", retry_after));
	serve_count(figures_of(item)->failed, 1);
}

const IngestProtocol ingest_otlp = {
	.name = "OTLP",
	.read_headers = read_headers,
	.decode = decode,
	.parse = parse,
	.reply_written = reply_written,
	.reply_failed = reply_failed,
};
