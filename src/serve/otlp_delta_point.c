/*
 * otlp_delta_point.c
 *	  Adds points with delta temporality up; otlp_delta_point.h says what that means.
 *
 * The buckets of an exponential histogram are numbered by 64 bits here: an offset may be any
 * int32, with any number of buckets behind it.
 */
#include <assert.h>
#include <float.h>
#include <math.h>

#include "otlp_delta_point.h"

/* ---- sums ---- */

static double
sum_of(const TsDeltaState *state)
{
	return state->sum + state->compensation;
}

static void
add_double(TsDeltaState *state, double value)
{
	double sum = state->sum + value;

	if (!isfinite(sum))
		state->compensation = 0;
	else if (fabs(state->sum) >= fabs(value))
		state->compensation += state->sum - sum + value;
	else
		state->compensation += value - sum + state->sum;
	state->sum = sum;
}

/* Without a loss: what does not fit into a double's digits is its compensation. */
static void
become_double(TsDeltaState *state)
{
	int64_t integer = state->integer;
	double sum = (double) integer;

	state->kind = TS_DELTA_DOUBLE;
	state->sum = sum;
	/* the largest ones are rounded to 2^63, which is no int64 */
	state->compensation = sum < 0x1p63 ? (double) (integer - (int64_t) sum)
									   : (double) (integer - INT64_MAX) - 1;
}

static void
add_number(TsDeltaState *state, const TsOtlpPoint *point)
{
	int64_t sum;

	if (state->kind == TS_DELTA_INTEGER && point->is_integer &&
		!__builtin_add_overflow(state->integer, point->integer, &sum))
	{
		state->integer = sum;
		return;
	}
	if (state->kind == TS_DELTA_INTEGER)
		become_double(state);
	if (point->is_integer)
	{
		TsDeltaState addend = {.integer = point->integer};

		become_double(&addend);
		add_double(state, addend.sum);
		add_double(state, addend.compensation);
	}
	else
		add_double(state, point->number);
}

/* ---- what all states have ---- */

static void
begin(TsDeltaState *state, TsDeltaKind kind, size_t size, const TsOtlpPoint *point)
{
	memset(state, 0, size);
	state->size = (uint32_t) size;
	state->kind = kind;
	state->start = point->start != 0 ? point->start : point->time;
	state->time = point->time;
}

static void
add_time(TsDeltaState *state, const TsOtlpPoint *point)
{
	if (point->time > state->time)
		state->time = point->time;
}

/* Sum, minimum and maximum of histograms. */
static void
begin_extremes(TsDeltaState *state, double *min, double *max, const TsOtlpPoint *point)
{
	state->has_sum = point->has_sum;
	state->has_min = point->has_min;
	state->has_max = point->has_max;
	state->sum = point->has_sum ? point->sum : 0;
	*min = point->has_min ? point->min : 0;
	*max = point->has_max ? point->max : 0;
}

static void
add_extremes(TsDeltaState *state, double *min, double *max, double count,
			 const TsOtlpPoint *point)
{
	bool empty = point->count == 0;
	bool was_empty = count == 0;

	/* where nothing was counted so far nothing is missing */
	if (point->has_sum)
	{
		state->has_sum = state->has_sum || was_empty || isnan(point->sum);
		if (state->has_sum)
			add_double(state, point->sum);
	}
	else
		state->has_sum = state->has_sum && (empty || isnan(state->sum));
	if (point->has_min)
	{
		*min = state->has_min ? fmin(*min, point->min) : point->min;
		state->has_min = state->has_min || was_empty;
	}
	else
		state->has_min = state->has_min && empty;
	if (point->has_max)
	{
		*max = state->has_max ? fmax(*max, point->max) : point->max;
		state->has_max = state->has_max || was_empty;
	}
	else
		state->has_max = state->has_max && empty;
}

static void
give_extremes(const TsDeltaState *state, double min, double max, TsOtlpPoint *point)
{
	point->has_sum = state->has_sum;
	point->sum = state->has_sum ? sum_of(state) : 0;
	point->has_min = state->has_min;
	point->min = state->has_min ? min : 0;
	point->has_max = state->has_max;
	point->max = state->has_max ? max : 0;
}

/* Can counts of more observations be added exactly? */
static bool
can_count(double count, const TsOtlpPoint *point)
{
	return count + point->count <= 0x1p53;
}

/* ---- explicit bounds ---- */

