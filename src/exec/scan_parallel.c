/*
 * scan_parallel.c
 *	  The custom scan in a parallel query: what leader and workers share.
 *
 * How a scan is divided is the engine's business (ts_scan.h). Here its share finds its
 * place, and what the workers did comes back: each adds its counts when it is done, and the
 * leader takes the sums when the shared memory goes away. That is after it has waited for
 * all workers, and before EXPLAIN asks. (When its own node is shut down, workers may still
 * run.)
 */
#include "postgres.h"

#include "access/parallel.h"
#include "storage/dsm.h"
#include "storage/spin.h"

#include "sql_scan.h"

struct SqlScanShare
{
	slock_t mutex;
	SqlScanCounts counts;
};

#define SHARE_SIZE MAXALIGN(sizeof(SqlScanShare))

static TsScanShare *
engine_share(SqlScanShare *share)
{
	return (TsScanShare *) ((char *) share + SHARE_SIZE);
}

static void
add_counts(SqlScanCounts *to, const SqlScanCounts *counts)
{
	const TsScanStats *stats = &counts->stats;

	to->stats.blocks_read += stats->blocks_read;
	to->stats.blocks_skipped += stats->blocks_skipped;
	to->stats.chunks_read += stats->chunks_read;
	to->stats.chunks_skipped += stats->chunks_skipped;
	to->stats.rows_sealed += stats->rows_sealed;
	to->stats.rows_log += stats->rows_log;
	to->stats.rows_own += stats->rows_own;
	to->stats.series += stats->series;
	to->stats.spilled += stats->spilled;
	to->looked_at += counts->looked_at;
	to->segments = Max(to->segments, counts->segments);
	to->covered = Max(to->covered, counts->covered);
}

/* What the scan did in this process. */
static void
count_own(const SqlScan *scan, SqlScanCounts *counts)
{
	memset(counts, 0, sizeof(SqlScanCounts));
	if (scan->scan != NULL)
		counts->stats = *ts_scan_stats(scan->scan);
	if (scan->series != NULL)
	{
		counts->looked_at = sqlscan_series_looked_at(scan->series);
		counts->segments = sqlscan_series_segments(scan->series, &counts->covered);
	}
}

void
sqlscan_count_all(const SqlScan *scan, SqlScanCounts *counts)
{
	count_own(scan, counts);
	add_counts(counts, &scan->by_others);
}

/* ---- the leader ---- */

Size
sqlscan_dsm_size(CustomScanState *node, ParallelContext *pcxt)
{
	return SHARE_SIZE + ts_scan_share_size(((SqlScan *) node)->table);
}

/* The shared memory goes away. */
static void
take_counts(dsm_segment *segment, Datum arg)
{
	SqlScan *scan = (SqlScan *) DatumGetPointer(arg);

	add_counts(&scan->by_others, &scan->share->counts);
	scan->share = NULL;
	scan->spec.share = NULL;
}

/* Without workers the place is in private memory, which has no segment. */
void
sqlscan_dsm_init(CustomScanState *node, ParallelContext *pcxt, void *place)
{
	SqlScan *scan = (SqlScan *) node;

	Assert(scan->sorter == NULL);
	scan->share = place;
	SpinLockInit(&scan->share->mutex);
	memset(&scan->share->counts, 0, sizeof(SqlScanCounts));
	ts_scan_share_init(engine_share(scan->share), scan->table);
	scan->spec.share = engine_share(scan->share);
	if (pcxt->seg != NULL)
		on_dsm_detach(pcxt->seg, take_counts, PointerGetDatum(scan));
}

/* Counts stay: they are those of all rescans together. */
void
sqlscan_dsm_reset(CustomScanState *node, ParallelContext *pcxt, void *place)
{
	ts_scan_share_reset(engine_share(place));
}

/* ---- a worker ---- */

void
sqlscan_worker_init(CustomScanState *node, shm_toc *toc, void *place)
{
	SqlScan *scan = (SqlScan *) node;

	scan->share = place;
	scan->spec.share = engine_share(place);
}

void
sqlscan_shutdown(CustomScanState *node)
{
	SqlScan *scan = (SqlScan *) node;
	SqlScanCounts counts;

	if (!IsParallelWorker() || scan->share == NULL)
		return;
	count_own(scan, &counts);
	SpinLockAcquire(&scan->share->mutex);
	add_counts(&scan->share->counts, &counts);
	SpinLockRelease(&scan->share->mutex);
	scan->share = NULL;
}
