/*
 * histogram_text.c
 *	  The text of a histogram: {{schema:0 count:5 sum:3.1 buckets:[1 4]}}.
 *
 * The notation is that of PromQL's tests, and what that cannot say has been added:
 *
 *	schema:N				0 if not given; the same for all numbers
 *	count:X sum:X			sum:stale is the stale marker
 *	z_bucket:X z_bucket_w:X	count and threshold of the zero bucket
 *	custom_values:[X ...]	the bounds of schema -53
 *	offset:N buckets:[...]	the index of the first positive bucket, and the counts from there
 *							on: X is a bucket's count, _ a bucket that is not there, _xN as
 *							many of them
 *	n_offset:N n_buckets:[...]
 *	counter_reset_hint:H	unknown, reset, not_reset, gauge
 *	counts:integer			it came as a histogram of integers
 *
 * Keys come in any order, each at most once. Numbers are printed with as many digits as it
 * takes to read the very same ones back.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "histogram_internal.h"

const char *const histogram_hint_names[] = {"unknown", "reset", "not_reset", "gauge"};

/* ---- printing ---- */

#define NUMBER_MAX 26 /* characters of a number, with a blank */
#define GAP_MAX    14 /* _x and a number of buckets, with a blank */

char *
histogram_print_double(char *out, double value)
{
	if (isnan(value))
		return out +
			   sprintf(out, double_bits(value) == HISTOGRAM_STALE ? "stale" : "NaN");
	if (isinf(value))
		return out + sprintf(out, value < 0 ? "-Inf" : "+Inf");
	for (int digits = 15; digits < 17; digits++)
	{
		int len = sprintf(out, "%.*g", digits, value);

		if (strtod(out, NULL) == value)
			return out + len;
	}
	return out + sprintf(out, "%.17g", value);
}

static char *
print_number(char *out, const char *key, double value)
{
	out += sprintf(out, " %s:", key);
	return histogram_print_double(out, value);
}

static char *
print_list(char *out, const char *key, const double *values, uint32_t n)
{
	out += sprintf(out, " %s:[", key);
	for (uint32_t i = 0; i < n; i++)
	{
		if (i > 0)
			*out++ = ' ';
		out = histogram_print_double(out, values[i]);
	}
	*out++ = ']';
	return out;
}

static char *
print_side(char *out, const TsHistogram *h, bool negative)
{
	const char *prefix = negative ? "n_" : "";
	HistogramSide side = histogram_side(h, negative);
	HistogramCursor cursor;
	int64_t next = 0;

	if (side.n == 0)
		return out;
	histogram_cursor_init(&cursor, &side, 0);
	for (uint32_t i = 0; histogram_cursor_next(&cursor); i++)
	{
		int64_t gap = cursor.index - next;

		if (i == 0)
		{
			if (cursor.index != 0)
				out += sprintf(out, " %soffset:%d", prefix, cursor.index);
			out += sprintf(out, " %sbuckets:[", prefix);
		}
		else
		{
			if (gap == 1)
				out += sprintf(out, " _");
			else if (gap > 1)
				out += sprintf(out, " _x%lld", (long long) gap);
			*out++ = ' ';
		}
		out = histogram_print_double(out, cursor.count);
		next = (int64_t) cursor.index + 1;
	}
	*out++ = ']';
	return out;
}

char *
ts_histogram_print(const TsHistogram *h, const TsAllocator *allocator)
{
	size_t numbers = (size_t) h->npositive + h->nnegative + h->nbounds;
	size_t spans = (size_t) h->npositive_spans + h->nnegative_spans;
	char *text = allocator->alloc(allocator->ctx,
								  400 + numbers * NUMBER_MAX + spans * GAP_MAX);
	char *out = text;

	if (text == NULL)
		return NULL;
	out += sprintf(out, "{{schema:%d", h->schema);
	out = print_number(out, "count", h->count);
	out = print_number(out, "sum", h->sum);
	if (double_bits(h->zero_count) != 0)
		out = print_number(out, "z_bucket", h->zero_count);
	if (double_bits(h->zero_threshold) != 0)
		out = print_number(out, "z_bucket_w", h->zero_threshold);
	if (ts_histogram_is_custom(h))
		out = print_list(out, "custom_values", h->bounds, h->nbounds);
	out = print_side(out, h, false);
	out = print_side(out, h, true);
	if (h->hint != TS_RESET_UNKNOWN)
		out += sprintf(out, " counter_reset_hint:%s", histogram_hint_names[h->hint]);
	if (h->integer)
		out += sprintf(out, " counts:integer");
	sprintf(out, "}}");
	return text;
}

