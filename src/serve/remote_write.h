/*
 * remote_write.h
 *	  What the parts of remote write (remote_write*.c, ingest*.c) offer each other.
 *
 * A request is written in two steps. *Parsing* reads all of it, as the role that sends it:
 * privileges, labels, times and histograms are looked at, series are found or made, and
 * what is to be written is collected as columns. Whatever is wrong with a request comes
 * out there, with nothing written (a series that was made stays, but without rows nobody
 * sees it). *Applying* puts these columns into the private buffer. In between a
 * subtransaction may end: a parsed request has relations locked, but none open.
 *
 * What a message says, but is not allowed, is an error; or, where a request is to be
 * written in part, it is *refused* and the rest is written: a series for its labels, a
 * sample for its time or its histogram, an exemplar, metadata. Bytes that are no such
 * message, and limits of the request as a whole, are errors in any case.
 */
#ifndef REMOTE_WRITE_H
#define REMOTE_WRITE_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"

#include "ts_remote_write.h"
#include "ts_table.h"

/* ---- remote_write_target.c: which columns a table has, and whether it may be written ---- */

typedef enum WriteColumn
{
	WRITE_LABELS,
	WRITE_TIME,
	WRITE_VALUE,
	WRITE_HISTOGRAM,
	WRITE_START_TIME,
	WRITE_EXEMPLAR,
	WRITE_RECEIVED,
	WRITE_COLUMNS
} WriteColumn;

typedef struct WriteTarget
{
	Oid relid;
	AttrNumber attnums[WRITE_COLUMNS]; /* Invalid: the table does not have it */
	/*
	 * Set when rows need no more than to be written and their labels are all of their key:
	 * then labels need not be known where the series is. Else rows are put one by one.
	 */
	TsTable *plain;
} WriteTarget;

static inline bool
write_target_has(const WriteTarget *target, WriteColumn column)
{
	return target->attnums[column] != InvalidAttrNumber;
}

/*
 * Opens a table for rows of samples, or of exemplars, and keeps it locked until the end of
 * the transaction. Raises an error when the current role may not insert into it, or when
 * it has what a row that comes this way would pass by.
 */
extern Relation write_target_open(Oid relid, bool exemplars, WriteTarget *target);
/* The table as an INSERT's range table has it. */
extern RangeTblEntry *write_target_entry(const WriteTarget *target);
/* What is written into a column, or -1. */
extern int write_column_of(const WriteTarget *target, AttrNumber attnum);
/* What a column that nothing is written into gets; NULL: NULL, which is fine. */
extern Expr *write_column_default(Relation rel, Form_pg_attribute att);

/* Whether a relation can take exemplars: a table of another kind may have the name. */
extern bool write_is_exemplars(Oid relid);

/* A relation by a number that may be anybody's, locked until the end of the transaction. */
extern Relation write_relation_open(Oid relid);
/*
 * Raises an error if a row that comes in past the executor would miss a trigger or a rule;
 * or, where rows are updated as well, if that would run one.
 */
extern void write_refuse_what_fires(Relation rel, bool updates);

/* ---- remote_write_rows.c: rows of a request, collected ---- */

/* Rows of a series that is not known yet: its id, when there is one, goes to all of them. */
typedef struct WritePending
{
	TsString key;
	TsFingerprint print;
	uint32 first;
	uint32 end;
} WritePending;

/*
 * Rows for a table, as columns. A column has an array from its first value on, and flags
 * from its first null on.
 */
typedef struct WriteRows
{
	WriteTarget target;
	Relation rel; /* while being collected */
	MemoryContext context;
	Size bytes; /* of what was allocated for single values */
	uint32 n;
	uint32 room;
	uint32 *series; /* of plain targets ... */
	Datum *labels;  /* ... of others */
	TimestampTz *times;
	Datum *values[WRITE_COLUMNS];
	bool *nulls[WRITE_COLUMNS];
	uint32 used;    /* columns that have values: bits */
	bool any_nulls; /* one of them has flags */
	/* of the rows that follow */
	uint32 series_now;
	Datum labels_now;
	WritePending *pending;
	uint32 npending;
	uint32 pending_room;
	bool is_pending; /* the last one is the series that rows come for */
} WriteRows;

/* Opens the table. All memory is of the current context. */
extern void write_rows_begin(WriteRows *rows, Oid relid, bool exemplars);
/* A series of this fingerprint is about to be looked for. */
extern void write_rows_will_find(const WriteRows *rows, TsFingerprint print);
/* The rows that follow are of the series of this fingerprint; false: it is not known. */
extern bool write_rows_find_series(WriteRows *rows, TsFingerprint print);
/* They are of a series with these labels, which are copied; false: it cannot be a key. */
extern bool
write_rows_set_series(WriteRows *rows, struct varlena *labels, TsFingerprint print);
/* Memory for a value of a row, which counts as the request's. */
extern void *write_rows_alloc(WriteRows *rows, Size size);
/* Adds a row; values[] has those of the columns whose bits are set. */
extern void
write_rows_put(WriteRows *rows, TimestampTz time, const Datum *values, uint32 columns);
/* Adds rows with values alone, at most so many. */
#define WRITE_ROWS_AT_ONCE 256
extern void write_rows_put_values(WriteRows *rows, const TimestampTz *times,
								  const double *values, uint32 count);
