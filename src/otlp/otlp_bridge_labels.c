/*
 * otlp_bridge_labels.c
 *	  Labels of the series that the bridge makes, when somebody asks for them: metadata,
 *	  series, exemplars.
 *
 * Those of a point are made once for all of its series. What is given out is a copy, since
 * who gets it will sort it.
 */
#include <assert.h>
#include <math.h>

#include "otlp_bridge.h"

/* What the labels of one point may take; those that are not refused take far less. */
#define MAX_LABELS_MEMORY ((size_t) 64 * 1024 * 1024)

#define INFO_NAME "target_info"

static const char *const suffixes[] = {
	[TS_OTLP_PART_VALUE] = "",    [TS_OTLP_PART_COUNT] = "_count",
	[TS_OTLP_PART_SUM] = "_sum",  [TS_OTLP_PART_MIN] = "_min",
	[TS_OTLP_PART_MAX] = "_max",  [TS_OTLP_PART_BUCKET] = "_bucket",
	[TS_OTLP_PART_QUANTILE] = "",
};

static TsErrorCode
no_memory(TsError *err)
{
	return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory for labels");
}

static TsString
text_of(const char *text)
{
	return (TsString){text, strlen(text)};
}

/* ---- memory ---- */

bool
otlp_labels_init(OtlpLabelMaker *maker, const TsAllocator *allocator)
{
	ts_arena_init(&maker->of_metric, allocator, MAX_LABELS_MEMORY);
	ts_arena_init(&maker->of_point, allocator, MAX_LABELS_MEMORY);
	ts_arena_init(&maker->of_exemplar, allocator, MAX_LABELS_MEMORY);
	maker->cache = ts_otlp_labels_cache(allocator);
	return maker->cache != NULL;
}

void
otlp_labels_free(OtlpLabelMaker *maker)
{
	const TsAllocator allocator = maker->of_metric.allocator;

	if (maker->cache != NULL)
		ts_otlp_labels_cache_free(maker->cache);
	if (maker->pairs != NULL)
		allocator.free(allocator.ctx, maker->pairs);
	if (maker->text != NULL)
		allocator.free(allocator.ctx, maker->text);
	ts_arena_free(&maker->of_metric);
	ts_arena_free(&maker->of_point);
	ts_arena_free(&maker->of_exemplar);
}

void
otlp_forget_metric(OtlpLabelMaker *maker)
{
	ts_arena_free(&maker->of_metric);
	maker->has_name = false;
}

/* Room for n elements, whose old contents are not kept. */
static bool
reserve(const TsAllocator *allocator, void **data, size_t *room, size_t n, size_t size)
{
	size_t wanted = n + n / 2;

	if (n <= *room)
		return true;
	if (*data != NULL)
		allocator->free(allocator->ctx, *data);
	*data = allocator->alloc(allocator->ctx, wanted * size);
	*room = *data != NULL ? wanted : 0;
	return *data != NULL;
}

/* ---- metadata ---- */

static TsErrorCode
metric_name(TsOtlpBridge *bridge, TsError *err)
{
	OtlpLabelMaker *maker = &bridge->maker;
	TsErrorCode code;

	if (maker->has_name)
		return TS_OK;
	code = ts_otlp_metric_name(bridge->options, &bridge->reader.metric, &maker->of_metric,
							   &maker->name, err);
	maker->has_name = code == TS_OK;
	return code;
}

static TsErrorCode
check_text(TsString text, const char *what, TsError *err)
{
	if (text.len > LABELS_MAX_SIZE)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"%s of a metric is longer than %d bytes", what,
							LABELS_MAX_SIZE);
	if (ts_utf8_valid_prefix(text.data, text.len) != text.len ||
		(text.len > 0 && memchr(text.data, '\0', text.len) != NULL))
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"%s of a metric is not valid UTF-8 text", what);
	return TS_OK;
}

TsErrorCode
ts_otlp_metadata(TsOtlpBridge *bridge, const TsOtlpItem *item, TsWriteMetadata *metadata,
				 TsError *err)
{
	const TsOtlpMetric *metric = &bridge->reader.metric;
	TsErrorCode code;

	if (item->part == TS_OTLP_PART_INFO)
	{
		*metadata = (TsWriteMetadata){.metric = text_of(INFO_NAME),
									  .type = "gauge",
									  .unit = {"", 0},
									  .help = text_of("Target metadata")};
		return TS_OK;
	}
	code = metric_name(bridge, err);
	if (code != TS_OK)
		return code;
	metadata->metric = bridge->maker.name;
	metadata->type = ts_otlp_metric_type(bridge->options, metric);
	metadata->help = metric->description;
	code = ts_otlp_unit(bridge->options, metric->unit, &bridge->maker.of_metric,
						&metadata->unit, err);
	if (code == TS_OK)
		code = check_text(metadata->metric, "name", err);
	if (code == TS_OK)
		code = check_text(metadata->unit, "unit", err);
	if (code == TS_OK)
		code = check_text(metadata->help, "description", err);
	return code;
}

