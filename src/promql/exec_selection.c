/*
 * exec_selection.c
 *	  What instant and range selectors have in common: modifiers, series, labels.
 *
 * The list of series is what the dictionary knows; many may have no samples then.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec_internal.h"
#include "labels_type.h"
#include "ts_series.h"

/* ---- modifiers ---- */

int64
pq_duration(PqExec *exec, const PqDuration *duration, bool must_be_positive)
{
	PqDurationTerms terms = {.step_ms = exec->instant ? 0 : exec->steps.step / PQ_MS,
							 .range_ms = (exec->end - exec->steps.start) / PQ_MS};
	int64 ms;
	TsError err;

	if (!duration->given)
		return 0;
	if (promql_duration(duration, &terms, must_be_positive, &ms, &err) != TS_OK)
		pq_fail(exec, err.offset, ERRCODE_INVALID_PARAMETER_VALUE, "%s", err.message);
	return ms > PG_INT64_MAX / PQ_MS   ? PG_INT64_MAX
		   : ms < PG_INT64_MIN / PQ_MS ? PG_INT64_MIN + 1
									   : ms * PQ_MS;
}

static int64
pinned_time(const PqExec *exec, const PqModifiers *modifiers)
{
	switch (modifiers->at)
	{
		case PQ_AT_START:
			return exec->steps.start;
		case PQ_AT_END:
			return exec->end;
		default:
			Assert(modifiers->at == PQ_AT_TIME);
			break;
	}
	if (modifiers->at_ms > PG_INT64_MAX / PQ_MS)
		return PG_INT64_MAX;
	if (modifiers->at_ms < PG_INT64_MIN / PQ_MS)
		return PG_INT64_MIN;
	return pq_time_sub(modifiers->at_ms * PQ_MS, PQ_UNIX_EPOCH);
}

int64
pq_modified_time(const PqExec *exec, const PqModifiers *modifiers, int64 offset,
				 int64 time)
{
	if (modifiers->at != PQ_AT_NONE)
		time = pinned_time(exec, modifiers);
	return pq_time_sub(time, offset);
}

/* ---- planning ---- */

static PqNeeds *
copy_needs(PqExec *exec, const PqNeeds *needs)
{
	PqNeeds *copy;

	if (needs == NULL)
		return NULL;
	copy = MemoryContextAlloc(exec->context, sizeof(PqNeeds));
	*copy = *needs;
	return copy;
}

void
pq_selection_plan(PqExec *exec, PqSelection *selection, const PqNode *node,
				  const PqNeeds *needs)
{
	const PqModifiers *modifiers = &node->u.selector.modifiers;

	Assert(node->kind == PQ_SELECTOR);
	selection->node = node;
	selection->offset = pq_duration(exec, &modifiers->offset, false);
	selection->pinned = modifiers->at != PQ_AT_NONE;
	selection->needs = copy_needs(exec, needs);
}

/* ---- labels ---- */

/* The name that all series have, since a matcher says so. */
static bool
known_name(const PqNode *node, TsString *name)
{
	for (int i = 0; i < node->u.selector.nmatchers; i++)
	{
		const TsMatcher *matcher = &node->u.selector.matchers[i];

		if (matcher->type == TS_MATCH_EQUAL && matcher->value.len > 0 &&
			ts_string_is(matcher->name, TS_METRIC_NAME_LABEL))
		{
			*name = matcher->value;
			return true;
		}
	}
	return false;
}

/* Nobody looks at more than the name, and all have the same one. */
static void
give_name(PqOperator *op, TsString name)
{
	LabelsPair pair = {{TS_METRIC_NAME_LABEL, strlen(TS_METRIC_NAME_LABEL)}, name, -1};
	TsString labels = pq_labels_make(&pair, 1, op->context);

	for (uint32 i = 0; i < op->nseries; i++)
		op->series[i].labels = labels;
}

/* The names that are needed, with the metric's. */
static PqNames
needed_names(const PqNeeds *needs)
{
	PqNames names = {palloc(sizeof(TsString) * (needs->count + 1)), needs->count + 1};

	names.names[0] = (TsString){TS_METRIC_NAME_LABEL, strlen(TS_METRIC_NAME_LABEL)};
	for (int i = 0; i < needs->count; i++)
		names.names[i + 1] = needs->names[i];
	return names;
}

static TsString
take_labels(PqOperator *op, TsString labels, const PqNames *names)
{
	char *copy;

	if (names != NULL)
		return pq_labels_keep(labels, names, op->context);
	copy = MemoryContextAlloc(op->context, labels.len);
	memcpy(copy, labels.data, labels.len);
	return (TsString){copy, labels.len};
}

