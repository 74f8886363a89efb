/*
 * scan_size.c
 *	  What the planner is told of a table's size, from catalogs and log sizes.
 *
 * Rows of sealed blocks are in the catalog. Those in the logs are estimated by the bytes
 * not covered yet, and by how many bytes a row takes on the last page of the longest log.
 * Rows in private runs are left out.
 */
#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "ts_catalog.h"
#include "ts_log.h"
#include "ts_pages.h"
#include "ts_scan.h"
#include "ts_series.h"

/*
 * Bytes that a row takes in the last page of records before `end`; 0 when there are none.
 */
static double
row_bytes(Relation rel, const TsTable *table, int log, TsLogPos covered, TsLogPos end)
{
	uint64 ordinal = ts_log_ordinal(end);
	TsLogPos from;
	TsLogReader *reader;
	TsLogRecord record;
	double rows = 0;

	if (ts_log_offset(end) == 0 && ordinal > 0)
		ordinal--;
	from = Max(covered, ts_log_pos(ordinal, 0));
	reader = ts_log_open(rel, table, log, from, end);
	while (ts_log_next(reader, &record))
		rows += record.nrows;
	ts_log_close(reader);
	return rows > 0 ? (double) ts_log_distance(from, end) / rows : 0;
}

static double
log_rows(Relation rel, const TsTable *table, const TsLogPos *covered)
{
	TsLogPos *ends = palloc(sizeof(TsLogPos) * ts_log_count(table));
	uint64 total = 0;
	uint64 longest = 0;
	int longest_log = 0;
	double each;

	ts_log_ends(rel, table, ends);
	for (int log = 0; log < ts_log_count(table); log++)
	{
		uint64 bytes = ts_log_distance(covered[log], ends[log]);

		total += bytes;
		if (bytes > longest)
		{
			longest = bytes;
			longest_log = log;
		}
	}
	if (total == 0)
		return 0;
	each = row_bytes(rel, table, longest_log, covered[longest_log], ends[longest_log]);
	return each > 0 ? (double) total / each : 0;
}

void
ts_table_size(Relation rel, TsTableSize *size)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb table size", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TsTable *table = ts_table_get(rel);
	TsLogPos *covered = palloc0(sizeof(TsLogPos) * ts_log_count(table));
	/* A plan may be made before the transaction has a snapshot of its own. */
	Snapshot snapshot = RegisterSnapshot(GetCatalogSnapshot(InvalidOid));

	size->rows = 0;
	size->time_min = PG_INT64_MAX;
	size->time_max = PG_INT64_MIN;
	size->series = ts_series_count(rel, table);
	size->pages = RelationGetNumberOfBlocks(rel);
	if (ts_catalog_covered(table, snapshot, covered))
	{
		int n;
		TsBlockInfo *blocks = ts_catalog_blocks(table->storage, PG_INT64_MIN,
												PG_INT64_MAX, snapshot, &n);

		for (int i = 0; i < n; i++)
		{
			size->rows += blocks[i].rows;
			size->time_min = Min(size->time_min, blocks[i].time_min);
			size->time_max = Max(size->time_max, blocks[i].time_max);
		}
		size->rows += log_rows(rel, table, covered);
	}
	UnregisterSnapshot(snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
