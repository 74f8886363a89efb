/*
 * pages_edit.c
 *	  Stamps, edits and copies of pages, and the errors about them.
 *
 * An edit is a WAL record with up to TS_EDIT_PAGES pages. Its pages are private copies, or
 * only what is to be added to them, until ts_edit_finish(), which applies them to the
 * buffers and writes WAL in one critical section (pages_delta.c); before that nothing is changed, so an error needs no cleaning up
 * beyond the transaction's own (locks, pins, memory).
 *
 * What always holds: pages are stamped when taken over and checked whenever they are
 * locked or copied; what is between pd_lower and pd_upper is zero, as redo will have it.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "pages_internal.h"

struct TsEdit
{
	uint64 storage;
	Relation rel;
	int count;
	TsEditPage pages[TS_EDIT_PAGES];
	PGAlignedBlock copies[TS_EDIT_PAGES];
};

/* ---- stamps ---- */

bool
ts_stamp_matches(Page page, const TsOwner *owner)
{
	const PageHeaderData *header = (const PageHeaderData *) page;
	const TsStamp *stamp = TsPageStamp(page);

	return header->pd_special == TS_PAGE_SPECIAL && header->pd_upper == TS_PAGE_SPECIAL &&
		   header->pd_lower >= MAXALIGN(SizeOfPageHeaderData) &&
		   header->pd_lower <= TS_PAGE_SPECIAL && stamp->page_id == TS_PAGE_ID &&
		   stamp->version == TS_STAMP_VERSION && stamp->type == owner->type &&
		   stamp->storage == owner->storage && stamp->owner == owner->owner &&
		   stamp->part == owner->part;
}

void
ts_stamp_page(Page page, const TsOwner *owner)
{
	TsStamp *stamp;

	PageInit(page, BLCKSZ, TS_STAMP_SIZE);
	TsPageSetLength(page, 0);
	stamp = TsPageStamp(page);
	stamp->storage = owner->storage;
	stamp->owner = owner->owner;
	stamp->part = owner->part;
	stamp->version = TS_STAMP_VERSION;
	stamp->type = owner->type;
	stamp->page_id = TS_PAGE_ID;
	Assert(ts_stamp_matches(page, owner));
}

/* ---- errors ---- */

static const char *
page_type_name(uint16 type)
{
	switch (type)
	{
		case TS_PAGE_META:
			return "metapage";
		case TS_PAGE_DIRECTORY:
			return "directory page";
		case TS_PAGE_STREAM:
			return "stream page";
		case TS_PAGE_BLOCK:
			return "page of a sealed block";
		case TS_PAGE_UNWRITTEN:
			return "unwritten stream page";
		default:
			return "page of an unknown type";
	}
}

static char *
describe(uint16 type, uint64 storage, uint64 owner, uint32 part)
{
	return psprintf("%s " UINT64_FORMAT "/%u of storage " UINT64_FORMAT,
					page_type_name(type), owner, part, storage);
}

/* found NULL: the page is past the end of the file. */
void
ts_page_unexpected(Relation rel, BlockNumber block, const TsOwner *expected, Page found)
{
	char *wanted = describe(expected->type, expected->storage, expected->owner,
							expected->part);
	const char *got;

	if (found == NULL)
		got = "the end of the file";
	else if (PageIsNew(found))
		got = "an empty page";
	else if (TsPageStamp(found)->page_id != TS_PAGE_ID)
		got = "a page without a stamp";
	else
	{
		const TsStamp *stamp = TsPageStamp(found);

		got = describe(stamp->type, stamp->storage, stamp->owner, stamp->part);
	}

	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("page %u of relation \"%s\" was replaced during recovery",
							   block, RelationGetRelationName(rel)),
						errdetail("Expected %s, found %s.", wanted, got),
						errhint("Try the transaction again.")));
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("page %u of relation \"%s\" is not the expected one", block,
						   RelationGetRelationName(rel)),
					errdetail("Expected %s, found %s.", wanted, got),
					errhint("Restore the table from a backup.")));
}

void
ts_page_damaged(Relation rel, BlockNumber block, const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("page %u of relation \"%s\" is damaged: %s", block,
						   RelationGetRelationName(rel), what),
					errhint("Restore the table from a backup.")));
}

void
ts_stream_damaged(Relation rel, BlockNumber block, const char *what)
{
	ts_page_damaged(rel, block, what);
}

/* ---- edits ---- */

Buffer
ts_pages_pin(Relation rel, BlockNumber block)
{
	return ReadBuffer(rel, block);
}

Buffer
ts_pages_pin_fresh(Relation rel, BlockNumber block)
{
	Buffer buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_ZERO_AND_LOCK, NULL);

	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return buffer;
}

TsEdit *
ts_edit_start_storage(Relation rel, uint64 storage)
{
	TsEdit *edit = palloc(sizeof(TsEdit));

	Assert(!RecoveryInProgress());
	edit->storage = storage;
	edit->rel = rel;
	edit->count = 0;
	return edit;
}

TsEdit *
ts_edit_start(Relation rel, const TsTable *table)
{
	return ts_edit_start_storage(rel, table->storage);
}

