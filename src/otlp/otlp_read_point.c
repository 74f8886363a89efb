/*
 * otlp_read_point.c
 *	  Reads the points of a metric.
 *
 * A point is walked once, from its first field to its last. What does not fit together within
 * it (as many counts as bounds ask for, counts that add up, indexes in range) is found here,
 * so that what comes out can be computed with; that refuses this point and no other.
 */
#include <math.h>

#include "otlp_wire.h"

#define NO_RECORDED_VALUE 1 /* a bit of the flags */

/* What is known while a point is being read. */
typedef struct PointReader
{
	TsOtlpReader *reader;
	TsOtlpPoint *point;
	uint64_t count;
	uint64_t zero_count;
	uint64_t total; /* of the counts of buckets so far */
	bool overflow;  /* it is more than 64 bits hold */
} PointReader;

static TsErrorCode
no_memory(TsError *err)
{
	return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory for a data point");
}

static TsErrorCode
too_many(const char *what, TsError *err)
{
	return ts_error_set(err, TS_ERR_LIMIT, -1, "data point has more than %d %s",
						TS_HISTOGRAM_MAX_BUCKETS, what);
}

static bool
is_field(uint32_t tag, uint32_t field)
{
	return tag >> 3 == field;
}

/* ---- gauges and sums ---- */

static bool
read_flags(TsWire *wire, TsOtlpPoint *point)
{
	uint64_t flags;

	if (!wire_varint(wire, &flags))
		return false;
	point->no_recorded_value = (flags & NO_RECORDED_VALUE) != 0;
	return true;
}

static bool
read_integer(TsWire *wire, TsOtlpPoint *point)
{
	uint64_t bits;

	if (!wire_fixed64(wire, &bits))
		return false;
	point->has_number = true;
	point->is_integer = true;
	point->integer = (int64_t) bits;
	point->number = (double) point->integer;
	return true;
}

static bool
read_double(TsWire *wire, TsOtlpPoint *point)
{
	point->has_number = true;
	point->is_integer = false;
	return wire_double(wire, &point->number);
}

static TsErrorCode
read_number_point(PointReader *at, TsWire wire, TsError *err)
{
	TsOtlpPoint *point = at->point;
	TsErrorCode code = TS_OK;

	while (code == TS_OK && wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag = 0;
		bool read = wire_tag(&wire, &tag);

		switch (tag)
		{
			case WIRE_TAG(7, WIRE_BYTES):
				read = otlp_pass_attributes(&point->attributes, from, &wire);
				break;
			case WIRE_TAG(2, WIRE_FIXED64):
				read = wire_fixed64(&wire, &point->start);
				break;
			case WIRE_TAG(3, WIRE_FIXED64):
				read = wire_fixed64(&wire, &point->time);
				break;
			case WIRE_TAG(4, WIRE_FIXED64):
				read = read_double(&wire, point);
				break;
			case WIRE_TAG(6, WIRE_FIXED64):
				read = read_integer(&wire, point);
				break;
			case WIRE_TAG(8, WIRE_VARINT):
				read = read_flags(&wire, point);
				break;
			case WIRE_TAG(5, WIRE_BYTES):
				code = otlp_pass_exemplar(at->reader, from, &wire, err);
				break;
			default:
				read = read && (is_field(tag, 1) || tag >> 3 > 8) &&
					   wire_skip(&wire, tag);
				break;
		}
		if (!read)
			return otlp_damaged(at->reader, &wire, "data point", err);
	}
	if (code == TS_OK && !point->has_number && !point->no_recorded_value)
		return ts_error_set(err, TS_ERR_INVALID, -1, "data point has no value");
	return code;
}

/* ---- arrays ---- */

static TsErrorCode
add_double(TsOtlpReader *reader, TsArray *array, double number, const char *what,
		   TsError *err)
{
	if (array->n == TS_HISTOGRAM_MAX_BUCKETS)
		return too_many(what, err);
	if (array->n == array->room &&
		!ts_array_room(&reader->allocator, array, sizeof(double), 1))
		return no_memory(err);
	((double *) array->data)[array->n++] = number;
	return TS_OK;
}

