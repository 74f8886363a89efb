/*
 * log_append.c
 *	  Rows to records to pages.
 *
 * Rows are sorted by shard and series, cut into records of about a page's worth of plain
 * values and encoded, a shard or a slice of one at a time, into private memory: all that
 * costs time or may fail happens before any lock is taken. Then the records go to the
 * pages of one of the shard's logs, as many as one WAL record takes (TS_EDIT_PAGES pages)
 * at a time:
 *
 *	1. learn the log's end; see that the directory maps the pages wanted; pin them; start
 *	   the edit
 *	2. lock the log's slot; if others have moved the end beyond the pages pinned, or the
 *	   slot was forgotten, start over
 *	3. ask for serialization conflicts; lock the pages; copy the records into them; write
 *	   WAL
 *	4. copy the records' entries into hot memory (ts_hot.h), for which memory was reserved
 *	   before all this, if there was some; publish the new end; unlock
 *
 * When somebody else has locked the slot, in 1 or 2, the next one of the shard's logs is
 * tried; when all are locked, the other shards. Only then one waits. All records of a
 * shard go to the log that the first one went to: they may have one number, and then their
 * order counts.
 *
 * The question about conflicts is asked under the slot's lock because a reader takes its
 * SIREAD lock before it fixes the log's end: either its lock is there when we ask, or it
 * finds our records and asks about us.
 *
 * What always holds: up to ts_edit_finish() nothing is changed, and it does not fail; so
 * an error leaves the log and the slot's end as they were, and what was appended by this
 * call before belongs to a transaction that aborts.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/predicate.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "log_internal.h"
#include "serve_stats.h"
#include "ts_hot.h"
#include "ts_series.h"
#include "ts_stop.h"

/*
 * Bytes of records after which those of a shard are appended before more are encoded: any
 * number of rows can be appended. Little where assertions are checked, so that tests meet
 * it.
 */
#ifdef USE_ASSERT_CHECKING
#define SLICE_BYTES (128 * 1024)
#else
#define SLICE_BYTES (32 * 1024 * 1024)
#endif

/* Records of a shard on their way into one of its logs. */
typedef struct Append
{
	Relation rel;
	const TsTable *table;
	int shard;
	int log;
	TsStream stream; /* of the log */
	TsSlotKey key;
	bool began;       /* something is in the log: the rest goes there, too */
	const char *next; /* the first record that is not in the log yet */
	const char *end;
	char *hot;     /* its entry of hot memory; NULL: records have none */
	bool reserved; /* there is memory for the entries of the next edit */
	int64 records; /* appended so far, to be counted ... */
	int64 bytes;   /* ... and their bytes */
} Append;

/* The pages for the next edit, pinned. */
typedef struct Target
{
	uint64 first; /* ordinal */
	int count;
	Buffer buffers[TS_EDIT_PAGES];
	TsRun runs[TS_EDIT_PAGES]; /* that the pages are in */
} Target;

/* ---- order ---- */

/* The digit that pass 0..3 sorts by is a byte of the series; pass 4 sorts by shard. */
static inline uint32
sort_digit(const TsTable *table, uint32 series, int pass)
{
	return pass < 4 ? (series >> (8 * pass)) & 0xFF
					: (uint32) ts_series_shard(table, series);
}

/* A stable pass of a radix sort. */
static void
sort_pass(const TsTable *table, const TsRows *rows, const uint32 *from, uint32 *to,
		  uint32 n, int pass)
{
	uint32 places[256] = {0};
	uint32 place = 0;

	StaticAssertStmt(TS_MAX_SHARDS <= 256, "a shard is a digit");
	for (uint32 k = 0; k < n; k++)
		places[sort_digit(table, rows->series[from[k]], pass)]++;
	for (int d = 0; d < 256; d++)
	{
		uint32 size = places[d];

		places[d] = place;
		place += size;
	}
	for (uint32 k = 0; k < n; k++)
		to[places[sort_digit(table, rows->series[from[k]], pass)]++] = from[k];
}

/*
 * The rows' order by shard, series and place in the given order: by series so that
 * columns have runs to compress, stable because later rows win. palloc'd.
 */
