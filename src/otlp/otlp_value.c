/*
 * otlp_value.c
 *	  Attributes as they lie in a message, and their values as text.
 *
 * A value is an AnyValue: one of seven kinds, or empty; of several fields the last one
 * counts. Strings are their own text; of the others it is what OpenTelemetry's specification
 * ("AnyValue representation for non-OTLP protocols") says. Keys of a map are sorted, since
 * maps are equal whatever the order they come in; of equal keys the last one counts.
 *
 * A value is read twice. The first time all of it is checked, and what its text can need at
 * most is counted, which takes no memory. The second time the text is written, into at most
 * LABELS_MAX_SIZE bytes: no set of labels can hold more. What writing needs besides is given
 * back at once. Both walks go down by recursion, which the first one keeps within
 * TS_OTLP_MAX_DEPTH.
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "promql_ast.h"
#include "ts_otlp.h"

/* Fields of AnyValue. */
typedef enum ValueKind
{
	VALUE_EMPTY,
	VALUE_STRING,
	VALUE_BOOL,
	VALUE_INTEGER,
	VALUE_DOUBLE,
	VALUE_LIST,
	VALUE_MAP,
	VALUE_BYTES
} ValueKind;

typedef struct Value
{
	ValueKind kind;
	uint64_t bits; /* of booleans and numbers */
	TsWire inner;  /* of the others */
} Value;

#define LIST_ELEMENT WIRE_TAG(1, WIRE_BYTES) /* of a map, too */
#define ENTRY_KEY    WIRE_TAG(1, WIRE_BYTES)
#define ENTRY_VALUE  WIRE_TAG(2, WIRE_BYTES)
#define STRING_VALUE WIRE_TAG(VALUE_STRING, WIRE_BYTES)

/* What a number of JSON can need: a sign, 17 digits, a point, and zeros or an exponent. */
#define NUMBER_TEXT 32

/* What an entry of a map has at least: "":[], or "":0, */
#define MIN_ENTRY_TEXT 5

/* What tells these fingerprints from those of other bytes that have the same secret. */
#define OF_ATTRIBUTES UINT64_C(0xA3D8F1A1C76B5E29)

static TsErrorCode
damaged(TsError *err)
{
	return ts_error_set(err, TS_ERR_SYNTAX, -1, "attribute is cut short or damaged");
}

static size_t
wire_left(const TsWire *wire)
{
	return (size_t) (wire->end - wire->next);
}

static TsString
wire_text(const TsWire *wire)
{
	return (TsString){(const char *) wire->next, wire_left(wire)};
}

/* ---- messages ---- */

static bool
read_value(TsWire wire, Value *value)
{
	static const uint8_t types[] = {
		[VALUE_STRING] = WIRE_BYTES,   [VALUE_BOOL] = WIRE_VARINT,
		[VALUE_INTEGER] = WIRE_VARINT, [VALUE_DOUBLE] = WIRE_FIXED64,
		[VALUE_LIST] = WIRE_BYTES,     [VALUE_MAP] = WIRE_BYTES,
		[VALUE_BYTES] = WIRE_BYTES,
	};
	uint32_t tag;
	bool ok = true;

	*value = (Value){.kind = VALUE_EMPTY};
	while (ok && wire_more(&wire))
	{
		if (!wire_tag(&wire, &tag))
			return false;
		if (tag >> 3 > VALUE_BYTES)
		{
			ok = wire_skip(&wire, tag);
			continue;
		}
		value->kind = (ValueKind) (tag >> 3);
		if ((tag & 7) != types[value->kind])
			return false;
		if ((tag & 7) == WIRE_VARINT)
			ok = wire_varint(&wire, &value->bits);
		else if ((tag & 7) == WIRE_FIXED64)
			ok = wire_fixed64(&wire, &value->bits);
		else
			ok = wire_message(&wire, &value->inner);
	}
	return ok;
}

