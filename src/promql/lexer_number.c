/*
 * lexer_number.c
 *	  The numbers and durations of PromQL: where one ends, and a number's value.
 *
 * Numbers are Go's: decimal, hexadecimal after 0x, octal when all digits allow it and
 * the first is 0, with underscores between digits. A duration is told by its letters;
 * whether its units stand in order is for promql_read_duration() to say.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "promql_lexer.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex_digit(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool
is_word(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* Past a run of digits with single underscores between them, from a position. */
static size_t
skip_digits(const char *text, size_t len, size_t at, bool hex)
{
	while (at < len)
	{
		bool digit = hex ? is_hex_digit(text[at]) : is_digit(text[at]);

		if (!digit &&
			!(text[at] == '_' && at > 0 && text[at - 1] != '_' && at + 1 < len &&
			  (hex ? is_hex_digit(text[at + 1]) : is_digit(text[at + 1])) &&
			  text[at - 1] != '.'))
			break;
		at++;
	}
	return at;
}

static size_t
number_end(const char *text, size_t len)
{
	size_t whole, at;

	if (len > 2 && text[0] == '0' && (text[1] | 0x20) == 'x')
	{
		at = skip_digits(text, len, 2, true);
		return at > 2 ? at : 0;
	}
	whole = at = skip_digits(text, len, 0, false);
	if (at < len && text[at] == '.')
	{
		at = skip_digits(text, len, at + 1, false);
		if (whole == 0 && at == 1)
			return 0;
	}
	if (at > 0 && at + 1 < len && (text[at] | 0x20) == 'e')
	{
		size_t digits = at + 1 + (text[at + 1] == '+' || text[at + 1] == '-');

		if (digits >= len || !is_digit(text[digits]))
			return 0;
		at = skip_digits(text, len, digits, false);
	}
	return at;
}

static size_t
duration_end(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && is_digit(text[at]))
	{
		while (at < len && is_digit(text[at]))
			at++;
		if (at == len || memchr("smhdwy", text[at], 6) == NULL)
			return 0;
		at++;
		if (at < len && text[at] == 's')
			at++;
	}
	return at;
}

size_t
promql_number_length(const char *text, size_t len, PromqlTokenType *type)
{
	size_t end = number_end(text, len);

	*type = PROMQL_NUMBER;
	if (end > 0 && (end == len || (!is_word(text[end]) && text[end] != '.')))
		return end;
	end = duration_end(text, len);
	*type = PROMQL_DURATION;
	if (end > 0 && (end == len || (!is_word(text[end]) && text[end] != '.')))
		return end;
	return 0;
}

/* Is it an integer in octal, as Go reads one? */
static bool
is_octal(const char *digits, size_t len)
{
	if (len < 2 || digits[0] != '0')
		return false;
	for (size_t i = 1; i < len; i++)
	{
		if (digits[i] < '0' || digits[i] > '7')
			return false;
	}
	return true;
}

TsErrorCode
promql_number_value(const PromqlLexer *lexer, const PromqlToken *token, double *value,
					TsError *err)
{
	char buffer[64];
	char *digits = buffer;
	size_t len = 0;

	assert(token->type == PROMQL_NUMBER);
	if (token->text.len >= sizeof(buffer))
		digits = ts_arena_alloc(lexer->arena, token->text.len + 1);
	if (digits == NULL)
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory");
	for (size_t i = 0; i < token->text.len; i++)
	{
		if (token->text.data[i] != '_')
			digits[len++] = token->text.data[i];
	}
	digits[len] = '\0';

	/* Beyond 64 bits Go reads such digits as decimal ones. */
	if (is_octal(digits, len) && len <= 22)
		*value = (double) strtoull(digits, NULL, 8);
	else
	{
		*value = strtod(digits, NULL);
		if (isinf(*value) && is_digit(digits[0]))
		{
			ts_error_set(err, TS_ERR_INVALID, token->offset,
						 "error parsing number \"%.*s\": value out of range",
						 (int) (token->text.len < 60 ? token->text.len : 60),
						 token->text.data);
			if (err != NULL)
				ts_error_locate(err, lexer->text, lexer->len);
			return TS_ERR_INVALID;
		}
	}
	return TS_OK;
}
