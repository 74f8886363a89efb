/*
 * regex_prefix.c
 *	  The bytes every match of a tree begins with, for an index to start from.
 *
 * Assertions take no room and only ever exclude matches, so they are passed over.
 */
#include <string.h>

#include "regex_internal.h"

/* More would not make an index lookup any narrower. */
#define PREFIX_MAX 256

static bool collect(const RegexNode *node, RegexText *prefix);

/* Appends text as far as there is room; says whether all of it went in. */
static bool
append_text(RegexText *prefix, TsString text)
{
	size_t room = PREFIX_MAX - prefix->len;

	if (text.len <= room)
	{
		regex_text_append(prefix, text.data, text.len);
		return true;
	}
	regex_text_append(prefix, text.data, ts_utf8_valid_prefix(text.data, room));
	return false;
}

/* Appends the bytes that all alternatives begin with. */
static bool
collect_alternatives(const RegexNode *node, RegexText *prefix)
{
	RegexText shared = {.arena = prefix->arena};
	bool whole = collect(node->child, &shared);
	bool fits;

	for (const RegexNode *child = node->child->next; child != NULL; child = child->next)
	{
		RegexText other = {.arena = prefix->arena};
		bool other_whole;
		size_t n = 0;

		if (shared.len == 0)
			return false;
		other_whole = collect(child, &other);
		if (shared.failed || other.failed)
		{
			prefix->failed = true;
			return false;
		}
		while (n < shared.len && n < other.len && shared.data[n] == other.data[n])
			n++;
		whole = whole && other_whole && n == shared.len && n == other.len;
		shared.len = ts_utf8_valid_prefix(shared.data, n);
	}
	fits = shared.len == 0 || append_text(prefix, (TsString){shared.data, shared.len});
	return fits && whole;
}

/*
 * Appends what every match of the node begins with; true if every match is just
 * that, so that what follows the node may be appended too.
 */
static bool
collect(const RegexNode *node, RegexText *prefix)
{
	if (prefix->failed)
		return false;
	switch ((RegexKind) node->kind)
	{
		case REGEX_EMPTY:
		case REGEX_BEGIN_TEXT:
		case REGEX_END_TEXT:
		case REGEX_BEGIN_LINE:
		case REGEX_END_LINE:
		case REGEX_WORD_EDGE:
		case REGEX_NOT_WORD_EDGE:
			return true;
		case REGEX_LITERAL:
			return !node->fold && append_text(prefix, node->u.text);
		case REGEX_CAPTURE:
			return collect(node->child, prefix);
		case REGEX_REPEAT:
			if (node->u.repeat.max == 0)
				return true;
			if (node->u.repeat.min == 0)
				return false;
			for (int i = 0; i < node->u.repeat.min; i++)
			{
				size_t before = prefix->len;

				if (!collect(node->child, prefix))
					return false;
				if (prefix->len == before)
					break;
			}
			return node->u.repeat.max == node->u.repeat.min;
		case REGEX_CONCAT:
			for (const RegexNode *child = node->child; child != NULL; child = child->next)
			{
				if (!collect(child, prefix))
					return false;
			}
			return true;
		case REGEX_ALTERNATE:
			return collect_alternatives(node, prefix);
		default:
			return false;
	}
}

void
regex_collect_prefix(const RegexNode *tree, RegexText *prefix)
{
	collect(tree, prefix);
}
