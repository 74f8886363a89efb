/*
 * buffer.c
 *	  The private buffer: taking rows in, showing them to scans, and what becomes of them
 *	  when (sub)transactions end.
 *
 * What always holds:
 * - All runs are in one list, and each in its storage's, in the order in which they
 *	 began; rows go into the last run of a storage only. So rows leave in the order in
 *	 which they came.
 * - The runs that began since a subtransaction started are the last ones of the list, and
 *	 belong to it or to subtransactions of it.
 * - A run that a scan has pinned gets no more rows, and its memory stays when it leaves.
 * - small_bytes is at most mytsdb.buffer_memory and bulk_bytes at most
 *	 mytsdb.bulk_memory, after each row, or the rows of one call.
 *
 * All memory goes when the transaction ends.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "storage/predicate.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "buffer_internal.h"
#include "mytsdb.h"
#include "ts_buffer.h"
#include "ts_log.h"
#include "ts_series.h"

PrivateBuffer ts_buffer;

static int buffer_memory_kb;
static int bulk_memory_kb;

/* Counts transactions, so that pins that outlive theirs do no harm. */
static uint64 epoch = 0;

struct TsBufferPin
{
	MemoryContextCallback callback; /* unpins when the pin's memory goes */
	uint64 epoch;
	int nruns;
	BufferRun **pinned;
	TsBufferRun *runs;
};

/* ---- entries and runs ---- */

static void
start_buffer(void)
{
	HASHCTL ctl = {0};

	ts_buffer.context = AllocSetContextCreate(TopTransactionContext, "mytsdb buffer",
											  ALLOCSET_DEFAULT_SIZES);
	ctl.keysize = sizeof(BufferKey);
	ctl.entrysize = sizeof(BufferEntry);
	ctl.hcxt = ts_buffer.context;
	ts_buffer.entries = hash_create("mytsdb buffer", 16, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	dlist_init(&ts_buffer.runs);
}

static BufferEntry *
find_entry(Oid relid, const RelFileNode *node)
{
	BufferKey key = {.relid = relid, .node = *node};

	if (ts_buffer.entries == NULL)
		return NULL;
	return hash_search(ts_buffer.entries, &key, HASH_FIND, NULL);
}

static BufferEntry *
get_entry(Relation rel)
{
	BufferEntry *entry = find_entry(RelationGetRelid(rel), &rel->rd_node);
	BufferKey key = {.relid = RelationGetRelid(rel), .node = rel->rd_node};
	MemoryContext old;
	TsTable *table;

	if (entry != NULL)
		return entry;
	if (ts_buffer.context == NULL)
		start_buffer();
	old = MemoryContextSwitchTo(ts_buffer.context);
	table = ts_table_get(rel);
	entry = hash_search(ts_buffer.entries, &key, HASH_ENTER, NULL);
	entry->table = table;
	dlist_init(&entry->runs);
	entry->rewrite = OidIsValid(rel->rd_rel->relrewrite);
	entry->always_fits = ts_log_always_fits(table);
	entry->series_known = false;
	entry->series = 0;
	entry->series_key.data = entry->probe.data = NULL;
	initStringInfo(&entry->series_key);
	initStringInfo(&entry->probe);
	MemoryContextSwitchTo(old);
	return entry;
}

static void
drop_entry(BufferEntry *entry)
{
	Assert(dlist_is_empty(&entry->runs));
	pfree(entry->table);
	if (entry->series_key.data != NULL)
		pfree(entry->series_key.data);
	if (entry->probe.data != NULL)
		pfree(entry->probe.data);
	hash_search(ts_buffer.entries, &entry->key, HASH_REMOVE, NULL);
}

/*
 * Entries without runs do not outlive a flush, since a utility statement may change what
 * they say, nor the abort of a subtransaction, with which the lock on the table may have
 * gone.
 */
static void
forget_entries(void)
{
	HASH_SEQ_STATUS status;
	BufferEntry *entry;

	hash_seq_init(&status, ts_buffer.entries);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (dlist_is_empty(&entry->runs))
			drop_entry(entry);
	}
}