static uint32 *
sort_rows(const TsTable *table, const TsRows *rows, const uint32 *order, uint32 n)
{
	uint32 *sorted = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint32));
	uint32 *other = NULL;
	uint32 differs = 0;
	bool ascending = true;

	for (uint32 k = 0; k < n; k++)
	{
		sorted[k] = order != NULL ? order[k] : k;
		if (k > 0)
		{
			uint32 before = rows->series[sorted[k - 1]];
			uint32 here = rows->series[sorted[k]];

			differs |= before ^ here;
			ascending = ascending && before <= here;
		}
	}
	if (differs == 0)
		return sorted;

	other = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint32));
	for (int pass = ascending ? 4 : 0; pass < 5; pass++)
	{
		uint32 *swap = sorted;

		if (pass < 4 ? (differs >> (8 * pass) & 0xFF) == 0 : table->shards == 1)
			continue;
		sort_pass(table, rows, sorted, other, n, pass);
		sorted = other;
		other = swap;
	}
	pfree(other);
	return sorted;
}

/* ---- records ---- */

/*
 * How many of the rows from `from` on make a record, by the bound of its size: close to a
 * page if there are so many. `guess` is where to begin.
 */
static uint32
rows_for_record(const TsRows *rows, const uint32 *order, uint32 from, uint32 left,
				uint32 guess)
{
	uint32 count = Min(Min(left, LOG_RECORD_ROWS), Max(guess, 1));
	Size bound = ts_log_record_bound(rows, order, from, count);

	while (bound > TS_PAGE_ROOM && count > 1)
	{
		uint32 scaled = (uint32) ((Size) count * TS_PAGE_ROOM / bound);

		count = Max(Min(scaled, count - 1), 1);
		bound = ts_log_record_bound(rows, order, from, count);
	}
	while (count < left && count < LOG_RECORD_ROWS && bound < TS_PAGE_ROOM / 2)
	{
		uint32 most = Min(left, LOG_RECORD_ROWS);
		uint32 scaled = (uint32) Min((Size) count * TS_PAGE_ROOM / bound, most);
		uint32 more = Min(Max(scaled, count + 1), most);

		bound = ts_log_record_bound(rows, order, from, more);
		if (bound > TS_PAGE_ROOM)
			break;
		count = more;
	}
	return count;
}

/* What one call keeps from shard to shard. */
typedef struct Batch
{
	const TsRows *rows;
	TsLogEncoder *encoder;
	TransactionId xid;
	CommandId cid;
	uint64 number;
	uint32 guess;         /* rows of the last record */
	StringInfoData bytes; /* the records of a slice */
	StringInfoData hot;   /* their entries of hot memory ... */
	bool has_hot;         /* ... if all have some */
	Size hot_before;      /* what the shard's entries took in slices before */
	long patience;        /* for waiting for it */
} Batch;

/* Encodes a slice of a shard's rows; returns how many these are. */
static uint32
encode_slice(Batch *batch, const uint32 *order, uint32 n)
{
	uint32 from = 0;

	resetStringInfo(&batch->bytes);
	resetStringInfo(&batch->hot);
	batch->has_hot = ts_hot_enabled() && batch->hot_before <= ts_hot_limit();
	while (from < n && batch->bytes.len < SLICE_BYTES)
	{
		uint32 count = rows_for_record(batch->rows, order, from, n - from, batch->guess);

		batch->guess = count;
		if (!ts_log_encode(batch->encoder, order, from, count, batch->xid, batch->cid,
						   batch->number, &batch->bytes,
						   batch->has_hot ? &batch->hot : NULL))
			elog(ERROR, "a row does not fit a log record");
		if (batch->hot_before + batch->hot.len > ts_hot_limit())
			batch->has_hot = false;
		from += count;
	}
	batch->hot_before += batch->hot.len;
	return from;
}

static inline uint32
record_space(const char *record)
{
	return LogRecordSpace(((const LogRecordHeader *) record)->length);
}

/* ---- pages ---- */

