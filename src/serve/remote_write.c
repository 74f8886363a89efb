/*
 * remote_write.c
 *	  mytsdb.remote_write(): a request of Prometheus remote write, 1.0 or 2.0, into a table.
 *
 * All of a request is written, or nothing: whatever is wrong with it is an error of the
 * statement. SQLSTATEs: 22023 a content type or encoding that is not supported; others as
 * remote_write_parse.c has them. The request's memory is bounded by
 * mytsdb.remote_write_max_size.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "remote_write.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_remote_write);

/* The text of an argument that may be NULL, which is as good as empty. */
static TsString
text_argument(FunctionCallInfo fcinfo, int n)
{
	text *value;

	if (PG_ARGISNULL(n))
		return (TsString){"", 0};
	value = PG_GETARG_TEXT_PP(n);
	return (TsString){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

static void
write_body(FunctionCallInfo fcinfo, WriteRequest *request)
{
	bytea *body = PG_GETARG_BYTEA_PP(0);
	TsString type = text_argument(fcinfo, 1);
	TsString coding = text_argument(fcinfo, 2);
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsWriteVersion version;
	TsWriteEncoding encoding;
	const void *data;
	size_t size;
	TsErrorCode code;
	TsError err;

	if (ts_write_content_type(type.data, type.len, &version, &err) != TS_OK ||
		ts_write_content_encoding(coding.data, coding.len, &encoding, &err) != TS_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", err.message)));
	code = ts_write_decompress(encoding, VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body),
							   write_max_size(), &allocator, &data, &size, &err);
	if (code == TS_ERR_LIMIT || code == TS_ERR_MEMORY)
		ts_report_limit(&err);
	if (code != TS_OK)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid remote write request: %s", err.message)));
	write_parse(request, version, data, size);
	write_apply(request, true);
}

Datum
mytsdb_remote_write(PG_FUNCTION_ARGS)
{
	WriteRequest request = {0};
	TupleDesc desc;
	MemoryContext context;
	MemoryContext old;
	Datum values[3];
	bool isnull[3] = {false, false, false};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s of a remote write request must not be null",
							   PG_ARGISNULL(0) ? "the body" : "the target")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PreventCommandIfReadOnly("mytsdb.remote_write()");

	request.target = PG_GETARG_OID(3);
	request.received = GetCurrentTransactionStartTimestamp();
	context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb remote write",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	write_body(fcinfo, &request);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);

	values[0] = Int64GetDatum(request.nsamples);
	values[1] = Int64GetDatum(request.nhistograms);
	values[2] = Int64GetDatum(request.nexemplars);
	PG_RETURN_DATUM(
		HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, isnull)));
}
