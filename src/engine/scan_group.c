/*
 * scan_group.c
 *	  Groups of blocks that overlap in time, and the series of a group.
 *
 * Blocks that overlap in time form a group; a group also takes the log's and the own rows
 * from the end of the group before it to its own end, the last group all later ones. So
 * groups follow one another in time, every row belongs to one, and only the blocks of one
 * group are open at a time. A scan by series has one group of everything.
 *
 * Within a group, sources wait in a heap by the series they stand on; a series' sources
 * are taken out of it while the series is read.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "ts_series.h"

#include "scan_internal.h"

/* ---- making groups ---- */

uint32
ts_scan_find_wanted(const TsScanSpec *spec, uint32 from, uint64 series)
{
	uint32 high = spec->nseries;

	while (from < high)
	{
		uint32 mid = from + (high - from) / 2;

		if (spec->series[mid] < series)
			from = mid + 1;
		else
			high = mid;
	}
	return from;
}

/* Whether a block may have series that the spec, and the unit, ask for. */
static bool
has_wanted_series(const TsScan *scan, const TsBlockInfo *block)
{
	const TsScanSpec *spec = &scan->spec;
	uint32 min = Max(block->series_min, scan->unit.series_min);
	uint32 max = Min(block->series_max, scan->unit.series_max);
	uint32 at;

	if (spec->series == NULL)
		return min <= max;
	at = ts_scan_find_wanted(spec, 0, min);
	return at < spec->nseries && spec->series[at] <= max;
}

/* Whether a block may have rows that the spec asks for. */
static bool
block_matters(const TsScan *scan, const TsBlockInfo *block)
{
	const TsScanSpec *spec = &scan->spec;

	if (block->time_max < spec->time_min || block->time_min > spec->time_max)
		return false;
	return spec->share != NULL || has_wanted_series(scan, block);
}

void
ts_scan_make_groups(TsScan *scan)
{
	const TsScanSpec *spec = &scan->spec;
	int chosen = 0;
	int64 end = PG_INT64_MIN;
	ScanGroup *group;

	scan->chosen = MemoryContextAlloc(scan->run,
									  sizeof(TsBlockInfo *) * Max(scan->nblocks, 1));
	scan->groups = MemoryContextAlloc(scan->run,
									  sizeof(ScanGroup) * Max(scan->nblocks, 1));
	group = &scan->groups[0];
	group->time_min = spec->time_min;
	group->first = 0;
	group->count = 0;
	for (int i = 0; i < scan->nblocks; i++)
	{
		const TsBlockInfo *block = &scan->blocks[i];

		Assert(i == 0 || block->time_min >= scan->blocks[i - 1].time_min);
		if (!block_matters(scan, block))
		{
			scan->stats.blocks_skipped++;
			continue;
		}
		if (group->count > 0 && !spec->by_series && block->time_min > end)
		{
			group->time_max = end;
			group++;
			group->time_min = end + 1;
			group->first = chosen;
			group->count = 0;
		}
		scan->chosen[chosen++] = block;
		group->count++;
		end = Max(end, block->time_max);
	}
	group->time_max = spec->time_max;
	scan->ngroups = group - scan->groups + 1;
}

int
ts_scan_group_rank(const TsScan *scan, int64 time)
{
	int low = 0;
	int high = scan->ngroups - 1;

	if (scan->one_rank)
		return 0;
	while (low < high)
	{
		int mid = low + (high - low) / 2;

		if (scan->groups[mid].time_max < time)
			low = mid + 1;
		else
			high = mid;
	}
	return scan->spec.newest_first ? scan->ngroups - 1 - low : low;
}

/* ---- beginning a group ---- */

/* As binary heaps have it: the smallest is the "largest". */
static int
compare_series(Datum a, Datum b, void *arg)
{
	const ScanSource *x = (const ScanSource *) DatumGetPointer(a);
	const ScanSource *y = (const ScanSource *) DatumGetPointer(b);

	return x->series < y->series ? 1 : x->series > y->series ? -1 : 0;
}

static int
compare_time(Datum a, Datum b, void *arg)
{
	const ScanSource *x = (const ScanSource *) DatumGetPointer(a);
	const ScanSource *y = (const ScanSource *) DatumGetPointer(b);

	if (x->next_time != y->next_time)
		return x->next_time < y->next_time ? 1 : -1;
	return x->rank < y->rank ? 1 : x->rank > y->rank ? -1 : 0;
}

static bool
overlaps(int64 a_min, int64 a_max, int64 b_min, int64 b_max)
{
	return a_min <= b_max && b_min <= a_max;
}

