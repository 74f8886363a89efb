/*
 * ts_buffer.h
 *	  The private buffer: a backend's own rows that are in no log yet.
 *
 * Rows wait in runs. A run is rows of one storage, one subtransaction, one command and
 * one number of columns, with the xid of that subtransaction, which is assigned when the
 * run begins. A backend merges its runs into its own scans (a run is visible when its
 * command is before the snapshot's), and appends them to the logs
 *
 * - before commit and before PREPARE (all that is left of a transaction may then carry
 *   the top transaction's xid and one command: nobody can look any more),
 * - when all runs together exceed mytsdb.buffer_memory (1 MB),
 * - before every utility statement but those that cannot matter.
 *
 * A run that grows beyond that within one command (COPY, CREATE TABLE AS, REFRESH, a
 * rewrite, a long INSERT ... SELECT) is *bulk*: it may take up to mytsdb.bulk_memory, and
 * leaves as sealed blocks, written in the command that made it, after everything that came
 * before it was appended. A row too big for a log record leaves the same way, at once.
 *
 * Rows leave in the order in which they came, and take their numbers as they leave.
 * Nothing is discarded but by abort of the run's (sub)transaction and by a truncate of a
 * storage made in the same subtransaction.
 */
#ifndef TS_BUFFER_H
#define TS_BUFFER_H

#include "postgres.h"

#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "ts_rows.h"
#include "ts_table.h"

/*
 * Adds a row; values[attnum - 1] are all of the table's columns. A NULL time is an error.
 * Resolves the series, which may be made.
 */
extern void
ts_buffer_insert(Relation rel, CommandId cid, const Datum *values, const bool *isnull);
/*
 * The same for many rows whose series are known (ts_series.h), in a table whose time is a
 * timestamp: vectors as ts_rows_put_vectors() takes them, of all the table's
 * columns (values[attnum - 1]; those of key and time columns are not looked at).
 */
extern void ts_buffer_insert_vectors(Relation rel, CommandId cid, const uint32 *series,
									 const int64 *times, Datum *const *values,
									 bool *const *nulls, uint32 count);
/*
 * Appends everything unless there is room for so many bytes. Who asks before he inserts
 * has no bulk runs.
 */
extern void ts_buffer_make_room(Size bytes);
/* The command that filled a bulk run ends (COPY, rewrites: finish_bulk_insert;
 * the end of an executor run): bulk runs of this command leave as sealed blocks. The rows
 * of a rewrite's new relation leave in any case. */
extern void ts_buffer_end_command(CommandId cid);
/* Appends everything. */
extern void ts_buffer_flush(void);
/* Discards the rows of a storage that this subtransaction made. */
extern void ts_buffer_discard(const TsTable *table);
/* Whether rows wait for a storage. */
extern bool ts_buffer_has_rows(const TsTable *table);

/* A run as a scan sees it: rows below `n` at the time of pinning do not change or move
 * away while it is pinned. */
typedef struct TsBufferRun
{
	TsRows *rows;
	uint32 n;
	CommandId cid;
} TsBufferRun;

typedef struct TsBufferPin TsBufferPin;
/*
 * Pins the runs of a storage that the snapshot sees, in the order they came; they stay,
 * unchanged, until unpinned, or until the current memory context is reset or the
 * transaction ends. NULL when there are none; unpinning takes NULL, too.
 */
extern TsBufferPin *
ts_buffer_pin(const TsTable *table, Snapshot snapshot, TsBufferRun **runs, int *nruns);
extern void ts_buffer_unpin(TsBufferPin *pin);

#endif /* TS_BUFFER_H */
