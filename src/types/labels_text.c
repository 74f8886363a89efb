/*
 * labels_text.c
 *	  A set of labels as text: out in the form of PromQL, in also as JSON.
 *
 * Pure C. The PromQL forms are read by the parser of selectors, of which they are the
 * part with no operator but "="; JSON is told from them by the colon after its first
 * string. Whatever is written here is read back as the same labels.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "labels.h"
#include "promql_lexer.h"
#include "ts_selector.h"

/* ---- PromQL's form ---- */

/* Takes a label set from the selector that it looks like. */
static TsErrorCode
pairs_from_selector(const TsSelector *selector, LabelsText *parsed, TsError *err)
{
	if (selector->nmatchers == 0)
		return TS_OK;
	parsed->pairs = ts_arena_alloc(&parsed->arena,
								   selector->nmatchers * sizeof(LabelsPair));
	if (parsed->pairs == NULL)
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory");

	for (uint32_t i = 0; i < selector->nmatchers; i++)
	{
		const TsMatcher *matcher = &selector->matchers[i];
		LabelsPair *pair = &parsed->pairs[parsed->count++];

		if (matcher->type != TS_MATCH_EQUAL)
			return ts_error_set(err, TS_ERR_SYNTAX, matcher->operator_offset,
								"unexpected \"%s\", expected \"=\": labels have values, "
								"only selectors have other operators",
								ts_match_type_symbol(matcher->type));
		pair->name = matcher->name;
		pair->value = matcher->value;
		pair->offset = matcher->name_offset;
	}
	return TS_OK;
}

static TsErrorCode
parse_promql(const char *text, size_t len, const TsAllocator *allocator,
			 LabelsText *parsed, TsError *err)
{
	TsSelectorOptions options = {.allocator = allocator, .label_set = true};
	TsSelector selector;
	TsErrorCode code = ts_selector_parse(text, len, &options, &selector, err);

	if (code != TS_OK)
		return code;
	/* Nothing is compiled, so the arena is all that the selector owns. */
	parsed->arena = selector.arena;
	return pairs_from_selector(&selector, parsed, err);
}

/* ---- JSON ---- */

typedef struct JsonReader
{
	const char *text;
	size_t len;
	size_t pos;
	LabelsText *parsed;
	uint32_t room; /* pairs that fit */
	TsError *err;
} JsonReader;

static void
skip_space(const char *text, size_t len, size_t *pos)
{
	while (*pos < len && (text[*pos] == ' ' || text[*pos] == '\t' || text[*pos] == '\n' ||
						  text[*pos] == '\r'))
		(*pos)++;
}

/* The position past a string's closing quote, with any escapes in it; 0 if open. */
static size_t
find_string_end(const char *text, size_t len, size_t open)
{
	for (size_t i = open + 1; i < len; i++)
	{
		if (text[i] == '\\')
			i++;
		else if (text[i] == '"')
			return i + 1;
	}
	return 0;
}

static bool
looks_like_json(const char *text, size_t len)
{
	size_t pos = 0;

	skip_space(text, len, &pos);
	if (pos >= len || text[pos] != '{')
		return false;
	pos++;
	skip_space(text, len, &pos);
	if (pos >= len || text[pos] != '"')
		return false;
	pos = find_string_end(text, len, pos);
	if (pos == 0)
		return false;
	skip_space(text, len, &pos);
	return pos < len && text[pos] == ':';
}

/* The character at the reader's position, for messages. */
static TsErrorCode
json_unexpected(const JsonReader *json, const char *expected)
{
	uint32_t c;
	int n;

	if (json->pos >= json->len)
		return ts_error_set(json->err, TS_ERR_SYNTAX, (int) json->len,
							"unexpected end of input in a JSON object, expected %s",
							expected);
	n = ts_utf8_decode(json->text + json->pos, json->len - json->pos, &c);
	if (n == 0 || c < 0x20)
		return ts_error_set(json->err, TS_ERR_SYNTAX, (int) json->pos,
							"unexpected character U+%04X in a JSON object, expected %s",
							(unsigned) c, expected);
	return ts_error_set(json->err, TS_ERR_SYNTAX, (int) json->pos,
						"unexpected '%.*s' in a JSON object, expected %s", n,
						json->text + json->pos, expected);
}

