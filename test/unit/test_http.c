/*
 * test_http.c
 *	  HTTP/1.1: requests, whole and in pieces, and the texts in their heads.
 */
#include <stdlib.h>
#include <string.h>

#include "http_text.h"
#include "serve_http.h"
#include "unit.h"

#define TEXT(string) (int) (string).len, (string).data

/* ---- the parser's events as a line of text ---- */

static char seen[8192];

static void
say(const char *format, ...)
{
	size_t used = strlen(seen);
	va_list args;

	va_start(args, format);
	vsnprintf(seen + used, sizeof(seen) - used, format, args);
	va_end(args);
}

static void
say_head(const HttpHead *head)
{
	say("[%d %.*s?%.*s", head->method, head->path.len < 100 ? (int) head->path.len : 100,
		head->path.data, TEXT(head->query));
	if (head->chunked)
		say(" chunked");
	if (head->length > 0)
		say(" %d", (int) head->length);
	say("%s%s%s]", head->http_1_0 ? " 1.0" : "", head->keep_alive ? "" : " close",
		head->expects_continue ? " expects" : "");
}

/* Says what was seen; false at an error, which is said too. */
static bool
say_event(const HttpParser *parser, HttpEvent event)
{
	switch (event)
	{
		case PARSED_HEAD:
			say_head(&parser->head);
			break;
		case PARSED_BODY:
			say("%.*s", TEXT(parser->body));
			break;
		case PARSED_END:
			say(".");
			break;
		case PARSED_BAD:
			say("!%d", parser->status);
			return false;
		case PARSED_MORE:
			break;
	}
	return true;
}

/* Parses bytes in pieces of a size. */
static const char *
parse_bytes(const char *data, size_t len, size_t piece)
{
	HttpParser parser;
	bool good = true;

	http_parser_init(&parser);
	seen[0] = '\0';
	for (size_t at = 0; good && at < len;)
	{
		size_t end = at + piece < len ? at + piece : len;
		HttpEvent event;

		do
		{
			size_t taken;

			event = http_parse(&parser, data + at, end - at, &taken);
			at += taken;
			good = say_event(&parser, event);
		} while (good && event != PARSED_MORE);
		if (good && at != end)
			say("{left}"), good = false;
	}
	http_parser_free(&parser);
	return seen;
}

/* Whole, byte by byte and otherwise it must come out as expected. */
static void
expect(const char *request, const char *expected)
{
	static const size_t pieces[] = {100000, 1, 2, 3, 7};
	const char *got = "";

	unit_group_begin();
	for (int i = 0; i < (int) (sizeof(pieces) / sizeof(pieces[0])); i++)
	{
		got = parse_bytes(request, strlen(request), pieces[i]);
		CHECK(strcmp(got, expected) == 0, "%s: %s, not %s", request, got, expected);
	}
	unit_group_end();
}

#define HOST "Host: a\r\n"
#define LONG_CHUNK \
	"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"

