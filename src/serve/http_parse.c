/*
 * http_parse.c
 *	  Reads HTTP/1.1 requests piece by piece.
 *
 * The end of a head is where its first empty line is, and nowhere else: this file finds
 * it, having refused all that others might take for an end of line, and llhttp must agree.
 * How long a body is, only llhttp says, and it refuses what is ambiguous (two lengths, a
 * length and chunks, codings after chunked).
 */
#include <stdlib.h>

#include "http_text.h"
#include "serve_http.h"

/* Empty lines before a request that are passed over. */
#define MAX_EMPTY_LINES 4

#define FIRST_SIZE 1024

typedef enum ParserState
{
	AT_HEAD,
	AT_BODY,
	AT_END, /* of a body that is known to be over */
	FAILED
} ParserState;

typedef struct FieldInfo
{
	const char *name;
	bool list; /* may come more than once: then its values are joined */
} FieldInfo;

static const FieldInfo fields[HTTP_FIELDS] = {
	[FIELD_HOST] = {"host", false},
	[FIELD_AUTHORIZATION] = {"authorization", false},
	[FIELD_CONTENT_TYPE] = {"content-type", false},
	[FIELD_CONTENT_ENCODING] = {"content-encoding", false},
	[FIELD_ACCEPT] = {"accept", true},
	[FIELD_ACCEPT_ENCODING] = {"accept-encoding", true},
	[FIELD_ORIGIN] = {"origin", false},
	[FIELD_USER_AGENT] = {"user-agent", false},
	[FIELD_WRITE_VERSION] = {"x-prometheus-remote-write-version", false},
	[FIELD_TENANT] = {"x-scope-orgid", false},
	[FIELD_EXPECT] = {"expect", false},
	[FIELD_TRANSFER_ENCODING] = {"transfer-encoding", false}};

static int
fail(HttpParser *parser, int status, const char *reason)
{
	parser->status = status;
	parser->reason = reason;
	return HPE_USER;
}

static HttpEvent
bad(HttpParser *parser, int status, const char *reason)
{
	if (parser->status == 0)
		fail(parser, status, reason);
	parser->state = FAILED;
	return PARSED_BAD;
}

/* ---- what llhttp finds ---- */

static int
on_url(llhttp_t *llhttp, const char *at, size_t length)
{
	HttpParser *parser = llhttp->data;

	parser->head.target = (TsString){at, length};
	return 0;
}

/* Trailers are not looked at. */
static bool
in_trailers(const HttpParser *parser)
{
	return parser->state == AT_BODY;
}

static int
on_extra(llhttp_t *llhttp, const char *at, size_t length)
{
	HttpParser *parser = llhttp->data;

	parser->extra += length + 1;
	if (parser->extra > HTTP_MAX_EXTRA)
		return fail(parser, 400, "the body has too many trailers or chunk extensions");
	return 0;
}

static int
on_header_field(llhttp_t *llhttp, const char *at, size_t length)
{
	HttpParser *parser = llhttp->data;

	if (in_trailers(parser))
		return on_extra(llhttp, at, length);
	if (++parser->headers > HTTP_MAX_HEADERS)
		return fail(parser, 431, "the request has too many header fields");
	parser->last = 0;
	while (parser->last < HTTP_FIELDS &&
		   !http_is_word((TsString){at, length}, fields[parser->last].name))
		parser->last++;
	return 0;
}

/*
 * Joins two values of a list. They lie in the same head, the second behind the first, so
 * what is between them may be written over: the second moves there.
 */
static TsString
join_values(HttpParser *parser, TsString first, TsString second)
{
	size_t begin = (size_t) (first.data - parser->text);
	char *end = parser->text + begin + first.len;

	end[0] = ',';
	end[1] = ' ';
	memmove(end + 2, second.data, second.len);
	return (TsString){first.data, first.len + 2 + second.len};
}

