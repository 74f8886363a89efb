/*
 * regex_glob.c
 *	  Patterns that need no regular expression engine: sets of strings with gaps.
 *
 * Most matchers are an alternation of literals, perhaps with unescaped dots in them
 * and ".*" or ".+" around. Such a tree is expanded to a sorted set of strings over
 * bytes, GLOB_ONE and GLOB_GAP (bytes that UTF-8 never uses), by which a value is
 * looked up like in a trie.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "regex_internal.h"

/* A set larger than this goes to PCRE2, where it fits or is refused. */
#define GLOB_MAX_STRINGS 10000
#define GLOB_MAX_BYTES   (1024 * 1024)

/* While expanding only: \A and \z, which resolve_string() takes out again. */
#define GLOB_BEGIN 0xFD
#define GLOB_END   0xFC

static inline unsigned char
byte_at(TsString s, size_t i)
{
	return (unsigned char) s.data[i];
}

/* ---- expansion ---- */

typedef struct GlobList
{
	TsString *strings;
	size_t count;
	size_t capacity;
	size_t bytes;
} GlobList;

static bool expand_node(const RegexNode *node, TsArena *arena, GlobList *list);

/* Adds a string, whose bytes the list does not copy. */
static bool
list_add(TsArena *arena, GlobList *list, TsString s)
{
	if (list->count >= GLOB_MAX_STRINGS || list->bytes + s.len > GLOB_MAX_BYTES)
		return false;
	if (list->count == list->capacity)
	{
		size_t capacity = list->capacity == 0 ? 1 : list->capacity * 2;
		TsString *strings = ts_arena_alloc(arena, capacity * sizeof(TsString));

		if (strings == NULL)
			return false;
		if (list->count > 0)
			memcpy(strings, list->strings, list->count * sizeof(TsString));
		list->strings = strings;
		list->capacity = capacity;
	}
	list->strings[list->count++] = s;
	list->bytes += s.len;
	return true;
}

static bool
list_add_copy(TsArena *arena, GlobList *list, const void *data, size_t len)
{
	char *copy = ts_arena_copy(arena, data, len);

	return copy != NULL && list_add(arena, list, (TsString){copy, len});
}

static bool
list_add_all(TsArena *arena, GlobList *list, const GlobList *more)
{
	for (size_t i = 0; i < more->count; i++)
	{
		if (!list_add(arena, list, more->strings[i]))
			return false;
	}
	return true;
}

/* Replaces the list by every string of it followed by every string of tails. */
static bool
list_multiply(TsArena *arena, GlobList *list, const GlobList *tails)
{
	GlobList product = {0};

	for (size_t i = 0; i < list->count; i++)
	{
		for (size_t j = 0; j < tails->count; j++)
		{
			TsString a = list->strings[i];
			TsString b = tails->strings[j];
			char *joined;

			if (product.bytes + a.len + b.len > GLOB_MAX_BYTES)
				return false;
			joined = ts_arena_alloc(arena, a.len + b.len);
			if (joined == NULL)
				return false;
			memcpy(joined, a.data, a.len);
			memcpy(joined + a.len, b.data, b.len);
			if (!list_add(arena, &product, (TsString){joined, a.len + b.len}))
				return false;
		}
	}
	*list = product;
	return true;
}

static bool
expand_class(const RegexClass *class, TsArena *arena, GlobList *list)
{
	if (class->fold || class->negated || class->properties != NULL)
		return false;
	for (size_t i = 0; i < class->nranges; i++)
	{
		for (uint32_t c = class->ranges[i].lo; c <= class->ranges[i].hi; c++)
		{
			char bytes[4];
			int n = ts_utf8_encode(c, bytes);

			if (!list_add_copy(arena, list, bytes, (size_t) n))
				return false;
		}
	}
	return true;
}

