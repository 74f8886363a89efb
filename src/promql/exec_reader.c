/*
 * exec_reader.c
 *	  Reading series one after another: the engine's scan, with its columns as floats,
 *	  histograms and times.
 *
 * The scan goes series by series in order of their ids, and so must those who ask. A row
 * whose value and histogram are both null is no sample; the caller sees that.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "exec_internal.h"
#include "promql_sql.h"

struct PqReader
{
	MemoryContext context;
	MemoryContext batch_context; /* what converting a batch takes */
	const PqExec *exec;
	const TsTable *table;
	TsScan *scan;
	TsScanSpec spec;
	bool *wanted;
	bool start_times;
	bool more;
	bool waiting; /* the batch is still to be given out */
	TsBatch batch;
	/* [TS_SCAN_BATCH], where columns have to be converted */
	int64 *times;
	double *values;
	int64 *starts;
};

/* ---- times ---- */

static const int64 *
converted_times(PqReader *reader, const TsBatch *batch)
{
	if (reader->table->time_type != DATEOID)
		return batch->times;
	for (uint32 i = 0; i < batch->n; i++)
		reader->times[i] = batch->times[i] * USECS_PER_DAY;
	return reader->times;
}

/* ---- values ---- */

static double
float_of_numeric(Datum value)
{
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
}

/* A column of numbers as floats. Places of nulls have any value. */
static const double *
converted_values(PqReader *reader, const TsColumn *column, const Datum *from,
				 const bool *nulls, uint32 n)
{
	double *to = reader->values;

	StaticAssertStmt(sizeof(Datum) == sizeof(double), "a Datum holds a float8");
	switch (column->kind)
	{
		case TS_COLUMN_FLOAT8:
			return (const double *) from;
		case TS_COLUMN_FLOAT4:
			for (uint32 i = 0; i < n; i++)
				to[i] = (double) DatumGetFloat4(from[i]);
			return to;
		case TS_COLUMN_INT:
			for (uint32 i = 0; i < n; i++)
				to[i] = (double) DatumGetInt64(from[i]);
			break;
		default:
			Assert(column->type == NUMERICOID);
			for (uint32 i = 0; i < n; i++)
				to[i] = nulls != NULL && nulls[i] ? 0 : float_of_numeric(from[i]);
			return to;
	}
	if (column->length == 2)
	{
		for (uint32 i = 0; i < n; i++)
			to[i] = (double) DatumGetInt16(from[i]);
	}
	else if (column->length == 4)
	{
		for (uint32 i = 0; i < n; i++)
			to[i] = (double) DatumGetInt32(from[i]);
	}
	return to;
}

static const int64 *
converted_starts(PqReader *reader, const Datum *from, const bool *nulls, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
		reader->starts[i] = nulls != NULL && nulls[i] ? PQ_NO_START
													  : DatumGetTimestampTz(from[i]);
	return reader->starts;
}

/* A column of the batch; false when it is not there, or null throughout. */
static bool
find_column(const TsBatch *batch, AttrNumber column, const Datum **values,
			const bool **nulls)
{
	if (column == 0 || batch->values[column - 1] == NULL)
		return false;
	*values = batch->values[column - 1];
	*nulls = batch->nulls[column - 1];
	return *nulls == NULL || memchr(*nulls, false, batch->n) != NULL;
}

static void
convert(PqReader *reader, const TsBatch *batch, PqRead *read)
{
	const PqExec *exec = reader->exec;
	const Datum *from;
	const bool *nulls;

	memset(read, 0, sizeof(PqRead));
	read->n = batch->n;
	read->times = converted_times(reader, batch);
	if (find_column(batch, exec->value_column, &from, &nulls))
	{
		const TsColumn *column = &reader->table->columns[exec->value_column - 1];

		read->values = converted_values(reader, column, from, nulls, batch->n);
		read->value_nulls = nulls;
	}
	if (find_column(batch, exec->histogram_column, &from, &nulls))
	{
		read->histograms = from;
		read->histogram_nulls = nulls;
	}
	if (reader->start_times && find_column(batch, exec->start_time_column, &from, &nulls))
		read->start_times = converted_starts(reader, from, nulls, batch->n);
}

/* ---- the scan ---- */

static void
want_column(PqReader *reader, AttrNumber column)
{
	if (column != 0)
		reader->wanted[column - 1] = true;
}

PqReader *
pq_reader_begin(const PqExec *exec, MemoryContext parent, const PqReadSpec *spec)
{
	MemoryContext context = AllocSetContextCreate(parent, "PromQL reader",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	PqReader *reader = palloc0(sizeof(PqReader));

	reader->context = context;
	reader->batch_context = AllocSetContextCreate(context, "PromQL reader: batch",
												  ALLOCSET_DEFAULT_SIZES);
	reader->exec = exec;
	reader->table = exec->table;
	reader->start_times = spec->start_times;
	reader->wanted = palloc0(sizeof(bool) * exec->table->natts);
	want_column(reader, exec->value_column);
	want_column(reader, exec->histogram_column);
	if (spec->start_times)
		want_column(reader, exec->start_time_column);
	reader->times = palloc(sizeof(int64) * TS_SCAN_BATCH);
	reader->values = palloc(sizeof(double) * TS_SCAN_BATCH);
	reader->starts = palloc(sizeof(int64) * TS_SCAN_BATCH);
	/* what is at infinity is no sample: there are no times around it to count with */
	reader->spec.time_min = pq_engine_time_from(exec->table,
												Max(spec->time_min, DT_NOBEGIN + 1));
	reader->spec.time_max = pq_engine_time_to(exec->table,
											  Min(spec->time_max, DT_NOEND - 1));
	reader->spec.series = spec->ids;
	reader->spec.nseries = spec->nids;
	reader->spec.wanted = reader->wanted;
	reader->spec.by_series = true;
	reader->scan = ts_scan_begin(exec->rel, exec->snapshot, &reader->spec);
	reader->more = spec->nids > 0;
	MemoryContextSwitchTo(caller);
	return reader;
}

bool
pq_reader_next(PqReader *reader, uint32 series, PqRead *read)
{
	MemoryContext caller = MemoryContextSwitchTo(reader->batch_context);

	while (reader->more && (!reader->waiting || reader->batch.series < series))
	{
		reader->more = ts_scan_next(reader->scan, &reader->batch);
		reader->waiting = reader->more;
		Assert(!reader->more || reader->batch.n <= TS_SCAN_BATCH);
	}
	if (!reader->waiting || reader->batch.series != series)
	{
		MemoryContextSwitchTo(caller);
		return false;
	}
	MemoryContextReset(reader->batch_context);
	convert(reader, &reader->batch, read);
	reader->waiting = false;
	MemoryContextSwitchTo(caller);
	return true;
}

const TsScanStats *
pq_reader_stats(const PqReader *reader)
{
	return ts_scan_stats(reader->scan);
}

void
pq_reader_end(PqReader *reader)
{
	ts_scan_end(reader->scan);
	MemoryContextDelete(reader->context);
}