/* ---- reading ---- */

typedef enum TextKey
{
	KEY_SCHEMA,
	KEY_COUNT,
	KEY_SUM,
	KEY_ZERO_COUNT,
	KEY_ZERO_THRESHOLD,
	KEY_BOUNDS,
	KEY_OFFSET,
	KEY_BUCKETS,
	KEY_NEGATIVE_OFFSET,
	KEY_NEGATIVE_BUCKETS,
	KEY_HINT,
	KEY_COUNTS,
	KEYS
} TextKey;

static const char *const key_names[KEYS] = {
	"schema", "count",   "sum",      "z_bucket",  "z_bucket_w",         "custom_values",
	"offset", "buckets", "n_offset", "n_buckets", "counter_reset_hint", "counts"};

/* What stands after a key: the characters between these places; of a list, those within the
 * brackets. Not given: both NULL. */
typedef struct TextValue
{
	const char *start;
	const char *end;
	bool list;
} TextValue;

typedef struct TextReader
{
	const char *text;
	const char *end;
	TsError *err;
	TextValue values[KEYS];
} TextReader;

static TsErrorCode
text_error(const TextReader *r, const char *at, const char *what)
{
	return ts_error_set(r->err, TS_ERR_SYNTAX, (int) (at - r->text), "%s", what);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *
skip_blanks(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	return at;
}

/* To the end of a word: a blank or one of the brackets. */
static const char *
skip_word(const char *at, const char *end)
{
	while (at < end && !is_blank(*at) && *at != '[' && *at != ']' && *at != '{' &&
		   *at != '}')
		at++;
	return at;
}

/* Finds out what follows after which key. */
static TsErrorCode
split_text(TextReader *r)
{
	const char *at = skip_blanks(r->text, r->end);

	if (r->end - at < 2 || at[0] != '{' || at[1] != '{')
		return text_error(r, at, "a histogram begins with {{");
	for (at = skip_blanks(at + 2, r->end); at < r->end && *at != '}';
		 at = skip_blanks(at, r->end))
	{
		const char *start = at;
		TextValue value = {0};
		int key = 0;

		while (at < r->end && ((*at >= 'a' && *at <= 'z') || *at == '_'))
			at++;
		while (key < KEYS && (strlen(key_names[key]) != (size_t) (at - start) ||
							  memcmp(key_names[key], start, (size_t) (at - start)) != 0))
			key++;
		if (key == KEYS)
			return text_error(r, start, "there is no such key");
		if (at == r->end || *at != ':')
			return text_error(r, at, "expected a colon after the key");
		if (r->values[key].start)
			return text_error(r, start, "the key is given twice");
		at++;
		value.list = at < r->end && *at == '[';
		value.start = at += value.list;
		while (at < r->end && *at != ']' && *at != '}' && (value.list || !is_blank(*at)))
			at++;
		value.end = at;
		if (value.list && (at == r->end || *at++ != ']'))
			return text_error(r, value.end, "expected ] at the end of the list");
		r->values[key] = value;
	}
	if (r->end - at < 2 || at[1] != '}')
		return text_error(r, at, "expected }} at the end of the histogram");
	at = skip_blanks(at + 2, r->end);
	return at == r->end ? TS_OK
						: text_error(r, at, "unexpected text after the histogram");
}

/* Does the word say this, in whatever case? */
static bool
word_is(const char *start, const char *end, const char *word)
{
	size_t len = strlen(word);

	if ((size_t) (end - start) != len)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char c = start[i];

		if (c >= 'A' && c <= 'Z')
			c = (char) (c - 'A' + 'a');
		if (c != word[i])
			return false;
	}
	return true;
}

