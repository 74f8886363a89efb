/*
 * regex.c
 *	  The regular expression API: memory, limits, and PCRE2 for what no shortcut
 *	  answers.
 *
 * All memory of a TsRegex (PCRE2's too, but for the machine code of its JIT, which
 * it maps itself) comes from the caller's allocator through a budget: compiling may
 * hold limits->memory bytes at any moment, and matching may take as much again.
 *
 * No JIT stack is made: PCRE2 then uses 32 kB of the machine stack, which is enough
 * for label values and costs a pattern nothing. A match that needs more is done
 * again by the interpreter, on the heap, under the same limits.
 *
 * The match limit bounds time only if every step counts. The interpreter counts each
 * place that a repetition is cut back to, but for those that PCRE2 has found to be of
 * no use (auto-possessification, which is therefore off). Machine code also looks for
 * the literal behind a repetition without counting. So it runs under a lower limit the
 * longer pattern and value are; beyond that the interpreter has the last word.
 */
#include <assert.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "regex_internal.h"

/* A step of glob_match() costs a fraction of a step of PCRE2's. */
#define GLOB_STEPS_PER_MATCH 16

/* What expanding a pattern may take before PCRE2 is asked instead. */
#define EXPANSION_MEMORY ((size_t) 16 * 1024 * 1024)

/* PCRE2 recurses into groups when it compiles: this keeps it below half a megabyte. */
#define PARENS_NEST_LIMIT 400

/*
 * Characters that machine code may pass over in one match, counted or not: about a
 * second. No item that repeats a character takes less code than this.
 */
#define JIT_CHARACTERS     UINT64_C(2000000000)
#define SMALLEST_REPEATING 5

typedef struct RegexBudget
{
	TsAllocator allocator;
	size_t left;
	bool exceeded; /* a request failed for the budget, not for the allocator */
} RegexBudget;

struct TsRegex
{
	RegexBudget budget;
	TsAllocator memory; /* counts against the budget */
	TsRegexLimits limits;
	TsArena arena; /* holds the set and the prefix */
	TsString prefix;
	bool matches_empty;
	bool is_set; /* the set is the pattern; else code is */
	GlobSet set;
	pcre2_general_context *general;
	pcre2_code *code;
	size_t code_size; /* of its byte code */
	bool has_jit;
	pcre2_match_context *match;
	pcre2_match_data *data;
	bool has_groups; /* was compiled with them */
	TsString *group_names;
	uint32_t ngroups;
};

/* ---- memory ---- */

/* In front of every piece of memory: how much of the budget it holds. */
typedef union BudgetHeader
{
	size_t size;
	uint64_t align; /* a memory context aligns to eight bytes, not to sixteen */
} BudgetHeader;

static void *
budget_alloc(void *ctx, size_t size)
{
	RegexBudget *budget = ctx;
	BudgetHeader *header;

	if (budget->left < sizeof(BudgetHeader) || size > budget->left - sizeof(BudgetHeader))
	{
		budget->exceeded = true;
		return NULL;
	}
	size += sizeof(BudgetHeader);
	header = budget->allocator.alloc(budget->allocator.ctx, size);
	if (header == NULL)
		return NULL;
	header->size = size;
	budget->left -= size;
	return header + 1;
}

static void
budget_free(void *ctx, void *ptr)
{
	RegexBudget *budget = ctx;
	BudgetHeader *header;

	if (ptr == NULL)
		return;
	header = (BudgetHeader *) ptr - 1;
	budget->left += header->size;
	budget->allocator.free(budget->allocator.ctx, header);
}

static void *
pcre_alloc(size_t size, void *ctx)
{
	return budget_alloc(ctx, size);
}

static void
pcre_free(void *ptr, void *ctx)
{
	budget_free(ctx, ptr);
}

static TsErrorCode
report_no_memory(const TsRegex *regex, size_t len, TsError *err)
{
	if (regex->budget.exceeded)
		return ts_error_set(err, TS_ERR_MEMORY, -1,
							"regular expression of %zu bytes needs more than %zu bytes "
							"of memory",
							len, regex->limits.memory);
	return ts_error_set(err, TS_ERR_MEMORY, -1,
						"out of memory while compiling a regular expression of %zu "
						"bytes",
						len);
}

/* ---- compiling ---- */

