/*
 * http2_answer.c
 *	  Answers: a head, bytes as the client's windows let them go, trailers.
 */
#include <assert.h>

#include "http2_internal.h"

/* Before a trailer's name and value. */
typedef struct TrailerHead
{
	uint32_t name;
	uint32_t value;
} TrailerHead;

/* A stream that can be answered, or NULL. */
static Http2Stream *
find_open(const Http2Session *session, int32_t id)
{
	Http2Stream *stream;

	if (session->freeing || session->state != HTTP2_GOES_ON)
		return NULL;
	stream = http2_find_stream(session, id);
	return stream == NULL || stream->finished || stream->reset ? NULL : stream;
}

void
http2_reset(Http2Session *session, int32_t stream, uint32_t code)
{
	Http2Stream *found;

	if (session->freeing || session->state != HTTP2_GOES_ON)
		return;
	found = http2_find_stream(session, stream);
	if (found == NULL || found->reset)
		return;
	found->reset = true;
	if (nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, stream, code) != 0)
		http2_fail(session, "out of memory");
}

/* False, after a reset, for lack of memory. */
static bool
or_reset(Http2Session *session, const Http2Stream *stream, bool done)
{
	if (!done)
		http2_reset(session, stream->id, NGHTTP2_INTERNAL_ERROR);
	return done;
}

static nghttp2_nv
name_value(TsString name, TsString value)
{
	return (nghttp2_nv){.name = (uint8_t *) name.data,
						.value = (uint8_t *) value.data,
						.namelen = name.len,
						.valuelen = value.len,
						.flags = NGHTTP2_NV_FLAG_NONE};
}

/* ---- what goes out ---- */

static bool
submit_trailers(Http2Session *session, const Http2Stream *stream)
{
	nghttp2_nv list[HTTP2_MAX_FIELDS];
	const char *at = stream->trailers;

	for (uint32_t i = 0; i < stream->trailer_count; i++)
	{
		TrailerHead head;

		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		list[i] = name_value((TsString){at, head.name},
							 (TsString){at + head.name, head.value});
		at += head.name + head.value;
	}
	return nghttp2_submit_trailer(session->nghttp2, stream->id, list,
								  stream->trailer_count) == 0;
}

/* nghttp2 asks for bytes of an answer, at most as many as the windows let go. */
static ssize_t
read_answer(nghttp2_session *nghttp2, int32_t id, uint8_t *data, size_t len,
			uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	Http2Session *session = arg;
	Http2Stream *stream = http2_find_stream(session, id);
	size_t left;

	if (stream == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	left = stream->out_used - stream->out_done;
	if (left == 0 && !stream->finished)
		return NGHTTP2_ERR_DEFERRED;
	len = len < left ? len : left;
	if (len > 0)
		memcpy(data, stream->out + stream->out_done, len);
	stream->out_done += len;
	if (stream->out_done < stream->out_used)
		return (ssize_t) len;
	http2_free(session, stream->out);
	stream->out = NULL;
	stream->out_done = stream->out_used = stream->out_size = 0;
	if (!stream->finished)
		return (ssize_t) len;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (stream->trailer_count > 0)
	{
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (!submit_trailers(session, stream))
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	return (ssize_t) len;
}

/* There is more to be sent than before. */
static bool
resume(Http2Session *session, Http2Stream *stream)
{
	stream->sent_at = -1;
	/* It may have been asked for no bytes yet, which is no error. */
	return nghttp2_session_resume_data(session->nghttp2, stream->id) != NGHTTP2_ERR_NOMEM;
}

/* ---- what is to go out ---- */

static bool
submit_head(Http2Session *session, Http2Stream *stream, const Http2Field *fields,
			uint32_t count, bool alone)
{
	const nghttp2_data_provider provider = {.read_callback = read_answer};
	nghttp2_nv list[HTTP2_MAX_FIELDS];

	assert(count > 0 && count <= HTTP2_MAX_FIELDS);
	for (uint32_t i = 0; i < count; i++)
		list[i] = name_value(fields[i].name, fields[i].value);
	stream->head_given = true;
	stream->sent_at = -1;
	return nghttp2_submit_response(session->nghttp2, stream->id, list, count,
								   alone ? NULL : &provider) == 0;
}

bool
http2_answer(Http2Session *session, int32_t stream, const Http2Field *fields,
			 uint32_t count)
{
	Http2Stream *found = find_open(session, stream);

	if (found == NULL)
		return false;
	assert(!found->head_given);
	return or_reset(session, found, submit_head(session, found, fields, count, false));
}

static bool
append(Http2Session *session, Http2Stream *stream, const void *data, size_t len)
{
	if (stream->out_size - stream->out_used < len)
	{
		size_t size = stream->out_used + len;
		char *out;

		if (size < len)
			return false;
		out = http2_realloc(session, stream->out, size);
		if (out == NULL)
			return false;
		stream->out = out;
		stream->out_size = size;
	}
	memcpy(stream->out + stream->out_used, data, len);
	stream->out_used += len;
	return true;
}

bool
http2_answer_bytes(Http2Session *session, int32_t stream, const void *data, size_t len)
{
	Http2Stream *found = find_open(session, stream);

	if (found == NULL)
		return false;
	assert(found->head_given);
	if (len == 0)
		return true;
	return or_reset(session, found,
					append(session, found, data, len) && resume(session, found));
}

static bool
keep_trailers(Http2Session *session, Http2Stream *stream, const Http2Field *fields,
			  uint32_t count)
{
	size_t size = 0;
	char *at;

	assert(count <= HTTP2_MAX_FIELDS);
	for (uint32_t i = 0; i < count; i++)
		size += sizeof(TrailerHead) + fields[i].name.len + fields[i].value.len;
	if (size == 0)
		return true;
	at = http2_alloc(session, size);
	if (at == NULL)
		return false;
	stream->trailers = at;
	stream->trailer_count = count;
	for (uint32_t i = 0; i < count; i++)
	{
		const Http2Field *field = &fields[i];
		TrailerHead head = {(uint32_t) field->name.len, (uint32_t) field->value.len};

		memcpy(at, &head, sizeof(head));
		at += sizeof(head);
		memcpy(at, field->name.data, field->name.len);
		at += field->name.len;
		if (field->value.len > 0)
			memcpy(at, field->value.data, field->value.len);
		at += field->value.len;
	}
	return true;
}

bool
http2_answer_end(Http2Session *session, int32_t stream, const Http2Field *fields,
				 uint32_t count)
{
	Http2Stream *found = find_open(session, stream);
	bool done;

	if (found == NULL)
		return false;
	if (found->head_given)
		done = keep_trailers(session, found, fields, count) && resume(session, found);
	else
		done = submit_head(session, found, fields, count, true);
	found->finished = done;
	return or_reset(session, found, done);
}
