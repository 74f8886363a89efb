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
#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec_internal.h"
#include "ts_text_table.h"

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
	HTAB *places[2];       /* NotePlace by text, of infos and warnings; NULL: none yet */
	const char **texts[2]; /* of infos and warnings, when they were last asked for */
} PqAnnotations;

/* There may be an annotation for each metric that is read, so they are found by text. */
typedef struct NotePlace
{
	const char *text; /* the note's; must be first */
	int place;        /* among the notes */
} NotePlace;

struct PqAnnotations *
pq_annotations_create(PqExec *exec)
{
	PqAnnotations *annotations = MemoryContextAllocZero(exec->context,
														sizeof(PqAnnotations));

	annotations->context = exec->context;
	return annotations;
}

/* Is the node of one note evaluated after that of the other (or is it the same)? */
static bool
comes_after(const Note *note, const Note *other)
{
	if (note->node_end != other->node_end)
		return note->node_end > other->node_end;
	return note->node_start <= other->node_start;
}

/* The place of the text, which the caller fills in if it is new. */
static NotePlace *
find_place(PqAnnotations *annotations, const Note *note, bool *found)
{
	HTAB **places = &annotations->places[note->warning];

	if (*places == NULL)
		*places = ts_text_table_create("PromQL annotations", sizeof(NotePlace),
									   annotations->context);
	return hash_search(*places, &note->text, HASH_ENTER, found);
}

static void
add_note(PqExec *exec, const Note *added)
{
	PqAnnotations *annotations = exec->annotations;
	const char *text;
	NotePlace *place;
	bool found;

	CHECK_FOR_INTERRUPTS();
	pq_charge(exec, strlen(added->text) + sizeof(NotePlace));
	if (annotations->count == annotations->room)
	{
		Size size;

		annotations->room = Max(8, annotations->room * 2);
		size = sizeof(Note) * annotations->room;
		annotations->notes = annotations->notes == NULL
								 ? MemoryContextAlloc(annotations->context, size)
								 : repalloc(annotations->notes, size);
	}
	place = find_place(annotations, added, &found);
	if (found)
	{
		Note *note = &annotations->notes[place->place];

		if (comes_after(added, note))
		{
			note->position = added->position;
			note->node_start = added->node_start;
			note->node_end = added->node_end;
		}
		return;
	}
	text = MemoryContextStrdup(annotations->context, added->text);
	place->text = text;
	place->place = annotations->count++;
	annotations->notes[place->place] = *added;
	annotations->notes[place->place].text = text;
}

static void
add_text(PqExec *exec, bool warning, int position, const char *text)
{
	const PqNode *node = exec->running != NULL ? exec->running->node : exec->root;
	Note note = {warning, text, position, node->start, node->end};

	add_note(exec, &note);
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
	add_text(exec, true, position, text.data);
	pfree(text.data);
}

void
pq_info(PqExec *exec, int position, const char *fmt, ...)
{
	StringInfoData text;

	FORMAT_TEXT(text, fmt);
	add_text(exec, false, position, text.data);
	pfree(text.data);
}

/* ---- from process to process ---- */

int
pq_annotations_count(const PqExec *exec)
{
	return exec->annotations->count;
}

void
pq_annotations_write(const PqExec *exec, int from, StringInfo out)
{
	const PqAnnotations *annotations = exec->annotations;
	int count = annotations->count - from;

	appendBinaryStringInfo(out, (const char *) &count, sizeof(int));
	for (int i = from; i < annotations->count; i++)
	{
		appendBinaryStringInfo(out, (const char *) &annotations->notes[i], sizeof(Note));
		appendBinaryStringInfo(out, annotations->notes[i].text,
							   (int) strlen(annotations->notes[i].text) + 1);
	}
}

const char *
pq_annotations_read(PqExec *exec, const char *from, const char *end)
{
	int count;

	memcpy(&count, from, sizeof(int));
	from += sizeof(int);
	for (int i = 0; i < count; i++)
	{
		Note note;

		memcpy(&note, from, sizeof(Note));
		note.text = from + sizeof(Note);
		from = note.text + strlen(note.text) + 1;
		Assert(from <= end);
		add_note(exec, &note);
	}
	return from;
}

/* ---- as texts ---- */

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
	return psprintf(" for metric name %s", pq_quoted(name));
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
