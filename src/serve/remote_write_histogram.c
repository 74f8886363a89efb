/*
 * remote_write_histogram.c
 *	  Reads native histograms of remote write; their fields are the same in both versions.
 *
 * A histogram is of integers, with the differences of its buckets' counts, or of floats,
 * with the counts themselves; which of them, its count of observations says. What does
 * not go together is refused. Schemas that are finer than we keep are brought to the
 * finest one that we do.
 */
#include "remote_write_wire.h"

#define FINEST_SCHEMA 52 /* that there is on the wire */

/* What is known while the message is being read. */
typedef struct Parts
{
	bool integer;
	bool has_deltas;
	bool has_counts;
	bool has_integer_zero; /* and it is not 0 */
	bool has_float_zero;
	int64_t sum[2]; /* of the deltas so far */
	double zero_integer;
	double zero_float;
} Parts;

static TsErrorCode
invalid(const char *what, TsError *err)
{
	return ts_error_set(err, TS_ERR_INVALID, -1, "invalid histogram: %s", what);
}

static TsErrorCode
read_span(TsWriteReader *reader, TsWire wire, int side, TsError *err)
{
	TsSpan span = {0, 0};
	TsErrorCode code;
	uint32_t tag;
	uint64_t number;

	while (wire_more(&wire))
	{
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_VARINT))
		{
			read = wire_varint(&wire, &number);
			span.offset = (int32_t) wire_zigzag(read ? (uint32_t) number : 0);
		}
		else if (read && tag == WIRE_TAG(2, WIRE_VARINT))
		{
			read = wire_varint(&wire, &number);
			span.length = read ? (uint32_t) number : 0;
		}
		else if (read)
			read = !write_known_field(tag, 2) && wire_skip(&wire, tag);
		if (!read)
			return write_damaged(reader, &wire, "bucket span", err);
	}
	code = write_array_reserve(reader, &reader->spans[side], sizeof(TsSpan), 1,
							   TS_HISTOGRAM_MAX_BUCKETS, "spans of a histogram", err);
	if (code == TS_OK)
		((TsSpan *) reader->spans[side].data)[reader->spans[side].n++] = span;
	return code;
}

static TsErrorCode
add_number(TsWriteReader *reader, TsArray *array, double number, TsError *err)
{
	TsErrorCode code = write_array_reserve(reader, array, sizeof(double), 1,
										   TS_HISTOGRAM_MAX_BUCKETS,
										   "buckets of a histogram", err);

	if (code == TS_OK)
		((double *) array->data)[array->n++] = number;
	return code;
}

/* A field of doubles, packed or not. */
static TsErrorCode
read_doubles(TsWriteReader *reader, TsWire *wire, uint32_t tag, TsArray *array,
			 TsError *err)
{
	TsWire packed = *wire;
	double number;

	if ((tag & 7) == WIRE_FIXED64 && wire_double(wire, &number))
		return add_number(reader, array, number, err);
	if ((tag & 7) != WIRE_BYTES || !wire_message(wire, &packed) ||
		(packed.end - packed.next) % 8 != 0)
		return write_damaged(reader, wire, "histogram", err);
	while (wire_double(&packed, &number))
	{
		TsErrorCode code = add_number(reader, array, number, err);

		if (code != TS_OK)
			return code;
	}
	return TS_OK;
}

static TsErrorCode
add_delta(TsWriteReader *reader, Parts *parts, int side, uint64_t bits, TsError *err)
{
	if (__builtin_add_overflow(parts->sum[side], wire_zigzag(bits), &parts->sum[side]) ||
		parts->sum[side] < 0)
		return invalid("a bucket has a negative number of observations", err);
	parts->has_deltas = true;
	return add_number(reader, &reader->counts[side], (double) parts->sum[side], err);
}

