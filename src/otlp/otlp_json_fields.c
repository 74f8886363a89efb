/*
 * otlp_json_fields.c
 *	  Fields of OTLP's messages, after the .proto files of OTLP 1.x.
 *
 * Fields of other signals, and names that were withdrawn, are not here: what is not known is
 * passed over.
 */
#include "otlp_json_fields.h"

#define TEXT(literal)                \
	{                                \
		literal, sizeof(literal) - 1 \
	}

/* repeated, present, oneof */
#define PLAIN    false, false, false
#define REPEATED true, false, false
#define PRESENT  false, true, false
#define ONE_OF   false, true, true

#define FIELD(name, proto, number, kind, rule)         \
	{                                                  \
		TEXT(name), TEXT(proto), number, kind, rule, 0 \
	}
#define INNER(name, proto, number, rule, message)                    \
	{                                                                \
		TEXT(name), TEXT(proto), number, JSON_MESSAGE, rule, message \
	}

static const JsonField request_fields[] = {
	INNER("resourceMetrics", "resource_metrics", 1, REPEATED, JSON_RESOURCE_METRICS),
};

static const JsonField resource_metrics_fields[] = {
	INNER("resource", "resource", 1, PLAIN, JSON_RESOURCE),
	INNER("scopeMetrics", "scope_metrics", 2, REPEATED, JSON_SCOPE_METRICS),
	FIELD("schemaUrl", "schema_url", 3, JSON_STRING, PLAIN),
};

static const JsonField resource_fields[] = {
	INNER("attributes", "attributes", 1, REPEATED, JSON_KEY_VALUE),
	FIELD("droppedAttributesCount", "dropped_attributes_count", 2, JSON_UINT32, PLAIN),
	INNER("entityRefs", "entity_refs", 3, REPEATED, JSON_ENTITY_REF),
};

static const JsonField entity_ref_fields[] = {
	FIELD("schemaUrl", "schema_url", 1, JSON_STRING, PLAIN),
	FIELD("type", "type", 2, JSON_STRING, PLAIN),
	FIELD("idKeys", "id_keys", 3, JSON_STRING, REPEATED),
	FIELD("descriptionKeys", "description_keys", 4, JSON_STRING, REPEATED),
};

static const JsonField scope_metrics_fields[] = {
	INNER("scope", "scope", 1, PLAIN, JSON_SCOPE),
	INNER("metrics", "metrics", 2, REPEATED, JSON_METRIC),
	FIELD("schemaUrl", "schema_url", 3, JSON_STRING, PLAIN),
};

static const JsonField scope_fields[] = {
	FIELD("name", "name", 1, JSON_STRING, PLAIN),
	FIELD("version", "version", 2, JSON_STRING, PLAIN),
	INNER("attributes", "attributes", 3, REPEATED, JSON_KEY_VALUE),
	FIELD("droppedAttributesCount", "dropped_attributes_count", 4, JSON_UINT32, PLAIN),
};

static const JsonField metric_fields[] = {
	FIELD("name", "name", 1, JSON_STRING, PLAIN),
	FIELD("description", "description", 2, JSON_STRING, PLAIN),
	FIELD("unit", "unit", 3, JSON_STRING, PLAIN),
	INNER("gauge", "gauge", 5, ONE_OF, JSON_GAUGE),
	INNER("sum", "sum", 7, ONE_OF, JSON_SUM),
	INNER("histogram", "histogram", 9, ONE_OF, JSON_HISTOGRAM),
	INNER("exponentialHistogram", "exponential_histogram", 10, ONE_OF, JSON_EXPONENTIAL),
	INNER("summary", "summary", 11, ONE_OF, JSON_SUMMARY),
	INNER("metadata", "metadata", 12, REPEATED, JSON_KEY_VALUE),
};

static const JsonField gauge_fields[] = {
	INNER("dataPoints", "data_points", 1, REPEATED, JSON_NUMBER_POINT),
};

static const JsonField sum_fields[] = {
	INNER("dataPoints", "data_points", 1, REPEATED, JSON_NUMBER_POINT),
	FIELD("aggregationTemporality", "aggregation_temporality", 2, JSON_ENUM, PLAIN),
	FIELD("isMonotonic", "is_monotonic", 3, JSON_BOOL, PLAIN),
};

static const JsonField histogram_fields[] = {
	INNER("dataPoints", "data_points", 1, REPEATED, JSON_HISTOGRAM_POINT),
	FIELD("aggregationTemporality", "aggregation_temporality", 2, JSON_ENUM, PLAIN),
};

