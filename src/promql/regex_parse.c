/*
 * regex_parse.c
 *	  RE2's grammar as Go's regexp/syntax reads it with Perl's extensions: a pattern
 *	  becomes a tree, or the error that Go would report.
 *
 * There is no recursion here: open groups are a linked list, so that a pattern may
 * nest as deep as memory allows while its tree stays within REGEX_MAX_HEIGHT
 * (groups that capture nothing add no height, in Go and here).
 */
#include <assert.h>
#include <string.h>

#include "regex_internal.h"

/* A list of nodes in which the last one can still be replaced. */
typedef struct NodeList
{
	RegexNode *first;
	RegexNode *last;
	RegexNode **last_link; /* what points at last */
	size_t count;
} NodeList;

/* A group whose closing parenthesis has not come yet; the outermost is the pattern. */
typedef struct Group
{
	struct Group *outer;
	size_t start;
	unsigned outer_flags; /* to be restored when it closes */
	bool capture;
	NodeList sequence;     /* the alternative being read */
	NodeList alternatives; /* those before it */
} Group;

typedef struct Parser
{
	RegexSource src;
	RegexGroups *groups; /* or NULL */
	Group *group;
	Group *spare;        /* closed groups, to be used again */
	RegexText literal;   /* characters read but not yet in a node */
	size_t literal_last; /* where the last of them begins */
	bool literal_fold;
	bool after_repeat;   /* the last thing read was a repetition operator ... */
	size_t repeat_start; /* ... that began here */
} Parser;

/* ---- errors ---- */

/* Fails with the whole pattern quoted, pointing at one place of it. */
static bool
fail_whole(Parser *p, const char *what, size_t place)
{
	regex_fail(&p->src, what, 0, p->src.len);
	if (p->src.err != NULL)
		p->src.err->offset = (int) place;
	return false;
}

/* ---- nodes ---- */

static RegexNode *
node_new(Parser *p, RegexKind kind)
{
	RegexNode *node = ts_arena_alloc(p->src.arena, sizeof(RegexNode));

	if (node == NULL)
	{
		regex_no_memory(&p->src);
		return NULL;
	}
	memset(node, 0, sizeof(*node));
	node->kind = (uint8_t) kind;
	node->height = 1;
	node->copies = 1;
	switch (kind)
	{
		case REGEX_EMPTY:
		case REGEX_BEGIN_TEXT:
		case REGEX_END_TEXT:
		case REGEX_BEGIN_LINE:
		case REGEX_END_LINE:
		case REGEX_NOT_WORD_EDGE:
			node->nullable = true;
			break;
		default:
			break;
	}
	return node;
}

static bool
can_merge(const RegexNode *node, RegexKind kind)
{
	return node->kind == kind && !node->opaque;
}

/* Puts the children of the last node of a list in its place, if it is of that kind. */
static void
list_merge_last(NodeList *list, RegexKind kind)
{
	RegexNode *node = list->last;

	if (node == NULL || !can_merge(node, kind))
		return;
	*list->last_link = node->child;
	for (RegexNode *child = node->child; child != node->last; child = child->next)
	{
		list->last_link = &child->next;
		list->count++;
	}
	list->last = node->last;
}

static void
list_append(NodeList *list, RegexNode *node)
{
	assert(node->next == NULL);
	list->last_link = list->last == NULL ? &list->first : &list->last->next;
	*list->last_link = node;
	list->last = node;
	list->count++;
}

/* What the nodes of a list are together: a CONCAT or an ALTERNATE, or the only one. */
static RegexNode *
list_close(Parser *p, NodeList *list, RegexKind kind)
{
	RegexNode *node;

	list_merge_last(list, kind);
	if (list->count == 0)
		return node_new(p, REGEX_EMPTY);
	if (list->count == 1)
		return list->first;

	node = node_new(p, kind);
	if (node == NULL)
		return NULL;
	node->child = list->first;
	node->last = list->last;
	node->nullable = kind == REGEX_CONCAT;
	for (RegexNode *child = node->child; child != NULL; child = child->next)
	{
		if (child->height >= node->height)
			node->height = child->height + 1;
		if (child->copies > node->copies)
			node->copies = child->copies;
		if (kind == REGEX_CONCAT)
			node->nullable &= child->nullable;
		else
			node->nullable |= child->nullable;
	}
	return node;
}

static bool
check_height(Parser *p, const RegexNode *node)
{
	if (node->height > REGEX_MAX_HEIGHT)
		return fail_whole(p, "expression nests too deeply", 0);
	return true;
}

/* ---- the sequence being read ---- */

