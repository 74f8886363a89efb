/*
 * remote_write_table.c
 *	  Rows of remote write into a table USING mytsdb.
 *
 * Rows go straight to the private buffer, past the executor. So what the executor would
 * do for an INSERT is done here (privileges, defaults, generated columns, constraints), or
 * the table is refused (row security, triggers, rules). A table that has nothing of the
 * kind, as the metrics store, costs nothing of it, and need not know the labels of a series
 * that the backend has met before.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "pgstat.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "histogram_type.h"
#include "labels_type.h"
#include "remote_write.h"
#include "ts_buffer.h"
#include "ts_series.h"
#include "ts_table.h"

typedef struct ColumnSpec
{
	const char *name;
	bool (*is_type)(Oid type);
	const char *type; /* for messages */
	bool samples;     /* rows of samples have it */
	bool exemplars;
	bool required;
	bool always; /* never NULL */
} ColumnSpec;

struct WriteTable
{
	Relation rel;
	AttrNumber attnums[WRITE_COLUMNS]; /* Invalid: the table does not have it */
	CommandId cid;
	PgStat_Counter rows;
	TupleTableSlot *slot; /* the row as it stands */
	TsTable *known;       /* NULL: rows are looked at with their labels */
	bool has_series;      /* `series` is that of the rows that follow */
	uint32 series;
	StringInfoData key;
	/* only where the executor's part is to be done */
	EState *estate;
	ResultRelInfo *result;
	ExprState **defaults; /* natts; NULL: none */
};

static bool
is_timestamptz(Oid type)
{
	return type == TIMESTAMPTZOID;
}

static bool
is_float8(Oid type)
{
	return type == FLOAT8OID;
}

static const ColumnSpec specs[WRITE_COLUMNS] = {
	[WRITE_LABELS] = {"labels", labels_is_type, "labels", true, true, true, true},
	[WRITE_TIME] = {"time", is_timestamptz, "timestamp with time zone", true, true, true,
					true},
	[WRITE_VALUE] = {"value", is_float8, "double precision", true, true, true, false},
	[WRITE_HISTOGRAM] = {"histogram", histogram_is_type, "histogram", true, false, false,
						 false},
	[WRITE_START_TIME] = {"start_time", is_timestamptz, "timestamp with time zone", true,
						  false, false, false},
	[WRITE_EXEMPLAR] = {"exemplar", labels_is_type, "labels", false, true, true, true},
	[WRITE_RECEIVED] = {"received", is_timestamptz, "timestamp with time zone", false,
						true, false, true},
};

/* ---- the table's columns ---- */

/* Opens a relation, by a number that may be anybody's, and keeps it locked. */
Relation
write_relation_open(Oid relid)
{
	Relation rel = try_relation_open(relid, RowExclusiveLock);

	if (rel == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", relid)));
	return rel;
}

static void refuse_column(Relation rel, const ColumnSpec *spec, const char *why)
	pg_attribute_noreturn();

static void
refuse_column(Relation rel, const ColumnSpec *spec, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("cannot write to table \"%s\" by remote write",
					RelationGetRelationName(rel)),
			 errdetail("Column \"%s\" %s.", spec->name, why),
			 errhint("The table needs columns labels labels, time timestamptz and value "
					 "float8, and may have histogram histogram and start_time "
					 "timestamptz.")));
}

static AttrNumber
find_column(Relation rel, const ColumnSpec *spec)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(rel), spec->name);
	Form_pg_attribute att;

	if (attnum <= 0)
	{
		if (spec->required)
			refuse_column(rel, spec, "does not exist");
		return InvalidAttrNumber;
	}
	att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	if (!spec->is_type(att->atttypid))
		refuse_column(rel, spec, psprintf("is not of type %s", spec->type));
	if (att->attgenerated)
		refuse_column(rel, spec, "is generated");
	return attnum;
}

static void
find_columns(WriteTable *table, bool exemplars)
{
	for (int i = 0; i < WRITE_COLUMNS; i++)
	{
		if (exemplars ? specs[i].exemplars : specs[i].samples)
			table->attnums[i] = find_column(table->rel, &specs[i]);
	}
}

