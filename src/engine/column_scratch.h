/*
 * column_scratch.h
 *	  Memory that the reader and the writer of columns use again and again.
 */
#ifndef COLUMN_SCRATCH_H
#define COLUMN_SCRATCH_H

#include "postgres.h"

#include "utils/memutils.h"

typedef struct ColumnScratch
{
	void *data;
	Size size;
} ColumnScratch;

/* Room for size bytes, allocated in context; what was there before is gone. */
static inline void *
column_scratch(MemoryContext context, ColumnScratch *scratch, Size size)
{
	if (scratch->size < size)
	{
		if (scratch->data != NULL)
			pfree(scratch->data);
		scratch->data = NULL;
		scratch->size = 0;
		size += size / 4;
		scratch->data = MemoryContextAllocHuge(context, size);
		scratch->size = size;
	}
	return scratch->data;
}

#endif /* COLUMN_SCRATCH_H */
