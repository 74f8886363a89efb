/*
 * regex_class.c
 *	  Character classes: \d, [a-z], [[:alpha:]], \p{Greek}.
 *
 * What a finished class always is: its ranges sorted, merged and free of
 * surrogates. Under (?i) a class without properties stands for its closure under
 * simple case folding, negation applied after that, as in Go.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "regex_internal.h"

#define SURROGATE_FIRST 0xD800
#define SURROGATE_LAST  0xDFFF

/* The only characters beyond ASCII that equal an ASCII letter when case is folded. */
#define LONG_S      0x017F
#define KELVIN_SIGN 0x212A

/* ---- classes whose members are ASCII ---- */

typedef struct AsciiGroup
{
	const char *name;
	const char *pairs; /* first and last member of each range, in order */
	int pairs_len;
} AsciiGroup;

#define GROUP(name, pairs)                   \
	{                                        \
		name, pairs, (int) sizeof(pairs) - 1 \
	}

static const AsciiGroup perl_digit = GROUP("d", "09");
static const AsciiGroup perl_space = GROUP("s", "\t\n\f\r  ");
static const AsciiGroup perl_word = GROUP("w", "09AZ__az");

static const AsciiGroup posix_groups[] = {
	GROUP("alnum", "09AZaz"),
	GROUP("alpha", "AZaz"),
	GROUP("ascii", "\0\x7F"),
	GROUP("blank", "\t\t  "),
	GROUP("cntrl", "\0\x1F\x7F\x7F"),
	GROUP("digit", "09"),
	GROUP("graph", "!~"),
	GROUP("lower", "az"),
	GROUP("print", " ~"),
	GROUP("punct", "!/:@[`{~"),
	GROUP("space", "\t\r  "),
	GROUP("upper", "AZ"),
	GROUP("word", "09AZ__az"),
	GROUP("xdigit", "09AFaf"),
};

/* ---- building a class ---- */

static RegexClass *
class_new(RegexSource *src)
{
	RegexClass *class = ts_arena_alloc(src->arena, sizeof(RegexClass));

	if (class == NULL)
	{
		regex_no_memory(src);
		return NULL;
	}
	memset(class, 0, sizeof(*class));
	class->fold = (src->flags & REGEX_FOLD) != 0;
	return class;
}

static bool
class_add(RegexSource *src, RegexClass *class, uint32_t lo, uint32_t hi)
{
	assert(lo <= hi && hi <= REGEX_MAX_CODE_POINT);
	if (class->nranges == class->capacity)
	{
		size_t capacity = class->capacity == 0 ? 4 : class->capacity * 2;
		RegexRange *ranges = ts_arena_alloc(src->arena, capacity * sizeof(RegexRange));

		if (ranges == NULL)
			return regex_no_memory(src);
		if (class->nranges > 0)
			memcpy(ranges, class->ranges, class->nranges * sizeof(RegexRange));
		class->ranges = ranges;
		class->capacity = capacity;
	}
	class->ranges[class->nranges++] = (RegexRange){lo, hi};
	return true;
}

static int
compare_ranges(const void *a, const void *b)
{
	const RegexRange *x = a;
	const RegexRange *y = b;

	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return (x->hi > y->hi) - (x->hi < y->hi);
}

/* Sorts the ranges and joins those that touch. */
static void
class_merge(RegexClass *class)
{
	size_t n = 0;

	if (class->nranges == 0)
		return;
	qsort(class->ranges, class->nranges, sizeof(RegexRange), compare_ranges);
	for (size_t i = 1; i < class->nranges; i++)
	{
		if (class->ranges[i].lo > class->ranges[n].hi + 1)
			class->ranges[++n] = class->ranges[i];
		else if (class->ranges[i].hi > class->ranges[n].hi)
			class->ranges[n].hi = class->ranges[i].hi;
	}
	class->nranges = n + 1;
}

/* Replaces merged ranges by all other code points. */
static bool
class_complement(RegexSource *src, RegexClass *class)
{
	RegexRange *ranges = class->ranges;
	size_t n = class->nranges;
	uint32_t next = 0;

	class->ranges = NULL;
	class->nranges = class->capacity = 0;
	for (size_t i = 0; i < n; i++)
	{
		if (next < ranges[i].lo && !class_add(src, class, next, ranges[i].lo - 1))
			return false;
		next = ranges[i].hi + 1;
	}
	return next > REGEX_MAX_CODE_POINT ||
		   class_add(src, class, next, REGEX_MAX_CODE_POINT);
}

/*
 * Takes the surrogates out of merged ranges: no value holds one, and PCRE2 would
 * refuse the pattern.
 */
