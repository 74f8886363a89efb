/*
 * series_format.h
 *	  The bytes of the series dictionary: a specification.
 *
 * Numbers in pages are in the machine's byte order, as in all of PostgreSQL's files;
 * numbers in keys are little-endian. Offsets in pages count from the start of the page's
 * content (ts_pages.h).
 *
 * 1. Keys
 *
 * For every key column, in the order of the key:
 *	u8			0: NULL, and nothing more; 1: a value follows
 *	value		passed by value: its 1, 2, 4 or 8 bytes
 *				by reference, of fixed length: its bytes
 *				varlena, cstring: varint length, then the bytes, detoasted and
 *				uncompressed, without varlena header or NUL
 * A varint is LEB128, seven bits a byte, lowest first, in its shortest form. So a key has
 * exactly one form, and two keys are the same series when their bytes are the same. The
 * key of a table without key columns is empty. A key has at most TS_MAX_KEY_SIZE bytes.
 *
 * 2. Dictionary pages (TS_STREAM_DICTIONARY)
 *
 *	0	u8		version, SERIES_FORMAT_VERSION
 *	1	u8		0
 *	2	u16		entries on this page, 1 to DICTIONARY_ENTRIES
 *	4	u32		id of the first one; the others follow without gaps
 *	8	u16[]	DICTIONARY_GROUPS offsets: where entry 0, 32, 64 ... begins; 0 when there
 *				is no such entry
 *	72			entries, without gaps up to the end of the content: u16 length, key
 *
 * The first id of a page is the first of the page before plus its entries; ordinal 0
 * begins with id 0. Entries are only ever added behind the last one of the last page.
 *
 * 3. Locator pages (TS_STREAM_LOCATOR)
 *
 *	0	u8		version
 *	1	u8[3]	0
 *	4	u32[]	first ids of dictionary pages: entry i of page p is that of dictionary
 *				page p * LOCATOR_ENTRIES + i
 *
 * There is an entry for every dictionary page, made in the same WAL record.
 *
 * 4. Hash pages (TS_STREAM_HASH): linear hashing, a page a bucket
 *
 *	0	u8		version
 *	1	u8		level
 *	2	u16		entries, at most BUCKET_ENTRIES
 *	4			entries: u32 hash, u32 id, u32 ordinal of the dictionary page
 *
 * The hash is the low half of XXH3 (64 bits) of the key, seeded with the storage id. The
 * bucket b with level v holds all entries with hash mod 2^v = b. With n buckets and v =
 * floor(log2(n)) the next one to be split is n - 2^v: it and the new bucket n, which gets
 * what has bit v set, then have level v + 1; that is one WAL record. The number of
 * buckets is where the stream ends.
 *
 * A bucket is split when there are more than BUCKET_LOAD series per bucket. The fullest
 * buckets are then expected to have twice that, which is nine standard deviations below
 * BUCKET_ENTRIES.
 *
 * A single series is made by one WAL record, which adds its entries to the dictionary and
 * to the bucket and, when a dictionary page begins, to the locator. A batch of them is made
 * by records for the dictionary, and others for the buckets later: so the last series,
 * SERIES_BATCH (4096) at most, may lack their entries in buckets. Then nobody has rows of
 * them, and they get these entries before any other series is made (series_batch.c).
 */
#ifndef SERIES_FORMAT_H
#define SERIES_FORMAT_H

#include "postgres.h"

#include "ts_pages.h"
#include "ts_series.h"

#define SERIES_FORMAT_VERSION 1

#define KEY_NULL  0
#define KEY_VALUE 1

#define DICTIONARY_GROUP   32 /* entries per offset */
#define DICTIONARY_GROUPS  32
#define DICTIONARY_ENTRIES (DICTIONARY_GROUP * DICTIONARY_GROUPS)

typedef struct DictionaryHeader
{
	uint8 version;
	uint8 zero;
	uint16 count;
	uint32 first;
	uint16 groups[DICTIONARY_GROUPS];
} DictionaryHeader;

StaticAssertDecl(sizeof(DictionaryHeader) == 72, "dictionary pages have a fixed layout");

/* Bytes of an entry. */
#define dictionary_entry_size(key_length) (sizeof(uint16) + (key_length))

StaticAssertDecl(sizeof(DictionaryHeader) + dictionary_entry_size(TS_MAX_KEY_SIZE) <=
					 TS_PAGE_ROOM,
				 "the longest key must fit a page");

#define LOCATOR_ENTRIES 2024

typedef struct LocatorPage
{
	uint8 version;
	uint8 zero[3];
	uint32 first[LOCATOR_ENTRIES];
} LocatorPage;

StaticAssertDecl(sizeof(LocatorPage) == 4 + 4 * LOCATOR_ENTRIES,
				 "locator pages have a fixed layout");
StaticAssertDecl(sizeof(LocatorPage) <= TS_PAGE_ROOM, "a locator must fit a page");

#define locator_length(count) (offsetof(LocatorPage, first) + (count) * sizeof(uint32))

#define BUCKET_ENTRIES   676
#define BUCKET_LOAD      240
#define BUCKET_MAX_LEVEL 31

typedef struct BucketEntry
{
	uint32 hash;
	uint32 id;
	uint32 page;
} BucketEntry;

typedef struct BucketPage
{
	uint8 version;
	uint8 level;
	uint16 count;
	BucketEntry entries[BUCKET_ENTRIES];
} BucketPage;

StaticAssertDecl(sizeof(BucketPage) == 4 + 12 * BUCKET_ENTRIES,
				 "buckets have a fixed layout");
StaticAssertDecl(sizeof(BucketPage) <= TS_PAGE_ROOM, "a bucket must fit a page");

#define bucket_length(count) \
	(offsetof(BucketPage, entries) + (count) * sizeof(BucketEntry))

#endif /* SERIES_FORMAT_H */
