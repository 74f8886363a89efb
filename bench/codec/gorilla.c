/*
 * gorilla.c
 *	  XOR coding of floats and delta-of-delta coding of timestamps.
 *
 * Made as fast as a plain implementation becomes, so that the comparison is a fair one:
 * the writer stores eight bytes at a time without a branch, the reader loads eight
 * bytes at any bit position, a run of unchanged values is one count of zero bits, and
 * the loops are compiled a second time for processors with three-operand shifts.
 * Bits are laid from the most significant down.
 */
#include "gorilla.h"

#include <assert.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define FOR_NEWER_CPU __attribute__((target_clones("arch=haswell", "default")))
#else
#define FOR_NEWER_CPU
#endif

/* At any bit position eight bytes hold at least so many bits not yet read. */
#define WINDOW_BITS 57

static inline uint64_t
big_endian(uint64_t x)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap64(x);
#else
	return x;
#endif
}

/* ---- bits out ---- */

typedef struct Writer
{
	uint8_t *next;    /* where the first unfinished byte goes */
	uint64_t pending; /* its bits, at the top */
	unsigned used;    /* how many: less than 8 */
} Writer;

/* The value must have no bits beyond the lowest count. */
static inline void
put(Writer *w, uint64_t value, unsigned count)
{
	uint64_t bytes;

	assert(count > 0 && count <= 56);
	w->pending |= value << (64 - w->used - count);
	w->used += count;
	bytes = big_endian(w->pending);
	memcpy(w->next, &bytes, sizeof(bytes));
	w->next += w->used >> 3;
	w->pending <<= w->used & ~7u;
	w->used &= 7;
}

static inline void
put_wide(Writer *w, uint64_t value, unsigned count)
{
	if (count > 56)
	{
		put(w, value >> 32, count - 32);
		value &= UINT32_MAX;
		count = 32;
	}
	put(w, value, count);
}

static inline size_t
finish(const Writer *w, const uint8_t *out)
{
	return (size_t) (w->next - out) + (w->used > 0);
}

/* ---- bits in ---- */

/* The bits from a position on, at the top; WINDOW_BITS of them are valid. */
static inline uint64_t
window(const uint8_t *data, size_t position)
{
	uint64_t bytes;

	memcpy(&bytes, data + (position >> 3), sizeof(bytes));
	return big_endian(bytes) << (position & 7);
}

/* 1 to 64 bits from a position on, at the bottom. */
static inline uint64_t
get_wide(const uint8_t *data, size_t position, unsigned count)
{
	if (count <= WINDOW_BITS)
		return window(data, position) >> (64 - count);
	return window(data, position) >> 32 << (count - 32) |
		   window(data, position + 32) >> (96 - count);
}

/* How many of the window's valid bits are zero, from the top. */
static inline size_t
leading_zeros(uint64_t window_bits)
{
	return (size_t) __builtin_clzll(window_bits | UINT64_C(1) << (63 - WINDOW_BITS));
}

/*
 * Stores run values that rise by step after last, of room that are left. Most runs are
 * short, and eight stores cost less than one wrong guess of a loop's length.
 */
static inline void
repeat(uint64_t *values, size_t room, size_t run, uint64_t last, uint64_t step)
{
	if (room >= (WINDOW_BITS + 7) / 8 * 8)
	{
		size_t done = 0;

		do
		{
			for (size_t j = 0; j < 8; j++)
				values[done + j] = last + (done + j + 1) * step;
			done += 8;
		} while (done < run);
	}
	else
	{
		for (size_t j = 0; j < run; j++)
			values[j] = last + (j + 1) * step;
	}
}

/* ---- floats ---- */

#define HEADER_BITS 13 /* '11', 5 bits of leading zeros, 6 bits of length */

