/*
 * test_http2.c
 *	  A session of HTTP/2: what its owner hears, what a client is sent, and when time or the
 *	  allowance ends it.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/serve/http2_internal.h"
#include "unit.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define CALM    NGHTTP2_ENHANCE_YOUR_CALM

/* All that the owner heard, as text, and what came out last. */
static char heard[65536];
static Http2Session *session;
static int64_t now;
static bool uses;          /* what comes of bodies */
static bool answers;       /* what is complete */
static uint32_t sent[256]; /* frames by type */
static uint32_t goaway;
static uint32_t reset_code;

static const Http2Limits limits = {.streams = 10,
								   .head_size = 4096,
								   .stream_window = 1000,
								   .connection_window = 100000,
								   .memory = 1 << 20,
								   .header_timeout = 10000,
								   .body_timeout = 30000,
								   .write_timeout = 60000,
								   .idle_timeout = 300000,
								   .ping_interval = 100000};
static const Http2Field ok = {{":status", 7}, {"200", 3}};
static const Http2Field trailer = {{"grpc-status", 11}, {"0", 1}};

static void
hear(const char *what, int32_t stream)
{
	size_t used = strlen(heard);

	snprintf(heard + used, sizeof(heard) - used, "%s%s %d", used > 0 ? ", " : "", what,
			 (int) stream);
}

static void
on_begin(void *owner, int32_t stream, const Http2Head *head)
{
	char what[200];

	snprintf(what, sizeof(what), "%.*s %.*s", (int) head->method.len, head->method.data,
			 (int) head->path.len, head->path.data);
	hear(what, stream);
	CHECK(ts_string_is(http2_field(head, "te"), "trailers"));
	CHECK(ts_string_is(head->authority, "h"));
}

static void
on_body(void *owner, int32_t stream, TsString bytes)
{
	hear("body", stream);
	if (uses)
		http2_consume(session, stream, bytes.len);
}

static void
on_complete(void *owner, int32_t stream)
{
	hear("complete", stream);
	if (!answers)
		return;
	CHECK(http2_answer(session, stream, &ok, 1));
	CHECK(http2_answer_bytes(session, stream, "hello", 5));
	CHECK(http2_answer_end(session, stream, &trailer, 1));
	CHECK(!http2_answer_end(session, stream, &trailer, 1), "only once");
}

static void
on_late(void *owner, int32_t stream)
{
	hear("late", stream);
}

static void
on_closed(void *owner, int32_t stream, bool answered)
{
	hear(answered ? "answered" : "closed", stream);
}

static const Http2Calls calls = {on_begin, on_body, on_complete, on_late, on_closed};

/* Takes what is to be sent, and counts its frames. */
static Http2State
take_output(void)
{
	static uint8_t all[1 << 20];
	size_t used = 0;
	const void *bytes;
	size_t len;

	while ((len = http2_output(session, &bytes, now)) > 0)
	{
		memcpy(all + used, bytes, len);
		used += len;
	}
	for (size_t at = 0; at + HTTP2_FRAME_HEAD <= used;)
	{
		const uint8_t *head = all + at;
		size_t left = (size_t) head[0] << 16 | (size_t) head[1] << 8 | head[2];

		sent[head[3]]++;
		if (head[3] == NGHTTP2_GOAWAY)
			goaway = head[16];
		if (head[3] == NGHTTP2_RST_STREAM)
			reset_code = head[12];
		at += HTTP2_FRAME_HEAD + left;
	}
	return http2_state(session);
}

static Http2State
give(const void *data, size_t len)
{
	http2_receive(session, data, len, now);
	return take_output();
}

static Http2State
give_frame(uint8_t type, uint8_t flags, uint8_t stream, const void *payload, size_t len)
{
	uint8_t frame[HTTP2_FRAME_HEAD + 512] = {
		0, (uint8_t) (len >> 8), (uint8_t) len, type, flags, 0, 0, 0, stream};

	memcpy(frame + HTTP2_FRAME_HEAD, payload, len);
	return give(frame, HTTP2_FRAME_HEAD + len);
}

/* POST / */
static Http2State
give_head(uint8_t flags, uint8_t stream)
{
	static const char head[] = "\x83\x86\x84\x01\x01h\0\2te\x08trailers";

	return give_frame(NGHTTP2_HEADERS, flags, stream, head, sizeof(head) - 1);
}

static void
begin(void)
{
	heard[0] = '\0';
	memset(sent, 0, sizeof(sent));
	goaway = 0xff;
	reset_code = 0xff;
	now = 1000;
	uses = true;
	answers = true;
	session = http2_session_new(&limits, &calls, NULL, now);
	CHECK(session != NULL);
	CHECK(give(PREFACE, strlen(PREFACE)) == HTTP2_GOES_ON);
	CHECK(give_frame(NGHTTP2_SETTINGS, 0, 0, "", 0) == HTTP2_GOES_ON);
	CHECK(sent[NGHTTP2_SETTINGS] == 2, "ours, and that theirs were read");
	CHECK(give_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0) == HTTP2_GOES_ON);
}

