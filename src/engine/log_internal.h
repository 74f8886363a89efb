/*
 * log_internal.h
 *	  What the files of the log share with each other only.
 *
 * log_record.c		one record: its bytes written, checked and taken apart
 * log_append.c		rows to records to pages
 * log_end.c		where a log ends
 * log_read.c		records, and rows out of them
 * log_freeze.c		transaction ids
 *
 * Hot memory (ts_hot.h) holds the newest records a second time, decoded.
 */
#ifndef LOG_INTERNAL_H
#define LOG_INTERNAL_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "ts_column.h"
#include "ts_log.h"
#include "ts_pages.h"
#include "ts_shared.h"

#include "log_format.h"

/*
 * In a slot's aux: when the first record was appended that no seal has covered; 0: none
 * was, or it is not known. After a seal that left nothing, its time, and a flag: it may be
 * rolled back, and then the records wait anew.
 */
#define LOG_PENDING_SINCE 0
#define LOG_ALL_SEALED    (UINT64CONST(1) << 63)
/* `most` of the slot of a shard's first log is how many logs the shard has. */

/* ---- log_record.c ---- */

/* Rows of a record at most. */
#define LOG_RECORD_ROWS 1024

/* Bytes that surely hold a record of rows order[from .. from + count). */
extern Size
ts_log_record_bound(const TsRows *rows, const uint32 *order, uint32 from, uint32 count);

typedef struct TsLogEncoder TsLogEncoder;

/* Encodes records of up to `room` rows. All memory is in the context. */
extern TsLogEncoder *ts_log_encoder_create(MemoryContext context, const TsTable *table,
										   const TsRows *rows, uint32 room);
/*
 * Appends the record of rows order[from .. from + count) to *out, with the zeros that
 * follow it, and, unless hot is NULL, its entry of hot memory to *hot. Returns false, and
 * leaves both as they were, when it does not fit a page.
 */
extern bool ts_log_encode(TsLogEncoder *encoder, const uint32 *order, uint32 from,
						  uint32 count, TransactionId xid, CommandId cid, uint64 number,
						  StringInfo out, StringInfo hot);

/*
 * Checks the record at `offset` of a page's content, of which only what is before
 * `limit` is looked at. Returns NULL and says in *problem what is wrong if it is none.
 */
extern LogRecordHeader *
ts_log_check_record(char *content, uint32 offset, uint32 limit, const char **problem);

typedef struct TsLogPart
{
	const char *data;
	uint32 length;
} TsLogPart;

typedef struct TsLogParts
{
	TsLogPart series;
	TsLogPart times;
	TsLogPart numbers; /* with LOG_HAS_NUMBERS */
} TsLogParts;

/*
 * Takes a checked record apart; columns has room for its natts. Returns NULL, or what is
 * wrong.
 */
extern const char *
ts_log_take_apart(const LogRecordHeader *record, TsLogParts *parts, TsLogPart *columns);

/* ---- log_read.c ---- */

/*
 * The places of those of n rows, ascending by series, that a filter wants, into `wanted`,
 * which has room for all; returns how many there are.
 */
extern uint32 ts_log_choose_rows(const TsRowFilter *filter, const uint32 *series,
								 const int64 *times, uint32 n, uint32 *wanted);

/* ---- log_end.c ---- */

/* Where a log ends, as its slot or its pages say. */
typedef struct TsLogEnd
{
	TsLogPos end;
	TsRun run;      /* that the end is in; count 0: the log has not been made */
	int shard_logs; /* of a shard's first log: how many the shard has */
} TsLogEnd;

/* Returns false when somebody else has locked the slot, unless told to wait. */
extern bool
ts_log_find_end(Relation rel, const TsTable *table, int log, bool wait, TsLogEnd *found);
/* The run that holds an ordinal; count 0 when none does. */
extern TsRun ts_log_find_run(const TsDirectory *dir, uint64 ordinal);

#endif /* LOG_INTERNAL_H */
