/*
 * pages_format.h
 *	  The bytes of a storage's pages, as they are on disk.
 *
 * Every page has PostgreSQL's page header, content from offset 24 up to pd_lower, zeros
 * up to pd_upper, and a stamp in its last 40 bytes (pd_upper = pd_special = 8152). All
 * numbers are in the machine's own byte order. A page may also be all zeros: allocated
 * and never written.
 *
 * The stamp says whose page it is:
 *
 *	type				owner				part
 *	TS_PAGE_META		0					0
 *	TS_PAGE_DIRECTORY	index of the page	0
 *	TS_PAGE_STREAM		ordinal				stream
 *	TS_PAGE_BLOCK		block id			index of the page in the block
 *	TS_PAGE_UNWRITTEN	ordinal				stream
 *
 * A page is what it is expected to be if and only if its header has pd_special = 8152 and
 * pd_lower between 24 and 8152, and page id, version, type, storage, owner and part are
 * the expected ones. Pages of blocks have in `crc` the CRC-32C of their content; other
 * pages, which change, have 0 there and rely on PostgreSQL's own checksums.
 *
 * TS_PAGE_UNWRITTEN marks the last page of a run that was added to a stream, until the
 * stream gets there. It is logged together with the directory's entry: extending a file
 * is not, so without it the end of a run could be behind the end of the file after a
 * crash, and be given out again.
 *
 * Block 0 is the metapage: TsMetaContent. It lists the directory pages in order. The
 * content of a directory page is an array of TsDirectoryEntry; those with count 0 are
 * free. Pages that hold nothing that is wanted are found by exclusion and are not marked.
 *
 * History of TS_META_VERSION and TS_STAMP_VERSION: 1 is the first.
 */
#ifndef PAGES_FORMAT_H
#define PAGES_FORMAT_H

#include "postgres.h"

#include "storage/block.h"

#include "ts_pages.h"

/* Beside those of TsPageType. */
#define TS_PAGE_UNWRITTEN 5

#define TS_STAMP_VERSION 1
#define TS_PAGE_ID       0xFF74 /* for tools that tell pages apart by their last bytes */

typedef struct TsStamp
{
	uint64 storage;
	uint64 owner;
	uint32 part;
	uint32 crc;       /* of blocks' pages: CRC-32C of the content */
	uint32 unused[2]; /* zero */
	uint16 unused2;   /* zero */
	uint16 version;   /* TS_STAMP_VERSION */
	uint16 type;      /* TsPageType */
	uint16 page_id;   /* TS_PAGE_ID */
} TsStamp;

StaticAssertDecl(sizeof(TsStamp) == TS_STAMP_SIZE, "stamps have a fixed size");
StaticAssertDecl(TS_STAMP_SIZE == MAXALIGN(TS_STAMP_SIZE), "PageInit aligns");

#define TS_PAGE_SPECIAL   (BLCKSZ - TS_STAMP_SIZE)
#define TsPageStamp(page) ((TsStamp *) ((char *) (page) + TS_PAGE_SPECIAL))

#define TS_META_BLOCK   0
#define TS_META_MAGIC   0x4D545331 /* "MTS1" */
#define TS_META_VERSION 1

typedef struct TsMetaContent
{
	uint32 magic;
	uint32 version;
	uint64 storage;           /* random, at most PG_INT64_MAX, not 0 */
	uint64 number_bound;      /* all numbers given out are below; at least 1 */
	uint64 directory_version; /* grows with every change of the directory */
	uint32 writer;            /* TransactionId */
	uint32 shards;            /* 1 .. TS_MAX_SHARDS */
	uint32 directory_count;   /* directory pages */
	uint32 unused;            /* zero */
	BlockNumber directory[FLEXIBLE_ARRAY_MEMBER];
} TsMetaContent;

#define TS_META_HEADER offsetof(TsMetaContent, directory)
#define TS_META_LENGTH(directory_count) \
	(TS_META_HEADER + (Size) (directory_count) * sizeof(BlockNumber))
#define TS_MAX_DIRECTORY_PAGES \
	((uint32) ((TS_PAGE_ROOM - TS_META_HEADER) / sizeof(BlockNumber)))

StaticAssertDecl(TS_META_HEADER == 48, "the metapage has a fixed layout");

typedef struct TsDirectoryEntry
{
	uint64 first; /* ordinal */
	uint32 stream;
	BlockNumber block;
	uint32 count;  /* 0: the entry is free, and all zeros */
	uint32 unused; /* zero */
} TsDirectoryEntry;

StaticAssertDecl(sizeof(TsDirectoryEntry) == 24, "directory entries have a fixed size");

#define TS_DIRECTORY_ENTRIES ((uint32) (TS_PAGE_ROOM / sizeof(TsDirectoryEntry)))

#endif /* PAGES_FORMAT_H */
