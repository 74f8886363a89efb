/*
 * index_format.h
 *	  The bytes of a segment of the label index: a specification.
 *
 * Numbers are in the machine's byte order. Offsets count from the segment's first byte.
 *
 *	0				IndexHeader
 *	names_at		IndexName per name
 *	values_at		IndexValue per value: those of the first name, of the second, ...
 *	strings_at		the bytes of names and values
 *	postings_at		posting lists, each at a multiple of 4 from here; up to the end
 *
 * Names are sorted by their bytes, as memcmp() has them, shorter first where one is the
 * beginning of the other, and are distinct; so are the values of a name. Every name has a
 * value at least. A name is found by bisection, then a value among the name's.
 *
 * A posting list is a non-empty set of series ids of the segment's range:
 *	INDEX_ONE		`at` is the only id; there are no bytes
 *	INDEX_RANGE		`at` is the smallest of `count` consecutive ids; there are no bytes
 *	INDEX_ROARING	`at` is the offset from postings_at of an IndexPosting, which the bytes
 *					of a roaring bitmap in its portable form follow
 * A name's list is the union of the lists of its values, which are disjoint: a series has
 * one value of a label.
 *
 * Valid: magic, version and checksum of the header; sections in this order and inside the
 * segment; every string and posting list inside its section; a list's own checksum, the
 * number of its ids and their range. The pages have checksums, too.
 *
 * Version 1 is the only one so far.
 */
#ifndef INDEX_FORMAT_H
#define INDEX_FORMAT_H

#include "postgres.h"

#define INDEX_MAGIC   0x58494C54 /* "TLIX" */
#define INDEX_VERSION 1

#define INDEX_NO_SERIES PG_UINT32_MAX

typedef struct IndexHeader
{
	uint32 magic;
	uint16 version;
	uint16 unused; /* 0 */
	uint32 from;   /* the range of ids: [from, to) */
	uint32 to;
	uint32 null_series; /* the id whose key is null, or INDEX_NO_SERIES */
	uint32 names;       /* how many */
	uint32 values;      /* of all names */
	uint32 names_at;
	uint32 values_at;
	uint32 strings_at;
	uint32 postings_at;
	uint32 length;     /* of the segment */
	uint32 unused_too; /* 0 */
	uint32 crc;        /* CRC-32C of all above */
} IndexHeader;

StaticAssertDecl(sizeof(IndexHeader) == 56, "an index header has a fixed size");

typedef enum IndexForm
{
	INDEX_ONE = 1,
	INDEX_RANGE = 2,
	INDEX_ROARING = 3
} IndexForm;

/* A string and its posting list. */
typedef struct IndexValue
{
	uint32 string;        /* offset from strings_at */
	uint16 string_length; /* at least 1 */
	uint16 form;          /* IndexForm */
	uint32 count;         /* ids, at least 1 */
	uint32 at;
	uint32 length; /* of the bitmap's bytes; 0 if there are none */
} IndexValue;

StaticAssertDecl(sizeof(IndexValue) == 20, "an index value has a fixed size");

typedef struct IndexName
{
	IndexValue name;    /* the name, and the series that have such a label */
	uint32 first_value; /* index of the first of its values */
	uint32 values;      /* at least 1 */
} IndexName;

StaticAssertDecl(sizeof(IndexName) == 28, "an index name has a fixed size");

typedef struct IndexPosting
{
	uint32 crc; /* CRC-32C of the bitmap's bytes, which follow */
} IndexPosting;

StaticAssertDecl(sizeof(IndexPosting) == 4, "an index posting has a fixed size");

#endif /* INDEX_FORMAT_H */
