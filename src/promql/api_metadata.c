/*
 * api_metadata.c
 *	  The API's document of what is known of metrics: /api/v1/metadata.
 *
 * Metadata is a table like mytsdb.metadata, of few and short rows. It is read as a whole,
 * within mytsdb.query_memory, since it is to be shown in order of the names.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "api.h"
#include "exec_internal.h"

PG_FUNCTION_INFO_V1(mytsdb_api_metadata);

typedef enum Column
{
	COLUMN_METRIC,
	COLUMN_TYPE,
	COLUMN_HELP,
	COLUMN_UNIT,
	COLUMNS
} Column;

static const char *const column_names[COLUMNS] = {"metric", "type", "help", "unit"};

typedef struct Row
{
	TsString texts[COLUMNS];
} Row;

/* ---- the table ---- */

static void
refuse(Relation rel)
{
	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("relation \"%s\" does not hold metadata",
						   RelationGetRelationName(rel)),
					errhint("A table of metadata has the columns of mytsdb.metadata.")));
}

static Relation
open_metadata(Oid source, AttrNumber *columns)
{
	Relation rel = try_relation_open(source, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", source)));
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		refuse(rel);
	for (int i = 0; i < COLUMNS; i++)
	{
		columns[i] = get_attnum(source, column_names[i]);
		if (columns[i] <= 0 || get_atttype(source, columns[i]) != TEXTOID)
			refuse(rel);
		pq_check_column(rel, columns[i]);
	}
	if (check_enable_rls(source, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("metadata cannot be read from table \"%s\", whose row "
							   "security applies to the current user",
							   RelationGetRelationName(rel))));
	return rel;
}

/* ---- rows ---- */

static void
charge_memory(Size *used, Size size)
{
	*used += size;
	if (*used > (Size) pq_settings.memory_kb * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("the answer needs more memory than mytsdb.query_memory allows"),
				 errhint("Ask for one metric, or raise mytsdb.query_memory.")));
}

/* Whether the row is of a metric; what that takes is not kept. */
static bool
is_of_metric(TupleTableSlot *slot, AttrNumber column, const char *metric)
{
	bool isnull;
	Datum value = slot_getattr(slot, column, &isnull);
	text *name;
	bool is;

	if (isnull)
		return metric[0] == '\0';
	name = DatumGetTextPP(value);
	is = ts_string_is((TsString){VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)}, metric);
	if ((Pointer) name != DatumGetPointer(value))
		pfree(name);
	return is;
}

static TsString
copy_text(TupleTableSlot *slot, AttrNumber column)
{
	bool isnull;
	Datum value = slot_getattr(slot, column, &isnull);
	TsString copy = {"", 0};
	text *source;

	if (isnull)
		return copy;
	source = DatumGetTextPP(value);
	copy.len = VARSIZE_ANY_EXHDR(source);
	copy.data = memcpy(palloc(Max(copy.len, 1)), VARDATA_ANY(source), copy.len);
	if ((Pointer) source != DatumGetPointer(value))
		pfree(source);
	return copy;
}

/* The rows of a metric, or of all (NULL), as they come. */
static Row *
read_rows(Relation rel, const AttrNumber *columns, const char *metric, int *count)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	Row *rows = NULL;
	int room = 0;
	int n = 0;
	Size used = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		Row *row;

		CHECK_FOR_INTERRUPTS();
		if (metric != NULL && !is_of_metric(slot, columns[COLUMN_METRIC], metric))
			continue;
		if (n == room)
		{
			room = Max(2 * room, 64);
			rows = rows == NULL ? palloc_extended(sizeof(Row) * room, MCXT_ALLOC_HUGE)
								: repalloc_huge(rows, sizeof(Row) * room);
		}
		row = &rows[n++];
		charge_memory(&used, sizeof(Row));
		for (int i = 0; i < COLUMNS; i++)
		{
			row->texts[i] = copy_text(slot, columns[i]);
			charge_memory(&used, row->texts[i].len);
		}
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	*count = n;
	return rows;
}

static int
compare_rows(const void *a, const void *b)
{
	const Row *x = a;
	const Row *y = b;

	for (int i = 0; i < COLUMNS; i++)
	{
		int order = memcmp(x->texts[i].data, y->texts[i].data,
						   Min(x->texts[i].len, y->texts[i].len));

		if (order != 0)
			return order;
		if (x->texts[i].len != y->texts[i].len)
			return x->texts[i].len < y->texts[i].len ? -1 : 1;
	}
	return 0;
}

/* ---- the document ---- */

static void
write_text(ApiOut *out, const char *before, TsString text)
{
	api_text(out, before);
	api_string(out, text.data, text.len);
}

/* Writes the rows of the metric that the first one is of; returns how many they are. */
static int
write_metric(ApiOut *out, const Row *rows, int count, int limit)
{
	int n = 0;

	write_text(out, "", rows[0].texts[COLUMN_METRIC]);
	api_text(out, ":[");
	for (; n < count &&
		   ts_string_equal(rows[n].texts[COLUMN_METRIC], rows[0].texts[COLUMN_METRIC]);
		 n++)
	{
		if (limit > 0 && n >= limit)
			continue;
		write_text(out, n > 0 ? ",{\"type\":" : "{\"type\":", rows[n].texts[COLUMN_TYPE]);
		write_text(out, ",\"help\":", rows[n].texts[COLUMN_HELP]);
		write_text(out, ",\"unit\":", rows[n].texts[COLUMN_UNIT]);
		api_text(out, "}");
	}
	api_text(out, "]");
	return n;
}

void
api_metadata(ApiOut *out, const ApiMetadata *request)
{
	AttrNumber columns[COLUMNS];
	Relation rel = open_metadata(request->source, columns);
	int count;
	Row *rows = read_rows(rel, columns, request->metric, &count);
	int metrics = 0;

	relation_close(rel, NoLock);
	if (count > 0)
		qsort(rows, count, sizeof(Row), compare_rows);
	api_begin(out);
	api_text(out, "{");
	for (int i = 0; i < count && (request->limit < 0 || metrics < request->limit);
		 metrics++)
	{
		if (metrics > 0)
			api_text(out, ",");
		i += write_metric(out, rows + i, count - i, request->limit_per_metric);
	}
	api_text(out, "}");
	api_finish(out, NULL, 0, NULL, 0);
}

/* mytsdb.metric_metadata(metric, "limit", source): negative: there is no limit */
Datum
mytsdb_api_metadata(PG_FUNCTION_ARGS)
{
	ApiMetadata request = {.limit = -1, .limit_per_metric = -1};
	ApiOut out;

	if (!PG_ARGISNULL(0))
		request.metric = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(1))
		request.limit = PG_GETARG_INT32(1);
	api_require(fcinfo, 2, "source");
	request.source = PG_GETARG_OID(2);
	api_keep(&out);
	api_metadata(&out, &request);
	return api_kept(&out);
}