/* Reads the keys of the series. */
static void
read_labels(PqOperator *op, const PqSelection *selection)
{
	const TsTable *table = op->exec->table;
	int att = op->exec->labels_column - 1;
	MemoryContext row = AllocSetContextCreate(op->context, "PromQL labels of series",
											  ALLOCSET_DEFAULT_SIZES);
	Datum *values = palloc(sizeof(Datum) * table->natts);
	bool *isnull = palloc(sizeof(bool) * table->natts);
	PqNames names;
	TsSeriesReader *reader;

	if (selection->needs != NULL)
		names = needed_names(selection->needs);
	reader = ts_series_open(op->exec->rel, table);
	for (uint32 i = 0; i < op->nseries; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(row);
		TsString labels;

		if (i % 1024 == 1023)
		{
			CHECK_FOR_INTERRUPTS();
			pq_measure(op->exec);
		}
		ts_series_read(reader, selection->ids[i], values, isnull);
		Assert(!isnull[att]);
		labels.data = LABELS_DATA(DatumGetPointer(values[att]));
		labels.len = LABELS_SIZE(DatumGetPointer(values[att]));
		op->series[i].labels = take_labels(op, labels,
										   selection->needs != NULL ? &names : NULL);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	ts_series_close(reader);
	MemoryContextDelete(row);
}

/*
 * The series that are selected. All selectors of a query, whenever they are opened, look at
 * those that there were when the first one was, so that equal ones give the same list.
 */
static void
select_series(PqOperator *op, PqSelection *selection)
{
	PqExec *exec = op->exec;
	const PqNode *node = selection->node;

	ts_scan_admit(exec->rel, exec->table, exec->snapshot);
	if (!exec->knows_series)
	{
		exec->series = ts_series_count(exec->rel, exec->table);
		exec->knows_series = true;
	}
	selection->ids = pq_select_series(exec->rel, exec->table, exec->snapshot,
									  node->u.selector.matchers,
									  node->u.selector.nmatchers, &op->nseries);
	while (op->nseries > 0 && selection->ids[op->nseries - 1] >= exec->series)
		op->nseries--;
}

void
pq_selection_open(PqOperator *op, PqSelection *selection)
{
	PqExec *exec = op->exec;
	const PqNode *node = selection->node;
	TsString name;

	if (exec->parallel->ids != NULL)
	{
		selection->ids = unconstify(uint32 *, exec->parallel->ids);
		op->nseries = exec->parallel->nids;
	}
	else
		select_series(op, selection);
	op->series = pq_alloc0(op, sizeof(PqSeries) * op->nseries);
	if (selection->needs != NULL && selection->needs->count == 0 &&
		known_name(node, &name))
		give_name(op, name);
	else
		read_labels(op, selection);
}

void
pq_selection_read(PqSelection *selection, int64 time_min, int64 time_max,
				  bool start_times)
{
	selection->time_min = time_min;
	selection->time_max = time_max;
	selection->start_times = start_times;
}

/* A query may have many selectors, of which few are read at a time. */
bool
pq_selection_next(PqOperator *op, PqSelection *selection, PqRead *read)
{
	if (selection->reader == NULL)
	{
		PqReadSpec spec = {.ids = selection->ids,
						   .nids = op->nseries,
						   .time_min = selection->time_min,
						   .time_max = selection->time_max,
						   .start_times = selection->start_times};

		selection->reader = pq_reader_begin(op->exec, op->context, &spec);
	}
	return pq_reader_next(selection->reader, selection->ids[op->given], read);
}

void
pq_add_scan_stats(TsScanStats *to, const TsScanStats *stats)
{
	to->blocks_read += stats->blocks_read;
	to->blocks_skipped += stats->blocks_skipped;
	to->chunks_read += stats->chunks_read;
	to->chunks_skipped += stats->chunks_skipped;
	to->rows_sealed += stats->rows_sealed;
	to->rows_log += stats->rows_log;
	to->rows_own += stats->rows_own;
	to->series += stats->series;
	to->spilled += stats->spilled;
}

void
pq_selection_close(PqSelection *selection)
{
	if (selection->reader == NULL)
		return;
	pq_add_scan_stats(&selection->stats, pq_reader_stats(selection->reader));
	pq_reader_end(selection->reader);
	selection->reader = NULL;
}

/* ---- EXPLAIN ---- */

void
pq_selection_explain(PqOperator *op, const PqSelection *selection, PqExplain *to)
{
	const PqNode *node = selection->node;
	TsScanStats stats = selection->stats;

	if (selection->reader != NULL)
		pq_add_scan_stats(&stats, pq_reader_stats(selection->reader));
	pq_explain_text(to, "Selector", "%.*s", node->end - node->start,
					op->exec->text + node->start);
	if (!op->exec->analyze)
		return;
	pq_explain_number(to, "Blocks Read", (double) stats.blocks_read, 0);
	pq_explain_number(to, "Chunks Read", (double) stats.chunks_read, 0);
	pq_explain_number(to, "Rows Read",
					  (double) (stats.rows_sealed + stats.rows_log + stats.rows_own), 0);
}