/* A KeyValue. */
static bool
read_attribute(TsWire wire, TsOtlpAttribute *attribute)
{
	uint32_t tag;
	bool ok = true;

	*attribute = (TsOtlpAttribute){.key = {"", 0}};
	while (ok && wire_more(&wire))
	{
		if (!wire_tag(&wire, &tag))
			return false;
		if (tag == ENTRY_KEY)
			ok = wire_string(&wire, &attribute->key);
		else if (tag == ENTRY_VALUE)
			ok = wire_message(&wire, &attribute->value);
		else
			ok = tag >> 3 > ENTRY_VALUE >> 3 && wire_skip(&wire, tag);
	}
	return ok;
}

/* The next of the fields that have the tag; *found is false at the end. */
static bool
next_field(TsWire *wire, uint32_t wanted, TsWire *field, bool *found)
{
	uint32_t tag;

	assert((wanted & 7) == WIRE_BYTES);
	while (wire_more(wire))
	{
		if (!wire_tag(wire, &tag))
			return false;
		if (tag == wanted)
		{
			*found = true;
			return wire_message(wire, field);
		}
		if (tag >> 3 == wanted >> 3 || !wire_skip(wire, tag))
			return false;
	}
	*found = false;
	return true;
}

/* ---- checking ---- */

/* What is found out about a value: what its text can need at most, and whether it is text. */
typedef struct Findings
{
	size_t size;
	size_t entries; /* of all maps */
	bool not_utf8;
} Findings;

static void
check_string(TsString string, Findings *findings)
{
	if (ts_utf8_valid_prefix(string.data, string.len) < string.len)
		findings->not_utf8 = true;
	findings->size += 2 + string.len * TS_JSON_ESCAPE_SIZE;
}

static TsErrorCode
check_elements(TsWire list, bool map, int depth, Findings *findings, TsError *err);

/* Fails only for damage and depth, so that these are found before all else. */
static TsErrorCode
check_value(TsWire wire, int depth, Findings *findings, TsError *err)
{
	Value value;

	if (depth > TS_OTLP_MAX_DEPTH)
		return ts_error_set(err, TS_ERR_SYNTAX, -1,
							"attribute's value is nested more than %d deep",
							TS_OTLP_MAX_DEPTH);
	if (!read_value(wire, &value))
		return damaged(err);
	switch (value.kind)
	{
		case VALUE_STRING:
			check_string(wire_text(&value.inner), findings);
			return TS_OK;
		case VALUE_BYTES:
			findings->size += wire_left(&value.inner) * 2 + 6;
			return TS_OK;
		case VALUE_LIST:
		case VALUE_MAP:
			return check_elements(value.inner, value.kind == VALUE_MAP, depth, findings,
								  err);
		case VALUE_EMPTY:
		case VALUE_BOOL:
		case VALUE_INTEGER:
		case VALUE_DOUBLE:
			break;
	}
	findings->size += NUMBER_TEXT;
	return TS_OK;
}

static TsErrorCode
check_elements(TsWire list, bool map, int depth, Findings *findings, TsError *err)
{
	TsErrorCode code = TS_OK;
	TsOtlpAttribute entry;
	TsWire field;
	bool found;

	findings->size += 2;
	while (code == TS_OK)
	{
		if (!next_field(&list, LIST_ELEMENT, &field, &found))
			return damaged(err);
		if (!found)
			break;
		findings->size += 2; /* a comma, and a colon */
		if (map)
		{
			if (!read_attribute(field, &entry))
				return damaged(err);
			findings->entries++;
			check_string(entry.key, findings);
			field = entry.value;
		}
		code = check_value(field, depth + 1, findings, err);
	}
	return code;
}

static TsErrorCode
check_text(const Findings *findings, TsError *err)
{
	if (findings->not_utf8)
		return ts_error_set(err, TS_ERR_INVALID, -1, "attribute is not valid UTF-8");
	return TS_OK;
}

