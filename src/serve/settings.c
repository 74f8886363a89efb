/*
 * settings.c
 *	  The settings of the server inside.
 *
 * Those that a socket or a process is made of hold for the server's life; the others
 * change at reload. The rates are looked up for each role (gate_rate.c): superusers may
 * set them by ALTER ROLE ... SET, which only works for settings of a session.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <limits.h>

#include "utils/guc.h"
#include "utils/varlena.h"

#include "mytsdb.h"
#include "serve_settings.h"

char *serve_listen_addresses;
int serve_http_port;
int serve_otlp_http_port;
int serve_otlp_grpc_port;
char *serve_database;
int serve_ingest_workers;
int serve_query_workers;

char *serve_ssl_cert_file;
char *serve_ssl_key_file;
char *serve_cors_origin;
char *serve_anonymous_role;
int serve_max_connections;
int serve_max_streams;
int serve_header_timeout;
int serve_body_timeout;
int serve_idle_timeout;
int serve_write_timeout;
int serve_max_body_size;
int serve_ingest_queue_size;
int serve_query_queue;
int serve_query_timeout;
int serve_shutdown_grace;
bool serve_require_ssl;
int serve_auth_failures;
int serve_request_rate;
int serve_write_rate;
int serve_log_requests;
int serve_log_min_duration;
int serve_self_interval;

static const struct config_enum_entry log_options[] = {
	{"none", SERVE_LOG_NONE, false},
	{"errors", SERVE_LOG_ERRORS, false},
	{"all", SERVE_LOG_ALL, false},
	{NULL, 0, false}};

/* ---- addresses ---- */

