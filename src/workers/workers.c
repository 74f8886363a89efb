/*
 * workers.c
 *	  Settings and shared state of the background workers, and what other backends may
 *	  ask of them.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "mytsdb.h"
#include "serve_processes.h"
#include "ts_workers.h"
#include "workers.h"

#define STAY_AWAY_MS  60000
#define LEAVE_WAIT_MS 5000
#define LEAVE_STEP_MS 10

WorkersShared *workers_shared = NULL;

static bool wake_at_commit; /* of this process */

int workers_maximum;
int workers_interval;
int workers_seal_age;
int workers_seal_size;

static void
define_settings(void)
{
	DefineCustomIntVariable("mytsdb.maintenance_workers",
							"Sets how many workers may seal and merge at once.",
							"0 turns automatic maintenance off.", &workers_maximum, 2, 0,
							MAX_WORKERS, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"mytsdb.maintenance_interval",
		"Sets how often a database is looked at for tables to maintain.", NULL,
		&workers_interval, 10, 1, 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"mytsdb.seal_age", "Sets after what time rows in a log are sealed.", NULL,
		&workers_seal_age, 600, 1, 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("mytsdb.seal_size",
							"Sets at what size the log of a shard is sealed.", NULL,
							&workers_seal_size, 8 * 1024, 64, 1024 * 1024, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
}

static Size
shmem_size(void)
{
	return sizeof(WorkersShared);
}

static void
shmem_attach(void *memory, bool found)
{
	workers_shared = memory;
	if (!found)
		SpinLockInit(&workers_shared->mutex);
}

/* While pg_upgrade is at work nobody but it changes a cluster, the old or the new one. */
static void
register_workers(void)
{
	BackgroundWorker worker = {0};

	if (IsBinaryUpgrade)
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	snprintf(worker.bgw_name, BGW_MAXLEN, "mytsdb launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "mytsdb launcher");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "mytsdb");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "mytsdb_launcher_main");
	RegisterBackgroundWorker(&worker);
}

const MytsdbModule workers_module = {
	.name = "mytsdb workers",
	.define_settings = define_settings,
	.register_workers = register_workers,
	.shmem_size = shmem_size,
	.shmem_attach = shmem_attach,
};

/* The note of a database, made if there is none. Call with the mutex held. */
static DatabaseNote *
note_of(Oid database)
{
	DatabaseNote *note;

	for (int i = 0; i < MAX_NOTES; i++)
	{
		if (workers_shared->notes[i].database == database)
			return &workers_shared->notes[i];
	}
	note = &workers_shared->notes[workers_shared->next_note];
	workers_shared->next_note = (workers_shared->next_note + 1) % MAX_NOTES;
	note->database = database;
	note->wake = false;
	note->stay_away = 0;
	return note;
}

void
ts_workers_wake(void)
{
	Latch *launcher;

	SpinLockAcquire(&workers_shared->mutex);
	note_of(MyDatabaseId)->wake = true;
	launcher = workers_shared->launcher;
	SpinLockRelease(&workers_shared->mutex);
	if (launcher != NULL)
		SetLatch(launcher);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (wake_at_commit)
				ts_workers_wake();
			wake_at_commit = false;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			wake_at_commit = false;
			break;
		default:
			break;
	}
}

void
ts_workers_wake_at_commit(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(at_transaction_end, NULL);
	registered = true;
	wake_at_commit = true;
}

/* Whether a worker is in the database; tells it to leave. */
static bool
ask_to_leave(Oid database)
{
	pid_t pids[MAX_WORKERS];
	int npids = 0;
	bool there = false;

	SpinLockAcquire(&workers_shared->mutex);
	for (int i = 0; i < MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &workers_shared->slots[i];

		if (slot->database != database || slot->ended)
			continue;
		there = true;
		if (slot->pid != 0)
			pids[npids++] = slot->pid;
	}
	SpinLockRelease(&workers_shared->mutex);
	for (int i = 0; i < npids; i++)
		kill(pids[i], SIGTERM);
	return there;
}

void
ts_workers_leave(Oid database)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STAY_AWAY_MS);

	SpinLockAcquire(&workers_shared->mutex);
	note_of(database)->stay_away = until;
	SpinLockRelease(&workers_shared->mutex);

	for (int waited = 0; waited < LEAVE_WAIT_MS && ask_to_leave(database);
		 waited += LEAVE_STEP_MS)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(LEAVE_STEP_MS * 1000L);
	}
	serve_leave(database);
}

int
ts_workers_maximum(void)
{
	return workers_maximum;
}
