/*
 * grpc_text.c
 *	  gRPC as bytes: frames of messages, timeouts, messages of statuses.
 */
#include "grpc_text.h"

#include <string.h>

/* ---- messages ---- */

static TsString
take(TsString *bytes, size_t len)
{
	TsString taken = {bytes->data, len < bytes->len ? len : bytes->len};

	bytes->data += taken.len;
	bytes->len -= taken.len;
	return taken;
}

static GrpcEvent
read_prefix(GrpcFrame *frame, TsString *bytes)
{
	TsString part = take(bytes, GRPC_PREFIX - frame->have);

	if (part.len > 0)
		memcpy(frame->prefix + frame->have, part.data, part.len);
	frame->have += (uint32_t) part.len;
	if (frame->have < GRPC_PREFIX)
		return GRPC_MORE;
	frame->compressed = frame->prefix[0] != 0;
	frame->length = (uint32_t) frame->prefix[1] << 24 |
					(uint32_t) frame->prefix[2] << 16 | (uint32_t) frame->prefix[3] << 8 |
					frame->prefix[4];
	return frame->prefix[0] <= 1 ? GRPC_PREFIXED : GRPC_BAD;
}

GrpcEvent
grpc_read_frame(GrpcFrame *frame, TsString *bytes, TsString *piece)
{
	if (frame->have < GRPC_PREFIX)
		return read_prefix(frame, bytes);
	if (frame->came == frame->length)
		return GRPC_WHOLE;
	if (bytes->len == 0)
		return GRPC_MORE;
	*piece = take(bytes, frame->length - frame->came);
	frame->came += (uint32_t) piece->len;
	return GRPC_BYTES;
}

void
grpc_write_prefix(uint8_t prefix[GRPC_PREFIX], uint32_t length)
{
	prefix[0] = 0;
	prefix[1] = (uint8_t) (length >> 24);
	prefix[2] = (uint8_t) (length >> 16);
	prefix[3] = (uint8_t) (length >> 8);
	prefix[4] = (uint8_t) length;
}

/* ---- metadata ---- */

bool
grpc_is_content_type(TsString type)
{
	static const char grpc[] = "application/grpc";
	const size_t len = sizeof(grpc) - 1;

	if (type.len < len || memcmp(type.data, grpc, len) != 0)
		return false;
	take(&type, len);
	if (type.len >= 6 && memcmp(type.data, "+proto", 6) == 0)
		take(&type, 6);
	return type.len == 0 || type.data[0] == ';';
}

/* Nanoseconds in a unit of grpc-timeout; 0: there is no such unit. */
static int64_t
unit_ns(char unit)
{
	switch (unit)
	{
		case 'H':
			return INT64_C(3600000000000);
		case 'M':
			return INT64_C(60000000000);
		case 'S':
			return INT64_C(1000000000);
		case 'm':
			return 1000000;
		case 'u':
			return 1000;
		case 'n':
			return 1;
		default:
			return 0;
	}
}

/* At most 8 digits and a unit: less than 2^49 milliseconds. */
bool
grpc_read_timeout(TsString text, int64_t *ms)
{
	int64_t number = 0;
	int64_t unit;

	if (text.len < 2 || text.len > 9)
		return false;
	for (size_t i = 0; i < text.len - 1; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (text.data[i] - '0');
	}
	unit = unit_ns(text.data[text.len - 1]);
	if (unit == 0)
		return false;
	*ms = unit >= 1000000 ? number * (unit / 1000000)
						  : (number * unit + 999999) / 1000000;
	return true;
}

/* The bytes of the character of UTF-8 that begins here; a byte that begins none is one. */
static size_t
character(TsString text)
{
	size_t len = 1;

	if (((uint8_t) text.data[0] & 0xC0) != 0xC0)
		return 1;
	while (len < text.len && ((uint8_t) text.data[len] & 0xC0) == 0x80)
		len++;
	return len;
}

size_t
grpc_write_message(TsString message, char *out, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t used = 0;

	while (message.len > 0)
	{
		TsString next = take(&message, character(message));
		bool plain = next.data[0] >= ' ' && next.data[0] <= '~' && next.data[0] != '%';

		if (size - used < (plain ? 1 : next.len * 3))
			break;
		for (size_t i = 0; i < next.len; i++)
		{
			uint8_t byte = (uint8_t) next.data[i];

			if (plain)
			{
				out[used++] = (char) byte;
				continue;
			}
			out[used++] = '%';
			out[used++] = digits[byte >> 4];
			out[used++] = digits[byte & 15];
		}
	}
	return used;
}
