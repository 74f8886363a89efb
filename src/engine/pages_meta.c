/*
 * pages_meta.c
 *	  The metapage: what a storage is, and the numbers it has given out.
 *
 * What always holds:
 * - A storage id is drawn at random when the metapage is written and never changes.
 * - No number at or above the metapage's number_bound is in use: the bound is raised, in
 *   WAL before anything that uses the numbers, first.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/storage.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/rel.h"

#include "pages_internal.h"
#include "ts_stop.h"

/* By how much the bound of numbers is raised at a time. */
#define NUMBERS_AT_ONCE 1000000

static TsOwner
meta_owner(uint64 storage)
{
	return (TsOwner){.storage = storage, .owner = 0, .part = 0, .type = TS_PAGE_META};
}

/* ---- creation ---- */

static uint64
new_storage_id(void)
{
	uint64 id;

	do
	{
		if (!pg_strong_random(&id, sizeof(id)))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
							errmsg("could not generate a random storage id")));
		id &= (uint64) PG_INT64_MAX;
	} while (id == 0);
	return id;
}

static void
fill_meta_page(Page page, uint64 storage, int shards)
{
	TsOwner owner = meta_owner(storage);
	TsMetaContent *meta;

	ts_stamp_page(page, &owner);
	meta = (TsMetaContent *) TsPageData(page);
	meta->magic = TS_META_MAGIC;
	meta->version = TS_META_VERSION;
	meta->storage = storage;
	meta->number_bound = 1; /* 0 is no number */
	meta->writer = InvalidTransactionId;
	meta->shards = (uint32) shards;
	TsPageSetLength(page, TS_META_LENGTH(0));
}

uint64
ts_pages_create(const RelFileNode *node, int shards)
{
	uint64 storage = new_storage_id();
	bool log = !RelFileNodeSkippingWAL(*node);
	Buffer buffer;

	Assert(shards >= 1 && shards <= TS_MAX_SHARDS);
	buffer = ReadBufferWithoutRelcache(*node, MAIN_FORKNUM, P_NEW, RBM_ZERO_AND_LOCK,
									   NULL, true);
	if (BufferGetBlockNumber(buffer) != TS_META_BLOCK)
		elog(ERROR, "file of new storage is not empty");

	START_CRIT_SECTION();
	fill_meta_page(BufferGetPage(buffer), storage, shards);
	MarkBufferDirty(buffer);
	if (log)
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();

	UnlockReleaseBuffer(buffer);
	return storage;
}

uint64
ts_pages_recreate(Relation rel, int shards)
{
	RelFileNode node = rel->rd_node;

	RelationTruncate(rel, 0);
	return ts_pages_create(&node, shards);
}

/* ---- reading ---- */

/* Checks what is on a page that may be a metapage; NULL when all is well. */
static const char *
check_meta(Page page)
{
	const TsMetaContent *meta = (const TsMetaContent *) TsPageData(page);
	TsOwner owner;

	if (PageIsNew(page))
		return "the metapage is empty";
	owner = meta_owner(TsPageStamp(page)->storage);
	if (!ts_stamp_matches(page, &owner) || TsPageLength(page) < TS_META_HEADER ||
		meta->magic != TS_META_MAGIC)
		return "it is not a metapage";
	if (meta->version != TS_META_VERSION)
		return NULL; /* the caller tells what it is */
	if (meta->storage != owner.storage || meta->storage == 0 ||
		meta->storage > (uint64) PG_INT64_MAX)
		return "the metapage's storage ids differ";
	if (meta->shards < 1 || meta->shards > TS_MAX_SHARDS)
		return "the metapage's number of shards is out of range";
	if (meta->number_bound < 1)
		return "the metapage's bound of numbers is out of range";
	if (meta->directory_count > TS_MAX_DIRECTORY_PAGES ||
		TsPageLength(page) != TS_META_LENGTH(meta->directory_count))
		return "the metapage's list of directory pages has a wrong length";
	return NULL;
}

/* The content of a locked or copied metapage, checked. storage 0: whatever it is. */
static TsMetaContent *
checked_meta(Relation rel, Page page, uint64 storage)
{
	TsMetaContent *meta = (TsMetaContent *) TsPageData(page);
	const char *damage = check_meta(page);

	if (damage != NULL)
		ts_page_damaged(rel, TS_META_BLOCK, damage);
	if (meta->version != TS_META_VERSION)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("storage of relation \"%s\" has format version %u, which is not "
					"known",
					RelationGetRelationName(rel), meta->version),
			 errhint("Install the version of mytsdb that wrote it, or a newer one.")));
	if (storage != 0 && meta->storage != storage)
	{
		TsOwner expected = meta_owner(storage);

		ts_page_unexpected(rel, TS_META_BLOCK, &expected, page);
	}
	return meta;
}

static Buffer
lock_meta(Relation rel)
{
	Buffer buffer = ReadBuffer(rel, TS_META_BLOCK);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	return buffer;
}

TsMetaContent *
ts_meta_copy(Relation rel, uint64 storage, Page page)
{
	Buffer buffer = lock_meta(rel);

	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return checked_meta(rel, page, storage);
}

uint64
ts_meta_directory_version(Relation rel, uint64 storage)
{
	Buffer buffer = lock_meta(rel);
	uint64 version = checked_meta(rel, BufferGetPage(buffer), storage)->directory_version;

	UnlockReleaseBuffer(buffer);
	return version;
}

