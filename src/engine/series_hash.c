/*
 * series_hash.c
 *	  The hash index of the series dictionary: linear hashing, a page a bucket
 *	  (series_format.h).
 *
 * Whoever looks a key up needs no lock and need not know how many buckets there are. He
 * begins with any bucket that was right for the hash at some time, bucket 0 at worst. A
 * page knows its level, so he sees that the bucket was split since, and goes on to the
 * bucket that the hash went to in the first split that moved it. That one exists, since
 * a split is one WAL record, whose pages are changed together. Each step
 * fixes at least one more bit of the bucket's number, so there are few. On the way he
 * learns a lower bound of the number of buckets, with which he begins the next time.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "utils/rel.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "series_internal.h"

uint64
series_hash_key(const TsTable *table, const char *key, Size length)
{
	return XXH3_64bits_withSeed(key, length, table->storage);
}

uint32
series_hash_bits(uint32 hash, int level)
{
	Assert(level >= 0 && level <= 32);
	return (uint32) (hash & ((UINT64CONST(1) << level) - 1));
}

uint32
series_bucket(uint32 hash, uint64 buckets)
{
	int level;
	uint32 bucket;

	Assert(buckets > 0 && buckets <= PG_UINT32_MAX);
	level = pg_leftmost_one_pos64(buckets);
	bucket = series_hash_bits(hash, level + 1);
	return bucket < buckets ? bucket : series_hash_bits(hash, level);
}

uint32
series_next_split(uint64 buckets, int *level)
{
	Assert(buckets > 0);
	*level = pg_leftmost_one_pos64(buckets);
	return (uint32) (buckets - (UINT64CONST(1) << *level));
}

void
series_init_bucket(Page page, int level)
{
	BucketPage *bucket = (BucketPage *) TsPageData(page);

	bucket->version = SERIES_FORMAT_VERSION;
	bucket->level = level;
	bucket->count = 0;
	TsPageSetLength(page, bucket_length(0));
}

void
series_split_bucket(Page from, Page to, int level)
{
	BucketPage *old = (BucketPage *) TsPageData(from);
	BucketPage *new = (BucketPage *) TsPageData(to);
	uint32 kept = 0;

	Assert(old->level == level);
	series_init_bucket(to, level + 1);
	old->level = level + 1;
	for (uint32 i = 0; i < old->count; i++)
	{
		BucketEntry entry = old->entries[i];

		if (entry.hash >> level & 1)
			new->entries[new->count++] = entry;
		else
			old->entries[kept++] = entry;
	}
	old->count = kept;
	TsPageSetLength(from, bucket_length(old->count));
	TsPageSetLength(to, bucket_length(new->count));
}

/* A bucket of this number and level exists: so there are at least so many. */
static void
learn_buckets(SeriesPages *pages, uint32 bucket, int level)
{
	uint64 least = (uint64) bucket + 1;

	if (level > 0)
		least = Max(least, (UINT64CONST(1) << (level - 1)) +
							   series_hash_bits(bucket, level - 1) + 1);
	pages->buckets = Max(pages->buckets, least);
}

/*
 * Copies bucket 0 when it is not known that there are buckets; false when there are none.
 * It is made before the first series is.
 */
static bool
copy_first_bucket(Relation rel, const TsTable *table, SeriesPages *pages, Page page)
{
	if (series_copy_bucket(rel, table, pages, 0, page, true))
		return true;
	if (!series_any(rel, table, pages))
		return false;
	return series_copy_bucket(rel, table, pages, 0, page, false);
}

/*
 * Copies the bucket that a hash belongs to, and tells its number; false when there is no
 * bucket at all.
 */
static bool
find_bucket(Relation rel, const TsTable *table, SeriesPages *pages, uint32 hash,
			Page page, uint32 *found)
{
	uint32 number = series_bucket(hash, Max(pages->buckets, 1));

	for (;;)
	{
		const BucketPage *bucket = (const BucketPage *) TsPageData(page);
		uint32 moved;

		if (pages->buckets > 0)
			series_copy_bucket(rel, table, pages, number, page, false);
		else if (!copy_first_bucket(rel, table, pages, page))
			return false;
		learn_buckets(pages, number, bucket->level);
		moved = series_hash_bits(hash, bucket->level) ^ number;
		if (moved == 0)
		{
			*found = number;
			return true;
		}
		number = series_hash_bits(hash, pg_rightmost_one_pos32(moved) + 1);
	}
}

