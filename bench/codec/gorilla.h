/*
 * gorilla.h
 *	  The baseline: XOR coding of floats and delta-of-delta coding of timestamps, as
 *	  the Gorilla paper (Pelkonen et al., VLDB 2015, section 4.1) describes them.
 *
 * Used by the benchmark alone. Decoders trust their input: they are measured, not
 * shipped. Encoded bytes must be followed by GORILLA_PADDING readable bytes.
 */
#ifndef BENCH_GORILLA_H
#define BENCH_GORILLA_H

#include <stddef.h>
#include <stdint.h>

#define GORILLA_PADDING 16

/* Bytes that always suffice for n values, what the encoder writes ahead included. */
#define GORILLA_BOUND(n) (16 + (n) *10 + GORILLA_PADDING)

/* n > 0; the encoders return the bytes used, without the padding. */
extern size_t gorilla_encode_floats(const uint64_t *values, size_t n, uint8_t *out);
extern void gorilla_decode_floats(const uint8_t *data, size_t n, uint64_t *values);

/*
 * The paper's widest class of a delta of deltas is 32 bits: the encoder returns 0 when
 * one does not fit.
 */
extern size_t gorilla_encode_times(const int64_t *times, size_t n, uint8_t *out);
extern void gorilla_decode_times(const uint8_t *data, size_t n, int64_t *times);

#endif /* BENCH_GORILLA_H */