static bool
append_node(Parser *p, RegexNode *node)
{
	NodeList *sequence = &p->group->sequence;

	/* The one before can no longer be repeated alone. */
	list_merge_last(sequence, REGEX_CONCAT);
	list_append(sequence, node);
	return check_height(p, node);
}

/* Makes a node of part of the characters read so far. */
static bool
append_literal_node(Parser *p, size_t from, size_t to)
{
	RegexNode *node = node_new(p, REGEX_LITERAL);
	char *text;

	if (node == NULL)
		return false;
	text = ts_arena_copy(p->src.arena, p->literal.data + from, to - from);
	if (text == NULL)
		return regex_no_memory(&p->src);
	node->u.text.data = text;
	node->u.text.len = to - from;
	node->fold = p->literal_fold;
	return append_node(p, node);
}

static bool
flush_literal(Parser *p)
{
	size_t len = p->literal.len;

	p->literal.len = 0;
	return len == 0 || append_literal_node(p, 0, len);
}

static bool
append_item(Parser *p, RegexNode *node)
{
	return node != NULL && flush_literal(p) && append_node(p, node);
}

/* Adds one literal character to the sequence. */
static bool
append_character(Parser *p, uint32_t c, bool fold)
{
	char bytes[4];
	int n = ts_utf8_encode(c, bytes);

	if (n == 0)
		return append_item(p, node_new(p, REGEX_NEVER)); /* a surrogate */
	if (regex_is_caseless(c) && p->literal.len > 0)
		fold = p->literal_fold;
	else if (regex_is_caseless(c))
		fold = false;
	if (fold != p->literal_fold && !flush_literal(p))
		return false;
	p->literal_fold = fold;
	p->literal_last = p->literal.len;
	regex_text_append(&p->literal, bytes, (size_t) n);
	return !p->literal.failed || regex_no_memory(&p->src);
}

/* Adds a class to the sequence, in its simplest form. */
static bool
append_class(Parser *p, RegexClass *class)
{
	static const RegexRange not_nl[] = {{0, 9}, {11, 0xD7FF}, {0xE000, 0x10FFFF}};
	static const RegexRange any[] = {{0, 0xD7FF}, {0xE000, 0x10FFFF}};
	RegexKind kind = REGEX_CLASS;
	RegexNode *node;

	if (class->properties == NULL)
	{
		if (class->nranges == 0)
			kind = class->negated ? REGEX_ANY : REGEX_NEVER;
		else if (class->nranges == 2 && memcmp(class->ranges, any, sizeof(any)) == 0)
			kind = class->negated ? REGEX_NEVER : REGEX_ANY;
		else if (class->nranges == 3 && !class->negated &&
				 memcmp(class->ranges, not_nl, sizeof(not_nl)) == 0)
			kind = REGEX_ANY_NOT_NL;
		else if (class->nranges == 1 && !class->negated &&
				 class->ranges[0].lo == class->ranges[0].hi)
			return append_character(p, class->ranges[0].lo, class->fold);
	}
	node = node_new(p, kind);
	if (node != NULL && kind == REGEX_CLASS)
		node->u.class = class;
	return append_item(p, node);
}

/* ---- repetition ---- */

/* Reads digits. A number too large to matter becomes -1. */
static bool
read_number(const char *s, size_t len, size_t *pos, int *number)
{
	size_t i = *pos;
	int n = 0;

	if (i == len || s[i] < '0' || s[i] > '9')
		return false;
	if (s[i] == '0' && i + 1 < len && s[i + 1] >= '0' && s[i + 1] <= '9')
		return false;
	for (; i < len && s[i] >= '0' && s[i] <= '9'; i++)
	{
		if (n >= 0)
			n = n > REGEX_MAX_REPEAT ? -1 : n * 10 + (s[i] - '0');
	}
	*pos = i;
	*number = n > REGEX_MAX_REPEAT ? -1 : n;
	return true;
}

/*
 * Reads {n}, {n,} or {n,m} and says whether it was one: if not, the brace is a
 * literal. Counts out of bounds give *min = -1.
 */
static bool
read_counts(RegexSource *src, int *min, int *max)
{
	const char *s = src->pattern;
	size_t pos = src->pos + 1;

	if (!read_number(s, src->len, &pos, min) || pos == src->len)
		return false;
	*max = *min;
	if (s[pos] == ',')
	{
		pos++;
		if (pos == src->len)
			return false;
		if (s[pos] == '}')
			*max = -1;
		else if (!read_number(s, src->len, &pos, max))
			return false;
		else if (*max < 0 || *min > *max)
			*min = -1;
	}
	if (pos == src->len || s[pos] != '}')
		return false;
	src->pos = pos + 1;
	return true;
}

