/*
 * codec_bytes.h
 *	  Small things all codec files need: loads and stores, varints, bit counts.
 *
 * Loads and stores are unaligned and little-endian. Cursors over input never move
 * beyond their end; a failed read leaves ok false for good and gives zeroes.
 */
#ifndef CODEC_BYTES_H
#define CODEC_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the codecs copy numbers as they lie in memory: little-endian machines only"
#endif

/* The integer a decimal is stored as gives it back by one correctly rounded division. */
#if defined(__FAST_MATH__) || __FLT_EVAL_METHOD__ == 2 || __FLT_EVAL_METHOD__ < 0
#error "the codecs need doubles that are rounded as IEEE 754 says: no -ffast-math, no x87"
#endif

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static inline void
store64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, 8);
}

static inline uint32_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline void
store32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

/* Bits needed to write v: 0 for 0. */
static inline unsigned
bit_width(uint64_t v)
{
	return v == 0 ? 0 : 64 - (unsigned) __builtin_clzll(v);
}

static inline uint64_t
zigzag(int64_t v)
{
	return ((uint64_t) v << 1) ^ (uint64_t) (v >> 63);
}

static inline int64_t
unzigzag(uint64_t v)
{
	return (int64_t) ((v >> 1) ^ (0 - (v & 1)));
}

/* Arithmetic that wraps around. */
static inline int64_t
wrap_add(int64_t a, int64_t b)
{
	return (int64_t) ((uint64_t) a + (uint64_t) b);
}

static inline int64_t
wrap_sub(int64_t a, int64_t b)
{
	return (int64_t) ((uint64_t) a - (uint64_t) b);
}

static inline int64_t
wrap_mul(int64_t a, int64_t b)
{
	return (int64_t) ((uint64_t) a * (uint64_t) b);
}

static inline uint8_t *
put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80)
	{
		*p++ = (uint8_t) (v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t) v;
	return p;
}

static inline unsigned
varint_size(uint64_t v)
{
	return v == 0 ? 1 : (bit_width(v) + 6) / 7;
}

typedef struct Cursor
{
	const uint8_t *next;
	const uint8_t *end;
	bool ok;
} Cursor;

static inline uint8_t
get_byte(Cursor *c)
{
	if (c->next == c->end)
	{
		c->ok = false;
		return 0;
	}
	return *c->next++;
}

static inline uint64_t
get_varint_slow(Cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7)
	{
		uint8_t byte = get_byte(c);

		if (shift == 63 && byte > 1)
			break;
		v |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return v;
	}
	c->ok = false;
	return 0;
}

static inline uint64_t
get_varint(Cursor *c)
{
	if (c->next != c->end && *c->next < 0x80)
		return *c->next++;
	return get_varint_slow(c);
}

static inline int64_t
get_signed(Cursor *c)
{
	return unzigzag(get_varint(c));
}

/* The next size bytes, NULL if there are not so many. */
static inline const uint8_t *
get_bytes(Cursor *c, uint64_t size)
{
	const uint8_t *p = c->next;

	if (size > (uint64_t) (c->end - c->next))
	{
		c->ok = false;
		return NULL;
	}
	c->next += size;
	return p;
}

#endif /* CODEC_BYTES_H */
