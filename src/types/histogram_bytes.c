/*
 * histogram_bytes.c
 *	  The payload of a histogram: written, checked, read.
 *
 * histogram_format.h specifies the bytes. The reader never leaves them, whatever they are,
 * and takes memory in proportion to them only.
 */
#include <assert.h>
#include <math.h>

#include "histogram_internal.h"

#define WHOLE_LIMIT 0x1p53
#define MAX_VARINT  10

/* ---- writing ---- */

static bool
is_whole(double count)
{
	return count >= 0 && count < WHOLE_LIMIT && count == (double) (uint64_t) count &&
		   !signbit(count);
}

static bool
all_whole(const double *counts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		if (!is_whole(counts[i]))
			return false;
	}
	return true;
}

/* Whether a number is written at all: not if it is 0, but if it is -0. */
static bool
is_there(double value)
{
	return double_bits(value) != 0;
}

static uint8_t
payload_flags(const TsHistogram *h)
{
	unsigned flags = (unsigned) h->hint << HISTOGRAM_HINT_SHIFT;

	if (h->integer)
		flags |= HISTOGRAM_INTEGER;
	if (is_whole(h->count) && is_whole(h->zero_count) &&
		all_whole(h->positive, h->npositive) && all_whole(h->negative, h->nnegative))
		flags |= HISTOGRAM_WHOLE;
	if (is_there(h->zero_threshold))
		flags |= HISTOGRAM_THRESHOLD;
	if (is_there(h->zero_count))
		flags |= HISTOGRAM_ZERO;
	if (h->nnegative > 0)
		flags |= HISTOGRAM_NEGATIVE;
	return (uint8_t) flags;
}

/* Each writes to *out and moves it on, or, if that is NULL, only counts. */
typedef struct PayloadWriter
{
	uint8_t *out;
	size_t size;
} PayloadWriter;

static void
write_byte(PayloadWriter *w, uint8_t byte)
{
	if (w->out)
		w->out[w->size] = byte;
	w->size++;
}

static void
write_varint(PayloadWriter *w, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		write_byte(w, (uint8_t) (value | 0x80));
	write_byte(w, (uint8_t) value);
}

static void
write_double(PayloadWriter *w, double value)
{
	uint64_t bits = double_bits(value);

	if (isnan(value) && bits != HISTOGRAM_STALE)
		bits = HISTOGRAM_NAN;
	for (int i = 0; i < 8; i++)
		write_byte(w, (uint8_t) (bits >> (8 * i)));
}

static void
write_count(PayloadWriter *w, uint8_t flags, double count)
{
	if (flags & HISTOGRAM_WHOLE)
		write_varint(w, (uint64_t) count);
	else
		write_double(w, count == count ? count : bits_double(HISTOGRAM_NAN));
}

/* Walks spans as a payload cuts them: pieces that touch are one, empty ones are none. */
typedef struct SpanWalk
{
	const TsSpan *spans;
	uint32_t n;
	uint32_t next;
	int64_t gap; /* before the next one, as far as it is known */
} SpanWalk;

static bool
span_walk_next(SpanWalk *walk, TsSpan *span)
{
	while (walk->next < walk->n && walk->spans[walk->next].length == 0)
		walk->gap += walk->spans[walk->next++].offset;
	if (walk->next == walk->n)
		return false;
	span->offset = (int32_t) (walk->gap + walk->spans[walk->next].offset);
	span->length = walk->spans[walk->next++].length;
	walk->gap = 0;
	for (; walk->next < walk->n; walk->next++)
	{
		const TsSpan *piece = &walk->spans[walk->next];

		if (piece->length > 0 && walk->gap + piece->offset > 0)
			break;
		walk->gap += piece->offset;
		span->length += piece->length;
	}
	return true;
}

static void
write_spans(PayloadWriter *w, const TsSpan *spans, uint32_t n)
{
	uint32_t nspans = 0;
	TsSpan span;

	for (SpanWalk walk = {spans, n, 0, 0}; span_walk_next(&walk, &span);)
		nspans++;
	write_varint(w, nspans);
	nspans = 0;
	for (SpanWalk walk = {spans, n, 0, 0}; span_walk_next(&walk, &span); nspans++)
	{
		uint32_t offset = (uint32_t) span.offset;

		if (nspans == 0)
			write_varint(w, span.offset < 0 ? ~offset * 2 + 1 : offset * 2);
		else
			write_varint(w, offset - 1);
		write_varint(w, span.length - 1);
	}
}

