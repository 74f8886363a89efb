/*
 * fuzz_http2.c
 *	  A session of HTTP/2 with any client: its calls come in their order and end for every
 *	  request, bodies stay within the windows, memory within its limit, and all that is sent
 *	  are frames.
 *
 * The first byte says how the rest is meant: as bytes, or as frames of which the lengths are
 * made right; with a preface before them or not; in which pieces; and what memory there is.
 * The second says how time passes. What the owner does with a request depends on the
 * stream's number.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/serve/http2_internal.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WITHOUT_PREFACE 1
#define RAW             2
#define IN_PIECES       4
#define LITTLE_MEMORY   8
#define SLOW_READER     16

#define PREFACE        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
#define MAX_STREAMS    10
#define MAX_FRAME      16384
#define WINDOW         65535 /* until the client has acknowledged less */
#define LONG_ANSWER    40000
#define GOAWAY_LEN_MAX 256

typedef enum Habit
{
	ANSWERS_HEAD,     /* as soon as there is one, with a head alone */
	ANSWERS_COMPLETE, /* what is complete, with bytes and trailers */
	ANSWERS_BODY,     /* when bytes of a body come */
	RESETS,
	HOARDS, /* bytes of bodies, until the request is complete */
	ANSWERS_LATE,
	ANSWERS_LONG,
	NEVER_ANSWERS,
	HABITS
} Habit;

typedef struct Request
{
	int32_t stream; /* 0: the place is free */
	bool complete;
	bool answered;
	size_t held; /* bytes that were not used */
} Request;

typedef struct Owner
{
	Http2Session *session;
	Request requests[MAX_STREAMS];
	size_t held;
	uint64_t begun;
	uint64_t closed;
	uint8_t head[HTTP2_FRAME_HEAD]; /* of the frame that is sent */
	size_t head_used;
	uint32_t left;
} Owner;

static const Http2Field status = {{":status", 7}, {"200", 3}};
static const Http2Field trailers[] = {{{"grpc-status", 11}, {"0", 1}},
									  {{"grpc-message", 12}, {"", 0}}};

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static Habit
habit(int32_t stream)
{
	return (Habit) ((uint32_t) stream / 2 % HABITS);
}

static Request *
find(Owner *owner, int32_t stream)
{
	for (int i = 0; i < MAX_STREAMS; i++)
		if (owner->requests[i].stream == stream)
			return &owner->requests[i];
	return NULL;
}

static void
consume(Owner *owner, Request *request)
{
	http2_consume(owner->session, request->stream, request->held);
	owner->held -= request->held;
	request->held = 0;
}

static void
answer(Owner *owner, Request *request, size_t len)
{
	static const char bytes[LONG_ANSWER];

	if (request->answered)
		return;
	request->answered = true;
	if (http2_answer(owner->session, request->stream, &status, 1) &&
		http2_answer_bytes(owner->session, request->stream, bytes, len))
		http2_answer_end(owner->session, request->stream, trailers, len % 3);
}

static void
on_begin(void *arg, int32_t stream, const Http2Head *head)
{
	Owner *owner = arg;
	Request *request = find(owner, 0);
	size_t total = head->method.len + head->path.len + head->authority.len;

	must(request != NULL && find(owner, stream) == NULL);
	must(stream > 0 && stream % 2 == 1 && head->count <= HTTP2_MAX_FIELDS);
	for (uint32_t i = 0; i < head->count; i++)
	{
		must(head->fields[i].name.len > 0 && head->fields[i].name.data[0] != ':');
		total += head->fields[i].name.len + head->fields[i].value.len;
	}
	must(total <= owner->session->limits->head_size);
	must(http2_field(head, "absent-field").len == 0);
	*request = (Request){.stream = stream};
	owner->begun++;
	http2_set_stream(owner->session, stream, request);
	if (habit(stream) == ANSWERS_HEAD)
	{
		request->answered = true;
		http2_answer_end(owner->session, stream, &status, 1);
	}
	else if (habit(stream) == RESETS)
	{
		request->answered = true;
		http2_reset(owner->session, stream, NGHTTP2_CANCEL);
	}
}

static void
on_body(void *arg, int32_t stream, TsString bytes)
{
	Owner *owner = arg;
	Request *request = http2_stream(owner->session, stream);
	char *copy = malloc(bytes.len);

	must(request != NULL && request->stream == stream && !request->complete);
	must(!request->answered);
	memcpy(copy, bytes.data, bytes.len);
	free(copy);
	request->held += bytes.len;
	owner->held += bytes.len;
	must(request->held <= WINDOW + MAX_FRAME);
	must(owner->held <= WINDOW + MAX_FRAME);
	if (habit(stream) != HOARDS)
		consume(owner, request);
	if (habit(stream) == ANSWERS_BODY)
		answer(owner, request, bytes.len % 7);
}

static void
on_complete(void *arg, int32_t stream)
{
	Owner *owner = arg;
	Request *request = http2_stream(owner->session, stream);

	must(request != NULL && request->stream == stream);
	must(!request->complete && !request->answered);
	request->complete = true;
	if (habit(stream) == ANSWERS_COMPLETE || habit(stream) == HOARDS)
		answer(owner, request, (size_t) stream);
	else if (habit(stream) == ANSWERS_LONG)
		answer(owner, request, LONG_ANSWER);
	consume(owner, request);
}

