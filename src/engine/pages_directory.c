/*
 * pages_directory.c
 *	  The directory of a storage: which blocks of the file hold which ordinals of which
 *	  stream.
 *
 * What always holds:
 * - Every change of a directory page is in one WAL record with a change of the metapage's
 *   directory version, and redo keeps all pages of a record locked until it is through.
 *   So whoever sees the same version before and after reading the pages has a consistent
 *   copy, also on a standby.
 * - Changes are made under the relation extension lock, one at a time.
 * - Runs of a stream do not overlap, and lie behind each other without gaps, but for the
 *   front, where a cut may have been interrupted.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/rel.h"

#include "pages_internal.h"
#include "ts_stop.h"

#define MAX_RUN_PAGES 128

static TsOwner
directory_owner(uint64 storage, uint32 index)
{
	return (TsOwner){
		.storage = storage, .owner = index, .part = 0, .type = TS_PAGE_DIRECTORY};
}

/* ---- reading ---- */

/* Entries of a directory page, checked. */
static uint32
check_page(Relation rel, BlockNumber block, Page page)
{
	const TsDirectoryEntry *entries = (const TsDirectoryEntry *) TsPageData(page);
	uint32 count = TsPageLength(page) / sizeof(TsDirectoryEntry);

	if (TsPageLength(page) % sizeof(TsDirectoryEntry) != 0)
		ts_page_damaged(rel, block, "the directory ends inside an entry");
	for (uint32 i = 0; i < count; i++)
	{
		const TsDirectoryEntry *entry = &entries[i];

		if (entry->count == 0)
			continue;
		if (entry->block == TS_META_BLOCK ||
			entry->count > InvalidBlockNumber - entry->block ||
			entry->count > PG_UINT64_MAX - entry->first)
			ts_page_damaged(rel, block, "a directory entry is out of range");
	}
	return count;
}

/* Reads all pages once; false when the directory changed meanwhile. */
static bool
try_load(Relation rel, uint64 storage, TsDirectoryCopy *copy)
{
	PGAlignedBlock page;
	TsMetaContent *meta = ts_meta_copy(rel, storage, page.data);
	uint64 version = meta->directory_version;

	copy->npages = meta->directory_count;
	copy->blocks = palloc(sizeof(BlockNumber) * Max(copy->npages, 1));
	copy->starts = palloc(sizeof(uint32) * (copy->npages + 1));
	copy->entries = palloc(sizeof(TsDirectoryEntry) * TS_DIRECTORY_ENTRIES *
						   Max(copy->npages, 1));
	memcpy(copy->blocks, meta->directory, sizeof(BlockNumber) * copy->npages);

	copy->starts[0] = 0;
	for (uint32 i = 0; i < copy->npages; i++)
	{
		TsOwner owner = directory_owner(storage, i);
		uint32 count;

		ts_pages_copy_owner(rel, copy->blocks[i], &owner, NULL, page.data, false);
		count = check_page(rel, copy->blocks[i], page.data);
		memcpy(copy->entries + copy->starts[i], TsPageData(page.data),
			   sizeof(TsDirectoryEntry) * count);
		copy->starts[i + 1] = copy->starts[i] + count;
	}
	return ts_meta_directory_version(rel, storage) == version;
}

TsDirectoryCopy *
ts_directory_load(Relation rel, uint64 storage)
{
	for (;;)
	{
		TsDirectoryCopy *copy = palloc(sizeof(TsDirectoryCopy));

		if (try_load(rel, storage, copy))
			return copy;
		ts_directory_free(copy);
		CHECK_FOR_INTERRUPTS();
	}
}

void
ts_directory_free(TsDirectoryCopy *copy)
{
	pfree(copy->blocks);
	pfree(copy->starts);
	pfree(copy->entries);
	pfree(copy);
}

static int
compare_runs(const void *a, const void *b)
{
	uint64 first_a = ((const TsRun *) a)->first;
	uint64 first_b = ((const TsRun *) b)->first;

	return (first_a > first_b) - (first_a < first_b);
}

/* A stream's runs, ascending. */
static TsDirectory *
stream_runs(Relation rel, const TsDirectoryCopy *copy, TsStream stream)
{
	uint32 total = copy->starts[copy->npages];
	uint32 count = 0;
	TsDirectory *dir;

	for (uint32 i = 0; i < total; i++)
		count += copy->entries[i].stream == stream && copy->entries[i].count != 0;

	dir = palloc(offsetof(TsDirectory, runs) + sizeof(TsRun) * count);
	dir->nruns = 0;
	for (uint32 i = 0; i < total; i++)
	{
		const TsDirectoryEntry *entry = &copy->entries[i];

		if (entry->stream == stream && entry->count != 0)
			dir->runs[dir->nruns++] = (TsRun){
				.first = entry->first, .block = entry->block, .count = entry->count};
	}
	Assert(dir->nruns == (int) count);
	qsort(dir->runs, dir->nruns, sizeof(TsRun), compare_runs);

	for (int i = 1; i < dir->nruns; i++)
	{
		if (dir->runs[i - 1].first + dir->runs[i - 1].count > dir->runs[i].first)
			ts_page_damaged(rel, copy->blocks[0], "directory entries overlap");
	}
	return dir;
}

