/*
 * api_series.c
 *	  The API's questions about series as SQL functions: /api/v1/series, labels and
 *	  label/NAME/values.
 *
 * Series are found by their labels, and those are kept that have a sample in the range of
 * time, or, where no time is given, any: the dictionary also knows series that were rolled
 * back or whose blocks are gone. Which series have samples is known from the blocks for
 * most, without decoding; logs are read only for series that no block has there. Names and
 * values come from the label index where it covers the series, else, and where series are
 * few, from their keys.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api.h"
#include "exec_internal.h"
#include "labels_type.h"
#include "promql_sql.h"
#include "ts_index.h"
#include "ts_report.h"
#include "ts_series.h"

PG_FUNCTION_INFO_V1(mytsdb_api_series);
PG_FUNCTION_INFO_V1(mytsdb_api_label_names);
PG_FUNCTION_INFO_V1(mytsdb_api_label_values);

/* As many keys are read rather than all postings of a label looked through. */
#define FEW_SERIES 1000

/* Series of a source. */
typedef struct Lookup
{
	PqExec exec; /* of which only the source is filled in */
	Snapshot snapshot;
	uint32 *ids; /* ascending */
	uint32 nids;
} Lookup;

/* ---- which series ---- */

static void
open_lookup(Lookup *lookup, Oid source)
{
	memset(lookup, 0, sizeof(*lookup));
	lookup->snapshot = GetActiveSnapshot();
	lookup->exec.context = CurrentMemoryContext;
	pq_open_source(&lookup->exec, source);
	ts_scan_admit(lookup->exec.rel, lookup->exec.table, lookup->snapshot);
}

static void
close_lookup(Lookup *lookup)
{
	relation_close(lookup->exec.rel, NoLock);
}

/* A selector that selects everything is most likely a mistake, and Prometheus says so. */
static void
check_selective(const TsSelector *selector)
{
	for (uint32 i = 0; i < selector->nmatchers; i++)
	{
		if (!selector->matchers[i].matches_empty)
			return;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("match[] must contain at least one non-empty matcher"),
					errhint("Add a matcher that does not match the empty string, as in "
							"{__name__=~\".+\"}.")));
}

static uint32 *
select_series(Lookup *lookup, TsString match, uint32 *count)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb API selector", ALLOCSET_SMALL_SIZES);
	TsError err;
	TsSelector *selector = labels_compile_selector(match.data, match.len, context, &err);
	uint32 *ids;

	if (selector == NULL && (err.code == TS_ERR_LIMIT || err.code == TS_ERR_MEMORY))
		ts_report_limit(&err);
	if (selector == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%d:%d: parse error: %s", err.line, err.column, err.message)));
	check_selective(selector);
	ids = pq_select_series(lookup->exec.rel, lookup->exec.table, lookup->snapshot,
						   selector->matchers, (int) selector->nmatchers, count);
	MemoryContextDelete(context);
	return ids;
}

static void
all_series(Lookup *lookup)
{
	lookup->nids = ts_series_count(lookup->exec.rel, lookup->exec.table);
	lookup->ids = palloc_extended(sizeof(uint32) * Max(lookup->nids, 1), MCXT_ALLOC_HUGE);
	for (uint32 id = 0; id < lookup->nids; id++)
		lookup->ids[id] = id;
}

/* The series that any of the selectors selects. */
static void
match_series(Lookup *lookup, const TsString *matches, int nmatches)
{
	for (int i = 0; i < nmatches; i++)
	{
		uint32 count;
		uint32 *ids = select_series(lookup, matches[i], &count);

		if (i > 0)
		{
			uint32 *both = api_join_ids(lookup->ids, lookup->nids, ids, count, &count);

			pfree(lookup->ids);
			pfree(ids);
			ids = both;
		}
		lookup->ids = ids;
		lookup->nids = count;
	}
}

/* ---- which of them have samples ---- */

typedef struct Seen
{
	const uint32 *ids;
	uint32 nids;
	bool *seen; /* [nids] */
	uint32 count;
	uint32 at; /* place that was asked for last: a scan asks for ascending ids */
} Seen;

/* Where an id is in the set; nids: it is not there. */
static uint32
place_of(Seen *seen, uint32 id)
{
	uint32 low = 0;
	uint32 high = seen->nids;

	for (uint32 at = seen->at; at < seen->nids && at < seen->at + 2; at++)
	{
		if (seen->ids[at] == id)
			return seen->at = at;
	}
	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (seen->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == seen->nids || seen->ids[low] != id)
		return seen->nids;
	return seen->at = low;
}

