/*
 * ts_report.h
 *	  Where the pure C modules meet the server: their errors become ereport(), their
 *	  memory comes from a memory context.
 */
#ifndef TS_REPORT_H
#define TS_REPORT_H

#include "postgres.h"

#include "ts_base.h"

/*
 * Raises an error report. A syntax error, or one of meaning, becomes an error with
 * the given SQLSTATE whose message is what and the (beginning of the) text, and whose
 * detail says why, with line and column if the report has them. A limit is
 * program_limit_exceeded, lack of memory out_of_memory, whatever sqlstate is.
 */
extern void ts_report(const TsError *err, int sqlstate, const char *what,
					  const char *text, size_t len) pg_attribute_noreturn();

/* The same for a report that can only be of a limit or of memory. */
extern void ts_report_limit(const TsError *err) pg_attribute_noreturn();

/* The text, or its beginning if it is long: for messages. Allocated by palloc(). */
extern char *ts_shown_text(const char *text, size_t len);

/*
 * An allocator on a memory context. It returns NULL when memory is short and so never
 * jumps out of a library that would be left in disorder.
 */
extern TsAllocator ts_context_allocator(MemoryContext context);

#endif /* TS_REPORT_H */