static void
write_payload(PayloadWriter *w, const TsHistogram *h)
{
	uint8_t flags = payload_flags(h);

	assert(histogram_check_shape(h, NULL) == TS_OK);
	write_byte(w, HISTOGRAM_FORMAT_VERSION);
	write_byte(w, flags);
	write_byte(w, (uint8_t) (int8_t) h->schema);
	write_double(w, h->sum);
	if (flags & HISTOGRAM_THRESHOLD)
		write_double(w, h->zero_threshold);
	if (ts_histogram_is_custom(h))
	{
		write_varint(w, h->nbounds);
		for (uint32_t i = 0; i < h->nbounds; i++)
			write_double(w, h->bounds[i]);
	}
	write_spans(w, h->positive_spans, h->npositive_spans);
	if (flags & HISTOGRAM_NEGATIVE)
		write_spans(w, h->negative_spans, h->nnegative_spans);
	write_count(w, flags, h->count);
	if (flags & HISTOGRAM_ZERO)
		write_count(w, flags, h->zero_count);
	for (uint32_t i = 0; i < h->npositive; i++)
		write_count(w, flags, h->positive[i]);
	for (uint32_t i = 0; i < h->nnegative; i++)
		write_count(w, flags, h->negative[i]);
}

size_t
histogram_write(const TsHistogram *h, void *out)
{
	PayloadWriter w = {out, 0};

	write_payload(&w, h);
	return w.size;
}

size_t
ts_histogram_encoded_size(const TsHistogram *h)
{
	return histogram_write(h, NULL);
}

void
ts_histogram_encode(const TsHistogram *h, void *out)
{
	histogram_write(h, out);
}

/* ---- reading ---- */

typedef struct PayloadReader
{
	const uint8_t *next;
	const uint8_t *end;
	uint8_t flags;
	bool broken; /* what was read since is 0 */
} PayloadReader;

static uint8_t
read_byte(PayloadReader *r)
{
	if (r->next == r->end)
	{
		r->broken = true;
		return 0;
	}
	return *r->next++;
}

static uint64_t
read_varint(PayloadReader *r)
{
	uint64_t value = 0;

	for (int i = 0; i < MAX_VARINT; i++)
	{
		uint8_t byte = read_byte(r);

		value |= (uint64_t) (byte & 0x7F) << (7 * i);
		if (byte < 0x80)
		{
			if ((i > 0 && byte == 0) || (i == MAX_VARINT - 1 && byte > 1))
				r->broken = true;
			return r->broken ? 0 : value;
		}
	}
	r->broken = true;
	return 0;
}

/* A number of things of which each takes `each` bytes at least. */
static uint32_t
read_number(PayloadReader *r, uint64_t limit, size_t each)
{
	uint64_t n = read_varint(r);

	if (n > limit || n * each > (size_t) (r->end - r->next))
		r->broken = true;
	return r->broken ? 0 : (uint32_t) n;
}

/* The stale marker is a number only where one is allowed. */
static double
read_double(PayloadReader *r, bool stale)
{
	uint64_t bits = 0;
	double value;

	for (int i = 0; i < 8; i++)
		bits |= (uint64_t) read_byte(r) << (8 * i);
	value = bits_double(bits);
	if (isnan(value) && bits != HISTOGRAM_NAN && !(stale && bits == HISTOGRAM_STALE))
		r->broken = true;
	return value;
}

static double
read_count(PayloadReader *r)
{
	uint64_t count;

	if (!(r->flags & HISTOGRAM_WHOLE))
		return read_double(r, false);
	count = read_varint(r);
	if (count >= (uint64_t) WHOLE_LIMIT)
		r->broken = true;
	return (double) count;
}

/* Reads the spans of a side into spans, if that is not NULL. Returns their number, and that
 * of their buckets, which is at most `most`. */
