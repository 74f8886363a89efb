/*
 * otlp_answer.c
 *	  What the heads of OTLP's requests say, and what their senders are told.
 *
 * Answers are in the format of the request, protobuf or JSON as proto3 maps it. Texts in them
 * are UTF-8, whatever they were made of: what is not becomes U+FFFD.
 */
#include <assert.h>
#include <stdio.h>

#include "http_text.h"
#include "ts_otlp.h"

/* What an answer has beside its text. */
#define FRAME_SIZE 256
#define RETRY_INFO "type.googleapis.com/google.rpc.RetryInfo"

/* ---- heads ---- */

TsErrorCode
ts_otlp_content_type(const char *text, size_t len, TsOtlpFormat *format, TsError *err)
{
	TsString rest = {text, len};
	const TsString type = http_cut(&rest, ';');

	if (http_is_word(type, "application/x-protobuf") ||
		http_is_word(type, "application/protobuf"))
		*format = TS_OTLP_PROTOBUF;
	else if (http_is_word(type, "application/json"))
		*format = TS_OTLP_JSON;
	else
		return http_unknown_header("content type",
								   "it is application/x-protobuf or application/json",
								   type, err);
	return TS_OK;
}

const char *
ts_otlp_media_type(TsOtlpFormat format)
{
	return format == TS_OTLP_JSON ? "application/json" : "application/x-protobuf";
}

TsErrorCode
ts_otlp_content_encoding(const char *text, size_t len, TsWriteEncoding *encoding,
						 TsError *err)
{
	const TsString word = http_trim((TsString){text, len});

	if (word.len == 0 || http_is_word(word, "identity") || http_is_word(word, "none"))
		*encoding = TS_WRITE_PLAIN;
	else if (http_is_word(word, "gzip") || http_is_word(word, "x-gzip"))
		*encoding = TS_WRITE_GZIP;
	else if (http_is_word(word, "zstd"))
		*encoding = TS_WRITE_ZSTD;
	else
		return http_unknown_header("content encoding", "it is gzip, zstd or identity",
								   word, err);
	return TS_OK;
}

/* ---- writing ---- */

/* Room for an answer is reckoned before it is written. */
typedef struct Answer
{
	uint8_t *data;
	size_t size;
	size_t room;
} Answer;

static bool
start(Answer *answer, TsString text, const TsAllocator *allocator)
{
	answer->size = 0;
	answer->room = FRAME_SIZE + text.len * TS_JSON_ESCAPE_SIZE;
	answer->data = allocator->alloc(allocator->ctx, answer->room);
	return answer->data != NULL;
}

static void
put(Answer *answer, const void *data, size_t size)
{
	assert(size <= answer->room - answer->size);
	memcpy(answer->data + answer->size, data, size);
	answer->size += size;
}

static void
put_word(Answer *answer, const char *word)
{
	put(answer, word, strlen(word));
}

static void
put_json_text(Answer *answer, const char *text, size_t len)
{
	char escaped[TS_JSON_ESCAPE_SIZE];

	for (size_t i = 0; i < len; i++)
	{
		int n = ts_json_escape(text[i], escaped);

		put(answer, n > 0 ? escaped : text + i, n > 0 ? (size_t) n : 1);
	}
}

static void
put_text(Answer *answer, TsOtlpFormat format, TsString text)
{
	while (text.len > 0)
	{
		size_t valid = ts_utf8_valid_prefix(text.data, text.len);

		if (format == TS_OTLP_JSON)
			put_json_text(answer, text.data, valid);
		else
			put(answer, text.data, valid);
		if (valid < text.len)
		{
			put_word(answer, "\xef\xbf\xbd");
			valid++;
		}
		text = (TsString){text.data + valid, text.len - valid};
	}
}

static void
put_varint(Answer *answer, uint64_t value)
{
	assert(answer->room - answer->size >= WIRE_VARINT_MAX);
	answer->size += wire_write_varint(value, answer->data + answer->size);
}

/* A field with a number; 0 is left out, as proto3 does it. */
static void
put_number(Answer *answer, int field, uint64_t value)
{
	if (value == 0)
		return;
	put_varint(answer, WIRE_TAG(field, WIRE_VARINT));
	put_varint(answer, value);
}

/* Makes all that was written from a place on the bytes of a field. */
static void
wrap(Answer *answer, int field, size_t from)
{
	const size_t inner = answer->size - from;
	uint8_t head[2 * WIRE_VARINT_MAX];
	size_t n = wire_write_varint(WIRE_TAG(field, WIRE_BYTES), head);

	n += wire_write_varint(inner, head + n);
	assert(n <= answer->room - answer->size);
	memmove(answer->data + from + n, answer->data + from, inner);
	memcpy(answer->data + from, head, n);
	answer->size += n;
}

/* ---- ExportMetricsServiceResponse ---- */

static void
put_response(Answer *answer, int64_t rejected, TsString message)
{
	size_t text;

	put_number(answer, 1, (uint64_t) rejected);
	text = answer->size;
	put_text(answer, TS_OTLP_PROTOBUF, message);
	if (answer->size > text)
		wrap(answer, 2, text);
	wrap(answer, 1, 0);
}

