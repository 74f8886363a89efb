/*
 * bitpack.c
 *	  Numbers of a given width one after the other in a bit stream, and places.
 *
 * Eight numbers of w bits are w bytes, so the reader works in groups of eight, with
 * one loop for each width in which all shifts are constants.
 */
#include "codec_internal.h"

#include <assert.h>

void
codec_pack(const uint64_t *numbers, uint32_t count, unsigned width, uint8_t *out)
{
	uint64_t word = 0;
	unsigned filled = 0;

	if (width == 0)
		return;
	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t number = numbers[i];

		assert(width == 64 || number >> width == 0);
		word |= number << filled;
		filled += width;
		if (filled >= 64)
		{
			store64(out, word);
			out += 8;
			filled -= 64;
			word = filled == 0 ? 0 : number >> (width - filled);
		}
	}
	if (filled > 0)
		store64(out, word);
}

/*
 * Reads whole groups; touches up to 8 bytes beyond the last one's.
 */
static inline __attribute__((always_inline)) void
unpack_groups(const uint8_t *in, uint32_t groups, uint64_t *out, const unsigned width)
{
	const uint64_t mask = ~UINT64_C(0) >> (64 - width);

	for (uint32_t g = 0; g < groups; g++)
	{
#pragma GCC unroll 8
		for (unsigned j = 0; j < 8; j++)
		{
			const uint8_t *p = in + (j * width >> 3);
			unsigned shift = j * width & 7;
			uint64_t number = load64(p) >> shift;

			if (shift + width > 64)
				number |= (uint64_t) p[8] << (64 - shift);
			out[j] = number & mask;
		}
		in += width;
		out += 8;
	}
}

#define UNPACK(w)                          \
	case w:                                \
		unpack_groups(in, groups, out, w); \
		break;
#define UNPACK4(w)  UNPACK(w) UNPACK((w) + 1) UNPACK((w) + 2) UNPACK((w) + 3)
#define UNPACK16(w) UNPACK4(w) UNPACK4((w) + 4) UNPACK4((w) + 8) UNPACK4((w) + 12)

void
codec_unpack(const uint8_t *in, const uint8_t *limit, uint32_t count, unsigned width,
			 uint64_t *out)
{
	uint8_t copy[VECTOR * 8 + 16];
	uint32_t groups = (count + 7) / 8;
	size_t size = packed_size(count, width);

	assert(count <= VECTOR && width <= 64);
	assert((size_t) (limit - in) >= size);
	if ((size_t) (limit - in) < (size_t) groups * width + 8)
	{
		memcpy(copy, in, size);
		memset(copy + size, 0, (size_t) groups * width + 8 - size);
		in = copy;
	}
	switch (width)
	{
		case 0:
			memset(out, 0, (size_t) groups * 8 * sizeof(uint64_t));
			break;
			UNPACK4(1)
			UNPACK4(5)
			UNPACK4(9)
			UNPACK4(13)
			UNPACK16(17)
			UNPACK16(33)
			UNPACK16(49)
	}
}

/* ---- places ---- */

uint8_t *
codec_put_places(uint8_t *out, const uint8_t *places, uint32_t count, uint32_t among)
{
	size_t size = places_size(count, among);

	if (size == count)
		memcpy(out, places, size);
	else
	{
		memset(out, 0, size);
		for (uint32_t i = 0; i < count; i++)
			out[places[i] / 8] |= (uint8_t) (1 << (places[i] & 7));
	}
	return out + size;
}

bool
codec_get_places(const uint8_t *in, uint32_t count, uint32_t among, uint8_t *places)
{
	size_t size = places_size(count, among);
	uint32_t found = 0;

	if (size == count)
	{
		for (uint32_t i = 0; i < count; i++)
		{
			if (in[i] >= among || (i > 0 && in[i] <= in[i - 1]))
				return false;
			places[i] = in[i];
		}
		return true;
	}
	for (uint32_t i = 0; i < among; i++)
	{
		if (in[i / 8] >> (i & 7) & 1)
		{
			if (found == count)
				return false;
			places[found++] = (uint8_t) i;
		}
	}
	return found == count;
}
