/*
 * scan_series.c
 *	  Which series a scan reads: conditions on the key, evaluated once a series.
 *
 * Keys that are named whole are looked up; else, where conditions cannot fail, the label
 * index finds series, and all keys of the dictionary that it does not cover are walked
 * through; and the rest is judged as the scan meets the series.
 * What was found out stays known for later scans by the same node, until a parameter
 * changes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "sql_scan.h"
#include "ts_series.h"

/* Where more keys than this are named, walking through all series may be better. */
#define MAX_LOOKUPS 10000

/* A key column's part in naming keys. */
typedef struct KeyPart
{
	SqlScanKeyKind kind;
	ExprState *value;
	Oid type; /* of the value, or the array's elements */
	Datum *values;
	int nvalues;
	int at; /* the one in use */
} KeyPart;

struct SqlScanSeries
{
	Relation rel;
	const TsTable *table;
	MemoryContext context; /* of ids and verdicts */
	ExprContext *econtext;
	TupleTableSlot *slot;   /* key columns of a series */
	TsSeriesReader *reader; /* NULL before it is needed */
	Bitmapset *params;      /* that conditions depend on */
	ExprState *named;       /* NULL: keys are not named; else for walking after all */
	KeyPart *parts;         /* [nkeys], if keys are named */
	SqlScanIndex *index;    /* NULL: walked conditions are not for the label index */
	ExprState *walked;      /* NULL: there are none; likewise below */
	ExprState *judged;
	uint64 looked_at;

	bool known; /* ids are */
	uint32 *ids;
	uint32 nids;

	/* Of the judged conditions, by series: two bits each. */
	uint8 *verdicts;
	uint32 nverdicts;
};

#define VERDICT_KNOWN 1
#define VERDICT_YES   2

bool
sqlscan_collect_params(Node *node, Bitmapset **params)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		*params = bms_add_member(*params, ((Param *) node)->paramid);
	return expression_tree_walker(node, sqlscan_collect_params, params);
}

static void
create_parts(SqlScanSeries *series, List *values, List *kinds, PlanState *parent)
{
	int i = 0;
	ListCell *value;
	ListCell *kind;

	series->parts = palloc0(sizeof(KeyPart) * list_length(values));
	forboth(value, values, kind, kinds)
	{
		KeyPart *part = &series->parts[i++];

		part->kind = lfirst_int(kind);
		part->value = ExecInitExpr(lfirst(value), parent);
		part->type = exprType(lfirst(value));
		if (part->kind == SQLSCAN_KEY_ANY)
			part->type = get_base_element_type(part->type);
	}
	Assert(i == series->table->nkeys);
}

SqlScanSeries *
sqlscan_series_create(Relation rel, const TsTable *table, const CustomScan *plan,
					  PlanState *parent)
{
	List *keys = list_nth(plan->custom_exprs, SQLSCAN_KEYS);
	List *walked = list_nth(plan->custom_exprs, SQLSCAN_WALKED);
	List *judged = list_nth(plan->custom_exprs, SQLSCAN_JUDGED);
	SqlScanSeries *series;

	if (keys == NIL && walked == NIL && judged == NIL)
		return NULL;

	series = palloc0(sizeof(SqlScanSeries));
	series->rel = rel;
	series->table = table;
	series->context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb series of scan",
											ALLOCSET_SMALL_SIZES);
	series->econtext = CreateExprContext(parent->state);
	series->slot = ExecInitExtraTupleSlot(parent->state, RelationGetDescr(rel),
										  &TTSOpsVirtual);
	ExecStoreAllNullTuple(series->slot);
	for (int list = SQLSCAN_KEYS; list < SQLSCAN_EXPRS; list++)
		sqlscan_collect_params(list_nth(plan->custom_exprs, list), &series->params);
	if (keys != NIL)
	{
		create_parts(series, list_nth(plan->custom_exprs, SQLSCAN_VALUES),
					 list_nth(plan->custom_private, SQLSCAN_KINDS), parent);
		series->named = ExecInitQual(list_concat_copy(keys, walked), parent);
	}
	else
		series->index = sqlscan_index_create(rel, table, plan->scan.scanrelid, walked,
											 parent);
	series->walked = ExecInitQual(walked, parent);
	series->judged = ExecInitQual(judged, parent);
	return series;
}

void
sqlscan_series_changed(SqlScanSeries *series, const Bitmapset *params)
{
	if (!bms_overlap(series->params, params))
		return;
	MemoryContextReset(series->context);
	series->known = false;
	series->ids = NULL;
	series->nids = 0;
	series->verdicts = NULL;
	series->nverdicts = 0;
}

