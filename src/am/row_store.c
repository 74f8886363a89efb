/*
 * row_store.c
 *	  Rows that may be fetched again by TID within their transaction.
 *
 * The store is a sequence of entries, each a row's relation and its tuple, at positions
 * that are multiples of MAXIMUM_ALIGNOF. A TID is such a position, divided by that. The
 * first entries are in memory, up to work_mem; from the first that has no room there, all
 * go to a temporary file. Nothing is removed before the transaction ends: triggers may be
 * deferred until then.
 *
 * TIDs that come here were made here: those that a user wrote down are refused before
 * (row_fetch.c).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "storage/buffile.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "ts_am.h"

typedef struct EntryHeader
{
	uint32 length; /* of the tuple */
	Oid relid;
} EntryHeader;

StaticAssertDecl(sizeof(EntryHeader) == MAXIMUM_ALIGNOF, "tuples are aligned");

#define MAX_POSITION (((uint64) TS_TID_STORED << TS_TID_OFFSET_BITS) * MAXIMUM_ALIGNOF)

/* All zero while no row is stored. */
static struct
{
	MemoryContext context;
	char *memory;
	Size memory_size;
	BufFile *file;
	uint64 file_start; /* position of the file's first byte, when there is a file */
	uint64 end;
} store;

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (store.context == NULL)
		return;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (store.file)
				BufFileClose(store.file);
			MemoryContextDelete(store.context);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			/* Memory and file go with the transaction's context and resource owner. */
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PREPARE:
			Assert(false);
			return;
	}
	memset(&store, 0, sizeof(store));
}

static void
open_store(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		registered = true;
	}
	store.context = AllocSetContextCreate(TopTransactionContext, "mytsdb row store",
										  ALLOCSET_SMALL_SIZES);
}

/* Whether an entry that ends at `end` is to be in memory; makes the room for it. */
static bool
room_in_memory(uint64 end)
{
	Size limit = Min((Size) work_mem * 1024, MaxAllocSize);

	if (store.file != NULL || end > limit)
		return false;
	if (end > store.memory_size)
	{
		Size size = Max(store.memory_size * 2, 8 * 1024);

		while (size < end)
			size *= 2;
		size = Min(size, limit);
		if (store.memory == NULL)
			store.memory = MemoryContextAlloc(store.context, size);
		else
			store.memory = repalloc(store.memory, size);
		store.memory_size = size;
	}
	return true;
}

/* The file is the transaction's, whatever subtransaction or portal makes it. */
static void
open_file(void)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext caller = MemoryContextSwitchTo(store.context);

	CurrentResourceOwner = TopTransactionResourceOwner;
	PG_TRY();
	{
		store.file = BufFileCreateTemp(false);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	store.file_start = store.end;
	MemoryContextSwitchTo(caller);
}

static void
seek_file(uint64 position)
{
	Assert(position >= store.file_start);
	if (BufFileSeek(store.file, 0, (off_t) (position - store.file_start), SEEK_SET) != 0)
		elog(ERROR, "could not seek in the temporary file of the row store");
}

void
ts_row_store_put(Relation rel, TupleTableSlot *slot)
{
	MinimalTuple tuple = ExecCopySlotMinimalTuple(slot);
	EntryHeader header = {.length = tuple->t_len, .relid = RelationGetRelid(rel)};
	uint64 end;
	uint64 ordinal;

	if (store.context == NULL)
		open_store();
	end = store.end + sizeof(header) + MAXALIGN(tuple->t_len);
	if (end > MAX_POSITION)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("too many rows are kept in one transaction")));

	if (room_in_memory(end))
	{
		memcpy(store.memory + store.end, &header, sizeof(header));
		memcpy(store.memory + store.end + sizeof(header), tuple, tuple->t_len);
	}
	else
	{
		static char padding[MAXIMUM_ALIGNOF];

		if (store.file == NULL)
			open_file();
		seek_file(store.end);
		BufFileWrite(store.file, &header, sizeof(header));
		BufFileWrite(store.file, tuple, tuple->t_len);
		BufFileWrite(store.file, padding, MAXALIGN(tuple->t_len) - tuple->t_len);
	}
	pfree(tuple);

	ordinal = store.end / MAXIMUM_ALIGNOF;
	store.end = end;
	ts_tid_of_position(&slot->tts_tid, ordinal);
	BlockIdSet(&slot->tts_tid.ip_blkid,
			   ItemPointerGetBlockNumber(&slot->tts_tid) | TS_TID_STORED);
}

static void
read_file(void *to, Size size)
{
	if (BufFileRead(store.file, to, size) != size)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read from the temporary file of the row store: "
							   "read too few bytes")));
}

/* The tuple at a position, palloc'd. */
static MinimalTuple
read_entry(uint64 position, Oid relid)
{
	bool in_file = store.file != NULL && position >= store.file_start;
	EntryHeader header;
	MinimalTuple tuple;

	if (in_file)
	{
		seek_file(position);
		read_file(&header, sizeof(header));
	}
	else
		memcpy(&header, store.memory + position, sizeof(header));
	if (header.relid != relid || position + sizeof(header) + header.length > store.end)
		elog(ERROR, "row store has no row of relation %u at " UINT64_FORMAT, relid,
			 position);

	tuple = palloc(header.length);
	if (in_file)
		read_file(tuple, header.length);
	else
		memcpy(tuple, store.memory + position + sizeof(header), header.length);
	Assert(tuple->t_len == header.length);
	return tuple;
}

bool
ts_row_store_fetch(Relation rel, ItemPointer tid, TupleTableSlot *slot)
{
	ItemPointerData wanted = *tid; /* tid may be the slot's own */
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(tid);
	uint64 position;

	if (!(block & TS_TID_STORED) || offset == InvalidOffsetNumber ||
		offset > (1 << TS_TID_OFFSET_BITS))
		return false;
	position = (((uint64) (block & ~TS_TID_STORED) << TS_TID_OFFSET_BITS) + offset - 1) *
			   MAXIMUM_ALIGNOF;
	if (position >= store.end)
		return false;

	ExecForceStoreMinimalTuple(read_entry(position, RelationGetRelid(rel)), slot, true);
	slot->tts_tid = wanted;
	slot->tts_tableOid = RelationGetRelid(rel);
	return true;
}

bool
ts_row_store_wanted(const PlannedStmt *stmt, Oid relid)
{
	ListCell *lc;

	if (stmt == NULL)
		return false;
	foreach (lc, stmt->rowMarks)
	{
		PlanRowMark *mark = lfirst_node(PlanRowMark, lc);

		if (!mark->isParent && mark->markType != ROW_MARK_COPY &&
			rt_fetch(mark->rti, stmt->rtable)->relid == relid)
			return true;
	}
	if (stmt->commandType != CMD_MERGE)
		return false;
	foreach (lc, stmt->resultRelations)
	{
		if (rt_fetch(lfirst_int(lc), stmt->rtable)->relid == relid)
			return true;
	}
	return false;
}