static bool
same_bounds(const TsDeltaHistogram *histogram, const TsOtlpPoint *point)
{
	const double *bounds = histogram->values + histogram->ncounts;

	if (histogram->ncounts != point->ncounts || histogram->nbounds != point->nbounds)
		return false;
	for (uint32_t i = 0; i < point->nbounds; i++)
	{
		if (bounds[i] != point->bounds[i])
			return false;
	}
	return true;
}

static void
begin_histogram(TsDeltaState *state, const TsOtlpPoint *point)
{
	TsDeltaHistogram *histogram = (TsDeltaHistogram *) state;
	size_t nvalues = point->ncounts + point->nbounds;

	begin(state, TS_DELTA_HISTOGRAM, sizeof(TsDeltaHistogram) + nvalues * sizeof(double),
		  point);
	begin_extremes(state, &histogram->min, &histogram->max, point);
	histogram->count = point->count;
	histogram->ncounts = point->ncounts;
	histogram->nbounds = point->nbounds;
	if (point->ncounts > 0)
		memcpy(histogram->values, point->counts, point->ncounts * sizeof(double));
	if (point->nbounds > 0)
		memcpy(histogram->values + point->ncounts, point->bounds,
			   point->nbounds * sizeof(double));
}

static TsErrorCode
add_histogram(const TsDeltaState *before, const TsOtlpPoint *point, TsDeltaState *after,
			  TsError *err)
{
	TsDeltaHistogram *histogram = (TsDeltaHistogram *) after;

	if (point->nbounds > TS_DELTA_BOUNDS || point->ncounts > TS_DELTA_MAX_COUNTS)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"a histogram with delta temporality has %u buckets; at most "
							"%d can be added up",
							point->ncounts, TS_DELTA_MAX_COUNTS);
	if (before == NULL || before->kind != TS_DELTA_HISTOGRAM ||
		!same_bounds((const TsDeltaHistogram *) before, point) ||
		!can_count(((const TsDeltaHistogram *) before)->count, point))
	{
		begin_histogram(after, point);
		return TS_OK;
	}
	memcpy(after, before, before->size);
	add_time(after, point);
	add_extremes(after, &histogram->min, &histogram->max, histogram->count, point);
	histogram->count += point->count;
	for (uint32_t i = 0; i < point->ncounts; i++)
		histogram->values[i] += point->counts[i];
	return TS_OK;
}

/* ---- exponential ---- */

/* Where doubles are, at scale 0: the least one above 0 is 2^-1074, and all are below 2^1024. */
#define LEAST_BUCKET (-1075)
#define LAST_BUCKET  1023

/* Buckets of one sign, from the first to the last one that is not empty. */
typedef struct Side
{
	const double *counts;
	int64_t first;
	int64_t n;
} Side;

typedef struct Exponential
{
	int scale;
	double threshold;
	Side sides[2];
} Exponential;

static Side
side_of(int32_t offset, const double *counts, uint32_t n)
{
	Side side = {.counts = counts, .first = offset, .n = n};

	while (side.n > 0 && side.counts[side.n - 1] == 0)
		side.n--;
	while (side.n > 0 && side.counts[0] == 0)
	{
		side.counts++;
		side.first++;
		side.n--;
	}
	return side;
}

static Exponential
exponential_of_point(const TsOtlpPoint *point)
{
	return (Exponential){.scale = point->scale,
						 .threshold = point->zero_threshold,
						 .sides = {side_of(point->positive.offset, point->positive.counts,
										   point->positive.ncounts),
								   side_of(point->negative.offset, point->negative.counts,
										   point->negative.ncounts)}};
}

static Exponential
exponential_of_state(const TsDeltaExponential *state)
{
	return (Exponential){
		.scale = state->scale,
		.threshold = state->zero_threshold,
		.sides = {side_of(state->offsets[0], state->counts, state->ncounts[0]),
				  side_of(state->offsets[1], state->counts + state->ncounts[0],
						  state->ncounts[1])}};
}

/* The number of a bucket at a scale that is smaller by some: halved as often, rounded down. */
static int64_t
scaled(int64_t bucket, int by)
{
	return bucket >> (by < 63 ? by : 63);
}

/*
 * Whether numbers can be in all buckets, as far as the one of scale 0 says which they are in,
 * or those of which they consist.
 */
