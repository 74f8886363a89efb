/*
 * test_route.c
 *	  Tests of which route a path means.
 */
#include "serve_route.h"
#include "unit.h"

#include <string.h>

static void
check(const char *path, ServeRoute route, const char *tenant, const char *argument)
{
	ServeTarget target;

	serve_find_route((TsString){path, strlen(path)}, &target);
	CHECK(target.route == route, "%s is route %d", path, target.route);
	CHECK(ts_string_is(target.tenant, tenant), "%s: tenant \"%.*s\"", path,
		  (int) target.tenant.len, target.tenant.data);
	CHECK(ts_string_is(target.argument, argument), "%s: argument \"%.*s\"", path,
		  (int) target.argument.len, target.argument.data);
}

/* Those of gRPC have no path; every other is found by its own, also with a slash behind. */
static void
test_all(void)
{
	for (int route = ROUTE_UNKNOWN + 1; route < SERVE_ROUTES; route++)
	{
		const ServeRouteInfo *info = &serve_routes[route];
		const char *argument = route == ROUTE_LABEL_VALUES ? ":name" : "";
		char path[100];

		bool grpc = route == ROUTE_OTLP_GRPC || route == ROUTE_GRPC_HEALTH ||
					route == ROUTE_GRPC_WATCH;

		CHECK(info->label != NULL && (info->label[0] == '/') == !grpc, "route %d", route);
		CHECK(info->methods != 0, "%s", info->label);
		CHECK((info->methods & (SERVE_HEAD | SERVE_OPTIONS | SERVE_OTHER)) == 0, "%s",
			  info->label);
		CHECK(!info->open || info->who == SERVE_BY_GATE, "%s", info->label);
		if (grpc)
		{
			check(info->label, ROUTE_UNKNOWN, "", "");
			continue;
		}
		check(info->label, route, "", argument);
		snprintf(path, sizeof(path), "/tenant/blue%s", info->label);
		check(path, route, "blue", argument);
		snprintf(path, sizeof(path), "%s/", info->label);
		check(path, route, "", argument);
	}
}

static void
test_paths(void)
{
	check("", ROUTE_UNKNOWN, "", "");
	check("/", ROUTE_ROOT, "", "");
	check("//", ROUTE_ROOT, "", "");
	check("///", ROUTE_UNKNOWN, "", "");
	check("unknown", ROUTE_UNKNOWN, "", "");
	check("/unknown", ROUTE_UNKNOWN, "", "");
	check("/api/v1", ROUTE_UNKNOWN, "", "");
	check("/api/v1/", ROUTE_UNKNOWN, "", "");
	check("/api/v1/querys", ROUTE_UNKNOWN, "", "");
	check("/api/v1/query//", ROUTE_UNKNOWN, "", "");
	check("/api/v1/query/x", ROUTE_UNKNOWN, "", "");
	check("/api/v1/Query", ROUTE_UNKNOWN, "", "");
	check("/api/v2/query", ROUTE_UNKNOWN, "", "");
	check("/api/v1/label", ROUTE_UNKNOWN, "", "");
	check("/api/v1/label/", ROUTE_UNKNOWN, "", "");
	check("/api/v1/label/job", ROUTE_UNKNOWN, "", "");
	check("/api/v1/label//values", ROUTE_UNKNOWN, "", "");
	check("/api/v1/label/job/values", ROUTE_LABEL_VALUES, "", "job");
	check("/api/v1/label/job/values/x", ROUTE_UNKNOWN, "", "");
	check("/api/v1/label/a%2Fb/values", ROUTE_LABEL_VALUES, "", "a%2Fb");
	check("/api/v1/label/U__http_2e_method/values", ROUTE_LABEL_VALUES, "",
		  "U__http_2e_method");
	check("/api/v1/label/values/values", ROUTE_LABEL_VALUES, "", "values");
	check("/api/v1/admin/tsdb/", ROUTE_UNKNOWN, "", "");
	check("/api/v1/admin/tsdb/delete_series", ROUTE_ADMIN_TSDB, "", "");
	check("/api/v1/admin/tsdb/snapshot/", ROUTE_ADMIN_TSDB, "", "");
}

static void
test_tenants(void)
{
	check("/tenant", ROUTE_UNKNOWN, "", "");
	check("/tenant/", ROUTE_UNKNOWN, "", "");
	check("/tenant//", ROUTE_UNKNOWN, "", "");
	check("/tenant//api/v1/query", ROUTE_UNKNOWN, "", "");
	check("/tenant/blue", ROUTE_ROOT, "blue", "");
	check("/tenant/blue/", ROUTE_ROOT, "blue", "");
	check("/tenant/blue/unknown", ROUTE_UNKNOWN, "", "");
	check("/tenant/blue/tenant/red/api/v1/query", ROUTE_UNKNOWN, "", "");
	check("/tenant/a%20b/api/v1/query/", ROUTE_QUERY, "a%20b", "");
	check("/tenant/api/api/v1/label/x/values", ROUTE_LABEL_VALUES, "api", "x");
}

int
main(void)
{
	test_all();
	test_paths();
	test_tenants();
	return unit_finish();
}
