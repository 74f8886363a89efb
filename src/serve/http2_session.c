/*
 * http2_session.c
 *	  A session's life: its memory, bytes in and out, its end.
 *
 * All memory, nghttp2's too, is counted against the session's limit. What nghttp2 cannot
 * get ends the session.
 *
 * Input is looked at by http2_watch.c before nghttp2 has it. nghttp2 reads no more once it
 * has found the connection at fault, and we give it no more once we have.
 */
#include <assert.h>
#include <stdlib.h>

#include "http2_internal.h"

/* ---- memory ---- */

/* Before each block its size, so that what is freed is known; keeps the alignment. */
typedef union BlockHead
{
	size_t size;
	max_align_t align;
} BlockHead;

static bool
take(Http2Session *session, size_t size)
{
	if (size > session->limits->memory || session->used > session->limits->memory - size)
		return false;
	session->used += size;
	return true;
}

void *
http2_realloc(Http2Session *session, void *memory, size_t size)
{
	BlockHead *old = memory == NULL ? NULL : (BlockHead *) memory - 1;
	size_t had = old == NULL ? 0 : old->size;
	BlockHead *block;

	if (size > SIZE_MAX - sizeof(BlockHead))
		return NULL;
	size += sizeof(BlockHead);
	if (size > had && !take(session, size - had))
		return NULL;
	block = realloc(old, size);
	if (block == NULL)
	{
		session->used -= size > had ? size - had : 0;
		return NULL;
	}
	if (size < had)
		session->used -= had - size;
	block->size = size;
	return block + 1;
}

void *
http2_alloc(Http2Session *session, size_t size)
{
	return http2_realloc(session, NULL, size);
}

void
http2_free(Http2Session *session, void *memory)
{
	BlockHead *block = memory;

	if (block == NULL)
		return;
	block--;
	assert(session->used >= block->size);
	session->used -= block->size;
	free(block);
}

static void *
memory_malloc(size_t size, void *session)
{
	return http2_alloc(session, size);
}

static void
memory_free(void *memory, void *session)
{
	http2_free(session, memory);
}

static void *
memory_calloc(size_t count, size_t size, void *session)
{
	void *memory;

	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	memory = http2_alloc(session, count * size);
	if (memory != NULL)
		memset(memory, 0, count * size);
	return memory;
}

static void *
memory_realloc(void *memory, size_t size, void *session)
{
	return http2_realloc(session, memory, size);
}

/* ---- begin and end ---- */

static bool
create_nghttp2(Http2Session *session)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	bool done = false;

	if (nghttp2_session_callbacks_new(&callbacks) == 0 &&
		nghttp2_option_new(&option) == 0)
	{
		http2_set_callbacks(callbacks);
		nghttp2_option_set_no_auto_window_update(option, 1);
		nghttp2_option_set_no_closed_streams(option, 1);
		done = nghttp2_session_server_new3(&session->nghttp2, callbacks, session, option,
										   &session->memory) == 0;
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return done;
}

/* What we expect of the client. Priorities are of no use to answers as short as ours. */
static bool
announce(Http2Session *session)
{
	const Http2Limits *limits = session->limits;
	nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->head_size},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};

	return nghttp2_submit_settings(session->nghttp2, NGHTTP2_FLAG_NONE, settings,
								   sizeof(settings) / sizeof(settings[0])) == 0 &&
		   nghttp2_session_set_local_window_size(session->nghttp2, NGHTTP2_FLAG_NONE, 0,
												 (int32_t) limits->connection_window) ==
			   0;
}

Http2Session *
http2_session_new(const Http2Limits *limits, const Http2Calls *calls, void *owner,
				  int64_t now)
{
	Http2Session *session = calloc(1, sizeof(Http2Session));

	if (session == NULL)
		return NULL;
	assert(limits->stream_window <= INT32_MAX && limits->connection_window <= INT32_MAX);
	session->limits = limits;
	session->calls = calls;
	session->owner = owner;
	session->memory = (nghttp2_mem){session, memory_malloc, memory_free, memory_calloc,
									memory_realloc};
	session->now = now;
	session->byte_at = now;
	session->idle_at = now;
	session->pinged_at = -1;
	http2_watch_init(&session->watch, now);
	if (!create_nghttp2(session) || !announce(session))
	{
		http2_session_free(session);
		return NULL;
	}
	return session;
}

