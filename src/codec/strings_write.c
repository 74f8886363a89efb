/*
 * strings_write.c
 *	  Columns of values that are no numbers: text, bytea, any other type.
 *
 * Values that come again are written once and referred to by packed codes; others
 * go through zstd if that gains anything, and else as they are.
 */
#include "codec_internal.h"

#include <assert.h>

/* Below this zstd has nothing to work on. */
#define ZSTD_LEAST 32

size_t
ts_codec_fixed_bound(uint32_t n, uint32_t width)
{
	return 1 + (size_t) n * width;
}

size_t
ts_codec_bytes_bound(uint32_t n, size_t bytes)
{
	/* form, length of the column of sizes, that column, sums of vectors */
	return 1 + 10 + ts_codec_number_bound(n) + (size_t) ts_codec_vectors(n) * 10 + bytes;
}

/* An empty value's data may be NULL, which memcmp() is not to be given. */
static bool
same_bytes(const TsCodecBytes *a, const TsCodecBytes *b)
{
	return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* ---- dictionary ---- */

static uint64_t
hash_value(const TsCodecBytes *value)
{
	uint64_t hash = value->size * UINT64_C(0x9E3779B97F4A7C15);
	uint32_t i = 0;

	for (; i + 8 <= value->size; i += 8)
	{
		hash = (hash ^ load64(value->data + i)) * UINT64_C(0xD6E8FEB86659FD93);
		hash ^= hash >> 32;
	}
	if (i < value->size)
	{
		uint64_t rest = 0;

		memcpy(&rest, value->data + i, value->size - i);
		hash = (hash ^ rest) * UINT64_C(0xD6E8FEB86659FD93);
		hash ^= hash >> 32;
	}
	return hash * UINT64_C(0x9E3779B97F4A7C15);
}

/*
 * Gives equal values equal codes, in the order of their first appearance. Returns how
 * many there are; 0 when there are so many that a dictionary is no use, or the hash
 * table degenerates. The entries are in enc->entries.
 */
static uint32_t
assign_codes(TsCodecEncoder *enc, const TsCodecBytes *values, uint32_t n)
{
	unsigned bits = bit_width(n) + 1;
	uint64_t *table = (uint64_t *) enc->table.data;
	TsCodecBytes *entries = (TsCodecBytes *) enc->entries.data;
	int64_t *codes = (int64_t *) enc->codes.data;
	uint32_t mask = (1U << bits) - 1;
	uint32_t found = 0;
	uint32_t patience = 16 * n + 1024;

	memset(table, 0, sizeof(uint64_t) << bits);
	for (uint32_t i = 0; i < n; i++)
	{
		uint64_t hash = hash_value(&values[i]);
		uint32_t slot = (uint32_t) (hash >> 32) & mask;
		uint64_t tag = hash << 32;

		/* a slot holds the hash's lower half and the code plus 1 */
		for (;; slot = (slot + 1) & mask)
		{
			const TsCodecBytes *entry;

			if (patience-- == 0)
				return 0;
			if (table[slot] == 0)
			{
				if (found > n / 2)
					return 0;
				entries[found] = values[i];
				codes[i] = found++;
				table[slot] = tag | found;
				break;
			}
			entry = &entries[(uint32_t) table[slot] - 1];
			if ((table[slot] ^ tag) >> 32 == 0 && same_bytes(entry, &values[i]))
			{
				codes[i] = (uint32_t) table[slot] - 1;
				break;
			}
		}
	}
	return found;
}

static bool
reserve_dictionary(TsCodecEncoder *enc, uint32_t n)
{
	const TsAllocator *allocator = &enc->allocator;

	return codec_buffer_reserve(allocator, &enc->table,
								sizeof(uint64_t) << (bit_width(n) + 1)) &&
		   codec_buffer_reserve(allocator, &enc->entries,
								((size_t) n + 1) * sizeof(TsCodecBytes)) &&
		   codec_buffer_reserve(allocator, &enc->codes, (size_t) n * 8) &&
		   codec_buffer_reserve(allocator, &enc->nested, ts_codec_number_bound(n));
}

/* ---- fixed width ---- */

static TsErrorCode
fixed_dictionary(TsCodecEncoder *enc, const uint8_t *values, uint32_t width, uint32_t n,
				 uint8_t *out, size_t *len)
{
	TsCodecBytes *views;
	uint32_t entries;
	size_t nested;
	TsErrorCode code;

	if (!reserve_dictionary(enc, n) ||
		!codec_buffer_reserve(&enc->allocator, &enc->views,
							  (size_t) n * sizeof(TsCodecBytes)))
		return TS_ERR_MEMORY;
	views = (TsCodecBytes *) enc->views.data;
	for (uint32_t i = 0; i < n; i++)
	{
		views[i].data = values + (size_t) i * width;
		views[i].size = width;
	}
	entries = assign_codes(enc, views, n);
	if (entries == 0)
		return TS_OK;
	code = codec_write_ints(enc, (int64_t *) enc->codes.data, n, enc->nested.data,
							&nested);
	if (code == TS_OK &&
		1 + varint_size(entries) + (size_t) entries * width + nested < *len)
	{
		uint8_t *p = out;

		*p++ = FORMAT_BYTE(FORM_DICTIONARY);
		p = put_varint(p, entries);
		for (uint32_t i = 0; i < entries; i++)
		{
			memcpy(p, ((TsCodecBytes *) enc->entries.data)[i].data, width);
			p += width;
		}
		memcpy(p, enc->nested.data, nested);
		*len = (size_t) (p - out) + nested;
	}
	return code;
}

static TsErrorCode
fixed_zstd(TsCodecEncoder *enc, const uint8_t *values, uint32_t width, uint32_t n,
		   uint8_t *out, size_t *len)
{
	uint64_t start[MAX_VECTORS + 1];
	uint32_t vectors = ts_codec_vectors(n);
	size_t size;
	TsErrorCode code;

	for (uint32_t v = 0; v < vectors; v++)
		start[v] = (uint64_t) v * VECTOR * width;
	start[vectors] = (uint64_t) n * width;
	code = codec_write_frames(enc, values, start, vectors, *len - 1, &size);
	if (code == TS_OK && size > 0)
	{
		out[0] = FORMAT_BYTE(FORM_ZSTD);
		memcpy(out + 1, enc->trial.data, size);
		*len = 1 + size;
	}
	return code;
}

TsErrorCode
ts_codec_encode_fixed(TsCodecEncoder *enc, const void *values, uint32_t width, uint32_t n,
					  uint8_t *out, size_t *len)
{
	size_t plain = (size_t) n * width;
	TsErrorCode code = TS_OK;

	*len = 0;
	if (n > TS_CODEC_MAX_VALUES || width == 0 || width > TS_CODEC_MAX_WIDTH)
		return TS_ERR_LIMIT;
	if (n == 0)
		return TS_OK;
	if (memcmp(values, (const uint8_t *) values + width, plain - width) == 0)
	{
		out[0] = FORMAT_BYTE(FORM_CONST);
		memcpy(out + 1, values, width);
		*len = 1 + width;
		return TS_OK;
	}
	*len = 1 + plain;
	if (enc->use & TS_CODEC_USE_DICTIONARY)
		code = fixed_dictionary(enc, values, width, n, out, len);
	if ((enc->use & TS_CODEC_USE_ZSTD) && code == TS_OK && plain >= ZSTD_LEAST)
		code = fixed_zstd(enc, values, width, n, out, len);
	if (code == TS_OK && *len == 1 + plain)
	{
		out[0] = FORMAT_BYTE(FORM_PLAIN);
		memcpy(out + 1, values, plain);
	}
	return code;
}

/* ---- varying size ---- */

static bool
all_values_equal(const TsCodecBytes *values, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
	{
		if (!same_bytes(&values[i], &values[0]))
			return false;
	}
	return true;
}

/* Lays out the values in enc->plain, start[] of vectors, and the sizes' column. */
static TsErrorCode
lay_out(TsCodecEncoder *enc, const TsCodecBytes *values, uint32_t n, size_t bytes,
		uint64_t *start, size_t *nested)
{
	const TsAllocator *allocator = &enc->allocator;
	int64_t *sizes;
	uint64_t at = 0;

	if (!codec_buffer_reserve(allocator, &enc->plain, bytes + 1) ||
		!codec_buffer_reserve(allocator, &enc->sizes, (size_t) n * 8) ||
		!codec_buffer_reserve(allocator, &enc->nested, ts_codec_number_bound(n)))
		return TS_ERR_MEMORY;
	sizes = (int64_t *) enc->sizes.data;
	for (uint32_t i = 0; i < n; i++)
	{
		if (i % VECTOR == 0)
			start[i / VECTOR] = at;
		sizes[i] = values[i].size;
		if (values[i].size > 0)
			memcpy(enc->plain.data + at, values[i].data, values[i].size);
		at += values[i].size;
	}
	start[ts_codec_vectors(n)] = at;
	assert(at == bytes);
	return codec_write_ints(enc, sizes, n, enc->nested.data, nested);
}

/* Writes values without a dictionary. */
static TsErrorCode
write_values(TsCodecEncoder *enc, const TsCodecBytes *values, uint32_t n, size_t bytes,
			 uint8_t *out, size_t *len)
{
	uint64_t start[MAX_VECTORS + 1];
	uint32_t vectors = ts_codec_vectors(n);
	size_t nested;
	size_t framed = 0;
	uint8_t *p = out + 1;
	TsErrorCode code;

	if (all_values_equal(values, n))
	{
		out[0] = FORMAT_BYTE(FORM_CONST);
		if (values[0].size > 0)
			memcpy(out + 1, values[0].data, values[0].size);
		*len = 1 + values[0].size;
		return TS_OK;
	}
	code = lay_out(enc, values, n, bytes, start, &nested);
	if (code != TS_OK)
		return code;
	p = put_varint(p, nested);
	memcpy(p, enc->nested.data, nested);
	p += nested;
	for (uint32_t v = 0; v < vectors; v++)
		p = put_varint(p, start[v + 1] - start[v]);
	if ((enc->use & TS_CODEC_USE_ZSTD) && bytes >= ZSTD_LEAST)
		code = codec_write_frames(enc, enc->plain.data, start, vectors, bytes, &framed);
	if (framed > 0)
	{
		out[0] = FORMAT_BYTE(FORM_ZSTD);
		memcpy(p, enc->trial.data, framed);
		p += framed;
	}
	else
	{
		out[0] = FORMAT_BYTE(FORM_PLAIN);
		memcpy(p, enc->plain.data, bytes);
		p += bytes;
	}
	*len = (size_t) (p - out);
	return code;
}

static size_t
sum_sizes(const TsCodecBytes *values, uint32_t n)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += values[i].size;
	return bytes;
}

