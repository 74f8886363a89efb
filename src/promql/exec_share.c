/*
 * exec_share.c
 *	  Equal subtrees that read the source are evaluated once for all.
 */
#include "postgres.h"

#include "exec_internal.h"

struct PqPlanner *
pq_planner_create(PqExec *exec)
{
	return NULL;
}

PqOperator *
pq_share(PqExec *exec, const PqNode *node, const PqSteps *steps, bool range)
{
	return NULL;
}

void
pq_share_want_start_times(PqOperator *op)
{
}

bool
pq_share_child(const PqOperator *op, PqOperator **child)
{
	return false;
}
