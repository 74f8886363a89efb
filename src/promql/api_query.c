/*
 * api_query.c
 *	  The API's queries as SQL functions: /api/v1/query, query_range, format_query and
 *	  parse_query.
 *
 * Times are whole milliseconds there, so what SQL gives is rounded down to these.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "api.h"
#include "promql_sql.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_api_query);
PG_FUNCTION_INFO_V1(mytsdb_api_query_range);
PG_FUNCTION_INFO_V1(mytsdb_api_format_query);
PG_FUNCTION_INFO_V1(mytsdb_api_parse_query);

typedef struct Seconds
{
	double prepared;
	double evaluated;
} Seconds;

/* ---- results ---- */

static void
write_point(ApiOut *out, const PqResult *result, uint32 i)
{
	if (result->histograms == NULL || result->histograms[i] == NULL)
	{
		api_point(out, result->times[i], result->values[i]);
		return;
	}
	api_text(out, "[");
	api_time(out, result->times[i]);
	api_text(out, ",");
	api_histogram(out, result->histograms[i]);
	api_text(out, "]");
}

static void
write_sample(ApiOut *out, const PqResult *result)
{
	bool histogram = result->histograms != NULL && result->histograms[0] != NULL;

	Assert(result->n == 1);
	api_text(out, "{\"metric\":");
	api_labels(out, result->labels);
	api_text(out, histogram ? ",\"histogram\":" : ",\"value\":");
	write_point(out, result, 0);
	api_text(out, "}");
}

/* Writes the points of one kind, if there are any. */
static void
write_points(ApiOut *out, const PqResult *result, const char *name, bool histograms)
{
	bool any = false;

	for (uint32 i = 0; i < result->n; i++)
	{
		if ((result->histograms != NULL && result->histograms[i] != NULL) != histograms)
			continue;
		if (any)
			api_text(out, ",");
		else
			api_text(out, psprintf(",\"%s\":[", name));
		any = true;
		write_point(out, result, i);
	}
	if (any)
		api_text(out, "]");
}

static void
write_series(ApiOut *out, const PqResult *result)
{
	api_text(out, "{\"metric\":");
	api_labels(out, result->labels);
	write_points(out, result, "values", false);
	if (result->histograms != NULL)
		write_points(out, result, "histograms", true);
	api_text(out, "}");
}

/* Returns whether there were more than `limit` (0: no limit). */
static bool
write_vector(ApiOut *out, PqQuery *query, bool series, int limit)
{
	PqResult result;
	bool truncated = false;
	int n = 0;

	api_text(out, "[");
	while (pq_next_result(query, series, &result))
	{
		CHECK_FOR_INTERRUPTS();
		truncated = limit > 0 && n == limit;
		if (truncated)
			break;
		if (n++ > 0)
			api_text(out, ",");
		if (series)
			write_series(out, &result);
		else
			write_sample(out, &result);
	}
	api_text(out, "]");
	return truncated;
}

static void
write_scalar(ApiOut *out, PqQuery *query)
{
	PqResult result;
	char value[PROMQL_FLOAT_SIZE];

	if (!pq_next_result(query, false, &result))
		elog(ERROR, "a scalar has no value");
	promql_write_float(result.values[0], value);
	api_text(out, "[");
	api_time(out, result.times[0]);
	api_text(out, ",\"");
	api_text(out, value);
	api_text(out, "\"]");
}

static void
write_string(ApiOut *out, const PqQuery *query, const PqRequest *request)
{
	TsString string = pq_result_string(query);

	api_text(out, "[");
	api_time(out, request->start);
	api_text(out, ",");
	api_string(out, string.data, string.len);
	api_text(out, "]");
}

/* What there is instead of a result of this type, in a range query. */
static PqType
type_of_answer(const PqQuery *query, const PqRequest *request)
{
	return request->instant ? pq_result_type(query) : PQ_TYPE_MATRIX;
}

static bool
write_result(ApiOut *out, PqQuery *query, const PqRequest *request, int limit)
{
	static const char *const names[] = {[PQ_TYPE_SCALAR] = "scalar",
										[PQ_TYPE_VECTOR] = "vector",
										[PQ_TYPE_MATRIX] = "matrix",
										[PQ_TYPE_STRING] = "string"};
	PqType type = type_of_answer(query, request);

	api_text(out, psprintf("{\"resultType\":\"%s\",\"result\":", names[type]));
	switch (type)
	{
		case PQ_TYPE_SCALAR:
			write_scalar(out, query);
			return false;
		case PQ_TYPE_STRING:
			write_string(out, query, request);
			return false;
		default:
			return write_vector(out, query, type == PQ_TYPE_MATRIX, limit);
	}
}

/* ---- statistics ---- */

static void
write_stats(ApiOut *out, const PqTotals *totals, const Seconds *seconds)
{
	api_text(out, psprintf(",\"stats\":{\"timings\":{\"evalTotalTime\":%.9f,"
						   "\"resultSortTime\":0,\"queryPreparationTime\":%.9f,"
						   "\"innerEvalTime\":%.9f,\"execQueueTime\":0,"
						   "\"execTotalTime\":%.9f},",
						   seconds->evaluated, seconds->prepared, totals->seconds,
						   seconds->prepared + seconds->evaluated));
	api_text(out, psprintf("\"samples\":{\"totalQueryableSamples\":" UINT64_FORMAT
						   ",\"peakSamples\":" INT64_FORMAT "}}",
						   totals->samples, totals->peak_samples));
}

static double
seconds_since(instr_time start)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_DOUBLE(now);
}

/* ---- documents ---- */

