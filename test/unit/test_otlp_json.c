/*
 * test_otlp_json.c
 *	  OTLP's JSON mapping: what it becomes, byte by byte, and what is refused where.
 *
 * A case is a part of a request, some members of one kind of message; what is around it is
 * put there by its place, in the text and in what is expected.
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
#define LIMIT ((size_t) 1 << 26)

/* ---- places ---- */

typedef struct Place
{
	const char *before;
	const char *after;
	int fields[8]; /* of the messages around, from the outside, with 0 at the end */
} Place;

#define METRIC_BEFORE "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{"
#define METRIC_AFTER  "}]}]}]}"

static const Place request = {"{", "}", {0}};
static const Place resource = {
	"{\"resourceMetrics\":[{\"resource\":{", "}}]}", {1, 1, 0}};
static const Place scope = {
	"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"scope\":{", "}}]}]}", {1, 2, 1, 0}};
static const Place value = {
	"{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"value\":{",
	"}}]}}]}",
	{1, 1, 1, 2, 0}};
static const Place metric = {METRIC_BEFORE, METRIC_AFTER, {1, 2, 2, 0}};
static const Place sum = {METRIC_BEFORE "\"sum\":{", "}" METRIC_AFTER, {1, 2, 2, 7, 0}};
static const Place point = {
	METRIC_BEFORE "\"gauge\":{\"dataPoints\":[{", "}]}" METRIC_AFTER, {1, 2, 2, 5, 1, 0}};
static const Place exemplar = {METRIC_BEFORE
							   "\"gauge\":{\"dataPoints\":[{\"exemplars\":[{",
							   "}]}]}" METRIC_AFTER,
							   {1, 2, 2, 5, 1, 5, 0}};
static const Place histogram = {METRIC_BEFORE "\"histogram\":{\"dataPoints\":[{",
								"}]}" METRIC_AFTER,
								{1, 2, 2, 9, 1, 0}};
static const Place exponential = {METRIC_BEFORE
								  "\"exponentialHistogram\":{\"dataPoints\":[{",
								  "}]}" METRIC_AFTER,
								  {1, 2, 2, 10, 1, 0}};
static const Place summary = {METRIC_BEFORE "\"summary\":{\"dataPoints\":[{",
							  "}]}" METRIC_AFTER,
							  {1, 2, 2, 11, 1, 0}};

/* The text of a part at its place. */
static TsString
whole_text(const Place *place, TsString part)
{
	size_t before = strlen(place->before);
	size_t after = strlen(place->after);
	char *text = malloc(before + part.len + after);

	memcpy(text, place->before, before);
	memcpy(text + before, part.data, part.len);
	memcpy(text + before + part.len, place->after, after);
	return (TsString){text, before + part.len + after};
}

/* The bytes of a part at its place. */
static TsString
whole_bytes(const Place *place, TsString part)
{
	size_t room = part.len + 8 * 2 * WIRE_VARINT_MAX;
	uint8_t *end = (uint8_t *) malloc(room) + room;
	uint8_t *at = end - part.len;
	uint8_t *bytes;
	int depth = 0;

	memcpy(at, part.data, part.len);
	while (place->fields[depth] != 0)
		depth++;
	while (depth-- > 0)
	{
		uint8_t head[2 * WIRE_VARINT_MAX];
		size_t n = wire_write_varint(WIRE_TAG(place->fields[depth], WIRE_BYTES), head);

		n += wire_write_varint((uint64_t) (end - at), head + n);
		at -= n;
		memcpy(at, head, n);
	}
	bytes = malloc((size_t) (end - at) + 1);
	memcpy(bytes, at, (size_t) (end - at));
	free(end - room);
	return (TsString){(char *) bytes, (size_t) (end - at)};
}

static void
check_at(const Place *place, TsString part, TsString expected_part, int line)
{
	TsString text = whole_text(place, part);
	TsString expected = whole_bytes(place, expected_part);
	const void *data = NULL;
	size_t size = 0;
	TsError err = {0};
	TsErrorCode code = ts_otlp_from_json(text.data, text.len, LIMIT, &ts_malloc_allocator,
										 &data, &size, &err);

	CHECK(code == TS_OK && size == expected.len && memcmp(data, expected.data, size) == 0,
		  "line %d: %.*s: %s", line, (int) (part.len < 200 ? part.len : 200), part.data,
		  err.message);
	if (code == TS_OK)
		free((void *) data);
	free((void *) text.data);
	free((void *) expected.data);
}

