/*
 * otlp_json.c
 *	  OTLP's JSON into protobuf: one walk over the text, one over what was made.
 *
 * A message's length stands before it and is not known before its end. So while the text is
 * read each message has a slot there of eight bytes, for its length and for where the next
 * slot is. At its end the length is known as it will be when all slots within are varints of
 * the shortest form, and when all is read the slots are replaced by these, from the first to
 * the last, moving every byte at most once. What comes out is what a writer of protobuf
 * makes, with fields in the order that they have in the text; so a series has the same
 * fingerprint whether it comes in one format or the other.
 *
 * Fields with their default value are left out, where the .proto files do not have them say
 * something by being there.
 */
#include <assert.h>
#include <limits.h>
#include <math.h>

#include "otlp_json_fields.h"
#include "otlp_json_number.h"
#include "otlp_json_text.h"
#include "ts_otlp.h"

/*
 * Objects and arrays within each other: the way to an attribute of an exemplar takes fewer
 * than 20, and a list of keys and values within another takes four. How deep values are is
 * looked at where they are read.
 */
#define MAX_DEPTH (20 + 4 * (TS_OTLP_MAX_DEPTH + 1))

#define FIRST_ROOM 1024
#define NO_SLOT    UINT32_MAX
/* A field number of ours is written in one byte with its type, or in two. */
#define TAG_MAX 2

typedef struct Slot
{
	uint32_t length;
	uint32_t next;
} Slot;

typedef struct Maker
{
	JsonText text;
	const TsAllocator *allocator;
	uint8_t *data;
	size_t size;
	size_t room;
	size_t limit;
	size_t shrinks; /* by so much, when slots that have their length are varints */
	uint32_t first_slot;
	uint32_t last_slot;
} Maker;

/* ---- output ---- */

static bool
no_room(Maker *maker)
{
	return json_text_fail(&maker->text, maker->text.at, TS_ERR_LIMIT,
						  "request is larger than %zu bytes as protobuf", maker->limit);
}

static bool
grow(Maker *maker, size_t size)
{
	size_t room = maker->room;
	uint8_t *data;

	if (size > maker->limit - maker->size)
		return no_room(maker);
	while (room < maker->size + size)
		room *= 2;
	if (room > maker->limit)
		room = maker->limit;
	data = maker->allocator->alloc(maker->allocator->ctx, room);
	if (data == NULL)
		return json_text_fail(&maker->text, maker->text.at, TS_ERR_MEMORY,
							  "out of memory for a request of JSON as protobuf");
	memcpy(data, maker->data, maker->size);
	maker->allocator->free(maker->allocator->ctx, maker->data);
	maker->data = data;
	maker->room = room;
	return true;
}

/* Sees to room for so many bytes. */
static inline bool
reserve(Maker *maker, size_t size)
{
	return size <= maker->room - maker->size || grow(maker, size);
}

static size_t
varint_size(uint64_t value)
{
	uint8_t bytes[WIRE_VARINT_MAX];

	return wire_write_varint(value, bytes);
}

static inline void
put_varint(Maker *maker, uint64_t value)
{
	assert(maker->room - maker->size >= varint_size(value));
	maker->size += wire_write_varint(value, maker->data + maker->size);
}

static inline void
put_tag(Maker *maker, const JsonField *field, int type)
{
	put_varint(maker, WIRE_TAG(field->number, type));
}

/* Where something with a length before it began. */
typedef struct Inner
{
	size_t tag;
	uint32_t slot;
	uint32_t slot_before;
	size_t shrinks;
} Inner;

static bool
begin_inner(Maker *maker, const JsonField *field, Inner *inner)
{
	Slot slot = {0, NO_SLOT};

	if (!reserve(maker, TAG_MAX + sizeof(slot)))
		return false;
	inner->tag = maker->size;
	put_tag(maker, field, WIRE_BYTES);
	inner->slot = (uint32_t) maker->size;
	inner->slot_before = maker->last_slot;
	inner->shrinks = maker->shrinks;
	if (maker->last_slot == NO_SLOT)
		maker->first_slot = inner->slot;
	else
		memcpy(maker->data + maker->last_slot + offsetof(Slot, next), &inner->slot,
			   sizeof(inner->slot));
	maker->last_slot = inner->slot;
	memcpy(maker->data + maker->size, &slot, sizeof(slot));
	maker->size += sizeof(slot);
	return true;
}

