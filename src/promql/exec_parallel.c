/*
 * exec_parallel.c
 *	  The leader's side of parallel evaluation: the gather operator (exec_parallel.h).
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "storage/shm_mq.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "exec_parallel.h"
#include "ts_buffer.h"

#define MIN_WORKERS    2 /* as the leader only collects */
#define MIN_QUEUE_SIZE ((Size) 64 * 1024)
#define MAX_QUEUE_SIZE ((Size) 4 * 1024 * 1024)
#define MIN_MEMORY     ((Size) 8 * 1024 * 1024)

/* What a step of a series may take in a worker, with all that operators make of it. */
#define FLOAT_STEP_BYTES     256
#define HISTOGRAM_STEP_BYTES 4096

typedef struct SeriesGather
{
	PqOperator op;
	bool drained; /* whoever is above reads all series at once */
	bool decided;
	int wanted; /* workers */
	int launched;
	ParallelContext *context; /* not NULL: there are workers */
	shm_mq_handle **queues;
} SeriesGather;

/* ---- whether ---- */

static bool
is_local_function(PqFunctionId id)
{
	switch (id)
	{
		case PQ_FN_CLAMP:
		case PQ_FN_CLAMP_MAX:
		case PQ_FN_CLAMP_MIN:
		case PQ_FN_ROUND:
		case PQ_FN_TIMESTAMP:
		case PQ_FN_START_TIMESTAMP:
		case PQ_FN_DAY_OF_MONTH:
		case PQ_FN_DAY_OF_WEEK:
		case PQ_FN_DAY_OF_YEAR:
		case PQ_FN_DAYS_IN_MONTH:
		case PQ_FN_HOUR:
		case PQ_FN_MINUTE:
		case PQ_FN_MONTH:
		case PQ_FN_YEAR:
		case PQ_FN_HISTOGRAM_AVG:
		case PQ_FN_HISTOGRAM_COUNT:
		case PQ_FN_HISTOGRAM_SUM:
		case PQ_FN_HISTOGRAM_STDDEV:
		case PQ_FN_HISTOGRAM_STDVAR:
			return true;
		default:
			return id <= PQ_FN_TANH;
	}
}

static bool is_local(const PqExec *exec, const PqNode *node);

static bool
is_local_call(const PqExec *exec, const PqNode *node)
{
	const PqNode *reading = NULL;

	StaticAssertStmt(PQ_FN_ABS == 0 && PQ_FN_TANH < PQ_FN_CLAMP,
					 "functions of one number come first");
	for (int i = 0; i < node->u.call.nargs; i++)
	{
		const PqNode *arg = node->u.call.args[i];

		if (arg->type == PQ_TYPE_STRING)
			continue;
		if (arg->type == PQ_TYPE_SCALAR ? pq_reads_data(arg) : reading != NULL)
			return false;
		if (arg->type != PQ_TYPE_SCALAR)
			reading = arg;
	}
	if (reading == NULL)
		return false;
	if (reading->type == PQ_TYPE_MATRIX)
		return node->u.call.function->id != PQ_FN_ABSENT_OVER_TIME &&
			   is_local(exec, reading);
	return is_local_function(node->u.call.function->id) && is_local(exec, reading);
}

bool
pq_is_local(const PqExec *exec, const PqNode *node)
{
	switch (node->kind)
	{
		case PQ_SELECTOR:
			return true;
		case PQ_SUBQUERY:
			return is_local(exec, node->u.subquery.expr);
		case PQ_UNARY:
			return is_local(exec, node->u.unary.expr);
		case PQ_BINARY:
			if (node->u.binary.left->type == PQ_TYPE_SCALAR)
				return !pq_reads_data(node->u.binary.left) &&
					   is_local(exec, node->u.binary.right);
			return node->u.binary.right->type == PQ_TYPE_SCALAR &&
				   !pq_reads_data(node->u.binary.right) &&
				   is_local(exec, node->u.binary.left);
		case PQ_CALL:
			return is_local_call(exec, node);
		default:
			return false;
	}
}

static bool
is_local(const PqExec *exec, const PqNode *node)
{
	check_stack_depth();
	node = pq_strip(node);
	return node->type != PQ_TYPE_SCALAR && !pq_is_shared(exec, node) &&
		   pq_is_local(exec, node);
}

static int
wanted_workers(void)
{
	return pq_settings.workers >= 0 ? pq_settings.workers
									: max_parallel_workers_per_gather;
}

PqSelecting *
pq_find_selector(PqOperator *op)
{
	if (op->reads)
		return (PqSelecting *) op;
	for (int i = 0; i < op->nchildren; i++)
	{
		PqSelecting *found = pq_find_selector(op->children[i]);

		if (found != NULL)
			return found;
	}
	return NULL;
}

