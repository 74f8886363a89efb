/*
 * log_record.c
 *	  One record of a log: its bytes written, checked and taken apart.
 *
 * What always holds: nothing of a record is believed before ts_log_check_record() has
 * compared lengths and checksum, and nothing outside of its length is ever read. A record
 * with the right checksum whose parts make no sense is reported, too: it may have been
 * written by something that is not this library.
 */
#include "postgres.h"

#include "access/transam.h"
#include "port/pg_crc32c.h"

#include "log_internal.h"
#include "ts_hot.h"

struct TsLogEncoder
{
	const TsRows *rows;
	TsColumnWriter *writer;
	TsVectors *vectors;
	uint32 room;
	int64 *integers;      /* [room]: series ids */
	StringInfoData parts; /* all parts of the record at hand */
	uint32 *ends;         /* [3 + natts]: where in `parts` each part ends */
	int nparts;
};

/* ---- writing ---- */

/* Bytes of by-reference data of a column in these rows; false: there are nulls only. */
static bool
column_bytes(const TsRows *rows, int column, const uint32 *order, uint32 from,
			 uint32 count, Size *bytes)
{
	const TsColumn *def = &rows->columns[column];
	const bool *nulls = rows->nulls[column];
	bool any = nulls == NULL;

	*bytes = 0;
	if (rows->values[column] == NULL)
		return false;
	if (any && def->byval)
		return true;
	for (uint32 k = from; k < from + count; k++)
	{
		if (nulls != NULL && nulls[order[k]])
			continue;
		any = true;
		if (def->byval)
			return true;
		*bytes += ts_column_data_size(def, rows->values[column][order[k]]);
	}
	return any;
}

Size
ts_log_record_bound(const TsRows *rows, const uint32 *order, uint32 from, uint32 count)
{
	int numbers = rows->numbers != NULL ? 3 : 2;
	Size bound = LOG_HEADER_SIZE;

	bound += numbers * (LOG_VARINT_MAX + ts_codec_number_bound(count));
	for (int i = 0; i < rows->natts; i++)
	{
		Size bytes;

		if (column_bytes(rows, i, order, from, count, &bytes))
			bound += LOG_VARINT_MAX + ts_column_bound(&rows->columns[i], count, bytes);
		else
			bound++;
	}
	return LogRecordSpace(bound);
}

bool
ts_log_fits(const TsTable *table, const TsRows *rows, uint32 i)
{
	Assert(i < rows->n);
	return ts_log_record_bound(rows, &i, 0, 1) <= TS_PAGE_ROOM;
}

bool
ts_log_always_fits(const TsTable *table)
{
	Size bound = LOG_HEADER_SIZE + 3 * (LOG_VARINT_MAX + ts_codec_number_bound(1));

	for (int i = 0; i < table->natts; i++)
	{
		const TsColumn *column = &table->columns[i];

		if (column->role != TS_ROLE_VALUE || column->kind == TS_COLUMN_NONE)
			bound++;
		else if (column->byval)
			bound += LOG_VARINT_MAX + ts_column_bound(column, 1, 0);
		else
			return false;
	}
	return LogRecordSpace(bound) <= TS_PAGE_ROOM;
}

TsLogEncoder *
ts_log_encoder_create(MemoryContext context, const TsTable *table, const TsRows *rows,
					  uint32 room)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	TsLogEncoder *encoder = palloc0(sizeof(TsLogEncoder));
	bool *wanted = palloc(rows->natts * sizeof(bool));

	Assert(room > 0 && room <= LOG_RECORD_ROWS);
	for (int i = 0; i < rows->natts; i++)
		wanted[i] = rows->values[i] != NULL;
	encoder->rows = rows;
	encoder->writer = ts_column_writer_create(context);
	encoder->vectors = ts_vectors_create(context, table, rows->natts, wanted, room);
	encoder->room = room;
	encoder->integers = palloc(room * sizeof(int64));
	initStringInfo(&encoder->parts);
	encoder->ends = palloc((3 + rows->natts) * sizeof(uint32));
	MemoryContextSwitchTo(old);
	return encoder;
}