static inline bool
takes_rows(const BufferRun *run, CommandId cid)
{
	return run->cid == cid && !run->closed && !run->leaving &&
		   run->subid == GetCurrentSubTransactionId();
}

/* The run that a row of this relation and command goes into. */
static BufferRun *
open_run(Relation rel, CommandId cid)
{
	BufferEntry *entry;
	BufferRun *run;
	TransactionId xid;

	if (IsParallelWorker())
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
						errmsg("cannot insert tuples in a parallel worker")));
	entry = get_entry(rel);
	Assert(entry->table->natts == RelationGetNumberOfAttributes(rel));
	if (!dlist_is_empty(&entry->runs))
	{
		run = dlist_tail_element(BufferRun, in_entry, &entry->runs);
		if (takes_rows(run, cid))
			return ts_buffer.last = run;
	}

	/* Serializable readers of the table conflict; later rows of the run meet those that
	 * began to read meanwhile when they are appended. */
	CheckForSerializableConflictIn(rel, NULL, InvalidBlockNumber);
	xid = GetCurrentTransactionId();
	run = MemoryContextAllocZero(ts_buffer.context, sizeof(BufferRun));
	run->rows = ts_rows_create(ts_buffer.context, entry->table, entry->table->natts,
							   false);
	run->entry = entry;
	run->subid = GetCurrentSubTransactionId();
	run->xid = xid;
	run->cid = cid;
	run->linked = true;
	run->bytes = BUFFER_RUN_OVERHEAD;
	ts_buffer.small_bytes += run->bytes;
	dlist_push_tail(&ts_buffer.runs, &run->in_buffer);
	dlist_push_tail(&entry->runs, &run->in_entry);
	return ts_buffer.last = run;
}

static void
free_run(BufferRun *run)
{
	Assert(!run->linked && run->pins == 0);
	ts_rows_free(run->rows);
	pfree(run);
}

void
ts_buffer_unlink(BufferRun *run)
{
	Size *sum = run->bulk ? &ts_buffer.bulk_bytes : &ts_buffer.small_bytes;

	Assert(run->linked && *sum >= run->bytes);
	*sum -= run->bytes;
	dlist_delete(&run->in_buffer);
	dlist_delete(&run->in_entry);
	run->linked = false;
	if (ts_buffer.last == run)
		ts_buffer.last = NULL;
	if (run->pins == 0)
		free_run(run);
}

/* ---- rows ---- */

/*
 * A run has grown. Too much of everything: the others go. Too much of this one alone: if
 * it can leave as blocks it is bulk from now on, else it goes, too.
 */
static void
check_budget(BufferRun *run)
{
	const Size buffer_memory = (Size) buffer_memory_kb * 1024;
	const Size bulk_memory = (Size) bulk_memory_kb * 1024;
	Size bytes = BUFFER_RUN_OVERHEAD + run->rows->bytes;
	Size *sum = run->bulk ? &ts_buffer.bulk_bytes : &ts_buffer.small_bytes;

	*sum += bytes - run->bytes;
	run->bytes = bytes;
	if (run->bulk)
	{
		if (ts_buffer.bulk_bytes > bulk_memory)
			ts_buffer_leave_bulk(InvalidCommandId);
		return;
	}
	if (ts_buffer.small_bytes <= buffer_memory)
		return;
	ts_buffer_leave_small(run);
	if (run->bytes <= buffer_memory)
		return;
	if (!ts_buffer_is_current(run))
	{
		ts_buffer_leave(run->entry, run);
		return;
	}
	run->bulk = true;
	ts_buffer.small_bytes -= run->bytes;
	ts_buffer.bulk_bytes += run->bytes;
	if (ts_buffer.bulk_bytes > bulk_memory)
		ts_buffer_leave_bulk(InvalidCommandId);
}

