/*
 * codec_internal.h
 *	  What the files of the codec library share among themselves.
 */
#ifndef CODEC_INTERNAL_H
#define CODEC_INTERNAL_H

#include "ts_codec.h"
#include "ts_kernel.h"
#include "codec_bytes.h"
#include "codec_format.h"

#include <zstd.h>

#define VECTOR      TS_CODEC_VECTOR
#define MAX_VECTORS (TS_CODEC_MAX_VALUES / TS_CODEC_VECTOR)

/* Unpacking writes groups of 8 numbers. */
#define UNPACK_SLACK 8

/* Memory that grows and is used again. */
typedef struct Buffer
{
	uint8_t *data;
	size_t size;
} Buffer;

/* Makes room for size bytes, whose contents are not kept. */
extern bool
codec_buffer_reserve(const TsAllocator *allocator, Buffer *buffer, size_t size);

/* Values of vector v of a column of n values. */
static inline uint32_t
vector_length(uint32_t n, uint32_t v)
{
	uint32_t left = n - v * VECTOR;

	return left < VECTOR ? left : VECTOR;
}

/* ---- bitpack.c ---- */

#define packed_size(count, width) (((size_t) (count) * (width) + 7) / 8)

/* Each number must fit in width bits; writes packed_size() bytes and up to 8 more. */
extern void
codec_pack(const uint64_t *numbers, uint32_t count, unsigned width, uint8_t *out);
/*
 * Reads packed_size() bytes from in, which ends with limit at the earliest after
 * these; writes count numbers and up to UNPACK_SLACK - 1 more. count <= VECTOR.
 */
extern void codec_unpack(const uint8_t *in, const uint8_t *limit, uint32_t count,
						 unsigned width, uint64_t *out);

/* Places: see codec_format.h. */
#define places_size(count, among) \
	((count) <= ((among) + 7) / 8 ? (size_t) (count) : (size_t) ((among) + 7) / 8)
extern uint8_t *
codec_put_places(uint8_t *out, const uint8_t *places, uint32_t count, uint32_t among);
/* Fills places[count]; false if the bytes do not name count places below among. */
extern bool
codec_get_places(const uint8_t *in, uint32_t count, uint32_t among, uint8_t *places);

/* ---- vectors ---- */

/* Values of a column that are kept as patterns beside it. */
typedef struct Foreign
{
	uint32_t count;
	uint64_t bitmap[TS_CODEC_MAX_VALUES / 64];
	const void *values; /* the column's values */
	unsigned width;     /* bytes of a pattern: 8 or 4 */
} Foreign;

/* What a vector's header says; as it is chosen and as it is read. */
typedef struct VectorHead
{
	int64_t anchor;
	int64_t base;
	int64_t step;
	const uint8_t *payload; /* reading only */
	uint16_t nonzero;
	uint16_t patches;
	uint16_t foreign;
	uint8_t predictor;
	uint8_t width;
	uint8_t patch_width;
	bool bitmap;
	bool foreign_same;
} VectorHead;

/* What headers are relative to. */
typedef struct VectorState
{
	int64_t anchor;
	int64_t base;
} VectorState;

/* Residuals of a vector of m values. */
static inline uint32_t
head_residuals(const VectorHead *head, uint32_t m)
{
	return m > head->predictor ? m - head->predictor : 0;
}

/* vector_plan.c: fills head (but for foreign) and the numbers to pack. */
typedef struct VectorPlan
{
	VectorHead head;
	uint32_t count;               /* numbers to pack */
	int64_t numbers[VECTOR];      /* residuals less their base */
	uint64_t bitmap[VECTOR / 64]; /* where r is not 0, if head.bitmap */
} VectorPlan;
/* use must allow frames, deltas or dods. */
extern void codec_plan_vector(const int64_t *y, uint32_t m, const VectorState *state,
							  unsigned use, VectorPlan *plan);

/* vector_write.c; both return the end of what they wrote. */
extern uint8_t *
codec_write_head(uint8_t *out, const VectorHead *head, VectorState *state);
extern uint8_t *codec_write_payload(uint8_t *out, const VectorPlan *plan, uint32_t m,
									const Foreign *foreign, uint32_t first);
/* Counts the foreign values of a vector into its head. */
extern void codec_count_foreign(VectorHead *head, const Foreign *foreign, uint32_t first);

/* vector_read.c */
extern bool codec_read_head(Cursor *c, VectorState *state, VectorHead *head);
extern size_t codec_payload_size(const VectorHead *head, uint32_t m, unsigned width);
/* y has room for VECTOR + UNPACK_SLACK; false: damaged. */
extern bool
codec_decode_vector(const VectorHead *head, uint32_t m, const uint8_t *limit, int64_t *y);
/* count numbers from start on, step apart. */
extern void codec_fill_ramp(uint64_t start, uint64_t step, uint32_t count, int64_t *out);
/* Puts a vector's foreign values (width bytes each) in their places. */
extern bool
codec_decode_foreign(const VectorHead *head, uint32_t m, unsigned width, void *out);

/* ---- frames.c ---- */

/* zstd frames over the plain bytes of a column, cut at vectors. */
typedef struct Frames
{
	uint32_t count;
	uint32_t loaded;                 /* the first frame in the buffer */
	uint32_t loaded_end;             /* the one after the last; none if equal */
	uint32_t first[MAX_VECTORS + 1]; /* vector a frame begins with */
	const uint8_t *data[MAX_VECTORS + 1];
	uint64_t start[MAX_VECTORS + 1]; /* plain offset of each vector, and the end */
} Frames;

