/*
 * stats_sql.c
 *	  Our figures for SQL: mytsdb.server_stats(), from which the views mytsdb.stat_* pick,
 *	  and the processes that serve HTTP.
 *
 * A row is a sample as /metrics has it: the same name, labels and value. What /metrics
 * says of processes is not among them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "labels_type.h"
#include "metrics_text.h"
#include "serve_processes.h"
#include "stats.h"

PG_FUNCTION_INFO_V1(mytsdb_server_stats);
PG_FUNCTION_INFO_V1(mytsdb_server_processes);

/* Embeds the sink, so a pointer to one is one to the other. */
typedef struct RowSink
{
	MetricsSink sink;
	ReturnSetInfo *result;
	MemoryContext row_context;
} RowSink;

#define STATS_COLUMNS 5

static void
ignore_family(MetricsSink *sink, const MetricsFamily *family)
{
}

static LabelsPair
pair_of(const char *name, const char *value)
{
	return (LabelsPair){.name = {name, strlen(name)}, .value = {value, strlen(value)}};
}

static Datum
labels_of(const MetricsSample *sample)
{
	LabelsPair pairs[METRICS_LABELS + 1];
	uint32 count = 0;
	char bound[METRICS_NUMBER_SIZE];

	for (int i = 0; i < sample->nlabels; i++)
		pairs[count++] = pair_of(sample->labels[i].name, sample->labels[i].value);
	if (sample->bucket)
		pairs[count++] = pair_of("le", metrics_number(bound, sample->bound, true));
	return PointerGetDatum(labels_make(pairs, count));
}

static void
put_row(MetricsSink *sink, const MetricsFamily *family, const MetricsSample *sample)
{
	RowSink *rows = (RowSink *) sink;
	MemoryContext old = MemoryContextSwitchTo(rows->row_context);
	Datum values[STATS_COLUMNS];
	bool nulls[STATS_COLUMNS] = {false};

	values[0] = CStringGetTextDatum(psprintf("%s%s", family->name, sample->suffix));
	values[1] = labels_of(sample);
	values[2] = Float8GetDatum(sample->value);
	values[3] = CStringGetTextDatum(metrics_kind_name(family->kind));
	values[4] = CStringGetTextDatum(family->help);
	tuplestore_putvalues(rows->result->setResult, rows->result->setDesc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(rows->row_context);
}

/* mytsdb.server_stats(): name, labels, value, kind, help */
Datum
mytsdb_server_stats(PG_FUNCTION_ARGS)
{
	RowSink rows = {.sink = {ignore_family, put_row}};

	InitMaterializedSRF(fcinfo, 0);
	rows.result = (ReturnSetInfo *) fcinfo->resultinfo;
	Assert(rows.result->setDesc->natts == STATS_COLUMNS);
	rows.row_context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb stats",
											 ALLOCSET_SMALL_SIZES);
	stats_tell(&rows.sink);
	MemoryContextDelete(rows.row_context);
	return (Datum) 0;
}

/* mytsdb.server_processes(): kind, number, pid, request_id */
Datum
mytsdb_server_processes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < serve_process_count(); i++)
	{
		StatsProcess process;
		Datum values[4];
		bool nulls[4] = {false};

		if (!stats_process(i, &process))
			continue;
		values[0] = CStringGetTextDatum(process.kind);
		values[1] = Int32GetDatum(process.number);
		values[2] = Int32GetDatum(process.pid);
		values[3] = Int64GetDatum((int64) process.request);
		nulls[3] = process.request == 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