/* A scan's question: no series is looked for twice. */
static bool
is_unseen(void *arg, uint32 id)
{
	Seen *seen = arg;
	uint32 at = place_of(seen, id);

	return at < seen->nids && !seen->seen[at];
}

/* Notes the series that a scan finds, until all were seen. */
static void
run_scan(Lookup *lookup, TsScanSpec *spec, Seen *seen)
{
	TsScan *scan;
	TsBatch batch;

	spec->series = seen->ids;
	spec->nseries = seen->nids;
	spec->accept = is_unseen;
	spec->accept_arg = seen;
	spec->series_only = true;
	scan = ts_scan_begin(lookup->exec.rel, lookup->snapshot, spec);
	while (seen->count < seen->nids && ts_scan_next(scan, &batch))
	{
		uint32 at = place_of(seen, batch.series);

		CHECK_FOR_INTERRUPTS();
		Assert(at < seen->nids && !seen->seen[at]);
		seen->seen[at] = true;
		seen->count++;
	}
	ts_scan_end(scan);
}

/* Looks in blocks alone. */
static void
scan_blocks(Lookup *lookup, int64 time_min, int64 time_max, Seen *seen)
{
	TsScanSpec spec = {.time_min = time_min, .time_max = time_max, .newest_first = true};

	spec.only_blocks = ts_catalog_blocks(lookup->exec.table->storage, time_min, time_max,
										 lookup->snapshot, &spec.nonly_blocks);
	if (spec.nonly_blocks > 0)
		run_scan(lookup, &spec, seen);
}

/* Keeps those that were seen, or not. */
static uint32 *
pick_ids(const Seen *seen, bool which, uint32 *count)
{
	uint32 *ids = palloc_extended(sizeof(uint32) * Max(seen->nids, 1), MCXT_ALLOC_HUGE);

	*count = 0;
	for (uint32 i = 0; i < seen->nids; i++)
	{
		if (seen->seen[i] == which)
			ids[(*count)++] = seen->ids[i];
	}
	return ids;
}

