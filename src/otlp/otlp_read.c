/*
 * otlp_read.c
 *	  Reads what lies around the points of an ExportMetricsServiceRequest: resources, scopes,
 *	  metrics.
 *
 * The order of fields is free, so every message is walked once for what it says as a whole,
 * and then again, element by element, for those it consists of. Walking passes over what is
 * within an element without looking at it. A message that is given in several fields is all of
 * them one after the other, as protobuf has it; they are put together in memory, which no
 * sender that we know of makes necessary.
 */
#include <assert.h>

#include "otlp_wire.h"

/* Messages that may be given in parts: places in reader->merged. */
enum
{
	MERGED_RESOURCE,
	MERGED_SCOPE,
	MERGED_DATA
};

/* How many points ahead those that are no longer than this are fetched into the cache. */
#define FETCHED_AHEAD 4
#define FETCHED_POINT 1024
#define CACHE_LINE    64

static const TsString no_text = {"", 0};

/* ---- what the readers share ---- */

TsErrorCode
otlp_damaged(const TsOtlpReader *reader, const TsWire *wire, const char *what,
			 TsError *err)
{
	if (wire->next < reader->start || wire->next > reader->message.end)
		return ts_error_set(err, TS_ERR_SYNTAX, -1, "%s is cut short or damaged", what);
	return ts_error_set(err, TS_ERR_SYNTAX, (int) (wire->next - reader->start),
						"%s is cut short or damaged at byte %zu", what,
						(size_t) (wire->next - reader->start));
}

/* Text that is not UTF-8 matters only where it becomes a label, and is found there. */
TsErrorCode
otlp_check_attributes(const TsOtlpAttributes *attributes, TsError *err)
{
	TsWire wire = attributes->count > 0 ? attributes->run : (TsWire){NULL, NULL};
	TsOtlpAttribute ignored;
	TsWire inner;
	uint32_t tag = 0;

	/* The fields were passed over once, so they are there. */
	while (wire_tag(&wire, &tag))
	{
		bool read;

		if (tag != attributes->tag)
			read = wire_skip(&wire, tag);
		else
		{
			read = wire_message(&wire, &inner);
			if (ts_otlp_check_attribute(inner, &ignored, err) == TS_ERR_SYNTAX)
				return TS_ERR_SYNTAX;
		}
		assert(read);
		(void) read;
	}
	assert(!wire_more(&wire));
	return TS_OK;
}

/* ---- messages in parts ---- */

/* Fields of one message that are one message, too. */
typedef struct Parts
{
	uint32_t tag;
	uint32_t count;
	size_t size;
	const uint8_t *from; /* the first of the fields */
	TsWire last;
} Parts;

/* Passes over a part whose tag was read from `from` on. */
static bool
pass_part(Parts *parts, const uint8_t *from, TsWire *wire)
{
	if (!wire_message(wire, &parts->last))
		return false;
	if (parts->count++ == 0)
		parts->from = from;
	parts->size += (size_t) (parts->last.end - parts->last.next);
	return true;
}

/* All parts as one; `end` is that of the message which was walked for them. */
static TsErrorCode
join_parts(TsOtlpReader *reader, int place, const Parts *parts, const uint8_t *end,
		   TsWire *whole, TsError *err)
{
	TsArray *array = &reader->merged[place];
	TsWire wire = {parts->from, end};
	TsWire part;
	uint32_t tag;

	*whole = parts->last;
	if (parts->count <= 1)
		return TS_OK;
	array->n = 0;
	if (!ts_array_room(&reader->allocator, array, 1, parts->size))
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory");
	while (wire_more(&wire))
	{
		if (!wire_tag(&wire, &tag))
			return otlp_damaged(reader, &wire, "message", err);
		if (tag != parts->tag)
		{
			if (!wire_skip(&wire, tag))
				return otlp_damaged(reader, &wire, "message", err);
			continue;
		}
		if (!wire_message(&wire, &part))
			return otlp_damaged(reader, &wire, "message", err);
		memcpy((uint8_t *) array->data + array->n, part.next,
			   (size_t) (part.end - part.next));
		array->n += (size_t) (part.end - part.next);
	}
	assert(array->n == parts->size);
	whole->next = array->data;
	whole->end = whole->next + array->n;
	return TS_OK;
}

