/*
 * exec_worker.c
 *	  A parallel worker's side of parallel evaluation (exec_parallel.h).
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/shm_mq.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "exec_parallel.h"

/* ---- the part ---- */

/* How many workers there are; the leader knows it soon. */
static uint32
wait_for_workers(PqTask *task)
{
	uint32 workers;

	ConditionVariablePrepareToSleep(&task->known);
	while ((workers = pg_atomic_read_u32(&task->workers)) == 0)
		ConditionVariableSleep(&task->known, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	return workers;
}

/* The series of this worker, in order. */
static void
take_part(PqExec *exec, const PqTask *task, const uint32 *ids, uint32 workers)
{
	uint32 *part = MemoryContextAllocHuge(exec->context,
										  sizeof(uint32) * Max(task->nseries, 1));
	uint32 n = 0;

	for (uint32 i = 0; i < task->nseries; i++)
	{
		if (i / PQ_BLOCK_SERIES % workers == (uint32) ParallelWorkerNumber)
			part[n++] = ids[i];
	}
	exec->parallel->ids = part;
	exec->parallel->nids = n;
}

typedef struct Search
{
	int left; /* nodes to pass over */
	const PqNode *found;
} Search;

static void
search_node(const PqNode *node, void *arg)
{
	Search *search = arg;

	if (search->left-- == 0)
		search->found = node;
	pq_for_children(node, search_node, search);
}

/* Plans the subtree. Of labels, only names are looked at, by annotations. */
static PqOperator *
plan(PqExec *exec, const PqTask *task)
{
	PqNeeds needs = {NULL, 0};
	Search search = {task->node, NULL};

	search_node(exec->root, &search);
	Assert(search.found != NULL);
	exec->parallel->within = true;
	pq_planner_share_nothing(exec);
	return pq_plan_itself(exec, search.found, &task->steps, &needs, false);
}

/* ---- messages ---- */

/* Returns false when the leader is gone, or wants no more. */
static bool
send_message(shm_mq_handle *queue, const shm_mq_iovec *parts, int n, bool flush)
{
	return shm_mq_sendv(queue, unconstify(shm_mq_iovec *, parts), n, false, flush) ==
		   SHM_MQ_SUCCESS;
}

static void
write_histograms(const PqVector *v, uint32 n, StringInfo out)
{
	const TsHistogram *last = NULL;

	resetStringInfo(out);
	for (uint32 i = 0; i < n; i++)
	{
		const TsHistogram *h = pq_has(v, i) ? v->histograms[i] : NULL;
		uint32 size = h == NULL   ? 0
					  : h == last ? PQ_SAME_HISTOGRAM
								  : (uint32) ts_histogram_encoded_size(h);

		if (!pq_has(v, i))
			continue;
		appendBinaryStringInfo(out, (const char *) &size, sizeof(size));
		if (h == NULL || h == last)
			continue;
		enlargeStringInfo(out, (int) size);
		ts_histogram_encode(h, out->data + out->len);
		out->len += (int) size;
		last = h;
	}
}

static bool
send_series(shm_mq_handle *queue, const PqVector *v, uint32 n, StringInfo buffer)
{
	PqMessage message = {PQ_MESSAGE_FLOATS, n};
	shm_mq_iovec parts[4] = {
		{(const char *) &message, sizeof(message)},
		{(const char *) v->present, sizeof(uint64) * PQ_WORDS(n)},
		{(const char *) v->values, sizeof(double) * n},
	};

	if (pq_vector_count(v, n) == 0)
	{
		message.kind = PQ_MESSAGE_EMPTY;
		return send_message(queue, parts, 1, false);
	}
	if (v->histograms == NULL)
		return send_message(queue, parts, 3, false);
	message.kind = PQ_MESSAGE_HISTOGRAMS;
	write_histograms(v, n, buffer);
	parts[3].data = buffer->data;
	parts[3].len = (Size) buffer->len;
	return send_message(queue, parts, 4, false);
}

/* Sends the annotations that came with a series; *sent were sent before. */
static bool
send_notes(shm_mq_handle *queue, const PqExec *exec, int *sent, StringInfo buffer)
{
	PqMessage message = {PQ_MESSAGE_NOTES, 0};
	shm_mq_iovec parts[2] = {{(const char *) &message, sizeof(message)}};

	if (*sent == pq_annotations_count(exec))
		return true;
	resetStringInfo(buffer);
	pq_annotations_write(exec, *sent, buffer);
	*sent = pq_annotations_count(exec);
	parts[1].data = buffer->data;
	parts[1].len = (Size) buffer->len;
	return send_message(queue, parts, 2, false);
}

static void
write_measured(const PqOperator *op, StringInfo out)
{
	PqMeasured measured;

	memset(&measured, 0, sizeof(measured));
	measured.samples = op->samples;
	measured.seconds = op->seconds;
	measured.memory = op->memory;
	if (op->reads)
		measured.stats = ((const PqSelecting *) op)->selection.stats;
	appendBinaryStringInfo(out, (const char *) &measured, sizeof(measured));
	for (int i = 0; i < op->nchildren; i++)
		write_measured(op->children[i], out);
}

static void
send_end(shm_mq_handle *queue, const PqExec *exec, const PqOperator *op,
		 StringInfo buffer)
{
	PqMessage message = {PQ_MESSAGE_END, 0};
	shm_mq_iovec parts[2] = {{(const char *) &message, sizeof(message)}};

	resetStringInfo(buffer);
	appendBinaryStringInfo(buffer, (const char *) &exec->budget->peak, sizeof(Size));
	write_measured(op, buffer);
	pq_annotations_write(exec, 0, buffer);
	parts[1].data = buffer->data;
	parts[1].len = (Size) buffer->len;
	send_message(queue, parts, 2, true);
}

/* ---- the worker ---- */

static shm_mq_handle *
attach_queue(dsm_segment *segment, shm_toc *toc, const PqTask *task)
{
	char *queues = shm_toc_lookup(toc, PQ_KEY_QUEUES, false);
	shm_mq *queue = (shm_mq *) (queues + ParallelWorkerNumber * task->queue_size);

	shm_mq_set_sender(queue, MyProc);
	return shm_mq_attach(queue, segment, NULL);
}

static PqQuery *
begin_query(shm_toc *toc, const PqTask *task)
{
	PqRequest request = {.text = shm_toc_lookup(toc, PQ_KEY_TEXT, false),
						 .len = task->text_length,
						 .source = task->source,
						 .instant = task->instant,
						 .start = task->start,
						 .end = task->end,
						 .step = task->step,
						 .lookback = task->lookback,
						 .analyze = task->analyze};
	PqQuery *query = pq_begin(&request, GetActiveSnapshot(), CurrentMemoryContext);

	query->exec.max_memory = task->max_memory;
	query->exec.max_samples = task->max_samples;
	return query;
}

void
pq_parallel_worker(dsm_segment *segment, shm_toc *toc)
{
	PqTask *task = shm_toc_lookup(toc, PQ_KEY_TASK, false);
	shm_mq_handle *queue = attach_queue(segment, toc, task);
	uint32 workers = wait_for_workers(task);
	PqQuery *query = begin_query(toc, task);
	PqExec *exec = &query->exec;
	MemoryContext caller = MemoryContextSwitchTo(exec->context);
	bool wanted = true;
	int notes = 0;
	StringInfoData buffer;
	PqOperator *op;

	initStringInfo(&buffer);
	take_part(exec, task, shm_toc_lookup(toc, PQ_KEY_IDS, false), workers);
	op = plan(exec, task);
	query->root = op;
	pq_open(op);
	Assert(op->nseries == exec->parallel->nids);
	while (wanted && op->given < op->nseries)
	{
		PqVector v;

		pq_next(op, &v);
		wanted = send_notes(queue, exec, &notes, &buffer) &&
				 send_series(queue, &v, op->steps.n, &buffer);
	}
	pq_close(op);
	if (wanted)
		send_end(queue, exec, op, &buffer);
	MemoryContextSwitchTo(caller);
	pq_end(query);
	shm_mq_detach(queue);
}
