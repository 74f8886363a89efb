/*
 * handler.c
 *	  The access method's face: the table of callbacks that CREATE ACCESS METHOD names.
 *
 * Nothing happens here. Callbacks that are left out are those that PostgreSQL can do
 * without: scans of TID ranges, bitmap scans (there are no indexes), TOAST (values are
 * kept whole).
 */
#include "postgres.h"

#include "fmgr.h"

#include "am.h"

PG_FUNCTION_INFO_V1(mytsdb_am_handler);

static const TableAmRoutine routine = {
	.type = T_TableAmRoutine,

	.slot_callbacks = am_slot_callbacks,

	.scan_begin = am_scan_begin,
	.scan_end = am_scan_end,
	.scan_rescan = am_scan_rescan,
	.scan_getnextslot = am_scan_getnextslot,

	.parallelscan_estimate = am_parallelscan_estimate,
	.parallelscan_initialize = am_parallelscan_initialize,
	.parallelscan_reinitialize = am_parallelscan_reinitialize,

	.index_fetch_begin = am_index_fetch_begin,
	.index_fetch_reset = am_index_fetch_reset,
	.index_fetch_end = am_index_fetch_end,
	.index_fetch_tuple = am_index_fetch_tuple,

	.tuple_fetch_row_version = am_tuple_fetch_row_version,
	.tuple_tid_valid = am_tuple_tid_valid,
	.tuple_get_latest_tid = am_tuple_get_latest_tid,
	.tuple_satisfies_snapshot = am_tuple_satisfies_snapshot,
	.index_delete_tuples = am_index_delete_tuples,

	.tuple_insert = am_tuple_insert,
	.tuple_insert_speculative = am_tuple_insert_speculative,
	.tuple_complete_speculative = am_tuple_complete_speculative,
	.multi_insert = am_multi_insert,
	.tuple_delete = am_tuple_delete,
	.tuple_update = am_tuple_update,
	.tuple_lock = am_tuple_lock,
	.finish_bulk_insert = am_finish_bulk_insert,

	.relation_set_new_filenode = am_relation_set_new_filenode,
	.relation_nontransactional_truncate = am_relation_nontransactional_truncate,
	.relation_copy_data = am_relation_copy_data,
	.relation_copy_for_cluster = am_relation_copy_for_cluster,
	.relation_vacuum = am_relation_vacuum,
	.scan_analyze_next_block = am_scan_analyze_next_block,
	.scan_analyze_next_tuple = am_scan_analyze_next_tuple,
	.index_build_range_scan = am_index_build_range_scan,
	.index_validate_scan = am_index_validate_scan,

	.relation_size = table_block_relation_size,
	.relation_needs_toast_table = am_relation_needs_toast_table,
	.relation_toast_am = am_relation_toast_am,
	.relation_estimate_size = am_relation_estimate_size,

	.scan_sample_next_block = am_scan_sample_next_block,
	.scan_sample_next_tuple = am_scan_sample_next_tuple,
};

Datum
mytsdb_am_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&routine);
}
