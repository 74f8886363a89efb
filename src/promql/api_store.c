/*
 * api_store.c
 *	  The API's questions about what is kept beside samples, as SQL functions:
 *	  /api/v1/metadata and query_exemplars.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "api.h"
#include "exec_internal.h"
#include "labels_type.h"
#include "ts_series.h"

PG_FUNCTION_INFO_V1(mytsdb_api_metadata);
PG_FUNCTION_INFO_V1(mytsdb_api_exemplars);

/* ---- metadata ---- */

/* Writes a column of a row that SPI has found. */
static void
write_column(StringInfo out, HeapTuple row, int column)
{
	char *text = SPI_getvalue(row, SPI_tuptable->tupdesc, column);

	api_string(out, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

static void
write_metadata(StringInfo out, HeapTuple row)
{
	write_column(out, row, 1);
	api_text(out, ":[{\"type\":");
	write_column(out, row, 2);
	api_text(out, ",\"help\":");
	write_column(out, row, 3);
	api_text(out, ",\"unit\":");
	write_column(out, row, 4);
	api_text(out, "}]");
}

/* mytsdb.metric_metadata(metric, "limit", source): negative: there is no limit */
Datum
mytsdb_api_metadata(PG_FUNCTION_ARGS)
{
	Datum metric = PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0);
	int limit = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT32(1);
	char null = PG_ARGISNULL(0) ? 'n' : ' ';
	Oid type = TEXTOID;
	StringInfoData out;
	const char *query;
	Oid source;

	api_require(fcinfo, 2, "source");
	source = PG_GETARG_OID(2);
	if (get_rel_name(source) == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", source)));
	query = psprintf(
		"SELECT metric, type, help, unit FROM %s "
		"WHERE $1 IS NULL OR metric OPERATOR(pg_catalog.=) $1 "
		"ORDER BY metric COLLATE \"C\"",
		quote_qualified_identifier(get_namespace_name(get_rel_namespace(source)),
								   get_rel_name(source)));
	api_begin(&out);
	api_text(&out, "{");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* as SPI has it, no limit is 0; and here, 0 is a limit */
	if (limit != 0 && SPI_execute_with_args(query, 1, &type, &metric, &null, true,
											Max(limit, 0)) != SPI_OK_SELECT)
		elog(ERROR, "metadata could not be read");
	for (uint64 i = 0; limit != 0 && i < SPI_processed; i++)
	{
		if (i > 0)
			api_text(&out, ",");
		write_metadata(&out, SPI_tuptable->vals[i]);
	}
	SPI_finish();
	api_text(&out, "}");
	return api_finish(&out, NULL, 0, NULL, 0);
}

/* ---- the selectors of an expression ---- */

typedef struct Exemplars
{
	PqExec exec; /* of which only the source is filled in */
	Snapshot snapshot;
	AttrNumber column; /* the exemplar's own labels */
	uint32 *ids;       /* of the selectors so far: ascending */
	uint32 nids;
} Exemplars;

static void
add_selector(Exemplars *exemplars, const PqNode *node)
{
	uint32 count;
	uint32 *ids = pq_select_series(exemplars->exec.rel, exemplars->exec.table,
								   exemplars->snapshot, node->u.selector.matchers,
								   node->u.selector.nmatchers, &count);
	uint32 *all = api_join_ids(exemplars->ids, exemplars->nids, ids, count,
							   &exemplars->nids);

	if (exemplars->ids != NULL)
		pfree(exemplars->ids);
	pfree(ids);
	exemplars->ids = all;
}

static void
find_selectors(const PqNode *node, void *exemplars)
{
	check_stack_depth();
	if (node->kind == PQ_SELECTOR)
		add_selector(exemplars, node);
	pq_for_children(node, find_selectors, exemplars);
}

static void
parse_and_find(Exemplars *exemplars, const text *query)
{
	TsArena arena;

	find_selectors(api_parse(query, &arena), exemplars);
	ts_arena_free(&arena);
}

/* ---- exemplars ---- */

/* Exemplars of one series, as they are written; places in one text. */
typedef struct Written
{
	TsString labels;
	uint32 series;
	int start;
	int end;
} Written;

static AttrNumber
exemplar_column(const PqExec *exec)
{
	AttrNumber column = get_attnum(RelationGetRelid(exec->rel), "exemplar");

	if (column <= 0 || exec->value_column == 0 ||
		exec->table->columns[exec->value_column - 1].kind != TS_COLUMN_FLOAT8 ||
		exec->table->time_type != TIMESTAMPTZOID ||
		exec->table->columns[column - 1].role != TS_ROLE_VALUE ||
		!labels_is_type(exec->table->columns[column - 1].type))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" does not hold exemplars",
						RelationGetRelationName(exec->rel)),
				 errhint("A table of exemplars has the columns of mytsdb.exemplars.")));
	pq_check_column(exec->rel, column);
	return column;
}

