/*
 * series_cache.c
 *	  The backend's maps of keys it met: which ids they have, without a look at pages.
 *
 * There is a map per storage (and file: a SET TABLESPACE that is rolled back takes new
 * series with it, though the storage id is the same). What a map says never becomes
 * wrong, since series do not go away and ids are not reused; so maps outlive
 * transactions, and rolled back ones, too. They take at most mytsdb.series_cache
 * together: beyond it, those used least recently go. When one alone is too large, it
 * keeps the keys it has and takes no more, as who writes to more series than fit mostly
 * writes to all of them again and again; when it turns out to be of little use, all its
 * keys go.
 *
 * A map is an open-addressed table of hashes and pointers to keys, whose bytes lie in
 * chunks. The key asked for last is remembered, since rows often come by series.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "mytsdb.h"
#include "serve_stats.h"

#include "series_internal.h"

typedef struct KnownKey
{
	uint32 id;
	uint32 length;
	char bytes[FLEXIBLE_ARRAY_MEMBER];
} KnownKey;

typedef struct KeySlot
{
	uint64 hash;
	KnownKey *key; /* NULL: empty */
} KeySlot;

typedef struct MapKey
{
	RelFileNode node;
	uint64 storage;
} MapKey;

struct SeriesMap
{
	MapKey key;
	dlist_node link; /* in maps_by_use */
	SeriesPages pages;
	MemoryContext context; /* of pages; parent of keys */
	MemoryContext keys;    /* of slots and chunks */
	Size bytes;            /* of all */
	KeySlot *slots;
	uint32 nslots; /* a power of two, or 0 */
	uint32 nkeys;
	uint64 found;    /* since it was judged last: keys that were here, and ... */
	uint64 rejected; /* ... those that found no room */
	SeriesPrints prints;
	const KnownKey *last;
	char *chunk; /* free part of the newest one */
	Size chunk_left;
	Size chunk_size;
};

#define MIN_SLOTS  32
#define MIN_CHUNK  512
#define MAX_CHUNK  (64 * 1024)
#define MAX_NSLOTS (1 << 26)

static int series_cache_kb;

static MemoryContext cache_context = NULL;
static HTAB *maps = NULL;
static dlist_head maps_by_use = DLIST_STATIC_INIT(maps_by_use); /* newest first */
static SeriesMap *last_map = NULL;
static Size total_bytes = 0;
int64 series_hits = 0; /* of this transaction */

