/*
 * remote_read_bytes.c
 *	  Growing bytes, and what is written into them: labels, and messages within messages.
 */
#include "labels.h"
#include "remote_read_wire.h"

#define FIRST_ROOM 1024

void
ts_read_bytes_init(TsReadBytes *bytes, const TsAllocator *allocator)
{
	memset(bytes, 0, sizeof(*bytes));
	bytes->allocator = *allocator;
}

void
ts_read_bytes_free(TsReadBytes *bytes)
{
	if (bytes->data != NULL)
		bytes->allocator.free(bytes->allocator.ctx, bytes->data);
	bytes->data = NULL;
	bytes->size = bytes->room = 0;
}

static bool
grow(TsReadBytes *bytes, size_t size)
{
	size_t room = bytes->room > 0 ? bytes->room : FIRST_ROOM;
	uint8_t *data;

	if (size > SIZE_MAX / 4 - bytes->size)
		return false;
	while (room < bytes->size + size)
		room *= 2;
	data = bytes->allocator.alloc(bytes->allocator.ctx, room);
	if (data == NULL)
		return false;
	if (bytes->size > 0)
		memcpy(data, bytes->data, bytes->size);
	if (bytes->data != NULL)
		bytes->allocator.free(bytes->allocator.ctx, bytes->data);
	bytes->data = data;
	bytes->room = room;
	return true;
}

uint8_t *
read_bytes_reserve(TsReadBytes *bytes, size_t size)
{
	if (bytes->failed)
		return NULL;
	if (bytes->room - bytes->size < size && !grow(bytes, size))
	{
		bytes->failed = true;
		return NULL;
	}
	return bytes->data + bytes->size;
}

void
read_bytes_put(TsReadBytes *bytes, const void *data, size_t size)
{
	uint8_t *out = read_bytes_reserve(bytes, size);

	if (out == NULL || size == 0)
		return;
	memcpy(out, data, size);
	bytes->size += size;
}

void
wire_end_inner(TsReadBytes *bytes, size_t begin)
{
	uint8_t length[WIRE_VARINT_MAX];
	size_t inner = bytes->size - begin;
	size_t n = wire_write_varint(inner, length);

	if (read_bytes_reserve(bytes, n) == NULL)
		return;
	memmove(bytes->data + begin + n, bytes->data + begin, inner);
	memcpy(bytes->data + begin, length, n);
	bytes->size += n;
}

void
read_put_labels(TsReadBytes *bytes, const void *labels, size_t size)
{
	LabelsIter iter;
	LabelsPair pair;

	labels_iter_init(&iter, labels, size);
	while (labels_iter_next(&iter, &pair))
	{
		size_t begin = wire_begin_inner(bytes, 1);

		wire_field_bytes(bytes, 1, pair.name.data, pair.name.len);
		wire_field_bytes(bytes, 2, pair.value.data, pair.value.len);
		wire_end_inner(bytes, begin);
	}
}
