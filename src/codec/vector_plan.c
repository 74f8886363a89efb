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

/* A vector as small as this needs no other candidates. */
#define MUST_GAIN 160

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

/* What lies outside a width, when a base is given. */
typedef struct Outside
{
	unsigned widest; /* bits of the largest above the base */
	bool below;      /* are there any below the base? */
	uint64_t lowest; /* the lowest of these, as the complement of its distance */
} Outside;

/* Bits of the patches' numbers at a width: zigzagged, hence one more. */
static unsigned
patch_width_at(const Outside *outside, unsigned width)
{
	unsigned above = outside->widest > width ? outside->widest - width : 0;
	unsigned below = outside->below ? bit_width(outside->lowest >> width) : 0;

	return 1 + (above > below ? above : below);
}

/* How many residuals are of each width; 64 stands for what lies below the base, too. */
static void
count_widths(const int64_t *r, uint32_t count, int64_t base, uint32_t *histogram)
{
	uint8_t widths[VECTOR];
	uint16_t parts[4][65] = {0};

	widths_above(r, count, base, widths);
	/* four, since adding to the same counter again and again is slow */
	for (uint32_t i = 0; i < count; i++)
		parts[i & 3][widths[i]]++;
	for (unsigned w = 0; w <= 64; w++)
		histogram[w] = (uint32_t) parts[0][w] + parts[1][w] + parts[2][w] + parts[3][w];
}

/*
 * The best width for residuals above a base; the least and most of all are given.
 */
static void
pack_above(const int64_t *r, uint32_t count, int64_t base, int64_t least, int64_t most,
		   bool patches, Pack *pack)
{
	uint32_t histogram[65];
	Outside outside = {.widest = 63, .lowest = ~((uint64_t) least - (uint64_t) base)};
	uint32_t left; /* residuals that do not fit in the width looked at */

	/* what is so far above that it counts as below has 63 bits at most */
	if ((uint64_t) most - (uint64_t) base > (uint64_t) INT64_MAX)
		outside.lowest = (uint64_t) INT64_MAX;
	count_widths(r, count, base, histogram);
	while (outside.widest > 0 && histogram[outside.widest] == 0)
		outside.widest--;
	left = histogram[64];
	outside.below = left > 0;

	*pack = (Pack){.base = base, .width = 64, .bits = 64 * count};
	for (unsigned w = outside.widest + 1; w-- > 0;)
	{
		uint32_t bits = count * w;
		unsigned patch_width = 0;

		/* the widest itself leaves only what is below the base */
		if (w < outside.widest)
			left += histogram[w + 1];
		if (left > 0)
		{
			patch_width = patch_width_at(&outside, w);
			if (patch_width > 64 || !patches)
				continue;
			bits += PATCH_HEAD_BITS + (uint32_t) places_size(left, count) * 8 +
					left * patch_width;
		}
		if (bits < pack->bits)
			*pack = (Pack){base, bits, w, patch_width, left};
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
plan_pack(const int64_t *r, uint32_t count, uint32_t limit, unsigned use, Pack *pack)
{
	bool patches = (use & TS_CODEC_USE_PATCHES) != 0;
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
	pack_above(r, count, least, least, most, patches, pack);
	if (patches && least < sample.fence)
	{
		Pack trimmed;

		pack_above(r, count, least_above(r, count, sample.fence), least, most, true,
				   &trimmed);
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
codec_plan_vector(const int64_t *y, uint32_t m, const VectorState *state, unsigned use,
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

	if (use & TS_CODEC_USE_DELTAS)
	{
		plan_pack(d, m - 1, UINT32_MAX, use, &pack);
		bits = pack.bits + anchor_bits + field_bits(pack.base, state->base);
		consider(&choice, &pack, bits, PREDICT_DELTA, d, m - 1);

		/* a bitmap is a bit for every delta: each zero must save its width */
		if ((use & TS_CODEC_USE_BITMAPS) && pack.bits > m &&
			zeroes * (pack.bits / (m - 1) + 1) > m - 1)
		{
			uint32_t count = split_zeroes(d, m - 1, plan->bitmap, nonzero);

			plan_pack(nonzero, count, UINT32_MAX, use, &pack);
			bits = pack.bits + 8 * ((m + 6) / 8) + 8 + anchor_bits +
				   field_bits(pack.base, state->base);
			if (consider(&choice, &pack, bits, PREDICT_DELTA, nonzero, count))
				plan->head.bitmap = true;
		}
	}
	if ((use & TS_CODEC_USE_DODS) && choice.bits > MUST_GAIN)
	{
		uint32_t count = m > 2 ? m - 2 : 0;

		differences(d, count, dd);
		if (plan_pack(dd, count, choice.bits, use, &pack))
		{
			bits = pack.bits + anchor_bits + field_bits(pack.base, state->base) +
				   8 * varint_size(zigzag(d[0]));
			consider(&choice, &pack, bits, PREDICT_DOD, dd, count);
		}
	}
	if ((use & TS_CODEC_USE_FRAMES) && choice.bits > MUST_GAIN &&
		plan_pack(y, m, choice.bits, use, &pack))
	{
		bits = pack.bits + field_bits(pack.base, state->anchor);
		consider(&choice, &pack, bits, PREDICT_PLAIN, y, m);
	}
	finish_plan(&choice, y, d, state, plan);
}
