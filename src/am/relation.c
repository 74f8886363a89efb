/*
 * relation.c
 *	  A table's files: made, emptied, moved, measured.
 *
 * A storage is a file with a metapage, and rows in the catalogs that say what is sealed.
 * Both are made together and belong to the same subtransaction. The file of a storage that
 * TRUNCATE replaces goes at commit; its catalog rows are deleted by the same transaction,
 * so that a rollback has both back. Those of a dropped table go by the hook on drops.
 */
#include "postgres.h"

#include "access/multixact.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/storage.h"
#include "catalog/storage_xlog.h"
#include "catalog/toasting.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "am.h"
#include "ts_buffer.h"
#include "ts_catalog.h"
#include "ts_ddl.h"
#include "ts_hot.h"
#include "ts_pages.h"
#include "ts_scan.h"
#include "ts_table.h"

/*
 * In binary upgrade the file made here is replaced by the old cluster's, and the rows of
 * the catalogs come as any table's rows do.
 */
static void
insert_shards(uint64 storage, int shards)
{
	if (!IsBinaryUpgrade)
		ts_catalog_insert_shards(storage, shards);
}

/*
 * Called for a new table (also the transient one of a rewrite), whose file is the new one,
 * and for TRUNCATE, when the relation still knows the old file.
 */
void
am_relation_set_new_filenode(Relation rel, const RelFileNode *newrnode, char persistence,
							 TransactionId *freeze_xid, MultiXactId *minmulti)
{
	int shards;
	TsMeta old;

	if (persistence != RELPERSISTENCE_PERMANENT)
		refuse_persistence(rel, persistence);

	/* Transactions that may put their ids into the log are not older than this. */
	*freeze_xid = RecentXmin;
	*minmulti = GetOldestMultiXactId();

	shards = ts_ddl_shards_for(rel, newrnode);
	Assert(shards >= 1 && shards <= TS_MAX_SHARDS);

	if (!RelFileNodeEquals(rel->rd_node, *newrnode) &&
		ts_pages_probe(&rel->rd_node, &old))
	{
		/* a TRUNCATE that is no utility statement: one that was replicated */
		ts_buffer_flush();
		ts_catalog_drop(old.storage);
	}

	smgrclose(RelationCreateStorage(*newrnode, persistence, true));
	insert_shards(ts_pages_create(newrnode, shards), shards);
}

/* Called for storages that this subtransaction made: there is nothing to come back. */
void
am_relation_nontransactional_truncate(Relation rel)
{
	TsTable *table = ts_table_get(rel);
	int shards = ts_ddl_shards_for(rel, &rel->rd_node);

	ts_buffer_discard(table);
	ts_hot_forget_file(&rel->rd_node);
	ts_catalog_drop(table->storage);
	insert_shards(ts_pages_recreate(rel, shards), shards);
	pfree(table);
	insert_storage_replaced();

	/* It names the old storage. */
	if (rel->rd_amcache)
		pfree(rel->rd_amcache);
	rel->rd_amcache = NULL;
}

/* The storage moves as it is and keeps its id. There is no fork but the main one. */
void
am_relation_copy_data(Relation rel, const RelFileNode *newrnode)
{
	char persistence = rel->rd_rel->relpersistence;
	SMgrRelation target;

	/* An event trigger may have inserted since the statement began. */
	ts_buffer_flush();
	/* The file is read directly, so what is in buffers has to be in it. */
	FlushRelationBuffers(rel);
	target = RelationCreateStorage(*newrnode, persistence, true);
	RelationCopyStorage(RelationGetSmgr(rel), target, MAIN_FORKNUM, persistence);
	RelationDropStorage(rel);
	smgrclose(target);
}

static bool making_toast_table = false;

/* Values are kept whole, however long they are. */
bool
am_relation_needs_toast_table(Relation rel)
{
	return making_toast_table;
}

Oid
am_relation_toast_am(Relation rel)
{
	return HEAP_TABLE_AM_OID;
}

void
am_relation_make_toast_table(Oid relid)
{
	PG_TRY();
	{
		making_toast_table = true;
		AlterTableCreateToastTable(relid, (Datum) 0, AccessExclusiveLock);
	}
	PG_FINALLY();
	{
		making_toast_table = false;
	}
	PG_END_TRY();
}

/*
 * For the planner, for each query: so the catalogs are not read as long as the table is
 * about as large as it was when VACUUM or ANALYZE counted its rows. Beyond that rows per
 * page say little: a page of a log has some hundreds, one of a sealed block thousands.
 */
void
am_relation_estimate_size(Relation rel, int32 *attr_widths, BlockNumber *pages,
						  double *tuples, double *allvisfrac)
{
	double counted = rel->rd_rel->reltuples;
	double then = rel->rd_rel->relpages;
	double now = RelationGetNumberOfBlocks(rel);

	*allvisfrac = 0;
	*pages = (BlockNumber) now;
	if (counted > 0 && then > 0 && now >= then / 2 && now <= then * 2)
		*tuples = counted * (now / then);
	else
	{
		TsTableSize size;

		ts_table_size(rel, &size);
		*tuples = size.rows;
	}
}
