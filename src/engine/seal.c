/*
 * seal.c
 *	  From a shard's logs to sealed blocks.
 *
 * A seal covers each log from `covered` up to the first record whose transaction is still
 * in progress, takes the committed records and leaves the aborted ones out. Its block
 * rows and the new `covered` become visible together, when its transaction commits, which
 * is after all transactions it sealed: whoever sees the seal sees them all, and whoever
 * does not reads them from the log, whose pages stay as long as such a snapshot lives.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "ts_block.h"
#include "ts_catalog.h"
#include "ts_hot.h"
#include "ts_log.h"
#include "ts_maintain.h"
#include "ts_stop.h"

typedef enum Fate
{
	FATE_PENDING,
	FATE_COMMITTED,
	FATE_ABORTED
} Fate;

/* What became of the transaction of a record; remembers the last answer but "pending". */
static Fate
fate_of(TransactionId xid, TransactionId *last_xid, Fate *last_fate)
{
	if (xid == FrozenTransactionId)
		return FATE_COMMITTED;
	if (!TransactionIdIsValid(xid))
		return FATE_ABORTED;
	if (xid == *last_xid)
		return *last_fate;

	/* in this order: see HeapTupleSatisfiesVacuum's rules for the commit log */
	if (TransactionIdIsCurrentTransactionId(xid) || TransactionIdIsInProgress(xid))
		return FATE_PENDING;
	*last_xid = xid;
	*last_fate = TransactionIdDidCommit(xid) ? FATE_COMMITTED : FATE_ABORTED;
	return *last_fate;
}

/*
 * Reads what can be sealed of a log into rows; returns the position up to which it is then
 * covered.
 */
static TsLogPos
collect(Relation rel, const TsTable *table, int log, TsLogPos from, TsLogPos end,
		TsRows *rows, bool *more)
{
	Size budget = (Size) maintenance_work_mem * 1024;
	TsLogReader *reader = ts_log_open(rel, table, log, from, end);
	TransactionId last_xid = InvalidTransactionId;
	Fate last_fate = FATE_ABORTED;
	TsLogPos upto = from;
	TsLogRecord record;

	*more = false;
	while (ts_log_next(reader, &record))
	{
		Fate fate = fate_of(record.xid, &last_xid, &last_fate);

		CHECK_FOR_INTERRUPTS();
		if (fate == FATE_PENDING)
			break;
		if (fate == FATE_COMMITTED)
		{
			if (rows->n > 0 && rows->bytes >= budget)
			{
				*more = true;
				break;
			}
			ts_log_decode(reader, &record, NULL, rows);
		}
		upto = record.next;
	}
	ts_log_close(reader);
	return upto;
}

/* Seals one log after the other of the shard; covered[] is what was covered before. */
static int64
seal_logs(Relation rel, const TsTable *table, int shard, const TsLogPos *covered,
		  bool *more)
{
	TsLogPos ends[TS_MAX_LOGS];
	TsLogPos upto[TS_MAX_LOGS];
	TsRows *rows = ts_rows_create(CurrentMemoryContext, table, table->natts, true);
	bool advanced = false;
	int64 sealed;

	for (int i = 0; i < TS_SHARD_LOGS; i++)
		ts_hot_seal_begins(table, ts_log_of(table, shard, i));
	ts_log_shard_ends(rel, table, shard, ends);
	for (int i = 0; i < TS_SHARD_LOGS; i++)
	{
		int log = ts_log_of(table, shard, i);

		upto[log] = covered[log];
		if (covered[log] < ends[log] && !*more)
			upto[log] = collect(rel, table, log, covered[log], ends[log], rows, more);
		advanced |= upto[log] > covered[log];
	}
	sealed = rows->n;
	if (sealed > 0)
		ts_block_write_rows(rel, table, rows, 0, TS_TIER_FRESH,
							ts_merge_window_length(table));
	TS_STOP("seal-blocks-written");
	if (advanced)
		ts_catalog_set_covered(table, shard, upto);
	/* Logs that a transaction holds up wait anew, too: if not, the others would be sealed
	 * every time the shard is looked at, a few rows at a time. */
	for (int i = 0; advanced && i < TS_SHARD_LOGS; i++)
	{
		int log = ts_log_of(table, shard, i);

		if (covered[log] >= ends[log])
			continue;
		ts_log_sealed(table, log, upto[log]);
		TS_STOP("seal-covered");
		ts_hot_seal_ends(table, log, upto[log]);
	}
	if (advanced)
	{
		ts_maintain_count(table, shard, sealed);
		ts_maintain_count_stat(STAT_SEALS, 1);
		ts_maintain_count_stat(STAT_SEALED_ROWS, sealed);
	}
	ts_rows_free(rows);
	return sealed;
}

int64
ts_seal_shard(Relation rel, const TsTable *table, int shard, bool *more)
{
	TsLogPos covered[TS_MAX_LOGS];
	instr_time start;
	int64 sealed;

	*more = false;
	if (!ts_catalog_covered_now(table, covered))
		return 0;
	INSTR_TIME_SET_CURRENT(start);
	sealed = seal_logs(rel, table, shard, covered, more);
	ts_maintain_count_stat(STAT_SEAL_US, serve_elapsed(start));
	return sealed;
}

uint64
ts_seal_backlog(Relation rel, const TsTable *table, int shard)
{
	TsLogPos covered[TS_MAX_LOGS];
	TsLogPos ends[TS_MAX_LOGS];
	uint64 backlog = 0;

	if (!ts_catalog_covered_now(table, covered))
		return 0;
	ts_log_shard_ends(rel, table, shard, ends);
	for (int i = 0; i < TS_SHARD_LOGS; i++)
	{
		int log = ts_log_of(table, shard, i);

		backlog += ts_log_distance(covered[log], ends[log]);
	}
	return backlog;
}
