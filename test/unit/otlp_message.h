/*
 * otlp_message.h
 *	  Attributes with values of any kind, as messages and as those who read them have them.
 *
 * A message that is given to a function is taken in, and freed.
 */
#ifndef OTLP_MESSAGE_H
#define OTLP_MESSAGE_H

#include "otlp_build.h"
#include "ts_otlp.h"

static inline TsWire
bytes_wire(const Bytes *bytes)
{
	return (TsWire){bytes->data, bytes->data + bytes->n};
}

static inline void
put_taken(Bytes *out, int field, Bytes message)
{
	put_message(out, field, &message);
	bytes_free(&message);
}

/* ---- values ---- */

static inline Bytes
value_string(const char *text)
{
	Bytes value = {0};

	put_text(&value, 1, text);
	return value;
}

static inline Bytes
value_bool(bool truth)
{
	Bytes value = {0};

	put_number(&value, 2, truth);
	return value;
}

static inline Bytes
value_int(int64_t number)
{
	Bytes value = {0};

	put_number(&value, 3, (uint64_t) number);
	return value;
}

static inline Bytes
value_double(double number)
{
	Bytes value = {0};

	put_double(&value, 4, number);
	return value;
}

static inline Bytes
value_bytes(const void *data, size_t len)
{
	Bytes value = {0};

	put_bytes(&value, 7, data, len);
	return value;
}

static inline Bytes
value_empty(void)
{
	return (Bytes){0};
}

/* Of a message whose fields 1 are the elements. */
static inline Bytes
value_list(Bytes elements)
{
	Bytes value = {0};

	put_taken(&value, 5, elements);
	return value;
}

/* Of a message whose fields 1 are attributes. */
static inline Bytes
value_map(Bytes entries)
{
	Bytes value = {0};

	put_taken(&value, 6, entries);
	return value;
}

/* ---- attributes ---- */

static inline void
put_value(Bytes *out, int field, const char *key, Bytes value)
{
	Bytes attribute = {0};

	put_text(&attribute, 1, key);
	put_taken(&attribute, 2, value);
	put_taken(out, field, attribute);
}

/* A field of a message as attributes; the message lives on. */
static inline TsOtlpAttributes
attributes_of(const Bytes *message, uint32_t field)
{
	TsOtlpAttributes attributes = {
		.within = bytes_wire(message),
		.tag = WIRE_TAG(field, WIRE_BYTES),
		.together = true,
	};
	TsWire wire = attributes.within;

	while (wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag;

		if (!wire_tag(&wire, &tag) || !wire_skip(&wire, tag))
			abort();
		if (tag != attributes.tag)
			continue;
		if (attributes.count++ == 0)
			attributes.run.next = from;
		else if (attributes.run.end != from)
			attributes.together = false;
		attributes.run.end = wire.next;
	}
	return attributes;
}

#endif /* OTLP_MESSAGE_H */