/* Samples that the subtree will read, about. */
static double
estimate_samples(const PqOperator *op, const PqSelection *selection)
{
	TsTableSize size;
	double part = 1;

	ts_table_size(op->exec->rel, &size);
	if (size.time_max > size.time_min)
		part = ((double) selection->time_max - (double) selection->time_min) /
			   ((double) size.time_max - (double) size.time_min);
	return op->nseries * Min(part, 1) * size.rows / Max(size.series, 1);
}

/* The most steps that an operator of a subtree has. */
static uint32
most_steps(const PqOperator *op)
{
	uint32 most = op->steps.n;

	for (int i = 0; i < op->nchildren; i++)
		most = Max(most, most_steps(op->children[i]));
	return most;
}

/*
 * As many workers as have room for what they hold of a series: what one process can do
 * within the query's memory must not fail for want of it in workers.
 */
static int
affordable_workers(const SeriesGather *gather)
{
	const PqExec *exec = gather->op.exec;
	double row = (double) most_steps(&gather->op) *
				 (exec->histogram_column != 0 ? HISTOGRAM_STEP_BYTES : FLOAT_STEP_BYTES);

	return (int) Min((double) gather->wanted, (double) exec->max_memory / row - 1);
}

static bool
is_worth_while(const SeriesGather *gather)
{
	const PqOperator *op = &gather->op;
	const PqParallel *parallel = op->exec->parallel;
	const PqSelecting *selecting = pq_find_selector(op->children[0]);

	/* others of our own gather operators may have workers already */
	if ((IsInParallelMode() && parallel->active == 0) || IsParallelWorker() ||
		!(gather->drained || parallel->at_once) || selecting == NULL ||
		selecting->op.nseries != op->nseries ||
		op->nseries < MIN_WORKERS * PQ_BLOCK_SERIES ||
		affordable_workers(gather) < MIN_WORKERS)
		return false;
	return estimate_samples(op, &selecting->selection) >= pq_settings.parallel_samples;
}

/* ---- starting workers ---- */

typedef struct Search
{
	const PqNode *node;
	int at;
	int found;
} Search;

static void
search_node(const PqNode *node, void *arg)
{
	Search *search = arg;

	if (node == search->node)
		search->found = search->at;
	search->at++;
	pq_for_children(node, search_node, search);
}

static Size
queue_size(const PqOperator *op)
{
	Size size = (Size) op->steps.n * sizeof(double) * PQ_BLOCK_SERIES * 2;

	return MAXALIGN(Min(Max(size, MIN_QUEUE_SIZE), MAX_QUEUE_SIZE));
}

static void
fill_task(const PqOperator *op, int workers, PqTask *task)
{
	const PqExec *exec = op->exec;
	Search search = {op->node, 0, -1};

	search_node(exec->root, &search);
	Assert(search.found >= 0);
	memset(task, 0, sizeof(PqTask));
	task->source = RelationGetRelid(exec->rel);
	task->instant = exec->instant;
	task->start = exec->steps.start;
	task->end = exec->end;
	task->step = exec->steps.step;
	task->lookback = exec->lookback;
	task->analyze = exec->analyze;
	task->text_length = exec->len;
	task->node = search.found;
	task->steps = op->steps;
	task->max_memory = Max(exec->max_memory / (workers + 1), MIN_MEMORY);
	task->max_samples = exec->max_samples;
	task->nseries = op->nseries;
	task->queue_size = queue_size(op);
	ConditionVariableInit(&task->known);
	pg_atomic_init_u32(&task->workers, 0);
}

static void
estimate_memory(ParallelContext *context, const PqOperator *op)
{
	shm_toc_estimator *estimator = &context->estimator;

	shm_toc_estimate_chunk(estimator, sizeof(PqTask));
	shm_toc_estimate_chunk(estimator, op->exec->len + 1);
	shm_toc_estimate_chunk(estimator, mul_size(sizeof(uint32), op->nseries));
	shm_toc_estimate_chunk(estimator, mul_size(queue_size(op), context->nworkers));
	shm_toc_estimate_keys(estimator, 4);
}

