/*
 * column_format.h
 *	  The bytes of a piece, the encoded form of a column of n rows: a specification.
 *
 * n and the column's type are known from elsewhere.
 *
 *	no bytes	all values are null, or n is 0
 *	else
 *		u8		0: no value is null; 1: some are, and then follow
 *				varint	length of a bits column
 *				bits	that column: n bits, 1 where the value is null
 *				2, 3: the same, but values are columns of histograms' numbers
 *		values	the rest: a column of n values, by the kind of the table's column
 *
 *	float8		a float8 column
 *	float4		a float4 column
 *	int			an int column: the value's 1, 2, 4 or 8 bytes as a signed integer
 *	fixed		a fixed column of the type's width; a bytes column if the width exceeds
 *				TS_CODEC_MAX_WIDTH
 *	varlena		a bytes column of the values without their headers
 *	cstring		a bytes column of the values without their final NUL
 *	histogram	as varlena; or, where the first byte is 2 or 3, which only this kind has, as
 *				src/types/histogram_columns_format.h specifies
 *
 * What stands in the place of a null is any value of the type. A writer takes the one
 * before (at first the one that follows), so that it costs next to nothing, but among
 * values of varying size the empty one, unless all others are equal: so a piece never
 * exceeds its bound, which does not count the same value again.
 *
 * ts_codec.h has the columns and the limits; varints are as in src/codec/codec_format.h.
 */
#ifndef COLUMN_FORMAT_H
#define COLUMN_FORMAT_H

#include "ts_codec.h"

#define PIECE_NO_NULLS   0
#define PIECE_NULLS      1 /* a bit */
#define PIECE_NUMBERS    2 /* a bit: histograms as columns of their numbers */
#define PIECE_VARINT_MAX 5 /* bytes of a varint of 32 bits */

StaticAssertDecl(sizeof(Datum) == sizeof(double) && sizeof(Datum) == sizeof(int64),
				 "vectors of Datums are vectors of doubles and of integers");
StaticAssertDecl(TS_CODEC_MAX_VALUES / 8 < 1 << 28, "a bits column's length fits");

#define column_is_varlena(column) \
	((column)->kind == TS_COLUMN_VARLENA || (column)->kind == TS_COLUMN_HISTOGRAM)

/* Whether values of a column are stored as a bytes column, but for PIECE_NUMBERS. */
#define column_is_bytes(column)                                          \
	(column_is_varlena(column) || (column)->kind == TS_COLUMN_CSTRING || \
	 ((column)->kind == TS_COLUMN_FIXED && (column)->length > TS_CODEC_MAX_WIDTH))

#endif /* COLUMN_FORMAT_H */