static TsErrorCode
add_count(PointReader *at, TsArray *array, uint64_t count, TsError *err)
{
	at->overflow |= __builtin_add_overflow(at->total, count, &at->total);
	return add_double(at->reader, array, (double) count, "buckets", err);
}

/* A field of eight bytes each, packed or not: counts, or else bounds. */
static TsErrorCode
read_fixed64s(PointReader *at, TsWire *wire, uint32_t tag, bool counts, TsError *err)
{
	TsOtlpReader *reader = at->reader;
	TsErrorCode code = TS_OK;
	TsWire packed;
	uint64_t bits;
	double number;

	if ((tag & 7) == WIRE_FIXED64 && wire->end - wire->next >= 8)
	{
		packed = (TsWire){wire->next, wire->next + 8};
		wire->next += 8;
	}
	else if ((tag & 7) != WIRE_BYTES || !wire_message(wire, &packed) ||
			 (packed.end - packed.next) % 8 != 0)
		return otlp_damaged(reader, wire, "data point", err);
	while (code == TS_OK && wire_fixed64(&packed, &bits))
	{
		if (counts)
			code = add_count(at, &reader->counts[0], bits, err);
		else
		{
			memcpy(&number, &bits, sizeof(number));
			code = add_double(reader, &reader->bounds, number, "bounds", err);
		}
	}
	return code;
}

/* The fields that histograms and summaries have at the same places; false: damaged. */
static bool
read_common(PointReader *at, TsWire *wire, uint32_t tag)
{
	TsOtlpPoint *point = at->point;

	switch (tag)
	{
		case WIRE_TAG(2, WIRE_FIXED64):
			return wire_fixed64(wire, &point->start);
		case WIRE_TAG(3, WIRE_FIXED64):
			return wire_fixed64(wire, &point->time);
		case WIRE_TAG(4, WIRE_FIXED64):
			return wire_fixed64(wire, &at->count);
		case WIRE_TAG(5, WIRE_FIXED64):
			point->has_sum = true;
			return wire_double(wire, &point->sum);
		default:
			return false;
	}
}

static bool
read_min(TsWire *wire, TsOtlpPoint *point)
{
	point->has_min = true;
	return wire_double(wire, &point->min);
}

static bool
read_max(TsWire *wire, TsOtlpPoint *point)
{
	point->has_max = true;
	return wire_double(wire, &point->max);
}

/* ---- histograms with explicit bounds ---- */

/*
 * A last bound of +Inf says what is so without it: what is counted up to it and beyond it is
 * one bucket.
 */
static void
drop_infinite_bound(PointReader *at)
{
	TsArray *counts = &at->reader->counts[0];
	TsArray *bounds = &at->reader->bounds;
	double *number = counts->data;

	if (bounds->n == 0 || ((const double *) bounds->data)[bounds->n - 1] != INFINITY)
		return;
	bounds->n--;
	if (counts->n == bounds->n + 2)
	{
		number[counts->n - 2] += number[counts->n - 1];
		counts->n--;
	}
}

static TsErrorCode
check_bounds(const TsArray *array, TsError *err)
{
	const double *bounds = array->data;

	for (size_t i = 0; i < array->n; i++)
	{
		if (isnan(bounds[i]) || (i > 0 && !(bounds[i - 1] < bounds[i])))
			return ts_error_set(err, TS_ERR_INVALID, -1,
								"bounds of a histogram are not in ascending order");
	}
	return TS_OK;
}

/* What is in no bucket were observations of NaN; more in buckets than in all cannot be. */
static TsErrorCode
check_counts(const PointReader *at, TsError *err)
{
	if (at->overflow || at->total > at->count)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"buckets of a histogram hold more than its count of %llu",
							(unsigned long long) at->count);
	return TS_OK;
}