/* x*, x+ or x?, however it was written. */
static bool
is_simple_repeat(const RegexNode *node)
{
	return node->kind == REGEX_REPEAT && node->u.repeat.min <= 1 &&
		   (node->u.repeat.max == 1 || node->u.repeat.max == -1);
}

/* Turns a node that is in place into its own repetition. */
static bool
repeat_node(Parser *p, RegexNode *node, int min, int max, bool counted, bool lazy)
{
	bool joins = p->groups == NULL || (!counted && node->lazy == lazy);
	int times = counted && max != 0 && (max > 1 || min > 1) ? (max == -1 ? min : max) : 1;
	RegexNode *inner;

	/* (x*)+, (x?){30} and the like are one repetition, and a far cheaper one. */
	if (max != 0 && joins && is_simple_repeat(node))
	{
		node->u.repeat.min *= min;
		node->u.repeat.max = node->u.repeat.max == -1 ? -1 : max;
		node->nullable |= min == 0;
		node->height++;
		node->opaque = false;
		node->copies *= times;
		return check_height(p, node);
	}

	inner = node_new(p, REGEX_EMPTY);
	if (inner == NULL)
		return false;
	*inner = *node;
	node->kind = REGEX_REPEAT;
	node->child = node->last = inner;
	node->u.repeat.min = min;
	node->u.repeat.max = max;
	node->height = inner->height + 1;
	node->nullable = inner->nullable || min == 0;
	node->opaque = false;
	node->fold = false;
	node->lazy = p->groups != NULL && lazy;
	/* What is never repeated does not count, however often it would be. */
	node->copies = max == 0 ? 1 : node->copies * times;
	inner->next = NULL;
	return check_height(p, node);
}

static bool
apply_repeat(Parser *p, size_t start, int min, int max, bool counted)
{
	RegexSource *src = &p->src;
	bool lazy = (src->flags & REGEX_UNGREEDY) != 0;
	RegexNode *node;

	if (src->pos < src->len && src->pattern[src->pos] == '?')
	{
		src->pos++;
		lazy = !lazy;
	}
	if (p->after_repeat)
		return regex_fail(src, "invalid nested repetition operator", p->repeat_start,
						  src->pos);

	if (p->literal.len > 0)
	{
		size_t last = p->literal_last;
		size_t len = p->literal.len;

		p->literal.len = 0;
		if (last > 0 && !append_literal_node(p, 0, last))
			return false;
		if (!append_literal_node(p, last, len))
			return false;
	}
	node = p->group->sequence.last;
	if (node == NULL)
		return regex_fail(src, "missing argument to repetition operator", start,
						  src->pos);
	if (!repeat_node(p, node, min, max, counted, lazy))
		return false;
	if (counted && (min >= 2 || max >= 2) && node->copies > REGEX_MAX_REPEAT)
		return regex_fail(src, "invalid repeat count", start, src->pos);
	return true;
}

static bool
parse_counted_repeat(Parser *p, bool *repeated)
{
	size_t start = p->src.pos;
	int min;
	int max;

	*repeated = read_counts(&p->src, &min, &max);
	if (!*repeated)
	{
		p->src.pos++;
		return append_character(p, '{', false);
	}
	if (min < 0)
		return regex_fail(&p->src, "invalid repeat count", start, p->src.pos);
	return apply_repeat(p, start, min, max, true);
}

/* ---- groups ---- */

/* Notes a group: its number is that of its parenthesis, here and in what is emitted. */
static bool
name_group(Parser *p, TsString name)
{
	RegexGroups *groups = p->groups;

	if (groups->count + 1 >= groups->capacity)
	{
		uint32_t capacity = groups->capacity * 2 + 8;
		TsString *names = ts_arena_alloc(p->src.arena, capacity * sizeof(TsString));

		if (names == NULL)
			return regex_no_memory(&p->src);
		memset(names, 0, capacity * sizeof(TsString));
		if (groups->count > 0)
			memcpy(names, groups->names, (groups->count + 1) * sizeof(TsString));
		groups->names = names;
		groups->capacity = capacity;
	}
	groups->names[++groups->count] = name;
	return true;
}

static bool
open_group(Parser *p, size_t start, bool capture, TsString name)
{
	Group *group = p->spare;

	if (group != NULL)
		p->spare = group->outer;
	else
	{
		group = ts_arena_alloc(p->src.arena, sizeof(Group));
		if (group == NULL)
			return regex_no_memory(&p->src);
	}
	memset(group, 0, sizeof(*group));
	group->outer = p->group;
	group->start = start;
	group->outer_flags = p->src.flags;
	group->capture = capture;
	p->group = group;
	return !capture || p->groups == NULL || name_group(p, name);
}

