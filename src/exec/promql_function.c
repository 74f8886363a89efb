/*
 * promql_function.c
 *	  promql() as a function that returns rows one by one, promql_string(), and what the
 *	  planner is told of promql().
 *
 * The function serves where the custom scan does not: in a target list, in LATERAL with
 * columns as arguments, with ROWS FROM or WITH ORDINALITY, in UPDATE and DELETE. A caller
 * that asks for no more rows does not say so; a callback of its expression context ends
 * the query then.
 */
#include "postgres.h"

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

#include "promql_rows.h"
#include "promql_sql.h"
#include "sql_scan.h"

PG_FUNCTION_INFO_V1(mytsdb_promql);
PG_FUNCTION_INFO_V1(mytsdb_promql_range);
PG_FUNCTION_INFO_V1(mytsdb_promql_string);
PG_FUNCTION_INFO_V1(mytsdb_promql_support);

bool
promql_is_function(Oid function)
{
	return sqlscan_is_c_function(function, "mytsdb_promql") ||
		   sqlscan_is_c_function(function, "mytsdb_promql_range");
}

/* ---- rows ---- */

/* A call that is being answered. */
typedef struct Call
{
	PromqlRows *rows;
	Snapshot snapshot; /* registered with owner */
	ResourceOwner owner;
} Call;

/* What calls of one place in a statement have in common: in fn_extra's context. */
static PromqlNotes *
notes_of(FunctionCallInfo fcinfo)
{
	FuncCallContext *context = fcinfo->flinfo->fn_extra;
	PromqlNotes *notes = MemoryContextAllocZero(context->multi_call_memory_ctx,
												sizeof(PromqlNotes));

	notes->context = context->multi_call_memory_ctx;
	return notes;
}

static void
end_call(Datum arg)
{
	Call *call = (Call *) DatumGetPointer(arg);

	promql_rows_end(call->rows);
	UnregisterSnapshotFromOwner(call->snapshot, call->owner);
}

static void
begin_call(FunctionCallInfo fcinfo, FuncCallContext *context)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = MemoryContextSwitchTo(context->multi_call_memory_ctx);
	Call *call = palloc(sizeof(Call));
	Datum args[PROMQL_RANGE_ARGS];
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != PROMQL_COLUMNS)
		elog(ERROR, "promql() is not declared as it should be");
	context->tuple_desc = BlessTupleDesc(desc);
	Assert(PG_NARGS() <= PROMQL_RANGE_ARGS);
	for (int i = 0; i < PG_NARGS(); i++)
		args[i] = PG_GETARG_DATUM(i);
	call->owner = CurrentResourceOwner;
	call->snapshot = RegisterSnapshot(GetActiveSnapshot());
	call->rows = promql_rows_begin(args, PG_NARGS(), call->snapshot, false,
								   notes_of(fcinfo));
	context->user_fctx = call;
	RegisterExprContextCallback(result->econtext, end_call, PointerGetDatum(call));
	MemoryContextSwitchTo(caller);
}

/* promql(query, at, source) */
Datum
mytsdb_promql(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	Call *call;
	Datum values[PROMQL_COLUMNS];
	bool nulls[PROMQL_COLUMNS];

	if (SRF_IS_FIRSTCALL())
	{
		context = SRF_FIRSTCALL_INIT();
		begin_call(fcinfo, context);
	}
	context = SRF_PERCALL_SETUP();
	call = context->user_fctx;
	if (promql_rows_next(call->rows, values, nulls))
		SRF_RETURN_NEXT(context, HeapTupleGetDatum(heap_form_tuple(context->tuple_desc,
																   values, nulls)));
	UnregisterExprContextCallback(((ReturnSetInfo *) fcinfo->resultinfo)->econtext,
								  end_call, PointerGetDatum(call));
	end_call(PointerGetDatum(call));
	SRF_RETURN_DONE(context);
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
	PromqlNotes notes = {0};
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
			estimate_rows(rows->root, ((FuncExpr *) rows->node)->args, &rows->rows))
			PG_RETURN_POINTER(request);
	}
	PG_RETURN_POINTER(NULL);
}
