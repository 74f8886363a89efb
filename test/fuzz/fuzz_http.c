/*
 * fuzz_http.c
 *	  HTTP/1.1 from anywhere, whole and in pieces: what is read does not depend on the
 *	  pieces, stays within its limits, and lies within the bytes that were given.
 *
 * The first byte seeds the sizes of the pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "http_text.h"
#include "serve_http.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was seen; of a body its bytes, not how they came. */
typedef struct Seen
{
	uint64_t hash;
	size_t heads;
	size_t body;
	int status;
} Seen;

static void
add(Seen *seen, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		seen->hash = (seen->hash ^ bytes[i]) * UINT64_C(1099511628211);
}

static void
add_text(Seen *seen, TsString text)
{
	add(seen, text.data, text.len);
	add(seen, "|", 1);
}

static void
add_head(Seen *seen, const HttpHead *head)
{
	char *decoded = malloc(head->path.len + 1);
	size_t len;

	if (head->target.len > HTTP_MAX_TARGET || head->path.len == 0)
		abort();
	if (head->chunked && head->length > 0)
		abort();
	seen->heads++;
	add_text(seen, head->target);
	add_text(seen, head->path);
	add_text(seen, head->query);
	for (int i = 0; i < HTTP_FIELDS; i++)
		add_text(seen, head->fields[i]);
	add(seen, &head->length, sizeof(head->length));
	if (http_percent_decode(head->path, decoded, &len) && len > head->path.len)
		abort();
	if (http_quality(head->fields[FIELD_ACCEPT], "text/plain") > 1000)
		abort();
	free(decoded);
}

static void
add_event(Seen *seen, const HttpParser *parser, HttpEvent event)
{
	switch (event)
	{
		case PARSED_HEAD:
			add_head(seen, &parser->head);
			break;
		case PARSED_BODY:
			seen->body += parser->body.len;
			add(seen, parser->body.data, parser->body.len);
			break;
		case PARSED_END:
			add(seen, ".", 1);
			break;
		case PARSED_BAD:
			if (parser->status < 400 || parser->reason == NULL)
				abort();
			seen->status = parser->status;
			break;
		case PARSED_MORE:
			break;
	}
}

/* Every piece is a block of its own, so that reading beyond it is seen. */
static bool
give(HttpParser *parser, Seen *seen, const uint8_t *data, size_t len)
{
	char *piece = malloc(len);
	size_t at = 0;
	HttpEvent event;

	memcpy(piece, data, len);
	do
	{
		size_t taken;

		event = http_parse(parser, piece + at, len - at, &taken);
		if (taken > len - at)
			abort();
		at += taken;
		add_event(seen, parser, event);
	} while (event != PARSED_MORE && event != PARSED_BAD);
	if (event == PARSED_MORE && at != len)
		abort();
	free(piece);
	return event != PARSED_BAD;
}

static Seen
parse(const uint8_t *data, size_t size, unsigned seed)
{
	HttpParser parser;
	Seen seen = {0};

	http_parser_init(&parser);
	while (size > 0)
	{
		size_t len = size;

		if (seed != 0)
		{
			seed = seed * 1103515245 + 12345;
			len = 1 + (seed >> 16) % 13;
			len = len < size ? len : size;
		}
		if (!give(&parser, &seen, data, len))
			break;
		data += len;
		size -= len;
	}
	http_parser_free(&parser);
	return seen;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Seen whole;
	Seen pieces;

	if (size < 1)
		return 0;
	whole = parse(data + 1, size - 1, 0);
	pieces = parse(data + 1, size - 1, data[0] + 1u);
	if (whole.heads != pieces.heads || whole.status != pieces.status)
		abort();
	/* What comes before a fault in a body may be given or not. */
	if (whole.status == 0 && (whole.hash != pieces.hash || whole.body != pieces.body))
		abort();
	return 0;
}
