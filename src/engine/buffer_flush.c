/*
 * buffer_flush.c
 *	  How runs leave the private buffer: into the logs, or as sealed blocks.
 *
 * Into the log a run can go at any time, since records carry its own transaction id and
 * command. A block belongs to the subtransaction and command that insert its catalog
 * row; so a run leaves as blocks only while its own are the current ones, or at commit,
 * when nobody is left to tell commands apart.
 *
 * A run is unlinked when all of it has left. If that fails halfway in a subtransaction
 * of the one that the run belongs to, part of it may be in the log already, for good:
 * such a run neither may leave again nor be forgotten, and all that the transaction can
 * still do is to roll it back.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "buffer_internal.h"
#include "ts_block.h"
#include "ts_log.h"
#include "ts_maintain.h"
#include "ts_pages.h"
#include "ts_stop.h"

/* A relation while runs leave for it. Its lock is held since the rows were inserted. */
typedef struct Leaving
{
	Relation rel;
	const TsTable *table;
	MemoryContext scratch;
	MemoryContext caller;
} Leaving;

static void
begin(Leaving *leaving, const BufferEntry *entry)
{
	leaving->table = entry->table;
	leaving->rel = relation_open(entry->key.relid, NoLock);
	if (!RelFileNodeEquals(leaving->rel->rd_node, entry->key.node))
		elog(ERROR, "storage of table \"%s\" was replaced while rows waited for it",
			 RelationGetRelationName(leaving->rel));
	leaving->scratch = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb buffer leaving", ALLOCSET_DEFAULT_SIZES);
	leaving->caller = MemoryContextSwitchTo(leaving->scratch);
}

static void
end(Leaving *leaving)
{
	MemoryContextSwitchTo(leaving->caller);
	MemoryContextDelete(leaving->scratch);
	relation_close(leaving->rel, NoLock);
}

static void
begin_run(BufferRun *run)
{
	if (run->leaving)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
						errmsg("rows of this transaction could not be written"),
						errhint("Roll back the transaction.")));
	run->leaving = true;
}

static void
append(const Leaving *leaving, const TsRows *rows, const uint32 *order, uint32 n,
	   TransactionId xid, CommandId cid)
{
	ts_log_append(leaving->rel, leaving->table, rows, order, n, xid, cid,
				  ts_pages_take_numbers(leaving->rel, leaving->table, 1));
}

static void
write_blocks(const Leaving *leaving, TsRows *rows)
{
	/* As an append does: for who began to read since the run began. */
	CheckForSerializableConflictIn(leaving->rel, NULL, InvalidBlockNumber);
	ts_block_write_rows(leaving->rel, leaving->table, rows,
						ts_pages_take_numbers(leaving->rel, leaving->table, 1),
						TS_TIER_WARM, ts_merge_window_length(leaving->table));
	/* Who began to read meanwhile may not have found the blocks' rows in the catalog;
	 * who begins now finds them, and reports that he does not see them. */
	CheckForSerializableConflictIn(leaving->rel, NULL, InvalidBlockNumber);
}

/* Puts rows of a set into another one. */
static void
copy_rows(const TsRows *from, uint32 first, uint32 count, TsRows *to)
{
	Datum **values = palloc(from->natts * sizeof(Datum *));
	bool **nulls = palloc(from->natts * sizeof(bool *));

	Assert(first + count <= from->n);
	for (int i = 0; i < from->natts; i++)
	{
		values[i] = from->values[i] == NULL ? NULL : from->values[i] + first;
		nulls[i] = from->nulls[i] == NULL ? NULL : from->nulls[i] + first;
	}
	ts_rows_put_vectors(to, from->series + first, 0, from->times + first, NULL, 0, values,
						nulls, from->natts, count);
	pfree(values);
	pfree(nulls);
}

bool
ts_buffer_is_current(const BufferRun *run)
{
	return run->subid == GetCurrentSubTransactionId() &&
		   run->cid == GetCurrentCommandId(false);
}

void
ts_buffer_leave(BufferEntry *entry, const BufferRun *last)
{
	Leaving leaving;
	bool done = false;

	begin(&leaving, entry);
	while (!done)
	{
		BufferRun *run = dlist_head_element(BufferRun, in_entry, &entry->runs);

		done = run == last;
		begin_run(run);
		if (run->bulk && ts_buffer_is_current(run))
			write_blocks(&leaving, run->rows);
		else
			append(&leaving, run->rows, NULL, run->rows->n, run->xid, run->cid);
		ts_buffer_unlink(run);
		MemoryContextReset(leaving.scratch);
	}
	end(&leaving);
}

