/*
 * vector_read.c
 *	  Reads the headers of vectors, and decodes a vector.
 *
 * The mirror of vector_write.c. Reading the headers establishes, for every vector,
 * that its payload lies within the column; decoding checks what is in the payload.
 */
#include "codec_internal.h"

#include <assert.h>

bool
codec_read_head(Cursor *c, VectorState *state, VectorHead *head)
{
	uint8_t flags = get_byte(c);

	memset(head, 0, sizeof(*head));
	head->predictor = flags & HEAD_PREDICTOR;
	head->bitmap = (flags & HEAD_BITMAP) != 0;
	if (!(flags & HEAD_NO_WIDTH))
	{
		head->width = get_byte(c);
		if (head->width == 0)
			return false;
	}
	if (!(flags & HEAD_NO_ANCHOR))
		state->anchor = wrap_add(state->anchor, get_signed(c));
	if (!(flags & HEAD_NO_BASE))
		state->base = wrap_add(state->base, get_signed(c));
	head->anchor = state->anchor;
	head->base = state->base;
	if (head->predictor == PREDICT_PLAIN)
	{
		if (!(flags & HEAD_NO_BASE))
			return false;
		head->base = 0;
	}
	if (head->predictor == PREDICT_DOD)
		head->step = get_signed(c);
	if (head->bitmap)
		head->nonzero = get_byte(c);
	if (flags & HEAD_PATCHES)
	{
		head->patches = (uint16_t) (get_byte(c) + 1);
		head->patch_width = get_byte(c);
	}
	if (flags & HEAD_FOREIGN)
	{
		uint64_t field = get_varint(c);

		if (field >= 2 * VECTOR)
			return false;
		head->foreign = (uint16_t) (field / 2 + 1);
		head->foreign_same = field & 1;
	}
	return c->ok && head->predictor <= PREDICT_DOD && head->width <= 64 &&
		   head->patch_width <= 64 && (head->patches == 0) == (head->patch_width == 0);
}

/* Numbers that are packed: all residuals, or those that are not zero. */
static uint32_t
head_numbers(const VectorHead *head, uint32_t m)
{
	return head->bitmap ? head->nonzero : head_residuals(head, m);
}

/* Bytes of the payload; counts that contradict m give SIZE_MAX. */
size_t
codec_payload_size(const VectorHead *head, uint32_t m, unsigned width)
{
	uint32_t residuals = head_residuals(head, m);
	uint32_t numbers = head_numbers(head, m);
	size_t size;

	if (numbers > residuals || head->patches > numbers || head->foreign > m)
		return SIZE_MAX;
	size = packed_size(numbers, head->width);
	if (head->bitmap)
		size += packed_size(residuals, 1);
	if (head->patches > 0)
		size += places_size(head->patches, numbers) +
				packed_size(head->patches, head->patch_width);
	if (head->foreign > 0)
		size += places_size(head->foreign, m) +
				(size_t) width * (head->foreign_same ? 1 : head->foreign);
	return size;
}

/* Bytes of the payload before the foreign values. */
static size_t
numbers_size(const VectorHead *head, uint32_t m)
{
	VectorHead own = *head;

	own.foreign = 0;
	return codec_payload_size(&own, m, 0);
}

static bool
add_patches(const VectorHead *head, const uint8_t *in, const uint8_t *limit,
			uint32_t count, uint64_t *numbers)
{
	uint8_t places[VECTOR];
	uint64_t patches[VECTOR + UNPACK_SLACK];

	if (!codec_get_places(in, head->patches, count, places))
		return false;
	codec_unpack(in + places_size(head->patches, count), limit, head->patches,
				 head->patch_width, patches);
	if (head->width == 64)
		return true;
	for (uint32_t i = 0; i < head->patches; i++)
		numbers[places[i]] += (uint64_t) unzigzag(patches[i]) << head->width;
	return true;
}

KERNEL static void
add_anchor(const uint64_t *numbers, uint32_t count, int64_t anchor, int64_t *y)
{
	for (uint32_t i = 0; i < count; i++)
		y[i] = (int64_t) (numbers[i] + (uint64_t) anchor);
}

