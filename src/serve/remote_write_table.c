/*
 * remote_write_table.c
 *	  Rows of remote write into a table: by columns, or, where the executor would do
 *	  something for each, one by one.
 *
 * The private buffer makes a bulk load of a command that brings more than it holds. Who
 * wants the logs instead has it emptied before that.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "utils/rel.h"

#include "remote_write.h"
#include "ts_buffer.h"

/* Rows that go to the buffer at once: they must be few for the smallest one. */
#define CHUNK_ROWS 1024

/* ---- by columns ---- */

static void
put_columns(Relation rel, const WriteRows *rows, bool bulk)
{
	const TsTable *table = rows->target.plain;
	CommandId cid = GetCurrentCommandId(true);
	Datum **values = palloc(table->natts * sizeof(Datum *));
	bool **nulls = palloc(table->natts * sizeof(bool *));
	uint32 count;

	for (uint32 from = 0; from < rows->n; from += count)
	{
		count = Min(rows->n - from, CHUNK_ROWS);
		memset(values, 0, table->natts * sizeof(Datum *));
		memset(nulls, 0, table->natts * sizeof(bool *));
		for (int c = 0; c < WRITE_COLUMNS; c++)
		{
			int i = rows->target.attnums[c] - 1;

			if (i < 0)
				continue;
			values[i] = rows->values[c] == NULL ? NULL : rows->values[c] + from;
			nulls[i] = rows->nulls[c] == NULL ? NULL : rows->nulls[c] + from;
		}
		if (!bulk)
			ts_buffer_make_room(count * (table->natts + 2) * sizeof(Datum));
		ts_buffer_insert_vectors(rel, cid, rows->series + from, rows->times + from,
								 values, nulls, count);
	}
	pfree(values);
	pfree(nulls);
}

/* ---- one by one ---- */

/* The executor's part in a row. */
typedef struct RowMaker
{
	Relation rel;
	TupleTableSlot *slot; /* the row as it stands */
	EState *estate;
	ResultRelInfo *result;
	ExprState **defaults; /* natts; NULL: none */
} RowMaker;

static void
begin_rows(RowMaker *maker, Relation rel, const WriteTarget *target)
{
	TupleDesc desc = RelationGetDescr(rel);

	maker->rel = rel;
	maker->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	memset(maker->slot->tts_isnull, true, sizeof(bool) * desc->natts);
	ExecStoreVirtualTuple(maker->slot);
	maker->slot->tts_tableOid = RelationGetRelid(rel);
	maker->estate = CreateExecutorState();
	ExecInitRangeTable(maker->estate, list_make1(write_target_entry(target)));
	maker->result = makeNode(ResultRelInfo);
	InitResultRelInfo(maker->result, rel, 1, NULL, 0);
	maker->defaults = palloc0(sizeof(ExprState *) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Expr *expr;

		if (att->attisdropped || write_column_of(target, att->attnum) >= 0)
			continue;
		expr = write_column_default(rel, att);
		if (expr != NULL)
			maker->defaults[i] = ExecInitExpr(expression_planner(expr), NULL);
	}
}

static void
end_rows(RowMaker *maker)
{
	FreeExecutorState(maker->estate);
	ExecDropSingleTupleTableSlot(maker->slot);
}

static void
set_row(RowMaker *maker, const WriteRows *rows, uint32 n)
{
	const AttrNumber *attnums = rows->target.attnums;
	TupleTableSlot *slot = maker->slot;

	slot->tts_values[attnums[WRITE_LABELS] - 1] = rows->labels[n];
	slot->tts_isnull[attnums[WRITE_LABELS] - 1] = false;
	slot->tts_values[attnums[WRITE_TIME] - 1] = TimestampTzGetDatum(rows->times[n]);
	slot->tts_isnull[attnums[WRITE_TIME] - 1] = false;
	for (int c = WRITE_VALUE; c < WRITE_COLUMNS; c++)
	{
		int i = attnums[c] - 1;

		if (i < 0)
			continue;
		slot->tts_isnull[i] = rows->values[c] == NULL ||
							  (rows->nulls[c] != NULL && rows->nulls[c][n]);
		slot->tts_values[i] = slot->tts_isnull[i] ? (Datum) 0 : rows->values[c][n];
	}
}

static void
do_executors_part(RowMaker *maker)
{
	TupleTableSlot *slot = maker->slot;
	ExprContext *econtext = GetPerTupleExprContext(maker->estate);
	const TupleConstr *constr = RelationGetDescr(maker->rel)->constr;

	ResetPerTupleExprContext(maker->estate);
	for (int i = 0; i < slot->tts_nvalid; i++)
	{
		if (maker->defaults[i] != NULL)
			slot->tts_values[i] = ExecEvalExprSwitchContext(maker->defaults[i], econtext,
															&slot->tts_isnull[i]);
	}
	if (constr != NULL && constr->has_generated_stored)
		ExecComputeStoredGenerated(maker->result, maker->estate, slot, CMD_INSERT);
	if (constr != NULL)
		ExecConstraints(maker->result, slot, maker->estate);
	if (maker->rel->rd_rel->relispartition)
		ExecPartitionCheck(maker->result, slot, maker->estate, true);
}

static void
put_rows(Relation rel, const WriteRows *rows, bool bulk)
{
	CommandId cid = GetCurrentCommandId(true);
	RowMaker maker;

	begin_rows(&maker, rel, &rows->target);
	for (uint32 n = 0; n < rows->n; n++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!bulk && n % CHUNK_ROWS == 0)
			ts_buffer_make_room(CHUNK_ROWS * sizeof(Datum));
		set_row(&maker, rows, n);
		do_executors_part(&maker);
		ts_buffer_insert(rel, cid, maker.slot->tts_values, maker.slot->tts_isnull);
	}
	end_rows(&maker);
}

/* ---- a table ---- */

void
write_rows_apply(const WriteRows *rows, bool bulk)
{
	Relation rel;

	if (rows->n == 0)
		return;
	rel = relation_open(rows->target.relid, NoLock);
	if (rows->target.plain != NULL)
		put_columns(rel, rows, bulk);
	else
		put_rows(rel, rows, bulk);
	pgstat_count_heap_insert(rel, rows->n);
	relation_close(rel, NoLock);
}
