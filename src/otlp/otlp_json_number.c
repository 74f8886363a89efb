/*
 * otlp_json_number.c
 *	  Numbers and bytes, from their texts in JSON.
 */
#include "otlp_json_number.h"

#include <math.h>
#include <stdlib.h>

#define is_digit(c) ((c) >= '0' && (c) <= '9')

/* Beyond this, an exponent says the same for every text that can be. */
#define MOST_EXPONENT (INT64_C(1) << 40)

/* A number as an integer of up to 19 digits, times ten to the exponent. */
typedef struct Parts
{
	uint64_t digits;
	int64_t exponent;
	bool negative;
	bool cut; /* there are more digits, and not only zeros */
} Parts;

static int64_t
read_exponent(const char *at, const char *end)
{
	bool negative = *at == '-';
	int64_t exponent = 0;

	if (*at == '-' || *at == '+')
		at++;
	for (; at < end; at++)
	{
		if (exponent < MOST_EXPONENT)
			exponent = exponent * 10 + (*at - '0');
	}
	return negative ? -exponent : exponent;
}

static void
take_apart(TsString number, Parts *parts)
{
	const char *at = number.data;
	const char *end = at + number.len;
	int64_t zeros = 0; /* that are written only if another digit follows them */
	bool fraction = false;

	*parts = (Parts){.negative = *at == '-'};
	for (at += parts->negative; at < end && (is_digit(*at) || *at == '.'); at++)
	{
		uint64_t digit = (uint64_t) (*at - '0');

		if (*at == '.')
		{
			fraction = true;
			continue;
		}
		parts->exponent -= fraction;
		if (digit == 0 && parts->digits > 0)
			zeros++;
		else if (digit != 0)
		{
			for (; zeros >= 0; zeros--)
			{
				uint64_t next = zeros == 0 ? digit : 0;

				if (parts->digits > (UINT64_MAX - next) / 10)
				{
					parts->cut = true;
					break;
				}
				parts->digits = parts->digits * 10 + next;
			}
			if (parts->cut)
				break;
			zeros = 0;
		}
	}
	if (parts->cut)
		return;
	parts->exponent += zeros;
	if (at < end)
		parts->exponent += read_exponent(at + 1, end);
}

bool
json_number_integer(TsString number, JsonInteger *integer)
{
	Parts parts;

	take_apart(number, &parts);
	integer->magnitude = parts.digits;
	integer->negative = parts.negative && parts.digits != 0;
	if (parts.cut)
		return false;
	if (parts.digits == 0)
		return true;
	if (parts.exponent < 0 || parts.exponent > 19)
		return false;
	for (int64_t i = 0; i < parts.exponent; i++)
	{
		if (integer->magnitude > UINT64_MAX / 10)
			return false;
		integer->magnitude *= 10;
	}
	return true;
}

/*
 * An integer that a float holds, times or by a power of ten that one holds, is rounded once:
 * that is the float next to it. For the others there is strtod().
 */
bool
json_number_double(TsString number, double *value)
{
	static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
									1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
									1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	Parts parts;

	take_apart(number, &parts);
	if (!parts.cut && parts.digits <= UINT64_C(1) << 53 && parts.exponent >= -22 &&
		parts.exponent <= 22)
	{
		*value = (double) parts.digits;
		if (parts.exponent < 0)
			*value /= powers[-parts.exponent];
		else
			*value *= powers[parts.exponent];
		if (parts.negative)
			*value = -*value;
		return true;
	}
	*value = strtod(number.data, NULL);
	return isfinite(*value);
}

/* ---- bytes ---- */

size_t
json_bytes_hex(const char *text, size_t len, uint8_t *out)
{
	if (len % 2 != 0)
		return SIZE_MAX;
	for (size_t i = 0; i < len / 2; i++)
	{
		int high = ts_hex_digit(text[2 * i]);
		int low = ts_hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return SIZE_MAX;
		out[i] = (uint8_t) (high << 4 | low);
	}
	return len / 2;
}
