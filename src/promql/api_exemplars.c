/*
 * api_exemplars.c
 *	  The API's document of exemplars: /api/v1/query_exemplars.
 *
 * A scan gives series in order of their ids, and they are to be in order of their labels:
 * so what it gives is written to a temporary file first, which is memory as long as it is
 * short.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api.h"
#include "exec_internal.h"
#include "labels_type.h"
#include "ts_series.h"

PG_FUNCTION_INFO_V1(mytsdb_api_exemplars);

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
parse_and_find(Exemplars *exemplars, TsString query)
{
	TsArena arena;

	find_selectors(api_parse(query, &arena), exemplars);
	ts_arena_free(&arena);
}

/* ---- exemplars ---- */

/* Exemplars of one series, as they are written: a place in the file. */
typedef struct Written
{
	TsString labels;
	uint32 series;
	int file;
	off_t offset;
	Size size;
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
write_exemplar(const Exemplars *exemplars, ApiOut *out, const TsBatch *batch, uint32 row)
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

/* Where exemplars are written to before they are shown. */
typedef struct Pieces
{
	BufFile *file;
	Size size;
} Pieces;

static void
take_piece(void *arg, const void *data, Size size)
{
	Pieces *pieces = arg;

	BufFileWrite(pieces->file, unconstify(void *, data), size);
	pieces->size += size;
}

static void
begin_written(Written *written, uint32 series, const Pieces *pieces)
{
	written->series = series;
	written->size = pieces->size;
	BufFileTell(pieces->file, &written->file, &written->offset);
}

static void
end_written(Written *written, ApiOut *out, const Pieces *pieces)
{
	api_flush(out);
	written->size = pieces->size - written->size;
}

/* Writes all series' exemplars into the file; *count series have any. */
static Written *
read_exemplars(const Exemplars *exemplars, TimestampTz start, TimestampTz end,
			   BufFile *file, int *count)
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
	Pieces pieces = {.file = file};
	ApiOut out;
	TsScan *scan;
	TsBatch batch;
	int n = 0;

	wanted[exemplars->exec.value_column - 1] = true;
	wanted[exemplars->column - 1] = true;
	api_hand_on(&out, take_piece, &pieces);
	scan = ts_scan_begin(exemplars->exec.rel, exemplars->snapshot, &spec);
	while (exemplars->nids > 0 && ts_scan_next(scan, &batch))
	{
		bool more = n > 0 && written[n - 1].series == batch.series;

		if (!more && n > 0)
			end_written(&written[n - 1], &out, &pieces);
		if (!more)
			begin_written(&written[n++], batch.series, &pieces);
		for (uint32 row = 0; row < batch.n; row++)
		{
			CHECK_FOR_INTERRUPTS();
			if (more || row > 0)
				api_text(&out, ",");
			write_exemplar(exemplars, &out, &batch, row);
		}
	}
	if (n > 0)
		end_written(&written[n - 1], &out, &pieces);
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

static void
copy_written(ApiOut *out, const Written *written, BufFile *file)
{
	Size left = written->size;

	if (BufFileSeek(file, written->file, written->offset, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not seek in a temporary file of exemplars: %m")));
	while (left > 0)
	{
		Size n = Min(left, BLCKSZ);

		if (BufFileRead(file, api_room(out, n), n) != n)
			ereport(ERROR, (errcode_for_file_access(),
							errmsg("could not read a temporary file of exemplars: %m")));
		out->len += n;
		left -= n;
	}
}

static void
write_document(ApiOut *out, const Exemplars *exemplars, TimestampTz start,
			   TimestampTz end)
{
	BufFile *file = BufFileCreateTemp(false);
	Written *written;
	int count;

	written = read_exemplars(exemplars, start, end, file, &count);
	sort_written(exemplars, written, count);
	api_begin(out);
	api_text(out, "[");
	for (int i = 0; i < count; i++)
	{
		api_text(out, i > 0 ? ",{\"seriesLabels\":" : "{\"seriesLabels\":");
		api_labels(out, written[i].labels);
		api_text(out, ",\"exemplars\":[");
		copy_written(out, &written[i], file);
		api_text(out, "]}");
	}
	api_text(out, "]");
	api_finish(out, NULL, 0, NULL, 0);
	BufFileClose(file);
}

void
api_exemplars(ApiOut *out, TsString query, TimestampTz start, TimestampTz end, Oid source)
{
	Exemplars exemplars = {.snapshot = GetActiveSnapshot()};

	api_check_times(start, end);
	exemplars.exec.context = CurrentMemoryContext;
	pq_open_source(&exemplars.exec, source);
	exemplars.column = exemplar_column(&exemplars.exec);
	ts_scan_admit(exemplars.exec.rel, exemplars.exec.table, exemplars.snapshot);
	parse_and_find(&exemplars, query);
	write_document(out, &exemplars, start, end);
	relation_close(exemplars.exec.rel, NoLock);
}

/* mytsdb.query_exemplars(query, start, "end", source) */
Datum
mytsdb_api_exemplars(PG_FUNCTION_ARGS)
{
	ApiOut out;

	api_require(fcinfo, 0, "query");
	api_require(fcinfo, 3, "source");
	api_keep(&out);
	api_exemplars(&out, api_text_arg(fcinfo, 0),
				  PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1),
				  PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2),
				  PG_GETARG_OID(3));
	return api_kept(&out);
}
