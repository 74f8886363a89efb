/*
 * otlp_delta_point.h
 *	  What the points of a series with delta temporality add up to. Pure C.
 *
 * A state is a run of bytes that can be copied anywhere. What it means:
 *
 * - The first point begins a cumulative: its value, from its start on; from its own time
 *   on where it has no start. It is the same with a point that does not fit to what there
 *   was: another kind of point, or a histogram with other bounds, or with which there would
 *   be more observations than a double counts.
 * - Each point after that is added. The time is the latest of all points: one that comes
 *   late, or overlaps others, counts at the time of the latest. The start stays.
 * - Integers are added exactly as long as the sum is one of 64 bits; beyond, and with the
 *   first point that is a double, the sum becomes a double. These are added with
 *   compensation (Neumaier's). Infinities and NaN are what arithmetic makes of them, until a
 *   new cumulative begins.
 * - Histograms: all counts are added, and the sum. Its sum, minimum and maximum (of all
 *   points) are known as long as all points said theirs; those without values need not. NaN
 *   is and remains the sum whatever others said: it tells of observations in no bucket.
 * - Exponential histograms of several scales are brought to the smallest, and further if more
 *   than TS_DELTA_BUCKETS buckets lie between the first and the last one of a sign. The zero
 *   threshold is the largest; buckets that it reaches into, when it grows, are part of the
 *   zero bucket, and the threshold grows to their end. A scale below TS_DELTA_MIN_SCALE is
 *   refused, and a bucket where no double is: so whatever was added, all can be added to it.
 */
#ifndef OTLP_DELTA_POINT_H
#define OTLP_DELTA_POINT_H

#include "ts_otlp.h"

#define TS_DELTA_BUCKETS   160  /* of a sign, of an exponential histogram */
#define TS_DELTA_BOUNDS    1024 /* of a histogram with explicit bounds */
#define TS_DELTA_MIN_SCALE (-4)

typedef enum TsDeltaKind
{
	TS_DELTA_INTEGER,
	TS_DELTA_DOUBLE,
	TS_DELTA_HISTOGRAM,
	TS_DELTA_EXPONENTIAL
} TsDeltaKind;

/* All of a number; of histograms, what they begin with. */
typedef struct TsDeltaState
{
	uint32_t size; /* of all of it */
	uint8_t kind;
	bool has_sum; /* of histograms */
	bool has_min;
	bool has_max;
	uint64_t start; /* as points have them */
	uint64_t time;
	union
	{
		int64_t integer;
		double sum; /* but for ... */
	};
	double compensation;
} TsDeltaState;

typedef struct TsDeltaHistogram
{
	TsDeltaState base;
	double count;
	double min;
	double max;
	uint32_t ncounts;
	uint32_t nbounds;
	double values[]; /* counts, then bounds */
} TsDeltaHistogram;

typedef struct TsDeltaExponential
{
	TsDeltaState base;
	double count;
	double min;
	double max;
	double zero_count;
	double zero_threshold;
	int32_t scale;
	int32_t offsets[2]; /* positive, negative */
	uint32_t ncounts[2];
	uint32_t unused;
	double counts[]; /* positive, then negative */
} TsDeltaExponential;

#define TS_DELTA_MAX_COUNTS (TS_DELTA_BOUNDS + 1)
#define TS_DELTA_MAX_SIZE \
	(sizeof(TsDeltaHistogram) + (TS_DELTA_MAX_COUNTS + TS_DELTA_BOUNDS) * sizeof(double))

/*
 * What a series has with one point more; `before` is NULL for the first one. *after has room
 * for TS_DELTA_MAX_SIZE bytes, aligned to eight. TS_ERR_INVALID, TS_ERR_LIMIT: this point
 * cannot be added.
 */
extern TsErrorCode ts_delta_add(const TsDeltaState *before, const TsOtlpPoint *point,
								TsDeltaState *after, TsError *err);
/*
 * Makes the point that was added last the cumulative one. Its counts are then in
 * counts[TS_DELTA_MAX_COUNTS], which must last as long as they.
 */
extern void ts_delta_give(const TsDeltaState *state, TsOtlpPoint *point, double *counts);

#endif /* OTLP_DELTA_POINT_H */
