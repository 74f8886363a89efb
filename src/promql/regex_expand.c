/*
 * regex_expand.c
 *	  Templates with $1 and ${name}: read as Go's Regexp.Expand() reads them, filled in
 *	  with what the groups of the last match took.
 */
#include <assert.h>
#include <string.h>

#include "regex_internal.h"

/* Go stops reading a number here, and takes it for a name. */
#define LARGEST_NUMBER 100000000

/* What reading a template takes along. */
typedef struct Reader
{
	const TsRegex *regex;
	TsString text;
	size_t pos;
	TsArena *arena;
	const TsRegexLimits *limits;
	TsRegex *letters; /* matches a letter or digit beyond ASCII; made when needed */
	TsRegexTemplate *result;
	uint32_t capacity;
	TsError *err;
} Reader;

static bool
no_memory(Reader *r)
{
	ts_error_set(r->err, TS_ERR_MEMORY, -1, "out of memory while reading a template");
	return false;
}

static TsRegexPiece *
add_piece(Reader *r)
{
	TsRegexTemplate *result = r->result;

	if (result->count == r->capacity)
	{
		uint32_t capacity = r->capacity * 2 + 8;
		TsRegexPiece *pieces = ts_arena_alloc(r->arena, capacity * sizeof(TsRegexPiece));

		if (pieces == NULL)
		{
			no_memory(r);
			return NULL;
		}
		if (result->count > 0)
			memcpy(pieces, result->pieces, result->count * sizeof(TsRegexPiece));
		result->pieces = pieces;
		r->capacity = capacity;
	}
	memset(&result->pieces[result->count], 0, sizeof(TsRegexPiece));
	return &result->pieces[result->count++];
}

static bool
add_literal(Reader *r, size_t from, size_t to)
{
	TsRegexPiece *piece;

	if (from == to)
		return true;
	piece = add_piece(r);
	if (piece == NULL)
		return false;
	piece->text = (TsString){r->text.data + from, to - from};
	return true;
}

/* Does a letter, digit or underscore stand at pos? *len becomes its size. */
static bool
is_name_character(Reader *r, size_t pos, size_t *len, bool *yes)
{
	const char *s = r->text.data + pos;
	unsigned char c = (unsigned char) *s;
	uint32_t code_point;

	*len = 1;
	if (c < 0x80)
	{
		*yes = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
			   c == '_';
		return true;
	}
	*len = (size_t) ts_utf8_decode(s, r->text.len - pos, &code_point);
	*yes = false;
	if (*len == 0)
		return true;
	if (r->letters == NULL)
	{
		static const char pattern[] = "[\\p{L}\\p{Nd}]";

		if (ts_regex_compile(pattern, strlen(pattern), &r->arena->allocator, r->limits,
							 &r->letters, r->err) != TS_OK)
			return false;
	}
	return ts_regex_match(r->letters, s, *len, yes, r->err) == TS_OK;
}

/* The number a name is; -1: it is none. */
static int
number_of(TsString name)
{
	int number = 0;

	if (name.len > 1 && name.data[0] == '0')
		return -1;
	for (size_t i = 0; i < name.len; i++)
	{
		char c = name.data[i];

		if (c < '0' || c > '9' || number >= LARGEST_NUMBER)
			return -1;
		number = number * 10 + (c - '0');
	}
	return number;
}

static bool
add_reference(Reader *r, TsString name)
{
	uint32_t count = ts_regex_group_count(r->regex);
	int number = number_of(name);
	uint32_t n = 0;
	uint32_t *groups;
	TsRegexPiece *piece;

	if (number >= 0)
		n = (uint32_t) number <= count;
	else
	{
		for (uint32_t i = 1; i <= count; i++)
			n += ts_string_equal(ts_regex_group_name(r->regex, i), name);
	}
	if (n == 0)
		return true;
	groups = ts_arena_alloc(r->arena, n * sizeof(uint32_t));
	piece = add_piece(r);
	if (groups == NULL || piece == NULL)
		return no_memory(r);
	piece->groups = groups;
	piece->ngroups = n;
	if (number >= 0)
	{
		groups[0] = (uint32_t) number;
		return true;
	}
	n = 0;
	for (uint32_t i = 1; i <= count; i++)
	{
		if (ts_string_equal(ts_regex_group_name(r->regex, i), name))
			groups[n++] = i;
	}
	return true;
}

/* Reads what follows a dollar sign; what is no reference leaves the sign as it is. */
static bool
read_reference(Reader *r)
{
	size_t dollar = r->pos++;
	bool brace = r->pos < r->text.len && r->text.data[r->pos] == '{';
	size_t start = r->pos + brace;
	size_t end = start;

	if (r->pos < r->text.len && r->text.data[r->pos] == '$')
	{
		r->pos++;
		return add_literal(r, dollar, dollar + 1);
	}
	while (end < r->text.len)
	{
		size_t len;
		bool yes;

		if (!is_name_character(r, end, &len, &yes))
			return false;
		if (!yes)
			break;
		end += len;
	}
	if (end == start || (brace && (end == r->text.len || r->text.data[end] != '}')))
		return add_literal(r, dollar, dollar + 1);
	r->pos = end + brace;
	return add_reference(r, (TsString){r->text.data + start, end - start});
}

TsErrorCode
ts_regex_read_template(const TsRegex *regex, const char *text, size_t len,
					   const TsRegexLimits *limits, TsArena *arena,
					   TsRegexTemplate *result, TsError *err)
{
	TsError local;
	Reader r = {.regex = regex,
				.text = {text, len},
				.arena = arena,
				.limits = limits,
				.result = result,
				.err = err ? err : &local};
	bool ok = true;

	*result = (TsRegexTemplate){0};
	while (ok && r.pos < len)
	{
		const char *dollar = memchr(text + r.pos, '$', len - r.pos);
		size_t end = dollar ? (size_t) (dollar - text) : len;

		ok = add_literal(&r, r.pos, end);
		r.pos = end;
		if (ok && r.pos < len)
			ok = read_reference(&r);
	}
	ts_regex_free(r.letters);
	return ok ? TS_OK : r.err->code;
}

/* What a piece stands for; false: nothing. */
static bool
piece_text(const TsRegex *regex, const TsRegexPiece *piece, size_t *start, size_t *end)
{
	for (uint32_t i = 0; i < piece->ngroups; i++)
	{
		if (ts_regex_group(regex, piece->groups[i], start, end))
			return true;
	}
	return false;
}

size_t
ts_regex_expanded_size(const TsRegex *regex, const TsRegexTemplate *template)
{
	size_t size = 0;
	size_t start;
	size_t end;

	for (uint32_t i = 0; i < template->count; i++)
	{
		const TsRegexPiece *piece = &template->pieces[i];

		if (piece->groups == NULL)
			size += piece->text.len;
		else if (piece_text(regex, piece, &start, &end))
			size += end - start;
	}
	return size;
}

void
ts_regex_expand(const TsRegex *regex, const TsRegexTemplate *template, const char *value,
				char *out)
{
	size_t start;
	size_t end;

	for (uint32_t i = 0; i < template->count; i++)
	{
		const TsRegexPiece *piece = &template->pieces[i];
		TsString text = piece->text;

		if (piece->groups != NULL && piece_text(regex, piece, &start, &end))
			text = (TsString){value + start, end - start};
		if (text.len > 0)
			memcpy(out, text.data, text.len);
		out += text.len;
	}
}
