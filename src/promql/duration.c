/*
 * duration.c
 *	  Durations: their text, and what their expressions come to.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "promql_ast.h"

/* Go's durations are 64 bits of nanoseconds. */
#define MAX_DURATION_MS (INT64_MAX / 1000000)

static const struct
{
	char name[3];
	int64_t ms;
	bool whole; /* written only when nothing remains: 90d reads better than 12w6d */
} units[] = {
	{"y", INT64_C(365) * 24 * 3600 * 1000, true},
	{"w", INT64_C(7) * 24 * 3600 * 1000, true},
	{"d", INT64_C(24) * 3600 * 1000, false},
	{"h", INT64_C(3600) * 1000, false},
	{"m", INT64_C(60) * 1000, false},
	{"s", 1000, false},
	{"ms", 1, false},
};

#define N_UNITS ((int) (sizeof(units) / sizeof(units[0])))

/* The unit at the beginning of a text, behind those that were had; -1: none. */
static int
find_unit(const char *text, size_t len, int from)
{
	size_t letters = 0;

	while (letters < len && (text[letters] < '0' || text[letters] > '9'))
		letters++;
	for (int i = from; i < N_UNITS; i++)
	{
		if (strlen(units[i].name) == letters && memcmp(units[i].name, text, letters) == 0)
			return i;
	}
	return -1;
}

bool
promql_read_duration(const char *text, size_t len, int64_t *ms)
{
	size_t at = 0;
	int next = 0;

	*ms = 0;
	if (len == 1 && text[0] == '0')
		return true;
	while (at < len)
	{
		size_t digits = at;
		int64_t n = 0;
		int unit;

		for (; at < len && text[at] >= '0' && text[at] <= '9'; at++)
		{
			if (n > MAX_DURATION_MS)
				return false;
			n = n * 10 + (text[at] - '0');
		}
		unit = at > digits ? find_unit(text + at, len - at, next) : -1;
		if (unit < 0 || n > (MAX_DURATION_MS - *ms) / units[unit].ms)
			return false;
		*ms += n * units[unit].ms;
		at += strlen(units[unit].name);
		next = unit + 1;
	}
	return len > 0;
}

int
promql_write_duration(int64_t ms, char *out, size_t size)
{
	uint64_t left = ms < 0 ? 0 - (uint64_t) ms : (uint64_t) ms;
	int len = 0;

	if (ms == 0)
		return snprintf(out, size, "0s");
	if (ms < 0)
		len = snprintf(out, size, "-");
	for (int i = 0; i < N_UNITS; i++)
	{
		uint64_t unit = (uint64_t) units[i].ms;

		if (left < unit || (units[i].whole && left % unit != 0))
			continue;
		assert((size_t) len < size);
		len += snprintf(out + len, size - (size_t) len, "%llu%s",
						(unsigned long long) (left / unit), units[i].name);
		left %= unit;
	}
	return len;
}

bool
promql_duration_of_seconds(double seconds, int64_t *ms)
{
	double exact = seconds * 1000;
	double whole = round(exact);

	if (!(fabs(exact) <= (double) MAX_DURATION_MS))
		return false;
	/* What floats make of 0.3 - 0.1 is meant to be 200 ms, not 199. */
	if (fabs(exact - whole) > 1.0 / 256)
		whole = trunc(exact);
	*ms = (int64_t) whole;
	return true;
}

/* ---- expressions ---- */

/* An expression's value in seconds. */
static TsErrorCode
evaluate(const PqNode *node, const PqDurationTerms *terms, double *value, TsError *err);

static TsErrorCode
evaluate_binary(const PqNode *node, const PqDurationTerms *terms, double *value,
				TsError *err)
{
	double left, right;
	TsErrorCode code = evaluate(node->u.binary.left, terms, &left, err);

	if (code == TS_OK)
		code = evaluate(node->u.binary.right, terms, &right, err);
	if (code != TS_OK)
		return code;
	switch (node->u.binary.op)
	{
		case PQ_ADD:
			*value = left + right;
			return TS_OK;
		case PQ_SUB:
			*value = left - right;
			return TS_OK;
		case PQ_MUL:
			*value = left * right;
			return TS_OK;
		case PQ_POW:
			*value = pow(left, right);
			return TS_OK;
		case PQ_DIV:
		case PQ_MOD:
			if (right == 0)
				return ts_error_set(err, TS_ERR_INVALID, node->u.binary.op_start,
									"%s by zero",
									node->u.binary.op == PQ_DIV ? "division" : "modulo");
			*value = node->u.binary.op == PQ_DIV ? left / right : fmod(left, right);
			return TS_OK;
		default:
			assert(false);
			return TS_ERR_INVALID;
	}
}

static TsErrorCode
evaluate_call(const PqNode *node, const PqDurationTerms *terms, double *value,
			  TsError *err)
{
	PqFunctionId id = node->u.call.function->id;
	TsErrorCode code;
	double a, b;

	if (id == PQ_FN_STEP || id == PQ_FN_RANGE)
	{
		*value = (double) (id == PQ_FN_STEP ? terms->step_ms : terms->range_ms) / 1000;
		return TS_OK;
	}
	assert(id == PQ_FN_MIN_OF || id == PQ_FN_MAX_OF);
	code = evaluate(node->u.call.args[0], terms, &a, err);
	if (code == TS_OK)
		code = evaluate(node->u.call.args[1], terms, &b, err);
	if (code == TS_OK)
		*value = isnan(a) || isnan(b) ? NAN
				 : id == PQ_FN_MIN_OF ? fmin(a, b)
									  : fmax(a, b);
	return code;
}

static TsErrorCode
evaluate(const PqNode *node, const PqDurationTerms *terms, double *value, TsError *err)
{
	TsErrorCode code;

	switch (node->kind)
	{
		case PQ_NUMBER:
			*value = node->u.number.value;
			return TS_OK;
		case PQ_PAREN:
			return evaluate(node->u.paren, terms, value, err);
		case PQ_UNARY:
			code = evaluate(node->u.unary.expr, terms, value, err);
			if (code == TS_OK && node->u.unary.minus)
				*value = -*value;
			return code;
		case PQ_BINARY:
			return evaluate_binary(node, terms, value, err);
		default:
			assert(node->kind == PQ_CALL);
			return evaluate_call(node, terms, value, err);
	}
}

TsErrorCode
promql_duration(const PqDuration *duration, const PqDurationTerms *terms,
				bool must_be_positive, int64_t *ms, TsError *err)
{
	double seconds;
	TsErrorCode code;

	*ms = duration->ms;
	if (duration->expr == NULL)
		return TS_OK;
	code = evaluate(duration->expr, terms, &seconds, err);
	if (code != TS_OK)
		return code;
	if (must_be_positive && seconds <= 0)
		return ts_error_set(err, TS_ERR_INVALID, duration->expr->start,
							"duration must be greater than 0");
	if (!promql_duration_of_seconds(seconds, ms))
		return ts_error_set(err, TS_ERR_INVALID, duration->expr->start,
							"duration is out of range");
	return TS_OK;
}
