/*
 * ts_table.h
 *	  What the engine knows of a table: which columns it has and what they are for, and
 *	  the identity of its storage.
 *
 * A TsTable is built from the relation's descriptor, the options in pg_class.reloptions
 * and the metapage. It is kept in rd_amcache; ts_table_get() hands out a copy, so that
 * one in use does not change when the relation's cache entry is rebuilt.
 *
 * Vocabulary: the columns that identify a series are its *key*, in the order in which
 * series_by names them; one column is the *time*; all others are *values*. Times are
 * int64 inside: microseconds for timestamptz and timestamp, days for date (so infinite
 * times are the extremes of the column's own type, widened).
 */
#ifndef TS_TABLE_H
#define TS_TABLE_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/relfilenode.h"
#include "utils/relcache.h"

#define TS_MAX_SHARDS 256

/* How values of a column are kept in vectors of Datum and in encoded columns. */
typedef enum TsColumnKind
{
	TS_COLUMN_NONE,    /* dropped */
	TS_COLUMN_FLOAT8,  /* the Datum is the double's bit pattern */
	TS_COLUMN_FLOAT4,  /* the Datum is a Float4GetDatum */
	TS_COLUMN_INT,     /* any other type passed by value: its 1, 2, 4 or 8 bytes as a
						* signed integer */
	TS_COLUMN_FIXED,   /* by reference, `length` bytes */
	TS_COLUMN_VARLENA, /* attlen -1: detoasted, uncompressed; stored without its header */
	TS_COLUMN_CSTRING, /* attlen -2: stored without its NUL */
	TS_COLUMN_HISTOGRAM /* of the type histogram: as VARLENA, but stored as columns of its
						 * numbers where that is shorter */
} TsColumnKind;

typedef enum TsColumnRole
{
	TS_ROLE_VALUE,
	TS_ROLE_KEY,
	TS_ROLE_TIME
} TsColumnRole;

typedef struct TsColumn
{
	Oid type; /* the base type, when the column's is a domain */
	int16 length;
	bool byval;
	char align;
	uint8 kind;  /* TsColumnKind */
	uint8 role;  /* TsColumnRole */
	bool summed; /* a number that min, max and sum are kept of: int2, int4, int8,
				  * float4, float8 */
} TsColumn;

typedef struct TsTable
{
	Oid relid;
	TupleDesc desc; /* the descriptor it was built from; NULL: the relation's own */
	RelFileNode node;
	uint64 storage;       /* storage id, at most PG_INT64_MAX: never reused */
	TransactionId writer; /* who wrote the rewritten storage; invalid: nobody special */
	int shards;
	bool replace;    /* duplicates = replace */
	bool labels_key; /* the key is one column of type labels */
	AttrNumber time_column;
	Oid time_type; /* TIMESTAMPTZOID, TIMESTAMPOID or DATEOID */
	int natts;
	int nkeys;
	AttrNumber keys[INDEX_MAX_KEYS];         /* nkeys, in the order of series_by */
	TsColumn columns[FLEXIBLE_ARRAY_MEMBER]; /* natts; attnum n is columns[n - 1] */
} TsTable;

/* A copy of what is known of an open relation USING mytsdb, palloc'd. */
extern TsTable *ts_table_get(Relation rel);
/*
 * The same for the columns that a descriptor describes: ALTER TABLE, when it rewrites,
 * reads rows as they were, while the relation's descriptor is the new one already. The
 * descriptor must stay.
 */
extern TsTable *ts_table_get_as(Relation rel, TupleDesc desc);

/*
 * Value of an attribute that rows with fewer columns lack. By reference, it points into
 * the descriptor.
 */
extern Datum
ts_missing_value(Relation rel, const TsTable *table, AttrNumber attnum, bool *isnull);

/* A time column's value to and from the engine's time. */
extern int64 ts_table_time(const TsTable *table, Datum value);
extern Datum ts_table_time_datum(const TsTable *table, int64 time);
/* The engine's time for a timestamptz, by the session's time zone where it matters. */
extern int64 ts_table_time_from_timestamptz(const TsTable *table, TimestampTz time);

/* Whether the access method of the relation (its pg_am row) is ours. */
extern bool ts_table_is_ours(Relation rel);
extern bool
ts_table_oid_is_ours(Oid relid);  /* false also when there is no such relation */
extern Oid ts_table_am_oid(void); /* InvalidOid when there is no such access method */

/* ---- options, as pg_class.reloptions has them ---- */

#define TS_OPTION_NAMESPACE "mytsdb"

typedef struct TsOptions
{
	List *series_by;         /* of char *: column names; NIL: one series */
	const char *time_column; /* NULL: the one column that can be it */
	bool replace;
	int shards;            /* 0: by the number of processors */
	const char *retention; /* an interval's text; NULL: for ever */
} TsOptions;

/*
 * Reads the options out of the text array of pg_class.reloptions ((Datum) 0: none);
 * elements outside our namespace are passed over. Raises an error for a name or a value
 * that is none of ours.
 */
extern void ts_options_parse(Datum reloptions, TsOptions *options);
/* Whether there is such an option (without its namespace). */
extern bool ts_options_is_name(const char *name);
/* Raises an error unless there is. */
extern void ts_options_check_name(const char *name);
/* The options of a relation: those in its pg_class row, or the pending ones. */
extern void ts_options_read(Oid relid, TsOptions *options);
/* Whether an element of reloptions ("name=value") is one of ours. */
extern bool ts_options_is_ours(const char *element);
/* Shards that a new storage gets. */
extern int ts_options_shards(const TsOptions *options);
/* Which columns are time and key. */
typedef struct TsKeyColumns
{
	AttrNumber time_column;
	int nkeys;
	AttrNumber keys[INDEX_MAX_KEYS]; /* nkeys, in the order of series_by */
} TsKeyColumns;

/*
 * Finds that out. Raises an error when a column is missing, named twice or cannot be what
 * it is to be, or when there are none or several columns that could be the time and none
 * is named.
 */
extern void
ts_options_resolve(const TsOptions *options, TupleDesc desc, TsKeyColumns *columns);

/*
 * While a table is being created its options are not in pg_class yet, and rows may
 * already come in (CREATE TABLE AS). They are pending for this relation then; reloptions
 * must stay until it is InvalidOid again.
 */
extern void ts_options_set_pending(Oid relid, Datum reloptions);

#endif /* TS_TABLE_H */
