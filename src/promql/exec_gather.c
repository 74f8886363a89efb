/*
 * exec_gather.c
 *	  Gathering a series' samples in arrays that grow and are used again for the next one.
 */
#include "postgres.h"

#include "exec_internal.h"
#include "labels_type.h"

#define FIRST_ROOM 256

/* The float that marks the end of a series. */
#define STALE_MARKER UINT64CONST(0x7ff0000000000002)

bool
pq_is_stale(double value)
{
	uint64 bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits == STALE_MARKER;
}

TsHistogram *
pq_read_histogram(PqOperator *op, Datum value)
{
	TsAllocator allocator = pq_allocator(&op->row_place);
	struct varlena *payload = PG_DETOAST_DATUM_PACKED(value);
	TsHistogram *h = ts_histogram_decode(VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload),
										 &allocator);

	if (h == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return h;
}

void
pq_gather_init(PqGather *gather, PqOperator *op, bool start_times)
{
	memset(gather, 0, sizeof(PqGather));
	gather->op = op;
	gather->with_start_times = start_times;
	gather->from = PG_INT64_MIN;
	gather->resets.counts_only = pq_counts_only(op->exec, op->node);
}

void
pq_gather_empty(PqGather *gather)
{
	gather->n = 0;
	gather->any_histogram = false;
	gather->any_start_time = false;
	gather->resets.last = NULL;
}

static void *
enlarged(PqGather *gather, void *array, Size element, uint32 room)
{
	void *larger = pq_alloc(gather->op, element * room);

	if (array != NULL)
	{
		memcpy(larger, array, element * gather->n);
		pfree(array);
	}
	return larger;
}

static void
make_room(PqGather *gather, uint32 n)
{
	uint32 room = Max(gather->room, FIRST_ROOM);

	if (n > PG_INT32_MAX / 2)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a series has too many samples")));
	while (room < n)
		room *= 2;
	if (room == gather->room)
		return;
	gather->times = enlarged(gather, gather->times, sizeof(int64), room);
	gather->values = enlarged(gather, gather->values, sizeof(double), room);
	if (gather->histograms != NULL)
		gather->histograms = enlarged(gather, gather->histograms, sizeof(TsHistogram *),
									  room);
	if (gather->with_start_times)
		gather->start_times = enlarged(gather, gather->start_times, sizeof(int64), room);
	gather->room = room;
}

/* From now on there are histograms among the samples. */
static void
want_histograms(PqGather *gather)
{
	if (gather->histograms == NULL)
		gather->histograms = pq_alloc(gather->op, sizeof(TsHistogram *) * gather->room);
	if (!gather->any_histogram)
		memset(gather->histograms, 0, sizeof(TsHistogram *) * gather->n);
	gather->any_histogram = true;
}

/* Adds a float, or a histogram that stays as long as the row. Of equal times the last one
 * stays. */
static void
add_sample(PqGather *gather, int64 time, double value, const TsHistogram *histogram,
		   int64 start_time)
{
	uint32 at = gather->n;

	Assert(at == 0 || gather->times[at - 1] <= time);
	if (at > 0 && gather->times[at - 1] == time)
		at--;
	make_room(gather, at + 1);
	if (histogram != NULL && !gather->any_histogram)
		want_histograms(gather);
	gather->times[at] = time;
	gather->values[at] = value;
	if (gather->any_histogram)
		gather->histograms[at] = histogram;
	if (gather->with_start_times)
	{
		gather->start_times[at] = start_time;
		gather->any_start_time |= start_time != PQ_NO_START;
	}
	gather->n = at + 1;
}

/*
 * Takes plain floats; stale markers are left out. Of equal times the last one stays, also
 * if it is a marker.
 */
static void
read_floats(PqGather *gather, const PqRead *read)
{
	uint32 n = gather->n;
	int64 last = n > 0 ? gather->times[n - 1] : PG_INT64_MIN;

	make_room(gather, n + read->n);
	for (uint32 i = 0; i < read->n; i++)
	{
		if (n > 0 && read->times[i] == last)
			n--;
		if (pq_is_stale(read->values[i]))
			continue;
		last = read->times[i];
		gather->times[n] = last;
		gather->values[n] = read->values[i];
		if (gather->any_histogram)
			gather->histograms[n] = NULL;
		n++;
	}
	gather->n = n;
}

static void
drop_equal(PqGather *gather, int64 time)
{
	if (gather->n > 0 && gather->times[gather->n - 1] == time)
		gather->n--;
}

void
pq_gather_read(PqGather *gather, const PqRead *read)
{
	if (read->values != NULL && read->value_nulls == NULL && read->histograms == NULL &&
		!gather->with_start_times && (read->n == 0 || read->times[0] >= gather->from))
	{
		read_floats(gather, read);
		return;
	}
	for (uint32 i = 0; i < read->n; i++)
	{
		int64 start_time = read->start_times != NULL ? read->start_times[i] : PQ_NO_START;

		if (read->histograms != NULL &&
			(read->histogram_nulls == NULL || !read->histogram_nulls[i]))
		{
			const TsHistogram *h = pq_resets_next(&gather->resets, gather->op,
												  read->histograms[i]);

			if (read->times[i] < gather->from)
				continue;
			if (ts_histogram_is_stale(h))
				drop_equal(gather, read->times[i]);
			else
				add_sample(gather, read->times[i], 0, h, start_time);
		}
		else if (read->values != NULL &&
				 (read->value_nulls == NULL || !read->value_nulls[i]) &&
				 read->times[i] >= gather->from)
		{
			if (pq_is_stale(read->values[i]))
				drop_equal(gather, read->times[i]);
			else
				add_sample(gather, read->times[i], read->values[i], NULL, start_time);
		}
	}
}

void
pq_gather_samples(const PqGather *gather, PqSamples *samples)
{
	samples->n = gather->n;
	samples->times = gather->times;
	samples->values = gather->values;
	samples->histograms = gather->any_histogram ? gather->histograms : NULL;
	samples->start_times = gather->any_start_time ? gather->start_times : NULL;
}