/* ---- resources ---- */

static TsErrorCode
read_resource(TsOtlpReader *reader, TsWire wire, TsError *err)
{
	TsOtlpAttributes *attributes = &reader->resource.attributes;

	*attributes = (TsOtlpAttributes){.within = wire, .tag = WIRE_TAG(1, WIRE_BYTES)};
	while (wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_BYTES))
			read = otlp_pass_attributes(attributes, from, &wire);
		else if (read)
			read = tag >> 3 != 1 && wire_skip(&wire, tag);
		if (!read)
			return otlp_damaged(reader, &wire, "resource", err);
	}
	return otlp_check_attributes(attributes, err);
}

/* ResourceMetrics. */
static TsErrorCode
read_resource_metrics(TsOtlpReader *reader, TsWire wire, TsError *err)
{
	TsOtlpResource *resource = &reader->resource;
	const uint8_t *end = wire.end;
	Parts parts = {.tag = WIRE_TAG(1, WIRE_BYTES)};
	TsErrorCode code;
	TsWire whole;

	*resource = (TsOtlpResource){.schema_url = no_text, .scopes = wire};
	while (wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_BYTES))
			read = pass_part(&parts, from, &wire);
		else if (read && tag == WIRE_TAG(3, WIRE_BYTES))
			read = wire_string(&wire, &resource->schema_url);
		else if (read && tag == WIRE_TAG(2, WIRE_BYTES))
			read = wire_skip(&wire, tag);
		else if (read)
			read = tag >> 3 > 3 && wire_skip(&wire, tag);
		if (!read)
			return otlp_damaged(reader, &wire, "metrics of a resource", err);
	}
	code = join_parts(reader, MERGED_RESOURCE, &parts, end, &whole, err);
	return code == TS_OK ? read_resource(reader, whole, err) : code;
}

/* The next field 1 or 2 of a message whose elements have that number. */
static TsErrorCode
next_element(TsOtlpReader *reader, TsWire *wire, uint32_t wanted, const char *what,
			 TsWire *element, bool *found, TsError *err)
{
	uint32_t tag;

	*found = false;
	while (!*found && wire_more(wire))
	{
		bool read = wire_tag(wire, &tag);

		if (read && tag == wanted)
			*found = read = wire_message(wire, element);
		else if (read)
			read = tag >> 3 != wanted >> 3 && wire_skip(wire, tag);
		if (!read)
			return otlp_damaged(reader, wire, what, err);
	}
	return TS_OK;
}

TsErrorCode
ts_otlp_next_resource(TsOtlpReader *reader, bool *found, TsError *err)
{
	TsErrorCode code;
	TsWire inner;

	code = next_element(reader, &reader->message, WIRE_TAG(1, WIRE_BYTES), "request",
						&inner, found, err);
	return code == TS_OK && *found ? read_resource_metrics(reader, inner, err) : code;
}

/* ---- scopes ---- */

static TsErrorCode
read_scope(TsOtlpReader *reader, TsWire wire, TsError *err)
{
	TsOtlpScope *scope = &reader->scope;

	scope->attributes = (TsOtlpAttributes){.within = wire,
										   .tag = WIRE_TAG(3, WIRE_BYTES)};
	while (wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_BYTES))
			read = wire_string(&wire, &scope->name);
		else if (read && tag == WIRE_TAG(2, WIRE_BYTES))
			read = wire_string(&wire, &scope->version);
		else if (read && tag == WIRE_TAG(3, WIRE_BYTES))
			read = otlp_pass_attributes(&scope->attributes, from, &wire);
		else if (read)
			read = tag >> 3 > 3 && wire_skip(&wire, tag);
		if (!read)
			return otlp_damaged(reader, &wire, "scope", err);
	}
	return otlp_check_attributes(&scope->attributes, err);
}

