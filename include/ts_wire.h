/*
 * ts_wire.h
 *	  The wire format of protobuf, as far as the messages that we read and write use it.
 *
 * Pure C. Every function that reads stays within the message, and returns false when the bytes end too
 * early or are not of the format. A varint has at most ten bytes and 64 bits.
 */
#ifndef TS_WIRE_H
#define TS_WIRE_H

#include "ts_base.h"

/* What is left of a message. */
typedef struct TsWire
{
	const uint8_t *next;
	const uint8_t *end;
} TsWire;

#define WIRE_VARINT  0
#define WIRE_FIXED64 1
#define WIRE_BYTES   2
#define WIRE_FIXED32 5

/* A field's number and wire type in one: what messages are written with. */
#define WIRE_TAG(field, type) ((uint32_t) (field) << 3 | (type))

#define wire_more(wire) ((wire)->next < (wire)->end)

static inline bool
wire_varint(TsWire *wire, uint64_t *value)
{
	uint64_t bits = 0;

	if (wire_more(wire) && *wire->next < 0x80)
	{
		*value = *wire->next++;
		return true;
	}
	for (int shift = 0; shift < 70 && wire_more(wire); shift += 7)
	{
		uint8_t byte = *wire->next++;

		if (shift == 63 && byte > 1)
			return false;
		bits |= (uint64_t) (byte & 0x7f) << shift;
		if (byte < 0x80)
		{
			*value = bits;
			return true;
		}
	}
	return false;
}

static inline bool
wire_tag(TsWire *wire, uint32_t *tag)
{
	uint64_t value;

	if (!wire_varint(wire, &value) || value > UINT32_MAX || value >> 3 == 0)
		return false;
	*tag = (uint32_t) value;
	return true;
}

static inline bool
wire_fixed64(TsWire *wire, uint64_t *bits)
{
	if (wire->end - wire->next < 8)
		return false;
	memcpy(bits, wire->next, 8);
	wire->next += 8;
	return true;
}

static inline bool
wire_double(TsWire *wire, double *value)
{
	uint64_t bits;

	if (!wire_fixed64(wire, &bits))
		return false;
	memcpy(value, &bits, 8);
	return true;
}

/* A run of bytes, as a message of its own. */
static inline bool
wire_message(TsWire *wire, TsWire *inner)
{
	uint64_t length;

	if (!wire_varint(wire, &length) || length > (uint64_t) (wire->end - wire->next))
		return false;
	inner->next = wire->next;
	inner->end = wire->next += length;
	return true;
}

static inline bool
wire_string(TsWire *wire, TsString *string)
{
	TsWire inner;

	if (!wire_message(wire, &inner))
		return false;
	string->data = (const char *) inner.next;
	string->len = (size_t) (inner.end - inner.next);
	return true;
}

/* Passes over the value of a field; groups are refused. */
static inline bool
wire_skip(TsWire *wire, uint32_t tag)
{
	uint64_t ignored;
	TsWire inner;

	switch (tag & 7)
	{
		case WIRE_VARINT:
			return wire_varint(wire, &ignored);
		case WIRE_FIXED64:
			return wire_fixed64(wire, &ignored);
		case WIRE_BYTES:
			return wire_message(wire, &inner);
		case WIRE_FIXED32:
			if (wire->end - wire->next < 4)
				return false;
			wire->next += 4;
			return true;
		default:
			return false;
	}
}

static inline int64_t
wire_zigzag(uint64_t value)
{
	return (int64_t) (value >> 1 ^ -(value & 1));
}

/* ---- writing ---- */

#define WIRE_VARINT_MAX 10

/* Writes a varint, returns its size. */
static inline size_t
wire_write_varint(uint64_t value, uint8_t *out)
{
	size_t n = 0;

	while (value >= 0x80)
	{
		out[n++] = (uint8_t) (value | 0x80);
		value >>= 7;
	}
	out[n++] = (uint8_t) value;
	return n;
}

static inline uint64_t
wire_to_zigzag(int64_t value)
{
	return ((uint64_t) value << 1) ^ (uint64_t) (value >> 63);
}

#endif /* TS_WIRE_H */