static const JsonField exponential_fields[] = {
	INNER("dataPoints", "data_points", 1, REPEATED, JSON_EXPONENTIAL_POINT),
	FIELD("aggregationTemporality", "aggregation_temporality", 2, JSON_ENUM, PLAIN),
};

static const JsonField summary_fields[] = {
	INNER("dataPoints", "data_points", 1, REPEATED, JSON_SUMMARY_POINT),
};

static const JsonField number_point_fields[] = {
	INNER("attributes", "attributes", 7, REPEATED, JSON_KEY_VALUE),
	FIELD("startTimeUnixNano", "start_time_unix_nano", 2, JSON_FIXED64, PLAIN),
	FIELD("timeUnixNano", "time_unix_nano", 3, JSON_FIXED64, PLAIN),
	FIELD("asDouble", "as_double", 4, JSON_DOUBLE, ONE_OF),
	FIELD("asInt", "as_int", 6, JSON_SFIXED64, ONE_OF),
	INNER("exemplars", "exemplars", 5, REPEATED, JSON_EXEMPLAR),
	FIELD("flags", "flags", 8, JSON_UINT32, PLAIN),
};

static const JsonField histogram_point_fields[] = {
	INNER("attributes", "attributes", 9, REPEATED, JSON_KEY_VALUE),
	FIELD("startTimeUnixNano", "start_time_unix_nano", 2, JSON_FIXED64, PLAIN),
	FIELD("timeUnixNano", "time_unix_nano", 3, JSON_FIXED64, PLAIN),
	FIELD("count", "count", 4, JSON_FIXED64, PLAIN),
	FIELD("sum", "sum", 5, JSON_DOUBLE, PRESENT),
	FIELD("bucketCounts", "bucket_counts", 6, JSON_FIXED64, REPEATED),
	FIELD("explicitBounds", "explicit_bounds", 7, JSON_DOUBLE, REPEATED),
	INNER("exemplars", "exemplars", 8, REPEATED, JSON_EXEMPLAR),
	FIELD("flags", "flags", 10, JSON_UINT32, PLAIN),
	FIELD("min", "min", 11, JSON_DOUBLE, PRESENT),
	FIELD("max", "max", 12, JSON_DOUBLE, PRESENT),
};

static const JsonField exponential_point_fields[] = {
	INNER("attributes", "attributes", 1, REPEATED, JSON_KEY_VALUE),
	FIELD("startTimeUnixNano", "start_time_unix_nano", 2, JSON_FIXED64, PLAIN),
	FIELD("timeUnixNano", "time_unix_nano", 3, JSON_FIXED64, PLAIN),
	FIELD("count", "count", 4, JSON_FIXED64, PLAIN),
	FIELD("sum", "sum", 5, JSON_DOUBLE, PRESENT),
	FIELD("scale", "scale", 6, JSON_SINT32, PLAIN),
	FIELD("zeroCount", "zero_count", 7, JSON_FIXED64, PLAIN),
	INNER("positive", "positive", 8, PLAIN, JSON_BUCKETS),
	INNER("negative", "negative", 9, PLAIN, JSON_BUCKETS),
	FIELD("flags", "flags", 10, JSON_UINT32, PLAIN),
	INNER("exemplars", "exemplars", 11, REPEATED, JSON_EXEMPLAR),
	FIELD("min", "min", 12, JSON_DOUBLE, PRESENT),
	FIELD("max", "max", 13, JSON_DOUBLE, PRESENT),
	FIELD("zeroThreshold", "zero_threshold", 14, JSON_DOUBLE, PLAIN),
};

static const JsonField buckets_fields[] = {
	FIELD("offset", "offset", 1, JSON_SINT32, PLAIN),
	FIELD("bucketCounts", "bucket_counts", 2, JSON_UINT64, REPEATED),
};

static const JsonField summary_point_fields[] = {
	INNER("attributes", "attributes", 7, REPEATED, JSON_KEY_VALUE),
	FIELD("startTimeUnixNano", "start_time_unix_nano", 2, JSON_FIXED64, PLAIN),
	FIELD("timeUnixNano", "time_unix_nano", 3, JSON_FIXED64, PLAIN),
	FIELD("count", "count", 4, JSON_FIXED64, PLAIN),
	FIELD("sum", "sum", 5, JSON_DOUBLE, PLAIN),
	INNER("quantileValues", "quantile_values", 6, REPEATED, JSON_QUANTILE),
	FIELD("flags", "flags", 8, JSON_UINT32, PLAIN),
};

static const JsonField quantile_fields[] = {
	FIELD("quantile", "quantile", 1, JSON_DOUBLE, PLAIN),
	FIELD("value", "value", 2, JSON_DOUBLE, PLAIN),
};