/* Where a record goes that is appended at a position: there, or to the next page. */
static TsLogPos
place_for(TsLogPos end, uint32 space)
{
	if (ts_log_offset(end) + space > TS_PAGE_ROOM)
		return ts_log_pos(ts_log_ordinal(end) + 1, 0);
	return end;
}

/* How many pages, up to an edit's worth, the records take from a place on. */
static int
pages_wanted(const Append *append, TsLogPos place)
{
	uint64 first = ts_log_ordinal(place);
	const char *next = append->next;

	while (next < append->end)
	{
		uint32 space = record_space(next);

		place = place_for(place, space);
		if (ts_log_ordinal(place) - first >= TS_EDIT_PAGES)
			return TS_EDIT_PAGES;
		place += space;
		next += space;
	}
	return (int) (ts_log_ordinal(place) - first) + 1;
}

/* Finds the runs of the target's pages; the directory is made to map them. */
static void
find_runs(const Append *append, const TsRun *known, Target *target)
{
	TsDirectory *dir = NULL;

	for (int i = 0; i < target->count; i++)
	{
		uint64 ordinal = target->first + i;

		if (ordinal >= known->first && ordinal - known->first < known->count)
		{
			target->runs[i] = *known;
			continue;
		}
		if (dir == NULL)
		{
			ts_pages_extend_stream(append->rel, append->table, append->stream, ordinal,
								   target->first + target->count);
			dir = ts_pages_directory(append->rel, append->table, append->stream);
		}
		target->runs[i] = ts_log_find_run(dir, ordinal);
		if (target->runs[i].count == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("directory of relation \"%s\" lacks page " UINT64_FORMAT
							" of the log of shard %d",
							RelationGetRelationName(append->rel), ordinal, append->shard),
					 errhint("Restore the table from a backup.")));
	}
	if (dir != NULL)
		pfree(dir);
}

/* Finds the log's end, and makes the log if it is not the shard's first one. */
static bool
find_end(const Append *append, bool wait, TsLogEnd *end)
{
	if (!ts_log_find_end(append->rel, append->table, append->log, wait, end))
		return false;
	if (append->log == append->shard || end->run.count > 0)
		return true;
	ts_pages_extend_stream(append->rel, append->table, append->stream, 0, 1);
	return ts_log_find_end(append->rel, append->table, append->log, wait, end);
}

/* Chooses and pins the pages for the next edit; false when the log is locked. */
static bool
pin_target(const Append *append, bool wait, Target *target)
{
	TsLogEnd end;
	TsLogPos place;

	if (!find_end(append, wait, &end))
		return false;
	place = place_for(end.end, record_space(append->next));
	target->first = ts_log_ordinal(place);
	target->count = pages_wanted(append, place);
	find_runs(append, &end.run, target);
	for (int i = 0; i < target->count; i++)
	{
		const TsRun *in = &target->runs[i];
		BlockNumber block = in->block + (BlockNumber) (target->first + i - in->first);

		target->buffers[i] = ts_pages_pin(append->rel, block);
	}
	return true;
}

static void
unpin_target(Target *target)
{
	for (int i = 0; i < target->count; i++)
		ReleaseBuffer(target->buffers[i]);
}

/* The place in the target of a position's page; -1 when it is not pinned. */
static int
target_index(const Target *target, TsLogPos place)
{
	uint64 ordinal = ts_log_ordinal(place);

	if (ordinal < target->first || ordinal - target->first >= (uint64) target->count)
		return -1;
	return (int) (ordinal - target->first);
}

/*
 * Takes into the edit the records from append->next to `end`, which go to a page of the
 * target from a place in it on.
 */
static void
fill_page(const Append *append, TsSlot *slot, TsEdit *edit, const Target *target,
		  TsLogPos place, const char *end)
{
	Buffer buffer = target->buffers[target_index(target, place)];
	uint64 ordinal = ts_log_ordinal(place);
	uint32 offset = ts_log_offset(place);
	uint32 length = (uint32) (end - append->next);

	if (offset == 0)
	{
		Page page = ts_edit_lock(edit, buffer, append->stream, ordinal, true);

		memcpy(TsPageData(page), append->next, length);
		TsPageSetLength(page, length);
	}
	else if (!ts_edit_append(edit, buffer, append->stream, ordinal, offset, append->next,
							 length))
	{
		ts_shared_forget(slot);
		ts_stream_damaged(append->rel, BufferGetBlockNumber(buffer),
						  "a log page does not end where the log does");
	}
}

