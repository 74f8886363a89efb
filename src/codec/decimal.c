/*
 * decimal.c
 *	  Finds the decimal integers that floats stand for.
 *
 * A float that a program printed or rounded with e decimals is the nearest float to
 * d / 10^e for an integer d, and division gives exactly that float back: so d and e
 * are all there is to store. e is the same for all values of a column, the least
 * that serves nearly all of them: each one more costs every value 3.3 bits. What no
 * or only a larger e serves, and -0, infinities and NaNs, is foreign.
 *
 * The candidate for d is the product rounded to an integer, which is got by adding a
 * number so large that its last bit is a unit (1.5 * 2^52): no rounding function and
 * no conversion, in any register width. It does not matter whether a compiler fuses
 * the two: a d that passes the test is less than a quarter away from the product
 * either way.
 */
#include "codec_internal.h"

#define ROUNDER      6755399441055744.0 /* 1.5 * 2^52 */
#define ROUNDER_BITS INT64_C(0x4338000000000000)

#define MAX_EXPONENT 15
/* So that the difference of two is still below 2^51. */
#define LIMIT8 (INT64_C(1) << 50)
/* Every float4 is a decimal of 9 digits: only those that are short are of use. */
#define LIMIT4 (INT64_C(1) << 24)

/* More exceptions than one in so many values are dearer than one more decimal. */
#define EXCEPTIONS 24

#define SAMPLE 32

const double codec_powers_of_ten[16] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
										1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static inline int64_t
bits_of(double value)
{
	int64_t bits;

	memcpy(&bits, &value, 8);
	return bits;
}

static inline int32_t
bits_of4(float value)
{
	int32_t bits;

	memcpy(&bits, &value, 4);
	return bits;
}

/* The integer nearest to value * power; nonsense beyond 2^51. */
static inline int64_t
nearest(double value, double power)
{
	return wrap_sub(bits_of(value * power + ROUNDER), ROUNDER_BITS);
}

static inline double
quotient(int64_t d, double power)
{
	double value;
	int64_t bits = wrap_add(d, ROUNDER_BITS);

	memcpy(&value, &bits, 8);
	return (value - ROUNDER) / power;
}

/* All ones if value is not d / power within the limit, else 0. */
static inline int64_t
differs8(double value, int64_t d, double power)
{
	int64_t wrong = bits_of(quotient(d, power)) ^ bits_of(value);

	wrong |= (int64_t) (((uint64_t) d + (uint64_t) LIMIT8) >> 51);
	return -(int64_t) (wrong != 0);
}

static inline int64_t
differs4(float value, int64_t d, double power)
{
	int64_t wrong = bits_of4((float) quotient(d, power)) ^ bits_of4(value);

	wrong |= (int64_t) (((uint64_t) d + (uint64_t) LIMIT4) >> 25);
	return -(int64_t) (wrong != 0);
}

/*
 * One vector: d[] and which values differ. Returns how many do.
 */
KERNEL static uint32_t
convert8(const double *values, uint32_t m, double power, int64_t *d, int64_t *differ)
{
	int64_t count = 0;

	for (uint32_t i = 0; i < m; i++)
	{
		d[i] = nearest(values[i], power);
		differ[i] = differs8(values[i], d[i], power);
		count -= differ[i];
	}
	return (uint32_t) count;
}

KERNEL static uint32_t
convert4(const float *values, uint32_t m, double power, int64_t *d, int64_t *differ)
{
	int64_t count = 0;

	for (uint32_t i = 0; i < m; i++)
	{
		d[i] = nearest((double) values[i], power);
		differ[i] = differs4(values[i], d[i], power);
		count -= differ[i];
	}
	return (uint32_t) count;
}

/* The column under test, so that what follows is written once. */
typedef struct Floats
{
	const double *values8; /* or NULL */
	const float *values4;
} Floats;

static uint32_t
convert(const Floats *floats, uint32_t first, uint32_t m, int e, int64_t *d,
		int64_t *differ)
{
	if (floats->values8 != NULL)
		return convert8(floats->values8 + first, m, codec_powers_of_ten[e], d, differ);
	return convert4(floats->values4 + first, m, codec_powers_of_ten[e], d, differ);
}

/* The least exponent from e on that serves a value; MAX_EXPONENT + 1 if none does. */
static int
exponent_of(const Floats *floats, uint32_t i, int e)
{
	for (; e <= MAX_EXPONENT; e++)
	{
		double power = codec_powers_of_ten[e];

		if (floats->values8 != NULL)
		{
			double value = floats->values8[i];

			if (differs8(value, nearest(value, power), power) == 0)
				break;
			if (!(value * power < (double) LIMIT8 && value * power > -(double) LIMIT8))
				return MAX_EXPONENT + 1;
		}
		else
		{
			float value = floats->values4[i];

			if (differs4(value, nearest((double) value, power), power) == 0)
				break;
			if (!((double) value * power < (double) LIMIT4 &&
				  (double) value * power > -(double) LIMIT4))
				return MAX_EXPONENT + 1;
		}
	}
	return e;
}