static bool
class_drop_surrogates(RegexSource *src, RegexClass *class)
{
	RegexRange *ranges = class->ranges;
	size_t n = class->nranges;

	class->ranges = NULL;
	class->nranges = class->capacity = 0;
	for (size_t i = 0; i < n; i++)
	{
		uint32_t lo = ranges[i].lo;
		uint32_t hi = ranges[i].hi;

		if (hi < SURROGATE_FIRST || lo > SURROGATE_LAST)
		{
			if (!class_add(src, class, lo, hi))
				return false;
			continue;
		}
		if (lo < SURROGATE_FIRST && !class_add(src, class, lo, SURROGATE_FIRST - 1))
			return false;
		if (hi > SURROGATE_LAST && !class_add(src, class, SURROGATE_LAST + 1, hi))
			return false;
	}
	return true;
}

/* Is there no character in the ranges that folding could matter to? */
static bool
class_is_caseless(const RegexClass *class)
{
	for (size_t i = 0; i < class->nranges; i++)
	{
		RegexRange r = class->ranges[i];

		if (r.hi >= 0x80 || (r.lo <= 'Z' && r.hi >= 'A') || (r.lo <= 'z' && r.hi >= 'a'))
			return false;
	}
	return true;
}

/* Brings a class into the form that the top of this file promises. */
static bool
class_finish(RegexSource *src, RegexClass *class)
{
	class_merge(class);
	if (class->fold && class_is_caseless(class))
		class->fold = false;
	if (class->negated && !class->fold && class->properties == NULL)
	{
		if (!class_complement(src, class))
			return false;
		class->negated = false;
	}
	return class_drop_surrogates(src, class);
}

/*
 * Adds an ASCII group or what is outside it. Outside means outside of its folded
 * form under (?i); the result is closed under folding then, so that folding the
 * whole class later changes nothing.
 */
static bool
class_add_group(RegexSource *src, RegexClass *class, const AsciiGroup *group,
				bool negated)
{
	RegexClass members = {.fold = false};

	for (int i = 0; i < group->pairs_len; i += 2)
	{
		uint32_t lo = (unsigned char) group->pairs[i];
		uint32_t hi = (unsigned char) group->pairs[i + 1];

		if (!class_add(src, &members, lo, hi))
			return false;
		if (!negated || !class->fold)
			continue;
		for (uint32_t c = lo; c <= hi; c++)
		{
			uint32_t lower = c | 0x20;

			if (lower < 'a' || lower > 'z')
				continue;
			if (!class_add(src, &members, c ^ 0x20, c ^ 0x20))
				return false;
			if (lower == 's' && !class_add(src, &members, LONG_S, LONG_S))
				return false;
			if (lower == 'k' && !class_add(src, &members, KELVIN_SIGN, KELVIN_SIGN))
				return false;
		}
	}
	if (negated)
	{
		class_merge(&members);
		if (!class_complement(src, &members))
			return false;
	}
	for (size_t i = 0; i < members.nranges; i++)
	{
		if (!class_add(src, class, members.ranges[i].lo, members.ranges[i].hi))
			return false;
	}
	return true;
}

/* ---- \d, \s, \w ---- */

/* Reads \d, \D, \s, \S, \w or \W into class, if one is there. */
static bool
add_perl_class(RegexSource *src, RegexClass *class, bool *found)
{
	const AsciiGroup *group;
	char letter;

	*found = false;
	if (src->len - src->pos < 2 || src->pattern[src->pos] != '\\')
		return true;
	letter = src->pattern[src->pos + 1];
	switch (letter)
	{
		case 'd':
		case 'D':
			group = &perl_digit;
			break;
		case 's':
		case 'S':
			group = &perl_space;
			break;
		case 'w':
		case 'W':
			group = &perl_word;
			break;
		default:
			return true;
	}
	*found = true;
	src->pos += 2;
	return class_add_group(src, class, group, letter >= 'A' && letter <= 'Z');
}

/* ---- \p{...} ---- */