static TsErrorCode
report_pcre2_refusal(int number, TsError *err)
{
	char reason[128] = "";

	switch (number)
	{
		case PCRE2_ERROR_PATTERN_TOO_LARGE:
		case PCRE2_ERROR_PATTERN_TOO_COMPLICATED:
		case PCRE2_ERROR_PATTERN_STRING_TOO_LONG:
		case PCRE2_ERROR_PARENTHESES_NEST_TOO_DEEP:
		case PCRE2_ERROR_PARENTHESES_STACK_CHECK:
		case PCRE2_ERROR_QUERY_BARJX_NEST_TOO_DEEP:
			return ts_error_set(
				err, TS_ERR_LIMIT, -1,
				"regular expression is too large: use fewer alternatives "
				"or groups, smaller repeat counts, or split it (a list of "
				"plain strings may have 10,000 of them)");
		default:
			pcre2_get_error_message(number, (PCRE2_UCHAR *) reason, sizeof(reason));
			return ts_error_set(err, TS_ERR_INVALID, -1,
								"regular expression cannot be compiled: %s", reason);
	}
}

/* Compiles the tree with PCRE2; len is the length of the pattern it came from. */
static TsErrorCode
compile_code(TsRegex *regex, const RegexNode *tree, size_t len, TsArena *scratch,
			 TsError *err)
{
	RegexText text = {.arena = scratch, .groups = regex->has_groups};
	uint32_t capture = regex->has_groups ? 0 : PCRE2_NO_AUTO_CAPTURE;
	pcre2_compile_context *context;
	int number = PCRE2_ERROR_HEAP_FAILED;
	size_t offset;

	regex_text_puts(&text, "(?:");
	regex_emit(tree, &text);
	regex_text_puts(&text, ")\\z");
	if (text.failed)
		return report_no_memory(regex, len, err);

	regex->general = pcre2_general_context_create(pcre_alloc, pcre_free, &regex->budget);
	if (regex->general == NULL)
		return report_no_memory(regex, len, err);
	context = pcre2_compile_context_create(regex->general);
	if (context == NULL)
		return report_no_memory(regex, len, err);
	pcre2_set_parens_nest_limit(context, PARENS_NEST_LIMIT);
	regex->code = pcre2_compile((PCRE2_SPTR) text.data, text.len,
								PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOTALL |
									PCRE2_ANCHORED | capture | PCRE2_NO_AUTO_POSSESS |
									PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UCP,
								&number, &offset, context);
	pcre2_compile_context_free(context);
	if (regex->code == NULL && number == PCRE2_ERROR_HEAP_FAILED)
		return report_no_memory(regex, len, err);
	if (regex->code == NULL)
		return report_pcre2_refusal(number, err);

	/* Where there is no JIT, or no memory for it, the interpreter does as well. */
	regex->has_jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
	pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &regex->code_size);

	regex->match = pcre2_match_context_create(regex->general);
	regex->data = pcre2_match_data_create(regex->ngroups + 1, regex->general);
	if (regex->match == NULL || regex->data == NULL)
		return report_no_memory(regex, len, err);
	pcre2_set_depth_limit(regex->match, regex->limits.match_limit);
	pcre2_set_heap_limit(regex->match, (uint32_t) (regex->limits.memory / 1024));
	return TS_OK;
}

/* Finds out what the tree says about the pattern, and the way to match it. */
static TsErrorCode
compile_tree(TsRegex *regex, const RegexNode *tree, size_t len, bool shortcuts,
			 TsArena *scratch, TsError *err)
{
	RegexText prefix = {.arena = scratch};
	char *copy;

	regex->matches_empty = tree->nullable;
	regex_collect_prefix(tree, &prefix);
	copy = prefix.failed ? NULL : ts_arena_copy(&regex->arena, prefix.data, prefix.len);
	if (copy == NULL)
		return report_no_memory(regex, len, err);
	regex->prefix = (TsString){copy, prefix.len};

	if (shortcuts)
	{
		TsArena expansion;

		ts_arena_init(&expansion, &regex->memory, EXPANSION_MEMORY);
		regex->is_set = glob_expand(tree, &expansion, &regex->arena, &regex->set);
		ts_arena_free(&expansion);
		if (regex->is_set)
			return TS_OK;
		regex->budget.exceeded = false;
	}
	return compile_code(regex, tree, len, scratch, err);
}

