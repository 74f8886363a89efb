/*
 * launcher.c
 *	  The launcher: whose turn it is, and a worker for it.
 *
 * It reads pg_database and nothing else, in a transaction that ends before it waits.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "workers.h"

/* How rarely a database without the extension is looked at. */
#define WITHOUT_EXTENSION_S 300
/* After failures the interval doubles up to this. */
#define MAX_BACKOFF_S 600

typedef struct Database
{
	Oid oid;           /* hash key */
	TimestampTz due;   /* its turn: the earliest comes first */
	int failures;      /* in a row */
	int running;       /* workers */
	bool woken;        /* somebody asked for a worker since the last one started */
	TimestampTz asked; /* when we heard that the last time */
	bool seen;         /* in pg_database, this time */
} Database;

static HTAB *databases;

static void
forget_launcher(int code, Datum arg)
{
	SpinLockAcquire(&workers_shared->mutex);
	workers_shared->launcher = NULL;
	SpinLockRelease(&workers_shared->mutex);
}

static TimestampTz
in_seconds(int seconds)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), (int64) seconds * 1000);
}

static Database *
know_database(Oid oid)
{
	bool found;
	Database *database = hash_search(databases, &oid, HASH_ENTER, &found);

	if (!found)
	{
		database->due = 0;
		database->failures = 0;
		database->running = 0;
		database->woken = false;
		database->asked = 0;
	}
	database->seen = true;
	return database;
}

/* Databases that can be connected to. */
static void
read_databases(void)
{
	HASH_SEQ_STATUS status;
	Database *database;
	Relation pg_database;
	TableScanDesc scan;
	HeapTuple tuple;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		database->seen = false;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	pg_database = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(pg_database, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (form->datallowconn && form->datconnlimit != -2)
			know_database(form->oid);
	}
	table_endscan(scan);
	table_close(pg_database, AccessShareLock);
	CommitTransactionCommand();

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		if (!database->seen && database->running == 0)
			hash_search(databases, &database->oid, HASH_REMOVE, NULL);
	}
}

/*
 * When a database is to be looked at again, by how it went. A worker that found no extension
 * may have looked before it was made; then somebody has asked for a worker since.
 */
static void
settle(Database *database, WorkerOutcome outcome, TimestampTz started)
{
	/* it may be one that a launcher before this one started */
	database->running = Max(database->running - 1, 0);
	switch (outcome)
	{
		case OUTCOME_DONE:
			database->failures = 0;
			if (!database->woken)
				database->due = in_seconds(workers_interval);
			break;
		case OUTCOME_NO_EXTENSION:
			database->failures = 0;
			if (database->asked < started)
				database->due = in_seconds(Max(WITHOUT_EXTENSION_S, workers_interval));
			break;
		case OUTCOME_NONE:
			database->failures = Min(database->failures + 1, 10);
			database->due = in_seconds(
				Min(MAX_BACKOFF_S, workers_interval << database->failures));
			break;
	}
}

/* Takes note of workers that ended and of what others asked for. */
static void
read_shared_state(void)
{
	struct
	{
		Oid database;
		WorkerOutcome outcome;
		TimestampTz started;
	} ended[MAX_WORKERS];
	DatabaseNote notes[MAX_NOTES];
	int nended = 0;
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&workers_shared->mutex);
	for (int i = 0; i < MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &workers_shared->slots[i];

		if (!OidIsValid(slot->database) || !slot->ended)
			continue;
		ended[nended].database = slot->database;
		ended[nended].started = slot->started;
		ended[nended++].outcome = slot->outcome;
		slot->database = InvalidOid;
	}
	memcpy(notes, workers_shared->notes, sizeof(notes));
	for (int i = 0; i < MAX_NOTES; i++)
	{
		workers_shared->notes[i].wake = false;
		if (workers_shared->notes[i].stay_away < now)
			workers_shared->notes[i].stay_away = 0;
	}
	SpinLockRelease(&workers_shared->mutex);

	for (int i = 0; i < nended; i++)
	{
		Database *database = hash_search(databases, &ended[i].database, HASH_FIND, NULL);

		if (database != NULL)
			settle(database, ended[i].outcome, ended[i].started);
	}
	for (int i = 0; i < MAX_NOTES; i++)
	{
		Database *database;

		if (!OidIsValid(notes[i].database))
			continue;
		database = hash_search(databases, &notes[i].database, HASH_FIND, NULL);
		if (database == NULL)
			continue;
		if (notes[i].wake)
		{
			database->woken = true;
			database->asked = now;
			database->due = Min(database->due, now);
		}
		if (notes[i].stay_away > now)
			database->due = Max(database->due, notes[i].stay_away);
	}
}