static uint32_t
read_spans(PayloadReader *r, TsSpan *spans, size_t most, uint32_t *nbuckets)
{
	uint32_t nspans = read_number(r, TS_HISTOGRAM_MAX_BUCKETS, 2);
	uint64_t total = 0;

	for (uint32_t i = 0; i < nspans && !r->broken; i++)
	{
		uint64_t offset = read_varint(r);
		uint64_t length = read_varint(r);

		if (offset > UINT32_MAX || length >= TS_HISTOGRAM_MAX_BUCKETS ||
			(i > 0 && offset >= HISTOGRAM_MAX_INDEX * UINT64_C(2)))
			r->broken = true;
		total += length + 1;
		if (total > TS_HISTOGRAM_MAX_BUCKETS || total > most)
			r->broken = true;
		if (spans == NULL || r->broken)
			continue;
		if (i > 0)
			spans[i].offset = (int32_t) (offset + 1);
		else
			spans[i].offset = (int32_t) ((uint32_t) (offset >> 1) ^
										 -(uint32_t) (offset & 1));
		spans[i].length = (uint32_t) length + 1;
	}
	*nbuckets = r->broken ? 0 : (uint32_t) total;
	return r->broken ? 0 : nspans;
}

/* Where the parts of a layout are, and how much there is of each. */
typedef struct LayoutParts
{
	uint8_t flags;
	int32_t schema;
	uint32_t nbounds;
	uint32_t nspans[2];
	uint32_t nbuckets[2];
	PayloadReader threshold; /* readers that stand there */
	PayloadReader bounds;
	PayloadReader spans;
} LayoutParts;

/* Walks a layout: threshold, bounds, spans. It has at most so many buckets of a side. */
static void
measure_layout(PayloadReader *r, int32_t schema, size_t most, LayoutParts *parts)
{
	memset(parts, 0, sizeof(*parts));
	parts->flags = r->flags;
	parts->schema = schema;
	parts->threshold = *r;
	if (r->flags & HISTOGRAM_THRESHOLD)
		read_double(r, false);
	if (schema == TS_HISTOGRAM_CUSTOM_SCHEMA)
		parts->nbounds = read_number(r, TS_HISTOGRAM_MAX_BUCKETS, sizeof(double));
	parts->bounds = *r;
	for (uint32_t i = 0; i < parts->nbounds; i++)
		read_double(r, false);
	parts->spans = *r;
	parts->nspans[0] = read_spans(r, NULL, most, &parts->nbuckets[0]);
	if (r->flags & HISTOGRAM_NEGATIVE)
		parts->nspans[1] = read_spans(r, NULL, most, &parts->nbuckets[1]);
}

/* Makes a histogram of a layout that was walked, with room for the counts. */
static bool
make_layout(LayoutParts *parts, const TsAllocator *allocator, HistogramRoom *room)
{
	TsHistogram *h;

	if (!histogram_make_room(room, allocator, parts->nspans, parts->nbuckets,
							 parts->nbounds))
		return false;
	h = room->h;
	h->schema = parts->schema;
	h->integer = (parts->flags & HISTOGRAM_INTEGER) != 0;
	if (parts->flags & HISTOGRAM_THRESHOLD)
		h->zero_threshold = read_double(&parts->threshold, false);
	for (uint32_t i = 0; i < parts->nbounds; i++)
		room->bounds[i] = read_double(&parts->bounds, false);
	h->npositive_spans = read_spans(&parts->spans, room->spans[0],
									TS_HISTOGRAM_MAX_BUCKETS, &h->npositive);
	if (parts->flags & HISTOGRAM_NEGATIVE)
		h->nnegative_spans = read_spans(&parts->spans, room->spans[1],
										TS_HISTOGRAM_MAX_BUCKETS, &h->nnegative);
	return true;
}

/* Reads what comes before the layout. */
static void
read_start(PayloadReader *r, int32_t *schema, double *sum)
{
	if (read_byte(r) != HISTOGRAM_FORMAT_VERSION)
		r->broken = true;
	r->flags = read_byte(r);
	if (r->flags & ~HISTOGRAM_FLAGS)
		r->broken = true;
	*schema = (int8_t) read_byte(r);
	*sum = read_double(r, true);
}

static TsErrorCode
read_payload(const void *data, size_t size, const TsAllocator *allocator,
			 HistogramRoom *room)
{
	PayloadReader r = {data, (const uint8_t *) data + size, 0, false};
	LayoutParts parts;
	int32_t schema;
	double sum;
	TsHistogram *h;

	read_start(&r, &schema, &sum);
	/* Each bucket takes a byte at least, so what is claimed is bounded. */
	measure_layout(&r, schema, (size_t) (r.end - r.next), &parts);
	if (r.broken)
		return TS_ERR_INVALID;
	if (!make_layout(&parts, allocator, room))
		return TS_ERR_MEMORY;
	h = room->h;
	h->hint = (TsResetHint) ((r.flags & HISTOGRAM_HINT) >> HISTOGRAM_HINT_SHIFT);
	h->sum = sum;
	h->count = read_count(&r);
	if (r.flags & HISTOGRAM_ZERO)
		h->zero_count = read_count(&r);
	for (uint32_t i = 0; i < h->npositive; i++)
		room->counts[0][i] = read_count(&r);
	for (uint32_t i = 0; i < h->nnegative; i++)
		room->counts[1][i] = read_count(&r);
	return r.broken || r.next != r.end ? TS_ERR_INVALID : TS_OK;
}

