/*
 * ts_remote_write.h
 *	  Remote write requests, 1.0 and 2.0: from a body to series and their samples.
 *
 * Pure C. The reader walks the bytes of the protobuf message as they lie there; nothing is
 * unpacked, and nothing is allocated per sample: what it allocates (symbols, a series'
 * labels, a histogram's buckets) is kept and used again. Depth is bounded by the format
 * itself, since groups are refused and no message contains its own kind. All that it
 * returns points into the body or into its own memory, and lasts until the next call that
 * gives the same kind of thing.
 *
 * Fields that are not known are passed over, as protobuf wants it, but for those that
 * only the other version has: they mean that the content type is wrong.
 *
 * Errors: TS_ERR_SYNTAX for bytes that are no such message, TS_ERR_INVALID for a message
 * that says what is not allowed, TS_ERR_LIMIT, TS_ERR_MEMORY. The offset of an error is a
 * byte of the decompressed body.
 */
#ifndef TS_REMOTE_WRITE_H
#define TS_REMOTE_WRITE_H

#include "labels.h"
#include "ts_base.h"
#include "ts_histogram.h"
#include "ts_wire.h"
#include "ts_write.h"

typedef enum TsWriteVersion
{
	TS_WRITE_1, /* prometheus.WriteRequest */
	TS_WRITE_2  /* io.prometheus.write.v2.Request */
} TsWriteVersion;

/* ---- headers (remote_write_body.c) ---- */

/*
 * What they say of the body. Empty: version 1.0; not compressed. TS_ERR_INVALID when it is
 * something else than those above.
 */
extern TsErrorCode ts_write_content_type(const char *text, size_t len,
										 TsWriteVersion *version, TsError *err);
extern TsErrorCode ts_write_content_encoding(const char *text, size_t len,
											 TsWriteEncoding *encoding, TsError *err);

/* ---- the message (remote_write_read.c; fingerprints in remote_write_print.c) ---- */

typedef struct TsWriteSeries
{
	LabelsPair *labels; /* when they were read: not normalized, nothing checked */
	uint32_t nlabels;
	uint64_t nsamples;
	uint64_t nhistograms;
	uint64_t nexemplars;
	bool has_metadata; /* 2.0 */
} TsWriteSeries;

/* Times are milliseconds since 1970; a start time of 0 means that none is known. */
typedef struct TsWriteExemplar
{
	LabelsPair *labels;
	uint32_t nlabels;
	double value;
	int64_t time; /* 0: none is given */
} TsWriteExemplar;

typedef enum TsWriteKind
{
	TS_WRITE_END,
	TS_WRITE_SERIES,    /* reader->at.series; its items come by ts_write_next_item() */
	TS_WRITE_METADATA,  /* of a metric, by ts_write_read_metadata(); 1.0 only */
	TS_WRITE_SAMPLE,    /* time, start, value */
	TS_WRITE_HISTOGRAM, /* time, start, histogram */
	TS_WRITE_EXEMPLAR   /* exemplar */
} TsWriteKind;

typedef struct TsWriteItem
{
	int64_t time;
	int64_t start;
	double value;          /* its very bits */
	TsHistogram histogram; /* valid; schemas above 8 are brought to 8 */
	TsWriteExemplar exemplar;
} TsWriteItem;

/*
 * Where a reader is in a message: at a series, or at the metadata of a metric. Who wants to
 * look at several series before he reads any of them keeps their places, and puts the
 * reader there again.
 */
typedef struct TsWritePlace
{
	TsWire body;      /* of the series */
	TsWire label_run; /* its labels, where they lie together; else empty */
	TsWire items;     /* from the next of its samples on */
	TsWire metadata;  /* its metadata, or that of a metric */
	int64_t created;  /* 2.0: start time of samples that have none of their own */
	TsWriteSeries series;
} TsWritePlace;

typedef struct TsWriteReader
{
	TsAllocator allocator;
	TsWriteVersion version;
	const uint8_t *start;
	TsWire message;
	TsWritePlace at;
	TsWriteMetadata metadata; /* when it was read */
	size_t label_size;        /* of the labels being read */
	TsArray symbols;          /* uint32_t: where each begins, with its length */
	TsArray symbol_prints;    /* TsFingerprint, of each, when one was asked for */
	TsArray prints;           /* TsFingerprint: those of a series' references */
	TsArray labels;           /* LabelsPair */
	TsArray exemplar_labels;  /* LabelsPair */
	TsArray spans[2];         /* TsSpan: positive, negative */
	TsArray counts[2];        /* double */
	TsArray bounds;           /* double */
} TsWriteReader;

/* Begins to read; also when that fails the reader is to be closed. */
extern TsErrorCode
ts_write_open(TsWriteReader *reader, TsWriteVersion version, const void *data,
			  size_t size, const TsAllocator *allocator, TsError *err);
/* The next series or metadata of a message, or its end. */
extern TsErrorCode ts_write_next(TsWriteReader *reader, TsWriteKind *kind, TsError *err);
/*
 * A fingerprint of what the message says of the labels of the series, with a secret of
 * TS_WRITE_SECRET bytes: the same labels in another order have another one, and so have
 * they in the other version. Who knows a series by it need not read its labels.
 */
extern TsErrorCode ts_write_fingerprint(TsWriteReader *reader, const void *secret,
										TsFingerprint *print, TsError *err);
/* 2.0: a fingerprint of the series' metadata. */
extern TsErrorCode
ts_write_metadata_fingerprint(TsWriteReader *reader, const void *secret,
							  TsFingerprint *print, TsError *err);
/* Reads the labels of the series. */
extern TsErrorCode ts_write_read_labels(TsWriteReader *reader, TsError *err);
/* Reads the metadata of the series, if it has some (2.0), or of a metric (1.0). */
extern TsErrorCode ts_write_read_metadata(TsWriteReader *reader, TsError *err);
/* The next sample, histogram or exemplar of the series, or its end. */
extern TsErrorCode ts_write_next_item(TsWriteReader *reader, TsWriteKind *kind,
									  TsWriteItem *item, TsError *err);
/*
 * Of the items that come next, those that are samples as senders mostly write them, with
 * value and time and nothing else: at most so many. Returns how many there are; the next
 * item, if there is one, may be anything.
 */
extern size_t
ts_write_next_samples(TsWriteReader *reader, int64_t *times, double *values, size_t most);
extern void ts_write_close(TsWriteReader *reader);

#endif /* TS_REMOTE_WRITE_H */
