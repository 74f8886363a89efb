/*
 * exec_values.c
 *	  Vectors, memory within the query's budget, samples within its limit, times.
 */
#include "postgres.h"

#include "common/int.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "exec_internal.h"

/* ---- memory ---- */

static void
refuse_memory(const PqExec *exec)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("query needs more than %zu kB of memory", exec->max_memory / 1024),
			 errhint("Select fewer series or a shorter time, or raise "
					 "mytsdb.query_memory.")));
}

void
pq_measure(PqExec *exec)
{
	PqBudget *budget = exec->budget;

	budget->measured = MemoryContextMemAllocated(exec->context, true);
	budget->charged = 0;
	budget->calls = 0;
	budget->peak = Max(budget->peak, budget->measured);
	if (budget->measured > exec->max_memory)
		refuse_memory(exec);
}

void
pq_charge(PqExec *exec, Size size)
{
	PqBudget *budget = exec->budget;

	if (size > exec->max_memory)
		refuse_memory(exec);
	budget->charged += size;
	if (budget->measured + budget->charged <= exec->max_memory)
		return;
	pq_measure(exec);
	budget->charged = size;
	if (budget->measured + size > exec->max_memory)
		refuse_memory(exec);
}

void *
pq_alloc(PqOperator *op, Size size)
{
	pq_charge(op->exec, size);
	return MemoryContextAllocHuge(op->context, Max(size, 1));
}

void *
pq_alloc0(PqOperator *op, Size size)
{
	void *memory = pq_alloc(op, size);

	memset(memory, 0, size);
	return memory;
}

void *
pq_row_alloc(PqOperator *op, Size size)
{
	pq_charge(op->exec, size);
	return MemoryContextAllocHuge(op->row, Max(size, 1));
}

void *
pq_row_alloc0(PqOperator *op, Size size)
{
	void *memory = pq_row_alloc(op, size);

	memset(memory, 0, size);
	return memory;
}

static void *
place_alloc(void *ctx, size_t size)
{
	PqPlace *place = ctx;

	CHECK_FOR_INTERRUPTS();
	pq_charge(place->exec, size);
	return MemoryContextAllocExtended(place->context, size,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
place_free(void *ctx, void *memory)
{
	if (memory != NULL)
		pfree(memory);
}

TsAllocator
pq_allocator(PqPlace *place)
{
	return (TsAllocator){place_alloc, place_free, place};
}

void
pq_hold_samples(PqExec *exec, int64 n)
{
	exec->samples += n;
	Assert(exec->samples >= 0);
	exec->peak_samples = Max(exec->peak_samples, exec->samples);
	if (exec->samples > exec->max_samples)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("query processing would load too many samples into memory in "
						"query execution"),
				 errdetail("The most allowed are " INT64_FORMAT ".", exec->max_samples),
				 errhint("Select fewer series or a shorter time, or raise "
						 "mytsdb.query_max_samples.")));
}

/* ---- vectors ---- */

void
pq_vector_init(PqOperator *op, PqVector *v, uint32 n)
{
	Size words = sizeof(uint64) * PQ_WORDS(n);

	v->present = pq_row_alloc0(op, words);
	v->values = pq_row_alloc(op, sizeof(double) * n);
	v->histograms = NULL;
}

void
pq_vector_want_histograms(PqOperator *op, PqVector *v, uint32 n)
{
	if (v->histograms != NULL)
		return;
	v->histograms = pq_row_alloc0(op, sizeof(TsHistogram *) * n);
}

void
pq_vector_copy(PqOperator *op, const PqVector *v, uint32 n, MemoryContext context,
			   PqVector *copy)
{
	PqPlace place = {op->exec, context};
	TsAllocator allocator = pq_allocator(&place);
	Size words = sizeof(uint64) * PQ_WORDS(n);
	const TsHistogram *last = NULL;
	const TsHistogram *last_copy = NULL;

	pq_charge(op->exec, words + sizeof(double) * n);
	copy->present = MemoryContextAllocHuge(context, Max(words, 1));
	memcpy(copy->present, v->present, words);
	copy->values = MemoryContextAllocHuge(context, Max(sizeof(double) * n, 1));
	memcpy(copy->values, v->values, sizeof(double) * n);
	copy->histograms = NULL;
	if (v->histograms == NULL)
		return;
	pq_charge(op->exec, sizeof(TsHistogram *) * n);
	copy->histograms = MemoryContextAllocHuge(context, sizeof(TsHistogram *) * n);
	memset(copy->histograms, 0, sizeof(TsHistogram *) * n);
	for (uint32 i = 0; i < n; i++)
	{
		const TsHistogram *h = pq_has(v, i) ? v->histograms[i] : NULL;

		if (h == NULL)
			continue;
		if (h != last)
		{
			last_copy = ts_histogram_copy(h, &allocator);
			if (last_copy == NULL)
				refuse_memory(op->exec);
			last = h;
		}
		copy->histograms[i] = last_copy;
	}
}

uint32
pq_vector_count(const PqVector *v, uint32 n)
{
	return (uint32) pg_popcount((const char *) v->present,
								(int) (sizeof(uint64) * PQ_WORDS(n)));
}

const double *
pq_scalar(PqOperator *op)
{
	PqVector v;

	Assert(op->type == PQ_TYPE_SCALAR);
	if (!op->opened)
		pq_open(op);
	Assert(op->nseries == 1);
	pq_next(op, &v);
	return v.values;
}

/* ---- nodes that are values ---- */

const PqNode *
pq_strip(const PqNode *node)
{
	while (node->kind == PQ_PAREN)
		node = node->u.paren;
	return node;
}

bool
pq_constant(const PqNode *node, double *value)
{
	node = pq_strip(node);
	if (node->kind == PQ_NUMBER)
	{
		*value = node->u.number.value;
		return true;
	}
	if (node->kind != PQ_UNARY || !pq_constant(node->u.unary.expr, value))
		return false;
	if (node->u.unary.minus)
		*value = -*value;
	return true;
}

TsString
pq_string(const PqNode *node)
{
	node = pq_strip(node);
	Assert(node->kind == PQ_STRING);
	return node->u.string;
}

/* ---- times ---- */

int64
pq_time_add(int64 time, int64 duration)
{
	int64 sum;

	if (pg_add_s64_overflow(time, duration, &sum))
		return duration < 0 ? PG_INT64_MIN : PG_INT64_MAX;
	return sum;
}

int64
pq_time_sub(int64 time, int64 duration)
{
	int64 difference;

	if (pg_sub_s64_overflow(time, duration, &difference))
		return duration > 0 ? PG_INT64_MIN : PG_INT64_MAX;
	return difference;
}
