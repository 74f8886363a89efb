/*
 * promql_sql.h
 *	  PromQL's arguments in SQL: how text, timestamptz, interval and regclass become a
 *	  request. For all that SQL can call: promql() (src/exec) and the API (src/promql).
 *
 * What is wrong raises 22023 with a hint, before anything is read.
 */
#ifndef PROMQL_SQL_H
#define PROMQL_SQL_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "promql_exec.h"

/*
 * An interval in microseconds: of whole milliseconds, and without months, whose length is
 * not fixed (a day is 24 hours). `what` names it in messages.
 */
extern int64 pq_interval(const Interval *interval, const char *what);

/* The text must stay as long as the request. */
extern void
pq_instant_request(PqRequest *request, const text *query, TimestampTz at, Oid source);
extern void pq_range_request(PqRequest *request, const text *query, TimestampTz start,
							 TimestampTz end, const Interval *step, Oid source);

/*
 * The first of a source's times that is not before a timestamptz, and the last that is not
 * behind it. Times without a zone are taken as UTC.
 */
extern int64 pq_engine_time_from(const TsTable *table, TimestampTz time);
extern int64 pq_engine_time_to(const TsTable *table, TimestampTz time);

/*
 * Parses an expression, with what the settings allow; raises 42601 for what is none.
 */
extern PqNode *pq_parse(const char *query, Size len, TsArena *arena);

#endif /* PROMQL_SQL_H */