static bool
is_loopback(const char *address)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (pg_strcasecmp(address, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, address, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, address, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return false;
}

bool
serve_wanted(void)
{
	return serve_http_port > 0 || serve_otlp_http_port > 0 || serve_otlp_grpc_port > 0;
}

bool
serve_loopback_only(void)
{
	char *addresses = pstrdup(serve_listen_addresses);
	List *list = NIL;
	ListCell *cell;
	bool only = SplitGUCList(addresses, ',', &list);

	foreach (cell, list)
		only = only && is_loopback(lfirst(cell));
	list_free(list);
	pfree(addresses);
	return only;
}

static bool
check_list(char **value, void **extra, GucSource source)
{
	char *copy = pstrdup(*value);
	List *list = NIL;
	bool ok = SplitGUCList(copy, ',', &list);

	if (!ok)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(list);
	pfree(copy);
	return ok;
}

/* ---- definitions ---- */

static void
define_string(const char *name, const char *what, const char *more, char **variable,
			  const char *initial, GucContext context, int flags,
			  GucStringCheckHook check)
{
	DefineCustomStringVariable(name, what, more, variable, initial, context, flags, check,
							   NULL, NULL);
}

static void
define_int(const char *name, const char *what, const char *more, int *variable,
		   int initial, int min, int max, GucContext context, int flags)
{
	DefineCustomIntVariable(name, what, more, variable, initial, min, max, context, flags,
							NULL, NULL, NULL);
}

static void
define_for_life(void)
{
	define_string("mytsdb.listen_addresses",
				  "Sets the host names or IP addresses on which HTTP is served.",
				  "A list, as in listen_addresses; * means all. While all of them are "
				  "loopback, requests without credentials run as mytsdb.anonymous_role.",
				  &serve_listen_addresses, "localhost", PGC_POSTMASTER, GUC_LIST_INPUT,
				  check_list);
	define_int("mytsdb.http_port", "Sets the TCP port on which HTTP is served.",
			   "0 means none. There is no server inside when the ports of OTLP are 0, "
			   "too.",
			   &serve_http_port, 9201, 0, 65535, PGC_POSTMASTER, 0);
	define_int("mytsdb.otlp_http_port",
			   "Sets the TCP port on which OpenTelemetry's clients expect OTLP/HTTP.",
			   "It serves what mytsdb.http_port serves. 0 means none.",
			   &serve_otlp_http_port, 4318, 0, 65535, PGC_POSTMASTER, 0);
	define_int("mytsdb.otlp_grpc_port", "Sets the TCP port on which OTLP/gRPC is served.",
			   "0 means none.", &serve_otlp_grpc_port, 4317, 0, 65535, PGC_POSTMASTER, 0);
	define_string("mytsdb.database", "Sets the database that is served over HTTP.",
				  "The extension must have been created there.", &serve_database,
				  "postgres", PGC_POSTMASTER, 0, NULL);
	define_int("mytsdb.ingest_workers",
			   "Sets the number of workers that write what comes over HTTP.", NULL,
			   &serve_ingest_workers, 2, 1, 64, PGC_POSTMASTER, 0);
	define_int("mytsdb.query_workers",
			   "Sets the number of workers that answer queries over HTTP.",
			   "As many queries run at once.", &serve_query_workers, 4, 1, 256,
			   PGC_POSTMASTER, 0);
}

static void
define_texts(void)
{
	define_string("mytsdb.ssl_cert_file",
				  "Sets the file of the certificate with which HTTPS is served.",
				  "Relative to the data directory. When empty, HTTP is served.",
				  &serve_ssl_cert_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL);
	define_string("mytsdb.ssl_key_file", "Sets the file of the certificate's key.",
				  "Relative to the data directory; nobody but the server's user may have "
				  "access to it.",
				  &serve_ssl_key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL);
	define_string(
		"mytsdb.cors_origin", "Sets the origins whose pages may read what HTTP answers.",
		"A list, or *. When empty, browsers keep the answers from other origins.",
		&serve_cors_origin, "", PGC_SIGHUP, GUC_LIST_INPUT, check_list);
	define_string("mytsdb.anonymous_role",
				  "Sets the role as which HTTP requests without credentials run.",
				  "Only while HTTP is served on loopback alone; never a superuser. When "
				  "empty, such requests are refused.",
				  &serve_anonymous_role, "", PGC_SIGHUP, 0, NULL);
	DefineCustomBoolVariable(
		"mytsdb.require_ssl",
		"Refuses passwords and tokens that come unencrypted from another host.",
		"Switch it off only where the network between is trusted.", &serve_require_ssl,
		true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"mytsdb.log_requests", "Sets which HTTP requests are logged.",
		"Refused logins and administrative requests always are.", &serve_log_requests,
		SERVE_LOG_ERRORS, log_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_limits(void)
{
	define_int("mytsdb.max_http_connections",
			   "Sets the maximum number of concurrent HTTP connections.", NULL,
			   &serve_max_connections, 2000, 1, 65535, PGC_SIGHUP, 0);
	define_int("mytsdb.max_http2_streams",
			   "Sets how many calls of gRPC may run at once on a connection.", NULL,
			   &serve_max_streams, 100, 1, 1000, PGC_SIGHUP, 0);
	define_int("mytsdb.max_body_size",
			   "Sets the largest body of an HTTP request, and message of gRPC.",
			   "As it is sent; mytsdb.remote_write_max_size limits what is decompressed.",
			   &serve_max_body_size, 32 * 1024, 1, 1024 * 1024, PGC_SIGHUP, GUC_UNIT_KB);
	define_int("mytsdb.ingest_queue_size",
			   "Sets how many bytes of writes may wait for ingest workers.",
			   "Further ones are refused, and their senders asked to come again.",
			   &serve_ingest_queue_size, 64 * 1024, 64, MAX_KILOBYTES, PGC_SIGHUP,
			   GUC_UNIT_KB);
	define_int("mytsdb.query_queue", "Sets how many queries may wait for query workers.",
			   "Further ones are refused.", &serve_query_queue, 256, 0, 65535, PGC_SIGHUP,
			   0);
	define_int("mytsdb.auth_failures",
			   "Sets how often an address may fail to log in within a minute.",
			   "Then it must wait.", &serve_auth_failures, 10, 1, 100000, PGC_SIGHUP, 0);
	define_int("mytsdb.request_rate",
			   "Sets how many HTTP requests a role may make per second.",
			   "0 means any number. ALTER ROLE ... SET is respected.",
			   &serve_request_rate, 0, 0, 1000000, PGC_SUSET, 0);
	define_int("mytsdb.write_rate",
			   "Sets how much a role may send per second, in kilobytes of bodies.",
			   "0 means any amount. ALTER ROLE ... SET is respected.", &serve_write_rate,
			   0, 0, MAX_KILOBYTES, PGC_SUSET, GUC_UNIT_KB);
}

static void
define_times(void)
{
	define_int("mytsdb.http_header_timeout",
			   "Sets how long the head of an HTTP request may take.", NULL,
			   &serve_header_timeout, 10000, 100, 600000, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("mytsdb.http_body_timeout",
			   "Sets how long no byte of a body may come before the request is given up.",
			   NULL, &serve_body_timeout, 30000, 100, 600000, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("mytsdb.http_idle_timeout",
			   "Sets how long a connection may be idle before it is closed.", NULL,
			   &serve_idle_timeout, 300000, 100, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("mytsdb.http_write_timeout",
			   "Sets how long a client may take no byte of an answer.", NULL,
			   &serve_write_timeout, 60000, 100, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("mytsdb.query_timeout", "Sets how long a request over HTTP may run.",
			   "The parameter timeout of a request can only shorten it.",
			   &serve_query_timeout, 120000, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("mytsdb.shutdown_grace",
			   "Sets how long running requests may go on when the server is stopped.",
			   NULL, &serve_shutdown_grace, 5000, 0, 600000, PGC_SIGHUP, GUC_UNIT_MS);
	define_int("mytsdb.log_min_request_duration",
			   "Sets the duration from which on an HTTP request is logged.",
			   "-1 means that none is logged for its duration; 0 logs all.",
			   &serve_log_min_duration, -1, -1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
	define_int(
		"mytsdb.self_metrics_interval",
		"Sets how often the server's own metrics are written to the metrics store.",
		"0 means never.", &serve_self_interval, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
}

static void
define_settings(void)
{
	define_for_life();
	define_texts();
	define_limits();
	define_times();
}

const MytsdbModule serve_settings_module = {
	.name = "mytsdb serve settings",
	.define_settings = define_settings,
};
