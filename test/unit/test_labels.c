/*
 * test_labels.c
 *	  The bytes of a set of labels, and its text.
 */
#include <stdlib.h>
#include <string.h>

#include "labels.h"
#include "unit.h"

/* One payload, from text. */
typedef struct Payload
{
	unsigned char data[LABELS_MAX_SIZE];
	size_t size;
} Payload;

static TsErrorCode
build(const char *text, size_t len, Payload *payload, TsError *err)
{
	LabelsText parsed;
	TsErrorCode code = labels_text_parse(text, len, &ts_malloc_allocator, &parsed, err);

	if (code != TS_OK)
		return code;
	code = labels_normalize(parsed.pairs, &parsed.count, &payload->size, err);
	if (code == TS_OK)
		labels_encode(parsed.pairs, parsed.count, payload->data);
	labels_text_free(&parsed);
	return code;
}

static void
write_text(const Payload *payload, char *out)
{
	size_t size = labels_text_size(payload->data, payload->size);

	labels_text_write(payload->data, payload->size, out);
	out[size] = '\0';
}

/* The text must be read, and written back in our form, which is read as the same. */
static void
check_text(const char *in, const char *expected)
{
	static Payload payload, again;
	char *out;
	TsError err;

	CHECK(build(in, strlen(in), &payload, &err) == TS_OK, "%s: %s", in, err.message);
	CHECK(labels_check(payload.data, payload.size, &err) == TS_OK, "%s", err.message);
	out = malloc(labels_text_size(payload.data, payload.size) + 1);
	write_text(&payload, out);
	CHECK(strcmp(out, expected) == 0, "%s: %s", in, out);
	CHECK(build(out, strlen(out), &again, &err) == TS_OK, "%s: %s", out, err.message);
	CHECK(again.size == payload.size && memcmp(again.data, payload.data, again.size) == 0,
		  "%s", out);
	free(out);
}

static void
check_refused(const char *in, TsErrorCode code, int line, int column, const char *message)
{
	static Payload payload;
	TsError err = {0};

	CHECK(build(in, strlen(in), &payload, &err) == code, "%s", in);
	CHECK(strcmp(err.message, message) == 0, "%s: %s", in, err.message);
	CHECK(err.line == line && err.column == column, "%s: at %d:%d", in, err.line,
		  err.column);
}

static void
test_text(void)
{
	check_text("up", "up");
	check_text(" up { } ", "up");
	check_text("{}", "{}");
	check_text("{ }", "{}");
	check_text("up{job=\"a\",instance=\"b\"}", "up{instance=\"b\",job=\"a\"}");
	check_text("{job='a',__name__=`up`,}", "up{job=\"a\"}");
	check_text("{\"up\"}", "up");
	check_text("{\"my.metric\", \"a.b\"=\"c\"}", "{\"my.metric\",\"a.b\"=\"c\"}");
	check_text("{\"a.b\"=\"c\"}", "{\"a.b\"=\"c\"}");
	check_text("{\"NaN\",a=\"b\"}", "{\"NaN\",a=\"b\"}");
	check_text("{\"inf\"}", "{\"inf\"}");
	check_text("infinite:rule{nan=\"b\"}", "infinite:rule{nan=\"b\"}");
	check_text("by{on=\"sum\",by=\"on\"}", "by{by=\"on\",on=\"sum\"}");
	check_text("up{a=\"\"}", "up");
	check_text("{\"a\"=\"\\\"\\\\\\n\\t\\x01\\u0080\\u00e9\\U0001F600\"}",
			   "{a=\"\\\"\\\\\\n\\t\\x01\\u0080\xc3\xa9\xf0\x9f\x98\x80\"}");
	check_text("{a='\"'}", "{a=\"\\\"\"}");
	check_text("{a=\"\\303\\251\\xc3\\xa9\"}", "{a=\"\xc3\xa9\xc3\xa9\"}");
	check_text("{# comment }\na=\"b\" # another\n}", "{a=\"b\"}");
	check_text("{\"\xc3\xa9\"=\"1\",z=\"2\"}", "{z=\"2\",\"\xc3\xa9\"=\"1\"}");
}

