/*
 * log_format.h
 *	  The bytes of the log of a shard, as they are on disk.
 *
 * The content of a page of the stream is records, one after the other. Each begins at a
 * multiple of 8 and is followed by zeros up to the next one; so the length of a page's
 * content is a multiple of 8, too. A record does not span pages. Numbers are in the
 * machine's own byte order.
 *
 *	LogRecordHeader
 *	lengths		varints: of the series, the times, the numbers (only with
 *				LOG_HAS_NUMBERS), then of natts columns, by attnum
 *	parts		in the order of their lengths; they make up the rest of the record:
 *		series	an int column (ts_codec.h): series ids
 *		times	a time column
 *		numbers	an int column
 *		columns	a piece each (column_format.h); key, time and dropped columns have
 *				none, nor have those that are all null: their length is 0
 *
 * A varint is LEB128, seven bits a byte, lowest first, here at most two bytes.
 *
 * A record is valid if its length lies within the page's content and the checksum is
 * right. The checksum does not cover the transaction id, which freezing changes: that is
 * kept a second time, inverted. Rows ascend by series; rows of one series are in the order
 * in which they came.
 *
 * History of LOG_VERSION: 1 is the first.
 */
#ifndef LOG_FORMAT_H
#define LOG_FORMAT_H

#include "postgres.h"

#include "ts_log.h"
#include "ts_pages.h"

#define LOG_VERSION 1

typedef struct LogRecordHeader
{
	uint32 crc;          /* CRC-32C of the record from `cid` on */
	uint32 xid;          /* of a (sub)transaction, or Frozen, or Invalid */
	uint32 xid_inverted; /* ~xid */
	uint32 cid;
	uint64 number; /* of all rows; with LOG_HAS_NUMBERS the lowest */
	uint16 length; /* of the record, header included, zeros behind it not */
	uint16 natts;  /* columns that the table had */
	uint16 nrows;  /* at least 1 */
	uint8 flags;
	uint8 version; /* LOG_VERSION */
} LogRecordHeader;

#define LOG_HAS_NUMBERS 0x01

#define LOG_HEADER_SIZE sizeof(LogRecordHeader)
#define LOG_CRC_START   offsetof(LogRecordHeader, cid)
#define LOG_VARINT_MAX  2

/* What a record takes of a page. */
#define LogRecordSpace(length) (((uint32) (length) + 7) & ~(uint32) 7)

StaticAssertDecl(sizeof(LogRecordHeader) == 32, "record headers have a fixed size");
StaticAssertDecl(LogRecordSpace(TS_PAGE_ROOM) == TS_PAGE_ROOM, "records fill a page");
StaticAssertDecl(TS_PAGE_ROOM < 1 << (7 * LOG_VARINT_MAX), "a part's length fits");
StaticAssertDecl(TS_PAGE_ROOM < 1 << TS_LOG_OFFSET_BITS, "an offset fits a position");

#endif /* LOG_FORMAT_H */
