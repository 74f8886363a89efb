/*
 * call_info_select.c
 *	  Which info series info() wants: by the matchers of its second argument, and by the
 *	  identifying labels of the series in its first.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "call_info.h"
#include "labels_type.h"

#define DEFAULT_INFO_NAME "target_info"
#define INFO_NAME_PATTERN ".+_info"

/* With more values of an identifying label, all info series are read. */
#define MAX_WANTED_VALUES 1000

static TsString identifying[] = {{"instance", 8}, {"job", 3}};
const PqNames call_identifying = {identifying, lengthof(identifying)};

/* ---- planning ---- */

static void
free_regex(void *regex)
{
	ts_regex_free(regex);
}

static void
compile_matcher(PqOperator *op, TsMatcher *matcher)
{
	bool negative = matcher->type == TS_MATCH_NOT_EQUAL ||
					matcher->type == TS_MATCH_NOT_REGEX;
	TsAllocator allocator = ts_context_allocator(op->context);
	TsRegexLimits limits = labels_regex_limits();
	MemoryContextCallback *callback;
	TsError err;

	if (matcher->type == TS_MATCH_EQUAL || matcher->type == TS_MATCH_NOT_EQUAL)
	{
		matcher->matches_empty = (matcher->value.len == 0) != negative;
		return;
	}
	callback = MemoryContextAlloc(op->context, sizeof(MemoryContextCallback));
	if (ts_regex_compile(matcher->value.data, matcher->value.len, &allocator, &limits,
						 &matcher->regex, &err) != TS_OK)
		ts_report(&err, ERRCODE_INVALID_REGULAR_EXPRESSION, "invalid regular expression",
				  matcher->value.data, matcher->value.len);
	callback->func = free_regex;
	callback->arg = matcher->regex;
	MemoryContextRegisterResetCallback(op->context, callback);
	matcher->matches_empty = ts_regex_matches_empty(matcher->regex) != negative;
}

static TsMatcher
name_matcher(TsMatchType type, const char *value)
{
	return (TsMatcher){.type = type,
					   .name = {TS_METRIC_NAME_LABEL, sizeof(TS_METRIC_NAME_LABEL) - 1},
					   .value = {value, strlen(value)}};
}

/*
 * Which metrics are info metrics, and which labels are wanted. Names that are only
 * excluded are excluded from all that end in _info.
 */
void
call_info_plan_matchers(InfoOperator *info, const PqNode *node)
{
	PqOperator *op = &info->op;
	const PqNode *selector = NULL;
	bool positive = false;
	int count = 0;

	if (node->u.call.nargs > 1)
	{
		selector = pq_strip(node->u.call.args[1]);
		count = selector->u.selector.nmatchers;
	}
	info->name_matchers = pq_alloc0(op, (count + 1) * sizeof(TsMatcher));
	info->data_matchers = pq_alloc0(op, (count + 1) * sizeof(TsMatcher));
	for (int i = 0; i < count; i++)
	{
		const TsMatcher *matcher = &selector->u.selector.matchers[i];

		if (!ts_string_is(matcher->name, TS_METRIC_NAME_LABEL))
			info->data_matchers[info->ndata_matchers++] = *matcher;
		else
		{
			info->name_matchers[info->nname_matchers++] = *matcher;
			positive |= matcher->type == TS_MATCH_EQUAL ||
						matcher->type == TS_MATCH_REGEX;
		}
	}
	if (info->nname_matchers == 0)
		info->name_matchers[info->nname_matchers++] = name_matcher(TS_MATCH_EQUAL,
																   DEFAULT_INFO_NAME);
	else if (!positive)
		info->name_matchers[info->nname_matchers++] = name_matcher(TS_MATCH_REGEX,
																   INFO_NAME_PATTERN);
	for (int i = 0; i < info->nname_matchers; i++)
		compile_matcher(op, &info->name_matchers[i]);
	for (int i = 0; i < info->ndata_matchers; i++)
	{
		compile_matcher(op, &info->data_matchers[i]);
		info->drops_others |= !info->data_matchers[i].matches_empty;
	}
}

