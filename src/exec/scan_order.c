/*
 * scan_order.c
 *	  Rows by time: ORDER BY time, with a LIMIT or without.
 *
 * The engine's groups follow one another in time, so sorting each group for itself sorts
 * them all. But a group may have millions of rows. So if the planner expects that only
 * some rows are wanted, these are looked for first: the scan goes through the groups and
 * keeps the best rows in a heap; once it is full, what lies beyond its worst row is of no
 * interest, and the engine passes over it. Should more rows be asked for after all, the
 * scan starts over behind the last row that was handed out, and sorts groups.
 *
 * Rows of equal times: the heap keeps those that the scan met first. The scan meets rows
 * always in the same order (it is asked for numbers for this), so of the rows with the last
 * time handed out as many are skipped as were in the heap.
 *
 * Filters are evaluated here, since only rows that pass count. None is volatile, so
 * whoever evaluates them again finds the same.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "sql_scan.h"

#define MAX_FIRST_ROWS 10000

typedef struct Kept
{
	int64 time;
	uint64 at; /* in the scan's order */
	MinimalTuple tuple;
} Kept;

typedef enum Phase
{
	PHASE_FIRST,  /* nothing was read */
	PHASE_KEPT,   /* rows of the heap are handed out */
	PHASE_GROUPS, /* groups are read and sorted */
	PHASE_SORTED, /* rows of a sorted group are handed out */
	PHASE_END
} Phase;

struct SqlScanSorter
{
	SqlScan *scan;
	bool descending;
	uint32 first_rows; /* to look for first; 0: sort at once */
	Phase phase;

	/* The first rows: a heap with the worst on top, later sorted. */
	MemoryContext context;
	Kept *kept;
	uint32 nkept;
	uint32 next;
	uint64 met;
	Size bytes;

	/* Groups: */
	int64 skip_time; /* of the rows of this time ... */
	uint64 skip;     /* ... so many are still to be skipped */
	bool pending;    /* the scan's batch is the next group's first */
	Tuplesortstate *sort;
	Oid operator;
	TupleTableSlot *sorted;
	int64 disk;
};

SqlScanSorter *
sqlscan_sorter_create(SqlScan *scan, SqlScanOrder order, int rows)
{
	SqlScanSorter *sorter = palloc0(sizeof(SqlScanSorter));
	TypeCacheEntry *type = lookup_type_cache(scan->table->time_type,
											 TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);

	sorter->scan = scan;
	sorter->descending = order == SQLSCAN_DESCENDING;
	sorter->first_rows = rows <= MAX_FIRST_ROWS ? rows : 0;
	sorter->operator= sorter->descending ? type->gt_opr : type->lt_opr;
	sorter->context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb sorted scan",
											ALLOCSET_DEFAULT_SIZES);
	sorter->sorted = ExecInitExtraTupleSlot(
		scan->css.ss.ps.state, scan->css.ss.ss_ScanTupleSlot->tts_tupleDescriptor,
		&TTSOpsMinimalTuple);

	/* The time is what is sorted by, wanted or not. */
	scan->wanted[scan->table->time_column - 1] = true;
	scan->counting = false;
	return sorter;
}

static void
end_sort(SqlScanSorter *sorter)
{
	TuplesortInstrumentation stats;

	if (sorter->sort == NULL)
		return;
	ExecClearTuple(sorter->sorted);
	tuplesort_get_stats(sorter->sort, &stats);
	if (stats.spaceType == SORT_SPACE_TYPE_DISK)
		sorter->disk = Max(sorter->disk, stats.spaceUsed);
	tuplesort_end(sorter->sort);
	sorter->sort = NULL;
}

void
sqlscan_sorter_restart(SqlScanSorter *sorter)
{
	end_sort(sorter);
	MemoryContextReset(sorter->context);
	sorter->phase = PHASE_FIRST;
	sorter->kept = NULL;
	sorter->nkept = 0;
	sorter->next = 0;
	sorter->met = 0;
	sorter->bytes = 0;
	sorter->skip = 0;
	sorter->pending = false;
}

void
sqlscan_sorter_free(SqlScanSorter *sorter)
{
	end_sort(sorter);
	MemoryContextDelete(sorter->context);
}

int64
sqlscan_sorter_disk(const SqlScanSorter *sorter)
{
	return sorter->disk;
}

/* ---- rows of a batch ---- */

/* Puts row i of the batch into the scan's slot; whether it passes the filters. */
static bool
load_row(SqlScanSorter *sorter, uint32 i)
{
	ScanState *node = &sorter->scan->css.ss;
	ExprContext *econtext = node->ps.ps_ExprContext;
	bool passes;

	ts_filler_row(sorter->scan->filler, i);
	if (node->ps.qual == NULL)
		return true;
	econtext->ecxt_scantuple = node->ss_ScanTupleSlot;
	passes = ExecQualAndReset(node->ps.qual, econtext);
	if (!passes)
		InstrCountFiltered1(node, 1);
	return passes;
}

