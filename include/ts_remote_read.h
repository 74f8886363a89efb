/*
 * ts_remote_read.h
 *	  Remote read: from a body to queries, and from series to an answer.
 *
 * Pure C. Requests are prometheus.ReadRequest; the reader walks the bytes of the message as
 * they lie there, and all that it returns points into them or into its own memory. Depth is
 * bounded by the format itself, since groups are refused and no message contains its own
 * kind. Fields that are not known are passed over.
 *
 * Answers are of two types. SAMPLES is one prometheus.ReadResponse, all of it compressed by
 * snappy; its series are written one by one, and who keeps them puts the lengths before
 * them when they are known (ts_read_open_message()). CHUNKS is a stream of frames
 * (prometheus.ChunkedReadResponse), which say all about themselves.
 *
 * Errors: TS_ERR_SYNTAX for bytes that are no such message, TS_ERR_INVALID for a message
 * that says what is not allowed, TS_ERR_LIMIT, TS_ERR_MEMORY. The offset of an error is a
 * byte of the decompressed body.
 */
#ifndef TS_REMOTE_READ_H
#define TS_REMOTE_READ_H

#include "ts_base.h"
#include "ts_histogram.h"
#include "ts_remote_write.h"
#include "ts_selector.h"

/* ---- growing bytes (remote_read_bytes.c) ---- */

/* When there is no memory it has `failed`, and what is written to it is lost. */
typedef struct TsReadBytes
{
	TsAllocator allocator;
	uint8_t *data;
	size_t size;
	size_t room;
	bool failed;
} TsReadBytes;

extern void ts_read_bytes_init(TsReadBytes *bytes, const TsAllocator *allocator);
extern void ts_read_bytes_free(TsReadBytes *bytes);

/* ---- requests (remote_read_request.c) ---- */

typedef enum TsReadType
{
	TS_READ_SAMPLES,
	TS_READ_CHUNKS
} TsReadType;

typedef struct TsReadQuery
{
	int64_t start;       /* milliseconds since 1970; inclusive */
	int64_t end;         /* inclusive */
	TsMatcher *matchers; /* of which only type, name and value are filled in */
	uint32_t nmatchers;
	TsString function; /* that the samples are for, as the hints say; "series": none are
						* wanted, only which series there are */
} TsReadQuery;

typedef struct TsReadRequest
{
	const uint8_t *start;
	TsWire message;  /* what is left of it */
	TsReadType type; /* of the answer: the first type accepted that there is */
	uint32_t nqueries;
	TsReadQuery query;
	TsReadBytes matchers;
} TsReadRequest;

/* Decompresses a body, which is snappy's block format; memory is the allocator's. */
extern TsErrorCode ts_read_decompress(const void *body, size_t size, size_t limit,
									  const TsAllocator *allocator, const void **data,
									  size_t *data_size, TsError *err);

/* Begins to read; also when that fails the request is to be closed. */
extern TsErrorCode ts_read_open(TsReadRequest *request, const void *data, size_t size,
								const TsAllocator *allocator, TsError *err);
/* The next query, in request->query until the next call; *more is false at the end. */
extern TsErrorCode ts_read_next(TsReadRequest *request, bool *more, TsError *err);
extern void ts_read_close(TsReadRequest *request);

/* ---- chunks, as Prometheus stores samples (remote_read_chunk.c) ---- */

#define TS_CHUNK_SAMPLES 120

/* As numbered in prometheus.Chunk. */
typedef enum TsChunkKind
{
	TS_CHUNK_NONE, /* it is empty */
	TS_CHUNK_FLOATS,
	TS_CHUNK_HISTOGRAMS, /* of integers */
	TS_CHUNK_FLOAT_HISTOGRAMS
} TsChunkKind;

/* A float's place in a chain of floats each of which is XORed with the one before. */
typedef struct TsChunkXor
{
	uint64_t bits;
	uint8_t leading; /* 0xff: no bits were written yet */
	uint8_t trailing;
} TsChunkXor;

/* An integer's place in a chain of second differences. */
typedef struct TsChunkDelta
{
	int64_t value;
	int64_t delta;
} TsChunkDelta;

