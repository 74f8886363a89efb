/*
 * serve.c
 *	  Registers the processes of the server inside, and keeps what they share.
 *
 * All of them start as soon as the server has a consistent state, so a hot standby answers
 * queries. One that ends, for whatever reason, is started again.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "replication/logicallauncher.h"
#include "storage/ipc.h"
#include "utils/wait_event.h"

#include "mytsdb.h"
#include "serve_processes.h"
#include "serve_settings.h"
#include "ts_workers.h"

/* The gate fails as long as there is no such database, and says so each time. */
#define GATE_RESTART_S   3
#define WORKER_RESTART_S 1

#define LEAVE_WAIT_MS 5000
#define LEAVE_STEP_MS 10
/* Who has not left by then is told again, which means at once. */
#define LEAVE_AGAIN_MS 1000

ServeShared *serve_shared = NULL;

static int my_number = -1;
/* Times that this backend's transaction has sent the processes away. */
static int my_leaves = 0;
/* The outermost (sub)transaction that has. */
static int my_leave_level;

int
serve_process_count(void)
{
	return serve_wanted() ? 1 + serve_ingest_workers + serve_query_workers : 0;
}

/* ---- shared memory ---- */

static Size
shmem_size(void)
{
	return add_size(offsetof(ServeShared, processes),
					mul_size(serve_process_count(), sizeof(ServeProcess)));
}

static ServeKind
kind_of(int number)
{
	if (number == SERVE_GATE_NUMBER)
		return SERVE_GATE;
	return number <= serve_ingest_workers ? SERVE_INGEST : SERVE_QUERY;
}

static void
shmem_attach(void *memory, bool found)
{
	serve_shared = memory;
	if (found)
		return;
	SpinLockInit(&serve_shared->mutex);
	for (int i = 0; i < serve_process_count(); i++)
	{
		ServeProcess *process = &serve_shared->processes[i];

		process->kind = kind_of(i);
		pg_atomic_init_u64(&process->running, 0);
		pg_atomic_init_u64(&process->cancel, 0);
		pg_atomic_init_u64(&process->begun, 0);
	}
}

/* ---- registration ---- */

static void
register_process(int number)
{
	static const char *const types[] = {"mytsdb gate", "mytsdb ingest", "mytsdb query"};
	static const char *const functions[] = {"mytsdb_gate_main", "mytsdb_ingest_main",
											"mytsdb_query_main"};
	ServeKind kind = kind_of(number);
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = kind == SERVE_GATE ? GATE_RESTART_S : WORKER_RESTART_S;
	worker.bgw_main_arg = Int32GetDatum(number);
	if (kind == SERVE_GATE)
		snprintf(worker.bgw_name, BGW_MAXLEN, "%s", types[kind]);
	else
		snprintf(worker.bgw_name, BGW_MAXLEN, "%s %d", types[kind],
				 kind == SERVE_INGEST ? number : number - serve_ingest_workers);
	snprintf(worker.bgw_type, BGW_MAXLEN, "%s", types[kind]);
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "mytsdb");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "%s", functions[kind]);
	RegisterBackgroundWorker(&worker);
}

/*
 * While pg_upgrade is at work nobody but it changes a cluster. One worker of each kind is
 * registered before there are more of any, and some of max_worker_processes are left to
 * those that seal, without which nothing goes well for long.
 */
static void
register_workers(void)
{
	int wanted = serve_process_count();
	int others = 1 + ts_workers_maximum() + (max_logical_replication_workers > 0 ? 1 : 0);
	int first_query = 1 + serve_ingest_workers;
	int room;

	if (IsBinaryUpgrade || wanted == 0)
		return;
	room = Max(max_worker_processes - others, 3);
	if (room < wanted)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("mytsdb starts %d of %d processes that serve HTTP", room, wanted),
				 errdetail("max_worker_processes is %d, and %d are for other workers.",
						   max_worker_processes, others),
				 errhint("Set max_worker_processes to at least %d, and higher by "
						 "max_parallel_workers.",
						 wanted + others)));
	register_process(SERVE_GATE_NUMBER);
	register_process(1);
	register_process(first_query);
	room -= 3;
	for (int i = 1; room > 0 && i < Max(serve_ingest_workers, serve_query_workers); i++)
	{
		if (i < serve_query_workers && room-- > 0)
			register_process(first_query + i);
		if (i < serve_ingest_workers && room-- > 0)
			register_process(1 + i);
	}
}

const MytsdbModule serve_module = {
	.name = "mytsdb serve",
	.register_workers = register_workers,
	.shmem_size = shmem_size,
	.shmem_attach = shmem_attach,
};

/* ---- coming and going ---- */