static void
end_inner(Maker *maker, const Inner *inner)
{
	size_t shrinks = maker->shrinks - inner->shrinks;
	uint32_t length = (uint32_t) (maker->size - inner->slot - sizeof(Slot) - shrinks);

	memcpy(maker->data + inner->slot + offsetof(Slot, length), &length, sizeof(length));
	maker->shrinks += sizeof(Slot) - varint_size(length);
}

/* Of what was begun last, and has nothing in it. */
static void
drop_inner(Maker *maker, const Inner *inner)
{
	const uint32_t none = NO_SLOT;

	assert(maker->last_slot == inner->slot);
	maker->size = inner->tag;
	maker->last_slot = inner->slot_before;
	if (maker->last_slot == NO_SLOT)
		maker->first_slot = NO_SLOT;
	else
		memcpy(maker->data + maker->last_slot + offsetof(Slot, next), &none,
			   sizeof(none));
}

/* Makes varints of the slots. */
static void
close_slots(Maker *maker)
{
	size_t from = 0;
	size_t to = 0;

	for (uint32_t at = maker->first_slot; at != NO_SLOT;)
	{
		Slot slot;

		memcpy(&slot, maker->data + at, sizeof(slot));
		memmove(maker->data + to, maker->data + from, at - from);
		to += at - from;
		to += wire_write_varint(slot.length, maker->data + to);
		from = at + sizeof(slot);
		at = slot.next;
	}
	memmove(maker->data + to, maker->data + from, maker->size - from);
	to += maker->size - from;
	assert(to + maker->shrinks == maker->size);
	maker->size = to;
}

/* ---- strings and bytes ---- */

/*
 * A string without its escapes, behind what was made, where it is not part of it; a quote
 * follows it.
 */
static bool
unescape(Maker *maker, JsonString string, size_t before, TsString *plain)
{
	char *out;

	if (!reserve(maker, before + string.raw.len + 1))
		return false;
	out = (char *) maker->data + maker->size + before;
	plain->data = out;
	plain->len = json_text_unescape(string, out);
	out[plain->len] = '"';
	return true;
}

/* A string that becomes no other: where it lies, or without escapes behind what was made. */
static bool
plain_string(Maker *maker, JsonString string, TsString *plain)
{
	*plain = string.raw;
	return !string.escaped || unescape(maker, string, 0, plain);
}

static bool
make_bytes(Maker *maker, const JsonField *field, JsonString string, const char *at)
{
	const size_t before = TAG_MAX + WIRE_VARINT_MAX;
	TsString plain;
	uint8_t *bytes;
	size_t size;

	if (!unescape(maker, string, before, &plain))
		return false;
	bytes = maker->data + maker->size + before;
	size = plain.len;
	if (field->kind == JSON_BASE64)
		size = ts_base64_decode(plain.data, plain.len, true, bytes);
	else if (field->kind == JSON_HEX)
		size = json_bytes_hex(plain.data, plain.len, bytes);
	if (size == SIZE_MAX)
		return json_text_fail(
			&maker->text, at, TS_ERR_SYNTAX, "%s is expected for \"%s\"",
			field->kind == JSON_HEX ? "hexadecimal" : "base64", field->name.data);
	if (size == 0 && !field->present && !field->repeated)
		return true;
	put_tag(maker, field, WIRE_BYTES);
	put_varint(maker, size);
	memmove(maker->data + maker->size, bytes, size);
	maker->size += size;
	return true;
}