/* ---- the first rows ---- */

/* Whether x comes later than y in the output. */
static bool
is_worse(const SqlScanSorter *sorter, const Kept *x, const Kept *y)
{
	if (x->time != y->time)
		return (x->time < y->time) == sorter->descending;
	return x->at > y->at;
}

/* Moves the entry at the top down to its place. */
static void
sift_down(SqlScanSorter *sorter)
{
	Kept entry = sorter->kept[0];
	uint32 at = 0;

	for (;;)
	{
		uint32 child = 2 * at + 1;

		if (child >= sorter->nkept)
			break;
		if (child + 1 < sorter->nkept &&
			is_worse(sorter, &sorter->kept[child + 1], &sorter->kept[child]))
			child++;
		if (!is_worse(sorter, &sorter->kept[child], &entry))
			break;
		sorter->kept[at] = sorter->kept[child];
		at = child;
	}
	sorter->kept[at] = entry;
}

static void
sift_up(SqlScanSorter *sorter)
{
	uint32 at = sorter->nkept - 1;
	Kept entry = sorter->kept[at];

	while (at > 0 && is_worse(sorter, &entry, &sorter->kept[(at - 1) / 2]))
	{
		sorter->kept[at] = sorter->kept[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	sorter->kept[at] = entry;
}

/* Whether a time is before that of the worst row of a full heap. */
static bool
is_better(const SqlScanSorter *sorter, int64 time)
{
	int64 worst = sorter->kept[0].time;

	return sorter->descending ? time > worst : time < worst;
}

/* Tells the engine what is of no interest any more. */
static void
narrow(SqlScanSorter *sorter)
{
	int64 worst = sorter->kept[0].time;

	if (sorter->descending)
		ts_scan_narrow(sorter->scan->scan, worst < PG_INT64_MAX ? worst + 1 : worst,
					   PG_INT64_MAX);
	else
		ts_scan_narrow(sorter->scan->scan, PG_INT64_MIN,
					   worst > PG_INT64_MIN ? worst - 1 : worst);
}

/* Keeps the row in the scan's slot. */
static void
keep_row(SqlScanSorter *sorter, int64 time)
{
	MemoryContext caller = MemoryContextSwitchTo(sorter->context);
	MinimalTuple tuple = ExecCopySlotMinimalTuple(sorter->scan->css.ss.ss_ScanTupleSlot);
	Kept entry = {time, sorter->met, tuple};

	sorter->bytes += tuple->t_len;
	if (sorter->nkept < sorter->first_rows)
	{
		sorter->kept[sorter->nkept++] = entry;
		sift_up(sorter);
	}
	else
	{
		sorter->bytes -= sorter->kept[0].tuple->t_len;
		pfree(sorter->kept[0].tuple);
		sorter->kept[0] = entry;
		sift_down(sorter);
	}
	MemoryContextSwitchTo(caller);
}

static void
keep_rows_of_batch(SqlScanSorter *sorter)
{
	const TsBatch *batch = &sorter->scan->batch;
	bool kept = false;

	for (uint32 i = 0; i < batch->n; i++)
	{
		int64 time = batch->times[i];

		sorter->met++;
		if (sorter->nkept == sorter->first_rows && !is_better(sorter, time))
			continue;
		if (!load_row(sorter, i))
			continue;
		keep_row(sorter, time);
		kept = true;
	}
	if (kept && sorter->nkept == sorter->first_rows)
		narrow(sorter);
}

static int
compare_kept(const void *a, const void *b, void *sorter)
{
	return is_worse(sorter, a, b) ? 1 : -1;
}

/* Finds the first rows; false when they take too much memory. */
static bool
find_first_rows(SqlScanSorter *sorter)
{
	sorter->kept = MemoryContextAlloc(sorter->context, sizeof(Kept) * sorter->first_rows);
	while (sqlscan_next_batch(sorter->scan))
	{
		keep_rows_of_batch(sorter);
		if (sorter->bytes > (Size) work_mem * 1024)
		{
			sqlscan_sorter_restart(sorter);
			return false;
		}
	}
	qsort_arg(sorter->kept, sorter->nkept, sizeof(Kept), compare_kept, sorter);
	return true;
}

/* Starts over behind the rows that were kept. */
static void
go_behind_kept(SqlScanSorter *sorter)
{
	SqlScan *scan = sorter->scan;
	TsScanSpec spec = scan->spec;
	int64 last = sorter->kept[sorter->nkept - 1].time;

	Assert(sorter->nkept == sorter->first_rows);
	sorter->skip_time = last;
	sorter->skip = 0;
	for (uint32 i = sorter->nkept; i > 0 && sorter->kept[i - 1].time == last; i--)
		sorter->skip++;
	if (sorter->descending)
		scan->spec.time_max = last;
	else
		scan->spec.time_min = last;
	sqlscan_restart(scan);
	scan->spec = spec;
	MemoryContextReset(sorter->context);
	sorter->kept = NULL;
	sorter->nkept = 0;
}

/* ---- groups ---- */

static void
begin_sort(SqlScanSorter *sorter)
{
	MemoryContext caller = MemoryContextSwitchTo(sorter->context);
	AttrNumber attnum = sorter->scan->table->time_column;
	Oid collation = InvalidOid;
	bool nulls_first = false;

	sorter->sort = tuplesort_begin_heap(sorter->sorted->tts_tupleDescriptor, 1, &attnum,
										&sorter->operator, & collation, &nulls_first,
										work_mem, NULL, TUPLESORT_NONE);
	MemoryContextSwitchTo(caller);
}

static void
sort_rows_of_batch(SqlScanSorter *sorter)
{
	SqlScan *scan = sorter->scan;

	for (uint32 i = 0; i < scan->batch.n; i++)
	{
		if (!load_row(sorter, i))
			continue;
		if (sorter->skip > 0 && scan->batch.times[i] == sorter->skip_time)
			sorter->skip--;
		else
			tuplesort_puttupleslot(sorter->sort, scan->css.ss.ss_ScanTupleSlot);
	}
}

/* Reads and sorts a group; false when there is none. */
static bool
sort_group(SqlScanSorter *sorter)
{
	SqlScan *scan = sorter->scan;
	uint32 group;

	if (!sorter->pending && !sqlscan_next_batch(scan))
		return false;
	if (sorter->pending)
		ts_filler_begin(scan->filler, &scan->batch, scan->css.ss.ss_ScanTupleSlot);
	group = scan->batch.group;
	begin_sort(sorter);
	do
	{
		sort_rows_of_batch(sorter);
		sorter->pending = sqlscan_next_batch(scan);
	} while (sorter->pending && scan->batch.group == group);
	tuplesort_performsort(sorter->sort);
	return true;
}

/* ---- output ---- */

/* Puts the values of another slot's row into the scan's slot. */
static void
show(SqlScanSorter *sorter, TupleTableSlot *from)
{
	SqlScan *scan = sorter->scan;
	TupleTableSlot *slot = scan->css.ss.ss_ScanTupleSlot;
	int natts = slot->tts_tupleDescriptor->natts;

	slot_getallattrs(from);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, from->tts_values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, from->tts_isnull, sizeof(bool) * natts);
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = scan->table->relid;
}

/* One step; true when a row is shown. */
static bool
step(SqlScanSorter *sorter)
{
	switch (sorter->phase)
	{
		case PHASE_FIRST:
			if (!sqlscan_start(sorter->scan))
				sorter->phase = PHASE_END;
			else if (sorter->first_rows > 0 && find_first_rows(sorter))
				sorter->phase = PHASE_KEPT;
			else
			{
				if (sorter->first_rows > 0)
					sqlscan_restart(sorter->scan);
				sorter->phase = PHASE_GROUPS;
			}
			return false;

		case PHASE_KEPT:
			if (sorter->next < sorter->nkept)
			{
				ExecStoreMinimalTuple(sorter->kept[sorter->next++].tuple, sorter->sorted,
									  false);
				show(sorter, sorter->sorted);
				return true;
			}
			ExecClearTuple(sorter->sorted);
			if (sorter->nkept < sorter->first_rows)
				sorter->phase = PHASE_END;
			else
			{
				go_behind_kept(sorter);
				sorter->phase = PHASE_GROUPS;
			}
			return false;

		case PHASE_GROUPS:
			sorter->phase = sort_group(sorter) ? PHASE_SORTED : PHASE_END;
			return false;

		case PHASE_SORTED:
			if (tuplesort_gettupleslot(sorter->sort, true, false, sorter->sorted, NULL))
			{
				show(sorter, sorter->sorted);
				return true;
			}
			end_sort(sorter);
			sorter->phase = PHASE_GROUPS;
			return false;

		case PHASE_END:
			break;
	}
	return false;
}

bool
sqlscan_sorter_next(SqlScanSorter *sorter)
{
	while (sorter->phase != PHASE_END)
	{
		CHECK_FOR_INTERRUPTS();
		if (step(sorter))
			return true;
	}
	return false;
}
