/*
 * otlp_bridge.c
 *	  Walks a message and gives what it becomes: metadata, samples, refusals.
 *
 * What OpenTelemetry calls a point becomes one sample or several, of as many series. Whatever
 * may refuse a point does so before the first of them is given.
 */
#include <assert.h>

#include "otlp_bridge.h"

/* As much of a metric's name as a reason has. */
#define MAX_NAME_SHOWN 100

/* ---- refusals ---- */

/* A name is shown as far as it is printable: what it is for may take no other bytes. */
static void
show_name(TsString name, char out[MAX_NAME_SHOWN + 1])
{
	size_t n = 0;

	for (; n < name.len && n < MAX_NAME_SHOWN; n++)
	{
		const char c = name.data[n];

		out[n] = c >= ' ' && c <= '~' ? c : '?';
	}
	out[n] = '\0';
}

static void
refuse(const TsOtlpBridge *bridge, uint64_t npoints, TsErrorCode code, const char *why,
	   TsOtlpKind *kind, TsOtlpItem *item)
{
	char name[MAX_NAME_SHOWN + 1];

	assert(code == TS_ERR_INVALID || code == TS_ERR_LIMIT);
	show_name(bridge->reader.metric.name, name);
	ts_error_set(&item->reason, code, -1, "metric \"%s\": %s", name, why);
	item->npoints = npoints;
	*kind = TS_OTLP_REFUSED;
}

static bool
is_refusal(TsErrorCode code)
{
	return code == TS_ERR_INVALID || code == TS_ERR_LIMIT;
}

/* ---- resources, scopes, metrics ---- */

static TsErrorCode
next_resource(TsOtlpBridge *bridge, TsError *err)
{
	TsErrorCode code;
	bool found;

	code = ts_otlp_next_resource(&bridge->reader, &found, err);
	if (code != TS_OK)
		return code;
	bridge->stage = found ? AT_SCOPES : AT_END;
	if (!found)
		return TS_OK;
	bridge->resource_print = otlp_print_resource(bridge);
	bridge->info.accepted = 0;
	bridge->info.first = UINT64_MAX;
	bridge->info.last = 0;
	bridge->maker.labels_of = LABELS_OF_NOTHING;
	ts_otlp_labels_forget(bridge->maker.cache);
	return TS_OK;
}

static TsErrorCode
next_scope(TsOtlpBridge *bridge, TsError *err)
{
	TsErrorCode code;
	bool found;

	code = ts_otlp_next_scope(&bridge->reader, &found, err);
	if (code != TS_OK)
		return code;
	bridge->stage = found ? AT_METRICS : AT_INFO_METADATA;
	if (!found)
		return TS_OK;
	bridge->scope_print = otlp_print_scope(bridge);
	ts_otlp_labels_forget_scope(bridge->maker.cache);
	return TS_OK;
}

/* Why no point of the metric can be taken; NULL: they can. */
static const char *
metric_problem(const TsOtlpBridge *bridge)
{
	const TsOtlpMetric *metric = &bridge->reader.metric;

	if (metric->name.len == 0)
		return "a metric needs a name";
	if (metric->name.len > LABELS_MAX_SIZE || metric->unit.len > LABELS_MAX_SIZE)
		return "name or unit is too long";
	if (metric->type == TS_OTLP_GAUGE || metric->type == TS_OTLP_SUMMARY)
		return NULL;
	if (metric->temporality == TS_OTLP_UNSPECIFIED)
		return "aggregation temporality is not specified";
	if (metric->temporality == TS_OTLP_DELTA &&
		bridge->options->delta == TS_OTLP_DELTA_REFUSE)
		return "delta temporality is refused by the setting mytsdb.otlp_delta";
	return NULL;
}