/*
 * Takes records into the edit, from the slot's end on, as many as fit into the pages of
 * the target, and returns the new end.
 */
static TsLogPos
fill_pages(Append *append, TsSlot *slot, TsEdit *edit, const Target *target)
{
	TsLogPos end = slot->end;

	while (append->next < append->end)
	{
		TsLogPos place = place_for(end, record_space(append->next));
		const char *next = append->next;

		if (target_index(target, place) < 0)
			break;
		end = place;
		while (next < append->end && place_for(end, record_space(next)) == end)
		{
			uint32 space = record_space(next);

			if (append->hot != NULL)
				append->hot = ts_hot_place(append->hot, end);
			end += space;
			next += space;
			append->records++;
		}
		fill_page(append, slot, edit, target, place, next);
		append->next = next;
	}
	return end;
}

/* Writes what goes into one WAL record, with the slot locked, and publishes it. */
static void
write_some(Append *append, TsSlot *slot, TsEdit *edit, const Target *target)
{
	const char *hot = append->hot;
	PgStat_Counter wal_writes = PendingWalStats.wal_buffers_full;
	TsLogPos end;

	CheckForSerializableConflictIn(append->rel, NULL, InvalidBlockNumber);
	end = fill_pages(append, slot, edit, target);
	TS_STOP_LOCKED("append-before-wal");
	ts_edit_finish(edit);
	TS_STOP_LOGGED("append-after-wal");
	Assert(end > slot->end);
	if (PendingWalStats.wal_buffers_full != wal_writes)
		ts_shared_wrote_wal(slot);
	if (append->reserved)
		ts_hot_append(slot, end, hot, append->hot);
	slot->end = end;
	if (slot->aux[LOG_PENDING_SINCE] == 0 ||
		(slot->aux[LOG_PENDING_SINCE] & LOG_ALL_SEALED) != 0)
		slot->aux[LOG_PENDING_SINCE] = (uint64) GetCurrentStatementStartTimestamp();
	slot->run = target->runs[target_index(target, end)];
}

/*
 * One round: appends what goes into one WAL record, or nothing if others were faster.
 * Returns false when somebody else has locked the log, unless told to wait.
 */
static bool
append_some(Append *append, bool wait)
{
	Target target;
	TsEdit *edit;
	TsSlot *slot;
	uint64 ticket;
	bool appended = false;

	if (!wait && ts_log_seems_busy())
		return false;
	if (!pin_target(append, wait, &target))
		return false;
	edit = ts_edit_start(append->rel, append->table);
	slot = wait ? ts_shared_lock(&append->key, LW_EXCLUSIVE, &ticket)
				: ts_shared_try_lock(&append->key, LW_EXCLUSIVE, &ticket);
	if (slot != NULL)
	{
		TsLogPos place = place_for(slot->end, record_space(append->next));

		appended = slot->ready && target_index(&target, place) >= 0;
		if (appended)
			write_some(append, slot, edit, &target);
		ts_shared_unlock(slot);
	}
	if (!appended)
		ts_edit_give_up(edit);
	unpin_target(&target);
	return slot != NULL;
}

static void
use_log(Append *append, int i)
{
	append->log = ts_log_of(append->table, append->shard, i);
	append->stream = ts_log_stream(append->table, append->log);
	ts_slot_key(&append->key, append->table, append->stream);
}

/*
 * The first round, in the first log that is free; which one is free may change. Returns
 * false when none is, unless told to wait.
 */
static bool
append_first(Append *append, bool wait)
{
	for (int i = 0; i < TS_SHARD_LOGS; i++)
	{
		use_log(append, i);
		if (append_some(append, false))
			return true;
	}
	if (!wait)
		return false;
	use_log(append, MyProc->pgprocno % TS_SHARD_LOGS);
	return append_some(append, true);
}