static void
test_json(void)
{
	check_text("{\"a\":\"b\",\"__name__\":\"up\"}", "up{a=\"b\"}");
	check_text(" { \"a\" : \"b\" , \"c\" : \"d\" } ", "{a=\"b\",c=\"d\"}");
	check_text("{\"a\":1,\"b\":-0.5e+3,\"c\":true,\"d\":false,\"e\":null,\"f\":\"\"}",
			   "{a=\"1\",b=\"-0.5e+3\",c=\"true\",d=\"false\"}");
	check_text("{\"a\\u0062\\/\":\"\\ud83d\\ude00\\b\\f\\n\\r\\t\\\"\\\\\"}",
			   "{\"ab/\"=\"\xf0\x9f\x98\x80\\b\\f\\n\\r\\t\\\"\\\\\"}");

	check_refused("{\"a\":{}}", TS_ERR_INVALID, 1, 6,
				  "a label's value cannot be a JSON object");
	check_refused("{\"a\":[1]}", TS_ERR_INVALID, 1, 6,
				  "a label's value cannot be a JSON array");
	check_refused("{\"a\":01}", TS_ERR_SYNTAX, 1, 6,
				  "unexpected '0' in a JSON object, expected a string, a number, a "
				  "boolean or null");
	check_refused("{\"a\":\"b\",}", TS_ERR_SYNTAX, 1, 10,
				  "unexpected '}' in a JSON object, expected a string");
	check_refused("{\"a\":\"b\"", TS_ERR_SYNTAX, 1, 9,
				  "unexpected end of input in a JSON object, expected \",\" or \"}\"");
	check_refused("{\"a\":\"b\"} x", TS_ERR_SYNTAX, 1, 11,
				  "unexpected 'x' in a JSON object, expected end of input");
	check_refused("{\"a\":\n\"\\ud800\"}", TS_ERR_SYNTAX, 2, 2,
				  "a Unicode surrogate must be one of a high and low pair");
	check_refused("{\"a\":\"\\u12\"}", TS_ERR_SYNTAX, 1, 7,
				  "\"\\u\" must be followed by four hexadecimal digits");
	check_refused("{\"a\":\"\\x\"}", TS_ERR_SYNTAX, 1, 7,
				  "unknown escape sequence in a JSON string");
	check_refused("{\"a\":\"b", TS_ERR_SYNTAX, 1, 6, "unterminated JSON string");
	check_refused("{\"a\":\"\n\"}", TS_ERR_SYNTAX, 1, 7,
				  "character U+000A must be escaped in a JSON string");
	check_refused("{\"a\":\"b\",\"a\":\"c\"}", TS_ERR_INVALID, 0, 0,
				  "label name \"a\" appears more than once");
	check_refused("{\"a\":\"\\u0000\"}", TS_ERR_INVALID, 0, 0,
				  "label value contains the character U+0000");
	check_refused("{\"\":\"a\"}", TS_ERR_INVALID, 0, 0, "label name must not be empty");
}

static void
test_refused(void)
{
	check_refused("", TS_ERR_SYNTAX, 1, 1,
				  "unexpected end of input, expected metric name or \"{\"");
	check_refused("up{a!=\"b\"}", TS_ERR_SYNTAX, 1, 5,
				  "unexpected \"!=\", expected \"=\": labels have values, only selectors "
				  "have other operators");
	check_refused("up{a=~\"(\"}", TS_ERR_SYNTAX, 1, 5,
				  "unexpected \"=~\", expected \"=\": labels have values, only selectors "
				  "have other operators");
	check_refused("up{a=\"b\",a=\"c\"}", TS_ERR_INVALID, 0, 0,
				  "label name \"a\" appears more than once");
	check_refused("up{a=\"\",a=\"c\"}", TS_ERR_INVALID, 0, 0,
				  "label name \"a\" appears more than once");
	check_refused("up{__name__=\"b\"}", TS_ERR_INVALID, 1, 4,
				  "metric name must not be set twice: \"up\" or \"b\"");
	check_refused("up{a=\"\\x00\"}", TS_ERR_INVALID, 0, 0,
				  "label value contains the character U+0000");
	check_refused("up[5m]", TS_ERR_SYNTAX, 1, 3,
				  "unexpected \"[\" after the labels, expected end of input");
	check_refused(
		"up{} offset", TS_ERR_SYNTAX, 1, 6,
		"unexpected identifier \"offset\" after the labels, expected end of input");
	check_refused("up{a=\"\\xff\"}", TS_ERR_SYNTAX, 1, 6,
				  "the escapes of this string do not make valid UTF-8");
	check_refused("up{a=\"\xff\"}", TS_ERR_SYNTAX, 1, 7, "invalid UTF-8 rune");
	check_refused("{\"a\":\"\xff\"}", TS_ERR_SYNTAX, 1, 7, "invalid UTF-8 rune");
}

