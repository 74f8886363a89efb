/*
 * report.h
 *	  What the benchmark says: the readable table, the targets, the JSON file.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "measure.h"

typedef struct BenchRow
{
	const char *name;
	const char *about;
	BenchMix mix;
	BenchResult results[BENCH_CONTENDERS];
} BenchRow;

/* Every kind and both mixes for chunks of n values. */
typedef struct BenchTable
{
	size_t n;
	size_t series; /* of each kind */
	bool timed;    /* else there are no speeds, and the mixes are empty */
	int kinds;
	BenchRow *rows;     /* one for each kind */
	BenchRow mix;       /* all kinds of the mix */
	BenchRow quiet_mix; /* without those that are noise */
} BenchTable;

#define BENCH_TARGETS      5
#define BENCH_SIZE_TARGETS 2 /* so many come first and need no clock */

typedef struct BenchTarget
{
	const char *what;
	bool reached;
	char figure[512];
} BenchTarget;

/* Judges the targets that can be judged; returns how many. */
extern int bench_targets(const BenchTable *table, BenchTarget *targets);

extern void bench_print(FILE *out, const char *build, const BenchTable *table);

/* Whether every contender gave every value back, bit for bit. */
extern bool bench_lossless(const BenchTable *table);

/* Returns false, having said why, when the file cannot be written. */
extern bool bench_write_json(const char *path, const char *build,
							 const BenchTable *tables, int count);

/*
 * Prints what failed and, last, how many round trips and targets of size passed and
 * failed. Returns how many failed.
 */
extern int
bench_print_smoke(FILE *out, const char *build, const BenchTable *tables, int count);

#endif /* BENCH_REPORT_H */
