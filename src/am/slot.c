/*
 * slot.c
 *	  Slots, and rows of batches put into them.
 *
 * Slots are virtual ones. ANALYZE alone gets slots whose copies carry the row's TID, by
 * which it puts its sample in order; everybody else keeps PostgreSQL's own operations,
 * since equal operations save a copy of each row of INSERT ... SELECT.
 *
 * In a fill, what a column is made of is decided once, when the filler is made.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/memutils.h"
#include "utils/rel.h"

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
	Datum *key_values; /* natts, by attnum - 1, as in all below */
	bool *key_isnull;
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
	for (int att = 0; att < natts; att++)
	{
		filler->cells[att] = cell_of(table, att, wanted);
		filler->keys_wanted |= filler->cells[att] == CELL_KEY;
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
	const char *key;
	Size length;

	filler->key_known = false;
	if (filler->reader == NULL)
		filler->reader = ts_series_open(filler->rel, filler->table);
	key = ts_series_key(filler->reader, series, &length);

	MemoryContextReset(filler->key_context);
	MemoryContextSwitchTo(filler->key_context);
	if (!ts_series_decode_key(filler->table, key, length, filler->key_values,
							  filler->key_isnull))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("key of series %u of table \"%s\" is damaged", series,
							   RelationGetRelationName(filler->rel))));
	MemoryContextSwitchTo(caller);
	filler->series = series;
	filler->key_known = true;
}

void
ts_filler_fill(TsRowFiller *filler, const TsBatch *batch, uint32 i, TupleTableSlot *slot)
{
	int natts = filler->table->natts;
	Datum *values = slot->tts_values;
	bool *isnull = slot->tts_isnull;

	Assert(slot->tts_tupleDescriptor->natts == natts);
	Assert(i < batch->n);

	ExecClearTuple(slot);
	if (filler->keys_wanted && (!filler->key_known || filler->series != batch->series))
		read_key(filler, batch->series);

	for (int att = 0; att < natts; att++)
	{
		switch ((Cell) filler->cells[att])
		{
			case CELL_KEY:
				values[att] = filler->key_values[att];
				isnull[att] = filler->key_isnull[att];
				break;
			case CELL_TIME:
				values[att] = ts_table_time_datum(filler->table, batch->times[i]);
				isnull[att] = false;
				break;
			case CELL_VALUE:
				if (batch->values[att] == NULL)
				{
					values[att] = (Datum) 0;
					isnull[att] = true;
				}
				else
				{
					values[att] = batch->values[att][i];
					isnull[att] = batch->nulls[att] != NULL && batch->nulls[att][i];
				}
				break;
			case CELL_NULL:
				values[att] = (Datum) 0;
				isnull[att] = true;
				break;
		}
	}
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = filler->table->relid;
}
