/*
 * grpc.h
 *	  As client.h, over gRPC: requests are messages of MetricsService/Export.
 */
#ifndef BENCH_GRPC_H
#define BENCH_GRPC_H

#include "../ingest/client.h"

/*
 * A request that is answered with UNAVAILABLE or RESOURCE_EXHAUSTED is sent again after a
 * while that doubles; any other status than OK, and a connection that ends, end the program.
 * work->rate does not count.
 */
extern void grpc_run(const ClientWork *work, ClientResult *result);

#endif /* BENCH_GRPC_H */
