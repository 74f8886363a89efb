/*
 * call_label.c
 *	  label_replace() and label_join(): new labels, made of those that are there.
 *
 * Labels are all made in open; values pass through. Series that get equal labels are
 * joined by the operator above (call_merge_equal()).
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "call.h"
#include "labels_type.h"

typedef struct LabelOperator
{
	PqOperator op;
	TsString destination;
	bool names; /* the destination is the metric's name */
	/* of label_replace() */
	TsString source;
	TsRegex *regex;
	TsRegexTemplate template;
	/* of label_join() */
	TsString separator;
	TsString *sources;
	int nsources;
} LabelOperator;

void
call_check_label(PqExec *exec, const PqNode *call, const PqNode *arg, const char *what)
{
	TsString name = pq_string(arg);

	if (name.len == 0 || name.len > LABELS_MAX_NAME ||
		memchr(name.data, '\0', name.len) != NULL ||
		ts_utf8_valid_prefix(name.data, name.len) < name.len)
		pq_fail(exec, arg->start, ERRCODE_INVALID_NAME,
				"invalid %s label name in %s(): %s", what, call->u.call.function->name,
				ts_shown_text(name.data, name.len));
}

/* ---- new values ---- */

/* What label_replace() makes of a value; false: the pattern does not match it. */
static bool
replace(LabelOperator *label, TsString value, StringInfo result)
{
	TsError err;
	bool matched;
	size_t size;

	if (ts_regex_match(label->regex, value.data, value.len, &matched, &err) != TS_OK)
		ts_report(&err, ERRCODE_DATA_EXCEPTION, "value cannot be matched", value.data,
				  value.len);
	if (!matched)
		return false;
	size = ts_regex_expanded_size(label->regex, &label->template);
	if (size > LABELS_MAX_SIZE)
		pq_fail(label->op.exec, label->op.node->start, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
				"value of label \"%.*s\" would have %zu bytes",
				(int) label->destination.len, label->destination.data, size);
	enlargeStringInfo(result, (int) size);
	ts_regex_expand(label->regex, &label->template, value.data, result->data);
	result->len = (int) size;
	return true;
}

static void
join(LabelOperator *label, TsString labels, StringInfo result)
{
	for (int i = 0; i < label->nsources; i++)
	{
		TsString value;

		if (i > 0)
			appendBinaryStringInfo(result, label->separator.data,
								   (int) label->separator.len);
		labels_find(labels.data, labels.len, label->sources[i].data,
					label->sources[i].len, &value);
		appendBinaryStringInfo(result, value.data, (int) value.len);
	}
}

static void
change_labels(LabelOperator *label, PqSeries *series, StringInfo work)
{
	TsString value;

	resetStringInfo(work);
	if (label->regex == NULL)
		join(label, series->labels, work);
	else
	{
		labels_find(series->labels.data, series->labels.len, label->source.data,
					label->source.len, &value);
		if (!replace(label, value, work))
			return;
	}
	series->labels = pq_labels_set(series->labels, label->destination,
								   (TsString){work->data, (size_t) work->len},
								   label->op.context);
	if (label->names)
		series->drop_name = false;
}

/* ---- the operator ---- */

static void
label_open(PqOperator *op)
{
	LabelOperator *label = (LabelOperator *) op;
	PqOperator *child = op->children[0];
	MemoryContext caller;
	StringInfoData work;

	pq_open(child);
	op->nseries = child->nseries;
	op->series = pq_alloc(op, op->nseries * sizeof(PqSeries));
	caller = MemoryContextSwitchTo(op->row);
	initStringInfo(&work);
	for (uint32 i = 0; i < op->nseries; i++)
	{
		CHECK_FOR_INTERRUPTS();
		op->series[i] = child->series[i];
		change_labels(label, &op->series[i], &work);
	}
	MemoryContextSwitchTo(caller);
}

static void
label_next(PqOperator *op, PqVector *out)
{
	pq_next(op->children[0], out);
}

static const PqMethods label_methods = {
	.name = "Labels",
	.open = label_open,
	.next = label_next,
	.explain = call_explain,
};

/* ---- planning ---- */

static void
free_regex(void *regex)
{
	ts_regex_free(regex);
}

static void
compile_pattern(LabelOperator *label, const PqNode *arg)
{
	PqOperator *op = &label->op;
	TsString pattern = pq_string(arg);
	TsAllocator allocator = ts_context_allocator(op->context);
	TsRegexLimits limits = labels_regex_limits();
	MemoryContextCallback *callback = MemoryContextAlloc(op->context,
														 sizeof(MemoryContextCallback));
	TsError err;

	if (ts_regex_compile_groups(pattern.data, pattern.len, &allocator, &limits,
								&label->regex, &err) == TS_OK)
	{
		callback->func = free_regex;
		callback->arg = label->regex;
		MemoryContextRegisterResetCallback(op->context, callback);
		return;
	}
	if (err.code == TS_ERR_MEMORY || err.code == TS_ERR_LIMIT)
		ts_report_limit(&err);
	pq_fail(op->exec, arg->start, ERRCODE_INVALID_REGULAR_EXPRESSION,
			"invalid regular expression in label_replace(): %s (%s)",
			ts_shown_text(pattern.data, pattern.len), err.message);
}

static void
plan_replace(LabelOperator *label, const PqNode *node)
{
	PqNode **args = node->u.call.args;
	TsString template = pq_string(args[2]);
	TsAllocator allocator = ts_context_allocator(label->op.context);
	TsRegexLimits limits = labels_regex_limits();
	TsArena arena; /* is never freed: it lies in the context */
	TsError err;

	compile_pattern(label, args[4]);
	call_check_label(label->op.exec, node, args[1], "destination");
	label->source = pq_string(args[3]);
	ts_arena_init(&arena, &allocator, limits.memory);
	if (ts_regex_read_template(label->regex, template.data, template.len, &limits, &arena,
							   &label->template, &err) != TS_OK)
		ts_report_limit(&err);
}

static void
plan_join(LabelOperator *label, const PqNode *node)
{
	PqNode **args = node->u.call.args;

	label->separator = pq_string(args[2]);
	label->nsources = node->u.call.nargs - 3;
	label->sources = pq_alloc(&label->op, label->nsources * sizeof(TsString));
	for (int i = 0; i < label->nsources; i++)
	{
		call_check_label(label->op.exec, node, args[i + 3], "source");
		label->sources[i] = pq_string(args[i + 3]);
	}
	call_check_label(label->op.exec, node, args[1], "destination");
}

PqOperator *
call_plan_label(PqExec *exec, const PqNode *node, const PqSteps *steps,
				const PqNeeds *needs)
{
	PqOperator *op = pq_operator(exec, sizeof(LabelOperator), &label_methods, node, steps,
								 1);
	LabelOperator *label = (LabelOperator *) op;

	if (call_id(node) == PQ_FN_LABEL_REPLACE)
		plan_replace(label, node);
	else
		plan_join(label, node);
	label->destination = pq_string(node->u.call.args[1]);
	label->names = label->destination.len == strlen(TS_METRIC_NAME_LABEL) &&
				   memcmp(label->destination.data, TS_METRIC_NAME_LABEL,
						  label->destination.len) == 0;
	op->children[0] = pq_plan(exec, node->u.call.args[0], steps, NULL);
	return call_merge_equal(exec, op);
}
