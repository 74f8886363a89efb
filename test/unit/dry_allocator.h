/*
 * dry_allocator.h
 *	  An allocator that runs dry after so many pieces, and counts those not given back.
 */
#ifndef DRY_ALLOCATOR_H
#define DRY_ALLOCATOR_H

#include <stdlib.h>

#include "ts_base.h"

typedef struct DryAllocator
{
	int left; /* pieces it still gives */
	int held; /* pieces not given back */
} DryAllocator;

static inline void *
dry_alloc(void *ctx, size_t size)
{
	DryAllocator *dry = ctx;

	if (dry->left-- <= 0)
		return NULL;
	dry->held++;
	return malloc(size);
}

static inline void
dry_free(void *ctx, void *ptr)
{
	DryAllocator *dry = ctx;

	if (ptr != NULL)
		dry->held--;
	free(ptr);
}

#endif /* DRY_ALLOCATOR_H */
