/*
 * regex_source.c
 *	  The text of a pattern: its characters and escapes, the errors that quote it,
 *	  and texts that grow.
 *
 * What is read here is valid UTF-8; regex_parse() made sure of it.
 */
#include <assert.h>
#include <string.h>

#include "regex_internal.h"

#define QUOTED_MAX 150 /* bytes of a pattern that an error message repeats */

/* ---- errors ---- */

bool
regex_fail(RegexSource *src, const char *what, size_t start, size_t end)
{
	size_t len = end - start;
	const char *more = "";

	if (len > QUOTED_MAX)
	{
		len = ts_utf8_valid_prefix(src->pattern + start, QUOTED_MAX);
		more = "...";
	}
	ts_error_set(src->err, TS_ERR_SYNTAX, (int) start, "%s: `%.*s%s`", what, (int) len,
				 src->pattern + start, more);
	return false;
}

bool
regex_no_memory(RegexSource *src)
{
	ts_error_set(src->err, TS_ERR_MEMORY, -1,
				 "out of memory while reading a regular expression of %zu bytes",
				 src->len);
	return false;
}

/* ---- characters ---- */

bool
regex_is_caseless(uint32_t c)
{
	return c < 0x80 && ((c | 0x20) < 'a' || (c | 0x20) > 'z');
}

uint32_t
regex_next(RegexSource *src)
{
	uint32_t c = 0;
	int n = ts_utf8_decode(src->pattern + src->pos, src->len - src->pos, &c);

	assert(n > 0); /* the pattern was checked as a whole */
	src->pos += (size_t) n;
	return c;
}

static int
hex_digit(uint32_t c)
{
	if (c >= '0' && c <= '9')
		return (int) c - '0';
	if (c < 0x80 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (int) (c | 0x20) - 'a' + 10;
	return -1;
}

/* Reads what follows \x; false, with nothing reported, if it is malformed. */
static bool
read_hex(RegexSource *src, uint32_t *code_point)
{
	uint32_t c;
	uint32_t value = 0;
	int high;
	int low;

	if (src->pos == src->len)
		return false;
	c = regex_next(src);
	if (c == '{')
	{
		for (int digits = 0; src->pos < src->len; digits++)
		{
			int digit;

			c = regex_next(src);
			if (c == '}')
			{
				*code_point = value;
				return digits > 0;
			}
			digit = hex_digit(c);
			if (digit < 0)
				return false;
			value = value * 16 + (uint32_t) digit;
			if (value > REGEX_MAX_CODE_POINT)
				return false;
			if (digits > 1000)
				digits = 1000;
		}
		return false;
	}

	high = hex_digit(c);
	if (src->pos == src->len)
		return false;
	low = hex_digit(regex_next(src));
	*code_point = (uint32_t) (high * 16 + low);
	return high >= 0 && low >= 0;
}

static bool
next_is_octal(const RegexSource *src)
{
	return src->pos < src->len && src->pattern[src->pos] >= '0' &&
		   src->pattern[src->pos] <= '7';
}

bool
regex_escape(RegexSource *src, uint32_t *code_point)
{
	static const char controls[] = "a\af\fn\nr\rt\tv\v";
	size_t start = src->pos;
	uint32_t c;

	src->pos++;
	if (src->pos == src->len)
		return regex_fail(src, "trailing backslash at end of expression", src->len,
						  src->len);
	c = regex_next(src);
	if (c == '0' || (c >= '1' && c <= '7' && next_is_octal(src)))
	{
		*code_point = c - '0';
		for (int i = 0; i < 2 && next_is_octal(src); i++)
			*code_point = *code_point * 8 + (regex_next(src) - '0');
		return true;
	}
	if (c == 'x' && read_hex(src, code_point))
		return true;
	for (const char *s = controls; *s != '\0'; s += 2)
	{
		if (c == (unsigned char) s[0])
		{
			*code_point = (unsigned char) s[1];
			return true;
		}
	}
	if (regex_is_caseless(c) && !(c >= '0' && c <= '9'))
	{
		*code_point = c;
		return true;
	}
	return regex_fail(src, "invalid escape sequence", start, src->pos);
}

/* ---- strings ---- */

int
regex_compare_strings(const void *a, const void *b)
{
	return ts_string_compare(*(const TsString *) a, *(const TsString *) b);
}

/* ---- texts ---- */

void
regex_text_append(RegexText *text, const char *data, size_t len)
{
	if (text->failed)
		return;
	if (len > text->capacity - text->len)
	{
		size_t capacity = text->capacity == 0 ? 64 : text->capacity * 2;
		char *grown;

		while (capacity - text->len < len)
			capacity *= 2;
		grown = ts_arena_alloc(text->arena, capacity);
		if (grown == NULL)
		{
			text->failed = true;
			return;
		}
		if (text->len > 0)
			memcpy(grown, text->data, text->len);
		text->data = grown;
		text->capacity = capacity;
	}
	if (len > 0)
		memcpy(text->data + text->len, data, len);
	text->len += len;
}

void
regex_text_puts(RegexText *text, const char *string)
{
	regex_text_append(text, string, strlen(string));
}