static void
sum_deltas(const uint64_t *numbers, uint32_t count, int64_t anchor, int64_t base,
		   int64_t *y)
{
	uint64_t sum = (uint64_t) anchor;

	y[0] = anchor;
	for (uint32_t i = 0; i < count; i++)
	{
		sum += numbers[i] + (uint64_t) base;
		y[i + 1] = (int64_t) sum;
	}
}

static void
sum_twice(const uint64_t *numbers, uint32_t count, const VectorHead *head, int64_t base,
		  int64_t *y)
{
	uint64_t sum = (uint64_t) head->anchor;
	uint64_t delta = (uint64_t) head->step;

	y[0] = head->anchor;
	sum += delta;
	y[1] = (int64_t) sum;
	for (uint32_t i = 0; i < count; i++)
	{
		delta += numbers[i] + (uint64_t) base;
		sum += delta;
		y[i + 2] = (int64_t) sum;
	}
}

/* Puts back the zeroes that the bitmap stands for. */
static bool
spread_numbers(const VectorHead *head, const uint8_t *in, uint32_t count,
			   const uint64_t *numbers, uint64_t *residuals)
{
	uint64_t words[VECTOR / 64] = {0};
	uint32_t next = 0;
	uint32_t ones = 0;

	for (uint32_t w = 0; w < VECTOR / 64; w++)
	{
		uint8_t bytes[8] = {0};
		uint32_t start = w * 8;
		uint32_t size = (uint32_t) packed_size(count, 1);

		if (start < size)
			memcpy(bytes, in + start, size - start < 8 ? size - start : 8);
		words[w] = load64(bytes);
		ones += (uint32_t) __builtin_popcountll(words[w]);
	}
	if (ones != head->nonzero)
		return false;
	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t is = words[i / 64] >> (i & 63) & 1;

		residuals[i] = (numbers[next] + (uint64_t) head->base) & (0 - is);
		next += (uint32_t) is;
	}
	return true;
}

bool
codec_decode_vector(const VectorHead *head, uint32_t m, const uint8_t *limit, int64_t *y)
{
	uint64_t numbers[VECTOR + UNPACK_SLACK];
	uint64_t spread[VECTOR + UNPACK_SLACK];
	const uint64_t *residuals = numbers;
	uint32_t count = head_residuals(head, m);
	uint32_t packed = head_numbers(head, m);
	const uint8_t *in = head->payload;
	int64_t base = head->base;

	codec_unpack(in, limit, packed, head->width, numbers);
	in += packed_size(packed, head->width);
	if (head->patches > 0 &&
		!add_patches(head, in + (head->bitmap ? packed_size(count, 1) : 0), limit, packed,
					 numbers))
		return false;
	if (head->bitmap)
	{
		numbers[packed] = 0;
		if (!spread_numbers(head, in, count, numbers, spread))
			return false;
		residuals = spread;
		base = 0;
	}
	switch (head->predictor)
	{
		case PREDICT_PLAIN:
			add_anchor(residuals, count, head->anchor, y);
			break;
		case PREDICT_DELTA:
			sum_deltas(residuals, count, head->anchor, base, y);
			break;
		default:
			sum_twice(residuals, count, head, base, y);
			break;
	}
	return true;
}

bool
codec_decode_foreign(const VectorHead *head, uint32_t m, unsigned width, void *out)
{
	const uint8_t *in = head->payload + numbers_size(head, m);
	uint8_t places[VECTOR];

	if (!codec_get_places(in, head->foreign, m, places))
		return false;
	in += places_size(head->foreign, m);
	for (uint32_t i = 0; i < head->foreign; i++)
	{
		if (width == 8)
		{
			uint64_t pattern = load64(in);

			memcpy((uint64_t *) out + places[i], &pattern, 8);
		}
		else
		{
			uint32_t pattern = load32(in);

			memcpy((uint32_t *) out + places[i], &pattern, 4);
		}
		if (!head->foreign_same)
			in += width;
	}
	return true;
}