static TsErrorCode
finish_histogram(PointReader *at, TsError *err)
{
	TsOtlpReader *reader = at->reader;
	TsOtlpPoint *point = at->point;
	const bool recorded = !point->no_recorded_value;
	TsErrorCode code = check_bounds(&reader->bounds, err);

	if (code == TS_OK && recorded)
		code = check_counts(at, err);
	if (code != TS_OK)
		return code;
	drop_infinite_bound(at);
	if (recorded && reader->counts[0].n == 0)
		reader->bounds.n = 0;
	if (reader->counts[0].n > 0 && reader->counts[0].n != reader->bounds.n + 1)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"histogram has %zu bounds and %zu buckets, where one more "
							"than bounds belongs",
							reader->bounds.n, reader->counts[0].n);
	point->count = (double) at->count;
	point->counts = reader->counts[0].data;
	point->ncounts = (uint32_t) reader->counts[0].n;
	point->bounds = reader->bounds.data;
	point->nbounds = (uint32_t) reader->bounds.n;
	return TS_OK;
}

static TsErrorCode
read_histogram_point(PointReader *at, TsWire wire, TsError *err)
{
	TsOtlpPoint *point = at->point;
	TsErrorCode code = TS_OK;

	at->reader->counts[0].n = 0;
	at->reader->bounds.n = 0;
	while (code == TS_OK && wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag = 0;
		bool read = wire_tag(&wire, &tag);

		if (read && (is_field(tag, 6) || is_field(tag, 7)))
			code = read_fixed64s(at, &wire, tag, is_field(tag, 6), err);
		else if (read && tag == WIRE_TAG(8, WIRE_BYTES))
			code = otlp_pass_exemplar(at->reader, from, &wire, err);
		else if (read && tag == WIRE_TAG(9, WIRE_BYTES))
			read = otlp_pass_attributes(&point->attributes, from, &wire);
		else if (read && tag == WIRE_TAG(10, WIRE_VARINT))
			read = read_flags(&wire, point);
		else if (read && tag == WIRE_TAG(11, WIRE_FIXED64))
			read = read_min(&wire, point);
		else if (read && tag == WIRE_TAG(12, WIRE_FIXED64))
			read = read_max(&wire, point);
		else if (read && (is_field(tag, 1) || tag >> 3 > 12))
			read = wire_skip(&wire, tag);
		else if (read)
			read = read_common(at, &wire, tag);
		if (!read)
			return otlp_damaged(at->reader, &wire, "histogram", err);
	}
	return code == TS_OK ? finish_histogram(at, err) : code;
}

/* ---- exponential histograms ---- */

/* Counts of one side, packed or not. */
static TsErrorCode
read_side_counts(PointReader *at, TsWire *wire, uint32_t tag, int side, TsError *err)
{
	TsArray *array = &at->reader->counts[side];
	TsErrorCode code = TS_OK;
	TsWire packed;
	uint64_t count;

	if ((tag & 7) == WIRE_VARINT && wire_varint(wire, &count))
		return add_count(at, array, count, err);
	if ((tag & 7) != WIRE_BYTES || !wire_message(wire, &packed))
		return otlp_damaged(at->reader, wire, "histogram", err);
	while (code == TS_OK && wire_more(&packed))
	{
		if (!wire_varint(&packed, &count))
			return otlp_damaged(at->reader, &packed, "histogram", err);
		code = add_count(at, array, count, err);
	}
	return code;
}

static TsErrorCode
read_side(PointReader *at, TsWire *outer, int side, TsError *err)
{
	TsOtlpBuckets *buckets = side == 0 ? &at->point->positive : &at->point->negative;
	TsErrorCode code = TS_OK;
	uint64_t number;
	TsWire wire;

	if (!wire_message(outer, &wire))
		return otlp_damaged(at->reader, outer, "histogram", err);
	while (code == TS_OK && wire_more(&wire))
	{
		uint32_t tag;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_VARINT))
		{
			read = wire_varint(&wire, &number);
			buckets->offset = read ? (int32_t) wire_zigzag((uint32_t) number) : 0;
		}
		else if (read && is_field(tag, 2))
			code = read_side_counts(at, &wire, tag, side, err);
		else if (read)
			read = tag >> 3 > 2 && wire_skip(&wire, tag);
		if (!read)
			return otlp_damaged(at->reader, &wire, "histogram", err);
	}
	return code;
}