/* Puts all that workers need into shared memory, and makes their queues. */
static PqTask *
fill_memory(SeriesGather *gather, ParallelContext *context)
{
	const PqOperator *op = &gather->op;
	const PqSelecting *selecting = pq_find_selector(op->children[0]);
	shm_toc *toc = context->toc;
	PqTask *task = shm_toc_allocate(toc, sizeof(PqTask));
	char *text = shm_toc_allocate(toc, op->exec->len + 1);
	uint32 *ids = shm_toc_allocate(toc, sizeof(uint32) * op->nseries);
	char *queues;

	fill_task(op, context->nworkers, task);
	memcpy(text, op->exec->text, op->exec->len + 1);
	memcpy(ids, selecting->selection.ids, sizeof(uint32) * op->nseries);
	queues = shm_toc_allocate(toc, task->queue_size * context->nworkers);
	for (int i = 0; i < context->nworkers; i++)
		shm_mq_set_receiver(
			shm_mq_create(queues + i * task->queue_size, task->queue_size), MyProc);
	shm_toc_insert(toc, PQ_KEY_TASK, task);
	shm_toc_insert(toc, PQ_KEY_TEXT, text);
	shm_toc_insert(toc, PQ_KEY_IDS, ids);
	shm_toc_insert(toc, PQ_KEY_QUEUES, queues);
	return task;
}

static void
attach_queues(SeriesGather *gather, ParallelContext *context, const PqTask *task)
{
	char *queues = shm_toc_lookup(context->toc, PQ_KEY_QUEUES, false);

	gather->queues = palloc(sizeof(shm_mq_handle *) * context->nworkers_launched);
	for (int i = 0; i < context->nworkers_launched; i++)
		gather->queues[i] = shm_mq_attach((shm_mq *) (queues + i * task->queue_size),
										  context->seg, context->worker[i].bgwhandle);
}

/* Tries to get workers. */
static void
launch(SeriesGather *gather)
{
	PqOperator *op = &gather->op;
	PqParallel *parallel = op->exec->parallel;
	ParallelContext *context;
	PqTask *task = NULL;

	if (parallel->active == 0)
		ts_buffer_flush();
	EnterParallelMode();
	context = CreateParallelContext("mytsdb", "pq_parallel_worker",
									affordable_workers(gather));
	estimate_memory(context, op);
	PushActiveSnapshot(op->exec->snapshot);
	InitializeParallelDSM(context);
	PopActiveSnapshot();
	if (context->nworkers >= MIN_WORKERS)
	{
		task = fill_memory(gather, context);
		LaunchParallelWorkers(context);
	}
	if (context->nworkers_launched < MIN_WORKERS)
	{
		DestroyParallelContext(context);
		ExitParallelMode();
		return;
	}
	gather->launched = context->nworkers_launched;
	attach_queues(gather, context, task);
	gather->context = context;
	parallel->active++;
	pg_atomic_write_u32(&task->workers, (uint32) gather->launched);
	ConditionVariableBroadcast(&task->known);
}

/* ---- messages ---- */

static const char *
receive(SeriesGather *gather, int worker, Size *size)
{
	void *data;

	if (shm_mq_receive(gather->queues[worker], size, &data, false) != SHM_MQ_SUCCESS)
	{
		/* its error, if it had one, is raised here */
		WaitForParallelWorkersToFinish(gather->context);
		ereport(ERROR, (errcode(ERRCODE_CONNECTION_FAILURE),
						errmsg("lost connection to parallel worker")));
	}
	Assert(*size >= sizeof(PqMessage));
	return data;
}

static void
read_histograms(PqOperator *op, const char *from, PqVector *out)
{
	TsAllocator allocator = pq_allocator(&op->row_place);
	const TsHistogram *last = NULL;

	pq_vector_want_histograms(op, out, op->steps.n);
	for (uint32 i = 0; i < op->steps.n; i++)
	{
		uint32 size;

		if (!pq_has(out, i))
			continue;
		memcpy(&size, from, sizeof(size));
		from += sizeof(size);
		if (size == 0)
			continue;
		if (size != PQ_SAME_HISTOGRAM)
		{
			last = ts_histogram_decode(from, size, &allocator);
			from += size;
			if (last == NULL)
				ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		}
		out->histograms[i] = last;
	}
}

static void
receive_series(SeriesGather *gather, PqVector *out)
{
	PqOperator *op = &gather->op;
	uint32 n = op->steps.n;
	int worker = (int) (op->given / PQ_BLOCK_SERIES % (uint32) gather->launched);
	Size words = sizeof(uint64) * PQ_WORDS(n);
	const PqMessage *message;
	const char *data;
	Size size;

	for (;;)
	{
		data = receive(gather, worker, &size);
		message = (const PqMessage *) data;
		if (message->kind != PQ_MESSAGE_NOTES)
			break;
		pq_annotations_read(op->exec, data + sizeof(PqMessage), data + size);
	}
	pq_vector_init(op, out, n);
	if (message->kind == PQ_MESSAGE_EMPTY)
		return;
	Assert(message->n == n && (message->kind == PQ_MESSAGE_FLOATS ||
							   message->kind == PQ_MESSAGE_HISTOGRAMS));
	data += sizeof(PqMessage);
	memcpy(out->present, data, words);
	data += words;
	memcpy(out->values, data, sizeof(double) * n);
	data += sizeof(double) * n;
	if (message->kind == PQ_MESSAGE_HISTOGRAMS)
		read_histograms(op, data, out);
}

