/*
 * remote_write_collect.c
 *	  What collects a request, whichever protocol it came by.
 *
 * SQLSTATEs: 22P03 bytes that are no such message; 22000 labels, histograms or metadata
 * that are not allowed; 22008 a time that is none; 54000 a limit.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "labels_type.h"
#include "otlp.h"
#include "remote_write_collect.h"
#include "ts_report.h"
#include "ts_series.h"

/* How many refusals are told. */
#define SHOWN_REFUSALS 5

#define VALUE_BIT     ((uint32) 1 << WRITE_VALUE)
#define HISTOGRAM_BIT ((uint32) 1 << WRITE_HISTOGRAM)
#define START_BIT     ((uint32) 1 << WRITE_START_TIME)
#define EXEMPLAR_BIT  ((uint32) 1 << WRITE_EXEMPLAR)
#define RECEIVED_BIT  ((uint32) 1 << WRITE_RECEIVED)

/* ---- what is wrong ---- */

static struct varlena *series_labels(WriteCollector *collector);

/* The series that is being read, for messages; NULL: its labels are not known, or wrong. */
static char *
shown_series(WriteCollector *collector)
{
	struct varlena *labels;
	char *text;
	size_t size;

	if (!collector->has_series ||
		(!collector->labels_encoded && !collector->series_known))
		return NULL;
	labels = series_labels(collector);
	size = labels_text_size(LABELS_DATA(labels), LABELS_SIZE(labels));
	text = palloc(size);
	labels_text_write(LABELS_DATA(labels), LABELS_SIZE(labels), text);
	return ts_shown_text(text, size);
}

static void
report(WriteCollector *collector, int sqlstate, const char *message, const char *hint)
{
	char *series = shown_series(collector);

	ereport(ERROR, (errcode(sqlstate), errmsg("%s", message),
					series ? errdetail("The series is %s.", series) : 0,
					hint ? errhint("%s", hint) : 0));
}

static void
note_refusal(WriteCollector *collector, const char *message)
{
	WriteRefusals *refused = &collector->request->refused;
	char *series;

	refused->count++;
	if (refused->shown == SHOWN_REFUSALS)
		return;
	refused->shown++;
	if (refused->text.data == NULL)
		initStringInfo(&refused->text);
	series = shown_series(collector);
	if (collector->has_series && collector->nseries > 0)
		appendStringInfo(&refused->text,
						 "series " UINT64_FORMAT "%s%s%s: ", collector->nseries,
						 series ? " (" : "", series ? series : "", series ? ")" : "");
	else if (series != NULL)
		appendStringInfo(&refused->text, "series %s: ", series);
	appendStringInfo(&refused->text, "%s\n", message);
}

void
write_refuse(WriteCollector *collector, int64 *what, int64 n, int sqlstate,
			 const char *message, const char *hint)
{
	if (!collector->request->partial)
		report(collector, sqlstate, message, hint);
	*what += n;
	note_refusal(collector, message);
}

static int
sqlstate_of(const TsError *err)
{
	switch (err->code)
	{
		case TS_ERR_SYNTAX:
			return ERRCODE_INVALID_BINARY_REPRESENTATION;
		case TS_ERR_LIMIT:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		default:
			return ERRCODE_DATA_EXCEPTION;
	}
}

static char *
message_of(const WriteCollector *collector, const TsError *err)
{
	return err->code == TS_ERR_LIMIT
			   ? pstrdup(err->message)
			   : psprintf("invalid %s: %s", collector->what, err->message);
}

/*
 * Damage and lack of memory are errors in any case, as what follows cannot be read; else a
 * part of the request is refused.
 */
bool
write_accept_slowly(WriteCollector *collector, TsErrorCode code, const TsError *err,
					int64 *what, int64 n)
{
	char *message;

	Assert(code != TS_OK);
	if (code == TS_ERR_MEMORY)
		ts_report_limit(err);
	if (code == TS_ERR_SYNTAX)
		report(collector, sqlstate_of(err), message_of(collector, err), NULL);
	/* A request may have millions of them. */
	message = message_of(collector, err);
	write_refuse(collector, what, n, sqlstate_of(err), message, NULL);
	pfree(message);
	return false;
}

void
write_check(WriteCollector *collector, TsErrorCode code, const TsError *err)
{
	if (likely(code == TS_OK))
		return;
	if (code == TS_ERR_MEMORY)
		ts_report_limit(err);
	report(collector, sqlstate_of(err), message_of(collector, err), NULL);
}

