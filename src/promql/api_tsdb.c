/*
 * api_tsdb.c
 *	  The API's document of cardinality: /api/v1/status/tsdb.
 *
 * It counts the series of the dictionary, as Prometheus counts those of its head: what the
 * label index covers by its posting lists, the others (the tail) by their keys. Labels are
 * looked at name by name, so that the values of one at a time take memory, within
 * mytsdb.query_memory.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "api.h"
#include "exec_internal.h"
#include "labels.h"
#include "ts_catalog.h"
#include "ts_index.h"
#include "ts_scan.h"
#include "ts_series.h"

PG_FUNCTION_INFO_V1(mytsdb_api_tsdb_status);

/* No list is longer, whatever limit is asked for. */
#define MAX_LIMIT 10000

/* ---- what was counted ---- */

/* A label and a number of series. */
typedef struct Count
{
	TsString name;
	TsString value;
	uint64 count;
} Count;

/* Counts in a context of their own. */
typedef struct Counts
{
	MemoryContext context;
	Count *counts;
	uint32 n;
	uint32 room;
} Counts;

static void
init_counts(Counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	counts->context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb API counts",
											ALLOCSET_DEFAULT_SIZES);
}

static TsString
copy_string(MemoryContext context, TsString string)
{
	char *copy = MemoryContextAlloc(context, Max(string.len, 1));

	return (TsString){memcpy(copy, string.data, string.len), string.len};
}

static void
add_count(Counts *counts, TsString name, TsString value, uint64 count)
{
	if (counts->n == counts->room)
	{
		counts->room = Max(2 * counts->room, 256);
		if (counts->counts == NULL)
			counts->counts = MemoryContextAllocHuge(counts->context,
													sizeof(Count) * counts->room);
		else
			counts->counts = repalloc_huge(counts->counts, sizeof(Count) * counts->room);
		if (MemoryContextMemAllocated(counts->context, true) >
			(Size) pq_settings.memory_kb * 1024)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("counting labels needs more memory than mytsdb.query_memory "
							"allows"),
					 errhint("Raise mytsdb.query_memory.")));
	}
	counts->counts[counts->n++] = (Count){copy_string(counts->context, name),
										  copy_string(counts->context, value), count};
}

static int
compare_labels(const void *a, const void *b)
{
	const Count *x = a;
	const Count *y = b;
	int order = ts_string_compare(x->name, y->name);

	return order != 0 ? order : ts_string_compare(x->value, y->value);
}

/* Sorts by labels and makes one count of those with the same. */
static void
merge_counts(Counts *counts)
{
	uint32 n = 0;

	if (counts->n == 0)
		return;
	qsort(counts->counts, counts->n, sizeof(Count), compare_labels);
	for (uint32 i = 1; i < counts->n; i++)
	{
		if (compare_labels(&counts->counts[n], &counts->counts[i]) == 0)
			counts->counts[n].count += counts->counts[i].count;
		else
			counts->counts[++n] = counts->counts[i];
	}
	counts->n = n + 1;
}

/* ---- the largest ---- */

typedef struct Top
{
	Counts kept; /* descending, at most `limit` */
	uint32 limit;
} Top;

static void
offer(Top *top, TsString name, TsString value, uint64 count)
{
	Counts *kept = &top->kept;
	Count last;
	uint32 at;

	if (kept->n == top->limit && kept->counts[kept->n - 1].count >= count)
		return;
	if (kept->n == top->limit)
	{
		kept->n--;
		pfree(unconstify(char *, kept->counts[kept->n].name.data));
		pfree(unconstify(char *, kept->counts[kept->n].value.data));
	}
	add_count(kept, name, value, count);
	last = kept->counts[kept->n - 1];
	for (at = kept->n - 1; at > 0 && kept->counts[at - 1].count < count; at--)
		kept->counts[at] = kept->counts[at - 1];
	kept->counts[at] = last;
}

/* ---- counting ---- */