/*
 * Nearly all attributes have a short key and a short string. What else such a message has is
 * ASCII, so that all of it is valid text when both of them are.
 */
static bool
is_plain(TsWire keyvalue, TsOtlpAttribute *attribute)
{
	const uint8_t *at = keyvalue.next;
	size_t size = wire_left(&keyvalue);
	size_t value;
	size_t key;

	if (size < 6 || at[0] != ENTRY_KEY || at[1] >= 0x80 || size < (size_t) at[1] + 6)
		return false;
	key = at[1];
	value = size - key - 4;
	if (at[key + 2] != ENTRY_VALUE || value >= 0x80 || at[key + 3] != value ||
		at[key + 4] != STRING_VALUE || at[key + 5] != value - 2)
		return false;
	attribute->key = (TsString){(const char *) at + 2, key};
	attribute->value = (TsWire){at + key + 4, keyvalue.end};
	return ts_utf8_valid_prefix((const char *) at, size) == size;
}

TsErrorCode
ts_otlp_check_attribute(TsWire keyvalue, TsOtlpAttribute *attribute, TsError *err)
{
	Findings findings = {0};
	TsErrorCode code;

	if (is_plain(keyvalue, attribute))
		return TS_OK;
	if (!read_attribute(keyvalue, attribute))
		return damaged(err);
	check_string(attribute->key, &findings);
	code = check_value(attribute->value, 1, &findings, err);
	return code == TS_OK ? check_text(&findings, err) : code;
}

/* ---- writing ---- */

/* Of what does not fit nothing is written. */
typedef struct Text
{
	char *out;
	size_t len;
	size_t room;
	bool full;
	const TsAllocator *allocator; /* for sorting */
	bool no_memory;
} Text;

#define text_going(text) (!(text)->full && !(text)->no_memory)

static void
put(Text *text, const char *data, size_t len)
{
	if (len > text->room - text->len)
		text->full = true;
	if (!text_going(text))
		return;
	if (len > 0)
		memcpy(text->out + text->len, data, len);
	text->len += len;
}

static void
put_char(Text *text, char c)
{
	put(text, &c, 1);
}

static void
put_quoted(Text *text, TsString string)
{
	char escape[TS_JSON_ESCAPE_SIZE];

	put_char(text, '"');
	for (size_t i = 0; i < string.len && text_going(text); i++)
	{
		int len = ts_json_escape(string.data[i], escape);

		if (len == 0)
			put_char(text, string.data[i]);
		else
			put(text, escape, (size_t) len);
	}
	put_char(text, '"');
}

static void
put_base64(Text *text, const TsWire *bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *next = bytes->next;
	size_t left = wire_left(bytes);

	for (; left > 0 && text_going(text); left -= left < 3 ? left : 3, next += 3)
	{
		uint32_t group = (uint32_t) next[0] << 16;
		char out[4] = {0, 0, '=', '='};

		if (left > 1)
			group |= (uint32_t) next[1] << 8;
		if (left > 2)
			group |= next[2];
		out[0] = digits[group >> 18];
		out[1] = digits[group >> 12 & 63];
		if (left > 1)
			out[2] = digits[group >> 6 & 63];
		if (left > 2)
			out[3] = digits[group & 63];
		put(text, out, sizeof(out));
	}
}

/* A number of JSON; what JSON has no number for is a name. */
static int
number_text(double number, char *out)
{
	int len;

	if (isnan(number))
		return sprintf(out, "NaN");
	if (isinf(number))
		return sprintf(out, number < 0 ? "-Infinity" : "Infinity");
	len = promql_write_json_float(number, out);
	/* Exponents are not padded here: 1e-7. */
	if (len > 4 && out[len - 4] == 'e' && out[len - 2] == '0')
	{
		out[len - 2] = out[len - 1];
		len--;
	}
	return len;
}

