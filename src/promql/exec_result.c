/*
 * exec_result.c
 *	  The last stage: series of the result, with their points.
 *
 * Vectors come as the topmost operator gives them, which has merged what has the same
 * labels. Range vectors, as an instant query may give them, are read as a whole, since
 * they are merged by time, and so is whatever is to be in order of labels.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "exec_internal.h"

/* The whole result, in order of labels or as it came. */
typedef struct PqHeld
{
	PqResult *results;
	uint32 n;
	uint32 next;
	int64 held;
} PqHeld;

/* ---- points ---- */

static void *
take(PqQuery *query, Size size, MemoryContext context)
{
	pq_charge(&query->exec, size);
	return MemoryContextAllocHuge(context, Max(size, 1));
}

/* The values there are, as points; histograms stay where they are. */
static void
make_points(PqQuery *query, const PqVector *v, MemoryContext context, PqResult *result)
{
	const PqSteps *steps = &query->root->steps;
	uint32 n = pq_vector_count(v, steps->n);
	int64 *times = take(query, sizeof(int64) * n, context);
	double *values = take(query, sizeof(double) * n, context);
	const TsHistogram **histograms = NULL;
	uint32 at = 0;

	if (v->histograms != NULL)
		histograms = take(query, sizeof(TsHistogram *) * n, context);
	for (uint32 i = 0; i < steps->n; i++)
	{
		if (!pq_has(v, i))
			continue;
		times[at] = pq_step_time(steps, i);
		values[at] = v->values[i];
		if (histograms != NULL)
			histograms[at] = v->histograms[i];
		at++;
	}
	Assert(at == n);
	result->n = n;
	result->times = times;
	result->values = values;
	result->histograms = histograms;
}

