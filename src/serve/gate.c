/*
 * gate.c
 *	  The gate's process: its beginning, its loop, its end.
 *
 * The loop is libevent's, so PostgreSQL's latches are not waited for: signal handlers set
 * flags and write to an eventfd, and what the flags ask for is done between two rounds of
 * the loop, never within a callback. Callbacks run in a memory context that is emptied
 * after the outermost of them.
 */
#include "postgres.h"

#include <malloc.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/procsignal.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "gate.h"
#include "http.h"
#include "serve_processes.h"
#include "serve_settings.h"

/* Memory that the gate keeps for further requests. */
#define KEPT_MEMORY (16 * 1024 * 1024)

/* While requests run out: how often it is looked whether all are gone. */
#define STOPPING_LOOK_MS 50

extern PGDLLEXPORT void mytsdb_gate_main(Datum arg);

struct event_base *gate_base;
bool gate_stopping;

static volatile sig_atomic_t stop_wanted; /* how often: twice means at once */
static volatile TimestampTz stop_since;
static volatile sig_atomic_t reload_wanted;
static int wake_fd = -1;

static MemoryContext callback_context;
static int callback_depth;

/* ---- signals ---- */

/* May be called by signal handlers. */
static void
wake_loop(void)
{
	uint64 one = 1;
	int save_errno = errno;

	/* A full counter is as good as one more. */
	if (write(wake_fd, &one, sizeof(one)) < 0)
		Assert(errno == EAGAIN);
	errno = save_errno;
}

static void
want_stop(SIGNAL_ARGS)
{
	if (stop_wanted == 0)
	{
		stop_since = GetCurrentTimestamp();
		stop_wanted = 1;
	}
	else if (TimestampDifferenceExceeds(stop_since, GetCurrentTimestamp(),
										SERVE_SAME_STOP_MS))
		stop_wanted = 2;
	wake_loop();
}

static void
want_reload(SIGNAL_ARGS)
{
	reload_wanted = true;
	wake_loop();
}

static void
take_procsignal(SIGNAL_ARGS)
{
	procsignal_sigusr1_handler(postgres_signal_arg);
	wake_loop();
}

static void
set_signal_handlers(void)
{
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wake_fd < 0)
		ereport(FATAL, (errcode_for_file_access(), errmsg("eventfd() failed: %m")));
	ReserveExternalFD();
	pqsignal(SIGTERM, want_stop);
	pqsignal(SIGHUP, want_reload);
	pqsignal(SIGUSR1, take_procsignal);
	pqsignal(SIGINT, StatementCancelHandler); /* of lock_timeout, too */
	pqsignal(SIGPIPE, SIG_IGN);
}

/* ---- callbacks ---- */

bool
gate_guard(void (*callback)(void *arg), void *arg)
{
	MemoryContext before = CurrentMemoryContext;
	volatile bool good = true;

	callback_depth++;
	PG_TRY();
	{
		MemoryContextSwitchTo(callback_context);
		callback(arg);
		Assert(!IsTransactionState());
	}
	PG_CATCH();
	{
		good = false;
		MemoryContextSwitchTo(callback_context);
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		LWLockReleaseAll();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(before);
	if (--callback_depth == 0)
		MemoryContextReset(callback_context);
	return good;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	uint64 count;

	/* The flags say why; that it is read is all that matters. */
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		ereport(LOG, (errmsg("could not read from an eventfd: %m")));
}

static void
on_postmaster_death(evutil_socket_t fd, short what, void *arg)
{
	/* as every child does then */
	proc_exit(1);
}

static void
log_for_libevent(int severity, const char *message)
{
	if (severity >= EVENT_LOG_WARN)
		ereport(LOG, (errmsg("mytsdb gate: libevent: %s", message)));
}

/* ---- the loop ---- */

static void
watch(int fd, event_callback_fn callback)
{
	struct event *event = event_new(gate_base, fd, EV_READ | EV_PERSIST, callback, NULL);

	if (event == NULL || event_add(event, NULL) != 0)
		ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

static void
make_loop(void)
{
	event_set_log_callback(log_for_libevent);
	gate_base = event_base_new();
	if (gate_base == NULL)
		ereport(FATAL, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not make the event loop of the mytsdb gate")));
	ReserveExternalFD(); /* epoll's */
	watch(wake_fd, on_wake);
	watch(postmaster_alive_fds[POSTMASTER_FD_WATCH], on_postmaster_death);
}

static void
reload(void *arg)
{
	ProcessConfigFile(PGC_SIGHUP);
	http_reload();
	gate_auth_reload();
	gate_self_reload();
}

/* What backends are asked to do while they wait for a command. */
static void
serve_interrupts(void *arg)
{
	CHECK_FOR_INTERRUPTS();
	ProcessCatchupInterrupt();
}

static void
one_round(void)
{
	if (event_base_loop(gate_base, EVLOOP_ONCE) < 0)
		ereport(FATAL, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("the event loop of the mytsdb gate failed")));
	gate_guard(serve_interrupts, NULL);
	if (reload_wanted)
	{
		reload_wanted = false;
		gate_guard(reload, NULL);
	}
}

static void
do_nothing(evutil_socket_t fd, short what, void *arg)
{
}

/* Lets what runs come to its end, but not for longer than mytsdb.shutdown_grace. */
static void
run_out(void)
{
	struct timeval look = gate_timeval(STOPPING_LOOK_MS);
	struct event *tick = event_new(gate_base, -1, EV_PERSIST, do_nothing, NULL);
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													serve_shutdown_grace);
	int left;

	gate_stopping = true;
	if (tick != NULL)
		event_add(tick, &look);
	while ((left = http_stop()) > 0 && stop_wanted < 2 && GetCurrentTimestamp() < until)
		one_round();
	if (left > 0)
		ereport(LOG, (errmsg_plural("mytsdb gate stops with %d connection still busy",
									"mytsdb gate stops with %d connections still busy",
									(unsigned long) left, left)));
}

static void
gate_loop(void)
{
	pgstat_report_activity(STATE_IDLE, NULL);
	while (!stop_wanted)
		one_round();
	run_out();
}

/* ---- the process ---- */

/*
 * Bodies come and go. Memory that is given back to the system each time is cleared by it each
 * time, which costs more than all else that the gate does with a large body.
 */
static void
keep_memory(void)
{
#ifdef M_TRIM_THRESHOLD
	(void) mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
	(void) mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
#endif
}

void
mytsdb_gate_main(Datum arg)
{
	/* until there is something to end gently, a stop is at once */
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	serve_process_begin(DatumGetInt32(arg));
	set_signal_handlers();
	BackgroundWorkerInitializeConnection(serve_database, NULL, 0);
	SetConfigOption("application_name", "mytsdb gate", PGC_USERSET, PGC_S_SESSION);
	pgstat_report_appname("mytsdb gate");

	keep_memory();
	callback_context = AllocSetContextCreate(TopMemoryContext, "mytsdb gate callback",
											 ALLOCSET_DEFAULT_SIZES);
	make_loop();
	dispatch_start();
	gate_auth_start();
	http_start();
	gate_self_start();
	gate_loop();

	/* Not 0: a gate that was ended while the server goes on is to come back. */
	proc_exit(1);
}