TsErrorCode
ts_histogram_check(const void *data, size_t size, TsError *err)
{
	HistogramRoom room = {0};
	TsErrorCode code = read_payload(data, size, &ts_malloc_allocator, &room);

	if (code == TS_ERR_MEMORY)
		ts_error_set(err, code, -1, "out of memory");
	else if (code != TS_OK)
		ts_error_set(err, code, -1, "the bytes are damaged");
	else
		code = histogram_check_shape(room.h, err);
	/* What could have been written in another way is refused as well. */
	if (code == TS_OK && payload_flags(room.h) != ((const uint8_t *) data)[1])
		code = ts_error_set(err, TS_ERR_INVALID, -1, "the flags do not fit the numbers");
	if (room.h)
		ts_malloc_allocator.free(ts_malloc_allocator.ctx, room.h);
	return code;
}

TsHistogram *
ts_histogram_decode(const void *data, size_t size, const TsAllocator *allocator)
{
	HistogramRoom room = {0};

	if (read_payload(data, size, allocator, &room) != TS_OK ||
		histogram_check_shape(room.h, NULL) != TS_OK)
		return NULL;
	return room.h;
}

/* ---- payloads in parts ---- */

bool
histogram_split(const void *data, size_t size, const HistogramSplit *like,
				HistogramSplit *split)
{
	PayloadReader r = {data, (const uint8_t *) data + size, 0, false};
	LayoutParts parts;

	read_start(&r, &split->schema, &split->sum);
	split->flags = r.flags;
	split->layout = r.next;
	if (r.broken)
		return false;
	if (like && split->schema == like->schema &&
		((split->flags ^ like->flags) & HISTOGRAM_LAYOUT_FLAGS) == 0 &&
		like->layout_size <= (size_t) (r.end - r.next) &&
		memcmp(like->layout, r.next, like->layout_size) == 0)
	{
		r.next += like->layout_size;
		split->nbuckets = like->nbuckets;
	}
	else
	{
		measure_layout(&r, split->schema, (size_t) (r.end - r.next), &parts);
		split->nbuckets = parts.nbuckets[0] + parts.nbuckets[1];
	}
	split->layout_size = (size_t) (r.next - split->layout);
	split->counts = r.next;
	split->end = r.end;
	return !r.broken;
}

bool
histogram_split_counts(const HistogramSplit *split, double *count, double *zero_count,
					   double *buckets)
{
	PayloadReader r = {split->counts, split->end, split->flags, false};
	bool whole;

	*count = read_count(&r);
	*zero_count = r.flags & HISTOGRAM_ZERO ? read_count(&r) : 0;
	for (uint32_t i = 0; i < split->nbuckets; i++)
		buckets[i] = read_count(&r);
	if (r.broken || r.next != r.end)
		return false;
	whole = is_whole(*count) && is_whole(*zero_count) &&
			all_whole(buckets, split->nbuckets);
	return whole == ((r.flags & HISTOGRAM_WHOLE) != 0) &&
		   is_there(*zero_count) == ((r.flags & HISTOGRAM_ZERO) != 0);
}

TsErrorCode
histogram_make_layout(const HistogramSplit *split, const TsAllocator *allocator,
					  HistogramRoom *room)
{
	PayloadReader r = {split->layout, split->layout + split->layout_size, split->flags,
					   false};
	LayoutParts parts;

	room->h = NULL;
	measure_layout(&r, split->schema, TS_HISTOGRAM_MAX_BUCKETS, &parts);
	if (r.broken || r.next != r.end || (split->flags & ~HISTOGRAM_LAYOUT_FLAGS))
		return TS_ERR_INVALID;
	if (!make_layout(&parts, allocator, room))
		return TS_ERR_MEMORY;
	for (int side = 0; side < 2; side++)
	{
		for (uint32_t i = 0; i < parts.nbuckets[side]; i++)
			room->counts[side][i] = 0;
	}
	return TS_OK;
}
