/*
 * pages_internal.h
 *	  What the files of the pages module share with each other only.
 *
 * pages_edit.c		stamps, edits, copies of pages, errors about pages
 * pages_delta.c	edited pages into buffers and WAL
 * pages_meta.c		the metapage
 * pages_directory.c	the directory and the streams
 * pages_block.c	bytes of sealed blocks
 * pages_space.c	free space: reserving, extending, rebuilding the list
 * space_shared.c	the shared memory of that: free lists and reservations
 */
#ifndef PAGES_INTERNAL_H
#define PAGES_INTERNAL_H

#include "postgres.h"

#include "ts_pages.h"
#include "ts_shared.h"

#include "pages_format.h"

/* ---- pages_edit.c ---- */

/* Whose page one is: what a stamp says. */
typedef struct TsOwner
{
	uint64 storage;
	uint64 owner;
	uint32 part;
	uint16 type;
} TsOwner;

extern bool ts_stamp_matches(Page page, const TsOwner *owner);
/* Makes an empty page with a stamp. */
extern void ts_stamp_page(Page page, const TsOwner *owner);

/* ts_edit_*() and ts_pages_copy() for pages of any type. */
extern TsEdit *ts_edit_start_storage(Relation rel, uint64 storage);
extern Page
ts_edit_lock_owner(TsEdit *edit, Buffer buffer, const TsOwner *owner, bool fresh);
extern bool
ts_pages_copy_owner(Relation rel, BlockNumber block, const TsOwner *owner,
					BufferAccessStrategy strategy, Page page, bool missing_ok);
/* A pin on a page that is about to be taken over: its content is not read. */
extern Buffer ts_pages_pin_fresh(Relation rel, BlockNumber block);
extern void ts_page_unexpected(Relation rel, BlockNumber block, const TsOwner *expected,
							   Page found) pg_attribute_noreturn();
extern void ts_page_damaged(Relation rel, BlockNumber block, const char *what)
	pg_attribute_noreturn();

/* ---- pages_delta.c ---- */

/*
 * A page of an edit, of which the buffer is locked: either what it is to be as a whole, or
 * bytes to be added to its content.
 */
typedef struct TsEditPage
{
	Buffer buffer;
	Page page;  /* NULL: bytes are added */
	bool fresh; /* the buffer's content does not matter */
	const char *bytes;
	uint32 length;
} TsEditPage;

/* Puts pages into their buffers and logs that, in one record. */
extern void ts_pages_write_edit(Relation rel, const TsEditPage *pages, int count);

/* ---- pages_meta.c ---- */

/* Locks the metapage in an edit; the content may be changed. */
extern TsMetaContent *
ts_meta_edit(TsEdit *edit, Relation rel, Buffer buffer, uint64 storage);
/* Copies the metapage's content, checked, into `page` (a page). */
extern TsMetaContent *ts_meta_copy(Relation rel, uint64 storage, Page page);
/* What is on the metapage now. */
extern uint64 ts_meta_directory_version(Relation rel, uint64 storage);

/* ---- pages_directory.c ---- */

/* A consistent copy of all of the directory, free entries included. */
typedef struct TsDirectoryCopy
{
	uint32 npages;
	BlockNumber *blocks;       /* of the pages */
	uint32 *starts;            /* index of a page's first entry; npages + 1 of them */
	TsDirectoryEntry *entries; /* starts[npages] of them */
} TsDirectoryCopy;

extern TsDirectoryCopy *ts_directory_load(Relation rel, uint64 storage);
extern void ts_directory_free(TsDirectoryCopy *copy);

/* ---- pages_space.c ---- */

/*
 * At least `least` and at most `most` contiguous pages, from the free list or by
 * extending the file. The caller holds the relation extension lock, and keeps it until
 * the pages are in the directory or reserved.
 */
extern TsExtent
ts_space_obtain(Relation rel, const TsTable *table, uint32 least, uint32 most);

/* ---- space_shared.c ---- */

/* Extents that a free list holds at most. */
#define TS_FREE_LIST_EXTENTS 128

extern bool
ts_free_list_take(const TsSlotKey *key, uint32 least, uint32 most, TsExtent *extent);
extern uint64 ts_free_list_pages(const TsSlotKey *key);
/*
 * Takes the list away, so that nothing can be taken from it until it is put back; its
 * extents go to `extents`. Returns the token with which to put one back, which works only
 * if no other detached it meanwhile.
 */
extern uint64 ts_free_list_detach(const TsSlotKey *key, TsExtent *extents, int *count);
extern void ts_free_list_attach(const TsSlotKey *key, uint64 token,
								const TsExtent *extents, int count);

/* Reserves pages until the top transaction ends. */
extern void ts_space_reserve(uint64 storage, BlockNumber first, uint32 count);
/* All that is reserved of a storage now, palloc'd. */
extern TsExtent *ts_space_reserved(uint64 storage, int *count);

#endif /* PAGES_INTERNAL_H */