/* Takes back all rows but the first n. */
extern void write_rows_forget(WriteRows *rows, uint32 n);
/* All rows are there: finds or makes the series that are not known; closes the table. */
extern void write_rows_end(WriteRows *rows);

/* ---- remote_write_table.c ---- */

/*
 * Puts rows into their table, as the current role. Unless bulk is allowed, they go to its
 * logs however many they are.
 */
extern void write_rows_apply(const WriteRows *rows, bool bulk);

/* ---- remote_write_metadata.c ---- */

typedef struct WriteMetadata WriteMetadata;

/* Collects what a request says of metrics; what it says last of each counts. Strings
 * are not copied. More bytes than the limit are an error. */
extern WriteMetadata *write_metadata_begin(Size limit);
extern void
write_metadata_add(WriteMetadata *all, TsString metric, const TsWriteMetadata *metadata);
/* How many metrics something is said of. */
extern int64 write_metadata_count(const WriteMetadata *all);
/* Whether a relation can take it: (metric, type, unit, help text, updated timestamptz). */
extern bool write_is_metadata(Oid relid);
/* Raises an error unless the current role may write there. Stays locked. */
extern void write_metadata_check(Oid relid);
/* Writes to it what has changed. */
extern void write_metadata_apply(WriteMetadata *all, Oid relid);

/* ---- remote_write_known.c: metadata that need not be looked at ---- */

/* What is said of a series: fingerprints. */
typedef struct WriteSaid
{
	TsFingerprint series;
	TsFingerprint metadata;
} WriteSaid;

typedef struct WriteKnown
{
	WriteSaid *said; /* NULL: none yet */
	uint32 n;
	uint32 room;
} WriteKnown;

/*
 * Whether this is what was written of the series last, by this process and not long ago.
 * `table` is the one that samples are for.
 */
extern bool write_known_metadata(Oid table, const WriteSaid *said);
/* It is to be known when it is committed. */
extern void write_add_known(WriteKnown *new, Oid table, const WriteSaid *said);
/* What was to be known has been committed. */
extern void write_remember_metadata(const WriteKnown *new);

/* ---- requests (remote_write_parse.c, remote_write_collect.c) ---- */

/* What of a request was not written, although the rest was. */
typedef struct WriteRefusals
{
	int64 count;
	int64 samples;       /* that are lost; histograms, too; of OTLP: points */
	int64 others;        /* exemplars and metadata */
	StringInfoData text; /* the first few refusals, a line each */
	int shown;           /* how many these are */
} WriteRefusals;

typedef struct WriteRequest
{
	/* given */
	Oid target;
	TimestampTz received;
	bool partial;  /* what is valid is to be written where not all is */
	bool remember; /* metadata that was written before need not be looked at */
	/* parsed */
	WriteRows samples;
	WriteRows exemplars;
	bool has_exemplars; /* there are some, and a table for them */
	WriteMetadata *metadata;
	Oid metadata_table;        /* InvalidOid: none for it, or there is none */
	WriteKnown known;          /* to be remembered when it is committed */
	struct OtlpDeltas *deltas; /* NULL: none */
	int64 nsamples;
	int64 nhistograms;
	int64 nexemplars;
	int64 npoints; /* of OTLP, that these are made of */
	WriteRefusals refused;
} WriteRequest;

/* The largest size of a request when decompressed, in bytes. */
extern Size write_max_size(void);
/*
 * Parses a message, as the current role. All memory is of the current context; the
 * message must stay until the request is applied.
 */
extern void
write_parse(WriteRequest *request, TsWriteVersion version, const void *data, size_t size);
/* Writes a parsed request, as the current role. */
extern void write_apply(const WriteRequest *request, bool bulk);

/* ---- remote_write.c: functions that write a request ---- */

/* Of a function (body bytea, content type, content encoding, target). */
typedef struct WriteArguments
{
	TsString body;
	TsString type; /* empty: NULL, or '' */
	TsString encoding;
} WriteArguments;

#define WRITE_RESULT_COLUMNS 5

typedef struct WriteFunction
{
	const char *name;    /* for messages: "mytsdb.remote_write()", ... */
	const char *what;    /* "a remote write request", ... */
	const char *request; /* "remote write request" */
	void (*parse)(const WriteArguments *arguments, WriteRequest *request);
	/* Sets what the result has behind samples, histograms and exemplars; may be NULL. */
	void (*add_results)(const WriteRequest *request, Datum *values, bool *isnull);
} WriteFunction;

/* Parses the arguments' request, writes it, and returns what was written as a row. */
extern Datum write_call(FunctionCallInfo fcinfo, const WriteFunction *function);
extern void write_refuse_arguments(const TsError *err) pg_attribute_noreturn();
extern void write_refuse_body(const WriteFunction *function, const TsError *err)
	pg_attribute_noreturn();

#endif /* REMOTE_WRITE_H */
