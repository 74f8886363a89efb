/*
 * vector_write.c
 *	  Writes the header and the payload of a planned vector.
 *
 * The mirror of vector_read.c; codec_format.h says what the bytes are.
 */
#include "codec_internal.h"

#include <assert.h>

static bool
is_foreign(const Foreign *foreign, uint32_t i)
{
	return foreign->bitmap[i / 64] >> (i & 63) & 1;
}

static uint64_t
foreign_pattern(const Foreign *foreign, uint32_t i)
{
	uint64_t pattern = 0;

	if (foreign->width == 8)
		memcpy(&pattern, (const uint64_t *) foreign->values + i, 8);
	else
	{
		uint32_t half;

		memcpy(&half, (const uint32_t *) foreign->values + i, 4);
		pattern = half;
	}
	return pattern;
}

void
codec_count_foreign(VectorHead *head, const Foreign *foreign, uint32_t first)
{
	const uint64_t *words = foreign->bitmap + first / 64;
	uint64_t pattern = 0;

	head->foreign = 0;
	head->foreign_same = true;
	if (foreign->count == 0)
		return;
	for (uint32_t w = 0; w < VECTOR / 64; w++)
	{
		for (uint64_t left = words[w]; left != 0; left &= left - 1)
		{
			uint32_t i = first + w * 64 + (uint32_t) __builtin_ctzll(left);

			if (head->foreign++ == 0)
				pattern = foreign_pattern(foreign, i);
			else if (foreign_pattern(foreign, i) != pattern)
				head->foreign_same = false;
		}
	}
}

uint8_t *
codec_write_head(uint8_t *out, const VectorHead *head, VectorState *state)
{
	uint8_t *flags = out++;

	*flags = head->predictor;
	if (head->width == 0)
		*flags |= HEAD_NO_WIDTH;
	else
		*out++ = head->width;
	if (head->anchor == state->anchor)
		*flags |= HEAD_NO_ANCHOR;
	else
		out = put_varint(out, zigzag(wrap_sub(head->anchor, state->anchor)));
	if (head->predictor == PREDICT_PLAIN || head->base == state->base)
		*flags |= HEAD_NO_BASE;
	else
		out = put_varint(out, zigzag(wrap_sub(head->base, state->base)));
	if (head->predictor == PREDICT_DOD)
		out = put_varint(out, zigzag(head->step));
	if (head->bitmap)
	{
		assert(head->nonzero > 0 && head->nonzero < VECTOR);
		*flags |= HEAD_BITMAP;
		*out++ = (uint8_t) head->nonzero;
	}
	if (head->patches > 0)
	{
		*flags |= HEAD_PATCHES;
		*out++ = (uint8_t) (head->patches - 1);
		*out++ = head->patch_width;
	}
	if (head->foreign > 0)
	{
		*flags |= HEAD_FOREIGN;
		out = put_varint(out, (uint64_t) (head->foreign - 1) * 2 + head->foreign_same);
	}
	state->anchor = head->anchor;
	if (head->predictor != PREDICT_PLAIN)
		state->base = head->base;
	return out;
}

/* The numbers' high parts that do not fit in the width, and where they are. */
static uint8_t *
write_patches(uint8_t *out, const VectorPlan *plan)
{
	const VectorHead *head = &plan->head;
	uint8_t places[VECTOR];
	uint64_t patches[VECTOR];
	uint32_t found = 0;

	for (uint32_t i = 0; i < plan->count; i++)
	{
		int64_t high = plan->numbers[i] >> head->width;

		if (high != 0)
		{
			places[found] = (uint8_t) i;
			patches[found++] = zigzag(high);
		}
	}
	assert(found == head->patches);
	out = codec_put_places(out, places, found, plan->count);
	codec_pack(patches, found, head->patch_width, out);
	return out + packed_size(found, head->patch_width);
}

static uint8_t *
write_foreign(uint8_t *out, const VectorHead *head, uint32_t m, const Foreign *foreign,
			  uint32_t first)
{
	uint8_t places[VECTOR];
	uint32_t found = 0;

	for (uint32_t i = 0; i < m; i++)
	{
		if (is_foreign(foreign, first + i))
			places[found++] = (uint8_t) i;
	}
	assert(found == head->foreign);
	out = codec_put_places(out, places, found, m);
	for (uint32_t i = 0; i < (head->foreign_same ? 1 : found); i++)
	{
		uint64_t pattern = foreign_pattern(foreign, first + places[i]);

		if (foreign->width == 8)
			store64(out, pattern);
		else
			store32(out, (uint32_t) pattern);
		out += foreign->width;
	}
	return out;
}

uint8_t *
codec_write_payload(uint8_t *out, const VectorPlan *plan, uint32_t m,
					const Foreign *foreign, uint32_t first)
{
	const VectorHead *head = &plan->head;
	uint64_t mask = head->width == 64 ? ~UINT64_C(0) : (UINT64_C(1) << head->width) - 1;
	uint64_t numbers[VECTOR];

	if (head->width > 0)
	{
		for (uint32_t i = 0; i < plan->count; i++)
			numbers[i] = (uint64_t) plan->numbers[i] & mask;
		codec_pack(numbers, plan->count, head->width, out);
		out += packed_size(plan->count, head->width);
	}
	if (head->bitmap)
	{
		uint8_t bytes[VECTOR / 8];

		for (uint32_t w = 0; w < VECTOR / 64; w++)
			store64(bytes + 8 * w, plan->bitmap[w]);
		memcpy(out, bytes, packed_size(m - 1, 1));
		out += packed_size(m - 1, 1);
	}
	if (head->patches > 0)
		out = write_patches(out, plan);
	if (head->foreign > 0)
		out = write_foreign(out, head, m, foreign, first);
	return out;
}
