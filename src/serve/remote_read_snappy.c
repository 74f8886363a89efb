/*
 * remote_read_snappy.c
 *	  Snappy's block format, written piece by piece.
 *
 * A block is the size of what was compressed, and then elements: runs of literal bytes, and
 * references to what came before. The library compresses each 64 kB without a look at what
 * was before them; so pieces of that size, compressed one by one, make the very block that
 * all of them at once would, when their sizes are taken off.
 */
#include <snappy-c.h>

#include "remote_read_wire.h"

bool
ts_snappy_begin(TsSnappy *snappy, uint64_t size, TsReadSink sink, void *sink_arg,
				const TsAllocator *allocator)
{
	uint8_t preamble[WIRE_VARINT_MAX];

	snappy->sink = sink;
	snappy->sink_arg = sink_arg;
	snappy->n = 0;
	snappy->room = snappy_max_compressed_length(TS_SNAPPY_PIECE);
	snappy->compressed = allocator->alloc(allocator->ctx, snappy->room);
	if (snappy->compressed == NULL)
		return false;
	sink(sink_arg, preamble, wire_write_varint(size, preamble));
	return true;
}

static void
put_piece(TsSnappy *snappy)
{
	size_t size = snappy->room;
	uint8_t length[WIRE_VARINT_MAX];
	size_t skip = wire_write_varint(snappy->n, length);

	/* cannot fail: there is room for the worst of all */
	(void) snappy_compress(snappy->piece, snappy->n, snappy->compressed, &size);
	snappy->sink(snappy->sink_arg, snappy->compressed + skip, size - skip);
	snappy->n = 0;
}

void
ts_snappy_put(TsSnappy *snappy, const void *data, size_t size)
{
	const char *from = data;

	while (size > 0)
	{
		size_t part = TS_SNAPPY_PIECE - snappy->n;

		if (part > size)
			part = size;
		memcpy(snappy->piece + snappy->n, from, part);
		snappy->n += part;
		from += part;
		size -= part;
		if (snappy->n == TS_SNAPPY_PIECE)
			put_piece(snappy);
	}
}

void
ts_snappy_end(TsSnappy *snappy)
{
	if (snappy->n > 0)
		put_piece(snappy);
}