static uint32
series_of_row(Relation rel, BufferEntry *entry, const Datum *values, const bool *isnull)
{
	StringInfo probe = &entry->probe;
	StringInfo known = &entry->series_key;
	StringInfoData swap;

	resetStringInfo(probe);
	ts_series_encode_key(entry->table, values, isnull, probe);
	if (entry->series_known && probe->len == known->len &&
		memcmp(probe->data, known->data, probe->len) == 0)
		return entry->series;

	entry->series_known = false;
	entry->series = ts_series_id(rel, entry->table, probe->data, probe->len);
	swap = *known;
	*known = *probe;
	*probe = swap;
	entry->series_known = true;
	return entry->series;
}

static void
refuse_null_time(Relation rel, const TsTable *table)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), table->time_column - 1);
	/* a rewrite's transient relation has a name that nobody knows */
	const char *name = OidIsValid(rel->rd_rel->relrewrite)
						   ? get_rel_name(rel->rd_rel->relrewrite)
						   : RelationGetRelationName(rel);

	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("null value in column \"%s\" of relation \"%s\", which is its time",
					NameStr(att->attname), name),
			 errhint("Give every row a time."), errtablecol(rel, table->time_column)));
}

/* The run of the last row, mostly. */
static inline BufferRun *
run_for_row(Relation rel, CommandId cid)
{
	BufferRun *run = ts_buffer.last;

	if (run == NULL || run->entry->key.relid != RelationGetRelid(rel) ||
		!RelFileNodeEquals(run->entry->key.node, rel->rd_node) || !takes_rows(run, cid))
		run = open_run(rel, cid);
	Assert(!dlist_has_next(&run->entry->runs, &run->in_entry));
	return run;
}

static void
check_time(Relation rel, const TsTable *table, const bool *isnull)
{
	if (unlikely(isnull[table->time_column - 1]))
		refuse_null_time(rel, table);
}

static void
put_row(BufferRun *run, uint32 series, const Datum *values, const bool *isnull)
{
	const BufferEntry *entry = run->entry;
	const TsTable *table = entry->table;

	ts_rows_put(run->rows, series, ts_table_time(table, values[table->time_column - 1]),
				0, values, isnull);

	Assert(!entry->always_fits || ts_log_fits(table, run->rows, run->rows->n - 1));
	if (unlikely(!entry->always_fits && !ts_log_fits(table, run->rows, run->rows->n - 1)))
		ts_buffer_leave_wide(run);
	else
		check_budget(run);
	if (unlikely(ts_buffer.committing))
		ts_buffer_leave_at_commit();
}

void
ts_buffer_insert(Relation rel, CommandId cid, const Datum *values, const bool *isnull)
{
	BufferRun *run = run_for_row(rel, cid);

	check_time(rel, run->entry->table, isnull);
	put_row(run, series_of_row(rel, run->entry, values, isnull), values, isnull);
}

/* Whether any row of these has a value by reference: only they differ in their size. */
static bool
any_references(const TsTable *table, Datum *const *values)
{
	for (int i = 0; i < table->natts; i++)
	{
		const TsColumn *column = &table->columns[i];

		if (values[i] != NULL && column->role == TS_ROLE_VALUE && !column->byval)
			return true;
	}
	return false;
}

/* Rows of vectors, one by one. */
static void
insert_each(Relation rel, CommandId cid, const uint32 *series, const int64 *times,
			Datum *const *values, bool *const *nulls, uint32 count)
{
	int natts = RelationGetNumberOfAttributes(rel);
	Datum *row = palloc(natts * sizeof(Datum));
	bool *isnull = palloc(natts * sizeof(bool));

	for (uint32 k = 0; k < count; k++)
	{
		BufferRun *run = run_for_row(rel, cid);

		for (int i = 0; i < natts; i++)
		{
			isnull[i] = values[i] == NULL || (nulls[i] != NULL && nulls[i][k]);
			row[i] = isnull[i] ? (Datum) 0 : values[i][k];
		}
		row[run->entry->table->time_column - 1] = Int64GetDatum(times[k]);
		put_row(run, series[k], row, isnull);
	}
	pfree(row);
	pfree(isnull);
}