FOR_NEWER_CPU size_t
gorilla_encode_floats(const uint64_t *values, size_t n, uint8_t *out)
{
	Writer w = {out, 0, 0};
	uint64_t previous = values[0];
	unsigned leading = 65; /* no window yet: no XOR has so many leading zeros */
	unsigned trailing = 0;

	put_wide(&w, previous, 64);
	for (size_t i = 1; i < n; i++)
	{
		uint64_t x = values[i] ^ previous;
		unsigned lead;
		unsigned trail;
		unsigned length;

		previous = values[i];
		if (x == 0)
		{
			put(&w, 0, 1);
			continue;
		}
		lead = (unsigned) __builtin_clzll(x);
		trail = (unsigned) __builtin_ctzll(x);
		if (lead >= leading && trail >= trailing)
		{
			length = 64 - leading - trailing;
			x >>= trailing;
			if (length <= 54)
				put(&w, UINT64_C(2) << length | x, length + 2);
			else
			{
				put(&w, 2, 2);
				put_wide(&w, x, length);
			}
			continue;
		}
		leading = lead < 31 ? lead : 31;
		trailing = trail;
		length = 64 - leading - trailing;
		x >>= trailing;
		put(&w, UINT64_C(3) << 11 | (uint64_t) leading << 6 | (length & 63), HEADER_BITS);
		put_wide(&w, x, length);
	}
	return finish(&w, out);
}

FOR_NEWER_CPU void
gorilla_decode_floats(const uint8_t *data, size_t n, uint64_t *values)
{
	size_t position = 64;
	uint64_t previous = get_wide(data, 0, 64);
	unsigned length = 0;
	unsigned trailing = 0;
	size_t i = 1;

	values[0] = previous;
	while (i < n)
	{
		uint64_t bits = window(data, position);

		if (bits >> 63 == 0)
		{
			size_t run = leading_zeros(bits);

			run = run < n - i ? run : n - i;
			position += run;
			repeat(values + i, n - i, run, previous, 0);
			i += run;
			continue;
		}
		if (bits >> 62 == 2)
		{
			position += 2;
			bits = length <= WINDOW_BITS - 2 ? bits << 2 >> (64 - length)
											 : get_wide(data, position, length);
		}
		else
		{
			length = ((bits >> 51) - 1) % 64 + 1;
			trailing = 64 - ((bits >> 57) & 31) - length;
			position += HEADER_BITS;
			bits = get_wide(data, position, length);
		}
		position += length;
		previous ^= bits << trailing;
		values[i++] = previous;
	}
}

/* ---- times ---- */

FOR_NEWER_CPU size_t
gorilla_encode_times(const int64_t *times, size_t n, uint8_t *out)
{
	Writer w = {out, 0, 0};
	int64_t delta = 0;

	put_wide(&w, (uint64_t) times[0], 64);
	for (size_t i = 1; i < n; i++)
	{
		int64_t next = times[i] - times[i - 1];
		int64_t change = next - delta;

		delta = next;
		if (change == 0)
			put(&w, 0, 1);
		else if (change >= -63 && change <= 64)
			put(&w, UINT64_C(2) << 7 | (uint64_t) (change + 63), 9);
		else if (change >= -255 && change <= 256)
			put(&w, UINT64_C(6) << 9 | (uint64_t) (change + 255), 12);
		else if (change >= -2047 && change <= 2048)
			put(&w, UINT64_C(14) << 12 | (uint64_t) (change + 2047), 16);
		else if (change >= INT32_MIN && change <= INT32_MAX)
			put(&w, UINT64_C(15) << 32 | (uint32_t) change, 36);
		else
			return 0;
	}
	return finish(&w, out);
}

FOR_NEWER_CPU void
gorilla_decode_times(const uint8_t *data, size_t n, int64_t *times)
{
	size_t position = 64;
	int64_t previous = (int64_t) get_wide(data, 0, 64);
	int64_t delta = 0;
	size_t i = 1;

	times[0] = previous;
	while (i < n)
	{
		uint64_t bits = window(data, position);

		if (bits >> 63 == 0)
		{
			size_t run = leading_zeros(bits);

			run = run < n - i ? run : n - i;
			position += run;
			repeat((uint64_t *) times + i, n - i, run, (uint64_t) previous,
				   (uint64_t) delta);
			i += run;
			previous += (int64_t) run * delta;
			continue;
		}
		if (bits >> 62 == 2)
		{
			delta += (int64_t) (bits << 2 >> 57) - 63;
			position += 9;
		}
		else if (bits >> 61 == 6)
		{
			delta += (int64_t) (bits << 3 >> 55) - 255;
			position += 12;
		}
		else if (bits >> 60 == 14)
		{
			delta += (int64_t) (bits << 4 >> 52) - 2047;
			position += 16;
		}
		else
		{
			delta += (int32_t) (bits << 4 >> 32);
			position += 36;
		}
		previous += delta;
		times[i++] = previous;
	}
}
