/*
 * time_bucket.c
 *	  time_bucket(): the start of the interval of a regular series of intervals that a
 *	  time lies in.
 *
 * Widths of days and shorter are fixed spans: a day has 24 hours. Widths of months count
 * months of the calendar from the origin on. Both are reckoned in UTC for timestamptz,
 * unless a time zone is given: then on that zone's clock.
 *
 * The origin is a start of such an interval: by default 2000-01-03, a Monday, so that
 * weeks begin on Mondays, and 2000-01-01 for months.
 */
#include "postgres.h"

#include "common/int.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(mytsdb_time_bucket);
PG_FUNCTION_INFO_V1(mytsdb_time_bucket_date);
PG_FUNCTION_INFO_V1(mytsdb_time_bucket_zone);

#define MONDAY      (2 * USECS_PER_DAY) /* 2000-01-03, from PostgreSQL's epoch */
#define MONTH_START INT64CONST(0)       /* 2000-01-01 */

static void
refuse_overflow(void)
{
	ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					errmsg("timestamp out of range")));
}

static int64
fixed_width(const Interval *width)
{
	int64 days;
	int64 span;

	if (pg_mul_s64_overflow(width->day, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(days, width->time, &span))
		ereport(ERROR, (errcode(ERRCODE_INTERVAL_FIELD_OVERFLOW),
						errmsg("interval out of range")));
	return span;
}

static void
check_width(const Interval *width)
{
	if (width->month != 0 && (width->day != 0 || width->time != 0))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a bucket's width cannot mix months with days or time")));
	if (width->month < 0 || (width->month == 0 && fixed_width(width) <= 0))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a bucket's width must be greater than zero")));
}

static Timestamp
fixed_bucket(Timestamp time, int64 width, Timestamp origin)
{
	int64 distance;
	int64 start;

	if (pg_sub_s64_overflow(time, origin, &distance))
		refuse_overflow();
	start = distance - distance % width;
	if (distance % width < 0 && pg_sub_s64_overflow(start, width, &start))
		refuse_overflow();
	if (pg_add_s64_overflow(start, origin, &start) || !IS_VALID_TIMESTAMP(start))
		refuse_overflow();
	return start;
}

static int64
months_of(Timestamp time)
{
	struct pg_tm tm;
	fsec_t fsec;

	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		refuse_overflow();
	return (int64) tm.tm_year * MONTHS_PER_YEAR + tm.tm_mon - 1;
}

/* The origin and `count` months. */
static Timestamp
add_months(Timestamp origin, int64 count)
{
	Interval interval = {.month = (int32) count};

	if (count != interval.month)
		refuse_overflow();
	return DatumGetTimestamp(DirectFunctionCall2(
		timestamp_pl_interval, TimestampGetDatum(origin), IntervalPGetDatum(&interval)));
}

/* The last of the starts (origin and a multiple of the width) that is not after time. */
static Timestamp
month_bucket(Timestamp time, int64 width, Timestamp origin)
{
	int64 distance = months_of(time) - months_of(origin);
	int64 steps = distance / width - (distance % width < 0);
	Timestamp start = add_months(origin, steps * width);

	/* the day of the month decides about the last step */
	if (start > time)
		start = add_months(origin, (steps - 1) * width);
	return start;
}

static Timestamp
bucket(const Interval *width, Timestamp time, bool has_origin, Timestamp origin)
{
	check_width(width);
	if (TIMESTAMP_NOT_FINITE(time))
		return time;
	if (has_origin && TIMESTAMP_NOT_FINITE(origin))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("a bucket's origin must be finite")));
	if (width->month != 0)
		return month_bucket(time, width->month, has_origin ? origin : MONTH_START);
	return fixed_bucket(time, fixed_width(width), has_origin ? origin : MONDAY);
}

/* (width, timestamptz or timestamp [, origin]) */
Datum
mytsdb_time_bucket(PG_FUNCTION_ARGS)
{
	bool has_origin = PG_NARGS() > 2;

	PG_RETURN_TIMESTAMP(bucket(PG_GETARG_INTERVAL_P(0), PG_GETARG_TIMESTAMP(1),
							   has_origin, has_origin ? PG_GETARG_TIMESTAMP(2) : 0));
}

