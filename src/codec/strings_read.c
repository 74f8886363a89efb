/*
 * strings_read.c
 *	  Opens and decodes what strings_write.c writes.
 */
#include "codec_internal.h"

#include <assert.h>

/* Opens the column of sizes or codes that is within another. */
static TsErrorCode
open_nested(TsCodecReader *reader, const uint8_t *data, size_t len)
{
	Cursor c = {data, data + len, true};
	const char *problem;

	if (!codec_open_number(&reader->number, TS_CODEC_INT, &c, reader->n, NULL, &problem))
		return codec_damaged(reader, problem);
	return TS_OK;
}

/* The codes take the rest of the column. */
static TsErrorCode
open_codes(TsCodecReader *reader, Cursor *c)
{
	const uint8_t *codes = c->next;

	c->next = c->end;
	return open_nested(reader, codes, (size_t) (c->end - codes));
}

/* ---- fixed width ---- */

TsErrorCode
codec_open_fixed(TsCodecReader *reader, Cursor *c)
{
	uint8_t first = get_byte(c);
	uint64_t width = reader->width;
	uint32_t vectors = ts_codec_vectors(reader->n);
	uint64_t entries;

	reader->form = FORMAT_FORM(first);
	if (!c->ok || FORMAT_VERSION_OF(first) != FORMAT_VERSION)
		return codec_damaged(reader, "unknown version of a column of fixed width");
	switch (reader->form)
	{
		case FORM_CONST:
			reader->data = get_bytes(c, width);
			break;
		case FORM_PLAIN:
			reader->data = get_bytes(c, reader->n * width);
			break;
		case FORM_ZSTD:
			for (uint32_t v = 0; v < vectors; v++)
				reader->frames.start[v] = v * VECTOR * width;
			reader->frames.start[vectors] = reader->n * width;
			if (!codec_open_frames(&reader->frames, vectors, c))
				return codec_damaged(reader, "damaged frames of a column of fixed width");
			break;
		case FORM_DICTIONARY:
			entries = get_varint(c);
			if (entries == 0 || entries > reader->n)
				return codec_damaged(reader, "damaged dictionary of fixed width");
			reader->entries = (uint32_t) entries;
			reader->data = get_bytes(c, entries * width);
			if (!c->ok)
				return codec_damaged(reader, "dictionary of fixed width cut short");
			return open_codes(reader, c);
		default:
			return codec_damaged(reader, "unknown form of a column of fixed width");
	}
	if (!c->ok || c->next != c->end)
		return codec_damaged(reader,
							 "a column of fixed width is not as long as its parts");
	return TS_OK;
}

/* Codes of vector v, checked. */
static TsErrorCode
decode_codes(TsCodecReader *reader, uint32_t v, int64_t *codes)
{
	if (!codec_decode_ints(&reader->number, v, codes))
		return codec_damaged(reader, "damaged codes of a dictionary");
	for (uint32_t i = 0; i < vector_length(reader->n, v); i++)
	{
		if ((uint64_t) codes[i] >= reader->entries)
			return codec_damaged(reader, "code of no entry of a dictionary");
	}
	return TS_OK;
}

static TsErrorCode
decode_fixed_vector(TsCodecReader *reader, uint32_t v, uint8_t *out)
{
	uint32_t m = vector_length(reader->n, v);
	size_t width = reader->width;
	int64_t codes[VECTOR];
	const uint8_t *plain;
	TsErrorCode code;

	switch (reader->form)
	{
		case FORM_CONST:
			for (uint32_t i = 0; i < m; i++)
				memcpy(out + i * width, reader->data, width);
			return TS_OK;
		case FORM_PLAIN:
			memcpy(out, reader->data + (size_t) v * VECTOR * width, m * width);
			return TS_OK;
		case FORM_ZSTD:
			code = codec_load_vectors(reader, v, 1, &plain);
			if (code == TS_OK)
				memcpy(out, plain, m * width);
			return code;
		default:
			code = decode_codes(reader, v, codes);
			for (uint32_t i = 0; i < m && code == TS_OK; i++)
				memcpy(out + i * width, reader->data + (size_t) codes[i] * width, width);
			return code;
	}
}

TsErrorCode
ts_codec_decode_fixed(TsCodecReader *reader, uint32_t first, uint32_t count, void *out)
{
	uint8_t *to = out;

	assert(reader->type == TS_CODEC_FIXED && first + count <= reader->vectors);
	for (uint32_t v = first; v < first + count; v++)
	{
		TsErrorCode code = decode_fixed_vector(reader, v, to);

		if (code != TS_OK)
			return code;
		to += (size_t) vector_length(reader->n, v) * reader->width;
	}
	return TS_OK;
}

/* ---- varying size ---- */

/* Sizes, sums of the vectors, and the bytes or frames. */
static TsErrorCode
open_values(TsCodecReader *reader, Cursor *c)
{
	uint32_t vectors = ts_codec_vectors(reader->n);
	uint64_t *start = reader->frames.start;
	uint64_t nested = get_varint(c);
	const uint8_t *sizes = get_bytes(c, nested);
	TsErrorCode code;

	if (!c->ok)
		return codec_damaged(reader, "sizes of a column of bytes cut short");
	code = open_nested(reader, sizes, (size_t) nested);
	if (code != TS_OK)
		return code;
	start[0] = 0;
	for (uint32_t v = 0; v < vectors; v++)
	{
		uint64_t bytes = get_varint(c);

		if (!c->ok || bytes > TS_CODEC_MAX_BYTES - start[v])
			return codec_damaged(reader, "damaged sizes of a column of bytes");
		start[v + 1] = start[v] + bytes;
	}
	if (reader->form == FORM_PLAIN)
		reader->data = get_bytes(c, start[vectors]);
	else if (!codec_open_frames(&reader->frames, vectors, c))
		return codec_damaged(reader, "damaged frames of a column of bytes");
	if (!c->ok || c->next != c->end)
		return codec_damaged(reader, "a column of bytes is not as long as its parts");
	return TS_OK;
}

