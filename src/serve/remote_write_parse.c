/*
 * remote_write_parse.c
 *	  The first step of a request: all of it is read and looked at, and what is to be
 *	  written is collected.
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
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "labels_type.h"
#include "mytsdb.h"
#include "remote_write.h"
#include "ts_report.h"
#include "ts_series.h"

/* How many refusals are told. */
#define SHOWN_REFUSALS 5

/* Milliseconds since 1970 that are times of ours: the first, and the first beyond. */
#define EPOCH_MS \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) (SECS_PER_DAY * 1000))
#define FIRST_MS (MIN_TIMESTAMP / 1000 + EPOCH_MS)
#define END_MS   (END_TIMESTAMP / 1000 + EPOCH_MS)

#define VALUE_BIT     ((uint32) 1 << WRITE_VALUE)
#define HISTOGRAM_BIT ((uint32) 1 << WRITE_HISTOGRAM)
#define START_BIT     ((uint32) 1 << WRITE_START_TIME)
#define EXEMPLAR_BIT  ((uint32) 1 << WRITE_EXEMPLAR)
#define RECEIVED_BIT  ((uint32) 1 << WRITE_RECEIVED)

static int max_size_kb;

Size
write_max_size(void)
{
	return (Size) max_size_kb * 1024;
}

/*
 * Series are looked at some ahead of being read, so that what is known of them is on its
 * way from memory.
 */
#define AHEAD 16

typedef struct Ahead
{
	TsWriteKind kind;
	TsWritePlace place;
	TsFingerprint print;
	bool has_print; /* else asking for it says why */
} Ahead;

/* A message on its way. */
typedef struct Parse
{
	WriteRequest *request;
	TsWriteReader reader;
	TsWriteItem item;
	const void *secret;
	uint64 nseries;      /* that came so far */
	bool has_series;     /* something is being read of one, and ... */
	bool series_known;   /* ... it is known by its fingerprint, so its labels are right */
	bool labels_encoded; /* `labels` are those of the series */
	TsFingerprint print;
	struct varlena *labels;
	Size labels_room;
	struct varlena *exemplar; /* labels of the last exemplar */
	Size exemplar_room;
	Oid schema;        /* the target's: exemplars and metadata are beside it */
	bool no_exemplars; /* there is no such table */
} Parse;

/* ---- what is wrong ---- */

static struct varlena *series_labels(Parse *parse);

/* The series that is being read, for messages; NULL: its labels are not known, or wrong. */
static char *
shown_series(Parse *parse)
{
	struct varlena *labels;
	char *text;
	size_t size;

	if (!parse->has_series || (!parse->labels_encoded && !parse->series_known))
		return NULL;
	labels = series_labels(parse);
	size = labels_text_size(LABELS_DATA(labels), LABELS_SIZE(labels));
	text = palloc(size);
	labels_text_write(LABELS_DATA(labels), LABELS_SIZE(labels), text);
	return ts_shown_text(text, size);
}

static void
report(Parse *parse, int sqlstate, const char *message, const char *hint)
{
	char *series = shown_series(parse);

	ereport(ERROR, (errcode(sqlstate), errmsg("%s", message),
					series ? errdetail("The series is %s.", series) : 0,
					hint ? errhint("%s", hint) : 0));
}

static void
note_refusal(Parse *parse, const char *message)
{
	WriteRefusals *refused = &parse->request->refused;
	char *series;

	refused->count++;
	if (refused->shown == SHOWN_REFUSALS)
		return;
	refused->shown++;
	if (refused->text.data == NULL)
		initStringInfo(&refused->text);
	series = shown_series(parse);
	if (parse->has_series)
		appendStringInfo(&refused->text,
						 "series " UINT64_FORMAT "%s%s%s: ", parse->nseries,
						 series ? " (" : "", series ? series : "", series ? ")" : "");
	appendStringInfo(&refused->text, "%s\n", message);
}