/*
 * Writes lengths and frames into the encoder's trial buffer. start[] has the plain
 * offsets of all vectors and of the end. *len is 0 if it would be room or more.
 */
extern TsErrorCode
codec_write_frames(TsCodecEncoder *enc, const uint8_t *plain, const uint64_t *start,
				   uint32_t vectors, size_t room, size_t *len);
/* frames->start is filled by the caller before. */
extern bool codec_open_frames(Frames *frames, uint32_t vectors, Cursor *c);
/* The plain bytes of vectors, in one run; they stay until others are loaded. */
extern TsErrorCode codec_load_vectors(TsCodecReader *reader, uint32_t first,
									  uint32_t count, const uint8_t **plain);

/* ---- decimal.c ---- */

extern const double codec_powers_of_ten[16];

/*
 * Writes every value as a decimal integer d with d / 10^e == value, bit for bit; what
 * is none becomes foreign, and d is that of its neighbour. Returns e, or -1 if too
 * many are none. d has room for a multiple of VECTOR.
 */
extern int
codec_decimals8(const double *values, uint32_t n, int64_t *d, Foreign *foreign);
extern int codec_decimals4(const float *values, uint32_t n, int64_t *d, Foreign *foreign);

/* ---- grid.c ---- */

/* Subtracts x[0] of all, divides by their greatest common divisor, returns it. */
extern uint64_t codec_reduce(int64_t *x, uint32_t n);
/* The slope (in 1 / 2^SLOPE_SHIFT) of the line that x follows; 0: better without. */
extern int64_t codec_find_slope(const int64_t *x, uint32_t n, int64_t *work);
extern void codec_subtract_line(const int64_t *x, uint32_t n, int64_t slope, int64_t *y);

/* ---- the two work spaces ---- */

struct TsCodecEncoder
{
	TsAllocator allocator;
	ZSTD_CCtx *zstd;
	unsigned use;   /* TS_CODEC_USE_... */
	Buffer x;       /* integers of a column */
	Buffer y;       /* work space of the same size */
	Buffer payload; /* of vectors, before their headers' size is known */
	Buffer trial;   /* frames, to see whether they are smaller */
	Buffer plain;   /* values of varying size, one after the other */
	Buffer sizes;   /* their sizes */
	Buffer nested;  /* a column of sizes or codes, written */
	Buffer views;   /* values of fixed width as values of any size */
	Buffer table;   /* hash table of a dictionary */
	Buffer codes;   /* the dictionary's code of each value */
	Buffer entries; /* the dictionary's entries */
	Buffer column;  /* these as a column, written */
	uint8_t heads[MAX_VECTORS * HEAD_MAX];
	VectorPlan plan;
	Foreign foreign;
};

/* A column of numbers as opened. */
typedef struct NumberColumn
{
	uint8_t form;
	uint8_t source;
	uint8_t exponent;
	uint8_t value_width; /* 8 or 4 */
	uint32_t n;
	int64_t origin;
	uint64_t divisor;
	int64_t slope;
	const uint8_t *data;           /* plain values */
	const uint8_t *limit;          /* end of the column */
	VectorHead heads[MAX_VECTORS]; /* runs: payload, anchor, step (next change) */
} NumberColumn;

struct TsCodecReader
{
	TsAllocator allocator;
	ZSTD_DCtx *zstd;
	const char *problem;
	TsCodecType type;
	uint8_t form;
	uint32_t n;
	uint32_t width;
	uint32_t vectors;
	const uint8_t *data; /* plain bytes; entries of a fixed dictionary; bit runs */
	const uint8_t *limit;
	NumberColumn number; /* of numbers, or sizes, or codes */
	Frames frames;
	Buffer plain;              /* frames, decompressed */
	Buffer framed;             /* a frame with its magic number */
	uint32_t entries;          /* of a dictionary */
	TsCodecReader *dictionary; /* reads the entries of a bytes dictionary */
	Buffer entry_values;       /* what it read, if entries_decoded */
	bool entries_decoded;
};

/* number_write.c: an int column within another column, for sizes and codes; never zstd.
 * Uses the buffers x, y and payload. */
extern TsErrorCode codec_write_ints(TsCodecEncoder *enc, const int64_t *values,
									uint32_t n, uint8_t *out, size_t *len);

/* number_read.c */
extern bool codec_open_number(NumberColumn *column, TsCodecType type, Cursor *c,
							  uint32_t n, Frames *frames, const char **problem);
extern bool codec_decode_ints(const NumberColumn *column, uint32_t v, int64_t *out);

/* Opening of the other types; c is at the first byte. */
extern TsErrorCode codec_open_bits(TsCodecReader *reader, Cursor *c);
extern void codec_describe_number(const NumberColumn *column, char *text, size_t size);
extern TsErrorCode codec_open_fixed(TsCodecReader *reader, Cursor *c);
extern TsErrorCode codec_open_bytes(TsCodecReader *reader, Cursor *c);

/* Notes the problem and returns TS_ERR_INVALID. */
extern TsErrorCode codec_damaged(TsCodecReader *reader, const char *problem);

#endif /* CODEC_INTERNAL_H */
