/*
 * ts_histogram_columns.h
 *	  A column of histograms to bytes and back: each number as a column of its own.
 *
 * Pure C. What goes in are payloads (ts_histogram.h), and the same payloads come out, bit for
 * bit. Histograms of one series have the same buckets for long; so layouts are stored once,
 * and sum, count, zero count and every bucket become columns of numbers (ts_codec.h), which
 * take what their changes take. src/types/histogram_columns_format.h specifies the bytes.
 */
#ifndef TS_HISTOGRAM_COLUMNS_H
#define TS_HISTOGRAM_COLUMNS_H

#include "ts_base.h"
#include "ts_codec.h"

/*
 * Writes the column of n payloads into out, which has `room` bytes, and its length to *length;
 * that is 0 when the histograms do not suit this form: too few, too different, no payloads,
 * or no shorter than the room. Where `nulls` is set (NULL: nowhere) there is no payload, and
 * some one will come out. TS_ERR_MEMORY: no memory; nothing else goes wrong.
 */
extern TsErrorCode
ts_histogram_columns_encode(TsCodecEncoder *encoder, const TsAllocator *allocator,
							const TsCodecBytes *payloads, const bool *nulls, uint32_t n,
							uint8_t *out, size_t room, size_t *length);

/* A reader is work space that is used again and again. */
typedef struct TsHistogramColumns TsHistogramColumns;

extern TsHistogramColumns *ts_histogram_columns_create(const TsAllocator *allocator);
extern void ts_histogram_columns_free(TsHistogramColumns *columns);

/* As ts_codec_open(): the bytes must stay. Numbers are read by the codec's reader. */
extern TsErrorCode
ts_histogram_columns_open(TsHistogramColumns *columns, const uint8_t *data, size_t length,
						  uint32_t n);
/* As ts_codec_decode_bytes(): the payloads stay until anything else is decoded or opened. */
extern TsErrorCode
ts_histogram_columns_decode(TsHistogramColumns *columns, TsCodecReader *codec,
							uint32_t first, uint32_t count, TsCodecBytes *out);
/* What was wrong when one of these said TS_ERR_INVALID. */
extern const char *ts_histogram_columns_problem(const TsHistogramColumns *columns);

#endif /* TS_HISTOGRAM_COLUMNS_H */