static bool
has_numbers(const Exponential *exponential)
{
	const int finer = exponential->scale > 0 ? exponential->scale : 0;
	const int64_t width = INT64_C(1) << (finer - exponential->scale);

	for (int i = 0; i < 2; i++)
	{
		const Side *side = &exponential->sides[i];
		int64_t last = side->first + side->n - 1;

		if (side->n > 0 &&
			(scaled(side->first, finer) * width + width - 1 < LEAST_BUCKET ||
			 scaled(last, finer) * width > LAST_BUCKET))
			return false;
	}
	return true;
}

/* Which buckets both have, at a scale: *n of them. */
static int64_t
joined(const Exponential *a, const Exponential *b, int side, int scale, int64_t *n)
{
	int64_t first = INT64_MAX;
	int64_t last = INT64_MIN;

	for (const Exponential *e = a; e != NULL; e = e == a ? b : NULL)
	{
		const Side *buckets = &e->sides[side];
		int by = e->scale - scale;

		if (buckets->n == 0)
			continue;
		if (scaled(buckets->first, by) < first)
			first = scaled(buckets->first, by);
		if (scaled(buckets->first + buckets->n - 1, by) > last)
			last = scaled(buckets->first + buckets->n - 1, by);
	}
	*n = first > last ? 0 : last - first + 1;
	return *n == 0 ? 0 : first;
}

static void
add_buckets(double *counts, int64_t first, const Side *side, int by)
{
	for (int64_t i = 0; i < side->n; i++)
		counts[scaled(side->first + i, by) - first] += side->counts[i];
}

/* Where a bucket begins; it ends where the next one begins, and that is part of it. */
static double
bucket_start(int64_t bucket, int scale)
{
	return exp2(ldexp((double) bucket, -scale));
}

/* The largest number in it. */
static double
bucket_end(int64_t bucket, int scale)
{
	return fmin(bucket_start(bucket + 1, scale), DBL_MAX);
}

/*
 * Puts buckets that begin below the zero threshold into the zero bucket. Returns whether one
 * of them that is not empty reaches beyond it: then the threshold is where that one ends.
 */
static bool
fold_side(TsDeltaExponential *state, int side)
{
	double *counts = state->counts + (side == 0 ? 0 : state->ncounts[0]);
	bool raised = false;

	for (uint32_t i = 0; i < state->ncounts[side]; i++)
	{
		int64_t bucket = (int64_t) state->offsets[side] + i;

		if (bucket_start(bucket, state->scale) >= state->zero_threshold)
			break;
		if (counts[i] == 0)
			continue;
		state->zero_count += counts[i];
		counts[i] = 0;
		if (bucket_end(bucket, state->scale) > state->zero_threshold)
		{
			state->zero_threshold = bucket_end(bucket, state->scale);
			raised = true;
		}
	}
	return raised;
}

static void
fold(TsDeltaExponential *state)
{
	while (fold_side(state, 0) || fold_side(state, 1))
		;
}

/* Buckets and threshold of both, which may have none. There is a scale for all doubles. */
static void
join(const Exponential *a, const Exponential *b, TsDeltaExponential *state)
{
	int scale = a->scale < b->scale ? a->scale : b->scale;
	int64_t first[2];
	int64_t n[2];

	for (;; scale--)
	{
		assert(scale >= TS_DELTA_MIN_SCALE);
		for (int side = 0; side < 2; side++)
			first[side] = joined(a, b, side, scale, &n[side]);
		if (n[0] <= TS_DELTA_BUCKETS && n[1] <= TS_DELTA_BUCKETS &&
			first[0] <= INT32_MAX && first[1] <= INT32_MAX)
			break;
	}
	state->base.size = (uint32_t) (sizeof(TsDeltaExponential) +
								   (size_t) (n[0] + n[1]) * sizeof(double));
	state->scale = scale;
	memset(state->counts, 0, (size_t) (n[0] + n[1]) * sizeof(double));
	for (int side = 0; side < 2; side++)
	{
		double *counts = state->counts + (side == 0 ? 0 : n[0]);

		state->offsets[side] = (int32_t) first[side];
		state->ncounts[side] = (uint32_t) n[side];
		add_buckets(counts, first[side], &a->sides[side], a->scale - scale);
		add_buckets(counts, first[side], &b->sides[side], b->scale - scale);
	}
	state->zero_threshold = fmax(a->threshold, b->threshold);
	if (a->threshold != b->threshold)
		fold(state);
}