static TsErrorCode
open_dictionary(TsCodecReader *reader, Cursor *c)
{
	uint64_t entries = get_varint(c);
	uint64_t len = get_varint(c);
	const uint8_t *column = get_bytes(c, len);
	TsErrorCode code;

	/* one level: entries that are a dictionary themselves could nest without end */
	if (!c->ok || entries == 0 || entries > reader->n || len == 0 ||
		FORMAT_FORM(column[0]) == FORM_DICTIONARY)
		return codec_damaged(reader, "damaged dictionary of a column of bytes");
	if (reader->dictionary == NULL)
		reader->dictionary = ts_codec_reader_create(&reader->allocator);
	if (reader->dictionary == NULL)
		return TS_ERR_MEMORY;
	code = ts_codec_open(reader->dictionary, TS_CODEC_BYTES, 0, column, (size_t) len,
						 (uint32_t) entries);
	if (code != TS_OK)
	{
		reader->problem = reader->dictionary->problem;
		return code;
	}
	reader->entries = (uint32_t) entries;
	reader->entries_decoded = false;
	return open_codes(reader, c);
}

TsErrorCode
codec_open_bytes(TsCodecReader *reader, Cursor *c)
{
	uint8_t first = get_byte(c);

	reader->form = FORMAT_FORM(first);
	if (!c->ok || FORMAT_VERSION_OF(first) != FORMAT_VERSION)
		return codec_damaged(reader, "unknown version of a column of bytes");
	switch (reader->form)
	{
		case FORM_CONST:
			reader->data = c->next;
			if (c->end - c->next > TS_CODEC_MAX_BYTES)
				return codec_damaged(reader, "a value of a column of bytes is too long");
			return TS_OK;
		case FORM_PLAIN:
		case FORM_ZSTD:
			return open_values(reader, c);
		case FORM_DICTIONARY:
			return open_dictionary(reader, c);
		default:
			return codec_damaged(reader, "unknown form of a column of bytes");
	}
}

/* Points out[] to the values of vector v, whose bytes are at plain. */
static TsErrorCode
split_values(TsCodecReader *reader, uint32_t v, const uint8_t *plain, TsCodecBytes *out)
{
	uint64_t left = reader->frames.start[v + 1] - reader->frames.start[v];
	int64_t sizes[VECTOR];

	if (!codec_decode_ints(&reader->number, v, sizes))
		return codec_damaged(reader, "damaged sizes of a column of bytes");
	for (uint32_t i = 0; i < vector_length(reader->n, v); i++)
	{
		if ((uint64_t) sizes[i] > left)
			return codec_damaged(reader, "sizes of a column of bytes exceed its bytes");
		out[i].data = plain;
		out[i].size = (uint32_t) sizes[i];
		plain += sizes[i];
		left -= (uint64_t) sizes[i];
	}
	if (left != 0)
		return codec_damaged(reader, "sizes of a column of bytes leave bytes over");
	return TS_OK;
}

static TsErrorCode
decode_values(TsCodecReader *reader, uint32_t first, uint32_t count, TsCodecBytes *out)
{
	const uint64_t *start = reader->frames.start;
	const uint8_t *plain;
	TsErrorCode code = TS_OK;

	if (reader->form == FORM_PLAIN)
		plain = reader->data + start[first];
	else
		code = codec_load_vectors(reader, first, count, &plain);
	for (uint32_t v = first; v < first + count && code == TS_OK; v++)
	{
		code = split_values(reader, v, plain, out);
		plain += start[v + 1] - start[v];
		out += vector_length(reader->n, v);
	}
	return code;
}

/* All entries of the dictionary, once. */
static TsErrorCode
decode_entries(TsCodecReader *reader)
{
	TsErrorCode code;

	if (reader->entries_decoded)
		return TS_OK;
	if (!codec_buffer_reserve(&reader->allocator, &reader->entry_values,
							  reader->entries * sizeof(TsCodecBytes)))
		return TS_ERR_MEMORY;
	code = ts_codec_decode_bytes(reader->dictionary, 0, reader->dictionary->vectors,
								 (TsCodecBytes *) reader->entry_values.data);
	if (code == TS_ERR_INVALID)
		reader->problem = reader->dictionary->problem;
	reader->entries_decoded = code == TS_OK;
	return code;
}

TsErrorCode
ts_codec_decode_bytes(TsCodecReader *reader, uint32_t first, uint32_t count,
					  TsCodecBytes *out)
{
	const TsCodecBytes *entries;
	int64_t codes[VECTOR];
	TsErrorCode code;

	assert(reader->type == TS_CODEC_BYTES && first + count <= reader->vectors);
	if (count == 0)
		return TS_OK;
	if (reader->form == FORM_PLAIN || reader->form == FORM_ZSTD)
		return decode_values(reader, first, count, out);
	if (reader->form == FORM_CONST)
	{
		uint32_t end = (first + count) * VECTOR;

		for (uint32_t i = first * VECTOR; i < end && i < reader->n; i++)
		{
			out->data = reader->data;
			out->size = (uint32_t) (reader->limit - reader->data);
			out++;
		}
		return TS_OK;
	}
	code = decode_entries(reader);
	entries = (const TsCodecBytes *) reader->entry_values.data;
	for (uint32_t v = first; v < first + count && code == TS_OK; v++)
	{
		code = decode_codes(reader, v, codes);
		for (uint32_t i = 0; i < vector_length(reader->n, v) && code == TS_OK; i++)
			*out++ = entries[codes[i]];
	}
	return code;
}
