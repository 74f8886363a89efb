/*
 * remote_read_histogram.c
 *	  Native histograms as remote read sends them among samples.
 *
 * A histogram that came as one of integers is sent as such, with the differences of its
 * buckets' counts, as long as its counts are whole numbers that a float has room for;
 * all others with the counts themselves.
 */
#include "remote_read_wire.h"

#define LARGEST_WHOLE 9007199254740992.0 /* 2^53 */

static bool
is_whole(double number)
{
	return number >= 0 && number <= LARGEST_WHOLE && number == (double) (int64_t) number;
}

static bool
are_whole(const double *numbers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		if (!is_whole(numbers[i]))
			return false;
	}
	return true;
}

bool
read_has_integers(const TsHistogram *h)
{
	return h->integer && is_whole(h->count) && is_whole(h->zero_count) &&
		   are_whole(h->positive, h->npositive) && are_whole(h->negative, h->nnegative);
}

static void
put_spans(TsReadBytes *bytes, uint32_t field, const TsSpan *spans, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		size_t begin = wire_begin_inner(bytes, field);

		wire_field_varint(bytes, 1, (uint32_t) wire_to_zigzag(spans[i].offset));
		wire_field_varint(bytes, 2, spans[i].length);
		wire_end_inner(bytes, begin);
	}
}

static void
put_deltas(TsReadBytes *bytes, uint32_t field, const double *counts, uint32_t n)
{
	int64_t last = 0;
	size_t begin;

	if (n == 0)
		return;
	begin = wire_begin_inner(bytes, field);
	for (uint32_t i = 0; i < n; i++)
	{
		const int64_t count = (int64_t) counts[i];

		wire_put_varint(bytes, wire_to_zigzag(count - last));
		last = count;
	}
	wire_end_inner(bytes, begin);
}

static void
put_doubles(TsReadBytes *bytes, uint32_t field, const double *numbers, uint32_t n)
{
	wire_field_bytes(bytes, field, numbers, sizeof(double) * n);
}

/* The alternative that is there says which kind it is: also a 0 is written. */
static void
put_alternative(TsReadBytes *bytes, uint32_t field, bool integer, double count)
{
	if (integer)
	{
		wire_put_tag(bytes, field, WIRE_VARINT);
		wire_put_varint(bytes, (uint64_t) count);
		return;
	}
	wire_put_tag(bytes, field + 1, WIRE_FIXED64);
	wire_put_fixed64(bytes, count);
}

void
read_put_histogram(TsReadBytes *bytes, int64_t time, const TsHistogram *h)
{
	const bool integer = read_has_integers(h);

	put_alternative(bytes, 1, integer, h->count);
	wire_field_double(bytes, 3, h->sum);
	wire_field_varint(bytes, 4, (uint32_t) wire_to_zigzag(h->schema));
	wire_field_double(bytes, 5, h->zero_threshold);
	put_alternative(bytes, 6, integer, h->zero_count);
	put_spans(bytes, 8, h->negative_spans, h->nnegative_spans);
	if (integer)
		put_deltas(bytes, 9, h->negative, h->nnegative);
	else
		put_doubles(bytes, 10, h->negative, h->nnegative);
	put_spans(bytes, 11, h->positive_spans, h->npositive_spans);
	if (integer)
		put_deltas(bytes, 12, h->positive, h->npositive);
	else
		put_doubles(bytes, 13, h->positive, h->npositive);
	wire_field_varint(bytes, 14, h->hint); /* the enumeration has our order */
	wire_field_varint(bytes, 15, (uint64_t) time);
	put_doubles(bytes, 16, h->bounds, h->nbounds);
}
