/*
 * promql_rows.h
 *	  What the files behind promql() share: a PromQL query as rows of (labels, time, value,
 *	  histogram).
 *
 * There are two ways to the same rows: the function itself (promql_function.c), which works
 * wherever SQL may call it, and a custom scan (promql_plan.c, promql_scan.c), which the
 * planner makes of a call in FROM.
 */
#ifndef PROMQL_ROWS_H
#define PROMQL_ROWS_H

#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/primnodes.h"
#include "utils/hsearch.h"
#include "utils/snapshot.h"

#include "promql_exec.h"

enum
{
	PROMQL_LABELS,
	PROMQL_TIME,
	PROMQL_VALUE,
	PROMQL_HISTOGRAM,
	PROMQL_COLUMNS
};

/* The arguments of a call with one time: query, at, source; and with a range: query, start,
 * end, step, source. */
#define PROMQL_INSTANT_ARGS 3
#define PROMQL_RANGE_ARGS   5

/* ---- promql_rows.c ---- */

/*
 * The annotations that were shown already: each is raised once a statement, also where the
 * query is run again and again. All zeros: none. Lives in `context`.
 */
typedef struct PromqlNotes
{
	MemoryContext context;
	HTAB *shown; /* their texts; NULL: none were */
} PromqlNotes;

typedef struct PromqlRows PromqlRows;

/*
 * Prepares the query that a call's arguments, none of which is null, ask for; reads
 * nothing. Lives in a child of the current context; the notes and the snapshot must stay.
 */
extern PromqlRows *promql_rows_begin(const Datum *args, int nargs, Snapshot snapshot,
									 bool analyze, PromqlNotes *notes);
/* By-reference values stay until the next call. */
extern bool promql_rows_next(PromqlRows *rows, Datum *values, bool *nulls);
extern PqQuery *promql_rows_query(const PromqlRows *rows);
/* Also raises what annotations there are. */
extern void promql_rows_end(PromqlRows *rows);

/* ---- promql_function.c ---- */

/* Whether a function is promql(), in either form, and a call of it just runs it. */
extern bool promql_is_function(Oid function);

/* ---- promql_plan.c ---- */

extern void promql_plan_init(void);

/* ---- promql_scan.c ---- */

/* Of a plan's custom_private. */
enum
{
	PROMQL_SCAN_FUNCTION, /* list of its OID */
	PROMQL_SCAN_NAMES     /* of the columns of whole rows; NIL: there are none */
};

extern const CustomScanMethods promql_scan_methods;

#endif /* PROMQL_ROWS_H */
