/*
 * points.h
 *	  The series of the benchmark "otlp", and requests of OTLP for them.
 */
#ifndef BENCH_POINTS_H
#define BENCH_POINTS_H

#include "../ingest/bodies.h"

/*
 * BENCH_INSTANCE series of each instance: gauges and sums in turns, of POINTS_EACH points
 * with ten attributes. Their labels are what the attributes become, with job and instance.
 */
#define POINTS_EACH 50

extern Series *points_series(int instances);
/*
 * A request of OTLP for `count` of them, which begin and end with an instance; with an HTTP
 * head for the path, or (NULL) as a message of gRPC.
 */
extern void points_body(Body *body, Series *all, int first, int count, const char *path);

#endif /* BENCH_POINTS_H */