static void
end(const char *expected)
{
	http2_session_free(session);
	CHECK(strcmp(heard, expected) == 0, "%s", heard);
}

/* The timer goes off after so many ms, and no sooner. */
static Http2State
wait_for(int64_t ms)
{
	CHECK(http2_timer(session, now) == ms, "%d", (int) http2_timer(session, now));
	now += ms;
	http2_tick(session, now);
	return take_output();
}

static void
test_requests(void)
{
	begin();
	give_head(NGHTTP2_FLAG_END_HEADERS, 1);
	give_frame(NGHTTP2_DATA, 0, 1, "abc", 3);
	CHECK(give_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "", 0) == HTTP2_GOES_ON);
	CHECK(sent[NGHTTP2_HEADERS] == 2 && sent[NGHTTP2_DATA] == 1);
	answers = false;
	give_head(NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 3);
	give_head(NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 5);
	CHECK(http2_streams(session) == 2);
	CHECK(http2_answer_end(session, 5, &ok, 1));
	take_output();
	http2_reset(session, 3, NGHTTP2_CANCEL);
	take_output();
	CHECK(http2_streams(session) == 0 && sent[NGHTTP2_RST_STREAM] == 1);
	give_head(NGHTTP2_FLAG_END_HEADERS, 7);
	CHECK(http2_answer_end(session, 7, &ok, 1), "before the request is complete");
	take_output();
	CHECK(sent[NGHTTP2_RST_STREAM] == 2 && reset_code == NGHTTP2_NO_ERROR);
	end("POST / 1, body 1, complete 1, answered 1, POST / 3, complete 3, POST / 5, "
		"complete 5, answered 5, closed 3, POST / 7, answered 7");
}

static void
test_shutdown(void)
{
	begin();
	answers = false;
	give_head(NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1);
	http2_shutdown(session);
	CHECK(take_output() == HTTP2_GOES_ON && goaway == NGHTTP2_NO_ERROR);
	give_head(NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 3);
	CHECK(http2_streams(session) == 1, "what comes now is passed over");
	http2_answer_end(session, 1, &ok, 1);
	CHECK(take_output() == HTTP2_ENDS && http2_reason(session) == NULL);
	end("POST / 1, complete 1, answered 1");

	begin();
	give_head(NGHTTP2_FLAG_END_HEADERS, 1);
	end("POST / 1, closed 1");
}

static void
test_no_http2(void)
{
	static const char *const texts[] = {"GET / HTTP/1.1\r\n\r\n",
										"POST / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.1",
										"\x16\x03\x01"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		session = http2_session_new(&limits, &calls, NULL, 0);
		CHECK(http2_receive(session, texts[i], strlen(texts[i]), 0) == HTTP2_NO_HTTP2);
		CHECK(take_output() == HTTP2_NO_HTTP2);
		http2_session_free(session);
	}
}

static void
test_time(void)
{
	begin();
	CHECK(wait_for(300000) == HTTP2_ENDS, "idle");
	CHECK(goaway == NGHTTP2_NO_ERROR && http2_reason(session) == NULL);
	end("");

	begin();
	give("\0\0\x08\x06", 4);
	CHECK(wait_for(10000) == HTTP2_ENDS && http2_reason(session) != NULL, "half a frame");
	end("");

	begin();
	now += 5;
	give_head(0, 1);
	now += 4000;
	give_frame(NGHTTP2_CONTINUATION, 0, 1, "\0\1a\1b", 5);
	CHECK(wait_for(6000) == HTTP2_ENDS, "a head that goes on");
	end("");

	begin();
	give_head(NGHTTP2_FLAG_END_HEADERS, 1);
	now += 20000;
	give_frame(NGHTTP2_DATA, 0, 1, "abc", 3);
	CHECK(wait_for(30000) == HTTP2_GOES_ON, "a body that does not come");
	CHECK(http2_answer_end(session, 1, &ok, 1));
	take_output();
	end("POST / 1, body 1, late 1, answered 1");

	begin();
	answers = false;
	give_head(NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1);
	CHECK(wait_for(100000) == HTTP2_GOES_ON && sent[NGHTTP2_PING] == 1, "is it there?");
	give_frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "\0\0\0\0\0\0\0\0", 8);
	CHECK(wait_for(100000) == HTTP2_GOES_ON && sent[NGHTTP2_PING] == 2);
	CHECK(wait_for(10000) == HTTP2_ENDS, "it is not");
	end("POST / 1, complete 1, closed 1");
}