bool
histogram_parse_double(const char *start, const char *end, double *value)
{
	char copy[512];
	char *rest;
	const char *digits = start < end && (*start == '-' || *start == '+') ? start + 1
																		 : start;

	if (word_is(digits, end, "inf"))
	{
		*value = *start == '-' ? -INFINITY : INFINITY;
		return true;
	}
	if (word_is(start, end, "nan"))
	{
		*value = bits_double(HISTOGRAM_NAN);
		return true;
	}
	/* strtod() knows more words, which begin with letters. */
	if (digits == end || !((*digits >= '0' && *digits <= '9') || *digits == '.') ||
		end - start >= (ptrdiff_t) sizeof(copy))
		return false;
	memcpy(copy, start, (size_t) (end - start));
	copy[end - start] = '\0';
	*value = strtod(copy, &rest);
	return rest == copy + (end - start) && isfinite(*value);
}

static TsErrorCode
read_double(TextReader *r, TextKey key, double *value)
{
	const TextValue *v = &r->values[key];

	if (v->start == NULL)
		return TS_OK;
	if (key == KEY_SUM && word_is(v->start, v->end, "stale"))
	{
		*value = bits_double(HISTOGRAM_STALE);
		return TS_OK;
	}
	if (v->list || !histogram_parse_double(v->start, v->end, value))
		return text_error(r, v->start, "expected a number");
	return TS_OK;
}

/* A whole number, at most `limit` in size. */
static bool
parse_whole(const char *start, const char *end, int64_t limit, int64_t *value)
{
	bool negative = start < end && *start == '-';
	int64_t number = 0;

	if (start < end && (*start == '-' || *start == '+'))
		start++;
	if (start == end)
		return false;
	for (; start < end; start++)
	{
		if (*start < '0' || *start > '9')
			return false;
		number = number * 10 + (*start - '0');
		if (number > limit)
			return false;
	}
	*value = negative ? -number : number;
	return true;
}

static TsErrorCode
read_whole(TextReader *r, TextKey key, int64_t limit, int64_t *value)
{
	const TextValue *v = &r->values[key];

	if (v->start && (v->list || !parse_whole(v->start, v->end, limit, value)))
		return text_error(r, v->start, "expected a whole number within the limits");
	return TS_OK;
}

/* How many words a list has, at most. */
static uint32_t
count_words(const TextValue *v)
{
	uint32_t n = 0;

	for (const char *at = skip_blanks(v->start, v->end); at < v->end;
		 at = skip_blanks(skip_word(at, v->end), v->end))
	{
		n++;
		if (skip_word(at, v->end) == at)
			at++;
	}
	return n;
}

/* Reads a list of numbers; room for all its words is there. */
static TsErrorCode
read_bounds(TextReader *r, HistogramRoom *room)
{
	const TextValue *v = &r->values[KEY_BOUNDS];
	uint32_t n = 0;

	for (const char *at = skip_blanks(v->start, v->end); at < v->end;
		 at = skip_blanks(at, v->end))
	{
		const char *start = at;

		at = skip_word(at, v->end);
		if (!histogram_parse_double(start, at, &room->bounds[n++]))
			return text_error(r, start, "expected a number");
	}
	return TS_OK;
}

static TsErrorCode
read_buckets(TextReader *r, HistogramRoom *room, int side, int64_t index)
{
	const TextValue *v = &r->values[side == 0 ? KEY_BUCKETS : KEY_NEGATIVE_BUCKETS];

	for (const char *at = skip_blanks(v->start, v->end); at < v->end;
		 at = skip_blanks(at, v->end))
	{
		const char *start = at;
		int64_t gap = 1;
		double count;

		at = skip_word(at, v->end);
		if (start < at && *start == '_')
		{
			if (at - start > 1 &&
				(start[1] != 'x' || start[2] == '-' ||
				 !parse_whole(start + 2, at, HISTOGRAM_MAX_INDEX * 2LL, &gap)))
				return text_error(r, start, "expected _x and a number of buckets");
			index += gap;
			continue;
		}
		if (!histogram_parse_double(start, at, &count))
			return text_error(r, start, "expected a count");
		if (index < -HISTOGRAM_MAX_INDEX || index >= HISTOGRAM_MAX_INDEX)
			return ts_error_set(r->err, TS_ERR_LIMIT, (int) (start - r->text),
								"the index of a bucket is out of range");
		histogram_append(room, side, (int32_t) index++, count);
	}
	return TS_OK;
}