static bool
expand_repeat(const RegexNode *node, TsArena *arena, GlobList *list)
{
	static const unsigned char gap = GLOB_GAP;
	int min = node->u.repeat.min;
	int max = node->u.repeat.max;
	bool unbounded = max == -1;
	GlobList child = {0};
	GlobList power = {0};

	if (unbounded && node->child->kind != REGEX_ANY)
		return false;
	if (!list_add_copy(arena, &power, "", 0) || !expand_node(node->child, arena, &child))
		return false;
	if (unbounded)
		max = min;
	for (int i = 0;; i++)
	{
		if (i >= min && !list_add_all(arena, list, &power))
			return false;
		if (i == max)
			break;
		if (!list_multiply(arena, &power, &child))
			return false;
	}
	if (!unbounded)
		return true;
	child = (GlobList){0};
	return list_add_copy(arena, &child, &gap, 1) && list_multiply(arena, list, &child);
}

/* Appends what the node matches to a run, if that is one string. */
static bool
append_single(const RegexNode *node, RegexText *run)
{
	char marker;

	switch ((RegexKind) node->kind)
	{
		case REGEX_LITERAL:
			if (node->fold)
				return false;
			regex_text_append(run, node->u.text.data, node->u.text.len);
			return true;
		case REGEX_ANY:
			marker = (char) GLOB_ONE;
			break;
		case REGEX_BEGIN_TEXT:
			marker = (char) GLOB_BEGIN;
			break;
		case REGEX_END_TEXT:
			marker = (char) GLOB_END;
			break;
		default:
			return false;
	}
	regex_text_append(run, &marker, 1);
	return true;
}

/* Multiplies the list by a run, which is empty afterwards. */
static bool
take_run(TsArena *arena, GlobList *list, RegexText *run)
{
	TsString text = {run->data, run->len};
	GlobList tail = {.strings = &text, .count = 1, .bytes = run->len};

	if (run->failed || run->len > GLOB_MAX_BYTES)
		return false;
	run->len = 0;
	return text.len == 0 || list_multiply(arena, list, &tail);
}

/*
 * Expands the items of a concatenation and multiplies them. Runs of items that are
 * one string each are joined first: a long list is then copied only when it grows.
 */
static bool
expand_concat(const RegexNode *node, TsArena *arena, GlobList *list)
{
	RegexText run = {.arena = arena};
	GlobList result = {0};

	if (!list_add_copy(arena, &result, "", 0))
		return false;
	for (const RegexNode *child = node->child; child != NULL; child = child->next)
	{
		GlobList items = {0};

		if (append_single(child, &run))
			continue;
		if (!expand_node(child, arena, &items))
			return false;
		if (items.count == 1)
			regex_text_append(&run, items.strings[0].data, items.strings[0].len);
		else if (!take_run(arena, &result, &run) ||
				 !list_multiply(arena, &result, &items))
			return false;
	}
	return take_run(arena, &result, &run) && list_add_all(arena, list, &result);
}

/* Adds what the node matches to the list; false if that is too much or no such set. */
static bool
expand_node(const RegexNode *node, TsArena *arena, GlobList *list)
{
	RegexText single = {.arena = arena};

	switch ((RegexKind) node->kind)
	{
		case REGEX_EMPTY:
			return list_add_copy(arena, list, "", 0);
		case REGEX_NEVER:
			return true;
		case REGEX_LITERAL:
		case REGEX_ANY:
		case REGEX_BEGIN_TEXT:
		case REGEX_END_TEXT:
			return append_single(node, &single) && !single.failed &&
				   list_add(arena, list, (TsString){single.data, single.len});
		case REGEX_CLASS:
			return expand_class(node->u.class, arena, list);
		case REGEX_REPEAT:
			return expand_repeat(node, arena, list);
		case REGEX_CONCAT:
			return expand_concat(node, arena, list);
		case REGEX_ALTERNATE:
			for (const RegexNode *child = node->child; child != NULL; child = child->next)
			{
				if (!expand_node(child, arena, list))
					return false;
			}
			return true;
		default:
			return false;
	}
}

/* ---- from the expansion to the set ---- */

static bool
is_width_zero(unsigned char c)
{
	return c == GLOB_GAP || c == GLOB_BEGIN || c == GLOB_END;
}

/*
 * Takes the anchors out of a string, in place, and orders the wildcards of each run.
 * Returns false if an anchor makes it match nothing: something that takes up room
 * stands on the anchor's far side. A gap there must be empty and goes.
 */