void
http2_session_free(Http2Session *session)
{
	session->freeing = true;
	while (session->streams != NULL)
		http2_close_stream(session, session->streams);
	nghttp2_session_del(session->nghttp2);
	http2_free(session, session->fields.text);
	assert(session->used == 0);
	free(session);
}

void
http2_fail(Http2Session *session, const char *reason)
{
	session->state = HTTP2_ENDS;
	if (session->reason == NULL)
		session->reason = reason;
}

void
http2_terminate(Http2Session *session, uint32_t code, const char *reason)
{
	if (session->terminating)
		return;
	session->terminating = true;
	if (session->reason == NULL)
		session->reason = reason;
	if (nghttp2_session_terminate_session(session->nghttp2, code) != 0)
		http2_fail(session, "out of memory");
}

void
http2_fault(Http2Session *session, int64_t cost)
{
	session->watch.allowance -= cost;
}

/* Has the allowance been used up? */
static void
look_at_allowance(Http2Session *session)
{
	if (session->watch.allowance < 0)
		http2_terminate(session, NGHTTP2_ENHANCE_YOUR_CALM,
						"too many frames that ask for nothing");
}

void
http2_shutdown(Http2Session *session)
{
	if (session->terminating || session->state != HTTP2_GOES_ON)
		return;
	if (nghttp2_submit_goaway(session->nghttp2, NGHTTP2_FLAG_NONE,
							  nghttp2_session_get_last_proc_stream_id(session->nghttp2),
							  NGHTTP2_NO_ERROR, NULL, 0) != 0)
		http2_fail(session, "out of memory");
}

/* ---- bytes ---- */

static const char *
receive_error(ssize_t error)
{
	switch (error)
	{
		case NGHTTP2_ERR_NOMEM:
			return "it would take too much memory";
		case NGHTTP2_ERR_FLOODED:
			return "too many frames wait to be answered";
		default:
			return nghttp2_strerror((int) error);
	}
}

Http2State
http2_receive(Http2Session *session, const void *data, size_t len, int64_t now)
{
	size_t allowed;
	size_t preface;
	ssize_t taken;

	session->now = now;
	if (session->state != HTTP2_GOES_ON || session->terminating || len == 0)
		return session->state;
	session->byte_at = now;
	session->pinged_at = -1;
	http2_watch_refill(&session->watch, now);
	preface = session->watch.preface;
	if (!http2_watch_preface(&session->watch, data, len))
	{
		session->state = HTTP2_NO_HTTP2;
		return session->state;
	}
	preface = session->watch.preface - preface;
	allowed = preface;
	if (preface < len)
		allowed += http2_watch_frames(&session->watch, (const uint8_t *) data + preface,
									  len - preface, now);
	taken = nghttp2_session_mem_recv(session->nghttp2, data, allowed);
	if (taken < 0)
		http2_fail(session, receive_error(taken));
	else
		look_at_allowance(session);
	return session->state;
}

/* Answers that wait from now on have their time. */
static void
mark_waiting(Http2Session *session)
{
	for (Http2Stream *stream = session->streams; stream != NULL; stream = stream->next)
		if (stream->sent_at < 0)
			stream->sent_at = session->now;
}

size_t
http2_output(Http2Session *session, const void **data, int64_t now)
{
	const uint8_t *bytes = NULL;
	ssize_t len;

	session->now = now;
	if (session->state != HTTP2_GOES_ON)
		return 0;
	mark_waiting(session);
	len = nghttp2_session_mem_send(session->nghttp2, &bytes);
	if (len < 0)
		http2_fail(session, receive_error(len));
	else if (len == 0 && !nghttp2_session_want_read(session->nghttp2) &&
			 !nghttp2_session_want_write(session->nghttp2))
		session->state = HTTP2_ENDS;
	*data = bytes;
	return len > 0 ? (size_t) len : 0;
}

Http2State
http2_state(const Http2Session *session)
{
	return session->state;
}

const char *
http2_reason(const Http2Session *session)
{
	return session->reason;
}

uint32_t
http2_streams(const Http2Session *session)
{
	return session->stream_count;
}
