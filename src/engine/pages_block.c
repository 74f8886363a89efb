/*
 * pages_block.c
 *	  Bytes of sealed blocks, into pages and back.
 *
 * A block's bytes fill its pages one after the other: all are full but the last. They are
 * written once, as full images, many pages a WAL record, and not at all to WAL when the
 * relation needs none; who reads them verifies stamp, length and checksum of a private
 * copy of the page.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/pg_control.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "pages_internal.h"
#include "ts_stop.h"

/* Pages that are locked and logged together: few enough for small shared buffers. */
#define WRITE_BATCH 16

struct TsBlockBytes
{
	Relation rel;
	uint64 storage;
	TsBlockPages pages;
	uint32 current;    /* index of the page in `page`; pages.count: none */
	uint32 prefetched; /* pages from prefetched .. prefetched_end are asked for */
	uint32 prefetched_end;
	PGAlignedBlock page;
};

static TsOwner
block_owner(uint64 storage, uint64 id, uint32 index)
{
	return (TsOwner){
		.storage = storage, .owner = id, .part = index, .type = TS_PAGE_BLOCK};
}

static uint32
content_crc(Page page)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, TsPageData(page), TsPageLength(page));
	FIN_CRC32C(crc);
	return crc;
}

/* ---- writing ---- */

static void
fill_page(Page page, const TsOwner *owner, const char *data, Size length)
{
	Assert(length > 0 && length <= TS_PAGE_ROOM);
	ts_stamp_page(page, owner);
	memcpy(TsPageData(page), data, length);
	TsPageSetLength(page, length);
	TsPageStamp(page)->crc = content_crc(page);
}

/* Writes pages [from, from + count) of a block. */
static void
write_batch(Relation rel, uint64 storage, const TsBlockPages *pages, uint32 from,
			uint32 count, const char *data, Size length, BufferAccessStrategy strategy)
{
	Buffer buffers[WRITE_BATCH];
	bool log = RelationNeedsWAL(rel);

	Assert(count >= 1 && count <= WRITE_BATCH);
	for (uint32 i = 0; i < count; i++)
		buffers[i] = ReadBufferExtended(rel, MAIN_FORKNUM, pages->first + from + i,
										RBM_ZERO_AND_LOCK, strategy);
	if (log)
		XLogBeginInsert();

	START_CRIT_SECTION();
	for (uint32 i = 0; i < count; i++)
	{
		TsOwner owner = block_owner(storage, pages->id, from + i);
		Size offset = (Size) (from + i) * TS_PAGE_ROOM;

		fill_page(BufferGetPage(buffers[i]), &owner, data + offset,
				  Min(length - offset, TS_PAGE_ROOM));
		MarkBufferDirty(buffers[i]);
		if (log)
			XLogRegisterBuffer(i, buffers[i], REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
	}
	if (log)
	{
		XLogRecPtr lsn = XLogInsert(RM_XLOG_ID, XLOG_FPI);

		for (uint32 i = 0; i < count; i++)
			PageSetLSN(BufferGetPage(buffers[i]), lsn);
	}
	END_CRIT_SECTION();

	for (uint32 i = 0; i < count; i++)
		UnlockReleaseBuffer(buffers[i]);
}

TsBlockPages
ts_pages_write_block(Relation rel, const TsTable *table, const char *data, Size length)
{
	BufferAccessStrategy strategy;
	TsBlockPages pages;

	Assert(length > 0);
	if (length > (Size) MaxBlockNumber * TS_PAGE_ROOM)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("sealed block of %zu bytes is too large", length)));
	pages.count = ts_pages_for(length);
	pages.id = ts_pages_take_numbers(rel, table, 1);
	pages.first = ts_pages_reserve(rel, table, pages.count);
	TS_STOP("block-reserved");

	/* A record of many images needs room for its parts; that cannot be had later. */
	XLogEnsureRecordSpace(WRITE_BATCH - 1, 0);
	strategy = GetAccessStrategy(BAS_BULKWRITE);
	for (uint32 from = 0; from < pages.count; from += WRITE_BATCH)
	{
		CHECK_FOR_INTERRUPTS();
		write_batch(rel, table->storage, &pages, from,
					Min(pages.count - from, WRITE_BATCH), data, length, strategy);
		TS_STOP("block-in-part");
	}
	FreeAccessStrategy(strategy);
	TS_STOP("block-written");
	return pages;
}

