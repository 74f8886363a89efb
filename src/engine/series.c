/*
 * series.c
 *	  Key to id: the backend's map first, then the pages.
 */
#include "postgres.h"

#include "utils/rel.h"

#include "serve_stats.h"
#include "series_format.h"
#include "series_internal.h"

uint32
ts_series_id(Relation rel, const TsTable *table, const char *key, Size length)
{
	SeriesMap *map = series_map(table);
	uint64 hash;
	uint32 id;

	Assert(length <= TS_MAX_KEY_SIZE);
	if (!series_map_get(map, table, key, length, &hash, &id))
	{
		SeriesWanted wanted = {key, (uint32) length, (uint32) hash, &id};

		series_find_or_make(rel, table, series_map_pages(map), &wanted, 1);
		series_map_put(map, hash, key, length, id);
	}
	return id;
}

void
ts_series_make(Relation rel, const TsTable *table, const TsString *keys, uint32 count,
			   uint32 *ids)
{
	SeriesPages *pages = series_map_pages(series_map(table));
	SeriesWanted *wanted = palloc(count * sizeof(SeriesWanted));

	for (uint32 i = 0; i < count; i++)
	{
		uint64 hash = series_hash_key(table, keys[i].data, keys[i].len);

		wanted[i] = (SeriesWanted){keys[i].data, (uint32) keys[i].len, (uint32) hash,
								   &ids[i]};
	}
	series_find_or_make(rel, table, pages, wanted, count);
	pfree(wanted);
}

bool
ts_series_find(Relation rel, const TsTable *table, const char *key, Size length,
			   uint32 *id)
{
	SeriesMap *map = series_map(table);
	uint64 hash;

	if (length > TS_MAX_KEY_SIZE)
		return false;
	if (series_map_get(map, table, key, length, &hash, id))
		return true;
	serve_count(STAT_SERIES_CACHE_MISSES, 1);
	if (!series_lookup(rel, table, series_map_pages(map), (uint32) hash, key, length, id))
		return false;
	series_map_put(map, hash, key, length, *id);
	return true;
}
