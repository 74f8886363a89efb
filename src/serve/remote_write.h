/*
 * remote_write.h
 *	  What the parts of mytsdb.remote_write() (remote_write*.c) offer each other.
 */
#ifndef REMOTE_WRITE_H
#define REMOTE_WRITE_H

#include "postgres.h"

#include "utils/relcache.h"

#include "ts_remote_write.h"

/* ---- remote_write_table.c: rows into a table USING mytsdb ---- */

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

typedef struct WriteTable WriteTable;

/*
 * Opens a table for rows of samples, or of exemplars, and keeps it locked until the end of
 * the transaction. Raises an error when the caller may not insert into it, or when it has
 * what a row that comes this way would pass by.
 */
extern WriteTable *write_table_open(Oid relid, bool exemplars);
extern bool write_table_has(const WriteTable *table, WriteColumn column);
/* Sets a column of the rows that follow, if the table has it; it must not be freed. */
extern void write_table_set(WriteTable *table, WriteColumn column, Datum value);
extern void write_table_set_null(WriteTable *table, WriteColumn column);
/*
 * The rows that follow are of a series that the backend knows by these bytes, which say
 * what its labels are (see ts_series_by_alias()): false if it does not, or if the table
 * wants labels in its rows. Then the labels are to be set.
 */
extern bool write_table_find_series(WriteTable *table, TsString alias);
/* Sets the labels of the rows that follow, and has them known by these bytes. */
extern void write_table_set_series(WriteTable *table, Datum labels, TsString alias);
extern void write_table_put(WriteTable *table);
extern void write_table_close(WriteTable *table);

/* Whether a relation can take exemplars: a table of another kind may have the name. */
extern bool write_is_exemplars(Oid relid);

/* What opens them: locked for writing until the end of the transaction. */
extern Relation write_relation_open(Oid relid);
/* Raises an error if a row that comes in past the executor would miss a trigger or a rule. */
extern void write_refuse_what_fires(Relation rel);

/* ---- remote_write_metadata.c ---- */

typedef struct WriteMetadata WriteMetadata;

/* Collects what a request says of metrics; what it says last of each counts. Strings
 * are not copied. More bytes than the limit are an error. */
extern WriteMetadata *write_metadata_begin(Size limit);
extern void
write_metadata_add(WriteMetadata *all, TsString metric, const TsWriteMetadata *metadata);
/* Whether a relation can take it: (metric, type, unit, help text, updated timestamptz). */
extern bool write_is_metadata(Oid relid);
/* Writes to it what has changed. */
extern void write_metadata_end(WriteMetadata *all, Oid relid);

#endif /* REMOTE_WRITE_H */