/* Takes a slot; -1 when all that may run do. */
static int
take_slot(Oid database)
{
	int used = 0;
	int found = -1;
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&workers_shared->mutex);
	for (int i = 0; i < MAX_WORKERS; i++)
	{
		if (OidIsValid(workers_shared->slots[i].database))
			used++;
		else if (found < 0)
			found = i;
	}
	if (used >= workers_maximum)
		found = -1;
	if (found >= 0)
		workers_shared->slots[found] = (WorkerSlot){.database = database, .started = now};
	SpinLockRelease(&workers_shared->mutex);
	return found;
}

static void
release_slot(int slot)
{
	SpinLockAcquire(&workers_shared->mutex);
	workers_shared->slots[slot].database = InvalidOid;
	SpinLockRelease(&workers_shared->mutex);
}

/*
 * A slot whose worker could not be started, or died before it could say so. The wait for
 * the worker resets the latch, which somebody else may have set.
 */
static void
watch_worker(int slot, BackgroundWorkerHandle *handle)
{
	BgwHandleStatus status;
	pid_t pid;

	status = WaitForBackgroundWorkerStartup(handle, &pid);
	SetLatch(MyLatch);
	if (status == BGWH_STARTED)
		return;
	SpinLockAcquire(&workers_shared->mutex);
	if (OidIsValid(workers_shared->slots[slot].database))
		workers_shared->slots[slot].ended = true;
	SpinLockRelease(&workers_shared->mutex);
}

static bool
start_worker(Database *database)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	int slot = take_slot(database->oid);

	if (slot < 0)
		return false;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = Int32GetDatum(slot);
	worker.bgw_notify_pid = MyProcPid;
	snprintf(worker.bgw_name, BGW_MAXLEN, "mytsdb maintenance");
	snprintf(worker.bgw_type, BGW_MAXLEN, "mytsdb maintenance");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "mytsdb");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "mytsdb_maintenance_main");
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		release_slot(slot);
		return false;
	}
	database->running++;
	database->woken = false;
	/* whoever asks for another one from now on waits since then, and no longer */
	database->due = in_seconds(workers_interval);
	watch_worker(slot, handle);
	pfree(handle);
	return true;
}

/*
 * A database has one worker. A second one comes when somebody asks for it, so that what
 * cannot wait is sealed while the first one merges.
 */
static bool
may_have_worker(const Database *database)
{
	return database->running == 0 || (database->running == 1 && database->woken);
}

/* Starts workers for those whose turn it is, the longest waiting first; returns how long
 * to wait, in ms. */
static long
start_workers(void)
{
	for (;;)
	{
		HASH_SEQ_STATUS status;
		Database *database;
		Database *first = NULL;
		TimestampTz now = GetCurrentTimestamp();

		hash_seq_init(&status, databases);
		while ((database = hash_seq_search(&status)) != NULL)
		{
			if (may_have_worker(database) &&
				(first == NULL || database->due < first->due))
				first = database;
		}
		if (first == NULL)
			return workers_interval * 1000L;
		if (first->due > now)
			return Min(workers_interval * 1000L,
					   TimestampDifferenceMilliseconds(now, first->due) + 1);
		if (!start_worker(first))
			return workers_interval * 1000L;
	}
}

void
mytsdb_launcher_main(Datum arg)
{
	HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Database)};
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(forget_launcher, (Datum) 0);
	SpinLockAcquire(&workers_shared->mutex);
	workers_shared->launcher = MyLatch;
	SpinLockRelease(&workers_shared->mutex);

	databases = hash_create("mytsdb databases", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	context = AllocSetContextCreate(TopMemoryContext, "mytsdb launcher",
									ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		long wait = workers_interval * 1000L;

		CHECK_FOR_INTERRUPTS();
		if (ShutdownRequestPending)
			proc_exit(1); /* 0 would mean: for good */
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		MemoryContextSwitchTo(context);
		pgstat_report_activity(STATE_RUNNING, "looking for databases to maintain");
		read_databases();
		MemoryContextSwitchTo(context);
		read_shared_state();
		if (workers_maximum > 0)
			wait = start_workers();
		pgstat_report_activity(STATE_IDLE, NULL);
		MemoryContextReset(context);

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