static TsErrorCode
read_deltas(TsWriteReader *reader, Parts *parts, TsWire *wire, uint32_t tag, int side,
			TsError *err)
{
	TsErrorCode code = TS_OK;
	TsWire packed = *wire;
	uint64_t bits;

	if ((tag & 7) == WIRE_VARINT && wire_varint(wire, &bits))
		return add_delta(reader, parts, side, bits, err);
	if ((tag & 7) != WIRE_BYTES || !wire_message(wire, &packed))
		return write_damaged(reader, wire, "histogram", err);
	while (code == TS_OK && wire_more(&packed))
	{
		if (!wire_varint(&packed, &bits))
			return write_damaged(reader, &packed, "histogram", err);
		code = add_delta(reader, parts, side, bits, err);
	}
	return code;
}

/* Fields of one number; false: damaged. */
static bool
read_number(TsWire *wire, uint32_t tag, TsWriteItem *item, Parts *parts, bool two)
{
	TsHistogram *h = &item->histogram;
	uint64_t number;

	switch (tag)
	{
		case WIRE_TAG(2, WIRE_FIXED64):
			parts->integer = false;
			return wire_double(wire, &h->count);
		case WIRE_TAG(3, WIRE_FIXED64):
			return wire_double(wire, &h->sum);
		case WIRE_TAG(5, WIRE_FIXED64):
			return wire_double(wire, &h->zero_threshold);
		case WIRE_TAG(7, WIRE_FIXED64):
			parts->has_float_zero = true;
			return wire_double(wire, &parts->zero_float);
		default:
			break;
	}
	if ((tag & 7) != WIRE_VARINT || !wire_varint(wire, &number))
		return false;
	switch (tag >> 3)
	{
		case 1:
			parts->integer = true;
			h->count = (double) number;
			return true;
		case 4:
			h->schema = (int32_t) wire_zigzag((uint32_t) number);
			return true;
		case 6:
			parts->has_integer_zero = number != 0;
			parts->zero_integer = (double) number;
			return true;
		case 14:
			/* the enumeration has our order; numbers it does not have yet say nothing */
			h->hint = number <= TS_RESET_GAUGE ? (TsResetHint) number : TS_RESET_UNKNOWN;
			return true;
		case 15:
			item->time = (int64_t) number;
			return true;
		case 17:
			item->start = two ? (int64_t) number : 0;
			return true;
		default:
			return false;
	}
}

static TsErrorCode
read_field(TsWriteReader *reader, Parts *parts, TsWire *wire, uint32_t tag,
		   TsWriteItem *item, TsError *err)
{
	TsWire inner;
	const int side = tag >> 3 >= 11 ? 0 : 1; /* of fields 8 to 13 */

	switch (tag >> 3)
	{
		case 8:
		case 11:
			if ((tag & 7) != WIRE_BYTES || !wire_message(wire, &inner))
				break;
			return read_span(reader, inner, side, err);
		case 9:
		case 12:
			return read_deltas(reader, parts, wire, tag, side, err);
		case 10:
		case 13:
			parts->has_counts = true;
			return read_doubles(reader, wire, tag, &reader->counts[side], err);
		case 16:
			return read_doubles(reader, wire, tag, &reader->bounds, err);
		default:
			if (write_known_field(tag, 17)
					? read_number(wire, tag, item, parts, reader->version == TS_WRITE_2)
					: wire_skip(wire, tag))
				return TS_OK;
			break;
	}
	return write_damaged(reader, wire, "histogram", err);
}

/* Do the kinds of numbers go together, and are there as many as the spans say? */
static TsErrorCode
check_parts(const TsWriteReader *reader, const Parts *parts, TsError *err)
{
	if (parts->has_deltas && parts->has_counts)
		return invalid("it has buckets of integers and of floats", err);
	if (parts->integer ? parts->has_counts : parts->has_deltas)
		return invalid("its buckets are not of the same kind as its count", err);
	if (parts->integer ? parts->has_float_zero && parts->zero_float != 0
					   : parts->has_integer_zero)
		return invalid("its zero bucket is not of the same kind as its count", err);
	for (int side = 0; side < 2; side++)
	{
		const TsSpan *spans = reader->spans[side].data;
		uint64_t buckets = 0;

		for (size_t i = 0; i < reader->spans[side].n; i++)
			buckets += spans[i].length;
		if (buckets != reader->counts[side].n)
			return ts_error_set(
				err, TS_ERR_INVALID, -1,
				"invalid histogram: its %s spans are of %llu buckets, but "
				"there are %zu",
				side == 0 ? "positive" : "negative", (unsigned long long) buckets,
				reader->counts[side].n);
	}
	return TS_OK;
}