static void
put_double(Text *text, uint64_t bits, bool within)
{
	char out[PROMQL_FLOAT_SIZE];
	double number;
	int len;

	memcpy(&number, &bits, sizeof(number));
	len = number_text(number, out);
	if (within && !isfinite(number))
		put_quoted(text, (TsString){out, (size_t) len});
	else
		put(text, out, (size_t) len);
}

static void put_value(Text *text, TsWire wire, bool within);

static void
put_list(Text *text, TsWire list)
{
	bool first = true;
	TsWire element;
	bool found;

	put_char(text, '[');
	while (text_going(text) && next_field(&list, LIST_ELEMENT, &element, &found) && found)
	{
		if (!first)
			put_char(text, ',');
		first = false;
		put_value(text, element, true);
	}
	put_char(text, ']');
}

typedef struct MapEntry
{
	TsOtlpAttribute attribute;
	size_t place;
} MapEntry;

/* By key, and of equal keys the last one first. */
static int
compare_entries(const void *a, const void *b)
{
	const MapEntry *left = a;
	const MapEntry *right = b;
	int order = ts_string_compare(left->attribute.key, right->attribute.key);

	return order != 0 ? order
					  : (left->place < right->place) - (left->place > right->place);
}

static MapEntry *
sorted_entries(Text *text, TsWire map, size_t *count)
{
	TsWire rest = map;
	size_t n = 0;
	MapEntry *entries;
	TsWire field;
	bool found;

	while (next_field(&rest, LIST_ELEMENT, &field, &found) && found)
		n++;
	entries = text->allocator->alloc(text->allocator->ctx, (n + 1) * sizeof(MapEntry));
	if (entries == NULL)
	{
		text->no_memory = true;
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
	{
		next_field(&map, LIST_ELEMENT, &field, &found);
		read_attribute(field, &entries[i].attribute);
		entries[i].place = i;
	}
	if (n > 1)
		qsort(entries, n, sizeof(MapEntry), compare_entries);
	*count = n;
	return entries;
}

static void
put_map(Text *text, TsWire map)
{
	size_t n = 0;
	MapEntry *entries = sorted_entries(text, map, &n);

	put_char(text, '{');
	for (size_t i = 0; i < n && text_going(text); i++)
	{
		const TsOtlpAttribute *entry = &entries[i].attribute;

		if (i > 0 && ts_string_equal(entry->key, entries[i - 1].attribute.key))
			continue;
		if (i > 0)
			put_char(text, ',');
		put_quoted(text, entry->key);
		put_char(text, ':');
		put_value(text, entry->value, true);
	}
	put_char(text, '}');
	if (entries != NULL)
		text->allocator->free(text->allocator->ctx, entries);
}

/* Of a value that was checked; `within` another one strings have quotes. */
static void
put_value(Text *text, TsWire wire, bool within)
{
	char out[NUMBER_TEXT];
	Value value;

	read_value(wire, &value);
	switch (value.kind)
	{
		case VALUE_EMPTY:
			put(text, "null", within ? 4 : 0);
			break;
		case VALUE_STRING:
			if (within)
				put_quoted(text, wire_text(&value.inner));
			else
				put(text, (const char *) value.inner.next, wire_left(&value.inner));
			break;
		case VALUE_BOOL:
			put(text, value.bits != 0 ? "true" : "false", value.bits != 0 ? 4 : 5);
			break;
		case VALUE_INTEGER:
			put(text, out, (size_t) sprintf(out, "%" PRId64, (int64_t) value.bits));
			break;
		case VALUE_DOUBLE:
			put_double(text, value.bits, within);
			break;
		case VALUE_LIST:
			put_list(text, value.inner);
			break;
		case VALUE_MAP:
			put_map(text, value.inner);
			break;
		case VALUE_BYTES:
			put(text, "\"", within ? 1 : 0);
			put_base64(text, &value.inner);
			put(text, "\"", within ? 1 : 0);
			break;
	}
}

/* Writes the text of a value that was checked; what it needs at most is known. */
static TsErrorCode
write_text(TsWire wire, const Findings *findings, TsArena *arena, TsString *result,
		   TsError *err)
{
	char small[2 * NUMBER_TEXT];
	Text text = {.out = small, .allocator = &arena->allocator, .room = findings->size};

	if (text.room > LABELS_MAX_SIZE)
		text.room = LABELS_MAX_SIZE;
	text.full = findings->entries > LABELS_MAX_SIZE / MIN_ENTRY_TEXT;
	if (text.room > sizeof(small) && !text.full)
		text.out = text.allocator->alloc(text.allocator->ctx, text.room);
	text.no_memory = text.out == NULL;
	if (text_going(&text))
		put_value(&text, wire, false);
	if (text_going(&text))
	{
		*result = (TsString){ts_arena_copy(arena, text.out, text.len), text.len};
		text.no_memory = result->data == NULL;
	}
	if (text.out != small && text.out != NULL)
		text.allocator->free(text.allocator->ctx, text.out);
	if (text.no_memory)
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory");
	if (text.full)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"attribute's value has a text of more than %d bytes",
							LABELS_MAX_SIZE);
	return TS_OK;
}

