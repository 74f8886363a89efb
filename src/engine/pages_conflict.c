/*
 * pages_conflict.c
 *	  Conflict points: WAL that cancels queries on standbys.
 *
 * Generic WAL cannot say that a change takes something from snapshots on a standby. The
 * core has a record that says only that, and which its redo understands without any
 * library: the one with which btree announces that a page will be used again. It names a
 * relation, for its database, and a transaction; no page is touched.
 */
#include "postgres.h"

#include "access/nbtxlog.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "utils/rel.h"

#include "ts_pages.h"

/* A transaction id that is not newer than the next one, with its epoch. */
static FullTransactionId
full_xid(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32 epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

void
ts_pages_log_conflict(Relation rel, TransactionId xid)
{
	xl_btree_reuse_page record = {0};

	Assert(TransactionIdIsNormal(xid));
	if (!RelationNeedsWAL(rel) || !XLogStandbyInfoActive())
		return;
	record.node = rel->rd_node;
	record.block = 0;
	record.latestRemovedFullXid = full_xid(xid);

	XLogBeginInsert();
	XLogRegisterData((char *) &record, SizeOfBtreeReusePage);
	XLogInsert(RM_BTREE_ID, XLOG_BTREE_REUSE_PAGE);
}
