/*
 * test_otlp_value.c
 *	  Attributes' values as text, and fingerprints of attributes.
 *
 * The rules of the texts are those of OpenTelemetry's "Common specification concepts",
 * section "AnyValue representation for non-OTLP protocols".
 */
#include <float.h>
#include <math.h>

#include "dry_allocator.h"
#include "otlp_message.h"
#include "unit.h"

static TsArena arena;

/* Frees the value; what else a code but TS_OK means is for the caller to say. */
static TsErrorCode
text_of(Bytes *value, TsString *text, TsError *err)
{
	return ts_otlp_value_text(bytes_wire(value), &arena, text, err);
}

static void
check_text(Bytes value, const char *expected)
{
	TsError err = {0};
	TsString text;
	TsErrorCode code = text_of(&value, &text, &err);

	CHECK(code == TS_OK && ts_string_is(text, expected), "%s: \"%.*s\" (%s)", expected,
		  (int) text.len, text.data, err.message);
	bytes_free(&value);
}

static void
check_refused(Bytes value, TsErrorCode expected, const char *what)
{
	TsError err = {0};
	TsString text;
	TsErrorCode code = text_of(&value, &text, &err);

	CHECK(code == expected && err.code == expected, "%s: %d (%s)", what, (int) code,
		  err.message);
	bytes_free(&value);
}

/* ---- "Strings", "Booleans", "Integers", "Byte Arrays", "Empty Values" ---- */

static void
check_simple(void)
{
	check_text(value_string("hello world"), "hello world");
	check_text(value_string(""), "");
	check_text(value_string("say \"hi\"\n"), "say \"hi\"\n");
	check_text(value_string("größe 日本"), "größe 日本");
	check_text(value_bool(true), "true");
	check_text(value_bool(false), "false");
	check_text(value_int(42), "42");
	check_text(value_int(-123), "-123");
	check_text(value_int(0), "0");
	check_text(value_int(INT64_MIN), "-9223372036854775808");
	check_text(value_int(INT64_MAX), "9223372036854775807");
	check_text(value_bytes("hello world", 11), "aGVsbG8gd29ybGQ=");
	check_text(value_bytes("", 0), "");
	check_text(value_bytes("f", 1), "Zg==");
	check_text(value_bytes("fo", 2), "Zm8=");
	check_text(value_bytes("foo", 3), "Zm9v");
	check_text(value_bytes("\xFF\xFE\xFD\0", 4), "//79AA==");
	check_text(value_empty(), "");
}

/* ---- "Floating Point Numbers": those of JSON, as ECMAScript and Go write them ---- */

static void
check_doubles(void)
{
	check_text(value_double(3.14159), "3.14159");
	check_text(value_double(1.23e10), "12300000000");
	check_text(value_double(0), "0");
	check_text(value_double(-0.0), "-0");
	check_text(value_double(-2.5), "-2.5");
	check_text(value_double(0.1), "0.1");
	check_text(value_double(1e20), "100000000000000000000");
	check_text(value_double(1e21), "1e+21");
	check_text(value_double(1e-6), "0.000001");
	check_text(value_double(1.5e-7), "1.5e-7");
	check_text(value_double(1e-10), "1e-10");
	check_text(value_double(5e-324), "5e-324");
	check_text(value_double(DBL_MAX), "1.7976931348623157e+308");
	check_text(value_double(NAN), "NaN");
	check_text(value_double(INFINITY), "Infinity");
	check_text(value_double(-INFINITY), "-Infinity");
}

/* ---- "Arrays" and "Maps" ---- */

static Bytes
list_of(size_t n, Bytes *elements)
{
	Bytes list = {0};

	for (size_t i = 0; i < n; i++)
		put_taken(&list, 1, elements[i]);
	return value_list(list);
}

#define LIST(...) \
	list_of(sizeof((Bytes[]){__VA_ARGS__}) / sizeof(Bytes), (Bytes[]){__VA_ARGS__})

static Bytes
map_of_two(const char *key, Bytes value, const char *other_key, Bytes other)
{
	Bytes map = {0};

	put_value(&map, 1, key, value);
	put_value(&map, 1, other_key, other);
	return value_map(map);
}

static Bytes
map_of(const char *key, Bytes value)
{
	Bytes map = {0};

	put_value(&map, 1, key, value);
	return value_map(map);
}

