/*
 * load.c
 *	  The load of the benchmark "otlp": the same points by three ways, for a server on
 *	  127.0.0.1.
 *
 *	      load remote_write|http|grpc PORT INSTANCES START [OPTION=VALUE...]
 *
 * Series are those of points.h, a request has 2,000 points. Options, and what is printed, are
 * those of ../ingest/load.c; and streams=1, of a connection of gRPC.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ingest/loads.h"
#include "grpc.h"
#include "points.h"

#define POINTS 2000

int
main(int argc, char **argv)
{
	const char *what = argc >= 5 ? argv[1] : "";
	bool remote_write = strcmp(what, "remote_write") == 0;
	bool grpc = strcmp(what, "grpc") == 0;
	LoadOptions options;
	LoadWrites writes;
	Series *series;
	int instances;

	if (!remote_write && !grpc && strcmp(what, "http") != 0)
		bench_fail("wrong arguments");
	options = load_options(argv + 5);
	instances = (int) load_number(argv[3]);
	series = points_series(instances);
	writes = (LoadWrites){.count = instances * BENCH_INSTANCE / POINTS,
						  .options = &options,
						  .start = (int64_t) load_number(argv[4]),
						  .port = (int) load_number(argv[2]),
						  .run = grpc ? grpc_run : client_run};
	writes.bodies = calloc((size_t) writes.count, sizeof(Body));
	if (writes.bodies == NULL)
		bench_fail("no memory");
	for (int i = 0; i < writes.count; i++)
	{
		if (remote_write)
			body_make(&writes.bodies[i], series, i * POINTS, POINTS, 1, "/api/v1/write");
		else
			points_body(&writes.bodies[i], series, i * POINTS, POINTS,
						grpc ? NULL : "/v1/metrics");
	}
	load_writes(&writes);
	if (fflush(stdout) != 0)
		bench_fail("cannot write");
	return 0;
}
