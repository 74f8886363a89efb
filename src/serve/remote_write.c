/*
 * remote_write.c
 *	  mytsdb.remote_write(): a request of Prometheus remote write, 1.0 or 2.0, into a table;
 *	  and what it has in common with mytsdb.otlp_metrics().
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

/* The tuple of what was written. */
static Datum
make_result(TupleDesc desc, const WriteFunction *function, const WriteRequest *request)
{
	Datum values[WRITE_RESULT_COLUMNS];
	bool isnull[WRITE_RESULT_COLUMNS] = {false};

	Assert(desc->natts <= WRITE_RESULT_COLUMNS);
	values[0] = Int64GetDatum(request->nsamples);
	values[1] = Int64GetDatum(request->nhistograms);
	values[2] = Int64GetDatum(request->nexemplars);
	if (function->add_results != NULL)
		function->add_results(request, values, isnull);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, isnull));
}

Datum
write_call(FunctionCallInfo fcinfo, const WriteFunction *function)
{
	WriteRequest request = {0};
	WriteArguments arguments;
	TupleDesc desc;
	MemoryContext context;
	MemoryContext old;
	Datum result;
	bytea *body;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s of %s must not be null",
						PG_ARGISNULL(0) ? "the body" : "the target", function->what)));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PreventCommandIfReadOnly(function->name);

	request.target = PG_GETARG_OID(3);
	request.received = GetCurrentTransactionStartTimestamp();
	context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb write request",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	body = PG_GETARG_BYTEA_PP(0);
	arguments = (WriteArguments){
		.body = {VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body)},
		.type = text_argument(fcinfo, 1),
		.encoding = text_argument(fcinfo, 2),
	};
	function->parse(&arguments, &request);
	write_apply(&request, true);
	MemoryContextSwitchTo(old);
	result = make_result(desc, function, &request);
	MemoryContextDelete(context);
	PG_RETURN_DATUM(result);
}

void
write_refuse_arguments(const TsError *err)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", err->message)));
}

void
write_refuse_body(const WriteFunction *function, const TsError *err)
{
	if (err->code == TS_ERR_LIMIT || err->code == TS_ERR_MEMORY)
		ts_report_limit(err);
	ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					errmsg("invalid %s: %s", function->request, err->message)));
}

/* ---- remote write ---- */

static void parse_remote_write(const WriteArguments *arguments, WriteRequest *request);

static const WriteFunction remote_write = {
	.name = "mytsdb.remote_write()",
	.what = "a remote write request",
	.request = "remote write request",
	.parse = parse_remote_write,
};

static void
parse_remote_write(const WriteArguments *arguments, WriteRequest *request)
{
	const TsString type = arguments->type;
	const TsString coding = arguments->encoding;
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsWriteVersion version;
	TsWriteEncoding encoding;
	const void *data;
	size_t size;
	TsError err;

	if (ts_write_content_type(type.data, type.len, &version, &err) != TS_OK ||
		ts_write_content_encoding(coding.data, coding.len, &encoding, &err) != TS_OK)
		write_refuse_arguments(&err);
	if (ts_write_decompress(encoding, arguments->body.data, arguments->body.len,
							write_max_size(), &allocator, &data, &size, &err) != TS_OK)
		write_refuse_body(&remote_write, &err);
	write_parse(request, version, data, size);
}

Datum
mytsdb_remote_write(PG_FUNCTION_ARGS)
{
	return write_call(fcinfo, &remote_write);
}