/* A set of labels n0="v...", n1="v...", and so on. */
static TsErrorCode
build_many(uint32_t count, size_t name_len, size_t value_len, size_t *size, TsError *err)
{
	LabelsPair *pairs = malloc(count * sizeof(*pairs));
	char *names = malloc(count * name_len);
	char *value = malloc(value_len);
	static unsigned char out[LABELS_MAX_SIZE];
	TsErrorCode code;

	memset(names, 'n', count * name_len);
	memset(value, 'v', value_len);
	for (uint32_t i = 0; i < count; i++)
	{
		char digits[16];
		int n = snprintf(digits, sizeof(digits), "%05u", i);

		memcpy(names + i * name_len, digits,
			   (size_t) n < name_len ? (size_t) n : name_len);
		pairs[i] = (LabelsPair){{names + i * name_len, name_len}, {value, value_len}, -1};
	}
	code = labels_normalize(pairs, &count, size, err);
	if (code == TS_OK)
	{
		labels_encode(pairs, count, out);
		CHECK(labels_check(out, *size, err) == TS_OK, "%s", err->message);
		CHECK(labels_count(out, *size) == count);
	}
	free(pairs);
	free(names);
	free(value);
	return code;
}

static void
test_limits(void)
{
	TsError err;
	size_t size;

	CHECK(build_many(1024, 5, 1, &size, &err) == TS_OK);
	CHECK(build_many(1025, 5, 1, &size, &err) == TS_ERR_LIMIT);
	CHECK(strcmp(err.message, "there are 1025 labels, the most allowed is 1024") == 0);
	CHECK(build_many(1, 1024, 1, &size, &err) == TS_OK);
	CHECK(build_many(1, 1025, 1, &size, &err) == TS_ERR_LIMIT);
	CHECK(strcmp(err.message, "a label name has 1025 bytes, the most allowed is 1024") ==
		  0);
	/* version, count, length and name, length of three bytes */
	CHECK(build_many(1, 5, 65535 - 2 - 6 - 3, &size, &err) == TS_OK && size == 65535);
	CHECK(build_many(1, 5, 65535 - 2 - 6 - 2, &size, &err) == TS_ERR_LIMIT);
	CHECK(strcmp(err.message,
				 "the labels take 65536 bytes together, the most allowed is 65535") == 0);
	CHECK(build_many(1, 5, 127, &size, &err) == TS_OK && size == 2 + 6 + 1 + 127);
	CHECK(build_many(1, 5, 128, &size, &err) == TS_OK && size == 2 + 6 + 2 + 128);
}

static void
check_bytes(const char *bytes, size_t size, const char *message)
{
	TsError err = {0};
	TsErrorCode code = labels_check(bytes, size, &err);

	if (message == NULL)
		CHECK(code == TS_OK, "%s", err.message);
	else
		CHECK(code != TS_OK && strcmp(err.message, message) == 0, "%s", err.message);
}

#define CHECK_BYTES(bytes, message) check_bytes(bytes, sizeof(bytes) - 1, message)

