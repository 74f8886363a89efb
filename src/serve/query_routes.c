/*
 * query_routes.c
 *	  The query API of Prometheus over HTTP: what each route answers.
 *
 * A route reads its parameters, in the order in which Prometheus finds fault with them, and
 * has the document written into the reply. Documents are those of the SQL functions.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "query.h"
#include "remote_write.h"
#include "serve_stats.h"
#include "ts_report.h"

/* ---- documents ---- */

/* A document that is the same for everybody. */
static void
write_fixed(const ApiRequest *query, const char *data)
{
	reply_text(query->reply, "{\"status\":\"success\",\"data\":");
	reply_text(query->reply, data);
	reply_text(query->reply, "}");
}

/* Says of an error of what a parameter's value means which parameter it is. */
static void
about_parameter(ApiRequest *query, void (*write)(ApiRequest *query), const char *name)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		write(query);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		if (error->sqlerrcode == ERRCODE_SYNTAX_ERROR ||
			error->sqlerrcode == ERRCODE_INVALID_PARAMETER_VALUE)
			error->message = psprintf("invalid parameter \"%s\": %s", name,
									  error->message);
		ReThrowError(error);
	}
	PG_END_TRY();
}

/*
 * The table of that name beside the source, as remote write and mytsdb.create_tenant() have
 * them: invalid if there is none.
 */
static Oid
table_beside(const ApiRequest *query, const char *name)
{
	Oid schema = get_rel_namespace(query->request->source);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

static TimestampTz
whole_ms(TimestampTz time)
{
	return time - (time % 1000 + 1000) % 1000;
}

/* ---- queries ---- */

/* What both kinds of queries have. */
static void
read_options(ApiRequest *query)
{
	PqRequest *what = &query->what;
	TsString text = query_text(query, "query");
	TsString lookback = query_text(query, "lookback_delta");
	TsError err;

	if (query_text(query, "timeout").len > 0)
	{
		int64 us = query_duration(query, "timeout");

		serve_set_timeout((int) Min(Max(us / 1000, 1), PG_INT32_MAX));
	}
	if (lookback.len > 0)
	{
		if (param_duration(lookback, &what->lookback, &err) != TS_OK)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("error parsing lookback delta duration: %s", err.message)));
		what->lookback = Max(what->lookback / 1000 * 1000, 0);
	}
	what->text = text.data;
	what->len = text.len;
	what->source = query->request->source;
	what->analyze = query_text(query, "stats").len > 0;
}

static void
write_query(ApiRequest *query)
{
	uint64 samples = api_query(&query->out, &query->what, query->limit,
							   query->what.analyze);

	serve_count(STAT_QUERY_SAMPLES, (int64) samples);
}

static void
answer_query(ApiRequest *query)
{
	query->limit = query_limit(query);
	query->what.instant = true;
	query->what.start = query_time_or(query, "time", whole_ms(query->request->received));
	query->what.end = query->what.start;
	read_options(query);
	about_parameter(query, write_query, "query");
}

static void
answer_query_range(ApiRequest *query)
{
	PqRequest *what = &query->what;

	query->limit = query_limit(query);
	what->start = query_time(query, "start");
	what->end = query_time(query, "end");
	if (what->end < what->start)
		query_bad_parameter("end", "end timestamp must not be before start time");
	what->step = query_duration(query, "step") / 1000 * 1000;
	if (what->step <= 0)
		query_bad_parameter("step", "zero or negative query resolution step widths are "
									"not accepted. Try a positive integer");
	if ((what->end - what->start) / what->step > API_MAX_POINTS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("exceeded maximum resolution of 11,000 points per "
							   "timeseries. Try decreasing the query resolution "
							   "(?step=XX)")));
	read_options(query);
	about_parameter(query, write_query, "query");
}

static void
answer_query_exemplars(ApiRequest *query)
{
	TimestampTz start = query_bound_or(query, "start", DT_NOBEGIN);
	TimestampTz end = query_bound_or(query, "end", DT_NOEND);
	Oid exemplars = table_beside(query, "exemplars");

	if (OidIsValid(exemplars) && write_is_exemplars(exemplars))
		api_exemplars(&query->out, query_text(query, "query"), start, end, exemplars);
	else
		write_fixed(query, "[]");
}

static void
write_format_query(ApiRequest *query)
{
	api_format_query(&query->out, query_text(query, "query"));
}

static void
answer_format_query(ApiRequest *query)
{
	about_parameter(query, write_format_query, "query");
}

static void
write_parse_query(ApiRequest *query)
{
	api_parse_query(&query->out, query_text(query, "query"));
}

static void
answer_parse_query(ApiRequest *query)
{
	about_parameter(query, write_parse_query, "query");
}

/* ---- series ---- */

static void
read_select(ApiRequest *query)
{
	ApiSelect *select = &query->select;

	select->limit = query_limit(query);
	select->start = query_bound_or(query, "start", DT_NOBEGIN);
	select->end = query_bound_or(query, "end", DT_NOEND);
	select->matches = query_texts(query, "match[]", &select->nmatches);
	select->source = query->request->source;
}

/* A range that ends before it begins has nothing, and Prometheus has no other word for it. */
static bool
is_empty_range(ApiRequest *query)
{
	if (query->select.end >= query->select.start)
		return false;
	write_fixed(query, "[]");
	return true;
}

static void
write_series(ApiRequest *query)
{
	api_series(&query->out, &query->select);
}

static void
answer_series(ApiRequest *query)
{
	int count;

	query_texts(query, "match[]", &count);
	if (count == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("no match[] parameter provided")));
	read_select(query);
	if (!is_empty_range(query))
		about_parameter(query, write_series, "match[]");
}