static bool
resolve_string(char *data, size_t *len)
{
	size_t begin = 0;  /* after the last \A */
	size_t end = *len; /* the first \z */
	size_t out = 0;

	for (size_t i = 0; i < *len; i++)
	{
		unsigned char c = (unsigned char) data[i];

		if (c == GLOB_BEGIN)
			begin = i + 1;
		else if (c == GLOB_END && end == *len)
			end = i;
	}
	for (size_t i = 0; i < *len; i++)
	{
		if ((i < begin || i >= end) && !is_width_zero((unsigned char) data[i]))
			return false;
	}

	for (size_t i = begin; i < end;)
	{
		bool gap = false;

		if ((unsigned char) data[i] < GLOB_END)
		{
			data[out++] = data[i++];
			continue;
		}
		for (; i < end && (unsigned char) data[i] >= GLOB_END; i++)
		{
			if ((unsigned char) data[i] == GLOB_ONE)
				data[out++] = (char) GLOB_ONE;
			gap |= (unsigned char) data[i] == GLOB_GAP;
		}
		if (gap)
			data[out++] = (char) GLOB_GAP;
	}
	*len = out;
	return true;
}

static bool
has_wildcard(TsString s)
{
	return memchr(s.data, GLOB_ONE, s.len) != NULL ||
		   memchr(s.data, GLOB_GAP, s.len) != NULL;
}

bool
glob_expand(const RegexNode *tree, TsArena *scratch, TsArena *result, GlobSet *set)
{
	GlobList list = {0};
	char *bytes;
	size_t unique = 0;

	if (!expand_node(tree, scratch, &list))
		return false;
	set->strings = ts_arena_alloc(result, list.count * sizeof(TsString));
	bytes = ts_arena_alloc(result, list.bytes);
	if (set->strings == NULL || bytes == NULL)
		return false;

	set->count = 0;
	set->literal = true;
	for (size_t i = 0; i < list.count; i++)
	{
		TsString s = {bytes, list.strings[i].len};

		memcpy(bytes, list.strings[i].data, s.len);
		if (!resolve_string(bytes, &s.len))
			continue;
		bytes += s.len;
		set->literal &= !has_wildcard(s);
		set->strings[set->count++] = s;
	}
	if (set->count == 0)
		return true;
	qsort(set->strings, set->count, sizeof(TsString), regex_compare_strings);
	for (size_t i = 1; i < set->count; i++)
	{
		if (regex_compare_strings(&set->strings[unique], &set->strings[i]) != 0)
			set->strings[++unique] = set->strings[i];
	}
	set->count = unique + 1;
	return true;
}

/* ---- matching one string ---- */

/* How many bytes the character at the start of a value takes. */
static size_t
character_len(const char *value, size_t len)
{
	unsigned char c = (unsigned char) *value;
	size_t n = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

	return n < len ? n : len;
}

/*
 * Matches a gapless piece at the start of a value; returns whether it matched and in
 * *used how many bytes of the value it took, or was looked at.
 */
static bool
piece_at(TsString piece, const char *value, size_t len, size_t *used)
{
	size_t pos = 0;

	for (size_t i = 0; i < piece.len; i++)
	{
		if (pos == len || (byte_at(piece, i) != GLOB_ONE && piece.data[i] != value[pos]))
		{
			*used = pos;
			return false;
		}
		pos += byte_at(piece, i) == GLOB_ONE ? character_len(value + pos, len - pos) : 1;
	}
	*used = pos;
	return true;
}

/* Matches a gapless piece at the very end of a value. */
static bool
piece_at_end(TsString piece, const char *value, size_t len)
{
	size_t pos = len;
	size_t used;

	for (size_t i = piece.len; i > 0; i--)
	{
		if (pos == 0)
			return false;
		pos--;
		if (byte_at(piece, i - 1) != GLOB_ONE)
			continue;
		while (pos > 0 && ((unsigned char) value[pos] & 0xC0) == 0x80)
			pos--;
	}
	return piece_at(piece, value + pos, len - pos, &used) && used == len - pos;
}

