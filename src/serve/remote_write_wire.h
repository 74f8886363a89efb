/*
 * remote_write_wire.h
 *	  What the readers of remote write's messages share.
 */
#ifndef REMOTE_WRITE_WIRE_H
#define REMOTE_WRITE_WIRE_H

#include "ts_remote_write.h"
#include "ts_wire.h"

#define WRITE_MAX_SYMBOLS (64 * 1024 * 1024)

/* "reference to symbol ... ", and "odd number of label references ...". */
extern TsErrorCode
write_no_symbol(const TsWriteReader *reader, uint64_t ref, TsError *err);
extern TsErrorCode write_odd_refs(TsError *err);

/* 2.0: labels are references to symbols, by pairs. */
typedef struct WriteRefReader
{
	TsString name;
	bool has_name; /* its value is yet to come */
} WriteRefReader;

/*
 * Adds the labels of a field to the array. They are field 1 of series and exemplars in both
 * versions. A name that has no value at the end is an error: write_odd_refs().
 */
extern TsErrorCode
write_read_label(TsWriteReader *reader, WriteRefReader *refs, TsWire *wire, uint32_t tag,
				 TsArray *array, TsError *err);

/* What metadata of 2.0 says: a type, and symbols. */
typedef struct WriteMetadataRefs
{
	uint64_t type;
	uint64_t help;
	uint64_t unit;
} WriteMetadataRefs;

extern TsErrorCode write_read_metadata_refs(const TsWriteReader *reader, TsWire wire,
											WriteMetadataRefs *refs, TsError *err);

/* "... is cut short or damaged": the message cannot be read on from where it is. */
extern TsErrorCode write_damaged(const TsWriteReader *reader, const TsWire *wire,
								 const char *what, TsError *err);
/* The field is known, but not of this wire type. */
extern bool write_known_field(uint32_t tag, uint32_t last);

/* Makes room for more elements; TS_ERR_LIMIT beyond `most` in all. */
extern TsErrorCode
write_array_reserve(TsWriteReader *reader, TsArray *array, size_t element_size,
					size_t more, size_t most, const char *what, TsError *err);

/* Reads a histogram; the wire is at its message's beginning (remote_write_histogram.c). */
extern TsErrorCode
write_read_histogram(TsWriteReader *reader, TsWire wire, TsWriteItem *item, TsError *err);

#endif /* REMOTE_WRITE_WIRE_H */