bool
write_is_exemplars(Oid relid)
{
	Relation rel = relation_open(relid, AccessShareLock);
	bool is = rel->rd_rel->relkind == RELKIND_RELATION && ts_table_is_ours(rel);

	for (int i = 0; is && i < WRITE_COLUMNS; i++)
	{
		AttrNumber attnum = get_attnum(relid, specs[i].name);

		if (specs[i].exemplars && specs[i].required)
			is = attnum > 0 && specs[i].is_type(get_atttype(relid, attnum));
	}
	relation_close(rel, AccessShareLock);
	return is;
}

/* ---- what may not be passed by ---- */

void
write_refuse_what_fires(Relation rel)
{
	const char *what = NULL;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (TRIGGER_FOR_INSERT(trigger->tgtype) && trigger->tgenabled != TRIGGER_DISABLED)
			what = trigger->tgisinternal ? "a foreign key" : "a trigger on INSERT";
	}
	for (int i = 0; rel->rd_rules != NULL && i < rel->rd_rules->numLocks; i++)
	{
		const RewriteRule *rule = rel->rd_rules->rules[i];

		if (rule->event == CMD_INSERT && rule->enabled != RULE_DISABLED)
			what = "a rule on INSERT";
	}
	if (what != NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot write to table \"%s\" by remote write",
							   RelationGetRelationName(rel)),
						errdetail("It has %s, which remote write does not run.", what),
						errhint("Write to a table without, or use INSERT.")));
}

static void
refuse_row_security(Relation rel)
{
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot write to table \"%s\" by remote write",
							   RelationGetRelationName(rel)),
						errdetail("Row security applies to role \"%s\" there.",
								  GetUserNameFromId(GetUserId(), false)),
						errhint("Write as a role with BYPASSRLS, or use INSERT.")));
}

static RangeTblEntry *
make_range_table_entry(const WriteTable *table)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(table->rel);
	rte->relkind = table->rel->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
	rte->requiredPerms = ACL_INSERT;
	for (int i = 0; i < WRITE_COLUMNS; i++)
	{
		if (table->attnums[i] != InvalidAttrNumber)
			rte->insertedCols = bms_add_member(rte->insertedCols,
											   table->attnums[i] -
												   FirstLowInvalidHeapAttributeNumber);
	}
	return rte;
}

/* ---- the executor's part ---- */

/* The column's number in WriteColumn, or -1. */
static int
written_as(const WriteTable *table, AttrNumber attnum)
{
	for (int i = 0; i < WRITE_COLUMNS; i++)
	{
		if (table->attnums[i] == attnum)
			return i;
	}
	return -1;
}

/* What a column that no sample has gets; NULL: NULL, which is fine. */
static Expr *
column_default(Relation rel, Form_pg_attribute att)
{
	Expr *expr = NULL;

	if (att->attgenerated)
		return NULL;
	if (att->attidentity || att->atthasdef || get_typdefault(att->atttypid) != NULL)
		expr = (Expr *) build_column_default(rel, att->attnum);
	if (expr == NULL && get_typtype(att->atttypid) == TYPTYPE_DOMAIN)
		expr = (Expr *) coerce_to_domain(
			(Node *) makeNullConst(getBaseType(att->atttypid), -1, att->attcollation),
			InvalidOid, -1, att->atttypid, COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1,
			false);
	return expr;
}

/* Whether rows need more than to be written. */
static bool
needs_executor(const WriteTable *table)
{
	TupleDesc desc = RelationGetDescr(table->rel);
	const TupleConstr *constr = desc->constr;

	if (table->rel->rd_rel->relispartition ||
		(constr != NULL && (constr->num_check > 0 || constr->has_generated_stored)))
		return true;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int column = written_as(table, att->attnum);

		if (att->attisdropped)
			continue;
		if (att->attnotnull && (column < 0 || !specs[column].always))
			return true;
		if (column < 0 && column_default(table->rel, att) != NULL)
			return true;
	}
	return false;
}

static void
start_executor(WriteTable *table, RangeTblEntry *rte)
{
	TupleDesc desc = RelationGetDescr(table->rel);

	table->estate = CreateExecutorState();
	ExecInitRangeTable(table->estate, list_make1(rte));
	table->result = makeNode(ResultRelInfo);
	InitResultRelInfo(table->result, table->rel, 1, NULL, 0);
	table->defaults = palloc0(sizeof(ExprState *) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Expr *expr;

		if (att->attisdropped || written_as(table, att->attnum) >= 0)
			continue;
		expr = column_default(table->rel, att);
		if (expr != NULL)
			table->defaults[i] = ExecInitExpr(expression_planner(expr), NULL);
	}
}