/* Bytes of the entries of the records that go into one edit, at most. */
static Size
hot_wanted(const Append *append)
{
	const char *next = append->next;
	const char *hot = append->hot;
	TsLogPos place = 0;

	while (next < append->end)
	{
		uint32 space = record_space(next);

		place = place_for(place, space);
		if (ts_log_ordinal(place) >= TS_EDIT_PAGES)
			break;
		place += space;
		next += space;
		hot += ts_hot_length(hot);
	}
	return (Size) (hot - append->hot);
}

/* Appends a slice; false when nothing of the shard is in a log yet, and all are locked. */
static bool
append_slice(Append *append, Batch *batch, bool wait)
{
	append->next = batch->bytes.data;
	append->end = batch->bytes.data + batch->bytes.len;
	append->hot = batch->has_hot ? batch->hot.data : NULL;
	while (append->next < append->end)
	{
		CHECK_FOR_INTERRUPTS();
		append->reserved = append->hot != NULL &&
						   ts_hot_reserve(hot_wanted(append), &batch->patience);
		if (append->began)
			(void) append_some(append, true);
		else if (!append_first(append, wait))
			return false;
		append->began |= append->next > batch->bytes.data;
		TS_STOP("append-between-edits");
	}
	return true;
}

/* Appends rows of one shard, or, unless told to wait, none: false. */
static bool
append_rows(Relation rel, const TsTable *table, int shard, Batch *batch,
			const uint32 *order, uint32 n, bool wait)
{
	Append append = {.rel = rel, .table = table, .shard = shard};

	batch->hot_before = 0;
	for (uint32 from = 0; from < n;)
	{
		from += encode_slice(batch, order + from, n - from);
		if (!append_slice(&append, batch, wait))
			return false;
		append.bytes += batch->bytes.len;
	}
	serve_count(STAT_LOG_RECORDS, append.records);
	serve_count(STAT_LOG_BYTES, append.bytes);
	return true;
}

/*
 * Appends rows that are sorted by shard. Shards whose logs are all locked come last, when
 * they may be free again.
 */
static void
append_shards(Relation rel, const TsTable *table, Batch *batch, uint32 *sorted, uint32 n,
			  bool wait)
{
	uint32 late = 0;
	uint32 count;

	for (uint32 from = 0; from < n; from += count)
	{
		int shard = ts_series_shard(table, batch->rows->series[sorted[from]]);

		for (count = 1; from + count < n; count++)
		{
			if (ts_series_shard(table, batch->rows->series[sorted[from + count]]) !=
				shard)
				break;
		}
		if (append_rows(rel, table, shard, batch, sorted + from, count, wait))
			continue;
		memmove(sorted + late, sorted + from, count * sizeof(uint32));
		late += count;
	}
	if (late > 0)
		append_shards(rel, table, batch, sorted, late, true);
}

static int64 append_time;

int64
ts_log_append_time(void)
{
	return append_time;
}

static void
count_time(instr_time start)
{
	int64 elapsed = serve_elapsed(start);

	append_time += elapsed;
	serve_count(STAT_LOG_APPEND_US, elapsed);
}

void
ts_log_append(Relation rel, const TsTable *table, const TsRows *rows, const uint32 *order,
			  uint32 n, TransactionId xid, CommandId cid, uint64 number)
{
	MemoryContext context;
	MemoryContext old;
	Batch batch = {.rows = rows,
				   .xid = xid,
				   .cid = cid,
				   .number = number,
				   .patience = TS_HOT_PATIENCE};
	instr_time start;

	Assert(order != NULL || n == rows->n);
	Assert(TransactionIdIsNormal(xid));
	if (IsParallelWorker())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("rows cannot be added to relation \"%s\" during a parallel "
						"operation",
						RelationGetRelationName(rel))));
	if (n == 0)
		return;

	INSTR_TIME_SET_CURRENT(start);
	context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb log append",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	batch.guess = Min(n, LOG_RECORD_ROWS);
	batch.encoder = ts_log_encoder_create(context, table, rows, batch.guess);
	initStringInfo(&batch.bytes);
	initStringInfo(&batch.hot);
	append_shards(rel, table, &batch, sort_rows(table, rows, order, n), n, false);
	ts_hot_unreserve();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	count_time(start);
}