TsDirectory *
ts_pages_directory(Relation rel, const TsTable *table, TsStream stream)
{
	TsDirectoryCopy *copy = ts_directory_load(rel, table->storage);
	TsDirectory *dir = stream_runs(rel, copy, stream);

	ts_directory_free(copy);
	return dir;
}

uint64
ts_pages_count_streams(Relation rel, const TsTable *table, TsStream limit, uint64 *pages)
{
	TsDirectoryCopy *copy = ts_directory_load(rel, table->storage);
	uint64 others = 0;

	memset(pages, 0, limit * sizeof(uint64));
	for (uint32 i = 0; i < copy->starts[copy->npages]; i++)
	{
		const TsDirectoryEntry *entry = &copy->entries[i];

		if (entry->stream < limit)
			pages[entry->stream] += entry->count;
		else
			others += entry->count;
	}
	ts_directory_free(copy);
	return others;
}

/* The last run that begins at or before an ordinal; -1 when there is none. */
static int
find_run(const TsDirectory *dir, uint64 ordinal)
{
	int low = 0;
	int high = dir->nruns;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (dir->runs[middle].first <= ordinal)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

BlockNumber
ts_directory_find(const TsDirectory *dir, uint64 ordinal)
{
	int i = find_run(dir, ordinal);

	if (i < 0 || ordinal - dir->runs[i].first >= dir->runs[i].count)
		return InvalidBlockNumber;
	return dir->runs[i].block + (BlockNumber) (ordinal - dir->runs[i].first);
}

uint64
ts_directory_end(const TsDirectory *dir)
{
	if (dir->nruns == 0)
		return 0;
	return dir->runs[dir->nruns - 1].first + dir->runs[dir->nruns - 1].count;
}

/* The first ordinal from `from` on that no run maps. */
static uint64
mapped_until(const TsDirectory *dir, uint64 from)
{
	uint64 end = from;

	for (int i = Max(find_run(dir, from), 0); i < dir->nruns; i++)
	{
		const TsRun *run = &dir->runs[i];

		if (run->first > end)
			break;
		end = Max(end, run->first + run->count);
	}
	return end;
}

uint64
ts_pages_stream_end(Relation rel, const TsTable *table, TsStream stream,
					const TsDirectory *dir, uint64 from)
{
	PGAlignedBlock page;
	uint64 low = from;
	uint64 high = mapped_until(dir, from);

	/* Pages below low are the stream's own, those from high on are not. */
	while (low < high)
	{
		uint64 middle = low + (high - low) / 2;

		if (ts_pages_copy(rel, table, ts_directory_find(dir, middle), stream, middle,
						  page.data, true))
			low = middle + 1;
		else
			high = middle;
		CHECK_FOR_INTERRUPTS();
	}
	return low - from;
}

/* ---- adding runs ---- */

/* Where an entry is to be written. */
typedef struct EntryPlace
{
	uint32 page;  /* index of the directory page; npages: a new one */
	uint32 index; /* in the page */
} EntryPlace;

static EntryPlace
find_place(const TsDirectoryCopy *copy)
{
	for (uint32 page = 0; page < copy->npages; page++)
	{
		uint32 count = copy->starts[page + 1] - copy->starts[page];
		const TsDirectoryEntry *entries = copy->entries + copy->starts[page];

		for (uint32 i = 0; i < count; i++)
		{
			if (entries[i].count == 0)
				return (EntryPlace){page, i};
		}
		if (count < TS_DIRECTORY_ENTRIES)
			return (EntryPlace){page, count};
	}
	return (EntryPlace){copy->npages, 0};
}

/*
 * Writes an entry, the metapage's new version, and the mark on the run's last page, in
 * one record. new_page: the block of a directory page to be made.
 */
static void
write_entry(Relation rel, uint64 storage, const TsDirectoryCopy *copy, EntryPlace place,
			BlockNumber new_page, const TsDirectoryEntry *entry)
{
	bool fresh = place.page == copy->npages;
	TsOwner page_owner = directory_owner(storage, place.page);
	TsOwner last_owner = {.storage = storage,
						  .owner = entry->first + entry->count - 1,
						  .part = entry->stream,
						  .type = TS_PAGE_UNWRITTEN};
	Buffer meta_buffer = ts_pages_pin(rel, TS_META_BLOCK);
	Buffer page_buffer = fresh ? ts_pages_pin_fresh(rel, new_page)
							   : ts_pages_pin(rel, copy->blocks[place.page]);
	Buffer last_buffer = ts_pages_pin_fresh(rel, entry->block + entry->count - 1);
	TsEdit *edit = ts_edit_start_storage(rel, storage);
	Page meta_page;
	TsMetaContent *meta = ts_meta_edit(edit, rel, meta_buffer, storage);
	Page page = ts_edit_lock_owner(edit, page_buffer, &page_owner, fresh);
	Size end = (place.index + 1) * sizeof(TsDirectoryEntry);

	ts_edit_lock_owner(edit, last_buffer, &last_owner, true);
	meta->directory_version++;
	if (fresh)
	{
		Assert(meta->directory_count == place.page);
		meta->directory[meta->directory_count++] = new_page;
		meta_page = (Page) ((char *) meta - MAXALIGN(SizeOfPageHeaderData));
		TsPageSetLength(meta_page, TS_META_LENGTH(meta->directory_count));
	}
	((TsDirectoryEntry *) TsPageData(page))[place.index] = *entry;
	if (TsPageLength(page) < end)
		TsPageSetLength(page, end);
	ts_edit_finish(edit);

	ReleaseBuffer(meta_buffer);
	ReleaseBuffer(page_buffer);
	ReleaseBuffer(last_buffer);
}

/* Adds one run of up to `pages` pages at ordinal `first`. */
static void
add_run(Relation rel, const TsTable *table, const TsDirectoryCopy *copy, TsStream stream,
		uint64 first, uint32 pages)
{
	EntryPlace place = find_place(copy);
	BlockNumber new_page = InvalidBlockNumber;
	TsDirectoryEntry entry;
	TsExtent extent;

	if (place.page == copy->npages)
	{
		if (copy->npages == TS_MAX_DIRECTORY_PAGES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("log of relation \"%s\" cannot grow any more",
							RelationGetRelationName(rel)),
					 errhint("Run SELECT mytsdb.seal('%s'), and end old transactions "
							 "that keep the log.",
							 RelationGetRelationName(rel))));
		new_page = ts_space_obtain(rel, table, 1, 1).first;
	}

	/* A smaller piece of free space does, but not crumbs. */
	extent = ts_space_obtain(rel, table, Max(1, pages / 4), pages);
	entry = (TsDirectoryEntry){
		.first = first, .stream = stream, .block = extent.first, .count = extent.count};
	write_entry(rel, table->storage, copy, place, new_page, &entry);
	TS_STOP_LOCKED("extend-after-directory");
}