static TsErrorCode
next_metric(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item, TsError *err)
{
	const TsOtlpMetric *metric = &bridge->reader.metric;
	const char *problem;
	TsErrorCode code;
	bool found;

	code = ts_otlp_next_metric(&bridge->reader, &found, err);
	if (code != TS_OK || !found)
	{
		bridge->stage = AT_SCOPES;
		return code;
	}
	if (metric->npoints == 0)
		return TS_OK;
	problem = metric_problem(bridge);
	if (problem != NULL)
	{
		refuse(bridge, metric->npoints, TS_ERR_INVALID, problem, kind, item);
		return TS_OK;
	}
	bridge->name_print = otlp_print_name(bridge);
	bridge->metric_print = otlp_print_metric(bridge);
	bridge->accumulates = metric->temporality == TS_OTLP_DELTA &&
						  bridge->options->delta == TS_OTLP_DELTA_CUMULATIVE;
	bridge->stage = AT_POINTS;
	bridge->ahead.n = bridge->ahead.next = 0;
	bridge->ahead.ended = false;
	bridge->ahead.code = TS_OK;
	otlp_forget_metric(&bridge->maker);
	*kind = TS_OTLP_METADATA;
	item->part = TS_OTLP_PART_VALUE;
	item->print = bridge->name_print;
	item->metadata_print = otlp_print_metadata(bridge);
	return TS_OK;
}

/* ---- points ---- */

static inline void
expect(const TsOtlpBridge *bridge, TsFingerprint print)
{
	if (bridge->options->expect != NULL)
		bridge->options->expect(bridge->options->expect_ctx, print);
}

/* Reads numbers as far as there is room, the metric ends, or one is no good. */
static void
read_ahead(TsOtlpBridge *bridge)
{
	OtlpAhead *ahead = &bridge->ahead;
	TsOtlpReader *reader = &bridge->reader;

	ahead->n = ahead->next = 0;
	while (ahead->n < OTLP_AHEAD && ahead->code == TS_OK && !ahead->ended)
	{
		bool found;

		ahead->code = ts_otlp_next_point(reader, &found, &ahead->error);
		ahead->ended = ahead->code == TS_OK && !found;
		if (ahead->code != TS_OK || ahead->ended)
			break;
		memcpy(&ahead->points[ahead->n], &reader->point, OTLP_NUMBER_SIZE);
		ahead->prints[ahead->n] = otlp_print_point(bridge);
		expect(bridge, ahead->prints[ahead->n++]);
	}
}

static TsErrorCode
next_number(TsOtlpBridge *bridge, bool *found, TsError *err)
{
	OtlpAhead *ahead = &bridge->ahead;

	if (ahead->next == ahead->n && !ahead->ended && ahead->code == TS_OK)
		read_ahead(bridge);
	*found = ahead->next < ahead->n;
	if (*found)
	{
		memcpy(&bridge->reader.point, &ahead->points[ahead->next], OTLP_NUMBER_SIZE);
		bridge->point_print = ahead->prints[ahead->next++];
		return TS_OK;
	}
	if (ahead->code != TS_OK)
	{
		TsErrorCode code = ahead->code;

		*err = ahead->error;
		ahead->code = TS_OK;
		return code;
	}
	return TS_OK;
}

static TsErrorCode
read_next_point(TsOtlpBridge *bridge, bool *found, TsError *err)
{
	const TsOtlpType type = bridge->reader.metric.type;
	TsErrorCode code;

	if (type == TS_OTLP_GAUGE || type == TS_OTLP_SUM)
		return next_number(bridge, found, err);
	code = ts_otlp_next_point(&bridge->reader, found, err);
	if (code == TS_OK && *found)
		bridge->point_print = otlp_print_point(bridge);
	return code;
}

static TsErrorCode
find_labels_print(TsOtlpBridge *bridge, TsFingerprint *print, TsError *err)
{
	const TsOtlpOptions *options = bridge->options;
	void *ctx = options->accumulate_ctx;
	TsOtlpLabels labels;
	size_t size;
	TsErrorCode code;

	if (options->find_labels_print != NULL &&
		options->find_labels_print(ctx, bridge->point_print, print))
		return TS_OK;
	code = otlp_point_labels(bridge, &labels, err);
	if (code == TS_OK)
		code = labels_normalize(labels.pairs, &labels.n, &size, err);
	if (code != TS_OK)
		return code;
	*print = otlp_print_labels(bridge, &labels);
	if (options->keep_labels_print != NULL)
		options->keep_labels_print(ctx, bridge->point_print, *print);
	return TS_OK;
}

/* What is refused by itself must not become part of a sum. */
static TsErrorCode
accumulate(TsOtlpBridge *bridge, TsError *err)
{
	TsOtlpPoint *point = &bridge->reader.point;
	TsFingerprint print;
	TsErrorCode code = find_labels_print(bridge, &print, err);

	if (code == TS_OK && otlp_is_native(bridge))
		code = otlp_native(&bridge->native, point, &bridge->histogram, err);
	if (code == TS_OK)
		code = bridge->options->accumulate(bridge->options->accumulate_ctx, print, point,
										   err);
	return code;
}