static void
answer_labels(ApiRequest *query)
{
	read_select(query);
	if (!is_empty_range(query))
		api_label_names(&query->out, &query->select);
}

static void
answer_label_values(ApiRequest *query)
{
	read_select(query);
	if (!is_empty_range(query))
		api_label_values(&query->out, query->request->argument, &query->select);
}

static void
answer_metadata(ApiRequest *query)
{
	TsString metric = query_text(query, "metric");
	ApiMetadata what = {
		.limit = query_number_or(query, "limit", -1),
		.limit_per_metric = query_number_or(query, "limit_per_metric", -1),
		.source = table_beside(query, "metadata")};

	if (metric.len > 0)
		what.metric = pnstrdup(metric.data, metric.len);
	if (OidIsValid(what.source) && write_is_metadata(what.source))
		api_metadata(&query->out, &what);
	else
		write_fixed(query, "{}");
}

static void
answer_tsdb(ApiRequest *query)
{
	TsString text = query_text(query, "limit");
	int limit = 10;
	TsError err;

	if (text.len > 0 && (param_integer(text, &limit, &err) != TS_OK || limit < 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("limit must be a positive number")));
	api_tsdb_status(&query->out, query->request->source, limit);
}

/* ---- the server ---- */

static void
answer_build_info(ApiRequest *query)
{
	query_build_info(&query->out);
}

static void
answer_runtime_info(ApiRequest *query)
{
	query_runtime_info(&query->out, query->request->source);
}

static void
answer_flags(ApiRequest *query)
{
	query_flags(&query->out);
}

/* ---- what we have none of ---- */

static void
answer_rules(ApiRequest *query)
{
	TsString type = query_text(query, "type");
	TsString exclude = query_text(query, "exclude_alerts");
	bool excluded;
	TsError err;

	if (type.len > 0 && pg_strncasecmp(type.data, "alert", Max(type.len, 5)) != 0 &&
		pg_strncasecmp(type.data, "record", Max(type.len, 6)) != 0)
		query_bad_parameter("type", psprintf("not supported value \"%s\"",
											 ts_shown_text(type.data, type.len)));
	if (exclude.len > 0 && param_boolean(exclude, &excluded, &err) != TS_OK)
		query_bad_parameter("exclude_alerts",
							psprintf("error converting exclude_alerts: %s", err.message));
	write_fixed(query, "{\"groups\":[]}");
}

static void
answer_targets_metadata(ApiRequest *query)
{
	query_number_or(query, "limit", -1);
	write_fixed(query, "[]");
}

static void
refuse_admin(ApiRequest *query)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("admin APIs disabled"),
					errhint("Use PostgreSQL's own means: the option mytsdb.retention, "
							"TRUNCATE, pg_basebackup.")));
}

/* ---- all routes ---- */

/* What answers a route: a function, or data that are the same for everybody. */
typedef struct Answer
{
	void (*write)(ApiRequest *query);
	const char *data;
} Answer;

static const Answer answers[SERVE_ROUTES] = {
	[ROUTE_QUERY] = {answer_query, NULL},
	[ROUTE_QUERY_RANGE] = {answer_query_range, NULL},
	[ROUTE_QUERY_EXEMPLARS] = {answer_query_exemplars, NULL},
	[ROUTE_FORMAT_QUERY] = {answer_format_query, NULL},
	[ROUTE_PARSE_QUERY] = {answer_parse_query, NULL},
	[ROUTE_SERIES] = {answer_series, NULL},
	[ROUTE_LABELS] = {answer_labels, NULL},
	[ROUTE_LABEL_VALUES] = {answer_label_values, NULL},
	[ROUTE_METADATA] = {answer_metadata, NULL},
	[ROUTE_TARGETS] = {NULL, "{\"activeTargets\":[],\"droppedTargets\":[],"
							 "\"droppedTargetCounts\":{}}"},
	[ROUTE_TARGETS_METADATA] = {answer_targets_metadata, NULL},
	[ROUTE_RULES] = {answer_rules, NULL},
	[ROUTE_ALERTS] = {NULL, "{\"alerts\":[]}"},
	[ROUTE_ALERTMANAGERS] = {NULL, "{\"activeAlertmanagers\":[],"
								   "\"droppedAlertmanagers\":[]}"},
	[ROUTE_STATUS_BUILDINFO] = {answer_build_info, NULL},
	[ROUTE_STATUS_RUNTIMEINFO] = {answer_runtime_info, NULL},
	[ROUTE_STATUS_FLAGS] = {answer_flags, NULL},
	[ROUTE_STATUS_CONFIG] = {NULL, "{\"yaml\":\"global: {}\\n\"}"},
	[ROUTE_STATUS_TSDB] = {answer_tsdb, NULL},
	[ROUTE_STATUS_WALREPLAY] = {NULL, "{\"min\":0,\"max\":0,\"current\":0}"},
	[ROUTE_ADMIN_TSDB] = {refuse_admin, NULL},
};

void
serve_query(const ServeRequest *request, ServeReply *reply)
{
	ApiRequest query = {.request = request, .reply = reply};
	const Answer *answer = &answers[request->route];

	Assert(serve_routes[request->route].who == SERVE_BY_QUERY);
	query_read_form(&query);
	query_begin_document(&query.out, reply, 200);
	if (answer->write != NULL)
		answer->write(&query);
	else if (answer->data != NULL)
		write_fixed(&query, answer->data);
	else
		elog(ERROR, "route %d is not one of the query API", request->route);
}
