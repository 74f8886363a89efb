/*
 * codec_columns.h
 *	  Columns of all sorts for the tests of the codecs, from a seed.
 *
 * Kinds are meant to reach every form and every choice; which does what is told by
 * the names in column_kinds.
 */
#ifndef CODEC_COLUMNS_H
#define CODEC_COLUMNS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static uint64_t random_state;

static inline uint64_t
random_bits(void)
{
	uint64_t z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static inline uint64_t
random_below(uint64_t limit)
{
	return random_bits() % limit;
}

/* Around 0, mostly small. */
static inline int64_t
random_noise(int64_t size)
{
	return (int64_t) random_below((uint64_t) size) +
		   (int64_t) random_below((uint64_t) size) - size;
}

static const char *const column_kinds[] = {
	"zero",        "constant",      "ramp",         "steep ramp",   "regular time",
	"gapped time", "jittered time", "jitter, gaps", "idle counter", "busy counter",
	"resets",      "decimals",      "byte gauge",   "coin",         "rare changes",
	"half still",  "noise",         "accelerating", "outliers",     "extremes",
	"random",      "periodic",      "few values",   "alternating",  "sawtooth",
	"wide",        "each width"};
#define COLUMN_KINDS (sizeof(column_kinds) / sizeof(column_kinds[0]))

static inline int64_t
next_integer(unsigned kind, uint32_t i, int64_t before, int64_t *state)
{
	int64_t at = before;

	switch (kind)
	{
		case 0:
			return 0;
		case 1:
			return -123456789;
		case 2:
			return 1000 + 3 * (int64_t) i;
		case 3:
			return (int64_t) (UINT64_C(0x1234567890ABCDEF) * (i + 1));
		case 4:
			return 700000000000000 + 15000000 * (int64_t) i;
		case 5:
			*state += random_below(100) == 0 ? 60000000 : 0;
			return 700000000000000 + 15000000 * (int64_t) i + *state;
		case 6:
			return 700000000000000 + 15000000 * (int64_t) i + 1000 * random_noise(4);
		case 7:
			*state += random_below(2000) == 0 ? 3600000000 : 0;
			return 700000000000000 + 15000000 * (int64_t) i + *state +
				   1000 * random_noise(4);
		case 8:
			return at + (random_below(20) == 0 ? (int64_t) random_below(3) : 0);
		case 9:
			return at + 100000 + random_noise(20000);
		case 10:
			return random_below(100) == 0 ? 0 : at + 5000 + random_noise(300);
		case 11:
			return at + random_noise(250);
		case 12:
			return at + (random_below(3) ? 0 : 4096 * random_noise(100));
		case 13:
			return (int64_t) random_below(2);
		case 14:
			return random_below(500) == 0 ? !at : at;
		case 15:
			return at + (random_below(2) ? random_noise(1000) : 0);
		case 16:
			return random_noise(1000000);
		case 17:
			*state += 10 + random_noise(2);
			return at + *state;
		case 18:
			return random_below(50) == 0 ? (int64_t) random_bits() : random_noise(8);
		case 19:
			return random_below(2) ? INT64_MIN + (int64_t) random_below(2)
								   : INT64_MAX - (int64_t) random_below(2);
		case 20:
			return (int64_t) random_bits();
		case 21:
			return (int64_t) ((i % 37 + 1) * UINT64_C(0x9E3779B97F4A7C15));
		case 22:
			return (int64_t) ((random_below(5) + 1) * UINT64_C(0x9E3779B97F4A7C15));
		case 23:
			return i % 2 ? INT64_MAX : INT64_MIN;
		case 24:
			return (int64_t) (i % 100) * 1000;
		case 25: /* around the largest integers that decimals may be */
			return (random_below(2) ? 1 : -1) *
				   ((INT64_C(1) << 50) - 8 + (int64_t) random_below(16));
		default:
			return (int64_t) (random_bits() >> (i / 256 * 7 % 64));
	}
}

static inline void
fill_integers(unsigned kind, uint32_t n, int64_t *out)
{
	int64_t state = 0;
	int64_t at = (int64_t) random_below(1000);

	for (uint32_t i = 0; i < n; i++)
		out[i] = at = next_integer(kind, i, at, &state);
}

/* Bit patterns of float8 that a codec could trip over. */
static const uint64_t special_patterns[] = {
	0x0000000000000000, 0x8000000000000000, 0x7FF0000000000000, 0xFFF0000000000000,
	0x7FF0000000000002, 0x7FF8000000000000, 0x7FF8000000000001, 0xFFF8000000000000,
	0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 0x0000000000000001, 0x8000000000000001,
	0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF,
	0x3FF0000000000000, 0xBFF0000000000000, 0x4338000000000000, 0x4330000000000000,
	0x4340000000000000, 0x4320000000000000, 0xC338000000000000, 0xC340000000000000,
	0x3FB999999999999A, 0x3FD3333333333333, 0x3FD3333333333334, 0x7FF0000000000001,
	0x43E0000000000000, 0xC3E0000000000000};
#define SPECIAL_PATTERNS (sizeof(special_patterns) / sizeof(special_patterns[0]))

static inline double
special_double(void)
{
	double value;

	memcpy(&value, &special_patterns[random_below(SPECIAL_PATTERNS)], 8);
	return value;
}

/*
 * The same as floats: as integers, with decimals, as any bits; with special values
 * among them or without.
 */
#define FLOAT_FLAVOURS 8
static inline void
fill_doubles(unsigned kind, unsigned flavour, uint32_t n, int64_t *work, double *out)
{
	static const double powers[] = {1, 10, 100, 1000};
	uint64_t stale = 0x7FF0000000000002;

	fill_integers(kind, n, work);
	for (uint32_t i = 0; i < n; i++)
	{
		if (flavour < 4)
			out[i] = (double) work[i] / powers[flavour];
		else if (flavour == 4)
			memcpy(&out[i], &work[i], 8);
		else if (flavour == 5)
			out[i] = random_below(40) == 0 ? special_double() : (double) work[i] / 100;
		else if (flavour == 6)
			out[i] = sqrt(fabs((double) work[i])) * (random_below(2) ? 1 : -1);
		else if (random_below(3) == 0)
			memcpy(&out[i], &stale, 8);
		else
			out[i] = (double) work[i] / 10;
	}
}

#endif /* CODEC_COLUMNS_H */
