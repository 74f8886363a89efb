/*
 * worker_run.c
 *	  How a request is run: its transaction, its role, its time; and what becomes of errors.
 *
 * A reply is only sent when its transaction has ended, one way or the other.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "form.h"
#include "identity.h"
#include "reply.h"
#include "serve_settings.h"
#include "serve_stats.h"
#include "worker.h"

#define MAX_SHOWN_FORM 8192

/* Until when what runs may run; 0: nothing does, or any time. */
static TimestampTz deadline;

/* ---- time ---- */

static void
arm(void)
{
	long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

	enable_timeout_after(STATEMENT_TIMEOUT, (int) Min(Max(left, 1), INT_MAX));
}

void
serve_set_timeout(int ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Max(ms, 0));

	if (deadline == 0 || until >= deadline)
		return;
	deadline = until;
	arm();
}

bool
serve_timed_out(void)
{
	return deadline != 0 && GetCurrentTimestamp() >= deadline;
}

/* ---- errors ---- */

/*
 * In a PG_CATCH block: leaves the transaction and the error behind, and returns what the
 * error was, in `context`, which becomes the current one.
 */
static ErrorData *
recover(MemoryContext context)
{
	ErrorData *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	disable_timeout(STATEMENT_TIMEOUT, false);
	QueryCancelPending = false;
	AbortOutOfAnyTransaction();
	jit_reset_after_error();
	MemoryContextSwitchTo(context);
	FlushErrorState();
	RESUME_INTERRUPTS();
	return error;
}

/* As if it had been raised here. */
static void
log_error(ErrorData *error)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		ReThrowError(error);
	}
	PG_CATCH();
	{
		EmitErrorReport();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
}

static void
plain_error_reply(ServeReply *reply)
{
	reply_reset(reply);
	reply_status(reply, 500, SERVE_TEXT_TYPE);
	reply_text(reply, "internal error\n");
	reply_finish(reply);
}

/* Errors that are the client's are told to it; the log has those that are ours. */
static void
error_reply(const ServeRequest *request, ErrorData *error, ServeReply *reply)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		reply_reset(reply);
		serve_error_reply(request, error, reply);
		reply_finish(reply);
	}
	PG_CATCH();
	{
		log_error(recover(context));
		plain_error_reply(reply);
	}
	PG_END_TRY();
	if (reply_get_status(reply) >= 500 && error->sqlerrcode != ERRCODE_QUERY_CANCELED)
		log_error(error);
}

/* ---- queries ---- */

/* The handler changes nothing that is durable, so its transaction may not either. */
static void
run_handler(const ServeRequest *request, ServeReply *reply)
{
	MemoryContext context = CurrentMemoryContext;
	ServeIdentity identity;

	StartTransactionCommand();
	XactReadOnly = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	serve_become(request->role, &identity);
	MemoryContextSwitchTo(context);
	arm();

	if (request->route == ROUTE_READ)
		serve_read(request, reply);
	else
		serve_query(request, reply);
	reply_finish(reply);

	disable_timeout(STATEMENT_TIMEOUT, false);
	serve_return(&identity);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

/* The client was told the number, if it was told little else. */
static void
add_context(void *request)
{
	errcontext("HTTP request " UINT64_FORMAT, ((const ServeRequest *) request)->id);
}

/* In a context of its own: what a handler leaves is gone when the reply is sent. */
static void
run_guarded(const ServeRequest *request, ServeReply *reply)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(outer, "mytsdb handler",
												  ALLOCSET_DEFAULT_SIZES);
	ErrorContextCallback callback = {.previous = error_context_stack,
									 .callback = add_context,
									 .arg = (void *) request};

	PG_TRY();
	{
		error_context_stack = &callback;
		MemoryContextSwitchTo(context);
		run_handler(request, reply);
		error_context_stack = callback.previous;
	}
	PG_CATCH();
	{
		ErrorData *error = recover(outer);

		MemoryContextReset(context);
		error_reply(request, error, reply);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}

/* It was canceled before it could begin. */
static void
canceled_reply(const ServeRequest *request, ServeReply *reply)
{
	ErrorData error = {
		.elevel = ERROR,
		.sqlerrcode = ERRCODE_QUERY_CANCELED,
		.message = "canceling statement due to user request",
	};

	error_reply(request, &error, reply);
}

/* Remote reads have figures of their own. */
static void
count_query(const ServeReply *reply, bool timed_out, instr_time since)
{
	serve_time(TIMING_QUERY, serve_elapsed(since));
	serve_count(STAT_QUERIES, 1);
	if (reply_get_status(reply) >= 400)
		serve_count(STAT_QUERIES_FAILED, 1);
	if (timed_out)
		serve_count(STAT_QUERIES_TIMED_OUT, 1);
}

/* What pg_stat_activity shows as its beginning is the statement's. */
static void
show_activity(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	debug_query_string = activity;
	pgstat_report_activity(STATE_RUNNING, activity);
}

/* For pg_stat_activity and logs: the target, and a form that was sent as the body. */
static char *
activity_of(const ServeRequest *request)
{
	StringInfoData text;

	initStringInfo(&text);
	appendBinaryStringInfo(&text, request->target.data, (int) request->target.len);
	if (form_is_type(request->content_type) && request->content_encoding.len == 0)
	{
		appendStringInfoChar(&text, request->query.len > 0 ? '&' : '?');
		appendBinaryStringInfo(&text, request->body.data,
							   (int) Min(request->body.len, MAX_SHOWN_FORM));
	}
	/* encoded as it is, it should be all ASCII */
	for (int i = 0; i < text.len; i++)
	{
		if (text.data[i] < ' ' || text.data[i] > '~')
			text.data[i] = '?';
	}
	return text.data;
}

void
worker_run_query(const ServeRequest *request, ServeReply *reply)
{
	char *activity = activity_of(request);
	instr_time since;

	show_activity(activity);
	deadline = TimestampTzPlusMilliseconds(request->received, serve_query_timeout);
	INSTR_TIME_SET_CURRENT(since);
	if (worker_begins(request->id))
		run_guarded(request, reply);
	else
		canceled_reply(request, reply);
	worker_ends();
	if (request->route != ROUTE_READ)
		count_query(reply, reply_get_status(reply) == 503 && serve_timed_out(), since);
	deadline = 0;
	debug_query_string = NULL;
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* ---- writes ---- */

/* The worker itself is at fault: nothing is known of what was not committed. */
static void
fail_all(const ServeRequest *requests, ServeReply *const *replies, int count,
		 ErrorData *error)
{
	log_error(error);
	for (int i = 0; i < count; i++)
	{
		serve_ingest_unavailable(&requests[i], replies[i]);
		reply_finish(replies[i]);
	}
}

void
worker_run_ingest(const ServeRequest *requests, ServeReply *const *replies, int count)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(outer, "mytsdb handler",
												  ALLOCSET_DEFAULT_SIZES);
	const ServeRequest **pointers = palloc(sizeof(*pointers) * count);
	char *activity = psprintf("writing %d requests", count);

	for (int i = 0; i < count; i++)
		pointers[i] = &requests[i];
	show_activity(activity);
	(void) worker_begins(requests[0].id);
	PG_TRY();
	{
		MemoryContextSwitchTo(context);
		serve_ingest(pointers, replies, count);
		Assert(!IsTransactionState());
		for (int i = 0; i < count; i++)
			reply_finish(replies[i]);
	}
	PG_CATCH();
	{
		fail_all(requests, replies, count, recover(outer));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	worker_ends();
	debug_query_string = NULL;
	pgstat_report_activity(STATE_IDLE, NULL);
}
