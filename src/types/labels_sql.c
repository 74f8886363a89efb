/*
 * labels_sql.c
 *	  The type labels in SQL: input and output, order, hashes.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/lsyscache.h"

#include "labels_type.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_labels_in);
PG_FUNCTION_INFO_V1(mytsdb_labels_out);
PG_FUNCTION_INFO_V1(mytsdb_labels_recv);
PG_FUNCTION_INFO_V1(mytsdb_labels_send);
PG_FUNCTION_INFO_V1(mytsdb_labels_eq);
PG_FUNCTION_INFO_V1(mytsdb_labels_ne);
PG_FUNCTION_INFO_V1(mytsdb_labels_lt);
PG_FUNCTION_INFO_V1(mytsdb_labels_le);
PG_FUNCTION_INFO_V1(mytsdb_labels_gt);
PG_FUNCTION_INFO_V1(mytsdb_labels_ge);
PG_FUNCTION_INFO_V1(mytsdb_labels_cmp);
PG_FUNCTION_INFO_V1(mytsdb_labels_hash);
PG_FUNCTION_INFO_V1(mytsdb_labels_hash_extended);

/* Makes a value of normalized pairs. */
static Labels *
encode_labels(const LabelsPair *pairs, uint32 count, size_t size)
{
	Labels *labels = palloc(VARHDRSZ + size);

	SET_VARSIZE(labels, VARHDRSZ + size);
	labels_encode(pairs, count, VARDATA(labels));
	return labels;
}

Labels *
labels_make(LabelsPair *pairs, uint32 count)
{
	TsError err;
	size_t size;

	if (labels_normalize(pairs, &count, &size, &err) == TS_OK)
		return encode_labels(pairs, count, size);
	if (err.code == TS_ERR_LIMIT)
		ts_report_limit(&err);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", err.message)));
}

bool
labels_is_type(Oid type)
{
	Oid input;
	Oid param;
	FmgrInfo info;

	getTypeInputInfo(type, &input, &param);
	fmgr_info(input, &info);
	return info.fn_addr == mytsdb_labels_in;
}

Datum
mytsdb_labels_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	size_t len = strlen(text);
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	LabelsText parsed;
	TsError err;
	Labels *labels;
	size_t size;

	if (labels_text_parse(text, len, &allocator, &parsed, &err) != TS_OK)
		ts_report(&err, ERRCODE_INVALID_TEXT_REPRESENTATION,
				  "invalid input syntax for type labels", text, len);
	if (labels_normalize(parsed.pairs, &parsed.count, &size, &err) != TS_OK)
	{
		ts_error_locate(&err, text, len);
		ts_report(&err, ERRCODE_INVALID_TEXT_REPRESENTATION,
				  "invalid input syntax for type labels", text, len);
	}
	labels = encode_labels(parsed.pairs, parsed.count, size);
	labels_text_free(&parsed);
	PG_RETURN_LABELS_P(labels);
}

Datum
mytsdb_labels_out(PG_FUNCTION_ARGS)
{
	Labels *labels = PG_GETARG_LABELS_PP(0);
	size_t size = labels_text_size(LABELS_DATA(labels), LABELS_SIZE(labels));
	char *text = palloc(size + 1);

	labels_text_write(LABELS_DATA(labels), LABELS_SIZE(labels), text);
	text[size] = '\0';
	PG_RETURN_CSTRING(text);
}

/* The binary form is the payload: canonical, and refused if it is not. */
Datum
mytsdb_labels_recv(PG_FUNCTION_ARGS)
{
	StringInfo buf = (StringInfo) PG_GETARG_POINTER(0);
	int size = buf->len - buf->cursor;
	const char *data = pq_getmsgbytes(buf, size);
	Labels *labels;
	TsError err;

	if (labels_check(data, size, &err) != TS_OK)
	{
		if (err.code == TS_ERR_LIMIT)
			ts_report_limit(&err);
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("invalid binary representation of type labels"),
						errdetail("At byte %d: %s.", err.offset, err.message)));
	}
	labels = palloc(VARHDRSZ + size);
	SET_VARSIZE(labels, VARHDRSZ + size);
	memcpy(VARDATA(labels), data, size);
	PG_RETURN_LABELS_P(labels);
}

Datum
mytsdb_labels_send(PG_FUNCTION_ARGS)
{
	Labels *labels = PG_GETARG_LABELS_PP(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, LABELS_DATA(labels), LABELS_SIZE(labels));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* ---- order ---- */

static int
compare_args(FunctionCallInfo fcinfo)
{
	Labels *a = PG_GETARG_LABELS_PP(0);
	Labels *b = PG_GETARG_LABELS_PP(1);
	int order = labels_compare(LABELS_DATA(a), LABELS_SIZE(a), LABELS_DATA(b),
							   LABELS_SIZE(b));

	/* Indexes call this many times in one memory context. */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

/* Equal labels have equal bytes, so there is no need to read them. */
static bool
equal_args(FunctionCallInfo fcinfo)
{
	Labels *a = PG_GETARG_LABELS_PP(0);
	Labels *b = PG_GETARG_LABELS_PP(1);
	bool equal = LABELS_SIZE(a) == LABELS_SIZE(b) &&
				 memcmp(LABELS_DATA(a), LABELS_DATA(b), LABELS_SIZE(a)) == 0;

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return equal;
}

Datum
mytsdb_labels_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(equal_args(fcinfo));
}

Datum
mytsdb_labels_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!equal_args(fcinfo));
}

Datum
mytsdb_labels_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) < 0);
}

Datum
mytsdb_labels_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) <= 0);
}

Datum
mytsdb_labels_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) > 0);
}

Datum
mytsdb_labels_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) >= 0);
}

Datum
mytsdb_labels_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_args(fcinfo));
}

/* ---- hashes ---- */

static uint64
hash_arg(FunctionCallInfo fcinfo, uint64 seed)
{
	Labels *labels = PG_GETARG_LABELS_PP(0);
	uint64 hash = labels_hash(LABELS_DATA(labels), LABELS_SIZE(labels), seed);

	PG_FREE_IF_COPY(labels, 0);
	return hash;
}

Datum
mytsdb_labels_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT32((uint32) hash_arg(fcinfo, 0));
}

/* With seed 0 its low half is the plain hash, as PostgreSQL asks. */
Datum
mytsdb_labels_hash_extended(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT64(hash_arg(fcinfo, (uint64) PG_GETARG_INT64(1)));
}
