/*
 * exec_run.c
 *	  Calling operators: whoever calls one comes through here.
 *
 * Here interrupts are served, memory contexts and budget are looked after, and, if
 * the query is analysed, time and memory are measured. exec->running is the operator
 * whose code runs, so that annotations know where they come from; after an error
 * nobody looks at it any more.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec_internal.h"

/* So many calls between two measurements of the query's memory. */
#define CALLS_PER_MEASUREMENT 1024

/* What a call keeps in order to come back. */
typedef struct Frame
{
	PqOperator *outer;
	MemoryContext caller;
	instr_time start;
} Frame;

static void
enter(PqOperator *op, MemoryContext context, Frame *frame)
{
	PqExec *exec = op->exec;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	frame->outer = exec->running;
	exec->running = op;
	if (exec->analyze)
		INSTR_TIME_SET_CURRENT(frame->start);
	if (++exec->budget->calls >= CALLS_PER_MEASUREMENT)
		pq_measure(exec);
	frame->caller = MemoryContextSwitchTo(context);
}

static void
leave(PqOperator *op, const Frame *frame)
{
	PqExec *exec = op->exec;

	MemoryContextSwitchTo(frame->caller);
	exec->running = frame->outer;
	if (exec->analyze)
	{
		instr_time now;
		Size memory = MemoryContextMemAllocated(op->context, false) +
					  MemoryContextMemAllocated(op->row, true);

		op->memory = Max(op->memory, memory);
		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, frame->start);
		op->seconds += INSTR_TIME_GET_DOUBLE(now);
	}
}

void
pq_open(PqOperator *op)
{
	Frame frame;

	Assert(!op->opened);
	enter(op, op->context, &frame);
	op->methods->open(op);
	op->opened = true;
	op->given = 0;
	leave(op, &frame);
	pq_measure(op->exec);
}

void
pq_next(PqOperator *op, PqVector *out)
{
	Frame frame;

	Assert(op->opened && op->given < op->nseries && op->methods->next != NULL);
	MemoryContextReset(op->row);
	enter(op, op->row, &frame);
	op->methods->next(op, out);
	op->given++;
	if (op->exec->analyze && !op->reads)
		op->samples += pq_vector_count(out, op->steps.n);
	leave(op, &frame);
}

void
pq_next_samples(PqOperator *op, PqSamples *out)
{
	Frame frame;

	Assert(op->opened && op->given < op->nseries && op->methods->next_samples != NULL);
	MemoryContextReset(op->row);
	enter(op, op->row, &frame);
	op->methods->next_samples(op, out);
	op->given++;
	if (!op->reads)
		op->samples += out->n;
	leave(op, &frame);
}

/* Children first: what they gave is in nobody's hands any more. */
void
pq_close(PqOperator *op)
{
	MemoryContext caller;

	if (op == NULL)
		return;
	for (int i = 0; i < op->nchildren; i++)
		pq_close(op->children[i]);
	if (!op->opened)
		return;
	caller = MemoryContextSwitchTo(op->context);
	op->opened = false;
	if (op->methods->close != NULL)
		op->methods->close(op);
	MemoryContextSwitchTo(caller);
}