/* Keeps the names of groups, which point into the pattern. */
static TsErrorCode
keep_groups(TsRegex *regex, const RegexGroups *groups, size_t len, TsError *err)
{
	regex->ngroups = groups->count;
	regex->group_names = ts_arena_alloc(&regex->arena,
										(groups->count + 1) * sizeof(TsString));
	if (regex->group_names == NULL)
		return report_no_memory(regex, len, err);
	regex->group_names[0] = (TsString){0};
	for (uint32_t i = 1; i <= groups->count; i++)
	{
		TsString name = groups->names[i];
		char *copy = ts_arena_copy(&regex->arena, name.data, name.len);

		if (copy == NULL)
			return report_no_memory(regex, len, err);
		regex->group_names[i] = (TsString){copy, name.len};
	}
	return TS_OK;
}

static TsErrorCode
compile(const char *pattern, size_t len, const TsAllocator *allocator,
		const TsRegexLimits *limits, bool shortcuts, bool with_groups, TsRegex **result,
		TsError *err)
{
	TsRegex *regex = allocator->alloc(allocator->ctx, sizeof(TsRegex));
	RegexGroups groups = {0};
	RegexNode *tree;
	TsArena scratch;
	TsErrorCode code;

	*result = NULL;
	if (regex == NULL)
		return ts_error_set(err, TS_ERR_MEMORY, -1,
							"out of memory while compiling a regular expression of %zu "
							"bytes",
							len);
	memset(regex, 0, sizeof(*regex));
	regex->budget.allocator = *allocator;
	regex->budget.left = limits->memory;
	regex->memory = (TsAllocator){budget_alloc, budget_free, &regex->budget};
	regex->limits = *limits;
	ts_arena_init(&regex->arena, &regex->memory, SIZE_MAX);
	ts_arena_init(&scratch, &regex->memory, SIZE_MAX);

	regex->has_groups = with_groups;
	code = regex_parse(pattern, len, &scratch, with_groups ? &groups : NULL, &tree, err);
	if (code == TS_OK && with_groups)
		code = keep_groups(regex, &groups, len, err);
	else if (code == TS_ERR_MEMORY)
		code = report_no_memory(regex, len, err);
	if (code == TS_OK)
		code = compile_tree(regex, tree, len, shortcuts, &scratch, err);
	ts_arena_free(&scratch);
	if (code != TS_OK)
	{
		ts_regex_free(regex);
		return code;
	}
	regex->budget.left = limits->memory;
	regex->budget.exceeded = false;
	*result = regex;
	return TS_OK;
}

TsErrorCode
regex_compile(const char *pattern, size_t len, const TsAllocator *allocator,
			  const TsRegexLimits *limits, bool shortcuts, TsRegex **regex, TsError *err)
{
	return compile(pattern, len, allocator, limits, shortcuts, false, regex, err);
}

TsErrorCode
ts_regex_compile_groups(const char *pattern, size_t len, const TsAllocator *allocator,
						const TsRegexLimits *limits, TsRegex **regex, TsError *err)
{
	return compile(pattern, len, allocator, limits, false, true, regex, err);
}

TsErrorCode
ts_regex_compile(const char *pattern, size_t len, const TsAllocator *allocator,
				 const TsRegexLimits *limits, TsRegex **regex, TsError *err)
{
	return regex_compile(pattern, len, allocator, limits, true, regex, err);
}

void
ts_regex_free(TsRegex *regex)
{
	TsAllocator allocator;

	if (regex == NULL)
		return;
	pcre2_match_data_free(regex->data);
	pcre2_match_context_free(regex->match);
	pcre2_code_free(regex->code);
	pcre2_general_context_free(regex->general);
	ts_arena_free(&regex->arena);
	allocator = regex->budget.allocator;
	allocator.free(allocator.ctx, regex);
}

/* ---- matching ---- */

static TsErrorCode
report_too_expensive(size_t len, TsError *err)
{
	return ts_error_set(
		err, TS_ERR_LIMIT, -1,
		"regular expression is too expensive for a value of %zu bytes: "
		"avoid nested repetitions such as (a+)+, or raise the match limit",
		len);
}

