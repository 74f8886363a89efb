/*
 * log_read.c
 *	  Records of a log in order, and the wanted rows out of them.
 *
 * A reader copies a page at a time and holds no lock and no pin while its caller looks
 * at records. It reads the directory once: what is between its bounds is mapped when it
 * begins, and may only be cut later if nobody needs it (a standby may be told otherwise,
 * and the copy's stamp tells).
 *
 * While a caller is busy with a record (he may have to write megabytes to disk) VACUUM may
 * freeze the page itself, and the commit log be cut. So when a record of the copy has a
 * transaction id that the commit log may have forgotten, the page is copied anew. VACUUM
 * passes over what only old snapshots on a standby still read as log, since it knows
 * nothing of them: there such an id is the end of the query.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "log_internal.h"

/* Pages asked for ahead of the one that is read. */
#define PREFETCH_PAGES 16

struct TsLogReader
{
	MemoryContext context;
	Relation rel;
	const TsTable *table;
	TsStream stream;
	TsLogPos pos; /* of the next record, or behind the last one of its page */
	TsLogPos to;
	TsDirectory *dir;
	Page page;
	bool loaded;       /* the page of `pos` is in `page` */
	BlockNumber block; /* whose copy is in `page` */
	uint32 limit;      /* content of `page` that is to be read */
	uint64 prefetched; /* ordinals below were asked for */

	/* For decoding: */
	TsColumnReader *column;
	MemoryContext scratch; /* values of one record */
	TsLogPart *parts;      /* [table->natts] */
	Datum **values;        /* [table->natts] */
	bool **nulls;
};

TsLogReader *
ts_log_open(Relation rel, const TsTable *table, int log, TsLogPos from, TsLogPos to)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb log reader", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TsLogReader *reader = palloc0(sizeof(TsLogReader));

	Assert(log >= 0 && log < ts_log_count(table));
	reader->context = context;
	reader->rel = rel;
	reader->table = table;
	reader->stream = ts_log_stream(table, log);
	reader->pos = from;
	reader->to = to;
	reader->block = InvalidBlockNumber;
	if (from < to)
	{
		reader->dir = ts_pages_directory(rel, table, reader->stream);
		reader->page = palloc(BLCKSZ);
	}
	MemoryContextSwitchTo(old);
	return reader;
}

void
ts_log_close(TsLogReader *reader)
{
	MemoryContextDelete(reader->context);
}

/* ---- pages ---- */

static void
not_mapped(TsLogReader *reader, uint64 ordinal)
{
	const char *relation = RelationGetRelationName(reader->rel);

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("log of relation \"%s\" was freed during recovery", relation),
				 errdetail("Page " UINT64_FORMAT " of the log of shard %u is gone.",
						   ordinal, reader->stream % TS_MAX_SHARDS),
				 errhint("Try the transaction again.")));
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("directory of relation \"%s\" lacks page " UINT64_FORMAT
						   " of the log of shard %u",
						   relation, ordinal, reader->stream % TS_MAX_SHARDS),
					errhint("Restore the table from a backup.")));
}

/* The last ordinal that holds something to read. */
static uint64
last_ordinal(const TsLogReader *reader)
{
	return ts_log_offset(reader->to) > 0 ? ts_log_ordinal(reader->to)
										 : ts_log_ordinal(reader->to) - 1;
}

static void
prefetch(TsLogReader *reader, uint64 ordinal)
{
	uint64 upto = Min(ordinal + PREFETCH_PAGES, last_ordinal(reader)) + 1;

	for (uint64 next = Max(reader->prefetched, ordinal + 1); next < upto; next++)
	{
		BlockNumber block = ts_directory_find(reader->dir, next);

		if (block != InvalidBlockNumber)
			ts_pages_prefetch(reader->rel, block);
	}
	reader->prefetched = Max(reader->prefetched, upto);
}

/* Copies the page of `pos`. */
static void
load_page(TsLogReader *reader)
{
	uint64 ordinal = ts_log_ordinal(reader->pos);

	CHECK_FOR_INTERRUPTS();
	reader->block = ts_directory_find(reader->dir, ordinal);
	if (reader->block == InvalidBlockNumber)
		not_mapped(reader, ordinal);
	prefetch(reader, ordinal);
	ts_pages_copy(reader->rel, reader->table, reader->block, reader->stream, ordinal,
				  reader->page, false);
	reader->limit = TsPageLength(reader->page);
	if (ordinal == ts_log_ordinal(reader->to))
	{
		if (reader->limit < ts_log_offset(reader->to))
			ts_stream_damaged(reader->rel, reader->block,
							  "it ends before the end of its log");
		reader->limit = ts_log_offset(reader->to);
	}
	if (ts_log_offset(reader->pos) > reader->limit)
		ts_stream_damaged(reader->rel, reader->block,
						  "it ends before the place where reading begins");
	reader->loaded = true;
}

/* ---- records ---- */

/*
 * Whether the commit log may have forgotten an id. Asked without the lock that guards the
 * limit: it is raised, and the WAL flushed, before anything is removed, and whoever gets
 * the record asks about the id at once.
 */
