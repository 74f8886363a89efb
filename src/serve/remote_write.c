/*
 * remote_write.c
 *	  mytsdb.remote_write(): a request of Prometheus remote write, 1.0 or 2.0, into a table.
 *
 * All of a request is written, or nothing: whatever is wrong with it is an error of the
 * statement. SQLSTATEs: 22023 a content type or encoding that is not supported; 22P03 bytes
 * that are no such message; 22000 labels or histograms that are not allowed; 22008 a time
 * that is none; 54000 a limit. The request's memory is bounded by
 * mytsdb.remote_write_max_size.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "labels_type.h"
#include "mytsdb.h"
#include "remote_write.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_remote_write);

/* First byte of an alias that is made of pairs: neither a key's nor a message's. */
#define ALIAS_OF_PAIRS '\2'

static int max_size_kb;

/* One request. */
typedef struct Write
{
	TsWriteReader reader;
	Oid target;
	Oid schema; /* the target's: exemplars and metadata are beside it */
	WriteTable *samples;
	WriteTable *exemplars; /* opened when there is one */
	bool no_exemplars;     /* there is no such table */
	WriteMetadata *metadata;
	TimestampTz received;
	TsWriteItem item;
	bool series_known;   /* by its alias, so its labels are right */
	bool labels_encoded; /* `labels` are those of the series */
	struct varlena *labels;
	Size labels_room;
	StringInfoData alias;
	struct varlena *histogram;
	Size histogram_room;
	int64 nsamples;
	int64 nhistograms;
	int64 nexemplars;
} Write;

/* ---- errors ---- */

static void report(Write *write, const TsError *err) pg_attribute_noreturn();
static struct varlena *series_labels(Write *write);

/* The series that is being written, for messages; NULL: it is not known yet. */
static char *
shown_series(Write *write)
{
	struct varlena *labels;
	char *text;
	size_t size;

	if (!write->labels_encoded && !write->series_known)
		return NULL;
	labels = series_labels(write);
	size = labels_text_size(LABELS_DATA(labels), LABELS_SIZE(labels));
	text = palloc(size);
	labels_text_write(LABELS_DATA(labels), LABELS_SIZE(labels), text);
	return ts_shown_text(text, size);
}

static void
report(Write *write, const TsError *err)
{
	char *series = shown_series(write);

	if (err->code == TS_ERR_LIMIT || err->code == TS_ERR_MEMORY)
		ts_report_limit(err);
	ereport(ERROR,
			(errcode(err->code == TS_ERR_SYNTAX ? ERRCODE_INVALID_BINARY_REPRESENTATION
												: ERRCODE_DATA_EXCEPTION),
			 errmsg("invalid remote write request: %s", err->message),
			 series ? errdetail("The series is %s.", series) : 0));
}

static void
check(Write *write, TsErrorCode code, const TsError *err)
{
	if (code != TS_OK)
		report(write, err);
}

/* ---- values ---- */

static Datum
timestamp_datum(Write *write, int64 milliseconds)
{
	const int64 epoch = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
						(int64) (SECS_PER_DAY * 1000);
	char *series;
	int64 time;

	if (!pg_sub_s64_overflow(milliseconds, epoch, &time) &&
		!pg_mul_s64_overflow(time, 1000, &time) && IS_VALID_TIMESTAMP(time))
		return TimestampTzGetDatum(time);
	series = shown_series(write);
	ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					errmsg("timestamp out of range: %lld ms since 1970",
						   (long long) milliseconds),
					series ? errdetail("The series is %s.", series) : 0));
}

/* A varlena that is used again and again, with room for so many bytes. */
static char *
reserve(struct varlena **value, Size *room, Size size)
{
	if (VARHDRSZ + size > *room)
	{
		*room = VARHDRSZ + Max(size, 2 * *room);
		*value = *value ? repalloc(*value, *room) : palloc(*room);
	}
	SET_VARSIZE(*value, VARHDRSZ + size);
	return VARDATA(*value);
}

