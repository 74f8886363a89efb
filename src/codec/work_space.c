/*
 * work_space.c
 *	  Encoders and readers: their making and end, and opening a column.
 */
#include "codec_internal.h"

#include <stdio.h>

bool
codec_buffer_reserve(const TsAllocator *allocator, Buffer *buffer, size_t size)
{
	if (buffer->size >= size)
		return true;
	/* a little more than asked for: the next column may be a little larger */
	size += size / 4;
	if (buffer->data != NULL)
		allocator->free(allocator->ctx, buffer->data);
	buffer->size = 0;
	buffer->data = allocator->alloc(allocator->ctx, size);
	if (buffer->data == NULL)
		return false;
	buffer->size = size;
	return true;
}

static void
release(const TsAllocator *allocator, Buffer *buffer)
{
	if (buffer->data != NULL)
		allocator->free(allocator->ctx, buffer->data);
}

TsCodecEncoder *
ts_codec_encoder_create(const TsAllocator *allocator)
{
	TsCodecEncoder *enc = allocator->alloc(allocator->ctx, sizeof(TsCodecEncoder));

	if (enc != NULL)
	{
		memset(enc, 0, sizeof(*enc));
		enc->allocator = *allocator;
		enc->use = TS_CODEC_USE_ALL;
	}
	return enc;
}

void
ts_codec_encoder_use(TsCodecEncoder *enc, unsigned use)
{
	enc->use = use;
}

void
ts_codec_encoder_free(TsCodecEncoder *enc)
{
	TsAllocator allocator;

	if (enc == NULL)
		return;
	allocator = enc->allocator;
	ZSTD_freeCCtx(enc->zstd);
	release(&allocator, &enc->x);
	release(&allocator, &enc->y);
	release(&allocator, &enc->payload);
	release(&allocator, &enc->trial);
	release(&allocator, &enc->plain);
	release(&allocator, &enc->sizes);
	release(&allocator, &enc->nested);
	release(&allocator, &enc->views);
	release(&allocator, &enc->table);
	release(&allocator, &enc->codes);
	release(&allocator, &enc->entries);
	release(&allocator, &enc->column);
	allocator.free(allocator.ctx, enc);
}

TsCodecReader *
ts_codec_reader_create(const TsAllocator *allocator)
{
	TsCodecReader *reader = allocator->alloc(allocator->ctx, sizeof(TsCodecReader));

	if (reader != NULL)
	{
		memset(reader, 0, sizeof(*reader));
		reader->allocator = *allocator;
	}
	return reader;
}

void
ts_codec_reader_free(TsCodecReader *reader)
{
	TsAllocator allocator;

	if (reader == NULL)
		return;
	allocator = reader->allocator;
	ZSTD_freeDCtx(reader->zstd);
	ts_codec_reader_free(reader->dictionary);
	release(&allocator, &reader->plain);
	release(&allocator, &reader->framed);
	release(&allocator, &reader->entry_values);
	allocator.free(allocator.ctx, reader);
}

TsErrorCode
codec_damaged(TsCodecReader *reader, const char *problem)
{
	reader->problem = problem;
	return TS_ERR_INVALID;
}

const char *
ts_codec_problem(const TsCodecReader *reader)
{
	return reader->problem == NULL ? "" : reader->problem;
}

TsErrorCode
ts_codec_open(TsCodecReader *reader, TsCodecType type, uint32_t width,
			  const uint8_t *data, size_t len, uint32_t n)
{
	Cursor c = {data, data + len, true};
	const char *problem;
	TsErrorCode code = TS_OK;

	reader->problem = NULL;
	reader->type = type;
	reader->width = width;
	reader->n = 0;
	reader->vectors = 0;
	reader->form = 0;
	if (n > TS_CODEC_MAX_VALUES ||
		(type == TS_CODEC_FIXED && (width == 0 || width > TS_CODEC_MAX_WIDTH)))
		return TS_ERR_LIMIT;
	if (n == 0)
		return len == 0 ? TS_OK : codec_damaged(reader, "bytes in an empty column");
	reader->n = n;
	reader->limit = c.end;
	switch (type)
	{
		case TS_CODEC_BITS:
			code = codec_open_bits(reader, &c);
			break;
		case TS_CODEC_FIXED:
			code = codec_open_fixed(reader, &c);
			break;
		case TS_CODEC_BYTES:
			code = codec_open_bytes(reader, &c);
			break;
		default:
			if (!codec_open_number(&reader->number, type, &c, n, &reader->frames,
								   &problem))
				code = codec_damaged(reader, problem);
			reader->form = reader->number.form;
	}
	/* what is not open has no vectors to decode */
	if (code == TS_OK)
		reader->vectors = ts_codec_vectors(n);
	else
		reader->n = 0;
	return code;
}

void
ts_codec_describe(const TsCodecReader *reader, char *text, size_t size)
{
	static const char *const forms[] = {"nothing", "const", "runs",      "vectors",
										"plain",   "zstd",  "dictionary"};

	if (size == 0)
		return;
	if (reader->n > 0 && reader->type < TS_CODEC_BITS && reader->form <= FORM_VECTORS)
		codec_describe_number(&reader->number, text, size);
	else
		snprintf(text, size, "%s", reader->n == 0 ? forms[0] : forms[reader->form]);
}