/* Copies histograms, and samples of a range vector, that somebody else owns. */
static const TsHistogram *const *
copy_histograms(PqQuery *query, const TsHistogram *const *histograms, uint32 n)
{
	PqPlace place = {&query->exec, query->exec.context};
	TsAllocator allocator = pq_allocator(&place);
	const TsHistogram **copies;

	if (histograms == NULL)
		return NULL;
	copies = take(query, sizeof(TsHistogram *) * n, query->exec.context);
	for (uint32 i = 0; i < n; i++)
	{
		copies[i] = NULL;
		if (histograms[i] == NULL)
			continue;
		if (i > 0 && histograms[i] == histograms[i - 1])
			copies[i] = copies[i - 1];
		else
			copies[i] = ts_histogram_copy(histograms[i], &allocator);
		if (copies[i] == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	return copies;
}

/* ---- range vectors ---- */

/* Points as they are put together. */
typedef struct Points
{
	uint32 n;
	int64 *times;
	double *values;
	const TsHistogram **histograms; /* NULL: none */
} Points;

static void
add_point(Points *points, int64 time, double value, const TsHistogram *histogram)
{
	points->times[points->n] = time;
	points->values[points->n] = value;
	if (points->histograms != NULL)
		points->histograms[points->n] = histogram;
	points->n++;
}

static void
add_sample(Points *points, const PqSamples *samples, uint32 i, int64 time)
{
	add_point(points, time, samples->values[i],
			  samples->histograms != NULL ? samples->histograms[i] : NULL);
}

/* The samples within the window. */
static void
take_window(const PqSamples *samples, int64 start, int64 end, Points *points)
{
	for (uint32 i = 0; i < samples->n; i++)
	{
		if (samples->times[i] > start && samples->times[i] <= end)
			add_sample(points, samples, i, samples->times[i]);
	}
}

/* The point at an edge that lies between samples i and i + 1. False: there is none. */
static bool
add_between(PqOperator *op, const PqSamples *samples, uint32 i, int64 time,
			Points *points)
{
	PqPlace place = {op->exec, op->exec->context};
	TsAllocator allocator = pq_allocator(&place);
	const TsHistogram *histogram;
	double value;

	if (!pq_between(op, samples, i, time, &allocator, &value, &histogram))
		return false;
	add_point(points, time, value, histogram);
	return true;
}

/* Are samples first to last all of one kind? */
static bool
is_mixed(const PqSamples *samples, uint32 first, uint32 last)
{
	for (uint32 i = first; samples->histograms != NULL && i < last; i++)
	{
		if ((samples->histograms[i] == NULL) != (samples->histograms[i + 1] == NULL))
			return true;
	}
	return false;
}

/*
 * The window's samples, with its start and end as points of their own: anchored, the value
 * there is that of the sample before (or else the first one); smoothed, it lies between the
 * samples around.
 */
static void
extend_window(PqOperator *op, const PqSamples *samples, int64 start, int64 end,
			  bool smoothed, Points *points)
{
	uint32 first = 0;
	uint32 last = samples->n - 1;

	while (first < last && samples->times[first + 1] <= start)
		first++;
	while (smoothed && last > first && samples->times[last - 1] >= end)
		last--;
	if (samples->times[last] <= start)
		return;
	op->given--; /* warnings name the series that was given last */
	if (is_mixed(samples, first, last))
		pq_warn_of_mix(op);
	else
	{
		bool found = true;

		if (smoothed && samples->times[first] < start)
			found = add_between(op, samples, first, start, points);
		else
			add_sample(points, samples, first, start);
		for (uint32 i = first; i <= last; i++)
		{
			if (samples->times[i] > start && samples->times[i] < end)
				add_sample(points, samples, i, samples->times[i]);
		}
		if (smoothed && samples->times[last] > end && last > first)
			found = found && add_between(op, samples, last - 1, end, points);
		else
			add_sample(points, samples, last, end);
		if (!found)
			points->n = 0;
	}
	op->given++;
}

static void
next_samples(PqQuery *query, PqResult *result)
{
	PqOperator *root = query->root;
	const PqWindows *windows = &root->windows;
	const PqSeries *series = &root->series[root->given];
	MemoryContext context = query->exec.context;
	int64 end = windows->first_end;
	int64 start = pq_time_sub(end, windows->range);
	PqSamples samples;
	Points points = {0};
	Size room;

	memset(result, 0, sizeof(PqResult));
	result->labels = series->drop_name ? pq_labels_drop_name(series->labels, context)
									   : series->labels;
	pq_next_samples(root, &samples);
	if (samples.n == 0)
		return;
	room = (Size) samples.n + 2;
	points.times = take(query, sizeof(int64) * room, context);
	points.values = take(query, sizeof(double) * room, context);
	if (samples.histograms != NULL)
		points.histograms = take(query, sizeof(TsHistogram *) * room, context);
	if (windows->extend == PQ_PLAIN)
		take_window(&samples, start, end, &points);
	else
		extend_window(root, &samples, start, end, windows->extend == PQ_SMOOTHED,
					  &points);
	result->n = points.n;
	result->times = points.times;
	result->values = points.values;
	result->histograms = copy_histograms(query, points.histograms, points.n);
}

/* ---- all of the result ---- */

static int
compare_labels(const void *a, const void *b)
{
	const PqResult *x = a;
	const PqResult *y = b;

	return labels_compare(x->labels.data, x->labels.len, y->labels.data, y->labels.len);
}

/* Two series with equal labels become one, in order of time. */
static void
merge_results(PqQuery *query, PqResult *to, const PqResult *with)
{
	MemoryContext context = query->exec.context;
	uint32 n = to->n + with->n;
	int64 *times = take(query, sizeof(int64) * n, context);
	double *values = take(query, sizeof(double) * n, context);
	const TsHistogram **histograms = NULL;
	uint32 i = 0;
	uint32 j = 0;

	if (to->histograms != NULL || with->histograms != NULL)
		histograms = take(query, sizeof(TsHistogram *) * n, context);
	for (uint32 at = 0; at < n; at++)
	{
		bool first = j == with->n || (i < to->n && to->times[i] < with->times[j]);
		const PqResult *from = first ? to : with;
		uint32 k = first ? i++ : j++;

		times[at] = from->times[k];
		values[at] = from->values[k];
		if (histograms != NULL)
			histograms[at] = from->histograms != NULL ? from->histograms[k] : NULL;
		if (at > 0 && times[at] == times[at - 1])
			pq_fail(&query->exec, -1, ERRCODE_DATA_EXCEPTION,
					"vector cannot contain metrics with the same labelset");
	}
	to->n = n;
	to->times = times;
	to->values = values;
	to->histograms = histograms;
}

/* Reads a series; false when it has no points. */
static bool
read_result(PqQuery *query, PqResult *result)
{
	PqOperator *root = query->root;
	PqVector v;

	if (root->type == PQ_TYPE_MATRIX)
		next_samples(query, result);
	else
	{
		result->labels = root->series[root->given].labels;
		pq_next(root, &v);
		if (pq_vector_count(&v, root->steps.n) == 0)
			return false;
		make_points(query, &v, query->exec.context, result);
		result->histograms = copy_histograms(query, result->histograms, result->n);
	}
	return result->n > 0;
}

static void
sort_results(PqQuery *query, PqHeld *held)
{
	uint32 kept = 0;

	qsort(held->results, held->n, sizeof(PqResult), compare_labels);
	for (uint32 i = 0; i < held->n; i++)
	{
		if (kept > 0 &&
			pq_labels_equal(held->results[kept - 1].labels, held->results[i].labels))
			merge_results(query, &held->results[kept - 1], &held->results[i]);
		else
			held->results[kept++] = held->results[i];
	}
	held->n = kept;
}

static void
read_all(PqQuery *query, bool sort)
{
	PqOperator *root = query->root;
	MemoryContext context = query->exec.context;
	PqHeld *held = MemoryContextAllocZero(context, sizeof(PqHeld));

	held->results = take(query, sizeof(PqResult) * root->nseries, context);
	while (root->given < root->nseries)
	{
		PqResult *result = &held->results[held->n];

		if (!read_result(query, result))
			continue;
		pq_hold_samples(&query->exec, result->n);
		held->held += result->n;
		held->n++;
	}
	if (sort)
		sort_results(query, held);
	query->held = held;
}

/* ---- one at a time ---- */

static bool
next_unsorted(PqQuery *query, PqResult *result)
{
	PqOperator *root = query->root;

	while (root->given < root->nseries)
	{
		TsString labels = root->series[root->given].labels;
		PqVector v;

		MemoryContextReset(query->row);
		pq_next(root, &v);
		if (pq_vector_count(&v, root->steps.n) == 0)
			continue;
		result->labels = labels;
		make_points(query, &v, query->row, result);
		return true;
	}
	return false;
}

/* What a point may take where there may be histograms. */
#define HISTOGRAM_BYTES 1024

/*
 * Workers can help where all is read at once. It is, if it will be small, whatever it is,
 * beside the query's budget.
 */
static bool
may_read_at_once(const PqQuery *query)
{
	const PqOperator *root = query->root;
	double points = (double) root->nseries * root->steps.n;
	double bytes = sizeof(int64) + sizeof(double);

	if (query->exec.histogram_column != 0)
		bytes += HISTOGRAM_BYTES;
	return query->exec.parallel->undrained &&
		   points * bytes < (double) query->exec.max_memory / 4;
}

bool
pq_next_result(PqQuery *query, bool sorted, PqResult *result)
{
	MemoryContext caller;
	bool found;

	if (query->root == NULL)
		return false;
	caller = MemoryContextSwitchTo(query->exec.context);
	if (!query->root->opened)
		pq_open(query->root);
	sorted |= query->root->type == PQ_TYPE_MATRIX;
	if (query->root->given == 0 && query->held == NULL)
		query->exec.parallel->at_once = sorted || may_read_at_once(query);
	if (query->exec.parallel->at_once)
	{
		if (query->held == NULL)
			read_all(query, sorted);
		found = query->held->next < query->held->n;
		if (found)
			*result = query->held->results[query->held->next++];
	}
	else
		found = next_unsorted(query, result);
	MemoryContextSwitchTo(caller);
	return found;
}
