/*
 * ts_write.h
 *	  What the protocols by which samples come (ts_remote_write.h, ts_otlp.h) have in common.
 *
 * Pure C.
 */
#ifndef TS_WRITE_H
#define TS_WRITE_H

#include "ts_base.h"

/* Of the secret with which fingerprints are made, in bytes. */
#define TS_WRITE_SECRET 192

/* ---- the body (remote_write_body.c) ---- */

typedef enum TsWriteEncoding
{
	TS_WRITE_PLAIN,
	TS_WRITE_SNAPPY, /* the block format */
	TS_WRITE_ZSTD,
	TS_WRITE_GZIP /* one or more members; OTLP's, not remote write's */
} TsWriteEncoding;

/*
 * Decompresses a body. TS_ERR_LIMIT when the result would be larger than limit, and then
 * no more than that was allocated. *data is body itself if it is not compressed, else
 * memory of the allocator.
 */
extern TsErrorCode
ts_write_decompress(TsWriteEncoding encoding, const void *body, size_t size, size_t limit,
					const TsAllocator *allocator, const void **data, size_t *data_size,
					TsError *err);

/* ---- metadata ---- */

/* Type, unit and help of a metric. */
typedef struct TsWriteMetadata
{
	TsString metric;  /* empty, where it is the series' that is at hand */
	const char *type; /* as the query API calls it: "counter", ..., "unknown" */
	TsString unit;
	TsString help;
} TsWriteMetadata;

#endif /* TS_WRITE_H */