/* Makes of a point what will be given of it. */
static TsErrorCode
prepare_point(TsOtlpBridge *bridge, TsError *err)
{
	TsOtlpPoint *point = &bridge->reader.point;
	TsErrorCode code = TS_OK;

	if (point->time == 0)
		return ts_error_set(err, TS_ERR_INVALID, -1, "data point has no time");
	if (bridge->accumulates && !point->no_recorded_value)
		code = accumulate(bridge, err);
	if (code != TS_OK || !otlp_is_native(bridge))
		return code;
	code = otlp_native(&bridge->native, point, &bridge->histogram, err);
	if (point->metric->temporality == TS_OTLP_DELTA && !bridge->accumulates)
		bridge->histogram.hint = TS_RESET_GAUGE;
	return code;
}

static TsErrorCode
next_point(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item, TsError *err)
{
	const TsOtlpPoint *point = &bridge->reader.point;
	TsErrorCode code;
	bool found = false;
	TsError why;

	bridge->maker.labels_of = LABELS_OF_NOTHING;
	code = read_next_point(bridge, &found, &why);
	if (code == TS_OK && !found)
	{
		bridge->stage = AT_METRICS;
		return TS_OK;
	}
	if (code == TS_OK)
		code = prepare_point(bridge, &why);
	if (is_refusal(code))
	{
		refuse(bridge, 1, code, why.message, kind, item);
		return TS_OK;
	}
	if (code != TS_OK)
	{
		if (err != NULL)
			*err = why;
		return code;
	}
	bridge->stage = AT_PARTS;
	bridge->step = 0;
	bridge->cumulated = 0;
	bridge->info.accepted++;
	if (point->time < bridge->info.first)
		bridge->info.first = point->time;
	if (point->time > bridge->info.last)
		bridge->info.last = point->time;
	return TS_OK;
}

/* ---- the message ---- */

TsErrorCode
ts_otlp_next(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item, TsError *err)
{
	TsErrorCode code = TS_OK;

	*kind = TS_OTLP_END;
	while (code == TS_OK && *kind == TS_OTLP_END && bridge->stage != AT_END)
	{
		switch (bridge->stage)
		{
			case AT_RESOURCES:
				code = next_resource(bridge, err);
				break;
			case AT_SCOPES:
				code = next_scope(bridge, err);
				break;
			case AT_METRICS:
				code = next_metric(bridge, kind, item, err);
				break;
			case AT_POINTS:
				code = next_point(bridge, kind, item, err);
				break;
			case AT_PARTS:
				otlp_next_part(bridge, kind, item);
				break;
			case AT_INFO_METADATA:
				code = otlp_begin_info(bridge, kind, item, err);
				break;
			case AT_INFO:
				otlp_next_info(bridge, kind, item);
				break;
			case AT_END:
				break;
		}
	}
	return code;
}

TsErrorCode
ts_otlp_bridge(TsOtlpBridge **bridge, const TsOtlpOptions *options, const void *secret,
			   const void *data, size_t size, const TsAllocator *allocator, TsError *err)
{
	TsOtlpBridge *new = allocator->alloc(allocator->ctx, sizeof(TsOtlpBridge));

	*bridge = new;
	if (new == NULL)
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory");
	assert(options->delta != TS_OTLP_DELTA_CUMULATIVE || options->accumulate != NULL);
	memset(new, 0, sizeof(*new));
	new->allocator = *allocator;
	new->options = options;
	new->native.allocator = *allocator;
	new->info.left = OTLP_INFO_BETWEEN;
	memcpy(new->secret, secret, sizeof(new->secret));
	new->options_print = otlp_print_options(new);
	if (!otlp_labels_init(&new->maker, allocator))
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory");
	return ts_otlp_open(&new->reader, data, size, allocator, err);
}

void
ts_otlp_bridge_free(TsOtlpBridge *bridge)
{
	const TsAllocator allocator = bridge->allocator;

	ts_otlp_close(&bridge->reader);
	otlp_labels_free(&bridge->maker);
	otlp_native_free(&bridge->native);
	allocator.free(allocator.ctx, bridge);
}
