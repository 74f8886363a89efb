/*
 * http2_watch.c
 *	  Frames as they come: what they cost a client's allowance, and whether something has
 *	  begun that has not ended.
 *
 * Only the nine bytes before a frame's payload are looked at, and whether they are right is
 * for nghttp2 to say. What matters here is that it is known of every byte, before it is
 * read, which frame it belongs to: so neither depends on how nghttp2 counts, nor on
 * how the bytes come in pieces.
 */
#include <assert.h>

#include "http2_internal.h"

#define PREFACE     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_LEN (sizeof(PREFACE) - 1)

void
http2_watch_init(Http2Watch *watch, int64_t now)
{
	*watch = (Http2Watch){.begun = now, .allowance = HTTP2_ALLOWANCE, .refilled = now};
}

void
http2_watch_earn(Http2Watch *watch, int64_t earned)
{
	watch->allowance += earned;
	if (watch->allowance > HTTP2_ALLOWANCE)
		watch->allowance = HTTP2_ALLOWANCE;
}

void
http2_watch_earn_bytes(Http2Watch *watch, size_t bytes)
{
	bytes += watch->bytes;
	watch->bytes = bytes % HTTP2_BYTES_EARN;
	http2_watch_earn(watch, (int64_t) (bytes / HTTP2_BYTES_EARN));
}

void
http2_watch_refill(Http2Watch *watch, int64_t now)
{
	int64_t passed = now - watch->refilled;
	int64_t enough = HTTP2_ALLOWANCE * INT64_C(1000) / HTTP2_REFILL;
	int64_t given;

	if (passed <= 0)
		return;
	given = (passed < enough ? passed : enough) * HTTP2_REFILL / 1000;
	if (given == 0)
		return;
	http2_watch_earn(watch, given);
	watch->refilled = now;
}

bool
http2_watch_preface(Http2Watch *watch, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len && watch->preface < PREFACE_LEN; i++)
	{
		if (data[i] != (uint8_t) PREFACE[watch->preface])
			return false;
		watch->preface++;
		if (watch->preface == PREFACE_LEN)
			watch->begun = -1;
	}
	return true;
}

static int64_t
cost(uint8_t type)
{
	switch (type)
	{
		case NGHTTP2_HEADERS:
			return 2;
		case NGHTTP2_CONTINUATION:
			return HTTP2_FAULT_COSTS;
		case NGHTTP2_SETTINGS:
			return 5;
		default:
			return 1;
	}
}

/* The nine bytes are there. False: the frame is not paid for. */
static bool
begin_frame(Http2Watch *watch)
{
	const uint8_t *head = watch->head;

	watch->head_used = 0;
	watch->left = (uint32_t) head[0] << 16 | (uint32_t) head[1] << 8 | head[2];
	watch->type = head[3];
	if (watch->type == NGHTTP2_HEADERS || watch->type == NGHTTP2_CONTINUATION)
		watch->in_fields = (head[4] & NGHTTP2_FLAG_END_HEADERS) == 0;
	watch->allowance -= cost(watch->type);
	return watch->allowance >= 0;
}

size_t
http2_watch_frames(Http2Watch *watch, const uint8_t *data, size_t len, int64_t now)
{
	size_t at = 0;

	assert(watch->preface == PREFACE_LEN);
	while (at < len)
	{
		size_t part = len - at;

		if (watch->left > 0)
		{
			part = part < watch->left ? part : watch->left;
			watch->left -= (uint32_t) part;
		}
		else
		{
			size_t wanted = HTTP2_FRAME_HEAD - watch->head_used;

			part = part < wanted ? part : wanted;
			memcpy(watch->head + watch->head_used, data + at, part);
			watch->head_used += (uint32_t) part;
			if (watch->begun < 0)
				watch->begun = now;
			if (watch->head_used == HTTP2_FRAME_HEAD && !begin_frame(watch))
				return at;
		}
		at += part;
		if (watch->head_used == 0 && watch->left == 0 && !watch->in_fields)
			watch->begun = -1;
	}
	return len;
}
