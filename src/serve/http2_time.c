/*
 * http2_time.c
 *	  What waits too long: frames and heads that do not end, bodies that do not come, answers
 *	  that are not taken, connections without a request, clients that are gone.
 *
 * One function says when each of these is due; the timer is the first of them, and a tick
 * does what is due.
 */
#include <assert.h>

#include "http2_internal.h"

#define NEVER INT64_MAX

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The preface, a frame or a head has begun and not ended. */
static int64_t
partial_due(const Http2Session *session)
{
	const Http2Watch *watch = &session->watch;

	if (watch->begun < 0)
		return NEVER;
	if (watch->type == NGHTTP2_DATA && watch->left > 0)
		return session->byte_at + session->limits->body_timeout;
	return watch->begun + session->limits->header_timeout;
}

static int64_t
idle_due(const Http2Session *session)
{
	if (session->stream_count > 0)
		return NEVER;
	return session->idle_at + session->limits->idle_timeout;
}

static int64_t
ping_due(const Http2Session *session)
{
	if (session->stream_count == 0 || session->limits->ping_interval == 0)
		return NEVER;
	if (session->pinged_at >= 0)
		return session->pinged_at + session->limits->header_timeout;
	return session->byte_at + session->limits->ping_interval;
}

/* While the owner has bytes that it has not used, the client may be unable to send. */
static int64_t
body_due(const Http2Session *session, const Http2Stream *stream)
{
	if (!stream->begun || stream->ended || stream->late || stream->finished ||
		stream->reset || session->unused > 0)
		return NEVER;
	return stream->body_at + session->limits->body_timeout;
}

static int64_t
answer_due(const Http2Session *session, const Http2Stream *stream)
{
	if (stream->answered || stream->reset || stream->sent_at < 0 ||
		(stream->out_done == stream->out_used && !stream->finished))
		return NEVER;
	return stream->sent_at + session->limits->write_timeout;
}

int64_t
http2_timer(const Http2Session *session, int64_t now)
{
	int64_t due = earlier(partial_due(session),
						  earlier(idle_due(session), ping_due(session)));

	if (session->state != HTTP2_GOES_ON || session->terminating)
		return -1;
	for (const Http2Stream *stream = session->streams; stream != NULL;
		 stream = stream->next)
		due = earlier(due,
					  earlier(body_due(session, stream), answer_due(session, stream)));
	if (due == NEVER)
		return -1;
	return due > now ? due - now : 0;
}

static void
ping(Http2Session *session)
{
	if (session->pinged_at >= 0)
	{
		http2_terminate(session, NGHTTP2_NO_ERROR, "the client does not answer");
		return;
	}
	session->pinged_at = session->now;
	if (nghttp2_submit_ping(session->nghttp2, NGHTTP2_FLAG_NONE, NULL) != 0)
		http2_fail(session, "out of memory");
}

static void
tick_streams(Http2Session *session)
{
	Http2Stream *next;

	for (Http2Stream *stream = session->streams; stream != NULL; stream = next)
	{
		next = stream->next;
		if (answer_due(session, stream) <= session->now)
			http2_reset(session, stream->id, NGHTTP2_CANCEL);
		else if (body_due(session, stream) <= session->now)
		{
			stream->late = true;
			session->calls->late(session->owner, stream->id);
		}
	}
}

Http2State
http2_tick(Http2Session *session, int64_t now)
{
	session->now = now;
	if (session->state != HTTP2_GOES_ON || session->terminating)
		return session->state;
	if (partial_due(session) <= now)
		http2_terminate(session, NGHTTP2_NO_ERROR, "what has begun does not end");
	else if (idle_due(session) <= now)
		http2_terminate(session, NGHTTP2_NO_ERROR, NULL);
	else if (ping_due(session) <= now)
		ping(session);
	tick_streams(session);
	return session->state;
}
