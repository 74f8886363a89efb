/*
 * visible.c
 *	  Whether a snapshot sees the rows of a transaction: heap's rules, for rows that are
 *	  only ever inserted.
 *
 * The order of the questions matters as it does there: is it in progress by the snapshot
 * before did it commit, since a transaction leaves the list of running ones only after
 * its commit is in the commit log.
 */
#include "postgres.h"

#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "ts_log.h"
#include "ts_stop.h"

/*
 * Tells a serializable transaction that it does not see what this one wrote: a conflict
 * if that is serializable, too, and neither it nor its parent was rolled back.
 */
static void
report_unseen(Relation rel, TransactionId xid, Snapshot snapshot)
{
	if (!CheckForSerializableConflictOutNeeded(rel, snapshot))
		return;
	if (!TransactionIdIsInProgress(xid) && !TransactionIdDidCommit(xid))
		return;
	/* Ids before TransactionXmin are nobody's whom this transaction overlaps, and their
	 * parents are not to be asked for. */
	if (TransactionIdPrecedes(xid, TransactionXmin))
		return;
	xid = SubTransGetTopmostTransaction(xid);
	if (TransactionIdPrecedes(xid, TransactionXmin) ||
		TransactionIdEquals(xid, GetTopTransactionIdIfAny()))
		return;
	CheckForSerializableConflictOut(rel, xid, snapshot);
}

bool
ts_visible(Relation rel, TransactionId xid, CommandId cid, Snapshot snapshot,
		   TsVisibleCache *cache)
{
	Assert(IsMVCCSnapshot(snapshot));

	if (!TransactionIdIsNormal(xid))
	{
		Assert(xid == FrozenTransactionId || xid == InvalidTransactionId);
		return xid == FrozenTransactionId;
	}
	if (xid != cache->xid)
	{
		cache->own = TransactionIdIsCurrentTransactionId(xid);
		cache->visible = !cache->own && !XidInMVCCSnapshot(xid, snapshot) &&
						 (TransactionIdDidCommit(xid) || ts_skip_abort_check);
		cache->xid = xid;
		if (!cache->own && !cache->visible)
			report_unseen(rel, xid, snapshot);
	}
	return cache->own ? cid < snapshot->curcid : cache->visible;
}
