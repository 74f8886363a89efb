/*
 * frames.c
 *	  The plain bytes of a column in zstd frames that begin and end at vectors.
 *
 * A frame holds 64 kB or more, so that zstd has something to work on, and is what a
 * reader of one vector has to pay for; it keeps the frame it decompressed last. The
 * magic number that begins every zstd frame is left out.
 */
#include "codec_internal.h"

#include <assert.h>
#include <zstd_errors.h>

#define ZSTD_LEVEL 3
#define MAGIC_SIZE 4

/* What one byte of a zstd frame can become at most: a block of 128 kB takes 4. */
#define MAX_RATIO 32768

/* The first vector that no longer belongs to the frame beginning with v. */
static uint32_t
frame_end(const uint64_t *start, uint32_t vectors, uint32_t v)
{
	uint64_t full = start[v] + FRAME_FULL;

	do
		v++;
	while (v < vectors && start[v] < full);
	return v;
}

static bool
start_zstd(TsCodecEncoder *enc)
{
	if (enc->zstd != NULL)
		return true;
	enc->zstd = ZSTD_createCCtx();
	if (enc->zstd == NULL)
		return false;
	/* the size is known to the reader */
	if (ZSTD_isError(
			ZSTD_CCtx_setParameter(enc->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(enc->zstd, ZSTD_c_contentSizeFlag, 0)))
	{
		ZSTD_freeCCtx(enc->zstd);
		enc->zstd = NULL;
		return false;
	}
	return true;
}

TsErrorCode
codec_write_frames(TsCodecEncoder *enc, const uint8_t *plain, const uint64_t *start,
				   uint32_t vectors, size_t room, size_t *len)
{
	size_t bytes = (size_t) start[vectors];
	/* the bound of all, a magic number and a length for each frame */
	size_t bound = ZSTD_compressBound(bytes) + (size_t) vectors * 64 + 64;
	size_t sizes[MAX_VECTORS];
	uint32_t frames = 0;
	size_t used = 0;
	size_t lengths = 0;
	uint8_t *out;
	uint8_t *length;

	*len = 0;
	if (!start_zstd(enc) || !codec_buffer_reserve(&enc->allocator, &enc->trial, bound))
		return TS_ERR_MEMORY;
	out = enc->trial.data;
	for (uint32_t v = 0; v < vectors;)
	{
		uint32_t end = frame_end(start, vectors, v);
		size_t size = ZSTD_compress2(enc->zstd, out + used, enc->trial.size - used,
									 plain + start[v], (size_t) (start[end] - start[v]));

		if (ZSTD_isError(size))
			return ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation ? TS_ERR_MEMORY
																		   : TS_OK;
		assert(size > MAGIC_SIZE);
		size -= MAGIC_SIZE;
		memmove(out + used, out + used + MAGIC_SIZE, size);
		used += size;
		lengths += varint_size(size);
		sizes[frames++] = size;
		v = end;
		if (used + lengths >= room)
			return TS_OK;
	}
	assert(used + lengths <= enc->trial.size);
	memmove(out + lengths, out, used);
	length = out;
	for (uint32_t f = 0; f < frames; f++)
		length = put_varint(length, sizes[f]);
	*len = lengths + used;
	return TS_OK;
}

bool
codec_open_frames(Frames *frames, uint32_t vectors, Cursor *c)
{
	uint64_t sizes[MAX_VECTORS];

	frames->count = 0;
	for (uint32_t v = 0; v < vectors;)
	{
		uint32_t end = frame_end(frames->start, vectors, v);

		uint64_t size = get_varint(c);

		/* what a few bytes claim to become must not cost memory */
		if (size > (uint64_t) (c->end - c->next) ||
			frames->start[end] - frames->start[v] > size * MAX_RATIO)
			return false;
		sizes[frames->count] = size;
		frames->first[frames->count++] = v;
		v = end;
	}
	frames->first[frames->count] = vectors;
	for (uint32_t f = 0; f < frames->count; f++)
	{
		frames->data[f] = get_bytes(c, sizes[f]);
		if (!c->ok)
			return false;
	}
	frames->data[frames->count] = c->next;
	frames->loaded = frames->loaded_end = 0;
	return true;
}

/* Decompresses frame f to out. */
static TsErrorCode
load_frame(TsCodecReader *reader, uint32_t f, uint8_t *out)
{
	static const uint8_t magic[MAGIC_SIZE] = {0x28, 0xB5, 0x2F, 0xFD};
	const Frames *frames = &reader->frames;
	uint64_t plain = frames->start[frames->first[f + 1]] -
					 frames->start[frames->first[f]];
	size_t size = (size_t) (frames->data[f + 1] - frames->data[f]);
	size_t got;

	if (!codec_buffer_reserve(&reader->allocator, &reader->framed, MAGIC_SIZE + size))
		return TS_ERR_MEMORY;
	memcpy(reader->framed.data, magic, MAGIC_SIZE);
	memcpy(reader->framed.data + MAGIC_SIZE, frames->data[f], size);
	got = ZSTD_decompressDCtx(reader->zstd, out, (size_t) plain, reader->framed.data,
							  MAGIC_SIZE + size);
	if (ZSTD_isError(got) && ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation)
		return TS_ERR_MEMORY;
	if (ZSTD_isError(got) || got != plain)
		return codec_damaged(reader, "a zstd frame does not decompress to its size");
	return TS_OK;
}

/* Decompresses frames from..to-1 into the reader's buffer. */
static TsErrorCode
load_frames(TsCodecReader *reader, uint32_t from, uint32_t to)
{
	Frames *frames = &reader->frames;
	uint64_t start = frames->start[frames->first[from]];
	uint64_t bytes = frames->start[frames->first[to]] - start;

	if (reader->zstd == NULL)
		reader->zstd = ZSTD_createDCtx();
	frames->loaded = frames->loaded_end = 0;
	if (reader->zstd == NULL ||
		!codec_buffer_reserve(&reader->allocator, &reader->plain, (size_t) bytes + 1))
		return TS_ERR_MEMORY;
	for (uint32_t f = from; f < to; f++)
	{
		uint64_t at = frames->start[frames->first[f]] - start;
		TsErrorCode code = load_frame(reader, f, reader->plain.data + at);

		if (code != TS_OK)
			return code;
	}
	frames->loaded = from;
	frames->loaded_end = to;
	return TS_OK;
}

TsErrorCode
codec_load_vectors(TsCodecReader *reader, uint32_t first, uint32_t count,
				   const uint8_t **plain)
{
	Frames *frames = &reader->frames;
	uint32_t from = 0;
	uint32_t to;

	assert(count > 0);
	while (frames->first[from + 1] <= first)
		from++;
	for (to = from + 1; frames->first[to] < first + count; to++)
		;
	if (from < frames->loaded || to > frames->loaded_end)
	{
		TsErrorCode code = load_frames(reader, from, to);

		if (code != TS_OK)
			return code;
	}
	*plain = reader->plain.data +
			 (frames->start[first] - frames->start[frames->first[frames->loaded]]);
	return TS_OK;
}