static void
encode_labels(Write *write, LabelsPair *pairs, uint32 count, struct varlena **value,
			  Size *room)
{
	TsError err;
	size_t size;

	check(write, labels_normalize(pairs, &count, &size, &err), &err);
	labels_encode(pairs, count, reserve(value, room, size));
}

/* ---- series ---- */

static void
read_labels(Write *write)
{
	TsError err;

	if (write->reader.series.labels == NULL)
		check(write, ts_write_read_labels(&write->reader, &err), &err);
}

/* The labels of the series as a value; the same memory for all. */
static struct varlena *
series_labels(Write *write)
{
	TsWriteSeries *series = &write->reader.series;

	if (!write->labels_encoded)
	{
		/* normalizing changes the pairs: they are read anew */
		series->labels = NULL;
		read_labels(write);
		encode_labels(write, series->labels, series->nlabels, &write->labels,
					  &write->labels_room);
		write->labels_encoded = true;
		series->labels = NULL;
	}
	return write->labels;
}

/*
 * Bytes that say what the labels are, for series to be known by: those of the message, or
 * what they refer to. They begin with the tag of field 1, or with a smaller number.
 */
static TsString
series_alias(Write *write)
{
	const TsWriteSeries *series = &write->reader.series;
	StringInfo alias = &write->alias;

	if (series->label_bytes.len > 0)
		return series->label_bytes;
	read_labels(write);
	resetStringInfo(alias);
	appendStringInfoChar(alias, ALIAS_OF_PAIRS);
	for (uint32 i = 0; i < series->nlabels; i++)
	{
		const LabelsPair *pair = &series->labels[i];
		uint32 lengths[2] = {(uint32) pair->name.len, (uint32) pair->value.len};

		appendBinaryStringInfo(alias, (char *) lengths, sizeof(lengths));
		appendBinaryStringInfo(alias, pair->name.data, (int) pair->name.len);
		appendBinaryStringInfo(alias, pair->value.data, (int) pair->value.len);
	}
	return (TsString){alias->data, (size_t) alias->len};
}

/* Of a series whose labels are right: as it lies in the message. */
static TsString
name_in_message(Write *write)
{
	const TsWriteSeries *series = &write->reader.series;

	read_labels(write);
	for (uint32 i = 0; i < series->nlabels; i++)
	{
		const TsString name = series->labels[i].name;

		if (ts_string_is(name, TS_METRIC_NAME_LABEL))
			return series->labels[i].value;
	}
	elog(ERROR, "a series has lost its metric name");
}

static void
check_metric_name(Write *write)
{
	struct varlena *labels = series_labels(write);
	TsString name;
	TsError err;

	if (labels_find(LABELS_DATA(labels), LABELS_SIZE(labels), TS_METRIC_NAME_LABEL,
					strlen(TS_METRIC_NAME_LABEL), &name))
		return;
	ts_error_set(&err, TS_ERR_INVALID, -1, "a series has no metric name");
	report(write, &err);
}

/* Finds the series that the reader is at; checks its labels when it is not known. */
static void
find_series(Write *write)
{
	TsString alias = series_alias(write);

	write->series_known = write_table_find_series(write->samples, alias);
	if (write->series_known)
		return;
	check_metric_name(write);
	write_table_set_series(write->samples, PointerGetDatum(write->labels), alias);
}

/* ---- samples ---- */

static void
put_sample(Write *write)
{
	WriteTable *table = write->samples;

	write_table_set(table, WRITE_TIME, timestamp_datum(write, write->item.time));
	if (write->item.start != 0)
		write_table_set(table, WRITE_START_TIME,
						timestamp_datum(write, write->item.start));
	else
		write_table_set_null(table, WRITE_START_TIME);
	write_table_put(table);
}

