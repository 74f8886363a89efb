/*
 * ingest.c
 *	  Writes over HTTP and gRPC: requests that waited together share a transaction,
 *	  whichever protocol they are of.
 *
 * Each is parsed as its own role, in a subtransaction, so that one which may not write, or
 * says nonsense, fails alone and leaves the others where they are. (The subtransaction
 * writes nothing but series, so it costs no transaction id.) What was parsed is put into
 * the private buffer at once, as the transaction's own, and the memory of the request is
 * free for the next one. Then all commit together, and only after that they have their
 * replies.
 *
 * When applying or the commit fails, nothing of the group is written, and each request is
 * written in a transaction of its own.
 *
 * Locks: in a group a request waits for hardly any time, since others wait with it. One
 * that did not get its locks is written alone, when the group has its commit; all such
 * requests of a batch share LOCK_WAIT_MS, and then they are told to come again. So a table
 * that is locked (by an ALTER TABLE) holds up the writes to others for that long at most.
 *
 * Time: what a table has run when it is written (constraints, defaults) may take as long as
 * its owner likes. A group is given up after GROUP_RUN_MS, and one request alone after
 * mytsdb.query_timeout.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "identity.h"
#include "ingest.h"
#include "serve_settings.h"
#include "serve_stats.h"
#include "ts_log.h"
#include "ts_report.h"

#define GROUP_LOCK_WAIT_MS 50
#define LOCK_WAIT_MS       2000
#define GROUP_RUN_MS       10000

/* A batch on its way. */
typedef struct Ingest
{
	MemoryContext batch;   /* of all its items */
	MemoryContext request; /* of the one that is being written */
	IngestItem *items;
	int count;
	instr_time lock_wait; /* what those written alone have waited in all */
} Ingest;

/* ---- one request ---- */

/* Decodes and parses. False, and replied, when the body is none. */
static bool
parse(IngestItem *item, WriteRequest *write)
{
	const void *data;
	size_t size;
	TsError err;
	TsErrorCode code = item->protocol->decode(item, &data, &size, &err);

	if (code == TS_ERR_MEMORY)
		ts_report_limit(&err);
	if (code != TS_OK)
	{
		ingest_reply_failed(item, code == TS_ERR_LIMIT ? 413 : 400, err.message);
		return false;
	}
	item->decoded = size;
	write->target = item->request->source;
	write->received = item->request->received;
	write->partial = true;
	write->remember = true;
	item->protocol->parse(item, write, data, size);
	return true;
}

/*
 * Parses a request in a subtransaction. Returns whether it is to be applied; else it has
 * its reply, or waits because of a lock. A group whose time is up goes no further.
 */
static bool
parse_apart(Ingest *ingest, IngestItem *item, WriteRequest *write, bool may_wait)
{
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool parsed = false;
	ServeIdentity identity;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(ingest->request);
	PG_TRY();
	{
		PreventCommandIfReadOnly(item->protocol->name);
		PreventCommandDuringRecovery(item->protocol->name);
		serve_become(item->request->role, &identity);
		parsed = parse(item, write);
		serve_return(&identity);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(ingest->request);
		error = CopyErrorData();
		if (ingest_is_fault(error))
			EmitErrorReport();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		parsed = false;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && may_wait)
			ReThrowError(error);
		if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE && may_wait)
			item->state = INGEST_WAITS;
		else
			ingest_reply_error(item, error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(ingest->request);
	CurrentResourceOwner = owner;
	return parsed;
}

/* What the reply says when the transaction has committed; the request's memory goes. */
static void
remember(Ingest *ingest, IngestItem *item, const WriteRequest *write)
{
	item->nsamples = write->nsamples;
	item->nhistograms = write->nhistograms;
	item->nexemplars = write->nexemplars;
	item->nmetadata = OidIsValid(write->metadata_table)
						  ? write_metadata_count(write->metadata)
						  : 0;
	item->npoints = write->npoints;
	item->refused = write->refused;
	item->known = write->known;
	if (item->known.n > 0)
	{
		Size size = item->known.n * sizeof(WriteSaid);

		item->known.said = MemoryContextAllocHuge(ingest->batch, size);
		memcpy(item->known.said, write->known.said, size);
	}
	if (item->refused.text.data != NULL)
		item->refused.text.data = MemoryContextStrdup(ingest->batch,
													  item->refused.text.data);
	item->state = INGEST_JOINED;
}

static void
apply(const IngestItem *item, const WriteRequest *write)
{
	ServeIdentity identity;

	serve_become(item->request->role, &identity);
	write_apply(write, false);
	serve_return(&identity);
}

/* Puts a request into the transaction. */
static void
join(Ingest *ingest, IngestItem *item, bool may_wait)
{
	WriteRequest write = {0};
	instr_time start;

	MemoryContextSwitchTo(ingest->request);
	INSTR_TIME_SET_CURRENT(start);
	if (parse_apart(ingest, item, &write, may_wait))
	{
		serve_count_since(STAT_WRITE_DECODE_US, start);
		INSTR_TIME_SET_CURRENT(start);
		apply(item, &write);
		serve_count_since(STAT_WRITE_APPEND_US, start);
		remember(ingest, item, &write);
	}
	MemoryContextReset(ingest->request);
}