static void
test_untrusted_bytes(void)
{
	CHECK_BYTES("\1\0", NULL);
	CHECK_BYTES("\1\1\1a\1b", NULL);
	CHECK_BYTES("\1\2\1a\1b\2aa\1b", NULL);
	CHECK_BYTES("", "there are no bytes");
	CHECK_BYTES("\1", "malformed number of labels");
	CHECK_BYTES("\2\0", "unknown format version 2, known is 1");
	CHECK_BYTES("\1\200", "malformed number of labels");
	CHECK_BYTES("\1\201\0\1a\1b", "malformed number of labels");
	CHECK_BYTES("\1\377\377\3", "there are 65535 labels, the most allowed is 1024");
	CHECK_BYTES("\1\1", "malformed or missing label");
	CHECK_BYTES("\1\1\1a", "malformed or missing label");
	CHECK_BYTES("\1\1\1a\2b", "malformed or missing label");
	CHECK_BYTES("\1\1\1a\201\0b", "malformed or missing label");
	CHECK_BYTES("\1\1\1a\1b\0", "bytes after the last label");
	CHECK_BYTES("\1\1\0\1b", "label name must not be empty");
	CHECK_BYTES("\1\1\1a\0", "empty label value");
	CHECK_BYTES("\1\2\1a\1b\1a\1c", "label names are not in order, or repeated");
	CHECK_BYTES("\1\2\1b\1b\1a\1c", "label names are not in order, or repeated");
	CHECK_BYTES("\1\2\2aa\1b\1a\1c", "label names are not in order, or repeated");
	CHECK_BYTES("\1\1\1\377\1b", "label name is not valid UTF-8");
	CHECK_BYTES("\1\1\1a\1\377", "label value is not valid UTF-8");
	CHECK_BYTES("\1\1\1a\2b\0", "label value contains the character U+0000");
}

static int
sign(int i)
{
	return (i > 0) - (i < 0);
}

static void
check_order(const char *a, const char *b, int expected)
{
	static Payload pa, pb;

	CHECK(build(a, strlen(a), &pa, NULL) == TS_OK &&
		  build(b, strlen(b), &pb, NULL) == TS_OK);
	CHECK(sign(labels_compare(pa.data, pa.size, pb.data, pb.size)) == expected, "%s %s",
		  a, b);
	CHECK(sign(labels_compare(pb.data, pb.size, pa.data, pa.size)) == -expected, "%s %s",
		  b, a);
}

static void
test_compare(void)
{
	check_order("{}", "{}", 0);
	check_order("{}", "{a=\"b\"}", -1);
	check_order("{a=\"b\"}", "{a=\"b\"}", 0);
	check_order("{a=\"b\"}", "{a=\"c\"}", -1);
	check_order("{a=\"b\"}", "{a=\"bb\"}", -1);
	check_order("{a=\"z\"}", "{aa=\"b\"}", -1);
	check_order("{a=\"b\",c=\"d\"}", "{a=\"b\"}", 1);
	check_order("{a=\"b\",c=\"d\"}", "{a=\"b\",b=\"z\"}", 1);
	check_order("{a=\"z\"}", "{a=\"\xc3\xa9\"}", -1);
}

static void
check_contains(const char *whole, const char *part, bool expected)
{
	static Payload pw, pp;

	CHECK(build(whole, strlen(whole), &pw, NULL) == TS_OK &&
		  build(part, strlen(part), &pp, NULL) == TS_OK);
	CHECK(labels_contains(pw.data, pw.size, pp.data, pp.size) == expected, "%s %s", whole,
		  part);
}

static void
check_merge(const char *left, const char *right, const char *expected)
{
	static Payload pl, pr, merged;
	LabelsPair pairs[8];
	uint32_t count;
	char out[256];

	CHECK(build(left, strlen(left), &pl, NULL) == TS_OK &&
		  build(right, strlen(right), &pr, NULL) == TS_OK);
	count = labels_merge(pl.data, pl.size, pr.data, pr.size, pairs);
	CHECK(labels_normalize(pairs, &count, &merged.size, NULL) == TS_OK);
	labels_encode(pairs, count, merged.data);
	write_text(&merged, out);
	CHECK(strcmp(out, expected) == 0, "%s", out);
}

