/*
 * exec_series.c
 *	  Which series a list of matchers selects.
 *
 * The label index answers for the series that it covers, one matcher at a time; the keys
 * of newer series are looked at, and all keys are where a regular expression exceeded its
 * limit for some value of the index, which may be one that no selected series has.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec_internal.h"
#include "labels_type.h"
#include "serve_stats.h"
#include "ts_index.h"
#include "ts_series.h"

typedef struct Found
{
	MemoryContext context;
	uint32 *ids;
	uint32 count;
	uint32 room;
} Found;

/* ---- matchers as a selector ---- */

/* Compiled, in a context of its own. */
static const TsSelector *
compile(const TsMatcher *matchers, int nmatchers, MemoryContext context)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int i = 0; i < nmatchers; i++)
	{
		if (i > 0)
			appendStringInfoChar(&text, ',');
		pq_append_quoted(&text, matchers[i].name);
		appendStringInfoString(&text, ts_match_type_symbol(matchers[i].type));
		pq_append_quoted(&text, matchers[i].value);
	}
	appendStringInfoChar(&text, '}');
	return labels_require_selector(text.data, (size_t) text.len, context);
}

/* ---- series ---- */

static void
add_id(Found *found, uint32 id)
{
	if (found->count == found->room)
	{
		found->room *= 2;
		found->ids = repalloc_huge(found->ids, sizeof(uint32) * found->room);
	}
	found->ids[found->count++] = id;
}

static void
begin_ids(Found *found, uint32 room)
{
	found->count = 0;
	found->room = Max(room, 64);
	found->ids = MemoryContextAllocHuge(found->context, sizeof(uint32) * found->room);
}

/* The series that the index finds; false when there are keys below to be looked at. */
static bool
find_indexed(TsIndex *index, const TsSelector *selector, Found *found)
{
	if (!ts_index_keep_selected(index, selector, false))
		return false;
	begin_ids(found, (uint32) ts_index_count(index));
	found->count = (uint32) ts_index_count(index);
	ts_index_ids(index, found->ids);
	return true;
}

/* Does the selector select a series, by its key? Keys may be null: they have no labels. */
static bool
is_selected(TsSeriesReader *reader, const TsTable *table, uint32 id,
			const TsSelector *selector, Datum *values, bool *isnull)
{
	AttrNumber key = table->keys[0];
	Labels *labels;
	bool matched;
	TsError err;

	ts_series_read(reader, id, values, isnull);
	if (isnull[key - 1])
		return false;
	labels = (Labels *) DatumGetPointer(values[key - 1]);
	if (labels_match(LABELS_DATA(labels), LABELS_SIZE(labels), selector, &matched,
					 &err) != TS_OK)
	{
		labels_count_limit_error();
		ts_report_limit(&err);
	}
	return matched;
}

/* Looks at all keys from an id on. */
static void
find_by_keys(Relation rel, const TsTable *table, const TsSelector *selector, uint32 from,
			 Found *found)
{
	uint32 count = ts_series_count(rel, table);
	MemoryContext row = AllocSetContextCreate(
		CurrentMemoryContext, "PromQL key of series", ALLOCSET_DEFAULT_SIZES);
	Datum *values = palloc(sizeof(Datum) * table->natts);
	bool *isnull = palloc(sizeof(bool) * table->natts);
	TsSeriesReader *reader;

	if (from >= count)
		return;
	reader = ts_series_open(rel, table);
	for (uint32 id = from; id < count; id++)
	{
		MemoryContext caller = MemoryContextSwitchTo(row);
		bool selected;

		CHECK_FOR_INTERRUPTS();
		selected = is_selected(reader, table, id, selector, values, isnull);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
		if (selected)
			add_id(found, id);
	}
	ts_series_close(reader);
}

uint32 *
pq_select_series(Relation rel, const TsTable *table, Snapshot snapshot,
				 const TsMatcher *matchers, int nmatchers, uint32 *count)
{
	Found found = {.context = CurrentMemoryContext};
	MemoryContext work = AllocSetContextCreate(
		CurrentMemoryContext, "PromQL series selection", ALLOCSET_DEFAULT_SIZES);
	MemoryContext compiled = AllocSetContextCreate(work, "PromQL selector for series",
												   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	const TsSelector *selector;
	TsIndex *index;
	uint32 from = 0;
	instr_time start;

	INSTR_TIME_SET_CURRENT(start);
	selector = compile(matchers, nmatchers, compiled);
	index = ts_index_open(rel, table, snapshot);
	if (index != NULL && find_indexed(index, selector, &found))
		from = ts_index_covered(index);
	else
		begin_ids(&found, 0);
	if (index != NULL)
		ts_index_close(index);
	find_by_keys(rel, table, selector, from, &found);
	serve_count(STAT_INDEX_SEARCHES, 1);
	serve_count_since(STAT_INDEX_SEARCH_US, start);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	*count = found.count;
	return found.ids;
}

/* ---- estimates ---- */

/* Part of the series that a matcher selects about which the index is not asked. */
static double
guessed_part(const TsMatcher *matcher)
{
	switch (matcher->type)
	{
		case TS_MATCH_EQUAL:
			return matcher->value.len == 0 ? 0.5 : 1.0;
		case TS_MATCH_REGEX:
			return 0.2;
		default:
			return 0.8;
	}
}

double
pq_estimate_series(Relation rel, const TsTable *table, Snapshot snapshot,
				   const TsMatcher *matchers, int nmatchers)
{
	TsIndex *index = ts_index_open(rel, table, snapshot);
	TsTableSize size;
	double part = 1;

	ts_table_size(rel, &size);
	for (int i = 0; i < nmatchers; i++)
	{
		const TsMatcher *matcher = &matchers[i];

		if (index != NULL && matcher->type == TS_MATCH_EQUAL && matcher->value.len > 0)
			ts_index_keep_values(index, matcher->name, &matcher->value, 1);
		else if (matcher->type == TS_MATCH_EQUAL && matcher->value.len > 0)
			part *= 0.1;
		else
			part *= guessed_part(matcher);
	}
	if (index != NULL)
	{
		if (ts_index_covered(index) > 0)
			part *= (double) ts_index_count(index) / ts_index_covered(index);
		ts_index_close(index);
	}
	return Max(1, size.series * part);
}