static void
put_float(Write *write)
{
	write_table_set(write->samples, WRITE_VALUE, Float8GetDatum(write->item.value));
	write_table_set_null(write->samples, WRITE_HISTOGRAM);
	put_sample(write);
	write->nsamples++;
}

static void
put_histogram(Write *write)
{
	const TsHistogram *h = &write->item.histogram;

	if (!write_table_has(write->samples, WRITE_HISTOGRAM))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("table \"%s\" has no column for histograms",
						get_rel_name(write->target)),
				 errhint("Add one: ALTER TABLE ... ADD COLUMN histogram histogram.")));
	ts_histogram_encode(h, reserve(&write->histogram, &write->histogram_room,
								   ts_histogram_encoded_size(h)));
	write_table_set_null(write->samples, WRITE_VALUE);
	write_table_set(write->samples, WRITE_HISTOGRAM, PointerGetDatum(write->histogram));
	put_sample(write);
	write->nhistograms++;
}

/* ---- tables beside the target ---- */

static Oid
owner_of_relation(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/*
 * The table of this name in the target's schema, or InvalidOid. The caller does not name
 * it, so it must not be anybody's who may create tables there: what is written would be
 * theirs to read, and their defaults and constraints would run as the caller.
 */
static Oid
table_beside(const Write *write, const char *name)
{
	Oid relid = get_relname_relid(name, write->schema);
	Oid owner = OidIsValid(relid) ? owner_of_relation(relid) : InvalidOid;

	if (!OidIsValid(owner) || (owner != owner_of_relation(write->target) &&
							   !pg_namespace_ownercheck(write->schema, owner)))
		return InvalidOid;
	return relid;
}

/* ---- exemplars ---- */

static void
open_exemplars(Write *write)
{
	Oid relid = table_beside(write, "exemplars");

	write->no_exemplars = !OidIsValid(relid) || !write_is_exemplars(relid);
	if (write->no_exemplars)
		return;
	write->exemplars = write_table_open(relid, true);
	write_table_set(write->exemplars, WRITE_RECEIVED,
					TimestampTzGetDatum(write->received));
}

static void
put_exemplar(Write *write)
{
	TsWriteExemplar *exemplar = &write->item.exemplar;
	struct varlena *labels = NULL;
	Size room = 0;

	encode_labels(write, exemplar->labels, exemplar->nlabels, &labels, &room);
	if (write->exemplars == NULL && !write->no_exemplars)
		open_exemplars(write);
	if (write->no_exemplars)
	{
		pfree(labels);
		return;
	}
	write_table_set(write->exemplars, WRITE_LABELS,
					PointerGetDatum(series_labels(write)));
	write_table_set(write->exemplars, WRITE_TIME,
					exemplar->time != 0 ? timestamp_datum(write, exemplar->time)
										: TimestampTzGetDatum(write->received));
	write_table_set(write->exemplars, WRITE_VALUE, Float8GetDatum(exemplar->value));
	write_table_set(write->exemplars, WRITE_EXEMPLAR, PointerGetDatum(labels));
	write_table_put(write->exemplars);
	pfree(labels);
	write->nexemplars++;
}

/* ---- metadata ---- */

static bool
cut_suffix(TsString *metric, const char *suffix)
{
	size_t len = strlen(suffix);

	if (metric->len <= len || memcmp(metric->data + metric->len - len, suffix, len) != 0)
		return false;
	metric->len -= len;
	return true;
}

/*
 * 2.0 says of each series what is true of its metric. The series of a classic histogram or
 * of a summary have names of their own; what is kept is said of what they are parts of.
 */
static TsString
metric_of_series(const Write *write, TsString name)
{
	const TsWriteSeries *series = &write->reader.series;
	const char *type = series->metadata.type;
	bool summary = strcmp(type, "summary") == 0;

	if (series->nhistograms > 0 || (!summary && strcmp(type, "histogram") != 0 &&
									strcmp(type, "gaugehistogram") != 0))
		return name;
	if (!cut_suffix(&name, "_sum") && !cut_suffix(&name, "_count") && !summary)
		(void) cut_suffix(&name, "_bucket");
	return name;
}

static void
end_metadata(Write *write)
{
	Oid relid = table_beside(write, "metadata");

	if (OidIsValid(relid) && write_is_metadata(relid))
		write_metadata_end(write->metadata, relid);
}

/* ---- requests ---- */

static void
put_series(Write *write)
{
	TsWriteSeries *series = &write->reader.series;
	TsWriteKind kind;
	TsError err;

	find_series(write);
	if (series->has_metadata)
		write_metadata_add(write->metadata,
						   metric_of_series(write, name_in_message(write)),
						   &series->metadata);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		check(write, ts_write_next_item(&write->reader, &kind, &write->item, &err), &err);
		if (kind == TS_WRITE_SAMPLE)
			put_float(write);
		else if (kind == TS_WRITE_HISTOGRAM)
			put_histogram(write);
		else if (kind == TS_WRITE_EXEMPLAR)
			put_exemplar(write);
		else
			break;
	}
}

