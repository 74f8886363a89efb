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
	if (head->bitmap && (head->predictor != PREDICT_DELTA || head->nonzero == 0))
		return false;
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

typedef uint64_t Four __attribute__((vector_size(32)));

/*
 * The running sum of deltas, eight at a time: sums within fours first, so that from
 * one eight to the next only one addition waits for another.
 * Numbers and y must have room for count rounded up to eight.
 */
KERNEL static void
sum_deltas(const uint64_t *numbers, uint32_t count, int64_t anchor, int64_t base,
		   int64_t *y)
{
	const Four zero = {0};
	Four bases = zero + (uint64_t) base;
	Four sum = zero + (uint64_t) anchor;

	y[0] = anchor;
	for (uint32_t i = 0; i < count; i += 8)
	{
		Four a;
		Four b;

		memcpy(&a, numbers + i, sizeof(a));
		memcpy(&b, numbers + i + 4, sizeof(b));
		a += bases;
		b += bases;
		a += __builtin_shufflevector(a, zero, 4, 0, 1, 2);
		b += __builtin_shufflevector(b, zero, 4, 0, 1, 2);
		a += __builtin_shufflevector(a, zero, 4, 4, 0, 1);
		b += __builtin_shufflevector(b, zero, 4, 4, 0, 1);
		b += __builtin_shufflevector(a, a, 3, 3, 3, 3);
		a += sum;
		b += sum;
		sum = __builtin_shufflevector(b, b, 3, 3, 3, 3);
		memcpy(y + i + 1, &a, sizeof(a));
		memcpy(y + i + 5, &b, sizeof(b));
	}
}

static void
sum_twice(const int64_t *deltas, uint32_t count, const VectorHead *head, int64_t *y)
{
	uint64_t sum = (uint64_t) head->anchor;

	y[0] = head->anchor;
	for (uint32_t i = 0; i < count; i++)
	{
		sum += (uint64_t) deltas[i];
		y[i + 1] = (int64_t) sum;
	}
}

KERNEL void
codec_fill_ramp(uint64_t start, uint64_t step, uint32_t count, int64_t *out)
{
	for (uint32_t i = 0; i < count; i++)
	{
		out[i] = (int64_t) start;
		start += step;
	}
}

/* The bitmap as words; false if it has not as many ones as there are numbers. */
static bool
load_bitmap(const VectorHead *head, const uint8_t *in, uint32_t count, uint64_t *words)
{
	uint32_t ones = 0;

	memset(words, 0, VECTOR / 8);
	memcpy(words, in, packed_size(count, 1));
	if (count % 64 != 0)
		words[count / 64] &= (UINT64_C(1) << count % 64) - 1;
	for (uint32_t w = 0; w < VECTOR / 64; w++)
		ones += (uint32_t) __builtin_popcountll(words[w]);
	return ones == head->nonzero;
}

/*
 * What stays the same where the bitmap has 0, and takes the next sum where it has 1.
 */
static void
spread_sums(const int64_t *sums, const uint64_t *words, uint32_t count, int64_t *y)
{
	y[0] = *sums;
	for (uint32_t i = 0; i < count; i += 64)
	{
		uint64_t word = words[i / 64];
		uint32_t end = count - i < 64 ? count - i : 64;

		for (uint32_t k = 0; k < end; k++)
		{
			sums += word & 1;
			word >>= 1;
			y[i + k + 1] = *sums;
		}
	}
}

/* Unpacks the numbers of a vector, with their patches. */
static bool
unpack_numbers(const VectorHead *head, uint32_t m, const uint8_t *limit,
			   uint64_t *numbers)
{
	uint32_t packed = head_numbers(head, m);
	size_t bitmap = head->bitmap ? packed_size(head_residuals(head, m), 1) : 0;
	const uint8_t *in = head->payload;

	codec_unpack(in, limit, packed, head->width, numbers);
	return head->patches == 0 ||
		   add_patches(head, in + packed_size(packed, head->width) + bitmap, limit,
					   packed, numbers);
}

bool
codec_decode_vector(const VectorHead *head, uint32_t m, const uint8_t *limit, int64_t *y)
{
	_Alignas(64) uint64_t numbers[VECTOR + UNPACK_SLACK];
	_Alignas(64) int64_t sums[VECTOR + UNPACK_SLACK];
	uint64_t words[VECTOR / 64];
	uint32_t count = head_residuals(head, m);
	uint32_t packed = head_numbers(head, m);

	if (head->width == 0 && head->patches == 0 && !head->bitmap &&
		head->predictor != PREDICT_DOD)
	{
		/* all residuals are the same */
		codec_fill_ramp((uint64_t) head->anchor, (uint64_t) head->base, m, y);
		return true;
	}
	if (!unpack_numbers(head, m, limit, numbers))
		return false;
	if (head->predictor == PREDICT_PLAIN)
	{
		add_anchor(numbers, count, head->anchor, y);
		return true;
	}
	if (head->predictor == PREDICT_DOD)
	{
		sum_deltas(numbers, packed, head->step, head->base, sums);
		sum_twice(sums, m - 1, head, y);
		return true;
	}
	if (!head->bitmap)
	{
		sum_deltas(numbers, packed, head->anchor, head->base, y);
		return true;
	}
	if (!load_bitmap(head, head->payload + packed_size(packed, head->width), count,
					 words))
		return false;
	sum_deltas(numbers, packed, head->anchor, head->base, sums);
	spread_sums(sums, words, count, y);
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
