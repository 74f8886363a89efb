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

/* Deltas; returns how many are 0. */
KERNEL static uint32_t
differences(const int64_t *y, uint32_t count, int64_t *d)
{
	uint64_t zeroes = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		d[i] = wrap_sub(y[i + 1], y[i]);
		zeroes += d[i] == 0;
	}
	return (uint32_t) zeroes;
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

/* What a sample of the residuals says. */
typedef struct Sample
{
	int64_t fence;  /* what is below it is an outlier */
	unsigned width; /* bits that most residuals need, whatever the base */
} Sample;

/*
 * An outlier is as far below the bulk of the sample as the bulk is wide.
 */
static void
take_sample(const int64_t *r, uint32_t count, Sample *result)
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
	result->fence = INT64_MIN;
	if (spread <= (uint64_t) sample[2] - (uint64_t) INT64_MIN)
		result->fence = (int64_t) ((uint64_t) sample[2] - spread);
	result->width = bit_width(spread);
}

/*
 * Plans how to pack residuals; false if it is clear, after a look at some of them,
 * that it takes more than limit bits.
 */
static bool
plan_pack(const int64_t *r, uint32_t count, uint32_t limit, Pack *pack)
{
	Sample sample;
	int64_t least;
	int64_t most;

	memset(pack, 0, sizeof(*pack));
	if (count == 0)
		return true;
	take_sample(r, count, &sample);
	/* a base and one bit less than the bulk needs would have to patch half of it */
	if (sample.width > 1 && (sample.width - 1) * count > limit)
		return false;
	least_and_most(r, count, &least, &most);
	if (least == most)
	{
		pack->base = least;
		return true;
	}
	pack_above(r, count, least, least, most, pack);
	if (least < sample.fence)
	{
		Pack trimmed;

		pack_above(r, count, least_above(r, count, sample.fence), least, most, &trimmed);
		if (trimmed.bits < pack->bits)
			*pack = trimmed;
	}
	return true;
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

/* A choice in the making: the best so far. */
typedef struct Choice
{
	VectorHead *head;
	const int64_t *residuals;
	uint32_t count;
	uint32_t bits;
	Pack pack;
} Choice;

/* Adopts a way to write the vector if it takes fewer bits; says whether it did. */
static bool
consider(Choice *choice, const Pack *pack, uint32_t bits, unsigned predictor,
		 const int64_t *residuals, uint32_t count)
{
	if (bits >= choice->bits)
		return false;
	choice->bits = bits;
	choice->pack = *pack;
	choice->residuals = residuals;
	choice->count = count;
	choice->head->predictor = (uint8_t) predictor;
	choice->head->bitmap = false;
	return true;
}

KERNEL static void
subtract(const int64_t *residuals, uint32_t count, int64_t base, int64_t *numbers)
{
	for (uint32_t i = 0; i < count; i++)
		numbers[i] = wrap_sub(residuals[i], base);
}

/* Moves a choice into the plan. */
static void
finish_plan(const Choice *choice, const int64_t *y, const int64_t *d,
			const VectorState *state, VectorPlan *plan)
{
	VectorHead *head = &plan->head;
	bool plain = head->predictor == PREDICT_PLAIN;

	head->anchor = plain ? choice->pack.base : y[0];
	head->base = plain ? state->base : choice->pack.base;
	head->step = head->predictor == PREDICT_DOD ? d[0] : 0;
	head->nonzero = head->bitmap ? (uint16_t) choice->count : 0;
	head->width = (uint8_t) choice->pack.width;
	head->patches = (uint16_t) choice->pack.patches;
	head->patch_width = (uint8_t) choice->pack.patch_width;
	plan->count = choice->count;
	subtract(choice->residuals, choice->count, choice->pack.base, plan->numbers);
}

void
codec_plan_vector(const int64_t *y, uint32_t m, const VectorState *state,
				  VectorPlan *plan)
{
	int64_t d[VECTOR];
	int64_t nonzero[VECTOR];
	int64_t dd[VECTOR];
	Choice choice = {.head = &plan->head, .bits = UINT32_MAX};
	Pack pack;
	uint32_t anchor_bits = field_bits(y[0], state->anchor);
	uint32_t zeroes;
	uint32_t bits;

	memset(&plan->head, 0, sizeof(plan->head));
	plan->head.anchor = y[0];
	plan->head.base = state->base;
	plan->count = 0;
	zeroes = m == 1 ? 0 : differences(y, m - 1, d);
	if (zeroes == m - 1)
		return;

	plan_pack(d, m - 1, UINT32_MAX, &pack);
	bits = pack.bits + anchor_bits + field_bits(pack.base, state->base);
	consider(&choice, &pack, bits, PREDICT_DELTA, d, m - 1);

	/* a bitmap is a bit for every delta: each zero must save its width */
	if (pack.bits > m && zeroes * (pack.bits / (m - 1) + 1) > m - 1)
	{
		uint32_t count = split_zeroes(d, m - 1, plan->bitmap, nonzero);

		plan_pack(nonzero, count, UINT32_MAX, &pack);
		bits = pack.bits + 8 * ((m + 6) / 8) + 8 + anchor_bits +
			   field_bits(pack.base, state->base);
		if (consider(&choice, &pack, bits, PREDICT_DELTA, nonzero, count))
			plan->head.bitmap = true;
	}
	if (m > 2 && choice.pack.bits > 0)
	{
		differences(d, m - 2, dd);
		if (plan_pack(dd, m - 2, choice.bits, &pack))
		{
			bits = pack.bits + anchor_bits + field_bits(pack.base, state->base) +
				   8 * varint_size(zigzag(d[0]));
			consider(&choice, &pack, bits, PREDICT_DOD, dd, m - 2);
		}
	}
	if (choice.pack.bits > 0 && plan_pack(y, m, choice.bits, &pack))
	{
		bits = pack.bits + field_bits(pack.base, state->anchor);
		consider(&choice, &pack, bits, PREDICT_PLAIN, y, m);
	}
	finish_plan(&choice, y, d, state, plan);
}
