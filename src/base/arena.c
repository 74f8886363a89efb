/*
 * arena.c
 *	  Memory that is given back all at once, bounded, from any allocator.
 */
#include <stdlib.h>
#include <string.h>

#include "ts_base.h"

#define ARENA_CHUNK_SIZE 4096

/* The header of one piece taken from the allocator; the payload follows it. */
struct TsArenaChunk
{
	TsArenaChunk *older;
	size_t size; /* with this header */
};

static void *
malloc_alloc(void *ctx, size_t size)
{
	(void) ctx;
	return malloc(size);
}

static void
malloc_free(void *ctx, void *ptr)
{
	(void) ctx;
	free(ptr);
}

const TsAllocator ts_malloc_allocator = {malloc_alloc, malloc_free, NULL};

void
ts_arena_init(TsArena *arena, const TsAllocator *allocator, size_t limit)
{
	memset(arena, 0, sizeof(*arena));
	arena->allocator = *allocator;
	arena->limit = limit;
}

/* Takes a new chunk that has room for size bytes. */
static bool
arena_grow(TsArena *arena, size_t size)
{
	size_t want = sizeof(TsArenaChunk) + size;
	TsArenaChunk *chunk;

	if (size > SIZE_MAX / 2)
		return false;
	if (want < ARENA_CHUNK_SIZE)
		want = ARENA_CHUNK_SIZE;
	if (want > arena->limit - arena->taken)
		return false;

	chunk = arena->allocator.alloc(arena->allocator.ctx, want);
	if (chunk == NULL)
		return false;
	chunk->older = arena->chunks;
	chunk->size = want;
	arena->chunks = chunk;
	arena->taken += want;
	arena->next = (char *) (chunk + 1);
	arena->end = (char *) chunk + want;
	return true;
}

void *
ts_arena_alloc(TsArena *arena, size_t size)
{
	void *result;

	if (size > SIZE_MAX - 7)
		return NULL;
	size = (size + 7) & ~(size_t) 7;
	if (arena->chunks == NULL || size > (size_t) (arena->end - arena->next))
	{
		if (!arena_grow(arena, size))
			return NULL;
	}
	result = arena->next;
	arena->next += size;
	return result;
}

void *
ts_arena_copy(TsArena *arena, const void *data, size_t size)
{
	void *result = ts_arena_alloc(arena, size);

	if (result != NULL && size > 0)
		memcpy(result, data, size);
	return result;
}

char *
ts_arena_strdup(TsArena *arena, const char *data, size_t len)
{
	char *result = ts_arena_alloc(arena, len + 1);

	if (result != NULL)
	{
		if (len > 0)
			memcpy(result, data, len);
		result[len] = '\0';
	}
	return result;
}

void
ts_arena_free(TsArena *arena)
{
	TsArenaChunk *chunk = arena->chunks;

	while (chunk != NULL)
	{
		TsArenaChunk *older = chunk->older;

		arena->allocator.free(arena->allocator.ctx, chunk);
		chunk = older;
	}
	arena->chunks = NULL;
	arena->next = arena->end = NULL;
	arena->taken = 0;
}

void *
ts_arena_allocator_alloc(void *arena, size_t size)
{
	return ts_arena_alloc(arena, size);
}

void
ts_arena_allocator_free(void *arena, void *ptr)
{
	(void) arena;
	(void) ptr;
}
