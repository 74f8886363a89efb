/*
 * histogram_format.h
 *	  The bytes of a histogram, the payload of the SQL type: a specification.
 *
 *	u8			format version, HISTOGRAM_FORMAT_VERSION
 *	u8			flags, see below
 *	i8			schema
 *	f8			sum
 *	f8			zero threshold, if HISTOGRAM_THRESHOLD
 *	varint		number of custom bounds, if the schema is the custom one
 *	f8 each		these bounds
 *	varint		number of positive spans
 *	per span	varint offset, varint length - 1
 *	varint		number of negative spans, if HISTOGRAM_NEGATIVE; not 0 then
 *	per span	the same
 *	counts		count, zero count (if HISTOGRAM_ZERO), positive buckets, negative buckets:
 *				varints if HISTOGRAM_WHOLE, else f8
 *
 * f8 is a double's eight bytes, the lowest first. A varint is LEB128 in its shortest
 * form, of up to 64 bits. The offset of a side's first span is in zigzag form
 * (0, -1, 1, -2, ...); that of a later one is less by 1, since spans do not touch.
 *
 * A histogram has exactly one payload, so that equality is memcmp():
 * - Spans are cut where buckets are missing, and nowhere else; none is empty. Empty buckets
 *   are kept: a bucket with a count of 0 is not the same as none.
 * - HISTOGRAM_WHOLE is set if all counts are whole numbers from 0 (not -0) below 2^53.
 * - HISTOGRAM_THRESHOLD and HISTOGRAM_ZERO are set if what they announce is not 0 (-0 is not).
 * - A NaN has the bits HISTOGRAM_NAN, but a sum may have those of the stale marker.
 *
 * Limits: TS_HISTOGRAM_MAX_BUCKETS buckets of a side and custom bounds, indexes up to
 * HISTOGRAM_MAX_INDEX. The hash of payloads is stored (hash partitions), and so are payloads:
 * neither may ever change for a format version.
 */
#ifndef HISTOGRAM_FORMAT_H
#define HISTOGRAM_FORMAT_H

#define HISTOGRAM_FORMAT_VERSION 1

#define HISTOGRAM_INTEGER    0x01 /* came as a histogram of integers */
#define HISTOGRAM_WHOLE      0x02
#define HISTOGRAM_HINT       0x0C /* a TsResetHint */
#define HISTOGRAM_HINT_SHIFT 2
#define HISTOGRAM_THRESHOLD  0x10
#define HISTOGRAM_ZERO       0x20
#define HISTOGRAM_NEGATIVE   0x40
#define HISTOGRAM_FLAGS      0x7F /* all there are */

/* Those that belong to the layout: histograms of one layout have the same buckets. */
#define HISTOGRAM_LAYOUT_FLAGS \
	(HISTOGRAM_INTEGER | HISTOGRAM_THRESHOLD | HISTOGRAM_NEGATIVE)

#define HISTOGRAM_MAX_INDEX (1 << 30)

#define HISTOGRAM_NAN   UINT64_C(0x7FF8000000000001)
#define HISTOGRAM_STALE UINT64_C(0x7FF0000000000002)

#endif /* HISTOGRAM_FORMAT_H */