/* ---- values ---- */

void
write_refuse_time(WriteCollector *collector, int64 milliseconds, int64 *what)
{
	char *message = psprintf("timestamp out of range: %lld ms since 1970",
							 (long long) milliseconds);

	write_refuse(collector, what, 1, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, message, NULL);
	pfree(message);
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

static TsErrorCode
encode_labels(LabelsPair *pairs, uint32 count, struct varlena **value, Size *room,
			  TsError *err)
{
	size_t size;
	TsErrorCode code = labels_normalize(pairs, &count, &size, err);

	if (code == TS_OK)
		labels_encode(pairs, count, reserve(value, room, size));
	return code;
}

/* ---- series ---- */

/* Asks for the labels, and makes them a value; the same memory for all series. */
static TsErrorCode
encode_series(WriteCollector *collector, TsError *err)
{
	LabelsPair *pairs;
	uint32 npairs;
	TsErrorCode code = collector->read_labels(collector, &pairs, &npairs, err);

	if (code == TS_OK)
		code = encode_labels(pairs, npairs, &collector->labels, &collector->labels_room,
							 err);
	collector->labels_encoded = code == TS_OK;
	return code;
}

/* Those of a series that has been accepted. */
static struct varlena *
series_labels(WriteCollector *collector)
{
	TsError err;

	if (!collector->labels_encoded && encode_series(collector, &err) != TS_OK)
		elog(ERROR, "the labels of a series were right before: %s", err.message);
	return collector->labels;
}

static TsErrorCode
check_metric_name(const WriteCollector *collector, TsError *err)
{
	TsString name;

	if (labels_find(LABELS_DATA(collector->labels), LABELS_SIZE(collector->labels),
					TS_METRIC_NAME_LABEL, strlen(TS_METRIC_NAME_LABEL), &name))
		return TS_OK;
	return ts_error_set(err, TS_ERR_INVALID, -1, "a series has no metric name");
}

TsErrorCode
write_set_series(WriteCollector *collector, TsFingerprint print, TsError *err)
{
	WriteRows *rows = &collector->request->samples;
	TsErrorCode code;

	collector->print = print;
	collector->series_known = write_rows_find_series(rows, print);
	if (collector->series_known)
		return TS_OK;
	code = encode_series(collector, err);
	if (code == TS_OK)
		code = check_metric_name(collector, err);
	if (code == TS_OK && !write_rows_set_series(rows, collector->labels, print))
		code = ts_error_set(err, TS_ERR_LIMIT, -1,
							"series key of table \"%s\" is longer than %d bytes",
							RelationGetRelationName(rows->rel), TS_MAX_KEY_SIZE);
	return code;
}

/* ---- samples ---- */

static bool
put_row(WriteCollector *collector, int64 milliseconds, int64 start_ms, Datum *values,
		uint32 columns, int64 *count)
{
	WriteRequest *request = collector->request;
	int64 *lost = &request->refused.samples;
	TimestampTz time;
	TimestampTz start;

	if (!write_accept_time(collector, milliseconds, lost, &time))
		return false;
	if (start_ms != 0 && write_target_has(&request->samples.target, WRITE_START_TIME))
	{
		if (!write_accept_time(collector, start_ms, lost, &start))
			return false;
		values[WRITE_START_TIME] = TimestampTzGetDatum(start);
		columns |= START_BIT;
	}
	write_rows_put(&request->samples, time, values, columns);
	(*count)++;
	return true;
}

bool
write_put_sample(WriteCollector *collector, int64 time, int64 start, double value)
{
	Datum values[WRITE_COLUMNS];

	values[WRITE_VALUE] = Float8GetDatum(value);
	return put_row(collector, time, start, values, VALUE_BIT,
				   &collector->request->nsamples);
}

bool
write_put_histogram(WriteCollector *collector, int64 time, int64 start,
					const TsHistogram *histogram)
{
	WriteRequest *request = collector->request;
	Datum values[WRITE_COLUMNS];
	struct varlena *encoded;
	Size size;

	if (!write_target_has(&request->samples.target, WRITE_HISTOGRAM))
	{
		char *message = psprintf("table \"%s\" has no column for histograms",
								 RelationGetRelationName(request->samples.rel));

		write_refuse(collector, &request->refused.samples, 1, ERRCODE_DATATYPE_MISMATCH,
					 message, "Add one: ALTER TABLE ... ADD COLUMN histogram histogram.");
		pfree(message);
		return false;
	}
	size = VARHDRSZ + ts_histogram_encoded_size(histogram);
	encoded = write_rows_alloc(&request->samples, size);
	SET_VARSIZE(encoded, size);
	ts_histogram_encode(histogram, VARDATA(encoded));
	values[WRITE_HISTOGRAM] = PointerGetDatum(encoded);
	return put_row(collector, time, start, values, HISTOGRAM_BIT, &request->nhistograms);
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
table_beside(const WriteCollector *collector, const char *name)
{
	Oid relid = get_relname_relid(name, collector->schema);
	Oid owner = OidIsValid(relid) ? owner_of_relation(relid) : InvalidOid;

	if (!OidIsValid(owner) || (owner != owner_of_relation(collector->request->target) &&
							   !pg_namespace_ownercheck(collector->schema, owner)))
		return InvalidOid;
	return relid;
}

/* ---- exemplars ---- */

bool
write_wants_exemplars(WriteCollector *collector)
{
	WriteRequest *request = collector->request;
	Oid relid;

	if (request->has_exemplars || collector->no_exemplars)
		return request->has_exemplars;
	relid = table_beside(collector, "exemplars");
	collector->no_exemplars = !OidIsValid(relid) || !write_is_exemplars(relid);
	if (collector->no_exemplars)
		return false;
	write_rows_begin(&request->exemplars, relid, true);
	request->has_exemplars = true;
	return true;
}

void
write_put_exemplar(WriteCollector *collector, int64 milliseconds, double value,
				   LabelsPair *pairs, uint32 npairs)
{
	WriteRequest *request = collector->request;
	WriteRows *rows = &request->exemplars;
	int64 *lost = &request->refused.others;
	struct varlena *labels;
	Datum values[WRITE_COLUMNS];
	uint32 columns = VALUE_BIT | EXEMPLAR_BIT;
	TimestampTz time = request->received;
	TsError err;
	TsErrorCode code = encode_labels(pairs, npairs, &collector->exemplar,
									 &collector->exemplar_room, &err);

	if (!write_accept(collector, code, &err, lost, 1) ||
		!write_wants_exemplars(collector))
		return;
	if (milliseconds != 0 && !write_accept_time(collector, milliseconds, lost, &time))
		return;
	if (!write_rows_find_series(rows, collector->print) &&
		!write_rows_set_series(rows, series_labels(collector), collector->print))
		elog(ERROR, "the labels of a series were short enough before");
	labels = write_rows_alloc(rows, VARSIZE(collector->exemplar));
	memcpy(labels, collector->exemplar, VARSIZE(collector->exemplar));
	values[WRITE_VALUE] = Float8GetDatum(value);
	values[WRITE_EXEMPLAR] = PointerGetDatum(labels);
	if (write_target_has(&rows->target, WRITE_RECEIVED))
	{
		values[WRITE_RECEIVED] = TimestampTzGetDatum(request->received);
		columns |= RECEIVED_BIT;
	}
	write_rows_put(rows, time, values, columns);
	request->nexemplars++;
}

/* ---- requests ---- */

static void
end_metadata(WriteCollector *collector)
{
	WriteRequest *request = collector->request;
	Oid relid;

	if (write_metadata_count(request->metadata) == 0)
		return;
	relid = table_beside(collector, "metadata");
	if (!OidIsValid(relid) || !write_is_metadata(relid))
		return;
	write_metadata_check(relid);
	request->metadata_table = relid;
}

void
write_collect_begin(WriteCollector *collector)
{
	WriteRequest *request = collector->request;

	Assert(collector->what != NULL && collector->read_labels != NULL);
	collector->schema = get_rel_namespace(request->target);
	request->metadata = write_metadata_begin(write_max_size());
	write_rows_begin(&request->samples, request->target, false);
}

void
write_collect_end(WriteCollector *collector)
{
	WriteRequest *request = collector->request;

	end_metadata(collector);
	write_rows_end(&request->samples);
	if (request->has_exemplars)
		write_rows_end(&request->exemplars);
}

void
write_apply(const WriteRequest *request, bool bulk)
{
	write_rows_apply(&request->samples, bulk);
	if (request->has_exemplars)
		write_rows_apply(&request->exemplars, bulk);
	if (OidIsValid(request->metadata_table))
		write_metadata_apply(request->metadata, request->metadata_table);
	if (request->deltas != NULL)
		otlp_deltas_apply(request->deltas);
}
