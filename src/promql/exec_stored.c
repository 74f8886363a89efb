/*
 * exec_stored.c
 *	  Samples of series as they are stored, one series after the other: what remote read
 *	  sends.
 *
 * Series come in order of their ids, as the engine's scan has them. Times are whole
 * milliseconds here, rounded down; of several samples in one the last stays.
 */
#include "postgres.h"

#include "access/relation.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "exec_internal.h"
#include "labels_type.h"
#include "ts_report.h"
#include "ts_series.h"

/* Histograms that are there at a time: the one before, the current one, the next one, and
 * one that may take its place. */
#define PLACES 4

#define UNIX_EPOCH_MS (PQ_UNIX_EPOCH / PQ_MS)

struct PqStored
{
	MemoryContext context;
	MemoryContext selected; /* of the selection: its ids, its reader */
	MemoryContext row;      /* of the labels */
	PqExec exec;            /* of which only the source is filled in */
	TsSeriesReader *keys;
	Datum *key_values;
	bool *key_nulls;
	uint32 *ids; /* ascending */
	uint32 nids;
	uint32 at; /* the place of the next series */
	PqReader *reader;
	PqRead read;
	uint32 read_at; /* the next row of it */
	MemoryContext places[PLACES];
	int given; /* the place of the sample that was given last; -1: none */
	bool more;
	PqStoredSample next; /* if there are more */
};

/* ---- opening ---- */

PqStored *
pq_stored_open(Oid source, Snapshot snapshot)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "PromQL stored samples", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	PqStored *stored = palloc0(sizeof(PqStored));

	stored->context = context;
	stored->selected = AllocSetContextCreate(context, "PromQL stored samples: selection",
											 ALLOCSET_DEFAULT_SIZES);
	stored->row = AllocSetContextCreate(context, "PromQL stored samples: labels",
										ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < PLACES; i++)
		stored->places[i] = AllocSetContextCreate(
			context, "PromQL stored samples: histogram", ALLOCSET_DEFAULT_SIZES);
	stored->exec.context = context;
	stored->exec.snapshot = snapshot;
	pq_open_source(&stored->exec, source);
	ts_scan_admit(stored->exec.rel, stored->exec.table, snapshot);
	stored->keys = ts_series_open(stored->exec.rel, stored->exec.table);
	stored->key_values = palloc(sizeof(Datum) * stored->exec.table->natts);
	stored->key_nulls = palloc(sizeof(bool) * stored->exec.table->natts);
	MemoryContextSwitchTo(caller);
	return stored;
}

static void
end_selection(PqStored *stored)
{
	if (stored->reader != NULL)
		pq_reader_end(stored->reader);
	stored->reader = NULL;
	stored->more = false;
	MemoryContextReset(stored->selected);
}

/* As a timestamptz; times that are too far away are as good as the farthest. */
static int64
timestamp_of(int64 ms)
{
	if (ms > PG_INT64_MAX / PQ_MS)
		return PG_INT64_MAX;
	if (ms < PG_INT64_MIN / PQ_MS)
		return PG_INT64_MIN;
	return pq_time_sub(ms * PQ_MS, PQ_UNIX_EPOCH);
}

void
pq_stored_select(PqStored *stored, const TsMatcher *matchers, int nmatchers,
				 int64 time_min, int64 time_max)
{
	PqReadSpec spec = {.time_min = timestamp_of(time_min),
					   .time_max = pq_time_add(timestamp_of(time_max), PQ_MS - 1)};
	MemoryContext caller;

	end_selection(stored);
	caller = MemoryContextSwitchTo(stored->selected);
	stored->ids = pq_select_series(stored->exec.rel, stored->exec.table,
								   stored->exec.snapshot, matchers, nmatchers,
								   &stored->nids);
	stored->at = 0;
	spec.ids = stored->ids;
	spec.nids = stored->nids;
	stored->reader = pq_reader_begin(&stored->exec, stored->selected, &spec);
	MemoryContextSwitchTo(caller);
}