TsErrorCode
ts_otlp_value_text(TsWire wire, TsArena *arena, TsString *text, TsError *err)
{
	Findings findings = {0};
	Value value;
	TsErrorCode code = check_value(wire, 1, &findings, err);

	*text = (TsString){"", 0};
	if (code == TS_OK)
		code = check_text(&findings, err);
	if (code != TS_OK)
		return code;
	read_value(wire, &value);
	if (value.kind == VALUE_EMPTY)
		return TS_OK;
	if (value.kind == VALUE_STRING)
	{
		*text = wire_text(&value.inner);
		return TS_OK;
	}
	return write_text(wire, &findings, arena, text, err);
}

/* ---- attributes ---- */

void
ts_otlp_iterate(const TsOtlpAttributes *attributes, TsOtlpAttributeIter *iter)
{
	*iter = (TsOtlpAttributeIter){.tag = attributes->tag};
	if (attributes->count > 0)
		iter->rest = attributes->run;
}

bool
ts_otlp_next_attribute(TsOtlpAttributeIter *iter, TsOtlpAttribute *attribute)
{
	TsWire field;
	bool found;

	return wire_more(&iter->rest) && next_field(&iter->rest, iter->tag, &field, &found) &&
		   found && read_attribute(field, attribute);
}

static XXH128_hash_t
hash_bytes(const void *data, size_t size, const void *secret)
{
	return XXH3_128bits_withSecret(data, size, secret, TS_WRITE_SECRET);
}

/* The same hash as if they lay together. */
static XXH128_hash_t
hash_scattered(const TsOtlpAttributes *attributes, const void *secret)
{
	TsWire wire = attributes->run;
	XXH3_state_t state;
	uint32_t tag;

	XXH3_128bits_reset_withSecret(&state, secret, TS_WRITE_SECRET);
	while (wire_more(&wire))
	{
		const uint8_t *from = wire.next;

		if (!wire_tag(&wire, &tag) || !wire_skip(&wire, tag))
			break;
		if (tag == attributes->tag)
			XXH3_128bits_update(&state, from, (size_t) (wire.next - from));
	}
	return XXH3_128bits_digest(&state);
}

TsFingerprint
ts_otlp_attributes_print(const TsOtlpAttributes *attributes, TsFingerprint seed,
						 const void *secret)
{
	struct
	{
		uint64_t domain;
		TsFingerprint seed;
		XXH128_hash_t attributes;
	} all = {OF_ATTRIBUTES, seed, {0, 0}};
	XXH128_hash_t hash;

	if (attributes->count > 0)
		all.attributes = attributes->together
							 ? hash_bytes(attributes->run.next,
										  wire_left(&attributes->run), secret)
							 : hash_scattered(attributes, secret);
	hash = hash_bytes(&all, sizeof(all), secret);
	return (TsFingerprint){hash.low64, hash.high64};
}