/*
 * The last row is of the current subtransaction. The command may be an earlier one, when
 * functions that ran for the row had commands of their own; then the row is written as
 * the current command's: whoever had a snapshot before this moment does not see it,
 * whoever gets one in a later command does. The rows before it keep theirs.
 */
void
ts_buffer_leave_wide(BufferRun *run)
{
	Leaving leaving;
	uint32 n = run->rows->n;

	Assert(run->linked && n > 0 && run->subid == GetCurrentSubTransactionId());
	if (dlist_has_prev(&run->entry->runs, &run->in_entry))
		ts_buffer_leave(run->entry, dlist_container(BufferRun, in_entry,
													dlist_prev_node(&run->entry->runs,
																	&run->in_entry)));
	begin(&leaving, run->entry);
	begin_run(run);
	if (ts_buffer_is_current(run))
		write_blocks(&leaving, run->rows);
	else
	{
		TsRows *wide = ts_rows_create(leaving.scratch, leaving.table, run->rows->natts,
									  false);

		if (n > 1)
		{
			uint32 *order = palloc_extended((n - 1) * sizeof(uint32), MCXT_ALLOC_HUGE);

			for (uint32 i = 0; i < n - 1; i++)
				order[i] = i;
			append(&leaving, run->rows, order, n - 1, run->xid, run->cid);
		}
		copy_rows(run->rows, n - 1, 1, wide);
		write_blocks(&leaving, wide);
	}
	ts_buffer_unlink(run);
	end(&leaving);
}

/* The last run of the entry that is not bulk; NULL: none. */
static BufferRun *
last_small(const BufferEntry *entry, const BufferRun *keep)
{
	dlist_iter iter;
	BufferRun *found = NULL;

	dlist_foreach(iter, unconstify(dlist_head *, &entry->runs))
	{
		BufferRun *run = dlist_container(BufferRun, in_entry, iter.cur);

		if (!run->bulk && run != keep)
			found = run;
	}
	return found;
}

void
ts_buffer_leave_small(const BufferRun *keep)
{
	bool found;

	do
	{
		dlist_iter iter;

		found = false;
		dlist_foreach(iter, &ts_buffer.runs)
		{
			BufferRun *run = dlist_container(BufferRun, in_buffer, iter.cur);

			if (!run->bulk && run != keep)
			{
				ts_buffer_leave(run->entry, last_small(run->entry, keep));
				found = true;
				break;
			}
		}
	} while (found);
}

void
ts_buffer_leave_bulk(CommandId cid)
{
	bool found;

	do
	{
		dlist_iter iter;

		found = false;
		dlist_foreach(iter, &ts_buffer.runs)
		{
			BufferRun *run = dlist_container(BufferRun, in_buffer, iter.cur);

			if (run->bulk && (cid == InvalidCommandId || run->cid == cid))
			{
				ts_buffer_leave(run->entry, run);
				found = true;
				break;
			}
		}
	} while (found);
}

/*
 * What is left of an entry at commit. Runs that go to the log go there together, with one
 * number: among equal numbers the later row is the later one.
 */
static void
leave_at_commit(BufferEntry *entry)
{
	Leaving leaving;
	TsRows *together = NULL;

	begin(&leaving, entry);
	while (!dlist_is_empty(&entry->runs))
	{
		BufferRun *run = dlist_head_element(BufferRun, in_entry, &entry->runs);
		bool ends = !dlist_has_next(&entry->runs, &run->in_entry) ||
					dlist_container(BufferRun, in_entry,
									dlist_next_node(&entry->runs, &run->in_entry))
						->bulk;

		begin_run(run);
		if (run->bulk)
			write_blocks(&leaving, run->rows);
		else if (ends && together == NULL)
			append(&leaving, run->rows, NULL, run->rows->n, GetTopTransactionId(),
				   GetCurrentCommandId(false));
		else
		{
			if (together == NULL)
				together = ts_rows_create(leaving.scratch, leaving.table,
										  run->rows->natts, false);
			Assert(together->natts == run->rows->natts);
			copy_rows(run->rows, 0, run->rows->n, together);
			if (ends)
			{
				append(&leaving, together, NULL, together->n, GetTopTransactionId(),
					   GetCurrentCommandId(false));
				ts_rows_free(together);
				together = NULL;
			}
		}
		ts_buffer_unlink(run);
	}
	Assert(together == NULL);
	end(&leaving);
}

void
ts_buffer_leave_at_commit(void)
{
	TS_STOP("commit-before-flush");
	while (!dlist_is_empty(&ts_buffer.runs))
		leave_at_commit(dlist_head_element(BufferRun, in_buffer, &ts_buffer.runs)->entry);
	TS_STOP("commit-after-flush");
}
