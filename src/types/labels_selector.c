/*
 * labels_selector.c
 *	  Compiled selectors in memory contexts.
 *
 * A compiled selector holds memory that is nobody's context (PCRE2's executable code):
 * a reset callback of the context it lives in frees it. So whoever deletes the context,
 * also at the end of a failed transaction, has freed the selector.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "labels_type.h"

/* What a selector may take beside its regular expressions: its text, its matchers. */
#define SELECTOR_TEXT_MEMORY ((Size) 4 * 1024 * 1024)

/* The memory of one selector: a context that nothing else uses, and its bound. */
typedef struct SelectorMemory
{
	MemoryContext context;
	Size limit;
	bool exceeded;
} SelectorMemory;

/* A single expression may take a second for one value, and there may be many. */
static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

static void
free_selector(void *arg)
{
	ts_selector_free(arg);
}

static void *
selector_alloc(void *ctx, size_t size)
{
	SelectorMemory *memory = ctx;

	if (MemoryContextMemAllocated(memory->context, false) + size > memory->limit)
	{
		memory->exceeded = true;
		return NULL;
	}
	return MemoryContextAllocExtended(memory->context, size,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
selector_free(void *ctx, void *ptr)
{
	if (ptr != NULL)
		pfree(ptr);
}

TsSelector *
labels_compile_selector(const char *text, size_t len, MemoryContext context, TsError *err)
{
	SelectorMemory *memory = MemoryContextAllocZero(context, sizeof(SelectorMemory));
	MemoryContextCallback *callback = MemoryContextAlloc(context,
														 sizeof(MemoryContextCallback));
	TsSelector *selector = MemoryContextAlloc(context, sizeof(TsSelector));
	TsAllocator allocator = {selector_alloc, selector_free, memory};
	TsSelectorOptions options = {.allocator = &allocator,
								 .check_interrupts = check_interrupts};

	options.regex = labels_regex_limits();
	memory->context = context;
	memory->limit = 2 * options.regex.memory + SELECTOR_TEXT_MEMORY;
	if (ts_selector_parse(text, len, &options, selector, err) != TS_OK)
	{
		if (err->code == TS_ERR_MEMORY && memory->exceeded)
		{
			ts_error_set(err, TS_ERR_LIMIT, err->offset,
						 "the regular expressions of a selector need more than %zu kB of "
						 "memory together",
						 memory->limit / 1024);
			ts_error_locate(err, text, len);
		}
		return NULL;
	}
	callback->func = free_selector;
	callback->arg = selector;
	MemoryContextRegisterResetCallback(context, callback);
	return selector;
}
