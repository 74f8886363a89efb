/*
 * am.h
 *	  The access method's callbacks, by the file they are in.
 *
 * handler.c lists them all in the TableAmRoutine. PostgreSQL's access/tableam.h says
 * what each has to do.
 */
#ifndef AM_H
#define AM_H

#include "postgres.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "commands/vacuum.h"
#include "nodes/execnodes.h"

/* ---- row_scan.c ---- */

typedef struct RowScanState RowScanState; /* what a scan reads, row by row */
typedef struct SampleState SampleState;
typedef struct AnalyzeState AnalyzeState;

/* A scan. Its states are made when they are first needed. */
typedef struct RowScan
{
	TableScanDescData base; /* must be first */
	MemoryContext context;  /* of what lives as long as the scan */
	RowScanState *rows;
	SampleState *sample;
	AnalyzeState *analyze;
	BlockNumber file_blocks; /* ANALYZE: size of the file when the scan began */
} RowScan;

/*
 * Puts the row at a position, counted from 0 in the scan's order, into the slot; false
 * when there is none. Going back costs reading from the start.
 */
extern bool row_scan_fetch(RowScan *scan, uint64 position, TupleTableSlot *slot);

extern TableScanDesc
am_scan_begin(Relation rel, Snapshot snapshot, int nkeys, struct ScanKeyData *key,
			  ParallelTableScanDesc pscan, uint32 flags);
extern void am_scan_end(TableScanDesc sscan);
extern void am_scan_rescan(TableScanDesc sscan, struct ScanKeyData *key, bool set_params,
						   bool allow_strat, bool allow_sync, bool allow_pagemode);
extern bool
am_scan_getnextslot(TableScanDesc sscan, ScanDirection direction, TupleTableSlot *slot);

/* ---- sample.c ---- */

extern void sample_restart(SampleState *sample);

extern bool am_scan_sample_next_block(TableScanDesc sscan, SampleScanState *state);
extern bool am_scan_sample_next_tuple(TableScanDesc sscan, SampleScanState *state,
									  TupleTableSlot *slot);

/* ---- analyze.c ---- */

extern bool am_scan_analyze_next_block(TableScanDesc sscan, BlockNumber block,
									   BufferAccessStrategy strategy);
extern bool
am_scan_analyze_next_tuple(TableScanDesc sscan, TransactionId oldest_xmin,
						   double *liverows, double *deadrows, TupleTableSlot *slot);
extern void analyze_end(AnalyzeState *state);

/* ---- slot.c ---- */

extern const TupleTableSlotOps *am_slot_callbacks(Relation rel);
/* An ANALYZE of the relation begins or (InvalidOid) ends. */
extern void slot_analyze(Oid relid);

/* ---- insert.c ---- */

extern void am_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid,
							int options, struct BulkInsertStateData *bistate);
extern void
am_multi_insert(Relation rel, TupleTableSlot **slots, int nslots, CommandId cid,
				int options, struct BulkInsertStateData *bistate);
extern void am_finish_bulk_insert(Relation rel, int options);
/* The storage in a file was made anew. */
extern void insert_storage_replaced(void);

/* ---- row_fetch.c ---- */

extern bool am_tuple_fetch_row_version(Relation rel, ItemPointer tid, Snapshot snapshot,
									   TupleTableSlot *slot);
extern bool am_tuple_tid_valid(TableScanDesc sscan, ItemPointer tid);
extern void am_tuple_get_latest_tid(TableScanDesc sscan, ItemPointer tid);
extern bool
am_tuple_satisfies_snapshot(Relation rel, TupleTableSlot *slot, Snapshot snapshot);
extern TM_Result
am_tuple_lock(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
			  CommandId cid, LockTupleMode mode, LockWaitPolicy wait_policy, uint8 flags,
			  TM_FailureData *tmfd);

/* ---- relation.c ---- */