static void
end_part(TsLogEncoder *encoder)
{
	encoder->ends[encoder->nparts++] = (uint32) encoder->parts.len;
}

/* Encodes all parts of a record; false when they are too long. */
static bool
encode_parts(TsLogEncoder *encoder, const uint32 *order, uint32 from, uint32 count,
			 bool has_numbers)
{
	const TsRows *rows = encoder->rows;
	TsVectors *vectors = encoder->vectors;
	StringInfo parts = &encoder->parts;

	resetStringInfo(parts);
	encoder->nparts = 0;
	for (uint32 k = 0; k < count; k++)
		encoder->integers[k] = (int64) rows->series[order[from + k]];
	ts_column_encode_ints(encoder->writer, encoder->integers, count, parts);
	end_part(encoder);
	ts_column_encode_times(encoder->writer, vectors->times, count, parts);
	end_part(encoder);
	if (has_numbers)
	{
		ts_column_encode_ints(encoder->writer, (const int64 *) vectors->numbers, count,
							  parts);
		end_part(encoder);
	}
	for (int i = 0; i < rows->natts; i++)
	{
		if (vectors->values[i] != NULL)
			ts_column_encode(encoder->writer, &rows->columns[i], vectors->values[i],
							 vectors->nulls[i], count, parts, NULL);
		end_part(encoder);
		if (parts->len > (int) TS_PAGE_ROOM)
			return false;
	}
	return true;
}

/* The lowest number of the rows; *several says whether they have more than one. */
static uint64
lowest_number(const TsVectors *vectors, bool *several)
{
	uint64 lowest = vectors->numbers[0];

	*several = false;
	for (uint32 k = 1; k < vectors->n; k++)
	{
		if (vectors->numbers[k] != vectors->numbers[0])
			*several = true;
		lowest = Min(lowest, vectors->numbers[k]);
	}
	return lowest;
}

static pg_crc32c
record_crc(const LogRecordHeader *record)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, (const char *) record + LOG_CRC_START,
				record->length - LOG_CRC_START);
	FIN_CRC32C(crc);
	return crc;
}

/* Writes the lengths of all parts to `to`, which has room; returns the place behind. */
static char *
put_lengths(const TsLogEncoder *encoder, char *to)
{
	uint32 start = 0;

	for (int i = 0; i < encoder->nparts; i++)
	{
		uint32 length = encoder->ends[i] - start;

		if (length >= 0x80)
		{
			*to++ = (char) ((length & 0x7F) | 0x80);
			length >>= 7;
		}
		Assert(length < 0x80);
		*to++ = (char) length;
		start = encoder->ends[i];
	}
	return to;
}

bool
ts_log_encode(TsLogEncoder *encoder, const uint32 *order, uint32 from, uint32 count,
			  TransactionId xid, CommandId cid, uint64 number, StringInfo out,
			  StringInfo hot)
{
	const TsRows *rows = encoder->rows;
	bool has_numbers = false;
	LogRecordHeader *record;
	char *end;
	Size length;

	Assert(count > 0 && count <= encoder->room);
	Assert(out->len % 8 == 0);

	ts_rows_gather(rows, order, from, count, encoder->vectors);
	if (rows->numbers != NULL)
		number = lowest_number(encoder->vectors, &has_numbers);
	if (!encode_parts(encoder, order, from, count, has_numbers))
		return false;

	length = LOG_HEADER_SIZE + encoder->nparts * LOG_VARINT_MAX + encoder->parts.len;
	enlargeStringInfo(out, (int) LogRecordSpace(length));
	record = (LogRecordHeader *) (out->data + out->len);
	end = put_lengths(encoder, (char *) (record + 1));
	length = (Size) (end - (char *) record) + encoder->parts.len;
	if (length > TS_PAGE_ROOM)
		return false;
	memcpy(end, encoder->parts.data, encoder->parts.len);
	memset((char *) record + length, 0, LogRecordSpace(length) - length);

	record->xid = xid;
	record->xid_inverted = ~xid;
	record->cid = cid;
	record->number = number;
	record->length = (uint16) length;
	record->natts = (uint16) rows->natts;
	record->nrows = (uint16) count;
	record->flags = has_numbers ? LOG_HAS_NUMBERS : 0;
	record->version = LOG_VERSION;
	record->crc = record_crc(record);
	out->len += (int) LogRecordSpace(length);
	if (hot != NULL)
		ts_hot_encode(&(TsHotRecord){.xid = xid,
									 .cid = cid,
									 .number = number,
									 .series = encoder->integers,
									 .vectors = encoder->vectors,
									 .has_numbers = has_numbers,
									 .columns = rows->columns,
									 .natts = rows->natts},
					  hot);
	return true;
}

