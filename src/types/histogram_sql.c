/*
 * histogram_sql.c
 *	  The type histogram in SQL: input and output, equality, hashes.
 */
#include "postgres.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "access/transam.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/lsyscache.h"

#include "histogram_type.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_histogram_in);
PG_FUNCTION_INFO_V1(mytsdb_histogram_out);
PG_FUNCTION_INFO_V1(mytsdb_histogram_recv);
PG_FUNCTION_INFO_V1(mytsdb_histogram_send);
PG_FUNCTION_INFO_V1(mytsdb_histogram_eq);
PG_FUNCTION_INFO_V1(mytsdb_histogram_ne);
PG_FUNCTION_INFO_V1(mytsdb_histogram_hash);
PG_FUNCTION_INFO_V1(mytsdb_histogram_hash_extended);

static void out_of_memory(void) pg_attribute_noreturn();

static void
out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

Histogram *
histogram_make(const TsHistogram *h)
{
	Size size;
	Histogram *value;

	if (h == NULL)
		out_of_memory();
	size = ts_histogram_encoded_size(h);
	value = palloc(VARHDRSZ + size);
	SET_VARSIZE(value, VARHDRSZ + size);
	ts_histogram_encode(h, VARDATA(value));
	return value;
}

TsHistogram *
histogram_read(Datum value)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	Histogram *packed = DatumGetHistogramPP(value);
	TsHistogram *h = ts_histogram_decode(HISTOGRAM_DATA(packed), HISTOGRAM_SIZE(packed),
										 &allocator);

	if (h == NULL && ts_histogram_check(HISTOGRAM_DATA(packed), HISTOGRAM_SIZE(packed),
										NULL) != TS_ERR_INVALID)
		out_of_memory();
	if (h == NULL)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("a stored value of type histogram is damaged")));
	if ((Pointer) packed != DatumGetPointer(value))
		pfree(packed);
	return h;
}

bool
histogram_is_type(Oid type)
{
	Oid input;
	Oid param;
	FmgrInfo info;

	if (type < FirstNormalObjectId)
		return false;
	getTypeInputInfo(type, &input, &param);
	fmgr_info(input, &info);
	return info.fn_addr == mytsdb_histogram_in;
}

Datum
mytsdb_histogram_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	size_t len = strlen(text);
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsHistogram *h;
	TsError err;

	if (ts_histogram_parse(text, len, &allocator, &h, &err) != TS_OK)
		ts_report(&err, ERRCODE_INVALID_TEXT_REPRESENTATION,
				  "invalid input syntax for type histogram", text, len);
	PG_RETURN_HISTOGRAM_P(histogram_make(h));
}

Datum
mytsdb_histogram_out(PG_FUNCTION_ARGS)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	char *text = ts_histogram_print(histogram_read(PG_GETARG_DATUM(0)), &allocator);

	if (text == NULL)
		out_of_memory();
	PG_RETURN_CSTRING(text);
}

/* The binary form is the payload: canonical, and refused if it is not. */
Datum
mytsdb_histogram_recv(PG_FUNCTION_ARGS)
{
	StringInfo buf = (StringInfo) PG_GETARG_POINTER(0);
	int size = buf->len - buf->cursor;
	const char *data = pq_getmsgbytes(buf, size);
	Histogram *value;
	TsError err;

	if (ts_histogram_check(data, size, &err) != TS_OK)
	{
		if (err.code == TS_ERR_LIMIT || err.code == TS_ERR_MEMORY)
			ts_report_limit(&err);
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary representation of type histogram"),
						errdetail("The reason: %s.", err.message)));
	}
	value = palloc(VARHDRSZ + size);
	SET_VARSIZE(value, VARHDRSZ + size);
	memcpy(VARDATA(value), data, size);
	PG_RETURN_HISTOGRAM_P(value);
}

Datum
mytsdb_histogram_send(PG_FUNCTION_ARGS)
{
	Histogram *value = PG_GETARG_HISTOGRAM_PP(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, HISTOGRAM_DATA(value), HISTOGRAM_SIZE(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* ---- equality ---- */

/* Equal histograms have equal bytes, so there is no need to read them. */
static bool
equal_args(FunctionCallInfo fcinfo)
{
	Histogram *a = PG_GETARG_HISTOGRAM_PP(0);
	Histogram *b = PG_GETARG_HISTOGRAM_PP(1);
	bool equal = HISTOGRAM_SIZE(a) == HISTOGRAM_SIZE(b) &&
				 memcmp(HISTOGRAM_DATA(a), HISTOGRAM_DATA(b), HISTOGRAM_SIZE(a)) == 0;

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return equal;
}

Datum
mytsdb_histogram_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(equal_args(fcinfo));
}

Datum
mytsdb_histogram_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!equal_args(fcinfo));
}

static uint64
hash_arg(FunctionCallInfo fcinfo, uint64 seed)
{
	Histogram *value = PG_GETARG_HISTOGRAM_PP(0);
	uint64 hash = XXH3_64bits_withSeed(HISTOGRAM_DATA(value), HISTOGRAM_SIZE(value),
									   seed);

	PG_FREE_IF_COPY(value, 0);
	return hash;
}

Datum
mytsdb_histogram_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT32((uint32) hash_arg(fcinfo, 0));
}

/* With seed 0 its low half is the plain hash, as PostgreSQL asks. */
Datum
mytsdb_histogram_hash_extended(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT64(hash_arg(fcinfo, (uint64) PG_GETARG_INT64(1)));
}