/*
 * Finds out what is needed to read a private run, once: its order, and its times. The
 * run may have grown since it was pinned; later rows are not the scan's.
 */
static void
order_own_run(TsScan *scan, ScanOwnRun *run)
{
	MemoryContext old;
	uint32 kept = 0;

	if (run->order != NULL)
		return;
	old = MemoryContextSwitchTo(scan->context);
	run->order = ts_rows_order(run->rows, true);
	MemoryContextSwitchTo(old);
	for (uint32 i = 0; i < run->rows->n; i++)
	{
		if (run->order[i] < run->n)
			run->order[kept++] = run->order[i];
	}
	Assert(kept == run->n);
	run->time_min = run->time_max = run->rows->times[0];
	for (uint32 i = 1; i < run->n; i++)
	{
		run->time_min = Min(run->time_min, run->rows->times[i]);
		run->time_max = Max(run->time_max, run->rows->times[i]);
	}
}

static ScanSource *
add_source(TsScan *scan, ScanSourceKind kind, uint64 rank, uint32 series)
{
	ScanSource *source = &scan->sources[scan->nsources++];

	source->kind = kind;
	source->rank = rank;
	source->series = series;
	return source;
}

static void
add_log_source(TsScan *scan)
{
	const ScanLog *log = &scan->log;
	ScanSource *source;

	if (log->n == 0 || !overlaps(log->row_min, log->row_max, scan->group->time_min,
								 scan->group->time_max))
		return;
	if (log->spill != NULL)
	{
		add_source(scan, SCAN_SOURCE_SPILL, SCAN_RANK_LOG, 0);
		return;
	}
	source = add_source(scan, SCAN_SOURCE_ROWS, SCAN_RANK_LOG, 0);
	source->rows = log->rows;
	source->order = log->order;
	source->norder = log->rows->n;
}

static void
add_own_sources(TsScan *scan)
{
	for (int i = 0; i < scan->nown; i++)
	{
		ScanOwnRun *run = &scan->own[i];
		ScanSource *source;

		order_own_run(scan, run);
		if (!overlaps(run->time_min, run->time_max, scan->group->time_min,
					  scan->group->time_max))
			continue;
		source = add_source(scan, SCAN_SOURCE_ROWS, (uint64) SCAN_RANK_LOG + 1 + i, 0);
		source->rows = run->rows;
		source->order = run->order;
		source->norder = run->n;
		source->own = true;
	}
}

/*
 * Whether all rows of a block can be counted without looking at them: all of them are
 * wanted, and surely nothing replaces any of them.
 */
static bool
countable(const TsScan *scan, const TsBlockInfo *block)
{
	const TsScanSpec *spec = &scan->spec;

	return spec->count_only && spec->series == NULL && spec->accept == NULL &&
		   !scan->table->replace && block->time_min >= spec->time_min &&
		   block->time_max <= spec->time_max && scan->unit.shard < 0 &&
		   block->series_min >= scan->unit.series_min &&
		   block->series_max <= scan->unit.series_max;
}

static void
add_block_source(TsScan *scan, const TsBlockInfo *block)
{
	if (!has_wanted_series(scan, block))
	{
		/* In a scan that is divided; one of its units tells. */
		scan->stats.blocks_skipped += scan->unit.series_min == 0 && scan->unit.shard <= 0;
	}
	else if (countable(scan, block))
	{
		scan->counted += block->rows;
		scan->stats.blocks_skipped++;
	}
	else
		add_source(scan, SCAN_SOURCE_BLOCK, block->pages.id, block->series_min)->block =
			block;
}

/* Goes on to the next group of all; false when there is none. */
static bool
choose_group(TsScan *scan)
{
	ScanGroup *group;
	int at = scan->next_group;

	if (at == scan->ngroups)
		return false;
	group = &scan->groups[scan->spec.newest_first ? scan->ngroups - 1 - at : at];
	if (scan->spec.newest_first ? group->time_max < scan->narrow_min
								: group->time_min > scan->narrow_max)
		return false; /* and what follows is even farther away */
	scan->next_group++;
	group->time_min = Max(group->time_min, scan->narrow_min);
	group->time_max = Min(group->time_max, scan->narrow_max);
	scan->group = group;
	return true;
}