static void
write_exemplar(const Exemplars *exemplars, StringInfo out, const TsBatch *batch,
			   uint32 row)
{
	AttrNumber value = exemplars->exec.value_column;
	AttrNumber column = exemplars->column;
	const bool *no_value = batch->nulls[value - 1];
	const bool *no_labels = batch->nulls[column - 1];
	Labels *labels;

	api_text(out, "{\"labels\":");
	if (no_labels == NULL || !no_labels[row])
	{
		labels = DatumGetLabelsPP(batch->values[column - 1][row]);
		api_labels(out, (TsString){LABELS_DATA(labels), LABELS_SIZE(labels)});
	}
	else
		api_text(out, "{}");
	api_text(out, ",\"value\":");
	api_float(out, no_value == NULL || !no_value[row]
					   ? DatumGetFloat8(batch->values[value - 1][row])
					   : get_float8_nan());
	api_text(out, ",\"timestamp\":");
	api_time(out, batch->times[row]);
	api_text(out, "}");
}

/* Writes all series' exemplars into a text; *count series have any. */
static Written *
read_exemplars(const Exemplars *exemplars, TimestampTz start, TimestampTz end,
			   StringInfo out, int *count)
{
	bool *wanted = palloc0(sizeof(bool) * exemplars->exec.table->natts);
	Written *written = palloc_extended(sizeof(Written) * Max(exemplars->nids, 1),
									   MCXT_ALLOC_HUGE);
	TsScanSpec spec = {.time_min = start,
					   .time_max = end,
					   .series = exemplars->ids,
					   .nseries = exemplars->nids,
					   .wanted = wanted,
					   .by_series = true};
	TsScan *scan;
	TsBatch batch;
	int n = 0;

	wanted[exemplars->exec.value_column - 1] = true;
	wanted[exemplars->column - 1] = true;
	scan = ts_scan_begin(exemplars->exec.rel, exemplars->snapshot, &spec);
	while (exemplars->nids > 0 && ts_scan_next(scan, &batch))
	{
		for (uint32 row = 0; row < batch.n; row++)
		{
			bool first = n == 0 || written[n - 1].series != batch.series;

			CHECK_FOR_INTERRUPTS();
			if (first)
				written[n++] = (Written){.series = batch.series, .start = out->len};
			else
				api_text(out, ",");
			write_exemplar(exemplars, out, &batch, row);
			written[n - 1].end = out->len;
		}
	}
	ts_scan_end(scan);
	*count = n;
	return written;
}

static int
compare_written(const void *a, const void *b)
{
	const TsString *x = &((const Written *) a)->labels;
	const TsString *y = &((const Written *) b)->labels;

	return labels_compare(x->data, x->len, y->data, y->len);
}

static void
sort_written(const Exemplars *exemplars, Written *written, int count)
{
	const TsTable *table = exemplars->exec.table;
	TsSeriesReader *reader = ts_series_open(exemplars->exec.rel, table);
	Datum *values = palloc(sizeof(Datum) * table->natts);
	bool *isnull = palloc(sizeof(bool) * table->natts);
	int key = table->keys[0] - 1;

	for (int i = 0; i < count; i++)
	{
		Labels *labels;

		ts_series_read(reader, written[i].series, values, isnull);
		Assert(!isnull[key]);
		labels = (Labels *) DatumGetPointer(values[key]);
		written[i].labels = (TsString){LABELS_DATA(labels), LABELS_SIZE(labels)};
	}
	ts_series_close(reader);
	qsort(written, count, sizeof(Written), compare_written);
}

static Datum
exemplar_document(const Exemplars *exemplars, TimestampTz start, TimestampTz end)
{
	StringInfoData pieces;
	StringInfoData out;
	Written *written;
	int count;

	initStringInfo(&pieces);
	written = read_exemplars(exemplars, start, end, &pieces, &count);
	sort_written(exemplars, written, count);
	api_begin(&out);
	api_text(&out, "[");
	for (int i = 0; i < count; i++)
	{
		int size = written[i].end - written[i].start;

		api_text(&out, i > 0 ? ",{\"seriesLabels\":" : "{\"seriesLabels\":");
		api_labels(&out, written[i].labels);
		api_text(&out, ",\"exemplars\":[");
		memcpy(api_room(&out, size), pieces.data + written[i].start, size);
		out.len += size;
		api_text(&out, "]}");
	}
	api_text(&out, "]");
	return api_finish(&out, NULL, 0, NULL, 0);
}

/* mytsdb.query_exemplars(query, start, "end", source) */
Datum
mytsdb_api_exemplars(PG_FUNCTION_ARGS)
{
	Exemplars exemplars = {.snapshot = GetActiveSnapshot()};
	TimestampTz start = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz end = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);
	Datum document;

	api_require(fcinfo, 0, "query");
	api_require(fcinfo, 3, "source");
	api_check_times(start, end);
	exemplars.exec.context = CurrentMemoryContext;
	pq_open_source(&exemplars.exec, PG_GETARG_OID(3));
	exemplars.column = exemplar_column(&exemplars.exec);
	ts_scan_admit(exemplars.exec.rel, exemplars.exec.table, exemplars.snapshot);
	parse_and_find(&exemplars, PG_GETARG_TEXT_PP(0));
	document = exemplar_document(&exemplars, start, end);
	relation_close(exemplars.exec.rel, NoLock);
	return document;
}
