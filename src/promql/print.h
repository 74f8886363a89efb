/*
 * print.h
 *	  What the printers of PromQL's expressions share: a text that is first measured and
 *	  then written, and the pieces that expressions are made of.
 *
 *	print.c			expressions on one line, and promql_print()
 *	print_pretty.c	the same over several lines, where one would be long
 *	print_json.c	trees as JSON
 */
#ifndef PRINT_H
#define PRINT_H

#include "promql_ast.h"

/*
 * Where a text goes. Without memory it is only measured, and what lies beyond the limit may
 * be left out; when it is written the limit is the size of that memory.
 */
typedef struct PqWriter
{
	char *out; /* NULL: measure */
	size_t len;
	size_t limit;
	TsArena *arena; /* for what has to be sorted */
	bool failed;    /* no memory */
} PqWriter;

#define pq_writer_is_full(writer) ((writer)->len > (writer)->limit || (writer)->failed)

extern void promql_put(PqWriter *writer, const char *text);
extern void promql_put_bytes(PqWriter *writer, const char *text, size_t len);
extern void promql_put_number(PqWriter *writer, double value);

/* Writes an expression on one line. */
extern void promql_put_expression(PqWriter *writer, const PqNode *node);

/* Writes parts of one. */
extern void promql_put_left(PqWriter *writer, const PqNode *binary);
extern void promql_put_matching(PqWriter *writer, const PqNode *binary);
extern void promql_put_grouping(PqWriter *writer, const PqNode *aggregate);
extern void promql_put_subquery_range(PqWriter *writer, const PqNode *subquery);

/* Writes an expression, broken where it is long. */
extern void promql_put_pretty(PqWriter *writer, const PqNode *node, int level);

/* Measures and writes with the same function; NULL when there is no room. */
typedef void (*PqPut)(PqWriter *writer, const PqNode *node);
extern char *promql_write_text(const PqNode *node, PqPut put, TsArena *arena);

#endif /* PRINT_H */