/* Writes a dictionary to enc->column; *len is 0 if none is of use. */
static TsErrorCode
write_dictionary(TsCodecEncoder *enc, const TsCodecBytes *values, uint32_t n,
				 uint32_t *entries, size_t *len)
{
	const TsCodecBytes *distinct;
	size_t bytes;
	size_t column;
	size_t nested;
	uint8_t *p;
	TsErrorCode code;

	*len = 0;
	if (!reserve_dictionary(enc, n))
		return TS_ERR_MEMORY;
	*entries = assign_codes(enc, values, n);
	if (*entries == 0)
		return TS_OK;
	distinct = (const TsCodecBytes *) enc->entries.data;
	bytes = sum_sizes(distinct, *entries);
	if (!codec_buffer_reserve(&enc->allocator, &enc->column,
							  32 + ts_codec_bytes_bound(*entries, bytes) +
								  ts_codec_number_bound(n)))
		return TS_ERR_MEMORY;
	/* the entries are written behind the room of what comes before them */
	p = enc->column.data;
	code = write_values(enc, distinct, *entries, bytes, p + 32, &column);
	if (code != TS_OK)
		return code;
	*p++ = FORMAT_BYTE(FORM_DICTIONARY);
	p = put_varint(p, *entries);
	p = put_varint(p, column);
	memmove(p, enc->column.data + 32, column);
	p += column;
	code = codec_write_ints(enc, (int64_t *) enc->codes.data, n, p, &nested);
	*len = (size_t) (p - enc->column.data) + nested;
	return code;
}

