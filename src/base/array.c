/*
 * array.c
 *	  Arrays that grow, and are used again.
 */
#include "ts_base.h"

#define FIRST_ROOM 16

bool
ts_array_room(const TsAllocator *allocator, TsArray *array, size_t element_size,
			  size_t more)
{
	size_t room = array->room > 0 ? array->room : FIRST_ROOM;
	void *data;

	if (more <= array->room - array->n)
		return true;
	while (room - array->n < more)
		room *= 2;
	data = allocator->alloc(allocator->ctx, room * element_size);
	if (data == NULL)
		return false;
	if (array->n > 0)
		memcpy(data, array->data, array->n * element_size);
	if (array->data != NULL)
		allocator->free(allocator->ctx, array->data);
	array->data = data;
	array->room = room;
	return true;
}

void
ts_array_free(const TsAllocator *allocator, TsArray *array)
{
	if (array->data != NULL)
		allocator->free(allocator->ctx, array->data);
	*array = (TsArray){NULL, 0, 0};
}