/* NaNs and infinities say nothing about the exponent. */
static bool
is_finite(const Floats *floats, uint32_t i)
{
	if (floats->values8 != NULL)
		return (bits_of(floats->values8[i]) >> 52 & 0x7FF) != 0x7FF;
	return (bits_of4(floats->values4[i]) >> 23 & 0xFF) != 0xFF;
}

/*
 * The least exponent that leaves at most one in EXCEPTIONS of the values counted to
 * a larger one or to none; -1 if none does, or none is better than bit patterns.
 */
static int
choose_exponent(const uint32_t *histogram, uint32_t total)
{
	uint32_t served = 0;

	for (int e = 0; e <= MAX_EXPONENT; e++)
	{
		served += histogram[e];
		if ((uint64_t) (total - served) * EXCEPTIONS <= total)
			return e;
	}
	return -1;
}

/* A first guess, from a sample. */
static int
guess_exponent(const Floats *floats, uint32_t n)
{
	uint32_t histogram[MAX_EXPONENT + 2] = {0};
	uint32_t total = 0;
	int e = 0;

	for (uint32_t k = 0; k < SAMPLE; k++)
	{
		uint32_t i = (uint32_t) ((uint64_t) k * n / SAMPLE);

		if (!is_finite(floats, i))
			continue;
		histogram[exponent_of(floats, i, 0)]++;
		total++;
		/* clearly no decimals: most others will be none either */
		if (total >= 8 && histogram[MAX_EXPONENT + 1] * 2 > total)
			return -1;
	}
	/* every exponent seen twice is worth a look; the count of all values decides */
	for (e = MAX_EXPONENT; e > 0 && histogram[e] * 16 < total; e--)
		;
	return e;
}

/* Marks what differs in a vector; the integers there become their neighbours'. */
static void
mark_foreign(uint32_t first, uint32_t m, const int64_t *differ, int64_t *d,
			 Foreign *foreign)
{
	for (uint32_t i = 0; i < m; i++)
	{
		uint32_t at = first + i;

		if (differ[i] == 0)
			continue;
		foreign->bitmap[at / 64] |= UINT64_C(1) << (at & 63);
		foreign->count++;
		d[i] = at > 0 ? d[(int64_t) i - 1] : 0;
	}
}

/* Foreign values before the first that is not take its integer. */
static void
fill_front(int64_t *d, uint32_t n, const Foreign *foreign)
{
	uint32_t i = 0;

	while (i < n && foreign->bitmap[i / 64] >> (i & 63) & 1)
		i++;
	for (uint32_t k = 0; k < i && i < n; k++)
		d[k] = d[i];
}

/*
 * Converts all with one exponent. Returns whether that is good enough; if not,
 * histogram and *total tell the exponents that all finite values need.
 */
static bool
convert_all(const Floats *floats, uint32_t n, int e, int64_t *d, Foreign *foreign,
			uint32_t *histogram, uint32_t *total)
{
	int64_t differ[VECTOR];
	uint32_t higher = 0;

	memset(histogram, 0, (MAX_EXPONENT + 2) * sizeof(uint32_t));
	foreign->count = 0;
	memset(foreign->bitmap, 0, (size_t) ts_codec_vectors(n) * (VECTOR / 8));
	*total = 0;
	for (uint32_t first = 0; first < n; first += VECTOR)
	{
		uint32_t m = vector_length(n, first / VECTOR);
		uint32_t count = convert(floats, first, m, e, d + first, differ);

		*total += m;
		histogram[e] += m - count;
		if (count == 0)
			continue;
		for (uint32_t i = 0; i < m; i++)
		{
			if (differ[i] == 0)
				continue;
			if (!is_finite(floats, first + i))
				(*total)--;
			else if (++higher <= 2 * SAMPLE)
				histogram[exponent_of(floats, first + i, e + 1)]++;
			else
				histogram[MAX_EXPONENT + 1]++;
		}
		mark_foreign(first, m, differ, d + first, foreign);
	}
	if (foreign->count > 0)
		fill_front(d, n, foreign);
	return (uint64_t) higher * EXCEPTIONS <= *total;
}

static int
decimals(const Floats *floats, uint32_t n, int64_t *d, Foreign *foreign)
{
	uint32_t histogram[MAX_EXPONENT + 2];
	uint32_t total;
	int e = guess_exponent(floats, n);

	while (e >= 0)
	{
		int better;

		if (convert_all(floats, n, e, d, foreign, histogram, &total))
			break;
		better = choose_exponent(histogram, total);
		if (better <= e)
			return -1;
		e = better;
	}
	/* columns of little but exceptions are better off as patterns */
	if (e >= 0 && foreign->count > n / 2)
		return -1;
	return e;
}

int
codec_decimals8(const double *values, uint32_t n, int64_t *d, Foreign *foreign)
{
	Floats floats = {values, NULL};

	return decimals(&floats, n, d, foreign);
}

int
codec_decimals4(const float *values, uint32_t n, int64_t *d, Foreign *foreign)
{
	Floats floats = {NULL, values};

	return decimals(&floats, n, d, foreign);
}