static int
on_header_value(llhttp_t *llhttp, const char *at, size_t length)
{
	HttpParser *parser = llhttp->data;
	TsString *value;

	if (in_trailers(parser))
		return on_extra(llhttp, at, length);
	if (parser->last == HTTP_FIELDS)
		return 0;
	value = &parser->head.fields[parser->last];
	while (length > 0 && (at[length - 1] == ' ' || at[length - 1] == '\t'))
		length--;
	if (!parser->seen[parser->last])
		*value = (TsString){at, length};
	else if (fields[parser->last].list)
		*value = join_values(parser, *value, (TsString){at, length});
	else
		return fail(parser, 400, "a header field that may come only once came again");
	parser->seen[parser->last] = true;
	return 0;
}

static int
on_headers_complete(llhttp_t *llhttp)
{
	/* Nothing to be upgraded to is offered; without this llhttp would stop. */
	llhttp->upgrade = 0;
	return HPE_PAUSED;
}

static int
on_body(llhttp_t *llhttp, const char *at, size_t length)
{
	HttpParser *parser = llhttp->data;

	parser->body = (TsString){at, length};
	return 0;
}

/* Pieces of two chunks are given one by one. */
static int
on_chunk_complete(llhttp_t *llhttp)
{
	HttpParser *parser = llhttp->data;

	return parser->body.len > 0 ? HPE_PAUSED : HPE_OK;
}

static int
on_message_complete(llhttp_t *llhttp)
{
	HttpParser *parser = llhttp->data;

	parser->state = AT_END;
	return HPE_PAUSED;
}

static const llhttp_settings_t callbacks = {.on_url = on_url,
											.on_header_field = on_header_field,
											.on_header_value = on_header_value,
											.on_headers_complete = on_headers_complete,
											.on_chunk_extension_name = on_extra,
											.on_chunk_extension_value = on_extra,
											.on_body = on_body,
											.on_chunk_complete = on_chunk_complete,
											.on_message_complete = on_message_complete};

/* ---- heads ---- */

static ServeMethod
known_method(uint8_t method)
{
	switch (method)
	{
		case HTTP_GET:
			return SERVE_GET;
		case HTTP_HEAD:
			return SERVE_HEAD;
		case HTTP_POST:
			return SERVE_POST;
		case HTTP_PUT:
			return SERVE_PUT;
		case HTTP_DELETE:
			return SERVE_DELETE;
		case HTTP_OPTIONS:
			return SERVE_OPTIONS;
		default:
			return SERVE_OTHER;
	}
}

/* Behind scheme://, or NULL. */
static const char *
after_scheme(TsString target)
{
	for (size_t i = 0; i + 3 <= target.len; i++)
	{
		if (memcmp(target.data + i, "://", 3) == 0)
			return target.data + i + 3;
	}
	return NULL;
}

/* Path and query of a target in origin form, absolute form, or *. */
static bool
split_target(HttpHead *head)
{
	TsString rest = head->target;
	const char *mark;

	if (rest.len > 0 && rest.data[0] != '/' && !ts_string_is(rest, "*"))
	{
		/* what CONNECT has is no target that we could have */
		const char *host = after_scheme(rest);

		head->path = rest;
		if (host == NULL)
			return head->method == SERVE_OTHER;
		rest.len -= (size_t) (host - rest.data);
		rest.data = host;
		while (rest.len > 0 && rest.data[0] != '/' && rest.data[0] != '?')
			rest.data++, rest.len--;
	}
	if (memchr(rest.data, '#', rest.len) != NULL)
		return false;
	mark = memchr(rest.data, '?', rest.len);
	head->path = rest;
	if (mark != NULL)
	{
		head->path.len = (size_t) (mark - rest.data);
		head->query = (TsString){mark + 1, rest.len - head->path.len - 1};
	}
	if (head->path.len == 0)
		head->path = (TsString){"/", 1};
	return true;
}

