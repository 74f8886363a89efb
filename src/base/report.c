/*
 * report.c
 *	  The pure C modules' errors as ereport(), their memory from memory contexts.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "ts_report.h"

/* The bytes of a faulty text that a message shows. */
#define SHOWN_TEXT 100

/* The report's sentence, as PostgreSQL's style wants a detail: capital and full stop. */
static char *
detail_sentence(const TsError *err)
{
	StringInfoData sentence;

	initStringInfo(&sentence);
	if (err->line > 0)
		appendStringInfo(&sentence, "At line %d, column %d: ", err->line, err->column);
	appendStringInfoString(&sentence, err->message);
	sentence.data[0] = pg_toupper((unsigned char) sentence.data[0]);
	appendStringInfoChar(&sentence, '.');
	return sentence.data;
}

char *
ts_shown_text(const char *text, size_t len)
{
	if (len <= SHOWN_TEXT)
		return pnstrdup(text, len);
	return psprintf("%.*s...", pg_mbcliplen(text, (int) len, SHOWN_TEXT), text);
}

void
ts_report_limit(const TsError *err)
{
	Assert(err->code == TS_ERR_LIMIT || err->code == TS_ERR_MEMORY);
	ereport(ERROR, (errcode(err->code == TS_ERR_LIMIT ? ERRCODE_PROGRAM_LIMIT_EXCEEDED
													  : ERRCODE_OUT_OF_MEMORY),
					errmsg("%s", err->message)));
}

void
ts_report(const TsError *err, int sqlstate, const char *what, const char *text,
		  size_t len)
{
	if (err->code == TS_ERR_LIMIT || err->code == TS_ERR_MEMORY)
		ts_report_limit(err);
	ereport(ERROR,
			(errcode(sqlstate), errmsg("%s: \"%s\"", what, ts_shown_text(text, len)),
			 errdetail("%s", detail_sentence(err))));
}

static void *
context_alloc(void *ctx, size_t size)
{
	return MemoryContextAllocExtended((MemoryContext) ctx, size,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
context_free(void *ctx, void *ptr)
{
	if (ptr != NULL)
		pfree(ptr);
}

TsAllocator
ts_context_allocator(MemoryContext context)
{
	TsAllocator allocator = {context_alloc, context_free, context};

	return allocator;
}