static void
describe_meta(const TsMetaContent *content, TsMeta *meta)
{
	meta->storage = content->storage;
	meta->writer = content->writer;
	meta->shards = (int) content->shards;
	meta->number_bound = content->number_bound;
}

void
ts_pages_read_meta(Relation rel, TsMeta *meta)
{
	Buffer buffer = lock_meta(rel);

	describe_meta(checked_meta(rel, BufferGetPage(buffer), 0), meta);
	UnlockReleaseBuffer(buffer);
}

bool
ts_pages_probe(const RelFileNode *node, TsMeta *meta)
{
	SMgrRelation smgr = smgropen(*node, InvalidBackendId);
	const TsMetaContent *content;
	Buffer buffer;
	Page page;
	bool ours;

	if (!smgrexists(smgr, MAIN_FORKNUM) || smgrnblocks(smgr, MAIN_FORKNUM) == 0)
		return false;

	buffer = ReadBufferWithoutRelcache(*node, MAIN_FORKNUM, TS_META_BLOCK, RBM_NORMAL,
									   NULL, true);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	content = (const TsMetaContent *) TsPageData(page);
	ours = check_meta(page) == NULL && content->version == TS_META_VERSION;
	if (ours)
		describe_meta(content, meta);
	UnlockReleaseBuffer(buffer);
	return ours;
}

/* ---- changes ---- */

TsMetaContent *
ts_meta_edit(TsEdit *edit, Relation rel, Buffer buffer, uint64 storage)
{
	TsOwner owner = meta_owner(storage);

	Assert(BufferGetBlockNumber(buffer) == TS_META_BLOCK);
	return checked_meta(rel, ts_edit_lock_owner(edit, buffer, &owner, false), storage);
}

/* Begins a change of the metapage alone. */
static TsMetaContent *
begin_meta_change(Relation rel, Buffer *buffer, TsEdit **edit)
{
	TsMeta meta;

	ts_pages_read_meta(rel, &meta);
	*buffer = ts_pages_pin(rel, TS_META_BLOCK);
	*edit = ts_edit_start_storage(rel, meta.storage);
	return ts_meta_edit(*edit, rel, *buffer, meta.storage);
}

void
ts_pages_set_writer(Relation rel, TransactionId writer)
{
	Buffer buffer;
	TsEdit *edit;

	begin_meta_change(rel, &buffer, &edit)->writer = writer;
	ts_edit_finish(edit);
	ReleaseBuffer(buffer);
}

/* ---- numbers ---- */

/* Locks the storage's slot, ready. */
static TsSlot *
lock_numbers(Relation rel, const TsTable *table, LWLockMode mode)
{
	TsSlotKey key;

	ts_slot_key(&key, table, TS_STREAM_STORAGE);
	for (;;)
	{
		uint64 ticket;
		bool valid;
		TsMeta meta;
		TsSlot *slot = ts_shared_lock(&key, mode, &ticket);

		if (slot->ready)
			return slot;
		ts_shared_unlock(slot);

		ts_pages_read_meta(rel, &meta);
		if (meta.storage != table->storage)
			elog(ERROR, "storage of relation \"%s\" was replaced",
				 RelationGetRelationName(rel));
		slot = ts_shared_lock_again(&key, LW_EXCLUSIVE, ticket, &valid);
		if (valid)
		{
			pg_atomic_write_u64(&slot->next_number, meta.number_bound);
			slot->number_bound = meta.number_bound;
			slot->ready = true;
		}
		ts_shared_unlock(slot);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Takes numbers below the bound; false when there are not so many. */
static bool
take_below_bound(TsSlot *slot, uint32 count, uint64 *first)
{
	*first = pg_atomic_read_u64(&slot->next_number);
	while (*first + count <= slot->number_bound)
	{
		if (pg_atomic_compare_exchange_u64(&slot->next_number, first, *first + count))
			return true;
	}
	return false;
}

/*
 * Raises the bound so that there are `count` numbers below it. Nobody but the exclusive
 * holder of the ready slot changes the metapage's bound, so the two are equal.
 */
static void
raise_bound(TsSlot *slot, Relation rel, const TsTable *table, TsEdit *edit, Buffer buffer,
			uint32 count)
{
	uint64 bound = pg_atomic_read_u64(&slot->next_number) + count + NUMBERS_AT_ONCE;
	TsMetaContent *meta = ts_meta_edit(edit, rel, buffer, table->storage);

	Assert(meta->number_bound == slot->number_bound);
	meta->number_bound = bound;
	ts_edit_finish(edit);
	TS_STOP_LOGGED("numbers-raised");
	slot->number_bound = bound;
}

/* Whoever finds too few numbers comes again, with an edit and the slot for himself. */
uint64
ts_pages_take_numbers(Relation rel, const TsTable *table, uint32 count)
{
	Buffer buffer = InvalidBuffer;
	TsEdit *edit = NULL;
	uint64 first;

	Assert(count >= 1);
	for (;;)
	{
		TsSlot *slot = lock_numbers(rel, table, edit == NULL ? LW_SHARED : LW_EXCLUSIVE);
		bool taken = take_below_bound(slot, count, &first);

		if (!taken && edit != NULL)
		{
			raise_bound(slot, rel, table, edit, buffer, count);
			edit = NULL;
			taken = take_below_bound(slot, count, &first);
			Assert(taken);
		}
		ts_shared_unlock(slot);
		if (taken)
			break;
		buffer = ts_pages_pin(rel, TS_META_BLOCK);
		edit = ts_edit_start(rel, table);
	}
	if (edit != NULL)
		ts_edit_give_up(edit);
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	return first;
}
