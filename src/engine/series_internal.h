/*
 * series_internal.h
 *	  What the files of the series dictionary share (series_*.c): what a backend knows of
 *	  a dictionary's pages, and its map of keys it met.
 */
#ifndef SERIES_INTERNAL_H
#define SERIES_INTERNAL_H

#include "postgres.h"

#include "ts_pages.h"
#include "ts_series.h"
#include "ts_shared.h"

#include "series_format.h"

/* ---- series_pages.c: pages, found and checked ---- */

typedef enum SeriesStream
{
	SERIES_DICTIONARY,
	SERIES_HASH,
	SERIES_LOCATOR
} SeriesStream;
#define SERIES_STREAMS 3

/*
 * What is known of a dictionary's pages: copies of the directory, which may lack runs
 * made since (pages of a dictionary are never given up), and a lower bound of the number
 * of buckets. Copies live in `context`.
 */
typedef struct SeriesPages
{
	MemoryContext context;
	TsDirectory *directories[SERIES_STREAMS];
	uint64 buckets;
} SeriesPages;

/* The block of a page that must be mapped: an error if not. */
extern BlockNumber
series_known_block(Relation rel, const TsTable *table, SeriesPages *pages,
				   SeriesStream stream, uint64 ordinal);
/* The block for a page, which is mapped if it was not. */
extern BlockNumber
series_make_block(Relation rel, const TsTable *table, SeriesPages *pages,
				  SeriesStream stream, uint64 ordinal);
/* The first ordinal beyond those that the directory maps now. */
extern uint64 series_mapped_end(Relation rel, const TsTable *table, SeriesPages *pages,
								SeriesStream stream);
/* Where a stream ends, as its pages say. */
extern uint64 series_stream_end(Relation rel, const TsTable *table, SeriesPages *pages,
								SeriesStream stream);

/* Whether there is a dictionary page. */
extern bool series_any(Relation rel, const TsTable *table, SeriesPages *pages);

/*
 * Copies of pages, checked. Where a page may be missing they return false when it is not
 * (yet) of the stream.
 */
extern DictionaryHeader *
series_copy_dictionary(Relation rel, const TsTable *table, SeriesPages *pages,
					   uint64 ordinal, Page page, BlockNumber *block);
extern bool series_copy_bucket(Relation rel, const TsTable *table, SeriesPages *pages,
							   uint64 ordinal, Page page, bool missing_ok);
extern bool series_copy_locator(Relation rel, const TsTable *table, SeriesPages *pages,
								uint64 ordinal, Page page, uint32 *count);

/* Raise an error when a page's content makes no sense. */
extern DictionaryHeader *
series_check_dictionary(Relation rel, BlockNumber block, Page page);
extern BucketPage *
series_check_bucket(Relation rel, BlockNumber block, uint64 ordinal, Page page);
extern uint32 series_check_locator(Relation rel, BlockNumber block, Page page);

/* The key of entry `index` of a checked dictionary page. */
extern const char *
series_page_key(Relation rel, BlockNumber block, Page page, uint32 index, uint32 *length);

/* ---- series_hash.c: the hash index ---- */

/* A key that is looked for: where its id is to be put, and its hash. */
typedef struct SeriesWanted
{
	const char *key;
	uint32 length;
	uint32 hash;
	uint32 *id;
} SeriesWanted;

extern uint64 series_hash_key(const TsTable *table, const char *key, Size length);
/* The low `level` bits of a hash: where it belongs among buckets of that level. */
extern uint32 series_hash_bits(uint32 hash, int level);
/* The bucket of a hash when there are so many (at least one). */
extern uint32 series_bucket(uint32 hash, uint64 buckets);
/* The bucket to be split when there are so many, and its level then. */
extern uint32 series_next_split(uint64 buckets, int *level);
/* Looks a key up in the pages; no lock but buffers' is taken. */
extern bool series_lookup(Relation rel, const TsTable *table, SeriesPages *pages,
						  uint32 hash, const char *key, Size length, uint32 *id);
/* Moves what belongs to the new bucket out of the old one. */
extern void series_split_bucket(Page from, Page to, int level);
/* A new bucket without entries. */
extern void series_init_bucket(Page page, int level);

/* Looks for many; those that are not there come to the front, as they were ordered. */
extern uint32 series_lookup_many(Relation rel, const TsTable *table, SeriesPages *pages,
								 SeriesWanted *wanted, uint32 count);
/* The same for entries: whether their buckets have them. */
extern uint32
series_lookup_entries(Relation rel, const TsTable *table, SeriesPages *pages,
					  BucketEntry *entries, uint32 count);

/* ---- series_state.c: what writers know of a dictionary ---- */

typedef struct DictionaryState
{
	uint64 pages;   /* dictionary pages: slot->end */
	uint64 series;  /* aux[0] */
	uint64 buckets; /* aux[1] */
	uint32 first;   /* of the last page, its first id ... */
	uint32 length;  /* ... and the bytes of its content: aux[2], high and low half */
	uint64 hashed;  /* ids below have their entries in buckets: aux[3] */
} DictionaryState;