static void
forget_process(int code, Datum arg)
{
	ServeProcess *process = &serve_shared->processes[my_number];

	pg_atomic_write_u64(&process->running, 0);
	SpinLockAcquire(&serve_shared->mutex);
	process->pid = 0;
	process->latch = NULL;
	if (my_number == SERVE_GATE_NUMBER)
		serve_shared->listening = false;
	SpinLockRelease(&serve_shared->mutex);
}

static bool
enter(void)
{
	ServeProcess *process = &serve_shared->processes[my_number];
	bool away;

	SpinLockAcquire(&serve_shared->mutex);
	away = serve_shared->away > 0;
	if (!away)
	{
		process->pid = MyProcPid;
		process->latch = MyLatch;
	}
	SpinLockRelease(&serve_shared->mutex);
	return !away;
}

static void
wait_ms(long ms)
{
	CHECK_FOR_INTERRUPTS();
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

void
serve_process_begin(int number)
{
	Assert(number >= 0 && number < serve_process_count());
	my_number = number;
	before_shmem_exit(forget_process, (Datum) 0);
	while (!enter())
		wait_ms(200);
}

void
serve_gate_listens(bool listens)
{
	Assert(my_number == SERVE_GATE_NUMBER);
	SpinLockAcquire(&serve_shared->mutex);
	serve_shared->listening = listens;
	SpinLockRelease(&serve_shared->mutex);
	for (int i = 1; listens && i < serve_process_count(); i++)
	{
		Latch *latch;

		SpinLockAcquire(&serve_shared->mutex);
		latch = serve_shared->processes[i].latch;
		SpinLockRelease(&serve_shared->mutex);
		if (latch != NULL)
			SetLatch(latch);
	}
}

bool
serve_await_gate(const volatile sig_atomic_t *stop)
{
	while (!*stop)
	{
		bool listening;

		SpinLockAcquire(&serve_shared->mutex);
		listening = serve_shared->listening;
		SpinLockRelease(&serve_shared->mutex);
		if (listening)
			return true;
		wait_ms(5000);
	}
	return false;
}

void
serve_cancel(int number, uint64 request)
{
	ServeProcess *process = &serve_shared->processes[number];
	pid_t pid;

	pg_atomic_write_u64(&process->cancel, request);
	pg_memory_barrier();
	SpinLockAcquire(&serve_shared->mutex);
	pid = process->pid;
	SpinLockRelease(&serve_shared->mutex);
	if (pid != 0)
		kill(pid, SIGUSR2);
}

/* ---- statements that want nobody in the database ---- */

static void
let_back(void)
{
	SpinLockAcquire(&serve_shared->mutex);
	serve_shared->away -= my_leaves;
	SpinLockRelease(&serve_shared->mutex);
	my_leaves = 0;
}

static void
end_leaves(XactEvent event, void *arg)
{
	if (my_leaves > 0 && (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
						  event == XACT_EVENT_PREPARE))
		let_back();
}

/* After one that fails, what was to be done to the database is not done. */
static void
end_leaves_of_subtransaction(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent, void *arg)
{
	if (my_leaves == 0 || GetCurrentTransactionNestLevel() > my_leave_level)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		let_back();
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		my_leave_level = GetCurrentTransactionNestLevel() - 1;
}

/* Tells all that are there to leave, if they should be told; returns how many are. */
static int
count_processes(bool tell)
{
	int there = 0;

	for (int i = 0; i < serve_process_count(); i++)
	{
		pid_t pid;

		SpinLockAcquire(&serve_shared->mutex);
		pid = serve_shared->processes[i].pid;
		SpinLockRelease(&serve_shared->mutex);
		if (pid == 0)
			continue;
		there++;
		if (tell)
			kill(pid, SIGTERM);
	}
	return there;
}

void
serve_leave(Oid database)
{
	static bool registered = false;
	char *name = get_database_name(database);

	if (serve_process_count() == 0 || name == NULL || strcmp(name, serve_database) != 0)
		return;
	if (!registered)
	{
		RegisterXactCallback(end_leaves, NULL);
		RegisterSubXactCallback(end_leaves_of_subtransaction, NULL);
	}
	registered = true;
	if (my_leaves == 0 || GetCurrentTransactionNestLevel() < my_leave_level)
		my_leave_level = GetCurrentTransactionNestLevel();
	SpinLockAcquire(&serve_shared->mutex);
	serve_shared->away++;
	SpinLockRelease(&serve_shared->mutex);
	my_leaves++;

	for (int waited = 0; waited < LEAVE_WAIT_MS; waited += LEAVE_STEP_MS)
	{
		if (count_processes(waited % LEAVE_AGAIN_MS == 0) == 0)
			break;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(LEAVE_STEP_MS * 1000L);
	}
}
