/*
 * block_format.h
 *	  The bytes of a sealed block: a specification.
 *
 * Numbers are in the machine's byte order, at any alignment. A varint is LEB128, seven
 * bits a byte, lowest first. Pieces are those of column_format.h; "ints" and "times" are
 * codec columns (src/codec/codec_format.h) of those types without a null byte.
 *
 *	0				BlockHeader
 *	then			u64 per stored column: the length of its region
 *	then			BlockGroup per group of chunks
 *	groups			the groups' bytes, one behind the other: the first begins behind the
 *					array of BlockGroup, each ends where the next begins, the last where
 *					the regions begin
 *	regions			one behind the other, the last ends with the block
 *
 * Stored columns: 0 is the times, 1 the numbers, 2 + i the column of attnum i + 1, for all
 * columns that rows had when the block was written (natts). A region holds the pieces of
 * its column: in the order of the chunks, without gaps, each distinct one where a chunk
 * first had it; but whether an equal piece is used again is the writer's choice. Piece
 * forms: times; ints; and pieces as ts_column.h has them.
 *
 * Chunks are in (series, time) order. A group is 256 (TS_CODEC_VECTOR) consecutive ones,
 * the last group what is left; it is read without the others. Its bytes:
 *
 *	head			varint per directory column: its length in bytes
 *					varint per stored column: how much of its region the groups before
 *					have used: its *base*
 *	columns			the directory columns, one behind the other, to the end of the group
 *
 * A directory column has an entry per chunk of the group. When it is of no bytes, all its
 * entries are zero in all their bits; else it is encoded as what it is:
 *
 *	0				ints	series
 *	1				ints	rows, 1 .. TS_CODEC_MAX_VALUES
 *	2				ints	smallest time
 *	3				ints	largest time less the smallest, modulo 2^64
 *	4				ints	smallest number
 *	5				ints	largest number less the smallest, modulo 2^64
 *	6 + 2s			ints	length of the piece of stored column s
 *	7 + 2s			ints	0: the piece begins at the end of what was used of the region
 *							so far, and is now used too; else it begins that far before
 *							this end
 *	S + 5i			ints	number of nulls in column i; S is 6 + 2 (2 + natts)
 *	S + 5i + 1		ints	BLOCK_KNOWN, BLOCK_EXACT: which of the rest has a meaning
 *	S + 5i + 2		value	smallest: ints when the column's kind is; else a piece of its kind
 *	S + 5i + 3		value	largest, less the smallest modulo 2^64 if ints; else as above
 *	S + 5i + 4		value	sum: ints when the kind is, and then the exact sum if
 *							BLOCK_EXACT is set, else the bits of a float8; else a float8 piece
 *
 * Pieces of no bytes:
 *	times			a progression: row k is at smallest + k * (span / (rows - 1)), which
 *					divides without a remainder (one row: the span is 0)
 *	numbers			all are the smallest (the span is 0)
 *	values			all are null
 *
 * Valid: magic and version; the length in the header is the block's; all lengths lie
 * inside their sections and add up; groups' first series and series ascend (not
 * strictly); bounds in the header hold for every chunk. Checksums are the pages'.
 *
 * History: version 1 is the first.
 */
#ifndef BLOCK_FORMAT_H
#define BLOCK_FORMAT_H

#include "ts_block.h"

#define BLOCK_MAGIC   0x4b4c4253 /* "SBLK" */
#define BLOCK_VERSION 1

typedef struct BlockHeader
{
	uint32 magic;
	uint16 version;
	uint16 natts; /* columns that rows have, at most MaxAttrNumber */
	uint32 chunks;
	uint32 series_min;
	uint32 series_max;
	uint32 unused; /* 0 */
	int64 rows;
	int64 time_min;
	int64 time_max;
	uint64 number_min;
	uint64 number_max;
	uint64 regions; /* offset of the regions */
	uint64 length;  /* of the block */
} BlockHeader;

StaticAssertDecl(sizeof(BlockHeader) == 80, "a block's header has no padding");

typedef struct BlockGroup
{
	uint32 series; /* of the group's first chunk */
	uint32 head;   /* bytes of the group's head */
	uint64 offset; /* of the group in the block */
} BlockGroup;

StaticAssertDecl(sizeof(BlockGroup) == 16, "a group's entry has no padding");

#define BLOCK_GROUP_CHUNKS   TS_CODEC_VECTOR
#define block_groups(chunks) ts_codec_vectors(chunks)

/* Stored columns. */
#define STORED_TIMES          0
#define STORED_NUMBERS        1
#define STORED_VALUE(i)       (2 + (i))
#define stored_columns(natts) (2 + (natts))

/* Directory columns. */
enum
{
	ENTRY_SERIES,
	ENTRY_ROWS,
	ENTRY_TIME,
	ENTRY_TIME_SPAN,
	ENTRY_NUMBER,
	ENTRY_NUMBER_SPAN,
	ENTRY_PIECES
};
#define ENTRY_LENGTH(s) (ENTRY_PIECES + 2 * (s))
#define ENTRY_BACK(s)   (ENTRY_PIECES + 2 * (s) + 1)

enum
{
	STATS_NULLS,
	STATS_FLAGS,
	STATS_MIN,
	STATS_MAX,
	STATS_SUM,
	STATS_ENTRIES
};
#define ENTRY_STATS(natts, i) \
	(ENTRY_PIECES + 2 * stored_columns(natts) + STATS_ENTRIES * (i))
#define entry_columns(natts) ENTRY_STATS(natts, natts)

#define BLOCK_KNOWN 0x01 /* smallest, largest and sum are known */
#define BLOCK_EXACT 0x02 /* the sum is an exact integer */

/* The longest varint there is. */
#define BLOCK_VARINT_MAX 10

#endif /* BLOCK_FORMAT_H */