static bool
is_forgotten(TransactionId xid)
{
	const volatile VariableCacheData *variables = ShmemVariableCache;

	return TransactionIdIsNormal(xid) &&
		   TransactionIdPrecedes(xid, variables->oldestClogXid);
}

static void
forgotten(TsLogReader *reader)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("log of relation \"%s\" was sealed and forgotten during recovery",
						RelationGetRelationName(reader->rel)),
				 errdetail("The snapshot is older than the seal, and the commit log does "
						   "not reach back to the log's transactions any more."),
				 errhint("Try the transaction again.")));
	ts_stream_damaged(reader->rel, reader->block,
					  "a log record's transaction is older than the commit log");
}

/* The record at `pos`, which is on the page that is loaded. */
static LogRecordHeader *
check_record(TsLogReader *reader)
{
	const char *problem;
	LogRecordHeader *header = ts_log_check_record(
		TsPageData(reader->page), ts_log_offset(reader->pos), reader->limit, &problem);

	if (header == NULL)
		ts_stream_damaged(reader->rel, reader->block, problem);
	return header;
}

bool
ts_log_next(TsLogReader *reader, TsLogRecord *record)
{
	LogRecordHeader *header;

	for (;;)
	{
		if (reader->pos >= reader->to)
			return false;
		if (!reader->loaded)
			load_page(reader);
		if (ts_log_offset(reader->pos) < reader->limit)
			break;
		reader->pos = ts_log_pos(ts_log_ordinal(reader->pos) + 1, 0);
		reader->loaded = false;
	}

	header = check_record(reader);
	if (is_forgotten(header->xid))
	{
		load_page(reader);
		header = check_record(reader);
		if (is_forgotten(header->xid))
			forgotten(reader);
	}
	record->pos = reader->pos;
	record->next = reader->pos + LogRecordSpace(header->length);
	record->xid = header->xid;
	record->cid = header->cid;
	record->number = header->number;
	record->nrows = header->nrows;
	record->natts = header->natts;
	record->data = (const char *) header;
	record->length = header->length;
	record->block = reader->block;
	reader->pos = record->next;
	return true;
}

/* ---- rows ---- */

/* The rows of a record that are wanted, and what is known of all of them. */
typedef struct Decoded
{
	uint32 nrows;
	uint32 *series;
	int64 *times;
	int64 *numbers; /* NULL: all have the record's */
	uint32 *wanted; /* NULL: all rows */
	uint32 nwanted;
} Decoded;

static void
prepare_decoding(TsLogReader *reader)
{
	MemoryContext old = MemoryContextSwitchTo(reader->context);
	int natts = reader->table->natts;

	reader->scratch = AllocSetContextCreate(reader->context, "mytsdb log record",
											ALLOCSET_DEFAULT_SIZES);
	reader->parts = palloc(natts * sizeof(TsLogPart));
	reader->values = palloc(natts * sizeof(Datum *));
	reader->nulls = palloc(natts * sizeof(bool *));
	reader->column = ts_column_reader_create(reader->context);
	MemoryContextSwitchTo(old);
}

static void
check_decoded(TsLogReader *reader, const TsLogRecord *record, TsErrorCode code)
{
	if (code != TS_OK)
		ts_stream_damaged(reader->rel, record->block, ts_column_problem(reader->column));
}

static int64 *
decode_integers(TsLogReader *reader, const TsLogRecord *record, const TsLogPart *part,
				bool times)
{
	int64 *values = palloc(record->nrows * sizeof(int64));

	check_decoded(reader, record,
				  times ? ts_column_open_times(reader->column, part->data, part->length,
											   record->nrows)
						: ts_column_open_ints(reader->column, part->data, part->length,
											  record->nrows));
	check_decoded(reader, record,
				  ts_column_decode_ints(reader->column, 0,
										ts_codec_vectors(record->nrows), values));
	return values;
}

static uint32 *
decode_series(TsLogReader *reader, const TsLogRecord *record, const TsLogPart *part)
{
	int64 *ids = decode_integers(reader, record, part, false);
	uint32 *series = palloc(record->nrows * sizeof(uint32));

	for (uint32 k = 0; k < record->nrows; k++)
	{
		if (ids[k] < 0 || ids[k] > PG_UINT32_MAX)
			ts_stream_damaged(reader->rel, record->block,
							  "a log record has an impossible series");
		series[k] = (uint32) ids[k];
	}
	return series;
}

/* A run of one series is asked about once. */
uint32
ts_log_choose_rows(const TsRowFilter *filter, const uint32 *series, const int64 *times,
				   uint32 n, uint32 *wanted)
{
	uint32 nwanted = 0;
	bool ok = true;

	for (uint32 k = 0; k < n; k++)
	{
		if (filter->series != NULL && (k == 0 || series[k] != series[k - 1]))
			ok = filter->series(filter->arg, series[k]);
		if (ok && times[k] >= filter->time_min && times[k] <= filter->time_max)
			wanted[nwanted++] = k;
	}
	return nwanted;
}

