/*
 * bits.c
 *	  Columns of bits: nulls and booleans.
 *
 * Either all are equal, or they come in few runs, or they are written as they are.
 */
#include "codec_internal.h"

#include <assert.h>

size_t
ts_codec_bits_bound(uint32_t n)
{
	return 2 + ((size_t) n + 7) / 8;
}

static bool
bit_at(const uint64_t *words, uint32_t i)
{
	return words[i / 64] >> (i & 63) & 1;
}

/* The first position from i on, below n, whose bit is not value; n if there is none. */
static uint32_t
run_end(const uint64_t *words, uint32_t n, uint32_t i, bool value)
{
	uint64_t flip = value ? ~UINT64_C(0) : 0;

	while (i < n)
	{
		uint64_t left = (words[i / 64] ^ flip) >> (i & 63);

		if (left != 0)
		{
			i += (uint32_t) __builtin_ctzll(left);
			return i < n ? i : n;
		}
		i = (i / 64 + 1) * 64;
	}
	return n;
}

/* Writes the runs unless they need room bytes or more; returns the end, or NULL. */
static uint8_t *
write_runs(const uint64_t *words, uint32_t n, uint8_t *out, size_t room)
{
	uint8_t *end = out + room;
	bool value = bit_at(words, 0);
	uint32_t from = 0;

	while (true)
	{
		uint32_t to = run_end(words, n, from, value);

		if (to == n)
			return out;
		if ((size_t) (end - out) <= varint_size(to - from))
			return NULL;
		out = put_varint(out, to - from);
		from = to;
		value = !value;
	}
}

TsErrorCode
ts_codec_encode_bits(TsCodecEncoder *enc, const uint64_t *words, uint32_t n, uint8_t *out,
					 size_t *len)
{
	size_t plain = ((size_t) n + 7) / 8;
	uint8_t *end;

	*len = 0;
	if (n > TS_CODEC_MAX_VALUES)
		return TS_ERR_LIMIT;
	if (n == 0)
		return TS_OK;
	out[1] = bit_at(words, 0);
	if (run_end(words, n, 0, out[1]) == n)
	{
		out[0] = FORMAT_BYTE(FORM_CONST);
		*len = 2;
		return TS_OK;
	}
	end = write_runs(words, n, out + 2, plain);
	if (end != NULL)
	{
		out[0] = FORMAT_BYTE(FORM_RUNS);
		*len = (size_t) (end - out);
		return TS_OK;
	}
	out[0] = FORMAT_BYTE(FORM_PLAIN);
	memcpy(out + 1, words, plain);
	if (n % 8 != 0)
		out[plain] &= (uint8_t) ((1 << n % 8) - 1);
	*len = 1 + plain;
	return TS_OK;
}

/* For each vector: the run it begins in, in heads[]: payload is what follows the run's
 * length, step its end, anchor its bit. */
static bool
open_runs(TsCodecReader *reader, Cursor *c, bool value)
{
	VectorHead *heads = reader->number.heads;
	uint32_t vectors = ts_codec_vectors(reader->n);
	uint32_t at = 0;
	uint32_t v = 0;

	while (true)
	{
		bool last = c->next == c->end;
		uint64_t length = last ? reader->n - at : get_varint(c);

		if (!c->ok || length == 0 || (!last && length >= reader->n - at))
			return false;
		at += (uint32_t) length;
		for (; v < vectors && v * VECTOR < at; v++)
		{
			heads[v].payload = c->next;
			heads[v].step = at;
			heads[v].anchor = value;
		}
		if (last)
			return true;
		value = !value;
	}
}

TsErrorCode
codec_open_bits(TsCodecReader *reader, Cursor *c)
{
	uint8_t first = get_byte(c);
	uint8_t value = 0;

	reader->form = FORMAT_FORM(first);
	if (!c->ok || FORMAT_VERSION_OF(first) != FORMAT_VERSION)
		return codec_damaged(reader, "unknown version of a column of bits");
	switch (reader->form)
	{
		case FORM_CONST:
		case FORM_RUNS:
			value = get_byte(c);
			if (!c->ok || value > 1)
				return codec_damaged(reader, "damaged header of a column of bits");
			reader->number.heads[0].anchor = value;
			if (reader->form == FORM_RUNS && !open_runs(reader, c, value))
				return codec_damaged(reader, "damaged runs of a column of bits");
			break;
		case FORM_PLAIN:
			reader->data = get_bytes(c, ((size_t) reader->n + 7) / 8);
			break;
		default:
			return codec_damaged(reader, "unknown form of a column of bits");
	}
	if (!c->ok || c->next != c->end)
		return codec_damaged(reader, "a column of bits is not as long as its parts");
	return TS_OK;
}

/* Sets bits from..to-1 of a vector. */
static void
set_bits(uint64_t *words, uint32_t from, uint32_t to)
{
	while (from < to)
	{
		uint32_t end = (from / 64 + 1) * 64;
		uint64_t mask = ~UINT64_C(0) << (from & 63);

		if (to < end)
			mask &= (UINT64_C(1) << (to & 63)) - 1;
		words[from / 64] |= mask;
		from = end;
	}
}

static void
decode_runs(const TsCodecReader *reader, uint32_t v, uint32_t m, uint64_t *words)
{
	const VectorHead *head = &reader->number.heads[v];
	Cursor c = {head->payload, reader->limit, true};
	uint32_t start = v * VECTOR;
	uint32_t from = start;
	uint32_t to = (uint32_t) head->step;
	bool value = head->anchor != 0;

	while (true)
	{
		uint32_t end = to < start + m ? to : start + m;

		if (value)
			set_bits(words, from - start, end - start);
		if (end == start + m)
			return;
		from = to;
		to = c.next == c.end ? reader->n : to + (uint32_t) get_varint(&c);
		value = !value;
	}
}

TsErrorCode
ts_codec_decode_bits(TsCodecReader *reader, uint32_t first, uint32_t count, uint64_t *out)
{
	assert(reader->type == TS_CODEC_BITS && first + count <= reader->vectors);
	for (uint32_t v = first; v < first + count; v++)
	{
		uint32_t m = vector_length(reader->n, v);
		uint32_t words = (m + 63) / 64;

		memset(out, 0, words * sizeof(uint64_t));
		switch (reader->form)
		{
			case FORM_CONST:
				if (reader->number.heads[0].anchor != 0)
					set_bits(out, 0, m);
				break;
			case FORM_RUNS:
				decode_runs(reader, v, m, out);
				break;
			default:
				memcpy(out, reader->data + v * (VECTOR / 8), (m + 7) / 8);
				if (m % 64 != 0)
					out[words - 1] &= (UINT64_C(1) << m % 64) - 1;
		}
		out += words;
	}
	return TS_OK;
}