/* Something is not allowed; `what` counts how much is lost by it. */
static void
refuse(Parse *parse, int64 *what, int64 n, int sqlstate, const char *message,
	   const char *hint)
{
	if (!parse->request->partial)
		report(parse, sqlstate, message, hint);
	*what += n;
	note_refusal(parse, message);
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

static const char *
message_of(const TsError *err)
{
	return err->code == TS_ERR_LIMIT
			   ? err->message
			   : psprintf("invalid remote write request: %s", err->message);
}

/*
 * Whether all is well. Damage and lack of memory are errors in any case, as what follows
 * cannot be read; else a part of the request is refused.
 */
static bool
accept(Parse *parse, TsErrorCode code, const TsError *err, int64 *what, int64 n)
{
	if (likely(code == TS_OK))
		return true;
	if (code == TS_ERR_MEMORY)
		ts_report_limit(err);
	if (code == TS_ERR_SYNTAX)
		report(parse, sqlstate_of(err), message_of(err), NULL);
	refuse(parse, what, n, sqlstate_of(err), message_of(err), NULL);
	return false;
}

/* The same for what the whole request is lost by. */
static void
check(Parse *parse, TsErrorCode code, const TsError *err)
{
	if (likely(code == TS_OK))
		return;
	if (code == TS_ERR_MEMORY)
		ts_report_limit(err);
	report(parse, sqlstate_of(err), message_of(err), NULL);
}

/* ---- values ---- */

/* Milliseconds since 1970 to ours; false, and refused, when that is no time. */
static bool
accept_time(Parse *parse, int64 milliseconds, int64 *what, TimestampTz *time)
{
	if (likely(milliseconds >= FIRST_MS && milliseconds < END_MS))
	{
		*time = (milliseconds - EPOCH_MS) * 1000;
		return true;
	}
	refuse(
		parse, what, 1, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE,
		psprintf("timestamp out of range: %lld ms since 1970", (long long) milliseconds),
		NULL);
	return false;
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

/* Reads the labels, and makes them a value; the same memory for all series. */
static TsErrorCode
encode_series(Parse *parse, TsError *err)
{
	TsWriteReader *reader = &parse->reader;
	TsErrorCode code = ts_write_read_labels(reader, err);

	if (code == TS_OK)
		code = encode_labels(reader->at.series.labels, reader->at.series.nlabels,
							 &parse->labels, &parse->labels_room, err);
	parse->labels_encoded = code == TS_OK;
	return code;
}

/* Those of a series that has been accepted. */
static struct varlena *
series_labels(Parse *parse)
{
	TsError err;

	if (!parse->labels_encoded && encode_series(parse, &err) != TS_OK)
		elog(ERROR, "the labels of a series were right before: %s", err.message);
	return parse->labels;
}

/* Of a series that has been accepted: as it lies in the message. */
static TsString
metric_name(Parse *parse)
{
	const TsWriteSeries *series = &parse->reader.at.series;
	TsError err;

	if (ts_write_read_labels(&parse->reader, &err) == TS_OK)
	{
		for (uint32 i = 0; i < series->nlabels; i++)
		{
			if (ts_string_is(series->labels[i].name, TS_METRIC_NAME_LABEL))
				return series->labels[i].value;
		}
	}
	elog(ERROR, "a series has lost its metric name");
}

static TsErrorCode
check_metric_name(const Parse *parse, TsError *err)
{
	TsString name;

	if (labels_find(LABELS_DATA(parse->labels), LABELS_SIZE(parse->labels),
					TS_METRIC_NAME_LABEL, strlen(TS_METRIC_NAME_LABEL), &name))
		return TS_OK;
	return ts_error_set(err, TS_ERR_INVALID, -1, "a series has no metric name");
}

/* What is lost when a series is refused. */
static bool
accept_of_series(Parse *parse, TsErrorCode code, const TsError *err)
{
	const TsWriteSeries *series = &parse->reader.at.series;
	WriteRefusals *refused = &parse->request->refused;

	if (likely(code == TS_OK))
		return true;
	refused->others += series->nexemplars;
	return accept(parse, code, err, &refused->samples,
				  series->nsamples + series->nhistograms);
}

/*
 * The rows that follow are of the series that the reader is at. Only when it is not known
 * its labels are looked at.
 */
static bool
accept_series(Parse *parse, const Ahead *ahead)
{
	WriteRows *rows = &parse->request->samples;
	TsErrorCode code;
	TsError err;

	if (!ahead->has_print)
	{
		code = ts_write_fingerprint(&parse->reader, parse->secret, &parse->print, &err);
		return accept_of_series(parse, code, &err);
	}
	parse->print = ahead->print;
	parse->series_known = write_rows_find_series(rows, parse->print);
	if (parse->series_known)
		return true;
	code = encode_series(parse, &err);
	if (code == TS_OK)
		code = check_metric_name(parse, &err);
	if (code == TS_OK && !write_rows_set_series(rows, parse->labels, parse->print))
		code = ts_error_set(&err, TS_ERR_LIMIT, -1,
							"series key of table \"%s\" is longer than %d bytes",
							RelationGetRelationName(rows->rel), TS_MAX_KEY_SIZE);
	return accept_of_series(parse, code, &err);
}

/* ---- samples ---- */

static void
put_sample(Parse *parse, Datum *values, uint32 columns, int64 *count)
{
	WriteRequest *request = parse->request;
	int64 *lost = &request->refused.samples;
	TimestampTz time;
	TimestampTz start;

	if (!accept_time(parse, parse->item.time, lost, &time))
		return;
	if (parse->item.start != 0 &&
		write_target_has(&request->samples.target, WRITE_START_TIME))
	{
		if (!accept_time(parse, parse->item.start, lost, &start))
			return;
		values[WRITE_START_TIME] = TimestampTzGetDatum(start);
		columns |= START_BIT;
	}
	write_rows_put(&request->samples, time, values, columns);
	(*count)++;
}

/* Samples as they mostly are, many at once. */
static void
put_usual_samples(Parse *parse)
{
	WriteRequest *request = parse->request;
	int64 times[WRITE_ROWS_AT_ONCE];
	double values[WRITE_ROWS_AT_ONCE];
	size_t count;

	do
	{
		uint32 good = 0;

		count = ts_write_next_samples(&parse->reader, times, values, WRITE_ROWS_AT_ONCE);
		for (size_t i = 0; i < count; i++)
		{
			values[good] = values[i];
			if (accept_time(parse, times[i], &request->refused.samples, &times[good]))
				good++;
		}
		write_rows_put_values(&request->samples, times, values, good);
		request->nsamples += good;
	} while (count == WRITE_ROWS_AT_ONCE);
}

static void
put_float(Parse *parse)
{
	Datum values[WRITE_COLUMNS];

	values[WRITE_VALUE] = Float8GetDatum(parse->item.value);
	put_sample(parse, values, VALUE_BIT, &parse->request->nsamples);
}

static void
put_histogram(Parse *parse)
{
	WriteRequest *request = parse->request;
	const TsHistogram *h = &parse->item.histogram;
	Datum values[WRITE_COLUMNS];
	struct varlena *histogram;
	Size size;

	if (!write_target_has(&request->samples.target, WRITE_HISTOGRAM))
	{
		refuse(parse, &request->refused.samples, 1, ERRCODE_DATATYPE_MISMATCH,
			   psprintf("table \"%s\" has no column for histograms",
						get_rel_name(request->target)),
			   "Add one: ALTER TABLE ... ADD COLUMN histogram histogram.");
		return;
	}
	size = VARHDRSZ + ts_histogram_encoded_size(h);
	histogram = write_rows_alloc(&request->samples, size);
	SET_VARSIZE(histogram, size);
	ts_histogram_encode(h, VARDATA(histogram));
	values[WRITE_HISTOGRAM] = PointerGetDatum(histogram);
	put_sample(parse, values, HISTOGRAM_BIT, &request->nhistograms);
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
table_beside(const Parse *parse, const char *name)
{
	Oid relid = get_relname_relid(name, parse->schema);
	Oid owner = OidIsValid(relid) ? owner_of_relation(relid) : InvalidOid;

	if (!OidIsValid(owner) || (owner != owner_of_relation(parse->request->target) &&
							   !pg_namespace_ownercheck(parse->schema, owner)))
		return InvalidOid;
	return relid;
}

/* ---- exemplars ---- */

/* Whether there is a table for them. */
static bool
open_exemplars(Parse *parse)
{
	WriteRequest *request = parse->request;
	Oid relid;

	if (request->has_exemplars || parse->no_exemplars)
		return request->has_exemplars;
	relid = table_beside(parse, "exemplars");
	parse->no_exemplars = !OidIsValid(relid) || !write_is_exemplars(relid);
	if (parse->no_exemplars)
		return false;
	write_rows_begin(&request->exemplars, relid, true);
	request->has_exemplars = true;
	return true;
}

static void
put_exemplar(Parse *parse)
{
	const TsWriteExemplar *exemplar = &parse->item.exemplar;
	WriteRequest *request = parse->request;
	WriteRows *rows = &request->exemplars;
	int64 *lost = &request->refused.others;
	struct varlena *labels;
	Datum values[WRITE_COLUMNS];
	uint32 columns = VALUE_BIT | EXEMPLAR_BIT;
	TimestampTz time = request->received;
	TsError err;
	TsErrorCode code = encode_labels(exemplar->labels, exemplar->nlabels,
									 &parse->exemplar, &parse->exemplar_room, &err);

	if (!accept(parse, code, &err, lost, 1) || !open_exemplars(parse))
		return;
	if (exemplar->time != 0 && !accept_time(parse, exemplar->time, lost, &time))
		return;
	if (!write_rows_find_series(rows, parse->print) &&
		!write_rows_set_series(rows, series_labels(parse), parse->print))
		elog(ERROR, "the labels of a series were short enough before");
	labels = write_rows_alloc(rows, VARSIZE(parse->exemplar));
	memcpy(labels, parse->exemplar, VARSIZE(parse->exemplar));
	values[WRITE_VALUE] = Float8GetDatum(exemplar->value);
	values[WRITE_EXEMPLAR] = PointerGetDatum(labels);
	if (write_target_has(&rows->target, WRITE_RECEIVED))
	{
		values[WRITE_RECEIVED] = TimestampTzGetDatum(request->received);
		columns |= RECEIVED_BIT;
	}
	write_rows_put(rows, time, values, columns);
	request->nexemplars++;
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
metric_of_series(const Parse *parse, TsString name)
{
	const char *type = parse->reader.metadata.type;
	bool summary = strcmp(type, "summary") == 0;

	if (parse->reader.at.series.nhistograms > 0 ||
		(!summary && strcmp(type, "histogram") != 0 &&
		 strcmp(type, "gaugehistogram") != 0))
		return name;
	if (!cut_suffix(&name, "_sum") && !cut_suffix(&name, "_count") && !summary)
		(void) cut_suffix(&name, "_bucket");
	return name;
}

static bool
accept_metadata(Parse *parse)
{
	TsError err;
	TsErrorCode code = ts_write_read_metadata(&parse->reader, &err);

	return accept(parse, code, &err, &parse->request->refused.others, 1);
}

static void
put_metadata_of_series(Parse *parse)
{
	const TsWriteMetadata *metadata = &parse->reader.metadata;
	WriteRequest *request = parse->request;
	WriteSaid said = {.series = parse->print};
	TsError err;
	bool remember = request->remember &&
					ts_write_metadata_fingerprint(&parse->reader, parse->secret,
												  &said.metadata, &err) == TS_OK;

	if ((remember && write_known_metadata(request->target, &said)) ||
		!accept_metadata(parse))
		return;
	if (remember)
		write_add_known(&request->known, request->target, &said);
	if (strcmp(metadata->type, "unknown") != 0 || metadata->help.len > 0 ||
		metadata->unit.len > 0)
		write_metadata_add(request->metadata, metric_of_series(parse, metric_name(parse)),
						   metadata);
}

static void
put_metadata(Parse *parse)
{
	if (accept_metadata(parse))
		write_metadata_add(parse->request->metadata, parse->reader.metadata.metric,
						   &parse->reader.metadata);
}

static void
end_metadata(Parse *parse)
{
	WriteRequest *request = parse->request;
	Oid relid;

	if (write_metadata_count(request->metadata) == 0)
		return;
	relid = table_beside(parse, "metadata");
	if (!OidIsValid(relid) || !write_is_metadata(relid))
		return;
	write_metadata_check(relid);
	request->metadata_table = relid;
}

/* ---- requests ---- */

static void
put_series(Parse *parse, const Ahead *ahead)
{
	TsWriteKind kind = TS_WRITE_END;
	TsErrorCode code;
	TsError err;
	bool wanted;

	parse->series_known = false;
	parse->labels_encoded = false;
	parse->has_series = true;
	parse->nseries++;
	wanted = accept_series(parse, ahead);
	if (wanted && parse->reader.at.series.has_metadata)
		put_metadata_of_series(parse);
	while (wanted)
	{
		put_usual_samples(parse);
		code = ts_write_next_item(&parse->reader, &kind, &parse->item, &err);
		if (!accept(parse, code, &err,
					kind == TS_WRITE_EXEMPLAR ? &parse->request->refused.others
											  : &parse->request->refused.samples,
					1))
			continue;
		if (kind == TS_WRITE_SAMPLE)
			put_float(parse);
		else if (kind == TS_WRITE_HISTOGRAM)
			put_histogram(parse);
		else if (kind == TS_WRITE_EXEMPLAR)
			put_exemplar(parse);
		else
			break;
	}
	parse->has_series = false;
}

/* Looks at the next few series; returns how many things there are, the last may be the end. */
static int
look_ahead(Parse *parse, Ahead *ahead)
{
	TsWriteReader *reader = &parse->reader;
	TsError err;
	int n = 0;

	do
	{
		Ahead *next = &ahead[n];

		check(parse, ts_write_next(reader, &next->kind, &err), &err);
		next->place = reader->at;
		if (next->kind != TS_WRITE_SERIES)
			continue;
		next->has_print = ts_write_fingerprint(reader, parse->secret, &next->print,
											   &err) == TS_OK;
		if (next->has_print)
			write_rows_will_find(&parse->request->samples, next->print);
	} while (ahead[n++].kind != TS_WRITE_END && n < AHEAD);
	return n;
}

static void
parse_message(Parse *parse)
{
	Ahead ahead[AHEAD];
	int n;

	do
	{
		CHECK_FOR_INTERRUPTS();
		n = look_ahead(parse, ahead);
		for (int i = 0; i < n; i++)
		{
			parse->reader.at = ahead[i].place;
			if (ahead[i].kind == TS_WRITE_SERIES)
				put_series(parse, &ahead[i]);
			else if (ahead[i].kind == TS_WRITE_METADATA)
				put_metadata(parse);
		}
	} while (ahead[n - 1].kind != TS_WRITE_END);
}

void
write_parse(WriteRequest *request, TsWriteVersion version, const void *data, size_t size)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	Parse parse = {.request = request, .secret = ts_series_secret()};
	TsError err;

	StaticAssertStmt(TS_WRITE_SECRET == TS_FINGERPRINT_SECRET, "one secret for all");
	parse.schema = get_rel_namespace(request->target);
	request->metadata = write_metadata_begin(write_max_size());
	check(&parse, ts_write_open(&parse.reader, version, data, size, &allocator, &err),
		  &err);
	write_rows_begin(&request->samples, request->target, false);
	parse_message(&parse);
	end_metadata(&parse);
	write_rows_end(&request->samples);
	if (request->has_exemplars)
		write_rows_end(&request->exemplars);
	ts_write_close(&parse.reader);
}

void
write_apply(const WriteRequest *request, bool bulk)
{
	write_rows_apply(&request->samples, bulk);
	if (request->has_exemplars)
		write_rows_apply(&request->exemplars, bulk);
	if (OidIsValid(request->metadata_table))
		write_metadata_apply(request->metadata, request->metadata_table);
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