typedef struct TsChunk
{
	TsReadBytes bytes; /* the chunk's data */
	TsChunkKind kind;
	uint32_t n;
	int64_t min_time;
	int64_t max_time;
	/* what the next sample is compared with */
	unsigned free_bits; /* of the last byte */
	TsChunkDelta time;
	TsChunkXor sum;             /* or the float */
	TsChunkXor float_counts[2]; /* all, and of the zero bucket */
	TsChunkDelta counts[2];
	TsReadBytes buckets;     /* of TsChunkXor, or of TsChunkDelta; positive ones first */
	const TsHistogram *last; /* of the series */
} TsChunk;

extern void ts_chunk_init(TsChunk *chunk, const TsAllocator *allocator);
extern void ts_chunk_free(TsChunk *chunk);
/* What comes now is another series'. */
extern void ts_chunk_begin_series(TsChunk *chunk);
/* Empties it; the next sample is of the same series. */
extern void ts_chunk_empty(TsChunk *chunk);
/*
 * Adds a sample, whose time is after the last one's; false when it does not go into this
 * chunk: then it goes into the next one. A histogram must stay until the next sample was
 * added, or ts_chunk_begin_series() was called.
 */
extern bool ts_chunk_add_float(TsChunk *chunk, int64_t time, double value);
extern bool ts_chunk_add_histogram(TsChunk *chunk, int64_t time, const TsHistogram *h);

/* ---- answers (remote_read_answer.c) ---- */

/* Takes bytes of an answer; may jump out. */
typedef void (*TsReadSink)(void *arg, const void *data, size_t size);

typedef struct TsReadWriter
{
	TsReadType type;
	TsReadSink sink;
	void *sink_arg;
	uint64_t query;
	TsReadBytes out;    /* of the series, or of the frame */
	size_t labels_size; /* CHUNKS: what each frame of the series begins with */
	size_t frames;      /* CHUNKS: of the series so far */
	TsChunk chunk;
} TsReadWriter;

extern void ts_read_writer_init(TsReadWriter *writer, TsReadType type, TsReadSink sink,
								void *sink_arg, const TsAllocator *allocator);
extern void ts_read_writer_free(TsReadWriter *writer);
/* Is there no memory? Then what was written is to be thrown away. */
extern bool ts_read_writer_failed(const TsReadWriter *writer);

/*
 * A series: its labels (a payload), and its samples with ascending times. SAMPLES: what goes to
 * the sink is the inside of a prometheus.TimeSeries. CHUNKS: frames, which name the query
 * that is set in the writer; a series without samples has one, too.
 */
extern void ts_read_begin_series(TsReadWriter *writer, const void *labels, size_t size);
extern void ts_read_put_float(TsReadWriter *writer, int64_t time, double value);
/* It must stay until the next sample was put, or the series has ended. */
extern void
ts_read_put_histogram(TsReadWriter *writer, int64_t time, const TsHistogram *h);
extern void ts_read_end_series(TsReadWriter *writer);

/* What stands before a message of this length that is field 1 of another; returns its size. */
#define TS_READ_OPENING 11
extern size_t ts_read_open_message(uint64_t length, uint8_t opening[TS_READ_OPENING]);

/* ---- snappy (remote_read_snappy.c) ---- */

#define TS_SNAPPY_PIECE 65536
#define TS_SNAPPY_LIMIT UINT32_MAX /* bytes that can be compressed into one block */

/*
 * The block format, written piece by piece: only the size of all must be known at the
 * beginning.
 */
typedef struct TsSnappy
{
	TsReadSink sink;
	void *sink_arg;
	size_t n;
	char *compressed; /* room for a piece */
	size_t room;
	char piece[TS_SNAPPY_PIECE];
} TsSnappy;

/* False: no memory. `compressed` is the allocator's, of the caller to free. */
extern bool ts_snappy_begin(TsSnappy *snappy, uint64_t size, TsReadSink sink,
							void *sink_arg, const TsAllocator *allocator);
extern void ts_snappy_put(TsSnappy *snappy, const void *data, size_t size);
/* All of it was put. */
extern void ts_snappy_end(TsSnappy *snappy);

#endif /* TS_REMOTE_READ_H */
