/*
 * otlp_json_fields.h
 *	  The messages of ExportMetricsServiceRequest: names of their fields in JSON, and numbers
 *	  and types in protobuf.
 */
#ifndef OTLP_JSON_FIELDS_H
#define OTLP_JSON_FIELDS_H

#include "ts_base.h"

typedef enum JsonKind
{
	JSON_STRING,
	JSON_BASE64, /* bytes, as JSON mostly has them */
	JSON_HEX,    /* bytes, as OTLP has its ids */
	JSON_BOOL,
	JSON_DOUBLE,
	JSON_INT64,
	JSON_UINT64,
	JSON_UINT32,
	JSON_SINT32,
	JSON_FIXED64,
	JSON_SFIXED64,
	JSON_ENUM, /* AggregationTemporality: there is no other */
	JSON_MESSAGE
} JsonKind;

typedef enum JsonMessageId
{
	JSON_REQUEST,
	JSON_RESOURCE_METRICS,
	JSON_RESOURCE,
	JSON_ENTITY_REF,
	JSON_SCOPE_METRICS,
	JSON_SCOPE,
	JSON_METRIC,
	JSON_GAUGE,
	JSON_SUM,
	JSON_HISTOGRAM,
	JSON_EXPONENTIAL,
	JSON_SUMMARY,
	JSON_NUMBER_POINT,
	JSON_HISTOGRAM_POINT,
	JSON_EXPONENTIAL_POINT,
	JSON_BUCKETS,
	JSON_SUMMARY_POINT,
	JSON_QUANTILE,
	JSON_EXEMPLAR,
	JSON_KEY_VALUE,
	JSON_ANY_VALUE,
	JSON_ARRAY_VALUE,
	JSON_KEY_VALUE_LIST,
	JSON_NMESSAGES
} JsonMessageId;

typedef struct JsonField
{
	TsString name;       /* lowerCamelCase */
	TsString proto_name; /* as the .proto files have it */
	uint8_t number;
	uint8_t kind; /* JsonKind */
	bool repeated;
	bool present; /* says something by being there, even with its default */
	bool oneof;   /* only one such field of a message may be set: none has two groups */
	uint8_t message; /* JsonMessageId */
} JsonField;

typedef struct JsonMessage
{
	const char *name;
	const JsonField *fields; /* at most 32, in the order in which senders have them */
	uint32_t nfields;
} JsonMessage;

extern const JsonMessage otlp_json_messages[JSON_NMESSAGES];

/* The number of an AggregationTemporality; -1: there is none of that name. */
extern int otlp_json_temporality(TsString name);

#endif /* OTLP_JSON_FIELDS_H */
