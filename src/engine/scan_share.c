/*
 * scan_share.c
 *	  A scan that is divided among processes.
 *
 * The work is cut into numbered units, and who has nothing to do takes the next number.
 * Everybody finds out by itself what a number stands for: from the blocks, which are the same
 * for all, since the snapshot is, and from the *terms*, which the first to begin sets down
 * in shared memory for all. Nothing that others may see differently goes into it: neither
 * the ends of logs nor a set of series, which may have gained series without visible rows.
 *
 * A unit is a group of blocks and a range of series. There are two ways to go about the
 * logs' rows:
 *
 * - *apart*: where rows need not meet, the logs of each shard are a unit of their own. These come
 *	 first, since they cannot be cut.
 * - *merged*: where duplicates are resolved, or series come by series, a unit has the logs'
 *	 rows of its series and its group's time, too. Loading a log costs much, so if there is
 *	 much in the logs, a unit has series of one shard only, and everybody stays with a shard
 *	 as long as it has units left. Else all load all of it.
 *
 * Units are as small as is worth opening their blocks for, so that the last one to be
 * read does not keep everybody waiting.
 */
#include "postgres.h"

#include "optimizer/paths.h"
#include "port/atomics.h"
#include "storage/spin.h"

#include "ts_series.h"

#include "scan_internal.h"

#define MAX_PIECES 64
/* Rows that a unit should have: some milliseconds' work ... */
#define UNIT_ROWS (128 * 1024)
/* ... or fewer, where min_parallel_table_scan_size, in rows of so many bytes, is less. */
#define HEAP_ROW_SIZE 64
/* Rows of a block that it is worth opening for, as part of a unit's. */
#define BLOCK_PART 32
/* Rows of logs that take as long as a sealed one to be loaded by everybody, about. */
#define LOG_SHARE 16
/* Bytes of a row in a log, about. */
#define LOG_ROW_SIZE 32

typedef struct Terms
{
	int64 time_min;
	int64 time_max;
	int classes;       /* shards, when each is divided for itself; else 1 */
	bool listed;       /* certain series are wanted */
	uint32 max_pieces; /* of a group; a power of two */
	uint64 piece_rows;
	uint64 block_rows; /* of each block in a piece, on average, at least */
	/* If listed: where the 64ths of the wanted series begin. */
	uint32 bounds[MAX_PIECES];
} Terms;

struct TsScanShare
{
	slock_t mutex;
	bool agreed; /* there are terms */
	Terms terms;
	int nclaimed;
	/* By class: units that were claimed, or more. */
	pg_atomic_uint32 claimed[FLEXIBLE_ARRAY_MEMBER];
};

/* What a number stands for. */
struct ScanDivision
{
	Terms terms;
	bool apart;
	uint32 first;      /* units before those of groups: of shards' logs */
	uint32 *group_end; /* [ngroups]: numbers of the group end before */
	uint32 units;      /* of a class */
	int class;         /* the one being read; -1: none */
	bool loaded;       /* its log rows are */
	ScanGroup whole;   /* all time, and no blocks */
};

Size
ts_scan_share_size(const TsTable *table)
{
	return offsetof(TsScanShare, claimed) + sizeof(pg_atomic_uint32) * table->shards;
}

void
ts_scan_share_init(TsScanShare *share, const TsTable *table)
{
	SpinLockInit(&share->mutex);
	share->nclaimed = table->shards;
	share->agreed = false;
	for (int i = 0; i < share->nclaimed; i++)
		pg_atomic_init_u32(&share->claimed[i], 0);
}

void
ts_scan_share_reset(TsScanShare *share)
{
	share->agreed = false;
	for (int i = 0; i < share->nclaimed; i++)
		pg_atomic_write_u32(&share->claimed[i], 0);
}

static bool
is_apart(const TsScan *scan)
{
	return !scan->table->replace && !scan->spec.by_series;
}

/* ---- terms ---- */