extern void
am_relation_set_new_filenode(Relation rel, const RelFileNode *newrnode, char persistence,
							 TransactionId *freeze_xid, MultiXactId *minmulti);
extern void am_relation_nontransactional_truncate(Relation rel);
extern void am_relation_copy_data(Relation rel, const RelFileNode *newrnode);
extern bool am_relation_needs_toast_table(Relation rel);
extern Oid am_relation_toast_am(Relation rel);
/*
 * Makes a TOAST table for a table of ours that is about to become a heap: the server asks
 * the old access method whether one is needed, and gives the new storage one if the old
 * has it.
 */
extern void am_relation_make_toast_table(Oid relid);
extern void
am_relation_estimate_size(Relation rel, int32 *attr_widths, BlockNumber *pages,
						  double *tuples, double *allvisfrac);

/* ---- rewrite.c ---- */

extern void
am_relation_copy_for_cluster(Relation old_rel, Relation new_rel, Relation old_index,
							 bool use_sort, TransactionId oldest_xmin,
							 TransactionId *xid_cutoff, MultiXactId *multi_cutoff,
							 double *num_tuples, double *tups_vacuumed,
							 double *tups_recently_dead);

/* ---- vacuum.c ---- */

extern void am_relation_vacuum(Relation rel, struct VacuumParams *params,
							   BufferAccessStrategy strategy);

/* ---- refuse.c ---- */

extern Size am_parallelscan_estimate(Relation rel);
extern Size am_parallelscan_initialize(Relation rel, ParallelTableScanDesc pscan);
extern void am_parallelscan_reinitialize(Relation rel, ParallelTableScanDesc pscan);
extern struct IndexFetchTableData *am_index_fetch_begin(Relation rel);
extern void am_index_fetch_reset(struct IndexFetchTableData *data);
extern void am_index_fetch_end(struct IndexFetchTableData *data);
extern bool
am_index_fetch_tuple(struct IndexFetchTableData *data, ItemPointer tid, Snapshot snapshot,
					 TupleTableSlot *slot, bool *call_again, bool *all_dead);
extern TransactionId am_index_delete_tuples(Relation rel, TM_IndexDeleteOp *delstate);
extern double
am_index_build_range_scan(Relation rel, Relation index, struct IndexInfo *info,
						  bool allow_sync, bool anyvisible, bool progress,
						  BlockNumber start, BlockNumber count,
						  IndexBuildCallback callback, void *state, TableScanDesc sscan);
extern void am_index_validate_scan(Relation rel, Relation index, struct IndexInfo *info,
								   Snapshot snapshot, struct ValidateIndexState *state);
extern void am_tuple_insert_speculative(Relation rel, TupleTableSlot *slot, CommandId cid,
										int options, struct BulkInsertStateData *bistate,
										uint32 token);
extern void am_tuple_complete_speculative(Relation rel, TupleTableSlot *slot,
										  uint32 token, bool succeeded);
extern TM_Result
am_tuple_delete(Relation rel, ItemPointer tid, CommandId cid, Snapshot snapshot,
				Snapshot crosscheck, bool wait, TM_FailureData *tmfd, bool changing_part);
extern TM_Result
am_tuple_update(Relation rel, ItemPointer tid, TupleTableSlot *slot, CommandId cid,
				Snapshot snapshot, Snapshot crosscheck, bool wait, TM_FailureData *tmfd,
				LockTupleMode *lockmode, bool *update_indexes);

extern void refuse_update(Relation rel) pg_attribute_noreturn();
extern void refuse_delete(Relation rel) pg_attribute_noreturn();
extern void refuse_lock(Relation rel) pg_attribute_noreturn();
extern void refuse_tid(Relation rel) pg_attribute_noreturn();
extern void refuse_parallel(Relation rel) pg_attribute_noreturn();
extern void refuse_persistence(Relation rel, char persistence) pg_attribute_noreturn();

#endif /* AM_H */
