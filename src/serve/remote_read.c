/*
 * remote_read.c
 *	  Remote read: a request of Prometheus for samples, over HTTP and by
 *	  mytsdb.remote_read().
 *
 * All that was asked for is read first, series after series as the table has them, and put
 * aside; then it is written in order of labels. So memory holds one series' bytes, and of
 * each series that has samples its labels and a place.
 *
 * SQLSTATEs: 22P03 bytes that are no such message; 22000 a request that asks for what is not
 * allowed, or for no type of answer that there is; 54000 a limit; what a query raises for
 * its selectors, rights and memory.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "mytsdb.h"
#include "promql_exec.h"
#include "remote_read.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_remote_read);

#define MAX_REQUEST_SIZE ((Size) 16 * 1024 * 1024) /* decompressed */

static int sample_limit;

/* A series of an answer. */
typedef struct ReadSeries
{
	TsString labels;
	uint64 from; /* in the spool */
	uint64 size;
} ReadSeries;

/* The answer to one query. */
typedef struct ReadResult
{
	ReadSeries *series;
	uint32 count;
	uint32 room;
} ReadResult;

struct RemoteRead
{
	TsReadRequest request;
	PqStored *stored;
	ReadSpool *spool;
	TsReadWriter writer;
	ReadResult *results; /* [request.nqueries] */
	Size memory;         /* of the lists of series */
	int64 samples;
};

/* ---- errors ---- */

void
remote_read_check(TsErrorCode code, const TsError *err)
{
	if (code == TS_OK)
		return;
	if (code == TS_ERR_LIMIT || code == TS_ERR_MEMORY)
		ts_report_limit(err);
	ereport(ERROR, (errcode(code == TS_ERR_SYNTAX ? ERRCODE_INVALID_BINARY_REPRESENTATION
												  : ERRCODE_DATA_EXCEPTION),
					errmsg("invalid remote read request: %s", err->message)));
}

static void
check_writer(const TsReadWriter *writer)
{
	if (ts_read_writer_failed(writer))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("The samples of a series are being encoded.")));
}

static void
charge(RemoteRead *read, Size size)
{
	read->memory += size;
	if (read->memory > pq_memory_limit())
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("the answer needs more memory than mytsdb.query_memory allows"),
				 errhint("Select fewer series, or raise mytsdb.query_memory.")));
}

static void
count_sample(RemoteRead *read)
{
	read->samples++;
	if (sample_limit > 0 && read->samples > sample_limit &&
		read->request.type == TS_READ_SAMPLES)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("exceeded sample limit (%d)", sample_limit),
			 errhint("Ask for a shorter time or fewer series, accept the response type "
					 "STREAMED_XOR_CHUNKS, or raise mytsdb.remote_read_sample_limit.")));
}

/* ---- reading ---- */

static void
put_into_spool(void *spool, const void *data, size_t size)
{
	read_spool_put(spool, data, size);
}

static ReadSeries *
add_series(RemoteRead *read, ReadResult *result, TsString labels)
{
	ReadSeries *series;

	if (result->count == result->room)
	{
		uint32 more = Max(result->room, 64);

		charge(read, sizeof(ReadSeries) * more);
		result->room += more;
		if (result->series == NULL)
			result->series = palloc(sizeof(ReadSeries) * result->room);
		else
			result->series = repalloc_huge(result->series,
										   sizeof(ReadSeries) * result->room);
	}
	charge(read, labels.len);
	series = &result->series[result->count++];
	series->labels.data = memcpy(palloc(labels.len), labels.data, labels.len);
	series->labels.len = labels.len;
	series->from = read_spool_size(read->spool);
	return series;
}

static void
read_samples(RemoteRead *read)
{
	TsReadWriter *writer = &read->writer;
	PqStoredSample sample;

	while (pq_stored_next(read->stored, &sample))
	{
		count_sample(read);
		if (sample.histogram != NULL)
			ts_read_put_histogram(writer, sample.time, sample.histogram);
		else
			ts_read_put_float(writer, sample.time, sample.value);
	}
}

static void
read_query(RemoteRead *read, ReadResult *result)
{
	const TsReadQuery *query = &read->request.query;
	/* who looks for series alone wants no samples */
	const bool series_only = ts_string_is(query->function, "series");
	TsString labels;

	pq_stored_select(read->stored, query->matchers, (int) query->nmatchers, query->start,
					 query->end);
	while (pq_stored_next_series(read->stored, &labels))
	{
		ReadSeries *series = add_series(read, result, labels);

		ts_read_begin_series(&read->writer, labels.data, labels.len);
		if (!series_only)
			read_samples(read);
		ts_read_end_series(&read->writer);
		check_writer(&read->writer);
		series->size = read_spool_size(read->spool) - series->from;
	}
}

static int
compare_series(const void *a, const void *b)
{
	const TsString *x = &((const ReadSeries *) a)->labels;
	const TsString *y = &((const ReadSeries *) b)->labels;

	return labels_compare(x->data, x->len, y->data, y->len);
}

static void
read_all(RemoteRead *read, Oid source)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsError err;
	bool more;

	read->spool = read_spool_create();
	read->results = palloc0(sizeof(ReadResult) * Max(read->request.nqueries, 1));
	ts_read_writer_init(&read->writer, read->request.type, put_into_spool, read->spool,
						&allocator);
	read->stored = pq_stored_open(source, GetActiveSnapshot());
	for (uint32 i = 0;; i++)
	{
		ReadResult *result = &read->results[i];

		remote_read_check(ts_read_next(&read->request, &more, &err), &err);
		if (!more)
			break;
		read->writer.query = i;
		read_query(read, result);
		if (result->count > 1)
			qsort(result->series, result->count, sizeof(ReadSeries), compare_series);
	}
	pq_stored_close(read->stored);
	ts_read_writer_free(&read->writer);
}