/* ---- series ---- */

static TsErrorCode
point_labels(TsOtlpBridge *bridge, TsError *err)
{
	OtlpLabelMaker *maker = &bridge->maker;
	TsOtlpReader *reader = &bridge->reader;
	TsErrorCode code;

	if (maker->labels_of == LABELS_OF_POINT)
		return TS_OK;
	ts_arena_free(&maker->of_point);
	code = ts_otlp_point_labels(bridge->options, maker->cache, &reader->resource,
								&reader->scope, &reader->point.attributes,
								&maker->of_point, &maker->labels, err);
	maker->labels_of = code == TS_OK ? LABELS_OF_POINT : LABELS_OF_NOTHING;
	return code;
}

/* A copy of the labels, with room for those that make the part. */
static TsErrorCode
copy_labels(OtlpLabelMaker *maker, TsOtlpLabels *labels, TsError *err)
{
	const TsOtlpLabels *from = &maker->labels;
	void *data = maker->pairs;
	const bool room = reserve(&maker->of_metric.allocator, &data, &maker->pairs_room,
							  (size_t) from->n + TS_OTLP_EXTRA_LABELS,
							  sizeof(LabelsPair));

	maker->pairs = data;
	if (!room)
		return no_memory(err);
	if (from->n > 0)
		memcpy(maker->pairs, from->pairs, from->n * sizeof(LabelsPair));
	*labels = (TsOtlpLabels){maker->pairs, from->n};
	return TS_OK;
}

/* The metric's name with what the part adds to it. */
static TsErrorCode
series_name(OtlpLabelMaker *maker, TsOtlpPart part, TsString *name, TsError *err)
{
	const TsString suffix = text_of(suffixes[part]);
	const size_t len = maker->name.len + suffix.len;
	void *data = maker->text;

	*name = maker->name;
	if (suffix.len == 0)
		return TS_OK;
	const bool room = reserve(&maker->of_metric.allocator, &data, &maker->text_room, len,
							  1);

	maker->text = data;
	if (!room)
		return no_memory(err);
	if (maker->name.len > 0)
		memcpy(maker->text, maker->name.data, maker->name.len);
	memcpy(maker->text + maker->name.len, suffix.data, suffix.len);
	*name = (TsString){maker->text, len};
	return TS_OK;
}

static TsErrorCode
part_labels(TsOtlpBridge *bridge, TsOtlpPart part, double bound, TsOtlpLabels *labels,
			TsError *err)
{
	OtlpLabelMaker *maker = &bridge->maker;
	TsErrorCode code = metric_name(bridge, err);
	TsString name;

	if (code == TS_OK)
		code = point_labels(bridge, err);
	if (code == TS_OK)
		code = series_name(maker, part, &name, err);
	if (code == TS_OK)
		code = copy_labels(maker, labels, err);
	if (code != TS_OK)
		return code;
	ts_otlp_set_label(labels, "__name__", name);
	if (part == TS_OTLP_PART_BUCKET || part == TS_OTLP_PART_QUANTILE)
	{
		size_t len = (size_t) promql_write_float(bound, maker->bound);

		ts_otlp_set_label(labels, part == TS_OTLP_PART_BUCKET ? "le" : "quantile",
						  (TsString){maker->bound, len});
	}
	return TS_OK;
}

TsErrorCode
otlp_point_labels(TsOtlpBridge *bridge, TsOtlpLabels *labels, TsError *err)
{
	return part_labels(bridge, TS_OTLP_PART_VALUE, 0, labels, err);
}

/* Those of target_info take the place of a point's, of which there are no more. */
static TsErrorCode
info_labels(TsOtlpBridge *bridge, TsError *err)
{
	OtlpLabelMaker *maker = &bridge->maker;
	TsErrorCode code;

	if (maker->labels_of == LABELS_OF_RESOURCE)
		return TS_OK;
	ts_arena_free(&maker->of_point);
	code = ts_otlp_info_labels(bridge->options, &bridge->reader.resource,
							   &maker->of_point, &maker->labels, err);
	maker->labels_of = code == TS_OK ? LABELS_OF_RESOURCE : LABELS_OF_NOTHING;
	return code;
}

