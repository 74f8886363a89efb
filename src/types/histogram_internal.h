/*
 * histogram_internal.h
 *	  What the sources of native histograms share: sides and cursors over them, bounds of
 *	  buckets, and how a histogram is made.
 *
 * A side is the positive or the negative buckets of a histogram; both have the same shape,
 * counted by absolute value. Index 0 is always the positive side.
 */
#ifndef HISTOGRAM_INTERNAL_H
#define HISTOGRAM_INTERNAL_H

#include <string.h>

#include "histogram_format.h"
#include "ts_histogram.h"

/* ---- doubles ---- */

static inline uint64_t
double_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline double
bits_double(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* The same number, -0 and 0 apart; all NaN are the same but for the stale marker. */
static inline bool
same_double(double a, double b)
{
	if (a != a && b != b)
		return (double_bits(a) == HISTOGRAM_STALE) == (double_bits(b) == HISTOGRAM_STALE);
	return double_bits(a) == double_bits(b);
}

/* ---- sides ---- */

typedef struct HistogramSide
{
	const TsSpan *spans;    /* either these ... */
	const int32_t *indexes; /* ... or each bucket's index, ascending */
	const double *counts;
	const double *rests; /* what compensated sums lost; or NULL */
	uint32_t n;          /* buckets */
} HistogramSide;

extern HistogramSide histogram_side(const TsHistogram *h, bool negative);

/*
 * Walks a side's buckets upwards. With a shift it shows them at a resolution lower by as
 * many schemas: buckets that become one are given as one.
 */
typedef struct HistogramCursor
{
	HistogramSide side;
	int shift;
	uint32_t bucket;  /* the next one */
	uint32_t in_span; /* its place in the span */
	const TsSpan *span;
	int32_t next; /* its index before the shift */
	/* What was found: */
	int32_t index;
	double count;
	double rest;
} HistogramCursor;

extern void
histogram_cursor_init(HistogramCursor *cursor, const HistogramSide *side, int shift);
extern bool histogram_cursor_next(HistogramCursor *cursor);

extern bool
histogram_same_bounds(const double *a, uint32_t na, const double *b, uint32_t nb);

/* The upper bound of a bucket of a standard schema. */
extern double histogram_bound(int32_t index, int32_t schema);
/* That of any histogram's positive bucket; index -1 of a custom one is -Inf. */
extern double histogram_upper(const TsHistogram *h, int32_t index);

/*
 * The zero bucket as it would be if its threshold were at least `threshold`. When that falls
 * into a bucket with observations, the threshold becomes that bucket's upper bound. *count
 * and *rest (NULL: no compensation) are those of the zero bucket as it is.
 */
extern double histogram_widened_zero(const HistogramSide sides[2], int32_t schema,
									 double threshold, double *count, double *rest);

/* The public walk without bounds, which cost more than the rest of it. */
typedef enum HistogramKind
{
	HISTOGRAM_KIND_NEGATIVE,
	HISTOGRAM_KIND_ZERO,
	HISTOGRAM_KIND_POSITIVE
} HistogramKind;
extern bool
histogram_iter_step(TsBucketIter *iter, TsBucket *bucket, HistogramKind *kind);
/* The bounds of a bucket whose index is known; clamp: cut at the zero bucket's. */
extern void histogram_bucket_bounds(const TsHistogram *h, HistogramKind kind, bool clamp,
									TsBucket *bucket);

/*
 * The share of a bucket's observations below a value within it. Linear: they are spread evenly
 * over it. Else they are so over the buckets of any higher resolution, that is, over the
 * logarithm; lower and upper have one sign then.
 */
extern double histogram_share(double lower, double upper, double value, bool linear);

/* A step of a sum with Neumaier's compensation; rest may be NULL. */
static inline void
histogram_sum_step(double *sum, double *rest, double value)
{
	double total = *sum + value;

	if (rest)
	{
		double sum_size = *sum < 0 ? -*sum : *sum;
		double value_size = value < 0 ? -value : value;

		if (total - total != 0 && total == total) /* infinite */
			*rest = 0;
		else if (sum_size >= value_size)
			*rest += (*sum - total) + value;
		else
			*rest += (value - total) + *sum;
	}
	*sum = total;
}

/* ---- making one ---- */

/* The writable arrays of a histogram that is being made; sides: positive, negative. */
typedef struct HistogramRoom
{
	TsHistogram *h;
	TsSpan *spans[2];
	double *counts[2];
	double *bounds;
	int64_t next[2]; /* the index after the last bucket of a side */
} HistogramRoom;

/* All in one piece. NULL in room->h, and false: no memory. */
extern bool histogram_make_room(HistogramRoom *room, const TsAllocator *allocator,
								const uint32_t nspans[2], const uint32_t nbuckets[2],
								uint32_t nbounds);
/* Appends a bucket to a side of a histogram with room for it; indexes ascend. */
extern void histogram_append(HistogramRoom *room, int side, int32_t index, double count);
/* A copy whose counts may be changed; as histogram_make_room(). */
extern bool
histogram_copy(HistogramRoom *room, const TsHistogram *h, const TsAllocator *allocator);

/* ---- payloads in parts ---- */

/* A payload cut into its layout (threshold, bounds, spans: its bytes) and its numbers. */
typedef struct HistogramSplit
{
	uint8_t flags;
	int32_t schema;
	double sum;
	const uint8_t *layout;
	size_t layout_size;
	uint32_t nbuckets; /* of both sides */
	const uint8_t *counts;
	const uint8_t *end;
} HistogramSplit;

/* False: it is no payload. `like` may be another one that likely has the same layout. */
extern bool histogram_split(const void *data, size_t size, const HistogramSplit *like,
							HistogramSplit *split);
/* The numbers, positive buckets first. False: they are not those of a payload. */
extern bool histogram_split_counts(const HistogramSplit *split, double *count,
								   double *zero_count, double *buckets);
/*
 * A histogram of a layout (flags other than the layout's must not be set) whose counts are
 * still to be filled in. TS_ERR_INVALID: it is none; its shape is not checked.
 */
extern TsErrorCode
histogram_make_layout(const HistogramSplit *split, const TsAllocator *allocator,
					  HistogramRoom *room);
/* Writes the payload, or nothing if out is NULL; returns its size. */
extern size_t histogram_write(const TsHistogram *h, void *out);

/* ---- text ---- */

/* How reset hints are called, in text and in JSON. */
extern const char *const histogram_hint_names[TS_RESET_GAUGE + 1];

/* Writes a number, at most 25 characters and a NUL; returns its end. */
extern char *histogram_print_double(char *out, double value);
/* Reads one that takes all of the text: what Go's ParseFloat() reads, but no underscores. */
extern bool histogram_parse_double(const char *start, const char *end, double *value);

/* Is it a histogram at all? Its counts may be any numbers, but for the next. */
extern TsErrorCode histogram_check_shape(const TsHistogram *h, TsError *err);
/* Are the counts of a histogram of integers natural, and is there no zero bucket if bounds are
 * custom? */
extern bool histogram_counts_fit(const TsHistogram *h);

#endif /* HISTOGRAM_INTERNAL_H */