static void
put_request(Write *write, TsWriteVersion version, const void *data, size_t size)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsWriteKind kind;
	TsError err;

	check(write, ts_write_open(&write->reader, version, data, size, &allocator, &err),
		  &err);
	write->samples = write_table_open(write->target, false);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		write->series_known = false;
		write->labels_encoded = false;
		check(write, ts_write_next(&write->reader, &kind, &err), &err);
		if (kind == TS_WRITE_SERIES)
			put_series(write);
		else if (kind == TS_WRITE_METADATA)
			write_metadata_add(write->metadata, write->reader.metadata.metric,
							   &write->reader.metadata);
		else
			break;
	}
	end_metadata(write);
	write_table_close(write->samples);
	if (write->exemplars != NULL)
		write_table_close(write->exemplars);
}

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
report_header(const TsError *err)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", err->message)));
}

static void
write_body(FunctionCallInfo fcinfo, Write *write)
{
	bytea *body = PG_GETARG_BYTEA_PP(0);
	TsString type = text_argument(fcinfo, 1);
	TsString coding = text_argument(fcinfo, 2);
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	TsWriteVersion version;
	TsWriteEncoding encoding;
	const void *data;
	size_t size;
	TsError err;

	if (ts_write_content_type(type.data, type.len, &version, &err) != TS_OK ||
		ts_write_content_encoding(coding.data, coding.len, &encoding, &err) != TS_OK)
		report_header(&err);
	check(write,
		  ts_write_decompress(encoding, VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body),
							  (size_t) max_size_kb * 1024, &allocator, &data, &size,
							  &err),
		  &err);
	put_request(write, version, data, size);
}

Datum
mytsdb_remote_write(PG_FUNCTION_ARGS)
{
	Write write = {0};
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

	write.target = PG_GETARG_OID(3);
	write.schema = get_rel_namespace(write.target);
	write.received = GetCurrentTransactionStartTimestamp();
	context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb remote write",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	write.metadata = write_metadata_begin((Size) max_size_kb * 1024);
	initStringInfo(&write.alias);
	write_body(fcinfo, &write);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);

	values[0] = Int64GetDatum(write.nsamples);
	values[1] = Int64GetDatum(write.nhistograms);
	values[2] = Int64GetDatum(write.nexemplars);
	PG_RETURN_DATUM(
		HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, isnull)));
}

static void
define_settings(void)
{
	DefineCustomIntVariable(
		"mytsdb.remote_write_max_size",
		"Sets the largest size of a remote write request when decompressed.",
		"Larger requests are refused before memory is taken for them.", &max_size_kb,
		64 * 1024, 64, 1024 * 1024, PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

const MytsdbModule remote_write_module = {
	.name = "mytsdb remote write",
	.define_settings = define_settings,
};