static void
init_seen(Seen *seen, const uint32 *ids, uint32 nids)
{
	seen->ids = ids;
	seen->nids = nids;
	seen->count = 0;
	seen->at = 0;
	seen->seen = palloc_extended(Max(nids, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* Keeps the series that have a sample in the range of the table's times. */
static void
keep_present(Lookup *lookup, int64 time_min, int64 time_max)
{
	TsScanSpec spec = {.time_min = time_min, .time_max = time_max};
	Seen in_blocks;
	Seen rest;
	uint32 nrest;
	uint32 *rest_ids;
	uint32 nfound;
	uint32 *found;

	init_seen(&in_blocks, lookup->ids, lookup->nids);
	scan_blocks(lookup, time_min, time_max, &in_blocks);
	rest_ids = pick_ids(&in_blocks, false, &nrest);
	init_seen(&rest, rest_ids, nrest);
	if (nrest > 0)
		run_scan(lookup, &spec, &rest);
	lookup->ids = pick_ids(&in_blocks, true, &lookup->nids);
	found = pick_ids(&rest, true, &nfound);
	lookup->ids = api_join_ids(lookup->ids, lookup->nids, found, nfound, &lookup->nids);
}

/* ---- lists of strings ---- */

/* Strings, in the context, some maybe more than once until they are sorted. */
typedef struct Strings
{
	MemoryContext context;
	TsString *strings;
	uint32 count;
	uint32 room;
	Size bytes;
} Strings;

static void
add_string(void *arg, TsString string)
{
	Strings *list = arg;
	MemoryContext caller = MemoryContextSwitchTo(list->context);
	TsString *place;

	if (list->count == list->room)
	{
		list->room = Max(list->room * 2, 256);
		if (list->strings == NULL)
			list->strings = palloc_extended(sizeof(TsString) * list->room,
											MCXT_ALLOC_HUGE);
		else
			list->strings = repalloc_huge(list->strings, sizeof(TsString) * list->room);
	}
	list->bytes += string.len + sizeof(TsString);
	if (list->bytes > (Size) pq_settings.memory_kb * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("the answer needs more memory than mytsdb.query_memory allows"),
				 errhint("Select fewer series, or raise mytsdb.query_memory.")));
	place = &list->strings[list->count++];
	place->data = memcpy(palloc(Max(string.len, 1)), string.data, string.len);
	place->len = string.len;
	MemoryContextSwitchTo(caller);
}

static int
compare_bytes(const void *a, const void *b)
{
	return ts_string_compare(*(const TsString *) a, *(const TsString *) b);
}

static int
compare_payloads(const void *a, const void *b)
{
	const TsString *x = a;
	const TsString *y = b;

	return labels_compare(x->data, x->len, y->data, y->len);
}

static void
sort_strings(Strings *list, int (*compare)(const void *, const void *))
{
	qsort(list->strings, list->count, sizeof(TsString), compare);
	list->count = (uint32) qunique(list->strings, list->count, sizeof(TsString), compare);
}

/* A document of them; `limit` 0: all. */
static void
write_list(ApiOut *out, const Strings *list, int limit, bool labels)
{
	uint32 n = limit > 0 ? Min(list->count, (uint32) limit) : list->count;

	api_begin(out);
	api_text(out, "[");
	for (uint32 i = 0; i < n; i++)
	{
		const TsString *string = &list->strings[i];

		if (i > 0)
			api_text(out, ",");
		if (labels)
			api_labels(out, *string);
		else
			api_string(out, string->data, string->len);
	}
	api_text(out, "]");
	api_finish_list(out, n < list->count);
}

/* ---- labels of series ---- */

/* What is wanted of a series' labels. */
typedef enum Want
{
	WANT_ALL,
	WANT_NAMES,
	WANT_VALUE
} Want;

static void
add_labels(Strings *list, TsString labels, Want want, TsString name)
{
	LabelsIter iter;
	LabelsPair pair;
	TsString value;

	switch (want)
	{
		case WANT_ALL:
			add_string(list, labels);
			break;
		case WANT_VALUE:
			if (labels_find(labels.data, labels.len, name.data, name.len, &value))
				add_string(list, value);
			break;
		case WANT_NAMES:
			labels_iter_init(&iter, labels.data, labels.len);
			while (labels_iter_next(&iter, &pair))
				add_string(list, pair.name);
			break;
	}
}

void
api_tell_keys(const PqExec *exec, const uint32 *ids, uint32 first, uint32 count,
			  ApiTellKey tell, void *arg)
{
	const TsTable *table = exec->table;
	TsSeriesReader *reader = ts_series_open(exec->rel, table);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "mytsdb API labels",
											  ALLOCSET_DEFAULT_SIZES);
	Datum *values = palloc(sizeof(Datum) * table->natts);
	bool *isnull = palloc(sizeof(bool) * table->natts);
	int key = table->keys[0] - 1;

	for (uint32 i = 0; i < count; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(row);

		CHECK_FOR_INTERRUPTS();
		ts_series_read(reader, ids != NULL ? ids[i] : first + i, values, isnull);
		if (!isnull[key])
		{
			Labels *labels = (Labels *) DatumGetPointer(values[key]);

			tell(arg, (TsString){LABELS_DATA(labels), LABELS_SIZE(labels)});
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	ts_series_close(reader);
	MemoryContextDelete(row);
}

typedef struct Wanted
{
	Strings *list;
	Want want;
	TsString name;
} Wanted;

static void
add_key(void *arg, TsString labels)
{
	Wanted *wanted = arg;

	add_labels(wanted->list, labels, wanted->want, wanted->name);
}

/* Reads the keys of the series from the id `from` on. */
static void
add_keys(const Lookup *lookup, uint32 from, Strings *list, Want want, TsString name)
{
	Wanted wanted = {list, want, name};
	uint32 skipped = 0;

	while (skipped < lookup->nids && lookup->ids[skipped] < from)
		skipped++;
	if (skipped < lookup->nids)
		api_tell_keys(&lookup->exec, lookup->ids + skipped, 0, lookup->nids - skipped,
					  add_key, &wanted);
}

/* Asks the label index for what it covers. Returns the first id that it does not. */
static uint32
add_indexed(const Lookup *lookup, Strings *list, Want want, TsString name)
{
	TsIndex *index;
	uint32 covered;

	if (want == WANT_ALL || lookup->nids <= FEW_SERIES)
		return 0;
	index = ts_index_open(lookup->exec.rel, lookup->exec.table, lookup->snapshot);
	if (index == NULL)
		return 0;
	ts_index_keep_ids(index, lookup->ids, lookup->nids);
	if (want == WANT_NAMES)
		ts_index_names(index, add_string, list);
	else
		ts_index_values(index, name, add_string, list);
	covered = ts_index_covered(index);
	ts_index_close(index);
	return covered;
}

/* ---- documents ---- */

static void
answer(ApiOut *out, const ApiSelect *select, Want want, TsString name)
{
	Lookup lookup;
	Strings list = {.context = CurrentMemoryContext};
	uint32 from;

	api_check_limit(select->limit);
	api_check_times(select->start, select->end);
	open_lookup(&lookup, select->source);
	if (select->nmatches > 0)
		match_series(&lookup, select->matches, select->nmatches);
	else
		all_series(&lookup);
	keep_present(&lookup, pq_engine_time_from(lookup.exec.table, select->start),
				 pq_engine_time_to(lookup.exec.table, select->end));
	from = add_indexed(&lookup, &list, want, name);
	add_keys(&lookup, from, &list, want, name);
	close_lookup(&lookup);
	sort_strings(&list, want == WANT_ALL ? compare_payloads : compare_bytes);
	write_list(out, &list, select->limit, want == WANT_ALL);
}

void
api_series(ApiOut *out, const ApiSelect *select)
{
	if (select->nmatches == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("no match[] parameter provided"),
						errhint("Name one series selector at least.")));
	answer(out, select, WANT_ALL, (TsString){NULL, 0});
}

void
api_label_names(ApiOut *out, const ApiSelect *select)
{
	answer(out, select, WANT_NAMES, (TsString){NULL, 0});
}

void
api_label_values(ApiOut *out, TsString name, const ApiSelect *select)
{
	answer(out, select, WANT_VALUE, api_label_name(name));
}

/* ---- functions ---- */

static void
read_matches(ArrayType *array, ApiSelect *select)
{
	TsString *matches;
	Datum *selectors;
	bool *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &selectors, &nulls,
					  &select->nmatches);
	select->matches = matches = palloc(sizeof(TsString) * Max(select->nmatches, 1));
	for (int i = 0; i < select->nmatches; i++)
	{
		text *match;

		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("selectors must not be null")));
		match = DatumGetTextPP(selectors[i]);
		matches[i] = (TsString){VARDATA_ANY(match), VARSIZE_ANY_EXHDR(match)};
	}
}