/* Finds the leftmost place of a gapless piece that begins with a literal byte. */
static bool
find_piece(TsString piece, const char *value, size_t len, size_t *end, uint64_t *steps)
{
	const char *stop = value + len;
	const char *at = value;

	while (at<stop && * steps> 0)
	{
		size_t used;

		at = memchr(at, byte_at(piece, 0), (size_t) (stop - at));
		if (at == NULL)
			return false;
		if (piece_at(piece, at, (size_t) (stop - at), &used))
		{
			*end = (size_t) (at - value) + used;
			return true;
		}
		*steps -= used < *steps ? used : *steps;
		at++;
	}
	return false;
}

/* Takes the piece up to the next gap off a string. */
static TsString
next_piece(TsString *s, bool *gap)
{
	const char *end = memchr(s->data, GLOB_GAP, s->len);
	TsString piece = {s->data, end == NULL ? s->len : (size_t) (end - s->data)};

	*gap = end != NULL;
	s->data += piece.len + *gap;
	s->len -= piece.len + *gap;
	return piece;
}

/*
 * Matches a string against a whole value. Taking each piece between two gaps at its
 * leftmost place leaves the most room for the rest, so nothing is ever tried twice.
 */
static bool
string_match(TsString s, const char *value, size_t len, uint64_t *steps)
{
	bool gap;
	size_t used;
	TsString piece = next_piece(&s, &gap);

	if (*steps > 0)
		--*steps;
	if (!piece_at(piece, value, len, &used))
		return false;
	if (!gap)
		return used == len;
	for (;;)
	{
		value += used;
		len -= used;
		piece = next_piece(&s, &gap);
		if (!gap)
			return piece_at_end(piece, value, len);
		if (!find_piece(piece, value, len, &used, steps))
			return false;
	}
}

/* ---- matching the set ---- */

/* The first string from lo on whose byte at depth is at least c. */
static size_t
lower_bound(const TsString *strings, size_t lo, size_t hi, size_t depth, unsigned c)
{
	while (lo < hi)
	{
		size_t middle = lo + (hi - lo) / 2;

		if (byte_at(strings[middle], depth) < c)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

/*
 * Do any of strings[lo..hi), which agree in their first depth bytes and have matched
 * the value up to pos with them, match it to its end? Every turn goes one byte down
 * the trie. Where both a literal byte and GLOB_ONE go on, the smaller half is done
 * by recursion, which bounds its depth by the logarithm of the set's size.
 */
static bool
trie_match(const TsString *strings, size_t lo, size_t hi, size_t depth, const char *value,
		   size_t len, size_t pos, uint64_t *steps)
{
	while (lo<hi && * steps> 0)
	{
		size_t one; /* where strings that go on with GLOB_ONE begin */
		size_t gap;
		size_t one_pos;

		--*steps;
		if (hi - lo == 1)
			return string_match(
				(TsString){strings[lo].data + depth, strings[lo].len - depth},
				value + pos, len - pos, steps);
		if (strings[lo].len == depth)
		{
			if (pos == len)
				return true;
			lo++;
			continue;
		}

		one = lower_bound(strings, lo, hi, depth, GLOB_ONE);
		gap = lower_bound(strings, one, hi, depth, GLOB_GAP);
		for (; hi > gap; hi--)
		{
			TsString s = strings[hi - 1];

			if (string_match((TsString){s.data + depth, s.len - depth}, value + pos,
							 len - pos, steps))
				return true;
		}
		if (pos == len)
			return false;

		one_pos = pos + character_len(value + pos, len - pos);
		lo = lower_bound(strings, lo, one, depth, (unsigned char) value[pos]);
		hi = lower_bound(strings, lo, one, depth, (unsigned char) value[pos] + 1U);
		depth++;
		pos++;
		if (gap - one < hi - lo)
		{
			if (trie_match(strings, one, gap, depth, value, len, one_pos, steps))
				return true;
			continue;
		}
		if (trie_match(strings, lo, hi, depth, value, len, pos, steps))
			return true;
		lo = one;
		hi = gap;
		pos = one_pos;
	}
	return false;
}

bool
glob_match(const GlobSet *set, const char *value, size_t len, uint64_t *steps)
{
	if (set->literal)
	{
		TsString key = {value, len};

		return set->count > 0 && bsearch(&key, set->strings, set->count, sizeof(TsString),
										 regex_compare_strings) != NULL;
	}
	return trie_match(set->strings, 0, set->count, 0, value, len, 0, steps);
}