/* Skips white space, then a character that must be there. */
static TsErrorCode
json_expect(JsonReader *json, char c, const char *expected)
{
	skip_space(json->text, json->len, &json->pos);
	if (json->pos >= json->len || json->text[json->pos] != c)
		return json_unexpected(json, expected);
	json->pos++;
	return TS_OK;
}

/* Reads the four hexadecimal digits of \u; the position is at the 'u'. */
static bool
json_hex(const JsonReader *json, size_t pos, uint32_t *value)
{
	*value = 0;
	if (json->len - pos < 5)
		return false;
	for (size_t i = pos + 1; i < pos + 5; i++)
	{
		char c = json->text[i];

		*value <<= 4;
		if (c >= '0' && c <= '9')
			*value |= (uint32_t) (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*value |= (uint32_t) ((c | 0x20) - 'a') + 10;
		else
			return false;
	}
	return true;
}

/* Decodes \uXXXX, or the two of a surrogate pair; the position is at the 'u'. */
static TsErrorCode
json_unicode_escape(JsonReader *json, char *out, size_t *len)
{
	size_t start = json->pos - 1;
	uint32_t c, low;

	if (!json_hex(json, json->pos, &c))
		return ts_error_set(json->err, TS_ERR_SYNTAX, (int) start,
							"\"\\u\" must be followed by four hexadecimal digits");
	json->pos += 5;
	if (c >= 0xD800 && c <= 0xDBFF && json->len - json->pos >= 6 &&
		json->text[json->pos] == '\\' && json->text[json->pos + 1] == 'u' &&
		json_hex(json, json->pos + 1, &low) && low >= 0xDC00 && low <= 0xDFFF)
	{
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
		json->pos += 6;
	}
	if (c >= 0xD800 && c <= 0xDFFF)
		return ts_error_set(json->err, TS_ERR_SYNTAX, (int) start,
							"a Unicode surrogate must be one of a high and low pair");
	*len += (size_t) ts_utf8_encode(c, out + *len);
	return TS_OK;
}

/* Reads a string whose opening quote has been read. */
static TsErrorCode
json_string(JsonReader *json, TsString *string)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	size_t start = json->pos - 1;
	size_t end = find_string_end(json->text, json->len, start);
	size_t len = 0;
	char *out;

	if (end == 0)
		return ts_error_set(json->err, TS_ERR_SYNTAX, (int) start,
							"unterminated JSON string");
	out = ts_arena_alloc(&json->parsed->arena, end - start);
	if (out == NULL)
		return ts_error_set(json->err, TS_ERR_MEMORY, -1, "out of memory");
	while (json->pos < end - 1)
	{
		char c = json->text[json->pos++];
		const char *letter;
		TsErrorCode code;

		if ((unsigned char) c < 0x20)
			return ts_error_set(json->err, TS_ERR_SYNTAX, (int) json->pos - 1,
								"character U+%04X must be escaped in a JSON string", c);
		if (c != '\\')
		{
			out[len++] = c;
			continue;
		}
		c = json->text[json->pos];
		letter = memchr(letters, c, sizeof(letters) - 1);
		if (letter != NULL)
		{
			out[len++] = meanings[letter - letters];
			json->pos++;
		}
		else if (c != 'u')
			return ts_error_set(json->err, TS_ERR_SYNTAX, (int) json->pos - 1,
								"unknown escape sequence in a JSON string");
		else
		{
			code = json_unicode_escape(json, out, &len);
			if (code != TS_OK)
				return code;
		}
	}
	json->pos = end;
	string->data = out;
	string->len = len;
	return TS_OK;
}

static size_t
count_digits(const JsonReader *json, size_t pos)
{
	size_t n = 0;

	while (pos + n < json->len && json->text[pos + n] >= '0' &&
		   json->text[pos + n] <= '9')
		n++;
	return n;
}

/* The length of the JSON number at the reader's position, 0 if there is none. */
static size_t
json_number_length(const JsonReader *json)
{
	const char *text = json->text;
	size_t pos = json->pos;
	size_t digits;

	if (pos < json->len && text[pos] == '-')
		pos++;
	digits = count_digits(json, pos);
	if (digits == 0 || (digits > 1 && text[pos] == '0'))
		return 0;
	pos += digits;
	if (pos < json->len && text[pos] == '.')
	{
		digits = count_digits(json, pos + 1);
		if (digits == 0)
			return 0;
		pos += 1 + digits;
	}
	if (pos < json->len && (text[pos] | 0x20) == 'e')
	{
		pos++;
		if (pos < json->len && (text[pos] == '+' || text[pos] == '-'))
			pos++;
		digits = count_digits(json, pos);
		if (digits == 0)
			return 0;
		pos += digits;
	}
	return pos - json->pos;
}