typedef struct Status
{
	PqExec exec; /* of which only the source is filled in */
	Snapshot snapshot;
	TsIndex *index; /* NULL: it covers nothing */
	uint32 covered; /* ids below are the index's */
	uint32 series;
	uint64 pairs;
	Counts tail; /* labels of series that the index does not cover, by name and value */
	Counts names;
	Top metrics;
	Top values;
	Top bytes;
	Top labels;
} Status;

static void
count_key(void *arg, TsString labels)
{
	Status *status = arg;
	LabelsIter iter;
	LabelsPair pair;

	labels_iter_init(&iter, labels.data, labels.len);
	while (labels_iter_next(&iter, &pair))
		add_count(&status->tail, pair.name, pair.value, 1);
}

static void
count_tail(Status *status)
{
	if (status->covered < status->series)
		api_tell_keys(&status->exec, NULL, status->covered,
					  status->series - status->covered, count_key, status);
	merge_counts(&status->tail);
}

static void
tell_name(void *arg, TsString name)
{
	Status *status = arg;

	add_count(&status->names, name, (TsString){"", 0}, 0);
}

static void
find_names(Status *status)
{
	const Counts *tail = &status->tail;

	if (status->index != NULL)
		ts_index_names(status->index, tell_name, status);
	for (uint32 i = 0; i < tail->n; i++)
	{
		if (i == 0 ||
			ts_string_compare(tail->counts[i - 1].name, tail->counts[i].name) != 0)
			tell_name(status, tail->counts[i].name);
	}
	merge_counts(&status->names);
}

static void
tell_value(void *values, TsString value, uint32 series)
{
	add_count(values, (TsString){"", 0}, value, series);
}

/* Counts the values of a name; *tail_at is where the tail's values of it begin, or end. */
static void
count_name(Status *status, TsString name, uint32 *tail_at)
{
	const Counts *tail = &status->tail;
	const TsString none = {"", 0};
	Counts values;
	uint64 bytes = 0;

	init_counts(&values);
	if (status->index != NULL)
		ts_index_count_values(status->index, name, tell_value, &values);
	for (;
		 *tail_at < tail->n && ts_string_compare(tail->counts[*tail_at].name, name) == 0;
		 (*tail_at)++)
		add_count(&values, none, tail->counts[*tail_at].value,
				  tail->counts[*tail_at].count);
	merge_counts(&values);
	for (uint32 i = 0; i < values.n; i++)
	{
		const Count *count = &values.counts[i];

		bytes += count->value.len * count->count;
		offer(&status->labels, name, count->value, count->count);
		if (ts_string_is(name, "__name__"))
			offer(&status->metrics, count->value, none, count->count);
	}
	status->pairs += values.n;
	offer(&status->values, name, none, values.n);
	offer(&status->bytes, name, none, bytes);
	MemoryContextDelete(values.context);
}

static void
count_labels(Status *status)
{
	uint32 tail_at = 0;

	status->series = ts_series_count(status->exec.rel, status->exec.table);
	status->index = ts_index_open(status->exec.rel, status->exec.table, status->snapshot);
	if (status->index != NULL)
		status->covered = ts_index_covered(status->index);
	count_tail(status);
	find_names(status);
	for (uint32 i = 0; i < status->names.n; i++)
		count_name(status, status->names.counts[i].name, &tail_at);
	if (status->index != NULL)
		ts_index_close(status->index);
}

/* ---- the head ---- */

typedef struct Extent
{
	int64 time_min;
	int64 time_max;
	int64 chunks;
} Extent;

/* Widens the extent by the rows of a range. */
static void
scan_extent(const Status *status, int64 time_min, Extent *extent)
{
	bool *wanted = palloc0(sizeof(bool) * status->exec.table->natts);
	TsScanSpec spec = {.time_min = time_min, .time_max = DT_NOEND, .wanted = wanted};
	TsScan *scan = ts_scan_begin(status->exec.rel, status->snapshot, &spec);
	TsBatch batch;

	while (ts_scan_next(scan, &batch))
	{
		CHECK_FOR_INTERRUPTS();
		Assert(batch.n > 0);
		extent->time_min = Min(extent->time_min, batch.times[0]);
		extent->time_max = Max(extent->time_max, batch.times[batch.n - 1]);
	}
	ts_scan_end(scan);
}

