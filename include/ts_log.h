/*
 * ts_log.h
 *	  The logs of a table's shards: rows that are not sealed yet.
 *
 * A shard has up to TS_SHARD_LOGS logs, each with a lock of its own. The rows of one
 * append go to one of them; which one does not matter to anybody. A writer takes the
 * first that nobody else is writing to: so he does not wait for one who has lost his
 * processor in the middle of an append, as all would who come to the shard meanwhile.
 * The logs but the first are made when they are first wanted. Logs have numbers: log l
 * of a table is of shard l % shards.
 *
 * A log is a stream of pages that hold records. A record is rows of one (sub)transaction
 * and one command with one number: a header with a checksum, then series ids, times and
 * pieces of the value columns. Records do not span pages; src/engine/log_format.h
 * specifies them.
 *
 * A position is where a record begins or a page's records end: page ordinal and offset
 * into the page's content, in one 64-bit number that only grows. The end of a page is
 * the same position as the start of the next one: positions handed out are normalized
 * only by comparison, so compare them with < and <= and never with ==.
 *
 * Ordinals are never used again because the directory always tells where the log ends:
 * whoever cuts a log leaves the run that holds its end, and its last run.
 *
 * Visibility is a question to the snapshot (ts_visible()), never to a callback at
 * commit: what is appended is there for everybody at once.
 *
 * Locking: an append holds the shard's slot lock (ts_shared.h) while it writes page and
 * WAL and publishes the new end. Readers take no lock but the buffer's, while they copy
 * a page.
 */
#ifndef TS_LOG_H
#define TS_LOG_H

#include "postgres.h"

#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "ts_pages.h"
#include "ts_rows.h"
#include "ts_shared.h"
#include "ts_table.h"

typedef uint64 TsLogPos;

#define TS_SHARD_LOGS 8
#define TS_MAX_LOGS   (TS_MAX_SHARDS * TS_SHARD_LOGS)

#define ts_log_count(table)        ((table)->shards * TS_SHARD_LOGS)
#define ts_log_of(table, shard, i) ((i) * (table)->shards + (shard))
#define ts_log_shard(table, log)   ((log) % (table)->shards)
/* The stream of a log does not depend on how many shards there are. */
#define ts_log_stream(table, log) \
	((TsStream) ((log) / (table)->shards * TS_MAX_SHARDS + (log) % (table)->shards))

#define TS_LOG_OFFSET_BITS 13
#define ts_log_pos(ord, offset) \
	(((TsLogPos) (ord) << TS_LOG_OFFSET_BITS) | (TsLogPos) (offset))
#define ts_log_ordinal(pos) ((pos) >> TS_LOG_OFFSET_BITS)
#define ts_log_offset(pos)  ((uint32) ((pos) & ((1 << TS_LOG_OFFSET_BITS) - 1)))

/* Bytes of log between two positions; 0 when they are not in that order. */
extern uint64 ts_log_distance(TsLogPos from, TsLogPos to);

/*
 * Appends rows order[0 .. n) to the logs of their shards (order NULL: all, as they are).
 * They take `number`, or, when rows have numbers, those. All must fit a record, see
 * ts_log_fits(). xid is that of the (sub)transaction the rows belong to, or a
 * subtransaction of it. Calls CheckForSerializableConflictIn.
 */
extern void
ts_log_append(Relation rel, const TsTable *table, const TsRows *rows, const uint32 *order,
			  uint32 n, TransactionId xid, CommandId cid, uint64 number);
/* Microseconds that this process has spent in that. */
extern int64 ts_log_append_time(void);
/* Whether row i is small enough for a record. */
extern bool ts_log_fits(const TsTable *table, const TsRows *rows, uint32 i);
/* Whether any row of the table is: all values are passed by value, and they are few. */
extern bool ts_log_always_fits(const TsTable *table);

/*
 * Where the logs end now, by log: everything below is to be read; 0 for a log that has
 * not been made. Costs little on a primary, some page reads on a standby. A scan takes
 * it after its snapshot (and, when it is serializable, after its SIREAD lock).
 */
