/*
 * test_otlp_answer.c
 *	  What heads of OTLP requests are taken for, and answers byte by byte.
 */
#include <stdlib.h>

#include "dry_allocator.h"
#include "ts_otlp.h"
#include "unit.h"

#define TEXT(literal)                      \
	(TsString)                             \
	{                                      \
		literal "", sizeof(literal "") - 1 \
	}

/* ---- heads ---- */

static void
check_type(const char *text, int expected)
{
	TsOtlpFormat format;
	TsError err;
	TsErrorCode code = ts_otlp_content_type(text, strlen(text), &format, &err);

	CHECK((code == TS_OK ? (int) format : -1) == expected, "%s", text);
	CHECK(code == TS_OK || (code == TS_ERR_INVALID && err.message[0] != '\0'), "%s",
		  text);
}

static void
check_encoding(const char *text, int expected)
{
	TsWriteEncoding encoding;
	TsError err;
	TsErrorCode code = ts_otlp_content_encoding(text, strlen(text), &encoding, &err);

	CHECK((code == TS_OK ? (int) encoding : -1) == expected, "%s", text);
}

static void
test_heads(void)
{
	check_type("application/x-protobuf", TS_OTLP_PROTOBUF);
	check_type("application/protobuf", TS_OTLP_PROTOBUF);
	check_type("application/json", TS_OTLP_JSON);
	check_type("Application/JSON; charset=UTF-8", TS_OTLP_JSON);
	check_type("application/json;", TS_OTLP_JSON);
	check_type("\t application/X-Protobuf ;a=b;c", TS_OTLP_PROTOBUF);
	check_type("", -1);
	check_type(";application/json", -1);
	check_type("application/jsonl", -1);
	check_type("text/plain", -1);
	check_type("application/json, application/json", -1);
	CHECK(strcmp(ts_otlp_media_type(TS_OTLP_JSON), "application/json") == 0);
	CHECK(strcmp(ts_otlp_media_type(TS_OTLP_PROTOBUF), "application/x-protobuf") == 0);
	check_encoding("", TS_WRITE_PLAIN);
	check_encoding(" Identity ", TS_WRITE_PLAIN);
	check_encoding("none", TS_WRITE_PLAIN);
	check_encoding("GZIP", TS_WRITE_GZIP);
	check_encoding("x-gzip", TS_WRITE_GZIP);
	check_encoding("zstd", TS_WRITE_ZSTD);
	check_encoding("snappy", -1);
	check_encoding("deflate", -1);
	check_encoding("gzip, gzip", -1);
}

/* ---- answers ---- */

static void
check_bytes(void *data, size_t size, TsString expected, int line)
{
	CHECK(data != NULL && size == expected.len && memcmp(data, expected.data, size) == 0,
		  "line %d: %.*s", line, (int) size, (char *) data);
	free(data);
}

#define CHECK_RESPONSE(format, rejected, message, expected)            \
	do                                                                 \
	{                                                                  \
		size_t size = 0;                                               \
		void *data = ts_otlp_response(format, rejected, TEXT(message), \
									  &ts_malloc_allocator, &size);    \
                                                                       \
		check_bytes(data, size, TEXT(expected), __LINE__);             \
	} while (0)

#define CHECK_STATUS(format, code, message, retry_after, expected)            \
	do                                                                        \
	{                                                                         \
		size_t size = 0;                                                      \
		void *data = ts_otlp_status(format, code, TEXT(message), retry_after, \
									&ts_malloc_allocator, &size);             \
                                                                              \
		check_bytes(data, size, TEXT(expected), __LINE__);                    \
	} while (0)

#define TYPE "type.googleapis.com/google.rpc.RetryInfo"