static void
put_json_response(Answer *answer, int64_t rejected, TsString message)
{
	char number[64];

	put_word(answer, "{\"partialSuccess\":{");
	if (rejected != 0)
	{
		snprintf(number, sizeof(number), "\"rejectedDataPoints\":\"%lld\"",
				 (long long) rejected);
		put_word(answer, number);
	}
	if (message.len > 0)
	{
		put_word(answer, rejected != 0 ? ",\"errorMessage\":\"" : "\"errorMessage\":\"");
		put_text(answer, TS_OTLP_JSON, message);
		put_word(answer, "\"");
	}
	put_word(answer, "}}");
}

void *
ts_otlp_response(TsOtlpFormat format, int64_t rejected, TsString message,
				 const TsAllocator *allocator, size_t *size)
{
	Answer answer;

	assert(rejected >= 0);
	if (!start(&answer, message, allocator))
		return NULL;
	if (rejected != 0 || message.len > 0)
	{
		if (format == TS_OTLP_JSON)
			put_json_response(&answer, rejected, message);
		else
			put_response(&answer, rejected, message);
	}
	else if (format == TS_OTLP_JSON)
		put_word(&answer, "{}");
	*size = answer.size;
	return answer.data;
}

/* ---- google.rpc.Status ---- */

/* RetryInfo within an Any: its retry_delay is a Duration, whose first field is seconds. */
static void
put_retry(Answer *answer, int retry_after)
{
	const size_t any = answer->size;
	size_t value;

	put_word(answer, RETRY_INFO);
	wrap(answer, 1, any);
	value = answer->size;
	put_number(answer, 1, (uint64_t) retry_after);
	wrap(answer, 1, value);
	wrap(answer, 2, value);
	wrap(answer, 3, any);
}

static void
put_status(Answer *answer, int grpc_code, TsString message, int retry_after)
{
	size_t text;

	put_number(answer, 1, (uint64_t) grpc_code);
	text = answer->size;
	put_text(answer, TS_OTLP_PROTOBUF, message);
	if (answer->size > text)
		wrap(answer, 2, text);
	if (retry_after > 0)
		put_retry(answer, retry_after);
}

static void
put_json_status(Answer *answer, int grpc_code, TsString message, int retry_after)
{
	char text[FRAME_SIZE / 2];

	snprintf(text, sizeof(text), "{\"code\":%d,\"message\":\"", grpc_code);
	put_word(answer, text);
	put_text(answer, TS_OTLP_JSON, message);
	put_word(answer, "\"");
	if (retry_after > 0)
	{
		snprintf(text, sizeof(text),
				 ",\"details\":[{\"@type\":\"" RETRY_INFO "\",\"retryDelay\":\"%ds\"}]",
				 retry_after);
		put_word(answer, text);
	}
	put_word(answer, "}");
}

void *
ts_otlp_status(TsOtlpFormat format, int grpc_code, TsString message, int retry_after,
			   const TsAllocator *allocator, size_t *size)
{
	Answer answer;

	assert(grpc_code >= 0);
	if (!start(&answer, message, allocator))
		return NULL;
	if (format == TS_OTLP_JSON)
		put_json_status(&answer, grpc_code, message, retry_after);
	else
		put_status(&answer, grpc_code, message, retry_after);
	*size = answer.size;
	return answer.data;
}

bool
ts_otlp_read_status(const void *data, size_t size, int *grpc_code, TsString *message)
{
	TsWire wire = {data, (const uint8_t *) data + size};
	uint64_t code = 0;

	*message = (TsString){"", 0};
	while (wire_more(&wire))
	{
		uint32_t tag;
		bool right;

		if (!wire_tag(&wire, &tag))
			return false;
		if (tag == WIRE_TAG(1, WIRE_VARINT))
			right = wire_varint(&wire, &code);
		else if (tag == WIRE_TAG(2, WIRE_BYTES))
			right = wire_string(&wire, message);
		else
			right = wire_skip(&wire, tag);
		if (!right)
			return false;
	}
	*grpc_code = (int) (int32_t) code;
	return true;
}

/* ---- statuses ---- */

/*
 * What may be sent again by one protocol's rules may be by the other's: OTLP over HTTP has
 * 429, 502, 503 and 504, and over gRPC RESOURCE_EXHAUSTED is one only with RetryInfo, so 429
 * is not that but UNAVAILABLE, and RESOURCE_EXHAUSTED is for what is too large and stays so.
 */
int
ts_grpc_code(int http_status)
{
	switch (http_status)
	{
		case 401:
			return GRPC_UNAUTHENTICATED;
		case 403:
			return GRPC_PERMISSION_DENIED;
		case 404:
			return GRPC_NOT_FOUND;
		case 405:
		case 415:
		case 501:
			return GRPC_UNIMPLEMENTED;
		case 408:
		case 504:
			return GRPC_DEADLINE_EXCEEDED;
		case 413:
		case 431:
			return GRPC_RESOURCE_EXHAUSTED;
		case 429:
		case 502:
		case 503:
			return GRPC_UNAVAILABLE;
		case 499:
			return GRPC_CANCELLED;
		default:
			break;
	}
	if (http_status >= 200 && http_status < 300)
		return GRPC_OK;
	if (http_status >= 400 && http_status < 500)
		return GRPC_INVALID_ARGUMENT;
	return http_status >= 500 ? GRPC_INTERNAL : GRPC_UNKNOWN;
}
