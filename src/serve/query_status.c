/*
 * query_status.c
 *	  The API's documents about the server: /api/v1/status/buildinfo, runtimeinfo and flags,
 *	  over HTTP and as SQL functions.
 *
 * Clients decide by the version in buildinfo what they may ask for: it is that of the
 * Prometheus whose API we have. What of the others concerns Go alone is empty.
 */
#include "postgres.h"

#include <unistd.h>

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/timestamp.h"

#include "query.h"
#include "ts_table.h"

PG_FUNCTION_INFO_V1(mytsdb_api_build_info);
PG_FUNCTION_INFO_V1(mytsdb_api_runtime_info);
PG_FUNCTION_INFO_V1(mytsdb_api_flags);

/* The Prometheus whose API this is. */
#define API_VERSION "3.5.0"

#define SETTING_PREFIX "mytsdb."

/* ---- documents ---- */

void
query_build_info(ApiOut *out)
{
	api_object_begin(out);
	api_object_text(out, "version", API_VERSION);
	api_object_text(out, "revision", "mytsdb " MYTSDB_VERSION ", PostgreSQL " PG_VERSION);
	api_object_text(out, "branch", "mytsdb");
	api_object_text(out, "buildUser", "");
	api_object_text(out, "buildDate", "");
	api_object_text(out, "goVersion", "");
	api_object_end(out);
}

/* RFC 3339, in UTC. */
static char *
shown_time(TimestampTz time)
{
	pg_time_t seconds = timestamptz_to_time_t(time);
	char text[64];

	pg_strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", pg_gmtime(&seconds));
	return pstrdup(text);
}

static const char *
retention(Oid source)
{
	TsOptions options;

	ts_options_read(source, &options);
	return options.retention != NULL ? options.retention : "";
}

void
query_runtime_info(ApiOut *out, Oid source)
{
	api_object_begin(out);
	api_object_text(out, "startTime", shown_time(PgStartTime));
	api_object_text(out, "CWD", "");
	api_object_text(out, "hostname", "");
	api_object_text(out, "serverTime", shown_time(GetCurrentTimestamp()));
	api_object_literal(out, "reloadConfigSuccess", "true");
	api_object_text(out, "lastConfigTime", shown_time(PgReloadTime));
	api_object_literal(out, "corruptionCount", "0");
	api_object_literal(out, "goroutineCount", "0");
	api_object_literal(out, "GOMAXPROCS", psprintf("%ld", sysconf(_SC_NPROCESSORS_ONLN)));
	api_object_literal(out, "GOMEMLIMIT", "0");
	api_object_text(out, "GOGC", "");
	api_object_text(out, "GODEBUG", "");
	api_object_text(out, "storageRetention", retention(source));
	api_object_end(out);
}

/* Whether it is a setting of ours that the current user may see. */
static bool
is_shown(const struct config_generic *setting, bool all)
{
	return pg_strncasecmp(setting->name, SETTING_PREFIX, strlen(SETTING_PREFIX)) == 0 &&
		   (setting->flags & GUC_NO_SHOW_ALL) == 0 &&
		   ((setting->flags & GUC_SUPERUSER_ONLY) == 0 || all);
}

void
query_flags(ApiOut *out)
{
	struct config_generic **settings = get_guc_variables();
	int count = GetNumConfigOptions();
	bool all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_SETTINGS);

	api_object_begin(out);
	for (int i = 0; i < count; i++)
	{
		if (is_shown(settings[i], all))
			api_object_text(out, settings[i]->name,
							GetConfigOptionByName(settings[i]->name, NULL, false));
	}
	api_object_end(out);
}

/* ---- functions ---- */

/* mytsdb.build_info() */
Datum
mytsdb_api_build_info(PG_FUNCTION_ARGS)
{
	ApiOut out;

	api_keep(&out);
	query_build_info(&out);
	return api_kept(&out);
}

/* mytsdb.runtime_info(source) */
Datum
mytsdb_api_runtime_info(PG_FUNCTION_ARGS)
{
	ApiOut out;

	api_keep(&out);
	query_runtime_info(&out, PG_GETARG_OID(0));
	return api_kept(&out);
}

/* mytsdb.flags() */
Datum
mytsdb_api_flags(PG_FUNCTION_ARGS)
{
	ApiOut out;

	api_keep(&out);
	query_flags(&out);
	return api_kept(&out);
}