static void
test_windows(void)
{
	begin();
	give_frame(NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
	now += 7;
	give_head(NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1);
	CHECK(sent[NGHTTP2_HEADERS] == 1 && sent[NGHTTP2_DATA] == 0);
	now += 50000;
	give_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\2", 4);
	CHECK(sent[NGHTTP2_DATA] == 1, "two bytes");
	CHECK(wait_for(60000) == HTTP2_GOES_ON, "nothing was taken for so long");
	CHECK(sent[NGHTTP2_RST_STREAM] == 1 && reset_code == NGHTTP2_CANCEL);
	end("POST / 1, complete 1, closed 1");
}

/* What is used of a body may come again. */
static void
test_used(void)
{
	begin();
	give_head(NGHTTP2_FLAG_END_HEADERS, 1);
	for (int i = 0; i < 10; i++)
		give_frame(NGHTTP2_DATA, 0, 1, heard, 100);
	CHECK(sent[NGHTTP2_WINDOW_UPDATE] > 0);
	end("POST / 1, body 1, body 1, body 1, body 1, body 1, body 1, body 1, body 1, body 1, "
		"body 1, closed 1");

	begin();
	uses = false;
	memset(sent, 0, sizeof(sent));
	give_head(NGHTTP2_FLAG_END_HEADERS, 1);
	for (int i = 0; i < 2; i++)
		CHECK(give_frame(NGHTTP2_DATA, 0, 1, heard, 500) == HTTP2_GOES_ON);
	CHECK(sent[NGHTTP2_WINDOW_UPDATE] == 0 && session->unused == 1000,
		  "what is not may not");
	CHECK(http2_timer(session, now) == 100000, "the client waits for us");
	CHECK(give_frame(NGHTTP2_DATA, 0, 1, heard, 1) == HTTP2_GOES_ON);
	CHECK(sent[NGHTTP2_RST_STREAM] == 1 && reset_code == NGHTTP2_FLOW_CONTROL_ERROR);
	CHECK(session->unused == 0);
	end("POST / 1, body 1, body 1, body 1, closed 1");
}

/* How many times something can be done before the connection ends. */
static int
count_until_end(Http2State (*something)(int))
{
	int count = 0;

	while (count < 20000 && something(count) == HTTP2_GOES_ON)
		count++;
	return count;
}

static Http2State
one_ping(int count)
{
	return give_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
}

static Http2State
one_reset(int count)
{
	uint8_t head[] = {0,
					  0,
					  3,
					  NGHTTP2_HEADERS,
					  5,
					  0,
					  0,
					  (uint8_t) (count >> 7),
					  (uint8_t) (count << 1 | 1),
					  0x83,
					  0x86,
					  0x84};
	uint8_t reset[] = {0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, head[7], head[8], 0,
					   0, 0, 8};

	give(head, sizeof(head));
	return give(reset, sizeof(reset));
}

static Http2State
one_slow_ping(int count)
{
	now += 100;
	return one_ping(count);
}

static Http2State
one_empty(int count)
{
	return give_frame(NGHTTP2_DATA, 0, 1, "", 0);
}

static void
on_any(void *owner, int32_t stream, const Http2Head *head)
{
}

static void
test_allowance(void)
{
	static const Http2Calls quiet = {on_any, on_body, on_complete, on_late, on_closed};
	int count;

	begin();
	count = count_until_end(one_ping);
	CHECK(count > 1000 && count <= HTTP2_ALLOWANCE && goaway == CALM, "%d", count);
	end("");

	begin();
	CHECK(count_until_end(one_slow_ping) == 20000, "as many in a longer time");
	end("");

	begin();
	give_head(NGHTTP2_FLAG_END_HEADERS, 1);
	count = count_until_end(one_empty);
	CHECK(count > 1000 && count <= HTTP2_ALLOWANCE && goaway == CALM, "%d", count);
	end("POST / 1, closed 1");

	begin();
	session->calls = &quiet;
	count = count_until_end(one_reset);
	CHECK(count > 100 && count < 1000 && goaway == CALM, "%d", count);
	http2_session_free(session);
}

/* A head of which each byte is a large field. */
static void
test_bomb(void)
{
	uint8_t head[500];
	uint8_t stream = 1;
	Http2State state = HTTP2_GOES_ON;

	begin();
	memset(head, 0xbe, sizeof(head));
	memcpy(head, "\x83\x86\x84\x01\x01h\x40\1a\x7f\x81\1", 12);
	memset(head + 12, 'v', 256);
	state = give_frame(NGHTTP2_HEADERS, 5, stream, head, sizeof(head));
	CHECK(state == HTTP2_GOES_ON && sent[NGHTTP2_HEADERS] == 1, "refused");
	CHECK(session->fields.size <= 4096);
	for (; state == HTTP2_GOES_ON && stream < 200; stream += 2)
		state = give_frame(NGHTTP2_HEADERS, 5, stream, head, sizeof(head));
	CHECK(state == HTTP2_ENDS && goaway == CALM, "%d", stream);
	end("");
}

int
main(void)
{
	test_requests();
	test_shutdown();
	test_no_http2();
	test_time();
	test_windows();
	test_used();
	test_allowance();
	test_bomb();
	return unit_finish();
}
