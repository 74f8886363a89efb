/*
 * slot.c
 *	  Slots, and rows of batches put into them.
 *
 * Slots are virtual ones. ANALYZE alone gets slots whose copies carry the row's TID, by
 * which it puts its sample in order; everybody else keeps PostgreSQL's own operations,
 * since equal operations save a copy of each row of INSERT ... SELECT.
 *
 * What a column is made of is decided once, when the filler is made; what is the same in
 * all rows of a batch is put into the slot once, when the batch begins.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "am.h"
#include "ts_am.h"
#include "ts_series.h"

/* ---- the operations of slots ---- */

/*
 * The relation that this backend analyzes. After an error it may stay set, which does no
 * harm: slots for ANALYZE are good for everything.
 */
static Oid analyzed = InvalidOid;

void
slot_analyze(Oid relid)
{
	analyzed = relid;
}

static HeapTuple
copy_with_tid(TupleTableSlot *slot)
{
	HeapTuple tuple = TTSOpsVirtual.copy_heap_tuple(slot);

	tuple->t_self = slot->tts_tid;
	tuple->t_tableOid = slot->tts_tableOid;
	return tuple;
}

const TupleTableSlotOps *
am_slot_callbacks(Relation rel)
{
	static TupleTableSlotOps with_tid;

	if (likely(RelationGetRelid(rel) != analyzed))
		return &TTSOpsVirtual;

	if (with_tid.copy_heap_tuple == NULL)
	{
		with_tid = TTSOpsVirtual;
		with_tid.copy_heap_tuple = copy_with_tid;
	}
	return &with_tid;
}

/* ---- rows into slots ---- */

typedef enum Cell
{
	CELL_NULL, /* dropped, or not wanted */
	CELL_KEY,
	CELL_TIME,
	CELL_VALUE
} Cell;

/* A column whose value differs from row to row of a batch. */
typedef struct Varying
{
	int att;
	const Datum *values;
	const bool *nulls; /* NULL: none is null */
} Varying;

struct TsRowFiller
{
	MemoryContext context;
	Relation rel;
	const TsTable *table;
	uint8 *cells; /* of Cell; natts */

	/* The key of a series, when keys are wanted. */
	TsSeriesReader *reader; /* NULL: they are not, or none was read yet */
	bool keys_wanted;
	bool key_known;
	uint32 series;
	MemoryContext key_context;
	Datum *key_values; /* natts, by attnum - 1 */
	bool *key_isnull;

	/* What is filled in just now. */
	const TsBatch *batch;
	TupleTableSlot *slot;
	int time; /* place of the time column; -1: not wanted */
	bool date;
	Varying *varying;
	int nvarying;
};

static Cell
cell_of(const TsTable *table, int att, const bool *wanted)
{
	const TsColumn *column = &table->columns[att];

	if (column->kind == TS_COLUMN_NONE || (wanted != NULL && !wanted[att]))
		return CELL_NULL;
	if (column->role == TS_ROLE_KEY)
		return CELL_KEY;
	return column->role == TS_ROLE_TIME ? CELL_TIME : CELL_VALUE;
}

TsRowFiller *
ts_filler_create(Relation rel, const TsTable *table, const bool *wanted)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb rows",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	TsRowFiller *filler = palloc0(sizeof(TsRowFiller));
	int natts = table->natts;

	filler->context = context;
	filler->rel = rel;
	filler->table = table;
	filler->cells = palloc(natts);
	filler->key_context = AllocSetContextCreate(context, "mytsdb key",
												ALLOCSET_SMALL_SIZES);
	filler->key_values = palloc0(natts * sizeof(Datum));
	filler->key_isnull = palloc0(natts * sizeof(bool));
	filler->varying = palloc(Max(natts, 1) * sizeof(Varying));
	filler->time = -1;
	filler->date = table->time_type == DATEOID;
	for (int att = 0; att < natts; att++)
	{
		filler->cells[att] = cell_of(table, att, wanted);
		filler->keys_wanted |= filler->cells[att] == CELL_KEY;
		if (filler->cells[att] == CELL_TIME)
			filler->time = att;
	}
	MemoryContextSwitchTo(caller);
	return filler;
}

void
ts_filler_free(TsRowFiller *filler)
{
	if (filler->reader)
		ts_series_close(filler->reader);
	MemoryContextDelete(filler->context);
}

static void
read_key(TsRowFiller *filler, uint32 series)
{
	MemoryContext caller = MemoryContextSwitchTo(filler->context);

	filler->key_known = false;
	if (filler->reader == NULL)
		filler->reader = ts_series_open(filler->rel, filler->table);
	MemoryContextReset(filler->key_context);
	MemoryContextSwitchTo(filler->key_context);
	ts_series_read(filler->reader, series, filler->key_values, filler->key_isnull);
	MemoryContextSwitchTo(caller);
	filler->series = series;
	filler->key_known = true;
}

/* Puts what is the same in all rows of the batch into the slot. */
static void
fill_common(TsRowFiller *filler)
{
	Datum *values = filler->slot->tts_values;
	bool *isnull = filler->slot->tts_isnull;

	ExecClearTuple(filler->slot);
	for (int att = 0; att < filler->table->natts; att++)
	{
		bool key = filler->cells[att] == CELL_KEY;

		values[att] = key ? filler->key_values[att] : (Datum) 0;
		isnull[att] = key ? filler->key_isnull[att] : att != filler->time;
	}
	filler->slot->tts_tableOid = filler->table->relid;
}

void
ts_filler_begin(TsRowFiller *filler, const TsBatch *batch, TupleTableSlot *slot)
{
	Assert(slot->tts_tupleDescriptor->natts == filler->table->natts);

	if (filler->keys_wanted && (!filler->key_known || filler->series != batch->series))
		read_key(filler, batch->series);
	filler->batch = batch;
	filler->slot = slot;
	filler->nvarying = 0;
	for (int att = 0; att < filler->table->natts; att++)
	{
		if (filler->cells[att] == CELL_VALUE && batch->values[att] != NULL)
			filler->varying[filler->nvarying++] = (Varying){att, batch->values[att],
															batch->nulls[att]};
	}
	fill_common(filler);
}

void
ts_filler_row(TsRowFiller *filler, uint32 i)
{
	TupleTableSlot *slot = filler->slot;
	Datum *values = slot->tts_values;
	bool *isnull = slot->tts_isnull;

	Assert(i < filler->batch->n);

	/* A materialized slot's values, of all columns, are its own copies. */
	if (unlikely(TTS_SHOULDFREE(slot)))
		fill_common(filler);
	if (filler->time >= 0)
	{
		int64 time = filler->batch->times[i];

		values[filler->time] = filler->date ? DateADTGetDatum((DateADT) time)
											: TimestampGetDatum(time);
	}
	for (int v = 0; v < filler->nvarying; v++)
	{
		const Varying *varying = &filler->varying[v];

		values[varying->att] = varying->values[i];
		isnull[varying->att] = varying->nulls != NULL && varying->nulls[i];
	}
	slot->tts_nvalid = filler->table->natts;
	slot->tts_flags &= ~TTS_FLAG_EMPTY;
}

void
ts_filler_fill(TsRowFiller *filler, const TsBatch *batch, uint32 i, TupleTableSlot *slot)
{
	ts_filler_begin(filler, batch, slot);
	ts_filler_row(filler, i);
}