static HttpEvent
check_head(HttpParser *parser)
{
	HttpHead *head = &parser->head;
	llhttp_t *llhttp = &parser->llhttp;
	TsString coding = head->fields[FIELD_TRANSFER_ENCODING];
	TsString expect = head->fields[FIELD_EXPECT];

	head->method = known_method(llhttp->method);
	if (llhttp->http_major != 1)
		return bad(parser, 505, "the server speaks HTTP/1.1");
	head->http_1_0 = llhttp->http_minor == 0;
	head->keep_alive = llhttp_should_keep_alive(llhttp);
	head->chunked = (llhttp->flags & F_CHUNKED) != 0;
	head->length = head->chunked ? 0 : llhttp->content_length;
	if (head->target.len > HTTP_MAX_TARGET)
		return bad(parser, 414, "the request's target is too long");
	if (!split_target(head))
		return bad(parser, 400, "the request's target is malformed");
	if (!head->http_1_0 && head->fields[FIELD_HOST].len == 0)
		return bad(parser, 400, "the request has no Host header field");
	if (parser->seen[FIELD_TRANSFER_ENCODING])
	{
		if (head->http_1_0)
			return bad(parser, 400, "HTTP/1.0 has no Transfer-Encoding");
		if (!http_is_word(coding, "chunked"))
			return bad(parser, 501, "the only transfer coding there is is chunked");
	}
	if (expect.len > 0 && !head->http_1_0)
	{
		if (!http_is_word(expect, "100-continue"))
			return bad(parser, 417, "the only expectation there is is 100-continue");
		head->expects_continue = head->chunked || head->length > 0;
	}
	parser->state = head->chunked || head->length > 0 ? AT_BODY : AT_END;
	return PARSED_HEAD;
}

/* What llhttp does not like, as a status and a sentence. */
static HttpEvent
refused_by_llhttp(HttpParser *parser, llhttp_errno_t error)
{
	switch (error)
	{
		case HPE_INVALID_VERSION:
		case HPE_PAUSED_H2_UPGRADE:
			return bad(parser, 505, "the server speaks HTTP/1.1");
		case HPE_INVALID_METHOD:
			return bad(parser, 400, "the request's method is malformed");
		case HPE_INVALID_URL:
			return bad(parser, 400, "the request's target is malformed");
		case HPE_INVALID_CONTENT_LENGTH:
		case HPE_UNEXPECTED_CONTENT_LENGTH:
			return bad(parser, 400, "the request's Content-Length is wrong");
		case HPE_INVALID_TRANSFER_ENCODING:
			return bad(parser, 400, "the request's Transfer-Encoding is wrong");
		case HPE_INVALID_CHUNK_SIZE:
			return bad(parser, 400, "the size of a chunk is malformed");
		default:
			return bad(parser, 400, "the request is malformed");
	}
}

/* The target stands between two single blanks. */
static bool
is_exact_line(const HttpParser *parser)
{
	TsString target = parser->head.target;
	size_t begin = strlen(llhttp_method_name(parser->llhttp.method)) + 1;

	return target.data == parser->text + begin && target.data[target.len] == ' ' &&
		   target.data[target.len + 1] == 'H';
}

static HttpEvent
read_head(HttpParser *parser)
{
	llhttp_errno_t error;

	memset(&parser->head, 0, sizeof(parser->head));
	memset(parser->seen, 0, sizeof(parser->seen));
	for (int i = 0; i < HTTP_FIELDS; i++)
		parser->head.fields[i].data = "";
	parser->head.target.data = parser->head.path.data = parser->head.query.data = "";
	parser->headers = 0;
	parser->extra = 0;
	parser->last = HTTP_FIELDS;
	llhttp_init(&parser->llhttp, HTTP_REQUEST, &callbacks);
	parser->llhttp.data = parser;

	error = llhttp_execute(&parser->llhttp, parser->text, parser->used);
	if (error != HPE_PAUSED)
		return refused_by_llhttp(parser, error);
	if (!is_exact_line(parser))
		return bad(parser, 400, "the request line is malformed");
	/* It stops at the last line feed, or behind it. */
	if (llhttp_get_error_pos(&parser->llhttp) < parser->text + parser->used - 1)
		return bad(parser, 400, "the request is malformed");
	return check_head(parser);
}