static bool
make_string(Maker *maker, const JsonField *field)
{
	const char *at = maker->text.at;
	JsonString string;

	if (!json_text_string(&maker->text, &string))
		return false;
	if (string.escaped || field->kind != JSON_STRING)
		return make_bytes(maker, field, string, at);
	if (string.raw.len == 0 && !field->present && !field->repeated)
		return true;
	if (!reserve(maker, TAG_MAX + WIRE_VARINT_MAX + string.raw.len))
		return false;
	put_tag(maker, field, WIRE_BYTES);
	put_varint(maker, string.raw.len);
	memcpy(maker->data + maker->size, string.raw.data, string.raw.len);
	maker->size += string.raw.len;
	return true;
}

/* ---- numbers ---- */

/* What a field takes. */
typedef struct NumberKind
{
	const char *what;
	int bits; /* 0: it is no integer */
	bool is_signed;
	int type; /* of the wire */
} NumberKind;

static const NumberKind number_kinds[] = {
	[JSON_DOUBLE] = {"a number", 0, true, WIRE_FIXED64},
	[JSON_INT64] = {"an integer of 64 bits", 64, true, WIRE_VARINT},
	[JSON_UINT64] = {"an unsigned integer of 64 bits", 64, false, WIRE_VARINT},
	[JSON_UINT32] = {"an unsigned integer of 32 bits", 32, false, WIRE_VARINT},
	[JSON_SINT32] = {"an integer of 32 bits", 32, true, WIRE_VARINT},
	[JSON_FIXED64] = {"an unsigned integer of 64 bits", 64, false, WIRE_FIXED64},
	[JSON_SFIXED64] = {"an integer of 64 bits", 64, true, WIRE_FIXED64},
	[JSON_ENUM] = {"an aggregation temporality", 32, true, WIRE_VARINT},
};

static bool
not_expected(Maker *maker, const JsonField *field, const char *at)
{
	return json_text_fail(&maker->text, at, TS_ERR_SYNTAX, "%s is expected for \"%s\"",
						  field->kind == JSON_BOOL ? "true or false"
												   : number_kinds[field->kind].what,
						  field->name.data);
}

/* A number, or a string that may be one; behind it stands what is no part of one. */
static bool
number_text(Maker *maker, const JsonField *field, TsString *number, bool *quoted)
{
	JsonString string;

	*quoted = json_text_is(&maker->text, '"');
	if (*quoted)
		return json_text_string(&maker->text, &string) &&
			   plain_string(maker, string, number);
	if (!json_text_is(&maker->text, '-') &&
		!(maker->text.at < maker->text.end && *maker->text.at >= '0' &&
		  *maker->text.at <= '9'))
		return not_expected(maker, field, maker->text.at);
	return json_text_number(&maker->text, number);
}

/* The words that stand for floats which numbers cannot say. */
static bool
word_double(TsString word, double *value)
{
	if (ts_string_is(word, "NaN"))
		*value = NAN;
	else if (ts_string_is(word, "Infinity"))
		*value = INFINITY;
	else if (ts_string_is(word, "-Infinity"))
		*value = -INFINITY;
	else
		return false;
	return true;
}

/* The bits of a number, as the field's type has them. */
static bool
integer_bits(TsString number, const NumberKind *kind, uint64_t *bits)
{
	JsonInteger integer;
	uint64_t most = UINT64_MAX >> (64 - kind->bits + kind->is_signed);

	if (!json_number_integer(number, &integer))
		return false;
	if (integer.negative && !kind->is_signed)
		return false;
	if (integer.magnitude > most + integer.negative)
		return false;
	*bits = integer.negative ? -integer.magnitude : integer.magnitude;
	return true;
}

static bool
number_bits(TsString number, bool quoted, int kind, uint64_t *bits)
{
	double value;

	if (quoted && kind == JSON_DOUBLE && word_double(number, &value))
	{
		memcpy(bits, &value, sizeof(*bits));
		return true;
	}
	if (quoted && kind == JSON_ENUM)
	{
		int temporality = otlp_json_temporality(number);

		*bits = (uint64_t) temporality;
		if (temporality >= 0)
			return true;
	}
	if (quoted && (number.len == 0 || json_text_number_length(number) != number.len))
		return false;
	if (kind != JSON_DOUBLE)
		return integer_bits(number, &number_kinds[kind], bits);
	if (!json_number_double(number, &value))
		return false;
	memcpy(bits, &value, sizeof(*bits));
	return true;
}

