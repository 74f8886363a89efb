/*
 * loads.h
 *	  What the programs that make the load of benchmarks share: options, writes, and what
 *	  they tell at the end.
 */
#ifndef BENCH_LOADS_H
#define BENCH_LOADS_H

#include "bodies.h"
#include "client.h"

typedef struct LoadOptions
{
	int connections;
	int streams; /* of a connection, where it can have several */
	int64_t from;
	int64_t steps; /* 0: any number */
	double seconds;
	double rate;
	const char *path;
} LoadOptions;

extern double load_number(const char *text);
/* NAME=VALUE each, up to NULL. */
extern LoadOptions load_options(char **arguments);
/* Processor time of this program, in seconds. */
extern double load_cpu(void);
/* Prints the beginning of a JSON object. */
extern void load_report(const ClientResult *result, double cpu);

/* All bodies, in turns; body i is always sent on the same connection (or stream). */
typedef struct LoadWrites
{
	Body *bodies;
	int count;
	LoadOptions *options;
	int64_t start;
	int port;
	void (*run)(const ClientWork *work, ClientResult *result);
} LoadWrites;

/* Sends them, and prints how that went. */
extern void load_writes(const LoadWrites *writes);

#endif /* BENCH_LOADS_H */
