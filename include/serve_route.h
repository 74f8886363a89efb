/*
 * serve_route.h
 *	  What can be asked for over HTTP: methods, routes, and which of them a path means.
 *
 * Pure C.
 */
#ifndef SERVE_ROUTE_H
#define SERVE_ROUTE_H

#include <stdbool.h>

#include "ts_base.h"

/* Methods are bits, so that a route can say which it takes. */
typedef enum ServeMethod
{
	SERVE_GET = 1 << 0,
	SERVE_HEAD = 1 << 1,
	SERVE_POST = 1 << 2,
	SERVE_PUT = 1 << 3,
	SERVE_DELETE = 1 << 4,
	SERVE_OPTIONS = 1 << 5,
	SERVE_OTHER = 1 << 6
} ServeMethod;

/* Who answers. */
typedef enum ServeWho
{
	SERVE_BY_GATE,   /* the gate itself, from shared memory: no database is asked */
	SERVE_BY_INGEST, /* an ingest worker: what is written */
	SERVE_BY_QUERY   /* a query worker: what is read */
} ServeWho;

typedef enum ServeRoute
{
	ROUTE_UNKNOWN,      /* no such path: 404 */
	ROUTE_ROOT,         /* /: a page that says what this is */
	ROUTE_HEALTHY,      /* /-/healthy */
	ROUTE_READY,        /* /-/ready */
	ROUTE_METRICS,      /* /metrics */
	ROUTE_WRITE,        /* /api/v1/write */
	ROUTE_OTLP_METRICS, /* /v1/metrics, /api/v1/otlp/v1/metrics */
	ROUTE_OTLP_GRPC,    /* the same by gRPC: has no path here */
	ROUTE_GRPC_HEALTH,  /* gRPC's health service: no paths here */
	ROUTE_GRPC_WATCH,
	ROUTE_READ, /* /api/v1/read */
	ROUTE_QUERY,
	ROUTE_QUERY_RANGE,
	ROUTE_QUERY_EXEMPLARS,
	ROUTE_FORMAT_QUERY,
	ROUTE_PARSE_QUERY,
	ROUTE_SERIES,
	ROUTE_LABELS,
	ROUTE_LABEL_VALUES, /* /api/v1/label/<name>/values */
	ROUTE_METADATA,
	ROUTE_TARGETS,          /* none: we scrape nothing */
	ROUTE_TARGETS_METADATA, /* none */
	ROUTE_RULES,
	ROUTE_ALERTS,
	ROUTE_ALERTMANAGERS,
	ROUTE_STATUS_BUILDINFO,
	ROUTE_STATUS_RUNTIMEINFO,
	ROUTE_STATUS_FLAGS,
	ROUTE_STATUS_CONFIG,
	ROUTE_STATUS_TSDB,
	ROUTE_STATUS_WALREPLAY,
	ROUTE_ADMIN_TSDB, /* /api/v1/admin/tsdb/...: refused */
	SERVE_ROUTES
} ServeRoute;

typedef struct ServeRouteInfo
{
	const char *label; /* in metrics and logs: the path, with a hole for what varies */
	int methods;       /* of ServeMethod; HEAD comes with GET, OPTIONS is always taken */
	ServeWho who;
	bool open; /* needs no role: health */
} ServeRouteInfo;

extern const ServeRouteInfo serve_routes[SERVE_ROUTES];

/* What a path, without its query string and still percent-encoded, means. */
typedef struct ServeTarget
{
	ServeRoute route;
	TsString tenant;   /* of /tenant/NAME/..., still encoded; else empty */
	TsString argument; /* the label's name, still encoded; else empty */
} ServeTarget;

extern void serve_find_route(TsString path, ServeTarget *target);

#endif /* SERVE_ROUTE_H */
