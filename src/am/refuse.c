/*
 * refuse.c
 *	  What tables USING mytsdb do not do, each with an error that says what to use instead.
 *
 * Most of it is refused before, where the statement is planned or its utility command
 * begins; what is here is the last door, which no statement can go around.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "catalog/pg_class.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "am.h"

void
refuse_update(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("UPDATE is not supported on tables USING mytsdb yet"),
			 errdetail("\"%s\" is such a table.", RelationGetRelationName(rel)),
			 errhint("To replace rows, use mytsdb.duplicates = 'replace' and INSERT rows "
					 "of the same series and time."),
			 errtable(rel)));
}

void
refuse_delete(Relation rel)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("DELETE is not supported on tables USING mytsdb yet"),
					errdetail("\"%s\" is such a table.", RelationGetRelationName(rel)),
					errhint("Use mytsdb.drop_before() or mytsdb.retention to remove old "
							"rows, and TRUNCATE to remove all."),
					errtable(rel)));
}

void
refuse_lock(Relation rel)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("rows of tables USING mytsdb cannot be locked for update"),
		 errdetail("\"%s\" is such a table; UPDATE, DELETE, FOR UPDATE and FOR NO KEY "
				   "UPDATE are not supported on it yet.",
				   RelationGetRelationName(rel)),
		 errhint("Use FOR SHARE, or name the other tables with FOR UPDATE OF."),
		 errtable(rel)));
}

void
refuse_tid(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("rows of tables USING mytsdb cannot be found by ctid"),
			 errdetail("In table \"%s\", a ctid is not the address of a row.",
					   RelationGetRelationName(rel)),
			 errhint("Find rows by the columns of their series and by their time."),
			 errtable(rel)));
}

void
refuse_parallel(Relation rel)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("parallel sequential scans are not supported on tables USING "
						   "mytsdb"),
					errdetail("\"%s\" is such a table.", RelationGetRelationName(rel)),
					errhint("Set max_parallel_workers_per_gather to 0."), errtable(rel)));
}

void
refuse_persistence(Relation rel, char persistence)
{
	bool temporary = persistence == RELPERSISTENCE_TEMP;

	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					temporary ? errmsg("temporary tables USING mytsdb are not supported")
							  : errmsg("unlogged tables USING mytsdb are not supported"),
					temporary ? errhint("Use an ordinary table, or a temporary one USING "
										"heap.")
							  : errhint("Use an ordinary table, or an unlogged one USING "
										"heap."),
					errtable(rel)));
}

static void refuse_index(Relation rel) pg_attribute_noreturn();

static void
refuse_index(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("indexes are not supported on tables USING mytsdb"),
			 errdetail("\"%s\" is such a table.", RelationGetRelationName(rel)),
			 errhint("Rows are found by time and by the columns of mytsdb.series_by "
					 "without one; mytsdb.duplicates = 'replace' keeps one row for each "
					 "series and time."),
			 errtable(rel)));
}

/* ---- the callbacks ---- */

Size
am_parallelscan_estimate(Relation rel)
{
	refuse_parallel(rel);
}

Size
am_parallelscan_initialize(Relation rel, ParallelTableScanDesc pscan)
{
	refuse_parallel(rel);
}

void
am_parallelscan_reinitialize(Relation rel, ParallelTableScanDesc pscan)
{
	refuse_parallel(rel);
}

struct IndexFetchTableData *
am_index_fetch_begin(Relation rel)
{
	refuse_index(rel);
}

void
am_index_fetch_reset(struct IndexFetchTableData *data)
{
	refuse_index(data->rel);
}

void
am_index_fetch_end(struct IndexFetchTableData *data)
{
	refuse_index(data->rel);
}

bool
am_index_fetch_tuple(struct IndexFetchTableData *data, ItemPointer tid, Snapshot snapshot,
					 TupleTableSlot *slot, bool *call_again, bool *all_dead)
{
	refuse_index(data->rel);
}

TransactionId
am_index_delete_tuples(Relation rel, TM_IndexDeleteOp *delstate)
{
	refuse_index(rel);
}

double
am_index_build_range_scan(Relation rel, Relation index, struct IndexInfo *info,
						  bool allow_sync, bool anyvisible, bool progress,
						  BlockNumber start, BlockNumber count,
						  IndexBuildCallback callback, void *state, TableScanDesc sscan)
{
	refuse_index(rel);
}

void
am_index_validate_scan(Relation rel, Relation index, struct IndexInfo *info,
					   Snapshot snapshot, struct ValidateIndexState *state)
{
	refuse_index(rel);
}

/* Speculative insertion is ON CONFLICT with a unique index, which there cannot be. */
void
am_tuple_insert_speculative(Relation rel, TupleTableSlot *slot, CommandId cid,
							int options, struct BulkInsertStateData *bistate,
							uint32 token)
{
	refuse_index(rel);
}

void
am_tuple_complete_speculative(Relation rel, TupleTableSlot *slot, uint32 token,
							  bool succeeded)
{
	refuse_index(rel);
}

TM_Result
am_tuple_delete(Relation rel, ItemPointer tid, CommandId cid, Snapshot snapshot,
				Snapshot crosscheck, bool wait, TM_FailureData *tmfd, bool changing_part)
{
	if (changing_part)
		refuse_update(rel);
	refuse_delete(rel);
}

TM_Result
am_tuple_update(Relation rel, ItemPointer tid, TupleTableSlot *slot, CommandId cid,
				Snapshot snapshot, Snapshot crosscheck, bool wait, TM_FailureData *tmfd,
				LockTupleMode *lockmode, bool *update_indexes)
{
	refuse_update(rel);
}
