/*
 * block_directory.h
 *	  The directory of a sealed block while it is read: one group of chunks at a time, of
 *	  which only the columns that are asked for are decoded.
 */
#ifndef BLOCK_DIRECTORY_H
#define BLOCK_DIRECTORY_H

#include "block_format.h"

/* As what sums of floats, and of integers that are not exact, are encoded. */
extern const TsColumn block_sum_column;

/* Where a chunk's piece of a stored column is; length 0: nowhere. */
typedef struct BlockPiece
{
	uint64 offset; /* in the block */
	Size length;
	uint64 region_end; /* in the block */
} BlockPiece;

typedef struct BlockDirectory
{
	MemoryContext context;
	TsBlockBytes *bytes;
	const TsTable *table;
	BlockHeader header;
	uint64 *regions;    /* [stored columns + 1]: where they begin */
	BlockGroup *groups; /* [ngroups + 1]: the last one says where groups end */
	uint32 ngroups;
	TsColumnReader *reader;
	char *buffer; /* an encoded column, or a head */
	Size buffer_size;

	/* The group that is loaded; ngroups: none. */
	uint32 group;
	uint32 chunks;    /* that it has */
	uint64 *starts;   /* [entry columns + 1]: where columns are in the block */
	uint64 *bases;    /* [stored columns] */
	int64 **entries;  /* [entry columns][BLOCK_GROUP_CHUNKS]; NULL: never used */
	bool *decoded;    /* [entry columns]: entries are of this group */
	uint64 **offsets; /* [stored columns][BLOCK_GROUP_CHUNKS]: pieces' places */
	bool *located;    /* [stored columns]: offsets are of this group */
} BlockDirectory;

/* Reads and checks header and groups' entries; in the current context. */
extern BlockDirectory *
block_directory_open(TsBlockBytes *bytes, const TsTable *table, const TsBlockInfo *info);
/* Fills in what is known of a chunk. */
extern void block_directory_chunk(BlockDirectory *dir, uint32 index, TsChunk *chunk);
/* The first chunk at or after `from` whose series is at least `series`; or their number. */
extern uint32 block_directory_find(BlockDirectory *dir, uint32 from, uint32 series);
extern BlockPiece block_directory_piece(BlockDirectory *dir, uint32 index, int stored);
extern bool
block_directory_stats(BlockDirectory *dir, uint32 index, int i, TsColumnStats *stats);

#endif /* BLOCK_DIRECTORY_H */