extern void ts_log_ends(Relation rel, const TsTable *table, TsLogPos *ends);
/* The same for the logs of one shard; the rest of `ends` stays as it is. */
extern void
ts_log_shard_ends(Relation rel, const TsTable *table, int shard, TsLogPos *ends);

/* Since when records of a shard wait to be sealed, about; long ago when not known. */
extern TimestampTz ts_log_pending_since(const TsTable *table, int shard);
/*
 * A seal up to a position is about to commit: what is left has waited from now on, and so
 * has all if it is rolled back.
 */
extern void ts_log_sealed(const TsTable *table, int log, TsLogPos upto);

/* The slot of a log, locked; NULL when it has none. */
extern TsSlot *ts_log_lock_slot(const TsTable *table, int log, LWLockMode mode);

/* ---- reading ---- */

typedef struct TsLogRecord
{
	TsLogPos pos;
	TsLogPos next;     /* where the record after it begins */
	TransactionId xid; /* FrozenTransactionId: visible to all; Invalid: to none */
	CommandId cid;
	uint64 number;
	uint32 nrows;
	int natts;
	/* the reader's own: */
	const char *data;
	uint32 length;
	BlockNumber block;
} TsLogRecord;

typedef struct TsLogReader TsLogReader;

/*
 * Reads the records of a log from `from` to before `to`. A position in between that
 * the directory does not map, or a record whose transaction the commit log has forgotten,
 * raises 40001 on a standby, data corruption on a primary. Lives in a child of the current
 * context.
 */
extern TsLogReader *
ts_log_open(Relation rel, const TsTable *table, int log, TsLogPos from, TsLogPos to);
extern bool ts_log_next(TsLogReader *reader, TsLogRecord *record);
extern void ts_log_close(TsLogReader *reader);

/* Which rows of a record are wanted. */
typedef struct TsRowFilter
{
	int64 time_min;                           /* inclusive */
	int64 time_max;                           /* inclusive */
	bool (*series)(void *arg, uint32 series); /* NULL: all */
	uint32 series_min; /* unless all: series beyond these are not wanted */
	uint32 series_max;
	void *arg;
	const bool *wanted; /* value columns, by attnum - 1; NULL: all */
} TsRowFilter;

/*
 * Adds the wanted rows of a record that ts_log_next() has just returned to a set (made
 * with numbers); returns how many. filter NULL: all. Columns of the set that came later
 * than the record get the value that the relation has for missing attributes
 * (ts_missing_value()).
 */
extern uint32 ts_log_decode(TsLogReader *reader, const TsLogRecord *record,
							const TsRowFilter *filter, TsRows *rows);

/* ---- visibility ---- */

/*
 * Whether rows of (xid, cid) are visible to an MVCC snapshot, own ones included. Also
 * tells serializable transactions about conflicts. `cache` remembers the answer for the
 * xid asked about last; zero it before first use with a snapshot.
 *
 * Ask as soon as ts_log_next() has returned a record, not when the user comes back for
 * more: it has seen to it that the commit log still knows the xid, which VACUUM may change
 * at any time.
 */
typedef struct TsVisibleCache
{
	TransactionId xid;
	bool own;
	bool visible;
} TsVisibleCache;
extern bool ts_visible(Relation rel, TransactionId xid, CommandId cid, Snapshot snapshot,
					   TsVisibleCache *cache);

/* ---- transaction ids in the log ---- */

/*
 * For VACUUM: replaces the xids older than `cutoff` (at most OldestXmin) in the records
 * of a log from `from` to before `to` by FrozenTransactionId (committed) or
 * InvalidTransactionId (not), and returns the oldest one that is left,
 * InvalidTransactionId when there is none. `to` is where the log ended after OldestXmin
 * was computed: xids of later records are not older than that, so relfrozenxid must not
 * go beyond it either. Assigns no xid.
 */
extern TransactionId ts_log_freeze(Relation rel, const TsTable *table, int log,
								   TsLogPos from, TsLogPos to, TransactionId cutoff);

#endif /* TS_LOG_H */