static void
test_sets(void)
{
	static Payload payload;
	TsString value;

	check_contains("{a=\"1\",b=\"2\",c=\"3\"}", "{}", true);
	check_contains("{a=\"1\",b=\"2\",c=\"3\"}", "{a=\"1\",c=\"3\"}", true);
	check_contains("{a=\"1\",b=\"2\",c=\"3\"}", "{c=\"4\"}", false);
	check_contains("{a=\"1\",b=\"2\",c=\"3\"}", "{d=\"1\"}", false);
	check_contains("{a=\"1\",c=\"3\"}", "{b=\"1\"}", false);
	check_contains("{}", "{b=\"1\"}", false);

	check_merge("{}", "{}", "{}");
	check_merge("{a=\"1\",b=\"2\"}", "{b=\"3\",c=\"4\"}", "{a=\"1\",b=\"3\",c=\"4\"}");
	check_merge("up{b=\"2\"}", "{a=\"3\"}", "up{a=\"3\",b=\"2\"}");

	CHECK(build("up{a=\"1\",b=\"2\"}", 14, &payload, NULL) != TS_OK);
	CHECK(build("up{a=\"1\",b=\"2\"}", 15, &payload, NULL) == TS_OK);
	CHECK(labels_find(payload.data, payload.size, "b", 1, &value) && value.len == 1 &&
		  value.data[0] == '2');
	CHECK(labels_find(payload.data, payload.size, "__name__", 8, &value) &&
		  value.len == 2);
	CHECK(!labels_find(payload.data, payload.size, "aa", 2, &value) && value.len == 0);
	CHECK(!labels_find(payload.data, payload.size, "c", 1, &value) && value.len == 0);
}

static void
check_match(const char *selector_text, const char *labels_text, bool expected)
{
	static Payload payload;
	TsSelectorOptions options = {
		.allocator = &ts_malloc_allocator,
		.regex = {.match_limit = 1000, .memory = 1024 * 1024},
	};
	TsSelector selector;
	TsError err = {0};
	bool matched = !expected;

	CHECK(build(labels_text, strlen(labels_text), &payload, NULL) == TS_OK);
	CHECK(ts_selector_parse(selector_text, strlen(selector_text), &options, &selector,
							&err) == TS_OK,
		  "%s: %s", selector_text, err.message);
	CHECK(labels_match(payload.data, payload.size, &selector, &matched, &err) == TS_OK);
	CHECK(matched == expected, "%s on %s", selector_text, labels_text);
	ts_selector_free(&selector);
}

static void
test_match(void)
{
	check_match("{}", "{}", true);
	check_match("up", "up{a=\"b\"}", true);
	check_match("up", "{a=\"b\"}", false);
	check_match("up{a=\"b\",c!=\"d\"}", "up{a=\"b\"}", true);
	check_match("up{a=\"b\",c=\"d\"}", "up{a=\"b\"}", false);
	check_match("up{a=~\"b.*\",c=~\"|d\"}", "up{a=\"bc\"}", true);
	check_match("up{a=~\"b.*\",c=\"\"}", "up{a=\"bc\",c=\"d\"}", false);
	check_match("{a!~\"b.*\"}", "up{a=\"bc\"}", false);
	check_match("{a=~\".+\",a!=\"c\"}", "up{a=\"c\"}", false);
	check_match("{a=~\".+\",a!=\"c\"}", "up{a=\"d\"}", true);
}

/* The limit of one match is an error of the whole, unless a cheaper matcher decides. */
static void
test_match_limit(void)
{
	static Payload payload;
	const char *labels = "{a=\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\",b=\"c\"}";
	static const char *const selectors[] = {"{a=~\"(x+x+)+[yz]\"}",
											"{a=~\"(x+x+)+[yz]\",b=\"d\"}"};
	TsSelectorOptions options = {
		.allocator = &ts_malloc_allocator,
		.regex = {.match_limit = 1000, .memory = 1024 * 1024},
	};

	CHECK(build(labels, strlen(labels), &payload, NULL) == TS_OK);
	for (int i = 0; i < 2; i++)
	{
		TsSelector selector;
		TsError err = {0};
		bool matched = true;
		TsErrorCode code;

		CHECK(ts_selector_parse(selectors[i], strlen(selectors[i]), &options, &selector,
								&err) == TS_OK);
		code = labels_match(payload.data, payload.size, &selector, &matched, &err);
		CHECK(code == (i == 0 ? TS_ERR_LIMIT : TS_OK) && !matched, "%s", err.message);
		ts_selector_free(&selector);
	}
}

static int interrupt_checks;

static void
count_interrupt_check(void)
{
	interrupt_checks++;
}