/*
 * Brings a side's buckets to a schema that is coarser by `shift` steps: a bucket of it is
 * 2^shift of the old ones. In place, as spans and buckets only become fewer.
 */
static TsErrorCode
coarsen(TsWriteReader *reader, int side, int shift, TsError *err)
{
	TsSpan *spans = reader->spans[side].data;
	double *counts = reader->counts[side].data;
	int64_t index = 0; /* of the next old bucket */
	int64_t last = 0;  /* new index of the last bucket written */
	size_t read = 0;
	size_t nspans = 0;
	size_t ncounts = 0;

	for (size_t i = 0; i < reader->spans[side].n; i++)
	{
		const TsSpan span = spans[i];

		index += span.offset;
		for (uint32_t j = 0; j < span.length; j++)
		{
			const int64_t to = ((index++ - 1) >> shift) + 1;
			const double count = counts[read++];

			if (ncounts > 0 && to == last)
			{
				counts[ncounts - 1] += count;
				continue;
			}
			if (to < INT32_MIN || to > INT32_MAX || (ncounts > 0 && to < last))
				return invalid("its buckets are out of bounds or order", err);
			if (ncounts > 0 && to == last + 1)
				spans[nspans - 1].length++;
			else
				spans[nspans++] = (TsSpan){(int32_t) (ncounts > 0 ? to - last - 1 : to),
										   1};
			counts[ncounts++] = count;
			last = to;
		}
	}
	reader->spans[side].n = nspans;
	reader->counts[side].n = ncounts;
	return TS_OK;
}

static TsErrorCode
settle_schema(TsWriteReader *reader, TsHistogram *h, TsError *err)
{
	TsErrorCode code;
	int shift = h->schema - TS_HISTOGRAM_MAX_SCHEMA;

	if (shift <= 0 || h->schema > FINEST_SCHEMA)
		return TS_OK; /* fine, or refused as invalid */
	h->schema = TS_HISTOGRAM_MAX_SCHEMA;
	code = coarsen(reader, 0, shift, err);
	return code == TS_OK ? coarsen(reader, 1, shift, err) : code;
}

TsErrorCode
write_read_histogram(TsWriteReader *reader, TsWire wire, TsWriteItem *item, TsError *err)
{
	TsHistogram *h = &item->histogram;
	Parts parts = {.integer = true};
	TsErrorCode code = TS_OK;
	TsError why;
	uint32_t tag;

	memset(h, 0, sizeof(*h));
	item->time = 0;
	item->start = 0;
	for (int side = 0; side < 2; side++)
		reader->spans[side].n = reader->counts[side].n = 0;
	reader->bounds.n = 0;
	while (code == TS_OK && wire_more(&wire))
	{
		if (!wire_tag(&wire, &tag))
			return write_damaged(reader, &wire, "histogram", err);
		code = read_field(reader, &parts, &wire, tag, item, err);
	}
	if (code == TS_OK)
		code = check_parts(reader, &parts, err);
	if (code == TS_OK)
		code = settle_schema(reader, h, err);
	if (code != TS_OK)
		return code;

	if (item->start == 0)
		item->start = reader->at.created;
	h->integer = parts.integer;
	h->zero_count = parts.integer ? parts.zero_integer : parts.zero_float;
	h->npositive_spans = (uint32_t) reader->spans[0].n;
	h->nnegative_spans = (uint32_t) reader->spans[1].n;
	h->npositive = (uint32_t) reader->counts[0].n;
	h->nnegative = (uint32_t) reader->counts[1].n;
	h->nbounds = (uint32_t) reader->bounds.n;
	h->positive_spans = reader->spans[0].data;
	h->negative_spans = reader->spans[1].data;
	h->positive = reader->counts[0].data;
	h->negative = reader->counts[1].data;
	h->bounds = reader->bounds.data;
	code = ts_histogram_validate(h, &why);
	return code == TS_OK
			   ? TS_OK
			   : ts_error_set(err, code, -1, "invalid histogram: %s", why.message);
}