static TsErrorCode
read_words(TextReader *r, TsHistogram *h)
{
	const TextValue *hint = &r->values[KEY_HINT];
	const TextValue *counts = &r->values[KEY_COUNTS];

	if (hint->start)
	{
		int i = 0;

		while (i < 4 &&
			   (hint->list || !word_is(hint->start, hint->end, histogram_hint_names[i])))
			i++;
		if (i == 4)
			return text_error(r, hint->start,
							  "expected unknown, reset, not_reset or gauge");
		h->hint = (TsResetHint) i;
	}
	if (counts->start)
	{
		if (counts->list || !word_is(counts->start, counts->end, "integer"))
			return text_error(r, counts->start, "expected integer");
		h->integer = true;
	}
	return TS_OK;
}

/* Makes the histogram of a text that is split. */
static TsErrorCode
read_text(TextReader *r, const TsAllocator *allocator, TsHistogram **h)
{
	static const TextKey lists[2] = {KEY_BUCKETS, KEY_NEGATIVE_BUCKETS};
	static const TextKey offsets[2] = {KEY_OFFSET, KEY_NEGATIVE_OFFSET};
	uint32_t words[2], nbounds;
	HistogramRoom room;
	int64_t schema = 0;
	TsErrorCode code = TS_OK;

	for (int i = 0; i < KEYS; i++)
	{
		bool list = i == KEY_BUCKETS || i == KEY_NEGATIVE_BUCKETS || i == KEY_BOUNDS;

		if (r->values[i].start && list && !r->values[i].list)
			return text_error(r, r->values[i].start, "expected a list in brackets");
	}
	for (int i = 0; i < 2; i++)
		words[i] = count_words(&r->values[lists[i]]);
	nbounds = count_words(&r->values[KEY_BOUNDS]);
	if (!histogram_make_room(&room, allocator, words, words, nbounds))
		return ts_error_set(r->err, TS_ERR_MEMORY, -1, "out of memory");
	*h = room.h;
	if ((code = read_whole(r, KEY_SCHEMA, 1000, &schema)) != TS_OK ||
		(code = read_double(r, KEY_COUNT, &room.h->count)) != TS_OK ||
		(code = read_double(r, KEY_SUM, &room.h->sum)) != TS_OK ||
		(code = read_double(r, KEY_ZERO_COUNT, &room.h->zero_count)) != TS_OK ||
		(code = read_double(r, KEY_ZERO_THRESHOLD, &room.h->zero_threshold)) != TS_OK ||
		(code = read_words(r, room.h)) != TS_OK ||
		(code = read_bounds(r, &room)) != TS_OK)
		return code;
	room.h->schema = (int32_t) schema;
	for (int i = 0; i < 2 && code == TS_OK; i++)
	{
		int64_t index = 0;

		code = read_whole(r, offsets[i], HISTOGRAM_MAX_INDEX, &index);
		if (code == TS_OK)
			code = read_buckets(r, &room, i, index);
	}
	return code == TS_OK ? histogram_check_shape(room.h, r->err) : code;
}

TsErrorCode
ts_histogram_parse(const char *text, size_t len, const TsAllocator *allocator,
				   TsHistogram **h, TsError *err)
{
	TextReader r = {.text = text, .end = text + len, .err = err};
	TsErrorCode code = split_text(&r);

	*h = NULL;
	if (code == TS_OK)
		code = read_text(&r, allocator, h);
	if (code != TS_OK && err)
		ts_error_locate(err, text, len);
	return code;
}
