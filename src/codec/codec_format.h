/*
 * codec_format.h
 *	  The bytes of an encoded column: a specification.
 *
 * All numbers are little-endian. Arithmetic on integers is modulo 2^64. Bit streams
 * are filled from the lowest bit of the first byte on; their last byte is filled up
 * with zero bits. The number of values n and the type of the column are known to the
 * reader from elsewhere. A column of no values is no bytes.
 *
 *	varint		7 bits a byte, lowest first, the high bit set in all bytes but the
 *				last; at most 10 bytes
 *	signed		zigzag (0, -1, 1, -2 ... are 0, 1, 2, 3 ...) as a varint
 *
 * Values are grouped in vectors of 256; the last one holds what is left. m is the
 * number of values of a vector.
 *
 * Every column begins with a byte: its low 5 bits name the form, its high 3 bits are
 * the version of this format (0). A reader refuses a form or version it does not
 * know, a column whose parts do not make up exactly its bytes, and whatever exceeds the
 * limits of ts_codec.h.
 *
 *	form		0 never used
 *				1 const, 2 runs, 3 vectors, 4 plain, 5 zstd, 6 dictionary
 *				8..11 reserved for vectors behind an entropy coder
 *
 * 1. Numbers (float8, float4, int, time)
 *
 *	plain		the values: 8 bytes each (float4: 4)
 *	zstd		the values as in plain, in frames (4.)
 *	const, runs and vectors begin with how integers make values:
 *		u8		bits 0..1: source (0 integer, 1 decimal, 2 bit pattern)
 *				bit 2: a divisor follows; bit 3: a slope follows
 *				bits 4..7: exponent e of the decimal source, else 0
 *		origin	signed; for the source bit pattern 8 bytes (float4: 4)
 *		divisor	varint, at least 2, if any; else it is 1
 *		slope	signed, in 1/1024, if any; else it is 0
 *	The body below is a sequence y[0..n-1]. From it
 *		x[i] = (y[i] + ((i * slope) >> 10)) * divisor + origin
 *	(the shift is arithmetic) and the value is
 *		integer			x
 *		decimal			(double) x / 10^e; float4: that, rounded to float
 *		bit pattern		x rotated right by one bit within the value's width: the sign
 *						is the lowest bit of x
 *	Of decimals readers may compute x in doubles: a writer keeps x from -2^50 to 2^50 - 1,
 *	and what it is made of (y, the line, their sum, its product) within 2^51 likewise.
 *	const		no more bytes; y is 0
 *	runs		a varint count, then as often: a varint, the distance (at least 1) from
 *				the last change (at first from position 0) to the next position at
 *				which y changes, and, signed, by how much. y[0] is 0.
 *	vectors		the headers of all vectors, then the payloads of all vectors (3.)
 *
 * 2. Bits
 *
 *	const		u8 0 or 1
 *	runs		u8 0 or 1, the first bit; then varints (at least 1), the lengths of all
 *				runs but the last, which reaches to n
 *	plain		a bit stream of n bits
 *
 * 3. Vectors
 *
 * Header of a vector:
 *		u8		bits 0..1: predictor (0 plain, 1 delta, 2 delta of deltas)
 *				bit 2: zero bitmap (with predictor 1 only); bit 3: patches
 *				bit 4: foreign values
 *				bit 5: no base field; bit 6: no anchor field; bit 7: width is 0
 *		width	u8, 1..64, unless it is 0 by bit 7
 *		anchor	signed, relative to that of the vector before (at first to 0)
 *		base	signed, relative to the last base before (at first to 0)
 *		step	signed, for predictor 2 only
 *		nonzero	u8, for the zero bitmap only: 1..255
 *		patches	u8 their number less one, u8 their width, 1..64
 *		foreign	varint: (their number less one) * 2 + (1 if all have one pattern)
 *	Absent fields are 0 (anchor, base: as before). Bit 5 is always set for predictor 0.
 *
 * Residuals r[0..c-1]: with predictor 0, c = m; 1: c = m - 1; 2: c = m - 2 (no less
 * than 0).
 *		predictor 0		y[i] = anchor + r[i]
 *		predictor 1		y[0] = anchor, y[i] = y[i-1] + r[i-1]
 *		predictor 2		y[0] = anchor, d[1] = step, d[i] = d[i-1] + r[i-2],
 *						y[i] = y[i-1] + d[i]
 * Packed numbers p[]: without a zero bitmap r[i] = base + p[i] (base is 0 for
 * predictor 0: its anchor is the base). With one, r[i] is 0 where the bitmap has 0, and
 * base plus the next of p else. Of every p the low width bits are in the bit stream;
 * patches add their number, shifted left by width, to some.
 *
 * Payload of a vector, each part beginning at a byte:
 *		p			bit stream, width bits each
 *		bitmap		bit stream of c bits
 *		patches		places (in p), then a bit stream of their zigzagged numbers
 *		foreign		places (in y), then patterns: 8 bytes each (float4: 4), one if all
 *					have the same. These values of the column are not what x says.
 *					Integers have none.
 *	Places among k: a byte each, ascending, when they are not more than (k + 7) / 8, else
 *	a bit stream of k bits.
 *
 * 4. Values of fixed width w
 *
 *	const		w bytes
 *	plain		n * w bytes
 *	zstd		frames of the same
 *	dictionary	varint number of entries (1 to n), entries of w bytes, then an int column
 *				of n codes: the place of each value's entry, from 0 on
 *
 * An int column that is part of another (codes, sizes) is a whole column, with its first
 * byte, but never in the form zstd.
 *
 * Frames: the plain bytes are cut at vectors: a frame ends after the vector that fills
 * it to 65,536 bytes or more, or with the column. For every frame a varint, its length,
 * then the frames: zstd frames without the magic number that begins each, without
 * dictionary.
 *
 * 5. Values of varying size
 *
 *	const		the rest of the column is the value
 *	plain		varint length of an int column, that column: the n sizes; for every
 *				vector a varint, the sum of its sizes; then the bytes
 *	zstd		the same, with frames (4.) of the bytes
 *	dictionary	varint number of entries (1 to n); varint length of a bytes column that
 *				is not itself a dictionary, that column: the entries; then an int column
 *				of n codes
 *
 * History: version 0 is the first.
 */