/* Ends an alternative of the group being read. */
static bool
close_alternative(Parser *p)
{
	Group *group = p->group;
	RegexNode *node;

	if (!flush_literal(p))
		return false;
	node = list_close(p, &group->sequence, REGEX_CONCAT);
	if (node == NULL || !check_height(p, node))
		return false;
	memset(&group->sequence, 0, sizeof(group->sequence));
	list_append(&group->alternatives, node);
	list_merge_last(&group->alternatives, REGEX_ALTERNATE);
	return true;
}

static RegexNode *
capture_node(Parser *p, RegexNode *child)
{
	RegexNode *node = node_new(p, REGEX_CAPTURE);

	if (node == NULL)
		return NULL;
	node->child = node->last = child;
	node->height = child->height + 1;
	node->copies = child->copies;
	node->nullable = child->nullable;
	return node;
}

/* Ends the group being read; the result is NULL after an error. */
static RegexNode *
close_group(Parser *p)
{
	Group *group = p->group;
	RegexNode *node;

	if (!close_alternative(p))
		return NULL;
	node = list_close(p, &group->alternatives, REGEX_ALTERNATE);
	if (node == NULL)
		return NULL;
	if (group->capture && p->groups != NULL)
		node = capture_node(p, node);
	else if (group->capture)
	{
		node->height++;
		node->opaque = true;
	}
	if (node == NULL)
		return NULL;
	p->src.flags = group->outer_flags;
	p->group = group->outer;
	group->outer = p->spare;
	p->spare = group;
	return check_height(p, node) ? node : NULL;
}

/* Reads (?P<name> or (?<name>, whose name begins name_offset bytes in. Go lets names repeat. */
static bool
parse_named_group(Parser *p, size_t name_offset)
{
	RegexSource *src = &p->src;
	size_t start = src->pos;
	const char *name = src->pattern + start + name_offset;
	const char *close = memchr(name, '>', src->len - start - name_offset);
	size_t len;
	bool valid;

	if (close == NULL)
		return regex_fail(src, "invalid named capture", start, src->len);
	len = (size_t) (close - name);
	valid = len > 0;
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) name[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		valid &= letter || (c >= '0' && c <= '9') || c == '_';
	}
	src->pos = start + name_offset + len + 1;
	if (!valid)
		return regex_fail(src, "invalid named capture", start, src->pos);
	return flush_literal(p) && open_group(p, start, true, (TsString){name, len});
}

/* Reads what follows "(?": a name, flags for the rest of the group, or flags and ':'. */
static bool
parse_special_group(Parser *p)
{
	RegexSource *src = &p->src;
	size_t start = src->pos;
	size_t left = src->len - start;
	const char *s = src->pattern + start;
	unsigned flags = src->flags;
	bool negative = false;
	bool any_flag = false;

	if (left > 4 && s[2] == 'P' && s[3] == '<')
		return parse_named_group(p, 4);
	if (left > 3 && s[2] == '<')
		return parse_named_group(p, 3);

	src->pos += 2;
	while (src->pos < src->len)
	{
		unsigned flag = 0;
		uint32_t c = regex_next(src);

		if (c == ':' || c == ')')
		{
			if (negative && !any_flag)
				break;
			/* Flags alone end no literal: in ab(?i)* the star is for the b. */
			if (c == ':' &&
				!(flush_literal(p) && open_group(p, start, false, (TsString){0})))
				return false;
			src->flags = flags;
			return true;
		}
		if (c == '-' && !negative)
		{
			negative = true;
			any_flag = false;
			continue;
		}
		if (c == 'i')
			flag = REGEX_FOLD;
		else if (c == 'm')
			flag = REGEX_MULTILINE;
		else if (c == 's')
			flag = REGEX_DOT_NL;
		else if (c == 'U')
			flag = REGEX_UNGREEDY;
		else
			break;
		any_flag = true;
		flags = negative ? flags & ~flag : flags | flag;
	}
	return regex_fail(src, "invalid or unsupported Perl syntax", start, src->pos);
}

static bool
parse_open_paren(Parser *p)
{
	size_t start = p->src.pos;

	if (p->src.len - start >= 2 && p->src.pattern[start + 1] == '?')
		return parse_special_group(p);
	p->src.pos++;
	return flush_literal(p) && open_group(p, start, true, (TsString){0});
}

static bool
parse_close_paren(Parser *p)
{
	if (p->group->outer == NULL)
		return fail_whole(p, "unexpected )", p->src.pos);
	p->src.pos++;
	return append_item(p, close_group(p));
}