/* From the blocks, and from what is newer than all of these. */
static void
find_extent(const Status *status, Extent *extent)
{
	int count;
	const TsBlockInfo *blocks = ts_catalog_blocks(status->exec.table->storage, DT_NOBEGIN,
												  DT_NOEND, status->snapshot, &count);

	*extent = (Extent){PG_INT64_MAX, PG_INT64_MIN, 0};
	for (int i = 0; i < count; i++)
	{
		extent->time_min = Min(extent->time_min, blocks[i].time_min);
		extent->time_max = Max(extent->time_max, blocks[i].time_max);
		extent->chunks += blocks[i].chunks;
	}
	if (extent->time_max < PG_INT64_MAX)
		scan_extent(status, count > 0 ? extent->time_max + 1 : DT_NOBEGIN, extent);
}

/* Milliseconds since 1970; of an empty table, as Prometheus' empty head has them. */
static int64
shown_time(const Status *status, int64 time)
{
	if (time == PG_INT64_MIN || time == PG_INT64_MAX)
		return time;
	if (status->exec.table->time_type == DATEOID)
		time *= USECS_PER_DAY;
	return time / 1000 + PQ_UNIX_EPOCH / PQ_MS;
}

/* ---- the document ---- */

static void
write_head(ApiOut *out, const Status *status)
{
	Extent extent;

	find_extent(status, &extent);
	api_text(out,
			 psprintf("{\"headStats\":{\"numSeries\":%u,\"numLabelPairs\":" UINT64_FORMAT
					  ",\"chunkCount\":" INT64_FORMAT ",\"minTime\":" INT64_FORMAT
					  ",\"maxTime\":" INT64_FORMAT "}",
					  status->series, status->pairs, extent.chunks,
					  shown_time(status, extent.time_min),
					  shown_time(status, extent.time_max)));
}

static void
write_top(ApiOut *out, const char *name, const Top *top)
{
	api_text(out, psprintf(",\"%s\":[", name));
	for (uint32 i = 0; i < top->kept.n; i++)
	{
		const Count *count = &top->kept.counts[i];
		char *label = psprintf("%.*s%s%.*s", (int) count->name.len, count->name.data,
							   count->value.len > 0 ? "=" : "", (int) count->value.len,
							   count->value.data);

		api_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		api_string(out, label, strlen(label));
		api_text(out, psprintf(",\"value\":" UINT64_FORMAT "}", count->count));
		pfree(label);
	}
	api_text(out, "]");
}

void
api_tsdb_status(ApiOut *out, Oid source, int limit)
{
	Status status = {.snapshot = GetActiveSnapshot()};
	Top *const tops[] = {&status.metrics, &status.values, &status.bytes, &status.labels};

	if (limit < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("limit must be a positive number")));
	for (int i = 0; i < (int) lengthof(tops); i++)
	{
		init_counts(&tops[i]->kept);
		tops[i]->limit = (uint32) Min(limit, MAX_LIMIT);
	}
	init_counts(&status.tail);
	init_counts(&status.names);
	status.exec.context = CurrentMemoryContext;
	pq_open_source(&status.exec, source);
	ts_scan_admit(status.exec.rel, status.exec.table, status.snapshot);
	count_labels(&status);
	api_begin(out);
	write_head(out, &status);
	write_top(out, "seriesCountByMetricName", &status.metrics);
	write_top(out, "labelValueCountByLabelName", &status.values);
	write_top(out, "memoryInBytesByLabelName", &status.bytes);
	write_top(out, "seriesCountByLabelValuePair", &status.labels);
	api_text(out, "}");
	api_finish(out, NULL, 0, NULL, 0);
	relation_close(status.exec.rel, NoLock);
}

/* mytsdb.tsdb_status("limit", source) */
Datum
mytsdb_api_tsdb_status(PG_FUNCTION_ARGS)
{
	ApiOut out;

	api_require(fcinfo, 0, "limit");
	api_require(fcinfo, 1, "source");
	api_keep(&out);
	api_tsdb_status(&out, PG_GETARG_OID(1), PG_GETARG_INT32(0));
	return api_kept(&out);
}
