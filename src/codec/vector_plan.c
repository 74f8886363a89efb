/*
 * vector_plan.c
 *	  How a vector of integers is written: which predictor, with zero bitmap or
 *	  without, what base and width, what is patched.
 *
 * Nothing is encoded to find out. For each set of residuals in question one
 * histogram of their widths above a base tells what every width would cost, with
 * what does not fit patched in; the base is the least residual or, if the least
 * are outliers (a counter's reset), the least of the others.
 */
#include "codec_internal.h"

#include <assert.h>

/* What packing a set of residuals takes. */
typedef struct Pack
{
	int64_t base;
	uint32_t bits; /* all but the header's fixed part */
	unsigned width;
	unsigned patch_width;
	uint32_t patches;
} Pack;

/* A patch's count and width in the header. */
#define PATCH_HEAD_BITS 16

KERNEL static void
least_and_most(const int64_t *r, uint32_t count, int64_t *least, int64_t *most)
{
	int64_t min = r[0];
	int64_t max = r[0];

	for (uint32_t i = 1; i < count; i++)
	{
		min = r[i] < min ? r[i] : min;
		max = r[i] > max ? r[i] : max;
	}
	*least = min;
	*most = max;
}

/* The least residual that is not below the fence; there is one. */
KERNEL static int64_t
least_above(const int64_t *r, uint32_t count, int64_t fence)
{
	int64_t min = INT64_MAX;

	for (uint32_t i = 0; i < count; i++)
	{
		int64_t candidate = r[i] < fence ? INT64_MAX : r[i];

		min = candidate < min ? candidate : min;
	}
	return min;
}

KERNEL static uint64_t
differences(const int64_t *y, uint32_t count, int64_t *d)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		d[i] = wrap_sub(y[i + 1], y[i]);
		any |= (uint64_t) d[i];
	}
	return any;
}

/* The widths of r - base; 64 stands for what lies below the base, too. */
KERNEL static void
widths_above(const int64_t *r, uint32_t count, int64_t base, uint8_t *widths)
{
	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t u = (uint64_t) r[i] - (uint64_t) base;

		widths[i] = (uint8_t) (u == 0 ? 0 : 64 - __builtin_clzll(u));
	}
}

/*
 * The best width for residuals above a base; the least and most of all are given.
 */
static void
pack_above(const int64_t *r, uint32_t count, int64_t base, int64_t least, int64_t most,
		   Pack *pack)
{
	uint8_t widths[VECTOR];
	uint16_t histogram[4][65] = {0};
	uint32_t above = 0;   /* residuals that do not fit in the width looked at */
	unsigned below_width; /* of the patch of the lowest outlier, less its sign */
	unsigned widest;
	uint64_t lowest = ~((uint64_t) least - (uint64_t) base);
	bool below;

	/* what is so far above that it counts as below has 63 bits at most */
	if ((uint64_t) most - (uint64_t) base > (uint64_t) INT64_MAX)
		lowest = (uint64_t) INT64_MAX;
	widths_above(r, count, base, widths);
	for (uint32_t i = 0; i < count; i++)
		histogram[i & 3][widths[i]]++;
	for (unsigned w = 0; w <= 64; w++)
		histogram[0][w] += histogram[1][w] + histogram[2][w] + histogram[3][w];
	for (widest = 63; widest > 0 && histogram[0][widest] == 0; widest--)
		;
	below = histogram[0][64] > 0;
	above = histogram[0][64];

	pack->base = base;
	pack->width = 64;
	pack->patches = 0;
	pack->patch_width = 0;
	pack->bits = 64 * count;
	for (unsigned w = widest + 1; w-- > 0;)
	{
		uint32_t bits = count * w;
		unsigned patch_width = 0;

		/* widest itself patches only what is below the base */
		if (w < widest)
			above += histogram[0][w + 1];
		if (above > 0)
		{
			patch_width = widest > w ? widest - w : 0;
			if (below)
			{
				below_width = bit_width(lowest >> w);
				patch_width = below_width > patch_width ? below_width : patch_width;
			}
			patch_width++;
			if (patch_width > 64)
				continue;
			bits += PATCH_HEAD_BITS + (uint32_t) places_size(above, count) * 8 +
					above * patch_width;
		}
		if (bits < pack->bits)
		{
			pack->bits = bits;
			pack->width = w;
			pack->patches = above;
			pack->patch_width = patch_width;
		}
	}
}

/*
 * A value below which a residual is an outlier: as far below the bulk of a sample
 * as the bulk is wide.
 */
static int64_t
outlier_fence(const int64_t *r, uint32_t count)
{
	int64_t sample[16];
	uint64_t spread;

	for (uint32_t i = 0; i < 16; i++)
	{
		int64_t value = r[i * count / 16];
		uint32_t j = i;

		for (; j > 0 && sample[j - 1] > value; j--)
			sample[j] = sample[j - 1];
		sample[j] = value;
	}
	spread = (uint64_t) sample[13] - (uint64_t) sample[2];
	if (spread > (uint64_t) sample[2] - (uint64_t) INT64_MIN)
		return INT64_MIN;
	return (int64_t) ((uint64_t) sample[2] - spread);
}