void
ts_buffer_insert_vectors(Relation rel, CommandId cid, const uint32 *series,
						 const int64 *times, Datum *const *values, bool *const *nulls,
						 uint32 count)
{
	BufferRun *run = run_for_row(rel, cid);
	const TsTable *table = run->entry->table;

	Assert(count > 0 && table->time_type != DATEOID);
	if (any_references(table, values) || ts_buffer.committing)
	{
		insert_each(rel, cid, series, times, values, nulls, count);
		return;
	}
	ts_rows_put_vectors(run->rows, series, 0, times, NULL, 0, values, nulls, table->natts,
						count);
	if (unlikely(!run->entry->always_fits &&
				 !ts_log_fits(table, run->rows, run->rows->n - 1)))
		elog(ERROR, "rows of numbers do not fit a log record");
	check_budget(run);
}

void
ts_buffer_make_room(Size bytes)
{
	if (ts_buffer.small_bytes + BUFFER_RUN_OVERHEAD + bytes >
		(Size) buffer_memory_kb * 1024)
		ts_buffer_flush();
}

void
ts_buffer_end_command(CommandId cid)
{
	if (ts_buffer.context == NULL || dlist_is_empty(&ts_buffer.runs))
		return;
	ts_buffer_leave_bulk(cid);

	/* A rewrite is about to lend its file to another relation. */
	for (;;)
	{
		BufferRun *found = NULL;
		dlist_iter iter;

		dlist_foreach(iter, &ts_buffer.runs)
		{
			BufferRun *run = dlist_container(BufferRun, in_buffer, iter.cur);

			if (run->entry->rewrite && run->cid <= cid)
				found = run;
		}
		if (found == NULL)
			break;
		ts_buffer_leave(found->entry, found);
	}
}

void
ts_buffer_flush(void)
{
	if (ts_buffer.context == NULL)
		return;
	while (!dlist_is_empty(&ts_buffer.runs))
	{
		BufferRun *first = dlist_head_element(BufferRun, in_buffer, &ts_buffer.runs);
		BufferEntry *entry = first->entry;

		ts_buffer_leave(entry, dlist_tail_element(BufferRun, in_entry, &entry->runs));
	}
	Assert(dlist_is_empty(&ts_buffer.runs));
	forget_entries();
}

void
ts_buffer_discard(const TsTable *table)
{
	BufferEntry *entry = find_entry(table->relid, &table->node);

	if (entry == NULL)
		return;
	while (!dlist_is_empty(&entry->runs))
		ts_buffer_unlink(dlist_head_element(BufferRun, in_entry, &entry->runs));
	/* The file gets a new storage id: forget the old one, and its series. */
	drop_entry(entry);
}

bool
ts_buffer_has_rows(const TsTable *table)
{
	BufferEntry *entry = find_entry(table->relid, &table->node);

	return entry != NULL && !dlist_is_empty(&entry->runs);
}

/* ---- pins ---- */

static void
unpin(void *arg)
{
	TsBufferPin *pin = arg;

	if (pin->epoch == epoch)
	{
		for (int i = 0; i < pin->nruns; i++)
		{
			BufferRun *run = pin->pinned[i];

			Assert(run->pins > 0);
			if (--run->pins == 0 && !run->linked)
				free_run(run);
		}
	}
	pin->nruns = 0;
}

/*
 * Aborting a subtransaction discards its runs also while scans have them pinned. Those
 * scans are of portals made in the same subtransaction, which die with it: a cursor of
 * an outer one does not see the commands of a subtransaction that began after it was
 * opened. They may never unpin; the pin's memory does it for them.
 */