/* A bucket's index in a native histogram is one more than here, and has 32 bits. */
static TsErrorCode
finish_side(PointReader *at, int side, TsError *err)
{
	TsOtlpBuckets *buckets = side == 0 ? &at->point->positive : &at->point->negative;

	buckets->counts = at->reader->counts[side].data;
	buckets->ncounts = (uint32_t) at->reader->counts[side].n;
	if ((int64_t) buckets->offset + buckets->ncounts > INT32_MAX - 1)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"buckets of a histogram begin at %d, which is out of range",
							buckets->offset);
	return TS_OK;
}

static TsErrorCode
finish_exponential(PointReader *at, TsError *err)
{
	TsOtlpPoint *point = at->point;
	TsErrorCode code = finish_side(at, 0, err);

	if (code == TS_OK)
		code = finish_side(at, 1, err);
	if (code != TS_OK)
		return code;
	if (point->scale < INT8_MIN || point->scale > INT8_MAX)
		return ts_error_set(err, TS_ERR_INVALID, -1, "there is no histogram scale %d",
							point->scale);
	if (!(point->zero_threshold >= 0 && point->zero_threshold < INFINITY))
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"zero threshold of a histogram is not a number from 0 on");
	at->overflow |= __builtin_add_overflow(at->total, at->zero_count, &at->total);
	if (!point->no_recorded_value)
		code = check_counts(at, err);
	point->count = (double) at->count;
	point->zero_count = (double) at->zero_count;
	return code;
}

/* Its own fields of one number; false: damaged. */
static bool
read_exponential_number(PointReader *at, TsWire *wire, uint32_t tag)
{
	TsOtlpPoint *point = at->point;
	uint64_t number;

	switch (tag)
	{
		case WIRE_TAG(6, WIRE_VARINT):
			if (!wire_varint(wire, &number))
				return false;
			point->scale = (int32_t) wire_zigzag((uint32_t) number);
			return true;
		case WIRE_TAG(7, WIRE_FIXED64):
			return wire_fixed64(wire, &at->zero_count);
		case WIRE_TAG(10, WIRE_VARINT):
			return read_flags(wire, point);
		case WIRE_TAG(12, WIRE_FIXED64):
			return read_min(wire, point);
		case WIRE_TAG(13, WIRE_FIXED64):
			return read_max(wire, point);
		case WIRE_TAG(14, WIRE_FIXED64):
			return wire_double(wire, &point->zero_threshold);
		default:
			return tag >> 3 > 14 ? wire_skip(wire, tag) : read_common(at, wire, tag);
	}
}

static TsErrorCode
read_exponential_point(PointReader *at, TsWire wire, TsError *err)
{
	TsErrorCode code = TS_OK;

	at->reader->counts[0].n = 0;
	at->reader->counts[1].n = 0;
	while (code == TS_OK && wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag = 0;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_BYTES))
			read = otlp_pass_attributes(&at->point->attributes, from, &wire);
		else if (read && tag == WIRE_TAG(8, WIRE_BYTES))
			code = read_side(at, &wire, 0, err);
		else if (read && tag == WIRE_TAG(9, WIRE_BYTES))
			code = read_side(at, &wire, 1, err);
		else if (read && tag == WIRE_TAG(11, WIRE_BYTES))
			code = otlp_pass_exemplar(at->reader, from, &wire, err);
		else if (read)
			read = read_exponential_number(at, &wire, tag);
		if (!read)
			return otlp_damaged(at->reader, &wire, "histogram", err);
	}
	return code == TS_OK ? finish_exponential(at, err) : code;
}

/* ---- summaries ---- */