static void
do_executors_part(WriteTable *table)
{
	TupleTableSlot *slot = table->slot;
	ExprContext *econtext = GetPerTupleExprContext(table->estate);
	const TupleConstr *constr = RelationGetDescr(table->rel)->constr;

	ResetPerTupleExprContext(table->estate);
	for (int i = 0; i < slot->tts_nvalid; i++)
	{
		if (table->defaults[i] != NULL)
			slot->tts_values[i] = ExecEvalExprSwitchContext(table->defaults[i], econtext,
															&slot->tts_isnull[i]);
	}
	if (constr != NULL && constr->has_generated_stored)
		ExecComputeStoredGenerated(table->result, table->estate, slot, CMD_INSERT);
	if (constr != NULL)
		ExecConstraints(table->result, slot, table->estate);
	if (table->rel->rd_rel->relispartition)
		ExecPartitionCheck(table->result, slot, table->estate, true);
}

/* ---- series ---- */

/* Labels are the whole key, and nobody wants to see them in a row. */
static void
know_series(WriteTable *table)
{
	TsTable *known = ts_table_get(table->rel);

	if (known->labels_key && known->keys[0] == table->attnums[WRITE_LABELS])
	{
		table->known = known;
		initStringInfo(&table->key);
	}
}

bool
write_table_find_series(WriteTable *table, TsString alias)
{
	table->has_series = table->known != NULL &&
						ts_series_by_alias(table->known, alias.data, alias.len,
										   &table->series);
	return table->has_series;
}

void
write_table_set_series(WriteTable *table, Datum labels, TsString alias)
{
	write_table_set(table, WRITE_LABELS, labels);
	table->has_series = table->known != NULL;
	if (!table->has_series)
		return;
	resetStringInfo(&table->key);
	ts_series_encode_key(table->known, table->slot->tts_values, table->slot->tts_isnull,
						 &table->key);
	table->series = ts_series_id_with_alias(table->rel, table->known, table->key.data,
											table->key.len, alias.data, alias.len);
}

/* ---- rows ---- */

WriteTable *
write_table_open(Oid relid, bool exemplars)
{
	WriteTable *table = palloc0(sizeof(*table));
	Relation rel = write_relation_open(relid);
	RangeTblEntry *rte;

	table->rel = rel;
	if (rel->rd_rel->relkind != RELKIND_RELATION || !ts_table_is_ours(rel))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("cannot write to relation \"%s\" by remote write",
							   RelationGetRelationName(rel)),
						errdetail("It is not a table USING mytsdb.")));
	find_columns(table, exemplars);
	rte = make_range_table_entry(table);
	ExecCheckRTPerms(list_make1(rte), true);
	refuse_row_security(rel);
	write_refuse_what_fires(rel);

	table->slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	memset(table->slot->tts_isnull, true, sizeof(bool) * RelationGetDescr(rel)->natts);
	ExecStoreVirtualTuple(table->slot);
	table->slot->tts_tableOid = relid;
	if (needs_executor(table))
		start_executor(table, rte);
	else
		know_series(table);
	table->cid = GetCurrentCommandId(true);
	return table;
}

bool
write_table_has(const WriteTable *table, WriteColumn column)
{
	return table->attnums[column] != InvalidAttrNumber;
}

void
write_table_set(WriteTable *table, WriteColumn column, Datum value)
{
	if (write_table_has(table, column))
	{
		table->slot->tts_values[table->attnums[column] - 1] = value;
		table->slot->tts_isnull[table->attnums[column] - 1] = false;
	}
}

void
write_table_set_null(WriteTable *table, WriteColumn column)
{
	if (write_table_has(table, column))
		table->slot->tts_isnull[table->attnums[column] - 1] = true;
}

void
write_table_put(WriteTable *table)
{
	if (table->estate != NULL)
		do_executors_part(table);
	if (table->has_series)
		ts_buffer_insert_series(table->rel, table->cid, table->series,
								table->slot->tts_values, table->slot->tts_isnull);
	else
		ts_buffer_insert(table->rel, table->cid, table->slot->tts_values,
						 table->slot->tts_isnull);
	table->rows++;
}

void
write_table_close(WriteTable *table)
{
	pgstat_count_heap_insert(table->rel, table->rows);
	if (table->estate != NULL)
		FreeExecutorState(table->estate);
	ExecDropSingleTupleTableSlot(table->slot);
	relation_close(table->rel, NoLock);
	pfree(table);
}