static void
test_responses(void)
{
	CHECK_RESPONSE(TS_OTLP_PROTOBUF, 0, "", "");
	CHECK_RESPONSE(TS_OTLP_JSON, 0, "", "{}");
	CHECK_RESPONSE(TS_OTLP_PROTOBUF, 5, "too old", "\x0a\x0b\x08\x05\x12\x07too old");
	CHECK_RESPONSE(TS_OTLP_PROTOBUF, 300, "", "\x0a\x03\x08\xac\x02");
	CHECK_RESPONSE(TS_OTLP_PROTOBUF, 0, "a",
				   "\x0a\x03\x12\x01"
				   "a");
	CHECK_RESPONSE(TS_OTLP_JSON, 5, "too \"old\"\n",
				   "{\"partialSuccess\":{\"rejectedDataPoints\":\"5\","
				   "\"errorMessage\":\"too \\\"old\\\"\\n\"}}");
	CHECK_RESPONSE(TS_OTLP_JSON, INT64_MAX, "",
				   "{\"partialSuccess\":"
				   "{\"rejectedDataPoints\":\"9223372036854775807\"}}");
	CHECK_RESPONSE(TS_OTLP_JSON, 0, "w", "{\"partialSuccess\":{\"errorMessage\":\"w\"}}");
	/* not UTF-8: a stray byte, half a character, a surrogate */
	CHECK_RESPONSE(TS_OTLP_JSON, 0, "a\xff\xc3",
				   "{\"partialSuccess\":{\"errorMessage\":"
				   "\"a\xef\xbf\xbd\xef\xbf\xbd\"}}");
	CHECK_RESPONSE(TS_OTLP_PROTOBUF, 0, "\xc3\xa4\xe2\x82",
				   "\x0a\x0a\x12\x08\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
}

static void
test_statuses(void)
{
	CHECK_STATUS(TS_OTLP_PROTOBUF, 3, "no", 0, "\x08\x03\x12\x02no");
	CHECK_STATUS(TS_OTLP_PROTOBUF, 3, "", 0, "\x08\x03");
	CHECK_STATUS(TS_OTLP_JSON, 3, "a\\b", 0, "{\"code\":3,\"message\":\"a\\\\b\"}");
	CHECK_STATUS(TS_OTLP_JSON, 14, "full", 1,
				 "{\"code\":14,\"message\":\"full\",\"details\":[{\"@type\":\"" TYPE
				 "\",\"retryDelay\":\"1s\"}]}");
	CHECK_STATUS(TS_OTLP_PROTOBUF, 14, "full", 1,
				 "\x08\x0e\x12\x04"
				 "full\x1a\x30\x0a\x28" TYPE "\x12\x04\x0a\x02\x08\x01");
	CHECK_STATUS(TS_OTLP_PROTOBUF, 14, "", 3600,
				 "\x08\x0e\x1a\x31\x0a\x28" TYPE "\x12\x05\x0a\x03\x08\x90\x1c");
}

/* The worst text for either: all of it is escaped, or replaced. */
static void
test_long_texts(void)
{
	static char text[100000];
	static const char worst[] = {'\x01', '\xff', '"'};
	const TsString message = {text, sizeof(text)};

	for (size_t i = 0; i < sizeof(worst); i++)
	{
		for (int format = TS_OTLP_PROTOBUF; format <= TS_OTLP_JSON; format++)
		{
			size_t size;
			void *data;

			memset(text, worst[i], sizeof(text));
			data = ts_otlp_response((TsOtlpFormat) format, INT64_MAX, message,
									&ts_malloc_allocator, &size);
			CHECK(data != NULL &&
				  ts_utf8_valid_prefix(data, format * size) == format * size);
			free(data);
			data = ts_otlp_status((TsOtlpFormat) format, 16, message, INT32_MAX,
								  &ts_malloc_allocator, &size);
			CHECK(data != NULL && size > sizeof(text));
			free(data);
		}
	}
}

static void
test_no_memory(void)
{
	DryAllocator dry = {0};
	const TsAllocator allocator = {dry_alloc, dry_free, &dry};
	size_t size;

	CHECK(ts_otlp_response(TS_OTLP_JSON, 1, TEXT("a"), &allocator, &size) == NULL);
	CHECK(ts_otlp_status(TS_OTLP_PROTOBUF, 1, TEXT("a"), 0, &allocator, &size) == NULL);
}

/* ---- reading statuses ---- */

static void
check_read(TsString data, int expected_code, const char *expected)
{
	int code = -1;
	TsString message;
	bool right = ts_otlp_read_status(data.data, data.len, &code, &message);

	CHECK(right == (expected != NULL));
	CHECK(!right || (code == expected_code && ts_string_is(message, expected)), "%d",
		  code);
}

static void
test_read(void)
{
	size_t size;
	void *data = ts_otlp_status(TS_OTLP_PROTOBUF, 14, TEXT("full"), 30,
								&ts_malloc_allocator, &size);

	check_read((TsString){data, size}, 14, "full");
	for (size_t cut = 0; cut < size; cut++)
	{
		int code;
		TsString message;

		/* what is cut between two fields is a shorter message */
		CHECK(ts_otlp_read_status(data, cut, &code, &message) ==
			  (cut == 0 || cut == 2 || cut == 8));
	}
	free(data);
	check_read(TEXT(""), 0, "");
	check_read(TEXT("\x12\x01"
					"a\x12\x02"
					"bc\x08\x05\x3d"
					"abcd"),
			   5, "bc");
	check_read(TEXT("\x0b"), 0, NULL);
	check_read(TEXT("\x12\x05"
					"abc"),
			   0, NULL);
	check_read(TEXT("{\"code\":3}"), 0, NULL);
}

static void
test_codes(void)
{
	static const int codes[][2] = {
		{200, 0},  {202, 0},  {400, 3},  {401, 16}, {403, 7},  {404, 5},  {405, 12},
		{408, 4},  {413, 8},  {415, 12}, {422, 3},  {429, 14}, {431, 8},  {499, 1},
		{500, 13}, {501, 12}, {502, 14}, {503, 14}, {504, 4},  {505, 13}, {302, 2},
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		CHECK(ts_grpc_code(codes[i][0]) == codes[i][1], "%d", codes[i][0]);
}

int
main(void)
{
	test_heads();
	test_responses();
	test_statuses();
	test_long_texts();
	test_no_memory();
	test_read();
	test_codes();
	return unit_finish();
}
