/*
 * worker.c
 *	  A worker: connects to the database and to the gate, and answers what it is given.
 *
 * Between requests it holds no transaction. When it is told to stop it finishes what it
 * runs, for at most mytsdb.shutdown_grace; told twice, it stops at once. It always ends in a
 * way that lets the server start it again.
 *
 * A cancel request is for what runs when it is made: worker_begins() and worker_ends()
 * bracket that, and what comes at other times is not kept for the next request.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "link.h"
#include "serve_processes.h"
#include "serve_settings.h"
#include "worker.h"

/* How often a request that runs looks whether it has been given enough time to end. */
#define GRACE_CHECK_MS 250
/* Between attempts to connect to a gate that says that it listens. */
#define RECONNECT_MS 200

static ServeProcess *me;
static volatile sig_atomic_t stop = false;
static volatile TimestampTz stop_since;
static TimeoutId grace_timeout;

/* ---- signals ---- */

static void
handle_stop(SIGNAL_ARGS)
{
	int save_errno = errno;

	if (!stop)
		stop_since = GetCurrentTimestamp();
	else if (TimestampDifferenceExceeds(stop_since, GetCurrentTimestamp(),
										SERVE_SAME_STOP_MS))
		die(postgres_signal_arg);
	stop = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

/* pg_cancel_backend(), and the statement's timeout. */
static void
handle_cancel(SIGNAL_ARGS)
{
	if (me != NULL && pg_atomic_read_u64(&me->running) != 0)
		StatementCancelHandler(postgres_signal_arg);
}

/* The gate's. */
static void
handle_cancel_mark(SIGNAL_ARGS)
{
	uint64 running = me != NULL ? pg_atomic_read_u64(&me->running) : 0;

	if (running != 0 && running == pg_atomic_read_u64(&me->cancel))
		StatementCancelHandler(postgres_signal_arg);
}

static void
handle_grace_timeout(void)
{
	if (stop && TimestampDifferenceExceeds(stop_since, GetCurrentTimestamp(),
										   serve_shutdown_grace))
		die(SIGTERM);
}

bool
worker_begins(uint64 id)
{
	Assert(id != 0);
	pg_atomic_write_u64(&me->begun, id);
	pg_atomic_write_u64(&me->running, id);
	pg_memory_barrier();
	enable_timeout_every(
		grace_timeout, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), GRACE_CHECK_MS),
		GRACE_CHECK_MS);
	return pg_atomic_read_u64(&me->cancel) != id;
}

void
worker_ends(void)
{
	disable_all_timeouts(false);
	/* advisory ones of the session, by functions that tables have run */
	LockReleaseAll(USER_LOCKMETHOD, true);
	pg_atomic_write_u64(&me->running, 0);
	pg_memory_barrier();
	QueryCancelPending = false;
}

/* ---- what comes between requests ---- */

static void
idle_work(void)
{
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
}

static void
connect_to_gate(int number)
{
	while (!stop && serve_await_gate(&stop) && !link_connect(number))
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 RECONNECT_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		idle_work();
	}
}

/* ---- batches ---- */

static void
run_batch(const ServeRequest *requests, int count)
{
	ServeReply **replies = palloc(sizeof(*replies) * count);

	for (int i = 0; i < count; i++)
		replies[i] = reply_create(requests[i].accept_encoding);
	if (me->kind == SERVE_INGEST)
		worker_run_ingest(requests, replies, count);
	else
		worker_run_query(&requests[0], replies[0]);
	for (int i = 0; i < count && link_connected(); i++)
	{
		ReplyResult result;

		reply_result(replies[i], &result);
		(void) link_send(requests[i].id, &result);
	}
}

static void
serve_gate(int number)
{
	ServeRequest *requests = MemoryContextAlloc(TopMemoryContext,
												sizeof(*requests) * LINK_MAX_COUNT);
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "mytsdb request",
												  ALLOCSET_DEFAULT_SIZES);
	long stats_due = 0; /* in ms, or 0: nothing to report */

	while (!stop)
	{
		int count;

		idle_work();
		if (!link_connected())
		{
			connect_to_gate(number);
			continue;
		}
		MemoryContextSwitchTo(context);
		count = link_receive(requests, stats_due > 0 ? stats_due : -1, &stop);
		if (count > 0)
			run_batch(requests, count);
		MemoryContextSwitchTo(TopMemoryContext);
		MemoryContextReset(context);
		if (count > 0 || stats_due > 0)
			stats_due = pgstat_report_stat(false);
	}
}

/* What a role or a database sets for its sessions must not change what requests do. */
static void
settle_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"default_transaction_isolation", "read committed"},
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

static void
worker_main(int number)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, handle_stop);
	pqsignal(SIGINT, handle_cancel);
	pqsignal(SIGUSR2, handle_cancel_mark);
	BackgroundWorkerUnblockSignals();

	serve_process_begin(number);
	/* the gate says what is wrong with the database: one of us is enough */
	if (!serve_await_gate(&stop))
		proc_exit(1);
	BackgroundWorkerInitializeConnection(serve_database, NULL, 0);
	me = &serve_shared->processes[number];
	pg_atomic_write_u64(&me->running, 0);
	grace_timeout = RegisterTimeout(USER_TIMEOUT, handle_grace_timeout);
	settle_settings();
	pgstat_report_activity(STATE_IDLE, NULL);

	serve_gate(number);
	link_close();
	proc_exit(1); /* 0 would mean: for good */
}

void
mytsdb_ingest_main(Datum arg)
{
	worker_main(DatumGetInt32(arg));
}

void
mytsdb_query_main(Datum arg)
{
	worker_main(DatumGetInt32(arg));
}
