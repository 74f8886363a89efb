/*
 * exec_parallel.h
 *	  How parallel workers evaluate a part of a query.
 *
 * A *series-local* subtree is one whose operators make one series of each series of the one
 * selector below: selectors, range functions, functions of numbers, arithmetic with scalars
 * that do not read. A gather operator may stand above such a subtree. When its first series
 * is asked for, it starts workers, each of which parses the query again, plans the same
 * subtree, and evaluates it for its part of the series: the list of series, which the leader
 * has found, is cut into blocks, and the workers take them in turns. Each of them sends its
 * series in order through a queue of its own, and the leader takes them from the queues in
 * turns. So it gives the very same series in the very same order as the subtree itself
 * would, and whatever is above computes the same to the last bit. Annotations come before the
 * series from which they come, what was measured for EXPLAIN comes last.
 *
 * While there are workers the backend is in parallel mode, in which it must not write. As
 * the query may be a part of a statement that does, or a loop of a function may, workers
 * live within one call of pq_next_result() only: an aggregation above reads all that the
 * gather operator gives at once, or pq_next_result() reads the whole result.
 *
 * A transaction's own rows are appended to the logs before, where workers see them.
 */
#ifndef PROMQL_EXEC_PARALLEL_H
#define PROMQL_EXEC_PARALLEL_H

#include "postgres.h"

#include "storage/condition_variable.h"

#include "exec_internal.h"

#define PQ_BLOCK_SERIES 1 /* that a worker takes at a time */

/* What a worker has to know; in shared memory, with the text, ids and queues beside it. */
typedef struct PqTask
{
	Oid source;
	bool instant;
	int64 start;
	int64 end;
	int64 step;
	int64 lookback;
	bool analyze;
	Size text_length;
	int node; /* the subtree's top, in the order of pq_for_children() */
	PqSteps steps;
	Size max_memory; /* of a worker */
	int64 max_samples;
	uint32 nseries;
	Size queue_size;
	ConditionVariable known;  /* when `workers` is */
	pg_atomic_uint32 workers; /* 0: not known yet */
} PqTask;

enum
{
	PQ_KEY_TASK = 1,
	PQ_KEY_TEXT,
	PQ_KEY_IDS,
	PQ_KEY_QUEUES
};

/* How a message begins. */
typedef enum PqMessageKind
{
	PQ_MESSAGE_EMPTY,      /* a series without values */
	PQ_MESSAGE_FLOATS,     /* `present`, `values` */
	PQ_MESSAGE_HISTOGRAMS, /* and, for each value, a histogram's size (0: a float;
							* PQ_SAME_HISTOGRAM) and bytes */
	PQ_MESSAGE_NOTES,      /* new annotations, before the series that they come from */
	PQ_MESSAGE_END         /* the peak of memory, measurements, all annotations */
} PqMessageKind;

typedef struct PqMessage
{
	PqMessageKind kind;
	uint32 n; /* steps */
} PqMessage;

#define PQ_SAME_HISTOGRAM PG_UINT32_MAX /* as at the step before that has one */

/* What was measured of an operator; those of a subtree come in the order of children. */
typedef struct PqMeasured
{
	uint64 samples;
	double seconds;
	Size memory;
	TsScanStats stats; /* of selectors */
} PqMeasured;

extern PGDLLEXPORT void pq_parallel_worker(dsm_segment *segment, shm_toc *toc);

#endif /* PROMQL_EXEC_PARALLEL_H */