static void
check_nested(void)
{
	Bytes map = {0};

	check_text(value_list((Bytes){0}), "[]");
	check_text(value_map((Bytes){0}), "{}");
	check_text(LIST(value_int(1), value_double(-INFINITY), value_string("a"),
					value_bool(true), map_of("nested", value_bytes("hello world", 11))),
			   "[1,\"-Infinity\",\"a\",true,{\"nested\":\"aGVsbG8gd29ybGQ=\"}]");
	check_text(LIST(value_int(3), value_empty()), "[3,null]");
	check_text(LIST(value_double(NAN), value_double(INFINITY), value_double(1e-7)),
			   "[\"NaN\",\"Infinity\",1e-7]");
	check_text(LIST(LIST(LIST(value_int(1)), value_list((Bytes){0}))), "[[[1],[]]]");
	check_text(LIST(value_string(""), value_bytes("", 0)), "[\"\",\"\"]");
	check_text(LIST(value_string("\"\\/\b\f\n\r\t\x01 <é>")),
			   "[\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001 <é>\"]");

	put_value(&map, 1, "a", value_double(-INFINITY));
	put_value(&map, 1, "b", value_int(2));
	put_value(&map, 1, "c", LIST(value_int(3), value_empty()));
	check_text(value_map(map), "{\"a\":\"-Infinity\",\"b\":2,\"c\":[3,null]}");
	check_text(map_of("k\"\n", value_string("v")), "{\"k\\\"\\n\":\"v\"}");
	check_text(map_of("", value_map((Bytes){0})), "{\"\":{}}");

	/* Maps are equal in whatever order their entries come; keys are unique. */
	check_text(map_of_two("b", value_int(1), "a", value_int(2)), "{\"a\":2,\"b\":1}");
	check_text(map_of_two("a", value_int(1), "a", value_int(2)), "{\"a\":2}");
	check_text(map_of_two("ab", value_int(1), "a", value_int(2)), "{\"a\":2,\"ab\":1}");
}

/* ---- messages that are odd, or none ---- */

static void
check_odd(void)
{
	Bytes value = {0};

	/* Of several fields the last one counts, as in every oneof. */
	put_text(&value, 1, "a");
	put_number(&value, 3, 7);
	check_text(value, "7");
	/* What is not known is passed over. */
	value = value_int(7);
	put_text(&value, 9, "later");
	put_double(&value, 10, 1);
	check_text(value, "7");
	value = (Bytes){0};
	put_text(&value, 9, "only");
	check_text(value, "");
	/* Any number but 0 is true. */
	value = (Bytes){0};
	put_number(&value, 2, 2);
	check_text(value, "true");

	value = (Bytes){0};
	put_number(&value, 1, 1);
	check_refused(value, TS_ERR_SYNTAX, "a string that is a number");
	value = (Bytes){0};
	put_text(&value, 3, "1");
	check_refused(value, TS_ERR_SYNTAX, "a number that is a string");
	value = (Bytes){0};
	put_varint(&value, WIRE_TAG(9, 3));
	put_varint(&value, WIRE_TAG(9, 4));
	check_refused(value, TS_ERR_SYNTAX, "a group");
	value = (Bytes){0};
	put_number(&value, 1, 0);
	check_refused(value_list(value), TS_ERR_SYNTAX, "an element that is a number");
	value = (Bytes){0};
	put_text(&value, 1, "\x08");
	check_refused(value_map(value), TS_ERR_SYNTAX, "an entry that is damaged");
}

/* Cut anywhere: right, refused, or another value; never read beyond its end. */
static void
check_cut(void)
{
	Bytes whole = LIST(value_string("abc"), value_double(1), value_int(-1),
					   map_of("key", value_bytes("xyz", 3)));
	int refused = 0;

	unit_group_begin();
	for (size_t len = 0; len < whole.n; len++)
	{
		uint8_t *cut = malloc(len + 1);
		TsString text;
		TsError err;
		TsErrorCode code;

		memcpy(cut, whole.data, len);
		code = ts_otlp_value_text((TsWire){cut, cut + len}, &arena, &text, &err);
		CHECK(code == TS_OK ? len == 0 : code == TS_ERR_SYNTAX, "%zu: %d", len,
			  (int) code);
		refused += code != TS_OK;
		free(cut);
	}
	CHECK(refused == (int) whole.n - 1, "%d of %zu", refused, whole.n);
	unit_group_end();
	bytes_free(&whole);
}

/* Values within values, the outermost counted. */
static Bytes
nested(int depth, bool maps)
{
	Bytes value = value_empty();

	for (int i = 1; i < depth; i++)
	{
		Bytes inner = {0};

		if (maps)
			put_value(&inner, 1, "k", value);
		else
			put_taken(&inner, 1, value);
		value = maps ? value_map(inner) : value_list(inner);
	}
	return value;
}

static void
check_depth(void)
{
	for (int maps = 0; maps < 2; maps++)
	{
		Bytes value = nested(TS_OTLP_MAX_DEPTH, maps);
		TsString text;
		TsError err;

		CHECK(text_of(&value, &text, &err) == TS_OK && text.len > TS_OTLP_MAX_DEPTH, "%s",
			  err.message);
		bytes_free(&value);
		check_refused(nested(TS_OTLP_MAX_DEPTH + 1, maps), TS_ERR_SYNTAX, "one deeper");
		check_refused(nested(5000, maps), TS_ERR_SYNTAX, "far deeper");
	}
}