/* A caller that wants to stop is asked before each regular expression. */
static void
test_interrupts(void)
{
	static const char text[] = "{a=\"b\",a=~\"b+\",a!~\"[c-d]+\",a=~\"[b-d]+\"}";
	static Payload payload;
	TsSelectorOptions options = {
		.allocator = &ts_malloc_allocator,
		.regex = {.match_limit = 1000, .memory = 1024 * 1024},
		.check_interrupts = count_interrupt_check,
	};
	TsSelector selector;
	TsError err = {0};
	bool matched;

	CHECK(build("{a=\"b\"}", 7, &payload, NULL) == TS_OK);
	CHECK(ts_selector_parse(text, strlen(text), &options, &selector, &err) == TS_OK);
	CHECK(interrupt_checks == 0);
	CHECK(labels_match(payload.data, payload.size, &selector, &matched, &err) == TS_OK);
	CHECK(matched && interrupt_checks == 3);
	ts_selector_free(&selector);
}

/* The hash is stored: these numbers may not change. */
static void
test_hash(void)
{
	static Payload payload;

	CHECK(build("{}", 2, &payload, NULL) == TS_OK);
	CHECK(labels_hash(payload.data, payload.size, 0) == UINT64_C(12363696039452112576),
		  "%llu", (unsigned long long) labels_hash(payload.data, payload.size, 0));
	CHECK(build("up{job=\"a\"}", 11, &payload, NULL) == TS_OK);
	CHECK(labels_hash(payload.data, payload.size, 0) == UINT64_C(15515985962083721754),
		  "%llu", (unsigned long long) labels_hash(payload.data, payload.size, 0));
	CHECK(labels_hash(payload.data, payload.size, 42) == UINT64_C(6227375989313166979),
		  "%llu", (unsigned long long) labels_hash(payload.data, payload.size, 42));
}

static uint32_t
next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (*state >> 33);
}

/* A random string of characters that are easy to get wrong. */
static size_t
random_string(uint64_t *state, char *out, bool may_be_empty)
{
	static const char *const atoms[] = {
		"a",  "b",        "_",        ":", "9", "\"",   "\\",
		"\n", "}",        "{",        "=", ",", "\x01", "\x7f",
		"'",  "\xc3\xa9", "\xc2\x80", "`", "#", " ",    "\xf0\x9f\x98\x80"};
	uint32_t n = next_random(state) % 5 + (may_be_empty ? 0 : 1);

	out[0] = '\0';
	for (uint32_t i = 0; i < n; i++)
		strcat(out, atoms[next_random(state) % (sizeof(atoms) / sizeof(atoms[0]))]);
	return strlen(out);
}

/* Random sets of labels survive their text, whatever characters are in them. */
static void
test_random_text(void)
{
	uint64_t seed = 20240617;
	uint64_t state = seed;
	static Payload payload, again;
	static char storage[2 * 6][64];
	static char out[4096];
	uint32_t wrong = 0;

	for (int round = 0; round < 20000; round++)
	{
		LabelsPair pairs[6];
		uint32_t count = next_random(&state) % 7;
		TsError err;

		for (uint32_t i = 0; i < count; i++)
		{
			pairs[i].name.data = storage[2 * i];
			pairs[i].name.len = random_string(&state, storage[2 * i], false);
			if (next_random(&state) % 8 == 0)
				pairs[i].name = (TsString){"__name__", 8};
			pairs[i].value.data = storage[2 * i + 1];
			pairs[i].value.len = random_string(&state, storage[2 * i + 1], true);
			pairs[i].offset = -1;
		}
		if (labels_normalize(pairs, &count, &payload.size, &err) != TS_OK)
			continue; /* a name came up twice */
		labels_encode(pairs, count, payload.data);
		write_text(&payload, out);
		if (labels_check(payload.data, payload.size, NULL) != TS_OK ||
			build(out, strlen(out), &again, &err) != TS_OK ||
			again.size != payload.size ||
			memcmp(again.data, payload.data, again.size) != 0)
		{
			wrong++;
			printf("seed %llu, round %d: %s: %s\n", (unsigned long long) seed, round, out,
				   err.message);
		}
	}
	CHECK(wrong == 0);
}

int
main(void)
{
	test_text();
	test_json();
	test_refused();
	test_limits();
	test_untrusted_bytes();
	test_compare();
	test_sets();
	test_match();
	test_match_limit();
	test_interrupts();
	test_hash();
	test_random_text();
	return unit_finish();
}
