/*
 * maintenance.c
 *	  A maintenance worker: does what there is to do in one database, and ends.
 *
 * Each step (sealing one shard as far as memory goes, merging one window, indexing labels,
 * retention, freeing pages) is a transaction of its own; between two of them the worker
 * rests as long as the last one took, but at most REST_MS, and not while hot memory is
 * short. A table whose lock is not to be had at once is left for the next time, and one
 * that somebody waits for is left in mid-step. An error of one kind of work, on one table,
 * keeps neither the others nor other tables from their turn: retention goes on where
 * merging fails.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "ts_hot.h"
#include "ts_index.h"
#include "ts_log.h"
#include "ts_maintain.h"
#include "ts_table.h"
#include "workers.h"

#define REST_MS 200

static int my_slot;
static WorkerOutcome outcome = OUTCOME_NONE;

/* A step on an open table; returns whether it should be called again right away. */
typedef bool (*Step)(Relation rel, const TsTable *table, int shard, bool *worked);

static void
leave_slot(int code, Datum arg)
{
	WorkerSlot *slot = &workers_shared->slots[my_slot];
	Latch *launcher;

	SpinLockAcquire(&workers_shared->mutex);
	slot->ended = true;
	slot->outcome = outcome;
	slot->pid = 0;
	launcher = workers_shared->launcher;
	SpinLockRelease(&workers_shared->mutex);
	if (launcher != NULL)
		SetLatch(launcher);
}

static bool
told_to_stay_away(Oid database)
{
	bool away = false;

	SpinLockAcquire(&workers_shared->mutex);
	for (int i = 0; i < MAX_NOTES; i++)
	{
		if (workers_shared->notes[i].database == database)
			away = workers_shared->notes[i].stay_away > GetCurrentTimestamp();
	}
	SpinLockRelease(&workers_shared->mutex);
	return away;
}

/* ---- steps ---- */

/*
 * A log is sealed when it is large, has waited long enough, or should be for the sake of
 * hot memory.
 */
static bool
seal_step(Relation rel, const TsTable *table, int shard, bool *worked)
{
	uint64 backlog = ts_seal_backlog(rel, table, shard);
	bool wanted;
	bool more;

	if (backlog == 0)
		return false;
	wanted = ts_hot_wants_seal(table, shard);
	if (!wanted && backlog < (uint64) workers_seal_size * 1024 &&
		!TimestampDifferenceExceeds(ts_log_pending_since(table, shard),
									GetCurrentTimestamp(), workers_seal_age * 1000))
		return false;
	if (!ts_maintain_lock(table, shard, false))
		return false;
	if (ts_seal_shard(rel, table, shard, &more) > 0)
		*worked = true;
	return more;
}

static bool
merge_step(Relation rel, const TsTable *table, int shard, bool *worked)
{
	if (!ts_maintain_lock(table, -1, false))
		return false;
	if (ts_merge_window(rel, table, false) == 0)
		return false;
	*worked = true;
	return true;
}

/* The label index. */
static bool
index_step(Relation rel, const TsTable *table, int shard, bool *worked)
{
	if (!table->labels_key || !ts_maintain_lock(table, -1, false))
		return false;
	if (!ts_index_maintain(rel, table, false))
		return false;
	*worked = true;
	return true;
}

