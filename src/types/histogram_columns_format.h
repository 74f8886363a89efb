/*
 * histogram_columns_format.h
 *	  The bytes of a column of histograms: a specification.
 *
 * n is known from elsewhere, and is not 0. A varint is LEB128 in its shortest form.
 *
 *	u8			HISTOGRAM_COLUMNS_RESIDUAL or 0
 *	varint		number of layouts, from 1 to HISTOGRAM_COLUMNS_LAYOUTS
 *	per layout	varint, the length of what follows:
 *				u8 flags and i8 schema as in a payload (histogram_format.h), of the flags
 *				those of HISTOGRAM_LAYOUT_FLAGS; then threshold, bounds and spans as there
 *	columns		each a varint, its length, and a codec column of n values:
 *				int		the number of each histogram's layout, from 0 on
 *				int		its hint
 *				float8	its sum
 *				float8	its count; with HISTOGRAM_COLUMNS_RESIDUAL less the sum of its zero
 *						count and its buckets, in this order, which are all whole then
 *				float8	its zero count
 *				float8	per bucket that any layout has, positive ones first, by index: its
 *						count; any number where a histogram has no such bucket
 *
 * There are at most HISTOGRAM_COLUMNS_BUCKETS columns of buckets.
 */
#ifndef HISTOGRAM_COLUMNS_FORMAT_H
#define HISTOGRAM_COLUMNS_FORMAT_H

#define HISTOGRAM_COLUMNS_RESIDUAL 0x01

#define HISTOGRAM_COLUMNS_LAYOUTS 256
#define HISTOGRAM_COLUMNS_BUCKETS 4096

/* Columns before those of the buckets. */
enum
{
	COLUMN_LAYOUT,
	COLUMN_HINT,
	COLUMN_SUM,
	COLUMN_COUNT,
	COLUMN_ZERO,
	COLUMN_BUCKETS
};

#endif /* HISTOGRAM_COLUMNS_FORMAT_H */