/* ---- the end ---- */

static const char *
add_measured(PqOperator *op, const char *from)
{
	PqMeasured measured;

	memcpy(&measured, from, sizeof(measured));
	from += sizeof(measured);
	op->samples += measured.samples;
	op->seconds += measured.seconds;
	op->memory = Max(op->memory, measured.memory);
	if (op->reads)
		pq_add_scan_stats(&((PqSelecting *) op)->selection.stats, &measured.stats);
	for (int i = 0; i < op->nchildren; i++)
		from = add_measured(op->children[i], from);
	return from;
}

static void
receive_end(SeriesGather *gather, int worker)
{
	PqOperator *op = &gather->op;
	Size size;
	const char *data = receive(gather, worker, &size);
	const char *end = data + size;
	Size peak;

	Assert(((const PqMessage *) data)->kind == PQ_MESSAGE_END);
	data += sizeof(PqMessage);
	memcpy(&peak, data, sizeof(peak));
	op->exec->budget->by_workers += peak;
	data = add_measured(op->children[0], data + sizeof(peak));
	data = pq_annotations_read(op->exec, data, end);
	Assert(data == end);
}

static void
leave_parallel_mode(SeriesGather *gather)
{
	DestroyParallelContext(gather->context);
	gather->context = NULL;
	gather->op.exec->parallel->active--;
	ExitParallelMode();
}

/* All series have come. */
static void
finish(SeriesGather *gather)
{
	for (int i = 0; i < gather->launched; i++)
		receive_end(gather, i);
	WaitForParallelWorkersToFinish(gather->context);
	leave_parallel_mode(gather);
}

/* ---- the operator ---- */

static void
gather_open(PqOperator *op)
{
	PqOperator *child = op->children[0];

	pq_open(child);
	op->series = child->series;
	op->nseries = child->nseries;
}

static void
gather_next(PqOperator *op, PqVector *out)
{
	SeriesGather *gather = (SeriesGather *) op;

	if (!gather->decided)
	{
		MemoryContext row = MemoryContextSwitchTo(op->context);

		gather->decided = true;
		if (is_worth_while(gather))
			launch(gather);
		MemoryContextSwitchTo(row);
	}
	if (gather->launched == 0)
	{
		pq_next(op->children[0], out);
		return;
	}
	receive_series(gather, out);
	if (op->given + 1 == op->nseries)
		finish(gather);
}

/* Workers that are not wanted any more are stopped. */
static void
gather_close(PqOperator *op)
{
	SeriesGather *gather = (SeriesGather *) op;

	if (gather->context != NULL)
		leave_parallel_mode(gather);
}

static void
gather_explain(PqOperator *op, PqExplain *to)
{
	const SeriesGather *gather = (const SeriesGather *) op;

	pq_explain_number(to, "Workers Planned", gather->wanted, 0);
	if (op->exec->analyze)
		pq_explain_number(to, "Workers Launched", gather->launched, 0);
}

static const PqMethods gather_methods = {
	.name = "Gather",
	.open = gather_open,
	.next = gather_next,
	.close = gather_close,
	.explain = gather_explain,
};

PqOperator *
pq_plan_gather(PqExec *exec, const PqNode *node, const PqSteps *steps,
			   const PqNeeds *needs)
{
	PqParallel *parallel = exec->parallel;
	TsTableSize size;
	SeriesGather *gather;

	if (parallel->within || !exec->delayed_name_removal ||
		wanted_workers() < MIN_WORKERS || node->type != PQ_TYPE_VECTOR ||
		!pq_is_local(exec, node))
		return NULL;
	ts_table_size(exec->rel, &size);
	if (size.rows < pq_settings.parallel_samples)
		return NULL;
	gather = (SeriesGather *) pq_operator(exec, sizeof(SeriesGather), &gather_methods,
										  node, steps, 1);
	gather->wanted = wanted_workers();
	gather->drained = parallel->drained > 0;
	parallel->undrained |= !gather->drained;
	parallel->within = true;
	gather->op.children[0] = pq_plan_itself(exec, node, steps, needs, false);
	parallel->within = false;
	return &gather->op;
}
