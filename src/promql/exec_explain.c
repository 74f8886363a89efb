/*
 * exec_explain.c
 *	  What EXPLAIN shows of a query: the tree of operators.
 */
#include "postgres.h"

#include "commands/explain.h"
#include "lib/stringinfo.h"

#include "exec_internal.h"

struct PqExplain
{
	ExplainState *es;
};

void
pq_explain_text(PqExplain *to, const char *label, const char *fmt, ...)
{
	StringInfoData text;
	int needed;

	initStringInfo(&text);
	do
	{
		va_list args;

		va_start(args, fmt);
		needed = appendStringInfoVA(&text, fmt, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&text, needed);
	} while (needed > 0);
	ExplainPropertyText(label, text.data, to->es);
	pfree(text.data);
}

void
pq_explain_number(PqExplain *to, const char *label, double value, int digits)
{
	ExplainPropertyFloat(label, NULL, value, digits, to->es);
}

/* What was measured. */
static void
explain_run(const PqOperator *op, PqExplain *to)
{
	ExplainState *es = to->es;

	pq_explain_number(to, "Series", op->nseries, 0);
	pq_explain_number(to, "Samples", (double) op->samples, 0);
	if (es->timing)
		ExplainPropertyFloat("Time", "ms", op->seconds * 1000, 3, es);
	ExplainPropertyInteger("Memory", "kB", (int64) (op->memory + 1023) / 1024, es);
}

static void
explain_operator(PqOperator *op, PqExplain *to)
{
	ExplainState *es = to->es;
	bool text = es->format == EXPLAIN_FORMAT_TEXT;
	PqOperator *shared;

	if (text)
	{
		appendStringInfoSpaces(es->str, es->indent * 2);
		appendStringInfo(es->str, "->  %s\n", op->methods->name);
		es->indent += 2;
	}
	else
	{
		ExplainOpenGroup("Operator", NULL, true, es);
		ExplainPropertyText("Operator", op->methods->name, es);
	}
	if (op->methods->explain != NULL)
		op->methods->explain(op, to);
	if (op->exec->analyze)
		explain_run(op, to);
	if (!text)
		ExplainOpenGroup("Operators", "Operators", false, es);
	if (pq_share_child(op, &shared) && shared != NULL)
		explain_operator(shared, to);
	for (int i = 0; i < op->nchildren; i++)
		explain_operator(op->children[i], to);
	if (!text)
	{
		ExplainCloseGroup("Operators", "Operators", false, es);
		ExplainCloseGroup("Operator", NULL, true, es);
	}
	else
		es->indent -= 2;
}

void
pq_explain(PqQuery *query, ExplainState *es)
{
	PqExplain to = {es};

	if (query->root == NULL)
		return;
	ExplainOpenGroup("PromQL", "PromQL", false, es);
	explain_operator(query->root, &to);
	ExplainCloseGroup("PromQL", "PromQL", false, es);
}
