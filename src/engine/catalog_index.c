/*
 * catalog_index.c
 *	  Reads and writes mytsdb.label_index, as catalog.c does the other catalogs.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "catalog_internal.h"
#include "ts_index.h"

void
ts_catalog_insert_segment(const TsIndexSegment *segment)
{
	TsCatalogOids oids;
	Datum values[SEGMENT_NATTS];

	Assert(segment->storage <= PG_INT64_MAX && segment->pages.count > 0);
	Assert(segment->from < segment->to && !IsBinaryUpgrade);
	values[SEGMENT_STORAGE - 1] = Int64GetDatum((int64) segment->storage);
	values[SEGMENT_ID - 1] = Int64GetDatum((int64) segment->pages.id);
	values[SEGMENT_SERIES_FROM - 1] = Int64GetDatum(segment->from);
	values[SEGMENT_SERIES_TO - 1] = Int64GetDatum(segment->to);
	values[SEGMENT_FIRST_PAGE - 1] = Int64GetDatum(segment->pages.first);
	values[SEGMENT_PAGES - 1] = Int64GetDatum(segment->pages.count);
	values[SEGMENT_LENGTH - 1] = Int64GetDatum((int64) segment->length);

	ts_catalog_find(&oids, false);
	ts_catalog_insert(oids.segment, values);
}

void
ts_catalog_delete_segment(const TsIndexSegment *segment)
{
	TsCatalogOids oids;

	ts_catalog_find(&oids, false);
	ts_catalog_delete(oids.segment, &segment->tid);
}

static int
compare_segments(const void *a, const void *b)
{
	const TsIndexSegment *x = a;
	const TsIndexSegment *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static void
check_contiguous(const TsIndexSegment *segments, int count)
{
	uint32 end = 0;

	for (int i = 0; i < count; i++)
	{
		if (segments[i].from != end || segments[i].to <= end)
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("\"mytsdb.label_index\" has no segment that begins at "
								   "series %u of storage " UINT64_FORMAT,
								   end, segments[i].storage)));
		end = segments[i].to;
	}
}

TsIndexSegment *
ts_catalog_segments(uint64 storage, Snapshot snapshot, int *count)
{
	TsCatalogOids oids;
	TsCatalogScan scan;
	int n = 0;
	int room = 16;
	TsIndexSegment *segments = palloc(room * sizeof(TsIndexSegment));

	Assert(IsMVCCSnapshot(snapshot));
	ts_catalog_find(&oids, false);
	ts_catalog_scan(&scan, oids.segment, oids.segment_pkey, AccessShareLock, snapshot,
					storage);
	while (ts_catalog_next(&scan))
	{
		TsIndexSegment *segment;

		if (n == room)
		{
			room *= 2;
			segments = repalloc(segments, room * sizeof(TsIndexSegment));
		}
		segment = &segments[n++];
		segment->storage = storage;
		segment->pages.id = (uint64) ts_catalog_value(&scan, SEGMENT_ID);
		segment->pages.first = (BlockNumber) ts_catalog_value(&scan, SEGMENT_FIRST_PAGE);
		segment->pages.count = (uint32) ts_catalog_value(&scan, SEGMENT_PAGES);
		segment->length = (Size) ts_catalog_value(&scan, SEGMENT_LENGTH);
		segment->from = (uint32) ts_catalog_value(&scan, SEGMENT_SERIES_FROM);
		segment->to = (uint32) ts_catalog_value(&scan, SEGMENT_SERIES_TO);
		segment->tid = scan.slot->tts_tid;
	}
	ts_catalog_end(&scan);
	qsort(segments, n, sizeof(TsIndexSegment), compare_segments);
	check_contiguous(segments, n);
	*count = n;
	return segments;
}
