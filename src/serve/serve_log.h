/*
 * serve_log.h
 *	  Lines of the server's log: what they are made of.
 *
 * A message is one line of words followed by name=value pairs, so that people read it as
 * it is and machines take it apart, also as the "message" of log_destination = jsonlog.
 * Values come from clients: whatever is not a plain word is quoted, and what could be
 * taken for something else (line breaks, control characters, quotes, bytes that are not
 * UTF-8) is escaped, as in JSON, or as \xNN.
 */
#ifndef SERVE_LOG_H
#define SERVE_LOG_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "ts_base.h"

/* No value is longer than this in a log: the rest is cut off, and "..." says so. */
#define LOG_VALUE_SIZE 1024

/* Adds " name=value". */
extern void log_value(StringInfo line, const char *name, TsString value);
extern void log_text(StringInfo line, const char *name, const char *value);
extern void log_number(StringInfo line, const char *name, int64 value);

/*
 * The audit trail: "mytsdb audit: ACTION name=value ...", always logged. Who does what is
 * among the pairs. Begin, add pairs, and end; the line is freed.
 */
extern void log_audit_begin(StringInfo line, const char *action);
extern void log_audit_end(StringInfo line);

/* Logs a line that is complete, without statement and context. */
extern void log_line(const char *line);

#endif /* SERVE_LOG_H */
