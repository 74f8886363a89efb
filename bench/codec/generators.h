/*
 * generators.h
 *	  Columns like those that monitoring produces, to measure the codecs on.
 *
 * Every value follows from the kind and the number of the series alone (integer
 * arithmetic from a fixed seed), so that sizes are the same on every machine and
 * in every run. Times are int64 microseconds since 2000-01-01, as PostgreSQL
 * holds a timestamptz; everything else is a float8.
 */
#ifndef BENCH_GENERATORS_H
#define BENCH_GENERATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One column value: its type is that of the kind, its identity are the bits. */
typedef union BenchValue
{
	double f;
	int64_t i;
	uint64_t bits;
} BenchValue;

/* How often a kind is counted when kinds are put together. */
typedef enum BenchMix
{
	BENCH_MIX_NO,    /* an extra, shown by itself only */
	BENCH_MIX_NOISE, /* part of the mix, and left out of the mix without noise */
	BENCH_MIX_YES
} BenchMix;

typedef struct BenchKind
{
	const char *name;
	const char *about;
	bool is_time;
	BenchMix mix;
	void (*fill)(uint32_t series, size_t n, BenchValue *out);
} BenchKind;

extern const BenchKind bench_kinds[];
extern const int bench_kind_count;

/* The same sequence on every machine: splitmix64. */
typedef struct BenchRandom
{
	uint64_t state;
} BenchRandom;

extern void bench_random_seed(BenchRandom *r, uint64_t seed);
extern uint64_t bench_random_next(BenchRandom *r);
extern uint64_t bench_random_below(BenchRandom *r, uint64_t limit); /* limit > 0 */

#endif /* BENCH_GENERATORS_H */