/* ScopeMetrics. */
static TsErrorCode
read_scope_metrics(TsOtlpReader *reader, TsWire wire, TsError *err)
{
	TsOtlpScope *scope = &reader->scope;
	const uint8_t *end = wire.end;
	Parts parts = {.tag = WIRE_TAG(1, WIRE_BYTES)};
	TsErrorCode code;
	TsWire whole;

	*scope = (TsOtlpScope){
		.name = no_text, .version = no_text, .schema_url = no_text, .metrics = wire};
	while (wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(2, WIRE_BYTES))
			read = wire_skip(&wire, tag);
		else if (read && tag == WIRE_TAG(1, WIRE_BYTES))
			read = pass_part(&parts, from, &wire);
		else if (read && tag == WIRE_TAG(3, WIRE_BYTES))
			read = wire_string(&wire, &scope->schema_url);
		else if (read)
			read = tag >> 3 > 3 && wire_skip(&wire, tag);
		if (!read)
			return otlp_damaged(reader, &wire, "metrics of a scope", err);
	}
	code = join_parts(reader, MERGED_SCOPE, &parts, end, &whole, err);
	return code == TS_OK ? read_scope(reader, whole, err) : code;
}

TsErrorCode
ts_otlp_next_scope(TsOtlpReader *reader, bool *found, TsError *err)
{
	TsErrorCode code;
	TsWire inner;

	code = next_element(reader, &reader->resource.scopes, WIRE_TAG(2, WIRE_BYTES),
						"metrics of a resource", &inner, found, err);
	return code == TS_OK && *found ? read_scope_metrics(reader, inner, err) : code;
}

/* ---- metrics ---- */

static TsOtlpType
data_type(uint32_t tag)
{
	switch (tag)
	{
		case WIRE_TAG(5, WIRE_BYTES):
			return TS_OTLP_GAUGE;
		case WIRE_TAG(7, WIRE_BYTES):
			return TS_OTLP_SUM;
		case WIRE_TAG(9, WIRE_BYTES):
			return TS_OTLP_HISTOGRAM;
		case WIRE_TAG(10, WIRE_BYTES):
			return TS_OTLP_EXPONENTIAL;
		case WIRE_TAG(11, WIRE_BYTES):
			return TS_OTLP_SUMMARY;
		default:
			return TS_OTLP_NONE;
	}
}

/*
 * Passes over a point, and has those fetched that lie some points further on: what is looked
 * at of each here, its length, says where the next one begins, so that nothing else would be
 * on its way from memory meanwhile. Points of a metric are about as long as each other.
 */
static bool
pass_point(TsWire *wire)
{
	TsWire point;
	size_t length;

	if (!wire_message(wire, &point))
		return false;
	length = (size_t) (point.end - point.next);
	if (length <= FETCHED_POINT &&
		length * (FETCHED_AHEAD + 1) < (size_t) (wire->end - wire->next))
	{
		const uint8_t *ahead = wire->next + length * FETCHED_AHEAD;

		for (size_t at = 0; at < length; at += CACHE_LINE)
			__builtin_prefetch(ahead + at);
	}
	return true;
}

/* Gauge, Sum, and so on: they have the same fields, as far as they have them. */
static TsErrorCode
read_data(TsOtlpReader *reader, TsWire wire, TsError *err)
{
	TsOtlpMetric *metric = &reader->metric;
	const uint32_t last = metric->type == TS_OTLP_SUM ? 3
						  : metric->type == TS_OTLP_HISTOGRAM ||
								  metric->type == TS_OTLP_EXPONENTIAL
							  ? 2
							  : 1;

	metric->points = wire;
	while (wire_more(&wire))
	{
		uint64_t number = 0;
		uint32_t tag;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_BYTES))
		{
			read = pass_point(&wire);
			metric->npoints++;
		}
		else if (read && tag >> 3 > last)
			read = wire_skip(&wire, tag);
		else if (read && tag == WIRE_TAG(2, WIRE_VARINT))
		{
			read = wire_varint(&wire, &number);
			metric->temporality = number <= TS_OTLP_CUMULATIVE
									  ? (TsOtlpTemporality) number
									  : TS_OTLP_UNSPECIFIED;
		}
		else if (read && tag == WIRE_TAG(3, WIRE_VARINT))
		{
			read = wire_varint(&wire, &number);
			metric->monotonic = number != 0;
		}
		else
			read = false;
		if (!read)
			return otlp_damaged(reader, &wire, "data of a metric", err);
	}
	return TS_OK;
}

