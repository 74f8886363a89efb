/*
 * scan_range.c
 *	  Bounds of time, evaluated when a scan begins.
 *
 * A bound may be of another type than the column; the operator then compares the column
 * with the bound's counterpart in the column's type. Such a counterpart may lie between
 * two values of the column (a timestamp within a day), or beyond all but the infinite one.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "sql_scan.h"

typedef struct Bound
{
	ExprState *value;
	Oid type;
	int strategy; /* column STRATEGY value */
} Bound;

struct SqlScanRange
{
	Oid time_type;
	int nbounds;
	Bound bounds[FLEXIBLE_ARRAY_MEMBER];
};

/* A place in the column's values: `at`, or right after it. */
typedef struct Place
{
	int64 at;
	bool after;
} Place;

SqlScanRange *
sqlscan_range_create(const TsTable *table, List *times, PlanState *parent)
{
	TypeCacheEntry *type = lookup_type_cache(table->time_type, TYPECACHE_BTREE_OPFAMILY);
	SqlScanRange *range = palloc(offsetof(SqlScanRange, bounds) +
								 sizeof(Bound) * list_length(times));
	ListCell *lc;

	range->time_type = table->time_type;
	range->nbounds = 0;
	foreach (lc, times)
	{
		OpExpr *op = lfirst_node(OpExpr, lc);
		Bound *bound = &range->bounds[range->nbounds++];
		Oid left;

		bound->value = ExecInitExpr(lsecond(op->args), parent);
		bound->strategy = get_op_opfamily_strategy(op->opno, type->btree_opf);
		op_input_types(op->opno, &left, &bound->type);
		Assert(bound->strategy != 0);
	}
	return range;
}

/* What is larger than all finite times but smaller than infinity, and its opposite. */
static int64
beyond_finite(int overflow)
{
	return overflow > 0 ? PG_INT64_MAX - 1 : PG_INT64_MIN + 1;
}

static Place
place_of_timestamp(Timestamp time)
{
	Place place = {PG_INT32_MAX, false};

	if (TIMESTAMP_IS_NOBEGIN(time))
		place.at = PG_INT32_MIN;
	else if (!TIMESTAMP_IS_NOEND(time))
	{
		int64 rest = time % USECS_PER_DAY;

		place.at = time / USECS_PER_DAY - (rest < 0 ? 1 : 0);
		place.after = rest != 0;
	}
	return place;
}

static Place
find_place(Oid time_type, Oid type, Datum value)
{
	Place place = {0, false};
	int overflow = 0;

	if (time_type == DATEOID)
	{
		if (type != DATEOID)
			return place_of_timestamp(DatumGetTimestamp(value));
		place.at = DatumGetDateADT(value);
		return place;
	}

	if (type == time_type)
		place.at = DatumGetTimestamp(value);
	else if (time_type == TIMESTAMPOID)
		place.at = date2timestamp_opt_overflow(DatumGetDateADT(value), &overflow);
	else if (type == DATEOID)
		place.at = date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow);
	else
		place.at = timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value),
													  &overflow);
	if (overflow != 0)
		place.at = beyond_finite(overflow);
	return place;
}

/* Narrows a range to one side of a place; false when nothing is left. */
static bool
apply_bound(int strategy, Place place, int64 *min, int64 *max)
{
	bool up_to = strategy <= BTEqualStrategyNumber;
	bool from = strategy >= BTEqualStrategyNumber;

	if (strategy == BTEqualStrategyNumber && place.after)
		return false;
	if (up_to)
	{
		int64 last = place.at;

		if (strategy == BTLessStrategyNumber && !place.after)
		{
			if (last == PG_INT64_MIN)
				return false;
			last--;
		}
		*max = Min(*max, last);
	}
	if (from)
	{
		int64 first = place.at;

		if (strategy == BTGreaterStrategyNumber || place.after)
		{
			if (first == PG_INT64_MAX)
				return false;
			first++;
		}
		*min = Max(*min, first);
	}
	return *min <= *max;
}

bool
sqlscan_range_find(SqlScanRange *range, ExprContext *econtext, int64 *min, int64 *max)
{
	*min = PG_INT64_MIN;
	*max = PG_INT64_MAX;
	for (int i = 0; i < range->nbounds; i++)
	{
		const Bound *bound = &range->bounds[i];
		bool isnull;
		Datum value = ExecEvalExprSwitchContext(bound->value, econtext, &isnull);

		if (isnull ||
			!apply_bound(bound->strategy,
						 find_place(range->time_type, bound->type, value), min, max))
			return false;
	}
	return true;
}
