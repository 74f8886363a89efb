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

#include "metrics_text.h"
#include "port/pg_bswap.h"
#include "stats.h"

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

#define WIRE_VARINT 0
#define WIRE_FIXED8 1
#define WIRE_BYTES  2

/* __name__, job, instance, le. */
#define OWN_LABELS 4

/* Embeds the sink, so a pointer to one is one to the other. */
typedef struct MessageSink
{
	MetricsSink sink;
	const char *instance;
	int64 ms;
	StringInfoData out;
	StringInfoData part; /* of out, being made */
	StringInfoData name;
} MessageSink;

/* ---- the wire ---- */

static void
put_varint(StringInfo out, uint64 value)
{
	while (value >= 0x80)
	{
		appendStringInfoChar(out, (char) (value | 0x80));
		value >>= 7;
	}
	appendStringInfoChar(out, (char) value);
}

static void
put_tag(StringInfo out, int field, int wire)
{
	put_varint(out, (uint64) field << 3 | (uint64) wire);
}

static void
put_bytes(StringInfo out, int field, const char *data, size_t len)
{
	put_tag(out, field, WIRE_BYTES);
	put_varint(out, len);
	appendBinaryStringInfo(out, data, (int) len);
}

static void
put_text(StringInfo out, int field, const char *text)
{
	put_bytes(out, field, text, strlen(text));
}

static size_t
varint_size(uint64 value)
{
	size_t size = 1;

	while (value >= 0x80)
	{
		value >>= 7;
		size++;
	}
	return size;
}

static size_t
text_size(const char *text)
{
	size_t len = strlen(text);

	return 1 + varint_size(len) + len;
}

/* ---- messages ---- */

static void
put_label(StringInfo out, const MetricsLabel *label)
{
	put_tag(out, FIELD_SERIES_LABEL, WIRE_BYTES);
	put_varint(out, text_size(label->name) + text_size(label->value));
	put_text(out, FIELD_LABEL_NAME, label->name);
	put_text(out, FIELD_LABEL_VALUE, label->value);
}

static void
put_sample(StringInfo out, double value, int64 ms)
{
	uint64 bits;

	memcpy(&bits, &value, sizeof(bits));
#ifdef WORDS_BIGENDIAN
	bits = pg_bswap64(bits);
#endif
	put_tag(out, FIELD_SERIES_SAMPLE, WIRE_BYTES);
	put_varint(out, 1 + sizeof(bits) + 1 + varint_size((uint64) ms));
	put_tag(out, FIELD_SAMPLE_VALUE, WIRE_FIXED8);
	appendBinaryStringInfo(out, (const char *) &bits, sizeof(bits));
	put_tag(out, FIELD_SAMPLE_TIME, WIRE_VARINT);
	put_varint(out, (uint64) ms);
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
	StringInfo part = &message->part;

	resetStringInfo(&message->name);
	appendStringInfo(&message->name, "%s%s", family->name,
					 family->kind == METRICS_COUNTER ? "_total" : "");
	resetStringInfo(part);
	put_tag(part, FIELD_METADATA_TYPE, WIRE_VARINT);
	put_varint(part, (uint64) type_number(family->kind));
	put_text(part, FIELD_METADATA_FAMILY, message->name.data);
	put_text(part, FIELD_METADATA_HELP, family->help);
	if (family->unit != NULL)
		put_text(part, FIELD_METADATA_UNIT, family->unit);
	put_bytes(&message->out, FIELD_METADATA, part->data, (size_t) part->len);
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
	StringInfo part = &message->part;
	MetricsLabel labels[METRICS_LABELS + OWN_LABELS];
	char bound[METRICS_NUMBER_SIZE];
	int count = 0;

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

	resetStringInfo(part);
	for (int i = 0; i < count; i++)
		put_label(part, &labels[i]);
	put_sample(part, sample->value, message->ms);
	put_bytes(&message->out, FIELD_SERIES, part->data, (size_t) part->len);
}

char *
stats_message(const char *instance, int64 ms, size_t *size)
{
	MessageSink message = {
		.sink = {tell_metadata, tell_sample}, .instance = instance, .ms = ms};
	size_t room;
	char *compressed;

	Assert(ms >= 0);
	initStringInfo(&message.out);
	initStringInfo(&message.part);
	initStringInfo(&message.name);
	stats_tell(&message.sink);
	stats_tell_processes(&message.sink);
	room = snappy_max_compressed_length((size_t) message.out.len);
	compressed = palloc(room);
	/* cannot fail: there is room for the worst of all */
	(void) snappy_compress(message.out.data, (size_t) message.out.len, compressed, &room);
	*size = room;
	return compressed;
}