static TsErrorCode
add_exponential(const TsDeltaState *before, const TsOtlpPoint *point, TsDeltaState *after,
				TsError *err)
{
	TsDeltaExponential *state = (TsDeltaExponential *) after;
	Exponential added = exponential_of_point(point);
	Exponential had = {.scale = added.scale, .threshold = added.threshold};

	if (!isfinite(added.threshold) || added.threshold < 0)
		return ts_error_set(err, TS_ERR_INVALID, -1, "%g is no zero threshold",
							added.threshold);
	if (added.scale < TS_DELTA_MIN_SCALE)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"an exponential histogram has scale %d, which is below %d",
							added.scale, TS_DELTA_MIN_SCALE);
	if (!has_numbers(&added))
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"an exponential histogram has a bucket that no number is in");
	if (before != NULL && before->kind == TS_DELTA_EXPONENTIAL &&
		can_count(((const TsDeltaExponential *) before)->count, point))
	{
		memcpy(after, before, sizeof(TsDeltaExponential));
		had = exponential_of_state((const TsDeltaExponential *) before);
		add_time(after, point);
		add_extremes(after, &state->min, &state->max, state->count, point);
	}
	else
	{
		begin(after, TS_DELTA_EXPONENTIAL, sizeof(TsDeltaExponential), point);
		begin_extremes(after, &state->min, &state->max, point);
	}
	state->count += point->count;
	state->zero_count += point->zero_count;
	join(&had, &added, state);
	return TS_OK;
}

/* ---- of all kinds ---- */

TsErrorCode
ts_delta_add(const TsDeltaState *before, const TsOtlpPoint *point, TsDeltaState *after,
			 TsError *err)
{
	switch (point->metric->type)
	{
		case TS_OTLP_SUM:
			if (!point->has_number)
				return ts_error_set(err, TS_ERR_INVALID, -1, "a point has no value");
			if (before != NULL &&
				(before->kind == TS_DELTA_INTEGER || before->kind == TS_DELTA_DOUBLE))
			{
				memcpy(after, before, sizeof(TsDeltaState));
				add_time(after, point);
				add_number(after, point);
				return TS_OK;
			}
			begin(after, point->is_integer ? TS_DELTA_INTEGER : TS_DELTA_DOUBLE,
				  sizeof(TsDeltaState), point);
			if (point->is_integer)
				after->integer = point->integer;
			else
				after->sum = point->number;
			return TS_OK;
		case TS_OTLP_HISTOGRAM:
			return add_histogram(before, point, after, err);
		case TS_OTLP_EXPONENTIAL:
			return add_exponential(before, point, after, err);
		default:
			return ts_error_set(err, TS_ERR_INVALID, -1,
								"points of this kind have no temporality");
	}
}

static void
give_exponential(const TsDeltaExponential *state, TsOtlpPoint *point, double *counts)
{
	uint32_t n = state->ncounts[0] + state->ncounts[1];

	memcpy(counts, state->counts, n * sizeof(double));
	point->count = state->count;
	point->scale = state->scale;
	point->zero_count = state->zero_count;
	point->zero_threshold = state->zero_threshold;
	point->positive = (TsOtlpBuckets){state->offsets[0], counts, state->ncounts[0]};
	point->negative = (TsOtlpBuckets){state->offsets[1], counts + state->ncounts[0],
									  state->ncounts[1]};
	give_extremes(&state->base, state->min, state->max, point);
}

void
ts_delta_give(const TsDeltaState *state, TsOtlpPoint *point, double *counts)
{
	const TsDeltaHistogram *histogram = (const TsDeltaHistogram *) state;

	point->start = state->start;
	point->time = state->time;
	switch ((TsDeltaKind) state->kind)
	{
		case TS_DELTA_INTEGER:
			point->is_integer = true;
			point->integer = state->integer;
			point->number = (double) state->integer;
			break;
		case TS_DELTA_DOUBLE:
			point->is_integer = false;
			point->number = sum_of(state);
			break;
		case TS_DELTA_HISTOGRAM:
			memcpy(counts, histogram->values, histogram->ncounts * sizeof(double));
			point->counts = counts;
			point->count = histogram->count;
			give_extremes(state, histogram->min, histogram->max, point);
			break;
		case TS_DELTA_EXPONENTIAL:
			give_exponential((const TsDeltaExponential *) state, point, counts);
			break;
	}
}