/* Reads the state as it is now. On a primary only. */
extern void series_read_state(Relation rel, const TsTable *table, SeriesPages *pages,
							  const TsSlotKey *key, DictionaryState *state);
/*
 * Locks the slot to write. NULL, and the new state, when pages or buckets were added
 * since the state was read.
 */
extern TsSlot *series_lock_state(Relation rel, const TsTable *table, SeriesPages *pages,
								 const TsSlotKey *key, DictionaryState *state);
extern void series_state_to_slot(const DictionaryState *state, TsSlot *slot);
/* Makes one bucket more: the first one, or by splitting one. */
extern void series_add_bucket(Relation rel, const TsTable *table, SeriesPages *pages,
							  const TsSlotKey *key, DictionaryState *state);

/* ---- series_add.c: what an edit adds to pages ---- */

/* Where keys go: the last dictionary page, or the next one. */
typedef struct SeriesPlace
{
	bool fresh; /* the page begins */
	uint64 ordinal;
	BlockNumber block;
	Buffer buffer;
	Buffer locator; /* when fresh */
} SeriesPlace;

/* Whether a key fits the dictionary page that has so many entries and bytes. */
extern bool series_key_fits(uint32 count, uint32 length, uint32 key_length);
/* Where a key goes, and how many entries and bytes the page has. */
extern void series_plan_place(const DictionaryState *state, uint32 key_length,
							  SeriesPlace *place, uint32 *entries, uint32 *length);
extern void series_pin_place(Relation rel, const TsTable *table, SeriesPages *pages,
							 SeriesPlace *place);
extern void series_unpin_place(SeriesPlace *place);
/* Locks the page, in an edit under the slot's lock; a fresh one comes into the locator. */
extern Page series_edit_place(Relation rel, TsEdit *edit, const SeriesPlace *place,
							  const DictionaryState *state);
extern void series_put_key(Relation rel, Page page, const SeriesWanted *key);
/* Keys were added to a place, whose page has so many bytes now. */
extern void series_count_keys(DictionaryState *state, const SeriesPlace *place,
							  uint32 count, uint32 length);
/* Adds to a bucket, which is checked, in an edit. */
extern void series_put_entry(Relation rel, BlockNumber block, uint32 number, Page page,
							 const BucketEntry *entry);

/* ---- series_batch.c: many new series ---- */

/* Series that are made at once, at most. */
#define SERIES_BATCH 4096

/* Finds or makes keys that were not there when there were `base` series. */
extern void
series_make_batch(Relation rel, const TsTable *table, SeriesPages *pages,
				  const TsSlotKey *key, SeriesWanted *wanted, uint32 count, uint64 base);
/* Waits until the batch that is being made is there, or makes what is left of it. */
extern void series_finish_batch(Relation rel, const TsTable *table, SeriesPages *pages,
								const TsSlotKey *key);

/* ---- series_make.c: new series ---- */

/* Finds or makes `count` keys; reorders the array. */
extern void series_find_or_make(Relation rel, const TsTable *table, SeriesPages *pages,
								SeriesWanted *wanted, uint32 count);

/* ---- series_cache.c: the backend's map of keys ---- */

typedef struct SeriesMap SeriesMap;

/* The map of a storage; it stays until one of another storage is asked for. */
extern SeriesMap *series_map(const TsTable *table);
extern SeriesPages *series_map_pages(SeriesMap *map);
/* Series found in the session's cache that shared memory has not been told of. */
extern int64 series_hits;
/* Looks a key up; *hash is filled in when it is not there. */
extern bool series_map_get(SeriesMap *map, const TsTable *table, const char *key,
						   Size length, uint64 *hash, uint32 *id);
/* Adds a key that is not there. */
extern void
series_map_put(SeriesMap *map, uint64 hash, const char *key, Size length, uint32 id);

/* ---- series_prints.c: the backend's fingerprints of series it met ---- */

/*
 * An open-addressed table. A slot keeps 96 bits of the fingerprint; its place follows from
 * the lower ones.
 */
typedef struct PrintSlot
{
	uint64 low;
	uint32 high;
	uint32 id; /* PG_UINT32_MAX, which no series has: empty */
} PrintSlot;

typedef struct SeriesPrints
{
	MemoryContext context; /* of slots alone */
	PrintSlot *slots;
	uint32 nslots; /* a power of two, or 0 */
	uint32 n;
	uint64 found;    /* since they were judged last: those that were here, and ... */
	uint64 rejected; /* ... those that found no room */
} SeriesPrints;

/* A map's fingerprints, whose memory counts as the map's. */
extern SeriesPrints *series_map_prints(SeriesMap *map);
/* Memory of TS_FINGERPRINT_SECRET bytes for the secret, which is made when !found. */
extern void series_attach_secret(void *memory, bool found);
/* Whether the map may take so many bytes more; other maps may go for it. */
extern bool series_map_reserve(SeriesMap *map, Size more);

#endif /* SERIES_INTERNAL_H */