static void
define_settings(void)
{
	DefineCustomIntVariable(
		"mytsdb.series_cache",
		"Sets the memory in which each session remembers the series it writes to.",
		"Series beyond it are looked up in shared buffers.", &series_cache_kb, 64 * 1024,
		64, 1024 * 1024, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

static Size
secret_size(void)
{
	return TS_FINGERPRINT_SECRET;
}

const MytsdbModule series_module = {
	.name = "mytsdb series",
	.define_settings = define_settings,
	.shmem_size = secret_size,
	.shmem_attach = series_attach_secret,
};

/* ---- maps ---- */

static void
count_hits(XactEvent event, void *arg)
{
	if (series_hits > 0)
		serve_count(STAT_SERIES_CACHE_HITS, series_hits);
	series_hits = 0;
}

static void
make_cache(void)
{
	HASHCTL ctl = {
		.keysize = sizeof(MapKey),
		.entrysize = sizeof(SeriesMap),
	};

	if (!cache_context)
		cache_context = AllocSetContextCreate(TopMemoryContext, "mytsdb series cache",
											  ALLOCSET_SMALL_SIZES);
	ctl.hcxt = cache_context;
	maps = hash_create("mytsdb series maps", 16, &ctl,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	RegisterXactCallback(count_hits, NULL);
}

static void
account(SeriesMap *map)
{
	total_bytes -= map->bytes;
	map->bytes = MemoryContextMemAllocated(map->context, true) + sizeof(SeriesMap);
	total_bytes += map->bytes;
}

/* Takes the map for what it is without keys. */
static void
forget_keys(SeriesMap *map)
{
	map->slots = NULL;
	map->nslots = 0;
	map->nkeys = 0;
	map->found = 0;
	map->rejected = 0;
	map->last = NULL;
	map->chunk = NULL;
	map->chunk_left = 0;
	map->chunk_size = 0;
	MemoryContextReset(map->keys);
	account(map);
}

static void
drop_map(SeriesMap *map)
{
	Assert(map != last_map);
	total_bytes -= map->bytes;
	dlist_delete(&map->link);
	MemoryContextDelete(map->context);
	hash_search(maps, &map->key, HASH_REMOVE, NULL);
}

/* Makes room for so many bytes more by dropping other maps; false if that is not enough. */
static bool
make_room(SeriesMap *map, Size more)
{
	Size limit = (Size) series_cache_kb * 1024;

	account(map);
	while (total_bytes + more > limit)
	{
		SeriesMap *oldest = dlist_tail_element(SeriesMap, link, &maps_by_use);

		if (oldest == map)
			return false;
		drop_map(oldest);
	}
	return true;
}

/*
 * A full map was asked for a key that it lacks. Judged after as many of these as it has
 * keys, it goes when less than every fourth question was one for a key that it has.
 */
static bool
is_of_little_use(SeriesMap *map)
{
	bool little;

	if (++map->rejected < map->nkeys)
		return false;
	little = map->found < map->rejected / 3;
	map->found = 0;
	map->rejected = 0;
	return little;
}

static void
fill_map_key(MapKey *key, const TsTable *table)
{
	memset(key, 0, sizeof(*key));
	key->node = table->node;
	key->storage = table->storage;
}

static SeriesMap *
new_map(const MapKey *key)
{
	MemoryContext context = AllocSetContextCreate(cache_context, "mytsdb series map",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext keys = AllocSetContextCreate(context, "mytsdb series keys",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext prints = AllocSetContextCreate(context, "mytsdb series fingerprints",
												 ALLOCSET_SMALL_SIZES);
	SeriesMap *map = hash_search(maps, key, HASH_ENTER, NULL);

	/* From here on nothing fails. */
	memset((char *) map + sizeof(MapKey), 0, sizeof(*map) - sizeof(MapKey));
	map->context = context;
	map->keys = keys;
	map->prints.context = prints;
	map->pages.context = context;
	dlist_push_head(&maps_by_use, &map->link);
	account(map);
	return map;
}

SeriesMap *
series_map(const TsTable *table)
{
	MapKey key;
	SeriesMap *map = last_map;

	if (map && map->key.storage == table->storage &&
		RelFileNodeEquals(map->key.node, table->node))
		return map;

	if (!maps)
		make_cache();
	fill_map_key(&key, table);
	map = hash_search(maps, &key, HASH_FIND, NULL);
	if (!map)
		map = new_map(&key);
	else
		dlist_move_head(&maps_by_use, &map->link);
	last_map = map;
	if (!make_room(map, 0) && map->nkeys > 0)
		forget_keys(map);
	return map;
}

SeriesPages *
series_map_pages(SeriesMap *map)
{
	return &map->pages;
}

SeriesPrints *
series_map_prints(SeriesMap *map)
{
	return &map->prints;
}

bool
series_map_reserve(SeriesMap *map, Size more)
{
	return make_room(map, more);
}

/* ---- keys ---- */

static bool
key_equals(const KnownKey *known, const char *key, Size length)
{
	return known->length == length && memcmp(known->bytes, key, length) == 0;
}

bool
series_map_get(SeriesMap *map, const TsTable *table, const char *key, Size length,
			   uint64 *hash, uint32 *id)
{
	uint32 mask = map->nslots - 1;

	if (map->last && key_equals(map->last, key, length))
	{
		*id = map->last->id;
		series_hits++;
		return true;
	}
	*hash = series_hash_key(table, key, length);
	if (map->nslots == 0)
		return false;
	for (uint32 i = (uint32) *hash & mask; map->slots[i].key; i = (i + 1) & mask)
	{
		const KeySlot *slot = &map->slots[i];

		if (slot->hash == *hash && key_equals(slot->key, key, length))
		{
			map->last = slot->key;
			map->found++;
			series_hits++;
			*id = slot->key->id;
			return true;
		}
	}
	return false;
}

static void
insert_slot(KeySlot *slots, uint32 nslots, KeySlot slot)
{
	uint32 i = (uint32) slot.hash & (nslots - 1);

	while (slots[i].key)
		i = (i + 1) & (nslots - 1);
	slots[i] = slot;
}

static void
grow_slots(SeriesMap *map)
{
	uint32 nslots = Max(map->nslots * 2, MIN_SLOTS);
	KeySlot *slots = MemoryContextAllocExtended(map->keys, nslots * sizeof(KeySlot),
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (uint32 i = 0; i < map->nslots; i++)
	{
		if (map->slots[i].key)
			insert_slot(slots, nslots, map->slots[i]);
	}
	if (map->slots)
		pfree(map->slots);
	map->slots = slots;
	map->nslots = nslots;
	account(map);
}

/* Room for a key's bytes in a chunk. */
static KnownKey *
take_room(SeriesMap *map, Size size)
{
	KnownKey *known;

	if (map->chunk_left < size)
	{
		map->chunk_size = Min(Max(map->chunk_size * 2, MIN_CHUNK), MAX_CHUNK);
		map->chunk_left = 0;
		map->chunk = MemoryContextAlloc(map->keys, Max(map->chunk_size, size));
		map->chunk_left = Max(map->chunk_size, size);
		account(map);
	}
	known = (KnownKey *) map->chunk;
	map->chunk += size;
	map->chunk_left -= size;
	return known;
}

void
series_map_put(SeriesMap *map, uint64 hash, const char *key, Size length, uint32 id)
{
	Size size = MAXALIGN(offsetof(KnownKey, bytes) + length);
	bool full = (uint64) map->nkeys * 4 >= (uint64) map->nslots * 3;
	Size more = 0;
	KnownKey *known;

	Assert(map == last_map);
	if (full)
		more += Max(map->nslots * 2, MIN_SLOTS) * sizeof(KeySlot);
	if (map->chunk_left < size)
		more += Max(Min(map->chunk_size * 2, MAX_CHUNK), size);
	if (more > 0)
	{
		bool room = make_room(map, more) && !(full && map->nslots >= MAX_NSLOTS);

		if (!room && map->nkeys > 0)
		{
			if (!is_of_little_use(map))
				return;
			forget_keys(map);
		}
		if ((uint64) map->nkeys * 4 >= (uint64) map->nslots * 3)
			grow_slots(map);
	}
	known = take_room(map, size);
	known->id = id;
	known->length = (uint32) length;
	memcpy(known->bytes, key, length);
	insert_slot(map->slots, map->nslots, (KeySlot){hash, known});
	map->nkeys++;
	map->last = known;
}
