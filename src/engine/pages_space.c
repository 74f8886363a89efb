/*
 * pages_space.c
 *	  Free space: getting pages, and finding out which are free.
 *
 * What always holds: pages get an owner (a directory entry or a reservation) under the
 * same hold of the relation extension lock under which they were taken from the free list
 * or the file was extended.
 *
 * Rebuilding the list cannot hold that lock throughout, since catalogs must be read. It
 * first detaches the list, under the lock: from then on pages come only from behind the
 * end of the file as it was then. Whatever of the pages before that end is not free has
 * an owner by now, and is found in the reservations, the directory or the catalogs, read
 * in this order: a reservation ends after the catalog's row is there. At last the new
 * list is attached, unless somebody else began to rebuild it later; should anything fail
 * in between the old one is, which is as true as it was.
 *
 * Pages that were taken and got no owner, because of an error, are lost until then.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "pages_internal.h"
#include "ts_stop.h"

/* ---- getting pages ---- */

/* Extends the file by `count` pages of zeros. */
static BlockNumber
extend_file(Relation rel, uint32 count)
{
	static PGAlignedBlock zeros; /* never written */
	BlockNumber first = RelationGetNumberOfBlocks(rel);

	if (count > MaxBlockNumber - first)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("relation \"%s\" cannot be extended beyond %u pages",
							   RelationGetRelationName(rel), MaxBlockNumber),
						errhint("Partition the table.")));
	for (uint32 i = 0; i < count; i++)
	{
		if (i % 256 == 0)
			CHECK_FOR_INTERRUPTS();
		smgrextend(RelationGetSmgr(rel), MAIN_FORKNUM, first + i, zeros.data, false);
	}
	return first;
}

TsExtent
ts_space_obtain(Relation rel, const TsTable *table, uint32 least, uint32 most)
{
	TsSlotKey key;
	TsExtent extent;

	Assert(least >= 1 && least <= most);
	ts_slot_key(&key, table, TS_STREAM_STORAGE);
	if (ts_free_list_take(&key, least, most, &extent))
	{
		/* The list is ours alone to check: a page past the end would be lost data. */
		if (extent.first == TS_META_BLOCK ||
			extent.first + extent.count > RelationGetNumberOfBlocks(rel))
			elog(ERROR, "free list of relation \"%s\" is wrong",
				 RelationGetRelationName(rel));
		return extent;
	}
	extent.first = extend_file(rel, most);
	TS_STOP_LOCKED("extend-after-file");
	extent.count = most;
	return extent;
}

BlockNumber
ts_pages_reserve(Relation rel, const TsTable *table, uint32 count)
{
	TsExtent extent;

	Assert(count >= 1);
	LockRelationForExtension(rel, ExclusiveLock);
	extent = ts_space_obtain(rel, table, count, count);
	ts_space_reserve(table->storage, extent.first, extent.count);
	UnlockRelationForExtension(rel, ExclusiveLock);
	return extent.first;
}

/* ---- finding free pages ---- */

typedef struct ExtentList
{
	TsExtent *items;
	Size count;
	Size room;
} ExtentList;

static void
add_extent(ExtentList *list, BlockNumber first, uint32 count)
{
	if (list->count == list->room)
	{
		list->room = list->room == 0 ? 256 : list->room * 2;
		if (list->items == NULL)
			list->items = palloc(sizeof(TsExtent) * list->room);
		else
			list->items = repalloc_huge(list->items, sizeof(TsExtent) * list->room);
	}
	list->items[list->count++] = (TsExtent){first, count};
}

static int
compare_first(const void *a, const void *b)
{
	BlockNumber first_a = ((const TsExtent *) a)->first;
	BlockNumber first_b = ((const TsExtent *) b)->first;

	return (first_a > first_b) - (first_a < first_b);
}

/* Longer extents first. */
static int
compare_length(const void *a, const void *b)
{
	uint32 count_a = ((const TsExtent *) a)->count;
	uint32 count_b = ((const TsExtent *) b)->count;

	return (count_a < count_b) - (count_a > count_b);
}

