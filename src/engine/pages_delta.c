/*
 * pages_delta.c
 *	  Writing edited pages into buffers and WAL.
 *
 * The record is one of the generic resource manager, whose redo is part of the server:
 * with each block fragments, (offset, length, bytes), that are put over the page, after
 * which what is between pd_lower and pd_upper is zeroed. The server's own writer of such
 * records looks for changes byte by byte. That was most of what an append of a few rows
 * cost, and it happens under the shard's lock; so the changes are found here, by pieces.
 *
 * What always holds: a buffer is, after an edit, what redo makes of it: the new page
 * with a hole of zeros.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "pages_internal.h"

/* Changes that are nearer than this become one fragment. */
#define PIECE 32

/* The head of a fragment, as redo reads it. */
typedef struct FragmentHead
{
	uint16 offset;
	uint16 length;
} FragmentHead;

StaticAssertDecl(sizeof(FragmentHead) == 2 * sizeof(OffsetNumber),
				 "redo reads two offset numbers");
StaticAssertDecl(TS_EDIT_PAGES <= MAX_GENERIC_XLOG_PAGES, "redo takes so many blocks");

/* There are at least PIECE bytes from the start of a fragment to that of the next. */
#define MAX_DELTA (BLCKSZ + (BLCKSZ / PIECE + 2) * sizeof(FragmentHead))

typedef struct Delta
{
	uint32 length;
	char bytes[MAX_DELTA];
} Delta;

static Delta deltas[TS_EDIT_PAGES];

static void
add_bytes(Delta *delta, uint32 offset, const void *bytes, uint32 length)
{
	FragmentHead head = {(uint16) offset, (uint16) length};

	Assert(length > 0 && offset + length <= BLCKSZ);
	Assert(delta->length + sizeof(head) + length <= MAX_DELTA);
	memcpy(delta->bytes + delta->length, &head, sizeof(head));
	memcpy(delta->bytes + delta->length + sizeof(head), bytes, length);
	delta->length += sizeof(head) + length;
}

static void
add_fragment(Delta *delta, Page page, uint32 from, uint32 to)
{
	add_bytes(delta, from, (char *) page + from, to - from);
}

static inline bool
piece_differs(const char *old, const char *new, uint32 at, uint32 end)
{
	return memcmp(old + at, new + at, Min(PIECE, end - at)) != 0;
}

/* Adds what differs in [from, to), to the byte at both ends of a fragment. */
static void
add_changes(Delta *delta, Page old_page, Page page, uint32 from, uint32 to)
{
	const char *old = (const char *) old_page;
	const char *new = (const char *) page;
	uint32 at = from;

	while (at < to)
	{
		uint32 first = at;
		uint32 last;

		if (!piece_differs(old, new, at, to))
		{
			at += PIECE;
			continue;
		}
		while (at < to && piece_differs(old, new, at, to))
			at += PIECE;
		last = Min(at, to);
		while (old[first] == new[first])
			first++;
		while (old[last - 1] == new[last - 1])
			last--;
		add_fragment(delta, page, first, last);
	}
}

/*
 * What lies beyond the old page's content is taken as changed, whatever is there: only
 * the content is known to be on a standby as it is here.
 */
static void
make_delta(Delta *delta, Page old_page, Page page)
{
	uint32 old_lower = ((PageHeader) old_page)->pd_lower;
	uint32 lower = ((PageHeader) page)->pd_lower;

	Assert(((PageHeader) old_page)->pd_upper == TS_PAGE_SPECIAL);
	delta->length = 0;
	add_changes(delta, old_page, page, 0, Min(old_lower, lower));
	if (old_lower < lower)
		add_fragment(delta, page, old_lower, lower);
	add_changes(delta, old_page, page, TS_PAGE_SPECIAL, BLCKSZ);
}

/* The same for bytes that are added to a page's content. */
static void
make_append_delta(Delta *delta, Page page, const char *bytes, uint32 length)
{
	LocationIndex old_lower = ((PageHeader) page)->pd_lower;
	LocationIndex lower = (LocationIndex) (old_lower + length);

	delta->length = 0;
	add_bytes(delta, offsetof(PageHeaderData, pd_lower), &lower, sizeof(lower));
	add_bytes(delta, old_lower, bytes, length);
}

/* The hole behind the bytes is one of zeros already. */
static void
append_to_page(Buffer buffer, const char *bytes, uint32 length)
{
	Page page = BufferGetPage(buffer);
	PageHeader header = (PageHeader) page;

	memcpy((char *) page + header->pd_lower, bytes, length);
	header->pd_lower += (LocationIndex) length;
	Assert(header->pd_lower <= TS_PAGE_SPECIAL);
	MarkBufferDirty(buffer);
}

static void
put_page(Buffer buffer, Page page)
{
	char *to = (char *) BufferGetPage(buffer);
	uint32 lower = ((PageHeader) page)->pd_lower;

	memcpy(to, page, lower);
	memset(to + lower, 0, TS_PAGE_SPECIAL - lower);
	memcpy(to + TS_PAGE_SPECIAL, (char *) page + TS_PAGE_SPECIAL, TS_STAMP_SIZE);
	MarkBufferDirty(buffer);
}

void
ts_pages_write_edit(Relation rel, const TsEditPage *pages, int count)
{
	bool logged = RelationNeedsWAL(rel);
	XLogRecPtr lsn;

	Assert(count > 0 && count <= TS_EDIT_PAGES);
	for (int i = 0; logged && i < count; i++)
	{
		if (pages[i].page == NULL)
			make_append_delta(&deltas[i], BufferGetPage(pages[i].buffer), pages[i].bytes,
							  pages[i].length);
		else if (!pages[i].fresh)
			make_delta(&deltas[i], BufferGetPage(pages[i].buffer), pages[i].page);
	}

	if (logged)
		XLogBeginInsert();
	START_CRIT_SECTION();
	for (int i = 0; i < count; i++)
	{
		if (pages[i].page == NULL)
			append_to_page(pages[i].buffer, pages[i].bytes, pages[i].length);
		else
			put_page(pages[i].buffer, pages[i].page);
		if (!logged)
			continue;
		if (pages[i].fresh)
			XLogRegisterBuffer(i, pages[i].buffer, REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
		else
		{
			XLogRegisterBuffer(i, pages[i].buffer, REGBUF_STANDARD);
			XLogRegisterBufData(i, deltas[i].bytes, deltas[i].length);
		}
	}
	if (logged)
	{
		lsn = XLogInsert(RM_GENERIC_ID, 0);
		for (int i = 0; i < count; i++)
			PageSetLSN(BufferGetPage(pages[i].buffer), lsn);
	}
	END_CRIT_SECTION();
}