TsErrorCode
ts_otlp_series_labels(TsOtlpBridge *bridge, const TsOtlpItem *item, TsOtlpLabels *labels,
					  TsError *err)
{
	TsErrorCode code;

	if (item->part != TS_OTLP_PART_INFO)
		return part_labels(bridge, item->part, item->bound, labels, err);
	code = info_labels(bridge, err);
	return code == TS_OK ? copy_labels(&bridge->maker, labels, err) : code;
}

/* ---- target_info ---- */

static bool
is_plain_text(TsWire value)
{
	TsString text = {"", 0};
	uint32_t tag;

	return wire_tag(&value, &tag) && tag == WIRE_TAG(1, WIRE_BYTES) &&
		   wire_string(&value, &text) && text.len > 0 && !wire_more(&value);
}

/*
 * A resource needs something that identifies it, and something else to tell. Mostly keys say
 * whether it has both; if not, its labels do, at more expense.
 */
TsErrorCode
otlp_has_info(TsOtlpBridge *bridge, bool *has, TsError *err)
{
	TsOtlpAttributeIter iter;
	TsOtlpAttribute attribute;
	TsErrorCode code;
	uint32_t names = 0; /* how many there are: of equal keys the first one counts */
	uint32_t instances = 0;
	bool identified = false;
	bool others = false;

	ts_otlp_iterate(&bridge->reader.resource.attributes, &iter);
	while (!(identified && others) && ts_otlp_next_attribute(&iter, &attribute))
	{
		if ((ts_string_is(attribute.key, "service.name") && names++ == 0) ||
			(ts_string_is(attribute.key, "service.instance.id") && instances++ == 0))
			identified |= is_plain_text(attribute.value);
		else if (!ts_string_is(attribute.key, "service.name") &&
				 !ts_string_is(attribute.key, "service.instance.id") &&
				 !ts_string_is(attribute.key, "service.namespace"))
			others = true;
	}
	*has = identified && others;
	if (identified || !others)
		return TS_OK;
	code = info_labels(bridge, err);
	*has = code == TS_OK && bridge->maker.labels.n > 0;
	return code == TS_ERR_INVALID || code == TS_ERR_LIMIT ? TS_OK : code;
}

/* ---- exemplars ---- */

/* The first bucket that the value is in; what is no number is in the last one. */
static double
bucket_of(const TsOtlpPoint *point, double value)
{
	uint32_t low = 0;
	uint32_t high = point->nbounds;

	while (low < high)
	{
		const uint32_t middle = low + (high - low) / 2;

		if (value <= point->bounds[middle])
			high = middle;
		else
			low = middle + 1;
	}
	return low < point->nbounds ? point->bounds[low] : INFINITY;
}

TsErrorCode
ts_otlp_bridge_exemplar(TsOtlpBridge *bridge, TsOtlpExemplarItem *item, bool *found,
						TsError *err)
{
	const TsOtlpType type = bridge->reader.metric.type;
	TsOtlpExemplar exemplar;
	TsErrorCode code;

	*found = false;
	if (type == TS_OTLP_GAUGE || type == TS_OTLP_SUMMARY)
		return TS_OK; /* theirs mean nothing in Prometheus */
	code = ts_otlp_next_exemplar(&bridge->reader, &exemplar, found, err);
	if (code != TS_OK || !*found)
		return code;
	item->part = TS_OTLP_PART_VALUE;
	item->bound = 0;
	if (type == TS_OTLP_HISTOGRAM && !otlp_is_native(bridge))
	{
		item->part = TS_OTLP_PART_BUCKET;
		item->bound = bucket_of(&bridge->reader.point, exemplar.value);
	}
	item->print = otlp_print_part(bridge, item->part, item->bound);
	item->time = otlp_time(exemplar.time);
	item->value = exemplar.value;
	ts_arena_free(&bridge->maker.of_exemplar);
	return ts_otlp_exemplar_labels(bridge->options, &exemplar, &bridge->maker.of_exemplar,
								   &item->labels, err);
}

TsErrorCode
ts_otlp_exemplar_series_labels(TsOtlpBridge *bridge, const TsOtlpExemplarItem *item,
							   TsOtlpLabels *labels, TsError *err)
{
	return part_labels(bridge, item->part, item->bound, labels, err);
}