static int
run_code(const TsRegex *regex, const char *value, size_t len, uint32_t options,
		 uint32_t match_limit)
{
	pcre2_set_match_limit(regex->match, match_limit);
	return pcre2_match(regex->code, (PCRE2_SPTR) value, len, 0, options, regex->data,
					   regex->match);
}

/*
 * The match limit of machine code: between two steps that count it may pass over the
 * whole value once for every item that repeats a character.
 */
static uint32_t
jit_match_limit(const TsRegex *regex, size_t len)
{
	uint64_t repeating = regex->code_size / SMALLEST_REPEATING + 1;
	uint64_t limit = JIT_CHARACTERS / repeating / (len + 1);

	return limit < regex->limits.match_limit ? (uint32_t) limit
											 : regex->limits.match_limit;
}

/* Returns what pcre2_match() does. */
static int
run_jit_or_interpreter(const TsRegex *regex, const char *value, size_t len)
{
	uint32_t limit = regex->limits.match_limit;

	if (regex->has_jit)
	{
		uint32_t jit_limit = jit_match_limit(regex, len);
		int rc = run_code(regex, value, len, 0, jit_limit);

		if (rc != PCRE2_ERROR_JIT_STACKLIMIT &&
			!(rc == PCRE2_ERROR_MATCHLIMIT && jit_limit < limit))
			return rc;
	}
	return run_code(regex, value, len, PCRE2_NO_JIT, limit);
}

static TsErrorCode
match_code(const TsRegex *regex, const char *value, size_t len, bool *matched,
		   TsError *err)
{
	int rc = run_jit_or_interpreter(regex, value, len);

	*matched = rc >= 0;
	if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
		return TS_OK;

	switch (rc)
	{
		case PCRE2_ERROR_MATCHLIMIT:
		case PCRE2_ERROR_DEPTHLIMIT:
		case PCRE2_ERROR_HEAPLIMIT:
			return report_too_expensive(len, err);
		case PCRE2_ERROR_NOMEMORY:
			if (regex->budget.exceeded)
				return report_too_expensive(len, err);
			return ts_error_set(err, TS_ERR_MEMORY, -1,
								"out of memory while matching a value of %zu bytes", len);
		default:
			if (rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21)
				return ts_error_set(err, TS_ERR_INVALID, -1, "value is not valid UTF-8");
			return ts_error_set(err, TS_ERR_INVALID, -1,
								"regular expression cannot be matched: PCRE2 error %d",
								rc);
	}
}

TsErrorCode
ts_regex_match(const TsRegex *regex, const char *value, size_t len, bool *matched,
			   TsError *err)
{
	uint64_t steps;

	if (len == 0 && !regex->has_groups)
	{
		*matched = regex->matches_empty;
		return TS_OK;
	}
	if (!regex->is_set)
		return match_code(regex, len > 0 ? value : "", len, matched, err);

	steps = (uint64_t) regex->limits.match_limit * GLOB_STEPS_PER_MATCH + 1;
	*matched = glob_match(&regex->set, value, len, &steps);
	return steps > 0 ? TS_OK : report_too_expensive(len, err);
}

bool
ts_regex_matches_empty(const TsRegex *regex)
{
	return regex->matches_empty;
}

size_t
ts_regex_literals(const TsRegex *regex, const TsString **literals)
{
	if (!regex->is_set || !regex->set.literal)
		return 0;
	*literals = regex->set.strings;
	return regex->set.count;
}

TsString
ts_regex_prefix(const TsRegex *regex)
{
	return regex->prefix;
}

uint32_t
ts_regex_group_count(const TsRegex *regex)
{
	return regex->ngroups;
}

TsString
ts_regex_group_name(const TsRegex *regex, uint32_t group)
{
	assert(regex->has_groups && group <= regex->ngroups);
	return regex->group_names[group];
}

bool
ts_regex_group(const TsRegex *regex, uint32_t group, size_t *start, size_t *end)
{
	const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(regex->data);

	assert(regex->has_groups && group <= regex->ngroups);
	if (ovector[2 * group] == PCRE2_UNSET)
		return false;
	*start = ovector[2 * group];
	*end = ovector[2 * group + 1];
	return true;
}

bool
regex_uses_pcre2(const TsRegex *regex)
{
	return !regex->is_set;
}
