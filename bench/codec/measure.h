/*
 * measure.h
 *	  Sizes and speeds of every contender on a set of chunks.
 *
 * Times are processor time of the one thread there is, so that a neighbour on the
 * machine disturbs little. The contenders take turns, round by round: what disturbs
 * all the same disturbs them alike, and a ratio is the median of the rounds' ratios.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "contenders.h"

#define BENCH_ROUNDS 15

typedef struct BenchChunk
{
	bool is_time;
	const BenchValue *values;
	const BenchValue *milliseconds; /* the same values, times in this unit */
} BenchChunk;

/* Chunks of n values each. */
typedef struct BenchSet
{
	size_t n;
	size_t count;
	BenchChunk *chunks;
} BenchSet;

/* Values per second. */
typedef struct BenchSpeed
{
	double round[BENCH_ROUNDS];
	double median;
	double least;
	double most;
} BenchSpeed;

typedef struct BenchResult
{
	size_t chunks;
	size_t values;
	size_t bytes;
	uint64_t digest; /* of the encoded bytes */
	bool lossless;
	BenchChoices choices; /* the most frequent first */
	BenchSpeed encode;
	BenchSpeed decode;
} BenchResult;

/*
 * Fills results[BENCH_CONTENDERS]: sizes and round trips, and speeds if timed.
 * Returns false when there is no memory.
 */
extern bool bench_measure(const BenchSet *set, bool timed, BenchResult *results);

/* The median over the rounds of a's speed divided by b's. */
extern double bench_ratio(const BenchSpeed *a, const BenchSpeed *b);

#endif /* BENCH_MEASURE_H */
