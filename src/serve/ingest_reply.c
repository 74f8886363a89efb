/*
 * ingest_reply.c
 *	  What senders of remote write are told.
 *
 * They look at the status alone: at 5xx and 429 they send the same again until it is
 * taken, and at any other 4xx they give up. So whatever will never be right is a 4xx, and
 * whatever may be right later is a 503 with Retry-After:
 *
 *	204		all is written
 *	400		some of it is written, and the rest never will be; or none of it
 *	403		the role may not write there
 *	404		there is no such table any more
 *	413		the message is larger than mytsdb.remote_write_max_size
 *	415		a type, encoding or version that we do not read
 *	500		an error of ours
 *	503		a lock, a conflict, memory, disk, a standby, shutdown
 *
 * With requests of which a part is refused we do in both versions what the specification
 * of 2.0 says: the valid part is written, and the answer is 400, names the first few
 * refusals, and says in headers how much was written. Prometheus does so in 2.0; in 1.0 it
 * passes over a series with wrong labels and says nothing, which nobody would notice.
 */
#include "postgres.h"

#include "utils/elog.h"

#include "ingest.h"
#include "serve_stats.h"

#define RETRY_AFTER "1"

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

bool
ingest_read_headers(IngestItem *item)
{
	const ServeRequest *request = item->request;
	TsError err;

	if (major_version(request->write_version) >= NEXT_MAJOR)
		ts_error_set(&err, TS_ERR_INVALID, -1,
					 "remote write %.*s is not supported; 1.0 and 2.0 are",
					 (int) Min(request->write_version.len, 20),
					 request->write_version.data);
	else if (ts_write_content_type(request->content_type.data, request->content_type.len,
								   &item->version, &err) == TS_OK &&
			 ts_write_content_encoding(request->content_encoding.data,
									   request->content_encoding.len, &item->encoding,
									   &err) == TS_OK)
	{
		/* Senders of 1.0 compress, also those that do not say so. */
		if (request->content_encoding.len == 0 && item->version == TS_WRITE_1)
			item->encoding = TS_WRITE_SNAPPY;
		return true;
	}
	ingest_reply_failed(item, 415, err.message, false);
	return false;
}

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

/* ---- replies ---- */

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

void
ingest_reply_written(IngestItem *item)
{
	reply_reset(item->reply);
	if (item->refused.count > 0)
		reply_refusals(item);
	else
		reply_status(item->reply, 204, NULL);
	write_headers(item);
	item->state = INGEST_DONE;
	serve_count(STAT_WRITE_REQUESTS, 1);
	serve_count(STAT_WRITE_SAMPLES, item->nsamples);
	serve_count(STAT_WRITE_HISTOGRAMS, item->nhistograms);
	serve_count(STAT_WRITE_EXEMPLARS, item->nexemplars);
	serve_count(STAT_WRITE_METADATA, item->nmetadata);
	serve_count(STAT_WRITE_REFUSED_SAMPLES, item->refused.samples);
	serve_count(STAT_WRITE_DECODED_BYTES, item->decoded);
}

void
ingest_reply_failed(IngestItem *item, int status, const char *message, bool retry)
{
	item->nsamples = item->nhistograms = item->nexemplars = 0;
	reply_reset(item->reply);
	reply_status(item->reply, status, SERVE_TEXT_TYPE);
	if (retry)
		reply_header(item->reply, "Retry-After", RETRY_AFTER);
	write_headers(item);
	reply_text(item->reply, message);
	reply_text(item->reply, "\n");
	item->state = INGEST_DONE;
	serve_count(STAT_WRITE_FAILED_REQUESTS, 1);
}

/* ---- errors ---- */

/* What will pass. */
static bool
is_passing(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
			return true;
		default:
			return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
				   sqlstate == ERRCODE_READ_ONLY_SQL_TRANSACTION;
	}
}

static int
status_of(int sqlstate)
{
	if (sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE)
		return 403;
	if (sqlstate == ERRCODE_UNDEFINED_TABLE)
		return 404;
	if (is_passing(sqlstate))
		return 503;
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
			return 400;
		default:
			return 500;
	}
}

bool
ingest_is_fault(const ErrorData *error)
{
	return status_of(error->sqlerrcode) == 500 ||
		   ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES;
}

void
ingest_reply_error(IngestItem *item, const ErrorData *error)
{
	bool locked = error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	const char *const parts[] = {locked ? "a table is locked" : error->message,
								 error->detail, error->hint};
	int status = status_of(error->sqlerrcode);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		if (parts[i] != NULL)
			appendStringInfo(&text, "%s%s", i > 0 ? "\n" : "", parts[i]);
	}
	ingest_reply_failed(item, status, text.data, status == 503);
	pfree(text.data);
}
