/*
 * ingest_reply.c
 *	  What senders are told, whichever protocol they speak: statuses of HTTP.
 *
 * Senders look at the status alone: at 5xx (OTLP: 503) and 429 they send the same again
 * until it is taken, and at any other 4xx they give up. So whatever will never be right is a
 * 4xx, and whatever may be right later is a 503 with Retry-After:
 *
 *	400		none of it is written, and never will be
 *	403		the role may not write there
 *	404		there is no such table any more
 *	413		the message is larger than mytsdb.remote_write_max_size
 *	415		a type, encoding or version that we do not read
 *	500		an error of ours
 *	503		a lock, a conflict, memory, disk, a standby, shutdown
 *
 * How what is written, and what is refused of it, is answered is the protocol's.
 */
#include "postgres.h"

#include "utils/elog.h"

#include "ingest.h"
#include "serve_stats.h"

#define RETRY_AFTER_S 1

void
ingest_begin(IngestItem *item, const ServeRequest *request, ServeReply *reply)
{
	*item = (IngestItem){
		.request = request,
		.protocol = request->route == ROUTE_WRITE ? &ingest_remote_write : &ingest_otlp,
		.reply = reply,
	};
}

void
ingest_reply_written(IngestItem *item)
{
	reply_reset(item->reply);
	item->protocol->reply_written(item);
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
ingest_reply_failed(IngestItem *item, int status, const char *message)
{
	item->nsamples = item->nhistograms = item->nexemplars = item->npoints = 0;
	reply_reset(item->reply);
	item->protocol->reply_failed(item, status, message,
								 status == 503 ? RETRY_AFTER_S : 0);
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
	ingest_reply_failed(item, status, text.data);
	pfree(text.data);
}
