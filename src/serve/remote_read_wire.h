/*
 * remote_read_wire.h
 *	  Writing protobuf messages into growing bytes, for remote read's answers and for the
 *	  figures that the server writes to itself.
 *
 * Fields that have their default are left out, as proto3 does it, but where an alternative
 * (oneof) says something by being there.
 */
#ifndef REMOTE_READ_WIRE_H
#define REMOTE_READ_WIRE_H

#include <string.h>

#include "remote_write_wire.h"
#include "ts_remote_read.h"

/* Room for so many bytes behind those there are; NULL: no memory. */
extern uint8_t *read_bytes_reserve(TsReadBytes *bytes, size_t size);
extern void read_bytes_put(TsReadBytes *bytes, const void *data, size_t size);

static inline void
wire_put_varint(TsReadBytes *bytes, uint64_t value)
{
	uint8_t *out = read_bytes_reserve(bytes, WIRE_VARINT_MAX);

	if (out != NULL)
		bytes->size += wire_write_varint(value, out);
}

static inline void
wire_put_fixed64(TsReadBytes *bytes, double value)
{
	read_bytes_put(bytes, &value, sizeof(value));
}

static inline void
wire_put_tag(TsReadBytes *bytes, uint32_t field, uint32_t type)
{
	wire_put_varint(bytes, WIRE_TAG(field, type));
}

/* Fields of numbers; 0 (by its bits) is left out. */
static inline void
wire_field_varint(TsReadBytes *bytes, uint32_t field, uint64_t value)
{
	if (value == 0)
		return;
	wire_put_tag(bytes, field, WIRE_VARINT);
	wire_put_varint(bytes, value);
}

static inline void
wire_field_double(TsReadBytes *bytes, uint32_t field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	if (bits == 0)
		return;
	wire_put_tag(bytes, field, WIRE_FIXED64);
	wire_put_fixed64(bytes, value);
}

static inline void
wire_field_bytes(TsReadBytes *bytes, uint32_t field, const void *data, size_t size)
{
	if (size == 0)
		return;
	wire_put_tag(bytes, field, WIRE_BYTES);
	wire_put_varint(bytes, size);
	read_bytes_put(bytes, data, size);
}

/* A message or a packed list: written between these two, the length is put in at the end. */
static inline size_t
wire_begin_inner(TsReadBytes *bytes, uint32_t field)
{
	wire_put_tag(bytes, field, WIRE_BYTES);
	return bytes->size;
}

extern void wire_end_inner(TsReadBytes *bytes, size_t begin);

/* Labels of a payload, each as field 1. */
extern void read_put_labels(TsReadBytes *bytes, const void *labels, size_t size);
/* prometheus.Histogram, without what stands before it (remote_read_histogram.c). */
extern void
read_put_histogram(TsReadBytes *bytes, int64_t time, const TsHistogram *histogram);
/* Can its counts be sent as integers? */
extern bool read_has_integers(const TsHistogram *h);

#endif /* REMOTE_READ_WIRE_H */
