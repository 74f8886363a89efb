/*
 * float_text.c
 *	  Writes floats as Prometheus shows them: the shortest decimal that reads back as the
 *	  same float, with exponents or without.
 */
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promql_ast.h"

/* The digits of a positive number: 0.d1d2d3... times ten to the point. */
typedef struct Digits
{
	char text[24];
	int n;
	int point;
} Digits;

static void
set_integer_digits(Digits *digits, uint64_t n, int decimals)
{
	digits->n = snprintf(digits->text, sizeof(digits->text), "%llu",
						 (unsigned long long) n);
	digits->point = digits->n - decimals;
}

/*
 * Most numbers people have are short decimals. A number n below 2^53 divided by an exact
 * power of ten is rounded once: if that gives the value, n's digits read back as it; and
 * with no more than 15 digits there is no shorter way to write it.
 */
static bool
short_decimal(double value, Digits *digits)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4,  1e5,
									1e6, 1e7, 1e8, 1e9, 1e10, 1e11};

	if (value < 1e-6 || value >= 1e15)
		return false;
	for (int i = 0; i < (int) (sizeof(powers) / sizeof(powers[0])); i++)
	{
		double n = nearbyint(value * powers[i]);

		if (n >= 1e15)
			return false;
		if (n / powers[i] == value)
		{
			set_integer_digits(digits, (uint64_t) n, i);
			return true;
		}
	}
	return false;
}

/* The nearest number of so many digits; does it read back as the value? */
static bool
nearest_decimal(double value, int precision, Digits *digits)
{
	char text[40];
	char *exponent;

	snprintf(text, sizeof(text), "%.*e", precision - 1, value);
	exponent = strchr(text, 'e');
	digits->n = precision;
	digits->text[0] = text[0];
	memcpy(digits->text + 1, text + 2, (size_t) precision - 1);
	digits->point = atoi(exponent + 1) + 1;
	if (strtod(text, NULL) == value)
		return true;

	/*
	 * Floats stand half as dense above a power of two as below it: the number next above
	 * may read back although a nearer one below does not.
	 */
	if (precision < 16 || frexp(value, &(int){0}) != 0.5 ||
		digits->text[precision - 1] == '9')
		return false;
	exponent[-1]++;
	digits->text[precision - 1]++;
	return strtod(text, NULL) == value;
}

/* The same for all numbers, by trying. */
static void
shortest_decimal(double value, Digits *digits)
{
	/* Numbers with fewer bits may need fewer digits than 15 to be told apart. */
	int precision = value < 2.2250738585072014e-308 ? 1 : 15;

	while (!nearest_decimal(value, precision, digits))
		precision++;
	assert(precision <= 17);
	while (digits->n > 1 && digits->text[digits->n - 1] == '0')
		digits->n--;
}

static int
write_digits(const Digits *digits, char *out)
{
	int len = 0;

	if (digits->point <= 0)
	{
		out[len++] = '0';
		out[len++] = '.';
		for (int i = digits->point; i < 0; i++)
			out[len++] = '0';
		memcpy(out + len, digits->text, (size_t) digits->n);
		return len + digits->n;
	}
	for (int i = 0; i < digits->point || i < digits->n; i++)
	{
		if (i == digits->point)
			out[len++] = '.';
		out[len++] = i < digits->n ? digits->text[i] : '0';
	}
	return len;
}

/* One digit, a point, the others, and the exponent with two digits or more. */
static int
write_exponent(const Digits *digits, char *out)
{
	int n = digits->n;
	int len = 0;

	while (n > 1 && digits->text[n - 1] == '0')
		n--;
	out[len++] = digits->text[0];
	if (n > 1)
	{
		out[len++] = '.';
		memcpy(out + len, digits->text + 1, (size_t) (n - 1));
		len += n - 1;
	}
	return len + sprintf(out + len, "e%+03d", digits->point - 1);
}

/* Numbers from the lower limit on and below the upper one, both powers of ten, have no exponent. */
static int
write_float(double value, int lower, int upper, char *out)
{
	Digits digits;
	int len = 0;

	if (isnan(value))
		return (int) strlen(strcpy(out, "NaN"));
	if (isinf(value))
		return (int) strlen(strcpy(out, value < 0 ? "-Inf" : "+Inf"));
	if (signbit(value))
		out[len++] = '-';
	value = fabs(value);
	if (value == 0)
		out[len++] = '0';
	else
	{
		if (!short_decimal(value, &digits))
			shortest_decimal(value, &digits);
		if (digits.point <= lower || digits.point > upper)
			len += write_exponent(&digits, out + len);
		else
			len += write_digits(&digits, out + len);
	}
	assert(len < PROMQL_FLOAT_SIZE);
	out[len] = '\0';
	return len;
}

int
promql_write_float(double value, char *out)
{
	return write_float(value, INT_MIN, INT_MAX, out);
}

int
promql_write_short_float(double value, char *out)
{
	return write_float(value, -4, 6, out);
}

int
promql_write_json_float(double value, char *out)
{
	return write_float(value, -6, 21, out);
}