static const JsonField exemplar_fields[] = {
	INNER("filteredAttributes", "filtered_attributes", 7, REPEATED, JSON_KEY_VALUE),
	FIELD("timeUnixNano", "time_unix_nano", 2, JSON_FIXED64, PLAIN),
	FIELD("asDouble", "as_double", 3, JSON_DOUBLE, ONE_OF),
	FIELD("asInt", "as_int", 6, JSON_SFIXED64, ONE_OF),
	FIELD("spanId", "span_id", 4, JSON_HEX, PLAIN),
	FIELD("traceId", "trace_id", 5, JSON_HEX, PLAIN),
};

static const JsonField key_value_fields[] = {
	FIELD("key", "key", 1, JSON_STRING, PLAIN),
	INNER("value", "value", 2, PLAIN, JSON_ANY_VALUE),
};

static const JsonField any_value_fields[] = {
	FIELD("stringValue", "string_value", 1, JSON_STRING, ONE_OF),
	FIELD("boolValue", "bool_value", 2, JSON_BOOL, ONE_OF),
	FIELD("intValue", "int_value", 3, JSON_INT64, ONE_OF),
	FIELD("doubleValue", "double_value", 4, JSON_DOUBLE, ONE_OF),
	INNER("arrayValue", "array_value", 5, ONE_OF, JSON_ARRAY_VALUE),
	INNER("kvlistValue", "kvlist_value", 6, ONE_OF, JSON_KEY_VALUE_LIST),
	FIELD("bytesValue", "bytes_value", 7, JSON_BASE64, ONE_OF),
};

static const JsonField array_value_fields[] = {
	INNER("values", "values", 1, REPEATED, JSON_ANY_VALUE),
};

static const JsonField key_value_list_fields[] = {
	INNER("values", "values", 1, REPEATED, JSON_KEY_VALUE),
};

#define MESSAGE(name, fields)                            \
	{                                                    \
		name, fields, sizeof(fields) / sizeof(fields[0]) \
	}

const JsonMessage otlp_json_messages[JSON_NMESSAGES] = {
	[JSON_REQUEST] = MESSAGE("ExportMetricsServiceRequest", request_fields),
	[JSON_RESOURCE_METRICS] = MESSAGE("ResourceMetrics", resource_metrics_fields),
	[JSON_RESOURCE] = MESSAGE("Resource", resource_fields),
	[JSON_ENTITY_REF] = MESSAGE("EntityRef", entity_ref_fields),
	[JSON_SCOPE_METRICS] = MESSAGE("ScopeMetrics", scope_metrics_fields),
	[JSON_SCOPE] = MESSAGE("InstrumentationScope", scope_fields),
	[JSON_METRIC] = MESSAGE("Metric", metric_fields),
	[JSON_GAUGE] = MESSAGE("Gauge", gauge_fields),
	[JSON_SUM] = MESSAGE("Sum", sum_fields),
	[JSON_HISTOGRAM] = MESSAGE("Histogram", histogram_fields),
	[JSON_EXPONENTIAL] = MESSAGE("ExponentialHistogram", exponential_fields),
	[JSON_SUMMARY] = MESSAGE("Summary", summary_fields),
	[JSON_NUMBER_POINT] = MESSAGE("NumberDataPoint", number_point_fields),
	[JSON_HISTOGRAM_POINT] = MESSAGE("HistogramDataPoint", histogram_point_fields),
	[JSON_EXPONENTIAL_POINT] = MESSAGE("ExponentialHistogramDataPoint",
									   exponential_point_fields),
	[JSON_BUCKETS] = MESSAGE("Buckets", buckets_fields),
	[JSON_SUMMARY_POINT] = MESSAGE("SummaryDataPoint", summary_point_fields),
	[JSON_QUANTILE] = MESSAGE("ValueAtQuantile", quantile_fields),
	[JSON_EXEMPLAR] = MESSAGE("Exemplar", exemplar_fields),
	[JSON_KEY_VALUE] = MESSAGE("KeyValue", key_value_fields),
	[JSON_ANY_VALUE] = MESSAGE("AnyValue", any_value_fields),
	[JSON_ARRAY_VALUE] = MESSAGE("ArrayValue", array_value_fields),
	[JSON_KEY_VALUE_LIST] = MESSAGE("KeyValueList", key_value_list_fields),
};

int
otlp_json_temporality(TsString name)
{
	static const char *const names[] = {"AGGREGATION_TEMPORALITY_UNSPECIFIED",
										"AGGREGATION_TEMPORALITY_DELTA",
										"AGGREGATION_TEMPORALITY_CUMULATIVE"};

	for (int i = 0; i < 3; i++)
	{
		if (ts_string_is(name, names[i]))
			return i;
	}
	return -1;
}
