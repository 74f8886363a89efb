/*
 * first_last.c
 *	  The aggregates first(value, time) and last(value, time): the value of the row with
 *	  the least and the greatest time.
 *
 * Rows whose time is null do not count; a null value does, as any other. Of equal times
 * the row that came first wins. The time may be of any type that has an order.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(mytsdb_first_transition);
PG_FUNCTION_INFO_V1(mytsdb_last_transition);
PG_FUNCTION_INFO_V1(mytsdb_first_last_final);

typedef struct Held
{
	Datum value;
	bool isnull;
	bool byval;
	int16 length;
} Held;

typedef struct Extreme
{
	Held value;
	Held time;
	FmgrInfo *compare;
	Oid collation;
} Extreme;

static void
hold(Held *held, Datum value, bool isnull, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	if (!held->byval && !held->isnull)
		pfree(DatumGetPointer(held->value));
	held->isnull = isnull;
	held->value = isnull ? (Datum) 0 : datumCopy(value, held->byval, held->length);
	MemoryContextSwitchTo(old);
}

static Extreme *
start(FunctionCallInfo fcinfo, MemoryContext context)
{
	Extreme *state = MemoryContextAllocZero(context, sizeof(*state));
	Oid value_type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Oid time_type = get_fn_expr_argtype(fcinfo->flinfo, 2);
	TypeCacheEntry *type = lookup_type_cache(time_type, TYPECACHE_CMP_PROC_FINFO);

	if (!OidIsValid(type->cmp_proc))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("could not identify a comparison function for type %s",
							   format_type_be(time_type))));
	state->compare = &type->cmp_proc_finfo;
	state->collation = PG_GET_COLLATION();
	get_typlenbyval(value_type, &state->value.length, &state->value.byval);
	get_typlenbyval(time_type, &state->time.length, &state->time.byval);
	state->value.isnull = true;
	state->time.isnull = true;
	return state;
}

/* sign: -1 looks for the least time, 1 for the greatest. */
static Datum
transition(FunctionCallInfo fcinfo, int sign)
{
	MemoryContext context;
	Extreme *state;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "transition function called outside of an aggregate");
	state = PG_ARGISNULL(0) ? start(fcinfo, context) : (Extreme *) PG_GETARG_POINTER(0);
	if (PG_ARGISNULL(2))
		PG_RETURN_POINTER(state);

	if (state->time.isnull ||
		sign * DatumGetInt32(FunctionCall2Coll(state->compare, state->collation,
											   PG_GETARG_DATUM(2), state->time.value)) >
			0)
	{
		hold(&state->time, PG_GETARG_DATUM(2), false, context);
		hold(&state->value, PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1),
			 PG_ARGISNULL(1), context);
	}
	PG_RETURN_POINTER(state);
}

Datum
mytsdb_first_transition(PG_FUNCTION_ARGS)
{
	return transition(fcinfo, -1);
}

Datum
mytsdb_last_transition(PG_FUNCTION_ARGS)
{
	return transition(fcinfo, 1);
}

Datum
mytsdb_first_last_final(PG_FUNCTION_ARGS)
{
	Extreme *state = PG_ARGISNULL(0) ? NULL : (Extreme *) PG_GETARG_POINTER(0);

	if (state == NULL || state->value.isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(state->value.value);
}