void
pq_stored_close(PqStored *stored)
{
	end_selection(stored);
	ts_series_close(stored->keys);
	relation_close(stored->exec.rel, NoLock);
	MemoryContextDelete(stored->context);
}

/* ---- samples ---- */

static int64
milliseconds(int64 time)
{
	return time / PQ_MS - (time % PQ_MS < 0) + UNIX_EPOCH_MS;
}

static const TsHistogram *
decode(PqStored *stored, Datum value, int place)
{
	MemoryContext context = stored->places[place];
	MemoryContext caller = MemoryContextSwitchTo(context);
	TsAllocator allocator = ts_context_allocator(context);
	struct varlena *payload;
	TsHistogram *h;

	MemoryContextReset(context);
	payload = PG_DETOAST_DATUM_PACKED(value);
	h = ts_histogram_decode(VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload), &allocator);
	if (h == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	MemoryContextSwitchTo(caller);
	return h;
}

/* A place that holds none of these histograms. */
static int
free_place(const PqStored *stored, const PqStoredSample *current)
{
	for (int place = 0; place < PLACES; place++)
	{
		if (place != stored->given && place != stored->next.place &&
			(current == NULL || place != current->place))
			return place;
	}
	pg_unreachable();
}

/* The sample of a row; false: it has none. */
static bool
read_row(PqStored *stored, uint32 row, const PqStoredSample *current,
		 PqStoredSample *sample)
{
	const PqRead *read = &stored->read;

	sample->time = milliseconds(read->times[row]);
	sample->value = 0;
	sample->histogram = NULL;
	if (read->histograms != NULL &&
		(read->histogram_nulls == NULL || !read->histogram_nulls[row]))
	{
		int place = free_place(stored, current);

		sample->histogram = decode(stored, read->histograms[row], place);
		sample->place = place;
		return true;
	}
	sample->place = -1;
	if (read->values == NULL || (read->value_nulls != NULL && read->value_nulls[row]))
		return false;
	sample->value = read->values[row];
	return true;
}

/* Reads the next sample of the series ahead; `current` is the one that is to be given. */
static void
read_ahead(PqStored *stored, const PqStoredSample *current)
{
	PqStoredSample sample;

	for (;;)
	{
		while (stored->read_at < stored->read.n)
		{
			if (read_row(stored, stored->read_at++, current, &sample))
			{
				stored->next = sample;
				stored->more = true;
				return;
			}
		}
		CHECK_FOR_INTERRUPTS();
		stored->read_at = 0;
		stored->read.n = 0;
		if (!pq_reader_next(stored->reader, stored->ids[stored->at - 1], &stored->read))
			break;
	}
	stored->more = false;
}

bool
pq_stored_next(PqStored *stored, PqStoredSample *sample)
{
	if (!stored->more)
		return false;
	do
	{
		*sample = stored->next;
		read_ahead(stored, sample);
	} while (stored->more && stored->next.time == sample->time);
	stored->given = sample->place;
	return true;
}

/* ---- series ---- */

static void
read_labels(PqStored *stored, uint32 id, TsString *labels)
{
	MemoryContext caller = MemoryContextSwitchTo(stored->row);
	AttrNumber key = stored->exec.labels_column;
	Labels *value;

	MemoryContextReset(stored->row);
	ts_series_read(stored->keys, id, stored->key_values, stored->key_nulls);
	Assert(!stored->key_nulls[key - 1]); /* a series without labels is never selected */
	value = (Labels *) DatumGetPointer(stored->key_values[key - 1]);
	*labels = (TsString){LABELS_DATA(value), LABELS_SIZE(value)};
	MemoryContextSwitchTo(caller);
}

bool
pq_stored_next_series(PqStored *stored, TsString *labels)
{
	while (stored->at < stored->nids)
	{
		uint32 id = stored->ids[stored->at++];

		stored->read.n = 0;
		stored->read_at = 0;
		stored->given = -1;
		stored->next.place = -1;
		read_ahead(stored, NULL);
		if (!stored->more)
			continue;
		read_labels(stored, id, labels);
		return true;
	}
	return false;
}