static uint32
power_of_two_below(uint64 n, uint32 most)
{
	uint32 power = 1;

	while (power < most && power * 2 <= n)
		power *= 2;
	return power;
}

/* Whether loading the logs is a good part of the work. */
static bool
logs_matter(const TsScan *scan)
{
	uint64 sealed = 0;
	uint64 bytes = 0;

	for (int i = 0; i < scan->nblocks; i++)
		sealed += scan->blocks[i].rows;
	for (int log = 0; scan->visible && log < ts_log_count(scan->table); log++)
		bytes += ts_log_distance(scan->covered[log], scan->ends[log]);
	return bytes / LOG_ROW_SIZE > sealed / LOG_SHARE;
}

static void
propose(const TsScan *scan, Terms *terms)
{
	const TsScanSpec *spec = &scan->spec;
	uint64 enough = (uint64) min_parallel_table_scan_size * BLCKSZ / HEAP_ROW_SIZE;

	enough = Max(1, Min(enough, UNIT_ROWS));
	memset(terms, 0, sizeof(Terms));
	terms->time_min = spec->time_min;
	terms->time_max = spec->time_max;
	terms->classes = !is_apart(scan) && logs_matter(scan) ? scan->table->shards : 1;
	terms->max_pieces = MAX_PIECES;
	terms->piece_rows = enough * terms->classes;
	terms->block_rows = Max(1, enough / BLOCK_PART);
	terms->listed = spec->series != NULL;
	if (terms->listed)
	{
		uint32 count = ts_series_count(scan->rel, scan->table);

		terms->max_pieces = power_of_two_below(spec->nseries, MAX_PIECES);
		terms->piece_rows *= Max(1, count / spec->nseries);
		for (uint64 i = 0; i < MAX_PIECES; i++)
			terms->bounds[i] = spec->series[i * spec->nseries / MAX_PIECES];
	}
	/* What is counted by whole blocks is not cut. */
	if (spec->count_only && !scan->table->replace)
		terms->max_pieces = 1;
}

void
ts_scan_join(TsScan *scan)
{
	TsScanShare *share = scan->spec.share;
	MemoryContext old = MemoryContextSwitchTo(scan->run);
	ScanDivision *division = palloc0(sizeof(ScanDivision));
	Terms mine;

	if (scan->nown > 0)
		elog(ERROR, "rows of this transaction are in no log in a scan that is divided");
	propose(scan, &mine);
	SpinLockAcquire(&share->mutex);
	if (!share->agreed)
	{
		share->terms = mine;
		share->agreed = true;
	}
	division->terms = share->terms;
	SpinLockRelease(&share->mutex);

	Assert(division->terms.classes <= share->nclaimed);
	scan->spec.time_min = division->terms.time_min;
	scan->spec.time_max = division->terms.time_max;
	scan->division = division;
	MemoryContextSwitchTo(old);
}

/* ---- from a number to a unit ---- */

/* The series of a group's blocks. */
static void
find_series(const TsScan *scan, const ScanGroup *group, uint32 *min, uint32 *max)
{
	*min = PG_UINT32_MAX;
	*max = 0;
	for (int i = group->first; i < group->first + group->count; i++)
	{
		*min = Min(*min, scan->chosen[i]->series_min);
		*max = Max(*max, scan->chosen[i]->series_max);
	}
}

/* Into how many ranges of series a group is cut. No more than there are series. */
static uint32
pieces_of(const TsScan *scan, const ScanGroup *group)
{
	const Terms *terms = &scan->division->terms;
	uint64 rows = 0;
	uint64 most;
	uint32 min;
	uint32 max;

	if (group->count == 0)
		return 1;
	for (int i = group->first; i < group->first + group->count; i++)
		rows += scan->chosen[i]->rows;
	find_series(scan, group, &min, &max);
	most = Min(rows / terms->piece_rows, rows / terms->block_rows / group->count);
	return power_of_two_below(Min(most, (uint64) max - min + 1), terms->max_pieces);
}

