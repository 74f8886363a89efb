/*
 * running.c
 *	  Which query the executor runs just now, and the end of one that inserts.
 *
 * A scan of the access method is told neither its plan nor its executor state; what it
 * has to know of them it finds out from the running query. Queries nest: functions run
 * queries of their own.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"

#include "mytsdb.h"
#include "ts_am.h"
#include "ts_buffer.h"

static QueryDesc *running = NULL;

static ExecutorRun_hook_type prev_executor_run = NULL;
static ExecutorFinish_hook_type prev_executor_finish = NULL;

const QueryDesc *
ts_running_query(void)
{
	return running;
}

/*
 * Parallel workers see pages only, and in parallel mode nothing can be written. So what
 * waits in private memory leaves before, whatever the query reads: workers may call
 * functions that read more.
 */
static void
executor_run(QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once)
{
	QueryDesc *outer = running;

	if (query->plannedstmt->parallelModeNeeded && !IsInParallelMode())
		ts_buffer_flush();

	running = query;
	PG_TRY();
	{
		if (prev_executor_run)
			prev_executor_run(query, direction, count, execute_once);
		else
			standard_ExecutorRun(query, direction, count, execute_once);
	}
	PG_FINALLY();
	{
		running = outer;
	}
	PG_END_TRY();
}

/*
 * A bulk run leaves before AFTER triggers are fired, while the command that filled it is
 * still the current one. Data-modifying CTEs that are not read to their end fill it later
 * than that; their rows go the way of all others.
 */
static void
executor_finish(QueryDesc *query)
{
	QueryDesc *outer = running;

	if (query->operation != CMD_SELECT || query->plannedstmt->hasModifyingCTE)
		ts_buffer_end_command(query->estate->es_output_cid);

	running = query;
	PG_TRY();
	{
		if (prev_executor_finish)
			prev_executor_finish(query);
		else
			standard_ExecutorFinish(query);
	}
	PG_FINALLY();
	{
		running = outer;
	}
	PG_END_TRY();
}

static void
install_hooks(void)
{
	prev_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	prev_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = executor_finish;
}

const MytsdbModule executor_module = {
	.name = "mytsdb executor",
	.install_hooks = install_hooks,
};
