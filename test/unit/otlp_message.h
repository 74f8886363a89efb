/*
 * otlp_message.h
 *	  Messages of protobuf, made field by field.
 */
#ifndef OTLP_MESSAGE_H
#define OTLP_MESSAGE_H

#include <stdlib.h>

#include "ts_otlp.h"

/* Freed by what takes it in, or by message_free(). */
typedef struct Message
{
	uint8_t *data;
	size_t len;
	size_t room;
} Message;

static inline void
message_free(Message *message)
{
	free(message->data);
	*message = (Message){NULL, 0, 0};
}

static inline TsWire
message_wire(const Message *message)
{
	return (TsWire){message->data, message->data + message->len};
}

static inline void
message_add(Message *message, const void *data, size_t len)
{
	if (message->room - message->len < len)
	{
		message->room = 2 * (message->len + len) + 64;
		message->data = realloc(message->data, message->room);
	}
	if (len > 0)
		memcpy(message->data + message->len, data, len);
	message->len += len;
}

static inline void
message_varint(Message *message, uint64_t value)
{
	uint8_t bytes[WIRE_VARINT_MAX];

	message_add(message, bytes, wire_write_varint(value, bytes));
}

static inline void
message_number(Message *message, uint32_t field, uint64_t value)
{
	message_varint(message, WIRE_TAG(field, WIRE_VARINT));
	message_varint(message, value);
}

static inline void
message_double(Message *message, uint32_t field, double value)
{
	message_varint(message, WIRE_TAG(field, WIRE_FIXED64));
	message_add(message, &value, sizeof(value));
}

static inline void
message_bytes(Message *message, uint32_t field, const void *data, size_t len)
{
	message_varint(message, WIRE_TAG(field, WIRE_BYTES));
	message_varint(message, len);
	message_add(message, data, len);
}

static inline void
message_string(Message *message, uint32_t field, const char *text)
{
	message_bytes(message, field, text, strlen(text));
}

static inline void
message_message(Message *message, uint32_t field, Message inner)
{
	message_bytes(message, field, inner.data, inner.len);
	message_free(&inner);
}

/* ---- values ---- */

static inline Message
value_string(const char *text)
{
	Message value = {0};

	message_string(&value, 1, text);
	return value;
}

static inline Message
value_bool(bool truth)
{
	Message value = {0};

	message_number(&value, 2, truth);
	return value;
}

static inline Message
value_int(int64_t number)
{
	Message value = {0};

	message_number(&value, 3, (uint64_t) number);
	return value;
}

static inline Message
value_double(double number)
{
	Message value = {0};

	message_double(&value, 4, number);
	return value;
}

static inline Message
value_bytes(const void *data, size_t len)
{
	Message value = {0};

	message_bytes(&value, 7, data, len);
	return value;
}

static inline Message
value_empty(void)
{
	return (Message){0};
}

/* Of a message whose fields 1 are the elements. */
static inline Message
value_list(Message elements)
{
	Message value = {0};

	message_message(&value, 5, elements);
	return value;
}

/* Of a message whose fields 1 are attributes. */
static inline Message
value_map(Message entries)
{
	Message value = {0};

	message_message(&value, 6, entries);
	return value;
}

/* ---- attributes ---- */

static inline void
message_attribute(Message *message, uint32_t field, const char *key, Message value)
{
	Message attribute = {0};

	message_string(&attribute, 1, key);
	message_message(&attribute, 2, value);
	message_message(message, field, attribute);
}

/* A field of a message as attributes; the message lives on. */
static inline TsOtlpAttributes
message_attributes(const Message *message, uint32_t field)
{
	TsOtlpAttributes attributes = {
		.within = message_wire(message),
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
