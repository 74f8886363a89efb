/*
 * binary_labels.c
 *	  Labels of binary operators: by which series match, and which the results have.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "binary.h"
#include "promql_lexer.h"

TsString
pq_match_group(const PqMatching *matching, TsString labels, MemoryContext context)
{
	if (matching->on)
		return pq_labels_keep(labels, &matching->labels, context);
	return pq_labels_remove(labels, &matching->labels, true, context);
}

static TsString
included(TsString result, const PqNames *include, TsString one, MemoryContext context)
{
	for (int i = 0; i < include->count; i++)
	{
		TsString name = include->names[i];
		TsString value = {.data = "", .len = 0};

		labels_find(one.data, one.len, name.data, name.len, &value);
		result = pq_labels_set(result, name, value, context);
	}
	return result;
}

TsString
pq_match_result(const PqMatching *matching, PqBinaryOp op, TsString many, TsString one,
				MemoryContext context)
{
	TsString result = many;

	if (pq_is_arithmetic(op))
		result = pq_labels_drop_name(result, context);
	if (matching->cardinality == PQ_ONE_TO_ONE)
		result = matching->on
					 ? pq_labels_keep(result, &matching->labels, context)
					 : pq_labels_remove(result, &matching->labels, false, context);
	return included(result, &matching->include, one, context);
}

/* ---- text ---- */

char *
pq_labels_text(TsString labels)
{
	StringInfoData out;
	LabelsIter iter;
	LabelsPair pair;
	const char *separator = "";

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	labels_iter_init(&iter, labels.data, labels.len);
	while (labels_iter_next(&iter, &pair))
	{
		appendStringInfoString(&out, separator);
		if (promql_is_label_name(pair.name.data, pair.name.len))
			appendBinaryStringInfo(&out, pair.name.data, (int) pair.name.len);
		else
			pq_append_quoted(&out, pair.name);
		appendStringInfoChar(&out, '=');
		pq_append_quoted(&out, pair.value);
		separator = ", ";
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}

/* ---- needs ---- */

const PqNeeds *
pq_needs_names(PqExec *exec, const PqNames *names)
{
	PqNeeds *needs = MemoryContextAlloc(exec->context, sizeof(PqNeeds));

	needs->names = names->names;
	needs->count = names->count;
	return needs;
}

const PqNeeds *
pq_needs_more(PqExec *exec, const PqNeeds *needs, const PqNames *names)
{
	PqNeeds *more;
	TsString *all;
	int count;

	if (needs == NULL)
		return NULL;
	count = needs->count + names->count;
	more = MemoryContextAlloc(exec->context, sizeof(PqNeeds));
	all = MemoryContextAlloc(exec->context, (Size) Max(count, 1) * sizeof(TsString));
	for (int i = 0; i < count; i++)
		all[i] = i < needs->count ? needs->names[i] : names->names[i - needs->count];
	more->names = all;
	more->count = count;
	return more;
}

/* ---- EXPLAIN ---- */

static char *
names_text(const PqNames *names)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < names->count; i++)
		appendStringInfo(&out, "%s%.*s", i > 0 ? ", " : "", (int) names->names[i].len,
						 names->names[i].data);
	return out.data;
}

void
pq_explain_matching(const PqMatching *matching, PqExplain *to)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "%s (%s)", matching->on ? "on" : "ignoring",
					 names_text(&matching->labels));
	if (matching->cardinality == PQ_MANY_TO_ONE ||
		matching->cardinality == PQ_ONE_TO_MANY)
		appendStringInfo(&out, " group_%s (%s)",
						 matching->cardinality == PQ_MANY_TO_ONE ? "left" : "right",
						 names_text(&matching->include));
	if (matching->fill_left)
		appendStringInfo(&out, " fill_left (%g)", matching->fill_left_value);
	if (matching->fill_right)
		appendStringInfo(&out, " fill_right (%g)", matching->fill_right_value);
	pq_explain_text(to, "Matching", "%s", out.data);
}
