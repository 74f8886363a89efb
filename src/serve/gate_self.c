/*
 * gate_self.c
 *	  Stores our own metrics: every mytsdb.self_metrics_interval the gate makes a write
 *	  request of all figures, and hands it to the ingest workers like any other.
 *
 * It is written as the owner of mytsdb.metrics. What could not be written is not tried
 * again, as a scrape that failed is not; the log says why, once until it works again. On a
 * standby, which takes no writes, nothing is stored.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "gate.h"
#include "serve_settings.h"
#include "stats.h"
#include "tenant.h"

#define MS_PER_SEC 1000

static struct event *timer;
static bool waiting; /* the last request has not been answered */
static bool failing; /* the log has been told */

/* ---- what goes wrong ---- */

static void
report_failure(const char *why)
{
	if (!failing)
		ereport(LOG,
				(errmsg("mytsdb could not store its own metrics: %s", why),
				 errhint("They are tried again every mytsdb.self_metrics_interval.")));
	failing = true;
}

static void
report_success(void)
{
	if (failing)
		ereport(LOG, (errmsg("mytsdb stores its own metrics again")));
	failing = false;
}

static void
take_answer(const GateRequest *request, const GateReply *reply)
{
	waiting = false;
	if (reply->status / 100 == 2)
		report_success();
	else
		report_failure(psprintf("status %d: %s", reply->status,
								pnstrdup(reply->body.data, reply->body.len)));
}

/* ---- the request ---- */

/* Where a Prometheus would scrape us. */
static const char *
instance_name(void)
{
	static char name[300];
	char host[256] = "localhost";

	if (gethostname(host, sizeof(host)) == 0)
		host[sizeof(host) - 1] = '\0';
	snprintf(name, sizeof(name), "%s:%d", host,
			 serve_http_port > 0 ? serve_http_port : serve_otlp_http_port);
	return name;
}

/* The table and its owner; false when there is no such table. */
static bool
find_store(Oid *source, Oid *owner)
{
	HeapTuple tuple;

	*source = InvalidOid;
	*owner = InvalidOid;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	*source = tenant_find_metrics((TsString){"", 0});
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(*source));
	if (HeapTupleIsValid(tuple))
	{
		*owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return OidIsValid(*owner);
}

static TsString
text_of(const char *text)
{
	return (TsString){text, strlen(text)};
}

static void
send_figures(Oid source, Oid owner)
{
	TimestampTz now = GetCurrentTimestamp();
	GateRequest *request;
	size_t size;
	char *body = stats_message(instance_name(),
							   (int64) (stats_unix_time(now) * MS_PER_SEC), &size);

	request = gate_own_request(ROUTE_WRITE, SERVE_POST, take_answer);
	request->role = owner;
	request->source = source;
	request->content_type = text_of("application/x-protobuf");
	request->content_encoding = text_of("snappy");
	request->write_version = text_of("0.1.0");
	if (evbuffer_add(request->body, body, size) != 0)
	{
		gate_refuse(request, 503, "out of memory", 0);
		return;
	}
	waiting = true;
	gate_dispatch(request);
}

static void
store_figures(void *arg)
{
	const char *why;
	Oid source;
	Oid owner;

	if (RecoveryInProgress() || gate_stopping)
		return;
	if (waiting)
		report_failure("the last ones are not written yet");
	else if (!gate_extension_ready(&why))
		report_failure(why);
	else if (!find_store(&source, &owner))
		report_failure("there is no table mytsdb.metrics");
	else
		send_figures(source, owner);
}

/* ---- time ---- */

static int armed; /* the interval that the timer goes by */

static void
arm(void)
{
	struct timeval wait = gate_timeval(serve_self_interval);

	armed = serve_self_interval;
	if (serve_self_interval == 0)
		(void) event_del(timer);
	else if (event_add(timer, &wait) != 0)
		ereport(LOG, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	if (!gate_guard(store_figures, NULL))
	{
		/* the log has been told by that */
		failing = true;
		waiting = false;
	}
	arm();
}

void
gate_self_start(void)
{
	timer = event_new(gate_base, -1, 0, on_timer, NULL);
	if (timer == NULL)
		ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	arm();
}

void
gate_self_reload(void)
{
	/* What has not changed goes on: reloads that come often would put it off for ever. */
	if (armed != serve_self_interval)
		arm();
}
