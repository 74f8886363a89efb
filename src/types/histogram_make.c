/*
 * histogram_make.c
 *	  Histograms in memory: made bucket by bucket, copied, in another layout.
 *
 * A histogram that is made here has its spans cut in the one way of payloads: where buckets
 * are missing, and nowhere else.
 */
#include <assert.h>

#include "histogram_internal.h"

/* A histogram with its arrays, in one piece. */
static size_t
room_size(size_t doubles, size_t spans)
{
	return sizeof(TsHistogram) + doubles * sizeof(double) + spans * sizeof(TsSpan);
}

bool
histogram_make_room(HistogramRoom *room, const TsAllocator *allocator,
					const uint32_t nspans[2], const uint32_t nbuckets[2],
					uint32_t nbounds)
{
	size_t doubles = (size_t) nbuckets[0] + nbuckets[1] + nbounds;
	size_t spans = (size_t) nspans[0] + nspans[1];
	TsHistogram *h = allocator->alloc(allocator->ctx, room_size(doubles, spans));

	memset(room, 0, sizeof(*room));
	if (h == NULL)
		return false;
	memset(h, 0, sizeof(*h));
	room->h = h;
	room->counts[0] = (double *) (h + 1);
	room->counts[1] = room->counts[0] + nbuckets[0];
	room->bounds = room->counts[1] + nbuckets[1];
	room->spans[0] = (TsSpan *) (room->bounds + nbounds);
	room->spans[1] = room->spans[0] + nspans[0];
	h->positive = room->counts[0];
	h->negative = room->counts[1];
	h->bounds = room->bounds;
	h->nbounds = nbounds;
	h->positive_spans = room->spans[0];
	h->negative_spans = room->spans[1];
	return true;
}

void
histogram_append(HistogramRoom *room, int side, int32_t index, double count)
{
	TsHistogram *h = room->h;
	uint32_t *nspans = side == 0 ? &h->npositive_spans : &h->nnegative_spans;
	uint32_t *n = side == 0 ? &h->npositive : &h->nnegative;
	TsSpan *spans = room->spans[side];

	assert(*n == 0 || index >= room->next[side]);
	if (*n == 0 || index != room->next[side])
	{
		spans[*nspans].offset = (int32_t) (index - (*n == 0 ? 0 : room->next[side]));
		spans[*nspans].length = 0;
		(*nspans)++;
	}
	spans[*nspans - 1].length++;
	room->counts[side][(*n)++] = count;
	room->next[side] = (int64_t) index + 1;
}

/* Everything but the buckets. */
static void
copy_head(HistogramRoom *room, const TsHistogram *from)
{
	TsHistogram *h = room->h;

	assert(h->nbounds == from->nbounds);
	h->schema = from->schema;
	h->hint = from->hint;
	h->integer = from->integer;
	h->zero_threshold = from->zero_threshold;
	h->zero_count = from->zero_count;
	h->count = from->count;
	h->sum = from->sum;
	if (from->nbounds > 0)
		memcpy(room->bounds, from->bounds, from->nbounds * sizeof(double));
}

size_t
ts_histogram_memory(const TsHistogram *h)
{
	return room_size((size_t) h->npositive + h->nnegative + h->nbounds,
					 (size_t) h->npositive_spans + h->nnegative_spans);
}

static void
copy_side(HistogramRoom *room, int side, const TsSpan *spans, uint32_t nspans,
		  const double *counts, uint32_t n)
{
	if (nspans > 0)
		memcpy(room->spans[side], spans, nspans * sizeof(TsSpan));
	if (n > 0)
		memcpy(room->counts[side], counts, n * sizeof(double));
}

bool
histogram_copy(HistogramRoom *room, const TsHistogram *h, const TsAllocator *allocator)
{
	uint32_t nspans[2] = {h->npositive_spans, h->nnegative_spans};
	uint32_t nbuckets[2] = {h->npositive, h->nnegative};

	if (!histogram_make_room(room, allocator, nspans, nbuckets, h->nbounds))
		return false;
	copy_head(room, h);
	copy_side(room, 0, h->positive_spans, h->npositive_spans, h->positive, h->npositive);
	copy_side(room, 1, h->negative_spans, h->nnegative_spans, h->negative, h->nnegative);
	room->h->npositive_spans = h->npositive_spans;
	room->h->nnegative_spans = h->nnegative_spans;
	room->h->npositive = h->npositive;
	room->h->nnegative = h->nnegative;
	return true;
}