static void
plan_pack(const int64_t *r, uint32_t count, Pack *pack)
{
	int64_t least;
	int64_t most;
	int64_t fence;

	memset(pack, 0, sizeof(*pack));
	if (count == 0)
		return;
	least_and_most(r, count, &least, &most);
	if (least == most)
	{
		pack->base = least;
		return;
	}
	pack_above(r, count, least, least, most, pack);
	fence = outlier_fence(r, count);
	if (least < fence)
	{
		Pack trimmed;

		pack_above(r, count, least_above(r, count, fence), least, most, &trimmed);
		if (trimmed.bits < pack->bits)
			*pack = trimmed;
	}
}

/* Bits of a field that holds value relative to before, and may be absent. */
static uint32_t
field_bits(int64_t value, int64_t before)
{
	return value == before ? 0 : 8 * varint_size(zigzag(wrap_sub(value, before)));
}

/* Splits residuals into a bitmap and those that are not zero; returns their number. */
static uint32_t
split_zeroes(const int64_t *r, uint32_t count, uint64_t *bitmap, int64_t *nonzero)
{
	uint32_t found = 0;

	memset(bitmap, 0, VECTOR / 8);
	for (uint32_t i = 0; i < count; i++)
	{
		uint64_t is = r[i] != 0;

		bitmap[i / 64] |= is << (i & 63);
		nonzero[found] = r[i];
		found += (uint32_t) is;
	}
	return found;
}

/* Adopts a choice, with the residuals it is about. */
static void
take(VectorPlan *plan, const Pack *pack, unsigned predictor, const int64_t *r,
	 uint32_t count)
{
	VectorHead *head = &plan->head;

	head->predictor = (uint8_t) predictor;
	head->width = (uint8_t) pack->width;
	head->patches = (uint16_t) pack->patches;
	head->patch_width = (uint8_t) pack->patch_width;
	plan->count = count;
	for (uint32_t i = 0; i < count; i++)
		plan->numbers[i] = wrap_sub(r[i], pack->base);
}

void
codec_plan_vector(const int64_t *y, uint32_t m, const VectorState *state,
				  VectorPlan *plan)
{
	VectorHead *head = &plan->head;
	int64_t d[VECTOR];
	int64_t residuals[VECTOR];
	uint64_t bitmap[VECTOR / 64];
	Pack best;
	Pack pack;
	uint32_t bits;
	uint32_t best_bits;
	uint32_t nonzero;

	memset(head, 0, sizeof(*head));
	head->anchor = y[0];
	head->base = state->base;
	plan->count = 0;
	if (m == 1 || differences(y, m - 1, d) == 0)
		return;

	/* deltas; what follows is compared with these */
	plan_pack(d, m - 1, &best);
	best_bits = best.bits + field_bits(y[0], state->anchor) +
				field_bits(best.base, state->base);
	head->base = best.base;
	take(plan, &best, PREDICT_DELTA, d, m - 1);
	if (best.bits == 0)
		return;

	nonzero = split_zeroes(d, m - 1, bitmap, residuals);
	if (nonzero < m - 1)
	{
		plan_pack(residuals, nonzero, &pack);
		bits = pack.bits + 8 * ((m + 6) / 8) + 8 + field_bits(y[0], state->anchor) +
			   field_bits(pack.base, state->base);
		if (bits < best_bits)
		{
			best_bits = bits;
			head->base = pack.base;
			head->bitmap = true;
			head->nonzero = (uint16_t) nonzero;
			memcpy(plan->bitmap, bitmap, sizeof(bitmap));
			take(plan, &pack, PREDICT_DELTA, residuals, nonzero);
		}
	}

	if (m > 2)
	{
		differences(d, m - 2, residuals);
		plan_pack(residuals, m - 2, &pack);
		bits = pack.bits + field_bits(y[0], state->anchor) +
			   field_bits(pack.base, state->base) + 8 * varint_size(zigzag(d[0]));
		if (bits < best_bits)
		{
			best_bits = bits;
			head->base = pack.base;
			head->step = d[0];
			head->bitmap = false;
			take(plan, &pack, PREDICT_DOD, residuals, m - 2);
		}
	}

	plan_pack(y, m, &pack);
	bits = pack.bits + field_bits(pack.base, state->anchor);
	if (bits < best_bits)
	{
		head->anchor = pack.base;
		head->base = state->base;
		head->step = 0;
		head->bitmap = false;
		head->nonzero = 0;
		take(plan, &pack, PREDICT_PLAIN, y, m);
	}
	if (!head->bitmap)
		head->nonzero = 0;
}