static void
on_late(void *arg, int32_t stream)
{
	Owner *owner = arg;
	Request *request = http2_stream(owner->session, stream);

	must(request != NULL && !request->complete && !request->answered);
	answer(owner, request, 0);
}

static void
on_closed(void *arg, int32_t stream, bool answered)
{
	Owner *owner = arg;
	Request *request = find(owner, stream);

	must(request != NULL && (!answered || request->answered));
	owner->held -= request->held;
	owner->closed++;
	request->stream = 0;
}

static const Http2Calls calls = {on_begin, on_body, on_complete, on_late, on_closed};

/* Whether what is sent are frames. */
static void
look_at_output(Owner *owner, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		const uint8_t *head = owner->head;

		if (owner->left > 0)
		{
			owner->left--;
			continue;
		}
		owner->head[owner->head_used++] = data[i];
		if (owner->head_used < HTTP2_FRAME_HEAD)
			continue;
		owner->head_used = 0;
		owner->left = (uint32_t) head[0] << 16 | (uint32_t) head[1] << 8 | head[2];
		must(owner->left <= MAX_FRAME && head[3] <= NGHTTP2_CONTINUATION);
		must(head[3] != NGHTTP2_GOAWAY || owner->left <= GOAWAY_LEN_MAX);
	}
}

static Http2State
send_all(Owner *owner, int64_t now)
{
	const void *bytes;
	size_t len;

	while ((len = http2_output(owner->session, &bytes, now)) > 0)
		look_at_output(owner, bytes, len);
	must(owner->session->used <= owner->session->limits->memory);
	return http2_state(owner->session);
}

/* Every piece is a block of its own, so that reading beyond it is seen. */
static bool
give(Owner *owner, const uint8_t *data, size_t len, int64_t *now, unsigned mode,
	 unsigned step)
{
	unsigned seed = step;

	while (len > 0)
	{
		size_t part = len;
		uint8_t *piece;

		if (mode & IN_PIECES)
		{
			seed = seed * 1103515245 + 12345;
			part = 1 + (seed >> 16) % 13;
			part = part < len ? part : len;
		}
		piece = malloc(part);
		memcpy(piece, data, part);
		http2_receive(owner->session, piece, part, *now);
		free(piece);
		data += part;
		len -= part;
		*now += step;
		if (http2_timer(owner->session, *now) == 0)
			http2_tick(owner->session, *now);
		must(http2_streams(owner->session) <= MAX_STREAMS);
		if (!(mode & SLOW_READER) && send_all(owner, *now) != HTTP2_GOES_ON)
			return false;
	}
	return true;
}

/* The rest as frames: type, flags, stream, length, payload. */
static bool
give_frames(Owner *owner, const uint8_t *data, size_t size, int64_t *now, unsigned mode,
			unsigned step)
{
	while (size >= 4)
	{
		uint8_t frame[HTTP2_FRAME_HEAD + 255] = {0, 0, data[3], data[0], data[1],
												 0, 0, 0,       data[2]};
		size_t len = data[3] < size - 4 ? data[3] : size - 4;

		frame[2] = (uint8_t) len;
		memcpy(frame + HTTP2_FRAME_HEAD, data + 4, len);
		if (!give(owner, frame, HTTP2_FRAME_HEAD + len, now, mode, step))
			return false;
		data += 4 + len;
		size -= 4 + len;
	}
	return true;
}

/* What was left unanswered is answered, and nobody comes any more. */
static void
finish(Owner *owner, int64_t now)
{
	for (int i = 0; i < MAX_STREAMS; i++)
		if (owner->requests[i].stream != 0 &&
			habit(owner->requests[i].stream) == ANSWERS_LATE)
			answer(owner, &owner->requests[i], 100);
	http2_shutdown(owner->session);
	if (send_all(owner, now) != HTTP2_GOES_ON)
		return;
	/* Time ends everything. */
	for (int i = 0; i < 4 * MAX_STREAMS && http2_timer(owner->session, now) >= 0; i++)
	{
		now += http2_timer(owner->session, now);
		http2_tick(owner->session, now);
		if (send_all(owner, now) != HTTP2_GOES_ON)
			return;
	}
	must(false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Http2Limits limits = {.streams = MAX_STREAMS,
						  .head_size = 4096,
						  .stream_window = 1000,
						  .connection_window = 3000,
						  .memory = 1 << 20,
						  .header_timeout = 10000,
						  .body_timeout = 30000,
						  .write_timeout = 60000,
						  .idle_timeout = 300000,
						  .ping_interval = 20000};
	Owner owner = {0};
	int64_t now = 1;
	unsigned mode;
	unsigned step;
	bool going = true;

	if (size < 2)
		return 0;
	mode = data[0];
	step = data[1];
	if (mode & LITTLE_MEMORY)
		limits.memory = 8192 + (size_t) (mode >> 5) * 4096;
	owner.session = http2_session_new(&limits, &calls, &owner, now);
	if (owner.session == NULL)
		return 0;
	if (!(mode & WITHOUT_PREFACE))
		going = give(&owner, (const uint8_t *) PREFACE, sizeof(PREFACE) - 1, &now, mode,
					 0);
	if (going && (mode & RAW))
		going = give(&owner, data + 2, size - 2, &now, mode, step);
	else if (going)
		going = give_frames(&owner, data + 2, size - 2, &now, mode, step);
	if (going)
		finish(&owner, now);
	http2_session_free(owner.session);
	must(owner.begun == owner.closed && owner.held == 0);
	return 0;
}