/* The error's column counts from the part on; 0: it is not looked at. */
static void
check_error_at(const Place *place, TsString part, int column, const char *message,
			   int line)
{
	TsString text = whole_text(place, part);
	const void *data = NULL;
	size_t size = 0;
	TsError err = {0};
	TsErrorCode code = ts_otlp_from_json(text.data, text.len, LIMIT, &ts_malloc_allocator,
										 &data, &size, &err);

	CHECK(code == TS_ERR_SYNTAX, "line %d: %.*s: %d", line,
		  (int) (part.len < 200 ? part.len : 200), part.data, code);
	if (code == TS_OK)
		free((void *) data);
	else
	{
		CHECK(strstr(err.message, message) != NULL, "line %d: %s", line, err.message);
		CHECK(err.line >= 1 && err.column >= 1, "line %d", line);
		if (column > 0)
			CHECK(err.line == 1 && err.column == (int) strlen(place->before) + column,
				  "line %d: %d:%d", line, err.line,
				  err.column - (int) strlen(place->before));
	}
	free((void *) text.data);
}

#define check(place, part, expected) \
	check_at(&(place), TEXT(part), TEXT(expected), __LINE__)
#define check_error(place, part, column, message) \
	check_error_at(&(place), TEXT(part), column, message, __LINE__)

/* ---- messages ---- */

