/*
 * exec_notes.c
 *	  Annotations of a query, and evaluation errors.
 *
 * Annotations are the same when their texts are, wherever they come from. The position
 * shown is that of the node which the language evaluates last: children come before their
 * parents, left operands before right ones. As that is not the order in which series
 * are pulled, each annotation remembers the node whose operator made it.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "exec_internal.h"

typedef struct Note
{
	bool warning;
	const char *text; /* without the position */
	int position;
	int node_start;
	int node_end;
} Note;

typedef struct PqAnnotations
{
	MemoryContext context;
	Note *notes;
	int count;
	int room;
	const char **texts[2]; /* of infos and warnings, when they were last asked for */
} PqAnnotations;

struct PqAnnotations *
pq_annotations_create(PqExec *exec)
{
	PqAnnotations *annotations = MemoryContextAllocZero(exec->context,
														sizeof(PqAnnotations));

	annotations->context = exec->context;
	return annotations;
}

/* Is the node evaluated after the one that made the note (or is it the same)? */
static bool
comes_after(const PqNode *node, const Note *note)
{
	if (node->end != note->node_end)
		return node->end > note->node_end;
	return node->start <= note->node_start;
}

static void
add_note(PqExec *exec, bool warning, int position, const char *text)
{
	PqAnnotations *annotations = exec->annotations;
	const PqNode *node = exec->running != NULL ? exec->running->node : exec->root;
	Note *note;

	for (int i = 0; i < annotations->count; i++)
	{
		note = &annotations->notes[i];
		if (note->warning != warning || strcmp(note->text, text) != 0)
			continue;
		if (comes_after(node, note))
		{
			note->position = position;
			note->node_start = node->start;
			note->node_end = node->end;
		}
		return;
	}
	if (annotations->count == annotations->room)
	{
		Size size;

		annotations->room = Max(8, annotations->room * 2);
		size = sizeof(Note) * annotations->room;
		annotations->notes = annotations->notes == NULL
								 ? MemoryContextAlloc(annotations->context, size)
								 : repalloc(annotations->notes, size);
	}
	note = &annotations->notes[annotations->count++];
	note->warning = warning;
	note->text = MemoryContextStrdup(annotations->context, text);
	note->position = position;
	note->node_start = node->start;
	note->node_end = node->end;
}

#define FORMAT_TEXT(text, fmt)                                 \
	do                                                         \
	{                                                          \
		initStringInfo(&(text));                               \
		for (;;)                                               \
		{                                                      \
			va_list args;                                      \
			int needed;                                        \
                                                               \
			va_start(args, fmt);                               \
			needed = appendStringInfoVA(&(text), (fmt), args); \
			va_end(args);                                      \
			if (needed == 0)                                   \
				break;                                         \
			enlargeStringInfo(&(text), needed);                \
		}                                                      \
	} while (0)

void
pq_warn(PqExec *exec, int position, const char *fmt, ...)
{
	StringInfoData text;

	FORMAT_TEXT(text, fmt);
	add_note(exec, true, position, text.data);
	pfree(text.data);
}

void
pq_info(PqExec *exec, int position, const char *fmt, ...)
{
	StringInfoData text;

	FORMAT_TEXT(text, fmt);
	add_note(exec, false, position, text.data);
	pfree(text.data);
}

static int
list_texts(const PqQuery *query, bool warning, const char *const **texts)
{
	PqAnnotations *annotations = query->exec.annotations;
	const char ***list = &annotations->texts[warning];
	MemoryContext caller = MemoryContextSwitchTo(annotations->context);
	int count = 0;

	*list = palloc(sizeof(char *) * Max(annotations->count, 1));
	for (int i = 0; i < annotations->count; i++)
	{
		const Note *note = &annotations->notes[i];
		const char *kind = warning ? "warning" : "info";
		int line;
		int column;

		if (note->warning != warning)
			continue;
		if (note->position < 0)
		{
			(*list)[count++] = psprintf("PromQL %s: %s", kind, note->text);
			continue;
		}
		promql_locate(query->exec.text, query->exec.len, note->position, &line, &column);
		(*list)[count++] = psprintf("PromQL %s: %s (%d:%d)", kind, note->text, line,
									column);
	}
	MemoryContextSwitchTo(caller);
	*texts = *list;
	return count;
}

int
pq_warnings(const PqQuery *query, const char *const **texts)
{
	return list_texts(query, true, texts);
}

int
pq_infos(const PqQuery *query, const char *const **texts)
{
	return list_texts(query, false, texts);
}

const char *
pq_for_metric(TsString labels)
{
	TsString name = pq_labels_value(labels, TS_METRIC_NAME_LABEL);

	if (name.len == 0)
		return "";
	return psprintf(" for metric name \"%.*s\"", (int) name.len, name.data);
}

void
pq_fail(PqExec *exec, int position, int sqlstate, const char *fmt, ...)
{
	StringInfoData text;
	int line;
	int column;

	FORMAT_TEXT(text, fmt);
	if (position < 0)
		ereport(ERROR, (errcode(sqlstate), errmsg("%s", text.data)));
	promql_locate(exec->text, exec->len, position, &line, &column);
	ereport(ERROR, (errcode(sqlstate), errmsg("%s", text.data),
					errdetail("At line %d, column %d of the query.", line, column)));
}
