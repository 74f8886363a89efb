/*
 * ts_codec.h
 *	  Columns of a chunk to bytes and back.
 *
 * A column is n values of one type (n at most TS_CODEC_MAX_VALUES); its encoded
 * form is one run of bytes, written in one call, read in independent vectors of
 * TS_CODEC_VECTOR values: a reader that wants vectors 3 and 4 pays for these and
 * for a walk over the small vector headers, once, when it opens the column. The
 * number of values is not in the bytes (the columns of a chunk share it): it is
 * given again on opening. src/codec/codec_format.h specifies the bytes.
 *
 * What always holds:
 * - Lossless: every bit pattern of every type comes back as it went in.
 * - An encoder never writes more than the _bound() of its column, which is the
 *   plain form and a few bytes.
 * - A reader never touches memory outside the bytes given to it and its own,
 *   whatever the bytes are. Damage is TS_ERR_INVALID and ts_codec_problem() says
 *   what is wrong; undetected damage yields wrong values, never a crash (whoever
 *   stores the bytes has checksums).
 * - The choice of encoding depends on the values alone.
 *
 * Nulls are none of a column's business: a chunk keeps them in a bits column beside it,
 * and repeats the value before in the place of a null, which costs next to nothing and
 * leaves vector v of every column of the chunk at the same rows.
 *
 * Encoders and readers are work space to be used again and again, one column at
 * a time each; they grow as needed, from the given allocator. (The contexts of
 * zstd come from malloc, and only when zstd is first used: free the encoder or
 * reader to give them back.) They are not shared between threads.
 *
 * Pure C: calls no server function.
 */
#ifndef TS_CODEC_H
#define TS_CODEC_H

#include "ts_base.h"

#define TS_CODEC_VECTOR     256       /* values decoded together */
#define TS_CODEC_MAX_VALUES 65536     /* values of a column */
#define TS_CODEC_MAX_WIDTH  8192      /* bytes of a value of a fixed-width column */
#define TS_CODEC_MAX_BYTES  (1 << 30) /* bytes of all values of a bytes column */

/* Vectors of a column of n values; the last one may be short. */
#define ts_codec_vectors(n) (((n) + TS_CODEC_VECTOR - 1) / TS_CODEC_VECTOR)

/* The types of column. A column is opened as what it was encoded as. */
typedef enum TsCodecType
{
	TS_CODEC_FLOAT8, /* double */
	TS_CODEC_FLOAT4, /* float */
	TS_CODEC_INT,    /* int64_t, for integers of every width, dates, ... */
	TS_CODEC_TIME,   /* int64_t, microseconds or any other unit */
	TS_CODEC_BITS,   /* nulls, bool */
	TS_CODEC_FIXED,  /* any values of the same size */
	TS_CODEC_BYTES   /* text and any values of varying size */
} TsCodecType;

/* One value of a bytes column. */
typedef struct TsCodecBytes
{
	const uint8_t *data;
	uint32_t size;
} TsCodecBytes;

/* ---- encoding ---- */

typedef struct TsCodecEncoder TsCodecEncoder;

/* NULL when there is no memory. */
extern TsCodecEncoder *ts_codec_encoder_create(const TsAllocator *allocator);
extern void ts_codec_encoder_free(TsCodecEncoder *enc);

/*
 * What an encoder may choose from: everything, unless it is told otherwise, which is
 * for measurements and tests. Constants and the plain form are always allowed.
 */
enum
{
	TS_CODEC_USE_DECIMALS = 0x001, /* floats as decimal integers */
	TS_CODEC_USE_LINES = 0x002,    /* less the line they follow */
	TS_CODEC_USE_RUNS = 0x004,     /* changes only */
	TS_CODEC_USE_FRAMES = 0x008,   /* vectors less their base ("FOR") */
	TS_CODEC_USE_DELTAS = 0x010,   /* vectors of deltas */
	TS_CODEC_USE_DODS = 0x020,     /* vectors of deltas of deltas */
	TS_CODEC_USE_BITMAPS = 0x040,  /* deltas with their zeroes in a bitmap */
	TS_CODEC_USE_PATCHES = 0x080,  /* exceptions to a vector's width */
	TS_CODEC_USE_ZSTD = 0x100,
	TS_CODEC_USE_DICTIONARY = 0x200,
	TS_CODEC_USE_ALL = 0x3FF
};
extern void ts_codec_encoder_use(TsCodecEncoder *enc, unsigned use);