/* ---- escapes ---- */

/* Reads \Q...\E or, without an \E, up to the end: all of it literal. */
static bool
parse_quoted(Parser *p)
{
	RegexSource *src = &p->src;

	src->pos += 2;
	while (src->pos < src->len)
	{
		if (src->pattern[src->pos] == '\\' && src->len - src->pos >= 2 &&
			src->pattern[src->pos + 1] == 'E')
		{
			src->pos += 2;
			break;
		}
		if (!append_character(p, regex_next(src), (src->flags & REGEX_FOLD) != 0))
			return false;
	}
	return true;
}

static bool
parse_backslash(Parser *p)
{
	RegexSource *src = &p->src;
	char letter = src->len - src->pos >= 2 ? src->pattern[src->pos + 1] : '\0';
	RegexKind assertion = REGEX_EMPTY;
	RegexClass *class;
	uint32_t c;

	switch (letter)
	{
		case 'A':
			assertion = REGEX_BEGIN_TEXT;
			break;
		case 'z':
			assertion = REGEX_END_TEXT;
			break;
		case 'b':
			assertion = REGEX_WORD_EDGE;
			break;
		case 'B':
			assertion = REGEX_NOT_WORD_EDGE;
			break;
		case 'Q':
			return parse_quoted(p);
		default:
			break;
	}
	if (assertion != REGEX_EMPTY)
	{
		src->pos += 2;
		return append_item(p, node_new(p, assertion));
	}

	if (!regex_escape_class(src, &class))
		return false;
	if (class != NULL)
		return append_class(p, class);
	return regex_escape(src, &c) &&
		   append_character(p, c, (src->flags & REGEX_FOLD) != 0);
}

/* ---- the pattern ---- */

/* Reads one item or operator. */
static bool
parse_item(Parser *p, bool *repeated)
{
	RegexSource *src = &p->src;
	size_t start = src->pos;
	char c = src->pattern[start];
	bool multiline = (src->flags & REGEX_MULTILINE) != 0;
	RegexClass *class;

	*repeated = false;
	switch (c)
	{
		case '(':
			return parse_open_paren(p);
		case ')':
			return parse_close_paren(p);
		case '|':
			src->pos++;
			return close_alternative(p);
		case '[':
			return regex_bracket_class(src, &class) && append_class(p, class);
		case '\\':
			return parse_backslash(p);
		case '{':
			return parse_counted_repeat(p, repeated);
		case '*':
		case '+':
		case '?':
			*repeated = true;
			src->pos++;
			return apply_repeat(p, start, c == '+', c == '?' ? 1 : -1, false);
		case '^':
			src->pos++;
			return append_item(
				p, node_new(p, multiline ? REGEX_BEGIN_LINE : REGEX_BEGIN_TEXT));
		case '$':
			src->pos++;
			return append_item(p,
							   node_new(p, multiline ? REGEX_END_LINE : REGEX_END_TEXT));
		case '.':
			src->pos++;
			return append_item(p, node_new(p, (src->flags & REGEX_DOT_NL) != 0
												  ? REGEX_ANY
												  : REGEX_ANY_NOT_NL));
		default:
			return append_character(p, regex_next(src), (src->flags & REGEX_FOLD) != 0);
	}
}

TsErrorCode
regex_parse(const char *pattern, size_t len, TsArena *arena, RegexGroups *groups,
			RegexNode **tree, TsError *err)
{
	TsError local;
	Parser p = {0};
	size_t valid = ts_utf8_valid_prefix(pattern, len);

	if (err == NULL)
		err = &local;
	if (valid < len)
		return ts_error_set(err, TS_ERR_SYNTAX, (int) valid, "invalid UTF-8");
	p.src = (RegexSource){pattern, len, 0, arena, REGEX_DOT_NL, err};
	p.literal.arena = arena;
	p.groups = groups;
	if (!open_group(&p, 0, false, (TsString){0}))
		return err->code;
	while (p.src.pos < len)
	{
		size_t start = p.src.pos;
		bool repeated;

		if (!parse_item(&p, &repeated))
			return err->code;
		p.after_repeat = repeated;
		p.repeat_start = start;
	}
	if (p.group->outer != NULL)
	{
		fail_whole(&p, "missing closing )", p.group->start);
		return err->code;
	}
	*tree = close_group(&p);
	if (*tree == NULL)
		return err->code;
	/* The anchors around the pattern are a level of their own. */
	if ((*tree)->height + !can_merge(*tree, REGEX_CONCAT) > REGEX_MAX_HEIGHT)
	{
		fail_whole(&p, "expression nests too deeply", 0);
		return err->code;
	}
	return TS_OK;
}