/* Adds the warning of a limit to the query's. */
static void
finish(ApiOut *out, const PqQuery *query, bool truncated)
{
	const char *const *warnings;
	const char *const *infos;
	int nwarnings = pq_warnings(query, &warnings);
	int ninfos = pq_infos(query, &infos);
	const char **all = palloc(sizeof(char *) * (nwarnings + 1));

	memcpy(all, warnings, sizeof(char *) * nwarnings);
	if (truncated)
		all[nwarnings++] = API_TRUNCATED;
	api_finish(out, all, nwarnings, infos, ninfos);
}

uint64
api_query(ApiOut *out, const PqRequest *request, int limit, bool stats)
{
	PqQuery *query;
	PqTotals totals;
	Seconds seconds;
	instr_time start;
	bool truncated;

	Assert(request->analyze || !stats);
	api_check_limit(limit);
	INSTR_TIME_SET_CURRENT(start);
	query = pq_prepare(request, GetActiveSnapshot(), CurrentMemoryContext);
	seconds.prepared = seconds_since(start);
	api_begin(out);
	INSTR_TIME_SET_CURRENT(start);
	truncated = write_result(out, query, request, limit);
	seconds.evaluated = seconds_since(start);
	pq_totals(query, &totals);
	if (stats)
		write_stats(out, &totals, &seconds);
	api_text(out, "}");
	finish(out, query, truncated);
	pq_end(query);
	return totals.samples;
}

/* ---- arguments ---- */

static int64
whole_ms(int64 time)
{
	int64 rest = time % 1000;

	return time - rest - (rest < 0 ? 1000 : 0);
}

/* The arguments behind source: lookback_delta, limit, stats. */
static Datum
answer_with_options(FunctionCallInfo fcinfo, PqRequest *request, int first)
{
	bool stats = false;
	ApiOut out;

	request->start = whole_ms(request->start);
	request->end = whole_ms(request->end);
	if (!PG_ARGISNULL(first))
		request->lookback = pq_interval(PG_GETARG_INTERVAL_P(first), "lookback_delta");
	if (request->lookback < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("lookback_delta must not be negative")));
	if (!PG_ARGISNULL(first + 2))
		stats = VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(first + 2)) > 0;
	request->analyze = stats;
	api_keep(&out);
	api_query(&out, request, PG_ARGISNULL(first + 1) ? 0 : PG_GETARG_INT32(first + 1),
			  stats);
	return api_kept(&out);
}

/* mytsdb.query(query, "time", source, lookback_delta, "limit", stats) */
Datum
mytsdb_api_query(PG_FUNCTION_ARGS)
{
	PqRequest request;

	api_require(fcinfo, 0, "query");
	api_require(fcinfo, 1, "time");
	api_require(fcinfo, 2, "source");
	pq_instant_request(&request, PG_GETARG_TEXT_PP(0), PG_GETARG_TIMESTAMPTZ(1),
					   PG_GETARG_OID(2));
	return answer_with_options(fcinfo, &request, 3);
}

/* mytsdb.query_range(query, start, "end", step, source, lookback_delta, "limit", stats) */
Datum
mytsdb_api_query_range(PG_FUNCTION_ARGS)
{
	PqRequest request;

	api_require(fcinfo, 0, "query");
	api_require(fcinfo, 1, "start");
	api_require(fcinfo, 2, "end");
	api_require(fcinfo, 3, "step");
	api_require(fcinfo, 4, "source");
	pq_range_request(&request, PG_GETARG_TEXT_PP(0), PG_GETARG_TIMESTAMPTZ(1),
					 PG_GETARG_TIMESTAMPTZ(2), PG_GETARG_INTERVAL_P(3), PG_GETARG_OID(4));
	if ((request.end - request.start) / request.step > API_MAX_POINTS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("exceeded maximum resolution of 11,000 points per "
							   "timeseries"),
						errhint("Try decreasing the query resolution: a longer step.")));
	return answer_with_options(fcinfo, &request, 5);
}

/* ---- expressions ---- */

typedef char *(*Printer)(const PqNode *node, TsArena *arena);

static char *
print_pretty(const PqNode *node, TsArena *arena)
{
	return promql_print(node, true, arena);
}

/* A document of what a printer makes of an expression: a string, or JSON. */
static void
print_query(ApiOut *out, TsString query, Printer print, bool string)
{
	TsArena arena;
	TsError err;
	char *printed;

	printed = print(api_parse(query, &arena), &arena);
	if (printed == NULL)
	{
		ts_error_set(&err, TS_ERR_LIMIT, -1, "the expression is too large to be shown");
		ts_report_limit(&err);
	}
	api_begin(out);
	if (string)
		api_string(out, printed, strlen(printed));
	else
		api_bytes(out, printed, strlen(printed));
	ts_arena_free(&arena);
	api_finish(out, NULL, 0, NULL, 0);
}

void
api_format_query(ApiOut *out, TsString query)
{
	print_query(out, query, print_pretty, true);
}

void
api_parse_query(ApiOut *out, TsString query)
{
	print_query(out, query, promql_print_json, false);
}

/* mytsdb.format_query(query) */
Datum
mytsdb_api_format_query(PG_FUNCTION_ARGS)
{
	ApiOut out;

	api_keep(&out);
	api_format_query(&out, api_text_arg(fcinfo, 0));
	return api_kept(&out);
}

/* mytsdb.parse_query(query) */
Datum
mytsdb_api_parse_query(PG_FUNCTION_ARGS)
{
	ApiOut out;

	api_keep(&out);
	api_parse_query(&out, api_text_arg(fcinfo, 0));
	return api_kept(&out);
}