/* Bytes that suffice for a column of n numbers (either float, int, time). */
extern size_t ts_codec_number_bound(uint32_t n);
extern size_t ts_codec_bits_bound(uint32_t n);
extern size_t ts_codec_fixed_bound(uint32_t n, uint32_t width);
/* bytes is the sum of the sizes. */
extern size_t ts_codec_bytes_bound(uint32_t n, size_t bytes);

/*
 * Each writes a column to out, which has room for its bound, and its length to
 * *len. TS_ERR_MEMORY, or TS_ERR_LIMIT when the column exceeds one of the limits
 * above; nothing else goes wrong.
 */
extern TsErrorCode ts_codec_encode_float8(TsCodecEncoder *enc, const double *values,
										  uint32_t n, uint8_t *out, size_t *len);
extern TsErrorCode ts_codec_encode_float4(TsCodecEncoder *enc, const float *values,
										  uint32_t n, uint8_t *out, size_t *len);
extern TsErrorCode ts_codec_encode_int(TsCodecEncoder *enc, const int64_t *values,
									   uint32_t n, uint8_t *out, size_t *len);
/* As _int, but looks for the grid the times are on. */
extern TsErrorCode ts_codec_encode_time(TsCodecEncoder *enc, const int64_t *values,
										uint32_t n, uint8_t *out, size_t *len);
/* Bit i is bit i % 64 of word i / 64; bits beyond n are ignored. */
extern TsErrorCode ts_codec_encode_bits(TsCodecEncoder *enc, const uint64_t *words,
										uint32_t n, uint8_t *out, size_t *len);
/* n values of width bytes each, one after the other. */
extern TsErrorCode
ts_codec_encode_fixed(TsCodecEncoder *enc, const void *values, uint32_t width, uint32_t n,
					  uint8_t *out, size_t *len);
extern TsErrorCode ts_codec_encode_bytes(TsCodecEncoder *enc, const TsCodecBytes *values,
										 uint32_t n, uint8_t *out, size_t *len);

/* ---- decoding ---- */

typedef struct TsCodecReader TsCodecReader;

/* NULL when there is no memory. */
extern TsCodecReader *ts_codec_reader_create(const TsAllocator *allocator);
extern void ts_codec_reader_free(TsCodecReader *reader);

/*
 * Opens a column: checks its headers and that its parts make up exactly len bytes.
 * The bytes are not copied: they must stay until the reader is opened again. What
 * was open before is closed. width counts for TS_CODEC_FIXED only.
 */
extern TsErrorCode ts_codec_open(TsCodecReader *reader, TsCodecType type, uint32_t width,
								 const uint8_t *data, size_t len, uint32_t n);

/*
 * Each decodes count vectors from vector number first on (first + count at most
 * ts_codec_vectors(n)) of a column opened as its type (int: also as time). out has
 * room for count * TS_CODEC_VECTOR values, or for those up to the end of the
 * column when it is nearer; of bits, for as many whole words.
 */
extern TsErrorCode ts_codec_decode_float8(TsCodecReader *reader, uint32_t first,
										  uint32_t count, double *out);
extern TsErrorCode
ts_codec_decode_float4(TsCodecReader *reader, uint32_t first, uint32_t count, float *out);
extern TsErrorCode
ts_codec_decode_int(TsCodecReader *reader, uint32_t first, uint32_t count, int64_t *out);
/* Bits beyond n are 0. */
extern TsErrorCode ts_codec_decode_bits(TsCodecReader *reader, uint32_t first,
										uint32_t count, uint64_t *out);
extern TsErrorCode
ts_codec_decode_fixed(TsCodecReader *reader, uint32_t first, uint32_t count, void *out);
/* The values point into the column's bytes or into the reader: they stay until the
 * reader decodes or opens anything else. */
extern TsErrorCode ts_codec_decode_bytes(TsCodecReader *reader, uint32_t first,
										 uint32_t count, TsCodecBytes *out);

/* What was wrong with the bytes, when a function above said TS_ERR_INVALID. */
extern const char *ts_codec_problem(const TsCodecReader *reader);

/*
 * A few words on how a column is encoded ("decimal, delta vectors"), for benchmarks
 * and introspection; writes at most size bytes, NUL-terminated.
 */
extern void ts_codec_describe(const TsCodecReader *reader, char *text, size_t size);

#endif /* TS_CODEC_H */
