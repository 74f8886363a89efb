/*
 * ingest_remote_write.c
 *	  Remote write over HTTP: headers, and what senders are told beside statuses.
 *
 * With requests of which a part is refused we do in both versions what the specification
 * of 2.0 says: the valid part is written, and the answer is 400, names the first few
 * refusals, and says in headers how much was written. (If all is written, it is 204.)
 * Prometheus does so in 2.0; in 1.0 it passes over a series with wrong labels and says
 * nothing, which nobody would notice.
 */
#include "postgres.h"

#include "ingest.h"
#include "ts_report.h"

/* The first version that senders and receivers of 2.x do not have in common. */
#define NEXT_MAJOR 3

/* ---- headers ---- */

/* The number before the first dot; 0 when there is none. */
static int
major_version(TsString version)
{
	int major = 0;

	for (size_t i = 0; i < version.len; i++)
	{
		if (version.data[i] < '0' || version.data[i] > '9')
			break;
		if (major < NEXT_MAJOR)
			major = major * 10 + (version.data[i] - '0');
	}
	return major;
}

static TsErrorCode
read_headers(IngestItem *item, TsError *err)
{
	const ServeRequest *request = item->request;
	const TsString type = request->content_type;
	const TsString coding = request->content_encoding;
	TsErrorCode code;

	if (major_version(request->write_version) >= NEXT_MAJOR)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"remote write %.*s is not supported; 1.0 and 2.0 are",
							(int) Min(request->write_version.len, 20),
							request->write_version.data);
	code = ts_write_content_type(type.data, type.len, &item->version, err);
	if (code == TS_OK)
		code = ts_write_content_encoding(coding.data, coding.len, &item->encoding, err);
	/* Senders of 1.0 compress, also those that do not say so. */
	if (coding.len == 0 && item->version == TS_WRITE_1)
		item->encoding = TS_WRITE_SNAPPY;
	return code;
}

/* ---- messages ---- */

static TsErrorCode
decode(IngestItem *item, const void **data, size_t *size, TsError *err)
{
	const TsString body = item->request->body;
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);

	return ts_write_decompress(item->encoding, body.data, body.len, write_max_size(),
							   &allocator, data, size, err);
}

static void
parse(IngestItem *item, WriteRequest *write, const void *data, size_t size)
{
	write_parse(write, item->version, data, size);
}

/* ---- replies ---- */

static void
count_header(ServeReply *reply, const char *name, int64 count)
{
	char text[32];

	snprintf(text, sizeof(text), INT64_FORMAT, count);
	reply_header(reply, name, text);
}

static void
write_headers(const IngestItem *item)
{
	count_header(item->reply, "X-Prometheus-Remote-Write-Samples-Written",
				 item->nsamples);
	count_header(item->reply, "X-Prometheus-Remote-Write-Histograms-Written",
				 item->nhistograms);
	count_header(item->reply, "X-Prometheus-Remote-Write-Exemplars-Written",
				 item->nexemplars);
}

static void
reply_refusals(const IngestItem *item)
{
	const WriteRefusals *refused = &item->refused;
	char line[160];

	reply_status(item->reply, 400, SERVE_TEXT_TYPE);
	snprintf(line, sizeof(line),
			 "not all was written: " INT64_FORMAT " samples and " INT64_FORMAT
			 " other items are refused\n",
			 refused->samples, refused->others);
	reply_text(item->reply, line);
	reply_write(item->reply, refused->text.data, refused->text.len);
	if (refused->count > refused->shown)
	{
		snprintf(line, sizeof(line), "and " INT64_FORMAT " refusals more\n",
				 refused->count - refused->shown);
		reply_text(item->reply, line);
	}
}

static void
reply_written(IngestItem *item)
{
	if (item->refused.count > 0)
		reply_refusals(item);
	else
		reply_status(item->reply, 204, NULL);
	write_headers(item);
}

static void
reply_failed(IngestItem *item, int status, const char *message, int retry_after)
{
	reply_status(item->reply, status, SERVE_TEXT_TYPE);
	if (retry_after > 0)
		count_header(item->reply, "Retry-After", retry_after);
	write_headers(item);
	reply_text(item->reply, message);
	reply_text(item->reply, "\n");
}

const IngestProtocol ingest_remote_write = {
	.name = "remote write",
	.read_headers = read_headers,
	.decode = decode,
	.parse = parse,
	.reply_written = reply_written,
	.reply_failed = reply_failed,
};
