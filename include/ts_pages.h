/*
 * ts_pages.h
 *	  The one module that knows pages, buffers and WAL.
 *
 * A storage is the main fork of a relation: a metapage (block 0), directory pages, pages
 * of streams, pages of sealed blocks. src/engine/pages_format.h specifies the bytes.
 *
 * A **stream** is an append-only sequence of pages with 64-bit ordinals, from 0 on, never
 * reused: the log of a shard, the dictionary, its hash index. The directory maps runs of
 * ordinals to blocks of the file. A **sealed block** (TsBlockPages) is a contiguous run
 * of pages, written once.
 *
 * What always holds:
 * - Every page but an all-zero one carries an owner stamp: storage, page type, and whose
 *   page it is (stream and ordinal, or block id and index). Whoever reads a page says
 *   which stamp he expects.
 * - Every change goes through generic WAL or full page images, so that redo needs no
 *   library; relations that need no WAL (wal_level = minimal) get none.
 * - The content of a page is what is between the page header and pd_lower; its room is
 *   TS_PAGE_ROOM. pd_upper is the start of the stamp.
 * - A page of a stream once stamped holds a prefix of the stream: the stream ends at the
 *   first page, in ordinal order, whose stamp is not its own.
 *
 * A stamp that is not the expected one raises 40001 on a standby (redo may reuse pages
 * that a snapshot there still wants), and data corruption on a primary.
 */
#ifndef TS_PAGES_H
#define TS_PAGES_H

#include "postgres.h"

#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/relcache.h"

#include "ts_table.h"

typedef enum TsPageType
{
	TS_PAGE_META = 1,
	TS_PAGE_DIRECTORY = 2,
	TS_PAGE_STREAM = 3,
	TS_PAGE_BLOCK = 4
} TsPageType;

#define TS_STAMP_SIZE 40
#define TS_PAGE_ROOM  (BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - TS_STAMP_SIZE)

/* Content of a page, and how much of it there is. */
#define TsPageData(page) ((char *) PageGetContents(page))
#define TsPageLength(page) \
	((uint32) (((PageHeader) (page))->pd_lower - MAXALIGN(SizeOfPageHeaderData)))
#define TsPageSetLength(page, len)                                                       \
	(((PageHeader) (page))->pd_lower = (LocationIndex) (MAXALIGN(SizeOfPageHeaderData) + \
														(len)))

/* Streams of a storage: below these are the shards' logs, see ts_log.h. */
typedef uint32 TsStream;
#define TS_STREAM_DICTIONARY 0x10000
#define TS_STREAM_HASH       0x10001 /* buckets of the dictionary's hash index */
#define TS_STREAM_LOCATOR    0x10002 /* where in the dictionary an id is */

/* ---- the metapage ---- */

typedef struct TsMeta
{
	uint64 storage;
	TransactionId writer;
	int shards;
	uint64 number_bound; /* all numbers given out so far are below */
} TsMeta;

/*
 * Writes the metapage of a new storage into a file that has just been made and is empty;
 * returns its storage id. Not through a Relation, since the relation of a TRUNCATE still
 * knows the old file.
 */
extern uint64 ts_pages_create(const RelFileNode *node, int shards);
/* Makes the file one of an empty storage again, with a new id, which it returns. For
 * storages that this subtransaction made only. */
extern uint64 ts_pages_recreate(Relation rel, int shards);
extern void ts_pages_read_meta(Relation rel, TsMeta *meta);
/* For a file that has no relation (yet, or any more); false when it is not ours. */
extern bool ts_pages_probe(const RelFileNode *node, TsMeta *meta);
extern void ts_pages_set_writer(Relation rel, TransactionId writer);

/*
 * The next `count` (at least 1) numbers of the storage's one ascending sequence; returns
 * the first. It orders appends, and names sealed blocks. The metapage's bound is raised,
 * a million at a time, before numbers beyond it are used.
 */
extern uint64 ts_pages_take_numbers(Relation rel, const TsTable *table, uint32 count);

/* ---- streams and their directory ---- */

typedef struct TsRun
{
	uint64 first; /* ordinal */
	BlockNumber block;
	uint32 count;
} TsRun;

/* A consistent copy of what the directory says of a stream, ascending. */
typedef struct TsDirectory
{
	int nruns;
	TsRun runs[FLEXIBLE_ARRAY_MEMBER];
} TsDirectory;

extern TsDirectory *
ts_pages_directory(Relation rel, const TsTable *table, TsStream stream);
/*
 * How many pages the directory gives to each stream below `limit`, into pages[limit];
 * returns how many it gives to all others.
 */
extern uint64
ts_pages_count_streams(Relation rel, const TsTable *table, TsStream limit, uint64 *pages);
/* The block that holds an ordinal; InvalidBlockNumber when none does. */
extern BlockNumber ts_directory_find(const TsDirectory *dir, uint64 ordinal);
/* The first ordinal beyond the last run; 0 when there is none. */
extern uint64 ts_directory_end(const TsDirectory *dir);
/*
 * How many pages, counted from ordinal `from` on, are stamped as the stream's own: where
 * the stream ends. Reads pages, by bisection.
 */
extern uint64 ts_pages_stream_end(Relation rel, const TsTable *table, TsStream stream,
								  const TsDirectory *dir, uint64 from);
/*
 * Sees that the directory maps every ordinal below `upto`: adds runs (at least one page,
 * doubling to at most 128) behind the last one, or, when the stream has none, from
 * ordinal `from` on. Takes the relation extension lock: never to be called under an
 * LWLock. Concurrent callers add each run once. Returns the new end of the directory.
 */
extern uint64 ts_pages_extend_stream(Relation rel, const TsTable *table, TsStream stream,
									 uint64 from, uint64 upto);
