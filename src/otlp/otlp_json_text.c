/*
 * otlp_json_text.c
 *	  Tokens of JSON.
 */
#include "otlp_json_text.h"

#include <assert.h>

bool
json_text_unexpected(JsonText *text, const char *what)
{
	unsigned char c;

	if (text->at == text->end)
		return json_text_fail(text, text->at, TS_ERR_SYNTAX,
							  "%s is expected, but the text ends", what);
	c = (unsigned char) *text->at;
	if (c > 0x20 && c < 0x7f)
		return json_text_fail(text, text->at, TS_ERR_SYNTAX, "%s is expected, not \"%c\"",
							  what, c);
	return json_text_fail(text, text->at, TS_ERR_SYNTAX,
						  "%s is expected, not byte 0x%02x", what, c);
}

void
json_text_blanks(JsonText *text)
{
	while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' ||
									*text->at == '\r' || *text->at == '\t'))
		text->at++;
}

/* ---- strings ---- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * Has a bit for those of eight bytes that are a quote, a backslash or a control character;
 * above the lowest of these there may be bits that mean nothing.
 */
static inline uint64_t
special_bytes(uint64_t word)
{
	uint64_t quote = word ^ EACH('"');
	uint64_t backslash = word ^ EACH('\\');

	return (((quote - EACH(1)) & ~quote) | ((backslash - EACH(1)) & ~backslash) |
			((word - EACH(0x20)) & ~word)) &
		   EACH(0x80);
}

/* To the next byte that is no plain part of a string; *wide: some were not ASCII. */
static const char *
plain_end(const char *at, const char *end, bool *wide)
{
	uint64_t high = 0;

	for (uint64_t word; end - at >= (ptrdiff_t) sizeof(word); at += sizeof(word))
	{
		uint64_t special;

		memcpy(&word, at, sizeof(word));
		special = special_bytes(word);
		if (special != 0)
		{
			/* the lowest byte is the first: machines are little-endian */
			*wide |= (high | (word & (special ^ (special - 1)) & EACH(0x80))) != 0;
			return at + __builtin_ctzll(special) / 8;
		}
		high |= word & EACH(0x80);
	}
	while (at < end && *at != '"' && *at != '\\' && (unsigned char) *at >= 0x20)
		high |= (uint64_t) (unsigned char) *at++ & 0x80;
	*wide |= high != 0;
	return at;
}

