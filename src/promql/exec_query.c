/*
 * exec_query.c
 *	  A query from its text to its end: what callers outside of src/promql call.
 */
#include "postgres.h"

#include "access/relation.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "exec_internal.h"
#include "promql_sql.h"

/* ---- preparing ---- */

static void
parse(PqQuery *query)
{
	PqExec *exec = &query->exec;
	PqNode *root;

	ts_arena_init(&query->arena, &exec->allocator, exec->max_memory / 2);
	root = pq_parse(exec->text, exec->len, &query->arena);
	exec->root = root;
	if (!exec->instant && root->type != PQ_TYPE_SCALAR && root->type != PQ_TYPE_VECTOR)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid expression type \"%s\" for range query, must be Scalar "
						"or instant Vector",
						promql_type_name(root->type))));
}

static void
set_steps(PqExec *exec, const PqRequest *request)
{
	uint64 distance;

	exec->instant = request->instant;
	exec->steps.start = request->start;
	exec->steps.step = PQ_MS;
	exec->steps.n = 1;
	exec->end = request->start;
	if (TIMESTAMP_NOT_FINITE(request->start) ||
		(!request->instant && TIMESTAMP_NOT_FINITE(request->end)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("times of a PromQL query must be finite")));
	if (request->instant)
		return;
	if (request->step <= 0 || request->step % PQ_MS != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("step of a PromQL query must be positive, in whole "
							   "milliseconds")));
	if (request->end < request->start)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("end of a PromQL query must not be before its start")));
	distance = (uint64) request->end - (uint64) request->start;
	if (distance > (uint64) PG_INT64_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("start and end of a PromQL query are too far apart")));
	if (distance / (uint64) request->step >= PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a PromQL query must not have more than %d steps",
							   PG_INT32_MAX)));
	exec->end = request->end;
	exec->steps.step = request->step;
	exec->steps.n = (uint32) (distance / (uint64) request->step) + 1;
}

static void
init_exec(PqQuery *query, const PqRequest *request, MemoryContext context)
{
	PqExec *exec = &query->exec;
	char *text = MemoryContextAllocHuge(context, request->len + 1);

	memcpy(text, request->text, request->len);
	text[request->len] = '\0';
	exec->context = context;
	exec->allocator = ts_context_allocator(context);
	exec->text = text;
	exec->len = request->len;
	exec->lookback = request->lookback > 0 ? request->lookback
										   : pq_settings.lookback_ms * PQ_MS;
	exec->delayed_name_removal = pq_settings.delayed_name_removal;
	exec->analyze = request->analyze;
	exec->max_memory = (Size) pq_settings.memory_kb * 1024;
	exec->max_samples = pq_settings.max_samples;
	exec->budget = &query->budget;
	exec->parallel = &query->parallel;
	exec->annotations = pq_annotations_create(exec);
	set_steps(exec, request);
}

static PqOperator *
plan_root(PqQuery *query)
{
	PqExec *exec = &query->exec;
	PqOperator *root;

	switch (exec->root->type)
	{
		case PQ_TYPE_STRING:
			return NULL;
		case PQ_TYPE_MATRIX:
			return pq_plan_range(exec, exec->root, &exec->steps, NULL);
		default:
			break;
	}
	root = pq_plan(exec, exec->root, &exec->steps, NULL);
	if (root->type == PQ_TYPE_VECTOR && exec->delayed_name_removal)
		root = pq_plan_merge(exec, root);
	return root;
}

PqQuery *
pq_begin(const PqRequest *request, Snapshot snapshot, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "PromQL query",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	PqQuery *query = palloc0(sizeof(PqQuery));

	init_exec(query, request, context);
	parse(query);
	pq_open_source(&query->exec, request->source);
	query->owner = CurrentResourceOwner;
	query->exec.snapshot = RegisterSnapshot(snapshot);
	query->row = AllocSetContextCreate(context, "PromQL result", ALLOCSET_DEFAULT_SIZES);
	pq_resets_plan(&query->exec);
	query->exec.planner = pq_planner_create(&query->exec);
	MemoryContextSwitchTo(caller);
	return query;
}

PqQuery *
pq_prepare(const PqRequest *request, Snapshot snapshot, MemoryContext parent)
{
	PqQuery *query = pq_begin(request, snapshot, parent);
	MemoryContext caller = MemoryContextSwitchTo(query->exec.context);

	query->root = plan_root(query);
	pq_measure(&query->exec);
	MemoryContextSwitchTo(caller);
	return query;
}

PqType
pq_result_type(const PqQuery *query)
{
	return query->exec.root->type;
}

TsString
pq_result_string(const PqQuery *query)
{
	return pq_string(query->exec.root);
}

/* What resource owners know of is given back as its owner would. */
void
pq_end(PqQuery *query)
{
	ResourceOwner caller = CurrentResourceOwner;

	pq_close(query->root);
	pq_planner_close(&query->exec);
	CurrentResourceOwner = query->owner;
	UnregisterSnapshot(query->exec.snapshot);
	relation_close(query->exec.rel, NoLock);
	CurrentResourceOwner = caller;
	MemoryContextDelete(query->exec.context);
}

/* ---- sums ---- */

static void
add_operator(const PqOperator *op, PqTotals *totals)
{
	PqOperator *shared;

	if (op->reads)
	{
		totals->series += op->nseries;
		totals->samples += op->samples;
	}
	if (pq_share_child(op, &shared) && shared != NULL)
		add_operator(shared, totals);
	for (int i = 0; i < op->nchildren; i++)
		add_operator(op->children[i], totals);
}

void
pq_totals(const PqQuery *query, PqTotals *totals)
{
	memset(totals, 0, sizeof(PqTotals));
	if (query->root != NULL)
	{
		add_operator(query->root, totals);
		totals->seconds = query->root->seconds;
	}
	totals->peak_samples = query->exec.peak_samples;
	totals->peak_memory = query->budget.peak + query->budget.by_workers;
}