static void
check_utf8(void)
{
	Bytes value = LIST(value_string("\xC3"), value_int(1));

	check_refused(value_string("a\xFFz"), TS_ERR_INVALID, "string");
	check_refused(LIST(value_string("\xED\xA0\x80")), TS_ERR_INVALID, "element");
	check_refused(map_of("\xC3", value_int(1)), TS_ERR_INVALID, "key");
	check_text(value_bytes("\xC3", 1), "ww==");
	/* Damage behind it is found all the same. */
	value.data[value.n - 2] = WIRE_TAG(1, WIRE_BYTES);
	check_refused(value, TS_ERR_SYNTAX, "damage behind text that is no UTF-8");
}

/* ---- limits ---- */

static Bytes
long_list(size_t n)
{
	Bytes list = {0};

	for (size_t i = 0; i < n; i++)
		put_taken(&list, 1, value_int(7));
	return value_list(list);
}

static void
check_limits(void)
{
	char *zeros = calloc(LABELS_MAX_SIZE, 1);
	Bytes map = {0};
	Bytes value;
	TsString text;
	TsError err;

	/* n numbers of one digit need 2n + 1 bytes. */
	value = long_list((LABELS_MAX_SIZE - 1) / 2);
	CHECK(text_of(&value, &text, &err) == TS_OK && text.len == LABELS_MAX_SIZE, "%s",
		  err.message);
	bytes_free(&value);
	check_refused(long_list((LABELS_MAX_SIZE + 1) / 2), TS_ERR_LIMIT, "list");
	check_refused(value_bytes(zeros, LABELS_MAX_SIZE), TS_ERR_LIMIT, "bytes");
	for (int i = 0; i < 20000; i++)
		put_value(&map, 1, "same", value_int(i));
	check_refused(value_map(map), TS_ERR_LIMIT, "keys that are the same");

	/* Strings are not copied; what they may be is for the set of labels to say. */
	memset(zeros, 'x', LABELS_MAX_SIZE - 1);
	value = value_string(zeros);
	CHECK(text_of(&value, &text, &err) == TS_OK &&
			  (const uint8_t *) text.data > value.data &&
			  (const uint8_t *) text.data < value.data + value.n,
		  "a string is copied");
	bytes_free(&value);
	free(zeros);
}

static void
check_memory(void)
{
	Bytes value = LIST(map_of("a long enough key", value_string("a long enough value")),
					   map_of_two("b", value_empty(), "c", map_of("d", value_int(1))),
					   value_int(1));
	bool done = false;

	unit_group_begin();
	for (int pieces = 0; !done && pieces < 20; pieces++)
	{
		DryAllocator dry = {pieces, 0};
		TsAllocator allocator = {dry_alloc, dry_free, &dry};
		TsArena small;
		TsString text;
		TsError err;
		TsErrorCode code;

		ts_arena_init(&small, &allocator, 1 << 20);
		code = ts_otlp_value_text(bytes_wire(&value), &small, &text, &err);
		CHECK(code == TS_OK || code == TS_ERR_MEMORY, "%d", (int) code);
		done = code == TS_OK;
		ts_arena_free(&small);
		CHECK(dry.held == 0, "%d pieces are held", dry.held);
	}
	CHECK(done, "never enough");
	unit_group_end();
	bytes_free(&value);
}

/* ---- attributes ---- */

static void
check_attribute(void)
{
	Bytes message = {0};
	TsOtlpAttribute attribute;
	TsError err;

	put_text(&message, 1, "key");
	CHECK(ts_otlp_check_attribute(bytes_wire(&message), &attribute, &err) == TS_OK &&
			  ts_string_is(attribute.key, "key") && !wire_more(&attribute.value),
		  "no value");
	put_taken(&message, 2, nested(TS_OTLP_MAX_DEPTH + 1, true));
	CHECK(ts_otlp_check_attribute(bytes_wire(&message), &attribute, &err) ==
			  TS_ERR_SYNTAX,
		  "too deep");
	bytes_free(&message);

	put_text(&message, 1, "\xFF");
	put_text(&message, 3, "not known");
	CHECK(ts_otlp_check_attribute(bytes_wire(&message), &attribute, &err) ==
			  TS_ERR_INVALID,
		  "key that is no UTF-8");
	put_number(&message, 2, 1);
	CHECK(ts_otlp_check_attribute(bytes_wire(&message), &attribute, &err) ==
			  TS_ERR_SYNTAX,
		  "value that is a number");
	bytes_free(&message);
}