/* ---- which info series are wanted ---- */

bool
call_is_info_series(const InfoOperator *info, TsString labels)
{
	TsString name = pq_labels_value(labels, TS_METRIC_NAME_LABEL);

	for (int i = 0; i < info->nname_matchers; i++)
	{
		bool matched;
		TsError err;

		if (ts_matcher_test(&info->name_matchers[i], name.data, name.len, &matched,
							&err) != TS_OK)
			ts_report_limit(&err);
		if (!matched)
			return false;
	}
	return true;
}

static int
compare_strings(const void *a, const void *b)
{
	return ts_string_compare(*(const TsString *) a, *(const TsString *) b);
}

/* The values that a label has in the argument's series, sorted, without repeats. */
static TsString *
wanted_values(InfoOperator *info, TsString name, uint32 *count)
{
	PqOperator *child = info->op.children[0];
	TsString *values = pq_alloc(&info->op, child->nseries * sizeof(TsString));
	uint32 n = 0;

	*count = 0;
	for (uint32 i = 0; i < child->nseries; i++)
	{
		TsString labels = child->series[i].labels;

		if (info->bases[i].group != NULL &&
			labels_find(labels.data, labels.len, name.data, name.len, &values[n]))
			n++;
	}
	if (n > 0)
		qsort(values, n, sizeof(TsString), compare_strings);
	for (uint32 i = 0; i < n; i++)
	{
		if (*count == 0 || !ts_string_equal(values[i], values[*count - 1]))
			values[(*count)++] = values[i];
	}
	return values;
}

/* The values as a pattern: every character that means something is escaped. */
static TsString
pattern_of(const TsString *values, uint32 count)
{
	StringInfoData text;

	initStringInfo(&text);
	for (uint32 i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(&text, '|');
		for (size_t j = 0; j < values[i].len; j++)
		{
			if (strchr("\\.+*?()|[]{}^$", values[i].data[j]) != NULL)
				appendStringInfoChar(&text, '\\');
			appendStringInfoChar(&text, values[i].data[j]);
		}
	}
	return (TsString){text.data, (size_t) text.len};
}

/* The text that its matchers point to is in the operator's context, as it is. */
const PqNode *
call_info_selector(InfoOperator *info)
{
	PqOperator *op = &info->op;
	PqNode *node = pq_alloc0(op, sizeof(PqNode));
	TsMatcher *matchers = pq_alloc0(
		op, (info->nname_matchers + info->ndata_matchers + lengthof(identifying)) *
				sizeof(TsMatcher));
	bool any = false;
	int n = 0;

	for (int i = 0; i < info->nname_matchers; i++)
		matchers[n++] = info->name_matchers[i];
	for (int i = 0; i < info->ndata_matchers; i++)
		matchers[n++] = info->data_matchers[i];
	for (int i = 0; i < (int) lengthof(identifying); i++)
	{
		uint32 count;
		TsString *values = wanted_values(info, identifying[i], &count);

		any |= count > 0;
		if (count == 1)
			matchers[n++] = (TsMatcher){
				.type = TS_MATCH_EQUAL, .name = identifying[i], .value = values[0]};
		else if (count > 1 && count <= MAX_WANTED_VALUES)
			matchers[n++] = (TsMatcher){.type = TS_MATCH_REGEX,
										.name = identifying[i],
										.value = pattern_of(values, count)};
	}
	if (!any)
		return NULL;
	node->kind = PQ_SELECTOR;
	node->type = PQ_TYPE_VECTOR;
	node->start = op->node->start;
	node->end = op->node->end;
	node->u.selector.matchers = matchers;
	node->u.selector.nmatchers = n;
	if (info->reference.pinned)
	{
		node->u.selector.modifiers.at = PQ_AT_TIME;
		node->u.selector.modifiers.at_ms = PQ_UNIX_MS(
			Min(info->reference.time, PG_INT64_MAX - PQ_UNIX_EPOCH));
	}
	else if (info->reference.offset != 0)
		node->u.selector.modifiers.offset = (PqDuration){
			.given = true, .ms = info->reference.offset / PQ_MS};
	return node;
}