/* ---- reading ---- */

LogRecordHeader *
ts_log_check_record(char *content, uint32 offset, uint32 limit, const char **problem)
{
	LogRecordHeader *record = (LogRecordHeader *) (content + offset);

	Assert(limit <= TS_PAGE_ROOM && offset < limit);
	if (offset % 8 != 0 || limit - offset < LOG_HEADER_SIZE)
		*problem = "a log record's header is cut short";
	else if (record->length < LOG_HEADER_SIZE ||
			 LogRecordSpace(record->length) > limit - offset)
		*problem = "a log record has an impossible length";
	else if (record->crc != record_crc(record))
		*problem = "a log record's checksum is wrong";
	else if (record->xid != ~record->xid_inverted)
		*problem = "a log record's transaction id is damaged";
	else if (record->xid == BootstrapTransactionId)
		*problem = "a log record has an impossible transaction id";
	else if (record->version != LOG_VERSION)
		*problem = "a log record has an unknown version";
	else if (record->nrows == 0 || record->natts == 0)
		*problem = "a log record has no rows or no columns";
	else
		return record;
	return NULL;
}

typedef struct LengthReader
{
	const uint8 *next;
	const uint8 *end;
	bool bad;
} LengthReader;

static uint32
take_length(LengthReader *reader)
{
	uint32 length;

	if (reader->next == reader->end)
	{
		reader->bad = true;
		return 0;
	}
	length = *reader->next++;
	if (length < 0x80)
		return length;
	if (reader->next == reader->end || *reader->next >= 0x80)
	{
		reader->bad = true;
		return 0;
	}
	return (length & 0x7F) | (uint32) *reader->next++ << 7;
}

/* Gives a part its bytes, of which there are *left at *place. */
static bool
place_part(TsLogPart *part, const char **place, Size *left)
{
	if (part->length > *left)
		return false;
	part->data = *place;
	*place += part->length;
	*left -= part->length;
	return true;
}

const char *
ts_log_take_apart(const LogRecordHeader *record, TsLogParts *parts, TsLogPart *columns)
{
	LengthReader reader = {.next = (const uint8 *) (record + 1),
						   .end = (const uint8 *) record + record->length};
	const char *place;
	Size left;
	bool fits;

	parts->series.length = take_length(&reader);
	parts->times.length = take_length(&reader);
	parts->numbers.length = (record->flags & LOG_HAS_NUMBERS) ? take_length(&reader) : 0;
	for (int i = 0; i < record->natts; i++)
		columns[i].length = take_length(&reader);
	if (reader.bad)
		return "the lengths in a log record are damaged";

	place = (const char *) reader.next;
	left = (Size) (reader.end - reader.next);
	fits = place_part(&parts->series, &place, &left) &&
		   place_part(&parts->times, &place, &left) &&
		   place_part(&parts->numbers, &place, &left);
	for (int i = 0; i < record->natts && fits; i++)
		fits = place_part(&columns[i], &place, &left);
	if (!fits || left != 0)
		return "the parts of a log record do not make it up";
	return NULL;
}