/* Whether an entry of a bucket is that of the key. */
static bool
entry_matches(Relation rel, const TsTable *table, SeriesPages *pages,
			  const BucketEntry *entry, const char *key, Size length)
{
	PGAlignedBlock copy;
	Page page = (Page) copy.data;
	const DictionaryHeader *header;
	BlockNumber block;
	const char *found;
	uint32 found_length;

	header = series_copy_dictionary(rel, table, pages, entry->page, page, &block);
	if (entry->id < header->first || entry->id - header->first >= header->count)
		ts_stream_damaged(rel, block, "a series is not where the hash index says");
	found = series_page_key(rel, block, page, entry->id - header->first, &found_length);
	return found_length == length && memcmp(found, key, length) == 0;
}

/* Looks for a key in its bucket. */
static bool
find_key(Relation rel, const TsTable *table, SeriesPages *pages, const BucketPage *bucket,
		 const SeriesWanted *wanted)
{
	for (uint32 i = 0; i < bucket->count; i++)
	{
		const BucketEntry *entry = &bucket->entries[i];

		if (entry->hash == wanted->hash &&
			entry_matches(rel, table, pages, entry, wanted->key, wanted->length))
		{
			*wanted->id = entry->id;
			return true;
		}
	}
	return false;
}

bool
series_lookup(Relation rel, const TsTable *table, SeriesPages *pages, uint32 hash,
			  const char *key, Size length, uint32 *id)
{
	SeriesWanted wanted = {key, (uint32) length, hash, id};
	PGAlignedBlock copy;
	uint32 number;

	return find_bucket(rel, table, pages, hash, (Page) copy.data, &number) &&
		   find_key(rel, table, pages, (const BucketPage *) TsPageData((Page) copy.data),
					&wanted);
}

/* ---- many at once ---- */

/* One of many: they are looked for bucket by bucket. */
typedef struct Sought
{
	uint32 bucket;
	uint32 index;
} Sought;

static int
compare_sought(const void *a, const void *b)
{
	uint32 one = ((const Sought *) a)->bucket;
	uint32 other = ((const Sought *) b)->bucket;

	return one < other ? -1 : one > other;
}

/* The bucket that was copied last, as long as hashes belong to it. */
typedef struct BucketCopy
{
	PGAlignedBlock page;
	uint32 number;
	bool is_there;
} BucketCopy;

static const BucketPage *
bucket_for(Relation rel, const TsTable *table, SeriesPages *pages, uint32 hash,
		   BucketCopy *copy)
{
	Page page = (Page) copy->page.data;
	const BucketPage *bucket = (const BucketPage *) TsPageData(page);

	if (!copy->is_there || series_hash_bits(hash, bucket->level) != copy->number)
		copy->is_there = find_bucket(rel, table, pages, hash, page, &copy->number);
	return copy->is_there ? bucket : NULL;
}

uint32
series_lookup_many(Relation rel, const TsTable *table, SeriesPages *pages,
				   SeriesWanted *wanted, uint32 count)
{
	Sought *sought = palloc(count * sizeof(Sought));
	bool *found = palloc0(count * sizeof(bool));
	BucketCopy copy;
	uint32 missing = 0;

	copy.is_there = false;
	for (uint32 i = 0; i < count; i++)
		sought[i] = (Sought){series_bucket(wanted[i].hash, Max(pages->buckets, 1)), i};
	qsort(sought, count, sizeof(Sought), compare_sought);
	for (uint32 i = 0; i < count; i++)
	{
		const SeriesWanted *key = &wanted[sought[i].index];
		const BucketPage *bucket = bucket_for(rel, table, pages, key->hash, &copy);

		found[sought[i].index] = bucket != NULL &&
								 find_key(rel, table, pages, bucket, key);
	}
	for (uint32 i = 0; i < count; i++)
	{
		if (!found[i])
			wanted[missing++] = wanted[i];
	}
	pfree(sought);
	pfree(found);
	return missing;
}

static bool
has_entry(const BucketPage *bucket, const BucketEntry *wanted)
{
	for (uint32 i = bucket->count; i > 0; i--)
	{
		const BucketEntry *entry = &bucket->entries[i - 1];

		if (entry->hash == wanted->hash && entry->id == wanted->id)
			return true;
	}
	return false;
}

uint32
series_lookup_entries(Relation rel, const TsTable *table, SeriesPages *pages,
					  BucketEntry *entries, uint32 count)
{
	BucketCopy copy;
	uint32 missing = 0;

	copy.is_there = false;
	for (uint32 i = 0; i < count; i++)
	{
		const BucketPage *bucket = bucket_for(rel, table, pages, entries[i].hash, &copy);

		if (bucket == NULL || !has_entry(bucket, &entries[i]))
			entries[missing++] = entries[i];
	}
	return missing;
}