TsBufferPin *
ts_buffer_pin(const TsTable *table, Snapshot snapshot, TsBufferRun **runs, int *nruns)
{
	BufferEntry *entry = find_entry(table->relid, &table->node);
	TsBufferPin *pin;
	dlist_iter iter;
	int room = 0;

	Assert(IsMVCCSnapshot(snapshot));
	*runs = NULL;
	*nruns = 0;
	if (entry == NULL)
		return NULL;
	dlist_foreach(iter, &entry->runs)
	{
		if (dlist_container(BufferRun, in_entry, iter.cur)->cid < snapshot->curcid)
			room++;
	}
	if (room == 0)
		return NULL;

	pin = palloc0(sizeof(TsBufferPin));
	pin->epoch = epoch;
	pin->pinned = palloc(room * sizeof(BufferRun *));
	pin->runs = palloc(room * sizeof(TsBufferRun));
	pin->callback.func = unpin;
	pin->callback.arg = pin;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &pin->callback);
	dlist_foreach(iter, &entry->runs)
	{
		BufferRun *run = dlist_container(BufferRun, in_entry, iter.cur);

		if (run->cid >= snapshot->curcid)
			continue;
		if (run->leaving)
			ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
							errmsg("rows of this transaction could not be written"),
							errhint("Roll back the transaction.")));
		run->closed = true;
		run->pins++;
		pin->pinned[pin->nruns] = run;
		pin->runs[pin->nruns++] = (TsBufferRun){
			.rows = run->rows,
			.n = run->rows->n,
			.cid = run->cid,
		};
	}
	*runs = pin->runs;
	*nruns = pin->nruns;
	return pin;
}

/* The pin itself goes with its memory context, where its callback is registered. */
void
ts_buffer_unpin(TsBufferPin *pin)
{
	if (pin != NULL)
		unpin(pin);
}

/* ---- transactions ---- */

static void
end_transaction(void)
{
	if (ts_buffer.context != NULL)
		MemoryContextDelete(ts_buffer.context);
	memset(&ts_buffer, 0, sizeof(ts_buffer));
	epoch++;
}

static void
on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (ts_buffer.context != NULL)
				ts_buffer_leave_at_commit();
			/* Somebody's callback after this one may still insert. */
			ts_buffer.committing = true;
			break;
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
			Assert(ts_buffer.context == NULL || dlist_is_empty(&ts_buffer.runs));
			end_transaction();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			end_transaction();
			break;
	}
}

static void
on_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
				  void *arg)
{
	dlist_node *node;

	if (ts_buffer.context == NULL ||
		(event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB))
		return;
	node = ts_buffer.runs.head.prev;
	while (node != &ts_buffer.runs.head)
	{
		BufferRun *run = dlist_container(BufferRun, in_buffer, node);

		node = node->prev;
		Assert(run->subid <= subid);
		if (run->subid < subid)
			break;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			run->subid = parent;
		else
			ts_buffer_unlink(run);
	}
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_entries();
}

static void
define_settings(void)
{
	DefineCustomIntVariable(
		"mytsdb.buffer_memory",
		"Sets the memory for rows that a session has inserted and not yet appended to "
		"the logs of tables.",
		"It is for all tables together. Rows wait until the transaction commits, or until "
		"there are more.",
		&buffer_memory_kb, 1024, 64, 1024 * 1024, PGC_USERSET, GUC_UNIT_KB, NULL, NULL,
		NULL);
	DefineCustomIntVariable(
		"mytsdb.bulk_memory", "Sets the memory for rows that one command loads in bulk.",
		"A command that inserts more than mytsdb.buffer_memory collects rows up to this "
		"limit, sorts and compresses them.",
		&bulk_memory_kb, 256 * 1024, 1024, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, NULL,
		NULL, NULL);

	/*
	 * Callbacks run in the reverse order of their registration: as this happens when the
	 * library is preloaded, those that sessions register come before ours.
	 */
	RegisterXactCallback(on_transaction, NULL);
	RegisterSubXactCallback(on_subtransaction, NULL);
}

const MytsdbModule buffer_module = {
	.name = "mytsdb buffer",
	.define_settings = define_settings,
};