/* Four hexadecimal digits; -1: they are none. */
static int
read_hex(const char *at, const char *end)
{
	int value = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		int digit = ts_hex_digit(at[i]);

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

#define is_high_surrogate(unit) ((unit) >= 0xD800 && (unit) <= 0xDBFF)
#define is_low_surrogate(unit)  ((unit) >= 0xDC00 && (unit) <= 0xDFFF)

/* At a backslash: passes over what it begins. */
static bool
pass_escape(JsonText *text)
{
	const char *from = text->at++;
	int unit;

	if (text->at == text->end)
		return json_text_unexpected(text, "an escape");
	if (*text->at != 'u')
	{
		if (memchr("\"\\/bfnrt", *text->at, 8) == NULL)
			return json_text_unexpected(text, "an escape");
		text->at++;
		return true;
	}
	unit = read_hex(text->at + 1, text->end);
	if (unit < 0)
		return json_text_fail(text, from, TS_ERR_SYNTAX,
							  "\"\\u\" is not followed by four hexadecimal digits");
	text->at += 5;
	if (is_high_surrogate(unit) && text->end - text->at >= 6 && text->at[0] == '\\' &&
		text->at[1] == 'u')
	{
		unit = read_hex(text->at + 2, text->end);
		if (is_low_surrogate(unit))
		{
			text->at += 6;
			return true;
		}
		unit = 0xD800;
	}
	if (is_high_surrogate(unit) || is_low_surrogate(unit))
		return json_text_fail(text, from, TS_ERR_SYNTAX,
							  "an escape is half of a pair of surrogates");
	return true;
}

bool
json_text_string(JsonText *text, JsonString *string)
{
	const char *start;
	bool wide = false;
	size_t valid;

	if (!json_text_is(text, '"'))
		return json_text_unexpected(text, "a string");
	start = ++text->at;
	string->escaped = false;
	for (;;)
	{
		text->at = plain_end(text->at, text->end, &wide);
		if (text->at == text->end)
			return json_text_unexpected(text, "the end of a string");
		if (*text->at == '"')
			break;
		if (*text->at != '\\')
			return json_text_fail(text, text->at, TS_ERR_SYNTAX,
								  "control character 0x%02x in a string",
								  (unsigned char) *text->at);
		string->escaped = true;
		if (!pass_escape(text))
			return false;
	}
	string->raw = (TsString){start, (size_t) (text->at - start)};
	if (wide)
	{
		valid = ts_utf8_valid_prefix(start, string->raw.len);
		if (valid < string->raw.len)
			return json_text_fail(text, start + valid, TS_ERR_SYNTAX,
								  "a string is not UTF-8");
	}
	text->at++;
	return true;
}

/* At the "u" of an escape that is right. */
static size_t
unescape_unicode(const char **at, const char *end, char *out)
{
	int unit = read_hex(*at + 1, end);
	uint32_t code_point = (uint32_t) unit;

	assert(unit >= 0);
	*at += 5;
	if (is_high_surrogate(unit))
	{
		int low = read_hex(*at + 2, end);

		assert(is_low_surrogate(low));
		*at += 6;
		code_point = 0x10000 +
					 (((uint32_t) unit & 0x3FF) << 10 | ((uint32_t) low & 0x3FF));
	}
	return (size_t) ts_utf8_encode(code_point, out);
}

size_t
json_text_unescape(JsonString string, char *out)
{
	const char *at = string.raw.data;
	const char *end = at + string.raw.len;
	char *next = out;

	while (at < end)
	{
		const char *escape = memchr(at, '\\', (size_t) (end - at));
		size_t plain = (size_t) ((escape != NULL ? escape : end) - at);

		memcpy(next, at, plain);
		next += plain;
		if (escape == NULL)
			break;
		at = escape + 1;
		if (*at == 'u')
			next += unescape_unicode(&at, end, next);
		else
		{
			static const char letters[] = "bfnrt";
			static const char meanings[] = "\b\f\n\r\t";
			const char *letter = memchr(letters, *at, sizeof(letters) - 1);

			*next++ = letter != NULL ? meanings[letter - letters] : *at;
			at++;
		}
	}
	return (size_t) (next - out);
}

/* ---- numbers and words ---- */

static const char *
digits_end(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

size_t
json_text_number_length(TsString string)
{
	const char *end = string.data + string.len;
	const char *at = string.data;
	const char *part;
	const char *whole;

	if (at < end && *at == '-')
		at++;
	whole = digits_end(at, end);
	if (whole == at)
		return 0;
	if (*at == '0')
		whole = at + 1;
	at = whole;
	if (at < end && *at == '.')
	{
		part = digits_end(at + 1, end);
		if (part == at + 1)
			return 0;
		at = part;
	}
	if (at < end && (*at == 'e' || *at == 'E'))
	{
		const char *exponent = at + 1;

		if (exponent < end && (*exponent == '+' || *exponent == '-'))
			exponent++;
		part = digits_end(exponent, end);
		if (part == exponent)
			return 0;
		at = part;
	}
	return (size_t) (at - string.data);
}

/* What stands behind a value. */
static bool
is_end_of_value(const JsonText *text)
{
	return text->at < text->end && memchr(" \n\r\t,]}", *text->at, 7) != NULL;
}

bool
json_text_number(JsonText *text, TsString *number)
{
	number->data = text->at;
	number->len = json_text_number_length(
		(TsString){text->at, (size_t) (text->end - text->at)});
	if (number->len == 0)
		return json_text_unexpected(text, "a number");
	text->at += number->len;
	if (!is_end_of_value(text))
		return json_text_unexpected(text, "the end of a number");
	return true;
}

bool
json_text_word(JsonText *text, const char *word)
{
	size_t len = strlen(word);

	if ((size_t) (text->end - text->at) < len || memcmp(text->at, word, len) != 0)
		return json_text_unexpected(text, "a value");
	text->at += len;
	if (!is_end_of_value(text))
		return json_text_unexpected(text, "the end of a value");
	return true;
}

/* ---- objects and arrays ---- */

bool
json_text_open(JsonText *text, char mark)
{
	if (!json_text_is(text, mark))
		return json_text_unexpected(text, mark == '{' ? "an object" : "an array");
	if (text->depth == text->max_depth)
		return json_text_fail(text, text->at, TS_ERR_SYNTAX,
							  "objects and arrays are nested deeper than %d",
							  text->max_depth);
	text->depth++;
	text->at++;
	return true;
}

bool
json_text_next(JsonText *text, char mark, bool first, bool *more)
{
	json_text_blanks(text);
	*more = !json_text_is(text, mark);
	if (!*more)
	{
		assert(text->depth > 0);
		text->depth--;
		text->at++;
		return true;
	}
	if (first)
		return true;
	if (!json_text_is(text, ','))
		return json_text_unexpected(text,
									mark == '}' ? "\",\" or \"}\"" : "\",\" or \"]\"");
	text->at++;
	json_text_blanks(text);
	return true;
}

bool
json_text_name(JsonText *text, JsonString *name)
{
	if (!json_text_is(text, '"'))
		return json_text_unexpected(text, "the name of a member");
	if (!json_text_string(text, name))
		return false;
	json_text_blanks(text);
	if (!json_text_is(text, ':'))
		return json_text_unexpected(text, "\":\"");
	text->at++;
	json_text_blanks(text);
	return true;
}

/* An object or array, by itself: how deep it may go is bounded. */
static bool
skip_members(JsonText *text, char opening, char closing)
{
	JsonString name;
	bool more;

	if (!json_text_open(text, opening))
		return false;
	for (bool first = true;; first = false)
	{
		if (!json_text_next(text, closing, first, &more))
			return false;
		if (!more)
			return true;
		if (opening == '{' && !json_text_name(text, &name))
			return false;
		if (!json_text_skip(text))
			return false;
	}
}

bool
json_text_skip(JsonText *text)
{
	TsString number;
	JsonString string;

	switch (text->at < text->end ? *text->at : '\0')
	{
		case '{':
			return skip_members(text, '{', '}');
		case '[':
			return skip_members(text, '[', ']');
		case '"':
			return json_text_string(text, &string);
		case 't':
			return json_text_word(text, "true");
		case 'f':
			return json_text_word(text, "false");
		case 'n':
			return json_text_word(text, "null");
		case '-':
		case '0' ... '9':
			return json_text_number(text, &number);
		default:
			return json_text_unexpected(text, "a value");
	}
}