#ifndef CODEC_FORMAT_H
#define CODEC_FORMAT_H

#define FORMAT_VERSION       0
#define FORMAT_FORM(b)       ((b) &0x1F)
#define FORMAT_VERSION_OF(b) ((b) >> 5)
#define FORMAT_BYTE(form)    ((uint8_t) ((form) | FORMAT_VERSION << 5))

enum
{
	FORM_CONST = 1,
	FORM_RUNS = 2,
	FORM_VECTORS = 3,
	FORM_PLAIN = 4,
	FORM_ZSTD = 5,
	FORM_DICTIONARY = 6
};

enum
{
	SOURCE_INTEGER = 0,
	SOURCE_DECIMAL = 1,
	SOURCE_PATTERN = 2
};
#define SOURCE_MASK        0x03
#define SOURCE_HAS_DIVISOR 0x04
#define SOURCE_HAS_SLOPE   0x08
#define SOURCE_EXPONENT(b) ((b) >> 4)
#define SLOPE_SHIFT        10

enum
{
	PREDICT_PLAIN = 0,
	PREDICT_DELTA = 1,
	PREDICT_DOD = 2
};
#define HEAD_PREDICTOR 0x03
#define HEAD_BITMAP    0x04
#define HEAD_PATCHES   0x08
#define HEAD_FOREIGN   0x10
#define HEAD_NO_BASE   0x20
#define HEAD_NO_ANCHOR 0x40
#define HEAD_NO_WIDTH  0x80

/* The longest header of a vector: all fields, at their longest. */
#define HEAD_MAX (1 + 1 + 10 + 10 + 10 + 1 + 2 + 2)

/* A frame ends after the vector that fills it to this. */
#define FRAME_FULL 65536

#endif /* CODEC_FORMAT_H */