/* Reads \pL, \p{Greek}, \P{^Greek} into class, if one is there. */
static bool
add_unicode_class(RegexSource *src, RegexClass *class, bool *found)
{
	size_t start = src->pos;
	const char *name;
	size_t name_len;
	bool negated;
	RegexProperty *property;

	*found = false;
	if (src->len - start < 2 || src->pattern[start] != '\\' ||
		(src->pattern[start + 1] != 'p' && src->pattern[start + 1] != 'P'))
		return true;
	*found = true;
	negated = src->pattern[start + 1] == 'P';
	src->pos = start + 2;

	name = src->pattern + src->pos;
	if (src->pos < src->len && *name == '{')
	{
		const char *close = memchr(name, '}', src->len - src->pos);

		if (close == NULL)
			return regex_fail(src, "invalid character class range", start, src->len);
		name++;
		name_len = (size_t) (close - name);
		src->pos += name_len + 2;
	}
	else
	{
		if (src->pos < src->len)
			regex_next(src);
		name_len = (size_t) (src->pattern + src->pos - name);
	}
	if (name_len > 0 && *name == '^')
	{
		negated = !negated;
		name++;
		name_len--;
	}

	if (name_len == 3 && memcmp(name, "Any", 3) == 0)
		return negated || class_add(src, class, 0, REGEX_MAX_CODE_POINT);
	property = ts_arena_alloc(src->arena, sizeof(RegexProperty));
	if (property == NULL)
		return regex_no_memory(src);
	if (!regex_find_property(name, name_len, property))
		return regex_fail(src, "invalid character class range", start, src->pos);
	property->negated = negated;
	if (!class->fold)
		property->fold_extra = NULL;
	property->next = class->properties;
	class->properties = property;
	return true;
}

bool
regex_escape_class(RegexSource *src, RegexClass **result)
{
	RegexClass *class;
	bool found;

	*result = NULL;
	class = class_new(src);
	if (class == NULL || !add_unicode_class(src, class, &found))
		return false;
	if (!found && !add_perl_class(src, class, &found))
		return false;
	if (!found)
		return true;
	*result = class;
	return class_finish(src, class);
}

/* ---- [...] ---- */

/* Reads [:alpha:] into class, if one is there. */
static bool
add_posix_class(RegexSource *src, RegexClass *class, bool *found)
{
	const char *start = src->pattern + src->pos;
	const char *end = src->pattern + src->len;
	const char *name = start + 2;
	const char *close = NULL;
	bool negated = false;

	*found = false;
	if (end - start <= 2 || start[0] != '[' || start[1] != ':')
		return true;
	for (const char *s = name; s + 1 < end && close == NULL; s++)
	{
		if (s[0] == ':' && s[1] == ']')
			close = s;
	}
	if (close == NULL)
		return true;

	*found = true;
	if (name < close && *name == '^')
	{
		negated = true;
		name++;
	}
	for (size_t i = 0; i < sizeof(posix_groups) / sizeof(posix_groups[0]); i++)
	{
		const AsciiGroup *group = &posix_groups[i];

		if (strlen(group->name) == (size_t) (close - name) &&
			memcmp(group->name, name, (size_t) (close - name)) == 0)
		{
			src->pos = (size_t) (close + 2 - src->pattern);
			return class_add_group(src, class, group, negated);
		}
	}
	return regex_fail(src, "invalid character class range", src->pos,
					  (size_t) (close + 2 - src->pattern));
}

/* Reads one code point of a class that began at class_start. */
static bool
class_code_point(RegexSource *src, size_t class_start, uint32_t *c)
{
	if (src->pos == src->len)
		return regex_fail(src, "missing closing ]", class_start, src->len);
	if (src->pattern[src->pos] == '\\')
		return regex_escape(src, c);
	*c = regex_next(src);
	return true;
}

/* Reads a single code point or a range of them into class. */
static bool
add_range(RegexSource *src, RegexClass *class, size_t class_start)
{
	size_t start = src->pos;
	uint32_t lo;
	uint32_t hi;

	if (!class_code_point(src, class_start, &lo))
		return false;
	hi = lo;
	/* A hyphen before the closing bracket is a member, not a range. */
	if (src->len - src->pos >= 2 && src->pattern[src->pos] == '-' &&
		src->pattern[src->pos + 1] != ']')
	{
		src->pos++;
		if (!class_code_point(src, class_start, &hi))
			return false;
		if (hi < lo)
			return regex_fail(src, "invalid character class range", start, src->pos);
	}
	return class_add(src, class, lo, hi);
}

bool
regex_bracket_class(RegexSource *src, RegexClass **result)
{
	size_t start = src->pos;
	bool first = true;
	RegexClass *class = class_new(src);

	assert(src->pattern[src->pos] == '[');
	if (class == NULL)
		return false;
	src->pos++;
	if (src->pos < src->len && src->pattern[src->pos] == '^')
	{
		class->negated = true;
		src->pos++;
	}

	/* A closing bracket right at the start is a member. */
	while (first || src->pos == src->len || src->pattern[src->pos] != ']')
	{
		bool found;

		first = false;
		if (!add_posix_class(src, class, &found))
			return false;
		if (!found && !add_unicode_class(src, class, &found))
			return false;
		if (!found && !add_perl_class(src, class, &found))
			return false;
		if (!found && !add_range(src, class, start))
			return false;
	}
	src->pos++;
	*result = class;
	return class_finish(src, class);
}
