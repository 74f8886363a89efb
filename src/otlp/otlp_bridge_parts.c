/*
 * otlp_bridge_parts.c
 *	  The samples that a point becomes, and those of target_info.
 *
 * target_info has samples from the first to the last time of its resource's points, not
 * further apart than a query looks back. As a point may claim any time there is, samples in
 * between are bounded for a message.
 */
#include <assert.h>
#include <math.h>

#include "otlp_bridge.h"

#define NANOSECONDS_IN_MS 1000000

/* ---- points ---- */

static double
stale_marker(void)
{
	const uint64_t bits = OTLP_STALE;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* A sample of a part; without a recorded value it says that the series has ended. */
static void
give(const TsOtlpBridge *bridge, TsOtlpPart part, double bound, double value,
	 TsOtlpKind *kind, TsOtlpItem *item)
{
	const TsOtlpPoint *point = &bridge->reader.point;
	const bool starts = point->metric->type != TS_OTLP_GAUGE &&
						part != TS_OTLP_PART_MIN && part != TS_OTLP_PART_MAX;

	*kind = TS_OTLP_SAMPLE;
	item->part = part;
	item->bound = bound;
	item->print = otlp_print_part(bridge, part, bound);
	item->time = otlp_time(point->time);
	item->start = starts ? otlp_time(point->start) : 0;
	item->value = point->no_recorded_value ? stale_marker() : value;
}

/*
 * The parts of points follow each other in steps. Each of the functions below gives the one
 * of a step, or leaves *kind at TS_OTLP_END where this point does not have it; false: there
 * are no more.
 */
static bool
give_extreme(const TsOtlpBridge *bridge, uint32_t step, TsOtlpKind *kind,
			 TsOtlpItem *item)
{
	const TsOtlpPoint *point = &bridge->reader.point;

	if (!bridge->options->min_max || step > 1)
		return false;
	if (step == 0 && (point->has_min || point->no_recorded_value))
		give(bridge, TS_OTLP_PART_MIN, 0, point->min, kind, item);
	if (step == 1 && (point->has_max || point->no_recorded_value))
		give(bridge, TS_OTLP_PART_MAX, 0, point->max, kind, item);
	return true;
}

static bool
give_native(const TsOtlpBridge *bridge, uint32_t step, TsOtlpKind *kind, TsOtlpItem *item)
{
	if (step > 0)
		return give_extreme(bridge, step - 1, kind, item);
	give(bridge, TS_OTLP_PART_VALUE, 0, 0, kind, item);
	item->histogram = bridge->histogram;
	*kind = TS_OTLP_NATIVE;
	return true;
}

static bool
give_count_and_sum(const TsOtlpBridge *bridge, uint32_t step, TsOtlpKind *kind,
				   TsOtlpItem *item)
{
	const TsOtlpPoint *point = &bridge->reader.point;

	if (step == 0)
		give(bridge, TS_OTLP_PART_COUNT, 0, point->count, kind, item);
	if (step == 1 && (point->has_sum || point->no_recorded_value))
		give(bridge, TS_OTLP_PART_SUM, 0, point->sum, kind, item);
	return step <= 1;
}

static bool
give_classic(TsOtlpBridge *bridge, uint32_t step, TsOtlpKind *kind, TsOtlpItem *item)
{
	const TsOtlpPoint *point = &bridge->reader.point;
	const uint32_t nbounds = point->nbounds;

	if (give_count_and_sum(bridge, step, kind, item))
		return true;
	step -= 2;
	if (step > nbounds)
		return give_extreme(bridge, step - nbounds - 1, kind, item);
	if (step == nbounds)
	{
		give(bridge, TS_OTLP_PART_BUCKET, INFINITY, point->count, kind, item);
		return true;
	}
	if (step < point->ncounts)
		bridge->cumulated += point->counts[step];
	give(bridge, TS_OTLP_PART_BUCKET, point->bounds[step], bridge->cumulated, kind, item);
	return true;
}

static bool
give_summary(const TsOtlpBridge *bridge, uint32_t step, TsOtlpKind *kind,
			 TsOtlpItem *item)
{
	const TsOtlpPoint *point = &bridge->reader.point;

	if (give_count_and_sum(bridge, step, kind, item))
		return true;
	step -= 2;
	if (step >= point->nquantiles)
		return false;
	give(bridge, TS_OTLP_PART_QUANTILE, point->quantiles[step].quantile,
		 point->quantiles[step].value, kind, item);
	return true;
}

void
otlp_next_part(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item)
{
	const uint32_t step = bridge->step++;
	bool more;

	if (otlp_is_native(bridge))
		more = give_native(bridge, step, kind, item);
	else if (bridge->reader.metric.type == TS_OTLP_HISTOGRAM)
		more = give_classic(bridge, step, kind, item);
	else if (bridge->reader.metric.type == TS_OTLP_SUMMARY)
		more = give_summary(bridge, step, kind, item);
	else
	{
		more = step == 0;
		if (more)
			give(bridge, TS_OTLP_PART_VALUE, 0, bridge->reader.point.number, kind, item);
	}
	if (!more)
	{
		*kind = TS_OTLP_POINT_END;
		bridge->stage = AT_POINTS;
	}
}

/* ---- target_info ---- */

TsErrorCode
otlp_begin_info(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item, TsError *err)
{
	OtlpInfo *info = &bridge->info;
	TsErrorCode code;
	bool has = false;

	bridge->stage = AT_RESOURCES;
	if (info->accepted == 0)
		return TS_OK;
	code = otlp_has_info(bridge, &has, err);
	if (code != TS_OK || !has)
		return code;
	bridge->stage = AT_INFO;
	assert(info->first <= info->last);
	info->next = info->first;
	info->done = false;
	if (info->has_metadata)
		return TS_OK;
	info->has_metadata = true;
	*kind = TS_OTLP_METADATA;
	item->part = TS_OTLP_PART_INFO;
	item->print = item->metadata_print = otlp_print_info_metadata(bridge);
	return TS_OK;
}

/* The next time of a sample: the last one comes at the very end. */
static uint64_t
next_info_time(OtlpInfo *info, int64_t interval)
{
	const uint64_t time = info->next;
	uint64_t step;

	if (time >= info->last || (time > info->first && info->left == 0))
	{
		info->done = true;
		return info->last;
	}
	info->left -= time > info->first;
	if (interval <= 0 ||
		__builtin_mul_overflow((uint64_t) interval, NANOSECONDS_IN_MS, &step) ||
		__builtin_add_overflow(time, step, &info->next))
		info->next = UINT64_MAX;
	return time;
}

/*
 * Several resources of a message may have the same labels: those that collectors put together
 * have. What was given is looked for among the last ones.
 */
static bool
is_given(OtlpInfo *info, TsFingerprint print, int64_t time)
{
	const uint64_t key = print.low ^ (uint64_t) time * UINT64_C(0x9E3779B97F4A7C15);
	uint64_t *given = &info->given[(key >> 32) % OTLP_INFO_GIVEN];

	if (*given == key)
		return true;
	*given = key;
	return false;
}

void
otlp_next_info(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item)
{
	OtlpInfo *info = &bridge->info;
	const TsFingerprint print = otlp_print_part(bridge, TS_OTLP_PART_INFO, 0);

	while (!info->done)
	{
		const int64_t time = otlp_time(
			next_info_time(info, bridge->options->info_interval));

		if (is_given(info, print, time))
			continue;
		*kind = TS_OTLP_SAMPLE;
		item->part = TS_OTLP_PART_INFO;
		item->bound = 0;
		item->print = print;
		item->time = time;
		item->start = 0;
		item->value = 1;
		return;
	}
	bridge->stage = AT_RESOURCES;
}
