/*
 * remote_write_parse.c
 *	  The first step of a request of remote write: all of it is read, and what is to be
 *	  written is collected (remote_write_collect.h).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "mytsdb.h"
#include "remote_write_collect.h"
#include "ts_report.h"
#include "ts_series.h"

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
	WriteCollector collector; /* the first, so a pointer to it is one to this */
	TsWriteReader reader;
	TsWriteItem item;
	const void *secret;
} Parse;

/* ---- series ---- */

static TsErrorCode
read_labels(WriteCollector *collector, LabelsPair **pairs, uint32 *npairs, TsError *err)
{
	TsWriteReader *reader = &((Parse *) collector)->reader;
	TsErrorCode code = ts_write_read_labels(reader, err);

	*pairs = reader->at.series.labels;
	*npairs = reader->at.series.nlabels;
	return code;
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

/* The rows that follow are of the series that the reader is at, if it is accepted. */
static bool
accept_series(Parse *parse, const Ahead *ahead)
{
	const TsWriteSeries *series = &parse->reader.at.series;
	WriteRefusals *refused = &parse->collector.request->refused;
	TsFingerprint print;
	TsError err;
	TsErrorCode code = ahead->has_print
						   ? write_set_series(&parse->collector, ahead->print, &err)
						   : ts_write_fingerprint(&parse->reader, parse->secret, &print,
												  &err);

	if (likely(code == TS_OK))
		return true;
	refused->others += series->nexemplars;
	return write_accept(&parse->collector, code, &err, &refused->samples,
						series->nsamples + series->nhistograms);
}

/* ---- samples ---- */

/* Samples as they mostly are, many at once. */
static void
put_usual_samples(Parse *parse)
{
	WriteCollector *collector = &parse->collector;
	WriteRequest *request = collector->request;
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
			if (write_accept_time(collector, times[i], &request->refused.samples,
								  &times[good]))
				good++;
		}
		write_rows_put_values(&request->samples, times, values, good);
		request->nsamples += good;
	} while (count == WRITE_ROWS_AT_ONCE);
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

	return write_accept(&parse->collector, code, &err,
						&parse->collector.request->refused.others, 1);
}

static void
put_metadata_of_series(Parse *parse)
{
	const TsWriteMetadata *metadata = &parse->reader.metadata;
	WriteRequest *request = parse->collector.request;
	WriteSaid said = {.series = parse->collector.print};
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
		write_metadata_add(parse->collector.request->metadata,
						   parse->reader.metadata.metric, &parse->reader.metadata);
}

/* ---- requests ---- */

static void
put_series(Parse *parse, const Ahead *ahead)
{
	WriteCollector *collector = &parse->collector;
	WriteRefusals *refused = &collector->request->refused;
	const TsWriteItem *item = &parse->item;
	TsWriteKind kind = TS_WRITE_END;
	TsErrorCode code;
	TsError err;
	bool wanted;

	write_no_series(collector);
	collector->has_series = true;
	collector->nseries++;
	wanted = accept_series(parse, ahead);
	if (wanted && parse->reader.at.series.has_metadata)
		put_metadata_of_series(parse);
	while (wanted)
	{
		put_usual_samples(parse);
		code = ts_write_next_item(&parse->reader, &kind, &parse->item, &err);
		if (!write_accept(
				collector, code, &err,
				kind == TS_WRITE_EXEMPLAR ? &refused->others : &refused->samples, 1))
			continue;
		if (kind == TS_WRITE_SAMPLE)
			(void) write_put_sample(collector, item->time, item->start, item->value);
		else if (kind == TS_WRITE_HISTOGRAM)
			(void) write_put_histogram(collector, item->time, item->start,
									   &item->histogram);
		else if (kind == TS_WRITE_EXEMPLAR)
			write_put_exemplar(collector, item->exemplar.time, item->exemplar.value,
							   item->exemplar.labels, item->exemplar.nlabels);
		else
			break;
	}
	write_no_series(collector);
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

		write_check(&parse->collector, ts_write_next(reader, &next->kind, &err), &err);
		next->place = reader->at;
		if (next->kind != TS_WRITE_SERIES)
			continue;
		next->has_print = ts_write_fingerprint(reader, parse->secret, &next->print,
											   &err) == TS_OK;
		if (next->has_print)
			write_rows_will_find(&parse->collector.request->samples, next->print);
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
	Parse parse = {.collector = {.request = request,
								 .what = "remote write request",
								 .read_labels = read_labels},
				   .secret = ts_series_secret()};
	TsError err;

	StaticAssertStmt(TS_WRITE_SECRET == TS_FINGERPRINT_SECRET, "one secret for all");
	write_check(&parse.collector,
				ts_write_open(&parse.reader, version, data, size, &allocator, &err),
				&err);
	write_collect_begin(&parse.collector);
	parse_message(&parse);
	write_collect_end(&parse.collector);
	ts_write_close(&parse.reader);
}

static void
define_settings(void)
{
	DefineCustomIntVariable(
		"mytsdb.remote_write_max_size",
		"Sets the largest size of a remote write or OTLP request when decompressed.",
		"Larger requests are refused before memory is taken for them.", &max_size_kb,
		64 * 1024, 64, 1024 * 1024, PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

const MytsdbModule remote_write_module = {
	.name = "mytsdb remote write",
	.define_settings = define_settings,
};
