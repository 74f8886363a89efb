/*
 * http2_stream.c
 *	  Requests: heads gathered within their limits, bodies handed over, their end.
 *
 * What nghttp2 tells us has passed its own checks of HTTP (RFC 9113, section 8): names are in lower
 * case, pseudo-header fields are there and come first, a body is as long as it said. What
 * fails them costs the stream, and the owner hears of it by closed() at most.
 *
 * Of a head that is too large nothing more is kept, and the request is answered here; fields beyond the
 * limit are paid for, since a client can make thousands of them out of one block.
 */
#include <assert.h>

#include "http2_internal.h"

#define FIELD_OVERHEAD 32 /* as RFC 9113 counts the size of a list of fields */
#define FIRST_TEXT     1024

TsString
http2_field(const Http2Head *head, const char *name)
{
	for (uint32_t i = 0; i < head->count; i++)
		if (ts_string_is(head->fields[i].name, name))
			return head->fields[i].value;
	return (TsString){"", 0};
}

uint32_t
http2_count_fields(const Http2Head *head, const char *name)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < head->count; i++)
		count += ts_string_is(head->fields[i].name, name);
	return count;
}

/* ---- streams ---- */

Http2Stream *
http2_find_stream(const Http2Session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session->nghttp2, id);
}

void
http2_set_stream(Http2Session *session, int32_t stream, void *data)
{
	Http2Stream *found = http2_find_stream(session, stream);

	if (found != NULL)
		found->data = data;
}

void *
http2_stream(const Http2Session *session, int32_t stream)
{
	Http2Stream *found = http2_find_stream(session, stream);

	return found == NULL ? NULL : found->data;
}

static bool
create_stream(Http2Session *session, int32_t id)
{
	Http2Stream *stream = http2_alloc(session, sizeof(Http2Stream));

	if (stream == NULL)
		return false;
	*stream = (Http2Stream){
		.next = session->streams, .id = id, .body_at = session->now, .sent_at = -1};
	if (nghttp2_session_set_stream_user_data(session->nghttp2, id, stream) != 0)
	{
		http2_free(session, stream);
		return false;
	}
	if (stream->next != NULL)
		stream->next->previous = stream;
	session->streams = stream;
	session->stream_count++;
	return true;
}

void
http2_close_stream(Http2Session *session, Http2Stream *stream)
{
	if (stream->begun)
		session->calls->closed(session->owner, stream->id, stream->answered);
	if (stream->answered)
		http2_watch_earn(&session->watch, HTTP2_ANSWER_EARNS);
	session->unused -= stream->unused;
	if (!session->freeing &&
		nghttp2_session_consume_connection(session->nghttp2, stream->unused) != 0)
		http2_fail(session, "out of memory");
	nghttp2_session_set_stream_user_data(session->nghttp2, stream->id, NULL);
	if (stream->previous != NULL)
		stream->previous->next = stream->next;
	else
		session->streams = stream->next;
	if (stream->next != NULL)
		stream->next->previous = stream->previous;
	session->stream_count--;
	session->idle_at = session->now;
	http2_free(session, stream->out);
	http2_free(session, stream->trailers);
	http2_free(session, stream);
}

/* Whether the owner is to hear more of a request. */
static bool
is_wanted(const Http2Stream *stream)
{
	return stream->begun && !stream->finished && !stream->reset;
}

void
http2_consume(Http2Session *session, int32_t stream, size_t bytes)
{
	Http2Stream *found = http2_find_stream(session, stream);

	if (found == NULL || session->freeing || session->state != HTTP2_GOES_ON)
		return;
	assert(bytes <= found->unused);
	found->unused -= bytes;
	session->unused -= bytes;
	found->body_at = session->now;
	if (bytes > 0 && nghttp2_session_consume(session->nghttp2, stream, bytes) != 0)
		http2_fail(session, "out of memory");
}

/* ---- heads ---- */

static bool
make_room(Http2Session *session, size_t len)
{
	Http2Fields *fields = &session->fields;
	size_t size = fields->size == 0 ? FIRST_TEXT : fields->size;
	char *text;

	while (size - fields->used < len)
		size *= 2;
	if (size == fields->size)
		return true;
	text = http2_realloc(session, fields->text, size);
	if (text == NULL)
		return false;
	fields->text = text;
	fields->size = size;
	return true;
}

/* False: no memory. */
static bool
add_field(Http2Session *session, TsString name, TsString value)
{
	Http2Fields *fields = &session->fields;
	size_t len = name.len + value.len;

	fields->counted += len + FIELD_OVERHEAD;
	if (fields->counted > session->limits->head_size || fields->count == HTTP2_MAX_FIELDS)
		fields->too_large = true;
	if (fields->too_large)
	{
		http2_fault(session, 1);
		return true;
	}
	if (!make_room(session, len))
		return false;
	fields->at[fields->count].name = (uint32_t) fields->used;
	fields->at[fields->count].name_len = (uint32_t) name.len;
	fields->at[fields->count].value_len = (uint32_t) value.len;
	fields->count++;
	memcpy(fields->text + fields->used, name.data, name.len);
	memcpy(fields->text + fields->used + name.len, value.data, value.len);
	fields->used += len;
	return true;
}

static void
end_fields(Http2Session *session)
{
	Http2Fields *fields = &session->fields;

	if (fields->size > FIRST_TEXT)
	{
		http2_free(session, fields->text);
		fields->text = NULL;
		fields->size = 0;
	}
	fields->stream = 0;
}

