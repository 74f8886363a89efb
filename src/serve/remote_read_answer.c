/*
 * remote_read_answer.c
 *	  Series of an answer: as samples, or as frames of chunks.
 *
 * A frame is the length of a message (a varint), the CRC-32C of it (highest byte first), and
 * the message, which has one series: all its labels, and some of its chunks. A series' frames
 * follow each other. Messages are up to 1 MB, and larger by one histogram at most.
 */
#include "remote_read_wire.h"

#define FRAME_SIZE (1024 * 1024)
#define FLUSH_SIZE (64 * 1024) /* samples go to the sink when there are so many bytes */

void
ts_read_writer_init(TsReadWriter *writer, TsReadType type, TsReadSink sink,
					void *sink_arg, const TsAllocator *allocator)
{
	memset(writer, 0, sizeof(*writer));
	writer->type = type;
	writer->sink = sink;
	writer->sink_arg = sink_arg;
	ts_read_bytes_init(&writer->out, allocator);
	ts_chunk_init(&writer->chunk, allocator);
}

void
ts_read_writer_free(TsReadWriter *writer)
{
	ts_read_bytes_free(&writer->out);
	ts_chunk_free(&writer->chunk);
}

bool
ts_read_writer_failed(const TsReadWriter *writer)
{
	return writer->out.failed || writer->chunk.bytes.failed;
}

size_t
ts_read_open_message(uint64_t length, uint8_t opening[TS_READ_OPENING])
{
	opening[0] = WIRE_TAG(1, WIRE_BYTES);
	return 1 + wire_write_varint(length, opening + 1);
}

/* ---- CRC-32C ---- */

static uint32_t crc_table[256];

static void
make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++)
	{
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
		crc_table[i] = crc;
	}
}

static uint32_t
crc32c(uint32_t crc, const uint8_t *data, size_t size)
{
	if (crc_table[1] == 0)
		make_crc_table();
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ crc_table[(crc ^ data[i]) & 0xff];
	return crc;
}

/* ---- frames ---- */

/* Gives out the frame of what is in `out`, which is the inside of a ChunkedSeries. */
static void
put_frame(TsReadWriter *writer)
{
	TsReadBytes *out = &writer->out;
	uint8_t frame[WIRE_VARINT_MAX + 4 + TS_READ_OPENING];
	uint8_t opening[TS_READ_OPENING];
	uint8_t index[1 + WIRE_VARINT_MAX];
	size_t nopening = ts_read_open_message(out->size, opening);
	size_t nindex = 0;
	size_t n;
	uint32_t crc;

	if (writer->query > 0)
	{
		index[0] = WIRE_TAG(2, WIRE_VARINT);
		nindex = 1 + wire_write_varint(writer->query, index + 1);
	}
	n = wire_write_varint(nopening + out->size + nindex, frame);
	crc = crc32c(UINT32_MAX, opening, nopening);
	crc = crc32c(crc, out->data, out->size);
	crc = ~crc32c(crc, index, nindex);
	for (int shift = 24; shift >= 0; shift -= 8)
		frame[n++] = (uint8_t) (crc >> shift);
	memcpy(frame + n, opening, nopening);
	writer->sink(writer->sink_arg, frame, n + nopening);
	writer->sink(writer->sink_arg, out->data, out->size);
	if (nindex > 0)
		writer->sink(writer->sink_arg, index, nindex);
	writer->frames++;
	out->size = writer->labels_size;
}

/* Adds the chunk to the frame, and empties it. */
static void
put_chunk(TsReadWriter *writer)
{
	TsChunk *chunk = &writer->chunk;
	TsReadBytes *out = &writer->out;
	size_t begin;

	if (out->size > writer->labels_size &&
		out->size + chunk->bytes.size > FRAME_SIZE - FRAME_SIZE / 64)
		put_frame(writer);
	begin = wire_begin_inner(out, 2);
	wire_field_varint(out, 1, (uint64_t) chunk->min_time);
	wire_field_varint(out, 2, (uint64_t) chunk->max_time);
	wire_field_varint(out, 3, chunk->kind);
	wire_field_bytes(out, 4, chunk->bytes.data, chunk->bytes.size);
	wire_end_inner(out, begin);
	ts_chunk_empty(chunk);
}

/* ---- series ---- */

void
ts_read_begin_series(TsReadWriter *writer, const void *labels, size_t size)
{
	writer->out.size = 0;
	read_put_labels(&writer->out, labels, size);
	writer->labels_size = writer->out.size;
	writer->frames = 0;
	ts_chunk_begin_series(&writer->chunk);
}

static void
flush_samples(TsReadWriter *writer, size_t least)
{
	TsReadBytes *out = &writer->out;

	if (out->size < least || out->failed)
		return;
	writer->sink(writer->sink_arg, out->data, out->size);
	out->size = 0;
}

void
ts_read_put_float(TsReadWriter *writer, int64_t time, double value)
{
	TsReadBytes *out = &writer->out;
	size_t begin;

	if (writer->type == TS_READ_CHUNKS)
	{
		if (ts_chunk_add_float(&writer->chunk, time, value))
			return;
		put_chunk(writer);
		(void) ts_chunk_add_float(&writer->chunk, time, value);
		return;
	}
	begin = wire_begin_inner(out, 2);
	wire_field_double(out, 1, value);
	wire_field_varint(out, 2, (uint64_t) time);
	wire_end_inner(out, begin);
	flush_samples(writer, FLUSH_SIZE);
}

void
ts_read_put_histogram(TsReadWriter *writer, int64_t time, const TsHistogram *h)
{
	TsReadBytes *out = &writer->out;
	size_t begin;

	if (writer->type == TS_READ_CHUNKS)
	{
		if (ts_chunk_add_histogram(&writer->chunk, time, h))
			return;
		put_chunk(writer);
		(void) ts_chunk_add_histogram(&writer->chunk, time, h);
		return;
	}
	begin = wire_begin_inner(out, 4);
	read_put_histogram(out, time, h);
	wire_end_inner(out, begin);
	flush_samples(writer, FLUSH_SIZE);
}

void
ts_read_end_series(TsReadWriter *writer)
{
	if (writer->type == TS_READ_SAMPLES)
	{
		flush_samples(writer, 1);
		return;
	}
	if (writer->chunk.n > 0)
		put_chunk(writer);
	if (!ts_read_writer_failed(writer) &&
		(writer->frames == 0 || writer->out.size > writer->labels_size))
		put_frame(writer);
}