uint64
sqlscan_series_looked_at(const SqlScanSeries *series)
{
	return series->looked_at;
}

int
sqlscan_series_segments(const SqlScanSeries *series, uint32 *covered)
{
	return series->index != NULL ? sqlscan_index_segments(series->index, covered) : 0;
}

void
sqlscan_series_free(SqlScanSeries *series)
{
	if (series->reader != NULL)
		ts_series_close(series->reader);
	MemoryContextDelete(series->context);
}

/* ---- one series ---- */

/* Whether the key of a series meets conditions. */
static bool
key_meets(SqlScanSeries *series, uint32 id, ExprState *conditions)
{
	ExprContext *econtext = series->econtext;
	TupleTableSlot *slot = series->slot;
	MemoryContext caller;
	bool meets;

	if (series->reader == NULL)
	{
		caller = MemoryContextSwitchTo(econtext->ecxt_per_query_memory);
		series->reader = ts_series_open(series->rel, series->table);
		MemoryContextSwitchTo(caller);
	}
	series->looked_at++;
	ResetExprContext(econtext);
	caller = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	ts_series_read(series->reader, id, slot->tts_values, slot->tts_isnull);
	econtext->ecxt_scantuple = slot;
	meets = ExecQual(conditions, econtext);
	MemoryContextSwitchTo(caller);
	return meets;
}

/* Asked by the scan when it meets a series. */
static bool
judge(void *arg, uint32 id)
{
	SqlScanSeries *series = arg;
	uint32 byte = id / 4;
	int shift = id % 4 * 2;
	int verdict;

	if (byte >= series->nverdicts)
	{
		uint32 room = Max(Max(byte + 1, series->nverdicts * 2), 64);

		if (series->verdicts == NULL)
			series->verdicts = MemoryContextAllocHuge(series->context, room);
		else
			series->verdicts = repalloc_huge(series->verdicts, room);
		memset(series->verdicts + series->nverdicts, 0, room - series->nverdicts);
		series->nverdicts = room;
	}
	verdict = series->verdicts[byte] >> shift & 3;
	if (verdict == 0)
	{
		verdict = VERDICT_KNOWN;
		if (key_meets(series, id, series->judged))
			verdict |= VERDICT_YES;
		series->verdicts[byte] |= verdict << shift;
	}
	return verdict & VERDICT_YES;
}

/* ---- sets of series ---- */

static void
add_id(SqlScanSeries *series, uint32 *room, uint32 id)
{
	if (series->nids == *room)
	{
		*room = *room * 2;
		series->ids = repalloc_huge(series->ids, sizeof(uint32) * *room);
	}
	series->ids[series->nids++] = id;
}

static uint32
begin_ids(SqlScanSeries *series)
{
	uint32 room = 64;

	series->ids = MemoryContextAlloc(series->context, sizeof(uint32) * room);
	series->nids = 0;
	return room;
}

/* Adds the series from `from` on that meet conditions. */
static void
walk(SqlScanSeries *series, ExprState *conditions, uint32 from, uint32 room)
{
	uint32 count = ts_series_count(series->rel, series->table);

	for (uint32 id = from; id < count; id++)
	{
		CHECK_FOR_INTERRUPTS();
		if (key_meets(series, id, conditions))
			add_id(series, &room, id);
	}
}

/* Of the series found so far, keeps those that meet other conditions. */
static void
keep_met(SqlScanSeries *series, ExprState *conditions)
{
	uint32 kept = 0;

	for (uint32 i = 0; i < series->nids; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (key_meets(series, series->ids[i], conditions))
			series->ids[kept++] = series->ids[i];
	}
	series->nids = kept;
}

static void
find_walked(SqlScanSeries *series)
{
	SqlScanFound found;

	if (series->index == NULL ||
		!sqlscan_index_find(series->index, series->econtext, series->context, &found))
	{
		walk(series, series->walked, 0, begin_ids(series));
		return;
	}
	series->ids = found.ids;
	series->nids = found.nids;
	if (found.unanswered != NULL)
		keep_met(series, found.unanswered);
	walk(series, series->walked, found.covered, Max(found.nids, 64));
}

/* ---- keys that are named ---- */

static int64
integer_of(Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
	}
	Assert(type == INT8OID);
	return DatumGetInt64(value);
}