static void
choose_rows(const TsRowFilter *filter, Decoded *rows)
{
	rows->wanted = palloc(rows->nrows * sizeof(uint32));
	rows->nwanted = ts_log_choose_rows(filter, rows->series, rows->times, rows->nrows,
									   rows->wanted);
	if (rows->nwanted == rows->nrows)
		rows->wanted = NULL;
}

/* Moves the wanted rows to the front. */
static void
compact_rows(Decoded *rows)
{
	for (uint32 k = 0; k < rows->nwanted; k++)
	{
		rows->series[k] = rows->series[rows->wanted[k]];
		rows->times[k] = rows->times[rows->wanted[k]];
		if (rows->numbers != NULL)
			rows->numbers[k] = rows->numbers[rows->wanted[k]];
	}
}

/* Decodes column i of the wanted rows into the reader's arrays; NULL there: all null. */
static void
decode_column(TsLogReader *reader, const TsLogRecord *record, int i, const Decoded *rows)
{
	const TsColumn *column = &reader->table->columns[i];
	const TsLogPart *part = &reader->parts[i];
	Datum *values;
	bool *nulls;
	bool has_nulls;

	values = palloc(record->nrows * sizeof(Datum));
	nulls = palloc(record->nrows * sizeof(bool));
	check_decoded(
		reader, record,
		ts_column_open(reader->column, column, part->data, part->length, record->nrows));
	check_decoded(reader, record,
				  ts_column_decode(reader->column, 0, ts_codec_vectors(record->nrows),
								   values, nulls, &has_nulls, reader->scratch));
	if (rows->wanted != NULL)
	{
		for (uint32 k = 0; k < rows->nwanted; k++)
		{
			values[k] = values[rows->wanted[k]];
			nulls[k] = nulls[rows->wanted[k]];
		}
	}
	reader->values[i] = values;
	reader->nulls[i] = has_nulls ? nulls : NULL;
}

/* Column i is newer than the record: its rows have the value for missing attributes. */
static void
fill_missing(TsLogReader *reader, int i, uint32 count)
{
	bool isnull;
	Datum value = ts_missing_value(reader->rel, reader->table, i + 1, &isnull);

	if (isnull)
		return;
	reader->values[i] = palloc(count * sizeof(Datum));
	for (uint32 k = 0; k < count; k++)
		reader->values[i][k] = value;
}

static uint32
decode_rows(TsLogReader *reader, const TsLogRecord *record, const TsRowFilter *filter,
			TsRows *to)
{
	const LogRecordHeader *header = (const LogRecordHeader *) record->data;
	const TsTable *table = reader->table;
	Decoded rows = {.nrows = record->nrows, .nwanted = record->nrows};
	TsLogParts parts;
	const char *problem = ts_log_take_apart(header, &parts, reader->parts);

	if (problem != NULL)
		ts_stream_damaged(reader->rel, record->block, problem);
	rows.series = decode_series(reader, record, &parts.series);
	rows.times = decode_integers(reader, record, &parts.times, true);
	if (filter != NULL)
		choose_rows(filter, &rows);
	if (rows.nwanted == 0)
		return 0;
	if ((header->flags & LOG_HAS_NUMBERS) != 0)
		rows.numbers = decode_integers(reader, record, &parts.numbers, false);
	if (rows.wanted != NULL)
		compact_rows(&rows);

	for (int i = 0; i < table->natts; i++)
	{
		const TsColumn *column = &table->columns[i];

		reader->values[i] = NULL;
		reader->nulls[i] = NULL;
		/* a dropped column's values may still be there */
		if (column->role != TS_ROLE_VALUE || column->kind == TS_COLUMN_NONE ||
			(filter != NULL && filter->wanted != NULL && !filter->wanted[i]))
			continue;
		if (i >= record->natts)
			fill_missing(reader, i, rows.nwanted);
		else if (reader->parts[i].length > 0)
			decode_column(reader, record, i, &rows);
	}
	ts_rows_put_vectors(to, rows.series, 0, rows.times, (const uint64 *) rows.numbers,
						record->number, reader->values, reader->nulls, table->natts,
						rows.nwanted);
	return rows.nwanted;
}

uint32
ts_log_decode(TsLogReader *reader, const TsLogRecord *record, const TsRowFilter *filter,
			  TsRows *rows)
{
	MemoryContext old;
	uint32 count;

	Assert(record->next == reader->pos && reader->loaded);
	Assert(rows->numbers != NULL);
	/* Not before somebody wants the rows: a transaction that was rolled back may have
	 * added columns. */
	if (record->natts > reader->table->natts)
		ts_stream_damaged(reader->rel, record->block,
						  "a log record has more columns than its table");
	if (reader->column == NULL)
		prepare_decoding(reader);
	old = MemoryContextSwitchTo(reader->scratch);
	count = decode_rows(reader, record, filter, rows);
	MemoryContextSwitchTo(old);
	MemoryContextReset(reader->scratch);
	return count;
}
