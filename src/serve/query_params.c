/*
 * query_params.c
 *	  Parameters of the API's requests: those of the query string and of a form that was
 *	  sent, and the errors that Prometheus has for them.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "query.h"
#include "ts_report.h"

/* Text is decoded into no more bytes than came, and a pair has a few bytes beside. */
#define FORM_MEMORY(size) (4 * (size) + 2 * sizeof(FormPair) * FORM_MAX_PAIRS + 64 * 1024)

void
query_bad_parameter(const char *name, const char *why)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("invalid parameter \"%s\": %s", name, why)));
}

static void
check_form(TsErrorCode code, const TsError *err)
{
	if (code == TS_OK)
		return;
	if (code != TS_ERR_SYNTAX)
		ts_report_limit(err);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("error parsing form values: %s", err->message)));
}

void
query_read_form(ApiRequest *query)
{
	const ServeRequest *request = query->request;
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsArena *arena = palloc(sizeof(TsArena));
	TsError err;

	ts_arena_init(arena, &allocator, FORM_MEMORY(request->body.len + request->query.len));
	if (request->method == SERVE_POST && form_is_type(request->content_type))
		check_form(form_read(&query->form, request->body, arena, &err), &err);
	check_form(form_read(&query->form, request->query, arena, &err), &err);
}

TsString
query_text(const ApiRequest *query, const char *name)
{
	TsString value;

	form_value(&query->form, name, &value);
	return value;
}

TsString *
query_texts(const ApiRequest *query, const char *name, int *count)
{
	TsString *texts = palloc(sizeof(TsString) * Max(query->form.count, 1));
	size_t at = 0;

	*count = 0;
	while (form_next(&query->form, name, &at, &texts[*count]))
		(*count)++;
	return texts;
}

/* ---- times ---- */

/* A time that may be one of PARAM_TIME_MIN and PARAM_TIME_MAX. */
static TimestampTz
timestamp_of(int64 ms)
{
	const int64 epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
						(SECS_PER_DAY * INT64CONST(1000));

	if (ms < MIN_TIMESTAMP / 1000 + epoch)
		return DT_NOBEGIN;
	if (ms >= END_TIMESTAMP / 1000 + epoch)
		return DT_NOEND;
	return (ms - epoch) * 1000;
}

static TimestampTz
read_bound(TsString text, const char *name, const char *prefix)
{
	TsError err;
	int64 ms;

	if (param_time(text, &ms, &err) != TS_OK)
		query_bad_parameter(name, psprintf("%s%s", prefix, err.message));
	return timestamp_of(ms);
}

static TimestampTz
require_finite(TimestampTz time, const char *name)
{
	if (TIMESTAMP_NOT_FINITE(time))
		query_bad_parameter(name, "timestamp out of range");
	return time;
}

TimestampTz
query_time(const ApiRequest *query, const char *name)
{
	return require_finite(read_bound(query_text(query, name), name, ""), name);
}

TimestampTz
query_bound_or(const ApiRequest *query, const char *name, TimestampTz absent)
{
	TsString text = query_text(query, name);

	if (text.len == 0)
		return absent;
	return read_bound(text, name, psprintf("Invalid time value for '%s': ", name));
}

TimestampTz
query_time_or(const ApiRequest *query, const char *name, TimestampTz absent)
{
	return require_finite(query_bound_or(query, name, absent), name);
}

/* ---- durations and numbers ---- */

int64
query_duration(const ApiRequest *query, const char *name)
{
	TsError err;
	int64 us;

	if (param_duration(query_text(query, name), &us, &err) != TS_OK)
		query_bad_parameter(name, err.message);
	return us;
}

int
query_limit(const ApiRequest *query)
{
	TsString text = query_text(query, "limit");
	TsError err;
	int limit;

	if (text.len == 0)
		return 0;
	if (param_integer(text, &limit, &err) != TS_OK)
		query_bad_parameter("limit", err.message);
	if (limit < 0)
		query_bad_parameter("limit", "limit must be non-negative");
	return limit;
}

int
query_number_or(const ApiRequest *query, const char *name, int absent)
{
	TsString text = query_text(query, name);
	TsError err;
	int number;

	if (text.len == 0)
		return absent;
	if (param_integer(text, &number, &err) != TS_OK)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be a number", name)));
	return number;
}
