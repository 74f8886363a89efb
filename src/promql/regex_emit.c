/*
 * regex_emit.c
 *	  From a tree to a pattern that means the same to PCRE2.
 *
 * What always holds of the text: it is ASCII; a literal is a letter, a digit or an
 * escaped code point; every group is one of ours, and captures only if groups are asked for;
 * it means what it should under
 * PCRE2_UTF | PCRE2_DOTALL and no other option, anchored by the caller. \w and \d
 * are never written, so that no table of PCRE2's decides about them, and \b is
 * ASCII's without PCRE2_UCP, as in Go.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regex_internal.h"

/* How deep alternatives are factored by common prefixes; beyond, they are listed. */
#define FACTOR_DEPTH 40

/* ---- characters and classes ---- */

static void
emit_code_point(uint32_t c, RegexText *out)
{
	char buf[16];

	if (c < 0x80 && ((c >= '0' && c <= '9') || !regex_is_caseless(c)))
		snprintf(buf, sizeof(buf), "%c", (int) c);
	else
		snprintf(buf, sizeof(buf), "\\x{%X}", c);
	regex_text_puts(out, buf);
}

static void
emit_characters(TsString text, RegexText *out)
{
	for (size_t i = 0; i < text.len;)
	{
		uint32_t c = 0;
		int n = ts_utf8_decode(text.data + i, text.len - i, &c);

		assert(n > 0);
		i += (size_t) n;
		emit_code_point(c, out);
	}
}

static void
emit_ranges(const RegexClass *class, RegexText *out)
{
	for (size_t i = 0; i < class->nranges; i++)
	{
		emit_code_point(class->ranges[i].lo, out);
		if (class->ranges[i].hi > class->ranges[i].lo)
		{
			regex_text_puts(out, "-");
			emit_code_point(class->ranges[i].hi, out);
		}
	}
}

/* Writes one property as an alternative of its own. */
static void
emit_property(const RegexProperty *property, RegexText *out)
{
	if (property->fold_extra == NULL)
	{
		regex_text_puts(out, property->negated ? "[^" : "[");
		regex_text_puts(out, property->contents);
		regex_text_puts(out, "]");
		return;
	}
	regex_text_puts(out, property->negated ? "(?![" : "(?:[");
	regex_text_puts(out, property->contents);
	regex_text_puts(out, "]|");
	regex_text_puts(out, property->fold_extra);
	regex_text_puts(out, property->negated ? ")." : ")");
}

/* Writes a class that has properties: a choice between its parts. */
static void
emit_mixed_class(const RegexClass *class, RegexText *out)
{
	regex_text_puts(out, class->negated ? "(?:(?!" : "(?:");
	if (class->nranges > 0)
	{
		regex_text_puts(out, class->fold ? "(?i:[" : "[");
		emit_ranges(class, out);
		regex_text_puts(out, class->fold ? "])|" : "]|");
	}
	for (const RegexProperty *property = class->properties; property != NULL;
		 property = property->next)
	{
		emit_property(property, out);
		if (property->next != NULL)
			regex_text_puts(out, "|");
	}
	regex_text_puts(out, class->negated ? ").)" : ")");
}

static void
emit_class(const RegexClass *class, RegexText *out)
{
	if (class->properties != NULL)
	{
		emit_mixed_class(class, out);
		return;
	}
	assert(class->nranges > 0);
	if (class->fold)
		regex_text_puts(out, "(?i:");
	regex_text_puts(out, class->negated ? "[^" : "[");
	emit_ranges(class, out);
	regex_text_puts(out, class->fold ? "])" : "]");
}

static void
emit_literal(const RegexNode *node, RegexText *out)
{
	if (node->fold)
		regex_text_puts(out, "(?i:");
	emit_characters(node->u.text, out);
	if (node->fold)
		regex_text_puts(out, ")");
}

/* ---- repetition ---- */

/* Can a quantifier follow the node's text directly? */
static bool
is_atom(const RegexNode *node)
{
	uint32_t c;

	switch ((RegexKind) node->kind)
	{
		case REGEX_ANY:
		case REGEX_ANY_NOT_NL:
		case REGEX_CAPTURE:
			return true;
		case REGEX_CLASS:
			return node->u.class->properties == NULL && !node->u.class->fold;
		case REGEX_LITERAL:
			return !node->fold && ts_utf8_decode(node->u.text.data, node->u.text.len,
												 &c) == (int) node->u.text.len;
		default:
			return false;
	}
}

static void
emit_repeat(const RegexNode *node, RegexText *out)
{
	int min = node->u.repeat.min;
	int max = node->u.repeat.max;
	bool atom = is_atom(node->child);
	char buf[32];

	if (max == 0 && !out->groups)
		return; /* x{0} is the empty string; but groups in it have numbers */
	if (!atom)
		regex_text_puts(out, "(?:");
	regex_emit(node->child, out);
	if (!atom)
		regex_text_puts(out, ")");

	if (max == -1 && min <= 1)
		snprintf(buf, sizeof(buf), "%s", min == 0 ? "*" : "+");
	else if (max == -1)
		snprintf(buf, sizeof(buf), "{%d,}", min);
	else if (min == 0 && max == 1)
		snprintf(buf, sizeof(buf), "?");
	else
		snprintf(buf, sizeof(buf), "{%d,%d}", min, max);
	regex_text_puts(out, buf);
	if (node->lazy)
		regex_text_puts(out, "?");
}