TsHistogram *
ts_histogram_copy(const TsHistogram *h, const TsAllocator *allocator)
{
	HistogramRoom room;

	histogram_copy(&room, h, allocator);
	return room.h;
}

TsHistogram *
ts_histogram_with_hint(const TsHistogram *h, TsResetHint hint,
					   const TsAllocator *allocator)
{
	HistogramRoom room;

	if (histogram_copy(&room, h, allocator))
		room.h->hint = hint;
	return room.h;
}

/* ---- other layouts ---- */

/*
 * Walks a side as it is without empty buckets but those that join others over at most
 * max_empty of them. Appends to room, or only counts if that is NULL.
 */
static void
compact_side(const HistogramSide *side, int side_number, int64_t max_empty,
			 HistogramRoom *room, uint32_t *nspans, uint32_t *nbuckets)
{
	HistogramCursor cursor;
	int64_t next = 0;

	*nspans = *nbuckets = 0;
	histogram_cursor_init(&cursor, side, 0);
	while (histogram_cursor_next(&cursor))
	{
		int64_t gap = cursor.index - next;

		if (cursor.count == 0)
			continue;
		if (*nbuckets == 0 || gap > max_empty ||
			gap + *nbuckets >= TS_HISTOGRAM_MAX_BUCKETS)
			*nspans += *nbuckets == 0 || gap > 0;
		else
		{
			*nbuckets += (uint32_t) gap;
			for (; room && gap > 0; gap--)
				histogram_append(room, side_number, (int32_t) next++, 0);
		}
		(*nbuckets)++;
		if (room)
			histogram_append(room, side_number, cursor.index, cursor.count);
		next = (int64_t) cursor.index + 1;
	}
}

TsHistogram *
ts_histogram_compact(const TsHistogram *h, int max_empty, const TsAllocator *allocator)
{
	HistogramSide sides[2] = {histogram_side(h, false), histogram_side(h, true)};
	uint32_t nspans[2], nbuckets[2];
	HistogramRoom room;

	for (int i = 0; i < 2; i++)
		compact_side(&sides[i], i, max_empty, NULL, &nspans[i], &nbuckets[i]);
	if (!histogram_make_room(&room, allocator, nspans, nbuckets, h->nbounds))
		return NULL;
	copy_head(&room, h);
	for (int i = 0; i < 2; i++)
		compact_side(&sides[i], i, max_empty, &room, &nspans[i], &nbuckets[i]);
	assert(room.h->npositive == nbuckets[0] && room.h->nnegative == nbuckets[1]);
	assert(room.h->npositive_spans == nspans[0] && room.h->nnegative_spans == nspans[1]);
	return room.h;
}

TsHistogram *
ts_histogram_reduce(const TsHistogram *h, int32_t schema, const TsAllocator *allocator)
{
	uint32_t nspans[2] = {h->npositive_spans, h->nnegative_spans};
	uint32_t nbuckets[2] = {h->npositive, h->nnegative};
	HistogramRoom room;

	assert(!ts_histogram_is_custom(h));
	assert(schema >= TS_HISTOGRAM_MIN_SCHEMA && schema <= h->schema);
	if (!histogram_make_room(&room, allocator, nspans, nbuckets, 0))
		return NULL;
	copy_head(&room, h);
	room.h->schema = schema;
	for (int i = 0; i < 2; i++)
	{
		HistogramSide side = histogram_side(h, i == 1);
		HistogramCursor cursor;

		histogram_cursor_init(&cursor, &side, h->schema - schema);
		while (histogram_cursor_next(&cursor))
			histogram_append(&room, i, cursor.index, cursor.count);
	}
	return room.h;
}