static void
test_heads(void)
{
	expect("GET / HTTP/1.1\r\n" HOST "\r\n", "[1 /?].");
	expect("\r\nGET /a?b=c&d HTTP/1.1\r\n" HOST "\r\n", "[1 /a?b=c&d].");
	expect("HEAD http://x:1/a?b HTTP/1.1\r\n" HOST "\r\n", "[2 /a?b].");
	expect("GET http://x?b HTTP/1.1\r\n" HOST "\r\n", "[1 /?b].");
	expect("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "[32 *?].");
	expect("PATCH /x HTTP/1.1\r\n" HOST "\r\n", "[64 /x?].");
	expect("GET / HTTP/1.0\r\n\r\n", "[1 /? 1.0 close].");
	expect("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "[1 /? 1.0].");
	expect("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "[1 /? close].");
	expect("GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
		   "[1 /?].");
	expect("GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n",
		   "[1 /1?].[1 /2?].");
}

static void
test_bodies(void)
{
	expect("POST / HTTP/1.1\r\n" HOST
		   "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n" HOST "\r\n",
		   "[4 /? 3]abc.[1 /?].");
	expect("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "[4 /?].");
	expect("POST / HTTP/1.1\r\n" HOST
		   "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\nab",
		   "[4 /? 2 expects]ab.");
	expect("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
		   "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\nGET / HTTP/1.1\r\n" HOST
		   "\r\n",
		   "[4 /? chunked]abcde.[1 /?].");
	expect("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		   "[4 /? chunked].");
	expect("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab", "[4 /? 5]ab");
}

/* What two readers may understand in two ways is refused. */
static void
test_smuggling(void)
{
	expect("GET / HTTP/1.1\r\n" HOST
		   "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		   "!400");
	expect("GET / HTTP/1.1\r\n" HOST
		   "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
		   "!400");
	expect("GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
		   "!400");
	expect("GET / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\n", "!400");
	expect("GET / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n", "!400");
	expect("GET / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n",
		   "!400");
	expect("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", "!501");
	expect("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n", "!400");
	expect("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", "!501");
	expect("GET / HTTP/1.1\r\n" HOST
		   "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		   "!400");
	expect("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "!400");
	expect("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", "!400");
	expect("GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", "!400");
	expect("GET / HTTP/1.1\n" HOST "\r\n", "!400");
	expect("GET / HTTP/1.1\r\n" HOST "A: b\rC: d\r\n\r\n", "!400");
	expect("GET / HTTP/1.1\r\n" HOST "A: \001\r\n\r\n", "!400");
	expect("GET / HTTP/1.1\r\n\r\n", "!400");
	expect("GET / HTTP/1.1\r\n" HOST HOST "\r\n", "!400");
	expect("GET / HTTP/1.1\r\n" HOST "Expect: more\r\n\r\n", "!417");
	expect("GET /#a HTTP/1.1\r\n" HOST "\r\n", "!400");
	expect("GET a HTTP/1.1\r\n" HOST "\r\n", "!400");
	expect("GET /\x80 HTTP/1.1\r\n" HOST "\r\n", "!400");
	expect(" GET / HTTP/1.1\r\n" HOST "\r\n", "!400");
	expect("get / HTTP/1.1\r\n" HOST "\r\n", "!400");
	expect("GET  / HTTP/1.1\r\n" HOST "\r\n", "!400");
	expect("GET / HTTP/2.0\r\n" HOST "\r\n", "!505");
	expect("GET /\r\n\r\n", "!400");
	expect("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!400");
	expect("\r\n\r\n\r\n\r\n\r\n\r\n", "!400");
	expect("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n",
		   "[4 /? chunked]!400");
	expect("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
		   "[4 /? chunked]!400");
	expect("POST / HTTP/1.1\r\n" HOST
		   "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
		   "[4 /? chunked]!400");
	CHECK(strstr(parse_bytes(LONG_CHUNK, strlen(LONG_CHUNK), 1000), "!400"), "%s", seen);
	CHECK(!strcmp(parse_bytes(LONG_CHUNK, strlen(LONG_CHUNK), 1), "[4 /? chunked]a!400"),
		  "%s", seen);
	unit_group_begin();
	CHECK(strcmp(parse_bytes("GET / HTTP/1.1\r\nA: \0b\r\n\r\n", 25, 100), "!400") == 0,
		  "%s", seen);
	unit_group_end();
}

/* A request whose parts are repeated. */
static const char *
parse_long(const char *begin, const char *repeated, int times, const char *end)
{
	size_t size = strlen(begin) + strlen(repeated) * (size_t) times + strlen(end) + 1;
	char *text = malloc(size);
	char *at = text + sprintf(text, "%s", begin);

	for (int i = 0; i < times; i++)
		at += sprintf(at, "%s", repeated);
	at += sprintf(at, "%s", end);
	parse_bytes(text, (size_t) (at - text), 1000);
	free(text);
	return seen;
}

static void
test_limits(void)
{
	const char *end = " HTTP/1.1\r\n" HOST "\r\n";
	const char *begin = "GET / HTTP/1.1\r\n" HOST;
	const char *chunked = "POST / HTTP/1.1\r\n" HOST
						  "Transfer-Encoding: chunked\r\n\r\n1";

	CHECK(strstr(parse_long("GET /", "a", HTTP_MAX_TARGET - 1, end), "]."), "%s", seen);
	CHECK(!strcmp(parse_long("GET /", "a", HTTP_MAX_TARGET, end), "!414"), "%s", seen);
	CHECK(!strcmp(parse_long("GET /", "a", 100000, ""), "!414"), "%s", seen);
	CHECK(!strcmp(parse_long(begin, "A: b\r\n", HTTP_MAX_HEADERS - 1, "\r\n"), "[1 /?]."),
		  "%s", seen);
	CHECK(!strcmp(parse_long(begin, "A: b\r\n", HTTP_MAX_HEADERS, "\r\n"), "!431"), "%s",
		  seen);
	CHECK(!strcmp(parse_long(begin, "A", 70000, "\r\n"), "!431"), "%s", seen);
	CHECK(!strcmp(parse_long(begin, "A: bbbbbbbbbbbbb\r\n", 4000, "\r\n"), "!431"), "%s",
		  seen);
	CHECK(!strcmp(parse_long(chunked, ";abcdefgh=i", 2000, "\r\n"), "[4 /? chunked]!400"),
		  "%s", seen);
	CHECK(strstr(parse_long(chunked, ";abcdefgh=i\r\na\r\n1", 2000, "\r\n"), "!400"),
		  "%s", seen);
}

static void
test_fields(void)
{
	const char *request = "GET / HTTP/1.1\r\nhost:\ta \r\nACCEPT: text/plain\r\n"
						  "X: y\r\naccept: b;q=0.5 \r\nAuthorization: Basic eA==\r\n\r\n";
	HttpParser parser;
	size_t taken;
	const TsString *fields = parser.head.fields;

	http_parser_init(&parser);
	CHECK(!http_parser_busy(&parser), "%s", "");
	CHECK(http_parse(&parser, request, strlen(request), &taken) == PARSED_HEAD, "%s", "");
	CHECK(taken == strlen(request), "%d", (int) taken);
	CHECK(http_parser_busy(&parser), "%s", "");
	CHECK(ts_string_is(fields[FIELD_HOST], "a"), "%.*s", TEXT(fields[FIELD_HOST]));
	CHECK(ts_string_is(fields[FIELD_ACCEPT], "text/plain, b;q=0.5"), "%.*s",
		  TEXT(fields[FIELD_ACCEPT]));
	CHECK(ts_string_is(fields[FIELD_AUTHORIZATION], "Basic eA=="), "%.*s",
		  TEXT(fields[FIELD_AUTHORIZATION]));
	CHECK(fields[FIELD_ORIGIN].len == 0, "%s", "");
	CHECK(http_parse(&parser, "", 0, &taken) == PARSED_END, "%s", "");
	CHECK(http_parse(&parser, "", 0, &taken) == PARSED_MORE, "%s", "");
	http_parser_free(&parser);
}

/* ---- texts ---- */

static const char *
decoded(const char *text)
{
	static char out[100];
	size_t len;

	if (!http_percent_decode((TsString){text, strlen(text)}, out, &len))
		return "(refused)";
	out[len] = '\0';
	return out;
}

static int
quality(const char *header, const char *name)
{
	return http_quality((TsString){header, strlen(header)}, name);
}

static void
test_texts(void)
{
	CHECK(!strcmp(decoded("a%20b+%c3%A9"), "a b+\xc3\xa9"), "%s", "");
	CHECK(!strcmp(decoded("%"), "(refused)"), "%s", "");
	CHECK(!strcmp(decoded("%4"), "(refused)"), "%s", "");
	CHECK(!strcmp(decoded("%4g"), "(refused)"), "%s", "");
	CHECK(!strcmp(decoded("%00"), "(refused)"), "%s", "");
	CHECK(!strcmp(decoded("%ff"), "(refused)"), "%s", "");
	CHECK(quality("gzip, deflate", "gzip") == 1000, "%s", "");
	CHECK(quality("gzip;q=0, *", "gzip") == 0, "%s", "");
	CHECK(quality("deflate", "gzip") == -1, "%s", "");
	CHECK(quality("", "gzip") == -1, "%s", "");
	CHECK(quality("a/b;v=1;q=0.25,A/B ; q=0.5", "a/b") == 500, "%s", "");
	CHECK(quality("a;q=0.123", "a") == 123, "%s", "");
	CHECK(quality("a;q=x", "a") == -1, "%s", "");
	CHECK(http_list_has("a, b", (TsString){"b", 1}), "%s", "");
	CHECK(!http_list_has("a, b", (TsString){"c", 1}), "%s", "");
	CHECK(!http_list_has("", (TsString){"", 0}), "%s", "");
	CHECK(http_list_has("*", (TsString){"c", 1}), "%s", "");
	CHECK(!strcmp(http_status_text(404), "Not Found"), "%s", "");
}

int
main(void)
{
	test_heads();
	test_bodies();
	test_smuggling();
	test_limits();
	test_fields();
	test_texts();
	return unit_finish();
}