bool
ts_scan_next_group(TsScan *scan)
{
	MemoryContext old;
	ScanGroup *group;
	int room;

	if (scan->division != NULL ? !ts_scan_claim(scan) : !choose_group(scan))
		return false;
	group = scan->group;
	room = group->count + 1 + scan->nown;

	old = MemoryContextSwitchTo(scan->group_context);
	scan->nsources = 0;
	scan->sources = palloc_extended(sizeof(ScanSource) * room,
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	scan->active = palloc(sizeof(ScanSource *) * room);
	scan->tied = palloc(sizeof(ScanSource *) * room);
	scan->by_series = binaryheap_allocate(room, compare_series, NULL);
	scan->by_time = binaryheap_allocate(room, compare_time, NULL);
	for (int i = group->first; scan->unit.blocks && i < group->first + group->count; i++)
		add_block_source(scan, scan->chosen[i]);
	if (scan->unit.log)
	{
		add_log_source(scan);
		add_own_sources(scan);
	}
	for (int i = 0; i < scan->nsources; i++)
		binaryheap_add(scan->by_series, PointerGetDatum(&scan->sources[i]));
	scan->wanted_at = 0;
	scan->in_group = true;
	MemoryContextSwitchTo(old);
	return true;
}

void
ts_scan_end_group(TsScan *scan)
{
	if (scan->in_series)
		ts_scan_end_series(scan);
	for (int i = 0; i < scan->nsources; i++)
		ts_source_close(&scan->sources[i]);
	scan->nsources = 0;
	scan->group = NULL;
	scan->in_group = false;
	MemoryContextReset(scan->group_context);
}

/* ---- the series of a group ---- */

/* The smallest wanted series >= *series; false when there is none. */
static bool
next_wanted(TsScan *scan, uint64 *series)
{
	const TsScanSpec *spec = &scan->spec;
	const ScanUnit *unit = &scan->unit;

	*series = Max(*series, unit->series_min);
	for (;; ++*series)
	{
		if (spec->series != NULL)
		{
			scan->wanted_at = ts_scan_find_wanted(spec, scan->wanted_at, *series);
			if (scan->wanted_at == spec->nseries)
				return false;
			*series = spec->series[scan->wanted_at];
		}
		if (*series > unit->series_max)
			return false;
		if (unit->shard < 0 || ts_series_shard(scan->table, *series) == unit->shard)
			return true;
	}
}

/* Places the heap's first source anew, or takes it out when it is at its end. */
static void
place_first(TsScan *scan, ScanSource *source, uint64 series)
{
	if (ts_source_place(scan, source, series))
		binaryheap_replace_first(scan->by_series, PointerGetDatum(source));
	else
		binaryheap_remove_first(scan->by_series);
}

/* Finds the next series that the spec names, and the sources that have rows of it. */
static bool
find_next_series(TsScan *scan)
{
	uint64 series = 0;

	scan->nactive = 0;
	binaryheap_reset(scan->by_time);
	while (!binaryheap_empty(scan->by_series))
	{
		ScanSource *source = (ScanSource *) DatumGetPointer(
			binaryheap_first(scan->by_series));

		if (scan->nactive == 0)
		{
			series = source->series;
			if (!next_wanted(scan, &series))
				return false;
		}
		else if (source->series > series)
			break;

		if (!source->placed || source->series < series)
		{
			place_first(scan, source, series);
			continue;
		}
		Assert(source->series == series);
		binaryheap_remove_first(scan->by_series);
		source->next_time = source->more_time;
		scan->active[scan->nactive++] = source;
		binaryheap_add(scan->by_time, PointerGetDatum(source));
	}
	scan->series = (uint32) series;
	scan->in_series = scan->nactive > 0;
	return scan->in_series;
}

bool
ts_scan_next_series(TsScan *scan)
{
	const TsScanSpec *spec = &scan->spec;

	while (find_next_series(scan))
	{
		if (spec->accept == NULL || spec->accept(spec->accept_arg, scan->series))
			return true;
		ts_scan_end_series(scan);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

void
ts_scan_end_series(TsScan *scan)
{
	for (int i = 0; i < scan->nactive; i++)
	{
		ScanSource *source = scan->active[i];

		/* There are buffers only when the scan ends or starts over early. */
		if (source->cur != NULL)
			ts_scan_retire_buffer(scan, source->cur);
		if (source->ahead != NULL)
			ts_scan_retire_buffer(scan, source->ahead);
		source->cur = source->ahead = NULL;
		source->more = false;
		source->placed = false;
		source->series = (uint64) scan->series + 1;
		binaryheap_add(scan->by_series, PointerGetDatum(source));
	}
	scan->nactive = 0;
	scan->in_series = false;
}
