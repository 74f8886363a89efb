/*
 * log_freeze.c
 *	  Old transaction ids are replaced, before the commit log forgets about them.
 *
 * Pages are looked at as copies; a page with something to freeze is then changed in an
 * edit of its own, on what it is at that moment. The log's slot is not locked: records
 * keep their length and place, so the log's end does not move, and an append to the same
 * page works on the page as the buffer's lock shows it, as this does.
 *
 * Records appended meanwhile need no look: their transactions are running, so they are
 * not older than the cutoff. Pages may be cut meanwhile (maintenance seals): one whose
 * stamp is not its own any more is passed over if the directory does not map it any more.
 *
 * A standby may still have snapshots to whom a transaction that is being frozen is in
 * progress; they would see its rows. So before such a change the WAL gets a conflict
 * point (ts_pages_log_conflict()), as with heap's own freezing. Records before `from`,
 * which no snapshot of the primary reads, are left as they are: a reader on a standby
 * finds out by himself when he cannot judge them any more (log_read.c).
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/procarray.h"

#include "log_internal.h"
#include "ts_stop.h"

typedef struct Freeze
{
	Relation rel;
	const TsTable *table;
	TsStream stream;
	TransactionId cutoff;
	TransactionId oldest;   /* that is left; Invalid: none */
	TransactionId conflict; /* the newest that a conflict point covers; Invalid: none */
	/* The last one looked up. */
	TransactionId known;
	bool committed;
} Freeze;

static bool
to_freeze(const Freeze *freeze, TransactionId xid)
{
	return TransactionIdIsNormal(xid) && TransactionIdPrecedes(xid, freeze->cutoff);
}

/* Transactions before the cutoff are not running: what has not committed never will. */
static bool
did_commit(Freeze *freeze, TransactionId xid)
{
	if (xid != freeze->known)
	{
		freeze->committed = TransactionIdDidCommit(xid);
		freeze->known = xid;
	}
	return freeze->committed;
}

/* The record at an offset of a page's content; *offset goes on to the next. */
static LogRecordHeader *
next_record(Freeze *freeze, BlockNumber block, Page page, uint32 *offset)
{
	const char *problem;
	LogRecordHeader *record = ts_log_check_record(TsPageData(page), *offset,
												  TsPageLength(page), &problem);

	if (record == NULL)
		ts_stream_damaged(freeze->rel, block, problem);
	*offset += LogRecordSpace(record->length);
	return record;
}

/*
 * Looks at the records of a copy of a page from an offset on. Returns whether some are to
 * be frozen, and the newest of those that committed, if any, in *newest.
 */
static bool
look_at_page(Freeze *freeze, BlockNumber block, Page page, uint32 offset,
			 TransactionId *newest)
{
	bool any = false;

	*newest = InvalidTransactionId;
	while (offset < TsPageLength(page))
	{
		TransactionId xid = next_record(freeze, block, page, &offset)->xid;

		if (to_freeze(freeze, xid))
		{
			any = true;
			if (did_commit(freeze, xid) &&
				(!TransactionIdIsValid(*newest) || TransactionIdFollows(xid, *newest)))
				*newest = xid;
		}
		else if (TransactionIdIsNormal(xid) &&
				 (!TransactionIdIsValid(freeze->oldest) ||
				  TransactionIdPrecedes(xid, freeze->oldest)))
			freeze->oldest = xid;
	}
	return any;
}

/*
 * Freezes what there is to freeze from an offset of a page on. Returns false if the page
 * has another owner by now.
 */
static bool
change_page(Freeze *freeze, BlockNumber block, uint64 ordinal, uint32 offset)
{
	Buffer buffer = ts_pages_pin(freeze->rel, block);
	TsEdit *edit = ts_edit_start(freeze->rel, freeze->table);
	Page page = ts_edit_try_lock(edit, buffer, freeze->stream, ordinal);

	if (page == NULL)
		ts_edit_give_up(edit);
	else
	{
		while (offset < TsPageLength(page))
		{
			LogRecordHeader *record = next_record(freeze, block, page, &offset);

			if (!to_freeze(freeze, record->xid))
				continue;
			record->xid = did_commit(freeze, record->xid) ? FrozenTransactionId
														  : InvalidTransactionId;
			record->xid_inverted = ~record->xid;
		}
		ts_edit_finish(edit);
	}
	ReleaseBuffer(buffer);
	TS_STOP("freeze-in-part");
	return page != NULL;
}

/* False: the page has another owner by now. */
static bool
freeze_page(Freeze *freeze, BlockNumber block, uint64 ordinal, uint32 offset)
{
	PGAlignedBlock copy;
	TransactionId newest;

	if (!ts_pages_copy(freeze->rel, freeze->table, block, freeze->stream, ordinal,
					   copy.data, true))
		return false;
	if (!look_at_page(freeze, block, copy.data, offset, &newest))
		return true;
	if (TransactionIdIsValid(newest) && (!TransactionIdIsValid(freeze->conflict) ||
										 TransactionIdFollows(newest, freeze->conflict)))
	{
		ts_pages_log_conflict(freeze->rel, newest);
		freeze->conflict = newest;
		TS_STOP("freeze-conflict");
	}
	return change_page(freeze, block, ordinal, offset);
}

/* Whether the directory still says that an ordinal is in this block. */
static bool
still_mapped(Freeze *freeze, BlockNumber block, uint64 ordinal)
{
	TsDirectory *dir = ts_pages_directory(freeze->rel, freeze->table, freeze->stream);
	bool mapped = ts_directory_find(dir, ordinal) == block;

	pfree(dir);
	return mapped;
}

TransactionId
ts_log_freeze(Relation rel, const TsTable *table, int log, TsLogPos from, TsLogPos to,
			  TransactionId cutoff)
{
	Freeze freeze = {.rel = rel,
					 .table = table,
					 .stream = ts_log_stream(table, log),
					 .cutoff = cutoff};
	TsDirectory *dir = ts_pages_directory(rel, table, freeze.stream);
	TsLogPos pos = from;

	Assert(!RecoveryInProgress());
	Assert(TransactionIdIsNormal(cutoff));
	while (pos < to)
	{
		uint64 ordinal = ts_log_ordinal(pos);
		BlockNumber block = ts_directory_find(dir, ordinal);

		vacuum_delay_point();
		if (block != InvalidBlockNumber &&
			!freeze_page(&freeze, block, ordinal, ts_log_offset(pos)) &&
			still_mapped(&freeze, block, ordinal))
			ts_stream_damaged(rel, block, "a log page has another owner");
		pos = ts_log_pos(ordinal + 1, 0);
	}
	pfree(dir);
	return freeze.oldest;
}
