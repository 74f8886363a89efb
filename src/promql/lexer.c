/*
 * lexer.c
 *	  PromQL's lexer.
 *
 * It has two sets of rules, as Prometheus' has: within braces label names and
 * matching operators are found, outside of them all the rest. The text is checked to
 * be UTF-8 once, at the start; after that only escapes in strings can make it
 * anything else, and a string that is not UTF-8 once decoded is refused.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "promql_lexer.h"

/* What a character is called in a message: 'x', or its number if it has no shape. */
typedef struct CharName
{
	char text[24];
} CharName;

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The value of a digit in bases up to 16, or 16 for anything else. */
static uint32_t
digit_value(char c)
{
	if (is_digit(c))
		return (uint32_t) (c - '0');
	if (c >= 'a' && c <= 'f')
		return (uint32_t) (c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (uint32_t) (c - 'A') + 10;
	return 16;
}

bool
promql_is_number_word(const char *name, size_t len)
{
	char word[3];

	if (len != sizeof(word))
		return false;
	for (size_t i = 0; i < sizeof(word); i++)
		word[i] = (char) (name[i] | 0x20);
	return memcmp(word, "nan", 3) == 0 || memcmp(word, "inf", 3) == 0;
}

/* Is it a word that PromQL takes for a keyword wherever a metric's name may stand? */
static bool
is_keyword(const char *name, size_t len)
{
	static const char *const keywords[] = {"on",          "ignoring", "group_left",
										   "group_right", "bool",     "atan2"};

	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
	{
		size_t same = 0;

		if (strlen(keywords[i]) != len)
			continue;
		while (same < len && (name[same] | 0x20) == (keywords[i][same] | 0x20))
			same++;
		if (same == len)
			return true;
	}
	return false;
}

bool
promql_is_label_name(const char *name, size_t len)
{
	if (len == 0 || !is_alpha(name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
	{
		if (!is_alpha(name[i]) && !is_digit(name[i]))
			return false;
	}
	return true;
}

bool
promql_is_metric_name(const char *name, size_t len)
{
	if (len == 0 || is_digit(name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (!is_alpha(name[i]) && !is_digit(name[i]) && name[i] != ':')
			return false;
	}
	return !promql_is_number_word(name, len) && !is_keyword(name, len);
}

static CharName
name_char(const char *text, size_t len)
{
	CharName name;
	uint32_t c = 0;
	int n = ts_utf8_decode(text, len, &c);

	if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
		snprintf(name.text, sizeof(name.text), "U+%04X", (unsigned) c);
	else
		snprintf(name.text, sizeof(name.text), "'%.*s'", n, text);
	return name;
}

/* Reports a lexical error at an offset and makes the token one. */
#define LEX_ERROR(lexer, token, err, at, ...)                     \
	((token)->type = PROMQL_ERROR,                                \
	 ts_error_set((err), TS_ERR_SYNTAX, (int) (at), __VA_ARGS__), \
	 lex_locate((lexer), (err)))

static TsErrorCode
lex_locate(const PromqlLexer *lexer, TsError *err)
{
	if (err != NULL)
		ts_error_locate(err, lexer->text, lexer->len);
	return TS_ERR_SYNTAX;
}

TsErrorCode
promql_lexer_init(PromqlLexer *lexer, const char *text, size_t len, TsArena *arena,
				  TsError *err)
{
	size_t valid;

	lexer->text = text;
	lexer->len = len;
	lexer->pos = 0;
	lexer->in_braces = false;
	lexer->in_brackets = false;
	lexer->paren_depth = 0;
	lexer->arena = arena;
	if (len > PROMQL_MAX_TEXT)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"the text has %zu bytes, the most allowed is %d", len,
							PROMQL_MAX_TEXT);
	valid = ts_utf8_valid_prefix(text, len);
	if (valid < len)
	{
		ts_error_set(err, TS_ERR_SYNTAX, (int) valid, "invalid UTF-8 rune");
		return lex_locate(lexer, err);
	}
	return TS_OK;
}

/* Skips white space and comments. */
static void
skip_blank(PromqlLexer *lexer)
{
	while (lexer->pos < lexer->len)
	{
		char c = lexer->text[lexer->pos];

		if (c == '#')
		{
			while (lexer->pos < lexer->len && lexer->text[lexer->pos] != '\n')
				lexer->pos++;
		}
		else if (is_space(c))
			lexer->pos++;
		else
			return;
	}
}

/* What one escape sequence stands for. */
typedef struct Escape
{
	size_t length; /* of the sequence, with its backslash */
	uint32_t value;
	bool is_byte; /* value is a byte, not a code point */
} Escape;

/*
 * Reads the number of an escape sequence: the digits from a position to an end, in
 * base 8 or 16, no more than max.
 */
static TsErrorCode
read_escape_number(PromqlLexer *lexer, size_t start, size_t from, size_t to,
				   uint32_t base, uint32_t max, Escape *escape, PromqlToken *token,
				   TsError *err)
{
	uint32_t value = 0;

	for (size_t i = from; i < to; i++)
	{
		uint32_t digit;

		if (i >= lexer->len)
			return LEX_ERROR(lexer, token, err, start, "escape sequence not terminated");
		digit = digit_value(lexer->text[i]);
		if (digit >= base)
			return LEX_ERROR(lexer, token, err, i,
							 "illegal character %s in escape sequence",
							 name_char(lexer->text + i, lexer->len - i).text);
		value = value * base + digit;
	}
	if (value > max || (!escape->is_byte && value >= 0xD800 && value <= 0xDFFF))
		return LEX_ERROR(lexer, token, err, start,
						 escape->is_byte
							 ? "escape sequence is larger than a byte"
							 : "escape sequence is an invalid Unicode code point");
	escape->value = value;
	escape->length = to - start;
	return TS_OK;
}

/* Reads the escape sequence whose backslash is at a position. */
static TsErrorCode
read_escape(PromqlLexer *lexer, size_t at, char quote, Escape *escape, PromqlToken *token,
			TsError *err)
{
	static const char letters[] = "abfnrtv\\";
	static const char meanings[] = "\a\b\f\n\r\t\v\\";
	const char *letter;
	char c;

	if (at + 1 >= lexer->len)
		return LEX_ERROR(lexer, token, err, at, "escape sequence not terminated");
	c = lexer->text[at + 1];
	letter = memchr(letters, c, sizeof(letters) - 1);
	escape->is_byte = true;
	escape->length = 2;
	if (letter != NULL)
		escape->value = (uint32_t) meanings[letter - letters];
	else if (c == quote)
		escape->value = (uint32_t) quote;
	else if (c >= '0' && c <= '7')
		return read_escape_number(lexer, at, at + 1, at + 4, 8, 0xFF, escape, token, err);
	else if (c == 'x')
		return read_escape_number(lexer, at, at + 2, at + 4, 16, 0xFF, escape, token,
								  err);
	else if (c == 'u' || c == 'U')
	{
		escape->is_byte = false;
		return read_escape_number(lexer, at, at + 2, at + (c == 'u' ? 6 : 10), 16,
								  0x10FFFF, escape, token, err);
	}
	else
		return LEX_ERROR(lexer, token, err, at, "unknown escape sequence: \\ and %s",
						 name_char(lexer->text + at + 1, lexer->len - at - 1).text);
	return TS_OK;
}

/* Finds the end of a quoted string, past its quote; tells whether it has escapes. */
static TsErrorCode
scan_quoted(PromqlLexer *lexer, char quote, size_t *end, bool *escapes,
			PromqlToken *token, TsError *err)
{
	size_t i = lexer->pos + 1;

	*escapes = false;
	while (i < lexer->len && lexer->text[i] != '\n')
	{
		char c = lexer->text[i];

		if (c == quote)
		{
			*end = i + 1;
			return TS_OK;
		}
		if (c == '\\')
		{
			Escape escape;
			TsErrorCode code = read_escape(lexer, i, quote, &escape, token, err);

			if (code != TS_OK)
				return code;
			*escapes = true;
			i += escape.length;
		}
		else
			i++;
	}
	return LEX_ERROR(lexer, token, err, lexer->pos, "unterminated quoted string");
}

/* Decodes the escapes of a string that scan_quoted() found to be well formed. */
static TsErrorCode
decode_quoted(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	size_t end = (size_t) token->offset + token->text.len - 1;
	char *out = ts_arena_alloc(lexer->arena, token->text.len);
	size_t len = 0;

	if (out == NULL)
	{
		token->type = PROMQL_ERROR;
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory");
	}
	for (size_t i = (size_t) token->offset + 1; i < end;)
	{
		Escape escape;

		if (lexer->text[i] != '\\')
		{
			out[len++] = lexer->text[i++];
			continue;
		}
		if (read_escape(lexer, i, token->text.data[0], &escape, token, err) != TS_OK)
			return TS_ERR_SYNTAX;
		if (escape.is_byte)
			out[len++] = (char) escape.value;
		else
			len += (size_t) ts_utf8_encode(escape.value, out + len);
		i += escape.length;
	}
	assert(len <= token->text.len);
	if (ts_utf8_valid_prefix(out, len) < len)
		return LEX_ERROR(lexer, token, err, token->offset,
						 "the escapes of this string do not make valid UTF-8");
	token->value.data = out;
	token->value.len = len;
	return TS_OK;
}

static TsErrorCode
lex_string(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	const char *start = lexer->text + lexer->pos;
	bool escapes = false;
	size_t end;

	if (*start == '`')
	{
		const char *close = memchr(start + 1, '`', lexer->len - lexer->pos - 1);

		if (close == NULL)
			return LEX_ERROR(lexer, token, err, lexer->pos, "unterminated raw string");
		end = lexer->pos + (size_t) (close - start) + 1;
	}
	else
	{
		TsErrorCode code = scan_quoted(lexer, *start, &end, &escapes, token, err);

		if (code != TS_OK)
			return code;
	}

	token->type = PROMQL_STRING;
	token->text.len = end - lexer->pos;
	lexer->pos = end;
	if (escapes)
		return decode_quoted(lexer, token, err);
	token->value.data = start + 1;
	token->value.len = token->text.len - 2;
	return TS_OK;
}

static void
lex_symbol(PromqlLexer *lexer, PromqlToken *token, PromqlTokenType type, size_t len)
{
	token->type = type;
	token->text.len = len;
	lexer->pos += len;
}

static void
lex_name(PromqlLexer *lexer, PromqlToken *token)
{
	const char *start = lexer->text + lexer->pos;
	size_t left = lexer->len - lexer->pos;
	size_t len = 0;
	bool colon = false;

	while (len < left &&
		   (is_alpha(start[len]) || is_digit(start[len]) ||
			(start[len] == ':' && !lexer->in_braces && !lexer->in_brackets)))
	{
		colon |= start[len] == ':';
		len++;
	}
	if (colon)
		lex_symbol(lexer, token, PROMQL_METRIC_IDENTIFIER, len);
	else if (!lexer->in_braces && promql_is_number_word(start, len))
		lex_symbol(lexer, token, PROMQL_NUMBER, len);
	else
		lex_symbol(lexer, token, PROMQL_IDENTIFIER, len);
}

/* A matching operator; only called within braces, on '=' or '!'. */
static TsErrorCode
lex_match_operator(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	size_t at = lexer->pos;
	char first = lexer->text[at];
	char second = at + 1 < lexer->len ? lexer->text[at + 1] : '\0';

	if (first == '=')
	{
		if (second == '~')
			lex_symbol(lexer, token, PROMQL_EQL_REGEX, 2);
		else
			lex_symbol(lexer, token, PROMQL_EQL, 1);
	}
	else if (second == '~')
		lex_symbol(lexer, token, PROMQL_NEQ_REGEX, 2);
	else if (second == '=')
		lex_symbol(lexer, token, PROMQL_NEQ, 2);
	else if (at + 1 == lexer->len)
		return LEX_ERROR(lexer, token, err, at + 1, "unexpected end of input after '!'");
	else
		return LEX_ERROR(lexer, token, err, at + 1,
						 "unexpected character after '!' inside braces: %s",
						 name_char(lexer->text + at + 1, lexer->len - at - 1).text);
	return TS_OK;
}

static TsErrorCode
lex_brace(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	bool opens = lexer->text[lexer->pos] == '{';

	if (opens == lexer->in_braces)
		return LEX_ERROR(lexer, token, err, lexer->pos, "unexpected %s brace '%c'",
						 opens ? "left" : "right", lexer->text[lexer->pos]);
	lexer->in_braces = opens;
	lex_symbol(lexer, token, opens ? PROMQL_LEFT_BRACE : PROMQL_RIGHT_BRACE, 1);
	return TS_OK;
}

/* A parenthesis or a bracket. */
static TsErrorCode
lex_bracket(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	char c = lexer->text[lexer->pos];
	PromqlTokenType type;

	switch (c)
	{
		case '(':
			type = PROMQL_LEFT_PAREN;
			lexer->paren_depth++;
			break;
		case ')':
			if (lexer->paren_depth == 0)
				return LEX_ERROR(lexer, token, err, lexer->pos,
								 "unexpected right parenthesis ')'");
			type = PROMQL_RIGHT_PAREN;
			lexer->paren_depth--;
			break;
		default:
			if ((c == '[') == lexer->in_brackets)
				return LEX_ERROR(lexer, token, err, lexer->pos,
								 "unexpected %s bracket '%c'",
								 c == '[' ? "left" : "right", c);
			lexer->in_brackets = c == '[';
			type = c == '[' ? PROMQL_LEFT_BRACKET : PROMQL_RIGHT_BRACKET;
			break;
	}
	lex_symbol(lexer, token, type, 1);
	return TS_OK;
}

/* An operator of expressions; false when there is none. */
static bool
lex_operator(PromqlLexer *lexer, PromqlToken *token)
{
	static const struct
	{
		char text[3];
		PromqlTokenType type;
	} operators[] = {
		/* one that begins like another stands before it */
		{"==", PROMQL_EQLC},       {"!=", PROMQL_NEQ}, {"<=", PROMQL_LTE},
		{"</", PROMQL_TRIM_UPPER}, {"<", PROMQL_LSS},  {">=", PROMQL_GTE},
		{">/", PROMQL_TRIM_LOWER}, {">", PROMQL_GTR},  {"+", PROMQL_ADD},
		{"-", PROMQL_SUB},         {"*", PROMQL_MUL},  {"/", PROMQL_DIV},
		{"%", PROMQL_MOD},         {"^", PROMQL_POW},  {"@", PROMQL_AT},
		{"=", PROMQL_EQL},
	};
	size_t left = lexer->len - lexer->pos;

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
	{
		size_t len = strlen(operators[i].text);

		if (left >= len && memcmp(token->text.data, operators[i].text, len) == 0)
		{
			lex_symbol(lexer, token, operators[i].type, len);
			return true;
		}
	}
	return false;
}

/* What begins with a digit, or with a point and a digit. */
static TsErrorCode
lex_number(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	size_t left = lexer->len - lexer->pos;
	PromqlTokenType type;
	size_t len = promql_number_length(token->text.data, left, &type);

	if (len > 0)
	{
		lex_symbol(lexer, token, type, len);
		return TS_OK;
	}
	while (len < left && len < 60 &&
		   (is_alpha(token->text.data[len]) || is_digit(token->text.data[len]) ||
			token->text.data[len] == '.'))
		len++;
	return LEX_ERROR(lexer, token, err, lexer->pos,
					 "bad number or duration syntax: \"%.*s\"", (int) len,
					 token->text.data);
}

/* The end of the text, where all brackets must be closed. */
static TsErrorCode
lex_end(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	if (lexer->in_braces)
		return LEX_ERROR(lexer, token, err, lexer->pos,
						 "unexpected end of input inside braces");
	if (lexer->in_brackets)
		return LEX_ERROR(lexer, token, err, lexer->pos, "unclosed left bracket");
	if (lexer->paren_depth > 0)
		return LEX_ERROR(lexer, token, err, lexer->pos, "unclosed left parenthesis");
	token->type = PROMQL_EOF;
	return TS_OK;
}

static TsErrorCode
unexpected_char(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	const char *c = token->text.data;
	size_t left = lexer->len - lexer->pos;

	if (!lexer->in_braces && *c == '!')
	{
		if (left == 1)
			return LEX_ERROR(lexer, token, err, lexer->pos + 1,
							 "unexpected end of input after '!'");
		return LEX_ERROR(lexer, token, err, lexer->pos + 1,
						 "unexpected character after '!': %s",
						 name_char(c + 1, left - 1).text);
	}
	return LEX_ERROR(lexer, token, err, lexer->pos, "unexpected character%s: %s",
					 lexer->in_braces ? " inside braces" : "", name_char(c, left).text);
}

/* One token outside of braces that is neither name, string nor brace. */
static TsErrorCode
lex_outside(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	size_t left = lexer->len - lexer->pos;
	char c = *token->text.data;

	if (is_digit(c) || (c == '.' && left > 1 && is_digit(token->text.data[1])))
		return lex_number(lexer, token, err);
	if (c == '(' || c == ')' || c == '[' || c == ']')
		return lex_bracket(lexer, token, err);
	if (c == '=' && left > 1 && token->text.data[1] == '~')
		return LEX_ERROR(lexer, token, err, lexer->pos + 1,
						 "unexpected character after '=': '~'");
	if (c == ':' && lexer->in_brackets)
		lex_symbol(lexer, token, PROMQL_COLON, 1);
	else if (!lex_operator(lexer, token))
		return unexpected_char(lexer, token, err);
	return TS_OK;
}

TsErrorCode
promql_lexer_next(PromqlLexer *lexer, PromqlToken *token, TsError *err)
{
	char c;

	skip_blank(lexer);
	token->offset = (int) lexer->pos;
	token->text.data = lexer->text + lexer->pos;
	token->text.len = 0;
	token->value.data = NULL;
	token->value.len = 0;
	if (lexer->pos == lexer->len)
		return lex_end(lexer, token, err);

	c = lexer->text[lexer->pos];
	if (is_alpha(c) || (c == ':' && !lexer->in_braces && !lexer->in_brackets))
		lex_name(lexer, token);
	else if (c == '"' || c == '\'' || c == '`')
		return lex_string(lexer, token, err);
	else if (c == '{' || c == '}')
		return lex_brace(lexer, token, err);
	else if (c == ',')
		lex_symbol(lexer, token, PROMQL_COMMA, 1);
	else if (!lexer->in_braces)
		return lex_outside(lexer, token, err);
	else if (c == '=' || c == '!')
		return lex_match_operator(lexer, token, err);
	else
		return unexpected_char(lexer, token, err);
	return TS_OK;
}

bool
promql_lexer_before_paren(const PromqlLexer *lexer)
{
	PromqlLexer ahead = *lexer;

	skip_blank(&ahead);
	return ahead.pos < ahead.len && ahead.text[ahead.pos] == '(';
}

void
promql_token_describe(const PromqlToken *token, char *out, size_t size)
{
	const size_t most = 60; /* bytes of the token that a message shows */
	size_t len = token->text.len;
	bool cut = len > most;
	const char *kind = "";

	if (token->type == PROMQL_EOF)
	{
		snprintf(out, size, "end of input");
		return;
	}
	if (cut)
		len = ts_utf8_valid_prefix(token->text.data, most);

	if (token->type == PROMQL_STRING)
	{
		snprintf(out, size, "string %.*s%s", (int) len, token->text.data,
				 cut ? "..." : "");
		return;
	}
	if (token->type == PROMQL_IDENTIFIER)
		kind = "identifier ";
	else if (token->type == PROMQL_METRIC_IDENTIFIER)
		kind = "metric identifier ";
	else if (token->type == PROMQL_NUMBER)
		kind = "number ";
	else if (token->type == PROMQL_DURATION)
		kind = "duration ";
	else if (promql_is_operator_token(token->type))
	{
		snprintf(out, size, "<op:%.*s>", (int) len, token->text.data);
		return;
	}
	snprintf(out, size, "%s\"%.*s%s\"", kind, (int) len, token->text.data,
			 cut ? "..." : "");
}