/* Reads a value; null is the empty string, which stands for no label at all. */
static TsErrorCode
json_value(JsonReader *json, TsString *value)
{
	static const char *const words[] = {"true", "false", "null"};
	const char *expected = "a string, a number, a boolean or null";
	const char *at;
	size_t left;

	skip_space(json->text, json->len, &json->pos);
	at = json->text + json->pos;
	left = json->len - json->pos;
	if (left == 0)
		return json_unexpected(json, expected);
	if (*at == '"')
	{
		json->pos++;
		return json_string(json, value);
	}
	if (*at == '{' || *at == '[')
		return ts_error_set(json->err, TS_ERR_INVALID, (int) json->pos,
							"a label's value cannot be a JSON %s",
							*at == '{' ? "object" : "array");

	value->data = at;
	value->len = 0;
	for (size_t i = 0; i < 3; i++)
	{
		if (left >= strlen(words[i]) && memcmp(at, words[i], strlen(words[i])) == 0)
			value->len = strlen(words[i]);
	}
	if (value->len == 0)
		value->len = json_number_length(json);
	if (value->len == 0)
		return json_unexpected(json, expected);
	json->pos += value->len;
	if (*at == 'n')
		value->len = 0;
	value->data = ts_arena_strdup(&json->parsed->arena, at, value->len);
	if (value->data == NULL)
		return ts_error_set(json->err, TS_ERR_MEMORY, -1, "out of memory");
	return TS_OK;
}

/* Makes room for one more pair. */
static LabelsPair *
json_add_pair(JsonReader *json)
{
	LabelsText *parsed = json->parsed;

	if (parsed->count == json->room)
	{
		uint32_t room = json->room == 0 ? 16 : 2 * json->room;
		LabelsPair *pairs = ts_arena_alloc(&parsed->arena, room * sizeof(LabelsPair));

		if (pairs == NULL)
			return NULL;
		if (parsed->count > 0)
			memcpy(pairs, parsed->pairs, parsed->count * sizeof(LabelsPair));
		parsed->pairs = pairs;
		json->room = room;
	}
	return &parsed->pairs[parsed->count++];
}

/* Reads "name": value. */
static TsErrorCode
json_member(JsonReader *json)
{
	LabelsPair *pair = json_add_pair(json);
	TsErrorCode code;

	if (pair == NULL)
		return ts_error_set(json->err, TS_ERR_MEMORY, -1, "out of memory");
	skip_space(json->text, json->len, &json->pos);
	pair->offset = (int) json->pos;
	code = json_expect(json, '"', "a string");
	if (code == TS_OK)
		code = json_string(json, &pair->name);
	if (code == TS_OK)
		code = json_expect(json, ':', "\":\"");
	if (code == TS_OK)
		code = json_value(json, &pair->value);
	return code;
}

static TsErrorCode
parse_json(const char *text, size_t len, const TsAllocator *allocator, LabelsText *parsed,
		   TsError *err)
{
	JsonReader json = {.text = text, .len = len, .parsed = parsed, .err = err};
	size_t valid = ts_utf8_valid_prefix(text, len);
	TsErrorCode code;

	ts_arena_init(&parsed->arena, allocator, SIZE_MAX / 2);
	if (valid < len)
		return ts_error_set(err, TS_ERR_SYNTAX, (int) valid, "invalid UTF-8 rune");

	/* looks_like_json() has seen the brace and the quote behind it. */
	code = json_expect(&json, '{', "\"{\"");
	while (code == TS_OK)
	{
		code = json_member(&json);
		if (code != TS_OK)
			return code;
		skip_space(text, len, &json.pos);
		if (json.pos >= len || text[json.pos] != ',')
			break;
		json.pos++;
	}
	code = json_expect(&json, '}', "\",\" or \"}\"");
	if (code != TS_OK)
		return code;
	skip_space(text, len, &json.pos);
	if (json.pos < len)
		return json_unexpected(&json, "end of input");
	return TS_OK;
}

/* ---- both ---- */

