/*
 * param.c
 *	  What the values of parameters mean: times, durations, numbers.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "form.h"
#include "promql_ast.h"

#define MAX_NUMBER_SIZE 400 /* longer texts are no sensible numbers */
#define SHOWN           64  /* bytes of a text in a message */

/* The extremes that clients written in Go have. */
#define GO_MIN_TIME "-292273086-05-16T16:47:06Z"
#define GO_MAX_TIME "292277025-08-18T07:12:54.999999999Z"

static TsErrorCode
refuse(TsString text, const char *what, TsError *err)
{
	size_t len = text.len < SHOWN ? text.len : SHOWN;

	len = ts_utf8_valid_prefix(text.data, len);
	return ts_error_set(err, TS_ERR_INVALID, -1, "cannot parse \"%.*s%s\" to a valid %s",
						(int) len, text.data, len < text.len ? "..." : "", what);
}

/* ---- numbers ---- */

/* Reads a finite number, with a sign or an exponent, and nothing beside it. */
static bool
read_float(TsString text, double *value)
{
	char copy[MAX_NUMBER_SIZE];
	char *end;

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	for (size_t i = 0; i < text.len; i++)
	{
		/* strtod() also takes spaces and words */
		if (text.data[i] == '\0' || strchr("0123456789+-.eE", text.data[i]) == NULL)
			return false;
	}
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*value = strtod(copy, &end);
	return *end == '\0' && isfinite(*value);
}

TsErrorCode
param_integer(TsString text, int *number, TsError *err)
{
	size_t at = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
	bool negative = at > 0 && text.data[0] == '-';
	int64_t value = 0;
	size_t len = ts_utf8_valid_prefix(text.data, text.len < SHOWN ? text.len : SHOWN);

	if (at == text.len)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"strconv.Atoi: parsing \"%.*s\": invalid syntax", (int) len,
							text.data);
	for (; at < text.len; at++)
	{
		if (text.data[at] < '0' || text.data[at] > '9')
			return ts_error_set(err, TS_ERR_INVALID, -1,
								"strconv.Atoi: parsing \"%.*s\": invalid syntax",
								(int) len, text.data);
		if (value <= INT32_MAX)
			value = value * 10 + (text.data[at] - '0');
	}
	if (value > INT32_MAX)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"strconv.Atoi: parsing \"%.*s\": value out of range",
							(int) len, text.data);
	*number = (int) (negative ? -value : value);
	return TS_OK;
}

TsErrorCode
param_boolean(TsString text, bool *value, TsError *err)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
	size_t len = ts_utf8_valid_prefix(text.data, text.len < SHOWN ? text.len : SHOWN);

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
	{
		if (ts_string_is(text, yes[i]) || ts_string_is(text, no[i]))
		{
			*value = ts_string_is(text, yes[i]);
			return TS_OK;
		}
	}
	return ts_error_set(err, TS_ERR_INVALID, -1,
						"strconv.ParseBool: parsing \"%.*s\": invalid syntax", (int) len,
						text.data);
}

/* ---- durations ---- */

TsErrorCode
param_duration(TsString text, int64_t *us, TsError *err)
{
	double seconds;
	int64_t ms;

	if (read_float(text, &seconds))
	{
		/* as many nanoseconds as an int64 can count */
		if (fabs(seconds) * 1e9 >= 9223372036854775808.0)
			return refuse(text, "duration. It overflows int64", err);
		*us = (int64_t) (seconds * 1e6);
		return TS_OK;
	}
	if (!promql_read_duration(text.data, text.len, &ms))
		return refuse(text, "duration", err);
	*us = ms * 1000;
	return TS_OK;
}

/* ---- times ---- */

/* Reads so many digits; false when they are others. */
static bool
take_digits(TsString *text, int count, int *value)
{
	*value = 0;
	if (text->len < (size_t) count)
		return false;
	for (int i = 0; i < count; i++)
	{
		char c = text->data[i];

		if (c < '0' || c > '9')
			return false;
		*value = *value * 10 + (c - '0');
	}
	text->data += count;
	text->len -= (size_t) count;
	return true;
}

static bool
take_char(TsString *text, char c)
{
	if (text->len == 0 || text->data[0] != c)
		return false;
	text->data++;
	text->len--;
	return true;
}

/* Behind a point: digits, of which the first three count. */
static bool
take_milliseconds(TsString *text, int *ms)
{
	int digits = 0;

	*ms = 0;
	for (; text->len > 0 && text->data[0] >= '0' && text->data[0] <= '9'; digits++)
	{
		if (digits < 3)
			*ms = *ms * 10 + (text->data[0] - '0');
		text->data++;
		text->len--;
	}
	for (int i = digits; i < 3; i++)
		*ms *= 10;
	return digits > 0;
}

/* Z, or the difference from UTC in minutes. */
static bool
take_zone(TsString *text, int *minutes)
{
	int sign;
	int hour, minute;

	*minutes = 0;
	if (take_char(text, 'Z'))
		return true;
	sign = take_char(text, '-') ? -1 : 1;
	if (sign > 0 && !take_char(text, '+'))
		return false;
	if (!take_digits(text, 2, &hour) || !take_char(text, ':') ||
		!take_digits(text, 2, &minute) || hour > 24 || minute > 60)
		return false;
	*minutes = sign * (hour * 60 + minute);
	return true;
}

static int
days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970 on; years begin in March here, so that a leap day is the last one. */
static int64_t
days_since_1970(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static bool
read_rfc3339(TsString text, int64_t *ms)
{
	int year, month, day, hour, minute, second, zone;
	int fraction = 0;

	if (!take_digits(&text, 4, &year) || !take_char(&text, '-') ||
		!take_digits(&text, 2, &month) || !take_char(&text, '-') ||
		!take_digits(&text, 2, &day) || !take_char(&text, 'T') ||
		!take_digits(&text, 2, &hour) || !take_char(&text, ':') ||
		!take_digits(&text, 2, &minute) || !take_char(&text, ':') ||
		!take_digits(&text, 2, &second))
		return false;
	if (take_char(&text, '.') && !take_milliseconds(&text, &fraction))
		return false;
	if (!take_zone(&text, &zone) || text.len > 0)
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) ||
		hour > 23 || minute > 59 || second > 59)
		return false;
	*ms = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute - zone) * 60000 +
		  second * 1000 + fraction;
	return true;
}

TsErrorCode
param_time(TsString text, int64_t *ms, TsError *err)
{
	double seconds;

	if (read_float(text, &seconds))
	{
		double whole;
		double fraction = modf(seconds, &whole);

		if (fabs(seconds) >= 9e15)
			*ms = seconds < 0 ? PARAM_TIME_MIN : PARAM_TIME_MAX;
		else
			*ms = (int64_t) whole * 1000 + (int64_t) round(fraction * 1000);
		return TS_OK;
	}
	if (ts_string_is(text, GO_MIN_TIME))
		*ms = PARAM_TIME_MIN;
	else if (ts_string_is(text, GO_MAX_TIME))
		*ms = PARAM_TIME_MAX;
	else if (!read_rfc3339(text, ms))
		return refuse(text, "timestamp", err);
	return TS_OK;
}
