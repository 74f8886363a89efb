/*
 * form.c
 *	  Takes query strings and forms apart: NAME=VALUE, joined by &, with + for a space and
 *	  %XX for a byte.
 *
 * What is not encoded as it should be is refused, rather than passed over: a parameter that
 * is not heard is worse than an error. Every pair takes at least one byte of text, so memory
 * is bounded by the text's length and FORM_MAX_PAIRS.
 */
#include "form.h"

#include "http_text.h"

/* ---- decoding ---- */

static TsErrorCode
bad_escape(const char *at, const char *end, TsError *err)
{
	int len = end - at < 3 ? (int) (end - at) : 3;

	len = (int) ts_utf8_valid_prefix(at, (size_t) len);
	return ts_error_set(err, TS_ERR_SYNTAX, -1, "invalid URL escape \"%.*s\"", len, at);
}

/* Decodes into `out`, which has room for as many bytes as there are; returns how many. */
static TsErrorCode
decode(const char *text, const char *end, char *out, size_t *len, TsError *err)
{
	char *to = out;

	for (const char *from = text; from < end; from++)
	{
		int byte;

		if (*from != '%')
		{
			*to++ = *from == '+' ? ' ' : *from;
			continue;
		}
		byte = http_escaped_byte(from, end);
		if (byte < 0)
			return bad_escape(from, end, err);
		*to++ = (char) byte;
		from += 2;
	}
	*len = (size_t) (to - out);
	if (memchr(out, '\0', *len) != NULL || ts_utf8_valid_prefix(out, *len) < *len)
		return ts_error_set(err, TS_ERR_SYNTAX, -1,
							"a parameter is not valid UTF-8 text");
	return TS_OK;
}

static TsErrorCode
read_string(const char *text, const char *end, TsArena *arena, TsString *string,
			TsError *err)
{
	char *out = ts_arena_alloc(arena, (size_t) (end - text) + 1);

	if (out == NULL)
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory for parameters");
	string->data = out;
	return decode(text, end, out, &string->len, err);
}

/* ---- pairs ---- */

static TsErrorCode
add_pair(Form *form, TsArena *arena, FormPair **pair, TsError *err)
{
	if (form->count == FORM_MAX_PAIRS)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "there are more than %d parameters",
							FORM_MAX_PAIRS);
	if (form->count == form->room)
	{
		size_t room = form->room == 0 ? 16 : 2 * form->room;
		FormPair *pairs = ts_arena_alloc(arena, sizeof(FormPair) * room);

		if (pairs == NULL)
			return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory for parameters");
		if (form->count > 0)
			memcpy(pairs, form->pairs, sizeof(FormPair) * form->count);
		form->pairs = pairs;
		form->room = room;
	}
	*pair = &form->pairs[form->count];
	return TS_OK;
}

static TsErrorCode
read_pair(Form *form, const char *text, const char *end, TsArena *arena, TsError *err)
{
	const char *equals = memchr(text, '=', (size_t) (end - text));
	FormPair *pair = NULL;
	TsErrorCode code;

	if (memchr(text, ';', (size_t) (end - text)) != NULL)
		return ts_error_set(err, TS_ERR_SYNTAX, -1,
							"invalid semicolon separator in query");
	code = add_pair(form, arena, &pair, err);
	if (code == TS_OK)
		code = read_string(text, equals != NULL ? equals : end, arena, &pair->name, err);
	if (code == TS_OK)
		code = read_string(equals != NULL ? equals + 1 : end, end, arena, &pair->value,
						   err);
	if (code == TS_OK)
		form->count++;
	return code;
}

TsErrorCode
form_read(Form *form, TsString text, TsArena *arena, TsError *err)
{
	const char *at = text.data;
	const char *end = text.data + text.len;

	while (at < end)
	{
		const char *stop = memchr(at, '&', (size_t) (end - at));

		if (stop == NULL)
			stop = end;
		if (stop > at)
		{
			TsErrorCode code = read_pair(form, at, stop, arena, err);

			if (code != TS_OK)
				return code;
		}
		at = stop < end ? stop + 1 : end;
	}
	return TS_OK;
}

bool
form_next(const Form *form, const char *name, size_t *at, TsString *value)
{
	while (*at < form->count)
	{
		const FormPair *pair = &form->pairs[(*at)++];

		if (ts_string_is(pair->name, name))
		{
			*value = pair->value;
			return true;
		}
	}
	return false;
}

bool
form_value(const Form *form, const char *name, TsString *value)
{
	size_t at = 0;

	*value = (TsString){"", 0};
	return form_next(form, name, &at, value);
}

bool
form_is_type(TsString content_type)
{
	return http_is_word(http_cut(&content_type, ';'),
						"application/x-www-form-urlencoded");
}
