/*
 * stats_message.c
 *	  All our figures as a request of remote write 1.0: what a Prometheus that scrapes
 *	  /metrics every now and then would send us.
 *
 * Series have the labels job="mytsdb" and instance besides their own; bounds of buckets
 * are written as Prometheus 3 writes them. Metadata comes with each request: it is small,
 * and what is known already is not written again.
 */
#include "postgres.h"

#include <snappy-c.h>

#include "lib/stringinfo.h"

#include "metrics_text.h"
#include "remote_read_wire.h"
#include "stats.h"
#include "ts_report.h"

/* Fields of WriteRequest, TimeSeries, Label, Sample and MetricMetadata. */
#define FIELD_SERIES          1
#define FIELD_METADATA        3
#define FIELD_SERIES_LABEL    1
#define FIELD_SERIES_SAMPLE   2
#define FIELD_LABEL_NAME      1
#define FIELD_LABEL_VALUE     2
#define FIELD_SAMPLE_VALUE    1
#define FIELD_SAMPLE_TIME     2
#define FIELD_METADATA_TYPE   1
#define FIELD_METADATA_FAMILY 2
#define FIELD_METADATA_HELP   4
#define FIELD_METADATA_UNIT   5

/* __name__, job, instance, le. */
#define OWN_LABELS 4

/* Embeds the sink, so a pointer to one is one to the other. */
typedef struct MessageSink
{
	MetricsSink sink;
	const char *instance;
	int64 ms;
	TsReadBytes out;
	StringInfoData name;
} MessageSink;

/* ---- messages ---- */

static void
put_text(TsReadBytes *out, uint32 field, const char *text)
{
	wire_field_bytes(out, field, text, strlen(text));
}

static void
put_label(TsReadBytes *out, const MetricsLabel *label)
{
	size_t begin = wire_begin_inner(out, FIELD_SERIES_LABEL);

	put_text(out, FIELD_LABEL_NAME, label->name);
	put_text(out, FIELD_LABEL_VALUE, label->value);
	wire_end_inner(out, begin);
}

static void
put_sample(TsReadBytes *out, double value, int64 ms)
{
	size_t begin = wire_begin_inner(out, FIELD_SERIES_SAMPLE);

	wire_field_double(out, FIELD_SAMPLE_VALUE, value);
	wire_field_varint(out, FIELD_SAMPLE_TIME, (uint64) ms);
	wire_end_inner(out, begin);
}

/* As remote write numbers them. */
static int
type_number(MetricsKind kind)
{
	switch (kind)
	{
		case METRICS_COUNTER:
			return 1;
		case METRICS_GAUGE:
			return 2;
		case METRICS_HISTOGRAM:
			return 3;
	}
	pg_unreachable();
}

static void
tell_metadata(MetricsSink *sink, const MetricsFamily *family)
{
	MessageSink *message = (MessageSink *) sink;
	TsReadBytes *out = &message->out;
	size_t begin;

	resetStringInfo(&message->name);
	appendStringInfo(&message->name, "%s%s", family->name,
					 family->kind == METRICS_COUNTER ? "_total" : "");
	begin = wire_begin_inner(out, FIELD_METADATA);
	wire_field_varint(out, FIELD_METADATA_TYPE, (uint64) type_number(family->kind));
	put_text(out, FIELD_METADATA_FAMILY, message->name.data);
	put_text(out, FIELD_METADATA_HELP, family->help);
	if (family->unit != NULL)
		put_text(out, FIELD_METADATA_UNIT, family->unit);
	wire_end_inner(out, begin);
}

static int
compare_labels(const void *a, const void *b)
{
	return strcmp(((const MetricsLabel *) a)->name, ((const MetricsLabel *) b)->name);
}

static void
tell_sample(MetricsSink *sink, const MetricsFamily *family, const MetricsSample *sample)
{
	MessageSink *message = (MessageSink *) sink;
	TsReadBytes *out = &message->out;
	MetricsLabel labels[METRICS_LABELS + OWN_LABELS];
	char bound[METRICS_NUMBER_SIZE];
	int count = 0;
	size_t begin;

	resetStringInfo(&message->name);
	appendStringInfo(&message->name, "%s%s", family->name, sample->suffix);
	labels[count++] = (MetricsLabel){"__name__", message->name.data};
	labels[count++] = (MetricsLabel){"job", "mytsdb"};
	labels[count++] = (MetricsLabel){"instance", message->instance};
	if (sample->bucket)
		labels[count++] = (MetricsLabel){"le",
										 metrics_number(bound, sample->bound, true)};
	for (int i = 0; i < sample->nlabels; i++)
		labels[count++] = sample->labels[i];
	qsort(labels, count, sizeof(MetricsLabel), compare_labels);

	begin = wire_begin_inner(out, FIELD_SERIES);
	for (int i = 0; i < count; i++)
		put_label(out, &labels[i]);
	put_sample(out, sample->value, message->ms);
	wire_end_inner(out, begin);
}

char *
stats_message(const char *instance, int64 ms, size_t *size)
{
	MessageSink message = {
		.sink = {tell_metadata, tell_sample}, .instance = instance, .ms = ms};
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	size_t room;
	char *compressed;

	Assert(ms >= 0);
	ts_read_bytes_init(&message.out, &allocator);
	initStringInfo(&message.name);
	stats_tell(&message.sink);
	stats_tell_processes(&message.sink);
	if (message.out.failed)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	room = snappy_max_compressed_length(message.out.size);
	compressed = palloc(room);
	/* cannot fail: there is room for the worst of all */
	(void) snappy_compress((const char *) message.out.data, message.out.size, compressed,
						   &room);
	*size = room;
	return compressed;
}