static void
add_directory(ExtentList *kept, Relation rel, uint64 storage)
{
	TsDirectoryCopy *copy = ts_directory_load(rel, storage);

	for (uint32 i = 0; i < copy->npages; i++)
		add_extent(kept, copy->blocks[i], 1);
	for (uint32 i = 0; i < copy->starts[copy->npages]; i++)
	{
		if (copy->entries[i].count != 0)
			add_extent(kept, copy->entries[i].block, copy->entries[i].count);
	}
	ts_directory_free(copy);
}

/* The gaps between kept extents (which may overlap), up to the end of the file. */
static uint64
find_gaps(ExtentList *kept, BlockNumber end, ExtentList *gaps)
{
	uint64 total = 0;
	uint64 next = 0; /* pages below are dealt with */

	add_extent(kept, end, 1);
	qsort(kept->items, kept->count, sizeof(TsExtent), compare_first);
	for (Size i = 0; i < kept->count; i++)
	{
		const TsExtent *extent = &kept->items[i];
		BlockNumber first = Min(extent->first, end);

		if (first > next)
		{
			add_extent(gaps, (BlockNumber) next, first - (BlockNumber) next);
			total += first - next;
		}
		next = Max(next, (uint64) extent->first + extent->count);
	}
	return total;
}

/* What is free below `end`; called when the list is detached. */
static uint64
find_free(Relation rel, const TsTable *table, BlockNumber end, TsExtent *reserved,
		  int nreserved, TsKeptExtents kept, void *arg, ExtentList *gaps)
{
	ExtentList all = {0};
	TsExtent *extents;
	int count = 0;

	add_extent(&all, TS_META_BLOCK, 1);
	for (int i = 0; i < nreserved; i++)
		add_extent(&all, reserved[i].first, reserved[i].count);
	add_directory(&all, rel, table->storage);
	extents = kept(arg, &count);
	for (int i = 0; i < count; i++)
		add_extent(&all, extents[i].first, extents[i].count);
	return find_gaps(&all, end, gaps);
}

/* The longest gaps, in the order of the file. */
static int
choose_gaps(ExtentList *gaps)
{
	int count = (int) Min(gaps->count, TS_FREE_LIST_EXTENTS);

	if (gaps->count > TS_FREE_LIST_EXTENTS)
	{
		qsort(gaps->items, gaps->count, sizeof(TsExtent), compare_length);
		qsort(gaps->items, count, sizeof(TsExtent), compare_first);
	}
	return count;
}

uint64
ts_pages_rebuild_free(Relation rel, const TsTable *table, TsKeptExtents kept, void *arg)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb free space", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	TsExtent old[TS_FREE_LIST_EXTENTS];
	int nold;
	TsExtent *reserved;
	int nreserved;
	BlockNumber end;
	uint64 token;
	uint64 total = 0;
	TsSlotKey key;

	ts_slot_key(&key, table, TS_STREAM_STORAGE);
	LockRelationForExtension(rel, ExclusiveLock);
	token = ts_free_list_detach(&key, old, &nold);
	PG_TRY();
	{
		ExtentList gaps = {0};

		end = RelationGetNumberOfBlocks(rel);
		reserved = ts_space_reserved(table->storage, &nreserved);
		UnlockRelationForExtension(rel, ExclusiveLock);
		TS_STOP("free-detached");

		total = find_free(rel, table, end, reserved, nreserved, kept, arg, &gaps);
		ts_free_list_attach(&key, token, gaps.items, choose_gaps(&gaps));
	}
	PG_CATCH();
	{
		ts_free_list_attach(&key, token, old, nold);
		PG_RE_THROW();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return total;
}

uint64
ts_pages_free_count(const TsTable *table)
{
	TsSlotKey key;

	ts_slot_key(&key, table, TS_STREAM_STORAGE);
	return ts_free_list_pages(&key);
}