/* Removes the runs that end at or before an ordinal; returns how many pages went. They
 * are not free before the free list is next rebuilt. */
extern uint64
ts_pages_cut_stream(Relation rel, const TsTable *table, TsStream stream, uint64 before);

/* ---- editing pages ---- */

/*
 * An edit changes up to TS_EDIT_PAGES pages in one WAL record. Buffers are pinned before
 * (I/O happens there, under no lock); ts_edit_lock() locks one and hands out the page to
 * change; finishing writes WAL, marks them dirty, unlocks. Starting an edit allocates;
 * locking and finishing cannot fail but for damage (stamps are checked while locking).
 * Giving up leaves all pages as they were. After an error nothing need be done.
 */
#define TS_EDIT_PAGES 4
typedef struct TsEdit TsEdit;

extern Buffer ts_pages_pin(Relation rel, BlockNumber block);
extern TsEdit *ts_edit_start(Relation rel, const TsTable *table);
/* fresh: the page is taken over, stamped and emptied, whatever it was. */
extern Page
ts_edit_lock(TsEdit *edit, Buffer buffer, TsStream stream, uint64 ordinal, bool fresh);
/*
 * Locks a page of which nothing changes but that bytes are added to its content; they must
 * stay where they are until the edit is finished. `at` is how long the content is; returns
 * false, with the page locked, if it is not, and then the edit must be given up.
 */
extern bool ts_edit_append(TsEdit *edit, Buffer buffer, TsStream stream, uint64 ordinal,
						   uint32 at, const char *bytes, uint32 length);
/* For a page that may have gone to another owner meanwhile: NULL, and not locked, then. */
extern Page
ts_edit_try_lock(TsEdit *edit, Buffer buffer, TsStream stream, uint64 ordinal);
extern void ts_edit_finish(TsEdit *edit); /* pins remain the caller's */
extern void ts_edit_give_up(TsEdit *edit);

/*
 * Copies a stream's page into `page` (BLCKSZ bytes, MAXALIGNed) under a share lock and
 * checks its stamp. Returns false, if `missing_ok`, when the stamp is not the expected
 * one, or the block is past the end of the file; raises an error otherwise.
 */
extern bool ts_pages_copy(Relation rel, const TsTable *table, BlockNumber block,
						  TsStream stream, uint64 ordinal, Page page, bool missing_ok);
extern void ts_pages_prefetch(Relation rel, BlockNumber block);

/*
 * For changes after which all snapshots see what `xid` wrote (freezing), or none does:
 * writes a conflict point into the WAL, at which a standby cancels the queries (or waits
 * for them, by max_standby_streaming_delay) to whose snapshots it is in progress. To be
 * called before the change is logged.
 */
extern void ts_pages_log_conflict(Relation rel, TransactionId xid);

/* ---- sealed blocks ---- */

typedef struct TsBlockPages
{
	uint64 id; /* a number of the storage's sequence */
	BlockNumber first;
	uint32 count;
} TsBlockPages;

/*
 * Finds `count` contiguous pages, from the free list or by extending the file, and
 * reserves them until the top transaction of this backend ends.
 */
extern BlockNumber ts_pages_reserve(Relation rel, const TsTable *table, uint32 count);
/* Reserves pages and writes a block's bytes into them, WAL included. */
extern TsBlockPages
ts_pages_write_block(Relation rel, const TsTable *table, const char *data, Size length);
/* Pages that a block of so many bytes takes. */
#define ts_pages_for(length) ((uint32) (((length) + TS_PAGE_ROOM - 1) / TS_PAGE_ROOM))

/*
 * Reads a block's bytes. The pages' checksums are verified. A reader keeps the page it
 * read last, so that neighbouring small reads cost a copy each.
 */
typedef struct TsBlockBytes TsBlockBytes;
extern TsBlockBytes *
ts_block_bytes_open(Relation rel, const TsTable *table, const TsBlockPages *pages);
extern void ts_block_bytes_read(TsBlockBytes *bytes, Size offset, Size length, char *to);
/* The block's pages that hold these bytes are wanted soon. */
extern void ts_block_bytes_prefetch(TsBlockBytes *bytes, Size offset, Size length);
extern void ts_block_bytes_close(TsBlockBytes *bytes);
/* Says that a block's content makes no sense: relation, block id, page, what. */
extern void ts_block_damaged(TsBlockBytes *bytes, Size offset, const char *what)
	pg_attribute_noreturn();
/* The same for a stream's page. */
extern void ts_stream_damaged(Relation rel, BlockNumber block, const char *what)
	pg_attribute_noreturn();

/* ---- free space ---- */

/* One run of pages that something other than directory and reservations keeps. */
typedef struct TsExtent
{
	BlockNumber first;
	uint32 count;
} TsExtent;

/*
 * Makes the free list of the storage anew: all pages of the file that are not the
 * metapage, not directory pages, not in a run of the directory, not reserved, and in none
 * of the extents `kept()` returns (palloc'd; called after the reservations were read).
 * Returns the number of free pages. The list lives in shared memory, keeps the longest
 * extents when it cannot hold all, and is a cache: forgetting it costs space until it is
 * made again, never a row.
 */
typedef TsExtent *(*TsKeptExtents)(void *arg, int *count);
extern uint64
ts_pages_rebuild_free(Relation rel, const TsTable *table, TsKeptExtents kept, void *arg);
/* Forgets the lists of a database, which moves or goes (ts_shared_forget_database()). */
extern void ts_free_lists_forget(Oid database);
/* Free pages on the list now. */
extern uint64 ts_pages_free_count(const TsTable *table);

#endif /* TS_PAGES_H */
