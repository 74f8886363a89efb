/*
 * otlp.c
 *	  mytsdb.otlp_metrics(): a request of OTLP, in protobuf or JSON, into a table.
 *
 * What is no such request is an error of the statement, with the same SQLSTATEs as those of
 * mytsdb.remote_write(). Points that cannot be are counted, and told of, as OTLP's
 * partial_success does.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "otlp.h"

PG_FUNCTION_INFO_V1(mytsdb_otlp_metrics);

static void parse_otlp(const WriteArguments *arguments, WriteRequest *request);
static void add_results(const WriteRequest *request, Datum *values, bool *isnull);

static const WriteFunction otlp_metrics = {
	.name = "mytsdb.otlp_metrics()",
	.what = "an OTLP request",
	.request = "OTLP request",
	.parse = parse_otlp,
	.add_results = add_results,
};

static void
parse_otlp(const WriteArguments *arguments, WriteRequest *request)
{
	const TsString type = arguments->type;
	const TsString coding = arguments->encoding;
	TsOtlpFormat format = TS_OTLP_PROTOBUF;
	TsWriteEncoding encoding;
	const void *data;
	size_t size;
	TsError err;

	if ((type.len > 0 &&
		 ts_otlp_content_type(type.data, type.len, &format, &err) != TS_OK) ||
		ts_otlp_content_encoding(coding.data, coding.len, &encoding, &err) != TS_OK)
		write_refuse_arguments(&err);
	if (otlp_decode(format, encoding, arguments->body, &data, &size, &err) != TS_OK)
		write_refuse_body(&otlp_metrics, &err);
	otlp_parse(request, data, size);
}

/* rejected, message */
static void
add_results(const WriteRequest *request, Datum *values, bool *isnull)
{
	StringInfoData text;

	values[3] = Int64GetDatum(request->refused.samples);
	isnull[4] = request->refused.count == 0;
	if (isnull[4])
		return;
	initStringInfo(&text);
	otlp_refusals_text(&request->refused, &text);
	values[4] = PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
}

Datum
mytsdb_otlp_metrics(PG_FUNCTION_ARGS)
{
	return write_call(fcinfo, &otlp_metrics);
}