static bool
read_bool(Maker *maker, const JsonField *field, uint64_t *bits)
{
	*bits = json_text_is(&maker->text, 't');
	if (*bits == 0 && !json_text_is(&maker->text, 'f'))
		return not_expected(maker, field, maker->text.at);
	return json_text_word(&maker->text, *bits ? "true" : "false");
}

static bool
read_number(Maker *maker, const JsonField *field, uint64_t *bits)
{
	const char *at = maker->text.at;
	TsString number;
	bool quoted;

	if (field->kind == JSON_BOOL)
		return read_bool(maker, field, bits);
	if (!number_text(maker, field, &number, &quoted))
		return false;
	return number_bits(number, quoted, field->kind, bits) ||
		   not_expected(maker, field, at);
}

/* A number without its tag. */
static bool
put_number(Maker *maker, const JsonField *field, uint64_t bits)
{
	if (!reserve(maker, WIRE_VARINT_MAX))
		return false;
	if (field->kind != JSON_BOOL && number_kinds[field->kind].type == WIRE_FIXED64)
	{
		memcpy(maker->data + maker->size, &bits, sizeof(bits));
		maker->size += sizeof(bits);
	}
	else
		put_varint(maker,
				   field->kind == JSON_SINT32 ? wire_to_zigzag((int64_t) bits) : bits);
	return true;
}

static bool
make_number(Maker *maker, const JsonField *field)
{
	uint64_t bits;

	if (!read_number(maker, field, &bits))
		return false;
	if (bits == 0 && !field->present)
		return true;
	if (!reserve(maker, TAG_MAX))
		return false;
	put_tag(maker, field,
			field->kind == JSON_BOOL ? WIRE_VARINT : number_kinds[field->kind].type);
	return put_number(maker, field, bits);
}

/* ---- messages ---- */

static bool make_message(Maker *maker, const JsonMessage *message);

static bool
make_inner(Maker *maker, const JsonField *field)
{
	Inner inner;

	if (!begin_inner(maker, field, &inner) ||
		!make_message(maker, &otlp_json_messages[field->message]))
		return false;
	end_inner(maker, &inner);
	return true;
}

static bool
make_single(Maker *maker, const JsonField *field)
{
	switch (field->kind)
	{
		case JSON_MESSAGE:
			return make_inner(maker, field);
		case JSON_STRING:
		case JSON_BASE64:
		case JSON_HEX:
			return make_string(maker, field);
		default:
			return make_number(maker, field);
	}
}

/* A list of numbers, which are packed. */
static bool
make_packed(Maker *maker, const JsonField *field)
{
	Inner inner;
	size_t start;
	uint64_t bits;
	bool more;

	if (!begin_inner(maker, field, &inner) || !json_text_open(&maker->text, '['))
		return false;
	start = maker->size;
	for (bool first = true;; first = false)
	{
		if (!json_text_next(&maker->text, ']', first, &more))
			return false;
		if (!more)
			break;
		if (!read_number(maker, field, &bits) || !put_number(maker, field, bits))
			return false;
	}
	if (maker->size == start)
		drop_inner(maker, &inner);
	else
		end_inner(maker, &inner);
	return true;
}

static bool
make_list(Maker *maker, const JsonField *field)
{
	bool more;

	if (field->kind != JSON_MESSAGE && field->kind != JSON_STRING)
		return make_packed(maker, field);
	if (!json_text_open(&maker->text, '['))
		return false;
	for (bool first = true;; first = false)
	{
		if (!json_text_next(&maker->text, ']', first, &more))
			return false;
		if (!more)
			return true;
		if (!make_single(maker, field))
			return false;
	}
}

/*
 * The field of that name, or NULL. Most senders have fields in the same order, so the one
 * behind the last is looked at first.
 */