/* ---- reading ---- */

TsBlockBytes *
ts_block_bytes_open(Relation rel, const TsTable *table, const TsBlockPages *pages)
{
	TsBlockBytes *bytes = palloc(sizeof(TsBlockBytes));

	bytes->rel = rel;
	bytes->storage = table->storage;
	bytes->pages = *pages;
	bytes->current = pages->count;
	bytes->prefetched = 0;
	bytes->prefetched_end = 0;
	return bytes;
}

static void
load_page(TsBlockBytes *bytes, uint32 index)
{
	TsOwner owner = block_owner(bytes->storage, bytes->pages.id, index);
	BlockNumber block = bytes->pages.first + index;
	Page page = bytes->page.data;

	Assert(index < bytes->pages.count);
	bytes->current = bytes->pages.count;
	ts_pages_copy_owner(bytes->rel, block, &owner, NULL, page, false);
	if (TsPageLength(page) == 0 ||
		(index + 1 < bytes->pages.count && TsPageLength(page) != TS_PAGE_ROOM))
		ts_page_damaged(bytes->rel, block, "it has a wrong length");
	if (TsPageStamp(page)->crc != content_crc(page))
		ts_page_damaged(bytes->rel, block, "its checksum is wrong");
	bytes->current = index;
}

void
ts_block_bytes_read(TsBlockBytes *bytes, Size offset, Size length, char *to)
{
	if (offset / TS_PAGE_ROOM >= bytes->pages.count)
		ts_block_damaged(bytes, offset, "an offset is past its end");

	while (length > 0)
	{
		uint32 index = (uint32) (offset / TS_PAGE_ROOM);
		uint32 start = (uint32) (offset % TS_PAGE_ROOM);
		Size part = Min(length, (Size) (TS_PAGE_ROOM - start));

		if (index >= bytes->pages.count)
			ts_block_damaged(bytes, offset, "a length is past its end");
		if (index != bytes->current)
		{
			CHECK_FOR_INTERRUPTS();
			load_page(bytes, index);
		}
		if (start + part > TsPageLength(bytes->page.data))
			ts_block_damaged(bytes, offset, "a length is past its end");
		memcpy(to, TsPageData(bytes->page.data) + start, part);
		to += part;
		offset += part;
		length -= part;
	}
}

void
ts_block_bytes_prefetch(TsBlockBytes *bytes, Size offset, Size length)
{
	uint32 count = bytes->pages.count;
	uint32 first;
	uint32 end;

	if (length == 0 || offset / TS_PAGE_ROOM >= count)
		return;
	first = (uint32) (offset / TS_PAGE_ROOM);
	end = (uint32) Min((offset + length - 1) / TS_PAGE_ROOM + 1, (Size) count);
	for (uint32 i = first; i < end; i++)
	{
		bool asked = i >= bytes->prefetched && i < bytes->prefetched_end;

		if (!asked && i != bytes->current)
			ts_pages_prefetch(bytes->rel, bytes->pages.first + i);
	}
	bytes->prefetched = first;
	bytes->prefetched_end = end;
}

void
ts_block_bytes_close(TsBlockBytes *bytes)
{
	pfree(bytes);
}

void
ts_block_damaged(TsBlockBytes *bytes, Size offset, const char *what)
{
	Size index = Min(offset / TS_PAGE_ROOM, (Size) bytes->pages.count - 1);

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("sealed block " UINT64_FORMAT " of relation \"%s\" is damaged: %s",
					bytes->pages.id, RelationGetRelationName(bytes->rel), what),
			 errdetail("The damage shows in page %u.",
					   bytes->pages.first + (BlockNumber) index),
			 errhint("Restore the table from a backup.")));
}