static void
take_field(Http2Head *head, Http2Field *others, Http2Field field, TsString *host)
{
	if (ts_string_is(field.name, ":method"))
		head->method = field.value;
	else if (ts_string_is(field.name, ":scheme"))
		head->scheme = field.value;
	else if (ts_string_is(field.name, ":authority"))
		head->authority = field.value;
	else if (ts_string_is(field.name, ":path"))
		head->path = field.value;
	else if (ts_string_is(field.name, "host"))
		*host = field.value;
	else if (field.name.data[0] != ':')
		others[head->count++] = field;
}

static void
begin_request(Http2Session *session, Http2Stream *stream, bool ended)
{
	const TsString none = {"", 0};
	Http2Field others[HTTP2_MAX_FIELDS];
	Http2Head head = {none, none, none, none, others, 0, ended};
	const Http2Fields *fields = &session->fields;
	TsString host = none;

	for (uint32_t i = 0; i < fields->count; i++)
	{
		const char *text = fields->text + fields->at[i].name;
		uint32_t len = fields->at[i].name_len;

		take_field(&head, others,
				   (Http2Field){{text, len}, {text + len, fields->at[i].value_len}},
				   &host);
	}
	if (head.authority.len == 0)
		head.authority = host;
	stream->begun = true;
	session->calls->begin(session->owner, stream->id, &head);
}

static void
refuse_head(Http2Session *session, const Http2Stream *stream)
{
	const Http2Field status = {{":status", 7}, {"431", 3}};

	http2_answer_end(session, stream->id, &status, 1);
}

/* ---- what nghttp2 calls ---- */

static int
no_memory(Http2Session *session)
{
	http2_fail(session, "it would take too much memory");
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static bool
is_request(const nghttp2_frame *frame)
{
	return frame->hd.type == NGHTTP2_HEADERS &&
		   frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int
on_begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
	Http2Session *session = arg;
	Http2Fields *fields = &session->fields;

	if (!is_request(frame))
		return 0;
	if (!create_stream(session, frame->hd.stream_id))
		return no_memory(session);
	fields->stream = frame->hd.stream_id;
	fields->too_large = false;
	fields->counted = 0;
	fields->count = 0;
	fields->used = 0;
	return 0;
}

static int
on_header(nghttp2_session *nghttp2, const nghttp2_frame *frame, const uint8_t *name,
		  size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		  void *arg)
{
	Http2Session *session = arg;

	if (!is_request(frame) || frame->hd.stream_id != session->fields.stream)
	{
		/* a trailer: nobody asks for any */
		http2_fault(session, 1);
		return 0;
	}
	if (!add_field(session, (TsString){(const char *) name, name_len},
				   (TsString){(const char *) value, value_len}))
		return no_memory(session);
	return 0;
}

static int
on_data(nghttp2_session *nghttp2, uint8_t flags, int32_t id, const uint8_t *data,
		size_t len, void *arg)
{
	Http2Session *session = arg;
	Http2Stream *stream = http2_find_stream(session, id);

	http2_watch_earn_bytes(&session->watch, len);
	if (stream == NULL || !is_wanted(stream))
		return nghttp2_session_consume(nghttp2, id, len) == 0 ? 0 : no_memory(session);
	stream->unused += len;
	session->unused += len;
	stream->body_at = session->now;
	session->calls->body(session->owner, id, (TsString){(const char *) data, len});
	return 0;
}

static int
on_frame_recv(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
	Http2Session *session = arg;
	bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	Http2Stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	stream = http2_find_stream(session, frame->hd.stream_id);
	if (stream == NULL)
		return 0;
	stream->ended = ended;
	if (is_request(frame))
	{
		if (session->fields.too_large)
			refuse_head(session, stream);
		else
			begin_request(session, stream, ended);
		end_fields(session);
	}
	if (ended && is_wanted(stream))
		session->calls->complete(session->owner, stream->id);
	return 0;
}

static int
on_invalid_frame_recv(nghttp2_session *nghttp2, const nghttp2_frame *frame, int error,
					  void *arg)
{
	http2_fault(arg, HTTP2_FAULT_COSTS);
	return 0;
}

static int
on_frame_send(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
	Http2Session *session = arg;
	Http2Stream *stream;

	if (frame->hd.type == NGHTTP2_GOAWAY && session->reason == NULL &&
		frame->goaway.error_code != NGHTTP2_NO_ERROR)
		session->reason = nghttp2_http2_strerror(frame->goaway.error_code);
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	stream = http2_find_stream(session, frame->hd.stream_id);
	if (stream == NULL)
		return 0;
	stream->sent_at = session->now;
	if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	stream->answered = true;
	if (!stream->ended)
		http2_reset(session, stream->id, NGHTTP2_NO_ERROR);
	return 0;
}

static int
on_stream_close(nghttp2_session *nghttp2, int32_t id, uint32_t code, void *arg)
{
	Http2Session *session = arg;
	Http2Stream *stream = http2_find_stream(session, id);

	if (stream == NULL)
		return 0;
	if (!stream->answered && !stream->reset)
		http2_fault(session, HTTP2_FAULT_COSTS);
	http2_close_stream(session, stream);
	return 0;
}

void
http2_set_callbacks(nghttp2_session_callbacks *callbacks)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks,
																 on_invalid_frame_recv);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
