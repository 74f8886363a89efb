/*
 * request.c
 *	  Arguments of SQL as a request for a query.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"

#include "promql_sql.h"
#include "ts_report.h"

int64
pq_interval(const Interval *interval, const char *what)
{
	int64 result;

	if (interval->month != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must not have months or years", what),
						errdetail("Their length is not fixed."),
						errhint("Write it in days or smaller units.")));
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &result) ||
		pg_add_s64_overflow(result, interval->time, &result))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s is out of range", what)));
	if (result % 1000 != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be whole milliseconds", what)));
	return result;
}

static TimestampTz
require_finite(TimestampTz time, const char *what)
{
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be finite", what)));
	return time;
}

void
pq_instant_request(PqRequest *request, const text *query, TimestampTz at, Oid source)
{
	memset(request, 0, sizeof(*request));
	request->text = VARDATA_ANY(query);
	request->len = VARSIZE_ANY_EXHDR(query);
	request->source = source;
	request->instant = true;
	request->start = request->end = require_finite(at, "evaluation time");
}

void
pq_range_request(PqRequest *request, const text *query, TimestampTz start,
				 TimestampTz end, const Interval *step, Oid source)
{
	pq_instant_request(request, query, require_finite(start, "start time"), source);
	request->instant = false;
	request->end = require_finite(end, "end time");
	if (end < start)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("end timestamp must not be before start time")));
	request->step = pq_interval(step, "step");
	if (request->step <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("zero or negative query resolution step widths are not "
							   "accepted"),
						errhint("Try a positive interval.")));
}

PqNode *
pq_parse(const char *query, Size len, TsArena *arena)
{
	PqParseOptions options = pq_parse_options();
	PqNode *root;
	TsError err;

	if (promql_parse(query, len, &options, arena, &root, &err) != TS_OK)
	{
		if (err.code == TS_ERR_LIMIT || err.code == TS_ERR_MEMORY)
			ts_report_limit(&err);
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%d:%d: parse error: %s", err.line, err.column, err.message)));
	}
	return root;
}

int64
pq_engine_time_from(const TsTable *table, TimestampTz time)
{
	if (table->time_type != DATEOID || TIMESTAMP_NOT_FINITE(time))
		return time;
	return time / USECS_PER_DAY + (time % USECS_PER_DAY > 0);
}

int64
pq_engine_time_to(const TsTable *table, TimestampTz time)
{
	if (table->time_type != DATEOID || TIMESTAMP_NOT_FINITE(time))
		return time;
	return time / USECS_PER_DAY - (time % USECS_PER_DAY < 0);
}