void
ts_scan_divide(TsScan *scan)
{
	ScanDivision *division = scan->division;

	division->apart = is_apart(scan);
	division->class = -1;
	division->first = division->apart && scan->visible ? scan->table->shards : 0;
	division->units = division->first;
	division->group_end = MemoryContextAlloc(scan->run, sizeof(uint32) * scan->ngroups);
	for (int i = 0; i < scan->ngroups; i++)
	{
		division->units += pieces_of(scan, &scan->groups[i]);
		division->group_end[i] = division->units;
	}
	division->whole.time_min = scan->spec.time_min;
	division->whole.time_max = scan->spec.time_max;
	scan->one_rank = division->apart;
}

/* Where the given piece of a group begins, the first one set apart. */
static uint32
piece_begin(const TsScan *scan, const ScanGroup *group, uint32 piece, uint32 pieces)
{
	const Terms *terms = &scan->division->terms;
	uint32 min;
	uint32 max;

	if (terms->listed)
		return terms->bounds[piece * (MAX_PIECES / pieces)];
	find_series(scan, group, &min, &max);
	return min + (uint32) (((uint64) max - min + 1) * piece / pieces);
}

/* The rows of a shard's log, whatever their group. */
static void
set_log_unit(TsScan *scan, int shard)
{
	ScanUnit *unit = &scan->unit;

	unit->shard = shard;
	unit->series_min = 0;
	unit->series_max = PG_UINT32_MAX;
	unit->blocks = false;
	unit->log = true;
	scan->group = &scan->division->whole;
	scan->next_group = 1;
	ts_scan_load_log(scan);
}

static void
set_group_unit(TsScan *scan, uint32 number)
{
	ScanDivision *division = scan->division;
	ScanUnit *unit = &scan->unit;
	ScanGroup *group;
	uint32 begin;
	uint32 pieces;
	uint32 piece;
	int low = 0;
	int high = scan->ngroups - 1;

	while (low < high)
	{
		int mid = low + (high - low) / 2;

		if (division->group_end[mid] <= number)
			low = mid + 1;
		else
			high = mid;
	}
	group = &scan->groups[low];
	begin = low > 0 ? division->group_end[low - 1] : division->first;
	pieces = division->group_end[low] - begin;
	piece = number - begin;

	unit->shard = division->terms.classes > 1 ? division->class : -1;
	unit->series_min = piece == 0 ? 0 : piece_begin(scan, group, piece, pieces);
	unit->series_max = piece + 1 == pieces
						   ? PG_UINT32_MAX
						   : piece_begin(scan, group, piece + 1, pieces) - 1;
	unit->blocks = true;
	unit->log = !division->apart;
	scan->group = group;
	scan->next_group = low + 1;
	if (division->apart)
		ts_scan_free_log(scan);
	else if (!division->loaded)
	{
		ts_scan_load_log(scan);
		division->loaded = true;
	}
}

/* ---- claiming ---- */

/* Goes to the class that most is left of; false when all was claimed. */
static bool
choose_class(ScanDivision *division, TsScanShare *share)
{
	uint32 least = division->units;

	division->loaded = false;
	for (int i = 0; i < division->terms.classes; i++)
	{
		uint32 claimed = pg_atomic_read_u32(&share->claimed[i]);

		if (claimed < least)
		{
			least = claimed;
			division->class = i;
		}
	}
	return least < division->units;
}

bool
ts_scan_claim(TsScan *scan)
{
	ScanDivision *division = scan->division;
	TsScanShare *share = scan->spec.share;

	for (;;)
	{
		if (division->class >= 0)
		{
			uint32 number = pg_atomic_fetch_add_u32(&share->claimed[division->class], 1);

			if (number < division->units)
			{
				if (number < division->first)
					set_log_unit(scan, (int) number);
				else
					set_group_unit(scan, number);
				return true;
			}
		}
		if (!choose_class(division, share))
			return false;
	}
}
