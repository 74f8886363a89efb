/*
 * log_end.c
 *	  Where logs end.
 *
 * A log's slot knows, once somebody found out from the pages: its `end` is a TsLogPos,
 * its `run` the run that holds the end's page. On a standby nobody can keep a slot right,
 * so there the pages are asked every time.
 *
 * The slot of a shard's first log knows how many logs the shard has, too, so that readers
 * need not look for the others. It is counted by the directory, which never forgets all
 * runs of a log. A log that is made gets its first run, then the first log's slot is told,
 * if there is one, and only then its own slot becomes ready, without which nobody appends
 * to it: so a log that has records is counted.
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
#include "utils/timestamp.h"

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

uint64
ts_log_distance(TsLogPos from, TsLogPos to)
{
	if (to <= from)
		return 0;
	return (ts_log_ordinal(to) - ts_log_ordinal(from)) * TS_PAGE_ROOM +
		   ts_log_offset(to) - ts_log_offset(from);
}

/* ---- a shard's logs ---- */

/* The first log counts as made; there may be gaps. */
static int
count_logs(Relation rel, const TsTable *table, int shard)
{
	uint64 pages[TS_MAX_LOGS];
	int count = TS_SHARD_LOGS;

	(void) ts_pages_count_streams(rel, table, TS_MAX_LOGS, pages);
	while (count > 1 &&
		   pages[ts_log_stream(table, ts_log_of(table, shard, count - 1))] == 0)
		count--;
	return count;
}

/* Tells the slot of the shard's first log of a log that has runs. */
static void
announce_log(const TsTable *table, int log)
{
	TsSlotKey key;

	ts_slot_key(&key, table, ts_log_stream(table, ts_log_shard(table, log)));
	ts_shared_raise(&key, (uint32) (log / table->shards) + 1);
}

/* ---- ends ---- */

static void
read_slot(TsSlot *slot, TsLogEnd *found)
{
	found->end = slot->end;
	found->run = slot->run;
	found->shard_logs = (int) pg_atomic_read_u32(&slot->most);
}

static void
fill_slot(TsSlot *slot, TsLogEnd *found)
{
	slot->end = found->end;
	slot->run = found->run;
	ts_slot_raise(slot, (uint32) found->shard_logs);
	slot->ready = true;
	found->shard_logs = (int) pg_atomic_read_u32(&slot->most);
}

bool
ts_log_find_end(Relation rel, const TsTable *table, int log, bool wait, TsLogEnd *found)
{
	TsStream stream = ts_log_stream(table, log);
	bool first = log < table->shards;
	TsSlotKey key;

	Assert(log >= 0 && log < ts_log_count(table) && !RecoveryInProgress());
	ts_slot_key(&key, table, stream);
	for (;;)
	{
		uint64 ticket;
		bool ready;
		TsSlot *slot = wait ? ts_shared_lock(&key, LW_SHARED, &ticket)
							: ts_shared_try_lock(&key, LW_SHARED, &ticket);

		if (slot == NULL)
			return false;
		ready = slot->ready;
		read_slot(slot, found);
		ts_shared_unlock(slot);
		if (ready)
			return true;

		found->end = end_from_pages(rel, table, stream, &found->run);
		found->shard_logs = 0;
		if (first)
			found->shard_logs = count_logs(rel, table, log);
		else if (found->run.count == 0)
			return true; /* its slot is made ready by who makes the log */
		else
			announce_log(table, log);
		slot = ts_shared_lock_again(&key, LW_EXCLUSIVE, ticket, &ready);
		if (ready)
			fill_slot(slot, found);
		ts_shared_unlock(slot);
		if (ready)
			return true;
		CHECK_FOR_INTERRUPTS();
	}
}

/* From pages, for a standby; pages[] is by stream. */
static void
shard_ends_from_pages(Relation rel, const TsTable *table, int shard, const uint64 *pages,
					  TsLogPos *ends)
{
	for (int i = 0; i < TS_SHARD_LOGS; i++)
	{
		int log = ts_log_of(table, shard, i);
		TsStream stream = ts_log_stream(table, log);
		TsRun run;

		ends[log] = pages[stream] > 0 ? end_from_pages(rel, table, stream, &run) : 0;
	}
}

void
ts_log_shard_ends(Relation rel, const TsTable *table, int shard, TsLogPos *ends)
{
	TsLogEnd found;
	int count;

	if (RecoveryInProgress())
	{
		uint64 pages[TS_MAX_LOGS];

		(void) ts_pages_count_streams(rel, table, TS_MAX_LOGS, pages);
		shard_ends_from_pages(rel, table, shard, pages, ends);
		return;
	}
	(void) ts_log_find_end(rel, table, shard, true, &found);
	ends[shard] = found.end;
	count = found.shard_logs;
	for (int i = 1; i < TS_SHARD_LOGS; i++)
	{
		int log = ts_log_of(table, shard, i);

		ends[log] = 0;
		if (i < count && ts_log_find_end(rel, table, log, true, &found))
			ends[log] = found.end;
	}
}

void
ts_log_ends(Relation rel, const TsTable *table, TsLogPos *ends)
{
	uint64 pages[TS_MAX_LOGS];

	if (!RecoveryInProgress())
	{
		for (int shard = 0; shard < table->shards; shard++)
			ts_log_shard_ends(rel, table, shard, ends);
		return;
	}
	(void) ts_pages_count_streams(rel, table, TS_MAX_LOGS, pages);
	for (int shard = 0; shard < table->shards; shard++)
		shard_ends_from_pages(rel, table, shard, pages, ends);
}

/* ---- slots ---- */

TsSlot *
ts_log_lock_slot(const TsTable *table, int log, LWLockMode mode)
{
	TsSlotKey key;

	ts_slot_key(&key, table, ts_log_stream(table, log));
	return ts_shared_lock_existing(&key, mode);
}

/* ---- since when records wait ---- */

TimestampTz
ts_log_pending_since(const TsTable *table, int shard)
{
	TimestampTz since = 0;
	TimestampTz sealed = 0;
	int count = 1;

	for (int i = 0; i < count; i++)
	{
		TsSlot *slot = ts_log_lock_slot(table, ts_log_of(table, shard, i), LW_SHARED);
		uint64 here;

		if (slot == NULL)
			continue;
		here = slot->aux[LOG_PENDING_SINCE];
		if (i == 0)
			count = Max((int) pg_atomic_read_u32(&slot->most), 1);
		ts_shared_unlock(slot);
		if ((here & LOG_ALL_SEALED) != 0)
			sealed = Max(sealed, (TimestampTz) (here & ~LOG_ALL_SEALED));
		else if (here != 0 && (since == 0 || (TimestampTz) here < since))
			since = (TimestampTz) here;
	}
	return since != 0 ? since : sealed;
}

void
ts_log_sealed(const TsTable *table, int log, TsLogPos upto)
{
	TsSlotKey key;
	TsSlot *slot;
	uint64 ticket;

	ts_slot_key(&key, table, ts_log_stream(table, log));
	slot = ts_shared_lock(&key, LW_EXCLUSIVE, &ticket);
	if (slot->ready)
		slot->aux[LOG_PENDING_SINCE] = (uint64) GetCurrentTimestamp() |
									   (upto < slot->end ? 0 : LOG_ALL_SEALED);
	ts_shared_unlock(slot);
}
