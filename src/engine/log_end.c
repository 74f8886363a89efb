/*
 * log_end.c
 *	  Where the log of a shard ends.
 *
 * The shard's slot knows, once somebody found out from the pages: its `end` is a
 * TsLogPos, its `run` the run that holds the end's page. On a standby nobody can keep a
 * slot right, so there the pages are asked every time.
 *
 * Finding the end from pages while others write: the directory is copied, then the pages
 * of its runs are looked at. Appends meanwhile do no harm: the answer is a position that
 * was the end at some moment of the search, or before it a record more or less of those
 * appended meanwhile; on a primary the slot's ticket tells that there were none. But
 * runs that are cut meanwhile may be stamped by others, and then the search would go
 * astray; so it is repeated until all runs looked at, from the first on, are in the
 * directory afterwards, too: pages of runs that are cut become free only later. A cut
 * takes runs from the front, and neither the one with the end in it nor the last one ever;
 * a cut that is under way, or was interrupted, may leave a gap, and what is before a gap
 * is on its way out.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"

#include "log_internal.h"

TsRun
ts_log_find_run(const TsDirectory *dir, uint64 ordinal)
{
	TsRun none = {0};

	/* The end is in the last run or near it. */
	for (int i = dir->nruns; i-- > 0;)
	{
		if (ordinal >= dir->runs[i].first)
			return ordinal - dir->runs[i].first < dir->runs[i].count ? dir->runs[i]
																	 : none;
	}
	return none;
}

/* The first of the runs that end the directory without a gap. */
static const TsRun *
first_run(const TsDirectory *dir)
{
	const TsRun *first = &dir->runs[dir->nruns - 1];

	while (first > dir->runs && first[-1].first + first[-1].count == first->first)
		first--;
	return first;
}

/* Whether the directory still has a run, and all behind it. */
static bool
still_there(Relation rel, const TsTable *table, TsStream stream, const TsRun *run)
{
	TsDirectory *dir = ts_pages_directory(rel, table, stream);
	bool there = ts_directory_find(dir, run->first) == run->block &&
				 first_run(dir)->first <= run->first;

	pfree(dir);
	return there;
}

/* One attempt; false when runs were cut meanwhile. */
static bool
search_end(Relation rel, const TsTable *table, TsStream stream, TsLogPos *end, TsRun *run)
{
	TsDirectory *dir = ts_pages_directory(rel, table, stream);
	PGAlignedBlock page;
	BlockNumber block = InvalidBlockNumber;
	const TsRun *start;
	uint64 first;
	uint64 pages;
	bool found = true;

	MemSet(run, 0, sizeof(TsRun));
	*end = 0;
	if (dir->nruns == 0)
		return true; /* nothing was ever appended */

	start = first_run(dir);
	first = start->first;
	pages = ts_pages_stream_end(rel, table, stream, dir, first);
	*end = ts_log_pos(first, 0);
	if (pages > 0)
	{
		uint64 last = first + pages - 1;

		block = ts_directory_find(dir, last);
		found = ts_pages_copy(rel, table, block, stream, last, page.data, true);
		if (found)
			*end = ts_log_pos(last, TsPageLength(page.data));
	}
	if (!still_there(rel, table, stream, start))
		return false;
	if (!found)
		ts_stream_damaged(rel, block, "the last page of a log has changed its owner");
	if (ts_log_offset(*end) % 8 != 0)
		ts_stream_damaged(rel, block, "the last page of a log has an impossible length");
	*run = ts_log_find_run(dir, ts_log_ordinal(*end));
	pfree(dir);
	return true;
}

static TsLogPos
end_from_pages(Relation rel, const TsTable *table, TsStream stream, TsRun *run)
{
	TsLogPos end;

	while (!search_end(rel, table, stream, &end, run))
		CHECK_FOR_INTERRUPTS();
	return end;
}

TsLogPos
ts_log_find_end(Relation rel, const TsTable *table, int shard, TsRun *run)
{
	TsStream stream = log_stream(shard);
	TsSlotKey key;

	Assert(shard >= 0 && shard < table->shards);
	if (RecoveryInProgress())
		return end_from_pages(rel, table, stream, run);

	ts_slot_key(&key, table, stream);
	for (;;)
	{
		uint64 ticket;
		bool valid;
		TsSlot *slot = ts_shared_lock(&key, LW_SHARED, &ticket);
		TsLogPos end = slot->end;

		if (slot->ready)
		{
			*run = slot->run;
			ts_shared_unlock(slot);
			return end;
		}
		ts_shared_unlock(slot);

		end = end_from_pages(rel, table, stream, run);
		slot = ts_shared_lock_again(&key, LW_EXCLUSIVE, ticket, &valid);
		if (valid)
		{
			slot->end = end;
			slot->run = *run;
			slot->mapped = run->first + run->count;
			slot->ready = true;
		}
		ts_shared_unlock(slot);
		if (valid)
			return end;
		CHECK_FOR_INTERRUPTS();
	}
}

TsLogPos
ts_log_end(Relation rel, const TsTable *table, int shard)
{
	TsRun run;

	return ts_log_find_end(rel, table, shard, &run);
}

uint64
ts_log_distance(TsLogPos from, TsLogPos to)
{
	if (to <= from)
		return 0;
	return (ts_log_ordinal(to) - ts_log_ordinal(from)) * TS_PAGE_ROOM +
		   ts_log_offset(to) - ts_log_offset(from);
}

TimestampTz
ts_log_pending_since(const TsTable *table, int shard)
{
	TsSlotKey key;
	TsSlot *slot;
	uint64 ticket;
	TimestampTz since;

	ts_slot_key(&key, table, log_stream(shard));
	slot = ts_shared_lock(&key, LW_SHARED, &ticket);
	since = (TimestampTz) slot->aux[LOG_PENDING_SINCE];
	ts_shared_unlock(slot);
	return since;
}

void
ts_log_sealed(const TsTable *table, int shard, TsLogPos upto)
{
	TsSlotKey key;
	TsSlot *slot;
	uint64 ticket;

	ts_slot_key(&key, table, log_stream(shard));
	slot = ts_shared_lock(&key, LW_EXCLUSIVE, &ticket);
	if (slot->ready)
		slot->aux[LOG_PENDING_SINCE] = upto < slot->end
										   ? (uint64) GetCurrentStatementStartTimestamp()
										   : 0;
	ts_shared_unlock(slot);
}