/* Turns an integer into one of the column's type; false when it has no such value. */
static bool
convert_integer(Datum *value, Oid type, Oid to)
{
	int64 number = integer_of(*value, type);

	switch (to)
	{
		case INT2OID:
			*value = Int16GetDatum((int16) number);
			return number >= PG_INT16_MIN && number <= PG_INT16_MAX;
		case INT4OID:
			*value = Int32GetDatum((int32) number);
			return number >= PG_INT32_MIN && number <= PG_INT32_MAX;
	}
	*value = Int64GetDatum(number);
	return true;
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static void
add_value(KeyPart *part, Datum value, Oid column)
{
	if (part->type != column && is_integer(part->type) && is_integer(column) &&
		!convert_integer(&value, part->type, column))
		return;
	part->values[part->nvalues++] = value;
}

/* Evaluates what a key column is to be equal to. */
static void
find_values(KeyPart *part, Oid column, ExprContext *econtext)
{
	bool isnull;
	Datum value = ExecEvalExpr(part->value, econtext, &isnull);

	part->nvalues = 0;
	part->at = 0;
	if (part->kind == SQLSCAN_KEY_NULL)
	{
		part->nvalues = 1;
		return;
	}
	if (isnull)
		return;
	if (part->kind == SQLSCAN_KEY_EQUAL)
	{
		part->values = palloc(sizeof(Datum));
		add_value(part, value, column);
	}
	else
	{
		ArrayType *array = DatumGetArrayTypeP(value);
		int16 length;
		bool byval;
		char align;
		Datum *elements;
		bool *nulls;
		int n;

		get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &byval, &align);
		deconstruct_array(array, ARR_ELEMTYPE(array), length, byval, align, &elements,
						  &nulls, &n);
		part->values = palloc(sizeof(Datum) * Max(n, 1));
		for (int i = 0; i < n; i++)
		{
			if (!nulls[i])
				add_value(part, elements[i], column);
		}
	}
}

static int
compare_ids(const void *a, const void *b)
{
	uint32 x = *(const uint32 *) a;
	uint32 y = *(const uint32 *) b;

	return x < y ? -1 : x > y;
}

/* Goes on to the next combination of values; false after the last. */
static bool
next_key(SqlScanSeries *series)
{
	for (int i = series->table->nkeys - 1; i >= 0; i--)
	{
		KeyPart *part = &series->parts[i];

		if (++part->at < part->nvalues)
			return true;
		part->at = 0;
	}
	return false;
}

static void
look_up_keys(SqlScanSeries *series)
{
	const TsTable *table = series->table;
	Datum *values = palloc0(sizeof(Datum) * table->natts);
	bool *isnull = palloc0(sizeof(bool) * table->natts);
	uint32 room = begin_ids(series);
	StringInfoData key;

	initStringInfo(&key);
	do
	{
		uint32 id;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < table->nkeys; i++)
		{
			const KeyPart *part = &series->parts[i];
			int att = table->keys[i] - 1;

			isnull[att] = part->kind == SQLSCAN_KEY_NULL;
			if (!isnull[att])
				values[att] = part->values[part->at];
		}
		resetStringInfo(&key);
		if (ts_series_try_key(table, values, isnull, &key) &&
			ts_series_find(series->rel, table, key.data, key.len, &id))
			add_id(series, &room, id);
	} while (next_key(series));

	qsort(series->ids, series->nids, sizeof(uint32), compare_ids);
	series->nids = (uint32) qunique(series->ids, series->nids, sizeof(uint32),
									compare_ids);
}

static void
find_named(SqlScanSeries *series)
{
	MemoryContext work = AllocSetContextCreate(series->context, "mytsdb named keys",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	double combinations = 1;

	for (int i = 0; i < series->table->nkeys; i++)
	{
		find_values(&series->parts[i],
					series->table->columns[series->table->keys[i] - 1].type,
					series->econtext);
		combinations *= series->parts[i].nvalues;
	}
	if (combinations == 0)
		(void) begin_ids(series);
	else if (combinations > MAX_LOOKUPS &&
			 combinations > ts_series_count(series->rel, series->table))
		walk(series, series->named, 0, begin_ids(series));
	else
	{
		look_up_keys(series);
		if (series->walked != NULL)
			keep_met(series, series->walked);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
}

void
sqlscan_series_choose(SqlScanSeries *series, TsScanSpec *spec)
{
	if (!series->known)
	{
		if (series->named != NULL)
			find_named(series);
		else if (series->walked != NULL)
			find_walked(series);
		series->known = true;
	}
	spec->series = series->ids;
	spec->nseries = series->nids;
	if (series->judged != NULL)
	{
		spec->accept = judge;
		spec->accept_arg = series;
	}
}