static void
test_messages(void)
{
	check(request, "", "");
	check(request, " \t\r\n ", "");
	check(request, "\"resourceMetrics\":[]", "");
	check(request, "\"resourceMetrics\":null", "");
	check(request, "\"resourceMetrics\":[{},{ }]", "\x0a\x00\x0a\x00");
	check(request, "\"resource_metrics\" : [ {\"schema_url\":\"u\"} ] ",
		  "\x0a\x03\x1a\x01u");
	check(request, "\"resourceMetrics\":[{\"schemaUrl\":\"u\",\"resource\":{}}]",
		  "\x0a\x05\x1a\x01u\x0a\x00");
	check(resource,
		  "\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"b\"}}],"
		  "\"droppedAttributesCount\":3",
		  "\x0a\x08\x0a\x01"
		  "a\x12\x03\x0a\x01"
		  "b\x10\x03");
	check(resource,
		  "\"entityRefs\":[{\"schemaUrl\":\"s\",\"type\":\"t\",\"idKeys\":[\"a\",\"\"],"
		  "\"descriptionKeys\":[\"\\u0062\"]}]",
		  "\x1a\x0e\x0a\x01s\x12\x01t\x1a\x01"
		  "a\x1a\x00\"\x01"
		  "b");
	check(scope,
		  "\"name\":\"n\",\"version\":\"v\",\"attributes\":[{\"key\":\"k\"}],"
		  "\"dropped_attributes_count\":\"1\"",
		  "\x0a\x01n\x12\x01v\x1a\x03\x0a\x01k\x20\x01");
	check(metric,
		  "\"name\":\"n\",\"description\":\"d\",\"unit\":\"s\",\"summary\":{},"
		  "\"metadata\":[{\"key\":\"k\"}]",
		  "\x0a\x01n\x12\x01"
		  "d\x1a\x01s\x5a\x00\x62\x03\x0a\x01k");
	check(metric, "\"name\":\"\",\"unit\":null", "");
	check(metric, "\"gauge\":null,\"sum\":{}", "\x3a\x00");
	check(sum, "\"aggregationTemporality\":2,\"isMonotonic\":true,\"dataPoints\":[]",
		  "\x10\x02\x18\x01");
	check(sum, "\"aggregation_temporality\":\"1\",\"is_monotonic\":false", "\x10\x01");
	check(sum, "\"aggregationTemporality\":\"AGGREGATION_TEMPORALITY_DELTA\"",
		  "\x10\x01");
	check(sum, "\"aggregationTemporality\":\"AGGREGATION_TEMPORALITY_UNSPECIFIED\"", "");
	check(sum, "\"aggregationTemporality\":\"AGGREGATION_TEMPORALITY_\\u0043UMULATIVE\"",
		  "\x10\x02");
	check(sum, "\"aggregationTemporality\":77", "\x10\x4d");
	check(sum, "\"aggregationTemporality\":-1",
		  "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

static void
test_points(void)
{
	check(
		point,
		"\"attributes\":[{\"key\":\"k\"}],\"startTimeUnixNano\":\"1\","
		"\"timeUnixNano\":\"1700000000123456789\",\"asInt\":\"-2\",\"flags\":1",
		"\x3a\x03\x0a\x01k\x11\x01\0\0\0\0\0\0\0\x19\x15\xcd\x85\x3d\xfe\x9c\x97\x17\x31"
		"\xfe\xff\xff\xff\xff\xff\xff\xff\x40\x01");
	check(point, "\"asDouble\":1.5", "\x21\0\0\0\0\0\0\xf8\x3f");
	check(point, "\"as_double\":0,\"flags\":0,\"timeUnixNano\":0",
		  "\x21\0\0\0\0\0\0\0\0");
	check(point, "\"asInt\":0", "\x31\0\0\0\0\0\0\0\0");
	check(point, "\"asDouble\":\"NaN\"", "\x21\0\0\0\0\0\0\xf8\x7f");
	check(point, "\"asDouble\":\"Infinity\"", "\x21\0\0\0\0\0\0\xf0\x7f");
	check(point, "\"asDouble\":\"-Infinity\"", "\x21\0\0\0\0\0\0\xf0\xff");
	check(point, "\"asDouble\":null,\"asInt\":5", "\x31\x05\0\0\0\0\0\0\0");
	check(exemplar,
		  "\"filteredAttributes\":[{\"key\":\"k\"}],\"timeUnixNano\":2,\"asInt\":1,"
		  "\"spanId\":\"eEE19b7ec3C1b174\","
		  "\"traceId\":\"5B8EFFF798038103D269B633813FC60C\"",
		  "\x3a\x03\x0a\x01k\x11\x02\0\0\0\0\0\0\0\x31\x01\0\0\0\0\0\0\0\x22\x08"
		  "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74\x2a\x10\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2"
		  "\x69\xb6\x33\x81\x3f\xc6\x0c");
	check(exemplar, "\"trace_id\":\"\",\"span_id\":null", "");
	check(histogram,
		  "\"count\":\"3\",\"sum\":0.0,\"bucketCounts\":[\"1\",2,\"0\"],"
		  "\"explicitBounds\":[0,\"0.5\"],\"min\":0,\"max\":null,\"flags\":2",
		  "\x21\x03\0\0\0\0\0\0\0\x29\0\0\0\0\0\0\0\0\x32\x18\x01\0\0\0\0\0\0\0\x02"
		  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x3a\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xe0\x3f"
		  "\x59\0\0\0\0\0\0\0\0\x50\x02");
	check(histogram, "\"bucketCounts\":[],\"explicitBounds\":[ ],\"count\":0", "");
	check(histogram, "\"attributes\":[{\"key\":\"k\"}],\"exemplars\":[{}]",
		  "\x4a\x03\x0a\x01k\x42\x00");
	check(exponential,
		  "\"count\":9,\"scale\":-3,\"zeroCount\":\"1\",\"positive\":{\"offset\":-1,"
		  "\"bucketCounts\":[\"300\",0,18446744073709551615]},\"negative\":{},"
		  "\"zeroThreshold\":1,\"max\":1,\"min\":1,\"sum\":1",
		  "\x21\x09\0\0\0\0\0\0\0\x30\x05\x39\x01\0\0\0\0\0\0\0\x42\x11\x08\x01\x12\x0d"
		  "\xac\x02\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x4a\x00"
		  "\x71\0\0\0\0\0\0\xf0\x3f\x69\0\0\0\0\0\0\xf0\x3f\x61\0\0\0\0\0\0\xf0\x3f"
		  "\x29\0\0\0\0\0\0\xf0\x3f");
	check(exponential, "\"scale\":2147483647", "\x30\xfe\xff\xff\xff\x0f");
	check(exponential, "\"scale\":-2147483648", "\x30\xff\xff\xff\xff\x0f");
	check(summary,
		  "\"count\":1,\"sum\":0,\"quantileValues\":[{\"quantile\":0.5,\"value\":2},{}]",
		  "\x21\x01\0\0\0\0\0\0\0\x32\x12\x09\0\0\0\0\0\0\xe0\x3f\x11\0\0\0\0\0\0\0\x40"
		  "\x32\x00");
}

static void
test_values(void)
{
	check(value, "", "");
	check(value, "\"stringValue\":\"\"", "\x0a\x00");
	check(value, "\"string_value\":\"x\"", "\x0a\x01x");
	check(value, "\"boolValue\":true", "\x10\x01");
	check(value, "\"boolValue\":false", "\x10\x00");
	check(value, "\"intValue\":\"-1\"", "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	check(value, "\"intValue\":0", "\x18\x00");
	check(value, "\"doubleValue\":2", "\x21\0\0\0\0\0\0\0\x40");
	check(value, "\"arrayValue\":{}", "\x2a\x00");
	check(value, "\"arrayValue\":{\"values\":[{\"intValue\":1},{}]}",
		  "\x2a\x06\x0a\x02\x18\x01\x0a\x00");
	check(value,
		  "\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"boolValue\":true}}]}",
		  "\x32\x09\x0a\x07\x0a\x01k\x12\x02\x10\x01");
	check(value, "\"bytesValue\":\"\"", "\x3a\x00");
	check(value, "\"bytesValue\":\"+/8=\"", "\x3a\x02\xfb\xff");
	check(value, "\"bytesValue\":\"-_8\"", "\x3a\x02\xfb\xff");
	check(value, "\"bytesValue\":\"+\\/8\\u003d\"", "\x3a\x02\xfb\xff");
	check(value, "\"bytesValue\":\"AAECAw==\"", "\x3a\x04\x00\x01\x02\x03");
	check(value, "\"bytesValue\":\"AAEC\"", "\x3a\x03\x00\x01\x02");
	check_error(value, "\"bytesValue\":\"-_9\"", 14, "base64 is expected");
	check_error(value, "\"bytesValue\":\"A\"", 14, "base64 is expected");
	check_error(value, "\"bytesValue\":\"AAE*\"", 14, "base64 is expected");
	check_error(value, "\"bytesValue\":\"AA=\"", 14, "base64 is expected");
	check_error(value, "\"bytesValue\":\"AA=A\"", 14, "base64 is expected");
	check_error(value, "\"bytesValue\":\"A===\"", 14, "base64 is expected");
	check_error(value, "\"bytesValue\":\"====\"", 14, "base64 is expected");
	check_error(value, "\"bytesValue\":7", 14, "a string is expected");
	check_error(exemplar, "\"spanId\":\"abc\"", 10, "hexadecimal is expected");
	check_error(exemplar, "\"spanId\":\"ag\"", 10, "hexadecimal is expected");
	check_error(value, "\"boolValue\":1", 13, "true or false is expected");
	check_error(value, "\"boolValue\":\"true\"", 13, "true or false is expected");
	check_error(value, "\"stringValue\":1", 15, "a string is expected");
}

/* ---- numbers ---- */

static void
check_double(const char *text, double expected)
{
	char part[1024];
	uint8_t bytes[9] = {0x21};

	memcpy(bytes + 1, &expected, 8);
	for (int quoted = 0; quoted < 2; quoted++)
	{
		snprintf(part, sizeof(part), quoted ? "\"asDouble\":\"%s\"" : "\"asDouble\":%s",
				 text);
		check_at(&point, (TsString){part, strlen(part)}, (TsString){(char *) bytes, 9},
				 __LINE__);
	}
}

static void
check_no_number(const char *text)
{
	char part[1024];

	for (int quoted = 0; quoted < 2; quoted++)
	{
		snprintf(part, sizeof(part), quoted ? "\"asDouble\":\"%s\"" : "\"asDouble\":%s",
				 text);
		check_error_at(&point, (TsString){part, strlen(part)}, 0, "expected", __LINE__);
	}
}

static void
test_doubles(void)
{
	static const char *const wrong[] = {
		"",      "-",      "+1",  "01",  ".5",       "1.",   "1e",   "1e+", "0x10",
		"1_0",   "1,0",    "--1", "nan", "inf",      "1e5x", "1.e5", "-.5", "1 2",
		"1e999", "-1e400", " 1x", "1f",  "Infinite", "1d",   "1\\n", "١",
	};

	check_double("0", 0.0);
	check_double("-0", -0.0);
	check_double("-0.0e5", -0.0);
	check_double("1e3", 1000);
	check_double("1E+3", 1000);
	check_double("12.5e-1", 1.25);
	check_double("0.1", 0.1);
	check_double("123456789.123456789", 123456789.123456789);
	check_double("9007199254740993", 9007199254740992.0);
	check_double("9007199254740993.00000000000000000000000000001", 9007199254740994.0);
	check_double("1e22", 1e22);
	check_double("1e23", 1e23);
	check_double("-1.7976931348623157e308", -1.7976931348623157e308);
	check_double("5e-324", 5e-324);
	check_double("1e-400", 0.0);
	check_double("0e999999999999999999999", 0.0);
	check_double("100000000000000000000000000000000000000000000000000e-50", 1.0);
	check_double("18446744073709551615", 18446744073709551615.0);
	check(point, "\"asDouble\":\"\\u0031\\u002e5\"", "\x21\0\0\0\0\0\0\xf8\x3f");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check_no_number(wrong[i]);
	check_error(point, "\"asDouble\":NaN", 12, "a number is expected for \"asDouble\"");
	check_error(point, "\"asDouble\":\" 1\"", 12, "a number is expected");
	check_error(point, "\"asDouble\":\"1 \"", 12, "a number is expected");
	check_error(point, "\"asDouble\":true", 12, "a number is expected");
	check_error(point, "\"asDouble\":[1]", 12, "a number is expected");
	check_error(histogram, "\"explicitBounds\":[1,null]", 21, "a number is expected");
	check_error(histogram, "\"explicitBounds\":1", 18, "an array is expected");
	check_error(histogram, "\"bucketCounts\":[1,]", 19, "an unsigned integer of 64 bits");
	check_error(histogram, "\"bucketCounts\":[1 2]", 19, "\",\" or \"]\" is expected");
}

static void
check_int(const char *text, int64_t expected)
{
	char part[1024];
	uint8_t bytes[9] = {0x31};

	memcpy(bytes + 1, &expected, 8);
	snprintf(part, sizeof(part), "\"asInt\":%s", text);
	check_at(&point, (TsString){part, strlen(part)}, (TsString){(char *) bytes, 9},
			 __LINE__);
}

static void
test_integers(void)
{
	check_int("9223372036854775807", INT64_MAX);
	check_int("\"-9223372036854775808\"", INT64_MIN);
	check_int("1.0", 1);
	check_int("\"1e3\"", 1000);
	check_int("1.5e1", 15);
	check_int("1200e-2", 12);
	check_int("-0", 0);
	check_int("-0.000", 0);
	check_int("0e-99999999999999999999", 0);
	check_int("9.223372036854775807e18", INT64_MAX);
	check_int("9223372036854775807.000000000000000000000000000000", INT64_MAX);
	check_int("0.00000000000000000000000000001e29", 1);
	check_int("1000000000000000000000000000000e-30", 1);
	check_error(point, "\"asInt\":9223372036854775808", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":-9223372036854775809", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":1.5", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":1e-1", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":1e19", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":1e20", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":1e99999999999999999999999", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":184467440737095516160", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":\"\"", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":\"0x1\"", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":\"NaN\"", 9, "an integer of 64 bits");
	check_error(point, "\"asInt\":{}", 9, "an integer of 64 bits");
	check(point, "\"timeUnixNano\":18446744073709551615",
		  "\x19\xff\xff\xff\xff\xff\xff\xff\xff");
	check(point, "\"timeUnixNano\":\"-0\"", "");
	check_error(point, "\"timeUnixNano\":-1", 16, "for \"timeUnixNano\"");
	check_error(point, "\"timeUnixNano\":18446744073709551616", 16,
				"an unsigned integer");
	check(point, "\"flags\":4294967295", "\x40\xff\xff\xff\xff\x0f");
	check_error(point, "\"flags\":4294967296", 9, "an unsigned integer of 32 bits");
	check_error(exponential, "\"scale\":2147483648", 9, "an integer of 32 bits");
	check_error(exponential, "\"scale\":-2147483649", 9, "an integer of 32 bits");
	check_error(sum, "\"aggregationTemporality\":\"DELTA\"", 26,
				"an aggregation temporality");
	check_error(sum, "\"aggregationTemporality\":1.5", 26, "an aggregation temporality");
}

/* ---- strings ---- */

static void
test_strings(void)
{
	check(metric, "\"name\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\x0a\x08\"\\/\b\f\n\r\t");
	check(metric, "\"name\":\"a\\u00e4\\u20AC\\ud83d\\uDE00z\"",
		  "\x0a\x0b"
		  "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z");
	check(metric, "\"name\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\\n\"",
		  "\x0a\x0a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n");
	check(metric, "\"name\":\"\\u0000\x7f\"", "\x0a\x02\0\x7f");
	check(metric, "\"\\u006eame\":\"a long one, of more than eight bytes\"",
		  "\x0a\x24"
		  "a long one, of more than eight bytes");
	check_error(metric, "\"name\":\"\\ud83d\"", 9, "half of a pair");
	check_error(metric, "\"name\":\"\\ud83d\\n\"", 9, "half of a pair");
	check_error(metric, "\"name\":\"\\ud83d\\ud83d\"", 9, "half of a pair");
	check_error(metric, "\"name\":\"a\\ude00\"", 10, "half of a pair");
	check_error(metric, "\"name\":\"\\ud83d\\u12\"", 9, "half of a pair");
	check_error(metric, "\"name\":\"\\u12g4\"", 9, "four hexadecimal digits");
	check_error(metric, "\"name\":\"\\x\"", 10, "an escape is expected");
	check_error(metric, "\"name\":\"a\tb\"", 10, "control character 0x09");
	check_error(metric, "\"name\":\"abcdefgh\x1f\"", 17, "control character 0x1f");
	check_error(metric, "\"name\":\"a\xff\"", 10, "not UTF-8");
	check_error(metric, "\"name\":\"abcdefghijkl\xc0\x80\"", 21, "not UTF-8");
	check_error(metric, "\"name\":\"\xed\xa0\x80\"", 9, "not UTF-8");
	check_error(metric, "\"name\":\"\xe2\x82\"", 9, "not UTF-8");
	check_error(metric, "\"other\":\"\xff\"", 10, "not UTF-8");
	check_error(metric, "\"name\":'a'", 8, "a string is expected, not \"'\"");
}

/* ---- objects ---- */

static void
test_objects(void)
{
	check(point,
		  "\"other\":{\"a\":[1,-2.5e3,\"\\u0000\",true,false,null,{},[],{\"b\":{}}]},"
		  "\"asInt\":1 , \"x\":null",
		  "\x31\x01\0\0\0\0\0\0\0");
	check(point, "\"x\":1,\"x\":2,\"AsInt\":1,\"asint\":2,\"\":[]", "");
	check_error(point, "\"asInt\":1,\"asInt\":1", 11,
				"\"asInt\" of NumberDataPoint is given");
	check_error(point, "\"asInt\":null,\"as_int\":1", 14, "is given twice");
	check_error(point, "\"asInt\":1,\"asDouble\":1", 11,
				"NumberDataPoint may not have both \"asInt\" and \"asDouble\"");
	check_error(metric, "\"gauge\":{},\"sum\":{}", 12, "Metric may not have both");
	check_error(value, "\"stringValue\":\"\",\"intValue\":0", 18, "AnyValue may not");
	check_error(request, "\"resourceMetrics\":{}", 19, "an array is expected, not \"{\"");
	check_error(request, "\"resourceMetrics\":[null]", 20, "an object is expected");
	check_error(request, "\"resourceMetrics\":[[]]", 20, "an object is expected");
	check_error(request, "\"resourceMetrics\":[{},]", 23, "an object is expected");
	check_error(resource, "\"attributes\":[{\"value\":[]}]", 24, "an object is expected");
	check_error(request, "\"a\":1,", 7, "the name of a member is expected, not \"}\"");
	check_error(request, ",\"a\":1", 1, "the name of a member is expected");
	check_error(request, "\"a\" 1", 5, "\":\" is expected");
	check_error(request, "\"a\":1 \"b\":2", 7, "\",\" or \"}\" is expected");
	check_error(request, "a:1", 1, "the name of a member");
	check_error(request, "\"a\":", 5, "a value is expected, not \"}\"");
	check_error(request, "\"a\":[1,]", 8, "a value is expected");
	check_error(request, "\"a\":[1}", 7, "\",\" or \"]\" is expected");
	check_error(request, "\"a\":nul", 5, "a value is expected");
	check_error(request, "\"a\":nulls", 9, "the end of a value is expected");
	check_error(request, "\"a\":truefalse", 9, "the end of a value is expected");
	check_error(request, "\"a\":01", 6, "the end of a number is expected");
	check_error(request, "\"a\":-", 5, "a number is expected");
	check_error(request, "\"a\":1//", 6, "the end of a number is expected");
	check_error(request, "\"a\":\x01", 5, "not byte 0x01");
	check_error(request, "}x{", 2, "the end of the text is expected, not \"x\"");
	check_error(request, "},{", 2, "the end of the text is expected");
	check_error(request, "\"a\":1}\0{", 7, "the end of the text is expected");
}

/* Texts that are cut off anywhere, and those that begin with something else. */
static void
test_wholes(void)
{
	static const char text[] =
		" {\"resourceMetrics\":[{\"x\":[1.5e3,true,\"a\\n\\ud83d\\ude00\"],"
		"\"resource\":{\"attributes\":[{\"key\":\"k\",\"value\":{\"intValue\":\"12\"}}]}}]}";
	static const char *const wrong[] = {
		"", " ", "[]", "1", "null", "\"{}\"", "{}}", "\xef\xbb\xbf{}", "{", "//\n{}"};
	const void *data;
	size_t size;
	TsError err;

	unit_group_begin();
	for (size_t cut = 0; cut < sizeof(text) - 1; cut++)
	{
		char *copy = malloc(cut + 1);

		memcpy(copy, text, cut);
		CHECK(ts_otlp_from_json(copy + 0, cut, LIMIT, &ts_malloc_allocator, &data, &size,
								&err) == TS_ERR_SYNTAX,
			  "%zu", cut);
		CHECK(strstr(err.message, "is expected") != NULL ||
				  strstr(err.message, "surrogates") != NULL ||
				  strstr(err.message, "hexadecimal") != NULL,
			  "%zu: %s", cut, err.message);
		free(copy);
	}
	unit_group_end();
	CHECK(ts_otlp_from_json(text, sizeof(text) - 1, LIMIT, &ts_malloc_allocator, &data,
							&size, NULL) == TS_OK);
	free((void *) data);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK(ts_otlp_from_json(wrong[i], strlen(wrong[i]), LIMIT, &ts_malloc_allocator,
								&data, &size, NULL) == TS_ERR_SYNTAX,
			  "%s", wrong[i]);
	CHECK(ts_otlp_from_json("{\n \"a\":\n  x}", 12, LIMIT, &ts_malloc_allocator, &data,
							&size, &err) == TS_ERR_SYNTAX);
	CHECK(err.line == 3 && err.column == 3, "%d:%d", err.line, err.column);
}

/* ---- lengths ---- */

/* Lengths about those where a varint has one byte more. */
static void
test_lengths(void)
{
	static char text[3 << 20];
	static char bytes[3 << 20];
	static const size_t lengths[] = {100,          127, 16360, 16383, (1 << 21) - 24,
									 (1 << 21) - 1};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		unit_group_begin();
		for (size_t len = lengths[i]; len < lengths[i] + (i < 4 ? 30 : 3); len++)
		{
			size_t n = (size_t) sprintf(text, "\"stringValue\":\"");
			size_t m;

			memset(text + n, 'x', len);
			n += len;
			text[n++] = '"';
			bytes[0] = 0x0a;
			m = 1 + wire_write_varint(len, (uint8_t *) bytes + 1);
			memset(bytes + m, 'x', len);
			check_at(&value, (TsString){text, n}, (TsString){bytes, m + len}, __LINE__);
		}
		unit_group_end();
	}
}

/* ---- bounds ---- */

/* A text of a repeated beginning and end, with something in the middle. */
static TsString
nested(const char *before, const char *opening, size_t depth, const char *middle,
	   const char *closing, const char *after)
{
	size_t opens = strlen(opening);
	size_t closes = strlen(closing);
	char *text = malloc(strlen(before) + strlen(middle) + strlen(after) +
						depth * (opens + closes));
	char *at = text;

	at += strlen(strcpy(at, before));
	for (size_t i = 0; i < depth; i++, at += opens)
		memcpy(at, opening, opens);
	memcpy(at, middle, strlen(middle));
	at += strlen(middle);
	for (size_t i = 0; i < depth; i++, at += closes)
		memcpy(at, closing, closes);
	memcpy(at, after, strlen(after));
	at += strlen(after);
	return (TsString){text, (size_t) (at - text)};
}

static void
check_nested(const Place *place, const char *opening, size_t depth, const char *middle,
			 const char *closing, TsErrorCode expected)
{
	TsString text = nested(place->before, opening, depth, middle, closing, place->after);
	const void *data = NULL;
	size_t size;
	TsError err = {0};
	TsErrorCode code = ts_otlp_from_json(text.data, text.len, LIMIT, &ts_malloc_allocator,
										 &data, &size, &err);

	CHECK(code == expected, "%s, %zu: %d, %s", opening, depth, code, err.message);
	CHECK(code == TS_OK || strstr(err.message, "nested deeper") != NULL, "%s",
		  err.message);
	if (code == TS_OK)
		free((void *) data);
	free((void *) text.data);
}

static void
test_depth(void)
{
	static const char list[] = "\"kvlistValue\":{\"values\":[{\"value\":{";
	static const char array[] = "\"arrayValue\":{\"values\":[{";

	check_nested(&value, list, TS_OTLP_MAX_DEPTH, "", "}}]}", TS_OK);
	check_nested(&value, array, TS_OTLP_MAX_DEPTH, "", "}]}", TS_OK);
	check_nested(&value, list, 100000, "", "}}]}", TS_ERR_SYNTAX);
	check_nested(&value, array, 100000, "\"intValue\":1", "}]}", TS_ERR_SYNTAX);
	check_nested(&value, "\"x\":[", 1, "[[[[{}]]]]", "]", TS_OK);
	check_nested(&request, "\"x\":{", 100000, "", "}", TS_ERR_SYNTAX);
}

static void
test_deep_arrays(void)
{
	TsString text = nested("{\"x\":", "[", 100000, "", "]", "}");
	const void *data;
	size_t size;
	TsError err;

	CHECK(ts_otlp_from_json(text.data, text.len, LIMIT, &ts_malloc_allocator, &data,
							&size, &err) == TS_ERR_SYNTAX);
	CHECK(err.line == 1 && err.column < 1000);
	free((void *) text.data);
}

/* Wide within deep: what is moved at all is moved once. */
static void
test_wide(void)
{
	const size_t n = 200000;
	char *before = malloc(100 + TS_OTLP_MAX_DEPTH * 40);
	char *after = malloc(100 + TS_OTLP_MAX_DEPTH * 40);
	TsString text;
	TsString inner;
	const void *data = NULL;
	size_t size = 0;

	inner = nested(value.before, "\"arrayValue\":{\"values\":[{", TS_OTLP_MAX_DEPTH - 1,
				   "", "", "\"arrayValue\":{\"values\":[");
	snprintf(before, inner.len + 1, "%.*s", (int) inner.len, inner.data);
	free((void *) inner.data);
	inner = nested("{}]}", "", TS_OTLP_MAX_DEPTH - 1, "", "}]}", value.after);
	snprintf(after, inner.len + 1, "%.*s", (int) inner.len, inner.data);
	free((void *) inner.data);
	text = nested(before, "{\"intValue\":\"7\"},", n, "", "", after);
	CHECK(ts_otlp_from_json(text.data, text.len, LIMIT, &ts_malloc_allocator, &data,
							&size, NULL) == TS_OK);
	CHECK(size > 4 * n && size < 4 * n + 1000, "%zu", size);
	free((void *) data);
	free((void *) text.data);
	free(before);
	free(after);
}

typedef struct Counting
{
	size_t most;
} Counting;

static void *
count_alloc(void *ctx, size_t size)
{
	Counting *counting = ctx;

	if (size > counting->most)
		counting->most = size;
	return malloc(size);
}

static void
count_free(void *ctx, void *ptr)
{
	free(ptr);
}

/* Every limit: right with enough, and never more memory than that. */
static void
test_limits(void)
{
	static const char text[] =
		"{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"k\",\"value\":"
		"{\"stringValue\":\"a\\u0062c\"}}]},\"scopeMetrics\":[{\"metrics\":[{\"histogram\":"
		"{\"dataPoints\":[{\"explicitBounds\":[1,2,3,4,5,6,7,8,9]}]}}]}]}]}";
	const void *data;
	size_t size = 0;
	int fitting = 0;

	unit_group_begin();
	for (size_t limit = 0; limit < 400; limit++)
	{
		Counting counting = {0};
		const TsAllocator allocator = {count_alloc, count_free, &counting};
		TsError err;
		TsErrorCode code = ts_otlp_from_json(text, sizeof(text) - 1, limit, &allocator,
											 &data, &size, &err);

		CHECK(code == TS_OK || code == TS_ERR_LIMIT, "%zu: %d", limit, code);
		CHECK(counting.most <= (limit > 0 ? limit : 1), "%zu: %zu", limit, counting.most);
		CHECK(code != TS_OK || size <= limit);
		CHECK(code == TS_OK || fitting == 0);
		if (code == TS_OK)
		{
			fitting++;
			free((void *) data);
		}
	}
	unit_group_end();
	CHECK(fitting > 200);
}

static void
test_no_memory(void)
{
	static char text[40000];
	size_t n = (size_t) sprintf(text, "%s\"explicitBounds\":[1", histogram.before);

	while (n < 30000)
		n += (size_t) sprintf(text + n, ",1");
	n += (size_t) sprintf(text + n, "]%s", histogram.after);
	for (int pieces = 0; pieces < 5; pieces++)
	{
		DryAllocator dry = {pieces, 0};
		const TsAllocator allocator = {dry_alloc, dry_free, &dry};
		const void *data;
		size_t size;
		TsErrorCode code = ts_otlp_from_json(text, n, LIMIT, &allocator, &data, &size,
											 NULL);

		CHECK(code == (pieces < 3 ? TS_ERR_MEMORY : TS_OK), "%d: %d", pieces, code);
		if (code == TS_OK)
			dry_free(&dry, (void *) data);
		CHECK(dry.held == 0);
	}
}

int
main(void)
{
	test_messages();
	test_points();
	test_values();
	test_doubles();
	test_integers();
	test_strings();
	test_objects();
	test_wholes();
	test_lengths();
	test_depth();
	test_deep_arrays();
	test_wide();
	test_limits();
	test_no_memory();
	return unit_finish();
}
