/*
 * buffer_internal.h
 *	  What the private buffer's two files share: the runs there are, and how they leave.
 */
#ifndef BUFFER_INTERNAL_H
#define BUFFER_INTERNAL_H

#include "postgres.h"

#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "storage/relfilenode.h"
#include "utils/hsearch.h"

#include "ts_rows.h"
#include "ts_table.h"

/* About what a run takes besides its rows. */
#define BUFFER_RUN_OVERHEAD 4096

typedef struct BufferKey
{
	Oid relid;
	RelFileNode node; /* padding: none */
} BufferKey;

/* A storage that rows wait for, or waited for since the buffer was last flushed. */
typedef struct BufferEntry
{
	BufferKey key;
	TsTable *table;
	dlist_head runs;   /* as they began */
	bool rewrite;      /* a rewrite's new relation: its file goes to another one */
	bool always_fits;  /* any row fits a log record */
	bool series_known; /* series_key and series are those of the last row */
	uint32 series;
	StringInfoData series_key;
	StringInfoData probe; /* the next row's key */
} BufferEntry;

typedef struct BufferRun
{
	dlist_node in_buffer; /* as they began */
	dlist_node in_entry;
	BufferEntry *entry;
	SubTransactionId subid;
	TransactionId xid; /* of the subtransaction that began it */
	CommandId cid;
	TsRows *rows;
	Size bytes;   /* as counted in the buffer's sums */
	bool bulk;    /* counted as bulk: is to leave as blocks */
	bool closed;  /* gets no more rows: a scan has seen it */
	bool leaving; /* begun to leave; stays so when that failed */
	bool linked;  /* in the lists; else it is only pinned */
	int pins;
} BufferRun;

typedef struct PrivateBuffer
{
	MemoryContext context; /* NULL: nothing is there */
	HTAB *entries;
	dlist_head runs;
	BufferRun *last;  /* which the last row went into; NULL: unlinked since */
	Size small_bytes; /* of runs that are not bulk */
	Size bulk_bytes;
	bool committing; /* rows that still come leave at once */
} PrivateBuffer;

extern PrivateBuffer ts_buffer;

/* Takes a run out of the lists; it is freed, unless a scan has it pinned. */
extern void ts_buffer_unlink(BufferRun *run);

/* Whether a run may leave as blocks now: they will belong to its subtransaction and
 * command. */
extern bool ts_buffer_is_current(const BufferRun *run);

/* The runs of an entry leave, in order, up to one of them. */
extern void ts_buffer_leave(BufferEntry *entry, const BufferRun *last);
/* The same; the last one's last row is too large for the log. */
extern void ts_buffer_leave_wide(BufferRun *run);
/* All runs that are not bulk leave, but for `keep`, and those that came before them. */
extern void ts_buffer_leave_small(const BufferRun *keep);
/* All bulk runs leave, and those that came before them; of the command `cid` only,
 * unless it is InvalidCommandId. */
extern void ts_buffer_leave_bulk(CommandId cid);
/* Everything leaves, as the top transaction's rows. */
extern void ts_buffer_leave_at_commit(void);

#endif /* BUFFER_INTERNAL_H */