/* The arguments match, start, end, source, limit, the first of which is number `first`. */
static void
read_arguments(FunctionCallInfo fcinfo, int first, ApiSelect *select)
{
	memset(select, 0, sizeof(*select));
	if (!PG_ARGISNULL(first))
		read_matches(PG_GETARG_ARRAYTYPE_P(first), select);
	select->start = PG_ARGISNULL(first + 1) ? DT_NOBEGIN
											: PG_GETARG_TIMESTAMPTZ(first + 1);
	select->end = PG_ARGISNULL(first + 2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(first + 2);
	api_require(fcinfo, first + 3, "source");
	select->source = PG_GETARG_OID(first + 3);
	select->limit = PG_ARGISNULL(first + 4) ? 0 : PG_GETARG_INT32(first + 4);
}

/* mytsdb.find_series(match, start, "end", source, "limit") */
Datum
mytsdb_api_series(PG_FUNCTION_ARGS)
{
	ApiSelect select;
	ApiOut out;

	read_arguments(fcinfo, 0, &select);
	api_keep(&out);
	api_series(&out, &select);
	return api_kept(&out);
}

/* mytsdb.label_names(match, start, "end", source, "limit") */
Datum
mytsdb_api_label_names(PG_FUNCTION_ARGS)
{
	ApiSelect select;
	ApiOut out;

	read_arguments(fcinfo, 0, &select);
	api_keep(&out);
	api_label_names(&out, &select);
	return api_kept(&out);
}

/* mytsdb.label_values(label, match, start, "end", source, "limit") */
Datum
mytsdb_api_label_values(PG_FUNCTION_ARGS)
{
	ApiSelect select;
	ApiOut out;

	api_require(fcinfo, 0, "label");
	read_arguments(fcinfo, 1, &select);
	api_keep(&out);
	api_label_values(&out, api_text_arg(fcinfo, 0), &select);
	return api_kept(&out);
}
