/*
 * promql_exec.h
 *	  Running a PromQL query: what SQL's promql(), the API's functions and the server call.
 *
 * pq_prepare() parses and plans and reads no data (EXPLAIN prepares and no more), pq_next_result()
 * runs. Errors: 42601 (with the position in errposition's terms in the detail) for what does not
 * parse, 22023 for bad parameters, class 22 and 54 for failures of evaluation, 53200 beyond the
 * memory budget.
 *
 * The caller's role needs SELECT on the source's columns; row security that applies to it is
 * refused (42501). The source's lock is kept until the transaction ends.
 */
#ifndef PROMQL_EXEC_PUBLIC_H
#define PROMQL_EXEC_PUBLIC_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "promql_ast.h"
#include "ts_histogram.h"
#include "ts_table.h"

typedef struct PqRequest
{
	const char *text;
	Size len;
	Oid source; /* a table USING mytsdb with labels, time, value[, histogram, start_time] */
	bool instant; /* at `start` */
	TimestampTz start;
	TimestampTz end;
	int64 step;     /* microseconds, of whole milliseconds, > 0 unless instant */
	int64 lookback; /* microseconds; 0: mytsdb.promql_lookback */
	bool analyze;   /* measure operators */
} PqRequest;

typedef struct PqQuery PqQuery;

/* mytsdb.promql_lookback, in milliseconds. */
extern int64 pq_default_lookback(void);

/* Lives in a child of `parent`, and is gone with it. */
extern PqQuery *
pq_prepare(const PqRequest *request, Snapshot snapshot, MemoryContext parent);
extern PqType pq_result_type(const PqQuery *query);
/* Of type string: its text. */
extern TsString pq_result_string(const PqQuery *query);

/* One series of the result: its labels (a payload) and its points in order of time. */
typedef struct PqResult
{
	TsString labels;
	uint32 n;
	const int64 *times; /* as timestamptz */
	const double *values;
	const TsHistogram *const *histograms; /* NULL: none; else NULL where a float */
} PqResult;

/*
 * The next series that has any point, names removed where they are to be, no two series with
 * the same labels at the same time. `sorted`: in order of labels, as the API gives ranges
 * (holds the whole result); else as they come; an instant vector's order is the language's
 * (sort(), topk()). Stays until the next call. Say the same `sorted` at every call.
 */
extern bool pq_next_result(PqQuery *query, bool sorted, PqResult *result);

/* Annotations so far, "PromQL warning: ..." and "PromQL info: ...", in order. */
extern int pq_warnings(const PqQuery *query, const char *const **texts);
extern int pq_infos(const PqQuery *query, const char *const **texts);

/* What EXPLAIN shows of the operators, and what `stats` of the API wants. */
struct ExplainState;
extern void pq_explain(PqQuery *query, struct ExplainState *es);
typedef struct PqTotals
{
	uint64 series;
	uint64 samples; /* that selectors read */
	int64 peak_samples;
	Size peak_memory;
	double seconds;
} PqTotals;
extern void pq_totals(const PqQuery *query, PqTotals *totals);
/* For the planner: rows of the result, from the table's statistics and the label index. */
extern double pq_estimate_rows(PqQuery *query);

extern void pq_end(PqQuery *query);

/* What the settings allow in expressions. */
extern PqParseOptions pq_parse_options(void);

/* ---- series by selectors, for the API and for selectors of queries ---- */

/*
 * Ids, ascending, of the series that a list of matchers selects: by the label index, and
 * the tail's keys one by one. palloc'd. The caller has called ts_scan_admit().
 */
extern uint32 *pq_select_series(Relation rel, const TsTable *table, Snapshot snapshot,
								const TsMatcher *matchers, int nmatchers, uint32 *count);

/* ---- samples as they are stored, for remote read (exec_stored.c) ---- */

/*
 * A source, and the samples of those of its series that were selected last. They are given
 * as they came in: stale markers are among them, hints of resets are not changed. Rights are
 * those that a query needs.
 */
typedef struct PqStored PqStored;

typedef struct PqStoredSample
{
	int64 time; /* milliseconds since 1970; a time has one sample */
	double value;
	const TsHistogram *histogram; /* NULL: a float. Stays until the call after the next */
	int place;                    /* where it is kept */
} PqStoredSample;

/* Lives in a child of the current context. */
extern PqStored *pq_stored_open(Oid source, Snapshot snapshot);
/* Times are milliseconds since 1970, both inclusive. */
extern void pq_stored_select(PqStored *stored, const TsMatcher *matchers, int nmatchers,
							 int64 time_min, int64 time_max);
/* The next series that has samples, in no order of labels; these stay until the next call. */
extern bool pq_stored_next_series(PqStored *stored, TsString *labels);
/* The next sample of the series; times ascend. The others may be left. */
extern bool pq_stored_next(PqStored *stored, PqStoredSample *sample);
extern void pq_stored_close(PqStored *stored);

/* What one query may take, in bytes: mytsdb.query_memory. */
extern Size pq_memory_limit(void);

#endif /* PROMQL_EXEC_PUBLIC_H */
