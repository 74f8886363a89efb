/*
 * call_calendar.c
 *	  year(), month(), hour() and the like: parts of a time in UTC.
 *
 * Values are seconds since 1970, cut off to whole ones. Go, whose results these are, counts
 * seconds from 1 March of a year divisible by 400 in unsigned 64 bits, so that every value
 * has a date; what is not in the range of int64, and NaN, is the least int64.
 */
#include "postgres.h"

#include "call.h"

#define FIRST_YEAR        INT64CONST(-292277022400)
#define UNIX_EPOCH_AT     UINT64CONST(9223372028741760000) /* 1970 in seconds from there */
#define DAYS_PER_ERA      146097                           /* 400 years */
#define MARCH_FIRST       59                               /* days before it, not leap */
#define MARCH_TO_NEW_YEAR 306

typedef struct CalendarDate
{
	int64 year;
	int month;
	int day;
	int day_of_year;
	int day_of_week;
	int hour;
	int minute;
} CalendarDate;

static bool
is_leap(int64 year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int
days_in_month(const CalendarDate *date)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[date->month - 1] + (date->month == 2 && is_leap(date->year));
}

static CalendarDate
date_of(int64 seconds)
{
	uint64 from_start = (uint64) seconds + UNIX_EPOCH_AT;
	uint64 days = from_start / SECS_PER_DAY;
	int of_day = (int) (from_start % SECS_PER_DAY);
	int in_era = (int) (days % DAYS_PER_ERA);
	int year = (in_era - in_era / 1460 + in_era / 36524 - in_era / (DAYS_PER_ERA - 1)) /
			   365;
	int of_year = in_era - (365 * year + year / 4 - year / 100); /* from 1 March on */
	int month = (5 * of_year + 2) / 153;                         /* 0: March */
	CalendarDate date;

	date.day = of_year - (153 * month + 2) / 5 + 1;
	date.month = month < 10 ? month + 3 : month - 9;
	date.year = FIRST_YEAR + (int64) (days / DAYS_PER_ERA) * 400 + year + (month >= 10);
	date.day_of_year = month >= 10 ? of_year - MARCH_TO_NEW_YEAR + 1
								   : of_year + MARCH_FIRST + is_leap(date.year) + 1;
	date.day_of_week = (int) ((days + 3) % 7); /* it began on a Wednesday */
	date.hour = of_day / SECS_PER_HOUR;
	date.minute = of_day % SECS_PER_HOUR / SECS_PER_MINUTE;
	return date;
}

static double
part_of(PqFunctionId id, int64 seconds)
{
	CalendarDate date = date_of(seconds);

	switch (id)
	{
		case PQ_FN_DAY_OF_MONTH:
			return date.day;
		case PQ_FN_DAY_OF_WEEK:
			return date.day_of_week;
		case PQ_FN_DAY_OF_YEAR:
			return date.day_of_year;
		case PQ_FN_DAYS_IN_MONTH:
			return days_in_month(&date);
		case PQ_FN_HOUR:
			return date.hour;
		case PQ_FN_MINUTE:
			return date.minute;
		case PQ_FN_MONTH:
			return date.month;
		default:
			Assert(id == PQ_FN_YEAR);
			return (double) date.year;
	}
}

static int64
whole_seconds(double value)
{
	if (value >= -0x1p63 && value < 0x1p63)
		return (int64) value;
	return PG_INT64_MIN;
}

static void
calendar_open(PqOperator *op)
{
	if (op->nchildren == 0)
	{
		call_one_series(op);
		return;
	}
	pq_open(op->children[0]);
	call_drop_names(op, op->children[0]);
}

static void
calendar_next(PqOperator *op, PqVector *out)
{
	PqFunctionId id = call_id(op->node);
	uint32 n = op->steps.n;

	if (op->nchildren == 0)
	{
		pq_vector_init(op, out, n);
		call_set_all(out->present, n);
		for (uint32 i = 0; i < n; i++)
			out->values[i] = part_of(id, pq_unix_seconds(pq_step_time(&op->steps, i)));
		return;
	}
	pq_next(op->children[0], out);
	call_drop_histograms(out, n);
	for (uint32 i = 0; i < n; i++)
	{
		if (pq_has(out, i))
			out->values[i] = part_of(id, whole_seconds(out->values[i]));
	}
}

static const PqMethods calendar_methods = {
	.name = "Function",
	.open = calendar_open,
	.next = calendar_next,
	.explain = call_explain,
};

PqOperator *
call_plan_calendar(PqExec *exec, const PqNode *node, const PqSteps *steps,
				   const PqNeeds *needs)
{
	PqOperator *op = pq_operator(exec, sizeof(PqOperator), &calendar_methods, node, steps,
								 node->u.call.nargs);

	if (op->nchildren == 0)
		return op;
	op->children[0] = pq_plan(exec, node->u.call.args[0], steps, needs);
	return call_dropping_names(exec, op);
}