static Timestamp
date_start(Datum date)
{
	return DatumGetTimestamp(DirectFunctionCall1(date_timestamp, date));
}

/* (width, date [, origin]) */
Datum
mytsdb_time_bucket_date(PG_FUNCTION_ARGS)
{
	const Interval *width = PG_GETARG_INTERVAL_P(0);
	bool has_origin = PG_NARGS() > 2;
	Timestamp start = bucket(width, date_start(PG_GETARG_DATUM(1)), has_origin,
							 has_origin ? date_start(PG_GETARG_DATUM(2)) : 0);

	PG_RETURN_DATUM(DirectFunctionCall1(timestamp_date, TimestampGetDatum(start)));
}

/* ---- time zones ---- */

/* More than clocks are ever put back or forward, and less than half a year. */
#define CLOCK_CHANGE (3 * USECS_PER_HOUR)

static Timestamp
clock_at(Datum zone, TimestampTz time)
{
	return DatumGetTimestamp(
		DirectFunctionCall2(timestamptz_zone, zone, TimestampTzGetDatum(time)));
}

static int64
offset_at(Datum zone, TimestampTz time)
{
	return clock_at(zone, time) - time;
}

/* The moment between the two when the clock was changed. */
static TimestampTz
clock_change(Datum zone, TimestampTz before, TimestampTz after)
{
	int64 offset = offset_at(zone, after);

	while (after - before > 1)
	{
		TimestampTz middle = before + (after - before) / 2;

		if (offset_at(zone, middle) == offset)
			after = middle;
		else
			before = middle;
	}
	return after;
}

/* When the clock showed what it shows at `time` for the first time. */
static TimestampTz
first_reading(Datum zone, TimestampTz time)
{
	TimestampTz before = time - CLOCK_CHANGE;
	TimestampTz first;

	if (!IS_VALID_TIMESTAMP(before))
		return time;
	first = clock_at(zone, time) - offset_at(zone, before);
	return first < time && clock_at(zone, first) == clock_at(zone, time) ? first : time;
}

/*
 * The moment when the zone's clock shows `start`, where the bucket of `time` begins.
 *
 * When clocks are put back, they show it twice. Buckets that are no longer than what is
 * shown twice are there twice, too, and end when the clock is changed; a longer one
 * begins at the first time and lasts as much longer. A bucket whose start the clock
 * leaves out begins when it does that. So buckets follow one another in time, but for
 * those whose end alone is shown twice: no width that divides a day has such.
 */
static TimestampTz
start_in_zone(Datum zone, Timestamp start, TimestampTz time, const Interval *width)
{
	TimestampTz last = DatumGetTimestampTz(
		DirectFunctionCall2(timestamp_zone, zone, TimestampGetDatum(start)));
	TimestampTz first;
	int64 repeated;

	if (!IS_VALID_TIMESTAMP(last - CLOCK_CHANGE))
		return last;
	if (clock_at(zone, last) != start)
		return clock_change(zone, last - CLOCK_CHANGE, last);
	first = first_reading(zone, last);
	if (width->month != 0)
		return first;
	if (first < last)
		return fixed_width(width) <= last - first && last <= time ? last : first;

	repeated = time - first_reading(zone, time);
	if (repeated > 0 && fixed_width(width) <= repeated)
		return clock_change(zone, time - repeated, time);
	return first;
}

/* (width, timestamptz, zone [, origin timestamptz]) */
Datum
mytsdb_time_bucket_zone(PG_FUNCTION_ARGS)
{
	const Interval *width = PG_GETARG_INTERVAL_P(0);
	TimestampTz time = PG_GETARG_TIMESTAMPTZ(1);
	Datum zone = PG_GETARG_DATUM(2);
	bool has_origin = PG_NARGS() > 3;
	Timestamp origin = has_origin ? clock_at(zone, PG_GETARG_TIMESTAMPTZ(3)) : 0;
	Timestamp start;

	if (TIMESTAMP_NOT_FINITE(time))
		PG_RETURN_TIMESTAMPTZ(time);
	start = bucket(width, clock_at(zone, time), has_origin, origin);
	PG_RETURN_TIMESTAMPTZ(start_in_zone(zone, start, time, width));
}