static TsErrorCode
check_metadata_attribute(const TsOtlpReader *reader, TsWire *wire, TsError *err)
{
	TsOtlpAttribute ignored;
	TsWire inner;

	if (!wire_message(wire, &inner))
		return otlp_damaged(reader, wire, "metric", err);
	return ts_otlp_check_attribute(inner, &ignored, err) == TS_ERR_SYNTAX ? TS_ERR_SYNTAX
																		  : TS_OK;
}

/* Of several kinds of data the last one counts, from where it began. */
static bool
pass_data(TsOtlpMetric *metric, Parts *parts, uint32_t tag, const uint8_t *from,
		  TsWire *wire)
{
	if (tag != parts->tag)
		*parts = (Parts){.tag = tag};
	metric->type = data_type(tag);
	return pass_part(parts, from, wire);
}

static TsErrorCode
read_metric(TsOtlpReader *reader, TsWire wire, TsError *err)
{
	TsOtlpMetric *metric = &reader->metric;
	const uint8_t *end = wire.end;
	Parts parts = {.tag = 0};
	TsErrorCode code = TS_OK;
	TsWire whole;

	*metric = (TsOtlpMetric){.name = no_text, .description = no_text, .unit = no_text};
	while (code == TS_OK && wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_BYTES))
			read = wire_string(&wire, &metric->name);
		else if (read && tag == WIRE_TAG(2, WIRE_BYTES))
			read = wire_string(&wire, &metric->description);
		else if (read && tag == WIRE_TAG(3, WIRE_BYTES))
			read = wire_string(&wire, &metric->unit);
		else if (read && data_type(tag) != TS_OTLP_NONE)
			read = pass_data(metric, &parts, tag, from, &wire);
		else if (read && tag == WIRE_TAG(12, WIRE_BYTES))
			code = check_metadata_attribute(reader, &wire, err);
		else if (read)
			read = tag >> 3 > 3 && tag >> 3 != 12 &&
				   data_type(WIRE_TAG(tag >> 3, WIRE_BYTES)) == TS_OTLP_NONE &&
				   wire_skip(&wire, tag);
		if (!read)
			return otlp_damaged(reader, &wire, "metric", err);
	}
	if (code == TS_OK && parts.count > 0)
		code = join_parts(reader, MERGED_DATA, &parts, end, &whole, err);
	return code == TS_OK && parts.count > 0 ? read_data(reader, whole, err) : code;
}

TsErrorCode
ts_otlp_next_metric(TsOtlpReader *reader, bool *found, TsError *err)
{
	TsErrorCode code;
	TsWire inner;

	code = next_element(reader, &reader->scope.metrics, WIRE_TAG(2, WIRE_BYTES),
						"metrics of a scope", &inner, found, err);
	return code == TS_OK && *found ? read_metric(reader, inner, err) : code;
}

/* ---- messages ---- */

TsErrorCode
ts_otlp_open(TsOtlpReader *reader, const void *data, size_t size,
			 const TsAllocator *allocator, TsError *err)
{
	memset(reader, 0, sizeof(*reader));
	reader->allocator = *allocator;
	reader->start = data;
	reader->message = (TsWire){reader->start, reader->start + size};
	if (size > INT32_MAX)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "message is larger than %d bytes",
							INT32_MAX);
	return TS_OK;
}

void
ts_otlp_close(TsOtlpReader *reader)
{
	TsArray *const arrays[] = {
		&reader->counts[0], &reader->counts[1], &reader->bounds,    &reader->quantiles,
		&reader->merged[0], &reader->merged[1], &reader->merged[2],
	};

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
		ts_array_free(&reader->allocator, arrays[i]);
}