TsErrorCode
ts_codec_encode_bytes(TsCodecEncoder *enc, const TsCodecBytes *values, uint32_t n,
					  uint8_t *out, size_t *len)
{
	size_t bytes;
	size_t dictionary = 0;
	uint32_t entries = 0;
	TsErrorCode code = TS_OK;

	*len = 0;
	if (n > TS_CODEC_MAX_VALUES)
		return TS_ERR_LIMIT;
	if (n == 0)
		return TS_OK;
	bytes = sum_sizes(values, n);
	if (bytes > TS_CODEC_MAX_BYTES)
		return TS_ERR_LIMIT;
	if ((enc->use & TS_CODEC_USE_DICTIONARY) && !all_values_equal(values, n))
	{
		code = write_dictionary(enc, values, n, &entries, &dictionary);
		if (code != TS_OK)
			return code;
	}
	/* with few entries nothing else comes near, if their codes may be packed */
	if (dictionary == 0 || entries > n / 16 ||
		dictionary > ts_codec_bytes_bound(n, bytes))
		code = write_values(enc, values, n, bytes, out, len);
	if (code == TS_OK && dictionary > 0 && (*len == 0 || dictionary < *len))
	{
		memcpy(out, enc->column.data, dictionary);
		*len = dictionary;
	}
	return code;
}