/* The time before which rows have outlived the table's retention. */
static int64
retention_limit(const TsTable *table, const char *retention)
{
	Datum interval = DirectFunctionCall3(interval_in, CStringGetDatum(retention),
										 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	Datum limit = DirectFunctionCall2(
		timestamptz_mi_interval, TimestampTzGetDatum(GetCurrentTimestamp()), interval);

	return ts_table_time_from_timestamptz(table, DatumGetTimestampTz(limit));
}

static bool
retain_step(Relation rel, const TsTable *table, int shard, bool *worked)
{
	TsOptions options;

	ts_options_read(RelationGetRelid(rel), &options);
	if (options.retention == NULL || !ts_maintain_lock(table, -1, false))
		return false;
	if (ts_drop_before(rel, table, retention_limit(table, options.retention)) > 0)
		*worked = true;
	return false;
}

static bool
free_step(Relation rel, const TsTable *table, int shard, bool *worked)
{
	ts_free_pages(rel, table);
	return false;
}

/* ---- tables ---- */

static void
rest(TimestampTz since)
{
	long took = TimestampDifferenceMilliseconds(since, GetCurrentTimestamp());

	CHECK_FOR_INTERRUPTS();
	if (took <= 0 || ts_hot_pressed())
		return;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(took, REST_MS), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* What is done with a table, in this order: steps, each as often as it wants. */
typedef struct Part
{
	const char *what;
	Step step;
	bool every_shard;
	bool after_work; /* only if another part has done something */
} Part;

static const Part parts[] = {
	{.what = "sealing", .step = seal_step, .every_shard = true},
	{.what = "merging", .step = merge_step},
	{.what = "indexing", .step = index_step},
	{.what = "dropping old blocks of", .step = retain_step},
	{.what = "freeing pages of", .step = free_step, .after_work = true},
};

/* A table's turn. */
typedef struct Turn
{
	Oid relid;
	int shards;
	bool worked;
	bool there; /* false: the table is not to be had */
} Turn;

/* One transaction: a step. Returns whether it wants to go on. */
static bool
do_step(Turn *turn, const Part *part, int shard)
{
	TimestampTz since = GetCurrentTimestamp();
	Relation rel = NULL;
	bool again = false;

	/* nobody sends statements; a step begins now, not when the worker did */
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (ConditionalLockRelationOid(turn->relid, RowExclusiveLock))
		rel = try_relation_open(turn->relid, NoLock);
	turn->there = rel != NULL && ts_table_is_ours(rel) && ts_maintain_lock_catalogs();
	if (turn->there)
	{
		TsTable *table = ts_table_get(rel);
		char *activity = psprintf("%s %s", part->what, RelationGetRelationName(rel));

		pgstat_report_activity(STATE_RUNNING, activity);
		turn->shards = table->shards;
		again = shard < table->shards && part->step(rel, table, shard, &turn->worked);
	}
	if (rel != NULL)
		relation_close(rel, NoLock);
	PopActiveSnapshot();
	CommitTransactionCommand();
	rest(since);
	return again;
}

/* An error ends this part (of this shard) and no more. Returns false for an error. */
static bool
do_part(Turn *turn, const Part *part, int shard)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		while (do_step(turn, part, shard))
			;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		if (geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE)
			turn->there = false;
		else
		{
			EmitErrorReport();
			ok = false;
		}
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return ok;
}

/* Returns false if there were errors. */
static bool
maintain_table(Oid relid)
{
	Turn turn = {.relid = relid, .shards = 1, .there = true};
	bool ok = true;

	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		const Part *part = &parts[i];

		if (part->after_work && !turn.worked)
			continue;
		for (int shard = 0; turn.there && shard < (part->every_shard ? turn.shards : 1);
			 shard++)
			ok &= do_part(&turn, part, shard);
	}
	return ok;
}

/* All tables of ours in this database, allocated in `context`; *extension: is it there. */
static List *
read_tables(MemoryContext context, bool *extension)
{
	List *tables = NIL;
	Oid am;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	*extension = OidIsValid(get_extension_oid("mytsdb", true));
	am = ts_table_am_oid();
	if (*extension && OidIsValid(am))
	{
		Relation pg_class = table_open(RelationRelationId, AccessShareLock);
		SysScanDesc scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 0, NULL);
		HeapTuple tuple;

		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);
			MemoryContext old;

			if (form->relam != am)
				continue;
			old = MemoryContextSwitchTo(context);
			tables = lappend_oid(tables, form->oid);
			MemoryContextSwitchTo(old);
		}
		systable_endscan(scan);
		table_close(pg_class, AccessShareLock);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return tables;
}

void
mytsdb_maintenance_main(Datum arg)
{
	MemoryContext context;
	Oid database;
	bool extension;
	bool ok = true;
	ListCell *lc;

	my_slot = DatumGetInt32(arg);
	before_shmem_exit(leave_slot, (Datum) 0);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	SpinLockAcquire(&workers_shared->mutex);
	workers_shared->slots[my_slot].pid = MyProcPid;
	database = workers_shared->slots[my_slot].database;
	SpinLockRelease(&workers_shared->mutex);
	if (told_to_stay_away(database))
	{
		outcome = OUTCOME_DONE;
		return;
	}
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);

	context = AllocSetContextCreate(TopMemoryContext, "mytsdb maintenance",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET,
					PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	ts_maintain_give_way = true;

	foreach (lc, read_tables(context, &extension))
	{
		CHECK_FOR_INTERRUPTS();
		ok &= maintain_table(lfirst_oid(lc));
		pgstat_report_stat(true);
	}
	if (ok)
		outcome = extension ? OUTCOME_DONE : OUTCOME_NO_EXTENSION;
}