/* ---- alternatives ---- */

/* How many bytes the two share, whole characters only. */
static size_t
common_prefix(TsString a, TsString b)
{
	size_t n = 0;

	while (n < a.len && n < b.len && a.data[n] == b.data[n])
		n++;
	while (n > 0 && n < a.len && ((unsigned char) a.data[n] & 0xC0) == 0x80)
		n--;
	return n;
}

static TsString
string_tail(TsString s, size_t from)
{
	return (TsString){s.data + from, s.len - from};
}

/*
 * Writes sorted strings, of which the first skip bytes are out already, as
 * alternatives that share prefixes: smaller, and no prefix is tried twice.
 */
static void
emit_strings(const TsString *strings, size_t n, size_t skip, int depth, RegexText *out)
{
	for (size_t i = 0; i < n;)
	{
		TsString first = string_tail(strings[i], skip);
		size_t shared = first.len;
		size_t end = i + 1;

		if (i > 0)
			regex_text_puts(out, "|");
		for (; end < n && depth < FACTOR_DEPTH && first.len > 0; end++)
		{
			size_t common = common_prefix(first, string_tail(strings[end], skip));

			if (common == 0)
				break;
			if (common < shared)
				shared = common;
		}
		first.len = shared;
		emit_characters(first, out);
		if (end > i + 1)
		{
			regex_text_puts(out, "(?:");
			emit_strings(strings + i, end - i, skip + shared, depth + 1, out);
			regex_text_puts(out, ")");
		}
		i = end;
	}
}

/* Writes the literal alternatives of one case together; returns how many. */
static size_t
emit_literal_alternatives(const RegexNode *node, bool fold, bool more, RegexText *out)
{
	TsString *strings;
	size_t n = 0;
	size_t unique = 0;

	for (const RegexNode *child = node->child; child != NULL; child = child->next)
		n += child->kind == REGEX_LITERAL && child->fold == fold;
	if (n == 0)
		return 0;
	strings = ts_arena_alloc(out->arena, n * sizeof(TsString));
	if (strings == NULL)
	{
		out->failed = true;
		return n;
	}
	n = 0;
	for (const RegexNode *child = node->child; child != NULL; child = child->next)
	{
		if (child->kind == REGEX_LITERAL && child->fold == fold)
			strings[n++] = child->u.text;
	}
	qsort(strings, n, sizeof(TsString), regex_compare_strings);
	for (size_t i = 1; i < n; i++)
	{
		if (regex_compare_strings(&strings[unique], &strings[i]) != 0)
			strings[++unique] = strings[i];
	}

	regex_text_puts(out, more ? "|" : "");
	regex_text_puts(out, fold ? "(?i:" : "");
	emit_strings(strings, unique + 1, 0, 0, out);
	regex_text_puts(out, fold ? ")" : "");
	return n;
}

/*
 * The order of alternatives decides nothing about whether a whole value matches, but about
 * what groups take.
 */
static void
emit_alternate(const RegexNode *node, RegexText *out)
{
	size_t written = 0;

	regex_text_puts(out, "(?:");
	if (!out->groups)
	{
		written = emit_literal_alternatives(node, false, false, out);
		written += emit_literal_alternatives(node, true, written > 0, out);
	}
	for (const RegexNode *child = node->child; child != NULL; child = child->next)
	{
		if (child->kind == REGEX_LITERAL && !out->groups)
			continue;
		if (written++ > 0)
			regex_text_puts(out, "|");
		regex_emit(child, out);
	}
	regex_text_puts(out, ")");
}

/* ---- the tree ---- */

void
regex_emit(const RegexNode *node, RegexText *out)
{
	if (out->failed)
		return;
	switch ((RegexKind) node->kind)
	{
		case REGEX_EMPTY:
			break;
		case REGEX_NEVER:
			regex_text_puts(out, "(?!)");
			break;
		case REGEX_LITERAL:
			emit_literal(node, out);
			break;
		case REGEX_CLASS:
			emit_class(node->u.class, out);
			break;
		case REGEX_ANY:
			regex_text_puts(out, ".");
			break;
		case REGEX_ANY_NOT_NL:
			regex_text_puts(out, "[^\\x{A}]");
			break;
		case REGEX_BEGIN_TEXT:
			regex_text_puts(out, "\\A");
			break;
		case REGEX_END_TEXT:
			regex_text_puts(out, "\\z");
			break;
		case REGEX_BEGIN_LINE:
			/* Unlike PCRE2's ^, also after a newline that ends the text. */
			regex_text_puts(out, "(?<![^\\x{A}])");
			break;
		case REGEX_END_LINE:
			regex_text_puts(out, "(?![^\\x{A}])");
			break;
		case REGEX_WORD_EDGE:
			regex_text_puts(out, "\\b");
			break;
		case REGEX_NOT_WORD_EDGE:
			regex_text_puts(out, "\\B");
			break;
		case REGEX_CAPTURE:
			regex_text_puts(out, "(");
			regex_emit(node->child, out);
			regex_text_puts(out, ")");
			break;
		case REGEX_REPEAT:
			emit_repeat(node, out);
			break;
		case REGEX_CONCAT:
			for (const RegexNode *child = node->child; child != NULL; child = child->next)
				regex_emit(child, out);
			break;
		case REGEX_ALTERNATE:
			emit_alternate(node, out);
			break;
	}
}