uint64
ts_pages_extend_stream(Relation rel, const TsTable *table, TsStream stream, uint64 from,
					   uint64 upto)
{
	uint64 end;

	LockRelationForExtension(rel, ExclusiveLock);
	for (;;)
	{
		TsDirectoryCopy *copy = ts_directory_load(rel, table->storage);
		TsDirectory *dir = stream_runs(rel, copy, stream);
		uint32 pages = 1;

		end = from;
		if (dir->nruns > 0)
		{
			end = ts_directory_end(dir);
			pages = Min(2 * dir->runs[dir->nruns - 1].count, MAX_RUN_PAGES);
		}
		if (end < upto)
			add_run(rel, table, copy, stream, end, pages);
		pfree(dir);
		ts_directory_free(copy);
		if (end >= upto)
			break;
		CHECK_FOR_INTERRUPTS();
	}
	UnlockRelationForExtension(rel, ExclusiveLock);
	return end;
}

/* ---- removing runs ---- */

static bool
is_cut(const TsDirectoryEntry *entry, TsStream stream, uint64 before)
{
	return entry->count != 0 && entry->stream == stream &&
		   entry->first + entry->count <= before;
}

/* Clears the entries of one directory page; returns how many pages they had. */
static uint64
cut_page(Relation rel, uint64 storage, BlockNumber block, uint32 index, TsStream stream,
		 uint64 before)
{
	TsOwner owner = directory_owner(storage, index);
	Buffer meta_buffer = ts_pages_pin(rel, TS_META_BLOCK);
	Buffer page_buffer = ts_pages_pin(rel, block);
	TsEdit *edit = ts_edit_start_storage(rel, storage);
	TsMetaContent *meta = ts_meta_edit(edit, rel, meta_buffer, storage);
	Page page = ts_edit_lock_owner(edit, page_buffer, &owner, false);
	TsDirectoryEntry *entries = (TsDirectoryEntry *) TsPageData(page);
	uint32 count = check_page(rel, block, page);
	uint64 cut = 0;

	for (uint32 i = 0; i < count; i++)
	{
		if (is_cut(&entries[i], stream, before))
		{
			cut += entries[i].count;
			memset(&entries[i], 0, sizeof(TsDirectoryEntry));
		}
	}
	meta->directory_version++;
	ts_edit_finish(edit);
	ReleaseBuffer(meta_buffer);
	ReleaseBuffer(page_buffer);
	return cut;
}

uint64
ts_pages_cut_stream(Relation rel, const TsTable *table, TsStream stream, uint64 before)
{
	TsDirectoryCopy *copy;
	uint64 cut = 0;

	LockRelationForExtension(rel, ExclusiveLock);
	copy = ts_directory_load(rel, table->storage);
	for (uint32 page = 0; page < copy->npages; page++)
	{
		for (uint32 i = copy->starts[page]; i < copy->starts[page + 1]; i++)
		{
			if (is_cut(&copy->entries[i], stream, before))
			{
				cut += cut_page(rel, table->storage, copy->blocks[page], page, stream,
								before);
				TS_STOP_LOCKED("cut-in-part");
				break;
			}
		}
	}
	UnlockRelationForExtension(rel, ExclusiveLock);
	ts_directory_free(copy);
	return cut;
}