static TsErrorCode
read_quantile(PointReader *at, TsWire *outer, TsError *err)
{
	TsOtlpReader *reader = at->reader;
	TsArray *array = &reader->quantiles;
	TsOtlpQuantile quantile = {0, 0};
	TsWire wire;

	if (!wire_message(outer, &wire))
		return otlp_damaged(reader, outer, "summary", err);
	while (wire_more(&wire))
	{
		uint32_t tag;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_FIXED64))
			read = wire_double(&wire, &quantile.quantile);
		else if (read && tag == WIRE_TAG(2, WIRE_FIXED64))
			read = wire_double(&wire, &quantile.value);
		else if (read)
			read = tag >> 3 > 2 && wire_skip(&wire, tag);
		if (!read)
			return otlp_damaged(reader, &wire, "summary", err);
	}
	if (array->n == TS_HISTOGRAM_MAX_BUCKETS)
		return too_many("quantiles", err);
	if (!ts_array_room(&reader->allocator, array, sizeof(TsOtlpQuantile), 1))
		return no_memory(err);
	((TsOtlpQuantile *) array->data)[array->n++] = quantile;
	return TS_OK;
}

static TsErrorCode
read_summary_point(PointReader *at, TsWire wire, TsError *err)
{
	TsOtlpPoint *point = at->point;
	TsErrorCode code = TS_OK;

	at->reader->quantiles.n = 0;
	while (code == TS_OK && wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag = 0;
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(6, WIRE_BYTES))
			code = read_quantile(at, &wire, err);
		else if (read && tag == WIRE_TAG(7, WIRE_BYTES))
			read = otlp_pass_attributes(&point->attributes, from, &wire);
		else if (read && tag == WIRE_TAG(8, WIRE_VARINT))
			read = read_flags(&wire, point);
		else if (read && (is_field(tag, 1) || tag >> 3 > 8))
			read = wire_skip(&wire, tag);
		else if (read)
			read = read_common(at, &wire, tag);
		if (!read)
			return otlp_damaged(at->reader, &wire, "summary", err);
	}
	point->count = (double) at->count;
	point->has_sum = true; /* it is a field that is always there */
	point->quantiles = at->reader->quantiles.data;
	point->nquantiles = (uint32_t) at->reader->quantiles.n;
	return code;
}

/* ---- points ---- */

static TsErrorCode
read_point(TsOtlpReader *reader, TsWire wire, TsError *err)
{
	static const uint32_t attribute_fields[] = {
		[TS_OTLP_GAUGE] = 7,       [TS_OTLP_SUM] = 7,     [TS_OTLP_HISTOGRAM] = 9,
		[TS_OTLP_EXPONENTIAL] = 1, [TS_OTLP_SUMMARY] = 7,
	};
	static const uint32_t exemplar_fields[] = {
		[TS_OTLP_GAUGE] = 5,        [TS_OTLP_SUM] = 5,     [TS_OTLP_HISTOGRAM] = 8,
		[TS_OTLP_EXPONENTIAL] = 11, [TS_OTLP_SUMMARY] = 0,
	};
	const TsOtlpType type = reader->metric.type;
	PointReader at = {.reader = reader, .point = &reader->point};

	memset(at.point, 0, sizeof(*at.point));
	at.point->metric = &reader->metric;
	at.point->attributes.within = wire;
	at.point->attributes.tag = WIRE_TAG(attribute_fields[type], WIRE_BYTES);
	at.point->exemplar_tag = WIRE_TAG(exemplar_fields[type], WIRE_BYTES);
	switch (type)
	{
		case TS_OTLP_HISTOGRAM:
			return read_histogram_point(&at, wire, err);
		case TS_OTLP_EXPONENTIAL:
			return read_exponential_point(&at, wire, err);
		case TS_OTLP_SUMMARY:
			return read_summary_point(&at, wire, err);
		default:
			return read_number_point(&at, wire, err);
	}
}

TsErrorCode
ts_otlp_next_point(TsOtlpReader *reader, bool *found, TsError *err)
{
	TsWire *wire = &reader->metric.points;
	TsWire inner;
	uint32_t tag;

	*found = false;
	while (wire_more(wire))
	{
		if (!wire_tag(wire, &tag))
			return otlp_damaged(reader, wire, "data of a metric", err);
		if (tag == WIRE_TAG(1, WIRE_BYTES))
		{
			if (!wire_message(wire, &inner))
				return otlp_damaged(reader, wire, "data point", err);
			*found = true;
			return read_point(reader, inner, err);
		}
		if (!wire_skip(wire, tag))
			return otlp_damaged(reader, wire, "data of a metric", err);
	}
	return TS_OK;
}
