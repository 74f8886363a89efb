/*
 * serve_http.h
 *	  HTTP/1.1 as bytes: requests read piece by piece within limits.
 *
 * Pure C. A head is gathered whole, looked at byte by byte for what makes two readers
 * disagree about where it ends (bare line feeds, folded lines, NUL), and then read by
 * llhttp; bodies are read by llhttp as they come. What is wrong is an answer's status and
 * a sentence: the connection is of no use afterwards.
 */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include <llhttp/llhttp.h>

#include "serve_route.h"
#include "ts_base.h"

#define HTTP_MAX_HEAD    65536 /* bytes, with the request line */
#define HTTP_MAX_TARGET  16384
#define HTTP_MAX_HEADERS 100
#define HTTP_MAX_EXTRA   16384 /* trailers and extensions of chunks, of one body */

/* The header fields we look at. */
typedef enum HttpField
{
	FIELD_HOST,
	FIELD_AUTHORIZATION,
	FIELD_CONTENT_TYPE,
	FIELD_CONTENT_ENCODING,
	FIELD_ACCEPT,
	FIELD_ACCEPT_ENCODING,
	FIELD_ORIGIN,
	FIELD_USER_AGENT,
	FIELD_WRITE_VERSION,
	FIELD_TENANT, /* X-Scope-OrgID */
	FIELD_EXPECT,
	FIELD_TRANSFER_ENCODING,
	HTTP_FIELDS
} HttpField;

/* A request's head. Its texts are valid until the next call of the parser. */
typedef struct HttpHead
{
	ServeMethod method;
	bool http_1_0;
	bool keep_alive; /* the client does not want the connection closed */
	bool expects_continue;
	bool chunked;
	uint64_t length; /* of the body, if it is not chunked */
	TsString target;
	TsString path;
	TsString query;
	TsString fields[HTTP_FIELDS]; /* absent ones are empty */
} HttpHead;

typedef enum HttpEvent
{
	PARSED_MORE, /* all was taken, more is needed */
	PARSED_HEAD, /* a head is complete */
	PARSED_BODY, /* some bytes of the body */
	PARSED_END,  /* the request is complete */
	PARSED_BAD   /* see status and reason; call no more */
} HttpEvent;

typedef struct HttpParser
{
	HttpHead head;
	TsString body; /* of PARSED_BODY: within what was given */
	int status;    /* of PARSED_BAD */
	const char *reason;

	/* its own */
	int state;
	char *text; /* the head, as far as it came */
	size_t used;
	size_t size;
	size_t line;    /* where its last line begins */
	size_t extra;   /* bytes of trailers and extensions */
	int headers;    /* lines */
	HttpField last; /* the field whose value comes, or HTTP_FIELDS */
	bool seen[HTTP_FIELDS];
	llhttp_t llhttp;
} HttpParser;

extern void http_parser_init(HttpParser *parser);
extern void http_parser_free(HttpParser *parser);
/*
 * Reads on; *taken is how many bytes were. Once the head was given, PARSED_END may come
 * without any more bytes, so call again with what is left, even if that is nothing, until
 * it says PARSED_MORE.
 */
extern HttpEvent
http_parse(HttpParser *parser, const char *data, size_t len, size_t *taken);
/* Within a request: a head has begun, or its body has not ended. */
extern bool http_parser_busy(const HttpParser *parser);

#endif /* SERVE_HTTP_H */