/* Keys of attributes one after the other, each with a comma. */
static void
keys_of(const TsOtlpAttributes *attributes, char *out)
{
	TsOtlpAttribute attribute;
	TsOtlpAttributeIter iter;
	size_t len = 0;

	ts_otlp_iterate(attributes, &iter);
	while (ts_otlp_next_attribute(&iter, &attribute))
		len += (size_t) sprintf(out + len, "%.*s,", (int) attribute.key.len,
								attribute.key.data);
	out[len] = '\0';
}

static void
check_iteration(void)
{
	Bytes message = {0};
	TsOtlpAttributes attributes;
	char keys[100];

	attributes = attributes_of(&message, 7);
	keys_of(&attributes, keys);
	CHECK(strcmp(keys, "") == 0, "%s", keys);

	put_double(&message, 4, 1);
	put_value(&message, 7, "a", value_int(1));
	put_value(&message, 7, "", value_int(2));
	put_value(&message, 7, "c", value_empty());
	attributes = attributes_of(&message, 7);
	keys_of(&attributes, keys);
	CHECK(attributes.together && strcmp(keys, "a,,c,") == 0, "%s", keys);

	put_value(&message, 8, "x", value_int(1));
	put_number(&message, 3, 5);
	put_value(&message, 7, "d", value_int(1));
	attributes = attributes_of(&message, 7);
	keys_of(&attributes, keys);
	CHECK(!attributes.together && strcmp(keys, "a,,c,d,") == 0, "%s", keys);
	bytes_free(&message);
}

/* ---- fingerprints ---- */

static uint8_t secret[TS_WRITE_SECRET];
static const TsFingerprint seed = {1, 2};

static TsFingerprint
print_of(const Bytes *message)
{
	TsOtlpAttributes attributes = attributes_of(message, 7);

	return ts_otlp_attributes_print(&attributes, seed, secret);
}

/* Of two attributes with strings. */
static TsFingerprint
print_two(const char *key, const char *value, const char *other_key, const char *other)
{
	Bytes message = {0};
	TsFingerprint print;

	put_value(&message, 7, key, value_string(value));
	put_value(&message, 7, other_key, value_string(other));
	print = print_of(&message);
	bytes_free(&message);
	return print;
}

static void
check_prints(void)
{
	TsFingerprint print = print_two("a", "bc", "d", "e");
	Bytes message = {0};
	TsOtlpAttributes attributes;
	TsFingerprint none;
	TsFingerprint chained[2];

	none = print_of(&message);
	CHECK(!ts_fingerprint_equal(none, seed) && !ts_fingerprint_equal(none, print),
		  "nothing");
	CHECK(ts_fingerprint_equal(print, print_two("a", "bc", "d", "e")), "the same");
	CHECK(!ts_fingerprint_equal(print, print_two("ab", "c", "d", "e")), "key and value");
	CHECK(!ts_fingerprint_equal(print, print_two("a", "b", "cd", "e")), "attributes");
	CHECK(!ts_fingerprint_equal(print, print_two("a", "bc", "d", "f")), "a value");

	/* They may lie apart. */
	put_value(&message, 7, "a", value_string("bc"));
	put_double(&message, 4, 1);
	put_value(&message, 7, "d", value_string("e"));
	put_value(&message, 8, "x", value_string("y"));
	CHECK(ts_fingerprint_equal(print, print_of(&message)), "apart");

	attributes = attributes_of(&message, 7);
	CHECK(!ts_fingerprint_equal(print, ts_otlp_attributes_print(
										   &attributes, (TsFingerprint){1, 3}, secret)),
		  "another seed");
	secret[5] = 1;
	CHECK(!ts_fingerprint_equal(print, print_of(&message)), "another secret");

	/* Where one set of attributes ends and the next begins matters. */
	bytes_free(&message);
	put_value(&message, 7, "a", value_string("bc"));
	attributes = attributes_of(&message, 7);
	chained[0] = ts_otlp_attributes_print(
		&(TsOtlpAttributes){.count = 0},
		ts_otlp_attributes_print(&attributes, seed, secret), secret);
	chained[1] = ts_otlp_attributes_print(
		&attributes,
		ts_otlp_attributes_print(&(TsOtlpAttributes){.count = 0}, seed, secret), secret);
	CHECK(!ts_fingerprint_equal(chained[0], chained[1]), "sets of attributes");
	bytes_free(&message);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t) (i * 73 + 11);
	ts_arena_init(&arena, &ts_malloc_allocator, 16 * 1024 * 1024);
	check_simple();
	check_doubles();
	check_nested();
	check_odd();
	check_cut();
	check_depth();
	check_utf8();
	check_limits();
	check_memory();
	check_attribute();
	check_iteration();
	check_prints();
	ts_arena_free(&arena);
	return unit_finish();
}