TsErrorCode
labels_text_parse(const char *text, size_t len, const TsAllocator *allocator,
				  LabelsText *parsed, TsError *err)
{
	TsErrorCode code;

	memset(parsed, 0, sizeof(*parsed));
	if (len > PROMQL_MAX_TEXT)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"the text has %zu bytes, the most allowed is %d", len,
							PROMQL_MAX_TEXT);
	if (looks_like_json(text, len))
		code = parse_json(text, len, allocator, parsed, err);
	else
		code = parse_promql(text, len, allocator, parsed, err);
	if (code != TS_OK)
	{
		if (err != NULL)
			ts_error_locate(err, text, len);
		labels_text_free(parsed);
	}
	return code;
}

void
labels_text_free(LabelsText *parsed)
{
	ts_arena_free(&parsed->arena);
	parsed->pairs = NULL;
	parsed->count = 0;
}

/* ---- writing ---- */

/* Where text goes: nowhere, while its size is computed. */
typedef struct TextSink
{
	char *out; /* NULL: count only */
	size_t len;
} TextSink;

static void
put(TextSink *sink, const char *data, size_t len)
{
	if (sink->out != NULL && len > 0)
		memcpy(sink->out + sink->len, data, len);
	sink->len += len;
}

/* Writes one character of a string as an escape, unless it can stand for itself. */
static void
put_escaped(TextSink *sink, const char *text, size_t len, uint32_t c)
{
	static const char letters[] = "abfnrtv\\\"";
	static const char meanings[] = "\a\b\f\n\r\t\v\\\"";
	const char *meaning = c < 0x80 ? memchr(meanings, (int) c, sizeof(meanings) - 1)
								   : NULL;
	char escape[8];

	if (meaning != NULL)
		len = (size_t) snprintf(escape, sizeof(escape), "\\%c",
								letters[meaning - meanings]);
	else if (c < 0x20 || c == 0x7f)
		len = (size_t) snprintf(escape, sizeof(escape), "\\x%02x", (unsigned) c);
	else if (c >= 0x80 && c < 0xa0)
		len = (size_t) snprintf(escape, sizeof(escape), "\\u%04x", (unsigned) c);
	else
	{
		put(sink, text, len);
		return;
	}
	put(sink, escape, len);
}

static void
put_quoted(TextSink *sink, TsString string)
{
	size_t plain = 0; /* start of what was not written yet and needs no escape */
	size_t i = 0;

	put(sink, "\"", 1);
	while (i < string.len)
	{
		unsigned char byte = (unsigned char) string.data[i];
		uint32_t c = byte;
		int n = 1;

		if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\')
		{
			i++;
			continue;
		}
		if (byte >= 0x80)
			n = ts_utf8_decode(string.data + i, string.len - i, &c);
		if (n == 0)
			n = 1;
		put(sink, string.data + plain, i - plain);
		put_escaped(sink, string.data + i, (size_t) n, c);
		i += (size_t) n;
		plain = i;
	}
	put(sink, string.data + plain, i - plain);
	put(sink, "\"", 1);
}

static void
put_labels(TextSink *sink, const void *data, size_t size)
{
	const size_t name_len = strlen(TS_METRIC_NAME_LABEL);
	LabelsIter iter;
	LabelsPair pair;
	TsString metric;
	bool named = labels_find(data, size, TS_METRIC_NAME_LABEL, name_len, &metric);
	bool bare = named && promql_is_metric_name(metric.data, metric.len);
	const char *separator = "{";

	if (bare)
		put(sink, metric.data, metric.len);
	else if (named)
	{
		put(sink, separator, 1);
		put_quoted(sink, metric);
		separator = ",";
	}

	labels_iter_init(&iter, data, size);
	while (labels_iter_next(&iter, &pair))
	{
		if (pair.name.len == name_len &&
			memcmp(pair.name.data, TS_METRIC_NAME_LABEL, name_len) == 0)
			continue;
		put(sink, separator, 1);
		separator = ",";
		if (promql_is_label_name(pair.name.data, pair.name.len))
			put(sink, pair.name.data, pair.name.len);
		else
			put_quoted(sink, pair.name);
		put(sink, "=", 1);
		put_quoted(sink, pair.value);
	}
	if (*separator == ',')
		put(sink, "}", 1);
	else if (!bare)
		put(sink, "{}", 2);
}

size_t
labels_text_size(const void *data, size_t size)
{
	TextSink sink = {NULL, 0};

	put_labels(&sink, data, size);
	return sink.len;
}

void
labels_text_write(const void *data, size_t size, char *out)
{
	TextSink sink = {out, 0};

	put_labels(&sink, data, size);
}