/* ---- answering ---- */

static uint64
inner_size(const ReadResult *result)
{
	uint8 opening[TS_READ_OPENING];
	uint64 size = 0;

	for (uint32 i = 0; i < result->count; i++)
		size += ts_read_open_message(result->series[i].size, opening) +
				result->series[i].size;
	return size;
}

static void
put_into_snappy(void *snappy, const void *data, size_t size)
{
	ts_snappy_put(snappy, data, size);
}

/* The opening of a message, and nothing else. */
static void
put_opening(TsSnappy *snappy, uint64 length)
{
	uint8 opening[TS_READ_OPENING];

	ts_snappy_put(snappy, opening, ts_read_open_message(length, opening));
}

/* A ReadResponse, compressed. */
static void
put_samples(RemoteRead *read, TsReadSink sink, void *sink_arg)
{
	const uint32 nqueries = read->request.nqueries;
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsSnappy *snappy = palloc(sizeof(TsSnappy));
	uint64 *sizes = palloc(sizeof(uint64) * Max(nqueries, 1));
	uint8 opening[TS_READ_OPENING];
	uint64 all = 0;

	for (uint32 i = 0; i < nqueries; i++)
	{
		sizes[i] = inner_size(&read->results[i]);
		all += ts_read_open_message(sizes[i], opening) + sizes[i];
	}
	if (all > TS_SNAPPY_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the answer is larger than 4 GB, which snappy cannot compress"),
				 errhint("Ask for a shorter time or fewer series, or accept the response "
						 "type STREAMED_XOR_CHUNKS.")));
	if (!ts_snappy_begin(snappy, all, sink, sink_arg, &allocator))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (uint32 i = 0; i < nqueries; i++)
	{
		const ReadResult *result = &read->results[i];

		put_opening(snappy, sizes[i]);
		for (uint32 j = 0; j < result->count; j++)
		{
			CHECK_FOR_INTERRUPTS();
			put_opening(snappy, result->series[j].size);
			read_spool_copy(read->spool, result->series[j].from, result->series[j].size,
							put_into_snappy, snappy);
		}
	}
	ts_snappy_end(snappy);
	pfree(snappy->compressed);
	pfree(snappy);
	pfree(sizes);
}

/* The frames, which were made when the series were read. */
static void
put_chunks(RemoteRead *read, TsReadSink sink, void *sink_arg)
{
	for (uint32 i = 0; i < read->request.nqueries; i++)
	{
		const ReadResult *result = &read->results[i];

		for (uint32 j = 0; j < result->count; j++)
		{
			CHECK_FOR_INTERRUPTS();
			read_spool_copy(read->spool, result->series[j].from, result->series[j].size,
							sink, sink_arg);
		}
	}
}

/* ---- requests ---- */

TsErrorCode
remote_read_open(const void *body, Size body_size, RemoteRead **read, TsError *err)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	const void *data;
	size_t size;
	TsErrorCode code;

	*read = palloc0(sizeof(RemoteRead));
	code = ts_read_decompress(body, body_size, MAX_REQUEST_SIZE, &allocator, &data, &size,
							  err);
	return code == TS_OK ? ts_read_open(&(*read)->request, data, size, &allocator, err)
						 : code;
}

TsReadType
remote_read_type(const RemoteRead *read)
{
	return read->request.type;
}

int64
remote_read_answer(RemoteRead *read, Oid source, TsReadSink sink, void *sink_arg)
{
	read_all(read, source);
	if (read->request.type == TS_READ_SAMPLES)
		put_samples(read, sink, sink_arg);
	else
		put_chunks(read, sink, sink_arg);
	ts_read_close(&read->request);
	read_spool_free(read->spool);
	return read->samples;
}

/* ---- SQL ---- */

static void
put_into_value(void *out, const void *data, size_t size)
{
	StringInfo value = out;

	if (size > MaxAllocSize - value->len - 1)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the answer is larger than 1 GB, which is what a value may have"),
				 errhint("Ask for a shorter time or fewer series.")));
	appendBinaryStringInfo(value, data, (int) size);
}

/* mytsdb.remote_read(body, source) */
Datum
mytsdb_remote_read(PG_FUNCTION_ARGS)
{
	bytea *body = PG_GETARG_BYTEA_PP(0);
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb remote read", ALLOCSET_DEFAULT_SIZES);
	StringInfoData out;
	MemoryContext caller;
	RemoteRead *read;
	TsError err;

	initStringInfo(&out);
	appendStringInfoSpaces(&out, VARHDRSZ);
	caller = MemoryContextSwitchTo(context);
	remote_read_check(
		remote_read_open(VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body), &read, &err), &err);
	(void) remote_read_answer(read, PG_GETARG_OID(1), put_into_value, &out);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	SET_VARSIZE(out.data, out.len);
	PG_RETURN_BYTEA_P((bytea *) out.data);
}

/* ---- settings ---- */

static void
define_settings(void)
{
	DefineCustomIntVariable("mytsdb.remote_read_sample_limit",
							"Sets how many samples an answer of remote read may have.",
							"0 means any number. Answers in chunks have no limit.",
							&sample_limit, 50000000, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL,
							NULL);
}

const MytsdbModule remote_read_module = {
	.name = "mytsdb remote read",
	.define_settings = define_settings,
};
