/*
 * promql_rows.c
 *	  A PromQL query as rows, and its annotations as messages.
 *
 * A series' labels are made into a value once; its rows share it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "histogram_type.h"
#include "promql_rows.h"
#include "promql_sql.h"
#include "ts_text_table.h"

struct PromqlRows
{
	MemoryContext context; /* all of this */
	MemoryContext series;  /* its labels */
	MemoryContext row;     /* its histogram */
	PromqlNotes *notes;
	PqQuery *query;
	PqResult result;
	uint32 next; /* of its points */
	Datum labels;
	bool done;
};

/* ---- arguments ---- */

static void
make_request(const Datum *args, int nargs, PqRequest *request)
{
	/* the query's text outlives the argument */
	const text *query = DatumGetTextPCopy(args[0]);

	Assert(nargs == PROMQL_INSTANT_ARGS || nargs == PROMQL_RANGE_ARGS);
	if (nargs == PROMQL_INSTANT_ARGS)
		pq_instant_request(request, query, DatumGetTimestampTz(args[1]),
						   DatumGetObjectId(args[2]));
	else
		pq_range_request(request, query, DatumGetTimestampTz(args[1]),
						 DatumGetTimestampTz(args[2]), DatumGetIntervalP(args[3]),
						 DatumGetObjectId(args[4]));
}

PromqlRows *
promql_rows_begin(const Datum *args, int nargs, Snapshot snapshot, bool analyze,
				  PromqlNotes *notes)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "promql rows",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	PromqlRows *rows = palloc0(sizeof(PromqlRows));
	PqRequest request;

	rows->context = context;
	rows->series = AllocSetContextCreate(context, "promql series", ALLOCSET_SMALL_SIZES);
	rows->row = AllocSetContextCreate(context, "promql row", ALLOCSET_SMALL_SIZES);
	rows->notes = notes;
	make_request(args, nargs, &request);
	request.analyze = analyze;
	rows->query = pq_prepare(&request, snapshot, context);
	if (pq_result_type(rows->query) == PQ_TYPE_STRING)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("promql() gives series, but the expression is a string"),
						errhint("Use promql_string().")));
	MemoryContextSwitchTo(caller);
	return rows;
}

PqQuery *
promql_rows_query(const PromqlRows *rows)
{
	return rows->query;
}

/* ---- rows ---- */

static Datum
labels_datum(TsString payload)
{
	struct varlena *labels = palloc(VARHDRSZ + payload.len);

	SET_VARSIZE(labels, VARHDRSZ + payload.len);
	memcpy(VARDATA(labels), payload.data, payload.len);
	return PointerGetDatum(labels);
}

static bool
next_series(PromqlRows *rows)
{
	MemoryContext caller;

	rows->next = 0;
	rows->result.n = 0;
	while (!rows->done && rows->result.n == 0)
	{
		CHECK_FOR_INTERRUPTS();
		rows->done = !pq_next_result(rows->query, false, &rows->result);
	}
	MemoryContextReset(rows->series);
	if (rows->done)
		return false;
	caller = MemoryContextSwitchTo(rows->series);
	rows->labels = labels_datum(rows->result.labels);
	MemoryContextSwitchTo(caller);
	return true;
}

bool
promql_rows_next(PromqlRows *rows, Datum *values, bool *nulls)
{
	const PqResult *result = &rows->result;
	const TsHistogram *histogram = NULL;

	if (rows->next >= result->n && !next_series(rows))
		return false;
	values[PROMQL_LABELS] = rows->labels;
	values[PROMQL_TIME] = TimestampTzGetDatum(result->times[rows->next]);
	if (result->histograms != NULL)
		histogram = result->histograms[rows->next];
	memset(nulls, false, PROMQL_COLUMNS);
	nulls[PROMQL_VALUE] = histogram != NULL;
	nulls[PROMQL_HISTOGRAM] = histogram == NULL;
	if (histogram != NULL)
	{
		MemoryContext caller;

		MemoryContextReset(rows->row);
		caller = MemoryContextSwitchTo(rows->row);
		values[PROMQL_VALUE] = (Datum) 0;
		values[PROMQL_HISTOGRAM] = PointerGetDatum(histogram_make(histogram));
		MemoryContextSwitchTo(caller);
	}
	else
	{
		values[PROMQL_VALUE] = Float8GetDatum(result->values[rows->next]);
		values[PROMQL_HISTOGRAM] = (Datum) 0;
	}
	rows->next++;
	return true;
}

/* ---- annotations ---- */

/* Whether it has not been shown; it has been from now on. */
static bool
is_new(PromqlNotes *notes, const char *text)
{
	const char **entry;
	bool found;

	if (notes->shown == NULL)
		notes->shown = ts_text_table_create("promql annotations", sizeof(const char *),
											notes->context);
	entry = hash_search(notes->shown, &text, HASH_ENTER, &found);
	if (!found)
		*entry = MemoryContextStrdup(notes->context, text);
	return !found;
}

static void
show_notes(PromqlRows *rows)
{
	const char *const *texts;
	int count = pq_warnings(rows->query, &texts);

	for (int i = 0; i < count; i++)
	{
		if (is_new(rows->notes, texts[i]))
			ereport(WARNING, (errmsg_internal("%s", texts[i])));
	}
	count = pq_infos(rows->query, &texts);
	for (int i = 0; i < count; i++)
	{
		if (is_new(rows->notes, texts[i]))
			ereport(NOTICE, (errmsg_internal("%s", texts[i])));
	}
}

void
promql_rows_end(PromqlRows *rows)
{
	show_notes(rows);
	pq_end(rows->query);
	MemoryContextDelete(rows->context);
}
