/*
 * promql_function.c
 *	  promql() as a function that returns rows one by one, promql_string(), and what the
 *	  planner is told of promql().
 *
 * The function serves where the custom scan does not: in a target list, in LATERAL with
 * columns as arguments, with ROWS FROM or WITH ORDINALITY, in UPDATE and DELETE, and when
 * ALTER FUNCTION made it SECURITY DEFINER or gave it settings of its own. A caller
 * that asks for no more rows does not say so; a callback of its expression context ends
 * the query then.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "promql_rows.h"
#include "promql_sql.h"
#include "sql_scan.h"

PG_FUNCTION_INFO_V1(mytsdb_promql);
PG_FUNCTION_INFO_V1(mytsdb_promql_range);
PG_FUNCTION_INFO_V1(mytsdb_promql_string);
PG_FUNCTION_INFO_V1(mytsdb_promql_support);

/* Whether a call does no more than to run the function. */
static bool
is_called_plainly(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool plainly = false;

	if (HeapTupleIsValid(tuple))
	{
		plainly = !((Form_pg_proc) GETSTRUCT(tuple))->prosecdef &&
				  heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL) &&
				  !FmgrHookIsNeeded(function);
		ReleaseSysCache(tuple);
	}
	return plainly;
}

bool
promql_is_function(Oid function)
{
	return (sqlscan_is_c_function(function, "mytsdb_promql") ||
			sqlscan_is_c_function(function, "mytsdb_promql_range")) &&
		   is_called_plainly(function);
}

/* ---- rows ---- */

/*
 * What calls of one place in a statement have in common, kept in fn_extra, and the one that
 * is being answered.
 */
typedef struct Calls
{
	PromqlNotes notes;
	TupleDesc desc;
	PromqlRows *rows;  /* NULL: none is */
	Snapshot snapshot; /* registered with owner */
	ResourceOwner owner;
} Calls;

static Calls *
calls_of(FunctionCallInfo fcinfo)
{
	Calls *calls = fcinfo->flinfo->fn_extra;
	MemoryContext caller;

	if (calls != NULL)
		return calls;
	caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	calls = palloc0(sizeof(Calls));
	calls->notes.context = fcinfo->flinfo->fn_mcxt;
	if (get_call_result_type(fcinfo, NULL, &calls->desc) != TYPEFUNC_COMPOSITE ||
		calls->desc->natts != PROMQL_COLUMNS)
		elog(ERROR, "promql() is not declared as it should be");
	calls->desc = BlessTupleDesc(calls->desc);
	MemoryContextSwitchTo(caller);
	fcinfo->flinfo->fn_extra = calls;
	return calls;
}

static void
end_call(Datum arg)
{
	Calls *calls = (Calls *) DatumGetPointer(arg);
	PromqlRows *rows = calls->rows;

	calls->rows = NULL;
	promql_rows_end(rows);
	UnregisterSnapshotFromOwner(calls->snapshot, calls->owner);
}

static void
begin_call(FunctionCallInfo fcinfo, Calls *calls, ReturnSetInfo *result)
{
	MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	Datum args[PROMQL_RANGE_ARGS];

	Assert(PG_NARGS() <= PROMQL_RANGE_ARGS);
	for (int i = 0; i < PG_NARGS(); i++)
		args[i] = PG_GETARG_DATUM(i);
	calls->owner = CurrentResourceOwner;
	calls->snapshot = RegisterSnapshot(GetActiveSnapshot());
	calls->rows = promql_rows_begin(args, PG_NARGS(), calls->snapshot, false,
									&calls->notes);
	RegisterExprContextCallback(result->econtext, end_call, PointerGetDatum(calls));
	MemoryContextSwitchTo(caller);
}

/* promql(query, at, source) */
Datum
mytsdb_promql(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[PROMQL_COLUMNS];
	bool nulls[PROMQL_COLUMNS];
	Calls *calls;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		!(result->allowedModes & SFRM_ValuePerCall))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot "
							   "accept a set")));
	calls = calls_of(fcinfo);
	if (calls->rows == NULL)
		begin_call(fcinfo, calls, result);
	if (promql_rows_next(calls->rows, values, nulls))
	{
		result->isDone = ExprMultipleResult;
		PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(calls->desc, values, nulls)));
	}
	UnregisterExprContextCallback(result->econtext, end_call, PointerGetDatum(calls));
	end_call(PointerGetDatum(calls));
	result->isDone = ExprEndResult;
	PG_RETURN_NULL();
}

/* promql(query, start, end, step, source) */
Datum
mytsdb_promql_range(PG_FUNCTION_ARGS)
{
	return mytsdb_promql(fcinfo);
}

/* promql_string(query, at) */
Datum
mytsdb_promql_string(PG_FUNCTION_ARGS)
{
	text *query_text = PG_GETARG_TEXT_PP(0);
	PqRequest request;
	PqQuery *query;
	TsString string;
	text *result;

	pq_instant_request(&request, query_text, PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_OID(2));
	query = pq_prepare(&request, GetActiveSnapshot(), CurrentMemoryContext);
	if (pq_result_type(query) != PQ_TYPE_STRING)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the expression is no string but of type %s",
							   promql_type_name(pq_result_type(query))),
						errhint("Use promql().")));
	string = pq_result_string(query);
	if (string.len > 0 && memchr(string.data, '\0', string.len) != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
						errmsg("the string contains the character U+0000"),
						errdetail("The type text does not have it.")));
	result = cstring_to_text_with_len(string.data, string.len);
	pq_end(query);
	PG_RETURN_TEXT_P(result);
}

/* ---- the planner's questions ---- */

/*
 * How many rows a call gives. Where the arguments are known when the query is planned, the
 * query is prepared for it; its errors are the errors that running it would raise. False:
 * they are not known.
 */
static bool
estimate_rows(PlannerInfo *root, List *args, double *rows)
{
	Datum values[PROMQL_RANGE_ARGS];
	PromqlNotes notes = {.context = CurrentMemoryContext};
	PromqlRows *prepared;
	ListCell *lc;
	int nargs = 0;

	if (!ActiveSnapshotSet() || (list_length(args) != PROMQL_INSTANT_ARGS &&
								 list_length(args) != PROMQL_RANGE_ARGS))
		return false;
	foreach (lc, args)
	{
		Node *value = estimate_expression_value(root, lfirst(lc));

		if (!IsA(value, Const))
			return false;
		if (((Const *) value)->constisnull)
		{
			*rows = 0;
			return true;
		}
		values[nargs++] = ((Const *) value)->constvalue;
	}
	prepared = promql_rows_begin(values, nargs, GetActiveSnapshot(), false, &notes);
	*rows = pq_estimate_rows(promql_rows_query(prepared));
	promql_rows_end(prepared);
	return true;
}

/* A support function of promql(). */
Datum
mytsdb_promql_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestRows))
	{
		SupportRequestRows *rows = (SupportRequestRows *) request;

		if (rows->node != NULL && IsA(rows->node, FuncExpr) &&
			is_called_plainly(rows->funcid) &&
			estimate_rows(rows->root, ((FuncExpr *) rows->node)->args, &rows->rows))
			PG_RETURN_POINTER(request);
	}
	PG_RETURN_POINTER(NULL);
}
