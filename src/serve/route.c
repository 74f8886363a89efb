/*
 * route.c
 *	  Which paths there are, what each of them takes, and which one a request means.
 *
 * A path is looked at as it came: only what varies in it (the label's name, the tenant) may
 * be percent-encoded. One slash too many at the end is overlooked. Prometheus answers that
 * with a redirect, which leads to the same route or, below /api/v1, nowhere at all.
 */
#include "serve_route.h"

#define QUERY_METHODS (SERVE_GET | SERVE_POST)
#define API           "/api/v1"

#define BY_GATE(label, methods, open)       \
	{                                       \
		label, methods, SERVE_BY_GATE, open \
	}
#define BY_QUERY(label, methods)              \
	{                                         \
		label, methods, SERVE_BY_QUERY, false \
	}

const ServeRouteInfo serve_routes[SERVE_ROUTES] = {
	[ROUTE_UNKNOWN] = BY_GATE("unknown", SERVE_GET, true),
	[ROUTE_ROOT] = BY_GATE("/", SERVE_GET, true),
	[ROUTE_HEALTHY] = BY_GATE("/-/healthy", SERVE_GET, true),
	[ROUTE_READY] = BY_GATE("/-/ready", SERVE_GET, true),
	[ROUTE_METRICS] = BY_GATE("/metrics", SERVE_GET, false),
	[ROUTE_WRITE] = {API "/write", SERVE_POST, SERVE_BY_INGEST, false},
	[ROUTE_OTLP_METRICS] = {"/v1/metrics", SERVE_POST, SERVE_BY_INGEST, false},
	[ROUTE_OTLP_GRPC] = {"grpc MetricsService/Export", SERVE_POST, SERVE_BY_INGEST,
						 false},
	[ROUTE_GRPC_HEALTH] = BY_GATE("grpc Health/Check", SERVE_POST, true),
	[ROUTE_GRPC_WATCH] = BY_GATE("grpc Health/Watch", SERVE_POST, true),
	[ROUTE_READ] = BY_QUERY(API "/read", SERVE_POST),
	[ROUTE_QUERY] = BY_QUERY(API "/query", QUERY_METHODS),
	[ROUTE_QUERY_RANGE] = BY_QUERY(API "/query_range", QUERY_METHODS),
	[ROUTE_QUERY_EXEMPLARS] = BY_QUERY(API "/query_exemplars", QUERY_METHODS),
	[ROUTE_FORMAT_QUERY] = BY_QUERY(API "/format_query", QUERY_METHODS),
	[ROUTE_PARSE_QUERY] = BY_QUERY(API "/parse_query", QUERY_METHODS),
	[ROUTE_SERIES] = BY_QUERY(API "/series", QUERY_METHODS),
	[ROUTE_LABELS] = BY_QUERY(API "/labels", QUERY_METHODS),
	[ROUTE_LABEL_VALUES] = BY_QUERY(API "/label/:name/values", SERVE_GET),
	[ROUTE_METADATA] = BY_QUERY(API "/metadata", SERVE_GET),
	[ROUTE_TARGETS] = BY_QUERY(API "/targets", SERVE_GET),
	[ROUTE_TARGETS_METADATA] = BY_QUERY(API "/targets/metadata", SERVE_GET),
	[ROUTE_RULES] = BY_QUERY(API "/rules", SERVE_GET),
	[ROUTE_ALERTS] = BY_QUERY(API "/alerts", SERVE_GET),
	[ROUTE_ALERTMANAGERS] = BY_QUERY(API "/alertmanagers", SERVE_GET),
	[ROUTE_STATUS_BUILDINFO] = BY_QUERY(API "/status/buildinfo", SERVE_GET),
	[ROUTE_STATUS_RUNTIMEINFO] = BY_QUERY(API "/status/runtimeinfo", SERVE_GET),
	[ROUTE_STATUS_FLAGS] = BY_QUERY(API "/status/flags", SERVE_GET),
	[ROUTE_STATUS_CONFIG] = BY_QUERY(API "/status/config", SERVE_GET),
	[ROUTE_STATUS_TSDB] = BY_QUERY(API "/status/tsdb", SERVE_GET),
	[ROUTE_STATUS_WALREPLAY] = BY_QUERY(API "/status/walreplay", SERVE_GET),
	[ROUTE_ADMIN_TSDB] = BY_QUERY(API "/admin/tsdb/:action", SERVE_POST | SERVE_PUT),
};

/* Takes a prefix off a path; false when it does not begin with that. */
static bool
take_prefix(TsString *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (path->len < len || memcmp(path->data, prefix, len) != 0)
		return false;
	path->data += len;
	path->len -= len;
	return true;
}

/* Takes all up to the next slash, or to the end. */
static TsString
take_segment(TsString *path)
{
	const char *slash = path->len > 0 ? memchr(path->data, '/', path->len) : NULL;
	TsString segment = {path->data,
						slash != NULL ? (size_t) (slash - path->data) : path->len};

	path->data += segment.len;
	path->len -= segment.len;
	return segment;
}

/* /tenant/NAME before any path: an empty name is none. */
static bool
take_tenant(TsString *path, TsString *tenant)
{
	TsString rest = *path;

	if (!take_prefix(&rest, "/tenant/"))
		return false;
	*tenant = take_segment(&rest);
	if (tenant->len == 0)
		return false;
	*path = rest;
	return true;
}

/* Behind /api/v1/label/: NAME/values. */
static bool
is_label_values(TsString path, TsString *name)
{
	*name = take_segment(&path);
	return name->len > 0 && ts_string_is(path, "/values");
}

/* The route that is this path and nothing else. */
static ServeRoute
find_whole(TsString path)
{
	for (int route = ROUTE_UNKNOWN + 1; route < SERVE_ROUTES; route++)
	{
		if (route != ROUTE_LABEL_VALUES && route != ROUTE_ADMIN_TSDB &&
			serve_routes[route].label[0] == '/' &&
			ts_string_is(path, serve_routes[route].label))
			return (ServeRoute) route;
	}
	return ROUTE_UNKNOWN;
}

static ServeRoute
find(TsString path, TsString *argument)
{
	TsString rest = path;
	TsString name;

	if (take_prefix(&rest, API "/label/"))
	{
		if (!is_label_values(rest, &name))
			return ROUTE_UNKNOWN;
		*argument = name;
		return ROUTE_LABEL_VALUES;
	}
	if (take_prefix(&rest, API "/admin/tsdb/"))
		return rest.len > 0 ? ROUTE_ADMIN_TSDB : ROUTE_UNKNOWN;
	if (ts_string_is(path, API "/otlp/v1/metrics"))
		return ROUTE_OTLP_METRICS;
	return find_whole(path);
}

void
serve_find_route(TsString path, ServeTarget *target)
{
	static const TsString none = {"", 0};

	*target = (ServeTarget){ROUTE_UNKNOWN, none, none};
	if (take_tenant(&path, &target->tenant) && path.len == 0)
		path = (TsString){"/", 1};
	if (path.len > 1 && path.data[path.len - 1] == '/')
		path.len--;
	target->route = find(path, &target->argument);
	if (target->route == ROUTE_UNKNOWN)
		target->tenant = none;
}