/* Takes a locked page into the edit. */
static Page
register_page(TsEdit *edit, Buffer buffer, const TsOwner *owner, bool fresh)
{
	TsEditPage *taken = &edit->pages[edit->count];

	Assert(edit->count < TS_EDIT_PAGES);
	Assert(owner->storage == edit->storage);
	*taken = (TsEditPage){.buffer = buffer, .fresh = fresh};
	taken->page = (Page) edit->copies[edit->count].data;
	edit->count++;
	if (fresh)
		ts_stamp_page(taken->page, owner);
	else
		memcpy(taken->page, BufferGetPage(buffer), BLCKSZ);
	return taken->page;
}

Page
ts_edit_lock_owner(TsEdit *edit, Buffer buffer, const TsOwner *owner, bool fresh)
{
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (!fresh && !ts_stamp_matches(BufferGetPage(buffer), owner))
		ts_page_unexpected(edit->rel, BufferGetBlockNumber(buffer), owner,
						   BufferGetPage(buffer));
	return register_page(edit, buffer, owner, fresh);
}

Page
ts_edit_lock(TsEdit *edit, Buffer buffer, TsStream stream, uint64 ordinal, bool fresh)
{
	TsOwner owner = {.storage = edit->storage,
					 .owner = ordinal,
					 .part = stream,
					 .type = TS_PAGE_STREAM};

	return ts_edit_lock_owner(edit, buffer, &owner, fresh);
}

bool
ts_edit_append(TsEdit *edit, Buffer buffer, TsStream stream, uint64 ordinal, uint32 at,
			   const char *bytes, uint32 length)
{
	TsOwner owner = {.storage = edit->storage,
					 .owner = ordinal,
					 .part = stream,
					 .type = TS_PAGE_STREAM};
	Page page = BufferGetPage(buffer);

	Assert(edit->count < TS_EDIT_PAGES && at + length <= TS_PAGE_ROOM);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (!ts_stamp_matches(page, &owner))
		ts_page_unexpected(edit->rel, BufferGetBlockNumber(buffer), &owner, page);
	edit->pages[edit->count++] = (TsEditPage){
		.buffer = buffer, .bytes = bytes, .length = length};
	return TsPageLength(page) == at;
}

Page
ts_edit_try_lock(TsEdit *edit, Buffer buffer, TsStream stream, uint64 ordinal)
{
	TsOwner owner = {.storage = edit->storage,
					 .owner = ordinal,
					 .part = stream,
					 .type = TS_PAGE_STREAM};

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (!ts_stamp_matches(BufferGetPage(buffer), &owner))
	{
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		return NULL;
	}
	return register_page(edit, buffer, &owner, false);
}

static void
unlock_and_free(TsEdit *edit)
{
	for (int i = 0; i < edit->count; i++)
		LockBuffer(edit->pages[i].buffer, BUFFER_LOCK_UNLOCK);
	pfree(edit);
}

void
ts_edit_finish(TsEdit *edit)
{
	Assert(edit->count > 0);
#ifdef USE_ASSERT_CHECKING
	for (int i = 0; i < edit->count; i++)
	{
		PageHeader header = (PageHeader) edit->pages[i].page;

		if (header == NULL)
			continue;
		Assert(header->pd_lower >= MAXALIGN(SizeOfPageHeaderData));
		Assert(header->pd_lower <= TS_PAGE_SPECIAL);
		Assert(header->pd_upper == TS_PAGE_SPECIAL);
		Assert(TsPageStamp(edit->pages[i].page)->storage == edit->storage);
	}
#endif
	ts_pages_write_edit(edit->rel, edit->pages, edit->count);
	unlock_and_free(edit);
}

void
ts_edit_give_up(TsEdit *edit)
{
	unlock_and_free(edit);
}

/* ---- copies ---- */

/*
 * Where a page may be missing one looks before one reads. Elsewhere on a primary a page
 * past the end of the file is damage, which the buffer manager reports.
 */
bool
ts_pages_copy_owner(Relation rel, BlockNumber block, const TsOwner *owner,
					BufferAccessStrategy strategy, Page page, bool missing_ok)
{
	Buffer buffer;

	if ((missing_ok || RecoveryInProgress()) && block >= RelationGetNumberOfBlocks(rel))
	{
		if (missing_ok)
			return false;
		ts_page_unexpected(rel, block, owner, NULL);
	}

	buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);

	if (!ts_stamp_matches(page, owner))
	{
		if (missing_ok)
			return false;
		ts_page_unexpected(rel, block, owner, page);
	}
	return true;
}

bool
ts_pages_copy(Relation rel, const TsTable *table, BlockNumber block, TsStream stream,
			  uint64 ordinal, Page page, bool missing_ok)
{
	TsOwner owner = {.storage = table->storage,
					 .owner = ordinal,
					 .part = stream,
					 .type = TS_PAGE_STREAM};

	return ts_pages_copy_owner(rel, block, &owner, NULL, page, missing_ok);
}

void
ts_pages_prefetch(Relation rel, BlockNumber block)
{
	if (effective_io_concurrency == 0)
		return;
	/* A standby may have been told of a block that is gone. */
	if (RecoveryInProgress() && block >= RelationGetNumberOfBlocks(rel))
		return;
	PrefetchBuffer(rel, MAIN_FORKNUM, block);
}
