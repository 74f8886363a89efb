/*
 * aggregate_histogram.c
 *	  sum and avg of histograms, of one group.
 *
 * A step whose group has both floats and histograms has no result; nor has one where
 * exponential and custom buckets meet, and from then on nothing more is added to it. The
 * histograms of a step are added only if a histogram was there first: otherwise there will
 * be no result anyway.
 */
#include "postgres.h"

#include "aggregate.h"

struct PqHistogramGroup
{
	TsHistogramSum **sums; /* of each step; NULL: none */
	uint64 *seen;          /* steps with histograms */
	uint64 *incompatible;
	uint64 *resets; /* steps where one says that there was a counter reset */
	uint64 *others; /* or that there was none */
	TsAllocator allocator;
};

static inline uint64
step_bit(uint32 i)
{
	return UINT64CONST(1) << (i % 64);
}

static PqHistogramGroup *
make_group(PqOperator *op)
{
	uint32 words = PQ_WORDS(op->steps.n);
	PqHistogramGroup *group = pq_alloc0(op, sizeof(PqHistogramGroup));
	uint64 *bits = pq_alloc0(op, 4 * (Size) words * sizeof(uint64));

	group->sums = pq_alloc0(op, op->steps.n * sizeof(TsHistogramSum *));
	group->seen = bits;
	group->incompatible = bits + words;
	group->resets = bits + 2 * (Size) words;
	group->others = bits + 3 * (Size) words;
	group->allocator = pq_allocator(&op->context_place);
	return group;
}

static void
note_hint(PqHistogramGroup *group, uint32 i, const TsHistogram *h)
{
	if (h->hint == TS_RESET_YES)
		group->resets[i / 64] |= step_bit(i);
	else if (h->hint == TS_RESET_NO)
		group->others[i / 64] |= step_bit(i);
}

/* The text for a metric's name, also where there is none. */
static const char *
for_metric(TsString labels)
{
	const char *text = pq_for_metric(labels);

	return *text ? text : " for metric name \"\"";
}

static void
add_histogram(PqOperator *op, PqHistogramGroup *group, uint32 i, const TsHistogram *h,
			  TsString labels)
{
	TsHistogramNotes notes = {0};

	note_hint(group, i, h);
	if (!ts_histogram_sum_add(group->sums[i], h, &notes) && !notes.incompatible)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	if (notes.incompatible)
	{
		group->incompatible[i / 64] |= step_bit(i);
		pq_warn(op->exec, pq_aggregated_position(op->node),
				"vector contains a mix of histograms with exponential and custom buckets "
				"schemas%s",
				for_metric(labels));
	}
	if (notes.bounds_reconciled)
		pq_info(op->exec, pq_aggregated_position(op->node),
				"mismatched custom buckets were reconciled during aggregation");
}

const uint64 *
pq_add_histograms(PqOperator *op, PqHistogramGroup **which, const uint64 *floats_seen,
				  const PqVector *v, TsString labels)
{
	uint32 words = PQ_WORDS(op->steps.n);
	PqHistogramGroup *group = *which;
	uint64 *floats;

	if (v->histograms == NULL && group == NULL)
		return v->present;
	if (group == NULL)
		group = *which = make_group(op);
	floats = pq_row_alloc(op, words * sizeof(uint64));
	for (uint32 w = 0; w < words; w++)
	{
		uint64 bits = floats[w] = v->present[w] & ~group->incompatible[w];

		for (; v->histograms && bits; bits &= bits - 1)
		{
			uint32 i = w * 64 + (uint32) __builtin_ctzll(bits);
			const TsHistogram *h = v->histograms[i];

			if (h == NULL)
				continue;
			floats[w] &= ~step_bit(i);
			if (((floats_seen[w] | group->seen[w]) & step_bit(i)) == 0)
			{
				group->sums[i] = ts_histogram_sum_create(&group->allocator);
				if (group->sums[i] == NULL)
					ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY),
							errmsg("out of memory"));
			}
			group->seen[w] |= step_bit(i);
			if (group->sums[i])
				add_histogram(op, group, i, h, labels);
		}
	}
	return floats;
}

static const TsHistogram *
finished(PqOperator *op, const TsHistogramSum *sum, bool mean)
{
	TsAllocator row = pq_allocator(&op->row_place);
	const TsHistogram *h = ts_histogram_sum_result(sum, mean, &row);

	if (h != NULL)
		h = ts_histogram_compact(h, 0, &row);
	if (h == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return h;
}

void
pq_finish_histograms(PqOperator *op, PqHistogramGroup *group, bool mean, PqVector *out)
{
	uint32 words = PQ_WORDS(op->steps.n);
	int position = pq_aggregated_position(op->node);
	bool mixed = false;
	bool collision = false;

	out->histograms = pq_row_alloc0(op, op->steps.n * sizeof(TsHistogram *));
	for (uint32 w = 0; w < words; w++)
	{
		uint64 both = out->present[w] & group->seen[w];
		uint64 left = group->seen[w] & ~both & ~group->incompatible[w];

		mixed |= both != 0;
		collision |= (left & group->resets[w] & group->others[w]) != 0;
		out->present[w] &= ~(both | group->incompatible[w]);
		out->present[w] |= left;
		for (; left; left &= left - 1)
		{
			uint32 i = w * 64 + (uint32) __builtin_ctzll(left);

			out->histograms[i] = finished(op, group->sums[i], mean);
		}
	}
	if (mixed)
		pq_warn(op->exec, position,
				"encountered a mix of histograms and floats for aggregation");
	if (collision)
		pq_warn(op->exec, position,
				"conflicting counter resets during histogram aggregation");
}
