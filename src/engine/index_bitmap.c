/*
 * index_bitmap.c
 *	  Bitmaps of series ids, and the order of strings in the label index.
 *
 * The library allocates by malloc(). So that no bitmap outlives an error, each lies in a
 * slot, and a callback of the memory context frees what the slots hold when the context
 * goes. The library never jumps out, and between two of its calls everything that it gave
 * is in a slot.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "index_internal.h"

int
index_compare_strings(TsString a, TsString b)
{
	size_t common = Min(a.len, b.len);
	int order = common > 0 ? memcmp(a.data, b.data, common) : 0;

	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

static void
free_slots(void *arg)
{
	for (int slot = 0; slot < INDEX_SLOTS; slot++)
		index_bitmaps_clear(arg, slot);
}

IndexBitmaps *
index_bitmaps_create(MemoryContext context)
{
	IndexBitmaps *bitmaps = MemoryContextAllocZero(context, sizeof(IndexBitmaps));
	MemoryContextCallback *callback = MemoryContextAlloc(context,
														 sizeof(MemoryContextCallback));

	callback->func = free_slots;
	callback->arg = bitmaps;
	MemoryContextRegisterResetCallback(context, callback);
	return bitmaps;
}

roaring_bitmap_t *
index_bitmaps_put(IndexBitmaps *bitmaps, int slot, roaring_bitmap_t *bitmap)
{
	Assert(slot >= 0 && slot < INDEX_SLOTS);
	if (bitmap == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				 errdetail("There is none for a set of series of the label index.")));
	index_bitmaps_clear(bitmaps, slot);
	bitmaps->slots[slot] = bitmap;
	return bitmap;
}

void
index_bitmaps_clear(IndexBitmaps *bitmaps, int slot)
{
	if (bitmaps->slots[slot] != NULL)
		roaring_bitmap_free(bitmaps->slots[slot]);
	bitmaps->slots[slot] = NULL;
}
