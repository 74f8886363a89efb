/*
 * otlp_bridge_print.c
 *	  Fingerprints of what a message has, from its bytes.
 *
 * Each is made of the one above it: of the options, the resource, the scope (where it becomes
 * labels), the metric, the attributes of the point, and the part of the point. So a point
 * costs one hash of its attributes' bytes, and nobody has to look at them who knows the
 * series.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "otlp_bridge.h"

/* What tells prints of different things apart that are made in the same way. */
enum
{
	OF_OPTIONS = 1,
	OF_PROMOTED,
	OF_RESOURCE,
	OF_SCOPE,
	OF_METRIC,
	OF_METRIC_HERE,
	OF_METADATA,
	OF_PART,
	OF_INFO_METADATA,
	OF_LABEL,
	OF_LABELS
};

static TsFingerprint
print_bytes(const TsOtlpBridge *bridge, const void *data, size_t size)
{
	XXH128_hash_t hash = XXH3_128bits_withSecret(data, size, bridge->secret,
												 sizeof(bridge->secret));

	return (TsFingerprint){hash.low64, hash.high64};
}

/* What is made of a print and of numbers. */
static TsFingerprint
print_on(const TsOtlpBridge *bridge, uint64_t domain, TsFingerprint seed, uint64_t a,
		 uint64_t b)
{
	const uint64_t all[] = {domain, seed.low, seed.high, a, b};

	return print_bytes(bridge, all, sizeof(all));
}

/* Of a print and a text. */
static TsFingerprint
print_text(const TsOtlpBridge *bridge, uint64_t domain, TsFingerprint seed, TsString text)
{
	const TsFingerprint of_text = print_bytes(bridge, text.data, text.len);

	return print_on(bridge, domain, seed, of_text.low, of_text.high);
}

TsFingerprint
otlp_print_options(const TsOtlpBridge *bridge)
{
	const TsOtlpOptions *options = bridge->options;
	const uint64_t flags = (uint64_t) options->custom_histograms |
						   (uint64_t) options->min_max << 1 |
						   (uint64_t) options->scope_labels << 2 |
						   (uint64_t) options->keep_identifying << 3 |
						   (uint64_t) options->promote_all << 4;
	const uint64_t choices = (uint64_t) options->translation | (uint64_t) options->delta
																   << 8;
	TsFingerprint print = {flags, choices};

	print = print_on(bridge, OF_OPTIONS, print, options->npromoted, 0);
	for (uint32_t i = 0; i < options->npromoted; i++)
		print = print_text(bridge, OF_PROMOTED, print, options->promoted[i]);
	return print;
}

TsFingerprint
otlp_print_resource(const TsOtlpBridge *bridge)
{
	return ts_otlp_attributes_print(
		&bridge->reader.resource.attributes,
		print_on(bridge, OF_RESOURCE, bridge->options_print, 0, 0), bridge->secret);
}

TsFingerprint
otlp_print_scope(const TsOtlpBridge *bridge)
{
	const TsOtlpScope *scope = &bridge->reader.scope;
	TsFingerprint print = bridge->resource_print;

	if (!bridge->options->scope_labels)
		return print;
	print = print_text(bridge, OF_SCOPE, print, scope->name);
	print = print_text(bridge, OF_SCOPE, print, scope->version);
	print = print_text(bridge, OF_SCOPE, print, scope->schema_url);
	return ts_otlp_attributes_print(&scope->attributes, print, bridge->secret);
}

/* All that a name can be made of. */
TsFingerprint
otlp_print_name(const TsOtlpBridge *bridge)
{
	const TsOtlpMetric *metric = &bridge->reader.metric;
	const uint64_t kind = (uint64_t) metric->type | (uint64_t) metric->temporality << 8 |
						  (uint64_t) metric->monotonic << 16;
	TsFingerprint print = print_on(bridge, OF_METRIC, bridge->options_print, kind, 0);

	print = print_text(bridge, OF_METRIC, print, metric->name);
	return metric->unit.len == 0 ? print
								 : print_text(bridge, OF_METRIC, print, metric->unit);
}

TsFingerprint
otlp_print_metric(const TsOtlpBridge *bridge)
{
	return print_on(bridge, OF_METRIC_HERE, bridge->scope_print, bridge->name_print.low,
					bridge->name_print.high);
}

TsFingerprint
otlp_print_metadata(const TsOtlpBridge *bridge)
{
	return print_text(bridge, OF_METADATA, bridge->name_print,
					  bridge->reader.metric.description);
}

TsFingerprint
otlp_print_info_metadata(const TsOtlpBridge *bridge)
{
	return print_on(bridge, OF_INFO_METADATA, bridge->options_print, 0, 0);
}

TsFingerprint
otlp_print_point(const TsOtlpBridge *bridge)
{
	return ts_otlp_attributes_print(&bridge->reader.point.attributes,
									bridge->metric_print, bridge->secret);
}

TsFingerprint
otlp_print_labels(const TsOtlpBridge *bridge, const TsOtlpLabels *labels)
{
	TsFingerprint sum = {0, 0};

	for (uint32_t i = 0; i < labels->n; i++)
	{
		const LabelsPair *pair = &labels->pairs[i];
		TsFingerprint print = print_bytes(bridge, pair->name.data, pair->name.len);

		if (pair->value.len == 0)
			continue; /* it is none */
		print = print_text(bridge, OF_LABEL, print, pair->value);
		sum.low += print.low;
		sum.high += print.high;
	}
	return print_on(bridge, OF_LABELS, sum, bridge->reader.metric.type, 0);
}

TsFingerprint
otlp_print_part(const TsOtlpBridge *bridge, TsOtlpPart part, double bound)
{
	uint64_t bits;

	if (part == TS_OTLP_PART_VALUE)
		return bridge->point_print;
	memcpy(&bits, &bound, sizeof(bits));
	return print_on(bridge, OF_PART,
					part == TS_OTLP_PART_INFO ? bridge->resource_print
											  : bridge->point_print,
					(uint64_t) part, bits);
}