static const JsonField *
find_field(const JsonMessage *message, TsString name, uint32_t *hint)
{
	for (uint32_t i = 0; i < message->nfields; i++)
	{
		uint32_t index = (*hint + i) % message->nfields;
		const JsonField *field = &message->fields[index];

		if (ts_string_equal(field->name, name) ||
			ts_string_equal(field->proto_name, name))
		{
			*hint = index + 1;
			return field;
		}
	}
	return NULL;
}

/* What a message has of its fields so far. */
typedef struct Fields
{
	const JsonMessage *message;
	uint32_t hint;
	uint32_t seen;
	const JsonField *chosen; /* of those of which there may be one */
} Fields;

static bool
make_field(Maker *maker, Fields *fields, const JsonField *field, const char *at)
{
	JsonText *text = &maker->text;
	const uint32_t bit = UINT32_C(1) << (field - fields->message->fields);

	if (fields->seen & bit)
		return json_text_fail(text, at, TS_ERR_SYNTAX, "\"%s\" of %s is given twice",
							  field->name.data, fields->message->name);
	fields->seen |= bit;
	if (json_text_is(text, 'n'))
		return json_text_word(text, "null");
	if (field->oneof && fields->chosen != NULL)
		return json_text_fail(
			text, at, TS_ERR_SYNTAX, "%s may not have both \"%s\" and \"%s\"",
			fields->message->name, fields->chosen->name.data, field->name.data);
	if (field->oneof)
		fields->chosen = field;
	return field->repeated ? make_list(maker, field) : make_single(maker, field);
}

/* Calls itself for messages within: how deep that goes is bounded. */
static bool
make_message(Maker *maker, const JsonMessage *message)
{
	JsonText *text = &maker->text;
	Fields fields = {.message = message};
	bool more;

	if (!json_text_open(text, '{'))
		return false;
	for (bool first = true;; first = false)
	{
		const JsonField *field;
		const char *at;
		JsonString name;
		TsString plain;

		if (!json_text_next(text, '}', first, &more))
			return false;
		if (!more)
			return true;
		at = text->at;
		if (!json_text_name(text, &name) || !plain_string(maker, name, &plain))
			return false;
		field = find_field(message, plain, &fields.hint);
		if (field == NULL ? !json_text_skip(text)
						  : !make_field(maker, &fields, field, at))
			return false;
	}
}

static bool
make_request(Maker *maker)
{
	JsonText *text = &maker->text;

	json_text_blanks(text);
	if (!make_message(maker, &otlp_json_messages[JSON_REQUEST]))
		return false;
	json_text_blanks(text);
	if (text->at < text->end)
		return json_text_unexpected(text, "the end of the text");
	assert(text->depth == 0);
	close_slots(maker);
	return true;
}

TsErrorCode
ts_otlp_from_json(const char *text, size_t len, size_t limit,
				  const TsAllocator *allocator, const void **data, size_t *size,
				  TsError *err)
{
	TsError own;
	Maker maker = {.text = {.start = text,
							.at = text,
							.end = text + len,
							.max_depth = MAX_DEPTH,
							.err = err != NULL ? err : &own},
				   .allocator = allocator,
				   .limit = limit < NO_SLOT ? limit : NO_SLOT,
				   .first_slot = NO_SLOT,
				   .last_slot = NO_SLOT};

	if (len > INT_MAX)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "request is larger than %d bytes",
							INT_MAX);
	/* mostly protobuf takes less than JSON, with the slots too */
	maker.room = len > FIRST_ROOM ? len : FIRST_ROOM;
	if (maker.room > maker.limit)
		maker.room = maker.limit;
	maker.data = allocator->alloc(allocator->ctx, maker.room > 0 ? maker.room : 1);
	if (maker.data == NULL)
		return ts_error_set(err, TS_ERR_MEMORY, -1,
							"out of memory for a request of JSON as protobuf");
	if (!make_request(&maker))
	{
		ts_error_locate(maker.text.err, text, len);
		allocator->free(allocator->ctx, maker.data);
		return maker.text.err->code;
	}
	*data = maker.data;
	*size = maker.size;
	return TS_OK;
}
