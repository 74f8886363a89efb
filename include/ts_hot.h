/*
 * ts_hot.h
 *	  Hot memory: the newest records of the logs, decoded, in shared memory.
 *
 * A record of a log has an *entry* here: its rows as plain columns, with the record's
 * position, xid, command and number. Entries of a log are kept in *generations*: a
 * generation has the entries of all records between two positions of the log, [from, to).
 * The log's slot (ts_shared.h) owns it.
 *
 * It is a cache over the log, and no append depends on it: whatever is not here is read
 * from pages. It begins empty when the server starts, from where the logs end then; what
 * is before that is sealed soon and not worth being decoded twice. On a standby, which
 * appends nothing, it stays empty.
 *
 * What always holds:
 * - A generation lacks no record between its bounds: an append that does not begin where
 *   the last generation of its shard ends (a record went to the log alone) begins
 *   another. Generations of a shard ascend and do not overlap.
 * - Generations change only under their slot's lock, held exclusively. What a pin has
 *   seen of one stays as it is until the pin goes, but for xids that are frozen.
 * - A slot that is forgotten, or goes to another stream, loses its generations.
 * - Memory never exceeds mytsdb.hot_memory, which is taken when the server starts.
 *
 * A seal closes the last generation of each of its logs first, so that it can be dropped
 * as a whole, and drops what it has covered once it has committed. (When a log has
 * TS_HOT_RANGES generations, since seals are held up, its last one goes on.) Files that
 * go away take their generations with them.
 *
 * When memory is short, or a table has more of it than its series are worth, sealing is
 * hurried. When there is none, an append waits a little while a seal that may free some is
 * running, with no lock held, and then goes to the log alone.
 */
#ifndef TS_HOT_H
#define TS_HOT_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "ts_log.h"
#include "ts_rows.h"
#include "ts_shared.h"
#include "ts_table.h"

/* Whether there is hot memory at all. */
extern bool ts_hot_enabled(void);

/* ---- appending ---- */

/* A record whose entry is to be made. */
typedef struct TsHotRecord
{
	TransactionId xid;
	CommandId cid;
	uint64 number;
	const int64 *series;      /* [rows->n], ascending */
	const TsVectors *vectors; /* the rows; their numbers only with has_numbers */
	bool has_numbers;
	const TsColumn *columns;
	int natts;
} TsHotRecord;

/* Appends the record's entry, as yet without a position, to *out. */
extern void ts_hot_encode(const TsHotRecord *record, StringInfo out);
/* Entries that are longer than this together are not worth being made. */
extern Size ts_hot_limit(void);
/* The entry behind one of those in private memory; says where the entry's record is. */
extern char *ts_hot_place(char *entry, TsLogPos pos);
extern Size ts_hot_length(const char *entry);

/*
 * Sees that this backend has reserved memory for entries of so many bytes. False if there
 * is none, after waiting for at most *patience milliseconds, which is lessened by that.
 * Reservations are given back by ts_hot_unreserve() or when the (sub)transaction aborts.
 */
#define TS_HOT_PATIENCE 200
extern bool ts_hot_reserve(Size bytes, long *patience);
extern void ts_hot_unreserve(void);
/*
 * Copies entries, for which memory was reserved, of records that were appended from the
 * slot's end up to `to`; before the slot gets its new end. Cannot fail.
 */
extern void
ts_hot_append(TsSlot *slot, TsLogPos to, const char *entries, const char *entries_end);

/* ---- reading ---- */

/* Positions whose records are here. */
typedef struct TsHotRange
{
	TsLogPos from;
	TsLogPos to;
	/* the module's own: */
	uint32 generation;
	uint64 length;
} TsHotRange;

#define TS_HOT_RANGES 64

/*
 * Finds what is here of [from, to) of a log, ascending, and pins it; returns how many
 * ranges there are. A backend pins for one log at a time, and unpins before it
 * does anything that may begin or end a subtransaction.
 */
extern int
ts_hot_pin(const TsTable *table, int log, TsLogPos from, TsLogPos to, TsHotRange *ranges);
extern void ts_hot_unpin(void);

typedef struct TsHotReader TsHotReader;

/* Lives in a child of the current context. */
extern TsHotReader *ts_hot_open(Relation rel, const TsTable *table);
extern void ts_hot_start(TsHotReader *reader, const TsHotRange *range);
/* As ts_log_next(); fills in what a record is known by: pos, xid, cid, number, nrows and
 * natts. The xid is asked about at once. */
extern bool ts_hot_next(TsHotReader *reader, TsLogRecord *record);
/* As ts_log_decode(). */
extern uint32 ts_hot_decode(TsHotReader *reader, const TsRowFilter *filter, TsRows *rows);
extern void ts_hot_close(TsHotReader *reader);

/* ---- maintenance ---- */

/* A seal of this log begins: its last generation gets no more entries. */
extern void ts_hot_seal_begins(const TsTable *table, int log);
/* It will have covered the log up to here when the transaction commits: what is before is
 * dropped then. */
extern void ts_hot_seal_ends(const TsTable *table, int log, TsLogPos upto);
/* Whether memory is short. */
extern bool ts_hot_pressed(void);
/*
 * Whether this shard should be sealed for the sake of memory: it is short, or the shard
 * has some tens of rows of each series that has rows here, and is not small.
 */
extern bool ts_hot_wants_seal(const TsTable *table, int shard);
/* For VACUUM: no entry of the log has an xid older than cutoff afterwards. */
extern void ts_hot_freeze(const TsTable *table, int log, TransactionId cutoff);
/* Drops what there is of a file. */
extern void ts_hot_forget_file(const RelFileNode *node);
/* For shared.c: drops what a slot has. Its lock is held exclusively. */
extern void ts_hot_drop(TsSlot *slot);

/* ---- statistics ---- */

typedef struct TsHotStats
{
	uint64 size; /* bytes there are, and are in use now */
	uint64 used;
	uint64 generations;
	/* since the server started: */
	uint64 drops;        /* generations dropped */
	uint64 appends;      /* appends of records and their entries */
	uint64 log_only;     /* appends that found no memory */
	uint64 delays;       /* appends that waited for memory */
	uint64 delay_micros; /* how long, together */
	uint64 rows_read;    /* rows that scans took from here */
} TsHotStats;

extern void ts_hot_stats(TsHotStats *stats);
/* Bytes in use by a shard now. */
extern uint64 ts_hot_shard_bytes(const TsTable *table, int shard);

#endif /* TS_HOT_H */