/* ---- transactions ---- */

static void
set_lock_timeout(int ms)
{
	char text[16];

	if (LockTimeout == ms)
		return;
	snprintf(text, sizeof(text), "%d", ms);
	SetConfigOption("lock_timeout", text, PGC_SUSET, PGC_S_OVERRIDE);
}

/* What is left in the private buffer is appended at commit. */
static void
count_commit(instr_time start, int64 appending)
{
	serve_count(STAT_WRITE_APPEND_US, appending);
	serve_count(STAT_WRITE_COMMIT_US, serve_elapsed(start) - appending);
}

/*
 * Writes items[from .. to) that wait in one transaction. Afterwards those that joined it
 * are committed and true is returned; or, as an error says, they are not.
 */
static bool
write_together(Ingest *ingest, int from, int to, bool may_wait, ErrorData **error)
{
	instr_time start;
	int64 appended;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		enable_timeout_after(STATEMENT_TIMEOUT,
							 may_wait ? Min(GROUP_RUN_MS, serve_query_timeout)
									  : serve_query_timeout);
		for (int i = from; i < to; i++)
		{
			if (ingest->items[i].state == INGEST_WAITS)
				join(ingest, &ingest->items[i], may_wait);
		}
		disable_timeout(STATEMENT_TIMEOUT, false);
		PopActiveSnapshot();
		appended = ts_log_append_time();
		INSTR_TIME_SET_CURRENT(start);
		CommitTransactionCommand();
		count_commit(start, ts_log_append_time() - appended);
		*error = NULL;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(ingest->batch);
		*error = CopyErrorData();
		HOLD_INTERRUPTS();
		if (ingest_is_fault(*error))
			EmitErrorReport();
		disable_timeout(STATEMENT_TIMEOUT, false);
		QueryCancelPending = false;
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(ingest->batch);
	MemoryContextReset(ingest->request);
	if (*error == NULL)
		serve_count(STAT_WRITE_COMMITS, 1);
	return *error == NULL;
}

/* Those that joined a transaction are written, or wait again. */
static void
settle(Ingest *ingest, bool written)
{
	for (int i = 0; i < ingest->count; i++)
	{
		IngestItem *item = &ingest->items[i];

		if (item->state == INGEST_JOINED && written)
		{
			write_remember_metadata(&item->known);
			ingest_reply_written(item);
		}
		else if (item->state == INGEST_JOINED)
			item->state = INGEST_WAITS;
	}
}

/* All that wait, together; what is left waits still. */
static void
write_group(Ingest *ingest)
{
	ErrorData *error;

	set_lock_timeout(GROUP_LOCK_WAIT_MS);
	settle(ingest, write_together(ingest, 0, ingest->count, true, &error));
}

/* One that waits, in a transaction of its own. */
static void
write_alone(Ingest *ingest, int i)
{
	int waited = (int) INSTR_TIME_GET_MILLISEC(ingest->lock_wait);
	instr_time start;
	instr_time end;
	ErrorData *error;

	set_lock_timeout(Max(LOCK_WAIT_MS - waited, 1));
	INSTR_TIME_SET_CURRENT(start);
	if (write_together(ingest, i, i + 1, false, &error))
		settle(ingest, true);
	else
		ingest_reply_error(&ingest->items[i], error);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_ACCUM_DIFF(ingest->lock_wait, end, start);
}

void
serve_ingest(const ServeRequest *const *requests, ServeReply *const *replies, int count)
{
	Ingest ingest = {.count = count};
	MemoryContext old = CurrentMemoryContext;
	TsError err;
	int waiting = 0;

	ingest.batch = AllocSetContextCreate(old, "mytsdb ingest", ALLOCSET_DEFAULT_SIZES);
	ingest.request = AllocSetContextCreate(ingest.batch, "mytsdb ingest request",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(ingest.batch);
	ingest.items = palloc0(count * sizeof(IngestItem));
	for (int i = 0; i < count; i++)
	{
		IngestItem *item = &ingest.items[i];

		ingest_begin(item, requests[i], replies[i]);
		serve_count(STAT_WRITE_BYTES, item->request->body.len);
		if (item->protocol->read_headers(item, &err) == TS_OK)
			waiting++;
		else
			ingest_reply_failed(item, 415, err.message);
	}
	if (waiting > 1)
		write_group(&ingest);
	for (int i = 0; i < count; i++)
	{
		if (ingest.items[i].state != INGEST_WAITS)
			continue;
		if (waiting > 1)
			serve_count(STAT_WRITE_RETRIED_REQUESTS, 1);
		write_alone(&ingest, i);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(ingest.batch);
}

void
serve_ingest_unavailable(const ServeRequest *request, ServeReply *reply)
{
	IngestItem item;
	TsError err;

	ingest_begin(&item, request, reply);
	(void) item.protocol->read_headers(&item, &err);
	ingest_reply_failed(&item, 503, "the write could not be done now");
}