static bool
have_room(HttpParser *parser)
{
	size_t size = parser->size == 0 ? FIRST_SIZE : parser->size * 2;
	char *text;

	if (parser->used < parser->size)
		return true;
	text = realloc(parser->text, size);
	if (text == NULL)
		return false;
	parser->text = text;
	parser->size = size;
	return true;
}

/*
 * Takes one byte of a head. PARSED_HEAD: it was the last.
 */
static HttpEvent
take_byte(HttpParser *parser, char c)
{
	size_t at = parser->used;
	char before = at > 0 ? parser->text[at - 1] : '\0';

	if (c == '\0')
		return bad(parser, 400, "the request's head has a NUL byte");
	if ((c == '\n') != (before == '\r'))
		return bad(parser, 400, "a line of the request's head does not end with CR LF");
	if (at == parser->line && (c == ' ' || c == '\t'))
		return bad(parser, 400, "a line of the request's head begins with a blank");
	if (at >= HTTP_MAX_HEAD)
		return bad(parser, 431, "the request's head is too long");
	if (parser->line == 0 && at > HTTP_MAX_TARGET + 64)
		return bad(parser, 414, "the request's target is too long");
	if (!have_room(parser))
		return bad(parser, 503, "out of memory");
	parser->text[parser->used++] = c;
	if (c != '\n')
		return PARSED_MORE;
	if (parser->used == 2)
	{
		/* an empty line before the request */
		parser->used = 0;
		if (++parser->headers > MAX_EMPTY_LINES)
			return bad(parser, 400, "the request is malformed");
		return PARSED_MORE;
	}
	if (parser->used - parser->line == 2)
		return PARSED_HEAD;
	parser->line = parser->used;
	return PARSED_MORE;
}

static HttpEvent
parse_head(HttpParser *parser, const char *data, size_t len, size_t *taken)
{
	while (*taken < len)
	{
		HttpEvent event = take_byte(parser, data[(*taken)++]);

		if (event == PARSED_HEAD)
			return read_head(parser);
		if (event == PARSED_BAD)
			return event;
	}
	return PARSED_MORE;
}

/* ---- bodies ---- */

static HttpEvent
parse_body(HttpParser *parser, const char *data, size_t len, size_t *taken)
{
	llhttp_t *llhttp = &parser->llhttp;
	llhttp_errno_t error;

	while (parser->state == AT_BODY && *taken < len)
	{
		if (llhttp_get_errno(llhttp) == HPE_PAUSED)
			llhttp_resume(llhttp);
		parser->body.len = 0;
		error = llhttp_execute(llhttp, data + *taken, len - *taken);
		if (error != HPE_OK && error != HPE_PAUSED)
			return refused_by_llhttp(parser, error);
		*taken = error == HPE_OK ? len : (size_t) (llhttp_get_error_pos(llhttp) - data);
		if (parser->body.len > 0)
			return PARSED_BODY;
	}
	return PARSED_MORE;
}

/* Back to the beginning, with nothing kept: an idle connection costs little. */
static void
expect_head(HttpParser *parser)
{
	free(parser->text);
	parser->text = NULL;
	parser->used = parser->size = parser->line = 0;
	parser->headers = 0;
	parser->status = 0;
	parser->reason = NULL;
	parser->state = AT_HEAD;
}

/* ---- the parser ---- */

void
http_parser_init(HttpParser *parser)
{
	memset(parser, 0, sizeof(*parser));
	expect_head(parser);
}

void
http_parser_free(HttpParser *parser)
{
	expect_head(parser);
}

bool
http_parser_busy(const HttpParser *parser)
{
	return parser->state != AT_HEAD || parser->used > 0;
}

HttpEvent
http_parse(HttpParser *parser, const char *data, size_t len, size_t *taken)
{
	HttpEvent event = PARSED_MORE;

	*taken = 0;
	if (parser->state == AT_HEAD)
		return parse_head(parser, data, len, taken);
	if (parser->state == AT_BODY)
		event = parse_body(parser, data, len, taken);
	if (event == PARSED_MORE && parser->state == AT_END)
	{
		expect_head(parser);
		event = PARSED_END;
	}
	return event;
}
