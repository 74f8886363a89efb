/*
 * ts_block.h
 *	  Sealed blocks: immutable sets of chunks of many series over a range of time.
 *
 * A chunk is rows of one series, at most TS_CODEC_MAX_VALUES of them, in (time, number)
 * order; a block's chunks are in (series, time) order and chunks of a series do not
 * overlap in time (equal times at a boundary excepted). src/engine/block_format.h
 * specifies the bytes: regions of pieces, one per column, so that a scan reads what it
 * wants; equal pieces (time columns of one scrape target, numbers, tags) are stored once;
 * a columnar directory of chunks that is read in groups of TS_CODEC_VECTOR chunks.
 *
 * A block is written by one call after its chunks were added in memory, and read by
 * decoding vectors of TS_CODEC_VECTOR rows.
 */
#ifndef TS_BLOCK_H
#define TS_BLOCK_H

#include "postgres.h"

#include "utils/relcache.h"

#include "ts_catalog.h"
#include "ts_column.h"
#include "ts_rows.h"

#define TS_BLOCK_MAX_CHUNKS 65536
/* A block is closed when it gets this large; a single wide row may make a larger one. */
#define TS_BLOCK_MAX_SIZE (64 * 1024 * 1024)

/* ---- writing ---- */

typedef struct TsBlockWriter TsBlockWriter;

/* natts: the columns that rows have. Lives in a child of `parent`. */
extern TsBlockWriter *
ts_block_writer_create(MemoryContext parent, const TsTable *table, int natts);
/* Adds a chunk; numbers must be given. Chunks come in (series, time) order. */
extern void ts_block_writer_add(TsBlockWriter *writer, const TsVectors *chunk);
extern uint32 ts_block_writer_chunks(const TsBlockWriter *writer);
/* Whether it should be finished before more is added. */
extern bool ts_block_writer_full(const TsBlockWriter *writer);
/*
 * Writes the block (pages and WAL), fills in *info, and makes the writer empty again.
 * Inserting the catalog's row is the caller's.
 */
extern void
ts_block_writer_finish(TsBlockWriter *writer, Relation rel, int tier, TsBlockInfo *info);
extern void ts_block_writer_free(TsBlockWriter *writer);

/*
 * Sorts rows, cuts them into chunks by windows of time (`window` in the table's units of
 * time, 0: none), into blocks per window, writes them and inserts their catalog rows.
 * Windows are doubled until they have 8,192 rows on average (or cannot be fewer: windows
 * meet at time zero), so that rows spread over much time do not become many tiny blocks.
 * Rows without numbers of their own get `number`. With duplicates = replace, rows of the
 * set that another one of it replaces are not written. This is how bulk loads and seals
 * end. Returns how many blocks were written.
 */
extern int ts_block_write_rows(Relation rel, const TsTable *table, TsRows *rows,
							   uint64 number, int tier, int64 window);

/* ---- reading ---- */

/* A chunk, as the directory has it. */
typedef struct TsChunk
{
	uint32 index; /* in the block */
	uint32 series;
	uint32 rows;
	int64 time_min;
	int64 time_max;
	uint64 number_min;
	uint64 number_max;
} TsChunk;

typedef struct TsBlockReader TsBlockReader;

/*
 * Opens a block. wanted: value columns by attnum - 1 (NULL: all). Memory: some tens of
 * kB and the directory groups in use, in a child of the current context. rel and table
 * must stay until it is closed.
 */
extern TsBlockReader *ts_block_open(Relation rel, const TsTable *table,
									const TsBlockInfo *info, const bool *wanted);
/*
 * Directory order. Moves on to the first chunk whose series is at least `series` (and
 * which comes after the current one, if `series` is not smaller than its series); false
 * at the end. ts_block_next: the next chunk.
 */
extern bool ts_block_seek(TsBlockReader *reader, uint32 series, TsChunk *chunk);
extern bool ts_block_next(TsBlockReader *reader, TsChunk *chunk);
/* A column's statistics in the current chunk; false when they are not kept: the block is
 * older than the column, or it is no value column. */
extern bool
ts_block_stats(TsBlockReader *reader, AttrNumber attnum, TsColumnStats *stats);
/*
 * Decodes vectors [first, first + count) of a chunk: times, numbers and wanted columns,
 * into vectors that have the room; n is set. Columns that came later than the block get
 * the value that the relation has for missing attributes; by-reference values are
 * palloc'd in `context`. numbers: whether they are needed. The chunk must have been
 * returned by this reader.
 */
extern void
ts_block_decode(TsBlockReader *reader, const TsChunk *chunk, uint32 first, uint32 count,
				bool numbers, TsVectors *to, MemoryContext context);
/* Only the times of all rows of a chunk (rows values). */
extern void ts_block_times(TsBlockReader *reader, const TsChunk *chunk, int64 *times);
extern void ts_block_close(TsBlockReader *reader);

#endif /* TS_BLOCK_H */
